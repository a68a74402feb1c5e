//! What a run is computed on is checked to be what it was when it began.
#![allow(clippy::unwrap_used)]

mod common;

use common::{Place, adapter, go_on, read_events, steps};
use serde_json::Value;
use std::fs;
use std::path::Path;
use train::config::{DataConfig, Resume};
use train::events::Event;
use train::origin::AdapterOrigin;
use train::{Error, Outcome, RunConfig};

fn resuming(config: &RunConfig) -> RunConfig {
    RunConfig { resume_from_checkpoint: Resume::Latest, ..config.clone() }
}

/// A run that was stopped after its fourth step.
fn stopped(place: &Place) -> RunConfig {
    let config = RunConfig {
        data: DataConfig {
            train: place.path("pairs.jsonl"),
            eval: Some(place.path("eval.jsonl")),
            ..Default::default()
        },
        ..place.config("run")
    };
    stop_after(place, &config, 4);
    config
}

fn stop_after(place: &Place, config: &RunConfig, step: u64) {
    let outcome = place.run(config, |event| matches!(event, Event::Step(m) if m.step == step)).unwrap();
    assert_eq!(outcome, Outcome::Cancelled { step });
}

fn flip(path: &Path) {
    let mut bytes = fs::read(path).unwrap();
    let last = bytes.len() - 3;
    bytes[last] ^= 1;
    fs::write(path, bytes).unwrap();
}

fn edit(path: &Path, change: impl FnOnce(&mut Value)) {
    let mut value: Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    change(&mut value);
    fs::write(path, serde_json::to_vec_pretty(&value).unwrap()).unwrap();
}

/// Leaves of a record what an earlier version wrote.
fn without(path: &Path, keys: &[&str]) {
    edit(path, |value| {
        for key in keys {
            value.as_object_mut().unwrap().shift_remove(*key);
        }
    });
}

fn of_an_earlier_version(run: &Path) {
    without(&run.join("origin.json"), &["pairs", "eval_pairs", "base", "adapter"]);
    without(&run.join("adapter/origin.json"), &["base_model_files", "files"]);
    for entry in fs::read_dir(run.join("checkpoints")).unwrap() {
        without(&entry.unwrap().path().join("state.json"), &["sha256"]);
    }
}

fn warnings(run: &Path) -> Vec<String> {
    let told = read_events(run).into_iter().filter_map(|event| match event {
        Event::Warning { message } => Some(message),
        _ => None,
    });
    told.collect()
}

/// The words of a refusal that names a file, what was found and what was expected.
fn refused(result: train::Result<Outcome>, code: &str, words: &[&str]) -> String {
    let error = result.unwrap_err();
    let message = error.to_string();
    assert_eq!(error.code(), code, "{message}");
    for word in words {
        assert!(message.contains(word), "`{word}` is not in: {message}");
    }
    assert!(!error.hint().is_empty());
    message
}

#[test]
fn one_bit_of_any_file_of_the_base_is_noticed_before_a_run_goes_on() {
    let place = Place::new(9);
    let config = stopped(&place);
    let whole = place.config("whole");
    place.run(&RunConfig { data: config.data.clone(), ..whole.clone() }, go_on).unwrap();
    for name in ["model.safetensors", "config.json", "tokenizer.json", "tokenizer_config.json", "chat_template.jinja"] {
        let path = config.model.join(name);
        let was = fs::read(&path).unwrap();
        if name.ends_with(".safetensors") {
            flip(&path);
        } else {
            fs::write(&path, [&was[..], b" "].concat()).unwrap();
        }
        let words = [name, "has SHA-256 ", "…, where ", "was expected", "run in "];
        let message = refused(place.run(&resuming(&config), go_on), "changed_base", &words);
        // No other file is named.
        assert_eq!(message.matches("was expected").count(), 1, "{message}");
        assert!(
            matches!(read_events(&config.output_dir).last(), Some(Event::Failed { code, .. }) if code == "changed_base")
        );
        fs::write(&path, was).unwrap();
    }
    for name in ["special_tokens_map.json", "added_tokens.json", "other.safetensors"] {
        let path = config.model.join(name);
        assert!(!path.exists());
        fs::write(&path, "{}").unwrap();
        refused(place.run(&resuming(&config), go_on), "changed_base", &[name, "was not there then"]);
        fs::remove_file(&path).unwrap();
    }
    place.run(&resuming(&config), go_on).unwrap();
    assert!(adapter(&config.output_dir) == adapter(&whole.output_dir), "refusals change nothing");
}

