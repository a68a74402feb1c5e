//! Tokenizers from GGUF metadata against the test vectors that llama.cpp keeps beside its vocabularies, which
//! `transformers` made (`convert_hf_to_gguf_update.py`).
#![allow(clippy::unwrap_used)]

use std::path::PathBuf;

use chat::{Error, Tokenizer};

const KNOWN: [&str; 12] = [
    "command-r",
    "deepseek-coder",
    "deepseek-llm",
    "falcon",
    "gpt-2",
    "llama-bpe",
    "llama-spm",
    "phi-3",
    "qwen2",
    "qwen35",
    "refact",
    "starcoder",
];

/// Vocabularies of kinds that are refused, and what the refusal names.
const REFUSED: [(&str, &str); 2] = [("bert-bge", "\"bert\""), ("gemma-4", "\"gemma4\"")];

#[test]
fn vocabularies_of_llama_cpp_have_the_ids_of_transformers() {
    let Some(folder) = std::env::var_os("TIEBREAK_LLAMA_VOCABS").map(PathBuf::from) else {
        eprintln!(
            "left out: vocabularies_of_llama_cpp_have_the_ids_of_transformers: TIEBREAK_LLAMA_VOCABS names no folder \
             with llama.cpp's ggml-vocab-*.gguf"
        );
        return;
    };
    let mut wrong = Vec::new();
    for name in KNOWN {
        let file = |extension: &str| folder.join(format!("ggml-vocab-{name}.gguf{extension}"));
        let tokenizer = Tokenizer::open(&file("")).unwrap();
        let texts = std::fs::read_to_string(file(".inp")).unwrap();
        let expected = std::fs::read_to_string(file(".out")).unwrap();
        let texts: Vec<&str> = texts.split("\n__ggml_vocab_test__\n").collect();
        let expected: Vec<&str> = expected.lines().collect();
        assert!(!expected.is_empty() && expected.len() <= texts.len());
        for (text, expected) in texts.iter().zip(expected) {
            let ours = tokenizer.encode_rendered(text).unwrap();
            let theirs: Vec<u32> = expected.split_whitespace().map(|id| id.parse().unwrap()).collect();
            if ours != theirs {
                wrong.push(format!("{name}: {text:?}\n ours: {ours:?}\n theirs: {theirs:?}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));

    for (name, named) in REFUSED {
        match Tokenizer::open(&folder.join(format!("ggml-vocab-{name}.gguf"))) {
            Err(Error::InFile { source, .. }) if matches!(*source, Error::Metadata { .. }) => {
                assert!(source.to_string().contains(named), "{source}");
            }
            Err(error) => panic!("{name}: {error}"),
            Ok(_) => panic!("{name} was accepted"),
        }
    }
}
