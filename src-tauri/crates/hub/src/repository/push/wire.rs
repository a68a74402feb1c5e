//! One request that sends something: to the hub with the token, to any other host without it.

use std::io::Read;

use serde::de::DeserializeOwned;
use serde_json::Value;
use ureq::http::{Method, Request, Response, Uri, header};
use ureq::{Body, SendBody};

use super::super::HubError;
use super::super::client::{Attempts, Failure, Hub, LONGEST_ANSWER, Place, host, retry_after, text_of};
use super::super::environment::ENDPOINT;
use super::super::name::RepoId;
use super::super::watch::Watch;

/// The longest text of a server that is told.
const LONGEST_SAYING: usize = 300;

/// Bytes of an answer that refuses which are read for what it says.
const LONGEST_REFUSAL: u64 = 1 << 16;

/// What is sent.
pub(super) struct Outgoing<'a> {
    pub(super) method: Method,
    pub(super) headers: &'a [(String, String)],
    pub(super) body: &'a mut dyn Read,
    pub(super) bytes: u64,
}

/// Where something is sent.
#[derive(Debug, Clone)]
pub(super) struct Address {
    uri: Uri,
    /// Whether it is the hub itself, to which the token goes.
    pub(super) is_home: bool,
}

/// Why nothing came of it.
pub(super) enum Refusal {
    /// The connection broke, or the server is busy.
    Failed(Failure),
    /// The server refuses.
    Status(Status),
}

/// A status with what the server says to it.
pub(super) struct Status {
    pub(super) host: String,
    pub(super) number: u16,
    pub(super) code: String,
    /// In the server's words, without the token; may be empty.
    pub(super) says: String,
}

impl Hub {
    /// An address of the hub's own.
    ///
    /// # Errors
    /// When the hub's address is none.
    pub(super) fn home(&self, path: &str) -> Result<Address, HubError> {
        Ok(Address { uri: self.uri(&format!("{}/{path}", self.settings.endpoint))?, is_home: true })
    }

    /// An address that the hub has told. Where that is the hub's usual one and a mirror is asked, the mirror's is meant.
    ///
    /// # Errors
    /// When it is none, or is less safe than the hub's own.
    pub(super) fn told(&self, href: &str) -> Result<Address, HubError> {
        let own = self.uri(&self.settings.endpoint)?;
        let wrong = |what: &str| HubError::Answer { host: host(&own), what: what.to_owned() };
        let href = match href.strip_prefix(ENDPOINT) {
            Some(rest) if rest.starts_with('/') => format!("{}{rest}", self.settings.endpoint),
            _ => href.to_owned(),
        };
        let uri: Uri = href.parse().map_err(|_| wrong("it names no address to send a file to"))?;
        if uri.host().is_none() || !matches!(uri.scheme_str(), Some("http" | "https")) {
            return Err(wrong("it names no address to send a file to"));
        }
        if own.scheme_str() == Some("https") && uri.scheme_str() != Some("https") {
            return Err(wrong("it would have a file sent without encryption"));
        }
        Ok(Address { is_home: Place::of(&uri) == Place::of(&own), uri })
    }

    /// Sends something once. An answer is one of success.
    ///
    /// # Errors
    /// See [`Refusal`].
    pub(super) fn send(&self, to: &Address, sent: Outgoing<'_>) -> Result<Response<Body>, Refusal> {
        let token = self.settings.token.as_ref();
        let mut request = Request::builder().method(sent.method).uri(to.uri.clone());
        request = request.header(header::CONTENT_LENGTH, sent.bytes);
        for (name, value) in sent.headers {
            // What is meant for the hub alone goes nowhere else, whoever asks for it.
            if to.is_home || token.is_none_or(|token| !token.is_in(value)) {
                request = request.header(name, value);
            }
        }
        if let (true, Some(token)) = (to.is_home, token) {
            request = request.header(header::AUTHORIZATION, token.header());
        }
        let host = host(&to.uri);
        let odd = |_| {
            let what = "it asks for headers that cannot be sent".to_owned();
            Refusal::Failed(HubError::Answer { host: host.clone(), what }.into())
        };
        let request = request.body(SendBody::from_reader(sent.body)).map_err(odd)?;
        let answer = self.agent.run(request).map_err(|error| Refusal::Failed(self.unsent(&to.uri, &error)))?;
        let status = answer.status();
        if status.is_success() {
            return Ok(answer);
        }
        let wait = retry_after(answer.headers());
        match status.as_u16() {
            status @ (408 | 500..=599) => {
                Err(Refusal::Failed(Failure::Passing { error: HubError::Server { host, status }, wait }))
            }
            429 => Err(Refusal::Failed(Failure::Passing { error: HubError::TooMany { wait }, wait })),
            status => {
                let code = text_of(answer.headers(), "x-error-code").unwrap_or_default().to_owned();
                let says = self.saying(answer);
                Err(Refusal::Status(Status { host, number: status, code, says }))
            }
        }
    }

