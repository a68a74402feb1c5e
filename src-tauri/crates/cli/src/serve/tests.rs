//! The server as a browser, and as somebody who should not, meets it: by HTTP alone.

use super::{Server, run};
use api::window::{Backend, BackendOptions};
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;
use tempfile::TempDir;

/// A server on a port of its own, until it is dropped.
struct Serving {
    folder: TempDir,
    address: SocketAddr,
    token: String,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<api::Result<()>>>,
}

impl Serving {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let settings = BackendOptions {
            data_folder: folder.path().join("data"),
            projects_folder: folder.path().join("projects"),
            may_choose_folders: false,
            allowed_roots: Vec::new(),
            model_folders: Vec::new(),
            program: "no-program".into(),
            device: api::DeviceChoice::Auto,
        };
        let (told, hear) = std::sync::mpsc::channel();
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            let server = Arc::new(Server::new(Backend::new(settings)?)?);
            run(&server, 0, &stopped, |address, token| told.send((address, token.to_owned())).unwrap())
        });
        let (address, token) = hear.recv_timeout(Duration::from_secs(20)).unwrap();
        Self { folder, address, token, stop, thread: Some(thread) }
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        stream
    }

    /// Status, head and body of the answer to a request with exactly these headers.
    fn exchange(&self, request: &str, headers: &[(&str, &str)], body: &str) -> (u16, String, String) {
        let mut stream = self.connect();
        let headers: Vec<String> = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        let headers = headers.concat();
        write!(stream, "{request} HTTP/1.1\r\n{headers}Connection: close\r\n\r\n{body}").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head.split(' ').nth(1).unwrap().parse().unwrap(), head.to_ascii_lowercase(), body.to_owned())
    }

    fn host(&self) -> String {
        self.address.to_string()
    }

    fn bearer(&self) -> String {
        format!("Bearer {}", self.token)
    }

    /// A call as the page makes it, with some headers in place of its own.
    fn call_with(&self, operation: &str, request: &Value, changed: &[(&str, &str)]) -> (u16, Value) {
        let (host, bearer, body) = (self.host(), self.bearer(), request.to_string());
        let (origin, length) = (format!("http://{host}"), body.len().to_string());
        let mut headers = vec![
            ("Host", host.as_str()),
            ("Origin", origin.as_str()),
            ("Authorization", bearer.as_str()),
            ("Content-Length", length.as_str()),
        ];
        for (name, value) in changed {
            headers.retain(|(own, _)| own != name);
            if !value.is_empty() {
                headers.push((name, value));
            }
        }
        let (status, _, body) = self.exchange(&format!("POST /api/{operation}"), &headers, &body);
        (status, serde_json::from_str(&body).unwrap_or(Value::Null))
    }

    fn call(&self, operation: &str, request: &Value) -> (u16, Value) {
        self.call_with(operation, request, &[])
    }

    /// The stream of news, its head read.
    fn news(&self) -> TcpStream {
        let mut stream = self.connect();
        write!(stream, "GET /api/news HTTP/1.1\r\nHost: {}\r\nAuthorization: {}\r\n\r\n", self.host(), self.bearer())
            .unwrap();
        // A stream begins by saying that it listens; the head and that may come in one piece.
        until(&mut stream, r#"data: {"type":"listening"}"#);
        stream
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let ended = self.thread.take().map(JoinHandle::join);
        if !std::thread::panicking() {
            ended.unwrap().unwrap().unwrap();
        }
    }
}

/// Reads until the text has come, and gives all that came.
fn until(stream: &mut TcpStream, text: &str) -> String {
    let (mut seen, mut buffer) = (Vec::new(), [0; 1024]);
    loop {
        let read = stream.read(&mut buffer).unwrap();
        seen.extend(&buffer[..read]);
        let so_far = String::from_utf8_lossy(&seen).into_owned();
        if so_far.contains(text) {
            return so_far;
        }
        assert!(read > 0, "the stream ended before {text:?} came: {so_far}");
    }
}

#[test]
fn the_page_is_served_to_everybody_here_under_a_strict_policy() {
    let serving = Serving::new();
    let (status, head, body) = serving.exchange("GET /", &[("Host", &serving.host())], "");
    assert_eq!(status, 200);
    assert!(body.contains("Tiebreak"), "{body}");
    assert!(!body.contains(&serving.token));
    for line in [
        "content-type: text/html; charset=utf-8",
        "content-security-policy: default-src 'none'; script-src 'self';",
        "frame-ancestors 'none'",
        "x-content-type-options: nosniff",
        "referrer-policy: no-referrer",
    ] {
        assert!(head.contains(line), "{line} is missing in {head}");
    }
    let (status, _, _) = serving.exchange("GET /../Cargo.toml", &[("Host", &serving.host())], "");
    assert_eq!(status, 404);
}

