//! The pairs of a run, each as its model sees it.

use super::{FigureView, Notes, PairAct, RunRequest, Theme};
use prefs::{Content, Difference};
use serde::{Deserialize, Serialize};
use ts_rs::TS;

/// Asks for the pairs of a run to be scored.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, TS)]
pub struct ScorePairs {
    pub project: String,
    pub run: String,
    /// Each by a model that was trained without it, in so many parts; by the run's own where absent.
    pub folds: Option<usize>,
    pub allow_changed_base: bool,
}

/// A model of this machine, whether or not it is the project's.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, TS)]
#[serde(deny_unknown_fields)]
pub struct LocalSide {
    /// A name of the catalogue or the hub, or a path.
    pub model: String,
    /// The folder of an adapter that goes on it.
    pub adapter: Option<String>,
}

/// Asks for the project's pairs to be scored by a model without a run.
#[derive(Debug, Clone, PartialEq, Deserialize, TS)]
pub struct ScoreByModel {
    pub project: String,
    pub side: LocalSide,
    /// The pairs of this set; all that are trained on where absent.
    pub set: Option<i64>,
    /// What rewards are scaled by; a model without an adapter has none.
    pub beta: f64,
    pub allow_changed_base: bool,
}

/// Scores that were kept.
#[derive(Debug, Clone, PartialEq, Serialize, TS)]
pub struct ModelScoresView {
    /// Their folder's name.
    pub scores: String,
    pub name: String,
    pub notes: Notes,
    /// The model as it was named.
    pub model: String,
    pub adapter: Option<String>,
    /// The set that the pairs are of.
    pub set: Option<String>,
    pub pairs: usize,
    /// When, in milliseconds since 1970 (UTC).
    pub at: u64,
}

/// Whose numbers are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum PairScorer {
    /// What training came to when it last computed each pair, before the step that the pair was in.
    Training,
    /// The run's own adapter.
    Run,
    /// For each pair a model that was trained without it, in so many parts.
    Folds(usize),
    /// A model without a run: what is asked for as `run` is then the name of its scores.
    Model,
}

/// By what the pairs of a run are ordered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum PairOrder {
    Margin,
    /// How far the margin is from 0: near it the model cannot decide.
    Decided,
    Loss,
    ChosenReward,
    RejectedReward,
    ChosenLogps,
    RejectedLogps,
    /// Tokens of both answers.
    Tokens,
    /// How far the margin has moved over training.
    Moved,
    /// The run's own file.
    Line,
}

/// Which pairs of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum PairSubset {
    All,
    Trained,
    HeldOut,
    /// Those of which the model prefers the rejected answer.
    Against,
    /// Those that nobody has changed since the run, or found right.
    Open,
    /// Those to train on that training has not met: its steps did not come to them, or they were left out.
    NeverMet,
}

/// The pairs of a run that are looked at, and their order.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, TS)]
pub struct RunPairsQuery {
    pub project: String,
    /// The run, or the scores of a model without one.
    pub run: String,
    pub by: PairScorer,
    pub order: PairOrder,
    pub descending: bool,
    pub only: PairSubset,
    /// Only those with this in one of their texts.
    pub text: String,
}

/// Asks for a part of them.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, TS)]
pub struct RunPairsOf {
    pub query: RunPairsQuery,
    /// Rows to pass over.
    pub offset: usize,
    /// Rows to return, at most 200.
    pub limit: usize,
}

/// Pairs of a run to be acted on, as the project has them.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, TS)]
pub struct ActOnRunPairs {
    /// The list that they were chosen in.
    pub query: RunPairsQuery,
    pub who: String,
    /// The project's pairs that were chosen one by one; all that the list shows where absent.
    pub ids: Option<Vec<i64>>,
    /// How many rows these were when they were chosen: others are not meant.
    pub expected: usize,
    pub act: PairAct,
    /// The mark of the list when they were chosen: where one has changed since, or the list has others, nothing is done.
    #[serde(default)]
    #[ts(optional = nullable)]
    pub seen: Option<String>,
}

/// A part of them.
#[derive(Debug, Clone, PartialEq, Serialize, TS)]
pub struct RunPairsView {
    /// Whether there are numbers of that kind: by a model, of the pairs, the adapter and the model as they are now.
    pub known: bool,
    /// Pairs that have numbers, or that training has never met.
    pub all: usize,
    /// Pairs of the query.
    pub total: usize,
    /// What the model thinks of all of them, as a sentence.
    pub words: Option<String>,
    /// What the scores are called, where they are not of a run.
    pub name: Option<String>,
    pub measure: PairMeasure,
    pub rows: Vec<RunPairRow>,
    /// The mark of this look at the list.
    pub seen: String,
}

/// What became of a pair since the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum PairNow {
    /// It is as it was for the run.
    Same,
    /// Its answers have changed places.
    Swapped,
    /// It has other texts.
    Changed,
    /// It is not trained on any more.
    Removed,
    /// The project has no such pair.
    Elsewhere,
}

