//! The best step, and an end that comes early for it; a reference that is an adapter or follows the policy. Each also
//! across a kill.
#![allow(clippy::unwrap_used)]

mod common;

use common::{Place, adapter, copy_folder, go_on, read_events, steps};
use std::fs;
use std::path::{Path, PathBuf};
use train::checkpoint;
use train::config::{DataConfig, Resume, RunConfig};
use train::events::{EvalMetrics, Event};
use train::origin::AdapterOrigin;
use train::selection::{Best, HeldOutMetric};

fn evaluations(run: &Path) -> Vec<EvalMetrics> {
    let of = |event| if let Event::Eval(eval) = event { Some(eval) } else { None };
    read_events(run).into_iter().filter_map(of).collect()
}

fn end(run: &Path) -> (u64, Option<Best>, bool) {
    match read_events(run).pop() {
        Some(Event::Finished { step, best, stopped_early, .. }) => (step, best, stopped_early),
        other => panic!("the run ended with {other:?}"),
    }
}

fn origin(run: &Path) -> AdapterOrigin {
    serde_json::from_slice(&fs::read(run.join("adapter/origin.json")).unwrap()).unwrap()
}

fn resuming(config: &RunConfig) -> RunConfig {
    RunConfig { resume_from_checkpoint: Resume::Latest, ..config.clone() }
}

/// A run that looks at its held-out pairs after each step. The loss falls, so that the largest is the first: a run with a
/// best step in its midst needs no luck.
fn looking(place: &Place, output: &str) -> RunConfig {
    let config = place.config(output);
    RunConfig { data: DataConfig { eval: Some(place.path("eval.jsonl")), ..config.data.clone() }, ..config }.with(
        |settings| {
            settings.eval_steps = 1;
            settings.save_total_limit = 1;
        },
    )
}

#[test]
fn the_adapter_is_the_best_ones_which_is_never_deleted() {
    let place = Place::new(9);
    let config = looking(&place, "run").with(|settings| settings.load_best_model_at_end = true);
    place.run(&config, go_on).unwrap();
    let told = evaluations(&config.output_dir);
    // Accuracy on five pairs: the first of the highest.
    let highest = told.iter().map(|eval| eval.accuracies).fold(0.0, f64::max);
    let first = told.iter().find(|eval| eval.accuracies >= highest).unwrap();
    let (step, best, stopped_early) = end(&config.output_dir);
    assert_eq!((step, stopped_early), (7, false));
    assert_eq!(best, Some(Best { step: first.step, metric: HeldOutMetric::Accuracies, value: highest }));
    assert!(
        told.iter().all(|eval| eval.best == told.iter().all(|e| e.step >= eval.step || e.accuracies < eval.accuracies))
    );
    assert_eq!(origin(&config.output_dir).step, first.step);

    // By the largest loss the best is a step that a limit of one checkpoint would have deleted.
    let config = RunConfig { output_dir: place.path("worst"), ..config }.with(|settings| {
        settings.metric_for_best_model = HeldOutMetric::Loss;
        settings.greater_is_better = Some(true);
    });
    place.run(&config, go_on).unwrap();
    let told = evaluations(&config.output_dir);
    let worst = told.iter().max_by(|a, b| a.eval_loss.total_cmp(&b.eval_loss)).unwrap();
    assert!(worst.step < 7, "{told:?}");
    assert_eq!(end(&config.output_dir).1.unwrap().step, worst.step);
    assert_eq!(checkpoint::steps(&config.output_dir).unwrap(), [worst.step, 7]);
    let kept = config.output_dir.join(checkpoint::folder_of(worst.step)).join("adapter_model.safetensors");
    assert!(adapter(&config.output_dir).0 == fs::read(kept).unwrap());
    assert_eq!(origin(&config.output_dir).step, worst.step);
}

#[test]
fn training_ends_when_evaluations_no_longer_improve() {
    let place = Place::new(9);
    let config = looking(&place, "run").with(|settings| {
        settings.metric_for_best_model = HeldOutMetric::Loss;
        settings.greater_is_better = Some(true);
        settings.early_stopping_patience = Some(2);
        settings.logging_steps = 5;
    });
    let config = config.with(|settings| settings.max_steps = 40);
    place.run(&config, go_on).unwrap();
    let losses: Vec<f64> = evaluations(&config.output_dir).iter().map(|eval| eval.eval_loss).collect();
    let (mut best, mut waited, mut expected) = (f64::NEG_INFINITY, 0, 0);
    for (i, &loss) in losses.iter().enumerate() {
        waited = if loss > best { 0 } else { waited + 1 };
        best = best.max(loss);
        expected = i as u64 + 1;
        if waited == 2 {
            break;
        }
    }
    assert_eq!(waited, 2);
    // The adapter is the last step's: that the best is kept was not asked for.
    assert_eq!(end(&config.output_dir), (expected, None, true));
    assert_eq!(losses.len() as u64, expected, "nothing is done after the end");
    assert_eq!(steps(&config.output_dir).last().unwrap().step, expected, "steps not told yet are told at the end");
    assert_eq!(origin(&config.output_dir).step, expected);
}

