//! The peak memory of loading a base in 4 bits and of a training step on it. Alone in its file, since the peak is the
//! process's.
#![allow(clippy::unwrap_used, missing_docs)]
#![cfg(target_os = "linux")]

use candle_core::{DType, Device};
use model::memory::{Estimate, peak_resident_bytes};
use model::{BaseDtype, Batch, Decoder, ForwardOptions, Gradients, Lora, LoraConfig};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use std::io::Write;
use std::path::Path;
use testkit::TinyLlama;

/// Code, stacks of the thread pool, packing buffers of the matrix products, and what the allocator keeps for reuse.
const PROCESS: u64 = 48 << 20;

/// 152 million weights, 600 MB as f32.
fn model() -> TinyLlama {
    TinyLlama {
        vocab: 32_768,
        hidden: 1024,
        intermediate: 3072,
        layers: 10,
        heads: 16,
        kv_heads: 4,
        head_dim: 64,
        ..TinyLlama::default()
    }
}

/// A folder of this model with weights in bf16 that are all zero: a file of holes, which takes neither time nor disk.
fn write(folder: &Path) -> u64 {
    let tiny = model();
    std::fs::write(folder.join("config.json"), tiny.config().to_string()).unwrap();
    let tensors = model::Config::from_folder(folder).unwrap().tensors();
    let (mut header, mut end) = (serde_json::Map::new(), 0);
    for (name, shape) in tensors {
        let begin = end;
        end += 2 * shape.iter().product::<usize>();
        header.insert(name, serde_json::json!({"dtype": "BF16", "shape": shape, "data_offsets": [begin, end]}));
    }
    let header = serde_json::Value::Object(header).to_string();
    let mut file = std::fs::File::create(folder.join("model.safetensors")).unwrap();
    file.write_all(&(header.len() as u64).to_le_bytes()).unwrap();
    file.write_all(header.as_bytes()).unwrap();
    file.set_len((8 + header.len() + end) as u64).unwrap();
    end as u64 / 2
}

#[test]
fn a_base_in_four_bits_stays_under_three_quarters_of_a_byte_per_weight() {
    let folder = tempfile::tempdir().unwrap();
    let weights = write(folder.path());
    let decoder = Decoder::load(folder.path(), &Device::Cpu, BaseDtype::Q4).unwrap();
    let most = weights * 3 / 4;
    let loaded = peak_resident_bytes().unwrap();
    println!("{weights} weights, {} bytes kept, peak {loaded} after loading", decoder.size().weights);
    assert!(decoder.size().weights < most);
    // Quantising goes over pieces of a matrix: four bytes for each number of one, and twice that while it is read.
    assert!(loaded <= most + 3 * decoder.size().expanded + PROCESS, "{loaded} after loading");

    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let lora = Lora::init(&LoraConfig::default(), decoder.linears(), &mut rng, DType::F32, &Device::Cpu).unwrap();
    let ids = |n: u32| (0..n).map(|i| i * 37 % 4096).collect::<Vec<_>>();
    let mut batch = Batch::new();
    batch.push_pair(&ids(40), &ids(30), &ids(50));
    let mut gradients = Gradients::zeros(&lora).unwrap();
    let trace = decoder.forward(&lora, &batch, ForwardOptions { recompute: true, dropout: None }).unwrap();
    decoder.backward(&lora, trace, &[0.1, -0.1], &mut gradients).unwrap();
    let peak = peak_resident_bytes().unwrap();
    let estimate = Estimate::training(decoder.size(), &lora, &batch, true);
    println!("peak {peak} after a step, formula {estimate:?}");
    let activations = estimate.total() - estimate.weights;
    assert!(peak <= most + activations + PROCESS, "{peak} > {most} + {activations} + {PROCESS}");
    assert!(peak <= estimate.total() + PROCESS, "{peak} > {} + {PROCESS}", estimate.total());
}
