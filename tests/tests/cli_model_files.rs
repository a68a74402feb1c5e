//! What a model's files hold beside what is computed is told, and what they could mean otherwise decides nothing in silence.

use end_to_end::{Finished, Settings, copy_files, golden, golden_pairs, told_as_json};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// A copy of a golden model, each of these files then changed.
#[allow(clippy::type_complexity)]
fn copied(folder: &Path, model: &str, change: &[(&str, &dyn Fn(&mut Value))]) -> PathBuf {
    let to = folder.join("model");
    copy_files(&golden(model), &to);
    for (name, change) in change {
        let path = to.join(name);
        let text = std::fs::read_to_string(&path).unwrap_or_else(|_| "{}".into());
        let mut value = serde_json::from_str(&text).expect("JSON");
        change(&mut value);
        std::fs::write(&path, value.to_string()).expect("the temporary folder can be written");
    }
    to
}

fn score(folder: &Path, model: &Path, pairs: &Path) -> Finished {
    let mut score = told_as_json(folder, "score");
    Finished::run(score.arg("--model").arg(model).arg("--pairs").arg(pairs).env("RUST_BACKTRACE", "1"))
}

fn numbers(scored: &Finished, key: &str) -> Vec<f64> {
    let lines = scored.json();
    lines.iter().filter(|line| line["type"] == "pair").map(|line| line[key].as_f64().expect("a number")).collect()
}

fn pairs(folder: &Path, prompt: &str) -> PathBuf {
    let path = folder.join("pairs.jsonl");
    let pair = json!({ "prompt": prompt, "chosen": "yes", "rejected": "no" });
    std::fs::write(&path, format!("{pair}\n")).expect("the temporary folder can be written");
    path
}

/// The golden Llama holds an output head of its own; here its configuration says that it does not.
#[test]
fn a_head_beside_a_tied_configuration_is_computed_with_and_told_everywhere() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let folder = folder.path();
    let tie = |config: &mut Value| config["tie_word_embeddings"] = true.into();
    let model = copied(folder, "llama", &[("config.json", &tie)]);
    let told = |finished: &Finished| {
        let times = finished.stderr.matches("lm_head.weight").count();
        assert_eq!(times, 1, "{}", finished.stderr);
    };
    let scored = score(folder, &model, &golden_pairs()).well();
    told(&scored);
    let plain = score(folder, &golden("llama"), &golden_pairs()).well();
    assert!(!plain.stderr.contains("lm_head.weight"), "{}", plain.stderr);
    assert_eq!(numbers(&scored, "chosen_logps"), numbers(&plain, "chosen_logps"));

    told(
        &Finished::run(told_as_json(folder, "check").arg("--pairs").arg(golden_pairs()).arg("--model").arg(&model))
            .well(),
    );
    let settings = Settings::new(folder).path("model", &model).set("max_steps", "2");
    told(&Finished::run(&mut settings.train()).well());
    let out = folder.join("out");
    let mut export = told_as_json(folder, "export");
    let export = export.arg("--run").arg(settings.output_dir()).arg("--merged").arg("--output-dir").arg(&out);
    told(&Finished::run(export).well());
    let config: Value =
        serde_json::from_slice(&std::fs::read(out.join("merged/config.json")).expect("a configuration")).expect("JSON");
    assert_eq!(config["tie_word_embeddings"], json!(false));
    let weights = std::fs::read(out.join("merged/model.safetensors")).expect("weights");
    let header = String::from_utf8_lossy(&weights[..20_000.min(weights.len())]).into_owned();
    assert!(header.contains("\"lm_head.weight\""), "the head is written");
}