#[test]
fn another_base_is_gone_on_with_where_that_is_asked_for_and_the_record_keeps_it() {
    let place = Place::new(9);
    let config = stopped(&place);
    let before = train::origin::base_of_run(&config.output_dir).unwrap().unwrap();
    flip(&config.model.join("model.safetensors"));
    place.run_on(&resuming(&config), true, |event| matches!(event, Event::Step(m) if m.step == 5)).unwrap();
    let after = train::origin::base_of_run(&config.output_dir).unwrap().unwrap();
    assert_ne!(before.sha256, after.sha256);
    // It now is a run on that base, and says so each time.
    place.run(&resuming(&config), go_on).unwrap();
    let told = warnings(&config.output_dir);
    let other =
        told.iter().filter(|message| message.contains("another base from step 5 on, as asked: model.safetensors"));
    assert_eq!(other.count(), 2, "{told:?}");
    let origin = AdapterOrigin::of(&config.output_dir.join("adapter")).unwrap().unwrap();
    assert_eq!((origin.bases_before.as_slice(), &origin.base_model_sha256), (&[before.sha256][..], &after.sha256));
    assert!(origin.mixed().unwrap().contains("went on with one of SHA-256"));
    // The first one is another base by now.
    flip(&config.model.join("model.safetensors"));
    fs::remove_dir_all(config.output_dir.join("adapter")).unwrap();
    refused(place.run(&resuming(&config), go_on), "changed_base", &["model.safetensors"]);
}

#[test]
fn a_run_s_own_rows_are_those_that_it_began_with() {
    let place = Place::new(9);
    let config = stopped(&place);
    for (name, rows) in [("pairs.jsonl", 9), ("eval_pairs.jsonl", 5)] {
        let path = config.output_dir.join(name);
        let whole = fs::read_to_string(&path).unwrap();
        let cut = whole.lines().take(4).flat_map(|line| [line, "\n"]).collect::<String>();
        fs::write(&path, cut).unwrap();
        let written = format!("where {rows} rows and ");
        refused(place.run(&resuming(&config), go_on), "changed_file", &[name, "it has 4 rows and SHA-256 ", &written]);
        // As many rows, one of them another.
        fs::write(&path, whole.replacen('a', "b", 1)).unwrap();
        refused(place.run(&resuming(&config), go_on), "changed_file", &[name, &format!("it has {rows} rows")]);
        fs::write(&path, whole).unwrap();
    }
    place.run(&resuming(&config), go_on).unwrap();
}

