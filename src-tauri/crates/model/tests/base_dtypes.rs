//! Bases that are not f32: whatever their weights are kept as, a decoder computes what the numbers they stand for give.
#![allow(clippy::unwrap_used, missing_docs)]

use candle_core::quantized::GgmlDType;
use candle_core::{DType, Device, Tensor};
use candle_nn::VarBuilder;
use model::weights::{self, Source};
use model::write::{merge, merge_gguf};
use model::{BaseDtype, Batch, Decoder, Error, ForwardOptions, Gradients, KvCache, Lora, LoraConfig, TargetModules};
use model::{Config, FloatType, GgufType};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use testkit::TinyLlama;

/// Rows of whole blocks of either size, but those of `o_proj`, whose 60 numbers are no blocks at all.
fn wide() -> TinyLlama {
    TinyLlama {
        hidden: 256,
        intermediate: 512,
        heads: 3,
        kv_heads: 1,
        head_dim: 20,
        vocab: 261,
        ..TinyLlama::default()
    }
}

/// Odd in every way that blocks of 32 allow.
fn odd() -> TinyLlama {
    TinyLlama { hidden: 96, intermediate: 160, heads: 3, kv_heads: 1, head_dim: 10, vocab: 263, ..TinyLlama::default() }
}

fn batch() -> Batch {
    let mut batch = Batch::new();
    batch.push_pair(&[1, 40, 70], &[50, 90, 2], &[60, 2]);
    batch.push_sequence(&[3], &[80, 110, 2]);
    batch
}

const D_LOGPS: [f32; 3] = [0.7, -1.3, 0.4];

/// An adapter on every linear, the head too, none of whose parameters is at its start.
fn lora(decoder: &Decoder) -> Lora {
    let names = decoder.linears().iter().map(|linear| linear.name.clone()).collect();
    moved(decoder, &LoraConfig { target_modules: TargetModules::Names(names), ..small() })
}

/// The same by `DoRA`, which no head may have.
fn dora(decoder: &Decoder) -> Lora {
    moved(decoder, &LoraConfig { use_dora: true, lora_dropout: 0.3, ..small() })
}

fn small() -> LoraConfig {
    LoraConfig { r: 3, lora_alpha: 4.5, ..LoraConfig::default() }
}

fn moved(decoder: &Decoder, config: &LoraConfig) -> Lora {
    let mut rng = ChaCha8Rng::seed_from_u64(6);
    let mut lora = decoder.start_lora(config, &mut rng, decoder.dtype()).unwrap();
    for parameter in lora.parameters_mut() {
        let noise: Vec<f32> = (0..parameter.elem_count()).map(|_| rng.random_range(-0.1..0.1)).collect();
        let noise = Tensor::from_vec(noise, parameter.shape(), decoder.device()).unwrap();
        *parameter = (&*parameter + noise.to_dtype(parameter.dtype()).unwrap()).unwrap();
    }
    lora
}

fn flat(tensor: &Tensor) -> Vec<f64> {
    tensor.to_device(&Device::Cpu).unwrap().to_dtype(DType::F64).unwrap().flatten_all().unwrap().to_vec1().unwrap()
}

/// Everything that a decoder computes: log-probabilities with the adapter off and on, its gradients, and logits of a text
/// that is decoded in two pieces.
#[derive(Debug, PartialEq)]
struct Computed {
    reference: Vec<f64>,
    logps: Vec<f64>,
    gradients: Vec<Vec<f64>>,
    logits: Vec<f64>,
}

fn computed(decoder: &Decoder, recompute: bool) -> Computed {
    computed_with(decoder, &lora(decoder), ForwardOptions { recompute, dropout: None })
}

