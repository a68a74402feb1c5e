//! Linears of a pass in which every row is the one new token of a sequence: their products read the matrix as it lies, and
//! no row's numbers depend on the rows beside it. See [`kernels::product::few`].

use crate::error::Result;
use crate::linear::adapted::{Linear, Pass};
use candle_core::{DType, Tensor};
use kernels::buffers::cpu_slice;
use kernels::dispatch::fused;
use kernels::product::Numbers;
use kernels::product::few::{Product, Rows, Sum, sums};
use kernels::profile::{self, Work};
use kernels::weight::{Held, numbers};
use kernels::wide;

/// `x` `[rows, in]` to `[rows, out]` for each of some linears that read the same input. None where the pass is another, or
/// something about them is not for these products.
pub(crate) fn forward(linears: &[Linear], x: &Tensor, pass: Pass) -> Result<Option<Vec<Tensor>>> {
    if !pass.single || !fused(x, Work::Frozen) {
        return Ok(None);
    }
    let (rows, columns) = x.dims2()?;
    let mut all = Vec::with_capacity(linears.len());
    for linear in linears {
        let Some(all_of_it) = Parts::of(linear, pass)? else { return Ok(None) };
        all.push(all_of_it);
    }
    let Some(kernel) = linears.first().map(|linear| linear.weight.kernel_for(x)) else { return Ok(None) };
    let (Some(weights), true) =
        (all.iter().map(|parts| parts.weight.numbers()).collect::<Option<Vec<_>>>(), x.is_contiguous())
    else {
        return Ok(None);
    };
    let x_guard = cpu_slice(x);
    let x_rows =
        profile::during(Work::Frozen, || Ok::<_, candle_core::Error>(Rows::lay(kernel, x_guard.get()?, columns)))?;

    let operations: usize =
        all.iter().filter_map(|parts| Some(2 * rows * columns * parts.adapter.as_ref()?.rank)).sum();
    let lows: Vec<Option<Rows>> = profile::products(Work::Adapter, operations, || {
        let adapters = || all.iter().filter_map(|parts| parts.adapter.as_ref());
        let wanted = adapters().map(|adapter| Sum {
            products: vec![Product { left: &x_rows, w: numbers(&adapter.a) }],
            bias: None,
            width: adapter.rank,
        });
        let mut found = sums(&wanted.collect::<Vec<_>>()).into_iter();
        let mut next = |adapter: &Adapter| {
            let mut low = found.next()?;
            wide::scale(&mut low, adapter.scale);
            Some(Rows::lay(kernel, &low, adapter.rank))
        };
        all.iter().map(|parts| next(parts.adapter.as_ref()?)).collect()
    });

    let operations = linears.iter().map(|linear| 2 * rows * columns * linear.weight.dims().0).sum();
    let ys = profile::products(Work::Frozen, operations, || {
        let mut wanted = Vec::with_capacity(linears.len());
        for (((linear, parts), w), low) in linears.iter().zip(&all).zip(&weights).zip(&lows) {
            let mut products = vec![Product { left: &x_rows, w: *w }];
            if let (Some(low), Some(adapter)) = (low, &parts.adapter) {
                products.push(Product { left: low, w: numbers(&adapter.b) });
            }
            let bias = parts.bias.as_ref().map(numbers);
            let bias = bias.and_then(|bias| if let Numbers::F32(bias) = bias { Some(bias) } else { None });
            wanted.push(Sum { products, bias, width: linear.weight.dims().0 });
        }
        sums(&wanted)
    });
    let tensor =
        |(y, linear): (Vec<f32>, &Linear)| Ok(Tensor::from_vec(y, (rows, linear.weight.dims().0), x.device())?);
    Ok(Some(ys.into_iter().zip(linears).map(tensor).collect::<Result<Vec<_>>>()?))
}

/// What a linear is made of, to be read.
struct Parts<'a> {
    weight: Held<'a>,
    bias: Option<Held<'a>>,
    adapter: Option<Adapter<'a>>,
}

struct Adapter<'a> {
    rank: usize,
    scale: f32,
    a: Held<'a>,
    b: Held<'a>,
}

impl<'a> Parts<'a> {
    /// None where it is not for these products.
    fn of(linear: &'a Linear, pass: Pass<'a>) -> Result<Option<Self>> {
        let floats = |tensor: &Tensor| tensor.dtype() == DType::F32 && tensor.is_contiguous();
        let adapter = match linear.adapter(pass) {
            Some((_, w)) if w.magnitude.is_some() || pass.drops() || !floats(&w.a) || !floats(&w.b) => {
                return Ok(None);
            }
            Some((_, w)) => {
                Some(Adapter { rank: w.a.dim(0)?, scale: w.scale as f32, a: Held::of(&w.a), b: Held::of(&w.b) })
            }
            None => None,
        };
        if linear.bias.as_ref().is_some_and(|bias| !floats(bias)) {
            return Ok(None);
        }
        Ok(Some(Self { weight: linear.weight.held(), bias: linear.bias.as_ref().map(Held::of), adapter }))
    }
}
