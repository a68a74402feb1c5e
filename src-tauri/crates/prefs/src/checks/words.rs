//! What each finding is called, how bad it is, what it means for training and what to do about it.

use serde::{Deserialize, Serialize};

use super::near::NEAR;
use super::personal::Kind;
use super::{Alone, Beside, Finding, Found, Leaks, Mean, Share, answers, language};
use crate::words::pairs;

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ts_rs::TS)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// The rows cannot teach anything, or make a result worthless.
    Error,
    /// Probably not meant.
    Warning,
    /// Good to know.
    Info,
}

macro_rules! codes {
    ($($(#[$comment:meta])* $code:ident = $name:literal, $severity:ident, $remedy:literal;)*) => {
        /// The checks, by the name that scripts see.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ts_rs::TS)]
        #[serde(rename_all = "snake_case")]
        pub enum Code {
            $($(#[$comment])* $code,)*
        }

        impl Code {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$code,)*];

            /// The name that scripts see.
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$code => $name,)*
                }
            }

            /// How bad it is.
            pub fn severity(self) -> Severity {
                match self {
                    $(Self::$code => Severity::$severity,)*
                }
            }

            /// What to do about it, in sentences.
            pub fn remedy(self) -> &'static str {
                match self {
                    $(Self::$code => $remedy,)*
                }
            }
        }
    };
}

codes! {
    /// There is no pair at all.
    NoPairs = "no_pairs", Error, "See that this is the file that was meant.";
    /// Chosen and rejected are the same.
    SameAnswers = "same_answers", Error, "Leave them out.";
    /// The same two answers to one prompt, preferred once this way and once the other.
    Contradiction = "contradiction", Error, "Leave them out, or keep the one of each two that is right.";
    /// A prompt of the evaluation set is also trained on.
    PromptLeak = "prompt_leak", Error, "Split by prompt, or leave these pairs out of training.";
    /// A prompt of the evaluation set is nearly one that is trained on.
    NearPromptLeak = "near_prompt_leak", Warning, "Leave these pairs out of training, unless the prompts ask for other things.";
    /// The chosen answer says nothing.
    EmptyChosen = "empty_chosen", Warning, "Leave them out.";
    /// The rejected answer says nothing.
    EmptyRejected = "empty_rejected", Warning, "Leave them out.";
    /// An answer is only a word that programs write where there is nothing.
    Placeholder = "placeholder", Warning, "Leave them out unless that is the answer.";
    /// A message is by a role that templates do not have.
    UnknownRole = "unknown_role", Warning, "Rename the roles in the file, or leave these pairs out.";
    /// The prompt ends with what the assistant says.
    PrefilledPrompt = "prefilled_prompt", Warning, "Move what the assistant says to the beginning of both answers.";
    /// The same pair comes again.
    Duplicate = "duplicate", Warning, "Leave the repetitions out; the first of each stays.";
    /// An answer begins with its own prompt.
    RepeatsPrompt = "repeats_prompt", Warning, "Take the prompt out of the answers, or leave these pairs out.";
    /// An answer of messages does not end with the assistant speaking.
    NotAssistant = "not_assistant", Warning, "Correct the roles, or leave these pairs out.";
    /// Some pairs are text and some are messages.
    MixedForms = "mixed_forms", Warning, "Bring the text in as messages of the user, or leave one of the two forms out.";
    /// A text holds what a chat template writes.
    TemplateLeftovers = "template_leftovers", Warning, "Take the marks out of the texts, or leave these pairs out.";
    /// The same special token stands twice in succession.
    DoubledToken = "doubled_token", Warning, "Take one of the two out, or leave these pairs out.";
    /// A text holds special tokens of the model that is to be trained.
    SpecialTokens = "special_tokens", Warning, "Take them out of the texts, or leave these pairs out.";
    /// The chosen answer refuses and the rejected one answers.
    RefusalPreferred = "refusal_preferred", Warning, "Look at them: keep those whose prompt ought to be refused, and leave the others out.";
    /// A text holds what looks like personal data.
    PersonalData = "personal_data", Warning, "Look at them: replace what is somebody's, or leave these pairs out.";
    /// The chosen answer is in another language than its prompt.
    OtherLanguage = "other_language", Warning, "Leave them out unless that is meant.";
    /// The limits cut the end of one answer and not of the other.
    CutOneSide = "cut_one_side", Warning, "Raise max_length, or leave these pairs out.";
    /// The tokens of a prompt are others before an answer than alone.
    BrokenBoundary = "broken_boundary", Info, "Nothing need be done where the text that is left out says nothing; else end prompts before a space or a new line.";
    /// The answers differ in next to nothing.
    NearlySameAnswers = "nearly_same_answers", Info, "Good where the small difference is what is to be learned, as a corrected error in code; else leave them out.";
    /// One answer stands whole in the other.
    Contained = "contained", Info, "Good where what is added is meant; where an answer was only cut off, leave them out.";
    /// One answer is a single word.
    OneWord = "one_word", Info, "Right where a word answers; where an answer was cut off, leave them out.";
    /// An earlier pair has the same prompt.
    SamePrompt = "same_prompt", Info, "Right where a prompt has several answers; else leave the later ones out.";
    /// An earlier pair has nearly the same prompt.
    NearPrompt = "near_prompt", Info, "Leave them out where they ask for the same; the first of each stays.";
    /// Some prompts are in another language than most.
    LanguageMix = "language_mix", Info, "Good where the model is to learn them all; else leave these pairs out.";
    /// The chosen answer refuses.
    Refusals = "refusals", Info, "Good where refusing is to be learned.";
    /// All pairs are text, so no chat template is used.
    PlainText = "plain_text", Info, "For a chat model give messages, unless the text was rendered already.";
    /// One answer is the longer one too often for chance.
    LengthBias = "length_bias", Info, "Good where that is meant; else balance the lengths, or train with a loss that takes length out, as sigmoid_norm or ld_alpha do.";
}

