//! What a model might have said instead: the most likely tokens at each place of an answer.

use crate::decoder::Decoder;
use crate::error::Result;
use crate::head::response_logps::CHUNK;
use crate::lora::Lora;
use candle_core::{DType, Device, Tensor};
use kernels::batch::Batch;
use rayon::prelude::*;

/// A token at some place, and how likely it is there.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LikelyToken {
    /// Its number in the vocabulary.
    pub id: u32,
    /// Its log-probability, nats.
    pub logp: f64,
}

impl Decoder {
    /// The `count` most likely tokens at the place of each response token, in the order of [`Batch::targets`]; of each place
    /// the most likely comes first, and of equal ones that with the lower number.
    ///
    /// # Errors
    /// As [`Decoder::logps`].
    pub fn most_likely(&self, lora: Option<&Lora>, batch: &Batch, count: usize) -> Result<Vec<Vec<LikelyToken>>> {
        let mut all = Vec::with_capacity(batch.targets().len());
        let (x, pass) = (self.last_layer(lora, batch)?, Decoder::plain_pass(lora));
        for targets in batch.targets().chunks(CHUNK) {
            let rows: Vec<u32> = targets.iter().map(|target| target.row).collect();
            let rows = x.index_select(&Tensor::new(rows, x.device())?, 0)?;
            let logits =
                self.logits_of(&rows, pass)?.to_dtype(DType::F32)?.to_device(&Device::Cpu)?.to_vec2::<f32>()?;
            all.par_extend(logits.par_iter().map(|logits| most_likely(logits, count)));
        }
        Ok(all)
    }
}

fn most_likely(logits: &[f32], count: usize) -> Vec<LikelyToken> {
    let max = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let sum: f64 = logits.iter().map(|&z| f64::from(z - max).exp()).sum();
    let mut ids: Vec<u32> = (0..logits.len() as u32).collect();
    let order = |a: &u32, b: &u32| logits[*b as usize].total_cmp(&logits[*a as usize]).then(a.cmp(b));
    if count < ids.len() {
        ids.select_nth_unstable_by(count, order);
        ids.truncate(count);
    }
    ids.sort_unstable_by(order);
    ids.into_iter().map(|id| LikelyToken { id, logp: f64::from(logits[id as usize] - max) - sum.ln() }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_of_a_sort_of_all_with_the_softmax_of_all() {
        let logits: Vec<f32> = (0..500).map(|i| ((i * 7919) % 101) as f32 / 10.0).collect();
        let total: f64 = logits.iter().map(|&z| f64::from(z).exp()).sum();
        let mut sorted: Vec<usize> = (0..logits.len()).collect();
        sorted.sort_by(|a, b| logits[*b].total_cmp(&logits[*a]));
        for count in [0, 1, 9, 499, 500, 900] {
            let found = most_likely(&logits, count);
            assert_eq!(found.len(), count.min(500));
            for (likely, &id) in found.iter().zip(&sorted) {
                assert_eq!(likely.id as usize, id);
                assert!((likely.logp.exp() - f64::from(logits[id]).exp() / total).abs() < 1e-6);
            }
        }
    }
}
