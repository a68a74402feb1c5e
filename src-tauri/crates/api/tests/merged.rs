//! Merged weights of runs on a folder and on a GGUF file: the same model as base and adapter, whole or not at all.
#![allow(clippy::unwrap_used)]

use api::{
    BaseDtype, Context, Error, ExportRequest, Exported, FloatType, GenerateRequest, GgufType, Limits, ModelChoice,
    Sampling, ScoreRequest, StoredType, Truncation, Update, Weights,
};
use candle_core::quantized::GgmlDType;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use tempfile::TempDir;
use testkit::TinyLlama;

/// Set for a process that is to die while it writes: the folder of its scene.
const KILLED: &str = "TIEBREAK_TEST_KILLED";

/// A finished run.
struct Scene {
    folder: TempDir,
    base: PathBuf,
    dtype: BaseDtype,
}

impl Scene {
    fn new(dtype: BaseDtype, make: impl FnOnce(&Path) -> PathBuf) -> Self {
        Self::within(1024, dtype, make)
    }

    /// Trained on pairs of at most so many tokens.
    fn within(max_length: usize, dtype: BaseDtype, make: impl FnOnce(&Path) -> PathBuf) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let base = make(folder.path());
        let scene = Self { folder, base, dtype };
        let pairs = testkit::pairs(12, 1);
        prefs::jsonl::write_pairs(&scene.path("pairs.jsonl"), &pairs[..7]).unwrap();
        prefs::jsonl::write_pairs(&scene.path("held_out.jsonl"), &pairs[7..]).unwrap();
        let settings = format!(
            "model = {:?}\ndtype = \"{dtype}\"\noutput_dir = \"run\"\nlearning_rate = 1e-2\nmax_steps = 4\nper_device_train_batch_size = 2\n\
             max_length = {max_length}\n[data]\ntrain = \"pairs.jsonl\"\neval = \"held_out.jsonl\"\n[lora]\nr = 3\nlora_alpha = 7\n",
            scene.base.to_str().unwrap()
        );
        std::fs::write(scene.path("RUN.toml"), settings).unwrap();
        scene.train();
        scene
    }

    /// Trains as `RUN.toml` says.
    fn train(&self) {
        let stop = AtomicBool::new(false);
        let config = train::RunConfig::read(&self.path("RUN.toml")).unwrap();
        let surroundings = train::Surroundings {
            cache_folder: &self.path("cache"),
            allow_changed_base: false,
            stop: &stop,
            pause: &stop,
            observer: &mut |_| {},
        };
        train::run(&config, surroundings).unwrap();
    }

    fn folder() -> Self {
        Self::new(BaseDtype::Auto, |folder| {
            TinyLlama { hidden: 36, ..TinyLlama::default() }.write_folder(&folder.join("base")).unwrap();
            folder.join("base")
        })
    }

    fn gguf(block: GgmlDType) -> Self {
        Self::new(BaseDtype::Auto, |folder| {
            let tiny = TinyLlama { hidden: 64, intermediate: 96, llama3_rope: true, ..TinyLlama::default() };
            tiny.write_gguf(&folder.join("base.gguf"), block).unwrap();
            folder.join("base.gguf")
        })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn export(&self, dtype: Option<FloatType>) -> Result<Exported, Error> {
        export_merged(self.folder.path(), dtype, &mut |_, _| {})
    }

    fn live(&self) -> ModelChoice {
        ModelChoice { dtype: self.dtype, ..choice(&self.base, Some(self.path("run/adapter"))) }
    }

    /// What there is where things are exported.
    fn handed_out(&self) -> Vec<String> {
        let Ok(entries) = std::fs::read_dir(self.path("out")) else { return Vec::new() };
        let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

/// Exports; `at` is told each stage, and may stop it.
fn export_merged(
    folder: &Path,
    dtype: Option<FloatType>,
    at: &mut dyn FnMut(&str, &AtomicBool),
) -> Result<Exported, Error> {
    export(folder, Weights::Merged(dtype), at)
}

fn export(folder: &Path, weights: Weights, at: &mut dyn FnMut(&str, &AtomicBool)) -> Result<Exported, Error> {
    let request = ExportRequest {
        run: Some(folder.join("run")),
        weights,
        curves: Vec::new(),
        project: None,
        set: None,
        replace: false,
        pairs_as: Vec::new(),
        annotator_names: false,
        output_dir: folder.join("out"),
        allow_changed_base: false,
    };
    let stop = AtomicBool::new(false);
    let mut observer = |update: &Update| {
        if let Update::Progress { stage, .. } = update {
            at(stage, &stop);
        }
    };
    let reply = api::export(&request, &mut Context { observer: &mut observer, stop: &stop })?;
    Ok(reply.exported.into_iter().next().unwrap())
}

fn choice(model: &Path, adapter: Option<PathBuf>) -> ModelChoice {
    ModelChoice {
        model: model.to_path_buf(),
        adapter,
        device: testkit::device_name().parse().unwrap(),
        dtype: BaseDtype::F32,
        products: model::Products::F32,
        allow_changed_base: false,
    }
}

fn quietly<T>(work: impl FnOnce(&mut Context) -> T) -> T {
    work(&mut Context { observer: &mut |_| {}, stop: &AtomicBool::new(false) })
}

/// Log-probabilities of the chosen and the rejected answer of each held-out pair.
fn scores(choice: ModelChoice, pairs: &Path) -> Vec<[f64; 2]> {
    let limits = Limits { max_length: None, max_prompt_length: None, truncation: Truncation::KeepStart };
    let request = ScoreRequest { choice, pairs: pairs.to_path_buf(), choices: api::Choices::new(), limits };
    let reply = quietly(|context| api::score(&request, context)).unwrap();
    reply.scores.iter().map(|score| [score.logps.chosen_logps, score.logps.rejected_logps]).collect()
}

fn answers(choice: ModelChoice) -> Vec<String> {
    let texts = ["What is two and two?", "Where does the sun rise?", "ü 🦀"].map(str::to_owned).to_vec();
    let sampling = Sampling { temperature: 0.0, max_new_tokens: 20, ..Sampling::default() };
    let request = GenerateRequest { choice, prompts: None, choices: api::Choices::new(), texts, sampling };
    quietly(|context| api::generate(&request, context)).unwrap().into_iter().map(|answer| answer.text).collect()
}

#[test]
fn the_merged_model_of_a_folder_and_of_a_gguf_file_is_base_and_adapter() {
    for scene in [Scene::folder(), Scene::gguf(GgmlDType::Q4_1), Scene::gguf(GgmlDType::F16)] {
        let exported = scene.export(Some(FloatType::F32)).unwrap();
        let check = exported.check.unwrap();
        assert_eq!((check.pairs, check.held_out), (4, true));
        assert!(check.largest_difference_per_token < 1e-4, "{check:?}");
        assert!(check.adapter_difference_per_token > 0.02, "{check:?}");
        assert_eq!(scene.handed_out(), ["merged"]);
        let pairs = scene.path("held_out.jsonl");
        let (live, found) = (scores(scene.live(), &pairs), scores(choice(&exported.path, None), &pairs));
        assert_eq!(live.len(), 5);
        for (live, found) in live.iter().flatten().zip(found.iter().flatten()) {
            assert!((live - found).abs() < 1e-3, "{live} {found}");
        }
        assert_eq!(answers(choice(&exported.path, None)), answers(scene.live()));
    }
}

/// An adapter learns to make up for what rounding did to the weights beneath it: it is merged into these, not into those of
/// the file.
#[test]
fn the_adapter_of_a_base_in_four_bits_is_merged_into_the_rounded_weights() {
    let scene = Scene::new(BaseDtype::Q4, |folder| {
        let tiny = TinyLlama { hidden: 64, intermediate: 96, ..TinyLlama::default() };
        tiny.write_folder(&folder.join("base")).unwrap();
        folder.join("base")
    });
    let exported = scene.export(Some(FloatType::F32)).unwrap();
    assert!(exported.check.unwrap().largest_difference_per_token < 1e-4);
    let pairs = scene.path("held_out.jsonl");
    let (merged, live) = (scores(choice(&exported.path, None), &pairs), scores(scene.live(), &pairs));
    let in_f32 = scores(ModelChoice { dtype: BaseDtype::F32, ..scene.live() }, &pairs);
    let apart = |others: &[[f64; 2]]| {
        merged.iter().flatten().zip(others.iter().flatten()).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max)
    };
    assert!(apart(&live) < 1e-3 && apart(&in_f32) > 0.1, "{} {}", apart(&live), apart(&in_f32));
}

#[test]
fn a_gguf_file_is_merged_to_bf16_by_default() {
    let scene = Scene::gguf(GgmlDType::Q8_0);
    let check = scene.export(None).unwrap().check.unwrap();
    assert_eq!(check.dtype, StoredType::Float(FloatType::Bf16));
    assert!(check.largest_difference_per_token > 1e-5 && check.words.contains("the rounding to bf16"), "{check:?}");
    let config = std::fs::read_to_string(scene.path("out/merged/config.json")).unwrap();
    let config: Value = serde_json::from_str(&config).unwrap();
    assert_eq!((&config["architectures"], &config["torch_dtype"]), (&json!(["LlamaForCausalLM"]), &json!("bfloat16")));
    assert_eq!(config["rope_scaling"]["rope_type"], "llama3");
}

/// Transformers loads what was merged, and gives the log-probabilities that base and adapter have here.
#[test]
fn transformers_loads_the_same_model() {
    let Some(python) = std::env::var_os("TIEBREAK_PYTHON") else {
        eprintln!("left out: transformers_loads_the_same_model: it needs TIEBREAK_PYTHON (a Python with transformers)");
        return;
    };
    for scene in [Scene::folder(), Scene::gguf(GgmlDType::Q4_1)] {
        let merged = scene.export(Some(FloatType::F32)).unwrap().path;
        let pairs = scene.path("held_out.jsonl");
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/load_merged.py");
        let output = Command::new(&python)
            .arg(script)
            .arg(&merged)
            .stdin(std::fs::File::open(&pairs).unwrap())
            .stderr(Stdio::inherit())
            .output()
            .unwrap();
        assert!(output.status.success());
        let theirs: Vec<(Vec<u32>, f64, String)> = serde_json::from_slice(&output.stdout).unwrap();
        let tokenizer = chat::Tokenizer::open(&scene.base).unwrap();
        let pairs_read = prefs::jsonl::read_pairs(&pairs).unwrap().into_pairs();
        let ours = scores(scene.live(), &pairs);
        assert_eq!((theirs.len(), pairs_read.len()), (ours.len(), ours.len()));
        for ((theirs, ours), pair) in theirs.iter().zip(&ours).zip(&pairs_read) {
            let encoded = chat::encode_pair(&tokenizer, pair).unwrap();
            assert_eq!(tokenizer.encode_rendered(&theirs.2).unwrap(), theirs.0);
            assert!(theirs.0.starts_with(&encoded.prompt) && theirs.0.ends_with(&encoded.chosen));
            assert!((theirs.1 - ours[0]).abs() < 1e-3, "{} {}", theirs.1, ours[0]);
        }
    }
}

#[test]
fn gguf_files_are_base_and_adapter() {
    for scene in [Scene::folder(), Scene::gguf(GgmlDType::Q8_0)] {
        for (weights, file, tolerance) in [
            (Weights::Gguf(GgufType::F16), "gguf/model-f16.gguf", 0.05),
            (Weights::Gguf(GgufType::Q8_0), "gguf/model-q8_0.gguf", 0.5),
            (Weights::Gguf(GgufType::Q4K), "gguf/model-q4_k.gguf", 4.0),
            (Weights::LoraGguf, "lora-gguf/adapter.gguf", 1e-4),
        ] {
            let exported = export(scene.folder.path(), weights, &mut |_, _| {}).unwrap();
            let check = exported.check.unwrap();
            assert_eq!((check.pairs, check.held_out), (4, true));
            assert!(check.largest_difference_per_token < tolerance, "{check:?}");
            assert!(check.adapter_difference_per_token > 0.02, "{check:?}");
            let modelfile = std::fs::read_to_string(exported.path.join("Modelfile")).unwrap();
            let name = file.rsplit('/').next().unwrap();
            assert!(modelfile.contains(&format!("./{name}\n")) && modelfile.contains("TEMPLATE \"\"\""), "{modelfile}");
            assert!(
                exported.load.contains("llama-cli") && exported.load.contains("ollama create"),
                "{}",
                exported.load
            );
            assert!(scene.path("out").join(file).is_file());
            std::fs::remove_dir_all(scene.path("out")).unwrap();
        }
    }
    let scene = Scene::gguf(GgmlDType::Q5_0);
    let as_base = export(scene.folder.path(), Weights::Gguf(GgufType::AsBase), &mut |_, _| {}).unwrap();
    assert!(as_base.check.unwrap().words.contains("the base's own types"));
    let refused = export(Scene::folder().folder.path(), Weights::Gguf(GgufType::AsBase), &mut |_, _| {}).unwrap_err();
    assert!(refused.message.contains("safetensors"), "{refused}");
}

/// llama.cpp lets every token of these families see all: within the window the file is the run's model, beyond it another.
#[test]
fn a_run_on_pairs_longer_than_a_window_that_llama_cpp_ignores_is_not_handed_out_as_gguf() {
    const WINDOW: usize = 34;
    let refused = |scene: &Scene| {
        for weights in [Weights::Gguf(GgufType::F16), Weights::LoraGguf] {
            let error = export(scene.folder.path(), weights, &mut |_, _| {}).unwrap_err();
            assert_eq!(error.code, "beyond_window", "{error}");
            for words in [
                "of the run's 12 pairs are longer than 34 tokens",
                "the last 34 tokens only",
                "ignore the window",
                "nothing was written",
            ] {
                assert!(error.message.contains(words), "`{words}` is not in: {error}");
            }
            assert!(error.hint.contains("as a folder with safetensors") && error.hint.contains("max_length = 34"));
            assert_eq!(scene.handed_out(), [""; 0]);
        }
    };
    for family in ["mistral", "phi3"] {
        let with_window = |folder: &Path| windowed(family, WINDOW, &folder.join("base"));
        let long = Scene::new(BaseDtype::Auto, with_window);
        refused(&long);
        assert!(long.export(Some(FloatType::F32)).unwrap().check.unwrap().largest_difference_per_token < 1e-4);

        let short = Scene::within(WINDOW, BaseDtype::Auto, with_window);
        export(short.folder.path(), Weights::LoraGguf, &mut |_, _| {}).unwrap();
        let exported = export(short.folder.path(), Weights::Gguf(GgufType::F16), &mut |_, _| {}).unwrap();
        // A GGUF file of Phi-3 says its window, which is then seen in training too; one of Mistral does not.
        let base = exported.path.join("model-f16.gguf");
        let on_gguf = Scene::new(BaseDtype::Auto, |_| base.clone());
        if family == "phi3" {
            refused(&on_gguf);
        } else {
            export(on_gguf.folder.path(), Weights::LoraGguf, &mut |_, _| {}).unwrap();
        }
    }
}

/// A model of the golden set with another window.
fn windowed(family: &str, window: usize, to: &Path) -> PathBuf {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../tests/golden").join(family);
    std::fs::create_dir(to).unwrap();
    for entry in std::fs::read_dir(golden).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_file()) {
        std::fs::copy(&entry, to.join(entry.file_name().unwrap())).unwrap();
    }
    let path = to.join("config.json");
    let mut config: Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
    config["sliding_window"] = json!(window);
    std::fs::write(&path, config.to_string()).unwrap();
    to.to_path_buf()
}

