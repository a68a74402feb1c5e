//! What a model reads otherwise than it looks.

use prefs::{Message, Pair};

use super::{CHATML, byte_level, sentence_piece, with};
use crate::{OddPairs, Oddities, Rendered, Tokenizer, encode_pair};
use gguf::Value;

fn text(prompt: &str, chosen: &str, rejected: &str) -> Pair {
    Pair { prompt: prompt.into(), chosen: chosen.into(), rejected: rejected.into(), category: None }
}

fn spoken(prompt: &str, chosen: &str, rejected: &str) -> Pair {
    let say = |role, text| vec![Message::new(role, text)].into();
    let (chosen, rejected) = (say("assistant", chosen), say("assistant", rejected));
    Pair { prompt: say("user", prompt), chosen, rejected, category: None }
}

fn found(tokenizer: &Tokenizer, pairs: &[Pair]) -> OddPairs {
    let mut odd = OddPairs::default();
    for pair in pairs {
        odd.add(&Oddities::of(tokenizer, pair, &encode_pair(tokenizer, pair).unwrap()));
    }
    odd
}

#[test]
fn tokens_that_stand_twice_at_either_end_are_counted() {
    let metadata = with(sentence_piece(&[("▁", -1.0)]), "tokenizer.chat_template", Value::String(CHATML.to_owned()));
    let tokenizer = Tokenizer::from_gguf(&metadata).unwrap();
    assert!(tokenizer.adds_bos());
    let pairs = [
        text("<s>Name a bird. ", "A wren.</s>", "A stone.</s>"),
        text("Name a bird. ", "A wren.</s>\n", "A stone."),
        text("Name a bird. ", "A wren.", "A </s> stone."),
        text("Name a bird. ", "A wren.", "A stone."),
    ];
    assert_eq!(encode_pair(&tokenizer, &pairs[0]).unwrap().prompt[..2], [1, 1]);
    let odd = found(&tokenizer, &pairs);
    assert_eq!(
        odd.sentences(&tokenizer),
        [
            "1 pair begins with `<s>` twice, as with TRL: take it out of the text",
            "1 pair has an answer that ends with `</s>` twice, as with TRL: take it out of the text",
        ]
    );
    // The end of an answer, which TRL does not add again, makes no text a rendered one.
    assert_eq!((odd.rendered.count, odd.rendered.named()), (2, "`</s>`, `<s>`".to_owned()));
    assert_eq!(found(&tokenizer, &pairs[3..]), OddPairs::default());
}

#[test]
fn special_tokens_in_texts_are_named_and_say_that_they_were_rendered() {
    let tokenizer = Tokenizer::from_gguf(&byte_level("gpt-2", &[])).unwrap();
    let rendered = "<|im_start|>user\nName a bird.<|im_end|>\n<|im_start|>assistant\n";
    let pairs = [
        text(rendered, "A wren.<|im_end|>\n", "A stone.<|im_end|>"),
        spoken("Name a bird.", "A wren.<|im_end|>", "A stone."),
        spoken("Name a bird <think>.", "A wren.", "A stone."),
    ];
    let odd = found(&tokenizer, &pairs);
    // Thoughts are no special token, and an answer's end that TRL adds beside its own is told by itself.
    let sentences = odd.sentences(&tokenizer);
    assert!(
        sentences[0].starts_with("messages of 1 pair hold special tokens of the model (`<|im_end|>`)"),
        "{sentences:?}"
    );
    assert!(sentences[1].starts_with("2 pairs have an answer that ends with `<|im_end|>` twice"), "{sentences:?}");
    assert_eq!(sentences.len(), 2);
    let told = odd.rendered.plain_text(1, "pairs", "do that");
    assert!(
        told.ends_with(
            "1 of 1 holds special tokens of the model (`<|im_end|>`, `<|im_start|>`), as rendered text does"
        ),
        "{told}"
    );
    assert!(Rendered::default().plain_text(2, "pairs", "do that").ends_with("To have it applied, do that"));
    let all = Rendered::of(&tokenizer, &[rendered, rendered]);
    assert!(all.plain_text(2, "prompts", "do that").ends_with("and were rendered already, it seems"));
    let of_two = Rendered::of(&tokenizer, &[rendered, "Name a bird."]);
    assert!(
        of_two.plain_text(2, "prompts", "do that").contains("To have it applied, do that. 1 of 2 holds special tokens")
    );
}
