//! Rules of the house that the compiler does not hold.

use end_to_end::{code_files, packages, root};
use std::path::Path;

/// A file is a chapter. Below this many lines it can be read in one go.
const MOST_LINES: usize = 600;

/// How many lines above an `unsafe` its reason may begin.
const NEAR: usize = 6;

/// This file holds the very words it looks for.
fn is_this(path: &Path) -> bool {
    path.ends_with("tests/tests/house_rules.rs")
}

/// The line without its comment and without what stands in quotes.
fn code_of(line: &str) -> String {
    let line = line.split("//").next().unwrap_or_default();
    line.split('"').step_by(2).collect::<Vec<_>>().join("\"\"")
}

fn has_word(code: &str, word: &str) -> bool {
    let part = |c: char| c.is_alphanumeric() || c == '_';
    code.match_indices(word).any(|(at, _)| {
        !code[..at].chars().next_back().is_some_and(part) && !code[at + word.len()..].chars().next().is_some_and(part)
    })
}

#[test]
fn unsafe_code_is_in_the_kernels_alone_and_says_why_it_is_sound() {
    let mut wrong = Vec::new();
    for (path, text) in code_files().iter().filter(|(path, _)| !is_this(path)) {
        let lines: Vec<&str> = text.lines().collect();
        for (at, line) in lines.iter().enumerate().filter(|(_, line)| has_word(&code_of(line), "unsafe")) {
            let place = format!("{}:{}: {}", path.display(), at + 1, line.trim());
            if !path.starts_with("src-tauri/crates/kernels/src") {
                wrong.push(format!("{place} (only the crate kernels may)"));
            } else if !lines[at.saturating_sub(NEAR)..=at]
                .iter()
                .any(|near| near.contains("SAFETY:") || near.contains("# Safety"))
            {
                wrong.push(format!("{place} (no SAFETY comment in the {NEAR} lines above)"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn nothing_is_left_for_later() {
    let mut wrong = Vec::new();
    for (path, text) in code_files().iter().filter(|(path, _)| !is_this(path)) {
        for (at, line) in text.lines().enumerate() {
            let code = code_of(line);
            let unfinished = ["todo!", "unimplemented!", "dbg!", "#[ignore"].into_iter().any(|it| code.contains(it));
            let promised = ["TODO", "FIXME", "XXX"].into_iter().any(|it| has_word(line, it));
            if unfinished || promised {
                wrong.push(format!("{}:{}: {}", path.display(), at + 1, line.trim()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn no_file_is_longer_than_a_chapter() {
    let long: Vec<String> = code_files()
        .iter()
        .map(|(path, text)| (path, text.lines().count()))
        .filter(|(_, lines)| *lines > MOST_LINES)
        .map(|(path, lines)| format!("{}: {lines} lines", path.display()))
        .collect();
    assert!(long.is_empty(), "longer than {MOST_LINES} lines:\n{}", long.join("\n"));
}

#[test]
fn every_crate_inherits_what_is_said_once() {
    for package in packages() {
        let manifest = package.folder.join("Cargo.toml");
        let text = std::fs::read_to_string(&manifest).expect("a manifest can be read");
        let table: toml::Table = toml::from_str(&text).expect("a manifest is TOML");
        let inherits = |value: Option<&toml::Value>| {
            value.and_then(|value| value.get("workspace")).and_then(toml::Value::as_bool) == Some(true)
        };
        assert!(inherits(table.get("lints")), "{}: [lints] workspace = true is missing", package.name);
        for key in ["version", "edition", "rust-version", "license", "publish"] {
            assert!(inherits(table["package"].get(key)), "{}: {key}.workspace = true is missing", package.name);
        }
        for section in ["dependencies", "dev-dependencies", "build-dependencies"] {
            let Some(dependencies) = table.get(section).and_then(toml::Value::as_table) else { continue };
            for (name, value) in dependencies {
                assert!(
                    inherits(Some(value)),
                    "{}: the version of {name} belongs in the root Cargo.toml",
                    package.name
                );
            }
        }
    }
}

#[test]
fn what_the_documents_point_to_exists() {
    for document in ["README.md", "ARCHITECTURE.md", "tests/README.md"] {
        let path = root().join(document);
        let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{document}: {error}"));
        let folder = path.parent().expect("a document lies in a folder");
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let file = link.split('#').next().unwrap_or_default();
            if !file.is_empty() && !file.contains("://") {
                assert!(folder.join(file).exists(), "{document} points to {file}, which is not there");
            }
        }
    }
}

#[test]
fn every_crate_has_its_paragraph_in_the_architecture() {
    let text = std::fs::read_to_string(root().join("ARCHITECTURE.md")).expect("ARCHITECTURE.md can be read");
    for package in packages() {
        let name = package.name.strip_prefix("tiebreak-").unwrap_or(&package.name);
        let heading = if name == "end-to-end" { "tests" } else { name };
        assert!(text.contains(&format!("**`{heading}`**")), "ARCHITECTURE.md has no paragraph on {}", package.name);
    }
}
