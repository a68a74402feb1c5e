//! What is damaged, hostile or not allowed ends in a clear error and exit code 1: no panic, nothing lost.

use end_to_end::{Finished, Settings, golden, root, tiebreak};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Scores the golden pairs with this model.
fn score(model: &Path) -> Command {
    let mut command = tiebreak();
    command.arg("score").arg("--model").arg(model);
    command.arg("--pairs").arg(root().join("tests/golden/pairs.jsonl")).args(["--max-length", "96", "--json"]);
    command
}

/// The golden model with its weights replaced.
fn model_with(folder: &Path, weights: &[u8]) -> PathBuf {
    let model = folder.join("model");
    std::fs::create_dir_all(&model).expect("the temporary folder can be written");
    for name in
        ["config.json", "tokenizer.json", "tokenizer_config.json", "chat_template.jinja", "generation_config.json"]
    {
        std::fs::copy(golden("llama").join(name), model.join(name)).expect("the golden set is there");
    }
    std::fs::write(model.join("model.safetensors"), weights).expect("the temporary folder can be written");
    model
}

#[test]
fn cut_off_safetensors_are_refused() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let whole = std::fs::read(golden("llama").join("model.safetensors")).expect("the golden set is there");
    let header =
        usize::try_from(u64::from_le_bytes(whole[..8].try_into().expect("eight bytes"))).expect("a short header");
    for length in [0, 4, 8, 60, 8 + header, whole.len() / 2, whole.len() - 1] {
        let model = model_with(folder.path(), &whole[..length]);
        let _ = Finished::run(&mut score(&model)).refused(&["model.safetensors"]);
    }
    let _ = Finished::run(&mut score(&model_with(folder.path(), &whole))).well();
}

