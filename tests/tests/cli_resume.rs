//! Killed at any moment or stopped by the user, and resumed: the run ends with the same adapter, byte for byte.
#![cfg(unix)]

use end_to_end::{Finished, Settings};
use serde_json::Value;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// No test here may wait longer than this for a program to do something.
const PATIENCE: Duration = Duration::from_secs(120);

struct Uninterrupted {
    adapter: Vec<u8>,
    took: Duration,
}

/// A run with dropout and shuffling, over more than one epoch, so that all that is random is in play.
fn settings(folder: &Path) -> Settings {
    Settings::new(folder)
        .set("max_steps", "24")
        .set("save_steps", "5")
        .set("save_total_limit", "2")
        .set("resume_from_checkpoint", "true")
}

fn adapter(settings: &Settings) -> Vec<u8> {
    std::fs::read(settings.output_dir().join("adapter/adapter_model.safetensors"))
        .expect("a finished run has an adapter")
}

fn uninterrupted() -> &'static Uninterrupted {
    static RUN: OnceLock<Uninterrupted> = OnceLock::new();
    RUN.get_or_init(|| {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let settings = settings(folder.path());
        let mut command = settings.train();
        let began = Instant::now();
        let _ = Finished::run(&mut command).well();
        Uninterrupted { took: began.elapsed(), adapter: adapter(&settings) }
    })
}

/// Starts training in a process group of its own, so that all of it can be killed.
fn start(settings: &Settings) -> Child {
    let mut command = settings.train();
    command.process_group(0).stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().expect("the program can be started")
}

fn signal(child: &Child, name: &str, group: bool) {
    let target = format!("{}{}", if group { "-" } else { "" }, child.id());
    // It may have ended just now, which is as good.
    let _ = Command::new("kill").args([&format!("-{name}"), "--", &target]).stderr(Stdio::null()).status();
}

