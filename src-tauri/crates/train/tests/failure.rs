//! What stops a run says why, and loses nothing.
#![allow(clippy::unwrap_used)]

mod common;

use chat::Truncation;
use common::{Place, adapter, go_on, read_events, steps};
use std::fs;
use std::io::Write;
use train::config::{DataConfig, Resume};
use train::events::Event;
use train::losses::LossType;
use train::schedule::SchedulerType;
use train::{Error, Outcome, RunConfig};

#[test]
fn a_loss_that_is_no_number_stops_the_run_by_step_and_keeps_the_last_checkpoint() {
    let place = Place::new(9);
    let config = place.config("run").with(|settings| {
        settings.learning_rate = 1e30;
        settings.max_grad_norm = 0.0;
        settings.save_steps = 1;
        settings.lr_scheduler_type = SchedulerType::Constant;
        settings.warmup_steps = 0;
    });
    let error = place.run(&config, go_on).unwrap_err();
    let (Error::NonFiniteLoss { step, .. } | Error::NonFiniteGradient { step, .. }) = &error else { panic!("{error}") };
    assert!(error.to_string().contains(&format!("step {step}")), "{error}");
    let events = read_events(&config.output_dir);
    assert!(matches!(events.last(), Some(Event::Failed { code, .. }) if code.starts_with("non_finite")), "{events:?}");
    let kept = train::checkpoint::steps(&config.output_dir).unwrap();
    assert_eq!(kept.last(), Some(&(step - 1)));
    // That one has the weights which broke it; the one before has none that did.
    let before = kept.iter().rev().find(|kept| (1..step - 1).contains(kept));
    let hint = match before {
        Some(before) => format!("Its checkpoint of step {before} is from before that: begin a new run with it"),
        None => "No checkpoint is from before that: begin a new run with a lower learning_rate".to_owned(),
    };
    assert!(error.hint().starts_with(&hint), "{}", error.hint());
    assert!(matches!(events.last(), Some(Event::Failed { hint: told, .. }) if told.starts_with(&hint)), "{events:?}");
    assert!(!config.output_dir.join("adapter").exists());
}

/// The weights break in the last step before an evaluation, which is then the first to meet them.
#[test]
fn a_held_out_loss_that_is_no_number_stops_the_run_and_its_events_can_be_read() {
    let place = Place::new(9);
    let config = RunConfig {
        data: DataConfig {
            train: place.path("pairs.jsonl"),
            eval: Some(place.path("eval.jsonl")),
            ..Default::default()
        },
        ..place.config("run")
    }
    .with(|settings| {
        settings.learning_rate = 1e30;
        settings.max_grad_norm = 0.0;
        settings.eval_steps = 1;
        settings.save_steps = 1;
        settings.lr_scheduler_type = SchedulerType::Constant;
        settings.warmup_steps = 0;
    });
    let error = place.run(&config, go_on).unwrap_err();
    let Error::NonFiniteHeldOut { step, .. } = &error else { panic!("{error}") };
    assert!(error.to_string().contains(&format!("after step {step}")), "{error}");
    let events = read_events(&config.output_dir);
    assert!(matches!(events.last(), Some(Event::Failed { code, .. }) if code == "non_finite_loss"), "{events:?}");
    let kept = train::checkpoint::steps(&config.output_dir).unwrap();
    assert!(kept.last().is_none_or(|last| last < step), "{kept:?}");
    let hint = match kept.iter().rev().find(|kept| **kept > 0) {
        Some(before) => format!("Its checkpoint of step {before} is from before that"),
        None => "No checkpoint is from before that".to_owned(),
    };
    assert!(error.hint().starts_with(&hint), "{}", error.hint());
}

#[test]
fn a_folder_that_cannot_be_written_is_named() {
    let place = Place::new(5);
    fs::write(place.path("file"), "in the way").unwrap();
    let config = RunConfig { output_dir: place.path("file/run"), ..place.config("run") };
    let error = place.run(&config, go_on).unwrap_err();
    assert_eq!(error.code(), "write");
    assert!(error.to_string().contains("file"), "{error}");
}

#[test]
fn a_checkpoint_that_cannot_be_written_stops_the_run_and_what_is_written_stays() {
    let place = Place::new(9);
    let config = place.config("run");
    fs::create_dir_all(&config.output_dir).unwrap();
    fs::write(config.output_dir.join("checkpoints"), "in the way").unwrap();
    let error = place.run(&config, go_on).unwrap_err();
    assert_eq!(error.code(), "write");
    assert_eq!(steps(&config.output_dir).len(), 3, "the steps before the checkpoint are told");
    assert!(matches!(read_events(&config.output_dir).last(), Some(Event::Failed { code, .. }) if code == "write"));
    fs::remove_file(config.output_dir.join("checkpoints")).unwrap();
    let again = RunConfig { resume_from_checkpoint: Resume::Latest, ..config };
    place.run(&again, go_on).unwrap();
    assert_eq!(steps(&again.output_dir).len(), 7);
}

