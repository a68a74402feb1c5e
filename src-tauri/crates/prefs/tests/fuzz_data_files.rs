//! The readers of data, fed with damaged files: whatever they hold, every row is a pair, an item, a prompt or refused, or the
//! file is refused whole; soon, and without a panic.
//!
//! Runs for two seconds a form from a fixed seed; `scripts/fuzz.sh` runs it for long. `TIEBREAK_FUZZ_SECONDS` says how long,
//! `TIEBREAK_FUZZ_SEED` from where, `TIEBREAK_FUZZ_FORMS` which forms (a part of their names; several with commas). A file that
//! breaks a reader is kept under the name that is printed.
#![allow(clippy::unwrap_used, missing_docs)]

use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::time::{Duration, Instant};

use prefs::export::parquet;
use prefs::mapping::{apply, guess, notices, questions};
use prefs::store::{ExportedPair, PairSource, SourcedPair};
use prefs::table::Table;
use prefs::{Message, Pair};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::{Value, json};

/// No damaged file of a few kilobytes may take longer.
const SLOW: Duration = Duration::from_secs(10);

/// A small file of every form.
fn seeds() -> Vec<(&'static str, Vec<u8>)> {
    let turns = |text: &str| json!([{"role": "user", "content": "q"}, {"role": "assistant", "content": text}]);
    let rows: Vec<Value> = (0..6)
        .map(|at| {
            json!({
                "prompt": format!("Question {at}?"), "chosen": turns("good"), "rejected": turns("bad"), "score": at,
                "completions": [{"response": "x", "score": at}, {"response": "y\n\"z\"", "score": 2}],
                "messages": "[{'role': 'user', 'content': 'q'}]", "label": at % 2 == 0, "winner": "model_a",
            })
        })
        .collect();
    let tree = json!({"prompt": {"text": "q", "role": "prompter", "replies": [
        {"text": "a", "role": "assistant", "rank": 0, "replies": []}, {"text": "b", "role": "assistant", "rank": 1},
    ]}});
    let message = |id: &str, parent: Option<&str>, role: &str, rank: usize| {
        format!("{}\n", json!({"message_id": id, "parent_id": parent, "role": role, "text": id, "rank": rank}))
    };
    let messages = [
        message("b", Some("q"), "assistant", 1),
        message("q", None, "prompter", 0),
        message("a", Some("q"), "assistant", 0),
        message("c", Some("a"), "prompter", 0),
        message("d", Some("none"), "assistant", 0),
    ];
    let lines: Vec<String> = rows.iter().chain([&tree]).map(|row| format!("{row}\n")).collect();
    let lines = lines.concat();
    let csv = "prompt,response_a,response_b,winner\n\"two\nlines\",\"say \"\"a\"\"\",b,a\np,one,two,tie\n;,;,x,b\n";
    let zipped = |bytes: &[u8]| {
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        gzip.write_all(bytes).and_then(|()| gzip.finish()).unwrap()
    };
    let folder = tempfile::tempdir().unwrap();
    let as_parquet = |name: &str, of: &dyn Fn(usize) -> Pair| {
        let path = folder.path().join(name);
        let sourced = |at| SourcedPair { id: at as i64, source: PairSource::Imported, pair: of(at) };
        let pairs: Vec<ExportedPair> = (0..20).map(|at| sourced(at).into()).collect();
        parquet::write_pairs(&path, &pairs).unwrap();
        std::fs::read(path).unwrap()
    };
    let text = |at: usize| Pair {
        prompt: format!("p{at}").as_str().into(),
        chosen: "c".into(),
        rejected: "r".into(),
        category: Some("x".to_owned()),
    };
    let said = |at: usize| Pair {
        prompt: vec![Message::new("user", format!("p{at}"))].into(),
        chosen: vec![Message::new("assistant", "c")].into(),
        rejected: vec![Message::new("assistant", "r")].into(),
        category: None,
    };
    let labelled =
        |at: usize| json!({"prompt": format!("p{}", at / 2), "completion": turns("a"), "label": at.is_multiple_of(3)});
    let labels: Vec<String> = (0..8).map(|at| format!("{}\n", labelled(at))).collect();
    let asked = "[User Question]\nq\n\n[The Start of Assistant A's Answer]\na\n[The End of Assistant A's Answer]\n\n[The Start of \
                 Assistant B's Answer]\nb\n[The End of Assistant B's Answer]";
    let verdict = json!({"question_id": 81, "model_1": "x", "model_2": "y", "g1_winner": "model_1", "g2_winner": "model_1",
        "g1_user_prompt": asked, "turn": 1});
    let shown = "<div name=\"instance_text\"> <legend> Prompt </legend> p <br/> </div><div name=\"instance_text\"> <legend> A \
                 </legend> a <br/> </div><div name=\"instance_text\"> <legend> B </legend> b <br/> </div>";
    let annotation = json!({"id": "1", "displayed_text": shown, "label_annotations": {"better": {"A": "1"}}, "span_annotations": {}});
    let task = json!([{"id": 1, "data": {"prompt": "p", "answer1": "a", "answer2": "b"}, "predictions": [], "annotations": [
        {"completed_by": 1, "result": [{"type": "pairwise", "from_name": "preference", "to_name": "answer1", "value": {"selected": "left"}}]},
    ]}]);
    let annotated = |task: usize, by: usize, side: &str| {
        json!({"id": task, "prompt": format!("p{task}"), "answer1": "a", "answer2": "b", "comparison": side, "annotator": by,
            "annotation_id": 10 * task + by, "created_at": "2026-01-02T03:04:05Z", "lead_time": 3.5})
    };
    let annotated =
        json!([annotated(1, 7, "left"), annotated(2, 7, "right"), annotated(1, 8, "right"), annotated(1, 9, "left")]);
    let answers = json!([{"user_id": "u", "value": "response1", "status": "submitted"}, {"user_id": "w", "value": [
        {"rank": 1, "value": "response1"}, {"rank": 2, "value": "response2"}], "status": "discarded"}]);
    let asked_beside = [
        json!({"prompt": "p", "response1": "a", "response2": "b", "preference": answers}),
        json!({"prompt": "p", "response1": "a", "response2": "b", "preference": {"user_id": ["u"], "value": ["response2"], "status": ["draft"]}}),
        json!({"prompt": "p", "response1": "a", "response2": "b", "preference.responses": ["response1"],
            "preference.responses.users": ["u"], "preference.responses.status": ["submitted"]}),
    ];
    let asked_beside: Vec<String> = asked_beside.iter().map(|row| format!("{row}\n")).collect();
    let column = |name: &str| {
        Value::Object(rows.iter().enumerate().map(|(at, row)| (at.to_string(), row[name].clone())).collect())
    };
    let columns = json!({"prompt": column("prompt"), "chosen": column("chosen"), "rejected": column("rejected")});
    let list = |name: &str| rows.iter().map(|row| row[name].clone()).collect::<Vec<_>>();
    let lists = json!({"prompt": list("prompt"), "chosen": list("chosen"), "rejected": list("rejected")});
    let pretty: Vec<String> = rows.iter().map(|row| format!("{row:#}\n")).collect();
    vec![
        ("verdicts.jsonl", format!("{verdict}\n{verdict}\n").into_bytes()),
        ("annotations.jsonl", format!("{annotation}\n{annotation}\n").into_bytes()),
        ("answers.jsonl", asked_beside.concat().into_bytes()),
        ("annotated.json", annotated.to_string().into_bytes()),
        ("tasks.json", task.to_string().into_bytes()),
        ("lines.jsonl", lines.clone().into_bytes()),
        ("labels.jsonl", labels.concat().into_bytes()),
        ("messages.jsonl", messages.concat().into_bytes()),
        ("array.json", serde_json::to_vec_pretty(&rows).unwrap()),
        ("object.json", json!({"version": 1, "data": rows}).to_string().into_bytes()),
        ("objects.json", pretty.concat().into_bytes()),
        ("columns.json", columns.to_string().into_bytes()),
        ("columns.json.gz", zipped(columns.to_string().as_bytes())),
        ("lists.json", serde_json::to_vec_pretty(&lists).unwrap()),
        ("members.json", json!({"0": rows[0], "1": rows[1], "2": rows[2]}).to_string().into_bytes()),
        ("cells.csv", csv.as_bytes().to_vec()),
        ("separator.csv", format!("sep=;\r\n{}", csv.replace(',', ";")).into_bytes()),
        (
            "utf-16.tsv",
            std::iter::once(0xFEFF).chain(csv.replace(',', "\t").encode_utf16()).flat_map(u16::to_le_bytes).collect(),
        ),
        ("cells.tsv", csv.replace(',', "\t").into_bytes()),
        ("lines.jsonl.gz", zipped(lines.as_bytes())),
        ("lines.jsonl.zst", zstd::encode_all(lines.as_bytes(), 3).unwrap()),
        ("texts.parquet", as_parquet("texts", &text)),
        ("conversations.parquet", as_parquet("conversations", &said)),
    ]
}

