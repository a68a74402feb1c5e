//! Line figures: one or more series over a common x axis.

use plotters::prelude::DrawingBackend;
use plotters::style::RGBColor;

use crate::axis::{self, Area, AxisMapping, Ticks};
use crate::canvas::{Align, Canvas, EDGE, LABEL};
use crate::figure::Error;

/// One named series of points.
#[derive(Debug, Clone, PartialEq)]
pub struct Series {
    /// Its name in the legend.
    pub name: String,
    /// `(x, y)` in rising x. A y that is not a finite number leaves a gap and is counted in the figure.
    pub points: Vec<(f64, f64)>,
    /// Draw a trailing mean over this many points, and the points themselves faintly behind it.
    pub mean_over: Option<usize>,
}

impl Series {
    /// A series drawn as it is.
    pub fn new(name: impl Into<String>, points: Vec<(f64, f64)>) -> Self {
        Self { name: name.into(), points, mean_over: None }
    }
}

/// A horizontal line to compare with, such as chance level.
#[derive(Debug, Clone, PartialEq)]
pub struct ReferenceLine {
    /// Where it lies on the y axis.
    pub y: f64,
    /// What it means, in a few words.
    pub name: String,
}

/// A line figure.
#[derive(Debug, Clone, PartialEq)]
pub struct Lines {
    /// Title, at the top left.
    pub title: String,
    /// What x counts, with its unit.
    pub x_label: String,
    /// What y measures, with its unit.
    pub y_label: String,
    /// The curves, at most eight.
    pub series: Vec<Series>,
    /// Lines to compare with; always inside the shown range.
    pub references: Vec<ReferenceLine>,
    /// The y range to show; by default what the data needs, ended at round numbers.
    pub y_range: Option<(f64, f64)>,
    /// Whether the y axis must show zero.
    pub from_zero: bool,
}

const TITLE: f64 = 15.0;

/// A run of points without gaps.
type Run = Vec<(f64, f64)>;

pub(crate) fn description(lines: &Lines) -> String {
    let curve = |series: &Series| {
        let mut drawn = series.points.iter().filter(|point| axis::drawable(point.1));
        let first = drawn.next();
        match (first, drawn.next_back().or(first)) {
            (Some(first), Some(last)) => {
                format!("{}: from {:.4} at {} to {:.4} at {}.", series.name, first.1, first.0, last.1, last.0)
            }
            _ => format!("{}: no values.", series.name),
        }
    };
    let curves: Vec<String> = lines.series.iter().map(curve).collect();
    format!("{}: {} by {}. {}", lines.title, lines.y_label, lines.x_label, curves.join(" "))
}

/// Draws the figure and returns its axes.
pub(crate) fn draw<DB: DrawingBackend>(
    lines: &Lines,
    canvas: &Canvas<'_, DB>,
    (width, height): (f64, f64),
) -> Result<AxisMapping, Error> {
    let palette = &canvas.palette;
    let points = || lines.series.iter().flat_map(|series| &series.points).filter(|point| axis::drawable(point.0));
    let x_extent = axis::extent(points().map(|point| point.0));
    let y_extent = axis::extent(points().map(|point| point.1));
    let is_empty = x_extent.is_none() || y_extent.is_none();

    // x is a count in nearly every figure; a single point stands in the middle of its neighbours.
    let x =
        x_extent.map_or((0.0, 1.0), |range| if range.1 <= range.0 { (range.0 - 1.0, range.1 + 1.0) } else { range });
    let whole = points().all(|point| point.0.fract() == 0.0);
    let wanted_y = ((height - 100.0) / 45.0).clamp(2.0, 8.0) as usize;
    let (y, y_ticks) = if let Some(range) = lines.y_range {
        (range, axis::ticks(range, wanted_y, false))
    } else {
        let references = lines.references.iter().map(|reference| reference.y);
        let zero = lines.from_zero.then_some(0.0);
        let values = points().map(|point| point.1).chain(references).chain(zero);
        axis::rounded_out(axis::widened(axis::extent(values).unwrap_or((0.0, 1.0))), wanted_y)
    };
    let y_labels: Vec<String> = y_ticks.values.iter().map(|value| axis::tick_label(*value, &y_ticks)).collect();
    let mut label_width = 0.0_f64;
    for label in &y_labels {
        label_width = label_width.max(canvas.width(label, LABEL)?);
    }

    let area = Area { left: EDGE + label_width + 8.0, top: 64.0, right: width - EDGE - 4.0, bottom: height - 46.0 };
    let axes = AxisMapping { area, x, y };
    let x_ticks = x_ticks(canvas, &axes, whole)?;

    canvas.text(
        &canvas.shortened(&lines.title, TITLE, width - 2.0 * EDGE)?,
        (EDGE, 20.0),
        Align::Left,
        TITLE,
        palette.ink,
    )?;
    draw_axes(lines, canvas, &axes, &x_ticks, &y_ticks, &y_labels, is_empty)?;
    if is_empty {
        let middle = (f64::midpoint(area.left, area.right), f64::midpoint(area.top, area.bottom));
        canvas.text("no values yet", middle, Align::Centre, LABEL + 1.0, palette.muted)?;
    } else {
        draw_references(lines, canvas, &axes)?;
        for (index, series) in lines.series.iter().enumerate() {
            draw_series(series, canvas, &axes, palette.series[index % palette.series.len()])?;
        }
    }
    draw_legend(lines, canvas, width)?;
    Ok(axes)
}

