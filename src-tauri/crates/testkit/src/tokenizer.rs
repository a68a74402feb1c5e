//! A tokenizer with one token per byte, and the `ChatML` template.

use std::path::Path;

use serde_json::{Map, Value, json};

/// The special tokens; their ids are their places.
pub const SPECIAL_TOKENS: [&str; 3] = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"];

/// The id of the padding token, `<|endoftext|>`.
pub const PAD: u32 = 0;
/// The id of the token that begins a message, `<|im_start|>`.
pub const BEGIN: u32 = 1;
/// The id of the token that ends a message, `<|im_end|>`.
pub const END: u32 = 2;

/// The template, in the form most published `ChatML` models have it.
pub(crate) const CHAT_TEMPLATE: &str = "{% for message in messages %}{{'<|im_start|>' + message['role'] + '\n' + \
    message['content'] + '<|im_end|>' + '\n'}}{% endfor %}{% if add_generation_prompt %}\
    {{ '<|im_start|>assistant\n' }}{% endif %}";

/// The id of a byte: bytes follow the special tokens in order.
pub fn byte_id(byte: u8) -> u32 {
    SPECIAL_TOKENS.len() as u32 + u32::from(byte)
}

/// How GPT-2's byte-level BPE spells a byte: printable Latin-1 as itself, the others from U+0100 on in order.
fn spelling(byte: u8) -> char {
    let itself = |byte: u8| matches!(byte, b'!'..=b'~' | 0xA1..=0xAC | 0xAE..=0xFF);
    if itself(byte) {
        return char::from(byte);
    }
    let place = (0..byte).filter(|&smaller| !itself(smaller)).count() as u32;
    char::from_u32(0x100 + place).unwrap_or(char::REPLACEMENT_CHARACTER)
}

/// Every token in the order of ids, `size` of them; those after the bytes are never made from text.
pub(crate) fn tokens(size: usize) -> Vec<String> {
    let special = SPECIAL_TOKENS.iter().map(ToString::to_string);
    let bytes = (0..=u8::MAX).map(|byte| spelling(byte).to_string());
    let unused = (0..).map(|place| format!("<unused{place}>"));
    special.chain(bytes).chain(unused).take(size).collect()
}

/// Writes `tokenizer.json`, `tokenizer_config.json` and `chat_template.jinja`.
pub(crate) fn write(dir: &Path) -> std::io::Result<()> {
    let known = SPECIAL_TOKENS.len() + 256;
    let vocab: Map<String, Value> =
        tokens(known).into_iter().enumerate().map(|(id, token)| (token, json!(id))).collect();
    let added: Vec<Value> = SPECIAL_TOKENS
        .iter()
        .enumerate()
        .map(|(id, token)| {
            json!({
                "id": id, "content": token, "single_word": false, "lstrip": false, "rstrip": false,
                "normalized": false, "special": true
            })
        })
        .collect();
    let byte_level = json!({"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true});
    let tokenizer = json!({
        "version": "1.0",
        "truncation": null,
        "padding": null,
        "added_tokens": added,
        "normalizer": null,
        "pre_tokenizer": byte_level,
        "post_processor": null,
        "decoder": byte_level,
        "model": {
            "type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": null,
            "end_of_word_suffix": null, "fuse_unk": false, "byte_fallback": false, "ignore_merges": false,
            "vocab": vocab, "merges": []
        }
    });
    let config = json!({
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": SPECIAL_TOKENS[BEGIN as usize],
        "eos_token": SPECIAL_TOKENS[END as usize],
        "pad_token": SPECIAL_TOKENS[PAD as usize],
        "clean_up_tokenization_spaces": false,
        "model_max_length": 512
    });
    std::fs::write(dir.join("tokenizer.json"), tokenizer.to_string())?;
    std::fs::write(dir.join("tokenizer_config.json"), config.to_string())?;
    std::fs::write(dir.join("chat_template.jinja"), CHAT_TEMPLATE)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// GPT-2's table: the space is `Ġ`, the newline `Ċ`, and no two bytes share a spelling.
    #[test]
    fn bytes_are_spelled_as_in_gpt2() {
        assert_eq!((spelling(b' '), spelling(b'\n'), spelling(b'a'), spelling(0xAD)), ('Ġ', 'Ċ', 'a', 'Ń'));
        let all: std::collections::BTreeSet<char> = (0..=u8::MAX).map(spelling).collect();
        assert_eq!(all.len(), 256);
        let tokens = tokens(260);
        assert_eq!((tokens[byte_id(b'a') as usize].as_str(), tokens[259].as_str()), ("a", "<unused0>"));
    }
}
