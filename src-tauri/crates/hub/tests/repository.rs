//! Models and data sets by name, against a server that speaks the hub's protocol and breaks it.
#![allow(clippy::unwrap_used, missing_docs)]

mod hub_server;

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use hub::repository::{FetchedData, FetchedModel, Hub, HubError, Moment, Patience, Settings, Token, Watch};
use hub_server::{Fault, File, Repo, Server, git_blob, sha256};
use serde_json::json;

const COMMIT: &str = "0123456789012345678901234567890123456789";
const LATER: &str = "abcdefabcdefabcdefabcdefabcdefabcdefabcd";
const SECRET: &str = "hf_secretsecretsecret";

/// Set for the child that fetches and is killed.
const CHILD: &str = "TIEBREAK_TEST_REPOSITORY";

fn weights() -> Vec<u8> {
    (0..1_000_000_u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect()
}

fn small(path: &str, text: &str) -> File {
    File { path: path.to_owned(), bytes: text.as_bytes().to_vec(), is_large: false }
}

fn large(path: &str, bytes: Vec<u8>) -> File {
    File { path: path.to_owned(), bytes, is_large: true }
}

fn repo(at: &str, files: Vec<File>) -> Repo {
    Repo { at: at.to_owned(), commit: COMMIT.to_owned(), files, facts: json!({}) }
}

fn model() -> Repo {
    let files = vec![
        small("config.json", r#"{"model_type": "llama"}"#),
        small("tokenizer.json", "{}"),
        small("tokenizer_config.json", "{\n}"),
        small("README.md", "not fetched"),
        large("pytorch_model.bin", vec![1; 10]),
        large("model.safetensors", weights()),
    ];
    Repo {
        facts: json!({ "id": "org/tiny", "gated": false, "cardData": { "license": "mit" },
            "config": { "architectures": ["LlamaForCausalLM"], "model_type": "llama" } }),
        ..repo("models/org/tiny/revision/main", files)
    }
}

struct Scene {
    server: Server,
    folder: tempfile::TempDir,
    settings: Settings,
}

impl Scene {
    fn new(repos: Vec<Repo>) -> Self {
        let server = Server::new(repos);
        let folder = tempfile::tempdir().unwrap();
        let settings = Settings {
            endpoint: server.address.clone(),
            cache: folder.path().join("hub"),
            token: None,
            offline: false,
            patience: Patience {
                attempts: 3,
                first: Duration::from_millis(20),
                longest: Duration::from_secs(3),
                silence: Duration::from_millis(500),
            },
        };
        Self { server, folder, settings }
    }

    fn hub(&self) -> Hub {
        Hub::new(self.settings.clone())
    }

    fn model(&self, name: &str) -> Result<FetchedModel, HubError> {
        let stop = AtomicBool::new(false);
        self.hub().model(&name.parse()?, &mut Watch { report: &mut |_| {}, stop: &stop })
    }

    fn dataset(&self, name: &str) -> Result<FetchedData, HubError> {
        let stop = AtomicBool::new(false);
        self.hub().dataset(&name.parse()?, &mut Watch { report: &mut |_| {}, stop: &stop })
    }

    fn in_cache(&self, path: &str) -> PathBuf {
        self.settings.cache.join("models--org--tiny").join(path)
    }

    /// What the server is asked for next.
    fn paths(&self) -> Vec<String> {
        self.server.requests().into_iter().map(|request| request.path).collect()
    }
}

#[test]
fn a_model_comes_whole_into_the_cache_where_other_programs_look() {
    let scene = Scene::new(vec![model()]);
    let fetched = scene.model("hf:org/tiny").unwrap();
    assert_eq!(fetched.path, scene.in_cache("snapshots").join(COMMIT));
    assert_eq!(fetched.name.to_string(), format!("hf:org/tiny@{COMMIT}"));
    assert_eq!(std::fs::read(fetched.path.join("model.safetensors")).unwrap(), weights());
    let mut names: Vec<_> = std::fs::read_dir(&fetched.path).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"]);

    assert_eq!(std::fs::read_to_string(scene.in_cache("refs/main")).unwrap(), COMMIT);
    assert!(scene.in_cache("blobs").join(sha256(&weights())).is_file());
    assert!(scene.in_cache("blobs").join(git_blob(b"{}")).is_file());
    assert!(scene.in_cache(".no_exist").join(COMMIT).join("chat_template.jinja").is_file());
    #[cfg(unix)]
    assert_eq!(
        std::fs::read_link(fetched.path.join("tokenizer.json")).unwrap(),
        PathBuf::from(format!("../../blobs/{}", git_blob(b"{}")))
    );

    // Again: only the branch is asked for, and a commit not even that.
    scene.server.forget();
    assert_eq!(scene.model("hf:org/tiny").unwrap().fetched, 0);
    assert_eq!(scene.paths(), ["/api/models/org/tiny/revision/main?blobs=true"]);
    scene.server.forget();
    assert_eq!(scene.model(&format!("hf:org/tiny@{COMMIT}")).unwrap(), FetchedModel { fetched: 0, ..fetched });
    assert!(scene.paths().is_empty());
}

#[test]
fn what_a_model_is_is_known_before_it_is_fetched() {
    let scene = Scene::new(vec![model()]);
    let stop = AtomicBool::new(false);
    let name = "hf:org/tiny".parse().unwrap();
    let (facts, needs) = scene.hub().model_facts(&name, &mut Watch { report: &mut |_| {}, stop: &stop }).unwrap();
    assert_eq!((facts.licence.as_deref(), facts.model_type.as_deref()), (Some("mit"), Some("llama")));
    assert_eq!(needs.weights, ["model.safetensors"]);
    assert_eq!(scene.server.sent(), 0);
    assert!(!scene.settings.cache.exists());
}

#[test]
fn a_new_commit_of_the_branch_shares_what_has_not_changed() {
    let scene = Scene::new(vec![model()]);
    let first = scene.model("hf:org/tiny").unwrap();
    scene.server.change(|repos| {
        repos[0].commit = LATER.to_owned();
        repos[0].files[1].bytes = b"{\"new\": 1}".to_vec();
    });
    scene.server.forget();
    let second = scene.model("hf:org/tiny").unwrap();
    assert_eq!((second.fetched, second.name.revision()), (10, LATER));
    assert_eq!(scene.server.sent(), 10);
    assert_ne!(first.path, second.path);
    // What was fetched first is still what it was.
    assert_eq!(std::fs::read(first.path.join("tokenizer.json")).unwrap(), b"{}");
    assert_eq!(scene.model(&first.name.to_string()).unwrap().path, first.path);
}

#[test]
fn a_connection_that_breaks_off_is_resumed_and_no_byte_comes_twice() {
    let scene = Scene::new(vec![model()]);
    // The three small files come first.
    let whole = Fault::Cut(usize::MAX);
    let cut = [Fault::Cut(300_000), Fault::Cut(0), Fault::Cut(250_000), Fault::Stall(100_000)];
    scene.server.fail([whole.clone(), whole.clone(), whole].into_iter().chain(cut));
    let mut last = (0, 0);
    let stop = AtomicBool::new(false);
    let mut report = |moment: Moment<'_>| {
        if let Moment::Fetching { done, total, .. } = moment {
            assert!(done <= total && done >= last.0);
            last = (done, total);
        }
    };
    let name = "hf:org/tiny".parse().unwrap();
    let fetched = scene.hub().model(&name, &mut Watch { report: &mut report, stop: &stop }).unwrap();
    assert_eq!(std::fs::read(fetched.path.join("model.safetensors")).unwrap(), weights());
    let asked: Vec<_> =
        scene.server.requests().into_iter().filter(|request| request.elsewhere).map(|request| request.from).collect();
    let at = |bytes| Some(bytes);
    assert_eq!(asked, [None, at(300_000), at(300_000), at(550_000), at(650_000)]);
    assert_eq!(scene.server.sent() as u64, fetched.fetched);
    assert_eq!(last, (fetched.fetched, fetched.fetched));
}

#[test]
fn a_connection_that_brings_nothing_more_is_given_up_and_what_came_stays() {
    let scene = Scene::new(vec![repo("models/org/tiny/revision/main", vec![large("a.gguf", weights())])]);
    scene.server.fail([Fault::Cut(400_000), Fault::Cut(0), Fault::Cut(0), Fault::Cut(0)]);
    let error = scene.model("hf:org/tiny").unwrap_err();
    let text = error.to_string();
    assert!(text.starts_with("the connection broke off at 400 kB of 1.0 MB of a.gguf"), "{text}");
    scene.server.forget();
    assert_eq!(scene.model("hf:org/tiny").unwrap().fetched, 600_000);
    assert_eq!(scene.server.sent(), 600_000);
}

#[test]
fn a_server_that_lies_is_found_out() {
    let gguf = || Scene::new(vec![repo("models/org/tiny/revision/main", vec![large("a.gguf", weights())])]);
    for (faults, said) in [
        (vec![Fault::Length(999_999)], "it should have 1000000 bytes, and the server has 999999"),
        (vec![Fault::Length(1_000_001)], "it should have 1000000 bytes, and the server has 1000001"),
        (vec![Fault::Corrupt], "its hash should be "),
        (vec![Fault::Cut(5), Fault::WrongRange], "byte 5 was asked for and byte 4 came"),
        (vec![Fault::Cut(5), Fault::Status(416, "")], "the server has no byte 5"),
    ] {
        let scene = gguf();
        scene.server.fail(faults.clone());
        let error = scene.model("hf:org/tiny").unwrap_err();
        assert!(matches!(error, HubError::Damaged { .. }) && error.to_string().contains(said), "{faults:?}: {error}");
        assert!(!scene.in_cache("snapshots").exists(), "nothing has a final name");
        assert!(scene.model("hf:org/tiny").is_ok(), "the next attempt may go well");
    }
    // What came before and is wrong is fetched anew, without a word.
    let scene = gguf();
    scene.server.fail([Fault::Corrupt, Fault::Cut(0)]);
    std::fs::create_dir_all(scene.in_cache("blobs")).unwrap();
    std::fs::write(scene.in_cache("blobs").join(format!("{}.incomplete", sha256(&weights()))), [7; 1000]).unwrap();
    let fetched = scene.model("hf:org/tiny").unwrap();
    assert_eq!(std::fs::read(fetched.path).unwrap(), weights());
}

#[test]
fn a_server_without_ranges_sends_the_whole_file_again() {
    let scene = Scene::new(vec![repo("models/org/tiny/revision/main", vec![large("a.gguf", weights())])]);
    scene.server.fail([Fault::Cut(400_000), Fault::NoRange]);
    let fetched = scene.model("hf:org/tiny").unwrap();
    assert_eq!(std::fs::read(fetched.path).unwrap(), weights());
    assert_eq!(scene.server.sent(), 1_400_000);
}

#[test]
fn the_token_goes_to_the_hub_and_nowhere_else() {
    let mut scene = Scene::new(vec![model()]);
    scene.settings.token = Token::new(SECRET, "HF_TOKEN").unwrap();
    scene.model("hf:org/tiny").unwrap();
    let requests = scene.server.requests();
    assert!(requests.iter().any(|request| request.elsewhere));
    for request in requests {
        let expected = (!request.elsewhere).then(|| format!("Bearer {SECRET}"));
        assert_eq!(request.token, expected, "{}", request.path);
    }
}

#[test]
fn every_refusal_is_a_sentence_with_a_remedy_and_without_the_token() {
    let name = "hf:org/tiny@main";
    for (fault, with_token, code, said, hint) in [
        (Fault::Status(401, ""), false, "hub_not_found", "no repository org/tiny", "HF_TOKEN"),
        (Fault::Status(401, ""), true, "hub_access", "does not accept the access token", "settings/tokens"),
        (Fault::Status(401, "X-Error-Code: RepoNotFound\r\n"), true, "hub_not_found", "owner of this token", "account"),
        (Fault::Status(401, "X-Error-Code: GatedRepo\r\n"), false, "hub_gated", "let in", "Accept the terms on http"),
        (Fault::Status(403, "X-Error-Code: GatedRepo\r\n"), true, "hub_gated", "let in", "/org/tiny with the account"),
        (Fault::Status(403, ""), true, "hub_access", "forbids access", "may read this repository"),
        (
            Fault::Status(404, "X-Error-Code: RepoNotFound\r\n"),
            false,
            "hub_not_found",
            "no repository",
            "Check the name",
        ),
        (Fault::Status(404, "X-Error-Code: RevisionNotFound\r\n"), false, "hub_not_found", "commit `main`", "branches"),
        (Fault::Status(429, "Retry-After: 3600\r\n"), false, "hub_network", "asks to wait 3600 s", "Wait that long"),
        (Fault::Status(418, ""), false, "hub_network", "(418)", "Try again later"),
    ] {
        let mut scene = Scene::new(vec![model()]);
        scene.settings.token = with_token.then(|| Token::new(SECRET, "HF_TOKEN").unwrap().unwrap());
        scene.server.fail_api([fault.clone()]);
        let error = scene.model(name).unwrap_err();
        let text = error.to_string();
        assert_eq!(error.code(), code, "{fault:?}: {text}");
        assert!(text.contains(said) && error.hint().contains(hint), "{fault:?}: {text}: {}", error.hint());
        assert!(!format!("{text} {error:?} {}", error.hint()).contains(SECRET));
    }
    // Facts are shown of a gated repository, its files are not.
    let scene = Scene::new(vec![Repo { files: vec![small("a.gguf", "x")], ..model() }]);
    scene.server.fail([Fault::Status(403, "X-Error-Code: GatedRepo\r\n")]);
    assert_eq!(scene.model(name).unwrap_err().code(), "hub_gated");
    let text = scene.model("hf:org/tiny:b.gguf").unwrap_err().to_string();
    assert_eq!(text, "org/tiny has no file b.gguf at `main`");
    let text = scene.model("hf:org/other").unwrap_err().to_string();
    assert_eq!(text, "the hub shows no repository org/other");
}

#[test]
fn what_passes_is_waited_for() {
    let scene = Scene::new(vec![model()]);
    scene.server.fail_api([Fault::Status(500, ""), Fault::Status(429, "Retry-After: 1\r\n")]);
    scene.server.fail([Fault::Status(503, ""), Fault::Status(429, "")]);
    let (began, stop) = (Instant::now(), AtomicBool::new(false));
    let mut waits = Vec::new();
    let mut report = |moment: Moment<'_>| {
        if let Moment::Waiting(why) = moment {
            waits.push(why.to_owned());
        }
    };
    let name = "hf:org/tiny".parse().unwrap();
    scene.hub().model(&name, &mut Watch { report: &mut report, stop: &stop }).unwrap();
    assert!(began.elapsed() >= Duration::from_secs(1), "the second that was asked for is waited");
    assert_eq!(waits.len(), 4);
    assert!(waits[0].contains("127.0.0.1 answers with an error of its own (500); trying again"), "{waits:?}");
    assert!(waits[1].contains("asks to wait 1 s"), "{waits:?}");

    // A server that stays broken is given up.
    let scene = Scene::new(vec![model()]);
    scene.server.fail_api([Fault::Status(500, ""), Fault::Status(502, ""), Fault::Status(504, "")]);
    assert!(matches!(scene.model("hf:org/tiny"), Err(HubError::Server { status: 504, .. })));
}