    /// Sends JSON to the hub and reads its answer, trying again where that may help. `means` says what a refusal is.
    ///
    /// # Errors
    /// See [`HubError`].
    pub(super) fn post<T: DeserializeOwned>(
        &self,
        to: &Address,
        value: &Value,
        kind: &str,
        means: &dyn Fn(Status) -> Failure,
        watch: &mut Watch<'_>,
    ) -> Result<T, HubError> {
        self.trying(watch, |_| self.post_once(to, value, kind, means))
    }

    /// The same once.
    ///
    /// # Errors
    /// See [`Failure`].
    pub(super) fn post_once<T: DeserializeOwned>(
        &self,
        to: &Address,
        value: &Value,
        kind: &str,
        means: &dyn Fn(Status) -> Failure,
    ) -> Result<T, Failure> {
        let answer = self.tell(to, value, kind, &[], means)?;
        self.read(to, answer)
    }

    /// The JSON of an answer.
    ///
    /// # Errors
    /// When it broke off, or is none.
    pub(super) fn read<T: DeserializeOwned>(&self, from: &Address, answer: Response<Body>) -> Result<T, Failure> {
        let text = answer.into_body().into_with_config().limit(LONGEST_ANSWER).read_to_string();
        let text = text.map_err(|error| self.unsent(&from.uri, &error))?;
        serde_json::from_str(&text).map_err(|_| from.answered("it is not what the hub answers there").into())
    }

    /// Sends JSON once, with headers beside its own.
    ///
    /// # Errors
    /// See [`Failure`].
    pub(super) fn tell(
        &self,
        to: &Address,
        value: &Value,
        kind: &str,
        more: &[(String, String)],
        means: &dyn Fn(Status) -> Failure,
    ) -> Result<Response<Body>, Failure> {
        let text = value.to_string();
        let own = [("Content-Type", kind), ("Accept", kind)].map(|(name, kind)| (name.to_owned(), kind.to_owned()));
        let headers = [own.as_slice(), more].concat();
        let (body, bytes) = (&mut text.as_bytes(), text.len() as u64);
        let sent = Outgoing { method: Method::POST, headers: &headers, body, bytes };
        self.send(to, sent).map_err(|refusal| match refusal {
            Refusal::Failed(failure) => failure,
            Refusal::Status(status) => means(status),
        })
    }

