//! Few rows by the rows of a matrix as it is stored: a register of it is decoded once and multiplied with all rows, and a sum
//! goes along its sixteen lanes.

use super::read::{self, BLOCK, Stored, WIDE};
use crate::product::numbers::{Numbers, decode_row};
use crate::product::tiles::{Cells, TILE_IN_BF16, TILE_IN_F32};
use crate::wide::{Width, widest};
use candle_core::quantized::GgmlDType;
use half::bf16;
use std::arch::x86_64::{
    __m512, __m512bh, __m512i, _mm512_add_ps, _mm512_dpbf16_ps, _mm512_fmadd_ps, _mm512_setzero_ps,
    _mm512_shuffle_f32x4, _mm512_shuffle_ps, _mm512_storeu_ps, _mm512_unpackhi_ps, _mm512_unpacklo_ps,
};
use std::mem::transmute;
use std::ops::Range;

/// Sums that are taken at once, of some rows with some rows of the matrix.
const SUMS: usize = 16;

/// Whether this processor has what products in f32 need.
pub(in super::super) fn f32_available() -> bool {
    widest() == Width::Avx512 && is_x86_feature_detected!("avx512bw")
}

/// What the left side is made of, and how it is multiplied.
trait LeftNumber: Copy {
    /// Height of its tiles.
    const TILE: usize;

    /// A register of 32 numbers of the matrix.
    type Right: Copy;

    /// # Safety
    /// The processor must be the one for this side; `at` and `count` as [`Stored::read`] has them.
    unsafe fn right<S: Stored>(w: S, at: usize, count: usize) -> Self::Right;

    /// `sum` and the products with 32 numbers on the left.
    ///
    /// # Safety
    /// The processor must be the one for this side.
    unsafe fn add(sum: __m512, right: Self::Right, left: &[Self; WIDE]) -> __m512;
}

impl LeftNumber for bf16 {
    const TILE: usize = TILE_IN_BF16;
    type Right = __m512i;

    // SAFETY: as the trait asks.
    #[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
    #[inline]
    unsafe fn right<S: Stored>(w: S, at: usize, count: usize) -> __m512i {
        // SAFETY: as the trait asks.
        unsafe { w.read(at, count) }
    }

    // SAFETY: as the trait asks.
    #[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
    #[inline]
    unsafe fn add(sum: __m512, right: __m512i, left: &[Self; WIDE]) -> __m512 {
        // SAFETY: what has the same size holds the same bits.
        unsafe {
            let left = transmute::<[bf16; WIDE], __m512bh>(*left);
            _mm512_dpbf16_ps(sum, left, transmute::<__m512i, __m512bh>(right))
        }
    }
}

impl LeftNumber for f32 {
    const TILE: usize = TILE_IN_F32;
    type Right = [__m512; 2];

    // SAFETY: as the trait asks.
    #[target_feature(enable = "avx512f,avx512bw")]
    #[inline]
    unsafe fn right<S: Stored>(w: S, at: usize, count: usize) -> [__m512; 2] {
        // SAFETY: as the trait asks.
        unsafe { w.floats(at, count) }
    }

    // SAFETY: as the trait asks.
    #[target_feature(enable = "avx512f,avx512bw")]
    #[inline]
    unsafe fn add(sum: __m512, [low, high]: [__m512; 2], left: &[Self; WIDE]) -> __m512 {
        // SAFETY: what has the same size holds the same bits.
        let left = unsafe { transmute::<[f32; WIDE], [__m512; 2]>(*left) };
        let sum = _mm512_fmadd_ps(low, left[0], sum);
        _mm512_fmadd_ps(high, left[1], sum)
    }
}

/// `x` rounded.
pub(in super::super) fn round_all(x: &[f32]) -> Vec<bf16> {
    assert!(super::available() && x.len().is_multiple_of(WIDE));
    let mut rounded = vec![bf16::ZERO; x.len()];
    for (x, rounded) in x.as_chunks::<WIDE>().0.iter().zip(rounded.as_chunks_mut::<WIDE>().0) {
        // SAFETY: the processor was asked for.
        unsafe { read::store(rounded, read::f32s(x)) };
    }
    rounded
}

/// Adds to `out` the products of `rows` rows of `x`, packed at whole registers, with the rows `of_w` of a matrix, which
/// begin `stride` numbers apart.
///
/// # Safety
/// As [`add_dots`](crate::product::gemv::add_dots).
pub(in super::super) unsafe fn in_bf16(
    x: &[bf16],
    rows: usize,
    length: usize,
    w: Numbers,
    stride: usize,
    of_w: Range<usize>,
    out: Cells,
) {
    assert!(super::available());
    // SAFETY: the processor was asked for; the rest is as the caller promises.
    unsafe {
        let work = Work { x, rows, length, stride };
        match w {
            Numbers::F32(w) => bf16_tiles(work, w, of_w, out),
            Numbers::F16(w) => bf16_tiles(work, w, of_w, out),
            Numbers::Bf16(w) => bf16_tiles(work, w, of_w, out),
            Numbers::Blocks(GgmlDType::Q4_0, w) => bf16_tiles(work, read::Q4_0(w), of_w, out),
            Numbers::Blocks(GgmlDType::Q4_1, w) => bf16_tiles(work, read::Q4_1(w), of_w, out),
            Numbers::Blocks(GgmlDType::Q8_0, w) => bf16_tiles(work, read::Q8_0(w), of_w, out),
            Numbers::Blocks(GgmlDType::Q4K, w) => bf16_tiles(work, read::Q4K(w), of_w, out),
            Numbers::Blocks(GgmlDType::Q6K, w) => bf16_tiles(work, read::Q6K(w), of_w, out),
            Numbers::Blocks(format, w) if format.block_size() <= WIDE => {
                bf16_tiles(work, read::Other(format, w), of_w, out);
            }
            Numbers::Blocks(format, w) => blocks_of_256(work, format, w, of_w, out),
        }
    }
}