fn computed_with(decoder: &Decoder, lora: &Lora, options: ForwardOptions) -> Computed {
    let mut gradients = Gradients::zeros(lora).unwrap();
    let trace = decoder.forward(lora, &batch(), options).unwrap();
    let logps = trace.logps().to_vec();
    decoder.backward(lora, trace, &D_LOGPS, &mut gradients).unwrap();
    let mut cache = KvCache::new(decoder.config(), 1, 8);
    decoder.extend(Some(lora), &mut cache, &[(0, &[5, 70, 33])]).unwrap();
    Computed {
        reference: decoder.logps(None, &batch()).unwrap(),
        logps,
        gradients: gradients.tensors.iter().map(flat).collect(),
        logits: flat(&decoder.extend(Some(lora), &mut cache, &[(0, &[7])]).unwrap()),
    }
}

fn load(path: &Path, dtype: BaseDtype) -> Decoder {
    Decoder::load(path, testkit::device(), dtype).unwrap()
}

/// The numbers that a base keeps, in a decoder that keeps them as floats of this type.
fn dense(path: &Path, kept: BaseDtype, dtype: DType) -> Decoder {
    let source = weights::open(path, kept, testkit::device_for(dtype)).unwrap();
    let read = |(name, shape): (String, Vec<usize>)| {
        let tensor = source.vars.get(shape, &name).unwrap().to_dtype(dtype).unwrap();
        (name, tensor)
    };
    let tensors: HashMap<_, _> = source.config.tensors().into_iter().map(read).collect();
    Decoder::new(source.config.clone(), &VarBuilder::from_tensors(tensors, dtype, testkit::device_for(dtype))).unwrap()
}

#[test]
fn a_gguf_file_of_any_block_type_computes_as_it_lies_what_it_computes_as_f32_bit_for_bit() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("tiny.gguf");
    for block in testkit::BLOCK_TYPES {
        for tiny in [wide(), TinyLlama { tied: false, biases: true, ..wide() }] {
            tiny.write_gguf(&path, block).unwrap();
            let (stored, expanded) = (load(&path, BaseDtype::Auto), load(&path, BaseDtype::F32));
            for recompute in [false, true] {
                assert!(computed(&stored, recompute) == computed(&expanded, recompute), "{block:?}");
            }
            assert!(stored.size().weights <= expanded.size().weights, "{block:?}");
            assert_eq!(stored.size().weights == expanded.size().weights, block == GgmlDType::F32);
        }
    }
}

#[test]
fn weights_rounded_on_load_compute_what_the_rounded_numbers_give_bit_for_bit() {
    let dir = tempfile::tempdir().unwrap();
    for (place, tiny) in [wide(), odd(), TinyLlama { tied: false, dtype: DType::BF16, ..odd() }].into_iter().enumerate()
    {
        let folder = dir.path().join(place.to_string());
        tiny.write_shards(&folder, 3).unwrap();
        let whole = computed(&load(&folder, BaseDtype::F32), false);
        for dtype in BaseDtype::ALL {
            let decoder = load(&folder, dtype);
            let found = computed(&decoder, false);
            assert!(found == computed(&dense(&folder, dtype, DType::F32), false), "{dtype} of {place}");
            assert_eq!(decoder.base_dtype(), dtype);
            let exact = matches!(dtype, BaseDtype::Auto | BaseDtype::F32)
                || (dtype == BaseDtype::Bf16 && tiny.dtype == DType::BF16);
            assert_eq!(found == whole, exact, "{dtype} of {place}");
            // Rounding to 4 bits moves a weight by up to a thirtieth of the largest of its block, and a log-probability of
            // these models, tens of nats, by about as much of it; 8 bits and more, by a tenth of that.
            let relative = |(a, b): (&f64, &f64)| ((a - b) / b).abs();
            let largest = found.logps.iter().zip(&whole.logps).map(relative).fold(0.0, f64::max);
            assert!(largest < if dtype == BaseDtype::Q4 { 0.3 } else { 0.03 }, "{dtype}: {largest}");
        }
    }
}

