//! Whether the rewards say that the right thing is being learned.

use super::{Finding, Seen, Severity, fewer_epochs, mean, rate, remedy};
use eval::statistics::{Interval, wilson};
use numbers::{figure, signed, tenths};
use serde_json::json;
use train::events::StepMetrics;
use train::losses::LossType;

/// DPO's margins rise within the first third of a run that learns anything: later, the schedule lowers the rate.
const FIRST_THIRD: f64 = 1.0 / 3.0;
/// Step events below which noise and rise cannot be told apart.
const ENOUGH_STEPS: usize = 12;
/// A difference of two means is beyond noise above so many standard errors.
const BEYOND_NOISE: f64 = 2.0;
/// A margin below this (nats times beta) is none, however exactly it is measured: a sigmoid of it is 0.5025.
const NO_MARGIN: f64 = 0.01;

/// Margins have not risen over the first third: the model learns nothing.
pub(super) fn margins_flat(seen: &Seen) -> Option<Finding> {
    let first = seen.first_share(FIRST_THIRD).filter(|steps| steps.len() >= ENOUGH_STEPS)?;
    let margins: Vec<f64> = first.iter().map(|step| step.rewards.margins).collect();
    let (early, late) = margins.split_at(margins.len() / 2);
    let ((before, before_error), (after, after_error)) = (mean(early)?, mean(late)?);
    let rises = after - before > BEYOND_NOISE * before_error.hypot(after_error);
    let stands = after > (BEYOND_NOISE * after_error).max(NO_MARGIN);
    if rises || stands {
        return None;
    }
    // What is flat in the beginning may rise later; then it is no news.
    let recent = &seen.steps[seen.steps.len().saturating_sub(first.len() / 2)..];
    let recent: Vec<f64> = recent.iter().map(|step| step.rewards.margins).collect();
    let (now, now_error) = mean(&recent)?;
    if now > (BEYOND_NOISE * now_error).max(NO_MARGIN) {
        return None;
    }
    Some(Finding {
        code: "margins_flat".into(),
        severity: Severity::Warning,
        title: "The margins do not rise".into(),
        sentence: format!(
            "A third of the run is over, and the mean margin is {} (± {}): the model does not learn to tell \
             chosen from rejected. The learning rate may be too low, or the labels may contradict each other.",
            figure(now),
            figure(BEYOND_NOISE * now_error)
        ),
        figure: Some("margins".into()),
        remedy: remedy("Three times the learning rate", [("learning_rate", rate(3.0 * seen.settings.learning_rate))]),
    })
}

/// A step event or two say nothing of a trend.
const TREND_STEPS: usize = 20;
/// The chosen answers have become e times less likely as a whole: what the pairs praise is being unlearned.
const DISPLACED_NATS: f64 = 1.0;

/// Chosen *and* rejected rewards fall together: likelihood displacement (arXiv 2410.08847). The margin grows all the
/// same, so that loss and accuracy look well.
pub(super) fn likelihood_displacement(seen: &Seen) -> Option<Finding> {
    if seen.steps.len() < TREND_STEPS {
        return None;
    }
    let part = seen.steps.len() / 4;
    let (first, last) = (&seen.steps[..part], &seen.steps[seen.steps.len() - part..]);
    let of = |steps: &[&StepMetrics], reward: fn(&StepMetrics) -> f64| {
        mean(&steps.iter().map(|step| reward(step)).collect::<Vec<_>>())
    };
    let falls = |reward: fn(&StepMetrics) -> f64| {
        let ((before, before_error), (after, after_error)) = (of(first, reward)?, of(last, reward)?);
        (before - after > BEYOND_NOISE * before_error.hypot(after_error)).then_some(after)
    };
    let chosen = falls(|step| step.rewards.chosen)?;
    let rejected = falls(|step| step.rewards.rejected)?;
    let settings = &seen.settings;
    let nats = -chosen / settings.beta;
    if nats < DISPLACED_NATS {
        return None;
    }
    let (label, change) = if settings.loss_type.contains(&LossType::Sft) {
        ("Halve the learning rate", vec![("learning_rate", rate(settings.learning_rate / 2.0))])
    } else {
        let names: Vec<&str> = settings.loss_type.iter().map(|loss| loss.name()).chain(["sft"]).collect();
        let mut weights = settings.loss_weights.clone().unwrap_or_else(|| vec![1.0; settings.loss_type.len()]);
        weights.push(1.0);
        ("Add an sft term", vec![("loss_type", json!(names)), ("loss_weights", json!(weights))])
    };
    Some(Finding {
        code: "likelihood_displacement".into(),
        severity: Severity::Warning,
        title: "Chosen and rejected fall together".into(),
        sentence: format!(
            "The reward of the chosen answers is {} and still falls, as does that of the rejected ones ({}): the model \
             finds the answers you chose {} nats less likely than before, and may put something else in their place. An sft \
             term holds them up; a lower learning rate does less harm.",
            signed(chosen),
            signed(rejected),
            tenths(nats)
        ),
        figure: Some("rewards".into()),
        remedy: remedy(label, change),
    })
}

/// Real preferences are noisy: ranking every pair as labelled so early means that they were known or are trivial.
const EARLY: f64 = 0.1;
/// Step events in a row at 100 %: one batch of a few pairs is there by chance.
const STREAK: usize = 5;
/// The same for pairs.
const STREAK_PAIRS: u64 = 20;
/// Held-out accuracy from which the held-out pairs are as easy, or are no strangers.
const AS_EASY: f64 = 0.98;