/// As many ticks as their labels leave room for.
fn x_ticks<DB: DrawingBackend>(canvas: &Canvas<'_, DB>, axes: &AxisMapping, whole: bool) -> Result<Ticks, Error> {
    let room = axes.area.right - axes.area.left;
    let mut wanted = (room / 80.0) as usize;
    loop {
        let ticks = axis::ticks(axes.x, wanted, whole);
        let mut taken = 0.0;
        for value in &ticks.values {
            taken += canvas.width(&axis::tick_label(*value, &ticks), LABEL)? + 12.0;
        }
        if taken <= room || wanted <= 1 {
            return Ok(ticks);
        }
        wanted -= 1;
    }
}

fn draw_axes<DB: DrawingBackend>(
    lines: &Lines,
    canvas: &Canvas<'_, DB>,
    axes: &AxisMapping,
    x_ticks: &Ticks,
    y_ticks: &Ticks,
    y_labels: &[String],
    is_empty: bool,
) -> Result<(), Error> {
    let (palette, area) = (&canvas.palette, axes.area);
    for (value, label) in y_ticks.values.iter().zip(y_labels) {
        let (_, py) = axes.to_pixel(axes.x.0, *value);
        canvas.line((area.left, py), (area.right, py), palette.grid, 1.0)?;
        if !is_empty {
            canvas.text(label, (area.left - 8.0, py), Align::Right, LABEL, palette.muted)?;
        }
    }
    canvas.line((area.left, area.bottom), (area.right, area.bottom), palette.muted, 1.0)?;
    for value in x_ticks.values.iter().filter(|_| !is_empty) {
        let (px, _) = axes.to_pixel(*value, axes.y.0);
        canvas.line((px, area.bottom), (px, area.bottom + 4.0), palette.muted, 1.0)?;
        let label = axis::tick_label(*value, x_ticks);
        // A label under the first or last tick may not leave the figure.
        let half = canvas.width(&label, LABEL)? / 2.0;
        let centre = px.min(area.right + EDGE - half).max(half + 4.0);
        canvas.text(&label, (centre, area.bottom + 14.0), Align::Centre, LABEL, palette.muted)?;
    }
    let below = area.bottom + 32.0;
    canvas.text(&lines.x_label, (f64::midpoint(area.left, area.right), below), Align::Centre, LABEL, palette.muted)?;
    let gaps: usize = lines.series.iter().flat_map(|series| &series.points).filter(|p| !axis::drawable(p.1)).count();
    if gaps > 0 {
        let note =
            if gaps == 1 { "1 value is not a number".to_owned() } else { format!("{gaps} values are not numbers") };
        canvas.text(&note, (area.right, below), Align::Right, LABEL, palette.muted)?;
    }
    Ok(())
}

fn draw_references<DB: DrawingBackend>(
    lines: &Lines,
    canvas: &Canvas<'_, DB>,
    axes: &AxisMapping,
) -> Result<(), Error> {
    let color = canvas.palette.muted;
    for reference in &lines.references {
        let (_, py) = axes.to_pixel(axes.x.0, reference.y);
        canvas.dashed((axes.area.left, py), (axes.area.right, py), color, 1.0)?;
        canvas.text(&reference.name, (axes.area.right - 2.0, py - 9.0), Align::Right, LABEL - 1.0, color)?;
    }
    Ok(())
}

fn draw_series<DB: DrawingBackend>(
    series: &Series,
    canvas: &Canvas<'_, DB>,
    axes: &AxisMapping,
    color: RGBColor,
) -> Result<(), Error> {
    let runs = runs(&series.points);
    match series.mean_over.filter(|window| series.points.len() > 2 * window) {
        Some(window) => {
            draw_runs(&runs, canvas, axes, canvas.palette.faint(color, 0.3), 1.0, false)?;
            let smooth: Vec<Run> = runs.iter().map(|run| trailing_mean(run, window)).collect();
            draw_runs(&smooth, canvas, axes, color, 2.0, false)
        }
        None => draw_runs(&runs, canvas, axes, color, 2.0, series.points.len() <= 25),
    }
}

