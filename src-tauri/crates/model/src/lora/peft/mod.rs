//! `LoRA` adapters in PEFT's format: `adapter_config.json` beside `adapter_model.safetensors`.
//!
//! Reading refuses, by name, every setting that would change the mathematics and is not implemented, and every tensor
//! that is missing, superfluous or of the wrong shape: an adapter that loads in part would be another adapter. A matrix of
//! the base that the file brings along must be the base's own.

mod copies;
mod names;
mod narrowed;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use candle_core::{DType, Device, Tensor};
use safetensors::Dtype;
use safetensors::tensor::TensorView;
use serde_json::{Map, Value, json};

use crate::config::LinearShape;
use crate::error::{Error, Result};
use crate::lora::config::{LoraConfig, TargetModules, last_parts};
use crate::lora::patterns::Patterns;
use crate::lora::weight::LoraWeight;
use crate::weights::SafetensorsFile;
pub(crate) use copies::{BaseCopy, Own};
use names::Names;
use narrowed::Narrowed;

const CONFIG: &str = "adapter_config.json";
const WEIGHTS: &str = "adapter_model.safetensors";

/// What PEFT puts before the name of a module of the model.
const PREFIX: &str = "base_model.model.";
const A: &str = "lora_A.weight";
const B: &str = "lora_B.weight";
const MAGNITUDE: &str = "lora_magnitude_vector";

/// An adapter as read from its folder.
#[derive(Debug)]
pub struct Read {
    /// f32, in the order of the model's linears.
    pub weights: Vec<LoraWeight>,
    /// Ranks, scales, dropout and targets.
    pub config: LoraConfig,
    /// The model that the adapter was made for, in its maker's words.
    pub base_model_name_or_path: Option<String>,
    /// Matrices of the base that the file brings along, to be compared with the base's own.
    pub(crate) copies: Vec<BaseCopy>,
}

/// Settings of PEFT (0.21) that do not touch the forward pass of a finished adapter.
const HARMLESS: &[&str] = &[
    "auto_mapping",
    "ensure_weight_tying",
    "inference_mode",
    "megatron_core",
    "peft_version",
    "qalora_group_size",
    "revision",
    "runtime_config",
];

/// Settings that are understood only when off (`null`, `false`, or empty), and what they would do.
const MUST_BE_OFF: &[(&str, &str)] = &[
    ("use_qalora", "quantisation-aware adapters are not implemented"),
    ("use_bdlora", "block-diagonal adapters are not implemented"),
    ("modules_to_save", "modules trained in full are not implemented"),
    ("fan_in_fan_out", "transposed weights are not implemented"),
    ("target_parameters", "adapters on bare parameters are not implemented"),
    ("trainable_token_indices", "trained token embeddings are not implemented"),
    ("layer_replication", "repeated layers are not implemented"),
    ("lora_bias", "biases in the adapter are not implemented"),
    ("megatron_config", "parallel linears of Megatron are not implemented"),
    ("alora_invocation_tokens", "adapters that start in the middle of a text are not implemented"),
    ("corda_config", "the base weights were changed when the adapter was started"),
    ("loftq_config", "the base weights were changed when the adapter was started"),
];

/// Ways to start `A` and `B` that leave the base weights as they are; the others change the base.
const PLAIN_STARTS: &[&str] = &["gaussian", "orthogonal", "eva"];

