//! A configuration as the metadata of a GGUF file, for a model whose base has none.
//!
//! GGUF has no key for much that llama.cpp knows by the family. What was written is therefore read again, and a
//! configuration that would come back as another is refused.

use std::collections::BTreeMap;
use std::path::Path;

use gguf::{BlockType, Header, TensorInfo, Value};

use crate::config::{Architecture, Config, Rope, RopeScaling, RopeTensors};
use crate::error::{Error, Result};
use crate::weights::name_in_file;

/// Relative difference of numbers that are f32 in the file.
const ROUNDING: f64 = 1e-6;

impl Config {
    /// The metadata that says what this configuration says, as llama.cpp's `convert_hf_to_gguf.py` writes it; the
    /// tokenizer is another's.
    ///
    /// Where llama.cpp ignores a window, the context length is that of the window, within which the two are the same.
    ///
    /// # Errors
    /// [`Error::UnsupportedField`] when GGUF has no words for what the configuration says.
    pub fn to_gguf(&self) -> Result<BTreeMap<String, Value>> {
        let family = self.architecture.gguf_name();
        let window = self.layers.iter().find_map(|layer| layer.window);
        let context = self.window_that_llama_cpp_ignores().unwrap_or(usize::MAX).min(self.max_position_embeddings);
        let mut metadata = BTreeMap::new();
        metadata.insert("general.architecture".to_string(), Value::String(family.to_string()));
        metadata.insert("general.type".to_string(), Value::String("model".to_string()));
        let mut set = |key: &str, value: Value| metadata.insert(format!("{family}.{key}"), value);
        let size = |size: usize| Value::U32(size as u32);
        let number = |number: f64| Value::F32(number as f32);
        set("block_count", size(self.num_hidden_layers));
        set("context_length", size(context));
        set("embedding_length", size(self.hidden_size));
        set("feed_forward_length", size(self.intermediate_size));
        set("attention.head_count", size(self.num_attention_heads));
        set("attention.head_count_kv", size(self.num_key_value_heads));
        set("attention.key_length", size(self.head_dim));
        set("attention.value_length", size(self.head_dim));
        set("attention.layer_norm_rms_epsilon", number(self.rms_norm_eps));
        set("rope.freq_base", number(self.rope.theta));
        set("rope.dimension_count", size(self.rotary_dim));
        set("vocab_size", size(self.vocab_size));
        match self.rope.scaling {
            RopeScaling::Linear { factor } => {
                set("rope.scaling.type", Value::String("linear".to_string()));
                set("rope.scaling.factor", number(factor));
            }
            RopeScaling::LongRope { original_max_position_embeddings, attention_factor, .. } => {
                set("rope.scaling.original_context_length", size(original_max_position_embeddings));
                set("rope.scaling.attn_factor", number(attention_factor));
            }
            RopeScaling::None | RopeScaling::Llama3 { .. } | RopeScaling::Factors(_) => {}
        }
        if let Architecture::Gemma2 | Architecture::Gemma3 | Architecture::Phi3 = self.architecture {
            set("attention.sliding_window", size(window.unwrap_or(0)));
        }
        if let Architecture::Gemma2 | Architecture::Gemma3 = self.architecture {
            let usual = if self.architecture == Architecture::Gemma2 { 2 } else { 6 };
            let full = self.layers.iter().position(|layer| layer.window.is_none()).map(|at| at + 1);
            if let Some(pattern) = full.filter(|&pattern| pattern != usual) {
                set("attention.sliding_window_pattern", size(pattern));
            }
            if let Some(cap) = self.attention_softcap {
                set("attn_logit_softcapping", number(cap));
            }
            if let Some(cap) = self.logit_softcap {
                set("final_logit_softcapping", number(cap));
            }
        }
        if let Some(local) = &self.local_rope {
            set("rope.freq_base_swa", number(local.theta));
        }
        self.refuse_what_would_change(&metadata)?;
        Ok(metadata)
    }

    /// The tokens that a token sees here, where in llama.cpp it sees all: Mistral is a Llama to it, and the window of Phi-3
    /// it reads and does not use (`llama-model.cpp`).
    pub fn window_that_llama_cpp_ignores(&self) -> Option<usize> {
        match self.architecture {
            Architecture::Mistral | Architecture::Phi3 => self.layers.iter().find_map(|layer| layer.window),
            _ => None,
        }
    }

