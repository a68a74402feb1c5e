//! Keys of judges in the system's keyring: one for each server, under a name that no token of the hub has.

use crate::repository::HubError;
use crate::repository::environment::Token;
use crate::repository::keyring;

/// What the keyring shows for a server.
fn name(server: &str) -> String {
    format!("judge at {server}")
}

/// The key that is kept for a server.
///
/// # Errors
/// When there is one, and the keyring does not give it.
pub fn kept(server: &str) -> Result<Option<String>, HubError> {
    Ok(keyring::kept(&name(server))?.map(|key| key.to_keep().to_owned()))
}

/// Keeps a key for a server, in place of one before.
///
/// # Errors
/// When it is no key, there is no keyring, or it does not take it.
pub fn keep(server: &str, key: &str) -> Result<(), HubError> {
    let key = Token::new(key, "what was given")?.ok_or(HubError::NoToken)?;
    keyring::keep(&name(server), &key)
}

/// Forgets the key for a server. Says whether there was one.
///
/// # Errors
/// When there is no keyring, or it does not let go of it.
pub fn forget(server: &str) -> Result<bool, HubError> {
    keyring::forget(&name(server))
}
