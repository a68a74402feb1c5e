//! The gate of a gated MLP (arXiv 2002.05202, eq. 6): `activation(gate) · up`.

mod cpu;
pub mod plain;

use crate::dispatch::fused;
use crate::profile::Work;
use candle_core::{Result, Tensor};

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

/// `gate` and `up` of one shape; returns their gated product.
pub fn forward(activation: Activation, gate: &Tensor, up: &Tensor) -> Result<Tensor> {
    if fused(gate, Work::Gate) { cpu::forward(activation, gate, up) } else { plain::forward(activation, gate, up) }
}

/// Gradients of `gate` and `up` from that of the product.
pub fn backward(activation: Activation, dy: &Tensor, gate: &Tensor, up: &Tensor) -> Result<(Tensor, Tensor)> {
    if fused(gate, Work::Gate) {
        cpu::backward(activation, dy, gate, up)
    } else {
        plain::backward(activation, dy, gate, up)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use testkit::checks::{difference, f32, finite_difference, random};

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
}
