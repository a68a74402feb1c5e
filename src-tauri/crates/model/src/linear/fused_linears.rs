//! Linears that read the same input, each with its adapter, in as few passes as there can be: by a kernel that adds up
//! several products before it writes a number.
//!
//! With `y = x Wᵀ + l Bᵀ`, where `l = s · x Aᵀ`, and `m = s · dy B`, the gradients are `dx = Σ (dy W + m A)` over the
//! linears, `dA = mᵀ x` and `dB = dyᵀ l` (arXiv 2106.09685, eq. 3). What the input, or its gradient, is made of is rounded
//! to bf16 once for all of them.

use crate::error::Result;
use crate::linear::adapted::{Linear, Low, Pass, Saved};
use crate::lora::{Gradients, LoraWeight};
use candle_core::{DType, Tensor};
use kernels::buffers::cpu_slice;
use kernels::product::{Columns, Direction, Kernel, Left, Numbers, OverRows, Sum, Term};
use kernels::profile::{self, Work};
use kernels::weight::{Held, numbers};
use kernels::wide;
use rayon::prelude::*;

/// The kernel for these linears on `x`: none where a linear has none, or an adapter wants more than its two factors.
pub(crate) fn kernel(linears: &[Linear], x: &Tensor, pass: Pass) -> Option<Kernel> {
    let simple = |linear: &Linear| match linear.adapter(pass) {
        Some((_, w)) => !pass.drops() && w.magnitude.is_none() && w.a.dtype() == DType::F32,
        None => true,
    };
    let kernel = linears.first()?.weight.kernel_for(x)?;
    let ready = |linear: &Linear| linear.weight.kernel_for(x).is_some() && linear.weight.held().numbers().is_some();
    linears.iter().all(|linear| ready(linear) && simple(linear)).then_some(kernel)
}

/// `x` `[rows, in]` to `[rows, out]` for each linear, and what the backward needs of each.
pub(crate) fn forward(kernel: Kernel, linears: &[Linear], x: &Tensor, pass: Pass) -> Result<(Vec<Tensor>, Vec<Low>)> {
    let x = x.contiguous()?;
    let (rows, columns) = x.dims2()?;
    let adapters = adapters(linears, pass)?;
    let (weights, factors) = (held(linears), Factors::of(&adapters));
    let x_left =
        profile::during(Work::Frozen, || Ok::<_, candle_core::Error>(kernel.lay(cpu_slice(&x).get()?, columns)))?;

    let ranks = adapters.iter().flatten().map(|w| w.rank).sum::<usize>();
    let lows = profile::products(Work::Adapter, 2 * rows * columns * ranks, || {
        let a = |i: usize, rank| Term { left: &x_left, w: factors.a(i), shape: (rank, columns) };
        let sums: Vec<Sum> = each(&adapters, |i, w| Sum { terms: vec![a(i, w.rank)], direction: Direction::Forward });
        scaled(kernel.sums(&sums), &adapters)
    });
    let low_lefts: Vec<Option<Left>> =
        lows.iter().zip(&adapters).map(|(low, w)| Some(kernel.lay(low.as_ref()?, w.as_ref()?.rank))).collect();

    let of =
        |(linear, w): (&Linear, &Option<Adapter>)| 2 * rows * linear.weight.dims().0 * (columns + rank(w.as_ref()));
    let operations: usize = linears.iter().zip(&adapters).map(of).sum();
    let ys = profile::products(Work::Frozen, operations, || {
        let sums: Vec<Sum> = linears
            .iter()
            .enumerate()
            .map(|(i, linear)| {
                let (out, columns) = linear.weight.dims();
                let mut terms = vec![Term { left: &x_left, w: numbers(&weights[i]), shape: (out, columns) }];
                if let (Some(left), Some(w)) = (&low_lefts[i], &adapters[i]) {
                    terms.push(Term { left, w: factors.b(i), shape: (out, w.rank) });
                }
                Sum { terms, direction: Direction::Forward }
            })
            .collect();
        kernel.sums(&sums)
    });
    let mut outputs = Vec::with_capacity(linears.len());
    for (linear, mut y) in linears.iter().zip(ys) {
        let out = linear.weight.dims().0;
        if let Some(bias) = &linear.bias {
            let guard = cpu_slice(bias);
            let bias = guard.get()?;
            y.par_chunks_mut(out).for_each(|y| y.iter_mut().zip(bias).for_each(|(y, bias)| *y += bias));
        }
        outputs.push(Tensor::from_vec(y, (rows, out), x.device())?);
    }
    let saved = lows.into_iter().zip(&adapters).map(|(low, w)| match (low, w) {
        (Some(low), Some(w)) => Ok(Some(Saved::of_low(Tensor::from_vec(low, (rows, w.rank), x.device())?))),
        _ => Ok(None),
    });
    let saved = saved.collect::<Result<Vec<_>>>()?;
    Ok((outputs, saved))
}

