//! What supervisors may pull, and what they are told when they connect.

use crate::hand::{Hand, place_of};
use btn_engine::{Feed, MAX_FEED_ANNOUNCEMENTS, MAX_FEED_BLOCKS};
use btn_storage::Store;
use btn_types::supervision::{Announcement, PullRequest, Pulled};
use btn_types::{B256, Block, Height, VoteKind};
use std::sync::Arc;

fn proposed(block: &Block) -> Announcement {
    Announcement::Proposed(place_of(block))
}

fn certified(hand: &Hand, kind: VoteKind, block: &Block) -> Announcement {
    Announcement::Certified { place: place_of(block), certificate: hand.certificate(kind, block) }
}

/// Blocks on each other, none of them final.
fn stretch(hand: &mut Hand, heights: usize) -> Vec<Arc<Block>> {
    let mut blocks: Vec<Arc<Block>> = Vec::new();
    for _ in 0..heights {
        let block = hand.extend(blocks.last().map(|block| &**block));
        blocks.push(block);
    }
    blocks
}

#[test]
fn a_greeting_is_the_newest_finalization_and_everything_above_it() {
    let mut hand = Hand::new(1);
    let blocks = stretch(&mut hand, 4);
    let mut feed = Feed::new(hand.universe.store().reader());
    assert_eq!(feed.greeting(), [Announcement::Greeted], "at genesis there is nothing to show");
    for block in &blocks {
        feed.record(&proposed(block), Some(Arc::clone(block)));
    }
    let finalization = certified(&hand, VoteKind::Finalize, &blocks[1]);
    let notarization = certified(&hand, VoteKind::Notarize, &blocks[2]);
    feed.record(&certified(&hand, VoteKind::Notarize, &blocks[0]), None);
    feed.record(&certified(&hand, VoteKind::Notarize, &blocks[1]), None);
    feed.record(&notarization, None);
    feed.record(&finalization, None);
    let expected =
        [finalization, proposed(&blocks[2]), notarization, proposed(&blocks[3]), Announcement::Greeted];
    assert_eq!(feed.greeting(), expected);
    // What is below does not come back.
    feed.record(&proposed(&blocks[0]), None);
    assert_eq!(feed.greeting(), expected);
}

#[test]
fn after_a_restart_the_stored_tip_is_shown() {
    let mut hand = Hand::new(1);
    let blocks = hand.history(3);
    let feed = Feed::new(hand.chain_store.reader());
    assert_eq!(feed.greeting(), [certified(&hand, VoteKind::Finalize, &blocks[2]), Announcement::Greeted]);
}

#[test]
fn pulls_are_answered_from_memory_and_store() {
    let mut hand = Hand::new(1);
    let blocks = hand.history(3);
    let unfinalised = hand.extend(Some(&blocks[2]));
    let mut feed = Feed::new(hand.chain_store.reader());
    let pull = |feed: &Feed, hash| feed.answer(&PullRequest::Block { hash }).unwrap();
    assert_eq!(pull(&feed, blocks[0].hash()), Pulled::Block(Arc::clone(&blocks[0])));
    assert_eq!(pull(&feed, unfinalised.hash()), Pulled::Nothing);
    feed.record(&proposed(&unfinalised), Some(Arc::clone(&unfinalised)));
    assert_eq!(pull(&feed, unfinalised.hash()), Pulled::Block(unfinalised));
    assert_eq!(pull(&feed, B256::repeat_byte(1)), Pulled::Nothing);
    let range = feed.answer(&PullRequest::Range { from: Height(2) }).unwrap();
    assert_eq!(range, Pulled::Range(Box::new(hand.range(2))));
    assert_eq!(feed.answer(&PullRequest::Range { from: Height(4) }).unwrap(), Pulled::Nothing);
}

/// Bounded by count, oldest first, and pruned with finality.
#[test]
fn a_feed_is_bounded() {
    let mut hand = Hand::new(1);
    let blocks = stretch(&mut hand, 100);
    let mut feed = Feed::new(hand.universe.store().reader());
    let mut recorded = Vec::new();
    for number in 0..5u64 {
        for block in &blocks {
            let mut twin = Block::clone(block);
            twin.header.gas_used = number;
            let twin = Arc::new(twin);
            feed.record(&proposed(&twin), Some(Arc::clone(&twin)));
            feed.record(&certified(&hand, VoteKind::Notarize, &twin), None);
            recorded.push(twin);
        }
    }
    let is_there = |feed: &Feed, block: &Block| {
        feed.answer(&PullRequest::Block { hash: block.hash() }).unwrap() != Pulled::Nothing
    };
    let kept = recorded.iter().filter(|block| is_there(&feed, block)).count();
    assert_eq!(kept, MAX_FEED_BLOCKS);
    assert!(feed.greeting().len() <= 2 * MAX_FEED_ANNOUNCEMENTS + 1, "{}", feed.greeting().len());
    let newest = blocks.last().unwrap();
    assert!(is_there(&feed, &recorded[recorded.len() - 1]), "the newest stay");
    let finalization = certified(&hand, VoteKind::Finalize, newest);
    feed.record(&finalization, None);
    assert_eq!(feed.greeting(), [finalization, Announcement::Greeted]);
    let kept: Vec<u64> =
        recorded.iter().filter(|block| is_there(&feed, block)).map(|block| block.header.number).collect();
    assert!(kept.iter().all(|height| *height + 16 >= 100) && !kept.is_empty(), "{kept:?}");
}

/// Whoever serves holds a copy: what is recorded later does not move under it.
#[test]
fn a_clone_is_a_snapshot() {
    let mut hand = Hand::new(1);
    let block = hand.extend(None);
    let mut feed = Feed::new(hand.universe.store().reader());
    let before = feed.clone();
    feed.record(&proposed(&block), Some(Arc::clone(&block)));
    assert_eq!((before.greeting().len(), feed.greeting().len()), (1, 2));
}
