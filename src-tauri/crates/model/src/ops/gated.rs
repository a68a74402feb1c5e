//! The gate of a gated MLP (arXiv 2002.05202, eq. 6): `activation(gate) · up`.

use super::wide::{exp, wide};
use super::{cpu_slice, fused};
use crate::profile::Work;
use candle_core::{Result, Tensor};
use rayon::prelude::*;

/// What the gate goes through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Activation {
    /// `x · σ(x)` (arXiv 1702.03118).
    Silu,
    /// The GELU's approximation by tanh (arXiv 1606.08415, section 2): `x / 2 · (1 + tanh(√(2/π) (x + 0.044715 x³)))`.
    GeluTanh,
}

/// √(2/π).
const GELU_SCALE: f64 = 0.797_884_560_802_865_4;
const GELU_CUBE: f64 = 0.044_715;

/// Value and slope of `SiLU`.
#[inline(always)]
#[allow(clippy::inline_always)]
fn silu(x: f32) -> (f32, f32) {
    let s = 1.0 / (1.0 + exp(-x));
    (x * s, s * (1.0 + x * (1.0 - s)))
}

/// Value and slope of `GELU`, with `tanh(u) = 1 − 2 / (e²ᵘ + 1)`.
#[inline(always)]
#[allow(clippy::inline_always)]
fn gelu(x: f32) -> (f32, f32) {
    let (scale, cube) = (GELU_SCALE as f32, GELU_CUBE as f32);
    let t = 1.0 - 2.0 / (exp(2.0 * scale * (x + cube * x * x * x)) + 1.0);
    let slope = 0.5 * (1.0 + t) + 0.5 * x * (1.0 - t * t) * scale * (1.0 + 3.0 * cube * x * x);
    (0.5 * x * (1.0 + t), slope)
}

macro_rules! loops {
    ($at:ident $forward:ident $backward:ident) => {
        wide! {
            fn $forward(y: &mut [f32], gate: &[f32], up: &[f32]) {
                for ((y, &g), &u) in y.iter_mut().zip(gate).zip(up) {
                    *y = $at(g).0 * u;
                }
            }
        }

        wide! {
            fn $backward(d_gate: &mut [f32], d_up: &mut [f32], dy: &[f32], gate: &[f32], up: &[f32]) {
                for ((((d_gate, d_up), &dy), &g), &u) in d_gate.iter_mut().zip(d_up).zip(dy).zip(gate).zip(up) {
                    let (value, slope) = $at(g);
                    *d_up = dy * value;
                    *d_gate = dy * u * slope;
                }
            }
        }
    };
}

loops!(silu silu_forward silu_backward);
loops!(gelu gelu_forward gelu_backward);

const PIECE: usize = 8 * 1024;

/// `gate` and `up` of one shape; returns their gated product.
pub fn forward(activation: Activation, gate: &Tensor, up: &Tensor) -> Result<Tensor> {
    if !fused(gate, Work::Gate) {
        return plain::forward(activation, gate, up);
    }
    let (gate_guard, up_guard) = (cpu_slice(gate), cpu_slice(up));
    let (gates, ups) = (gate_guard.get()?, up_guard.get()?);
    let mut y = vec![0f32; gates.len()];
    let pieces = (y.par_chunks_mut(PIECE), gates.par_chunks(PIECE), ups.par_chunks(PIECE));
    pieces.into_par_iter().for_each(|(y, gate, up)| match activation {
        Activation::Silu => silu_forward(y, gate, up),
        Activation::GeluTanh => gelu_forward(y, gate, up),
    });
    Tensor::from_vec(y, gate.shape(), gate.device())
}

/// Gradients of `gate` and `up` from that of the product.
pub fn backward(activation: Activation, dy: &Tensor, gate: &Tensor, up: &Tensor) -> Result<(Tensor, Tensor)> {
    if !fused(gate, Work::Gate) {
        return plain::backward(activation, dy, gate, up);
    }
    let guards = (cpu_slice(dy), cpu_slice(gate), cpu_slice(up));
    let (dys, gates, ups) = (guards.0.get()?, guards.1.get()?, guards.2.get()?);
    let mut d_gate = vec![0f32; gates.len()];
    let mut d_up = vec![0f32; gates.len()];
    (d_gate.par_chunks_mut(PIECE), d_up.par_chunks_mut(PIECE)).into_par_iter().enumerate().for_each(
        |(i, (d_gate, d_up))| {
            let piece = i * PIECE..i * PIECE + d_gate.len();
            let (dy, g, u) = (&dys[piece.clone()], &gates[piece.clone()], &ups[piece]);
            match activation {
                Activation::Silu => silu_backward(d_gate, d_up, dy, g, u),
                Activation::GeluTanh => gelu_backward(d_gate, d_up, dy, g, u),
            }
        },
    );
    Ok((Tensor::from_vec(d_gate, gate.shape(), gate.device())?, Tensor::from_vec(d_up, gate.shape(), gate.device())?))
}

