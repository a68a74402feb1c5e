//! A run's settings as the page has them, and as its `config.toml` does.

use super::super::types::RunSettings;
use model::{LoraConfig, TargetModules};
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
        gradient_checkpointing: config.gradient_checkpointing,
        dtype: config.dtype,
        lora_r: config.lora.r,
        lora_alpha: config.lora.lora_alpha,
        lora_dropout: config.lora.lora_dropout,
        target_modules: match &config.lora.target_modules {
            TargetModules::AllLinear => None,
            TargetModules::Names(names) => Some(names.clone()),
        },
    }
}

/// A run with these settings in `folder`, which holds its pairs already.
pub(crate) fn config_of(settings: &RunSettings, model: &Path, folder: &Path, held_out: bool) -> RunConfig {
    RunConfig {
        model: model.to_path_buf(),
        output_dir: folder.to_path_buf(),
        device: super::super::models::DEVICE.into(),
        data: DataConfig {
            train: folder.join(train::folder::PAIRS),
            eval: held_out.then(|| folder.join(train::folder::EVAL_PAIRS)),
        },
        loss_type: settings.loss_type.clone(),
        loss_weights: settings.loss_weights.clone(),
        beta: settings.beta,
        label_smoothing: settings.label_smoothing,
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
        gradient_checkpointing: settings.gradient_checkpointing,
        dtype: settings.dtype,
        lora: LoraConfig {
            r: settings.lora_r,
            lora_alpha: settings.lora_alpha,
            lora_dropout: settings.lora_dropout,
            target_modules: settings.target_modules.clone().map_or(TargetModules::AllLinear, TargetModules::Names),
        },
        ..RunConfig::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::BaseDtype;

    #[test]
    fn settings_go_to_the_page_and_come_back_as_they_were() {
        let config = RunConfig {
            model: "/m".into(),
            output_dir: "/f".into(),
            data: DataConfig { train: "/f/pairs.jsonl".into(), eval: Some("/f/eval_pairs.jsonl".into()) },
            beta: 0.3,
            loss_weights: Some(vec![0.5]),
            max_prompt_length: Some(9),
            max_steps: 7,
            eval_steps: 3,
            gradient_checkpointing: false,
            dtype: BaseDtype::Q4,
            lora: LoraConfig {
                r: 4,
                target_modules: TargetModules::Names(vec!["q_proj".into()]),
                ..LoraConfig::default()
            },
            ..RunConfig::default()
        };
        let settings = settings_of(&config);
        assert_eq!(config_of(&settings, Path::new("/m"), Path::new("/f"), true), config);
        let default = RunConfig { model: "/m".into(), output_dir: "/f".into(), ..RunConfig::default() };
        let back = config_of(&settings_of(&default), Path::new("/m"), Path::new("/f"), false);
        let data = DataConfig { train: "/f/pairs.jsonl".into(), eval: None };
        assert_eq!(back, RunConfig { data, ..default });
    }
}
