//! Rotary position embedding in Hugging Face's rotate-half layout (arXiv 2104.09864, eq. 34): element `i` of a head is
//! rotated with element `i + head_dim / 2` by the angle `position · inverse_frequency[i]`.

use super::{cpu_slice, fused, rows_per_piece};
use candle_core::{DType, Device, Result, Tensor};
use rayon::prelude::*;

/// Cosines and sines of a batch's positions, each `[rows, head_dim / 2]`.
#[derive(Debug, Clone)]
pub struct Angles {
    cos: Tensor,
    sin: Tensor,
}

impl Angles {
    /// For the given positions. The angle is a product in f32, as transformers has it, so that long positions agree.
    pub fn new(positions: &[u32], inverse_frequencies: &[f32], dtype: DType, device: &Device) -> Result<Self> {
        let angles = || positions.iter().flat_map(|&p| inverse_frequencies.iter().map(move |&f| p as f32 * f));
        let shape = (positions.len(), inverse_frequencies.len());
        let cos: Vec<f64> = angles().map(|a| f64::from(a).cos()).collect();
        let sin: Vec<f64> = angles().map(|a| f64::from(a).sin()).collect();
        Ok(Self {
            cos: Tensor::from_vec(cos, shape, &Device::Cpu)?.to_dtype(dtype)?.to_device(device)?,
            sin: Tensor::from_vec(sin, shape, &Device::Cpu)?.to_dtype(dtype)?.to_device(device)?,
        })
    }
}

/// Rotates `x` `[rows, heads · head_dim]`.
pub fn forward(x: &Tensor, angles: &Angles) -> Result<Tensor> {
    rotate(x, angles, 1.0)
}

/// Gradient of the input from that of the output: the rotation by the opposite angle.
pub fn backward(dy: &Tensor, angles: &Angles) -> Result<Tensor> {
    rotate(dy, angles, -1.0)
}

fn rotate(x: &Tensor, angles: &Angles, sign: f64) -> Result<Tensor> {
    if !fused(x) {
        return plain::rotate(x, angles, sign);
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
            for (y, x) in y.chunks_exact_mut(2 * half).zip(x.chunks_exact(2 * half)) {
                let (y_low, y_high) = y.split_at_mut(half);
                let (x_low, x_high) = x.split_at(half);
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
    pub fn rotate(x: &Tensor, angles: &Angles, sign: f64) -> Result<Tensor> {
        let (rows, width) = x.dims2()?;
        let half = angles.cos.dim(1)?;
        let x3 = x.reshape((rows, width / (2 * half), 2 * half))?;
        let (low, high) = (x3.narrow(2, 0, half)?, x3.narrow(2, half, half)?);
        let (cos, sin) = (angles.cos.unsqueeze(1)?, (angles.sin.unsqueeze(1)? * sign)?);
        let y_low = (low.broadcast_mul(&cos)? - high.broadcast_mul(&sin)?)?;
        let y_high = (high.broadcast_mul(&cos)? + low.broadcast_mul(&sin)?)?;
        Tensor::cat(&[y_low, y_high], 2)?.reshape((rows, width))
    }
}

#[cfg(test)]
mod tests {
    use super::super::checks::{difference, f32, finite_difference, random};
    use super::*;

    #[test]
    fn fused_equals_plain_and_plain_equals_finite_differences() {
        let frequencies = [1.0f32, 0.3, 0.01];
        let positions = [0u32, 5, 3, 4000];
        let exact = Angles::new(&positions, &frequencies, DType::F64, &Device::Cpu).unwrap();
        let single = Angles::new(&positions, &frequencies, DType::F32, &Device::Cpu).unwrap();
        let (x, dy) = (random(&[4, 18], 1), random(&[4, 18], 2));
        let dx = plain::rotate(&dy, &exact, -1.0).unwrap();
        assert!(difference(&dx, &finite_difference(&x, &dy, |x| plain::rotate(x, &exact, 1.0))) < 1e-9);
        let y32 = forward(&f32(&x), &single).unwrap();
        assert!(difference(&y32, &plain::rotate(&x, &exact, 1.0).unwrap()) < 1e-6);
        assert!(difference(&backward(&f32(&dy), &single).unwrap(), &dx) < 1e-6);
    }
}
