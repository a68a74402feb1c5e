//! The whole main job on the demo project: pairs in, LoRA DPO, win rate out.

use crate::context::{Context, Update};
use crate::error::{Error, Result};
use crate::evaluate::{EvalRequest, evaluate_opened, write_json};
use crate::import::{ImportRequest, import};
use crate::open::{ModelChoice, open};
use crate::report::{self, ReportRequest};
use crate::training::reply;
use eval::accuracy::PreferenceAccuracy;
use eval::evaluation::Summary;
use generate::Sampling;
use model::{BaseDtype, DeviceChoice, Products};
use prefs::reader::Choices;
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::time::Instant;
use train::config::Resume;
use train::events::{self, Event, Progress, Stage};
use train::{RunConfig, Surroundings};

/// The catalogue's model that the demo trains.
pub(crate) const MODEL: &str = "smollm2-135m-instruct";
/// The rule that the demo's pairs follow: one or two plain sentences. `assets/demo/README.md` states it.
const JUDGE: &str = "plain:45";
/// Long enough for any plain answer; a longer one has failed the rule already.
const MAX_NEW_TOKENS: usize = 72;

/// The demo's pairs, built in.
pub(crate) const PAIRS: (&str, &str) = ("pairs.jsonl", include_str!("../../../../assets/demo/pairs.jsonl"));

/// The demo's settings, built in.
pub(crate) const RUN: (&str, &str) = ("run.toml", include_str!("../../../../assets/demo/run.toml"));

/// The demo project.
const FILES: [(&str, &str); 4] = [
    PAIRS,
    ("held_out_pairs.jsonl", include_str!("../../../../assets/demo/held_out_pairs.jsonl")),
    ("prompts.jsonl", include_str!("../../../../assets/demo/prompts.jsonl")),
    RUN,
];

/// Where the demo works, and how.
#[derive(Debug, Clone)]
pub struct DemoRequest {
    /// A folder; a demo that was broken off there is resumed.
    pub output_dir: PathBuf,
    /// What products with the model's weights are computed in.
    pub products: Products,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[allow(missing_docs)]
pub struct DemoReply {
    /// The tuned model's win rate, ties as half.
    pub win_rate: Option<f64>,
    /// Its Wilson 95 % interval, `[low, high]`.
    pub win_rate_interval: Option<eval::statistics::Interval>,
    /// A stable short name of the verdict.
    pub verdict: String,
    /// The verdict in words.
    pub words: String,
    /// Share of held-out pairs whose chosen answer has the higher reward, before and after training. An untrained
    /// policy has no rewards, so it starts from 0.
    #[serde(rename = "rewards/accuracies")]
    pub rewards_accuracies: BeforeAfter,
    /// Share of held-out pairs whose chosen answer is the more likely one per token, before and after.
    pub logps_accuracy_per_token: BeforeAfter,
    /// These and the rest of what held-out pairs say, with intervals.
    pub accuracy: PreferenceAccuracy,
    /// Wins, ties, losses and what else the evaluation counted.
    pub summary: Summary,
    /// Seconds of each stage, as measured when it was done.
    pub seconds: BTreeMap<String, f64>,
    pub report: PathBuf,
}

/// A share before and after training.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct BeforeAfter {
    /// Before the first step.
    pub before: f64,
    /// After the last.
    pub after: f64,
}

/// Makes sure that the demo's model is here, and says where.
///
/// # Errors
/// When no source has it.
pub fn fetch_demo_model(context: &mut Context) -> Result<PathBuf> {
    crate::open::find_model(Path::new(MODEL), context)
}

