#![allow(clippy::unwrap_used)]

use super::*;
use crate::config::LinearShape;
use crate::lora::{LoraConfig, Patterns, TargetModules};
use crate::{Batch, Decoder};
use candle_core::DType;
use candle_core::quantized::GgmlDType;
use half::{bf16, f16};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::path::PathBuf;
use tempfile::TempDir;
use testkit::TinyLlama;

/// A base on disk, and an adapter for it whose `B` is not zero.
struct Scene {
    folder: TempDir,
    base: PathBuf,
    /// What a reader of the base must see.
    frozen: Vec<(String, Tensor)>,
}

/// Odd shapes: heads that do not fill the width, one key head, and a width that is no multiple of a SIMD register.
fn odd() -> TinyLlama {
    TinyLlama { hidden: 22, intermediate: 37, heads: 3, kv_heads: 1, head_dim: 10, vocab: 261, ..TinyLlama::default() }
}

impl Scene {
    fn folder(tiny: &TinyLlama) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let base = folder.path().join("base");
        tiny.write_folder(&base).unwrap();
        let stored = |(name, tensor): (String, Tensor)| {
            (name, tensor.to_dtype(tiny.dtype).unwrap().to_dtype(DType::F32).unwrap())
        };
        Self { folder, base, frozen: tiny.tensors().unwrap().into_iter().map(stored).collect() }
    }

    fn gguf(tiny: &TinyLlama, block: GgmlDType) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let base = folder.path().join("base.gguf");
        let frozen = tiny.write_gguf(&base, block).unwrap();
        Self { folder, base, frozen }
    }

    fn linears(&self) -> Vec<LinearShape> {
        weights::open(&self.base, BaseDtype::Auto, testkit::device()).unwrap().config.linears()
    }

    fn adapter(&self, r: usize, lora_alpha: f64, targets: TargetModules) -> PathBuf {
        self.adapter_of(&LoraConfig { r, lora_alpha, target_modules: targets, ..LoraConfig::default() })
    }

    fn adapter_of(&self, config: &LoraConfig) -> PathBuf {
        let linears = self.linears();
        let mut rng = ChaCha8Rng::seed_from_u64(config.r as u64);
        let ones = |place: usize| Ok(Some(Tensor::ones(linears[place].out_features, DType::F32, testkit::device())?));
        let magnitude = |place| if config.use_dora { ones(place) } else { Ok(None) };
        let mut lora = Lora::start(config, &linears, &mut rng, DType::F32, testkit::device(), magnitude).unwrap();
        for parameter in lora.parameters_mut() {
            let values: Vec<f32> = (0..parameter.elem_count()).map(|_| rng.random_range(-0.3..0.3)).collect();
            *parameter = Tensor::from_vec(values, parameter.shape(), testkit::device()).unwrap();
        }
        let path = self.folder.path().join("adapter");
        lora.save(&path, "base").unwrap();
        path
    }

    fn merged(&self, adapter: &Path, dtype: FloatType, sizes: Sizes) -> TempDir {
        let to = tempfile::tempdir_in(self.folder.path()).unwrap();
        assert!(write_in(sizes, &self.base, BaseDtype::Auto, adapter, dtype, to.path(), &mut |_, _| true).unwrap());
        to
    }
}

/// One file, and pieces that end within a tensor.
const PIECES: Sizes = Sizes { file: SIZES.file, piece: 150 };

fn names(names: &[&str]) -> TargetModules {
    TargetModules::Names(names.iter().map(ToString::to_string).collect())
}

fn values(tensor: &Tensor) -> Vec<f32> {
    tensor.flatten_all().unwrap().to_vec1().unwrap()
}