#[test]
fn only_who_has_the_token_may_ask() {
    let serving = Serving::new();
    assert_eq!(serving.call("home", &json!({})).0, 200);
    assert_eq!(serving.token.len(), 64);
    let mut wrong = serving.token.clone();
    let last = if wrong.pop() == Some('0') { '1' } else { '0' };
    wrong.push(last);
    let prefix = format!("Bearer {}", &serving.token[..32]);
    for authorization in ["", "Bearer", "Bearer ", &serving.token, &format!("Bearer {wrong}"), &prefix] {
        let (status, reply) = serving.call_with("home", &json!({}), &[("Authorization", authorization)]);
        assert_eq!((status, &reply["code"]), (401, &json!("token")), "{authorization}");
    }
    for request in ["GET /api/news", "POST /upload?name=a", "POST /api/erase_everything"] {
        let (status, _, body) = serving.exchange(request, &[("Host", &serving.host()), ("Content-Length", "0")], "");
        assert_eq!(status, 401, "{request}: {body}");
    }
}

#[test]
fn another_page_may_not_ask_even_with_the_token() {
    let serving = Serving::new();
    let elsewhere = format!("http://localhost:{}", serving.address.port());
    for origin in ["http://example.org", "null", "https://127.0.0.1", "http://127.0.0.1:1", &elsewhere] {
        let (status, reply) = serving.call_with("home", &json!({}), &[("Origin", origin)]);
        assert_eq!((status, &reply["code"]), (403, &json!("origin")), "{origin}");
    }
    for host in ["example.org", "attacker.example:80", "127.0.0.1.example.org"] {
        let (status, reply) = serving.call_with("home", &json!({}), &[("Host", host), ("Origin", "")]);
        assert_eq!((status, &reply["code"]), (403, &json!("host")), "{host}");
    }
    // Through a tunnel the port is another one, for both alike.
    let tunnel = [("Host", "localhost:9000"), ("Origin", "http://localhost:9000")];
    assert_eq!(serving.call_with("home", &json!({}), &tunnel).0, 200);
    assert_eq!(serving.call_with("home", &json!({}), &[("Origin", "")]).0, 200);
}

#[test]
fn what_cannot_be_done_is_said_with_code_message_and_hint() {
    let serving = Serving::new();
    let (status, reply) = serving.call("erase_everything", &json!({}));
    assert_eq!((status, &reply["code"]), (404, &json!("unknown_operation")));
    let outside = serving.folder.path().display().to_string();
    let (status, reply) = serving.call("open_project", &json!({ "folder": outside }));
    assert_eq!((status, &reply["code"]), (403, &json!("folder_not_allowed")));
    assert!(!reply["hint"].as_str().unwrap().is_empty());
    let (status, reply) = serving.call("open_project", &json!({ "folder": 3 }));
    assert_eq!((status, &reply["code"]), (422, &json!("bad_request")));
    let limits =
        [("POST /api/home", super::api_calls::MOST_BYTES as u64), ("POST /upload?name=a", api::window::MOST_BYTES)];
    for (request, most) in limits {
        let (host, bearer, length) = (serving.host(), serving.bearer(), (most + 1).to_string());
        let headers = [("Host", host.as_str()), ("Authorization", &bearer), ("Content-Length", &length)];
        let (status, _, body) = serving.exchange(request, &headers, "");
        assert!(status == 413 && body.contains("too_large"), "{request}: {status} {body}");
    }
}