#[test]
fn no_network_and_an_address_of_something_else_are_told() {
    let mut scene = Scene::new(Vec::new());
    // Nobody listens on the discard port.
    "http://127.0.0.1:9".clone_into(&mut scene.settings.endpoint);
    let error = scene.model("hf:org/tiny").unwrap_err();
    assert!(error.to_string().starts_with("127.0.0.1 cannot be reached: "), "{error}");
    assert!(error.hint().contains("HF_ENDPOINT") && error.hint().contains("HF_HUB_OFFLINE=1"));

    let facts = json!({ "siblings": "none" });
    let scene = Scene::new(vec![Repo { facts, ..model() }]);
    assert!(matches!(scene.model("hf:org/tiny"), Err(HubError::Answer { .. })));
}

#[test]
fn offline_only_the_cache_is_used() {
    let mut scene = Scene::new(vec![model()]);
    scene.settings.offline = true;
    let error = scene.model("hf:org/tiny").unwrap_err();
    assert!(error.to_string().contains("no commit of `main` was fetched"), "{error}");
    assert!(error.hint().contains("Unset HF_HUB_OFFLINE"));

    scene.settings.offline = false;
    let fetched = scene.model("hf:org/tiny").unwrap();
    scene.settings.offline = true;
    scene.server.forget();
    let again = scene.model("hf:org/tiny").unwrap();
    assert_eq!(again, FetchedModel { fetched: 0, ..fetched.clone() });
    assert_eq!(again.notes, [""; 0]);

    // Another program may have fetched less, and not asked what else there is.
    std::fs::remove_dir_all(scene.in_cache(".no_exist")).unwrap();
    let notes = scene.model("hf:org/tiny").unwrap().notes;
    assert!(
        notes[0].contains("also has generation_config.json") && notes[0].contains("chat_template.jinja"),
        "{notes:?}"
    );
    std::fs::remove_file(fetched.path.join("model.safetensors")).unwrap();
    let error = scene.model("hf:org/tiny").unwrap_err().to_string();
    assert!(error.contains("neither safetensors nor GGUF"), "{error}");
    assert!(scene.paths().is_empty());
}

