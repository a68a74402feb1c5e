//! `config.json` of a Hugging Face model folder.
//!
//! Three tables decide about every key: those that are read here, those that must have one value because the other
//! ones mean other mathematics, and those that do not touch the forward pass. A key in none of them is refused.

use std::path::Path;

use serde_json::{Map, Value};

use super::json_fields::Fields;
use super::{Architecture, Config, LayerAttention, Rotation, rotary_fields};
use crate::error::{Error, Result};

/// Keys that may stand there with a neutral value only (`null` is always neutral), and why. A family that gives a key a
/// meaning has taken it before.
const MUST_BE: &[(&str, &[&str], &str)] = &[
    ("pretraining_tp", &["1"], "tensor-parallel slices change the order of the sums; re-save the model with 1"),
    ("attention_dropout", &["0", "0.0"], "dropout on attention weights is not implemented; set it to 0"),
    ("embd_pdrop", &["0", "0.0"], "dropout on embeddings is not implemented; set it to 0"),
    ("resid_pdrop", &["0", "0.0"], "dropout on residual connections is not implemented; set it to 0"),
    ("attention_bias", &["false"], "models of this family have no such biases"),
    ("mlp_bias", &["false"], "models of this family have no such biases"),
    ("lm_head_bias", &["false"], "a bias of the output head is not implemented"),
    ("rope_interleaved", &["false"], "the interleaved rotary layout is not implemented"),
    ("use_mrope", &["false"], "rotary embedding over several axes is not implemented"),
    ("sliding_window", &[], "models of this family have no windows"),
    ("use_sliding_window", &["false"], "models of this family have no windows"),
    ("layer_types", &[], "models of this family have layers of one kind only"),
    ("use_bidirectional_attention", &["false"], "only causal attention is implemented"),
    ("full_attn_mod", &["1"], "attention over blocks is not implemented"),
    ("interpolate_factor", &["1", "1.0"], "interpolated positions are not implemented"),
    ("quantization_config", &[], "quantised safetensors cannot be read; take the original weights or a GGUF file"),
    ("quantization", &[], "quantised safetensors cannot be read; take the original weights or a GGUF file"),
    ("auto_map", &[], "the model brings code of its own, which is never run"),
    ("is_encoder_decoder", &["false"], "only decoder models are supported"),
    ("add_cross_attention", &["false"], "only decoder models are supported"),
    ("tie_encoder_decoder", &["false"], "only decoder models are supported"),
    ("pruned_heads", &["{}"], "pruned heads are not supported"),
];

/// Keys that do not touch the forward pass: bookkeeping, training history, and old generation settings.
const HARMLESS: &[&str] = &[
    "_attn_implementation_autoset",
    "_flash_attn_2_enabled",
    "_model_name_or_path",
    "_name_or_path",
    "architectures",
    "attn_implementation",
    "bad_words_ids",
    "begin_suppress_tokens",
    "cache_implementation",
    "chunk_size_feed_forward",
    "cls_token_id",
    "decoder_start_token_id",
    "diversity_penalty",
    "do_sample",
    "dtype",
    "early_stopping",
    "encoder_no_repeat_ngram_size",
    "exponential_decay_length_penalty",
    "finetuning_task",
    "forced_bos_token_id",
    "forced_eos_token_id",
    "id2label",
    "initializer_range",
    "is_decoder",
    "is_llama_config",
    "label2id",
    "length_penalty",
    "mask_token_id",
    "max_length",
    "max_sequence_length",
    "min_length",
    "no_repeat_ngram_size",
    "num_beam_groups",
    "num_beams",
    "num_return_sequences",
    "output_attentions",
    "output_hidden_states",
    "output_scores",
    "pad_token_id",
    "prefix",
    "problem_type",
    "remove_invalid_values",
    "repetition_penalty",
    "return_dict",
    "return_dict_in_generate",
    "sep_token_id",
    "suppress_tokens",
    "task_specific_params",
    "temperature",
    "tf_legacy_loss",
    "tokenizer_class",
    "top_k",
    "top_p",
    "torch_dtype",
    "torchscript",
    "transformers.js_config",
    "transformers_version",
    "typical_p",
    "unk_token_id",
    "unsloth_fixed",
    "unsloth_version",
    "use_bfloat16",
    "use_cache",
];

/// A `config.json` is a few kilobytes; one this large is something else.
const MAX_BYTES: u64 = 16 << 20;

