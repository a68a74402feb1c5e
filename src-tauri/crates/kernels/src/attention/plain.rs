//! Attention on candle tensors: one segment at a time, in any float type and on any device.

use super::{Attention, AttentionActivations};
use crate::batch::{Batch, Segment};
use crate::softcap::plain as softcap;
use candle_core::{D, Result, Tensor};
use std::ops::Range;

pub(super) fn forward(q: &Tensor, k: &Tensor, v: &Tensor, batch: &Batch, how: Attention) -> Result<(Tensor, Tensor)> {
    let (mut outs, mut lses) = (Vec::new(), Vec::new());
    for segment in batch.segments().iter().filter(|s| !s.rows.is_empty()) {
        let (q, k, v) = (split(&rows(q, &segment.rows)?, how.dim)?, keys(k, segment, how)?, keys(v, segment, how)?);
        let (probabilities, lse) = attend(&q, &k, how)?;
        outs.push(join(&probabilities.matmul(&v)?)?);
        lses.push(lse.t()?.contiguous()?);
    }
    Ok((Tensor::cat(&outs, 0)?, Tensor::cat(&lses, 0)?))
}

pub(super) fn backward(
    d_out: &Tensor,
    saved: AttentionActivations,
    batch: &Batch,
    how: Attention,
) -> Result<(Tensor, Tensor, Tensor)> {
    let mut dqs = Vec::new();
    let (mut dk_all, mut dv_all) = (saved.k.zeros_like()?, saved.v.zeros_like()?);
    for segment in batch.segments().iter().filter(|s| !s.rows.is_empty()) {
        let q = split(&rows(saved.q, &segment.rows)?, how.dim)?;
        let (k, v) = (keys(saved.k, segment, how)?, keys(saved.v, segment, how)?);
        let d_out = split(&rows(d_out, &segment.rows)?, how.dim)?;
        let (p, _) = attend(&q, &k, how)?;
        let dp = d_out.matmul(&v.t()?)?;
        let delta = (&dp * &p)?.sum_keepdim(D::Minus1)?;
        let mut ds = (&p * dp.broadcast_sub(&delta)?)?;
        if let Some(cap) = how.softcap {
            ds = softcap::backward(&ds, &scores(&q, &k, how)?, cap)?;
        }
        let ds = (ds * how.scale)?;
        dqs.push(join(&ds.matmul(&k)?)?);
        dk_all = add_keys(dk_all, &ds.t()?.matmul(&q)?, segment, how)?;
        dv_all = add_keys(dv_all, &p.t()?.matmul(&d_out)?, segment, how)?;
    }
    Ok((Tensor::cat(&dqs, 0)?, dk_all, dv_all))
}

pub(super) fn extend(q: &Tensor, new: &[Range<usize>], caches: &[(Tensor, Tensor)], how: Attention) -> Result<Tensor> {
    let mut outs = Vec::new();
    for (new, (k, v)) in new.iter().zip(caches) {
        let q = split(&rows(q, new)?, how.dim)?;
        let (k, v) = (repeat(&split(k, how.dim)?, how.group())?, repeat(&split(v, how.dim)?, how.group())?);
        outs.push(join(&attend(&q, &k, how)?.0.matmul(&v)?)?);
    }
    Tensor::cat(&outs, 0)
}

/// Scaled and capped scores `[heads, queries, keys]`.
fn scores(q: &Tensor, k: &Tensor, how: Attention) -> Result<Tensor> {
    let scores = (q.matmul(&k.t()?)? * how.scale)?;
    how.softcap.map_or(Ok(scores.clone()), |cap| softcap::forward(&scores, cap))
}

/// Probabilities `[heads, queries, keys]` and log-sum-exp `[heads, queries]`; the queries are the last of the keys.
fn attend(q: &Tensor, k: &Tensor, how: Attention) -> Result<(Tensor, Tensor)> {
    let scores = scores(q, k, how)?;
    let (queries, keys) = (q.dim(1)?, k.dim(1)?);
    let offset = keys - queries;
    let mask: Vec<f32> = (0..queries)
        .flat_map(|i| {
            let seen = how.seen(offset + i);
            (0..keys).map(move |j| if seen.contains(&j) { 0.0 } else { f32::NEG_INFINITY })
        })
        .collect();
    let mask = Tensor::from_vec(mask, (1, queries, keys), q.device())?.to_dtype(q.dtype())?;
    let scores = scores.broadcast_add(&mask)?;
    let max = scores.max_keepdim(D::Minus1)?;
    let exp = scores.broadcast_sub(&max)?.exp()?;
    let sum = exp.sum_keepdim(D::Minus1)?;
    let lse = (sum.log()? + max)?.squeeze(D::Minus1)?;
    Ok((exp.broadcast_div(&sum)?, lse))
}

fn rows(x: &Tensor, range: &Range<usize>) -> Result<Tensor> {
    x.narrow(0, range.start, range.len())
}

/// `[rows, heads · dim]` to `[heads, rows, dim]`.
fn split(x: &Tensor, dim: usize) -> Result<Tensor> {
    let (rows, width) = x.dims2()?;
    x.reshape((rows, width / dim, dim))?.transpose(0, 1)?.contiguous()
}

/// `[heads, rows, dim]` to `[rows, heads · dim]`.
fn join(x: &Tensor) -> Result<Tensor> {
    let (heads, rows, dim) = x.dims3()?;
    x.transpose(0, 1)?.reshape((rows, heads * dim))
}

/// Each of `[heads, rows, dim]` `times` times in a row.
fn repeat(x: &Tensor, times: usize) -> Result<Tensor> {
    let (heads, rows, dim) = x.dims3()?;
    x.unsqueeze(1)?.expand((heads, times, rows, dim))?.reshape((heads * times, rows, dim))
}

fn keys(x: &Tensor, segment: &Segment, how: Attention) -> Result<Tensor> {
    let own = rows(x, &segment.rows)?;
    let all = if segment.prefix.is_empty() { own } else { Tensor::cat(&[rows(x, &segment.prefix)?, own], 0)? };
    repeat(&split(&all, how.dim)?, how.group())
}

/// Adds the gradient of a segment's keys, `[query heads, keys, dim]`, to that of all rows.
fn add_keys(total: Tensor, d: &Tensor, segment: &Segment, how: Attention) -> Result<Tensor> {
    let (_, keys, dim) = d.dims3()?;
    let d = join(&d.reshape((how.key_value, how.group(), keys, dim))?.sum(1)?)?;
    let prefix = segment.prefix.len();
    let width = d.dim(1)?;
    let all = total.dim(0)?;
    let place = |part: Tensor, at: usize| -> Result<Tensor> {
        let placed = Tensor::zeros((all, width), part.dtype(), part.device())?;
        placed.slice_set(&part.contiguous()?, 0, at)?;
        Ok(placed)
    };
    let mut total = (total + place(d.narrow(0, prefix, keys - prefix)?, segment.rows.start)?)?;
    if prefix > 0 {
        total = (total + place(d.narrow(0, 0, prefix)?, segment.prefix.start)?)?;
    }
    Ok(total)
}