#[test]
fn hostile_safetensors_are_refused() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let with_header = |header: &str| {
        let mut file = (header.len() as u64).to_le_bytes().to_vec();
        file.extend_from_slice(header.as_bytes());
        file.extend_from_slice(&[0; 64]);
        file
    };
    let huge = u64::MAX.to_le_bytes();
    for file in [
        [&huge[..], b"{}"].concat(),
        with_header("{}"),
        with_header("[[[[["),
        with_header(
            r#"{"model.embed_tokens.weight":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,64]}}"#,
        ),
        with_header(r#"{"model.embed_tokens.weight":{"dtype":"F32","shape":[4,4],"data_offsets":[64,0]}}"#),
        with_header(r#"{"model.embed_tokens.weight":{"dtype":"F32","shape":[4,4],"data_offsets":[0,64]}}"#),
    ] {
        let model = model_with(folder.path(), &file);
        let _ = Finished::run(&mut score(&model)).refused(&["model"]);
    }
}

#[test]
fn a_model_folder_without_its_parts_is_refused_by_name() {
    for missing in ["config.json", "tokenizer.json", "model.safetensors"] {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let whole = std::fs::read(golden("llama").join("model.safetensors")).expect("the golden set is there");
        let model = model_with(folder.path(), &whole);
        std::fs::remove_file(model.join(missing)).expect("it was there");
        let _ = Finished::run(&mut score(&model)).refused(&[missing.trim_end_matches(".safetensors")]);
    }
}

/// The parts of a GGUF header, as bytes.
mod gguf {
    pub(super) fn start(version: u32, tensors: u64, entries: u64) -> Vec<u8> {
        [b"GGUF".as_slice(), &version.to_le_bytes(), &tensors.to_le_bytes(), &entries.to_le_bytes()].concat()
    }

    pub(super) fn string(text: &str) -> Vec<u8> {
        [&(text.len() as u64).to_le_bytes(), text.as_bytes()].concat()
    }

    pub(super) fn entry(key: &str, kind: u32, value: &[u8]) -> Vec<u8> {
        [&string(key), kind.to_le_bytes().as_slice(), value].concat()
    }

    pub(super) const STRING: u32 = 8;
    pub(super) const ARRAY: u32 = 9;

    pub(super) fn array_start(kind: u32, count: u64) -> Vec<u8> {
        [kind.to_le_bytes().as_slice(), &count.to_le_bytes()].concat()
    }

    pub(super) fn tensor(name: &str, shape: &[u64], kind: u32, offset: u64) -> Vec<u8> {
        let dimensions: Vec<u8> = shape.iter().flat_map(|size| size.to_le_bytes()).collect();
        let rank = (shape.len() as u32).to_le_bytes();
        [&string(name), rank.as_slice(), &dimensions, &kind.to_le_bytes(), &offset.to_le_bytes()].concat()
    }
}

#[test]
fn hostile_gguf_headers_are_refused() {
    let architecture = gguf::entry("general.architecture", gguf::STRING, &gguf::string("llama"));
    let with = |entries: u64, rest: Vec<u8>| [gguf::start(3, 1, 1 + entries), architecture.clone(), rest].concat();
    let nested: Vec<u8> = std::iter::repeat_n(gguf::array_start(gguf::ARRAY, 1), 50_000).flatten().collect();
    let files: Vec<(&str, Vec<u8>)> = vec![
        ("empty", Vec::new()),
        ("only the magic", b"GGUF".to_vec()),
        ("not a GGUF", b"PK\x03\x04 something else entirely".to_vec()),
        ("version of the far future", gguf::start(4_000_000_000, 0, 0)),
        ("huge tensor count", gguf::start(3, u64::MAX, 0)),
        ("huge entry count", gguf::start(3, 0, u64::MAX)),
        ("large but possible counts", gguf::start(3, 1 << 40, 1 << 40)),
        ("huge key", [gguf::start(3, 0, 1), u64::MAX.to_le_bytes().to_vec()].concat()),
        ("huge string", with(1, gguf::entry("x", gguf::STRING, &(u64::MAX - 7).to_le_bytes()))),
        ("huge array", with(1, gguf::entry("x", gguf::ARRAY, &gguf::array_start(0, u64::MAX)))),
        ("huge array of strings", with(1, gguf::entry("x", gguf::ARRAY, &gguf::array_start(gguf::STRING, 1 << 50)))),
        ("arrays in arrays", with(1, gguf::entry("x", gguf::ARRAY, &nested))),
        ("unknown kind of value", with(1, gguf::entry("x", 99, &[0; 8]))),
        ("shape that overflows", with(0, gguf::tensor("token_embd.weight", &[1 << 32, 1 << 32], 0, 0))),
        ("rank of many", with(0, gguf::tensor("token_embd.weight", &[1; 40], 0, 0))),
        ("tensor beyond the end", with(0, gguf::tensor("token_embd.weight", &[32, 2], 0, 1 << 60))),
        ("unknown block type", with(0, gguf::tensor("token_embd.weight", &[32, 2], 77, 0))),
        ("no such key", with(0, gguf::tensor("token_embd.weight", &[32, 2], 0, 0))),
    ];
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("hostile.gguf");
    for (what, file) in files {
        std::fs::write(&path, file).expect("the temporary folder can be written");
        let finished = Finished::run(&mut within_4_gib(&score(&path)));
        assert_eq!(finished.code, Some(1), "{what}: {finished:?}");
        let _ = finished.refused(&["hostile.gguf"]);
    }
}

/// The command in an address space of 4 GiB, so that it fails if it allocates what a header asks for.
#[cfg(unix)]
fn within_4_gib(command: &Command) -> Command {
    in_shell("ulimit -v 4194304", command)
}

#[cfg(not(unix))]
fn within_4_gib(command: &Command) -> Command {
    let mut same = Command::new(command.get_program());
    same.args(command.get_args());
    same
}

/// The command after `first` in the same shell.
#[cfg(unix)]
fn in_shell(first: &str, command: &Command) -> Command {
    let mut shell = Command::new("sh");
    shell.arg("-c").arg(format!("{first}; exec \"$0\" \"$@\"")).arg(command.get_program()).args(command.get_args());
    shell.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    shell
}

#[test]
fn a_cut_off_gguf_is_refused() {
    let Some(model) = std::env::var_os("TIEBREAK_DEMO_MODEL").map(PathBuf::from) else {
        eprintln!("left out: a_cut_off_gguf_is_refused (TIEBREAK_DEMO_MODEL names no GGUF file)");
        return;
    };
    let whole = std::fs::read(&model).expect("the demo model can be read");
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("cut.gguf");
    for length in [7, 23, 5_000, 1_500_000, whole.len() / 2, whole.len() - 1] {
        std::fs::write(&path, &whole[..length]).expect("the temporary folder can be written");
        let _ = Finished::run(&mut score(&path)).refused(&["cut.gguf"]);
    }
}

#[test]
fn rows_that_are_no_pairs_are_named_and_the_rest_is_kept() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let good = std::fs::read_to_string(root().join("tests/golden/pairs.jsonl")).expect("the golden set is there");
    let good: Vec<&str> = good.lines().take(6).collect();
    let mut bytes = Vec::new();
    for (line, bad) in good.iter().zip([
        &b"{\"prompt\": \"half a row"[..],
        b"{\"prompt\": \"q\", \"chosen\": \"a\"}",
        b"{\"prompt\": \"q\", \"chosen\": true, \"rejected\": \"b\"}",
        b"{\"prompt\": \"q\", \"chosen\": \"\xff\xfe\", \"rejected\": \"b\"}",
        b"[]",
        b"",
    ]) {
        bytes.extend_from_slice(line.as_bytes());
        bytes.push(b'\n');
        bytes.extend_from_slice(bad);
        bytes.push(b'\n');
    }
    let path = folder.path().join("pairs.jsonl");
    std::fs::write(&path, bytes).expect("the temporary folder can be written");

    let settings = Settings::new(folder.path()).path("data.train", &path).set("max_steps", "1").set("max_length", "0");
    let _ = Finished::run(&mut settings.train()).well();
    let events = std::fs::read_to_string(settings.output_dir().join("events.jsonl")).expect("events");
    let events: Vec<Value> = events.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let started = events.iter().find(|event| event["type"] == "run_started").expect("run_started");
    assert_eq!(started["train"]["pairs"], 6, "{started}");
    assert_eq!(started["train"]["refused"], 5, "{started}");
    let warned = events.iter().any(|event| event["type"] == "warning" && event.to_string().contains("line 2"));
    assert!(warned, "no warning names line 2: {events:?}");

    let mut command = tiebreak();
    command.arg("score").arg("--model").arg(golden("llama")).arg("--pairs").arg(&path).args([
        "--max-length",
        "256",
        "--json",
    ]);
    let finished = Finished::run(&mut command).well();
    assert_eq!(finished.json().iter().filter(|line| line["chosen_logps"].is_number()).count(), 6);
    for line in ["line 2", "line 4", "line 6", "line 8", "line 10"] {
        assert!(finished.stderr.contains(line) || finished.stdout.contains(line), "{line} is not named: {finished:?}");
    }
}