impl Config {
    /// Reads `config.json` in `folder`.
    ///
    /// Understands both spellings of the rotary settings: `rope_theta` with `rope_scaling` (transformers 4) and
    /// `rope_parameters` (transformers 5).
    ///
    /// # Errors
    /// When the file is missing or not JSON, when a size is absent, absurd or does not fit the others, and when a
    /// field asks for what is not implemented.
    pub fn from_folder(folder: &Path) -> Result<Self> {
        let path = folder.join("config.json");
        let size = std::fs::metadata(&path).map_err(Error::io(&path))?.len();
        if size > MAX_BYTES {
            let what = format!("it has {size} bytes, far too many for a configuration");
            return Err(Error::config(&path, what, "Is this the right file?"));
        }
        let text = std::fs::read_to_string(&path).map_err(Error::io(&path))?;
        Self::from_json(&text, &path)
    }

    /// Reads the text of a `config.json`; `path` is for messages.
    ///
    /// # Errors
    /// As [`Self::from_folder`].
    pub fn from_json(text: &str, path: &Path) -> Result<Self> {
        let map: Map<String, Value> = serde_json::from_str(text).map_err(|error| {
            Error::config(path, format!("it is not a JSON object: {error}"), "Download the model folder again")
        })?;
        let mut fields = Fields { map, path };
        let architecture = match fields.word("model_type")? {
            Some(name) => Architecture::from_model_type(&name)?,
            None => return Err(fields.missing("model_type")),
        };
        let defaults = Defaults::of(architecture);
        activation(&mut fields, architecture)?;
        if architecture == Architecture::Phi3 {
            // Published before transformers had the family, with code that says the same.
            fields.take("auto_map");
        }
        let hidden_size = fields.size("hidden_size")?.ok_or_else(|| fields.missing("hidden_size"))?;
        let num_attention_heads =
            fields.size("num_attention_heads")?.ok_or_else(|| fields.missing("num_attention_heads"))?;
        let num_key_value_heads =
            fields.nullable_size("num_key_value_heads", defaults.num_key_value_heads)?.unwrap_or(num_attention_heads);
        let head_dim = match fields.nullable_size("head_dim", defaults.head_dim)? {
            Some(size) => size,
            None if num_attention_heads > 0 && hidden_size.is_multiple_of(num_attention_heads) => {
                hidden_size / num_attention_heads
            }
            None => {
                let what = format!(
                    "hidden_size ({hidden_size}) is not a multiple of num_attention_heads ({num_attention_heads}) and \
                     no head_dim is given"
                );
                return Err(Error::config(path, what, "Add head_dim as the model's authors state it"));
            }
        };
        let num_hidden_layers = fields.size("num_hidden_layers")?.ok_or_else(|| fields.missing("num_hidden_layers"))?;
        let layers = layers(&mut fields, architecture, &defaults, num_hidden_layers)?;
        let max_position_embeddings =
            fields.size("max_position_embeddings")?.unwrap_or(defaults.max_position_embeddings);
        let rotary_defaults = rotary_fields::Defaults { theta: defaults.rope_theta, max_position_embeddings };
        let rotary = rotary_fields::read(&mut fields, architecture, &rotary_defaults)?;
        #[allow(clippy::float_cmp)] // As it is written in the file.
        if rotary.partial_rotary_factor != 1.0 && architecture != Architecture::Phi3 {
            return Err(Error::UnsupportedField {
                field: "partial_rotary_factor".into(),
                value: rotary.partial_rotary_factor.to_string(),
                why: "models of this family rotate whole heads".into(),
            });
        }
        let (mut attention_scale, mut attention_softcap, mut logit_softcap) = (head_dim as f64, None, None);
        if matches!(architecture, Architecture::Gemma2 | Architecture::Gemma3) {
            attention_scale = fields.number("query_pre_attn_scalar")?.unwrap_or(256.0);
            attention_softcap = fields.nullable_number("attn_logit_softcapping", defaults.attention_softcap)?;
            logit_softcap = fields.nullable_number("final_logit_softcapping", defaults.logit_softcap)?;
        }
        let biases = matches!(
            architecture,
            Architecture::Llama
                | Architecture::SmolLm3
                | Architecture::Qwen3
                | Architecture::Gemma2
                | Architecture::Gemma3
        );
        let attention_bias = match architecture {
            Architecture::Qwen2 => true,
            _ if biases => fields.flag("attention_bias")?.unwrap_or(false),
            _ => false,
        };
        let mlp_biases = matches!(architecture, Architecture::Llama | Architecture::SmolLm3);
        let config = Self {
            architecture,
            vocab_size: fields.size("vocab_size")?.ok_or_else(|| fields.missing("vocab_size"))?,
            hidden_size,
            intermediate_size: fields.size("intermediate_size")?.ok_or_else(|| fields.missing("intermediate_size"))?,
            num_hidden_layers,
            num_attention_heads,
            num_key_value_heads,
            head_dim,
            rotary_dim: (head_dim as f64 * rotary.partial_rotary_factor) as usize,
            rms_norm_eps: fields.number("rms_norm_eps")?.unwrap_or(defaults.rms_norm_eps),
            layers,
            attention_scale: attention_scale.powf(-0.5),
            attention_softcap,
            logit_softcap,
            rope: rotary.rope,
            local_rope: rotary.local_rope,
            tie_word_embeddings: fields.flag("tie_word_embeddings")?.unwrap_or(defaults.tie_word_embeddings),
            attention_bias,
            mlp_bias: if mlp_biases { fields.flag("mlp_bias")?.unwrap_or(false) } else { false },
            max_position_embeddings,
            eos_token_ids: fields.ids("eos_token_id")?,
            bos_token_id: fields.ids("bos_token_id")?.first().copied(),
        };
        refuse_the_rest(&fields)?;
        config.check(path)
    }
}

