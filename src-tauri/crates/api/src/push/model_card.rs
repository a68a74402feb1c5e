//! The card of an adapter or of merged weights: what it is, what it was made from, and what it came to.

use super::base::NamedBase;
use super::card::{Card, MADE_WITH, plain};
use super::results::{Results, kind_of};
use crate::error::Result;
use crate::report::{configuration, counts};
use crate::{Exported, Weights};
use hub::repository::RepoId;
use std::path::Path;
use train::RunConfig;

/// Settings that are told whatever their values are.
const MAIN: [&str; 13] = [
    "loss_type",
    "beta",
    "learning_rate",
    "num_train_epochs",
    "max_steps",
    "per_device_train_batch_size",
    "gradient_accumulation_steps",
    "max_length",
    "truncation",
    "lora.r",
    "lora.lora_alpha",
    "lora.target_modules",
    "seed",
];

/// Settings that say where things lie, or how the machine went about it, and nothing of the result.
const PLACES: [&str; 6] = ["model", "output_dir", "device", "resume_from_checkpoint", "data.train", "data.eval"];

/// What the card is about.
pub(super) struct About<'a> {
    pub(super) repo: &'a str,
    pub(super) licence: Option<&'a str>,
    pub(super) run: &'a Path,
    pub(super) config: &'a RunConfig,
    pub(super) weights: Weights,
    pub(super) base: &'a NamedBase,
    pub(super) results: &'a Results,
    pub(super) exported: &'a Exported,
}

/// The text of the card.
///
/// # Errors
/// When the run's settings cannot be told.
pub(super) fn write(about: &About<'_>) -> Result<String> {
    let About { repo, licence, run, config, base, results, exported, .. } = *about;
    let name = repo.rsplit('/').next().unwrap_or(repo);
    let mut card = Card::new(name);
    header(about, &mut card);

    let what = what(about.weights, exported);
    card.paragraph(&format!("{what}, trained on preference pairs by DPO with {MADE_WITH}."));
    card.paragraph(&format!("Base model: {}.", base.words()));
    if let Some(check) = &exported.check {
        card.paragraph(&check.words);
    }
    if exported.other_base.is_some() {
        card.paragraph("The base that this was made with is another than the run was trained on.");
    }
    if results.unfinished {
        card.paragraph("The run was stopped before its end; this is what it had by then.");
    }
    card.section("How to load it");
    load(about, &mut card);

    card.section("Data");
    card.items(data(run, config, results));

    card.section("Training");
    card.table(&["setting", "value", "default"], &settings(config)?);
    let early = if results.stopped_early { ", stopped early" } else { "" };
    card.paragraph(&format!("{} steps were done{early}. {}", results.steps, results.held_out_in_words()));

    card.section("Evaluation");
    evaluations(results, &mut card);

    card.section("Licence");
    card.paragraph(&match (licence, &base.licence) {
        (Some(own), Some(of_base)) => format!("{}. The base model's: {}.", plain(own), plain(of_base)),
        (Some(own), None) => format!("{}. The base model's is not known here.", plain(own)),
        (None, Some(of_base)) => format!("None is named for these weights. The base model's: {}.", plain(of_base)),
        (None, None) => "None is named for these weights, and the base model's is not known here.".to_owned(),
    });
    Ok(card.finish())
}

fn header(about: &About<'_>, card: &mut Card) {
    let About { licence, config, weights, base, .. } = about;
    if let Some(repo) = &base.repo {
        card.key("base_model", repo);
        let relation = if matches!(weights, Weights::Adapter | Weights::LoraGguf) { "adapter" } else { "finetune" };
        card.key("base_model_relation", relation);
    }
    match weights {
        Weights::Adapter => card.key("library_name", "peft"),
        Weights::Merged(_) => card.key("library_name", "transformers"),
        Weights::Gguf(_) | Weights::LoraGguf => {}
    }
    card.key("pipeline_tag", "text-generation");
    if let Some(licence) = licence {
        card.key("license", licence);
    }
    let mut sets: Vec<String> = Vec::new();
    for path in [Some(&config.data.train), config.data.eval.as_ref()].into_iter().flatten() {
        if let Some((repo, _)) = RepoId::of_path(path).filter(|(repo, _)| repo.is_dataset())
            && !sets.iter().any(|set| set == repo.name())
        {
            sets.push(repo.name().to_owned());
        }
    }
    if !sets.is_empty() {
        card.list("datasets", &sets.iter().map(String::as_str).collect::<Vec<_>>());
    }
    let mut tags = vec!["dpo", "tiebreak"];
    tags.extend(matches!(weights, Weights::Adapter | Weights::LoraGguf).then_some("lora"));
    tags.extend(matches!(weights, Weights::Gguf(_) | Weights::LoraGguf).then_some("gguf"));
    card.list("tags", &tags);
}

fn what(weights: Weights, exported: &Exported) -> String {
    let stored = exported.check.as_ref().map_or("", |check| check.dtype.name());
    match weights {
        Weights::Adapter => "A LoRA adapter in PEFT's format".to_owned(),
        Weights::Merged(_) => format!("Merged weights ({stored})"),
        Weights::Gguf(_) => format!("Merged weights as a GGUF file ({stored})"),
        Weights::LoraGguf => "A LoRA adapter as a GGUF file".to_owned(),
    }
}