/// Runs the demo.
///
/// # Errors
/// When the model cannot be fetched, the folder cannot be written, or a stage fails.
pub fn demo(request: &DemoRequest, context: &mut Context) -> Result<DemoReply> {
    let folder = &request.output_dir;
    std::fs::create_dir_all(folder).map_err(Error::file(folder))?;
    let mut stages = Stages::open(&folder.join("stages.json"));

    let start = Instant::now();
    let model = fetch_demo_model(context)?;
    let choice = ModelChoice {
        model: model.clone(),
        adapter: None,
        device: DeviceChoice::Auto,
        dtype: BaseDtype::Auto,
        products: request.products,
        allow_changed_base: false,
    };
    let mut opened = open(&choice, context)?;
    stages.done("model", start)?;

    let start = Instant::now();
    let data = folder.join("data");
    std::fs::create_dir_all(&data).map_err(Error::file(&data))?;
    for (name, text) in FILES {
        let path = data.join(name);
        std::fs::write(&path, text).map_err(Error::file(&path))?;
    }
    let pairs = data.join("pairs.jsonl");
    let imported = import(
        &ImportRequest {
            files: vec![pairs.clone()],
            choices: Choices::new(),
            project: folder.clone(),
            dry_run: false,
            model: None,
        },
        context,
    )?;
    for file in &imported {
        context.note(format!(
            "{} rows read: {} pairs new, {} known, {} refused; the project holds {}",
            file.rows,
            file.added,
            file.duplicates,
            file.refused_count,
            file.total.unwrap_or_default()
        ));
    }
    check_pairs(&pairs, &data.join("held_out_pairs.jsonl"), context)?;
    stages.done("import", start)?;

    let mut config = RunConfig::read(&data.join("run.toml"))?;
    config.model = model;
    config.output_dir = folder.join("run");
    config.resume_from_checkpoint = Resume::Latest;
    let adapter = {
        let cache = hub::cache_dir()?.join("reference");
        let stop = context.stop;
        let observer = &mut |event: &Event| context.tell(&Update::Run(Box::new(event.clone())));
        let pause = &AtomicBool::new(false);
        let surroundings = Surroundings { cache_folder: &cache, allow_changed_base: false, stop, pause, observer };
        let outcome = train::run_with(&config, &opened.decoder, &mut opened.tokenizer, surroundings)?;
        reply(&config, outcome)?.adapter
    };
    stages.of_run(&config.output_dir)?;

    let start = Instant::now();
    opened.put_on(Some(&adapter), false, context)?;
    let evaluation = EvalRequest {
        choice: ModelChoice { adapter: Some(adapter), ..choice },
        prompts: data.join("prompts.jsonl"),
        choices: None,
        pairs_choices: None,
        pairs: Some(data.join("held_out_pairs.jsonl")),
        limits: config.settings.limits(),
        beta: config.settings.beta,
        judge: JUDGE.into(),
        sampling: Sampling { max_new_tokens: MAX_NEW_TOKENS, ..Sampling::default() },
        order_seed: config.settings.seed,
        output_dir: folder.join("eval"),
        run: Some(config.output_dir.clone()),
        sides: None,
    };
    let evaluated = evaluate_opened(&evaluation, &opened, &mut |_, _, _| {}, context)?;
    stages.done("evaluate", start)?;

    let start = Instant::now();
    let request = ReportRequest {
        run: Some(config.output_dir.clone()),
        eval: Some(evaluation.output_dir),
        output_dir: folder.join("report"),
    };
    let written = report::write(&request, "Tiebreak demo: plain answers", stages.list())?;
    stages.done("report", start)?;

    let accuracy = evaluated.accuracy.ok_or_else(|| {
        Error::new("no_pairs", "none of the held-out pairs could be used", "Report this as a fault of the demo.")
    })?;
    let PreferenceAccuracy { rewards_accuracies: rewards, logps_accuracy_per_token: per_token, .. } = accuracy;
    Ok(DemoReply {
        win_rate: evaluated.summary.all.win_rate,
        win_rate_interval: evaluated.summary.all.win_rate_interval,
        verdict: evaluated.summary.verdict.code().into(),
        words: evaluated.summary.words.clone(),
        rewards_accuracies: BeforeAfter { before: rewards.before.value, after: rewards.after.value },
        logps_accuracy_per_token: BeforeAfter { before: per_token.before.value, after: per_token.after.value },
        accuracy,
        summary: evaluated.summary,
        seconds: stages.seconds,
        report: written.html,
    })
}

fn check_pairs(pairs: &Path, held_out: &Path, context: &mut Context) -> Result<()> {
    let read = |path: &Path| prefs::jsonl::read_pairs(path).map(prefs::jsonl::Reading::into_pairs);
    let checks = prefs::checks::check(&read(pairs)?, Some(&read(held_out)?));
    for finding in &checks.findings {
        context.note(format!("check: {}", finding.message));
    }
    Ok(())
}

/// How long each stage took when it was really done: a demo that is run again finds it done.
struct Stages {
    path: PathBuf,
    seconds: BTreeMap<String, f64>,
}

impl Stages {
    fn open(path: &Path) -> Self {
        let seconds = std::fs::read(path).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
        Self { path: path.to_path_buf(), seconds: seconds.unwrap_or_default() }
    }

    fn done(&mut self, stage: &str, since: Instant) -> Result<()> {
        self.longest(stage, since.elapsed().as_secs_f64());
        self.save()
    }

    /// The run's own stages, from its events.
    fn of_run(&mut self, run: &Path) -> Result<()> {
        let mut training = 0.0;
        for line in events::effective(events::read(&run.join(events::FILE))?) {
            match line.event {
                Event::Step(step) => training += step.seconds,
                Event::Progress(Progress { stage: Stage::Encode, seconds, .. }) => self.longest("encode", seconds),
                Event::Progress(Progress { stage: Stage::Reference, seconds, .. }) => {
                    self.longest("reference", seconds);
                }
                Event::Progress(Progress { stage: Stage::Eval, seconds, .. }) => self.longest("held-out", seconds),
                _ => {}
            }
        }
        self.longest("train", training);
        self.save()
    }

    fn longest(&mut self, stage: &str, seconds: f64) {
        let slot = self.seconds.entry(stage.to_owned()).or_default();
        *slot = slot.max(seconds);
    }

    fn save(&self) -> Result<()> {
        write_json(&self.path, &self.seconds)
    }

    fn list(&self) -> Vec<(String, f64)> {
        self.seconds.iter().map(|(stage, seconds)| (stage.clone(), *seconds)).collect()
    }
}
