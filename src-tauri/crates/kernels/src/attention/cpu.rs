//! Attention for f32 on the CPU: small matrix products straight on the strided head views. Forward, each tile of a key head
//! is a task; backward, each pair's key head, of which other cores may take blocks of keys.
#![allow(unsafe_code)]

use super::{Attention, AttentionActivations};
use crate::batch::Batch;
use crate::buffers::{cpu_slice, room};
use crate::product::Numbers;
use crate::product::gemv::{self, PackedRows};
use crate::softcap::cpu as softcap;
use crate::wide;
use crate::wide::{exp, wide};
use candle_core::{Result, Tensor};
use gemm::Parallelism;
use rayon::prelude::*;
use std::cell::RefCell;
use std::ops::Range;

/// Query rows whose scores are held at once, those of all heads that share a key head counted.
const TILE: usize = 128;
/// Fewer rows of a head are not worth a product.
const LEAST: usize = 16;
/// Columns of a tile that the backward takes at once: two blocks of scores lie in the second cache.
const BLOCK: usize = 256;

/// The tiles of so many rows, with `group` heads that share a key head: the first row and the number of rows of each.
fn tiles(rows: usize, group: usize) -> impl Iterator<Item = (usize, usize)> {
    let most = (TILE / group).max(LEAST);
    (0..rows).step_by(most).map(move |first| (first, most.min(rows - first)))
}

/// A tile's rows of the heads that share a key head, one head after another: `[group · rows, dim]`.
fn stack(data: &[f32], (first, rows): (usize, usize), head: usize, how: Attention, stacked: &mut Vec<f32>) {
    stacked.clear();
    for query_head in head * how.group()..(head + 1) * how.group() {
        for row in first..first + rows {
            stacked.extend_from_slice(&data[row * how.query * how.dim + query_head * how.dim..][..how.dim]);
        }
    }
}

/// Puts such a tile back in its place.
fn unstack(stacked: &[f32], (first, rows): (usize, usize), head: usize, how: Attention, data: SharedMut) {
    for (i, from) in stacked.chunks_exact(how.dim).enumerate() {
        let (query_head, row) = (head * how.group() + i / rows, first + i % rows);
        let to = data.pointer().wrapping_add((row * how.query + query_head) * how.dim);
        // SAFETY: `data` was allocated as `[rows, query heads · dim]`, and this (row, head) belongs to this task alone.
        unsafe { to.copy_from_nonoverlapping(from.as_ptr(), how.dim) };
    }
}

/// A buffer that several tasks write to, each in a part of its own.
#[derive(Clone, Copy)]
struct SharedMut(*mut f32);

// SAFETY: the pointer is only written through here, where every task owns a set of (row, head) cells that no
// other task touches, and the buffer outlives the parallel section.
unsafe impl Send for SharedMut {}
// SAFETY: as above.
unsafe impl Sync for SharedMut {}

impl SharedMut {
    fn pointer(&self) -> *mut f32 {
        self.0
    }
}

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

/// What a task holds of a tile. Queries and outputs are as [`stack`] has them, scores `[group · rows, keys]`.
#[derive(Default)]
struct Tile {
    q: Vec<f32>,
    out: Vec<f32>,
    d_out: Vec<f32>,
    scores: Vec<f32>,
    lse: Vec<f32>,
    /// The product of each row of `out` with its gradient.
    delta: Vec<f32>,
}

/// The keys and values that one task's queries see: rows `prefix`, then rows `own`. A key's column is its position in
/// the sequence.
struct Context<'a> {
    k: &'a [f32],
    v: &'a [f32],
    prefix: Range<usize>,
    own: Range<usize>,
    head: usize,
    how: Attention,
}

