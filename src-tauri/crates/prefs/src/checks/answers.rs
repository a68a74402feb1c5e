//! What is odd about the two answers of one pair.

use super::text::{asked, count_words, folded, jaccard, said, shingles, words};
use crate::{Content, Message, Pair};

/// The least Jaccard's index of two answers that are nearly the same.
pub(super) const NEARLY_SAME: f64 = 0.9;

/// Shorter answers differ in what they say when they differ at all: `4` and `5`, `yes` and `no`.
const FEWEST_WORDS: usize = 10;

/// A shorter answer stands in a longer one by what it says: `4` in `It is 4.`.
pub(super) const FEWEST_CONTAINED: usize = 8;

/// Shorter prompts begin their answers by what they name: `Photosynthesis` and `Photosynthesis is how plants …`.
const FEWEST_REPEATED: usize = 5;

/// How near two answers are that are not the same, where they are near.
pub(super) fn nearly_same(pair: &Pair) -> Option<f64> {
    if pair.chosen == pair.rejected {
        return None;
    }
    let (chosen, rejected) = (words(&said(&pair.chosen)), words(&said(&pair.rejected)));
    if chosen == rejected {
        return (!chosen.is_empty()).then_some(1.0);
    }
    if chosen.len().min(rejected.len()) < FEWEST_WORDS {
        return None;
    }
    let index = jaccard(&shingles(&chosen), &shingles(&rejected));
    (index >= NEARLY_SAME).then_some(index)
}

/// Says which answer stands whole in the other.
pub(super) fn contained(pair: &Pair) -> Option<&'static str> {
    let (chosen, rejected) = (folded(&said(&pair.chosen)), folded(&said(&pair.rejected)));
    let (shorter, longer, chosen_is_shorter) = match chosen.len().cmp(&rejected.len()) {
        std::cmp::Ordering::Less => (chosen, rejected, true),
        std::cmp::Ordering::Greater => (rejected, chosen, false),
        std::cmp::Ordering::Equal => return None,
    };
    // Cut off in the middle of a word or not: a beginning is a beginning.
    let begins = longer.starts_with(&shorter);
    if (!begins && !longer.contains(&shorter)) || count_words(&shorter) < FEWEST_CONTAINED {
        return None;
    }
    Some(match (chosen_is_shorter, begins) {
        (true, true) => "rejected is chosen and more",
        (true, false) => "rejected contains chosen",
        (false, true) => "chosen is rejected and more",
        (false, false) => "chosen contains rejected",
    })
}

/// Whether one answer is a single word where the other is a sentence that does not have it. Numbers, options and yes or no are
/// answers, and so is a word where one is asked for.
pub(super) fn is_one_word(pair: &Pair) -> bool {
    let (chosen, rejected) = (said(&pair.chosen), said(&pair.rejected));
    let counts = (count_words(&chosen), count_words(&rejected));
    let (short, long) = match counts {
        (1, 4..) => (chosen, rejected),
        (4.., 1) => (rejected, chosen),
        _ => return false,
    };
    let word = short.trim_matches(|c: char| !c.is_alphanumeric()).to_lowercase();
    let answers = word.chars().count() == 1
        || word.chars().any(|c| c.is_ascii_digit())
        || matches!(
            word.as_str(),
            "yes" | "no" | "true" | "false" | "ja" | "nein" | "oui" | "non" | "sí" | "да" | "нет"
        )
        || long.to_lowercase().contains(&word);
    let wanted = |prompt: &str| {
        ["one word", "single word", "one-word", "only the", "just the"].iter().any(|words| prompt.contains(words))
    };
    !answers && !wanted(&asked(&pair.prompt).to_lowercase())
}

/// Whether an answer begins with its prompt: with all of it where it is a text or a conversation, or with what was asked last.
pub(super) fn repeats_prompt(pair: &Pair) -> bool {
    let whole = |answer: &Content| match (&pair.prompt, answer) {
        (Content::Messages(prompt), Content::Messages(answer)) => answer.messages.starts_with(&prompt.messages),
        _ => false,
    };
    let asked = asked(&pair.prompt);
    let long = count_words(&asked) >= FEWEST_REPEATED;
    let asked = if long { folded(&asked) } else { String::new() };
    let repeats = |answer: &Content| whole(answer) || (long && begins_with(&said(answer), &asked));
    repeats(&pair.chosen) || repeats(&pair.rejected)
}

/// Whether a text, folded, begins with `folded`.
fn begins_with(text: &str, folded: &str) -> bool {
    let mut expected = folded.chars();
    let mut first = true;
    for word in text.split_whitespace() {
        if !first && expected.next().is_some_and(|space| space != ' ') {
            return false;
        }
        first = false;
        for c in word.chars().flat_map(char::to_lowercase) {
            match expected.next() {
                None => return true,
                Some(other) if other != c => return false,
                Some(_) => {}
            }
        }
        if expected.as_str().is_empty() {
            return true;
        }
    }
    false
}

