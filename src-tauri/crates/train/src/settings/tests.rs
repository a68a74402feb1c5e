#![allow(clippy::unwrap_used)]

use super::*;
use serde_json::{Value, json};

/// What is said first of each setting, where these are typed and all others have their defaults.
fn remarks(typed: &Value) -> Vec<(String, Level)> {
    let mut first: Vec<(String, Level)> = Vec::new();
    for remark in remarks_on_typed(typed).1 {
        assert!(remark.sentence.ends_with(['.', ')']), "{remark:?} is a sentence");
        if first.iter().all(|(key, _)| *key != remark.key) {
            first.push((remark.key, remark.level));
        }
    }
    first
}

fn level(typed: &Value, key: &str) -> Option<Level> {
    remarks(typed).into_iter().find(|(of, _)| of == key).map(|(_, level)| level)
}

#[test]
fn defaults_are_beyond_reproach() {
    assert_eq!(Settings::default().remarks(), []);
    assert_eq!(remarks(&json!({})), []);
    let whole = serde_json::to_value(Settings::default()).unwrap();
    assert_eq!(remarks_on_typed(&whole), (Settings::default(), vec![]), "nothing is lost on the way to the page");
}

#[test]
fn values_outside_their_safe_range_warn_and_can_be_used() {
    for (typed, key) in [
        (json!({ "beta": 0.01 }), "beta"),
        (json!({ "beta": 0.6 }), "beta"),
        (json!({ "learning_rate": 1e-6 }), "learning_rate"),
        (json!({ "learning_rate": 1e-3 }), "learning_rate"),
        (json!({ "num_train_epochs": 5 }), "num_train_epochs"),
        (json!({ "max_length": 256, "max_prompt_length": 256 }), "max_length"),
        (json!({ "max_length": 40 }), "max_length"),
        (json!({ "max_length": 9000 }), "max_length"),
        (json!({ "per_device_train_batch_size": 65 }), "per_device_train_batch_size"),
        (json!({ "label_smoothing": 0.1 }), "label_smoothing"),
        (json!({ "loss_type": ["sft"] }), "loss_type"),
        (json!({ "loss_weights": [-1] }), "loss_weights"),
        (json!({ "max_steps": 10, "warmup_steps": 10 }), "warmup_steps"),
        (json!({ "warmup_ratio": 0.4 }), "warmup_ratio"),
        (json!({ "lr_scheduler_type": "constant", "warmup_ratio": 0.1 }), "warmup_ratio"),
        (json!({ "weight_decay": 0.2 }), "weight_decay"),
        (json!({ "max_grad_norm": 0 }), "max_grad_norm"),
        (json!({ "max_grad_norm": 11 }), "max_grad_norm"),
        (json!({ "logging_steps": 51 }), "logging_steps"),
        (json!({ "sample_prompts": 17 }), "sample_prompts"),
        (json!({ "save_steps": 0 }), "save_steps"),
        (json!({ "lora": { "r": 2 } }), "lora.r"),
        (json!({ "lora": { "r": 129 } }), "lora.r"),
        (json!({ "lora": { "lora_dropout": 0.4 } }), "lora.lora_dropout"),
        (json!({ "lora": { "r": 8, "lora_alpha": 64 } }), "lora.lora_alpha"),
        (json!({ "f_divergence_type": "forward_kl" }), "f_divergence_type"),
        (json!({ "f_alpha_divergence_coef": 0.7 }), "f_alpha_divergence_coef"),
        (json!({ "ld_alpha": 0 }), "ld_alpha"),
        (json!({ "sync_ref_model": true, "max_steps": 100 }), "ref_model_sync_steps"),
        (json!({ "greater_is_better": false }), "greater_is_better"),
        (json!({ "lora": { "use_rslora": true, "lora_alpha": 64 } }), "lora.use_rslora"),
    ] {
        let said = remarks(&typed);
        assert_eq!(level(&typed, key), Some(Level::Warn), "{typed}: {said:?}");
        assert!(said.iter().all(|(_, level)| *level == Level::Warn), "{typed}: {said:?}");
    }
}

