//! What was computed on is checked before it is computed on again: base, adapter, rows; and what is used all the same
//! is kept in the record.

use end_to_end::{Finished, Settings, copy_files, golden, tiebreak};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// A finished run on a base of its own.
struct Scene {
    folder: TempDir,
}

impl Scene {
    fn new() -> Self {
        let scene = Self { folder: tempfile::tempdir().expect("a temporary folder") };
        copy_files(&golden("llama"), &scene.path("base"));
        std::fs::write(scene.path("prompts.jsonl"), "{\"prompt\": \"Say it.\"}\n{\"prompt\": \"Again.\"}\n")
            .expect("prompts");
        let _ = Finished::run(&mut scene.settings().train()).well();
        scene
    }

    fn settings(&self) -> Settings {
        Settings::new(self.folder.path()).path("model", &self.path("base"))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn run(&self, arguments: &[&str]) -> Finished {
        let mut command = tiebreak();
        command.env("TIEBREAK_CACHE", self.path("cache")).current_dir(self.folder.path()).args(arguments);
        Finished::run(&mut command)
    }

    /// Everything that computes with the run's adapter, each with a way to say that it is to be done all the same.
    fn uses() -> Vec<Vec<&'static str>> {
        let on_base = ["--model", "base", "--adapter", "run/adapter"];
        let with = |command: &'static str, more: &[&'static str]| [&[command], &on_base[..], more].concat();
        let eval = ["--prompts", "prompts.jsonl", "--judge", "shorter", "--max-new-tokens", "4", "--run", "run"];
        vec![
            with("score", &["--pairs", "run/pairs.jsonl"]),
            with("generate", &["--prompt", "Say it.", "--max-new-tokens", "4"]),
            with("eval", &[&eval[..], &["--output-dir", "eval"]].concat()),
            vec!["export", "--run", "run", "--output-dir", "out"],
            vec!["export", "--run", "run", "--merged", "--dtype", "f32", "--output-dir", "out"],
            vec!["export", "--run", "run", "--lora-gguf", "--output-dir", "out"],
        ]
    }
}

fn flip(path: &Path) {
    let mut bytes = std::fs::read(path).expect("a file");
    let last = bytes.len() - 3;
    bytes[last] ^= 1;
    std::fs::write(path, bytes).expect("the temporary folder can be written");
}

fn read(path: &Path) -> Value {
    let text = std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).expect("JSON")
}

#[test]
fn on_another_base_nothing_is_computed_unless_that_is_asked_for_and_then_the_record_says_so() {
    let scene = Scene::new();
    flip(&scene.path("base/model.safetensors"));
    for command in Scene::uses() {
        let _ =
            scene.run(&command).refused(&["model.safetensors has SHA-256 ", "was expected", "--allow-changed-base"]);
        assert!(!scene.path("out/merged").exists() && !scene.path("out/lora-gguf").exists(), "{command:?}");
    }
    for command in Scene::uses() {
        let done = scene.run(&[&command[..], &["--allow-changed-base"]].concat()).well();
        let said = format!("{}{}", done.stdout, done.stderr);
        assert!(said.contains("computed on another base than the one that the adapter"), "{command:?}: {said}");
        assert!(!said.contains("differ from the run's model"), "{said}");
    }
    for record in
        ["eval/evaluation.json", "out/adapter/origin.json", "out/merged/origin.json", "out/lora-gguf/origin.json"]
    {
        let record = read(&scene.path(record));
        let other =
            if record["ancestry"].is_object() { &record["ancestry"]["other_base"] } else { &record["other_base"] };
        assert!(other.as_str().is_some_and(|words| words.contains("computed on another base")), "{record}");
    }
    let _ = scene.run(&["report", "--run", "run", "--eval", "eval", "--output-dir", "report"]).well();
    let report = std::fs::read_to_string(scene.path("report/report.html")).expect("a report");
    assert_eq!(
        report.matches("computed on another base than the one that the adapter").count(),
        2,
        "result and ancestry"
    );
    // With the base as it was, the evaluation that was made on the other one is not resumed.
    flip(&scene.path("base/model.safetensors"));
    let _ =
        scene.run(&Scene::uses()[2]).refused(&["holds another evaluation", "the model (SHA-256 ", " then, SHA-256 "]);
}

