//! What the limits on tokens did to a set of pairs: which were cut, which are too long, and in words.

use crate::error::{Error, Result};
use crate::memory::Length;
use chat::{Kept, Limits, Over, Truncation};
use prefs::words;
use serde::Serialize;
use std::fmt::Write;
use std::path::Path;

/// Pairs whose numbers stand in a sentence.
const NAMED: usize = 10;

/// The pairs that the limits touched, by their numbers, each list in rising order.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Cuts {
    /// Those left out as too long; with `refuse`, those for which everything is refused.
    pub too_long: Vec<TooLong>,
    /// Those in use whose prompt lost tokens.
    pub prompts: Vec<i64>,
    /// Those in use of which an answer lost tokens.
    pub answers: Vec<i64>,
    /// Those, left out or in use, of which the chosen answer alone is too long.
    pub chosen_only: Vec<i64>,
    /// The same of the rejected answer.
    pub rejected_only: Vec<i64>,
}

/// A pair that is too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct TooLong {
    /// Its number.
    pub number: i64,
    /// Tokens of the prompt.
    pub prompt: usize,
    /// Tokens of the chosen answer.
    pub chosen: usize,
    /// Tokens of the rejected answer.
    pub rejected: usize,
}

impl TooLong {
    /// A pair of this length.
    pub fn of(number: i64, &Length { prompt, chosen, rejected, .. }: &Length) -> Self {
        Self { number, prompt, chosen, rejected }
    }

    fn whole(&self) -> usize {
        self.prompt + self.chosen.max(self.rejected)
    }
}

impl Cuts {
    /// Keeps which of a pair's sequences are too long.
    pub fn add_over(&mut self, number: i64, over: Option<Over>) {
        match over {
            Some(Over::Chosen) => self.chosen_only.push(number),
            Some(Over::Rejected) => self.rejected_only.push(number),
            Some(Over::Both) | None => {}
        }
    }

    /// Keeps what was cut of a pair in use.
    pub(crate) fn add_kept(&mut self, number: i64, kept: &Kept) {
        self.add(number, kept.cut_prompt > 0, kept.cut_chosen + kept.cut_rejected > 0);
    }

    /// Keeps whether the prompt and an answer of a pair in use were cut.
    pub fn add(&mut self, number: i64, prompt: bool, answer: bool) {
        self.prompts.extend(prompt.then_some(number));
        self.answers.extend(answer.then_some(number));
    }

    /// What the limits do, as sentences without a full stop; `what` is what the numbers count: `line` or `pair`.
    pub fn sentences(&self, limits: &Limits, what: &str) -> Vec<String> {
        let mut said = Vec::new();
        let longer = in_words(limits, "or");
        if !self.too_long.is_empty() {
            let numbers: Vec<i64> = self.too_long.iter().map(|pair| pair.number).collect();
            let why = match limits.truncation {
                Truncation::KeepStart => format!("a prompt that alone fills {}", max_length(limits)),
                Truncation::PromptLeft => {
                    format!("answers beside which {} leaves no room for a prompt", in_words(limits, "and"))
                }
                Truncation::KeepEnd | Truncation::Drop | Truncation::Refuse => format!("more tokens than {longer}"),
            };
            let (are, have) = if numbers.len() == 1 { ("pair is", "it has") } else { ("pairs are", "they have") };
            said.push(format!("{} {are} left out: {have} {why} ({})", numbers.len(), named(&numbers, what)));
        }
        if !self.prompts.is_empty() {
            let count = self.prompts.len();
            let noun = if count == 1 { "prompt loses its" } else { "prompts lose their" };
            said.push(format!("{count} {noun} beginning to {longer} ({})", named(&self.prompts, what)));
        }
        if !self.answers.is_empty() {
            let count = self.answers.len();
            let noun = if count == 1 { "pair loses" } else { "pairs lose" };
            let which = if limits.truncation == Truncation::KeepEnd { "beginning" } else { "end" };
            let numbers = named(&self.answers, what);
            said.push(format!("{count} {noun} the {which} of an answer to {} ({numbers})", max_length(limits)));
        }
        for (numbers, side) in [(&self.chosen_only, "chosen"), (&self.rejected_only, "rejected")] {
            if !numbers.is_empty() {
                let of = words::pairs(numbers.len());
                let numbers = named(numbers, what);
                said.push(format!(
                    "of {of} the {side} answer alone is too long for {} ({numbers})",
                    max_length(limits)
                ));
            }
        }
        said
    }

