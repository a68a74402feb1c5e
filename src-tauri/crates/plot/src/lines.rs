//! Line figures: one or more series over a common x axis.

use numbers::figure;
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
/// How curves that stand together are broken, in pixels along x, drawn and left out by turns: told apart without colour, too.
const PATTERNS: [&[f64]; 4] = [&[], &[7.0, 4.0], &[2.5, 3.0], &[9.0, 3.0, 2.5, 3.0]];

/// A run of points without gaps.
type Run = Vec<(f64, f64)>;

pub(crate) fn description(lines: &Lines) -> String {
    let curve = |series: &Series| {
        let mut drawn = series.points.iter().filter(|point| axis::drawable(point.1));
        let first = drawn.next();
        match (first, drawn.next_back().or(first)) {
            (Some(first), Some(last)) => {
                format!("{}: from {} at {} to {} at {}.", series.name, figure(first.1), first.0, figure(last.1), last.0)
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

    let legend = legend_rows(lines, canvas, (width, height))?;
    let top = FIRST_ROW + TO_PLOT + ROW * (legend.len() - 1) as f64;
    let area = Area { left: EDGE + label_width + 8.0, top, right: width - EDGE - 4.0, bottom: height - 46.0 };
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
            draw_series(
                series,
                canvas,
                &axes,
                palette.series[index % palette.series.len()],
                PATTERNS[index % PATTERNS.len()],
            )?;
        }
        name_references(lines, canvas, &axes)?;
    }
    draw_legend(lines, canvas, &legend, width)?;
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
    let x_label = canvas.shortened(&x_label(lines), LABEL, area.right - EDGE)?;
    canvas.text(&x_label, (f64::midpoint(area.left, area.right), below), Align::Centre, LABEL, palette.muted)?;
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
    }
    Ok(())
}

/// Names each reference where no curve runs through its name: at the right or left end, above or below the line.
fn name_references<DB: DrawingBackend>(
    lines: &Lines,
    canvas: &Canvas<'_, DB>,
    axes: &AxisMapping,
) -> Result<(), Error> {
    const SIZE: f64 = LABEL - 1.0;
    const HALF: f64 = 7.0;
    let area = axes.area;
    let curves: Vec<Vec<(f64, f64)>> = lines
        .series
        .iter()
        .flat_map(|series| runs(&series.points))
        .map(|run| run.iter().map(|(x, y)| axes.to_pixel(*x, *y)).collect())
        .collect();
    for reference in lines.references.iter().filter(|reference| !reference.name.is_empty()) {
        let (_, py) = axes.to_pixel(axes.x.0, reference.y);
        let room = canvas.width(&reference.name, SIZE)?;
        let spots = [(Align::Right, -9.0), (Align::Right, 9.0), (Align::Left, -9.0), (Align::Left, 9.0)];
        let hidden = |(align, below): &(Align, f64)| {
            let left = if matches!(align, Align::Right) { area.right - 2.0 - room } else { area.left + 2.0 };
            let (top, bottom) = (py + below - HALF, py + below + HALF);
            if top < area.top - TO_PLOT + HALF || bottom > area.bottom {
                return usize::MAX;
            }
            curves.iter().map(|curve| crossings(curve, (left, top), (left + room, bottom))).sum()
        };
        let (align, below) = spots.into_iter().min_by_key(hidden).unwrap_or(spots[0]);
        let x = if matches!(align, Align::Right) { area.right - 2.0 } else { area.left + 2.0 };
        canvas.text(&reference.name, (x, py + below), align, SIZE, canvas.palette.muted)?;
    }
    Ok(())
}

/// How many segments of a curve pass through a box.
fn crossings(curve: &[(f64, f64)], (left, top): (f64, f64), (right, bottom): (f64, f64)) -> usize {
    let ends = |pair: &[(f64, f64)]| (pair[0], *pair.last().unwrap_or(&pair[0]));
    let passes = |((x0, y0), (x1, y1)): ((f64, f64), (f64, f64))| {
        if x1 < left || x0 > right {
            return false;
        }
        let at = |x: f64| if x1 > x0 { y0 + (y1 - y0) * ((x - x0) / (x1 - x0)).clamp(0.0, 1.0) } else { y0 };
        let (from, to) = (at(left.max(x0)), at(right.min(x1)));
        from.min(to) <= bottom && from.max(to) >= top
    };
    curve.windows(2.min(curve.len()).max(1)).filter(|pair| passes(ends(pair))).count()
}

fn draw_series<DB: DrawingBackend>(
    series: &Series,
    canvas: &Canvas<'_, DB>,
    axes: &AxisMapping,
    color: RGBColor,
    pattern: &[f64],
) -> Result<(), Error> {
    let runs = runs(&series.points);
    match series.mean_over.filter(|window| series.points.len() > 2 * window) {
        Some(window) => {
            draw_runs(&runs, canvas, axes, canvas.palette.faint(color, 0.3), (1.0, &[]), false)?;
            let smooth: Vec<Run> = runs.iter().map(|run| trailing_mean(run, window)).collect();
            draw_runs(&smooth, canvas, axes, color, (2.0, pattern), false)
        }
        None => draw_runs(&runs, canvas, axes, color, (2.0, pattern), series.points.len() <= 25),
    }
}

