//! The peak memory of a training step stays under the stated formula. Each family has a process of its own, since the peak is
//! the process's.
#![allow(clippy::unwrap_used, missing_docs)]
#![cfg(target_os = "linux")]

use candle_core::{DType, Device, Tensor};
use candle_nn::VarBuilder;
use model::config::Config;
use model::memory::{Estimate, peak_resident_bytes};
use model::{Batch, Decoder, DeviceChoice, ForwardOptions, Gradients, LoraConfig, Products};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use std::collections::HashMap;

/// Code, stacks of the thread pool and packing buffers of the matrix products.
const PROCESS: u64 = 48 << 20;

/// Models of families that keep different things.
fn configs() -> [Config; 3] {
    [
        serde_json::json!({
            "model_type": "llama", "vocab_size": 4096, "hidden_size": 256, "intermediate_size": 688,
            "num_hidden_layers": 8, "num_attention_heads": 8, "num_key_value_heads": 2, "tie_word_embeddings": true
        }),
        serde_json::json!({
            "model_type": "phi3", "vocab_size": 8192, "hidden_size": 320, "intermediate_size": 960,
            "num_hidden_layers": 8, "num_attention_heads": 8, "num_key_value_heads": 8
        }),
        serde_json::json!({
            "model_type": "gemma2", "vocab_size": 12_288, "hidden_size": 256, "intermediate_size": 768,
            "num_hidden_layers": 6, "num_attention_heads": 8, "num_key_value_heads": 4, "head_dim": 48
        }),
    ]
    .map(|config| Config::from_json(&config.to_string(), std::path::Path::new("config.json")).unwrap())
}

fn decoder(config: &Config) -> Decoder {
    let tensor = |shape: &[usize]| match shape {
        [_] => Tensor::ones(shape, DType::F32, &Device::Cpu).unwrap(),
        _ => Tensor::randn(0f32, 0.05, shape, &Device::Cpu).unwrap(),
    };
    let weights: HashMap<_, _> = config.tensors().into_iter().map(|(name, shape)| (name, tensor(&shape))).collect();
    let vars = VarBuilder::from_tensors(weights, DType::F32, &Device::Cpu);
    Decoder::new(config.clone(), &vars).unwrap()
}

fn batch(pairs: usize) -> Batch {
    let ids = |n: u32, seed: u32| (0..n).map(|i| (i * 37 + seed) % 4096).collect::<Vec<_>>();
    let mut batch = Batch::new();
    for i in 0..pairs as u32 {
        batch.push_pair(&ids(100, i), &ids(120, i + 1), &ids(180, i + 2));
    }
    batch
}

/// Name the family and the products in a process that [`a_training_step_stays_under_the_formula`] has started.
const FAMILY: &str = "TIEBREAK_TEST_FAMILY";
const PRODUCTS: &str = "TIEBREAK_TEST_PRODUCTS";

#[test]
fn a_training_step_stays_under_the_formula() {
    // In bf16 where the processor can: a product then holds its activations a second time, in half as many bytes.
    let families = (0..configs().len()).map(|family| (family, Products::F32));
    let in_bf16 = Products::has_bf16(DeviceChoice::Cpu).then_some((0, Products::Bf16));
    for (family, products) in families.chain(in_bf16) {
        let mut child = std::process::Command::new(std::env::current_exe().unwrap());
        child.args(["--exact", "child", "--nocapture"]).env(FAMILY, family.to_string()).env(PRODUCTS, products.name());
        // Left to itself, glibc's allocator keeps freed tensors of up to 32 MB for reuse, more or fewer from one process to
        // the next. So it gives each back at once, and the peak is what the step holds, to within 0.5 %.
        child.env("MALLOC_MMAP_THRESHOLD_", "131072");
        let output = child.output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        println!("{said}");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        assert_eq!(said.matches("formula").count(), 5, "{said}");
    }
}

