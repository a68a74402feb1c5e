//! A decoder layer: attention and a gated MLP, each behind a norm and beside a residual.

use crate::cache::LayerCache;
use crate::error::Result;
use crate::linear::adapted::{Linear, LinearActivations, Pass};
use crate::linear::projections::Projections;
use crate::lora::gradients::Gradients;
use crate::norm::{Before, Norm, OptionalNorm};
use candle_core::Tensor;
use kernels::attention::{self, Attention, AttentionActivations};
use kernels::batch::Batch;
use kernels::gated::{self, Activation};
use kernels::profile::{Work, during};
use kernels::rope::{self, Angles};
use kernels::sums;
use std::ops::Range;

pub(crate) struct Layer {
    pub(crate) input_norm: Norm,
    pub(crate) qkv: Projections<3>,
    /// Over each head, before the rotation (Qwen 3, Gemma 3).
    pub(crate) query_norm: OptionalNorm,
    pub(crate) key_norm: OptionalNorm,
    pub(crate) attention: Attention,
    pub(crate) o: Projections<1>,
    /// Before the residual is added (Gemma).
    pub(crate) attention_output_norm: OptionalNorm,
    pub(crate) mlp_norm: Norm,
    pub(crate) gate_up: Projections<2>,
    pub(crate) activation: Activation,
    pub(crate) down: Projections<1>,
    /// Before the residual is added (Gemma).
    pub(crate) mlp_output_norm: OptionalNorm,
}

/// Everything a layer's backward needs. Tensors are `[rows, …]`.
pub(crate) struct LayerActivations {
    x: Tensor,
    input_scale: Tensor,
    normed: Tensor,
    qkv_saved: Vec<Option<LinearActivations>>,
    q_before: Before,
    k_before: Before,
    q: Tensor,
    k: Tensor,
    v: Tensor,
    attended: Tensor,
    lse: Tensor,
    o_saved: Vec<Option<LinearActivations>>,
    attention_output: Before,
    middle: Tensor,
    mlp_scale: Tensor,
    mlp_normed: Tensor,
    gate_up_saved: Vec<Option<LinearActivations>>,
    gate: Tensor,
    up: Tensor,
    gated: Tensor,
    down_saved: Vec<Option<LinearActivations>>,
    mlp_output: Before,
}

/// Queries, keys and values of some rows, with what their backward needs.
struct Heads {
    q: Tensor,
    k: Tensor,
    v: Tensor,
    saved: Vec<Option<LinearActivations>>,
    q_before: Before,
    k_before: Before,
}

impl Layer {
    pub(crate) fn linears(&self) -> impl Iterator<Item = &Linear> {
        self.qkv.linears().iter().chain(self.o.linears()).chain(self.gate_up.linears()).chain(self.down.linears())
    }

    pub(crate) fn linears_mut(&mut self) -> impl Iterator<Item = &mut Linear> {
        let Self { qkv, o, gate_up, down, .. } = self;
        qkv.linears_mut().iter_mut().chain(o.linears_mut()).chain(gate_up.linears_mut()).chain(down.linears_mut())
    }

    /// `angles` are the rotation of the layer's queries and keys; none where it has no rotary embedding.
    pub(crate) fn forward(
        &self,
        x: &Tensor,
        angles: Option<&Angles>,
        batch: &Batch,
        pass: Pass,
    ) -> Result<(Tensor, LayerActivations)> {
        let (normed, input_scale) = self.input_norm.forward(x)?;
        let Heads { q, k, v, saved: qkv_saved, q_before, k_before } = self.heads(&normed, angles, pass)?;
        let (attended, lse) = during(Work::Attention, || attention::forward(&q, &k, &v, batch, self.attention))?;
        let ([projected], o_saved) = self.o.forward(&attended, pass)?;
        let (projected, attention_output) = self.attention_output_norm.forward(projected)?;
        let middle = sums::add(x, &projected)?;

        let (mlp_normed, mlp_scale) = self.mlp_norm.forward(&middle)?;
        let ([gate, up], gate_up_saved) = self.gate_up.forward(&mlp_normed, pass)?;
        let gated = during(Work::Gate, || gated::forward(self.activation, &gate, &up))?;
        let ([down], down_saved) = self.down.forward(&gated, pass)?;
        let (down, mlp_output) = self.mlp_output_norm.forward(down)?;
        let y = sums::add(&middle, &down)?;

        let x = x.clone();
        let saved = LayerActivations {
            x,
            input_scale,
            normed,
            qkv_saved,
            q_before,
            k_before,
            q,
            k,
            v,
            attended,
            lse,
            o_saved,
            attention_output,
            middle,
            mlp_scale,
            mlp_normed,
            gate_up_saved,
            gate,
            up,
            gated,
            down_saved,
            mlp_output,
        };
        Ok((y, saved))
    }

