//! Pushing to the Hugging Face hub, and the token in the system's keyring, against a hub on this machine.

#[path = "../../src-tauri/crates/hub/tests/hub_server/mod.rs"]
mod hub_server;

use end_to_end::{Finished, Settings, golden, golden_pairs, tiebreak, told_as_json};
use hub_server::{File, On, Repo, Server, Wrong};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const SECRET: &str = "hf_secretsecretsecret";
const AT: &str = "models/org/tuned/revision/main";
const COMMIT: &str = "0123456789012345678901234567890123456789";

/// The command with this hub, a token, and no keyring: a bus that is not there is asked for one.
fn with<'a>(command: &'a mut Command, server: &Server, folder: &Path) -> &'a mut Command {
    for variable in ["HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "HF_TOKEN_PATH", "HF_HUB_OFFLINE"] {
        command.env_remove(variable);
    }
    command.current_dir(folder).env("NO_PROXY", "*").env("HF_TOKEN", SECRET);
    command.env("DBUS_SESSION_BUS_ADDRESS", format!("unix:path={}", folder.join("no-bus").display()));
    command.env("HF_ENDPOINT", &server.address).env("HF_HOME", folder.join("hf"))
}

/// A short run with held-out pairs.
fn run(folder: &Path) -> PathBuf {
    let settings = Settings::new(folder).set("max_steps", "2").set("beta", "0.25").path("data.eval", &golden_pairs());
    let _ = Finished::run(&mut settings.train()).well();
    settings.output_dir()
}

fn push(server: &Server, folder: &Path, arguments: &[&str]) -> Finished {
    let mut push = told_as_json(folder, "push");
    push.args(arguments);
    Finished::run(with(&mut push, server, folder))
}

fn text(files: &HashMap<String, Vec<u8>>, name: &str) -> String {
    String::from_utf8(files[name].clone()).expect("UTF-8")
}

/// The only line of that type.
fn line(finished: &Finished, kind: &str) -> Value {
    let mut lines = finished.json().into_iter().filter(|line| line["type"] == kind);
    let line = lines.next().unwrap_or_else(|| panic!("no {kind} in:\n{}", finished.stdout));
    assert!(lines.next().is_none());
    line
}

