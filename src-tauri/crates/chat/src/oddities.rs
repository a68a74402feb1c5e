//! What a model reads of a pair otherwise than its text looks: fields that the template leaves out, special tokens that stand
//! written out in the text.

use std::collections::{BTreeMap, BTreeSet};

use prefs::words::{self, counted};
use prefs::{Content, Pair};

use crate::pair::unread;
use crate::{EncodedPair, Tokenizer};

/// What is odd about one pair.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Oddities {
    /// What it gives the chat template and the template does not read, see [`Tokenizer::unread`].
    unread: BTreeSet<String>,
    /// The special tokens that its text holds, but for an end-of-sequence token that ends a plain answer.
    written: BTreeSet<String>,
    is_plain: bool,
    bos_twice: bool,
    eos_twice: bool,
}

impl Oddities {
    /// Looks at a pair and its ids before truncation.
    pub fn of(tokenizer: &Tokenizer, pair: &Pair, encoded: &EncodedPair) -> Self {
        let EncodedPair { prompt, chosen, rejected, .. } = encoded;
        let eos = tokenizer.eos_token().and_then(|token| tokenizer.id_of(token));
        Self {
            unread: unread(tokenizer, pair),
            written: written(tokenizer, pair),
            is_plain: !pair.is_conversational(),
            bos_twice: begins_twice(tokenizer, &prompt.iter().chain(chosen).take(2).copied().collect::<Vec<_>>()),
            eos_twice: eos.is_some_and(|eos| [chosen, rejected].into_iter().any(|ids| ends_twice(tokenizer, ids, eos))),
        }
    }
}

/// What is odd about a set of pairs, and of how many.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OddPairs {
    /// What pairs give the chat template and it does not read (`tool_calls`, say), with the number of pairs that do.
    pub unread: BTreeMap<String, usize>,
    /// Pairs of plain text that hold special tokens, which ones, as text that was rendered already does.
    pub rendered: Rendered,
    in_messages: Rendered,
    bos_twice: usize,
    eos_twice: usize,
}

/// Texts that hold special tokens.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rendered {
    /// How many.
    pub count: usize,
    /// The special tokens that they hold.
    pub tokens: BTreeSet<String>,
}

impl Rendered {
    /// Counts texts that hold special tokens.
    pub fn of(tokenizer: &Tokenizer, texts: &[&str]) -> Self {
        let mut this = Self::default();
        for text in texts {
            this.add(&tokenizer.special_tokens_in(text));
        }
        this
    }

    /// Counts a text with the special tokens that it holds, if it does.
    fn add(&mut self, tokens: &BTreeSet<String>) {
        self.count += usize::from(!tokens.is_empty());
        self.tokens.extend(tokens.iter().cloned());
    }

    /// What to say of `all` texts that stand as they are, `what` they are, and how to have the template applied.
    pub fn plain_text(&self, all: usize, what: &str, remedy: &str) -> String {
        let stand = match all {
            1 => format!(
                "one of the {what} is plain text and stands as it is: the model's chat template is not applied to it"
            ),
            _ => format!(
                "{all} {what} are plain text and stand as they are: the model's chat template is not applied to them"
            ),
        };
        // Those that are left out for their length or their answers were looked at, too.
        let (tokens, count) = (self.named(), self.count.min(all));
        let verb = if count == 1 { "holds" } else { "hold" };
        match count {
            0 => format!("{stand}. To have it applied, {remedy}"),
            _ if count == all && all > 1 => {
                format!(
                    "{stand}. They {verb} special tokens of the model ({tokens}) and were rendered already, it seems"
                )
            }
            _ if count * 2 > all => {
                format!(
                    "{stand}. {count} of {all} {verb} special tokens of the model ({tokens}), as rendered text does"
                )
            }
            _ => format!(
                "{stand}. To have it applied, {remedy}. {count} of {all} {verb} special tokens of the model ({tokens}), which \
                 are read as such and not as text"
            ),
        }
    }

    /// A few of the tokens, as they are named in a sentence.
    pub fn named(&self) -> String {
        let named: Vec<String> = self.tokens.iter().take(3).map(|token| format!("`{token}`")).collect();
        named.join(", ") + if self.tokens.len() > 3 { " and others" } else { "" }
    }
}

impl OddPairs {
    /// Counts a pair.
    pub fn add(&mut self, pair: &Oddities) {
        for name in &pair.unread {
            *self.unread.entry(name.clone()).or_default() += 1;
        }
        let written = if pair.is_plain { &mut self.rendered } else { &mut self.in_messages };
        written.add(&pair.written);
        self.bos_twice += usize::from(pair.bos_twice);
        self.eos_twice += usize::from(pair.eos_twice);
    }

    /// What there is to say of it beside how plain text is read, in sentences without a full stop.
    pub fn sentences(&self, tokenizer: &Tokenizer) -> Vec<String> {
        let mut sentences: Vec<String> = self
            .unread
            .iter()
            .map(|(field, pairs)| {
                format!(
                    "the model's chat template does not read `{field}`, which {}: it is not trained on",
                    counted(*pairs, "pair has", "pairs have")
                )
            })
            .collect();
        if self.in_messages.count > 0 {
            sentences.push(format!(
                "messages of {} hold special tokens of the model ({}), which can end a turn or begin another: take them \
                 out, or read text that was rendered already as it stands (plain_text=as_is)",
                words::pairs(self.in_messages.count),
                self.in_messages.named()
            ));
        }
        for (token, count, [one, several]) in [
            (tokenizer.bos_token(), self.bos_twice, ["pair begins with", "pairs begin with"]),
            (
                tokenizer.eos_token(),
                self.eos_twice,
                ["pair has an answer that ends with", "pairs have an answer that ends with"],
            ),
        ] {
            if let (Some(token), 1..) = (token, count) {
                let pairs = counted(count, one, several);
                sentences.push(format!("{pairs} `{token}` twice, as with TRL: take it out of the text"));
            }
        }
        sentences
    }
}

/// Whether ids begin with the beginning-of-sequence token twice.
pub fn begins_twice(tokenizer: &Tokenizer, ids: &[u32]) -> bool {
    let bos = tokenizer.bos_token().and_then(|token| tokenizer.id_of(token));
    bos.is_some_and(|bos| ids.starts_with(&[bos, bos]))
}

fn written(tokenizer: &Tokenizer, pair: &Pair) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for (content, is_answer) in [(&pair.prompt, false), (&pair.chosen, true), (&pair.rejected, true)] {
        match content {
            Content::Text(text) => {
                let eos = tokenizer.eos_token().filter(|_| is_answer).unwrap_or_default();
                let text = text.trim_end();
                found.extend(tokenizer.special_tokens_in(text.strip_suffix(eos).unwrap_or(text)));
            }
            Content::Messages(said) => {
                for message in &said.messages {
                    found.extend(tokenizer.special_tokens_in(&message.text()));
                }
            }
        }
    }
    found
}

/// Whether the last `eos` follows another with nothing but white space between.
fn ends_twice(tokenizer: &Tokenizer, ids: &[u32], eos: u32) -> bool {
    let Some(last) = ids.iter().rposition(|id| *id == eos) else { return false };
    let Some(before) = ids[..last].iter().rposition(|id| *id == eos) else { return false };
    tokenizer.decode(&ids[before + 1..last], false).is_ok_and(|between| between.trim().is_empty())
}
