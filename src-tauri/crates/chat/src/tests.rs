//! Small tokenizers made from GGUF metadata, and what all of the crate does with them.
#![allow(clippy::unwrap_used)]

mod conversations;
mod folders;
mod from_metadata;
mod oddities;
mod templates;
mod written;

use std::collections::BTreeMap;

use gguf::{Header, Value};

use crate::Tokenizer;

/// A template with all that is common: a default system message, turns, and a generation prompt.
const CHATML: &str = "{%- for message in messages %}
{{- '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n' }}
{%- endfor %}
{%- if add_generation_prompt %}
{{- '<|im_start|>assistant\n' }}
{%- endif %}
";

/// GPT-2's printable stand-ins for the 256 bytes, in the order of their ids here.
fn byte_alphabet() -> Vec<String> {
    let printable = |byte: u32| matches!(byte, 0x21..=0x7e | 0xa1..=0xac | 0xae..=0xff);
    let mut next = 256;
    (0..256u32)
        .map(|byte| {
            let code = if printable(byte) {
                byte
            } else {
                next += 1;
                next - 1
            };
            char::from_u32(code).unwrap().to_string()
        })
        .collect()
}

fn strings<S: Into<String>>(texts: impl IntoIterator<Item = S>) -> Value {
    Value::Array(texts.into_iter().map(|text| Value::String(text.into())).collect())
}

fn header(entries: impl IntoIterator<Item = (&'static str, Value)>) -> Header {
    let metadata: BTreeMap<_, _> = entries.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
    Header { version: 3, metadata, tensors: Vec::new(), data_offset: 0 }
}

/// Byte-level metadata: `<|endoftext|>` 0, `<|im_start|>` 1, `<|im_end|>` 2, `<think>` 3 (user-defined), the 256 bytes
/// from 4, then what the merges make.
pub(crate) fn byte_level(pre: &str, merges: &[&str]) -> Header {
    let mut tokens: Vec<String> =
        ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<think>"].map(str::to_owned).to_vec();
    tokens.extend(byte_alphabet());
    tokens.extend(merges.iter().map(|merge| merge.replace(' ', "")));
    let kinds = (0..tokens.len()).map(|id| {
        Value::I32(match id {
            0..=2 => 3,
            3 => 4,
            _ => 1,
        })
    });
    header([
        ("tokenizer.ggml.model", Value::String("gpt2".to_owned())),
        ("tokenizer.ggml.pre", Value::String(pre.to_owned())),
        ("tokenizer.ggml.token_type", Value::Array(kinds.collect())),
        ("tokenizer.ggml.tokens", strings(tokens)),
        ("tokenizer.ggml.merges", strings(merges.iter().copied())),
        ("tokenizer.ggml.bos_token_id", Value::U32(1)),
        ("tokenizer.ggml.eos_token_id", Value::U32(2)),
        ("tokenizer.ggml.add_bos_token", Value::Bool(false)),
        ("tokenizer.chat_template", Value::String(CHATML.to_owned())),
    ])
}

/// SentencePiece metadata: `<unk>` 0, `<s>` 1, `</s>` 2, the 256 bytes from 3, then the pieces with their scores.
pub(crate) fn sentence_piece(pieces: &[(&str, f32)]) -> Header {
    let mut tokens = ["<unk>", "<s>", "</s>"].map(str::to_owned).to_vec();
    let mut scores = vec![0.0; 3];
    let mut kinds = vec![2, 3, 3];
    for byte in 0..=255u8 {
        tokens.push(format!("<0x{byte:02X}>"));
        scores.push(0.0);
        kinds.push(6);
    }
    for (piece, score) in pieces {
        tokens.push((*piece).to_owned());
        scores.push(*score);
        kinds.push(1);
    }
    header([
        ("tokenizer.ggml.model", Value::String("llama".to_owned())),
        ("tokenizer.ggml.tokens", strings(tokens)),
        ("tokenizer.ggml.scores", Value::Array(scores.into_iter().map(Value::F32).collect())),
        ("tokenizer.ggml.token_type", Value::Array(kinds.into_iter().map(Value::I32).collect())),
        ("tokenizer.ggml.bos_token_id", Value::U32(1)),
        ("tokenizer.ggml.eos_token_id", Value::U32(2)),
        ("tokenizer.ggml.unknown_token_id", Value::U32(0)),
    ])
}

pub(crate) fn with(mut header: Header, key: &str, value: Value) -> Header {
    header.metadata.insert(key.to_owned(), value);
    header
}

fn without(mut header: Header, key: &str) -> Header {
    header.metadata.remove(key);
    header
}

/// A byte-level tokenizer with this chat template.
pub(crate) fn with_template(template: &str) -> Tokenizer {
    let header = with(byte_level("gpt-2", &[]), "tokenizer.chat_template", Value::String(template.to_owned()));
    Tokenizer::from_gguf(&header).unwrap()
}

/// The tokens of a text, each decoded alone.
fn pieces(tokenizer: &Tokenizer, text: &str) -> Vec<String> {
    tokenizer.encode(text).unwrap().iter().map(|&id| tokenizer.decode(&[id], false).unwrap()).collect()
}