#[test]
fn a_run_of_an_earlier_version_goes_on_and_what_can_be_compared_is() {
    let place = Place::new(9);
    let whole = RunConfig {
        data: DataConfig {
            train: place.path("pairs.jsonl"),
            eval: Some(place.path("eval.jsonl")),
            ..Default::default()
        },
        ..place.config("whole")
    };
    place.run(&whole, go_on).unwrap();
    let config = stopped(&place);
    of_an_earlier_version(&config.output_dir);
    let pairs = config.output_dir.join("pairs.jsonl");
    let rows = fs::read_to_string(&pairs).unwrap();
    fs::write(&pairs, rows.lines().take(5).collect::<Vec<_>>().join("\n")).unwrap();
    refused(place.run(&resuming(&config), go_on), "changed_file", &["5 rows", "9 were counted when the run began"]);
    fs::write(&pairs, format!("{}\n", rows.lines().take(8).chain(["{"]).collect::<Vec<_>>().join("\n"))).unwrap();
    refused(place.run(&resuming(&config), go_on), "changed_file", &["8 rows that can be read and 1 that cannot"]);
    fs::write(&pairs, rows).unwrap();
    flip(&config.model.join("model.safetensors"));
    refused(place.run(&resuming(&config), go_on), "changed_base", &["weights and configuration have SHA-256"]);
    flip(&config.model.join("model.safetensors"));

    place.run(&resuming(&config), |event| matches!(event, Event::Step(m) if m.step == 5)).unwrap();
    place.run(&resuming(&config), go_on).unwrap();
    assert!(adapter(&config.output_dir) == adapter(&whole.output_dir));
    // What could not be compared is said once, and noted then.
    let told = warnings(&config.output_dir);
    for what in ["pairs.jsonl: the run is of an earlier version", "noted no digests of tokenizer and chat template"] {
        let times = told
            .iter()
            .filter(|message| message.starts_with(what) || message.contains(&format!("version, which {what}")));
        assert_eq!(times.count(), 1, "{what}: {told:?}");
    }
}

#[test]
fn an_adapter_that_was_edited_is_not_used() {
    let place = Place::new(9);
    let config = place.config("run");
    place.run(&config, go_on).unwrap();
    let folder = config.output_dir.join("adapter");
    train::origin::check_adapter(&folder).unwrap();
    let [settings, weights] = ["adapter_config.json", "adapter_model.safetensors"].map(|name| folder.join(name));
    let second = |name: &str, key: Option<&Path>| {
        place.config(name).with(|settings| settings.init_adapter = key.map(Path::to_path_buf))
    };
    // Where other programs find the base is the user's to say.
    edit(&settings, |value| value["base_model_name_or_path"] = "someone/base".into());
    train::origin::check_adapter(&folder).unwrap();
    let was = fs::read(&settings).unwrap();
    edit(&settings, |value| value["lora_alpha"] = 60.0.into());
    refused(place.run(&second("b", Some(&folder)), go_on), "changed_file", &["adapter_config.json", "and had"]);
    fs::write(&settings, was).unwrap();
    flip(&weights);
    refused(place.run(&second("b", Some(&folder)), go_on), "changed_file", &["adapter_model.safetensors"]);
    // An earlier version noted nothing of the adapter, but the last checkpoint is the same.
    of_an_earlier_version(&config.output_dir);
    assert!(train::origin::check_adapter(&folder).is_err());
    flip(&weights);
    train::origin::check_adapter(&folder).unwrap();
    // A refused run has taken no folder.
    assert!(!place.path("b/config.toml").exists());

    // The copy that a run keeps of the adapter it began with.
    let config = second("c", Some(&folder));
    stop_after(&place, &config, 2);
    let kept = config.output_dir.join("init_adapter/adapter_config.json");
    edit(&kept, |value| value["lora_alpha"] = 60.0.into());
    refused(place.run(&resuming(&config), go_on), "changed_file", &["init_adapter/adapter_config.json"]);
}

