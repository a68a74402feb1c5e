//! Attention for f32 on the CPU: small matrix products straight on the strided head views, one task per key head.
#![allow(unsafe_code)]

use super::{Heads, Saved};
use crate::batch::Batch;
use crate::ops::{SharedMut, cpu_slice};
use candle_core::{Result, Tensor};
use gemm::Parallelism;
use rayon::prelude::*;
use std::ops::Range;

/// Query rows whose scores are held at once.
const TILE: usize = 64;

/// A matrix in memory that somebody else owns.
#[derive(Clone, Copy)]
struct View {
    data: *mut f32,
    rows: usize,
    cols: usize,
    row_stride: usize,
    col_stride: usize,
}

impl View {
    fn read(data: &[f32], offset: usize, rows: usize, cols: usize, row_stride: usize) -> Self {
        assert!(rows == 0 || cols == 0 || offset + (rows - 1) * row_stride + cols <= data.len());
        // Written through only where it came from a `SharedMut` or a tile of the task's own.
        Self { data: data[offset.min(data.len())..].as_ptr().cast_mut(), rows, cols, row_stride, col_stride: 1 }
    }

    fn write(data: SharedMut, offset: usize, rows: usize, cols: usize, row_stride: usize) -> Self {
        Self { data: data.pointer().wrapping_add(offset), rows, cols, row_stride, col_stride: 1 }
    }

    fn tile(data: &mut [f32], offset: usize, rows: usize, cols: usize, row_stride: usize) -> Self {
        assert!(rows == 0 || cols == 0 || offset + (rows - 1) * row_stride + cols <= data.len());
        Self { data: data.as_mut_ptr().wrapping_add(offset), rows, cols, row_stride, col_stride: 1 }
    }

    fn t(self) -> Self {
        Self { rows: self.cols, cols: self.rows, row_stride: self.col_stride, col_stride: self.row_stride, ..self }
    }
}

/// `out = scale · a · b`, or `out += scale · a · b`.
fn product(out: View, a: View, b: View, scale: f32, add: bool) {
    assert!(a.cols == b.rows && out.rows == a.rows && out.cols == b.cols);
    if out.rows == 0 || out.cols == 0 {
        return;
    }
    // SAFETY: each view was checked against the buffer it points into when it was made, or lies in a shared output that
    // was allocated with the shape the offsets are computed from; the shapes agree (asserted above); no other task
    // writes to `out`, and `a` and `b` are never parts of `out`.
    unsafe {
        gemm::gemm(
            out.rows,
            out.cols,
            a.cols,
            out.data,
            out.col_stride as isize,
            out.row_stride as isize,
            add,
            a.data.cast_const(),
            a.col_stride as isize,
            a.row_stride as isize,
            b.data.cast_const(),
            b.col_stride as isize,
            b.row_stride as isize,
            1.0,
            scale,
            false,
            false,
            false,
            Parallelism::None,
        );
    }
}

/// The keys and values that one task's queries see: rows `prefix` wholly, then rows `own` causally.
struct Context<'a> {
    k: &'a [f32],
    v: &'a [f32],
    prefix: Range<usize>,
    own: Range<usize>,
    head: usize,
    heads: Heads,
}

impl Context<'_> {
    /// The first `own` of the causal rows, behind the prefix: views on `data` in that order.
    fn parts(&self, data: &[f32], own: usize) -> [View; 2] {
        let stride = self.heads.key_value * self.heads.dim;
        let column = self.head * self.heads.dim;
        [(self.prefix.start, self.prefix.len()), (self.own.start, own)]
            .map(|(start, rows)| View::read(data, start * stride + column, rows, self.heads.dim, stride))
    }

    /// Scaled scores of the queries against prefix and `own` causal rows, into `scores` `[rows, prefix + own]`.
    fn scores(&self, q: View, own: usize, scores: &mut [f32]) {
        let keys = self.prefix.len() + own;
        let scale = self.heads.scale() as f32;
        let [prefix_k, own_k] = self.parts(self.k, own);
        product(View::tile(scores, 0, q.rows, self.prefix.len(), keys), q, prefix_k.t(), scale, false);
        product(View::tile(scores, self.prefix.len(), q.rows, own, keys), q, own_k.t(), scale, false);
    }

    /// Output of queries of which row `i` sees `visible(i)` keys. Returns the log-sum-exp of each row in `lse`.
    fn attend(
        &self,
        q: View,
        out: View,
        own: usize,
        visible: impl Fn(usize) -> usize,
        tile: &mut Vec<f32>,
        mut lse: impl FnMut(usize, f32),
    ) {
        let keys = self.prefix.len() + own;
        tile.resize(q.rows * keys, 0.0);
        self.scores(q, own, tile);
        for (i, row) in tile.chunks_exact_mut(keys).enumerate() {
            let (seen, unseen) = row.split_at_mut(visible(i));
            let max = seen.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            let mut sum = 0f32;
            for score in seen.iter_mut() {
                *score = (*score - max).exp();
                sum += *score;
            }
            let scale = 1.0 / sum;
            for p in seen {
                *p *= scale;
            }
            unseen.fill(0.0);
            lse(i, max + sum.ln());
        }
        let [prefix_v, own_v] = self.parts(self.v, own);
        product(out, View::tile(tile, 0, q.rows, self.prefix.len(), keys), prefix_v, 1.0, false);
        product(out, View::tile(tile, self.prefix.len(), q.rows, own, keys), own_v, 1.0, !self.prefix.is_empty());
    }
}

