//! Weights that are in no file: numbers drawn from a tensor's name, as bf16.

use std::collections::BTreeMap;
use std::ops::Range;

use candle_core::quantized::GgmlDType;
use half::bf16;
use rand::{RngCore, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

use crate::config::Config;
use crate::error::Result;

/// The tensors of a model by their Hugging Face names, with their shapes.
pub(super) struct RandomWeights(BTreeMap<String, Vec<usize>>);

impl RandomWeights {
    pub(super) fn of(config: &Config) -> Self {
        Self(config.tensors().into_iter().collect())
    }

    pub(super) fn format(&self, name: &str) -> Result<GgmlDType> {
        self.shape(name).map(|_| GgmlDType::BF16)
    }

    /// Rows of a matrix are uniform with the deviation that keeps a layer's output as large as its input; vectors, which are
    /// norms and biases, are 1 and 0.
    pub(super) fn rows(&self, name: &str, rows: Range<usize>) -> Result<Vec<u8>> {
        let &[_, columns] = self.shape(name)? else {
            let number = if name.rsplit('.').next() == Some("bias") { bf16::ZERO } else { bf16::ONE };
            return Ok(number.to_le_bytes().repeat(rows.len()));
        };
        let largest = (3.0 / columns.max(1) as f32).sqrt();
        // The same numbers however the rows are asked for.
        let seed = name.bytes().fold(0u64, |seed, byte| seed.wrapping_mul(31).wrapping_add(u64::from(byte)));
        let mut bytes = vec![0u8; 2 * rows.len() * columns];
        bytes.par_chunks_mut((2 * columns).max(1)).zip(rows).for_each(|(row, at)| {
            let mut generator = ChaCha8Rng::seed_from_u64(seed ^ (at as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15));
            generator.fill_bytes(row);
            for number in row.chunks_exact_mut(2) {
                let drawn = f32::from(i16::from_le_bytes([number[0], number[1]])) / 32768.0;
                number.copy_from_slice(&bf16::from_f32(largest * drawn).to_le_bytes());
            }
        });
        Ok(bytes)
    }

    fn shape(&self, name: &str) -> Result<&[usize]> {
        let missing = || candle_core::Error::CannotFindTensor { path: name.to_string() };
        Ok(self.0.get(name).map(Vec::as_slice).ok_or_else(missing)?)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use std::path::Path;

    fn weights() -> RandomWeights {
        let config = serde_json::json!({
            "model_type": "llama", "vocab_size": 300, "hidden_size": 48, "intermediate_size": 96,
            "num_hidden_layers": 1, "num_attention_heads": 2
        });
        RandomWeights::of(&Config::from_json(&config.to_string(), Path::new("config.json")).unwrap())
    }

    fn numbers(bytes: &[u8]) -> Vec<f32> {
        bytes.chunks_exact(2).map(|pair| bf16::from_le_bytes([pair[0], pair[1]]).to_f32()).collect()
    }

    #[test]
    fn a_row_is_the_same_however_it_is_asked_for_and_differs_from_others() {
        let (weights, name) = (weights(), "model.embed_tokens.weight");
        let all = weights.rows(name, 0..300).unwrap();
        assert_eq!(weights.rows(name, 7..9).unwrap(), all[2 * 48 * 7..2 * 48 * 9]);
        assert_ne!(all[..96], all[96..192]);
        assert_ne!(weights.rows("model.layers.0.self_attn.q_proj.weight", 0..2).unwrap(), all[..192]);
        assert!(weights.rows("model.layers.1.self_attn.q_proj.weight", 0..2).is_err());
    }

    #[test]
    fn products_keep_the_size_of_what_they_are_made_of() {
        let all = numbers(&weights().rows("model.embed_tokens.weight", 0..300).unwrap());
        let (mean, square) = all.iter().fold((0.0, 0.0), |(m, s), &x| (m + f64::from(x), s + f64::from(x * x)));
        let count = all.len() as f64;
        // Of 14,400 uniform numbers: the mean is within four deviations, and so is the mean square, whose deviation is 0.75 %.
        assert!((mean / count).abs() < 4.0 / (48.0 * count).sqrt(), "{}", mean / count);
        assert!((48.0 * square / count - 1.0).abs() < 0.03, "{}", 48.0 * square / count);
        let norm = numbers(&weights().rows("model.norm.weight", 0..48).unwrap());
        assert!(norm.iter().all(|&number| (number - 1.0).abs() < 1e-9));
    }
}
