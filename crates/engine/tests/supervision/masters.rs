//! What the second level is to a master: seals and announcements, and nothing that delays it.

use crate::kit::{MEMBERS, SEED, member};
use crate::world::World;
use btn_engine::{Effect, Input};
use btn_stand_in::StandInKeys;
use btn_types::supervision::Announcement;
use btn_types::{B256, BlockMeta, Height, JournalRecord, Message, Seal, VoteKind};

/// A world without supervisors' engines: the test seals.
fn world(supervisors: usize) -> World {
    let mut world = World::new(supervisors, 0);
    for place in 0..supervisors {
        world.kill(place);
    }
    world.run_to(3);
    world
}

fn tip(world: &World) -> BlockMeta {
    *world.masters[0].engine.chain().finalized()
}

fn seal(world: &World, place: usize, meta: &BlockMeta) -> Seal {
    let signer = StandInKeys::seal_signer(SEED, place);
    let id = world.universe.id(place);
    world.universe.supervisors.seal(id, &signer, meta.core, meta.hash).unwrap().unwrap()
}

fn third(world: &World, index: usize) -> Height {
    world.masters[index].engine.status().third_height
}

/// The third state moves with the seal that completes it, in a commit of its own, before anything else.
#[test]
fn the_last_seal_moves_the_third_state() {
    let mut world = world(6);
    let meta = tip(&world);
    let seals: Vec<Seal> = (0..2).map(|place| seal(&world, place, &meta)).collect();
    assert_eq!(world.universe.supervisors.quorum(), 2);
    world.tell_master(0, Input::Seals(vec![seals[0].clone()]));
    assert_eq!(third(&world, 0), Height(0));
    let now = crate::kit::at(world.now_ms);
    let effects = world.masters[0].engine.step(now, Input::Seals(vec![seals[1].clone()]));
    let Some(Effect::Commit(batch)) = effects.first() else { panic!("{effects:?}") };
    let sealed = batch.sealed.as_ref().unwrap();
    assert_eq!((batch.blocks.len(), sealed.height, sealed.hash), (0, meta.height, meta.hash));
    assert_eq!(sealed.seals.len(), 2);
    assert_eq!(third(&world, 0), meta.height);
}

/// One supervisor's seal counts once, whatever it is sent by.
#[test]
fn a_seal_counts_once() {
    let mut world = world(6);
    let meta = tip(&world);
    let one = seal(&world, 0, &meta);
    world.tell_master(0, Input::Seals(vec![one.clone(), one.clone()]));
    world.tell_master(0, Input::Message { from: member(1), message: Message::Seals(vec![one]) });
    assert_eq!(third(&world, 0), Height(0));
}

/// From a supervisor: once to all others, several together; from a master: not passed on.
#[test]
fn seals_are_passed_on_once_and_together() {
    let mut world = world(6);
    let meta = tip(&world);
    let mut sent = Vec::new();
    let mut now_ms = world.now_ms;
    for place in 0..6 {
        let input = Input::Seals(vec![seal(&world, place, &meta)]);
        sent.push(seal_messages(&world.masters[0].engine.step(crate::kit::at(now_ms), input)));
        now_ms += 1;
    }
    assert_eq!(sent, [vec![1], vec![], vec![], vec![], vec![], vec![]], "the first at once");
    let late = world.masters[0].engine.step(crate::kit::at(now_ms + 10), Input::Wake);
    assert_eq!(seal_messages(&late), [5], "the others together");
    let again = Input::Seals(vec![seal(&world, 0, &meta)]);
    let effects = world.masters[0].engine.step(crate::kit::at(now_ms + 100), again);
    assert_eq!(seal_messages(&effects), [0; 0]);
    let from_master =
        Input::Message { from: member(0), message: Message::Seals(vec![seal(&world, 1, &meta)]) };
    let effects = world.masters[1].engine.step(crate::kit::at(now_ms), from_master);
    assert_eq!(seal_messages(&effects), [0; 0]);
}

/// How many seals each message carries.
fn seal_messages(effects: &[Effect]) -> Vec<usize> {
    let of = |effect: &Effect| match effect {
        Effect::Broadcast(message) => match &**message {
            Message::Seals(seals) => Some(seals.len()),
            _ => None,
        },
        _ => None,
    };
    effects.iter().filter_map(of).collect()
}

