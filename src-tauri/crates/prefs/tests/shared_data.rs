//! Real data sets, where they are at hand: `TIEBREAK_SHARED` names the folder that holds them.
#![allow(clippy::unwrap_used, missing_docs)]

use std::fmt::Write;
use std::path::{Path, PathBuf};

use prefs::Pair;
use prefs::checks::{Code, check};
use prefs::jsonl::{Reading, read_pairs};
use prefs::mapping::{ImportKind, MappedContent, MappedRow, apply, guess};
use prefs::prompts::read_prompts;
use prefs::split::split;
use prefs::store::Project;
use prefs::table::Table;
use serde_json::{Value, json};

fn data(test: &str) -> Option<PathBuf> {
    let folder = std::env::var_os("TIEBREAK_SHARED").map(|shared| PathBuf::from(shared).join("data"));
    let folder = folder.filter(|folder| folder.is_dir());
    if folder.is_none() {
        eprintln!("left out: {test} (TIEBREAK_SHARED names no folder with data/)");
    }
    folder
}

fn read(data: &Path, file: &str) -> Reading {
    let path = data.join(file);
    let reading = read_pairs(&path).unwrap();
    // What is written is what was read.
    let folder = tempfile::tempdir().unwrap();
    let copy = folder.path().join("copy.jsonl");
    prefs::jsonl::write_pairs(&copy, &reading.clone().into_pairs()).unwrap();
    assert_eq!(read_pairs(&copy).unwrap().into_pairs(), reading.clone().into_pairs(), "{file}");
    reading
}

#[test]
fn every_row_of_the_preference_sets_is_accounted_for() {
    let Some(data) = data("every_row_of_the_preference_sets_is_accounted_for") else { return };
    for (file, rows) in [
        ("hh-harmless-test-filtered.jsonl", 1173),
        ("ultrafeedback/train_clean.jsonl", 1000),
        ("ultrafeedback/eval_clean.jsonl", 200),
        ("ultrafeedback/label_flip_20.jsonl", 1000),
    ] {
        let reading = read(&data, file);
        assert_eq!(reading.refused, [], "{file}");
        assert_eq!((reading.pairs.len(), reading.blank), (rows, 0), "{file}");
        assert!(reading.pairs.iter().enumerate().all(|(at, numbered)| numbered.place.line == at + 1));
        assert_eq!(read_prompts(&data.join(file)).unwrap().prompts.len(), rows, "{file}");
        let pairs = reading.into_pairs();
        let (train, eval) = split(&pairs, 0.1, 0);
        assert_eq!(train.len() + eval.len(), rows);
        assert!(eval.len().abs_diff(rows / 10) <= 1, "{file}: {}", eval.len());
        let checks = check(&train, Some(&eval));
        assert_eq!(checks.finding(Code::PromptLeak), None, "{file}");
        println!(
            "{file}: {:?}",
            checks.findings.iter().map(|f| (f.code, f.rows.len(), &f.message)).collect::<Vec<_>>()
        );
    }
}

/// Other forms: nothing is taken for a prompt that is none, and every row is named.
#[test]
fn rows_of_other_forms_are_refused_by_line() {
    let Some(data) = data("rows_of_other_forms_are_refused_by_line") else { return };
    for (file, rows, reason) in [
        ("rasbt/instruction-data-with-preference.json", 1100, "there is no `prompt`, but `instruction`"),
        ("llama-factory/dpo_en_demo.json", 299, "`chosen`: expected text or a list of messages, found an object"),
        ("llama-factory/dpo_zh_demo.json", 300, "`chosen`: expected text or a list of messages, found an object"),
        ("llama-factory/kto_en_demo.json", 300, "`chosen` is missing"),
    ] {
        let reading = read(&data, file);
        assert_eq!((reading.pairs.len(), reading.refused.len()), (0, rows), "{file}");
        assert!(reading.refused.iter().all(|refused| refused.reason.starts_with(reason)), "{:?}", reading.refused[0]);
        assert!(reading.refused.is_sorted_by_key(|refused| refused.place.line), "{file}");
    }
}

#[test]
fn a_real_set_goes_into_a_project_and_comes_back() {
    let Some(data) = data("a_real_set_goes_into_a_project_and_comes_back") else { return };
    let reading = read(&data, "hh-harmless-test-filtered.jsonl");
    let folder = tempfile::tempdir().unwrap();
    let mut project = Project::open_or_create(folder.path()).unwrap();
    let import = project.add_import(&reading, "hh-harmless-test-filtered.jsonl").unwrap();
    assert_eq!(import.added + import.duplicates, 1173);
    let stored: Vec<_> = project.pairs().map(|stored| stored.unwrap()).collect();
    assert_eq!(stored.len(), import.added);
    for stored in stored {
        assert_eq!(reading.pairs[stored.place.line - 1].pair, stored.pair);
    }
}

