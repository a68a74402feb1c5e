//! Models of given sizes with random weights, for which no file is needed.

use crate::error::Result;
use model::Config;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::path::Path;

/// A size of model: what a published one is made of, with random numbers as bf16.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Shape {
    /// So small that a step takes some milliseconds: to try the command with.
    #[serde(rename = "tiny")]
    Tiny,
    /// SmolLM2-135M.
    #[serde(rename = "135m")]
    Of135M,
    /// Gemma 3 270M.
    #[serde(rename = "270m")]
    Of270M,
    /// Qwen2.5-0.5B.
    #[serde(rename = "0.5b")]
    Of500M,
    /// Llama 3.2 1B.
    #[serde(rename = "1b")]
    Of1B,
}

impl Shape {
    /// All of them, smallest first.
    pub const ALL: [Self; 5] = [Self::Tiny, Self::Of135M, Self::Of270M, Self::Of500M, Self::Of1B];

    /// As arguments spell it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Tiny => "tiny",
            Self::Of135M => "135m",
            Self::Of270M => "270m",
            Self::Of500M => "0.5b",
            Self::Of1B => "1b",
        }
    }

    /// Whose shape it is, in words.
    pub(super) fn words(self) -> &'static str {
        match self {
            Self::Tiny => "a tiny Llama, random weights",
            Self::Of135M => "SmolLM2-135M, random weights",
            Self::Of270M => "Gemma 3 270M, random weights",
            Self::Of500M => "Qwen2.5-0.5B, random weights",
            Self::Of1B => "Llama 3.2 1B, random weights",
        }
    }

    pub(super) fn config(self) -> Result<Config> {
        Ok(Config::from_json(&self.json().to_string(), Path::new("config.json"))?)
    }

    /// Weights of the model, the vocabulary's among them.
    pub(super) fn weights(self) -> Result<u64> {
        let shapes = self.config()?.tensors().into_iter();
        Ok(shapes.map(|(_, shape)| shape.into_iter().map(|it| it as u64).product::<u64>()).sum())
    }

    fn json(self) -> Value {
        match self {
            Self::Tiny => json!({
                "model_type": "llama", "vocab_size": 512, "hidden_size": 64, "intermediate_size": 192,
                "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2,
                "tie_word_embeddings": true, "max_position_embeddings": 8192
            }),
            Self::Of135M => json!({
                "model_type": "llama", "vocab_size": 49_152, "hidden_size": 576, "intermediate_size": 1536,
                "num_hidden_layers": 30, "num_attention_heads": 9, "num_key_value_heads": 3, "rope_theta": 100_000,
                "tie_word_embeddings": true, "max_position_embeddings": 8192
            }),
            Self::Of270M => json!({
                "model_type": "gemma3_text", "vocab_size": 262_144, "hidden_size": 640, "intermediate_size": 2048,
                "num_hidden_layers": 18, "num_attention_heads": 4, "num_key_value_heads": 1, "head_dim": 256,
                "hidden_activation": "gelu_pytorch_tanh", "query_pre_attn_scalar": 256, "rope_theta": 1_000_000,
                "rope_local_base_freq": 10_000, "sliding_window": 512, "max_position_embeddings": 32_768
            }),
            Self::Of500M => json!({
                "model_type": "qwen2", "vocab_size": 151_936, "hidden_size": 896, "intermediate_size": 4864,
                "num_hidden_layers": 24, "num_attention_heads": 14, "num_key_value_heads": 2, "rope_theta": 1_000_000,
                "tie_word_embeddings": true, "max_position_embeddings": 32_768
            }),
            Self::Of1B => json!({
                "model_type": "llama", "vocab_size": 128_256, "hidden_size": 2048, "intermediate_size": 8192,
                "num_hidden_layers": 16, "num_attention_heads": 32, "num_key_value_heads": 8, "rope_theta": 500_000,
                "tie_word_embeddings": true, "max_position_embeddings": 131_072
            }),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use model::{BaseDtype, Decoder};

    #[test]
    fn shapes_have_the_weights_that_those_models_have() {
        // As their model cards count them.
        for (shape, weights) in [
            (Shape::Of135M, 134_515_008),
            (Shape::Of270M, 268_098_176),
            (Shape::Of500M, 494_032_768),
            (Shape::Of1B, 1_235_814_400),
        ] {
            assert_eq!(shape.weights().unwrap(), weights, "{}", shape.name());
        }
    }

    #[test]
    fn names_are_those_that_are_written() {
        for shape in Shape::ALL {
            assert_eq!(serde_json::to_value(shape).unwrap(), shape.name());
        }
    }

    #[test]
    fn a_model_of_random_weights_answers_with_numbers() {
        let config = Shape::Tiny.config().unwrap();
        let source = model::weights::random(config, BaseDtype::Auto, &candle_core::Device::Cpu).unwrap();
        let decoder = Decoder::from_source(&source).unwrap();
        let mut batch = model::Batch::new();
        batch.push_sequence(&[1, 2, 3], &[4, 5]);
        let logp = decoder.logps(None, &batch).unwrap()[0];
        // Two tokens of 512 that it knows nothing about.
        assert!((-40.0..-2.0).contains(&logp), "{logp}");
    }
}
