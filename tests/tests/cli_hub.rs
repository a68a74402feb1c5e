//! Models and data of the Hugging Face hub by name, wherever a path is asked for, against a hub on this machine.

#[path = "../../src-tauri/crates/hub/tests/hub_server/mod.rs"]
mod hub_server;

use end_to_end::{Finished, Settings, golden, golden_pairs, tiebreak, told_as_json};
use hub_server::{Fault, File, Repo, Server};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::Command;

const COMMIT: &str = "0123456789012345678901234567890123456789";
const LATER: &str = "abcdefabcdefabcdefabcdefabcdefabcdefabcd";

/// The golden Llama as a repository of the hub, and the golden pairs as another.
fn hub() -> Server {
    let entries = std::fs::read_dir(golden("llama")).expect("the golden set");
    let files = entries.filter_map(Result::ok).filter(|entry| entry.path().is_file()).map(|entry| {
        let path = entry.file_name().into_string().expect("UTF-8");
        let bytes = std::fs::read(entry.path()).expect("a file");
        File { is_large: path.ends_with(".safetensors"), path, bytes }
    });
    let repo = |at: &str, files| Repo { at: at.to_owned(), commit: COMMIT.to_owned(), files, facts: json!({}) };
    let bytes = std::fs::read(golden_pairs()).expect("the golden pairs");
    let pairs = vec![File { path: "pairs.jsonl".to_owned(), bytes, is_large: false }];
    let gguf = ["q4.gguf", "q8.gguf"].map(|path| File { path: path.to_owned(), bytes: vec![0; 2000], is_large: true });
    let files: Vec<File> = files.collect();
    let mut other = files.clone();
    for file in other.iter_mut().filter(|file| file.path == "config.json") {
        file.bytes = br#"{"model_type": "mamba"}"#.to_vec();
    }
    Server::new(vec![
        repo("models/org/other/revision/main", other),
        repo("models/org/tiny/revision/main", files),
        repo("models/org/gguf/revision/main", gguf.into()),
        repo("datasets/org/pairs/revision/main", pairs),
    ])
}

/// The command with this hub, and an empty cache in the folder.
fn with<'a>(command: &'a mut Command, server: &Server, folder: &Path) -> &'a mut Command {
    for variable in ["HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "HF_TOKEN", "HF_TOKEN_PATH", "HF_HUB_OFFLINE"] {
        command.env_remove(variable);
    }
    command.current_dir(folder).env("NO_PROXY", "*");
    command.env("HF_ENDPOINT", &server.address).env("HF_HOME", folder.join("hf"))
}

fn snapshot(folder: &Path) -> PathBuf {
    folder.join("hf/hub/models--org--tiny/snapshots").join(COMMIT)
}

fn scores(finished: &Finished) -> Vec<Value> {
    finished.json().into_iter().filter(|line| line["type"] == "pair").collect()
}

#[test]
fn a_model_and_data_by_name_are_those_by_path() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (folder, server) = (folder.path(), hub());
    let score = |model: &Path, pairs: &Path, offline: &str| {
        let mut score = told_as_json(folder, "score");
        score.arg("--model").arg(model).arg("--pairs").arg(pairs);
        Finished::run(with(&mut score, &server, folder).env("HF_HUB_OFFLINE", offline))
    };
    let by_path = scores(&score(&golden("llama"), &golden_pairs(), "0").well());
    let data = Path::new("hf:datasets/org/pairs:pairs.jsonl");
    let first = score(Path::new("org/tiny"), data, "0").well();
    assert_eq!(scores(&first), by_path);
    assert!(first.stdout.contains("download model"), "progress is told:\n{}", first.stdout);
    for said in [format!("the model is hf:org/tiny@{COMMIT}"), format!("hf:datasets/org/pairs@{COMMIT}:pairs.jsonl")] {
        assert!(first.stderr.contains(&said), "{}", first.stderr);
    }
    assert!(snapshot(folder).join("model.safetensors").is_file());

    // Without the network, by the names that were told.
    server.forget();
    let data = format!("hf:datasets/org/pairs@{COMMIT}:pairs.jsonl");
    let again = score(Path::new(&format!("hf:org/tiny@{COMMIT}")), Path::new(&data), "1").well();
    assert_eq!(scores(&again), by_path);
    assert!(server.requests().is_empty());
}

