//! One configured peer: its queues, its state as operators see it, and the task that keeps its link up.

use crate::backoff::Backoff;
use crate::dial::Dialler;
use crate::event::{Inbox, NetworkEvent};
use crate::limits::STABLE_LINK;
use crate::link_state::LinkState;
use crate::offers::Offers;
use crate::queue::Outbound;
use crate::{LinkError, lock, metric_names};
use btn_types::{B256, MemberIndex, NodeId};
use quinn::Connection;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Instant;
use tokio::sync::watch;

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
    pub offers: Offers<Connection>,
    state: Mutex<LinkState>,
    changes: watch::Sender<u64>,
}

impl Peer {
    pub(crate) fn new(config: &crate::PeerConfig, we_dial: bool, changes: watch::Sender<u64>) -> Self {
        Self {
            member: config.member,
            id: config.id,
            network_key: config.network_key,
            we_dial,
            addresses: watch::Sender::new(config.addresses.clone()),
            outbound: Outbound::new(),
            offers: Offers::default(),
            state: Mutex::default(),
            changes,
        }
    }

    /// A copy of the state.
    pub(crate) fn state(&self) -> LinkState {
        lock(&self.state).clone()
    }

    /// Notes why no link stands, and logs it unless it is what was logged last.
    pub(crate) fn refused(&self, error: &LinkError, address: Option<SocketAddr>) {
        let is_news = lock(&self.state).refused(error);
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
        lock(&self.state).connected(connection);
        metric_names::connected();
        self.changed();
        let address = connection.remote_address();
        tracing::info!(member = self.member.0, id = self.id.short(), %address, "connected");
    }

    fn disconnected(&self, error: &LinkError) {
        let is_news = lock(&self.state).ended(error);
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
        lock(&self.0.state).gone();
        metric_names::disconnected();
        self.0.changed();
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
