//! Products cut into tasks for the cores.

use super::{Output, PackedRows, Sum, Term, WeightOp, avx512};
use crate::buffers::room;
use rayon::prelude::*;
use std::cell::RefCell;
use std::ops::Range;

/// Most products that are added up before the sum is added to the output: a tile of so many numbers lies in the first cache.
const DEPTH: usize = 1024;

/// Columns that a task takes at most, where the matrix can be cut there: their panels lie in the second cache, for all tiles.
const WIDEST: usize = 96;

/// The parts of a sum of so many products. They depend on nothing else, since the order of a sum is part of its value.
fn parts(length: usize) -> impl Iterator<Item = Range<usize>> {
    // Whole blocks of a stored row, where it has any.
    let unit = if length.is_multiple_of(256) { 256 } else { 32 };
    let most = length.div_ceil(length.div_ceil(DEPTH).max(1)).next_multiple_of(unit);
    (0..length).step_by(most.max(1)).map(move |start| start..(start + most).min(length))
}

/// A part of one term of a sum.
type PartOf<'a, 'b> = (&'b Term<'a>, Range<usize>);

/// The parts of all terms, in groups that are added up before the output is touched.
fn groups<'a, 'b>(terms: &'b [Term<'a>]) -> Vec<Vec<PartOf<'a, 'b>>> {
    let mut groups: Vec<Vec<PartOf>> = Vec::new();
    let mut length = 0;
    for (term, part) in terms.iter().flat_map(|term| parts(term.left.length).map(move |part| (term, part))) {
        length += part.len();
        match groups.last_mut() {
            Some(group) if length <= DEPTH => group.push((term, part)),
            _ => {
                length = part.len();
                groups.push(vec![(term, part)]);
            }
        }
    }
    groups
}

/// `x`, rows of `length` numbers, as tiles.
pub(super) fn pack(x: &[f32], length: usize) -> PackedRows {
    assert!(avx512::available() && length > 0 && x.len().is_multiple_of(length));
    let (rows, pairs) = (x.len() / length, length.div_ceil(2));
    let starts = avx512::tile_starts(rows, avx512::TILE);
    let mut packed = Vec::with_capacity(rows * pairs);
    let mut rest = &mut packed.spare_capacity_mut()[..rows * pairs];
    let mut tiles = Vec::with_capacity(starts.len() - 1);
    for tile in starts.windows(2) {
        let (first, after) = std::mem::take(&mut rest).split_at_mut((tile[1] - tile[0]) * pairs);
        tiles.push((&x[tile[0] * length..tile[1] * length], first));
        rest = after;
    }
    tiles.into_par_iter().for_each(|(x, packed)| {
        // SAFETY: the processor was asked for above.
        unsafe { avx512::pack_x(x, length, packed) };
    });
    // SAFETY: there is room, and each tile was written whole.
    unsafe { packed.set_len(rows * pairs) };
    PackedRows { packed, starts, rows, length }
}

thread_local! {
    /// Where a thread packs its panels: kept, so that they are in its cache and not set to zero for each task.
    static PANELS: RefCell<Vec<u32>> = const { RefCell::new(Vec::new()) };
}

/// A part of the work: some columns of some rows of one of the sums.
struct Task<'a, 'b> {
    sum: &'b Sum<'a>,
    output: Output,
    width: usize,
    columns: Range<usize>,
    /// Of the left sides' tiles.
    tiles: Range<usize>,
}

/// All these sums of products at once.
pub(super) fn sums(sums: &[Sum]) -> Vec<Vec<f32>> {
    assert!(avx512::available());
    let mut outputs: Vec<Vec<f32>> = Vec::with_capacity(sums.len());
    let mut tasks = Vec::new();
    for sum in sums {
        let (rows, width) = sum.shape();
        let mut output = Vec::with_capacity(rows * width);
        cut(sum, Output(output.as_mut_ptr()), &mut tasks);
        // SAFETY: there is room, and every number is written below before it is read: the tasks cover all rows and all
        // columns, and the first part of the first product of a sum is stored, not added.
        unsafe { output.set_len(rows * width) };
        outputs.push(output);
    }
    tasks.into_par_iter().with_max_len(1).for_each(|task| PANELS.with_borrow_mut(|panels| task.run(panels)));
    outputs
}

