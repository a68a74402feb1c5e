//! Root-mean-square layer norm (arXiv 1910.07467, eq. 4): `y = w · x / sqrt(mean(x²) + eps)`, over the last dimension.

mod cpu;
pub mod plain;

use crate::dispatch::fused;
use crate::profile::Work;
use candle_core::{Result, Tensor};

/// `x` `[rows, width]`, `weight` `[width]`. Returns `y` `[rows, width]` and the reciprocal root mean square `[rows]`.
pub fn forward(x: &Tensor, weight: &Tensor, eps: f64) -> Result<(Tensor, Tensor)> {
    if fused(x, Work::Norm) { cpu::forward(x, weight, eps) } else { plain::forward(x, weight, eps) }
}

/// Gradient of the input `[rows, width]` from that of the output, the input, and `scale` as [`forward`] returned it.
/// The weight is frozen and gets none.
pub fn backward(dy: &Tensor, x: &Tensor, weight: &Tensor, scale: &Tensor) -> Result<Tensor> {
    if fused(x, Work::Norm) { cpu::backward(dy, x, weight, scale) } else { plain::backward(dy, x, weight, scale) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use testkit::checks::{difference, f32, finite_difference, random};

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
