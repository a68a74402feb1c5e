//! The options of training and of adapters against TRL 1.16 and PEFT 0.21: `tests/golden/make_options.py`.
#![allow(clippy::unwrap_used)]

mod common;

use chat::{Limits, Tokenizer, Truncation};
use common::{compare, go_on, steps};
use model::{BaseDtype, Batch, Decoder, ForwardOptions, Gradients, Lora};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use train::config::{DataConfig, RunConfig};
use train::data::{self, Example};
use train::losses::{DISCOPOP_TAU, Divergence, FDivergenceType, LossType, Objective, Shape};
use train::metrics;
use train::optimizer::sum_of_squares;
use train::schedule::SchedulerType;
use train::scores::{Counting, Scores};
use train::{Outcome, Settings, Surroundings};

/// What `DPOTrainer` was given: `TRAINER` in `make_golden.py`.
const BETA: f64 = 0.1;
const MAX_LENGTH: usize = 112;
/// Of losses and gradient norms in f32, relative.
const TOLERANCE: f64 = 1e-4;

fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../tests/golden")
}

fn read(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

fn close(got: f64, expected: &Value, what: &str) {
    close_within(TOLERANCE, got, expected, what);
}

fn close_within(tolerance: f64, got: f64, expected: &Value, what: &str) {
    let expected = expected.as_f64().unwrap();
    let error = (got - expected).abs() / expected.abs().max(1e-30);
    assert!(error < tolerance, "{what}: {got} instead of {expected}, off by {error:.1e}");
}

/// A family's model and the first four pairs.
struct Scene {
    decoder: Decoder,
    examples: Vec<Example>,
    batch: Batch,
}

impl Scene {
    fn new(family: &str) -> Self {
        let family = golden().join(family);
        let decoder = Decoder::load(&family, testkit::device(), BaseDtype::F32).unwrap();
        let pairs = golden().join("pairs.jsonl");
        let rows = prefs::jsonl::read_pairs(&pairs).unwrap().into_pairs();
        let limits =
            Limits { max_length: Some(MAX_LENGTH), max_prompt_length: None, truncation: Truncation::KeepStart };
        let tokenizer = Tokenizer::open(&family).unwrap();
        let dataset = data::encode(
            data::Input::of(&pairs, &rows[..4]),
            &tokenizer,
            &limits,
            data::Identical::LeaveOut,
            &mut |_| Ok(true),
        )
        .unwrap()
        .unwrap();
        let batch = data::pack(dataset.examples.iter());
        Self { decoder, examples: dataset.examples, batch }
    }

    fn adapter(&self, folder: &Path) -> Lora {
        Lora::load(folder, self.decoder.linears(), testkit::device()).unwrap()
    }

    /// Loss, gradients, and the metrics by their names, against the base as reference.
    fn evaluate(
        &self,
        lora: &Lora,
        objective: &Objective,
        counting: Counting,
        recompute: bool,
    ) -> (f64, Gradients, Value) {
        let references = counting.references(&self.batch, &self.decoder.token_logps(None, &self.batch).unwrap());
        let options = ForwardOptions { recompute, dropout: None };
        let trace = self.decoder.forward(lora, &self.batch, options).unwrap();
        // Evaluation without a trace makes the same of every token.
        let again = self.decoder.token_scores(Some(lora), &self.batch).unwrap();
        for (a, b) in [(&again.logps, &trace.tokens().logps), (&again.log_sum_squares, &trace.tokens().log_sum_squares)]
        {
            assert!(a.iter().zip(b.iter()).all(|(a, b)| (a - b).abs() < 1e-5));
        }
        let scores = Scores::new(counting, &self.batch, trace.tokens(), self.examples.iter().zip(&references));
        let evaluation = objective.evaluate(&scores.logps());
        let rewards = serde_json::to_value(metrics::rewards(&scores.logps(), BETA)).unwrap();
        let mut gradients = Gradients::zeros(lora).unwrap();
        self.decoder.backward_tokens(lora, trace, &scores.d_tokens(&evaluation, 1.0), &mut gradients).unwrap();
        (evaluation.loss, gradients, rewards)
    }
}

fn norm(gradients: &Gradients) -> f64 {
    gradients.tensors.iter().map(|g| sum_of_squares(g).unwrap()).sum::<f64>().sqrt()
}

#[test]
fn divergences_length_damping_and_weighting_are_trls() {
    for family in ["llama", "llama3_rope"] {
        let scene = Scene::new(family);
        let lora = scene.adapter(&golden().join(family).join("adapter"));
        let cases = read(&golden().join(family).join("options.json"))["losses"].as_array().unwrap().clone();
        assert_eq!(cases.len(), 12);
        for (place, case) in cases.iter().enumerate() {
            let types: Vec<LossType> = serde_json::from_value(case["loss_type"].clone()).unwrap();
            let kind = case.get("f_divergence_type").cloned().unwrap_or("reverse_kl".into());
            let kind: FDivergenceType = serde_json::from_value(kind).unwrap();
            let coef = case.get("f_alpha_divergence_coef").and_then(Value::as_f64).unwrap_or(0.5);
            let divergence = Divergence::new(kind, coef);
            let shape = Shape { beta: BETA, label_smoothing: 0.0, discopop_tau: DISCOPOP_TAU, divergence };
            let objective = Objective { terms: types.into_iter().map(|loss_type| (loss_type, 1.0)).collect(), shape };
            let counting = Counting {
                ld_alpha: case.get("ld_alpha").and_then(Value::as_f64),
                use_weighting: case.get("use_weighting").is_some(),
            };
            let (loss, gradients, rewards) = scene.evaluate(&lora, &objective, counting, place % 2 == 0);
            let what = format!("{family} {place} {objective:?} {counting:?}");
            // exp(-u) makes of a log-probability's rounding, 3e-5 in f32, as much relative to the score: TRL's own value in
            // f32 is off by 2e-4 from the one in f64.
            let tolerance = if kind == FDivergenceType::ForwardKl { 10.0 * TOLERANCE } else { TOLERANCE };
            close_within(tolerance, loss, &case["loss"], &what);
            close_within(tolerance, norm(&gradients), &case["grad_norm"], &what);
            for key in ["rewards/chosen", "rewards/rejected", "logps/chosen", "logps/rejected"] {
                close(rewards[key].as_f64().unwrap(), &case[key], &format!("{what} {key}"));
            }
            assert_eq!(rewards["rewards/accuracies"], case["rewards/accuracies"], "{what}");
        }
    }
}

/// DoRA, ranks and scales by pattern with rsLoRA, and targets as a regular expression, each as PEFT saved it; also what
/// PEFT's own merged model answers.
#[test]
fn adapters_of_every_kind_are_pefts() {
    let scene = Scene::new("llama");
    let kinds = read(&golden().join("llama/adapters.json"));
    let shape =
        Shape { beta: BETA, label_smoothing: 0.0, discopop_tau: DISCOPOP_TAU, divergence: Divergence::ReverseKl };
    let objective = Objective { terms: vec![(LossType::Sigmoid, 1.0)], shape };
    for (kind, expected) in kinds.as_object().unwrap() {
        let folder = golden().join("llama").join(format!("adapter_{kind}"));
        let lora = scene.adapter(&folder);
        // TRL tells all chosen answers, then all rejected ones.
        let ours = scene.decoder.logps(Some(&lora), &scene.batch).unwrap();
        for which in ["policy_logps", "merged_logps"] {
            let theirs: Vec<f64> = serde_json::from_value(expected[which].clone()).unwrap();
            for (i, logp) in ours.iter().enumerate() {
                let theirs = theirs[i / 2 + if i % 2 == 0 { 0 } else { ours.len() / 2 }];
                assert!((logp - theirs).abs() < TOLERANCE * theirs.abs(), "{kind} {which}: {logp} {theirs}");
            }
        }
        for recompute in [false, true] {
            let (loss, gradients, _) = scene.evaluate(&lora, &objective, Counting::default(), recompute);
            close(loss, &expected["loss"], kind);
            let theirs = expected["grad_norms"].as_object().unwrap();
            let names = lora.parameters();
            assert_eq!(names.len(), theirs.len(), "{kind}");
            for ((name, _), ours) in names.iter().zip(&gradients.tensors) {
                close(sum_of_squares(ours).unwrap().sqrt(), &theirs[name], &format!("{kind} {name}"));
            }
        }

        // Written again, it is the adapter that PEFT wrote.
        let written = tempfile::tempdir().unwrap();
        lora.save(written.path(), "base").unwrap();
        let load = |folder: &Path| {
            candle_core::safetensors::load(folder.join("adapter_model.safetensors"), testkit::device()).unwrap()
        };
        let (ours, theirs) = (load(written.path()), load(&folder));
        assert_eq!(ours.len(), theirs.len());
        for (name, theirs) in &theirs {
            let difference = (&ours[name] - theirs).unwrap().abs().unwrap().sum_all().unwrap();
            assert_eq!(difference.to_scalar::<f32>().unwrap().to_bits(), 0f32.to_bits(), "{kind} {name}");
        }
        let (ours, theirs) = [written.path(), &folder].map(|f| read(&f.join("adapter_config.json"))).into();
        for key in ["r", "lora_alpha", "target_modules", "use_rslora", "use_dora", "rank_pattern", "alpha_pattern"] {
            assert_eq!(ours[key], theirs[key], "{kind} {key}");
        }
    }
}

/// Eight steps with the adapter's own copy as the reference, as `DPOTrainer` trains an adapter that it is given, and the
/// same with a reference that follows.
#[test]
fn an_adapter_as_the_reference_stays_or_follows() {
    for family in ["llama", "llama3_rope"] {
        let expected = read(&golden().join(family).join("options.json"));
        for follows in [false, true] {
            let folder = tempfile::tempdir().unwrap();
            let mut config = RunConfig {
                model: golden().join(family),
                output_dir: folder.path().join("run"),
                data: DataConfig { train: golden().join("pairs.jsonl"), ..Default::default() },
                settings: Settings {
                    ref_adapter: Some(golden().join(family).join("adapter")),
                    beta: BETA,
                    max_length: MAX_LENGTH,
                    learning_rate: 2e-3,
                    lr_scheduler_type: SchedulerType::Cosine,
                    warmup_steps: 3,
                    weight_decay: 0.01,
                    max_grad_norm: 0.5,
                    per_device_train_batch_size: 2,
                    gradient_accumulation_steps: 2,
                    max_steps: 8,
                    shuffle: false,
                    ..Settings::default()
                },
                ..RunConfig::default()
            };
            let mut log = &expected["ref_adapter"];
            if follows {
                let synced = &expected["sync_ref_model"];
                config.settings.sync_ref_model = true;
                config.settings.ref_model_sync_steps = synced["ref_model_sync_steps"].as_u64().unwrap();
                config.settings.ref_model_mixup_alpha = synced["ref_model_mixup_alpha"].as_f64().unwrap();
                log = &synced["trajectory"];
            }
            let never = AtomicBool::new(false);
            let mut observer = |event: &train::events::Event| {
                go_on(event);
            };
            let cache = folder.path().join("cache");
            let surroundings = Surroundings {
                cache_folder: &cache,
                allow_changed_base: false,
                stop: &never,
                pause: &never,
                observer: &mut observer,
            };
            assert!(matches!(train::run(&config, surroundings).unwrap(), Outcome::Finished { .. }));
            compare(
                &steps(&config.output_dir),
                log.as_array().unwrap(),
                1e-3,
                &format!("{family}, follows: {follows}"),
            );
        }
    }
}
