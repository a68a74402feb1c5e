//! Linears that read the same input: a matrix each, or a single one whose output is cut up (Phi-3).

use crate::error::Result;
use crate::linear::adapted::{Linear, Low, Pass};
use crate::linear::decode_linears;
use crate::linear::fused_linears;
use crate::lora::gradients::Gradients;
use candle_core::Tensor;
use kernels::sums;

pub(crate) enum Joint<const N: usize> {
    Apart([Linear; N]),
    /// The output's columns, in order, are those of `N` linears with these widths.
    Fused {
        linear: Linear,
        widths: [usize; N],
    },
}

impl<const N: usize> Joint<N> {
    /// The linears in order.
    pub(crate) fn linears(&self) -> &[Linear] {
        match self {
            Self::Apart(linears) => linears,
            Self::Fused { linear, .. } => std::slice::from_ref(linear),
        }
    }

    /// The same, to be changed.
    pub(crate) fn linears_mut(&mut self) -> &mut [Linear] {
        match self {
            Self::Apart(linears) => linears,
            Self::Fused { linear, .. } => std::slice::from_mut(linear),
        }
    }

    /// `x` `[rows, in]` to `N` times `[rows, out]`, and what the backward needs.
    pub(crate) fn forward(&self, x: &Tensor, pass: Pass) -> Result<([Tensor; N], Vec<Low>)> {
        match self {
            Self::Apart(linears) => {
                if let Some(ys) = decode_linears::forward(linears, x, pass)? {
                    return Ok((array(ys)?, Vec::new()));
                }
                if let Some(kernel) = fused_linears::kernel(linears, x, pass) {
                    let (ys, lows) = fused_linears::forward(kernel, linears, x, pass)?;
                    return Ok((array(ys)?, lows));
                }
                let done = linears.iter().map(|linear| linear.forward(x, pass)).collect::<Result<Vec<_>>>()?;
                let (ys, lows): (Vec<_>, Vec<_>) = done.into_iter().unzip();
                Ok((array(ys)?, lows))
            }
            Self::Fused { linear, widths } => {
                let (y, low) = linear.forward(x, pass)?;
                let mut start = 0;
                let mut ys = Vec::with_capacity(N);
                for &width in widths {
                    ys.push(y.narrow(1, start, width)?.contiguous()?);
                    start += width;
                }
                Ok((array(ys)?, vec![low]))
            }
        }
    }

    /// The gradient of the input `[rows, in]`; adds those of the adapters.
    pub(crate) fn backward(
        &self,
        dys: [&Tensor; N],
        x: &Tensor,
        lows: &[Low],
        pass: Pass,
        gradients: &mut Gradients,
    ) -> Result<Tensor> {
        match self {
            Self::Apart(linears) => {
                if let Some(kernel) = fused_linears::kernel(linears, x, pass) {
                    return fused_linears::backward(kernel, linears, &dys, x, lows, pass, gradients);
                }
                let mut dx: Option<Tensor> = None;
                for ((linear, dy), low) in linears.iter().zip(dys).zip(lows) {
                    let part = linear.backward(dy, x, low, pass, gradients)?;
                    dx = Some(match dx {
                        Some(sum) => sums::add(&sum, &part)?,
                        None => part,
                    });
                }
                Ok(dx.map_or_else(|| x.zeros_like(), Ok)?)
            }
            Self::Fused { linear, .. } => {
                let low = lows.first().unwrap_or(&None);
                linear.backward(&Tensor::cat(&dys, 1)?, x, low, pass, gradients)
            }
        }
    }
}

fn array<const N: usize>(tensors: Vec<Tensor>) -> Result<[Tensor; N]> {
    tensors.try_into().map_err(|_| candle_core::Error::msg("another number of outputs than of linears").into())
}
