#![allow(clippy::unwrap_used)]

use super::*;
use crate::losses::LossType;

const LEAST: &str = "model = 'm.gguf'\noutput_dir = 'out'\n";
const DATA: &str = "\n[data]\ntrain = 'pairs.jsonl'\n";

/// By the version that knew none of the keys in `LATER`.
const DIGEST_OF_DEFAULTS: &str = "2c1ca00def3cce1c7f35548d3bf9d630c3a5ca6f7ff7eaaeb1dc83b42e9ec44a";

fn parse(lines: &str) -> Result<RunConfig> {
    RunConfig::parse(&format!("{LEAST}{lines}{DATA}"), Path::new("/project"))
}

fn refusal(lines: &str) -> String {
    let error = parse(lines).unwrap_err();
    format!("{error} {}", error.hint())
}

#[test]
fn a_short_file_gets_every_default_and_paths_from_its_folder() {
    let config = parse("").unwrap();
    let expected = RunConfig {
        model: "/project/m.gguf".into(),
        output_dir: "/project/out".into(),
        data: DataConfig { train: "/project/pairs.jsonl".into(), ..Default::default() },
        ..RunConfig::default()
    };
    assert_eq!(config, expected);
}

#[test]
fn every_key_is_read_and_written_back() {
    let text = "model = '/m'\noutput_dir = '/o'\ninit_adapter = '/a'\nref_adapter = '/r'\ndevice = 'cuda:1'\ndtype = 'q4'\nproducts = 'bf16'\nseed = 7\n\
        loss_type = ['sigmoid', 'sft']\nloss_weights = [0.5, 2]\nbeta = 1\nlabel_smoothing = 0.1\n\
        f_divergence_type = 'alpha_divergence'\nf_alpha_divergence_coef = 0.7\nld_alpha = 0.5\nuse_weighting = false\n\
        sync_ref_model = true\nref_model_mixup_alpha = 0.4\nref_model_sync_steps = 9\nmax_length = 64\n\
        max_prompt_length = 32\ntruncation = 'keep_end'\nlearning_rate = 1e-4\nlr_scheduler_type = 'cosine'\n\
        warmup_steps = 3\nwarmup_ratio = 0.2\nweight_decay = 0.01\nmax_grad_norm = 0.5\n\
        per_device_train_batch_size = 2\ngradient_accumulation_steps = 3\nmax_steps = 9\nnum_train_epochs = 1.5\n\
        shuffle = false\nlogging_steps = 2\neval_steps = 4\nsample_prompts = 3\nsave_steps = 5\nsave_total_limit = 6\n\
        load_best_model_at_end = true\nmetric_for_best_model = 'loss'\ngreater_is_better = false\n\
        early_stopping_patience = 3\nearly_stopping_threshold = 0.01\n\
        gradient_checkpointing = false\nresume_from_checkpoint = '/o/checkpoints/step-4'\n\
        [data]\ntrain = '/t'\neval = '/e'\nmap = { prompt = 'question' }\n\
        [lora]\nr = 4\nlora_alpha = 8\nlora_dropout = 0.1\ntarget_modules = ['q_proj']\n\
        use_rslora = true\nuse_dora = true\nrank_pattern = { z_proj = 2, 'a.*' = 3 }\nalpha_pattern = { v_proj = 8.5 }\n";
    let config = RunConfig::parse(text, Path::new("/")).unwrap();
    assert_eq!(config.settings.objective().terms, [(LossType::Sigmoid, 0.5), (LossType::Sft, 2.0)]);
    assert_eq!(config.resume_from_checkpoint, Resume::From("/o/checkpoints/step-4".into()));
    let written: toml::Table = toml::from_str(&config.to_toml().unwrap()).unwrap();
    let mut keys: Vec<_> = written.keys().map(String::as_str).collect();
    let mut known = KEYS;
    keys.sort_unstable();
    known.sort_unstable();
    assert_eq!(keys, known);
    assert_eq!(config.settings.lora.rank_pattern.keys().collect::<Vec<_>>(), ["z_proj", "a.*"], "their order decides");
    assert_eq!(written["metric_for_best_model"].as_str(), Some("eval_loss"));
    for (table, keys) in [("data", &DATA_KEYS[..]), ("lora", &LORA_KEYS[..])] {
        assert_eq!(written[table].as_table().unwrap().len(), keys.len());
    }
    assert_eq!(RunConfig::parse(&config.to_toml().unwrap(), Path::new("/")).unwrap(), config);
}

