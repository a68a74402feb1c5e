//! The table of a step by kind of work.

use kernels::profile::{Profile, Work};
use serde::{Deserialize, Serialize};

/// What products are held against, 10⁹ operations per second.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct PeakRates {
    /// Of arithmetic on registers.
    pub(super) arithmetic: f64,
    /// Of a large product.
    pub(super) product: f64,
    /// Threads that both were measured with.
    pub(super) threads: usize,
}

impl PeakRates {
    /// The share of arithmetic that these operations reach, by the time that all threads ran for them: what it would be if
    /// nothing else ran and no thread waited for another.
    pub(super) fn by_processor(self, operations: f64, processor_seconds: f64) -> f64 {
        operations / (processor_seconds / self.threads.max(1) as f64) * 1e-9 / self.arithmetic
    }
}

/// A kind of work in one step.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct WorkRow {
    /// The kind, in a word.
    pub work: String,
    pub seconds: f64,
    /// Of the step.
    pub share: f64,
    /// Products: 10⁹ multiplications and additions per second.
    pub gflops: Option<f64>,
    /// Products: that as a share of what the machine does on registers in the same type.
    pub of_arithmetic: Option<f64>,
    /// Products: that as a share of what a large product reaches on this machine in the same type.
    pub of_product: Option<f64>,
    /// Seconds that all threads of this process ran for it, where the system tells: other processes hardly move them.
    pub processor_seconds: Option<f64>,
    /// Of what they ran for the step.
    pub processor_share: Option<f64>,
    /// Products: the share of what the machine does on registers, by these seconds.
    pub of_arithmetic_by_processor: Option<f64>,
}

/// All products of a step together: with frozen weights, and of the adapter.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct ProductsRow {
    /// Of the step.
    pub share: f64,
    /// 10⁹ multiplications and additions per second.
    pub gflops: f64,
    /// That as a share of what the machine does on registers in the same type.
    pub of_arithmetic: Option<f64>,
    /// That as a share of what a large product reaches on this machine in the same type.
    pub of_product: Option<f64>,
    /// Of what all threads of this process ran for the step, where the system tells.
    pub processor_share: Option<f64>,
    /// The share of what the machine does on registers, by the time that they ran.
    pub of_arithmetic_by_processor: Option<f64>,
}

/// What one kind of work took.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Taken {
    pub(super) work: Work,
    pub(super) seconds: f64,
    /// What all threads ran; 0 where the system does not tell.
    pub(super) processor_seconds: f64,
    /// Multiplications and additions.
    pub(super) operations: f64,
}

/// All kinds of work of a step, in their order.
pub(super) fn taken(profile: &Profile) -> Vec<Taken> {
    let of = |work| Taken {
        work,
        seconds: profile.seconds(work),
        processor_seconds: profile.processor_seconds(work),
        operations: profile.operations(work),
    };
    Work::ALL.map(of).to_vec()
}

/// A row for each kind of work that took time.
pub(super) fn rows(taken: &[Taken], peak_rates: Option<PeakRates>) -> Vec<WorkRow> {
    let total = total(taken);
    let ran = processor_total(taken);
    let row = |it: &Taken| {
        let products = it.operations > 0.0;
        let gflops = products.then(|| it.operations / it.seconds * 1e-9);
        let of = |rate: fn(PeakRates) -> f64| Some(gflops? / rate(peak_rates?));
        WorkRow {
            work: it.work.name().to_owned(),
            seconds: it.seconds,
            share: it.seconds / total,
            gflops,
            of_arithmetic: of(|it| it.arithmetic),
            of_product: of(|it| it.product),
            processor_seconds: ran.map(|_| it.processor_seconds),
            processor_share: ran.map(|ran| it.processor_seconds / ran),
            of_arithmetic_by_processor: peak_rates
                .filter(|_| products && it.processor_seconds > 0.0)
                .map(|peak_rates| peak_rates.by_processor(it.operations, it.processor_seconds)),
        }
    };
    taken.iter().filter(|it| it.seconds > 0.0).map(row).collect()
}