/// `W + s · B A`, with DoRA each row then brought to its magnitude, slowly, in f64.
fn plainly(frozen: &Tensor, weight: &LoraWeight) -> Vec<f64> {
    let (a, b) = (weight.a.to_vec2::<f32>().unwrap(), weight.b.to_vec2::<f32>().unwrap());
    let frozen = frozen.to_vec2::<f32>().unwrap();
    let magnitude = weight.magnitude.as_ref().map(values);
    let entry = |row: usize, column: usize| {
        let product: f64 = (0..a.len()).map(|k| f64::from(b[row][k]) * f64::from(a[k][column])).sum();
        f64::from(frozen[row][column]) + weight.scale * product
    };
    let row = |row: usize| {
        let entries: Vec<f64> = (0..frozen[0].len()).map(|column| entry(row, column)).collect();
        let norm = entries.iter().map(|x| x * x).sum::<f64>().sqrt();
        let gain = magnitude.as_ref().map_or(1.0, |magnitude| f64::from(magnitude[row]) / norm);
        entries.into_iter().map(move |x| gain * x)
    };
    (0..frozen.len()).flat_map(row).collect()
}

fn assert_merged(scene: &Scene, adapter: &Path, merged: &Path, dtype: FloatType) {
    let lora = Lora::load(adapter, &scene.linears(), testkit::device()).unwrap();
    let source = weights::open(merged, BaseDtype::Auto, testkit::device()).unwrap();
    assert_eq!(source.unneeded, Vec::<String>::new());
    let mut adapted = 0;
    for (name, frozen) in &scene.frozen {
        let found = values(&source.vars.get(frozen.shape(), name).unwrap());
        let weight = lora.weights().iter().find(|weight| format!("{}.weight", weight.name) == *name);
        let Some(weight) = weight else {
            let rounded = values(frozen).into_iter().map(|number| match dtype {
                FloatType::F32 => number,
                FloatType::Bf16 => bf16::from_f32(number).to_f32(),
                FloatType::F16 => f16::from_f32(number).to_f32(),
            });
            assert_eq!(found, rounded.collect::<Vec<_>>(), "{name} has no adapter and is not what it was");
            continue;
        };
        adapted += 1;
        // Half a unit in the last place of what is stored, and the rounding of a few f32 sums.
        let half_unit = match dtype {
            FloatType::F32 => 0.0,
            FloatType::Bf16 => 2f64.powi(-8),
            FloatType::F16 => 2f64.powi(-11),
        };
        for (found, expected) in found.into_iter().zip(plainly(frozen, weight)) {
            let allowed = expected.abs() * half_unit + 1e-6 * (1.0 + expected.abs());
            let found = f64::from(found);
            assert!((found - expected).abs() <= allowed, "{name} as {dtype:?}: {found} where {expected} is meant");
        }
    }
    assert!(adapted > 0);
}

#[test]
fn merged_weights_are_those_of_a_slow_plain_version() {
    let tied = odd();
    let untied = TinyLlama { tied: false, biases: true, seed: 4, dtype: DType::BF16, ..odd() };
    for (scene, targets) in [
        (Scene::folder(&tied), TargetModules::AllLinear),
        (Scene::folder(&untied), names(&["q_proj", "layers.1.mlp.down_proj", "lm_head"])),
        (Scene::gguf(&TinyLlama { hidden: 32, ..odd() }, GgmlDType::Q8_0), TargetModules::AllLinear),
        (Scene::gguf(&TinyLlama { tied: false, hidden: 32, ..odd() }, GgmlDType::Q4_1), names(&["k_proj", "lm_head"])),
    ] {
        for (r, alpha) in [(1, 3.0), (5, 8.0)] {
            let adapter = scene.adapter(r, alpha, targets.clone());
            for dtype in FloatType::ALL {
                for sizes in [SIZES, PIECES] {
                    let merged = scene.merged(&adapter, dtype, sizes);
                    assert_merged(&scene, &adapter, merged.path(), dtype);
                }
            }
        }
    }
}

/// Everything that gives a linear a scale, a rank or a length of its own.
fn of_every_kind(use_dora: bool) -> LoraConfig {
    LoraConfig {
        r: 3,
        lora_alpha: 4.0,
        use_rslora: true,
        use_dora,
        rank_pattern: Patterns(vec![("layers.0.*_proj".into(), 2)]),
        alpha_pattern: Patterns(vec![("up_proj".into(), 9.0)]),
        ..LoraConfig::default()
    }
}

