//! The device of a run: found, written down, told, and kept.
#![allow(clippy::unwrap_used)]

mod common;

use common::{Place, go_on, read_events};
use model::DeviceChoice;
use train::config::{Resume, RunConfig};
use train::events::Event;

#[test]
fn a_run_names_the_device_that_was_found_and_goes_on_there() {
    let place = Place::new(6);
    let config = RunConfig { device: DeviceChoice::Auto, ..place.config("run") }.with(|settings| {
        settings.max_steps = 3;
        settings.save_steps = 1;
    });
    let found = DeviceChoice::Auto.open().unwrap();
    place.run(&config, |event| matches!(event, Event::Step(step) if step.step == 1)).unwrap();
    let written = RunConfig::read(&config.output_dir.join("config.toml")).unwrap();
    assert_eq!(written.device, found.choice);
    let started = |place: &std::path::Path| {
        read_events(place).into_iter().rev().find_map(|event| match event {
            Event::RunStarted(started) => Some(started),
            _ => None,
        })
    };
    let told = started(&config.output_dir).unwrap();
    assert_eq!((told.device, told.device_reason), (found.name.clone(), found.reason));

    let resumed = RunConfig { resume_from_checkpoint: Resume::Latest, ..config };
    place.run(&resumed, go_on).unwrap();
    let told = started(&resumed.output_dir).unwrap();
    assert_eq!((told.device, told.device_reason), (found.name, None), "it was not looked for again");
}

#[test]
fn a_device_that_is_not_there_is_refused_with_what_to_do() {
    let place = Place::new(2);
    let config = RunConfig { device: DeviceChoice::Cuda(4096), ..place.config("run") };
    let error = place.run(&config, go_on).unwrap_err();
    assert!(error.to_string().contains("device is \"cuda:4096\""), "{error}");
    assert!(error.to_string().contains("Set device to \"cpu\""), "{error}");
}
