//! The cap for f32 on the CPU.

use crate::buffers::cpu_slice;
use candle_core::{Result, Tensor};
use rayon::prelude::*;

const PIECE: usize = 8 * 1024;

pub(super) fn forward(x: &Tensor, cap: f64) -> Result<Tensor> {
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
pub(crate) fn within(scores: &mut [f32], cap: f32) {
    for score in scores {
        *score = cap * (*score / cap).tanh();
    }
}

pub(super) fn backward(dy: &Tensor, y: &Tensor, cap: f64) -> Result<Tensor> {
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
pub(crate) fn slope(y: f32, cap: f32) -> f32 {
    let t = y / cap;
    1.0 - t * t
}
