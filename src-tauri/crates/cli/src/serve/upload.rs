//! `POST /upload?name=NAME`: a file's bytes, written to disk as they come.

use super::Server;
use super::api_calls::{announced, refused, reply};
use axum::body::{Body, Bytes};
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use futures_util::StreamExt;
use serde::Deserialize;
use std::io::{Error, ErrorKind, Read};
use std::sync::Arc;
use tokio::sync::mpsc::{Receiver, channel};

/// Parts that wait to be written.
const WAITING: usize = 16;

#[derive(Deserialize)]
pub(super) struct Named {
    name: String,
}

pub(super) async fn upload(
    State(server): State<Arc<Server>>,
    Query(named): Query<Named>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    if announced(&headers).is_some_and(|bytes| bytes > api::window::MOST_BYTES) {
        let message = format!("the file is larger than {} MB", api::window::MOST_BYTES >> 20);
        let hint = "Split it, or bring it in with `tiebreak import`.";
        return refused(StatusCode::PAYLOAD_TOO_LARGE, "too_large", &message, hint);
    }
    let (sender, receiver) = channel(WAITING);
    let backend = server.backend.clone();
    let writing = tokio::task::spawn_blocking(move || {
        backend.upload(&named.name, &mut Parts { receiver, part: Bytes::new(), ended: false })
    });
    let mut body = body.into_data_stream();
    while let Some(part) = body.next().await {
        let part = part.map(Some).map_err(|error| Error::new(ErrorKind::UnexpectedEof, error));
        let broken = part.is_err();
        // Nobody takes it where the file has failed already: the reply says why.
        if sender.send(part).await.is_err() || broken {
            return reply(writing.await);
        }
    }
    let _ = sender.send(Ok(None)).await;
    reply(writing.await)
}

/// The parts of a body one after the other; `None` is its end. A sender that goes away without saying so has broken off.
struct Parts {
    receiver: Receiver<Result<Option<Bytes>, Error>>,
    part: Bytes,
    ended: bool,
}

impl Read for Parts {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        while self.part.is_empty() && !self.ended {
            match self.receiver.blocking_recv() {
                Some(Ok(Some(part))) => self.part = part,
                Some(Ok(None)) => self.ended = true,
                Some(Err(error)) => return Err(error),
                None => return Err(ErrorKind::UnexpectedEof.into()),
            }
        }
        let length = buffer.len().min(self.part.len());
        buffer[..length].copy_from_slice(&self.part.split_to(length));
        Ok(length)
    }
}
