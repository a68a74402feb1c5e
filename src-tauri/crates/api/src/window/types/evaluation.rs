//! Base against tuned, or any other two sides.

use super::{Content, FigureView, Notes, PlainText, RefusedRow};
use eval::accuracy::AccuracyRow;
use eval::degeneration::TextRow;
use serde::{Deserialize, Serialize};
use ts_rs::TS;

/// An evaluation to be made.
#[derive(Debug, Clone, PartialEq, Deserialize, TS)]
#[serde(deny_unknown_fields)]
pub struct EvalRequest {
    /// The project's folder.
    pub project: String,
    /// The run whose adapter is judged; empty where the evaluation is of none, and both sides are said.
    pub run: String,
    pub judge: JudgeChoice,
    /// What is asked.
    pub prompts: PromptSource,
    /// At most so many prompts.
    pub max_prompts: usize,
    /// 0 takes the most likely token.
    pub temperature: f64,
    /// Tokens after which an answer is cut.
    pub max_new_tokens: usize,
    /// Seed of answers and sides.
    pub seed: u64,
    /// What is compared with what, the first being what the win rate is of; the run's adapter with its base where absent.
    #[serde(default)]
    pub sides: Option<[SideRequest; 2]>,
}

/// What stands on one side of an evaluation.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, TS)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum SideRequest {
    /// The adapter of a run.
    Run {
        run: String,
        /// As it was after this step, of which there is a checkpoint; as it is now where absent.
        step: Option<u64>,
    },
    /// The model that the evaluation's run began from; of no run the project's model.
    Base,
    /// Another model, alone.
    Model {
        /// A name of the catalogue or the hub, or a path.
        model: String,
    },
    /// Answers from a file that was sent.
    Answers {
        /// The file.
        upload: String,
    },
    /// The chosen answers of the run's held-out pairs; of no run of the project's.
    Chosen,
}

/// What both sides of an evaluation are called. Everything of an evaluation that is called `tuned` is of the first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS)]
pub struct SideNames {
    /// At the head of a column.
    pub tuned: String,
    /// At the head of a column.
    pub base: String,
    /// Standing alone.
    pub tuned_title: String,
    /// Standing alone.
    pub base_title: String,
    /// Whether an adapter is compared with its own base: the result then says what training did.
    pub of_training: bool,
}

/// Checkpoints that a run has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS)]
pub struct Checkpoints {
    /// Their steps, in rising order.
    pub steps: Vec<u64>,
}

/// Who judges.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum JudgeChoice {
    /// People, blind.
    Human,
    /// A rule such as `plain:45`.
    Rule { rule: String },
    /// A program that reads a pair of answers as JSON.
    Command {
        /// Program and arguments.
        command: String,
    },
    /// A model behind an OpenAI-compatible address.
    Endpoint {
        /// The address.
        url: String,
        /// The model's name there.
        model: String,
        /// The environment variable that holds the key.
        key_env: Option<String>,
        /// Where else the key comes from.
        #[serde(default)]
        key_from: Option<JudgeKeyFrom>,
    },
}

/// Where a key comes from that is in no environment variable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum JudgeKeyFrom {
    /// It was typed, and is known until the program ends.
    Session,
    /// The system's keyring.
    Keyring,
}

/// Whether a server's key was taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS)]
pub struct JudgeKey {
    /// The server that it is for.
    pub server: String,
    /// Whether it was kept in the keyring.
    pub in_keyring: bool,
}

/// Where prompts come from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum PromptSource {
    /// The run's held-out pairs; of no run the project's, and all its pairs where none are marked so.
    HeldOut,
    /// A file that was sent.
    #[serde(rename_all = "snake_case")]
    Upload {
        /// The file.
        upload: String,
        /// How prompts that are plain text are asked.
        plain_text: PlainText,
    },
}

/// A file of prompts to look at.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, TS)]
#[serde(deny_unknown_fields)]
pub struct PreviewPrompts {
    /// The project's folder.
    pub project: String,
    /// The run whose model is to be asked.
    pub run: String,
    /// The file.
    pub upload: String,
}

