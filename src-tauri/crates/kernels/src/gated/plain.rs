//! The gate on candle tensors.

use super::{Activation, GELU_CUBE, GELU_SCALE};
use candle_core::{Result, Tensor};

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
