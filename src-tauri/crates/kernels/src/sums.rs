//! Tensors of one shape that are added up: residuals, and what several products give one gradient.

use crate::buffers::cpu_slice;
use crate::dispatch::fused;
use crate::profile::{Work, during};
use crate::wide;
use candle_core::{Result, Tensor};
use rayon::prelude::*;

const PIECE: usize = 8 * 1024;

/// `a + b`, both contiguous and of one shape. On the CPU by rayon's threads: candle's own sum waits for a second pool of
/// threads, which spins.
pub fn add(a: &Tensor, b: &Tensor) -> Result<Tensor> {
    during(Work::Sums, || {
        if !fused(a, Work::Sums) || a.dims() != b.dims() {
            return a + b;
        }
        let guards = (cpu_slice(a), cpu_slice(b));
        let (a_slice, b_slice) = (guards.0.get()?, guards.1.get()?);
        let mut sum = vec![0f32; a_slice.len()];
        let pieces = (sum.par_chunks_mut(PIECE), a_slice.par_chunks(PIECE), b_slice.par_chunks(PIECE));
        pieces.into_par_iter().for_each(|(sum, a, b)| wide::add(sum, a, b));
        Tensor::from_vec(sum, a.shape(), a.device())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use testkit::checks::{difference, f32, random};

    #[test]
    fn a_sum_is_candles_bit_for_bit_and_other_shapes_are_refused() {
        let (a, b) = (f32(&random(&[3, 9000], 1)), f32(&random(&[3, 9000], 2)));
        assert!(difference(&add(&a, &b).unwrap(), &(&a + &b).unwrap()) == 0.0);
        assert!(add(&a, &b.narrow(1, 0, 8999).unwrap()).is_err());
    }
}
