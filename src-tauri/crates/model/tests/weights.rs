//! Models written to disk in every supported form are read back as the same numbers, and damaged ones are refused.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::path::Path;

use candle_core::quantized::GgmlDType;
use candle_core::{DType, Tensor};
use candle_nn::VarBuilder;
use model::weights::{self, Kind, Source};
use model::{BaseDtype, Config, Error};
use proptest::prelude::*;
use testkit::TinyLlama;

fn open(path: &Path) -> model::Result<Source> {
    weights::open(path, BaseDtype::Auto, testkit::device())
}

fn refused(path: &Path) -> Error {
    open(path).err().expect("the model must be refused")
}

/// Every tensor that the configuration calls for, as bits.
fn numbers(source: &Source) -> BTreeMap<String, (Vec<usize>, Vec<u32>)> {
    let read = |(name, shape): (String, Vec<usize>)| {
        let tensor = source.vars.get(shape.clone(), &name).unwrap();
        (name, (shape, bits(&tensor)))
    };
    source.config.tensors().into_iter().map(read).collect()
}

fn bits(tensor: &Tensor) -> Vec<u32> {
    tensor.flatten_all().unwrap().to_vec1::<f32>().unwrap().into_iter().map(f32::to_bits).collect()
}

fn models() -> Vec<TinyLlama> {
    let plain = TinyLlama::default();
    vec![
        plain.clone(),
        TinyLlama { tied: false, seed: 1, ..plain.clone() },
        TinyLlama { biases: true, kv_heads: 1, head_dim: 12, seed: 2, ..plain.clone() },
        TinyLlama { llama3_rope: true, heads: 6, kv_heads: 3, layers: 3, seed: 3, ..plain },
    ]
}

#[test]
fn folder_shards_and_gguf_hold_the_same_numbers() {
    for tiny in models() {
        let dir = tempfile::tempdir().unwrap();
        let [folder, shards, gguf] = ["folder", "shards", "tiny.gguf"].map(|name| dir.path().join(name));
        tiny.write_folder(&folder).unwrap();
        tiny.write_shards(&shards, 3).unwrap();
        tiny.write_gguf(&gguf, GgmlDType::F32).unwrap();
        let [folder, shards, gguf] = [folder, shards, gguf].map(|path| open(&path).unwrap());

        let expected: BTreeMap<_, _> = tiny
            .tensors()
            .unwrap()
            .into_iter()
            .map(|(name, tensor)| (name, (tensor.dims().to_vec(), bits(&tensor))))
            .collect();
        assert_eq!(numbers(&folder), expected);
        assert_eq!(numbers(&shards), expected);
        assert_eq!(numbers(&gguf), expected);
        assert_eq!((folder.kind, shards.kind, gguf.kind), (Kind::Safetensors, Kind::Safetensors, Kind::Gguf));
        assert_eq!((folder.files.len(), shards.files.len(), gguf.files.len()), (1, 3, 1));
        for source in [&folder, &shards, &gguf] {
            assert_eq!(source.unneeded, Vec::<String>::new());
            assert!(source.vars.contains_tensor("model.norm.weight"));
            assert_eq!(source.vars.contains_tensor("lm_head.weight"), !tiny.tied);
        }

        assert_eq!(shards.config, folder.config);
        // GGUF keeps the constants in f32 and Llama 3's scaling as divisors.
        let rope = |config: &Config| config.rope.inverse_frequencies(config.head_dim);
        for (a, b) in rope(&folder.config).into_iter().zip(rope(&gguf.config)) {
            assert!((a / b - 1.0).abs() < 1e-6, "{a} against {b}");
        }
        assert!((folder.config.rms_norm_eps / gguf.config.rms_norm_eps - 1.0).abs() < 1e-6);
        let plain = |config: &Config| Config { rope: folder.config.rope.clone(), rms_norm_eps: 1e-5, ..config.clone() };
        assert_eq!(plain(&gguf.config), plain(&folder.config));
    }
}

#[test]
fn a_gguf_file_in_parts_is_the_model_that_it_was() {
    for tiny in models() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("tiny.gguf");
        tiny.write_gguf(&path, GgmlDType::Q4_0).unwrap();
        let whole = open(&path).unwrap();
        let (expected, config) = (numbers(&whole), whole.config.clone());
        let parts = testkit::split_gguf(&path, 3).unwrap();
        for part in &parts {
            let source = open(part).unwrap();
            assert_eq!((&source.files, source.kind), (&parts, Kind::Gguf));
            assert_eq!(source.config, config);
            assert_eq!(numbers(&source), expected);
        }
        std::fs::remove_file(&parts[1]).unwrap();
        let said = refused(&parts[0]).to_string();
        assert!(said.contains("part 2 is missing: download tiny-00002-of-00003.gguf"), "{said}");
    }
}

