//! Rules: verdicts that anyone can check by reading the answers.

use serde::{Deserialize, Serialize};

use super::{Choice, Decision, Shown};
use crate::degeneration::words;

/// A built-in rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)]
pub enum Rule {
    /// The plain answer wins: one or two sentences, at most so many words, no filler at the start, no list, heading or
    /// other mark-up. A tie when both are plain or neither is.
    Plain {
        /// Most words a plain answer may have.
        max_words: usize,
    },
    /// The answer with fewer words wins; an empty one loses.
    Shorter,
    /// The answer with more words wins.
    Longer,
    /// The answer that contains a text wins, whatever its case.
    Contains { text: String },
    /// The answer that does not contain a text wins, whatever its case; an empty one loses.
    Lacks { text: String },
}

const DEFAULT_MAX_WORDS: usize = 40;

/// Openings that say nothing, in lower case. They count only as whole words: "Sure, …" but not "Surely".
const FILLER: [&str; 26] = [
    "absolutely",
    "ah",
    "as a language model",
    "as an ai",
    "certainly",
    "definitely",
    "good question",
    "great question",
    "hello",
    "here are",
    "here is",
    "here's",
    "hey",
    "hi",
    "i am happy to",
    "i would be happy to",
    "i'd be happy to",
    "i'm happy to",
    "i'm glad you asked",
    "of course",
    "sure",
    "thank you for",
    "thanks for",
    "that's a great question",
    "well",
    "what a great question",
];

impl Rule {
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let (name, parameter) = match text.split_once(':') {
            Some((name, parameter)) => (name, Some(parameter)),
            None => (text, None),
        };
        let needed = || match parameter {
            Some(text) if !text.is_empty() => Ok(text.to_owned()),
            _ => Err(format!("write {name}:TEXT")),
        };
        match (name, parameter) {
            ("plain", None) => Ok(Rule::Plain { max_words: DEFAULT_MAX_WORDS }),
            ("plain", Some(count)) => match count.parse() {
                Ok(max_words) if max_words > 0 => Ok(Rule::Plain { max_words }),
                _ => Err("after plain: comes the largest allowed number of words, such as plain:40".to_owned()),
            },
            ("contains", _) => Ok(Rule::Contains { text: needed()? }),
            ("lacks", _) => Ok(Rule::Lacks { text: needed()? }),
            ("shorter", None) => Ok(Rule::Shorter),
            ("longer", None) => Ok(Rule::Longer),
            ("shorter" | "longer", Some(_)) => Err(format!("{name} takes no parameter")),
            _ => Err("there is plain, shorter, longer, contains:TEXT, lacks:TEXT and command:PROGRAM".to_owned()),
        }
    }

    pub(super) fn description(&self) -> String {
        match self {
            Rule::Plain { max_words } => format!(
                "rule \"plain\": an answer of one or two sentences, at most {max_words} words, without filler at the start \
                 and without lists or mark-up beats one that is not; otherwise a tie"
            ),
            Rule::Shorter => "rule \"shorter\": the answer with fewer words wins".to_owned(),
            Rule::Longer => "rule \"longer\": the answer with more words wins".to_owned(),
            Rule::Contains { text } => format!("rule \"contains\": the answer with \"{text}\" in it wins"),
            Rule::Lacks { text } => format!("rule \"lacks\": the answer without \"{text}\" in it wins"),
        }
    }

    pub(super) fn decide(&self, shown: Shown<'_>) -> Decision {
        let (a, b) = (self.rate(shown.a), self.rate(shown.b));
        let choice = match a.0.cmp(&b.0) {
            std::cmp::Ordering::Greater => Choice::A,
            std::cmp::Ordering::Less => Choice::B,
            std::cmp::Ordering::Equal => Choice::Tie,
        };
        Decision { choice, reason: Some(format!("a: {}; b: {}", a.1, b.1)) }
    }

    /// How good an answer is by this rule (higher is better), and why.
    fn rate(&self, answer: &str) -> (i64, String) {
        let contains = |text: &str| answer.to_lowercase().contains(&text.to_lowercase());
        let count = words(answer).len();
        let counted = format!("{count} words");
        match self {
            Rule::Plain { max_words } => {
                let faults = faults(answer, *max_words);
                if faults.is_empty() { (1, "plain".to_owned()) } else { (0, faults.join(", ")) }
            }
            Rule::Shorter => (if count == 0 { i64::MIN } else { -(count as i64) }, counted),
            Rule::Longer => (count as i64, counted),
            Rule::Contains { text } if contains(text) => (1, "has it".to_owned()),
            Rule::Contains { .. } => (0, "does not have it".to_owned()),
            Rule::Lacks { .. } if count == 0 => (0, "empty".to_owned()),
            Rule::Lacks { text } if contains(text) => (0, "has it".to_owned()),
            Rule::Lacks { .. } => (1, "does not have it".to_owned()),
        }
    }
}

