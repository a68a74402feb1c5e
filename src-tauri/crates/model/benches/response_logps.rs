//! The log-probabilities of response tokens, at the head of a 135M model.
#![allow(clippy::unwrap_used, missing_docs)]

use candle_core::{Device, Tensor};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use model::Weight;
use model::head::response_logps;

fn random(shape: impl Into<candle_core::Shape>) -> Tensor {
    Tensor::randn(0f32, 0.05, shape, &Device::Cpu).unwrap()
}

fn with_gradient(c: &mut Criterion) {
    let head = Weight::floats(&random((49_152, 576))).unwrap();
    let targets: Vec<u32> = (0..128).collect();
    let hidden = random((128, 576));
    let mut group = c.benchmark_group("head");
    group.throughput(Throughput::Elements(128)).sample_size(10);
    group.bench_function("response log-probabilities with gradient", |b| {
        b.iter(|| response_logps::forward(&hidden, &head, &targets, None, true).unwrap());
    });
    group.finish();
}

criterion_group!(benches, with_gradient);
criterion_main!(benches);
