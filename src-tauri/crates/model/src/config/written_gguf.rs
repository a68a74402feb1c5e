//! A configuration as the metadata of a GGUF file, for a model whose base has none.

use std::collections::BTreeMap;

use gguf::Value;

use super::{Config, Rope, RopeScaling};

impl Config {
    /// The metadata that says what this configuration says, as llama.cpp's `convert_hf_to_gguf.py` writes it; the
    /// tokenizer is another's.
    pub fn to_gguf(&self) -> BTreeMap<String, Value> {
        let family = self.architecture.name();
        let mut metadata = BTreeMap::new();
        metadata.insert("general.architecture".to_string(), Value::String(family.to_string()));
        metadata.insert("general.type".to_string(), Value::String("model".to_string()));
        let mut set = |key: &str, value: Value| metadata.insert(format!("{family}.{key}"), value);
        let size = |size: usize| Value::U32(size as u32);
        set("block_count", size(self.num_hidden_layers));
        set("context_length", size(self.max_position_embeddings));
        set("embedding_length", size(self.hidden_size));
        set("feed_forward_length", size(self.intermediate_size));
        set("attention.head_count", size(self.num_attention_heads));
        set("attention.head_count_kv", size(self.num_key_value_heads));
        set("attention.key_length", size(self.head_dim));
        set("attention.value_length", size(self.head_dim));
        set("attention.layer_norm_rms_epsilon", Value::F32(self.rms_norm_eps as f32));
        set("rope.freq_base", Value::F32(self.rope.theta as f32));
        set("rope.dimension_count", size(self.head_dim));
        set("vocab_size", size(self.vocab_size));
        if let RopeScaling::Linear { factor } = self.rope.scaling {
            set("rope.scaling.type", Value::String("linear".to_string()));
            set("rope.scaling.factor", Value::F32(factor as f32));
        }
        metadata
    }

    /// The divisors of rotary frequencies that a GGUF file holds as tensors: name and numbers.
    pub(crate) fn rope_tensors(&self) -> Vec<(String, Vec<f32>)> {
        let divisors = match &self.rope.scaling {
            RopeScaling::None | RopeScaling::Linear { .. } => return Vec::new(),
            RopeScaling::Factors(factors) => factors.clone(),
            RopeScaling::Llama3 { .. } => {
                let plain = Rope { theta: self.rope.theta, scaling: RopeScaling::None };
                let plain = plain.inverse_frequencies(self.head_dim);
                let scaled = self.rope.inverse_frequencies(self.head_dim);
                plain.iter().zip(scaled).map(|(plain, scaled)| (plain / scaled) as f32).collect()
            }
        };
        vec![("rope_freqs.weight".to_string(), divisors)]
    }
}