/// The same on candle tensors.
pub mod plain {
    use super::{Activation, GELU_CUBE, GELU_SCALE, Result, Tensor};

    /// Value and slope at each of `x`.
    fn at(activation: Activation, x: &Tensor) -> Result<(Tensor, Tensor)> {
        match activation {
            Activation::Silu => {
                let s = (x.neg()?.exp()? + 1.0)?.recip()?;
                let slope = (&s * ((x * (1.0 - &s)?)? + 1.0)?)?;
                Ok(((x * s)?, slope))
            }
            Activation::GeluTanh => {
                // Not `powf`, which not every device has for negative numbers.
                let cube = (x.sqr()? * x)?;
                let t = ((x + (cube * GELU_CUBE)?)? * GELU_SCALE)?.tanh()?;
                let half = ((&t + 1.0)? * 0.5)?;
                let inner = ((x.sqr()? * (3.0 * GELU_CUBE))? + 1.0)?;
                let bend = ((((1.0 - t.sqr()?)? * x)? * inner)? * (0.5 * GELU_SCALE))?;
                Ok(((x * &half)?, (half + bend)?))
            }
        }
    }

    /// As [`super::forward`].
    pub fn forward(activation: Activation, gate: &Tensor, up: &Tensor) -> Result<Tensor> {
        at(activation, gate)?.0 * up
    }

    /// As [`super::backward`].
    pub fn backward(activation: Activation, dy: &Tensor, gate: &Tensor, up: &Tensor) -> Result<(Tensor, Tensor)> {
        let (value, slope) = at(activation, gate)?;
        Ok((((dy * up)? * slope)?, (dy * value)?))
    }
}

#[cfg(test)]
mod tests {
    use super::super::checks::{difference, f32, finite_difference, random};
    use super::super::wide::tests::at_every_width;
    use super::*;

    #[test]
    fn fused_equals_plain_and_plain_equals_finite_differences() {
        for activation in [Activation::Silu, Activation::GeluTanh] {
            for shape in [[1, 1], [3, 5], [7, 1300]] {
                let (gate, up, dy) = ((random(&shape, 1) * 4.0).unwrap(), random(&shape, 2), random(&shape, 3));
                let (d_gate, d_up) = plain::backward(activation, &dy, &gate, &up).unwrap();
                if shape[1] < 10 {
                    let by_gate = finite_difference(&gate, &dy, |gate| plain::forward(activation, gate, &up));
                    let by_up = finite_difference(&up, &dy, |up| plain::forward(activation, &gate, up));
                    assert!(difference(&d_gate, &by_gate) < 1e-8);
                    assert!(difference(&d_up, &by_up) < 1e-8);
                }
                let (g32, u32, dy32) = (f32(&gate), f32(&up), f32(&dy));
                let (y32, y) =
                    (forward(activation, &g32, &u32).unwrap(), plain::forward(activation, &gate, &up).unwrap());
                assert!(difference(&y32, &y) < 1e-6);
                let (d_gate32, d_up32) = backward(activation, &dy32, &g32, &u32).unwrap();
                assert!(difference(&d_gate32, &d_gate) < 1e-6);
                assert!(difference(&d_up32, &d_up) < 1e-6);
            }
        }
    }

    #[test]
    fn every_width_gives_the_same_bits() {
        let [gate, up, dy] = [1, 2, 3].map(|seed| (random(&[1037], seed) * 9.0).unwrap());
        let flat =
            |tensor: &Tensor| f32(tensor).to_device(&candle_core::Device::Cpu).unwrap().to_vec1::<f32>().unwrap();
        let (gate, up, dy) = (flat(&gate), flat(&up), flat(&dy));
        at_every_width(|| {
            let mut outputs = vec![vec![0f32; gate.len()]; 6];
            let [a, b, c, d, e, f] = outputs.get_disjoint_mut([0, 1, 2, 3, 4, 5]).unwrap();
            silu_forward(a, &gate, &up);
            silu_backward(b, c, &dy, &gate, &up);
            gelu_forward(d, &gate, &up);
            gelu_backward(e, f, &dy, &gate, &up);
            outputs
        });
    }

    /// Printed by `torch.nn.functional.gelu(x, approximate="tanh")` of torch 2.15, in f64.
    #[test]
    fn gelu_is_that_of_torch() {
        for (x, expected) in GELU_OF_TORCH {
            assert!((f64::from(gelu(x).0) - expected).abs() < 1e-6, "{x}");
        }
    }

    const GELU_OF_TORCH: [(f32, f64); 4] =
        [(-3.0, -0.003_637_392_082), (-0.5, -0.154_285_990_175), (0.75, 0.579_960_555_166), (4.0, 3.999_929_754_052)];
}
