//! The peak memory of a training step stays under the stated formula. Alone in its file, since the peak is the process's.
#![allow(clippy::unwrap_used, missing_docs)]
#![cfg(target_os = "linux")]

use candle_core::{DType, Device, Tensor};
use candle_nn::VarBuilder;
use model::config::Config;
use model::memory::{Estimate, peak_resident_bytes};
use model::{Batch, Decoder, ForwardOptions, Gradients, LoraConfig};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use std::collections::HashMap;

/// Code, stacks of the thread pool, packing buffers of the matrix products, and what the allocator keeps for reuse.
const PROCESS: u64 = 48 << 20;

fn config() -> Config {
    let config = serde_json::json!({
        "model_type": "llama", "vocab_size": 4096, "hidden_size": 256, "intermediate_size": 688, "num_hidden_layers": 8,
        "num_attention_heads": 8, "num_key_value_heads": 2, "rms_norm_eps": 1e-5, "tie_word_embeddings": true
    });
    Config::from_json(&config.to_string(), std::path::Path::new("config.json")).unwrap()
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

#[test]
fn a_training_step_stays_under_the_formula() {
    let config = config();
    let decoder = decoder(&config);
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
        let estimate = Estimate::training(&config, lora, &batch, recompute);
        let limit = estimate.total() + PROCESS;
        println!("recompute {recompute}, {} tokens: peak {peak}, formula {estimate:?}", batch.tokens());
        assert!(peak <= limit, "recompute {recompute}, {} tokens: {peak} > {limit}", batch.tokens());
        // A formula that allows anything would be none.
        assert!(peak * 3 > limit, "recompute {recompute}, {} tokens: {peak} is far below {limit}", batch.tokens());
    }
}
