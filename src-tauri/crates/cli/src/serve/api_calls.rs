//! `POST /api/OPERATION`: a request as JSON, its reply or its error as JSON.

use super::Server;
use api::Error;
use axum::body::{Body, to_bytes};
use axum::extract::{Path, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use std::sync::Arc;

/// The longest request: a pair of very long texts.
pub(super) const MOST_BYTES: usize = 16 << 20;

pub(super) async fn call(
    State(server): State<Arc<Server>>,
    Path(operation): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let too_large = announced(&headers).is_some_and(|bytes| bytes > MOST_BYTES as u64);
    let body = if too_large { None } else { to_bytes(body, MOST_BYTES).await.ok() };
    let Some(body) = body else {
        let message = "the request is too large or broke off";
        return refused(StatusCode::PAYLOAD_TOO_LARGE, "too_large", message, "Make the text shorter.");
    };
    let Ok(request) = serde_json::from_slice(&body) else {
        return refused(StatusCode::BAD_REQUEST, "bad_request", "the request is no JSON", "Reload the page.");
    };
    let backend = server.backend.clone();
    reply(tokio::task::spawn_blocking(move || backend.call(&operation, request)).await)
}

/// What came of work in another thread, as an answer.
pub(super) fn reply<T: Serialize>(done: Result<api::Result<T>, tokio::task::JoinError>) -> Response {
    match done {
        Ok(Ok(value)) => json(StatusCode::OK, &value),
        Ok(Err(error)) => {
            let status = match error.code.as_str() {
                "unknown_operation" => StatusCode::NOT_FOUND,
                "folder_not_allowed" => StatusCode::FORBIDDEN,
                "too_large" => StatusCode::PAYLOAD_TOO_LARGE,
                _ => StatusCode::UNPROCESSABLE_ENTITY,
            };
            json(status, &error)
        }
        Err(_) => refused(
            StatusCode::INTERNAL_SERVER_ERROR,
            "fault",
            "the program could not do this: a fault of its own",
            "Try something else, and report it.",
        ),
    }
}

/// How many bytes the sender says the body has.
pub(super) fn announced(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

pub(super) fn refused(status: StatusCode, code: &str, message: &str, hint: &str) -> Response {
    json(status, &Error { code: code.into(), message: message.into(), hint: hint.into() })
}

fn json(status: StatusCode, value: &impl Serialize) -> Response {
    let headers = [(CONTENT_TYPE, "application/json"), (CACHE_CONTROL, "no-store")];
    match serde_json::to_vec(value) {
        Ok(bytes) => (status, headers, bytes).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}
