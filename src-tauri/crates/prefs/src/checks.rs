//! What is odd about a set of pairs, said before anything is trained on it. Nothing is removed: every finding names the
//! rows it is about, and the user decides.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::fmt::Write;

use serde::{Deserialize, Serialize};

use crate::{Content, Conversation, Message, Pair};

/// What was found in a set of pairs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Checks {
    /// Number of pairs.
    pub pairs: usize,
    /// Number of different prompts (after folding case and white space).
    pub prompts: usize,
    /// Number of pairs made of messages.
    pub conversational: usize,
    /// How often the chosen answer is the longer one, in characters; pairs of equal length are left out.
    pub chosen_longer: Share,
    /// What is worth knowing, worst first.
    pub findings: Vec<Finding>,
}

impl Checks {
    /// The finding with this code, if there is one.
    pub fn finding(&self, code: Code) -> Option<&Finding> {
        self.findings.iter().find(|finding| finding.code == code)
    }
}

/// A count out of a total, with its 95 % interval.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Share {
    /// How many.
    pub count: usize,
    /// Out of how many.
    pub of: usize,
    /// `count / of`, 0 to 1; 0.5 where nothing was counted.
    pub share: f64,
    /// Wilson's 95 % interval, low and high (E. B. Wilson 1927, JASA 22: 209–212).
    pub interval: [f64; 2],
}

impl Share {
    pub(crate) fn new(count: usize, of: usize) -> Self {
        if of == 0 {
            return Self { count, of, share: 0.5, interval: [0.0, 1.0] };
        }
        let (n, z) = (of as f64, 1.959_963_984_540_054_f64);
        let share = count as f64 / n;
        let scale = 1.0 + z * z / n;
        let middle = (share + z * z / (2.0 * n)) / scale;
        let half = z * (share * (1.0 - share) / n + z * z / (4.0 * n * n)).sqrt() / scale;
        Self { count, of, share, interval: [(middle - half).max(0.0), (middle + half).min(1.0)] }
    }
}

/// One kind of oddity and the rows that show it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// Which check found it.
    pub code: Code,
    /// How bad it is.
    pub severity: Severity,
    /// A sentence for the user: what, how many, and what to do.
    pub message: String,
    /// Positions in the pairs, from 0 (for [`Code::PromptLeak`]: in the evaluation pairs). Empty for a finding about the
    /// set as a whole.
    pub rows: Vec<usize>,
}

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

/// The checks, by the name that scripts see.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ts_rs::TS)]
#[serde(rename_all = "snake_case")]
pub enum Code {
    /// There is no pair at all.
    NoPairs,
    /// Chosen and rejected are the same.
    SameAnswers,
    /// The same two answers to one prompt, preferred once this way and once the other.
    Contradiction,
    /// A prompt of the evaluation set is also trained on.
    PromptLeak,
    /// The chosen answer says nothing.
    EmptyChosen,
    /// The rejected answer says nothing.
    EmptyRejected,
    /// An answer is only a word that programs write where there is nothing.
    Placeholder,
    /// A message is by a role that templates do not have.
    UnknownRole,
    /// The prompt ends with what the assistant says.
    PrefilledPrompt,
    /// The same pair comes again.
    Duplicate,
    /// An answer begins with its own prompt.
    RepeatsPrompt,
    /// An answer of messages does not end with the assistant speaking.
    NotAssistant,
    /// Some pairs are text and some are messages.
    MixedForms,
    /// All pairs are text, so no chat template is used.
    PlainText,
    /// One answer is the longer one too often for chance.
    LengthBias,
}

