//! Bodies come from those who announce them, in any order, and what nobody serves comes by ranges.

use crate::hand::Hand;
use crate::kit::{Universe, member};
use btn_engine::SupervisorInput;
use btn_types::supervision::{MasterReply, PullRequest, Pulled, SupervisorCall};
use btn_types::{Block, BlockRange, Height, VoteKind};

fn pull_of_range(hand: &mut Hand) -> Option<crate::hand::Asked> {
    let is_range = |call: &SupervisorCall| matches!(call, SupervisorCall::Pull(PullRequest::Range { .. }));
    (0..4).find_map(|master| hand.take(master, is_range))
}

fn nothing() -> MasterReply {
    MasterReply::Pulled(Pulled::Nothing)
}

/// Only the newest is announced: its parents are pulled one by one, and all are executed in order.
#[test]
fn missing_parents_are_pulled() {
    let mut hand = Hand::new(4);
    let blocks = hand.history(6);
    hand.propose(0, &blocks[5]);
    for block in blocks.iter().rev() {
        hand.serve(block.hash(), block);
    }
    assert!(hand.engine.chain().is_executed(blocks[5].hash()));
    assert_eq!(hand.sealed().len(), 5, "each child certifies its parent");
    hand.finalize(&blocks[5]);
    assert_eq!(hand.status().height, Height(6));
}

/// Far above what is here nothing is pulled one by one.
#[test]
fn what_lies_far_above_comes_by_ranges() {
    let mut hand = Hand::new(4);
    let blocks = hand.history(100);
    let last = blocks.last().unwrap();
    hand.propose(0, last);
    assert!(hand.take_pull(last.hash()).is_none());
    hand.finalize(last);
    assert!(hand.take_pull(last.hash()).is_none());
    assert!(hand.status().syncing);
    let mut ranges = 0;
    while hand.status().height < Height(100) {
        let asked = pull_of_range(&mut hand).unwrap();
        let range = hand.range(hand.status().height.0 + 1);
        hand.reply(&asked, MasterReply::Pulled(Pulled::Range(Box::new(range))));
        ranges += 1;
    }
    assert_eq!((ranges, hand.status().syncing), (2, false));
    assert_eq!(hand.status().hash, last.hash());
    // And on it goes with pulls.
    let next = hand.extend(Some(last));
    hand.show(&next);
    hand.notarize(&next);
    assert_eq!(hand.sealed().last(), Some(&next.hash()));
}

/// A stretch that became final only at its end comes in parts.
#[test]
fn a_range_without_finalization_is_continued() {
    let mut hand = Hand::new(4);
    let blocks = hand.history(20);
    hand.finalize(blocks.last().unwrap());
    let whole = hand.range(1);
    let (first, second) = whole.blocks.split_at(7);
    let asked = pull_of_range(&mut hand).unwrap();
    let part = BlockRange { blocks: first.to_vec(), finalization: None };
    hand.reply(&asked, MasterReply::Pulled(Pulled::Range(Box::new(part))));
    let asked = pull_of_range(&mut hand).unwrap();
    assert_eq!(asked.call, SupervisorCall::Pull(PullRequest::Range { from: Height(8) }));
    let part = BlockRange { blocks: second.to_vec(), finalization: whole.finalization };
    hand.reply(&asked, MasterReply::Pulled(Pulled::Range(Box::new(part))));
    assert_eq!(hand.status().height, Height(20));
}

/// A final block whose body nobody serves is asked for by ranges after a while.
#[test]
fn a_final_block_that_nobody_serves_comes_by_a_range() {
    let mut hand = Hand::new(4);
    let block = hand.history(1).remove(0);
    hand.finalize(&block);
    let mut tries = 0;
    let asked = loop {
        if let Some(asked) = hand.take_pull(block.hash()) {
            hand.reply(&asked, nothing());
        }
        if let Some(asked) = pull_of_range(&mut hand) {
            break asked;
        }
        tries += 1;
        assert!(tries < 100, "no range is asked for");
        hand.wake_at(hand.wake_at_ms);
    };
    let range = hand.range(1);
    hand.reply(&asked, MasterReply::Pulled(Pulled::Range(Box::new(range))));
    assert_eq!(hand.status().height, Height(1));
}

/// A certified body is wanted from anyone; who announced it goes first.
#[test]
fn a_certified_body_is_asked_of_everyone() {
    let mut hand = Hand::new(4);
    let block = hand.extend(None);
    hand.propose(2, &block);
    hand.certify(2, VoteKind::Notarize, &block);
    let mut asked_of = Vec::new();
    while let Some(asked) = hand.take_pull(block.hash()) {
        asked_of.push(asked.to);
        hand.reply(&asked, nothing());
    }
    assert_eq!(asked_of, [member(2), member(0), member(1)]);
    hand.wake_at(hand.wake_at_ms);
    hand.serve(block.hash(), &block);
    assert_eq!(hand.sealed(), [block.hash()]);
}

/// A link that breaks in the middle of a pull.
#[test]
fn a_pull_goes_on_with_another_master_when_the_link_breaks() {
    let mut hand = Hand::new(4);
    let block = hand.extend(None);
    hand.propose(0, &block);
    hand.propose(1, &block);
    let asked = hand.take_pull(block.hash()).unwrap();
    hand.input(SupervisorInput::Disconnected(asked.to));
    hand.reply(&asked, MasterReply::Failed("the link broke".to_owned()));
    assert_eq!(hand.take_pull(block.hash()).unwrap().to, member(1));
    assert_eq!(hand.dropped, []);
}

/// Bounds: one master's empty promises.
#[test]
fn a_flood_of_announcements_is_bounded_and_harms_nobody() {
    let mut hand = Hand::new(4);
    let honest = hand.extend(None);
    for number in 0..1_000_u64 {
        let mut fake = Block::clone(&honest);
        fake.header.gas_used = number;
        hand.propose(2, &fake);
    }
    let pulls = hand.calls.iter().filter(|asked| matches!(asked.call, SupervisorCall::Pull(_))).count();
    assert_eq!(pulls, 4, "so many of one master at a time");
    hand.propose(0, &honest);
    hand.serve(honest.hash(), &honest);
    hand.notarize(&honest);
    assert_eq!(hand.sealed(), [honest.hash()]);
}

/// Nothing to do is nothing to be woken for.
#[test]
fn a_supervisor_without_links_waits_and_needs_no_waking() {
    let mut hand = Hand::unlinked(Universe::new(4));
    hand.input(SupervisorInput::Wake);
    assert_eq!((hand.calls.len(), hand.wake_at_ms), (0, 0));
}

/// Proposals that others overtook are dropped from memory, and pulled again should they be certified.
#[test]
fn proposals_left_behind_are_forgotten_and_come_back() {
    let mut hand = Hand::new(4);
    let genesis = hand.genesis();
    let left = hand.grow_by(&genesis, 1, 0, 100);
    hand.show(&left);
    let mut parent = hand.grow_by(&genesis, 2, 1, 200);
    for _ in 0..8 {
        hand.show(&parent);
        hand.notarize(&parent);
        parent = hand.extend(Some(&parent));
    }
    assert!(hand.engine.chain().meta(left.hash()).is_none(), "it is forgotten");
    hand.notarize(&left);
    hand.serve(left.hash(), &left);
    assert!(hand.sealed().contains(&left.hash()), "blocks of different views may all be sealed");
}
