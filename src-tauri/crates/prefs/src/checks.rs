//! What is odd about a set of pairs, said before anything is trained on it. Nothing is removed: every finding names the
//! rows it is about, and the user decides.
//!
//! One pass looks at each pair by itself, some sorts look at pairs beside one another: n log n in time. Beyond the pairs
//! themselves, memory holds at most 350 bytes for each (its fingerprints, and what nearly the same prompts are found by), and
//! 8 bytes for each row of a finding.

mod answers;
mod language;
mod leftovers;
mod near;
mod personal;
mod refusals;
mod share;
mod text;
mod words;

use std::borrow::Borrow;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fmt::Write;

use serde::{Deserialize, Serialize};

use crate::{Content, Conversation, Pair};
pub use text::fingerprint;

pub use share::{Mean, Share};
pub use words::{Code, Severity};

/// Rows of a finding of which it is said what was found.
pub const MOST_SHOWN: usize = 200;

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
    /// How many characters longer it is.
    pub length_difference: Mean,
    /// What is worth knowing, worst first.
    pub findings: Vec<Finding>,
}

impl Checks {
    /// The finding with this code, if there is one.
    pub fn finding(&self, code: Code) -> Option<&Finding> {
        self.findings.iter().find(|finding| finding.code == code)
    }
}

/// One kind of oddity and the rows that show it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// Which check found it.
    pub code: Code,
    /// How bad it is.
    pub severity: Severity,
    /// What, how many, and what it means for training, in a sentence or two.
    pub message: String,
    /// What to do about it.
    pub remedy: String,
    /// Positions in the pairs, from 0, each once: those that training is without when this finding is left out. Empty for a
    /// finding about the set as a whole. Of pairs that repeat one another the first is not among them.
    pub rows: Vec<usize>,
    /// Positions in the evaluation pairs that have to do with it.
    pub eval_rows: Vec<usize>,
    /// What was found in the first of the rows, in their order, at most [`MOST_SHOWN`].
    pub shown: Vec<Shown>,
}

impl Finding {
    /// A finding with what the code itself says of it.
    pub fn new(code: Code, found: Found, message: String) -> Self {
        let Found { rows, shown } = found;
        let (severity, remedy) = (code.severity(), code.remedy().to_owned());
        Self { code, severity, message, remedy, rows, eval_rows: Vec::new(), shown }
    }
}

/// What was found in a row.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Shown {
    /// Its position.
    pub row: usize,
    /// The position of a pair that it is like, or that it contradicts.
    pub other: Option<usize>,
    /// How near they are, or the two answers of the one pair: Jaccard's index of their runs of three words, computed exactly.
    pub jaccard: Option<f64>,
    /// What it is, in a word or two. Never the personal data itself.
    pub note: Option<String>,
}

/// The rows of a finding as they are found.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Found {
    rows: Vec<usize>,
    shown: Vec<Shown>,
}

impl Found {
    /// Adds a row with nothing more to say.
    pub fn add(&mut self, row: usize) {
        self.add_with(row, Shown::default);
    }

    /// Adds a row with a note.
    pub fn note(&mut self, row: usize, note: impl FnOnce() -> String) {
        self.add_with(row, || Shown { note: Some(note()), ..Shown::default() });
    }

    fn add_with(&mut self, row: usize, shown: impl FnOnce() -> Shown) {
        self.rows.push(row);
        if self.shown.len() < MOST_SHOWN {
            self.shown.push(Shown { row, ..shown() });
        }
    }

    /// How many rows.
    pub fn count(&self) -> usize {
        self.rows.len()
    }
}

/// Looks at the pairs and, where given, at the evaluation pairs beside them.
pub fn check<P: Borrow<Pair>>(pairs: &[P], eval: Option<&[P]>) -> Checks {
    let keys: Vec<Key> = pairs.iter().map(|pair| Key::of(pair.borrow())).collect();
    let mut alone = Alone::default();
    for (row, pair) in pairs.iter().enumerate() {
        alone.look_at(row, pair.borrow());
    }
    let mut beside = Beside::of(&keys);
    let leaks = beside.prompts(pairs, &keys, eval);
    let conversational = alone.conversational;
    let mut checks = Checks {
        pairs: pairs.len(),
        prompts: beside.different_prompts,
        conversational,
        chosen_longer: Share::new(alone.longer, alone.unequal),
        length_difference: alone.differences.mean(),
        findings: Vec::new(),
    };
    let mut add = |finding: Finding| {
        if !finding.rows.is_empty() {
            checks.findings.push(finding);
        }
    };
    words::of_each(alone, &mut add);
    words::of_several(beside, &mut add);
    if let (Some(leaks), Some(eval)) = (leaks, eval) {
        words::of_leaks(leaks, eval.len(), &mut add);
    }
    let whole = |code, message: String| Finding::new(code, Found::default(), message);
    if pairs.is_empty() {
        checks.findings.push(whole(Code::NoPairs, "There is no pair in this set.".to_owned()));
    } else if conversational == 0 {
        let message = "All pairs are plain text, so the model's chat template is not used.".to_owned();
        checks.findings.push(whole(Code::PlainText, message));
    } else if conversational < pairs.len() {
        let mut text = Found::default();
        (0..pairs.len()).filter(|&row| !pairs[row].borrow().is_conversational()).for_each(|row| text.add(row));
        checks.findings.push(words::mixed(text, conversational));
    }
    let length = words::length_bias(checks.chosen_longer, checks.length_difference);
    checks.findings.extend(length.map(|message| whole(Code::LengthBias, message)));
    checks.findings.sort_by_key(|finding| finding.severity);
    checks
}

