//! Whether a run fits into memory, before it is begun: the formula of `model::memory` at the largest microbatch of the
//! run, and what to change where it does not fit.

use crate::error::Result;
use crate::order::Order;
use crate::settings::{Checkpointing, Settings};
use chat::{Boundary, EncodedPair, Limited, Limits, Over, Truncation};
use model::ModelSize;
use model::memory::{AdapterSize, Estimate, PROCESS_BYTES};
use numbers::size;

/// Passes over the pairs that are looked through for the largest microbatch: later ones differ from these by chance.
const MOST_EPOCHS: u64 = 20;
/// A `max_length` below this leaves too little of nearly any pair.
const SHORTEST: usize = 64;

/// Tokens of a pair before any limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Length {
    /// Of the prompt.
    pub prompt: usize,
    /// Of the better answer.
    pub chosen: usize,
    /// Of the worse one.
    pub rejected: usize,
    /// Of what both answers begin with.
    pub common_start: usize,
    /// Of what both end with, after that.
    pub common_end: usize,
    /// Whether the prompt's first token is the beginning-of-sequence token.
    pub begins_with_bos: bool,
}

impl Length {
    /// Of an encoded pair.
    pub fn of(pair: &EncodedPair) -> Self {
        let (chosen, rejected) = (&pair.chosen, &pair.rejected);
        let alike = |(one, other): &(&u32, &u32)| one == other;
        let common_start = chosen.iter().zip(rejected).take_while(alike).count();
        let ends = chosen[common_start..].iter().rev().zip(rejected[common_start..].iter().rev());
        Self {
            prompt: pair.prompt.len(),
            chosen: chosen.len(),
            rejected: rejected.len(),
            common_start,
            common_end: ends.take_while(alike).count(),
            begins_with_bos: pair.begins_with_bos,
        }
    }

    /// Prompt and longer answer together: what `max_length` limits.
    pub fn whole(&self) -> usize {
        self.prompt + self.chosen.max(self.rejected)
    }

    /// Which of its sequences are longer than the limits allow.
    pub fn over(&self, limits: &Limits) -> Option<Over> {
        limits.over(self.prompt, self.chosen, self.rejected)
    }

    /// Whether the limits cut tokens of one answer and not of the other.
    pub fn is_cut_on_one_side(&self, limits: &Limits) -> bool {
        match self.cut(limits) {
            Limited::TooLong => false,
            Limited::Kept(kept) => (kept.cut_chosen > 0) != (kept.cut_rejected > 0),
        }
    }

    fn cut(&self, limits: &Limits) -> Limited {
        // Limits look at lengths alone, and whether the answers are the same after them follows from where they differ.
        let answer = |length: usize, middle: u32| {
            let between = length.saturating_sub(self.common_start + self.common_end);
            [vec![0; length.min(self.common_start)], vec![middle; between], vec![0; self.common_end]].concat()
        };
        let (prompt, chosen, rejected) = (vec![0; self.prompt], answer(self.chosen, 1), answer(self.rejected, 2));
        let begins_with_bos = self.begins_with_bos;
        chat::limit(&EncodedPair { prompt, chosen, rejected, begins_with_bos, boundary: Boundary::Clean }, limits)
    }

    /// What the limits leave of it; nothing where it is too long for training.
    pub fn limited(&self, limits: &Limits) -> Option<Left> {
        match self.cut(limits) {
            Limited::TooLong => None,
            Limited::Kept(kept) => {
                let ids = &kept.ids;
                let targets = (ids.chosen.len() + ids.rejected.len()) as u64;
                let shared = ids.chosen_prompt.len() == ids.rejected_prompt.len();
                let prompts = ids.chosen_prompt.len() + if shared { 0 } else { ids.rejected_prompt.len() };
                Some(Left {
                    tokens: prompts as u64 + targets,
                    targets,
                    cut_prompt: kept.cut_prompt > 0,
                    cut_answer: kept.cut_chosen + kept.cut_rejected > 0,
                    identical: ids.are_identical(),
                })
            }
        }
    }
}

/// What the limits leave of a pair, as a packed microbatch has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Left {
    /// Rows: a prompt that both answers share counts once.
    pub tokens: u64,
    /// Of them, predicted ones.
    pub targets: u64,
    /// Whether the prompt lost tokens.
    pub cut_prompt: bool,
    /// Whether an answer did.
    pub cut_answer: bool,
    /// Whether both answers are the same tokens, so that training leaves the pair out.
    pub identical: bool,
}

