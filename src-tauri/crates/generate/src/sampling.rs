//! Choosing the next token from logits, with transformers' definitions and in its order: repetition penalty,
//! temperature, top-k, top-p, min-p.

use rand::Rng;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use serde::{Deserialize, Serialize};
use std::cmp::Ordering;

/// How the next token is chosen. The default is greedy.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Sampling {
    /// Logits are divided by this; 0 takes the most likely token.
    pub temperature: f64,
    /// Only this many of the most likely tokens are considered; 0 for all.
    pub top_k: usize,
    /// Only the most likely tokens whose probabilities add up to this (arXiv 1904.09751); 1 for all.
    pub top_p: f64,
    /// Only tokens at least this fraction as likely as the most likely one (arXiv 2407.01082); 0 for all.
    pub min_p: f64,
    /// Logits of tokens already seen, prompt included, are divided by this where positive and multiplied where
    /// negative (arXiv 1909.05858); 1 for no penalty.
    pub repetition_penalty: f64,
    /// Seed of the random choice. Each prompt has a stream of its own, so answers do not depend on the batch.
    pub seed: u64,
    /// Tokens after which an answer is cut.
    pub max_new_tokens: usize,
}

impl Default for Sampling {
    fn default() -> Self {
        Self {
            temperature: 0.0,
            top_k: 0,
            top_p: 1.0,
            min_p: 0.0,
            repetition_penalty: 1.0,
            seed: 0,
            max_new_tokens: 256,
        }
    }
}

/// Candidates of which the most likely are looked for first.
const SORTED_AT_FIRST: usize = 256;

impl Sampling {
    fn penalises(&self) -> bool {
        (self.repetition_penalty - 1.0).abs() > f64::EPSILON
    }

    /// Says what is out of range, if anything is.
    ///
    /// # Errors
    /// A sentence naming the setting, its value and its range.
    pub fn validate(&self) -> Result<(), String> {
        let checks = [
            ("temperature", self.temperature, self.temperature >= 0.0 && self.temperature.is_finite(), "0 or above"),
            ("top_p", self.top_p, self.top_p > 0.0 && self.top_p <= 1.0, "above 0, up to 1"),
            ("min_p", self.min_p, (0.0..=1.0).contains(&self.min_p), "from 0 to 1"),
            (
                "repetition_penalty",
                self.repetition_penalty,
                self.repetition_penalty > 0.0 && self.repetition_penalty.is_finite(),
                "above 0 (1 is no penalty)",
            ),
        ];
        match checks.iter().find(|(_, _, fine, _)| !fine) {
            Some((name, value, _, range)) => Err(format!("{name} = {value} is out of range: it must be {range}")),
            None if self.max_new_tokens == 0 => Err("max_new_tokens = 0 asks for no answer: give 1 or more".into()),
            None => Ok(()),
        }
    }
}

/// The choices for one sequence.
pub struct Sampler<'a> {
    sampling: &'a Sampling,
    rng: ChaCha8Rng,
    /// Tokens under the repetition penalty, each once.
    seen: Vec<u32>,
}

impl<'a> Sampler<'a> {
    /// For the sequence with number `stream`, which begins with `prompt`.
    pub fn new(sampling: &'a Sampling, stream: u64, prompt: &[u32]) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(sampling.seed);
        rng.set_stream(stream);
        let mut sampler = Self { sampling, rng, seen: Vec::new() };
        if sampling.penalises() {
            sampler.seen = prompt.to_vec();
            sampler.seen.sort_unstable();
            sampler.seen.dedup();
        }
        sampler
    }

    /// The next token, from logits over the vocabulary; none where these say nothing: a logit is no number, or all are infinite.
    pub fn next(&mut self, logits: &[f32]) -> Option<u32> {
        if !can_be_chosen_by(logits) {
            return None;
        }
        let penalised;
        let mut logits = logits;
        if self.sampling.penalises() {
            let mut copy = logits.to_vec();
            let penalty = self.sampling.repetition_penalty as f32;
            for &id in &self.seen {
                if let Some(z) = copy.get_mut(id as usize) {
                    *z = if *z < 0.0 { *z * penalty } else { *z / penalty };
                }
            }
            penalised = copy;
            logits = &penalised;
        }
        let token = if self.sampling.temperature <= 0.0 { most_likely(logits) } else { self.draw(logits) };
        if self.sampling.penalises()
            && let Err(place) = self.seen.binary_search(&token)
        {
            self.seen.insert(place, token);
        }
        Some(token)
    }

