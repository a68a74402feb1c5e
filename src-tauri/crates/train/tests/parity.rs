//! The numbers of TRL 1.16: `tests/golden` of the repository always, and the sets of `TIEBREAK_SHARED` where that is set.
#![allow(clippy::unwrap_used)]

mod common;

use chat::{Limits, Tokenizer, Truncation};
use common::{compare, go_on, steps};
use model::{BaseDtype, Decoder, DeviceChoice, ForwardOptions, Gradients, Lora, Products};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use train::config::{DataConfig, RunConfig};
use train::data::{self, Example};
use train::events::StepMetrics;
use train::losses::{DISCOPOP_TAU, Divergence, LossType, Objective, Shape};
use train::optimizer::sum_of_squares;
use train::reference::ReferenceLogps;
use train::schedule::SchedulerType;
use train::scores::{Counting, Scores};
use train::{Outcome, Settings, Surroundings};

/// Folders of the families to match, with their sets' pairs.
fn families() -> Vec<(PathBuf, PathBuf)> {
    let mut sets = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../tests/golden")];
    match std::env::var_os("TIEBREAK_SHARED") {
        Some(shared) => sets.push(Path::new(&shared).join("golden/trl-1.16")),
        None => eprintln!("left out: the golden set of TIEBREAK_SHARED, which is not set"),
    }
    let of_set = |set: PathBuf| {
        let folders = fs::read_dir(&set).unwrap().map(|entry| entry.unwrap().path());
        let mut families: Vec<_> = folders.filter(|folder| folder.join("expected.json").is_file()).collect();
        families.sort();
        families.into_iter().map(move |family| (family, set.join("pairs.jsonl")))
    };
    let families: Vec<_> = sets.into_iter().flat_map(of_set).collect();
    assert!(families.len() >= 2);
    families
}

