//! Runs, evaluations and exports of a project on the command line: what they take, names, notes, the archive and the bin.

use end_to_end::{Finished, Settings, golden, golden_pairs, tiebreak, told_as_json};
use serde_json::{Value, json};
use std::path::Path;

fn said(folder: &Path, arguments: &[&str]) -> Finished {
    let mut items = told_as_json(folder, "items");
    Finished::run(items.args(arguments).arg("--project").arg(folder.join("project")))
}

fn reply(folder: &Path, arguments: &[&str]) -> Value {
    said(folder, arguments).well().json().pop().expect("a reply")
}

fn item<'a>(view: &'a Value, name: &str) -> &'a Value {
    let items = view["items"].as_array().expect("items");
    items.iter().find(|item| item["item"] == name).unwrap_or_else(|| panic!("no {name} in {view}"))
}

/// A project with a finished run, an evaluation of it, and an export.
fn lived(folder: &Path) {
    let project = folder.join("project");
    let _ = Finished::run(told_as_json(folder, "import").arg(golden_pairs()).arg("--project").arg(&project)).well();
    let run = project.join("runs/first");
    let settings = Settings::new(folder).path("output_dir", &run).set("save_total_limit", "0");
    let _ = Finished::run(&mut settings.train()).well();
    std::fs::write(folder.join("prompts.jsonl"), "{\"prompt\": \"Say it\"}\n").expect("a file");
    let mut eval = told_as_json(folder, "eval");
    eval.arg("--model").arg(golden("llama")).arg("--adapter").arg(run.join("adapter")).arg("--run").arg(&run);
    eval.arg("--prompts").arg(folder.join("prompts.jsonl")).args(["--map", "plain_text=as_is", "--judge", "shorter"]);
    let _ = Finished::run(eval.args(["--max-new-tokens", "4", "--output-dir"]).arg(project.join("evals/once"))).well();
    let mut export = told_as_json(folder, "export");
    let _ =
        Finished::run(export.arg("--run").arg(&run).arg("--output-dir").arg(project.join("exports/adapter"))).well();
}

#[test]
fn items_are_listed_named_noted_archived_deleted_put_back_and_removed() {
    let place = tempfile::tempdir().expect("a temporary folder");
    let folder = place.path();
    lived(folder);
    let project = folder.join("project");

    let view = reply(folder, &["list"]);
    let sizes: Vec<u64> =
        view["items"].as_array().into_iter().flatten().filter_map(|item| item["bytes"].as_u64()).collect();
    assert!(sizes.len() == 3 && sizes.is_sorted_by(|a, b| a >= b), "{view}");
    let known = view["data"].as_u64().into_iter().chain(view["bin"].as_u64()).chain(view["other"].as_u64());
    assert_eq!(view["bytes"].as_u64(), Some(known.chain(sizes).sum()), "the parts are all there is");
    assert_eq!(item(&view, "first")["checkpoints"], 3);

    // What is not said stays.
    let named = reply(folder, &["describe", "run:first", "--name", "Baseline", "--tags", "good, old,good"]);
    assert_eq!(
        (&named["name"], &named["tags"], &named["note"]),
        (&json!("Baseline"), &json!(["good", "old"]), &json!(""))
    );
    let noted = reply(folder, &["describe", "run:first", "--note", "Before the guideline"]);
    assert_eq!((&noted["name"], &noted["tags"]), (&json!("Baseline"), &json!(["good", "old"])));
    assert_eq!(noted["note"], "Before the guideline");
    let _ = said(folder, &["describe", "run:first", "--name", " "]).refused(&["the run has no name"]);
    let _ = said(folder, &["describe", "run:second", "--note", "x"]).refused(&["there is no run \"second\""]);
    assert_eq!(reply(folder, &["archive", "run:first"])["archived"], true);
    assert_eq!(item(&reply(folder, &["list"]), "first")["archived"], true);
    assert_eq!(reply(folder, &["archive", "run:first", "--undo"])["archived"], false);

    // Deleting says what hangs on it first.
    let depends = reply(folder, &["delete", "run:first", "--dry-run"]);
    assert!(
        depends["sentences"][0].as_str().is_some_and(|said| said.starts_with("One evaluation is of it")),
        "{depends}"
    );
    assert!(project.join("runs/first").is_dir());
    let before = std::fs::read(project.join("runs/first/events.jsonl")).expect("events");
    let entry = reply(folder, &["delete", "run:first"])["entry"].as_str().expect("an entry").to_owned();
    assert!(!project.join("runs/first").exists());
    let bin = reply(folder, &["bin"]);
    assert_eq!((&bin["entries"][0]["name"], &bin["entries"][0]["kind"]), (&json!("Baseline"), &json!("run")));
    let _ = reply(folder, &["put-back", &entry]);
    assert_eq!(std::fs::read(project.join("runs/first/events.jsonl")).expect("events"), before);
    let _ = said(folder, &["put-back", &entry]).refused(&["this is not in the bin"]);

    let checkpoints = reply(folder, &["remove-checkpoints", "first"]);
    assert_eq!(checkpoints["kind"], "checkpoints");
    let _ = reply(folder, &["delete", "evaluation:once"]);
    let _ = reply(folder, &["delete", "export:adapter"]);
    let freed = reply(folder, &["empty-bin", "--all"]);
    assert_eq!(freed["entries"], 3);
    assert_eq!(reply(folder, &["bin"])["entries"], json!([]));
    assert!(project.join("runs/first/adapter/adapter_model.safetensors").is_file(), "the run itself stays");
    assert_eq!(reply(folder, &["list"])["items"].as_array().map(Vec::len), Some(1));

    let wrong = Finished::of(["items", "delete", "first", "--project", "x"]);
    assert!(wrong.code == Some(2) && wrong.stderr.contains("write run:NAME"), "{}", wrong.stderr);
    let words = Finished::run(tiebreak().args(["items", "list", "--project"]).arg(&project)).well().stdout;
    assert!(words.contains("run:first (Baseline)") && words.contains("Before the guideline"), "{words}");
}
