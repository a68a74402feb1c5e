//! Transcripts as Anthropic's HH-RLHF writes them, and where their last answer begins.

use crate::{Content, Message};

const HUMAN: &str = "\n\nHuman:";
const ASSISTANT: &str = "\n\nAssistant:";

/// The turns of a transcript, each without the space around it; the last may be empty.
pub(crate) fn turns(content: &Content) -> Option<Vec<Message>> {
    let Content::Text(text) = content else { return None };
    let text = text.trim_start();
    if !text.starts_with(HUMAN.trim_start()) || !text.contains(ASSISTANT) {
        return None;
    }
    let mut messages = Vec::new();
    let mut rest = &text[HUMAN.trim_start().len()..];
    let mut role = "user";
    loop {
        let next = |mark: &str| rest.find(mark).map(|at| (at, at + mark.len()));
        let turn = match (next(HUMAN), next(ASSISTANT)) {
            (Some(human), Some(assistant)) if human < assistant => Some((human, "user")),
            (_, Some(assistant)) => Some((assistant, "assistant")),
            (Some(human), None) => Some((human, "user")),
            (None, None) => None,
        };
        let Some(((end, begin), speaker)) = turn else { break };
        messages.push(Message::new(role, rest[..end].trim()));
        (rest, role) = (&rest[begin..], speaker);
    }
    messages.push(Message::new(role, rest.trim()));
    Some(messages)
}

/// The turns of a transcript that asks: a last turn in which the assistant has yet to speak is left out.
pub(super) fn asked(content: &Content) -> Option<Vec<Message>> {
    let mut messages = turns(content)?;
    if messages.last().is_some_and(|last| last.role == "assistant" && last.is_blank()) {
        messages.pop();
    }
    Some(messages)
}

/// The turns of a transcript that answers: its last turn is the answer, and says something.
pub(crate) fn answered(content: &Content, column: &str) -> Option<Result<Vec<Message>, String>> {
    let messages = turns(content)?;
    Some(match messages.last() {
        Some(last) if last.role != "assistant" => {
            Err(format!("the transcript in `{column}` ends with what the human says; the answer is missing"))
        }
        Some(last) if last.is_blank() => Err(format!("the last answer in `{column}` is empty")),
        _ => Ok(messages),
    })
}
