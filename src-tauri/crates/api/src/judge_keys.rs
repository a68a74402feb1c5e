//! Keys of judges that are models behind an address: typed for as long as the program runs, or in the system's keyring. A key is
//! kept for a server and sent to no other; it stands in no file, message, event or reply.

use crate::error::{Error, Result};
use eval::judge::{Endpoint, Judge, KeyFrom};
use hub::repository::{HubError, Settings};
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::{PoisonError, RwLock};

/// Keys that were typed, by server.
static TYPED: RwLock<BTreeMap<String, String>> = RwLock::new(BTreeMap::new());

/// What became of a key that is to be kept, or forgotten.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct JudgeKeyReply {
    /// The server that it is for.
    pub server: String,
    /// Whether there is one in the keyring now, or was one before it was forgotten.
    pub in_keyring: bool,
}

/// The judge as it is written, with its key where it has one.
///
/// # Errors
/// When there is no such judge, or its key is not there.
pub(crate) fn judge(written: &str) -> Result<Judge> {
    match Judge::parse(written)? {
        Judge::Endpoint(endpoint) => Ok(Judge::Endpoint(with_key(endpoint)?)),
        other => Ok(other),
    }
}

fn with_key(endpoint: Endpoint) -> Result<Endpoint> {
    let Some(from) = endpoint.key_from else { return Ok(endpoint) };
    let server = endpoint.origin();
    let key = match from {
        KeyFrom::Session => TYPED.read().unwrap_or_else(PoisonError::into_inner).get(&server).cloned(),
        KeyFrom::Keyring => hub::judge_keys::kept(&server).map_err(|error| of_keyring(&error))?,
    };
    let key = key.ok_or_else(|| match from {
        KeyFrom::Session => Error::new(
            "no_key",
            format!("the key for {server} is not known: it was typed for one session"),
            "Type it again on the evaluation's page.",
        ),
        KeyFrom::Keyring => Error::new(
            "no_key",
            format!("the system's keyring has no key for {server}"),
            format!("Keep one there: `tiebreak login --judge {server}`, or type it in the window."),
        ),
    })?;
    Ok(endpoint.with_key(key))
}

/// What the keyring says, without the advice that is of the hub's token.
fn of_keyring(error: &HubError) -> Error {
    let message = error.to_string().replace("the token", "the key");
    let hint = "Unlock the keyring and try again, or name an environment variable that holds the key.";
    Error::new("keyring", message, hint)
}

/// The server of an address, by which a key is kept.
///
/// # Errors
/// When it is no address that a key may be sent to.
pub(crate) fn server_of(url: &str) -> Result<String> {
    let endpoint = Endpoint::new(url, "any", None).map_err(|why| Error::new("judge", why, "Correct the address."))?;
    Ok(endpoint.origin())
}

/// Takes a key for as long as the program runs, and keeps it where that is wished.
///
/// # Errors
/// When it is no key, the address is none, or the keyring does not take it.
pub(crate) fn use_key(url: &str, key: &str, keep: bool) -> Result<JudgeKeyReply> {
    let (server, key) = (server_of(url)?, key.trim());
    if key.is_empty() || !key.bytes().all(|byte| byte.is_ascii_graphic()) {
        let message = "what was given is no key: it is empty, or holds spaces or other characters that no key has";
        return Err(Error::new("no_key", message, "Copy it whole, and nothing else."));
    }
    if keep {
        hub::judge_keys::keep(&server, key).map_err(|error| of_keyring(&error))?;
    }
    TYPED.write().unwrap_or_else(PoisonError::into_inner).insert(server.clone(), key.to_owned());
    Ok(JudgeKeyReply { server, in_keyring: keep })
}

/// Makes sure that a key for an address can be kept, before anybody is asked for one.
///
/// # Errors
/// When the address is none, or there is no keyring.
pub fn check_judge_key(url: &str) -> Result<()> {
    server_of(url)?;
    Settings::without_token()?.check_keyring().map_err(|error| of_keyring(&error))
}

/// Keeps a key in the system's keyring, for the server of an address.
///
/// # Errors
/// As [`use_key`].
pub fn keep_judge_key(url: &str, key: &str) -> Result<JudgeKeyReply> {
    use_key(url, key, true)
}

/// Forgets the key in the system's keyring for the server of an address.
///
/// # Errors
/// When there is no keyring, or it does not let go of it.
pub fn forget_judge_key(url: &str) -> Result<JudgeKeyReply> {
    let server = server_of(url)?;
    let in_keyring = hub::judge_keys::forget(&server).map_err(|error| of_keyring(&error))?;
    TYPED.write().unwrap_or_else(PoisonError::into_inner).remove(&server);
    Ok(JudgeKeyReply { server, in_keyring })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_typed_key_is_found_for_its_server_alone_and_stands_in_nothing() {
        let near = "http://127.0.0.1:9/v1";
        let missing = judge(&format!("endpoint:{near} m @session")).unwrap_err();
        assert_eq!(missing.code, "no_key");
        let reply = use_key(&format!("{near}/chat/completions"), " sk-very-secret ", false).unwrap();
        assert_eq!(reply, JudgeKeyReply { server: "http://127.0.0.1:9".into(), in_keyring: false });
        let found = judge(&format!("endpoint:{near} m @session")).unwrap();
        let shown = format!("{found:?} {} {}", serde_json::to_string(&found).unwrap(), found.description());
        assert!(!shown.contains("secret") && shown.contains("(a key)"), "{shown}");
        assert_eq!(judge("endpoint:http://127.0.0.1:10/v1 m @session").unwrap_err().code, "no_key");
        for wrong in ["", "two words", "ключ"] {
            let error = use_key(near, wrong, false).unwrap_err();
            assert!(wrong.is_empty() || !error.message.contains(wrong));
        }
    }
}