#[test]
fn shards_are_those_that_the_index_names() {
    let shard = |at| large(&format!("model-0000{at}-of-00002.safetensors"), vec![at; 5000]);
    let index = |second: &str| {
        let map = json!({ "weight_map": { "a": "model-00001-of-00002.safetensors", "b": second } });
        small("model.safetensors.index.json", &map.to_string())
    };
    let mut good = model();
    good.files.truncate(3);
    good.files.extend([shard(1), shard(2), index("model-00002-of-00002.safetensors")]);
    let mut scene = Scene::new(vec![good.clone()]);
    let fetched = scene.model("hf:org/tiny").unwrap();
    assert_eq!(std::fs::read(fetched.path.join("model-00002-of-00002.safetensors")).unwrap(), [2; 5000]);
    std::fs::remove_file(fetched.path.join("model-00002-of-00002.safetensors")).unwrap();
    assert_eq!(scene.hub().model_here(&"hf:org/tiny".parse().unwrap()), None);
    scene.settings.offline = true;
    let error = scene.model("hf:org/tiny").unwrap_err().to_string();
    assert!(error.contains("model-00002-of-00002.safetensors is missing"), "{error}");

    good.files.pop();
    good.files.push(index("lost.safetensors"));
    let error = Scene::new(vec![good]).model("hf:org/tiny").unwrap_err().to_string();
    assert_eq!(error, "org/tiny cannot be used: lost.safetensors is missing");
}