/// What a family's configuration class in transformers 5.23 has for fields that the file leaves out.
struct Defaults {
    /// As many as query heads where absent.
    num_key_value_heads: Option<usize>,
    /// The hidden width shared out where absent.
    head_dim: Option<usize>,
    max_position_embeddings: usize,
    rms_norm_eps: f64,
    rope_theta: f64,
    tie_word_embeddings: bool,
    sliding_window: Option<usize>,
    attention_softcap: Option<f64>,
    logit_softcap: Option<f64>,
}

impl Defaults {
    fn of(architecture: Architecture) -> Self {
        let llama = Self {
            num_key_value_heads: None,
            head_dim: None,
            max_position_embeddings: 2048,
            rms_norm_eps: 1e-6,
            rope_theta: 10_000.0,
            tie_word_embeddings: false,
            sliding_window: None,
            attention_softcap: None,
            logit_softcap: None,
        };
        let gemma = Self {
            num_key_value_heads: Some(4),
            head_dim: Some(256),
            tie_word_embeddings: true,
            sliding_window: Some(4096),
            ..llama
        };
        match architecture {
            Architecture::Llama => llama,
            Architecture::SmolLm3 => Self {
                num_key_value_heads: Some(4),
                max_position_embeddings: 32_768,
                tie_word_embeddings: true,
                ..llama
            },
            Architecture::Mistral => Self {
                num_key_value_heads: Some(8),
                max_position_embeddings: 131_072,
                sliding_window: Some(4096),
                ..llama
            },
            Architecture::Qwen2 => Self {
                num_key_value_heads: Some(32),
                max_position_embeddings: 32_768,
                sliding_window: Some(4096),
                ..llama
            },
            Architecture::Qwen3 => Self {
                num_key_value_heads: Some(32),
                head_dim: Some(128),
                max_position_embeddings: 32_768,
                sliding_window: Some(4096),
                ..llama
            },
            Architecture::Gemma2 => Self {
                max_position_embeddings: 8192,
                attention_softcap: Some(50.0),
                logit_softcap: Some(30.0),
                ..gemma
            },
            Architecture::Gemma3 => Self { max_position_embeddings: 131_072, rope_theta: 1_000_000.0, ..gemma },
            Architecture::Phi3 => Self { max_position_embeddings: 4096, rms_norm_eps: 1e-5, ..llama },
        }
    }
}

/// Takes out the name of the activation, which must be the family's.
fn activation(fields: &mut Fields<'_>, architecture: Architecture) -> Result<()> {
    let (names, allowed, why): (&[&str], &[&str], _) = match architecture {
        Architecture::Gemma2 | Architecture::Gemma3 => (
            // The first is a leftover that transformers does not read.
            &["hidden_act", "hidden_activation"],
            &["gelu_pytorch_tanh"],
            "only the tanh approximation of GELU is implemented for Gemma",
        ),
        _ => (&["hidden_act"], &["silu", "swish"], "only SiLU is implemented for this family"),
    };
    for name in names {
        if let Some(found) = fields.word(name)?
            && !allowed.contains(&found.as_str())
        {
            return Err(Error::UnsupportedField { field: (*name).into(), value: found, why: why.into() });
        }
    }
    Ok(())
}

