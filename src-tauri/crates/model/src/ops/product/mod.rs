//! Products with a frozen matrix in bf16: both sides are rounded to it once, products and sums are f32.
//!
//! A panel of the matrix is laid as the kernel reads it straight from whatever is stored, by the core that uses it, and
//! dropped. Each number of the output is the same sum in the same order, whatever rows stand beside it and however many
//! cores there are.
#![allow(unsafe_code)]

#[cfg(target_arch = "x86_64")]
mod avx512;
mod numbers;
#[cfg(target_arch = "x86_64")]
mod tasks;
#[cfg(test)]
mod tests;

pub use numbers::Numbers;

use super::cpu_slice;
use candle_core::{Result, Tensor};

/// What multiplies in bf16. There is one only where the processor can.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kernel {
    /// By the instructions AVX512-BF16.
    #[cfg(target_arch = "x86_64")]
    Avx512,
}

impl Kernel {
    /// That of this processor.
    pub fn of_processor() -> Option<Self> {
        #[cfg(target_arch = "x86_64")]
        if avx512::available() {
            return Some(Self::Avx512);
        }
        None
    }

    /// `x Wᵀ`, from `[n, in]` to `[n, out]`, with `shape` the `(out, in)` of `w`.
    pub fn forward(self, x: &[f32], w: Numbers, shape: (usize, usize)) -> Vec<f32> {
        self.product(x, w, shape, Direction::Forward)
    }

    /// `dy W`, from `[n, out]` to `[n, in]`.
    pub fn backward(self, dy: &[f32], w: Numbers, shape: (usize, usize)) -> Vec<f32> {
        self.product(dy, w, shape, Direction::Backward)
    }

    fn product(self, left: &[f32], w: Numbers, shape: (usize, usize), direction: Direction) -> Vec<f32> {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => tasks::product(left, w, shape, direction),
        }
    }

    /// The product of a tensor of rows, f32 on the CPU, in this direction.
    pub(crate) fn of_tensor(
        self,
        left: &Tensor,
        w: Numbers,
        shape: (usize, usize),
        direction: Direction,
    ) -> Result<Tensor> {
        let (rows, found) = left.dims2()?;
        let (length, width) = direction.of(shape);
        if found != length {
            candle_core::bail!("{direction:?} product of rows of {found} numbers with a matrix of {shape:?}");
        }
        let left = left.contiguous()?;
        let guard = cpu_slice(&left);
        Tensor::from_vec(self.product(guard.get()?, w, shape, direction), (rows, width), left.device())
    }
}

/// Along what of the matrix a sum goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Direction {
    /// Along its rows: `x Wᵀ`.
    Forward,
    /// Along its columns: `dy W`.
    Backward,
}

impl Direction {
    /// How many numbers a sum has, and how many sums there are, of a matrix of `(out, in)`.
    fn of(self, (out, columns): (usize, usize)) -> (usize, usize) {
        match self {
            Self::Forward => (columns, out),
            Self::Backward => (out, columns),
        }
    }
}
