//! The metadata of a GGUF file, keys as in the GGUF specification (`ggml/docs/gguf.md`).

use std::path::Path;

use gguf::{Header, Value};

use super::{Architecture, Config, LayerAttention, Rope, RopeScaling, Rotation};
use crate::error::{Error, Result};

/// Keys under the architecture's prefix that are read below for every family.
const READ: &[&str] = &[
    "attention.head_count",
    "attention.head_count_kv",
    "attention.key_length",
    "attention.layer_norm_rms_epsilon",
    "attention.value_length",
    "block_count",
    "context_length",
    "embedding_length",
    "feed_forward_length",
    "rope.dimension_count",
    "rope.freq_base",
    "rope.scale_linear",
    "rope.scaling.factor",
    "rope.scaling.type",
    "vocab_size",
];

/// Keys that are read for some families.
fn reads(architecture: Architecture, key: &str) -> bool {
    match architecture {
        Architecture::Gemma2 | Architecture::Gemma3 => [
            "attention.sliding_window",
            "attention.sliding_window_pattern",
            "attn_logit_softcapping",
            "final_logit_softcapping",
            "rope.freq_base_swa",
        ]
        .contains(&key),
        Architecture::Phi3 => {
            ["attention.sliding_window", "rope.scaling.attn_factor", "rope.scaling.original_context_length"]
                .contains(&key)
        }
        _ => false,
    }
}

/// Keys that do not touch the forward pass.
const HARMLESS: &[&str] = &["rope.scaling.finetuned", "rope.scaling.original_context_length", "tensor_data_layout"];

/// Keys that may stand there with one value only, and why.
const MUST_BE: &[(&str, f64, &str)] = &[
    ("expert_count", 0.0, "mixtures of experts are not implemented"),
    ("expert_used_count", 0.0, "mixtures of experts are not implemented"),
    ("attention.causal", 1.0, "only causal attention is implemented"),
    ("use_parallel_residual", 0.0, "parallel residual connections are not implemented"),
    ("rope.scaling.attn_factor", 1.0, "scaling of the attention scores is not implemented"),
];

/// The divisors of rotary frequencies that a GGUF file may hold as tensors.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RopeTensors {
    /// `rope_freqs.weight` (Llama 3).
    pub all: Option<Vec<f32>>,
    /// `rope_factors_short.weight` (Phi-3).
    pub short: Option<Vec<f32>>,
    /// `rope_factors_long.weight` (Phi-3).
    pub long: Option<Vec<f32>>,
}

