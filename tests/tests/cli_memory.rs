//! A run that does not fit into memory is refused before it begins, in words that help.
#![cfg(target_os = "linux")]

use end_to_end::{Finished, Settings, tiebreak};
use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

/// Kilobytes of address space that a run may have: as a user's `ulimit -v` or a cluster's job limit would have it.
const LIMIT: u64 = 800_000;
/// Pairs of a step, all of which the first settings put into one microbatch.
const PAIRS: usize = 128;

/// `tiebreak train` on these settings, within the limit.
fn train(config: &Path) -> Command {
    let program = tiebreak();
    let mut command = Command::new("sh");
    command.args(["-c", "ulimit -v \"$0\" && exec \"$@\""]).arg(LIMIT.to_string()).arg(program.get_program());
    command.arg("train").arg("--config").arg(config);
    command
}

/// The number that `text` gives a setting.
fn advised(text: &str, key: &str) -> String {
    let after = text.split_once(&format!("{key} = ")).unwrap_or_else(|| panic!("no {key} in:\n{text}")).1;
    after.chars().take_while(char::is_ascii_digit).collect()
}

#[test]
fn a_run_that_would_not_fit_says_what_would_and_that_fits() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut pairs = String::new();
    for pair in 0..PAIRS {
        let answer = |word: &str| format!("{word} {pair} ").repeat(100);
        let (chosen, rejected) = (answer("plain"), answer("wordy"));
        writeln!(pairs, r#"{{"prompt":"Say {pair}","chosen":"{chosen}","rejected":"{rejected}"}}"#).expect("a string");
    }
    let path = folder.path().join("pairs.jsonl");
    std::fs::write(&path, pairs).expect("the temporary folder can be written");
    let settings = Settings::new(folder.path()).path("data.train", &path).set("max_length", "0").set("max_steps", "1");
    let settings = settings.set("lora.lora_dropout", "0.0");
    let large = settings.clone().set("per_device_train_batch_size", &PAIRS.to_string());
    let large = large.set("gradient_accumulation_steps", "1");
    let refused = Finished::run(&mut train(&large.write())).refused(&["not enough memory", "are needed", "are free"]);
    let events = std::fs::read_to_string(large.output_dir().join("events.jsonl")).expect("a run has events");
    assert!(events.lines().last().is_some_and(|line| line.contains(r#""code":"out_of_memory""#)), "{events}");

    let [batch_size, accumulation] =
        ["per_device_train_batch_size", "gradient_accumulation_steps"].map(|key| advised(&refused.stderr, key));
    std::fs::remove_dir_all(large.output_dir()).expect("the refused run's folder is there");
    let smaller = settings.set("per_device_train_batch_size", &batch_size);
    let smaller = smaller.set("gradient_accumulation_steps", &accumulation);
    let _ = Finished::run(&mut train(&smaller.write())).well();
}
