//! The playground: one prompt, or a conversation, answered by up to four models.

use super::LocalSide;
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
    /// Another model of this machine, in the place of both.
    #[serde(default)]
    #[ts(optional)]
    pub side: Option<LocalSide>,
    /// An answer to the same that is gone on from, with another token in the place of one.
    #[serde(default)]
    #[ts(optional)]
    pub from: Option<GoOn>,
    /// The conversation so far; the last message is the user's.
    pub messages: Vec<Message>,
}

/// Where an answer is gone on from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, TS)]
#[serde(deny_unknown_fields)]
pub struct GoOn {
    /// The job that made the answer.
    pub job: u64,
    /// Its place there, from 0.
    pub chat: usize,
    /// The place of the token, from 0: those before it stay.
    pub token: usize,
    /// The number of the token that stands there now.
    pub instead: u32,
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
    /// Tokens of it that somebody chose in the place of the model's own.
    pub steered: usize,
    /// Its tokens with how likely each was, where that was asked for.
    pub probabilities: Option<Vec<TokenProbability>>,
}

/// A token of an answer, and how likely the model found it after what stands before it, whatever the temperature.
#[derive(Debug, Clone, PartialEq, Serialize, TS)]
pub struct TokenProbability {
    pub text: String,
    pub probability: f64,
    /// The most likely tokens at its place, itself among them where it is one, the most likely first.
    pub likely: Vec<Alternative>,
}

/// A token that might have stood there.
#[derive(Debug, Clone, PartialEq, Serialize, TS)]
pub struct Alternative {
    /// Its number in the vocabulary.
    pub id: u32,
    /// What it adds to the text before it; of one that is no whole character by itself, and of one that is no text, its name.
    pub text: String,
    pub probability: f64,
    /// Whether it is the token that stands there.
    pub is_chosen: bool,
    /// Whether the answer would end there.
    pub is_end: bool,
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
