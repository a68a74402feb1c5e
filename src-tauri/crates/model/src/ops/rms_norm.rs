//! Root-mean-square layer norm (arXiv 1910.07467, eq. 4): `y = w · x / sqrt(mean(x²) + eps)`, over the last dimension.

use super::wide::wide;
use super::{cpu_slice, fused, rows_per_piece};
use crate::profile::Work;
use candle_core::{D, Result, Tensor};
use rayon::prelude::*;

/// `x` `[rows, width]`, `weight` `[width]`. Returns `y` `[rows, width]` and the reciprocal root mean square `[rows]`.
pub fn forward(x: &Tensor, weight: &Tensor, eps: f64) -> Result<(Tensor, Tensor)> {
    if !fused(x, Work::Norm) {
        return plain::forward(x, weight, eps);
    }
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

/// Gradient of the input `[rows, width]` from that of the output, the input, and `scale` as [`forward`] returned it.
/// The weight is frozen and gets none.
pub fn backward(dy: &Tensor, x: &Tensor, weight: &Tensor, scale: &Tensor) -> Result<Tensor> {
    if !fused(x, Work::Norm) {
        return plain::backward(dy, x, weight, scale);
    }
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

/// The same on candle tensors, in any float type and on any device.
pub mod plain {
    use super::{D, Result, Tensor};

    /// As [`super::forward`].
    pub fn forward(x: &Tensor, weight: &Tensor, eps: f64) -> Result<(Tensor, Tensor)> {
        let scale = (x.sqr()?.mean_keepdim(D::Minus1)? + eps)?.sqrt()?.recip()?;
        let y = x.broadcast_mul(&scale)?.broadcast_mul(weight)?;
        Ok((y, scale.squeeze(D::Minus1)?))
    }

    /// As [`super::backward`].
    pub fn backward(dy: &Tensor, x: &Tensor, weight: &Tensor, scale: &Tensor) -> Result<Tensor> {
        let width = x.dim(D::Minus1)? as f64;
        let scale = scale.unsqueeze(D::Minus1)?;
        let dn = dy.broadcast_mul(weight)?;
        let along = ((&dn * x)?.sum_keepdim(D::Minus1)?.broadcast_mul(&scale.powf(3.0)?)? / width)?;
        dn.broadcast_mul(&scale)? - x.broadcast_mul(&along)?
    }
}

#[cfg(test)]
mod tests {
    use super::super::checks::{difference, f32, finite_difference, random};
    use super::*;

    #[test]
    fn fused_equals_plain_and_plain_equals_finite_differences() {
        for (rows, width) in [(1, 1), (3, 7), (5, 33), (2, 130)] {
            let (x, w, dy) = (random(&[rows, width], 1), random(&[width], 2), random(&[rows, width], 3));
            let eps = 1e-3;
            let (y, scale) = plain::forward(&x, &w, eps).unwrap();
            let dx = plain::backward(&dy, &x, &w, &scale).unwrap();
            let expected = finite_difference(&x, &dy, |x| Ok(plain::forward(x, &w, eps)?.0));
            assert!(difference(&dx, &expected) < 1e-6, "{rows}x{width}");

            let (y32, scale32) = forward(&f32(&x), &f32(&w), eps).unwrap();
            assert!(difference(&y32, &y) < 1e-5);
            let dx32 = backward(&f32(&dy), &f32(&x), &f32(&w), &scale32).unwrap();
            assert!(difference(&dx32, &dx) < 3e-4, "{rows}x{width} {}", difference(&dx32, &dx));
        }
    }
}
