//! Nodes of both levels in one process, over real sockets and disks: what role a node takes, and that together they
//! bring blocks into the third state.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod desk;
mod network;

use btn_storage::{DataDirectory, Identity, OpenedJournal};
use btn_types::JournalRecord;
use network::{MASTERS, Network, quantity};
use std::collections::BTreeMap;

/// A third of four, rounded up.
const SUPERVISORS: usize = 4;

#[test]
fn both_levels_reach_the_third_state_and_a_supervisor_comes_back() {
    let mut network = Network::make(SUPERVISORS);
    for node in 0..network.len() {
        network.start(node);
    }
    network.wait("the third state everywhere", |status| quantity(&status["thirdHeight"]) >= 3);

    for node in 0..network.len() {
        let status = network.status(node).unwrap();
        let is_master = node < MASTERS;
        assert_eq!(status["role"], if is_master { "master" } else { "supervisor" }, "{status}");
        assert_eq!(status["nodeId"], network.id(node).to_string(), "{status}");
        assert_eq!(status["sealing"].is_null(), is_master, "{status}");
        assert!(network.data(node).join("genesis-checked").exists());
    }
    network.wait("every master hears of every supervisor", |status| {
        status["role"] == "supervisor"
            || status["supervisors"].as_array().unwrap().iter().all(|supervisor| {
                supervisor["connected"] == true
                    && quantity(&supervisor["reported"]["thirdHeight"]) > 0
                    && quantity(&supervisor["lastSealedHeight"]) > 0
            })
    });
    network.wait("every supervisor has sealed and is linked with every master", |status| {
        let linked = status["peers"].as_array().unwrap().iter().filter(|peer| peer["connected"] == true);
        status["role"] == "master"
            || (linked.count() == MASTERS
                && quantity(&status["sealing"]["sealsMade"]) > 0
                && status["ready"] == true)
    });

    let returning = MASTERS;
    network.stop(returning);
    let sealed = assert_one_hash_per_core(&network, returning);
    network.start(returning);
    network.wait("the supervisor that was away seals again", |status| {
        status["role"] == "master" || quantity(&status["sealing"]["sealsMade"]) > 0
    });
    for node in 0..network.len() {
        network.stop(node);
    }
    assert!(assert_one_hash_per_core(&network, returning) > sealed, "the log goes on where it ended");
}

/// Reads a stopped supervisor's seal log; gives the number of its seals.
fn assert_one_hash_per_core(network: &Network, supervisor: usize) -> usize {
    let identity = Identity { chain: network.chain(), node_id: network.id(supervisor) };
    let directory = DataDirectory::open(&network.data(supervisor), identity).unwrap();
    let OpenedJournal::Ready(_, records) = directory.open_journal().unwrap() else {
        panic!("the seal log is gone")
    };
    let mut by_core = BTreeMap::new();
    for record in records {
        if let JournalRecord::Sealed(sealed) = record {
            let before = by_core.insert(sealed.seal.core, sealed.seal.block_hash);
            assert!(before.is_none_or(|hash| hash == sealed.seal.block_hash), "two hashes on one core");
        }
    }
    by_core.len()
}

#[test]
fn what_cannot_start_says_why() {
    let network = Network::make(1);
    let supervisor = MASTERS;

    let mut config = network.config(0);
    config.listen = None;
    let error = network.fails(config);
    assert!(error.contains("is a master of") && error.contains("listen = "), "{error}");

    let mut config = network.config(0);
    config.peers[0].id = network.id(supervisor);
    let error = network.fails(config);
    assert!(error.contains("is no master of"), "{error}");

    let mut config = network.config(0);
    config.genesis = network.other_genesis();
    let error = network.fails(config);
    assert!(error.contains("is neither a master nor a supervisor of"), "{error}");

    // A master's keys without the vote key are not a supervisor's.
    std::fs::remove_file(network.config(1).key_dir.join("vote.json")).unwrap();
    let error = network.fails(network.config(1));
    assert!(error.contains("vote.json is missing"), "{error}");

    let mut config = network.config(supervisor);
    config.peers.clear();
    let error = network.fails(config);
    assert!(error.contains("no master of") && error.contains("supervisor_addresses"), "{error}");
}

#[test]
fn keys_that_have_sealed_get_no_fresh_log() {
    let mut network = Network::make(1);
    let supervisor = MASTERS;
    network.start(supervisor);
    let status = network.wait_for(supervisor, "it answers", |_| true);
    assert_eq!(status["sealing"]["sealing"], true, "{status}");
    network.stop(supervisor);
    std::fs::remove_dir_all(network.data(supervisor)).unwrap();
    network.start(supervisor);
    let status = network.wait_for(supervisor, "it answers again", |_| true);
    assert_eq!(
        (&status["sealing"]["sealing"], &status["observing"]),
        (&false.into(), &true.into()),
        "{status}"
    );
    network.stop(supervisor);
}
