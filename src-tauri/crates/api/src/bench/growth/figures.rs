//! The figures: how fast, and how much memory, by what is varied.

use super::super::step::StepReply;
use super::{Cell, GrowthReply, Sweep};
use plot::{Figure, Lines, Series};

/// The file name of each figure of a sweep, without its ending. Those without a measured cell are left out.
pub(super) fn of(reply: &GrowthReply, sweep: &Sweep) -> Vec<(String, Figure)> {
    let speed = |step: &StepReply| Some(step.tokens_per_second.middle);
    let memory = |step: &StepReply| Some(step.peak_bytes? as f64 * 1e-6);
    [
        ("speed", "tokens per second, median", curves(reply, sweep, speed)),
        ("memory", "peak memory (MB)", curves(reply, sweep, memory)),
    ]
    .into_iter()
    .filter(|(_, _, series)| series.iter().any(|series| !series.points.is_empty()))
    .map(|(what, y_label, series)| {
        let lines = Lines {
            title: format!("{}: {what}", sweep.title),
            x_label: sweep.label.into(),
            y_label: y_label.into(),
            series,
            references: Vec::new(),
            y_range: None,
            from_zero: true,
        };
        (format!("{}-{what}", sweep.name), Figure::from(lines))
    })
    .collect()
}

fn curves(reply: &GrowthReply, sweep: &Sweep, of: impl Fn(&StepReply) -> Option<f64>) -> Vec<Series> {
    let curve = |(name, recompute): (&str, bool)| {
        let point = |(_, x, cell): &(String, f64, Cell)| Some((*x, of(reply.step(Cell { recompute, ..*cell })?)?));
        Series::new(name, sweep.cells.iter().filter_map(point).collect())
    };
    [("layers recomputed", true), ("layers kept", false)].map(curve).to_vec()
}