/// Looks at the pairs and, where given, at the evaluation pairs beside them.
pub fn check(pairs: &[Pair], eval: Option<&[Pair]>) -> Checks {
    let keys: Vec<String> = pairs.iter().map(|pair| prompt_key(&pair.prompt)).collect();
    let conversational = pairs.iter().filter(|pair| pair.is_conversational()).count();
    let lengths: Vec<(usize, usize)> = pairs.iter().map(|pair| (pair.chosen.chars(), pair.rejected.chars())).collect();
    let unequal = lengths.iter().filter(|(chosen, rejected)| chosen != rejected).count();
    let longer = lengths.iter().filter(|(chosen, rejected)| chosen > rejected).count();
    let mut checks = Checks {
        pairs: pairs.len(),
        prompts: keys.iter().collect::<HashSet<_>>().len(),
        conversational,
        chosen_longer: Share::new(longer, unequal),
        findings: Vec::new(),
    };
    let mut found = |code, severity, rows: Vec<usize>, message: &dyn Fn(usize) -> String| {
        if !rows.is_empty() {
            checks.findings.push(Finding { code, severity, message: message(rows.len()), rows });
        }
    };
    let rows =
        |odd: &dyn Fn(&Pair) -> bool| -> Vec<usize> { (0..pairs.len()).filter(|&row| odd(&pairs[row])).collect() };

    found(Code::SameAnswers, Severity::Error, rows(&|pair| pair.chosen == pair.rejected), &|n| {
        format!("In {} chosen and rejected are the same: nothing can be learned from that. Leave them out.", count(n))
    });
    found(Code::Contradiction, Severity::Error, contradictions(pairs, &keys), &|n| {
        format!("{} contradict each other: the same two answers, preferred once this way and once the other.", count(n))
    });
    if let Some(eval) = eval {
        let leaked = leaked_prompts(pairs, eval.iter().map(|pair| &pair.prompt));
        found(Code::PromptLeak, Severity::Error, leaked, &|n| {
            format!(
                "The prompts of {} of {} evaluation pairs are also trained on: their results would be too good. Split by prompt.",
                n,
                eval.len()
            )
        });
    }
    found(Code::EmptyChosen, Severity::Warning, rows(&|pair| pair.chosen.is_blank()), &|n| {
        format!("In {} the chosen answer is empty: the model would learn to say nothing.", count(n))
    });
    found(Code::EmptyRejected, Severity::Warning, rows(&|pair| pair.rejected.is_blank()), &|n| {
        format!("In {} the rejected answer is empty.", count(n))
    });
    found(Code::Placeholder, Severity::Warning, rows(&is_placeholder), &|n| {
        format!(
            "In {} an answer is only `nan`, `None` or the like, as programs write where there is nothing. Leave \
             it out unless that is the answer.",
            count(n)
        )
    });
    found(Code::PrefilledPrompt, Severity::Warning, rows(&is_prefilled), &|n| {
        format!(
            "In {} the prompt ends with a message of the assistant: most chat templates close it and begin another for the \
             answer.",
            count(n)
        )
    });
    let mut roles = BTreeSet::new();
    let unknown = rows(&|pair| unknown_roles(pair).next().is_some());
    for &row in &unknown {
        roles.extend(unknown_roles(&pairs[row]).map(|role| format!("`{role}`")));
    }
    found(Code::UnknownRole, Severity::Warning, unknown, &|n| {
        let roles: Vec<&str> = roles.iter().take(5).map(String::as_str).collect();
        format!("In {} a message is by {}, a role that most chat templates do not know.", count(n), roles.join(", "))
    });
    found(Code::Duplicate, Severity::Warning, duplicates(pairs), &|n| {
        format!("{} come again with the same content, and so count more than once in training.", count(n))
    });
    found(Code::RepeatsPrompt, Severity::Warning, rows(&repeats_prompt), &|n| {
        format!("In {} an answer begins with its own prompt, which would then be there twice.", count(n))
    });
    found(Code::NotAssistant, Severity::Warning, rows(&not_assistant), &|n| {
        format!("In {} an answer does not end with a message of the assistant.", count(n))
    });
    if pairs.is_empty() {
        checks.findings.push(whole(Code::NoPairs, Severity::Error, "There is no pair in this set.".to_owned()));
    } else if conversational == 0 {
        checks.findings.push(whole(
            Code::PlainText,
            Severity::Info,
            "All pairs are plain text, so the model's chat template is not used. For a chat model give messages, unless the \
             text was rendered already."
                .to_owned(),
        ));
    } else if conversational < pairs.len() {
        let text = pairs.len() - conversational;
        checks.findings.push(Finding {
            code: Code::MixedForms,
            severity: Severity::Warning,
            message: format!(
                "{} are text, the other {conversational} are messages: they are encoded differently.",
                count(text)
            ),
            rows: rows(&|pair| !pair.is_conversational()),
        });
    }
    checks.findings.extend(length_bias(checks.chosen_longer));
    checks.findings.sort_by_key(|finding| finding.severity);
    checks
}