/// # Safety
/// The processor must be the one for this side, and `out` as [`in_bf16`] has it.
#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
unsafe fn bf16_tiles<S: Stored>(work: Work<bf16>, w: S, of_w: Range<usize>, out: Cells) {
    // SAFETY: as the caller promises.
    unsafe { tiles(work, w, of_w, out) }
}

/// # Safety
/// The processor must be the one for this side, and `out` as [`in_bf16`] has it.
#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
unsafe fn blocks_of_256(work: Work<bf16>, format: GgmlDType, w: &[u8], of_w: Range<usize>, out: Cells) {
    let size = format.type_size();
    let mut decoded = vec![bf16::ZERO; SUMS * work.length];
    for first in of_w.clone().step_by(SUMS) {
        let here = first..(first + SUMS).min(of_w.end);
        for (row, decoded) in here.clone().zip(decoded.chunks_exact_mut(work.length)) {
            let w = w[row * work.stride / BLOCK * size..].chunks_exact(size);
            for (block, decoded) in w.zip(decoded.as_chunks_mut::<BLOCK>().0) {
                read::block_of_256(format, block, decoded);
            }
        }
        let out = out.from(first - of_w.start);
        // SAFETY: as the caller promises.
        unsafe { tiles(Work { stride: work.length, ..work }, &decoded[..], 0..here.len(), out) };
    }
}

/// As [`in_bf16`], in f32.
///
/// # Safety
/// As there.
#[allow(clippy::too_many_arguments)]
pub(in super::super) unsafe fn in_f32(
    x: &[f32],
    rows: usize,
    length: usize,
    w: Numbers,
    stride: usize,
    of_w: Range<usize>,
    decoded: &mut Vec<f32>,
    out: Cells,
) {
    assert!(f32_available());
    // SAFETY: the processor was asked for; the rest is as the caller promises.
    unsafe {
        let work = Work { x, rows, length, stride };
        match w {
            Numbers::F32(w) => f32_tiles(work, w, of_w, out),
            Numbers::F16(w) => f32_tiles(work, w, of_w, out),
            Numbers::Bf16(w) => f32_tiles(work, w, of_w, out),
            Numbers::Blocks(GgmlDType::Q4_0, w) => f32_tiles(work, read::Q4_0(w), of_w, out),
            Numbers::Blocks(GgmlDType::Q4_1, w) => f32_tiles(work, read::Q4_1(w), of_w, out),
            Numbers::Blocks(GgmlDType::Q8_0, w) => f32_tiles(work, read::Q8_0(w), of_w, out),
            Numbers::Blocks(GgmlDType::Q4K, w) => f32_tiles(work, read::Q4K(w), of_w, out),
            Numbers::Blocks(GgmlDType::Q6K, w) => f32_tiles(work, read::Q6K(w), of_w, out),
            Numbers::Blocks(..) => other_blocks(work, w, of_w, decoded, out),
        }
    }
}

/// # Safety
/// The processor must be the one for this side, and `out` as [`in_bf16`] has it.
#[target_feature(enable = "avx512f,avx512bw")]
unsafe fn f32_tiles<S: Stored>(work: Work<f32>, w: S, of_w: Range<usize>, out: Cells) {
    // SAFETY: as the caller promises.
    unsafe { tiles(work, w, of_w, out) }
}

/// # Safety
/// The processor must be the one for this side, and `out` as [`in_bf16`] has it.
#[target_feature(enable = "avx512f,avx512bw")]
unsafe fn other_blocks(work: Work<f32>, w: Numbers, of_w: Range<usize>, decoded: &mut Vec<f32>, out: Cells) {
    decoded.resize(SUMS * work.length, 0.0);
    for first in of_w.clone().step_by(SUMS) {
        let here = first..(first + SUMS).min(of_w.end);
        for (row, decoded) in here.clone().zip(decoded.chunks_exact_mut(work.length)) {
            decode_row(w, row * work.stride, decoded);
        }
        let out = out.from(first - of_w.start);
        // SAFETY: as the caller promises.
        unsafe { tiles(Work { stride: work.length, ..work }, &decoded[..], 0..here.len(), out) };
    }
}

