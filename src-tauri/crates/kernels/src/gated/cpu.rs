//! The gate for f32 on the CPU.

use super::{Activation, GELU_CUBE, GELU_SCALE};
use crate::buffers::cpu_slice;
use crate::wide::{exp, wide};
use candle_core::{Result, Tensor};
use rayon::prelude::*;

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

pub(super) fn forward(activation: Activation, gate: &Tensor, up: &Tensor) -> Result<Tensor> {
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

pub(super) fn backward(activation: Activation, dy: &Tensor, gate: &Tensor, up: &Tensor) -> Result<(Tensor, Tensor)> {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wide::tests::at_every_width;
    use testkit::checks::{f32, random};

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
