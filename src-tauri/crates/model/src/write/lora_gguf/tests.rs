#![allow(clippy::unwrap_used)]

use super::*;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use testkit::TinyLlama;

fn scene(tiny: &TinyLlama, targets: &[&str]) -> (tempfile::TempDir, Config, Lora) {
    let folder = tempfile::tempdir().unwrap();
    tiny.write_folder(&folder.path().join("base")).unwrap();
    let config = weights::open(&folder.path().join("base"), BaseDtype::F32, testkit::device()).unwrap().config;
    let target_modules = TargetModules::Names(targets.iter().map(|&name| name.to_string()).collect());
    scene_of(folder, config, &LoraConfig { r: 3, lora_alpha: 7.0, target_modules, ..LoraConfig::default() })
}

fn scene_of(folder: tempfile::TempDir, config: Config, settings: &LoraConfig) -> (tempfile::TempDir, Config, Lora) {
    let mut rng = ChaCha8Rng::seed_from_u64(5);
    let mut lora = Lora::init(settings, &config.linears(), &mut rng, DType::F32, testkit::device()).unwrap();
    for parameter in lora.parameters_mut() {
        let values: Vec<f32> = (0..parameter.elem_count()).map(|_| rng.random_range(-0.2..0.2)).collect();
        *parameter = Tensor::from_vec(values, parameter.shape(), testkit::device()).unwrap();
    }
    lora.save(&folder.path().join("adapter"), "base").unwrap();
    (folder, config, lora)
}

fn numbers(tensor: &Tensor) -> Vec<f32> {
    tensor.flatten_all().unwrap().to_vec1().unwrap()
}

#[test]
fn what_is_written_is_the_adapter() {
    let tiny = TinyLlama { heads: 4, kv_heads: 2, head_dim: 6, tied: false, ..TinyLlama::default() };
    let (folder, config, lora) = scene(&tiny, &["q_proj", "k_proj", "v_proj", "down_proj", "lm_head"]);
    let path = folder.path().join("adapter.gguf");
    write(&folder.path().join("base"), &folder.path().join("adapter"), &path).unwrap();
    let found = read(&path, &config, testkit::device()).unwrap();
    assert!(found.weights().iter().zip(lora.weights()).all(|(found, own)| (found.scale - own.scale).abs() < 1e-6));
    assert_eq!(found.parameters().len(), lora.parameters().len());
    for ((name, ours), (other, theirs)) in lora.parameters().iter().zip(found.parameters()) {
        assert_eq!((name, numbers(ours)), (&other, numbers(theirs)));
    }
    // In the file, the rows of queries and keys have llama.cpp's order: 0, 3, 1, 4, 2, 5 of each head of six.
    let written = gguf::Model::open(&path).unwrap();
    let header = &written.header;
    assert_eq!(header.metadata[ALPHA], Value::F32(7.0));
    let stored = |name: &str| {
        let at = header.tensors.iter().position(|info| info.name == name).unwrap();
        numbers(&read_floats(&written, at).unwrap())
    };
    let rows = |linear: &str| {
        let weight = lora.weights().iter().find(|weight| weight.name.ends_with(linear)).unwrap();
        weight.b.to_vec2::<f32>().unwrap()
    };
    for (name, linear) in [("blk.0.attn_q", "layers.0.self_attn.q_proj"), ("blk.0.attn_k", "layers.0.self_attn.k_proj")]
    {
        let b = rows(linear);
        let order = (0..b.len()).map(|at| at / 6 * 6 + [0, 3, 1, 4, 2, 5][at % 6]);
        assert_eq!(stored(&format!("{name}.weight.lora_b")), order.flat_map(|row| b[row].clone()).collect::<Vec<_>>());
    }
    assert_eq!(stored("blk.0.attn_v.weight.lora_b"), rows("layers.0.self_attn.v_proj").concat());
}

#[test]
fn files_that_are_no_adapter_for_the_model_are_refused() {
    let (folder, config, _) = scene(&TinyLlama { tied: true, ..TinyLlama::default() }, &["q_proj", "lm_head"]);
    let path = folder.path().join("adapter.gguf");
    let tied = write(&folder.path().join("base"), &folder.path().join("adapter"), &path).unwrap_err().to_string();
    assert!(tied.contains("output head") && tied.contains("merged"), "{tied}");
    let text = |text: &str| Value::String(text.to_string());
    let refused = |architecture: &str, kind: &str, tensors: &[NewTensor]| {
        let metadata = BTreeMap::from([
            ("general.architecture".to_string(), text(architecture)),
            ("general.type".to_string(), text(kind)),
            ("adapter.type".to_string(), text("lora")),
            (ALPHA.to_string(), Value::F32(1.0)),
        ]);
        let mut writer = Writer::create(&path, &metadata, tensors).unwrap();
        for tensor in tensors {
            writer.append(&tensor.name, &vec![0; tensor.bytes().unwrap() as usize]).unwrap();
        }
        writer.finish().unwrap();
        read(&path, &config, testkit::device()).unwrap_err().to_string()
    };
    let tensor = |name: &str, shape: &[usize]| NewTensor { name: name.into(), shape: shape.into(), block_type: F32 };
    assert!(refused("llama", "model", &[]).contains("no LoRA adapter"));
    assert!(refused("mamba", "adapter", &[]).contains("mamba"));
    let odd = [tensor("blk.0.attn_q.weight.lora_a", &[2, 5]), tensor("blk.0.attn_q.weight.lora_b", &[7, 2])];
    assert!(refused("llama", "adapter", &odd).contains("attn_q"));
    assert!(refused("llama", "adapter", &[tensor("blk.99.attn_q.weight.lora_a", &[2, 5])]).contains("model knows 0"));
}

/// llama.cpp knows one alpha for all linears, so that `s · B A` is what must come out the same.
#[test]
fn ranks_and_scales_of_their_own_are_in_the_factors_and_dora_is_refused() {
    let tiny = TinyLlama { tied: false, ..TinyLlama::default() };
    let (folder, config, _) = scene(&tiny, &["q_proj"]);
    let settings = LoraConfig {
        r: 3,
        lora_alpha: 4.0,
        use_rslora: true,
        rank_pattern: Patterns(vec![("layers.0.*_proj".into(), 2)]),
        alpha_pattern: Patterns(vec![("up_proj".into(), 9.0)]),
        ..LoraConfig::default()
    };
    let (folder, config, lora) = scene_of(folder, config, &settings);
    let (base, adapter) = (folder.path().join("base"), folder.path().join("adapter"));
    let path = folder.path().join("adapter.gguf");
    write(&base, &adapter, &path).unwrap();
    let found = read(&path, &config, testkit::device()).unwrap();
    assert_eq!(found.weights().len(), lora.weights().len());
    for (own, found) in lora.weights().iter().zip(found.weights()) {
        assert_eq!((&own.name, own.rank()), (&found.name, found.rank()));
        let product = |w: &LoraWeight| numbers(&(w.b.matmul(&w.a).unwrap() * w.scale).unwrap());
        assert!(product(own).iter().zip(product(found)).all(|(own, found)| (own - found).abs() < 1e-6), "{}", own.name);
    }
    let dora = std::fs::read_to_string(adapter.join("adapter_config.json")).unwrap();
    std::fs::write(adapter.join("adapter_config.json"), dora.replace("\"use_dora\": false", "\"use_dora\": true"))
        .unwrap();
    assert!(write(&base, &adapter, &path).is_err());
}
