//! What a trained policy makes of single pairs: the rewards that DPO implies, and the loss of each.

use crate::config::RunConfig;
use crate::data::{Example, pack};
use crate::dpo::Dpo;
use crate::error::Result;
use crate::losses::sigmoid;
use crate::reference::Cache;
use model::Lora;
use serde::{Deserialize, Serialize};

/// A pair under a trained policy and its reference. Log-probabilities are in nats, summed over the tokens of an answer as
/// the run counts them.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct PairScore {
    pub chosen_logps: f64,
    pub rejected_logps: f64,
    pub reference_chosen_logps: f64,
    pub reference_rejected_logps: f64,
    /// TRL's `rewards/chosen`: beta times what training has added to the log-probability of the chosen answer.
    pub chosen_reward: f64,
    /// The same of the rejected answer.
    pub rejected_reward: f64,
    /// The run's loss of this pair alone.
    pub loss: f64,
    /// Tokens of the prompt, after truncation.
    pub prompt_tokens: usize,
    /// Tokens of the chosen answer, after truncation.
    pub chosen_tokens: usize,
    /// Tokens of the rejected answer.
    pub rejected_tokens: usize,
}

impl PairScore {
    /// TRL's `rewards/margins`: below 0 the policy prefers the rejected answer, compared with its reference.
    pub fn margin(&self) -> f64 {
        self.chosen_reward - self.rejected_reward
    }

    /// How likely the chosen answer is the better one by the policy's own rewards (Bradley and Terry's model, as in DPO,
    /// arXiv 2305.18290, Eq. 1).
    pub fn probability(&self) -> f64 {
        sigmoid(self.margin())
    }
}

/// Scores pairs under a policy, in the run's own microbatches; `references` are completed on the way. `progress` is told the
/// number of pairs done and says whether to go on; stopped, the answer is none.
///
/// # Errors
/// When a computation fails or a result is not finite.
pub fn score(
    examples: &[Example],
    policy: &Lora,
    references: &mut Cache<'_>,
    config: &RunConfig,
    progress: &mut dyn FnMut(usize) -> Result<bool>,
) -> Result<Option<Vec<PairScore>>> {
    let settings = &config.settings;
    let dpo = Dpo { objective: settings.objective(), counting: settings.counting() };
    let mut scored = Vec::with_capacity(examples.len());
    for examples in examples.chunks(settings.per_device_train_batch_size.max(1)) {
        let asked: Vec<&Example> = examples.iter().collect();
        let Some(known) = references.complete(&asked, examples.len(), &mut |_| Ok(true))? else {
            return Ok(None);
        };
        let batch = pack(examples.iter());
        let tokens = references.decoder().token_scores(Some(policy), &batch)?;
        let (scores, _) = dpo.evaluate(&batch, &tokens, examples.iter().zip(&known));
        let all = scores.logps();
        for (pair, example) in examples.iter().enumerate() {
            let alone = all.of_pair(pair);
            let ratios = alone.ratios(0);
            if !(ratios.chosen.is_finite() && ratios.rejected.is_finite()) {
                let what = format!("the log-probability of pair {}", example.row + 1);
                return Err(model::Error::NonFinite { what }.into());
            }
            scored.push(PairScore {
                chosen_logps: alone.chosen_logps[0],
                rejected_logps: alone.rejected_logps[0],
                reference_chosen_logps: alone.reference_chosen_logps[0],
                reference_rejected_logps: alone.reference_rejected_logps[0],
                chosen_reward: settings.beta * ratios.chosen,
                rejected_reward: settings.beta * ratios.rejected,
                loss: dpo.objective.evaluate(&alone).loss,
                prompt_tokens: example.ids.chosen_prompt.len(),
                chosen_tokens: example.ids.chosen.len(),
                rejected_tokens: example.ids.rejected.len(),
            });
        }
        if !progress(scored.len())? {
            return Ok(None);
        }
    }
    Ok(Some(scored))
}