/// Positions (from 0) of those `prompts` that some pair also has; case, white space at the ends and its amount between
/// words make no difference, and text counts as one message of the user.
pub fn leaked_prompts<'a>(pairs: &[Pair], prompts: impl IntoIterator<Item = &'a Content>) -> Vec<usize> {
    let trained: HashSet<String> = pairs.iter().map(|pair| prompt_key(&pair.prompt)).collect();
    let prompts = prompts.into_iter().enumerate();
    prompts.filter(|(_, prompt)| trained.contains(&prompt_key(prompt))).map(|(row, _)| row).collect()
}

/// What makes two prompts the same prompt: [`leaked_prompts`] says which differences do not count.
pub(crate) fn prompt_key(prompt: &Content) -> String {
    let mut key = String::new();
    let mut add = |role: &str, text: &str| {
        key.push_str(role);
        for word in text.split_whitespace() {
            key.push(' ');
            key.extend(word.chars().flat_map(char::to_lowercase));
        }
        key.push('\n');
    };
    match prompt {
        Content::Text(text) => add("user", text),
        Content::Messages(said) => said.messages.iter().for_each(|message| add(&message.role, &message.shown())),
    }
    if let Content::Messages(Conversation { tools, chat_template_kwargs, .. }) = prompt {
        for tool in tools {
            key.push_str(&tool.to_string());
        }
        for (name, value) in chat_template_kwargs {
            let _ = writeln!(key, "{name}={value}");
        }
    }
    key
}

fn count(rows: usize) -> String {
    if rows == 1 { "1 pair".to_owned() } else { format!("{rows} pairs") }
}

fn whole(code: Code, severity: Severity, message: String) -> Finding {
    Finding { code, severity, message, rows: Vec::new() }
}

/// Every repetition of a pair seen before.
fn duplicates(pairs: &[Pair]) -> Vec<usize> {
    let mut seen = HashSet::new();
    let new = |pair: &Pair, seen: &mut HashSet<String>| seen.insert(pair.content_hash());
    (0..pairs.len()).filter(|&row| !new(&pairs[row], &mut seen)).collect()
}

/// All rows that say A before B where another row of the same prompt says B before A; rows that contradict each other stand
/// together.
fn contradictions(pairs: &[Pair], keys: &[String]) -> Vec<usize> {
    let mut orders: HashMap<(&str, &Content, &Content), Vec<usize>> = HashMap::new();
    for (row, (pair, key)) in pairs.iter().zip(keys).enumerate() {
        if pair.chosen != pair.rejected {
            orders.entry((key, &pair.chosen, &pair.rejected)).or_default().push(row);
        }
    }
    let mut rows: Vec<(usize, usize)> = Vec::new();
    for ((key, chosen, rejected), one) in &orders {
        if let Some(other) = orders.get(&(*key, *rejected, *chosen)) {
            let first = one[0].min(other[0]);
            rows.extend(one.iter().map(|row| (first, *row)));
        }
    }
    rows.sort_unstable();
    rows.into_iter().map(|(_, row)| row).collect()
}

/// Positions of those `pairs` that prefer the other answer than one of `others` with the same prompt and answers.
pub fn contradicting(pairs: &[Pair], others: &[Pair]) -> Vec<usize> {
    let keys: Vec<String> = others.iter().map(|pair| prompt_key(&pair.prompt)).collect();
    let known: HashSet<(&str, &Content, &Content)> =
        others.iter().zip(&keys).map(|(pair, key)| (key.as_str(), &pair.chosen, &pair.rejected)).collect();
    let opposed = |pair: &Pair| {
        let key = prompt_key(&pair.prompt);
        pair.chosen != pair.rejected && known.contains(&(key.as_str(), &pair.rejected, &pair.chosen))
    };
    (0..pairs.len()).filter(|&row| opposed(&pairs[row])).collect()
}

fn repeats_prompt(pair: &Pair) -> bool {
    let repeats = |answer: &Content| match (&pair.prompt, answer) {
        (Content::Text(prompt), Content::Text(answer)) => {
            !prompt.trim().is_empty() && answer.starts_with(prompt.as_str())
        }
        (Content::Messages(prompt), Content::Messages(answer)) => answer.messages.starts_with(&prompt.messages),
        _ => false,
    };
    repeats(&pair.chosen) || repeats(&pair.rejected)
}

