//! The cap on candle tensors.

use candle_core::{Result, Tensor};

/// As [`super::forward`].
pub fn forward(x: &Tensor, cap: f64) -> Result<Tensor> {
    (x / cap)?.tanh()? * cap
}

/// As [`super::backward`].
pub fn backward(dy: &Tensor, y: &Tensor, cap: f64) -> Result<Tensor> {
    dy * (1.0 - (y / cap)?.sqr()?)?
}
