//! ggml's blocks of quantised numbers, decoded to f32 and encoded.
//!
//! A block holds 32 or 256 numbers of a row: small integers, and the scales (and minima) that they are multiplied with.
//! Layouts are those of `ggml-common.h`. The arithmetic is candle's, operation by operation, so that the numbers are the
//! same bits, whoever decodes them; here it goes over plain bytes, on all cores, straight to where the numbers are
//! wanted.
//!
//! What decodes a block is inlined wherever it is called, so that it is compiled for the instructions that its caller may
//! use.
#![allow(clippy::inline_always)]

use candle_core::quantized::{GgmlDType, QTensor};
use candle_core::{Device, Result, Tensor};
use half::{bf16, f16};
use rayon::prelude::*;

/// Numbers that one core takes at a time: a whole number of every kind of block.
const NUMBERS_PER_PIECE: usize = 1 << 14;

/// Bytes that so many numbers take in this format; `None` where they are no whole number of blocks.
pub fn bytes_of(format: GgmlDType, numbers: usize) -> Option<usize> {
    numbers.is_multiple_of(format.block_size()).then(|| numbers / format.block_size() * format.type_size())
}

/// Decodes whole blocks. `raw` must have the bytes that the length of `numbers` takes.
pub fn decode(format: GgmlDType, raw: &[u8], numbers: &mut [f32]) {
    assert_eq!(bytes_of(format, numbers.len()), Some(raw.len()), "{} numbers as {format:?}", numbers.len());
    let blocks = NUMBERS_PER_PIECE / format.block_size();
    numbers
        .par_chunks_mut(blocks * format.block_size())
        .zip(raw.par_chunks(blocks * format.type_size()))
        .for_each(|(numbers, raw)| decode_piece(format, raw, numbers));
}

/// Encodes whole blocks, by candle's own rounding.
///
/// # Errors
/// When the numbers are no whole number of blocks.
pub fn encode(format: GgmlDType, numbers: &[f32]) -> Result<Vec<u8>> {
    let encode = |piece: &[f32]| -> Result<Vec<u8>> {
        let piece = Tensor::from_slice(piece, piece.len(), &Device::Cpu)?;
        Ok(QTensor::quantize(&piece, format)?.data()?.into_owned())
    };
    Ok(numbers.par_chunks(NUMBERS_PER_PIECE).map(encode).collect::<Result<Vec<_>>>()?.concat())
}

#[inline(always)]
pub(crate) fn decode_piece(format: GgmlDType, raw: &[u8], numbers: &mut [f32]) {
    match format {
        GgmlDType::F32 => each(raw, numbers, |raw: &[u8; 4], y: &mut [f32; 1]| y[0] = f32::from_le_bytes(*raw)),
        GgmlDType::F16 => each(raw, numbers, |raw: &[u8; 2], y: &mut [f32; 1]| y[0] = half(raw, 0)),
        GgmlDType::BF16 => {
            each(raw, numbers, |raw: &[u8; 2], y: &mut [f32; 1]| y[0] = bf16::from_le_bytes(*raw).to_f32());
        }
        GgmlDType::Q4_0 => each(raw, numbers, q4_0),
        GgmlDType::Q4_1 => each(raw, numbers, q4_1),
        GgmlDType::Q5_0 => each(raw, numbers, q5_0),
        GgmlDType::Q5_1 => each(raw, numbers, q5_1),
        GgmlDType::Q8_0 => each(raw, numbers, q8_0),
        GgmlDType::Q8_1 => each(raw, numbers, q8_1),
        GgmlDType::Q2K => each(raw, numbers, q2_k),
        GgmlDType::Q3K => each(raw, numbers, q3_k),
        GgmlDType::Q4K => each(raw, numbers, q4_k),
        GgmlDType::Q5K => each(raw, numbers, q5_k),
        GgmlDType::Q6K => each(raw, numbers, q6_k),
        GgmlDType::Q8K => each(raw, numbers, q8_k),
    }
}

