//! The kernel for processors with AVX512-BF16: a tile of the output as f32 sums in registers, to which
//! `_mm512_dpbf16_ps` adds the products of a pair of numbers at a time.
//!
//! The instruction takes numbers below 2⁻¹²⁶ as zero, and so does the one that rounds to bf16.
//!
//! Every function with target features is called only once [`available`] said that the processor has them: that is the
//! whole of their safety where nothing else is said.

mod gemv;
mod over_rows;
mod pack;
mod read;

pub(super) use gemv::{f32_available as gemv_available, in_bf16 as gemv_in_bf16, in_f32 as gemv_in_f32, round_all};
pub(super) use over_rows::{ROWS_AT_ONCE, STRIP, TALLEST, over_rows, turned as pack_turned};
pub(super) use pack::{columns as pack_columns, rows as pack_rows, x as pack_x};

use std::arch::x86_64::{
    __m512, __m512bh, _mm512_add_ps, _mm512_dpbf16_ps, _mm512_mask_storeu_ps, _mm512_maskz_loadu_ps, _mm512_set1_epi32,
    _mm512_setzero_ps,
};
use std::mem::transmute;

/// Columns of a panel: two registers of sums for each row of a tile.
pub(super) const PANEL: usize = 32;
/// Rows of the largest tile: 28 of the 32 registers hold sums.
pub(super) const TILE: usize = 14;

/// First of each tile of so many rows or columns, `most` in one, and behind the last tile. They are of like height: a low one
/// takes as long to load what it is multiplied with as a high one.
pub(super) fn tile_starts(count: usize, most: usize) -> Vec<usize> {
    let tiles = count.div_ceil(most);
    (0..=tiles).map(|tile| tile * count / tiles.max(1)).collect()
}

/// Whether this processor has what the kernel needs.
pub(super) fn available() -> bool {
    is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512bf16")
}

/// A part of the output: where its first number is, how many there are from row to row, its columns, and whether it is
/// added to.
#[derive(Clone, Copy)]
pub(super) struct Out {
    pub(super) data: *mut f32,
    pub(super) stride: usize,
    pub(super) columns: usize,
    pub(super) add: bool,
}

macro_rules! tiles {
    ($registers:literal) => {
        [
            tile::<1, $registers>,
            tile::<2, $registers>,
            tile::<3, $registers>,
            tile::<4, $registers>,
            tile::<5, $registers>,
            tile::<6, $registers>,
            tile::<7, $registers>,
            tile::<8, $registers>,
            tile::<9, $registers>,
            tile::<10, $registers>,
            tile::<11, $registers>,
            tile::<12, $registers>,
            tile::<13, $registers>,
            tile::<14, $registers>,
        ]
    };
}

/// SAFETY: of one is that of [`tile`].
type Tile = unsafe fn(&[&[u32]], &[&[u32]], Out);

const TILES: [Tile; TILE] = tiles!(2);
/// Of panels of which no more than the first half is used, as the factors of an adapter have them.
const HALF_TILES: [Tile; TILE] = tiles!(1);

/// The sum of the products of `rows` packed rows and a panel each: of as many pairs as the panel has.
///
/// # Safety
/// The processor must be [`available`], and `out.data` valid for `rows` rows of `out.columns` numbers that nobody else
/// reads or writes meanwhile.
pub(super) unsafe fn product(rows: usize, xs: &[&[u32]], panels: &[&[u32]], out: Out) {
    assert!((1..=PANEL).contains(&out.columns) && xs.len() == panels.len());
    // SAFETY: as the caller promises; the columns are asserted above.
    unsafe {
        let tiles = if out.columns > 16 { &TILES } else { &HALF_TILES };
        tiles[rows - 1](xs, panels, out);
    }
}

/// # Safety
/// As [`product`], of `ROWS` rows and `REGISTERS` times 16 columns.
#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
unsafe fn tile<const ROWS: usize, const REGISTERS: usize>(xs: &[&[u32]], panels: &[&[u32]], out: Out) {
    let mut sums = [[_mm512_setzero_ps(); REGISTERS]; ROWS];
    for (x, panel) in xs.iter().zip(panels) {
        // By value, since an intrinsic that is given an address is checked each time where assertions are on.
        let panel = panel.as_chunks::<PANEL>().0;
        let x = &x.as_chunks::<ROWS>().0[..panel.len()];
        for (x, panel) in x.iter().zip(panel) {
            let (halves, _) = panel.as_chunks::<16>();
            for (row, sums) in sums.iter_mut().enumerate() {
                // SAFETY: what has the same size holds the same bits.
                let x: __m512bh = unsafe { transmute(_mm512_set1_epi32(x[row] as i32)) };
                for (sum, half) in sums.iter_mut().zip(halves) {
                    // SAFETY: as above.
                    *sum = _mm512_dpbf16_ps(*sum, x, unsafe { transmute::<[u32; 16], __m512bh>(*half) });
                }
            }
        }
    }
    // SAFETY: as the caller promises.
    unsafe { store(&mut sums, out) };
}

/// Stores the sums of some rows, or adds them.
///
/// # Safety
/// `out.data` must be valid for `ROWS` rows of `out.columns` numbers that nobody else reads or writes meanwhile.
#[target_feature(enable = "avx512f")]
#[inline]
unsafe fn store<const ROWS: usize, const REGISTERS: usize>(sums: &mut [[__m512; REGISTERS]; ROWS], out: Out) {
    // Masked whether or not all columns are there, and by reference: else the sums go to the stack first where assertions are
    // on.
    let masks = [mask(out.columns), mask(out.columns.saturating_sub(16))];
    for (row, sums) in sums.iter_mut().enumerate() {
        for (half, sum) in sums.iter_mut().enumerate() {
            let to = out.data.wrapping_add(row * out.stride + 16 * half);
            // SAFETY: the mask leaves out the columns that are not the caller's.
            unsafe {
                if out.add {
                    *sum = _mm512_add_ps(*sum, _mm512_maskz_loadu_ps(masks[half], to));
                }
                _mm512_mask_storeu_ps(to, masks[half], *sum);
            }
        }
    }
}

/// The first `count` of 16 lanes.
fn mask(count: usize) -> u16 {
    if count >= 16 { u16::MAX } else { (1 << count) - 1 }
}
