//! Which pairs the reference scores before a run begins, and that this changes nothing of the run.
#![allow(clippy::unwrap_used)]

mod common;

use common::{Place, adapter, go_on, steps};
use model::{BaseDtype, DeviceChoice, Products};
use std::fs;
use train::RunConfig;
use train::events::{Event, Stage};

/// Pairs, of which a step sees four.
const PAIRS: usize = 30;

/// How many pairs the reference has scored, by its cache.
fn scored(place: &Place) -> usize {
    let files = fs::read_dir(place.path("cache")).unwrap().map(|entry| entry.unwrap().path());
    let references =
        files.filter(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("reference")));
    references.map(|path| fs::read_to_string(path).unwrap().lines().count()).sum()
}

fn of_steps(place: &Place, output: &str, max_steps: i64, products: Products) -> RunConfig {
    place.config(output).with(|settings| {
        settings.max_steps = max_steps;
        settings.products = products;
        settings.dtype = if products == Products::Bf16 { BaseDtype::Bf16 } else { settings.dtype };
    })
}

fn meets_and_stays(products: Products) {
    let place = Place::new(PAIRS);
    let short = of_steps(&place, "short", 3, products);
    let mut told = 0;
    let reference = |event: &Event| match event {
        Event::Progress(progress) if progress.stage == Stage::Reference => progress.total,
        _ => 0,
    };
    let listen = |event: &Event| {
        told = told.max(reference(event));
        false
    };
    place.run(&short, listen).unwrap();
    assert_eq!((scored(&place), told), (12, 12), "three steps of four pairs");

    // As every run was before: all pairs are scored, in batches of their order in the file.
    let whole = Place::new(PAIRS);
    whole.run(&of_steps(&whole, "long", 8, products), go_on).unwrap();
    assert_eq!(scored(&whole), PAIRS);
    let again = of_steps(&whole, "short", 3, products);
    let known = |event: &Event| {
        assert_eq!(reference(event), 0, "all are known");
        false
    };
    whole.run(&again, known).unwrap();
    assert_eq!(steps(&again.output_dir), steps(&short.output_dir));
    assert_eq!(adapter(&again.output_dir).0, adapter(&short.output_dir).0);
}

#[test]
fn a_short_run_scores_the_pairs_that_it_meets_and_is_the_run_it_was() {
    meets_and_stays(Products::F32);
}

#[test]
fn so_is_one_whose_products_are_in_bf16() {
    if !Products::has_bf16(DeviceChoice::of(testkit::device())) {
        eprintln!("left out: runs with products in bf16, which this processor does not have");
        return;
    }
    meets_and_stays(Products::Bf16);
}