fn damage(bytes: &mut Vec<u8>, random: &mut StdRng) {
    for _ in 0..random.random_range(1..6) {
        let at = random.random_range(0..bytes.len().max(1)).min(bytes.len());
        match random.random_range(0..6) {
            0 if at < bytes.len() => bytes[at] ^= 1 << random.random_range(0..8),
            1 if at < bytes.len() => bytes[at] = random.random(),
            2 => bytes.truncate(at),
            3 => {
                let end = (at + random.random_range(0..64)).min(bytes.len());
                let piece = bytes[at..end].to_vec();
                bytes.splice(at..at, piece);
            }
            4 => drop(bytes.drain(at..(at + random.random_range(0..32)).min(bytes.len()))),
            _ => {
                let words: [&[u8]; 12] =
                    [b"\"", b"[", b"]", b"{", b"}", b"\n", b"\0", b",", b"NaN", b"\xFF", b"\t", b"1e999"];
                bytes.splice(at..at, words[random.random_range(0..words.len())].iter().copied());
            }
        }
    }
}

/// Reads a file as a shell does, kept in memory or not, and compares the two.
fn read(path: &Path) {
    let Ok(table) = Table::read(path) else { return };
    let mapping = guess(&table);
    let _ = (questions(&table, &mapping), notices(&table, &mapping), table.describe());
    let mapped = apply(&table, &mapping);
    let one_a_row = mapping.answers.is_none() && !mapping.chosen.as_ref().is_some_and(|path| path.contains(".*"));
    assert!(!one_a_row || mapped.rows.len() + mapped.refused.len() == table.row_count + table.refused_count);
    let large = Table::read_keeping(path, 0).unwrap();
    assert_eq!(guess(&large), mapping);
    assert_eq!(apply(&large, &mapping), mapped);
}

