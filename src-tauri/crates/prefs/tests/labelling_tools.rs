//! Pairs out to Argilla and Label Studio, and back.
#![allow(clippy::unwrap_used, missing_docs)]

use std::path::{Path, PathBuf};

use prefs::export::{argilla, label_studio};
use prefs::reader::{self, Choices, Read};
use prefs::store::{
    ExportedAnnotator, ExportedPair, ExportedPairs, Judging, PairAnswer, PairJudgement, PairSource, PairVerdict,
    Project, SourcedPair, Verdict,
};
use prefs::table::Table;
use prefs::{Content, Conversation, Message, Pair, mapping};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

const ANNOTATORS: usize = 3;

fn judgement(annotator: usize, verdict: PairVerdict) -> PairJudgement {
    PairJudgement {
        annotator: format!("annotator {}", annotator + 1),
        verdict,
        left: PairAnswer::Rejected,
        milliseconds: 1500,
        note: Some("because \u{2028}\"so\"".to_owned()),
        at: 1_700_000_000_000,
        second_pass: false,
        undone: false,
        counts: verdict != PairVerdict::Skip,
        decides: false,
        votes_seen: false,
        in_file: None,
    }
}

/// Pairs with what each annotator says of each.
fn exported(pairs: Vec<(Pair, Vec<PairVerdict>)>) -> ExportedPairs {
    let pair = |(at, (pair, verdicts)): (usize, (Pair, Vec<PairVerdict>))| ExportedPair {
        sourced: SourcedPair { id: [1, -1][at % 2] * (at as i64 + 1), source: PairSource::Imported, pair },
        import_file: Some("rows, \"odd\".jsonl".to_owned()),
        import_line: Some(at as i64 + 1),
        import_row: None,
        ratings: None,
        held_out: false,
        judgements: verdicts.into_iter().enumerate().map(|(who, verdict)| judgement(who, verdict)).collect(),
    };
    let annotator = |at: usize| ExportedAnnotator {
        name: format!("annotator {}", at + 1),
        uuid: format!("00000000-0000-8000-a000-00000000000{at}"),
    };
    ExportedPairs {
        pairs: pairs.into_iter().enumerate().map(pair).collect(),
        judgements_left_out: 0,
        annotators: (0..ANNOTATORS).map(annotator).collect(),
        has_annotator_names: false,
    }
}

struct Files {
    _folder: tempfile::TempDir,
    argilla: PathBuf,
    label_studio: PathBuf,
    configuration: PathBuf,
}

fn written(pairs: &ExportedPairs) -> Files {
    let folder = tempfile::tempdir().unwrap();
    let data_set = folder.path().join("argilla");
    let (tasks, configuration) = (folder.path().join("tasks.json"), folder.path().join("configuration.xml"));
    argilla::write(&data_set, pairs).unwrap();
    label_studio::write(&tasks, &configuration, &pairs.pairs).unwrap();
    let records = data_set.join(argilla::RECORDS);
    Files { _folder: folder, argilla: records, label_studio: tasks, configuration }
}

