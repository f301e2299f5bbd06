//! The place of one registered supervisor: its state as operators see it, its gate, and the task that serves its
//! links one after the other.

use super::Port;
use super::event::SupervisorEvent;
use super::link;
use crate::limits::STABLE_LINK;
use crate::limits::supervision::{CONNECTION_INTERVAL, CONNECTIONS_BURST, PENALTY_FIRST, PENALTY_MOST};
use crate::link_state::LinkState;
use crate::offers::Offers;
use crate::supervision::announcements::Announcements;
use crate::supervision::bucket::Bucket;
use crate::supervision::counters::Counters;
use crate::supervision::hello::Opened;
use crate::{LinkError, lock, metric_names};
use btn_types::NodeId;
use btn_types::supervision::StatusSummary;
use quinn::Connection;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;

/// A connection that passed the hello.
pub(crate) struct Greeted {
    pub connection: Connection,
    pub opened: Opened,
}

/// One registered supervisor.
pub(crate) struct Seat {
    pub id: NodeId,
    pub offers: Offers<Greeted>,
    pub counters: Arc<Counters>,
    state: Mutex<LinkState>,
    gate: Mutex<Gate>,
    reported: Mutex<Option<StatusSummary>>,
    changes: watch::Sender<u64>,
}

/// Holds back a supervisor that connects too often or broke the protocol.
#[derive(Debug)]
pub(crate) struct Gate {
    connections: Bucket,
    closed_until: Instant,
    violations: u32,
}

impl Gate {
    pub(crate) fn new(now: Instant) -> Self {
        let per_second = 1_000 / u64::try_from(CONNECTION_INTERVAL.as_millis()).unwrap_or(u64::MAX).max(1);
        Self {
            connections: Bucket::new(per_second, CONNECTIONS_BURST, now),
            closed_until: now,
            violations: 0,
        }
    }

    pub(crate) fn admit(&mut self, now: Instant) -> Result<(), LinkError> {
        let penalty = self.closed_until.saturating_duration_since(now);
        if !penalty.is_zero() {
            return Err(LinkError::Penalty { wait_ms: milliseconds(penalty) });
        }
        if !self.connections.take(1, now) {
            return Err(LinkError::TooManyConnections { wait_ms: milliseconds(CONNECTION_INTERVAL) });
        }
        Ok(())
    }

    /// A link ended. After a violation the gate stays closed, each time twice as long; a link that held for a
    /// while without one forgives.
    pub(crate) fn link_ended(&mut self, error: &LinkError, lasted: Duration, now: Instant) {
        if error.is_violation() {
            let penalty = PENALTY_FIRST.saturating_mul(2u32.saturating_pow(self.violations.min(16)));
            self.closed_until = now + penalty.min(PENALTY_MOST);
            self.violations = self.violations.saturating_add(1);
        } else if lasted >= STABLE_LINK {
            self.violations = 0;
        }
    }
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

impl Seat {
    pub(crate) fn new(id: NodeId, changes: watch::Sender<u64>, now: Instant) -> Self {
        Self {
            id,
            offers: Offers::default(),
            counters: Arc::default(),
            state: Mutex::default(),
            gate: Mutex::new(Gate::new(now)),
            reported: Mutex::new(None),
            changes,
        }
    }

    /// A copy of the state.
    pub(crate) fn state(&self) -> LinkState {
        lock(&self.state).clone()
    }

    pub(crate) fn reported(&self) -> Option<StatusSummary> {
        *lock(&self.reported)
    }

    /// Notes where the supervisor says it stands.
    pub(crate) fn report(&self, status: StatusSummary) {
        if lock(&self.reported).replace(status) != Some(status) {
            self.changed();
        }
    }

    /// Whether a connection of this supervisor is taken now.
    pub(crate) fn admit(&self, now: Instant) -> Result<(), LinkError> {
        lock(&self.gate).admit(now)
    }