/// Reads the adapter in the folder `dir` for a model with these linears, as f32 onto `device`.
///
/// The linears that carry weights are told by the tensors, and `target_modules` must agree, with what other settings leave
/// out of it; these are then replaced by the names of the linears. So is a regular expression that only Python understands.
///
/// # Errors
/// [`Error::Io`] when a file is missing; [`Error::Adapter`] when the folder is not a `LoRA` adapter for this model or
/// asks for what is not implemented; [`Error::NonFinite`] when a weight is NaN or infinite.
pub fn read(dir: &Path, linears: &[LinearShape], device: &Device) -> Result<Read> {
    let path = dir.join(CONFIG);
    let Settings { mut config, narrowed, base_model_name_or_path } = read_settings(&path)?;

    let weights_path = dir.join(WEIGHTS);
    if !weights_path.is_file() && dir.join("adapter_model.bin").is_file() {
        let hint = "PyTorch pickles can run code and are never read; save the adapter with safe_serialization=True";
        return Err(Error::adapter(dir, format!("it holds adapter_model.bin but no {WEIGHTS}"), hint));
    }
    let file = Arc::new(SafetensorsFile::open(&weights_path)?);
    let named = Names::of(file.names()).map_err(|(one, other)| {
        let what = format!("its tensors \"{one}\" and \"{other}\" leave open which linear of the model is meant");
        Error::adapter(&weights_path, what, "Save it again with PEFT's save_pretrained")
    })?;
    let mut names: BTreeSet<&String> = named.in_file.keys().collect();
    // The settings call the linears as the tensors do.
    let in_settings: Vec<LinearShape> =
        linears.iter().map(|linear| LinearShape { name: named.in_settings(&linear.name), ..linear.clone() }).collect();
    let present: Vec<&LinearShape> = linears
        .iter()
        .filter(|linear| {
            named.in_file.contains_key(&key(&linear.name, A)) || named.in_file.contains_key(&key(&linear.name, B))
        })
        .collect();

    if let TargetModules::Pattern(_) = &config.target_modules
        && config.check().is_err()
    {
        let names = present.iter().map(|linear| named.in_settings(&linear.name)).collect();
        config.target_modules = TargetModules::Names(names);
    }
    let of_this = |error| match error {
        Error::Lora { what, hint } => Error::Adapter { path: path.clone(), what, hint },
        other => other,
    };
    let mut resolved = config.resolve(&in_settings).map_err(of_this)?;
    if narrowed.is_on() || named.language.is_some() {
        resolved.retain(|&place| {
            let name = &in_settings[place].name;
            narrowed.keeps(name, &config.target_modules).unwrap_or_else(|| present.contains(&&linears[place]))
        });
        let mut names: Vec<String> = resolved.iter().map(|&place| linears[place].name.clone()).collect();
        names.sort();
        config.target_modules = TargetModules::Names(names);
        // Refused where nothing is left.
        config.resolve(linears).map_err(of_this)?;
    }
    let mut weights = Vec::with_capacity(resolved.len());
    for place in resolved {
        let (linear, in_settings) = (&linears[place], &in_settings[place].name);
        let mut part = |part: &str, shape: &[usize]| -> Result<Tensor> {
            let name = key(&linear.name, part);
            names.remove(&name);
            let name = named.in_file.get(&name).unwrap_or(&name);
            file.check(name, shape)?;
            let tensor = file.tensor(name, device)?;
            // Zero times a number is zero unless the number is NaN or infinite.
            let sum = (&tensor * 0.0)?.sum_all()?.to_scalar::<f32>()?;
            if sum == 0.0 { Ok(tensor) } else { Err(Error::NonFinite { what: format!("a value of \"{name}\"") }) }
        };
        let rank = config.rank_of(in_settings);
        // From now on the linear has its name here.
        let other = |one: f64| (one - config.scale_of(in_settings)).abs() > 0.0;
        if rank != config.rank_of(&linear.name) || other(config.scale_of(&linear.name)) {
            let what =
                format!("its rank_pattern or alpha_pattern names \"{in_settings}\", which is \"{}\" here", linear.name);
            return Err(Error::adapter(&path, what, "Name it so in the patterns"));
        }
        let a = part(A, &[rank, linear.in_features])?;
        let b = part(B, &[linear.out_features, rank])?;
        let magnitude = config.use_dora.then(|| part(MAGNITUDE, &[linear.out_features])).transpose()?;
        let weight = LoraWeight::new(linear.name.as_str(), a, b, config.scale_of(&linear.name));
        weights.push(LoraWeight { magnitude, ..weight });
    }
    let mut copies = Vec::new();
    for name in &names {
        let name_in_file = &named.in_file[*name];
        let Some(copy) = BaseCopy::of(&file, &weights_path, name, name_in_file) else {
            let what = format!("its tensor \"{name_in_file}\" belongs to no linear that it targets in this model");
            return Err(Error::adapter(&weights_path, what, "Was the adapter trained on another model?"));
        };
        copies.push(copy);
    }
    Ok(Read { weights, config, base_model_name_or_path, copies })
}

