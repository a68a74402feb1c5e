//! A commit as the hub takes it: lines of JSON, small files in them as base64. What is sent is read from the files while it
//! goes out.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Read};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use super::local::LocalFile;

/// Bytes of a file that become base64 at once: a multiple of three.
const AT_ONCE: usize = 3 << 14;

/// How a file goes into a commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    /// In the commit itself.
    Regular,
    /// By its hash; the storage has it.
    Lfs,
}

/// The body of a commit.
pub(super) struct CommitBody<'a> {
    parts: VecDeque<Part<'a>>,
    at: Vec<u8>,
    position: usize,
    /// The file that is being read, with how many bytes of it are left.
    open: Option<(File, u64)>,
    /// Bytes in all.
    pub(super) bytes: u64,
}

enum Part<'a> {
    Text(Vec<u8>),
    /// A file as base64.
    Content(&'a LocalFile),
}

impl<'a> CommitBody<'a> {
    /// A commit of `files` upon `parent`.
    pub(super) fn new(message: &str, parent: &str, files: &[(&'a LocalFile, Mode)]) -> Self {
        let line = |value: &serde_json::Value| Part::Text(format!("{value}\n").into_bytes());
        let header = json!({ "summary": message, "description": "", "parentCommit": parent });
        let mut parts = VecDeque::from([line(&json!({ "key": "header", "value": header }))]);
        for (file, mode) in files {
            match mode {
                Mode::Lfs => {
                    let value = json!({ "path": file.path, "algo": "sha256", "oid": file.sha256, "size": file.bytes });
                    parts.push_back(line(&json!({ "key": "lfsFile", "value": value })));
                }
                Mode::Regular => {
                    // The content stands between two quotation marks, and needs no escapes.
                    let path = serde_json::Value::from(file.path.clone());
                    let head = format!(r#"{{"key":"file","value":{{"path":{path},"encoding":"base64","content":""#);
                    parts.extend([Part::Text(head.into_bytes()), Part::Content(file), Part::Text(b"\"}}\n".to_vec())]);
                }
            }
        }
        let length = |part: &Part<'_>| match part {
            Part::Text(text) => text.len() as u64,
            Part::Content(file) => file.bytes.div_ceil(3) * 4,
        };
        let bytes = parts.iter().map(length).sum();
        Self { parts, at: Vec::new(), position: 0, open: None, bytes }
    }

    /// The next bytes that go out; false at the end.
    fn fill(&mut self) -> io::Result<bool> {
        loop {
            if let Some((file, left)) = &mut self.open {
                let some = AT_ONCE.min(usize::try_from(*left).unwrap_or(AT_ONCE));
                let mut bytes = vec![0; some];
                file.read_exact(&mut bytes)?;
                *left -= some as u64;
                if *left == 0 {
                    self.open = None;
                }
                self.at = STANDARD.encode(bytes).into_bytes();
            } else {
                match self.parts.pop_front() {
                    None => return Ok(false),
                    Some(Part::Text(text)) => self.at = text,
                    Some(Part::Content(file)) => {
                        if file.bytes > 0 {
                            self.open = Some((file.open().map_err(io::Error::other)?, file.bytes));
                        }
                        continue;
                    }
                }
            }
            self.position = 0;
            return Ok(true);
        }
    }
}

impl Read for CommitBody<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.position == self.at.len() {
            if !self.fill()? {
                return Ok(0);
            }
        }
        let some = buffer.len().min(self.at.len() - self.position);
        buffer[..some].copy_from_slice(&self.at[self.position..self.position + some]);
        self.position += some;
        Ok(some)
    }
}