/// A pair as it is compared with others, without regard to case and white space.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct Key {
    prompt: u128,
    chosen: u128,
    rejected: u128,
}

impl Key {
    fn of(pair: &Pair) -> Self {
        let Pair { prompt, chosen, rejected, .. } = pair;
        Self { prompt: fingerprint(prompt), chosen: fingerprint(chosen), rejected: fingerprint(rejected) }
    }

    fn turned(self) -> Self {
        Self { chosen: self.rejected, rejected: self.chosen, ..self }
    }

    /// The same for a pair and for one that contradicts it.
    fn unordered(self) -> Self {
        if self.chosen <= self.rejected { self } else { self.turned() }
    }
}

/// What pairs show by themselves.
#[derive(Default)]
struct Alone {
    conversational: usize,
    longer: usize,
    unequal: usize,
    differences: share::Sums,
    same: Found,
    nearly_same: Found,
    contained: Found,
    empty_chosen: Found,
    empty_rejected: Found,
    one_word: Found,
    placeholder: Found,
    prefilled: Found,
    unknown_role: Found,
    roles: BTreeSet<String>,
    repeats_prompt: Found,
    not_assistant: Found,
    leftover: Found,
    leftovers: BTreeSet<&'static str>,
    doubled: Found,
    personal: Found,
    personal_kinds: BTreeMap<personal::Kind, usize>,
    refused: Found,
    refusal_preferred: Found,
    languages: Vec<Option<whatlang::Lang>>,
    other_language: Found,
}

impl Alone {
    fn look_at(&mut self, row: usize, pair: &Pair) {
        let (chosen, rejected) = (pair.chosen.chars(), pair.rejected.chars());
        self.conversational += usize::from(pair.is_conversational());
        self.longer += usize::from(chosen > rejected);
        self.unequal += usize::from(chosen != rejected);
        self.differences.add(chosen as f64 - rejected as f64);
        let blank = (pair.chosen.is_blank(), pair.rejected.is_blank());
        let tests: [(&mut Found, bool); 8] = [
            (&mut self.same, pair.chosen == pair.rejected),
            (&mut self.empty_chosen, blank.0),
            (&mut self.empty_rejected, blank.1),
            (&mut self.one_word, answers::is_one_word(pair)),
            (&mut self.placeholder, answers::is_placeholder(pair)),
            (&mut self.prefilled, answers::is_prefilled(pair)),
            (&mut self.repeats_prompt, answers::repeats_prompt(pair)),
            (&mut self.not_assistant, answers::not_assistant(pair)),
        ];
        tests.into_iter().filter(|(_, is_so)| *is_so).for_each(|(found, _)| found.add(row));
        if let Some(jaccard) = answers::nearly_same(pair) {
            let note = (jaccard >= 1.0).then(|| "the same words".to_owned());
            self.nearly_same.add_with(row, || Shown { jaccard: Some(jaccard), note, ..Shown::default() });
        }
        if let Some(which) = answers::contained(pair) {
            self.contained.note(row, || which.to_owned());
        }
        let roles: BTreeSet<&str> = answers::unknown_roles(pair).collect();
        if !roles.is_empty() {
            self.unknown_role.add(row);
            self.roles.extend(roles.into_iter().take(5).map(|role| format!("`{role}`")));
        }
        self.look_for_leftovers(row, pair);
        self.look_for_personal_data(row, pair);
        self.look_for_refusals(row, pair);
        self.look_at_language(row, pair);
    }