/// Foreign forms, with no hand laid on: which columns are guessed, and that every row is a row or refused.
#[test]
fn foreign_files_are_guessed_and_every_row_is_accounted_for() {
    let Some(data) = data("foreign_files_are_guessed_and_every_row_is_accounted_for") else { return };
    for (file, kind, rows, columns) in [
        ("hh-harmless-test-filtered.jsonl", ImportKind::Pairs, 1173, ["prompt", "chosen", "rejected", ""]),
        ("ultrafeedback/train_clean.jsonl", ImportKind::Pairs, 1000, ["prompt", "chosen", "rejected", ""]),
        (
            "rasbt/instruction-data-with-preference.json",
            ImportKind::Pairs,
            1100,
            ["instruction", "chosen", "rejected", ""],
        ),
        ("llama-factory/dpo_en_demo.json", ImportKind::Pairs, 299, ["conversations", "chosen", "rejected", ""]),
        ("llama-factory/dpo_zh_demo.json", ImportKind::Pairs, 300, ["conversations", "chosen", "rejected", ""]),
        // Two of its 300 rows are one pair, the others single labels.
        ("llama-factory/kto_en_demo.json", ImportKind::Pairs, 299, ["", "", "", ""]),
        ("llmbar/Natural/dataset.json", ImportKind::Pairs, 100, ["input", "output_1", "output_2", "label"]),
        ("llmbar/Adversarial/GPTInst/dataset.json", ImportKind::Pairs, 92, ["input", "output_1", "output_2", "label"]),
        ("mt-bench/questions/mt_bench/question.jsonl", ImportKind::Prompts, 80, ["turns.0", "", "", ""]),
        ("open-assistant/en_100_tree.jsonl", ImportKind::Pairs, 211, ["prompt", "", "", ""]),
    ] {
        let table = Table::read(&data.join(file)).unwrap();
        let mut mapping = guess(&table);
        let named = |column: &Option<String>| column.clone().unwrap_or_default();
        let found = [
            named(&mapping.prompt),
            named(if mapping.chosen.is_some() { &mapping.chosen } else { &mapping.answer_a }),
            named(if mapping.rejected.is_some() { &mapping.rejected } else { &mapping.answer_b }),
            named(&mapping.preference),
        ];
        assert_eq!((mapping.kind, found), (kind, columns.map(str::to_owned)), "{file}");
        if mapping.answers.is_some() {
            // Of more than two answers it is asked which pairs are made.
            mapping.set("pairing", "best_and_worst").unwrap();
        }
        let mapped = apply(&table, &mapping);
        println!("{file}: {} rows, {} refused; {:?}", mapped.rows.len(), mapped.refused.len(), mapped.refused.first());
        assert_eq!(mapped.rows.len() + mapped.refused.len(), rows, "{file}");
        assert!(mapped.refused.len() * 10 <= rows, "{file}");
        for row in &mapped.rows {
            if let MappedContent::Pair(pair) = &row.content {
                assert_eq!(pair.validate(), Ok(()), "{file} line {}", row.place.line);
            }
        }
    }
}

/// What the reader of the field's own form takes, the mapping takes in the same way.
#[test]
fn the_mapping_agrees_with_the_reader_of_pairs() {
    let Some(data) = data("the_mapping_agrees_with_the_reader_of_pairs") else { return };
    for file in ["hh-harmless-test-filtered.jsonl", "ultrafeedback/eval_clean.jsonl"] {
        let table = Table::read(&data.join(file)).unwrap();
        let mapped = apply(&table, &guess(&table));
        let found: Vec<Pair> = mapped
            .rows
            .into_iter()
            .map(|row| match row.content {
                MappedContent::Pair(pair) => Pair { category: None, ..pair },
                other => panic!("{other:?} is no pair"),
            })
            .collect();
        let read = read_pairs(&data.join(file)).unwrap().into_pairs();
        assert_eq!(found, read.into_iter().map(|pair| Pair { category: None, ..pair }).collect::<Vec<_>>(), "{file}");
    }
}

