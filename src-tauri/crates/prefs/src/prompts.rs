//! Prompts without answers, for evaluation: JSONL with a `prompt` (text or messages) and perhaps a `category` per line.
//!
//! A line may also be just a JSON string, and a row of a preference data set gives its prompt, implicit or not, in the
//! same form that [`crate::jsonl`] gives it, so that the two can be compared.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};
use std::io::BufRead;
use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::jsonl::{category, open, optional, pair_from_value};
use crate::pair::{BesidePrompt, hash_content};
use crate::rows::{self, Ignored, kind};
use crate::{Content, Error, Place, Refused};

/// Something to be answered.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "PromptForm", into = "PromptForm")]
pub struct Prompt {
    /// What is asked.
    pub prompt: Content,
    /// A label of the user's own, by which results can be told apart.
    pub category: Option<String>,
}

/// A prompt as TRL's data sets have it.
#[derive(Serialize, Deserialize)]
struct PromptForm {
    prompt: Content,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    category: Option<String>,
    #[serde(flatten)]
    beside: BesidePrompt,
}

impl TryFrom<PromptForm> for Prompt {
    type Error = String;

    fn try_from(form: PromptForm) -> Result<Self, String> {
        Ok(Self { prompt: form.beside.join(form.prompt)?, category: form.category })
    }
}

impl From<Prompt> for PromptForm {
    fn from(prompt: Prompt) -> Self {
        let (asked, beside) = BesidePrompt::split(prompt.prompt);
        Self { prompt: asked, category: prompt.category, beside }
    }
}

/// How many prompts are plain text, which no chat template renders.
pub fn plain_text(prompts: &[Prompt]) -> usize {
    prompts.iter().filter(|prompt| prompt.prompt.as_messages().is_none()).count()
}

/// Prompts that are named one by one.
const NAMED: usize = 5;

/// What is to be said of prompts that stand in a file more than once, as a sentence. How objects in them are written makes no
/// other prompt.
pub fn repeated(prompts: &[(Place, &Content)]) -> Option<String> {
    let mut first: HashMap<[u8; 32], Place> = HashMap::new();
    let (mut repeats, mut named) = (0, Vec::new());
    for (place, prompt) in prompts {
        let mut hasher = Sha256::new();
        hash_content(&mut hasher, &prompt.canonical());
        match first.entry(hasher.finalize().into()) {
            Entry::Vacant(new) => {
                new.insert(*place);
            }
            Entry::Occupied(known) => {
                repeats += 1;
                if named.len() < NAMED {
                    named.push(format!("{place} asks what {} asks", known.get()));
                }
            }
        }
    }
    let more = if repeats > named.len() { format!(", and {} more", repeats - named.len()) } else { String::new() };
    (repeats > 0).then(|| {
        format!(
            "Of {} prompts {} are different ({}{more}): each is answered, and counted, as often as it stands there.",
            prompts.len(),
            first.len(),
            named.join(", ")
        )
    })
}

/// A prompt and where it stands in its file.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Numbered {
    pub place: Place,
    pub prompt: Prompt,
}

/// What a file of prompts held. Nothing is dropped without being counted: every line is a prompt, refused or blank.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reading {
    /// The prompts, in file order.
    pub prompts: Vec<Numbered>,
    /// Rows that were not taken, each with its line and reason.
    pub refused: Vec<Refused>,
    /// Lines with nothing but white space.
    pub blank: usize,
    /// Keys that have no meaning here, with how often each came.
    pub ignored_keys: BTreeMap<String, usize>,
}

impl Reading {
    /// The prompts alone.
    pub fn into_prompts(self) -> Vec<Prompt> {
        self.prompts.into_iter().map(|numbered| numbered.prompt).collect()
    }
}

/// Reads a file of prompts.
///
/// # Errors
/// When the file cannot be read or is UTF-16; bad rows are in [`Reading::refused`].
pub fn read_prompts(path: &Path) -> Result<Reading, Error> {
    read_prompts_from(open(path)?).map_err(Error::io("read", path))
}

/// Reads prompts from any input.
///
/// # Errors
/// When reading itself fails; bad rows are in [`Reading::refused`].
pub fn read_prompts_from(input: impl BufRead) -> std::io::Result<Reading> {
    let rows = rows::read(input, prompt_from_value)?;
    let prompts = rows.taken.into_iter().map(|(place, prompt)| Numbered { place, prompt }).collect();
    Ok(Reading { prompts, refused: rows.refused, blank: rows.blank, ignored_keys: rows.ignored_keys })
}

