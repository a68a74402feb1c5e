//! Signs that a model's text decays: length, repetition, empty and cut-off answers.
//!
//! A preference-tuned model can win a comparison and still have become long-winded or repetitive; these numbers stand
//! next to every win rate.

use std::collections::HashSet;

use numbers::{percent, tenths};
use serde::{Deserialize, Serialize};
use ts_rs::TS;

use crate::answers::Answer;

/// Length and repetition of one model's answers.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct TextStatistics {
    /// How many answers.
    pub answers: usize,
    /// Answers with nothing but white space.
    pub empty: usize,
    /// Answers that ran into `max_new_tokens`.
    pub truncated: usize,
    /// Answers of which it is known how many tokens they have, and whether they were cut; all, in earlier records.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub counted: Option<usize>,
    /// Mean length in words.
    pub mean_words: f64,
    /// Mean length in the model's tokens, of the answers of which it is known.
    pub mean_tokens: f64,
    /// Different words over all words of all answers (distinct-1; Li et al. 2016, arXiv 1510.03055). Falls with the
    /// amount of text alone: compare only sides that answered the same prompts, and read it beside the length.
    pub distinct_1: f64,
    /// The same of word pairs (distinct-2).
    pub distinct_2: f64,
    /// The same of word triples (distinct-3).
    pub distinct_3: f64,
    /// Share of an answer's word quadruples that it has said before, mean over answers of at least four words
    /// (seq-rep-4; Welleck et al. 2019, arXiv 1908.04319). Does not depend on how many answers there are.
    pub repeated_4: f64,
}

impl TextStatistics {
    /// Counts over answers of one side.
    pub fn of<'a>(answers: impl IntoIterator<Item = &'a Answer>) -> Self {
        let mut counts = Self::default();
        let (mut texts, mut counted) = (Vec::new(), 0);
        for answer in answers {
            counts.answers += 1;
            counts.empty += usize::from(answer.text.trim().is_empty());
            counts.truncated += usize::from(answer.truncated);
            counts.mean_tokens += answer.tokens.unwrap_or(0) as f64;
            counted += usize::from(answer.tokens.is_some());
            texts.push(words(&answer.text));
        }
        let count = counts.answers.max(1) as f64;
        counts.mean_tokens /= counted.max(1) as f64;
        counts.counted = (counts.answers > 0).then_some(counted);
        counts.mean_words = texts.iter().map(Vec::len).sum::<usize>() as f64 / count;
        counts.distinct_1 = distinct(&texts, 1);
        counts.distinct_2 = distinct(&texts, 2);
        counts.distinct_3 = distinct(&texts, 3);
        let repeated: Vec<f64> = texts.iter().filter_map(|text| repeated(text, 4)).collect();
        // The sum of nothing is -0.
        counts.repeated_4 = repeated.iter().fold(0.0, |sum, share| sum + share) / repeated.len().max(1) as f64;
        counts
    }
}

/// A number of both sides, as it is told everywhere; who they are is told beside it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS)]
#[allow(missing_docs)]
pub struct TextRow {
    pub name: &'static str,
    /// Of the answers that are compared with.
    pub base: String,
    /// Of those that the win rate is of.
    pub tuned: String,
}

/// The numbers of both sides under their names, in their order.
pub fn rows(base: &TextStatistics, tuned: &TextStatistics) -> Vec<TextRow> {
    // Of some there is always one that is different.
    let different = |share: f64| if share > 0.0 { percent(share) } else { "–".to_owned() };
    let row =
        |name, value: &dyn Fn(&TextStatistics) -> String| TextRow { name, base: value(base), tuned: value(tuned) };
    vec![
        row("Words per answer, mean", &|side| tenths(side.mean_words)),
        row("Tokens per answer, mean", &|side| match side.counted {
            Some(0) => "not known".to_owned(),
            _ => tenths(side.mean_tokens),
        }),
        row("Cut off at max_new_tokens", &|side| match side.counted {
            Some(0) => "not known".to_owned(),
            counted => format!("{} of {}", side.truncated, counted.unwrap_or(side.answers)),
        }),
        row("Empty answers", &|side| format!("{} of {}", side.empty, side.answers)),
        row("Repeated within an answer (runs of four words, seq-rep-4)", &|side| percent(side.repeated_4)),
        row("Different words among all (distinct-1)", &|side| different(side.distinct_1)),
        row("Different word pairs (distinct-2)", &|side| different(side.distinct_2)),
        row("Different word triples (distinct-3)", &|side| different(side.distinct_3)),
    ]
}

