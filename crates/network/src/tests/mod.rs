//! Tests over real loopback sockets: the harness, and one file for each concern.

mod exchange;
pub(crate) mod messages;
pub(crate) mod pressure;
pub(crate) mod refusal;
mod restart;
mod violation;

use crate::hello::Hello;
use crate::transport::{self, BETWEEN_MASTERS};
use crate::{LinkError, Network, NetworkConfig, NetworkEvent, NetworkEvents, NetworkHandle, NetworkIdentity};
use crate::{PeerConfig, PeerStatus};
use btn_types::{B256, MemberIndex, NodeId};
use quinn::{Connection, ConnectionError, Endpoint};
use std::collections::BTreeSet;
use std::future::Future;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

/// No test waits longer for anything; hit only when something is broken.
const DEADLINE: Duration = Duration::from_secs(30);

/// Genesis hash of the network under test.
pub(crate) const CHAIN: B256 = B256::repeat_byte(0xc0);

pub(crate) const LOOPBACK: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

pub(crate) async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(DEADLINE, future).await.unwrap_or_else(|_| panic!("waited in vain for {what}"))
}

/// PKCS#8 DER of the Ed25519 key with this seed (RFC 8410 §7).
fn pkcs8(seed: u8) -> Vec<u8> {
    let mut der = vec![0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20];
    der.extend_from_slice(&[seed; 32]);
    der
}

pub(crate) fn identity(seed: u8) -> Arc<NetworkIdentity> {
    Arc::new(NetworkIdentity::from_pkcs8_der(&pkcs8(seed)).unwrap())
}

/// Member `i` has key seed `i + 1` and an identity that sorts by `i`: smaller members dial larger ones.
pub(crate) fn seed_of(member: u16) -> u8 {
    u8::try_from(member).unwrap() + 1
}

pub(crate) fn id_of(member: u16) -> NodeId {
    NodeId(B256::repeat_byte(seed_of(member)))
}

fn peer(member: u16, addresses: Vec<String>) -> PeerConfig {
    PeerConfig {
        member: MemberIndex(member),
        id: id_of(member),
        network_key: identity(seed_of(member)).public_key(),
        addresses,
    }
}

/// Configuration of one member of a network of `size`, not yet knowing any address.
fn config(member: u16, size: u16) -> NetworkConfig {
    NetworkConfig {
        listen: LOOPBACK,
        local: identity(seed_of(member)),
        chain: CHAIN,
        node_id: id_of(member),
        peers: (0..size).filter(|other| *other != member).map(|other| peer(other, vec![])).collect(),
    }
}

struct TestNode {
    member: u16,
    handle: NetworkHandle,
    events: NetworkEvents,
}

impl TestNode {
    fn start(member: u16, config: NetworkConfig) -> Self {
        let (handle, events) = Network::start(config).unwrap();
        Self { member, handle, events }
    }

    async fn next(&mut self, what: &str) -> NetworkEvent {
        let what = format!("{what} at member {}", self.member);
        within(&what, self.events.recv()).await.unwrap()
    }

    fn knows(&self, other: &Self) {
        let address = other.handle.local_addr().to_string();
        self.handle.set_addresses(MemberIndex(other.member), vec![address]).unwrap();
    }

    /// Waits until a peer's status is as wanted.
    async fn status(&self, peer: u16, what: &str, wanted: impl Fn(&PeerStatus) -> bool) -> PeerStatus {
        let mut changes = self.handle.changes();
        let wait = async {
            loop {
                changes.borrow_and_update();
                let status = self.handle.peers().into_iter().find(|status| status.member.0 == peer).unwrap();
                if wanted(&status) {
                    return status;
                }
                changes.changed().await.unwrap();
            }
        };
        within(what, wait).await
    }

    /// Waits until a peer's last error contains a text, and returns it.
    async fn error(&self, peer: u16, part: &str) -> String {
        let has = |status: &PeerStatus| status.last_error.as_ref().is_some_and(|text| text.contains(part));
        self.status(peer, part, has).await.last_error.unwrap()
    }
}

/// Starts `size` members, tells them of each other and waits until all are connected.
async fn network(size: u16, listen: SocketAddr) -> Vec<TestNode> {
    let mut nodes: Vec<TestNode> = (0..size)
        .map(|member| TestNode::start(member, NetworkConfig { listen, ..config(member, size) }))
        .collect();
    for node in &nodes {
        for other in nodes.iter().filter(|other| other.member != node.member) {
            node.knows(other);
        }
    }
    for node in &mut nodes {
        let mut missing: BTreeSet<u16> = (0..size).filter(|other| *other != node.member).collect();
        while !missing.is_empty() {
            match node.next("Connected").await {
                NetworkEvent::Connected(member) => assert!(missing.remove(&member.0)),
                other => panic!("{other:?} before all links stood"),
            }
        }
    }
    nodes
}

/// A peer made by hand: it speaks QUIC with a member's key and then whatever the test wants.
struct RawPeer {
    endpoint: Endpoint,
    identity: Arc<NetworkIdentity>,
}

impl RawPeer {
    fn new(seed: u8, accepts: &[u8]) -> Self {
        let identity = identity(seed);
        let keys = accepts.iter().map(|seed| self::identity(*seed).public_key()).collect();
        let (endpoint, _) = transport::endpoint(LOOPBACK, &identity, keys, &BETWEEN_MASTERS).unwrap();
        Self { endpoint, identity }
    }

    /// TLS only.
    async fn connect(&self, to: &TestNode) -> Connection {
        let key = identity(seed_of(to.member)).public_key();
        let config = transport::client_config(&self.identity, key, &BETWEEN_MASTERS).unwrap();
        let connecting = self.endpoint.connect_with(config, to.handle.local_addr(), "btn").unwrap();
        within("TLS", connecting).await.unwrap()
    }

    /// TLS and a hello as `member`.
    async fn join(&self, to: &TestNode, member: u16) -> Connection {
        let connection = self.connect(to).await;
        let hello = Hello::new(CHAIN, id_of(member));
        within("hello", crate::hello::dialler(&connection, &hello, id_of(to.member))).await.unwrap();
        connection
    }
}

/// Waits for the close and returns its code and words.
pub(crate) async fn closed(connection: &Connection) -> (u64, String) {
    match within("close", connection.closed()).await {
        ConnectionError::ApplicationClosed(close) => {
            (close.error_code.into_inner(), String::from_utf8(close.reason.to_vec()).unwrap())
        }
        other => panic!("{other:?} instead of an application close"),
    }
}

pub(crate) fn code_of(error: &LinkError) -> u64 {
    error.code().into_inner()
}
