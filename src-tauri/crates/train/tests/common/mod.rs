//! What the tests of whole runs share.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used)]

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use tempfile::TempDir;
use train::config::{DataConfig, RunConfig};
use train::events::{self, Event, StepMetrics};
use train::{Outcome, Result, Settings, Surroundings};

/// A tiny model, pairs and a cache in a temporary folder.
pub struct Place {
    pub folder: TempDir,
}

impl Place {
    pub fn new(pairs: usize) -> Self {
        let folder = tempfile::tempdir().unwrap();
        testkit::TinyLlama::default().write_folder(&folder.path().join("model")).unwrap();
        prefs::jsonl::write_pairs(&folder.path().join("pairs.jsonl"), &testkit::pairs(pairs, 1)).unwrap();
        prefs::jsonl::write_pairs(&folder.path().join("eval.jsonl"), &testkit::pairs(5, 2)).unwrap();
        Self { folder }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A run with all that can make resuming go wrong: dropout, shuffling, accumulation, an uneven epoch.
    pub fn config(&self, output: &str) -> RunConfig {
        RunConfig {
            model: self.path("model"),
            output_dir: self.path(output),
            device: testkit::device_name().parse().unwrap(),
            data: DataConfig { train: self.path("pairs.jsonl"), ..Default::default() },
            settings: Settings {
                lora: model::LoraConfig { r: 3, lora_alpha: 6.0, lora_dropout: 0.2, ..model::LoraConfig::default() },
                learning_rate: 1e-2,
                warmup_steps: 2,
                weight_decay: 0.01,
                per_device_train_batch_size: 2,
                gradient_accumulation_steps: 2,
                max_steps: 7,
                save_steps: 3,
                ..Settings::default()
            },
            ..RunConfig::default()
        }
    }

    /// Runs to the end of `config` or until `observer` asks to stop.
    pub fn run(&self, config: &RunConfig, observer: impl FnMut(&Event) -> bool) -> Result<Outcome> {
        self.run_on(config, false, observer)
    }

    /// The same, also where that is `allowed` on another base than before.
    pub fn run_on(
        &self,
        config: &RunConfig,
        allow_changed_base: bool,
        mut observer: impl FnMut(&Event) -> bool,
    ) -> Result<Outcome> {
        let stop = AtomicBool::new(false);
        let cache_folder = self.path("cache");
        let mut observer =
            |event: &Event| stop.store(observer(event) || stop.load(Ordering::Relaxed), Ordering::Relaxed);
        let pause = AtomicBool::new(false);
        let surroundings = Surroundings {
            cache_folder: &cache_folder,
            allow_changed_base,
            stop: &stop,
            pause: &pause,
            observer: &mut observer,
        };
        train::run(config, surroundings)
    }
}

pub fn go_on(_: &Event) -> bool {
    false
}

pub fn read_events(folder: &Path) -> Vec<Event> {
    let lines = events::effective(events::read(&folder.join(events::FILE)).unwrap());
    lines.into_iter().map(|line| line.event).collect()
}

/// The steps that count, without what depends on the clock.
pub fn steps(folder: &Path) -> Vec<StepMetrics> {
    let steps = read_events(folder).into_iter().filter_map(|event| match event {
        Event::Step(metrics) => Some(metrics),
        _ => None,
    });
    steps
        .map(|metrics| StepMetrics {
            tokens_per_second: 0.0,
            peak_memory_bytes: None,
            seconds: 0.0,
            seconds_left: 0.0,
            ..metrics
        })
        .collect()
}

/// The bytes of the adapter of a finished run.
pub fn adapter(folder: &Path) -> (Vec<u8>, Vec<u8>) {
    let read = |name: &str| fs::read(folder.join("adapter").join(name)).unwrap();
    (read("adapter_model.safetensors"), read("adapter_config.json"))
}

pub fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy_folder(&path, &target);
        } else {
            fs::copy(&path, &target).unwrap();
        }
    }
}

/// Every number of TRL's log.
pub fn compare(ours: &[StepMetrics], log: &[serde_json::Value], tolerance: f64, what: &str) {
    assert_eq!(ours.len(), log.len());
    for (ours, theirs) in ours.iter().zip(log) {
        let step = ours.step;
        assert_eq!(theirs["step"].as_u64().unwrap(), step);
        let ours = serde_json::to_value(ours).unwrap();
        for key in [
            "loss",
            "grad_norm",
            "learning_rate",
            "rewards/chosen",
            "rewards/rejected",
            "rewards/margins",
            "rewards/accuracies",
            "logps/chosen",
            "logps/rejected",
        ] {
            let (got, expected) = (ours[key].as_f64().unwrap(), theirs[key].as_f64().unwrap());
            // Rewards are small differences of large sums: TRL's own rounding is about 1e-5 of a log-probability.
            let scale = if key.starts_with("rewards/") { expected.abs().max(0.02) } else { expected.abs() };
            let error = (got - expected).abs();
            assert!(error <= tolerance * scale, "{what} step {step} {key}: {got} instead of {expected}");
        }
    }
}
