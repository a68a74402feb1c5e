#![allow(clippy::unwrap_used)]
use std::path::PathBuf;

use super::*;
use crate::Message;
use crate::jsonl::read_pairs as read_our_own;
use crate::reader::{self, Choices};
use crate::store::{PairAnswer, PairJudgement, PairSource, PairVerdict, SourcedPair};
use crate::table::Table;
use proptest::prelude::*;
use serde_json::json;

/// With something in every column, and odd text in each.
fn full(at: usize, pair: Pair) -> ExportedPair {
    let note = Some("\u{2028}\"role\": [{'role': 'user', 'content': 'x'}] 🦀\u{0}".to_owned());
    let judgement = |verdict, counts: bool| PairJudgement {
        annotator: "Ada \"chosen\"".to_owned(),
        verdict,
        left: PairAnswer::Rejected,
        milliseconds: 1200,
        note: note.clone(),
        at: 1_700_000_000_000,
        second_pass: !counts,
        undone: false,
        counts,
        decides: false,
        votes_seen: false,
        in_file: None,
    };
    let judgements = match at % 2 {
        0 => Vec::new(),
        _ => vec![judgement(PairVerdict::ChosenMuch, true), judgement(PairVerdict::Rejected, false)],
    };
    let source = [PairSource::Imported, PairSource::Labelled, PairSource::Edited][at % 3];
    ExportedPair {
        sourced: SourcedPair { id: if at.is_multiple_of(2) { at as i64 + 1 } else { -(at as i64) }, source, pair },
        import_file: Some("a prompt, chosen.jsonl".to_owned()),
        import_line: Some(at as i64 + 1),
        import_row: Some(at as i64 + 2),
        ratings: None,
        held_out: false,
        judgements,
    }
}

/// What stands beside a pair.
const BESIDE: [&str; 9] = [
    "id",
    "import_file",
    "import_line",
    "import_row",
    "judgements",
    "origin",
    "votes_chosen",
    "votes_rejected",
    "votes_tie",
];

fn written(pairs: &[Pair]) -> (tempfile::TempDir, PathBuf, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let (lines, parquet) = (folder.path().join("pairs.jsonl"), folder.path().join("pairs.parquet"));
    let all: Vec<ExportedPair> = pairs.iter().cloned().enumerate().map(|(at, pair)| full(at, pair)).collect();
    write_jsonl(&lines, &all).unwrap();
    super::parquet::write_pairs(&parquet, &all).unwrap();
    (folder, lines, parquet)
}

/// Both files, by every reader.
fn check(pairs: &[Pair]) {
    let (_folder, lines, parquet) = written(pairs);
    let own = read_our_own(&lines).unwrap();
    assert_eq!(own.refused, []);
    assert_eq!(own.ignored_keys.keys().collect::<Vec<_>>(), BESIDE);
    assert_eq!(own.into_pairs(), pairs);
    // What was a text stays one, and what it repeats stays there.
    let choices = Choices::from([("repeated_prompt".to_owned(), "keep".to_owned())]);
    for path in [lines, parquet] {
        let read = reader::read_pairs(&path, &choices).unwrap();
        assert_eq!(read.mapped.refused, [], "{}", path.display());
        let unused: Vec<&str> = read.mapped.ignored_keys.keys().map(String::as_str).collect();
        assert_eq!(unused, BESIDE, "{}", read.how);
        assert!(read.is_by_name(), "{}", read.how);
        assert_eq!(read.into_pairs(), pairs, "{}", path.display());
    }
}

fn conversation(asked: &str, tools: Vec<Value>, good: &str, bad: &str, category: Option<String>) -> Pair {
    let messages = vec![Message::new("system", "Be brief."), Message::new("user", asked)];
    let prompt = Conversation { messages, tools, chat_template_kwargs: Map::new() };
    let said = |text: &str| vec![Message::new("assistant", text)].into();
    Pair { prompt: Content::Messages(prompt), chosen: said(good), rejected: said(bad), category }
}

