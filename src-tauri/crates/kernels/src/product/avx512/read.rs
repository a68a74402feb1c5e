//! Numbers as they are stored, to bf16 in a register.

use crate::blocks;
use candle_core::quantized::GgmlDType;
use half::{bf16, f16};
use std::arch::x86_64::{
    __m128i, __m256i, __m512, __m512i, _mm_and_si128, _mm_loadu_si128, _mm_or_si128, _mm_set1_epi8, _mm_slli_epi16,
    _mm_srli_epi16, _mm256_and_si256, _mm256_loadu_si256, _mm256_set_m128i, _mm256_set1_epi8, _mm256_set1_epi16,
    _mm256_srli_epi16, _mm512_add_ps, _mm512_castsi256_si512, _mm512_castsi512_ps, _mm512_cvtepi8_epi32,
    _mm512_cvtepi32_ps, _mm512_cvtepu8_epi16, _mm512_cvtepu8_epi32, _mm512_cvtepu16_epi32, _mm512_cvtne2ps_pbh,
    _mm512_cvtneps_pbh, _mm512_cvtph_ps, _mm512_loadu_si512, _mm512_mul_ps, _mm512_permutexvar_epi16,
    _mm512_permutexvar_ps, _mm512_set1_epi32, _mm512_set1_ps, _mm512_setr_ps, _mm512_setzero_ps, _mm512_slli_epi32,
    _mm512_srli_epi32, _mm512_sub_epi32, _mm512_sub_ps,
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

    /// As [`Stored::read`], each sixteen as f32.
    ///
    /// # Safety
    /// The processor must have AVX-512 F and BW.
    unsafe fn floats(self, at: usize, count: usize) -> [__m512; 2];

    /// Lines of the cache, of 64 bytes, that so many numbers as a register holds take, or begin in.
    const LINES: usize = 1;

    /// Where the number at this place is, or would be: for the cache's information only.
    fn address(self, at: usize) -> *const u8;
}

/// Up to 32 numbers.
#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
#[inline]
pub(super) fn f32s(x: &[f32]) -> __m512i {
    let Some(x) = x.first_chunk::<WIDE>() else {
        let mut padded = [0f32; WIDE];
        padded[..x.len()].copy_from_slice(x);
        return f32s(&padded);
    };
    // SAFETY: what has the same size holds the same bits.
    let [low, high] = unsafe { transmute::<[f32; WIDE], [__m512; 2]>(*x) };
    round(low, high)
}

impl Stored for &[f32] {
    const LINES: usize = 2;

    // SAFETY: what the trait asks of the caller, the processor, is all.
    #[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
    #[inline]
    unsafe fn read(self, at: usize, count: usize) -> __m512i {
        f32s(&self[at..at + count])
    }

    // SAFETY: what the trait asks of the caller, the processor, is all.
    #[target_feature(enable = "avx512f,avx512bw")]
    #[inline]
    unsafe fn floats(self, at: usize, count: usize) -> [__m512; 2] {
        let x = &self[at..at + count];
        let x = x.first_chunk::<WIDE>().copied().unwrap_or_else(|| {
            let mut padded = [0f32; WIDE];
            padded[..count].copy_from_slice(x);
            padded
        });
        // SAFETY: what has the same size holds the same bits.
        unsafe { transmute::<[f32; WIDE], [__m512; 2]>(x) }
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

    // SAFETY: what the trait asks of the caller, the processor, is all.
    #[target_feature(enable = "avx512f,avx512bw")]
    #[inline]
    unsafe fn floats(self, at: usize, count: usize) -> [__m512; 2] {
        let (mut padded, mut x) = ([bf16::ZERO; WIDE], &self[at..at + count]);
        if count < WIDE {
            padded[..count].copy_from_slice(x);
            x = &padded;
        }
        // SAFETY: 32 numbers of 2 bytes.
        unsafe { [x.as_ptr(), x.as_ptr().add(16)].map(|x| widened(_mm256_loadu_si256(x.cast()))) }
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
        // SAFETY: the caller's processor has more than is asked for.
        let [low, high] = unsafe { self.floats(at, count) };
        round(low, high)
    }

    // SAFETY: what the trait asks of the caller, the processor, is all.
    #[target_feature(enable = "avx512f,avx512bw")]
    #[inline]
    unsafe fn floats(self, at: usize, count: usize) -> [__m512; 2] {
        let (mut padded, mut x) = ([f16::ZERO; WIDE], &self[at..at + count]);
        if count < WIDE {
            padded[..count].copy_from_slice(x);
            x = &padded;
        }
        // SAFETY: 32 numbers of 2 bytes.
        unsafe { [x.as_ptr(), x.as_ptr().add(16)].map(|x| _mm512_cvtph_ps(_mm256_loadu_si256(x.cast()))) }
    }

    fn address(self, at: usize) -> *const u8 {
        self.as_ptr().wrapping_add(at).cast()
    }
}

macro_rules! blocks_of_32 {
    ($($name:ident $bytes:literal $decode:ident $floats:ident)*) => {$(
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

            // SAFETY: what the trait asks of the caller, the processor, is all.
            #[target_feature(enable = "avx512f,avx512bw")]
            #[inline]
            unsafe fn floats(self, at: usize, _: usize) -> [__m512; 2] {
                $floats(&self.0[at / WIDE * $bytes..][..$bytes])
            }

            fn address(self, at: usize) -> *const u8 {
                self.0.as_ptr().wrapping_add(at / WIDE * $bytes)
            }
        }
    )*};
}

