//! Submission from home (R-032, R-076, R-081, R-082, G-14, C10).

use crate::kit::{MEMBERS, member, transfer};
use crate::world::{Lie, World};
use btn_engine::{SUBMIT_TO, SupervisorInput};
use btn_storage::Store;
use btn_types::{B256, JournalRecord, MemberIndex};
use std::collections::BTreeSet;

/// A user at home hands in a transfer; gives its hash.
fn submit(world: &mut World, place: usize, from: u8, nonce: u64) -> B256 {
    let transaction = transfer(from, nonce);
    let hash = *transaction.inner().tx_hash();
    let input = SupervisorInput::Submit { id: 1, transaction: Box::new(transaction) };
    world.tell_supervisor(place, input);
    hash
}

fn run_until_final(world: &mut World, hash: B256) {
    world.run_until("inclusion", |world| {
        world.masters.iter().all(|node| node.store.reader().transaction_location(hash).unwrap().is_some())
    });
}

fn receivers(world: &World, hash: B256) -> BTreeSet<MemberIndex> {
    world.submitted.iter().filter(|(_, _, other)| *other == hash).map(|(_, to, _)| *to).collect()
}

/// home → master → all masters, and nobody passes it further. R-081: straight to the candidates.
#[test]
fn a_transaction_is_recorded_within_two_levels() {
    let mut world = World::new(4, 2);
    world.run_to_third(5);
    world.forwarded.clear();
    let hash = submit(&mut world, 0, 0, 0);
    run_until_final(&mut world, hash);
    assert_eq!(world.outcomes, [(0, Ok(hash))]);
    // Level 1: the two best candidates.
    let first = receivers(&world, hash);
    assert_eq!((first.len(), world.submitted.len()), (SUBMIT_TO, SUBMIT_TO), "{:?}", world.submitted);
    // Level 2: each of them tells all others once. The receivers of that tell nobody.
    let second: Vec<MemberIndex> = world.forwarded.iter().map(|(from, _)| *from).collect();
    assert!(second.iter().all(|from| first.contains(from)), "{second:?} of {first:?}");
    assert!(second.len() <= SUBMIT_TO);
    // The home node learns that it is final, and forgets it.
    world.run_to(world.height() + 1);
    let engine = world.supervisors[0].engine.as_ref().unwrap();
    assert!(engine.live_records().iter().all(|record| !matches!(record, JournalRecord::Transaction(_))));
    let submitted = world.submitted.len();
    world.run_to(world.height() + 8);
    assert_eq!(world.submitted.len(), submitted, "nothing is sent again");
}

/// It goes to candidates, linked or not: the best tickets decide, not the links.
#[test]
fn candidates_need_not_be_linked() {
    let mut world = World::new(4, 1);
    world.run_to_third(3);
    let mut strangers = 0;
    for nonce in 0..12 {
        let hash = submit(&mut world, 0, 0, nonce);
        run_until_final(&mut world, hash);
        strangers += receivers(&world, hash).iter().filter(|to| **to != member(0)).count();
    }
    assert!(strangers >= 12, "{strangers} of 24 receivers are not linked");
}

/// a relay that takes it and drops it does nothing worse than that.
#[test]
fn a_dropping_relay_only_delays() {
    for liars in [vec![0], vec![1, 2], vec![0, 1, 2]] {
        let mut world = World::new(4, 3);
        world.run_to_third(3);
        for liar in &liars {
            world.lies.insert(*liar, Lie::DropsSubmissions);
        }
        for nonce in 0..6 {
            let height = world.height();
            let hash = submit(&mut world, 0, 0, nonce);
            run_until_final(&mut world, hash);
            assert!(world.height() <= height + 20, "{liars:?}: {} heights", world.height() - height);
        }
    }
}

