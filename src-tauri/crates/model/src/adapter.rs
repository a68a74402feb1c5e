//! `LoRA` adapters in PEFT's format: `adapter_config.json` beside `adapter_model.safetensors`.
//!
//! Reading refuses, by name, every setting that would change the mathematics and is not implemented, and every tensor
//! that is missing, superfluous or of the wrong shape: an adapter that loads in part would be another adapter.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io::Write;
use std::path::{Path, PathBuf};

use candle_core::{DType, Device, Tensor};
use safetensors::Dtype;
use safetensors::tensor::TensorView;
use serde_json::{Map, Value, json};

use crate::error::{Error, Result};
use crate::lora_config::{LinearShape, LoraConfig, TargetModules, last_parts};
use crate::weights::SafetensorsFile;

const CONFIG: &str = "adapter_config.json";
const WEIGHTS: &str = "adapter_model.safetensors";

/// What PEFT puts before the name of a module of the model.
const PREFIX: &str = "base_model.model.";

/// An adapter as read from its folder.
#[derive(Debug)]
pub struct AdapterTensors {
    /// The linear's name, `A` as `[r, in]` and `B` as `[out, r]`, both f32; in the order of the model's linears.
    pub weights: Vec<(String, Tensor, Tensor)>,
    /// Rank, scale, dropout and targets.
    pub config: LoraConfig,
    /// The model that the adapter was made for, in its maker's words.
    pub base_model_name_or_path: Option<String>,
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
    ("use_dora", "weight-decomposed adapters (DoRA) are not implemented"),
    ("use_rslora", "scaling by the root of the rank is not implemented"),
    ("use_qalora", "quantisation-aware adapters are not implemented"),
    ("use_bdlora", "block-diagonal adapters are not implemented"),
    ("rank_pattern", "ranks that differ between modules are not implemented"),
    ("alpha_pattern", "scales that differ between modules are not implemented"),
    ("modules_to_save", "modules trained in full are not implemented"),
    ("fan_in_fan_out", "transposed weights are not implemented"),
    ("layers_to_transform", "name the layers in target_modules instead"),
    ("layers_pattern", "name the layers in target_modules instead"),
    ("exclude_modules", "name the modules in target_modules instead"),
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
/// The linears that carry weights are told by the tensors; where `target_modules` is a list or `"all-linear"`, both
/// must agree. A regular expression in `target_modules` is replaced by the names that the tensors give.
///
/// # Errors
/// [`Error::Io`] when a file is missing; [`Error::Adapter`] when the folder is not a `LoRA` adapter for this model or
/// asks for what is not implemented; [`Error::NonFinite`] when a weight is NaN or infinite.
pub fn read(dir: &Path, linears: &[LinearShape], device: &Device) -> Result<AdapterTensors> {
    let path = dir.join(CONFIG);
    let text = std::fs::read_to_string(&path).map_err(Error::io(&path))?;
    let map: Map<String, Value> = serde_json::from_str(&text).map_err(|error| {
        Error::adapter(&path, format!("it is not a JSON object: {error}"), "Copy or download the adapter again")
    })?;
    let Settings { r, lora_alpha, lora_dropout, target_modules, base_model_name_or_path } = settings(map, &path)?;

    let weights_path = dir.join(WEIGHTS);
    if !weights_path.is_file() && dir.join("adapter_model.bin").is_file() {
        let hint = "PyTorch pickles can run code and are never read; save the adapter with safe_serialization=True";
        return Err(Error::adapter(dir, format!("it holds adapter_model.bin but no {WEIGHTS}"), hint));
    }
    let file = SafetensorsFile::open(&weights_path)?;
    let mut names: BTreeSet<String> = file.names().map(str::to_string).collect();
    let present: Vec<&LinearShape> = linears
        .iter()
        .filter(|linear| names.contains(&key(&linear.name, "A")) || names.contains(&key(&linear.name, "B")))
        .collect();

    let config = LoraConfig {
        r,
        lora_alpha,
        lora_dropout,
        target_modules: target_modules
            .unwrap_or_else(|| TargetModules::Names(present.iter().map(|linear| linear.name.clone()).collect())),
    };
    let resolved = config.resolve(linears).map_err(|error| match error {
        Error::Lora { what, hint } => Error::Adapter { path, what, hint },
        other => other,
    })?;
    let mut weights = Vec::with_capacity(resolved.len());
    for linear in resolved.into_iter().map(|place| &linears[place]) {
        let mut factor = |letter: &str, shape: [usize; 2]| -> Result<Tensor> {
            let name = key(&linear.name, letter);
            file.check(&name, &shape)?;
            names.remove(&name);
            let tensor = file.tensor(&name, device)?;
            // Zero times a number is zero unless the number is NaN or infinite.
            let sum = (&tensor * 0.0)?.sum_all()?.to_scalar::<f32>()?;
            if sum == 0.0 { Ok(tensor) } else { Err(Error::NonFinite { what: format!("a value of \"{name}\"") }) }
        };
        let a = factor("A", [config.r, linear.in_features])?;
        let b = factor("B", [linear.out_features, config.r])?;
        weights.push((linear.name.clone(), a, b));
    }
    if let Some(stranger) = names.first() {
        let what = format!("its tensor \"{stranger}\" belongs to no linear that it targets in this model");
        return Err(Error::adapter(&weights_path, what, "Was the adapter trained on another model?"));
    }
    Ok(AdapterTensors { weights, config, base_model_name_or_path })
}

/// PEFT's name for a factor of a linear.
fn key(linear: &str, letter: &str) -> String {
    format!("{PREFIX}{linear}.lora_{letter}.weight")
}

/// What `adapter_config.json` says, as far as it matters.
struct Settings {
    r: usize,
    lora_alpha: f64,
    lora_dropout: f64,
    /// `None` for a regular expression.
    target_modules: Option<TargetModules>,
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
        Some(Value::String(word)) if word.eq_ignore_ascii_case("all-linear") => Some(TargetModules::AllLinear),
        Some(Value::String(_)) => None,
        Some(value) => match serde_json::from_value::<Vec<String>>(value.clone()) {
            Ok(mut names) => {
                // PEFT keeps a set, written in any order.
                names.sort();
                Some(TargetModules::Names(names))
            }
            Err(_) => return Err(wrong("target_modules", Some(value), "a list of names")),
        },
        None => return Err(wrong("target_modules", None, "a list of names")),
    };
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
    Ok(Settings { r, lora_alpha, lora_dropout, target_modules, base_model_name_or_path })
}

