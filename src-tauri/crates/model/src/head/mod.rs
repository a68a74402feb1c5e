//! The end of the model: final norm, vocabulary projection at the rows that predict a response token, log-probabilities.

pub mod response_logps;

pub use response_logps::TokenScores;

use crate::error::Result;
use crate::linear::adapted::{Linear, Pass, times};
use crate::lora::gradients::Gradients;
use crate::norm::Norm;
use candle_core::Tensor;
use kernels::batch::Batch;
use kernels::{softcap, sums};
use response_logps::CHUNK;

pub(crate) struct Head {
    pub(crate) norm: Norm,
    /// `[vocabulary, width]`; the embedding itself where they are tied.
    pub(crate) linear: Linear,
    /// Soft cap on the logits (Gemma 2).
    pub(crate) softcap: Option<f64>,
}

/// What the backward of the head needs. Tensors are `[targets, …]`.
pub(crate) struct Saved {
    /// Packed row of each target.
    rows: Tensor,
    x: Tensor,
    scale: Tensor,
    normed: Tensor,
    /// Gradient of each log-probability by its normed row. None where the head itself has an adapter, whose gradient
    /// has to wait for the weights of the loss.
    unit: Option<Tensor>,
    /// `scale · dropout(normed) Aᵀ` where the head itself has an adapter.
    low: Option<Tensor>,
}

impl Head {
    /// Scores of each target, in order, from the last layer's output `[rows, width]`.
    pub(crate) fn forward(
        &self,
        x: &Tensor,
        batch: &Batch,
        pass: Pass,
        gradient: bool,
    ) -> Result<(TokenScores, Saved)> {
        let targets = batch.targets();
        let rows: Vec<u32> = targets.iter().map(|t| t.row).collect();
        let ids: Vec<u32> = targets.iter().map(|t| t.id).collect();
        let rows = Tensor::from_vec(rows, targets.len(), x.device())?;
        let x = x.index_select(&rows, 0)?;
        let (normed, scale) = self.norm.forward(&x)?;
        let low = self.linear.low(&normed, pass)?;
        let (scores, unit) = if low.is_some() {
            let mut scores = TokenScores::default();
            self.for_chunks(&normed, low.as_ref(), pass, |logits, chunk| {
                scores.extend(response_logps::of_logits(&logits, &ids[chunk], self.softcap, false)?.0);
                Ok(())
            })?;
            (scores, None)
        } else {
            response_logps::forward(&normed, &self.linear.weight, &ids, self.softcap, gradient)?
        };
        Ok((scores, Saved { rows, x, scale, normed, unit, low }))
    }

    /// The gradient of the last layer's output `[rows, width]`, from that of each target's log-probability.
    pub(crate) fn backward(
        &self,
        d_logps: &[f32],
        saved: &Saved,
        batch: &Batch,
        pass: Pass,
        gradients: &mut Gradients,
    ) -> Result<Tensor> {
        let (device, dtype) = (saved.x.device(), saved.x.dtype());
        let d = Tensor::from_slice(d_logps, (d_logps.len(), 1), device)?.to_dtype(dtype)?;
        let d_normed = match &saved.unit {
            Some(unit) => unit.broadcast_mul(&d)?,
            None => self.backward_adapted(&d, saved, batch, pass, gradients)?,
        };
        let dx = self.norm.backward(&d_normed, &saved.x, &saved.scale)?;
        let zeros = Tensor::zeros((batch.tokens(), dx.dim(1)?), dtype, device)?;
        Ok(zeros.index_add(&saved.rows, &dx, 0)?)
    }

    /// With an adapter on the head: the logits are computed again, since the adapter's gradient needs each row's weight.
    fn backward_adapted(
        &self,
        d: &Tensor,
        saved: &Saved,
        batch: &Batch,
        pass: Pass,
        gradients: &mut Gradients,
    ) -> Result<Tensor> {
        let Some((index, w)) = self.linear.adapter(pass) else {
            return Ok(saved.normed.zeros_like()?);
        };
        let ids: Vec<u32> = batch.targets().iter().map(|t| t.id).collect();
        let (mut dx, mut d_low) = (Vec::new(), Vec::new());
        let mut db = w.b.zeros_like()?;
        self.for_chunks(&saved.normed, saved.low.as_ref(), pass, |logits, chunk| {
            if let (_, Some(residual)) = response_logps::of_logits(&logits, &ids[chunk.clone()], self.softcap, true)? {
                let d_logits = residual.broadcast_mul(&d.narrow(0, chunk.start, chunk.len())?)?;
                dx.push(self.linear.weight.backward(&d_logits)?);
                d_low.push((times(&d_logits, &w.b)? * w.scale)?);
                if let Some(low) = &saved.low {
                    db = sums::add(&db, &times(&d_logits.t()?, &low.narrow(0, chunk.start, chunk.len())?)?)?;
                }
            }
            Ok(())
        })?;
        let (da, through) = self.linear.backward_low(&Tensor::cat(&d_low, 0)?, &saved.normed, &w.a, pass)?;
        gradients.add(index, &da, &db, None)?;
        Ok(sums::add(&Tensor::cat(&dx, 0)?, &through)?)
    }

    fn for_chunks(
        &self,
        normed: &Tensor,
        low: Option<&Tensor>,
        pass: Pass,
        mut each: impl FnMut(Tensor, std::ops::Range<usize>) -> Result<()>,
    ) -> Result<()> {
        let rows = normed.dim(0)?;
        for first in (0..rows).step_by(CHUNK) {
            let count = CHUNK.min(rows - first);
            let mut logits = self.linear.weight.product(&normed.narrow(0, first, count)?)?;
            if let (Some(low), Some((_, w))) = (low, self.linear.adapter(pass)) {
                logits = sums::add(&logits, &times(&low.narrow(0, first, count)?, &w.b.t()?)?)?;
            }
            each(logits, first..first + count)?;
        }
        Ok(())
    }

    /// Logits of the given rows of `x`, `[rows, vocabulary]`.
    pub(crate) fn logits(&self, x: &Tensor, pass: Pass) -> Result<Tensor> {
        let logits = self.linear.forward(&self.norm.forward(x)?.0, pass)?.0;
        Ok(self.softcap.map_or(Ok(logits.clone()), |cap| softcap::forward(&logits, cap))?)
    }
}