impl Config {
    /// Reads the metadata of a GGUF file. The head is tied when the file has no `output.weight`, and projections have
    /// biases when the first layer has one.
    ///
    /// `path` is for messages.
    ///
    /// # Errors
    /// When the architecture is another one, when a key is missing or of the wrong type, when sizes are absurd or do
    /// not fit each other, and when a key asks for what is not implemented.
    pub fn from_gguf(path: &Path, header: &Header, rope: RopeTensors) -> Result<Self> {
        let Some(name) = header.metadata.get("general.architecture").and_then(Value::as_str) else {
            let what = "the key general.architecture is missing";
            return Err(Error::config(path, what, "The file is no complete language model"));
        };
        let architecture = Architecture::from_gguf_name(name)?;
        let metadata = Metadata { header, path, prefix: format!("{}.", architecture.gguf_name()), architecture };
        metadata.refuse_the_unknown()?;
        let has = |name: &str| header.tensors.iter().any(|tensor| tensor.name == name);
        let hidden_size = metadata.size("embedding_length")?;
        let num_attention_heads = metadata.size("attention.head_count")?;
        let num_hidden_layers = metadata.size("block_count")?;
        let (head_dim, rotary_dim) = metadata.head_dim(hidden_size, num_attention_heads)?;
        let max_position_embeddings = metadata.size("context_length")?;
        let scaling = metadata.rope_scaling(rope, max_position_embeddings)?;
        let theta = metadata.number("rope.freq_base")?;
        let local_rope = match architecture {
            Architecture::Gemma3 => Some(Rope {
                theta: metadata.number("rope.freq_base_swa")?.unwrap_or(10_000.0),
                scaling: RopeScaling::None,
            }),
            _ => None,
        };
        let biased = |parts: &[&str]| parts.iter().any(|part| has(&format!("blk.0.{part}.bias")));
        let config = Self {
            architecture,
            vocab_size: metadata.vocab_size()?,
            hidden_size,
            intermediate_size: metadata.size("feed_forward_length")?,
            num_hidden_layers,
            num_attention_heads,
            num_key_value_heads: metadata.optional_size("attention.head_count_kv")?.unwrap_or(num_attention_heads),
            head_dim,
            rotary_dim,
            rms_norm_eps: metadata
                .number("attention.layer_norm_rms_epsilon")?
                .ok_or_else(|| metadata.missing("attention.layer_norm_rms_epsilon"))?,
            layers: metadata.layers(num_hidden_layers)?,
            attention_scale: attention_scale(
                architecture,
                num_hidden_layers,
                hidden_size,
                num_attention_heads,
                head_dim,
            ),
            attention_softcap: metadata.softcap("attn_logit_softcapping", Some(50.0))?,
            logit_softcap: metadata.softcap("final_logit_softcapping", Some(30.0))?,
            rope: Rope { theta: theta.unwrap_or(10_000.0), scaling },
            local_rope,
            tie_word_embeddings: !has("output.weight"),
            attention_bias: biased(&["attn_q", "attn_k", "attn_v", "attn_output", "attn_qkv"]),
            mlp_bias: biased(&["ffn_gate", "ffn_up", "ffn_down"]),
            max_position_embeddings,
            eos_token_ids: metadata.token("tokenizer.ggml.eos_token_id")?.into_iter().collect(),
            bos_token_id: metadata.token("tokenizer.ggml.bos_token_id")?,
        };
        config.check(path)
    }
}

/// What the products of queries and keys are multiplied by. GGUF has no key for it: llama.cpp knows the largest Gemmas by
/// their number of layers (`llama-model.cpp`), and so does this.
fn attention_scale(architecture: Architecture, layers: usize, hidden: usize, heads: usize, head_dim: usize) -> f64 {
    let shared_out = match architecture {
        Architecture::Gemma2 => layers == 46,
        Architecture::Gemma3 => layers == 62,
        _ => false,
    };
    let width = if shared_out { hidden as f64 / heads.max(1) as f64 } else { head_dim as f64 };
    width.powf(-0.5)
}

/// The metadata of one file, with the prefix of its architecture.
struct Metadata<'a> {
    header: &'a Header,
    path: &'a Path,
    prefix: String,
    architecture: Architecture,
}