#[test]
fn values_without_meaning_are_refused() {
    for (typed, key) in [
        (json!({ "beta": 0 }), "beta"),
        (json!({ "beta": null }), "beta"),
        (json!({ "beta": "much" }), "beta"),
        (json!({ "learning_rate": -1 }), "learning_rate"),
        (json!({ "learning_rate": f64::INFINITY }), "learning_rate"),
        (json!({ "num_train_epochs": 0 }), "num_train_epochs"),
        (json!({ "num_train_epochs": 2e6 }), "num_train_epochs"),
        (json!({ "max_steps": 0 }), "max_steps"),
        (json!({ "max_steps": 1.5 }), "max_steps"),
        (json!({ "max_length": 1 }), "max_length"),
        (json!({ "max_length": -5 }), "max_length"),
        (json!({ "max_prompt_length": 0 }), "max_prompt_length"),
        (json!({ "per_device_train_batch_size": 0 }), "per_device_train_batch_size"),
        (json!({ "sample_prompts": 101 }), "sample_prompts"),
        (json!({ "sample_prompts": null }), "sample_prompts"),
        (json!({ "loss_type": [] }), "loss_type"),
        (json!({ "loss_type": ["dpo"] }), "loss_type"),
        (json!({ "loss_type": ["exo_pair"] }), "loss_type"),
        (json!({ "loss_type": ["robust"], "label_smoothing": 0.5 }), "loss_type"),
        (json!({ "loss_type": ["sigmoid", "sft"], "loss_weights": [1] }), "loss_weights"),
        (json!({ "loss_weights": [null] }), "loss_weights"),
        (json!({ "label_smoothing": 0.6 }), "label_smoothing"),
        (json!({ "warmup_ratio": 1.1 }), "warmup_ratio"),
        (json!({ "lora": { "r": 0 } }), "lora.r"),
        (json!({ "lora": { "r": 1.5 } }), "lora.r"),
        (json!({ "lora": { "lora_alpha": null } }), "lora.lora_alpha"),
        (json!({ "lora": { "lora_dropout": 1 } }), "lora.lora_dropout"),
        (json!({ "lora": { "target_modules": [] } }), "lora.target_modules"),
        (json!({ "lora": { "target_modules": "(" } }), "lora.target_modules"),
        (json!({ "seed": 1_u64 << 63 }), "seed"),
        (json!({ "seed": -1 }), "seed"),
        (json!({ "f_divergence_type": "js_divergence", "loss_type": ["sigmoid", "apo_zero"] }), "f_divergence_type"),
        (json!({ "use_weighting": true, "loss_type": ["aot"] }), "use_weighting"),
        (json!({ "ld_alpha": 1.5 }), "ld_alpha"),
        (json!({ "ld_alpha": "abc" }), "ld_alpha"),
        (json!({ "max_prompt_length": "9007199254740993" }), "max_prompt_length"),
        (json!({ "early_stopping_patience": "abc" }), "early_stopping_patience"),
        (json!({ "ref_model_mixup_alpha": 0 }), "ref_model_mixup_alpha"),
        (json!({ "ref_model_sync_steps": 0 }), "ref_model_sync_steps"),
        (json!({ "load_best_model_at_end": true }), "load_best_model_at_end"),
        (json!({ "early_stopping_patience": 2 }), "early_stopping_patience"),
        (json!({ "early_stopping_patience": 0, "eval_steps": 5 }), "early_stopping_patience"),
        (json!({ "early_stopping_threshold": -1 }), "early_stopping_threshold"),
        (json!({ "lora": { "rank_pattern": { "q_proj": 1.5 } } }), "lora.rank_pattern"),
        (json!({ "lora": { "rank_pattern": { "q_proj": 0 } } }), "lora.rank_pattern"),
        (json!({ "lora": { "rank_pattern": { "": 4 } } }), "lora.rank_pattern"),
        (json!({ "lora": { "alpha_pattern": { "q_proj": null } } }), "lora.alpha_pattern"),
        (json!({ "lora": { "use_dora": true, "target_modules": ["lm_head"] } }), "lora.use_dora"),
        (json!({ "logging_steps": 0 }), "logging_steps"),
        (json!({ "dtype": "nf4" }), "dtype"),
    ] {
        assert_eq!(level(&typed, key), Some(Level::Refuse), "{typed}: {:?}", remarks(&typed));
    }
}

