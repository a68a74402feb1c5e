//! Matrix–vector products (GEMV) with frozen matrices, as decoding takes them: one new token of each of several sequences.
//!
//! The matrix decides what they cost, so that nothing of it is packed: each row of it is read once, decoded in registers, and
//! multiplied with all rows on the left. A sum goes along the row, in sixteen lanes, and no number depends on how many
//! rows there are or which stand beside it. With a kernel both sides are rounded to bf16, else all is f32.

use super::numbers::{Numbers, decode_row};
use super::tiles::{Cells, TILE_IN_BF16, TILE_IN_F32};
use super::{Kernel, Output};
use crate::wide::wide;
#[cfg(target_arch = "x86_64")]
use half::bf16;
use rayon::prelude::*;
use std::ops::Range;

/// Numbers that are added up side by side.
const LANES: usize = 16;
/// Numbers of a register.
const WIDE: usize = 32;
/// Numbers of a matrix that are worth handing to another core.
const NUMBERS_PER_TASK: usize = 16 * 1024;

/// The height of a tile for so many rows.
fn tile_of(rows: usize) -> usize {
    if rows == 0 { 0 } else { rows.next_power_of_two() }
}

/// The left side of products: tiles of rows, each a power of two high, and of a tile the first numbers of each row, as many
/// as a register holds, then the next. What is missing is zeros.
#[derive(Debug)]
pub struct PackedRows {
    numbers: Packed,
    count: usize,
    length: usize,
}

#[derive(Debug)]
enum Packed {
    F32(Vec<f32>),
    #[cfg(target_arch = "x86_64")]
    Bf16(Vec<bf16>),
}

impl PackedRows {
    /// `x`, rows of `length` numbers each, for products in bf16 by this kernel or, without one, in f32.
    pub fn pack(kernel: Option<Kernel>, x: &[f32], length: usize) -> Self {
        assert!(length > 0 && x.len().is_multiple_of(length));
        let (rows, stride) = (x.len() / length, length.next_multiple_of(WIDE));
        let most = if kernel.is_some() { TILE_IN_BF16 } else { TILE_IN_F32 };
        let mut packed = vec![0f32; (rows / most * most + tile_of(rows % most)) * stride];
        for (tile, x) in packed.chunks_mut(most * stride).zip(x.chunks(most * length)) {
            let high = tile.len() / stride;
            for (row, x) in x.chunks_exact(length).enumerate() {
                for (chunk, x) in x.chunks(WIDE).enumerate() {
                    tile[(chunk * high + row) * WIDE..][..x.len()].copy_from_slice(x);
                }
            }
        }
        let numbers = match kernel {
            None => Packed::F32(packed),
            #[cfg(target_arch = "x86_64")]
            Some(Kernel::Avx512) => Packed::Bf16(super::avx512::round_all(&packed)),
        };
        Self { numbers, count: rows, length }
    }
}

/// A product that is a part of a sum.
#[derive(Debug, Clone, Copy)]
pub struct Product<'a> {
    /// Rows on the left.
    pub left: &'a PackedRows,
    /// As many rows as the sum has columns, each of `left`'s length.
    pub w: Numbers<'a>,
}

/// `Σ left wᵀ + bias`, of one shape.
#[derive(Debug, Clone)]
pub struct Sum<'a> {
    /// What is added up.
    pub products: Vec<Product<'a>>,
    /// Added to each row, `[width]`.
    pub bias: Option<&'a [f32]>,
    /// Columns of the sum.
    pub width: usize,
}

/// A part of the work: some columns of one of the sums.
struct Task<'a, 'b> {
    sum: &'b Sum<'a>,
    output: Output,
    columns: Range<usize>,
}

/// All these sums at once, each as rows, in order.
pub fn sums(sums: &[Sum]) -> Vec<Vec<f32>> {
    let mut outputs = Vec::with_capacity(sums.len());
    let mut tasks = Vec::new();
    for sum in sums {
        let rows = sum.products.first().map_or(0, |product| product.left.count);
        let length: usize = sum.products.iter().map(|product| product.left.length).sum();
        for Product { left, w } in &sum.products {
            assert!(left.count == rows && w.count() == sum.width * left.length);
        }
        assert!(sum.bias.is_none_or(|bias| bias.len() == sum.width));
        let mut output = vec![0f32; rows * sum.width];
        let task = (NUMBERS_PER_TASK / length.max(1)).next_multiple_of(16);
        for first in (0..sum.width).step_by(task) {
            let columns = first..(first + task).min(sum.width);
            tasks.push(Task { sum, output: Output(output.as_mut_ptr()), columns });
        }
        outputs.push(output);
    }
    tasks.into_par_iter().for_each_init(Vec::new, |decoded, task| task.run(decoded));
    outputs
}

