//! One configured peer: its queues, its state as operators see it, and the task that keeps its link up.

use crate::backoff::Backoff;
use crate::dial::Dialler;
use crate::event::{Inbox, NetworkEvent};
use crate::limits::STABLE_LINK;
use crate::queue::Outbound;
use crate::{LinkError, lock, metric_names};
use btn_types::{B256, MemberIndex, NodeId};
use quinn::Connection;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Instant, SystemTime};
use tokio::sync::{Notify, watch};

/// One configured peer.
pub(crate) struct Peer {
    pub member: MemberIndex,
    pub id: NodeId,
    pub network_key: B256,
    /// Whether this node dials it: the smaller identity does.
    pub we_dial: bool,
    /// Where to dial it. A change wakes a dialler that waits between attempts.
    pub addresses: watch::Sender<Vec<String>>,
    pub outbound: Outbound,
    pub offers: Offers,
    state: Mutex<State>,
    changes: watch::Sender<u64>,
}

/// What operators see, and what was logged already.
struct State {
    connection: Option<Connection>,
    since: SystemTime,
    last_error: Option<String>,
    /// The refusal logged last; forgotten when a link stands.
    logged_refusal: Option<String>,
    /// The violation logged last; never forgotten, or a misbehaving peer could fill the disk.
    logged_violation: Option<String>,
}

/// A copy of a peer's state.
pub(crate) struct PeerState {
    pub connection: Option<Connection>,
    pub since: SystemTime,
    pub last_error: Option<String>,
}

impl Peer {
    pub(crate) fn new(config: &crate::PeerConfig, we_dial: bool, changes: watch::Sender<u64>) -> Self {
        let state = State {
            connection: None,
            since: SystemTime::now(),
            last_error: None,
            logged_refusal: None,
            logged_violation: None,
        };
        Self {
            member: config.member,
            id: config.id,
            network_key: config.network_key,
            we_dial,
            addresses: watch::Sender::new(config.addresses.clone()),
            outbound: Outbound::new(),
            offers: Offers::default(),
            state: Mutex::new(state),
            changes,
        }
    }

    pub(crate) fn state(&self) -> PeerState {
        let state = lock(&self.state);
        PeerState {
            connection: state.connection.clone(),
            since: state.since,
            last_error: state.last_error.clone(),
        }
    }

    /// Notes why no link stands, and logs it unless it is what was logged last.
    pub(crate) fn refused(&self, error: &LinkError, address: Option<SocketAddr>) {
        let text = error.to_string();
        let is_news = {
            let mut state = lock(&self.state);
            state.last_error = Some(text.clone());
            state.logged_refusal.replace(text).as_deref() != state.last_error.as_deref()
        };
        self.changed();
        metric_names::handshake_failed(if error.is_unreachable() { "unreachable" } else { "refused" });
        let (member, id) = (self.member.0, self.id.short());
        let address = address.map(tracing::field::display);
        match (is_news, error.is_unreachable()) {
            (true, true) => tracing::info!(member, id, address, "no link yet: {error}"),
            (true, false) => tracing::warn!(member, id, address, "no link: {error}"),
            (false, _) => tracing::debug!(member, id, address, "still no link: {error}"),
        }
    }

    fn connected(&self, connection: &Connection) {
        {
            let mut state = lock(&self.state);
            state.connection = Some(connection.clone());
            state.since = SystemTime::now();
            state.last_error = None;
            state.logged_refusal = None;
        }
        metric_names::connected();
        self.changed();
        let address = connection.remote_address();
        tracing::info!(member = self.member.0, id = self.id.short(), %address, "connected");
    }

    fn disconnected(&self, error: &LinkError) {
        let text = error.to_string();
        let is_news = {
            let mut state = lock(&self.state);
            state.last_error = Some(text.clone());
            !error.is_violation() || state.logged_violation.replace(text.clone()) != Some(text)
        };
        metric_names::link_ended(error.end_label());
        let (member, id) = (self.member.0, self.id.short());
        match (is_news, error.is_violation()) {
            (true, true) => tracing::warn!(member, id, "disconnected: {error}"),
            (true, false) => tracing::info!(member, id, "disconnected: {error}"),
            (false, _) => tracing::debug!(member, id, "disconnected again: {error}"),
        }
    }

    fn changed(&self) {
        self.changes.send_modify(|version| *version = version.wrapping_add(1));
    }
}

/// Marks a peer as connected for as long as it lives, also when its task is aborted.
struct Standing<'a>(&'a Peer);

impl<'a> Standing<'a> {
    fn new(peer: &'a Peer, connection: &Connection) -> Self {
        peer.connected(connection);
        Self(peer)
    }
}

impl Drop for Standing<'_> {
    fn drop(&mut self) {
        {
            let mut state = lock(&self.0.state);
            state.connection = None;
            state.since = SystemTime::now();
        }
        metric_names::disconnected();
        self.0.changed();
    }
}

/// Accepted connections on their way to the peer's task: only the newest is kept.
#[derive(Default)]
pub(crate) struct Offers {
    newest: Mutex<Option<Connection>>,
    arrived: Notify,
}

impl Offers {
    /// Hands over a connection that passed the hello.
    pub(crate) fn put(&self, connection: Connection) {
        if let Some(older) = lock(&self.newest).replace(connection) {
            LinkError::Replaced.close(&older);
        }
        self.arrived.notify_one();
    }

    async fn take(&self) -> Connection {
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

/// Keeps the link to one peer up for ever: get a connection, carry messages until it ends, wait a little.
pub(crate) async fn keep(peer: Arc<Peer>, dialler: Arc<Dialler>, inbox: Inbox) {
    let mut backoff = Backoff::default();
    let mut addresses = peer.addresses.subscribe();
    loop {
        let connection = if peer.we_dial {
            dialler.connect(&peer, &mut addresses, &mut backoff).await
        } else {
            peer.offers.take().await
        };
        let started = Instant::now();
        let Some(error) = carry(&peer, &connection, &inbox).await else { return };
        if started.elapsed() >= STABLE_LINK {
            backoff.reset();
        }
        // A waiting side has nothing to hold back, except from a peer that misbehaves.
        if peer.we_dial || error.is_violation() {
            crate::dial::pause(&mut addresses, backoff.next_delay()).await;
        }
    }
}

/// Runs one link and reports its start and end. `None` = nobody listens any more.
async fn carry(peer: &Arc<Peer>, connection: &Connection, inbox: &Inbox) -> Option<LinkError> {
    let standing = Standing::new(peer, connection);
    if inbox.link(NetworkEvent::Connected(peer.member)).await.is_err() {
        return None;
    }
    let error = crate::link::run(connection, peer, inbox).await;
    peer.disconnected(&error);
    drop(standing);
    inbox.link(NetworkEvent::Disconnected(peer.member)).await.ok()?;
    Some(error)
}
