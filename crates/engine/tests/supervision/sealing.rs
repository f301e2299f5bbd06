//! The rules of C8, each with a test that fails without it.

use crate::hand::{Hand, NONE, place_of};
use crate::kit::{SEED, Universe, at, member};
use btn_chain::testing::with_seals;
use btn_engine::{SupervisorEffect, SupervisorIdentity, SupervisorInput};
use btn_stand_in::StandInKeys;
use btn_storage::Store;
use btn_types::supervision::{Announcement, MasterReply, Pulled, SupervisorCall};
use btn_types::{B256, Block, Height, JournalRecord, Seal, SealRecord, View, VoteKind};
use std::sync::Arc;

/// The seal of any supervisor on a block.
fn seal_of(hand: &Hand, place: usize, block: &Block) -> Seal {
    let (signer, core) = (StandInKeys::seal_signer(SEED, place), hand.meta(block).core);
    hand.universe.supervisors.seal(hand.universe.id(place), &signer, core, block.hash()).unwrap().unwrap()
}

#[test]
fn a_block_is_sealed_only_when_it_is_notarized() {
    let mut hand = Hand::new(4);
    let block = hand.extend(None);
    hand.show(&block);
    assert!(hand.engine.chain().is_executed(block.hash()));
    assert_eq!(hand.sealed(), NONE, "proposed and executed is not enough");
    hand.notarize(&block);
    assert_eq!(hand.sealed(), [block.hash()]);
    assert_eq!(hand.seals.len(), 3, "it goes to all linked masters");
    assert_eq!(hand.seals[0], seal_of(&hand, 0, &block));
    hand.finalize(&block);
    assert_eq!(hand.seals.len(), 3, "and once");
}

#[test]
fn a_block_is_sealed_only_when_it_and_its_ancestors_are_executed() {
    let mut hand = Hand::new(4);
    let first = hand.extend(None);
    let second = hand.extend(Some(&first));
    hand.notarize(&first);
    hand.notarize(&second);
    assert_eq!(hand.sealed(), NONE, "notarized is not enough");
    hand.serve(second.hash(), &second);
    assert_eq!(hand.sealed(), NONE, "its parent is missing");
    hand.serve(first.hash(), &first);
    assert_eq!(hand.sealed(), [first.hash(), second.hash()]);
}

#[test]
fn the_certificate_that_a_child_carries_counts() {
    let mut hand = Hand::new(4);
    let first = hand.extend(None);
    let second = hand.extend(Some(&first));
    hand.show(&first);
    assert_eq!(hand.sealed(), NONE);
    hand.show(&second);
    assert_eq!(hand.sealed(), [first.hash()], "no master announced its Notarization");
}

/// C8 ⚠: log before send. The order of the effects of one step.
#[test]
fn the_log_is_written_before_the_seal_is_sent() {
    let mut hand = Hand::new(4);
    let block = hand.extend(None);
    hand.show(&block);
    let announcement = Announcement::Certified {
        place: place_of(&block),
        certificate: hand.certificate(VoteKind::Notarize, &block),
    };
    let effects = hand.engine.step(at(100), SupervisorInput::Announced { from: member(0), announcement });
    let position = |is_it: &dyn Fn(&SupervisorEffect) -> bool| effects.iter().position(is_it);
    let logged = position(&|effect| {
        matches!(effect, SupervisorEffect::Journal(records)
            if records.iter().any(|r| matches!(r, JournalRecord::Sealed(r) if r.seal.block_hash == block.hash())))
    });
    let sent =
        position(&|effect| matches!(effect, SupervisorEffect::Call { call: SupervisorCall::Seal(_), .. }));
    assert!(logged.is_some() && sent.is_some() && logged < sent, "{effects:?}");
}

/// An equivocating clerk: two blocks of one view, one ticket, one core, two hashes.
fn twins(hand: &mut Hand) -> (Arc<Block>, Arc<Block>) {
    let genesis = hand.genesis();
    let one = hand.grow_by(&genesis, 1, 1, 100);
    let two = hand.grow_by(&genesis, 1, 1, 200);
    assert_ne!(one.hash(), two.hash());
    assert_eq!(hand.meta(&one).core, hand.meta(&two).core);
    (one, two)
}