/// Every family of the golden set, and of that of `TIEBREAK_SHARED` where it is set: fused projections, norms of queries and
/// keys, soft caps and scaled embeddings all go through the same weights.
#[test]
fn every_family_computes_on_rounded_weights_what_their_numbers_give() {
    let mut sets = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../tests/golden")];
    match std::env::var_os("TIEBREAK_SHARED") {
        Some(shared) => sets.push(Path::new(&shared).join("golden/trl-1.16")),
        None => eprintln!("left out: the golden set of TIEBREAK_SHARED, which is not set"),
    }
    let mut families = 0;
    for entry in sets.iter().flat_map(|set| std::fs::read_dir(set).unwrap()) {
        let folder = entry.unwrap().path();
        if !folder.join("model.safetensors").is_file() {
            continue;
        }
        families += 1;
        for dtype in [BaseDtype::Auto, BaseDtype::Bf16, BaseDtype::F16, BaseDtype::Q8, BaseDtype::Q4] {
            let stored = load(&folder, dtype);
            let same = computed(&stored, true) == computed(&dense(&folder, dtype, DType::F32), true);
            assert!(same, "{dtype} of {}", folder.display());
        }
    }
    assert!(families > 0);
}

/// `DoRA` asks a base for the norm of each row too, and scales its products by them.
#[test]
fn dora_on_any_base_is_dora_on_the_floats_it_stands_for_bit_for_bit() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("tiny.gguf");
    for block in testkit::BLOCK_TYPES {
        TinyLlama { biases: true, ..wide() }.write_gguf(&path, block).unwrap();
        same_dora(&path, BaseDtype::Auto, &format!("{block:?}"));
    }
    let folder = dir.path().join("folder");
    odd().write_folder(&folder).unwrap();
    for dtype in [BaseDtype::Bf16, BaseDtype::F16, BaseDtype::Q8, BaseDtype::Q4] {
        same_dora(&folder, dtype, dtype.name());
    }
}

fn same_dora(path: &Path, kept: BaseDtype, what: &str) {
    let (stored, floats) = (load(path, kept), dense(path, kept, DType::F32));
    let start = |decoder: &Decoder| {
        let config = LoraConfig { use_dora: true, ..small() };
        decoder.start_lora(&config, &mut ChaCha8Rng::seed_from_u64(7), DType::F32).unwrap()
    };
    let norms = |lora: &Lora| -> Vec<Vec<f64>> {
        lora.weights().iter().map(|weight| flat(weight.magnitude.as_ref().unwrap())).collect()
    };
    let (fresh, found) = (start(&stored), norms(&start(&stored)));
    assert!(found == norms(&start(&floats)), "{what}");
    let source = weights::open(path, kept, &Device::Cpu).unwrap();
    for (weight, found) in fresh.weights().iter().zip(&found) {
        let (rows, columns) = (weight.b.dim(0).unwrap(), weight.a.dim(1).unwrap());
        let numbers = flat(&source.vars.get((rows, columns), &format!("{}.weight", weight.name)).unwrap());
        assert_eq!(found.len(), rows);
        for (row, found) in numbers.chunks(columns).zip(found) {
            let slow = row.iter().map(|w| w * w).sum::<f64>().sqrt();
            assert!((found - slow).abs() < 1e-5 * slow, "{what} {}: {found} {slow}", weight.name);
        }
    }
    // Before it has learned anything, it is the base: with the norms of other numbers it would not be.
    let reference = stored.logps(None, &batch()).unwrap();
    for (one, other) in stored.logps(Some(&fresh), &batch()).unwrap().iter().zip(&reference) {
        assert!((one - other).abs() < 1e-4 * other.abs(), "{what}: {one} {other}");
    }
    for (recompute, dropout) in [(false, None), (true, None), (true, Some(9))] {
        let options = ForwardOptions { recompute, dropout };
        let found = computed_with(&stored, &dora(&stored), options);
        assert!(
            found == computed_with(&floats, &dora(&floats), options),
            "{what}, recomputed {recompute}, {dropout:?}"
        );
        assert!(found.gradients.iter().all(|gradient| gradient.iter().any(|&d| d != 0.0)), "{what}");
        assert!(found.logps.iter().zip(&reference).all(|(one, other)| (one - other).abs() > 1e-3), "{what}");
    }
}

