//! The readers of files that nobody vouches for, fed with damaged ones: whatever they hold, the answer is a value or an
//! error, soon, and never a panic.
//!
//! Each test runs for two seconds from a fixed seed. `scripts/fuzz.sh` runs them for long, each time from another seed and
//! with little memory: `TIEBREAK_FUZZ_SECONDS` says how long, `TIEBREAK_FUZZ_SEED` from where. The damaged file of the
//! moment lies in `TIEBREAK_FUZZ_FOLDER`, so that it is there when the process dies.
#![allow(clippy::unwrap_used)]

mod mutate;

use candle_core::quantized::GgmlDType;
use candle_core::{DType, Device};
use chat::Tokenizer;
use model::write::lora_gguf;
use model::{BaseDtype, Batch, Config, Decoder, Lora, LoraConfig, weights};
use mutate::Random;
use prefs::Message;
use rand_chacha::rand_core::SeedableRng;
use serde_json::Value;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tempfile::TempDir;
use testkit::TinyLlama;

/// No damaged file of a few hundred kilobytes may take longer.
const SLOW: Duration = Duration::from_secs(20);

/// Where the cases go, which stays only where somebody asked for it.
struct Place {
    folder: PathBuf,
    _temporary: Option<TempDir>,
}

impl Place {
    fn new(target: &str) -> Self {
        let Some(folder) = std::env::var_os("TIEBREAK_FUZZ_FOLDER") else {
            let temporary = tempfile::tempdir().unwrap();
            return Self { folder: temporary.path().to_path_buf(), _temporary: Some(temporary) };
        };
        let folder = PathBuf::from(folder).join(target);
        fs::create_dir_all(&folder).unwrap();
        Self { folder, _temporary: None }
    }
}

/// Runs `case` over and over, each time with other damage.
fn fuzz(target: &str, mut case: impl FnMut(&Path, &mut Random)) {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let seconds = number("TIEBREAK_FUZZ_SECONDS").unwrap_or(2);
    let seed = number("TIEBREAK_FUZZ_SEED").unwrap_or(1);
    let place = Place::new(target);
    let start = Instant::now();
    // Milliseconds from the start to the beginning of this case.
    let began = Arc::new(AtomicU64::new(0));
    let watched = Arc::downgrade(&began);
    let (name, folder) = (target.to_owned(), place.folder.clone());
    std::thread::spawn(move || {
        while let Some(began) = watched.upgrade() {
            let since = Duration::from_millis(began.load(Ordering::Relaxed));
            if start.elapsed().saturating_sub(since) > SLOW {
                eprintln!("{name}: a case takes more than {SLOW:?}: {}", folder.display());
                std::process::abort();
            }
            drop(began);
            std::thread::sleep(Duration::from_millis(200));
        }
    });
    let mut cases = 0u64;
    while start.elapsed() < Duration::from_secs(seconds) {
        let seed = seed.wrapping_mul(0x1_0000_0001).wrapping_add(cases);
        began.store(start.elapsed().as_millis() as u64, Ordering::Relaxed);
        let survived = catch_unwind(AssertUnwindSafe(|| case(&place.folder, &mut Random(seed))));
        assert!(survived.is_ok(), "{target}: case {cases} with the seed {seed} panicked: {}", place.folder.display());
        cases += 1;
    }
    println!("{target}: {cases} cases in {seconds} s");
    assert!(cases > 0);
}

fn tiny() -> TinyLlama {
    TinyLlama { hidden: 32, intermediate: 32, layers: 1, heads: 2, kv_heads: 1, head_dim: 8, ..TinyLlama::default() }
}

/// Whatever can be asked of a model that could be opened.
fn use_model(path: &Path) {
    let Ok(source) = weights::open(path, BaseDtype::Auto, &Device::Cpu) else { return };
    for (name, shape) in source.config.tensors() {
        let _ = source.vars.get(shape, &name);
    }
    let _ = source.config.to_hugging_face();
    let _ = source.config.to_gguf();
    // As it lies, and rounded on load.
    for dtype in [BaseDtype::Auto, BaseDtype::Q4] {
        let Ok(decoder) = Decoder::load(path, &Device::Cpu, dtype) else { continue };
        let mut batch = Batch::new();
        batch.push_pair(&[1, 20, 30], &[50, 60], &[80]);
        let _ = decoder.token_logps(None, &batch);
    }
}

