//! What the frozen weights are kept as: `--dtype`, and `dtype` in the settings.

use end_to_end::{Finished, Settings, golden, golden_pairs, told_as_json};
use serde_json::Value;
use std::path::{Path, PathBuf};

/// A model most of whose rows are whole blocks of 32; those of `down_proj` are not.
fn model() -> PathBuf {
    golden("phi3_longrope")
}

fn scores(folder: &Path, model: &Path, more: &[&str]) -> Vec<f64> {
    let mut score = told_as_json(folder, "score");
    score.arg("--model").arg(model).arg("--pairs").arg(golden_pairs()).args(more);
    let lines = Finished::run(&mut score).well().json();
    lines.iter().filter_map(|line| line["chosen_logps"].as_f64()).collect()
}

fn generate(folder: &Path, model: &Path, dtype: &str) -> Finished {
    let mut generate = told_as_json(folder, "generate");
    generate.arg("--model").arg(model).args(["--prompt", "What is a tide?", "--max-new-tokens", "8", "--dtype", dtype]);
    Finished::run(&mut generate)
}

#[test]
fn weights_are_kept_as_they_are_asked_to_be() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let answers = generate(folder.path(), &model(), "q8").well().json();
    assert!(answers.iter().any(|line| line["text"].is_string()), "{answers:?}");

    let whole = scores(folder.path(), &model(), &[]);
    assert_eq!(whole.len(), 40);
    assert_eq!(scores(folder.path(), &model(), &["--dtype", "f32"]), whole);
    let apart = |dtype: &str| {
        let found = scores(folder.path(), &model(), &["--dtype", dtype]);
        let differences = found.iter().zip(&whole).map(|(a, b)| ((a - b) / b).abs());
        differences.sum::<f64>() / whole.len() as f64
    };
    let (q8, q4) = (apart("q8"), apart("q4"));
    assert!(q8 > 1e-7 && q8 < 0.01 && q4 > 3.0 * q8 && q4 < 0.2, "q8 is off by {q8} of a log-probability, q4 by {q4}");
}

#[test]
fn a_run_keeps_them_as_its_settings_say() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let settings = Settings::new(folder.path()).path("model", &model()).set("dtype", "\"q8\"").set("max_steps", "3");
    let _ = Finished::run(&mut settings.train()).well();
    let events = std::fs::read_to_string(settings.output_dir().join("events.jsonl")).expect("a run has events");
    assert!(events.contains("dtype is \\\"q8\\\", but 3 matrices are kept"), "{events}");
    // Before the first step the policy is the reference, by the same weights.
    let first = events.lines().find(|line| line.contains("\"type\":\"step\"")).expect("a step");
    let first: Value = serde_json::from_str(first).expect("JSON");
    let loss = first["loss"].as_f64().expect("a loss");
    assert!((loss - 2f64.ln()).abs() < 1e-6, "{first}");

    let settings = settings.set("dtype", "\"q5\"").set("output_dir", "\"other\"");
    let _ = Finished::run(&mut settings.train()).refused(&["q5", "auto, f32, bf16, f16, q8, q4"]);
}

#[test]
fn an_unknown_name_is_wrong_usage_and_the_choices_are_told() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for dtype in ["q5", "Q8", "int8", ""] {
        let finished = generate(folder.path(), &model(), dtype);
        assert_eq!(finished.code, Some(2), "{finished:?}");
        for words in ["--dtype", "auto, f32, bf16, f16, q8, q4"] {
            assert!(finished.stderr.contains(words), "`{words}` is not in: {}", finished.stderr);
        }
    }
}

#[test]
fn blocks_are_not_rounded_a_second_time() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let settings = Settings::new(folder.path()).path("model", &model()).set("max_steps", "2");
    let _ = Finished::run(&mut settings.train()).well();
    let mut export = told_as_json(folder.path(), "export");
    export.arg("--run").arg(settings.output_dir()).args(["--gguf", "q8_0", "--output-dir"]).arg(folder.path());
    let _ = Finished::run(&mut export).well();
    let file = folder.path().join("gguf/model-q8_0.gguf");
    let _ = generate(folder.path(), &file, "auto").well();
    for dtype in ["q4", "q8"] {
        let _ = generate(folder.path(), &file, dtype).refused(&["Q8_0", "dtype = \"auto\""]);
    }
    let settings =
        settings.path("model", &file).set("dtype", "\"q4\"").path("output_dir", &folder.path().join("other"));
    let _ = Finished::run(&mut settings.train()).refused(&["Q8_0", "dtype = \"auto\""]);
}
