//! A server on this machine that speaks the hub's protocol, with a second address that large files are redirected to, and
//! that does wrong what it is told to; what is sent to it is taken by [`push`].

#![allow(dead_code, missing_docs, unreachable_pub, clippy::unwrap_used)]

mod push;

pub use push::{On, Rules, Wrong};

use std::collections::{HashMap, VecDeque};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use sha1::Sha1;
use sha2::{Digest, Sha256};

/// What is done wrong, once, when a file is asked for.
#[derive(Debug, Clone)]
pub enum Fault {
    /// That many bytes come, then the connection is closed.
    Cut(usize),
    /// That many bytes come, then nothing more.
    Stall(usize),
    /// Another length is announced, and so many bytes come.
    Length(usize),
    /// A byte is another.
    Corrupt,
    /// The whole file comes whatever range was asked for.
    NoRange,
    /// Another range comes than was asked for.
    WrongRange,
    /// A status with headers, and no file.
    Status(u16, &'static str),
}

/// A request as it came.
#[derive(Debug, Clone)]
pub struct Request {
    pub method: String,
    pub path: String,
    pub token: Option<String>,
    pub from: Option<usize>,
    /// Whether it came to the second address.
    pub elsewhere: bool,
    /// Bytes of a file that were sent for it.
    pub sent: usize,
    /// All of its lines before the body.
    pub head: String,
    /// What came with it.
    pub body: Vec<u8>,
}

#[derive(Debug, Clone)]
pub struct File {
    pub path: String,
    pub bytes: Vec<u8>,
    /// Kept as a large file: known by its SHA-256, and redirected.
    pub is_large: bool,
}

/// A repository at a revision.
#[derive(Debug, Clone)]
pub struct Repo {
    /// As in an address of the API: `models/owner/name/revision/main`.
    pub at: String,
    pub commit: String,
    pub files: Vec<File>,
    /// More of the API's answer.
    pub facts: Value,
}

#[derive(Default)]
struct State {
    repos: Mutex<Vec<Repo>>,
    api_faults: Mutex<VecDeque<Fault>>,
    faults: Mutex<VecDeque<Fault>>,
    requests: Mutex<Vec<Request>>,
    elsewhere: Mutex<String>,
    home: Mutex<String>,
    pushing: push::Pushing,
}

pub struct Server {
    pub address: String,
    state: Arc<State>,
}

impl Server {
    pub fn new(repos: Vec<Repo>) -> Self {
        let state = Arc::new(State { repos: Mutex::new(repos), ..State::default() });
        let elsewhere = listen(Arc::clone(&state), true);
        elsewhere.clone_into(&mut state.elsewhere.lock().unwrap());
        let address = listen(Arc::clone(&state), false);
        address.clone_into(&mut state.home.lock().unwrap());
        Self { address, state }
    }

    /// Sets how what is sent is taken.
    pub fn rule(&self, change: impl FnOnce(&mut Rules)) {
        change(&mut self.state.pushing.rules.lock().unwrap());
    }

    /// For the next requests of a kind that send something, one for each.
    pub fn fail_on(&self, on: On, wrong: impl IntoIterator<Item = Wrong>) {
        self.state.pushing.wrong.lock().unwrap().entry(on).or_default().extend(wrong);
    }

    /// Whether the storage has a file.
    pub fn has_stored(&self, bytes: &[u8]) -> bool {
        self.state.pushing.storage.lock().unwrap().contains_key(&sha256(bytes))
    }

    /// The files of a repository that somebody pushed to.
    pub fn files(&self, at: &str) -> HashMap<String, Vec<u8>> {
        let repos = self.state.repos.lock().unwrap();
        let repo = repos.iter().find(|repo| repo.at == at).unwrap();
        repo.files.iter().map(|file| (file.path.clone(), file.bytes.clone())).collect()
    }

