//! Answers that are there already: of a file, or the chosen ones of pairs.

use crate::context::Context;
use crate::error::{Error, Result};
use crate::reading::pairs_of;
use eval::answers::{Answer, Side};
use eval::evaluation::readable;
use prefs::Content;
use prefs::prompts::Prompt;
use prefs::reader::Choices;
use serde_json::{Map, Value};
use std::collections::{HashMap, HashSet};
use std::path::Path;

/// Keys under which an answer may stand, as programs write them; the first that is there counts.
const KEYS: [&str; 6] = ["text", "answer", "response", "completion", "output", "chosen"];

/// Lines that are named one by one.
const NAMED: usize = 5;

/// Answers by the place of their prompt, and what is to be said of them.
pub(super) struct Read {
    /// One to each prompt; whose they are is said by who asked.
    pub(super) answers: Vec<Answer>,
    /// Sentences without a full stop.
    pub(super) notes: Vec<String>,
    /// How many different answers these are.
    used: usize,
}

/// An answer as it stands somewhere.
struct Told {
    /// Its line, or the number of its pair.
    at: usize,
    text: String,
    tokens: Option<usize>,
    truncated: bool,
}

/// The chosen answers of pairs.
pub(super) fn of_pairs(
    path: &Path,
    choices: Option<&Choices>,
    prompts: &[Prompt],
    context: &mut Context,
) -> Result<Read> {
    let file = pairs_of(path, choices, context)?;
    let told = file.pairs.into_iter().zip(1..).map(|(pair, at)| {
        (pair.prompt, Told { at, text: readable(&pair.chosen).trim().to_owned(), tokens: None, truncated: false })
    });
    // Of a prompt with several pairs the first one counts, and that is said.
    let (known, others) = by_prompt(told);
    let mut read = answers_to(prompts, &known, path, "no chosen answer among the pairs")?;
    let others = others.len();
    if others > 0 {
        read.notes.push(format!("{others} prompts have several pairs: the chosen answer of the first counts"));
    }
    Ok(read)
}

/// The answers of a file: JSON Lines with a `prompt` and an answer, as `tiebreak --json generate` writes them.
pub(super) fn of_file(path: &Path, prompts: &[Prompt]) -> Result<Read> {
    let text = std::fs::read_to_string(path).map_err(Error::file(path))?;
    let wrong = |line: usize, what: &str| {
        let hint = "Each line is an object with a prompt and an answer (text, answer, response, completion or output).";
        Error::new("answers", format!("{}, line {line}: {what}", path.display()), hint)
    };
    let (mut told, mut others) = (Vec::new(), 0);
    for (line, at) in text.trim_start_matches('\u{feff}').lines().zip(1..) {
        if line.trim().is_empty() {
            continue;
        }
        let row: Map<String, Value> =
            serde_json::from_str(line).map_err(|error| wrong(at, &format!("it is no JSON object ({error})")))?;
        // What the program says beside its answers, such as notes.
        if row.get("type").and_then(Value::as_str).is_some_and(|kind| kind != "answer") && !row.contains_key("prompt") {
            others += 1;
            continue;
        }
        let prompt: Content = match row.get("prompt") {
            Some(prompt) => serde_json::from_value(prompt.clone())
                .map_err(|_| wrong(at, "its prompt is neither a text nor a list of messages"))?,
            None => return Err(wrong(at, "it has no prompt")),
        };
        let answer = KEYS.iter().find_map(|key| row.get(*key)).ok_or_else(|| wrong(at, "it has no answer"))?;
        let answer: Content = serde_json::from_value(answer.clone())
            .map_err(|_| wrong(at, "its answer is neither a text nor a list of messages"))?;
        told.push((
            prompt,
            Told {
                at,
                text: readable(&answer).trim().to_owned(),
                tokens: row.get("tokens").and_then(Value::as_u64).and_then(|count| usize::try_from(count).ok()),
                truncated: row.get("finish").and_then(Value::as_str) == Some("length"),
            },
        ));
    }
    let (known, repeated) = by_prompt(told);
    let differing: Vec<String> = repeated
        .iter()
        .filter(|(first, again)| first.1 != again.1)
        .map(|(first, again)| format!("lines {} and {}", first.0, again.0))
        .collect();
    if !differing.is_empty() {
        let named = differing.iter().take(NAMED).cloned().collect::<Vec<_>>().join(", ");
        let message = format!("{}: {} prompts have two different answers: {named}", path.display(), differing.len());
        return Err(Error::new("answers", message, "Keep one answer to each prompt."));
    }
    let mut read = answers_to(prompts, &known, path, "no answer in the file")?;
    if others > 0 {
        read.notes.push(format!("{others} lines of the file are no answers and were passed over"));
    }
    let unused = known.len() - read.used;
    if unused > 0 {
        read.notes.push(format!("the file has answers to {unused} other prompts, which were not asked"));
    }
    Ok(read)
}

type Place = (usize, String);

