//! `score` and `train` against what TRL says of the same tiny models, and what a run leaves in its folder.

use end_to_end::{Finished, Settings, golden, golden_families, root, tiebreak};
use serde_json::Value;
use std::path::Path;

fn expected(family: &str) -> Value {
    let text = std::fs::read_to_string(golden(family).join("expected.json")).expect("the golden set is there");
    serde_json::from_str(&text).expect("expected.json is JSON")
}

fn numbers(list: &Value) -> Vec<f64> {
    list.as_array().expect("a list").iter().map(|it| it.as_f64().expect("a number")).collect()
}

fn close(got: &Value, want: f64, tolerance: f64, what: &str) {
    let got = got.as_f64().unwrap_or_else(|| panic!("{what} is {got}"));
    assert!((got - want).abs() <= tolerance * want.abs().max(1e-6), "{what}: {got}, by TRL {want}");
}

/// The first `count` pairs of the golden set as a file.
fn first_pairs(folder: &Path, count: usize) -> std::path::PathBuf {
    let text = std::fs::read_to_string(root().join("tests/golden/pairs.jsonl")).expect("the golden set is there");
    let path = folder.join("pairs.jsonl");
    let lines: Vec<&str> = text.lines().take(count).collect();
    std::fs::write(&path, lines.join("\n") + "\n").expect("the temporary folder can be written");
    path
}

fn events(run: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(run.join("events.jsonl")).expect("a run has events");
    text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))).collect()
}

#[test]
fn scores_are_those_of_trl() {
    for family in &golden_families() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let expected = expected(family);
        for (truncation, expected) in [("keep_start", &expected), ("keep_end", &expected["keep_end"])] {
            let mut command = tiebreak();
            command
                .arg("score")
                .arg("--model")
                .arg(golden(family))
                .arg("--adapter")
                .arg(golden(family).join("adapter"));
            command.arg("--pairs").arg(first_pairs(folder.path(), 4)).args(["--max-length", "112"]);
            command.args(["--truncation", truncation, "--device", "cpu", "--dtype", "f32", "--json"]);
            let lines = Finished::run(&mut command).well().json();
            let scores: Vec<&Value> = lines.iter().filter(|line| line["chosen_logps"].is_number()).collect();
            assert_eq!(scores.len(), 4, "{lines:?}");
            // TRL's lists hold the chosen answers of all rows, then the rejected ones.
            let (policy, reference) = (numbers(&expected["policy_logps"]), numbers(&expected["reference_logps"]));
            for (row, score) in scores.iter().enumerate() {
                let what = |key: &str| format!("{family}, {truncation}, row {row}, {key}");
                close(&score["chosen_logps"], policy[row], 1e-4, &what("chosen_logps"));
                close(&score["rejected_logps"], policy[4 + row], 1e-4, &what("rejected_logps"));
                close(&score["reference_chosen_logps"], reference[row], 1e-4, &what("reference_chosen_logps"));
                close(&score["reference_rejected_logps"], reference[4 + row], 1e-4, &what("reference_rejected_logps"));
            }
        }
    }
}

