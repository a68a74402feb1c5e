//! The win-rate figure: a dot with whiskers per row, against the lines at 50 % and 55 %.

use numbers::counted;
use plotters::prelude::DrawingBackend;

use crate::axis::{Area, AxisMapping};
use crate::canvas::{Align, Canvas};
use crate::figure::Error;

/// One row: all prompts, or one category of them. Rates are shares between 0 and 1.
#[derive(Debug, Clone, PartialEq)]
pub struct WinRateRow {
    /// What the row counts.
    pub name: String,
    /// The win rate, ties as half.
    pub rate: f64,
    /// Lower end of the interval.
    pub low: f64,
    /// Upper end of the interval.
    pub high: f64,
    /// Prompts on which its answer won.
    pub wins: usize,
    /// Prompts without a better answer.
    pub ties: usize,
    /// Prompts on which the other's answer won.
    pub losses: usize,
    /// Prompts on which the judge gave no verdict; not part of the rate.
    pub no_verdict: usize,
}

/// A win-rate figure.
#[derive(Debug, Clone, PartialEq)]
pub struct WinRate {
    /// Title, at the top left.
    pub title: String,
    /// The rows from top to bottom; the first is drawn in the main colour.
    pub rows: Vec<WinRateRow>,
}

const TITLE: f64 = 15.0;
const LABEL: f64 = 12.0;
const EDGE: f64 = 16.0;
const TOP: f64 = 62.0;
const BOTTOM: f64 = 50.0;
const ROW: f64 = 52.0;
const SMALLEST_ROW: f64 = 40.0;

/// The height in which every row has its usual room.
pub(crate) fn natural_height(win_rate: &WinRate) -> u32 {
    let rows = win_rate.rows.len().max(1) as f64;
    (TOP + BOTTOM + rows * ROW).clamp(200.0, 4000.0) as u32
}

/// "40 prompts: 22 wins, 6 ties, 12 losses", without what did not happen.
fn counts(row: &WinRateRow) -> String {
    let judged = counted(row.wins + row.ties + row.losses, "prompt", "prompts");
    let wins = counted(row.wins, "win", "wins");
    let ties = if row.ties > 0 { format!(", {}", counted(row.ties, "tie", "ties")) } else { String::new() };
    let losses = counted(row.losses, "loss", "losses");
    let unjudged = if row.no_verdict > 0 { format!("; {} without a verdict", row.no_verdict) } else { String::new() };
    format!("{judged}: {wins}{ties}, {losses}{unjudged}")
}

fn rate(row: &WinRateRow) -> String {
    if row.wins + row.ties + row.losses == 0 {
        return "nothing judged".to_owned();
    }
    format!("{} ({})", numbers::percent(row.rate), numbers::interval(row.low, row.high))
}

pub(crate) fn description(win_rate: &WinRate) -> String {
    let row = |row: &WinRateRow| format!("{}: {} ({}).", row.name, rate(row), counts(row));
    let rows: Vec<String> = win_rate.rows.iter().map(row).collect();
    format!("{}. {}", win_rate.title, rows.join(" "))
}

