#![allow(clippy::unwrap_used)]

use super::*;
use crate::lora::{LoraConfig, TargetModules};
use crate::{Batch, Decoder};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::path::PathBuf;
use tempfile::TempDir;
use testkit::TinyLlama;

/// A base on disk, and an adapter for it whose `B` is not zero.
struct Scene {
    folder: TempDir,
    base: PathBuf,
    kept: BaseDtype,
}

/// Rows of 64, which `Q8_0` can hold and `Q4_K` cannot, and an MLP of 256, which it can.
fn tiny() -> TinyLlama {
    TinyLlama { hidden: 64, intermediate: 256, heads: 3, kv_heads: 1, head_dim: 10, vocab: 263, ..TinyLlama::default() }
}

impl Scene {
    fn folder(tiny: &TinyLlama) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let base = folder.path().join("base");
        tiny.write_folder(&base).unwrap();
        Self { folder, base, kept: BaseDtype::Auto }
    }

    fn gguf(tiny: &TinyLlama, block: GgmlDType) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let base = folder.path().join("base.gguf");
        tiny.write_gguf(&base, block).unwrap();
        Self { folder, base, kept: BaseDtype::Auto }
    }

    fn adapter(&self, targets: &[&str]) -> PathBuf {
        let linears = weights::open(&self.base, BaseDtype::F32, testkit::device()).unwrap().config.linears();
        let target_modules = TargetModules::Names(targets.iter().map(|&name| name.to_string()).collect());
        let config = LoraConfig { r: 3, lora_alpha: 5.0, target_modules, ..LoraConfig::default() };
        let mut rng = ChaCha8Rng::seed_from_u64(11);
        let mut lora = Lora::init(&config, &linears, &mut rng, candle_core::DType::F32, testkit::device()).unwrap();
        for parameter in lora.parameters_mut() {
            let values: Vec<f32> = (0..parameter.elem_count()).map(|_| rng.random_range(-0.2..0.2)).collect();
            *parameter = Tensor::from_vec(values, parameter.shape(), testkit::device()).unwrap();
        }
        let path = self.folder.path().join("adapter");
        lora.save(&path, "base").unwrap();
        path
    }

    fn write(&self, adapter: &Path, stored: GgufType) -> Result<PathBuf> {
        let path = self.folder.path().join(format!("{}.gguf", stored.name()));
        let tokenizer = BTreeMap::from([("tokenizer.ggml.eos_token_id".to_string(), Value::U32(2))]);
        assert!(write(&self.base, self.kept, adapter, stored, &tokenizer, &path, &mut |_, _| true)?);
        Ok(path)
    }
}

const ALL: [&str; 8] = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj", "lm_head"];

fn logps(decoder: &Decoder, lora: Option<&Lora>) -> Vec<f64> {
    let mut batch = Batch::new();
    batch.push_pair(&[1, 20, 30, 40, 9], &[50, 60, 70], &[80, 90, 100, 2]);
    batch.push_sequence(&[7], &(100..220).collect::<Vec<_>>());
    decoder.token_logps(lora, &batch).unwrap()
}

/// Writes base and adapter; the largest error of a tensor that is read again, relative to its own size (root mean squares),
/// and the largest difference of a log-probability.
fn errors(scene: &Scene, targets: &[&str], stored: GgufType) -> (f64, f64) {
    let adapter = scene.adapter(targets);
    let path = scene.write(&adapter, stored).unwrap();
    let live = Decoder::load(&scene.base, testkit::device(), scene.kept).unwrap();
    let lora = Lora::load(&adapter, live.linears(), testkit::device()).unwrap();
    let written = Decoder::load(&path, testkit::device(), BaseDtype::F32).unwrap();
    let (tuned, base, found) = (logps(&live, Some(&lora)), logps(&live, None), logps(&written, None));
    let most = |other: &[f64]| tuned.iter().zip(other).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
    assert!(most(&base) > 0.05, "the adapter does nothing");

    let before = weights::open(&scene.base, scene.kept, testkit::device()).unwrap();
    let after = weights::open(&path, BaseDtype::F32, testkit::device()).unwrap();
    let mut worst = 0.0f64;
    for (name, shape) in after.config.tensors() {
        let own = if before.vars.contains_tensor(&name) { name.as_str() } else { EMBEDDING };
        let mut meant = before.vars.get(shape.as_slice(), own).unwrap();
        if let Some(weight) =
            lora.weights().iter().find(|weight| Some(weight.name.as_str()) == name.strip_suffix(".weight"))
        {
            meant = merge_rows(&meant, weight, 0).unwrap();
        }
        let found = after.vars.get(shape.as_slice(), &name).unwrap();
        let size =
            |tensor: &Tensor| f64::from(tensor.sqr().unwrap().mean_all().unwrap().to_scalar::<f32>().unwrap()).sqrt();
        worst = worst.max(size(&(found - &meant).unwrap()) / size(&meant));
    }
    (worst, most(&found))
}