impl Context<'_> {
    /// Columns that the queries at these positions see any of.
    fn columns(&self, positions: Range<usize>) -> Range<usize> {
        self.how.seen(positions.start).start..positions.end
    }

    /// The given columns as those of the prefix and those of the own rows, counted from the first of `columns`, with the
    /// packed row of the first of each.
    fn split(&self, columns: &Range<usize>) -> [(Range<usize>, usize); 2] {
        let border = self.prefix.len().clamp(columns.start, columns.end) - columns.start;
        let own = columns.start.saturating_sub(self.prefix.len());
        [(0..border, self.prefix.start + columns.start), (border..columns.len(), self.own.start + own)]
    }

    /// The given columns of `data`, keys or values, in the two parts of [`Self::split`].
    fn parts(&self, data: &[f32], columns: &Range<usize>) -> [View; 2] {
        let stride = self.how.key_value * self.how.dim;
        let column = self.head * self.how.dim;
        self.split(columns).map(|(part, row)| {
            // A part without rows may begin beyond the end.
            let offset = if part.is_empty() { 0 } else { row * stride + column };
            View::read(data, offset, part.len(), self.how.dim, stride)
        })
    }

    /// Scaled and capped scores of the queries against the given columns, into `scores` `[rows, columns]`.
    fn scores(&self, q: View, columns: &Range<usize>, scores: &mut [f32]) {
        let scale = self.how.scale as f32;
        for ((part, _), k) in self.split(columns).into_iter().zip(self.parts(self.k, columns)) {
            product(View::tile(scores, part.start, q.rows, part.len(), columns.len()), q, k.t(), scale, false);
        }
        if let Some(cap) = self.how.softcap {
            softcap::within(&mut scores[..q.rows * columns.len()], cap as f32);
        }
    }

    /// Output of the queries at the given positions, of which row `i` is at `position(i)`. Tells the log-sum-exp of each
    /// row to `lse`.
    fn attend(
        &self,
        q: View,
        out: View,
        positions: Range<usize>,
        position: impl Fn(usize) -> usize,
        tile: &mut Vec<f32>,
        mut lse: impl FnMut(usize, f32),
    ) {
        let columns = self.columns(positions);
        let tile = room(tile, q.rows * columns.len());
        self.scores(q, &columns, tile);
        for (i, row) in tile.chunks_exact_mut(columns.len()).enumerate() {
            let seen = self.seen(position(i), &columns);
            let row = keep(row, seen);
            let max = wide::maximum(row);
            let sum = wide::exponentials(row, max);
            wide::scale(row, 1.0 / sum);
            lse(i, max + sum.ln());
        }
        let mut add = false;
        for ((part, _), v) in self.split(&columns).into_iter().zip(self.parts(self.v, &columns)) {
            if !part.is_empty() {
                product(out, View::tile(tile, part.start, q.rows, part.len(), columns.len()), v, 1.0, add);
                add = true;
            }
        }
    }

    /// What the query at `position` sees of `columns`, counted from the first of them.
    fn seen(&self, position: usize, columns: &Range<usize>) -> Range<usize> {
        let seen = self.how.seen(position);
        let within = |column: usize| column.clamp(columns.start, columns.end) - columns.start;
        within(seen.start)..within(seen.end)
    }

    /// The gradients that pass through a tile's scores against a block of columns: that of the queries into `dq`, those of
    /// the block's keys and values added to theirs.
    fn backward(
        &self,
        tile: &Tile,
        position: impl Fn(usize) -> usize,
        block: Range<usize>,
        dq: &mut [f32],
        [dk_cells, dv_cells]: [SharedMut; 2],
    ) {
        let (columns, dim, stride) = (block.len(), self.how.dim, self.how.key_value * self.how.dim);
        let rows = tile.q.len() / dim;
        let [q, d_out] = [&tile.q, &tile.d_out].map(|data| View::read(data, 0, rows, dim, dim));
        SCORES.with_borrow_mut(|[p, ds]| {
            let (p, ds) = (room(p, rows * columns), room(ds, rows * columns));
            self.scores(q, &block, p);
            for ((part, _), v) in self.split(&block).into_iter().zip(self.parts(self.v, &block)) {
                product(View::tile(ds, part.start, rows, part.len(), columns), d_out, v.t(), 1.0, false);
            }
            for (i, (p, ds)) in p.chunks_exact_mut(columns).zip(ds.chunks_exact_mut(columns)).enumerate() {
                let seen = self.seen(position(i), &block);
                let (p, ds) = (keep(p, seen.clone()), keep(ds, seen));
                match self.how.softcap {
                    None => through_softmax(p, ds, tile.lse[i], tile.delta[i]),
                    Some(cap) => through_capped_softmax(p, ds, tile.lse[i], tile.delta[i], cap as f32),
                }
            }
            let scale = self.how.scale as f32;
            let mut add = false;
            for ((part, start), k) in self.split(&block).into_iter().zip(self.parts(self.k, &block)) {
                if part.is_empty() {
                    continue;
                }
                let ds = View::tile(ds, part.start, rows, part.len(), columns);
                let p = View::tile(p, part.start, rows, part.len(), columns);
                let into = |cells| View::write(cells, start * stride + self.head * dim, part.len(), dim, stride);
                product(View::tile(dq, 0, rows, dim, dim), ds, k, scale, add);
                add = true;
                product(into(dk_cells), ds.t(), q, scale, true);
                product(into(dv_cells), p.t(), d_out, 1.0, true);
            }
        });
    }
}

