//! The norm for f32 on the CPU: rows in parallel, sums in f64.

use crate::buffers::{cpu_slice, rows_per_piece};
use crate::wide::wide;
use candle_core::{Result, Tensor};
use rayon::prelude::*;

pub(super) fn forward(x: &Tensor, weight: &Tensor, eps: f64) -> Result<(Tensor, Tensor)> {
    let (rows, width) = x.dims2()?;
    let (x_guard, weight_guard) = (cpu_slice(x), cpu_slice(weight));
    let (xs, ws) = (x_guard.get()?, weight_guard.get()?);
    let mut y = vec![0f32; rows * width];
    let mut scale = vec![0f32; rows];
    let piece = rows_per_piece(width);
    (y.par_chunks_mut(piece * width), xs.par_chunks(piece * width), scale.par_chunks_mut(piece))
        .into_par_iter()
        .for_each(|(y, xs, scale)| {
            for ((y, x), scale) in y.chunks_exact_mut(width).zip(xs.chunks_exact(width)).zip(scale) {
                *scale = (1.0 / (sum_of_squares(x) / width as f64 + eps).sqrt()) as f32;
                normed(y, x, ws, *scale);
            }
        });
    Ok((Tensor::from_vec(y, (rows, width), x.device())?, Tensor::from_vec(scale, rows, x.device())?))
}

pub(super) fn backward(dy: &Tensor, x: &Tensor, weight: &Tensor, scale: &Tensor) -> Result<Tensor> {
    let (rows, width) = x.dims2()?;
    let guards = (cpu_slice(dy), cpu_slice(x), cpu_slice(weight), cpu_slice(scale));
    let (dys, xs, ws, scales) = (guards.0.get()?, guards.1.get()?, guards.2.get()?, guards.3.get()?);
    let mut dx = vec![0f32; rows * width];
    let piece = rows_per_piece(width);
    dx.par_chunks_mut(piece * width).enumerate().for_each(|(i, dx)| {
        for (j, dx) in dx.chunks_exact_mut(width).enumerate() {
            let row = i * piece + j;
            let (dy, x) = (&dys[row * width..][..width], &xs[row * width..][..width]);
            let scale = scales[row];
            let along = (along_row(dy, x, ws) / width as f64) as f32 * scale * scale * scale;
            back(dx, dy, x, ws, scale, along);
        }
    });
    Tensor::from_vec(dx, (rows, width), x.device())
}

/// Numbers that are summed side by side.
const LANES: usize = 8;

wide! {
    fn sum_of_squares(x: &[f32]) -> f64 {
        let mut lanes = [0f64; LANES];
        let (chunks, rest) = x.as_chunks::<LANES>();
        for x in chunks {
            for i in 0..LANES {
                lanes[i] += f64::from(x[i]) * f64::from(x[i]);
            }
        }
        for (lane, &x) in lanes.iter_mut().zip(rest) {
            *lane += f64::from(x) * f64::from(x);
        }
        lanes.iter().sum()
    }
}

wide! {
    fn normed(y: &mut [f32], x: &[f32], w: &[f32], scale: f32) {
        for ((y, &x), &w) in y.iter_mut().zip(x).zip(w) {
            *y = w * (x * scale);
        }
    }
}

wide! {
    /// `Σ (dy · w) · x`.
    fn along_row(dy: &[f32], x: &[f32], w: &[f32]) -> f64 {
        let mut lanes = [0f64; LANES];
        let ((dys, dy_rest), (xs, x_rest), (ws, w_rest)) =
            (dy.as_chunks::<LANES>(), x.as_chunks::<LANES>(), w.as_chunks::<LANES>());
        for ((dy, x), w) in dys.iter().zip(xs).zip(ws) {
            for i in 0..LANES {
                lanes[i] += f64::from(dy[i] * w[i]) * f64::from(x[i]);
            }
        }
        for (lane, ((&dy, &x), &w)) in lanes.iter_mut().zip(dy_rest.iter().zip(x_rest).zip(w_rest)) {
            *lane += f64::from(dy * w) * f64::from(x);
        }
        lanes.iter().sum()
    }
}

wide! {
    fn back(dx: &mut [f32], dy: &[f32], x: &[f32], w: &[f32], scale: f32, along: f32) {
        for (((dx, &dy), &x), &w) in dx.iter_mut().zip(dy).zip(x).zip(w) {
            *dx = dy * w * scale - x * along;
        }
    }
}
