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
    assert!(matches!(&error, Error::UnknownArchitecture { name, .. } if name == "mamba"));
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

fn family(name: &str, fields: &Value) -> Result<Config> {
    let mut config = tiny();
    config.as_object_mut().unwrap().remove("hidden_act");
    config["model_type"] = json!(name);
    for (key, value) in fields.as_object().unwrap() {
        config[key] = value.clone();
    }
    read(&config)
}

fn windows(config: &Config) -> Vec<Option<usize>> {
    config.layers.iter().map(|layer| layer.window).collect()
}

/// What the configuration classes of transformers 5.23 have for fields that a file leaves out.
#[test]
fn each_family_has_its_own_defaults() {
    let nothing = json!({});
    let mistral = family("mistral", &nothing).unwrap();
    assert_eq!((windows(&mistral), mistral.head_dim), (vec![Some(4096); 3], 16));
    assert_eq!(windows(&family("mistral", &json!({"sliding_window": null})).unwrap()), [None; 3]);
    let qwen2 = family("qwen2", &json!({"sliding_window": 32_768, "max_window_layers": 1})).unwrap();
    assert!(qwen2.attention_bias && !qwen2.attention_output_bias());
    assert_eq!(windows(&qwen2), [None; 3], "use_sliding_window is false");
    let used = json!({"use_sliding_window": true, "sliding_window": 8, "max_window_layers": 1});
    assert_eq!(windows(&family("qwen2", &used).unwrap()), [None, Some(8), Some(8)]);
    assert_eq!(family("qwen3", &nothing).unwrap().head_dim, 128);
    let gemma2 = family("gemma2", &nothing).unwrap();
    assert_eq!((gemma2.head_dim, gemma2.tie_word_embeddings), (256, true));
    assert_eq!(windows(&gemma2), [Some(4096), None, Some(4096)]);
    assert_eq!((gemma2.attention_softcap, gemma2.logit_softcap), (Some(50.0), Some(30.0)));
    let uncapped = family("gemma2", &json!({"attn_logit_softcapping": null})).unwrap();
    assert_eq!((uncapped.attention_softcap, uncapped.logit_softcap), (None, Some(30.0)));
    assert!((gemma2.attention_scale - 1.0 / 16.0).abs() < 1e-12);
    let gemma3 = family("gemma3_text", &nothing).unwrap();
    assert_eq!(gemma3.rope, Rope { theta: 1e6, scaling: RopeScaling::None });
    assert_eq!(gemma3.local_rope, Some(Rope { theta: 1e4, scaling: RopeScaling::None }));
    assert!(gemma3.layers.iter().all(|layer| layer.rotation == Rotation::Local && layer.window == Some(4096)));
    let phi3 = family("phi3", &json!({"auto_map": {"AutoConfig": "configuration_phi3.Phi3Config"}})).unwrap();
    assert_eq!((windows(&phi3), phi3.num_key_value_heads), (vec![None; 3], 2));
    let smollm3 = family("smollm3", &json!({"no_rope_layers": [1, 0, 1]})).unwrap();
    assert_eq!(smollm3.layers[1].rotation, Rotation::None);
}

#[test]
fn both_spellings_of_gemma_s_rotations_mean_the_same() {
    let old = json!({
        "rope_theta": 1e6, "rope_local_base_freq": 5e3, "rope_scaling": {"rope_type": "linear", "factor": 8.0}
    });
    let new = json!({"rope_parameters": {
        "full_attention": {"rope_type": "linear", "factor": 8.0, "rope_theta": 1e6},
        "sliding_attention": {"rope_type": "default", "rope_theta": 5e3}
    }});
    let old = family("gemma3_text", &old).unwrap();
    assert_eq!(old, family("gemma3_text", &new).unwrap());
    assert_eq!(old.local_rope.map(|rope| rope.theta), Some(5e3));
}

#[test]
fn what_another_family_has_is_refused_by_name() {
    for (name, field, value) in [
        ("gemma2", "hidden_activation", json!("gelu")),
        ("gemma3_text", "hidden_act", json!("silu")),
        ("gemma3_text", "use_bidirectional_attention", json!(true)),
        ("mistral", "attention_bias", json!(true)),
        ("mistral", "layer_types", json!(["full_attention", "full_attention", "full_attention"])),
        ("qwen2", "layer_types", json!(["full_attention", "full_attention", "sliding_attention"])),
        ("qwen3", "query_pre_attn_scalar", json!(32)),
        ("qwen3", "num_experts", json!(8)),
        ("phi3", "resid_pdrop", json!(0.1)),
        ("phi3", "rope_scaling", json!({"type": "linear2", "factor": 2.0})),
        ("qwen2", "rope_scaling", json!({"type": "yarn", "factor": 4.0})),
        ("qwen2", "partial_rotary_factor", json!(0.5)),
    ] {
        let mut fields = json!({});
        fields[field] = value;
        let error = family(name, &fields).unwrap_err();
        assert!(matches!(error, Error::UnsupportedField { .. }), "{name} {field}: {error}");
        assert!(error.to_string().contains(field), "{error}");
    }
    for (name, field, value) in [
        ("smollm3", "no_rope_layers", json!([1, 0])),
        ("gemma2", "layer_types", json!(["full_attention", "chunked_attention", "full_attention"])),
        ("gemma2", "sliding_window", json!(0)),
        ("gemma2", "query_pre_attn_scalar", json!(-1)),
        ("phi3", "partial_rotary_factor", json!(1.5)),
        ("gemma3_text", "rope_parameters", json!({"full_attention": 3})),
        ("gemma3_text", "num_hidden_layers", json!(1u64 << 50)),
    ] {
        let mut fields = json!({});
        fields[field] = value;
        let error = family(name, &fields).unwrap_err();
        assert!(matches!(error, Error::Config { .. }), "{name} {field}: {error}");
    }
    assert!(matches!(family("gemma3", &json!({})), Err(Error::UnknownArchitecture { .. })), "with pictures");
}
