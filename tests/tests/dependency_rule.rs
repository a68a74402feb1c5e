//! Dependencies point one way: the lines of ARCHITECTURE.md, held by what cargo says.

use end_to_end::{circle, code_files, packages, root};
use std::path::{Path, PathBuf};

/// Our crates, and which of ours each may use.
const EDGES: &[(&str, &[&str])] = &[
    ("numbers", &[]),
    ("gguf", &[]),
    ("prefs", &["numbers"]),
    ("plot", &["numbers"]),
    ("hub", &["numbers"]),
    ("kernels", &[]),
    ("chat", &["gguf", "prefs"]),
    ("model", &["kernels", "gguf", "numbers"]),
    ("generate", &["model"]),
    ("train", &["generate", "model", "kernels", "chat", "prefs", "numbers"]),
    ("eval", &["prefs", "plot", "numbers"]),
    ("runs", &["train"]),
    (
        "api",
        &["runs", "train", "eval", "generate", "model", "kernels", "chat", "prefs", "plot", "hub", "gguf", "numbers"],
    ),
    ("tiebreak-cli", &["api", "numbers"]),
    ("tiebreak-desktop", &["api"]),
    // Both serve tests alone, so nothing that ships may use them: see `tests_are_used_by_tests_alone`.
    ("testkit", &["gguf", "prefs"]),
    ("end-to-end", &[]),
];

/// Crates of others that only some of ours may name.
const OUTSIDE: &[(&str, &[&str])] = &[
    // The window is one shell among others.
    ("tauri", &["tiebreak-desktop"]),
    ("clap", &["tiebreak-cli"]),
    // Only shells wait for many things at once; all else blocks.
    ("axum", &["tiebreak-cli"]),
    ("tokio", &["tiebreak-cli"]),
    // What a crate keeps or is set by crosses to the page as it stands there; all else that crosses is defined by `api`.
    ("ts-rs", &["api", "chat", "eval", "model", "prefs", "runs", "train"]),
    ("ctrlc", &["tiebreak-cli"]),
    // How anything is computed is the kernels' and the model's; the others handle tensors and devices.
    ("candle-nn", &["model"]),
    ("candle-transformers", &[]),
    ("gemm", &["kernels"]),
    ("candle-core", &["kernels", "model", "generate", "train", "api", "testkit"]),
    // A format or a service has one door.
    ("rusqlite", &["prefs"]),
    ("csv", &["prefs"]),
    ("tokenizers", &["chat"]),
    ("minijinja", &["chat"]),
    ("minijinja-contrib", &["chat"]),
    ("hf-hub", &["hub"]),
    ("keyring", &["hub"]),
    ("keyring-core", &["hub"]),
    ("ureq", &["eval", "hub"]),
    ("plotters", &["plot"]),
    // Libraries have errors with names.
    ("anyhow", &["tiebreak-desktop"]),
];

/// Our crates whose files do not import one another in a circle either.
const WITHOUT_CIRCLES: &[&str] = &["kernels", "model"];

#[test]
fn our_crates_point_one_way() {
    let packages = packages();
    let ours: Vec<&str> = packages.iter().map(|package| package.name.as_str()).collect();
    for package in &packages {
        let Some((_, allowed)) = EDGES.iter().find(|(name, _)| *name == package.name) else {
            panic!("{} is not in the table of this test: give it its place in ARCHITECTURE.md and here", package.name);
        };
        for used in package.dependencies.iter().filter(|used| ours.contains(&used.as_str())) {
            assert!(allowed.contains(&used.as_str()), "{} may not use {used}", package.name);
        }
    }
}

#[test]
fn the_tables_allow_nothing_that_nobody_uses() {
    let packages = packages();
    let uses = |name: &str, used: &str| {
        packages.iter().any(|package| package.name == name && package.dependencies.iter().any(|one| one == used))
    };
    for (name, allowed) in EDGES {
        for used in *allowed {
            assert!(
                uses(name, used),
                "{name} does not use {used}: take it out of this test's table and ARCHITECTURE.md"
            );
        }
    }
    for (outside, allowed) in OUTSIDE {
        for name in *allowed {
            assert!(uses(name, outside), "{name} does not use {outside}: take it out of this test's table");
        }
    }
}