/// Line 1 fits into 112 tokens, of line 2 the prompt is too long beside whole answers, and of line 3 an answer alone is.
#[test]
fn answers_stay_whole_where_prompts_alone_are_cut_and_what_is_left_out_is_named() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let pairs = folder.path().join("pairs.jsonl");
    let row = |prompt: &str, chosen: &str| {
        serde_json::json!({ "prompt": prompt, "chosen": chosen, "rejected": "no" }).to_string() + "\n"
    };
    let long = "zq ".repeat(200);
    std::fs::write(&pairs, row("a b", "c") + &row(&long, "zq zq zq") + &row("a b", &long)).expect("it can be written");
    let command = |name: &str, truncation: &str| {
        let mut command = tiebreak();
        command.arg(name).arg("--model").arg(golden("llama")).arg("--pairs").arg(&pairs);
        command.args(["--max-length", "112", "--truncation", truncation, "--json"]);
        command
    };
    let scores = |truncation| {
        let lines = Finished::run(&mut command("score", truncation)).well().json();
        let tokens =
            |score: &Value| ["line", "prompt_tokens", "chosen_tokens"].map(|key| score[key].as_u64().expect("a count"));
        lines.iter().filter(|line| line["chosen_logps"].is_number()).map(tokens).collect::<Vec<_>>()
    };
    let whole = scores("keep_end");
    let (first, answer) = (whole[0], whole[1][2]);
    assert_eq!(scores("prompt_left"), [first, [2, 112 - answer, answer]]);
    assert_eq!(scores("drop"), [first]);
    let refused = Finished::run(&mut command("score", "refuse"));
    assert_eq!(refused.code, Some(1), "{}", refused.stderr);
    assert!(refused.stderr.contains("2 of 3 pairs have more tokens than max_length = 112"), "{}", refused.stderr);
    assert!(refused.stderr.contains("line 2 (prompt ") && refused.stderr.contains("line 3 (prompt "));

    let checked = |truncation| {
        let lines = Finished::run(&mut command("check", truncation)).well().json();
        lines.into_iter().find(|line| line["tokens"].is_object()).expect("a reply")
    };
    let left = checked("prompt_left");
    assert_eq!((&left["tokens"]["dropped"], &left["cuts"]["prompts"]), (&1.into(), &serde_json::json!([2])));
    assert_eq!(left["cuts"]["too_long"][0]["number"], 3);
    assert_eq!(left["cuts"]["chosen_only"], serde_json::json!([3]));
    let said = checked("refuse")["limits_say"].to_string();
    assert!(said.contains("training is refused") && said.contains("line 3"), "{said}");
}

#[test]
fn a_run_takes_the_steps_that_trl_takes() {
    for family in &golden_families() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let expected = expected(family);
        let mut settings = Settings::new(folder.path())
            .path("model", &golden(family))
            .path("init_adapter", &golden(family).join("adapter"))
            .set("shuffle", "false")
            .set("lora.lora_dropout", "0.0");
        // TRL's own settings, under the same names.
        for key in [
            "per_device_train_batch_size",
            "gradient_accumulation_steps",
            "learning_rate",
            "lr_scheduler_type",
            "warmup_steps",
            "beta",
            "max_length",
            "max_grad_norm",
            "weight_decay",
            "max_steps",
        ] {
            settings = settings.set(key, &expected["settings"][key].to_string());
        }
        let _ = Finished::run(&mut settings.train()).well();
        let events = events(&settings.output_dir());
        let steps: Vec<&Value> = events.iter().filter(|event| event["type"] == "step").collect();
        let wanted = expected["trajectory"].as_array().expect("a list");
        assert_eq!(steps.len(), wanted.len());
        for (step, want) in steps.iter().zip(wanted) {
            assert_eq!(step["step"], want["step"]);
            for key in ["loss", "grad_norm", "rewards/chosen", "rewards/rejected", "rewards/margins", "logps/chosen"] {
                let want = want[key].as_f64().expect("a number");
                // Rewards begin near 0, where a relative tolerance says nothing.
                close(&step[key], want, 1e-3 * (1.0 / want.abs()).max(1.0), &format!("{family}, {key} of {step}"));
            }
            close(&step["learning_rate"], want["learning_rate"].as_f64().expect("a number"), 1e-9, "learning_rate");
            assert_eq!(step["rewards/accuracies"], want["rewards/accuracies"]);
        }
    }
}

