//! The repository as data: its crates and files.

use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// The repository's root folder.
pub fn root() -> &'static Path {
    static ROOT: OnceLock<PathBuf> = OnceLock::new();
    ROOT.get_or_init(|| {
        // Asked when the test runs: several checkouts may share one target folder, and so one compiled test.
        let tests =
            std::env::var_os("CARGO_MANIFEST_DIR").map_or_else(|| env!("CARGO_MANIFEST_DIR").into(), PathBuf::from);
        tests.parent().expect("tests/ lies in the repository").to_owned()
    })
}

/// What `cargo metadata` says, of all systems and all features.
pub fn metadata() -> &'static Value {
    static METADATA: OnceLock<Value> = OnceLock::new();
    METADATA.get_or_init(|| {
        let output = Command::new(env!("CARGO"))
            .args(["metadata", "--locked", "--all-features", "--format-version", "1"])
            .current_dir(root())
            .output()
            .expect("cargo can be started");
        assert!(output.status.success(), "cargo metadata: {}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).expect("cargo metadata prints JSON")
    })
}

/// One of our crates.
#[derive(Debug)]
pub struct Package {
    /// Its name.
    pub name: String,
    /// Its folder.
    pub folder: PathBuf,
    /// What it needs to be built and to run.
    pub dependencies: Vec<String>,
    /// What only its tests, benches and examples need.
    pub dev_dependencies: Vec<String>,
}

/// Our crates.
pub fn packages() -> Vec<Package> {
    let metadata = metadata();
    let members: Vec<&Value> = list(&metadata["workspace_members"]).iter().collect();
    let ours = list(&metadata["packages"]).iter().filter(|package| members.contains(&&package["id"]));
    ours.map(|package| {
        let named = |dev: bool| {
            let all = list(&package["dependencies"]).iter();
            all.filter(|it| (it["kind"] == "dev") == dev).map(|it| text(&it["name"])).collect()
        };
        Package {
            name: text(&package["name"]),
            folder: Path::new(&text(&package["manifest_path"])).parent().expect("a manifest lies in a folder").into(),
            dependencies: named(false),
            dev_dependencies: named(true),
        }
    })
    .collect()
}

/// Every Rust file of the repository, with its path from the root and its text.
pub fn code_files() -> Vec<(PathBuf, String)> {
    let mut files = Vec::new();
    for folder in ["src-tauri", "tests"] {
        collect(&root().join(folder), &mut files);
    }
    files.sort();
    files
}

fn collect(folder: &Path, files: &mut Vec<(PathBuf, String)>) {
    let entries = std::fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    for entry in entries {
        let path = entry.expect("a folder can be listed").path();
        if path.is_dir() && path.file_name().is_none_or(|name| name != "target") {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let content = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            files.push((path.strip_prefix(root()).expect("below the root").to_owned(), content));
        }
    }
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