fn use_tokenizer(path: &Path) {
    let Ok(tokenizer) = Tokenizer::open(path) else { return };
    for text in ["", " a <|im_end|>\n\nnaïve 🦀 123", "</s><unk>\u{0}"] {
        if let Ok(ids) = tokenizer.encode(text) {
            let _ = tokenizer.decode(&ids, true);
        }
    }
    let _ = tokenizer.render(&[Message::new("user", "hi"), Message::new("assistant", "yes")], true);
    let _ = chat::ollama_template(&tokenizer);
}

#[test]
fn gguf_files() {
    let seeds = tempfile::tempdir().unwrap();
    let files: Vec<Vec<u8>> = [(GgmlDType::F32, false), (GgmlDType::Q8_0, true), (GgmlDType::Q4_0, false)]
        .map(|(block, llama3_rope)| {
            let path = seeds.path().join("seed.gguf");
            TinyLlama { llama3_rope, ..tiny() }.write_gguf(&path, block).unwrap();
            fs::read(&path).unwrap()
        })
        .into();
    let read = |file: &[u8]| gguf::read_header_from(std::io::Cursor::new(file), file.len() as u64);
    fuzz("gguf", |folder, random| {
        let mut file = random.pick(&files).clone();
        if random.chance(3) {
            mutate::bytes(&mut file, random);
        } else {
            let original = read(&file).unwrap();
            let mut header = original.clone();
            mutate::header(&mut header, random);
            file = mutate::write(&header, &original, &file);
            if random.chance(4) {
                mutate::bytes(&mut file, random);
            }
        }
        let path = folder.join("model.gguf");
        fs::write(&path, &file).unwrap();
        if let Ok(header) = read(&file) {
            for tensor in &header.tensors {
                assert!(
                    header.data_offset.saturating_add(tensor.offset).saturating_add(tensor.bytes) <= file.len() as u64
                        || tensor.bytes == 0
                );
            }
        }
        use_model(&path);
        use_tokenizer(&path);
    });
}

#[test]
fn safetensors_files() {
    let seeds = tempfile::tempdir().unwrap();
    let files: Vec<(Vec<u8>, TempDir)> = [DType::F32, DType::BF16]
        .map(|dtype| {
            let folder = tempfile::tempdir_in(seeds.path()).unwrap();
            TinyLlama { dtype, ..tiny() }.write_folder(folder.path()).unwrap();
            (fs::read(folder.path().join("model.safetensors")).unwrap(), folder)
        })
        .into();
    fuzz("safetensors", |folder, random| {
        let (file, seed) = random.pick(&files);
        fs::copy(seed.path().join("config.json"), folder.join("config.json")).unwrap();
        fs::write(folder.join("model.safetensors"), damaged_safetensors(file, random)).unwrap();
        use_model(folder);
    });
}

/// Damage to the bytes, or to the header as JSON.
fn damaged_safetensors(file: &[u8], random: &mut Random) -> Vec<u8> {
    let mut file = file.to_vec();
    if random.chance(2) {
        mutate::bytes(&mut file, random);
        return file;
    }
    let length = u64::from_le_bytes(file[..8].try_into().unwrap()) as usize;
    let mut header: Value = serde_json::from_slice(&file[8..8 + length]).unwrap();
    mutate::json(&mut header, random);
    let text = header.to_string();
    let mut new = (text.len() as u64).to_le_bytes().to_vec();
    new.extend(text.as_bytes());
    new.extend(&file[8 + length..]);
    new
}