#[test]
fn two_processes_do_not_train_in_one_folder() {
    let place = Place::new(5);
    let config = place.config("run");
    let again = RunConfig { resume_from_checkpoint: Resume::Latest, ..config.clone() };
    let mut seen = false;
    place
        .run(&config, |event| {
            if matches!(event, Event::Step(_)) && !seen {
                seen = true;
                assert!(matches!(place.run(&again, go_on), Err(Error::OutputBusy { .. })));
            }
            false
        })
        .unwrap();
    assert!(seen);
}

#[test]
fn every_row_is_counted() {
    let place = Place::new(6);
    let mut file = fs::OpenOptions::new().append(true).open(place.path("pairs.jsonl")).unwrap();
    writeln!(file, "not json").unwrap();
    let longest = "long ".repeat(400);
    writeln!(file, "{{\"prompt\": \"{longest}\", \"chosen\": \"a\", \"rejected\": \"b\"}}").unwrap();
    drop(file);
    let config = place.config("run").with(|settings| {
        settings.max_steps = 1;
        settings.max_length = 300;
    });
    place.run(&config, go_on).unwrap();
    let events = read_events(&config.output_dir);
    let counts = events.iter().find_map(|event| match event {
        Event::RunStarted(started) => Some(started.train),
        _ => None,
    });
    let counts = counts.unwrap();
    assert_eq!((counts.rows, counts.pairs, counts.refused, counts.dropped), (8, 6, 1, 1));
    let warned = |text: &str| events.iter().any(|e| matches!(e, Event::Warning { message } if message.contains(text)));
    assert!(
        warned("line 7")
            && warned("training pairs: 1 pair is left out: it has a prompt that alone fills max_length = 300 (row 7)"),
        "{events:?}"
    );

    let config = place.config("none").with(|settings| settings.max_length = 2);
    assert!(matches!(place.run(&config, go_on), Err(Error::NoPairs { .. })));
}

#[test]
fn each_truncation_counts_and_names_what_it_does_and_refuse_leaves_no_run() {
    let place = Place::new(6);
    let mut file = fs::OpenOptions::new().append(true).open(place.path("pairs.jsonl")).unwrap();
    writeln!(file, "not json").unwrap();
    // In line 8 the prompt is too long, in line 9 the rejected answer alone.
    let longest = "long ".repeat(80);
    writeln!(file, "{{\"prompt\": \"{longest}\", \"chosen\": \"a\", \"rejected\": \"b\"}}").unwrap();
    writeln!(file, "{{\"prompt\": \"short\", \"chosen\": \"a\", \"rejected\": \"{longest}\"}}").unwrap();
    drop(file);
    let config = |truncation| {
        place.config(&format!("{truncation:?}")).with(|settings| {
            settings.max_steps = 1;
            settings.max_length = 300;
            settings.truncation = truncation;
        })
    };
    for (truncation, pairs, dropped, cut_prompts, cut_answers) in [
        (Truncation::KeepStart, 7, 1, 0, 1),
        (Truncation::KeepEnd, 8, 0, 2, 1),
        (Truncation::PromptLeft, 7, 1, 1, 0),
        (Truncation::Drop, 6, 2, 0, 0),
    ] {
        let config = config(truncation);
        place.run(&config, go_on).unwrap();
        let events = read_events(&config.output_dir);
        let counts = events.iter().find_map(|event| match event {
            Event::RunStarted(started) => Some(started.train),
            _ => None,
        });
        let counts = counts.unwrap();
        assert_eq!((counts.rows, counts.refused, counts.rejected_only, counts.chosen_only), (9, 1, 1, 0));
        let counted = (counts.pairs, counts.dropped, counts.cut_prompts, counts.cut_answers);
        assert_eq!(counted, (pairs, dropped, cut_prompts, cut_answers), "{truncation:?}");
        let said = "of 1 pair the rejected answer alone is too long for max_length = 300 (row 8)";
        assert!(
            events.iter().any(|e| matches!(e, Event::Warning { message } if message.ends_with(said))),
            "{truncation:?}: {events:?}"
        );
    }
    let config = config(Truncation::Refuse);
    let error = place.run(&config, go_on).unwrap_err();
    assert_eq!(error.code(), "too_long");
    let said = error.to_string();
    // The lines are those of the user's file.
    assert!(said.contains("2 of 8 pairs have more tokens") && said.contains(": line 8 (prompt 40"), "{said}");
    assert!(said.contains(", line 9 (prompt "), "{said}");
    assert!(!config.output_dir.join("config.toml").exists(), "there is no run");
    let enough = config.with(|settings| settings.max_length = 500);
    place.run(&enough, go_on).unwrap();
}

