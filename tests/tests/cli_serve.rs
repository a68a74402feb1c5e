//! `tiebreak serve`: what it prints, that its page and its calls answer, and that Ctrl-C ends it.
#![cfg(unix)]

use end_to_end::{Finished, tiebreak};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A server that is ended when the test is.
struct Serving {
    child: Child,
    address: String,
    token: String,
    url: String,
}

impl Serving {
    fn start(folder: &Path, more: &[&str]) -> Self {
        let mut child = tiebreak()
            .args(["serve", "--json", "--projects"])
            .arg(folder.join("projects"))
            .args(more)
            .env("TIEBREAK_DATA", folder.join("data"))
            .stdout(Stdio::piped())
            .spawn()
            .expect("the program can be started");
        let mut line = String::new();
        let stdout = child.stdout.take().expect("its output is read here");
        BufReader::new(stdout).read_line(&mut line).expect("it says where it is");
        let said: Value = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"));
        let text = |key: &str| said[key].as_str().unwrap_or_else(|| panic!("no {key}: {line}")).to_owned();
        let (url, token) = (text("url"), text("token"));
        let rest = url.strip_prefix("http://").expect("an address of this machine");
        let address = rest.split('/').next().unwrap_or_default().to_owned();
        assert!(address.starts_with("127.0.0.1:") && url.contains(&format!("/#token={token}")), "{url}");
        Self { child, address, token, url }
    }

    fn exchange(&self, request: &str, body: &str) -> String {
        let mut stream = TcpStream::connect(&self.address).expect("it listens");
        let (host, token, length) = (&self.address, &self.token, body.len());
        write!(
            stream,
            "{request} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {token}\r\nContent-Length: {length}\r\n\
             Connection: close\r\n\r\n{body}"
        )
        .expect("it takes a request");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("it answers in text");
        answer
    }

    fn call(&self, operation: &str, request: &Value) -> Value {
        let answer = self.exchange(&format!("POST /api/{operation}"), &request.to_string());
        let (head, body) = answer.split_once("\r\n\r\n").expect("an answer has a head");
        assert!(head.starts_with("HTTP/1.1 200"), "{answer}");
        serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {answer}"))
    }

    fn interrupted(mut self) -> Option<i32> {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args(["-INT", &id]).status().expect("kill can be started").success());
        let start = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().expect("it can be waited for") {
                return status.code();
            }
            assert!(start.elapsed() < Duration::from_secs(30), "it goes on after Ctrl-C");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn it_prints_its_address_serves_page_and_calls_and_ends_with_ctrl_c() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let serving = Serving::start(folder.path(), &[]);
    let page = serving.exchange("GET /", "");
    assert!(page.starts_with("HTTP/1.1 200") && page.contains("Tiebreak"), "{page}");
    let project = serving.call("open_demo", &json!({}));
    assert_eq!(project["counts"]["pairs"], 200);
    assert_eq!(serving.interrupted(), Some(0));
}

#[test]
fn a_project_that_lies_elsewhere_is_opened_where_the_command_line_names_it() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let pairs = folder.path().join("pairs.jsonl");
    std::fs::write(&pairs, r#"{"prompt": "1 + 1?", "chosen": " 2", "rejected": " 3"}"#).expect("pairs can be written");
    let project = folder.path().join("my pairs");
    let _ = Finished::run(tiebreak().arg("import").arg(&pairs).arg("--project").arg(&project)).well();

    let serving = Serving::start(folder.path(), &["--open", &project.display().to_string()]);
    assert!(serving.url.ends_with("my%20pairs"), "{}", serving.url);
    let home = serving.call("home", &json!({}));
    assert_eq!(home["recent"][0]["name"], "my pairs");
    assert_eq!(home["recent"][0]["exists"], true);
    let view = serving.call("open_project", &json!({ "folder": project }));
    assert_eq!(view["counts"]["pairs"], 1);
}

#[test]
fn a_port_that_is_taken_and_a_folder_without_a_project_are_said() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = taken.local_addr().expect("its number").port().to_string();
    let mut command = tiebreak();
    command.args(["serve", "--port", &port, "--projects"]).arg(folder.path()).env("TIEBREAK_DATA", folder.path());
    let _ = Finished::run(&mut command).refused(&[&port, "--port"]);
    let mut command = tiebreak();
    command.args(["serve", "--open"]).arg(folder.path()).arg("--projects").arg(folder.path());
    let _ = Finished::run(command.env("TIEBREAK_DATA", folder.path())).refused(&["no project"]);
}