thread_local! {
    /// Where a thread holds the scores of a block and their gradients: kept, so that they are in its cache.
    static SCORES: RefCell<[Vec<f32>; 2]> = const { RefCell::new([Vec::new(), Vec::new()]) };
}

/// Clears what is outside `seen`, and returns what is inside.
fn keep(row: &mut [f32], seen: Range<usize>) -> &mut [f32] {
    row[..seen.start].fill(0.0);
    row[seen.end..].fill(0.0);
    &mut row[seen]
}

wide! {
    /// From scores to probabilities in `p`, and in `ds` from the gradient of the probabilities to that of the scores.
    fn through_softmax(p: &mut [f32], ds: &mut [f32], lse: f32, delta: f32) {
        for (p, ds) in p.iter_mut().zip(ds) {
            *p = exp(*p - lse);
            *ds = *p * (*ds - delta);
        }
    }
}

wide! {
    /// The same of scores that were capped.
    fn through_capped_softmax(p: &mut [f32], ds: &mut [f32], lse: f32, delta: f32, cap: f32) {
        for (p, ds) in p.iter_mut().zip(ds) {
            let score = *p;
            *p = exp(score - lse);
            *ds = *p * (*ds - delta) * softcap::slope(score, cap);
        }
    }
}

pub(super) fn forward(q: &Tensor, k: &Tensor, v: &Tensor, batch: &Batch, how: Attention) -> Result<(Tensor, Tensor)> {
    let rows = q.dim(0)?;
    let (wide, dim, group) = (how.query * how.dim, how.dim, how.group());
    let guards = (cpu_slice(q), cpu_slice(k), cpu_slice(v));
    let (qs, ks, vs) = (guards.0.get()?, guards.1.get()?, guards.2.get()?);
    check(batch, rows, qs.len() == rows * wide && ks.len() * group == qs.len() && vs.len() == ks.len())?;
    let mut out = vec![0f32; rows * wide];
    let mut lse = vec![0f32; rows * how.query];
    let (out_cells, lse_cells) = (SharedMut(out.as_mut_ptr()), SharedMut(lse.as_mut_ptr()));
    let segments = batch.segments().iter();
    let all = segments.flat_map(|segment| tiles(segment.rows.len(), group).map(move |tile| (segment, tile)));
    let tasks: Vec<_> =
        all.flat_map(|(segment, tile)| (0..how.key_value).map(move |head| (segment, tile, head))).collect();
    tasks.into_par_iter().for_each_init(Tile::default, |tile, (segment, (first, count), head)| {
        let (prefix, own) = (segment.prefix.clone(), segment.rows.clone());
        let context = Context { k: ks, v: vs, prefix, own, head, how };
        let before = segment.prefix.len();
        let place = (segment.rows.start + first, count);
        stack(qs, place, head, how, &mut tile.q);
        tile.out.resize(tile.q.len(), 0.0);
        context.attend(
            View::read(&tile.q, 0, group * count, dim, dim),
            View::tile(&mut tile.out, 0, group * count, dim, dim),
            before + first..before + first + count,
            |i| before + first + i % count,
            &mut tile.scores,
            |i, value| {
                let cell = (place.0 + i % count) * how.query + head * group + i / count;
                // SAFETY: the cell lies in `lse` (`[rows, query heads]`) and belongs to this (row, head) alone.
                unsafe { lse_cells.pointer().add(cell).write(value) };
            },
        );
        unstack(&tile.out, place, head, how, out_cells);
    });
    Ok((Tensor::from_vec(out, (rows, wide), q.device())?, Tensor::from_vec(lse, (rows, how.query), q.device())?))
}