fn prompt_from_value(value: Value, ignored: &mut Ignored) -> Result<Prompt, String> {
    let mut row = match value {
        Value::String(text) => return not_empty(Prompt { prompt: Content::Text(text), category: None }),
        Value::Object(row) => row,
        other => return Err(format!("expected an object with `prompt`, found {}", kind(&other))),
    };
    if ["chosen", "rejected"].iter().all(|key| row.get(*key).is_some_and(|answer| !answer.is_null())) {
        let pair = pair_from_value(Value::Object(row), ignored)?;
        ignored.count([&"chosen".to_owned(), &"rejected".to_owned()]);
        return Ok(Prompt { prompt: pair.prompt, category: pair.category });
    }
    let Some(prompt) = optional(&mut row, "prompt")? else {
        let found: Vec<String> = row.keys().take(8).map(|key| format!("`{key}`")).collect();
        return Err(format!("`prompt` is missing; found {}", found.join(", ")));
    };
    let category = category(&mut row)?;
    let prompt = BesidePrompt::of(&mut row)?.join(prompt)?;
    ignored.count(row.keys());
    not_empty(Prompt { prompt, category })
}

fn not_empty(prompt: Prompt) -> Result<Prompt, String> {
    if prompt.prompt.is_blank() { Err("`prompt` is empty".to_owned()) } else { Ok(prompt) }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::Message;

    #[test]
    fn prompts_that_repeat_are_counted_and_named() {
        let said = |texts: &[&str]| {
            let prompts: Vec<Content> = texts.iter().map(|text| Content::from(*text)).collect();
            let placed: Vec<(Place, &Content)> =
                prompts.iter().enumerate().map(|(at, prompt)| (Place::line(at + 1), prompt)).collect();
            repeated(&placed)
        };
        assert_eq!(said(&["a", "b"]), None);
        let few = said(&["a", "b", "a", "a"]).unwrap();
        assert_eq!(
            few,
            "Of 4 prompts 2 are different (line 3 asks what line 1 asks, line 4 asks what line 1 asks): each is answered, and \
             counted, as often as it stands there."
        );
        assert!(said(&["a"; 9]).unwrap().contains("Of 9 prompts 1 are different (line 2 asks"));
        assert!(said(&["a"; 9]).unwrap().contains(", and 3 more)"));
    }

    #[test]
    fn every_form_of_prompt_is_read_and_the_rest_is_counted() {
        let text = concat!(
            "{\"prompt\": \"Why?\", \"category\": \"short\", \"id\": 7}\n",
            "\"Who?\"\n",
            "{\"prompt\": [{\"role\": \"user\", \"content\": \"How?\"}]}\n",
            "{\"chosen\": \"Q: a? A: b\", \"rejected\": \"Q: a? A: c\"}\n",
            "{\"prompt\": \"Where?\", \"chosen\": null}\n",
            "\n",
            "{\"question\": \"When?\"}\n",
            "{\"prompt\": \" \"}\n",
            "{\"prompt\": 3}\n",
            "17\n",
        );
        let reading = read_prompts_from(text.as_bytes()).unwrap();
        let prompts: Vec<(usize, Content)> =
            reading.prompts.iter().map(|numbered| (numbered.place.line, numbered.prompt.prompt.clone())).collect();
        let expected: Vec<(usize, Content)> = vec![
            (1, "Why?".into()),
            (2, "Who?".into()),
            (3, vec![Message::new("user", "How?")].into()),
            (4, "Q: a? A:".into()),
            (5, "Where?".into()),
        ];
        assert_eq!(prompts, expected);
        assert_eq!(reading.prompts[0].prompt.category.as_deref(), Some("short"));
        assert_eq!(reading.blank, 1);
        let lines: Vec<usize> = reading.refused.iter().map(|refused| refused.place.line).collect();
        assert_eq!(lines, [7, 8, 9, 10]);
        assert_eq!(reading.refused[0].reason, "`prompt` is missing; found `question`");
        assert_eq!(reading.ignored_keys.get("id"), Some(&1));
        assert_eq!(reading.ignored_keys.get("chosen"), Some(&2));
    }
}
