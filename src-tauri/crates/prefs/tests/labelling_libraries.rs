//! What is exported for Argilla and Label Studio, taken by their own libraries.
//!
//! Needs `TIEBREAK_PYTHON`, a Python with `argilla`, one with `label-studio-sdk`, or one with both.
#![allow(clippy::unwrap_used, missing_docs)]

use std::ffi::OsString;
use std::path::Path;
use std::process::Command;

use prefs::export::{argilla, label_studio};
use prefs::reader::{self, Choices};
use prefs::store::{
    ExportedAnnotator, ExportedPair, ExportedPairs, PairAnswer, PairJudgement, PairSource, PairVerdict, SourcedPair,
};
use prefs::{Message, Pair};
use serde_json::Value;

/// Odd in every way that a text can be.
const ODD: &str =
    "\u{feff}🦀\u{200d}\u{301} \u{2028}\r\n\t\"quoted\" \\u0041 \u{7f}\u{1} 'x' 漢字 <b>&amp;</b> $prompt";

/// Prints of every record what the library would send to its server, one JSON object a line, and writes the records anew.
const ARGILLA: &str = "
import json, sys
import argilla
from argilla._models import DatasetModel
from argilla.records._io import JsonIO
folder, again = sys.argv[1:]
class Nobody:
    def __getattr__(self, name): return None
# Settings and records are made for a client, which nothing here asks.
client = object.__new__(argilla.Argilla)
client.api = Nobody()
argilla.Argilla._default_client = client
settings = argilla.Settings.from_json(f'{folder}/.argilla/settings.json')
settings.validate()
model = DatasetModel(**json.load(open(f'{folder}/.argilla/dataset.json')))
for user in json.load(open(f'{folder}/users.json')): argilla.User(**user, password='12345678', client=client)
dataset = argilla.Dataset(name=model.name, settings=settings, workspace=argilla.Workspace(name='w', client=client), client=client)
records = JsonIO._records_from_json(f'{folder}/records.json')
for record in records:
    record.dataset = dataset
    print(json.dumps(record.api_model().model_dump()))
JsonIO.to_json(records, again)
";

/// Checks every task, its annotations and its predictions against the labeling configuration.
const LABEL_STUDIO: &str = "
import json, sys
from label_studio_sdk.label_interface import LabelInterface
tasks, configuration = sys.argv[1:]
interface = LabelInterface(open(configuration).read())
interface.validate()
for task in json.load(open(tasks)):
    for tag in interface.objects:
        assert isinstance(task['data'][tag.value_name], str), tag.value_name
    for said in task['annotations'] + task['predictions']:
        assert interface._validate_object(said, return_errors=True) == [], said
    assert not interface.validate_annotation({'result': [{**task['predictions'][0]['result'][0], 'to_name': 'elsewhere'}]})
";

/// A Python that has a module; says so where there is none.
fn python(test: &str, module: &str) -> Option<OsString> {
    let python = std::env::var_os("TIEBREAK_PYTHON").filter(|python| {
        Command::new(python).args(["-c", &format!("import {module}")]).output().is_ok_and(|run| run.status.success())
    });
    if python.is_none() {
        eprintln!("left out: {test}: it needs TIEBREAK_PYTHON (a Python with {module})");
    }
    python
}

fn run(python: &OsString, program: &str, arguments: [&Path; 2]) -> String {
    let run = Command::new(python).args(["-c", program]).args(arguments).output().unwrap();
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    String::from_utf8(run.stdout).unwrap()
}

