//! A model with an adapter merged into it, as one GGUF file: what llama.cpp and the programs built on it load.
//!
//! Names, row order and metadata are those that llama.cpp's `convert_hf_to_gguf.py` gives a Hugging Face folder. From a
//! GGUF base the metadata is carried over, and a tensor that the adapter does not touch is copied as it lies where its type
//! stays. Tensors go from file to file one at a time.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use candle_core::quantized::GgmlDType;
use candle_core::{Device, Tensor};
use gguf::{BlockType, Header, Model, NewTensor, Value, Writer};

use crate::base_dtype::BaseDtype;
use crate::config::{Config, EMBEDDING, OUTPUT_HEAD};
use crate::error::{Error, Result};
use crate::lora::adapter::Lora;
use crate::lora::weight::LoraWeight;
use crate::weights::{self, Source, as_in_file, changes_in_file, name_in_file, unreadable};
use crate::write::block_types::{self, Place, number_of};
use crate::write::encode::encode;
use crate::write::gguf_type::GgufType;
use crate::write::merge::{merge_rows, pieces};

/// Numbers that are merged and encoded at once.
const PIECE: usize = 1 << 20;

/// Keys that a new file must not take over from the file it was made from: they say how that one lies on the disk, or how
/// its blocks were made.
const NOT_CARRIED_OVER: [&str; 3] = ["general.alignment", "split.", "quantize.imatrix."];

/// Where the numbers of a tensor come from.
enum NumbersFrom {
    /// One of the base's files, as they lie: which file, from which byte on, and how many.
    Copied {
        file: usize,
        start: u64,
        bytes: u64,
    },
    /// The base's tensor with this Hugging Face name, and the name that an adapter on it would have.
    Computed {
        from: String,
        linear: Option<String>,
    },
    Given(Vec<f32>),
}

/// Writes the model at `base` with the adapter at `adapter` merged in to `path`, which appears whole or not at all.
/// `kept` is what the base's weights were kept as in training: an adapter that was trained on rounded weights goes into
/// these. `tokenizer` is the metadata of the tokenizer, for a base that is a folder. `progress` is told the bytes written and
/// those in all, and says whether to go on; false where it said no, and then there is no file.
///
/// # Errors
/// When base or adapter cannot be read or do not fit each other, a merged weight is not finite or too large for its type,
/// [`GgufType::AsBase`] is asked for and the base is no GGUF file, or the file cannot be written.
pub fn write(
    base: &Path,
    kept: BaseDtype,
    adapter: &Path,
    stored: GgufType,
    tokenizer: &BTreeMap<String, Value>,
    path: &Path,
    progress: &mut dyn FnMut(u64, u64) -> bool,
) -> Result<bool> {
    let source = weights::open(base, kept, &Device::Cpu)?;
    let lora = Lora::load(adapter, &source.config.linears(), &Device::Cpu)?;
    let adapted: Vec<&str> = lora.weights().iter().map(|weight| weight.name.as_str()).collect();
    let model = if base.is_dir() { None } else { Some(Model::open(base)?) };
    let (mut metadata, plan) = match &model {
        Some(model) => (carried_over(&model.header), plan_from_gguf(model, &source, &adapted, stored)?),
        None if stored == GgufType::AsBase => {
            let what = "its weights lie in safetensors, whose types GGUF files do not have";
            return Err(Error::config(base, what, "Choose f16, q8_0 or q4_k"));
        }
        None => {
            let mut metadata = source.config.to_gguf()?;
            metadata.extend(tokenizer.clone());
            metadata.insert("general.name".into(), Value::String(name_of(base, &metadata)));
            (metadata, plan_from_folder(&source, &adapted, stored))
        }
    };
    metadata.insert("general.quantization_version".into(), Value::U32(2));
    if let Some(file_type) = stored.file_type() {
        metadata.insert("general.file_type".into(), Value::U32(file_type));
    }
    let tensors: Vec<NewTensor> = plan.iter().map(|(tensor, _)| tensor.clone()).collect();
    let total: u64 = tensors.iter().map(NewTensor::bytes).sum::<std::result::Result<u64, _>>()?;
    let mut writer = Writer::create(path, &metadata, &tensors)?;
    let mut done = 0;
    for (tensor, numbers) in &plan {
        let mut append = |bytes: &[u8]| -> Result<bool> {
            writer.append(&tensor.name, bytes)?;
            done += bytes.len() as u64;
            Ok(progress(done, total))
        };
        let goes_on = match numbers {
            NumbersFrom::Copied { file, start, bytes } => copy(&source.files[*file], *start, *bytes, &mut append)?,
            NumbersFrom::Given(numbers) => append(&encode(numbers, tensor)?)?,
            NumbersFrom::Computed { from, linear } => {
                let weight = lora.weights().iter().find(|weight| Some(&weight.name) == linear.as_ref());
                compute(&source, tensor, from, weight, &mut append)?
            }
        };
        if !goes_on {
            return Ok(false);
        }
    }
    writer.finish()?;
    Ok(true)
}

