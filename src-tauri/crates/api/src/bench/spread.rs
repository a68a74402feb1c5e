//! A measured number with its spread.

use serde::{Deserialize, Serialize};

/// Quartiles.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Spread {
    /// A quarter of the values are lower.
    pub low: f64,
    /// The median.
    pub middle: f64,
    /// A quarter of the values are higher.
    pub high: f64,
}

impl Spread {
    /// Of these values, at least one; between two of them by their distance.
    pub(super) fn of(values: &[f64]) -> Self {
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        let at = |share: f64| {
            let place = share * (sorted.len().max(1) - 1) as f64;
            let (below, above) = (place.floor() as usize, place.ceil() as usize);
            let value = |place: usize| sorted.get(place).copied().unwrap_or(f64::NAN);
            value(below) + (value(above) - value(below)) * place.fract()
        };
        Self { low: at(0.25), middle: at(0.5), high: at(0.75) }
    }

    /// Of `amount` divided by each value: what is much then is little.
    pub(super) fn over(self, amount: f64) -> Self {
        Self { low: amount / self.high, middle: amount / self.middle, high: amount / self.low }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quartiles_lie_between_the_values() {
        assert_eq!(Spread::of(&[3.0]), Spread { low: 3.0, middle: 3.0, high: 3.0 });
        assert_eq!(Spread::of(&[4.0, 1.0, 2.0, 3.0, 5.0]), Spread { low: 2.0, middle: 3.0, high: 4.0 });
        assert_eq!(Spread::of(&[1.0, 2.0]), Spread { low: 1.25, middle: 1.5, high: 1.75 });
    }

    #[test]
    fn a_rate_is_high_where_the_time_is_low() {
        let rate = Spread { low: 1.0, middle: 2.0, high: 4.0 }.over(8.0);
        assert_eq!(rate, Spread { low: 2.0, middle: 4.0, high: 8.0 });
    }
}