#[test]
fn what_cannot_be_read_hides_nothing_of_the_rest() {
    let (settings, remarks) =
        remarks_on_typed(&json!({ "beta": null, "learning_rate": 0.5, "lora": { "r": 1.5, "lora_alpha": 640 } }));
    assert_eq!((settings.beta, settings.lora.r), (0.1, 16), "the defaults");
    let said: Vec<&str> = remarks.iter().map(|remark| remark.sentence.as_str()).collect();
    assert_eq!(
        said,
        [
            "lora.r is 1.5, which is not a whole number. Set the rank to 1 or more; 8 to 64 is usual.",
            "beta is not a number that can be used. Set it above 0; 0.1 is usual.",
            "Above 3e-4 training may become unstable: watch grad_norm and the sample answers.",
            "Above four times r it acts like a much higher learning rate.",
        ]
    );
}

#[test]
fn settings_of_an_adapter_need_no_care_where_one_is_given() {
    let careless = json!({ "beta": 0.9, "lora": { "r": 8, "lora_alpha": 64 } });
    let keys = |typed: &Value| remarks(typed).into_iter().map(|(key, _)| key).collect::<Vec<_>>();
    assert_eq!(keys(&careless), ["beta", "lora.lora_alpha"]);
    let mut given = careless;
    given["init_adapter"] = json!("dpo");
    assert_eq!(keys(&given), ["beta"]);
    assert_eq!(level(&json!({ "ref_adapter": "sft", "lora": { "r": 0 } }), "lora.r"), Some(Level::Refuse));
}

#[test]
fn epochs_are_left_alone_where_steps_count() {
    assert_eq!(level(&json!({ "max_steps": 20, "num_train_epochs": 0 }), "num_train_epochs"), None);
}

#[test]
fn a_key_that_is_no_setting_is_refused_where_they_stand_alone() {
    let read = |value: Value| known_alone(value).map_err(|error| error.to_string());
    assert_eq!(read(json!({ "beta": 0.2 })).unwrap(), Settings { beta: 0.2, ..Settings::default() });
    assert_eq!(read(json!({ "betta": 0.2 })).unwrap_err(), "unknown setting betta");
    assert!(read(json!({ "lora": { "rank": 2 } })).unwrap_err().contains("unknown field `rank`"));
}

/// What the page writes for a setting is what the program reads, and the other way round.
#[test]
fn settings_go_to_the_page_and_come_back_as_they_were() {
    let names = model::TargetModules::Names(vec!["q_proj".into()]);
    for target_modules in [names, model::TargetModules::Pattern(".*_proj".into()), model::TargetModules::AllLinear] {
        let settings = Settings {
            init_adapter: Some("/begun".into()),
            ref_adapter: Some("/sft".into()),
            dtype: BaseDtype::Q4,
            products: Products::Bf16,
            loss_type: vec![LossType::Sigmoid, LossType::Sft],
            loss_weights: Some(vec![0.5, 1.0]),
            beta: 0.3,
            f_divergence_type: FDivergenceType::AlphaDivergence,
            ld_alpha: Some(0.5),
            max_prompt_length: Some(9),
            truncation: Truncation::KeepEnd,
            max_steps: 7,
            metric_for_best_model: HeldOutMetric::Loss,
            greater_is_better: Some(false),
            early_stopping_patience: Some(3),
            gradient_checkpointing: Checkpointing::Off,
            lora: LoraConfig {
                r: 4,
                target_modules,
                use_dora: true,
                rank_pattern: model::Patterns(vec![("z_proj".into(), 2), ("a_proj".into(), 3)]),
                alpha_pattern: model::Patterns(vec![("v_proj".into(), 1.5)]),
                ..LoraConfig::default()
            },
            ..Settings::default()
        };
        let written = serde_json::to_string(&settings).unwrap();
        assert_eq!(serde_json::from_str::<Settings>(&written).unwrap(), settings);
    }
}
