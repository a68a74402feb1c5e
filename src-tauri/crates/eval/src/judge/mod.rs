//! Who says which answer is better: a rule, any program, a model behind an address, or people.
//!
//! A judge sees the two answers as `a` and `b` and does not learn which model wrote which; who is shown first is drawn
//! from a seed, either equally often, and recorded with the verdict.

mod command;
mod endpoint;
mod key;
mod rule;
mod words;

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

pub use command::Command;
pub use endpoint::Endpoint;
pub use key::KeyFrom;
pub use rule::Rule;

use crate::Error;
use crate::answers::Side;

/// A judge.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Judge {
    /// A built-in rule.
    Rule(Rule),
    /// A program that reads a pair as JSON and answers.
    Command(Command),
    /// A model behind an OpenAI-compatible address.
    Endpoint(Endpoint),
    /// People; what they say is kept by [`crate::people`].
    People,
}

/// What a judge is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Shown<'a> {
    /// Which prompt it is, from 0.
    pub id: usize,
    /// The prompt as readable text.
    pub prompt: &'a str,
    /// The answer shown first.
    pub a: &'a str,
    /// The answer shown second.
    pub b: &'a str,
}

/// A judge's answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Choice {
    /// The answer shown first is better.
    A,
    /// The answer shown second is better.
    B,
    /// Neither is better.
    Tie,
}

/// A judge's answer and, where it gave one, its reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// Which answer is better.
    pub choice: Choice,
    /// Why, in the judge's words.
    pub reason: Option<String>,
}

/// Why a judge gave no verdict.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unjudged {
    /// It could not be asked or broke off, as it might at any other pair.
    Failed(String),
    /// It answered something that is no verdict; holds its words.
    Unreadable(String),
}

impl Unjudged {
    /// Why, in a sentence.
    pub fn why(self) -> String {
        match self {
            Unjudged::Failed(why) | Unjudged::Unreadable(why) => why,
        }
    }
}

impl From<String> for Unjudged {
    fn from(why: String) -> Self {
        Self::Failed(why)
    }
}

impl Judge {
    /// Reads a judge as written on a command line: `plain`, `plain:40`, `shorter`, `longer`, `contains:TEXT`,
    /// `lacks:TEXT`, `command:PROGRAM ARGUMENT…` (split at spaces, no shell), `endpoint:URL MODEL KEY` (the last only
    /// where a key is needed: the name of its environment variable, `@session` or `@keyring`), or `people`.
    ///
    /// # Errors
    /// When there is no such judge or its parameter is wrong.
    pub fn parse(text: &str) -> Result<Self, Error> {
        match text.split_once(':') {
            Some(("command", rest)) => Command::parse(rest).map(Judge::Command),
            Some(("endpoint", rest)) => Endpoint::parse(rest).map(Judge::Endpoint),
            None if text == "people" => Ok(Judge::People),
            _ => Rule::parse(text).map(Judge::Rule),
        }
        .map_err(|reason| Error::UnknownJudge { given: text.to_owned(), reason })
    }

    /// What the judge does, in words.
    pub fn description(&self) -> String {
        match self {
            Judge::Rule(rule) => rule.description(),
            Judge::Command(command) => command.description(),
            Judge::Endpoint(endpoint) => endpoint.description(),
            Judge::People => "people".to_owned(),
        }
    }

    /// Asks for a verdict on one pair. Whoever sets `stop` does not wait for it.
    ///
    /// # Errors
    /// Why there is none: the program failed, took too long, was stopped or answered something else. Rules always have a
    /// verdict.
    pub fn decide(&self, shown: Shown<'_>, stop: &AtomicBool) -> Result<Decision, Unjudged> {
        match self {
            Judge::Rule(rule) => Ok(rule.decide(shown)),
            Judge::Command(command) => command.decide(shown, stop),
            Judge::Endpoint(endpoint) => endpoint.decide(shown, TRIES, stop),
            Judge::People => Err("nobody has judged this yet".to_owned().into()),
        }
    }

    /// Asks once, before any answer is made, whether the judge can work: about the first prompt, with two answers that no
    /// model gave.
    ///
    /// # Errors
    /// Where it cannot be asked: an address that nobody answers, a key that is not set, a program that does not start.
    pub fn try_out(&self, prompt: &str, stop: &AtomicBool) -> Result<(), Error> {
        let shown = Shown { id: 0, prompt, a: "Yes.", b: "No." };
        let asked = match self {
            Judge::Rule(_) | Judge::People => return Ok(()),
            Judge::Command(command) => command.decide(shown, stop),
            Judge::Endpoint(endpoint) => endpoint.decide(shown, 1, stop),
        };
        match asked {
            Err(Unjudged::Failed(reason)) => Err(Error::JudgeCannotWork { judge: self.description(), reason }),
            // Of this question it may be in doubt.
            Ok(_) | Err(Unjudged::Unreadable(_)) => Ok(()),
        }
    }

