//! Runs whose products with the frozen weights are in bf16, where the processor has it.
#![allow(clippy::unwrap_used)]

mod common;

use common::{Place, adapter, go_on, steps};
use model::{BaseDtype, DeviceChoice, Products};
use train::config::{Resume, RunConfig};
use train::events::Event;

#[test]
fn a_run_stays_with_what_auto_was_and_goes_on_byte_for_byte() {
    let place = Place::new(9);
    // Weights in fewer bits than f32, else auto would leave them as they are.
    let with = |name: &str, products| {
        place.config(name).with(|settings| {
            settings.products = products;
            settings.dtype = BaseDtype::Bf16;
        })
    };
    let has_bf16 = Products::has_bf16(DeviceChoice::of(testkit::device()));
    let found = if has_bf16 { Products::Bf16 } else { Products::F32 };
    if found == Products::F32 {
        eprintln!("left out: runs with products in bf16, which this processor does not have");
    }

    let (whole, stopped) = (with("whole", Products::Auto), with("stopped", Products::Auto));
    place.run(&whole, go_on).unwrap();
    assert_eq!(RunConfig::read(&whole.output_dir.join("config.toml")).unwrap().settings.products, found);
    place.run(&stopped, |event| matches!(event, Event::Step(step) if step.step == 4)).unwrap();
    let resumed = RunConfig { resume_from_checkpoint: Resume::Latest, ..stopped };
    place.run(&resumed, go_on).unwrap();
    assert!(adapter(&resumed.output_dir) == adapter(&whole.output_dir));
    assert_eq!(steps(&resumed.output_dir), steps(&whole.output_dir));

    // The same training up to the rounding: before the first step the policy is the reference, by the same products, so that
    // neither took the other's cache; and a loss moves by little.
    let single = with("f32", Products::F32);
    place.run(&single, go_on).unwrap();
    let (in_bf16, in_f32) = (steps(&whole.output_dir), steps(&single.output_dir));
    assert_eq!(in_bf16 == in_f32, found == Products::F32);
    for (a, b) in in_bf16.iter().zip(&in_f32) {
        assert!((a.loss - b.loss).abs() < 0.03 * b.loss, "step {}: {} and {}", a.step, a.loss, b.loss);
    }
    assert!((in_bf16[0].loss - 2f64.ln()).abs() < 1e-6, "{}", in_bf16[0].loss);
}