impl Task<'_, '_> {
    fn run(&self, decoded: &mut Vec<f32>) {
        let cells = Cells { first: self.output.at(self.columns.start), stride: self.sum.width };
        for &Product { left, w } in &self.sum.products {
            // SAFETY: these columns of the output, which has as many rows, are this task's alone.
            unsafe { add_dots(left, w, left.length, self.columns.clone(), decoded, cells) };
        }
        if let (Some(bias), Some(first)) = (self.sum.bias, self.sum.products.first()) {
            for row in 0..first.left.count {
                for (column, bias) in bias[self.columns.clone()].iter().enumerate() {
                    // SAFETY: as above.
                    unsafe { cells.add(row, column, *bias) };
                }
            }
        }
    }
}

/// Adds to `out` the products of each row on the left with the rows `of_w` of a matrix, of which each begins `stride`
/// numbers behind the one before.
///
/// # Safety
/// `out` must be the first of as many rows as there are on the left, of as many columns as there are in `of_w`, which nobody
/// else reads or writes meanwhile.
pub(crate) unsafe fn add_dots(
    left: &PackedRows,
    w: Numbers,
    stride: usize,
    of_w: Range<usize>,
    decoded: &mut Vec<f32>,
    out: Cells,
) {
    let length = left.length;
    assert!(of_w.is_empty() || (of_w.end - 1) * stride + length <= w.count());
    // SAFETY: as the caller promises; the processor is asked for, and the matrix has these rows.
    unsafe {
        match &left.numbers {
            #[cfg(target_arch = "x86_64")]
            Packed::Bf16(x) => super::avx512::gemv_in_bf16(x, left.count, length, w, stride, of_w, out),
            #[cfg(target_arch = "x86_64")]
            Packed::F32(x) if super::avx512::gemv_available() => {
                super::avx512::gemv_in_f32(x, left.count, length, w, stride, of_w, decoded, out);
            }
            Packed::F32(x) => plainly(x, left.count, length, w, stride, of_w, decoded, out),
        }
    }
}

/// The products of each row on the left with `count` rows of a matrix, of which each begins `stride` numbers behind the one
/// before, added to `out`: as many rows of `count` numbers.
pub(crate) fn dots(left: &PackedRows, w: Numbers, stride: usize, count: usize, out: &mut [f32]) {
    assert!(out.len() == left.count * count);
    let cells = Cells { first: out.as_mut_ptr(), stride: count };
    // SAFETY: there are as many cells, and nobody else has them.
    unsafe { add_dots(left, w, stride, 0..count, &mut Vec::new(), cells) }
}

/// On any processor.
///
/// # Safety
/// As [`add_dots`].
#[allow(clippy::too_many_arguments)]
unsafe fn plainly(
    x: &[f32],
    rows: usize,
    length: usize,
    w: Numbers,
    stride: usize,
    of_w: Range<usize>,
    decoded: &mut Vec<f32>,
    out: Cells,
) {
    let padded = length.next_multiple_of(WIDE);
    decoded.clear();
    decoded.resize(padded, 0.0);
    for (column, row) in of_w.enumerate() {
        decode_row(w, row * stride, &mut decoded[..length]);
        for (tile, x) in x.chunks(TILE_IN_F32 * padded).enumerate() {
            let high = x.len() / padded;
            for row in 0..high.min(rows - tile * TILE_IN_F32) {
                let sum = dot(&x[row * WIDE..], high * WIDE, decoded);
                // SAFETY: as the caller promises.
                unsafe { out.add(tile * TILE_IN_F32 + row, column, sum) };
            }
        }
    }
}

wide! {
    /// The product of two rows, the first of which lies in pieces of [`WIDE`] numbers that begin `stride` apart.
    fn dot(x: &[f32], stride: usize, w: &[f32]) -> f32 {
        let mut lanes = [0f32; LANES];
        for (x, w) in x.chunks(stride).zip(w.as_chunks::<WIDE>().0) {
            for (x, w) in x.as_chunks::<LANES>().0.iter().zip(w.as_chunks::<LANES>().0) {
                for i in 0..LANES {
                    lanes[i] += x[i] * w[i];
                }
            }
        }
        lanes.iter().sum()
    }
}