/// A few names, as they stand in a sentence.
fn some(names: impl IntoIterator<Item = impl std::fmt::Display>) -> String {
    const MOST: usize = 5;
    let names: Vec<String> = names.into_iter().map(|name| name.to_string()).collect();
    let more = if names.len() > MOST { " and others" } else { "" };
    names.iter().take(MOST).map(String::as_str).collect::<Vec<_>>().join(", ") + more
}

/// What pairs show by themselves.
pub(super) fn of_each(alone: Alone, add: &mut dyn FnMut(Finding)) {
    let mut say = |code: Code, found: Found, message: &dyn Fn(String) -> String| {
        let message = message(pairs(found.count()));
        add(Finding::new(code, found, message));
    };
    let mix = language_mix(&alone.languages);
    say(Code::SameAnswers, alone.same, &|n| {
        format!("In {n} chosen and rejected are the same: nothing can be learned from that.")
    });
    say(Code::EmptyChosen, alone.empty_chosen, &|n| {
        format!("In {n} the chosen answer is empty: the model would learn to say nothing.")
    });
    say(Code::EmptyRejected, alone.empty_rejected, &|n| {
        format!("In {n} the rejected answer is empty: the model would only learn to say something.")
    });
    say(Code::OneWord, alone.one_word, &|n| {
        format!(
            "In {n} one answer is a single word where the other is a sentence: the model learns length from it first."
        )
    });
    say(Code::Placeholder, alone.placeholder, &|n| {
        format!("In {n} an answer is only `nan`, `None` or the like, as programs write where there is nothing.")
    });
    say(Code::PrefilledPrompt, alone.prefilled, &|n| {
        format!(
            "In {n} the prompt ends with a message of the assistant: most chat templates close it and begin another for the \
             answer."
        )
    });
    let roles = alone.roles;
    say(Code::UnknownRole, alone.unknown_role, &|n| {
        format!("In {n} a message is by {}, a role that most chat templates do not know.", some(&roles))
    });
    say(Code::RepeatsPrompt, alone.repeats_prompt, &|n| {
        format!(
            "In {n} an answer begins with its own prompt, which would then be there twice: the model learns to repeat it."
        )
    });
    say(Code::NotAssistant, alone.not_assistant, &|n| {
        format!("In {n} an answer does not end with a message of the assistant: another's words would be learned.")
    });
    let tokens = alone.leftovers;
    say(Code::TemplateLeftovers, alone.leftover, &|n| {
        let named = some(tokens.iter().map(|token| format!("`{token}`")));
        format!(
            "In {n} a text holds what chat templates write ({named}): the model would learn to write it, or end its turn there."
        )
    });
    say(Code::DoubledToken, alone.doubled, &|n| {
        format!("In {n} a special token stands twice in succession, as when a template was applied to rendered text.")
    });
    let kinds = alone.personal_kinds;
    say(Code::PersonalData, alone.personal, &|n| {
        let kinds: Vec<String> = Kind::ALL
            .iter()
            .filter_map(|kind| kinds.get(kind).map(|pairs| format!("{} in {pairs}", kind.name())))
            .collect();
        format!(
            "In {n} a text holds what looks like personal data ({}): the model can learn it by heart and repeat it.",
            kinds.join(", ")
        )
    });
    say(Code::RefusalPreferred, alone.refusal_preferred, &|n| {
        format!(
            "In {n} the chosen answer refuses and the rejected one answers, by a list of phrases in ten languages: the model \
             learns to refuse such prompts."
        )
    });
    say(Code::Refusals, alone.refused, &|n| {
        format!("In {n} the chosen answer begins with a refusal, by a list of phrases in ten languages.")
    });
    say(Code::NearlySameAnswers, alone.nearly_same, &|n| {
        format!(
            "In {n} the answers differ in less than a tenth of their runs of three words (Jaccard's index {} or more): there is \
             little to learn from each.",
            answers::NEARLY_SAME
        )
    });
    say(Code::Contained, alone.contained, &|n| {
        format!(
            "In {n} one answer, of {} words or more, stands whole in the other: only what was added, and the length, is learned.",
            answers::FEWEST_CONTAINED
        )
    });
    say(Code::OtherLanguage, alone.other_language, &|n| {
        format!(
            "In {n} the chosen answer is in another language than the prompt, which does not ask for one: the model learns to switch."
        )
    });
    if let Some((found, message)) = mix {
        say(Code::LanguageMix, found, &|_| message.clone());
    }
}

