//! What preference optimisation computes of a microbatch: from the log-probabilities of its tokens to a loss.

use crate::data::Example;
use crate::losses::{Evaluation, Objective};
use crate::reference::ReferenceLogps;
use crate::scores::{Counting, Scores};
use model::{Batch, TokenScores};

/// The objective of a step over pairs: DPO (arXiv 2305.18290) and its kin, as the losses say.
#[derive(Debug, Clone)]
pub struct Dpo {
    /// The losses.
    pub objective: Objective,
    /// How the tokens of an answer count.
    pub counting: Counting,
}

impl Dpo {
    /// What the losses see of a packed microbatch (chosen and rejected by turns), and what they make of it.
    pub fn evaluate<'a>(
        &self,
        batch: &Batch,
        policy: &TokenScores,
        pairs: impl Iterator<Item = (&'a Example, &'a ReferenceLogps)>,
    ) -> (Scores, Evaluation) {
        let scores = Scores::new(self.counting, batch, policy, pairs);
        let evaluation = self.objective.evaluate(&scores.logps());
        (scores, evaluation)
    }
}