#[test]
fn held_out_pairs_are_scored_when_due_and_at_the_end() {
    let place = Place::new(9);
    let config = RunConfig {
        data: DataConfig {
            train: place.path("pairs.jsonl"),
            eval: Some(place.path("eval.jsonl")),
            ..Default::default()
        },
        ..place.config("run")
    }
    .with(|settings| settings.eval_steps = 3);
    place.run(&config, go_on).unwrap();
    let evals: Vec<_> = read_events(&config.output_dir)
        .into_iter()
        .filter_map(|event| match event {
            Event::Eval(metrics) => Some(metrics),
            _ => None,
        })
        .collect();
    assert_eq!(evals.iter().map(|m| m.step).collect::<Vec<_>>(), [3, 6, 7]);
    for metrics in evals {
        assert_eq!(metrics.pairs, 5);
        assert!((metrics.accuracies - metrics.correct as f64 / 5.0).abs() < 1e-12);
        assert!((metrics.margins - (metrics.chosen - metrics.rejected)).abs() < 1e-9);
        assert!(metrics.eval_loss > 0.0);
    }
}

#[test]
fn training_lowers_the_loss_and_a_cached_reference_changes_nothing() {
    let place = Place::new(8);
    let config = place.config("first").with(|settings| {
        settings.max_steps = 30;
        settings.lora = model::LoraConfig::default();
    });
    place.run(&config, go_on).unwrap();
    let told = steps(&config.output_dir);
    assert!((told[0].loss - std::f64::consts::LN_2).abs() < 1e-6, "B is zero at the start: policy = reference");
    assert!(told[29].loss < 0.4, "{}", told[29].loss);
    assert!(told[29].rewards.accuracies > 0.9);
    let again = RunConfig { output_dir: place.path("second"), ..config.clone() };
    let mut reference_stages = 0;
    let count = |event: &Event| {
        let reference = train::events::Stage::Reference;
        reference_stages += usize::from(matches!(event, Event::Progress(p) if p.stage == reference));
        false
    };
    place.run(&again, count).unwrap();
    assert_eq!(reference_stages, 0, "nothing is computed twice");
    assert!(adapter(&config.output_dir).0 == adapter(&again.output_dir).0);
}

#[test]
fn a_line_of_the_cache_that_a_kill_left_unfinished_is_computed_again() {
    let place = Place::new(8);
    let config = place.config("first").with(|settings| settings.max_steps = 2);
    place.run(&config, go_on).unwrap();
    let cache = fs::read_dir(place.path("cache")).unwrap().next().unwrap().unwrap().path();
    let whole = fs::read_to_string(&cache).unwrap();
    assert_eq!(whole.lines().count(), 8);
    fs::write(&cache, &whole[..whole.len() - 30]).unwrap();
    let again = RunConfig { output_dir: place.path("second"), ..config.clone() };
    place.run(&again, go_on).unwrap();
    assert!(adapter(&config.output_dir) == adapter(&again.output_dir));
    let mended = fs::read_to_string(&cache).unwrap();
    assert_eq!(mended.lines().count(), 9, "the torn line, and the pair once more");
    assert_eq!(mended.lines().last(), whole.lines().last());
}

/// Gradients of losses that see the whole microbatch go through the same loop.
#[test]
fn every_loss_type_trains() {
    let place = Place::new(6);
    for loss_type in LossType::all() {
        let config = place.config(loss_type.name()).with(|settings| {
            settings.loss_type = vec![loss_type];
            settings.label_smoothing = 0.1;
            settings.max_steps = 2;
            settings.save_steps = 0;
        });
        let outcome = place.run(&config, go_on).unwrap();
        assert!(matches!(outcome, Outcome::Finished { .. }));
        assert!(steps(&config.output_dir).iter().all(|m| m.grad_norm > 0.0), "{}", loss_type.name());
    }
}

#[test]
fn stopping_while_the_reference_is_computed_leaves_a_run_that_can_be_resumed() {
    let place = Place::new(40);
    let config = place.config("run").with(|settings| settings.max_steps = 2);
    let first_progress = |event: &Event| matches!(event, Event::Progress(_));
    assert_eq!(place.run(&config, first_progress).unwrap(), Outcome::Cancelled { step: 0 });
    let again = RunConfig { resume_from_checkpoint: Resume::Latest, ..config };
    assert!(matches!(place.run(&again, go_on).unwrap(), Outcome::Finished { already: false, .. }));
}