#[test]
fn an_adapter_of_another_base_begins_no_run_unless_that_is_asked_for() {
    let place = Place::new(9);
    let first = place.config("first");
    place.run(&first, go_on).unwrap();
    flip(&first.model.join("model.safetensors"));
    let adapter = first.output_dir.join("adapter");
    for (name, from) in [("a", &adapter), ("b", &first.output_dir.join("checkpoints/step-7"))] {
        let as_start = place.config(name).with(|settings| settings.init_adapter = Some(from.clone()));
        let as_reference = as_start.clone().with(|settings| {
            settings.init_adapter = None;
            settings.ref_adapter = Some(from.clone());
        });
        for (config, key) in [(&as_start, "init_adapter"), (&as_reference, "ref_adapter")] {
            refused(
                place.run(config, go_on),
                "changed_base",
                &[key, "was trained on", "model.safetensors has SHA-256"],
            );
            assert!(!config.output_dir.join("config.toml").exists(), "the folder can be used when this is mended");
        }
        place.run_on(&as_start, true, |event| matches!(event, Event::Step(m) if m.step == 2)).unwrap();
        // The choice is made: a run that is resumed does not ask again, and says it again.
        place.run(&resuming(&as_start), go_on).unwrap();
        let told = warnings(&as_start.output_dir);
        assert_eq!(
            told.iter().filter(|message| message.contains("another base than the one that init_adapter")).count(),
            2
        );
    }
    // Another program's adapter says nothing of its base.
    let foreign = place.path("foreign");
    train::folder::copy_adapter(&adapter, &foreign).unwrap();
    place.run(&place.config("c").with(|settings| settings.init_adapter = Some(foreign)), go_on).unwrap();
}

#[test]
fn a_checkpoint_that_was_edited_is_named_and_one_that_is_gone_is_told() {
    let place = Place::new(9);
    let whole = place.config("whole");
    place.run(&whole, go_on).unwrap();
    let config = place.config("run");
    stop_after(&place, &config, 5);
    let state = config.output_dir.join("checkpoints/step-5/state.json");
    edit(&state, |value| value["state"]["step"] = 6.into());
    let named = RunConfig {
        resume_from_checkpoint: Resume::From(config.output_dir.join("checkpoints/step-5")),
        ..config.clone()
    };
    refused(
        place.run(&named, go_on),
        "damaged_checkpoint",
        &["state.json has changed since it was written", "and had"],
    );
    // Of an earlier version, which sealed nothing: the folder says which step it is of.
    without(&state, &["sha256"]);
    refused(place.run(&named, go_on), "damaged_checkpoint", &["state.json is of step 6, and the folder of step 5"]);
    place.run(&resuming(&config), go_on).unwrap();
    assert!(adapter(&config.output_dir) == adapter(&whole.output_dir), "the one before it was resumed");

    let config = place.config("gone");
    stop_after(&place, &config, 5);
    fs::remove_dir_all(config.output_dir.join("checkpoints")).unwrap();
    place.run(&resuming(&config), go_on).unwrap();
    let told = warnings(&config.output_dir);
    assert!(
        told.iter().any(|it| it.contains("step-5 is not here any more: the run goes on from the beginning")),
        "{told:?}"
    );
    assert!(adapter(&config.output_dir) == adapter(&whole.output_dir));
}

#[test]
fn a_checkpoint_of_other_settings_is_refused_by_their_names_with_a_remedy_that_works() {
    let place = Place::new(9);
    let first = place.config("first").with(|settings| settings.save_total_limit = 0);
    place.run(&first, go_on).unwrap();
    let checkpoint = first.output_dir.join("checkpoints/step-3");
    let second = RunConfig { resume_from_checkpoint: Resume::From(checkpoint.clone()), ..place.config("second") }.with(
        |settings| {
            settings.max_steps = 14;
            settings.learning_rate = 2e-2;
        },
    );
    let error = place.run(&second, go_on).unwrap_err();
    assert_eq!(error.code(), "other_settings");
    let message = error.to_string();
    assert!(
        message.contains("max_steps was 7 and is now 14") && message.contains("learning_rate was 0.01 and is now 0.02")
    );
    let remedy = format!("init_adapter = {checkpoint:?} instead of resume_from_checkpoint");
    assert!(error.hint().contains(&remedy), "{}", error.hint());
    // As it says, in the same folder.
    let mended = RunConfig { resume_from_checkpoint: Resume::No, ..second }
        .with(|settings| settings.init_adapter = Some(checkpoint));
    place.run(&mended, go_on).unwrap();

    // The settings of the run itself.
    stop_after(&place, &place.config("third"), 4);
    let changed = resuming(&place.config("third")).with(|settings| settings.beta = 0.3);
    let Err(error @ Error::SettingsChanged { .. }) = place.run(&changed, go_on) else { panic!("it was resumed") };
    let adapter = place.path("third/adapter");
    assert!(error.hint().contains(&format!("init_adapter = {adapter:?}")), "{}", error.hint());
    let mended = place.config("fourth").with(|settings| settings.init_adapter = Some(adapter));
    place.run(&mended.with(|settings| settings.beta = 0.3), go_on).unwrap();
}

