//! The rotation for f32 on the CPU: rows in parallel.

use super::Angles;
use crate::buffers::{cpu_slice, rows_per_piece};
use candle_core::{Result, Tensor};
use rayon::prelude::*;

pub(super) fn rotate(x: &Tensor, head_dim: usize, angles: &Angles, sign: f64) -> Result<Tensor> {
    let (rows, width) = x.dims2()?;
    let half = angles.cos.dim(1)?;
    let guards = (cpu_slice(x), cpu_slice(&angles.cos), cpu_slice(&angles.sin));
    let (xs, cos, sin) = (guards.0.get()?, guards.1.get()?, guards.2.get()?);
    let sign = sign as f32;
    let mut y = vec![0f32; rows * width];
    let piece = rows_per_piece(width);
    y.par_chunks_mut(piece * width).enumerate().for_each(|(i, y)| {
        for (j, y) in y.chunks_exact_mut(width).enumerate() {
            let row = i * piece + j;
            let x = &xs[row * width..][..width];
            let (cos, sin) = (&cos[row * half..][..half], &sin[row * half..][..half]);
            for (y, x) in y.chunks_exact_mut(head_dim).zip(x.chunks_exact(head_dim)) {
                let (y_turned, y_kept) = y.split_at_mut(2 * half);
                let (x_turned, x_kept) = x.split_at(2 * half);
                y_kept.copy_from_slice(x_kept);
                let (y_low, y_high) = y_turned.split_at_mut(half);
                let (x_low, x_high) = x_turned.split_at(half);
                for k in 0..half {
                    let (c, s) = (cos[k], sign * sin[k]);
                    y_low[k] = x_low[k] * c - x_high[k] * s;
                    y_high[k] = x_high[k] * c + x_low[k] * s;
                }
            }
        }
    });
    Tensor::from_vec(y, (rows, width), x.device())
}
