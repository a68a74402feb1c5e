//! Outcome figures: a dot with whiskers for each run of a sweep, by the value of one of its settings.

use numbers::figure;
use plotters::prelude::DrawingBackend;

use crate::axis::{self, Area, AxisMapping};
use crate::canvas::{Align, Canvas, EDGE, LABEL};
use crate::figure::Error;

/// What became of one run.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// Its name.
    pub name: String,
    /// The setting's value; on an axis of names, which name it is, from 0.
    pub x: f64,
    /// The outcome.
    pub y: f64,
    /// Both ends of its interval, where it has one.
    pub interval: Option<(f64, f64)>,
    /// Whether the run has taken all its steps; the dot of one that has not is hollow.
    pub is_whole: bool,
}

/// How the values of a setting lie beside one another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scale {
    /// Evenly.
    Linear,
    /// By their logarithms; all are above 0.
    Log,
    /// One after another, by these names.
    Names(Vec<String>),
}

/// An outcome figure.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcomes {
    /// Title, at the top left.
    pub title: String,
    /// The setting.
    pub x_label: String,
    /// What is measured, with its unit.
    pub y_label: String,
    /// How the setting's values lie.
    pub scale: Scale,
    /// One for each run. One with a value that is no finite number is left out.
    pub outcomes: Vec<Outcome>,
}

const TITLE: f64 = 15.0;
/// Rows of the head, and what a line below them takes that says what a hollow dot is.
const HEAD: f64 = 64.0;
const LEGEND: f64 = 18.0;
/// How large a dot is.
const DOT: f64 = 4.0;
/// Values that are written below the axis as they are, instead of round numbers.
const MOST_VALUES: usize = 8;
/// Runs with the same value stand so far from one another, in figure pixels.
const APART: f64 = 9.0;

impl Outcomes {
    fn drawable(&self) -> Vec<&Outcome> {
        let fits = |x: f64| axis::drawable(x) && (self.scale != Scale::Log || x > 0.0);
        self.outcomes.iter().filter(|outcome| fits(outcome.x) && axis::drawable(outcome.y)).collect()
    }

    /// Where a value lies on the axis.
    fn on_axis(&self, x: f64) -> f64 {
        if self.scale == Scale::Log { x.log10() } else { x }
    }

    /// The values of the setting, rising, each once.
    fn values(&self) -> Vec<f64> {
        let mut values: Vec<f64> = self.drawable().iter().map(|outcome| outcome.x).collect();
        values.sort_by(f64::total_cmp);
        values.dedup();
        values
    }

    /// What stands below the axis: where, and what.
    fn x_ticks(&self, range: (f64, f64), wanted: usize) -> Vec<(f64, String)> {
        let values = self.values();
        match &self.scale {
            Scale::Names(names) => {
                let count = names.len();
                (0..count).map(|at| at as f64).zip(names.iter().cloned()).collect()
            }
            _ if values.len() <= MOST_VALUES.min(wanted) => {
                values.iter().map(|value| (self.on_axis(*value), figure(*value))).collect()
            }
            Scale::Log => {
                let decades = (range.0.floor() as i32..=range.1.ceil() as i32).map(f64::from);
                let few = range.1 - range.0 < 2.0;
                let parts: &[f64] = if few { &[1.0, 2.0, 5.0] } else { &[1.0] };
                let all = decades.flat_map(|decade| parts.iter().map(move |part| part * 10f64.powf(decade)));
                let inside = |value: &f64| (range.0 - 1e-9..=range.1 + 1e-9).contains(&value.log10());
                all.filter(inside).map(|value| (value.log10(), figure(value))).collect()
            }
            Scale::Linear => {
                let ticks = axis::ticks(range, wanted, false);
                ticks.values.iter().map(|value| (*value, axis::tick_label(*value, &ticks))).collect()
            }
        }
    }
}

pub(crate) fn description(outcomes: &Outcomes) -> String {
    let one = |outcome: &&Outcome| {
        let at = match &outcomes.scale {
            Scale::Names(names) => names.get(outcome.x as usize).cloned().unwrap_or_default(),
            _ => figure(outcome.x),
        };
        let ends =
            outcome.interval.map(|(low, high)| format!(" ({} to {})", figure(low), figure(high))).unwrap_or_default();
        let steps = if outcome.is_whole { "" } else { ", after fewer steps" };
        format!("{} at {at}: {}{ends}{steps}.", outcome.name, figure(outcome.y))
    };
    let all: Vec<String> = outcomes.drawable().iter().map(one).collect();
    format!("{}: {} by {}. {}", outcomes.title, outcomes.y_label, outcomes.x_label, all.join(" ")).trim().to_owned()
}

