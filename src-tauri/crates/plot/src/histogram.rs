//! Histograms: how many values lie where, against limits.

use plotters::prelude::DrawingBackend;

use crate::axis::{self, Area, AxisMapping};
use crate::canvas::{Align, Canvas, EDGE, LABEL};
use crate::figure::Error;

/// One named set of values, sorted into the figure's bins.
#[derive(Debug, Clone, PartialEq)]
pub struct Bars {
    /// Its name in the legend.
    pub name: String,
    /// How many values lie in each bin.
    pub counts: Vec<usize>,
}

/// A vertical line to compare with, such as a limit.
#[derive(Debug, Clone, PartialEq)]
pub struct Limit {
    /// Where it lies on the x axis.
    pub x: f64,
    /// What it means, in a few words.
    pub name: String,
}

/// A histogram figure over bins of the same width that begin at 0.
#[derive(Debug, Clone, PartialEq)]
pub struct Histogram {
    /// Title, at the top left.
    pub title: String,
    /// What x counts, with its unit.
    pub x_label: String,
    /// What y counts, with its unit.
    pub y_label: String,
    /// Width of a bin.
    pub bin: f64,
    /// The sets of values, at most four.
    pub sets: Vec<Bars>,
    /// Limits; those inside or just right of the data are drawn.
    pub limits: Vec<Limit>,
}

const TITLE: f64 = 15.0;
/// About so many bins show a shape without showing noise.
const BINS: f64 = 40.0;

impl Histogram {
    /// Sorts values (counts of something, such as tokens) into about forty bins whose width is a round number.
    pub fn of(title: &str, x_label: &str, y_label: &str, sets: &[(&str, &[usize])], limits: Vec<Limit>) -> Self {
        let most = sets.iter().flat_map(|(_, values)| values.iter()).max().copied().unwrap_or(0);
        let bin = axis::ticks((0.0, most.max(1) as f64), BINS as usize, true).step;
        let bins = (most as f64 / bin) as usize + 1;
        let sorted = |(name, values): &(&str, &[usize])| {
            let mut counts = vec![0; bins];
            for value in *values {
                counts[(*value as f64 / bin) as usize] += 1;
            }
            Bars { name: (*name).to_owned(), counts }
        };
        Self {
            title: title.to_owned(),
            x_label: x_label.to_owned(),
            y_label: y_label.to_owned(),
            bin,
            sets: sets.iter().map(sorted).collect(),
            limits,
        }
    }

    /// `(middle of the bin, count)` of a set.
    pub fn points(&self, set: &Bars) -> Vec<(f64, f64)> {
        set.counts.iter().enumerate().map(|(i, &count)| ((i as f64 + 0.5) * self.bin, count as f64)).collect()
    }

    fn end(&self) -> f64 {
        self.sets.iter().map(|set| set.counts.len()).max().unwrap_or(1).max(1) as f64 * self.bin
    }
}

pub(crate) fn description(histogram: &Histogram) -> String {
    let set = |set: &Bars| {
        let total: usize = set.counts.iter().sum();
        let Some(last) = set.counts.iter().rposition(|&count| count > 0) else {
            return format!("{}: no values.", set.name);
        };
        let mut seen = 0;
        let middle = set.counts.iter().position(|&count| {
            seen += count;
            2 * seen >= total
        });
        let from = middle.unwrap_or(last) as f64 * histogram.bin;
        let end = (last + 1) as f64 * histogram.bin;
        format!("{}: {total} values below {end}, half of them below {}.", set.name, from + histogram.bin)
    };
    let sets: Vec<String> = histogram.sets.iter().map(set).collect();
    let limits: Vec<String> = histogram.limits.iter().map(|limit| format!("{} {}.", limit.name, limit.x)).collect();
    let Histogram { title, x_label, y_label, .. } = histogram;
    format!("{title}: {y_label} by {x_label}. {} {}", sets.join(" "), limits.join(" ")).trim().to_owned()
}

