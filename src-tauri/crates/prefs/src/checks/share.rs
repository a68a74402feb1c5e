//! Rates and means with their intervals.

use serde::{Deserialize, Serialize};

/// Of the normal distribution, for 95 %.
const Z: f64 = 1.959_963_984_540_054;

/// A count out of a total, with its 95 % interval.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Share {
    /// How many.
    pub count: usize,
    /// Out of how many.
    pub of: usize,
    /// `count / of`, 0 to 1; 0.5 where nothing was counted.
    pub share: f64,
    /// Wilson's 95 % interval, low and high (E. B. Wilson 1927, JASA 22: 209–212).
    pub interval: [f64; 2],
}

impl Share {
    /// `count` out of `of`.
    pub fn new(count: usize, of: usize) -> Self {
        if of == 0 {
            return Self { count, of, share: 0.5, interval: [0.0, 1.0] };
        }
        let n = of as f64;
        let share = count as f64 / n;
        let scale = 1.0 + Z * Z / n;
        let middle = (share + Z * Z / (2.0 * n)) / scale;
        let half = Z * (share * (1.0 - share) / n + Z * Z / (4.0 * n * n)).sqrt() / scale;
        Self { count, of, share, interval: [(middle - half).max(0.0), (middle + half).min(1.0)] }
    }
}

/// A mean with its 95 % interval, by the normal distribution.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Mean {
    /// 0 where nothing was counted.
    pub mean: f64,
    /// Low and high; both the mean where there are less than two values.
    pub interval: [f64; 2],
}

/// Values as they come, with their mean and squares so far (B. P. Welford 1962, Technometrics 4: 419–420).
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Sums {
    count: usize,
    mean: f64,
    squares: f64,
}

impl Sums {
    pub(super) fn add(&mut self, value: f64) {
        self.count += 1;
        let from_before = value - self.mean;
        self.mean += from_before / self.count as f64;
        self.squares += from_before * (value - self.mean);
    }

    pub(super) fn mean(self) -> Mean {
        let n = self.count as f64;
        let half = if self.count > 1 { Z * (self.squares / (n - 1.0) / n).sqrt() } else { 0.0 };
        Mean { mean: self.mean, interval: [self.mean - half, self.mean + half] }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 81 of 263: the example of Newcombe 1998 (Statistics in Medicine 17: 857–872), table I: 0.2553 to 0.3662.
    #[test]
    fn wilson_interval_as_published() {
        let [low, high] = Share::new(81, 263).interval;
        assert!((low - 0.2553).abs() < 5e-5 && (high - 0.3662).abs() < 5e-5, "{low} {high}");
        let [low, high] = Share::new(0, 0).interval;
        assert!(low <= 0.0 && high >= 1.0, "nothing counted, nothing known");
    }

    /// 1, 2, 3, 4: mean 2.5, standard deviation 1.29099, standard error 0.645497.
    #[test]
    fn a_mean_with_its_interval() {
        let mut sums = Sums::default();
        for value in [1.0, 2.0, 3.0, 4.0] {
            sums.add(value);
        }
        let Mean { mean, interval: [low, high] } = sums.mean();
        assert!((mean - 2.5).abs() < 1e-12);
        assert!((low - (2.5 - Z * 0.645_497)).abs() < 1e-5 && (high - (2.5 + Z * 0.645_497)).abs() < 1e-5);
        assert_eq!(Sums::default().mean(), Mean { mean: 0.0, interval: [0.0, 0.0] });
    }
}
