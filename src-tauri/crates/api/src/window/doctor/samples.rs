//! What the sample answers look like: a model may win by the numbers and still decay.

use super::{Finding, Seen, Severity, fewer_epochs, rate, remedy};
use eval::answers::{Answer, Side};
use eval::degeneration::TextStatistics;
use numbers::{count, percent};
use serde_json::{Value, json};
use train::events::Samples;
use train::losses::LossType;

fn statistics(samples: &Samples) -> TextStatistics {
    let answers: Vec<Answer> = samples
        .answers
        .iter()
        .enumerate()
        .map(|(id, sample)| Answer { id, side: Side::Tuned, text: sample.text.clone(), tokens: None, truncated: false })
        .collect();
    TextStatistics::of(&answers)
}

/// The first samples and the last, where there are two different ones.
fn ends(seen: &Seen) -> Option<(TextStatistics, TextStatistics, u64)> {
    let (first, last) = (seen.samples.first()?, seen.samples.last()?);
    (last.step > first.step).then(|| (statistics(first), statistics(last), last.step))
}

/// Half as long again is beyond what a few prompts vary by.
const LONGER: f64 = 1.5;
/// Of short answers some words more are half as long again, and no harm.
const WORDS_MORE: f64 = 15.0;

/// Responses grow longer: DPO's known bias, as longer answers have more tokens to raise.
pub(super) fn answers_grow(seen: &Seen) -> Option<Finding> {
    let (first, last, step) = ends(seen)?;
    if last.mean_words < LONGER * first.mean_words || last.mean_words - first.mean_words < WORDS_MORE {
        return None;
    }
    let settings = &seen.settings;
    let (label, change) = if settings.loss_type.contains(&LossType::Sigmoid) {
        let normalised = |loss: &LossType| if *loss == LossType::Sigmoid { "sigmoid_norm" } else { loss.name() };
        let names: Vec<&str> = settings.loss_type.iter().map(normalised).collect();
        ("Normalise the loss by length", ("loss_type", json!(names)))
    } else {
        ("A stronger pull to the reference", ("beta", Value::from(firmer(settings.beta))))
    };
    Some(Finding {
        code: "answers_grow".into(),
        severity: Severity::Warning,
        title: "Answers grow longer".into(),
        sentence: format!(
            "The sample answers had {} words before training and have {} after step {step}. If the chosen answers of \
             your pairs are not longer than the rejected ones, this is the method's own bias.",
            count(first.mean_words.round() as usize),
            count(last.mean_words.round() as usize)
        ),
        figure: Some("lengths".into()),
        remedy: remedy(label, [change]),
    })
}

/// One word quadruple in five said before reads as a stutter; fluent text is below one in fifty.
const STUTTER: f64 = 0.2;
/// Small models repeat themselves untrained, when answers are greedy: only what training adds counts.
const ADDED: f64 = 0.1;

/// Answers repeat themselves more than before training.
pub(super) fn repetition(seen: &Seen) -> Option<Finding> {
    let (first, last, step) = ends(seen)?;
    if last.repeated_4 < STUTTER || last.repeated_4 < first.repeated_4 + ADDED {
        return None;
    }
    let settings = &seen.settings;
    let mut change =
        vec![("learning_rate", rate(settings.learning_rate / 2.0)), ("beta", Value::from(firmer(settings.beta)))];
    change.extend(fewer_epochs(settings));
    Some(Finding {
        code: "repetition".into(),
        severity: Severity::Warning,
        title: "Answers repeat themselves".into(),
        sentence: format!(
            "Of the sample answers after step {step}, {} of all four words in a row were said before in the same answer ({} \
             before training). The model has been pushed too far from its reference.",
            percent(last.repeated_4),
            percent(first.repeated_4)
        ),
        figure: Some("lengths".into()),
        remedy: remedy("Train more gently", change),
    })
}

/// A beta between 0.2 and 0.5, above the one there is.
fn firmer(beta: f64) -> f64 {
    if beta < 0.2 { 0.2 } else { (2.0 * beta).min(0.5).max(beta) }
}

#[cfg(test)]
mod tests {
    use super::super::log::RunLog;

    #[test]
    fn answers_that_grow_are_seen_and_ones_that_vary_are_not() {
        assert_eq!(RunLog::growing().codes(), ["answers_grow"]);
        let varied = RunLog { words: |at| if at < 0.5 { 40 } else { 50 }, ..RunLog::growing() };
        assert!(varied.codes().is_empty(), "{:?}", varied.codes());
        let short = RunLog { words: |at| if at < 0.5 { 4 } else { 10 }, ..RunLog::growing() };
        assert!(short.codes().is_empty(), "{:?}", short.codes());
    }

    #[test]
    fn answers_that_begin_to_stutter_are_seen_and_ones_that_always_did_are_not() {
        let log = RunLog::stuttering();
        assert_eq!(log.codes(), ["repetition"]);
        let settings = log.findings()[0].remedy.clone().map(|remedy| remedy.settings).unwrap_or_default();
        assert_eq!(settings["beta"], serde_json::json!(0.2));
        assert_eq!(settings["learning_rate"], serde_json::json!(2.5e-5));
        let always = RunLog { stutter: |_| true, ..RunLog::stuttering() };
        assert!(always.codes().is_empty(), "{:?}", always.codes());
    }
}