/// Draws the figure and returns its axes.
pub(crate) fn draw<DB: DrawingBackend>(
    histogram: &Histogram,
    canvas: &Canvas<'_, DB>,
    (width, height): (f64, f64),
) -> Result<AxisMapping, Error> {
    let palette = &canvas.palette;
    let highest = histogram.sets.iter().flat_map(|set| set.counts.iter()).max().copied().unwrap_or(0);
    let end = histogram.end();
    // A limit not far right of the data is worth the room; one far away would squeeze the data into a corner.
    let near = |limit: &&Limit| axis::drawable(limit.x) && limit.x >= 0.0 && limit.x <= 1.5 * end;
    let right = histogram.limits.iter().filter(near).fold(end, |right, limit| right.max(limit.x * 1.02));
    let wanted = ((height - 100.0) / 45.0).clamp(2.0, 8.0) as usize;
    let (y, y_ticks) = axis::rounded_out((0.0, highest.max(1) as f64), wanted);
    let y_ticks = if y_ticks.step < 1.0 { axis::ticks(y, wanted, true) } else { y_ticks };
    let labels: Vec<String> = y_ticks.values.iter().map(|value| axis::tick_label(*value, &y_ticks)).collect();
    let mut label_width = 0.0_f64;
    for label in &labels {
        label_width = label_width.max(canvas.width(label, LABEL)?);
    }
    let area = Area { left: EDGE + label_width + 8.0, top: 64.0, right: width - EDGE - 4.0, bottom: height - 46.0 };
    let axes = AxisMapping { area, x: (0.0, right), y };

    let title = canvas.shortened(&histogram.title, TITLE, width - 2.0 * EDGE)?;
    canvas.text(&title, (EDGE, 20.0), Align::Left, TITLE, palette.ink)?;
    for (value, label) in y_ticks.values.iter().zip(&labels) {
        let (_, py) = axes.to_pixel(0.0, *value);
        canvas.line((area.left, py), (area.right, py), palette.grid, 1.0)?;
        canvas.text(label, (area.left - 8.0, py), Align::Right, LABEL, palette.muted)?;
    }
    let x_ticks = axis::ticks(axes.x, ((area.right - area.left) / 90.0).max(1.0) as usize, true);
    for value in &x_ticks.values {
        let (px, _) = axes.to_pixel(*value, 0.0);
        canvas.line((px, area.bottom), (px, area.bottom + 4.0), palette.muted, 1.0)?;
        let label = axis::tick_label(*value, &x_ticks);
        let half = canvas.width(&label, LABEL)? / 2.0;
        let centre = px.min(area.right + EDGE - half).max(half + 4.0);
        canvas.text(&label, (centre, area.bottom + 14.0), Align::Centre, LABEL, palette.muted)?;
    }
    let below = (f64::midpoint(area.left, area.right), area.bottom + 32.0);
    canvas.text(&histogram.x_label, below, Align::Centre, LABEL, palette.muted)?;
    if highest == 0 {
        let middle = (below.0, f64::midpoint(area.top, area.bottom));
        canvas.text("no values yet", middle, Align::Centre, LABEL + 1.0, palette.muted)?;
    }
    draw_bars(histogram, canvas, &axes)?;
    canvas.line((area.left, area.bottom), (area.right, area.bottom), palette.muted, 1.0)?;
    draw_limits(histogram, canvas, &axes)?;
    draw_legend(histogram, canvas, width)?;
    Ok(axes)
}

/// Fills first, outlines last, so that no set hides another.
fn draw_bars<DB: DrawingBackend>(
    histogram: &Histogram,
    canvas: &Canvas<'_, DB>,
    axes: &AxisMapping,
) -> Result<(), Error> {
    let palette = &canvas.palette;
    let color = |index: usize| palette.series[index % palette.series.len()];
    let corners = |index: usize, count: usize| {
        let left = axes.to_pixel(index as f64 * histogram.bin, count as f64);
        let (right, bottom) = axes.to_pixel((index + 1) as f64 * histogram.bin, 0.0);
        (left, (right, bottom))
    };
    for (place, set) in histogram.sets.iter().enumerate() {
        for (index, &count) in set.counts.iter().enumerate().filter(|(_, count)| **count > 0) {
            let (from, to) = corners(index, count);
            canvas.block(from, to, palette.faint(color(place), 0.25))?;
        }
    }
    for (place, set) in histogram.sets.iter().enumerate() {
        let mut outline = vec![axes.to_pixel(0.0, 0.0)];
        for (index, &count) in set.counts.iter().enumerate() {
            let (from, to) = corners(index, count);
            outline.extend([from, (to.0, from.1)]);
        }
        outline.push(axes.to_pixel(set.counts.len() as f64 * histogram.bin, 0.0));
        canvas.path(&outline, color(place), 1.5)?;
    }
    Ok(())
}