#[test]
fn the_models_in_the_cache_are_listed_each_file_once_and_whole_ones_alone() {
    let part = |at| large(&format!("b-0000{at}-of-00002.gguf"), vec![at; 5000]);
    let files = || vec![large("a.gguf", weights()), part(1), part(2)];
    let scene = Scene::new(vec![model(), repo("models/org/parts/revision/main", files())]);
    assert!(scene.hub().models_here().is_empty());
    scene.model("hf:org/tiny").unwrap();
    scene.model("hf:org/parts:b-00001-of-00002.gguf").unwrap();
    let names = || -> Vec<String> { scene.hub().models_here().iter().map(|model| model.name.to_string()).collect() };
    let [parts, tiny] = <[String; 2]>::try_from(names()).unwrap();
    assert!(parts.starts_with("hf:org/parts@") && parts.ends_with(":b-00001-of-00002.gguf"), "{parts}");
    assert!(tiny.starts_with("hf:org/tiny@"), "{tiny}");
    scene.model("hf:org/parts:a.gguf").unwrap();
    assert_eq!(names().len(), 3);
    // A part that is gone, and a folder of something else.
    let second =
        scene.model("hf:org/parts:b-00001-of-00002.gguf").unwrap().path.with_file_name("b-00002-of-00002.gguf");
    std::fs::remove_file(second).unwrap();
    std::fs::create_dir_all(scene.hub().cache().join("models--org--none/snapshots/nothing")).unwrap();
    std::fs::create_dir_all(scene.hub().cache().join("models----")).unwrap();
    assert_eq!(names().len(), 2);
}