#[test]
fn a_file_without_any_pair_is_refused() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("pairs.jsonl");
    std::fs::write(&path, "").expect("the temporary folder can be written");
    let _ =
        Finished::run(&mut Settings::new(folder.path()).path("data.train", &path).train()).refused(&["pairs.jsonl"]);
}

#[test]
fn a_folder_that_cannot_be_made_is_refused() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("a-file");
    std::fs::write(&file, "kept").expect("the temporary folder can be written");
    let settings = Settings::new(folder.path()).path("output_dir", &file.join("run"));
    let _ = Finished::run(&mut settings.train()).refused(&["a-file"]);
    let settings = Settings::new(folder.path()).path("output_dir", &file);
    let _ = Finished::run(&mut settings.train()).refused(&["a-file"]);
    assert_eq!(std::fs::read_to_string(&file).expect("the file is still there"), "kept");
    if cfg!(target_os = "linux") {
        // Nobody may make a folder there, root included.
        let settings = Settings::new(folder.path()).path("output_dir", Path::new("/proc/tiebreak-run"));
        let _ = Finished::run(&mut settings.train()).refused(&["/proc/tiebreak-run"]);
    }
}

#[cfg(unix)]
mod disk {
    use super::*;

    fn adapter(settings: &Settings) -> Vec<u8> {
        std::fs::read(settings.output_dir().join("adapter/adapter_model.safetensors")).expect("an adapter")
    }

    fn settings(folder: &Path) -> Settings {
        Settings::new(folder).set("resume_from_checkpoint", "true").set("max_steps", "8").set("save_steps", "2")
    }

    fn uninterrupted() -> Vec<u8> {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let settings = settings(folder.path());
        let _ = Finished::run(&mut settings.train()).well();
        adapter(&settings)
    }

    #[test]
    fn a_file_that_may_not_grow_is_refused_and_the_run_can_be_resumed() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let settings = settings(folder.path());
        // 32 KiB for each file: enough for the settings and the pairs, not for a checkpoint. The signal is ignored, so
        // that the write fails as it does on a full disk.
        let mut limited = in_shell("trap '' XFSZ; ulimit -f 64", &settings.train());
        // The hint is about writing, not about the model that the adapter belongs to.
        let _ = Finished::run(&mut limited).refused(&["step-2", "File too large", "resume"]);
        let _ = Finished::run(&mut settings.train()).well();
        assert!(adapter(&settings) == uninterrupted());
    }

    struct Mounted(PathBuf);

    impl Drop for Mounted {
        fn drop(&mut self) {
            let _ = Command::new("umount").arg(&self.0).status();
        }
    }

    fn mount(options: &str, at: &Path) -> Result<(), String> {
        let output = Command::new("mount").args(["-t", "tmpfs", "-o", options, "tmpfs"]).arg(at).output();
        let output = output.map_err(|error| error.to_string())?;
        if output.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&output.stderr).trim().to_owned()) }
    }

    #[test]
    fn a_full_disk_is_named_and_the_run_can_be_resumed() {
        // Declared before the mount, so that it is removed after it.
        let folder = tempfile::tempdir().expect("a temporary folder");
        // Room for the first checkpoint or two, not for the run.
        if let Err(reason) = mount("size=512k", folder.path()) {
            eprintln!(
                "left out: a_full_disk_is_named_and_the_run_can_be_resumed (a small tmpfs cannot be mounted: {reason})"
            );
            return;
        }
        let _mounted = Mounted(folder.path().to_owned());
        let settings = settings(folder.path()).set("save_total_limit", "0");
        let _ = Finished::run(&mut settings.train()).refused(&["No space left", "full"]);
        mount("remount,size=16m", folder.path()).expect("what could be mounted can be remounted");
        let _ = Finished::run(&mut settings.train()).well();
        assert!(adapter(&settings) == uninterrupted());
    }
}
