//! What is exported, loaded by Hugging Face's `datasets` itself: the same rows, whatever stands in them.
//!
//! Needs `TIEBREAK_PYTHON`, a Python with `datasets`.
#![allow(clippy::unwrap_used, missing_docs)]

use std::ffi::OsString;
use std::path::Path;
use std::process::Command;

use prefs::export::{parquet, write_jsonl};
use prefs::store::{ExportedPair, PairAnswer, PairJudgement, PairSource, PairVerdict, SourcedPair};
use prefs::{Content, Conversation, Message, Pair};
use serde_json::{Map, Value, json};

/// Prints the rows that `datasets` finds in a file, one JSON object a line.
const LOAD: &str = "
import json, sys, tempfile
import datasets
kind, path = sys.argv[1:]
with tempfile.TemporaryDirectory() as cache:
    for row in datasets.load_dataset(kind, data_files=path, split='train', cache_dir=cache):
        print(json.dumps(row))
";

/// A Python that has `datasets`; says so where there is none.
fn python(test: &str) -> Option<OsString> {
    let python = std::env::var_os("TIEBREAK_PYTHON").filter(|python| {
        Command::new(python).args(["-c", "import datasets"]).output().is_ok_and(|run| run.status.success())
    });
    if python.is_none() {
        eprintln!("left out: {test}: it needs TIEBREAK_PYTHON (a Python with datasets)");
    }
    python
}

fn loaded(python: &OsString, kind: &str, path: &Path) -> Vec<Value> {
    let mut command = Command::new(python);
    command.args(["-c", LOAD, kind]).arg(path).env("HF_HUB_OFFLINE", "1").env("HF_DATASETS_OFFLINE", "1");
    let run = command.output().unwrap();
    assert!(run.status.success(), "{kind}: {}", String::from_utf8_lossy(&run.stderr));
    let rows = String::from_utf8(run.stdout).unwrap();
    rows.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Odd in every way that a text can be.
const ODD: &str = "\u{feff}🦀\u{200d}\u{301} \u{2028}\r\n\t\"quoted\" \\u0041 \u{7f}\u{1} 'x' 漢字 [{\"role\": 1}]";

fn exported(at: usize, pair: Pair) -> ExportedPair {
    let judgement = PairJudgement {
        annotator: "annotator 1".to_owned(),
        verdict: PairVerdict::Chosen,
        left: PairAnswer::Rejected,
        milliseconds: 900,
        note: Some(ODD.to_owned()),
        at: 1_700_000_000_000,
        second_pass: false,
        undone: false,
        counts: true,
        decides: false,
        votes_seen: false,
        in_file: None,
    };
    ExportedPair {
        sourced: SourcedPair { id: at as i64 + 1, source: PairSource::Imported, pair },
        import_file: Some(ODD.to_owned()),
        import_line: Some(at as i64 + 1),
        import_row: None,
        ratings: None,
        held_out: false,
        // Later than the first ten megabytes, from which `datasets` takes the types.
        judgements: if at > 5000 { vec![judgement] } else { Vec::new() },
    }
}

fn compare(python: &OsString, pairs: Vec<Pair>) {
    let folder = tempfile::tempdir().unwrap();
    let (lines, parquet_file) = (folder.path().join("pairs.jsonl"), folder.path().join("pairs.parquet"));
    let pairs: Vec<ExportedPair> = pairs.into_iter().enumerate().map(|(at, pair)| exported(at, pair)).collect();
    write_jsonl(&lines, &pairs).unwrap();
    parquet::write_pairs(&parquet_file, &pairs).unwrap();
    let ours: Vec<Value> =
        std::fs::read_to_string(&lines).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(ours.len(), pairs.len());
    let said = |content: &Content| match content {
        Content::Text(text) => json!(text),
        Content::Messages(said) => json!(said.messages),
    };
    for (kind, path) in [("json", &lines), ("parquet", &parquet_file)] {
        let theirs = loaded(python, kind, path);
        assert_eq!(theirs.len(), ours.len(), "{kind}");
        for ((exported, ours), mut theirs) in pairs.iter().zip(&ours).zip(theirs) {
            let Pair { prompt, chosen, rejected, category } = &exported.sourced.pair;
            for (name, content) in [("prompt", prompt), ("chosen", chosen), ("rejected", rejected)] {
                assert_eq!(theirs[name], said(content), "{kind}: {name}");
            }
            let tools = match prompt {
                Content::Messages(said) if !said.tools.is_empty() => json!(said.tools),
                _ => Value::Null,
            };
            if let Some(text) = theirs.get("tools") {
                assert_eq!(serde_json::from_str::<Value>(text.as_str().unwrap()).unwrap(), tools, "{kind}");
            } else {
                assert_eq!(tools, Value::Null);
            }
            if category.is_none() && kind == "parquet" {
                assert_eq!(theirs["category"], Value::Null);
                theirs["category"] = json!("");
            }
            assert_eq!(&theirs, ours, "{kind}");
        }
    }
}

#[test]
fn the_library_loads_the_same_rows() {
    let Some(python) = python("the_library_loads_the_same_rows") else { return };
    let long = "x".repeat(2500);
    let category = |at: usize| (at > 5000).then(|| ODD.to_owned());
    let text = |at: usize| Pair {
        prompt: Content::Text(format!("{at} {ODD}{long}")),
        chosen: Content::from(ODD),
        rejected: Content::from(""),
        category: category(at),
    };
    compare(&python, (0..5010).map(text).collect());
    let said = |role: &str, text: &str| Message::new(role, text);
    let talked = |at: usize| {
        let parameters =
            json!({"type": "object", "properties": {format!("argument {at}"): {"type": "string", "enum": [ODD]}}});
        let tool = json!({"type": "function", "function": {"name": ODD, "parameters": parameters}});
        let tools = if at > 5000 { vec![tool] } else { Vec::new() };
        let mut messages = vec![said("system", ODD), said("user", &format!("{at}{long}"))];
        messages.extend((0..at % 3).flat_map(|_| [said("assistant", "yes"), said("user", ODD)]));
        Pair {
            prompt: Content::Messages(Conversation { messages, tools, chat_template_kwargs: Map::new() }),
            chosen: vec![said("assistant", ODD)].into(),
            rejected: vec![said("assistant", "no"), said("user", "why?"), said("assistant", "")].into(),
            category: category(at),
        }
    };
    compare(&python, (0..5010).map(talked).collect());
}
