//! Linears that read the same input, each with its adapter, in as few passes as there can be: by a kernel that adds up
//! several products before it writes a number.
//!
//! With `y = x Wᵀ + h Bᵀ`, where `h = s · x Aᵀ`, and `dh = s · dy B`, the gradients are `dx = Σ (dy W + dh A)` over the
//! linears, `dA = dhᵀ x` and `dB = dyᵀ h` (arXiv 2106.09685, eq. 3). What the input, or its gradient, is made of is rounded
//! to bf16 once for all of them.

use crate::error::Result;
use crate::linear::adapted::{Linear, LinearActivations, Pass};
use crate::lora::gradients::Gradients;
use candle_core::{DType, Tensor};
use kernels::buffers::cpu_slice;
use kernels::product::{Kernel, OverRows, PackedColumns, PackedRows, Sum, Term, WeightOp};
use kernels::profile::{self, Work};
use kernels::weight::{WeightView, numbers};
use kernels::wide;
use rayon::prelude::*;

/// The kernel for these linears on `x`: none where a linear has none, or an adapter wants more than its two factors.
pub(super) fn kernel(linears: &[Linear], x: &Tensor, pass: Pass) -> Option<Kernel> {
    let simple = |linear: &Linear| match linear.adapter(pass) {
        Some((_, w)) => !pass.drops() && w.magnitude.is_none() && w.a.dtype() == DType::F32,
        None => true,
    };
    let kernel = linears.first()?.weight.kernel_for(x)?;
    let ready = |linear: &Linear| linear.weight.kernel_for(x).is_some() && linear.weight.view().numbers().is_some();
    linears.iter().all(|linear| ready(linear) && simple(linear)).then_some(kernel)
}

/// `x` `[rows, in]` to `[rows, out]` for each linear, and what the backward needs of each.
pub(super) fn forward(
    kernel: Kernel,
    linears: &[Linear],
    x: &Tensor,
    pass: Pass,
) -> Result<(Vec<Tensor>, Vec<Option<LinearActivations>>)> {
    let x = x.contiguous()?;
    let (rows, columns) = x.dims2()?;
    let factors = factors(linears, pass)?;
    let operands = operands(linears, &factors);
    let x_packed =
        profile::during(Work::Frozen, || Ok::<_, candle_core::Error>(kernel.pack(cpu_slice(&x).get()?, columns)))?;

    let operations = 2 * rows * columns * operands.iter().map(Operand::rank).sum::<usize>();
    let hidden = profile::products(Work::Adapter, operations, || {
        let products = operands.iter().map(|operand| {
            let adapter = operand.adapter.as_ref()?;
            let shape = (adapter.rank, columns);
            Some((Term { left: &x_packed, w: numbers(&adapter.a), shape }, adapter.scale))
        });
        scaled_products(kernel, WeightOp::Transposed, &products.collect::<Vec<_>>())
    });
    let hidden: Vec<Option<Hidden>> =
        operands.iter().zip(hidden).map(|(operand, hidden)| Some(Hidden::new(kernel, operand, hidden?))).collect();

    let operations = operands.iter().map(|operand| 2 * rows * operand.out * (columns + operand.rank())).sum();
    let ys = profile::products(Work::Frozen, operations, || {
        let sums = operands.iter().zip(&hidden).map(|(operand, hidden)| {
            let out = operand.out;
            let mut terms = vec![Term { left: &x_packed, w: numbers(&operand.weight), shape: (out, columns) }];
            if let (Some(adapter), Some(hidden)) = (&operand.adapter, hidden) {
                terms.push(Term { left: &hidden.packed, w: numbers(&adapter.b), shape: (out, adapter.rank) });
            }
            Sum { terms, op: WeightOp::Transposed }
        });
        kernel.sums(&sums.collect::<Vec<_>>())
    });
    let mut outputs = Vec::with_capacity(linears.len());
    for ((linear, operand), mut y) in linears.iter().zip(&operands).zip(ys) {
        if let Some(bias) = &linear.bias {
            let guard = cpu_slice(bias);
            let bias = guard.get()?;
            y.par_chunks_mut(operand.out).for_each(|y| y.iter_mut().zip(bias).for_each(|(y, bias)| *y += bias));
        }
        outputs.push(Tensor::from_vec(y, (rows, operand.out), x.device())?);
    }
    let saved = hidden.into_iter().zip(&operands).map(|(hidden, operand)| {
        let Some(hidden) = hidden else { return Ok(None) };
        let hidden = Tensor::from_vec(hidden.numbers, (rows, operand.rank()), x.device())?;
        Ok(Some(LinearActivations::without_dora(hidden)))
    });
    Ok((outputs, saved.collect::<Result<Vec<_>>>()?))
}

