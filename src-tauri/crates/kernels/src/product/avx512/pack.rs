//! The two sides of a product, packed as the kernel reads them: pair after pair of numbers that are added up, and of each
//! pair the rows of a tile, or the columns of a panel, side by side.

use super::read::{self, BLOCK, Stored, WIDE};
use super::{PANEL, mask};
use crate::product::numbers::Numbers;
use candle_core::quantized::GgmlDType;
use half::bf16;
use std::arch::x86_64::{
    __m512i, _MM_HINT_T0, _mm_prefetch, _mm512_loadu_si512, _mm512_mask_storeu_epi32, _mm512_permutex2var_epi16,
    _mm512_setzero_si512, _mm512_shuffle_i32x4, _mm512_unpackhi_epi32, _mm512_unpackhi_epi64, _mm512_unpacklo_epi32,
    _mm512_unpacklo_epi64,
};
use std::mem::{MaybeUninit, transmute};
use std::ops::Range;

/// Rows of `x`, up to 16 of `columns` numbers each, as a tile, all of which is written.
///
/// # Safety
/// The processor must be [`super::available`].
#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
pub(in super::super) unsafe fn x(x: &[f32], columns: usize, tile: &mut [MaybeUninit<u32>]) {
    let rows = x.len() / columns;
    assert!(rows <= 16 && tile.len() == rows * columns.div_ceil(2));
    for at in (0..columns).step_by(WIDE) {
        let count = WIDE.min(columns - at);
        let mut pairs = [_mm512_setzero_si512(); 16];
        for (row, pairs) in pairs.iter_mut().enumerate().take(rows) {
            *pairs = read::f32s(&x[row * columns + at..][..count]);
        }
        let to = &mut tile[at / 2 * rows..][..count.div_ceil(2) * rows];
        for (to, pair) in to.chunks_exact_mut(rows).zip(turn(&pairs)) {
            // SAFETY: the mask leaves `rows` numbers, and as many there are.
            unsafe { _mm512_mask_storeu_epi32(to.as_mut_ptr().cast(), mask(rows), pair) };
        }
    }
}

/// Panels of `x Wᵀ`, one behind the other: the rows `here` of `w`, 32 to a panel, and of their columns `part`.
///
/// # Safety
/// The processor must be [`super::available`].
#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
pub(in super::super) unsafe fn rows(
    w: Numbers,
    columns: usize,
    here: Range<usize>,
    part: Range<usize>,
    panels: &mut [u32],
) {
    assert!(part.end <= columns);
    let panel = part.len().div_ceil(2) * PANEL;
    for (first, panel) in here.clone().step_by(PANEL).zip(panels.chunks_exact_mut(panel)) {
        panel_of_rows(w, columns, first..(first + PANEL).min(here.end), part.clone(), panel);
    }
}

/// Up to 32 rows.
#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
fn panel_of_rows(w: Numbers, columns: usize, rows: Range<usize>, part: Range<usize>, panel: &mut [u32]) {
    for half in [0, 16] {
        let first = (rows.start + half).min(rows.end);
        let rows = first..(first + 16).min(rows.end);
        if half > 0 && rows.is_empty() {
            // Nobody reads that half.
            break;
        }
        let (part, to) = (part.clone(), &mut panel[half..]);
        match w {
            Numbers::F32(w) => half_of_rows(w, columns, rows, part, to),
            Numbers::F16(w) => half_of_rows(w, columns, rows, part, to),
            Numbers::Bf16(w) => half_of_rows(w, columns, rows, part, to),
            Numbers::Blocks(GgmlDType::Q4_0, w) => half_of_rows(read::Q4_0(w), columns, rows, part, to),
            Numbers::Blocks(GgmlDType::Q4_1, w) => half_of_rows(read::Q4_1(w), columns, rows, part, to),
            Numbers::Blocks(GgmlDType::Q8_0, w) => half_of_rows(read::Q8_0(w), columns, rows, part, to),
            Numbers::Blocks(format, w) if format.block_size() <= WIDE => {
                half_of_rows(read::Other(format, w), columns, rows, part, to);
            }
            Numbers::Blocks(format, w) => {
                let mut decoded = [bf16::ZERO; 16 * BLOCK];
                for start in part.clone().step_by(BLOCK) {
                    for (row, decoded) in rows.clone().zip(decoded.as_chunks_mut::<BLOCK>().0) {
                        block(format, w, row * columns + start, decoded);
                    }
                    let to = &mut to[(start - part.start) / 2 * PANEL..];
                    half_of_rows(&decoded[..], BLOCK, 0..rows.len(), 0..BLOCK, to);
                }
            }
        }
    }
}