/// `decode` on every block of `BYTES` bytes and `COUNT` numbers.
#[inline(always)]
fn each<const BYTES: usize, const COUNT: usize>(
    raw: &[u8],
    numbers: &mut [f32],
    decode: impl Fn(&[u8; BYTES], &mut [f32; COUNT]),
) {
    for (block, numbers) in raw.as_chunks().0.iter().zip(numbers.as_chunks_mut().0) {
        decode(block, numbers);
    }
}

/// The f16 at this byte.
pub(super) fn half(block: &[u8], at: usize) -> f32 {
    f16::from_le_bytes([block[at], block[at + 1]]).to_f32()
}

/// `N` bytes from this one on.
pub(super) fn part<const N: usize>(block: &[u8], at: usize) -> [u8; N] {
    let mut bytes = [0; N];
    bytes.copy_from_slice(&block[at..at + N]);
    bytes
}

fn word(block: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(part(block, at))
}

/// Scale, 16 bytes of nibbles: first the low ones, then the high ones.
#[inline(always)]
fn q4_0(block: &[u8; 18], y: &mut [f32; 32]) {
    let d = half(block, 0);
    let nibbles: [u8; 16] = part(block, 2);
    for (j, byte) in nibbles.iter().enumerate() {
        y[j] = f32::from((byte & 15) as i8 - 8) * d;
        y[j + 16] = f32::from((byte >> 4) as i8 - 8) * d;
    }
}

/// Scale, minimum, nibbles.
#[inline(always)]
fn q4_1(block: &[u8; 20], y: &mut [f32; 32]) {
    let (d, m) = (half(block, 0), half(block, 2));
    let nibbles: [u8; 16] = part(block, 4);
    for (j, byte) in nibbles.iter().enumerate() {
        y[j] = f32::from(byte & 15) * d + m;
        y[j + 16] = f32::from(byte >> 4) * d + m;
    }
}

/// The fifth bits of the numbers `j` and `j + 16`, in their place.
fn fifth_bits(word: u32, j: usize) -> (u8, u8) {
    ((((word >> j) << 4) & 16) as u8, ((word >> (j + 12)) & 16) as u8)
}

/// Scale, fifth bits, nibbles.
#[inline(always)]
fn q5_0(block: &[u8; 22], y: &mut [f32; 32]) {
    let (d, high) = (half(block, 0), word(block, 2));
    let nibbles: [u8; 16] = part(block, 6);
    for (j, byte) in nibbles.iter().enumerate() {
        let (first, second) = fifth_bits(high, j);
        y[j] = f32::from((byte & 15 | first) as i8 - 16) * d;
        y[j + 16] = f32::from((byte >> 4 | second) as i8 - 16) * d;
    }
}

/// Scale, minimum, fifth bits, nibbles.
#[inline(always)]
fn q5_1(block: &[u8; 24], y: &mut [f32; 32]) {
    let (d, m, high) = (half(block, 0), half(block, 2), word(block, 4));
    let nibbles: [u8; 16] = part(block, 8);
    for (j, byte) in nibbles.iter().enumerate() {
        let (first, second) = fifth_bits(high, j);
        y[j] = f32::from(byte & 15 | first) * d + m;
        y[j + 16] = f32::from(byte >> 4 | second) * d + m;
    }
}

/// Scale, signed bytes.
#[inline(always)]
fn q8_0(block: &[u8; 34], y: &mut [f32; 32]) {
    let d = half(block, 0);
    for (y, byte) in y.iter_mut().zip(part::<32>(block, 2)) {
        *y = f32::from(byte as i8) * d;
    }
}

/// Scale, a sum that decoding has no use for, signed bytes.
#[inline(always)]
fn q8_1(block: &[u8; 36], y: &mut [f32; 32]) {
    let d = half(block, 0);
    for (y, byte) in y.iter_mut().zip(part::<32>(block, 4)) {
        *y = f32::from(byte as i8) * d;
    }
}