/// A bad seal is counted, and nothing else happens: no effect, no third state, from whomever it comes.
#[test]
fn bad_seals_do_nothing() {
    let mut world = world(6);
    let meta = tip(&world);
    let good = seal(&world, 0, &meta);
    let flip = |bytes: &btn_types::Bytes| {
        let mut bytes = bytes.to_vec();
        bytes[0] ^= 1;
        btn_types::Bytes::from(bytes)
    };
    let bad = [
        Seal { supervisor: btn_types::NodeId(B256::repeat_byte(1)), ..good.clone() },
        Seal { supervisor: world.universe.id(1), ..good.clone() },
        Seal { core: B256::repeat_byte(1), ..good.clone() },
        Seal { draw_signature: flip(&good.draw_signature), ..good.clone() },
        Seal { signature: flip(&good.signature), ..good.clone() },
    ];
    for (number, seal) in (1..).zip(bad) {
        let input = Input::Seals(vec![seal.clone()]);
        let effects = world.masters[0].engine.step(crate::kit::at(world.now_ms), input);
        assert!(seal_messages(&effects).is_empty(), "{number}");
        assert_eq!(world.masters[0].engine.refused_seals(), number * 2 - 1);
        let message = Message::Seals(vec![seal]);
        world.tell_master(0, Input::Message { from: member(1), message });
        assert_eq!(world.masters[0].engine.refused_seals(), number * 2);
    }
    assert_eq!(world.masters[0].engine.chain().seals_of(meta.hash), []);
    // A flood of them by a master costs one check a message, and a good one by another message counts.
    let flood = vec![Seal { signature: flip(&good.signature), ..good.clone() }; 256];
    let refused = world.masters[0].engine.refused_seals();
    world.tell_master(0, Input::Message { from: member(1), message: Message::Seals(flood) });
    assert_eq!(world.masters[0].engine.refused_seals(), refused + 1);
    // Seals of several links come together: one's bad seal takes nothing from another's good one.
    let bad = Seal { supervisor: world.universe.id(1), ..good.clone() };
    world.tell_master(0, Input::Seals(vec![bad, good]));
    assert_eq!(world.masters[0].engine.chain().seals_of(meta.hash).len(), 1);
    let height = world.height();
    world.run_to(height + 3);
}

/// A seal on a block that is not here is kept for it, and multiplies nothing.
#[test]
fn an_early_seal_is_kept_and_not_passed_on() {
    let mut world = world(6);
    let meta = tip(&world);
    let early = BlockMeta { hash: B256::repeat_byte(3), core: B256::repeat_byte(4), ..meta };
    let input = Input::Seals(vec![seal(&world, 0, &early)]);
    let effects = world.masters[0].engine.step(crate::kit::at(world.now_ms), input);
    assert!(seal_messages(&effects).is_empty());
    assert_eq!(world.masters[0].engine.refused_seals(), 0);
}

/// Level 1 never waits for level 2: with seals or without, the chain is the same, block for block.
#[test]
fn level_one_does_not_wait_for_level_two() {
    let times = |with: bool| {
        let mut world = World::new(16, 3);
        if !with {
            (0..16).for_each(|place| world.kill(place));
        }
        world.run_until("height 30", |world| {
            world.masters.iter().all(|node| node.engine.status().height.0 >= 30)
        });
        world.now_ms
    };
    let (with, without) = (times(true), times(false));
    assert!(with <= without + 100, "{with} ms with supervisors, {without} ms without");
}

/// After a crash supervisors are told again what waits for finality.
#[test]
fn a_restarted_master_announces_what_its_journal_holds() {
    let mut world = world(1);
    let universe = world.universe.clone();
    // A crash when the next block was just notarized: the disk as it was then.
    let (store, tip) = (world.masters[0].store.clone(), tip(&world));
    world.run_to(tip.height.0 + 2);
    let is_moment = |record: &JournalRecord| {
        matches!(record, JournalRecord::Certificate(certificate)
            if certificate.kind == VoteKind::Notarize && certificate.view > tip.view)
    };
    let node = &mut world.masters[0];
    let moment = node.journal.iter().position(is_moment).unwrap();
    node.journal.truncate(moment + 1);
    node.store = store;
    node.restart(&universe, 0);
    world.announced.clear();
    world.tell_master(0, Input::Wake);
    let told = &world.announced;
    let proposed = told.iter().any(
        |(_, announcement)| matches!(announcement, Announcement::Proposed(place) if place.view > tip.view),
    );
    let notarized = told.iter().any(|(_, announcement)| {
        matches!(announcement, Announcement::Certified { place, .. } if place.view > tip.view)
    });
    assert!(proposed && notarized, "{told:?}");
    assert!(world.masters[0].feed.greeting().len() >= 3, "{:?}", world.masters[0].feed.greeting());
}

/// Whom users may submit to: verified tickets of this view and the next two, best first within each.
#[test]
fn candidates_are_verified_and_ranked() {
    let world = world(0);
    for node in &world.masters {
        let (candidates, view) = (node.engine.candidates(), node.engine.status().view);
        assert!(!candidates.is_empty() && candidates.len() <= 3 * MEMBERS * 2);
        let mut previous = None;
        for ticket in &candidates {
            assert!(ticket.view >= view && ticket.view.0 <= view.0 + 2);
            let draw = world.universe.committee.verify_ticket(ticket).unwrap();
            assert!(previous <= Some((ticket.view, draw)), "not in order");
            previous = Some((ticket.view, draw));
        }
    }
}