#[test]
fn unknown_keys_are_named_with_the_nearest_known_one() {
    for (lines, key, nearest) in [
        ("learning_rat = 1", "unknown key learning_rat", "Did you mean learning_rate?"),
        ("load_in_4bit = true", "unknown key load_in_4bit", "Set dtype = \"q4\"."),
        ("truncation_mode = 'keep_end'", "unknown key truncation_mode", "Did you mean truncation?"),
        ("per_device_eval_batch_size = 1", "per_device_eval_batch_size", "per_device_train_batch_size?"),
        ("zzz = 1", "unknown key zzz", "Known keys: model, "),
        ("[lora]\nalpha = 3", "unknown key lora.alpha", "Did you mean lora.lora_alpha?"),
    ] {
        let message = refusal(lines);
        assert!(message.contains(key) && message.contains(nearest), "{message}");
    }
    let message = RunConfig::parse(&format!("{LEAST}{DATA}test = 'x'"), Path::new("/")).unwrap_err().to_string();
    assert!(message.contains("unknown key data.test"), "{message}");
}

#[test]
fn a_value_of_another_type_is_told_with_its_line() {
    for (lines, key) in [("seed = 1\nbeta = 'much'", "beta = 'much'"), ("\n[lora]\nr = -1", "r = -1")] {
        let message = refusal(lines);
        assert!(message.contains("line ") && message.contains(key), "{message}");
    }
}

#[test]
fn values_without_meaning_are_refused_by_key() {
    for (lines, key) in [
        ("beta = 0", "beta"),
        ("beta = nan", "beta"),
        ("label_smoothing = 0.6", "label_smoothing"),
        ("loss_type = 'robust'\nlabel_smoothing = 0.5", "robust"),
        ("loss_type = 'exo_pair'", "exo_pair"),
        ("loss_type = []", "loss_type"),
        ("loss_type = ['sigmoid', 'sigmod']", "sigmod"),
        ("loss_weights = [1, 2]", "loss_weights"),
        ("loss_weights = [inf]", "loss_weights"),
        ("learning_rate = -1", "learning_rate"),
        ("warmup_ratio = 1.5", "warmup_ratio"),
        ("weight_decay = -0.1", "weight_decay"),
        ("max_grad_norm = -1", "max_grad_norm"),
        ("per_device_train_batch_size = 0", "per_device_train_batch_size"),
        ("gradient_accumulation_steps = 0", "gradient_accumulation_steps"),
        ("logging_steps = 0", "logging_steps"),
        ("max_length = 1", "max_length"),
        ("max_prompt_length = 0", "max_prompt_length"),
        ("max_steps = 0", "max_steps"),
        ("num_train_epochs = 0", "num_train_epochs"),
        ("num_train_epochs = 2e6", "num_train_epochs"),
        ("sample_prompts = 101", "sample_prompts"),
        ("dtype = 'nf4'", "choose one of auto, f32, bf16, f16, q8, q4"),
        ("device = 'gpu'", "choose one of auto, cpu, cuda, cuda:N, metal"),
        ("device = 'cuda:x'", "choose one of auto, cpu, cuda, cuda:N, metal"),
        ("products = 'f16'", "choose one of f32, bf16, auto"),
        ("truncation = 'middle'", "truncation"),
        ("lr_scheduler_type = 'step'", "lr_scheduler_type"),
        ("seed = -1", "seed"),
        ("resume_from_checkpoint = 3", "resume_from_checkpoint"),
        ("[lora]\nr = 0", "r is 0"),
        ("[lora]\nrank_pattern = { q_proj = 0 }", "rank_pattern"),
        ("[lora]\nalpha_pattern = { q_proj = -1.0 }", "alpha_pattern"),
        ("[lora]\ntarget_modules = '('", "target_modules"),
        ("f_divergence_type = 'kl'", "f_divergence_type"),
        ("f_alpha_divergence_coef = inf", "f_alpha_divergence_coef"),
        ("ld_alpha = 1.5", "ld_alpha"),
        ("ref_model_mixup_alpha = 0", "ref_model_mixup_alpha"),
        ("ref_model_mixup_alpha = 1.1", "ref_model_mixup_alpha"),
        ("ref_model_sync_steps = 0", "ref_model_sync_steps"),
        ("early_stopping_patience = 0", "early_stopping_patience"),
        ("early_stopping_threshold = -1", "early_stopping_threshold"),
        ("load_best_model_at_end = true", "data.eval"),
        ("early_stopping_patience = 2", "data.eval"),
        ("metric_for_best_model = 'accuracy'", "known: eval_rewards/accuracies"),
    ] {
        assert!(refusal(lines).contains(key), "{lines}: {}", refusal(lines));
    }
    assert!(RunConfig::parse(DATA, Path::new("/")).unwrap_err().to_string().contains("model is missing"));
    assert!(parse("beta = 0.1\nbeta = 0.2").is_err());
}