/// Open Assistant's trees one message to a row, as its Parquet files have them, give the pairs of its files of trees.
#[test]
fn messages_of_trees_give_the_pairs_of_the_trees() {
    let Some(data) = data("messages_of_trees_give_the_pairs_of_the_trees") else { return };
    let trees = data.join("open-assistant/en_100_tree.jsonl");
    let folder = tempfile::tempdir().unwrap();
    let flat = folder.path().join("flat.jsonl");
    let mut text = String::new();
    for line in std::fs::read_to_string(&trees).unwrap().lines() {
        let tree: Value = serde_json::from_str(line).unwrap();
        let mut open = vec![(Value::Null, tree["prompt"].clone())];
        while let Some((parent, message)) = open.pop() {
            let field = |name: &str| message[name].clone();
            let row = json!({
                "message_id": field("message_id"), "parent_id": parent, "text": field("text"), "role": field("role"),
                "lang": field("lang"), "rank": field("rank"), "message_tree_id": tree["message_tree_id"],
            });
            writeln!(text, "{row}").unwrap();
            for reply in message["replies"].as_array().into_iter().flatten() {
                open.push((field("message_id"), reply.clone()));
            }
        }
    }
    std::fs::write(&flat, text).unwrap();
    let pairs = |path: &Path| {
        let table = Table::read(path).unwrap();
        let mut mapping = guess(&table);
        mapping.set("pairing", "all").unwrap();
        let texts = |row: MappedRow| match row.content {
            MappedContent::Pair(pair) => pair.content_hash(),
            other => panic!("{other:?}"),
        };
        let mut pairs: Vec<String> = apply(&table, &mapping).rows.into_iter().map(texts).collect();
        pairs.sort();
        pairs
    };
    let of_trees = pairs(&trees);
    assert!(of_trees.len() > 100, "{}", of_trees.len());
    assert_eq!(pairs(&flat), of_trees);
}

/// MT-Bench: its questions, and a judge's verdicts between two models, whose texts are taken out of what the judge was asked.
#[test]
fn mt_bench_s_questions_and_verdicts() {
    let Some(data) = data("mt_bench_s_questions_and_verdicts") else { return };
    let lines = |file: &str| -> Vec<Value> {
        let text = std::fs::read_to_string(data.join("mt-bench").join(file)).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    let table = Table::read(&data.join("mt-bench/questions/mt_bench/question.jsonl")).unwrap();
    let mapping = guess(&table);
    let prompts = apply(&table, &mapping);
    assert_eq!((prompts.kind, prompts.rows.len(), prompts.refused.len()), (ImportKind::Prompts, 80, 0));
    let said = prefs::mapping::notices(&table, &mapping).join("\n");
    assert!(said.contains("What is asked after it is left out, 80 questions in 80 rows"), "{said}");

    let table = Table::read(&data.join("mt-bench/phi3-vs-dpo/gpt-4_pair.jsonl")).unwrap();
    let mapped = apply(&table, &guess(&table));
    let is_pair = |row: &&MappedRow| matches!(row.content, MappedContent::Pair(_));
    // 20 won, 18 lost; of the other 37 two are errors of the judge.
    assert_eq!((mapped.rows.iter().filter(is_pair).count(), mapped.rows.len()), (38, 73), "{:?}", mapped.refused);
    assert_eq!(table.refused.len(), 2);
    let questions = lines("questions/mt_bench/question.jsonl");
    let answers = ["phi-3", "phi-3-dpo"].map(|model| lines(&format!("phi3-vs-dpo/{model}.jsonl")));
    let verdicts = lines("phi3-vs-dpo/gpt-4_pair.jsonl");
    let of = |rows: &[Value], id: &Value| rows.iter().find(|row| row["question_id"] == *id).cloned().unwrap();
    let mut won = 0;
    for row in &mapped.rows {
        let verdict = &verdicts[row.place.line - 1];
        let id = &verdict["question_id"];
        let [one, other] = answers.each_ref().map(|answers| of(answers, id)["choices"][0]["turns"][0].clone());
        let is_second = verdict["g1_winner"] == "model_2" && verdict["g2_winner"] == "model_2";
        won += usize::from(is_second);
        let expected = if is_second { [other, one] } else { [one, other] };
        let found = [row.content.first(), row.content.second()].map(|answer| json!(answer.unwrap().last_text()));
        assert_eq!(found, expected, "question {id}");
        assert_eq!(json!(row.content.prompt().last_text()), of(&questions, id)["turns"][0]);
    }
    assert_eq!(won, 20);
}
