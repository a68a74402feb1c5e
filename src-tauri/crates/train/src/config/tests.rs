#![allow(clippy::unwrap_used)]

use super::*;

const LEAST: &str = "model = 'm.gguf'\noutput_dir = 'out'\n";
const DATA: &str = "\n[data]\ntrain = 'pairs.jsonl'\n";

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
        data: DataConfig { train: "/project/pairs.jsonl".into(), eval: None },
        ..RunConfig::default()
    };
    assert_eq!(config, expected);
}

#[test]
fn every_key_is_read_and_written_back() {
    let text = "model = '/m'\noutput_dir = '/o'\ninit_adapter = '/a'\ndevice = 'cuda:1'\ndtype = 'q4'\nseed = 7\n\
        loss_type = ['sigmoid', 'sft']\nloss_weights = [0.5, 2]\nbeta = 1\nlabel_smoothing = 0.1\nmax_length = 64\n\
        max_prompt_length = 32\ntruncation = 'keep_end'\nlearning_rate = 1e-4\nlr_scheduler_type = 'cosine'\n\
        warmup_steps = 3\nwarmup_ratio = 0.2\nweight_decay = 0.01\nmax_grad_norm = 0.5\n\
        per_device_train_batch_size = 2\ngradient_accumulation_steps = 3\nmax_steps = 9\nnum_train_epochs = 1.5\n\
        shuffle = false\nlogging_steps = 2\neval_steps = 4\nsample_prompts = 3\nsave_steps = 5\nsave_total_limit = 6\n\
        gradient_checkpointing = false\nresume_from_checkpoint = '/o/checkpoints/step-4'\n\
        [data]\ntrain = '/t'\neval = '/e'\n\
        [lora]\nr = 4\nlora_alpha = 8\nlora_dropout = 0.1\ntarget_modules = ['q_proj']\n";
    let config = RunConfig::parse(text, Path::new("/")).unwrap();
    assert_eq!(config.objective().terms, [(LossType::Sigmoid, 0.5), (LossType::Sft, 2.0)]);
    assert_eq!(config.resume_from_checkpoint, Resume::From("/o/checkpoints/step-4".into()));
    let written: toml::Table = toml::from_str(&config.to_toml().unwrap()).unwrap();
    let mut keys: Vec<_> = written.keys().map(String::as_str).collect();
    let mut known = KEYS;
    keys.sort_unstable();
    known.sort_unstable();
    assert_eq!(keys, known);
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
        ("dtype = 'nf4'", "choose one of auto, f32, bf16, f16, q8, q4"),
        ("device = 'gpu'", "device"),
        ("truncation = 'middle'", "truncation"),
        ("lr_scheduler_type = 'step'", "lr_scheduler_type"),
        ("seed = -1", "seed"),
        ("resume_from_checkpoint = 3", "resume_from_checkpoint"),
        ("[lora]\nr = 0", "r is 0"),
    ] {
        assert!(refusal(lines).contains(key), "{lines}: {}", refusal(lines));
    }
    assert!(RunConfig::parse(DATA, Path::new("/")).unwrap_err().to_string().contains("model is missing"));
    assert!(parse("beta = 0.1\nbeta = 0.2").is_err());
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
