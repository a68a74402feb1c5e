//! `config.json` of a Hugging Face model folder.
//!
//! Three tables decide about every key: those that are read here, those that must have one value because the other
//! ones mean other mathematics, and those that do not touch the forward pass. A key in none of them is refused.

use std::path::Path;

use serde_json::{Map, Value};

use super::{Architecture, Config, Rope, RopeScaling};
use crate::error::{Error, Result};

/// Keys that may stand there with a neutral value only (`null` is always neutral), and why.
const MUST_BE: &[(&str, &[&str], &str)] = &[
    ("hidden_act", &["\"silu\"", "\"swish\""], "only SiLU is implemented"),
    ("pretraining_tp", &["1"], "tensor-parallel slices change the order of the sums; re-save the model with 1"),
    ("attention_dropout", &["0", "0.0"], "dropout on attention weights is not implemented; set it to 0"),
    ("partial_rotary_factor", &["1", "1.0"], "rotary embedding is applied to whole heads only"),
    ("rope_interleaved", &["false"], "the interleaved rotary layout is not implemented"),
    ("sliding_window", &[], "attention over a window is not implemented"),
    ("use_sliding_window", &["false"], "attention over a window is not implemented"),
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
    "_name_or_path",
    "architectures",
    "attn_implementation",
    "bad_words_ids",
    "begin_suppress_tokens",
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
        let architecture = match fields.take("model_type") {
            Some(Value::String(name)) => Architecture::from_name(&name)?,
            Some(other) => return Err(fields.wrong("model_type", &other, "a name")),
            None => return Err(fields.missing("model_type")),
        };
        let hidden_size = fields.size("hidden_size")?.ok_or_else(|| fields.missing("hidden_size"))?;
        let num_attention_heads =
            fields.size("num_attention_heads")?.ok_or_else(|| fields.missing("num_attention_heads"))?;
        let head_dim = match fields.size("head_dim")? {
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
        // Defaults are those of transformers' LlamaConfig.
        let max_position_embeddings = fields.size("max_position_embeddings")?.unwrap_or(2048);
        let config = Self {
            architecture,
            vocab_size: fields.size("vocab_size")?.ok_or_else(|| fields.missing("vocab_size"))?,
            hidden_size,
            intermediate_size: fields.size("intermediate_size")?.ok_or_else(|| fields.missing("intermediate_size"))?,
            num_hidden_layers: fields.size("num_hidden_layers")?.ok_or_else(|| fields.missing("num_hidden_layers"))?,
            num_attention_heads,
            num_key_value_heads: fields.size("num_key_value_heads")?.unwrap_or(num_attention_heads),
            head_dim,
            rms_norm_eps: fields.number("rms_norm_eps")?.unwrap_or(1e-6),
            rope: rope(&mut fields, max_position_embeddings)?,
            tie_word_embeddings: fields.flag("tie_word_embeddings")?.unwrap_or(false),
            attention_bias: fields.flag("attention_bias")?.unwrap_or(false),
            mlp_bias: fields.flag("mlp_bias")?.unwrap_or(false),
            max_position_embeddings,
            eos_token_ids: fields.ids("eos_token_id")?,
            bos_token_id: fields.ids("bos_token_id")?.first().copied(),
        };
        fields.refuse_the_rest()?;
        config.check(path)
    }
}

/// Reads and takes out the rotary settings in either spelling.
fn rope(fields: &mut Fields<'_>, max_position_embeddings: usize) -> Result<Rope> {
    let top_theta = fields.number("rope_theta")?;
    let top_original = fields.size("original_max_position_embeddings")?;
    let old = fields.take("rope_scaling");
    let new = fields.take("rope_parameters");
    if let (Some(old), Some(new)) = (&old, &new)
        && old != new
    {
        return Err(Error::UnsupportedField {
            field: "rope_scaling".into(),
            value: old.to_string(),
            why: "rope_parameters is there too and says something else; remove the one that is wrong".into(),
        });
    }
    let spelling = if new.is_some() { "rope_parameters" } else { "rope_scaling" };
    let map = match new.or(old) {
        None => Map::new(),
        Some(Value::Object(map)) => map,
        Some(other) => return Err(fields.wrong(spelling, &other, "an object")),
    };
    let mut inner = Fields { map, path: fields.path };
    // `type` is the older name; files exist that carry both.
    let older = inner.take("type");
    let kind = match inner.take("rope_type").or(older) {
        None => "default".to_string(),
        Some(Value::String(name)) => name,
        Some(other) => return Err(inner.wrong("rope_type", &other, "a name")),
    };
    let theta = inner.number("rope_theta")?.or(top_theta).unwrap_or(10_000.0);
    let original = inner.size("original_max_position_embeddings")?;
    let scaling = match kind.as_str() {
        "default" => RopeScaling::None,
        "linear" => {
            RopeScaling::Linear { factor: inner.number("factor")?.ok_or_else(|| inner.missing("rope factor"))? }
        }
        "llama3" => {
            let mut need = |name: &str| {
                let value = inner.number(name)?;
                value.ok_or_else(|| inner.missing(&format!("rope {name}")))
            };
            RopeScaling::Llama3 {
                factor: need("factor")?,
                low_freq_factor: need("low_freq_factor")?,
                high_freq_factor: need("high_freq_factor")?,
                // The same order of precedence as transformers' `standardize_rope_params`.
                original_max_position_embeddings: top_original.or(original).unwrap_or(max_position_embeddings),
            }
        }
        _ => {
            return Err(Error::UnsupportedField {
                field: format!("{spelling}.rope_type"),
                value: Value::from(kind).to_string(),
                why: "only default, linear and llama3 are implemented".into(),
            });
        }
    };
    for (name, value) in &inner.map {
        let neutral = value.is_null() || (name == "partial_rotary_factor" && value.as_f64() == Some(1.0));
        if !neutral {
            return Err(Error::UnsupportedField {
                field: format!("{spelling}.{name}"),
                value: value.to_string(),
                why: format!("the rope type {kind} does not use it, so the file means something else"),
            });
        }
    }
    Ok(Rope { theta, scaling })
}