/// The settings of the adapter in the folder `dir`, without its weights.
///
/// # Errors
/// As [`read`].
pub fn read_config(dir: &Path) -> Result<LoraConfig> {
    Ok(read_settings(&dir.join(CONFIG))?.config)
}

fn read_settings(path: &Path) -> Result<Settings> {
    let text = std::fs::read_to_string(path).map_err(Error::io(path))?;
    let map: Map<String, Value> = serde_json::from_str(&text).map_err(|error| {
        Error::adapter(path, format!("it is not a JSON object: {error}"), "Copy or download the adapter again")
    })?;
    settings(map, path)
}

/// PEFT's name for a part of the adapter on a linear.
fn key(linear: &str, part: &str) -> String {
    format!("{PREFIX}{linear}.{part}")
}

/// The model that an adapter says it was trained on, by the name or path that it gives; nothing where it gives none.
pub fn base_of(adapter: &Path) -> Option<String> {
    let text = std::fs::read_to_string(adapter.join(CONFIG)).ok()?;
    let config: serde_json::Value = serde_json::from_str(&text).ok()?;
    config.get("base_model_name_or_path")?.as_str().filter(|base| !base.is_empty()).map(str::to_owned)
}

/// What `adapter_config.json` says, as far as it matters.
struct Settings {
    config: LoraConfig,
    narrowed: Narrowed,
    base_model_name_or_path: Option<String>,
}

/// Takes the settings out of the JSON object and refuses what is left and not off.
fn settings(mut map: Map<String, Value>, path: &Path) -> Result<Settings> {
    let unsupported = |field: &str, value: &Value, why: &str| {
        Error::adapter(path, format!("it sets {field} = {value}, which is not supported"), sentence(why))
    };
    let wrong = |field: &str, value: Option<Value>, wanted: &str| {
        let value = value.map_or("missing".to_string(), |value| value.to_string());
        Error::adapter(path, format!("{field} is {value} where {wanted} is needed"), "Is the file damaged?")
    };
    let expect = |field: &str, found: Option<Value>, wanted: &[Value], why: &str| match found {
        Some(value) if !wanted.contains(&value) => Err(unsupported(field, &value, why)),
        _ => Ok(()),
    };
    let kind = map.remove("peft_type").unwrap_or(Value::Null);
    expect("peft_type", Some(kind), &[json!("LORA")], "only LoRA adapters can be read")?;
    let task = map.remove("task_type");
    expect("task_type", task, &[json!("CAUSAL_LM"), Value::Null], "only language models are supported")?;
    expect("bias", map.remove("bias"), &[json!("none"), Value::Null], "trained biases are not implemented")?;
    match map.remove("init_lora_weights") {
        None | Some(Value::Bool(_) | Value::Null) => {}
        Some(Value::String(start)) if PLAIN_STARTS.contains(&start.as_str()) => {}
        Some(other) => {
            let why = "the base weights were changed when the adapter was started; convert it to plain LoRA with PEFT";
            return Err(unsupported("init_lora_weights", &other, why));
        }
    }
    let r = map.remove("r");
    let r = r
        .as_ref()
        .and_then(Value::as_u64)
        .and_then(|r| usize::try_from(r).ok())
        .ok_or_else(|| wrong("r", r, "a whole number of at least 1"))?;
    let alpha = map.remove("lora_alpha");
    let lora_alpha = alpha.as_ref().and_then(Value::as_f64).ok_or_else(|| wrong("lora_alpha", alpha, "a number"))?;
    let lora_dropout = match map.remove("lora_dropout") {
        None | Some(Value::Null) => 0.0,
        Some(value) => value.as_f64().ok_or_else(|| wrong("lora_dropout", Some(value), "a number"))?,
    };
    let target_modules = match map.remove("target_modules") {
        Some(Value::String(word)) => TargetModules::of_word(word),
        Some(value) => match serde_json::from_value::<Vec<String>>(value.clone()) {
            Ok(mut names) => {
                // PEFT keeps a set, written in any order.
                names.sort();
                TargetModules::Names(names)
            }
            Err(_) => return Err(wrong("target_modules", Some(value), "a list of names")),
        },
        None => return Err(wrong("target_modules", None, "a list of names")),
    };
    let narrowed = Narrowed::take(&mut map).map_err(|(field, value, wanted)| wrong(field, Some(value), wanted))?;
    let mut flag = |field: &str| match map.remove(field) {
        None | Some(Value::Null) => Ok(false),
        Some(Value::Bool(on)) => Ok(on),
        other => Err(wrong(field, other, "true or false")),
    };
    let (use_rslora, use_dora) = (flag("use_rslora")?, flag("use_dora")?);
    let rank_pattern =
        patterns(&mut map, "rank_pattern").map_err(|v| wrong("rank_pattern", Some(v), "ranks by name"))?;
    let alpha_pattern =
        patterns(&mut map, "alpha_pattern").map_err(|v| wrong("alpha_pattern", Some(v), "numbers by name"))?;
    let config =
        LoraConfig { r, lora_alpha, lora_dropout, target_modules, use_rslora, use_dora, rank_pattern, alpha_pattern };
    let base_model_name_or_path = match map.remove("base_model_name_or_path") {
        Some(Value::String(name)) => Some(name),
        _ => None,
    };
    for (field, value) in &map {
        let off = match value {
            Value::Null | Value::Bool(false) => true,
            Value::Array(list) => list.is_empty(),
            Value::Object(map) => map.is_empty(),
            _ => false,
        };
        if off || HARMLESS.contains(&field.as_str()) {
            continue;
        }
        let why = MUST_BE_OFF.iter().find(|(name, _)| name == field).map_or(
            "the setting is unknown and may change what the adapter computes; remove it if it does not",
            |(_, why)| why,
        );
        return Err(unsupported(field, value, why));
    }
    Ok(Settings { config, narrowed, base_model_name_or_path })
}