/// The gradient of the input `[rows, in]`, from that of each output; adds those of the adapters.
pub(crate) fn backward(
    kernel: Kernel,
    linears: &[Linear],
    dys: &[&Tensor],
    x: &Tensor,
    saved: &[Low],
    pass: Pass,
    gradients: &mut Gradients,
) -> Result<Tensor> {
    let (rows, columns) = x.dims2()?;
    let adapters = adapters(linears, pass)?;
    let (weights, factors) = (held(linears), Factors::of(&adapters));
    let dys = dys.iter().map(|dy| dy.contiguous()).collect::<candle_core::Result<Vec<_>>>()?;
    let dy_guards: Vec<_> = dys.iter().map(cpu_slice).collect();
    let dy_slices = dy_guards.iter().map(|guard| guard.get()).collect::<candle_core::Result<Vec<_>>>()?;
    let outs: Vec<usize> = linears.iter().map(|linear| linear.weight.dims().0).collect();
    let dy_lefts: Vec<Left> =
        profile::during(Work::Frozen, || dy_slices.iter().zip(&outs).map(|(dy, &out)| kernel.lay(dy, out)).collect());

    let operations: usize = adapters.iter().zip(&outs).map(|(w, out)| 2 * rows * out * rank(w.as_ref())).sum();
    let d_lows = profile::products(Work::Adapter, operations, || {
        let sums: Vec<Sum> = each(&adapters, |i, w| Sum {
            terms: vec![Term { left: &dy_lefts[i], w: factors.b(i), shape: (outs[i], w.rank) }],
            direction: Direction::Backward,
        });
        scaled(kernel.sums(&sums), &adapters)
    });
    let d_low_lefts: Vec<Option<Left>> =
        d_lows.iter().zip(&adapters).map(|(d_low, w)| Some(kernel.lay(d_low.as_ref()?, w.as_ref()?.rank))).collect();

    // Before the other products, which drive `dy` out of the caches.
    let x = x.contiguous()?;
    let x_guard = cpu_slice(&x);
    let x_slice = x_guard.get()?;
    let low_guards: Vec<_> = saved.iter().map(|saved| saved.as_ref().map(|saved| cpu_slice(&saved.low))).collect();
    let lows = low_guards.iter().map(|guard| guard.as_ref().map(|guard| guard.get()).transpose());
    let lows = lows.collect::<candle_core::Result<Vec<_>>>()?;
    let operations = operations_of_gradients(rows, columns, &outs, &adapters);
    let (das, dbs) = profile::products(Work::Adapter, operations, || {
        let laid = |low: Option<&[f32]>, w: &Option<Adapter>| Some(kernel.lay_columns(low?, w.as_ref()?.rank));
        let ms: Vec<Columns> = d_lows.iter().zip(&adapters).filter_map(|(m, w)| laid(m.as_deref(), w)).collect();
        let ls: Vec<Columns> = lows.iter().zip(&adapters).filter_map(|(l, w)| laid(*l, w)).collect();
        let mut sums = vec![OverRows { lefts: ms.iter().collect(), x: x_slice, width: columns }];
        let adapted = dy_slices.iter().zip(&outs).zip(&adapters).filter(|(_, w)| w.is_some());
        for (l, ((dy, &out), _)) in ls.iter().zip(adapted) {
            sums.push(OverRows { lefts: vec![l], x: dy, width: out });
        }
        let mut das = kernel.over_rows(&sums);
        let dbs = das.split_off(ms.len());
        (das, dbs)
    });
    let of_adapters = adapters.iter().zip(&outs).filter_map(|(w, out)| Some((w.as_ref()?, *out)));
    for ((w, out), (da, db)) in of_adapters.zip(das.into_iter().zip(dbs)) {
        let da = Tensor::from_vec(da, (w.rank, columns), x.device())?;
        gradients.add(w.index, &da, &Tensor::from_vec(transposed(&db, out), (out, w.rank), x.device())?, None)?;
    }

    let operations: usize =
        outs.iter().zip(&adapters).map(|(out, w)| 2 * rows * columns * (out + rank(w.as_ref()))).sum();
    let dx = profile::products(Work::Frozen, operations, || {
        let mut terms = Vec::new();
        for (i, &out) in outs.iter().enumerate() {
            terms.push(Term { left: &dy_lefts[i], w: numbers(&weights[i]), shape: (out, columns) });
        }
        for (i, left) in d_low_lefts.iter().enumerate() {
            if let (Some(left), Some(w)) = (left, &adapters[i]) {
                terms.push(Term { left, w: factors.a(i), shape: (w.rank, columns) });
            }
        }
        kernel.sums(&[Sum { terms, direction: Direction::Backward }]).swap_remove(0)
    });
    Ok(Tensor::from_vec(dx, (rows, columns), x.device())?)
}

