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

/// A merge that was never decided. Rust, Svelte and JSON do not compile with it; texts do.
#[test]
fn no_merge_is_left_undecided() {
    for document in ["README.md", "ARCHITECTURE.md", "tests/README.md", "docs/scale.md", "docs/engine-speed.md"] {
        let text = std::fs::read_to_string(root().join(document)).unwrap_or_else(|error| panic!("{document}: {error}"));
        for (at, line) in text.lines().enumerate() {
            let is_marker = ["<<<<<<< ", ">>>>>>> "].iter().any(|mark| line.starts_with(mark));
            assert!(!is_marker, "{document}:{}: {line}", at + 1);
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

/// Where the hint of an error is written: it is the last argument of these calls, by the file that they stand in.
const HINT_IS_LAST: [(&str, &str); 5] = [
    ("src-tauri/crates/api/src/error.rs", "Self::new("),
    ("src-tauri/crates/api/src/", "Error::new("),
    ("src-tauri/crates/cli/src/serve/", "refused("),
    ("src-tauri/crates/train/src/", "Error::config("),
    ("src-tauri/crates/", "Remark::refuse("),
];

/// Crates whose errors have a hint of their own. In `model`, `chat` and `prefs` what to do is the end of the message.
const HINTS_CROSS: [&str; 4] =
    ["src-tauri/src/", "src-tauri/crates/api/src/", "src-tauri/crates/cli/src/", "src-tauri/crates/train/src/"];

/// The page and the command line show hints as they are written.
#[test]
fn hints_are_whole_sentences() {
    let (mut wrong, mut found) = (Vec::new(), 0);
    for (path, text) in code_files() {
        let path = path.to_string_lossy().replace('\\', "/");
        if !HINTS_CROSS.iter().any(|part| path.starts_with(part)) || path.ends_with("tests.rs") {
            continue;
        }
        let code = text.split("#[cfg(test)]").next().unwrap_or_default();
        for hint in hints_in(&path, code) {
            found += 1;
            if !is_sentence(hint) {
                wrong.push(format!("{path}: \"{hint}\""));
            }
        }
    }
    assert!(found > 120, "only {found} hints were found: has the way they are written changed?");
    assert!(wrong.is_empty(), "these hints are no whole sentences:\n{}", wrong.join("\n"));
}

#[test]
fn hints_are_found_and_told_from_sentences() {
    let code = r#"
        Err(Error::new("a", format!("({x}"), "choose one")); Error::new("b", "b", format!("Give {}.", all.join(", ")))
        let hint = if full { "The disk is full." } else { "try again" };
        Error { code: '"'.into(), hint: "See that it is there".into() }
        fn hint(&self) -> String { match self { A => "Wait for it.".into(), B { hint } => hint.clone() } }
        io::Error::new(kind, "no hint")
    "#;
    let mut found = hints_in("src-tauri/crates/api/src/x.rs", code);
    found.sort_unstable();
    let expected = ["Give {}.", "See that it is there", "The disk is full.", "Wait for it.", "choose one", "try again"];
    assert_eq!(found, expected);
    let sentences = found.into_iter().filter(|hint| is_sentence(hint));
    assert_eq!(sentences.collect::<Vec<_>>(), ["Give {}.", "The disk is full.", "Wait for it."]);
    assert!(is_sentence("learning_rate is too high.") && is_sentence("`x` is.") && !is_sentence("is it?"));
}

/// A capital at the start, unless a key or other code stands there, and the end of a sentence.
fn is_sentence(hint: &str) -> bool {
    let first = hint.split_whitespace().next().unwrap_or_default();
    let code = first.contains(['_', '`', '/', '{']);
    (code || first.starts_with(|c: char| c.is_uppercase())) && hint.ends_with(['.', '?', '!'])
}

/// The texts of the hints that Rust code writes.
fn hints_in<'a>(path: &str, code: &'a str) -> Vec<&'a str> {
    let mut hints = Vec::new();
    for (_, call) in HINT_IS_LAST.into_iter().filter(|(part, _)| path.starts_with(part)) {
        for (at, _) in code.match_indices(call).filter(|(at, _)| !code[..*at].ends_with("io::")) {
            let arguments = arguments(&code[at + call.len()..]);
            if let [.., _, hint] = arguments[..] {
                hints.extend(texts(hint));
            }
        }
    }
    for start in [" hint: ", "let hint = ", "HINT: &str = ", "fn hint(&self) -> String {"] {
        for (at, _) in code.match_indices(start) {
            let value = arguments(&code[at + start.len()..]).first().copied().unwrap_or_default();
            // A parameter of that name has a type, not a value.
            if !value.starts_with("&str") {
                hints.extend(texts(value));
            }
        }
    }
    hints
}

/// What stands between commas, up to the bracket or the semicolon that ends them all.
fn arguments(code: &str) -> Vec<&str> {
    let (mut found, mut start, mut depth) = (Vec::new(), 0, 0);
    for (at, c) in outside_texts(code) {
        match c {
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' if depth > 0 => depth -= 1,
            ',' | ';' | ')' | ']' | '}' if depth == 0 => {
                if !code[start..at].trim().is_empty() {
                    found.push(&code[start..at]);
                }
                start = at + 1;
                if c != ',' {
                    break;
                }
            }
            _ => {}
        }
    }
    found
}

/// The string literals of an expression that are more than a word, those of a `join` left out.
fn texts(expression: &str) -> Vec<&str> {
    let quotes: Vec<usize> = outside_texts(expression).filter(|(_, c)| *c == '"').map(|(at, _)| at).collect();
    let inside = quotes.chunks_exact(2).map(|pair| &expression[pair[0] + 1..pair[1]]);
    inside.filter(|text| text.contains(char::is_alphabetic)).collect()
}

/// The characters of code that stand in no string and no character literal; the quotes of strings are among them.
fn outside_texts(code: &str) -> impl Iterator<Item = (usize, char)> {
    let (mut inside, mut escaped, mut skip) = (false, false, 0);
    code.char_indices().filter(move |&(at, c)| {
        if std::mem::take(&mut escaped) || at < skip {
            return false;
        }
        match c {
            '\\' if inside => escaped = true,
            '"' => {
                inside = !inside;
                return true;
            }
            '\'' if !inside => {
                let after = code[at + 1..].char_indices().nth(if code[at + 1..].starts_with('\\') { 2 } else { 1 });
                if let Some((length, '\'')) = after {
                    skip = at + 1 + length + 1;
                }
            }
            _ => {}
        }
        !inside
    })
}