/// As TRL refuses them: `DPOTrainer.__init__`.
#[test]
fn losses_that_a_setting_has_no_meaning_for_are_refused() {
    let all: Vec<_> = LossType::all().map(LossType::name).collect();
    let refused = |setting: &str| -> Vec<&str> {
        let lines = |loss: &str| format!("{setting}\nloss_type = ['{loss}']\nlabel_smoothing = 0.1");
        all.iter().copied().filter(|loss| parse(&lines(loss)).is_err()).collect()
    };
    let divergence = refused("f_divergence_type = 'js_divergence'");
    assert_eq!(divergence, ["nca_pair", "bco_pair", "sppo_hard", "aot", "aot_unpaired", "apo_zero", "apo_down"]);
    assert_eq!(refused("use_weighting = true"), ["aot", "aot_unpaired", "sft"]);
    assert_eq!(refused("ld_alpha = 0.5"), [""; 0]);
    let message = refusal("f_divergence_type = 'forward_kl'\nloss_type = ['sigmoid', 'apo_zero']");
    assert!(message.contains("apo_zero") && message.contains("Set f_divergence_type"), "{message}");
}

#[test]
fn which_steps_are_looked_at_matters_where_the_best_is_kept() {
    let data = "\n[data]\ntrain = 'pairs.jsonl'\neval = 'held_out.jsonl'\n";
    let parse = |lines: &str| RunConfig::parse(&format!("{LEAST}{lines}{data}"), Path::new("/project"));
    let old = parse("load_best_model_at_end = true\neval_steps = 5").unwrap();
    let new = parse("load_best_model_at_end = true\neval_steps = 6").unwrap();
    assert_eq!(new.changes_since(&old).unwrap(), ["eval_steps was 5 and is now 6"]);
    assert_ne!(new.digest().unwrap(), old.digest().unwrap());
    let error = parse("load_best_model_at_end = true").unwrap_err().to_string();
    assert!(error.contains("eval_steps is 0"), "{error}");
}

/// Of a run begun before there were divergences: it can be resumed.
#[test]
fn a_key_that_came_later_changes_no_digest_while_it_has_its_default() {
    const BEFORE: &str = "device = 'cpu'\ndtype = 'f32'\ngradient_checkpointing = true\nproducts = 'f32'\n";
    let digest = |more: &str| parse(&format!("{BEFORE}{more}")).unwrap().digest().unwrap();
    assert_eq!(digest(""), DIGEST_OF_DEFAULTS);
    assert_ne!(digest("use_weighting = true"), DIGEST_OF_DEFAULTS);
    assert_ne!(digest("[lora]\nuse_dora = true"), DIGEST_OF_DEFAULTS);
    assert_ne!(
        parse(&BEFORE.replace("products = 'f32'", "products = 'bf16'")).unwrap().digest().unwrap(),
        DIGEST_OF_DEFAULTS
    );
}

/// A run of that time says nothing of products in its settings.
#[test]
fn products_of_a_run_from_before_there_was_a_choice_are_f32() {
    let folder = tempfile::tempdir().unwrap();
    let written = |text: &str| {
        std::fs::write(folder.path().join("config.toml"), format!("{LEAST}{text}{DATA}")).unwrap();
        RunConfig::of_run(folder.path()).unwrap().settings.products
    };
    assert_eq!(written(""), Products::F32);
    assert_eq!(written("products = 'bf16'"), Products::Bf16);
}

#[test]
fn changes_are_named_and_free_keys_change_no_digest() {
    let old = parse("").unwrap();
    let free =
        parse("resume_from_checkpoint = true\nlogging_steps = 7\nsave_steps = 1\neval_steps = 2\nsample_prompts = 4")
            .unwrap();
    assert_eq!(free.changes_since(&old).unwrap(), Vec::<String>::new());
    assert_eq!(free.digest().unwrap(), old.digest().unwrap());
    let new = parse("beta = 0.5\nmax_prompt_length = 9").unwrap();
    let changes = new.changes_since(&old).unwrap();
    assert_eq!(changes, ["beta was 0.1 and is now 0.5", "max_prompt_length was unset and is now 9"]);
    assert_ne!(new.digest().unwrap(), old.digest().unwrap());
}
