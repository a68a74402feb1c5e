//! What the environment says of the hub: the variables that its own programs read.

use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;
use std::sync::{PoisonError, RwLock};
use std::time::Duration;

use super::{HubError, keyring};

/// Where the hub is where nothing else is said.
pub(crate) const ENDPOINT: &str = "https://huggingface.co";

/// An access token. It is shown nowhere.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

impl Token {
    /// A token as it stands in a variable or a file named `place`; nothing where that is empty.
    ///
    /// # Errors
    /// When it holds what no token holds.
    pub fn new(text: &str, place: &str) -> Result<Option<Self>, HubError> {
        let text = text.trim();
        if !text.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(HubError::OddToken { place: place.to_owned() });
        }
        Ok((!text.is_empty()).then(|| Self(text.to_owned())))
    }

    /// Whether a text holds it.
    pub(crate) fn is_in(&self, text: &str) -> bool {
        text.contains(&self.0)
    }

    /// A text of a server that may be shown.
    pub(crate) fn taken_out_of(&self, text: &str) -> String {
        text.replace(&self.0, "(the token)")
    }

    /// The text itself, for the system's keyring alone.
    pub(crate) fn to_keep(&self) -> &str {
        &self.0
    }

    /// The header that carries it.
    pub(crate) fn header(&self) -> String {
        format!("Bearer {}", self.0)
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token")
    }
}

/// What [`Settings::use_token`] was given.
static USED: RwLock<Option<(String, Token)>> = RwLock::new(None);

/// How long is waited for what may pass: a connection that is cut, a server that is busy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// Attempts without a byte gained before it is given up.
    pub attempts: u32,
    /// Wait before the second attempt; each later one waits twice as long.
    pub first: Duration,
    /// The longest wait, also where the server asks for a longer one.
    pub longest: Duration,
    /// Time without a byte after which a connection counts as cut.
    pub silence: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self { attempts: 6, first: seconds(1), longest: seconds(300), silence: seconds(20) }
    }
}

/// Where the hub is, where its files are kept, and how it is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The hub's address or that of a mirror, without a slash at its end.
    pub endpoint: String,
    /// The hub's cache: the folder of `models--…` and `datasets--…`.
    pub cache: PathBuf,
    /// For what is private or gated.
    pub token: Option<Token>,
    /// Whether only the cache is used.
    pub offline: bool,
    /// How long is waited.
    pub patience: Patience,
}

impl Settings {
    /// As `HF_ENDPOINT`, `HF_HUB_CACHE`, `HF_HOME`, `HF_TOKEN`, `HF_TOKEN_PATH` and `HF_HUB_OFFLINE` say, and where
    /// they say nothing, as the hub's own programs have it. The token is that of this process ([`Settings::use_token`]),
    /// else of the variable, of the system's keyring, or of the file, the first that there is.
    ///
    /// # Errors
    /// When no folder is named, the address is none, or a keyring or a file with a token cannot be read.
    pub fn from_environment() -> Result<Self, HubError> {
        let without = Self::without_token()?;
        let used = USED.read().unwrap_or_else(PoisonError::into_inner).clone();
        match used.filter(|(endpoint, _)| *endpoint == without.endpoint) {
            Some((_, token)) => Ok(without.with_token(token)),
            None => Self::from_variables(|name| std::env::var_os(name), keyring::kept),
        }
    }

    /// As [`Settings::from_environment`], but without any token: to log in, or out.
    ///
    /// # Errors
    /// When no folder is named, or the address is none.
    pub fn without_token() -> Result<Self, HubError> {
        Ok(Self::places(|name| std::env::var_os(name))?.0)
    }

    /// From now on this process uses the token for the hub at this address. It is kept nowhere.
    pub fn use_token(&self, token: Token) {
        *USED.write().unwrap_or_else(PoisonError::into_inner) = Some((self.endpoint.clone(), token));
    }

    fn from_variables(
        variable: impl Fn(&str) -> Option<OsString>,
        keyring: impl Fn(&str) -> Result<Option<Token>, HubError>,
    ) -> Result<Self, HubError> {
        let (mut settings, file) = Self::places(&variable)?;
        for name in ["HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"] {
            if let (None, Some(value)) = (&settings.token, variable(name)) {
                settings.token = Token::new(&value.to_string_lossy(), name)?;
            }
        }
        if settings.token.is_none() && !settings.offline {
            settings.token = keyring(&settings.endpoint)?;
        }
        if let (None, Some(file)) = (&settings.token, file) {
            settings.token = match std::fs::read_to_string(&file) {
                Ok(value) => Token::new(&value, &file.display().to_string())?,
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
                Err(error) => return Err(HubError::io("read", &file)(error)),
            };
        }
        Ok(settings)
    }