#[test]
fn the_table_has_no_circle() {
    // Each crate may only use what stands above it; `testkit` and `end-to-end` stand last.
    for (at, (name, allowed)) in EDGES.iter().enumerate() {
        for used in *allowed {
            assert!(EDGES[..at].iter().any(|(above, _)| above == used), "{name} uses {used}, which stands below it");
        }
    }
}

#[test]
fn tests_are_used_by_tests_alone() {
    for package in packages() {
        for test_crate in ["testkit", "end-to-end", "proptest", "criterion"] {
            assert!(!package.dependencies.iter().any(|used| used == test_crate), "{} uses {test_crate}", package.name);
        }
    }
}

#[test]
fn outside_crates_have_one_door() {
    for package in packages() {
        for (outside, allowed) in OUTSIDE {
            let uses = package.dependencies.iter().any(|used| used == outside);
            assert!(!uses || allowed.contains(&package.name.as_str()), "{} may not name {outside}", package.name);
        }
    }
}

#[test]
fn files_of_a_crate_point_one_way() {
    let all = code_files();
    for package in packages().iter().filter(|package| WITHOUT_CIRCLES.contains(&package.name.as_str())) {
        let folder = package.folder.strip_prefix(root()).expect("our crates lie in the repository").join("src");
        let inside = |path: &Path| path.strip_prefix(&folder).map(Path::to_owned);
        let files: Vec<(PathBuf, String)> =
            all.iter().filter_map(|(path, text)| Some((inside(path).ok()?, text.clone()))).collect();
        assert!(!files.is_empty(), "{} has no files", package.name);
        if let Some(circle) = circle(&files) {
            let names: Vec<String> = circle.iter().map(|path| path.display().to_string()).collect();
            panic!("files of {} import one another in a circle: {}", package.name, names.join(" → "));
        }
    }
}

#[test]
fn a_circle_is_found_wherever_it_leads() {
    let found = |files: &[(&str, &str)]| {
        let files: Vec<(PathBuf, String)> =
            files.iter().map(|(path, text)| (PathBuf::from(path), (*text).to_string())).collect();
        circle(&files).map(|circle| circle.iter().map(|path| path.display().to_string()).collect::<Vec<_>>())
    };
    let root = ("lib.rs", "mod a;\nmod b;\npub use a::inner::A;\npub use b::B;\n");
    let part = ("a/mod.rs", "pub mod inner;\n");
    let user = ("b.rs", "use crate::{A as Other};\npub struct B;\n");
    assert_eq!(found(&[root, part, ("a/inner.rs", "use super::*;\npub struct A;\n"), user]), None);
    let circle = Some(vec!["a/inner.rs".to_string(), "b.rs".to_string()]);
    for inner in ["use crate::b::{self, B};\n", "fn a() -> crate::B { todo() }\n", "use super::super::b::B as It;\n"] {
        assert_eq!(found(&[root, part, ("a/inner.rs", inner), user]), circle, "{inner}");
    }
    for inner in
        ["// crate::B\n", "const A: &str = \"crate::B\";\n", "#[cfg(test)]\nmod tests {\n    use crate::B;\n}\n"]
    {
        assert_eq!(found(&[root, part, ("a/inner.rs", inner), user]), None, "{inner}");
    }
    // A part that imports who imports the whole.
    let whole = ("b.rs", "use crate::a;\n");
    let circle = Some(vec!["a/mod.rs".to_string(), "a/inner.rs".to_string(), "b.rs".to_string()]);
    assert_eq!(found(&[root, part, ("a/inner.rs", "use crate::b::B;\n"), whole]), circle);
}