blocks_of_32!(Q4_0 18 q4_0 q4_0_floats  Q4_1 20 q4_1 q4_1_floats  Q8_0 34 q8_0 q8_0_floats);

/// Blocks of 32 numbers in any other format.
#[derive(Clone, Copy)]
pub(super) struct Other<'a>(pub(super) GgmlDType, pub(super) &'a [u8]);

impl Stored for Other<'_> {
    // SAFETY: what the trait asks of the caller, the processor, is all.
    #[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
    unsafe fn read(self, at: usize, _: usize) -> __m512i {
        // SAFETY: the caller's processor has more than is asked for.
        let [low, high] = unsafe { self.floats(at, WIDE) };
        round(low, high)
    }

    // SAFETY: what the trait asks of the caller, the processor, is all.
    #[target_feature(enable = "avx512f,avx512bw")]
    unsafe fn floats(self, at: usize, _: usize) -> [__m512; 2] {
        let size = self.0.type_size();
        let mut decoded = [0f32; WIDE];
        blocks::decode_piece(self.0, &self.1[at / WIDE * size..][..size], &mut decoded);
        // SAFETY: what has the same size holds the same bits.
        unsafe { transmute::<[f32; WIDE], [__m512; 2]>(decoded) }
    }

    fn address(self, at: usize) -> *const u8 {
        self.1.as_ptr().wrapping_add(at / WIDE * self.0.type_size())
    }
}

#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
#[inline]
pub(super) fn round(low: __m512, high: __m512) -> __m512i {
    // SAFETY: registers of the same size hold the same bits.
    unsafe { transmute(_mm512_cvtne2ps_pbh(high, low)) }
}

/// bf16 as f32.
#[target_feature(enable = "avx512f,avx512bw")]
#[inline]
fn widened(numbers: __m256i) -> __m512 {
    _mm512_castsi512_ps(_mm512_slli_epi32::<16>(_mm512_cvtepu16_epi32(numbers)))
}

/// The low and the high nibbles of 16 bytes.
#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
#[inline]
fn nibbles(bytes: &[u8]) -> (__m512i, __m512i) {
    let bytes = sixteen(bytes);
    let low = _mm_set1_epi8(15);
    let (low, high) = (_mm_and_si128(bytes, low), _mm_and_si128(_mm_srli_epi16::<4>(bytes), low));
    (_mm512_cvtepi8_epi32(low), _mm512_cvtepi8_epi32(high))
}

#[target_feature(enable = "avx512f,avx512bw")]
#[inline]
fn sixteen(bytes: &[u8]) -> __m128i {
    // SAFETY: what has the same size holds the same bits.
    unsafe { transmute(blocks::part::<16>(bytes, 0)) }
}

#[target_feature(enable = "avx512f,avx512bw")]
#[inline]
fn scale(block: &[u8], at: usize) -> __m512 {
    _mm512_cvtph_ps(_mm256_set1_epi16(i16::from_le_bytes([block[at], block[at + 1]])))
}

