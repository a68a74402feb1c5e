//! Rotary position embedding in Hugging Face's rotate-half layout (arXiv 2104.09864, eq. 34): element `i` of a head is
//! rotated with element `i + rotary_dim / 2` by the angle `position · inverse_frequency[i]`. Elements from `rotary_dim` on,
//! where a head is wider, are left as they are.

use super::{cpu_slice, fused, rows_per_piece};
use crate::profile::Work;
use candle_core::{DType, Device, Result, Tensor};
use rayon::prelude::*;

/// Cosines and sines of a batch's positions, each `[rows, rotary_dim / 2]`.
#[derive(Debug, Clone)]
pub struct Angles {
    cos: Tensor,
    sin: Tensor,
}

impl Angles {
    /// For the given positions, with the frequencies that each has; `scale` multiplies cosines and sines. The angle is a
    /// product in f32, as transformers has it, so that long positions agree.
    pub fn new<'a>(
        positions: &[u32],
        inverse_frequencies: impl Fn(usize) -> &'a [f32],
        scale: f64,
        dtype: DType,
        device: &Device,
    ) -> Result<Self> {
        let angles: Vec<f64> = positions
            .iter()
            .enumerate()
            .flat_map(|(row, &p)| inverse_frequencies(row).iter().map(move |&f| f64::from(p as f32 * f)))
            .collect();
        let shape = (positions.len(), angles.len() / positions.len().max(1));
        let cos: Vec<f64> = angles.iter().map(|a| a.cos() * scale).collect();
        let sin: Vec<f64> = angles.iter().map(|a| a.sin() * scale).collect();
        Ok(Self {
            cos: Tensor::from_vec(cos, shape, &Device::Cpu)?.to_dtype(dtype)?.to_device(device)?,
            sin: Tensor::from_vec(sin, shape, &Device::Cpu)?.to_dtype(dtype)?.to_device(device)?,
        })
    }
}

/// Rotates `x` `[rows, heads · head_dim]`.
pub fn forward(x: &Tensor, head_dim: usize, angles: &Angles) -> Result<Tensor> {
    rotate(x, head_dim, angles, 1.0)
}

/// Gradient of the input from that of the output: the rotation by the opposite angle.
pub fn backward(dy: &Tensor, head_dim: usize, angles: &Angles) -> Result<Tensor> {
    rotate(dy, head_dim, angles, -1.0)
}

fn rotate(x: &Tensor, head_dim: usize, angles: &Angles, sign: f64) -> Result<Tensor> {
    if !fused(x, Work::Rope) {
        return plain::rotate(x, head_dim, angles, sign);
    }
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

/// The same on candle tensors.
pub mod plain {
    use super::{Angles, Result, Tensor};

    /// Rotates by the angles (`sign` 1) or back (`sign` −1).
    pub fn rotate(x: &Tensor, head_dim: usize, angles: &Angles, sign: f64) -> Result<Tensor> {
        let (rows, width) = x.dims2()?;
        let half = angles.cos.dim(1)?;
        let x3 = x.reshape((rows, width / head_dim, head_dim))?;
        let (low, high) = (x3.narrow(2, 0, half)?, x3.narrow(2, half, half)?);
        let (cos, sin) = (angles.cos.unsqueeze(1)?, (angles.sin.unsqueeze(1)? * sign)?);
        let y_low = (low.broadcast_mul(&cos)? - high.broadcast_mul(&sin)?)?;
        let y_high = (high.broadcast_mul(&cos)? + low.broadcast_mul(&sin)?)?;
        let mut parts = vec![y_low, y_high];
        if head_dim > 2 * half {
            parts.push(x3.narrow(2, 2 * half, head_dim - 2 * half)?);
        }
        Tensor::cat(&parts, 2)?.reshape((rows, width))
    }
}

#[cfg(test)]
mod tests {
    use super::super::checks::{difference, f32, finite_difference, random};
    use super::*;

    #[test]
    fn fused_equals_plain_and_plain_equals_finite_differences() {
        let (short, long) = ([1.0f32, 0.3, 0.01], [0.5f32, 0.2, 0.004]);
        let positions = [0u32, 5, 3, 4000];
        let frequencies = |row: usize| if row < 3 { short.as_slice() } else { &long };
        let exact = Angles::new(&positions, frequencies, 1.25, DType::F64, testkit::device_for(DType::F64)).unwrap();
        let single = Angles::new(&positions, frequencies, 1.25, DType::F32, testkit::device()).unwrap();
        let (x, dy) = (random(&[4, 36], 1), random(&[4, 36], 2));
        for head_dim in [6, 9, 12] {
            let dx = plain::rotate(&dy, head_dim, &exact, -1.0).unwrap();
            let forward_exact = |x: &Tensor| plain::rotate(x, head_dim, &exact, 1.0);
            assert!(difference(&dx, &finite_difference(&x, &dy, forward_exact)) < 1e-9);
            let y32 = forward(&f32(&x), head_dim, &single).unwrap();
            assert!(difference(&y32, &forward_exact(&x).unwrap()) < 1e-6);
            assert!(difference(&backward(&f32(&dy), head_dim, &single).unwrap(), &dx) < 1e-6);
        }
    }
}