/// The tensors of a model whose base is a Hugging Face folder.
fn plan_from_folder(source: &Source, adapted: &[&str], stored: GgufType) -> Vec<(NewTensor, NumbersFrom)> {
    let config = &source.config;
    let tied = config.tie_word_embeddings && !adapted.contains(&OUTPUT_HEAD);
    let mut plan = Vec::new();
    let merged = Config { tie_word_embeddings: tied, ..config.clone() };
    for (name, shape) in merged.tensors() {
        let in_file = name_in_file(config.architecture, &name);
        let place = Place { name: &in_file, row: shape[shape.len() - 1], axes: shape.len(), tied };
        let block_type = block_types::choose(&place, stored, config.num_hidden_layers);
        let linear = name.strip_suffix(".weight").map(str::to_string);
        let has_own = source.vars.contains_tensor(&name);
        let from = if has_own { name.clone() } else { EMBEDDING.to_string() };
        plan.push((NewTensor { name: in_file, shape, block_type }, NumbersFrom::Computed { from, linear }));
    }
    for (name, numbers) in config.rope_tensors() {
        let block_type = number_of(GgmlDType::F32);
        plan.push((NewTensor { name, shape: vec![numbers.len()], block_type }, NumbersFrom::Given(numbers)));
    }
    plan
}

/// The tensors of a model whose base is a GGUF file, in its order.
fn plan_from_gguf(
    model: &Model,
    source: &Source,
    adapted: &[&str],
    stored: GgufType,
) -> Result<Vec<(NewTensor, NumbersFrom)>> {
    let config = &source.config;
    let unties = config.tie_word_embeddings && adapted.contains(&OUTPUT_HEAD);
    let tied = config.tie_word_embeddings && !unties;
    let known: BTreeMap<String, String> =
        config.tensors().into_iter().map(|(name, _)| (name_in_file(config.architecture, &name), name)).collect();
    let choose = |in_file: &str, shape: &[usize], now: BlockType| {
        if stored == GgufType::AsBase {
            return now;
        }
        let row = shape.last().copied().unwrap_or(1);
        let place = Place { name: in_file, row, axes: shape.len(), tied };
        block_types::choose(&place, stored, config.num_hidden_layers)
    };
    let mut plan = Vec::new();
    for (at, info) in model.header.tensors.iter().enumerate() {
        let (file, start) = model.place(at);
        let copied = NumbersFrom::Copied { file, start, bytes: info.bytes };
        let new = |block_type| NewTensor { name: info.name.clone(), shape: info.shape.clone(), block_type };
        let Some(name) = known.get(&info.name) else {
            // What the forward pass does not need, and rotary divisors.
            plan.push((new(info.block_type), copied));
            continue;
        };
        let linear = name.strip_suffix(".weight").map(str::to_string);
        let block_type = choose(&info.name, &info.shape, info.block_type);
        if unties && name == EMBEDDING {
            let computed = NumbersFrom::Computed { from: EMBEDDING.into(), linear: Some(OUTPUT_HEAD.into()) };
            let name = name_in_file(config.architecture, &format!("{OUTPUT_HEAD}.weight"));
            let block_type = choose(&name, &info.shape, info.block_type);
            plan.push((NewTensor { name, shape: info.shape.clone(), block_type }, computed));
        }
        let is_adapted = linear.as_ref().is_some_and(|linear| adapted.contains(&linear.as_str()));
        let is_rounded = source.dtype().numbers() != BaseDtype::F32.numbers();
        if is_adapted || is_rounded || block_type != info.block_type {
            plan.push((new(block_type), NumbersFrom::Computed { from: name.clone(), linear }));
        } else {
            plan.push((new(block_type), copied));
        }
    }
    if let Some((tensor, _)) = plan.iter().find(|(tensor, _)| tensor.block_type.block_size().is_none()) {
        return Err(unreadable(&tensor.name, tensor.block_type));
    }
    Ok(plan)
}

