//! A run's settings as the page has them, and as its `config.toml` does.

use super::super::types::RunSettings;
use model::{DeviceChoice, LoraConfig, TargetModules};
use std::path::Path;
use train::RunConfig;
use train::config::DataConfig;

/// The settings of a run, without its paths.
pub(crate) fn settings_of(config: &RunConfig) -> RunSettings {
    RunSettings {
        loss_type: config.loss_type.clone(),
        loss_weights: config.loss_weights.clone(),
        beta: config.beta,
        label_smoothing: config.label_smoothing,
        f_divergence_type: config.f_divergence_type,
        f_alpha_divergence_coef: config.f_alpha_divergence_coef,
        ld_alpha: config.ld_alpha,
        use_weighting: config.use_weighting,
        sync_ref_model: config.sync_ref_model,
        ref_model_mixup_alpha: config.ref_model_mixup_alpha,
        ref_model_sync_steps: config.ref_model_sync_steps,
        ref_adapter: config.ref_adapter.as_ref().map(|path| path.display().to_string()),
        init_adapter: config.init_adapter.as_ref().map(|path| path.display().to_string()),
        max_length: config.max_length,
        max_prompt_length: config.max_prompt_length,
        truncation: config.truncation,
        learning_rate: config.learning_rate,
        lr_scheduler_type: config.lr_scheduler_type,
        warmup_steps: config.warmup_steps,
        warmup_ratio: config.warmup_ratio,
        weight_decay: config.weight_decay,
        max_grad_norm: config.max_grad_norm,
        per_device_train_batch_size: config.per_device_train_batch_size,
        gradient_accumulation_steps: config.gradient_accumulation_steps,
        max_steps: config.max_steps,
        num_train_epochs: config.num_train_epochs,
        shuffle: config.shuffle,
        seed: config.seed,
        logging_steps: config.logging_steps,
        eval_steps: config.eval_steps,
        save_steps: config.save_steps,
        save_total_limit: config.save_total_limit,
        load_best_model_at_end: config.load_best_model_at_end,
        metric_for_best_model: config.metric_for_best_model,
        greater_is_better: config.greater_is_better,
        early_stopping_patience: config.early_stopping_patience,
        early_stopping_threshold: config.early_stopping_threshold,
        gradient_checkpointing: config.gradient_checkpointing,
        dtype: config.dtype,
        products: config.products,
        lora_r: config.lora.r,
        lora_alpha: config.lora.lora_alpha,
        lora_dropout: config.lora.lora_dropout,
        target_modules: match &config.lora.target_modules {
            TargetModules::Names(names) => Some(names.clone()),
            TargetModules::AllLinear | TargetModules::Pattern(_) => None,
        },
        target_pattern: match &config.lora.target_modules {
            TargetModules::Pattern(pattern) => Some(pattern.clone()),
            TargetModules::AllLinear | TargetModules::Names(_) => None,
        },
        rank_pattern: config.lora.rank_pattern.clone(),
        alpha_pattern: config.lora.alpha_pattern.clone(),
        use_rslora: config.lora.use_rslora,
        use_dora: config.lora.use_dora,
    }
}

