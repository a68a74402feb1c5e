//! One self-contained HTML page about a run and its evaluation, and its figures as SVG and PNG.
//!
//! The page refers to nothing outside itself, needs no script, and follows the reader's light or dark setting. Models'
//! answers, prompts and names are untrusted: everything goes through [`html::escaped`], and a content security policy
//! forbids whatever would slip through.

mod figures;
mod html;
mod page;

use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::Error;
use crate::accuracy::PreferenceAccuracy;
use crate::evaluation::Evaluation;
use crate::files;

/// The metrics of one optimiser step, under TRL's names; a step's line of a run's `events.jsonl` reads as this.
#[derive(Debug, Clone, Copy, PartialEq, Default, Deserialize)]
#[serde(default)]
pub struct StepMetrics {
    /// Which step, from 1.
    pub step: u64,
    /// Mean loss per pair.
    pub loss: Option<f64>,
    /// L2 norm of the gradient before clipping.
    pub grad_norm: Option<f64>,
    /// Learning rate of the step.
    pub learning_rate: Option<f64>,
    /// Mean implicit reward of the chosen answers.
    #[serde(rename = "rewards/chosen")]
    pub rewards_chosen: Option<f64>,
    /// Mean implicit reward of the rejected answers.
    #[serde(rename = "rewards/rejected")]
    pub rewards_rejected: Option<f64>,
    /// Mean difference of the two.
    #[serde(rename = "rewards/margins")]
    pub rewards_margins: Option<f64>,
    /// Share of pairs with the higher reward on the chosen answer.
    #[serde(rename = "rewards/accuracies")]
    pub rewards_accuracies: Option<f64>,
}

/// What a report is made from. Parts that are not there are left out of the page.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ReportInput {
    /// The page's title.
    pub title: String,
    /// The finished evaluation.
    pub evaluation: Option<Evaluation>,
    /// Accuracy on held-out preference pairs.
    pub accuracy: Option<PreferenceAccuracy>,
    /// The run's configuration, as names and values.
    pub configuration: Vec<(String, String)>,
    /// Counts of the data: rows read, refused, dropped, used; with what they count.
    pub data: Vec<(String, String)>,
    /// Training steps, in order.
    pub steps: Vec<StepMetrics>,
    /// The same metrics on held-out pairs, where they were measured during training.
    pub held_out: Vec<StepMetrics>,
    /// How long each stage took, in seconds.
    pub stage_seconds: Vec<(String, f64)>,
    /// The machine, in words.
    pub machine: String,
}

/// The files of a written report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// The page.
    pub html: PathBuf,
    /// The figures, SVG and PNG of each.
    pub figures: Vec<PathBuf>,
}

/// Writes `report.html` and `figures/NAME.svg` and `.png` into a folder, which is made if it is not there.
///
/// # Errors
/// When a figure cannot be drawn or a file cannot be written.
pub fn write(input: &ReportInput, folder: &Path) -> Result<Report, Error> {
    let figure_folder = folder.join("figures");
    std::fs::create_dir_all(&figure_folder).map_err(Error::file(&figure_folder))?;
    let mut written = Vec::new();
    let figures = figures::of(input);
    for (name, figure) in &figures {
        let svg = figure_folder.join(format!("{name}.svg"));
        files::write_atomically(&svg, figure.svg()?.as_bytes())?;
        let png = figure_folder.join(format!("{name}.png"));
        figure.png(&png)?;
        written.extend([svg, png]);
    }
    let html = folder.join("report.html");
    files::write_atomically(&html, page::page(input, &figures)?.as_bytes())?;
    Ok(Report { html, figures: written })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