/// What the limits leave of those pairs that are trained on.
pub fn left(lengths: &[Length], limits: &Limits) -> Vec<Left> {
    lengths.iter().filter_map(|length| length.limited(limits)).filter(|left| !left.identical).collect()
}

/// How a run with these settings goes through so many pairs.
pub fn order(settings: &Settings, pairs: usize) -> Order {
    Order {
        pairs,
        batch_size: settings.per_device_train_batch_size,
        accumulation: settings.gradient_accumulation_steps,
        shuffle: settings.shuffle,
        seed: settings.seed,
    }
}

/// Whether layers are computed again in the backward of a run over these pairs, with so many bytes `available`, the model's
/// weights among them, where the system tells.
///
/// # Errors
/// As [`needed`].
pub fn recomputes(settings: &Settings, model: &ModelSize, pairs: &[Left], available: Option<u64>) -> Result<bool> {
    match settings.gradient_checkpointing {
        Checkpointing::On => Ok(true),
        Checkpointing::Off => Ok(false),
        Checkpointing::Auto => {
            let kept = Settings { gradient_checkpointing: Checkpointing::Off, ..settings.clone() };
            Ok(needed(&kept, model, pairs)? > available.unwrap_or(0) / 2)
        }
    }
}

/// Bytes that a run over these pairs takes at its largest microbatch, the weights among them; with `auto`, where layers are
/// computed again.
///
/// # Errors
/// When the settings of the adapter do not fit the model.
pub fn needed(settings: &Settings, model: &ModelSize, pairs: &[Left]) -> Result<u64> {
    let recompute = settings.gradient_checkpointing != Checkpointing::Off;
    let adapter = AdapterSize::of(&settings.lora, &model.config)?;
    let order = order(settings, pairs.len());
    let steps = order.total_steps(settings.max_steps, settings.num_train_epochs);
    let epochs = steps.div_ceil(order.steps_per_epoch().max(1)).clamp(1, MOST_EPOCHS);
    let mut most = 0;
    for epoch in 0..epochs {
        for microbatch in order.epoch(epoch).chunks(settings.per_device_train_batch_size) {
            let (mut tokens, mut targets) = (0, 0);
            for &pair in microbatch {
                tokens += pairs[pair].tokens;
                targets += pairs[pair].targets;
            }
            let estimate = Estimate::of_step(model, adapter, tokens, targets, recompute);
            most = most.max(estimate.total());
        }
    }
    // A reference with an adapter of its own holds it in f32 besides.
    let reference = if settings.sync_ref_model || settings.ref_adapter.is_some() { 4 * adapter.parameters } else { 0 };
    Ok(most + reference + PROCESS_BYTES)
}

/// Refuses a run that needs more than the `available` bytes, its weights among both; where the system does not tell what
/// is available, no run is refused.
///
/// # Errors
/// [`model::Error::OutOfMemory`] with the change that would fit.
pub(crate) fn check(settings: &Settings, model: &ModelSize, lengths: &[Length], available: Option<u64>) -> Result<()> {
    let Some(available) = available else { return Ok(()) };
    let needed = needed(settings, model, &left(lengths, &settings.limits()))?;
    if needed <= available {
        return Ok(());
    }
    let hint = to_fit(settings, model, lengths, available)?;
    Err(model::Error::OutOfMemory { needed, available, hint }.into())
}

/// Refuses a model whose weights alone are more than the `available` bytes.
///
/// # Errors
/// [`model::Error::OutOfMemory`].
pub(crate) fn check_weights(model: &ModelSize, available: Option<u64>) -> Result<()> {
    let needed = model.weights + model.expanded + PROCESS_BYTES;
    match available {
        Some(available) if needed > available => {
            let hint = NOTHING_FITS.to_owned();
            Err(model::Error::OutOfMemory { needed, available, hint }.into())
        }
        _ => Ok(()),
    }
}

/// What is left to do where no setting helps.
const NOTHING_FITS: &str = "Close other programs, keep the weights in fewer bits (dtype), or choose a smaller model.";

/// The first change that fits into the memory that is free, mildest first. It does not change what is learned, except
/// for the last: shorter pairs.
///
/// # Errors
/// As [`needed`].
pub fn to_fit(settings: &Settings, model: &ModelSize, lengths: &[Length], free: u64) -> Result<String> {
    mildest(settings, lengths, free, &|settings, pairs| needed(settings, model, pairs))
}