    /// Tries until it is done, or there is no next time.
    ///
    /// # Errors
    /// See [`HubError`].
    pub(in super::super) fn trying<T>(
        &self,
        watch: &mut Watch<'_>,
        mut once: impl FnMut(&mut Watch<'_>) -> Result<T, Failure>,
    ) -> Result<T, HubError> {
        let mut attempts = Attempts::new(self);
        loop {
            watch.check()?;
            match once(watch) {
                Ok(done) => return Ok(done),
                Err(failure) => {
                    // A body that is not given any more looks like a connection that broke.
                    watch.check()?;
                    attempts.after(failure, watch)?;
                }
            }
        }
    }

    /// What a connection's failure means; the address itself, which may be signed, is not told.
    pub(super) fn unsent(&self, uri: &Uri, error: &ureq::Error) -> Failure {
        match error {
            ureq::Error::Timeout(ureq::Timeout::PerWrite | ureq::Timeout::SendBody) => {
                let reason = format!("nothing was taken within {} s", self.settings.patience.silence.as_secs());
                Failure::Passing { error: HubError::Network { host: host(uri), reason }, wait: None }
            }
            error => self.broken(&format!("{}://{}/", uri.scheme_str().unwrap_or_default(), host(uri)), error),
        }
    }

    /// What a server says to its refusal, in a line, without the token.
    fn saying(&self, answer: Response<Body>) -> String {
        let told = text_of(answer.headers(), "x-error-message").map(str::to_owned);
        let text = answer.into_body().into_with_config().limit(LONGEST_REFUSAL).read_to_string().unwrap_or_default();
        let said = serde_json::from_str::<Value>(&text).ok().and_then(|value| {
            let error = &value["error"];
            [error, &error["message"], &value["message"]].into_iter().find_map(|text| text.as_str().map(str::to_owned))
        });
        let text = said.or(told).unwrap_or_default();
        self.without_token(&text)
    }

    /// What a server says, in a line that may be shown.
    pub(in super::super) fn without_token(&self, text: &str) -> String {
        let text = self.settings.token.as_ref().map_or_else(|| text.to_owned(), |token| token.taken_out_of(text));
        let line: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(LONGEST_SAYING).collect();
        line.trim().trim_end_matches('.').to_owned()
    }

    /// What it means that the hub refuses what is sent to a repository.
    pub(super) fn write_refused(&self, repo: &RepoId, refused: Status) -> Failure {
        let Status { number: status, code, says, .. } = refused;
        let (name, with_token) = (repo.to_string(), self.settings.token.is_some());
        let error = match (status, code.as_str()) {
            (401 | 403, "GatedRepo") => HubError::Gated { repo: name, page: self.page(repo), with_token },
            (401 | 404, "RepoNotFound") => HubError::NoRepository { repo: name, with_token },
            (401, _) => HubError::Token,
            (403, _) => HubError::MayNotWrite { repo: name, says },
            (404, "RevisionNotFound") => HubError::NoRevision { repo: name, revision: super::REVISION.to_owned() },
            (404, _) => HubError::NoRepository { repo: name, with_token },
            (409 | 412, _) => HubError::Moved { repo: name },
            _ => HubError::Refused { repo: name, status, says },
        };
        error.into()
    }
}

impl Address {
    /// An answer that cannot be used.
    pub(super) fn answered(&self, what: impl Into<String>) -> HubError {
        HubError::Answer { host: host(&self.uri), what: what.into() }
    }
}

impl Status {
    /// The status, and what the server says to it.
    pub(super) fn words(&self) -> String {
        if self.says.is_empty() { self.number.to_string() } else { format!("{}: {}", self.number, self.says) }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::super::environment::{Patience, Settings, Token};
    use super::*;

    fn hub(endpoint: &str) -> Hub {
        let token = Token::new("hf_secret", "here").unwrap();
        let cache = std::path::PathBuf::from("/cache");
        Hub::new(Settings { endpoint: endpoint.into(), cache, token, offline: false, patience: Patience::default() })
    }

    #[test]
    fn only_the_hub_itself_is_home_and_nothing_is_less_safe() {
        let told = |endpoint: &str, href: &str| hub(endpoint).told(href).map(|to| (to.uri.to_string(), to.is_home));
        let safe = "https://hub.example";
        assert!(told(safe, "https://HUB.example:443/x?a").unwrap().1);
        assert_eq!(told(safe, "https://store.example/x?a").unwrap(), ("https://store.example/x?a".into(), false));
        assert!(!told(safe, "https://hub.example.evil.example/x").unwrap().1);
        // A mirror that hands on what the hub itself says.
        assert_eq!(told(safe, "https://huggingface.co/verify").unwrap(), ("https://hub.example/verify".into(), true));
        assert!(!told(safe, "https://huggingface.co.evil.example/x").unwrap().1);
        for wrong in
            ["http://hub.example/x", "http://store.example/x", "/x", "ftp://hub.example/x", "file:///etc/x", ""]
        {
            assert!(told(safe, wrong).is_err(), "{wrong}");
        }
        assert!(!told("http://127.0.0.1:1", "http://127.0.0.1:2/x").unwrap().1);
    }

    #[test]
    fn what_a_server_says_is_a_line_without_the_token() {
        let hub = hub("https://hub.example");
        assert_eq!(hub.without_token("no\nrights: hf_secret.\u{1b}[31m"), "no rights: (the token). [31m");
        assert_eq!(hub.without_token(&"x".repeat(5000)).len(), LONGEST_SAYING);
    }
}