/// Whether an answer is what Python, JavaScript and spreadsheets write for an absent value.
pub(super) fn is_placeholder(pair: &Pair) -> bool {
    const WORDS: [&str; 12] =
        ["nan", "NaN", "None", "null", "NULL", "NaT", "<NA>", "N/A", "#N/A", "undefined", "[deleted]", "[removed]"];
    [&pair.chosen, &pair.rejected].into_iter().any(|answer| WORDS.contains(&answer.last_text().trim()))
}

pub(super) fn is_prefilled(pair: &Pair) -> bool {
    pair.prompt.as_messages().and_then(<[Message]>::last).is_some_and(|last| last.role == "assistant")
}

/// The roles of a pair's messages that neither TRL nor common chat templates know.
pub(super) fn unknown_roles(pair: &Pair) -> impl Iterator<Item = &str> {
    const KNOWN: [&str; 7] = ["system", "developer", "user", "assistant", "tool", "function", "ipython"];
    let messages = [&pair.prompt, &pair.chosen, &pair.rejected].into_iter().filter_map(Content::as_messages).flatten();
    messages.map(|message| message.role.as_str()).filter(|role| !KNOWN.contains(role))
}

pub(super) fn not_assistant(pair: &Pair) -> bool {
    let other = |answer: &Content| match answer {
        Content::Text(_) => false,
        Content::Messages(said) => said.messages.last().is_none_or(|message| message.role != "assistant"),
    };
    other(&pair.chosen) || other(&pair.rejected)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(prompt: &str, chosen: &str, rejected: &str) -> Pair {
        Pair { prompt: prompt.into(), chosen: chosen.into(), rejected: rejected.into(), category: None }
    }

    const SENTENCE: &str = "Water boils at one hundred degrees at the level of the sea and at less than that on high mountains, \
                            since the pressure of the air is lower there and bubbles form more easily than below.";

    #[test]
    fn near_answers_are_told_and_short_ones_that_differ_are_not() {
        assert_eq!(nearly_same(&pair("q", "It is  SO.", "it is so.")), Some(1.0));
        let changed = SENTENCE.replace("mountains", "summits");
        let index = nearly_same(&pair("q", SENTENCE, &changed));
        assert_eq!(index, None, "one word of 34 changes three runs of 35 that either has: 0.84");
        let longer = format!("{SENTENCE} {}", SENTENCE.replace(' ', " so "));
        let index = nearly_same(&pair(
            "q",
            &longer,
            &longer.replace("mountains", "summits").replacen("summits", "mountains", 1),
        ));
        assert!(index.is_some_and(|index| (NEARLY_SAME..1.0).contains(&index)), "{index:?}");
        assert_eq!(nearly_same(&pair("q", "4", "5")), None);
        assert_eq!(nearly_same(&pair("q", "x < 3", "x > 3")), None);
        assert_eq!(nearly_same(&pair("q", "same", "same")), None, "that is another finding");
        assert_eq!(nearly_same(&pair("q", " ", "")), None);
    }

    #[test]
    fn an_answer_that_holds_the_other_is_told_with_which() {
        let more = format!("{SENTENCE} And so on.");
        assert_eq!(contained(&pair("q", SENTENCE, &more)), Some("rejected is chosen and more"));
        assert_eq!(contained(&pair("q", &format!("Well: {SENTENCE}"), SENTENCE)), Some("chosen contains rejected"));
        assert_eq!(contained(&pair("q", "4", "The answer is 4, as was to be shown by you here.")), None);
        assert_eq!(contained(&pair("q", SENTENCE, SENTENCE)), None);
    }

    #[test]
    fn single_words_that_answer_are_left_alone() {
        assert!(is_one_word(&pair("Why is the sky blue?", "Because", "Since short waves scatter more.")));
        for (prompt, chosen, rejected) in [
            ("What is 2 + 2?", "4", "Great question! It is surely five."),
            ("Capital of France?", "Paris", "The capital of France is Paris."),
            ("Is it so?", "Yes.", "I would say that it is not."),
            ("Which option?", "B", "The right one is the last."),
            ("Answer in one word: mood?", "Joyful", "The writer seems to feel quite well."),
            ("首都？", "北京是中国的首都", "我不知道这个问题的答案"),
            ("Positive or negative?", "positive", "negative"),
        ] {
            assert!(!is_one_word(&pair(prompt, chosen, rejected)), "{prompt}");
        }
    }

    #[test]
    fn an_answer_that_repeats_its_prompt_is_told() {
        let prompt = "What is the capital of France?";
        assert!(repeats_prompt(&pair(prompt, "What is  the capital of FRANCE? Paris.", "Paris.")));
        assert!(repeats_prompt(&pair(prompt, "Paris.", prompt)));
        assert!(!repeats_prompt(&pair(prompt, "The capital of France is Paris.", "What is the capital?")));
        assert!(!repeats_prompt(&pair("Photosynthesis", "Photosynthesis is how plants eat.", "No idea.")));
    }
}