#[test]
fn a_gguf_export_that_is_stopped_or_differs_leaves_nothing() {
    let scene = Scene::folder();
    for weights in [Weights::Gguf(GgufType::Q8_0), Weights::LoraGguf] {
        let mut stages = Vec::new();
        export(scene.folder.path(), weights, &mut |stage, _| stages.push(stage.to_owned())).unwrap();
        std::fs::remove_dir_all(scene.path("out")).unwrap();
        stages.dedup();
        for stop_at in &stages {
            let stopped = export(scene.folder.path(), weights, &mut |stage, stop| {
                stop.store(stage == stop_at, Ordering::Relaxed);
            });
            assert!(stopped.unwrap_err().is_cancelled(), "{stop_at}");
            assert_eq!(scene.handed_out(), [""; 0], "{stop_at}");
        }
    }
    // Somebody trains on between the two looks at the adapter.
    let config = scene.path("run/adapter/adapter_config.json");
    let other = std::fs::read_to_string(&config).unwrap().replace("\"lora_alpha\": 7", "\"lora_alpha\": 21");
    let failed = export(scene.folder.path(), Weights::LoraGguf, &mut |stage, _| {
        if stage == "ask the reference" {
            std::fs::write(&config, &other).unwrap();
        }
    });
    assert_eq!(failed.unwrap_err().code, "merged_differs");
    assert_eq!(scene.handed_out(), [""; 0]);
}

