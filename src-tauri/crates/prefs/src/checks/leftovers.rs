//! What a chat template leaves in texts that were cut out of rendered ones. The list is of no single model.

use std::sync::LazyLock;

use aho_corasick::AhoCorasick;

/// Tokens that stand for themselves wherever they are.
const TOKENS: [&str; 40] = [
    "<|im_start|>",
    "<|im_end|>",
    "<|im_sep|>",
    "<|endoftext|>",
    "<|endofprompt|>",
    "<|begin_of_text|>",
    "<|end_of_text|>",
    "<|start_header_id|>",
    "<|end_header_id|>",
    "<|eot_id|>",
    "<|eom_id|>",
    "<|python_tag|>",
    "<|user|>",
    "<|assistant|>",
    "<|system|>",
    "<|end|>",
    "<|end_of_turn|>",
    "<|return|>",
    "<|START_OF_TURN_TOKEN|>",
    "<|END_OF_TURN_TOKEN|>",
    "<|USER_TOKEN|>",
    "<|CHATBOT_TOKEN|>",
    "<start_of_turn>",
    "<end_of_turn>",
    "[INST]",
    "[/INST]",
    "<<SYS>>",
    "<</SYS>>",
    "[AVAILABLE_TOOLS]",
    "[SYSTEM_PROMPT]",
    "[/SYSTEM_PROMPT]",
    "<bos>",
    "<eos>",
    "[BOS]",
    "[EOS]",
    "<|prompter|>",
    "<｜User｜>",
    "<｜Assistant｜>",
    "<｜begin▁of▁sentence｜>",
    "<｜end▁of▁sentence｜>",
];

/// Headings that prompts are made of, at the beginning of a line.
const HEADINGS: [&str; 4] = ["### Instruction:", "### Response:", "### Human:", "### Assistant:"];

/// Speakers that an answer goes on as, after an empty line.
const SPEAKERS: [&str; 4] = ["\n\nHuman:", "\n\nAssistant:", "\nUSER:", "\nASSISTANT:"];

/// HTML has tags of these names: they count at the beginning or the end of a text only.
const SENTENCE: [&str; 2] = ["<s>", "</s>"];

static ALL: LazyLock<Option<AhoCorasick>> =
    LazyLock::new(|| AhoCorasick::new(TOKENS.iter().chain(&HEADINGS).chain(&SPEAKERS).chain(&SENTENCE)).ok());

/// What was found in one text.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Leftovers {
    /// The first.
    pub(super) token: Option<&'static str>,
    /// One that follows itself with nothing but white space between.
    pub(super) doubled: Option<&'static str>,
}

/// Looks through a text. Of an answer as plain text (`may_end`) one token at the end is as meant: it ends the turn.
pub(super) fn leftovers(text: &str, is_answer: bool, may_end: bool) -> Leftovers {
    let mut found = Leftovers::default();
    let Some(all) = &*ALL else { return found };
    let mut last: Option<(&'static str, usize)> = None;
    for hit in all.find_iter(text) {
        let (at, end) = (hit.start(), hit.end());
        let name = name(hit.pattern().as_usize());
        let before = &text[..at];
        let at_beginning = before.trim().is_empty();
        let at_end = text[end..].trim().is_empty();
        let counts = if SENTENCE.contains(&name) {
            at_beginning || at_end || last.is_some_and(|(before, to)| before == name && text[to..at].trim().is_empty())
        } else if HEADINGS.contains(&name) {
            at_beginning || before.ends_with('\n')
        } else {
            !SPEAKERS.contains(&name) || is_answer
        };
        // Named in a text about templates, as code.
        if !counts || before.ends_with('`') {
            continue;
        }
        if last.is_some_and(|(before, to)| before == name && text[to..at].trim().is_empty()) {
            found.doubled = found.doubled.or(Some(name));
        }
        last = Some((name, end));
        if !(may_end && at_end) {
            found.token = found.token.or(Some(name.trim()));
        }
    }
    found
}

fn name(pattern: usize) -> &'static str {
    let names = TOKENS.iter().chain(&HEADINGS).chain(&SPEAKERS).chain(&SENTENCE);
    names.copied().nth(pattern).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_found_and_what_only_looks_like_them_is_not() {
        let token = |text: &str| leftovers(text, true, false).token;
        assert_eq!(token("Hello.<|im_end|>"), Some("<|im_end|>"));
        assert_eq!(token("[INST] Hi [/INST]"), Some("[INST]"));
        assert_eq!(token("Sure.</s>"), Some("</s>"));
        assert_eq!(token("### Response:\nSure."), Some("### Response:"));
        assert_eq!(token("Sure.\n\nHuman: and then?"), Some("Human:"));
        for text in [
            "The tag `<|im_end|>` ends a turn.",
            "HTML strikes through as in <s>old</s> and new.",
            "## Response: the heading of a report",
            "See ### Response: in the middle of a line.",
            "A human: that is what I am.",
            "if a < b and b > c: print(a[1])",
        ] {
            assert_eq!(leftovers(text, true, false), Leftovers::default(), "{text}");
        }
        assert_eq!(leftovers("What?\n\nHuman: as published", false, false).token, None, "a prompt may be of turns");
        assert_eq!(leftovers("Rendered.<|im_end|>\n", true, true).token, None);
        assert_eq!(leftovers("Rendered.<|im_end|> More.", true, true).token, Some("<|im_end|>"));
    }

    #[test]
    fn a_token_that_follows_itself_is_doubled() {
        assert_eq!(leftovers("<s> <s>Hello", false, false).doubled, Some("<s>"));
        assert_eq!(leftovers("Bye<|im_end|>\n<|im_end|>", true, true).doubled, Some("<|im_end|>"));
        assert_eq!(leftovers("<|im_end|>a<|im_end|>", true, false).doubled, None);
    }
}