#[test]
fn a_file_is_sent_and_a_broken_one_is_not_kept() {
    let serving = Serving::new();
    let (host, bearer) = (serving.host(), serving.bearer());
    let headers = [("Host", host.as_str()), ("Authorization", bearer.as_str()), ("Content-Length", "11")];
    let (status, _, body) = serving.exchange("POST /upload?name=my%20pairs.jsonl", &headers, "{\"a\":\"b\"}\n\n");
    let upload: Value = serde_json::from_str(&body).unwrap();
    assert_eq!((status, &upload["name"], &upload["bytes"]), (200, &json!("my pairs.jsonl"), &json!(11)));

    let uploads = serving.folder.path().join("data").join("uploads");
    let count = || std::fs::read_dir(&uploads).unwrap().count();
    let mut broken = serving.connect();
    write!(
        broken,
        "POST /upload?name=b HTTP/1.1\r\nHost: {host}\r\nAuthorization: {bearer}\r\nContent-Length: 99\r\n\r\nhalf"
    )
    .unwrap();
    while count() < 2 {
        std::thread::sleep(Duration::from_millis(5));
    }
    drop(broken);
    let start = std::time::Instant::now();
    while count() > 1 {
        assert!(start.elapsed() < Duration::from_secs(20), "half a file is kept");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn an_export_is_given_once_to_who_was_given_its_address() {
    let serving = Serving::new();
    let (_, project) = serving.call("create_project", &json!({ "name": "Giving", "folder": null }));
    let project = project["folder"].as_str().unwrap().to_owned();
    let folder = std::path::Path::new(&project).join("exports/m\u{e4}rz");
    std::fs::create_dir_all(folder.join("adapter")).unwrap();
    let weights: Vec<u8> = (0..1_500_000_u32).map(|at| (at % 251) as u8 % 128).collect();
    std::fs::write(folder.join("adapter/weights"), &weights).unwrap();

    let asked = json!({ "project": project, "export": "m\u{e4}rz" }).to_string();
    let (host, bearer, length) = (serving.host(), serving.bearer(), asked.len().to_string());
    let headers = [("Host", host.as_str()), ("Content-Length", &length)];
    assert_eq!(serving.exchange("POST /download", &headers, &asked).0, 401);
    let headers = [("Host", host.as_str()), ("Authorization", &bearer), ("Content-Length", &length)];
    let (status, _, body) = serving.exchange("POST /download", &headers, &asked);
    let given: Value = serde_json::from_str(&body).unwrap();
    assert_eq!((status, &given["name"]), (200, &json!("m\u{e4}rz.tar")));
    let address = given["address"].as_str().unwrap().to_owned();
    assert!(!address.contains(&serving.token) && address.len() > 64, "{address}");

    // Another page's script may not have it, and does not use it up.
    let foreign = [("Host", host.as_str()), ("Origin", "http://example.org")];
    assert_eq!(serving.exchange(&format!("GET {address}"), &foreign, "").0, 403);
    let (status, head, body) = serving.exchange(&format!("GET {address}"), &[("Host", host.as_str())], "");
    assert_eq!((status, body.len() as u64), (200, given["bytes"].as_u64().unwrap()));
    assert!(head.contains(&format!("content-length: {}", body.len())), "{head}");
    assert!(head.contains("filename*=utf-8''m%c3%a4rz.tar"), "{head}");
    assert!(body.as_bytes().windows(weights.len()).any(|part| part == weights), "the file is in it");
    assert_eq!(serving.exchange(&format!("GET {address}"), &[("Host", host.as_str())], "").0, 404);
    assert_eq!(serving.exchange("GET /download/none", &[("Host", host.as_str())], "").0, 404);
    let none = json!({ "project": project, "export": "../runs" }).to_string();
    let length = none.len().to_string();
    let headers = [("Host", host.as_str()), ("Authorization", &bearer), ("Content-Length", &length)];
    assert_eq!(serving.exchange("POST /download", &headers, &none).0, 422);
}

#[test]
fn news_come_as_events() {
    let serving = Serving::new();
    let mut news = serving.news();
    let (_, project) = serving.call("create_project", &json!({ "name": "Loud", "folder": null }));
    let model = serving.folder.path().join("projects").join("model");
    std::fs::create_dir_all(&model).unwrap();
    // A folder without a model in it is refused; the catalogue's names are taken without looking.
    let chosen = json!({ "project": project["folder"], "model": model });
    assert_eq!(serving.call("set_model", &chosen).0, 422);
    let (_, home) = serving.call("home", &json!({}));
    let chosen = json!({ "project": project["folder"], "model": home["models"][0]["id"] });
    assert_eq!(serving.call("set_model", &chosen).0, 200);
    let heard = until(&mut news, &format!("\"project\":{}}}\n\n", project["folder"]));
    let events = heard.lines().filter_map(|line| line.strip_prefix("data: "));
    let events: Vec<Value> = events.map(|event| serde_json::from_str(event).unwrap()).collect();
    // The list of projects changed as well, when the new one was opened.
    let changed = json!({ "type": "project", "project": project["folder"] });
    assert_eq!(events, [json!({ "type": "projects" }), changed]);
}

#[test]
fn the_server_ends_while_a_page_listens() {
    let serving = Serving::new();
    let mut news = serving.news();
    drop(serving);
    let mut rest = Vec::new();
    let _ = news.read_to_end(&mut rest);
}