/// A folder with a random model of each family: fused projections, biases, norms from one, interleaved rows, windows that
/// the texts are longer than.
fn random_models(hidden: usize, dir: &Path) -> Vec<PathBuf> {
    let shape = json!({
        "vocab_size": 263, "hidden_size": hidden, "intermediate_size": 2 * hidden, "num_hidden_layers": 3,
        "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 64
    });
    let (head_dim, half) = (hidden / 4, vec![1.25; hidden / 16]);
    let families = [
        json!({"model_type": "mistral", "sliding_window": null}),
        json!({"model_type": "smollm3", "no_rope_layer_interval": 4, "tie_word_embeddings": true}),
        json!({"model_type": "qwen2", "use_sliding_window": false}),
        json!({"model_type": "qwen2", "use_sliding_window": false, "tie_word_embeddings": true}),
        json!({"model_type": "qwen3", "head_dim": head_dim, "tie_word_embeddings": true}),
        json!({"model_type": "gemma2", "head_dim": head_dim, "query_pre_attn_scalar": head_dim, "sliding_window": 3}),
        json!({
            "model_type": "gemma3_text", "head_dim": head_dim, "query_pre_attn_scalar": head_dim, "sliding_window": 2,
            "sliding_window_pattern": 2
        }),
        json!({"model_type": "phi3", "sliding_window": 3}),
        json!({
            "model_type": "phi3", "original_max_position_embeddings": 5, "partial_rotary_factor": 0.5,
            "sliding_window": null, "rope_scaling": {"type": "longrope", "short_factor": half, "long_factor": half}
        }),
    ];
    let write = |(place, family): (usize, Value)| {
        let folder = dir.join(format!("{place}-{}-{hidden}", family["model_type"].as_str().unwrap()));
        let mut fields = shape.as_object().unwrap().clone();
        fields.extend(family.as_object().unwrap().clone());
        let config = Value::Object(fields).to_string();
        std::fs::create_dir(&folder).unwrap();
        std::fs::write(folder.join("config.json"), &config).unwrap();
        let mut rng = ChaCha8Rng::seed_from_u64(place as u64);
        let mut random = |(name, shape): (String, Vec<usize>)| {
            let spread = if shape.len() == 1 { 0.3 } else { 1.5 / (shape[1] as f32).sqrt() };
            let numbers = (0..shape.iter().product()).map(|_| rng.random_range(-spread..spread)).collect();
            (name, Tensor::from_vec(numbers, shape, &Device::Cpu).unwrap())
        };
        let config = Config::from_folder(&folder).unwrap();
        let tensors: HashMap<_, _> = config.tensors().into_iter().map(&mut random).collect();
        candle_core::safetensors::save(&tensors, folder.join("model.safetensors")).unwrap();
        folder
    };
    families.into_iter().enumerate().map(write).collect()
}

