//! Accepted connections on their way to the task that serves their peer.

use crate::lock;
use std::sync::Mutex;
use tokio::sync::Notify;

/// At most one connection waits: the newest.
pub(crate) struct Offers<T> {
    newest: Mutex<Option<T>>,
    arrived: Notify,
}

impl<T> Default for Offers<T> {
    fn default() -> Self {
        Self { newest: Mutex::new(None), arrived: Notify::new() }
    }
}

impl<T> Offers<T> {
    /// Hands over a connection that passed the hello; returns the one it takes the place of, to be closed.
    pub(crate) fn put(&self, connection: T) -> Option<T> {
        let older = lock(&self.newest).replace(connection);
        self.arrived.notify_one();
        older
    }

    /// Waits for a connection and takes it.
    pub(crate) async fn take(&self) -> T {
        loop {
            if let Some(connection) = lock(&self.newest).take() {
                return connection;
            }
            self.arrived.notified().await;
        }
    }

    /// Waits until a connection is there, without taking it.
    pub(crate) async fn wait(&self) {
        while lock(&self.newest).is_none() {
            self.arrived.notified().await;
        }
    }
}