/// Draws the figure and returns its axes: of a logarithmic one, in powers of ten.
pub(crate) fn draw<DB: DrawingBackend>(
    outcomes: &Outcomes,
    canvas: &Canvas<'_, DB>,
    (width, height): (f64, f64),
) -> Result<AxisMapping, Error> {
    let palette = &canvas.palette;
    let drawn = outcomes.drawable();
    let ends = drawn.iter().flat_map(|outcome| {
        let (low, high) = outcome.interval.unwrap_or((outcome.y, outcome.y));
        [outcome.y, low, high]
    });
    let wanted = ((height - 100.0) / 45.0).clamp(2.0, 8.0) as usize;
    let (y, y_ticks) = axis::rounded_out(axis::widened(axis::extent(ends).unwrap_or((0.0, 1.0))), wanted);
    let labels: Vec<String> = y_ticks.values.iter().map(|value| axis::tick_label(*value, &y_ticks)).collect();
    let mut label_width = 0.0_f64;
    for label in &labels {
        label_width = label_width.max(canvas.width(label, LABEL)?);
    }
    let are_short = drawn.iter().any(|outcome| !outcome.is_whole);
    let top = if are_short { HEAD + LEGEND } else { HEAD };
    let area = Area { left: EDGE + label_width + 8.0, top, right: width - EDGE - 4.0, bottom: height - 46.0 };
    let x = if let Scale::Names(names) = &outcomes.scale {
        (-0.5, names.len().max(1) as f64 - 0.5)
    } else {
        let range = axis::extent(drawn.iter().map(|outcome| outcomes.on_axis(outcome.x))).unwrap_or((0.0, 1.0));
        let (low, high) = axis::widened(range);
        // The outermost dots do not stand on the frame.
        (low - (high - low) * 0.06, high + (high - low) * 0.06)
    };
    let axes = AxisMapping { area, x, y };

    let title = canvas.shortened(&outcomes.title, TITLE, width - 2.0 * EDGE)?;
    canvas.text(&title, (EDGE, 20.0), Align::Left, TITLE, palette.ink)?;
    canvas.label_at_the_left(&outcomes.y_label, 44.0, width - EDGE)?;
    if are_short {
        let y = HEAD - 2.0;
        canvas.ring((EDGE + DOT, y), DOT, palette.series[0])?;
        let words = canvas.shortened("after fewer steps: not compared", LABEL, width - 3.0 * EDGE)?;
        canvas.text(&words, (EDGE + 3.0 * DOT, y), Align::Left, LABEL, palette.muted)?;
    }
    for (value, label) in y_ticks.values.iter().zip(&labels) {
        let (_, py) = axes.to_pixel(x.0, *value);
        canvas.line((area.left, py), (area.right, py), palette.grid, 1.0)?;
        canvas.text(label, (area.left - 8.0, py), Align::Right, LABEL, palette.muted)?;
    }
    draw_values(outcomes, canvas, &axes, width)?;
    if drawn.is_empty() {
        let middle = (f64::midpoint(area.left, area.right), f64::midpoint(area.top, area.bottom));
        canvas.text("no outcomes yet", middle, Align::Centre, LABEL + 1.0, palette.muted)?;
    }
    for (place, outcome) in drawn.iter().enumerate() {
        let same = |other: &&&Outcome| other.x.total_cmp(&outcome.x).is_eq();
        let (before, all) = (drawn[..place].iter().filter(same).count(), drawn.iter().filter(same).count());
        let apart = APART.min((area.right - area.left) / 2.0 / drawn.len().max(1) as f64);
        let aside = (before as f64 - (all - 1) as f64 / 2.0) * apart;
        let at = |y: f64| {
            let (px, py) = axes.to_pixel(outcomes.on_axis(outcome.x), y);
            ((px + aside).clamp(area.left, area.right), py)
        };
        let color = palette.series[0];
        if let Some((low, high)) = outcome.interval.filter(|(low, high)| axis::drawable(*low) && axis::drawable(*high))
        {
            // The line does not run through a hollow dot.
            let (middle, gap) = (at(outcome.y), if outcome.is_whole { 0.0 } else { DOT });
            for (end, near) in [(at(low), middle.1 + gap), (at(high), middle.1 - gap)] {
                // Nothing is left of one that ends within the dot.
                if (end.1 - middle.1).abs() > gap {
                    canvas.line(end, (middle.0, near), color, 1.5)?;
                }
            }
            for end in [low, high] {
                let (px, py) = at(end);
                canvas.line((px - 4.0, py), (px + 4.0, py), color, 1.5)?;
            }
        }
        let at = at(outcome.y);
        let drawn = if outcome.is_whole { canvas.dot(at, DOT, color) } else { canvas.ring(at, DOT, color) };
        drawn?;
    }
    Ok(axes)
}

