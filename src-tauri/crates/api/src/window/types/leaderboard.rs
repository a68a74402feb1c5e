//! What the evaluations of a project come to together.

use serde::Serialize;
use ts_rs::TS;

/// All evaluations of a project.
#[derive(Debug, Clone, PartialEq, Serialize, TS)]
pub struct Leaderboard {
    /// Those with the same judge, prompts and sampling stand in one.
    pub groups: Vec<LeaderboardGroup>,
    /// Evaluations that count.
    pub counted: usize,
    /// Those that do not.
    pub left_out: Vec<LeftOutEvaluation>,
}

/// An evaluation that is in no group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS)]
pub struct LeftOutEvaluation {
    pub evaluation: String,
    pub title: String,
    /// Why: a sentence without a full stop.
    pub why: String,
}

/// What was compared by one judge, on the same prompts with the same sampling.
#[derive(Debug, Clone, PartialEq, Serialize, TS)]
pub struct LeaderboardGroup {
    pub judge: String,
    /// Where the prompts are from; empty where that is not known.
    pub prompts_from: String,
    /// Evaluations that it is from.
    pub evaluations: usize,
    /// Whether every two were compared.
    pub every_two: bool,
    /// Models and answers, the highest win rate first.
    pub rows: Vec<Ranked>,
    /// What each row came to against each other one, in their order.
    pub matrix: Vec<Vec<Option<Cell>>>,
}

/// One that was compared with others.
#[derive(Debug, Clone, PartialEq, Serialize, TS)]
pub struct Ranked {
    pub name: String,
    /// With which.
    pub against: Vec<String>,
    pub wins: usize,
    pub ties: usize,
    pub losses: usize,
    /// Verdicts that were asked for and not given.
    pub no_verdict: usize,
    /// Different prompts with a verdict.
    pub prompts: usize,
    /// Mean over prompts of the share that it wins, ties as half.
    pub win_rate: Option<f64>,
    /// Its 95 % interval, by the number of prompts.
    pub interval: Option<(f64, f64)>,
}

/// One against another.
#[derive(Debug, Clone, PartialEq, Default, Serialize, TS)]
pub struct Cell {
    pub evaluation: String,
    pub wins: usize,
    pub ties: usize,
    pub losses: usize,
    /// Share of the prompts that it wins, ties as half.
    pub win_rate: Option<f64>,
    /// Its 95 % interval.
    pub interval: Option<(f64, f64)>,
}