#[test]
fn an_adapter_is_pushed_with_a_card_of_its_run() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (folder, server) = (folder.path(), Server::new(Vec::new()));
    let run = run(folder);
    let arguments = ["--run", "run", "--repo", "org/tuned"];

    // First only shown: nothing is sent.
    let shown = push(&server, folder, &[&arguments[..], &["--dry-run"]].concat()).well();
    let list = line(&shown, "push_list");
    assert_eq!((&list["there"], &list["repo"]), (&json!(false), &json!("org/tuned")));
    assert!(server.requests().iter().all(|request| request.method == "GET"), "nothing is sent");
    assert!(!shown.stdout.contains("\"push\""));

    let pushed = push(&server, folder, &arguments).well();
    let files = server.files(AT);
    let adapter = std::fs::read(run.join("adapter/adapter_model.safetensors")).expect("the adapter");
    assert!(files["adapter_model.safetensors"] == adapter);
    let listed: Vec<(String, u64)> = line(&pushed, "push_list")["files"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|file| (file["path"].as_str().expect("a path").to_owned(), file["bytes"].as_u64().expect("a size")))
        .collect();
    let mut there: Vec<_> = files.iter().map(|(path, bytes)| (path.clone(), bytes.len() as u64)).collect();
    there.retain(|(path, _)| path != ".gitattributes");
    there.sort();
    assert_eq!(listed, there, "what is listed is what is pushed");
    let reply = line(&pushed, "push");
    assert_eq!((&reply["created"], &reply["private"]), (&json!(true), &json!(true)));
    assert_eq!(reply["page"], format!("{}/org/tuned", server.address));
    assert!(pushed.stdout.contains("\"stage\":\"send to the hub\""), "progress is told");

    let card = text(&files, "README.md");
    assert_eq!(card, list["card"].as_str().expect("the card"), "what was shown is what is pushed");
    for part in [
        "library_name: \"peft\"",
        "pipeline_tag: \"text-generation\"",
        "A LoRA adapter in PEFT's format, trained on preference pairs by DPO",
        "Base model: `llama`, a local file or folder that has no name on the hub; SHA-256 of its weights ",
        "PeftModel.from_pretrained(model, \"org/tuned\")",
        "training pairs from `pairs.jsonl`",
        "held-out pairs from `pairs.jsonl`",
        "| beta | 0.25 | 0.1 |",
        "| lora.r | 4 | 16 |",
        "| max_length | 96 | 1024 |",
        "| truncation | keep_start | the same |",
        "2 steps were done. Held-out accuracy (`eval_rewards/accuracies`): ",
        "No evaluation of this adapter against its base was made.",
        "None is named for these weights, and the base model's is not known here.",
    ] {
        assert!(card.contains(part), "{part}\n{card}");
    }
    assert!(!card.contains("license:") && !card.contains("base_model:"), "{card}");
    // The numbers are those of the run's last event, and no path of this machine is told.
    let events = std::fs::read_to_string(run.join("events.jsonl")).expect("the events");
    let eval = events.lines().rev().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let eval = eval.into_iter().find(|event| event["type"] == "eval").expect("held-out pairs");
    let accuracy = format!("{:.1} %", eval["eval_rewards/accuracies"].as_f64().expect("a number") * 100.0);
    let margin = format!("{:+.2}", eval["eval_rewards/margins"].as_f64().expect("a number"));
    assert!(card.contains(&accuracy) && card.contains(&margin), "{accuracy} {margin}\n{card}");
    let private = [folder.display().to_string(), golden("llama").parent().expect("a parent").display().to_string()];
    for (name, bytes) in &files {
        let text = String::from_utf8_lossy(bytes);
        assert!(private.iter().all(|path| !text.contains(path.as_str())), "{name}");
    }
    let config: Value = serde_json::from_slice(&files["adapter_config.json"]).expect("JSON");
    assert_eq!(config["base_model_name_or_path"], "llama");
    // What was exported for it is gone.
    assert!(!run.join("push.partial").exists() && !run.join("push.lock").exists());
    for said in [&pushed.stdout, &pushed.stderr] {
        assert!(!said.contains(SECRET) && !said.contains("Signature"), "{said}");
    }

    // Again: all of it is there.
    server.forget();
    let again = push(&server, folder, &arguments).well();
    assert_eq!(line(&again, "push")["sent"], 0);
    assert!(server.requests().iter().all(|request| request.method == "GET"));
    // The adapter that was pushed is read again as the run's.
    let down = folder.join("down");
    std::fs::create_dir(&down).expect("a folder");
    for (name, bytes) in &files {
        std::fs::write(down.join(name), bytes).expect("a file");
    }
    let mut score = told_as_json(folder, "score");
    score.arg("--model").arg(golden("llama")).arg("--pairs").arg(golden_pairs());
    let _ = Finished::run(score.arg("--adapter").arg(&down)).well();
}