#[test]
fn ranks_scales_and_magnitudes_of_their_own_are_merged_too() {
    let gguf = Scene::gguf(&TinyLlama { hidden: 32, ..odd() }, GgmlDType::Q8_0);
    for (scene, use_dora) in [(Scene::folder(&odd()), false), (Scene::folder(&odd()), true), (gguf, true)] {
        let adapter = scene.adapter_of(&of_every_kind(use_dora));
        let merged = scene.merged(&adapter, FloatType::F32, PIECES);
        assert_merged(&scene, &adapter, merged.path(), FloatType::F32);
        assert_same_model(&scene, &adapter, false);
    }
}

#[test]
fn shards_hold_the_same_weights_as_one_file() {
    let scene = Scene::folder(&odd());
    let adapter = scene.adapter(3, 6.0, TargetModules::AllLinear);
    let merged = scene.merged(&adapter, FloatType::F32, Sizes { file: 10_000, ..PIECES });
    assert!(!merged.path().join("model.safetensors").exists());
    let files = weights::open(merged.path(), BaseDtype::Auto, testkit::device()).unwrap().files;
    assert!(files.len() > 2, "{files:?}");
    assert_merged(&scene, &adapter, merged.path(), FloatType::F32);
}

/// The model in memory with its adapter, and the merged one without.
#[test]
fn the_merged_model_gives_the_log_probabilities_of_base_and_adapter() {
    let llama3 = TinyLlama { llama3_rope: true, tied: false, ..TinyLlama::default() };
    for scene in [
        Scene::folder(&TinyLlama::default()),
        Scene::folder(&TinyLlama { biases: true, ..llama3.clone() }),
        Scene::gguf(&llama3, GgmlDType::Q4_0),
        Scene::gguf(&TinyLlama::default(), GgmlDType::F16),
    ] {
        let adapter = scene.adapter(4, 8.0, TargetModules::AllLinear);
        assert_same_model(&scene, &adapter, false);
    }
}

/// The adapter is on the head alone, so the embedding must stay as it is: PEFT changes both.
#[test]
fn an_adapter_on_a_tied_head_unties_it() {
    for scene in [Scene::folder(&TinyLlama::default()), Scene::gguf(&TinyLlama::default(), GgmlDType::Q8_0)] {
        let adapter = scene.adapter(2, 4.0, names(&["lm_head", "v_proj"]));
        let merged = assert_same_model(&scene, &adapter, true);
        let source = weights::open(merged.path(), BaseDtype::Auto, testkit::device()).unwrap();
        let embedding = scene.frozen.iter().find(|(name, _)| name == EMBEDDING).unwrap();
        assert_eq!(values(&source.vars.get(embedding.1.shape(), EMBEDDING).unwrap()), values(&embedding.1));
    }
}

/// A base that holds another head than its configuration says: that head is merged and written, and the configuration then
/// tells the truth.
#[test]
fn a_head_of_its_own_is_kept_though_the_configuration_ties_it() {
    let tiny = TinyLlama { tied: false, ..TinyLlama::default() };
    let scene = Scene::folder(&tiny);
    let mut config = tiny.config();
    config["tie_word_embeddings"] = true.into();
    std::fs::write(scene.base.join(CONFIG), config.to_string()).unwrap();
    for targets in [names(&["v_proj"]), names(&["lm_head", "v_proj"])] {
        let adapter = scene.adapter(2, 4.0, targets);
        let merged = assert_same_model(&scene, &adapter, false);
        assert_merged(&scene, &adapter, merged.path(), FloatType::F32);
        assert_eq!(read_config(merged.path()).unwrap()["tie_word_embeddings"], json!(false));
        let gguf = scene.folder.path().join("merged.gguf");
        let stored = crate::GgufType::F16;
        let tokenizer = std::collections::BTreeMap::new();
        crate::write::merge_gguf::write(
            &scene.base,
            BaseDtype::Auto,
            &adapter,
            stored,
            &tokenizer,
            &gguf,
            &mut |_, _| true,
        )
        .unwrap();
        let tensors = gguf::read_header(&gguf).unwrap().tensors;
        assert!(tensors.iter().any(|tensor| tensor.name == "output.weight"));
        std::fs::remove_file(gguf).unwrap();
    }
}