#[test]
fn a_disk_without_room_is_told_before_anything_comes() {
    let huge = json!({ "siblings": [{ "rfilename": "a.gguf", "size": 0,
        "lfs": { "sha256": "a".repeat(64), "size": 1_u64 << 60 } }] });
    let scene = Scene::new(vec![Repo { facts: huge, ..model() }]);
    let error = scene.model("hf:org/tiny").unwrap_err();
    assert!(matches!(error, HubError::DiskFull { needed, .. } if needed == 1 << 60), "{error}");
    assert!(error.to_string().contains("are needed in") && error.hint().contains("HF_HUB_CACHE"), "{error}");
    assert_eq!(scene.paths().len(), 1);
}

#[test]
fn two_fetches_at_once_fetch_each_file_once() {
    let scene = Scene::new(vec![model()]);
    let results: Vec<_> = std::thread::scope(|scope| {
        let fetches: Vec<_> = (0..4).map(|_| scope.spawn(|| scene.model("hf:org/tiny"))).collect();
        fetches.into_iter().map(|fetch| fetch.join().unwrap().unwrap()).collect()
    });
    assert!(results.iter().all(|fetched| fetched.path == results[0].path));
    assert_eq!(scene.server.sent() as u64, results.iter().map(|fetched| fetched.fetched).sum::<u64>());
    assert_eq!(scene.server.sent(), 1_000_000 + 2 + 3 + 23);
}