/// A run with these settings in `folder`, which holds its pairs already, on whatever device is there.
pub(crate) fn config_of(settings: &RunSettings, model: &Path, folder: &Path, held_out: bool) -> RunConfig {
    RunConfig {
        model: model.to_path_buf(),
        output_dir: folder.to_path_buf(),
        device: DeviceChoice::Auto,
        data: DataConfig {
            train: folder.join(train::folder::PAIRS),
            eval: held_out.then(|| folder.join(train::folder::EVAL_PAIRS)),
            ..DataConfig::default()
        },
        loss_type: settings.loss_type.clone(),
        loss_weights: settings.loss_weights.clone(),
        beta: settings.beta,
        label_smoothing: settings.label_smoothing,
        f_divergence_type: settings.f_divergence_type,
        f_alpha_divergence_coef: settings.f_alpha_divergence_coef,
        ld_alpha: settings.ld_alpha,
        use_weighting: settings.use_weighting,
        sync_ref_model: settings.sync_ref_model,
        ref_model_mixup_alpha: settings.ref_model_mixup_alpha,
        ref_model_sync_steps: settings.ref_model_sync_steps,
        ref_adapter: settings.ref_adapter.as_ref().map(Into::into),
        init_adapter: settings.init_adapter.as_ref().map(Into::into),
        max_length: settings.max_length,
        max_prompt_length: settings.max_prompt_length,
        truncation: settings.truncation,
        learning_rate: settings.learning_rate,
        lr_scheduler_type: settings.lr_scheduler_type,
        warmup_steps: settings.warmup_steps,
        warmup_ratio: settings.warmup_ratio,
        weight_decay: settings.weight_decay,
        max_grad_norm: settings.max_grad_norm,
        per_device_train_batch_size: settings.per_device_train_batch_size,
        gradient_accumulation_steps: settings.gradient_accumulation_steps,
        max_steps: settings.max_steps,
        num_train_epochs: settings.num_train_epochs,
        shuffle: settings.shuffle,
        seed: settings.seed,
        logging_steps: settings.logging_steps,
        eval_steps: settings.eval_steps,
        save_steps: settings.save_steps,
        save_total_limit: settings.save_total_limit,
        load_best_model_at_end: settings.load_best_model_at_end,
        metric_for_best_model: settings.metric_for_best_model,
        greater_is_better: settings.greater_is_better,
        early_stopping_patience: settings.early_stopping_patience,
        early_stopping_threshold: settings.early_stopping_threshold,
        gradient_checkpointing: settings.gradient_checkpointing,
        dtype: settings.dtype,
        products: settings.products,
        lora: LoraConfig {
            r: settings.lora_r,
            lora_alpha: settings.lora_alpha,
            lora_dropout: settings.lora_dropout,
            target_modules: match (&settings.target_pattern, &settings.target_modules) {
                (Some(pattern), _) => TargetModules::of_word(pattern.clone()),
                (None, Some(names)) => TargetModules::Names(names.clone()),
                (None, None) => TargetModules::AllLinear,
            },
            use_rslora: settings.use_rslora,
            use_dora: settings.use_dora,
            rank_pattern: settings.rank_pattern.clone(),
            alpha_pattern: settings.alpha_pattern.clone(),
        },
        ..RunConfig::default()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use model::{BaseDtype, Patterns};
    use train::config::Checkpointing;
    use train::losses::FDivergenceType;
    use train::selection::HeldOutMetric;

    #[test]
    fn settings_go_to_the_page_and_come_back_as_they_were() {
        let config = RunConfig {
            model: "/m".into(),
            output_dir: "/f".into(),
            data: DataConfig {
                train: "/f/pairs.jsonl".into(),
                eval: Some("/f/eval_pairs.jsonl".into()),
                ..DataConfig::default()
            },
            beta: 0.3,
            loss_weights: Some(vec![0.5]),
            max_prompt_length: Some(9),
            max_steps: 7,
            eval_steps: 3,
            gradient_checkpointing: Checkpointing::Off,
            dtype: BaseDtype::Q4,
            products: model::Products::Bf16,
            f_divergence_type: FDivergenceType::AlphaDivergence,
            f_alpha_divergence_coef: 0.7,
            ld_alpha: Some(0.5),
            use_weighting: true,
            sync_ref_model: true,
            ref_model_mixup_alpha: 0.4,
            ref_model_sync_steps: 9,
            ref_adapter: Some("/sft".into()),
            init_adapter: Some("/begun".into()),
            load_best_model_at_end: true,
            metric_for_best_model: HeldOutMetric::Loss,
            greater_is_better: Some(false),
            early_stopping_patience: Some(3),
            early_stopping_threshold: 0.01,
            lora: LoraConfig {
                r: 4,
                target_modules: TargetModules::Names(vec!["q_proj".into()]),
                use_rslora: true,
                use_dora: true,
                rank_pattern: Patterns(vec![("z_proj".into(), 2), ("a_proj".into(), 3)]),
                alpha_pattern: Patterns(vec![("v_proj".into(), 1.5)]),
                ..LoraConfig::default()
            },
            ..RunConfig::default()
        };
        for target_modules in [config.lora.target_modules.clone(), TargetModules::Pattern(".*_proj".into())] {
            let config = RunConfig { lora: LoraConfig { target_modules, ..config.lora.clone() }, ..config.clone() };
            // As it crosses to the page and back.
            let written = serde_json::to_string(&settings_of(&config)).unwrap();
            let settings: RunSettings = serde_json::from_str(&written).unwrap();
            assert_eq!(config_of(&settings, Path::new("/m"), Path::new("/f"), true), config);
        }
        let default = RunConfig { model: "/m".into(), output_dir: "/f".into(), ..RunConfig::default() };
        let back = config_of(&settings_of(&default), Path::new("/m"), Path::new("/f"), false);
        let data = DataConfig { train: "/f/pairs.jsonl".into(), ..DataConfig::default() };
        assert_eq!(back, RunConfig { data, ..default });
    }
}
