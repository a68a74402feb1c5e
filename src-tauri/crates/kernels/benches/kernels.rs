//! The kernels that are ours, in the shapes of a 135M model. `train` has the bench of a whole training step.
#![allow(clippy::unwrap_used, missing_docs)]

use candle_core::quantized::GgmlDType;
use candle_core::{Device, Tensor};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use kernels::attention::{self, Attention};
use kernels::batch::Batch;
use kernels::gated::{self, Activation};
use kernels::{blocks, rms_norm};

fn random(shape: impl Into<candle_core::Shape>) -> Tensor {
    Tensor::randn(0f32, 0.05, shape, &Device::Cpu).unwrap()
}

/// Four pairs of the demo's length.
fn batch() -> Batch {
    let ids = |n: u32| (0..n).map(|i| i * 97 % 49_152).collect::<Vec<_>>();
    let mut batch = Batch::new();
    for _ in 0..4 {
        batch.push_pair(&ids(38), &ids(26), &ids(77));
    }
    batch
}

fn kernels(c: &mut Criterion) {
    let batch = batch();
    let rows = batch.tokens();
    let how = Attention::plain(9, 3, 64);
    let (q, k, v) = (random((rows, 576)), random((rows, 192)), random((rows, 192)));
    let (gate, up) = (random((rows, 1536)), random((rows, 1536)));
    let weight = random(576);
    let mut group = c.benchmark_group("kernels");
    group.throughput(Throughput::Elements(rows as u64));
    group.bench_function("attention forward", |b| b.iter(|| attention::forward(&q, &k, &v, &batch, how).unwrap()));
    let (out, lse) = attention::forward(&q, &k, &v, &batch, how).unwrap();
    let saved = attention::AttentionActivations { q: &q, k: &k, v: &v, out: &out, lse: &lse };
    group.bench_function("attention backward", |b| b.iter(|| attention::backward(&q, saved, &batch, how).unwrap()));
    group.bench_function("rms_norm forward", |b| b.iter(|| rms_norm::forward(&q, &weight, 1e-5).unwrap()));
    group.bench_function("gated forward", |b| b.iter(|| gated::forward(Activation::Silu, &gate, &up).unwrap()));
    group
        .bench_function("gated backward", |b| b.iter(|| gated::backward(Activation::Silu, &gate, &gate, &up).unwrap()));
    group.finish();

    // A weight of several megabytes in each of the formats of everyday files.
    let mut group = c.benchmark_group("decode blocks");
    let mut numbers = vec![0f32; 1 << 22];
    group.throughput(Throughput::Elements(1 << 22));
    for format in [GgmlDType::Q4_0, GgmlDType::Q4_1, GgmlDType::Q5_0, GgmlDType::Q8_0, GgmlDType::Q4K, GgmlDType::Q6K] {
        let raw = vec![0x29; blocks::bytes_of(format, numbers.len()).unwrap()];
        group.bench_function(format!("{format:?}"), |b| b.iter(|| blocks::decode(format, &raw, &mut numbers)));
    }
    group.finish();
}

criterion_group!(benches, kernels);
criterion_main!(benches);
