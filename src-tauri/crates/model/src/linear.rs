//! A frozen linear with an adapter beside it.

use crate::error::Result;
use crate::lora::{Gradients, Lora};
use crate::ops::dropout;
use crate::weight::Weight;
use candle_core::Tensor;

/// What accompanies a batch through the model: the adapter, when it is on, and the key of its dropout, when training.
#[derive(Clone, Copy)]
pub(crate) struct Pass<'a> {
    pub(crate) lora: Option<&'a Lora>,
    pub(crate) dropout: Option<u64>,
}

pub(crate) struct Linear {
    /// `[out, in]`, frozen.
    pub(crate) weight: Weight,
    pub(crate) bias: Option<Tensor>,
    /// Place in the model's list of linears.
    pub(crate) place: usize,
}

/// What the backward of a linear needs beside its input: `scale · dropout(x) Aᵀ`, `[rows, r]`. None without adapter.
pub(crate) type Low = Option<Tensor>;

impl Linear {
    /// `x` `[rows, in]` to `[rows, out]`.
    pub(crate) fn forward(&self, x: &Tensor, pass: Pass) -> Result<(Tensor, Low)> {
        let mut y = self.weight.product(x)?;
        if let Some(bias) = &self.bias {
            y = y.broadcast_add(bias)?;
        }
        let low = self.low(x, pass)?;
        if let (Some(low), Some((_, w))) = (&low, self.adapter(pass)) {
            y = (y + low.matmul(&w.b.t()?)?)?;
        }
        Ok((y, low))
    }

    /// The gradient of the input `[rows, in]`; adds those of the adapter.
    pub(crate) fn backward(
        &self,
        dy: &Tensor,
        x: &Tensor,
        low: &Low,
        pass: Pass,
        gradients: &mut Gradients,
    ) -> Result<Tensor> {
        let dx = self.weight.backward(dy)?;
        let (Some(low), Some((index, w)), Some(lora)) = (low, self.adapter(pass), pass.lora) else { return Ok(dx) };
        let db = dy.t()?.matmul(low)?;
        let d_low = (dy.matmul(&w.b)? * lora.scale())?;
        let (da, through) = self.backward_low(&d_low, x, &w.a, pass)?;
        gradients.add(index, &da, &db)?;
        Ok((dx + through)?)
    }

    /// `scale · dropout(x) Aᵀ`.
    pub(crate) fn low(&self, x: &Tensor, pass: Pass) -> Result<Low> {
        let (Some((_, w)), Some(lora)) = (self.adapter(pass), pass.lora) else { return Ok(None) };
        let dropped = match self.mask(x, pass)? {
            Some(mask) => (x * mask)?,
            None => x.clone(),
        };
        Ok(Some((dropped.matmul(&w.a.t()?)? * lora.scale())?))
    }

    /// From the gradient of `dropout(x) Aᵀ`: that of `A`, and that of `x` through the adapter.
    pub(crate) fn backward_low(&self, d_low: &Tensor, x: &Tensor, a: &Tensor, pass: Pass) -> Result<(Tensor, Tensor)> {
        let through = d_low.matmul(a)?;
        Ok(match self.mask(x, pass)? {
            Some(mask) => (d_low.t()?.matmul(&(x * &mask)?)?, (through * mask)?),
            None => (d_low.t()?.matmul(x)?, through),
        })
    }

    pub(crate) fn adapter<'a>(&self, pass: Pass<'a>) -> Option<(usize, &'a crate::lora::LoraWeight)> {
        pass.lora.and_then(|lora| lora.on(self.place))
    }

    fn mask(&self, x: &Tensor, pass: Pass) -> Result<Option<Tensor>> {
        let rate = pass.lora.map_or(0.0, |lora| lora.config().lora_dropout);
        match pass.dropout {
            Some(key) if rate > 0.0 => {
                let key = dropout::splitmix(key ^ (self.place as u64 + 1));
                Ok(Some(dropout::mask(key, rate, x.dims2()?, x.dtype(), x.device())?))
            }
            _ => Ok(None),
        }
    }
}