#[test]
fn whatever_a_file_holds() {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let seconds = number("TIEBREAK_FUZZ_SECONDS").unwrap_or(2);
    let seed = number("TIEBREAK_FUZZ_SEED").unwrap_or(1);
    let forms = std::env::var("TIEBREAK_FUZZ_FORMS").unwrap_or_default();
    let folder = tempfile::tempdir().unwrap();
    for (name, bytes) in seeds() {
        if !forms.split(',').any(|form| name.contains(form)) {
            continue;
        }
        let path = folder.path().join(name);
        let (begun, mut cases) = (Instant::now(), 0_u64);
        while begun.elapsed() < Duration::from_secs(seconds) {
            let mut random = StdRng::seed_from_u64(seed.wrapping_mul(1_000_003).wrapping_add(cases));
            let mut damaged = bytes.clone();
            damage(&mut damaged, &mut random);
            std::fs::write(&path, damaged).unwrap();
            let case = Instant::now();
            let survived = catch_unwind(AssertUnwindSafe(|| read(&path)));
            if survived.is_err() || case.elapsed() > SLOW {
                let kept = folder.keep();
                panic!("{name}: case {cases} took {:?}: {}", case.elapsed(), kept.display());
            }
            cases += 1;
        }
        println!("{name}: {cases} cases in {seconds} s");
    }
}