/// llama.cpp loads the merged models that were exported (adapters: `gguf_families.rs`), cuts text as we do, and gives the
/// log-probabilities that we find in the same file.
///
/// Tolerances per answer: llama.cpp keeps keys and values in f16 and multiplies f16 and quantised weights with activations
/// of 8 bits (`Q8_0`, `Q8_K`), which errs by 0.4 % of a product's size: 0.02 nats per token for floats, 0.2 for blocks.
#[test]
fn llama_cpp_loads_the_same_model() {
    const TEST: &str = "llama_cpp_loads_the_same_model";
    let python = std::env::var_os("TIEBREAK_PYTHON").filter(|python| {
        let found = Command::new(python).args(["-c", "import llama_cpp"]).stderr(Stdio::null()).status();
        found.is_ok_and(|status| status.success())
    });
    let Some(python) = python else {
        eprintln!("left out: {TEST}: it needs TIEBREAK_PYTHON (a Python with llama-cpp-python)");
        return;
    };
    for scene in [Scene::folder(), Scene::gguf(GgmlDType::Q8_0)] {
        for (weights, tolerance) in [
            (Weights::Gguf(GgufType::F16), 0.02),
            (Weights::Gguf(GgufType::Q8_0), 0.2),
            (Weights::Gguf(GgufType::Q4K), 0.2),
        ] {
            let exported = export(scene.folder.path(), weights, &mut |_, _| {}).unwrap();
            let entries = std::fs::read_dir(&exported.path).unwrap().map(|entry| entry.unwrap().path());
            let file = entries.into_iter().find(|path| path.extension().is_some_and(|found| found == "gguf")).unwrap();
            let ours = choice(&file, None);
            let pairs = scene.path("held_out.jsonl");
            let tokenizer = chat::Tokenizer::open(&scene.base).unwrap();
            let read = prefs::jsonl::read_pairs(&pairs).unwrap().into_pairs();
            let cases: Vec<Value> = read
                .iter()
                .map(|pair| {
                    let encoded = chat::encode_pair(&tokenizer, pair).unwrap();
                    let ids = [encoded.prompt.clone(), encoded.chosen].concat();
                    json!({ "text": tokenizer.decode(&ids, false).unwrap(), "ids": ids, "prompt": encoded.prompt.len() })
                })
                .collect();
            let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/load_gguf.py");
            let mut child = Command::new(&python);
            let mut child = child.arg(script).arg(&file).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
            serde_json::to_writer(child.stdin.take().unwrap(), &cases).unwrap();
            let output = child.wait_with_output().unwrap();
            assert!(output.status.success(), "{weights:?}");
            let theirs: Vec<(Vec<u32>, f64)> = serde_json::from_slice(&output.stdout).unwrap();
            for ((theirs, ours), case) in theirs.iter().zip(scores(ours.clone(), &pairs)).zip(&cases) {
                assert_eq!(json!(theirs.0), case["ids"]);
                let tokens = theirs.0.len() - case["prompt"].as_u64().unwrap() as usize;
                let most = tolerance * tokens as f64;
                assert!((theirs.1 - ours[0]).abs() < most, "{weights:?}: {} {}", theirs.1, ours[0]);
            }
            std::fs::remove_dir_all(scene.path("out")).unwrap();
        }
    }
}