    /// For the next requests of files, one for each.
    pub fn fail(&self, faults: impl IntoIterator<Item = Fault>) {
        self.state.faults.lock().unwrap().extend(faults);
    }

    /// For the next requests of facts, one for each.
    pub fn fail_api(&self, faults: impl IntoIterator<Item = Fault>) {
        self.state.api_faults.lock().unwrap().extend(faults);
    }

    pub fn requests(&self) -> Vec<Request> {
        self.state.requests.lock().unwrap().clone()
    }

    pub fn forget(&self) {
        self.state.requests.lock().unwrap().clear();
    }

    /// Bytes of files that were sent.
    pub fn sent(&self) -> usize {
        self.requests().iter().map(|request| request.sent).sum()
    }

    pub fn change(&self, change: impl FnOnce(&mut Vec<Repo>)) {
        change(&mut self.state.repos.lock().unwrap());
    }
}

pub fn git_blob(bytes: &[u8]) -> String {
    let mut hash = Sha1::new_with_prefix(format!("blob {}\0", bytes.len()));
    hash.update(bytes);
    format!("{:x}", hash.finalize())
}

pub fn sha256(bytes: &[u8]) -> String {
    format!("{:x}", Sha256::digest(bytes))
}

fn listen(state: Arc<State>, elsewhere: bool) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let state = Arc::clone(&state);
            std::thread::spawn(move || answer(stream.unwrap(), &state, elsewhere));
        }
    });
    address
}

fn answer(mut stream: TcpStream, state: &State, elsewhere: bool) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut head: Vec<String> = Vec::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).unwrap_or(0) == 0 || line.trim().is_empty() {
            break;
        }
        head.push(line.trim_end().to_owned());
    }
    let mut words = head.first().map(|line| line.split(' ')).into_iter().flatten();
    let (Some(method), Some(path)) = (words.next(), words.next()) else { return };
    let header = |name: &str| {
        head.iter().find_map(|line| Some(line.split_once(": ").filter(|(key, _)| key.eq_ignore_ascii_case(name))?.1))
    };
    let from = header("range").map(|range| range["bytes=".len()..].trim_end_matches('-').parse().unwrap());
    let token = header("authorization").map(str::to_owned);
    let at = {
        let mut requests = state.requests.lock().unwrap();
        let (method, path, head) = (method.to_owned(), path.to_owned(), head.join("\n"));
        requests.push(Request { method, path, token: token.clone(), from, elsewhere, sent: 0, head, body: Vec::new() });
        requests.len() - 1
    };
    if method != "GET" || path == "/api/whoami-v2" {
        let length = header("content-length").and_then(|length| length.parse().ok());
        push::Call { state, stream: &mut stream, at, method, path, token: token.as_deref(), elsewhere }
            .answer(&mut reader, length);
        return;
    }
    let (path, _) = path.split_once('?').unwrap_or((path, ""));
    if let Some(api) = path.strip_prefix("/api/") {
        facts(&mut stream, state, api);
        return;
    }
    let repos = state.repos.lock().unwrap().clone();
    let files = repos.iter().flat_map(|repo| repo.files.iter().map(move |file| (repo, file)));
    let mut files = files.filter(|(repo, file)| {
        let kind = if repo.at.starts_with("datasets/") { "/datasets" } else { "" };
        let name = repo.at.split('/').skip(1).take(2).collect::<Vec<_>>().join("/");
        path == format!("{kind}/{name}/resolve/{}/{}", repo.commit, file.path)
            || path == format!("/large/{}", sha256(&file.bytes))
    });
    let Some((repo, file)) = files.next() else {
        reply(&mut stream, "404 Not Found", "X-Error-Code: EntryNotFound\r\n", b"");
        return;
    };
    if file.is_large && !elsewhere {
        let to = format!("{}/large/{}?Signature=secret", state.elsewhere.lock().unwrap(), sha256(&file.bytes));
        let headers = format!("Location: {to}\r\nX-Repo-Commit: {}\r\n", repo.commit);
        reply(&mut stream, "302 Found", &headers, b"");
        return;
    }
    let fault = state.faults.lock().unwrap().pop_front();
    let sent = send(&mut stream, &file.bytes, from, fault.as_ref());
    state.requests.lock().unwrap()[at].sent = sent;
    if matches!(fault, Some(Fault::Stall(_))) {
        let _ = stream.read(&mut [0]);
    }
}

