//! Numbers as they are stored, to bf16 in a register.

use crate::ops::blocks;
use candle_core::quantized::GgmlDType;
use half::{bf16, f16};
use std::arch::x86_64::{
    __m128i, __m512, __m512i, _mm_and_si128, _mm_loadu_si128, _mm_or_si128, _mm_set1_epi8, _mm_slli_epi16,
    _mm_srli_epi16, _mm256_loadu_si256, _mm256_set1_epi16, _mm512_add_ps, _mm512_cvtepi8_epi32, _mm512_cvtepi32_ps,
    _mm512_cvtne2ps_pbh, _mm512_cvtph_ps, _mm512_loadu_ps, _mm512_loadu_si512, _mm512_mul_ps, _mm512_set1_epi32,
    _mm512_set1_ps, _mm512_setzero_ps, _mm512_storeu_si512, _mm512_sub_epi32, _mm512_sub_ps,
};
use std::mem::transmute;

/// Numbers that a register holds.
pub(super) const WIDE: usize = 32;

/// How numbers are stored whose blocks are no wider than a register, with where they are.
pub(super) trait Stored: Copy {
    /// The first `count` numbers from `at` on, in order, rounded to nearest and ties to even; zeros follow. Where numbers
    /// are stored in blocks, `at` is the first of one, and `count` a whole number of them.
    ///
    /// # Safety
    /// The processor must be [`super::available`].
    unsafe fn read(self, at: usize, count: usize) -> __m512i;

    /// Lines of the cache, of 64 bytes, that so many numbers as a register holds take, or begin in.
    const LINES: usize = 1;

    /// Where the number at this place is, or would be: for the cache's information only.
    fn address(self, at: usize) -> *const u8;
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

impl Stored for &[f32] {
    const LINES: usize = 2;

    // SAFETY: what the trait asks of the caller, the processor, is all.
    #[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
    #[inline]
    unsafe fn read(self, at: usize, count: usize) -> __m512i {
        f32s(&self[at..at + count])
    }

    fn address(self, at: usize) -> *const u8 {
        self.as_ptr().wrapping_add(at).cast()
    }
}

impl Stored for &[bf16] {
    // SAFETY: what the trait asks of the caller, the processor, is all.
    #[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
    #[inline]
    unsafe fn read(self, at: usize, count: usize) -> __m512i {
        let (mut padded, mut x) = ([bf16::ZERO; WIDE], &self[at..at + count]);
        if count < WIDE {
            padded[..count].copy_from_slice(x);
            x = &padded;
        }
        // SAFETY: 32 numbers of 2 bytes.
        unsafe { _mm512_loadu_si512(x.as_ptr().cast()) }
    }

    fn address(self, at: usize) -> *const u8 {
        self.as_ptr().wrapping_add(at).cast()
    }
}

impl Stored for &[f16] {
    // SAFETY: what the trait asks of the caller, the processor, is all.
    #[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
    #[inline]
    unsafe fn read(self, at: usize, count: usize) -> __m512i {
        let (mut padded, mut x) = ([f16::ZERO; WIDE], &self[at..at + count]);
        if count < WIDE {
            padded[..count].copy_from_slice(x);
            x = &padded;
        }
        // SAFETY: 32 numbers of 2 bytes.
        let (low, high) =
            unsafe { (_mm256_loadu_si256(x.as_ptr().cast()), _mm256_loadu_si256(x.as_ptr().add(16).cast())) };
        round(_mm512_cvtph_ps(low), _mm512_cvtph_ps(high))
    }

    fn address(self, at: usize) -> *const u8 {
        self.as_ptr().wrapping_add(at).cast()
    }
}

macro_rules! blocks_of_32 {
    ($($name:ident $bytes:literal $decode:ident)*) => {$(
        /// Blocks of 32 numbers in the format of this name, of so many bytes.
        #[derive(Clone, Copy)]
        pub(super) struct $name<'a>(pub(super) &'a [u8]);

        impl Stored for $name<'_> {
            // SAFETY: what the trait asks of the caller, the processor, is all.
            #[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
            #[inline]
            unsafe fn read(self, at: usize, _: usize) -> __m512i {
                $decode(&self.0[at / WIDE * $bytes..][..$bytes])
            }

            fn address(self, at: usize) -> *const u8 {
                self.0.as_ptr().wrapping_add(at / WIDE * $bytes)
            }
        }
    )*};
}

blocks_of_32!(Q4_0 18 q4_0  Q4_1 20 q4_1  Q8_0 34 q8_0);

/// Blocks of 32 numbers in any other format.
#[derive(Clone, Copy)]
pub(super) struct Other<'a>(pub(super) GgmlDType, pub(super) &'a [u8]);

