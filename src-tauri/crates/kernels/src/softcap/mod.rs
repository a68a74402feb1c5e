//! The soft cap of Gemma 2 (arXiv 2408.00118, section 2): `cap · tanh(x / cap)`, which keeps scores within `cap`.

pub(crate) mod cpu;
pub mod plain;

use crate::dispatch::fused;
use crate::profile::Work;
use candle_core::{Result, Tensor};

/// Caps every number of `x`.
pub fn forward(x: &Tensor, cap: f64) -> Result<Tensor> {
    if fused(x, Work::Logps) { cpu::forward(x, cap) } else { plain::forward(x, cap) }
}

/// Gradient of the input from that of the output and the output `y` itself.
pub fn backward(dy: &Tensor, y: &Tensor, cap: f64) -> Result<Tensor> {
    if fused(dy, Work::Logps) { cpu::backward(dy, y, cap) } else { plain::backward(dy, y, cap) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use testkit::checks::{difference, f32, finite_difference, random};

    #[test]
    fn fused_equals_plain_and_plain_equals_finite_differences() {
        for (shape, cap) in [([1, 1], 2.0), ([3, 5], 0.7), ([9, 1300], 30.0)] {
            let (x, dy) = ((random(&shape, 1) * 4.0).unwrap(), random(&shape, 2));
            let y = plain::forward(&x, cap).unwrap();
            let dx = plain::backward(&dy, &y, cap).unwrap();
            if shape[1] < 10 {
                let expected = finite_difference(&x, &dy, |x| plain::forward(x, cap));
                assert!(difference(&dx, &expected) < 1e-8);
            }
            let y32 = forward(&f32(&x), cap).unwrap();
            assert!(difference(&y32, &y) < 2e-6);
            assert!(difference(&backward(&f32(&dy), &y32, cap).unwrap(), &dx) < 2e-6);
        }
    }
}
