//! Merged weights: a run's model as a folder of its own, which does what base and adapter do together.

use end_to_end::{Finished, Settings, golden, golden_families, golden_pairs, told_as_json};
use serde_json::Value;
use std::path::{Path, PathBuf};

/// A run whose adapter does something.
fn trained(folder: &Path, model: &str) -> PathBuf {
    let settings = Settings::new(folder).path("model", &golden(model)).path("data.eval", &golden_pairs());
    let settings = settings.set("max_steps", "4").set("learning_rate", "1e-2").set("lora.r", "3");
    let _ = Finished::run(&mut settings.train()).well();
    settings.output_dir()
}

fn export(folder: &Path, run: &Path, to: &Path, more: &[&str]) -> Finished {
    let mut export = told_as_json(folder, "export");
    Finished::run(export.arg("--run").arg(run).arg("--merged").arg("--output-dir").arg(to).args(more))
}

fn last(finished: &Finished) -> Value {
    finished.json().pop().expect("the reply is the last line")
}

/// Log-probabilities of the chosen and the rejected answer of each golden pair, and of the reference.
fn scores(folder: &Path, model: &[&Path]) -> Vec<[f64; 3]> {
    let mut score = told_as_json(folder, "score");
    score.arg("--model").arg(model[0]).arg("--pairs").arg(golden_pairs());
    if let Some(adapter) = model.get(1) {
        score.arg("--adapter").arg(adapter);
    }
    let lines = Finished::run(&mut score).well().json();
    let scored = lines.iter().filter(|line| line["type"] == "pair");
    let number = |line: &Value, key: &str| line[key].as_f64().unwrap_or_else(|| panic!("no {key} in {line}"));
    let keys = ["chosen_logps", "rejected_logps", "reference_chosen_logps"];
    scored.map(|line| keys.map(|key| number(line, key))).collect()
}

fn answers(folder: &Path, model: &[&Path]) -> Vec<(Value, Value)> {
    let mut generate = told_as_json(folder, "generate");
    generate.arg("--model").arg(model[0]).args(["--max-new-tokens", "24"]);
    if let Some(adapter) = model.get(1) {
        generate.arg("--adapter").arg(adapter);
    }
    for prompt in ["Why does bread go stale?", "What is a tide?", "naïve 🦀"] {
        generate.args(["--prompt", prompt]);
    }
    let lines = Finished::run(&mut generate).well().json();
    lines.iter().filter(|line| line["text"].is_string()).map(|a| (a["text"].clone(), a["tokens"].clone())).collect()
}

#[test]
fn a_merged_folder_is_the_runs_model() {
    for model in &golden_families() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let run = trained(folder.path(), model);
        let reply = last(&export(folder.path(), &run, &folder.path().join("out"), &["--dtype", "f32"]).well());
        assert_eq!((&reply["type"], &reply["what"]), (&Value::from("export"), &Value::from("merged")), "{reply}");
        let merged = PathBuf::from(reply["path"].as_str().expect("a path"));
        assert!(reply["load"].as_str().is_some_and(|load| load.contains("from_pretrained")), "{reply}");
        let check = &reply["check"];
        assert_eq!((&check["pairs"], &check["held_out"], &check["dtype"]), (&4.into(), &true.into(), &"f32".into()));
        let of = |key: &str| check[key].as_f64().unwrap_or_else(|| panic!("no {key} in {check}"));
        assert!(of("largest_difference_per_token") < 1e-4, "{check}");
        assert!(of("adapter_difference_per_token") > 0.05, "the adapter does nothing: {check}");
        assert!(check["words"].as_str().is_some_and(|words| words.contains("4 held-out pairs")), "{check}");

        let (base, adapter) = (golden(model), run.join("adapter"));
        let (live, found) = (scores(folder.path(), &[&base, &adapter]), scores(folder.path(), &[&merged]));
        assert_eq!(live.len(), 40);
        for (live, found) in live.iter().zip(&found) {
            assert!((live[0] - found[0]).abs() < 1e-3 && (live[1] - found[1]).abs() < 1e-3, "{live:?} {found:?}");
        }
        let moved = live.iter().map(|live| (live[0] - live[2]).abs()).fold(0.0, f64::max);
        assert!(moved > 0.1, "{model}: the adapter does nothing: {moved}");
        assert_eq!(answers(folder.path(), &[&merged]), answers(folder.path(), &[&base, &adapter]));
    }
}

