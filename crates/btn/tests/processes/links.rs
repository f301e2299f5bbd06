//! A supervisor's links: it keeps three masters, replaces one that is gone, and says which and why.

use crate::support::network::{MASTERS, Network};
use crate::support::{PATIENCE, take_turn, until};
use serde_json::Value;

/// Links that a supervisor keeps where nothing else is configured.
const LINKS: usize = 3;

/// The supervisor.
const SUPERVISOR: usize = MASTERS;

/// The masters that the supervisor is linked with, by their place among the nodes; and what it says of each.
fn linked(network: &Network) -> Vec<(usize, Value)> {
    let status = network.nodes[SUPERVISOR].rpc.status();
    let peers = status["peers"].as_array().expect("peers").clone();
    assert_eq!(peers.len(), MASTERS, "{status}");
    let position = |peer: &Value| {
        let id = peer["id"].as_str().expect("an id");
        network.ids.iter().position(|known| known.to_string() == id).expect("a master")
    };
    peers.into_iter().map(|peer| (position(&peer), peer)).collect()
}

fn connected(peers: &[(usize, Value)]) -> Vec<usize> {
    peers.iter().filter(|(_, peer)| peer["connected"] == true).map(|(node, _)| *node).collect()
}

#[test]
fn a_killed_master_is_replaced() {
    let _turn = take_turn();
    let mut network = Network::start_with(1);
    let before = until("three links stand", PATIENCE, || {
        let connected = connected(&linked(&network));
        (connected.len() == LINKS).then_some(connected)
    });
    let spare = (0..MASTERS).find(|node| !before.contains(node)).expect("a fourth master");
    let victim = before[0];
    network.kill(&[victim]);
    let peers = until("the fourth master takes its place", PATIENCE, || {
        let peers = linked(&network);
        let connected = connected(&peers);
        (connected.contains(&spare) && !connected.contains(&victim)).then_some(peers)
    });
    let lost = &peers.iter().find(|(node, _)| *node == victim).expect("the victim").1;
    assert!(lost["lastError"].as_str().is_some_and(|words| !words.is_empty()), "no reason in {lost}");
    let (name, log) = (network.ids[victim].short(), network.nodes[SUPERVISOR].read_log());
    assert!(log.lines().any(|line| line.contains(&name)), "{name} is not named in the log:\n{log}");

    let height = network.best_height(&[spare]);
    network.wait_for_third_state(&[SUPERVISOR, spare], height + 1);
    network.restart(&[victim]);
    network.wait_for_third_state(&[victim], height + 2);
    network.stop();
}
