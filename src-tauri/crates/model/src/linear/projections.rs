//! Projections of one input: a matrix each, or a single one whose output is cut up (Phi-3). Here it is chosen how they are
//! computed.

use crate::error::Result;
use crate::linear::adapted::{Linear, LinearActivations, Pass};
use crate::linear::{decode_linears, fused_linears};
use crate::lora::gradients::Gradients;
use candle_core::Tensor;
use kernels::sums;
use std::slice::{from_mut, from_ref};

/// `N` projections of one input; of a layer, queries, keys and values are three, gate and up two.
pub(crate) enum Projections<const N: usize> {
    Separate([Linear; N]),
    /// The output's columns, in order, are those of `N` projections with these widths.
    Stacked {
        linear: Linear,
        widths: [usize; N],
    },
}

impl Projections<1> {
    /// A linear that reads its input alone.
    pub(crate) fn one(linear: Linear) -> Self {
        Self::Separate([linear])
    }

    /// That linear.
    pub(crate) fn linear(&self) -> &Linear {
        match self {
            Self::Separate([linear]) | Self::Stacked { linear, .. } => linear,
        }
    }
}

impl<const N: usize> Projections<N> {
    /// The linears in order.
    pub(crate) fn linears(&self) -> &[Linear] {
        match self {
            Self::Separate(linears) => linears,
            Self::Stacked { linear, .. } => from_ref(linear),
        }
    }

    /// The same, to be changed.
    pub(crate) fn linears_mut(&mut self) -> &mut [Linear] {
        match self {
            Self::Separate(linears) => linears,
            Self::Stacked { linear, .. } => from_mut(linear),
        }
    }

    /// `x` `[rows, in]` to `N` times `[rows, out]`, and what the backward needs of each linear that has an adapter.
    pub(crate) fn forward(&self, x: &Tensor, pass: Pass) -> Result<([Tensor; N], Vec<Option<LinearActivations>>)> {
        let (mut ys, saved) = forward(self.linears(), x, pass)?;
        if let Self::Stacked { widths, .. } = self {
            let y = ys.swap_remove(0);
            let mut start = 0;
            for &width in widths {
                ys.push(y.narrow(1, start, width)?.contiguous()?);
                start += width;
            }
        }
        let ys = ys.try_into().map_err(|_| candle_core::Error::msg("another number of outputs than of projections"))?;
        Ok((ys, saved))
    }

    /// The gradient of the input `[rows, in]`; adds those of the adapters.
    pub(crate) fn backward(
        &self,
        dys: [&Tensor; N],
        x: &Tensor,
        saved: &[Option<LinearActivations>],
        pass: Pass,
        gradients: &mut Gradients,
    ) -> Result<Tensor> {
        match self {
            Self::Separate(linears) => backward(linears, &dys, x, saved, pass, gradients),
            Self::Stacked { linear, .. } => {
                backward(from_ref(linear), &[&Tensor::cat(&dys, 1)?], x, saved, pass, gradients)
            }
        }
    }
}

/// All at once by the products of decoding or by a fused kernel, where they are for all of these linears; else each alone,
/// and plainly what neither is for.
fn forward(linears: &[Linear], x: &Tensor, pass: Pass) -> Result<(Vec<Tensor>, Vec<Option<LinearActivations>>)> {
    if let Some(ys) = decode_linears::forward(linears, x, pass)? {
        // No backward follows.
        return Ok((ys, Vec::new()));
    }
    if let Some(kernel) = fused_linears::kernel(linears, x, pass) {
        return fused_linears::forward(kernel, linears, x, pass);
    }
    if let [linear] = linears {
        let (y, saved) = linear.forward(x, pass)?;
        return Ok((vec![y], vec![saved]));
    }
    let (mut all_ys, mut all_saved) = (Vec::with_capacity(linears.len()), Vec::with_capacity(linears.len()));
    for linear in linears {
        let (ys, saved) = forward(from_ref(linear), x, pass)?;
        all_ys.extend(ys);
        all_saved.extend(saved);
    }
    Ok((all_ys, all_saved))
}

/// The way that [`forward`] went, back.
fn backward(
    linears: &[Linear],
    dys: &[&Tensor],
    x: &Tensor,
    saved: &[Option<LinearActivations>],
    pass: Pass,
    gradients: &mut Gradients,
) -> Result<Tensor> {
    if let Some(kernel) = fused_linears::kernel(linears, x, pass) {
        return fused_linears::backward(kernel, linears, dys, x, saved, pass, gradients);
    }
    if let ([linear], [dy], [saved]) = (linears, dys, saved) {
        return linear.backward(dy, x, saved.as_ref(), pass, gradients);
    }
    let mut dx: Option<Tensor> = None;
    for ((linear, dy), saved) in linears.iter().zip(dys).zip(saved) {
        let part = backward(from_ref(linear), &[dy], x, from_ref(saved), pass, gradients)?;
        dx = Some(match dx {
            Some(sum) => sums::add(&sum, &part)?,
            None => part,
        });
    }
    Ok(dx.map_or_else(|| x.zeros_like(), Ok)?)
}