/// What keeps an answer from being plain; nothing when it is.
fn faults(answer: &str, max_words: usize) -> Vec<String> {
    let words = words(answer).len();
    if words == 0 {
        return vec!["empty".to_owned()];
    }
    let mut faults = Vec::new();
    let sentences = sentences(answer);
    if sentences > 2 {
        faults.push(format!("{sentences} sentences"));
    }
    if words > max_words {
        faults.push(format!("{words} words"));
    }
    if let Some(filler) = filler(answer) {
        faults.push(format!("opens with \"{filler}\""));
    }
    if has_markup(answer) {
        faults.push("list or mark-up".to_owned());
    }
    faults
}

/// Counts sentences: a full stop, question or exclamation mark that ends a word ends one, unless the next word goes on in
/// lower case ("e.g. this", "approx. five"); a line break ends one too, and so does the end of the text.
fn sentences(text: &str) -> usize {
    let mut count = 0;
    for line in text.lines() {
        // A list's number at the start of a line is no word.
        let line =
            line.trim_start().trim_start_matches(|c: char| c.is_ascii_digit()).strip_prefix(". ").unwrap_or(line);
        let tokens: Vec<&str> = line.split_whitespace().filter(|token| token.contains(char::is_alphanumeric)).collect();
        for (index, token) in tokens.iter().enumerate() {
            let bare = token.trim_end_matches(['"', '\'', '”', '’', ')', ']', '*']);
            let ends = bare.ends_with(['.', '!', '?', '…', '。', '！', '？']);
            // An initial or abbreviation with inner stops ("J.", "U.S.") does not end a sentence.
            let stem = bare.trim_end_matches('.');
            let abbreviated = bare.ends_with('.')
                && (stem.chars().count() == 1 && stem.chars().all(char::is_uppercase)
                    || stem.contains('.') && !stem.contains(char::is_numeric));
            let titled = matches!(stem, "Mr" | "Mrs" | "Ms" | "Dr" | "Prof" | "St" | "vs");
            let goes_on = tokens.get(index + 1).is_some_and(|next| next.starts_with(char::is_lowercase));
            let is_last = index + 1 == tokens.len();
            if is_last || ends && !goes_on && !abbreviated && !titled {
                // Scripts without spaces put several sentences into one token.
                count += token.matches(['。', '！', '？']).count().max(1);
            }
        }
    }
    count
}

fn filler(answer: &str) -> Option<&'static str> {
    let start = answer.trim_start().replace('’', "'").to_lowercase();
    let opens =
        |filler: &&&str| start.strip_prefix(**filler).is_some_and(|rest| !rest.starts_with(char::is_alphanumeric));
    // The longest, so that "here's" is not reported as "here".
    FILLER.iter().filter(opens).max_by_key(|filler| filler.len()).copied()
}

