//! The norm on candle tensors, in any float type and on any device.

use candle_core::{D, Result, Tensor};

/// As [`super::forward`].
pub fn forward(x: &Tensor, weight: &Tensor, eps: f64) -> Result<(Tensor, Tensor)> {
    let scale = (x.sqr()?.mean_keepdim(D::Minus1)? + eps)?.sqrt()?.recip()?;
    let y = x.broadcast_mul(&scale)?.broadcast_mul(weight)?;
    Ok((y, scale.squeeze(D::Minus1)?))
}

/// As [`super::backward`].
pub fn backward(dy: &Tensor, x: &Tensor, weight: &Tensor, scale: &Tensor) -> Result<Tensor> {
    let width = x.dim(D::Minus1)? as f64;
    let scale = scale.unsqueeze(D::Minus1)?;
    let dn = dy.broadcast_mul(weight)?;
    let along = ((&dn * x)?.sum_keepdim(D::Minus1)?.broadcast_mul(&scale.powf(3.0)?)? / width)?;
    dn.broadcast_mul(&scale)? - x.broadcast_mul(&along)?
}
