//! Asking the hub: one request with its redirects, what its statuses mean, and trying again.
//!
//! hf-hub knows the addresses and the cache's layout. Its own client follows redirects and resumes, but neither checks a
//! hash nor tells a gated repository from a missing one, and it keeps no `Retry-After`; so requests are made here.

use std::fmt::Write;
use std::time::Duration;

use ureq::http::{HeaderMap, Response, Uri, header};
use ureq::{Agent, Body};

use super::HubError;
use super::environment::Settings;
use super::name::RepoId;
use super::watch::Watch;

/// Redirects that are followed before it is taken for a circle.
const REDIRECTS: usize = 10;

/// The longest answer of the hub's API that is read.
pub(crate) const LONGEST_ANSWER: u64 = 64 << 20;

/// Time for a connection, and for the first byte of an answer.
const CONNECT: Duration = Duration::from_secs(15);
const ANSWER: Duration = Duration::from_secs(60);

/// The hub, or a mirror of it, with the cache of its files.
#[derive(Debug)]
pub struct Hub {
    pub(crate) settings: Settings,
    pub(crate) agent: Agent,
}

/// What is asked for, for the words of an error.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asked<'a> {
    pub(crate) repo: &'a RepoId,
    pub(crate) revision: &'a str,
    pub(crate) file: Option<&'a str>,
}

/// Why a request gave nothing.
#[derive(Debug)]
pub(crate) enum Failure {
    /// It may go well the next time.
    Passing {
        /// The error, where there is no next time.
        error: HubError,
        /// Asked for by the server.
        wait: Option<Duration>,
    },
    /// It will not.
    Final(HubError),
}

impl From<HubError> for Failure {
    fn from(error: HubError) -> Self {
        Self::Final(error)
    }
}

impl Hub {
    /// The hub that the environment names: see [`Settings::from_environment`].
    ///
    /// # Errors
    /// As there.
    pub fn from_environment() -> Result<Self, HubError> {
        Ok(Self::new(Settings::from_environment()?))
    }

    /// The hub as it is set.
    pub fn new(settings: Settings) -> Self {
        let config = Agent::config_builder()
            .http_status_as_error(false)
            // The token must not follow to another host, so redirects are followed here.
            .max_redirects(0)
            // Lengths and ranges are those of the file itself.
            .accept_encoding("identity")
            .user_agent(concat!("tiebreak/", env!("CARGO_PKG_VERSION")))
            .timeout_connect(Some(CONNECT))
            .timeout_recv_response(Some(ANSWER))
            .timeout_per_read(Some(settings.patience.silence))
            .timeout_per_write(Some(settings.patience.silence));
        let agent = config.build().into();
        Self { settings, agent }
    }

    /// Where the hub's files are kept.
    pub fn cache(&self) -> &std::path::Path {
        &self.settings.cache
    }

    /// Whether only the cache is used.
    pub fn is_offline(&self) -> bool {
        self.settings.offline
    }

    /// The page of a repository.
    pub fn page(&self, repo: &RepoId) -> String {
        format!("{}/{repo}", self.settings.endpoint)
    }

    /// An answer of the API as text, trying again where that may help.
    ///
    /// # Errors
    /// See [`HubError`].
    pub(crate) fn text(&self, path: &str, asked: Asked<'_>, watch: &mut Watch<'_>) -> Result<String, HubError> {
        let address = format!("{}/api/{path}", self.settings.endpoint);
        let mut attempts = Attempts::new(self);
        loop {
            watch.check()?;
            let answer = self.ask(&address, None, asked).and_then(|answer| {
                let limited = answer.into_body().into_with_config().limit(LONGEST_ANSWER);
                limited.read_to_string().map_err(|error| self.broken(&address, &error))
            });
            match answer {
                Ok(text) => return Ok(text),
                Err(failure) => attempts.after(failure, watch)?,
            }
        }
    }

    /// One request, with its redirects; `from` asks for the bytes from there on. An answer is one of success.
    ///
    /// # Errors
    /// See [`Failure`].
    pub(crate) fn ask(&self, address: &str, from: Option<u64>, asked: Asked<'_>) -> Result<Response<Body>, Failure> {
        let mut uri = self.uri(address)?;
        let home = Place::of(&uri);
        for _ in 0..=REDIRECTS {
            let at_home = Place::of(&uri) == home;
            let mut request = self.agent.get(uri.clone());
            if let (true, Some(token)) = (at_home, &self.settings.token) {
                request = request.header(header::AUTHORIZATION, token.header());
            }
            if let Some(from) = from {
                request = request.header(header::RANGE, format!("bytes={from}-"));
            }
            let answer = request.call().map_err(|error| self.broken(&uri.to_string(), &error))?;
            let status = answer.status();
            if status.is_success() {
                return Ok(answer);
            }
            if !status.is_redirection() {
                return Err(self.refused(status.as_u16(), answer.headers(), &uri, at_home, asked));
            }
            uri = Self::redirected(&uri, answer.headers())?;
        }
        Err(answer_error(&uri, "it redirects in a circle").into())
    }

