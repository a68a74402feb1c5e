//! What this machine can do: the rates that those of a training step are held against.
//!
//! Arithmetic is measured by a loop of independent multiply-adds on registers, on all threads at once. A loop is run in
//! bursts of a tenth of a millisecond, of which the middle one of each thread counts, so that other processes, which take a
//! whole core for some milliseconds, hardly show.
#![allow(unsafe_code)]

use crate::product::Kernel;
use crate::weight::Weight;
use candle_core::{Device, Result, Tensor};
use rayon::prelude::*;
use std::hint::black_box;
use std::time::{Duration, Instant};

/// Sums of a loop: enough that none waits for the one before, and with what they are made of they fit sixteen registers.
const SUMS: usize = 12;
/// Multiply-adds to each sum in a burst.
const ROUNDS: usize = 1 << 14;
/// How long a loop is run.
const MEASURED: Duration = Duration::from_millis(150);

/// `(rows, in, out)` of the product that is measured.
pub const PRODUCT: (usize, usize, usize) = (1024, 1024, 4096);
/// How long it is run, and how often at least.
const PRODUCT_MEASURED: Duration = Duration::from_millis(800);
const LEAST_PRODUCTS: usize = 4;

/// Bytes that are read to measure memory: more than caches hold.
const READ: usize = 256 << 20;
const READS: usize = 6;

/// A loop of multiply-adds, each of 1 · 1, so that what it returns is how many there were.
struct Loop {
    /// Multiply-adds in a burst.
    multiply_adds: usize,
    run: fn() -> f64,
}

impl Loop {
    fn of(lanes: usize, run: fn() -> f64) -> Self {
        Self { multiply_adds: ROUNDS * SUMS * lanes, run }
    }

    /// Multiplications and additions per second, of all threads.
    fn rate(&self) -> f64 {
        let seconds = rayon::broadcast(|_| {
            let (began, mut bursts) = (Instant::now(), Vec::new());
            while bursts.is_empty() || began.elapsed() < MEASURED {
                let burst = Instant::now();
                black_box((self.run)());
                bursts.push(burst.elapsed().as_secs_f64());
            }
            bursts.sort_by(f64::total_cmp);
            bursts[bursts.len() / 2]
        });
        seconds.into_iter().map(|seconds| 2.0 * self.multiply_adds as f64 / seconds).sum()
    }
}

/// Threads that the engine computes on.
pub fn threads() -> usize {
    rayon::current_num_threads()
}

/// Multiplications and additions per second in f32, by the widest instructions that serve best.
pub fn f32_arithmetic() -> f64 {
    f32_loops().iter().map(Loop::rate).fold(0.0, f64::max)
}

/// The same of bf16 with sums in f32, where the processor multiplies in it.
pub fn bf16_arithmetic() -> Option<f64> {
    bf16_loop().map(|it| it.rate())
}

/// Multiplications and additions per second of the engine's own product with a frozen matrix of f32, [`PRODUCT`], in bf16 by
/// this kernel or, without one, in f32; the best of several.
pub fn product(kernel: Option<Kernel>) -> Result<f64> {
    let (rows, columns, out) = PRODUCT;
    let random = |rows, columns| Tensor::randn(0f32, 0.05, (rows, columns), &Device::Cpu);
    let (x, mut w) = (random(rows, columns)?, Weight::floats(&random(out, columns)?)?);
    w.set_kernel(kernel);
    let (began, mut seconds) = (Instant::now(), Vec::new());
    while seconds.len() < LEAST_PRODUCTS || began.elapsed() < PRODUCT_MEASURED {
        let product = Instant::now();
        black_box(w.product(&x)?);
        seconds.push(product.elapsed().as_secs_f64());
    }
    let best = seconds.into_iter().fold(f64::MAX, f64::min);
    Ok(2.0 * (rows * columns * out) as f64 / best)
}

/// Bytes per second that all threads read from memory; the best of several passes.
pub fn memory() -> f64 {
    let numbers = vec![1u64; READ / size_of::<u64>()];
    let pass = || {
        let began = Instant::now();
        let pieces = numbers.par_chunks(1 << 16);
        black_box(pieces.map(|piece| piece.iter().fold(0u64, |sum, &it| sum.wrapping_add(it))).sum::<u64>());
        READ as f64 / began.elapsed().as_secs_f64()
    };
    (0..READS).map(|_| pass()).fold(0.0, f64::max)
}

/// Those that this processor can run, at least one.
fn f32_loops() -> Vec<Loop> {
    let mut loops = Vec::new();
    #[cfg(target_arch = "x86_64")]
    {
        if is_x86_feature_detected!("avx512f") {
            // SAFETY: the processor was asked for the instructions.
            loops.push(Loop::of(16, || unsafe { x86::f32_in_512_bits() }));
        }
        if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
            // SAFETY: as above.
            loops.push(Loop::of(8, || unsafe { x86::f32_in_256_bits() }));
        }
    }
    #[cfg(target_arch = "aarch64")]
    loops.push(Loop::of(4, aarch64::f32_in_128_bits));
    if loops.is_empty() {
        loops.push(Loop::of(4, anywhere));
    }
    loops
}

