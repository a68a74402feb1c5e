//! The rotation on candle tensors.

use super::Angles;
use candle_core::{Result, Tensor};

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