/// Up to sixteen rows, to every second sixteen pairs of `panel`.
#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
#[inline]
fn half_of_rows<S: Stored>(w: S, columns: usize, rows: Range<usize>, part: Range<usize>, panel: &mut [u32]) {
    for at in part.clone().step_by(WIDE) {
        let count = WIDE.min(part.end - at);
        let mut pairs = [_mm512_setzero_si512(); 16];
        // SAFETY: the processor is that of the caller.
        unsafe {
            if rows.len() == 16 && count == WIDE {
                for (row, pairs) in pairs.iter_mut().enumerate() {
                    let at = (rows.start + row) * columns + at;
                    // The next panel's rows, which are far apart, are fetched while this one is packed.
                    let next = w.address(at + PANEL * columns);
                    for line in 0..S::LINES {
                        _mm_prefetch::<_MM_HINT_T0>(next.wrapping_add(64 * line).cast());
                    }
                    *pairs = w.read(at, WIDE);
                }
            } else {
                for (row, pairs) in rows.clone().zip(&mut pairs) {
                    *pairs = w.read(row * columns + at, count);
                }
            }
        }
        let to = &mut panel[(at - part.start) / 2 * PANEL..][..(count.div_ceil(2) - 1) * PANEL + 16];
        for (to, pair) in to.chunks_mut(PANEL).zip(turn(&pairs)) {
            if let Some(to) = to.first_chunk_mut() {
                *to = sixteen_pairs(pair);
            }
        }
    }
}

/// Panels of `dy W`, one behind the other: the columns `here` of `w`, 32 to a panel, and of its rows `part`.
///
/// # Safety
/// The processor must be [`super::available`].
#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
pub(in super::super) unsafe fn columns(
    w: Numbers,
    columns: usize,
    here: Range<usize>,
    part: Range<usize>,
    panels: &mut [u32],
) {
    assert!(here.end <= columns);
    match w {
        Numbers::F32(w) => all_rows(w, columns, here, part, panels),
        Numbers::F16(w) => all_rows(w, columns, here, part, panels),
        Numbers::Bf16(w) => all_rows(w, columns, here, part, panels),
        Numbers::Blocks(GgmlDType::Q4_0, w) => all_rows(read::Q4_0(w), columns, here, part, panels),
        Numbers::Blocks(GgmlDType::Q4_1, w) => all_rows(read::Q4_1(w), columns, here, part, panels),
        Numbers::Blocks(GgmlDType::Q8_0, w) => all_rows(read::Q8_0(w), columns, here, part, panels),
        Numbers::Blocks(format, w) if format.block_size() <= WIDE => {
            all_rows(read::Other(format, w), columns, here, part, panels);
        }
        Numbers::Blocks(format, w) => {
            let panel = part.len().div_ceil(2) * PANEL;
            let places = interleaved();
            let mut decoded = [bf16::ZERO; 2 * BLOCK];
            for (pair, row) in part.clone().step_by(2).enumerate() {
                let rows = 2.min(part.end - row);
                for start in here.clone().step_by(BLOCK) {
                    for (row, decoded) in (row..row + rows).zip(decoded.as_chunks_mut::<BLOCK>().0) {
                        block(format, w, row * columns + start, decoded);
                    }
                    let to = &mut panels[(start - here.start) / PANEL * panel + pair * PANEL..];
                    two_rows(&decoded[..rows * BLOCK], BLOCK, 0..BLOCK, 0..rows, places, panel, to);
                }
            }
        }
    }
}

/// The rows `part`, two at a time.
#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
#[inline]
fn all_rows(w: impl Stored, columns: usize, here: Range<usize>, part: Range<usize>, panels: &mut [u32]) {
    let (panel, places) = (part.len().div_ceil(2) * PANEL, interleaved());
    for (pair, row) in part.clone().step_by(2).enumerate() {
        let rows = row..(row + 2).min(part.end);
        two_rows(w, columns, here.clone(), rows, places, panel, &mut panels[pair * PANEL..]);
    }
}

/// Rows between those that are packed and those that are fetched.
const AHEAD: usize = 16;

