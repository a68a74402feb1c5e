#![allow(clippy::unwrap_used)]

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
    LoraConfig { r, lora_alpha: 8.0, lora_dropout: 0.05, target_modules, ..LoraConfig::default() }
}

fn random(linears: &[LinearShape], config: &LoraConfig, seed: u64) -> Vec<LoraWeight> {
    let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(seed);
    let mut tensor = |shape: &[usize]| {
        let values: Vec<f32> = (0..shape.iter().product()).map(|_| rng.random_range(-1.0..1.0)).collect();
        Tensor::from_vec(values, shape, testkit::device()).unwrap()
    };
    let places = config.resolve(linears).unwrap();
    places
        .into_iter()
        .map(|place| &linears[place])
        .map(|l| {
            let rank = config.rank_of(&l.name);
            let (a, b) = (tensor(&[rank, l.in_features]), tensor(&[l.out_features, rank]));
            let magnitude = config.use_dora.then(|| tensor(&[l.out_features]));
            LoraWeight { magnitude, ..LoraWeight::new(&*l.name, a, b, config.scale_of(&l.name)) }
        })
        .collect()
}

fn save(dir: &Path, weights: &[LoraWeight], config: &LoraConfig) -> Result<()> {
    write(dir, weights, config, "tiny")
}

fn values(tensor: &Tensor) -> Vec<f32> {
    tensor.flatten_all().unwrap().to_vec1().unwrap()
}

/// A folder with a good adapter, whose configuration is then changed by `change`.
fn changed(change: impl FnOnce(&mut Value)) -> Result<Read> {
    let dir = tempfile::tempdir().unwrap();
    let config = config(2, &["all-linear"]);
    save(dir.path(), &random(&linears(), &config, 1), &config).unwrap();
    let path = dir.path().join(CONFIG);
    let mut json: Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
    change(&mut json);
    std::fs::write(&path, json.to_string()).unwrap();
    read(dir.path(), &linears(), testkit::device())
}