    /// All but the token, and the file that may hold one.
    fn places(variable: impl Fn(&str) -> Option<OsString>) -> Result<(Self, Option<PathBuf>), HubError> {
        let set = |name: &str| variable(name).filter(|value| !value.is_empty());
        let user = set("HOME").or_else(|| set("USERPROFILE")).map(PathBuf::from);
        let folder = |name: &str| {
            let path = PathBuf::from(set(name)?);
            match (path.strip_prefix("~"), &user) {
                (Ok(rest), Some(user)) => Some(user.join(rest)),
                _ => Some(path),
            }
        };
        let caches = || folder("XDG_CACHE_HOME").or_else(|| user.as_ref().map(|user| user.join(".cache")));
        let home = folder("HF_HOME").or_else(|| caches().map(|caches| caches.join("huggingface")));
        let cache = folder("HF_HUB_CACHE").or_else(|| folder("HUGGINGFACE_HUB_CACHE"));
        let cache = cache.or_else(|| home.as_ref().map(|home| home.join("hub"))).ok_or(HubError::NoFolder)?;
        // Links point from one folder of it to another.
        let cache = std::path::absolute(&cache).map_err(HubError::io("resolve", &cache))?;

        let text = |name: &str| set(name).map(|value| value.to_string_lossy().into_owned());
        let endpoint = text("HF_ENDPOINT").unwrap_or_else(|| ENDPOINT.to_owned());
        let endpoint = endpoint.trim_end_matches('/').to_owned();
        if !["https://", "http://"].iter().any(|scheme| endpoint.len() > scheme.len() && endpoint.starts_with(scheme)) {
            return Err(HubError::Endpoint { name: "HF_ENDPOINT", value: endpoint });
        }
        let file = folder("HF_TOKEN_PATH").or_else(|| home.map(|home| home.join("token")));
        let offline = text("HF_HUB_OFFLINE")
            .is_some_and(|value| ["1", "on", "yes", "true"].iter().any(|yes| value.eq_ignore_ascii_case(yes)));
        Ok((Self { endpoint, cache, token: None, offline, patience: Patience::default() }, file))
    }
}

#[cfg(all(test, unix))]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn with(variables: &[(&str, &str)]) -> Result<Settings, HubError> {
        with_keyring(variables, |_| Ok(None))
    }

    /// With something in place of the system's keyring.
    fn with_keyring(
        variables: &[(&str, &str)],
        keyring: impl Fn(&str) -> Result<Option<Token>, HubError>,
    ) -> Result<Settings, HubError> {
        let variable = |name: &str| variables.iter().find(|(key, _)| *key == name).map(|(_, value)| value.into());
        Settings::from_variables(variable, keyring)
    }

    #[test]
    fn folders_are_those_of_the_hubs_own_programs() {
        let cache = |variables: &[(&str, &str)]| with(variables).unwrap().cache;
        assert_eq!(cache(&[("HOME", "/h")]), PathBuf::from("/h/.cache/huggingface/hub"));
        assert_eq!(cache(&[("HOME", "/h"), ("XDG_CACHE_HOME", "/x")]), PathBuf::from("/x/huggingface/hub"));
        assert_eq!(cache(&[("HOME", "/h"), ("HF_HOME", "~/hf")]), PathBuf::from("/h/hf/hub"));
        assert_eq!(cache(&[("HF_HOME", "/hf"), ("HF_HUB_CACHE", "/c")]), PathBuf::from("/c"));
        assert!(matches!(with(&[]), Err(HubError::NoFolder)));
    }

    #[test]
    fn the_token_comes_from_the_first_place_that_has_one_and_is_never_shown() {
        let folder = tempfile::tempdir().unwrap();
        let home = folder.path().to_str().unwrap();
        let token = |variables: &[(&str, &str)]| with(variables).unwrap().token.map(|token| token.header());
        assert_eq!(token(&[("HF_HOME", home)]), None);
        std::fs::write(folder.path().join("token"), "hf_file\n").unwrap();
        assert_eq!(token(&[("HF_HOME", home)]).unwrap(), "Bearer hf_file");
        assert_eq!(token(&[("HF_HOME", home), ("HF_TOKEN", " hf_variable ")]).unwrap(), "Bearer hf_variable");
        std::fs::write(folder.path().join("other"), "hf_other").unwrap();
        let other = folder.path().join("other");
        assert_eq!(token(&[("HF_HOME", home), ("HF_TOKEN_PATH", other.to_str().unwrap())]).unwrap(), "Bearer hf_other");

        // The keyring's comes before the file's and after the variable's, and is for one hub alone.
        let kept = |endpoint: &str| Token::new(if endpoint == ENDPOINT { "hf_kept" } else { "" }, "the keyring");
        let token =
            |variables: &[(&str, &str)]| with_keyring(variables, kept).unwrap().token.map(|token| token.header());
        assert_eq!(token(&[("HF_HOME", home)]).unwrap(), "Bearer hf_kept");
        assert_eq!(token(&[("HF_HOME", home), ("HF_TOKEN", "hf_variable")]).unwrap(), "Bearer hf_variable");
        let mirror = [("HF_HOME", home), ("HF_ENDPOINT", "https://mirror.example")];
        assert_eq!(token(&mirror).unwrap(), "Bearer hf_file");
        // Nobody is asked to unlock it for what needs no token.
        let ask = |_: &str| -> Result<Option<Token>, HubError> { panic!("the keyring was asked") };
        for variables in
            [[("HF_HOME", home), ("HF_HUB_OFFLINE", "1")], [("HF_HOME", home), ("HF_TOKEN", "hf_variable")]]
        {
            assert!(with_keyring(&variables, ask).is_ok());
        }

        let settings = with(&[("HF_HOME", home), ("HF_TOKEN", "hf_secret")]).unwrap();
        assert!(!format!("{settings:?}").contains("secret"));
        let error = with(&[("HF_HOME", home), ("HF_TOKEN", "hf_secret\r\nHost: evil")]).unwrap_err();
        assert!(!format!("{error:?} {error} {}", error.hint()).contains("secret"));
    }

    #[test]
    fn mirrors_and_offline_are_read() {
        let home = ("HF_HOME", "/hf-of-nobody");
        let settings = with(&[home, ("HF_ENDPOINT", "https://mirror.example/"), ("HF_HUB_OFFLINE", "True")]).unwrap();
        assert_eq!((settings.endpoint.as_str(), settings.offline), ("https://mirror.example", true));
        assert!(!with(&[home, ("HF_HUB_OFFLINE", "0")]).unwrap().offline);
        assert!(matches!(with(&[home, ("HF_ENDPOINT", "mirror")]), Err(HubError::Endpoint { .. })));
    }
}
