//! Killed processes: a runtime torn down says no goodbye, like SIGKILL; the same port is then used again.

use super::{LOOPBACK, TestNode, config, identity, messages, within};
use crate::transport::{self, BETWEEN_MASTERS};
use crate::{Network, NetworkConfig, NetworkEvent, NetworkEvents, NetworkHandle};
use btn_types::MemberIndex;
use quinn::ConnectionError;
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Runtime;

/// A node in a runtime of its own, which can be killed.
struct Mortal {
    runtime: Runtime,
    handle: NetworkHandle,
    events: NetworkEvents,
}

impl Mortal {
    fn start(config: NetworkConfig) -> Self {
        let runtime = runtime();
        let (handle, events) = {
            let _inside = runtime.enter();
            Network::start(config).unwrap()
        };
        Self { runtime, handle, events }
    }

    /// Ends every task where it stands; nothing more is sent. Returns when the port is free.
    async fn kill(self) -> SocketAddr {
        let address = self.handle.local_addr();
        stop(self.runtime).await;
        drop(self.handle);
        address
    }
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()
}

async fn stop(runtime: Runtime) {
    let stopping = tokio::task::spawn_blocking(|| runtime.shutdown_timeout(Duration::from_secs(10)));
    within("the kill", stopping).await.unwrap();
}

/// Kills one of two linked nodes, starts it again on its port, and wants the link and a message back.
async fn killed_and_restarted(mortal: u16) {
    let other = 1 - mortal;
    let mut survivor = TestNode::start(other, config(other, 2));
    let victim = Mortal::start(config(mortal, 2));
    let address_of_survivor = vec![survivor.handle.local_addr().to_string()];
    survivor.handle.set_addresses(MemberIndex(mortal), vec![victim.handle.local_addr().to_string()]).unwrap();
    victim.handle.set_addresses(MemberIndex(other), address_of_survivor.clone()).unwrap();
    assert_eq!(survivor.next("Connected").await, NetworkEvent::Connected(MemberIndex(mortal)));

    let listen = victim.kill().await;
    let mut again = Mortal::start(NetworkConfig { listen, ..config(mortal, 2) });
    again.handle.set_addresses(MemberIndex(other), address_of_survivor).unwrap();
    assert_eq!(survivor.next("Disconnected").await, NetworkEvent::Disconnected(MemberIndex(mortal)));
    assert_eq!(survivor.next("Connected").await, NetworkEvent::Connected(MemberIndex(mortal)));
    survivor.handle.broadcast(Arc::new(messages::vote(1)));
    let mut seen = Vec::new();
    while seen.len() < 2 {
        seen.push(within("events of the restarted node", again.events.recv()).await.unwrap());
    }
    let message = messages::vote(1);
    let vote = NetworkEvent::Message { from: MemberIndex(other), message };
    assert_eq!(seen, [NetworkEvent::Connected(MemberIndex(other)), vote]);
    again.kill().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_listener_is_found_again_on_its_port() {
    killed_and_restarted(1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_dialler_comes_back() {
    killed_and_restarted(0).await;
}

/// The survivor learns of the restart from a stateless reset, not by waiting for the idle time-out.
#[tokio::test(flavor = "multi_thread")]
async fn a_restarted_process_resets_connections_of_the_one_before() {
    let (server, client) = (identity(1), identity(2));
    let keys = BTreeSet::from([client.public_key()]);
    let start = |listen| {
        let runtime = runtime();
        let _inside = runtime.enter();
        let (endpoint, _) = transport::endpoint(listen, &server, keys.clone(), &BETWEEN_MASTERS).unwrap();
        drop(_inside);
        (runtime, endpoint)
    };
    let (before, endpoint) = start(LOOPBACK);
    let address = endpoint.local_addr().unwrap();
    let accepting = endpoint.clone();
    let accepted = before.spawn(async move { accepting.accept().await.unwrap().await.unwrap() });
    let (dialler, _) = transport::endpoint(LOOPBACK, &client, BTreeSet::new(), &BETWEEN_MASTERS).unwrap();
    let config = transport::client_config(&client, server.public_key(), &BETWEEN_MASTERS).unwrap();
    let connection = within("TLS", dialler.connect_with(config, address, "btn").unwrap()).await.unwrap();
    let accepted = within("TLS of the server", accepted).await.unwrap();

    stop(before).await;
    drop((accepted, endpoint));
    let (after, _endpoint) = start(address);
    assert_eq!(within("a reset", connection.closed()).await, ConnectionError::Reset);
    stop(after).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_falls_silent_is_noticed() {
    let mut survivor = TestNode::start(1, config(1, 2));
    let victim = Mortal::start(config(0, 2));
    victim.handle.set_addresses(MemberIndex(1), vec![survivor.handle.local_addr().to_string()]).unwrap();
    assert_eq!(survivor.next("Connected").await, NetworkEvent::Connected(MemberIndex(0)));
    victim.kill().await;
    assert_eq!(survivor.next("Disconnected").await, NetworkEvent::Disconnected(MemberIndex(0)));
    survivor.error(0, "the peer fell silent").await;
}