/// As in `resume.rs`: what a SIGKILL leaves is the folder as it stands, here a copy of it at every event.
fn killed_everywhere(place: &Place, whole: &RunConfig) {
    let mut snapshots: Vec<PathBuf> = Vec::new();
    place
        .run(whole, |_| {
            let snapshot = place.path(&format!("killed-{}", snapshots.len()));
            copy_folder(&whole.output_dir, &snapshot);
            snapshots.push(snapshot);
            false
        })
        .unwrap();
    let (expected, expected_end) = (adapter(&whole.output_dir), end(&whole.output_dir));
    let expected_steps = steps(&whole.output_dir);
    let expected_origin = origin(&whole.output_dir);
    assert!(snapshots.len() > 8, "{}", snapshots.len());
    for (i, snapshot) in snapshots.into_iter().enumerate() {
        let config = RunConfig { output_dir: snapshot.clone(), ..resuming(whole) };
        place.run(&config, go_on).unwrap();
        assert!(adapter(&snapshot) == expected, "killed at event {i}");
        assert_eq!(steps(&snapshot), expected_steps, "killed at event {i}");
        assert_eq!(end(&snapshot), expected_end, "killed at event {i}");
        assert_eq!(origin(&snapshot), expected_origin, "killed at event {i}");
        fs::remove_dir_all(snapshot).unwrap();
    }
}

#[test]
fn killed_while_the_best_is_looked_for_a_resumed_run_finds_the_same_one() {
    let place = Place::new(9);
    let config = looking(&place, "whole").with(|settings| {
        settings.load_best_model_at_end = true;
        settings.metric_for_best_model = HeldOutMetric::Loss;
        settings.greater_is_better = Some(true);
        settings.early_stopping_patience = Some(3);
        settings.eval_steps = 2;
        settings.max_steps = 20;
    });
    killed_everywhere(&place, &config);
}

#[test]
fn killed_while_the_reference_follows_a_resumed_run_has_the_same_reference() {
    let place = Place::new(9);
    let config = looking(&place, "whole").with(|settings| {
        settings.sync_ref_model = true;
        settings.ref_model_sync_steps = 2;
        settings.use_weighting = true;
        settings.ld_alpha = Some(0.5);
        settings.eval_steps = 3;
        settings.lora = model::LoraConfig { use_dora: true, ..place.config("").settings.lora };
    });
    killed_everywhere(&place, &config);
    let fixed = RunConfig { output_dir: place.path("fixed"), ..config.clone() }
        .with(|settings| settings.sync_ref_model = false);
    place.run(&fixed, go_on).unwrap();
    assert!(adapter(&fixed.output_dir).0 != adapter(&config.output_dir).0, "the reference did move");
    let seldom =
        RunConfig { output_dir: place.path("seldom"), ..config }.with(|settings| settings.ref_model_sync_steps = 100);
    place.run(&seldom, go_on).unwrap();
    assert!(adapter(&fixed.output_dir).0 == adapter(&seldom.output_dir).0, "until it moves it is the base");
}

#[test]
fn a_run_goes_on_from_an_adapter_of_which_it_keeps_a_copy() {
    let place = Place::new(9);
    // Without dropout, which would give the adapter a reward against itself.
    let lora = model::LoraConfig { lora_dropout: 0.0, ..place.config("").settings.lora };
    let tuned = place.config("sft").with(|settings| {
        settings.loss_type = vec![train::losses::LossType::Sft];
        settings.lora = lora;
    });
    place.run(&tuned, go_on).unwrap();
    let begun = place.path("sft/adapter");
    let config = looking(&place, "whole").with(|settings| settings.ref_adapter = Some(begun.clone()));
    let snapshot = place.path("killed");
    place
        .run(&config, |event| {
            if matches!(event, Event::Step(m) if m.step == 2) {
                copy_folder(&config.output_dir, &snapshot);
            }
            false
        })
        .unwrap();
    // Against itself the adapter has no reward yet; the base would give it one.
    let first = steps(&config.output_dir).remove(0).rewards;
    assert!(first.chosen.abs() < 1e-5 && first.accuracies < 1.0, "{first:?}");
    let origin = origin(&config.output_dir);
    assert_eq!(origin.ref_adapter.as_ref().unwrap().path, begun);
    assert_eq!(origin.init_adapter, origin.ref_adapter);
    for name in ["adapter_model.safetensors", "adapter_config.json"] {
        let reference = config.output_dir.join("adapter/ref").join(name);
        assert!(fs::read(reference).unwrap() == fs::read(begun.join(name)).unwrap());
    }
    assert!(adapter(&config.output_dir).0 != adapter(&tuned.output_dir).0);

    // Whatever becomes of the adapter that it began with, a run that was killed goes on from its own copy.
    fs::remove_dir_all(&begun).unwrap();
    let again = RunConfig { output_dir: snapshot, ..resuming(&config) };
    place.run(&again, go_on).unwrap();
    assert!(adapter(&again.output_dir) == adapter(&config.output_dir));

    let missing = RunConfig { output_dir: place.path("missing"), ..config };
    let error = place.run(&missing, go_on).unwrap_err().to_string();
    assert!(error.contains("adapter_config.json"), "{error}");
}

#[test]
fn a_reference_can_only_follow_a_policy_of_its_own_shape() {
    let place = Place::new(5);
    for (name, r) in [("two", 2), ("four", 4)] {
        let lora = model::LoraConfig { r, ..place.config("").settings.lora };
        place
            .run(
                &place.config(name).with(|settings| {
                    settings.max_steps = 1;
                    settings.lora = lora;
                }),
                go_on,
            )
            .unwrap();
    }
    let config = place.config("run").with(|settings| {
        settings.init_adapter = Some(place.path("two/adapter"));
        settings.ref_adapter = Some(place.path("four/adapter"));
        settings.max_steps = 1;
    });
    place.run(&config, go_on).unwrap();
    let follows =
        RunConfig { output_dir: place.path("follows"), ..config }.with(|settings| settings.sync_ref_model = true);
    let error = place.run(&follows, go_on).unwrap_err();
    assert!(error.to_string().contains("not of one shape"), "{error}");
}