/// The words of a text in lower case: runs of letters, digits, apostrophes and hyphens; in scripts written without
/// spaces (Chinese, Japanese) each character is one.
pub fn words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    for c in text.chars() {
        let alone = matches!(c, '\u{3040}'..='\u{30ff}' | '\u{3400}'..='\u{9fff}' | '\u{f900}'..='\u{faff}' | '\u{20000}'..='\u{3ffff}');
        let inside = c.is_alphanumeric() || matches!(c, '\'' | '’' | '-') && !word.is_empty();
        if (alone || !inside) && !word.is_empty() {
            words.push(std::mem::take(&mut word));
        }
        if alone {
            words.push(c.to_string());
        } else if inside {
            word.extend(c.to_lowercase());
        }
    }
    if !word.is_empty() {
        words.push(word);
    }
    words
}

/// Different n-grams over all n-grams of all texts; 0 where there are none. No n-gram crosses from one text to the next.
fn distinct(texts: &[Vec<String>], n: usize) -> f64 {
    let different: HashSet<&[String]> = texts.iter().flat_map(|text| text.windows(n)).collect();
    let all: usize = texts.iter().map(|text| text.windows(n).len()).sum();
    different.len() as f64 / all.max(1) as f64
}

/// Share of a text's n-grams that came before in it; `None` when it is too short to have one.
fn repeated(text: &[String], n: usize) -> Option<f64> {
    let all = text.windows(n).len();
    let different = text.windows(n).collect::<HashSet<_>>().len();
    (all > 0).then(|| (all - different) as f64 / all as f64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::answers::Side;

    fn answer(text: &str, tokens: usize, truncated: bool) -> Answer {
        Answer { id: 0, side: Side::Base, text: text.to_owned(), tokens: Some(tokens), truncated }
    }

    fn near(a: f64, b: f64) -> bool {
        (a - b).abs() < 1e-12
    }

    #[test]
    fn what_short_answers_do_not_have_is_told_as_nothing() {
        let short = TextStatistics::of(&[answer("Yes.", 2, false)]);
        let told: Vec<String> = rows(&short, &short).into_iter().map(|row| row.base).collect();
        assert_eq!(told[4..], ["0.0 %", "100.0 %", "–", "–"]);
    }

    #[test]
    fn words_are_what_a_reader_would_count() {
        assert_eq!(
            words("It's a well-known fact: 3.5 apples — yes!"),
            ["it's", "a", "well-known", "fact", "3", "5", "apples", "yes"]
        );
        assert_eq!(words("我喜欢 Rust。"), ["我", "喜", "欢", "rust"]);
        assert_eq!(words("  - ' 🙂 \n"), Vec::<String>::new());
        assert_eq!(words("ÉTÉ"), ["été"]);
    }

    #[test]
    fn numbers_by_hand() {
        // Words: a b a b a b (6) and c (1): 3 of 7 distinct; pairs ab ba ab ba ab: 2 of 5; triples aba bab aba bab: 2 of 4;
        // quadruples abab baba abab: 1 of 3 repeated.
        let answers = [answer("a b a b a b", 8, true), answer("C.", 2, false), answer(" \n", 0, false)];
        let statistics = TextStatistics::of(&answers);
        assert_eq!((statistics.answers, statistics.empty, statistics.truncated), (3, 1, 1));
        assert!(near(statistics.mean_words, 7.0 / 3.0) && near(statistics.mean_tokens, 10.0 / 3.0));
        assert!(near(statistics.distinct_1, 3.0 / 7.0));
        assert!(near(statistics.distinct_2, 0.4) && near(statistics.distinct_3, 0.5));
        assert!(near(statistics.repeated_4, 1.0 / 3.0));
    }

    #[test]
    fn no_answers_give_zeros_and_no_nan() {
        assert_eq!(TextStatistics::of([]), TextStatistics::default());
    }
}