/// 16 bytes of scale (low) and minimum (high), 64 bytes of two bits, scale of the scales, of the minima.
#[inline(always)]
fn q2_k(block: &[u8; 84], y: &mut [f32; 256]) {
    let (d, minimum) = (half(block, 80), half(block, 82));
    for (group, y) in y.as_chunks_mut::<16>().0.iter_mut().enumerate() {
        let scale = block[group];
        let (dl, ml) = (d * f32::from(scale & 15), minimum * f32::from(scale >> 4));
        // 128 numbers come from 32 bytes, a pair of bits at a time.
        let (shift, first) = (group % 8 / 2 * 2, 16 + group / 8 * 32 + group % 2 * 16);
        for (y, q) in y.iter_mut().zip(part::<16>(block, first)) {
            *y = dl * f32::from((q >> shift) & 3) - ml;
        }
    }
}

/// 32 bytes of third bits, 64 bytes of two bits, 12 bytes with 16 scales of six bits, scale of the scales.
#[inline(always)]
fn q3_k(block: &[u8; 110], y: &mut [f32; 256]) {
    const LOW: u32 = 0x0f0f_0f0f;
    const TWO: u32 = 0x0303_0303;
    let (a, b, high) = (word(block, 96), word(block, 100), word(block, 104));
    let words = [
        (a & LOW) | ((high & TWO) << 4),
        (b & LOW) | (((high >> 2) & TWO) << 4),
        ((a >> 4) & LOW) | (((high >> 4) & TWO) << 4),
        ((b >> 4) & LOW) | (((high >> 6) & TWO) << 4),
    ];
    let d = half(block, 108);
    for (group, y) in y.as_chunks_mut::<16>().0.iter_mut().enumerate() {
        let scale = words[group / 4].to_le_bytes()[group % 4];
        let dl = d * (f32::from(scale) - 32.0);
        let (shift, inside) = (group % 8 / 2 * 2, group % 2 * 16);
        let (bits, masks) = (part::<16>(block, 32 + group / 8 * 32 + inside), part::<16>(block, inside));
        for ((y, q), mask) in y.iter_mut().zip(bits).zip(masks) {
            let third = (mask >> (group / 2)) & 1;
            *y = dl * f32::from(((q >> shift) & 3) as i8 - 4 * (1 - third as i8));
        }
    }
}

/// Of the 12 bytes that hold eight scales and eight minima of six bits, the `j`th of each.
pub(super) fn scale_and_minimum(packed: &[u8; 12], j: usize) -> (f32, f32) {
    let (scale, minimum) = if j < 4 {
        (packed[j] & 63, packed[j + 4] & 63)
    } else {
        ((packed[j + 4] & 15) | ((packed[j - 4] >> 6) << 4), (packed[j + 4] >> 4) | ((packed[j] >> 6) << 4))
    };
    (f32::from(scale), f32::from(minimum))
}

/// Scale of the scales, of the minima, 12 bytes of scales and minima, 128 bytes of nibbles.
#[inline(always)]
fn q4_k(block: &[u8; 144], y: &mut [f32; 256]) {
    let (d, minimum) = (half(block, 0), half(block, 2));
    let scales = &part(block, 4);
    for (group, y) in y.as_chunks_mut::<64>().0.iter_mut().enumerate() {
        let ((s1, m1), (s2, m2)) = (scale_and_minimum(scales, 2 * group), scale_and_minimum(scales, 2 * group + 1));
        let (d1, m1, d2, m2) = (d * s1, minimum * m1, d * s2, minimum * m2);
        for (j, byte) in part::<32>(block, 16 + 32 * group).iter().enumerate() {
            y[j] = d1 * f32::from(byte & 15) - m1;
            y[j + 32] = d2 * f32::from(byte >> 4) - m2;
        }
    }
}