#[test]
fn a_tokenizer_or_chat_template_that_changed_is_named() {
    let scene = Scene::new();
    for name in ["chat_template.jinja", "tokenizer_config.json", "tokenizer.json", "generation_config.json"] {
        let path = scene.path("base").join(name);
        let was = std::fs::read(&path).expect("the golden model has this file");
        std::fs::write(&path, [&was[..], b"\n"].concat()).expect("the temporary folder can be written");
        for command in Scene::uses() {
            let refused = scene.run(&command).refused(&[&format!("{name} has SHA-256 ")]);
            assert!(!refused.stderr.contains("model.safetensors"), "{}", refused.stderr);
        }
        std::fs::write(&path, was).expect("the temporary folder can be written");
    }
    for command in Scene::uses() {
        let _ = scene.run(&command).well();
    }
}

#[test]
fn an_evaluation_that_was_broken_off_is_not_gone_on_with_on_something_else() {
    let scene = Scene::new();
    let command = &Scene::uses()[2];
    let _ = scene.run(command).well();
    // An evaluation of an earlier version, which noted less, is.
    let setup = scene.path("eval/setup.json");
    let whole = read(&setup);
    let mut earlier = whole.clone();
    for key in ["model_files", "adapter_files"] {
        earlier["ancestry"].as_object_mut().expect("an object").remove(key).expect("it is noted");
    }
    std::fs::write(&setup, earlier.to_string()).expect("the temporary folder can be written");
    let _ = scene.run(command).well();
    assert_eq!(read(&setup), whole, "what was not noted is noted now");
    // The choice to use another template is one for the whole evaluation.
    std::fs::write(scene.path("base/added_tokens.json"), "{}").expect("the temporary folder can be written");
    let _ =
        scene.run(&[&command[..], &["--allow-changed-base"]].concat()).refused(&["added_tokens.json (not there then"]);
    std::fs::remove_file(scene.path("base/added_tokens.json")).expect("it is there");
    let _ = scene.run(&[&command[..], &["--dtype", "bf16"]].concat()).refused(&["dtype or products"]);
    std::fs::write(scene.path("prompts.jsonl"), "{\"prompt\": \"Say it.\"}\n")
        .expect("the temporary folder can be written");
    let _ = scene.run(command).refused(&["the prompts file (SHA-256 "]);
}

#[test]
fn rows_and_adapters_that_changed_are_refused_where_they_are_used() {
    let scene = Scene::new();
    let pairs = scene.path("run/pairs.jsonl");
    let whole = std::fs::read_to_string(&pairs).expect("a run has its pairs");
    let rows = whole.lines().count();
    std::fs::write(&pairs, whole.lines().take(3).flat_map(|line| [line, "\n"]).collect::<String>()).expect("a file");
    for place in [2, 4, 5] {
        let expected = format!("where {rows} rows and ");
        let _ = scene.run(&Scene::uses()[place]).refused(&["pairs.jsonl", "it has 3 rows and SHA-256", &expected]);
    }
    std::fs::write(&pairs, whole).expect("a file");

    flip(&scene.path("run/adapter/adapter_model.safetensors"));
    for command in Scene::uses() {
        let _ = scene.run(&command).refused(&["adapter_model.safetensors", "it has SHA-256 ", ", and had "]);
    }
    // Another program's adapter, or one that is to be used as it is, says nothing of what it was.
    copy_files(&scene.path("run/adapter"), &scene.path("edited"));
    std::fs::remove_file(scene.path("edited/origin.json")).expect("it is there");
    let edited = ["--model", "base", "--adapter", "edited", "--prompt", "Say it.", "--max-new-tokens", "4"];
    let _ = scene.run(&[&["generate"], &edited[..]].concat()).well();
}