/// The gradient of the input `[rows, in]`, from that of each output; adds those of the adapters.
pub(super) fn backward(
    kernel: Kernel,
    linears: &[Linear],
    dys: &[&Tensor],
    x: &Tensor,
    saved: &[Option<LinearActivations>],
    pass: Pass,
    gradients: &mut Gradients,
) -> Result<Tensor> {
    let (rows, columns) = x.dims2()?;
    let factors = factors(linears, pass)?;
    let operands = operands(linears, &factors);
    let dys = dys.iter().map(|dy| dy.contiguous()).collect::<candle_core::Result<Vec<_>>>()?;
    let dy_guards: Vec<_> = dys.iter().map(cpu_slice).collect();
    let mut parts: Vec<Part> = profile::during(Work::Frozen, || {
        let dys = dy_guards.iter().map(|guard| guard.get()).collect::<candle_core::Result<Vec<_>>>()?;
        Ok::<_, candle_core::Error>(
            operands.into_iter().zip(dys).map(|(operand, dy)| Part::new(kernel, operand, dy)).collect(),
        )
    })?;

    let operations = parts.iter().map(|part| 2 * rows * part.operand.out * part.operand.rank()).sum();
    let d_hidden = profile::products(Work::Adapter, operations, || {
        let products = parts.iter().map(|part| {
            let adapter = part.operand.adapter.as_ref()?;
            let shape = (part.operand.out, adapter.rank);
            Some((Term { left: &part.dy_packed, w: numbers(&adapter.b), shape }, adapter.scale))
        });
        scaled_products(kernel, WeightOp::AsStored, &products.collect::<Vec<_>>())
    });
    for (part, d_hidden) in parts.iter_mut().zip(d_hidden) {
        part.d_hidden = d_hidden.map(|d_hidden| Hidden::new(kernel, &part.operand, d_hidden));
    }

    // Before the other products, which drive `dy` out of the caches.
    add_gradients(kernel, &parts, saved, &x.contiguous()?, gradients)?;

    let operations = parts.iter().map(|part| 2 * rows * columns * (part.operand.out + part.operand.rank())).sum();
    let dx = profile::products(Work::Frozen, operations, || {
        let weights = parts.iter().map(|Part { operand, dy_packed, .. }| Term {
            left: dy_packed,
            w: numbers(&operand.weight),
            shape: (operand.out, columns),
        });
        let mut terms: Vec<Term> = weights.collect();
        for part in &parts {
            if let (Some(adapter), Some(d_hidden)) = (&part.operand.adapter, &part.d_hidden) {
                terms.push(Term { left: &d_hidden.packed, w: numbers(&adapter.a), shape: (adapter.rank, columns) });
            }
        }
        kernel.sums(&[Sum { terms, op: WeightOp::AsStored }]).swap_remove(0)
    });
    Ok(Tensor::from_vec(dx, (rows, columns), x.device())?)
}

/// Adds `dA = dhᵀ x` and `dB = dyᵀ h` of each linear that has an adapter.
fn add_gradients(
    kernel: Kernel,
    parts: &[Part],
    saved: &[Option<LinearActivations>],
    x: &Tensor,
    gradients: &mut Gradients,
) -> Result<()> {
    struct Adapted<'a> {
        part: &'a Part<'a>,
        adapter: &'a AdapterOperand<'a>,
        hidden: &'a [f32],
        d_hidden: &'a [f32],
    }
    let (rows, columns) = x.dims2()?;
    let x_guard = cpu_slice(x);
    let x_slice = x_guard.get()?;
    let hidden_guards: Vec<_> = saved.iter().map(|saved| Some(cpu_slice(&saved.as_ref()?.hidden))).collect();
    let mut adapted = Vec::with_capacity(parts.len());
    for (part, hidden) in parts.iter().zip(&hidden_guards) {
        if let (Some(adapter), Some(hidden), Some(d_hidden)) = (&part.operand.adapter, hidden, &part.d_hidden) {
            adapted.push(Adapted { part, adapter, hidden: hidden.get()?, d_hidden: &d_hidden.numbers });
        }
    }

    let operations = adapted.iter().map(|it| 2 * rows * it.adapter.rank * (columns + it.part.operand.out)).sum();
    let (das, dbs) = profile::products(Work::Adapter, operations, || {
        let packed = |numbers: &[f32], it: &Adapted| kernel.pack_columns(numbers, it.adapter.rank);
        let d_hidden: Vec<PackedColumns> = adapted.iter().map(|it| packed(it.d_hidden, it)).collect();
        let hidden: Vec<PackedColumns> = adapted.iter().map(|it| packed(it.hidden, it)).collect();
        let mut sums = vec![OverRows { lefts: d_hidden.iter().collect(), x: x_slice, width: columns }];
        for (it, hidden) in adapted.iter().zip(&hidden) {
            sums.push(OverRows { lefts: vec![hidden], x: it.part.dy, width: it.part.operand.out });
        }
        let mut das = kernel.over_rows(&sums);
        let dbs = das.split_off(adapted.len());
        (das, dbs)
    });
    for (it, (da, db)) in adapted.iter().zip(das.into_iter().zip(dbs)) {
        let (rank, out) = (it.adapter.rank, it.part.operand.out);
        let da = Tensor::from_vec(da, (rank, columns), x.device())?;
        let db = Tensor::from_vec(transposed(&db, out), (out, rank), x.device())?;
        gradients.add(it.adapter.index, &da, &db, None)?;
    }
    Ok(())
}