#[target_feature(enable = "avx512f,avx512bw")]
#[inline]
fn to_fifteen() -> __m512 {
    _mm512_setr_ps(0., 1., 2., 3., 4., 5., 6., 7., 8., 9., 10., 11., 12., 13., 14., 15.)
}

/// The sixteen numbers that a nibble of the block can stand for, as [`blocks`] has them, operation by operation.
#[target_feature(enable = "avx512f,avx512bw")]
#[inline]
fn table_of_q4_0(block: &[u8]) -> __m512 {
    let all = _mm512_setr_ps(-8., -7., -6., -5., -4., -3., -2., -1., 0., 1., 2., 3., 4., 5., 6., 7.);
    _mm512_mul_ps(all, scale(block, 0))
}

#[target_feature(enable = "avx512f,avx512bw")]
#[inline]
fn table_of_q4_1(block: &[u8]) -> __m512 {
    _mm512_add_ps(_mm512_mul_ps(to_fifteen(), scale(block, 0)), scale(block, 2))
}

/// The numbers of the table at 32 places, rounded.
#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
#[inline]
fn looked_up(table: __m512, places: __m256i) -> __m512i {
    // SAFETY: registers of the same size hold the same bits.
    let rounded: __m256i = unsafe { transmute(_mm512_cvtneps_pbh(table)) };
    _mm512_permutexvar_epi16(_mm512_cvtepu8_epi16(places), _mm512_castsi256_si512(rounded))
}

/// The nibbles of 16 bytes: first the low ones, then the high ones.
#[target_feature(enable = "avx512f,avx512bw")]
#[inline]
fn all_nibbles(bytes: &[u8]) -> __m256i {
    let (bytes, low) = (sixteen(bytes), _mm_set1_epi8(15));
    _mm256_set_m128i(_mm_and_si128(_mm_srli_epi16::<4>(bytes), low), _mm_and_si128(bytes, low))
}

#[target_feature(enable = "avx512f,avx512bw")]
#[inline]
fn looked_up_floats(table: __m512, bytes: &[u8]) -> [__m512; 2] {
    // Of each place only the low four bits count.
    let places = _mm512_cvtepu8_epi32(sixteen(bytes));
    [places, _mm512_srli_epi32::<4>(places)].map(|places| _mm512_permutexvar_ps(places, table))
}

#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
#[inline]
fn q4_0(block: &[u8]) -> __m512i {
    looked_up(table_of_q4_0(block), all_nibbles(&block[2..]))
}

#[target_feature(enable = "avx512f,avx512bw")]
#[inline]
fn q4_0_floats(block: &[u8]) -> [__m512; 2] {
    looked_up_floats(table_of_q4_0(block), &block[2..])
}

#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
#[inline]
fn q4_1(block: &[u8]) -> __m512i {
    looked_up(table_of_q4_1(block), all_nibbles(&block[4..]))
}

#[target_feature(enable = "avx512f,avx512bw")]
#[inline]
fn q4_1_floats(block: &[u8]) -> [__m512; 2] {
    looked_up_floats(table_of_q4_1(block), &block[4..])
}

#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
#[inline]
fn q8_0(block: &[u8]) -> __m512i {
    let [low, high] = q8_0_floats(block);
    round(low, high)
}

#[target_feature(enable = "avx512f,avx512bw")]
#[inline]
fn q8_0_floats(block: &[u8]) -> [__m512; 2] {
    let d = scale(block, 0);
    [&block[2..18], &block[18..34]]
        .map(|bytes| _mm512_mul_ps(_mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(sixteen(bytes))), d))
}

/// Blocks of 256 numbers as `Q4_K` has them, of which 32 can be read at a time.
#[derive(Clone, Copy)]
pub(super) struct Q4K<'a>(pub(super) &'a [u8]);

impl Q4K<'_> {
    /// The block that the number is in, and the place in it of the 32 numbers that begin there.
    fn part(&self, at: usize) -> (&[u8], usize) {
        (&self.0[at / BLOCK * 144..][..144], at % BLOCK / WIDE)
    }
}

