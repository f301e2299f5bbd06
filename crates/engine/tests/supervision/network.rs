//! Whole networks: every block comes to the third state, and what becomes of it when supervisors go and come.

use crate::kit::{Universe, transfer};
use crate::world::{Lie, World};
use btn_engine::Input;
use btn_storage::Store;
use btn_types::supervision::Announcement;
use btn_types::{Height, JournalRecord, MemberIndex, VoteKind};
use std::collections::BTreeSet;

/// With 4 masters and 16 supervisors every block comes to the third state; all 20 nodes report the same (height,
/// state root) over 50 heights. The bound of three heights is where the state then stands, not a hope.
#[test]
fn every_block_comes_to_the_third_state_and_all_agree() {
    let mut world = World::new(16, 3);
    for nonce in 0..10 {
        world.tell_master(0, Input::Submit { id: 1, transaction: Box::new(transfer(0, nonce)) });
    }
    world.run_to(1);
    while world.height() < 55 {
        world.run_to(world.height() + 1);
        let third = world.masters.iter().map(|node| node.engine.status().third_height.0).min().unwrap();
        assert!(third + 3 >= world.height(), "third state at {third}, final at {}", world.height());
    }
    world.run_to_third(50);
    for height in 1..=50 {
        let stored = world.stored(height);
        assert_eq!(stored.len(), 20);
        assert!(stored.iter().all(|node| *node == stored[0]), "height {height}: {stored:?}");
    }
    for (place, engine) in world.up() {
        let status = engine.status();
        assert_eq!((status.alarm, status.masters), (None, 3), "supervisor {place}");
        assert_eq!(world.supervisors[place].dropped, []);
        let summary = engine.summary();
        let header = world.supervisors[place].store.reader().header(summary.height).unwrap().unwrap();
        assert_eq!((summary.state_root, summary.hash), (header.state_root, header.hash_slow()));
    }
    world.assert_no_double_seal();
}

/// What a master stores as third state carries its proof, and it is on disk when it is reported.
#[test]
fn the_third_state_is_stored_with_its_seals() {
    let mut world = World::new(7, 3);
    world.run_to_third(10);
    for node in &world.masters {
        let reader = node.store.reader();
        let stored = reader.third_state().unwrap().unwrap();
        assert_eq!(stored.height, node.engine.status().third_height);
        let seals = reader.seals(stored.height).unwrap();
        assert!(seals.len() >= world.universe.supervisors.quorum());
        for seal in &seals {
            assert_eq!(seal.block_hash, stored.hash);
            world.universe.supervisors.verify(seal).unwrap();
        }
    }
}

/// A seal that reaches one master reaches all: each passes it on once, and only what came from a supervisor.
#[test]
fn masters_pass_each_new_seal_on_once() {
    let mut world = World::new(4, 1);
    world.run_to_third(10);
    let mut seen = BTreeSet::new();
    assert!(!world.passed_on.is_empty());
    for (master, seal) in &world.passed_on {
        assert!(seen.insert((*master, seal.supervisor, seal.block_hash)), "master {master} repeats itself");
        let place = world.universe.supervisors.place_of(seal.supervisor).unwrap();
        assert!(
            world.supervisors[place].linked.contains(master),
            "master {master} passes on what came from a master"
        );
    }
}

/// Without supervisors masters go on: blocks are final, none comes to the third state.
#[test]
fn without_any_supervisor_the_third_state_stays_put() {
    let mut world = World::new(4, 3);
    for place in 0..4 {
        world.kill(place);
    }
    world.run_to(20);
    for node in &world.masters {
        assert_eq!(node.engine.status().third_height, Height(0));
        assert_eq!(node.store.reader().third_state().unwrap(), None);
    }
}

/// kill −9 all supervisors: blocks stay safe, none becomes third; restart: the third state catches up.
#[test]
fn killed_supervisors_catch_up_and_so_does_the_third_state() {
    let mut world = World::new(7, 3);
    world.run_to_third(10);
    for place in 0..7 {
        world.kill(place);
    }
    // Seals under way may still make one.
    world.run_to(world.height() + 2);
    let third = world.masters.iter().map(|node| node.engine.status().third_height).max().unwrap();
    world.run_to(third.0 + 60);
    for node in &world.masters {
        assert!(node.engine.status().third_height <= third, "nobody seals");
    }
    let height = world.height();
    for place in 0..7 {
        world.restart(place, 3);
    }
    world.run_to_third(height);
    world.assert_no_double_seal();
    let stored = world.stored(height);
    assert!(stored.iter().all(|node| *node == stored[0]));
}

