// The program's default settings, for tests.
import type { RunSettings } from "../../client/bindings";

export const DEFAULTS: RunSettings = {
  loss_type: ["sigmoid"], loss_weights: null, beta: 0.1, label_smoothing: 0, max_length: 1024, max_prompt_length: null,
  truncation: "keep_start", learning_rate: 5e-5, lr_scheduler_type: "linear", warmup_steps: 0, warmup_ratio: 0,
  weight_decay: 0, max_grad_norm: 1, per_device_train_batch_size: 8, gradient_accumulation_steps: 1, max_steps: -1,
  num_train_epochs: 3, shuffle: true, seed: 42, logging_steps: 1, eval_steps: 0, save_steps: 50, save_total_limit: 2,
  gradient_checkpointing: true, dtype: "auto", lora_r: 16, lora_alpha: 32, lora_dropout: 0, target_modules: null,
};
