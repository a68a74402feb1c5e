//! Rotary position embedding in Hugging Face's rotate-half layout (arXiv 2104.09864, eq. 34): element `i` of a head is
//! rotated with element `i + rotary_dim / 2` by the angle `position · inverse_frequency[i]`. Elements from `rotary_dim` on,
//! where a head is wider, are left as they are.

mod cpu;
pub mod plain;

use crate::dispatch::fused;
use crate::profile::Work;
use candle_core::{DType, Device, Result, Tensor};

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
    if fused(x, Work::Rope) { cpu::rotate(x, head_dim, angles, sign) } else { plain::rotate(x, head_dim, angles, sign) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use testkit::checks::{difference, f32, finite_difference, random};

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
