//! The end of the model: final norm, vocabulary projection at the rows that predict a response token, log-probabilities.

pub mod response_logps;

pub use response_logps::TokenScores;

use crate::error::Result;
use crate::linear::adapted::{Pass, times};
use crate::linear::projections::Projections;
use crate::lora::gradients::Gradients;
use crate::norm::Norm;
use candle_core::Tensor;
use kernels::batch::Batch;
use kernels::{softcap, sums};
use response_logps::CHUNK;

pub(crate) struct Head {
    pub(crate) norm: Norm,
    /// `[vocabulary, width]`; the embedding itself where they are tied.
    pub(crate) projection: Projections<1>,
    /// Soft cap on the logits (Gemma 2).
    pub(crate) softcap: Option<f64>,
}

/// What the backward of the head needs. Tensors are `[targets, …]`.
pub(crate) struct HeadActivations {
    /// Packed row of each target.
    rows: Tensor,
    x: Tensor,
    scale: Tensor,
    normed: Tensor,
    /// Gradient of each log-probability by its normed row. None where the head itself has an adapter, whose gradient
    /// has to wait for the weights of the loss.
    unit: Option<Tensor>,
    /// `scale · dropout(normed) Aᵀ` where the head itself has an adapter.
    lora_hidden: Option<Tensor>,
}

impl Head {
    /// Scores of each target, in order, from the last layer's output `[rows, width]`.
    pub(crate) fn forward(
        &self,
        x: &Tensor,
        batch: &Batch,
        pass: Pass,
        gradient: bool,
    ) -> Result<(TokenScores, HeadActivations)> {
        let targets = batch.targets();
        let rows: Vec<u32> = targets.iter().map(|t| t.row).collect();
        let ids: Vec<u32> = targets.iter().map(|t| t.id).collect();
        let rows = Tensor::from_vec(rows, targets.len(), x.device())?;
        let x = x.index_select(&rows, 0)?;
        let (normed, scale) = self.norm.forward(&x)?;
        let lora_hidden = self.projection.linear().lora_hidden(&normed, pass)?;
        let (scores, unit) = if lora_hidden.is_some() {
            let mut scores = TokenScores::default();
            self.for_chunks(&normed, lora_hidden.as_ref(), pass, |logits, chunk| {
                scores.extend(response_logps::of_logits(&logits, &ids[chunk], self.softcap, false)?.0);
                Ok(())
            })?;
            (scores, None)
        } else {
            response_logps::forward(&normed, &self.projection.linear().weight, &ids, self.softcap, gradient)?
        };
        Ok((scores, HeadActivations { rows, x, scale, normed, unit, lora_hidden }))
    }

    /// The gradient of the last layer's output `[rows, width]`, from that of each target's log-probability.
    pub(crate) fn backward(
        &self,
        d_logps: &[f32],
        saved: &HeadActivations,
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
        saved: &HeadActivations,
        batch: &Batch,
        pass: Pass,
        gradients: &mut Gradients,
    ) -> Result<Tensor> {
        let Some((index, w)) = self.projection.linear().adapter(pass) else {
            return Ok(saved.normed.zeros_like()?);
        };
        let ids: Vec<u32> = batch.targets().iter().map(|t| t.id).collect();
        let (mut dx, mut d_hidden) = (Vec::new(), Vec::new());
        let mut db = w.b.zeros_like()?;
        self.for_chunks(&saved.normed, saved.lora_hidden.as_ref(), pass, |logits, chunk| {
            if let (_, Some(residual)) = response_logps::of_logits(&logits, &ids[chunk.clone()], self.softcap, true)? {
                let d_logits = residual.broadcast_mul(&d.narrow(0, chunk.start, chunk.len())?)?;
                dx.push(self.projection.linear().weight.backward(&d_logits)?);
                d_hidden.push((times(&d_logits, &w.b)? * w.scale)?);
                if let Some(hidden) = &saved.lora_hidden {
                    db = sums::add(&db, &times(&d_logits.t()?, &hidden.narrow(0, chunk.start, chunk.len())?)?)?;
                }
            }
            Ok(())
        })?;
        let (da, through) =
            self.projection.linear().backward_lora_hidden(&Tensor::cat(&d_hidden, 0)?, &saved.normed, &w.a, pass)?;
        gradients.add(index, &da, &db, None)?;
        Ok(sums::add(&Tensor::cat(&dx, 0)?, &through)?)
    }

    fn for_chunks(
        &self,
        normed: &Tensor,
        lora_hidden: Option<&Tensor>,
        pass: Pass,
        mut each: impl FnMut(Tensor, std::ops::Range<usize>) -> Result<()>,
    ) -> Result<()> {
        let rows = normed.dim(0)?;
        for first in (0..rows).step_by(CHUNK) {
            let count = CHUNK.min(rows - first);
            let mut logits = self.projection.linear().weight.product(&normed.narrow(0, first, count)?)?;
            if let (Some(hidden), Some((_, w))) = (lora_hidden, self.projection.linear().adapter(pass)) {
                logits = sums::add(&logits, &times(&hidden.narrow(0, first, count)?, &w.b.t()?)?)?;
            }
            each(logits, first..first + count)?;
        }
        Ok(())
    }

    /// Logits of the given rows of `x`, `[rows, vocabulary]`.
    pub(crate) fn logits(&self, x: &Tensor, pass: Pass) -> Result<Tensor> {
        let ([logits], _) = self.projection.forward(&self.norm.forward(x)?.0, pass)?;
        Ok(self.softcap.map_or(Ok(logits.clone()), |cap| softcap::forward(&logits, cap))?)
    }
}