/// A JSON object from which fields are taken by type, so that what nobody took is left over at the end.
struct Fields<'a> {
    map: Map<String, Value>,
    path: &'a Path,
}

impl Fields<'_> {
    /// Takes a field out; `null` counts as absent.
    fn take(&mut self, name: &str) -> Option<Value> {
        self.map.remove(name).filter(|value| !value.is_null())
    }

    fn size(&mut self, name: &str) -> Result<Option<usize>> {
        self.take(name)
            .map(|value| {
                let size = value.as_u64().and_then(|size| usize::try_from(size).ok());
                size.ok_or_else(|| self.wrong(name, &value, "a whole number of at least 0"))
            })
            .transpose()
    }

    fn number(&mut self, name: &str) -> Result<Option<f64>> {
        self.take(name).map(|value| value.as_f64().ok_or_else(|| self.wrong(name, &value, "a number"))).transpose()
    }

    fn flag(&mut self, name: &str) -> Result<Option<bool>> {
        self.take(name)
            .map(|value| value.as_bool().ok_or_else(|| self.wrong(name, &value, "true or false")))
            .transpose()
    }

    /// One token id or a list of them.
    fn ids(&mut self, name: &str) -> Result<Vec<u32>> {
        let Some(value) = self.take(name) else { return Ok(Vec::new()) };
        let list = match &value {
            Value::Array(list) => list.as_slice(),
            single => std::slice::from_ref(single),
        };
        list.iter()
            .map(|id| id.as_u64().and_then(|id| u32::try_from(id).ok()))
            .collect::<Option<Vec<u32>>>()
            .ok_or_else(|| self.wrong(name, &value, "a token id or a list of token ids"))
    }

    /// Refuses every field that was not taken and is not known to be without effect.
    fn refuse_the_rest(self) -> Result<()> {
        for (name, value) in &self.map {
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

    fn missing(&self, name: &str) -> Error {
        Error::config(self.path, format!("{name} is missing"), "Is this the model's own config.json?")
    }

    fn wrong(&self, name: &str, value: &Value, wanted: &str) -> Error {
        Error::config(self.path, format!("{name} is {value} where {wanted} is needed"), "Is the file damaged?")
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn read(value: &Value) -> Result<Config> {
        Config::from_json(&value.to_string(), Path::new("config.json"))
    }

    fn tiny() -> Value {
        json!({
            "model_type": "llama", "vocab_size": 512, "hidden_size": 64, "intermediate_size": 112,
            "num_hidden_layers": 3, "num_attention_heads": 4, "num_key_value_heads": 2, "rms_norm_eps": 1e-5,
            "max_position_embeddings": 512, "hidden_act": "silu", "eos_token_id": 2, "bos_token_id": 1
        })
    }

    fn with(name: &str, value: Value) -> Value {
        let mut config = tiny();
        config[name] = value;
        config
    }

    #[test]
    fn a_plain_configuration_gets_the_defaults_of_transformers() {
        let config = read(&tiny()).unwrap();
        assert_eq!(config.head_dim, 16);
        assert_eq!(config.rope, Rope { theta: 10_000.0, scaling: RopeScaling::None });
        assert!(!config.tie_word_embeddings && !config.attention_bias && !config.mlp_bias);
        assert_eq!((config.eos_token_ids, config.bos_token_id), (vec![2], Some(1)));
    }

    #[test]
    fn both_spellings_of_the_rotary_settings_mean_the_same() {
        let constants = json!({
            "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 64
        });
        let mut old = with("rope_theta", json!(500_000.0));
        old["rope_scaling"] = constants.clone();
        old["rope_scaling"]["rope_type"] = json!("llama3");
        let mut older = with("rope_theta", json!(500_000));
        older["rope_scaling"] = constants.clone();
        older["rope_scaling"]["type"] = json!("llama3");
        let mut new = with("rope_parameters", constants);
        new["rope_parameters"]["rope_type"] = json!("llama3");
        new["rope_parameters"]["rope_theta"] = json!(500_000.0);
        let config = read(&new).unwrap();
        assert_eq!(
            config.rope,
            Rope {
                theta: 500_000.0,
                scaling: RopeScaling::Llama3 {
                    factor: 8.0,
                    low_freq_factor: 1.0,
                    high_freq_factor: 4.0,
                    original_max_position_embeddings: 64
                }
            }
        );
        assert_eq!(read(&old).unwrap(), config);
        assert_eq!(read(&older).unwrap(), config);
        let linear = with("rope_scaling", json!({"type": "linear", "factor": 2}));
        assert_eq!(read(&linear).unwrap().rope.scaling, RopeScaling::Linear { factor: 2.0 });
    }

    #[test]
    fn several_end_tokens_are_read() {
        let config = read(&with("eos_token_id", json!([128_001, 128_008, 128_009]))).unwrap();
        assert_eq!(config.eos_token_ids, [128_001, 128_008, 128_009]);
        assert!(read(&with("eos_token_id", json!([1, -1]))).is_err());
    }

    #[test]
    fn what_would_change_the_mathematics_is_refused_by_name() {
        let refused = [
            ("hidden_act", json!("gelu")),
            ("pretraining_tp", json!(2)),
            ("attention_dropout", json!(0.1)),
            ("sliding_window", json!(4096)),
            ("quantization_config", json!({"bits": 4})),
            ("auto_map", json!({"AutoModel": "code.py"})),
            ("partial_rotary_factor", json!(0.5)),
            ("query_pre_attn_scalar", json!(32)),
            ("rope_scaling", json!({"rope_type": "yarn", "factor": 4.0})),
            ("rope_scaling", json!({"type": "dynamic", "factor": 4.0})),
            ("rope_scaling", json!({"rope_type": "longrope", "short_factor": [1.0], "long_factor": [1.0]})),
            ("rope_parameters", json!({"rope_type": "default", "factor": 4.0})),
        ];
        for (name, value) in refused {
            let error = read(&with(name, value.clone())).unwrap_err();
            assert!(matches!(error, Error::UnsupportedField { .. }), "{name}: {error}");
            assert!(error.to_string().contains(name), "{error}");
        }
        let both = {
            let mut both = with("rope_scaling", json!({"type": "linear", "factor": 2.0}));
            both["rope_parameters"] = json!({"rope_type": "default", "rope_theta": 10000.0});
            both
        };
        assert!(matches!(read(&both), Err(Error::UnsupportedField { .. })));
        let error = read(&with("model_type", json!("mamba"))).unwrap_err();
        assert!(matches!(&error, Error::UnknownArchitecture { name } if name == "mamba"));
    }

    #[test]
    fn neutral_and_harmless_fields_are_accepted() {
        let mut config = tiny();
        for (name, value) in [
            ("pretraining_tp", json!(1)),
            ("attention_dropout", json!(0.0)),
            ("sliding_window", Value::Null),
            ("rope_scaling", Value::Null),
            ("torch_dtype", json!("bfloat16")),
            ("transformers.js_config", json!({"kv_cache_dtype": {"q4f16": "float16"}})),
            ("rope_interleaved", json!(false)),
            ("something_new", Value::Null),
        ] {
            config[name] = value;
        }
        assert_eq!(read(&config).unwrap(), read(&tiny()).unwrap());
    }

    #[test]
    fn sizes_that_are_absurd_or_do_not_fit_are_refused() {
        for (name, value) in [
            ("hidden_size", json!(0)),
            ("hidden_size", json!(u64::MAX)),
            ("hidden_size", json!(66)),
            ("hidden_size", json!(-64)),
            ("hidden_size", json!("64")),
            ("num_attention_heads", json!(0)),
            ("num_key_value_heads", json!(3)),
            ("num_key_value_heads", json!(0)),
            ("num_hidden_layers", json!(1u64 << 40)),
            ("vocab_size", json!(1u64 << 60)),
            ("head_dim", json!(15)),
            ("rms_norm_eps", json!(0.0)),
            ("rope_theta", json!(0)),
            ("vocab_size", Value::Null),
        ] {
            let error = read(&with(name, value.clone())).unwrap_err();
            assert!(matches!(error, Error::Config { .. }), "{name} = {value}: {error}");
        }
    }

    proptest! {
        /// Whatever stands in the file, reading it gives a value or an error.
        #[test]
        fn no_text_makes_it_panic(text in ".{0,200}") {
            let _ = Config::from_json(&text, Path::new("config.json"));
        }

        #[test]
        fn no_number_makes_it_panic(name in "(vocab_size|hidden_size|intermediate_size|num_hidden_layers|\
            num_attention_heads|num_key_value_heads|head_dim|max_position_embeddings)", value: u64) {
            if let Ok(config) = read(&with(&name, json!(value))) {
                prop_assert!(config.parameter_count() > 0);
            }
        }
    }
}