/// Whether a line begins a list or a heading, or the text has bold marks, code fences or table bars.
fn has_markup(answer: &str) -> bool {
    let is_list = |line: &str| {
        let line = line.trim_start();
        let numbered = line.trim_start_matches(|c: char| c.is_ascii_digit());
        let is_numbered = numbered.len() < line.len() && (numbered.starts_with(". ") || numbered.starts_with(") "));
        is_numbered
            || ["- ", "* ", "+ ", "• ", "# ", "## ", "### ", "|", "> "].iter().any(|mark| line.starts_with(mark))
    };
    answer.lines().any(is_list) || answer.contains("**") || answer.contains("```")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn winner(rule: &Rule, a: &str, b: &str) -> Choice {
        let shown = Shown { id: 0, prompt: "?", a, b };
        let swapped = Shown { id: 0, prompt: "?", a: b, b: a };
        let choice = rule.decide(shown).choice;
        let mirrored = match choice {
            Choice::A => Choice::B,
            Choice::B => Choice::A,
            Choice::Tie => Choice::Tie,
        };
        assert_eq!(rule.decide(swapped).choice, mirrored, "the order may not matter to a rule");
        choice
    }

    #[test]
    fn plain_answers_beat_padded_ones() {
        let rule = Rule::Plain { max_words: 12 };
        let plain = "Water boils at 100 °C at sea level.";
        for padded in [
            "Sure! Water boils at 100 °C.",
            "Here’s the answer: 100 °C.",
            "It boils. It steams. It is gone.",
            "Water boils at 100 °C:\n- at sea level",
            "1. Water boils",
            "**100 °C**",
            "Water, as one may know from school or from the kitchen, boils at 100 degrees Celsius.",
            "",
            " \n",
        ] {
            assert_eq!(winner(&rule, plain, padded), Choice::A, "{padded}");
        }
        assert_eq!(winner(&rule, plain, "100 °C."), Choice::Tie);
        assert_eq!(winner(&rule, "", "Sure, 100."), Choice::Tie);
        let decision = rule.decide(Shown { id: 0, prompt: "?", a: "Well, yes. No. Maybe.", b: plain });
        assert_eq!(decision.reason.as_deref(), Some("a: 3 sentences, opens with \"well\"; b: plain"));
    }

    #[test]
    fn sentences_are_counted_as_a_reader_would() {
        for (text, count) in [
            ("Yes.", 1),
            ("Paris", 1),
            ("It costs 3.50 euros. Really!", 2),
            ("Use e.g. a pan, i.e. an iron one.", 1),
            ("J. S. Bach lived in the U.S. never.", 1),
            ("Dr. Who is on TV. \"Who?\" Yes.", 3),
            ("He said \"Go!\" and left.", 1),
            ("One\ntwo\n\nthree", 3),
            ("1. One\n2. Two", 2),
            ("水在一百度沸腾。是的！", 2),
            ("Wait... What?", 2),
            ("", 0),
            ("!!! ...", 0),
        ] {
            assert_eq!(sentences(text), count, "{text}");
        }
    }

    #[test]
    fn filler_is_a_whole_word() {
        assert_eq!(filler("  Sure, here you go"), Some("sure"));
        assert_eq!(filler("Surely not"), None);
        assert_eq!(filler("Hi"), Some("hi"));
        assert_eq!(filler("History is long"), None);
        assert_eq!(filler("I’d be happy to help"), Some("i'd be happy to"));
    }

    #[test]
    fn the_small_rules() {
        assert_eq!(winner(&Rule::Shorter, "one two", "one two three"), Choice::A);
        assert_eq!(winner(&Rule::Shorter, "one", ""), Choice::A);
        assert_eq!(winner(&Rule::Longer, "one", ""), Choice::A);
        assert_eq!(winner(&Rule::Contains { text: "Ja".into() }, "oh ja", "nein"), Choice::A);
        assert_eq!(winner(&Rule::Lacks { text: "sorry".into() }, "fine", "Sorry, no"), Choice::A);
        assert_eq!(winner(&Rule::Lacks { text: "sorry".into() }, "fine", ""), Choice::A);
        assert_eq!(winner(&Rule::Contains { text: "x".into() }, "x", "an x"), Choice::Tie);
    }
}