/// The files that are handed out, of every family: from blocks as they lie comes what comes from their numbers in f32, and
/// each weight is, up to rounding, the one that the same merge into safetensors has under the same name.
#[test]
fn the_blocks_of_a_merged_gguf_file_of_every_family_compute_what_their_numbers_give_bit_for_bit() {
    let dir = tempfile::tempdir().unwrap();
    for folder in [256, 96].into_iter().flat_map(|hidden| random_models(hidden, dir.path())) {
        let name = folder.file_name().unwrap().to_str().unwrap().to_owned();
        let adapter = dir.path().join(format!("{name}-adapter"));
        let base = load(&folder, BaseDtype::F32);
        moved(&base, &small()).save(&adapter, "base").unwrap();
        let merged = dir.path().join(format!("{name}-merged"));
        std::fs::create_dir(&merged).unwrap();
        assert!(merge::write(&folder, BaseDtype::F32, &adapter, FloatType::F32, &merged, &mut |_, _| true).unwrap());
        let wide = name.ends_with("256");
        // Half a step is 1/254 of a block's largest number in Q8_0; in Q4_K and Q5_0 a thirtieth of its range and more, as
        // scales are rounded too.
        for (stored, rounding, types) in [
            (GgufType::Q8_0, 0.005, &["Q8_0"][..]),
            (GgufType::Q4K, 0.15, if wide { &["Q4_K", "Q6_K"] } else { &["Q5_0", "Q8_0"] }),
        ] {
            let file = dir.path().join(format!("{name}-{}.gguf", stored.name()));
            let none = BTreeMap::new();
            assert!(
                merge_gguf::write(&folder, BaseDtype::F32, &adapter, stored, &none, &file, &mut |_, _| true).unwrap()
            );
            let header = gguf::read_header(&file).unwrap();
            for block in types {
                assert!(
                    header.tensors.iter().any(|tensor| tensor.block_type.name() == *block),
                    "{name} has no {block}"
                );
            }
            let (blocks, floats) = (load(&file, BaseDtype::Auto), load(&file, BaseDtype::F32));
            assert!(2 * blocks.size().weights < floats.size().weights, "{name}");
            let what = format!("{name} in {}", stored.name());
            for recompute in [false, true] {
                assert!(computed(&blocks, recompute) == computed(&floats, recompute), "{what}");
            }
            assert!(
                blocks.token_logps(None, &batch()).unwrap() == floats.token_logps(None, &batch()).unwrap(),
                "{what}"
            );
            let (found, expected) = (
                weights::open(&file, BaseDtype::Auto, &Device::Cpu).unwrap(),
                weights::open(&merged, BaseDtype::F32, &Device::Cpu).unwrap(),
            );
            for (tensor, shape) in expected.config.tensors() {
                let numbers = |source: &Source| flat(&source.vars.get(shape.as_slice(), &tensor).unwrap());
                let (found, expected) = (numbers(&found), numbers(&expected));
                let largest = expected.iter().fold(0f64, |most, number| most.max(number.abs()));
                let most = if shape.len() == 1 { 1e-6 } else { rounding * largest };
                let off = found.iter().zip(&expected).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
                assert!(off <= most, "{what}: {tensor} is off by {off} of {largest}");
            }
        }
    }
}

/// The gradient that a base in blocks gives, by finite differences of an f64 model on the numbers that the blocks stand for.
#[test]
fn gradients_through_blocks_and_halves_equal_finite_differences() {
    let dir = tempfile::tempdir().unwrap();
    let tiny = TinyLlama { biases: true, tied: false, ..odd() };
    tiny.write_folder(dir.path()).unwrap();
    for dtype in [BaseDtype::Q4, BaseDtype::Q8, BaseDtype::Bf16, BaseDtype::F16] {
        let double = dense(dir.path(), dtype, DType::F64);
        let (single, lora) = (computed(&load(dir.path(), dtype), true), lora(&double));
        let value = |lora: &Lora| -> f64 {
            let trace = double.forward(lora, &batch(), ForwardOptions::default()).unwrap();
            trace.logps().iter().zip(D_LOGPS).map(|(l, d)| l * f64::from(d)).sum()
        };
        for (i, gradient) in single.gradients.iter().enumerate() {
            let scale = (gradient.iter().map(|g| g * g).sum::<f64>() / gradient.len() as f64).sqrt();
            for element in [0, gradient.len() / 3, gradient.len() - 1] {
                let shifted = |by: f64| {
                    let mut lora = lora.clone();
                    let parameter = lora.parameters_mut().swap_remove(i);
                    let mut data = flat(parameter);
                    data[element] += by;
                    *parameter = Tensor::from_vec(data, parameter.shape(), double.device()).unwrap();
                    value(&lora)
                };
                let expected = (shifted(1e-5) - shifted(-1e-5)) / 2e-5;
                let (found, name) = (gradient[element], &lora.parameters()[i].0);
                assert!(
                    (found - expected).abs() < 1e-4 * (scale + expected.abs()),
                    "{dtype} {name}: {found} {expected}"
                );
            }
        }
    }
}