pub(super) fn forward(q: &Tensor, k: &Tensor, v: &Tensor, batch: &Batch, heads: Heads) -> Result<(Tensor, Tensor)> {
    let rows = q.dim(0)?;
    let (wide, dim, group) = (heads.query * heads.dim, heads.dim, heads.group());
    let guards = (cpu_slice(q), cpu_slice(k), cpu_slice(v));
    let (qs, ks, vs) = (guards.0.get()?, guards.1.get()?, guards.2.get()?);
    check(batch, rows, qs.len() == rows * wide && ks.len() * group == qs.len() && vs.len() == ks.len())?;
    let mut out = vec![0f32; rows * wide];
    let mut lse = vec![0f32; rows * heads.query];
    let (out_cells, lse_cells) = (SharedMut(out.as_mut_ptr()), SharedMut(lse.as_mut_ptr()));
    let tasks = batch.segments().len() * heads.key_value;
    (0..tasks).into_par_iter().for_each_init(Vec::new, |tile, task| {
        let segment = &batch.segments()[task / heads.key_value];
        let head = task % heads.key_value;
        let (prefix, own) = (segment.prefix.clone(), segment.rows.clone());
        let context = Context { k: ks, v: vs, prefix, own, head, heads };
        for query_head in head * group..(head + 1) * group {
            for first in (0..segment.rows.len()).step_by(TILE) {
                let last = (first + TILE).min(segment.rows.len());
                let at = (segment.rows.start + first) * wide + query_head * dim;
                let q = View::read(qs, at, last - first, dim, wide);
                let out = View::write(out_cells, at, last - first, dim, wide);
                let seen = |i| segment.prefix.len() + first + i + 1;
                context.attend(q, out, last, seen, tile, |i, value| {
                    let cell = (segment.rows.start + first + i) * heads.query + query_head;
                    // SAFETY: the cell lies in `lse` (`[rows, query heads]`) and belongs to this (row, head) alone.
                    unsafe { lse_cells.pointer().add(cell).write(value) };
                });
            }
        }
    });
    Ok((Tensor::from_vec(out, (rows, wide), q.device())?, Tensor::from_vec(lse, (rows, heads.query), q.device())?))
}

pub(super) fn backward(d_out: &Tensor, saved: Saved, batch: &Batch, heads: Heads) -> Result<(Tensor, Tensor, Tensor)> {
    let rows = d_out.dim(0)?;
    let (wide, narrow, dim, group) = (heads.query * heads.dim, heads.key_value * heads.dim, heads.dim, heads.group());
    let guards = [d_out, saved.q, saved.k, saved.v, saved.out, saved.lse].map(cpu_slice);
    let [d_outs, qs, ks, vs, outs, lses] = &guards;
    let (d_outs, qs, ks, vs, outs, lses) = (d_outs.get()?, qs.get()?, ks.get()?, vs.get()?, outs.get()?, lses.get()?);
    let sizes_agree = [d_outs.len(), qs.len(), outs.len()].iter().all(|&n| n == rows * wide)
        && ks.len() == rows * narrow
        && vs.len() == ks.len()
        && lses.len() == rows * heads.query;
    check(batch, rows, sizes_agree)?;
    let (mut dq, mut dk, mut dv) = (vec![0f32; rows * wide], vec![0f32; rows * narrow], vec![0f32; rows * narrow]);
    let cells = [&mut dq, &mut dk, &mut dv].map(|d| SharedMut(d.as_mut_ptr()));
    let [dq_cells, dk_cells, dv_cells] = cells;
    let tasks = batch.groups().len() * heads.key_value;
    // A task owns a whole group, since the gradient of a shared prompt's keys gathers from all segments that see it.
    (0..tasks).into_par_iter().for_each_init(<(Vec<f32>, Vec<f32>)>::default, |(p, ds), task| {
        let head = task % heads.key_value;
        for segment in &batch.segments()[batch.groups()[task / heads.key_value].clone()] {
            let (prefix, own) = (segment.prefix.clone(), segment.rows.clone());
            let context = Context { k: ks, v: vs, prefix, own, head, heads };
            for query_head in head * group..(head + 1) * group {
                for first in (0..segment.rows.len()).step_by(TILE) {
                    let last = (first + TILE).min(segment.rows.len());
                    let (count, keys) = (last - first, segment.prefix.len() + last);
                    let row = segment.rows.start + first;
                    let at = row * wide + query_head * dim;
                    let [q, d_out] = [qs, d_outs].map(|data| View::read(data, at, count, dim, wide));
                    p.resize(count * keys, 0.0);
                    ds.resize(count * keys, 0.0);
                    context.scores(q, last, p);
                    for (columns, v) in split(segment.prefix.len(), last).into_iter().zip(context.parts(vs, last)) {
                        product(View::tile(ds, columns.start, count, columns.len(), keys), d_out, v.t(), 1.0, false);
                    }
                    for (i, (p, ds)) in p.chunks_exact_mut(keys).zip(ds.chunks_exact_mut(keys)).enumerate() {
                        let seen = segment.prefix.len() + first + i + 1;
                        let lse = lses[(row + i) * heads.query + query_head];
                        let cell = at + i * wide;
                        let delta: f32 =
                            d_outs[cell..cell + dim].iter().zip(&outs[cell..cell + dim]).map(|(&d, &o)| d * o).sum();
                        for (p, ds) in p[..seen].iter_mut().zip(&mut ds[..seen]) {
                            *p = (*p - lse).exp();
                            *ds = *p * (*ds - delta);
                        }
                        p[seen..].fill(0.0);
                        ds[seen..].fill(0.0);
                    }
                    let scale = heads.scale() as f32;
                    let dq = View::write(dq_cells, at, count, dim, wide);
                    let starts = [segment.prefix.start, segment.rows.start];
                    for ((columns, k), start) in
                        split(segment.prefix.len(), last).into_iter().zip(context.parts(ks, last)).zip(starts)
                    {
                        let ds = View::tile(ds, columns.start, count, columns.len(), keys);
                        let p = View::tile(p, columns.start, count, columns.len(), keys);
                        let into = |cells| View::write(cells, start * narrow + head * dim, columns.len(), dim, narrow);
                        product(dq, ds, k, scale, true);
                        product(into(dk_cells), ds.t(), q, scale, true);
                        product(into(dv_cells), p.t(), d_out, 1.0, true);
                    }
                }
            }
        }
    });
    let device = d_out.device();
    Ok((
        Tensor::from_vec(dq, (rows, wide), device)?,
        Tensor::from_vec(dk, (rows, narrow), device)?,
        Tensor::from_vec(dv, (rows, narrow), device)?,
    ))
}

