//! Kill −9 of one master, of two, and of all ten times (issue 2, "Done when").

use crate::support::certificates::has_signed;
use crate::support::journal;
use crate::support::load::{Load, Promised};
use crate::support::network::{MASTERS, Network};
use crate::support::rpc::quantity;
use crate::support::wallet::{transfer, wallet};
use crate::support::{PATIENCE, POLL, pass_time, random, take_turn, until};
use rand::Rng as _;
use rand::seq::SliceRandom as _;
use serde_json::json;
use std::time::{Duration, Instant};

/// How long the halted chain is watched: three of the longest view time-outs of a network that has not begun to
/// wait longer (4Δ = 2 s, C6.5).
const HALT_WATCH: Duration = Duration::from_secs(6);

/// Unchanged for so long, what was under way when the nodes died has arrived.
const SETTLED: Duration = Duration::from_millis(500);

/// How often all nodes are killed.
const POWER_CUTS: usize = 10;

/// Longest time under load before a power cut, in milliseconds.
const LONGEST_RUN_MS: u64 = 1_500;

/// Longest time from a start to a second power cut, in milliseconds: before, while and after the nodes open
/// their data.
const LONGEST_START_MS: u64 = 600;

/// An account that no client uses.
const SPARE_ACCOUNT: u32 = 5;

fn all_but(node: usize) -> Vec<usize> {
    (0..MASTERS).filter(|&other| other != node).collect()
}

/// Everything that was promised is kept by every node.
fn assert_kept(network: &Network, promised: &Promised) {
    for node in &network.nodes {
        for hash in &promised.acknowledged {
            let what = format!("{} shows {hash}, which was acknowledged, as final", node.name);
            until(&what, PATIENCE, || node.rpc.receipt(hash).filter(|receipt| !receipt.is_null()));
        }
        for (hash, block) in &promised.seen {
            let what = format!("{} has caught up to {hash}", node.name);
            let receipt = until(&what, PATIENCE, || node.rpc.receipt(hash).filter(|found| !found.is_null()));
            assert_eq!(receipt["blockHash"], block.as_str(), "{hash} has moved on {}", node.name);
        }
    }
}

#[test]
fn one_master_killed() {
    let _turn = take_turn();
    let mut network = Network::start();
    let load = Load::start("one_master_killed", network.path(), &network.urls(), 1);
    for victim in 0..MASTERS {
        let others = all_but(victim);
        network.kill(&[victim]);
        let height = network.best_height(&others);
        network.wait_for_height(&others, height + 3);
        journal::check_one(&network, victim);
        let restarted_at = network.best_height(&others);
        network.restart(&[victim]);
        network.wait_for_height(&[victim], restarted_at);
        let (member, mut looked_at) = (network.member(victim), restarted_at);
        until(&format!("node-{victim} votes again"), PATIENCE, || {
            let from = looked_at + 1;
            looked_at = network.best_height(&others);
            has_signed(&network.nodes[others[0]].rpc, member, from..=network.nodes[others[0]].rpc.height()?)
                .then_some(())
        });
    }
    let promised = load.finish();
    assert!(!promised.seen.is_empty(), "the client saw no receipt");
    assert_kept(&network, &promised);
    network.assert_one_chain();
    network.stop();
    assert!(journal::check_all(&network) > 0);
}

/// Height and view of the nodes that still run.
fn places(network: &Network, nodes: &[usize]) -> Vec<(u64, u64)> {
    let place = |&node: &usize| {
        let status = network.nodes[node].rpc.status();
        (quantity(&status["height"]), quantity(&status["view"]))
    };
    nodes.iter().map(place).collect()
}

/// Waits until what was under way has arrived, and gives where the nodes then stand.
fn settled(network: &Network, nodes: &[usize]) -> Vec<(u64, u64)> {
    let mut last = (places(network, nodes), Instant::now());
    until("the rest of the network has settled", PATIENCE, || {
        let now = places(network, nodes);
        if now != last.0 {
            last = (now, Instant::now());
        }
        (last.1.elapsed() > SETTLED).then(|| last.0.clone())
    })
}

#[test]
fn two_masters_killed() {
    let _turn = take_turn();
    let mut network = Network::start();
    let mut order: Vec<usize> = (0..MASTERS).collect();
    order.shuffle(&mut random("two_masters_killed"));
    let (victims, survivors) = order.split_at(2);
    network.kill(victims);
    let halted = settled(&network, survivors);
    let payment = transfer(&wallet(SPARE_ACCOUNT), 0, 1);
    network.nodes[survivors[0]].rpc.call("eth_sendRawTransaction", json!([payment.raw]));
    let start = Instant::now();
    while start.elapsed() < HALT_WATCH {
        assert_eq!(places(&network, survivors), halted, "two of four masters moved on");
        std::thread::sleep(POLL);
    }
    assert!(network.nodes[survivors[0]].rpc.receipt(&payment.hash).expect("an answer").is_null());
    victims.iter().for_each(|&victim| journal::check_one(&network, victim));
    network.restart(victims);
    let height = halted.iter().map(|place| place.0).max().expect("two survivors");
    network.wait_for_height(&[0, 1, 2, 3], height + 3);
    assert_kept(&network, &Promised { acknowledged: vec![payment.hash], seen: Vec::new() });
    assert!(network.assert_one_chain() >= height + 3);
    network.stop();
    assert!(journal::check_all(&network) > 0);
}

#[test]
fn all_killed_ten_times() {
    let _turn = take_turn();
    let mut network = Network::start();
    let mut random = random("all_killed_ten_times");
    let everyone = [0, 1, 2, 3];
    let load = Load::start("all_killed_ten_times", network.path(), &network.urls(), 3);
    for cut in 1..=POWER_CUTS {
        let run = pass_time(&mut random, LONGEST_RUN_MS);
        let height = network.best_height(&everyone);
        network.kill(&everyone);
        journal::check_all(&network);
        let seen = load.seen_so_far();
        let begun = Instant::now();
        network.restart(&everyone);
        let is_cut_again = random.random();
        if is_cut_again {
            pass_time(&mut random, LONGEST_START_MS);
            network.kill(&everyone);
            journal::check_all(&network);
            network.restart(&everyone);
        }
        network.wait_for_height(&everyone, height + 1);
        println!(
            "power cut {cut} after {} ms at height {height}, {seen} receipts seen, cut again at the start: \
             {is_cut_again}; final again after {} ms",
            run.as_millis(),
            begun.elapsed().as_millis()
        );
    }
    let promised = load.finish();
    println!("{} acknowledged, {} seen", promised.acknowledged.len(), promised.seen.len());
    assert!(promised.seen.len() >= POWER_CUTS, "only {} receipts were seen", promised.seen.len());
    assert_kept(&network, &promised);
    network.assert_one_chain();
    network.stop();
    assert!(journal::check_all(&network) > 0);
}
