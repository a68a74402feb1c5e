//! The access token in the system's keyring: the Keychain, the Credential Manager, or the Secret Service of a Linux desktop.
//!
//! A token is kept for the address of the hub that it is for, and sent to no other.

use std::sync::mpsc;
use std::time::Duration;

use keyring_core::{Entry, Error};

use super::HubError;
use super::environment::Token;

/// The name under which the keyring shows it.
const SERVICE: &str = "tiebreak";

/// How long is waited for somebody who is asked to unlock the keyring.
const PATIENCE: Duration = Duration::from_secs(60);

/// The token that is kept for the hub at this address.
///
/// # Errors
/// When there is one, and the keyring does not give it. A system without a keyring has none.
pub(crate) fn kept(endpoint: &str) -> Result<Option<Token>, HubError> {
    match at(endpoint, "give", read) {
        Err(HubError::NoKeyring { .. }) => Ok(None),
        other => other,
    }
}

/// Keeps a token for the hub at this address, in place of one before.
///
/// # Errors
/// When there is no keyring, or it does not take it.
pub(crate) fn keep(endpoint: &str, token: &Token) -> Result<(), HubError> {
    let token = token.clone();
    at(endpoint, "keep", move |entry| write(entry, &token))
}

/// Forgets the token for the hub at this address. Says whether there was one.
///
/// # Errors
/// When there is no keyring, or it does not let go of it.
pub(crate) fn forget(endpoint: &str) -> Result<bool, HubError> {
    at(endpoint, "forget", remove)
}

/// Makes sure that there is a keyring, before anybody is asked for a token.
///
/// # Errors
/// When there is none.
pub(crate) fn check() -> Result<(), HubError> {
    within("answer about", || match keyring::Entry::store_status() {
        Ok(()) => Ok(()),
        Err(error) => Err(HubError::NoKeyring { why: error.to_string() }),
    })
}

/// Asks the system's keyring, for as long as it may take somebody to unlock it.
fn at<T: Send + 'static>(
    endpoint: &str,
    action: &'static str,
    ask: impl FnOnce(&Entry) -> Result<T, HubError> + Send + 'static,
) -> Result<T, HubError> {
    let endpoint = endpoint.to_owned();
    within(action, move || {
        if let Ok(entry) = keyring::Entry::new(SERVICE, &endpoint) {
            return ask(&entry.inner);
        }
        let why = keyring::Entry::store_status().as_ref().err().map(ToString::to_string);
        Err(HubError::NoKeyring { why: why.unwrap_or_default() })
    })
}

fn within<T: Send + 'static>(
    action: &'static str,
    ask: impl FnOnce() -> Result<T, HubError> + Send + 'static,
) -> Result<T, HubError> {
    let (tell, told) = mpsc::channel();
    // A keyring that asks for its password may do so where nobody looks; the thread then stays behind.
    std::thread::spawn(move || {
        let _ = tell.send(ask());
    });
    told.recv_timeout(PATIENCE).unwrap_or_else(|_| {
        Err(HubError::Keyring { action, why: format!("it did not answer within {} s", PATIENCE.as_secs()) })
    })
}

fn read(entry: &Entry) -> Result<Option<Token>, HubError> {
    match entry.get_password() {
        Ok(text) => Token::new(&text, "the system's keyring"),
        Err(Error::NoEntry) => Ok(None),
        Err(error) => Err(failed("give", &error)),
    }
}

fn write(entry: &Entry, token: &Token) -> Result<(), HubError> {
    entry.set_password(token.to_keep()).map_err(|error| failed("keep", &error))
}

fn remove(entry: &Entry) -> Result<bool, HubError> {
    match entry.delete_credential() {
        Ok(()) => Ok(true),
        Err(Error::NoEntry) => Ok(false),
        Err(error) => Err(failed("forget", &error)),
    }
}

/// What the keyring says; some of its errors hold what is kept, which is not told.
fn failed(action: &'static str, error: &Error) -> HubError {
    let why = match error {
        Error::BadEncoding(_) | Error::BadDataFormat(..) => "what it holds is no text".to_owned(),
        error => error.to_string(),
    };
    HubError::Keyring { action, why }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use keyring_core::api::CredentialStoreApi;
    use keyring_core::mock;

    use super::*;

    /// An entry of a store in memory, made for tests: no keyring of this system is asked.
    fn entry(store: &mock::Store, endpoint: &str) -> Entry {
        store.build(SERVICE, endpoint, None).unwrap()
    }

    #[test]
    fn a_token_is_kept_for_its_hub_replaced_and_forgotten() {
        let store = mock::Store::new().unwrap();
        let (hub, mirror) = (entry(&store, "https://hub.example"), entry(&store, "https://mirror.example"));
        let token = |text: &str| Token::new(text, "here").unwrap().unwrap();
        assert_eq!(read(&hub).unwrap(), None);
        assert!(!remove(&hub).unwrap());
        write(&hub, &token("hf_first")).unwrap();
        write(&hub, &token("hf_second")).unwrap();
        assert_eq!(read(&entry(&store, "https://hub.example")).unwrap(), Some(token("hf_second")));
        assert_eq!(read(&mirror).unwrap(), None);
        assert!(remove(&hub).unwrap());
        assert_eq!(read(&hub).unwrap(), None);
    }

    #[test]
    fn what_the_keyring_says_is_told_and_what_it_holds_is_not() {
        let store = mock::Store::new().unwrap();
        let entry = entry(&store, "https://hub.example");
        let says = |error: Error| {
            let credential: &mock::Cred = entry.as_any().downcast_ref().unwrap();
            credential.set_error(error);
            let error = read(&entry).unwrap_err();
            format!("{error} {error:?} {}", error.hint())
        };
        let locked = says(Error::NoStorageAccess("it is locked".into()));
        assert!(locked.contains("it is locked") && locked.contains("HF_TOKEN"), "{locked}");
        let odd = says(Error::BadEncoding(b"hf_secret\xff".to_vec()));
        assert!(odd.contains("no text") && !odd.contains("hf_secret") && !odd.contains("104, 102"), "{odd}");
    }
}