/// Draws the figure and returns its axes: x in per cent, y from the last row's bottom (0) to the first row's top (the
/// number of rows).
pub(crate) fn draw<DB: DrawingBackend>(
    win_rate: &WinRate,
    canvas: &Canvas<'_, DB>,
    (width, height): (f64, f64),
) -> Result<AxisMapping, Error> {
    let palette = &canvas.palette;
    let area = Area { left: EDGE + 8.0, top: TOP, right: width - EDGE - 8.0, bottom: height - BOTTOM };
    let fitting = (((area.bottom - area.top) / SMALLEST_ROW) as usize).max(1);
    let shown = &win_rate.rows[..win_rate.rows.len().min(fitting)];
    let left_out = win_rate.rows.len() - shown.len();
    let axes = AxisMapping { area, x: (0.0, 100.0), y: (0.0, shown.len().max(1) as f64) };

    let title = canvas.shortened(&win_rate.title, TITLE, width - 2.0 * EDGE)?;
    canvas.text(&title, (EDGE, 20.0), Align::Left, TITLE, palette.ink)?;
    for per_cent in [0.0, 25.0, 50.0, 75.0, 100.0] {
        let (px, _) = axes.to_pixel(per_cent, 0.0);
        canvas.line((px, area.top), (px, area.bottom), palette.grid, 1.0)?;
        canvas.text(&format!("{per_cent}"), (px, area.bottom + 14.0), Align::Centre, LABEL, palette.muted)?;
    }
    canvas.line((area.left, area.bottom), (area.right, area.bottom), palette.muted, 1.0)?;
    let even = axes.to_pixel(50.0, 0.0).0;
    canvas.line((even, area.top - 8.0), (even, area.bottom), palette.muted, 1.5)?;
    canvas.text("50 %: no difference", (even - 5.0, area.top - 13.0), Align::Right, LABEL, palette.muted)?;
    let works = axes.to_pixel(55.0, 0.0).0;
    canvas.dashed((works, area.top - 8.0), (works, area.bottom), palette.muted, 1.0)?;
    canvas.text("55 %: 11 wins to 9", (works + 5.0, area.top - 13.0), Align::Left, LABEL, palette.muted)?;
    let middle = f64::midpoint(area.left, area.right);
    let mut below = "win rate in %, ties as half, with 95 % interval".to_owned();
    if left_out > 0 {
        below = format!("win rate in % with 95 % interval; {left_out} more rows do not fit this figure");
    }
    canvas.text(
        &canvas.shortened(&below, LABEL, width - 2.0 * EDGE)?,
        (middle, area.bottom + 34.0),
        Align::Centre,
        LABEL,
        palette.muted,
    )?;
    if shown.is_empty() {
        let centre = (middle, f64::midpoint(area.top, area.bottom));
        canvas.text("nothing judged yet", centre, Align::Centre, LABEL + 1.0, palette.muted)?;
    }

    let row_height = (area.bottom - area.top) / axes.y.1;
    for (index, row) in shown.iter().enumerate() {
        let top = area.top + index as f64 * row_height;
        let color = palette.series[usize::from(index > 0) * 3];
        let mut words = format!("{} · {}", rate(row), counts(row));
        if canvas.width(&words, LABEL)? + 80.0 > area.right - area.left {
            words = format!("{} · n = {}", rate(row), row.wins + row.ties + row.losses);
        }
        let words_width = canvas.width(&words, LABEL)?;
        let (text_y, mark_y) = (top + row_height * 0.28, top + row_height * 0.68);
        let room = area.right - area.left - words_width - 12.0;
        let name = canvas.shortened(&row.name, LABEL, room.max(40.0))?;
        // The words stand on a block of background, so that the reference lines do not run through them.
        let name_width = canvas.width(&name, LABEL)?;
        for (left, right) in [(area.left, area.left + name_width), (area.right - words_width, area.right)] {
            canvas.block((left - 2.0, text_y - 8.0), (right + 2.0, text_y + 8.0), palette.background)?;
        }
        canvas.text(&name, (area.left, text_y), Align::Left, LABEL, palette.ink)?;
        canvas.text(&words, (area.right, text_y), Align::Right, LABEL, palette.ink)?;
        if row.wins + row.ties + row.losses > 0 {
            let at = |share: f64| (axes.to_pixel((share * 100.0).clamp(0.0, 100.0), 0.0).0, mark_y);
            canvas.line(at(row.low), at(row.high), color, 2.5)?;
            for end in [row.low, row.high] {
                let (px, py) = at(end);
                canvas.line((px, py - 5.0), (px, py + 5.0), color, 2.5)?;
            }
            canvas.dot(at(row.rate), 5.5, color)?;
        }
    }
    Ok(axes)
}
