// The program's default settings, for tests.
import type { RunSettings } from "../../client/bindings";

export const DEFAULTS: RunSettings = {
  loss_type: ["sigmoid"], loss_weights: null, beta: 0.1, label_smoothing: 0, max_length: 1024, max_prompt_length: null,
  truncation: "keep_start", learning_rate: 5e-5, lr_scheduler_type: "linear", warmup_steps: 0, warmup_ratio: 0,
  weight_decay: 0, max_grad_norm: 1, per_device_train_batch_size: 8, gradient_accumulation_steps: 1, max_steps: -1,
  num_train_epochs: 3, shuffle: true, seed: 42, logging_steps: 1, eval_steps: 0, save_steps: 50, save_total_limit: 2,
  gradient_checkpointing: "auto", dtype: "auto", products: "auto", lora_r: 16, lora_alpha: 32, lora_dropout: 0, target_modules: null,
  f_divergence_type: "reverse_kl", f_alpha_divergence_coef: 0.5, ld_alpha: null, use_weighting: false, sync_ref_model: false,
  ref_model_mixup_alpha: 0.6, ref_model_sync_steps: 512, ref_adapter: null, init_adapter: null, load_best_model_at_end: false,
  metric_for_best_model: "eval_rewards/accuracies", greater_is_better: null, early_stopping_patience: null,
  early_stopping_threshold: 0, target_pattern: null, rank_pattern: {}, alpha_pattern: {}, use_rslora: false, use_dora: false,
};