/// The values of the setting, below the axis, as many as have room.
fn draw_values<DB: DrawingBackend>(
    outcomes: &Outcomes,
    canvas: &Canvas<'_, DB>,
    axes: &AxisMapping,
    width: f64,
) -> Result<(), Error> {
    let (palette, area) = (&canvas.palette, axes.area);
    let across = ((area.right - area.left) / 60.0).max(1.0) as usize;
    let ticks = outcomes.x_ticks(axes.x, across);
    let room = match &outcomes.scale {
        Scale::Names(names) => (area.right - area.left) / names.len().max(1) as f64 - 6.0,
        _ => width,
    };
    let mut free_from = f64::NEG_INFINITY;
    for (value, label) in ticks {
        let (px, _) = axes.to_pixel(value, axes.y.0);
        canvas.line((px, area.top), (px, area.bottom), palette.grid, 1.0)?;
        let label = canvas.shortened(&label, LABEL, room.max(16.0))?;
        let half = canvas.width(&label, LABEL)? / 2.0;
        let centre = px.min(width - half - 4.0).max(half + 4.0);
        if centre - half >= free_from {
            canvas.text(&label, (centre, area.bottom + 14.0), Align::Centre, LABEL, palette.muted)?;
            free_from = centre + half + 6.0;
        }
    }
    let below = (f64::midpoint(area.left, area.right), area.bottom + 32.0);
    let x_label = canvas.shortened(&outcomes.x_label, LABEL, width - 2.0 * EDGE)?;
    canvas.text(&x_label, below, Align::Centre, LABEL, palette.muted)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::{Figure, Theme};

    fn figure(scale: Scale, values: &[(f64, f64)]) -> Outcomes {
        let outcome = |(at, (x, y)): (usize, &(f64, f64))| Outcome {
            name: format!("run {at}"),
            x: *x,
            y: *y,
            interval: Some((y - 0.1, y + 0.1)),
            is_whole: at % 2 == 0,
        };
        Outcomes {
            title: "Outcome".into(),
            x_label: "learning_rate".into(),
            y_label: "accuracy".into(),
            scale,
            outcomes: values.iter().enumerate().map(outcome).collect(),
        }
    }

    #[test]
    fn values_of_a_logarithmic_axis_stand_evenly_by_their_powers() {
        let values = [(1e-5, 0.5), (1e-4, 0.6), (1e-3, 0.7)];
        let outcomes = figure(Scale::Log, &values);
        let ticks = outcomes.x_ticks((-5.2, -2.8), 8);
        let words: Vec<&str> = ticks.iter().map(|(_, word)| word.as_str()).collect();
        assert_eq!(words, ["1e-5", "1e-4", "0.001"]);
        assert!(ticks.windows(2).all(|two| (two[1].0 - two[0].0 - 1.0).abs() < 1e-9));
        let many: Vec<(f64, f64)> = (0..12).map(|at| (10f64.powf(-5.0 + f64::from(at) / 4.0), 0.5)).collect();
        assert_eq!(figure(Scale::Log, &many).x_ticks((-5.0, -2.25), 8).len(), 3);
    }

    #[test]
    fn awkward_outcomes_are_drawn_inside_the_figure_and_said() {
        let names = Scale::Names(vec!["sigmoid".into(), "a name that is much too long for its room ".repeat(4)]);
        let cases = [
            figure(Scale::Linear, &[]),
            figure(Scale::Log, &[(0.0, 0.5), (1e-4, f64::NAN), (1e-4, 0.4), (1e-4, 0.5)]),
            figure(names, &[(0.0, 0.5), (1.0, 0.7), (1.0, 0.7)]),
            figure(Scale::Linear, &(0..60).map(|at| (f64::from(at % 20), 0.5)).collect::<Vec<_>>()),
        ];
        for outcomes in cases {
            for theme in [Theme::Light, Theme::Dark] {
                let drawing = Figure::from(outcomes.clone()).with_theme(theme).drawing().unwrap();
                assert!(drawing.svg.starts_with("<svg") && drawing.description.starts_with("Outcome: accuracy by"));
                assert!(drawing.axes.x.0 < drawing.axes.x.1);
            }
        }
        let said = description(&figure(Scale::Log, &[(5e-5, 0.625)]));
        assert!(said.ends_with("run 0 at 5e-5: 0.625 (0.525 to 0.725)."), "{said}");
        let said = description(&figure(Scale::Log, &[(5e-5, 0.625), (1e-4, 0.5)]));
        assert!(said.ends_with("run 1 at 1e-4: 0.5 (0.4 to 0.6), after fewer steps."), "{said}");
    }
}