    fn look_for_leftovers(&mut self, row: usize, pair: &Pair) {
        let look = |content: &Content, is_answer: bool, may_end: bool| {
            let all: Vec<_> =
                text::texts(content).map(|text| leftovers::leftovers(&text, is_answer, may_end)).collect();
            (all.iter().find_map(|found| found.token), all.iter().find_map(|found| found.doubled))
        };
        let is_text = !pair.is_conversational();
        let prompt = look(&pair.prompt, false, false);
        // Plain text with tokens in its prompt was rendered on purpose; its answers end their turn.
        let is_rendered = is_text && prompt.0.is_some();
        let answers = [&pair.chosen, &pair.rejected].map(|answer| look(answer, true, is_text));
        let token = answers.iter().find_map(|found| found.0).or(prompt.0.filter(|_| !is_rendered));
        if let Some(token) = token {
            self.leftover.note(row, || format!("`{token}`"));
            self.leftovers.insert(token);
        }
        if let Some(token) = prompt.1.or(answers[0].1).or(answers[1].1) {
            self.doubled.note(row, || format!("`{token}` twice", token = token.trim()));
        }
    }

    fn look_for_personal_data(&mut self, row: usize, pair: &Pair) {
        let parts = [&pair.prompt, &pair.chosen, &pair.rejected];
        let kinds: BTreeSet<personal::Kind> =
            parts.into_iter().flat_map(text::texts).flat_map(|text| personal::kinds(&text)).collect();
        if kinds.is_empty() {
            return;
        }
        for kind in &kinds {
            *self.personal_kinds.entry(*kind).or_default() += 1;
        }
        self.personal.note(row, || kinds.iter().map(|kind| kind.name()).collect::<Vec<_>>().join(", "));
    }

    fn look_for_refusals(&mut self, row: usize, pair: &Pair) {
        let Some(phrase) = refusals::refusal(&text::said(&pair.chosen)) else { return };
        self.refused.note(row, || format!("“{phrase}”"));
        if !pair.rejected.is_blank() && refusals::refusal(&text::said(&pair.rejected)).is_none() {
            self.refusal_preferred.note(row, || format!("chosen: “{phrase}”"));
        }
    }

    fn look_at_language(&mut self, row: usize, pair: &Pair) {
        let asked = text::asked(&pair.prompt);
        let prompt = language::language(&asked);
        let chosen = language::language(&text::said(&pair.chosen));
        if let (Some(prompt), Some(chosen)) = (prompt, chosen)
            && language::differ(prompt, chosen)
            && !language::asks_for_a_language(&asked)
        {
            let note = || format!("prompt {}, chosen {}", prompt.eng_name(), chosen.eng_name());
            self.other_language.note(row, note);
        }
        self.languages.push(prompt.or(chosen));
    }
}

/// What pairs show beside one another.
struct Beside {
    different_prompts: usize,
    contradiction: Found,
    duplicate: Found,
    same_prompt: Found,
    near_prompt: Found,
}

/// Prompts that are trained on and evaluated.
#[derive(Default)]
struct Leaks {
    same: Found,
    same_eval: Vec<usize>,
    near: Found,
    near_eval: Vec<usize>,
}

impl Beside {
    /// Looks for pairs that come again or are turned round.
    fn of(keys: &[Key]) -> Self {
        let mut order: Vec<u32> = (0..keys.len() as u32).collect();
        order.sort_unstable_by_key(|&row| (keys[row as usize].unordered(), row));
        let (mut contradicting, mut repeated) = (Vec::new(), Vec::new());
        for group in order.chunk_by(|&a, &b| keys[a as usize].unordered() == keys[b as usize].unordered()) {
            let first = group[0] as usize;
            let is_turned = |row: &u32| keys[*row as usize] != keys[first];
            let turned = group.iter().copied().find(is_turned);
            let says_something = keys[first].chosen != keys[first].rejected;
            if let (Some(turned), true) = (turned, says_something) {
                for row in group {
                    let other = if is_turned(row) { first } else { turned as usize };
                    contradicting.push((first, *row as usize, other));
                }
            }
            let mut firsts: HashMap<Key, usize> = HashMap::with_capacity(if turned.is_some() { 2 } else { 1 });
            for row in group {
                let before = *firsts.entry(keys[*row as usize]).or_insert(*row as usize);
                if before != *row as usize {
                    repeated.push((*row as usize, before));
                }
            }
        }
        contradicting.sort_unstable();
        repeated.sort_unstable();
        let mut this = Self {
            different_prompts: 0,
            contradiction: Found::default(),
            duplicate: Found::default(),
            same_prompt: Found::default(),
            near_prompt: Found::default(),
        };
        for (_, row, other) in contradicting {
            this.contradiction.add_with(row, || Shown { other: Some(other), ..Shown::default() });
        }
        for (row, other) in repeated {
            this.duplicate.add_with(row, || Shown { other: Some(other), ..Shown::default() });
        }
        this
    }

