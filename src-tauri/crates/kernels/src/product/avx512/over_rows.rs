//! Sums over rows: a tile of a few columns of `m` by sixteen columns of `x`, two rows at a time.

use super::pack::sixteen_places;
use super::read::round;
use super::{Out, mask, store};
use std::arch::x86_64::{
    __m512bh, __m512i, _MM_HINT_T1, _mm_prefetch, _mm512_dpbf16_ps, _mm512_mask_storeu_epi32, _mm512_maskz_loadu_ps,
    _mm512_permutexvar_epi16, _mm512_set1_epi32, _mm512_setzero_ps,
};
use std::mem::transmute;
use std::ops::Range;

/// Rows whose products are summed before they are added to the output. While these are used the next ones are fetched, and
/// both fit the second cache.
pub(in super::super) const ROWS_AT_ONCE: usize = 64;
/// Columns of `x` that are taken at a time: a line of the cache, and a register of sums for each column of `m`.
pub(in super::super) const STRIP: usize = 16;
/// Columns of `m` of the largest tile.
pub(in super::super) const TALLEST: usize = 24;

macro_rules! tiles {
    ($($columns:literal)*) => { [$(tile::<$columns>),*] };
}

/// SAFETY: of one is that of [`tile`].
type Tile = unsafe fn(&[u32], &[f32], usize, Range<usize>, usize, Out);

const TILES: [Tile; TALLEST] = tiles!(1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24);

/// The columns `columns` of `m`, rows of `width` numbers: for each two rows, the pairs of these columns.
///
/// # Safety
/// The processor must be [`super::available`].
#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
pub(in super::super) unsafe fn turned(m: &[f32], width: usize, columns: Range<usize>, tile: &mut [u32]) {
    let rows = m.len() / width;
    assert!(columns.end <= width && tile.len() == columns.len() * rows.div_ceil(2));
    let places = sixteen_places(0, 16);
    for (pair, to) in tile.chunks_exact_mut(columns.len()).enumerate() {
        let row = 2 * pair..(2 * pair + 2).min(rows);
        for (at, to) in columns.clone().step_by(STRIP).zip(to.chunks_mut(STRIP)) {
            // SAFETY: rows and columns are those of `m`, and the mask leaves as many numbers as there are.
            unsafe {
                let both = two_rows(m, width, row.clone(), at, mask(to.len()), places);
                _mm512_mask_storeu_epi32(to.as_mut_ptr().cast(), mask(to.len()), both);
            }
        }
    }
}

/// The sums over the rows `part` of the products of a tile of `count` columns, whose pairs begin with these rows', and of
/// `x`'s columns from `column` on, rows of `width` numbers.
///
/// # Safety
/// The processor must be [`super::available`], and `out.data` valid for `count` rows of `out.columns` numbers that nobody
/// else reads or writes meanwhile.
pub(in super::super) unsafe fn over_rows(
    count: usize,
    m: &[u32],
    x: &[f32],
    width: usize,
    part: Range<usize>,
    column: usize,
    out: Out,
) {
    assert!(m.len() >= count * part.len().div_ceil(2) && part.end * width <= x.len());
    assert!((1..=STRIP).contains(&out.columns) && column + out.columns <= width);
    // SAFETY: as the caller promises; the lengths are asserted above.
    unsafe { TILES[count - 1](m, x, width, part, column, out) };
}

/// # Safety
/// As [`over_rows`], of `COLUMNS` columns; the lengths must be those that it asserts.
#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
unsafe fn tile<const COLUMNS: usize>(m: &[u32], x: &[f32], width: usize, part: Range<usize>, column: usize, out: Out) {
    let (places, mask) = (sixteen_places(0, 16), mask(out.columns));
    let mut sums = [[_mm512_setzero_ps(); 1]; COLUMNS];
    for (m, row) in m.as_chunks::<COLUMNS>().0.iter().zip(part.clone().step_by(2)) {
        // The next part's rows: they come from memory, and lie too far apart for the processor to foresee.
        for row in [row + ROWS_AT_ONCE, row + ROWS_AT_ONCE + 1] {
            _mm_prefetch::<_MM_HINT_T1>(x.as_ptr().wrapping_add(row * width + column).cast());
        }
        // SAFETY: what has the same size holds the same bits; rows and columns are those of `x`, by the lengths.
        let both: __m512bh =
            unsafe { transmute(two_rows(x, width, row..(row + 2).min(part.end), column, mask, places)) };
        for (m, [sum]) in m.iter().zip(&mut sums) {
            // SAFETY: as above.
            *sum =
                _mm512_dpbf16_ps(*sum, unsafe { transmute::<__m512i, __m512bh>(_mm512_set1_epi32(*m as i32)) }, both);
        }
    }
    // SAFETY: as the caller promises.
    unsafe { store(&mut sums, out) };
}

/// Of two rows, or of one and zeros, the numbers from `column` on that the mask leaves, rounded and side by side.
///
/// # Safety
/// They must be within `x`, rows of `width` numbers.
#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
#[inline]
unsafe fn two_rows(x: &[f32], width: usize, rows: Range<usize>, column: usize, mask: u16, places: __m512i) -> __m512i {
    let first = x.as_ptr().wrapping_add(rows.start * width + column);
    // SAFETY: as the caller promises.
    let low = unsafe { _mm512_maskz_loadu_ps(mask, first) };
    let high = if rows.len() == 2 {
        // SAFETY: as the caller promises.
        unsafe { _mm512_maskz_loadu_ps(mask, first.wrapping_add(width)) }
    } else {
        _mm512_setzero_ps()
    };
    _mm512_permutexvar_epi16(places, round(low, high))
}
