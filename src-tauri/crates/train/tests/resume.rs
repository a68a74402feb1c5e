//! A run that was stopped or killed and then resumed ends as one that never was.
#![allow(clippy::unwrap_used)]

mod common;

use common::{Place, adapter, copy_folder, go_on, read_events, steps};
use std::collections::BTreeSet;
use std::fs;
use train::config::Resume;
use train::dynamics;
use train::events::Event;
use train::{Error, Outcome, RunConfig};

fn resuming(config: &RunConfig) -> RunConfig {
    RunConfig { resume_from_checkpoint: Resume::Latest, ..config.clone() }
}

/// A run that was finished before it was resumed is left alone, with what a kill left in it.
fn is_finished(config: &RunConfig) -> bool {
    config.output_dir.join("checkpoints/.step-9.1.tmp").exists()
}

#[test]
fn stopped_after_any_step_and_resumed_the_adapter_is_the_same_byte_for_byte() {
    let place = Place::new(9);
    let whole = place.config("whole");
    place.run(&whole, go_on).unwrap();
    let (expected, expected_steps) = (adapter(&whole.output_dir), steps(&whole.output_dir));
    assert_eq!(expected_steps.iter().map(|m| m.step).collect::<Vec<_>>(), [1, 2, 3, 4, 5, 6, 7]);
    assert!(expected_steps.iter().all(|m| m.loss > 0.0 && m.grad_norm > 0.0));
    for k in 1..7 {
        let config = place.config(&format!("stopped-{k}"));
        let outcome = place.run(&config, |event| matches!(event, Event::Step(m) if m.step == k)).unwrap();
        assert_eq!(outcome, Outcome::Cancelled { step: k });
        assert!(
            matches!(read_events(&config.output_dir).last(), Some(Event::Cancelled { step, paused: false }) if *step == k)
        );
        let checkpoint = config.output_dir.join(format!("checkpoints/step-{k}"));
        let weights = fs::read(checkpoint.join("adapter_model.safetensors")).unwrap();
        assert!(adapter(&config.output_dir).0 == weights, "a run that was stopped can be used as it is");
        let outcome = place.run(&resuming(&config), go_on).unwrap();
        assert_eq!(outcome, Outcome::Finished { adapter: config.output_dir.join("adapter"), already: false });
        assert!(read_events(&config.output_dir).contains(&Event::Resumed { from_step: k }));
        assert!(adapter(&config.output_dir) == expected, "stopped after step {k}");
        assert_eq!(steps(&config.output_dir), expected_steps);
    }
}