#[test]
fn a_run_without_held_out_pairs_is_checked_on_its_own() {
    let scene = Scene::folder();
    std::fs::remove_file(scene.path("run/eval_pairs.jsonl")).unwrap();
    // One whose file is gone is refused; a run that never had any is not.
    let refused = scene.export(Some(FloatType::F32)).unwrap_err();
    assert_eq!(refused.code, "changed_file");
    std::fs::remove_dir_all(scene.path("run")).unwrap();
    let settings = std::fs::read_to_string(scene.path("RUN.toml")).unwrap();
    std::fs::write(scene.path("RUN.toml"), settings.replace("eval = \"held_out.jsonl\"\n", "")).unwrap();
    scene.train();
    let check = scene.export(Some(FloatType::F32)).unwrap().check.unwrap();
    assert_eq!((check.pairs, check.held_out), (4, false));
    assert!(check.words.contains("4 training pairs"), "{}", check.words);
}

#[test]
fn an_export_that_is_stopped_leaves_nothing() {
    let scene = Scene::folder();
    let mut stages = Vec::new();
    export_merged(scene.folder.path(), None, &mut |stage, _| stages.push(stage.to_owned())).unwrap();
    std::fs::remove_dir_all(scene.path("out")).unwrap();
    stages.dedup();
    assert_eq!(stages.len(), 4, "{stages:?}");
    for stop_at in &stages {
        let stopped = export_merged(scene.folder.path(), None, &mut |stage, stop| {
            stop.store(stage == stop_at, Ordering::Relaxed);
        });
        assert!(stopped.unwrap_err().is_cancelled(), "{stop_at}");
        assert_eq!(scene.handed_out(), [""; 0], "{stop_at}");
    }
}

