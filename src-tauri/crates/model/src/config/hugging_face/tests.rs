//! What is read from a `config.json`, and what is refused.
#![allow(clippy::unwrap_used)]

use super::super::{Rope, RopeScaling};
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
