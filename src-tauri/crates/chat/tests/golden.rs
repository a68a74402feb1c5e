//! Token ids against those of TRL 1.16, exactly.
#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};

use chat::{Boundary, EncodedPair, Limited, Limits, Tokenizer, Truncation, encode_pair, encode_prompt, limit};
use prefs::Pair;
use serde_json::Value;

fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../tests/golden")
}

/// The folder with data that is not part of this repository, or a word that it was not there.
fn shared(test: &str) -> Option<PathBuf> {
    let folder = std::env::var_os("TIEBREAK_SHARED").map(PathBuf::from);
    if folder.is_none() {
        eprintln!("left out: {test}: TIEBREAK_SHARED names no folder with its data");
    }
    folder
}

/// The demo model, or a word that it was not there.
fn demo_model(test: &str) -> Option<PathBuf> {
    let named = std::env::var_os("TIEBREAK_DEMO_MODEL").map(PathBuf::from).filter(|path| path.is_file());
    if named.is_none() {
        eprintln!("left out: {test}: TIEBREAK_DEMO_MODEL names no GGUF file");
    }
    named
}

fn pairs(path: &Path) -> Vec<Pair> {
    let reading = prefs::jsonl::read_pairs(path).unwrap();
    assert!(reading.refused.is_empty());
    reading.into_pairs()
}