    pub(crate) fn uri(&self, address: &str) -> Result<Uri, HubError> {
        let endpoint = || HubError::Endpoint { name: "HF_ENDPOINT", value: self.settings.endpoint.clone() };
        let uri: Uri = address.parse().map_err(|_| endpoint())?;
        if uri.host().is_none() { Err(endpoint()) } else { Ok(uri) }
    }

    fn redirected(from: &Uri, headers: &HeaderMap) -> Result<Uri, HubError> {
        let lost = || answer_error(from, "it redirects to nowhere");
        let to = text_of(headers, "location").ok_or_else(lost)?;
        let to: Uri = to.parse().map_err(|_| lost())?;
        if to.host().is_none() {
            if !to.path().starts_with('/') {
                return Err(lost());
            }
            let mut parts = from.clone().into_parts();
            parts.path_and_query = to.into_parts().path_and_query;
            return Uri::from_parts(parts).map_err(|_| lost());
        }
        if from.scheme_str() == Some("https") && to.scheme_str() != Some("https") {
            return Err(answer_error(from, "it redirects from https to what is not"));
        }
        Ok(to)
    }

    /// What a connection's failure means.
    pub(crate) fn broken(&self, address: &str, error: &ureq::Error) -> Failure {
        let host = address.parse::<Uri>().ok().map(|uri| host(&uri)).unwrap_or_default();
        let lasting = matches!(
            error,
            ureq::Error::Tls(_) | ureq::Error::Rustls(_) | ureq::Error::InvalidProxyUrl | ureq::Error::BadUri(_)
        );
        let reason = match error {
            ureq::Error::Timeout(_) => format!("nothing came within {} s", self.settings.patience.silence.as_secs()),
            ureq::Error::HostNotFound => "there is no host of that name, or no network".to_owned(),
            ureq::Error::BodyExceedsLimit(most) => {
                return HubError::Answer { host, what: format!("it is longer than {most} bytes") }.into();
            }
            ureq::Error::Io(error) => error.to_string(),
            error => error.to_string(),
        };
        let error = HubError::Network { host, reason };
        if lasting { Failure::Final(error) } else { Failure::Passing { error, wait: None } }
    }

    fn refused(&self, status: u16, headers: &HeaderMap, uri: &Uri, at_home: bool, asked: Asked<'_>) -> Failure {
        let repo = asked.repo.to_string();
        let with_token = self.settings.token.is_some();
        let code = text_of(headers, "x-error-code").unwrap_or_default();
        let server = || HubError::Server { host: host(uri), status };
        let error = match (status, code) {
            (408 | 500..=599, _) => return Failure::Passing { error: server(), wait: retry_after(headers) },
            (429, _) => {
                let wait = retry_after(headers);
                return Failure::Passing { error: HubError::TooMany { wait }, wait };
            }
            // The address on another host is signed for a while; the next attempt gets a new one.
            (401 | 403, _) if !at_home => return Failure::Passing { error: server(), wait: None },
            (401 | 403, "GatedRepo") => HubError::Gated { repo, page: self.page(asked.repo), with_token },
            (401 | 404, "RepoNotFound") => HubError::NoRepository { repo, with_token },
            (401, _) if with_token => HubError::Token,
            (401, _) => HubError::NoRepository { repo, with_token },
            (403, _) => HubError::Forbidden { repo },
            (404, "RevisionNotFound") => HubError::NoRevision { repo, revision: asked.revision.to_owned() },
            (404, _) => match asked.file {
                Some(file) => HubError::NoFile { repo, revision: asked.revision.to_owned(), file: file.to_owned() },
                None => HubError::NoRepository { repo, with_token },
            },
            _ => server(),
        };
        Failure::Final(error)
    }
}

/// Attempts at one thing, up to the one that is not made any more.
pub(crate) struct Attempts {
    most: u32,
    first: Duration,
    longest: Duration,
    made: u32,
}