/// What a file holds to ask.
#[derive(Debug, Clone, PartialEq, Serialize, TS)]
pub struct PromptsPreview {
    /// The kind of file, and which column is what.
    pub how: String,
    /// What of it is left out or read otherwise, as sentences.
    pub notices: Vec<String>,
    pub prompts: usize,
    pub plain_text: usize,
    /// How they are asked unless the user says otherwise.
    pub preset: PlainText,
    /// Rows that are no prompt; the first of them.
    pub refused: Vec<RefusedRow>,
    /// How many there are.
    pub refused_total: usize,
    /// The first prompts.
    pub first: Vec<Content>,
    /// Whether the run's model has a chat template; unknown where its tokenizer is not here.
    pub has_template: Option<bool>,
}

/// Where an evaluation stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum EvalState {
    /// Answers are being made.
    Answering,
    /// Answers are being judged.
    Judging,
    Done,
    /// No job is at work on it.
    BrokenOff,
}

/// An evaluation in a list.
#[derive(Debug, Clone, PartialEq, Serialize, TS)]
pub struct EvalSummary {
    /// By which it is named: its folder's name.
    pub evaluation: String,
    /// What it is called: as its run, unless it was given a name.
    pub name: String,
    /// What was written of it.
    pub notes: Notes,
    pub run: String,
    pub run_name: String,
    /// What both sides are called.
    pub names: SideNames,
    /// The judge, in words.
    pub judge: String,
    /// The server that the judge's key is typed or kept for, where it has one.
    pub key_for: Option<String>,
    /// Where the prompts are from; empty where that is not known.
    pub prompts_from: String,
    /// A digest of the prompts and of how answers to them are sampled, but for the seed: results of evaluations in which it
    /// differs are of other things. None before the models are asked.
    pub asked: Option<String>,
    /// When it was begun.
    pub created_at: u64,
    /// Where it stands.
    #[ts(inline)]
    pub state: EvalState,
    pub prompts: usize,
    /// Prompts that both sides have answered.
    pub answered: usize,
    /// Of them, those judged.
    pub judged: usize,
    /// Pairs of answers that nobody has looked at blind; where both are the same, nobody is asked.
    pub waiting: usize,
    /// The share of the first side, `tuned`, ties as half.
    pub win_rate: Option<f64>,
    /// Its 95 % interval.
    pub win_rate_interval: Option<(f64, f64)>,
    /// A stable short name of the verdict.
    pub verdict: String,
    /// The verdict in words.
    pub words: String,
}

/// An evaluation, whole.
#[derive(Debug, Clone, PartialEq, Serialize, TS)]
pub struct EvalView {
    /// The evaluation whose answers are judged again here, where that is still there.
    pub answers_of: Option<String>,
    /// What that is called.
    pub answers_of_name: Option<String>,
    /// As in the list.
    pub summary: EvalSummary,
    /// What the rule, command or endpoint says.
    pub auto: Option<GroupView>,
    /// What people say.
    pub human: Option<GroupView>,
    /// How far the two agree.
    #[ts(inline)]
    pub both: Option<BothView>,
    /// Whether the judge, and everybody who judged blind, likes one place better than the other: a sentence each.
    pub places: Vec<String>,
    pub categories: Vec<GroupView>,
    /// Length and repetition of both models' answers; empty before all are there, and while people judge them blind.
    pub texts: Vec<TextRow>,
    /// Held-out pairs, by the three numbers that say how many are ranked as labelled.
    #[ts(inline)]
    pub accuracy: Option<AccuracyView>,
    /// The win rate, drawn.
    pub figure: Option<FigureView>,
    /// Says so where the base is another than the adapter was trained on.
    pub other_base: Option<String>,
    /// What the line at 55 % in the figure is; empty where the result says nothing of training.
    pub why_55: String,
    /// How the prompts were asked, where that is to be kept in mind: a sentence each.
    pub how_asked: Vec<String>,
    /// Which answers were taken from other evaluations, and how many: sentences without a full stop.
    pub reused: Vec<String>,
    /// What the result came from: names and values.
    pub ancestry: Vec<(String, String)>,
    /// The job that is at work on it.
    pub job: Option<u64>,
}