    /// Whether it could like one place better than the other: a rule does not know of places.
    pub fn sees_places(&self) -> bool {
        !matches!(self, Judge::Rule(_))
    }
}

/// How often an endpoint is asked about one pair where what keeps it from answering may pass.
const TRIES: u32 = 3;

/// Said of a judge that was asked to stop.
const STOPPED: &str = "was stopped";

/// A judge's own words that are no verdict, kept whole unless they are very long: a verdict often stands at the end.
fn shortened(said: &str) -> String {
    const MOST: usize = 1000;
    let count = said.chars().count();
    if count <= 2 * MOST {
        return said.to_owned();
    }
    let (begin, end): (String, String) = (said.chars().take(MOST).collect(), said.chars().skip(count - MOST).collect());
    format!("{begin} … {end}")
}

/// How often a judge at work looks whether it is to stop.
const LOOK: Duration = Duration::from_millis(50);

/// Waits this long, or until somebody stops it. Says whether the time has passed.
fn wait(time: Duration, stop: &AtomicBool) -> bool {
    let start = Instant::now();
    while !stop.load(Ordering::Relaxed) {
        match time.checked_sub(start.elapsed()) {
            None => return true,
            Some(left) => std::thread::sleep(left.min(LOOK)),
        }
    }
    false
}

/// Whose answer is shown first, for each of `count` prompts: drawn for every two, so that however many there are, either
/// model is shown first as often as the other, or once more. A judge's liking for a place then moves no win rate. The same
/// seed gives the same order, and the first prompts' order does not depend on how many follow.
pub fn shown_first(seed: u64, count: usize) -> Vec<Side> {
    let mut generator = ChaCha8Rng::seed_from_u64(seed);
    let mut two = || {
        let first = if generator.random::<bool>() { Side::Base } else { Side::Tuned };
        [first, first.other()]
    };
    (0..count.div_ceil(2)).flat_map(|_| two()).take(count).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn sides_are_shuffled_and_repeatable() {
        let sides = shown_first(7, 1000);
        assert_eq!(sides, shown_first(7, 1000));
        assert_eq!(sides[..10], shown_first(7, 10));
        assert_ne!(sides, shown_first(8, 1000));
        // Not simply in turns.
        let repeated = sides.windows(2).filter(|two| two[0] == two[1]).count();
        assert!((200..300).contains(&repeated), "{repeated} of 999");
    }

    #[test]
    fn either_model_is_shown_first_equally_often_whatever_the_seed_and_the_number_of_prompts() {
        for seed in (0..500).chain([u64::MAX]) {
            let mut lead = 0_i32;
            for (place, side) in shown_first(seed, 301).into_iter().enumerate() {
                lead += if side == Side::Base { 1 } else { -1 };
                assert!(lead.abs() <= 1, "seed {seed}: {lead} after {} prompts", place + 1);
            }
        }
        assert!(shown_first(0, 0).is_empty());
    }

    #[test]
    fn judges_are_read_from_words() {
        assert!(matches!(Judge::parse("shorter"), Ok(Judge::Rule(Rule::Shorter))));
        let command = Judge::parse("command:judge --strict  now").unwrap();
        let Judge::Command(command) = command else { panic!("{command:?}") };
        assert_eq!(
            (command.program.as_str(), command.arguments),
            ("judge", vec!["--strict".to_owned(), "now".to_owned()])
        );
        for (wrong, reason) in [
            ("nice", "there is plain, shorter"),
            ("plain:many", "allowed number of words"),
            ("contains", "contains:TEXT"),
            ("command: ", "names no program"),
            ("endpoint:http://localhost:8080/v1", "endpoint:URL MODEL"),
            ("endpoint:http://example.com/v1 m", "use https"),
            ("shorter:3", "takes no parameter"),
        ] {
            let error = Judge::parse(wrong).unwrap_err().to_string();
            assert!(error.contains(reason), "{error}");
        }
    }

    #[test]
    fn a_judge_keeps_its_written_form() {
        let judge = Judge::parse("plain:30").unwrap();
        let json = serde_json::to_value(&judge).unwrap();
        assert_eq!(json, serde_json::json!({"rule": {"plain": {"max_words": 30}}}));
        assert_eq!(serde_json::from_value::<Judge>(json).unwrap(), judge);
    }
}