/// The adapter of a linear.
struct Adapter<'a> {
    index: usize,
    rank: usize,
    a: Tensor,
    b: Tensor,
    weight: &'a LoraWeight,
}

/// 0 where there is none.
fn rank(adapter: Option<&Adapter>) -> usize {
    adapter.map_or(0, |w| w.rank)
}

fn adapters<'a>(linears: &[Linear], pass: Pass<'a>) -> Result<Vec<Option<Adapter<'a>>>> {
    let adapter = |linear: &Linear| match linear.adapter(pass) {
        Some((index, weight)) => {
            let (a, b) = (weight.a.contiguous()?, weight.b.contiguous()?);
            Ok(Some(Adapter { index, rank: a.dim(0)?, a, b, weight }))
        }
        None => Ok(None),
    };
    linears.iter().map(adapter).collect()
}

/// The factors of adapters, to be read.
struct Factors<'a>(Vec<Option<(Held<'a>, Held<'a>)>>);

impl<'a> Factors<'a> {
    fn of(adapters: &'a [Option<Adapter<'a>>]) -> Self {
        Self(adapters.iter().map(|w| w.as_ref().map(|w| (Held::of(&w.a), Held::of(&w.b)))).collect())
    }

    fn a(&self, linear: usize) -> Numbers<'_> {
        self.0[linear].as_ref().map_or(Numbers::F32(&[]), |(a, _)| numbers(a))
    }

    fn b(&self, linear: usize) -> Numbers<'_> {
        self.0[linear].as_ref().map_or(Numbers::F32(&[]), |(_, b)| numbers(b))
    }
}

fn held(linears: &[Linear]) -> Vec<Held<'_>> {
    linears.iter().map(|linear| linear.weight.held()).collect()
}

/// One for each linear that has an adapter.
fn each<'a, T>(adapters: &'a [Option<Adapter<'a>>], make: impl Fn(usize, &'a Adapter<'a>) -> T) -> Vec<T> {
    adapters.iter().enumerate().filter_map(|(i, w)| Some(make(i, w.as_ref()?))).collect()
}

/// What was found for each linear that has an adapter, times its scale; none for the others.
fn scaled(found: Vec<Vec<f32>>, adapters: &[Option<Adapter>]) -> Vec<Option<Vec<f32>>> {
    let mut found = found.into_iter();
    let scaled = |w: &Option<Adapter>| {
        let scale = w.as_ref()?.weight.scale as f32;
        let mut low = found.next()?;
        wide::scale(&mut low, scale);
        Some(low)
    };
    adapters.iter().map(scaled).collect()
}

/// The columns of rows of `width` numbers, one after another.
fn transposed(rows: &[f32], width: usize) -> Vec<f32> {
    let count = rows.len() / width;
    let mut columns = vec![0.0; rows.len()];
    // By blocks, so that what is read and what is written stays in the cache.
    for first in (0..count).step_by(16) {
        let last = (first + 16).min(count);
        for column in 0..width {
            for row in first..last {
                columns[column * count + row] = rows[row * width + column];
            }
        }
    }
    columns
}

fn operations_of_gradients(rows: usize, columns: usize, outs: &[usize], adapters: &[Option<Adapter>]) -> usize {
    adapters.iter().zip(outs).map(|(w, out)| 2 * rows * rank(w.as_ref()) * (columns + out)).sum()
}