/// Accuracy is at 100 % within the first tenth: memorised, trivial, or the split leaks.
pub(super) fn memorised(seen: &Seen) -> Option<Finding> {
    let first = seen.first_share(EARLY)?;
    let perfect = |steps: &&[&StepMetrics]| {
        steps.iter().all(|step| step.rewards.accuracies >= 1.0)
            && steps.iter().map(|step| step.pairs).sum::<u64>() >= STREAK_PAIRS
    };
    let streak = first.windows(STREAK).find(perfect)?;
    let from = streak.first()?.step;
    let held_out = seen.evals.last().map(|eval| (eval.accuracies, wilson(eval.accuracies, eval.pairs as usize)));
    let rate = |accuracy: f64, interval: Interval| numbers::share(accuracy, interval.into());
    let beside = match held_out {
        Some((accuracy, interval)) if accuracy >= AS_EASY => format!(
            " Of the held-out pairs it is {} too: either chosen and rejected differ in something trivial, such as their \
             length, or the held-out pairs resemble those trained on.",
            rate(accuracy, interval)
        ),
        // Fewer pairs than all were ranked right here, too few to tell a difference.
        Some((accuracy, interval)) if interval.high >= AS_EASY => format!(
            " Of the held-out pairs it is {}: too few to tell whether what is learned is more than these pairs.",
            rate(accuracy, interval)
        ),
        Some((accuracy, interval)) => {
            format!(" Of the held-out pairs it is {}: what is learned is these pairs.", rate(accuracy, interval))
        }
        None if seen.held_out => " The held-out pairs have not been looked at yet.".to_owned(),
        None => " There are no held-out pairs that would tell whether it is more than these pairs.".to_owned(),
    };
    Some(Finding {
        code: "memorised".into(),
        severity: Severity::Warning,
        title: "Every pair is ranked right almost at once".into(),
        sentence: format!(
            "From step {from} of {} on, all pairs were ranked as labelled by reward.{beside} More passes only make it surer of \
             itself; check the split and the pairs.",
            seen.total_steps
        ),
        figure: Some("accuracy".into()),
        remedy: remedy("Half as many passes", fewer_epochs(seen.settings)),
    })
}

#[cfg(test)]
mod tests {
    use super::super::log::RunLog;

    #[test]
    fn margins_that_stay_at_nothing_are_seen_after_a_third_and_slow_ones_are_not() {
        assert_eq!(RunLog::flat(60).codes(), ["margins_flat"]);
        assert!(RunLog { total_steps: 300, ..RunLog::flat(60) }.codes().is_empty(), "it is too early to say");
        let slow = RunLog { margin: |at| 0.15 * at, ..RunLog::healthy(60) };
        assert!(slow.codes().is_empty(), "{:?}", slow.codes());
        let late = RunLog { margin: |at| if at < 0.4 { 0.0 } else { 2.0 * at }, ..RunLog::healthy(100) };
        assert!(late.codes().is_empty(), "{:?}", late.codes());
    }

    #[test]
    fn rewards_that_fall_together_are_seen_with_a_remedy_that_the_run_has_not_yet() {
        let log = RunLog::displaced();
        let found = log.findings();
        assert_eq!(log.codes(), ["likelihood_displacement"]);
        let settings = &found[0].remedy.as_ref().map(|remedy| remedy.settings.clone()).unwrap_or_default();
        assert_eq!(settings["loss_type"], serde_json::json!(["sigmoid", "sft"]));
        assert_eq!(settings["loss_weights"], serde_json::json!([1.0, 1.0]));
        let mut with_sft = RunLog::displaced();
        with_sft.config.settings.loss_type.push(train::losses::LossType::Sft);
        let remedy = with_sft.findings()[0].remedy.clone();
        assert!(remedy.is_some_and(|remedy| remedy.settings.contains_key("learning_rate")));
        // The rejected ones alone may fall: that is what DPO does.
        let usual = RunLog { chosen: |at| 0.2 * at, ..RunLog::displaced() };
        assert!(usual.codes().is_empty(), "{:?}", usual.codes());
    }

    #[test]
    fn pairs_known_by_heart_at_once_are_seen_and_a_lucky_batch_is_not() {
        let log = RunLog::known_by_heart();
        assert_eq!(log.codes(), ["memorised"]);
        let sentence = |log: &RunLog| log.findings()[0].sentence.clone();
        assert!(sentence(&log).contains("From step 1 of 100"), "{}", sentence(&log));
        assert!(
            sentence(&log)
                .contains("Of the held-out pairs it is 90.0 % (95 % interval 69.9 to 97.2 %): what is learned"),
            "{}",
            sentence(&log)
        );
        let mut at_first = RunLog { steps: 20, ..RunLog::known_by_heart() };
        assert!(sentence(&at_first).contains("There are no held-out pairs"), "{}", sentence(&at_first));
        at_first.config.data.eval = Some("held_out.jsonl".into());
        assert!(sentence(&at_first).contains("have not been looked at yet"), "{}", sentence(&at_first));
        let lucky = RunLog { accuracy: |at| if at < 0.03 { 1.0 } else { 0.8 }, ..RunLog::known_by_heart() };
        assert!(lucky.codes().is_empty(), "{:?}", lucky.codes());
        let in_the_end = RunLog { accuracy: |at| if at < 0.5 { 0.7 } else { 1.0 }, ..RunLog::known_by_heart() };
        assert!(in_the_end.codes().is_empty(), "{:?}", in_the_end.codes());
    }
}