/// Rounding, relative to the weights of a tensor, whose largest in a block of 32 is some three times their root mean square:
/// a step of `n` bits is `3 / 2^(n-1)` and errs by a `√12`th of that. 11 bits in f16: below 0.1 %. `Q8_0`: 0.7 %, so below 1.2 %.
/// The five bits of `Q5_0` are the coarsest of what `Q4_K`'s mixture has here beside its own four with a minimum: 6 and 8 %, so
/// below 12 %.
#[test]
fn what_is_written_is_base_and_adapter() {
    for tied in [false, true] {
        for llama3_rope in [false, true] {
            let tiny = TinyLlama { tied, llama3_rope, ..tiny() };
            for scene in [Scene::folder(&tiny), Scene::gguf(&tiny, GgmlDType::F32), Scene::gguf(&tiny, GgmlDType::Q8_0)]
            {
                for (stored, tolerance) in [(GgufType::F16, 0.001), (GgufType::Q8_0, 0.012), (GgufType::Q4K, 0.12)] {
                    let (error, difference) = errors(&scene, &ALL, stored);
                    assert!(error < tolerance && error > 0.0, "{stored:?} {error}");
                    assert!(stored != GgufType::F16 || difference < 0.01, "{difference}");
                }
            }
        }
    }
}

/// An adapter that was trained on rounded weights goes into these, and the tensors that it leaves alone are the rounded ones.
#[test]
fn a_base_kept_in_fewer_bits_is_handed_out_as_it_was_trained_on() {
    for scene in [Scene::folder(&tiny()), Scene::gguf(&tiny(), GgmlDType::F16)] {
        for kept in [BaseDtype::Q4, BaseDtype::Q8] {
            let scene = Scene { kept, folder: tempfile::tempdir().unwrap(), base: scene.base.clone() };
            let (error, difference) = errors(&scene, &["q_proj", "down_proj"], GgufType::F16);
            assert!(error < 0.001 && difference < 0.01, "{kept}: {error} {difference}");
        }
    }
}

#[test]
fn tensors_that_the_adapter_leaves_alone_are_copied_as_they_lie() {
    let types = [(GgmlDType::Q4_0, 0.16), (GgmlDType::Q5_0, 0.08), (GgmlDType::Q8_0, 0.012), (GgmlDType::F16, 0.001)];
    for (block, tolerance) in types {
        let scene = Scene::gguf(&TinyLlama { llama3_rope: true, ..tiny() }, block);
        let (error, _) = errors(&scene, &["q_proj", "down_proj"], GgufType::AsBase);
        assert!(error < tolerance, "{block:?} {error}");
        let path = scene.folder.path().join("as_base.gguf");
        let (before, after) = (gguf::read_header(&scene.base).unwrap(), gguf::read_header(&path).unwrap());
        let files = (std::fs::read(&scene.base).unwrap(), std::fs::read(&path).unwrap());
        let data = |file: &[u8], header: &Header, at: usize| {
            let info = &header.tensors[at];
            let start = (header.data_offset + info.offset) as usize;
            file[start..start + info.bytes as usize].to_vec()
        };
        assert_eq!(before.tensors.len(), after.tensors.len());
        for (at, (old, new)) in before.tensors.iter().zip(&after.tensors).enumerate() {
            assert_eq!((&old.name, &old.shape, old.block_type), (&new.name, &new.shape, new.block_type));
            let changed = old.name.contains("attn_q.") || old.name.contains("ffn_down.");
            assert_eq!(data(&files.0, &before, at) != data(&files.1, &after, at), changed, "{}", old.name);
        }
        let mut expected = before.metadata;
        expected.insert("general.quantization_version".into(), Value::U32(2));
        assert_eq!(after.metadata, expected);
    }
}

