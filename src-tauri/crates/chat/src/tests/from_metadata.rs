use gguf::Value;
use proptest::prelude::*;

use super::{byte_level, header, pieces, sentence_piece, strings, with, without};
use crate::Tokenizer;

fn refusal(header: &gguf::Header) -> String {
    match Tokenizer::from_gguf(header) {
        Ok(_) => panic!("the metadata was accepted"),
        Err(error) => error.to_string(),
    }
}

#[test]
fn the_pre_tokenizer_decides_what_may_merge() {
    let open = |pre: &str| Tokenizer::from_gguf(&byte_level(pre, &["1 2", "Ġ a", "12 3"])).unwrap();
    assert_eq!(pieces(&open("gpt-2"), "x a123"), ["x", " a", "123"]);
    assert_eq!(pieces(&open("smollm"), "x a123"), ["x", " a", "1", "2", "3"]);
    assert_eq!(pieces(&open("qwen2"), "x a123"), ["x", " a", "1", "2", "3"]);
    // Llama 3 cuts digits in threes, and takes a word that is a token whole.
    assert_eq!(pieces(&open("smaug-bpe"), "1212"), ["12", "1", "2"]);
    let whole = with(byte_level("smaug-bpe", &["1 2"]), "tokenizer.ggml.pre", Value::String("llama-bpe".to_owned()));
    assert_eq!(pieces(&Tokenizer::from_gguf(&whole).unwrap(), "12a"), ["12", "a"]);
}

#[test]
fn a_pre_tokenizer_that_is_not_known_is_refused_by_name() {
    let said = refusal(&byte_level("kimi-k2", &[]));
    assert!(said.contains("\"kimi-k2\"") && said.contains("smollm") && said.contains("tokenizer.ggml.pre"), "{said}");
    let said = refusal(&without(byte_level("gpt-2", &[]), "tokenizer.ggml.pre"));
    assert!(said.contains("tokenizer.ggml.pre is missing"), "{said}");
    let said = refusal(&with(byte_level("gpt-2", &[]), "tokenizer.ggml.model", Value::String("bert".to_owned())));
    assert!(said.contains("\"bert\""), "{said}");
    let gemma = with(sentence_piece(&[]), "general.architecture", Value::String("gemma3n".to_owned()));
    assert!(refusal(&gemma).contains("gemma3n"));
}

#[test]
fn tokens_of_their_own_are_recognised_in_text_and_may_be_hidden() {
    let tokenizer = Tokenizer::from_gguf(&byte_level("gpt-2", &[])).unwrap();
    let ids = tokenizer.encode("a<|im_end|><think>b").unwrap();
    assert_eq!(ids, [u32::from(b'a') + 4, 2, 3, u32::from(b'b') + 4]);
    assert_eq!(tokenizer.decode(&ids, false).unwrap(), "a<|im_end|><think>b");
    assert_eq!(tokenizer.decode(&ids, true).unwrap(), "a<think>b");
    assert_eq!(tokenizer.vocab_size(), 260);
    assert_eq!((tokenizer.eos_token(), tokenizer.stop_ids()), (Some("<|im_end|>"), [2].as_slice()));
}

#[test]
fn tokens_are_added_around_text_but_not_around_what_a_template_wrote() {
    let both = with(byte_level("gpt-2", &[]), "tokenizer.ggml.add_bos_token", Value::Bool(true));
    let both = with(both, "tokenizer.ggml.add_eos_token", Value::Bool(true));
    let tokenizer = Tokenizer::from_gguf(&both).unwrap();
    assert_eq!(tokenizer.encode("").unwrap(), [1, 2]);
    assert_eq!(tokenizer.encode_rendered("").unwrap(), Vec::<u32>::new());
    // Llama 3 begins with a token where the file does not say otherwise.
    let llama = without(byte_level("llama-bpe", &[]), "tokenizer.ggml.add_bos_token");
    assert_eq!(Tokenizer::from_gguf(&llama).unwrap().encode("").unwrap(), [1]);
    assert!(refusal(&without(llama, "tokenizer.ggml.bos_token_id")).contains("bos_token_id is missing"));
}

#[test]
fn every_token_that_ends_a_turn_stops() {
    let header = with(byte_level("gpt-2", &[]), "tokenizer.ggml.eot_token_id", Value::U32(0));
    let header = with(header, "tokenizer.ggml.eos_token_id", Value::U32(1));
    assert_eq!(Tokenizer::from_gguf(&header).unwrap().stop_ids(), [0, 1, 2]);
    let none = with(without(header, "tokenizer.chat_template"), "tokenizer.ggml.eot_token_id", Value::I32(-1));
    let tokenizer = Tokenizer::from_gguf(&none).unwrap();
    assert_eq!(tokenizer.stop_ids(), [1]);
    assert!(!tokenizer.has_template());
}