fn rows(path: &Path) -> Vec<Value> {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

fn read(path: &Path) -> Read {
    // What was a text stays one, and what it repeats stays there.
    reader::read_pairs(path, &Choices::from([("repeated_prompt".to_owned(), "keep".to_owned())])).unwrap()
}

/// The pairs come back from both files as they are.
fn there_and_back(pairs: Vec<(Pair, Vec<PairVerdict>)>) {
    let all = exported(pairs);
    let files = written(&all);
    let expected: Vec<&Pair> = all.pairs.iter().map(|pair| &pair.sourced.pair).collect();
    for path in [&files.argilla, &files.label_studio] {
        let read = read(path);
        assert_eq!(read.mapped.refused, [], "{}", path.display());
        assert!(read.is_by_own_names(), "{}", read.how);
        let come_back: Vec<Pair> = read.into_pairs();
        assert_eq!(come_back.iter().collect::<Vec<_>>(), expected, "{}", path.display());
    }
}

trait OwnNames {
    fn is_by_own_names(&self) -> bool;
}

impl OwnNames for Read {
    fn is_by_own_names(&self) -> bool {
        self.how.starts_with(
            "JSON array: prompt = prompt, answer_a = response_a, answer_b = response_b, preference = preference",
        )
    }
}

fn text(prompt: &str, chosen: &str, rejected: &str) -> Pair {
    Pair { prompt: prompt.into(), chosen: chosen.into(), rejected: rejected.into(), category: None }
}

fn said(role: &str, text: &str) -> Message {
    Message::new(role, text)
}

fn tool(name: &str) -> Value {
    json!({"type": "function", "function": {"name": name, "parameters": {"type": "object", "properties": {}}}})
}

/// A majority of these says what the pair says, or there is none: in a project it is never another answer's.
fn verdicts() -> impl Strategy<Value = Vec<PairVerdict>> {
    use PairVerdict::{Chosen, ChosenMuch, Rejected, RejectedMuch, Skip, TieBad, TieGood};
    let one = prop::sample::select(vec![ChosenMuch, Chosen, Rejected, RejectedMuch, TieGood, TieBad, Skip]);
    prop::collection::vec(one, 0..=ANNOTATORS).prop_filter("the majority says another answer", |verdicts| {
        let votes = verdicts.iter().filter(|verdict| **verdict != Skip).count();
        let against = verdicts.iter().filter(|verdict| matches!(verdict, Rejected | RejectedMuch)).count();
        2 * against <= votes
    })
}

proptest! {
    #[test]
    fn texts_come_back(
        texts in prop::collection::vec((("[^\0]{1,20}", "[^\0]{1,12}", "[^\0]{1,12}"), prop::option::of("[a-z]{1,5}"), verdicts()), 1..6)
    ) {
        type Row = ((String, String, String), Option<String>, Vec<PairVerdict>);
        let pair = |(at, ((p, c, r), category, verdicts)): (usize, Row)| {
            (Pair { category, ..text(&format!("{p} {at}?"), &format!("a{c}"), &format!("b{r}")) }, verdicts)
        };
        there_and_back(texts.into_iter().enumerate().map(pair).collect());
    }

    #[test]
    fn conversations_come_back(
        rows in prop::collection::vec(
            (("[^\0]{1,12}", "[^\0]{1,12}", "[^\0]{1,12}"), 0_usize..3, 0_usize..3, prop::bool::ANY, verdicts()), 1..5
        )
    ) {
        let pair = |((asked, good, bad), turns, tools, odd, verdicts): ((String, String, String), usize, usize, bool, Vec<PairVerdict>)| {
            let mut messages = vec![said("system", &good), said("user", &asked)];
            messages.extend((0..turns).flat_map(|_| [said("assistant", "yes"), said("user", &bad)]));
            let mut chosen = vec![said("assistant", &format!("a{good}"))];
            let mut prompt = Conversation { messages, tools: (0..tools).map(|at| tool(&format!("t{at}"))).collect(), chat_template_kwargs: Map::new() };
            if odd {
                prompt.chat_template_kwargs.insert("enable_thinking".to_owned(), false.into());
                prompt.messages[1].fields.insert("name".to_owned(), "Ada".into());
                chosen[0].fields.insert("reasoning_content".to_owned(), asked.as_str().into());
                chosen.extend([said("user", &asked), said("assistant", &good)]);
            }
            let rejected = vec![said("assistant", &format!("b{bad}"))].into();
            (Pair { prompt: Content::Messages(prompt), chosen: chosen.into(), rejected, category: None }, verdicts)
        };
        there_and_back(rows.into_iter().map(pair).collect());
    }
}

#[test]
fn texts_and_conversations_stand_in_one_file() {
    let spoken = Pair {
        prompt: vec![said("user", "q")].into(),
        chosen: vec![said("assistant", "good")].into(),
        rejected: vec![said("assistant", "bad")].into(),
        category: Some("talk".to_owned()),
    };
    there_and_back(vec![(text("p?", "c", "r"), vec![]), (spoken, vec![PairVerdict::Chosen])]);
}

#[test]
fn neither_side_tells_which_answer_is_the_chosen_one() {
    let pairs = (0..1000).map(|at| (text(&format!("p{at}"), "good", "bad"), vec![])).collect();
    let all = exported(pairs);
    let files = written(&all);
    let left: Vec<bool> = rows(&files.label_studio).iter().map(|task| task["data"]["answer1"] == "good").collect();
    let first: Vec<bool> = rows(&files.argilla).iter().map(|row| row["fields"]["response_a"] == "good").collect();
    assert_eq!(left, first, "both files show a pair in the same order");
    let count = left.iter().filter(|left| **left).count();
    // Five standard deviations of a fair draw.
    assert!(count.abs_diff(500) < 80, "{count} of 1000");
    // Nor is it drawn in turns, and a second export is the same.
    assert!(left.windows(2).any(|two| two[0] == two[1]));
    assert_eq!(std::fs::read(written(&all).argilla).unwrap(), std::fs::read(&files.argilla).unwrap());
}

#[test]
fn a_record_has_what_each_tool_asks_for() {
    use PairVerdict::{ChosenMuch, Skip, TieGood};
    let files = written(&exported(vec![(text("p\n?", "good", "bad"), vec![ChosenMuch, TieGood, Skip])]));
    let record = &rows(&files.argilla)[0];
    let chosen =
        if record["fields"]["response_a"] == "good" { ["response_a", "left"] } else { ["response_b", "right"] };
    let user = |at: usize| format!("00000000-0000-8000-a000-00000000000{at}");
    assert_eq!(
        record["responses"]["preference"],
        json!([
            {"value": chosen[0], "user_id": user(0), "status": "submitted"},
            {"value": "tie", "user_id": user(1), "status": "submitted"},
            {"value": null, "user_id": user(2), "status": "discarded"},
        ])
    );
    let suggestion = json!({"preference": {"value": chosen[0], "score": null, "agent": "tiebreak"}});
    assert_eq!((&record["suggestions"], &record["id"], &record["vectors"]), (&suggestion, &json!("1"), &json!({})));
    assert_eq!(record["metadata"]["import_line"], 1);
    let users: Value =
        serde_json::from_slice(&std::fs::read(files.argilla.with_file_name(argilla::USERS)).unwrap()).unwrap();
    assert_eq!(users[1], json!({"id": user(1), "username": "annotator 2"}));

    let task = &rows(&files.label_studio)[0];
    let better =
        json!({"type": "pairwise", "from_name": "preference", "to_name": "answer1", "value": {"selected": chosen[1]}});
    let tie = json!({"type": "choices", "from_name": "undecided", "to_name": "prompt", "value": {"choices": ["tie"]}});
    let annotation = |at: usize, is_skip: bool, result: Value| {
        json!({
            "created_username": format!("annotator {at}"), "lead_time": 1.5, "was_cancelled": is_skip,
            "ground_truth": false, "result": result,
        })
    };
    let annotations = json!([
        annotation(1, false, json!([better])),
        annotation(2, false, json!([tie])),
        annotation(3, true, json!([]))
    ]);
    assert_eq!(task["annotations"], annotations);
    assert_eq!(task["predictions"], json!([{"model_version": "tiebreak", "result": [better]}]));
    let judgements: Value = serde_json::from_str(task["meta"]["judgements"].as_str().unwrap()).unwrap();
    assert_eq!(judgements[0]["verdict"], "chosen_much");
    let configuration = std::fs::read_to_string(&files.configuration).unwrap();
    for name in ["preference", "undecided", "answer1", "answer2", "prompt"] {
        assert!(configuration.contains(&format!("name=\"{name}\"")), "{name}");
    }
}

#[test]
fn a_pair_without_votes_keeps_its_label_and_one_without_a_majority_too() {
    use PairVerdict::{Chosen, Rejected, TieBad};
    let pairs = vec![
        (text("p1", "good", "bad"), vec![]),
        (text("p2", "good", "bad"), vec![Chosen, Rejected]),
        (text("p3", "good", "bad"), vec![TieBad]),
    ];
    let files = written(&exported(pairs));
    for path in [&files.argilla, &files.label_studio] {
        let read = read(path);
        assert!(read.mapped.refused.is_empty());
        assert!(read.pairs().all(|(_, pair)| pair.chosen == "good".into()), "{}", path.display());
        let said = read.notices.join("\n");
        let tool = if *path == files.argilla { "Argilla" } else { "Label Studio" };
        let expected = format!(
            "3 records of {tool}: of each counts what more than half of its annotators say, and what each of them says is kept \
             beside it. With several annotators: 1. Written by this program and without a majority, so that they keep the label \
             that they had: 2."
        );
        assert!(said.contains(&expected), "{said}");
    }
}

/// What others say there of a pair counts when it comes back.
#[test]
fn what_is_labelled_there_comes_back() {
    let files = written(&exported(vec![(text("p", "good", "bad"), vec![PairVerdict::Chosen])]));
    let mut records = rows(&files.argilla);
    let other =
        if records[0]["fields"]["response_a"] == "bad" { ["response_a", "left"] } else { ["response_b", "right"] };
    // As Argilla writes it: no status, and a key of its own.
    records[0]["_server_id"] = json!("8d0a2c5e-0000-4000-8000-000000000000");
    records[0]["status"] = json!("completed");
    let all = [other[0], other[0]].map(|value| json!({"value": value, "user_id": "u"}));
    records[0]["responses"]["preference"].as_array_mut().unwrap().extend(all);
    std::fs::write(&files.argilla, json!(records).to_string()).unwrap();
    assert_eq!(read(&files.argilla).into_pairs(), [text("p", "bad", "good")]);

    let mut tasks = rows(&files.label_studio);
    let result = |side: &str| json!([{"id": "x", "type": "pairwise", "from_name": "preference", "to_name": "answer1", "value": {"selected": side}}]);
    let more = [other[1], other[1]]
        .map(|side| json!({"id": 7, "completed_by": 1, "was_cancelled": false, "result": result(side)}));
    tasks[0]["annotations"].as_array_mut().unwrap().extend(more);
    std::fs::write(&files.label_studio, json!(tasks).to_string()).unwrap();
    assert_eq!(read(&files.label_studio).into_pairs(), [text("p", "bad", "good")]);

    // The tables that Label Studio makes: `JSON_MIN`, where each annotation is a row.
    let data = &tasks[0]["data"];
    let row = json!([{
        "prompt": "p", "answer1": data["answer1"], "answer2": data["answer2"], "tiebreak": data["tiebreak"], "id": 1,
        "preference": other[1], "annotator": 1, "annotation_id": 7, "lead_time": 2.5,
    }]);
    std::fs::write(&files.label_studio, row.to_string()).unwrap();
    assert_eq!(read(&files.label_studio).into_pairs(), [text("p", "bad", "good")]);
}

#[test]
fn texts_that_were_changed_outside_are_refused_with_a_way_out() {
    let spoken = Pair {
        prompt: vec![said("system", "Be kind."), said("user", "q")].into(),
        chosen: vec![said("assistant", "good")].into(),
        rejected: vec![said("assistant", "bad")].into(),
        category: None,
    };
    let files = written(&exported(vec![(spoken, vec![]), (text("p", "good", "bad"), vec![])]));
    for (path, beside, field) in [(&files.argilla, "metadata", "fields"), (&files.label_studio, "data", "data")] {
        let mut all = rows(path);
        all[0][field]["prompt"] = json!("another question");
        std::fs::write(path, json!(all).to_string()).unwrap();
        let refused = read(path).mapped.refused;
        assert_eq!((refused.len(), refused[0].place.line), (1, 1), "{refused:?}");
        assert!(refused[0].reason.contains("take `tiebreak` out of the record"), "{refused:?}");
        all[0][beside]["tiebreak"] = json!("nonsense");
        std::fs::write(path, json!(all).to_string()).unwrap();
        let refused = read(path).mapped.refused;
        assert!(refused[0].reason.starts_with("`tiebreak` holds something else"), "{refused:?}");
    }
}

fn foreign(rows: &[Value]) -> (Vec<mapping::MappedContent>, Vec<String>, String) {
    let text = rows.iter().map(Value::to_string).collect::<Vec<_>>().join("\n");
    let table = Table::from_bytes(text.as_bytes()).unwrap();
    let mapping = mapping::guess(&table);
    let mapped = mapping::apply(&table, &mapping);
    let reasons = mapped.refused.into_iter().map(|refused| refused.reason).collect();
    (mapped.rows.into_iter().map(|row| row.content).collect(), reasons, mapping::notices(&table, &mapping).join("\n"))
}

/// Records that others wrote: of several annotators more than half decide, else the row is one to label.
#[test]
fn several_annotators_of_foreign_records() {
    use mapping::MappedContent::{Candidates, Pair as Labelled};
    let record = |values: &[Option<&str>]| {
        let answer = |(at, value): (usize, Option<&str>)| json!({"value": value, "user_id": format!("u{at}")});
        let answers: Vec<Value> = values.iter().copied().enumerate().map(answer).collect();
        json!({
            "id": "0", "fields": {"instruction": "Name one.", "response_a": "The cat.", "response_b": "The dog."},
            "metadata": {}, "suggestions": {}, "vectors": {}, "responses": {"preferred": answers},
        })
    };
    let (b, a) = (Some("response_b"), Some("response_a"));
    let (rows, refused, said) = foreign(&[record(&[b, b, a]), record(&[b]), record(&[b, a]), record(&[None])]);
    assert_eq!(refused, Vec::<String>::new());
    let expected = text("Name one.", "The dog.", "The cat.");
    assert!(rows[..2].iter().all(|row| *row == Labelled(expected.clone())), "{rows:?}");
    assert!(rows[2..].iter().all(|row| matches!(row, Candidates(_))), "{rows:?}");
    let counted = "4 records of Argilla: of each counts what more than half of its annotators say, and what each of them says is \
                   kept beside it. With several annotators: 2. Without a majority for an answer, to be labelled here: 1. Answers \
                   left out because they are drafts, were discarded or cancelled: 1.";
    assert!(said.contains(counted), "{said}");

    let task = |sides: &[&str]| {
        let annotation = |side: &&str| match *side {
            "skipped" => json!({"was_cancelled": true, "result": []}),
            side => json!({"result": [
                {"type": "pairwise", "from_name": "pw", "value": {"selected": side}},
                {"type": "textarea", "from_name": "why", "value": {"text": ["so"]}},
            ]}),
        };
        let annotations: Vec<Value> = sides.iter().map(annotation).collect();
        json!({"id": 1, "data": {"prompt": "Name one.", "answer1": "The dog.", "answer2": "The cat."}, "annotations": annotations})
    };
    let (rows, refused, said) = foreign(&[
        task(&["left", "skipped", "left", "right"]),
        task(&["left"]),
        task(&["left", "right"]),
        task(&["skipped"]),
    ]);
    assert_eq!(refused, Vec::<String>::new());
    assert!(rows[..2].iter().all(|row| *row == Labelled(expected.clone())), "{rows:?}");
    assert!(rows[2..].iter().all(|row| matches!(row, Candidates(_))), "{rows:?}");
    assert!(said.contains("3 records of Label Studio"), "{said}");
    assert!(said.contains("Other results of annotations, such as comments, left out: 6."), "{said}");
    assert!(said.contains("Answers left out because they are drafts, were discarded or cancelled: 1."), "{said}");
}

/// From a project with real judgements, and into another one.
#[test]
fn from_one_project_to_another() {
    let folder = tempfile::tempdir().unwrap();
    let lines: Vec<String> = (0..6).map(|at| format!("p{at},first {at},second {at}\n")).collect();
    let text = format!("prompt,response_a,response_b\n{}", lines.concat());
    let table = Table::from_bytes(text.as_bytes()).unwrap();
    let mut project = Project::open_or_create(&folder.path().join("one")).unwrap();
    project.import_table(&table, &mapping::guess(&table), "items.csv").unwrap();
    for (annotator, wishes) in [("Ada", "112t12"), ("Ben", "12t11s"), ("Cem", "1")] {
        for wish in wishes.chars() {
            let item = project.label_state(annotator, 1).unwrap().queue.remove(0);
            let first_is_left = item.left.starts_with("first");
            let verdict = match wish {
                't' => Verdict::TieGood,
                's' => Verdict::Skip,
                wish if (wish == '1') == first_is_left => Verdict::Left,
                _ => Verdict::Right,
            };
            let (annotator, milliseconds, note) = (annotator.to_owned(), 900, None);
            project
                .judge(&Judging { annotator, item: item.item, showing: item.showing, verdict, milliseconds, note })
                .unwrap();
        }
    }
    let exported = project.exported_pairs(false).unwrap();
    let expected: Vec<(i64, &str)> = vec![(-1, "first 0"), (-5, "first 4"), (-6, "second 5")];
    let found: Vec<(i64, &str)> =
        exported.pairs.iter().map(|pair| (pair.sourced.id, pair.sourced.pair.chosen.as_text().unwrap())).collect();
    assert_eq!(found, expected);
    let names: Vec<&str> = exported.annotators.iter().map(|annotator| annotator.name.as_str()).collect();
    assert_eq!(names, ["annotator 1", "annotator 2", "annotator 3"]);
    let named = project.exported_pairs(true).unwrap();
    assert_eq!(named.annotators[0].name, "Ada");
    let uuids = |pairs: &ExportedPairs| pairs.annotators.iter().map(|it| it.uuid.clone()).collect::<Vec<_>>();
    assert_eq!(uuids(&named), uuids(&exported), "an annotator is the same user in every export");
    assert!(uuids(&exported).iter().all(|uuid| uuid.len() == 36 && uuid.as_bytes()[14] == b'8'));

    let files = written(&exported);
    for path in [&files.argilla, &files.label_studio] {
        let counts = |row: &Value| match row.get("annotations").and_then(Value::as_array) {
            Some(annotations) => annotations.len(),
            None => row["responses"]["preference"].as_array().unwrap().len(),
        };
        // The last pair was judged by one and skipped by another.
        assert_eq!(rows(path).iter().map(counts).collect::<Vec<_>>(), [3, 2, 2], "{}", path.display());
        let table = Table::read(path).unwrap();
        let mut other = Project::open_or_create(&folder.path().join(path.file_stem().unwrap())).unwrap();
        other.import_table(&table, &mapping::guess(&table), "records").unwrap();
        let pairs = |project: &Project| {
            project.training_pairs().unwrap().into_iter().map(|sourced| sourced.pair).collect::<Vec<_>>()
        };
        assert_eq!(pairs(&other), pairs(&project));
    }
}