fn json(path: &Path) -> Value {
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn json_lines(path: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(path).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn ids(value: &Value) -> Vec<u32> {
    value.as_array().unwrap().iter().map(|id| u32::try_from(id.as_u64().unwrap()).unwrap()).collect()
}

fn assert_ids(ours: &EncodedPair, theirs: &Value) {
    assert_eq!(ours.prompt, ids(&theirs["prompt_ids"]));
    assert_eq!(ours.chosen, ids(&theirs["chosen_ids"]));
    assert_eq!(ours.rejected, ids(&theirs["rejected_ids"]));
}

#[test]
fn conversations_have_trls_ids() {
    let pairs = pairs(&golden().join("pairs.jsonl"));
    let expected = json_lines(&golden().join("tokens.jsonl"));
    assert_eq!(pairs.len(), expected.len());
    // The families share one tokenizer.
    for family in ["llama", "gemma3"] {
        let folder = golden().join(family);
        let max_length = json(&folder.join("expected.json"))["settings"]["max_length"].as_u64().unwrap();
        let limits = Limits {
            max_length: Some(usize::try_from(max_length).unwrap()),
            max_prompt_length: None,
            truncation: Truncation::KeepStart,
        };
        let tokenizer = Tokenizer::open(&folder).unwrap();
        assert_eq!(tokenizer.stop_ids(), [2]);
        for (pair, expected) in pairs.iter().zip(&expected) {
            let encoded = encode_pair(&tokenizer, pair).unwrap();
            assert_ids(&encoded, expected);
            assert_eq!(encoded.boundary, Boundary::Clean);
            assert_eq!(encode_prompt(&tokenizer, &pair.prompt).unwrap(), encoded.prompt);
            let kept = matches!(limit(&encoded, &limits), Limited::Kept(_));
            assert_eq!(kept, expected["kept"].as_bool().unwrap());
        }
    }
}

#[test]
fn texts_have_trls_ids_and_say_where_the_boundary_breaks() {
    let tokenizer = Tokenizer::open(&golden().join("llama")).unwrap();
    let pairs = pairs(&golden().join("text_pairs.jsonl"));
    let expected = json_lines(&golden().join("text_tokens.jsonl"));
    assert_eq!(pairs.len(), expected.len());
    let mut broken = 0;
    for (pair, expected) in pairs.iter().zip(&expected) {
        let encoded = encode_pair(&tokenizer, pair).unwrap();
        assert_ids(&encoded, expected);
        let prompt = encode_prompt(&tokenizer, &pair.prompt).unwrap();
        match encoded.boundary {
            Boundary::Clean => assert_eq!(prompt, encoded.prompt),
            Boundary::Broken { dropped_text } => {
                broken += 1;
                assert_eq!(dropped_text, tokenizer.decode(&prompt[encoded.prompt.len()..], false).unwrap());
            }
        }
    }
    assert!(broken > 0, "the set holds prompts that merge with the answer");
}

#[test]
fn every_family_of_the_shared_set_has_trls_ids() {
    let Some(shared) = shared("every_family_of_the_shared_set_has_trls_ids") else { return };
    let set = shared.join("golden/trl-1.16");
    let pairs = pairs(&set.join("pairs.jsonl"));
    for family in ["llama", "llama3_rope", "qwen2", "qwen3", "mistral", "gemma2", "gemma3", "phi3"] {
        let tokenizer = Tokenizer::open(&set.join(family)).unwrap();
        let expected = json(&set.join(family).join("expected.json"));
        for (pair, expected) in pairs.iter().zip(expected["tokens"].as_array().unwrap()) {
            assert_ids(&encode_pair(&tokenizer, pair).unwrap(), expected);
        }
        for (pair, expected) in pairs.iter().zip(expected["greedy"].as_array().unwrap()) {
            assert_eq!(encode_prompt(&tokenizer, &pair.prompt).unwrap(), ids(&expected["prompt_ids"]));
        }
    }
}

/// Twelve batches of TRL on SmolLM2: four chosen sequences, then the same four rejected ones, padded on the right.
#[test]
fn the_demo_model_has_trls_ids() {
    const TEST: &str = "the_demo_model_has_trls_ids";
    let (Some(shared), Some(model)) = (shared(TEST), demo_model(TEST)) else { return };
    let tokenizer = Tokenizer::open(&model).unwrap();
    let set = shared.join("golden/smollm2-135m");
    let rows: Vec<Pair> = serde_json::from_value(json(&set.join("rows.json"))).unwrap();
    let batches = json(&set.join("batches.json"));
    let mut rows = rows.iter().cycle();
    let mut compared = 0;
    for batch in batches.as_array().unwrap() {
        let sequence = |row: usize| {
            let masked = |name: &str| ids(&batch[name][row]);
            let length = masked("attention_mask").iter().filter(|&&on| on == 1).count();
            let prompt = masked("completion_mask").iter().take_while(|&&on| on == 0).count();
            let all = masked("input_ids");
            (all[..prompt].to_vec(), all[prompt..length].to_vec())
        };
        let half = batch["input_ids"].as_array().unwrap().len() / 2;
        for row in 0..half {
            let encoded = encode_pair(&tokenizer, rows.next().unwrap()).unwrap();
            assert_eq!((encoded.prompt.clone(), encoded.chosen), sequence(row));
            assert_eq!((encoded.prompt, encoded.rejected), sequence(half + row));
            compared += 1;
        }
    }
    assert!(compared >= 48, "{compared}");
}

#[test]
fn the_demo_model_reads_and_writes_as_it_should() {
    const TEST: &str = "the_demo_model_reads_and_writes_as_it_should";
    let Some(model) = demo_model(TEST) else { return };
    let tokenizer = Tokenizer::open(&model).unwrap();
    assert_eq!(tokenizer.vocab_size(), 49152);
    assert_eq!(tokenizer.eos_token(), Some("<|im_end|>"));
    assert_eq!(tokenizer.stop_ids(), [2]);
    // Digits one by one; special tokens in the text are special.
    let pieces = |text: &str| -> Vec<String> {
        tokenizer.encode(text).unwrap().iter().map(|&id| tokenizer.decode(&[id], false).unwrap()).collect()
    };
    assert_eq!(pieces("In 2024"), ["In", " ", "2", "0", "2", "4"]);
    assert_eq!(pieces("a<|im_end|>"), ["a", "<|im_end|>"]);
    assert_eq!(tokenizer.encode("").unwrap(), Vec::<u32>::new());
    for text in ["naïve café 🦀👩‍👩‍👧 日本語", " leading", "line\r\n\tline  ", "½ ٣ x²"] {
        assert_eq!(tokenizer.decode(&tokenizer.encode(text).unwrap(), false).unwrap(), text);
    }
    let long = "many words ".repeat(50_000);
    assert_eq!(tokenizer.decode(&tokenizer.encode(&long).unwrap(), true).unwrap(), long);
}