#[test]
fn every_block_type_is_decoded() {
    let dir = tempfile::tempdir().unwrap();
    let tiny = TinyLlama {
        hidden: 256,
        intermediate: 512,
        heads: 4,
        kv_heads: 2,
        head_dim: 64,
        layers: 1,
        tied: false,
        ..TinyLlama::default()
    };
    for block in testkit::BLOCK_TYPES {
        let path = dir.path().join("tiny.gguf");
        let expected = tiny.write_gguf(&path, block).unwrap();
        let found = numbers(&open(&path).unwrap());
        assert_eq!(found.len(), expected.len());
        for (name, tensor) in expected {
            assert_eq!(found[&name], (tensor.dims().to_vec(), bits(&tensor)), "{name} as {block:?}");
        }
    }
}

#[test]
fn half_precision_weights_become_the_dtype_asked_for() {
    for stored in [DType::BF16, DType::F16] {
        let dir = tempfile::tempdir().unwrap();
        let tiny = TinyLlama { dtype: stored, ..TinyLlama::default() };
        tiny.write_folder(dir.path()).unwrap();
        let (name, original) = tiny.tensors().unwrap().swap_remove(3);
        for (asked, kept) in [
            (BaseDtype::Auto, stored),
            (BaseDtype::F32, DType::F32),
            (BaseDtype::Bf16, DType::BF16),
            (BaseDtype::F16, DType::F16),
        ] {
            let source = weights::open(dir.path(), asked, testkit::device()).unwrap();
            let found = source.vars.get(original.dims(), &name).unwrap();
            let expected = original.to_dtype(stored).unwrap().to_dtype(kept).unwrap().to_dtype(DType::F32).unwrap();
            assert_eq!(bits(&found), bits(&expected));
            let weight = source.matrix(&name, original.dims2().unwrap()).unwrap();
            assert_eq!(weight.bytes() as usize, original.elem_count() * kept.size_in_bytes());
            assert_eq!(weight.compute_type(), DType::F32);
        }
    }
}

/// candle-transformers' own Llama, once on our source and once on candle's own reader of the same file.
#[test]
fn candle_transformers_computes_the_same_from_our_source() {
    use candle_transformers::models::llama::{Cache, Config as Theirs, Llama};
    let dir = tempfile::tempdir().unwrap();
    let tiny = TinyLlama { tied: false, ..TinyLlama::default() };
    tiny.write_folder(dir.path()).unwrap();
    tiny.write_gguf(&dir.path().join("tiny.gguf"), GgmlDType::F32).unwrap();
    let config = Theirs {
        hidden_size: tiny.hidden,
        intermediate_size: tiny.intermediate,
        vocab_size: tiny.vocab,
        num_hidden_layers: tiny.layers,
        num_attention_heads: tiny.heads,
        num_key_value_heads: tiny.kv_heads,
        use_flash_attn: false,
        rms_norm_eps: 1e-5,
        rope_theta: 10_000.0,
        bos_token_id: None,
        eos_token_id: None,
        rope_scaling: None,
        max_position_embeddings: 64,
        tie_word_embeddings: false,
    };
    let logits = |vars: VarBuilder| {
        let mut cache = Cache::new(false, DType::F32, &config, testkit::device()).unwrap();
        let ids = Tensor::new(&[[1u32, 100, 101, 2]], testkit::device()).unwrap();
        bits(&Llama::load(vars, &config).unwrap().forward(&ids, 0, &mut cache).unwrap())
    };
    let bytes = std::fs::read(dir.path().join("model.safetensors")).unwrap();
    let theirs = logits(VarBuilder::from_buffered_safetensors(bytes, DType::F32, testkit::device()).unwrap());
    assert_eq!(logits(open(dir.path()).unwrap().vars), theirs);
    assert_eq!(logits(open(&dir.path().join("tiny.gguf")).unwrap().vars), theirs);
}

/// Rewrites the tensors of a folder's single file.
fn rewrite(dir: &Path, change: impl FnOnce(&mut BTreeMap<String, Tensor>)) {
    let path = dir.join("model.safetensors");
    let mut tensors = candle_core::safetensors::load(&path, testkit::device()).unwrap().into_iter().collect();
    change(&mut tensors);
    let tensors: std::collections::HashMap<_, _> = tensors.into_iter().collect();
    candle_core::safetensors::save(&tensors, &path).unwrap();
}

