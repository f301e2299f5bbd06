//! The node's grip on the network: sending, status, shutdown. Everything but shutdown works on any thread.

use crate::config::check_addresses;
use crate::limits::{SHUTDOWN_WAIT, class_name};
use crate::peer::Peer;
use crate::{LinkError, NetworkError, frame, lock, metric_names};
use btn_types::{MemberIndex, Message, NodeId};
use bytes::Bytes;
use quinn::{Connection, Endpoint};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;

/// How one peer's link stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerStatus {
    /// Its place in the committee.
    pub member: MemberIndex,
    /// Its identity.
    pub id: NodeId,
    /// Whether a link stands.
    pub connected: bool,
    /// Whether this node dials it (the smaller identity does); if not, a peer that never connects cannot
    /// reach this node.
    pub we_dial: bool,
    /// Where it is connected from.
    pub address: Option<SocketAddr>,
    /// Since when it is connected, or not.
    pub since: SystemTime,
    /// Round-trip time as QUIC estimates it.
    pub rtt: Option<Duration>,
    /// Why no link stands, or why the last one ended; `None` while connected.
    pub last_error: Option<String>,
}

/// Handle of a running network. Cheap to clone; when the last clone is dropped the network stops at once.
#[derive(Clone)]
pub struct NetworkHandle {
    inner: Arc<Inner>,
}

struct Inner {
    peers: BTreeMap<MemberIndex, Arc<Peer>>,
    local_address: SocketAddr,
    changes: watch::Sender<u64>,
    running: Mutex<Option<Running>>,
}

/// What shutdown has to end.
pub(crate) struct Running {
    pub endpoint: Endpoint,
    pub tasks: JoinSet<()>,
    /// Ends when all tasks of QUIC have ended.
    pub transport_ended: mpsc::Receiver<()>,
}

impl std::fmt::Debug for NetworkHandle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NetworkHandle")
            .field("local_address", &self.inner.local_address)
            .finish_non_exhaustive()
    }
}

impl NetworkHandle {
    pub(crate) fn new(
        peers: BTreeMap<MemberIndex, Arc<Peer>>,
        local_address: SocketAddr,
        changes: watch::Sender<u64>,
        running: Running,
    ) -> Self {
        let running = Mutex::new(Some(running));
        Self { inner: Arc::new(Inner { peers, local_address, changes, running }) }
    }

    /// The UDP address in use; the way to learn the port after listening on port 0.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.inner.local_address
    }

    /// Queues a message for one member. Never blocks: a full queue drops its oldest message. A message to
    /// the node itself or to an unknown member goes nowhere.
    pub fn send(&self, to: MemberIndex, message: Arc<Message>) {
        if let (Some(peer), Some(frame)) = (self.inner.peers.get(&to), encode(&message)) {
            peer.outbound.queue(message.class()).push(frame, Instant::now());
        }
    }

    /// Queues a message for every peer, encoded once. Never blocks.
    pub fn broadcast(&self, message: Arc<Message>) {
        let Some(frame) = encode(&message) else { return };
        let now = Instant::now();
        for peer in self.inner.peers.values() {
            peer.outbound.queue(message.class()).push(frame.clone(), now);
        }
    }

    /// Every peer's state, by place in the committee.
    #[must_use]
    pub fn peers(&self) -> Vec<PeerStatus> {
        self.inner.peers.values().map(|peer| status(peer)).collect()
    }

    /// A counter that moves whenever something in [`Self::peers`] other than a round-trip time changes.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.inner.changes.subscribe()
    }

    /// Replaces a peer's addresses; the next attempt to dial it comes at once.
    ///
    /// # Errors
    /// Unknown member, too many addresses, or one that is not `host:port`.
    pub fn set_addresses(&self, member: MemberIndex, addresses: Vec<String>) -> Result<(), NetworkError> {
        check_addresses(&addresses)?;
        let peer = self.inner.peers.get(&member).ok_or(NetworkError::UnknownMember(member))?;
        peer.addresses.send_replace(addresses);
        Ok(())
    }

    /// Tells every peer goodbye and waits, within bounds, until the socket is free. What waits in queues is
    /// dropped, and the links' ends may or may not be reported as events. A second call does nothing.
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
        self.peers.values().filter_map(|peer| peer.state().connection)
    }
}

impl Running {
    /// Closes every connection with a reason. The endpoint goes first, so that nobody dials again. It only
    /// asks the connections' tasks to close later, and links aborted in between would end without a word:
    /// therefore each is closed here as well.
    pub(crate) fn say_goodbye(&self, connections: impl Iterator<Item = Connection>) {
        let reason = LinkError::ShuttingDown;
        self.endpoint.close(reason.code(), reason.to_string().as_bytes());
        connections.for_each(|connection| reason.close(&connection));
    }

    /// Waits, within bounds, until every task has ended and the socket is free.
    pub(crate) async fn stop(mut self) {
        self.tasks.shutdown().await;
        let said_goodbye = timeout(SHUTDOWN_WAIT, self.endpoint.wait_idle()).await.is_ok();
        drop(self.endpoint);
        let ended = timeout(SHUTDOWN_WAIT, self.transport_ended.recv()).await.is_ok();
        if !(said_goodbye && ended) {
            tracing::warn!("the network did not stop within its time; the system will close its socket");
        }
    }
}

/// The frame of a message; one that is too large is a fault of this node and is only counted and logged.
fn encode(message: &Message) -> Option<Bytes> {
    match frame::encode(message) {
        Ok(frame) => Some(frame),
        Err(frame::Oversize { length, limit }) => {
            let (name, class) = (message.name(), class_name(message.class()));
            metric_names::dropped(message.class(), "oversize", 1);
            tracing::error!("a {name} of {length} bytes is not sent, the {class} stream carries {limit}");
            None
        }
    }
}

fn status(peer: &Peer) -> PeerStatus {
    let state = peer.state();
    PeerStatus {
        member: peer.member,
        id: peer.id,
        connected: state.connection.is_some(),
        we_dial: peer.we_dial,
        address: state.connection.as_ref().map(|connection| canonical(connection.remote_address())),
        since: state.since,
        rtt: state.connection.as_ref().map(quinn::Connection::rtt),
        last_error: state.last_error,
    }
}

/// An IPv4 address as such, also where the socket speaks IPv6 and shows it mapped.
pub(crate) fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}