#[test]
fn a_run_is_not_said_to_have_made_another_s_adapter_nor_reported_with_its_evaluation() {
    let scene = Scene::new();
    let other = scene.settings().path("output_dir", &scene.path("other")).set("seed", "8");
    let _ = Finished::run(&mut other.train()).well();
    let of_other = |command: &[&'static str]| -> Vec<&'static str> {
        command.iter().map(|word| if *word == "run/adapter" { "other/adapter" } else { *word }).collect()
    };
    let _ = scene.run(&of_other(&Scene::uses()[2])).refused(&["other/adapter is not one of the run in run"]);
    let _ = scene.run(&Scene::uses()[2]).well();
    let _ = scene.run(&["report", "--run", "run", "--eval", "eval", "--output-dir", "report"]).well();
    let _ = scene
        .run(&["report", "--run", "other", "--eval", "eval", "--output-dir", "report"])
        .refused(&["is not of the adapter that the run in other has"]);
}

#[test]
fn a_run_goes_on_on_another_base_by_choice_and_its_warnings_and_adapter_say_so() {
    let scene = Scene::new();
    let settings =
        scene.settings().path("output_dir", &scene.path("long")).set("max_steps", "8").set("save_steps", "4");
    let _ = Finished::run(&mut settings.train()).well();
    // As if it had been killed before its last steps.
    std::fs::remove_dir_all(scene.path("long/adapter")).expect("it is there");
    std::fs::remove_dir_all(scene.path("long/checkpoints/step-8")).expect("it is there");
    flip(&scene.path("base/model.safetensors"));
    let resumed = settings.set("resume_from_checkpoint", "true");
    let _ = Finished::run(&mut resumed.train()).refused(&["model.safetensors has SHA-256", "the run in "]);
    let mut command = resumed.train();
    let done = Finished::run(command.arg("--allow-changed-base")).well();
    assert!(done.stderr.contains("warning: computed on another base from step 5 on, as asked"), "{}", done.stderr);
    let origin = read(&scene.path("long/adapter/origin.json"));
    assert_eq!(origin["bases_before"].as_array().map(Vec::len), Some(1), "{origin}");
    let eval =
        ["--prompts", "prompts.jsonl", "--judge", "shorter", "--max-new-tokens", "4", "--output-dir", "eval-long"];
    let on = ["eval", "--json", "--model", "base", "--adapter", "long/adapter"];
    let evaluated = scene.run(&[&on[..], &eval[..]].concat()).well();
    let reply = evaluated.json().pop().expect("a reply");
    assert!(reply["other_base"].as_str().is_some_and(|words| words.contains("its run began on a model of")), "{reply}");
    let _ = scene.run(&["report", "--run", "long", "--output-dir", "report"]).well();
    let report = std::fs::read_to_string(scene.path("report/report.html")).expect("a report");
    assert!(report.contains("computed on another base from step 5 on"));
}

#[test]
fn an_export_reads_the_base_whole_and_other_commands_at_once() {
    let scene = Scene::new();
    let base = scene.path("base/model.safetensors");
    // What was read of a file that was written a moment ago is not kept.
    std::thread::sleep(std::time::Duration::from_millis(3200));
    let _ = scene.run(&Scene::uses()[0]).well();
    let kept = scene.path("cache/reference/model_digests.json");
    let mut digests = read(&kept);
    let entry = &mut digests[base.parent().expect("a folder").to_str().expect("UTF-8")]["digests"];
    assert_eq!(entry["each"]["model.safetensors"].as_str().map(str::len), Some(64), "{entry}");
    // As if the system had said of a changed file that it is as it was.
    entry["all"] = json!("0".repeat(64));
    std::fs::write(&kept, digests.to_string()).expect("the temporary folder can be written");
    let _ = scene.run(&Scene::uses()[0]).refused(&["where"]);
    let _ = scene.run(&Scene::uses()[4]).well();
    // Reading it whole has put the record right.
    let _ = scene.run(&Scene::uses()[0]).well();
}
