//! The licence policy of deny.toml, held in every test run: `cargo metadata` names each dependency's licence.

use end_to_end::{metadata, root};
use std::collections::BTreeSet;

/// Whether an SPDX expression can be met with allowed licences alone. `OR` binds weaker than `AND`; the older `A/B` means
/// `A OR B`.
fn allowed(expression: &str, allow: &BTreeSet<String>) -> bool {
    let spaced = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut at = 0;
    let met = either(&words, &mut at, allow);
    met && at == words.len()
}

fn either(words: &[&str], at: &mut usize, allow: &BTreeSet<String>) -> bool {
    let mut met = both(words, at, allow);
    while words.get(*at) == Some(&"OR") {
        *at += 1;
        met |= both(words, at, allow);
    }
    met
}

fn both(words: &[&str], at: &mut usize, allow: &BTreeSet<String>) -> bool {
    let mut met = one(words, at, allow);
    while words.get(*at) == Some(&"AND") {
        *at += 1;
        met &= one(words, at, allow);
    }
    met
}

fn one(words: &[&str], at: &mut usize, allow: &BTreeSet<String>) -> bool {
    let word = words.get(*at).copied();
    // Also where no word is left, so that an expression that breaks off is seen not to end where the words do.
    *at += 1;
    let Some(word) = word else { return false };
    if word == "(" {
        let met = either(words, at, allow);
        let closed = words.get(*at) == Some(&")");
        *at += usize::from(closed);
        return met && closed;
    }
    let mut name = word.to_owned();
    if words.get(*at) == Some(&"WITH") {
        name = format!("{name} WITH {}", words.get(*at + 1).unwrap_or(&""));
        *at += 2;
    }
    allow.contains(&name)
}

#[test]
fn every_dependency_has_an_allowed_licence_and_source() {
    let text = std::fs::read_to_string(root().join("deny.toml")).expect("deny.toml can be read");
    let policy: toml::Table = toml::from_str(&text).expect("deny.toml is TOML");
    let allow = policy["licenses"]["allow"].as_array().expect("licenses.allow is a list");
    let allow: BTreeSet<String> = allow.iter().map(|it| it.as_str().expect("a licence's name").to_owned()).collect();

    let packages = metadata()["packages"].as_array().expect("packages are a list");
    assert!(packages.len() > 50, "cargo metadata names only {} packages", packages.len());
    let mut refused = Vec::new();
    for package in packages {
        let name = format!("{} {}", package["name"], package["version"]).replace('"', "");
        match package["license"].as_str() {
            Some(licence) if allowed(licence, &allow) => {}
            Some(licence) => refused.push(format!("{name}: {licence}")),
            None => refused.push(format!("{name} names no licence")),
        }
        // Ours have no source; all others come from the one registry, never from a branch of somebody's repository.
        if let Some(source) = package["source"].as_str() {
            let registry = source.starts_with("registry+") || source.starts_with("sparse+");
            if !registry {
                refused.push(format!("{name} comes from {source}"));
            }
        }
    }
    assert!(refused.is_empty(), "not allowed by deny.toml:\n{}", refused.join("\n"));
}

#[test]
fn expressions_are_understood() {
    let allow: BTreeSet<String> = ["MIT", "ISC", "Apache-2.0 WITH LLVM-exception"].map(str::to_owned).into();
    for met in [
        "MIT",
        "GPL-3.0 OR MIT",
        "GPL-3.0/MIT",
        "MIT AND ISC",
        "(MIT OR GPL-3.0) AND ISC",
        "Apache-2.0 WITH LLVM-exception OR GPL-3.0",
        "GPL-3.0 AND LGPL-3.0 OR MIT",
    ] {
        assert!(allowed(met, &allow), "{met}");
    }
    for unmet in
        ["GPL-3.0", "MIT AND GPL-3.0", "(MIT OR ISC) AND GPL-3.0", "Apache-2.0", "", "MIT MIT", "(MIT", "MIT OR"]
    {
        assert!(!allowed(unmet, &allow), "{unmet}");
    }
}