proptest! {
    #[test]
    fn what_is_written_is_read_again(
        r in 1usize..9,
        seed: u64,
        alpha in 0.5f64..64.0,
        dropout in 0.0f64..0.9,
        names in prop::sample::subsequence(vec!["q_proj", "up_proj", "lm_head"], 1..4),
        use_rslora: bool,
        dora: bool,
        other_rank in prop::option::of(1usize..5),
    ) {
        let dir = tempfile::tempdir().unwrap();
        let use_dora = dora && !names.contains(&"lm_head");
        let rank_pattern = Patterns(other_rank.map(|rank| (".*_proj".to_owned(), rank)).into_iter().collect());
        let alpha_pattern = Patterns(vec![("layers.0.mlp.*".to_owned(), alpha + 1.0)]);
        let sorted = { let mut names = names.clone(); names.sort_unstable(); names };
        let config = LoraConfig {
            lora_alpha: alpha, lora_dropout: dropout, use_rslora, use_dora, rank_pattern, alpha_pattern,
            ..config(r, &sorted)
        };
        let weights = random(&linears(), &config, seed);
        save(dir.path(), &weights, &config).unwrap();
        let found = read(dir.path(), &linears(), testkit::device()).unwrap();
        prop_assert_eq!(&found.config, &config);
        prop_assert_eq!(found.base_model_name_or_path.as_deref(), Some("tiny"));
        prop_assert_eq!(found.weights.len(), weights.len());
        for (found, written) in found.weights.iter().zip(&weights) {
            prop_assert_eq!(found.scale.to_bits(), written.scale.to_bits());
            let (found, written): (Vec<_>, Vec<_>) = (found.parameters().collect(), written.parameters().collect());
            prop_assert_eq!(found.len(), if use_dora { 3 } else { 2 });
            for (found, written) in found.iter().zip(&written) {
                prop_assert_eq!(&found.0, &written.0);
                prop_assert_eq!(values(found.1), values(written.1));
            }
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
    broken[1].b = (&broken[1].b * f64::NAN).unwrap();
    assert!(matches!(save(dir.path(), &broken, &config), Err(Error::NonFinite { .. })));
    broken[1].b = Tensor::zeros((10, 3), DType::F32, testkit::device()).unwrap();
    assert!(matches!(save(dir.path(), &broken, &config), Err(Error::Adapter { .. })));
    let found = read(dir.path(), &linears(), testkit::device()).unwrap();
    assert_eq!(values(&found.weights[1].b), values(&old[1].b));
    let occupied = dir.path().join(WEIGHTS).join("below a file");
    assert!(matches!(save(&occupied, &old, &config), Err(Error::Io { .. })));
}

#[test]
fn settings_that_change_the_mathematics_are_refused_by_name() {
    for (field, value) in [
        ("use_dora", json!("yes")),
        ("use_rslora", json!(1)),
        ("rank_pattern", json!({"q_proj": -4})),
        ("alpha_pattern", json!([4])),
        ("modules_to_save", json!(["lm_head"])),
        ("bias", json!("all")),
        ("fan_in_fan_out", json!(true)),
        ("layers_to_transform", json!("first")),
        ("exclude_modules", json!(1)),
        ("layers_pattern", json!([1])),
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
    for (field, value) in [("something_new", Value::Null), ("velora_config", json!({})), ("peft_version", json!("1"))] {
        changed(|json| json[field] = value.clone()).unwrap();
    }
}

#[test]
fn a_regular_expression_is_kept_and_one_for_python_alone_replaced_by_the_names_of_the_tensors() {
    let found = changed(|json| json["target_modules"] = json!(r".*\.(q|up)_proj")).unwrap();
    assert_eq!(found.config.target_modules, TargetModules::Pattern(r".*\.(q|up)_proj".into()));
    let elsewhere = changed(|json| json["target_modules"] = json!(r".*\.q_proj")).unwrap_err();
    assert!(elsewhere.to_string().contains("up_proj"), "{elsewhere}");
    let python = changed(|json| json["target_modules"] = json!(r"(?(1)a|.*)\.(q|up)_proj(?#)(?L)")).unwrap();
    let names = ["model.layers.0.self_attn.q_proj", "model.layers.0.mlp.up_proj"].map(String::from);
    assert_eq!(python.config.target_modules, TargetModules::Names(names.into()));
}

/// The file holds weights for `q_proj` and `up_proj`.
#[test]
fn what_other_settings_leave_out_of_the_targets_has_no_weights() {
    let all = json!(["q_proj", "up_proj", "lm_head"]);
    let found = changed(|json| {
        json["target_modules"] = all.clone();
        json["exclude_modules"] = json!(["lm_head"]);
    });
    let names = ["model.layers.0.mlp.up_proj", "model.layers.0.self_attn.q_proj"].map(String::from);
    assert_eq!(found.unwrap().config.target_modules, TargetModules::Names(names.into()));
    let by_layer = changed(|json| {
        json["target_modules"] = all.clone();
        json["layers_to_transform"] = json!([0, 3]);
    });
    assert_eq!(by_layer.unwrap().weights.len(), 2, "the head is in no layer");
    let more = changed(|json| json["exclude_modules"] = json!(["q_proj"])).unwrap_err();
    assert!(more.to_string().contains("q_proj.lora_A"), "weights of what is left out: {more}");
    let fewer = changed(|json| {
        json["target_modules"] = all.clone();
        json["exclude_modules"] = json!(["o_proj"]);
    });
    assert!(matches!(fewer.unwrap_err(), Error::MissingTensor { name, .. } if name.contains("lm_head.lora_A")));
    let none = changed(|json| json["layers_to_transform"] = json!([1])).unwrap_err();
    assert!(matches!(&none, Error::Adapter { .. }) && none.to_string().contains("empty"), "{none}");
}

#[test]
fn what_a_setting_makes_of_the_scale_is_on_each_weight() {
    let found = changed(|json| {
        json["use_rslora"] = json!(true);
        json["alpha_pattern"] = json!({"up_proj": 3});
    });
    let scales: Vec<_> = found.unwrap().weights.iter().map(|w| w.scale).collect();
    assert_eq!(scales, [8.0 / 2f64.sqrt(), 3.0 / 2f64.sqrt()]);
    let missing = changed(|json| json["use_dora"] = json!(true)).unwrap_err();
    assert!(missing.to_string().contains("lora_magnitude_vector"), "{missing}");
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

/// The adapter of [`changed`], its tensors under other names.
fn renamed(rename: impl Fn(&str) -> String, change: impl FnOnce(&mut Value)) -> Result<Read> {
    let dir = tempfile::tempdir().unwrap();
    let config = config(2, &["all-linear"]);
    save(dir.path(), &random(&linears(), &config, 1), &config).unwrap();
    let path = dir.path().join(WEIGHTS);
    let tensors: HashMap<String, Tensor> = candle_core::safetensors::load(&path, testkit::device()).unwrap();
    let tensors: HashMap<String, Tensor> = tensors.into_iter().map(|(name, tensor)| (rename(&name), tensor)).collect();
    candle_core::safetensors::save(&tensors, &path).unwrap();
    let path = dir.path().join(CONFIG);
    let mut json: Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
    change(&mut json);
    std::fs::write(&path, json.to_string()).unwrap();
    read(dir.path(), &linears(), testkit::device())
}

#[test]
fn an_adapter_under_other_known_names_is_the_same_adapter() {
    let plain = changed(|_| ()).unwrap();
    let all = |read: &Read| read.weights.iter().flat_map(|w| [values(&w.a), values(&w.b)]).collect::<Vec<_>>();
    let names: [&dyn Fn(&str) -> String; 5] = [
        &|name| name.replace(PREFIX, ""),
        &|name| format!("module.{}", name.replace(".weight", ".default.weight")),
        &|name| name.replace("layers.0.", "layers.0._fsdp_wrapped_module."),
        &|name| name.replace("model.model.layers", "model.model.language_model.layers"),
        &|name| name.replace("model.model.layers", "model.language_model.model.layers"),
    ];
    for rename in names {
        let found = renamed(rename, |_| ()).unwrap();
        assert_eq!(all(&found), all(&plain));
        assert_eq!(found.weights[0].name, "model.layers.0.self_attn.q_proj");
    }
    // Settings that call linears as the file does.
    let found = renamed(names[3], |json| {
        json["target_modules"] = json!(r".*language_model.*\.(self_attn|mlp)\.(q|up)_proj");
        json["exclude_modules"] = json!(r".*vision.*");
    });
    let found = found.unwrap();
    assert_eq!(all(&found), all(&plain));
    let here = ["model.layers.0.mlp.up_proj", "model.layers.0.self_attn.q_proj"].map(String::from);
    assert_eq!(found.config.target_modules, TargetModules::Names(here.into()), "as this model calls them");
    let pattern = renamed(names[3], |json| json["alpha_pattern"] = json!({"language_model.layers.0.mlp.up_proj": 3}));
    assert!(pattern.unwrap_err().to_string().contains("alpha_pattern"));
}

#[test]
fn tensors_whose_names_leave_the_linear_open_are_refused_by_name() {
    let two =
        renamed(|name| name.replace("model.model.layers.0.mlp", "model.model.language_model.layers.0.mlp"), |_| ());
    let said = two.unwrap_err().to_string();
    assert!(said.contains("leave open which linear") && said.contains("language_model.layers.0.mlp.up_proj"), "{said}");
    let unknown = renamed(|name| name.replace("model.model.layers", "model.encoder.layers"), |_| ()).unwrap_err();
    assert!(matches!(unknown, Error::MissingTensor { .. }), "{unknown}");
}

#[test]
fn pickles_are_named_and_not_read() {
    let dir = tempfile::tempdir().unwrap();
    let config = config(2, &["all-linear"]);
    save(dir.path(), &random(&linears(), &config, 1), &config).unwrap();
    std::fs::rename(dir.path().join(WEIGHTS), dir.path().join("adapter_model.bin")).unwrap();
    let error = read(dir.path(), &linears(), testkit::device()).unwrap_err().to_string();
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
            let found = read(&dir.join(adapter), &linears, testkit::device()).unwrap();
            assert!(found.config.r == 4 && found.weights.iter().all(|w| w.scale.to_bits() == 2f64.to_bits()));
            assert_eq!(found.weights.len(), linears.len() - 1, "every linear but the head");
        }
    }
}
