//! A tokenizer written as files is the tokenizer that it was.

use gguf::{Header, Value};
use prefs::Message;

use super::{CHATML, byte_level, sentence_piece, with, without};
use crate::metadata::parts;
use crate::written::write_parts;
use crate::{Error, Tokenizer, write_tokenizer};

const TEXTS: [&str; 6] = [
    "",
    "The cat, the 12345 hats!  \n\n\tnaïve 🦀",
    "<|im_start|>user\nhi<think><|im_end|>\n",
    "  leading and trailing  ",
    "</s><s> once<unk>",
    "\u{0}\u{1f}\u{7f}\u{80}",
];

fn headers() -> Vec<Header> {
    let merges = ["t h", "th e", "Ġ c", "a t", "Ġc at", "Ġ the", "1 2", "12 3"];
    let pieces = [("▁", -1.0), ("▁the", -4.0), ("th", -2.0), ("the", -3.0), ("▁t", -2.5), ("ca", -5.0)];
    let spm = with(sentence_piece(&pieces), "tokenizer.chat_template", Value::String(CHATML.to_owned()));
    let mut all: Vec<Header> = ["gpt-2", "llama-bpe", "qwen2", "smollm"].map(|pre| byte_level(pre, &merges)).into();
    let eot = with(byte_level("gpt-2", &merges), "tokenizer.ggml.eot_token_id", Value::U32(0));
    all.extend([
        with(eot, "tokenizer.ggml.padding_token_id", Value::U32(0)),
        with(byte_level("llama-bpe", &merges), "tokenizer.ggml.add_bos_token", Value::Bool(true)),
        with(byte_level("gpt-2", &merges), "tokenizer.ggml.add_eos_token", Value::Bool(true)),
        without(byte_level("gpt-2", &merges), "tokenizer.chat_template"),
        without(byte_level("gpt-2", &merges), "tokenizer.ggml.bos_token_id"),
        with(spm.clone(), "tokenizer.ggml.add_space_prefix", Value::Bool(false)),
        with(spm.clone(), "tokenizer.ggml.add_bos_token", Value::Bool(false)),
        spm,
    ]);
    all
}

fn rendered(tokenizer: &Tokenizer) -> Option<String> {
    let conversation =
        [Message::new("system", "Be brief."), Message::new("user", "Hi"), Message::new("assistant", "Yes")];
    match tokenizer.render(&conversation, true) {
        Ok(text) => Some(text),
        Err(Error::NoTemplate) => None,
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn metadata_written_as_files_makes_the_same_tokenizer() {
    for header in headers() {
        let before = Tokenizer::from_gguf(&header).unwrap();
        let dir = tempfile::tempdir().unwrap();
        write_parts(parts(&header).unwrap(), dir.path()).unwrap();
        let after = Tokenizer::open(dir.path()).unwrap();
        for text in TEXTS {
            for ids in [before.encode(text).unwrap(), before.encode_rendered(text).unwrap()] {
                assert_eq!(after.decode(&ids, true).unwrap(), before.decode(&ids, true).unwrap());
            }
            assert_eq!(after.encode(text).unwrap(), before.encode(text).unwrap(), "{text:?}");
            assert_eq!(after.encode_rendered(text).unwrap(), before.encode_rendered(text).unwrap(), "{text:?}");
        }
        assert_eq!(rendered(&after), rendered(&before));
        assert_eq!(after.stop_ids(), before.stop_ids());
        assert_eq!((after.eos_token(), after.vocab_size()), (before.eos_token(), before.vocab_size()));
    }
}

#[test]
fn a_folder_hands_on_its_own_files_and_no_others() {
    let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let theirs = [
        ("tokenizer.json", "{ \"kept\": \"as it is\" }"),
        ("chat_template.jinja", "{{ messages }}\n"),
        ("generation_config.json", "{}"),
        ("special_tokens_map.json", "{}"),
        ("model.safetensors", "weights"),
        ("config.json", "{}"),
        ("modeling.py", "print()"),
    ];
    for (name, text) in theirs {
        std::fs::write(from.path().join(name), text).unwrap();
    }
    write_tokenizer(from.path(), to.path()).unwrap();
    for (name, text) in &theirs[..4] {
        assert_eq!(std::fs::read_to_string(to.path().join(name)).unwrap(), *text);
    }
    assert_eq!(std::fs::read_dir(to.path()).unwrap().count(), 4);
    let nowhere = to.path().join("not there");
    let error = write_tokenizer(from.path(), &nowhere).unwrap_err().to_string();
    assert!(error.contains("cannot write") && error.contains("not there"), "{error}");
}