/// C8 ⚠: one hash per core, also after a crash: the log alone knows. (That both are notarized takes more than f
/// Byzantine masters; a supervisor that knows both certificates stops. Here each life knows one.)
#[test]
fn one_hash_per_core_across_a_restart() {
    let mut hand = Hand::new(4);
    let (one, two) = twins(&mut hand);
    hand.show(&one);
    hand.show(&two);
    hand.notarize(&one);
    assert_eq!(hand.sealed(), [one.hash()]);
    hand.restart();
    hand.connect(0);
    hand.greet(0);
    assert_eq!(hand.status().last_sealed, Some((Height(1), one.hash())));
    hand.show(&two);
    hand.notarize(&two);
    assert!(hand.engine.chain().is_executed(two.hash()));
    assert_eq!(hand.sealed(), [one.hash()], "never both");
    // The other masters' word changes nothing.
    hand.certify(0, VoteKind::Finalize, &two);
    assert_eq!(hand.sealed(), [one.hash()]);
    assert_eq!(hand.status().height, Height(1));

    // Without its log it would have been sealed: what is barred here is barred by the log alone.
    hand.journal.clear();
    hand.store = hand.universe.store();
    hand.restart();
    hand.connect(0);
    hand.greet(0);
    hand.show(&two);
    hand.notarize(&two);
    assert_eq!(hand.sealed(), [one.hash(), two.hash()], "this is why a lost log abstains");
}

/// Two certified blocks in one view: more than f masters are Byzantine, and nothing is safe.
#[test]
fn two_certified_blocks_of_one_view_halt_the_node() {
    let mut hand = Hand::new(4);
    let (one, two) = twins(&mut hand);
    hand.show(&one);
    hand.show(&two);
    hand.notarize(&one);
    hand.notarize(&two);
    assert!(hand.halted.as_ref().unwrap().contains("two certified blocks"), "{:?}", hand.halted);
    assert_eq!(hand.sealed(), [one.hash()]);
}

/// C8 ⚠: a lost log abstains: it verifies, executes, commits and counts, and signs nothing.
#[test]
fn an_abstaining_supervisor_follows_and_never_signs() {
    let mut hand = Hand::unlinked(Universe::new(4));
    hand.engine = hand.universe.supervisor_as(SupervisorIdentity::Abstaining, &hand.store, &[]);
    for master in 0..3 {
        hand.connect(master);
        hand.greet(master);
    }
    let blocks = hand.history(3);
    for block in &blocks {
        hand.show(block);
        hand.notarize(block);
        hand.finalize(block);
    }
    assert_eq!((hand.status().height, hand.status().seals, hand.seals.len()), (Height(3), false, 0));
    assert!(hand.journal.is_empty());
}

/// A disk restored from an old copy lacks the newest seals. What was certified when we started is not sealed.
#[test]
fn after_a_start_only_views_above_those_of_the_greeting_are_sealed() {
    let mut hand = Hand::unlinked(Universe::new(4));
    let (_, two) = twins(&mut hand);
    hand.connect(0);
    hand.show(&two);
    hand.notarize(&two);
    assert_eq!(hand.sealed(), NONE, "no greeting has ended");
    hand.greet(0);
    assert_eq!(hand.sealed(), NONE, "it was certified when we started: we may have sealed its twin");
    let child = hand.extend(Some(&two));
    hand.show(&child);
    hand.notarize(&child);
    assert_eq!(hand.sealed(), [child.hash()]);
}

/// Each master's first greeting counts, and no later one.
#[test]
fn a_link_that_comes_back_bars_nothing() {
    let mut hand = Hand::new(4);
    let block = hand.extend(None);
    hand.show(&block);
    hand.input(SupervisorInput::Disconnected(member(0)));
    hand.connect(0);
    let child = hand.extend(Some(&block));
    hand.certify(1, VoteKind::Notarize, &block);
    assert_eq!(hand.sealed(), [block.hash()]);
    hand.certify(1, VoteKind::Notarize, &child);
    hand.greet(0);
    hand.serve(child.hash(), &child);
    assert_eq!(hand.sealed(), [block.hash(), child.hash()]);
}

