#![allow(clippy::unwrap_used)]

use super::*;
use crate::metadata::parts;
use crate::tests::{byte_level, sentence_piece, with};
use crate::written::write_parts;

/// Writes a GGUF file's tokenizer as a folder, that as metadata again, and reads it.
fn there_and_back(header: &Header, architecture: &str, rows: usize) -> (Tokenizer, BTreeMap<String, Value>, Tokenizer) {
    let folder = tempfile::tempdir().unwrap();
    write_parts(parts(header).unwrap(), folder.path()).unwrap();
    let original = Tokenizer::open(folder.path()).unwrap();
    let metadata = gguf_tokenizer(folder.path(), architecture, rows).unwrap();
    let mut all = metadata.clone();
    all.insert("general.architecture".into(), Value::String(architecture.into()));
    let read =
        Tokenizer::from_gguf(&Header { version: 3, metadata: all, tensors: Vec::new(), data_offset: 0 }).unwrap();
    (original, metadata, read)
}

fn assert_same(original: &Tokenizer, read: &Tokenizer) {
    for text in ["The cat, the 12345 hats!", "  a\n\n b<|im_end|>c", "<think>", "naïve 🦀 </s>"] {
        assert_eq!(original.encode(text).unwrap(), read.encode(text).unwrap(), "{text:?}");
        assert_eq!(original.encode_rendered(text).unwrap(), read.encode_rendered(text).unwrap(), "{text:?}");
    }
    assert_eq!(original.stop_ids(), read.stop_ids());
    assert_eq!(original.template_source(), read.template_source());
}

#[test]
fn byte_level_tokenizers_find_the_name_of_how_they_cut() {
    let merges = ["1 2", "12 3", "Ġ a", "' r", "'r e", "t o", "l d", "Ġ Ġ", "Ċ Ċ", "' R", "'R E", "Ġ 3", "= =", "== ="];
    for (pre, found) in [("gpt-2", "gpt-2"), ("smollm", "smollm"), ("smaug-bpe", "llama-bpe"), ("falcon", "falcon")] {
        let (original, metadata, read) = there_and_back(&byte_level(pre, &merges), "llama", 300);
        assert_eq!(metadata["tokenizer.ggml.pre"], Value::String(found.into()));
        assert_same(&original, &read);
        let tokens = metadata["tokenizer.ggml.tokens"].as_array().unwrap();
        assert_eq!((tokens.len(), tokens[299].as_str()), (300, Some("[PAD299]")), "as many as the embedding has rows");
        assert_eq!(metadata["tokenizer.ggml.token_type"].as_array().unwrap()[2], Value::I32(CONTROL));
        assert_eq!(metadata["tokenizer.ggml.token_type"].as_array().unwrap()[3], Value::I32(USER_DEFINED));
    }
    let adds = with(byte_level("llama-bpe", &merges), "tokenizer.ggml.add_bos_token", Value::Bool(true));
    let (original, metadata, read) = there_and_back(&adds, "llama", 300);
    assert_eq!(metadata["tokenizer.ggml.add_bos_token"], Value::Bool(true));
    assert_same(&original, &read);
}

#[test]
fn sentence_piece_tokenizers_get_scores_in_the_order_of_their_merges() {
    let pieces = [
        ("▁", -9.0),
        ("a", -10.0),
        ("t", -11.0),
        ("he", -7.0),
        ("h", -12.0),
        ("e", -13.0),
        ("▁a", -1.0),
        ("th", -2.0),
        ("the", -3.0),
        ("▁th", -4.0),
    ];
    for add_space in [true, false] {
        let header = with(sentence_piece(&pieces), "tokenizer.ggml.add_space_prefix", Value::Bool(add_space));
        let (original, metadata, read) = there_and_back(&header, "llama", 280);
        assert_eq!(metadata["tokenizer.ggml.add_space_prefix"], Value::Bool(add_space));
        assert_same(&original, &read);
    }
    let spaces = [("▁", -2.0), ("a", -3.0), ("▁a", -1.0), ("  ", -1000.0), ("   ", -1000.0)];
    let mut gemma = with(sentence_piece(&spaces), "general.architecture", Value::String("gemma3".into()));
    if let Some(Value::Array(kinds)) = gemma.metadata.get_mut("tokenizer.ggml.token_type") {
        kinds[259 + 3..].fill(Value::I32(4));
    }
    let (original, metadata, read) = there_and_back(&gemma, "gemma3", 264);
    assert_eq!(metadata["tokenizer.ggml.tokens"].as_array().unwrap()[262], Value::String("  ".into()));
    assert_same(&original, &read);
}

#[test]
fn a_tokenizer_that_does_not_survive_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    write_parts(parts(&byte_level("gpt-2", &["Ġ a", "a b"])).unwrap(), folder.path()).unwrap();
    let path = folder.path().join("tokenizer.json");
    let mut json: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
    json["normalizer"] = serde_json::json!({ "type": "Lowercase" });
    std::fs::write(&path, json.to_string()).unwrap();
    let refused = gguf_tokenizer(folder.path(), "llama", 300).unwrap_err().to_string();
    assert!(refused.contains("has other tokens") && refused.contains("as a folder"), "{refused}");
    json["model"] = serde_json::json!({ "type": "WordLevel", "vocab": { "a": 0 }, "unk_token": "a" });
    json["added_tokens"] = serde_json::json!([]);
    std::fs::write(&path, json.to_string()).unwrap();
    assert!(gguf_tokenizer(folder.path(), "llama", 300).unwrap_err().to_string().contains("WordLevel"));
}

#[test]
fn a_token_without_a_row_is_none_in_the_file() {
    let folder = tempfile::tempdir().unwrap();
    write_parts(parts(&byte_level("gpt-2", &["Ġ a", "a b"])).unwrap(), folder.path()).unwrap();
    let path = folder.path().join("tokenizer_config.json");
    let mut json: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
    json["pad_token"] = "<more>".into();
    std::fs::write(&path, json.to_string()).unwrap();
    std::fs::write(folder.path().join("config.json"), r#"{"vocab_size": 262}"#).unwrap();
    let metadata = gguf_tokenizer(folder.path(), "llama", 262).unwrap();
    assert_eq!(metadata["tokenizer.ggml.tokens"].as_array().unwrap().len(), 262);
    assert!(!metadata.contains_key("tokenizer.ggml.padding_token_id"));
    let roomy = gguf_tokenizer(folder.path(), "llama", 264);
    assert!(roomy.is_err(), "config.json says that there is no row for it");
    std::fs::remove_file(folder.path().join("config.json")).unwrap();
    let metadata = gguf_tokenizer(folder.path(), "llama", 264).unwrap();
    assert_eq!(metadata["tokenizer.ggml.padding_token_id"], Value::U32(262));
    assert_eq!(metadata["tokenizer.ggml.tokens"].as_array().unwrap()[262], Value::String("<more>".into()));
}
