//! Figures for the page: the drawing of crate `plot`, with the values behind it for the read-out under the cursor.

use super::types::{Axes, FigureSeries, FigureView, Theme};
use crate::error::Result;
use plot::{Figure, Histogram, Lines, Outcomes, Scatter, WinRate};

/// Points of a series that cross to the page.
const MOST_POINTS: usize = 2_000;

/// A figure smaller or larger than this cannot be read.
fn sensible((width, height): (u32, u32)) -> (u32, u32) {
    (width.clamp(280, 2_400), height.clamp(180, 1_600))
}

pub(crate) fn theme(theme: Theme) -> plot::Theme {
    match theme {
        Theme::Light => plot::Theme::Light,
        Theme::Dark => plot::Theme::Dark,
    }
}

/// Curves over steps.
pub(crate) fn lines(name: &str, lines: Lines, how: Theme, size: (u32, u32)) -> Result<FigureView> {
    let (width, height) = sensible(size);
    let series = lines.series.iter().map(|series| (series.name.clone(), series.points.clone())).collect();
    let labels = (lines.x_label.clone(), lines.y_label.clone());
    view(name, Figure::from(lines).with_size(width, height), how, labels, series)
}

/// How many values lie where.
pub(crate) fn histogram(name: &str, histogram: Histogram, how: Theme, size: (u32, u32)) -> Result<FigureView> {
    let (width, height) = sensible(size);
    let series = histogram.sets.iter().map(|set| (set.name.clone(), histogram.points(set))).collect();
    let labels = (histogram.x_label.clone(), histogram.y_label.clone());
    view(name, Figure::from(histogram).with_size(width, height), how, labels, series)
}

/// Points that the page itself finds under the cursor.
pub(crate) fn scatter(name: &str, scatter: Scatter, how: Theme, size: (u32, u32)) -> Result<FigureView> {
    let (width, height) = sensible(size);
    let labels = (scatter.x_label.clone(), scatter.y_label.clone());
    view(name, Figure::from(scatter).with_size(width, height), how, labels, Vec::new())
}

/// Outcomes of runs by a setting: their numbers stand in the table beside.
pub(crate) fn outcomes(name: &str, outcomes: Outcomes, how: Theme, size: (u32, u32)) -> Result<FigureView> {
    let (width, height) = sensible(size);
    let labels = (outcomes.x_label.clone(), outcomes.y_label.clone());
    view(name, Figure::from(outcomes).with_size(width, height), how, labels, Vec::new())
}

/// A win rate, whose rows have no series to read off: each says its numbers itself.
pub(crate) fn win_rate(win_rate: WinRate, how: Theme) -> Result<FigureView> {
    let labels = ("win rate in %".to_owned(), String::new());
    view("win_rate", Figure::from(win_rate), how, labels, Vec::new())
}

fn view(
    name: &str,
    figure: Figure,
    how: Theme,
    (x_label, y_label): (String, String),
    series: Vec<(String, Vec<(f64, f64)>)>,
) -> Result<FigureView> {
    let figure = figure.with_theme(theme(how));
    let (width, height) = figure.size();
    let drawing = figure.drawing()?;
    let plot::AxisMapping { area, x, y } = drawing.axes;
    let series = series
        .into_iter()
        .map(|(name, points)| FigureSeries { name, points: plot::decimated(&points, MOST_POINTS) })
        .collect();
    Ok(FigureView {
        name: name.to_owned(),
        svg: drawing.svg,
        description: drawing.description,
        axes: Axes {
            width: f64::from(width),
            height: f64::from(height),
            left: area.left,
            top: area.top,
            right: area.right,
            bottom: area.bottom,
            x_min: x.0,
            x_max: x.1,
            y_min: y.0,
            y_max: y.1,
            x_label,
            y_label,
            series,
        },
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::float_cmp)]
mod tests {
    use super::*;

    #[test]
    fn the_read_out_has_few_finite_points_and_the_axes_of_the_drawing() {
        let points: Vec<(f64, f64)> =
            (0..10_000).map(|x| (f64::from(x), if x == 50 { f64::NAN } else { f64::from(x % 7) })).collect();
        let view = lines("loss", plot::loss(points, vec![(1.0, 2.0)]), Theme::Dark, (700, 90)).unwrap();
        assert_eq!(view.axes.series.len(), 2);
        let crossing = &view.axes.series[0].points;
        assert!(crossing.len() <= MOST_POINTS && crossing.len() > MOST_POINTS / 2);
        assert!(crossing.iter().all(|point| point.1.is_finite()));
        assert!((view.axes.width, view.axes.height) == (700.0, 180.0) && view.axes.x_max >= 9_999.0);
        assert!(view.axes.left < view.axes.right && view.axes.top < view.axes.bottom);
        assert!(view.svg.starts_with("<svg") && view.description.contains("Loss"));
    }
}