    fn draw(&mut self, logits: &[f32]) -> u32 {
        let max = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let weight = |z: f32| (f64::from(z - max) / self.sampling.temperature).exp();
        let mut candidates: Vec<(u32, f64)> = logits.iter().enumerate().map(|(i, &z)| (i as u32, weight(z))).collect();
        // Most likely first; equal ones by id, so that the order is certain.
        let order = |a: &(u32, f64), b: &(u32, f64)| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0));
        if self.sampling.top_k > 0 && self.sampling.top_k < candidates.len() {
            candidates.select_nth_unstable_by(self.sampling.top_k - 1, order);
            candidates.truncate(self.sampling.top_k);
        }
        if self.sampling.top_p < 1.0 {
            keep_nucleus(&mut candidates, self.sampling.top_p, order);
        }
        // The most likely token has weight one.
        candidates.retain(|c| c.1 >= self.sampling.min_p);
        let total: f64 = candidates.iter().map(|c| c.1).sum();
        let mut left = self.rng.random::<f64>() * total;
        for &(id, weight) in &candidates {
            left -= weight;
            if left < 0.0 {
                return id;
            }
        }
        candidates.last().map_or_else(|| most_likely(logits), |c| c.0)
    }
}

/// Keeps the most likely candidates whose weights add up to this share of all, most likely first. Of a whole vocabulary
/// few are kept, so that only as many are sorted.
fn keep_nucleus(candidates: &mut Vec<(u32, f64)>, top_p: f64, order: impl Fn(&(u32, f64), &(u32, f64)) -> Ordering) {
    let total: f64 = candidates.iter().map(|c| c.1).sum();
    let mut sorted = SORTED_AT_FIRST;
    loop {
        if sorted < candidates.len() {
            candidates.select_nth_unstable_by(sorted, &order);
        }
        let all = sorted >= candidates.len();
        let first = if all { &mut candidates[..] } else { &mut candidates[..sorted] };
        first.sort_unstable_by(&order);
        let mut sum = 0.0;
        let kept = first.iter().take_while(|c| {
            let before = sum;
            sum += c.1 / total;
            before < top_p
        });
        let kept = kept.count();
        if all || kept < sorted {
            candidates.truncate(kept.max(1));
            return;
        }
        sorted *= 8;
    }
}

/// Whether logits are numbers. A token that cannot be has minus infinity; all of them at once cannot.
fn can_be_chosen_by(logits: &[f32]) -> bool {
    let look = |(fine, any): (bool, bool), z: &f32| (fine && *z < f32::INFINITY, any || z.is_finite());
    logits.iter().fold((true, false), look) == (true, true)
}