/// Somebody trains on between the two looks at the adapter: what is written is not the model that was asked.
#[test]
fn a_merged_model_that_is_another_is_not_handed_out() {
    let scene = Scene::folder();
    let config = scene.path("run/adapter/adapter_config.json");
    let text = std::fs::read_to_string(&config).unwrap();
    let other = text.replace("\"lora_alpha\": 7", "\"lora_alpha\": 21");
    assert_ne!(text, other);
    let failed = export_merged(scene.folder.path(), Some(FloatType::F32), &mut |stage, _| {
        if stage == "ask the reference" {
            std::fs::write(&config, &other).unwrap();
        }
    });
    let error = failed.unwrap_err();
    assert_eq!(error.code, "merged_differs", "{error:?}");
    assert!(error.message.contains("0.001") && error.message.contains("removed"), "{error}");
    assert_eq!(scene.handed_out(), [""; 0]);
}

/// Started by the next test: dies at once while it writes, as if killed.
#[test]
fn child() {
    let Some(folder) = std::env::var_os(KILLED) else { return };
    let _ = export_merged(Path::new(&folder), None, &mut |stage, _| {
        if stage.starts_with("write") {
            std::process::abort();
        }
    });
}

#[test]
fn a_killed_write_leaves_nothing_under_the_final_name_and_is_cleared_away() {
    let scene = Scene::gguf(GgmlDType::Q8_0);
    let mut killed = Command::new(std::env::current_exe().unwrap());
    killed.args(["--exact", "child"]).env(KILLED, scene.folder.path()).stdout(Stdio::null()).stderr(Stdio::null());
    assert!(!killed.status().unwrap().success());
    assert_eq!(scene.handed_out(), ["merged.lock", "merged.partial"]);
    scene.export(None).unwrap();
    assert_eq!(scene.handed_out(), ["merged"]);
}