/// A log restored from an old copy learns its seals from blocks and never contradicts them.
#[test]
fn an_own_seal_found_in_a_block_is_learnt() {
    let mut hand = Hand::unlinked(Universe::new(4));
    let (one, two) = twins(&mut hand);
    let child = hand.extend(Some(&one));
    let seals = vec![seal_of(&hand, 0, &one)];
    let child = with_seals(hand.universe.committee.domain(), &child, seals.clone());
    // Its old copy of the disk knows nothing of view 1.
    hand.connect(0);
    hand.greet(0);
    hand.show(&one);
    hand.show(&child);
    let learnt: Vec<_> = hand
        .journal
        .iter()
        .filter_map(|record| match record {
            JournalRecord::Sealed(record) => Some(record.clone()),
            _ => None,
        })
        .collect();
    let expected =
        SealRecord { epoch: one.envelope.epoch, view: View(1), height: Height(1), seal: seals[0].clone() };
    assert_eq!(learnt.iter().map(|record| &**record).collect::<Vec<_>>(), [&expected]);
    assert_eq!(hand.sealed(), NONE, "it is not sent again by us");
    // And it bars the twin, across a restart.
    hand.restart();
    hand.connect(0);
    hand.greet(0);
    assert_eq!(hand.sealed(), [one.hash()], "what no final block includes yet is given again");
    hand.show(&two);
    hand.notarize(&two);
    assert_eq!(hand.sealed(), [one.hash()]);
}

/// Our key has sealed what our log contradicts: somebody else uses it, or the log lies. We add nothing to it.
#[test]
fn a_foreign_seal_with_our_key_ends_sealing() {
    let mut hand = Hand::new(4);
    let (one, two) = twins(&mut hand);
    hand.show(&one);
    hand.notarize(&one);
    assert_eq!(hand.sealed(), [one.hash()]);
    // The network went on with the twin, which needs more than f Byzantine masters, or a log that lies. In this
    // life the twin's certificate comes only with the child's body.
    let child = hand.extend(Some(&two));
    let child = with_seals(hand.universe.committee.domain(), &child, vec![seal_of(&hand, 0, &two)]);
    hand.restart();
    hand.connect(0);
    hand.greet(0);
    hand.show(&two);
    hand.show(&child);
    let alarm = hand.status().alarm.unwrap();
    assert!(alarm.contains("our key has sealed two blocks"), "{alarm}");
    assert!(!hand.status().seals);
    let grandchild = hand.grow_on(&child);
    hand.show(&grandchild);
    hand.notarize(&grandchild);
    assert_eq!(hand.sealed(), [one.hash()]);
}

/// Finality may halt for long; blocks are notarized, executed and sealed meanwhile.
#[test]
fn a_stretch_without_finality_is_followed_and_sealed() {
    let mut hand = Hand::new(4);
    let blocks = hand.history(40);
    for block in &blocks {
        hand.show(block);
    }
    assert_eq!(hand.status().height, Height(0));
    assert_eq!(hand.sealed().len(), blocks.len() - 1, "each child's body certifies its parent");
}

/// C8 ⚠: seals of different blocks are never added.
#[test]
fn seals_of_different_blocks_are_never_added() {
    // Nine supervisors: three seals make a second state.
    let mut hand = Hand::new(9);
    let first = hand.extend(None);
    let second = hand.extend(Some(&first));
    for block in [&first, &second] {
        hand.show(block);
        hand.notarize(block);
        hand.finalize(block);
    }
    // Ours on both; two more on the first, one more on the second: five seals, no block has three but the first.
    let third = hand.extend(Some(&second));
    let seals = |hand: &Hand, of_first: &[usize], of_second: &[usize]| {
        let mut seals: Vec<(Height, Seal)> = Vec::new();
        seals.extend(of_first.iter().map(|place| (Height(1), seal_of(hand, *place, &first))));
        seals.extend(of_second.iter().map(|place| (Height(2), seal_of(hand, *place, &second))));
        seals.sort_by_key(|(height, seal)| (*height, seal.supervisor));
        seals.into_iter().map(|(_, seal)| seal).collect::<Vec<_>>()
    };
    let domain = *hand.universe.committee.domain();
    let both = with_seals(&domain, &third, seals(&hand, &[1], &[2]));
    hand.show(&both);
    hand.notarize(&both);
    hand.finalize(&both);
    assert_eq!(hand.status().height, Height(3));
    assert_eq!(hand.status().third_height, Height(0), "two on the first and two on the second");
    let fourth = hand.grow_on(&both);
    let enough = with_seals(&domain, &fourth, seals(&hand, &[], &[3]));
    hand.show(&enough);
    hand.notarize(&enough);
    hand.finalize(&enough);
    assert_eq!(hand.status().third_height, Height(2), "three on the second");
    let stored = hand.store.reader().third_state().unwrap().unwrap();
    assert_eq!((stored.height, stored.hash), (Height(2), second.hash()));
}

