//! Four masters and sixteen supervisors as processes: every block reaches the third state and all twenty agree;
//! without supervisors blocks stay final and unsealed; killed at random, no supervisor ever seals twice (issue 3,
//! "Done when").

use crate::support::load::Load;
use crate::support::network::{MASTERS, Network};
use crate::support::rpc::{Rpc, quantity};
use crate::support::wallet::{transfer, wallet};
use crate::support::{PATIENCE, pass_time, random, seals, take_turn, until};
use rand::Rng as _;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Supervisors of a network of full size.
const SUPERVISORS: usize = 16;

/// Heights over which all nodes are compared.
const COMPARED_HEIGHTS: u64 = 50;

/// Distinct heights at which each node must have said its state root while they were compared.
const LEAST_REPORTS: usize = 5;

/// Blocks that become final while no supervisor runs.
const UNSEALED_BLOCKS: u64 = 5;

/// How often a supervisor is killed.
const KILLS: usize = 20;

/// Supervisors of the network in which they are killed: two seal a block.
const KILLED_SUPERVISORS: usize = 4;

/// Longest time between two kills, in milliseconds: before, while and after the victim opens its data.
const LONGEST_RUN_MS: u64 = 1_000;

/// An account that no client uses.
const SPARE_ACCOUNT: u32 = 5;

/// Height, hash and state root as each node said them, by node and height.
type Reports = BTreeMap<(usize, u64), (String, String)>;

fn report(reports: &mut Reports, node: usize, status: &Value) {
    let text = |name: &str| status[name].as_str().expect("a hash").to_owned();
    reports.insert((node, quantity(&status["height"])), (text("hash"), text("stateRoot")));
}

/// Asks all nodes by turns until each has the height.
fn watch(network: &Network, last: u64) -> Reports {
    let mut reports = Reports::new();
    until("all nodes have executed enough blocks", 3 * PATIENCE, || {
        for (position, node) in network.nodes.iter().enumerate() {
            report(&mut reports, position, &node.rpc.status());
        }
        let reached = |position| reports.keys().any(|&(node, height)| node == position && height >= last);
        (0..network.nodes.len()).all(reached).then_some(())
    });
    reports
}

/// Every height has one block and one state root, whichever node is asked, and each node executed it itself.
fn assert_all_agree(network: &Network, reports: &Reports, first: u64, last: u64) {
    let header = |rpc: &Rpc, height: u64| {
        let block = rpc.call("eth_getBlockByNumber", json!([format!("{height:#x}"), false]));
        let text =
            |name: &str| block[name].as_str().unwrap_or_else(|| panic!("no {name}: {block}")).to_owned();
        (text("hash"), text("stateRoot"))
    };
    for height in first..=last {
        let expected = header(&network.nodes[0].rpc, height);
        for node in &network.nodes[1..] {
            assert_eq!(header(&node.rpc, height), expected, "{} at height {height}", node.name);
        }
        let said = reports.iter().filter(|((_, at), _)| *at == height);
        for ((node, _), report) in said {
            assert_eq!(*report, expected, "{} reported at height {height}", network.nodes[*node].name);
        }
    }
    for (position, node) in network.nodes.iter().enumerate() {
        let count = reports.keys().filter(|&&(at, height)| at == position && height >= first).count();
        assert!(count >= LEAST_REPORTS, "{} was heard at {count} heights only", node.name);
    }
}

fn state_of(rpc: &Rpc, height: u64) -> (String, bool) {
    let answer = rpc.seals(height);
    let state = answer["state"].as_str().unwrap_or_else(|| panic!("no state of {height}: {answer}"));
    (state.to_owned(), answer["final"] == true)
}

/// A transfer through a supervisor's own server: on the books of all, and in the third state.
fn submit_from_home(network: &Network, supervisor: usize) {
    let payment = transfer(&wallet(SPARE_ACCOUNT), 0, 7);
    let rpc = &network.nodes[supervisor].rpc;
    assert_eq!(rpc.call("eth_sendRawTransaction", json!([payment.raw])), payment.hash.as_str());
    let receipts: Vec<_> = network.nodes.iter().map(|node| node.rpc.final_receipt(&payment.hash)).collect();
    assert!(receipts.iter().all(|receipt| *receipt == receipts[0]), "{receipts:?}");
    assert_eq!(receipts[0]["status"], "0x1");
    let everyone: Vec<_> = (0..network.nodes.len()).collect();
    network.wait_for_third_state(&everyone, quantity(&receipts[0]["blockNumber"]));
}