/// One supervisor after another crashes at any moment, some with a disk restored from an old copy.
#[test]
fn no_crash_and_no_old_disk_makes_a_double_seal() {
    let mut world = World::new(4, 3);
    world.run_to(3);
    // All that was ever synced, disks apart.
    let mut ever: Vec<Vec<JournalRecord>> = vec![Vec::new(); 4];
    for round in 0..40usize {
        let place = round * 7 % 4;
        ever[place].extend(world.supervisors[place].journal.iter().cloned());
        world.kill(place);
        if round % 3 == 0 {
            // The journal of some time ago; the database is newer, as it can be.
            let journal = &mut world.supervisors[place].journal;
            journal.truncate(journal.len() * 2 / 3);
        }
        let height = world.height();
        world.run_until("some more", |world| world.height() > height + (round as u64) % 3);
        world.restart(place, 3);
    }
    world.run_to_third(world.height());
    for (place, records) in ever.iter().enumerate() {
        world.supervisors[place].journal.extend(records.iter().cloned());
    }
    world.assert_no_double_seal();
    for node in &world.supervisors {
        assert_eq!(node.dropped, []);
    }
}

/// Asleep for hours, not restarted: it catches up by ranges and seals on.
#[test]
fn a_supervisor_that_was_asleep_catches_up_by_ranges() {
    let mut world = World::new(4, 3);
    world.run_to_third(5);
    for master in 0..4 {
        world.unlink(3, master);
    }
    let sealed = world.supervisors[3].engine.as_ref().unwrap().status().sealed;
    world.run_until("height 300", |world| {
        world.masters.iter().all(|node| node.engine.status().height.0 >= 300)
    });
    assert!(world.supervisors[3].engine.as_ref().unwrap().status().height.0 < 10);
    for master in 0..3 {
        world.link(3, master);
    }
    let height = world.height() + 10;
    world.run_to_third(height);
    let status = world.supervisors[3].engine.as_ref().unwrap().status();
    assert!(status.sealed > sealed, "it seals again");
    assert!(status.sealed < sealed + 100, "and nothing of what it slept through");
    assert_eq!(world.supervisors[3].dropped, []);
    world.assert_no_double_seal();
}

/// A master that answers no pull: retried elsewhere, dropped, and nobody waits for it.
#[test]
fn a_stalling_master_is_dropped_and_the_others_serve() {
    let mut world = World::new(4, 4);
    world.lies.insert(1, Lie::ServesNothing);
    world.run_to_third(60);
    for node in &world.supervisors {
        for (master, reason) in &node.dropped {
            assert_eq!(*master, MemberIndex(1));
            assert!(reason.contains("did not answer"), "{reason}");
        }
    }
    let dropping = world.supervisors.iter().filter(|node| !node.dropped.is_empty()).count();
    assert!(dropping >= 1, "somebody asked it");
}

/// A supervisor with a single honest link among silent ones still works.
#[test]
fn one_honest_master_is_enough_to_follow() {
    let mut world = World::new(4, 4);
    for liar in 0..3 {
        world.lies.insert(liar, Lie::ServesNothing);
    }
    world.run_to_third(30);
    world.assert_no_double_seal();
}

/// Announcements: each once, certificates only after they are on disk (the world checks), proposals of all.
#[test]
fn masters_announce_each_thing_once() {
    let mut world = World::new(1, 1);
    world.run_to(20);
    let mut seen = BTreeSet::new();
    for (master, announcement) in &world.announced {
        let kind = match announcement {
            Announcement::Proposed(_) => 0,
            Announcement::Certified { certificate, .. } => certificate.kind as u8,
            Announcement::Greeted => panic!("a greeting's end to everyone"),
        };
        let place = announcement.place().copied().unwrap();
        assert!(seen.insert((*master, kind, place)), "twice: {announcement:?}");
    }
    for master in (0..4).map(MemberIndex) {
        let of = |kind: u8| seen.iter().filter(move |(from, of, _)| *from == master && *of == kind);
        let heights: BTreeSet<Height> = of(0).map(|(_, _, place)| place.height).collect();
        assert!((1..=20).all(|height| heights.contains(&Height(height))), "each body is announced");
        let newest = of(VoteKind::Finalize as u8).map(|(_, _, place)| place.height).max();
        assert!(newest >= Some(Height(20)), "each Finalization, which covers its ancestors");
        assert!(of(VoteKind::Notarize as u8).count() >= 20, "each Notarization");
    }
}

/// Two runs are equal to the last byte.
#[test]
fn equal_input_gives_equal_output() {
    let run = || {
        let mut world = World::new(4, 3);
        world.run_to_third(20);
        let journals: Vec<_> = world.supervisors.iter().map(|node| node.journal.clone()).collect();
        (world.now_ms, world.stored(20), journals)
    };
    assert_eq!(run(), run());
}

/// S = 0: the third state is the Finalization.
#[test]
fn where_nobody_is_registered_final_is_third() {
    let mut world = World::new(0, 0);
    world.run_to(5);
    assert_eq!(Universe::new(0).supervisors.quorum(), 0);
    for node in &world.masters {
        let status = node.engine.status();
        assert_eq!(status.third_height, status.height);
    }
}
