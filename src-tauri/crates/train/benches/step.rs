//! One optimiser step in tokens per second (forward, loss, backward, `AdamW`), and one step of generation; with weights
//! expanded once, and as the file has them.
//!
//! `TIEBREAK_BENCH_MODEL` names a model folder or GGUF file; without it a tiny random one is made, which measures the
//! overhead around the kernels.

use candle_core::{DType, Device};
use chat::Tokenizer;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use model::{BaseDtype, Decoder, Gradients, KvCache, Lora, LoraConfig};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use std::path::{Path, PathBuf};
use train::data;
use train::dpo::Dpo;
use train::reference::ReferenceLogps;
use train::step::Policy;

const PAIRS: usize = 4;

fn step(criterion: &mut Criterion) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let model = std::env::var_os("TIEBREAK_BENCH_MODEL").map_or_else(
        || {
            let tiny = testkit::TinyLlama { hidden: 128, intermediate: 384, layers: 4, ..Default::default() };
            tiny.write_folder(folder.path()).expect("a model folder");
            folder.path().to_path_buf()
        },
        PathBuf::from,
    );
    let tokenizer = Tokenizer::open(&model).expect("a tokenizer");
    let limits = train::RunConfig::default().settings.limits();
    let rows = testkit::pairs(PAIRS, 1);
    let dataset = data::encode(
        data::Input::of(Path::new("pairs"), &rows),
        &tokenizer,
        &limits,
        data::Identical::LeaveOut,
        &mut |_| Ok(true),
    )
    .expect("pairs that can be encoded")
    .expect("nothing stops it");
    let batch = data::pack(dataset.examples.iter());
    let references = vec![ReferenceLogps { chosen: -50.0, rejected: -50.0 }; PAIRS];
    let settings = train::RunConfig::default();
    let dpo = Dpo { objective: settings.settings.objective(), counting: settings.settings.counting() };
    let mut group = criterion.benchmark_group("training step");
    group.sample_size(10).throughput(Throughput::Elements(batch.tokens() as u64));
    for dtype in [BaseDtype::F32, BaseDtype::Auto] {
        let decoder = Decoder::load(&model, &Device::Cpu, dtype).expect("a model");
        let mut generator = ChaCha8Rng::seed_from_u64(1);
        let lora = Lora::init(&LoraConfig::default(), decoder.linears(), &mut generator, DType::F32, &Device::Cpu)
            .expect("an adapter");
        for recompute in [false, true] {
            let layers = if recompute { "recomputed" } else { "kept" };
            group.bench_function(format!("weights {dtype}, layers {layers}"), |bencher| {
                let mut policy =
                    Policy::new(&decoder, lora.clone(), 0.0, recompute, 1.0).expect("moments of the optimiser");
                bencher.iter(|| {
                    let pairs = dataset.examples.iter().zip(&references);
                    let mut gradients = Gradients::zeros(&policy.lora).expect("gradients");
                    policy
                        .microbatch(&batch, None, &mut gradients, |tokens| {
                            let (scores, evaluation) = dpo.evaluate(&batch, tokens, pairs);
                            Ok(((), scores.d_tokens(&evaluation, 1.0)))
                        })
                        .expect("forward and backward");
                    policy.update(&gradients, 1e-5, 1).expect("an update");
                });
            });
        }
        let ids = [5u32; 8];
        let mut cache = KvCache::new(decoder.config(), ids.len(), 1 << 12);
        group.bench_function(format!("weights {dtype}, a token of each of 8 answers"), |bencher| {
            bencher.iter(|| {
                let new: Vec<(usize, &[u32])> = (0..ids.len()).map(|i| (i, &ids[i..=i])).collect();
                decoder.extend(Some(&lora), &mut cache, &new).expect("logits")
            });
        });
    }
    group.finish();
}

criterion_group!(benches, step);
criterion_main!(benches);