#[cfg(test)]
#[allow(clippy::float_cmp)] // Bit for bit.
mod tests {
    use super::super::tests::{OF_ROUNDED, Stored, kernel, plainly as exactly, random, rounded};
    use super::*;
    use crate::wide::tests::at_every_width;

    /// `x wᵀ` on this thread alone.
    fn product(kernel: Option<Kernel>, x: &[f32], w: Numbers, (out, columns): (usize, usize)) -> Vec<f32> {
        let left = PackedRows::pack(kernel, x, columns);
        let mut found = vec![0.0; left.count * out];
        dots(&left, w, columns, out, &mut found);
        found
    }

    /// Without a kernel, and with the one that there is.
    fn kernels() -> Vec<Option<Kernel>> {
        [None].into_iter().chain(kernel().map(Some)).collect()
    }

    #[test]
    fn products_are_those_of_the_numbers_whatever_the_shape_and_the_storage() {
        for (out, columns) in [(1, 1), (3, 5), (17, 31), (33, 64), (31, 100), (40, 96), (5, 256), (18, 1536)] {
            for stored in Stored::all(&random(out * columns, 3), columns) {
                let floats = stored.to_f32();
                for rows in [1, 2, 3, 5, 16, 21] {
                    let x = random(rows * columns, 1);
                    for kernel in kernels() {
                        at_every_width(|| {
                            let found = product(kernel, &x, stored.numbers(), (out, columns));
                            for (i, found) in found.iter().enumerate() {
                                let (x, w) =
                                    (&x[i / out * columns..][..columns], &floats[i % out * columns..][..columns]);
                                let number = if kernel.is_some() { rounded } else { f64::from };
                                let (sum, size) = exactly(x, w.iter().copied(), number);
                                let off = (f64::from(*found) - sum).abs();
                                assert!(off <= OF_ROUNDED * size, "{rows} × {out} × {columns}: {found} and {sum}");
                            }
                        });
                    }
                }
            }
        }
    }

    /// Bit for bit, and so is what is stored in blocks what their numbers are as floats.
    #[test]
    fn a_number_depends_on_its_row_and_its_column_alone() {
        let (rows, out, columns) = (37, 50, 512);
        let x = random(rows * columns, 4);
        for stored in Stored::all(&random(out * columns, 5), columns) {
            let floats = stored.to_f32();
            for kernel in kernels() {
                at_every_width(|| {
                    let all = product(kernel, &x, stored.numbers(), (out, columns));
                    assert!(all == product(kernel, &x, Numbers::F32(&floats), (out, columns)));
                    for beside in [1, 2, 3, 7, 16, 20] {
                        for first in [0, 1, rows - beside] {
                            let some = &x[first * columns..][..beside * columns];
                            let found = product(kernel, some, stored.numbers(), (out, columns));
                            assert!(found == all[first * out..][..beside * out], "{beside} from {first}");
                        }
                    }
                });
            }
        }
    }

    #[test]
    fn sums_add_up_their_products_and_the_bias_on_any_number_of_cores() {
        let (rows, out, columns, rank) = (5, 1000, 96, 3);
        let (x, w, bias) = (random(rows * columns, 6), random(out * columns, 7), random(out, 8));
        let (low, b) = (random(rows * rank, 9), random(out * rank, 10));
        for kernel in kernels() {
            let (left, low_left) = (PackedRows::pack(kernel, &x, columns), PackedRows::pack(kernel, &low, rank));
            let products =
                vec![Product { left: &left, w: Numbers::F32(&w) }, Product { left: &low_left, w: Numbers::F32(&b) }];
            let both = [
                Sum { products: products.clone(), bias: Some(&bias), width: out },
                Sum { products: products[..1].to_vec(), bias: None, width: out },
            ];
            let on = |threads| {
                let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
                pool.install(|| sums(&both))
            };
            let found = on(1);
            assert!(found == on(3));
            let plain = product(kernel, &x, Numbers::F32(&w), (out, columns));
            let through = product(kernel, &low, Numbers::F32(&b), (out, rank));
            for (i, found) in found[0].iter().enumerate() {
                assert_eq!(*found, plain[i] + through[i] + bias[i % out]);
            }
            assert!(found[1] == plain);
        }
    }

    #[test]
    fn nothing_by_anything_is_nothing() {
        for kernel in kernels() {
            assert!(product(kernel, &[], Numbers::F32(&[1.0; 6]), (2, 3)).is_empty());
            assert!(product(kernel, &[1.0; 3], Numbers::F32(&[]), (0, 3)).is_empty());
        }
    }
}