/// What is shown as the chosen and the rejected reward, and as their margin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum PairMeasure {
    /// Rewards as DPO has them: beta times what a policy adds to the log-probability of its reference.
    Reward,
    /// Log-probabilities per token, in nats: a model alone has no rewards.
    LogpsPerToken,
}

/// A pair of a run with its numbers. Log-probabilities are in nats, summed over the tokens of an answer.
#[derive(Debug, Clone, PartialEq, Serialize, TS)]
pub struct RunPairRow {
    /// Whether the run held it out.
    pub held_out: bool,
    /// Its line in the run's own file, from 1.
    pub line: usize,
    /// The pair of the project that it is, where there is one.
    pub id: Option<i64>,
    /// What became of it since the run.
    pub now: PairNow,
    /// Whether somebody looked at it as it is now, and found its label right.
    pub confirmed: bool,
    /// Whether training has not met it, though it was to be trained on.
    pub never_met: bool,
    /// The beginnings of its texts as they are now.
    pub prompt: String,
    pub chosen: String,
    pub rejected: String,
    /// None where nothing has computed it.
    pub numbers: Option<PairNumbers>,
}

/// The numbers of a pair, as it was labelled for the run.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, TS)]
pub struct PairNumbers {
    /// Below 0 the model prefers the rejected answer.
    pub margin: f64,
    /// How likely the chosen answer is the better one, by the model; none where it has no rewards.
    pub probability: Option<f64>,
    /// As [`PairMeasure`] says.
    pub chosen_reward: f64,
    pub rejected_reward: f64,
    pub chosen_logps: f64,
    pub rejected_logps: f64,
    /// Of training's own numbers there is no loss and no count of tokens.
    pub loss: Option<f64>,
    pub chosen_tokens: Option<usize>,
    pub rejected_tokens: Option<usize>,
    /// How far the margin has moved since training first computed the pair, where that was kept.
    pub moved: Option<f64>,
}

/// Asks for one pair of a run.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, TS)]
pub struct RunPairOf {
    pub project: String,
    pub run: String,
    pub by: PairScorer,
    pub held_out: bool,
    pub line: usize,
    pub theme: Theme,
    pub width: u32,
    pub height: u32,
}

/// A pair of a run, whole.
#[derive(Debug, Clone, PartialEq, Serialize, TS)]
pub struct RunPairView {
    pub id: Option<i64>,
    pub now: PairNow,
    /// Its texts as the run had them.
    pub prompt: Content,
    pub chosen: Content,
    pub rejected: Content,
    pub numbers: Option<PairNumbers>,
    pub measure: PairMeasure,
    /// How often training computed it.
    pub computed: usize,
    /// Its rewards over training, where it was computed more than once.
    pub course: Option<FigureView>,
}

/// Asks for the rewards of the pairs in one figure.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, TS)]
pub struct RunPairsFigureOf {
    pub query: RunPairsQuery,
    pub theme: Theme,
    pub width: u32,
    pub height: u32,
}

/// The rewards of the pairs: a drawing, and which pair each point is.
#[derive(Debug, Clone, PartialEq, Serialize, TS)]
pub struct RunPairsFigure {
    pub figure: FigureView,
    pub points: Vec<PairPoint>,
    /// Pairs of the query that have numbers, of which at most some thousand are drawn.
    pub total: usize,
}

/// A point of the figure: the rewards of the rejected and of the chosen answer.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, TS)]
pub struct PairPoint {
    pub held_out: bool,
    pub line: usize,
    pub x: f64,
    pub y: f64,
}

/// Asks what has changed from the pairs of the first run to those of each other, or to the project's own as they are now.
#[derive(Debug, Clone, PartialEq, Deserialize, TS)]
pub struct ComparePairs {
    pub project: String,
    pub run: String,
    /// Other runs.
    pub runs: Vec<String>,
    /// A run that is being prepared: the pairs that it would be made of stand for the project's.
    #[serde(default)]
    #[ts(optional = nullable)]
    pub request: Option<RunRequest>,
}

/// What has changed from the pairs of a run, those held out among them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS)]
pub struct PairsCompared {
    /// To the project's pairs as they are now, or those of the run that is being prepared.
    pub project: PairsChange,
    /// What has become of the sets that it was made of, as sentences without a full stop.
    pub sets: Vec<String>,
    /// To each other run's.
    pub runs: Vec<PairsChange>,
    /// To those that each other run held out, from those that this one did: numbers of different ones cannot be compared.
    pub held_out: Vec<PairsChange>,
    /// For this run and each other one, which pairs it is measured on: runs with the same number hold out the same pairs and
    /// cut them alike. None of a run that holds none out.
    pub held_out_sets: Vec<Option<usize>>,
}

/// What has changed from one set of pairs to another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS)]
pub struct PairsChange {
    pub difference: Difference,
    /// The same in words: a sentence without a full stop.
    pub words: String,
}