#[test]
fn a_run_is_a_folder_with_all_that_made_it() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let settings = Settings::new(folder.path());
    let _ = Finished::run(&mut settings.train()).well();
    let run = settings.output_dir();

    let config = std::fs::read_to_string(run.join("config.toml")).expect("config.toml");
    let config: toml::Table = toml::from_str(&config).expect("config.toml is TOML");
    // Defaults are filled in: the settings name neither.
    assert_eq!(config["beta"].as_float(), Some(0.1));
    assert_eq!(config["lr_scheduler_type"].as_str(), Some("linear"));

    let rows = std::fs::read_to_string(run.join("pairs.jsonl")).expect("pairs.jsonl");
    assert_eq!(rows.lines().count(), 40);

    let events = events(&run);
    assert!(events.iter().all(|event| event["type"].is_string()), "{events:?}");
    let steps: Vec<&Value> = events.iter().filter(|event| event["type"] == "step").collect();
    assert_eq!(
        steps.iter().map(|event| event["step"].as_u64()).collect::<Vec<_>>(),
        (1..=6).map(Some).collect::<Vec<_>>()
    );
    for key in [
        "loss",
        "grad_norm",
        "learning_rate",
        "rewards/chosen",
        "rewards/rejected",
        "rewards/margins",
        "rewards/accuracies",
        "logps/chosen",
        "logps/rejected",
        "tokens_per_second",
    ] {
        assert!(steps.iter().all(|step| step[key].is_number()), "{key} is missing in {}", steps[0]);
    }
    assert!(steps.iter().all(|step| step["peak_memory_bytes"].is_number() || !cfg!(target_os = "linux")));

    let adapter = std::fs::read_to_string(run.join("adapter/adapter_config.json")).expect("adapter_config.json");
    let adapter: Value = serde_json::from_str(&adapter).expect("adapter_config.json is JSON");
    assert_eq!((&adapter["peft_type"], &adapter["r"]), (&Value::from("LORA"), &Value::from(4)));
    assert!(run.join("adapter/adapter_model.safetensors").is_file());
    let names = names_below(&run);
    assert!(
        names.iter().all(|name| !name.starts_with('.') && !name.contains(".tmp")),
        "temporary files are left: {names:?}"
    );
}

fn names_below(folder: &Path) -> Vec<String> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder).expect("a folder can be listed") {
        let entry = entry.expect("a folder can be listed");
        names.push(entry.file_name().to_string_lossy().into_owned());
        if entry.path().is_dir() {
            names.extend(names_below(&entry.path()));
        }
    }
    names
}

#[test]
fn the_trained_adapter_scores_the_pairs_better() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let settings = Settings::new(folder.path())
        .set("max_steps", "20")
        .set("learning_rate", "5e-3")
        .set("lora.lora_dropout", "0.0");
    let _ = Finished::run(&mut settings.train()).well();
    let mut command = tiebreak();
    command
        .arg("score")
        .arg("--model")
        .arg(golden("llama"))
        .arg("--adapter")
        .arg(settings.output_dir().join("adapter"));
    command.arg("--pairs").arg(root().join("tests/golden/pairs.jsonl")).args(["--max-length", "96", "--json"]);
    let lines = Finished::run(&mut command).well().json();
    let margins: Vec<f64> = lines
        .iter()
        .filter(|line| line["chosen_logps"].is_number())
        .map(|line| {
            let logp = |key: &str| line[key].as_f64().expect("a number");
            (logp("chosen_logps") - logp("reference_chosen_logps"))
                - (logp("rejected_logps") - logp("reference_rejected_logps"))
        })
        .collect();
    let right = margins.iter().filter(|margin| **margin > 0.0).count();
    assert!(right * 10 >= margins.len() * 9, "{right} of {} pairs are ranked right", margins.len());
}

#[test]
fn settings_are_refused_by_key() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let settings = Settings::new(folder.path());
    for (key, value, words) in [
        ("learning_rat", "1e-4", ["learning_rat", "learning_rate"]),
        ("lora.rank", "4", ["lora.rank", "r"]),
        ("data.test", "\"x\"", ["data.test", "train"]),
        ("beta", "-1.0", ["beta", "above 0"]),
        ("beta", "\"high\"", ["beta", "high"]),
        ("loss_type", "[\"dpo\"]", ["loss_type", "dpo"]),
        ("max_steps", "0", ["max_steps", "1 or more"]),
        ("lora.target_modules", "[\"q_prj\"]", ["q_prj", "q_proj"]),
    ] {
        let _ = Finished::run(&mut settings.clone().set(key, value).train()).refused(&words);
    }
    let path = settings.path("model", Path::new("/nowhere/at/all")).write();
    let _ = Finished::of([Path::new("train"), Path::new("--config"), &path]).refused(&["/nowhere/at/all"]);
    let _ = Finished::of(["train", "--config", "/nowhere/RUN.toml"]).refused(&["/nowhere/RUN.toml"]);
}