#[test]
fn half_types_are_half_as_large_and_the_bases_own_type_is_the_default() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let run = trained(folder.path(), "llama");
    let written = |more: &[&str], name: &str| {
        let to = folder.path().join(name);
        let reply = last(&export(folder.path(), &run, &to, more).well());
        let config = std::fs::read_to_string(to.join("merged/config.json")).expect("a configuration");
        let config: Value = serde_json::from_str(&config).expect("JSON");
        let bytes = to.join("merged/model.safetensors").metadata().expect("weights").len();
        (config["dtype"].clone(), bytes, reply["check"]["words"].to_string())
    };
    let (dtype, whole, words) = written(&[], "default");
    assert_eq!(dtype, "float32");
    assert!(!words.contains("rounding"), "{words}");
    for (name, said) in [("bf16", "bfloat16"), ("f16", "float16")] {
        let (dtype, half, words) = written(&["--dtype", name], name);
        assert_eq!(dtype, said);
        assert!(half < whole * 6 / 10, "{half} of {whole} bytes");
        assert!(words.contains(&format!("the rounding to {name}")), "{words}");
    }
}

#[test]
fn gguf_files_are_the_runs_model() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let run = trained(folder.path(), "llama");
    let handed_out = |arguments: &[&str], name: &str| {
        let mut export = told_as_json(folder.path(), "export");
        export.arg("--run").arg(&run).arg("--output-dir").arg(folder.path().join(name)).args(arguments);
        last(&Finished::run(&mut export).well())
    };
    let reply = handed_out(&["--gguf", "f16"], "f16");
    assert_eq!((&reply["what"], &reply["check"]["dtype"]), (&"gguf".into(), &"f16".into()), "{reply}");
    let path = PathBuf::from(reply["path"].as_str().expect("a path"));
    assert!(path.join("Modelfile").is_file());
    let (base, adapter) = (golden("llama"), run.join("adapter"));
    let live = scores(folder.path(), &[&base, &adapter]);
    let found = scores(folder.path(), &[&path.join("model-f16.gguf")]);
    for (live, found) in live.iter().zip(&found) {
        // Rounding to 11 bits, over an answer.
        assert!((live[0] - found[0]).abs() < 0.1 && (live[1] - found[1]).abs() < 0.1, "{live:?} {found:?}");
        assert!((live[0] - live[2]).abs() > 1e-2, "the adapter does nothing: {live:?}");
    }
    let reply = handed_out(&["--lora-gguf"], "lora");
    assert_eq!(reply["what"], "lora-gguf");
    let difference = reply["check"]["largest_difference_per_token"].as_f64().expect("a difference");
    assert!(difference < 1e-4, "{reply}");
    for arguments in [&["--gguf", "q3_k"][..], &["--gguf", "f16", "--merged"], &["--lora-gguf", "--gguf", "f16"]] {
        let mut export = told_as_json(folder.path(), "export");
        export.arg("--run").arg(&run).args(["--output-dir", "no"]).args(arguments);
        assert_eq!(Finished::run(&mut export).code, Some(2), "{arguments:?}");
    }
}

#[test]
fn what_cannot_be_merged_is_refused_and_leaves_nothing() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let run = trained(folder.path(), "llama");
    let to = folder.path().join("out");
    let _ = export(folder.path(), &run, &to, &[]).well();
    let _ = export(folder.path(), &run, &to, &[]).refused(&["merged", "is there already"]);
    let names = std::fs::read_dir(&to).expect("the folder").map(|entry| entry.expect("an entry").file_name());
    assert_eq!(names.collect::<Vec<_>>(), ["merged"]);

    std::fs::remove_dir_all(run.join("adapter")).expect("the adapter can be removed");
    let elsewhere = folder.path().join("elsewhere");
    let _ = export(folder.path(), &run, &elsewhere, &[]).refused(&["has no adapter"]);
    assert!(!elsewhere.join("merged").exists() && !elsewhere.join("merged.partial").exists());

    // Neither of these says what is to be merged.
    for arguments in
        [&["--merged"][..], &["--dtype", "bf16", "--run", "run"], &["--run", "run", "--merged", "--dtype", "f64"]]
    {
        let mut export = told_as_json(folder.path(), "export");
        assert_eq!(Finished::run(export.args(arguments).args(["--output-dir", "out"])).code, Some(2), "{arguments:?}");
    }
}
