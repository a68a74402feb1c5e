//! A norm whose weight is frozen.

use crate::error::Result;
use candle_core::Tensor;
use kernels::profile::{Work, during};
use kernels::rms_norm;

pub(crate) struct Norm {
    /// `[width]`, frozen.
    pub(crate) weight: Tensor,
    pub(crate) eps: f64,
}

impl Norm {
    /// `x` `[rows, width]`. Returns the normed rows and the reciprocal root mean square of each.
    pub(crate) fn forward(&self, x: &Tensor) -> Result<(Tensor, Tensor)> {
        Ok(during(Work::Norm, || rms_norm::forward(x, &self.weight, self.eps))?)
    }

    pub(crate) fn backward(&self, dy: &Tensor, x: &Tensor, scale: &Tensor) -> Result<Tensor> {
        Ok(during(Work::Norm, || rms_norm::backward(dy, x, &self.weight, scale))?)
    }
}

/// A norm that not every family has, or one over each head.
#[derive(Default)]
pub(crate) struct OptionalNorm(pub(crate) Option<Norm>);

/// What the backward of [`OptionalNorm`] needs: its input and the reciprocal root mean squares.
pub(crate) type Before = Option<(Tensor, Tensor)>;

impl OptionalNorm {
    /// Norms each stretch of the weight's width in the rows of `x`: whole rows, or a row's heads.
    pub(crate) fn forward(&self, x: Tensor) -> Result<(Tensor, Before)> {
        let Some(norm) = &self.0 else { return Ok((x, None)) };
        let stretches = x.reshape(((), norm.weight.dim(0)?))?;
        let (y, scale) = norm.forward(&stretches)?;
        Ok((y.reshape(x.shape())?, Some((stretches, scale))))
    }

    pub(crate) fn backward(&self, dy: Tensor, before: &Before) -> Result<Tensor> {
        let (Some(norm), Some((x, scale))) = (&self.0, before) else { return Ok(dy) };
        let dx = norm.backward(&dy.reshape(x.shape())?, x, scale)?;
        Ok(dx.reshape(dy.shape())?)
    }
}
