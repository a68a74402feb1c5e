//! Whether the optimisation itself goes on as it should: finite numbers, gradients, memory.

use super::{Finding, Seen, Severity, median, rate, remedy};
use crate::window::types::Remedy;
use numbers::{figure, size};
use serde_json::Value;
use train::Settings;
use train::settings::Checkpointing;

/// The loss or a gradient is no number any more; the trainer stops at the first, so one is enough.
pub(super) fn loss_not_finite(seen: &Seen) -> Option<Finding> {
    let (_, message) = seen.failed.filter(|(code, _)| matches!(*code, "non_finite_loss" | "non_finite_gradient"))?;
    let settings = &seen.settings;
    let mut change = vec![("learning_rate", rate(settings.learning_rate / 5.0))];
    if settings.max_grad_norm == 0.0 {
        change.push(("max_grad_norm", Value::from(1.0)));
    }
    Some(Finding {
        code: "loss_not_finite".into(),
        severity: Severity::Stop,
        title: "The loss is no number".into(),
        sentence: format!(
            "Training ended: {message}. Nearly always the learning rate ({}) is too high for this model and data.",
            Value::from(settings.learning_rate)
        ),
        figure: Some("grad_norm".into()),
        remedy: remedy("Lower the learning rate to a fifth", change),
    })
}

/// Steps that are compared at either end: enough that one odd batch does not count.
const NORM_WINDOW: usize = 10;
/// Norms differ between batches by two or three times; ten times as large is another state of the model.
const EXPLODING: f64 = 10.0;

/// The norm of the gradient is many times what it was in the beginning, and beyond what clipping leaves alone.
pub(super) fn grad_norm_exploding(seen: &Seen) -> Option<Finding> {
    if seen.steps.len() < 3 * NORM_WINDOW {
        return None;
    }
    let norm = |steps: &[&train::events::StepMetrics]| median(steps.iter().map(|step| step.grad_norm).collect());
    let first = norm(&seen.steps[..NORM_WINDOW])?;
    let last = norm(&seen.steps[seen.steps.len() - NORM_WINDOW..])?;
    let settings = &seen.settings;
    if last < EXPLODING * first || last <= settings.max_grad_norm {
        return None;
    }
    let mut change = vec![("learning_rate", rate(settings.learning_rate / 2.0))];
    if settings.max_grad_norm == 0.0 {
        change.push(("max_grad_norm", Value::from(1.0)));
    }
    Some(Finding {
        code: "grad_norm_exploding".into(),
        severity: Severity::Warning,
        title: "Gradients grow".into(),
        sentence: format!(
            "The norm of the gradient was {} in the first steps and is {} now, {} times as much. The model is being pushed \
             about rather than taught.",
            figure(first),
            figure(last),
            figure(last / first.max(1e-12))
        ),
        figure: Some("grad_norm".into()),
        remedy: remedy("Halve the learning rate", change),
    })
}

/// The mildest change by which the same run takes less memory.
fn less_memory(settings: &Settings) -> Option<Remedy> {
    if settings.gradient_checkpointing != Checkpointing::On {
        return remedy("Compute layers again", vec![("gradient_checkpointing", Value::from(true))]);
    }
    if settings.per_device_train_batch_size > 1 {
        let half = settings.per_device_train_batch_size / 2;
        let accumulation = (settings.per_device_train_batch_size * settings.gradient_accumulation_steps).div_ceil(half);
        let change = vec![
            ("per_device_train_batch_size", Value::from(half)),
            ("gradient_accumulation_steps", Value::from(accumulation)),
        ];
        return remedy("Smaller microbatches", change);
    }
    if settings.max_length > 128 {
        return remedy("Shorter pairs", vec![("max_length", Value::from(settings.max_length / 2))]);
    }
    None
}

/// Below this share of free memory the next longer batch may be the one that does not fit.
const LITTLE_LEFT: f64 = 0.1;

/// The process has nearly all memory there is.
pub(super) fn memory_near_limit(seen: &Seen) -> Option<Finding> {
    let left = seen.memory_left?;
    let peak = seen.steps.last()?.peak_memory_bytes?;
    let all = peak.saturating_add(left);
    if left as f64 >= LITTLE_LEFT * all as f64 {
        return None;
    }
    Some(Finding {
        code: "memory_near_limit".into(),
        severity: Severity::Warning,
        title: "Memory is nearly full".into(),
        sentence: format!(
            "Training has taken up to {} and {} are free. A batch of longer pairs may end the run; its last \
             checkpoint would stay.",
            size(peak),
            size(left)
        ),
        figure: None,
        remedy: less_memory(seen.settings),
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::log::RunLog;
    use train::settings::Checkpointing;

    #[test]
    fn a_run_that_ended_without_a_number_says_so_and_another_failure_does_not() {
        let findings = RunLog::not_finite().findings();
        assert_eq!(findings[0].code, "loss_not_finite");
        assert!(findings[0].sentence.contains("step 12"), "{}", findings[0].sentence);
        let other = RunLog { failed: Some(("write", "the disk is full")), ..RunLog::healthy(12) };
        assert!(!other.codes().contains(&"loss_not_finite".to_owned()));
    }

    #[test]
    fn gradients_that_grow_tenfold_are_seen_and_ones_that_wander_are_not() {
        assert_eq!(RunLog::exploding().codes(), ["grad_norm_exploding"]);
        let wandering = RunLog { grad_norm: |at| 1.0 + 2.0 * at, ..RunLog::healthy(60) };
        assert!(wandering.codes().is_empty(), "{:?}", wandering.codes());
        let clipped = RunLog { grad_norm: |at| 0.01 + 0.5 * at, ..RunLog::healthy(60) };
        assert!(clipped.codes().is_empty(), "below max_grad_norm nothing is lost");
    }

    #[test]
    fn memory_is_told_of_only_while_the_run_goes_on_and_little_is_left() {
        let log = RunLog::full();
        let found = log.findings();
        assert_eq!(found[0].code, "memory_near_limit");
        assert!(found[0].sentence.contains("4.3 GB"), "{}", found[0].sentence);
        assert!(RunLog { memory_left: Some(8 << 30), ..RunLog::full() }.codes().is_empty());
        assert!(RunLog { memory_left: None, ..RunLog::full() }.codes().is_empty());
    }

    #[test]
    fn the_mildest_change_that_takes_less_memory_is_offered() {
        let offered = |change: fn(&mut train::RunConfig)| {
            let mut log = RunLog::full();
            log.config.settings.gradient_checkpointing = Checkpointing::On;
            change(&mut log.config);
            log.findings().remove(0).remedy.map(|remedy| remedy.settings)
        };
        let again = offered(|config| config.settings.gradient_checkpointing = Checkpointing::Off).unwrap();
        assert_eq!(again["gradient_checkpointing"], true);
        let smaller = offered(|config| config.settings.per_device_train_batch_size = 5).unwrap();
        assert_eq!(
            (&smaller["per_device_train_batch_size"], &smaller["gradient_accumulation_steps"]),
            (&2.into(), &3.into())
        );
        let shorter =
            offered(|config| (config.settings.per_device_train_batch_size, config.settings.max_length) = (1, 512))
                .unwrap();
        assert_eq!(shorter["max_length"], 256);
        assert_eq!(
            offered(|config| (config.settings.per_device_train_batch_size, config.settings.max_length) = (1, 64)),
            None
        );
    }
}
