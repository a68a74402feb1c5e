//! A model with an adapter merged into it, as a Hugging Face folder: what a program loads that knows nothing of adapters.
//!
//! A linear with an adapter becomes `W + s · B A`, with DoRA each row then brought to its magnitude, computed in f32 and
//! rounded once to the type that is stored; every other weight is the one that was trained on, a GGUF file's decoded blocks included. Weights go from
//! file to file tensor by tensor, each in pieces: beyond the adapter, memory holds little more than the largest tensor.

use std::io::Write;
use std::path::Path;

use candle_core::{Device, Tensor};
use serde_json::{Map, Value, json};

use crate::base_dtype::BaseDtype;
use crate::config::{Config, EMBEDDING, OUTPUT_HEAD};
use crate::error::{Error, Result};
use crate::lora::adapter::Lora;
use crate::lora::weight::LoraWeight;
use crate::weights::{self, FloatType, Kind, Source};

/// How the work is cut up.
#[derive(Clone, Copy)]
struct Sizes {
    /// Bytes above which another file is begun.
    file: u64,
    /// Numbers that are merged at once.
    piece: usize,
}

/// Files as large as those that transformers 4 writes.
const SIZES: Sizes = Sizes { file: 5_000_000_000, piece: 1 << 20 };

const CONFIG: &str = "config.json";

/// The type that the weights of a Hugging Face folder are stored in, as its `config.json` says; none for a GGUF file,
/// and where it does not say.
///
/// # Errors
/// When `config.json` cannot be read.
pub fn stored_type(base: &Path) -> Result<Option<FloatType>> {
    if !base.is_dir() {
        return Ok(None);
    }
    let config = read_config(base)?;
    let named = |key| config.get(key).and_then(Value::as_str);
    let name = named("dtype").or(named("torch_dtype"));
    Ok(FloatType::ALL.into_iter().find(|dtype| name == Some(dtype.name_in_config())))
}

/// Writes `config.json` and the weights of the model at `base` with the adapter at `adapter` merged in, into `folder`,
/// which must be there. `kept` is what the base's weights were kept as in training: an adapter that was trained on rounded
/// weights goes into these. `progress` is told the bytes written and those in all, and says whether to go on; false where it
/// said no, and then the folder is not complete.
///
/// An adapter on the output head of a model whose head is its embedding unties the two: the adapter changes the head
/// alone. So does a base that holds another head than its `config.json` says.
///
/// # Errors
/// When base or adapter cannot be read or do not fit each other, a merged weight is not finite or too large for the
/// type, the model cannot be described by a `config.json`, or the folder cannot be written.
pub fn write(
    base: &Path,
    kept: BaseDtype,
    adapter: &Path,
    dtype: FloatType,
    folder: &Path,
    progress: &mut dyn FnMut(u64, u64) -> bool,
) -> Result<bool> {
    write_in(SIZES, base, kept, adapter, dtype, folder, progress)
}