#[test]
fn missing_misshapen_and_superfluous_tensors_are_named() {
    let tiny = TinyLlama { tied: false, ..TinyLlama::default() };
    let dir = tempfile::tempdir().unwrap();
    tiny.write_folder(dir.path()).unwrap();
    let extra = |count: usize| Tensor::zeros(count, DType::F32, testkit::device()).unwrap();
    rewrite(dir.path(), |tensors| {
        tensors.insert("model.layers.0.self_attn.rotary_emb.inv_freq".into(), extra(4));
        tensors.insert("score.weight".into(), extra(1));
    });
    assert_eq!(open(dir.path()).unwrap().unneeded, ["score.weight"]);
    rewrite(dir.path(), |tensors| {
        tensors.remove("lm_head.weight");
    });
    let error = refused(dir.path());
    assert!(matches!(&error, Error::MissingTensor { name, .. } if name == "lm_head.weight"), "{error}");
    rewrite(dir.path(), |tensors| {
        tensors.insert("lm_head.weight".into(), extra(7));
    });
    let error = refused(dir.path());
    assert!(matches!(&error, Error::Shape { name, found, .. } if name == "lm_head.weight" && found == &[7]), "{error}");
}

/// `config.json` says that the head is the embedding, and the file holds a head all the same.
#[test]
fn a_head_beside_a_configuration_without_one_is_compared_with_the_embedding() {
    let tiny = TinyLlama { tied: false, ..TinyLlama::default() };
    let dir = tempfile::tempdir().unwrap();
    tiny.write_folder(dir.path()).unwrap();
    let plain = numbers(&open(dir.path()).unwrap());
    let mut config = tiny.config();
    config["tie_word_embeddings"] = true.into();
    std::fs::write(dir.path().join("config.json"), config.to_string()).unwrap();

    let source = open(dir.path()).unwrap();
    assert!(!source.config.tie_word_embeddings && source.untied);
    assert_eq!(numbers(&source), plain, "the head of the file");
    assert_eq!(source.unneeded, Vec::<String>::new());
    assert!(source.notes()[0].contains("tie_word_embeddings") && source.notes()[0].contains("lm_head.weight"));

    // One number apart is another head.
    let same = |tensors: &mut BTreeMap<String, Tensor>| {
        tensors.insert("lm_head.weight".into(), tensors["model.embed_tokens.weight"].clone());
    };
    rewrite(dir.path(), same);
    let source = open(dir.path()).unwrap();
    assert!(source.config.tie_word_embeddings && !source.untied);
    assert_eq!((source.unneeded.len(), source.notes().len()), (0, 0));
    rewrite(dir.path(), |tensors| {
        let head = &tensors["lm_head.weight"];
        let mut values = head.to_vec2::<f32>().unwrap();
        *values.last_mut().unwrap().last_mut().unwrap() += 0.5;
        let head = Tensor::new(values, testkit::device()).unwrap();
        tensors.insert("lm_head.weight".into(), head);
    });
    assert!(open(dir.path()).unwrap().untied);
    rewrite(dir.path(), |tensors| {
        let head = tensors["lm_head.weight"].narrow(0, 0, 9).unwrap();
        tensors.insert("lm_head.weight".into(), head);
    });
    assert!(matches!(refused(dir.path()), Error::Shape { name, .. } if name == "lm_head.weight"));
}

#[test]
fn tensors_that_would_make_another_model_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let tiny = TinyLlama { biases: true, ..TinyLlama::default() };
    tiny.write_folder(dir.path()).unwrap();
    let without = TinyLlama { biases: false, ..tiny }.config();
    std::fs::write(dir.path().join("config.json"), without.to_string()).unwrap();
    let message = refused(dir.path()).to_string();
    assert!(message.contains("0.mlp.down_proj.bias") && message.contains("and 9 more"), "{message}");
    assert!(message.contains("attention_bias"), "{message}");
    rewrite(dir.path(), |tensors| {
        #[allow(clippy::case_sensitive_file_extension_comparisons)] // names of tensors are no files
        for (name, tensor) in tensors.iter_mut().filter(|(name, _)| name.ends_with(".bias")) {
            assert!(name.contains("_proj"));
            *tensor = tensor.zeros_like().unwrap();
        }
    });
    let source = open(dir.path()).unwrap();
    assert_eq!(source.unneeded.len(), 14);
    assert!(source.notes()[0].starts_with("14 tensors in the model's files"), "{:?}", source.notes());
}