/// Products with frozen weights and of the adapter together.
pub(super) fn products(taken: &[Taken], peak_rates: Option<PeakRates>) -> ProductsRow {
    let products: Vec<Taken> =
        taken.iter().filter(|it| matches!(it.work, Work::Frozen | Work::Adapter)).copied().collect();
    let (seconds, operations) = (total(&products), products.iter().map(|it| it.operations).sum::<f64>());
    let gflops = operations / seconds * 1e-9;
    let ran = processor_total(&products);
    ProductsRow {
        share: seconds / total(taken),
        gflops,
        of_arithmetic: peak_rates.map(|it| gflops / it.arithmetic),
        of_product: peak_rates.map(|it| gflops / it.product),
        processor_share: ran.zip(processor_total(taken)).map(|(ran, all)| ran / all),
        of_arithmetic_by_processor: ran
            .zip(peak_rates)
            .map(|(ran, peak_rates)| peak_rates.by_processor(operations, ran)),
    }
}

fn total(taken: &[Taken]) -> f64 {
    taken.iter().map(|it| it.seconds).sum::<f64>().max(f64::MIN_POSITIVE)
}

/// None where the system does not tell.
fn processor_total(taken: &[Taken]) -> Option<f64> {
    let ran = taken.iter().map(|it| it.processor_seconds).sum::<f64>();
    (ran > 0.0).then_some(ran)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn step() -> Vec<Taken> {
        [
            (Work::Frozen, 6.0, 9.0, 1800e9),
            (Work::Adapter, 2.0, 3.0, 120e9),
            (Work::Norm, 2.0, 3.0, 0.0),
            (Work::Rope, 0.0, 0.0, 0.0),
        ]
        .map(|(work, seconds, processor_seconds, operations)| Taken { work, seconds, processor_seconds, operations })
        .to_vec()
    }

    fn near(a: f64, b: f64) -> bool {
        (a - b).abs() < 1e-12
    }

    #[test]
    fn shares_are_of_the_step_and_rates_of_the_work_itself() {
        let rows = rows(&step(), Some(PeakRates { arithmetic: 400.0, product: 240.0, threads: 2 }));
        assert_eq!(rows.iter().map(|row| row.work.as_str()).collect::<Vec<_>>(), ["frozen", "adapter", "norm"]);
        let (frozen, norm) = (&rows[0], &rows[2]);
        assert!(near(frozen.share, 0.6) && near(frozen.gflops.unwrap(), 300.0));
        assert!(near(frozen.of_arithmetic.unwrap(), 0.75) && near(frozen.of_product.unwrap(), 1.25));
        assert!(near(norm.share, 0.2));
        // 1800e9 operations in 9 seconds of two threads: as 4.5 seconds of both.
        assert!(near(frozen.processor_share.unwrap(), 0.6) && near(frozen.of_arithmetic_by_processor.unwrap(), 1.0));
        assert!(near(norm.processor_seconds.unwrap(), 3.0) && norm.of_arithmetic_by_processor.is_none());
        assert_eq!((norm.gflops, norm.of_arithmetic, norm.of_product), (None, None, None));
    }

    #[test]
    fn products_together_are_frozen_and_adapter() {
        let found = products(&step(), Some(PeakRates { arithmetic: 400.0, product: 300.0, threads: 2 }));
        // 1920e9 operations in 8 of 10 seconds.
        assert!(near(found.share, 0.8) && near(found.gflops, 240.0));
        assert!(near(found.of_arithmetic.unwrap(), 0.6) && near(found.of_product.unwrap(), 0.8));
        assert!(near(found.processor_share.unwrap(), 0.8) && near(found.of_arithmetic_by_processor.unwrap(), 0.8));
        assert_eq!(products(&step(), None).of_arithmetic, None);
    }

    #[test]
    fn a_step_of_nothing_has_no_rows_and_numbers_that_are_numbers() {
        assert!(rows(&[], None).is_empty());
        let nothing = products(&[], None);
        assert!(nothing.share.is_finite() && near(nothing.gflops, 0.0));
        assert_eq!(nothing.processor_share, None);
    }
}
