//! The soft cap of Gemma 2 (arXiv 2408.00118, section 2): `cap · tanh(x / cap)`, which keeps scores within `cap`.

use super::{cpu_slice, fused};
use crate::profile::Work;
use candle_core::{Result, Tensor};
use rayon::prelude::*;

const PIECE: usize = 8 * 1024;

/// Caps every number of `x`.
pub fn forward(x: &Tensor, cap: f64) -> Result<Tensor> {
    if !fused(x, Work::Logps) {
        return plain::forward(x, cap);
    }
    let guard = cpu_slice(x);
    let xs = guard.get()?;
    let cap = cap as f32;
    let mut y = vec![0f32; xs.len()];
    y.par_chunks_mut(PIECE).zip(xs.par_chunks(PIECE)).for_each(|(y, x)| {
        y.copy_from_slice(x);
        within(y, cap);
    });
    Tensor::from_vec(y, x.shape(), x.device())
}

/// Caps every one of these scores.
pub(super) fn within(scores: &mut [f32], cap: f32) {
    for score in scores {
        *score = cap * (*score / cap).tanh();
    }
}

/// Gradient of the input from that of the output and the output `y` itself.
pub fn backward(dy: &Tensor, y: &Tensor, cap: f64) -> Result<Tensor> {
    if !fused(dy, Work::Logps) {
        return plain::backward(dy, y, cap);
    }
    let guards = (cpu_slice(dy), cpu_slice(y));
    let (dys, ys) = (guards.0.get()?, guards.1.get()?);
    let cap = cap as f32;
    let mut dx = vec![0f32; dys.len()];
    (dx.par_chunks_mut(PIECE), dys.par_chunks(PIECE), ys.par_chunks(PIECE)).into_par_iter().for_each(|(dx, dy, y)| {
        for ((dx, &dy), &y) in dx.iter_mut().zip(dy).zip(y) {
            *dx = dy * slope(y, cap);
        }
    });
    Tensor::from_vec(dx, dy.shape(), dy.device())
}

/// The slope of the cap where its output is `y`.
pub(super) fn slope(y: f32, cap: f32) -> f32 {
    let t = y / cap;
    1.0 - t * t
}

/// The same on candle tensors.
pub mod plain {
    use super::{Result, Tensor};

    /// As [`super::forward`].
    pub fn forward(x: &Tensor, cap: f64) -> Result<Tensor> {
        (x / cap)?.tanh()? * cap
    }

    /// As [`super::backward`].
    pub fn backward(dy: &Tensor, y: &Tensor, cap: f64) -> Result<Tensor> {
        dy * (1.0 - (y / cap)?.sqr()?)?
    }
}

#[cfg(test)]
mod tests {
    use super::super::checks::{difference, f32, finite_difference, random};
    use super::*;

    #[test]
    fn fused_equals_plain_and_plain_equals_finite_differences() {
        for (shape, cap) in [([1, 1], 2.0), ([3, 5], 0.7), ([9, 1300], 30.0)] {
            let (x, dy) = ((random(&shape, 1) * 4.0).unwrap(), random(&shape, 2));
            let y = plain::forward(&x, cap).unwrap();
            let dx = plain::backward(&dy, &y, cap).unwrap();
            if shape[1] < 10 {
                let expected = finite_difference(&x, &dy, |x| plain::forward(x, cap));
                assert!(difference(&dx, &expected) < 1e-8);
            }
            let y32 = forward(&f32(&x), cap).unwrap();
            assert!(difference(&y32, &y) < 2e-6);
            assert!(difference(&backward(&f32(&dy), &y32, cap).unwrap(), &dx) < 2e-6);
        }
    }
}
