//! Who says which answer is better: a rule, any program, a model behind an address, or people.
//!
//! A judge sees the two answers as `a` and `b` and does not learn which model wrote which; who is shown first is drawn
//! from a seed and recorded with the verdict.

mod command;
mod endpoint;
mod rule;

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

pub use command::Command;
pub use endpoint::Endpoint;
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

impl Judge {
    /// Reads a judge as written on a command line: `plain`, `plain:40`, `shorter`, `longer`, `contains:TEXT`,
    /// `lacks:TEXT`, `command:PROGRAM ARGUMENT…` (split at spaces, no shell), `endpoint:URL MODEL KEY_VARIABLE` (the last
    /// only where a key is needed), or `people`.
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
            Judge::People => "people, blind".to_owned(),
        }
    }

    /// Asks for a verdict on one pair. Whoever sets `stop` does not wait for it.
    ///
    /// # Errors
    /// A sentence that says why there is none: the program failed, took too long, was stopped or answered something else.
    /// Rules always have a verdict.
    pub fn decide(&self, shown: Shown<'_>, stop: &AtomicBool) -> Result<Decision, String> {
        match self {
            Judge::Rule(rule) => Ok(rule.decide(shown)),
            Judge::Command(command) => command.decide(shown, stop),
            Judge::Endpoint(endpoint) => endpoint.decide(shown, stop),
            Judge::People => Err("nobody has judged this yet".to_owned()),
        }
    }
}

/// Said of a judge that was asked to stop.
const STOPPED: &str = "was stopped";

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

/// Whose answer is shown first, for each of `count` prompts. The same seed gives the same order, and the first prompts'
/// order does not depend on how many follow.
pub fn shown_first(seed: u64, count: usize) -> Vec<Side> {
    let mut generator = ChaCha8Rng::seed_from_u64(seed);
    (0..count).map(|_| if generator.random::<bool>() { Side::Base } else { Side::Tuned }).collect()
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
        let base = sides.iter().filter(|side| **side == Side::Base).count();
        assert!((420..580).contains(&base), "{base} of 1000");
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