/// `text` with a capital at its start.
fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

/// Writes an adapter into the folder `dir` as PEFT does, creating the folder where needed. `weights` holds each
/// linear's name, `A` as `[r, in]` and `B` as `[out, r]`; they are stored as f32.
///
/// Each file is written whole beside its place, synced and renamed into it, the weights before the configuration.
/// `"all-linear"` is written as the list of module names that it stands for, which every reader understands.
///
/// # Errors
/// [`Error::Adapter`] when a shape does not fit the rank; [`Error::NonFinite`] when a weight is NaN or infinite;
/// [`Error::Io`] when the folder cannot be written or the disk is full. What was there before is then still there.
pub fn write(
    dir: &Path,
    weights: &[(&str, &Tensor, &Tensor)],
    config: &LoraConfig,
    base_model_name: &str,
) -> Result<()> {
    config.check()?;
    let mut tensors: BTreeMap<String, (Vec<usize>, Vec<u8>)> = BTreeMap::new();
    for (name, a, b) in weights {
        for (letter, tensor, rank) in [("A", a, a.dims().first()), ("B", b, b.dims().get(1))] {
            let key = key(name, letter);
            if tensor.rank() != 2 || rank != Some(&config.r) {
                let what = format!("\"{key}\" has shape {:?}, which does not fit r = {}", tensor.dims(), config.r);
                return Err(Error::adapter(dir, what, "This is a fault of the program; please report it"));
            }
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
    let names = weights.iter().map(|(name, ..)| *name);
    let mut text = serde_json::to_string_pretty(&peft_config(config, names, base_model_name))
        .map_err(|error| Error::adapter(dir, format!("its settings cannot be written: {error}"), "Please report it"))?;
    text.push('\n');
    write_whole(&dir.join(CONFIG), text.as_bytes())
}

/// The fields that PEFT 0.21 needs to build the same adapter; those left out have PEFT's defaults, all off.
fn peft_config<'a>(config: &LoraConfig, names: impl Iterator<Item = &'a str>, base_model_name: &str) -> Value {
    let targets: Vec<String> = match &config.target_modules {
        TargetModules::AllLinear => last_parts(names).into_iter().map(str::to_string).collect(),
        TargetModules::Names(names) => names.clone(),
    };
    // PEFT declares lora_alpha as an integer; a whole number is written as one.
    let alpha = if config.lora_alpha.fract() == 0.0 && config.lora_alpha < 9e15 {
        json!(config.lora_alpha as u64)
    } else {
        json!(config.lora_alpha)
    };
    json!({
        "alpha_pattern": {},
        "auto_mapping": null,
        "base_model_name_or_path": base_model_name,
        "bias": "none",
        "fan_in_fan_out": false,
        "inference_mode": true,
        "init_lora_weights": true,
        "layers_pattern": null,
        "layers_to_transform": null,
        "lora_alpha": alpha,
        "lora_dropout": config.lora_dropout,
        "modules_to_save": null,
        "peft_type": "LORA",
        "r": config.r,
        "rank_pattern": {},
        "revision": null,
        "target_modules": targets,
        "task_type": "CAUSAL_LM",
        "use_dora": false,
        "use_rslora": false,
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
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rand::{Rng, SeedableRng};

    fn linears() -> Vec<LinearShape> {
        [("model.layers.0.self_attn.q_proj", 6, 4), ("model.layers.0.mlp.up_proj", 6, 10), ("lm_head", 6, 12)]
            .map(|(name, in_features, out_features)| LinearShape { name: name.into(), in_features, out_features })
            .into()
    }

    fn config(r: usize, names: &[&str]) -> LoraConfig {
        let target_modules = match names {
            ["all-linear"] => TargetModules::AllLinear,
            names => TargetModules::Names(names.iter().map(ToString::to_string).collect()),
        };
        LoraConfig { r, lora_alpha: 8.0, lora_dropout: 0.05, target_modules }
    }

    fn random(linears: &[LinearShape], config: &LoraConfig, seed: u64) -> Vec<(String, Tensor, Tensor)> {
        let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(seed);
        let mut tensor = |rows: usize, columns: usize| {
            let values: Vec<f32> = (0..rows * columns).map(|_| rng.random_range(-1.0..1.0)).collect();
            Tensor::from_vec(values, (rows, columns), &Device::Cpu).unwrap()
        };
        let places = config.resolve(linears).unwrap();
        places
            .into_iter()
            .map(|place| &linears[place])
            .map(|l| (l.name.clone(), tensor(config.r, l.in_features), tensor(l.out_features, config.r)))
            .collect()
    }

    fn save(dir: &Path, weights: &[(String, Tensor, Tensor)], config: &LoraConfig) -> Result<()> {
        let weights: Vec<_> = weights.iter().map(|(name, a, b)| (name.as_str(), a, b)).collect();
        write(dir, &weights, config, "tiny")
    }

    fn values(tensor: &Tensor) -> Vec<Vec<f32>> {
        tensor.to_vec2().unwrap()
    }

    /// A folder with a good adapter, whose configuration is then changed by `change`.
    fn changed(change: impl FnOnce(&mut Value)) -> Result<AdapterTensors> {
        let dir = tempfile::tempdir().unwrap();
        let config = config(2, &["all-linear"]);
        save(dir.path(), &random(&linears(), &config, 1), &config).unwrap();
        let path = dir.path().join(CONFIG);
        let mut json: Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
        change(&mut json);
        std::fs::write(&path, json.to_string()).unwrap();
        read(dir.path(), &linears(), &Device::Cpu)
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(
            r in 1usize..9,
            seed: u64,
            alpha in 0.5f64..64.0,
            dropout in 0.0f64..0.9,
            names in prop::sample::subsequence(vec!["lm_head", "q_proj", "up_proj"], 1..4),
        ) {
            let dir = tempfile::tempdir().unwrap();
            let config = LoraConfig { lora_alpha: alpha, lora_dropout: dropout, ..config(r, &names) };
            let weights = random(&linears(), &config, seed);
            save(dir.path(), &weights, &config).unwrap();
            let found = read(dir.path(), &linears(), &Device::Cpu).unwrap();
            prop_assert_eq!(&found.config, &config);
            prop_assert_eq!(found.base_model_name_or_path.as_deref(), Some("tiny"));
            prop_assert_eq!(found.weights.len(), weights.len());
            for (found, written) in found.weights.iter().zip(&weights) {
                prop_assert_eq!(&found.0, &written.0);
                prop_assert_eq!(values(&found.1), values(&written.1));
                prop_assert_eq!(values(&found.2), values(&written.2));
            }
        }
    }

    #[test]
    fn writing_twice_gives_the_same_bytes_and_leaves_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let config = config(4, &["all-linear"]);
        let weights = random(&linears(), &config, 3);
        save(dir.path(), &weights, &config).unwrap();
        let first = std::fs::read(dir.path().join(WEIGHTS)).unwrap();
        save(dir.path(), &weights, &config).unwrap();
        assert_eq!(std::fs::read(dir.path().join(WEIGHTS)).unwrap(), first);
        let mut files: Vec<_> = std::fs::read_dir(dir.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
        files.sort();
        assert_eq!(files, [CONFIG, WEIGHTS]);
        let json: Value = serde_json::from_slice(&std::fs::read(dir.path().join(CONFIG)).unwrap()).unwrap();
        assert_eq!(json["target_modules"], json!(["q_proj", "up_proj"]), "\"all-linear\" is spelled out");
        assert_eq!(json["lora_alpha"], json!(8), "PEFT declares an integer");
    }

    #[test]
    fn a_failed_write_keeps_the_old_adapter() {
        let dir = tempfile::tempdir().unwrap();
        let config = config(2, &["all-linear"]);
        let old = random(&linears(), &config, 1);
        save(dir.path(), &old, &config).unwrap();
        let mut broken = random(&linears(), &config, 2);
        broken[1].2 = (&broken[1].2 * f64::NAN).unwrap();
        assert!(matches!(save(dir.path(), &broken, &config), Err(Error::NonFinite { .. })));
        broken[1].2 = Tensor::zeros((10, 3), DType::F32, &Device::Cpu).unwrap();
        assert!(matches!(save(dir.path(), &broken, &config), Err(Error::Adapter { .. })));
        let found = read(dir.path(), &linears(), &Device::Cpu).unwrap();
        assert_eq!(values(&found.weights[1].2), values(&old[1].2));
        let occupied = dir.path().join(WEIGHTS).join("below a file");
        assert!(matches!(save(&occupied, &old, &config), Err(Error::Io { .. })));
    }

    #[test]
    fn settings_that_change_the_mathematics_are_refused_by_name() {
        for (field, value) in [
            ("use_dora", json!(true)),
            ("use_rslora", json!(true)),
            ("rank_pattern", json!({"q_proj": 4})),
            ("alpha_pattern", json!({"q_proj": 4})),
            ("modules_to_save", json!(["lm_head"])),
            ("bias", json!("all")),
            ("fan_in_fan_out", json!(true)),
            ("layers_to_transform", json!([0])),
            ("peft_type", json!("IA3")),
            ("task_type", json!("SEQ_CLS")),
            ("init_lora_weights", json!("pissa")),
            ("velora_config", json!({"scale": 1.0})),
            ("lora_bias", json!(true)),
            ("r", json!(-1)),
            ("lora_alpha", json!("8")),
            ("target_modules", json!(7)),
        ] {
            let error = changed(|json| json[field] = value.clone()).unwrap_err();
            assert!(matches!(error, Error::Adapter { .. }), "{field}: {error}");
            assert!(error.to_string().contains(field), "{error}");
        }
        assert!(changed(|json| json["r"] = json!(0)).is_err());
        for (field, value) in
            [("something_new", Value::Null), ("velora_config", json!({})), ("peft_version", json!("1"))]
        {
            changed(|json| json[field] = value.clone()).unwrap();
        }
    }

    #[test]
    fn a_regular_expression_is_replaced_by_the_names_of_the_tensors() {
        let found = changed(|json| json["target_modules"] = json!(r".*\.(q|up)_proj")).unwrap();
        let names = ["model.layers.0.self_attn.q_proj", "model.layers.0.mlp.up_proj"].map(String::from);
        assert_eq!(found.config.target_modules, TargetModules::Names(names.into()));
    }

    #[test]
    fn tensors_that_do_not_fit_are_refused_by_name() {
        let missing = changed(|json| json["target_modules"] = json!(["q_proj", "up_proj", "lm_head"])).unwrap_err();
        assert!(matches!(&missing, Error::MissingTensor { name, .. } if name.contains("lm_head.lora_A")), "{missing}");
        let extra = changed(|json| json["target_modules"] = json!(["q_proj"])).unwrap_err();
        assert!(extra.to_string().contains("up_proj.lora_A"), "{extra}");
        let unknown = changed(|json| json["target_modules"] = json!(["c_attn"])).unwrap_err();
        assert!(matches!(&unknown, Error::Adapter { .. }) && unknown.to_string().contains("c_attn"), "{unknown}");
        let shape = changed(|json| json["r"] = json!(3)).unwrap_err();
        assert!(matches!(&shape, Error::Shape { name, .. } if name.contains("q_proj.lora_A")), "{shape}");
    }

    #[test]
    fn pickles_are_named_and_not_read() {
        let dir = tempfile::tempdir().unwrap();
        let config = config(2, &["all-linear"]);
        save(dir.path(), &random(&linears(), &config, 1), &config).unwrap();
        std::fs::rename(dir.path().join(WEIGHTS), dir.path().join("adapter_model.bin")).unwrap();
        let error = read(dir.path(), &linears(), &Device::Cpu).unwrap_err().to_string();
        assert!(error.contains("safe_serialization"), "{error}");
    }

    /// Adapters that PEFT 0.21 wrote, where the reference data is at hand.
    #[test]
    fn adapters_written_by_peft_are_read() {
        let Some(shared) = std::env::var_os("TIEBREAK_SHARED") else {
            eprintln!("left out: adapters_written_by_peft_are_read needs TIEBREAK_SHARED, the reference data's folder");
            return;
        };
        for family in ["llama", "llama3_rope", "qwen2", "qwen3", "mistral", "gemma2", "gemma3", "phi3"] {
            let dir = Path::new(&shared).join("golden/trl-1.16").join(family);
            let linears = crate::config::Config::from_folder(&dir).unwrap().linears();
            for adapter in ["adapter", "adapter_after_8_steps"] {
                let found = read(&dir.join(adapter), &linears, &Device::Cpu).unwrap();
                assert_eq!((found.config.r, found.config.scale().to_bits()), (4, 2f64.to_bits()));
                assert_eq!(found.weights.len(), linears.len() - 1, "every linear but the head");
            }
        }
    }
}