/// The golden tokenizer without its last two tokens, and two others in their place that one older file names.
#[test]
fn tokens_that_only_an_older_file_names_are_tokens_here_and_in_a_gguf_file() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let folder = folder.path();
    let shorten = |tokenizer: &mut Value| {
        let vocabulary = tokenizer["model"]["vocab"].as_object_mut().expect("a vocabulary");
        let gone: Vec<String> =
            vocabulary.iter().filter(|(_, id)| id.as_u64() >= Some(561)).map(|(token, _)| token.clone()).collect();
        assert_eq!(gone.len(), 2);
        for token in &gone {
            vocabulary.remove(token);
        }
        let merges = tokenizer["model"]["merges"].as_array_mut().expect("merges");
        let made = |merge: &Value| match merge {
            Value::Array(parts) => parts.iter().filter_map(Value::as_str).collect::<String>(),
            other => other.as_str().unwrap_or_default().replace(' ', ""),
        };
        merges.retain(|merge| !gone.contains(&made(merge)));
    };
    let pairs = pairs(folder, "Well. <|think|>x<|/think|>");
    let prompt_tokens = |model: &Path| numbers(&score(folder, model, &pairs).well(), "prompt_tokens")[0];
    let cut = prompt_tokens(&copied(folder, "llama", &[("tokenizer.json", &shorten)]));
    let add = |added: &mut Value| *added = json!({ "<|/think|>": 562, "<|think|>": 561 });
    let model = copied(folder, "llama", &[("tokenizer.json", &shorten), ("added_tokens.json", &add)]);
    let whole = prompt_tokens(&model);
    assert!(whole + 6.0 < cut, "{whole} tokens, and {cut} in pieces");

    let settings = Settings::new(folder).path("model", &model).set("max_steps", "2");
    let _ = Finished::run(&mut settings.train()).well();
    let out = folder.join("out");
    let mut export = told_as_json(folder, "export");
    export.arg("--run").arg(settings.output_dir()).args(["--gguf", "f16", "--output-dir"]).arg(&out);
    let _ = Finished::run(&mut export).well();
    let file = std::fs::read(out.join("gguf/model-f16.gguf")).expect("a GGUF file");
    let holds = |text: &str| file.windows(text.len()).any(|window| window == text.as_bytes());
    assert!(holds("<|think|>") && holds("<|/think|>") && !holds("[PAD561]"));
}

#[test]
fn a_token_beyond_the_embedding_is_named_without_a_backtrace() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let folder = folder.path();
    let add = |config: &mut Value| config["additional_special_tokens"] = json!(["<|more|>"]);
    let model = copied(folder, "llama", &[("tokenizer_config.json", &add)]);
    let words = ["line 1 of", "\"<|more|>\" has the id 563", "563 rows", "Take the tokenizer's files"];
    let refused = score(folder, &model, &pairs(folder, "a <|more|>")).refused(&words);
    for said in [&refused.stderr, &refused.stdout] {
        assert!(!said.contains("candle") && !said.contains("   0:"), "{said}");
    }
    let fine = score(folder, &model, &pairs(folder, "a b")).well();
    assert!(fine.stderr.contains("more tokens than the model's embedding has rows (563)"), "{}", fine.stderr);
    let mut generate = told_as_json(folder, "generate");
    generate.arg("--model").arg(&model).args(["--prompt", "a", "--prompt", "<|more|>"]);
    let _ = Finished::run(&mut generate).refused(&["prompt 2", "\"<|more|>\""]);
}

/// A model that rotates sequences of more than 60 tokens by other frequencies.
#[test]
fn an_answer_depends_neither_on_the_limit_nor_on_the_prompts_beside() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let folder = folder.path();
    let border = |config: &mut Value| {
        config["original_max_position_embeddings"] = 60.into();
        config["rope_parameters"]["original_max_position_embeddings"] = 60.into();
    };
    let no_end = |config: &mut Value| config["eos_token_id"] = Value::Null;
    let model = copied(folder, "phi3_longrope", &[("config.json", &border), ("generation_config.json", &no_end)]);
    let long = "a long prompt that goes on and on ".repeat(8);
    let answer = |limit: &str, prompts: &[&str]| -> (String, String) {
        let mut generate = told_as_json(folder, "generate");
        generate.arg("--model").arg(&model).args(["--max-new-tokens", limit]);
        for prompt in prompts {
            generate.args(["--prompt", prompt]);
        }
        let done = Finished::run(&mut generate).well();
        let first = done.json().into_iter().find(|line| line["text"].is_string()).expect("an answer");
        (first["text"].as_str().unwrap_or_default().to_owned(), done.stderr)
    };
    let (short, said) = answer("6", &["Tell me"]);
    assert!(!said.contains("LongRoPE"), "{said}");
    assert_eq!(answer("6", &["Tell me", &long]).0, short, "beside a long prompt");
    let (longer, said) = answer("120", &["Tell me"]);
    assert!(longer.starts_with(short.trim_end_matches('\u{fffd}')), "{short:?} {longer:?}");
    assert!(said.contains("1 of 1 answers grew past 60 tokens"), "{said}");
    assert_eq!(answer("120", &["Tell me", &long]).0, longer, "past the border");
}
