//! From the log-probabilities of tokens to what the losses see of a pair, and back from their gradients to the tokens.

use crate::data::Example;
use crate::losses::{Evaluation, Logps};
use crate::reference::ReferenceLogps;
use model::{Batch, TokenScores};

/// How the tokens of an answer count.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Counting {
    /// LD-DPO (arXiv 2409.06411): tokens beyond the length of the pair's shorter answer count this much; all in
    /// full where absent.
    pub ld_alpha: Option<f64>,
    /// WPO (arXiv 2406.11827, Eq. 2): pairs count by how likely the policy itself is to answer so.
    pub use_weighting: bool,
}

impl Counting {
    /// How much each predicted token of a packed microbatch counts, in the order of [`Batch::targets`].
    fn of_tokens(self, batch: &Batch) -> Vec<f64> {
        let targets = batch.targets();
        let Some(alpha) = self.ld_alpha else { return vec![1.0; targets.len()] };
        let lengths = batch.target_counts();
        let mut seen = vec![0; lengths.len()];
        let of_token = |sequence: usize| {
            seen[sequence] += 1;
            // Chosen and rejected come by turns.
            if seen[sequence] <= lengths[sequence].min(lengths[sequence ^ 1]) { 1.0 } else { alpha }
        };
        targets.iter().map(|target| target.sequence as usize).map(of_token).collect()
    }

    /// Log-probability of each answer of a packed microbatch, from those of its tokens.
    pub fn sums(self, batch: &Batch, token_logps: &[f64]) -> Vec<f64> {
        let weighted = self.of_tokens(batch).into_iter().zip(token_logps).map(|(weight, logp)| weight * logp);
        batch.sum_by_sequence(weighted)
    }

    /// The references of a packed microbatch's pairs, from the log-probabilities of its tokens.
    pub fn references(self, batch: &Batch, token_logps: &[f64]) -> Vec<ReferenceLogps> {
        let sums = self.sums(batch, token_logps);
        sums.chunks_exact(2).map(|pair| ReferenceLogps { chosen: pair[0], rejected: pair[1] }).collect()
    }
}

/// What the losses need of a microbatch.
#[derive(Debug, Clone, Default)]
pub struct Scores {
    chosen_logps: Vec<f64>,
    rejected_logps: Vec<f64>,
    chosen_whole_logps: Vec<f64>,
    reference_chosen_logps: Vec<f64>,
    reference_rejected_logps: Vec<f64>,
    chosen_tokens: Vec<usize>,
    rejected_tokens: Vec<usize>,
    chosen_predicted_tokens: Vec<usize>,
    pair_weights: Option<Vec<f64>>,
    /// How much each predicted token counts, and its sequence.
    tokens: Vec<(f64, usize)>,
}

