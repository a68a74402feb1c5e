//! Axes: what range to show, where to put ticks, how to write them, and the mapping between pixels and data.

/// A rectangle in figure pixels; y grows downwards.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Area {
    /// Left edge.
    pub left: f64,
    /// Top edge.
    pub top: f64,
    /// Right edge.
    pub right: f64,
    /// Bottom edge.
    pub bottom: f64,
}

/// How data maps to figure pixels, for a read-out under the cursor.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AxisMapping {
    /// Where the data is drawn, in figure pixels.
    pub area: Area,
    /// Data range from the left to the right edge.
    pub x: (f64, f64),
    /// Data range from the bottom to the top edge.
    pub y: (f64, f64),
}

impl AxisMapping {
    /// Where a data point lies, in figure pixels.
    pub fn to_pixel(&self, x: f64, y: f64) -> (f64, f64) {
        let Area { left, top, right, bottom } = self.area;
        let across = (x - self.x.0) / (self.x.1 - self.x.0);
        let up = (y - self.y.0) / (self.y.1 - self.y.0);
        (left + across * (right - left), bottom - up * (bottom - top))
    }

    /// Which data point lies at a place in figure pixels; the inverse of [`AxisMapping::to_pixel`].
    pub fn to_data(&self, pixel_x: f64, pixel_y: f64) -> (f64, f64) {
        let Area { left, top, right, bottom } = self.area;
        let across = (pixel_x - left) / (right - left);
        let up = (bottom - pixel_y) / (bottom - top);
        (self.x.0 + across * (self.x.1 - self.x.0), self.y.0 + up * (self.y.1 - self.y.0))
    }
}

/// Values beyond this are not drawn: differences of them overflow.
const LARGEST: f64 = 1e300;

/// Whether a value can be drawn. NaN, infinities and values near the end of f64 cannot; they leave a gap.
pub(crate) fn drawable(value: f64) -> bool {
    value.abs() <= LARGEST
}

/// Lowest and highest drawable value, `None` when there is none.
pub(crate) fn extent(values: impl IntoIterator<Item = f64>) -> Option<(f64, f64)> {
    values.into_iter().filter(|value| drawable(*value)).fold(None, |range, value| match range {
        None => Some((value, value)),
        Some((low, high)) => Some((value.min(low), value.max(high))),
    })
}

/// A range of some width: a single value (or values equal up to rounding) is given room on both sides.
pub(crate) fn widened((low, high): (f64, f64)) -> (f64, f64) {
    let size = low.abs().max(high.abs());
    if high - low > size * 1e-9 {
        (low, high)
    } else if size == 0.0 {
        (-1.0, 1.0)
    } else {
        (low - size * 0.1, high + size * 0.1)
    }
}

/// Ticks at round numbers.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Ticks {
    pub(crate) step: f64,
    pub(crate) values: Vec<f64>,
}

/// The round step (1, 2 or 5 times a power of ten) that puts at most `wanted` steps into a range.
fn step((low, high): (f64, f64), wanted: usize) -> f64 {
    let rough = (high - low) / wanted.max(1) as f64;
    let magnitude = 10f64.powf(rough.log10().floor());
    let factor = match rough / magnitude {
        // Slack, since neither the range nor the power of ten need be exact.
        ratio if ratio <= 1.0 + 1e-9 => 1.0,
        ratio if ratio <= 2.0 + 1e-9 => 2.0,
        ratio if ratio <= 5.0 + 1e-9 => 5.0,
        _ => 10.0,
    };
    factor * magnitude
}

/// Multiples of `step` inside `range`.
fn ticks_at((low, high): (f64, f64), step: f64) -> Ticks {
    let first = (low / step - 1e-6).ceil();
    let last = (high / step + 1e-6).floor();
    let count = (last - first).clamp(-1.0, 200.0) as i64;
    // Adding 0.0 turns a negative zero into a plain one.
    let values = (0..=count).map(|index| (first + index as f64) * step + 0.0).collect();
    Ticks { step, values }
}

/// About `wanted` ticks inside `range` at round numbers. With `whole`, the step is at least 1 (for counts such as
/// training steps).
pub(crate) fn ticks(range: (f64, f64), wanted: usize, whole: bool) -> Ticks {
    let step = step(range, wanted);
    ticks_at(range, if whole { step.max(1.0) } else { step })
}