/// A table of patterns, empty where there is none; the value itself where it is something else.
fn patterns<T: serde::de::DeserializeOwned>(
    map: &mut Map<String, Value>,
    field: &str,
) -> std::result::Result<Patterns<T>, Value> {
    match map.remove(field) {
        None | Some(Value::Null) => Ok(Patterns::default()),
        Some(value) => serde_json::from_value(value.clone()).map_err(|_| value),
    }
}

/// `text` with a capital at its start.
fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

/// Writes an adapter into the folder `dir` as PEFT does, creating the folder where needed, as f32.
///
/// Each file is written whole beside its place, synced and renamed into it, the weights before the configuration.
/// `"all-linear"` is written as the list of module names that it stands for, which every reader understands.
///
/// # Errors
/// [`Error::Adapter`] when a shape does not fit the rank; [`Error::NonFinite`] when a weight is NaN or infinite;
/// [`Error::Io`] when the folder cannot be written or the disk is full. What was there before is then still there.
pub fn write(dir: &Path, weights: &[LoraWeight], config: &LoraConfig, base_model_name: &str) -> Result<()> {
    config.check()?;
    let mut tensors: BTreeMap<String, (Vec<usize>, Vec<u8>)> = BTreeMap::new();
    for weight in weights {
        let rank = config.rank_of(&weight.name);
        let fits = weight.a.dims().first() == Some(&rank)
            && weight.b.dims().get(1) == Some(&rank)
            && weight.magnitude.is_some() == config.use_dora;
        if !fits {
            let (a, b) = (weight.a.dims(), weight.b.dims());
            let what = format!("the factors of \"{}\", {a:?} and {b:?}, do not fit the rank {rank}", weight.name);
            return Err(Error::adapter(dir, what, "This is a fault of the program; please report it"));
        }
        for (name, tensor) in weight.parameters() {
            let key = format!("{PREFIX}{name}");
            let values = tensor.flatten_all()?.to_dtype(DType::F32)?.to_vec1::<f32>()?;
            if !values.iter().all(|value| value.is_finite()) {
                return Err(Error::NonFinite { what: format!("a value of \"{key}\"") });
            }
            let bytes = values.iter().flat_map(|value| value.to_le_bytes()).collect();
            tensors.insert(key, (tensor.dims().to_vec(), bytes));
        }
    }
    let fault = |error: safetensors::SafeTensorError| {
        Error::adapter(
            dir,
            format!("it cannot be written: {error}"),
            "This is a fault of the program; please report it",
        )
    };
    let views = tensors
        .iter()
        .map(|(name, (shape, bytes))| Ok((name, TensorView::new(Dtype::F32, shape.clone(), bytes).map_err(fault)?)))
        .collect::<Result<Vec<_>>>()?;
    // PEFT refuses files that do not name the framework whose layout they have.
    let metadata = HashMap::from([("format".to_string(), "pt".to_string())]);
    let bytes = safetensors::serialize(views, Some(metadata)).map_err(fault)?;

    std::fs::create_dir_all(dir).map_err(Error::io(dir))?;
    write_whole(&dir.join(WEIGHTS), &bytes)?;
    let names = weights.iter().map(|weight| weight.name.as_str());
    let mut text = serde_json::to_string_pretty(&peft_config(config, names, base_model_name))
        .map_err(|error| Error::adapter(dir, format!("its settings cannot be written: {error}"), "Please report it"))?;
    text.push('\n');
    write_whole(&dir.join(CONFIG), text.as_bytes())
}

