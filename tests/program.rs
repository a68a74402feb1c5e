//! The built program as a black box: starting it, and reading what it says.

use crate::repository::root;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;

/// A command that starts the program: the one that `TIEBREAK_PROGRAM` names, such as a packaged one, or else this
/// repository's, built first where that is needed.
pub fn tiebreak() -> Command {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    let program = || std::env::var_os("TIEBREAK_PROGRAM").map_or_else(build, PathBuf::from);
    let mut command = Command::new(PROGRAM.get_or_init(program));
    command.stdin(Stdio::null());
    command
}

/// Builds as `make build` does (scripts/build.sh says why so), and asks cargo where the program is.
fn build() -> PathBuf {
    let mut cargo = Command::new(env!("CARGO"));
    // What cargo tells a test about its package would look like a change to build scripts that read the same names
    // (ring's does), and they and all above them would be compiled anew.
    for (name, _) in std::env::vars_os() {
        if name.to_str().is_some_and(|name| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_")) {
            cargo.env_remove(name);
        }
    }
    let output = cargo
        .args(["build", "--locked", "--workspace", "--bin", "tiebreak", "--test", "house_rules"])
        .args(["--message-format", "json-render-diagnostics"])
        .current_dir(root())
        .stderr(Stdio::inherit())
        .output()
        .expect("cargo can be started");
    assert!(output.status.success(), "the program does not build");
    let said = String::from_utf8_lossy(&output.stdout);
    let mut artefacts = said.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let program = artefacts.find(|it| it["target"]["name"] == "tiebreak" && it["executable"].is_string());
    program.and_then(|it| it["executable"].as_str().map(PathBuf::from)).expect("cargo names the program it built")
}

/// The names of the models in the golden set, one or more for each family.
pub fn golden_families() -> Vec<String> {
    let folders = std::fs::read_dir(root().join("tests/golden")).expect("the golden set").filter_map(Result::ok);
    let models = folders.filter(|entry| entry.path().join("expected.json").is_file());
    let mut names: Vec<_> = models.filter_map(|entry| entry.file_name().into_string().ok()).collect();
    names.sort();
    names
}

/// A tiny model of the golden set, with tokenizer and template: one of [`golden_families`].
pub fn golden(name: &str) -> PathBuf {
    root().join("tests/golden").join(name)
}

/// The pairs of the golden set.
pub fn golden_pairs() -> PathBuf {
    root().join("tests/golden/pairs.jsonl")
}

/// Copies the files of a folder, and nothing below it, into another.
pub fn copy_files(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap_or_else(|error| panic!("{}: {error}", to.display()));
    let entries = std::fs::read_dir(from).unwrap_or_else(|error| panic!("{}: {error}", from.display()));
    for entry in entries {
        let entry = entry.expect("an entry");
        if entry.path().is_file() {
            std::fs::copy(entry.path(), to.join(entry.file_name())).expect("a copy");
        }
    }
}

/// The program's command `name` with `--json` and a cache of its own in `folder`.
pub fn told_as_json(folder: &Path, name: &str) -> Command {
    let mut command = tiebreak();
    command.env("TIEBREAK_CACHE", folder.join("cache")).arg(name).arg("--json");
    command
}