fn draw_runs<DB: DrawingBackend>(
    runs: &[Run],
    canvas: &Canvas<'_, DB>,
    axes: &AxisMapping,
    color: RGBColor,
    (width, pattern): (f64, &[f64]),
    dots: bool,
) -> Result<(), Error> {
    let area = axes.area;
    for run in runs {
        let pixels: Vec<_> = run
            .iter()
            .map(|(x, y)| axes.to_pixel(*x, *y))
            .map(|(px, py)| (px, py.clamp(area.top, area.bottom)))
            .collect();
        canvas.patterned(&thinned(&pixels), color, width, pattern)?;
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

/// One name of the legend: its series' place, the name as it is written, and how wide that is.
struct Entry {
    series: usize,
    name: String,
    width: f64,
}

const FIRST_ROW: f64 = 44.0;
/// From the last row to the plot: room for the name of a reference at its upper edge.
const TO_PLOT: f64 = 27.0;
const ROW: f64 = 18.0;
const SWATCH: f64 = 24.0;
const GAP: f64 = 16.0;

/// The series' names in as many rows as they need. In a small figure they are shortened, so that the plot keeps its room.
fn legend_rows<DB: DrawingBackend>(
    lines: &Lines,
    canvas: &Canvas<'_, DB>,
    (width, height): (f64, f64),
) -> Result<Vec<Vec<Entry>>, Error> {
    const LEAST_PLOT: f64 = 170.0;
    let room = width - 2.0 * EDGE;
    let most_rows = ((height - LEAST_PLOT) / ROW).clamp(1.0, 3.0).floor();
    let in_a_row = (lines.series.len() as f64 / most_rows).ceil().max(1.0);
    let share = ((room + GAP) / in_a_row - GAP - SWATCH).max(30.0);
    let mut rows = packed(lines, canvas, room, room - SWATCH)?;
    if rows.len() as f64 > most_rows {
        rows = packed(lines, canvas, room, share)?;
    }
    Ok(rows)
}

/// Names of at most `longest`, as many in each row of `room` as it holds; always one row.
fn packed<DB: DrawingBackend>(
    lines: &Lines,
    canvas: &Canvas<'_, DB>,
    room: f64,
    longest: f64,
) -> Result<Vec<Vec<Entry>>, Error> {
    let mut rows = Vec::new();
    let mut row: Vec<Entry> = Vec::new();
    let mut taken = 0.0;
    for (series, curve) in lines.series.iter().enumerate() {
        let name = canvas.shortened(&curve.name, LABEL, longest)?;
        let width = SWATCH + canvas.width(&name, LABEL)?;
        if !row.is_empty() && taken + width > room {
            rows.push(std::mem::take(&mut row));
            taken = 0.0;
        }
        taken += width + GAP;
        row.push(Entry { series, name, width });
    }
    rows.push(row);
    Ok(rows)
}

/// The series' names at the right and the y label at the left, between the title and the plot. Where both have no room
/// the names come first: without them a figure cannot be read.
fn draw_legend<DB: DrawingBackend>(
    lines: &Lines,
    canvas: &Canvas<'_, DB>,
    rows: &[Vec<Entry>],
    width: f64,
) -> Result<(), Error> {
    let palette = &canvas.palette;
    let mut y = FIRST_ROW;
    let mut free = width - EDGE;
    for (index, row) in rows.iter().enumerate() {
        let mut right = width - EDGE;
        for entry in row.iter().rev() {
            let left = right - entry.width;
            let color = palette.series[entry.series % palette.series.len()];
            canvas.patterned(
                &[(left, y), (left + SWATCH - 6.0, y)],
                color,
                3.0,
                PATTERNS[entry.series % PATTERNS.len()],
            )?;
            canvas.text(&entry.name, (left + SWATCH, y), Align::Left, LABEL, palette.ink)?;
            right = left - GAP;
        }
        if index == 0 {
            free = right;
        }
        y += ROW;
    }
    canvas.label_at_the_left(&lines.y_label, FIRST_ROW, free)
}

/// What x counts, and what the thick curves are where the points themselves stand faintly behind them.
fn x_label(lines: &Lines) -> String {
    let smoothed = |series: &Series| series.mean_over.filter(|window| series.points.len() > 2 * window);
    match lines.series.iter().find_map(smoothed) {
        Some(window) => format!("{} (thick: mean of {window})", lines.x_label),
        None => lines.x_label.clone(),
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
    fn a_curve_is_met_where_it_passes_through_a_box() {
        let around = |curve: &[(f64, f64)]| crossings(curve, (10.0, 10.0), (20.0, 20.0));
        assert_eq!(around(&[(0.0, 15.0), (30.0, 15.0)]), 1);
        assert_eq!(around(&[(0.0, 0.0), (30.0, 5.0)]), 0);
        assert_eq!(around(&[(0.0, 0.0), (30.0, 30.0)]), 1);
        assert_eq!(around(&[(15.0, 15.0)]), 1);
        assert_eq!(around(&[(25.0, 15.0)]), 0);
        assert_eq!(around(&[]), 0);
    }

    #[test]
    fn thinning_keeps_ends_and_extremes() {
        let crowded: Vec<(f64, f64)> = [5.0, 1.0, 6.0, 9.0, 4.0, 7.0].iter().map(|y| (10.1, *y)).collect();
        assert_eq!(thinned(&crowded), [(10.1, 5.0), (10.1, 1.0), (10.1, 9.0), (10.1, 7.0)]);
        let sparse = [(1.0, 0.0), (2.0, 5.0), (3.0, 1.0)];
        assert_eq!(thinned(&sparse), sparse);
    }
}