/// Whether an answer is what Python, JavaScript and spreadsheets write for an absent value.
fn is_placeholder(pair: &Pair) -> bool {
    const WORDS: [&str; 12] =
        ["nan", "NaN", "None", "null", "NULL", "NaT", "<NA>", "N/A", "#N/A", "undefined", "[deleted]", "[removed]"];
    [&pair.chosen, &pair.rejected].into_iter().any(|answer| WORDS.contains(&answer.last_text().trim()))
}

fn is_prefilled(pair: &Pair) -> bool {
    pair.prompt.as_messages().and_then(<[Message]>::last).is_some_and(|last| last.role == "assistant")
}

/// The roles of a pair's messages that neither TRL nor common chat templates know.
fn unknown_roles(pair: &Pair) -> impl Iterator<Item = &str> {
    const KNOWN: [&str; 7] = ["system", "developer", "user", "assistant", "tool", "function", "ipython"];
    let messages = [&pair.prompt, &pair.chosen, &pair.rejected].into_iter().filter_map(Content::as_messages).flatten();
    messages.map(|message| message.role.as_str()).filter(|role| !KNOWN.contains(role))
}

fn not_assistant(pair: &Pair) -> bool {
    let other = |answer: &Content| match answer {
        Content::Text(_) => false,
        Content::Messages(said) => said.messages.last().is_none_or(|message| message.role != "assistant"),
    };
    other(&pair.chosen) || other(&pair.rejected)
}

