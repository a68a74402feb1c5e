//! Whole runs on bases that are not f32.
#![allow(clippy::unwrap_used)]

mod common;

use candle_core::Device;
use candle_core::quantized::GgmlDType;
use common::{Place, adapter, go_on, read_events, steps};
use model::{BaseDtype, Products, weights};
use std::collections::HashMap;
use std::path::PathBuf;
use train::RunConfig;
use train::config::Resume;
use train::events::Event;

/// Rows of whole blocks, but those of `o_proj`.
fn tiny() -> testkit::TinyLlama {
    testkit::TinyLlama { hidden: 256, intermediate: 512, heads: 3, kv_heads: 1, head_dim: 20, ..Default::default() }
}

fn place() -> Place {
    let place = Place::new(9);
    tiny().write_folder(&place.path("model")).unwrap();
    tiny().write_gguf(&place.path("q4_k.gguf"), GgmlDType::Q4K).unwrap();
    tiny().write_gguf(&place.path("q5_0.gguf"), GgmlDType::Q5_0).unwrap();
    place
}

#[test]
fn a_run_on_blocks_is_the_run_on_the_floats_they_stand_for() {
    let place = place();
    for file in ["q4_k.gguf", "q5_0.gguf"] {
        let run = |dtype: BaseDtype| {
            let config = place.config(&format!("{file}-{dtype}"));
            let config = RunConfig { model: place.path(file), ..config }.with(|settings| {
                settings.dtype = dtype;
                settings.products = Products::F32;
                settings.max_steps = 8;
            });
            place.run(&config, go_on).unwrap();
            (adapter(&config.output_dir), steps(&config.output_dir))
        };
        let (stored, floats) = (run(BaseDtype::Auto), run(BaseDtype::F32));
        assert_eq!(stored.1, floats.1, "{file}");
        assert_eq!(stored.1.len(), 8);
        assert!(stored.0 == floats.0, "{file}");
    }
}

/// `DoRA` asks for the norms of rows besides: a base in blocks, and one that is rounded on load, beside a folder of the
/// floats that they stand for.
#[test]
fn a_run_with_dora_on_blocks_is_the_run_on_the_floats_they_stand_for() {
    let place = place();
    let run = |name: String, model: PathBuf, dtype: BaseDtype| {
        let config = RunConfig { model, ..place.config(&name) }.with(|settings| {
            settings.dtype = dtype;
            settings.products = Products::F32;
            settings.lora.use_dora = true;
            settings.max_steps = 4;
        });
        place.run(&config, go_on).unwrap();
        (adapter(&config.output_dir).0, steps(&config.output_dir))
    };
    for (name, dtype) in [("q4_k.gguf", BaseDtype::Auto), ("model", BaseDtype::Q8), ("model", BaseDtype::Q4)] {
        let floats = place.path(&format!("floats-of-{name}-{dtype}"));
        tiny().write_folder(&floats).unwrap();
        let source = weights::open(&place.path(name), dtype, &Device::Cpu).unwrap();
        let read = |(name, shape): (String, Vec<usize>)| (name.clone(), source.vars.get(shape, &name).unwrap());
        let tensors: HashMap<_, _> = source.config.tensors().into_iter().map(read).collect();
        candle_core::safetensors::save(&tensors, floats.join("model.safetensors")).unwrap();
        let stored = run(format!("{name}-{dtype}"), place.path(name), dtype);
        let floats = run(format!("floats-{name}-{dtype}"), floats, BaseDtype::F32);
        assert_eq!(stored.1, floats.1, "{name} {dtype}");
        assert_eq!(stored.1.len(), 4);
        assert!(stored.0 == floats.0, "{name} {dtype}");
    }
}

#[test]
fn stopped_and_resumed_a_run_on_any_base_is_the_same_byte_for_byte() {
    let place = place();
    let mut adapters = Vec::new();
    for dtype in BaseDtype::ALL {
        let config = |name: &str| {
            let config = place.config(&format!("{dtype}-{name}"));
            let model = if dtype == BaseDtype::Auto { place.path("q4_k.gguf") } else { config.model };
            RunConfig { model, ..config }.with(|settings| {
                settings.dtype = dtype;
                settings.max_steps = 5;
                settings.save_steps = 2;
            })
        };
        let (whole, stopped) = (config("whole"), config("stopped"));
        place.run(&whole, go_on).unwrap();
        place.run(&stopped, |event| matches!(event, Event::Step(m) if m.step == 3)).unwrap();
        let resumed = RunConfig { resume_from_checkpoint: Resume::Latest, ..stopped };
        place.run(&resumed, go_on).unwrap();
        assert!(read_events(&resumed.output_dir).contains(&Event::Resumed { from_step: 3 }));
        assert!(adapter(&resumed.output_dir) == adapter(&whole.output_dir), "{dtype}");
        assert_eq!(steps(&resumed.output_dir), steps(&whole.output_dir), "{dtype}");
        let told = read_events(&whole.output_dir).into_iter().any(|event| {
            matches!(event, Event::Warning { message } if message.contains("2 matrices are kept in the float type"))
        });
        assert_eq!(told, matches!(dtype, BaseDtype::Q8 | BaseDtype::Q4), "{dtype}");
        adapters.push(adapter(&whole.output_dir).0);
    }
    // Each base has its own reference: none was taken from the cache of another. Only weights that are rounded to 4 bits
    // here are those of the file that was written in the same blocks.
    let [auto, rest @ ..] = &adapters[..] else { panic!("{}", adapters.len()) };
    assert!(rest.last() == Some(auto));
    for (i, one) in rest.iter().enumerate() {
        assert!(rest[i + 1..].iter().all(|other| other != one), "{i}");
    }
}