fn bf16_loop() -> Option<Loop> {
    #[cfg(target_arch = "x86_64")]
    if Kernel::of_processor() == Some(Kernel::Avx512) {
        // SAFETY: that kernel is there only where the processor has the instructions.
        return Some(Loop::of(32, || unsafe { x86::bf16_in_512_bits() }));
    }
    None
}

/// By what every processor of its kind has.
fn anywhere() -> f64 {
    let one = black_box([1f32; 4]);
    let mut sums = [[0f32; 4]; SUMS];
    for _ in 0..ROUNDS {
        for sum in &mut sums {
            for (sum, one) in sum.iter_mut().zip(one) {
                *sum += one * one;
            }
        }
    }
    sums.iter().flatten().map(|&sum| f64::from(sum)).sum()
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::{ROUNDS, SUMS};
    use std::arch::x86_64::{
        __m256, __m512bh, __m512i, _mm256_fmadd_ps, _mm256_set1_ps, _mm256_setzero_ps, _mm512_dpbf16_ps,
        _mm512_fmadd_ps, _mm512_reduce_add_ps, _mm512_set1_epi16, _mm512_set1_ps, _mm512_setzero_ps,
    };
    use std::hint::black_box;
    use std::mem::transmute;

    #[target_feature(enable = "avx512f")]
    pub(super) fn f32_in_512_bits() -> f64 {
        let one = _mm512_set1_ps(black_box(1.0));
        let mut sums = [_mm512_setzero_ps(); SUMS];
        for _ in 0..ROUNDS {
            for sum in &mut sums {
                *sum = _mm512_fmadd_ps(one, one, *sum);
            }
        }
        sums.into_iter().map(|sum| f64::from(_mm512_reduce_add_ps(sum))).sum()
    }

    #[target_feature(enable = "avx2,fma")]
    pub(super) fn f32_in_256_bits() -> f64 {
        let one = _mm256_set1_ps(black_box(1.0));
        let mut sums = [_mm256_setzero_ps(); SUMS];
        for _ in 0..ROUNDS {
            for sum in &mut sums {
                *sum = _mm256_fmadd_ps(one, one, *sum);
            }
        }
        // SAFETY: a register of eight f32 is those eight.
        let lanes = |sum: __m256| unsafe { transmute::<__m256, [f32; 8]>(sum) };
        sums.into_iter().flat_map(lanes).map(f64::from).sum()
    }

    #[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
    pub(super) fn bf16_in_512_bits() -> f64 {
        let bits = black_box(half::bf16::ONE.to_bits());
        // SAFETY: registers of the same size hold the same bits.
        let one = unsafe { transmute::<__m512i, __m512bh>(_mm512_set1_epi16(bits as i16)) };
        let mut sums = [_mm512_setzero_ps(); SUMS];
        for _ in 0..ROUNDS {
            for sum in &mut sums {
                *sum = _mm512_dpbf16_ps(*sum, one, one);
            }
        }
        sums.into_iter().map(|sum| f64::from(_mm512_reduce_add_ps(sum))).sum()
    }
}

#[cfg(target_arch = "aarch64")]
mod aarch64 {
    use super::{ROUNDS, SUMS};
    use std::arch::aarch64::{vaddvq_f32, vdupq_n_f32, vfmaq_f32};
    use std::hint::black_box;

    /// By NEON, which every such processor has.
    pub(super) fn f32_in_128_bits() -> f64 {
        // SAFETY: NEON is part of the architecture, and nothing here reads or writes memory.
        unsafe {
            let one = vdupq_n_f32(black_box(1.0));
            let mut sums = [vdupq_n_f32(0.0); SUMS];
            for _ in 0..ROUNDS {
                for sum in &mut sums {
                    *sum = vfmaq_f32(*sum, one, one);
                }
            }
            sums.into_iter().map(|sum| f64::from(vaddvq_f32(sum))).sum()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[allow(clippy::float_cmp)] // Whole numbers that f32 holds.
    fn every_loop_does_as_many_multiply_adds_as_are_counted() {
        let mut loops = f32_loops();
        loops.push(Loop::of(4, anywhere));
        loops.extend(bf16_loop());
        println!("{} loops, one of them for any processor", loops.len());
        for it in loops {
            assert_eq!((it.run)(), it.multiply_adds as f64);
        }
    }

    #[test]
    fn bf16_has_a_rate_where_the_processor_multiplies_in_it() {
        let has = Kernel::of_processor().is_some();
        assert_eq!(bf16_arithmetic().is_some(), has);
        assert!(Kernel::of_processor().is_none_or(|kernel| product(Some(kernel)).unwrap() > 0.0));
    }

    #[test]
    fn rates_are_those_of_computers() {
        // From a slow processor, shared by many, to a hundred times what any has today.
        let plausible = |rate: f64| (1e7..1e16).contains(&rate);
        let product = product(None).unwrap();
        for rate in [f32_arithmetic(), product, memory()] {
            assert!(plausible(rate), "{rate}");
        }
    }
}