    /// Notes that a connection was refused, and logs it unless it is what was logged last. How long the gate
    /// stays closed changes each time, so its refusals are counted and not logged.
    pub(crate) fn refused(&self, error: &LinkError, address: SocketAddr) {
        metric_names::supervision_refused("refused");
        let id = self.id.short();
        if matches!(error, LinkError::Penalty { .. } | LinkError::TooManyConnections { .. }) {
            return tracing::debug!(id, %address, "supervisor held back: {error}");
        }
        let is_news = lock(&self.state).refused(error);
        self.changed();
        if is_news {
            tracing::warn!(id, %address, "supervisor refused: {error}");
        } else {
            tracing::debug!(id, %address, "supervisor refused again: {error}");
        }
    }

    fn connected(&self, connection: &Connection) {
        lock(&self.state).connected(connection);
        metric_names::supervision_connected();
        self.changed();
        let address = connection.remote_address();
        tracing::debug!(id = self.id.short(), %address, "supervisor connected");
    }

    fn ended(&self, error: &LinkError, lasted: Duration) {
        lock(&self.gate).link_ended(error, lasted, Instant::now());
        let is_news = lock(&self.state).ended(error);
        metric_names::supervision_ended(error.end_label());
        let id = self.id.short();
        if is_news && error.is_violation() {
            tracing::warn!(id, "supervisor's link closed: {error}");
        } else {
            tracing::debug!(id, "supervisor disconnected: {error}");
        }
    }

    fn changed(&self) {
        self.changes.send_modify(|version| *version = version.wrapping_add(1));
    }
}

/// The links that stand, for announcing.
#[derive(Default)]
pub(crate) struct Standing(Mutex<BTreeMap<NodeId, Arc<Announcements>>>);

impl Standing {
    /// What waits for each connected supervisor.
    pub(crate) fn all(&self) -> Vec<Arc<Announcements>> {
        lock(&self.0).values().cloned().collect()
    }

    /// What waits for this one.
    pub(crate) fn of(&self, supervisor: NodeId) -> Option<Arc<Announcements>> {
        lock(&self.0).get(&supervisor).cloned()
    }
}

/// Marks a seat as taken for as long as it lives, also when its task is aborted.
struct Taken<'a> {
    port: &'a Port,
    seat: &'a Seat,
    connection: &'a Connection,
}

impl<'a> Taken<'a> {
    fn new(port: &'a Port, seat: &'a Seat, connection: &'a Connection, waiting: Arc<Announcements>) -> Self {
        lock(&port.standing.0).insert(seat.id, waiting);
        seat.connected(connection);
        Self { port, seat, connection }
    }
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        lock(&self.port.standing.0).remove(&self.seat.id);
        lock(&self.seat.state).gone();
        self.seat.counters.link_ended(self.connection);
        metric_names::supervision_disconnected();
        self.seat.changed();
    }
}

/// Serves the links of one supervisor, one after the other, for ever.
pub(crate) async fn keep(port: Arc<Port>, seat: Arc<Seat>) {
    loop {
        let greeted = seat.offers.take().await;
        if carry(&port, &seat, greeted).await.is_none() {
            return;
        }
    }
}

/// Runs one link and reports its start and end. `None` = nobody listens any more.
async fn carry(port: &Arc<Port>, seat: &Arc<Seat>, greeted: Greeted) -> Option<()> {
    let Greeted { connection, opened } = greeted;
    let started = Instant::now();
    let waiting = Arc::new(Announcements::default());
    let taken = Taken::new(port, seat, &connection, Arc::clone(&waiting));
    port.events.send(SupervisorEvent::Connected(seat.id)).await.ok()?;
    let error = link::run(port, seat, &connection, opened, waiting).await;
    seat.ended(&error, started.elapsed());
    drop(taken);
    port.events.send(SupervisorEvent::Disconnected(seat.id)).await.ok()
}
