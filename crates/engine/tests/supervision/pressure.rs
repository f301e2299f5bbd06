//! What one lying or busy master must not be able to do to a supervisor: write into its seal log, fill its lists, keep
//! its processor busy, or get others dropped.

use crate::hand::{Hand, place_of};
use crate::kit::member;
use btn_types::supervision::{Announcement, MasterReply, PullRequest, Pulled, SupervisorCall};
use btn_types::{B256, Block, JournalRecord, Seal, View, VoteKind};
use std::sync::Arc;

fn pull_of_range(hand: &mut Hand) -> crate::hand::Asked {
    let is_range = |call: &SupervisorCall| matches!(call, SupervisorCall::Pull(PullRequest::Range { .. }));
    for _ in 0..20 {
        for master in 0..3 {
            if let Some(asked) = hand.take(master, is_range) {
                return asked;
            }
        }
        hand.wake_at(hand.wake_at_ms.max(hand.now_ms + 1));
    }
    panic!("no range is pulled");
}

/// A supervisor that follows block 1 and learns that a block far above it is final.
fn behind(hand: &mut Hand) -> Vec<Arc<Block>> {
    let blocks = hand.history(12);
    hand.show(&blocks[0]);
    hand.notarize(&blocks[0]);
    hand.finalize(&blocks[0]);
    hand.certify(0, VoteKind::Finalize, &blocks[11]);
    blocks
}

/// A range may begin below our tip. Bodies there are passed over unread, so nothing of them may reach the seal log,
/// whatever they say in our name (ADR 011).
#[test]
fn a_forged_body_below_the_tip_writes_nothing_into_the_seal_log() {
    let mut hand = Hand::new(4);
    behind(&mut hand);
    let asked = pull_of_range(&mut hand);
    let mut range = hand.range(1);
    let (draw_signature, signature) = (vec![7; 256].into(), vec![7; 256].into());
    let supervisor = hand.universe.id(0);
    let core = B256::repeat_byte(5);
    let forged = Seal { supervisor, core, draw_signature, block_hash: range.blocks[0].hash(), signature };
    range.blocks[0].seals = vec![forged.clone()];
    hand.reply(&asked, MasterReply::Pulled(Pulled::Range(Box::new(range))));
    assert_eq!(hand.status().height.0, 12, "the range itself is genuine");
    let is_forged =
        |record: &JournalRecord| matches!(record, JournalRecord::Sealed(held) if held.seal == forged);
    assert!(!hand.journal.iter().any(is_forged));
    assert_eq!(hand.status().alarm, None);
}

/// Nobody fills the list of wanted bodies with parents that do not exist.
#[test]
fn parents_that_nobody_has_do_not_fill_the_list() {
    let mut hand = Hand::new(4);
    let block = hand.extend(None);
    let next = hand.extend(Some(&block));
    for number in 0..600u64 {
        let mut ghost = Block::clone(&next);
        ghost.header.parent_hash = B256::from(btn_types::U256::from(number + 1));
        ghost.envelope.view = View(2 + number);
        hand.announce(0, Announcement::Proposed(place_of(&ghost)));
        if let Some(asked) = hand.take_pull(ghost.hash()) {
            hand.reply(&asked, MasterReply::Pulled(Pulled::Block(Arc::new(ghost))));
        }
    }
    hand.propose(1, &block);
    let asked = hand.take_pull(block.hash()).expect("an honest block is pulled all the same");
    assert_eq!(asked.to, member(1));
}

/// A clerk that makes many blocks of one view has few of them executed.
#[test]
fn siblings_of_one_view_are_not_all_executed() {
    let mut hand = Hand::new(4);
    let genesis = hand.genesis();
    let siblings: Vec<_> = (1..=6).map(|after_ms| hand.grow_by(&genesis, 1, 1, after_ms)).collect();
    for block in &siblings {
        hand.show(block);
    }
    let executed =
        |hand: &Hand| siblings.iter().filter(|block| hand.engine.chain().is_executed(block.hash())).count();
    assert_eq!(executed(&hand), 2);
    hand.notarize(&siblings[5]);
    assert!(hand.engine.chain().is_executed(siblings[5].hash()), "what is certified is executed and sealed");
    assert_eq!(hand.sealed(), [siblings[5].hash()]);
}

/// A master that has nothing to give has answered: time that runs out is not its fault.
#[test]
fn nothing_is_an_answer() {
    let mut hand = Hand::new(4);
    behind(&mut hand);
    for _ in 0..12 {
        let asked = pull_of_range(&mut hand);
        hand.reply(&asked, MasterReply::Pulled(Pulled::Nothing));
    }
    assert_eq!(hand.dropped, []);
}

/// A seal that no block includes is given to all masters again.
#[test]
fn seals_that_no_block_includes_are_given_again() {
    let mut hand = Hand::new(4);
    let blocks = hand.history(20);
    for block in &blocks {
        hand.show(block);
        hand.notarize(block);
        hand.finalize(block);
    }
    let first = blocks[0].hash();
    let given = hand.seals.iter().filter(|seal| seal.block_hash == first).count();
    assert!(given > 3, "three masters, more than once: {given}");
}

/// A greeting without an end would keep us from sealing for ever.
#[test]
fn a_greeting_must_end() {
    let mut hand = Hand::unlinked(crate::kit::Universe::new(4));
    hand.connect(0);
    while hand.dropped.is_empty() && hand.now_ms < 60_000 {
        hand.wake_at(hand.wake_at_ms.max(hand.now_ms + 1));
    }
    let (master, reason) = hand.dropped.first().unwrap();
    assert_eq!(*master, member(0));
    assert!(reason.contains("did not end its greeting"), "{reason}");
}

/// Old certificates of a greeting overtake nobody.
#[test]
fn a_long_greeting_drops_nobody() {
    let mut hand = Hand::new(4);
    let blocks = hand.history(100);
    hand.connect(1);
    for block in &blocks {
        hand.certify(1, VoteKind::Notarize, block);
    }
    hand.greet(1);
    assert_eq!(hand.dropped, []);
}
