//! What a model is made of: one description for every family and every file format.
//!
//! [`Config`] is read from a Hugging Face `config.json` ([`Config::from_folder`]) or from the metadata of a GGUF file
//! ([`Config::from_gguf`]). Both readers refuse, by name, whatever would change the mathematics and is not
//! implemented: a field that is silently ignored would give a model that runs and is wrong.

mod architecture;
mod gguf_metadata;
mod hugging_face;
mod json_fields;
mod rope;
mod rotary_fields;

use std::path::Path;

pub use architecture::{Architecture, LayerNorms};
pub use gguf_metadata::RopeTensors;
pub use rope::{Rope, RopeScaling};

use crate::error::{Error, Result};

/// The shape and the constants of a decoder model. Every value has been checked: sizes are at least one, fit each
/// other, and their products do not overflow.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// The family.
    pub architecture: Architecture,
    /// Rows of the embedding and of the output head.
    pub vocab_size: usize,
    /// Width of the residual stream.
    pub hidden_size: usize,
    /// Width inside the gated MLP.
    pub intermediate_size: usize,
    /// Number of decoder layers.
    pub num_hidden_layers: usize,
    /// Number of query heads.
    pub num_attention_heads: usize,
    /// Number of key and value heads; divides [`Self::num_attention_heads`].
    pub num_key_value_heads: usize,
    /// Width of one head; even.
    pub head_dim: usize,
    /// The first so many dimensions of a head are rotated; even, all of them in most families.
    pub rotary_dim: usize,
    /// The constant under the root of `RMSNorm`.
    pub rms_norm_eps: f64,
    /// How each layer attends.
    pub layers: Vec<LayerAttention>,
    /// What the products of queries and keys are multiplied by.
    pub attention_scale: f64,
    /// Soft cap on the scaled products.
    pub attention_softcap: Option<f64>,
    /// Soft cap on the logits.
    pub logit_softcap: Option<f64>,
    /// Rotary position embedding.
    pub rope: Rope,
    /// Rotary position embedding of layers over a window, where they have one of their own.
    pub local_rope: Option<Rope>,
    /// Whether the output head is the embedding itself.
    pub tie_word_embeddings: bool,
    /// Whether queries, keys and values have a bias.
    pub attention_bias: bool,
    /// Whether the three MLP projections have a bias.
    pub mlp_bias: bool,
    /// The context length that the model was made for.
    pub max_position_embeddings: usize,
    /// Tokens that end a text, as the model's configuration names them.
    pub eos_token_ids: Vec<u32>,
    /// The token that begins a text.
    pub bos_token_id: Option<u32>,
}

/// How one layer attends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LayerAttention {
    /// Tokens that a token sees, itself and those before it; all where absent.
    pub window: Option<usize>,
    /// The rotation of queries and keys.
    pub rotation: Rotation,
}

/// Which rotation a layer has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rotation {
    /// None: the layer knows the order of tokens from the others.
    None,
    /// [`Config::rope`].
    Global,
    /// [`Config::local_rope`].
    Local,
}

impl LayerAttention {
    /// Sees everything, with the usual rotation.
    pub const FULL: Self = Self { window: None, rotation: Rotation::Global };
}

/// A linear of the model: `in_features` numbers in, `out_features` out, the weight `[out, in]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinearShape {
    /// The path of the module in Hugging Face's naming, such as `model.layers.0.self_attn.q_proj`.
    pub name: String,
    /// Width of the input.
    pub in_features: usize,
    /// Width of the output.
    pub out_features: usize,
}

/// Bounds well above any published model. A value beyond them is damage, and would overflow products below.
const MAX_WIDTH: usize = 1 << 20;
const MAX_LAYERS: usize = 1 << 12;
const MAX_VOCAB: usize = 1 << 24;
const MAX_HEAD_DIM: usize = 1 << 14;
const MAX_POSITIONS: usize = 1 << 30;

impl Config {
    /// Every tensor that the model needs, by its Hugging Face name, with its shape. A projection is `[out, in]`.
    ///
    /// A tied output head has no tensor of its own.
    pub fn tensors(&self) -> Vec<(String, Vec<usize>)> {
        let hidden = self.hidden_size;
        let mut tensors = vec![(EMBEDDING.to_string(), vec![self.vocab_size, hidden])];
        for layer in 0..self.num_hidden_layers {
            for norm in self.architecture.layer_norms().names() {
                tensors.push((format!("model.layers.{layer}.{norm}.weight"), vec![hidden]));
            }
            if self.architecture.norms_queries_and_keys() {
                for norm in ["q_norm", "k_norm"] {
                    tensors.push((format!("model.layers.{layer}.self_attn.{norm}.weight"), vec![self.head_dim]));
                }
            }
        }
        tensors.push(("model.norm.weight".to_string(), vec![hidden]));
        for linear in self.linears() {
            let bias = match linear.name.rsplit_once('.') {
                Some((_, "o_proj")) => self.attention_output_bias(),
                Some((parent, _)) if parent.ends_with("self_attn") => self.attention_bias,
                Some((parent, _)) if parent.ends_with("mlp") => self.mlp_bias,
                _ => false,
            };
            if bias {
                tensors.push((format!("{}.bias", linear.name), vec![linear.out_features]));
            }
            if linear.name != OUTPUT_HEAD || !self.tie_word_embeddings {
                tensors.push((format!("{}.weight", linear.name), vec![linear.out_features, linear.in_features]));
            }
        }
        tensors
    }

