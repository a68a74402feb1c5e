//! What is sent to the hub on this machine: repositories are made, files go to the storage at the second address, whole or in
//! parts, and into commits.

use std::collections::{HashMap, VecDeque};
use std::io::Read;
use std::net::TcpStream;
use std::sync::Mutex;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::{File, Repo, State, git_blob, reply, sha256};

/// A kind of request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum On {
    Whoami,
    Create,
    Preupload,
    Batch,
    /// A file, or a part of one, to the storage.
    Put,
    /// The parts of a file are told to be all.
    Complete,
    Verify,
    Commit,
}

/// What is done wrong, once.
#[derive(Debug, Clone)]
pub enum Wrong {
    /// That many bytes of the body are taken, then the connection is closed.
    Cut(usize),
    /// That many bytes of the body are taken, then nothing more.
    Stall(usize),
    /// A status with headers and what is said.
    Status(u16, &'static str, &'static str),
    /// A commit is made, and nobody is told. Anything else goes well.
    Silent,
    /// The storage says that it took what it did not take.
    Lost,
    /// Another answer than is due.
    Answer(Value),
    /// What is stored has another byte than what came.
    Corrupt,
    /// The storage does not name what came.
    NoEtag,
}

/// How what is sent is taken.
pub struct Rules {
    /// Tokens, with the account's name and what it may do.
    pub tokens: Vec<(&'static str, &'static str, &'static str)>,
    /// Files of that size go to the storage, and those of some endings.
    pub large_from: usize,
    /// Size of the parts of files that are larger.
    pub part: Option<usize>,
    /// New repositories are public whatever was asked for.
    pub makes_public: bool,
    /// Paths that the repository's `.gitignore` leaves out.
    pub ignored: Vec<&'static str>,
    /// Storage addresses that are given out, so that each is another.
    signed: usize,
}

impl Default for Rules {
    fn default() -> Self {
        let tokens = vec![("hf_secretsecretsecret", "somebody", "write")];
        Self { tokens, large_from: 10_000, part: None, makes_public: false, ignored: Vec::new(), signed: 0 }
    }
}

#[derive(Default)]
pub(super) struct Pushing {
    pub(super) rules: Mutex<Rules>,
    pub(super) wrong: Mutex<HashMap<On, VecDeque<Wrong>>>,
    /// Files by SHA-256.
    pub(super) storage: Mutex<HashMap<String, Vec<u8>>>,
    /// Parts of files by their address.
    parts: Mutex<HashMap<String, Vec<u8>>>,
}

/// A request that sends something.
pub(super) struct Call<'a> {
    pub(super) state: &'a State,
    pub(super) stream: &'a mut TcpStream,
    /// Its place among the requests.
    pub(super) at: usize,
    pub(super) method: &'a str,
    pub(super) path: &'a str,
    pub(super) token: Option<&'a str>,
    pub(super) elsewhere: bool,
}

