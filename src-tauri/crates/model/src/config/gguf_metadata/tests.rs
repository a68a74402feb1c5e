//! What is read from the metadata of a GGUF file, and what is refused.
#![allow(clippy::unwrap_used)]

use super::*;
use std::collections::BTreeMap;

fn header(extra: &[(&str, Option<Value>)]) -> Header {
    let mut metadata: BTreeMap<String, Value> = [
        ("general.architecture", Value::String("llama".into())),
        ("llama.block_count", Value::U32(2)),
        ("llama.context_length", Value::U32(256)),
        ("llama.embedding_length", Value::U32(32)),
        ("llama.feed_forward_length", Value::U32(48)),
        ("llama.attention.head_count", Value::U32(4)),
        ("llama.attention.head_count_kv", Value::U32(2)),
        ("llama.attention.layer_norm_rms_epsilon", Value::F32(1e-5)),
        ("llama.rope.freq_base", Value::F32(10_000.0)),
        ("llama.vocab_size", Value::U32(64)),
        ("tokenizer.ggml.eos_token_id", Value::U32(2)),
    ]
    .into_iter()
    .map(|(key, value)| (key.to_string(), value))
    .collect();
    for (key, value) in extra {
        match value {
            Some(value) => metadata.insert((*key).to_string(), value.clone()),
            None => metadata.remove(*key),
        };
    }
    Header { version: 3, metadata, tensors: Vec::new(), data_offset: 0 }
}

fn read(extra: &[(&str, Option<Value>)], factors: Option<Vec<f32>>) -> Result<Config> {
    Config::from_gguf(Path::new("tiny.gguf"), &header(extra), RopeTensors { all: factors, ..RopeTensors::default() })
}

#[test]
fn a_plain_file_is_read() {
    let config = read(&[], None).unwrap();
    assert_eq!((config.head_dim, config.num_key_value_heads, config.vocab_size), (8, 2, 64));
    assert_eq!(config.eos_token_ids, [2]);
    assert!(config.tie_word_embeddings, "there is no output.weight");
    assert_eq!(config.rope, Rope { theta: 10_000.0, scaling: RopeScaling::None });
}

#[test]
fn sizes_may_be_repeated_per_layer_but_not_differ() {
    let list = |a, b| Some(Value::Array(vec![Value::U32(a), Value::U32(b)]));
    assert_eq!(read(&[("llama.feed_forward_length", list(48, 48))], None).unwrap().intermediate_size, 48);
    let error = read(&[("llama.feed_forward_length", list(48, 64))], None).unwrap_err();
    assert!(error.to_string().contains("llama.feed_forward_length"), "{error}");
}

#[test]
fn rotary_scaling_comes_from_the_type_and_from_the_factors() {
    let linear = [
        ("llama.rope.scaling.type", Some(Value::String("linear".into()))),
        ("llama.rope.scaling.factor", Some(Value::F32(4.0))),
    ];
    assert_eq!(read(&linear, None).unwrap().rope.scaling, RopeScaling::Linear { factor: 4.0 });
    let old = [("llama.rope.scale_linear", Some(Value::F32(2.0)))];
    assert_eq!(read(&old, None).unwrap().rope.scaling, RopeScaling::Linear { factor: 2.0 });
    let factors = vec![1.0, 1.0, 2.0, 8.0];
    assert_eq!(read(&[], Some(factors.clone())).unwrap().rope.scaling, RopeScaling::Factors(factors));
    assert_eq!(
        read(&linear, Some(vec![1.0, 1.0, 2.0, 8.0])).unwrap().rope.scaling,
        RopeScaling::Factors(vec![4.0, 4.0, 8.0, 32.0])
    );
    assert!(read(&[], Some(vec![1.0; 3])).is_err(), "head_dim / 2 is 4");
    let yarn = [("llama.rope.scaling.type", Some(Value::String("yarn".into())))];
    assert!(matches!(read(&yarn, None), Err(Error::UnsupportedField { .. })));
}

#[test]
fn what_would_change_the_mathematics_is_refused_by_name() {
    for (key, value) in [
        ("llama.expert_count", Value::U32(8)),
        ("llama.attention.sliding_window", Value::U32(4096)),
        ("llama.logit_scale", Value::F32(0.5)),
        ("llama.rope.dimension_count", Value::U32(4)),
        ("llama.attention.value_length", Value::U32(16)),
    ] {
        let extra = [("llama.attention.key_length", Some(Value::U32(8))), (key, Some(value))];
        let error = read(&extra, None).unwrap_err();
        assert!(matches!(&error, Error::UnsupportedField { field, .. } if field == key), "{key}: {error}");
    }
    let mamba = [("general.architecture", Some(Value::String("mamba".into())))];
    assert!(matches!(read(&mamba, None), Err(Error::UnknownArchitecture { .. })));
}

#[test]
fn missing_and_absurd_values_are_refused_by_name() {
    for key in ["general.architecture", "llama.block_count", "llama.embedding_length", "llama.vocab_size"] {
        let error = read(&[(key, None)], None).unwrap_err();
        assert!(error.to_string().contains(key), "{error}");
    }
    for (key, value) in [
        ("llama.block_count", Value::U64(u64::MAX)),
        ("llama.attention.head_count", Value::U32(0)),
        ("llama.attention.head_count_kv", Value::U32(3)),
        ("llama.embedding_length", Value::String("wide".into())),
        ("tokenizer.ggml.eos_token_id", Value::U64(u64::MAX)),
    ] {
        assert!(read(&[(key, Some(value))], None).is_err(), "{key}");
    }
}