    pub(crate) fn backward(
        &self,
        dy: &Tensor,
        saved: &LayerActivations,
        angles: Option<&Angles>,
        batch: &Batch,
        pass: Pass,
        gradients: &mut Gradients,
    ) -> Result<Tensor> {
        let d_down = self.mlp_output_norm.backward(dy.clone(), &saved.mlp_output)?;
        let d_gated = self.down.backward([&d_down], &saved.gated, &saved.down_saved, pass, gradients)?;
        let (d_gate, d_up) = during(Work::Gate, || gated::backward(self.activation, &d_gated, &saved.gate, &saved.up))?;
        let d_normed =
            self.gate_up.backward([&d_gate, &d_up], &saved.mlp_normed, &saved.gate_up_saved, pass, gradients)?;
        let d_middle = sums::add(dy, &self.mlp_norm.backward(&d_normed, &saved.middle, &saved.mlp_scale)?)?;

        let d_projected = self.attention_output_norm.backward(d_middle.clone(), &saved.attention_output)?;
        let d_attended = self.o.backward([&d_projected], &saved.attended, &saved.o_saved, pass, gradients)?;
        let forward =
            AttentionActivations { q: &saved.q, k: &saved.k, v: &saved.v, out: &saved.attended, lse: &saved.lse };
        let (dq, dk, dv) =
            during(Work::Attention, || attention::backward(&d_attended, forward, batch, self.attention))?;
        let (dq, dk) = match angles {
            Some(angles) => {
                let dim = self.attention.dim;
                during(Work::Rope, || {
                    Ok::<_, candle_core::Error>((rope::backward(&dq, dim, angles)?, rope::backward(&dk, dim, angles)?))
                })?
            }
            None => (dq, dk),
        };
        let dq = self.query_norm.backward(dq, &saved.q_before)?;
        let dk = self.key_norm.backward(dk, &saved.k_before)?;
        let d_normed = self.qkv.backward([&dq, &dk, &dv], &saved.normed, &saved.qkv_saved, pass, gradients)?;
        Ok(sums::add(&d_middle, &self.input_norm.backward(&d_normed, &saved.x, &saved.input_scale)?)?)
    }

    /// New tokens of several sequences, rows `new[i]` of `x` for the sequence whose cache is `caches[i]`.
    pub(crate) fn extend(
        &self,
        x: &Tensor,
        angles: Option<&Angles>,
        new: &[Range<usize>],
        caches: &mut [&mut LayerCache],
        pass: Pass,
    ) -> Result<Tensor> {
        let (normed, _) = self.input_norm.forward(x)?;
        let Heads { q, k, v, .. } = self.heads(&normed, angles, pass)?;
        let mut histories = Vec::with_capacity(new.len());
        for (rows, cache) in new.iter().zip(caches) {
            let part = |t: &Tensor| t.narrow(0, rows.start, rows.len());
            histories.push(cache.append(&part(&k)?, &part(&v)?)?);
        }
        let attended = during(Work::Attention, || attention::extend(&q, new, &histories, self.attention))?;
        let ([projected], _) = self.o.forward(&attended, pass)?;
        let (projected, _) = self.attention_output_norm.forward(projected)?;
        let middle = sums::add(x, &projected)?;
        let (normed, _) = self.mlp_norm.forward(&middle)?;
        let ([gate, up], _) = self.gate_up.forward(&normed, pass)?;
        let gated = during(Work::Gate, || gated::forward(self.activation, &gate, &up))?;
        let ([down], _) = self.down.forward(&gated, pass)?;
        let (down, _) = self.mlp_output_norm.forward(down)?;
        Ok(sums::add(&middle, &down)?)
    }

    fn heads(&self, normed: &Tensor, angles: Option<&Angles>, pass: Pass) -> Result<Heads> {
        let ([q, k, v], saved) = self.qkv.forward(normed, pass)?;
        let (q, q_before) = self.query_norm.forward(q)?;
        let (k, k_before) = self.key_norm.forward(k)?;
        let (q, k) = match angles {
            Some(angles) => {
                let dim = self.attention.dim;
                during(Work::Rope, || {
                    Ok::<_, candle_core::Error>((rope::forward(&q, dim, angles)?, rope::forward(&k, dim, angles)?))
                })?
            }
            None => (q, k),
        };
        Ok(Heads { q, k, v, saved, q_before, k_before })
    }
}