#[target_feature(enable = "avx512f,avx512bw")]
#[inline]
fn table_of_q4_k(block: &[u8], part: usize) -> __m512 {
    let (s, m) = blocks::scale_and_minimum(&blocks::part(block, 4), part);
    let (d, least) =
        (_mm512_mul_ps(scale(block, 0), _mm512_set1_ps(s)), _mm512_mul_ps(scale(block, 2), _mm512_set1_ps(m)));
    _mm512_sub_ps(_mm512_mul_ps(d, to_fifteen()), least)
}

impl Stored for Q4K<'_> {
    // SAFETY: what the trait asks of the caller, the processor, is all.
    #[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
    #[inline]
    unsafe fn read(self, at: usize, _: usize) -> __m512i {
        let (block, part) = self.part(at);
        let bytes = &block[16 + part / 2 * 32..][..32];
        let bytes = _mm256_set_m128i(sixteen(&bytes[16..]), sixteen(bytes));
        let places = if part % 2 == 0 { bytes } else { _mm256_srli_epi16::<4>(bytes) };
        looked_up(table_of_q4_k(block, part), _mm256_and_si256(places, _mm256_set1_epi8(15)))
    }

    // SAFETY: what the trait asks of the caller, the processor, is all.
    #[target_feature(enable = "avx512f,avx512bw")]
    #[inline]
    unsafe fn floats(self, at: usize, _: usize) -> [__m512; 2] {
        let (block, part) = self.part(at);
        let (bytes, table) = (&block[16 + part / 2 * 32..][..32], table_of_q4_k(block, part));
        [&bytes[..16], &bytes[16..]].map(|bytes| looked_up_floats(table, bytes)[part % 2])
    }

    fn address(self, at: usize) -> *const u8 {
        self.0.as_ptr().wrapping_add(at / BLOCK * 144)
    }
}

/// The same as `Q6_K` has them.
#[derive(Clone, Copy)]
pub(super) struct Q6K<'a>(pub(super) &'a [u8]);

impl Stored for Q6K<'_> {
    // SAFETY: what the trait asks of the caller, the processor, is all.
    #[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
    #[inline]
    unsafe fn read(self, at: usize, count: usize) -> __m512i {
        // SAFETY: the caller's processor has more than is asked for.
        let [low, high] = unsafe { self.floats(at, count) };
        round(low, high)
    }

    // SAFETY: what the trait asks of the caller, the processor, is all.
    #[target_feature(enable = "avx512f,avx512bw")]
    #[inline]
    unsafe fn floats(self, at: usize, _: usize) -> [__m512; 2] {
        let block = &self.0[at / BLOCK * 210..][..210];
        let (group, part) = (at % BLOCK / 128, at % 128 / WIDE);
        let d = scale(block, 208);
        [0, 1].map(|half| {
            let four = sixteen(&block[64 * group + part % 2 * 32 + 16 * half..]);
            let four = if part < 2 { four } else { _mm_srli_epi16::<4>(four) };
            let two = sixteen(&block[128 + 32 * group + 16 * half..]);
            let two = match part {
                0 => two,
                1 => _mm_srli_epi16::<2>(two),
                2 => _mm_srli_epi16::<4>(two),
                _ => _mm_srli_epi16::<6>(two),
            };
            let factor = f32::from(block[192 + 8 * group + 2 * part + half] as i8);
            let quants = _mm512_sub_epi32(_mm512_cvtepi8_epi32(six_bits(four, two)), _mm512_set1_epi32(32));
            _mm512_mul_ps(_mm512_mul_ps(d, _mm512_set1_ps(factor)), _mm512_cvtepi32_ps(quants))
        })
    }

    fn address(self, at: usize) -> *const u8 {
        self.0.as_ptr().wrapping_add(at / BLOCK * 210)
    }
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
pub(super) fn store(rounded: &mut [bf16; WIDE], numbers: __m512i) {
    // SAFETY: what has the same size holds the same bits.
    *rounded = unsafe { transmute::<__m512i, [bf16; WIDE]>(numbers) };
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
#[target_feature(enable = "avx512f,avx512bw")]
#[inline]
fn six_bits(four: __m128i, two: __m128i) -> __m128i {
    let two = _mm_slli_epi16::<4>(_mm_and_si128(two, _mm_set1_epi8(3)));
    _mm_or_si128(_mm_and_si128(four, _mm_set1_epi8(15)), two)
}