    /// Every linear of the model in the order of computation, the output head last.
    pub fn linears(&self) -> Vec<LinearShape> {
        let query = self.num_attention_heads * self.head_dim;
        let key_value = self.num_key_value_heads * self.head_dim;
        let (hidden, inner) = (self.hidden_size, self.intermediate_size);
        let per_layer = if self.architecture.fuses_projections() {
            vec![
                ("self_attn.qkv_proj", hidden, query + 2 * key_value),
                ("self_attn.o_proj", query, hidden),
                ("mlp.gate_up_proj", hidden, 2 * inner),
                ("mlp.down_proj", inner, hidden),
            ]
        } else {
            vec![
                ("self_attn.q_proj", hidden, query),
                ("self_attn.k_proj", hidden, key_value),
                ("self_attn.v_proj", hidden, key_value),
                ("self_attn.o_proj", query, hidden),
                ("mlp.gate_proj", hidden, inner),
                ("mlp.up_proj", hidden, inner),
                ("mlp.down_proj", inner, hidden),
            ]
        };
        let mut linears: Vec<LinearShape> = (0..self.num_hidden_layers)
            .flat_map(|layer| {
                per_layer.iter().map(move |&(name, in_features, out_features)| LinearShape {
                    name: format!("model.layers.{layer}.{name}"),
                    in_features,
                    out_features,
                })
            })
            .collect();
        linears.push(LinearShape { name: OUTPUT_HEAD.to_string(), in_features: hidden, out_features: self.vocab_size });
        linears
    }

    /// The number of weights, a tied head counted once.
    pub fn parameter_count(&self) -> u64 {
        self.tensors().iter().map(|(_, shape)| shape.iter().map(|&size| size as u64).product::<u64>()).sum()
    }

    /// Whether the output projection of attention has a bias.
    pub fn attention_output_bias(&self) -> bool {
        self.attention_bias && self.architecture != Architecture::Qwen2
    }

    /// What embeddings are multiplied by.
    pub fn embedding_scale(&self) -> f64 {
        if self.architecture.scales_embeddings() { (self.hidden_size as f64).sqrt() } else { 1.0 }
    }

    /// Refuses sizes that are zero, absurd or that do not fit each other.
    fn check(self, path: &Path) -> Result<Self> {
        let hint = "The file is damaged or was not written for this program's model families";
        let refuse = |what: String| Err(Error::config(path, what, hint));
        let sizes = [
            ("vocab_size", self.vocab_size, MAX_VOCAB),
            ("hidden_size", self.hidden_size, MAX_WIDTH),
            ("intermediate_size", self.intermediate_size, MAX_WIDTH),
            ("num_hidden_layers", self.num_hidden_layers, MAX_LAYERS),
            ("num_attention_heads", self.num_attention_heads, MAX_WIDTH),
            ("num_key_value_heads", self.num_key_value_heads, MAX_WIDTH),
            ("head_dim", self.head_dim, MAX_HEAD_DIM),
            ("max_position_embeddings", self.max_position_embeddings, MAX_POSITIONS),
        ];
        for (name, size, most) in sizes {
            if size == 0 || size > most {
                return refuse(format!("{name} is {size}, outside 1 to {most}"));
            }
        }
        if !self.num_attention_heads.is_multiple_of(self.num_key_value_heads) {
            return refuse(format!(
                "num_attention_heads ({}) is not a multiple of num_key_value_heads ({})",
                self.num_attention_heads, self.num_key_value_heads
            ));
        }
        if !self.head_dim.is_multiple_of(2) {
            return refuse(format!("head_dim ({}) is odd, but rotary embedding turns pairs", self.head_dim));
        }
        if self.num_attention_heads * self.head_dim > MAX_WIDTH {
            return refuse(format!(
                "num_attention_heads × head_dim is {}, above {MAX_WIDTH}",
                self.num_attention_heads * self.head_dim
            ));
        }
        if !(self.rms_norm_eps > 0.0 && self.rms_norm_eps < 1.0) {
            return refuse(format!("rms_norm_eps is {}, outside 0 to 1", self.rms_norm_eps));
        }
        if self.rotary_dim == 0 || self.rotary_dim > self.head_dim || !self.rotary_dim.is_multiple_of(2) {
            let (rotary, head) = (self.rotary_dim, self.head_dim);
            return refuse(format!(
                "{rotary} of a head's {head} dimensions are rotated; an even number from 2 on can be"
            ));
        }
        if self.layers.len() != self.num_hidden_layers {
            let (described, layers) = (self.layers.len(), self.num_hidden_layers);
            return refuse(format!("{described} layers are described where num_hidden_layers is {layers}"));
        }
        if self.layers.iter().any(|layer| layer.window == Some(0)) {
            return refuse("sliding_window is 0".to_string());
        }
        let factors = [("query_pre_attn_scalar", Some(self.attention_scale))];
        let caps =
            [("attn_logit_softcapping", self.attention_softcap), ("final_logit_softcapping", self.logit_softcap)];
        for (name, value) in factors.into_iter().chain(caps) {
            if value.is_some_and(|value| !(value.is_finite() && value > 0.0)) {
                return refuse(format!("{name} must be a finite number above 0"));
            }
        }
        for rope in [Some(&self.rope), self.local_rope.as_ref()].into_iter().flatten() {
            if let Err(what) = rope.check(self.rotary_dim) {
                return refuse(what);
            }
        }
        Ok(self)
    }
}

/// The embedding's tensor. A tied output head has no other.
pub(crate) const EMBEDDING: &str = "model.embed_tokens.weight";

/// The linear from the last hidden state to the vocabulary. PEFT's "all-linear" leaves it out.
pub const OUTPUT_HEAD: &str = "lm_head";