/// `range` moved outwards to end at ticks, and those ticks.
pub(crate) fn rounded_out(range: (f64, f64), wanted: usize) -> ((f64, f64), Ticks) {
    let step = step(range, wanted);
    let range = ((range.0 / step + 1e-6).floor() * step, (range.1 / step - 1e-6).ceil() * step);
    (range, ticks_at(range, step))
}

/// Writes a tick: as many decimals as the step needs, powers of ten where plain digits would be long, a real minus sign.
pub(crate) fn tick_label(value: f64, ticks: &Ticks) -> String {
    let largest = ticks.values.iter().fold(0.0_f64, |largest, value| largest.max(value.abs()));
    let exponent = ticks.step.log10().floor() as i32;
    let text = if value == 0.0 {
        "0".to_owned()
    } else if !(1e-3..1e6).contains(&largest) {
        // Enough digits that neighbours differ: from the leading digit of the value to the digit of the step.
        let digits = (value.abs().log10().floor() as i32 - exponent).clamp(0, 12) as usize;
        format!("{value:.digits$e}")
    } else {
        let decimals = (-exponent).clamp(0, 12) as usize;
        format!("{value:.decimals$}")
    };
    text.replace('-', "\u{2212}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn labels(range: (f64, f64), wanted: usize, whole: bool) -> Vec<String> {
        let ticks = ticks(range, wanted, whole);
        ticks.values.iter().map(|value| tick_label(*value, &ticks)).collect()
    }

    #[test]
    fn ticks_are_round_numbers() {
        assert_eq!(
            labels((0.0, 1.0), 5, false),
            ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"].map(|s| s.replace("0.0", "0"))
        );
        assert_eq!(labels((-0.3, 0.25), 5, false), ["−0.2", "0", "0.2"]);
        assert_eq!(labels((1.0, 3.0), 8, true), ["1", "2", "3"]);
        assert_eq!(labels((0.0, 5e-6), 5, false), ["0", "1e−6", "2e−6", "3e−6", "4e−6", "5e−6"]);
        assert_eq!(labels((0.0, 2.5e-5), 5, false), ["0", "5e−6", "1.0e−5", "1.5e−5", "2.0e−5", "2.5e−5"]);
        assert_eq!(labels((0.0, 4e7), 4, false), ["0", "1e7", "2e7", "3e7", "4e7"]);
        assert_eq!(labels((0.0, 1200.0), 6, true), ["0", "200", "400", "600", "800", "1000", "1200"]);
    }

    #[test]
    fn a_single_value_gets_room() {
        assert_eq!(widened((0.0, 0.0)), (-1.0, 1.0));
        assert_eq!(widened((2.0, 2.0)), (1.8, 2.2));
        assert_eq!(widened((-1.0, 3.0)), (-1.0, 3.0));
        let (range, ticks) = rounded_out((-6.7, 2.3), 5);
        assert_eq!(range, (-8.0, 4.0));
        assert_eq!(ticks.values, [-8.0, -6.0, -4.0, -2.0, 0.0, 2.0, 4.0]);
    }

    #[test]
    fn extent_skips_what_cannot_be_drawn() {
        assert_eq!(extent([f64::NAN, 2.0, f64::INFINITY, -1.0, 1e301]), Some((-1.0, 2.0)));
        assert_eq!(extent([f64::NAN]), None);
    }

    proptest! {
        #[test]
        fn pixels_and_data_map_both_ways(x in -1e6..1e6f64, y in -1e6..1e6f64) {
            let mapping = AxisMapping {
                area: Area { left: 50.0, top: 40.0, right: 620.0, bottom: 320.0 },
                x: (-10.0, 90.0),
                y: (-0.5, 2.5),
            };
            let (px, py) = mapping.to_pixel(x, y);
            let (back_x, back_y) = mapping.to_data(px, py);
            prop_assert!((back_x - x).abs() <= 1e-6 * x.abs().max(1.0));
            prop_assert!((back_y - y).abs() <= 1e-6 * y.abs().max(1.0));
        }

        #[test]
        fn any_range_gets_few_distinct_ticks_inside_it(a in -1e300..1e300f64, exponent in -300..300i32, whole: bool) {
            let low = a * 10f64.powi(exponent.min(0));
            let range = widened((low, low + 10f64.powi(exponent)));
            let ticks = ticks(range, 5, whole);
            prop_assert!(ticks.values.len() <= 12, "{ticks:?}");
            let slack = ticks.step * 1e-3;
            prop_assert!(ticks.values.iter().all(|v| *v >= range.0 - slack && *v <= range.1 + slack));
        }
    }
}