/// Seals that no block includes yet are given again to a master that connects, and no others.
#[test]
fn seals_not_included_are_sent_again_to_a_master_that_connects() {
    let mut hand = Hand::new(4);
    let first = hand.extend(None);
    let second = hand.extend(Some(&first));
    for block in [&first, &second] {
        hand.show(block);
        hand.notarize(block);
    }
    let third = hand.extend(Some(&second));
    let third = with_seals(hand.universe.committee.domain(), &third, vec![seal_of(&hand, 0, &first)]);
    hand.show(&third);
    hand.notarize(&third);
    let resent = |hand: &mut Hand| -> Vec<_> {
        hand.calls.clear();
        hand.connect(3);
        let seals = hand.take(3, |call| matches!(call, SupervisorCall::Seal(_)));
        match seals.map(|asked| asked.call) {
            Some(SupervisorCall::Seal(seals)) => seals.iter().map(|seal| seal.block_hash).collect(),
            _ => Vec::new(),
        }
    };
    assert_eq!(resent(&mut hand), [third.hash(), second.hash(), first.hash()], "not final, so not safe");
    hand.finalize(&third);
    assert_eq!(resent(&mut hand), [third.hash(), second.hash()]);
    hand.restart();
    assert_eq!(resent(&mut hand).len(), 3, "a restart looks into no block, and a seal too many does no harm");
}

/// After a restart own seals that no block includes yet count again.
#[test]
fn own_seals_count_after_a_restart() {
    let mut hand = Hand::new(4);
    let block = hand.extend(None);
    hand.show(&block);
    hand.notarize(&block);
    hand.finalize(&block);
    hand.restart();
    let seals = hand.engine.chain().seals_of(block.hash());
    assert_eq!(seals, [seal_of(&hand, 0, &block)]);
}

/// λ below S: whoever is not drawn seals nothing.
#[test]
fn only_those_drawn_seal() {
    let mut parameters = btn_types::genesis::ConsensusParameters::DEVNET;
    parameters.expected_seals = 2;
    let universe = Universe::with(8, parameters);
    let mut hand = Hand::unlinked(universe);
    hand.connect(0);
    hand.greet(0);
    let blocks = hand.history(24);
    let mut expected = Vec::new();
    for block in &blocks {
        let (signer, core) = (StandInKeys::seal_signer(SEED, 0), core_of(&hand, block));
        if hand.universe.supervisors.seal(hand.universe.id(0), &signer, core, block.hash()).unwrap().is_some()
        {
            expected.push(block.hash());
        }
        hand.show(block);
        hand.notarize(block);
        hand.finalize(block);
    }
    assert!(!expected.is_empty() && expected.len() < 20, "{} of 24 drawn, 6 expected", expected.len());
    let mut sealed = hand.sealed();
    // Those that no block includes are given again.
    let mut seen = std::collections::BTreeSet::new();
    sealed.retain(|hash| seen.insert(*hash));
    assert_eq!(sealed, expected);
}

/// core(B) by the book (C3), from the block and its parent's seed.
fn core_of(hand: &Hand, block: &Block) -> B256 {
    let domain = hand.universe.committee.domain();
    let envelope = &block.envelope;
    let reader = hand.chain_store.reader();
    let parent = Height(block.height().0 - 1);
    let seed = match parent {
        Height(0) => domain.genesis_seed(),
        parent => reader.header(parent).unwrap().unwrap().mix_hash,
    };
    let (view, height) = (envelope.view, block.height());
    domain.core(envelope.epoch, view, height, seed, envelope.clerk, &envelope.clerk_signature)
}

/// A supervisor that a master fed with ranges seals the newest block only, once it has caught up.
#[test]
fn catching_up_seals_nothing_on_the_way() {
    let mut hand = Hand::unlinked(Universe::new(4));
    let blocks = hand.history(80);
    hand.connect(0);
    hand.greet(0);
    let last = blocks.last().unwrap();
    hand.finalize(last);
    while hand.status().height < Height(80) {
        let from = hand.status().height.0 + 1;
        let asked = hand.take(0, |call| matches!(call, SupervisorCall::Pull(_))).unwrap();
        let range = hand.range(from);
        hand.reply(&asked, MasterReply::Pulled(Pulled::Range(Box::new(range))));
    }
    assert_eq!(hand.sealed(), [last.hash()]);
}
