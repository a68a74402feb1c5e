//! Numbers as they are stored, to bf16 in a register.

use crate::ops::blocks;
use crate::ops::product::numbers::Numbers;
use candle_core::quantized::GgmlDType;
use half::{bf16, f16};
use std::arch::x86_64::{
    __m512, __m512i, _mm_and_si128, _mm_loadu_si128, _mm_set1_epi8, _mm_srli_epi16, _mm256_loadu_si256, _mm512_add_ps,
    _mm512_cvtepi8_epi32, _mm512_cvtepi32_ps, _mm512_cvtne2ps_pbh, _mm512_cvtph_ps, _mm512_loadu_ps,
    _mm512_loadu_si512, _mm512_mul_ps, _mm512_set1_epi32, _mm512_set1_ps, _mm512_sub_epi32,
};
use std::mem::transmute;

/// Numbers that a register holds.
pub(super) const WIDE: usize = 32;

/// The first `count` numbers from `at` on, in order, rounded to nearest and ties to even; zeros follow. Where numbers are
/// stored in blocks, `at` must be the first of one and `count` a whole number of them.
#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
#[inline]
pub(super) fn numbers(w: Numbers, at: usize, count: usize) -> __m512i {
    match w {
        Numbers::F32(w) => f32s(&w[at..at + count]),
        Numbers::Bf16(w) => bf16s(&w[at..at + count]),
        Numbers::F16(w) => f16s(&w[at..at + count]),
        Numbers::Blocks(format, bytes) => {
            let size = format.type_size();
            let block = &bytes[at / WIDE * size..][..size];
            match format {
                GgmlDType::Q4_0 => q4_0(block),
                GgmlDType::Q4_1 => q4_1(block),
                GgmlDType::Q8_0 => q8_0(block),
                _ => {
                    let mut decoded = [0f32; WIDE];
                    blocks::decode_piece(format, block, &mut decoded);
                    f32s(&decoded)
                }
            }
        }
    }
}

/// Up to 32 numbers.
#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
#[inline]
pub(super) fn f32s(x: &[f32]) -> __m512i {
    if x.len() < WIDE {
        let mut padded = [0f32; WIDE];
        padded[..x.len()].copy_from_slice(x);
        return f32s(&padded);
    }
    // SAFETY: there are 32 numbers.
    unsafe { round(_mm512_loadu_ps(x.as_ptr()), _mm512_loadu_ps(x.as_ptr().add(16))) }
}

#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
#[inline]
fn bf16s(x: &[bf16]) -> __m512i {
    if x.len() < WIDE {
        let mut padded = [bf16::ZERO; WIDE];
        padded[..x.len()].copy_from_slice(x);
        return bf16s(&padded);
    }
    // SAFETY: 32 numbers of 2 bytes.
    unsafe { _mm512_loadu_si512(x.as_ptr().cast()) }
}

#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
#[inline]
fn f16s(x: &[f16]) -> __m512i {
    if x.len() < WIDE {
        let mut padded = [f16::ZERO; WIDE];
        padded[..x.len()].copy_from_slice(x);
        return f16s(&padded);
    }
    // SAFETY: 32 numbers of 2 bytes.
    let (low, high) = unsafe { (_mm256_loadu_si256(x.as_ptr().cast()), _mm256_loadu_si256(x.as_ptr().add(16).cast())) };
    round(_mm512_cvtph_ps(low), _mm512_cvtph_ps(high))
}

#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
#[inline]
fn round(low: __m512, high: __m512) -> __m512i {
    // SAFETY: registers of the same size hold the same bits.
    unsafe { transmute(_mm512_cvtne2ps_pbh(high, low)) }
}

/// The low and the high nibbles of 16 bytes.
#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
#[inline]
fn nibbles(bytes: &[u8]) -> (__m512i, __m512i) {
    assert!(bytes.len() >= 16);
    // SAFETY: there are 16 bytes.
    let bytes = unsafe { _mm_loadu_si128(bytes.as_ptr().cast()) };
    let low = _mm_set1_epi8(15);
    let (low, high) = (_mm_and_si128(bytes, low), _mm_and_si128(_mm_srli_epi16::<4>(bytes), low));
    (_mm512_cvtepi8_epi32(low), _mm512_cvtepi8_epi32(high))
}

#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
#[inline]
fn scale(block: &[u8], at: usize) -> __m512 {
    _mm512_set1_ps(blocks::half(block, at))
}

/// As [`blocks`] has it, operation by operation; so the others.
#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
#[inline]
fn q4_0(block: &[u8]) -> __m512i {
    let d = scale(block, 0);
    let (low, high) = nibbles(&block[2..]);
    let eight = _mm512_set1_epi32(8);
    let (low, high) = (_mm512_sub_epi32(low, eight), _mm512_sub_epi32(high, eight));
    round(_mm512_mul_ps(_mm512_cvtepi32_ps(low), d), _mm512_mul_ps(_mm512_cvtepi32_ps(high), d))
}

#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
#[inline]
fn q4_1(block: &[u8]) -> __m512i {
    let (d, m) = (scale(block, 0), scale(block, 2));
    let (low, high) = nibbles(&block[4..]);
    round(
        _mm512_add_ps(_mm512_mul_ps(_mm512_cvtepi32_ps(low), d), m),
        _mm512_add_ps(_mm512_mul_ps(_mm512_cvtepi32_ps(high), d), m),
    )
}

#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
#[inline]
fn q8_0(block: &[u8]) -> __m512i {
    let (d, bytes) = (scale(block, 0), &block[2..34]);
    // SAFETY: there are 32 bytes.
    let (low, high) =
        unsafe { (_mm_loadu_si128(bytes.as_ptr().cast()), _mm_loadu_si128(bytes.as_ptr().add(16).cast())) };
    let (low, high) = (_mm512_cvtepi8_epi32(low), _mm512_cvtepi8_epi32(high));
    round(_mm512_mul_ps(_mm512_cvtepi32_ps(low), d), _mm512_mul_ps(_mm512_cvtepi32_ps(high), d))
}

/// Decodes whole blocks of many numbers, with all the registers that the processor has.
#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
pub(super) fn blocks_of_many(format: GgmlDType, bytes: &[u8], decoded: &mut [f32]) {
    blocks::decode_piece(format, bytes, decoded);
}
