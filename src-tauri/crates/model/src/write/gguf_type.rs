//! The setting of a GGUF file's type.

use serde::{Deserialize, Serialize};
use ts_rs::TS;

/// What the tensors of a GGUF file are stored as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum GgufType {
    /// Each tensor as the GGUF base has it.
    AsBase,
    /// 16-bit floats.
    F16,
    /// 8.5 bits per weight.
    #[serde(rename = "q8_0")]
    Q8_0,
    /// 4.5 bits per weight, and 6.5 where llama.cpp's `Q4_K_M` has these: some 4.8 in all.
    #[serde(rename = "q4_k")]
    Q4K,
}

impl GgufType {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::AsBase, Self::F16, Self::Q8_0, Self::Q4K];

    /// `as_base`, `f16`, `q8_0` or `q4_k`.
    pub fn name(self) -> &'static str {
        match self {
            Self::AsBase => "as_base",
            Self::F16 => "f16",
            Self::Q8_0 => "q8_0",
            Self::Q4K => "q4_k",
        }
    }

    /// llama.cpp's number for a file of this type (`llama_ftype`).
    pub(crate) fn file_type(self) -> Option<u32> {
        match self {
            Self::AsBase => None,
            Self::F16 => Some(1),
            Self::Q8_0 => Some(7),
            Self::Q4K => Some(15),
        }
    }
}
