//! What type a base's weights are kept in: the setting `dtype`.

use crate::named::written_as_its_name;
use candle_core::quantized::GgmlDType;
use std::fmt;
use std::str::FromStr;
use ts_rs::TS;

/// The type in which the matrices of a base are kept in memory. Norms and biases, a thousandth of a model, are f32 always,
/// and so are adapter, gradients, optimiser and loss. Products are what [`crate::Products`] says: for those in f32, weights
/// in fewer bits are expanded piece by piece while they are used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, TS)]
#[ts(rename_all = "lowercase")]
pub enum BaseDtype {
    /// As the file has them, like `dtype = "auto"` of transformers: a GGUF file's blocks as they lie, bf16 as bf16. The
    /// numbers are those of [`BaseDtype::F32`], bit for bit. What that costs, on two cores, in steps of four short pairs:
    /// SmolLM2-135M as `Q4_1` takes 340 MB instead of 740 MB and about 7 % more time, and 8 answers are drawn about 15 %
    /// slower; Qwen2.5-0.5B as `Q4_K_M` takes 1.0 GB instead of 3.0 GB.
    #[default]
    Auto,
    /// Expanded once, when the model is loaded.
    F32,
    /// Rounded to bf16.
    Bf16,
    /// Rounded to f16; a weight that f16 cannot hold is refused.
    F16,
    /// Float weights rounded to 8 bits, like `load_in_8bit` of transformers: `Q8_0`.
    Q8,
    /// Float weights rounded to 4 bits, like `load_in_4bit` of transformers (`QLoRA`, arXiv 2305.14314): `Q4_K`, or
    /// `Q4_1` where rows are no whole blocks of 256.
    Q4,
}

/// How a matrix is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kept {
    /// In this format.
    As(GgmlDType),
    /// In the float type of the file, because its rows are no whole blocks.
    Unquantised(GgmlDType),
    /// Not at all: blocks are never rounded a second time.
    Refused,
}

impl BaseDtype {
    /// All of them, in the order in which they are listed.
    pub const ALL: [Self; 6] = [Self::Auto, Self::F32, Self::Bf16, Self::F16, Self::Q8, Self::Q4];

    /// As settings spell it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::F32 => "f32",
            Self::Bf16 => "bf16",
            Self::F16 => "f16",
            Self::Q8 => "q8",
            Self::Q4 => "q4",
        }
    }

    /// The names of all, for a message.
    pub fn names() -> String {
        Self::ALL.map(Self::name).join(", ")
    }

    /// Whose numbers it has: two types that give the same here give the same log-probabilities.
    pub fn numbers(self) -> &'static str {
        match self {
            Self::Auto => Self::F32.name(),
            other => other.name(),
        }
    }

    /// How a matrix with rows of `columns` numbers is kept that the file has as `found`, on a device that has bf16 or not.
    pub(crate) fn keep(self, found: GgmlDType, columns: usize, has_bf16: bool) -> Kept {
        match self.keep_anywhere(found, columns) {
            Kept::As(GgmlDType::BF16) if !has_bf16 => Kept::As(GgmlDType::F16),
            Kept::Unquantised(GgmlDType::BF16) if !has_bf16 => Kept::Unquantised(GgmlDType::F16),
            kept => kept,
        }
    }

    fn keep_anywhere(self, found: GgmlDType, columns: usize) -> Kept {
        let is_float = kernels::weight::float_type(found).is_some();
        let blocks: &[GgmlDType] = match self {
            Self::Auto => return Kept::As(found),
            Self::F32 => return Kept::As(GgmlDType::F32),
            Self::Bf16 => return Kept::As(GgmlDType::BF16),
            Self::F16 => return Kept::As(GgmlDType::F16),
            Self::Q8 => &[GgmlDType::Q8_0],
            Self::Q4 => &[GgmlDType::Q4K, GgmlDType::Q4_1],
        };
        if !is_float {
            return Kept::Refused;
        }
        let fitting = blocks.iter().find(|block| columns.is_multiple_of(block.block_size()));
        fitting.map_or(Kept::Unquantised(found), |&block| Kept::As(block))
    }
}

impl fmt::Display for BaseDtype {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A name that is no [`BaseDtype`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("dtype is \"{0}\"; choose one of {names}", names = BaseDtype::names())]
pub struct UnknownDtype(pub String);

impl FromStr for BaseDtype {
    type Err = UnknownDtype;

    fn from_str(name: &str) -> std::result::Result<Self, UnknownDtype> {
        Self::ALL.into_iter().find(|dtype| dtype.name() == name).ok_or_else(|| UnknownDtype(name.to_owned()))
    }
}

written_as_its_name!(BaseDtype);

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_back_and_others_are_refused_with_the_choices() {
        for dtype in BaseDtype::ALL {
            assert_eq!(dtype.name().parse(), Ok(dtype));
        }
        let error = "nf4".parse::<BaseDtype>().unwrap_err().to_string();
        assert_eq!(error, "dtype is \"nf4\"; choose one of auto, f32, bf16, f16, q8, q4");
    }

    #[test]
    fn four_bits_are_taken_in_the_largest_blocks_that_divide_a_row() {
        let four = |columns| BaseDtype::Q4.keep(GgmlDType::BF16, columns, true);
        assert_eq!(four(2048), Kept::As(GgmlDType::Q4K));
        assert_eq!(four(576), Kept::As(GgmlDType::Q4_1));
        assert_eq!(four(36), Kept::Unquantised(GgmlDType::BF16));
        assert_eq!(BaseDtype::Q8.keep(GgmlDType::F32, 2048, true), Kept::As(GgmlDType::Q8_0));
    }

    #[test]
    fn blocks_are_kept_or_expanded_but_never_rounded_again() {
        for quantised in [BaseDtype::Q4, BaseDtype::Q8] {
            assert_eq!(quantised.keep(GgmlDType::Q6K, 256, true), Kept::Refused);
        }
        assert_eq!(BaseDtype::Auto.keep(GgmlDType::Q6K, 256, true), Kept::As(GgmlDType::Q6K));
        assert_eq!(BaseDtype::F32.keep(GgmlDType::Q6K, 256, true), Kept::As(GgmlDType::F32));
    }

    #[test]
    fn a_device_without_bf16_takes_f16_for_it_and_leaves_all_else() {
        for (dtype, found, expected) in [
            (BaseDtype::Auto, GgmlDType::BF16, Kept::As(GgmlDType::F16)),
            (BaseDtype::Bf16, GgmlDType::F32, Kept::As(GgmlDType::F16)),
            (BaseDtype::Auto, GgmlDType::Q4K, Kept::As(GgmlDType::Q4K)),
            (BaseDtype::F32, GgmlDType::BF16, Kept::As(GgmlDType::F32)),
            (BaseDtype::Q8, GgmlDType::BF16, Kept::Unquantised(GgmlDType::F16)),
        ] {
            assert_eq!(dtype.keep(found, 36, false), expected, "{dtype} of {found:?}");
        }
        assert_eq!(BaseDtype::Auto.keep(GgmlDType::BF16, 36, true), Kept::As(GgmlDType::BF16));
    }
}