impl Stored for Other<'_> {
    // SAFETY: what the trait asks of the caller, the processor, is all.
    #[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
    unsafe fn read(self, at: usize, _: usize) -> __m512i {
        let size = self.0.type_size();
        let mut decoded = [0f32; WIDE];
        blocks::decode_piece(self.0, &self.1[at / WIDE * size..][..size], &mut decoded);
        f32s(&decoded)
    }

    fn address(self, at: usize) -> *const u8 {
        self.1.as_ptr().wrapping_add(at / WIDE * self.0.type_size())
    }
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
    _mm512_cvtph_ps(_mm256_set1_epi16(i16::from_le_bytes([block[at], block[at + 1]])))
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

/// Numbers of the largest blocks.
pub(super) const BLOCK: usize = 256;

/// A block of 256 numbers, rounded.
#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
pub(super) fn block_of_256(format: GgmlDType, block: &[u8], rounded: &mut [bf16; BLOCK]) {
    match format {
        GgmlDType::Q4K => q4_k(block, rounded),
        GgmlDType::Q6K => q6_k(block, rounded),
        _ => {
            let mut decoded = [0f32; BLOCK];
            blocks::decode_piece(format, block, &mut decoded);
            for (x, rounded) in decoded.as_chunks::<WIDE>().0.iter().zip(rounded.as_chunks_mut::<WIDE>().0) {
                store(rounded, f32s(x));
            }
        }
    }
}

#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
#[inline]
fn store(rounded: &mut [bf16; WIDE], numbers: __m512i) {
    // SAFETY: 32 numbers of 2 bytes.
    unsafe { _mm512_storeu_si512(rounded.as_mut_ptr().cast(), numbers) };
}

#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
#[inline]
fn q4_k(block: &[u8], rounded: &mut [bf16; BLOCK]) {
    assert!(block.len() == 144);
    let (d, minimum) = (blocks::half(block, 0), blocks::half(block, 2));
    let scales = &blocks::part(block, 4);
    for (group, rounded) in rounded.as_chunks_mut::<64>().0.iter_mut().enumerate() {
        let bytes = &block[16 + 32 * group..][..32];
        let ((first_low, first_high), (last_low, last_high)) = (nibbles(bytes), nibbles(&bytes[16..]));
        let halves = [[first_low, last_low], [first_high, last_high]];
        for (half, (quants, rounded)) in halves.into_iter().zip(rounded.as_chunks_mut::<WIDE>().0).enumerate() {
            let (scale, least) = blocks::scale_and_minimum(scales, 2 * group + half);
            let (scale, least) = (_mm512_set1_ps(d * scale), _mm512_set1_ps(minimum * least));
            let [low, high] = quants;
            store(
                rounded,
                round(
                    _mm512_sub_ps(_mm512_mul_ps(scale, _mm512_cvtepi32_ps(low)), least),
                    _mm512_sub_ps(_mm512_mul_ps(scale, _mm512_cvtepi32_ps(high)), least),
                ),
            );
        }
    }
}

#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
#[inline]
fn q6_k(block: &[u8], rounded: &mut [bf16; BLOCK]) {
    assert!(block.len() == 210);
    let d = blocks::half(block, 208);
    for (group, rounded) in rounded.as_chunks_mut::<128>().0.iter_mut().enumerate() {
        let mut numbers = [[_mm512_setzero_ps(); 2]; 4];
        for half in 0..2 {
            let (low_four, high_four, two) =
                (64 * group + 16 * half, 64 * group + 16 * half + 32, 128 + 32 * group + 16 * half);
            // SAFETY: the last of them ends with the 192nd of 210 bytes.
            let [first, last, two] =
                unsafe { [low_four, high_four, two].map(|at| _mm_loadu_si128(block.as_ptr().add(at).cast())) };
            let quants = [
                six_bits(first, two),
                six_bits(last, _mm_srli_epi16::<2>(two)),
                six_bits(_mm_srli_epi16::<4>(first), _mm_srli_epi16::<4>(two)),
                six_bits(_mm_srli_epi16::<4>(last), _mm_srli_epi16::<6>(two)),
            ];
            for (part, (numbers, quants)) in numbers.iter_mut().zip(quants).enumerate() {
                let scale = d * f32::from(block[192 + 8 * group + 2 * part + half] as i8);
                let quants = _mm512_sub_epi32(_mm512_cvtepi8_epi32(quants), _mm512_set1_epi32(32));
                numbers[half] = _mm512_mul_ps(_mm512_set1_ps(scale), _mm512_cvtepi32_ps(quants));
            }
        }
        for ([low, high], rounded) in numbers.into_iter().zip(rounded.as_chunks_mut::<WIDE>().0) {
            store(rounded, round(low, high));
        }
    }
}

/// The low four bits of each byte of one, below the low two bits of the other's.
#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
#[inline]
fn six_bits(four: __m128i, two: __m128i) -> __m128i {
    let two = _mm_slli_epi16::<4>(_mm_and_si128(two, _mm_set1_epi8(3)));
    _mm_or_si128(_mm_and_si128(four, _mm_set1_epi8(15)), two)
}
