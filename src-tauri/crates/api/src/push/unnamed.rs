//! Paths of this machine in what is pushed: each becomes the name of what lies there. Users' names and folders are nobody
//! else's business.

use super::base::NamedBase;
use crate::error::{Error, Result};
use crate::evaluate::write_whole;
use std::path::{Path, PathBuf};
use train::RunConfig;

/// The files beside weights that hold paths.
const WITH_PATHS: [&str; 4] = ["adapter_config.json", "origin.json", "Modelfile", "ref/adapter_config.json"];

/// Files of the model itself, of which one key names where it came from. Nothing else in them is touched.
const WITH_NAMES: [(&str, &str); 2] = [("config.json", "_name_or_path"), ("tokenizer_config.json", "name_or_path")];

/// What stands for a folder that has no better name.
const HOME: &str = "~";

/// Paths with what stands for them, the longest first.
pub(super) struct Unnamed(Vec<(String, String)>);

impl Unnamed {
    /// The paths that a run knows of.
    pub(super) fn of_run(run: &Path, config: &RunConfig, base: &NamedBase) -> Self {
        let name = |path: &Path| path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
        let absolute = std::path::absolute(run).unwrap_or_else(|_| run.to_path_buf());
        let others = [config.settings.init_adapter.as_ref(), config.settings.ref_adapter.as_ref()];
        let data = [Some(&config.data.train), config.data.eval.as_ref(), Some(&config.output_dir)];
        let mut paths = vec![(config.model.clone(), base.name().to_owned())];
        paths.extend([run.to_path_buf(), absolute].into_iter().map(|path| (path.clone(), name(&path))));
        paths.extend(others.into_iter().chain(data).flatten().map(|path| (path.clone(), name(path))));
        let home = std::env::var_os("HOME").or_else(|| std::env::var_os("USERPROFILE")).map(PathBuf::from);
        // A home that is the root of everything would take every path apart.
        paths.extend(home.filter(|home| home.parent().is_some()).map(|home| (home, HOME.to_owned())));
        let mut texts: Vec<(String, String)> = Vec::new();
        for (path, name) in paths.into_iter().filter(|(path, _)| path.components().count() > 1) {
            let real = std::fs::canonicalize(&path).unwrap_or_else(|_| path.clone());
            texts.extend([path, real].map(|path| (path.display().to_string(), name.clone())));
        }
        texts.sort_by(|(a, _), (b, _)| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
        texts.dedup();
        Self(texts)
    }

    /// A text without the paths.
    pub(super) fn without(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for (path, name) in &self.0 {
            text = text.replace(path, name);
            // As a path stands in JSON.
            let escaped = path.replace('\\', "\\\\");
            if escaped != *path {
                text = text.replace(&escaped, name);
            }
        }
        text
    }

    /// Takes the paths out of the files beside weights.
    ///
    /// # Errors
    /// When one of them cannot be read or written.
    pub(super) fn take_out(&self, folder: &Path) -> Result<()> {
        for name in WITH_PATHS {
            let path = folder.join(name);
            if path.is_file() {
                let text = std::fs::read_to_string(&path).map_err(Error::file(&path))?;
                write_whole(&path, self.without(&text).as_bytes())?;
            }
        }
        for (name, key) in WITH_NAMES {
            let path = folder.join(name);
            if path.is_file() {
                self.rename(&path, key)?;
            }
        }
        Ok(())
    }

    fn rename(&self, path: &Path, key: &str) -> Result<()> {
        let text = std::fs::read_to_string(path).map_err(Error::file(path))?;
        let mut value: serde_json::Value =
            serde_json::from_str(&text).map_err(std::io::Error::from).map_err(Error::file(path))?;
        let Some(named) = value.get(key).and_then(serde_json::Value::as_str) else { return Ok(()) };
        let without = self.without(named);
        if without == named {
            return Ok(());
        }
        value[key] = without.into();
        crate::evaluate::write_json(path, &value)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn paths_become_names_the_longest_first() {
        let config = RunConfig { model: "/home/u/models/tiny".into(), ..RunConfig::default() };
        let base = NamedBase {
            repo: Some("org/tiny".into()),
            commit: None,
            file: None,
            is_gguf: false,
            sha256: None,
            licence: None,
        };
        let unnamed = Unnamed::of_run(Path::new("/home/u/runs/first"), &config, &base);
        let text = unnamed.without("in /home/u/models/tiny, run /home/u/runs/first/adapter");
        assert_eq!(text, "in org/tiny, run first/adapter");

        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        write("config.json", r#"{"_name_or_path": "/home/u/models/tiny", "x": "/home/u/models/tiny"}"#);
        write("tokenizer_config.json", r#"{"name_or_path":"org/other"}"#);
        write("origin.json", r#"{"run": "/home/u/runs/first", "base_model": "/home/u/models/tiny"}"#);
        unnamed.take_out(folder.path()).unwrap();
        let read = |name: &str| std::fs::read_to_string(folder.path().join(name)).unwrap();
        let config: serde_json::Value = serde_json::from_str(&read("config.json")).unwrap();
        assert_eq!(
            (config["_name_or_path"].as_str(), config["x"].as_str()),
            (Some("org/tiny"), Some("/home/u/models/tiny"))
        );
        assert_eq!(read("tokenizer_config.json"), r#"{"name_or_path":"org/other"}"#);
        assert_eq!(read("origin.json"), r#"{"run": "first", "base_model": "org/tiny"}"#);
    }
}
