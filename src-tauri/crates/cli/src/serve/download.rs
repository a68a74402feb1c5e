//! `POST /download` gives an address at which an export can be had once, and `GET /download/TICKET` gives the export.
//!
//! A browser saves a file by going to an address, and sends no header of ours then. The token must not stand in an address: it
//! would be in the browser's list of downloads. A ticket stands there instead, which is good for one download within a minute.

use super::Server;
use super::api_calls::{refused, reply};
use api::window::Download;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Path, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_TYPE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::io::Read;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::mpsc::{Sender, channel};

/// How long a ticket is good.
const GOOD_FOR: Duration = Duration::from_secs(60);
/// The longest request.
const MOST_ASKED: usize = 64 * 1024;
/// Tickets that are out at once: nobody needs so many.
const MOST: usize = 100;
/// Parts that wait for a slow reader, and how large each is.
const WAITING: usize = 4;
const PART: usize = 256 * 1024;

/// What may be downloaded, by ticket.
#[derive(Default)]
pub(super) struct Tickets(Mutex<HashMap<String, (Instant, Download)>>);

impl Tickets {
    fn good(&self) -> MutexGuard<'_, HashMap<String, (Instant, Download)>> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|_, (given, _)| given.elapsed() < GOOD_FOR);
        all
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Asked {
    /// The project's folder.
    project: String,
    export: String,
    /// Whether all files are asked for where one of them stands for the export.
    #[serde(default)]
    whole: bool,
}

#[derive(Serialize)]
struct Ticket {
    address: String,
    name: String,
    bytes: u64,
}

pub(super) async fn ticket(State(server): State<Arc<Server>>, body: Body) -> Response {
    let body = to_bytes(body, MOST_ASKED).await.unwrap_or_default();
    let Ok(asked) = serde_json::from_slice::<Asked>(&body) else {
        let message = "the request names no export of a project";
        return refused(StatusCode::BAD_REQUEST, "bad_request", message, "Reload the page.");
    };
    let giving = tokio::task::spawn_blocking(move || {
        let download = server.backend.download(&asked.project, &asked.export, asked.whole)?;
        let ticket = super::token()?;
        let given =
            Ticket { address: format!("/download/{ticket}"), name: download.name.clone(), bytes: download.bytes };
        let mut good = server.tickets.good();
        if good.len() >= MOST {
            return Err(api::Error {
                code: "too_many_downloads".into(),
                message: "too many downloads were asked for and not begun".into(),
                hint: "Wait a minute and try again.".into(),
            });
        }
        good.insert(ticket, (Instant::now(), download));
        Ok(given)
    });
    reply(giving.await)
}

pub(super) async fn download(State(server): State<Arc<Server>>, Path(ticket): Path<String>) -> Response {
    let Some((_, download)) = server.tickets.good().remove(&ticket) else {
        let message = "this download is not there any more";
        return refused(StatusCode::NOT_FOUND, "no_download", message, "Ask for it again on the screen Export.");
    };
    let Download { name, bytes, contents } = download;
    let (sender, receiver) = channel(WAITING);
    tokio::task::spawn_blocking(move || give(contents, &sender));
    let parts = futures_util::stream::unfold(receiver, |mut receiver| async {
        receiver.recv().await.map(|part| (part, receiver))
    });
    let Ok(disposition) = HeaderValue::from_str(&disposition(&name)) else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    let mut response = Body::from_stream(parts).into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    headers.insert(CONTENT_LENGTH, HeaderValue::from(bytes));
    headers.insert(CONTENT_DISPOSITION, disposition);
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// Sends what is read; a reader that goes away ends it, and an error cuts the answer off before its length is reached.
fn give(mut contents: Box<dyn Read + Send>, sender: &Sender<std::io::Result<Bytes>>) {
    loop {
        let mut part = vec![0; PART];
        let (part, ends) = match contents.read(&mut part) {
            Ok(0) => return,
            Ok(length) => {
                part.truncate(length);
                (Ok(Bytes::from(part)), false)
            }
            Err(error) => (Err(error), true),
        };
        if sender.blocking_send(part).is_err() || ends {
            return;
        }
    }
}

/// The file's name, in ASCII for old programs and whole for the others.
fn disposition(name: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | ' ');
    let ascii: String = name.chars().map(|c| if plain(c) { c } else { '_' }).collect();
    let whole = super::percent_encoded(name).replace('/', "%2F");
    format!("attachment; filename=\"{ascii}\"; filename*=UTF-8''{whole}")
}

#[cfg(test)]
mod tests {
    use super::disposition;

    #[test]
    fn a_name_is_said_twice_and_leads_nowhere() {
        assert_eq!(disposition("a b.tar"), "attachment; filename=\"a b.tar\"; filename*=UTF-8''a%20b.tar");
        assert_eq!(disposition("ä/\"\n"), "attachment; filename=\"____\"; filename*=UTF-8''%C3%A4%2F%22%0A");
    }
}
