//! Figures: a drawing with what the page needs to read values off it.

use serde::{Deserialize, Serialize};
use ts_rs::TS;

/// A figure of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum FigureName {
    Loss,
    /// Rewards of chosen and rejected answers.
    Rewards,
    /// Margins between them.
    Margins,
    /// `rewards/accuracies`, of training and of held-out pairs.
    Accuracy,
    /// Norm of the gradient.
    GradNorm,
    LearningRate,
    /// Lengths of the samples.
    Lengths,
    /// `eval_loss`, a curve for each run.
    HeldOutLoss,
    /// `eval_rewards/accuracies`, a curve for each run.
    HeldOutAccuracy,
    /// `eval_rewards/margins`, a curve for each run.
    HeldOutMargins,
}

/// Light or dark.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum Theme {
    /// Dark on light.
    Light,
    /// Light on dark.
    Dark,
}

/// A drawing.
#[derive(Debug, Clone, PartialEq, Serialize, TS)]
pub struct FigureView {
    /// What it shows.
    pub name: String,
    /// The drawing.
    pub svg: String,
    /// The same in words, for those who cannot see it.
    pub description: String,
    /// Where values lie in the drawing.
    pub axes: Axes,
}

/// How values lie in a drawing: `x_min` to `x_max` from `left` to `right`, `y_min` to `y_max` from `bottom` to `top`.
#[derive(Debug, Clone, PartialEq, Serialize, TS)]
pub struct Axes {
    /// Width of the drawing.
    pub width: f64,
    pub height: f64,
    /// Left edge of the plot in it.
    pub left: f64,
    /// Top edge.
    pub top: f64,
    /// Right edge.
    pub right: f64,
    /// Bottom edge.
    pub bottom: f64,
    /// Value at the left edge.
    pub x_min: f64,
    /// Value at the right edge.
    pub x_max: f64,
    /// Value at the bottom.
    pub y_min: f64,
    /// Value at the top.
    pub y_max: f64,
    /// What goes along x.
    pub x_label: String,
    /// What goes along y.
    pub y_label: String,
    /// What is drawn.
    pub series: Vec<FigureSeries>,
}

/// One line of a drawing, for the read-out under the cursor.
#[derive(Debug, Clone, PartialEq, Serialize, TS)]
pub struct FigureSeries {
    pub name: String,
    /// At most 2,000 points.
    pub points: Vec<(f64, f64)>,
}