impl Scores {
    /// From what the policy makes of the tokens of a packed microbatch (chosen and rejected by turns) and its pairs'
    /// references.
    pub fn new<'a>(
        counting: Counting,
        batch: &Batch,
        policy: &TokenScores,
        pairs: impl Iterator<Item = (&'a Example, &'a ReferenceLogps)>,
    ) -> Self {
        let whole = batch.sum_by_sequence(policy.logps.iter().copied());
        let logps = counting.sums(batch, &policy.logps);
        let sequences = batch.targets().iter().map(|target| target.sequence as usize);
        let tokens = counting.of_tokens(batch).into_iter().zip(sequences).collect();
        let pair_weights = counting.use_weighting.then(|| pair_weights(batch, policy));
        let mut scores = Self { pair_weights, tokens, ..Self::default() };
        for ((logps, whole), (example, reference)) in logps.chunks_exact(2).zip(whole.chunks_exact(2)).zip(pairs) {
            let ids = &example.ids;
            scores.chosen_logps.push(logps[0]);
            scores.rejected_logps.push(logps[1]);
            scores.chosen_whole_logps.push(whole[0]);
            scores.reference_chosen_logps.push(reference.chosen);
            scores.reference_rejected_logps.push(reference.rejected);
            scores.chosen_tokens.push(ids.chosen.len());
            scores.rejected_tokens.push(ids.rejected.len());
            // Nothing predicts the first token of a sequence.
            let unpredicted = usize::from(ids.chosen_prompt.is_empty());
            scores.chosen_predicted_tokens.push(ids.chosen.len().saturating_sub(unpredicted));
        }
        scores
    }

    /// As slices.
    pub fn logps(&self) -> Logps<'_> {
        Logps {
            chosen_logps: &self.chosen_logps,
            rejected_logps: &self.rejected_logps,
            chosen_whole_logps: &self.chosen_whole_logps,
            reference_chosen_logps: &self.reference_chosen_logps,
            reference_rejected_logps: &self.reference_rejected_logps,
            chosen_tokens: &self.chosen_tokens,
            rejected_tokens: &self.rejected_tokens,
            chosen_predicted_tokens: &self.chosen_predicted_tokens,
            pair_weights: self.pair_weights.as_deref(),
        }
    }

    /// `share` times the gradient of the loss by each predicted token's log-probability.
    pub fn d_tokens(&self, evaluation: &Evaluation, share: f64) -> Vec<f32> {
        let of_token = |&(weight, sequence): &(f64, usize)| {
            let pair = sequence / 2;
            let d = if sequence % 2 == 0 {
                weight * evaluation.d_chosen_logps[pair] + evaluation.d_chosen_whole_logps[pair]
            } else {
                weight * evaluation.d_rejected_logps[pair]
            };
            (share * d) as f32
        };
        self.tokens.iter().map(of_token).collect()
    }
}

/// WPO's weight of each pair: the product of its answers' `exp(mean over tokens of log p(t) − log Σ p²)`. TRL aligns the
/// weights so that an answer sampled from the policy weighs about 1.
fn pair_weights(batch: &Batch, policy: &TokenScores) -> Vec<f64> {
    let aligned = policy.logps.iter().zip(&policy.log_sum_squares).map(|(logp, squares)| logp - squares);
    let means = batch.sum_by_sequence(aligned).into_iter().zip(batch.target_counts());
    let weights: Vec<f64> = means.map(|(sum, count)| (sum / count.max(1) as f64).exp()).collect();
    weights.chunks_exact(2).map(|pair| pair[0] * pair[1]).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn batch() -> Batch {
        let mut batch = Batch::new();
        batch.push_pair(&[1, 2], &[3, 4, 5], &[6]);
        batch.push_sequence(&[], &[7, 8, 9]);
        batch.push_sequence(&[1], &[7, 8, 9]);
        batch
    }

    #[test]
    fn tokens_beyond_the_shorter_answer_count_less() {
        let counting = Counting { ld_alpha: Some(0.25), use_weighting: false };
        // By length: 3 and 1, then 2 (nothing predicts the first) and 3.
        let targets: Vec<_> = batch().targets().iter().map(|t| t.sequence).collect();
        assert_eq!(targets, [0, 0, 0, 1, 2, 2, 3, 3, 3]);
        assert_eq!(counting.of_tokens(&batch()), [1.0, 0.25, 0.25, 1.0, 1.0, 1.0, 1.0, 1.0, 0.25]);
        let logps: Vec<f64> = (1..10).map(f64::from).collect();
        assert_eq!(counting.sums(&batch(), &logps), [2.25, 4.0, 11.0, 17.25]);
        assert_eq!(Counting::default().sums(&batch(), &logps), [6.0, 4.0, 11.0, 24.0]);
    }

    #[test]
    fn pairs_weigh_as_likely_as_the_policy_answers_so() {
        let policy =
            TokenScores { logps: vec![-1.0; 9], log_sum_squares: vec![-1.0, -2.0, 0.0, -1.5, 0.0, 0.0, 0.0, 0.0, 0.0] };
        let weights = pair_weights(&batch(), &policy);
        assert!((weights[0] - (0.0f64).exp() * (0.5f64).exp()).abs() < 1e-15, "{weights:?}");
        assert!((weights[1] - (-2.0f64).exp()).abs() < 1e-15, "{weights:?}");
    }
}