#[test]
fn files_of_a_folder_that_are_not_read_are_named() {
    let dir = tempfile::tempdir().unwrap();
    TinyLlama::default().write_folder(dir.path()).unwrap();
    assert_eq!(open(dir.path()).unwrap().notes(), Vec::<String>::new());
    for name in ["consolidated.safetensors", "adapter_model.safetensors", "adapter_config.json"] {
        std::fs::write(dir.path().join(name), "").unwrap();
    }
    let notes = open(dir.path()).unwrap().notes();
    assert!(notes[0].contains("adapter_config.json"), "{notes:?}");
    assert!(notes[1].ends_with("of the same folder these are not read: consolidated.safetensors"), "{notes:?}");
    assert_eq!(notes.len(), 2);
}

#[test]
fn folders_without_usable_weights_say_what_to_do() {
    let dir = tempfile::tempdir().unwrap();
    TinyLlama::default().write_folder(dir.path()).unwrap();
    let weights = dir.path().join("model.safetensors");
    let says = |part: &str| {
        let message = refused(dir.path()).to_string();
        assert!(message.contains(part), "{message}");
    };
    std::fs::rename(&weights, dir.path().join("pytorch_model.bin")).unwrap();
    says("safetensors version");
    std::fs::rename(dir.path().join("pytorch_model.bin"), dir.path().join("other.gguf")).unwrap();
    says("other.gguf");
    std::fs::remove_file(dir.path().join("other.gguf")).unwrap();
    for name in ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"] {
        std::fs::write(dir.path().join(name), "").unwrap();
    }
    says("model.safetensors.index.json too: the shards are here (2 of them");
    let index = dir.path().join("model.safetensors.index.json");
    for (text, part) in [
        (r#"{"weight_map": {"a": "../outside.safetensors"}}"#, "../outside.safetensors"),
        (r#"{"weight_map": {"a": ".."}}"#, "not a file of the same folder"),
        (r#"{"weight_map": {}}"#, "empty"),
        (r#"{"weight_map": 3}"#, "no index"),
        (r#"{"weight_map": {"a": "gone.safetensors"}}"#, "gone.safetensors"),
    ] {
        std::fs::write(&index, text).unwrap();
        says(part);
    }
    assert!(refused(&dir.path().join("config.json")).to_string().contains("not a GGUF file"));
    assert!(matches!(refused(&dir.path().join("nowhere")), Error::Io { .. }));
}

#[test]
fn truncated_files_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let tiny = TinyLlama::default();
    tiny.write_folder(dir.path()).unwrap();
    let gguf = dir.path().join("tiny.gguf");
    tiny.write_gguf(&gguf, GgmlDType::Q8_0).unwrap();
    for (file, model) in [(dir.path().join("model.safetensors"), dir.path()), (gguf.clone(), gguf.as_path())] {
        let whole = std::fs::read(&file).unwrap();
        for keep in [0, 3, 8, 40, whole.len() / 2, whole.len() - 64] {
            std::fs::write(&file, &whole[..keep]).unwrap();
            let error = refused(model);
            let name = file.file_name().unwrap().to_str().unwrap();
            assert!(error.to_string().contains(name), "{keep} bytes: {error}");
        }
    }
}

/// The place of a tensor's block type code in a GGUF file: after its name, its rank and its sizes.
fn block_type_place(bytes: &[u8], name: &str) -> usize {
    let start = bytes.windows(name.len()).position(|window| window == name.as_bytes()).unwrap();
    start + name.len() + 4 + 2 * 8
}

#[test]
fn a_block_type_that_cannot_be_decoded_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("tiny.gguf");
    let tiny = TinyLlama { hidden: 256, head_dim: 64, ..TinyLlama::default() };
    tiny.write_gguf(&path, GgmlDType::Q8_0).unwrap();
    let mut bytes = std::fs::read(&path).unwrap();
    let place = block_type_place(&bytes, "blk.1.ffn_up.weight");
    let iq2_xxs = 16u32;
    bytes[place..place + 4].copy_from_slice(&iq2_xxs.to_le_bytes());
    std::fs::write(&path, &bytes).unwrap();
    let error = refused(&path);
    assert!(
        matches!(&error, Error::BlockType { tensor, block, .. } if tensor == "blk.1.ffn_up.weight" && block == "IQ2_XXS"),
        "{error}"
    );
    assert!(error.to_string().contains("Q4_K"), "the message lists what can be read: {error}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    /// A GGUF file with bytes of its header changed is read or refused; it neither panics nor reads past its end.
    #[test]
    fn a_damaged_gguf_never_panics(changes in prop::collection::vec((0usize..9000, any::<u8>()), 1..8)) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("tiny.gguf");
        TinyLlama { layers: 1, ..TinyLlama::default() }.write_gguf(&path, GgmlDType::Q4_0).unwrap();
        let mut bytes = std::fs::read(&path).unwrap();
        for (place, byte) in changes {
            if let Some(old) = bytes.get_mut(place) {
                *old = byte;
            }
        }
        std::fs::write(&path, &bytes).unwrap();
        if let Ok(source) = open(&path) {
            for (name, shape) in source.config.tensors() {
                let tensor = source.vars.get(shape.clone(), &name).unwrap();
                prop_assert_eq!(tensor.dims(), shape.as_slice());
            }
        }
    }
}

/// The real model of the demo, where it is at hand.
#[test]
fn the_demo_model_is_read() {
    let Some(path) = std::env::var_os("TIEBREAK_DEMO_MODEL") else {
        eprintln!(
            "left out: the_demo_model_is_read needs TIEBREAK_DEMO_MODEL, the path of SmolLM2-135M-Instruct.Q4_1.gguf"
        );
        return;
    };
    let source = open(Path::new(&path)).unwrap();
    assert_eq!(source.config.parameter_count(), 134_515_008);
    assert_eq!((source.config.head_dim, source.config.num_key_value_heads), (64, 3));
    assert!(source.config.tie_word_embeddings && source.unneeded.is_empty());
    // Mean squares as numpy finds them in the tensors that the `gguf` package of llama.cpp decodes.
    for (name, expected) in [
        ("model.embed_tokens.weight", 0.018_381_744_506_540_648),
        ("model.layers.0.self_attn.q_proj.weight", 0.080_625_401_702_007_7),
        ("model.layers.29.mlp.down_proj.weight", 0.033_532_121_323_866_265),
        ("model.norm.weight", 3.336_346_440_845_066),
    ] {
        let tensor = source.vars.get_unchecked(name).unwrap().to_dtype(DType::F64).unwrap();
        let found = tensor.sqr().unwrap().mean_all().unwrap().to_scalar::<f64>().unwrap();
        assert!((found / expected - 1.0).abs() < 1e-9, "{name}: {found} against {expected}");
    }
    // One entry each, so that a wrong row order would show: transformers' own import of the file says the same.
    let query = source.vars.get_unchecked("model.layers.0.self_attn.q_proj.weight").unwrap();
    for (row, column, expected) in [
        (0, 0, -0.096_313_48),
        (1, 5, -0.298_461_9),
        (33, 7, -0.131_958_01),
        (100, 200, 0.002_197_265_6),
        (575, 575, -0.255_859_38),
    ] {
        let found = query.get(row).unwrap().get(column).unwrap().to_scalar::<f32>().unwrap();
        assert!((found - expected).abs() < 1e-7, "row {row}, column {column}: {found} against {expected}");
    }
}

/// Found by feeding damaged files: divisors of the rotary frequencies that are no list, here a matrix without columns.
#[test]
fn rotary_divisors_that_are_no_list_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("damaged.gguf");
    let metadata = [("general.architecture".to_string(), gguf::Value::String("llama".into()))].into();
    let tensor =
        gguf::NewTensor { name: "rope_freqs.weight".into(), shape: vec![3, 0], block_type: gguf::BlockType(0) };
    gguf::Writer::create(&path, &metadata, &[tensor]).unwrap().finish().unwrap();
    let error = refused(&path).to_string();
    assert!(error.contains("rope_freqs.weight") && error.contains("[3, 0]"), "{error}");
}

#[test]
fn a_folder_that_holds_an_adapter_is_refused_as_one() {
    let dir = tempfile::tempdir().unwrap();
    let base = r#"{"peft_type": "LORA", "base_model_name_or_path": "org/base"}"#;
    std::fs::write(dir.path().join("adapter_config.json"), base).unwrap();
    let message = open(dir.path()).err().unwrap().to_string();
    assert!(message.contains("this folder holds an adapter of org/base, not a model"), "{message}");
    std::fs::write(dir.path().join("adapter_config.json"), "{").unwrap();
    let message = open(dir.path()).err().unwrap().to_string();
    assert!(message.contains("this folder holds an adapter, not a model"), "{message}");
}