fn read(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

/// What `DPOTrainer` was given. Sets that do not say were made with the values here.
struct TrlSettings(Value);

impl TrlSettings {
    fn get<T: serde::de::DeserializeOwned>(&self, key: &str, otherwise: T) -> T {
        self.0.get(key).map_or(otherwise, |value| serde_json::from_value(value.clone()).unwrap())
    }

    fn max_length(&self) -> usize {
        self.get("max_length", 160)
    }
}

fn settings(expected: &Value) -> TrlSettings {
    TrlSettings(expected.get("settings").cloned().unwrap_or_default())
}

fn relative(got: f64, expected: f64) -> f64 {
    (got - expected).abs() / expected.abs().max(1e-30)
}

struct FirstBatch {
    decoder: Decoder,
    lora: Lora,
    examples: Vec<Example>,
    references: Vec<ReferenceLogps>,
}

impl FirstBatch {
    fn load(family: &Path, pairs: &Path, max_length: usize) -> Self {
        let decoder = Decoder::load(family, testkit::device(), BaseDtype::F32).unwrap();
        let lora = Lora::load(&family.join("adapter"), decoder.linears(), testkit::device()).unwrap();
        let rows = prefs::jsonl::read_pairs(pairs).unwrap().into_pairs();
        let limits =
            Limits { max_length: Some(max_length), max_prompt_length: None, truncation: Truncation::KeepStart };
        let tokenizer = Tokenizer::open(family).unwrap();
        let dataset = data::encode(
            data::Input::of(pairs, &rows[..4]),
            &tokenizer,
            &limits,
            data::Identical::LeaveOut,
            &mut |_| Ok(true),
        )
        .unwrap()
        .unwrap();
        let logps = decoder.logps(None, &data::pack(dataset.examples.iter())).unwrap();
        let references =
            logps.chunks_exact(2).map(|pair| ReferenceLogps { chosen: pair[0], rejected: pair[1] }).collect();
        Self { decoder, lora, examples: dataset.examples, references }
    }

    fn evaluate(&self, objective: &Objective, recompute: bool) -> (f64, Gradients) {
        self.evaluate_counting(objective, Counting::default(), &self.references, recompute)
    }

    fn evaluate_counting(
        &self,
        objective: &Objective,
        counting: Counting,
        references: &[ReferenceLogps],
        recompute: bool,
    ) -> (f64, Gradients) {
        let batch = data::pack(self.examples.iter());
        let trace = self.decoder.forward(&self.lora, &batch, ForwardOptions { recompute, dropout: None }).unwrap();
        let scores = Scores::new(counting, &batch, trace.tokens(), self.examples.iter().zip(references));
        let evaluation = objective.evaluate(&scores.logps());
        let mut gradients = Gradients::zeros(&self.lora).unwrap();
        self.decoder.backward_tokens(&self.lora, trace, &scores.d_tokens(&evaluation, 1.0), &mut gradients).unwrap();
        (evaluation.loss, gradients)
    }
}

fn shape(beta: f64, label_smoothing: f64) -> Shape {
    Shape { beta, label_smoothing, discopop_tau: DISCOPOP_TAU, divergence: Divergence::ReverseKl }
}

fn norm(gradients: &Gradients) -> f64 {
    gradients.tensors.iter().map(|g| sum_of_squares(g).unwrap()).sum::<f64>().sqrt()
}

#[test]
fn losses_and_gradient_norms_of_all_fifteen_and_of_sums() {
    for (family, pairs) in families() {
        let expected = read(&family.join("expected.json"));
        let settings = settings(&expected);
        let first = FirstBatch::load(&family, &pairs, settings.max_length());
        let beta = settings.get("beta", 0.1);
        let check = |terms: Vec<(LossType, f64)>, expected: &Value, recompute: bool| {
            let label_smoothing = expected.get("label_smoothing").and_then(Value::as_f64).unwrap_or(0.0);
            let shape = shape(beta, label_smoothing);
            let name = format!("{} {terms:?}", family.display());
            let (loss, gradients) = first.evaluate(&Objective { terms, shape }, recompute);
            let (loss_error, norm_error) = (
                relative(loss, expected["loss"].as_f64().unwrap()),
                relative(norm(&gradients), expected["grad_norm"].as_f64().unwrap()),
            );
            assert!(loss_error < 1e-4, "{name}: loss off by {loss_error:.1e}");
            assert!(norm_error < 1e-4, "{name}: grad_norm off by {norm_error:.1e}");
        };
        let losses = expected["losses"].as_object().unwrap();
        assert_eq!(losses.len(), 15);
        for loss_type in LossType::all() {
            check(vec![(loss_type, 1.0)], &losses[loss_type.name()], loss_type == LossType::Ipo);
        }
        for sum in expected.get("loss_sums").and_then(Value::as_array).into_iter().flatten() {
            let types: Vec<LossType> = serde_json::from_value(sum["loss_type"].clone()).unwrap();
            let weights: Vec<f64> = serde_json::from_value(sum["loss_weights"].clone()).unwrap();
            check(types.into_iter().zip(weights).collect(), sum, false);
        }
    }
}

#[test]
fn every_gradient_tensor_of_sigmoid() {
    for (family, pairs) in families() {
        let expected = read(&family.join("expected.json"));
        let settings = settings(&expected);
        let first = FirstBatch::load(&family, &pairs, settings.max_length());
        let shape = shape(settings.get("beta", 0.1), 0.0);
        let objective = Objective { terms: vec![(LossType::Sigmoid, 1.0)], shape };
        let theirs =
            candle_core::safetensors::load(family.join("sigmoid_grads.safetensors"), testkit::device()).unwrap();
        for recompute in [false, true] {
            let (_, gradients) = first.evaluate(&objective, recompute);
            let names = first.lora.parameters();
            assert_eq!(names.len(), theirs.len());
            for ((name, _), ours) in names.iter().zip(&gradients.tensors) {
                let theirs = &theirs[name];
                let difference = sum_of_squares(&(ours - theirs).unwrap()).unwrap().sqrt();
                let scale = sum_of_squares(theirs).unwrap().sqrt();
                assert!(scale > 0.0 && difference / scale < 1e-3, "{name}: {:.1e}", difference / scale);
            }
        }
    }
}

fn run(config: &RunConfig, folder: &Path) -> Vec<StepMetrics> {
    let never = AtomicBool::new(false);
    let mut observer = |event: &train::events::Event| {
        go_on(event);
    };
    let cache = folder.join("cache");
    let surroundings = Surroundings {
        cache_folder: &cache,
        allow_changed_base: false,
        stop: &never,
        pause: &never,
        observer: &mut observer,
    };
    assert!(matches!(train::run(config, surroundings).unwrap(), Outcome::Finished { .. }));
    steps(&config.output_dir)
}

#[test]
fn the_trajectory_of_eight_steps() {
    for (family, pairs) in families() {
        let expected = read(&family.join("expected.json"));
        let settings = settings(&expected);
        let folder = tempfile::tempdir().unwrap();
        let config = RunConfig {
            model: family.clone(),
            output_dir: folder.path().join("run"),
            data: DataConfig { train: pairs, ..Default::default() },
            settings: Settings {
                init_adapter: Some(family.join("adapter")),
                beta: settings.get("beta", 0.1),
                max_length: settings.max_length(),
                learning_rate: settings.get("learning_rate", 1e-3),
                lr_scheduler_type: settings.get("lr_scheduler_type", SchedulerType::Linear),
                warmup_steps: settings.get("warmup_steps", 2),
                weight_decay: settings.get("weight_decay", 0.0),
                max_grad_norm: settings.get("max_grad_norm", 1.0),
                per_device_train_batch_size: settings.get("per_device_train_batch_size", 2),
                gradient_accumulation_steps: settings.get("gradient_accumulation_steps", 2),
                max_steps: 8,
                shuffle: false,
                ..Settings::default()
            },
            ..RunConfig::default()
        };
        let ours = run(&config, folder.path());
        compare(&ours, expected["trajectory"].as_array().unwrap(), 1e-3, &family.display().to_string());

        let load = |path: PathBuf| candle_core::safetensors::load(path, testkit::device()).unwrap();
        let start = load(family.join("adapter/adapter_model.safetensors"));
        let theirs = load(family.join("adapter_after_8_steps/adapter_model.safetensors"));
        let ours = load(config.output_dir.join("adapter/adapter_model.safetensors"));
        assert_eq!(ours.len(), theirs.len());
        for (name, theirs) in &theirs {
            let moved = sum_of_squares(&(theirs - &start[name]).unwrap()).unwrap().sqrt();
            let apart = sum_of_squares(&(theirs - &ours[name]).unwrap()).unwrap().sqrt();
            assert!(apart < 0.02 * moved, "{name}: {apart:.1e} apart after moving {moved:.1e}");
        }
    }
}

/// Twelve steps on the real SmolLM2-135M-Instruct: `TIEBREAK_DEMO_MODEL` is its GGUF file.
#[test]
fn the_trajectory_of_a_real_model() {
    let (Some(shared), Some(model)) = (std::env::var_os("TIEBREAK_SHARED"), std::env::var_os("TIEBREAK_DEMO_MODEL"))
    else {
        eprintln!("left out: the real model's trajectory needs TIEBREAK_SHARED and TIEBREAK_DEMO_MODEL");
        return;
    };
    let golden = Path::new(&shared).join("golden/smollm2-135m");
    let log = read(&golden.join("trl_log.json"));
    let folder = tempfile::tempdir().unwrap();
    let config = RunConfig {
        model: model.into(),
        output_dir: folder.path().join("run"),
        data: DataConfig { train: golden.join("rows.json"), ..Default::default() },
        settings: Settings {
            init_adapter: Some(golden.join("adapter_init")),
            max_length: 256,
            learning_rate: 5e-4,
            lr_scheduler_type: SchedulerType::Constant,
            per_device_train_batch_size: 4,
            max_steps: 12,
            shuffle: false,
            products: Products::F32,
            ..Settings::default()
        },
        ..RunConfig::default()
    };
    let rows = prefs::jsonl::read_pairs(&config.data.train).unwrap().into_pairs();
    let tokenizer = Tokenizer::open(&config.model).unwrap();
    let limits = config.settings.limits();
    let dataset = data::encode(
        data::Input::of(&config.data.train, &rows),
        &tokenizer,
        &limits,
        data::Identical::LeaveOut,
        &mut |_| Ok(true),
    )
    .unwrap()
    .unwrap();
    let batches = read(&golden.join("batches.json"));
    for (batch, examples) in batches.as_array().unwrap().iter().zip(dataset.examples.chunks(4)) {
        let ids: Vec<Vec<u32>> = serde_json::from_value(batch["input_ids"].clone()).unwrap();
        let attention: Vec<Vec<u32>> = serde_json::from_value(batch["attention_mask"].clone()).unwrap();
        let completion: Vec<Vec<u32>> = serde_json::from_value(batch["completion_mask"].clone()).unwrap();
        let sequences = examples.iter().map(|e| (&e.ids.chosen_prompt, &e.ids.chosen));
        let sequences = sequences.chain(examples.iter().map(|e| (&e.ids.rejected_prompt, &e.ids.rejected)));
        for (i, (prompt, answer)) in sequences.enumerate() {
            let length = attention[i].iter().sum::<u32>() as usize;
            assert_eq!([prompt.as_slice(), answer].concat(), ids[i][..length]);
            assert_eq!(answer.len(), completion[i].iter().sum::<u32>() as usize);
        }
    }
    let ours = run(&config, folder.path());
    compare(&ours, log["log"].as_array().unwrap()[..12].as_ref(), 2e-3, "SmolLM2");

    if !Products::has_bf16(DeviceChoice::of(testkit::device())) {
        eprintln!("left out: the real model's trajectory with products in bf16, which this processor does not have");
        return;
    }
    // TRL's own way in bf16 rounds at least as much. The limits were stated before the first run: a loss within a fiftieth of
    // that before the first step, ln 2, and a margin as far as such a loss is moved by one.
    let rounded = RunConfig { output_dir: folder.path().join("bf16"), ..config }
        .with(|settings| settings.products = Products::Bf16);
    for (step, theirs) in run(&rounded, folder.path()).iter().zip(log["log"].as_array().unwrap()) {
        let loss = theirs["loss"].as_f64().unwrap();
        assert!((step.loss - loss).abs() < 0.014, "step {}: {} and {loss}", step.step, step.loss);
        let margin = theirs["rewards/margins"].as_f64().unwrap();
        assert!((step.rewards.margins - margin).abs() < 0.03, "step {}: {margin}", step.step);
    }
}