/// How a program ended, and what it said.
#[derive(Debug)]
pub struct Finished {
    /// Exit code; none where a signal ended it.
    pub code: Option<i32>,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl Finished {
    /// Runs `command` to its end.
    pub fn run(command: &mut Command) -> Self {
        let output = command.output().unwrap_or_else(|error| panic!("{command:?} cannot be started: {error}"));
        Self::from(output)
    }

    /// Runs the program with these arguments.
    pub fn of<S: AsRef<std::ffi::OsStr>>(arguments: impl IntoIterator<Item = S>) -> Self {
        Self::run(tiebreak().args(arguments))
    }

    /// The same, if it ended well.
    #[must_use]
    pub fn well(self) -> Self {
        assert_eq!(self.code, Some(0), "stdout:\n{}\nstderr:\n{}", self.stdout, self.stderr);
        self
    }

    /// The same, if it failed as a program should: exit code 1, no panic, and an error on stderr that holds every one of
    /// `words`.
    #[must_use]
    pub fn refused(self, words: &[&str]) -> Self {
        assert_eq!(self.code, Some(1), "stdout:\n{}\nstderr:\n{}", self.stdout, self.stderr);
        assert!(!self.stderr.contains("panicked"), "{}", self.stderr);
        for word in words {
            assert!(self.stderr.contains(word), "`{word}` is not in:\n{}", self.stderr);
        }
        assert!(self.stderr.contains("error: "), "no error in:\n{}", self.stderr);
        self
    }

    /// Every line of stdout, each of which must be one JSON object.
    pub fn json(&self) -> Vec<Value> {
        let parse = |line: &str| match serde_json::from_str::<Value>(line) {
            Ok(value) if value.is_object() => value,
            _ => panic!("not a JSON object on stdout: {line}"),
        };
        self.stdout.lines().map(parse).collect()
    }
}

impl From<Output> for Finished {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).expect("stdout is UTF-8"),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

/// The settings file of a short run on a tiny model.
#[derive(Debug, Clone)]
pub struct Settings {
    folder: PathBuf,
    top: BTreeMap<&'static str, String>,
    data: BTreeMap<&'static str, String>,
    lora: BTreeMap<&'static str, String>,
}

impl Settings {
    /// A run in `folder/run` on the golden `llama` and its pairs.
    pub fn new(folder: &Path) -> Self {
        let top = [
            ("model", quoted(&golden("llama"))),
            ("output_dir", quoted(&folder.join("run"))),
            ("seed", "7".into()),
            ("learning_rate", "1e-3".into()),
            ("max_length", "96".into()),
            ("per_device_train_batch_size", "2".into()),
            ("gradient_accumulation_steps", "2".into()),
            ("max_steps", "6".into()),
            ("save_steps", "2".into()),
        ];
        Self {
            folder: folder.to_owned(),
            top: top.into(),
            data: [("train", quoted(&golden_pairs()))].into(),
            lora: [("r", "4".into()), ("lora_alpha", "8".into()), ("lora_dropout", "0.1".into())].into(),
        }
    }

    /// Sets a key to a value in TOML's notation. `data.` and `lora.` name the tables.
    #[must_use]
    pub fn set(mut self, key: &'static str, value: &str) -> Self {
        let (table, key) = match key.split_once('.') {
            Some(("data", key)) => (&mut self.data, key),
            Some(("lora", key)) => (&mut self.lora, key),
            _ => (&mut self.top, key),
        };
        table.insert(key, value.to_owned());
        self
    }

    /// Sets a key to a path.
    #[must_use]
    pub fn path(self, key: &'static str, path: &Path) -> Self {
        let value = quoted(path);
        self.set(key, &value)
    }

    /// The run's folder.
    pub fn output_dir(&self) -> PathBuf {
        self.folder.join("run")
    }

    /// Writes `RUN.toml` into the folder.
    pub fn write(&self) -> PathBuf {
        let mut text = String::new();
        for (heading, table) in [("", &self.top), ("[data]\n", &self.data), ("[lora]\n", &self.lora)] {
            text.push_str(heading);
            for (key, value) in table {
                writeln!(text, "{key} = {value}").expect("a string can be written to");
            }
        }
        let path = self.folder.join("RUN.toml");
        std::fs::write(&path, text).expect("the temporary folder can be written");
        path
    }

    /// A command that trains with these settings, keeping the reference's log-probabilities in the folder as well.
    pub fn train(&self) -> Command {
        let mut command = tiebreak();
        command.env("TIEBREAK_CACHE", self.folder.join("cache"));
        command.arg("train").arg("--config").arg(self.write());
        command
    }
}

fn quoted(path: &Path) -> String {
    // JSON's strings are TOML's basic strings.
    Value::from(path.to_str().expect("test paths are UTF-8")).to_string()
}