/// Kills all supervisors: blocks go on becoming final, and none of them is sealed.
fn without_supervisors(network: &mut Network) {
    let (masters, supervisors) = ([0, 1, 2, 3], network.supervisors());
    network.kill(&supervisors);
    for &supervisor in &supervisors {
        seals::check_log(network, supervisor);
    }
    // Whatever they may have sealed stands at or below the notarized heads.
    let pending = |&node: &usize| quantity(&network.nodes[node].rpc.status()["pendingHeight"]);
    let sealed = masters.iter().map(pending).max().expect("four masters");
    until("blocks become final without supervisors", PATIENCE, || {
        let third = masters.map(|node| network.nodes[node].rpc.third_height().expect("an answer"));
        assert!(third.iter().all(|&height| height <= sealed), "sealed at {third:?}, above {sealed}");
        (network.best_height(&masters) >= sealed + UNSEALED_BLOCKS).then_some(())
    });
    let rpc = &network.nodes[0].rpc;
    network.wait_for_height(&[0], sealed + UNSEALED_BLOCKS);
    for height in sealed + 1..=sealed + UNSEALED_BLOCKS {
        assert_eq!(state_of(rpc, height), ("first".to_owned(), true), "height {height}");
    }
    let safe = rpc.call("eth_getBlockByNumber", json!(["safe", false]));
    assert!(quantity(&safe["number"]) >= sealed + UNSEALED_BLOCKS, "{safe}");
    let unsealed = network.best_height(&masters);
    network.restart(&supervisors);
    let everyone: Vec<_> = (0..network.nodes.len()).collect();
    network.wait_for_third_state(&everyone, unsealed);
    // A sealed descendant covers its ancestors.
    assert_eq!(state_of(&network.nodes[0].rpc, sealed + 1), ("third".to_owned(), true));
}

#[test]
fn sixteen_supervisors_seal_every_block() {
    let _turn = take_turn();
    let mut network = Network::start_with(SUPERVISORS);
    let everyone: Vec<_> = (0..network.nodes.len()).collect();
    let load = Load::start("sixteen_supervisors", network.path(), &network.urls()[..MASTERS], 2);
    let first = network.best_height(&everyone) + 1;
    let last = first + COMPARED_HEIGHTS - 1;
    let reports = watch(&network, last);
    network.wait_for_third_state(&everyone, last);
    assert_all_agree(&network, &reports, first, last);
    for (position, height) in (first..=last).enumerate() {
        let node = &network.nodes[position % network.nodes.len()];
        assert_eq!(state_of(&node.rpc, height), ("third".to_owned(), true), "{height} on {}", node.name);
    }
    submit_from_home(&network, MASTERS + 3);
    without_supervisors(&mut network);
    assert!(!load.finish().seen.is_empty(), "the clients saw no receipt");
    let height = network.assert_one_chain();
    let world = seals::on_chain(&network.nodes[0].rpc, 1..=height);
    network.stop();
    let logged = seals::check_all(&network, &world);
    println!("{height} blocks, {} seals on the chain, {logged} in the logs", world.len());
    assert!(world.len() > SUPERVISORS, "hardly any seals on the chain");
}

#[test]
fn supervisors_killed_twenty_times() {
    let _turn = take_turn();
    let mut network = Network::start_with(KILLED_SUPERVISORS);
    let supervisors = network.supervisors();
    let mut random = random("supervisors_killed_twenty_times");
    let load = Load::start("supervisors_killed", network.path(), &network.urls()[..MASTERS], 1);
    let mut logged = 0;
    for kill in 1..=KILLS {
        let run = pass_time(&mut random, LONGEST_RUN_MS);
        let victim = supervisors[random.random_range(0..supervisors.len())];
        network.kill(&[victim]);
        let seals = seals::check_log(&network, victim);
        logged = logged.max(seals);
        network.restart(&[victim]);
        println!(
            "kill {kill} after {} ms: {} had {seals} seals",
            run.as_millis(),
            network.nodes[victim].name
        );
    }
    assert!(logged > 0, "no victim had sealed anything");
    let reached = network.best_height(&[0, 1, 2, 3]);
    for &node in &supervisors {
        let name = &network.nodes[node].name;
        until(&format!("{name} seals again"), PATIENCE, || {
            network.last_sealed(node).filter(|&at| at > reached)
        });
    }
    assert!(!load.finish().seen.is_empty(), "the client saw no receipt");
    let height = network.assert_one_chain();
    network.wait_for_third_state(&[0], height.min(reached));
    let world = seals::on_chain(&network.nodes[0].rpc, 1..=height);
    network.stop();
    assert!(seals::check_all(&network, &world) > 0);
}
