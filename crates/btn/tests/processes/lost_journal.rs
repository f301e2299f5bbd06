//! A master that has lost its journal follows the chain and never signs again (C6, "a lost log").

use crate::support::certificates::has_signed;
use crate::support::load::Load;
use crate::support::network::Network;
use crate::support::{PATIENCE, take_turn, until};

/// Blocks whose certificates must not name the node.
const WATCHED_BLOCKS: u64 = 10;

/// Words of the log.
const SAID: &str = "the journal of this node's votes is lost";

/// Starts node 0, which must only observe, and watches the chain for a while.
fn assert_only_observes(network: &mut Network, begun: u64) {
    network.nodes[0].start();
    network.wait_for_height(&[0], begun);
    assert_eq!(network.nodes[0].rpc.status()["observing"], true);
    let last = network.best_height(&[1, 2, 3]) + WATCHED_BLOCKS;
    network.wait_for_height(&[0, 1], last);
    let (member, other) = (network.member(0), &network.nodes[1].rpc);
    assert!(!has_signed(other, member, begun + 1..=last), "node-0 signed between {} and {last}", begun + 1);
    assert!(!network.data(0).join("journal").exists(), "a new journal took the place of the lost one");
    network.assert_one_chain();
}

/// Stops node 0 and gives a height whose certificate it cannot have signed any more.
fn stop_and_pass(network: &mut Network) -> u64 {
    network.nodes[0].stop();
    let height = network.best_height(&[1, 2, 3]) + 2;
    network.wait_for_height(&[1, 2, 3], height);
    height
}

#[test]
fn a_lost_journal_only_observes() {
    let _turn = take_turn();
    let mut network = Network::start();
    // Blocks come quickly while there is something to put into them.
    let load = Load::start("a_lost_journal_only_observes", network.path(), &network.urls()[1..], 1);
    let member = network.member(0);
    until("node-0 signs while it has its journal", PATIENCE, || {
        let height = network.best_height(&[1]);
        has_signed(&network.nodes[1].rpc, member, 1..=height).then_some(())
    });
    assert_eq!(network.nodes[0].rpc.status()["observing"], false);
    assert!(!network.nodes[0].read_log().contains(SAID));

    let begun = stop_and_pass(&mut network);
    std::fs::remove_file(network.data(0).join("journal")).unwrap();
    assert_only_observes(&mut network, begun);
    assert_eq!(network.nodes[0].read_log().matches(SAID).count(), 1);

    let begun = stop_and_pass(&mut network);
    std::fs::remove_dir_all(network.data(0)).unwrap();
    assert_only_observes(&mut network, begun);
    assert_eq!(network.nodes[0].read_log().matches(SAID).count(), 2);

    // The mark beside the keys, not the directory, is the memory: a second start changes nothing.
    let begun = stop_and_pass(&mut network);
    assert_only_observes(&mut network, begun);
    assert!(!load.finish().seen.is_empty(), "the client saw no receipt");
    network.stop();
}