/// Metadata of a GGUF base that is true of what is made from it.
fn carried_over(header: &Header) -> BTreeMap<String, Value> {
    let stays = |key: &str| !NOT_CARRIED_OVER.iter().any(|start| key.starts_with(start));
    header.metadata.iter().filter(|(key, _)| stays(key)).map(|(key, value)| (key.clone(), value.clone())).collect()
}

/// Reads a tensor, merges the adapter's part, and hands on the encoded rows in the order of the file.
fn compute(
    source: &Source,
    tensor: &NewTensor,
    from: &str,
    weight: Option<&LoraWeight>,
    append: &mut dyn FnMut(&[u8]) -> Result<bool>,
) -> Result<bool> {
    let frozen = source.vars.get(tensor.shape.as_slice(), from)?;
    let rows = tensor.shape[0];
    let width = frozen.elem_count() / rows;
    let merged = |start: usize, rows: usize| -> Result<Tensor> {
        let piece = frozen.narrow(0, start, rows)?;
        match weight {
            Some(weight) => merge_rows(&piece, weight, start),
            None => Ok(piece),
        }
    };
    // What lies otherwise in the file is queries, keys and norms, which are among the smaller tensors.
    if changes_in_file(&source.config, from) {
        let in_file = as_in_file(&source.config, from, &merged(0, rows)?)?;
        return append(&encode(&in_file.flatten_all()?.to_vec1::<f32>()?, tensor)?);
    }
    for (start, rows) in pieces(rows, PIECE / width) {
        let numbers = merged(start, rows)?.flatten_all()?.to_vec1::<f32>()?;
        if !append(&encode(&numbers, tensor)?)? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Hands on bytes of the file at `path` as they are.
fn copy(path: &Path, start: u64, bytes: u64, append: &mut dyn FnMut(&[u8]) -> Result<bool>) -> Result<bool> {
    let mut file = File::open(path).map_err(Error::io(path))?;
    file.seek(SeekFrom::Start(start)).map_err(Error::io(path))?;
    let mut buffer = vec![0; bytes.min(1 << 20) as usize];
    let mut left = bytes;
    while left > 0 {
        let piece = &mut buffer[..left.min(1 << 20) as usize];
        file.read_exact(piece).map_err(Error::io(path))?;
        if !append(piece)? {
            return Ok(false);
        }
        left -= piece.len() as u64;
    }
    Ok(true)
}

/// The name that the file is to have: the base's. llama.cpp takes every model called Phi-3 for one with Phi-3's
/// `SentencePiece` tokenizer, whose special tokens swallow the white space after them, and no other (`llama-vocab.cpp`).
fn name_of(base: &Path, metadata: &BTreeMap<String, Value>) -> String {
    let name = base.file_name().map_or_else(|| "model".to_string(), |name| name.to_string_lossy().into_owned());
    let text = |key: &str| metadata.get(key).and_then(Value::as_str);
    let is_phi_3 = text("general.architecture") == Some("phi3") && text("tokenizer.ggml.model") == Some("llama");
    let is_called_so = ["phi-3", "phi3"].iter().any(|called| name.to_lowercase().contains(called));
    match (is_phi_3, is_called_so) {
        (true, false) => format!("Phi-3 {name}"),
        (false, true) => "model".to_string(),
        _ => name,
    }
}

#[cfg(test)]
mod tests;
