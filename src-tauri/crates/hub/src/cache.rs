//! Where fetched files are kept: the platform's folder for what can be fetched again.

use std::ffi::OsString;
use std::path::PathBuf;

use crate::Error;

/// The folder for fetched files: `TIEBREAK_CACHE` where set, else `tiebreak` in the platform's cache folder
/// (`$XDG_CACHE_HOME` or `~/.cache` on Linux, `~/Library/Caches` on macOS, `%LOCALAPPDATA%` on Windows). It need not
/// exist yet.
///
/// # Errors
/// When the environment names none of these.
pub fn cache_dir() -> Result<PathBuf, Error> {
    from_environment(|name| std::env::var_os(name)).ok_or(Error::NoCacheDir)
}

fn from_environment(variable: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    let folder = |name: &str| variable(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    if let Some(folder) = folder("TIEBREAK_CACHE") {
        return Some(folder);
    }
    let caches = if cfg!(windows) {
        folder("LOCALAPPDATA")
    } else if cfg!(target_os = "macos") {
        folder("HOME").map(|home| home.join("Library").join("Caches"))
    } else {
        // The XDG base directory specification: a path that is not absolute is to be ignored.
        let xdg = folder("XDG_CACHE_HOME").filter(|path| path.is_absolute());
        xdg.or_else(|| folder("HOME").map(|home| home.join(".cache")))
    };
    caches.map(|caches| caches.join("tiebreak"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(variables: &[(&str, &str)]) -> Option<PathBuf> {
        from_environment(|name| variables.iter().find(|(key, _)| *key == name).map(|(_, value)| value.into()))
    }

    #[test]
    fn the_override_comes_first() {
        assert_eq!(with(&[("TIEBREAK_CACHE", "/a"), ("HOME", "/h")]), Some("/a".into()));
        assert_eq!(with(&[]), None);
    }

    #[cfg(all(unix, not(target_os = "macos")))]
    #[test]
    fn linux_follows_xdg() {
        assert_eq!(with(&[("HOME", "/h")]), Some("/h/.cache/tiebreak".into()));
        assert_eq!(with(&[("TIEBREAK_CACHE", ""), ("HOME", "/h")]), Some("/h/.cache/tiebreak".into()));
        assert_eq!(with(&[("XDG_CACHE_HOME", "/x"), ("HOME", "/h")]), Some("/x/tiebreak".into()));
        assert_eq!(with(&[("XDG_CACHE_HOME", "x"), ("HOME", "/h")]), Some("/h/.cache/tiebreak".into()));
    }

    #[cfg(target_os = "macos")]
    #[test]
    fn macos_has_its_library() {
        assert_eq!(with(&[("HOME", "/h")]), Some("/h/Library/Caches/tiebreak".into()));
    }

    #[cfg(windows)]
    #[test]
    fn windows_has_local_app_data() {
        assert_eq!(with(&[("LOCALAPPDATA", "C:\\l")]), Some("C:\\l\\tiebreak".into()));
    }
}
