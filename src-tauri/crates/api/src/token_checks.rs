//! What is odd about pairs as a model reads them: what its limits cut, where a prompt ends, and its special tokens.

use chat::{Limits, Tokenizer};
use prefs::checks::{Code, Finding, Found};
use prefs::{Content, Pair, words};
use serde::Serialize;
use std::collections::BTreeSet;
use train::memory::Length;

/// Pairs as they are looked at one after the other.
#[derive(Default)]
pub(crate) struct TokenChecks {
    cut_one_side: Found,
    broken_boundary: Found,
    special_tokens: Found,
    tokens: BTreeSet<String>,
}

impl TokenChecks {
    pub(crate) fn look_at(
        &mut self,
        row: usize,
        pair: &Pair,
        length: &Length,
        is_broken: bool,
        tokenizer: &Tokenizer,
        limits: &Limits,
    ) {
        if length.is_cut_on_one_side(limits) {
            self.cut_one_side.note(row, || {
                format!("prompt {}, chosen {}, rejected {} tokens", length.prompt, length.chosen, length.rejected)
            });
        }
        if is_broken {
            self.broken_boundary.add(row);
        }
        let tokens = special_tokens(tokenizer, pair);
        if !tokens.is_empty() {
            self.special_tokens
                .note(row, || tokens.iter().map(|token| format!("`{token}`")).collect::<Vec<_>>().join(", "));
            self.tokens.extend(tokens);
        }
    }

    /// The findings, those that there are.
    pub(crate) fn findings(self) -> Vec<Finding> {
        let count = |found: &Found| words::pairs(found.count());
        let tokens: Vec<String> = self.tokens.iter().take(3).map(|token| format!("`{token}`")).collect();
        let cut = format!(
            "In {} the limits cut the end of one answer and not of the other: the model learns from the cut, too.",
            count(&self.cut_one_side)
        );
        let broken = format!(
            "In {} the prompt ends otherwise before an answer than alone: that end is left out of training, as TRL does.",
            count(&self.broken_boundary)
        );
        let special = format!(
            "In {} a message holds special tokens of the model ({}), which can end a turn or begin another.",
            count(&self.special_tokens),
            tokens.join(", ")
        );
        let all = [
            Finding::new(Code::CutOneSide, self.cut_one_side, cut),
            Finding::new(Code::BrokenBoundary, self.broken_boundary, broken),
            Finding::new(Code::SpecialTokens, self.special_tokens, special),
        ];
        all.into_iter().filter(|finding| !finding.rows.is_empty()).collect()
    }
}

/// The special tokens that messages of a pair hold. Plain text holds them where it was rendered already, as is said of it.
fn special_tokens(tokenizer: &Tokenizer, pair: &Pair) -> BTreeSet<String> {
    let parts = [&pair.prompt, &pair.chosen, &pair.rejected].into_iter().filter_map(Content::as_messages).flatten();
    parts.flat_map(|message| tokenizer.special_tokens_in(&message.text())).collect()
}

/// How many pairs have so many tokens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LengthBin {
    /// The fewest tokens of prompt and longer answer together.
    pub from: usize,
    /// The most.
    pub to: usize,
    /// Pairs, before any limit.
    pub pairs: usize,
}

/// A histogram of lengths; each bin is as wide as all before it.
pub(crate) fn histogram(lengths: &[Length]) -> Vec<LengthBin> {
    let mut bins: Vec<LengthBin> = Vec::new();
    for length in lengths {
        let whole = length.whole();
        while bins.last().is_none_or(|bin| bin.to < whole) {
            let from = bins.last().map_or(0, |bin| bin.to + 1);
            bins.push(LengthBin { from, to: if from == 0 { 63 } else { from * 2 - 1 }, pairs: 0 });
        }
        let place = bins.partition_point(|bin| bin.to < whole);
        bins[place].pairs += 1;
    }
    bins
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use prefs::Message;

    #[test]
    fn bins_hold_every_pair_once() {
        let lengths = [0, 63, 64, 127, 128, 700].map(|prompt| Length { prompt, ..Length::default() });
        let bins: Vec<_> = histogram(&lengths).iter().map(|bin| (bin.from, bin.to, bin.pairs)).collect();
        assert_eq!(bins, [(0, 63, 2), (64, 127, 2), (128, 255, 1), (256, 511, 0), (512, 1023, 1)]);
        assert_eq!(histogram(&[]), []);
    }

    #[test]
    fn pairs_cut_on_one_side_and_special_tokens_are_found() {
        let folder = tempfile::tempdir().unwrap();
        testkit::TinyLlama::default().write_folder(folder.path()).unwrap();
        let tokenizer = Tokenizer::open(folder.path()).unwrap();
        let eos = tokenizer.eos_token().unwrap().to_owned();
        let said = |role: &str, text: &str| Content::from(vec![Message::new(role, text)]);
        let pair = |chosen: &str| Pair {
            prompt: said("user", "q"),
            chosen: said("assistant", chosen),
            rejected: said("assistant", "b"),
            category: None,
        };
        let length = |chosen| Length { prompt: 4, chosen, rejected: 3, ..Length::default() };
        let limits = Limits { max_length: Some(8), ..Limits::default() };
        let mut checks = TokenChecks::default();
        for (row, (text, chosen, broken)) in
            [("a", 4, false), ("a long one", 6, true), (&format!("a{eos}"), 4, false)].into_iter().enumerate()
        {
            checks.look_at(row, &pair(text), &length(chosen), broken, &tokenizer, &limits);
        }
        let found: Vec<_> = checks.findings().into_iter().map(|finding| (finding.code, finding.rows)).collect();
        assert_eq!(
            found,
            [(Code::CutOneSide, vec![1]), (Code::BrokenBoundary, vec![1]), (Code::SpecialTokens, vec![2])]
        );
    }
}