/// Metadata of a family as llama.cpp's converter writes it, with sizes for four layers.
fn family(name: &str, extra: &[(&str, Value)]) -> Result<Config> {
    with_tensors(name, extra, RopeTensors::default())
}

fn with_tensors(name: &str, extra: &[(&str, Value)], rope: RopeTensors) -> Result<Config> {
    let sizes = [
        ("block_count", 4),
        ("context_length", 256),
        ("embedding_length", 32),
        ("feed_forward_length", 48),
        ("attention.head_count", 4),
        ("attention.head_count_kv", 2),
        ("vocab_size", 64),
    ];
    let mut metadata: BTreeMap<String, Value> =
        sizes.into_iter().map(|(key, size)| (format!("{name}.{key}"), Value::U32(size))).collect();
    metadata.insert("general.architecture".into(), Value::String(name.into()));
    metadata.insert(format!("{name}.attention.layer_norm_rms_epsilon"), Value::F32(1e-6));
    metadata.extend(extra.iter().map(|(key, value)| (format!("{name}.{key}"), value.clone())));
    Config::from_gguf(
        Path::new("tiny.gguf"),
        &Header { version: 3, metadata, tensors: Vec::new(), data_offset: 0 },
        rope,
    )
}

fn windows(config: &Config) -> Vec<Option<usize>> {
    config.layers.iter().map(|layer| layer.window).collect()
}

#[test]
fn gemma_2_alternates_and_caps() {
    let keys = [
        ("attention.sliding_window", Value::U32(20)),
        ("attn_logit_softcapping", Value::F32(45.0)),
        ("attention.key_length", Value::U32(16)),
        ("attention.value_length", Value::U32(16)),
    ];
    let config = family("gemma2", &keys).unwrap();
    assert_eq!(config.architecture, Architecture::Gemma2);
    assert_eq!(windows(&config), [Some(20), None, Some(20), None]);
    assert_eq!((config.attention_softcap, config.logit_softcap), (Some(45.0), Some(30.0)));
    assert!((config.attention_scale - 0.25).abs() < 1e-12 && config.tie_word_embeddings);
    let largest = family("gemma2", &[keys.as_slice(), &[("block_count", Value::U32(46))]].concat()).unwrap();
    assert!((largest.attention_scale - 8f64.powf(-0.5)).abs() < 1e-12, "the width shared out by the heads");
    let error = family("gemma2", &[]).unwrap_err();
    assert!(error.to_string().contains("gemma2.attention.sliding_window"), "{error}");
}

#[test]
fn gemma_3_has_two_rotations() {
    let keys = [
        ("attention.sliding_window", Value::U32(20)),
        ("block_count", Value::U32(7)),
        ("attention.key_length", Value::U32(16)),
        ("rope.freq_base", Value::F32(1e6)),
        ("rope.scaling.type", Value::String("linear".into())),
        ("rope.scaling.factor", Value::F32(8.0)),
    ];
    let config = family("gemma3", &keys).unwrap();
    let kinds: Vec<_> = config.layers.iter().map(|layer| (layer.window, layer.rotation)).collect();
    let (local, global) = ((Some(20), Rotation::Local), (None, Rotation::Global));
    assert_eq!(kinds, [local, local, local, local, local, global, local]);
    assert_eq!(config.rope, Rope { theta: 1e6, scaling: RopeScaling::Linear { factor: 8.0 } });
    assert_eq!(config.local_rope, Some(Rope { theta: 1e4, scaling: RopeScaling::None }));
    assert_eq!((config.attention_softcap, config.logit_softcap), (None, None));
}

#[test]
fn phi_3_has_factors_for_short_and_long() {
    let rope = RopeTensors { all: None, short: Some(vec![1.0, 1.5, 2.0]), long: Some(vec![2.0, 4.0, 8.0]) };
    let keys = [
        ("rope.dimension_count", Value::U32(6)),
        ("rope.scaling.original_context_length", Value::U32(64)),
        ("rope.scaling.attn_factor", Value::F32(1.25)),
        ("attention.sliding_window", Value::U32(0)),
    ];
    let config = with_tensors("phi3", &keys, rope).unwrap();
    assert_eq!((config.head_dim, config.rotary_dim), (8, 6));
    assert_eq!(windows(&config), [None; 4]);
    let (short, long) = (vec![1.0, 1.5, 2.0], vec![2.0, 4.0, 8.0]);
    let scaling = RopeScaling::LongRope { short, long, original_max_position_embeddings: 64, attention_factor: 1.25 };
    assert_eq!(config.rope.scaling, scaling);
    let plain = family("phi3", &[("attention.sliding_window", Value::U32(30))]).unwrap();
    assert_eq!((windows(&plain), plain.rope.scaling), (vec![Some(30); 4], RopeScaling::None));
}

#[test]
fn the_other_families_are_read() {
    for (name, architecture) in [("qwen2", Architecture::Qwen2), ("qwen3", Architecture::Qwen3)] {
        assert_eq!(family(name, &[]).unwrap().architecture, architecture);
        let windowed = family(name, &[("attention.sliding_window", Value::U32(20))]);
        assert!(matches!(windowed, Err(Error::UnsupportedField { .. })));
    }
    let smollm3 = family("smollm3", &[]).unwrap();
    assert_eq!(smollm3.layers[3].rotation, Rotation::None);
    assert!(smollm3.layers[..3].iter().all(|layer| layer.rotation == Rotation::Global));
}
