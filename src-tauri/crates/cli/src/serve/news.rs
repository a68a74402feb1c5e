//! `GET /api/news`: all that happens, as server-sent events.

use super::Server;
use api::window::Heard;
use axum::extract::State;
use axum::response::IntoResponse;
use axum::response::sse::{Event, KeepAlive, Sse};
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// How often a silent stream says that it is there.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// How often a stream looks whether anybody still listens.
const LOOK: Duration = Duration::from_millis(500);

/// Events that wait for a slow reader, before the back end is left waiting in its turn.
const WAITING: usize = 64;

pub(super) async fn news(State(server): State<Arc<Server>>) -> impl IntoResponse {
    let (sender, receiver) = tokio::sync::mpsc::channel::<Event>(WAITING);
    let subscription = server.backend.subscribe();
    tokio::task::spawn_blocking(move || {
        while !sender.is_closed() && !server.closing.load(Ordering::Relaxed) {
            let news = match subscription.wait(LOOK) {
                Heard::News(news) => news,
                Heard::Nothing => continue,
                Heard::End => return,
            };
            let Ok(json) = serde_json::to_string(&news) else { continue };
            if sender.blocking_send(Event::default().data(json)).is_err() {
                return;
            }
        }
    });
    let events = futures_util::stream::unfold(receiver, |mut receiver| async {
        receiver.recv().await.map(|event| (Ok::<_, Infallible>(event), receiver))
    });
    Sse::new(events).keep_alive(KeepAlive::new().interval(KEEP_ALIVE))
}