fn assert_same_model(scene: &Scene, adapter: &Path, untied: bool) -> TempDir {
    let base = Decoder::load(&scene.base, testkit::device(), BaseDtype::F32).unwrap();
    let lora = Lora::load(adapter, base.linears(), testkit::device()).unwrap();
    let folder = scene.merged(adapter, FloatType::F32, PIECES);
    let merged = Decoder::load(folder.path(), testkit::device(), BaseDtype::F32).unwrap();
    assert_eq!(merged.config().tie_word_embeddings, base.config().tie_word_embeddings && !untied);
    let mut batch = Batch::new();
    batch.push_pair(&[1, 20, 30, 40, 9], &[50, 60, 70], &[80, 90, 100, 2]);
    batch.push_sequence(&[7], &(100..220).collect::<Vec<_>>());
    let live = base.token_logps(Some(&lora), &batch).unwrap();
    let frozen = base.token_logps(None, &batch).unwrap();
    let found = merged.token_logps(None, &batch).unwrap();
    let largest = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
    assert!(largest(&live, &found) < 2e-5, "{}", largest(&live, &found));
    assert!(largest(&live, &frozen) > 0.1, "the adapter does nothing: {}", largest(&live, &frozen));
    folder
}

#[test]
fn the_configuration_is_the_bases_own_but_for_the_type() {
    for (key, others) in [("dtype", vec!["torch_dtype"]), ("torch_dtype", vec![]), ("neither", vec![])] {
        let scene = Scene::folder(&odd());
        let path = scene.base.join(CONFIG);
        let mut config = read_config(&scene.base).unwrap();
        config.insert("transformers_version".into(), json!("4.99"));
        for key in others.iter().chain([&key]).filter(|key| **key != "neither") {
            config.insert((*key).to_string(), json!("float16"));
        }
        std::fs::write(&path, Value::Object(config.clone()).to_string()).unwrap();
        assert_eq!(stored_type(&scene.base).unwrap(), (key != "neither").then_some(FloatType::F16));
        let adapter = scene.adapter(2, 4.0, TargetModules::AllLinear);
        let written = read_config(scene.merged(&adapter, FloatType::Bf16, SIZES).path()).unwrap();
        let said = if key == "neither" { "torch_dtype" } else { key };
        for key in others.iter().chain([&said]) {
            config.insert((*key).to_string(), json!("bfloat16"));
        }
        assert_eq!(Value::Object(written), Value::Object(config));
    }
}

#[test]
fn a_model_that_is_stopped_or_does_not_fit_is_not_finished() {
    let scene = Scene::folder(&odd());
    let adapter = scene.adapter(2, 4.0, TargetModules::AllLinear);
    let to = scene.folder.path().join("to");
    std::fs::create_dir(&to).unwrap();
    let mut told = Vec::new();
    let whole = write(&scene.base, BaseDtype::Auto, &adapter, FloatType::F32, &to, &mut |done, total| {
        told.push((done, total));
        done < total / 2
    });
    assert!(!whole.unwrap());
    assert!(told.windows(2).all(|pair| pair[0].0 < pair[1].0 && pair[0].1 == pair[1].1), "{told:?}");
    assert!(weights::open(&to, BaseDtype::Auto, testkit::device()).is_err(), "half a file must not be read as a model");

    // A scale that no f16 holds.
    let adapter = scene.adapter(2, 1e8, names(&["up_proj"]));
    let error =
        write(&scene.base, BaseDtype::Auto, &adapter, FloatType::F16, &to, &mut |_, _| true).unwrap_err().to_string();
    assert!(error.contains("mlp.up_proj.weight") && error.contains("f16"), "{error}");
    let other = Scene::folder(&TinyLlama { hidden: 26, ..odd() });
    assert!(write(&other.base, BaseDtype::Auto, &adapter, FloatType::F32, &to, &mut |_, _| true).is_err());
}

#[test]
fn pieces_cover_each_row_once() {
    for (rows, most) in [(1, 0), (7, 3), (9, 3), (5, 100), (4, 1)] {
        let all: Vec<usize> = pieces(rows, most).flat_map(|(start, count)| start..start + count).collect();
        assert_eq!(all, (0..rows).collect::<Vec<_>>());
    }
}
