//! Products with frozen weights: f32 as candle does them against bf16 by our kernel, in turns, so that whatever else the
//! machine does meets both. Prints the best of each in GFLOP/s, the ratio of the two, and the quartiles of the ratio from
//! turn to turn.
//!
//! `cargo bench -p kernels --bench products`
#![allow(clippy::unwrap_used, missing_docs)]

use candle_core::quantized::GgmlDType;
use candle_core::{Device, Tensor};
use half::bf16;
use kernels::blocks;
use kernels::product::{Kernel, Numbers};
use std::hint::black_box;
use std::time::Instant;

/// `(out, in)` of the matrices of SmolLM2-135M, of its vocabulary, and of a larger model's.
const SHAPES: [(usize, usize); 6] = [(192, 576), (576, 576), (1536, 576), (576, 1536), (49_152, 576), (1024, 4096)];
/// One token of one answer, of sixteen, and training.
const ROWS: [usize; 5] = [1, 16, 64, 256, 1024];
/// The same of the vocabulary, which is projected in chunks.
const ROWS_OF_VOCABULARY: [usize; 3] = [1, 16, 128];
/// Fewer rows are never gone back through.
const TRAINING: usize = 64;
const SECONDS: f64 = 1.0;

fn random(rows: usize, columns: usize, deviation: f32) -> (Tensor, Vec<f32>) {
    let tensor = Tensor::randn(0f32, deviation, (rows, columns), &Device::Cpu).unwrap();
    let numbers = tensor.flatten_all().unwrap().to_vec1().unwrap();
    (tensor, numbers)
}

/// Seconds of each of two in turns, the first turn left out.
fn in_turns(mut one: impl FnMut(), mut other: impl FnMut()) -> Vec<(f64, f64)> {
    let seconds = |work: &mut dyn FnMut()| {
        let began = Instant::now();
        work();
        began.elapsed().as_secs_f64()
    };
    let (began, mut turns) = (Instant::now(), Vec::new());
    while turns.len() < 6 || began.elapsed().as_secs_f64() < SECONDS {
        turns.push((seconds(&mut one), seconds(&mut other)));
    }
    turns.split_off(1)
}

fn report(what: &str, operations: f64, turns: &[(f64, f64)]) {
    let best = |of: fn(&(f64, f64)) -> f64| turns.iter().map(of).fold(f64::MAX, f64::min);
    let (f32s, bf16s) = (best(|turn| turn.0), best(|turn| turn.1));
    let mut ratios: Vec<f64> = turns.iter().map(|turn| turn.0 / turn.1).collect();
    ratios.sort_by(f64::total_cmp);
    let quartile = |quarter: usize| ratios[(ratios.len() - 1) * quarter / 4];
    println!(
        "{what:38} {:7.1} {:7.1} {:6.2}   {:5.2} {:5.2} {:5.2}",
        operations / f32s / 1e9,
        operations / bf16s / 1e9,
        f32s / bf16s,
        quartile(1),
        quartile(2),
        quartile(3)
    );
}

fn main() {
    let Some(kernel) = Kernel::of_processor() else {
        println!("this processor has no products in bf16: there is nothing to compare");
        return;
    };
    println!("{kernel:?}, {} threads", rayon::current_num_threads());
    println!("{:38} {:>7} {:>7} {:>6}   ratio by turn: quartiles", "rows × out × in", "f32", "bf16", "ratio");
    for shape @ (out, columns) in SHAPES {
        let (w, numbers) = random(out, columns, 0.05);
        let halves: Vec<bf16> = numbers.iter().map(|&number| bf16::from_f32(number)).collect();
        let raw = blocks::encode(GgmlDType::Q4_1, &numbers).unwrap();
        let turned = w.t().unwrap();
        let all: &[usize] = if out > 10_000 { &ROWS_OF_VOCABULARY } else { &ROWS };
        for &rows in all {
            let operations = 2.0 * (rows * out * columns) as f64;
            let ((x, xs), (dy, dys)) = (random(rows, columns, 1.0), random(rows, out, 1.0));
            let what = |kind: &str| format!("{rows} × {out} × {columns} {kind}");
            let expanded = || {
                let mut numbers = vec![0f32; out * columns];
                blocks::decode(GgmlDType::Q4_1, &raw, &mut numbers);
                Tensor::from_vec(numbers, (out, columns), &Device::Cpu).unwrap()
            };
            let turns = in_turns(
                || drop(black_box(x.matmul(&turned).unwrap())),
                || drop(black_box(kernel.forward(&xs, Numbers::Bf16(&halves), shape))),
            );
            report(&what("f32, bf16 forward"), operations, &turns);
            let turns = in_turns(
                || drop(black_box(x.matmul(&expanded().t().unwrap()).unwrap())),
                || drop(black_box(kernel.forward(&xs, Numbers::Blocks(GgmlDType::Q4_1, &raw), shape))),
            );
            report(&what("Q4_1 forward"), operations, &turns);
            if rows < TRAINING {
                continue;
            }
            let turns = in_turns(
                || drop(black_box(dy.matmul(&w).unwrap())),
                || drop(black_box(kernel.backward(&dys, Numbers::Bf16(&halves), shape))),
            );
            report(&what("f32, bf16 backward"), operations, &turns);
            let turns = in_turns(
                || drop(black_box(dy.matmul(&expanded()).unwrap())),
                || drop(black_box(kernel.backward(&dys, Numbers::Blocks(GgmlDType::Q4_1, &raw), shape))),
            );
            report(&what("Q4_1 backward"), operations, &turns);
        }
    }
}
