//! One stream of news for all that listen.

use super::locked;
use super::types::News;
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::time::Duration;

/// News that may wait for one listener.
const WAITING: usize = 4096;

/// Everybody that listens.
#[derive(Default)]
pub(super) struct Hub {
    listeners: Mutex<Vec<SyncSender<News>>>,
}

impl Hub {
    pub(super) fn subscribe(&self) -> Subscription {
        let (sender, receiver) = sync_channel(WAITING);
        // What the page asked for before it listened may have changed meanwhile. The channel is empty and takes it.
        let _ = sender.try_send(News::Listening);
        locked(&self.listeners).push(sender);
        Subscription(receiver)
    }

    /// A listener that has gone, or does not keep up, is left out from now on: its stream ends, and another one begins with
    /// [`News::Listening`].
    pub(super) fn tell(&self, news: &News) {
        locked(&self.listeners).retain(|listener| match listener.try_send(news.clone()) {
            Ok(()) => true,
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => false,
        });
    }
}

/// The news since [`super::Backend::subscribe`].
pub struct Subscription(Receiver<News>);

/// What a listener hears.
// One is made and taken apart again at once: its size costs nothing.
#[allow(clippy::large_enum_variant)]
#[derive(Debug, Clone, PartialEq)]
pub enum Heard {
    /// Something happened.
    News(News),
    /// Nothing, for as long as it waited.
    Nothing,
    /// There will be no more: listen anew.
    End,
}

impl Subscription {
    /// Waits for the next news, at most `patience`.
    pub fn wait(&self, patience: Duration) -> Heard {
        match self.0.recv_timeout(patience) {
            Ok(news) => Heard::News(news),
            Err(RecvTimeoutError::Timeout) => Heard::Nothing,
            Err(RecvTimeoutError::Disconnected) => Heard::End,
        }
    }
}

/// All news, each as soon as it is there.
impl Iterator for Subscription {
    type Item = News;

    fn next(&mut self) -> Option<News> {
        self.0.recv().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_listeners_hear_and_one_that_does_not_keep_up_is_cut_off() {
        let hub = Hub::default();
        let (keen, slow) = (hub.subscribe(), hub.subscribe());
        for each in [&keen, &slow] {
            assert_eq!(each.wait(Duration::ZERO), Heard::News(News::Listening));
        }
        let news = News::Project { project: "p".into() };
        for _ in 0..=WAITING {
            hub.tell(&news);
            assert_eq!(keen.wait(Duration::ZERO), Heard::News(news.clone()));
        }
        assert_eq!(keen.wait(Duration::ZERO), Heard::Nothing);
        let heard = (0..=WAITING).take_while(|_| slow.wait(Duration::ZERO) != Heard::End).count();
        assert_eq!(heard, WAITING);
    }
}