/// What a SIGKILL leaves is the folder as it stands: here a copy of it at every event of a run. Seen from `observer` the
/// event is in the file and nothing after it is.
#[test]
fn killed_at_any_event_and_resumed_the_adapter_is_the_same_byte_for_byte() {
    let place = Place::new(9);
    let whole = place.config("whole").with(|settings| {
        settings.eval_steps = 2;
        settings.logging_steps = 2;
    });
    let whole = RunConfig {
        data: train::config::DataConfig { eval: Some(place.path("eval.jsonl")), ..whole.data.clone() },
        ..whole
    };
    let mut snapshots = Vec::new();
    place
        .run(&whole, |_| {
            let snapshot = place.path(&format!("killed-{}", snapshots.len()));
            copy_folder(&whole.output_dir, &snapshot);
            snapshots.push(snapshot);
            false
        })
        .unwrap();
    let (expected, expected_steps) = (adapter(&whole.output_dir), steps(&whole.output_dir));
    let expected_dynamics = dynamics::read(&whole.output_dir).unwrap();
    // Seven steps, each of whose pairs was computed; and all held-out pairs at steps 2, 4, 6 and 7.
    let steps_of =
        |held_out| expected_dynamics.iter().filter(move |((held, _), _)| *held == held_out).map(|(_, of)| of);
    assert_eq!(
        steps_of(false).flat_map(|of| of.keys()).collect::<BTreeSet<_>>(),
        BTreeSet::from_iter(&[0, 1, 2, 3, 4, 5, 6])
    );
    assert!(steps_of(true).count() > 0 && steps_of(true).all(|of| of.keys().eq(&[2, 4, 6, 7])));
    assert!(snapshots.len() > 12, "{}", snapshots.len());
    let mut resumed_from = Vec::new();
    for (i, snapshot) in snapshots.into_iter().enumerate() {
        // Half a line, and half a checkpoint, as a kill in the middle of writing leaves them.
        let path = snapshot.join("events.jsonl");
        let text = fs::read(&path).unwrap();
        fs::write(&path, &text[..text.len() - i % 3]).unwrap();
        let path = snapshot.join(dynamics::FILE);
        if let Ok(text) = fs::read(&path) {
            fs::write(&path, [&text[..], &br#"{"step":9,"held_out":fal"#[..i % 20]].concat()).unwrap();
        }
        let leftover = snapshot.join("checkpoints/.step-9.1.tmp");
        fs::create_dir_all(&leftover).unwrap();
        fs::write(leftover.join("adapter_model.safetensors"), b"half").unwrap();
        let config = RunConfig { output_dir: snapshot, ..resuming(&whole) };
        place.run(&config, go_on).unwrap();
        assert!(adapter(&config.output_dir) == expected, "killed at event {i}");
        assert_eq!(steps(&config.output_dir), expected_steps, "killed at event {i}");
        if !is_finished(&config) {
            assert!(dynamics::read(&config.output_dir).unwrap() == expected_dynamics, "killed at event {i}");
        }
        resumed_from.extend(read_events(&config.output_dir).into_iter().find_map(|event| match event {
            Event::Resumed { from_step } => Some(from_step),
            _ => None,
        }));
        if is_finished(&config) {
            // A finished run is left alone.
            assert!(matches!(read_events(&config.output_dir).last(), Some(Event::Finished { .. })));
        }
    }
    resumed_from.dedup();
    assert_eq!(resumed_from, [0, 3, 6, 7], "each checkpoint was resumed");
}

#[test]
fn a_run_killed_before_its_first_checkpoint_starts_again() {
    let place = Place::new(5);
    let config = place.config("run").with(|settings| {
        settings.save_steps = 0;
        settings.max_steps = 3;
    });
    let snapshot = place.path("killed");
    place
        .run(&config, |event| {
            if matches!(event, Event::Step(m) if m.step == 2) {
                copy_folder(&config.output_dir, &snapshot);
            }
            false
        })
        .unwrap();
    let again = RunConfig { output_dir: snapshot, ..resuming(&config) };
    place.run(&again, go_on).unwrap();
    assert!(read_events(&again.output_dir).contains(&Event::Resumed { from_step: 0 }));
    assert!(adapter(&again.output_dir) == adapter(&config.output_dir));
}

#[test]
fn resuming_where_nothing_was_begun_begins() {
    let place = Place::new(5);
    let config = resuming(&place.config("run")).with(|settings| settings.max_steps = 2);
    assert!(matches!(place.run(&config, go_on).unwrap(), Outcome::Finished { already: false, .. }));
}

#[test]
fn a_finished_run_says_so_and_is_left_alone() {
    let place = Place::new(5);
    let config = place.config("run").with(|settings| settings.max_steps = 2);
    place.run(&config, go_on).unwrap();
    let before = fs::read(config.output_dir.join("events.jsonl")).unwrap();
    let outcome = place.run(&resuming(&config), go_on).unwrap();
    assert_eq!(outcome, Outcome::Finished { adapter: config.output_dir.join("adapter"), already: true });
    assert_eq!(fs::read(config.output_dir.join("events.jsonl")).unwrap(), before);
}

#[test]
fn a_folder_with_a_run_is_refused_unless_it_is_to_be_resumed_with_the_same_settings() {
    let place = Place::new(5);
    let config = place.config("run").with(|settings| settings.max_steps = 2);
    place.run(&config, go_on).unwrap();
    assert!(matches!(place.run(&config, go_on), Err(Error::OutputTaken { .. })));
    let changed = resuming(&config).with(|settings| settings.beta = 0.2);
    let error = place.run(&changed, go_on).unwrap_err();
    assert!(matches!(error, Error::SettingsChanged { .. }));
    assert!(error.to_string().contains("beta was 0.1 and is now 0.2"), "{error}");
    let cadence = resuming(&config).with(|settings| {
        settings.logging_steps = 5;
        settings.save_steps = 1;
    });
    assert!(matches!(place.run(&cadence, go_on).unwrap(), Outcome::Finished { already: true, .. }));
}

#[test]
fn a_damaged_checkpoint_is_passed_over_for_the_one_before_it() {
    let place = Place::new(9);
    let whole = place.config("whole");
    place.run(&whole, go_on).unwrap();
    let config = place.config("run");
    place.run(&config, |event| matches!(event, Event::Step(m) if m.step == 5)).unwrap();
    let damaged = config.output_dir.join("checkpoints/step-5/optimizer.safetensors");
    let mut bytes = fs::read(&damaged).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&damaged, bytes).unwrap();
    place.run(&resuming(&config), go_on).unwrap();
    let events = read_events(&config.output_dir);
    assert!(events.contains(&Event::Resumed { from_step: 3 }), "{events:#?}");
    assert!(
        events.iter().any(|e| matches!(e, Event::Warning { message } if message.contains("optimizer.safetensors")))
    );
    assert!(adapter(&config.output_dir) == adapter(&whole.output_dir));

    let named = RunConfig {
        output_dir: place.path("other"),
        resume_from_checkpoint: Resume::From(config.output_dir.join("checkpoints/step-6")),
        ..config.clone()
    };
    place.run(&named, go_on).unwrap();
    assert!(adapter(&named.output_dir) == adapter(&whole.output_dir));
    let missing = RunConfig { resume_from_checkpoint: Resume::From(place.path("none")), ..place.config("third") };
    assert!(matches!(place.run(&missing, go_on), Err(Error::DamagedCheckpoint { .. })));
}

#[test]
fn only_the_newest_checkpoints_are_kept() {
    let place = Place::new(9);
    let config = place.config("run").with(|settings| {
        settings.save_steps = 1;
        settings.save_total_limit = 3;
    });
    place.run(&config, go_on).unwrap();
    assert_eq!(train::checkpoint::steps(&config.output_dir).unwrap(), [5, 6, 7]);
    let all = place.config("all").with(|settings| {
        settings.save_steps = 2;
        settings.save_total_limit = 0;
    });
    place.run(&all, go_on).unwrap();
    assert_eq!(train::checkpoint::steps(&all.output_dir).unwrap(), [2, 4, 6, 7]);
}
