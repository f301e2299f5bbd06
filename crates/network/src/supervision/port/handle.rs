//! The node's grip on its supervisor port. Everything but shutdown works on any thread and never blocks.

use super::Port;
use crate::handle::{Running, canonical};
use crate::lock;
use crate::supervision::Traffic;
use crate::supervision::port::seat::Seat;
use btn_command::{encode_announcement, encode_command};
use btn_types::NodeId;
use btn_types::supervision::{Announcement, StatusSummary};
use bytes::Bytes;
use quinn::Connection;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};
use tokio::sync::watch;

/// How the link to one supervisor stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SupervisorLinkStatus {
    /// Its identity.
    pub id: NodeId,
    /// Whether a link stands.
    pub connected: bool,
    /// Where it is connected from.
    pub address: Option<SocketAddr>,
    /// Since when it is connected, or not.
    pub since: SystemTime,
    /// Round-trip time as QUIC estimates it.
    pub rtt: Option<Duration>,
    /// Where it stood when it was asked last, on this link or an earlier one.
    pub reported: Option<StatusSummary>,
    /// Why no link stands, or why the last one ended; `None` while connected.
    pub last_error: Option<String>,
    /// What went over its links since the port was opened.
    pub traffic: Traffic,
}

/// Handle of an open port. Cheap to clone; when the last clone is dropped the port closes at once.
#[derive(Clone)]
pub struct SupervisorPortHandle {
    inner: Arc<Inner>,
}

struct Inner {
    port: Arc<Port>,
    local_address: SocketAddr,
    changes: watch::Sender<u64>,
    running: Mutex<Option<Running>>,
}

impl std::fmt::Debug for SupervisorPortHandle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SupervisorPortHandle")
            .field("local_address", &self.inner.local_address)
            .finish_non_exhaustive()
    }
}

impl SupervisorPortHandle {
    pub(crate) fn new(
        port: Arc<Port>,
        local_address: SocketAddr,
        changes: watch::Sender<u64>,
        running: Running,
    ) -> Self {
        let running = Mutex::new(Some(running));
        Self { inner: Arc::new(Inner { port, local_address, changes, running }) }
    }

    /// The UDP address in use; the way to learn the port after listening on port 0.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.inner.local_address
    }

    /// Tells every connected supervisor. Never blocks: where too many wait already, the oldest go.
    pub fn announce(&self, announcement: &Announcement) {
        let Some(frame) = encode(announcement) else { return };
        for waiting in self.inner.port.standing.all() {
            waiting.push(frame.clone());
        }
    }

    /// Tells one supervisor, if it is connected. Never blocks.
    pub fn greet(&self, supervisor: NodeId, announcements: &[Announcement]) {
        let Some(waiting) = self.inner.port.standing.of(supervisor) else { return };
        for frame in announcements.iter().filter_map(encode) {
            waiting.push(frame);
        }
    }

    /// Every registered supervisor's state, by identity.
    #[must_use]
    pub fn supervisors(&self) -> Vec<SupervisorLinkStatus> {
        let mut all: Vec<_> = self.inner.port.seats.values().map(|seat| status(seat)).collect();
        all.sort_unstable_by_key(|status| status.id);
        all
    }

    /// One supervisor's state; `None` where it is not registered.
    #[must_use]
    pub fn supervisor(&self, id: NodeId) -> Option<SupervisorLinkStatus> {
        self.inner.port.seat(id).map(|seat| status(seat))
    }

    /// A counter that moves whenever a link begins, ends or is refused, or a supervisor's report changes.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.inner.changes.subscribe()
    }

    /// Tells every supervisor goodbye and waits, within bounds, until the socket is free. A second call does
    /// nothing.
    pub async fn shutdown(&self) {
        let Some(running) = lock(&self.inner.running).take() else { return };
        running.say_goodbye(self.inner.connections());
        running.stop().await;
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        if let Some(running) = lock(&self.running).take() {
            running.say_goodbye(self.connections());
        }
    }
}

impl Inner {
    fn connections(&self) -> impl Iterator<Item = Connection> {
        self.port.seats.values().filter_map(|seat| seat.state().connection)
    }
}

/// The frame of an announcement; one that is too large is a fault of this node and is only logged.
fn encode(announcement: &Announcement) -> Option<Bytes> {
    let command = encode_announcement(announcement).map_err(|error| error.to_string());
    match command.and_then(|command| encode_command(&command).map_err(|error| error.to_string())) {
        Ok(frame) => Some(frame),
        Err(error) => {
            tracing::error!("an announcement is not sent: {error}");
            None
        }
    }
}

fn status(seat: &Seat) -> SupervisorLinkStatus {
    let state = seat.state();
    let connection = state.connection.as_ref();
    SupervisorLinkStatus {
        id: seat.id,
        connected: connection.is_some(),
        address: connection.map(|connection| canonical(connection.remote_address())),
        since: state.since,
        rtt: connection.map(Connection::rtt),
        reported: seat.reported(),
        last_error: state.last_error,
        traffic: seat.counters.traffic(connection),
    }
}