/// The fields that PEFT 0.21 needs to build the same adapter; those left out have PEFT's defaults, all off.
fn peft_config<'a>(config: &LoraConfig, names: impl Iterator<Item = &'a str>, base_model_name: &str) -> Value {
    let targets = match &config.target_modules {
        TargetModules::AllLinear => json!(last_parts(names)),
        TargetModules::Names(names) => json!(names),
        TargetModules::Pattern(pattern) => json!(pattern),
    };
    // PEFT declares lora_alpha as an integer; a whole number is written as one.
    let number = |alpha: f64| if alpha.fract() == 0.0 && alpha < 9e15 { json!(alpha as u64) } else { json!(alpha) };
    let alphas: Map<String, Value> =
        config.alpha_pattern.0.iter().map(|(key, alpha)| (key.clone(), number(*alpha))).collect();
    json!({
        "alpha_pattern": alphas,
        "auto_mapping": null,
        "base_model_name_or_path": base_model_name,
        "bias": "none",
        "fan_in_fan_out": false,
        "inference_mode": true,
        "init_lora_weights": true,
        "layers_pattern": null,
        "layers_to_transform": null,
        "lora_alpha": number(config.lora_alpha),
        "lora_dropout": config.lora_dropout,
        "modules_to_save": null,
        "peft_type": "LORA",
        "r": config.r,
        "rank_pattern": config.rank_pattern,
        "revision": null,
        "target_modules": targets,
        "task_type": "CAUSAL_LM",
        "use_dora": config.use_dora,
        "use_rslora": config.use_rslora,
    })
}

/// Writes `bytes` to `path` so that a crash at any instant leaves the old file or the new one.
fn write_whole(path: &Path, bytes: &[u8]) -> Result<()> {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{}.tmp", std::process::id()));
    let temporary = PathBuf::from(name);
    let written = (|| {
        let mut file = std::fs::File::create(&temporary)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        std::fs::rename(&temporary, path)?;
        sync_folder(path)
    })();
    written.map_err(|error| {
        // The first error is the one to tell; a temporary file that cannot be removed changes nothing.
        let _ = std::fs::remove_file(&temporary);
        Error::io(path)(error)
    })
}

/// Makes the rename of `path` last through a power cut.
#[cfg(unix)]
fn sync_folder(path: &Path) -> std::io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    std::fs::File::open(folder)?.sync_all()
}

/// Windows cannot open a folder as a file; NTFS journals the rename itself.
#[cfg(not(unix))]
fn sync_folder(_: &Path) -> std::io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests;