#[test]
fn a_fetch_is_stopped_and_resumed() {
    let scene = Scene::new(vec![repo("models/org/tiny/revision/main", vec![large("a.gguf", weights())])]);
    let stop = AtomicBool::new(false);
    let mut report = |moment: Moment<'_>| {
        if matches!(moment, Moment::Fetching { done, .. } if done > 100_000) {
            stop.store(true, std::sync::atomic::Ordering::Relaxed);
        }
    };
    let name = "hf:org/tiny".parse().unwrap();
    let stopped = scene.hub().model(&name, &mut Watch { report: &mut report, stop: &stop });
    assert!(matches!(stopped, Err(HubError::Cancelled)));
    let rest = scene.model("hf:org/tiny").unwrap().fetched;
    assert!((1..900_000).contains(&rest), "{rest}");
}

/// Not a test of its own: what the process of the next test runs.
#[test]
fn child() {
    if std::env::var_os(CHILD).is_none() {
        return;
    }
    let mut told = 0;
    let mut report = |moment: Moment<'_>| {
        if let Moment::Fetching { done, .. } = moment
            && done >= told + 100_000
        {
            told = done;
            println!("fetched: {}", done / 100_000);
        }
    };
    let stop = AtomicBool::new(false);
    let name = "hf:org/tiny".parse().unwrap();
    Hub::from_environment().unwrap().model(&name, &mut Watch { report: &mut report, stop: &stop }).unwrap();
}