#[test]
fn a_base_in_parts_is_merged_to_the_same_file_as_the_whole_one() {
    let mut scene = Scene::gguf(&tiny(), GgmlDType::Q8_0);
    let adapter = scene.adapter(&["q_proj", "down_proj"]);
    for stored in [GgufType::AsBase, GgufType::F16] {
        let whole = std::fs::read(scene.write(&adapter, stored).unwrap()).unwrap();
        let kept = std::fs::read(&scene.base).unwrap();
        let parts = testkit::split_gguf(&scene.base, 2).unwrap();
        let name = std::mem::replace(&mut scene.base, parts[1].clone());
        assert_eq!(std::fs::read(scene.write(&adapter, stored).unwrap()).unwrap(), whole);
        std::fs::write(&name, kept).unwrap();
        scene.base = name;
    }
}

#[test]
fn a_folder_gets_the_metadata_of_its_configuration() {
    let scene = Scene::folder(&TinyLlama { llama3_rope: true, ..tiny() });
    let path = scene.write(&scene.adapter(&["q_proj"]), GgufType::Q4K).unwrap();
    let header = gguf::read_header(&path).unwrap();
    let config = weights::open(&path, BaseDtype::F32, testkit::device()).unwrap().config;
    let before = weights::open(&scene.base, BaseDtype::F32, testkit::device()).unwrap().config;
    assert_eq!((config.rms_norm_eps as f32, config.linears()), (before.rms_norm_eps as f32, before.linears()));
    let frequencies = |config: &Config| config.rope.inverse_frequencies(config.head_dim);
    for (found, expected) in frequencies(&config).iter().zip(frequencies(&before)) {
        assert!((found / expected - 1.0).abs() < 1e-6);
    }
    assert_eq!(header.metadata["general.file_type"], Value::U32(15));
    assert_eq!(header.metadata["tokenizer.ggml.eos_token_id"], Value::U32(2));
    let kind = |name: &str| header.tensors.iter().find(|info| info.name == name).unwrap().block_type.to_string();
    assert_eq!((kind("blk.0.attn_q.weight"), kind("blk.0.ffn_down.weight")), ("Q5_0".into(), "Q4_K".into()));
    assert_eq!((kind("output_norm.weight"), kind("rope_freqs.weight")), ("F32".into(), "F32".into()));
}

#[test]
fn only_models_with_phi_3s_tokenizer_are_called_so() {
    let name = |folder: &str, architecture: &str, tokenizer: &str| {
        let text = |text: &str| Value::String(text.to_string());
        let keys = [("general.architecture", architecture), ("tokenizer.ggml.model", tokenizer)];
        let metadata = keys.into_iter().map(|(key, value)| (key.to_string(), text(value))).collect();
        name_of(Path::new(folder), &metadata)
    };
    assert_eq!(name("models/mine", "phi3", "llama"), "Phi-3 mine");
    assert_eq!(name("models/Phi-3-mini", "phi3", "llama"), "Phi-3-mini");
    assert_eq!(name("models/phi3", "phi3", "gpt2"), "model");
    assert_eq!(name("models/mine", "llama", "llama"), "mine");
}

#[test]
fn what_cannot_be_written_is_refused_and_leaves_nothing() {
    let scene = Scene::folder(&tiny());
    let adapter = scene.adapter(&["q_proj"]);
    let error = scene.write(&adapter, GgufType::AsBase).unwrap_err().to_string();
    assert!(error.contains("f16, q8_0 or q4_k"), "{error}");
    let path = scene.folder.path().join("stopped.gguf");
    assert!(
        !write(&scene.base, scene.kept, &adapter, GgufType::F16, &BTreeMap::new(), &path, &mut |_, _| false).unwrap()
    );
    let names = std::fs::read_dir(scene.folder.path()).unwrap().map(|entry| entry.unwrap().file_name());
    let mut names: Vec<_> = names.collect();
    names.sort();
    assert_eq!(names, ["adapter", "base"]);
}
