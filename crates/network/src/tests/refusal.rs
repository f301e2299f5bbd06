//! Nodes that do not belong together: each is refused with a text that says how to help.

use super::{CHAIN, RawPeer, TestNode, closed, code_of, config, id_of, identity, network, seed_of, within};
use crate::accept::Strangers;
use crate::hello::Hello;
use crate::limits::{MAX_HELLO_BYTES, MAX_REMEMBERED_STRANGERS, MAX_STRANGER_WARNINGS, PROTOCOL_VERSION};
use crate::peer::Peer;
use crate::{LinkError, NetworkConfig, NetworkError, NetworkEvent, NetworkIdentity};
use btn_types::{B256, MemberIndex, NodeId};
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Starts members 0 (dials) and 1 (waits) with these configurations and introduces them.
fn pair(configs: [NetworkConfig; 2]) -> [TestNode; 2] {
    let [dialler, waiter] = configs;
    let nodes = [TestNode::start(0, dialler), TestNode::start(1, waiter)];
    nodes[0].knows(&nodes[1]);
    nodes
}

#[tokio::test(flavor = "multi_thread")]
async fn the_acceptor_refuses_a_key_it_does_not_know() {
    let (dialler, mut waiter) = (config(0, 2), config(1, 2));
    waiter.peers[0].network_key = identity(77).public_key();
    let nodes = pair([dialler, waiter]);
    let text = nodes[0].error(1, "belongs to no peer configured here").await;
    assert!(text.contains(&identity(seed_of(0)).public_key().to_string()), "{text}");
    assert!(text.contains("the other side refused"), "{text}");
    assert!(!nodes[1].handle.peers()[0].connected);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_dialler_refuses_a_key_other_than_the_pinned_one() {
    let (mut dialler, waiter) = (config(0, 2), config(1, 2));
    dialler.peers[0].network_key = identity(77).public_key();
    let nodes = pair([dialler, waiter]);
    let text = nodes[0].error(1, "the registry says").await;
    for key in [identity(77).public_key(), identity(seed_of(1)).public_key()] {
        assert!(text.contains(&key.to_string()), "{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn another_chain_is_refused_and_both_sides_name_ours_and_theirs() {
    let other = B256::repeat_byte(0xdd);
    let nodes = pair([config(0, 2), NetworkConfig { chain: other, ..config(1, 2) }]);
    for (node, peer, ours, theirs) in [(&nodes[0], 1, CHAIN, other), (&nodes[1], 0, other, CHAIN)] {
        let text = node.error(peer, "chain differs").await;
        assert_eq!(text, LinkError::Chain { ours, theirs }.to_string());
        assert!(text.contains("start both nodes from the same genesis file"), "{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn another_identity_than_the_keys_is_refused() {
    let (mut dialler, waiter) = (config(0, 2), config(1, 2));
    dialler.peers[0].id = id_of(9);
    let mut nodes = pair([dialler, waiter]);
    let text = nodes[0].error(1, "node identity differs").await;
    assert_eq!(text, LinkError::Identity { expected: id_of(9), theirs: id_of(1) }.to_string());
    // The other side found nothing wrong, learns of it all the same, and never took the link for standing.
    nodes[1].error(0, &format!("(code 5): {text}")).await;
    assert_eq!(nodes[1].events.try_recv(), Err(crate::TryRecvError::Empty));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_acceptor_judges_identity_and_version_as_well() {
    let node = TestNode::start(1, config(1, 2));
    let raw = RawPeer::new(seed_of(0), &[]);
    let good = Hello::new(CHAIN, id_of(0));
    let wrong_id = Hello { node_id: id_of(5), ..good };
    let wrong_version = Hello { version: PROTOCOL_VERSION + 1, ..good };
    for (hello, expected) in [
        (wrong_id, LinkError::Identity { expected: id_of(0), theirs: id_of(5) }),
        (
            wrong_version,
            LinkError::Version { ours: PROTOCOL_VERSION.into(), theirs: u32::from(PROTOCOL_VERSION) + 1 },
        ),
    ] {
        let connection = raw.connect(&node).await;
        let (mut send, _receive) = connection.open_bi().await.unwrap();
        send.write_all(&hello.frame()).await.unwrap();
        assert_eq!(closed(&connection).await, (code_of(&expected), expected.to_string()));
        node.error(0, &expected.to_string()).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hello_that_cannot_be_read_is_refused() {
    let node = TestNode::start(1, config(1, 2));
    let raw = RawPeer::new(seed_of(0), &[]);
    let too_long = u32::try_from(MAX_HELLO_BYTES + 1).unwrap().to_be_bytes().to_vec();
    let mut trailing = Hello::new(CHAIN, id_of(0)).frame();
    trailing[3] += 1;
    trailing.push(0x80);
    for (frame, part) in [
        (too_long, "at most 1024"),
        (vec![0, 0, 0, 2, 0xff, 0xff], "cannot be read"),
        (trailing, "after the last"),
    ] {
        let connection = raw.connect(&node).await;
        let (mut send, _receive) = connection.open_bi().await.unwrap();
        send.write_all(&frame).await.unwrap();
        let (code, reason) = closed(&connection).await;
        assert_eq!(code, code_of(&LinkError::HelloTimeout));
        assert!(reason.contains(part), "{reason}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_peer_is_dropped_when_its_time_is_up() {
    let node = TestNode::start(1, config(1, 2));
    let connection = RawPeer::new(seed_of(0), &[]).connect(&node).await;
    let expected = LinkError::HelloTimeout;
    assert_eq!(closed(&connection).await, (code_of(&expected), expected.to_string()));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_side_that_must_wait_may_not_dial() {
    let node = TestNode::start(0, config(0, 2));
    let connection = RawPeer::new(seed_of(1), &[]).connect(&node).await;
    let expected = LinkError::Direction { ours: id_of(0), theirs: id_of(1) };
    assert_eq!(closed(&connection).await, (code_of(&expected), expected.to_string()));
}

#[tokio::test(flavor = "multi_thread")]
async fn strangers_do_not_disturb_a_standing_link() {
    let mut nodes = network(2, super::LOOPBACK).await;
    let stranger = RawPeer::new(99, &[]);
    let connection = stranger.connect(&nodes[1]).await;
    // In TLS 1.3 the client is done before the server has judged its key.
    let refusal = LinkError::from(within("refusal", connection.closed()).await);
    assert!(matches!(&refusal, LinkError::Tls(text) if text.contains("belongs to no peer")), "{refusal:?}");
    let message = super::messages::vote(5);
    nodes[0].handle.broadcast(std::sync::Arc::new(message.clone()));
    assert_eq!(nodes[1].next("a vote").await, NetworkEvent::Message { from: MemberIndex(0), message });
}

/// Counts warnings.
#[derive(Default)]
pub(crate) struct Warnings(pub(crate) AtomicUsize);

impl tracing::Subscriber for Warnings {
    fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
        *metadata.level() == tracing::Level::WARN
    }
    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        tracing::span::Id::from_u64(1)
    }
    fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}
    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}
    fn event(&self, _: &tracing::Event<'_>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
    fn enter(&self, _: &tracing::span::Id) {}
    fn exit(&self, _: &tracing::span::Id) {}
}

/// Whatever the words: they may be the peer's.
#[test]
fn each_kind_of_refusal_is_logged_once() {
    let (changes, _) = tokio::sync::watch::channel(0);
    let peer = Peer::new(&super::peer(1, vec![]), true, changes);
    let chain = |byte| LinkError::Chain { ours: CHAIN, theirs: B256::repeat_byte(byte) };
    let warnings = Arc::new(Warnings::default());
    tracing::subscriber::with_default(Arc::clone(&warnings), || {
        for byte in [1, 1, 2, 3] {
            peer.refused(&chain(byte), None);
            peer.refused(&LinkError::HelloMalformed(format!("words {byte}")), None);
        }
        peer.refused(&chain(9), None);
    });
    assert_eq!(warnings.0.load(Ordering::Relaxed), 2);
    assert_eq!(peer.state().last_error, Some(chain(9).to_string()), "the status shows the newest");
}

#[test]
fn strangers_are_logged_once_and_remembered_within_bounds() {
    let strangers = Strangers::default();
    let address = |last: usize| IpAddr::from([10, 0, 0, u8::try_from(last).unwrap()]);
    assert!(strangers.is_news(address(0), "a") && strangers.is_news(address(0), "b"));
    assert!(!strangers.is_news(address(0), "a") && !strangers.is_news(address(0), "b"));
    for last in 1..=MAX_REMEMBERED_STRANGERS {
        assert!(strangers.is_news(address(last), "a"));
    }
    assert!(strangers.is_news(address(0), "a"), "the oldest is forgotten");
    let talker = IpAddr::from([10, 0, 1, 1]);
    let news = (0..1_000).filter(|number| strangers.is_news(talker, &number.to_string())).count();
    assert_eq!(news, MAX_STRANGER_WARNINGS, "new words every time");
}

#[test]
fn contradictory_configurations_are_refused() {
    let duplicate = |change: fn(&mut NetworkConfig)| {
        let mut config = config(0, 3);
        change(&mut config);
        config.check()
    };
    let changes: [fn(&mut NetworkConfig); 4] = [
        |config| config.peers[1].id = config.peers[0].id,
        |config| config.peers[1].network_key = config.peers[0].network_key,
        |config| config.peers[1].member = config.peers[0].member,
        |config| config.peers[1].id = config.node_id,
    ];
    for change in changes {
        assert!(matches!(duplicate(change), Err(NetworkError::DuplicatePeer { .. })));
    }
    for address in ["host", "host:", "host:0", "host:70000", ""] {
        let mut config = config(0, 3);
        config.peers[0].addresses = vec![address.into()];
        assert!(matches!(config.check(), Err(NetworkError::Address { .. })), "{address}");
    }
    let mut many = config(0, 3);
    many.peers = (1..=150)
        .map(|member| super::PeerConfig { id: NodeId::default(), ..super::peer(member, vec![]) })
        .collect();
    assert!(matches!(many.check(), Err(NetworkError::TooManyPeers { actual: 150, most: 149 })));
    assert!(config(0, 3).check().is_ok());
}

#[test]
fn an_identity_is_read_from_pkcs8_and_not_printed() {
    // RFC 8032 §7.1, test 1.
    let mut der = super::pkcs8(0);
    let secret: B256 = "0x9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60".parse().unwrap();
    der[16..].copy_from_slice(secret.as_slice());
    let identity = NetworkIdentity::from_pkcs8_der(&der).unwrap();
    let public: B256 = "0xd75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a".parse().unwrap();
    assert_eq!(identity.public_key(), public);
    assert!(!format!("{identity:?}").contains("9d61b19d"));
    for bad in [&der[..47], &[][..], &[0x30, 0][..]] {
        assert!(matches!(NetworkIdentity::from_pkcs8_der(bad), Err(NetworkError::Identity(_))));
    }
}
