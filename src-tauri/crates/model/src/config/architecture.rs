//! The families of models, and what each is made of beyond its configuration.

use crate::error::{Error, Result};
use kernels::gated::Activation;

/// A family of decoder models. Families are configurations of the same modules; what a family always has stands here, and
/// what varies within one stands in [`super::Config`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Architecture {
    /// Llama 1 to 3.2, `SmolLM2`, `TinyLlama` and others of the same build.
    Llama,
    /// Llama with layers that have no rotary embedding.
    SmolLm3,
    /// Llama with attention over a window (arXiv 2310.06825).
    Mistral,
    /// Qwen 2 and 2.5: biases on queries, keys and values (arXiv 2407.10671).
    Qwen2,
    /// A norm over each head's queries and keys instead of biases (arXiv 2505.09388).
    Qwen3,
    /// Soft caps, norms before and after each block, every other layer over a window (arXiv 2408.00118).
    Gemma2,
    /// The text model of Gemma 3: norms over queries and keys, windows with a rotary embedding of their own
    /// (arXiv 2503.19786).
    Gemma3,
    /// Phi-3 and Phi-4-mini: fused projections, `LongRoPE` (arXiv 2404.14219).
    Phi3,
}

/// The names of a layer's norms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LayerNorms {
    /// Before attention.
    pub input: &'static str,
    /// After attention, before the residual is added.
    pub attention_output: Option<&'static str>,
    /// Before the MLP.
    pub mlp: &'static str,
    /// After the MLP, before the residual is added.
    pub mlp_output: Option<&'static str>,
}

impl LayerNorms {
    /// The names that there are, in the order of computation.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        [Some(self.input), self.attention_output, Some(self.mlp), self.mlp_output].into_iter().flatten()
    }
}

impl Architecture {
    pub(super) const ALL: [Self; 8] =
        [Self::Llama, Self::SmolLm3, Self::Mistral, Self::Qwen2, Self::Qwen3, Self::Gemma2, Self::Gemma3, Self::Phi3];

    /// `model_type` in `config.json`.
    pub fn model_type(self) -> &'static str {
        match self {
            Self::Llama => "llama",
            Self::SmolLm3 => "smollm3",
            Self::Mistral => "mistral",
            Self::Qwen2 => "qwen2",
            Self::Qwen3 => "qwen3",
            Self::Gemma2 => "gemma2",
            Self::Gemma3 => "gemma3_text",
            Self::Phi3 => "phi3",
        }
    }

    /// `general.architecture` in a GGUF file. To llama.cpp Mistral is a Llama.
    pub fn gguf_name(self) -> &'static str {
        match self {
            Self::Mistral => "llama",
            Self::Gemma3 => "gemma3",
            other => other.model_type(),
        }
    }

    /// The class in transformers.
    pub fn class_name(self) -> &'static str {
        match self {
            Self::Llama => "LlamaForCausalLM",
            Self::SmolLm3 => "SmolLM3ForCausalLM",
            Self::Mistral => "MistralForCausalLM",
            Self::Qwen2 => "Qwen2ForCausalLM",
            Self::Qwen3 => "Qwen3ForCausalLM",
            Self::Gemma2 => "Gemma2ForCausalLM",
            Self::Gemma3 => "Gemma3ForCausalLM",
            Self::Phi3 => "Phi3ForCausalLM",
        }
    }

    /// The names of every family that can be read, for a message.
    pub fn names() -> String {
        Self::ALL.map(Self::model_type).join(", ")
    }

    pub(super) fn from_model_type(name: &str) -> Result<Self> {
        Self::find(name, Self::model_type)
    }

    /// The family of that name in a GGUF file.
    ///
    /// # Errors
    /// When there is none; the error names those there are.
    pub fn from_gguf_name(name: &str) -> Result<Self> {
        Self::find(name, Self::gguf_name)
    }

    fn find(name: &str, of: fn(Self) -> &'static str) -> Result<Self> {
        let found = Self::ALL.into_iter().find(|&family| of(family) == name);
        found.ok_or_else(|| Error::UnknownArchitecture { name: name.to_string(), supported: Self::names() })
    }

    /// What the gate of the MLP goes through.
    pub fn activation(self) -> Activation {
        if self.is_gemma() { Activation::GeluTanh } else { Activation::Silu }
    }

    /// Whether Hugging Face stores the weights of norms less one. GGUF files have them whole.
    pub fn norms_from_one(self) -> bool {
        self.is_gemma()
    }

    /// Whether there is a norm over each head's queries and keys.
    pub fn norms_queries_and_keys(self) -> bool {
        matches!(self, Self::Qwen3 | Self::Gemma3)
    }

    /// Whether queries, keys and values are one linear, and the gate and the rest of the MLP's input another.
    pub fn fuses_projections(self) -> bool {
        self == Self::Phi3
    }

    /// The names of a layer's norms.
    pub fn layer_norms(self) -> LayerNorms {
        if self.is_gemma() {
            LayerNorms {
                input: "input_layernorm",
                attention_output: Some("post_attention_layernorm"),
                mlp: "pre_feedforward_layernorm",
                mlp_output: Some("post_feedforward_layernorm"),
            }
        } else {
            LayerNorms {
                input: "input_layernorm",
                attention_output: None,
                mlp: "post_attention_layernorm",
                mlp_output: None,
            }
        }
    }

    /// Whether embeddings are multiplied by the root of their width.
    pub(super) fn scales_embeddings(self) -> bool {
        self.is_gemma()
    }

    /// Whether llama.cpp turns neighbouring rows of a head, so that its files have query and key rows in another order
    /// than Hugging Face's.
    pub fn interleaves_rows_in_gguf(self) -> bool {
        matches!(self, Self::Llama | Self::SmolLm3 | Self::Mistral)
    }

    fn is_gemma(self) -> bool {
        matches!(self, Self::Gemma2 | Self::Gemma3)
    }
}