/// The left side, and how the matrix lies.
#[derive(Clone, Copy)]
struct Work<'a, T> {
    /// Rows of a whole number of registers, as many as tiles of them read.
    x: &'a [T],
    rows: usize,
    length: usize,
    /// From row to row of the matrix.
    stride: usize,
}

/// # Safety
/// The processor must be the one for `T`, and `out` as [`in_bf16`] has it.
#[inline(always)]
#[allow(clippy::inline_always)]
unsafe fn tiles<T: LeftNumber, S: Stored>(work: Work<T>, w: S, of_w: Range<usize>, out: Cells) {
    let mut first = 0;
    while first < work.rows {
        // SAFETY: as the caller promises.
        unsafe {
            match (work.rows - first).min(T::TILE) {
                1 => tile::<T, S, 1, 16, 1>(work, first, w, of_w.clone(), out),
                2 => tile::<T, S, 2, 8, 1>(work, first, w, of_w.clone(), out),
                3..=4 => tile::<T, S, 4, 4, 1>(work, first, w, of_w.clone(), out),
                5..=8 => tile::<T, S, 8, 2, 2>(work, first, w, of_w.clone(), out),
                _ => tile::<T, S, 16, 1, 1>(work, first, w, of_w.clone(), out),
            }
        }
        first += T::TILE;
    }
}

/// The products of up to `ROWS` rows on the left, from `first` on, with `COLUMNS` rows of the matrix at a time, of which
/// one or two are read together.
///
/// # Safety
/// As [`tiles`].
#[inline(always)]
#[allow(clippy::inline_always)]
unsafe fn tile<T: LeftNumber, S: Stored, const ROWS: usize, const COLUMNS: usize, const TOGETHER: usize>(
    work: Work<T>,
    first: usize,
    w: S,
    of_w: Range<usize>,
    out: Cells,
) {
    let padded = work.length.next_multiple_of(WIDE);
    let x = work.x[first * padded..][..ROWS * padded].as_chunks::<WIDE>().0.as_chunks::<ROWS>().0;
    let rows = ROWS.min(work.rows - first);
    for start in of_w.clone().step_by(COLUMNS) {
        let columns = COLUMNS.min(of_w.end - start);
        // SAFETY: as the caller promises.
        let mut sums = [[unsafe { _mm512_setzero_ps() }; ROWS]; COLUMNS];
        for (group, found) in sums.as_chunks_mut::<TOGETHER>().0.iter_mut().enumerate() {
            let column = start + group * TOGETHER;
            if column >= of_w.end {
                break;
            }
            let begins = [column, (column + TOGETHER - 1).min(of_w.end - 1)].map(|column| column * work.stride);
            let mut sums = *found;
            for (place, x) in x.iter().enumerate() {
                let at = place * WIDE;
                let count = WIDE.min(work.length - at);
                // SAFETY: as the caller promises.
                unsafe {
                    let right = T::right(w, begins[0] + at, count);
                    let other = if TOGETHER == 2 { T::right(w, begins[1] + at, count) } else { right };
                    for (row, x) in x.iter().enumerate() {
                        sums[0][row] = T::add(sums[0][row], right, x);
                        if TOGETHER == 2 {
                            sums[1][row] = T::add(sums[1][row], other, x);
                        }
                    }
                }
            }
            *found = sums;
        }
        // SAFETY: as the caller promises.
        let sums = unsafe { lane_sums(sums.as_flattened()) };
        for (column, sums) in sums.chunks_exact(ROWS).enumerate().take(columns) {
            for (row, sum) in sums.iter().enumerate().take(rows) {
                // SAFETY: there are as many rows and columns, as the caller promises.
                unsafe { out.add(first + row, start - of_w.start + column, *sum) };
            }
        }
    }
}

/// The sum of each register's lanes.
#[target_feature(enable = "avx512f")]
#[inline]
fn lane_sums(registers: &[__m512]) -> [f32; SUMS] {
    // Of two registers, the sums of neighbouring lanes of four; of four, those of all four lanes, in turn.
    let mut by_four = [_mm512_setzero_ps(); 4];
    for (by_four, four) in by_four.iter_mut().zip(registers.as_chunks::<4>().0) {
        let pair = |a, b| _mm512_add_ps(_mm512_unpacklo_ps(a, b), _mm512_unpackhi_ps(a, b));
        let (first, last) = (pair(four[0], four[1]), pair(four[2], four[3]));
        *by_four = _mm512_add_ps(
            _mm512_shuffle_ps::<0b01_00_01_00>(first, last),
            _mm512_shuffle_ps::<0b11_10_11_10>(first, last),
        );
    }
    let half =
        |a, b| _mm512_add_ps(_mm512_shuffle_f32x4::<0b10_00_10_00>(a, b), _mm512_shuffle_f32x4::<0b11_01_11_01>(a, b));
    let (first, last) = (half(by_four[0], by_four[1]), half(by_four[2], by_four[3]));
    let all = half(first, last);
    let mut sums = [0f32; SUMS];
    // SAFETY: sixteen numbers.
    unsafe { _mm512_storeu_ps(sums.as_mut_ptr(), all) };
    sums
}
