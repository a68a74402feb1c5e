//! An adapter as a GGUF file, as llama.cpp's `convert_lora_to_gguf.py` writes it: `--lora` of llama.cpp, `ADAPTER` of an
//! Ollama Modelfile.
//!
//! For each linear there are two tensors, its name in a GGUF model with `.lora_a` (`[r, in]`) and `.lora_b` (`[out, r]`)
//! after it. llama.cpp scales by `adapter.lora.alpha / r`, with one alpha for all: where linears are scaled otherwise, that
//! is in `B`. It knows no DoRA.

use std::collections::BTreeMap;
use std::path::Path;

use candle_core::{DType, Device, Tensor};
use gguf::{BlockType, NewTensor, Value, Writer};

use crate::base_dtype::BaseDtype;
use crate::config::{Config, OUTPUT_HEAD};
use crate::error::{Error, Result};
use crate::lora::adapter::Lora;
use crate::lora::config::{LoraConfig, TargetModules, last_parts};
use crate::lora::patterns::Patterns;
use crate::lora::weight::LoraWeight;
use crate::weights::{self, name_in_file, read_floats, rows_as_in_file, rows_of_file};

const ALPHA: &str = "adapter.lora.alpha";
const F32: BlockType = BlockType(0);

/// Writes the adapter at `adapter` for the model at `base` to `path`, which appears whole or not at all.
///
/// # Errors
/// When base or adapter cannot be read or do not fit each other, the adapter changes an output head that is the embedding
/// too, or the file cannot be written.
pub fn write(base: &Path, adapter: &Path, path: &Path) -> Result<()> {
    let config = weights::open(base, BaseDtype::Auto, &Device::Cpu)?.config;
    let lora = Lora::load(adapter, &config.linears(), &Device::Cpu)?;
    if config.tie_word_embeddings && lora.weights().iter().any(|weight| weight.name == OUTPUT_HEAD) {
        let what = "it changes the output head, which in this model is the embedding too and has no place of its own in \
                    a GGUF adapter";
        return Err(Error::adapter(adapter, what, "Export the merged model instead"));
    }
    if lora.config().use_dora {
        let what = "it is a DoRA adapter, which a GGUF file cannot hold: it has no place for magnitudes";
        return Err(Error::adapter(adapter, what, "Export the merged model instead"));
    }
    let alpha = lora.weights().first().map_or(1.0, |weight| weight.scale * weight.rank() as f64);
    let mut tensors = Vec::new();
    for weight in lora.weights() {
        let hugging_face = format!("{}.weight", weight.name);
        let name = name_in_file(config.architecture, &hugging_face);
        let b = rows_as_in_file(&config, &hugging_face, &weight.b)?;
        let factor = weight.scale * weight.rank() as f64 / alpha;
        let b = if (factor - 1.0).abs() < 1e-12 { b } else { (b * factor)? };
        tensors.push((format!("{name}.lora_a"), weight.a.clone()));
        tensors.push((format!("{name}.lora_b"), b));
    }
    let text = |text: &str| Value::String(text.to_string());
    let metadata = BTreeMap::from([
        ("general.architecture".to_string(), text(config.architecture.gguf_name())),
        ("general.type".to_string(), text("adapter")),
        ("general.file_type".to_string(), Value::U32(0)),
        ("adapter.type".to_string(), text("lora")),
        (ALPHA.to_string(), Value::F32(alpha as f32)),
    ]);
    let new = |(name, tensor): &(String, Tensor)| NewTensor {
        name: name.clone(),
        shape: tensor.dims().to_vec(),
        block_type: F32,
    };
    let mut writer = Writer::create(path, &metadata, &tensors.iter().map(new).collect::<Vec<_>>())?;
    for (name, tensor) in &tensors {
        let numbers = tensor.to_dtype(DType::F32)?.flatten_all()?.to_vec1::<f32>()?;
        let bytes: Vec<u8> = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
        writer.append(name, &bytes)?;
    }
    Ok(writer.finish()?)
}

/// Reads an adapter that [`write`] or llama.cpp's converter wrote for a model with this configuration.
///
/// # Errors
/// When the file is no LoRA adapter, is for another architecture, or its tensors do not fit the model's linears.
pub fn read(path: &Path, config: &Config, device: &Device) -> Result<Lora> {
    let model = gguf::Model::open(path)?;
    let header = &model.header;
    let refuse = |what: String| Error::adapter(path, what, "Export it again");
    let text = |key: &str| header.metadata.get(key).and_then(Value::as_str).unwrap_or_default();
    if (text("general.type"), text("adapter.type")) != ("adapter", "lora") {
        return Err(refuse("this GGUF file is no LoRA adapter".into()));
    }
    if text("general.architecture") != config.architecture.gguf_name() {
        return Err(refuse(format!("it is for the architecture \"{}\"", text("general.architecture"))));
    }
    let alpha = header.metadata.get(ALPHA).and_then(Value::as_f64);
    let alpha = alpha.ok_or_else(|| refuse(format!("{ALPHA} is missing")))?;
    let mut weights: Vec<LoraWeight> = Vec::new();
    for linear in config.linears() {
        let hugging_face = format!("{}.weight", linear.name);
        let name = name_in_file(config.architecture, &hugging_face);
        let find = |half: &str| header.tensors.iter().position(|info| info.name == format!("{name}.{half}"));
        let (Some(a), Some(b)) = (find("lora_a"), find("lora_b")) else { continue };
        let (at_a, at_b) = (a, b);
        let (a, b) = (&header.tensors[a], &header.tensors[b]);
        let r = a.shape.first().copied().unwrap_or(0);
        if a.shape != [r, linear.in_features] || b.shape != [linear.out_features, r] || r == 0 {
            return Err(refuse(format!("{name} has the shapes {:?} and {:?}", a.shape, b.shape)));
        }
        let b = rows_of_file(config, &hugging_face, &read_floats(&model, at_b)?)?;
        let a = read_floats(&model, at_a)?;
        let (a, b, scale) = (a.to_device(device)?, b.to_device(device)?, alpha / r as f64);
        weights.push(LoraWeight::new(linear.name, a, b, scale));
    }
    if 2 * weights.len() != header.tensors.len() {
        return Err(refuse(format!(
            "it holds {} tensors, of which the model knows {}",
            header.tensors.len(),
            2 * weights.len()
        )));
    }
    let r = weights.first().map_or(1, LoraWeight::rank);
    let others = weights.iter().filter(|weight| weight.rank() != r);
    let rank_pattern = Patterns(others.map(|weight| (weight.name.replace('.', r"\."), weight.rank())).collect());
    let names = last_parts(weights.iter().map(|weight| weight.name.as_str())).into_iter().map(str::to_string).collect();
    let target_modules = TargetModules::Names(names);
    let settings = LoraConfig { r, lora_alpha: alpha, target_modules, rank_pattern, ..LoraConfig::default() };
    Ok(Lora::new(settings, weights, &config.linears()))
}

#[cfg(test)]
mod tests;