/// The tasks of one sum.
fn cut<'a, 'b>(sum: &'b Sum<'a>, output: Output, tasks: &mut Vec<Task<'a, 'b>>) {
    let (rows, width) = sum.shape();
    if rows == 0 || width == 0 {
        return;
    }
    let threads = rayon::current_num_threads();
    // Columns that stay together: a panel, or what can only be read as a whole.
    let unit = match sum.op {
        WeightOp::Transposed => avx512::PANEL,
        WeightOp::AsStored => sum.terms.iter().map(|term| term.w.block()).fold(avx512::PANEL, usize::max),
    };
    let units = width.div_ceil(unit);
    // As many for each core, of like width, so that none waits for another.
    let groups = width.div_ceil(WIDEST).next_multiple_of(threads).min(units);
    // Where there are few columns, cores share them and take some of the rows each.
    let bands = threads.div_ceil(groups).min(rows.div_ceil(64));
    let all = sum.terms.first().map_or(0, |term| term.left.starts.len() - 1);
    for group in 0..groups {
        for band in 0..bands {
            tasks.push(Task {
                sum,
                output,
                width,
                columns: group * units / groups * unit..((group + 1) * units / groups * unit).min(width),
                tiles: band * all / bands..(band + 1) * all / bands,
            });
        }
    }
}

impl Task<'_, '_> {
    fn run(&self, panels: &mut Vec<u32>) {
        for (i, group) in groups(&self.sum.terms).iter().enumerate() {
            self.add(group, i > 0, panels);
        }
    }

    /// Adds the sum of the products of these parts, or stores it where it is the first.
    fn add(&self, parts: &[PartOf], add: bool, buffer: &mut Vec<u32>) {
        let here = self.columns.clone();
        let panels = here.len().div_ceil(avx512::PANEL);
        let numbers = |part: &Range<usize>| part.len().div_ceil(2) * avx512::PANEL;
        let needed = parts.iter().map(|(_, part)| panels * numbers(part)).sum();
        let mut rest = room(buffer, needed);
        let mut packed = Vec::with_capacity(parts.len());
        for (Term { w, shape, .. }, part) in parts {
            let (to, after) = std::mem::take(&mut rest).split_at_mut(panels * numbers(part));
            // SAFETY: the processor was asked for in `sums`.
            unsafe {
                match self.sum.op {
                    WeightOp::Transposed => avx512::pack_rows(*w, shape.1, here.clone(), part.clone(), to),
                    WeightOp::AsStored => avx512::pack_columns(*w, shape.1, here.clone(), part.clone(), to),
                }
            }
            packed.push((&*to, numbers(part)));
            rest = after;
        }
        let panel = |i: usize| packed.iter().map(move |(panels, size)| &panels[i * size..(i + 1) * size]).collect();
        let panels: Vec<Vec<&[u32]>> = (0..panels).map(panel).collect();
        let Some((first, _)) = parts.first() else { return };
        let mut xs: Vec<&[u32]> = Vec::with_capacity(parts.len());
        for tile in self.tiles.clone() {
            // The terms' tiles are the same: they have as many rows.
            let (start, end) = (first.left.starts[tile], first.left.starts[tile + 1]);
            xs.clear();
            for (Term { left, .. }, part) in parts {
                xs.push(&left.packed[start * left.length.div_ceil(2) + part.start / 2 * (end - start)..]);
            }
            for (panel, column) in panels.iter().zip(here.clone().step_by(avx512::PANEL)) {
                let out = avx512::Out {
                    data: self.output.at(start * self.width + column),
                    stride: self.width,
                    columns: avx512::PANEL.min(here.end - column),
                    add,
                };
                // SAFETY: the processor was asked for; the rows and columns are this task's own.
                unsafe { avx512::product(end - start, &xs, panel, out) };
            }
        }
    }
}
