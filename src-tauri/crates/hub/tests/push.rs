//! Pushing, against a server that speaks the hub's protocol and breaks it.
#![allow(clippy::unwrap_used, missing_docs)]

mod hub_server;

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use hub::repository::{
    Change, Hub, HubError, LocalFile, Moment, Patience, PushChoices, PushPlan, Pushed, RepoId, Settings, Token, Watch,
};
use hub_server::{File, On, Repo, Server, Wrong, sha256};
use serde_json::{Value, json};

const COMMIT: &str = "0123456789012345678901234567890123456789";
const SECRET: &str = "hf_secretsecretsecret";
const AT: &str = "models/org/tuned/revision/main";

fn weights() -> Vec<u8> {
    (0..1_000_000_u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect()
}

struct Scene {
    server: Server,
    folder: tempfile::TempDir,
    settings: Settings,
    choices: PushChoices,
    repo: RepoId,
}

impl Scene {
    fn new(repos: Vec<Repo>) -> Self {
        let server = Server::new(repos);
        let folder = tempfile::tempdir().unwrap();
        let settings = Settings {
            endpoint: server.address.clone(),
            cache: folder.path().join("hub"),
            token: Token::new(SECRET, "here").unwrap(),
            offline: false,
            patience: Patience {
                attempts: 3,
                first: Duration::from_millis(20),
                longest: Duration::from_secs(3),
                silence: Duration::from_millis(500),
            },
        };
        let choices = PushChoices { public: false, replace: false, message: "A run".to_owned() };
        let scene = Self { server, folder, settings, choices, repo: RepoId::to_push("org/tuned", false).unwrap() };
        scene.write("README.md", b"# A card\n");
        scene.write("empty.txt", b"");
        scene.write("adapter_config.json", br#"{"r": 4}"#);
        scene.write("adapter_model.safetensors", &weights());
        scene
    }

    /// A repository that is there.
    fn with_files(private: bool, files: &[(&str, &[u8])]) -> Self {
        let file = |(path, bytes): &(&str, &[u8])| File {
            path: (*path).to_owned(),
            bytes: bytes.to_vec(),
            is_large: path.ends_with(".safetensors"),
        };
        let files = files.iter().map(file).collect();
        let facts = json!({ "id": "org/tuned", "private": private });
        Self::new(vec![Repo { at: AT.to_owned(), commit: COMMIT.to_owned(), files, facts }])
    }

    fn write(&self, name: &str, bytes: &[u8]) {
        std::fs::create_dir_all(self.folder.path().join("out")).unwrap();
        std::fs::write(self.folder.path().join("out").join(name), bytes).unwrap();
    }

    fn files(&self) -> Vec<(String, PathBuf)> {
        let mut files: Vec<_> = std::fs::read_dir(self.folder.path().join("out"))
            .unwrap()
            .map(|entry| (entry.as_ref().unwrap().file_name().into_string().unwrap(), entry.unwrap().path()))
            .collect();
        files.sort();
        files
    }

    fn plan(&self) -> Result<PushPlan, HubError> {
        let stop = AtomicBool::new(false);
        let watch = &mut Watch { report: &mut |_| {}, stop: &stop };
        let files = LocalFile::read_all(&self.files(), watch)?;
        let facts = Hub::new(self.settings.clone()).repository(&self.repo, watch)?;
        Ok(PushPlan::new(&self.repo, facts.as_ref(), files))
    }

    fn push_as(&self, plan: &PushPlan) -> Result<Pushed, HubError> {
        let stop = AtomicBool::new(false);
        let watch = &mut Watch { report: &mut |_| {}, stop: &stop };
        Hub::new(self.settings.clone()).push(plan, &self.choices, watch)
    }

    fn push(&self) -> Result<Pushed, HubError> {
        self.push_as(&self.plan()?)
    }

    /// How often something was asked.
    fn asked(&self, method: &str, path: &str) -> usize {
        let requests = self.server.requests();
        requests.iter().filter(|request| request.method == method && request.path.contains(path)).count()
    }

    /// That the repository holds what lies here, and that nothing but the hub itself was told the token.
    fn check(&self) {
        let there = self.server.files(AT);
        for (name, place) in self.files() {
            assert!(there[&name] == std::fs::read(place).unwrap(), "{name}");
        }
        self.check_token();
    }

    fn check_token(&self) {
        for request in self.server.requests() {
            let text = format!("{}\n{}", request.head, String::from_utf8_lossy(&request.body));
            assert_eq!(text.matches(SECRET).count(), usize::from(request.token.is_some()), "{}", request.head);
            if request.elsewhere {
                assert_eq!(request.token, None, "{}", request.head);
            }
        }
    }
}

#[test]
fn a_new_repository_is_private_and_holds_every_file() {
    let scene = Scene::new(Vec::new());
    let plan = scene.plan().unwrap();
    assert_eq!(plan.there, None);
    assert!(plan.files.iter().all(|planned| planned.change == Change::New));
    assert_eq!(scene.asked("POST", ""), 0, "looking sends nothing");
    let pushed = scene.push_as(&plan).unwrap();
    assert_eq!((pushed.created, pushed.private), (true, true));
    assert_eq!(pushed.page, format!("{}/org/tuned", scene.server.address));
    assert_eq!(pushed.sent, 1_000_000 + 9 + 8);
    scene.check();
    let created = scene.server.requests().into_iter().find(|request| request.path == "/api/repos/create").unwrap();
    let asked: Value = serde_json::from_slice(&created.body).unwrap();
    assert_eq!(asked, json!({ "type": "model", "organization": "org", "name": "tuned", "private": true }));
    let commit = scene.server.requests().into_iter().find(|request| request.path.contains("/commit/")).unwrap();
    let lines: Vec<Value> =
        commit.body.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice(line).ok()).collect();
    assert_eq!(lines[0]["value"]["summary"], "A run");
    let large =
        json!({ "path": "adapter_model.safetensors", "algo": "sha256", "oid": sha256(&weights()), "size": 1_000_000 });
    assert!(lines.iter().any(|line| line["key"] == "lfsFile" && line["value"] == large), "{lines:?}");

    // Again: nothing is sent, and no commit is made.
    scene.server.forget();
    let again = scene.push().unwrap();
    assert_eq!((again.created, again.sent, again.commit), (false, 0, pushed.commit));
    assert_eq!(scene.asked("POST", "") + scene.asked("PUT", ""), 0);
}

#[test]
fn a_large_file_goes_in_parts() {
    let scene = Scene::new(Vec::new());
    scene.server.rule(|rules| rules.part = Some(300_000));
    // A part is cut, and two find the storage busy: only these are sent again.
    let limited = Wrong::Status(429, "Retry-After: 0\r\n", "");
    scene.server.fail_on(On::Put, [Wrong::Cut(100_000), Wrong::Status(503, "", ""), Wrong::Silent, limited]);
    scene.push().unwrap();
    scene.check();
    assert_eq!(scene.asked("PUT", "/part/"), 4 + 3);
    assert_eq!(scene.asked("POST", "/api/complete"), 1);
    assert_eq!(scene.asked("POST", "/objects/batch"), 1);
    let lengths: Vec<usize> = scene
        .server
        .requests()
        .iter()
        .filter(|request| request.path.contains("/part/") && !request.body.is_empty())
        .map(|request| request.body.len())
        .collect();
    assert_eq!(lengths[lengths.len() - 3..], [300_000, 300_000, 100_000]);
}

#[test]
fn a_data_set_has_an_address_of_its_own() {
    let mut scene = Scene::new(Vec::new());
    scene.repo = RepoId::to_push("hf:datasets/org/pairs", true).unwrap();
    let pushed = scene.push().unwrap();
    assert_eq!(pushed.page, format!("{}/datasets/org/pairs", scene.server.address));
    assert_eq!(scene.server.files("datasets/org/pairs/revision/main").len(), 5);
    assert_eq!(scene.asked("POST", "/datasets/org/pairs.git/info/lfs/objects/batch"), 1);
    scene.check_token();
}

#[test]
fn what_broke_off_goes_on_with_what_is_missing() {
    let scene = Scene::new(Vec::new());
    scene.write("second.safetensors", &vec![7; 50_000]);
    // The first file arrives; the second never does.
    scene.server.fail_on(On::Put, [Wrong::Silent, Wrong::Cut(10), Wrong::Cut(10_000), Wrong::Cut(0)]);
    let error = scene.push().unwrap_err();
    assert!(matches!(error, HubError::Network { .. }), "{error}");
    assert_eq!(scene.asked("POST", "/commit/"), 0);
    assert!(scene.server.has_stored(&weights()) && !scene.server.has_stored(&vec![7; 50_000]));
    scene.server.forget();
    let pushed = scene.push().unwrap();
    assert_eq!(scene.asked("PUT", ""), 1, "what arrived is not sent again");
    assert_eq!((pushed.created, pushed.sent), (false, 50_000 + 9 + 8));
    scene.check();
}

#[test]
fn what_passes_is_tried_again_and_no_longer_than_is_bearable() {
    let scene = Scene::new(Vec::new());
    let busy = || Wrong::Status(500, "", "");
    for on in [On::Create, On::Preupload, On::Batch, On::Put, On::Verify, On::Commit] {
        scene.server.fail_on(on, [busy(), Wrong::Status(429, "Retry-After: 1\r\n", "")]);
    }
    let before = Instant::now();
    scene.push().unwrap();
    assert!(before.elapsed() >= Duration::from_secs(6), "the hub's wait is kept");
    scene.check();

    let scene = Scene::new(Vec::new());
    scene.server.fail_on(On::Create, [busy(), busy(), busy()]);
    assert!(matches!(scene.push().unwrap_err(), HubError::Server { status: 500, .. }));
    let scene = Scene::new(Vec::new());
    scene.server.fail_on(On::Preupload, [Wrong::Status(429, "Retry-After: 60\r\n", "")]);
    let error = scene.push().unwrap_err();
    assert!(error.to_string().contains("asks to wait 60 s"), "{error}");
}

#[test]
fn a_storage_that_stalls_counts_as_cut_and_a_signature_that_expired_is_renewed() {
    let scene = Scene::new(Vec::new());
    scene.server.fail_on(On::Put, [Wrong::Stall(1000), Wrong::Status(403, "", "Request has expired")]);
    let before = Instant::now();
    scene.push().unwrap();
    assert!(before.elapsed() < Duration::from_secs(4), "{:?}", before.elapsed());
    assert_eq!(scene.asked("POST", "/objects/batch"), 3, "each attempt has an address of its own");
    scene.check();
    // Never taken: the storage's words, which may hold a signature, are not told.
    let scene = Scene::new(Vec::new());
    scene.server.fail_on(On::Put, [(); 3].map(|()| Wrong::Status(403, "", "Signature=secret expired")));
    let error = scene.push().unwrap_err();
    assert!(matches!(error, HubError::Server { status: 403, .. }), "{error}");
    assert!(!format!("{error:?} {error} {}", error.hint()).contains("secret"));
}

#[test]
fn what_the_hub_does_not_find_is_sent_again() {
    let scene = Scene::new(Vec::new());
    scene.server.fail_on(On::Verify, [Wrong::Status(404, "", "Object not found")]);
    scene.push().unwrap();
    scene.check();
    let scene = Scene::new(Vec::new());
    scene.server.fail_on(On::Put, [Wrong::Lost, Wrong::Silent]);
    scene.push().unwrap();
    assert_eq!(scene.asked("PUT", ""), 2);
    scene.check();
    let scene = Scene::new(Vec::new());
    scene.server.fail_on(On::Put, [(); 3].map(|()| Wrong::Lost));
    let error = scene.push().unwrap_err();
    assert!(error.to_string().contains("does not find it (404: Object not found)"), "{error}");
    assert_eq!(scene.asked("POST", "/commit/"), 0);
}

#[test]
fn who_may_not_is_told_why_and_never_the_token() {
    let says = |on: On, status: u16, headers: &'static str, words: &'static str| {
        let scene = Scene::new(Vec::new());
        scene.server.fail_on(on, [Wrong::Status(status, headers, words)]);
        let error = scene.push().unwrap_err();
        assert_eq!(scene.asked("PUT", ""), 0);
        format!("{error}\n{error:?}\n{}", error.hint())
    };
    let told = says(On::Create, 401, "", "");
    assert!(told.contains("does not accept the access token"), "{told}");
    let told = says(On::Create, 403, "", "You may not: hf_secretsecretsecret\u{7} has no rights.");
    assert!(told.contains("write to org/tuned: You may not: (the token)  has no rights\n"), "{told}");
    assert!(told.contains("settings/tokens") && !told.contains(SECRET), "{told}");
    let told = says(On::Preupload, 403, "X-Error-Code: GatedRepo\r\n", "");
    assert!(told.contains("only to those whom its authors let in"), "{told}");
    let told = says(On::Batch, 404, "X-Error-Code: RepoNotFound\r\n", "");
    assert!(told.contains("shows no repository org/tuned to the owner of this token"), "{told}");
    let told = says(On::Preupload, 413, "", "too many parameters");
    assert!(told.contains("(413): too many parameters"), "{told}");
    let mut scene = Scene::new(Vec::new());
    scene.settings.token = Token::new("hf_wrongwrong", "here").unwrap();
    assert!(matches!(scene.push().unwrap_err(), HubError::Token));
    scene.settings.token = None;
    scene.server.forget();
    assert!(matches!(scene.push().unwrap_err(), HubError::NoToken));
    scene.settings.token = Token::new(SECRET, "here").unwrap();
    let plan = scene.plan().unwrap();
    scene.server.forget();
    scene.settings.offline = true;
    let error = scene.push_as(&plan).unwrap_err();
    assert!(error.to_string().contains("HF_HUB_OFFLINE is set"), "{error}");
    assert!(scene.server.requests().is_empty());
}

#[test]
fn what_somebody_wrote_is_not_lost_unseen() {
    let there: &[(&str, &[u8])] =
        &[("README.md", b"by hand"), ("notes.txt", b"mine"), ("adapter_config.json", br#"{"r": 4}"#)];
    let mut scene = Scene::with_files(true, there);
    let plan = scene.plan().unwrap();
    assert_eq!(plan.others, ["notes.txt"]);
    let same: Vec<_> = plan.files.iter().filter(|planned| planned.change == Change::Same).collect();
    assert_eq!(same.len(), 1);
    let error = scene.push_as(&plan).unwrap_err();
    assert!(error.to_string().ends_with("would be replaced:\n  README.md"), "{error}");
    assert!(error.hint().contains("--replace"));
    assert_eq!(scene.asked("POST", ""), 0);
    scene.choices.replace = true;
    scene.push().unwrap();
    scene.check();
    assert_eq!(scene.server.files(AT)["notes.txt"], b"mine");

    // Changed after it was looked at: refused, whatever may be replaced.
    let scene = Scene::with_files(true, &[]);
    let plan = scene.plan().unwrap();
    scene.server.change(|repos| repos[0].commit = "abcdefabcdefabcdefabcdefabcdefabcdefabcd".to_owned());
    let error = scene.push_as(&plan).unwrap_err();
    assert!(matches!(error, HubError::Moved { .. }), "{error}");
    assert!(scene.server.files(AT).is_empty());
    let scene = Scene::with_files(true, &[]);
    scene.server.fail_on(On::Commit, [Wrong::Status(409, "", "conflict")]);
    assert!(matches!(scene.push().unwrap_err(), HubError::Moved { .. }));
}

#[test]
fn nothing_becomes_public_unless_asked_for() {
    let mut scene = Scene::with_files(false, &[]);
    assert!(matches!(scene.push().unwrap_err(), HubError::IsPublic { .. }));
    assert_eq!(scene.asked("POST", ""), 0);
    scene.choices.public = true;
    assert!(!scene.push().unwrap().private);

    // A hub that makes it public all the same gets nothing.
    let mut scene = Scene::new(Vec::new());
    scene.server.rule(|rules| rules.makes_public = true);
    assert!(matches!(scene.push().unwrap_err(), HubError::IsPublic { .. }));
    assert_eq!(scene.asked("POST", "preupload") + scene.asked("PUT", ""), 0);
    scene.choices.public = true;
    let pushed = scene.push().unwrap();
    assert!(!pushed.private);

    // One that is private stays so.
    let mut scene = Scene::with_files(true, &[]);
    scene.choices.public = true;
    assert!(scene.push().unwrap().private);
}

#[test]
fn a_commit_whose_answer_is_lost_is_not_made_twice() {
    let scene = Scene::new(Vec::new());
    scene.server.fail_on(On::Commit, [Wrong::Silent]);
    let pushed = scene.push().unwrap();
    assert_eq!(scene.asked("POST", "/commit/"), 1);
    let commit = scene.server.requests().into_iter().find(|request| request.path.contains("/commit/")).unwrap();
    assert_eq!(pushed.commit, hub_server::git_blob(&commit.body));
    scene.check();
    // Cut before it was made: made once.
    let scene = Scene::new(Vec::new());
    scene.server.fail_on(On::Commit, [Wrong::Cut(50)]);
    scene.push().unwrap();
    assert_eq!(scene.asked("POST", "/commit/"), 2);
    scene.check();
}

#[test]
fn a_hub_that_lies_is_not_believed() {
    let lie = |on: On, wrong: Wrong, parts: Option<usize>| {
        let scene = Scene::new(Vec::new());
        scene.server.rule(|rules| rules.part = parts);
        scene.server.fail_on(on, [wrong]);
        let error = scene.push().unwrap_err();
        scene.check_token();
        format!("{error}")
    };
    let other = json!({ "objects": [{ "oid": sha256(b"other"), "size": 1_000_000, "actions": {} }] });
    let told = lie(On::Batch, Wrong::Answer(other), None);
    assert!(told.contains("does not say where adapter_model.safetensors goes"), "{told}");
    let size = json!({ "objects": [{ "oid": sha256(&weights()), "size": 5 }] });
    assert!(lie(On::Batch, Wrong::Answer(size), None).contains("does not say where"));
    let error = json!({ "objects": [{ "oid": sha256(&weights()), "size": 1_000_000,
        "error": { "code": 422, "message": "too large" } }] });
    assert!(lie(On::Batch, Wrong::Answer(error), None).contains("the hub does not take it (too large)"));
    // It says that the file is there already, and the commit then lacks it.
    let there = json!({ "objects": [{ "oid": sha256(&weights()), "size": 1_000_000 }] });
    assert!(lie(On::Batch, Wrong::Answer(there), None).contains("the storage lacks a file"));
    for header in [
        json!({ "chunk_size": "0" }),
        json!({ "chunk_size": 400_000, "1": "http://a.b/1" }),
        json!({ "chunk_size": "x" }),
    ] {
        let parts = json!({ "objects": [{ "oid": sha256(&weights()), "size": 1_000_000,
            "actions": { "upload": { "href": "http://a.b/done", "header": header } } }] });
        assert!(lie(On::Batch, Wrong::Answer(parts), None).contains("of adapter_model.safetensors"));
    }
    assert!(lie(On::Put, Wrong::NoEtag, Some(400_000)).contains("does not name the part"));
    let told = lie(On::Put, Wrong::Corrupt, None);
    assert!(told.ends_with("did not arrive in org/tuned as it was sent: the hub has it with another hash"), "{told}");
    assert!(lie(On::Preupload, Wrong::Answer(json!({ "files": [] })), None).contains("does not say how"));
    assert!(lie(On::Preupload, Wrong::Answer(json!([1])), None).contains("is not what the hub answers there"));
    assert!(lie(On::Commit, Wrong::Answer(json!({ "commitOid": "no commit" })), None).contains("names no commit"));
    let elsewhere = json!({ "commitOid": COMMIT });
    assert!(lie(On::Commit, Wrong::Answer(elsewhere), None).contains("no branch, tag or commit"));
}

#[test]
fn the_token_is_not_handed_on() {
    // A hub that would have its own token sent to the storage.
    let scene = Scene::new(Vec::new());
    let elsewhere = Server::new(Vec::new());
    let href = format!("{}/store/{}?x", elsewhere.address, sha256(&weights()));
    let actions = json!({ "upload": { "href": href, "header": { "Authorization": format!("Bearer {SECRET}"), "X-Amz": "yes" } },
        "verify": { "href": format!("{}/verify", elsewhere.address) } });
    let answer = json!({ "objects": [{ "oid": sha256(&weights()), "size": 1_000_000, "actions": actions }] });
    scene.server.fail_on(On::Batch, [Wrong::Answer(answer)]);
    // That storage does not take it, and the hub then names its own.
    scene.push().unwrap();
    scene.check();
    assert_eq!(elsewhere.requests().len(), 1);
    let head = elsewhere.requests()[0].head.to_ascii_lowercase();
    assert!(!head.contains(SECRET) && head.contains("x-amz: yes"), "{head}");
}

#[test]
fn files_that_the_repository_ignores_are_named() {
    let scene = Scene::new(Vec::new());
    scene.server.rule(|rules| rules.ignored = vec!["empty.txt"]);
    let error = scene.push().unwrap_err();
    assert!(
        error.to_string().ends_with(".gitignore of org/tuned leaves out files that are to be pushed:\n  empty.txt"),
        "{error}"
    );
    assert_eq!(scene.asked("PUT", ""), 0);
}

#[test]
fn it_tells_how_far_it_is_and_stops_when_told() {
    let scene = Scene::new(Vec::new());
    let plan = scene.plan().unwrap();
    let stop = AtomicBool::new(false);
    let mut last = (0, 0);
    let mut report = |moment: Moment<'_>| {
        if let Moment::Sending { file, done, total } = moment {
            assert_eq!(file, "adapter_model.safetensors");
            last = (done, total);
        }
    };
    let hub = Hub::new(scene.settings.clone());
    hub.push(&plan, &scene.choices, &mut Watch { report: &mut report, stop: &stop }).unwrap();
    assert_eq!(last, (1_000_000, 1_000_000));

    let scene = Scene::new(Vec::new());
    let plan = scene.plan().unwrap();
    let mut report = |moment: Moment<'_>| {
        if matches!(moment, Moment::Sending { done, .. } if done > 100_000) {
            stop.store(true, Ordering::Relaxed);
        }
    };
    let hub = Hub::new(scene.settings.clone());
    let error = hub.push(&plan, &scene.choices, &mut Watch { report: &mut report, stop: &stop }).unwrap_err();
    assert!(matches!(error, HubError::Cancelled), "{error}");
    assert_eq!(scene.asked("POST", "/commit/"), 0);
    scene.push().unwrap();
    scene.check();
}

#[test]
fn a_token_says_whose_it_is() {
    let scene = Scene::new(Vec::new());
    let account = |token: &str| {
        let stop = AtomicBool::new(false);
        let settings = scene.settings.clone().with_token(Token::new(token, "here").unwrap().unwrap());
        Hub::new(settings).account(&mut Watch { report: &mut |_| {}, stop: &stop })
    };
    let found = account(SECRET).unwrap();
    assert_eq!((found.name.as_str(), found.role.as_deref()), ("somebody", Some("write")));
    assert!(matches!(account("hf_other").unwrap_err(), HubError::Token));
    scene.server.fail_on(On::Whoami, [Wrong::Answer(json!({ "name": SECRET }))]);
    assert_eq!(account(SECRET).unwrap().name, "(the token)");
}

#[test]
fn names_to_push_to_have_an_owner() {
    for (text, is_dataset) in
        [("tuned", false), ("a/b/c", false), ("datasets/org/x", false), ("org/", true), ("o/n@main", false)]
    {
        assert!(matches!(RepoId::to_push(text, is_dataset), Err(HubError::Name { .. })), "{text}");
    }
    assert_eq!(RepoId::to_push("hf:org/x", true).unwrap().to_string(), "datasets/org/x");
}
