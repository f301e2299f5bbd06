//! A supervisor that slept, one that was restored from an old disk, and one that lost its seal log (C8): the first
//! two catch up and never seal twice, the last one abstains and says so.

use crate::support::load::Load;
use crate::support::network::{MASTERS, Network};
use crate::support::{PATIENCE, seals, signal, take_turn, until};
use btn_types::limits::MAX_SEAL_AGE_HEIGHTS;
use std::path::Path;

/// The supervisor that has the trouble. Another one seals meanwhile.
const TROUBLED: usize = MASTERS;

/// Supervisors of each network: one seal makes a block sealed.
const SUPERVISORS: usize = 2;

/// Blocks that a supervisor seals between two moments.
const SEALED_BLOCKS: usize = 3;

/// Blocks that must not bear the seal of the one that abstains.
const WATCHED_BLOCKS: u64 = 10;

/// Words of the log.
const SAID: &str = "the log of this node's seals is lost";

const ALL_MASTERS: [usize; MASTERS] = [0, 1, 2, 3];

fn start(test: &str) -> (Network, Load) {
    let network = Network::start_with(SUPERVISORS);
    // Blocks come quickly while there is something to put into them.
    let load = Load::start(test, network.path(), &network.urls()[..MASTERS], 1);
    (network, load)
}

/// Waits until the supervisor has sealed so many blocks that were not final before.
#[track_caller]
fn wait_for_seals(network: &Network, count: usize) {
    let mut highest = network.best_height(&ALL_MASTERS);
    for _ in 0..count {
        let look = || network.last_sealed(TROUBLED).filter(|&height| height > highest);
        highest = until("it seals new blocks", PATIENCE, look);
    }
}

fn finish(mut network: Network, load: Load) {
    assert!(!load.finish().seen.is_empty(), "the client saw no receipt");
    network.assert_one_chain();
    network.stop();
}

#[test]
fn a_supervisor_that_slept_catches_up() {
    let _turn = take_turn();
    let (mut network, load) = start("a_supervisor_that_slept");
    wait_for_seals(&network, 1);
    let pid = network.nodes[TROUBLED].pid();
    assert!(signal("STOP", &[pid]));
    let asleep_at = network.best_height(&ALL_MASTERS);
    // Longer than any seal is taken in.
    network.wait_for_height(&ALL_MASTERS, asleep_at + MAX_SEAL_AGE_HEIGHTS + 2);
    assert!(signal("CONT", &[pid]));
    let awake_at = network.best_height(&ALL_MASTERS);
    network.wait_for_height(&[TROUBLED], awake_at);
    network.wait_for_third_state(&[TROUBLED], awake_at);
    wait_for_seals(&network, 1);
    let height = network.assert_one_chain();
    let world = seals::on_chain(&network.nodes[0].rpc, 1..=height);
    assert!(!load.finish().seen.is_empty(), "the client saw no receipt");
    network.stop();
    assert!(seals::check_all(&network, &world) > 0);
}

fn copy_directory(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a directory");
    for entry in std::fs::read_dir(from).expect("a directory") {
        let path = entry.expect("an entry").path();
        std::fs::copy(&path, to.join(path.file_name().expect("a name"))).expect("a copy");
    }
}

#[test]
fn a_disk_restored_from_an_old_copy_never_seals_twice() {
    let _turn = take_turn();
    let (mut network, load) = start("a_disk_restored");
    let (data, copy) = (network.data(TROUBLED), network.path().join("old-copy"));
    wait_for_seals(&network, 1);
    network.nodes[TROUBLED].stop();
    copy_directory(&data, &copy);
    let before = seals::read_log(&network, TROUBLED);

    network.nodes[TROUBLED].start();
    wait_for_seals(&network, SEALED_BLOCKS);
    network.nodes[TROUBLED].stop();
    let forgotten = seals::read_log(&network, TROUBLED);
    assert!(forgotten.len() >= before.len() + SEALED_BLOCKS, "{} and {}", before.len(), forgotten.len());

    std::fs::remove_dir_all(&data).unwrap();
    copy_directory(&copy, &data);
    assert_eq!(seals::read_log(&network, TROUBLED), before, "the disk is the old one");
    network.nodes[TROUBLED].start();
    wait_for_seals(&network, SEALED_BLOCKS);
    network.nodes[TROUBLED].stop();
    let after = seals::read_log(&network, TROUBLED);
    // Own seals that it found in blocks are in its log again; what is in neither log is new.
    let again = after.iter().filter(|record| !forgotten.contains(record)).collect::<Vec<_>>();
    assert!(again.len() >= SEALED_BLOCKS, "it sealed {} blocks only", again.len());
    let all = forgotten.iter().chain(&after).map(|record| &record.seal);
    assert_eq!(seals::double_seals(all), Vec::<String>::new());
    // Not by luck: nothing at or below what it may have sealed before was touched again.
    let highest = forgotten.iter().map(|record| record.view).max().expect("a seal");
    let touched: Vec<_> = again.iter().filter(|record| record.view <= highest).collect();
    assert!(touched.is_empty(), "sealed again at or below view {highest}: {touched:?}");
    network.nodes[TROUBLED].start();
    network.wait_for_height(&[TROUBLED], 1);
    finish(network, load);
}

#[test]
fn a_lost_seal_log_abstains() {
    let _turn = take_turn();
    let (mut network, load) = start("a_lost_seal_log");
    wait_for_seals(&network, 1);
    assert_eq!(network.nodes[TROUBLED].rpc.status()["sealing"]["sealing"], true);
    assert!(!network.nodes[TROUBLED].read_log().contains(SAID));
    network.nodes[TROUBLED].stop();
    std::fs::remove_file(network.data(TROUBLED).join("journal")).unwrap();
    assert_abstains(&mut network);

    network.nodes[TROUBLED].stop();
    std::fs::remove_dir_all(network.data(TROUBLED)).unwrap();
    assert_abstains(&mut network);
    finish(network, load);
}

/// Starts it, and watches blocks that must reach the third state without it.
fn assert_abstains(network: &mut Network) {
    let first = network.best_height(&ALL_MASTERS) + 1;
    network.nodes[TROUBLED].start();
    let last = first + WATCHED_BLOCKS;
    network.wait_for_height(&[TROUBLED], last);
    network.wait_for_third_state(&[0, TROUBLED], last);
    let status = network.nodes[TROUBLED].rpc.status();
    assert_eq!((&status["observing"], &status["sealing"]["sealing"]), (&true.into(), &false.into()));
    assert!(network.nodes[TROUBLED].read_log().contains(SAID));
    let world = seals::on_chain(&network.nodes[0].rpc, first..=last);
    assert!(!world.is_empty(), "nobody sealed");
    let own: Vec<_> = world.iter().filter(|seal| seal.supervisor == network.ids[TROUBLED]).collect();
    assert!(own.is_empty(), "it sealed {own:?}");
    assert!(!network.data(TROUBLED).join("journal").exists(), "a new log took the place of the lost one");
}