/// Answers by their prompt, the first of each; and of every other one where it stands beside the first.
fn by_prompt(told: impl IntoIterator<Item = (Content, Told)>) -> (HashMap<Content, Told>, Vec<(Place, Place)>) {
    let (mut known, mut again): (HashMap<Content, Told>, _) = (HashMap::new(), Vec::new());
    for (prompt, told) in told {
        match known.get(&prompt) {
            Some(first) => again.push(((first.at, first.text.clone()), (told.at, told.text))),
            None => {
                known.insert(prompt, told);
            }
        }
    }
    (known, again)
}

/// An answer to each prompt. A question that stands as text here and as a user's message there is the same.
fn answers_to(prompts: &[Prompt], known: &HashMap<Content, Told>, path: &Path, lacking: &str) -> Result<Read> {
    let mut by_text: HashMap<String, &Told> = HashMap::new();
    for (prompt, told) in known {
        if is_single(prompt) {
            by_text.insert(readable(prompt), told);
        }
    }
    let (mut answers, mut missing, mut as_text) = (Vec::new(), Vec::new(), 0);
    let mut used = HashSet::new();
    for (id, Prompt { prompt, .. }) in prompts.iter().enumerate() {
        let told = known.get(prompt).or_else(|| {
            let told = by_text.get(&readable(prompt)).filter(|_| is_single(prompt)).copied();
            as_text += usize::from(told.is_some());
            told
        });
        match told {
            Some(Told { at, text, tokens, truncated }) => {
                used.insert(at);
                let (text, tokens, truncated) = (text.clone(), *tokens, *truncated);
                answers.push(Answer { id, side: Side::Tuned, text, tokens, truncated });
            }
            None => missing.push(id + 1),
        }
    }
    if !missing.is_empty() {
        let named: Vec<String> = missing.iter().take(NAMED).map(usize::to_string).collect();
        let message = format!(
            "{}: {} of {} prompts have {lacking}, the first of them prompt {}",
            path.display(),
            missing.len(),
            prompts.len(),
            named.join(", ")
        );
        return Err(Error::new("unanswered", message, "Ask only prompts that have an answer, or complete the file."));
    }
    let mut notes = Vec::new();
    if as_text > 0 {
        notes.push(format!("{as_text} prompts stand as text on one side and as a user's message on the other"));
    }
    Ok(Read { answers, notes, used: used.len() })
}

/// A text, or one message alone.
fn is_single(prompt: &Content) -> bool {
    match prompt.as_messages() {
        None => true,
        Some([only]) => only.role == "user",
        Some(_) => false,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use prefs::Message;

    fn prompts() -> Vec<Prompt> {
        let asked = Content::from(vec![Message::new("user", "Why?")]);
        vec![Prompt { prompt: "How?".into(), category: None }, Prompt { prompt: asked, category: None }]
    }

    fn read(lines: &str) -> Result<Read> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("answers.jsonl");
        std::fs::write(&path, lines).unwrap();
        of_file(&path, &prompts())
    }

    #[test]
    fn a_file_of_the_programs_own_and_one_of_others_are_read() {
        let own = "{\"type\":\"note\",\"message\":\"x\"}\n\
                   {\"type\":\"answer\",\"index\":0,\"prompt\":[{\"role\":\"user\",\"content\":\"Why?\"}],\"text\":\"So.\",\"tokens\":2,\"finish\":\"length\"}\n\
                   {\"prompt\":\"How?\",\"answer\":\" Well. \"}\n\n\
                   {\"prompt\":\"Else?\",\"response\":\"No.\"}\n";
        let Read { answers, notes, .. } = read(own).unwrap();
        let told: Vec<_> = answers.iter().map(|a| (a.id, a.text.as_str(), a.tokens, a.truncated)).collect();
        assert_eq!(told, [(0, "Well.", None, false), (1, "So.", Some(2), true)]);
        assert_eq!(
            notes,
            [
                "1 lines of the file are no answers and were passed over",
                "the file has answers to 1 other prompts, which were not asked"
            ]
        );
        let as_text = read("{\"prompt\":\"How?\",\"text\":\"a\"}\n{\"prompt\":\"Why?\",\"text\":\"b\"}").unwrap();
        assert_eq!(as_text.notes, ["1 prompts stand as text on one side and as a user's message on the other"]);
    }

    #[test]
    fn what_is_missing_or_stands_twice_is_said_by_its_line() {
        for (lines, expected) in [
            (
                "{\"prompt\":\"How?\",\"text\":\"a\"}",
                "1 of 2 prompts have no answer in the file, the first of them prompt 2",
            ),
            (
                "{\"prompt\":\"How?\",\"text\":\"a\"}\n{\"prompt\":\"How?\",\"text\":\"b\"}",
                "two different answers: lines 1 and 2",
            ),
            ("{\"prompt\":\"How?\"}", "line 1: it has no answer"),
            ("{\"text\":\"a\"}", "line 1: it has no prompt"),
            ("[]", "line 1: it is no JSON object"),
            ("{\"prompt\":3,\"text\":\"a\"}", "line 1: its prompt is neither"),
        ] {
            let error = read(lines).err().unwrap();
            assert!(error.message.contains(expected), "{}", error.message);
        }
    }
}
