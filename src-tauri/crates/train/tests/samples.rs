//! Sample answers come when they are due and change nothing of the run.
#![allow(clippy::unwrap_used)]

mod common;

use common::{Place, adapter, copy_folder, go_on, read_events, steps};
use std::fs;
use train::config::{DataConfig, Resume};
use train::events::{Event, Samples};
use train::{Outcome, RunConfig, folder};

fn config(place: &Place, output: &str) -> RunConfig {
    RunConfig {
        data: DataConfig {
            train: place.path("pairs.jsonl"),
            eval: Some(place.path("eval.jsonl")),
            ..Default::default()
        },
        ..place.config(output)
    }
    .with(|settings| {
        settings.eval_steps = 3;
        settings.sample_prompts = 2;
    })
}

fn samples(folder: &std::path::Path) -> Vec<Samples> {
    let sample = |event| match event {
        Event::Samples(samples) => Some(samples),
        _ => None,
    };
    read_events(folder).into_iter().filter_map(sample).collect()
}

#[test]
fn samples_come_at_the_start_with_each_evaluation_and_at_the_end_and_change_no_number() {
    let place = Place::new(9);
    let config = config(&place, "with");
    place.run(&config, go_on).unwrap();
    let told = samples(&config.output_dir);
    assert_eq!(told.iter().map(|samples| samples.step).collect::<Vec<_>>(), [0, 3, 6, 7]);
    assert!(told.iter().all(|samples| samples.answers.len() == 2));
    let prompts = |samples: &Samples| samples.answers.iter().map(|a| a.prompt.clone()).collect::<Vec<_>>();
    assert!(told.iter().all(|samples| prompts(samples) == prompts(&told[0])), "the prompts stay the same");
    assert!(told.iter().any(|samples| samples.answers.iter().any(|answer| !answer.text.is_empty())));

    let without =
        RunConfig { output_dir: place.path("without"), ..config.clone() }.with(|settings| settings.sample_prompts = 0);
    place.run(&without, go_on).unwrap();
    assert!(samples(&without.output_dir).is_empty());
    assert!(adapter(&config.output_dir) == adapter(&without.output_dir));
    assert_eq!(steps(&config.output_dir), steps(&without.output_dir));
}

#[test]
fn killed_or_stopped_around_samples_and_resumed_the_run_is_the_same() {
    let place = Place::new(9);
    let whole = config(&place, "whole");
    let mut snapshots = Vec::new();
    place
        .run(&whole, |event| {
            if matches!(event, Event::Samples(_) | Event::Eval(_)) {
                let snapshot = place.path(&format!("killed-{}", snapshots.len()));
                copy_folder(&whole.output_dir, &snapshot);
                snapshots.push(snapshot);
            }
            false
        })
        .unwrap();
    let (expected, expected_steps) = (adapter(&whole.output_dir), steps(&whole.output_dir));
    for snapshot in snapshots {
        let resumed = RunConfig { output_dir: snapshot, resume_from_checkpoint: Resume::Latest, ..whole.clone() };
        place.run(&resumed, go_on).unwrap();
        assert!(adapter(&resumed.output_dir) == expected);
        assert_eq!(steps(&resumed.output_dir), expected_steps);
    }
    let stopped = RunConfig { output_dir: place.path("stopped"), ..whole.clone() };
    let outcome = place.run(&stopped, |event| matches!(event, Event::Samples(samples) if samples.step == 3)).unwrap();
    assert_eq!(outcome, Outcome::Cancelled { step: 3 });
    place.run(&RunConfig { resume_from_checkpoint: Resume::Latest, ..stopped.clone() }, go_on).unwrap();
    assert!(adapter(&stopped.output_dir) == expected);
    assert_eq!(samples(&stopped.output_dir).last(), samples(&whole.output_dir).last());
}

#[test]
fn a_run_that_goes_on_holds_its_folder_and_one_that_ended_does_not() {
    let place = Place::new(5);
    let config = place.config("run").with(|settings| settings.max_steps = 2);
    assert!(!folder::is_held(&config.output_dir).unwrap(), "there is no folder yet");
    let mut held = Vec::new();
    place
        .run(&config, |event| {
            if matches!(event, Event::Step(_)) {
                held.push(folder::is_held(&config.output_dir).unwrap());
            }
            false
        })
        .unwrap();
    assert_eq!(held, [true, true]);
    assert!(!folder::is_held(&config.output_dir).unwrap());
}

#[test]
fn whoever_reads_on_from_where_the_last_reading_ended_misses_nothing() {
    let place = Place::new(5);
    let config = place.config("run").with(|settings| settings.max_steps = 3);
    place.run(&config, go_on).unwrap();
    let path = config.output_dir.join("events.jsonl");
    let (whole, all) = (fs::read(&path).unwrap(), train::events::read(&path).unwrap());
    let growing = place.path("growing.jsonl");
    let (mut lines, mut next) = (Vec::new(), 0);
    for end in (0..whole.len()).step_by(97).chain([whole.len()]) {
        fs::write(&growing, &whole[..end]).unwrap();
        let (more, from) = train::events::read_from(&growing, next).unwrap();
        lines.extend(more);
        next = from;
    }
    assert_eq!(lines, all);
    assert_eq!(next, whole.len() as u64);
}