pub(super) fn backward(
    d_out: &Tensor,
    saved: AttentionActivations,
    batch: &Batch,
    how: Attention,
) -> Result<(Tensor, Tensor, Tensor)> {
    let rows = d_out.dim(0)?;
    let (wide, narrow, dim, group) = (how.query * how.dim, how.key_value * how.dim, how.dim, how.group());
    let guards = [d_out, saved.q, saved.k, saved.v, saved.out, saved.lse].map(cpu_slice);
    let [d_outs, qs, ks, vs, outs, lses] = &guards;
    let (d_outs, qs, ks, vs, outs, lses) = (d_outs.get()?, qs.get()?, ks.get()?, vs.get()?, outs.get()?, lses.get()?);
    let sizes_agree = [d_outs.len(), qs.len(), outs.len()].iter().all(|&n| n == rows * wide)
        && ks.len() == rows * narrow
        && vs.len() == ks.len()
        && lses.len() == rows * how.query;
    check(batch, rows, sizes_agree)?;
    let (mut dq, mut dk, mut dv) = (vec![0f32; rows * wide], vec![0f32; rows * narrow], vec![0f32; rows * narrow]);
    let cells = [&mut dq, &mut dk, &mut dv].map(|d| SharedMut(d.as_mut_ptr()));
    let [dq_cells, dk_cells, dv_cells] = cells;
    let tasks = batch.groups().len() * how.key_value;
    // A task owns a whole group, since the gradient of a shared prompt's keys gathers from all segments that see it.
    (0..tasks).into_par_iter().for_each_init(Default::default, |(tile, dq): &mut (Tile, Vec<f32>), task| {
        let head = task % how.key_value;
        for segment in &batch.segments()[batch.groups()[task / how.key_value].clone()] {
            let (prefix, own) = (segment.prefix.clone(), segment.rows.clone());
            let context = Context { k: ks, v: vs, prefix, own, head, how };
            let before = segment.prefix.len();
            for (first, count) in tiles(segment.rows.len(), group) {
                let (place, all) = ((segment.rows.start + first, count), group * count);
                let columns = context.columns(before + first..before + first + count);
                stack(qs, place, head, how, &mut tile.q);
                stack(d_outs, place, head, how, &mut tile.d_out);
                stack(outs, place, head, how, &mut tile.out);
                tile.lse.clear();
                tile.lse.extend((0..all).map(|i| lses[(place.0 + i % count) * how.query + head * group + i / count]));
                let rows = tile.out.chunks_exact(dim).zip(tile.d_out.chunks_exact(dim));
                tile.delta.clear();
                tile.delta.extend(rows.map(|(out, d_out)| wide::dot(d_out, out)));
                // Other cores may take blocks: there are no more tasks than pairs and key heads. Each block's part of the
                // queries' gradient is kept, so that the sum has one order whoever is first.
                let blocks: Vec<_> =
                    (columns.clone().step_by(BLOCK)).map(|start| start..(start + BLOCK).min(columns.end)).collect();
                let dq = room(dq, blocks.len() * all * dim);
                dq.par_chunks_mut(all * dim).zip(blocks).with_max_len(1).for_each(|(dq, block)| {
                    context.backward(tile, |i| before + first + i % count, block, dq, [dk_cells, dv_cells]);
                });
                let (dq, others) = dq.split_at_mut(all * dim);
                for other in others.chunks_exact(all * dim) {
                    dq.iter_mut().zip(other).for_each(|(dq, other)| *dq += other);
                }
                unstack(dq, place, head, how, dq_cells);
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

pub(super) fn extend(q: &Tensor, new: &[Range<usize>], caches: &[(Tensor, Tensor)], how: Attention) -> Result<Tensor> {
    let rows = q.dim(0)?;
    let (wide, dim, group) = (how.query * how.dim, how.dim, how.group());
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
    (0..new.len() * how.key_value).into_par_iter().for_each_init(Vec::new, |tile, task| {
        let (sequence, head) = (task / how.key_value, task % how.key_value);
        let (new, length, (k, v)) = (&new[sequence], lengths[sequence], slices[sequence]);
        let before = length - new.len();
        let context = Context { k, v, prefix: 0..0, own: 0..length, head, how };
        let column = head * group * dim;
        if new.len() == 1 {
            let at = new.start * wide + column;
            // SAFETY: these heads of this row are this task's alone, and the output has as many.
            let out = unsafe { std::slice::from_raw_parts_mut(out_cells.pointer().add(at), group * dim) };
            attend_to_one(&qs[at..][..group * dim], k, v, before, head, how, tile, out);
            return;
        }
        for query_head in 0..group {
            for first in (0..new.len()).step_by(TILE) {
                let last = (first + TILE).min(new.len());
                let at = (new.start + first) * wide + column + query_head * dim;
                let q = View::read(qs, at, last - first, dim, wide);
                let out = View::write(out_cells, at, last - first, dim, wide);
                context.attend(q, out, before + first..before + last, |i| before + first + i, tile, |_, _| ());
            }
        }
    });
    Tensor::from_vec(out, (rows, wide), q.device())
}

/// Output of the one query of each head that shares the key head `head`, at `position`: the last of keys and values.
#[allow(clippy::too_many_arguments)]
fn attend_to_one(
    q: &[f32],
    k: &[f32],
    v: &[f32],
    position: usize,
    head: usize,
    how: Attention,
    tile: &mut Vec<f32>,
    out: &mut [f32],
) {
    let (dim, stride) = (how.dim, how.key_value * how.dim);
    let seen = how.seen(position);
    let begin = seen.start * stride + head * dim;
    tile.clear();
    tile.resize(how.group() * seen.len(), 0.0);
    gemv::dots(&PackedRows::pack(None, q, dim), Numbers::F32(&k[begin..]), stride, seen.len(), tile);
    for (p, out) in tile.chunks_exact_mut(seen.len()).zip(out.chunks_exact_mut(dim)) {
        wide::scale(p, how.scale as f32);
        if let Some(cap) = how.softcap {
            softcap::within(p, cap as f32);
        }
        let max = wide::maximum(p);
        let sum = wide::exponentials(p, max);
        weigh(p, &v[begin..], stride, 1.0 / sum, out);
    }
}

wide! {
    /// `out = scale · Σ p · row` over rows of values, which begin `stride` apart.
    fn weigh(p: &[f32], rows: &[f32], stride: usize, scale: f32, out: &mut [f32]) {
        const TOGETHER: usize = 64;
        for (first, out) in out.chunks_mut(TOGETHER).enumerate() {
            let mut sums = [0f32; TOGETHER];
            for (p, row) in p.iter().zip(rows[first * TOGETHER..].chunks(stride)) {
                if let Some(row) = row.first_chunk::<TOGETHER>() {
                    for (sum, value) in sums.iter_mut().zip(row) {
                        *sum += p * value;
                    }
                } else {
                    for (sum, value) in sums.iter_mut().zip(row) {
                        *sum += p * value;
                    }
                }
            }
            for (out, sum) in out.iter_mut().zip(sums) {
                *out = sum * scale;
            }
        }
    }
}

fn check(batch: &Batch, rows: usize, sizes_agree: bool) -> Result<()> {
    let inside = batch.segments().iter().all(|s| s.rows.end <= rows && s.prefix.end <= rows);
    if !sizes_agree || !inside || batch.tokens() != rows {
        candle_core::bail!("attention: tensors do not have the shape of a batch of {} tokens", batch.tokens());
    }
    Ok(())
}