#[test]
fn a_folder_with_a_run_is_not_written_over() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let settings = Settings::new(folder.path()).set("max_steps", "2");
    let _ = Finished::run(&mut settings.train()).well();
    let adapter = settings.output_dir().join("adapter/adapter_model.safetensors");
    let before = std::fs::read(&adapter).expect("an adapter");
    let _ = Finished::run(&mut settings.clone().set("seed", "8").train()).refused(&["resume_from_checkpoint"]);
    assert_eq!(std::fs::read(&adapter).expect("an adapter"), before);
}

/// A value of a nested table by its dotted key.
fn lookup<'a>(table: &'a toml::Table, key: &str) -> Option<&'a toml::Value> {
    match key.split_once('.') {
        Some((outer, inner)) => lookup(table.get(outer)?.as_table()?, inner),
        None => table.get(key),
    }
}

#[test]
fn the_readme_lists_every_key_with_its_default() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let pairs = first_pairs(folder.path(), 4);
    let path = folder.path().join("RUN.toml");
    let quoted = |path: &Path| Value::from(path.to_str().expect("test paths are UTF-8")).to_string();
    // What has no default, and no more. One optimiser step per epoch is few enough.
    let (model, run) = (quoted(&golden("llama")), quoted(&folder.path().join("run")));
    let text = format!("model = {model}\noutput_dir = {run}\n[data]\ntrain = {}\n", quoted(&pairs));
    std::fs::write(&path, text).expect("the temporary folder can be written");
    let mut command = tiebreak();
    command.env("TIEBREAK_CACHE", folder.path().join("cache")).arg("train").arg("--config").arg(&path);
    let _ = Finished::run(&mut command).well();
    let config = std::fs::read_to_string(folder.path().join("run/config.toml")).expect("config.toml");
    let config: toml::Table = toml::from_str(&config).expect("config.toml is TOML");

    let readme = std::fs::read_to_string(root().join("README.md")).expect("README.md");
    let rows: Vec<(&str, &str)> = readme
        .lines()
        .filter(|line| line.starts_with("| `"))
        .filter_map(|line| {
            let mut cells = line.split('|').map(str::trim).skip(1);
            Some((cells.next()?.trim_matches('`'), cells.next()?))
        })
        .collect();
    for (key, default) in &rows {
        let value = lookup(&config, key);
        match default.strip_prefix('`').and_then(|default| default.strip_suffix('`')) {
            // Written down is what was found.
            Some(auto) if ["device", "products"].contains(key) => {
                assert_eq!(auto, "\"auto\"");
                assert!(value.is_some_and(|found| found.as_str() != Some("auto")), "{value:?}");
            }
            Some(default) => {
                let default: toml::Table = toml::from_str(&format!("it = {default}")).expect("a default is TOML");
                assert_eq!(value, default.get("it"), "the default of {key}");
            }
            None if *default == "none" => assert_eq!(value, None, "{key} has a default"),
            None => assert!(value.is_some(), "{key} is no key"),
        }
    }
    for (key, value) in &config {
        let inner = value.as_table().map(|table| table.keys().map(|inner| format!("{key}.{inner}")).collect());
        for key in inner.unwrap_or_else(|| vec![key.clone()]) {
            assert!(rows.iter().any(|(row, _)| *row == key), "README.md does not list {key}");
        }
    }
}

#[test]
fn a_settings_file_of_this_folder_is_named_alone() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let settings = Settings::new(folder.path()).set("max_steps", "1").set("output_dir", "\"here\"");
    let _ = settings.write();
    let mut train = tiebreak();
    train.env("TIEBREAK_CACHE", folder.path().join("cache")).current_dir(folder.path());
    let _ = Finished::run(train.args(["train", "--config", "RUN.toml"])).well();
    assert!(folder.path().join("here/adapter/adapter_model.safetensors").is_file());
}