impl<'a> Metadata<'a> {
    fn get(&self, key: &str) -> Option<&'a Value> {
        self.header.metadata.get(&format!("{}{key}", self.prefix))
    }

    fn size(&self, key: &str) -> Result<usize> {
        self.optional_size(key)?.ok_or_else(|| self.missing(key))
    }

    /// A size, which some files repeat per layer; layers that differ are refused.
    fn optional_size(&self, key: &str) -> Result<Option<usize>> {
        let Some(value) = self.get(key) else { return Ok(None) };
        let one = match value.as_array() {
            Some([first, rest @ ..]) if rest.iter().all(|other| other.as_u64() == first.as_u64()) => first,
            Some(_) => return Err(self.unsupported(key, "a list", "the layers must all have the same size")),
            None => value,
        };
        let size = one.as_u64().and_then(|size| usize::try_from(size).ok());
        size.map(Some).ok_or_else(|| self.wrong(key, "a whole number of at least 0"))
    }

    fn number(&self, key: &str) -> Result<Option<f64>> {
        self.get(key).map(|value| value.as_f64().ok_or_else(|| self.wrong(key, "a number"))).transpose()
    }

    fn token(&self, key: &str) -> Result<Option<u32>> {
        let Some(value) = self.header.metadata.get(key) else { return Ok(None) };
        let id = value.as_u64().and_then(|id| u32::try_from(id).ok());
        id.map(Some)
            .ok_or_else(|| Error::config(self.path, format!("{key} is not a token id"), "Download the file again"))
    }

    /// The width of a head (stated, or the hidden width shared out, or that of the rotary embedding), and how much of it is
    /// rotated.
    fn head_dim(&self, hidden_size: usize, heads: usize) -> Result<(usize, usize)> {
        let key = self.optional_size("attention.key_length")?;
        let rotary = self.optional_size("rope.dimension_count")?;
        // Phi-3 may rotate a part of a head only, and its files do not state the width.
        let partial = self.architecture == Architecture::Phi3;
        let head_dim = match key.or(rotary.filter(|_| !partial)) {
            Some(size) => size,
            None if heads > 0 && hidden_size.is_multiple_of(heads) => hidden_size / heads,
            None => return Err(self.missing("rope.dimension_count")),
        };
        if !partial && rotary.is_some_and(|rotary| rotary != head_dim) {
            let value = rotary.unwrap_or_default().to_string();
            let why = format!("rotary embedding is applied to whole heads, here {head_dim} wide");
            return Err(self.unsupported("rope.dimension_count", &value, &why));
        }
        match self.optional_size("attention.value_length")? {
            Some(value) if value != head_dim => {
                let why = format!("keys are {head_dim} wide, and values must be as wide");
                Err(self.unsupported("attention.value_length", &value.to_string(), &why))
            }
            _ => Ok((head_dim, rotary.unwrap_or(head_dim))),
        }
    }

    /// The stated vocabulary, or that of the tokenizer; older files state none.
    fn vocab_size(&self) -> Result<usize> {
        if let Some(size) = self.optional_size("vocab_size")? {
            return Ok(size);
        }
        let tokens = self.header.metadata.get("tokenizer.ggml.tokens").and_then(Value::as_array);
        tokens.map(<[Value]>::len).ok_or_else(|| self.missing("vocab_size"))
    }

    fn rope_scaling(&self, tensors: RopeTensors, max_position_embeddings: usize) -> Result<RopeScaling> {
        let kind = match self.get("rope.scaling.type") {
            // Files from before the key existed had linear scaling only.
            None if self.get("rope.scale_linear").is_some() => "linear",
            None => "none",
            Some(value) => value.as_str().ok_or_else(|| self.wrong("rope.scaling.type", "a name"))?,
        };
        let factor = match self.number("rope.scaling.factor")? {
            Some(factor) => factor,
            None => self.number("rope.scale_linear")?.unwrap_or(1.0),
        };
        if self.architecture == Architecture::Phi3
            && let (Some(short), Some(long)) = (&tensors.short, &tensors.long)
        {
            let double = |numbers: &[f32]| numbers.iter().map(|&number| f64::from(number)).collect();
            return Ok(RopeScaling::LongRope {
                short: double(short),
                long: double(long),
                original_max_position_embeddings: self
                    .optional_size("rope.scaling.original_context_length")?
                    .unwrap_or(max_position_embeddings),
                attention_factor: self.number("rope.scaling.attn_factor")?.unwrap_or(1.0),
            });
        }
        match (kind, tensors.all) {
            // llama.cpp applies the divisors of Llama 3 whatever the type says, and a linear factor on top.
            ("none", Some(factors)) => Ok(RopeScaling::Factors(factors)),
            ("linear", Some(factors)) => {
                Ok(RopeScaling::Factors(factors.into_iter().map(|each| (f64::from(each) * factor) as f32).collect()))
            }
            ("none", None) => Ok(RopeScaling::None),
            ("linear", None) => Ok(RopeScaling::Linear { factor }),
            (other, _) => Err(self.unsupported("rope.scaling.type", other, "only none and linear are implemented")),
        }
    }

    /// How each layer attends.
    fn layers(&self, count: usize) -> Result<Vec<LayerAttention>> {
        if count > super::MAX_LAYERS {
            let what = format!("{}block_count is {count}, more than {}", self.prefix, super::MAX_LAYERS);
            return Err(Error::config(self.path, what, "The file is damaged"));
        }
        let window = if reads(self.architecture, "attention.sliding_window") {
            self.optional_size("attention.sliding_window")?.filter(|&window| window > 0)
        } else {
            None
        };
        let each = |layer: &dyn Fn(usize) -> LayerAttention| (1..=count).map(layer).collect();
        Ok(match self.architecture {
            Architecture::Gemma2 | Architecture::Gemma3 => {
                let usual = if self.architecture == Architecture::Gemma2 { 2 } else { 6 };
                let pattern = self.optional_size("attention.sliding_window_pattern")?.unwrap_or(usual).max(1);
                let window = Some(window.ok_or_else(|| self.missing("attention.sliding_window"))?);
                let local = if self.architecture == Architecture::Gemma3 { Rotation::Local } else { Rotation::Global };
                let windowed = LayerAttention { window, rotation: local };
                each(&|layer| if layer.is_multiple_of(pattern) { LayerAttention::FULL } else { windowed })
            }
            // llama.cpp has this interval in its code too.
            Architecture::SmolLm3 => each(&|layer| LayerAttention {
                rotation: if layer.is_multiple_of(4) { Rotation::None } else { Rotation::Global },
                ..LayerAttention::FULL
            }),
            _ => each(&|_| LayerAttention { window, ..LayerAttention::FULL }),
        })
    }

    /// A soft cap, which Gemma 2 has even where the file does not say it.
    fn softcap(&self, key: &str, of_gemma_2: Option<f64>) -> Result<Option<f64>> {
        let stated = if reads(self.architecture, key) { self.number(key)? } else { None };
        let usual = of_gemma_2.filter(|_| self.architecture == Architecture::Gemma2);
        Ok(stated.filter(|&cap| cap != 0.0).or(usual))
    }

    /// Refuses every key of the architecture that is not read here and not known to be without effect.
    fn refuse_the_unknown(&self) -> Result<()> {
        for (key, value) in &self.header.metadata {
            let Some(name) = key.strip_prefix(&self.prefix) else { continue };
            if READ.contains(&name) || reads(self.architecture, name) || HARMLESS.contains(&name) {
                continue;
            }
            let found = match value {
                Value::Bool(flag) => Some(f64::from(u8::from(*flag))),
                other => other.as_f64(),
            };
            let why = match MUST_BE.iter().find(|(key, ..)| *key == name) {
                Some((_, allowed, _)) if found == Some(*allowed) => continue,
                Some((.., why)) => *why,
                None => "the key is unknown and may change what the model computes",
            };
            let shown =
                found.map_or_else(|| value.as_str().unwrap_or("a list").to_string(), |number| number.to_string());
            return Err(self.unsupported(name, &shown, why));
        }
        Ok(())
    }

    fn missing(&self, key: &str) -> Error {
        let what = format!("the key {}{key} is missing", self.prefix);
        Error::config(self.path, what, "The file is no complete language model")
    }

    fn wrong(&self, key: &str, wanted: &str) -> Error {
        let what = format!("the key {}{key} is not {wanted}", self.prefix);
        Error::config(self.path, what, "Download the file again")
    }

    fn unsupported(&self, key: &str, value: &str, why: &str) -> Error {
        Error::UnsupportedField {
            field: format!("{}{key}", self.prefix),
            value: value.to_string(),
            why: why.to_string(),
        }
    }
}

#[cfg(test)]
mod tests;