#[test]
fn metadata_that_does_not_fit_together_is_refused() {
    let good = || byte_level("gpt-2", &["1 2"]);
    let twice = with(good(), "tokenizer.ggml.tokens", strings(["a", "b", "a"]));
    assert!(refusal(&twice).contains("tokens 0 and 2"));
    assert!(refusal(&with(good(), "tokenizer.ggml.tokens", Value::U32(1))).contains("should be a list"));
    assert!(refusal(&with(good(), "tokenizer.ggml.merges", strings(["no-pair"]))).contains("no-pair"));
    assert!(refusal(&with(good(), "tokenizer.ggml.merges", strings(["1 gone"]))).contains("tokenizer failed"));
    assert!(refusal(&without(good(), "tokenizer.ggml.merges")).contains("merges is missing"));
    assert!(refusal(&with(good(), "tokenizer.ggml.eos_token_id", Value::U32(9999))).contains("names no token"));
    assert!(refusal(&with(good(), "tokenizer.ggml.token_type", Value::Array(vec![]))).contains("0 entries"));
    assert!(refusal(&with(good(), "tokenizer.ggml.add_bos_token", Value::U8(1))).contains("true or false"));
    assert!(refusal(&header([])).contains("is missing"));
    let scores = with(sentence_piece(&[]), "tokenizer.ggml.scores", Value::Array(vec![]));
    assert!(refusal(&scores).contains("0 entries"));
}

const PIECES: &[(&str, f32)] =
    &[("▁", -9.0), ("a", -10.0), ("b", -11.0), ("c", -12.0), ("▁a", -1.0), ("bc", -2.0), ("ab", -3.0), ("abc", -4.0)];

#[test]
fn sentence_piece_merges_by_score_and_falls_back_to_bytes() {
    let tokenizer = Tokenizer::from_gguf(&sentence_piece(PIECES)).unwrap();
    let names = |text: &str| {
        let ids = tokenizer.encode(text).unwrap();
        ids.iter()
            .map(|id| {
                PIECES.get((*id as usize).wrapping_sub(259)).map_or_else(|| id.to_string(), |piece| piece.0.to_owned())
            })
            .collect::<Vec<_>>()
    };
    // The beginning-of-sequence token, then a space before the text; "bc" scores better than "ab".
    assert_eq!(names("bc"), ["1", "▁", "bc"]);
    assert_eq!(names("abc"), ["1", "▁a", "bc"]);
    assert_eq!(names("cabc"), ["1", "▁", "c", "abc"]);
    assert_eq!(names("é"), ["1", "▁", &(3 + 0xc3).to_string(), &(3 + 0xa9).to_string()]);
    assert_eq!(tokenizer.decode(&tokenizer.encode("abc é").unwrap(), true).unwrap(), "abc é");
    assert_eq!(tokenizer.encode("</s>").unwrap(), [1, 2]);
    let bare = with(sentence_piece(PIECES), "tokenizer.ggml.add_space_prefix", Value::Bool(false));
    let bare = Tokenizer::from_gguf(&bare).unwrap();
    assert_eq!(bare.encode_rendered("bc").unwrap(), [259 + 5]);
    assert_eq!(bare.decode(&bare.encode(" a").unwrap(), true).unwrap(), " a");
}

/// Gemma's pieces of several spaces lie in the file as spaces, and win over all other merges.
#[test]
fn gemma_takes_runs_of_spaces_first() {
    let mut header = sentence_piece(&[("▁", -2.0), ("a", -3.0), ("▁a", -1.0), ("  ", -1000.0), ("   ", -1000.0)]);
    if let Some(Value::Array(kinds)) = header.metadata.get_mut("tokenizer.ggml.token_type") {
        kinds[259 + 3..].fill(Value::I32(4));
    }
    let header = with(header, "general.architecture", Value::String("gemma3".to_owned()));
    let tokenizer = Tokenizer::from_gguf(&header).unwrap();
    let ids = |text: &str| tokenizer.encode_rendered(text).unwrap();
    assert_eq!((ids(" a"), ids("a")), (vec![261], vec![260]), "nothing is put before a text");
    assert_eq!((ids("  a"), ids("   a"), ids("    ")), (vec![262, 260], vec![263, 260], vec![263, 259]));
    assert_eq!(tokenizer.decode(&ids("a   a"), true).unwrap(), "a   a");
}

#[test]
fn special_tokens_of_phi_3_swallow_the_white_space_after_them() {
    let mut header = sentence_piece(&[("▁", -2.0), ("a", -3.0), ("<|end|>", 0.0)]);
    if let Some(Value::Array(kinds)) = header.metadata.get_mut("tokenizer.ggml.token_type") {
        kinds[261] = Value::I32(3);
    }
    let phi = with(header.clone(), "general.architecture", Value::String("phi3".to_owned()));
    let ids = |header: &gguf::Header| {
        let tokenizer = Tokenizer::from_gguf(header).unwrap();
        tokenizer.encode_rendered("a<|end|> \na").unwrap()
    };
    assert_eq!(ids(&phi), [259, 260, 261, 259, 260]);
    assert_eq!(ids(&header), [259, 260, 261, 259, 259, 3 + 10, 260]);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_text_survives_a_round_trip(text in any::<String>()) {
        let byte_level = Tokenizer::from_gguf(&byte_level("smollm", &["a b", "Ġ a"])).unwrap();
        prop_assert_eq!(byte_level.decode(&byte_level.encode(&text).unwrap(), false).unwrap(), text.clone());
        // SentencePiece writes a space as U+2581, so that this character does not survive.
        let text = text.replace('▁', "_");
        let sentence_piece = Tokenizer::from_gguf(&sentence_piece(PIECES)).unwrap();
        prop_assert_eq!(sentence_piece.decode(&sentence_piece.encode(&text).unwrap(), true).unwrap(), text);
    }
}