#[test]
fn what_a_base_takes_is_known_before_it_is_read_and_is_what_its_type_says() {
    let dir = tempfile::tempdir().unwrap();
    // The 60 numbers of an output projection's row, and those of norms, are no blocks.
    wide().write_folder(dir.path()).unwrap();
    let numbers =
        |config: &Config| -> usize { config.tensors().iter().map(|(_, shape)| shape.iter().product::<usize>()).sum() };
    for (dtype, bytes_per_weight, unquantised) in [
        (BaseDtype::Auto, 4.0, 0),
        (BaseDtype::F32, 4.0, 0),
        (BaseDtype::Bf16, 2.0, 0),
        (BaseDtype::F16, 2.0, 0),
        (BaseDtype::Q8, 34.0 / 32.0, 2),
        (BaseDtype::Q4, 4.5 / 8.0, 2),
    ] {
        let source = weights::open(dir.path(), dtype, testkit::device()).unwrap();
        let size = source.size();
        let config = &source.config;
        let read = |(name, shape): (String, Vec<usize>)| match shape[..] {
            [rows, columns] => source.matrix(&name, (rows, columns)).unwrap().bytes(),
            _ => 4 * shape.iter().product::<usize>() as u64,
        };
        assert_eq!(size.weights, config.tensors().into_iter().map(read).sum::<u64>(), "{dtype}");
        let exceptions: usize = source.unquantised().iter().map(|_| 256 * 60).sum::<usize>() + 5 * 256;
        let expected = (numbers(config) - exceptions) as f64 * bytes_per_weight;
        let (least, most) = (expected + 2.0 * exceptions as f64, expected + 4.0 * exceptions as f64);
        assert!((least..=most).contains(&(size.weights as f64)), "{dtype}: {} of {expected}", size.weights);
        assert_eq!(source.unquantised().len(), unquantised, "{dtype}");
        assert!(source.unquantised().iter().all(|name| name.contains("o_proj")));
        assert_eq!(size.expanded > 0, !matches!(dtype, BaseDtype::Auto | BaseDtype::F32));
    }
}

#[test]
fn blocks_are_not_rounded_again_and_weights_that_cannot_be_kept_are_refused_by_name() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("tiny.gguf");
    wide().write_gguf(&path, GgmlDType::Q6K).unwrap();
    for dtype in [BaseDtype::Q4, BaseDtype::Q8] {
        let error = weights::open(&path, dtype, testkit::device()).err().unwrap().to_string();
        assert!(error.contains("Q6K") && error.contains("dtype = \"auto\""), "{error}");
    }
    // Float tensors of a GGUF file are quantised as those of safetensors are.
    wide().write_gguf(&path, GgmlDType::F16).unwrap();
    assert!(computed(&load(&path, BaseDtype::Q4), false) == computed(&dense(&path, BaseDtype::Q4, DType::F32), false));

    for (value, dtype, named) in
        [(1e5f32, BaseDtype::F16, "too large for f16"), (f32::NAN, BaseDtype::Q4, "not a finite number")]
    {
        let mut tensors: HashMap<_, _> = odd().tensors().unwrap().into_iter().collect();
        let name = "model.layers.1.mlp.up_proj.weight";
        let mut numbers: Vec<f32> = tensors[name].flatten_all().unwrap().to_vec1().unwrap();
        numbers[777] = value;
        tensors.insert(name.into(), Tensor::from_vec(numbers, (160, 96), testkit::device()).unwrap());
        let folder = dir.path().join(dtype.name());
        odd().write_folder(&folder).unwrap();
        candle_core::safetensors::save(&tensors, folder.join("model.safetensors")).unwrap();
        let error = Decoder::load(&folder, testkit::device(), dtype).err().unwrap();
        assert!(matches!(error, Error::TooLarge { .. } | Error::NonFinite { .. }));
        assert!(error.to_string().contains(named) && error.to_string().contains(name), "{error}");
    }
}
