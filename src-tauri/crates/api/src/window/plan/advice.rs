//! What to change where a run does not fit, or loses more than it need.

use super::{Length, PackedLength, kept};
use crate::error::Result;
use crate::window::types::RunPlan;
use train::RunConfig;

/// Of the pairs, so many may be cut without a word: the longest few in a hundred are often odd ones.
const MAY_BE_CUT: f64 = 0.05;
/// A limit below this leaves too little of nearly any pair.
const SHORTEST: usize = 64;

/// The first change that fits into the memory that is free, mildest first. It does not change what is learned, except
/// for the last: shorter pairs.
pub(super) fn to_fit(
    config: &RunConfig,
    lengths: &[Length],
    free: u64,
    need: &dyn Fn(&RunConfig, &[PackedLength]) -> Result<u64>,
) -> Result<String> {
    let mut trial = config.clone();
    let mut changes = Vec::new();
    let fits = |trial: &RunConfig| need(trial, &kept(lengths, &trial.limits()));
    let words = |changes: &[String], needed: u64| {
        format!("Set {}: that needs {} of {} free.", changes.join(" and "), size(needed), size(free))
    };
    if !trial.gradient_checkpointing {
        trial.gradient_checkpointing = true;
        changes.push("gradient_checkpointing = true".to_owned());
        let needed = fits(&trial)?;
        if needed <= free {
            return Ok(words(&changes, needed));
        }
    }
    let pairs_per_step = config.per_device_train_batch_size * config.gradient_accumulation_steps;
    let others = changes.len();
    while trial.per_device_train_batch_size > 1 {
        trial.per_device_train_batch_size = trial.per_device_train_batch_size.div_ceil(2);
        trial.gradient_accumulation_steps = pairs_per_step.div_ceil(trial.per_device_train_batch_size);
        changes.truncate(others);
        changes.push(format!("per_device_train_batch_size = {}", trial.per_device_train_batch_size));
        changes.push(format!("gradient_accumulation_steps = {}", trial.gradient_accumulation_steps));
        let needed = fits(&trial)?;
        if needed <= free {
            return Ok(words(&changes, needed));
        }
    }
    let longest = lengths.iter().map(Length::whole).max().unwrap_or(0);
    let mut limit = if trial.max_length == 0 { longest } else { trial.max_length.min(longest) };
    let others = changes.len();
    while limit / 2 >= SHORTEST {
        limit /= 2;
        trial.max_length = limit;
        changes.truncate(others);
        changes.push(format!("max_length = {limit}"));
        let left = kept(lengths, &trial.limits());
        let needed = need(&trial, &left)?;
        if needed <= free && !left.is_empty() {
            let cut = lengths.iter().filter(|length| length.whole() > limit).count();
            return Ok(format!("{} It cuts or drops {cut} of {} pairs.", words(&changes, needed), lengths.len()));
        }
    }
    let least = fits(&trial)?;
    Ok(format!(
        "No setting fits: even one short pair at a time needs about {}, and {} are free. Close other programs, or choose a \
         smaller model.",
        size(least),
        size(free)
    ))
}

/// What would lose less, where the run fits; nothing where little is lost.
pub(super) fn to_keep(config: &RunConfig, lengths: &[Length], plan: &RunPlan) -> Option<String> {
    let lost = plan.dropped + plan.cut_answers;
    if lost as f64 <= MAY_BE_CUT * lengths.len() as f64 {
        return None;
    }
    let longest = lengths.iter().map(Length::whole).max()?;
    let limit = longest.div_ceil(64) * 64;
    Some(format!(
        "max_length = {} cuts or drops {lost} of {} pairs; max_length = {limit} would keep them all, for more memory and \
         time.",
        config.max_length,
        lengths.len()
    ))
}

/// Bytes as people say them.
pub(crate) fn size(bytes: u64) -> String {
    let gigabytes = bytes as f64 / f64::from(1 << 30);
    if gigabytes >= 1.0 { format!("{gigabytes:.1} GB") } else { format!("{:.0} MB", gigabytes * 1024.0) }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// A need that grows with what one would expect it to: megabytes for a thousand tokens of a microbatch.
    #[allow(clippy::unnecessary_wraps)]
    fn need(config: &RunConfig, kept: &[PackedLength]) -> Result<u64> {
        let longest = kept.iter().map(|pair| pair.tokens).max().unwrap_or(0);
        let factor = if config.gradient_checkpointing { 1 } else { 4 };
        Ok((100 << 20) + factor * config.per_device_train_batch_size as u64 * longest * 1024)
    }

    fn advice(config: &RunConfig, free_megabytes: u64) -> String {
        let lengths = vec![Length { prompt: 100, chosen: 400, rejected: 500 }; 10];
        to_fit(config, &lengths, free_megabytes << 20, &need).unwrap()
    }

    #[test]
    fn the_mildest_change_that_fits_is_named() {
        let config = RunConfig { gradient_checkpointing: false, max_length: 0, ..RunConfig::default() };
        assert!(
            advice(&config, 109).starts_with("Set gradient_checkpointing = true: that needs 108 MB of 109 MB free")
        );
        let smaller = advice(&config, 105);
        assert!(smaller.contains("gradient_checkpointing = true and per_device_train_batch_size = 4 and"), "{smaller}");
        assert!(smaller.contains("gradient_accumulation_steps = 2:"), "{smaller}");
        let mut one_at_a_time = config.clone();
        one_at_a_time.per_device_train_batch_size = 1;
        let shorter = to_fit(&one_at_a_time, &[Length { prompt: 100, chosen: 4000, rejected: 4000 }], 103 << 20, &need);
        let shorter = shorter.unwrap();
        assert!(shorter.contains("max_length = 1025") && shorter.contains("1 of 1 pairs"), "{shorter}");
        assert!(advice(&config, 50).starts_with("No setting fits"));
    }

    #[test]
    fn advice_where_it_fits_is_given_only_when_much_is_lost() {
        let lengths = vec![Length { prompt: 100, chosen: 400, rejected: 500 }; 10];
        let config = RunConfig { max_length: 300, ..RunConfig::default() };
        let plan = |cut_answers| RunPlan { cut_answers, ..super::super::tests_plan() };
        assert_eq!(to_keep(&config, &lengths, &plan(0)), None);
        let advice = to_keep(&config, &lengths, &plan(9)).unwrap();
        assert!(advice.contains("9 of 10 pairs; max_length = 640"), "{advice}");
    }
}