fn tool(name: &str, argument: &str) -> Value {
    let properties = Map::from_iter([(argument.to_owned(), json!({"type": "string"}))]);
    json!({"type": "function", "function": {"name": name, "parameters": {"type": "object", "properties": properties}}})
}

#[test]
fn a_row_says_what_belongs_to_its_pair() {
    let (_folder, lines, _) = written(&[
        conversation("q", vec![], "c", "r", None),
        conversation("q2", vec![tool("t", "x")], "c", "r", Some("a".to_owned())),
    ]);
    let text = std::fs::read_to_string(lines).unwrap();
    let rows: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((&rows[0]["tools"], &rows[0]["category"]), (&json!("null"), &json!("")));
    assert_eq!((&rows[0]["origin"], &rows[0]["judgements"]), (&json!("imported"), &json!("[]")));
    let tools: Value = serde_json::from_str(rows[1]["tools"].as_str().unwrap()).unwrap();
    assert_eq!(tools, json!([tool("t", "x")]));
    let row = &rows[1];
    assert_eq!((&row["id"], &row["origin"], &row["import_line"]), (&json!(-1), &json!("labelled"), &json!(2)));
    assert_eq!((&row["votes_chosen"], &row["votes_rejected"], &row["votes_tie"]), (&json!(1), &json!(0), &json!(0)));
    let judgements: Value = serde_json::from_str(row["judgements"].as_str().unwrap()).unwrap();
    assert_eq!((&judgements[0]["verdict"], &judgements[0]["left"]), (&json!("chosen_much"), &json!("rejected")));
    assert_eq!((&judgements[1]["counts"], &judgements[1]["milliseconds"]), (&json!(false), &json!(1200)));
}

/// What an export says of ratings, of scores and of ranks, is read as what it was.
#[test]
fn ratings_stand_beside_their_pairs_and_come_back() {
    let rated = |chosen, rejected, order| Some(PairRatings { chosen, rejected, order });
    let all = [
        rated(8.0, 5.5, Some(RatingOrder::HigherIsBetter)),
        None,
        rated(3.0, 4.0, Some(RatingOrder::HigherIsBetter)),
        rated(1.0, 1.5, None),
    ];
    let ranks = [rated(1.0, 4.0, Some(RatingOrder::LowerIsBetter))];
    let folder = tempfile::tempdir().unwrap();
    let (lines, parquet) = (folder.path().join("pairs.jsonl"), folder.path().join("pairs.parquet"));
    let numbers =
        |row: &Value, names: &[&str]| -> Vec<Option<f64>> { names.iter().map(|name| row[*name].as_f64()).collect() };
    for (ratings, names, margins) in [
        (&all[..], ["score_chosen", "score_rejected"], &[Some(2.5), None, Some(-1.0), None][..]),
        (&ranks[..], ["rank_chosen", "rank_rejected"], &[Some(3.0)][..]),
    ] {
        let pair = |at: usize| Pair {
            prompt: format!("p{at}").as_str().into(),
            chosen: "c".into(),
            rejected: "r".into(),
            category: None,
        };
        let pairs: Vec<ExportedPair> = ratings
            .iter()
            .enumerate()
            .map(|(at, ratings)| ExportedPair { ratings: *ratings, ..full(at, pair(at)) })
            .collect();
        write_jsonl(&lines, &pairs).unwrap();
        super::parquet::write_pairs(&parquet, &pairs).unwrap();
        let text = std::fs::read_to_string(&lines).unwrap();
        for (at, line) in text.lines().enumerate() {
            let row: Value = serde_json::from_str(line).unwrap();
            assert_eq!(numbers(&row, &names), [ratings[at].map(|it| it.chosen), ratings[at].map(|it| it.rejected)]);
            assert_eq!(row["margin"].as_f64(), margins[at]);
            assert!(!line.contains(if names[0] == "score_chosen" { "rank_" } else { "score_" }), "{line}");
        }
        assert!(!text.contains("\"score_chosen\":8,"), "a whole number would make the column one of whole numbers");
        for path in [&lines, &parquet] {
            let table = crate::table::Table::read(path).unwrap();
            let mut mapping = crate::mapping::guess(&table);
            for (key, name) in ["rating_a", "rating_b"].into_iter().zip(names) {
                mapping.set(key, name).unwrap();
            }
            let read: Vec<_> =
                crate::mapping::apply(&table, &mapping).rows.into_iter().map(|row| row.ratings).collect();
            let known = |ratings: &Option<PairRatings>| ratings.map(|it| [it.chosen, it.rejected]);
            assert_eq!(read.iter().map(known).collect::<Vec<_>>(), ratings.iter().map(known).collect::<Vec<_>>());
        }
    }
}