/// The rows whose language is not that of most, and a sentence with all of them.
fn language_mix(languages: &[Option<whatlang::Lang>]) -> Option<(Found, String)> {
    let mut counts: Vec<(usize, whatlang::Lang)> = Vec::new();
    for told in languages.iter().flatten() {
        match counts.iter_mut().find(|(_, other)| other == told) {
            Some((count, _)) => *count += 1,
            None => counts.push((1, *told)),
        }
    }
    counts.sort_by_key(|(count, told)| (std::cmp::Reverse(*count), told.code()));
    let (_, most) = *counts.first()?;
    let mut found = Found::default();
    for (row, told) in languages.iter().enumerate() {
        if let Some(told) = told.filter(|told| language::differ(most, *told)) {
            found.note(row, || told.eng_name().to_owned());
        }
    }
    let known: usize = counts.iter().map(|(count, _)| count).sum();
    let named = some(counts.iter().map(|(count, told)| format!("{} {count}", told.eng_name())));
    let message = format!(
        "{} are in another language than most, of the {known} of {} whose language can be told ({named}): each language is \
         learned from its own pairs alone.",
        pairs(found.count()),
        languages.len()
    );
    Some((found, message))
}

/// What pairs show beside one another.
pub(super) fn of_several(beside: Beside, add: &mut dyn FnMut(Finding)) {
    let mut say = |code: Code, found: Found, message: &dyn Fn(String) -> String| {
        let message = message(pairs(found.count()));
        add(Finding::new(code, found, message));
    };
    say(Code::Contradiction, beside.contradiction, &|n| {
        format!(
            "{n} contradict each other: the same two answers, but for case and white space, preferred once this way and once the \
             other. What the one teaches the other takes back."
        )
    });
    say(Code::Duplicate, beside.duplicate, &|n| {
        format!(
            "In {n} all is as in an earlier one, but for case and white space: that counts more than once in training."
        )
    });
    say(Code::SamePrompt, beside.same_prompt, &|n| {
        format!(
            "In {n} the prompt is that of an earlier one: such a prompt counts more than the rest. A split by prompt keeps them \
             together."
        )
    });
    say(Code::NearPrompt, beside.near_prompt, &|n| {
        format!(
            "In {n} the prompt is nearly that of an earlier one (the same but for a system message, or Jaccard's index of their runs \
             of three words {NEAR} or more): it counts more than the rest, and a split by prompt does not know of it."
        )
    });
}

