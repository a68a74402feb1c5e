//! What would lose less, where a run fits.

use crate::window::types::RunPlan;
use train::Settings;
use train::memory::Length;

/// Of the pairs, so many may be cut without a word: the longest few in a hundred are often odd ones.
const MAY_BE_CUT: f64 = 0.05;

/// What would lose less; nothing where little is lost.
pub(super) fn to_keep(settings: &Settings, lengths: &[Length], plan: &RunPlan) -> Option<String> {
    let limits = settings.limits();
    let lost =
        lengths.iter().filter(|length| length.over(&limits).is_some()).count().max(plan.dropped + plan.cut_answers);
    if lost as f64 <= MAY_BE_CUT * lengths.len() as f64 {
        return None;
    }
    let longest = lengths.iter().map(Length::whole).max()?;
    let limit = longest.div_ceil(64) * 64;
    Some(format!(
        "max_length = {} cuts or drops {lost} of {} pairs; max_length = {limit} would keep them all, for more memory and \
         time.",
        settings.max_length,
        lengths.len()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn advice_where_it_fits_is_given_only_when_much_is_lost() {
        let lengths = vec![Length { prompt: 100, chosen: 400, rejected: 500, ..Length::default() }; 10];
        let settings = Settings { max_length: 300, ..Settings::default() };
        let plan = super::super::tests_plan();
        let enough = Settings { max_length: 600, ..Settings::default() };
        assert_eq!(to_keep(&enough, &lengths, &plan), None);
        let advice = to_keep(&settings, &lengths, &plan).unwrap();
        assert!(advice.contains("10 of 10 pairs; max_length = 640"), "{advice}");
    }
}