fn draw_runs<DB: DrawingBackend>(
    runs: &[Run],
    canvas: &Canvas<'_, DB>,
    axes: &AxisMapping,
    color: RGBColor,
    width: f64,
    dots: bool,
) -> Result<(), Error> {
    let area = axes.area;
    for run in runs {
        let pixels: Vec<_> = run
            .iter()
            .map(|(x, y)| axes.to_pixel(*x, *y))
            .map(|(px, py)| (px, py.clamp(area.top, area.bottom)))
            .collect();
        canvas.path(&thinned(&pixels), color, width)?;
        // A lone point between gaps has no line to show it.
        if dots || pixels.len() == 1 {
            for pixel in pixels {
                canvas.dot(pixel, 3.0, color)?;
            }
        }
    }
    Ok(())
}

/// Splits at points that cannot be drawn.
fn runs(points: &[(f64, f64)]) -> Vec<Run> {
    points
        .split(|(x, y)| !axis::drawable(*x) || !axis::drawable(*y))
        .filter(|run| !run.is_empty())
        .map(<[_]>::to_vec)
        .collect()
}

/// The mean of each point and up to `window - 1` before it.
fn trailing_mean(run: &[(f64, f64)], window: usize) -> Run {
    (0..run.len())
        .map(|index| {
            let recent = &run[(index + 1).saturating_sub(window.max(1))..=index];
            let mean = recent.iter().map(|point| point.1 / recent.len() as f64).sum();
            (run[index].0, mean)
        })
        .collect()
}

/// Keeps the first, lowest, highest and last point of each half pixel column: looks the same, and ten thousand points do
/// not make a file of megabytes.
fn thinned(pixels: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let mut kept: Vec<(f64, f64)> = Vec::new();
    let column = |pixel: &(f64, f64)| (pixel.0 * 2.0).floor() as i64;
    for group in pixels.chunk_by(|a, b| column(a) == column(b)) {
        if group.len() <= 4 {
            kept.extend(group);
            continue;
        }
        let by_height = |a: &usize, b: &usize| group[*a].1.total_cmp(&group[*b].1);
        let lowest = (0..group.len()).min_by(by_height).unwrap_or(0);
        let highest = (0..group.len()).max_by(by_height).unwrap_or(0);
        let mut indices = vec![0, lowest, highest, group.len() - 1];
        indices.sort_unstable();
        indices.dedup();
        kept.extend(indices.into_iter().map(|index| group[index]));
    }
    kept
}

/// The series' names at the right and the y label at the left, between the title and the plot. Where both have no room
/// the names come first: without them a figure cannot be read.
fn draw_legend<DB: DrawingBackend>(lines: &Lines, canvas: &Canvas<'_, DB>, width: f64) -> Result<(), Error> {
    const SWATCH: f64 = 18.0;
    const GAP: f64 = 16.0;
    let palette = &canvas.palette;
    let y = 44.0;
    let names: Vec<String> = lines.series.iter().map(legend_name).collect();
    let share = (width - 2.0 * EDGE) / names.len().max(1) as f64 - SWATCH - 6.0 - GAP;
    let mut right = width - EDGE;
    for (index, name) in names.iter().enumerate().rev() {
        let name = canvas.shortened(name, LABEL, share.max(30.0))?;
        let text_width = canvas.width(&name, LABEL)?;
        let left = right - text_width - SWATCH - 6.0;
        canvas.block((left, y - 1.5), (left + SWATCH, y + 1.5), palette.series[index % palette.series.len()])?;
        canvas.text(&name, (left + SWATCH + 6.0, y), Align::Left, LABEL, palette.ink)?;
        right = left - GAP;
    }
    canvas.label_at_the_left(&lines.y_label, y, right)
}

fn legend_name(series: &Series) -> String {
    match series.mean_over.filter(|window| series.points.len() > 2 * window) {
        Some(window) => format!("{}, mean of {window}", series.name),
        None => series.name.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_end_where_a_value_is_missing() {
        let points = [(1.0, f64::NAN), (2.0, 1.0), (3.0, f64::INFINITY), (4.0, 2.0), (5.0, 3.0), (6.0, f64::NAN)];
        assert_eq!(runs(&points), [vec![(2.0, 1.0)], vec![(4.0, 2.0), (5.0, 3.0)]]);
    }

    #[test]
    fn the_mean_looks_back_only() {
        let run = [(1.0, 3.0), (2.0, 5.0), (3.0, 10.0), (4.0, 0.0)];
        assert_eq!(trailing_mean(&run, 2), [(1.0, 3.0), (2.0, 4.0), (3.0, 7.5), (4.0, 5.0)]);
    }

    #[test]
    fn thinning_keeps_ends_and_extremes() {
        let crowded: Vec<(f64, f64)> = [5.0, 1.0, 6.0, 9.0, 4.0, 7.0].iter().map(|y| (10.1, *y)).collect();
        assert_eq!(thinned(&crowded), [(10.1, 5.0), (10.1, 1.0), (10.1, 9.0), (10.1, 7.0)]);
        let sparse = [(1.0, 0.0), (2.0, 5.0), (3.0, 1.0)];
        assert_eq!(thinned(&sparse), sparse);
    }
}