fn exported() -> ExportedPairs {
    use PairVerdict::{Chosen, RejectedMuch, Skip, TieBad};
    let judgement = |(at, verdict): (usize, PairVerdict)| PairJudgement {
        annotator: format!("annotator {}", at + 1),
        verdict,
        left: PairAnswer::Chosen,
        milliseconds: 900,
        note: Some(ODD.to_owned()),
        at: 1_700_000_000_000,
        second_pass: false,
        undone: false,
        counts: verdict != Skip,
        decides: false,
        votes_seen: false,
        in_file: None,
    };
    let pair = |at: usize| {
        let prompt = format!("{at} {ODD}");
        let spoken = |role: &str, text: &str| vec![Message::new(role, text)];
        if at.is_multiple_of(2) {
            Pair { prompt: prompt.as_str().into(), chosen: ODD.into(), rejected: "no".into(), category: None }
        } else {
            let (prompt, chosen) = (spoken("user", &prompt).into(), spoken("assistant", ODD).into());
            Pair { prompt, chosen, rejected: spoken("assistant", "no").into(), category: Some("talk".to_owned()) }
        }
    };
    let all = |at: usize| ExportedPair {
        sourced: SourcedPair { id: at as i64 - 10, source: PairSource::Edited, pair: pair(at) },
        import_file: (at > 3).then(|| ODD.to_owned()),
        import_line: (at > 3).then_some(7),
        import_row: None,
        ratings: None,
        held_out: at == 2,
        judgements: match at % 3 {
            0 => Vec::new(),
            _ => [Chosen, RejectedMuch, TieBad, Skip].into_iter().enumerate().map(judgement).collect(),
        },
    };
    let annotator = |at: usize| ExportedAnnotator {
        name: format!("annotator {at}"),
        uuid: format!("0123456{at}-89ab-8def-a123-456789abcdef"),
    };
    ExportedPairs {
        pairs: (0..50).map(all).collect(),
        judgements_left_out: 0,
        annotators: (1..=4).map(annotator).collect(),
        has_annotator_names: false,
    }
}

#[test]
fn argilla_takes_the_records() {
    let Some(python) = python("argilla_takes_the_records", "argilla") else { return };
    let folder = tempfile::tempdir().unwrap();
    let all = exported();
    argilla::write(folder.path(), &all).unwrap();
    let again = folder.path().join("again.json");
    let sent: Vec<Value> = run(&python, ARGILLA, [folder.path(), &again])
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let records: Vec<Value> =
        serde_json::from_slice(&std::fs::read(folder.path().join(argilla::RECORDS)).unwrap()).unwrap();
    assert_eq!((sent.len(), records.len()), (50, 50));
    for (sent, record) in sent.iter().zip(&records) {
        assert_eq!((&sent["fields"], &sent["metadata"]), (&record["fields"], &record["metadata"]));
        assert_eq!(sent["external_id"], record["id"]);
        let suggestion = &record["suggestions"]["preference"];
        assert_eq!(
            (&sent["suggestions"][0]["value"], &sent["suggestions"][0]["agent"]),
            (&suggestion["value"], &suggestion["agent"])
        );
        let ours = record["responses"]["preference"].as_array().cloned().unwrap_or_default();
        let theirs = sent["responses"].as_array().unwrap();
        assert_eq!(ours.len(), theirs.len());
        for (ours, theirs) in ours.iter().zip(theirs) {
            assert_eq!((&ours["user_id"], &ours["status"]), (&theirs["user_id"], &theirs["status"]));
            let value = theirs["values"].get("preference").map_or(&Value::Null, |value| &value["value"]);
            assert_eq!(&ours["value"], value);
        }
    }
    // What the library writes of them is read as the same pairs.
    let choices = Choices::from([("repeated_prompt".to_owned(), "keep".to_owned())]);
    let read = reader::read_pairs(&again, &choices).unwrap();
    assert_eq!(read.mapped.refused, []);
    let pairs: Vec<Pair> = all.pairs.into_iter().map(|pair| pair.sourced.pair).collect();
    assert_eq!(read.into_pairs(), pairs);
}

#[test]
fn label_studio_takes_the_tasks() {
    let Some(python) = python("label_studio_takes_the_tasks", "label_studio_sdk") else { return };
    let folder = tempfile::tempdir().unwrap();
    let (tasks, configuration) = (folder.path().join("tasks.json"), folder.path().join("configuration.xml"));
    label_studio::write(&tasks, &configuration, &exported().pairs).unwrap();
    run(&python, LABEL_STUDIO, [&tasks, &configuration]);
}