impl Call<'_> {
    pub(super) fn answer(mut self, reader: &mut dyn Read, length: Option<usize>) {
        let Some((on, name)) = self.kind() else {
            let length = length.unwrap_or(0) as u64;
            let _ = std::io::copy(&mut reader.take(length), &mut std::io::sink());
            return match self.path {
                // Asked by the hub's own program before a commit.
                "/api/validate-yaml" => self.ok(&json!({ "errors": [], "warnings": [] })),
                _ => self.refuse(404, "X-Error-Code: RepoNotFound\r\n", ""),
            };
        };
        let wrong = self.state.pushing.wrong.lock().unwrap().get_mut(&on).and_then(VecDeque::pop_front);
        // As a storage does, nothing is taken of a length that is not known.
        let Some(length) = length.or((self.method == "GET").then_some(0)) else {
            return self.refuse(411, "", "MissingContentLength");
        };
        let most = match wrong {
            Some(Wrong::Cut(most) | Wrong::Stall(most)) => most.min(length),
            _ => length,
        };
        let mut body = vec![0; most];
        if reader.read_exact(&mut body).is_err() {
            return;
        }
        self.state.requests.lock().unwrap()[self.at].body.clone_from(&body);
        match wrong {
            Some(Wrong::Cut(_)) => return,
            Some(Wrong::Stall(_)) => {
                std::thread::sleep(std::time::Duration::from_secs(5));
                return;
            }
            Some(Wrong::Status(status, headers, says)) => return self.refuse(status, headers, says),
            Some(Wrong::Answer(answer)) => return self.ok(&answer),
            _ => {}
        }
        if !self.elsewhere && !matches!(on, On::Complete) && self.account().is_none() {
            return self.refuse(401, "", "Invalid username or password.");
        }
        match on {
            On::Whoami => {
                let Some((name, role)) = self.account() else { return };
                self.ok(&json!({ "type": "user", "name": name, "auth": { "accessToken": { "role": role } } }));
            }
            On::Create => self.create(&json_of(&body)),
            On::Preupload => self.preupload(&json_of(&body)),
            On::Batch => self.batch(&name, &json_of(&body)),
            On::Put => self.put(&name, body, wrong.as_ref()),
            On::Complete => self.complete(&json_of(&body)),
            On::Verify => self.verify(&json_of(&body)),
            On::Commit => self.commit(&name, &body, matches!(wrong, Some(Wrong::Silent))),
        }
    }

    /// What is asked for, and of what repository, or where in the storage.
    fn kind(&self) -> Option<(On, String)> {
        let path = self.path;
        if self.elsewhere {
            return Some((On::Put, path.to_owned())).filter(|_| self.method == "PUT");
        }
        let named = |rest: &str, end: &str| Some(format!("{}/revision/main", rest.strip_suffix(end)?));
        let api = path.strip_prefix("/api/");
        Some(match api {
            Some("whoami-v2") => (On::Whoami, String::new()),
            Some("repos/create") => (On::Create, String::new()),
            Some(api) if api.starts_with("complete") => (On::Complete, String::new()),
            Some(api) => match (named(api, "/preupload/main"), named(api, "/commit/main")) {
                (Some(repo), _) => (On::Preupload, repo),
                (_, Some(repo)) => (On::Commit, repo),
                _ => return None,
            },
            None if path == "/verify" => (On::Verify, String::new()),
            None => (On::Batch, path[1..].strip_suffix(".git/info/lfs/objects/batch")?.to_owned()),
        })
    }

    fn account(&self) -> Option<(&'static str, &'static str)> {
        let token = self.token?.strip_prefix("Bearer ")?;
        let rules = self.state.pushing.rules.lock().unwrap();
        rules.tokens.iter().find(|(known, ..)| *known == token).map(|(_, name, role)| (*name, *role))
    }

    fn ok(&mut self, answer: &Value) {
        reply(self.stream, "200 OK", "Content-Type: application/json\r\n", answer.to_string().as_bytes());
    }

    fn refuse(&mut self, status: u16, headers: &str, says: &str) {
        let body = json!({ "error": says }).to_string();
        reply(self.stream, &format!("{status} Refused"), headers, body.as_bytes());
    }

    fn create(&mut self, asked: &Value) {
        let name = format!("{}/{}", asked["organization"].as_str().unwrap(), asked["name"].as_str().unwrap());
        let kind = if asked["type"] == "dataset" { "datasets" } else { "models" };
        let at = format!("{kind}/{name}/revision/main");
        let makes_public = self.state.pushing.rules.lock().unwrap().makes_public;
        // As the hub's own program says it, or as it said it before.
        let private = asked["private"] == true || asked["visibility"] == "private";
        let mut repos = self.state.repos.lock().unwrap();
        if repos.iter().any(|repo| repo.at == at) {
            drop(repos);
            return self.refuse(409, "", "You already created this model repo");
        }
        let attributes = b"*.safetensors filter=lfs diff=lfs merge=lfs -text\n".to_vec();
        repos.push(Repo {
            commit: git_blob(at.as_bytes()),
            at,
            files: vec![File { path: ".gitattributes".to_owned(), bytes: attributes, is_large: false }],
            facts: json!({ "id": name, "private": private && !makes_public }),
        });
        drop(repos);
        let url = format!("{}/{name}", self.state.home.lock().unwrap());
        self.ok(&json!({ "url": url, "name": name }));
    }

    fn preupload(&mut self, asked: &Value) {
        let rules = self.state.pushing.rules.lock().unwrap();
        let mode = |file: &Value| {
            let path = file["path"].as_str().unwrap();
            let is_large = file["size"].as_u64().unwrap() as usize >= rules.large_from
                || [".safetensors", ".gguf", ".parquet"].iter().any(|ending| path.ends_with(ending));
            let mode = if is_large { "lfs" } else { "regular" };
            json!({ "path": path, "uploadMode": mode, "shouldIgnore": rules.ignored.contains(&path) })
        };
        let files: Vec<Value> = asked["files"].as_array().unwrap().iter().map(mode).collect();
        drop(rules);
        self.ok(&json!({ "files": files }));
    }

    fn batch(&mut self, repo: &str, asked: &Value) {
        let at = if repo.starts_with("datasets/") { repo.to_owned() } else { format!("models/{repo}") };
        if !self.state.repos.lock().unwrap().iter().any(|repo| repo.at.starts_with(&format!("{at}/"))) {
            return self.refuse(404, "X-Error-Code: RepoNotFound\r\n", "Repository not found");
        }
        let (home, elsewhere) = (self.state.home.lock().unwrap().clone(), self.state.elsewhere.lock().unwrap().clone());
        let storage = self.state.pushing.storage.lock().unwrap();
        let mut rules = self.state.pushing.rules.lock().unwrap();
        let object = |object: &Value| {
            let (oid, size) = (object["oid"].as_str().unwrap(), object["size"].as_u64().unwrap() as usize);
            let mut answer = json!({ "oid": oid, "size": size });
            if storage.contains_key(oid) {
                return answer;
            }
            rules.signed += 1;
            let signature = format!("Signature=secret{}", rules.signed);
            let upload = match rules.part.filter(|part| size > *part) {
                None => json!({ "href": format!("{elsewhere}/store/{oid}?{signature}") }),
                Some(part) => {
                    let mut header = json!({ "chunk_size": part.to_string() });
                    for number in 1..=size.div_ceil(part) {
                        header[format!("{number:05}")] = format!("{elsewhere}/part/{oid}/{number}?{signature}").into();
                    }
                    json!({ "href": format!("{home}/api/complete?{signature}"), "header": header })
                }
            };
            answer["actions"] = json!({ "upload": upload, "verify": { "href": format!("{home}/verify") } });
            answer
        };
        let objects: Vec<Value> = asked["objects"].as_array().unwrap().iter().map(object).collect();
        drop((storage, rules));
        self.ok(&json!({ "transfer": "basic", "objects": objects }));
    }

    fn put(&mut self, path: &str, mut body: Vec<u8>, wrong: Option<&Wrong>) {
        let etag = format!("ETag: \"{}\"\r\n", git_blob(&body));
        let (path, _) = path.split_once('?').unwrap();
        let named = sha256(&body);
        if matches!(wrong, Some(Wrong::Corrupt)) {
            body[0] ^= 1;
        }
        if matches!(wrong, Some(Wrong::Lost)) {
            return reply(self.stream, "200 OK", &etag, b"");
        }
        if let Some(oid) = path.strip_prefix("/store/") {
            if oid != named {
                return self.refuse(400, "", "BadDigest");
            }
            self.state.pushing.storage.lock().unwrap().insert(oid.to_owned(), body);
        } else {
            self.state.pushing.parts.lock().unwrap().insert(path.to_owned(), body);
        }
        let headers = if matches!(wrong, Some(Wrong::NoEtag)) { "" } else { &etag };
        reply(self.stream, "200 OK", headers, b"");
    }

    fn complete(&mut self, asked: &Value) {
        let oid = asked["oid"].as_str().unwrap();
        let mut whole = Vec::new();
        let parts = self.state.pushing.parts.lock().unwrap();
        for (place, part) in asked["parts"].as_array().unwrap().iter().enumerate() {
            assert_eq!(part["partNumber"], place + 1);
            let bytes = parts.get(&format!("/part/{oid}/{}", place + 1)).cloned().unwrap_or_default();
            assert_eq!(part["etag"], format!("\"{}\"", git_blob(&bytes)));
            whole.extend(bytes);
        }
        drop(parts);
        if sha256(&whole) != oid {
            return self.refuse(400, "", "the parts are not the file");
        }
        self.state.pushing.storage.lock().unwrap().insert(oid.to_owned(), whole);
        self.ok(&json!({ "success": true }));
    }

    fn verify(&mut self, asked: &Value) {
        let storage = self.state.pushing.storage.lock().unwrap();
        let stored = storage.get(asked["oid"].as_str().unwrap());
        let found = stored.is_some_and(|bytes| asked["size"] == bytes.len());
        drop(storage);
        if found { self.ok(&json!({})) } else { self.refuse(404, "", "Object not found") }
    }

    fn commit(&mut self, at: &str, body: &[u8], is_silent: bool) {
        let lines: Vec<Value> =
            body.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).map(json_of).collect();
        assert_eq!(lines[0]["key"], "header");
        let mut repos = self.state.repos.lock().unwrap();
        let Some(repo) = repos.iter_mut().find(|repo| repo.at == at) else {
            drop(repos);
            return self.refuse(404, "X-Error-Code: RepoNotFound\r\n", "Repository not found");
        };
        if lines[0]["value"].get("parentCommit").is_some_and(|parent| *parent != repo.commit) {
            drop(repos);
            return self.refuse(412, "", "A commit has happened since. Please refresh and try again.");
        }
        let storage = self.state.pushing.storage.lock().unwrap();
        for line in &lines[1..] {
            let value = &line["value"];
            let path = value["path"].as_str().unwrap().to_owned();
            let (bytes, is_large) = match line["key"].as_str().unwrap() {
                "file" => (STANDARD.decode(value["content"].as_str().unwrap()).unwrap(), false),
                "lfsFile" => {
                    let Some(bytes) = storage.get(value["oid"].as_str().unwrap()) else {
                        drop((repos, storage));
                        return self.refuse(400, "", "the storage lacks a file");
                    };
                    (bytes.clone(), true)
                }
                other => panic!("{other} in a commit"),
            };
            repo.files.retain(|file| file.path != path);
            repo.files.push(File { path, bytes, is_large });
        }
        repo.commit = git_blob(body);
        let commit = repo.commit.clone();
        drop((repos, storage));
        if !is_silent {
            let (repo, _) = at.split_once("/revision/").unwrap();
            let repo = repo.strip_prefix("models/").unwrap_or(repo);
            let url = format!("{}/{repo}/commit/{commit}", self.state.home.lock().unwrap());
            self.ok(&json!({ "success": true, "commitOid": commit, "commitUrl": url }));
        }
    }
}

fn json_of(bytes: impl AsRef<[u8]>) -> Value {
    serde_json::from_slice(bytes.as_ref()).unwrap()
}
