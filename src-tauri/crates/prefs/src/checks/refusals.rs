//! Answers that refuse, by a list of words: what refuses in other words is not seen, and what quotes a refusal is taken for one.

use std::sync::LazyLock;

use aho_corasick::{AhoCorasick, MatchKind};

/// Characters at the beginning of an answer that are looked at: what comes later explains or quotes.
const LOOKED_AT: usize = 240;

/// English, German, French, Spanish, Portuguese, Italian, Dutch, Russian, Chinese and Japanese, in lower case.
const PHRASES: [&str; 93] = [
    "i can't help",
    "i cannot help",
    "i can not help",
    "i can't assist",
    "i cannot assist",
    "i can't provide",
    "i cannot provide",
    "i can't give you",
    "i can't fulfill",
    "i cannot fulfill",
    "i can't comply",
    "i cannot comply",
    "i can't create",
    "i cannot create",
    "i can't generate",
    "i cannot generate",
    "i can't write",
    "i cannot write",
    "i can't engage",
    "i cannot engage",
    "i can't support",
    "i cannot support",
    "i can't discuss",
    "i cannot discuss",
    "i can't do that",
    "i cannot do that",
    "i can't answer",
    "i cannot answer",
    "i can't offer",
    "i cannot offer",
    "i can't satisfy",
    "i cannot satisfy",
    "i can't recommend",
    "i can't participate",
    "i cannot participate",
    "i can't share",
    "i cannot share",
    "i'm unable to",
    "i am unable to",
    "i'm not able to",
    "i am not able to",
    "i won't help",
    "i will not help",
    "i won't provide",
    "i will not provide",
    "i won't be able to",
    "i must decline",
    "i have to decline",
    "i must refuse",
    "i'm not comfortable",
    "i am not comfortable",
    "i'm sorry, but i can",
    "i am sorry, but i can",
    "i'm sorry, i can",
    "sorry, but i can't",
    "sorry, but i cannot",
    "sorry, i can't help",
    "i apologize, but i can",
    "i apologize, but as an ai",
    "i'm sorry, but as an ai",
    "against my programming",
    "as an ai language model, i can",
    "as an ai language model, i'm not",
    "as an ai, i can",
    "as an ai, i'm not able",
    "ich kann dabei nicht helfen",
    "ich kann ihnen dabei nicht",
    "ich kann dir dabei nicht",
    "dabei kann ich nicht helfen",
    "dabei kann ich ihnen nicht",
    "dabei kann ich dir nicht",
    "tut mir leid, aber ich kann",
    "es tut mir leid, ich kann",
    "als ki-sprachmodell kann ich",
    "je ne peux pas vous aider",
    "je ne peux pas t'aider",
    "désolé, mais je ne peux pas",
    "je ne suis pas en mesure",
    "no puedo ayudar",
    "lo siento, pero no puedo",
    "no puedo proporcionar",
    "não posso ajudar",
    "desculpe, mas não posso",
    "sinto muito, mas não posso",
    "non posso aiutar",
    "mi dispiace, ma non posso",
    "het spijt me, maar ik kan",
    "не могу помочь с",
    "извините, но я не могу",
    "对不起，我不能",
    "抱歉，我无法",
    "很抱歉，我不能",
    "申し訳ありませんが、",
];

static ALL: LazyLock<Option<AhoCorasick>> =
    LazyLock::new(|| AhoCorasick::builder().match_kind(MatchKind::LeftmostFirst).build(PHRASES).ok());

/// The phrase by which an answer refuses at its beginning.
pub(super) fn refusal(answer: &str) -> Option<&'static str> {
    let mut beginning = String::with_capacity(LOOKED_AT);
    for c in answer.trim_start().chars().take(LOOKED_AT) {
        let c = if c == '’' { '\'' } else { c };
        beginning.extend(c.to_lowercase());
    }
    let hits = ALL.as_ref()?.find_iter(&beginning);
    hits.filter(|hit| !is_of_another(&beginning[..hit.start()])).map(|hit| PHRASES[hit.pattern().as_usize()]).next()
}

/// Whether what comes before says that somebody else refuses: an open quotation mark, or a colon.
fn is_of_another(before: &str) -> bool {
    before.trim_end().ends_with(['"', '“', '„', '«', '「', ':', '*', '`'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_are_found_and_what_sounds_alike_is_not() {
        for answer in [
            "I'm sorry, but I can't help with that.",
            "I’m sorry, but I can’t assist with that request.",
            "I cannot provide instructions for that.",
            "Unfortunately, I am unable to open links.",
            "Es tut mir leid, aber ich kann dabei nicht helfen.",
            "Lo siento, pero no puedo ayudar con eso.",
            "抱歉，我无法回答这个问题。",
        ] {
            assert!(refusal(answer).is_some(), "{answer}");
        }
        for answer in [
            "I can't believe how well it worked!",
            "Sorry to hear that. You can return it within 30 days.",
            "Sure. In the play he says: \"I can't help it.\"",
            "A refusal would be: I cannot help with that.",
            "def can(): return False",
            "",
        ] {
            assert_eq!(refusal(answer), None, "{answer}");
        }
        let late = format!("{} I cannot help with that.", "It depends on the weather. ".repeat(20));
        assert_eq!(refusal(&late), None, "beyond the beginning");
    }
}
