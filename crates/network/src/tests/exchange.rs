//! Nodes that agree: every kind of message between two and between four, IPv6, names, shutdown.

use super::{LOOPBACK, TestNode, config, messages, network, within};
use crate::{LinkError, NetworkConfig, NetworkEvent};
use btn_types::{MemberIndex, Message};
use std::collections::BTreeMap;
use std::net::{Ipv6Addr, SocketAddr, UdpSocket};
use std::sync::Arc;

/// Receives `count` messages and sorts them by sender and kind; order is promised only within a class.
async fn receive(node: &mut TestNode, count: usize) -> BTreeMap<(u16, &'static str), Vec<Message>> {
    let mut received: BTreeMap<_, Vec<Message>> = BTreeMap::new();
    for _ in 0..count {
        match node.next("a message").await {
            NetworkEvent::Message { from, message } => {
                received.entry((from.0, message.name())).or_default().push(message);
            }
            other => panic!("{other:?} instead of a message"),
        }
    }
    received
}

fn sorted(
    messages: &[Arc<Message>],
    from: impl Iterator<Item = u16>,
) -> BTreeMap<(u16, &'static str), Vec<Message>> {
    let mut wanted: BTreeMap<_, Vec<Message>> = BTreeMap::new();
    for sender in from {
        for message in messages {
            wanted.entry((sender, message.name())).or_default().push((**message).clone());
        }
    }
    wanted
}

#[tokio::test(flavor = "multi_thread")]
async fn two_nodes_exchange_every_kind_of_message() {
    let mut nodes = network(2, LOOPBACK).await;
    let messages = messages::all();
    for (from, to) in [(0, 1), (1, 0)] {
        for message in &messages {
            nodes[from].handle.send(MemberIndex(to), Arc::clone(message));
        }
        let received = receive(&mut nodes[usize::from(to)], messages.len()).await;
        assert_eq!(received, sorted(&messages, std::iter::once(1 - to)));
    }
    let status = &nodes[0].handle.peers()[0];
    assert!(status.connected && status.we_dial && status.rtt.is_some() && status.last_error.is_none());
    assert_eq!(status.address, Some(nodes[1].handle.local_addr()));
    assert!(!nodes[1].handle.peers()[0].we_dial);
}

#[tokio::test(flavor = "multi_thread")]
async fn four_nodes_broadcast_every_kind_of_message() {
    let mut nodes = network(4, LOOPBACK).await;
    let messages = messages::all();
    for node in &nodes {
        for message in &messages {
            node.handle.broadcast(Arc::clone(message));
        }
    }
    for node in &mut nodes {
        let received = receive(node, 3 * messages.len()).await;
        let me = node.member;
        assert_eq!(received, sorted(&messages, (0..4).filter(|other| *other != me)));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sending_works_from_a_thread_without_a_runtime() {
    let mut nodes = network(2, LOOPBACK).await;
    let handle = nodes[0].handle.clone();
    std::thread::spawn(move || {
        handle.broadcast(Arc::new(messages::vote(1)));
        handle.send(MemberIndex(1), Arc::new(messages::vote(2)));
        handle.send(MemberIndex(99), Arc::new(messages::vote(3)));
    })
    .join()
    .unwrap();
    for view in [1, 2] {
        let message = messages::vote(view);
        assert_eq!(nodes[1].next("a vote").await, NetworkEvent::Message { from: MemberIndex(0), message });
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_meet_over_ipv6() {
    let loopback = SocketAddr::from((Ipv6Addr::LOCALHOST, 0));
    if UdpSocket::bind(loopback).is_err() {
        eprintln!("this machine has no IPv6 loopback; nothing to test");
        return;
    }
    let nodes = network(2, loopback).await;
    assert_eq!(nodes[0].handle.peers()[0].address, Some(nodes[1].handle.local_addr()));
}

/// The dialler's own listening socket cannot reach the other address family; it must dial all the same.
#[tokio::test(flavor = "multi_thread")]
async fn a_node_dials_the_address_family_it_does_not_listen_on() {
    let loopback = SocketAddr::from((Ipv6Addr::LOCALHOST, 0));
    if UdpSocket::bind(loopback).is_err() {
        eprintln!("this machine has no IPv6 loopback; nothing to test");
        return;
    }
    for (ours, theirs) in [(LOOPBACK, loopback), (loopback, LOOPBACK)] {
        let start = |member, listen| TestNode::start(member, NetworkConfig { listen, ..config(member, 2) });
        let (mut dialler, listener) = (start(0, ours), start(1, theirs));
        let address = listener.handle.local_addr().to_string();
        dialler.handle.set_addresses(MemberIndex(1), vec![address]).unwrap();
        assert_eq!(dialler.next("Connected").await, NetworkEvent::Connected(MemberIndex(1)));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_address_does_not_hide_a_good_one_and_names_resolve() {
    let silent = UdpSocket::bind(LOOPBACK).unwrap();
    let mut nodes = [0, 1].map(|member| TestNode::start(member, config(member, 2)));
    let port = nodes[1].handle.local_addr().port();
    let addresses = vec![
        "no-such-host.invalid:1".into(),
        silent.local_addr().unwrap().to_string(),
        format!("localhost:{port}"),
    ];
    nodes[0].handle.set_addresses(MemberIndex(1), addresses).unwrap();
    assert_eq!(nodes[0].next("Connected").await, NetworkEvent::Connected(MemberIndex(1)));
}

#[tokio::test(flavor = "multi_thread")]
async fn shutdown_says_goodbye_and_frees_the_port() {
    let mut nodes = network(2, LOOPBACK).await;
    // The dialler leaves: the other one waits, so its last error stays to be looked at.
    let leaver = nodes.remove(0);
    let address = leaver.handle.local_addr();
    within("shutdown", leaver.handle.shutdown()).await;
    UdpSocket::bind(address).unwrap();
    assert_eq!(nodes[0].next("Disconnected").await, NetworkEvent::Disconnected(MemberIndex(0)));
    nodes[0].error(0, &LinkError::ShuttingDown.to_string()).await;
    let mut events = leaver.events;
    while let Some(event) = within("the end of events", events.recv()).await {
        assert_eq!(event, NetworkEvent::Disconnected(MemberIndex(1)));
    }
    assert!(!leaver.handle.peers()[0].connected);
    within("a second shutdown", leaver.handle.shutdown()).await;
}

#[tokio::test]
async fn a_taken_port_is_an_error_that_names_it() {
    let taken = UdpSocket::bind(LOOPBACK).unwrap();
    let listen = taken.local_addr().unwrap();
    let error = crate::Network::start(NetworkConfig { listen, ..config(0, 2) }).unwrap_err().to_string();
    assert!(error.contains(&listen.to_string()) && error.contains("choose another `listen`"), "{error}");
}

#[test]
fn starting_outside_a_runtime_is_an_error() {
    let error = crate::Network::start(config(0, 2)).unwrap_err();
    assert!(matches!(error, crate::NetworkError::NoRuntime));
}
