//! A frozen matrix in memory, as it is stored.

use candle_core::quantized::GgmlDType;
use half::{bf16, f16};

/// The numbers of a matrix, row after row.
#[derive(Debug, Clone, Copy)]
pub enum Numbers<'a> {
    /// As f32.
    F32(&'a [f32]),
    /// As f16.
    F16(&'a [f16]),
    /// As bf16.
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
