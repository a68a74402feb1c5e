//! Texts as the checks compare them: without regard to case and white space, as words, and as runs of three words.

use std::borrow::Cow;

use sha2::{Digest, Sha256};

use super::prompt_key;
use crate::{Content, Message};

/// Words that make one shingle.
const SHINGLE: usize = 3;

/// 128 bits of the SHA-256 of a content: equal where [`super::leaked_prompts`] takes two prompts for the same.
pub fn fingerprint(content: &Content) -> u128 {
    let digest: [u8; 32] = Sha256::digest(prompt_key(content).as_bytes()).into();
    digest.iter().take(16).fold(0, |bits, byte| bits << 8 | u128::from(*byte))
}

/// [`fingerprint`] of what is asked without the system's messages; none where these are all there is.
pub(super) fn fingerprint_of_asked(prompt: &Content) -> Option<u128> {
    match prompt {
        Content::Messages(said) if said.messages.iter().any(sets_the_scene) => {
            let mut asked = said.clone();
            asked.messages.retain(|message| !sets_the_scene(message));
            (!asked.messages.is_empty()).then(|| fingerprint(&Content::Messages(asked)))
        }
        _ => Some(fingerprint(prompt)),
    }
}

/// The texts of a content: itself, or what each message says.
pub(super) fn texts(content: &Content) -> impl Iterator<Item = Cow<'_, str>> {
    let (text, messages) = match content {
        Content::Text(text) => (Some(Cow::Borrowed(text.as_str())), &[] as &[Message]),
        Content::Messages(said) => (None, said.messages.as_slice()),
    };
    text.into_iter().chain(messages.iter().map(Message::text))
}

/// What an answer says, as one text.
pub(super) fn said(content: &Content) -> Cow<'_, str> {
    joined(texts(content))
}

/// What was asked last: a text, or the last message that is not by the system.
pub(super) fn asked(prompt: &Content) -> Cow<'_, str> {
    match prompt {
        Content::Text(text) => Cow::Borrowed(text),
        Content::Messages(said) => {
            said.messages.iter().rev().find(|message| !sets_the_scene(message)).map(Message::text).unwrap_or_default()
        }
    }
}

/// All that was asked, without the system's messages: one of these stands before every prompt of many sets, and would make
/// all of them look alike.
pub(super) fn asked_in_all(prompt: &Content) -> Cow<'_, str> {
    match prompt {
        Content::Text(text) => Cow::Borrowed(text),
        Content::Messages(said) => {
            joined(said.messages.iter().filter(|message| !sets_the_scene(message)).map(Message::text))
        }
    }
}

fn sets_the_scene(message: &Message) -> bool {
    matches!(message.role.as_str(), "system" | "developer")
}

fn joined<'a>(mut texts: impl Iterator<Item = Cow<'a, str>>) -> Cow<'a, str> {
    let Some(first) = texts.next() else { return Cow::Borrowed("") };
    let Some(second) = texts.next() else { return first };
    let mut all = format!("{first}\n{second}");
    for text in texts {
        all.push('\n');
        all.push_str(&text);
    }
    Cow::Owned(all)
}

/// Lower case, with one space between words and none at the ends.
pub(super) fn folded(text: &str) -> String {
    let mut folded = String::with_capacity(text.len());
    for word in text.split_whitespace() {
        if !folded.is_empty() {
            folded.push(' ');
        }
        push_lower(&mut folded, word);
    }
    folded
}

/// Appends a word in lower case, letter by letter; most are ASCII, which is quick.
pub(super) fn push_lower(text: &mut String, word: &str) {
    if word.is_ascii() {
        let begin = text.len();
        text.push_str(word);
        text[begin..].make_ascii_lowercase();
    } else {
        text.extend(word.chars().flat_map(char::to_lowercase));
    }
}

