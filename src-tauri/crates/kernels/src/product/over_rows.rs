//! Sums over rows, `mᵀ x`, as the gradients of an adapter's factors are: of many rows, and few columns of `m`.
//!
//! Each number of `x` meets only these few, so that packing it would cost more than the products: two rows at a time are
//! rounded and paired in registers, where they are used.

use super::{Output, OverRows, PackedColumns, avx512};
use rayon::prelude::*;
use std::ops::Range;

/// Columns of `x` of a task: of each row so many lines of the cache, one behind the other.
const TASK: usize = 8 * avx512::STRIP;

/// The columns of `m`, rows of `width` numbers.
pub(super) fn pack(m: &[f32], width: usize) -> PackedColumns {
    assert!(avx512::available() && width > 0 && m.len().is_multiple_of(width));
    let rows = m.len() / width;
    let pairs = rows.div_ceil(2);
    let starts = avx512::tile_starts(width, avx512::TALLEST);
    let mut packed = vec![0; width * pairs];
    for tile in starts.windows(2) {
        let packed = &mut packed[tile[0] * pairs..tile[1] * pairs];
        // SAFETY: the processor was asked for above.
        unsafe { avx512::pack_turned(m, width, tile[0]..tile[1], packed) };
    }
    PackedColumns { packed, starts, rows }
}

/// Some columns of one `x`.
struct Task<'a> {
    sums: &'a OverRows<'a>,
    outputs: Vec<Output>,
    columns: Range<usize>,
}

/// All these sums at once: of each, for each left side, `[its columns, width]`.
pub(super) fn sums(sums: &[OverRows]) -> Vec<Vec<f32>> {
    assert!(avx512::available());
    let (mut found, mut tasks) = (Vec::new(), Vec::new());
    for sums in sums.iter().filter(|sums| !sums.lefts.is_empty()) {
        let mut outputs = Vec::with_capacity(sums.lefts.len());
        for left in &sums.lefts {
            let mut output = vec![0f32; left.count() * sums.width];
            outputs.push(Output(output.as_mut_ptr()));
            found.push(output);
        }
        for first in (0..sums.width).step_by(TASK) {
            let columns = first..(first + TASK).min(sums.width);
            tasks.push(Task { sums, outputs: outputs.clone(), columns });
        }
    }
    tasks.into_par_iter().with_max_len(1).for_each(|task| task.run());
    found
}

impl Task<'_> {
    fn run(&self) {
        let OverRows { lefts, x, width } = self.sums;
        let rows = x.len() / width;
        for first in (0..rows).step_by(avx512::ROWS_AT_ONCE) {
            let part = first..(first + avx512::ROWS_AT_ONCE).min(rows);
            for column in self.columns.clone().step_by(avx512::STRIP) {
                for (left, output) in lefts.iter().zip(&self.outputs) {
                    for tile in left.starts.windows(2) {
                        let high = tile[1] - tile[0];
                        let m = &left.packed[tile[0] * rows.div_ceil(2) + first / 2 * high..];
                        let out = avx512::Out {
                            data: output.at(tile[0] * width + column),
                            stride: *width,
                            columns: avx512::STRIP.min(self.columns.end - column),
                            add: first > 0,
                        };
                        // SAFETY: the processor was asked for in `sums`; the columns are this task's own.
                        unsafe { avx512::over_rows(high, m, x, *width, part.clone(), column, out) };
                    }
                }
            }
        }
    }
}