/// Said when length and preference go together beyond chance (the interval leaves out one half) and by enough to matter
/// (beyond 60 %): DPO then also learns length (arXiv 2403.19159).
fn length_bias(longer: Share) -> Option<Finding> {
    let [low, high] = longer.interval;
    let (which, share, low, high) = if low > 0.5 && longer.share > 0.6 {
        ("longer", longer.share, low, high)
    } else if high < 0.5 && longer.share < 0.4 {
        ("shorter", 1.0 - longer.share, 1.0 - high, 1.0 - low)
    } else {
        return None;
    };
    let message = format!(
        "In {:.0} % of the pairs ({:.0} to {:.0} %) the chosen answer is the {which} one, so the model will also learn length. \
         Good where that is meant.",
        share * 100.0,
        low * 100.0,
        high * 100.0
    );
    Some(whole(Code::LengthBias, Severity::Info, message))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn text(prompt: &str, chosen: &str, rejected: &str) -> Pair {
        Pair { prompt: prompt.into(), chosen: chosen.into(), rejected: rejected.into(), category: None }
    }

    fn spoken(prompt: &str, chosen: &str, rejected: &str) -> Pair {
        let say = |role, text| Content::from(vec![Message::new(role, text)]);
        let (chosen, rejected) = (say("assistant", chosen), say("assistant", rejected));
        Pair { prompt: say("user", prompt), chosen, rejected, category: None }
    }

    fn rows(checks: &Checks, code: Code) -> Vec<usize> {
        checks.finding(code).map(|finding| finding.rows.clone()).unwrap_or_default()
    }

    #[test]
    fn a_clean_set_has_no_findings() {
        let pairs: Vec<Pair> =
            (0..40).map(|i| spoken(&format!("q{i}"), &"a".repeat(1 + i % 2), &"b".repeat(2 - i % 2))).collect();
        let checks = check(&pairs, Some(&[spoken("other", "a", "b")]));
        assert_eq!(checks.findings, []);
        assert_eq!((checks.pairs, checks.prompts, checks.conversational), (40, 40, 40));
        assert_eq!((checks.chosen_longer.count, checks.chosen_longer.of), (20, 40));
    }

    #[test]
    fn each_oddity_is_found_at_its_rows() {
        let mut pairs = vec![
            spoken("one", "yes", "no"),
            spoken("One ", "no", "yes"),
            spoken("two", "same", "same"),
            spoken("three", " ", "b"),
            spoken("four", "a", ""),
            spoken("five", "a", "b"),
            spoken("five", "a", "b"),
            text("six", "six seven", "b"),
            spoken("eight", "a", "b"),
        ];
        pairs[8].rejected = vec![Message::new("user", "b")].into();
        pairs.extend([text("nine", "None", "b"), text("ten", "None of them.", "b"), spoken("eleven", "a", "b")]);
        pairs[11].prompt = vec![Message::new("q", "eleven")].into();
        let eval = [spoken("fresh", "a", "b"), text("FIVE", "a", "b")];
        let checks = check(&pairs, Some(&eval));
        assert_eq!(rows(&checks, Code::Contradiction), [0, 1]);
        let known = [spoken("three", "b", " "), spoken("ONE", "no", "yes"), spoken("two", "same", "same")];
        assert_eq!(contradicting(&pairs, &known), [0, 3]);
        assert_eq!(rows(&checks, Code::SameAnswers), [2]);
        assert_eq!(rows(&checks, Code::EmptyChosen), [3]);
        assert_eq!(rows(&checks, Code::EmptyRejected), [4]);
        assert_eq!(rows(&checks, Code::Duplicate), [6]);
        assert_eq!(rows(&checks, Code::RepeatsPrompt), [7]);
        assert_eq!(rows(&checks, Code::MixedForms), [7, 9, 10]);
        assert_eq!(rows(&checks, Code::Placeholder), [9]);
        assert_eq!(rows(&checks, Code::UnknownRole), [11]);
        assert!(checks.finding(Code::UnknownRole).unwrap().message.starts_with("In 1 pair a message is by `q`,"));
        assert_eq!(rows(&checks, Code::NotAssistant), [8]);
        assert_eq!(rows(&checks, Code::PromptLeak), [1]);
        assert_eq!(checks.finding(Code::PlainText), None);
        assert!(checks.findings.is_sorted_by_key(|finding| finding.severity));
        let json = serde_json::to_string(&checks).unwrap();
        assert!(json.contains("\"code\":\"prompt_leak\",\"severity\":\"error\""), "{json}");
        assert_eq!(serde_json::from_str::<Checks>(&json).unwrap(), checks);
    }

    #[test]
    fn a_prompt_that_ends_with_the_assistant_is_found() {
        let mut pairs = [spoken("one", "a", "b"), spoken("two", "a", "b")];
        pairs[1].prompt = vec![Message::new("user", "two"), Message::new("assistant", "Well, ")].into();
        assert_eq!(rows(&check(&pairs, None), Code::PrefilledPrompt), [1]);
    }

    #[test]
    fn rows_that_contradict_each_other_stand_together() {
        let pairs = [
            text("one", "a", "b"),
            text("two", "a", "b"),
            text("three", "a", "b"),
            text("two", "b", "a"),
            text("one", "b", "a"),
            text("One", "a", "b"),
        ];
        assert_eq!(rows(&check(&pairs, None), Code::Contradiction), [0, 4, 5, 1, 3]);
    }

    #[test]
    fn length_bias_needs_more_than_chance() {
        let longer = |n: usize, of: usize| -> Vec<Pair> {
            (0..of).map(|i| if i < n { text("p", "long", "no") } else { text("p", "no", "long") }).collect()
        };
        assert!(check(&longer(3, 4), None).finding(Code::LengthBias).is_none(), "4 pairs show nothing");
        assert!(check(&longer(55, 100), None).finding(Code::LengthBias).is_none());
        let long = check(&longer(80, 100), None);
        assert!(long.finding(Code::LengthBias).unwrap().message.starts_with("In 80 % of the pairs (71 to 87 %)"));
        let short = check(&longer(20, 100), None);
        assert!(short.finding(Code::LengthBias).unwrap().message.contains("the shorter one"));
    }

    /// 81 of 263: the example of Newcombe 1998 (Statistics in Medicine 17: 857–872), table I: 0.2553 to 0.3662.
    #[test]
    fn wilson_interval_as_published() {
        let [low, high] = Share::new(81, 263).interval;
        assert!((low - 0.2553).abs() < 5e-5 && (high - 0.3662).abs() < 5e-5, "{low} {high}");
        let [low, high] = Share::new(0, 0).interval;
        assert!(low <= 0.0 && high >= 1.0, "nothing counted, nothing known");
    }

    #[test]
    fn an_empty_set_and_a_text_set_say_so() {
        assert!(check(&[], None).finding(Code::NoPairs).is_some());
        assert!(check(&[text("p", "a", "b")], None).finding(Code::PlainText).is_some());
    }
}