/// Not a test of its own.
#[test]
fn child() {
    let Ok(family) = std::env::var(FAMILY) else { return };
    let config = &configs()[family.parse::<usize>().unwrap()];
    let mut decoder = decoder(config);
    decoder.set_products(std::env::var(PRODUCTS).unwrap().parse().unwrap()).unwrap();
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let plain = decoder.start_lora(&LoraConfig::default(), &mut rng, DType::F32).unwrap();
    let config_of_dora = LoraConfig { use_dora: true, ..LoraConfig::default() };
    let dora = decoder.start_lora(&config_of_dora, &mut rng, DType::F32).unwrap();
    // The smaller first: the peak of a process never falls.
    for (recompute, pairs, lora) in
        [(true, 2, &plain), (true, 5, &plain), (false, 2, &plain), (false, 5, &plain), (false, 5, &dora)]
    {
        let batch = batch(pairs);
        let mut gradients = Gradients::zeros(lora).unwrap();
        let trace = decoder.forward(lora, &batch, ForwardOptions { recompute, dropout: None }).unwrap();
        let d_logps = vec![0.1; batch.sequences()];
        decoder.backward(lora, trace, &d_logps, &mut gradients).unwrap();
        let peak = peak_resident_bytes().unwrap();
        let estimate = Estimate::training(decoder.size(), lora, &batch, recompute);
        let limit = estimate.total() + PROCESS;
        let what = format!("{:?}, recompute {recompute}, {} tokens", config.architecture, batch.tokens());
        println!("{what}: peak {peak}, formula {estimate:?}");
        assert!(peak <= limit, "{what}: {peak} > {limit}");
        // A formula that allows anything would be none.
        assert!(peak * 3 > limit, "{what}: {peak} is far below {limit}");
    }
}

/// Says to measure by length in a process that [`memory_grows_by_the_token_and_not_by_its_square`] has started.
const BY_LENGTH: &str = "TIEBREAK_TEST_BY_LENGTH";

#[test]
fn memory_grows_by_the_token_and_not_by_its_square() {
    for recompute in [true, false] {
        let mut child = std::process::Command::new(std::env::current_exe().unwrap());
        child.args(["--exact", "child_by_length", "--nocapture"]).env(BY_LENGTH, recompute.to_string());
        // As above.
        child.env("MALLOC_MMAP_THRESHOLD_", "131072");
        let output = child.output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        let peaks: Vec<(f64, f64)> = said
            .lines()
            .filter_map(|line| line.strip_prefix("peak "))
            .map(|line| line.split_once(" of ").unwrap())
            .map(|(peak, tokens)| (tokens.parse().unwrap(), peak.parse().unwrap()))
            .collect();
        println!("recompute {recompute}: {peaks:?}");
        assert!(output.status.success() && peaks.len() == 4, "{}", String::from_utf8_lossy(&output.stderr));
        let by_token: Vec<f64> = peaks.windows(2).map(|two| (two[1].1 - two[0].1) / (two[1].0 - two[0].0)).collect();
        // From 768 tokens to 1536, and from 3072 to 6144. A matrix of length × length for each head, were it only one layer's,
        // would make the last several times the first.
        let (first, last) = (by_token[0], by_token[2]);
        assert!(last < 1.25 * first && last > 0.75 * first, "bytes for a token more: {by_token:?}");
    }
}

/// Not a test of its own.
#[test]
fn child_by_length() {
    let Ok(recompute) = std::env::var(BY_LENGTH) else { return };
    let decoder = decoder(&configs()[0]);
    let lora = decoder.start_lora(&LoraConfig::default(), &mut ChaCha8Rng::seed_from_u64(1), DType::F32).unwrap();
    let ids = |n: u32, seed: u32| (0..n).map(|i| (i * 37 + seed) % 4096).collect::<Vec<_>>();
    // The smaller first: the peak of a process never falls.
    for length in [512, 1024, 2048, 4096] {
        let mut batch = Batch::new();
        batch.push_pair(&ids(length / 2, 1), &ids(length / 2, 2), &ids(length / 2, 3));
        let mut gradients = Gradients::zeros(&lora).unwrap();
        let options = ForwardOptions { recompute: recompute == "true", dropout: None };
        let trace = decoder.forward(&lora, &batch, options).unwrap();
        decoder.backward(&lora, trace, &[0.1, -0.1], &mut gradients).unwrap();
        println!("peak {} of {}", peak_resident_bytes().unwrap(), batch.tokens());
    }
}