#[test]
fn merged_weights_come_with_their_evaluation_and_a_base_of_the_hub_with_its_name() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let folder = folder.path();
    let entries = std::fs::read_dir(golden("llama")).expect("the golden set").filter_map(Result::ok);
    let files = entries.filter(|entry| entry.path().is_file()).map(|entry| {
        let path = entry.file_name().into_string().expect("UTF-8");
        File { is_large: path.ends_with(".safetensors"), path, bytes: std::fs::read(entry.path()).expect("a file") }
    });
    let facts = json!({ "id": "org/tiny", "cardData": { "license": "mit" } });
    let at = "models/org/tiny/revision/main".to_owned();
    let tiny = Repo { at, commit: COMMIT.to_owned(), files: files.collect(), facts };
    let server = Server::new(vec![tiny]);
    let settings = Settings::new(folder).set("max_steps", "2").set("model", "\"org/tiny\"");
    let _ = Finished::run(with(&mut settings.train(), &server, folder)).well();
    std::fs::write(folder.join("prompts.jsonl"), "{\"prompt\": \"A\"}\n{\"prompt\": \"B\"}\n{\"prompt\": \"C\"}\n")
        .expect("prompts");
    let mut eval = told_as_json(folder, "eval");
    eval.args(["--model", "org/tiny", "--adapter", "run/adapter", "--prompts", "prompts.jsonl", "--judge", "shorter"]);
    eval.args(["--output-dir", "eval", "--run", "run", "--max-new-tokens", "8"]);
    let evaluated = Finished::run(with(&mut eval, &server, folder)).well();
    let summary = line(&evaluated, "eval")["summary"].clone();

    let arguments = ["--run", "run", "--merged", "--dtype", "f32", "--repo", "hf:org/tuned", "--eval", "eval"];
    let pushed = push(&server, folder, &[&arguments[..], &["--public", "--licence", "apache-2.0"]].concat()).well();
    assert_eq!(line(&pushed, "push")["private"], false);
    let files = server.files(AT);
    for name in ["model.safetensors", "config.json", "tokenizer.json", "origin.json"] {
        assert!(files.contains_key(name), "{name}");
    }
    let card = text(&files, "README.md");
    let counts = format!(
        "3 prompts: {} won, {} tied, {} lost, {} without a verdict",
        summary["wins"], summary["ties"], summary["losses"], summary["no_verdict"]
    );
    for part in [
        "base_model: \"org/tiny\"\nbase_model_relation: \"finetune\"\nlibrary_name: \"transformers\"\n",
        "license: \"apache-2.0\"",
        "Merged weights (f32), trained on preference pairs",
        &format!("Base model: [org/tiny](https://huggingface.co/org/tiny) (commit `{COMMIT}`"),
        "Reloaded: log-probabilities of 4 training pairs differ",
        "AutoModelForCausalLM.from_pretrained(\"org/tuned\", dtype=\"auto\")",
        &format!("**{}**", summary["words"].as_str().expect("words")),
        "judge: a rule: ",
        &counts,
        "no pairs were held out",
        "apache-2.0. The base model's: mit.",
    ] {
        assert!(card.contains(part), "{part}\n{card}");
    }
    for (name, bytes) in &files {
        assert!(!String::from_utf8_lossy(bytes).contains(&folder.display().to_string()), "{name}");
    }

    // An evaluation of another adapter stands on no card.
    std::fs::remove_dir_all(folder.join("run")).expect("the run");
    let _ = Finished::run(with(&mut settings.clone().set("seed", "8").train(), &server, folder)).well();
    let other = push(&server, folder, &["--run", "run", "--repo", "org/other", "--eval", "eval"]);
    let _ = other.refused(&["is not of the adapter that the run in run has"]);
}

#[test]
fn pairs_of_a_project_become_a_data_set() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (folder, server) = (folder.path(), Server::new(Vec::new()));
    let rows = "{\"prompt\": \"a\", \"chosen\": \"b\", \"rejected\": \"c\", \"category\": \"x|y\"}\n\
                {\"prompt\": \"d\", \"chosen\": \"e\", \"rejected\": \"f\"}\n";
    std::fs::write(folder.join("mine.jsonl"), rows).expect("pairs");
    let import = ["import", "mine.jsonl", "--project", "p"];
    let _ = Finished::run(tiebreak().args(import).current_dir(folder)).well();
    let pushed = push(&server, folder, &["--project", "p", "--repo", "org/pairs"]).well();
    assert_eq!(line(&pushed, "push")["page"], format!("{}/datasets/org/pairs", server.address));
    let files = server.files("datasets/org/pairs/revision/main");
    let mut names: Vec<_> = files.keys().map(String::as_str).collect();
    names.sort_unstable();
    assert_eq!(names, [".gitattributes", "README.md", "pairs.jsonl", "pairs.parquet"]);
    let card = text(&files, "README.md");
    for part in [
        "  - split: train\n    path: pairs.parquet\n",
        "2 preference pairs, each with a prompt",
        "by origin: imported 2",
        "by file that they were imported from: mine.jsonl 2",
        "by category: none 1, x\\|y 1",
        "0 are messages, 2 plain text",
        "no judgements of annotators stand beside them",
        "load_dataset(\"org/pairs\", split=\"train\")",
        "| category | a label of the project's own |",
        "| votes_tie |",
    ] {
        assert!(card.contains(part), "{part}\n{card}");
    }
    assert!(!card.contains("| tools |") && !card.contains("license:") && !card.contains("single_labels"), "{card}");
    // Demonstrations go beside the pairs, under a name of their own.
    std::fs::write(folder.join("shown.jsonl"), "{\"prompt\": \"g\", \"completion\": \"h\"}\n").expect("a file");
    let import = ["import", "shown.jsonl", "--kind", "demonstrations", "--project", "p"];
    let _ = Finished::run(tiebreak().args(import).current_dir(folder)).well();
    let _ = push(&server, folder, &["--project", "p", "--repo", "org/pairs", "--replace"]).well();
    let files = server.files("datasets/org/pairs/revision/main");
    assert!(text(&files, "demonstrations.jsonl").contains("\"completion\""));
    let card = text(&files, "README.md");
    for part in [
        "- config_name: demonstrations\n  data_files:\n  - split: train\n    path: demonstrations.jsonl\n",
        "1 demonstration in `demonstrations.jsonl`",
        "demonstrations = load_dataset(\"org/pairs\", \"demonstrations\", split=\"train\")",
    ] {
        assert!(card.contains(part), "{part}\n{card}");
    }
    // Without a hub to ask, the card and the list are shown all the same.
    let mut shown = told_as_json(folder, "push");
    shown.args(["--project", "p", "--repo", "org/pairs", "--dry-run"]);
    let shown = Finished::run(with(&mut shown, &server, folder).env("HF_HUB_OFFLINE", "1")).well();
    assert_eq!(line(&shown, "push_list")["there"], Value::Null);
    assert!(shown.stderr.contains("what it holds, is not known"), "{}", shown.stderr);
}

