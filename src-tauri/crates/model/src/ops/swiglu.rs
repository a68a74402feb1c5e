//! The gate of a gated MLP (arXiv 2002.05202, eq. 6): `silu(gate) · up`, `silu(x) = x · σ(x)`.

use super::{cpu_slice, fused};
use candle_core::{Result, Tensor};
use rayon::prelude::*;

const PIECE: usize = 8 * 1024;

/// `gate` and `up` of one shape; returns their gated product.
pub fn forward(gate: &Tensor, up: &Tensor) -> Result<Tensor> {
    if !fused(gate) {
        return plain::forward(gate, up);
    }
    let (gate_guard, up_guard) = (cpu_slice(gate), cpu_slice(up));
    let (gates, ups) = (gate_guard.get()?, up_guard.get()?);
    let mut y = vec![0f32; gates.len()];
    (y.par_chunks_mut(PIECE), gates.par_chunks(PIECE), ups.par_chunks(PIECE)).into_par_iter().for_each(|(y, g, u)| {
        for ((y, &g), &u) in y.iter_mut().zip(g).zip(u) {
            *y = g * sigmoid(g) * u;
        }
    });
    Tensor::from_vec(y, gate.shape(), gate.device())
}

/// Gradients of `gate` and `up` from that of the product.
pub fn backward(dy: &Tensor, gate: &Tensor, up: &Tensor) -> Result<(Tensor, Tensor)> {
    if !fused(gate) {
        return plain::backward(dy, gate, up);
    }
    let guards = (cpu_slice(dy), cpu_slice(gate), cpu_slice(up));
    let (dys, gates, ups) = (guards.0.get()?, guards.1.get()?, guards.2.get()?);
    let mut d_gate = vec![0f32; gates.len()];
    let mut d_up = vec![0f32; gates.len()];
    (d_gate.par_chunks_mut(PIECE), d_up.par_chunks_mut(PIECE)).into_par_iter().enumerate().for_each(
        |(i, (d_gate, d_up))| {
            let piece = i * PIECE..i * PIECE + d_gate.len();
            let (dy, g, u) = (&dys[piece.clone()], &gates[piece.clone()], &ups[piece]);
            for ((((d_gate, d_up), &dy), &g), &u) in d_gate.iter_mut().zip(d_up).zip(dy).zip(g).zip(u) {
                let s = sigmoid(g);
                *d_up = dy * g * s;
                *d_gate = dy * u * s * (1.0 + g * (1.0 - s));
            }
        },
    );
    Ok((Tensor::from_vec(d_gate, gate.shape(), gate.device())?, Tensor::from_vec(d_up, gate.shape(), gate.device())?))
}

fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + (-x).exp())
}

/// The same on candle tensors.
pub mod plain {
    use super::{Result, Tensor};

    fn sigmoid(x: &Tensor) -> Result<Tensor> {
        (x.neg()?.exp()? + 1.0)?.recip()
    }

    /// As [`super::forward`].
    pub fn forward(gate: &Tensor, up: &Tensor) -> Result<Tensor> {
        (gate * sigmoid(gate)?)? * up
    }

    /// As [`super::backward`].
    pub fn backward(dy: &Tensor, gate: &Tensor, up: &Tensor) -> Result<(Tensor, Tensor)> {
        let s = sigmoid(gate)?;
        let d_up = ((dy * gate)? * &s)?;
        let slope = (&s * ((gate * (1.0 - &s)?)? + 1.0)?)?;
        Ok((((dy * up)? * slope)?, d_up))
    }
}

#[cfg(test)]
mod tests {
    use super::super::checks::{difference, f32, finite_difference, random};
    use super::*;

    #[test]
    fn fused_equals_plain_and_plain_equals_finite_differences() {
        for shape in [[1, 1], [3, 5], [7, 1300]] {
            let (gate, up, dy) = ((random(&shape, 1) * 4.0).unwrap(), random(&shape, 2), random(&shape, 3));
            let (d_gate, d_up) = plain::backward(&dy, &gate, &up).unwrap();
            if shape[1] < 10 {
                let by_gate = finite_difference(&gate, &dy, |gate| plain::forward(gate, &up));
                let by_up = finite_difference(&up, &dy, |up| plain::forward(&gate, up));
                assert!(difference(&d_gate, &by_gate) < 1e-8);
                assert!(difference(&d_up, &by_up) < 1e-8);
            }
            let (g32, u32, dy32) = (f32(&gate), f32(&up), f32(&dy));
            assert!(difference(&forward(&g32, &u32).unwrap(), &plain::forward(&gate, &up).unwrap()) < 1e-6);
            let (d_gate32, d_up32) = backward(&dy32, &g32, &u32).unwrap();
            assert!(difference(&d_gate32, &d_gate) < 1e-6);
            assert!(difference(&d_up32, &d_up) < 1e-6);
        }
    }
}