/// A linear as the kernel reads it.
struct Operand<'a> {
    /// Rows of the weight.
    out: usize,
    weight: WeightView<'a>,
    adapter: Option<AdapterOperand<'a>>,
}

struct AdapterOperand<'a> {
    /// Place in the adapter.
    index: usize,
    rank: usize,
    scale: f32,
    a: WeightView<'a>,
    b: WeightView<'a>,
}

impl Operand<'_> {
    /// 0 without an adapter.
    fn rank(&self) -> usize {
        self.adapter.as_ref().map_or(0, |adapter| adapter.rank)
    }
}

/// A linear in the backward.
struct Part<'a> {
    operand: Operand<'a>,
    /// `[rows, out]`.
    dy: &'a [f32],
    dy_packed: PackedRows,
    /// `s · dy B`.
    d_hidden: Option<Hidden>,
}

impl<'a> Part<'a> {
    fn new(kernel: Kernel, operand: Operand<'a>, dy: &'a [f32]) -> Self {
        Self { dy, dy_packed: kernel.pack(dy, operand.out), d_hidden: None, operand }
    }
}

/// An adapter's hidden activations, or their gradient, `[rows, r]`.
struct Hidden {
    numbers: Vec<f32>,
    packed: PackedRows,
}

impl Hidden {
    fn new(kernel: Kernel, operand: &Operand, numbers: Vec<f32>) -> Self {
        Self { packed: kernel.pack(&numbers, operand.rank()), numbers }
    }
}

/// The factors of a linear's adapter, contiguous.
struct Factors {
    index: usize,
    scale: f32,
    a: Tensor,
    b: Tensor,
}

fn factors(linears: &[Linear], pass: Pass) -> Result<Vec<Option<Factors>>> {
    let factors = |linear: &Linear| match linear.adapter(pass) {
        Some((index, w)) => {
            Ok(Some(Factors { index, scale: w.scale as f32, a: w.a.contiguous()?, b: w.b.contiguous()? }))
        }
        None => Ok(None),
    };
    linears.iter().map(factors).collect()
}

fn operands<'a>(linears: &'a [Linear], factors: &'a [Option<Factors>]) -> Vec<Operand<'a>> {
    let adapter = |it: &'a Factors| AdapterOperand {
        index: it.index,
        rank: it.a.dims()[0],
        scale: it.scale,
        a: WeightView::of(&it.a),
        b: WeightView::of(&it.b),
    };
    let operand = |(linear, factors): (&'a Linear, &'a Option<Factors>)| Operand {
        out: linear.weight.dims().0,
        weight: linear.weight.view(),
        adapter: factors.as_ref().map(adapter),
    };
    linears.iter().zip(factors).map(operand).collect()
}

/// These products, each times its scale, at once; none where there is none.
fn scaled_products(kernel: Kernel, op: WeightOp, products: &[Option<(Term, f32)>]) -> Vec<Option<Vec<f32>>> {
    let sums: Vec<Sum> = products.iter().flatten().map(|(term, _)| Sum { terms: vec![*term], op }).collect();
    let mut found = kernel.sums(&sums).into_iter();
    let scaled = |product: &Option<(Term, f32)>| {
        let (_, scale) = product.as_ref()?;
        let mut numbers = found.next()?;
        wide::scale(&mut numbers, *scale);
        Some(numbers)
    };
    products.iter().map(scaled).collect()
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
