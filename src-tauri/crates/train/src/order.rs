//! Which pairs each optimiser step sees.
//!
//! The order is a pure function of the settings and the step's number, so that a step's number is all a checkpoint needs
//! to find its place in the data. Steps follow Hugging Face's trainer: an epoch's last microbatch may be smaller, and its
//! last step may have fewer microbatches; nothing of an epoch runs into the next.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

/// How a run goes through its pairs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Order {
    /// Pairs of the training set.
    pub pairs: usize,
    /// Pairs per microbatch.
    pub batch_size: usize,
    /// Microbatches per step.
    pub accumulation: usize,
    /// Another order each epoch; otherwise the file's.
    pub shuffle: bool,
    /// Seed of the orders.
    pub seed: u64,
}

/// One optimiser step.
#[derive(Debug, Clone, PartialEq)]
pub struct StepPlan {
    /// Indices of pairs, by microbatch.
    pub microbatches: Vec<Vec<usize>>,
    /// Epochs done when the step is.
    pub epoch: f64,
}

impl Order {
    fn microbatches_per_epoch(&self) -> usize {
        self.pairs.div_ceil(self.batch_size)
    }

    /// Optimiser steps of one pass.
    pub fn steps_per_epoch(&self) -> u64 {
        self.microbatches_per_epoch().div_ceil(self.accumulation).max(1) as u64
    }

    /// Optimiser steps of the run: `max_steps` where positive, otherwise by epochs, rounded up.
    pub fn total_steps(&self, max_steps: i64, num_train_epochs: f64) -> u64 {
        match u64::try_from(max_steps) {
            Ok(steps) if steps > 0 => steps,
            _ => (num_train_epochs * self.steps_per_epoch() as f64).ceil() as u64,
        }
    }

    /// The pairs that the first `steps` steps see, in rising order.
    pub fn seen(&self, steps: u64) -> Vec<usize> {
        if steps >= self.steps_per_epoch() {
            return (0..self.pairs).collect();
        }
        let mut seen = self.epoch(0);
        seen.truncate(steps as usize * self.accumulation * self.batch_size);
        seen.sort_unstable();
        seen
    }

    /// The pairs of step `step`, counted from 1.
    pub fn step(&self, step: u64) -> StepPlan {
        let done = step.saturating_sub(1);
        let (epoch, place) = (done / self.steps_per_epoch(), (done % self.steps_per_epoch()) as usize);
        let order = self.epoch(epoch);
        let first = place * self.accumulation;
        let microbatches: Vec<Vec<usize>> =
            order.chunks(self.batch_size).skip(first).take(self.accumulation).map(<[usize]>::to_vec).collect();
        let seen = (first + microbatches.len()) as f64 / self.microbatches_per_epoch().max(1) as f64;
        StepPlan { microbatches, epoch: epoch as f64 + seen }
    }

    /// The order of all pairs in epoch `epoch`, counted from 0.
    pub fn epoch(&self, epoch: u64) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.pairs).collect();
        if self.shuffle {
            let mut generator = ChaCha8Rng::seed_from_u64(self.seed);
            // Stream 0 starts the adapter and draws dropout.
            generator.set_stream(epoch + 1);
            for i in (1..order.len()).rev() {
                order.swap(i, below(&mut generator, i as u64 + 1) as usize);
            }
        }
        order
    }
}

/// A uniform number below `bound`, without the bias of a plain remainder. Our own, because a library's may change
/// between its versions and with it the order of a resumed run.
fn below(generator: &mut ChaCha8Rng, bound: u64) -> u64 {
    let usable = u64::MAX - u64::MAX % bound;
    loop {
        let number = generator.next_u64();
        if number < usable {
            return number % bound;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn order(pairs: usize, batch_size: usize, accumulation: usize, shuffle: bool) -> Order {
        Order { pairs, batch_size, accumulation, shuffle, seed: 5 }
    }

    #[test]
    fn the_end_of_an_epoch_keeps_what_is_left() {
        let order = order(7, 2, 3, false);
        assert_eq!(order.steps_per_epoch(), 2);
        assert_eq!(order.step(1).microbatches, [[0, 1], [2, 3], [4, 5]]);
        assert_eq!(order.step(2), StepPlan { microbatches: vec![vec![6]], epoch: 1.0 });
        assert_eq!(order.step(3), StepPlan { epoch: 1.75, ..order.step(1) });
    }

    #[test]
    fn steps_are_counted_as_by_hugging_face() {
        let order = order(10, 4, 2, false);
        assert_eq!(order.total_steps(-1, 3.0), 6);
        assert_eq!(order.total_steps(-1, 1.2), 3);
        assert_eq!(order.total_steps(5, 3.0), 5);
    }

    /// Pinned, because a resumed run must meet the same order whatever was updated in between.
    #[test]
    fn the_shuffled_order_never_changes() {
        assert_eq!(order(8, 1, 1, true).epoch(0), [1, 5, 6, 2, 4, 3, 0, 7]);
        assert_ne!(order(8, 1, 1, true).epoch(0), order(8, 1, 1, true).epoch(1));
        assert_ne!(order(8, 1, 1, true).epoch(0), Order { seed: 6, ..order(8, 1, 1, true) }.epoch(0));
    }

    proptest! {
        #[test]
        fn the_pairs_of_the_first_steps_are_those_that_these_see(
            pairs in 1..40usize, batch_size in 1..9usize, accumulation in 1..5usize, shuffle: bool, steps in 0..20u64,
        ) {
            let order = order(pairs, batch_size, accumulation, shuffle);
            let met: std::collections::BTreeSet<usize> =
                (1..=steps).flat_map(|step| order.step(step).microbatches.into_iter().flatten()).collect();
            prop_assert_eq!(order.seen(steps), met.into_iter().collect::<Vec<_>>());
        }

        #[test]
        fn every_pair_comes_once_an_epoch(
            pairs in 1..40usize, batch_size in 1..9usize, accumulation in 1..5usize, shuffle: bool, epoch in 0..3u64,
        ) {
            let order = order(pairs, batch_size, accumulation, shuffle);
            let steps = order.steps_per_epoch();
            let mut seen = Vec::new();
            for step in epoch * steps + 1..=(epoch + 1) * steps {
                let plan = order.step(step);
                prop_assert!(!plan.microbatches.is_empty() && plan.microbatches.iter().all(|m| !m.is_empty()));
                seen.extend(plan.microbatches.into_iter().flatten());
            }
            seen.sort_unstable();
            prop_assert_eq!(seen, (0..pairs).collect::<Vec<_>>());
        }
    }
}
