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
    // What lies there is not written over, whoever wrote it, but where that is said.
    let _ = export("parquet,argilla").refused(&["`argilla` is in", "already", "--replace"]);
    let mut replacing = told_as_json(folder.path(), "export");
    let project = folder.path().join("project");
    let replacing = replacing.args(["--replace", "--pairs-as", "parquet,argilla", "--project"]).arg(project);
    let _ = Finished::run(replacing.arg("--output-dir").arg(&out)).well();
    std::fs::write(out.join("pairs.jsonl"), "mine").expect("a file of one's own");
    let _ = export("jsonl").refused(&["`pairs.jsonl` is in"]);
    assert_eq!(std::fs::read_to_string(out.join("pairs.jsonl")).expect("the file"), "mine");
    let mut wrong = told_as_json(folder.path(), "export");
    let wrong = Finished::run(wrong.args(["--pairs-as", "excel", "--project", "p", "--output-dir"]).arg(&out));
    assert_eq!(wrong.code, Some(2), "an unknown form is wrong usage");
}

/// Argilla's own records stand on one line.
#[test]
fn rows_on_one_line_are_told_by_their_numbers() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let row = |number: usize| json!({ "prompt": format!("Question {number}?"), "chosen": "yes", "rejected": "no" });
    let mut rows: Vec<Value> = (0..6).map(row).collect();
    rows[3] = json!({ "prompt": "Which?", "chosen": 0.5, "rejected": "no" });
    rows[4] = json!({ "prompt": "Question 0?", "chosen": "no", "rejected": "yes" });
    let file = write(folder.path(), "records.json", &Value::from(rows).to_string());
    let said = import(folder.path(), &file, &[]).well().json().pop().expect("a reply");
    assert_eq!((&said["added"], &said["refused"][0]["line"]), (&json!(5), &json!(1)), "{said}");
    assert_eq!(said["refused"][0]["row"], json!(4), "{said}");
    let (pairs, parquet) = exported(folder.path());
    let places: Vec<(&Value, &Value)> = pairs.iter().map(|pair| (&pair["import_line"], &pair["import_row"])).collect();
    assert_eq!(
        places,
        [1, 2, 3, 5, 6].map(|row| (json!(1), json!(row))).iter().map(|(l, r)| (l, r)).collect::<Vec<_>>()
    );
    let mut check = end_to_end::tiebreak();
    let said = Finished::run(check.arg("check").arg("--pairs").arg(&file)).well().stdout;
    assert!(said.contains("row 4 (line 1): "), "{said}");
    assert!(said.contains("row 1, with row 5 (line 1)"), "{said}");
    let mut check = told_as_json(folder.path(), "check");
    let said = Finished::run(check.arg("--pairs").arg(&file)).well().json().pop().expect("a reply");
    let found = said["checks"]["findings"].as_array().expect("findings");
    let opposed = found.iter().find(|finding| finding["code"] == "contradiction").expect("two contradict each other");
    assert_eq!((&opposed["lines"], &opposed["rows"]), (&json!([1, 1]), &json!([1, 5])), "{opposed}");
    // Of Parquet there are no lines to speak of.
    let mut dry = end_to_end::tiebreak();
    dry.arg("import").arg(&parquet).arg("--dry-run").arg("--project").arg(folder.path().join("other"));
    let said = Finished::run(&mut dry).well().stdout;
    assert!(said.contains("\nrow 1\n") && !said.contains("\nline"), "{said}");
}

#[test]
fn what_lies_beside_an_export_from_an_earlier_one_is_named() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let row = |prompt: &str, completion: &str, label: bool| json!({ "prompt": prompt, "completion": completion, "label": label });
    let rows = [row("Both?", "good", true), row("Both?", "bad", false), row("One?", "yes", true)];
    let file = write(folder.path(), "kto.jsonl", &lines(&rows));
    let _ = import(folder.path(), &file, &[]).well();
    let export = |project: &str| {
        let mut export = end_to_end::tiebreak();
        export.arg("export").arg("--project").arg(folder.path().join(project));
        let finished = Finished::run(export.arg("--replace").arg("--output-dir").arg(folder.path().join("out"))).well();
        finished.stdout + &finished.stderr
    };
    assert!(!export("project").contains("did not write"));
    let pairs =
        write(folder.path(), "pairs.jsonl", &lines(&[json!({ "prompt": "p", "chosen": "c", "rejected": "r" })]));
    let mut import = told_as_json(folder.path(), "import");
    let _ = Finished::run(import.arg(&pairs).arg("--project").arg(folder.path().join("second"))).well();
    let said = export("second");
    assert!(said.contains("did not write, probably of an earlier one: `single_labels.jsonl`; remove them"), "{said}");
}

#[test]
fn what_is_no_data_is_refused_by_what_it_is() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let png: Vec<u8> = b"\x89PNG\r\n\x1A\n".iter().copied().chain((0..=255).cycle().take(4_000)).collect();
    for (name, bytes, what) in [
        ("image.png", png.as_slice(), "is a PNG image"),
        ("empty.csv", b"".as_slice(), "it holds no rows"),
        (
            "header.csv",
            b"prompt,chosen,rejected\n".as_slice(),
            "it holds a header (`prompt`, `chosen`, `rejected`) and no rows",
        ),
    ] {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).expect("the temporary folder can be written");
        let _ = import(folder.path(), &path, &[]).refused(&[what]);
    }
    // What breaks off says so before its rows.
    let broken =
        write(folder.path(), "broken.json", r#"[{"prompt": "p", "chosen": "c", "rejected": "r"}, {"prompt": "q", "#);
    let said = import(folder.path(), &broken, &["--dry-run"]).well().json().pop().expect("a reply");
    let notices = said["notices"].to_string();
    assert!(notices.contains("What comes after row 2 (line 1) cannot be read"), "{said}");
}