/// The words of a text as hashes (FNV-1a of the lower case): runs of letters and digits, each character of a script that is
/// written without spaces, and each sign, so that `a < b` is not `a > b`.
pub(super) fn words(text: &str) -> Vec<u64> {
    const OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
    let mut words = Vec::with_capacity(text.len() / 5);
    let mut word = None;
    for c in text.chars() {
        if c.is_ascii_alphanumeric() {
            word = Some(add(word.unwrap_or(OFFSET), c.to_ascii_lowercase()));
            continue;
        }
        if !c.is_ascii() && c.is_alphanumeric() && !is_unspaced(c) {
            word = Some(c.to_lowercase().fold(word.unwrap_or(OFFSET), add));
            continue;
        }
        words.extend(word.take());
        if !c.is_whitespace() {
            words.push(add(OFFSET, c));
        }
    }
    words.extend(word);
    words
}

/// Number of words in the everyday sense: signs are none.
pub(super) fn count_words(text: &str) -> usize {
    let (mut count, mut inside) = (0, false);
    for c in text.chars() {
        let unspaced = !c.is_ascii() && is_unspaced(c);
        count += usize::from(unspaced || (c.is_alphanumeric() && !inside));
        // An apostrophe, a point or a hyphen within a word does not end it.
        inside = !unspaced && (c.is_alphanumeric() || (inside && !c.is_whitespace()));
    }
    count
}

#[inline]
fn add(hash: u64, c: char) -> u64 {
    (hash ^ u64::from(c)).wrapping_mul(0x0000_0100_0000_01b3)
}

/// Han, kana, Thai, Lao, Khmer and Burmese: no spaces stand between words.
fn is_unspaced(c: char) -> bool {
    matches!(c, '\u{0e00}'..='\u{0eff}' | '\u{1000}'..='\u{109f}' | '\u{1780}'..='\u{17ff}' | '\u{3040}'..='\u{30ff}'
        | '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}' | '\u{f900}'..='\u{faff}' | '\u{20000}'..='\u{3134f}')
}

/// The different runs of three words, as sorted hashes; of a shorter text the one run that it is.
pub(super) fn shingles(words: &[u64]) -> Vec<u64> {
    let run = |words: &[u64]| {
        let mixed =
            words.iter().fold(0_u64, |hash, word| (hash.rotate_left(23) ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        mixed ^ mixed >> 32
    };
    let mut shingles: Vec<u64> = match words.len() {
        0 => Vec::new(),
        1..SHINGLE => vec![run(words)],
        _ => words.windows(SHINGLE).map(run).collect(),
    };
    shingles.sort_unstable();
    shingles.dedup();
    shingles
}

/// Jaccard's index of two sorted sets: what both have, out of what either has. 1 for two empty ones.
pub(super) fn jaccard(one: &[u64], other: &[u64]) -> f64 {
    let (mut a, mut b, mut both) = (0, 0, 0_usize);
    while a < one.len() && b < other.len() {
        match one[a].cmp(&other[b]) {
            std::cmp::Ordering::Less => a += 1,
            std::cmp::Ordering::Greater => b += 1,
            std::cmp::Ordering::Equal => (a, b, both) = (a + 1, b + 1, both + 1),
        }
    }
    let either = one.len() + other.len() - both;
    if either == 0 { 1.0 } else { both as f64 / either as f64 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_counted_in_every_script() {
        for (text, count) in [
            ("", 0),
            (" … ", 0),
            ("4", 1),
            ("3.14", 1),
            ("Don't!", 1),
            ("well-known", 1),
            ("two words", 2),
            ("北京", 2),
            ("Das ist Größe", 3),
            ("- a\n- b", 2),
        ] {
            assert_eq!(count_words(text), count, "{text}");
        }
    }

    #[test]
    fn jaccard_is_that_of_the_runs_of_three_words() {
        let of = |text: &str| shingles(&words(text));
        let index = |one: &str, other: &str| jaccard(&of(one), &of(other));
        let is = |found: f64, expected: f64| assert!((found - expected).abs() < 1e-12, "{found}");
        is(index("a b c d", "A  B c D"), 1.0);
        // abc bcd cde against abc bcd cdx: two of four.
        is(index("a b c d e", "a b c d x"), 0.5);
        is(index("a < b", "a > b"), 0.0);
        is(index("", ""), 1.0);
        is(index("", "a"), 0.0);
    }
}