#[test]
fn arguments_of_the_template_and_further_fields_come_back_from_the_lines() {
    let mut pair = conversation("q", vec![tool("t", "x")], "c", "r", None);
    if let Content::Messages(prompt) = &mut pair.prompt {
        prompt.chat_template_kwargs.insert("enable_thinking".to_owned(), false.into());
        prompt.messages[1].fields.insert("name".to_owned(), "Ada".into());
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pairs.jsonl");
    write_jsonl(&path, &[full(0, pair.clone())]).unwrap();
    assert_eq!(read_our_own(&path).unwrap().into_pairs(), std::slice::from_ref(&pair));
    assert_eq!(reader::read_pairs(&path, &Choices::new()).unwrap().into_pairs(), [pair]);
}

proptest! {
    #[test]
    fn texts_come_back(texts in prop::collection::vec(("\\PC{1,20}", "[^\0]{1,12}", "[^\0]{1,12}", prop::option::of("[a-z]{1,5}")), 1..6)) {
        let text = |(at, (p, c, r, category)): (usize, (String, String, String, Option<String>))| {
            let [prompt, chosen, rejected] = [format!("{p} {at}?"), format!("a{c}"), format!("b{r}")].map(Content::Text);
            Pair { prompt, chosen, rejected, category }
        };
        check(&texts.into_iter().enumerate().map(text).collect::<Vec<_>>());
    }

    #[test]
    fn conversations_come_back(
        rows in prop::collection::vec(("[^\0]{1,12}", "[^\0]{1,12}", "[^\0]{1,12}", prop::option::of("[a-z]{1,5}"), 0_usize..3), 1..5)
    ) {
        let pair = |(asked, good, bad, category, tools): (String, String, String, Option<String>, usize)| {
            let tools = (0..tools).map(|at| tool(&format!("t{at}"), &asked)).collect();
            conversation(&asked, tools, &format!("a{good}"), &format!("b{bad}"), category)
        };
        check(&rows.into_iter().map(pair).collect::<Vec<_>>());
    }
}

/// Which pairs never train stands beside them where a file is held out, and nowhere else.
#[test]
fn pairs_that_are_held_out_are_marked() {
    let folder = tempfile::tempdir().unwrap();
    let (lines, parquet) = (folder.path().join("pairs.jsonl"), folder.path().join("pairs.parquet"));
    let pair = |at: usize| Pair {
        prompt: format!("p{at}").as_str().into(),
        chosen: "c".into(),
        rejected: "r".into(),
        category: None,
    };
    let marked = |held_out: fn(usize) -> bool| {
        let pairs: Vec<ExportedPair> =
            (0..4).map(|at| ExportedPair { held_out: held_out(at), ..full(at, pair(at)) }).collect();
        write_jsonl(&lines, &pairs).unwrap();
        parquet::write_pairs(&parquet, &pairs).unwrap();
        [&lines, &parquet].map(|path| {
            let table = Table::read(path).unwrap();
            let mut marks = Vec::new();
            table.each_row(|row| {
                marks.push(row.get("held_out").map(|mark| mark == &Value::Bool(true)));
                std::ops::ControlFlow::Continue(())
            });
            marks
        })
    };
    let [one, other] = [false, true].map(Some);
    assert_eq!(marked(|at| at == 2), [vec![one, one, other, one], vec![one, one, other, one]]);
    assert_eq!(marked(|_| false), [vec![None; 4], vec![None; 4]]);
}