fn events(settings: &Settings) -> Vec<Value> {
    let text = std::fs::read_to_string(settings.output_dir().join("events.jsonl")).unwrap_or_default();
    // The last line may be half written while the program runs, or when it was killed.
    text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

fn wait_until(child: &mut Child, what: &str, mut reached: impl FnMut() -> bool) {
    let began = Instant::now();
    while !reached() {
        assert!(began.elapsed() < PATIENCE, "waited in vain until {what}");
        if child.try_wait().expect("a child can be waited for").is_some() {
            return;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Numbers that look random (`SplitMix64`), so that a failure can be had again.
fn random(seed: u64) -> impl FnMut() -> f64 {
    let mut state = seed;
    move || {
        state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((mixed ^ (mixed >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }
}

/// After a run that was interrupted has ended: its adapter, and what its events say when what was taken back is left out.
fn ends_as_if_never_interrupted(settings: &Settings, what: &str) {
    assert!(adapter(settings) == uninterrupted().adapter, "{what}: the adapter is another one");
    let mut steps: Vec<u64> = Vec::new();
    let text = std::fs::read_to_string(settings.output_dir().join("events.jsonl")).expect("a run has events");
    for line in text.lines() {
        let event: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{what}: {error}: {line}"));
        match event["type"].as_str() {
            Some("resumed") => {
                let from = event["from_step"].as_u64().expect("a step");
                steps.retain(|step| *step <= from);
            }
            Some("step") => steps.push(event["step"].as_u64().expect("a step")),
            _ => {}
        }
    }
    assert_eq!(steps, (1..=24).collect::<Vec<_>>(), "{what}");
}

#[test]
fn killed_at_random_moments_it_ends_with_the_same_bytes() {
    let took = uninterrupted().took;
    let mut kills = 0;
    for seed in 0..16 {
        let mut random = random(seed);
        let folder = tempfile::tempdir().expect("a temporary folder");
        let settings = settings(folder.path());
        for _ in 0..3 {
            let mut child = start(&settings);
            std::thread::sleep(took.mul_f64(0.6 * random()));
            signal(&child, "KILL", true);
            let ended = child.wait().expect("a child can be waited for");
            kills += usize::from(ended.signal() == Some(9));
        }
        let _ = Finished::run(&mut settings.train()).well();
        ends_as_if_never_interrupted(&settings, &format!("seed {seed}"));
    }
    // How many come in time depends on what else the machine does.
    assert!(kills >= 8, "only {kills} of 48 kills came before the program's end");
}

#[test]
fn killed_while_a_checkpoint_is_written_it_ends_with_the_same_bytes() {
    for step in [5, 10, 20] {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let settings = settings(folder.path());
        let mut child = start(&settings);
        let checkpoints = settings.output_dir().join("checkpoints");
        // Whatever it is called while it is written, its name has the step's number in it.
        let number = format!("step-{step}");
        wait_until(&mut child, &number, || {
            let Ok(entries) = std::fs::read_dir(&checkpoints) else { return false };
            entries.flatten().any(|entry| entry.file_name().to_string_lossy().contains(&number))
        });
        signal(&child, "KILL", true);
        let _ = child.wait().expect("a child can be waited for");
        let _ = Finished::run(&mut settings.train()).well();
        ends_as_if_never_interrupted(&settings, &number);
    }
}

#[test]
fn interrupted_by_the_user_it_exits_with_130_and_can_be_resumed() {
    for name in ["INT", "TERM"] {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let settings = settings(folder.path());
        let mut child = start(&settings);
        wait_until(&mut child, "three steps are done", || {
            events(&settings).iter().filter(|event| event["type"] == "step").count() >= 3
        });
        signal(&child, name, false);
        let ended = child.wait().expect("a child can be waited for");
        assert_eq!(ended.code(), Some(130), "after SIG{name}");
        let told = events(&settings);
        assert_eq!(told.last().expect("events")["type"], "cancelled");
        let step = told.last().expect("events")["step"].as_u64().expect("a step");
        assert!((3..24).contains(&step), "stopped after step {step}");
        let checkpoint = settings.output_dir().join(format!("checkpoints/step-{step}"));
        assert!(checkpoint.is_dir(), "{} is not there", checkpoint.display());

        let _ = Finished::run(&mut settings.train()).well();
        ends_as_if_never_interrupted(&settings, name);
        let resumed = events(&settings).into_iter().find(|event| event["type"] == "resumed").expect("it was resumed");
        assert_eq!(resumed["from_step"].as_u64(), Some(step), "no step is done again");
    }
}

#[test]
fn a_finished_run_is_not_run_again() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let settings = settings(folder.path());
    let _ = Finished::run(&mut settings.train()).well();
    let before = events(&settings).len();
    let _ = Finished::run(&mut settings.train()).well();
    assert_eq!(events(&settings).iter().filter(|event| event["type"] == "step").count(), 24);
    assert!(events(&settings).len() <= before + 1);
    assert!(adapter(&settings) == uninterrupted().adapter);
}

#[test]
fn two_programs_do_not_train_in_one_folder() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let settings = settings(folder.path()).set("max_steps", "2000").set("save_steps", "1000");
    let mut first = start(&settings);
    wait_until(&mut first, "the first has begun", || events(&settings).iter().any(|event| event["type"] == "step"));
    let second = Finished::run(&mut settings.train());
    signal(&first, "KILL", true);
    let ended = first.wait().expect("a child can be waited for");
    assert_eq!(ended.signal(), Some(9), "the first was still running");
    let _ = second.refused(&["another process"]);
}

#[test]
fn a_run_is_not_resumed_with_other_settings() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let settings = settings(folder.path()).set("max_steps", "2000").set("save_steps", "2");
    let mut child = start(&settings);
    wait_until(&mut child, "there is a checkpoint", || settings.output_dir().join("checkpoints/step-2").is_dir());
    signal(&child, "KILL", true);
    let _ = child.wait().expect("a child can be waited for");
    let _ = Finished::run(&mut settings.set("beta", "0.2").train()).refused(&["beta", "0.1", "0.2"]);
}

#[test]
fn a_damaged_checkpoint_is_passed_over() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let settings = settings(folder.path());
    let mut child = start(&settings);
    wait_until(&mut child, "there are two checkpoints", || settings.output_dir().join("checkpoints/step-10").is_dir());
    signal(&child, "KILL", true);
    let _ = child.wait().expect("a child can be waited for");
    let checkpoints = settings.output_dir().join("checkpoints");
    let names = std::fs::read_dir(&checkpoints).expect("checkpoints").flatten().map(|entry| entry.path());
    let step = |path: &Path| path.to_string_lossy().rsplit('-').next().and_then(|number| number.parse::<u64>().ok());
    let newest = names.filter(|path| path.join("state.json").is_file()).max_by_key(|path| step(path));
    let newest = newest.expect("a checkpoint").join("adapter_model.safetensors");
    let mut bytes = std::fs::read(&newest).expect("the checkpoint's adapter");
    let last = bytes.len() - 3;
    bytes[last] ^= 0x40;
    std::fs::write(&newest, bytes).expect("the temporary folder can be written");
    let _ = Finished::run(&mut settings.train()).well();
    ends_as_if_never_interrupted(&settings, "a damaged checkpoint");
}
