//! Products with a frozen matrix in bf16: both sides are rounded to it once, products and sums are f32.
//!
//! A panel of the matrix is packed as the kernel reads it, straight from whatever is stored, by the core that uses it, and
//! dropped. Each number of the output is the same sum in the same order, whatever rows stand beside it and however many
//! cores there are.
#![allow(unsafe_code)]

#[cfg(target_arch = "x86_64")]
mod avx512;
pub mod gemv;
mod numbers;
#[cfg(target_arch = "x86_64")]
mod over_rows;
#[cfg(target_arch = "x86_64")]
mod tasks;
#[cfg(test)]
mod tests;
mod tiles;

pub use numbers::Numbers;

use crate::buffers::cpu_slice;
use candle_core::{Result, Tensor};

/// What multiplies in bf16. There is one only where the processor can.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kernel {
    /// By the instructions AVX512-BF16.
    #[cfg(target_arch = "x86_64")]
    Avx512,
}

impl Kernel {
    /// The kernel of this processor, where it has one.
    pub fn of_processor() -> Option<Self> {
        #[cfg(target_arch = "x86_64")]
        if avx512::available() {
            return Some(Self::Avx512);
        }
        None
    }

    /// `x`, rows of `length` numbers each, packed to be the left side of products.
    pub fn pack(self, x: &[f32], length: usize) -> PackedRows {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => tasks::pack(x, length),
        }
    }

    /// Several sums at once, so that the cores share all of their work; each as rows, in order.
    pub fn sums(self, sums: &[Sum]) -> Vec<Vec<f32>> {
        sums.iter().for_each(Sum::check);
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => tasks::sums(sums),
        }
    }

    /// The columns of `m`, rows of `width` numbers each, packed to be the left side of sums over rows.
    pub fn pack_columns(self, m: &[f32], width: usize) -> PackedColumns {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => over_rows::pack(m, width),
        }
    }

    /// Several sums over rows at once: of each, for each left side, `[its columns, width]`.
    pub fn over_rows(self, sums: &[OverRows]) -> Vec<Vec<f32>> {
        sums.iter().for_each(OverRows::check);
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => over_rows::sums(sums),
        }
    }

    /// `x Wᵀ`, from `[n, in]` to `[n, out]`, with `shape` the `(out, in)` of `w`.
    pub fn forward(self, x: &[f32], w: Numbers, shape: (usize, usize)) -> Vec<f32> {
        self.product(x, w, shape, WeightOp::Transposed)
    }

    /// `dy W`, from `[n, out]` to `[n, in]`.
    pub fn backward(self, dy: &[f32], w: Numbers, shape: (usize, usize)) -> Vec<f32> {
        self.product(dy, w, shape, WeightOp::AsStored)
    }

    fn product(self, left: &[f32], w: Numbers, shape: (usize, usize), op: WeightOp) -> Vec<f32> {
        let (length, width) = op.of(shape);
        if length == 0 || width == 0 {
            return Vec::new();
        }
        let left = self.pack(left, length);
        self.sums(&[Sum { terms: vec![Term { left: &left, w, shape }], op }]).swap_remove(0)
    }

    /// The product of a tensor of rows, f32 on the CPU, with the matrix in this form.
    pub(crate) fn of_tensor(self, left: &Tensor, w: Numbers, shape: (usize, usize), op: WeightOp) -> Result<Tensor> {
        let (rows, found) = left.dims2()?;
        let (length, width) = op.of(shape);
        if found != length {
            candle_core::bail!("{op:?} product of rows of {found} numbers with a matrix of {shape:?}");
        }
        let left = left.contiguous()?;
        let guard = cpu_slice(&left);
        Tensor::from_vec(self.product(guard.get()?, w, shape, op), (rows, width), left.device())
    }
}

/// The left side of products, rounded to bf16 and packed as tiles of rows.
#[derive(Debug)]
pub struct PackedRows {
    packed: Vec<u32>,
    /// First row of each tile, and behind the last one.
    starts: Vec<usize>,
    rows: usize,
    length: usize,
}

/// A product that is a part of a sum.
#[derive(Debug, Clone, Copy)]
pub struct Term<'a> {
    /// Rows of as many numbers as a sum of products has.
    pub left: &'a PackedRows,
    /// What they are multiplied with.
    pub w: Numbers<'a>,
    /// `(out, in)` of `w`.
    pub shape: (usize, usize),
}

/// A sum of products of one shape, at least one, in their order.
#[derive(Debug, Clone)]
pub struct Sum<'a> {
    /// What is added up.
    pub terms: Vec<Term<'a>>,
    /// The form in which their matrices are multiplied.
    pub op: WeightOp,
}

impl Sum<'_> {
    /// Rows and columns of the sum.
    fn shape(&self) -> (usize, usize) {
        self.terms.first().map_or((0, 0), |term| (term.left.rows, self.op.of(term.shape).1))
    }

    fn check(&self) {
        let (rows, width) = self.shape();
        for Term { left, w, shape } in &self.terms {
            assert!(left.rows == rows && self.op.of(*shape) == (left.length, width));
            assert!(w.count() == shape.0 * shape.1);
        }
    }
}

/// The columns of a matrix `m`, rounded to bf16 and packed as tiles, to be the left side of sums over rows.
#[derive(Debug)]
pub struct PackedColumns {
    /// Of each tile, for each two rows, the pairs of its columns.
    packed: Vec<u32>,
    /// First column of each tile, and behind the last one.
    starts: Vec<usize>,
    rows: usize,
}

impl PackedColumns {
    /// How many there are.
    fn count(&self) -> usize {
        self.starts.last().copied().unwrap_or(0)
    }
}

/// Sums over the rows of one `x`.
#[derive(Debug, Clone)]
pub struct OverRows<'a> {
    /// Of as many rows as `x`.
    pub lefts: Vec<&'a PackedColumns>,
    /// Rows of `width` numbers.
    pub x: &'a [f32],
    /// Columns of `x`.
    pub width: usize,
}

impl OverRows<'_> {
    fn check(&self) {
        assert!(self.width > 0 && self.x.len().is_multiple_of(self.width));
        assert!(self.lefts.iter().all(|left| left.rows == self.x.len() / self.width));
    }
}

/// What a task writes to.
#[derive(Clone, Copy)]
struct Output(*mut f32);

// SAFETY: each task of `tasks`, of `over_rows` and of `gemv` writes to rows and columns that no other task touches, and the
// output outlives them.
unsafe impl Send for Output {}
// SAFETY: as above.
unsafe impl Sync for Output {}

impl Output {
    fn at(self, number: usize) -> *mut f32 {
        self.0.wrapping_add(number)
    }
}

/// The form in which a matrix `W` `[out, in]` is multiplied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WeightOp {
    /// `x Wᵀ`, as in the forward pass: a sum goes along a row.
    Transposed,
    /// `dy W`, as in the backward pass: a sum goes along a column.
    AsStored,
}

impl WeightOp {
    /// How many numbers a sum has, and how many sums there are, of a matrix of `(out, in)`.
    pub(crate) fn of(self, (out, columns): (usize, usize)) -> (usize, usize) {
        match self {
            Self::Transposed => (columns, out),
            Self::AsStored => (out, columns),
        }
    }
}
