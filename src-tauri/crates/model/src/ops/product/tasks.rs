//! A product cut into tasks for the cores.

use super::numbers::Numbers;
use super::{Direction, avx512};
use rayon::prelude::*;
use std::ops::Range;

/// Most numbers that a sum takes before it is added to the output: a panel of them lies in the first cache.
const DEPTH: usize = 512;

/// Columns that a task of the backward takes at most.
const WIDEST: usize = 384;

/// The parts of a sum of so many products. They depend on nothing else, since the order of a sum is part of its value.
fn parts(length: usize) -> impl Iterator<Item = Range<usize>> {
    // Whole blocks of a stored row, where it has any.
    let unit = if length.is_multiple_of(256) { 256 } else { 32 };
    let most = length.div_ceil(length.div_ceil(DEPTH).max(1)).next_multiple_of(unit);
    (0..length).step_by(most.max(1)).map(move |start| start..(start + most).min(length))
}

/// The left side, rounded to bf16 and laid out as tiles of rows.
struct Tiles {
    packed: Vec<u32>,
    /// First row of each tile, and behind the last one.
    starts: Vec<usize>,
    /// Pairs of a row.
    pairs: usize,
}

impl Tiles {
    fn new(x: &[f32], columns: usize) -> Self {
        let (rows, pairs) = (x.len() / columns, columns.div_ceil(2));
        // Tiles of like height: a low one takes as long to load its panel as a high one.
        let count = rows.div_ceil(avx512::TILE);
        let starts: Vec<usize> = (0..=count).map(|tile| tile * rows / count).collect();
        let mut packed = vec![0u32; rows * pairs];
        let mut tiles = Vec::with_capacity(count);
        let (mut xs, mut rest) = (x, &mut packed[..]);
        for tile in starts.windows(2) {
            let rows = tile[1] - tile[0];
            let (x, after) = xs.split_at(rows * columns);
            let (packed, left) = std::mem::take(&mut rest).split_at_mut(rows * pairs);
            tiles.push((x, packed));
            (xs, rest) = (after, left);
        }
        tiles.into_par_iter().for_each(|(x, packed)| {
            // SAFETY: the processor was asked for in `product`.
            unsafe { avx512::pack_x(x, columns, packed) };
        });
        Self { packed, starts, pairs }
    }
}

/// What a task writes to.
#[derive(Clone, Copy)]
struct Output(*mut f32);

// SAFETY: each task of `product` writes to rows and columns that no other task touches, and the output outlives them.
unsafe impl Send for Output {}
// SAFETY: as above.
unsafe impl Sync for Output {}

impl Output {
    fn at(self, number: usize) -> *mut f32 {
        self.0.wrapping_add(number)
    }
}

/// The product of `x`, rows of as many numbers as a sum has, and `w`, of this shape. The processor must be
/// [`avx512::available`].
pub(super) fn product(x: &[f32], w: Numbers, (rows, columns): (usize, usize), direction: Direction) -> Vec<f32> {
    assert!(avx512::available() && w.count() == rows * columns);
    let (length, width) = direction.of((rows, columns));
    if length == 0 {
        return Vec::new();
    }
    assert!(x.len().is_multiple_of(length));
    let count = x.len() / length;
    let mut y = vec![0f32; count * width];
    if y.is_empty() {
        return y;
    }
    let tiles = Tiles::new(x, length);
    let threads = rayon::current_num_threads();
    // Columns of the output for one task. Backward, a task reads so much of each row that it is worth fetching, and as
    // many as there are cores read about as much.
    let unit = avx512::PANEL.max(w.block());
    let together = match direction {
        Direction::Forward => avx512::PANEL,
        Direction::Backward => {
            let tasks = width.div_ceil(WIDEST).next_multiple_of(threads);
            width.div_ceil(unit).div_ceil(tasks) * unit
        }
    };
    let groups = width.div_ceil(together);
    // Where there are few columns, cores share them and take some of the rows each.
    let bands = threads.div_ceil(groups).min(count.div_ceil(64));
    let all = tiles.starts.len() - 1;
    let output = Output(y.as_mut_ptr());
    (0..groups * bands).into_par_iter().with_max_len(1).for_each_init(Vec::new, |panels, task| {
        let (group, band) = (task / bands, task % bands);
        let here = group * together..((group + 1) * together).min(width);
        let band = band * all / bands..(band + 1) * all / bands;
        for part in parts(length) {
            let pairs = part.len().div_ceil(2);
            panels.resize(pairs * together.next_multiple_of(avx512::PANEL), 0);
            let (columns_here, added) = (here.clone(), part.clone());
            // SAFETY: the processor was asked for above.
            unsafe {
                match direction {
                    Direction::Forward => avx512::pack_rows(w, columns, columns_here, added, panels),
                    Direction::Backward => avx512::pack_columns(w, columns, columns_here, added, panels),
                }
            }
            for (panel, first) in here.clone().step_by(avx512::PANEL).enumerate() {
                let panel = &panels[panel * pairs * avx512::PANEL..];
                for tile in band.clone() {
                    let (start, end) = (tiles.starts[tile], tiles.starts[tile + 1]);
                    let x = &tiles.packed[start * tiles.pairs + part.start / 2 * (end - start)..];
                    let out = avx512::Out {
                        data: output.at(start * width + first),
                        stride: width,
                        columns: avx512::PANEL.min(here.end - first),
                        add: part.start > 0,
                    };
                    // SAFETY: the processor was asked for; the rows and columns are this task's own.
                    unsafe { avx512::product(end - start, pairs, x, panel, out) };
                }
            }
        }
    });
    y
}