#[test]
fn a_fetch_that_is_killed_is_resumed() {
    let scene = Scene::new(vec![repo("models/org/tiny/revision/main", vec![large("a.gguf", weights())])]);
    scene.server.fail([Fault::Stall(700_000)]);
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", "child", "--nocapture"]).env(CHILD, "1").env("NO_PROXY", "*");
    child.env("HF_ENDPOINT", &scene.server.address).env("HF_HOME", scene.folder.path());
    for variable in ["HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "HF_TOKEN", "HF_HUB_OFFLINE", "HF_TOKEN_PATH"] {
        child.env_remove(variable);
    }
    let mut child = child.stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    let far = |line: String| line.rsplit_once("fetched: ").is_some_and(|(_, part)| ["4", "5", "6"].contains(&part));
    assert!(lines.any(far), "the child got into the download");
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(!scene.in_cache("snapshots").exists());
    let fetched = scene.model("hf:org/tiny").unwrap();
    assert!((300_000..=600_000).contains(&fetched.fetched), "{}", fetched.fetched);
    assert_eq!(std::fs::read(fetched.path).unwrap(), weights());
}

#[test]
fn the_hubs_parquet_of_a_split_is_fetched() {
    let shards = ["default/train/0000.parquet", "default/train/0001.parquet", "default/test/0000.parquet"];
    let files = shards.iter().enumerate().map(|(at, path)| large(path, vec![at as u8; 3000])).collect();
    let own = vec![small("README.md", "x"), large("data/own.jsonl.gz", vec![9; 50])];
    let mut scene = Scene::new(vec![
        repo("datasets/org/pairs/revision/refs/convert/parquet", files),
        Repo { commit: LATER.to_owned(), ..repo("datasets/org/pairs/revision/main", own.clone()) },
        Repo { commit: LATER.to_owned(), ..repo("datasets/org/raw/revision/main", own) },
    ]);
    let error = scene.dataset("hf:datasets/org/pairs").unwrap_err().to_string();
    assert!(error.contains("hf:datasets/org/pairs:default/test  (3.0 kB)"), "{error}");
    let data = scene.dataset("hf:datasets/org/pairs:train").unwrap();
    assert_eq!(data.name.to_string(), format!("hf:datasets/org/pairs@{COMMIT}:default/train"));
    assert_eq!(data.paths.len(), 2);
    assert!(data.paths[1].ends_with("default/train/0001.parquet"));
    assert_eq!(std::fs::read(&data.paths[1]).unwrap(), [1; 3000]);
    assert_eq!(scene.server.sent(), 6000);
    scene.server.forget();
    scene.settings.offline = true;
    assert_eq!(scene.dataset("hf:datasets/org/pairs:train").unwrap().paths, data.paths);
    assert_eq!(scene.dataset(&data.name.to_string()).unwrap().paths, data.paths);
    assert!(scene.dataset("hf:datasets/org/pairs:default/test").unwrap_err().to_string().contains("leaves open"));
    assert!(scene.paths().is_empty());
    scene.settings.offline = false;

    let file = scene.dataset("hf:datasets/org/pairs:data/own.jsonl.gz").unwrap();
    assert_eq!(std::fs::read(&file.paths[0]).unwrap(), [9; 50]);
    let error = scene.dataset("hf:datasets/org/raw").unwrap_err();
    assert!(
        error.to_string().contains("not converted it to Parquet") && error.to_string().contains("data/own.jsonl.gz")
    );
    assert!(error.hint().contains("`hf:datasets/org/raw:data/own.jsonl.gz`"), "{}", error.hint());
    let error = scene.dataset("hf:datasets/org/pairs@main:train").unwrap_err().to_string();
    assert!(error.contains("at `main` it holds no files that the hub converted"), "{error}");
}