fn draw_limits<DB: DrawingBackend>(
    histogram: &Histogram,
    canvas: &Canvas<'_, DB>,
    axes: &AxisMapping,
) -> Result<(), Error> {
    let (area, palette) = (axes.area, &canvas.palette);
    for (index, limit) in histogram.limits.iter().enumerate() {
        if !(axis::drawable(limit.x) && limit.x >= 0.0 && limit.x <= axes.x.1) {
            continue;
        }
        let (px, _) = axes.to_pixel(limit.x, 0.0);
        canvas.dashed((px, area.top), (px, area.bottom), palette.ink, 1.5)?;
        let words = format!("{} {}", limit.name, limit.x);
        let py = area.top + 8.0 + 16.0 * index as f64;
        let on_left = px - area.left > f64::midpoint(0.0, area.right - area.left);
        let room = if on_left { px - area.left } else { area.right - px } - 10.0;
        let words = canvas.shortened(&words, LABEL, room.max(40.0))?;
        let (at, align) = if on_left { (px - 6.0, Align::Right) } else { (px + 6.0, Align::Left) };
        canvas.text(&words, (at, py), align, LABEL, palette.ink)?;
    }
    Ok(())
}

fn draw_legend<DB: DrawingBackend>(histogram: &Histogram, canvas: &Canvas<'_, DB>, width: f64) -> Result<(), Error> {
    const SWATCH: f64 = 18.0;
    let palette = &canvas.palette;
    let y = 44.0;
    let share = (width - 2.0 * EDGE) / histogram.sets.len().max(1) as f64;
    let mut right = width - EDGE;
    for (index, set) in histogram.sets.iter().enumerate().rev() {
        let name = canvas.shortened(&set.name, LABEL, (share - SWATCH - 22.0).max(30.0))?;
        let left = right - canvas.width(&name, LABEL)? - SWATCH - 6.0;
        canvas.block((left, y - 4.0), (left + SWATCH, y + 4.0), palette.series[index % palette.series.len()])?;
        canvas.text(&name, (left + SWATCH + 6.0, y), Align::Left, LABEL, palette.ink)?;
        right = left - 16.0;
    }
    canvas.label_at_the_left(&histogram.y_label, y, right)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_sorted_into_round_bins_and_none_is_lost() {
        let values: Vec<usize> = (0..1000).map(|i| i % 397).collect();
        let histogram = Histogram::of("Lengths", "tokens", "pairs", &[("pairs", &values), ("none", &[])], vec![]);
        assert!((histogram.bin - 10.0).abs() < f64::EPSILON, "{}", histogram.bin);
        assert_eq!(histogram.sets[0].counts.iter().sum::<usize>(), 1000);
        assert_eq!(histogram.sets[0].counts[0], 30);
        assert_eq!(histogram.sets[0].counts.len(), histogram.sets[1].counts.len());
        assert_eq!(histogram.points(&histogram.sets[0])[1].0.round() as i64, 15);
        let words = description(&histogram);
        assert!(words.contains("1000 values below 400") && words.contains("none: no values"), "{words}");
    }

    #[test]
    fn a_few_small_counts_get_bins_of_one() {
        let histogram = Histogram::of("L", "x", "y", &[("a", &[0, 1, 1, 3])], vec![]);
        assert!((histogram.bin - 1.0).abs() < f64::EPSILON);
        assert_eq!(histogram.sets[0].counts, [1, 2, 0, 1]);
    }
}
