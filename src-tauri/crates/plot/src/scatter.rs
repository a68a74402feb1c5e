//! Scatter figures: one point for each of many things, and the line on which both measures are the same.

use plotters::prelude::DrawingBackend;

use crate::axis::{self, Area, AxisMapping};
use crate::canvas::{Align, Canvas, EDGE, LABEL};
use crate::figure::Error;

/// One named set of points.
#[derive(Debug, Clone, PartialEq)]
pub struct Points {
    /// Its name in the legend.
    pub name: String,
    /// `(x, y)`. A point with a value that is no finite number is left out.
    pub points: Vec<(f64, f64)>,
}

/// A scatter figure.
#[derive(Debug, Clone, PartialEq)]
pub struct Scatter {
    /// Title, at the top left.
    pub title: String,
    /// What x measures, with its unit.
    pub x_label: String,
    /// What y measures, with its unit.
    pub y_label: String,
    /// The sets of points, at most four; later ones lie above.
    pub sets: Vec<Points>,
    /// What it means that both measures are the same, in a few words: a line is drawn there.
    pub diagonal: Option<String>,
}

const TITLE: f64 = 15.0;
const RADIUS: f64 = 2.5;

impl Scatter {
    fn all(&self) -> impl Iterator<Item = (f64, f64)> {
        let points = self.sets.iter().flat_map(|set| set.points.iter().copied());
        points.filter(|(x, y)| axis::drawable(*x) && axis::drawable(*y))
    }
}

pub(crate) fn description(scatter: &Scatter) -> String {
    let Scatter { title, x_label, y_label, sets, .. } = scatter;
    let set = |set: &Points| {
        let above = set.points.iter().filter(|(x, y)| y > x).count();
        format!("{}: {} points, {above} of them with the larger {y_label}.", set.name, set.points.len())
    };
    let sets: Vec<String> = sets.iter().map(set).collect();
    format!("{title}: {y_label} by {x_label}. {}", sets.join(" ")).trim().to_owned()
}

/// Draws the figure and returns its axes.
pub(crate) fn draw<DB: DrawingBackend>(
    scatter: &Scatter,
    canvas: &Canvas<'_, DB>,
    (width, height): (f64, f64),
) -> Result<AxisMapping, Error> {
    let palette = &canvas.palette;
    let range = |values: Vec<f64>, wanted| {
        axis::rounded_out(axis::widened(axis::extent(values).unwrap_or((-1.0, 1.0))), wanted)
    };
    let wanted = ((height - 100.0) / 45.0).clamp(2.0, 8.0) as usize;
    let (y, y_ticks) = range(scatter.all().map(|point| point.1).collect(), wanted);
    let labels: Vec<String> = y_ticks.values.iter().map(|value| axis::tick_label(*value, &y_ticks)).collect();
    let mut label_width = 0.0_f64;
    for label in &labels {
        label_width = label_width.max(canvas.width(label, LABEL)?);
    }
    let area = Area { left: EDGE + label_width + 8.0, top: 64.0, right: width - EDGE - 4.0, bottom: height - 46.0 };
    let across = ((area.right - area.left) / 90.0).max(1.0) as usize;
    let (x, x_ticks) = range(scatter.all().map(|point| point.0).collect(), across);
    let axes = AxisMapping { area, x, y };

    let title = canvas.shortened(&scatter.title, TITLE, width - 2.0 * EDGE)?;
    canvas.text(&title, (EDGE, 20.0), Align::Left, TITLE, palette.ink)?;
    for (value, label) in y_ticks.values.iter().zip(&labels) {
        let (_, py) = axes.to_pixel(x.0, *value);
        canvas.line((area.left, py), (area.right, py), palette.grid, 1.0)?;
        canvas.text(label, (area.left - 8.0, py), Align::Right, LABEL, palette.muted)?;
    }
    for value in &x_ticks.values {
        let (px, _) = axes.to_pixel(*value, y.0);
        canvas.line((px, area.top), (px, area.bottom), palette.grid, 1.0)?;
        let label = axis::tick_label(*value, &x_ticks);
        let half = canvas.width(&label, LABEL)? / 2.0;
        let centre = px.min(area.right + EDGE - half).max(half + 4.0);
        canvas.text(&label, (centre, area.bottom + 14.0), Align::Centre, LABEL, palette.muted)?;
    }
    let below = (f64::midpoint(area.left, area.right), area.bottom + 32.0);
    let x_label = canvas.shortened(&scatter.x_label, LABEL, width - 2.0 * EDGE)?;
    canvas.text(&x_label, below, Align::Centre, LABEL, palette.muted)?;
    if scatter.all().next().is_none() {
        let middle = (below.0, f64::midpoint(area.top, area.bottom));
        canvas.text("no values yet", middle, Align::Centre, LABEL + 1.0, palette.muted)?;
    }
    draw_diagonal(scatter, canvas, &axes)?;
    for (place, set) in scatter.sets.iter().enumerate() {
        let color = palette.series[place % palette.series.len()];
        for (x, y) in set.points.iter().filter(|(x, y)| axis::drawable(*x) && axis::drawable(*y)) {
            canvas.dot(axes.to_pixel(*x, *y), RADIUS, palette.faint(color, 0.65))?;
        }
    }
    draw_legend(scatter, canvas, width)?;
    Ok(axes)
}

/// The line on which x and y are the same, as far as it lies within the axes.
fn draw_diagonal<DB: DrawingBackend>(
    scatter: &Scatter,
    canvas: &Canvas<'_, DB>,
    axes: &AxisMapping,
) -> Result<(), Error> {
    let Some(name) = &scatter.diagonal else { return Ok(()) };
    let (from, to) = (axes.x.0.max(axes.y.0), axes.x.1.min(axes.y.1));
    if from >= to {
        return Ok(());
    }
    let (from, to) = (axes.to_pixel(from, from), axes.to_pixel(to, to));
    canvas.dashed(from, to, canvas.palette.ink, 1.0)?;
    // At its lower end, on the side that has more room.
    let (left, right) = (from.0 - axes.area.left, axes.area.right - from.0);
    let words = canvas.shortened(name, LABEL, (left.max(right) - 16.0).max(40.0))?;
    let (x, align) = if right < left { (from.0 - 12.0, Align::Right) } else { (from.0 + 12.0, Align::Left) };
    canvas.text(&words, (x, from.1 - 8.0), align, LABEL, canvas.palette.muted)
}

fn draw_legend<DB: DrawingBackend>(scatter: &Scatter, canvas: &Canvas<'_, DB>, width: f64) -> Result<(), Error> {
    const SWATCH: f64 = 10.0;
    let palette = &canvas.palette;
    let y = 44.0;
    let share = (width - 2.0 * EDGE) / scatter.sets.len().max(1) as f64;
    let mut right = width - EDGE;
    for (index, set) in scatter.sets.iter().enumerate().rev() {
        let name = canvas.shortened(&set.name, LABEL, (share - SWATCH - 22.0).max(30.0))?;
        let left = right - canvas.width(&name, LABEL)? - SWATCH - 6.0;
        canvas.dot((left + SWATCH / 2.0, y), 4.0, palette.series[index % palette.series.len()])?;
        canvas.text(&name, (left + SWATCH + 6.0, y), Align::Left, LABEL, palette.ink)?;
        right = left - 16.0;
    }
    canvas.label_at_the_left(&scatter.y_label, y, right)
}