    /// The divisors of rotary frequencies that a GGUF file holds as tensors: name and numbers.
    pub(crate) fn rope_tensors(&self) -> Vec<(String, Vec<f32>)> {
        let single = |numbers: &[f64]| numbers.iter().map(|&number| number as f32).collect();
        match &self.rope.scaling {
            RopeScaling::None | RopeScaling::Linear { .. } => Vec::new(),
            RopeScaling::Factors(factors) => vec![("rope_freqs.weight".to_string(), factors.clone())],
            RopeScaling::Llama3 { .. } => {
                let plain = Rope { theta: self.rope.theta, scaling: RopeScaling::None };
                let plain = plain.inverse_frequencies(self.rotary_dim);
                let scaled = self.rope.inverse_frequencies(self.rotary_dim);
                let divisors: Vec<f64> = plain.iter().zip(scaled).map(|(plain, scaled)| plain / scaled).collect();
                vec![("rope_freqs.weight".to_string(), single(&divisors))]
            }
            RopeScaling::LongRope { short, long, .. } => vec![
                ("rope_factors_short.weight".to_string(), single(short)),
                ("rope_factors_long.weight".to_string(), single(long)),
            ],
        }
    }

    /// Reads the metadata as whoever loads the file will.
    fn refuse_what_would_change(&self, metadata: &BTreeMap<String, Value>) -> Result<()> {
        let tensors = self.tensors().into_iter().map(|(name, shape)| TensorInfo {
            name: name_in_file(self.architecture, &name),
            shape,
            block_type: BlockType(0),
            offset: 0,
            bytes: 0,
        });
        let header = Header { version: 3, metadata: metadata.clone(), tensors: tensors.collect(), data_offset: 0 };
        let mut rope = RopeTensors::default();
        for (name, numbers) in self.rope_tensors() {
            match name.as_str() {
                "rope_factors_short.weight" => rope.short = Some(numbers),
                "rope_factors_long.weight" => rope.long = Some(numbers),
                _ => rope.all = Some(numbers),
            }
        }
        let read = Self::from_gguf(Path::new("the GGUF file"), &header, rope)?;
        match self.first_difference(&read) {
            None => Ok(()),
            Some(field) => Err(Error::UnsupportedField {
                field: field.into(),
                value: "what this model has".into(),
                why: "GGUF has no words for it; export the merged model as a folder".into(),
            }),
        }
    }

    /// The first field in which the mathematics of the configuration that was read from GGUF is another.
    fn first_difference(&self, read: &Self) -> Option<&'static str> {
        let near = |one: f64, other: f64| (one - other).abs() <= ROUNDING * one.abs();
        let near_or_none = |one: Option<f64>, other: Option<f64>| match (one, other) {
            (Some(one), Some(other)) => near(one, other),
            (one, other) => one == other,
        };
        let rope = |one: &Rope, other: &Rope| {
            let pairs = |rope: &Rope| rope.inverse_frequencies(self.rotary_dim);
            let same_kind = match (&one.scaling, &other.scaling) {
                (
                    RopeScaling::LongRope { original_max_position_embeddings: a, attention_factor: b, .. },
                    RopeScaling::LongRope { original_max_position_embeddings: c, attention_factor: d, .. },
                ) => a == c && near(*b, *d),
                (RopeScaling::LongRope { .. }, _) | (_, RopeScaling::LongRope { .. }) => false,
                _ => true,
            };
            same_kind && pairs(one).iter().zip(pairs(other)).all(|(one, other)| near(*one, other))
        };
        let pairs = || self.layers.iter().zip(&read.layers);
        let rotations = pairs().all(|(one, other)| one.rotation == other.rotation);
        let windows = match self.architecture {
            // Within its context length.
            Architecture::Mistral => {
                let context = read.max_position_embeddings;
                self.layers.iter().all(|layer| layer.window.is_none_or(|window| context <= window))
            }
            _ => pairs().all(|(one, other)| one.window == other.window),
        };
        let locals = match (&self.local_rope, &read.local_rope) {
            (Some(one), Some(other)) => rope(one, other),
            (one, other) => one.is_none() && other.is_none(),
        };
        let checks = [
            ("head_dim", (self.head_dim, self.rotary_dim) == (read.head_dim, read.rotary_dim)),
            ("no_rope_layers", rotations),
            ("layer_types", windows),
            ("query_pre_attn_scalar", near(self.attention_scale, read.attention_scale)),
            ("attn_logit_softcapping", near_or_none(self.attention_softcap, read.attention_softcap)),
            ("final_logit_softcapping", near_or_none(self.logit_softcap, read.logit_softcap)),
            ("rms_norm_eps", near(self.rms_norm_eps, read.rms_norm_eps)),
            ("rope_scaling", rope(&self.rope, &read.rope)),
            ("rope_local_base_freq", locals),
            ("attention_bias", self.attention_bias == read.attention_bias),
            ("mlp_bias", self.mlp_bias == read.mlp_bias),
            ("tie_word_embeddings", self.tie_word_embeddings == read.tie_word_embeddings),
        ];
        checks.into_iter().find(|(_, same)| !same).map(|(field, _)| field)
    }
}
