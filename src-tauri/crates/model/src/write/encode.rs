//! Numbers as the bytes of a block type.

use gguf::NewTensor;

use crate::error::{Error, Result};
use crate::weights::{FloatType, ggml_type, unreadable};
use kernels::blocks;

/// Encodes whole rows of `tensor`.
pub(super) fn encode(numbers: &[f32], tensor: &NewTensor) -> Result<Vec<u8>> {
    if !numbers.iter().all(|number| number.is_finite()) {
        return Err(Error::NonFinite { what: format!("a merged weight of \"{}\"", tensor.name) });
    }
    let float = match tensor.block_type.name().as_ref() {
        "F32" => Some(FloatType::F32),
        "F16" => Some(FloatType::F16),
        "BF16" => Some(FloatType::Bf16),
        _ => None,
    };
    if let Some(float) = float {
        if let Some(value) = float.first_too_large(numbers) {
            return Err(Error::TooLarge { name: tensor.name.clone(), value, dtype: float.name() });
        }
        let mut bytes = Vec::new();
        float.encode(numbers, &mut bytes);
        return Ok(bytes);
    }
    let unknown = || unreadable(&tensor.name, tensor.block_type);
    let block = ggml_type(tensor.block_type).ok_or_else(unknown)?;
    Ok(blocks::encode(block, numbers)?)
}