#[test]
fn adapters() {
    let seeds = tempfile::tempdir().unwrap();
    tiny().write_folder(&seeds.path().join("base")).unwrap();
    let base = seeds.path().join("base");
    let config = Config::from_folder(&base).unwrap();
    let settings = LoraConfig { r: 2, ..LoraConfig::default() };
    let mut random = rand_chacha::ChaCha8Rng::seed_from_u64(1);
    let lora = Lora::init(&settings, &config.linears(), &mut random, DType::F32, &Device::Cpu).unwrap();
    lora.save(&seeds.path().join("adapter"), "base").unwrap();
    lora_gguf::write(&base, &seeds.path().join("adapter"), &seeds.path().join("adapter.gguf")).unwrap();
    let seed = |name: &str| fs::read(seeds.path().join(name)).unwrap();
    let (weights, settings) = (seed("adapter/adapter_model.safetensors"), seed("adapter/adapter_config.json"));
    let gguf_file = seed("adapter.gguf");
    fuzz("adapter", |folder, random| {
        let mut settings: Value = serde_json::from_slice(&settings).unwrap();
        let mut weights = weights.clone();
        if random.chance(2) {
            mutate::json(&mut settings, random);
        } else {
            weights = damaged_safetensors(&weights, random);
        }
        let mut text = settings.to_string().into_bytes();
        if random.chance(8) {
            mutate::bytes(&mut text, random);
        }
        fs::write(folder.join("adapter_config.json"), text).unwrap();
        fs::write(folder.join("adapter_model.safetensors"), weights).unwrap();
        let _ = Lora::load(folder, &config.linears(), &Device::Cpu);

        let mut file = gguf_file.clone();
        mutate::bytes(&mut file, random);
        fs::write(folder.join("adapter.gguf"), file).unwrap();
        let _ = lora_gguf::read(&folder.join("adapter.gguf"), &config, &Device::Cpu);
    });
}

#[test]
fn configurations() {
    let seeds = tempfile::tempdir().unwrap();
    let folders: Vec<PathBuf> = [false, true]
        .map(|llama3_rope| {
            let folder = seeds.path().join(format!("seed-{llama3_rope}"));
            TinyLlama { llama3_rope, tied: !llama3_rope, ..tiny() }.write_folder(&folder).unwrap();
            folder
        })
        .into();
    let mut configs: Vec<Value> = folders
        .iter()
        .map(|folder| serde_json::from_slice(&fs::read(folder.join("config.json")).unwrap()).unwrap())
        .collect();
    // The other families read the same sizes, and fields of their own.
    for family in ["mistral", "qwen2", "qwen3", "gemma2", "gemma3_text", "phi3", "smollm3"] {
        let mut config = configs[0].clone();
        let own = serde_json::json!({
            "model_type": family, "sliding_window": 16, "use_sliding_window": false, "max_window_layers": 1,
            "query_pre_attn_scalar": 8, "attn_logit_softcapping": 50.0, "final_logit_softcapping": 30.0,
            "rope_local_base_freq": 10000.0, "layer_types": ["full_attention"], "hidden_activation": "gelu_pytorch_tanh",
            "no_rope_layers": [1], "original_max_position_embeddings": 64, "partial_rotary_factor": 1.0,
        });
        config.as_object_mut().unwrap().extend(own.as_object().unwrap().clone());
        configs.push(config);
    }
    fuzz("config", |folder, random| {
        let at = random.below(configs.len());
        let mut config = configs[at].clone();
        mutate::json(&mut config, random);
        let mut text = config.to_string().into_bytes();
        if random.chance(8) {
            mutate::bytes(&mut text, random);
        }
        fs::write(folder.join("config.json"), text).unwrap();
        if let Ok(config) = Config::from_folder(folder) {
            let _ = (config.tensors(), config.parameter_count(), config.to_hugging_face(), config.to_gguf());
        }
        // With weights that fit the configuration as it was.
        let seed = &folders[at.min(1)];
        fs::copy(seed.join("model.safetensors"), folder.join("model.safetensors")).unwrap();
        use_model(folder);
    });
}

#[test]
fn tokenizers() {
    const FILES: [&str; 2] = ["tokenizer.json", "tokenizer_config.json"];
    let seeds = tempfile::tempdir().unwrap();
    tiny().write_folder(seeds.path()).unwrap();
    let files = FILES.map(|name| fs::read(seeds.path().join(name)).unwrap());
    fuzz("tokenizer", |folder, random| {
        let damaged = random.below(FILES.len());
        for (at, (name, file)) in FILES.iter().zip(&files).enumerate() {
            let mut value: Value = serde_json::from_slice(file).unwrap();
            if at == damaged {
                mutate::json(&mut value, random);
            }
            fs::write(folder.join(name), value.to_string()).unwrap();
        }
        use_tokenizer(folder);
    });
}
