//! Data sets as they are published, on the command line: rated answers, shards, compressed files, Parquet, and what an import
//! would bring.

use end_to_end::{Finished, told_as_json};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

fn lines(rows: &[Value]) -> String {
    let text: Vec<String> = rows.iter().map(|row| format!("{row}\n")).collect();
    text.concat()
}

fn write(folder: &Path, name: &str, text: &str) -> PathBuf {
    let path = folder.join(name);
    std::fs::create_dir_all(path.parent().expect("a folder")).expect("the temporary folder can be written");
    std::fs::write(&path, text).expect("the temporary folder can be written");
    path
}

fn import(folder: &Path, file: &Path, more: &[&str]) -> Finished {
    let mut import = told_as_json(folder, "import");
    Finished::run(import.arg(file).arg("--project").arg(folder.join("project")).args(more))
}

fn exported(folder: &Path) -> (Vec<Value>, PathBuf) {
    let out = folder.join("out");
    let mut export = told_as_json(folder, "export");
    let _ = Finished::run(export.arg("--project").arg(folder.join("project")).arg("--output-dir").arg(&out)).well();
    let pairs = std::fs::read_to_string(out.join("pairs.jsonl")).expect("pairs were exported");
    (pairs.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect(), out.join("pairs.parquet"))
}

#[test]
fn rated_answers_ask_which_pairs_are_made_of_them() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let answer = |text: &str, score: f64| json!({ "response": text, "overall_score": score });
    let rows = [
        json!({ "instruction": "Why?", "completions": [answer("fair", 3.0), answer("good", 5.0), answer("bad", 1.0)] }),
        json!({ "instruction": "How?", "completions": [answer("x", 2.0), answer("y", 2.0), answer("z", 2.0)] }),
    ];
    let file = write(folder.path(), "rated.jsonl", &lines(&rows));
    let _ = import(folder.path(), &file, &[]).refused(&["pairing=best_and_worst", "pairing=neighbours", "--map"]);
    let said = import(folder.path(), &file, &["--map", "pairing=neighbours"]).well().json().pop().expect("a reply");
    assert_eq!((&said["added"], &said["refused_count"]), (&json!(2), &json!(1)), "{said}");
    assert!(said["refused"][0]["reason"].to_string().contains("all rated alike"), "{said}");
    let (pairs, parquet) = exported(folder.path());
    let answers: Vec<(&Value, &Value)> = pairs.iter().map(|pair| (&pair["chosen"], &pair["rejected"])).collect();
    assert_eq!(answers, [(&json!("good"), &json!("fair")), (&json!("fair"), &json!("bad"))]);
    // What went out as Parquet comes in again as what the project has.
    let said = import(folder.path(), &parquet, &[]).well().json().pop().expect("a reply");
    assert_eq!((&said["added"], &said["duplicates"]), (&json!(0), &json!(2)), "{said}");
}

#[test]
fn a_dry_run_shows_rows_and_leaves_nothing() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let row = |number: usize| json!({ "prompt": format!("Question {number}?"), "chosen": "yes", "rejected": "no" });
    let file = write(folder.path(), "pairs.jsonl", &lines(&(0..5).map(row).collect::<Vec<_>>()));
    let said = import(folder.path(), &file, &["--dry-run"]).well().json().pop().expect("a reply");
    assert_eq!((&said["added"], &said["dry_run"], &said["total"]), (&json!(5), &json!(true), &Value::Null), "{said}");
    let shown: Vec<&Value> = said["first"].as_array().expect("rows").iter().map(|row| &row["prompt"]).collect();
    assert_eq!(shown, ["Question 0?", "Question 1?", "Question 2?"]);
    assert!(!folder.path().join("project").exists());
    let said = import(folder.path(), &file, &["--kind", "prompts"]).well().json().pop().expect("a reply");
    assert_eq!((&said["kind"], &said["added"]), (&json!("prompts"), &json!(5)), "{said}");
}

#[test]
fn shards_are_one_data_set_and_splits_are_not_mixed() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let row = |text: &str| json!({ "prompt": text, "chosen": "yes", "rejected": "no" });
    let set = folder.path().join("set");
    let _ = write(&set, "train-00000-of-00002.jsonl", &lines(&[row("one"), row("two")]));
    let _ = import(folder.path(), &set, &[]).refused(&["1 are missing", "number 1"]);
    let _ = write(&set, "train-00001-of-00002.jsonl", &(lines(&[row("three")]) + "broken\n"));
    let _ = write(&set, "README.md", "About.");
    let said = import(folder.path(), &set, &[]).well().json().pop().expect("a reply");
    assert_eq!((&said["added"], &said["refused_count"]), (&json!(3), &json!(1)), "{said}");
    let reason = said["refused"][0]["reason"].to_string();
    assert!(reason.contains("in `train-00001-of-00002.jsonl`"), "{said}");
    assert!(said["notices"].to_string().contains("`README.md`"), "{said}");
    let _ = write(&set, "test-00000-of-00001.jsonl", &lines(&[row("held out")]));
    let _ = import(folder.path(), &set, &[]).refused(&["several splits", "test (1)", "train (2)"]);
}

#[test]
fn pairs_go_to_labellers_and_come_back() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let spoken = |text: &str| json!([{ "role": "assistant", "content": text }]);
    let rows = [
        json!({ "prompt": "Why?\nSay it.", "chosen": "good", "rejected": "bad" }),
        json!({ "prompt": [{ "role": "system", "content": "Be brief." }, { "role": "user", "content": "How?" }], "chosen": spoken("so"), "rejected": spoken("no") }),
    ];
    let file = write(folder.path(), "pairs.jsonl", &lines(&rows));
    let _ = import(folder.path(), &file, &[]).well();
    let out = folder.path().join("out");
    let export = |forms: &str| {
        let mut export = told_as_json(folder.path(), "export");
        let project = folder.path().join("project");
        Finished::run(export.args(["--pairs-as", forms, "--project"]).arg(project).arg("--output-dir").arg(&out))
    };
    let done = export("argilla,label-studio").well();
    let written: Vec<Value> = done.json();
    let paths: Vec<&str> = written.iter().filter_map(|row| row["path"].as_str()).collect();
    assert_eq!(
        paths,
        [out.join("argilla").to_str(), out.join("label-studio.json").to_str()].map(Option::unwrap_or_default)
    );
    assert!(!out.join("pairs.jsonl").exists() && out.join("label-studio.xml").exists());
    for file in [out.join("argilla/records.json"), out.join("label-studio.json")] {
        let said = import(folder.path(), &file, &[]).well().json().pop().expect("a reply");
        // The project has these pairs: they came back as they are.
        assert_eq!(
            (&said["added"], &said["duplicates"], &said["refused_count"]),
            (&json!(0), &json!(2), &json!(0)),
            "{said}"
        );
    }
    // Texts and conversations have no one type for a column.
    let _ = export("parquet").refused(&["no Parquet file was written", "Take the JSON Lines"]);
    let _ = export("parquet,argilla").well();
    let mut wrong = told_as_json(folder.path(), "export");
    let wrong = Finished::run(wrong.args(["--pairs-as", "excel", "--project", "p", "--output-dir"]).arg(&out));
    assert_eq!(wrong.code, Some(2), "an unknown form is wrong usage");
}
