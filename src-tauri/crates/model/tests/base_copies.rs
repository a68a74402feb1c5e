//! Adapters that bring matrices of their base along, as PEFT writes them where the output head has an adapter or the
//! vocabulary was resized.
#![allow(clippy::unwrap_used)]

use std::collections::HashMap;
use std::path::Path;

use candle_core::{DType, Tensor};
use model::{BaseDtype, Decoder, Lora, LoraConfig, TargetModules};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use testkit::TinyLlama;

const HEAD: &str = "base_model.model.lm_head.base_layer.weight";
const EMBEDDING: &str = "base_model.model.model.embed_tokens.weight";

/// A model folder, and in it an adapter with an output head.
fn scene(tiny: &TinyLlama) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    tiny.write_folder(folder.path()).unwrap();
    let decoder = load(folder.path(), BaseDtype::Auto);
    let target_modules = TargetModules::Names(vec!["q_proj".into(), "lm_head".into()]);
    let config = LoraConfig { r: 2, target_modules, ..LoraConfig::default() };
    let lora = decoder.start_lora(&config, &mut ChaCha8Rng::seed_from_u64(1), DType::F32).unwrap();
    lora.save(&folder.path().join("adapter"), "base").unwrap();
    folder
}

fn load(folder: &Path, dtype: BaseDtype) -> Decoder {
    Decoder::load(folder, testkit::device(), dtype).unwrap()
}

/// The adapter with these tensors beside its own.
fn with(folder: &Path, tensors: &[(&str, Tensor)]) {
    let path = folder.join("adapter/adapter_model.safetensors");
    let mut all: HashMap<String, Tensor> = candle_core::safetensors::load(&path, testkit::device()).unwrap();
    all.extend(tensors.iter().map(|(name, tensor)| ((*name).to_string(), tensor.clone())));
    candle_core::safetensors::save(&all, &path).unwrap();
}

fn matrix(tiny: &TinyLlama, name: &str) -> Tensor {
    tiny.tensors().unwrap().into_iter().find(|(found, _)| found == name).unwrap().1
}

#[test]
fn matrices_that_are_the_bases_own_are_accepted() {
    for (tied, dtype) in [(true, DType::F32), (false, DType::F32), (true, DType::BF16), (false, DType::F16)] {
        let tiny = TinyLlama { tied, dtype, ..TinyLlama::default() };
        let folder = scene(&tiny);
        let embedding = matrix(&tiny, "model.embed_tokens.weight").to_dtype(dtype).unwrap();
        let head = if tied { embedding.clone() } else { matrix(&tiny, "lm_head.weight").to_dtype(dtype).unwrap() };
        // In the file's own type, and as it was loaded in f32.
        for stored in [dtype, DType::F32] {
            with(
                folder.path(),
                &[(HEAD, head.to_dtype(stored).unwrap()), (EMBEDDING, embedding.to_dtype(stored).unwrap())],
            );
            for kept in [BaseDtype::Auto, BaseDtype::F32, BaseDtype::Bf16] {
                let decoder = load(folder.path(), kept);
                let lora = decoder.load_lora(&folder.path().join("adapter"));
                assert_eq!(lora.unwrap().weights().len(), 3, "tied {tied}, {dtype:?} as {stored:?}, kept {kept}");
            }
        }
        let decoder = load(folder.path(), BaseDtype::Auto);
        let alone = Lora::load(&folder.path().join("adapter"), decoder.linears(), testkit::device());
        let said = alone.unwrap_err().to_string();
        assert!(said.contains(HEAD) || said.contains(EMBEDDING), "there is no base to compare with: {said}");
    }
}

#[test]
fn other_matrices_are_refused_by_name_with_what_helps() {
    let tiny = TinyLlama { tied: false, ..TinyLlama::default() };
    let own = matrix(&tiny, "lm_head.weight");
    let refused = |name: &str, tensor: Tensor, dtype: BaseDtype| {
        let folder = scene(&tiny);
        with(folder.path(), &[(name, tensor)]);
        let said = load(folder.path(), dtype).load_lora(&folder.path().join("adapter")).unwrap_err().to_string();
        assert!(said.contains(name) && said.contains("merge_and_unload"), "{said}");
        said
    };
    let mut values = own.to_vec2::<f32>().unwrap();
    values[260][31] += 0.01;
    let said = refused(HEAD, Tensor::new(values, testkit::device()).unwrap(), BaseDtype::Auto);
    assert!(said.contains("an output head of its own") && said.contains("is not this model's"), "{said}");
    let resized = Tensor::cat(&[&own, &own.narrow(0, 0, 4).unwrap()], 0).unwrap();
    let said = refused("base_model.model.lm_head.weight", resized.clone(), BaseDtype::Auto);
    assert!(said.contains("an output head of its own for 268 tokens"), "{said}");
    assert!(said.contains("where the model's is for 264: the vocabulary was resized"), "{said}");
    assert!(said.contains("resize_token_embeddings(268)"), "{said}");
    let said = refused(EMBEDDING, resized, BaseDtype::Auto);
    assert!(said.contains("an embedding of its own"), "{said}");
    let said = refused(HEAD, own, BaseDtype::Q8);
    assert!(said.contains("in blocks, as it is kept here"), "{said}");
}