/// Human and automatic verdicts on the same items.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, TS)]
pub struct BothView {
    /// Items with both.
    pub items: usize,
    /// The share of them on which they agree, from 0 to 1.
    pub percent: f64,
    /// Cohen's kappa.
    pub kappa: Option<f64>,
}

/// Held-out pairs ranked as labelled, before and after training.
#[derive(Debug, Clone, PartialEq, Serialize, TS)]
pub struct AccuracyView {
    pub pairs: usize,
    /// The three numbers, under the names and in the order they have everywhere.
    pub rows: Vec<AccuracyRow>,
}

/// Wins, ties and losses of a group of items.
#[derive(Debug, Clone, PartialEq, Serialize, TS)]
pub struct GroupView {
    /// The group.
    pub name: String,
    /// The answer of the side `tuned` was better.
    pub wins: usize,
    /// Neither was.
    pub ties: usize,
    /// That of the side `base` was.
    pub losses: usize,
    /// Nobody said.
    pub no_verdict: usize,
    /// The share of the first side, `tuned`, ties as half.
    pub win_rate: Option<f64>,
    /// Its 95 % interval.
    pub interval: Option<(f64, f64)>,
    /// Probability of a result as far from even, were both alike.
    pub p: Option<f64>,
    pub words: String,
}

/// Whose answer is better.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum Winner {
    /// That of the side `tuned`.
    Tuned,
    /// That of the side `base`.
    Base,
    /// Neither.
    Tie,
    /// No verdict.
    None,
}

/// Which items to show.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum ItemFilter {
    /// Tuned won.
    Tuned,
    /// Base won.
    Base,
    Tie,
    /// No verdict.
    None,
    All,
    /// People and the judge disagree.
    Disagree,
}

/// A prompt with both answers and what was said of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS)]
pub struct EvalItem {
    /// Its number in the evaluation.
    pub id: usize,
    /// What was asked.
    pub prompt: Content,
    pub category: Option<String>,
    /// The answer of the side `base`.
    pub base: String,
    /// That of the side `tuned`.
    pub tuned: String,
    /// Tokens of the first answer, where they are known.
    pub base_tokens: Option<usize>,
    /// Tokens of the second.
    pub tuned_tokens: Option<usize>,
    /// What the judge says.
    pub auto: Winner,
    pub auto_reason: Option<String>,
    /// What people say.
    pub human: Winner,
    /// Both answers are the same: nobody was asked.
    pub same: bool,
}

/// A part of the list of items.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS)]
pub struct EvalItems {
    /// How many there are under this filter.
    pub total: usize,
    /// The part asked for.
    pub rows: Vec<EvalItem>,
}

/// Two answers to be judged without knowing whose they are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS)]
pub struct BlindItem {
    /// Its number in the evaluation.
    pub id: usize,
    /// What was asked.
    pub prompt: Content,
    /// The answer on the left.
    pub left: String,
    /// The answer on the right.
    pub right: String,
    /// Items judged.
    pub done: usize,
    /// Items to be judged in all: not those whose answers are the same.
    pub total: usize,
    /// Whether there is something to take back.
    pub can_undo: bool,
}

/// Prompts of evaluations that hold some words.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, TS)]
#[serde(deny_unknown_fields)]
pub struct FindPrompts {
    /// The project's folder.
    pub project: String,
    pub text: String,
    /// At most so many.
    pub limit: usize,
}

/// A prompt of an evaluation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS)]
pub struct FoundPrompt {
    pub evaluation: String,
    /// What the evaluation is called.
    pub name: String,
    /// The item: its place among the prompts.
    pub id: usize,
    /// Its beginning.
    pub prompt: String,
}
