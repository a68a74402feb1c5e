//! Products in bf16: the whole engine's numbers stay near those of f32 products, and are the same bits every time.
//!
//! The limits were stated before the first run. Rounding moves a number by up to 1/256 of itself, at random, and every layer
//! adds its own; the models here are tiny and their weights are large, so that little averages out.
#![allow(clippy::unwrap_used, missing_docs)]

use candle_core::{DType, Device, Tensor};
use model::{
    BaseDtype, Batch, Decoder, DeviceChoice, ForwardOptions, Gradients, KvCache, Lora, LoraConfig, Products,
    TargetModules,
};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::path::{Path, PathBuf};

/// Of a sequence's log-probability, how far it may move.
const LOGPS: f64 = 0.03;
/// Of a gradient's norm, how long the difference may be.
const GRADIENTS: f64 = 0.1;
const D_LOGPS: [f32; 3] = [0.7, -1.3, 0.4];

fn batch() -> Batch {
    let mut batch = Batch::new();
    batch.push_pair(&[1, 40, 70], &[50, 90, 2], &[60, 2]);
    batch.push_sequence(&[3], &[80, 110, 2]);
    batch
}

/// An adapter on every linear, without DoRA on the head too, whose `B` is not zero.
fn lora(decoder: &Decoder, use_dora: bool) -> Lora {
    let adapted = decoder.linears().iter().filter(|linear| !use_dora || linear.name != "lm_head");
    let names = adapted.map(|linear| linear.name.clone()).collect();
    let target_modules = TargetModules::Names(names);
    let config = LoraConfig { r: 3, lora_alpha: 4.5, target_modules, use_dora, ..LoraConfig::default() };
    let mut rng = ChaCha8Rng::seed_from_u64(6);
    let mut lora = decoder.start_lora(&config, &mut rng, DType::F32).unwrap();
    for parameter in lora.parameters_mut() {
        let noise: Vec<f32> = (0..parameter.elem_count()).map(|_| rng.random_range(-0.05..0.05)).collect();
        *parameter = (&*parameter + Tensor::from_vec(noise, parameter.shape(), &Device::Cpu).unwrap()).unwrap();
    }
    lora
}

#[derive(Debug, PartialEq)]
struct Computed {
    reference: Vec<f64>,
    logps: Vec<f64>,
    gradients: Vec<Vec<f32>>,
}

fn computed(decoder: &Decoder, lora: &Lora, recompute: bool) -> Computed {
    let mut gradients = Gradients::zeros(lora).unwrap();
    let trace = decoder.forward(lora, &batch(), ForwardOptions { recompute, dropout: None }).unwrap();
    let logps = trace.logps().to_vec();
    decoder.backward(lora, trace, &D_LOGPS, &mut gradients).unwrap();
    let flat = |tensor: &Tensor| tensor.flatten_all().unwrap().to_vec1().unwrap();
    Computed {
        reference: decoder.logps(None, &batch()).unwrap(),
        logps,
        gradients: gradients.tensors.iter().map(flat).collect(),
    }
}

/// Models of the golden set, and of that of `TIEBREAK_SHARED` where it is set.
fn models() -> Vec<PathBuf> {
    let mut sets = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../tests/golden")];
    match std::env::var_os("TIEBREAK_SHARED") {
        Some(shared) => sets.push(Path::new(&shared).join("golden/trl-1.16")),
        None => eprintln!("left out: the golden set of TIEBREAK_SHARED, which is not set"),
    }
    let folders = sets.iter().flat_map(|set| std::fs::read_dir(set).unwrap()).map(|entry| entry.unwrap().path());
    let models: Vec<_> = folders.filter(|folder| folder.join("model.safetensors").is_file()).collect();
    assert!(!models.is_empty());
    models
}

/// None, with a word about it, where the processor cannot.
fn in_bf16(folder: &Path, dtype: BaseDtype) -> Option<Decoder> {
    let mut decoder = Decoder::load(folder, &Device::Cpu, dtype).unwrap();
    if !Products::has_bf16(DeviceChoice::Cpu) {
        eprintln!("left out: products in bf16, which this processor does not have");
        assert!(decoder.set_products(Products::Bf16).is_err());
        return None;
    }
    decoder.set_products(Products::Bf16).unwrap();
    Some(decoder)
}