/// As `q4_k`, with 32 bytes of fifth bits before the nibbles.
#[inline(always)]
fn q5_k(block: &[u8; 176], y: &mut [f32; 256]) {
    let (d, minimum) = (half(block, 0), half(block, 2));
    let (scales, fifths) = (&part(block, 4), part::<32>(block, 16));
    for (group, y) in y.as_chunks_mut::<64>().0.iter_mut().enumerate() {
        let ((s1, m1), (s2, m2)) = (scale_and_minimum(scales, 2 * group), scale_and_minimum(scales, 2 * group + 1));
        let (d1, m1, d2, m2) = (d * s1, minimum * m1, d * s2, minimum * m2);
        for (j, (byte, fifth)) in part::<32>(block, 48 + 32 * group).iter().zip(fifths).enumerate() {
            let (first, second) = ((fifth >> (2 * group)) & 1, (fifth >> (2 * group + 1)) & 1);
            y[j] = d1 * f32::from((byte & 15) | (first << 4)) - m1;
            y[j + 32] = d2 * f32::from((byte >> 4) | (second << 4)) - m2;
        }
    }
}

/// 128 bytes of nibbles, 64 bytes of the two bits above them, 16 signed scales, scale of the scales.
#[inline(always)]
fn q6_k(block: &[u8; 210], y: &mut [f32; 256]) {
    let d = half(block, 208);
    for (group, y) in y.as_chunks_mut::<128>().0.iter_mut().enumerate() {
        let (nibbles, twos) = (part::<64>(block, 64 * group), part::<32>(block, 128 + 32 * group));
        let scales: [f32; 8] = std::array::from_fn(|i| d * f32::from(block[192 + 8 * group + i] as i8));
        for l in 0..32 {
            let (low, high, two, is) = (nibbles[l], nibbles[l + 32], twos[l], l / 16);
            let number = |four: u8, two: u8| f32::from((four | (two & 3) << 4) as i8 - 32);
            y[l] = scales[is] * number(low & 15, two);
            y[l + 32] = scales[is + 2] * number(high & 15, two >> 2);
            y[l + 64] = scales[is + 4] * number(low >> 4, two >> 4);
            y[l + 96] = scales[is + 6] * number(high >> 4, two >> 6);
        }
    }
}

/// Scale in f32, signed bytes, sums that decoding has no use for.
#[inline(always)]
fn q8_k(block: &[u8; 292], y: &mut [f32; 256]) {
    let d = f32::from_bits(word(block, 0));
    for (y, byte) in y.iter_mut().zip(part::<256>(block, 4)) {
        *y = d * f32::from(byte as i8);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::Device;
    use candle_core::quantized::{QStorage, QTensor};
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;
    use std::borrow::Cow;

    /// Every pattern of bits can stand in a file: random bytes, more of them than one core takes at a time.
    #[test]
    fn numbers_are_candle_s_bit_for_bit_whatever_the_bytes_are() {
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        for format in testkit::BLOCK_TYPES {
            let blocks = 3 * NUMBERS_PER_PIECE / format.block_size() + 7;
            let count = blocks * format.block_size();
            let mut raw = vec![0u32; (blocks * format.type_size()).div_ceil(4)];
            for word in &mut raw {
                *word = rng.random();
            }
            let raw: Vec<u8> = raw.iter().flat_map(|word| word.to_le_bytes()).collect();
            // A vector of bytes of this size begins at a multiple of 16, which is what candle asks for.
            let raw = &raw[..blocks * format.type_size()];
            let mut ours = vec![0f32; count];
            decode(format, raw, &mut ours);
            let storage = QStorage::from_data(Cow::Borrowed(raw), &Device::Cpu, format).unwrap();
            let theirs = QTensor::new(storage, count).unwrap().dequantize(&Device::Cpu).unwrap();
            let theirs: Vec<f32> = theirs.to_vec1().unwrap();
            for (i, (a, b)) in ours.iter().zip(&theirs).enumerate() {
                // What is no number has no bits to agree on: a random scale can be one.
                assert!(a.to_bits() == b.to_bits() || (a.is_nan() && b.is_nan()), "{format:?} [{i}]: {a} and {b}");
            }
            assert!(ours.iter().filter(|x| x.is_finite()).count() > count / 2, "{format:?}");
        }
    }

    #[test]
    fn a_part_of_a_block_has_no_bytes() {
        assert_eq!(bytes_of(GgmlDType::Q4_0, 64), Some(36));
        assert_eq!(bytes_of(GgmlDType::Q4K, 128), None);
        assert_eq!(bytes_of(GgmlDType::F16, 3), Some(6));
    }
}