#[test]
fn another_run_s_checkpoint_is_gone_on_from_with_its_own_base_and_pairs_alone() {
    let place = Place::new(9);
    let first = place.config("first").with(|settings| settings.save_total_limit = 0);
    place.run(&first, go_on).unwrap();
    let checkpoint = first.output_dir.join("checkpoints/step-3");
    let second =
        |name: &str| RunConfig { resume_from_checkpoint: Resume::From(checkpoint.clone()), ..place.config(name) };
    flip(&first.model.join("model.safetensors"));
    refused(place.run(&second("a"), go_on), "changed_base", &["the run in", "model.safetensors"]);
    flip(&first.model.join("model.safetensors"));
    prefs::jsonl::write_pairs(&place.path("pairs.jsonl"), &testkit::pairs(8, 1)).unwrap();
    refused(place.run(&second("b"), go_on), "changed_file", &["it has 8 rows and SHA-256", "has 9 rows and SHA-256"]);
    prefs::jsonl::write_pairs(&place.path("pairs.jsonl"), &testkit::pairs(9, 1)).unwrap();
    place.run(&second("c"), go_on).unwrap();
    assert!(adapter(&place.path("c")) == adapter(&first.output_dir));
}

#[test]
fn a_run_from_an_adapter_says_first_of_all_what_its_reference_is() {
    let place = Place::new(9);
    let first = place.config("first");
    place.run(&first, go_on).unwrap();
    let start = first.output_dir.join("adapter");
    let second = place.config("second").with(|settings| settings.init_adapter = Some(start.clone()));
    place.run(&second, go_on).unwrap();
    let events = read_events(&second.output_dir);
    let Some(Event::Warning { message }) = events.first() else { panic!("{:?}", events.first()) };
    for words in
        ["the reference is the base model", "TRL takes the adapter itself", &format!("ref_adapter = {start:?}")]
    {
        assert!(message.contains(words), "{message}");
    }
    let as_trl =
        RunConfig { output_dir: place.path("third"), ..second }.with(|settings| settings.ref_adapter = Some(start));
    place.run(&as_trl, go_on).unwrap();
    assert_eq!(warnings(&as_trl.output_dir), Vec::<String>::new());
}

#[test]
fn references_are_kept_apart_by_the_settings_of_their_adapter() {
    let place = Place::new(9);
    let first = place.config("first");
    place.run(&first, go_on).unwrap();
    let reference = |name: &str, alpha: f64| {
        let folder = place.path(name);
        train::folder::copy_adapter(&first.output_dir.join("adapter"), &folder).unwrap();
        edit(&folder.join("adapter_config.json"), |value| value["lora_alpha"] = alpha.into());
        folder
    };
    let (mild, strong) = (reference("mild", 6.0), reference("strong", 30.0));
    let against =
        |name: &str, from: &Path| place.config(name).with(|settings| settings.ref_adapter = Some(from.into()));
    place.run(&against("a", &mild), go_on).unwrap();
    place.run(&against("b", &strong), go_on).unwrap();
    fs::remove_dir_all(place.path("cache")).unwrap();
    place.run(&against("c", &strong), go_on).unwrap();
    assert_eq!(steps(&place.path("b")), steps(&place.path("c")));
}
