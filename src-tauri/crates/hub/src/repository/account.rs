//! Whose token it is: the hub's answer of `/api/whoami-v2`; and keeping tokens in the system's keyring.

use serde::Deserialize;
use serde_json::Value;
use ureq::http::header;

use super::client::{Failure, Hub, LONGEST_ANSWER, retry_after};
use super::environment::{Settings, Token};
use super::watch::Watch;
use super::{HubError, keyring};

/// An account of the hub, as its token shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Its name.
    pub name: String,
    /// What the token may do: `read`, `write` or `fineGrained`, where the hub says so.
    pub role: Option<String>,
}

#[derive(Deserialize)]
struct Answer {
    name: String,
    #[serde(default)]
    auth: Value,
}

impl Hub {
    /// The account that the token belongs to.
    ///
    /// # Errors
    /// When there is no token, the hub does not accept it, or it cannot be asked.
    pub fn account(&self, watch: &mut Watch<'_>) -> Result<Account, HubError> {
        let token = self.settings.token.as_ref().ok_or(HubError::NoToken)?;
        let address = format!("{}/api/whoami-v2", self.settings.endpoint);
        let uri = self.uri(&address)?;
        self.trying(watch, |_| {
            let request = self.agent.get(uri.clone()).header(header::AUTHORIZATION, token.header());
            let answer = request.call().map_err(|error| self.broken(&address, &error))?;
            let status = answer.status().as_u16();
            let host = uri.host().unwrap_or_default().to_owned();
            let wait = retry_after(answer.headers());
            match status {
                200..=299 => {}
                401 | 403 => return Err(HubError::Token.into()),
                429 => return Err(Failure::Passing { error: HubError::TooMany { wait }, wait }),
                408 | 500.. => return Err(Failure::Passing { error: HubError::Server { host, status }, wait }),
                _ => return Err(HubError::Server { host, status }.into()),
            }
            let text = answer.into_body().into_with_config().limit(LONGEST_ANSWER).read_to_string();
            let text = text.map_err(|error| self.broken(&address, &error))?;
            let answer: Answer = serde_json::from_str(&text).map_err(|_| {
                let what = "it does not say whose the token is".to_owned();
                Failure::Final(HubError::Answer { host: uri.host().unwrap_or_default().to_owned(), what })
            })?;
            let role = answer.auth["accessToken"]["role"].as_str().map(|role| self.without_token(role));
            Ok(Account { name: self.without_token(&answer.name), role })
        })
    }
}

impl Settings {
    /// The same with another token.
    #[must_use]
    pub fn with_token(self, token: Token) -> Self {
        Self { token: Some(token), ..self }
    }

    /// Makes sure that there is a keyring to keep a token in.
    ///
    /// # Errors
    /// When there is none.
    pub fn check_keyring(&self) -> Result<(), HubError> {
        keyring::check()
    }

    /// Keeps the token in the system's keyring, for this hub.
    ///
    /// # Errors
    /// When there is no keyring, or it does not take it.
    pub fn keep_token(&self, token: &Token) -> Result<(), HubError> {
        keyring::keep(&self.endpoint, token)
    }

    /// Forgets the token that the keyring has for this hub. Says whether there was one.
    ///
    /// # Errors
    /// When there is no keyring, or it does not let go of it.
    pub fn forget_token(&self) -> Result<bool, HubError> {
        keyring::forget(&self.endpoint)
    }
}
