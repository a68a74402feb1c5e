//! A frozen matrix in memory, as it is stored.

use crate::blocks;
use candle_core::quantized::GgmlDType;
use half::{bf16, f16};

/// The numbers of a matrix, row after row.
#[derive(Debug, Clone, Copy)]
#[allow(missing_docs)]
pub enum Numbers<'a> {
    F32(&'a [f32]),
    F16(&'a [f16]),
    Bf16(&'a [bf16]),
    /// In ggml's blocks, each within a row.
    Blocks(GgmlDType, &'a [u8]),
}

impl Numbers<'_> {
    /// How many there are.
    pub fn count(self) -> usize {
        match self {
            Self::F32(numbers) => numbers.len(),
            Self::F16(numbers) => numbers.len(),
            Self::Bf16(numbers) => numbers.len(),
            Self::Blocks(format, bytes) => bytes.len() / format.type_size() * format.block_size(),
        }
    }

    /// How many numbers of a row there are that can only be read together.
    pub(super) fn block(self) -> usize {
        match self {
            Self::Blocks(format, _) => format.block_size(),
            _ => 1,
        }
    }
}

/// The numbers from this one on; where they are stored in blocks, from the first of one.
#[inline(always)]
#[allow(clippy::inline_always)]
pub(super) fn decode_row(w: Numbers, at: usize, decoded: &mut [f32]) {
    let here = at..at + decoded.len();
    match w {
        Numbers::F32(w) => decoded.copy_from_slice(&w[here]),
        Numbers::F16(w) => decoded.iter_mut().zip(&w[here]).for_each(|(to, w): (_, &f16)| *to = w.to_f32()),
        Numbers::Bf16(w) => decoded.iter_mut().zip(&w[here]).for_each(|(to, w): (_, &bf16)| *to = w.to_f32()),
        Numbers::Blocks(format, w) => {
            let (numbers, bytes) = (format.block_size(), format.type_size());
            blocks::decode_piece(format, &w[at / numbers * bytes..][..decoded.len() / numbers * bytes], decoded);
        }
    }
}