fn facts(stream: &mut TcpStream, state: &State, api: &str) {
    if let Some(Fault::Status(status, headers)) = state.api_faults.lock().unwrap().pop_front() {
        reply(stream, &format!("{status} Fault"), headers, b"");
        return;
    }
    let repos = state.repos.lock().unwrap();
    let is_asked = |repo: &&Repo| {
        let at = repo.at.replace("convert/", "convert%2F").replace("refs/", "refs%2F");
        at == api || at.replace("revision/main", &format!("revision/{}", repo.commit)) == api
    };
    let Some(repo) = repos.iter().find(is_asked) else {
        let there = repos.iter().any(|repo| api.starts_with(repo.at.split("revision").next().unwrap()));
        let code = if there { "RevisionNotFound" } else { "RepoNotFound" };
        reply(stream, "404 Not Found", &format!("X-Error-Code: {code}\r\n"), b"");
        return;
    };
    let sibling = |file: &File| {
        let mut entry = json!({ "rfilename": file.path, "size": file.bytes.len(), "blobId": git_blob(&file.bytes) });
        if file.is_large {
            entry["lfs"] = json!({ "sha256": sha256(&file.bytes), "size": file.bytes.len(), "pointerSize": 134 });
        }
        entry
    };
    let mut answer = repo.facts.clone();
    answer["sha"] = json!(repo.commit);
    if answer.get("siblings").is_none() {
        answer["siblings"] = repo.files.iter().map(sibling).collect();
    }
    reply(stream, "200 OK", "Content-Type: application/json\r\n", answer.to_string().as_bytes());
}

fn reply(stream: &mut TcpStream, status: &str, headers: &str, body: &[u8]) {
    let head = format!("HTTP/1.1 {status}\r\n{headers}Content-Length: {}\r\nConnection: close\r\n\r\n", body.len());
    // The client may be gone at any moment; that is no fault of the server.
    let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body));
}

/// Answers with the bytes of a file that were sent.
fn send(stream: &mut TcpStream, content: &[u8], from: Option<usize>, fault: Option<&Fault>) -> usize {
    if let Some(Fault::Status(status, headers)) = fault {
        reply(stream, &format!("{status} Fault"), headers, b"");
        return 0;
    }
    let from = from.filter(|_| !matches!(fault, Some(Fault::NoRange)));
    let mut part = content[from.unwrap_or(0)..].to_vec();
    if matches!(fault, Some(Fault::Corrupt)) {
        part[0] ^= 1;
    }
    let length = match fault {
        Some(Fault::Length(length)) => {
            part.resize(*length, 0);
            *length
        }
        _ => part.len(),
    };
    let status = match from {
        Some(from) => {
            let from = if matches!(fault, Some(Fault::WrongRange)) { from - 1 } else { from };
            format!("206 Partial Content\r\nContent-Range: bytes {from}-{}/{}", content.len() - 1, content.len())
        }
        None => "200 OK".to_owned(),
    };
    let head = format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n");
    if let Some(Fault::Cut(most) | Fault::Stall(most)) = fault {
        part.truncate(*most);
    }
    let mut sent = 0;
    let _ = stream.write_all(head.as_bytes());
    for chunk in part.chunks(10_000) {
        if stream.write_all(chunk).is_err() {
            break;
        }
        sent += chunk.len();
    }
    let _ = stream.flush();
    // A close with unread input would reset the connection, and take back what was sent.
    let _ = stream.set_read_timeout(Some(Duration::from_millis(10)));
    sent
}