/// Prompts that are trained on and evaluated.
pub(super) fn of_leaks(leaks: Leaks, all: usize, add: &mut dyn FnMut(Finding)) {
    let message = format!(
        "The prompts of {} of {all} evaluation pairs are also trained on, in {}: their results would be too good.",
        leaks.same_eval.len(),
        pairs(leaks.same.count())
    );
    add(Finding { eval_rows: leaks.same_eval, ..Finding::new(Code::PromptLeak, leaks.same, message) });
    let message = format!(
        "The prompts of {} of {all} evaluation pairs are nearly ones that are trained on, in {} (the same but for a system message, or \
         Jaccard's index of their runs of three words {NEAR} or more): their results may be too good.",
        leaks.near_eval.len(),
        pairs(leaks.near.count())
    );
    add(Finding { eval_rows: leaks.near_eval, ..Finding::new(Code::NearPromptLeak, leaks.near, message) });
}

pub(super) fn mixed(text: Found, conversational: usize) -> Finding {
    let message = format!(
        "{} are text, the other {conversational} are messages: they are encoded differently.",
        pairs(text.count())
    );
    Finding::new(Code::MixedForms, text, message)
}

/// Said when length and preference go together beyond chance (the interval leaves out one half) and by enough to matter
/// (beyond 60 %): DPO then also learns length (arXiv 2403.19159).
pub(super) fn length_bias(longer: Share, difference: Mean) -> Option<String> {
    let [low, high] = longer.interval;
    let (which, share, low, high) = if low > 0.5 && longer.share > 0.6 {
        ("longer", longer.share, low, high)
    } else if high < 0.5 && longer.share < 0.4 {
        ("shorter", 1.0 - longer.share, 1.0 - high, 1.0 - low)
    } else {
        return None;
    };
    Some(format!(
        "In {} of the pairs ({}) the chosen answer is the {which} one, so the model will also learn length. On average it is {}.",
        numbers::percent(share),
        numbers::interval(low, high),
        longer_in_words(difference)
    ))
}

/// How many characters longer or shorter, with the interval: `223 characters shorter (180 to 266)`.
fn longer_in_words(difference: Mean) -> String {
    let Mean { mean, interval: [from, to] } = difference;
    let which = |characters: f64| if characters < 0.0 { "shorter" } else { "longer" };
    let size = |characters: f64| numbers::count(characters.abs().round() as usize);
    let range = if from < 0.0 && to > 0.0 {
        format!("from {} shorter to {} longer", size(from), size(to))
    } else {
        let (least, most) = if mean < 0.0 { (to, from) } else { (from, to) };
        format!("{} to {}", size(least), size(most))
    };
    format!("{} characters {} ({range})", size(mean), which(mean))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn how_much_longer_is_said_in_words_and_without_signs() {
        let words = |mean, interval| longer_in_words(Mean { mean, interval });
        assert_eq!(words(-223.0, [-266.4, -179.6]), "223 characters shorter (180 to 266)");
        assert_eq!(words(12.0, [3.0, 21.0]), "12 characters longer (3 to 21)");
        assert_eq!(words(4.0, [-3.0, 11.0]), "4 characters longer (from 3 shorter to 11 longer)");
    }
}