/// The numbers `here` of two rows, or of one and zeros, to the beginnings of panels of `panel` pairs.
#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
#[inline]
fn two_rows(
    w: impl Stored,
    columns: usize,
    here: Range<usize>,
    rows: Range<usize>,
    (first, last): (__m512i, __m512i),
    panel: usize,
    panels: &mut [u32],
) {
    for (place, at) in here.clone().step_by(WIDE).enumerate() {
        let count = WIDE.min(here.end - at);
        let to = &mut panels[place * panel..][..PANEL];
        // SAFETY: the processor is that of the caller, and there is room for 32 pairs.
        unsafe {
            // Rows that will be wanted soon: they lie too far apart for the processor to foresee.
            for row in rows.start + AHEAD..rows.start + AHEAD + 2 {
                _mm_prefetch::<_MM_HINT_T0>(w.address(row * columns + at).cast());
            }
            let low = w.read(rows.start * columns + at, count);
            let high =
                if rows.len() == 2 { w.read((rows.start + 1) * columns + at, count) } else { _mm512_setzero_si512() };
            let halves = [first, last].map(|places| sixteen_pairs(_mm512_permutex2var_epi16(low, places, high)));
            to.copy_from_slice(halves.as_flattened());
        }
    }
}

/// A register's pairs, to be stored by value: see [`super::tile`].
#[inline]
fn sixteen_pairs(register: __m512i) -> [u32; 16] {
    // SAFETY: what has the same size holds the same bits.
    unsafe { transmute::<__m512i, [u32; 16]>(register) }
}

/// Places of the first sixteen pairs, and of the last, among the numbers of two registers.
#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
#[inline]
fn interleaved() -> (__m512i, __m512i) {
    (sixteen_places(0, 32), sixteen_places(16, 32))
}

/// Places of sixteen pairs: of numbers from `first` on, and of those that lie so far behind.
#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
#[inline]
pub(super) fn sixteen_places(first: u16, apart: u16) -> __m512i {
    let mut lanes = [0u16; 32];
    for (i, lane) in (0..).zip(&mut lanes) {
        *lane = first + i / 2 + apart * (i % 2);
    }
    // SAFETY: 32 lanes of 2 bytes.
    unsafe { _mm512_loadu_si512(lanes.as_ptr().cast()) }
}

/// The block of 256 numbers that begins at `at`.
#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
#[inline]
fn block(format: GgmlDType, bytes: &[u8], at: usize, rounded: &mut [bf16; BLOCK]) {
    let size = format.type_size();
    read::block_of_256(format, &bytes[at / BLOCK * size..][..size], rounded);
}

/// The transpose of 16 × 16 pairs.
#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
#[inline]
fn turn(rows: &[__m512i; 16]) -> [__m512i; 16] {
    let mut by_two = *rows;
    for i in 0..8 {
        by_two[2 * i] = _mm512_unpacklo_epi32(rows[2 * i], rows[2 * i + 1]);
        by_two[2 * i + 1] = _mm512_unpackhi_epi32(rows[2 * i], rows[2 * i + 1]);
    }
    // In lane `l`, `by_four[4 * g + c]` has column `4 l + c` of the rows `4 g..4 g + 4`.
    let mut by_four = *rows;
    for g in 0..4 {
        let [a, b, c, d] = [by_two[4 * g], by_two[4 * g + 1], by_two[4 * g + 2], by_two[4 * g + 3]];
        by_four[4 * g] = _mm512_unpacklo_epi64(a, c);
        by_four[4 * g + 1] = _mm512_unpackhi_epi64(a, c);
        by_four[4 * g + 2] = _mm512_unpacklo_epi64(b, d);
        by_four[4 * g + 3] = _mm512_unpackhi_epi64(b, d);
    }
    let mut turned = *rows;
    for c in 0..4 {
        let [a, b, e, f] = [by_four[c], by_four[4 + c], by_four[8 + c], by_four[12 + c]];
        // Lanes 0 and 2, and 1 and 3: of the first eight rows, and of the last.
        let (even, odd) = (_mm512_shuffle_i32x4::<0x88>(a, b), _mm512_shuffle_i32x4::<0xdd>(a, b));
        let (even_last, odd_last) = (_mm512_shuffle_i32x4::<0x88>(e, f), _mm512_shuffle_i32x4::<0xdd>(e, f));
        turned[c] = _mm512_shuffle_i32x4::<0x88>(even, even_last);
        turned[4 + c] = _mm512_shuffle_i32x4::<0x88>(odd, odd_last);
        turned[8 + c] = _mm512_shuffle_i32x4::<0xdd>(even, even_last);
        turned[12 + c] = _mm512_shuffle_i32x4::<0xdd>(odd, odd_last);
    }
    turned
}