impl Attempts {
    pub(crate) fn new(hub: &Hub) -> Self {
        let patience = hub.settings.patience;
        Self { most: patience.attempts, first: patience.first, longest: patience.longest, made: 0 }
    }

    /// Something was gained: counts anew.
    pub(crate) fn reset(&mut self) {
        self.made = 0;
    }

    /// Waits for the next attempt.
    ///
    /// # Errors
    /// When there is none, or the user stops.
    pub(crate) fn after(&mut self, failure: Failure, watch: &mut Watch<'_>) -> Result<(), HubError> {
        let (error, asked) = match failure {
            Failure::Final(error) => return Err(error),
            Failure::Passing { error, wait } => (error, wait),
        };
        self.made += 1;
        let own = self.first.saturating_mul(1 << (self.made - 1).min(10)).min(self.longest);
        let wait = asked.unwrap_or(own);
        if self.made >= self.most || wait > self.longest {
            return Err(error);
        }
        watch.wait(wait, &format!("{error}; trying again in {} s", wait.as_secs_f64().ceil()))
    }
}

/// Scheme, host and port: who gets what is sent.
#[derive(PartialEq)]
pub(crate) struct Place(String, String, Option<u16>);

impl Place {
    pub(crate) fn of(uri: &Uri) -> Self {
        let scheme = uri.scheme_str().unwrap_or_default().to_owned();
        let port = uri.port_u16().or(match scheme.as_str() {
            "https" => Some(443),
            "http" => Some(80),
            _ => None,
        });
        Self(scheme, uri.host().unwrap_or_default().to_ascii_lowercase(), port)
    }
}

pub(crate) fn host(uri: &Uri) -> String {
    uri.host().unwrap_or_default().to_owned()
}

fn answer_error(uri: &Uri, what: &str) -> HubError {
    HubError::Answer { host: host(uri), what: what.to_owned() }
}

pub(crate) fn text_of<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

/// `Retry-After`: seconds, or a date.
pub(crate) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = text_of(headers, "retry-after")?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let until = httpdate::parse_http_date(text).ok()?;
    Some(until.duration_since(std::time::SystemTime::now()).unwrap_or_default())
}

/// The path of a file as it stands in an address.
pub(crate) fn escaped(path: &str) -> String {
    let mut text = String::with_capacity(path.len());
    for byte in path.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~' | b'/') {
            text.push(char::from(byte));
        } else {
            // Writing into a string cannot fail.
            let _ = write!(text, "%{byte:02X}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn waits_are_read_as_seconds_and_as_dates() {
        let wait = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert("retry-after", value.parse().unwrap());
            retry_after(&headers)
        };
        assert_eq!(wait("7"), Some(Duration::from_secs(7)));
        let soon = std::time::SystemTime::now() + Duration::from_secs(60);
        let told = wait(&httpdate::fmt_http_date(soon)).unwrap().as_secs();
        assert!((50..=60).contains(&told), "{told}");
        assert_eq!(wait("soon"), None);
    }

    #[test]
    fn a_place_is_scheme_host_and_port() {
        let place = |text: &str| Place::of(&text.parse().unwrap());
        assert!(place("https://a.b/x") == place("https://A.b:443/y"));
        assert!(place("https://a.b/x") != place("http://a.b/x"));
        assert!(place("http://a.b:1/") != place("http://a.b:2/"));
    }

    #[test]
    fn redirects_lead_somewhere_and_never_from_https_to_http() {
        let to = |from: &str, location: &str| {
            let mut headers = HeaderMap::new();
            headers.insert("location", location.parse().unwrap());
            Hub::redirected(&from.parse().unwrap(), &headers).map(|uri| uri.to_string())
        };
        assert_eq!(to("https://a.b/x?y=1", "/z?w=2").unwrap(), "https://a.b/z?w=2");
        assert_eq!(to("https://a.b/x", "https://c.d/z").unwrap(), "https://c.d/z");
        assert_eq!(to("http://127.0.0.1:1/x", "http://127.0.0.1:2/z").unwrap(), "http://127.0.0.1:2/z");
        let error = to("https://a.b/x", "http://c.d/z?Signature=secret").unwrap_err();
        assert!(error.to_string().contains("from https to what is not") && !error.to_string().contains("secret"));
        assert!(Hub::redirected(&"https://a.b/x".parse().unwrap(), &HeaderMap::new()).is_err());
    }

    #[test]
    fn paths_are_escaped() {
        assert_eq!(escaped("a b/ü#?.gguf"), "a%20b/%C3%BC%23%3F.gguf");
    }
}