/// The first of the largest logits.
fn most_likely(logits: &[f32]) -> u32 {
    let mut best = 0;
    for (i, z) in logits.iter().enumerate() {
        if *z > logits[best] {
            best = i;
        }
    }
    best as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(sampling: &Sampling, logits: &[f32], n: usize) -> Vec<f64> {
        let mut sampler = Sampler::new(sampling, 0, &[]);
        let mut counts = vec![0f64; logits.len()];
        for _ in 0..n {
            counts[sampler.next(logits).unwrap() as usize] += 1.0 / n as f64;
        }
        counts
    }

    const LOGITS: [f32; 4] = [1.0, 3.0, 2.0, -1.0];

    #[test]
    fn frequencies_follow_the_softmax_at_the_temperature() {
        let sampling = Sampling { temperature: 2.0, ..Sampling::default() };
        let weights: Vec<f64> = LOGITS.iter().map(|&z| (f64::from(z) / 2.0).exp()).collect();
        let total: f64 = weights.iter().sum();
        for (share, weight) in drawn(&sampling, &LOGITS, 40_000).iter().zip(weights) {
            let p = weight / total;
            assert!((share - p).abs() < 4.5 * (p * (1.0 - p) / 40_000.0).sqrt(), "{share} {p}");
        }
    }

    #[test]
    fn each_filter_keeps_what_it_should() {
        let kept = |sampling: Sampling| -> Vec<bool> {
            drawn(&Sampling { temperature: 1.0, ..sampling }, &LOGITS, 4_000).iter().map(|&f| f > 0.0).collect()
        };
        let base = Sampling::default;
        // Probabilities: 0.087, 0.644, 0.237, 0.012.
        assert_eq!(kept(Sampling { top_k: 2, ..base() }), [false, true, true, false]);
        assert_eq!(kept(Sampling { top_p: 0.6, ..base() }), [false, true, false, false]);
        assert_eq!(kept(Sampling { top_p: 0.9, ..base() }), [true, true, true, false]);
        assert_eq!(kept(Sampling { min_p: 0.2, ..base() }), [false, true, true, false]);
    }

    /// More of them than are sorted at first, some of one weight: those that a sort of all keeps, in its order.
    #[test]
    fn a_nucleus_of_many_is_that_of_all_sorted() {
        let order = |a: &(u32, f64), b: &(u32, f64)| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0));
        for (count, spread) in [(1, 1.0), (300, 0.0), (5000, 0.001), (5000, 0.1), (5000, 3.0)] {
            let weight = |i: u32| (-spread * f64::from(i * 7919 % 1000) / 100.0).exp();
            let all: Vec<(u32, f64)> = (0..count).map(|i| (i, weight(i))).collect();
            let mut sorted = all.clone();
            sorted.sort_unstable_by(order);
            let total: f64 = all.iter().map(|c| c.1).sum();
            for top_p in [0.01, 0.3, 0.9, 0.999] {
                let mut found = all.clone();
                keep_nucleus(&mut found, top_p, order);
                assert_eq!(found, sorted[..found.len()]);
                let share = |kept: &[(u32, f64)]| kept.iter().map(|c| c.1).sum::<f64>() / total;
                // One fewer would not do; these do, but for what rounding makes of the sum.
                assert!(share(&found) > top_p - 1e-9, "{count} {spread} {top_p}");
                assert!(share(&found[..found.len() - 1]) < top_p + 1e-9, "{count} {spread} {top_p}");
            }
        }
    }

    #[test]
    fn the_penalty_falls_on_what_was_seen() {
        let sampling = Sampling { repetition_penalty: 2.0, ..Sampling::default() };
        let mut sampler = Sampler::new(&sampling, 0, &[1, 1]);
        assert_eq!(sampler.next(&LOGITS), Some(2));
        // Now 1 and 2 count half: 1.0, 1.5, 1.0.
        assert_eq!(sampler.next(&LOGITS), Some(1));
        let mut sampler = Sampler::new(&sampling, 0, &[0]);
        assert_eq!(sampler.next(&[-1.0, -1.5]), Some(1));
    }

    #[test]
    fn streams_differ_and_repeat() {
        let sampling = Sampling { temperature: 5.0, seed: 9, ..Sampling::default() };
        let draw = |stream| {
            let mut sampler = Sampler::new(&sampling, stream, &[]);
            (0..32).map(|_| sampler.next(&LOGITS)).collect::<Vec<_>>()
        };
        assert_eq!(draw(1), draw(1));
        assert_ne!(draw(1), draw(2));
    }

    #[test]
    fn settings_out_of_range_are_named() {
        let bad = Sampling { top_p: 0.0, ..Sampling::default() };
        assert!(bad.validate().unwrap_err().contains("top_p = 0"));
        assert!(Sampling::default().validate().is_ok());
    }

    #[test]
    fn logits_that_say_nothing_give_no_token() {
        let (nan, inf) = (f32::NAN, f32::INFINITY);
        for sampling in
            [Sampling::default(), Sampling { temperature: 1.0, repetition_penalty: 1.3, ..Sampling::default() }]
        {
            for broken in [[nan, nan, nan], [1.0, nan, 2.0], [1.0, inf, 2.0], [-inf, -inf, -inf]] {
                assert_eq!(Sampler::new(&sampling, 0, &[1]).next(&broken), None, "{broken:?}");
            }
            assert_eq!(Sampler::new(&sampling, 0, &[]).next(&[-inf, 1.0, -inf]), Some(1));
        }
    }
}
