//! Linears of a pass in which every row is the one new token of a sequence: their products read the matrix as it lies, and
//! no row's numbers depend on the rows beside it. See [`kernels::product::gemv`].

use crate::error::Result;
use crate::linear::adapted::{Linear, Pass};
use candle_core::{DType, Tensor};
use kernels::buffers::cpu_slice;
use kernels::dispatch::fused;
use kernels::product::Numbers;
use kernels::product::gemv::{PackedRows, Product, Sum, sums};
use kernels::profile::{self, Work};
use kernels::weight::{WeightView, numbers};
use kernels::wide;

/// `x` `[rows, in]` to `[rows, out]` for each of some linears that read the same input. None where the pass is another, or
/// something about them is not for these products.
pub(super) fn forward(linears: &[Linear], x: &Tensor, pass: Pass) -> Result<Option<Vec<Tensor>>> {
    if !pass.single || !fused(x, Work::Frozen) {
        return Ok(None);
    }
    let (rows, columns) = x.dims2()?;
    let mut operands = Vec::with_capacity(linears.len());
    for linear in linears {
        let Some(operand) = Operand::of(linear, pass)? else { return Ok(None) };
        operands.push(operand);
    }
    let Some(kernel) = linears.first().map(|linear| linear.weight.kernel_for(x)) else { return Ok(None) };
    if operands.iter().any(|operand| operand.weight.numbers().is_none()) || !x.is_contiguous() {
        return Ok(None);
    }
    let x_guard = cpu_slice(x);
    let x_packed = profile::during(Work::Frozen, || {
        Ok::<_, candle_core::Error>(PackedRows::pack(kernel, x_guard.get()?, columns))
    })?;

    let operations =
        operands.iter().filter_map(|operand| Some(2 * rows * columns * operand.adapter.as_ref()?.rank)).sum();
    profile::products(Work::Adapter, operations, || {
        let adapters = || operands.iter().filter_map(|operand| operand.adapter.as_ref());
        let wanted = adapters().map(|adapter| Sum {
            products: vec![Product { left: &x_packed, w: numbers(&adapter.a) }],
            bias: None,
            width: adapter.rank,
        });
        let found = sums(&wanted.collect::<Vec<_>>());
        let adapters = operands.iter_mut().filter_map(|operand| operand.adapter.as_mut());
        for (adapter, mut hidden) in adapters.zip(found) {
            wide::scale(&mut hidden, adapter.scale);
            adapter.hidden = Some(PackedRows::pack(kernel, &hidden, adapter.rank));
        }
    });

    let operations = operands.iter().map(|operand| 2 * rows * columns * operand.out).sum();
    let ys = profile::products(Work::Frozen, operations, || {
        let wanted = operands.iter().map(|operand| {
            let mut products = vec![Product { left: &x_packed, w: numbers(&operand.weight) }];
            if let Some(Adapter { b, hidden: Some(hidden), .. }) = &operand.adapter {
                products.push(Product { left: hidden, w: numbers(b) });
            }
            let bias = operand.bias.as_ref().map(numbers);
            let bias = bias.and_then(|bias| if let Numbers::F32(bias) = bias { Some(bias) } else { None });
            Sum { products, bias, width: operand.out }
        });
        sums(&wanted.collect::<Vec<_>>())
    });
    let tensor = |(y, operand): (Vec<f32>, &Operand)| Ok(Tensor::from_vec(y, (rows, operand.out), x.device())?);
    Ok(Some(ys.into_iter().zip(&operands).map(tensor).collect::<Result<Vec<_>>>()?))
}

/// A linear as these products read it.
struct Operand<'a> {
    out: usize,
    weight: WeightView<'a>,
    bias: Option<WeightView<'a>>,
    adapter: Option<Adapter<'a>>,
}

struct Adapter<'a> {
    rank: usize,
    scale: f32,
    a: WeightView<'a>,
    b: WeightView<'a>,
    /// `s · x Aᵀ`, once it is computed.
    hidden: Option<PackedRows>,
}

impl<'a> Operand<'a> {
    /// None where it is not for these products.
    fn of(linear: &'a Linear, pass: Pass<'a>) -> Result<Option<Self>> {
        let floats = |tensor: &Tensor| tensor.dtype() == DType::F32 && tensor.is_contiguous();
        let adapter = match linear.adapter(pass) {
            Some((_, w)) if w.magnitude.is_some() || pass.drops() || !floats(&w.a) || !floats(&w.b) => {
                return Ok(None);
            }
            Some((_, w)) => {
                let (a, b) = (WeightView::of(&w.a), WeightView::of(&w.b));
                Some(Adapter { rank: w.a.dim(0)?, scale: w.scale as f32, a, b, hidden: None })
            }
            None => None,
        };
        if linear.bias.as_ref().is_some_and(|bias| !floats(bias)) {
            return Ok(None);
        }
        let (out, bias) = (linear.weight.dims().0, linear.bias.as_ref().map(WeightView::of));
        Ok(Some(Self { out, weight: linear.weight.view(), bias, adapter }))
    }
}