    /// Refuses pairs that are too long, where the limits say so.
    ///
    /// # Errors
    /// [`Error::TooLong`], naming the first of them with their lengths.
    pub fn refuse(&self, limits: &Limits, path: &Path, pairs: usize, what: &str) -> Result<()> {
        if limits.truncation != Truncation::Refuse || self.too_long.is_empty() {
            return Ok(());
        }
        let count = self.too_long.len();
        let mut said = format!(
            "{count} of {} {} more tokens than {}, and truncation = \"refuse\" has nothing computed then:",
            words::pairs(pairs),
            if count == 1 { "has" } else { "have" },
            in_words(limits, "or")
        );
        for (place, TooLong { number, prompt, chosen, rejected }) in self.too_long.iter().take(NAMED).enumerate() {
            let comma = if place == 0 { "" } else { "," };
            let which = named(&[*number], what);
            let _ = write!(said, "{comma} {which} (prompt {prompt}, chosen {chosen}, rejected {rejected})");
        }
        if count > NAMED {
            let _ = write!(said, ", and {} more", count - NAMED);
        }
        let most = |of: fn(&TooLong) -> usize| self.too_long.iter().map(of).max().unwrap_or(0);
        let (whole, prompt) = (most(TooLong::whole), most(|pair| pair.prompt));
        let raised: Vec<String> =
            [("max_length", limits.max_length, whole), ("max_prompt_length", limits.max_prompt_length, prompt)]
                .into_iter()
                .filter(|(_, limit, needed)| limit.is_some_and(|limit| limit < *needed))
                .map(|(name, _, needed)| format!("{name} = {needed}"))
                .collect();
        let raised = raised.join(" and ");
        let hint = format!(
            "Set {raised} to keep all pairs whole, or choose another truncation: prompt_left cuts prompts alone, drop leaves these \
             pairs out."
        );
        Err(Error::TooLong { path: path.to_path_buf(), what: said, hint })
    }
}

fn max_length(limits: &Limits) -> String {
    format!("max_length = {}", limits.max_length.unwrap_or(0))
}

/// The limits that are set.
fn in_words(limits: &Limits, between: &str) -> String {
    let prompt = limits.max_prompt_length.map(|most| format!("max_prompt_length = {most}"));
    let set: Vec<String> = limits.max_length.map(|_| max_length(limits)).into_iter().chain(prompt).collect();
    set.join(&format!(" {between} "))
}

/// `lines 3, 5, 8 and 4 more`. A pair below zero is that of a labelled item, by whose number it is known: `pairs 3, 5, item 4`.
fn named(numbers: &[i64], what: &str) -> String {
    let shown = &numbers[..numbers.len().min(NAMED)];
    let (pairs, items): (Vec<i64>, Vec<i64>) = shown.iter().partition(|number| **number >= 0);
    let list = |numbers: &[i64], what: &str| {
        let plural = if numbers.len() == 1 { "" } else { "s" };
        let numbers: Vec<String> = numbers.iter().map(|number| number.unsigned_abs().to_string()).collect();
        (!numbers.is_empty()).then(|| format!("{what}{plural} {}", numbers.join(", ")))
    };
    let lists: Vec<String> = list(&pairs, what).into_iter().chain(list(&items, "item")).collect();
    let more = match numbers.len().saturating_sub(NAMED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    format!("{}{more}", lists.join(", "))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn limits(truncation: Truncation, max_prompt_length: Option<usize>) -> Limits {
        Limits { max_length: Some(16), max_prompt_length, truncation }
    }

    #[test]
    fn each_policy_says_what_it_does_and_to_which() {
        let too_long = |number| TooLong { number, prompt: 9, chosen: 9, rejected: 3 };
        let mut cuts = Cuts { too_long: vec![too_long(4), too_long(7)], ..Cuts::default() };
        cuts.add(1, true, false);
        cuts.add(2, false, true);
        cuts.add_over(4, Some(Over::Chosen));
        assert_eq!(
            cuts.sentences(&limits(Truncation::KeepStart, None), "line"),
            [
                "2 pairs are left out: they have a prompt that alone fills max_length = 16 (lines 4, 7)",
                "1 prompt loses its beginning to max_length = 16 (line 1)",
                "1 pair loses the end of an answer to max_length = 16 (line 2)",
                "of 1 pair the chosen answer alone is too long for max_length = 16 (line 4)",
            ]
        );
        let left_out = |truncation, prompt| cuts.sentences(&limits(truncation, prompt), "pair").swap_remove(0);
        let said = left_out(Truncation::Drop, Some(8));
        assert_eq!(
            said,
            "2 pairs are left out: they have more tokens than max_length = 16 or max_prompt_length = 8 (pairs 4, 7)"
        );
        let said = left_out(Truncation::PromptLeft, None);
        assert!(said.contains("answers beside which max_length = 16 leaves no room for a prompt"), "{said}");
        assert!(Cuts::default().sentences(&limits(Truncation::Drop, None), "line").is_empty());
        let many: Vec<i64> = (1..=13).collect();
        assert_eq!(named(&many, "line"), "lines 1, 2, 3, 4, 5, 6, 7, 8, 9, 10 and 3 more");
        assert_eq!(named(&[2, -13, 4, -6], "pair"), "pairs 2, 4, items 13, 6");
        assert_eq!(named(&[-13], "pair"), "item 13");
    }

    #[test]
    fn a_refusal_names_the_pairs_with_their_lengths_and_a_limit_that_keeps_them() {
        let cuts = Cuts { too_long: vec![TooLong { number: 4, prompt: 9, chosen: 9, rejected: 3 }], ..Cuts::default() };
        let refuse = |truncation, prompt| cuts.refuse(&limits(truncation, prompt), Path::new("p.jsonl"), 20, "line");
        refuse(Truncation::Drop, None).unwrap();
        let error = refuse(Truncation::Refuse, Some(8)).unwrap_err();
        assert_eq!(error.code(), "too_long");
        assert_eq!(
            error.to_string(),
            "p.jsonl: 1 of 20 pairs has more tokens than max_length = 16 or max_prompt_length = 8, and truncation = \"refuse\" \
             has nothing computed then: line 4 (prompt 9, chosen 9, rejected 3)"
        );
        assert!(error.hint().starts_with("Set max_length = 18 and max_prompt_length = 9 to keep"), "{}", error.hint());
    }
}
