//! The playground: one prompt, or a conversation, answered by up to four models.

use prefs::Message;
use serde::{Deserialize, Serialize};
use ts_rs::TS;

/// Asks models for an answer each.
#[derive(Debug, Clone, PartialEq, Deserialize, TS)]
pub struct StartChat {
    pub project: String,
    /// One to four.
    pub chats: Vec<Chat>,
    /// 0 takes the most likely token each time.
    pub temperature: f64,
    /// Only the most likely tokens whose probabilities add up to this.
    pub top_p: f64,
    pub max_new_tokens: usize,
    /// Of the random choice: the same gives the same answer.
    pub seed: u64,
    pub allow_changed_base: bool,
}

/// What one model is asked.
#[derive(Debug, Clone, PartialEq, Deserialize, TS)]
pub struct Chat {
    /// The run whose adapter answers; the project's model without one where absent.
    pub run: Option<String>,
    /// The conversation so far; the last message is the user's.
    pub messages: Vec<Message>,
}

/// Asks for the answers of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, TS)]
pub struct ChatOf {
    pub job: u64,
}

/// What the models of a job have answered.
#[derive(Debug, Clone, PartialEq, Serialize, TS)]
pub struct ChatAnswers {
    /// In the order of the models; none where one has not answered yet.
    pub answers: Vec<Option<ChatAnswer>>,
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Serialize, TS)]
pub struct ChatAnswer {
    pub text: String,
    pub tokens: usize,
    pub seconds: f64,
    /// Whether it was cut at `max_new_tokens`.
    pub is_cut: bool,
    /// Whether it was broken off.
    pub is_stopped: bool,
    /// Whether the model has no chat template: it continued the message as plain text.
    pub is_plain_text: bool,
    /// Its tokens with how likely each was, where that was asked for.
    pub probabilities: Option<Vec<TokenProbability>>,
}

/// A token of an answer, and how likely the model found it after what stands before it, whatever the temperature.
#[derive(Debug, Clone, PartialEq, Serialize, TS)]
pub struct TokenProbability {
    pub text: String,
    pub probability: f64,
}

/// Asks how likely the tokens of an answer were.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, TS)]
pub struct ChatTokens {
    /// The job that made it.
    pub job: u64,
    /// Its place there, from 0.
    pub chat: usize,
}

/// Keeps what one sees as a labelled pair.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, TS)]
pub struct KeepPair {
    pub project: String,
    pub annotator: String,
    /// The conversation that both answered.
    pub messages: Vec<Message>,
    pub chosen: String,
    pub rejected: String,
    /// Whether prompt and answers are plain text.
    pub is_plain_text: bool,
    /// Whether the chosen answer stood on the left.
    pub chosen_left: bool,
    /// Since both answers were there.
    pub milliseconds: u64,
    /// Whose answers they are, in words.
    pub note: String,
}

/// Takes back a judgement that was kept.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, TS)]
pub struct TakeBack {
    pub project: String,
    pub judgement: i64,
}

/// Keeps what was asked as a prompt to label.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, TS)]
pub struct KeepPrompt {
    pub project: String,
    pub messages: Vec<Message>,
}

/// What became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, TS)]
pub struct Kept {
    /// The number of the pair among the project's; none of a prompt, and where others have judged the answers otherwise.
    pub pair: Option<i64>,
    /// The number of the judgement, by which it is taken back.
    pub judgement: Option<i64>,
    /// Whether the project had it already.
    pub was_there: bool,
}