#[test]
fn what_cannot_be_pushed_is_told_before_anything_is_exported() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (folder, server) = (folder.path(), Server::new(Vec::new()));
    let run = run(folder);
    let arguments = ["--run", "run", "--repo", "org/tuned"];
    let pushing = |change: &dyn Fn(&mut Command)| {
        let mut push = tiebreak();
        push.arg("push").args(arguments);
        with(&mut push, &server, folder);
        change(&mut push);
        Finished::run(&mut push)
    };
    let refused = pushing(&|push| {
        push.env_remove("HF_TOKEN");
    });
    let _ = refused.refused(&["there is no access token", "tiebreak login", "HF_TOKEN"]);
    let _ = pushing(&|push| {
        push.env("HF_HUB_OFFLINE", "1");
    })
    .refused(&["HF_HUB_OFFLINE is set"]);
    assert!(server.requests().is_empty());
    let refused = pushing(&|push| {
        push.env("HF_TOKEN", "hf_other");
    })
    .refused(&["does not accept the access token"]);
    assert!(!refused.stderr.contains("hf_other"));
    let name = push(&server, folder, &["--run", "run", "--repo", "tuned"]);
    let _ = name.refused(&["does not say whose it is", "owner/name"]);
    server.fail_on(On::Create, [Wrong::Status(403, "", "You don't have the rights to create a model")]);
    let _ = push(&server, folder, &arguments).refused(&["write to org/tuned: You don't have the rights"]);
    assert!(!run.join("push.partial").exists());

    // What somebody wrote stays, and somebody else's commit too.
    let card = File { path: "README.md".to_owned(), bytes: b"by hand".to_vec(), is_large: false };
    let facts = json!({ "id": "org/tuned", "private": true });
    server.change(|repos| {
        repos.push(Repo { at: AT.to_owned(), commit: COMMIT.to_owned(), files: vec![card.clone()], facts });
    });
    let _ = push(&server, folder, &arguments).refused(&["would be replaced:\n  README.md", "--replace"]);
    assert_eq!(server.files(AT)["README.md"], b"by hand");
    server.fail_on(On::Commit, [Wrong::Status(412, "", "A commit has happened since")]);
    let replace = [&arguments[..], &["--replace"]].concat();
    let _ = push(&server, folder, &replace).refused(&["was changed by somebody else"]);
    let listed = push(&server, folder, &replace).well();
    let files = line(&listed, "push_list")["files"].as_array().expect("a list").clone();
    assert!(files.iter().any(|file| file["path"] == "README.md" && file["change"] == "replaces"));
    assert!(text(&server.files(AT), "README.md").contains("library_name"));
    // A public repository takes nothing without --public.
    server.change(|repos| repos[0].facts["private"] = false.into());
    let _ = push(&server, folder, &arguments).refused(&["everybody can read org/tuned", "--public"]);

    let both = Finished::of(["push", "--run", "a", "--project", "b", "--repo", "o/n"]);
    assert_eq!(both.code, Some(2), "{}", both.stderr);
    assert_eq!(Finished::of(["push", "--repo", "o/n"]).code, Some(2));
}

