//! The access token of the Hugging Face hub in the system's keyring: checked, kept, forgotten.

use crate::context::Context;
use crate::error::Result;
use crate::hub_paths::watched;
use hub::repository::{Account, Hub, Settings, Token};
use serde::Serialize;

/// What became of a token that is to be kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LoginReply {
    /// The account that it belongs to; none where the hub was not asked.
    pub account: Option<String>,
    /// What it may do, where the hub says so: `read`, `write` or `fineGrained`.
    pub role: Option<String>,
    /// The hub that it is for.
    pub hub: String,
}

/// What became of the token that was kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LogoutReply {
    /// Whether there was one.
    pub forgotten: bool,
    /// The hub that it was for.
    pub hub: String,
}

/// Makes sure that a token can be kept, before anybody is asked for one.
///
/// # Errors
/// When there is no keyring.
pub fn check_login() -> Result<()> {
    Ok(Settings::without_token()?.check_keyring()?)
}

/// Keeps a token in the system's keyring, once the hub has said whose it is.
///
/// # Errors
/// When it is no token, the hub does not accept it, or the keyring does not take it.
pub fn login(token: &str, context: &mut Context) -> Result<LoginReply> {
    let settings = Settings::without_token()?;
    let (token, account) = checked(token, &settings, context)?;
    settings.keep_token(&token)?;
    for name in ["HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"] {
        if std::env::var_os(name).is_some_and(|value| !value.is_empty()) {
            context.note(format!("{name} is set, and comes before the token that is kept"));
        }
    }
    let (account, role) = account.map(|account| (account.name, account.role)).unzip();
    Ok(LoginReply { account, role: role.flatten(), hub: settings.endpoint })
}

/// Forgets the token in the system's keyring.
///
/// # Errors
/// When there is no keyring, or it does not let go of it.
pub fn logout() -> Result<LogoutReply> {
    let settings = Settings::without_token()?;
    let forgotten = settings.forget_token()?;
    Ok(LogoutReply { forgotten, hub: settings.endpoint })
}

/// The token, with its account; without that where the network is not to be used.
///
/// # Errors
/// When it is no token, or the hub does not accept it.
pub(crate) fn checked(token: &str, settings: &Settings, context: &mut Context) -> Result<(Token, Option<Account>)> {
    let token = Token::new(token, "what was given")?.ok_or(hub::repository::HubError::NoToken)?;
    if settings.offline {
        context.note("HF_HUB_OFFLINE is set: the token was not checked");
        return Ok((token, None));
    }
    let hub = Hub::new(settings.clone().with_token(token.clone()));
    let account = watched("ask the hub", context, |watch| hub.account(watch))?;
    if account.role.as_deref() == Some("read") {
        context.note("this token may only read; to push, make one that may write");
    }
    Ok((token, Some(account)))
}
