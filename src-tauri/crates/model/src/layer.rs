//! A decoder layer: attention and a gated MLP, each behind a norm and beside a residual.

use crate::batch::Batch;
use crate::cache::LayerCache;
use crate::error::Result;
use crate::linear::{Linear, Low, Pass};
use crate::lora::Gradients;
use crate::ops::attention::{self, Heads};
use crate::ops::rope::{self, Angles};
use crate::ops::{rms_norm, swiglu};
use candle_core::Tensor;
use std::ops::Range;

pub(crate) struct Norm {
    /// `[width]`, frozen.
    pub(crate) weight: Tensor,
    pub(crate) eps: f64,
}

impl Norm {
    pub(crate) fn forward(&self, x: &Tensor) -> Result<(Tensor, Tensor)> {
        Ok(rms_norm::forward(x, &self.weight, self.eps)?)
    }

    pub(crate) fn backward(&self, dy: &Tensor, x: &Tensor, scale: &Tensor) -> Result<Tensor> {
        Ok(rms_norm::backward(dy, x, &self.weight, scale)?)
    }
}

pub(crate) struct Layer {
    pub(crate) input_norm: Norm,
    pub(crate) q: Linear,
    pub(crate) k: Linear,
    pub(crate) v: Linear,
    pub(crate) o: Linear,
    pub(crate) mlp_norm: Norm,
    pub(crate) gate: Linear,
    pub(crate) up: Linear,
    pub(crate) down: Linear,
    pub(crate) heads: Heads,
}

/// Everything a layer's backward needs. Tensors are `[rows, …]`.
pub(crate) struct Saved {
    x: Tensor,
    input_scale: Tensor,
    normed: Tensor,
    q: Tensor,
    k: Tensor,
    v: Tensor,
    lows: [Low; 7],
    attended: Tensor,
    lse: Tensor,
    middle: Tensor,
    mlp_scale: Tensor,
    mlp_normed: Tensor,
    gate: Tensor,
    up: Tensor,
    gated: Tensor,
}

impl Layer {
    pub(crate) fn linears(&self) -> [&Linear; 7] {
        [&self.q, &self.k, &self.v, &self.o, &self.gate, &self.up, &self.down]
    }

    pub(crate) fn forward(&self, x: &Tensor, angles: &Angles, batch: &Batch, pass: Pass) -> Result<(Tensor, Saved)> {
        let (normed, input_scale) = self.input_norm.forward(x)?;
        let (q, q_low) = self.q.forward(&normed, pass)?;
        let (k, k_low) = self.k.forward(&normed, pass)?;
        let (v, v_low) = self.v.forward(&normed, pass)?;
        let (q, k) = (rope::forward(&q, angles)?, rope::forward(&k, angles)?);
        let (attended, lse) = attention::forward(&q, &k, &v, batch, self.heads)?;
        let (projected, o_low) = self.o.forward(&attended, pass)?;
        let middle = (x + projected)?;

        let (mlp_normed, mlp_scale) = self.mlp_norm.forward(&middle)?;
        let (gate, gate_low) = self.gate.forward(&mlp_normed, pass)?;
        let (up, up_low) = self.up.forward(&mlp_normed, pass)?;
        let gated = swiglu::forward(&gate, &up)?;
        let (down, down_low) = self.down.forward(&gated, pass)?;
        let y = (&middle + down)?;

        let lows = [q_low, k_low, v_low, o_low, gate_low, up_low, down_low];
        let x = x.clone();
        let saved = Saved {
            x,
            input_scale,
            normed,
            q,
            k,
            v,
            lows,
            attended,
            lse,
            middle,
            mlp_scale,
            mlp_normed,
            gate,
            up,
            gated,
        };
        Ok((y, saved))
    }

    pub(crate) fn backward(
        &self,
        dy: &Tensor,
        saved: &Saved,
        angles: &Angles,
        batch: &Batch,
        pass: Pass,
        gradients: &mut Gradients,
    ) -> Result<Tensor> {
        let [q_low, k_low, v_low, o_low, gate_low, up_low, down_low] = &saved.lows;
        let d_gated = self.down.backward(dy, &saved.gated, down_low, pass, gradients)?;
        let (d_gate, d_up) = swiglu::backward(&d_gated, &saved.gate, &saved.up)?;
        let d_normed = (self.gate.backward(&d_gate, &saved.mlp_normed, gate_low, pass, gradients)?
            + self.up.backward(&d_up, &saved.mlp_normed, up_low, pass, gradients)?)?;
        let d_middle = (dy + self.mlp_norm.backward(&d_normed, &saved.middle, &saved.mlp_scale)?)?;

        let d_attended = self.o.backward(&d_middle, &saved.attended, o_low, pass, gradients)?;
        let forward = attention::Saved { q: &saved.q, k: &saved.k, v: &saved.v, out: &saved.attended, lse: &saved.lse };
        let (dq, dk, dv) = attention::backward(&d_attended, forward, batch, self.heads)?;
        let (dq, dk) = (rope::backward(&dq, angles)?, rope::backward(&dk, angles)?);
        let d_normed = self.q.backward(&dq, &saved.normed, q_low, pass, gradients)?;
        let d_normed = (d_normed + self.k.backward(&dk, &saved.normed, k_low, pass, gradients)?)?;
        let d_normed = (d_normed + self.v.backward(&dv, &saved.normed, v_low, pass, gradients)?)?;
        Ok((d_middle + self.input_norm.backward(&d_normed, &saved.x, &saved.input_scale)?)?)
    }

    /// New tokens of several sequences, rows `new[i]` of `x` for the sequence whose cache is `caches[i]`.
    pub(crate) fn extend(
        &self,
        x: &Tensor,
        angles: &Angles,
        new: &[Range<usize>],
        caches: &mut [&mut LayerCache],
        pass: Pass,
    ) -> Result<Tensor> {
        let (normed, _) = self.input_norm.forward(x)?;
        let (q, k) = (self.q.forward(&normed, pass)?.0, self.k.forward(&normed, pass)?.0);
        let v = self.v.forward(&normed, pass)?.0;
        let (q, k) = (rope::forward(&q, angles)?, rope::forward(&k, angles)?);
        let mut histories = Vec::with_capacity(new.len());
        for (rows, cache) in new.iter().zip(caches) {
            let part = |t: &Tensor| t.narrow(0, rows.start, rows.len());
            histories.push(cache.append(&part(&k)?, &part(&v)?)?);
        }
        let attended = attention::extend(&q, new, &histories, self.heads)?;
        let middle = (x + self.o.forward(&attended, pass)?.0)?;
        let (normed, _) = self.mlp_norm.forward(&middle)?;
        let gated = swiglu::forward(&self.gate.forward(&normed, pass)?.0, &self.up.forward(&normed, pass)?.0)?;
        Ok((middle + self.down.forward(&gated, pass)?.0)?)
    }
}