/// Starts `tiebreak NAME` with a token on standard input.
fn with_token(mut command: Command, token: &str) -> Finished {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let mut stdin = child.stdin.take().expect("a pipe");
    // A program that ends before it reads closes the pipe.
    let _ = stdin.write_all(token.as_bytes());
    drop(stdin);
    child.wait_with_output().expect("the program ends").into()
}

#[test]
#[cfg(target_os = "linux")]
fn without_a_keyring_the_other_places_are_named() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (folder, server) = (folder.path(), Server::new(Vec::new()));
    for name in ["login", "logout"] {
        let mut command = tiebreak();
        with(command.arg(name), &server, folder);
        let refused = with_token(command, SECRET).refused(&["there is no keyring", "HF_TOKEN", "HF_TOKEN_PATH"]);
        assert!(!refused.stderr.contains(SECRET));
    }
    assert!(server.requests().is_empty());
}

/// A Secret Service of its own, on a bus of its own, with a folder of its own: the user's keyring is not touched.
#[test]
#[cfg(target_os = "linux")]
fn a_token_is_kept_in_the_keyring_used_and_forgotten() {
    let there = |program: &str| {
        let paths = std::env::var_os("PATH").unwrap_or_default();
        std::env::split_paths(&paths).any(|folder| folder.join(program).is_file())
    };
    if !there("dbus-run-session") || !there("gnome-keyring-daemon") {
        println!(
            "left out: a token in the system's keyring, as dbus-run-session and gnome-keyring-daemon are not installed"
        );
        return;
    }
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (folder, server) = (folder.path(), Server::new(Vec::new()));
    let script = "echo -n pw | gnome-keyring-daemon --unlock --components=secrets > /dev/null || exit 9\n\
                  printf '%s\\n' \"$TOKEN\" | \"$0\" login --json || exit 1\n\
                  printf hf_wrong | \"$0\" login && exit 2\n\
                  \"$0\" push --project p --repo org/pairs --json || exit 3\n\
                  \"$0\" logout --json || exit 4\n\
                  \"$0\" logout --json || exit 5\n\
                  \"$0\" push --project p --repo org/pairs && exit 6\n\
                  exit 0";
    std::fs::write(folder.join("pairs.jsonl"), "{\"prompt\": \"a\", \"chosen\": \"b\", \"rejected\": \"c\"}\n")
        .expect("pairs");
    let import = ["import", "pairs.jsonl", "--project", "p"];
    let _ = Finished::run(tiebreak().args(import).current_dir(folder)).well();
    let mut session = Command::new("dbus-run-session");
    with(&mut session, &server, folder).env_remove("DBUS_SESSION_BUS_ADDRESS").env_remove("HF_TOKEN");
    let runtime = folder.join("runtime");
    std::fs::create_dir(&runtime).expect("a folder");
    session.env("XDG_RUNTIME_DIR", &runtime).env("XDG_DATA_HOME", folder.join("data")).env("TOKEN", SECRET);
    session.args(["--", "sh", "-c", script]).arg(tiebreak().get_program());
    let finished = Finished::run(&mut session);
    assert_eq!(finished.code, Some(0), "{}\n{}", finished.stdout, finished.stderr);
    let lines = finished.json();
    let login = lines.iter().find(|line| line["type"] == "login").expect("a reply");
    assert_eq!((&login["account"], &login["role"]), (&json!("somebody"), &json!("write")));
    let logouts: Vec<_> = lines.iter().filter(|line| line["type"] == "logout").map(|line| &line["forgotten"]).collect();
    assert_eq!(logouts, [&json!(true), &json!(false)]);
    assert!(server.files("datasets/org/pairs/revision/main").contains_key("pairs.jsonl"));
    assert!(finished.stderr.contains("there is no access token"), "{}", finished.stderr);
    assert!(!finished.stdout.contains(SECRET) && !finished.stderr.contains(SECRET));
}