/// Length of the difference of two vectors, of that of the second.
fn relative(found: &[f32], expected: &[f32]) -> f64 {
    let squares = |numbers: &mut dyn Iterator<Item = f64>| numbers.map(|x| x * x).sum::<f64>().sqrt();
    let difference = squares(&mut found.iter().zip(expected).map(|(a, b)| f64::from(a - b)));
    difference / squares(&mut expected.iter().map(|&x| f64::from(x)))
}

#[test]
fn every_family_computes_in_bf16_nearly_what_it_computes_in_f32() {
    let (mut furthest_logp, mut furthest_gradient) = (0f64, 0f64);
    for folder in models() {
        for dtype in [BaseDtype::F32, BaseDtype::Bf16, BaseDtype::F16, BaseDtype::Q8, BaseDtype::Q4] {
            for use_dora in [false, true] {
                let Some(mut decoder) = in_bf16(&folder, dtype) else { return };
                let what = format!("{} as {dtype}, DoRA {use_dora}", folder.display());
                let lora = lora(&decoder, use_dora);
                let found = computed(&decoder, &lora, false);
                assert!(found == computed(&decoder, &lora, true), "{what}: recomputed");
                decoder.set_products(Products::F32).unwrap();
                let expected = computed(&decoder, &lora, false);
                assert!(found != expected, "{what}: the products were f32");
                let logps = found.logps.iter().chain(&found.reference);
                for (found, expected) in logps.zip(expected.logps.iter().chain(&expected.reference)) {
                    let moved = ((found - expected) / expected).abs();
                    furthest_logp = furthest_logp.max(moved);
                    assert!(moved < LOGPS, "{what}: {found} and {expected}");
                }
                for (i, (found, expected)) in found.gradients.iter().zip(&expected.gradients).enumerate() {
                    let moved = relative(found, expected);
                    furthest_gradient = furthest_gradient.max(moved);
                    assert!(moved < GRADIENTS, "{what}: {} moved by {moved}", lora.parameters()[i].0);
                }
            }
        }
    }
    println!(
        "log-probabilities moved by up to {furthest_logp:.1e} of themselves, gradients by {furthest_gradient:.1e}"
    );
}

/// A run that is resumed is a run on another day, by other threads.
#[test]
fn the_bits_are_the_same_every_time_and_on_any_number_of_cores() {
    for folder in models() {
        let Some(decoder) = in_bf16(&folder, BaseDtype::Auto) else { return };
        let lora = lora(&decoder, false);
        let once = computed(&decoder, &lora, false);
        for threads in [1, 3] {
            let again = in_bf16(&folder, BaseDtype::Auto).unwrap();
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            assert!(pool.install(|| computed(&again, &lora, false)) == once, "{}", folder.display());
        }
    }
}

/// What generation promises: a sequence's logits do not depend on what is decoded beside it.
#[test]
fn logits_do_not_depend_on_the_sequences_beside() {
    for folder in models() {
        let Some(decoder) = in_bf16(&folder, BaseDtype::Auto) else { return };
        let logits = |prompts: &[(usize, &[u32])]| -> Vec<Vec<f32>> {
            let mut cache = KvCache::new(decoder.config(), prompts.len(), 8);
            decoder.extend(None, &mut cache, prompts).unwrap();
            let next: Vec<(usize, &[u32])> = prompts.iter().map(|&(place, _)| (place, &[9][..])).collect();
            decoder.extend(None, &mut cache, &next).unwrap().to_vec2().unwrap()
        };
        let alone = logits(&[(0, &[5, 70, 33])]);
        let beside = logits(&[(0, &[5, 70, 33]), (1, &[6]), (2, &[11, 12, 13, 14, 15])]);
        assert!(alone[0] == beside[0], "{}", folder.display());
    }
}
