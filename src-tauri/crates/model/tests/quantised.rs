//! A GGUF model against candle-transformers' own quantised Llama on the same file.
#![allow(clippy::unwrap_used, missing_docs)]

use candle_core::Tensor;
use candle_core::quantized::{GgmlDType, gguf_file};
use candle_transformers::models::quantized_llama::ModelWeights;
use model::{BaseDtype, Decoder, KvCache};

/// Logits after the last token, from both readers of one file.
fn both(block: GgmlDType) -> (Vec<f32>, Vec<f32>) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.gguf");
    let tiny =
        testkit::TinyLlama { hidden: 64, intermediate: 96, heads: 4, kv_heads: 2, head_dim: 16, ..Default::default() };
    tiny.write_gguf(&path, block).unwrap();
    let ids = [5u32, 80, 33, 7, 7, 120, 64];

    let mut file = std::fs::File::open(&path).unwrap();
    let content = gguf_file::Content::read(&mut file).unwrap();
    let mut theirs = ModelWeights::from_gguf(content, &mut file, testkit::device()).unwrap();
    let input = Tensor::new(&ids, testkit::device()).unwrap().unsqueeze(0).unwrap();
    let expected = theirs.forward(&input, 0).unwrap().flatten_all().unwrap().to_vec1().unwrap();

    let ours = Decoder::load(&path, testkit::device(), BaseDtype::F32).unwrap();
    let mut cache = KvCache::new(ours.config(), 1, ids.len());
    let logits = ours.extend(None, &mut cache, &[(0, &ids)]).unwrap();
    (logits.flatten_all().unwrap().to_vec1().unwrap(), expected)
}

fn relative_difference((found, expected): (Vec<f32>, Vec<f32>)) -> f32 {
    assert_eq!(found.len(), expected.len());
    let difference: f32 = found.iter().zip(&expected).map(|(a, b)| (a - b).powi(2)).sum();
    (difference / expected.iter().map(|b| b * b).sum::<f32>()).sqrt()
}

#[test]
fn logits_equal_candle_transformers_quantised_llama() {
    // Plain weights: the same numbers up to rounding, so names, row order and rope agree.
    assert!(relative_difference(both(GgmlDType::F32)) < 1e-5);
    // Blocks: candle also rounds the activations to 8 bits before each product, half a step in 127 each time; over the
    // layers of a tiny model that stays within a few percent.
    assert!(relative_difference(both(GgmlDType::Q8_0)) < 0.05);
}