/// C10: what is not final after three blocks goes out again, to the custodians as well, until it is.
#[test]
fn it_is_sent_again_every_three_blocks_with_the_next_custodians() {
    let mut world = World::new(4, 3);
    world.run_to_third(3);
    for liar in 0..MEMBERS {
        world.lies.insert(liar, Lie::DropsSubmissions);
    }
    let hash = submit(&mut world, 0, 0, 0);
    let mut sent_at = Vec::new();
    for _ in 0..14 {
        let before = world.submitted.len();
        world.run_to(world.height() + 1);
        if world.submitted.len() > before {
            sent_at.push((world.height(), world.submitted.len() - before));
        }
    }
    // Three heights apart by the home node's own tip, which may be one behind the masters'.
    assert!((4..=5).contains(&sent_at.len()), "{sent_at:?}");
    assert!(sent_at.windows(2).all(|pair| (2..=4).contains(&(pair[1].0 - pair[0].0))), "{sent_at:?}");
    assert!(sent_at.iter().skip(1).all(|(_, sent)| *sent >= 3), "three custodians at least: {sent_at:?}");
    world.lies.clear();
    run_until_final(&mut world, hash);
}

/// Accepted is kept: the journal has it before the user hears of it, and a restart goes on with it.
#[test]
fn an_accepted_transaction_survives_a_crash() {
    let mut world = World::new(4, 3);
    world.run_to_third(3);
    for liar in 0..MEMBERS {
        world.lies.insert(liar, Lie::DropsSubmissions);
    }
    let hash = submit(&mut world, 2, 0, 0);
    assert_eq!(world.outcomes, [(2, Ok(hash))]);
    assert!(
        world.supervisors[2].journal.iter().any(|record| matches!(record, JournalRecord::Transaction(_)))
    );
    world.kill(2);
    world.run_to(world.height() + 5);
    assert_eq!(receivers(&world, hash).len(), 0, "it died before it sent anything");
    world.lies.clear();
    world.restart(2, 3);
    run_until_final(&mut world, hash);
    world.run_to(world.height() + 1);
    let engine = world.supervisors[2].engine.as_ref().unwrap();
    assert!(engine.live_records().iter().all(|record| !matches!(record, JournalRecord::Transaction(_))));
}

/// Journal before answer, in the order of one step's effects.
#[test]
fn it_is_on_disk_before_the_user_hears_of_it() {
    use btn_engine::SupervisorEffect;
    let universe = crate::kit::Universe::new(1);
    let store = universe.store();
    let mut engine = universe.supervisor(0, &store, &[]);
    let input = SupervisorInput::Submit { id: 9, transaction: Box::new(transfer(0, 0)) };
    let effects = engine.step(crate::kit::at(1), input);
    let journaled = effects.iter().position(|effect| matches!(effect, SupervisorEffect::Journal(_)));
    let told = effects
        .iter()
        .position(|effect| matches!(effect, SupervisorEffect::Submitted { id: 9, outcome: Ok(_) }));
    assert!(journaled.is_some() && journaled < told, "{effects:?}");
    // A second time, and one that nobody can pay: the pool's words.
    let input = SupervisorInput::Submit { id: 10, transaction: Box::new(transfer(0, 0)) };
    let effects = engine.step(crate::kit::at(2), input);
    let refused = effects.iter().any(|effect| {
        matches!(effect, SupervisorEffect::Submitted { id: 10, outcome: Err(error) }
            if error.to_string() == "already known")
    });
    assert!(refused, "{effects:?}");
}

/// Many at once: one question for candidates, and all become final.
#[test]
fn a_burst_travels_with_one_question() {
    let mut world = World::new(4, 3);
    world.run_to_third(3);
    let hashes: Vec<B256> = (0..100).map(|nonce| submit(&mut world, 1, 3, nonce)).collect();
    for hash in hashes {
        run_until_final(&mut world, hash);
    }
    assert!(world.submitted.len() <= 100 * (SUBMIT_TO + 3), "{}", world.submitted.len());
}