fn mildest(
    settings: &Settings,
    lengths: &[Length],
    free: u64,
    need: &dyn Fn(&Settings, &[Left]) -> Result<u64>,
) -> Result<String> {
    let mut trial = settings.clone();
    let mut changes = Vec::new();
    let fits = |trial: &Settings| need(trial, &left(lengths, &trial.limits()));
    let words = |changes: &[String], needed: u64| {
        format!("Set {}: that needs {} of {} free.", changes.join(" and "), size(needed), size(free))
    };
    if trial.gradient_checkpointing == Checkpointing::Off {
        trial.gradient_checkpointing = Checkpointing::On;
        changes.push("gradient_checkpointing = true".to_owned());
        let needed = fits(&trial)?;
        if needed <= free {
            return Ok(words(&changes, needed));
        }
    }
    let pairs_per_step = settings.per_device_train_batch_size * settings.gradient_accumulation_steps;
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
    // A shorter limit would refuse the run for another reason.
    while settings.truncation != Truncation::Refuse && limit / 2 >= SHORTEST {
        limit /= 2;
        trial.max_length = limit;
        changes.truncate(others);
        changes.push(format!("max_length = {limit}"));
        let pairs = left(lengths, &trial.limits());
        let needed = need(&trial, &pairs)?;
        if needed <= free && !pairs.is_empty() {
            let cut = lengths.iter().filter(|length| length.whole() > limit).count();
            return Ok(format!("{} It cuts or drops {cut} of {} pairs.", words(&changes, needed), lengths.len()));
        }
    }
    let least = fits(&trial)?;
    Ok(format!(
        "No setting fits: even one short pair at a time needs about {}, and {} are free. {NOTHING_FITS}",
        size(least),
        size(free)
    ))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn tiny() -> ModelSize {
        let folder = tempfile::tempdir().unwrap();
        testkit::TinyLlama::default().write_folder(folder.path()).unwrap();
        ModelSize::in_f32(&model::Config::from_folder(folder.path()).unwrap())
    }

    #[test]
    fn limits_count_as_in_training() {
        let length = |prompt, chosen, rejected| Length { prompt, chosen, rejected, ..Length::default() };
        let limits = Settings { max_length: 10, ..Settings::default() }.limits();
        let whole = length(4, 4, 5).limited(&limits).unwrap();
        assert_eq!(whole, Left { tokens: 13, targets: 9, cut_prompt: false, cut_answer: false, identical: false });
        let cut = length(4, 8, 5).limited(&limits).unwrap();
        assert_eq!(cut, Left { tokens: 15, targets: 11, cut_prompt: false, cut_answer: true, identical: false });
        assert_eq!(length(10, 1, 1).limited(&limits), None);
        // What is left of the prompt is shared: 10 − 5 tokens, and both answers.
        let whole = Limits { truncation: Truncation::PromptLeft, ..limits };
        let left = length(9, 2, 5).limited(&whole).unwrap();
        assert_eq!((left.tokens, left.targets, left.cut_prompt, left.cut_answer), (12, 7, true, false));
        let bos = Length { begins_with_bos: true, ..length(9, 2, 9) };
        assert_eq!((bos.limited(&whole), length(9, 2, 9).limited(&whole).map(|left| left.tokens)), (None, Some(12)));
        assert_eq!(length(9, 2, 5).limited(&Limits { truncation: Truncation::Drop, ..limits }), None);
        assert_eq!(length(6, 2, 5).over(&limits), Some(Over::Rejected));
        assert!(length(9, 1, 3).limited(&limits).unwrap().cut_answer);
        let cut = [length(4, 8, 5), length(4, 8, 9), length(4, 6, 6), length(10, 1, 1)];
        assert_eq!(cut.map(|length| length.is_cut_on_one_side(&limits)), [true, false, false, false]);
    }

    #[test]
    fn a_shorter_pair_a_smaller_batch_or_recomputation_need_less() {
        let model = tiny();
        let pairs = |tokens| {
            vec![Left { tokens, targets: tokens / 2, cut_prompt: false, cut_answer: false, identical: false }; 20]
        };
        let settings = Settings { gradient_checkpointing: Checkpointing::Off, ..Settings::default() };
        let most = needed(&settings, &model, &pairs(4000)).unwrap();
        let shorter = needed(&settings, &model, &pairs(2000)).unwrap();
        let smaller = Settings { per_device_train_batch_size: 4, ..settings.clone() };
        let again = Settings { gradient_checkpointing: Checkpointing::On, ..settings };
        assert!(shorter < most);
        assert_eq!(needed(&smaller, &model, &pairs(4000)).unwrap(), shorter);
        assert!(needed(&again, &model, &pairs(4000)).unwrap() < most);
    }

    #[test]
    fn a_run_is_refused_only_where_it_needs_more_than_there_is_and_the_advice_is_true() {
        let model = tiny();
        let lengths = [Length { prompt: 500, chosen: 300, rejected: 400, ..Length::default() }; 8];
        let settings = Settings { gradient_checkpointing: Checkpointing::Off, ..Settings::default() };
        let needed = needed(&settings, &model, &left(&lengths, &settings.limits())).unwrap();
        check(&settings, &model, &lengths, Some(needed)).unwrap();
        check(&settings, &model, &lengths, None).unwrap();
        let error = check(&settings, &model, &lengths, Some(needed - 1)).unwrap_err();
        assert_eq!(error.code(), "out_of_memory");
        assert!(error.hint().starts_with("Set gradient_checkpointing = true"), "{}", error.hint());
        let advised = Settings { gradient_checkpointing: Checkpointing::On, ..settings };
        check(&advised, &model, &lengths, Some(needed - 1)).unwrap();
        assert!(check_weights(&model, Some(PROCESS_BYTES)).unwrap_err().hint().contains("smaller model"));
        check_weights(&model, Some(PROCESS_BYTES + model.weights)).unwrap();
    }

    #[test]
    fn layers_are_kept_only_where_half_of_what_is_free_is_enough() {
        let model = tiny();
        let pairs =
            vec![Left { tokens: 4000, targets: 2000, cut_prompt: false, cut_answer: false, identical: false }; 20];
        let with = |gradient_checkpointing| Settings { gradient_checkpointing, ..Settings::default() };
        let auto = with(Checkpointing::Auto);
        let kept = needed(&with(Checkpointing::Off), &model, &pairs).unwrap();
        assert_eq!(needed(&auto, &model, &pairs).unwrap(), needed(&with(Checkpointing::On), &model, &pairs).unwrap());
        let recomputes = |settings: &Settings, free| recomputes(settings, &model, &pairs, free).unwrap();
        assert!(!recomputes(&auto, Some(2 * kept)));
        assert!(recomputes(&auto, Some(2 * kept - 2)) && recomputes(&auto, None));
        assert!(recomputes(&with(Checkpointing::On), Some(u64::MAX)) && !recomputes(&with(Checkpointing::Off), None));
    }

    /// A need that grows with what one would expect it to: megabytes for a thousand tokens of a microbatch.
    #[allow(clippy::unnecessary_wraps)]
    fn need(settings: &Settings, kept: &[Left]) -> Result<u64> {
        let longest = kept.iter().map(|pair| pair.tokens).max().unwrap_or(0);
        let factor = if settings.gradient_checkpointing == Checkpointing::Off { 4 } else { 1 };
        Ok(100_000_000 + factor * settings.per_device_train_batch_size as u64 * longest * 1000)
    }

    fn advice(settings: &Settings, free_megabytes: u64) -> String {
        let lengths = vec![Length { prompt: 100, chosen: 400, rejected: 500, ..Length::default() }; 10];
        mildest(settings, &lengths, free_megabytes * 1_000_000, &need).unwrap()
    }

    #[test]
    fn the_mildest_change_that_fits_is_named() {
        let settings = Settings { gradient_checkpointing: Checkpointing::Off, max_length: 0, ..Settings::default() };
        assert!(
            advice(&settings, 109).starts_with("Set gradient_checkpointing = true: that needs 108 MB of 109 MB free")
        );
        let smaller = advice(&settings, 105);
        assert!(smaller.contains("gradient_checkpointing = true and per_device_train_batch_size = 4 and"), "{smaller}");
        assert!(smaller.contains("gradient_accumulation_steps = 2:"), "{smaller}");
        let mut one_at_a_time = settings.clone();
        one_at_a_time.per_device_train_batch_size = 1;
        let shorter = mildest(
            &one_at_a_time,
            &[Length { prompt: 100, chosen: 4000, rejected: 4000, ..Length::default() }],
            103_000_000,
            &need,
        );
        let shorter = shorter.unwrap();
        assert!(shorter.contains("max_length = 1025") && shorter.contains("1 of 1 pairs"), "{shorter}");
        assert!(advice(&settings, 50).starts_with("No setting fits"));
    }
}