fn load(about: &About<'_>, card: &mut Card) {
    let About { repo, weights, base, .. } = *about;
    // As Python and a shell read it alike: names of the hub hold nothing that either would act on.
    let text = |text: &str| serde_json::Value::from(text).to_string();
    match weights {
        Weights::Adapter => {
            // PEFT loads onto safetensors; of a GGUF file these have another name, which is not known here.
            let known = base.repo.as_ref().filter(|_| !base.is_gguf);
            let revision = base.commit.as_ref().filter(|_| known.is_some());
            let (name, why) = match known {
                Some(name) => (text(name), String::new()),
                None => ("\"BASE\"".to_owned(), format!("  # the Hugging Face folder of {}", plain(base.name()))),
            };
            let more = revision.map(|commit| format!(", revision={}", text(commit))).unwrap_or_default();
            card.code(
                "python",
                &format!(
                    "from peft import PeftModel\nfrom transformers import AutoModelForCausalLM, AutoTokenizer\n\nbase = \
                     {name}{why}\ntokenizer = AutoTokenizer.from_pretrained(base{more})\nmodel = \
                     AutoModelForCausalLM.from_pretrained(base{more}, dtype=\"auto\")\nmodel = \
                     PeftModel.from_pretrained(model, {})",
                    text(repo)
                ),
            );
        }
        Weights::Merged(_) => card.code(
            "python",
            &format!(
                "from transformers import AutoModelForCausalLM, AutoTokenizer\n\ntokenizer = \
                 AutoTokenizer.from_pretrained({0})\nmodel = AutoModelForCausalLM.from_pretrained({0}, dtype=\"auto\")",
                text(repo)
            ),
        ),
        Weights::Gguf(stored) => card.code(
            "sh",
            &format!(
                "llama-cli --hf-repo {repo} --hf-file model-{}.gguf     # llama.cpp\n\nhf download {repo} --local-dir model  \
                 # Ollama\nollama create NAME -f model/Modelfile",
                stored.name()
            ),
        ),
        Weights::LoraGguf => card.code(
            "sh",
            &format!(
                "hf download {repo} --local-dir adapter\nllama-cli -m BASE.gguf --lora adapter/adapter.gguf     # BASE.gguf: {}",
                base.name().replace(['\n', '\r'], " ")
            ),
        ),
    }
}

/// Where the pairs are from, and what became of them.
fn data(run: &Path, config: &RunConfig, results: &Results) -> Vec<String> {
    let from = |path: &Path| match RepoId::of_path(path).filter(|(repo, _)| repo.is_dataset()) {
        Some((repo, commit)) => {
            format!("[{0}](https://huggingface.co/datasets/{0}), commit `{commit}`", repo.name())
        }
        None => format!("`{}`", plain(&path.file_name().unwrap_or_default().to_string_lossy())),
    };
    let mut items = vec![format!("training pairs from {}", from(&config.data.train))];
    items.push(match &config.data.eval {
        Some(eval) => format!("held-out pairs from {}", from(eval)),
        None => "no pairs were held out".to_owned(),
    });
    let is_of_data = |name: &str| ["training pairs", "held-out pairs"].contains(&name);
    let digests = train::origin::shown(run).into_iter().filter(|(name, _)| is_of_data(name));
    items.extend(digests.map(|(name, value)| format!("{name} as the run has them: {value}")));
    if let Some(started) = &results.started {
        let mut all = counts("training", &started.train);
        all.extend(started.eval.iter().flat_map(|eval| counts("held-out", eval)));
        items.extend(all.into_iter().filter(|(_, count)| count != "0").map(|(name, count)| format!("{name}: {count}")));
    }
    items
}

/// The settings that matter most, and those that differ from their defaults.
fn settings(config: &RunConfig) -> Result<Vec<Vec<String>>> {
    let defaults = configuration(&RunConfig::default())?;
    let default_of = |key: &str| defaults.iter().find(|(name, _)| name == key).map(|(_, value)| value.as_str());
    let file_name = |value: &str| Path::new(value).file_name().unwrap_or_default().to_string_lossy().into_owned();
    let mut rows = Vec::new();
    for (key, value) in configuration(config)? {
        let default = default_of(&key);
        if PLACES.contains(&key.as_str()) || (!MAIN.contains(&key.as_str()) && default == Some(value.as_str())) {
            continue;
        }
        let value = if ["init_adapter", "ref_adapter"].contains(&key.as_str()) { file_name(&value) } else { value };
        let default = match default {
            Some(default) if default == value => "the same".to_owned(),
            Some(default) => default.to_owned(),
            None => "none".to_owned(),
        };
        rows.push(vec![key, value, default]);
    }
    Ok(rows)
}

fn evaluations(results: &Results, card: &mut Card) {
    if results.evaluations.is_empty() {
        card.paragraph("No evaluation of this adapter against its base was made.");
    }
    for (evaluation, accuracy) in &results.evaluations {
        let tally = evaluation.summary.all.tally;
        card.paragraph(&format!("**{}**", evaluation.summary.words));
        let mut items = vec![
            format!("judge: {}", kind_of(evaluation)),
            format!(
                "{} prompts: {} won, {} tied, {} lost, {} without a verdict",
                evaluation.items.len(),
                tally.wins,
                tally.ties,
                tally.losses,
                tally.no_verdict
            ),
        ];
        items.extend(evaluation.places_in_words());
        if let Some(people) = &evaluation.people {
            items.push(format!("{}: {}", people.who_judges(), people.words));
            items.extend(people.how_they_count().map(str::to_owned));
            items.extend(people.with_judge.map(|both| both.words()));
        }
        items.extend(accuracy.iter().flat_map(eval::accuracy::PreferenceAccuracy::lines));
        if evaluation.ancestry.other_base.is_some() {
            items.push("computed on another base than the run was trained on, as was asked for".to_owned());
        }
        items.extend(evaluation.ancestry.how_asked());
        card.items(items);
    }
}