/// Takes out what says which layers attend over a window, and which have what rotation.
fn layers(
    fields: &mut Fields<'_>,
    architecture: Architecture,
    defaults: &Defaults,
    count: usize,
) -> Result<Vec<LayerAttention>> {
    if count > super::MAX_LAYERS {
        let what = format!("num_hidden_layers is {count}, outside 1 to {}", super::MAX_LAYERS);
        return Err(Error::config(fields.path, what, "The file is damaged"));
    }
    let each = |layer: &dyn Fn(usize) -> LayerAttention| (0..count).map(layer).collect::<Vec<_>>();
    let windowed = |window| LayerAttention { window, ..LayerAttention::FULL };
    Ok(match architecture {
        Architecture::Llama => each(&|_| LayerAttention::FULL),
        Architecture::Mistral | Architecture::Phi3 => {
            let window = fields.nullable_size("sliding_window", defaults.sliding_window)?;
            each(&|_| windowed(window))
        }
        Architecture::Qwen2 | Architecture::Qwen3 => {
            let used = fields.flag("use_sliding_window")?.unwrap_or(false);
            let window = fields.nullable_size("sliding_window", defaults.sliding_window)?.filter(|_| used);
            let full = fields.size("max_window_layers")?.unwrap_or(28);
            let usual = |layer: usize| window.is_some() && layer >= full;
            let slides = slides(fields, count, window, &usual)?;
            each(&|layer| windowed(window.filter(|_| slides[layer])))
        }
        Architecture::SmolLm3 => {
            let used = fields.flag("use_sliding_window")?.unwrap_or(false);
            let window = fields.nullable_size("sliding_window", None)?.filter(|_| used);
            let interval = fields.size("no_rope_layer_interval")?.unwrap_or(4).max(1);
            let rotated: Vec<bool> = match fields.numbers("no_rope_layers")? {
                Some(layers) => layers.into_iter().map(|has_rope| has_rope > 0.0).collect(),
                None => (1..=count).map(|layer| !layer.is_multiple_of(interval)).collect(),
            };
            if rotated.len() != count {
                let what = format!("no_rope_layers has {} entries for {count} layers", rotated.len());
                return Err(Error::config(fields.path, what, "Is this the model's own config.json?"));
            }
            let slides = slides(fields, count, window, &|layer| window.is_some() && !rotated[layer])?;
            each(&|layer| LayerAttention {
                window: window.filter(|_| slides[layer]),
                rotation: if rotated[layer] { Rotation::Global } else { Rotation::None },
            })
        }
        Architecture::Gemma2 | Architecture::Gemma3 => {
            let window = fields.nullable_size("sliding_window", defaults.sliding_window)?;
            let pattern = if architecture == Architecture::Gemma3 {
                let old = fields.size("_sliding_window_pattern")?;
                fields.size("sliding_window_pattern")?.or(old).unwrap_or(6)
            } else {
                2
            };
            let slides = slides(fields, count, window, &|layer| !(layer + 1).is_multiple_of(pattern.max(1)))?;
            each(&|layer| LayerAttention {
                window: window.filter(|_| slides[layer]),
                rotation: if slides[layer] && architecture == Architecture::Gemma3 {
                    Rotation::Local
                } else {
                    Rotation::Global
                },
            })
        }
    })
}

/// For each layer whether it attends over the window: as `layer_types` says, or else as `usual`.
fn slides(
    fields: &mut Fields<'_>,
    count: usize,
    window: Option<usize>,
    usual: &dyn Fn(usize) -> bool,
) -> Result<Vec<bool>> {
    let slides = match fields.take("layer_types") {
        None => (0..count).map(usual).collect::<Vec<_>>(),
        Some(value) => {
            let known = |kind: &Value| match kind.as_str() {
                Some("full_attention") => Some(false),
                Some("sliding_attention") => Some(true),
                _ => None,
            };
            let kinds = value.as_array().filter(|kinds| kinds.len() == count);
            let kinds = kinds.and_then(|kinds| kinds.iter().map(known).collect::<Option<Vec<bool>>>());
            let wanted = format!("a list of {count} names, full_attention or sliding_attention,");
            kinds.ok_or_else(|| fields.wrong("layer_types", &value, &wanted))?
        }
    };
    if window.is_none() && slides.contains(&true) {
        return Err(Error::UnsupportedField {
            field: "layer_types".into(),
            value: "sliding_attention".into(),
            why: "the file says no sliding_window for them".into(),
        });
    }
    Ok(slides)
}

/// Refuses every field that was not taken and is not known to be without effect.
fn refuse_the_rest(fields: &Fields<'_>) -> Result<()> {
    for (name, value) in &fields.map {
        if value.is_null() || HARMLESS.contains(&name.as_str()) {
            continue;
        }
        let why = match MUST_BE.iter().find(|(key, ..)| key == name) {
            Some((_, allowed, _)) if allowed.contains(&value.to_string().as_str()) => continue,
            Some((_, _, why)) => *why,
            None => "the field is unknown and may change what the model computes; remove it if it does not",
        };
        return Err(Error::UnsupportedField { field: name.clone(), value: value.to_string(), why: why.into() });
    }
    Ok(())
}

#[cfg(test)]
mod tests;
