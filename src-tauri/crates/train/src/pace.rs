//! How long a run will still take, by what its steps, its looks at the held-out pairs and its sample answers took so far.

use std::collections::VecDeque;

/// The pace of the steps is the mean of this many.
const STEPS: usize = 20;

/// A backward costs two forwards: a step takes so many times as long as scoring its pairs.
const FORWARDS_PER_STEP: f64 = 3.0;

/// What took how long.
#[derive(Debug, Default)]
pub(crate) struct Pace {
    /// Seconds of the last steps.
    steps: VecDeque<f64>,
    /// Seconds of the last look at the held-out pairs.
    evaluation: Option<f64>,
    /// Seconds of the last sample answers; none where there are none.
    samples: Option<f64>,
}

impl Pace {
    pub(crate) fn add_step(&mut self, seconds: f64) {
        if self.steps.len() == STEPS {
            self.steps.pop_front();
        }
        self.steps.push_back(seconds);
    }

    pub(crate) fn set_evaluation(&mut self, seconds: f64) {
        self.evaluation = Some(seconds);
    }

    pub(crate) fn set_samples(&mut self, seconds: f64) {
        self.samples = Some(seconds);
    }

    fn step(&self) -> f64 {
        self.steps.iter().sum::<f64>() / self.steps.len().max(1) as f64
    }

    /// Seconds for so many more steps and looks. Until the held-out pairs were looked at for the first time, what that takes
    /// follows from the steps: a look is at so many times the pairs of a step.
    pub(crate) fn left(&self, steps: u64, looks: u64, held_out_steps: f64) -> f64 {
        let evaluation = self.evaluation.unwrap_or(self.step() * held_out_steps / FORWARDS_PER_STEP);
        self.step() * steps as f64 + (evaluation + self.samples.unwrap_or(0.0)) * looks as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looks_at_the_held_out_pairs_and_sample_answers_count_too() {
        let mut pace = Pace::default();
        pace.add_step(1.0);
        pace.add_step(2.0);
        let near = |found: f64, seconds: f64| assert!((found - seconds).abs() < 1e-9, "{found} is not {seconds}");
        near(pace.left(4, 0, 0.0), 6.0);
        // Twice the pairs of a step, scored and not trained on.
        near(pace.left(4, 3, 2.0), 6.0 + 3.0);
        pace.set_samples(5.0);
        pace.set_evaluation(7.0);
        near(pace.left(4, 3, 2.0), 6.0 + 3.0 * 12.0);
        for _ in 0..STEPS {
            pace.add_step(1.0);
        }
        near(pace.left(4, 0, 2.0), 4.0);
    }
}