fn write_in(
    sizes: Sizes,
    base: &Path,
    kept: BaseDtype,
    adapter: &Path,
    dtype: FloatType,
    folder: &Path,
    progress: &mut dyn FnMut(u64, u64) -> bool,
) -> Result<bool> {
    let source = weights::open(base, kept, &Device::Cpu)?;
    let lora = Lora::load(adapter, &source.config.linears(), &Device::Cpu)?;
    let untied = source.config.tie_word_embeddings && lora.weights().iter().any(|weight| weight.name == OUTPUT_HEAD);
    let config = config_of(base, &source, untied, dtype)?;
    write_json(&folder.join(CONFIG), &Value::Object(config))?;

    let merged = Config { tie_word_embeddings: source.config.tie_word_embeddings && !untied, ..source.config.clone() };
    let shards = weights::shards(merged.tensors(), dtype, sizes.file);
    if shards.len() > 1 {
        write_json(&folder.join("model.safetensors.index.json"), &weights::index(&shards, dtype))?;
    }
    let total = shards.iter().map(|shard| shard.bytes(dtype)).sum();
    let mut done = 0;
    for shard in &shards {
        let mut file = shard.create(folder, dtype)?;
        for (name, shape) in &shard.tensors {
            let of = if untied && name.strip_suffix(".weight") == Some(OUTPUT_HEAD) { EMBEDDING } else { name };
            let frozen = source.vars.get(shape.as_slice(), of)?;
            let adapted = lora.weights().iter().find(|w| Some(w.name.as_str()) == name.strip_suffix(".weight"));
            let width = frozen.elem_count() / shape[0];
            for (start, rows) in pieces(shape[0], sizes.piece / width) {
                let piece = frozen.narrow(0, start, rows)?;
                let piece = match adapted {
                    Some(weight) => merge_rows(&piece, weight, start)?,
                    None => piece,
                };
                let numbers = piece.flatten_all()?.to_vec1::<f32>()?;
                file.append(name, &numbers)?;
                done += numbers.len() as u64 * dtype.size();
                if !progress(done, total) {
                    return Ok(false);
                }
            }
        }
        file.finish()?;
    }
    Ok(true)
}

/// First row and number of rows of each piece of a tensor, at most `most` rows, but at least one.
pub(crate) fn pieces(rows: usize, most: usize) -> impl Iterator<Item = (usize, usize)> {
    let most = most.max(1);
    (0..rows).step_by(most).map(move |start| (start, most.min(rows - start)))
}

/// `W + s · B A` for the rows of a linear from `start` on; with DoRA (arXiv 2402.09353, Eq. 5) each divided by its norm and
/// multiplied by its magnitude.
pub(crate) fn merge_rows(rows: &Tensor, weight: &LoraWeight, start: usize) -> Result<Tensor> {
    let count = rows.dims()[0];
    let delta = weight.b.narrow(0, start, count)?.contiguous()?.matmul(&weight.a)?;
    let adapted = (rows + (delta * weight.scale)?)?;
    match &weight.magnitude {
        None => Ok(adapted),
        Some(magnitude) => {
            let norm = adapted.sqr()?.sum_keepdim(1)?.sqrt()?;
            Ok(adapted.broadcast_mul(&(magnitude.narrow(0, start, count)?.unsqueeze(1)? / norm)?)?)
        }
    }
}

/// The base's own `config.json`, or one for a GGUF file, changed where the merged weights are others.
fn config_of(base: &Path, source: &Source, untied: bool, dtype: FloatType) -> Result<Map<String, Value>> {
    let mut config = match source.kind {
        Kind::Safetensors => read_config(base)?,
        Kind::Gguf | Kind::Random => source.config.to_hugging_face()?,
    };
    // transformers 5 calls it `dtype`, and reads the older name as well as versions 4 do.
    let key = if config.contains_key("dtype") { "dtype" } else { "torch_dtype" };
    config.insert(key.into(), json!(dtype.name_in_config()));
    if key == "dtype" && config.contains_key("torch_dtype") {
        config.insert("torch_dtype".into(), json!(dtype.name_in_config()));
    }
    if untied || source.untied {
        config.insert("tie_word_embeddings".into(), json!(false));
    }
    Ok(config)
}

fn read_config(folder: &Path) -> Result<Map<String, Value>> {
    let path = folder.join(CONFIG);
    let text = std::fs::read_to_string(&path).map_err(Error::io(&path))?;
    serde_json::from_str(&text)
        .map_err(|error| Error::config(&path, format!("it is not a JSON object: {error}"), "Download the model again"))
}

fn write_json(path: &Path, value: &Value) -> Result<()> {
    let save = || -> std::io::Result<()> {
        let mut file = std::fs::File::create(path)?;
        writeln!(file, "{value:#}")?;
        file.sync_all()
    };
    save().map_err(Error::io(path))
}

#[cfg(test)]
mod tests;