    /// Looks for prompts that come again, the same or nearly, and for those that are evaluated too.
    fn prompts<P: Borrow<Pair>>(&mut self, pairs: &[P], keys: &[Key], eval: Option<&[P]>) -> Option<Leaks> {
        let mut firsts: HashMap<u128, usize> = HashMap::with_capacity(keys.len());
        let mut different = Vec::new();
        let duplicates: HashSet<usize> = self.duplicate.rows.iter().copied().collect();
        for (row, key) in keys.iter().enumerate() {
            let first = *firsts.entry(key.prompt).or_insert(row);
            if first == row {
                different.push(row);
            } else if !duplicates.contains(&row) {
                self.same_prompt.add_with(row, || Shown { other: Some(first), ..Shown::default() });
            }
        }
        self.different_prompts = different.len();
        let mut leaks = eval.map(|_| Leaks::default());
        let mut prompts: Vec<&Content> = different.iter().map(|&row| &pairs[row].borrow().prompt).collect();
        let (mut fresh, mut leaked) = (Vec::new(), HashSet::new());
        for (row, pair) in eval.unwrap_or_default().iter().enumerate() {
            let prompt = &pair.borrow().prompt;
            let key = fingerprint(prompt);
            if firsts.contains_key(&key) {
                leaked.insert(key);
                if let Some(leaks) = &mut leaks {
                    leaks.same_eval.push(row);
                }
            } else {
                fresh.push(row);
                prompts.push(prompt);
            }
        }
        let links = near::links(&prompts, different.len());
        let linked = |link: near::Link| Shown {
            other: Some(different[link.to]),
            jaccard: Some(f64::from(link.jaccard)),
            ..Shown::default()
        };
        for (place, link) in links.iter().take(different.len()).enumerate() {
            if let Some(link) = link {
                self.near_prompt.add_with(different[place], || linked(*link));
            }
        }
        if let Some(leaks) = &mut leaks {
            let mut nearest: HashMap<u128, f64> = HashMap::new();
            for (place, row) in fresh.iter().enumerate() {
                if let Some(link) = links[different.len() + place] {
                    leaks.near_eval.push(*row);
                    let index = nearest.entry(keys[different[link.to]].prompt).or_default();
                    *index = index.max(f64::from(link.jaccard));
                }
            }
            for (row, key) in keys.iter().enumerate() {
                if leaked.contains(&key.prompt) {
                    leaks.same.add(row);
                } else if let Some(jaccard) = nearest.get(&key.prompt) {
                    leaks.near.add_with(row, || Shown { jaccard: Some(*jaccard), ..Shown::default() });
                }
            }
        }
        leaks
    }
}

/// Positions (from 0) of those `prompts` that some pair also has; case, white space at the ends and its amount between
/// words make no difference, and text counts as one message of the user.
pub fn leaked_prompts<'a>(pairs: &[Pair], prompts: impl IntoIterator<Item = &'a Content>) -> Vec<usize> {
    let trained: HashSet<u128> = pairs.iter().map(|pair| fingerprint(&pair.prompt)).collect();
    let prompts = prompts.into_iter().enumerate();
    prompts.filter(|(_, prompt)| trained.contains(&fingerprint(prompt))).map(|(row, _)| row).collect()
}

/// Positions of those `pairs` whose prompt is that of one of `others` but for a system's message: it asks for the same, and is
/// another prompt to a model.
pub fn but_for_the_system<P: Borrow<Pair>>(pairs: &[P], others: &[P]) -> Vec<usize> {
    let asked = |pair: &P| text::fingerprint_of_asked(&pair.borrow().prompt);
    let prompts: HashSet<u128> = others.iter().map(|pair| fingerprint(&pair.borrow().prompt)).collect();
    let others: HashSet<u128> = others.iter().filter_map(asked).collect();
    let is_near = |pair: &P| {
        asked(pair).is_some_and(|asked| others.contains(&asked))
            && !prompts.contains(&fingerprint(&pair.borrow().prompt))
    };
    (0..pairs.len()).filter(|&row| is_near(&pairs[row])).collect()
}

/// Positions of those `pairs` that prefer the other answer than one of `others` with the same prompt and answers, as
/// [`leaked_prompts`] compares them.
pub fn contradicting<P: Borrow<Pair>>(pairs: &[P], others: &[P]) -> Vec<usize> {
    let known: HashSet<Key> = others.iter().map(|pair| Key::of(pair.borrow())).collect();
    let opposed = |pair: &Pair| {
        let key = Key::of(pair);
        key.chosen != key.rejected && known.contains(&key.turned())
    };
    (0..pairs.len()).filter(|&row| opposed(pairs[row].borrow())).collect()
}

/// What makes two prompts the same prompt: [`leaked_prompts`] says which differences do not count.
pub(crate) fn prompt_key(prompt: &Content) -> String {
    let mut key = String::new();
    let mut add = |role: &str, said: &str| {
        key.push_str(role);
        for word in said.split_whitespace() {
            key.push(' ');
            text::push_lower(&mut key, word);
        }
        key.push('\n');
    };
    // How objects are written is no other prompt.
    let prompt = &*prompt.canonical();
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

#[cfg(test)]
mod tests;
