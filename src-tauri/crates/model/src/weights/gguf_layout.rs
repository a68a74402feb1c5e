//! How the tensors of a Hugging Face model lie in a GGUF file, for writing one: the way back of `gguf_file`.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use candle_core::{DType, Device, Tensor};
use gguf::{Header, TensorInfo};

use super::gguf_file::rows_of_hugging_face;
use crate::config::Config;
use crate::error::{Error, Result};

/// The heads whose rows llama.cpp interleaves in the tensor with the Hugging Face name `name`.
fn interleaved_heads(config: &Config, name: &str) -> Option<usize> {
    if !config.architecture.interleaves_rows_in_gguf() {
        None
    } else if name.contains(".q_proj.") {
        Some(config.num_attention_heads)
    } else if name.contains(".k_proj.") {
        Some(config.num_key_value_heads)
    } else {
        None
    }
}

/// Whether the numbers are larger by one in the file: norms of Gemma.
fn is_one_more(config: &Config, name: &str) -> bool {
    config.architecture.norms_from_one() && name.ends_with("norm.weight")
}

/// Whether the numbers of the tensor with the Hugging Face name `name` are others, or in another order, in a GGUF file.
pub(crate) fn changes_in_file(config: &Config, name: &str) -> bool {
    interleaved_heads(config, name).is_some() || is_one_more(config, name)
}

/// The tensor with the Hugging Face name `name` as it lies in a GGUF file.
pub(crate) fn as_in_file(config: &Config, name: &str, tensor: &Tensor) -> Result<Tensor> {
    let tensor = rows_as_in_file(config, name, tensor)?;
    Ok(if is_one_more(config, name) { (tensor + 1.0)? } else { tensor })
}

/// The rows of a tensor in the order of a GGUF file; also those of an adapter's `B` on this tensor.
pub(crate) fn rows_as_in_file(config: &Config, name: &str, tensor: &Tensor) -> candle_core::Result<Tensor> {
    let Some(heads) = interleaved_heads(config, name) else { return Ok(tensor.clone()) };
    let shape = tensor.shape().clone();
    let rest: usize = shape.dims()[1..].iter().product();
    let half = shape.dims()[0] / heads / 2;
    tensor.contiguous()?.reshape((heads, 2, half, rest))?.transpose(1, 2)?.contiguous()?.reshape(shape)
}

/// The way back of [`rows_as_in_file`].
pub(crate) fn rows_of_file(config: &Config, name: &str, tensor: &Tensor) -> candle_core::Result<Tensor> {
    match interleaved_heads(config, name) {
        Some(heads) => rows_of_hugging_face(tensor, heads),
        None => Ok(tensor.clone()),
    }
}

/// Reads a tensor of plain floats from the file at `path`, as it lies there.
pub(crate) fn read_floats(path: &Path, header: &Header, info: &TensorInfo) -> Result<Tensor> {
    let dtype = match info.block_type.name().as_ref() {
        "F32" => DType::F32,
        "F16" => DType::F16,
        "BF16" => DType::BF16,
        other => return Err(Error::BlockType { tensor: info.name.clone(), block: other.to_string() }),
    };
    // The header has been checked: the tensor lies inside the file.
    let mut bytes = vec![0; info.bytes as usize];
    let mut file = File::open(path).map_err(Error::io(path))?;
    file.seek(SeekFrom::Start(header.data_offset + info.offset)).map_err(Error::io(path))?;
    file.read_exact(&mut bytes).map_err(Error::io(path))?;
    Ok(Tensor::from_raw_buffer(&bytes, dtype, &info.shape, &Device::Cpu)?.to_dtype(DType::F32)?)
}