pub(super) fn extend(q: &Tensor, new: &[Range<usize>], caches: &[(Tensor, Tensor)], heads: Heads) -> Result<Tensor> {
    let rows = q.dim(0)?;
    let (wide, dim, group) = (heads.query * heads.dim, heads.dim, heads.group());
    let q_guard = cpu_slice(q);
    let qs = q_guard.get()?;
    let guards: Vec<_> = caches.iter().map(|(k, v)| (cpu_slice(k), cpu_slice(v))).collect();
    let slices = guards.iter().map(|(k, v)| Ok((k.get()?, v.get()?))).collect::<Result<Vec<_>>>()?;
    let lengths = caches.iter().map(|(k, _)| k.dim(0)).collect::<Result<Vec<_>>>()?;
    let fits = new.iter().zip(&lengths).all(|(new, &length)| new.end <= rows && new.len() <= length);
    if !fits || new.len() != caches.len() || qs.len() != rows * wide {
        candle_core::bail!("attention over a cache: {rows} query rows do not fit {} caches", caches.len());
    }
    let mut out = vec![0f32; rows * wide];
    let out_cells = SharedMut(out.as_mut_ptr());
    (0..new.len() * heads.key_value).into_par_iter().for_each_init(Vec::new, |tile, task| {
        let (sequence, head) = (task / heads.key_value, task % heads.key_value);
        let (new, length, (k, v)) = (&new[sequence], lengths[sequence], slices[sequence]);
        let before = length - new.len();
        let context = Context { k, v, prefix: 0..0, own: 0..length, head, heads };
        let column = head * group * dim;
        if new.len() == 1 {
            // One token: the heads that share a key head are the rows of one product.
            let at = new.start * wide + column;
            let (q, out) = (View::read(qs, at, group, dim, dim), View::write(out_cells, at, group, dim, dim));
            context.attend(q, out, length, |_| length, tile, |_, _| ());
            return;
        }
        for query_head in 0..group {
            for first in (0..new.len()).step_by(TILE) {
                let last = (first + TILE).min(new.len());
                let at = (new.start + first) * wide + column + query_head * dim;
                let q = View::read(qs, at, last - first, dim, wide);
                let out = View::write(out_cells, at, last - first, dim, wide);
                context.attend(q, out, before + last, |i| before + first + i + 1, tile, |_, _| ());
            }
        }
    });
    Tensor::from_vec(out, (rows, wide), q.device())
}

/// Columns of the prefix and of the causal rows in a tile of scores.
fn split(prefix: usize, own: usize) -> [Range<usize>; 2] {
    [0..prefix, prefix..prefix + own]
}

fn check(batch: &Batch, rows: usize, sizes_agree: bool) -> Result<()> {
    let inside = batch.segments().iter().all(|s| s.rows.end <= rows && s.prefix.end <= rows);
    if !sizes_agree || !inside || batch.tokens() != rows {
        candle_core::bail!("attention: tensors do not have the shape of a batch of {} tokens", batch.tokens());
    }
    Ok(())
}
