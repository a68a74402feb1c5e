//! Arguments, exit codes, and what goes to which stream.

use end_to_end::{Finished, Settings, golden, root, tiebreak};
use std::ffi::OsStr;

const COMMANDS: [&str; 15] = [
    "import", "check", "score", "train", "queue", "sweep", "items", "generate", "eval", "report", "export", "demo",
    "bench", "serve", "worker",
];

#[test]
fn every_command_is_there_and_explains_itself() {
    let help = Finished::of(["--help"]).well();
    for command in COMMANDS {
        // The worker is started by the program itself.
        assert!(command == "worker" || help.stdout.contains(command), "`{command}` is not in:\n{}", help.stdout);
        let of_command = Finished::of([command, "--help"]).well();
        assert!(of_command.stdout.contains("Usage: tiebreak"), "{}", of_command.stdout);
    }
    let version = Finished::of(["--version"]).well();
    assert_eq!(version.stdout.trim(), concat!("tiebreak ", env!("CARGO_PKG_VERSION")));
}

#[test]
fn wrong_usage_exits_with_2_and_says_nothing_on_stdout() {
    let cases: [&[&str]; 6] = [
        &[],
        &["trian"],
        &["train"],
        &["train", "--config", "x.toml", "--fast"],
        &["score", "--model", "m", "--pairs", "p.jsonl", "--max-length", "many"],
        &["score", "--model", "m", "--pairs", "p.jsonl", "--truncation", "middle"],
    ];
    for arguments in cases {
        let finished = Finished::of(arguments);
        assert_eq!(finished.code, Some(2), "{arguments:?}: {finished:?}");
        assert_eq!(finished.stdout, "", "{arguments:?}");
        assert!(finished.stderr.contains("--help") || finished.stderr.contains("Usage"), "{}", finished.stderr);
    }
}

#[test]
fn with_json_stdout_holds_nothing_but_objects() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let pairs = root().join("tests/golden/pairs.jsonl");
    let model = golden("llama");
    let settings = Settings::new(folder.path()).set("max_steps", "2").path("data.eval", &pairs).write();
    let cases: [&[&OsStr]; 3] = [
        &["check".as_ref(), "--pairs".as_ref(), pairs.as_ref(), "--json".as_ref()],
        &["score".as_ref(), "--model".as_ref(), model.as_ref(), "--pairs".as_ref(), pairs.as_ref(), "--json".as_ref()],
        &["train".as_ref(), "--config".as_ref(), settings.as_ref(), "--json".as_ref()],
    ];
    for arguments in cases {
        let mut command = tiebreak();
        command.env("TIEBREAK_CACHE", folder.path().join("cache")).args(arguments);
        let finished = Finished::run(&mut command).well();
        assert!(!finished.json().is_empty(), "{arguments:?} says nothing");
    }
}

#[test]
fn a_failure_with_json_is_an_object_too() {
    let finished =
        Finished::of(["score", "--model", "/nowhere", "--pairs", "/nowhere.jsonl", "--json"]).refused(&["/nowhere"]);
    let lines = finished.json();
    let last = lines.last().expect("the failure is told");
    assert!(last["code"].is_string() && last["message"].is_string() && last["hint"].is_string(), "{last}");
}