#[test]
fn a_run_stays_with_the_commits_that_it_began_with() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (folder, server) = (folder.path(), hub());
    let settings = Settings::new(folder)
        .set("model", "\"org/tiny\"")
        .set("data.train", "\"hf:datasets/org/pairs:pairs.jsonl\"")
        .set("resume_from_checkpoint", "true");
    let train = |settings: &Settings| Finished::run(with(&mut settings.train(), &server, folder));
    let _ = train(&settings).well();
    let config = std::fs::read_to_string(settings.output_dir().join("config.toml")).expect("the run's settings");
    assert!(config.contains(&format!("models--org--tiny/snapshots/{COMMIT}")), "{config}");
    assert!(config.contains(&format!("datasets--org--pairs/snapshots/{COMMIT}/pairs.jsonl")), "{config}");

    // The branches go on; the run does not go with them.
    server.change(|repos| {
        for repo in repos {
            LATER.clone_into(&mut repo.commit);
            repo.files.iter_mut().for_each(|file| file.bytes.push(b'\n'));
        }
    });
    server.forget();
    let again = train(&settings).well();
    assert!(again.stderr.contains(&format!("the model is hf:org/tiny@{COMMIT}")), "{}", again.stderr);
    assert_eq!(server.sent(), 0);
    // What asks for another one is refused.
    let other = settings.clone().set("model", "\"hf:org/tiny@main\"");
    let _ = train(&other).refused(&[&format!("snapshots/{COMMIT}"), &format!("snapshots/{LATER}")]);
    // Nor is a path in the file's folder that is not there taken for a name.
    std::fs::create_dir(folder.join("models")).expect("a folder");
    let lost = settings.clone().set("model", "\"models/lost\"");
    let _ = train(&lost).refused(&["two ways", "hf:models/lost"]);
    // The cache may be emptied meanwhile: the commit is fetched again, where the hub still has it.
    server.change(|repos| {
        *repos = hub_repos_at_commit(repos);
    });
    std::fs::remove_dir_all(folder.join("hf")).expect("the cache can be removed");
    let _ = train(&settings).well();
    assert!(snapshot(folder).join("model.safetensors").is_file());
}

/// The repositories as they were, by their commit.
fn hub_repos_at_commit(repos: &[Repo]) -> Vec<Repo> {
    let mut repos = repos.to_vec();
    for repo in &mut repos {
        repo.at = repo.at.replace("revision/main", &format!("revision/{COMMIT}"));
        COMMIT.clone_into(&mut repo.commit);
        repo.files.iter_mut().for_each(|file| {
            file.bytes.pop();
        });
    }
    repos
}

#[test]
fn what_cannot_be_had_is_told_with_a_remedy() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (folder, server) = (folder.path(), hub());
    std::fs::create_dir(folder.join("models")).expect("a folder");
    let check = |model: &str, variables: &[(&str, &str)]| {
        let mut check = tiebreak();
        check.arg("check").arg("--pairs").arg(golden_pairs()).args(["--model", model]);
        check.env("TIEBREAK_CACHE", folder.join("cache"));
        Finished::run(with(&mut check, &server, folder).envs(variables.iter().copied()))
    };
    let _ = check("org/none", &[]).refused(&["no repository org/none", "HF_TOKEN"]);
    let _ = check("models/lost", &[]).refused(&["two ways", "hf:models/lost", "./models/lost"]);
    let _ = check("./models/lost", &[]).refused(&["there is no model at ./models/lost"]);
    let _ = check("hf:org/gguf", &[]).refused(&["hf:org/gguf:q4.gguf  (2.0 kB)", "hf:org/gguf:q8.gguf"]);
    let _ = check("org/tiny", &[("HF_HUB_OFFLINE", "1")]).refused(&["HF_HUB_OFFLINE is set", "Unset"]);
    server.forget();
    let _ = check("org/other", &[]).refused(&["mamba", "nothing of its weights was fetched"]);
    assert!(server.requests().iter().all(|request| !request.path.ends_with("model.safetensors")));
    let secret = "hf_neverseenanywhere";
    server.fail_api([Fault::Status(403, "X-Error-Code: GatedRepo\r\n")]);
    let gated = check("org/tiny", &[("HF_TOKEN", secret)]).refused(&["org/tiny is given only", "Accept the terms on"]);
    assert!(!format!("{gated:?}").contains(secret));
    let _ = check("hf:datasets/org/pairs", &[]).refused(&["names a data set, and a model is wanted"]);
}
