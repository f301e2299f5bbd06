//! Masters that lie or stall are dropped, with a sentence that names what they did; and nobody else is.

use crate::hand::{Hand, NONE, place_of};
use crate::kit::{member, transfer};
use btn_chain::testing::{Fault, forge};
use btn_engine::{MAX_LAG_VIEWS, MAX_UNANSWERED, SupervisorInput};
use btn_types::supervision::{Announcement, BlockPlace, MasterReply, Pulled, SupervisorCall};
use btn_types::{B256, Bitmap, Block, BlockRange, Epoch, Height, View, VoteKind};
use std::sync::Arc;

/// Spoils a range.
type Spoils = fn(&mut BlockRange);

/// Exactly this master was dropped, for a reason that says this.
fn assert_dropped(hand: &Hand, master: usize, words: &str) {
    let [(dropped, reason)] = &hand.dropped[..] else { panic!("{words}: {:?}", hand.dropped) };
    assert_eq!(*dropped, member(master), "{reason}");
    assert!(reason.contains(words) && reason.contains(&format!("master {master} ")), "{reason}");
}

/// Everything valid but the state root, and so another block than the one asked for.
#[test]
fn a_body_with_a_wrong_state_root_is_not_the_one_asked_for() {
    let mut hand = Hand::new(4);
    hand.submit_honest(transfer(0, 0));
    let honest = hand.extend(None);
    let store = hand.universe.store();
    let bad = forge(&mut hand.universe.chain(&store), &honest, Fault::StateRoot).unwrap();
    hand.propose(0, &honest);
    hand.propose(1, &honest);
    hand.serve(honest.hash(), &bad);
    assert_dropped(&hand, 0, "when asked for block");
    // The next announcer serves it.
    let asked = hand.take_pull(honest.hash()).unwrap();
    assert_eq!(asked.to, member(1));
    hand.reply(&asked, MasterReply::Pulled(Pulled::Block(Arc::clone(&honest))));
    hand.certify(1, VoteKind::Notarize, &honest);
    assert_eq!(hand.sealed(), [honest.hash()]);
}

/// The header of the block asked for over other transactions, seals, or envelope: nothing is held against the hash.
#[test]
fn a_mangled_body_is_a_lie_and_the_true_one_still_comes() {
    let mangle: [fn(&mut Block); 3] = [
        |block| block.transactions.clear(),
        |block| block.envelope.timestamp_ms += 1,
        |block| block.seals.push(stranger()),
    ];
    for (number, mangle) in mangle.into_iter().enumerate() {
        let mut hand = Hand::new(4);
        hand.submit_honest(transfer(0, 0));
        let honest = hand.extend(None);
        let mut mangled = Block::clone(&honest);
        mangle(&mut mangled);
        assert_eq!(mangled.hash(), honest.hash());
        hand.propose(0, &honest);
        hand.propose(1, &honest);
        hand.serve(honest.hash(), &mangled);
        assert_dropped(&hand, 0, "served a body that is not that of block");
        assert!(!hand.engine.chain().is_invalid(honest.hash()), "{number}");
        hand.serve(honest.hash(), &honest);
        hand.certify(1, VoteKind::Notarize, &honest);
        assert_eq!(hand.sealed(), [honest.hash()], "{number}");
    }
}

fn stranger() -> btn_types::Seal {
    btn_types::Seal {
        supervisor: btn_types::NodeId(B256::repeat_byte(1)),
        core: B256::ZERO,
        draw_signature: btn_types::Bytes::new(),
        block_hash: B256::ZERO,
        signature: btn_types::Bytes::new(),
    }
}

/// What an honest master would not have taken in, it cannot serve.
#[test]
fn a_block_that_breaks_a_rule_without_execution_is_a_lie() {
    let mut hand = Hand::new(4);
    let honest = hand.extend(None);
    let store = hand.universe.store();
    let bad = forge(&mut hand.universe.chain(&store), &honest, Fault::Beneficiary).unwrap();
    hand.show(&bad);
    assert_dropped(&hand, 0, "breaks a rule");
}

/// A block that only execution refutes is a Byzantine clerk's, not its master's.
#[test]
fn a_block_that_only_execution_refutes_is_not_held_against_its_master() {
    let mut hand = Hand::new(4);
    hand.submit_honest(transfer(0, 0));
    let honest = hand.extend(None);
    let store = hand.universe.store();
    let bad = forge(&mut hand.universe.chain(&store), &honest, Fault::StateRoot).unwrap();
    hand.show(&bad);
    assert_eq!(hand.dropped, []);
}

/// One announcement of a certificate that something is wrong with.
fn certified_lie(change: impl Fn(&Hand, &mut BlockPlace, &mut btn_types::Certificate), words: &str) {
    let mut hand = Hand::new(4);
    let block = hand.extend(None);
    hand.show(&block);
    let (mut place, mut certificate) = (place_of(&block), hand.certificate(VoteKind::Notarize, &block));
    change(&hand, &mut place, &mut certificate);
    hand.announce(1, Announcement::Certified { place, certificate });
    assert_dropped(&hand, 1, words);
    assert_eq!(hand.sealed(), NONE, "{words}");
    hand.certify(2, VoteKind::Notarize, &block);
    assert_eq!(hand.sealed(), [block.hash()], "{words}: the true one counts");
}

#[test]
fn wrong_certificates_are_lies() {
    certified_lie(|_, _, certificate| certificate.aggregate.0[0] ^= 1, "does not verify");
    certified_lie(|_, place, _| place.hash = B256::repeat_byte(9), "the digest of its block");
    certified_lie(|_, place, _| place.parent_view = View(7), "the digest of its block");
    certified_lie(|_, place, _| place.view = View(7), "is not of view 7");
    certified_lie(|_, place, _| place.epoch = Epoch(1), "of epoch 1");
    certified_lie(|_, _, certificate| certificate.kind = VoteKind::Finalize, "does not verify");
    certified_lie(
        |hand, _, certificate| {
            *certificate = hand.universe.certificate(VoteKind::Nullify, View(1), B256::ZERO);
        },
        "certifies no block",
    );
    certified_lie(
        |hand, _, certificate| {
            let signers = hand.universe.committee.quorum() - 1;
            *certificate =
                hand.universe.certificate_of(VoteKind::Notarize, View(1), certificate.digest, signers);
        },
        "2 signers, a quorum is 3",
    );
    certified_lie(
        |_, _, certificate| {
            certificate.bitmap = Bitmap::new(4, [0, 1, 3].map(member));
        },
        "does not verify",
    );
}

/// The height is in no signature; the body tells.
#[test]
fn a_block_placed_at_a_wrong_height_is_a_lie() {
    let mut hand = Hand::new(4);
    let block = hand.extend(None);
    let wrong = BlockPlace { height: Height(2), ..place_of(&block) };
    hand.announce(1, Announcement::Proposed(wrong));
    hand.propose(0, &block);
    hand.serve(block.hash(), &block);
    assert_dropped(&hand, 1, "at height 2, it is at 1");
}

#[test]
fn an_answer_of_another_kind_is_a_lie() {
    let mut hand = Hand::new(4);
    let block = hand.extend(None);
    hand.propose(0, &block);
    let asked = hand.take_pull(block.hash()).unwrap();
    hand.reply(&asked, MasterReply::Sealed);
    assert_dropped(&hand, 0, "with something else");
}

/// An answer to nothing, or to what another was asked, is no answer.
#[test]
fn an_unasked_answer_is_ignored() {
    let mut hand = Hand::new(4);
    let block = hand.extend(None);
    hand.propose(0, &block);
    let asked = hand.take_pull(block.hash()).unwrap();
    let body = MasterReply::Pulled(Pulled::Block(Arc::clone(&block)));
    hand.input(SupervisorInput::Replied { from: member(1), id: asked.id, reply: body.clone() });
    hand.input(SupervisorInput::Replied { from: member(0), id: 999, reply: body.clone() });
    assert!(hand.engine.chain().meta(block.hash()).is_none());
    hand.reply(&asked, body);
    assert!(hand.engine.chain().meta(block.hash()).is_some());
    assert_eq!(hand.dropped, []);
}

/// A range whose Finalization or links prove nothing.
#[test]
fn a_worthless_range_is_a_lie() {
    let change: [(Spoils, &str); 4] = [
        (|range| range.finalization.as_mut().unwrap().aggregate.0[0] ^= 1, "does not verify"),
        (|range| range.blocks.truncate(5), "is not its last block's"),
        (|range| _ = range.blocks.remove(3), "not linked"),
        (|range| range.blocks.clear(), "empty"),
    ];
    for (change, words) in change {
        let mut hand = Hand::new(4);
        let blocks = hand.history(20);
        hand.finalize(blocks.last().unwrap());
        let asked = pull_of_range(&mut hand);
        let mut range = hand.range(1);
        change(&mut range);
        hand.reply(&asked, MasterReply::Pulled(Pulled::Range(Box::new(range))));
        assert_dropped(&hand, asked.to.index(), words);
        assert_eq!(hand.status().height, Height(0));
        let again = pull_of_range(&mut hand);
        assert_ne!(again.to, asked.to, "another master is asked");
        let range = hand.range(1);
        hand.reply(&again, MasterReply::Pulled(Pulled::Range(Box::new(range))));
        assert_eq!(hand.status().height, Height(20));
    }
}

fn pull_of_range(hand: &mut Hand) -> crate::hand::Asked {
    (0..3).find_map(|master| hand.take(master, |call| matches!(call, SupervisorCall::Pull(_)))).unwrap()
}

/// A master that announces and never serves is asked a few times, others in between, and dropped.
#[test]
fn a_master_that_never_answers_is_dropped() {
    let mut hand = Hand::new(4);
    let mut parent: Option<Arc<Block>> = None;
    let mut rounds = 0;
    while hand.dropped.is_empty() {
        let block = hand.extend(parent.as_deref());
        hand.propose(0, &block);
        hand.propose(1, &block);
        assert_eq!(hand.take_pull(block.hash()).unwrap().to, member(0), "it announced first");
        hand.wake_at(hand.wake_at_ms);
        let asked = hand.take_pull(block.hash()).unwrap();
        assert_eq!(asked.to, member(1), "the next announcer after a patience");
        hand.reply(&asked, MasterReply::Pulled(Pulled::Block(Arc::clone(&block))));
        assert!(hand.engine.chain().is_executed(block.hash()));
        parent = Some(block);
        rounds += 1;
    }
    assert_eq!(rounds, MAX_UNANSWERED);
    assert_dropped(&hand, 0, "did not answer 4 pulls in a row");
}

/// An answer takes one off the count: who answers as often as not stays.
#[test]
fn a_master_that_answers_now_and_then_stays() {
    let mut hand = Hand::new(4);
    let mut parent: Option<Arc<Block>> = None;
    for round in 0..4 * MAX_UNANSWERED {
        let block = hand.extend(parent.as_deref());
        hand.propose(0, &block);
        let asked = hand.take_pull(block.hash()).unwrap();
        if round % 2 != 0 {
            hand.wake_at(hand.wake_at_ms);
            assert!(hand.take_pull(block.hash()).is_none(), "nobody else announced it");
            hand.propose(1, &block);
            hand.serve(block.hash(), &block);
        } else {
            hand.reply(&asked, MasterReply::Pulled(Pulled::Block(Arc::clone(&block))));
        }
        parent = Some(block);
    }
    assert_eq!(hand.dropped, []);
}

/// It stalls while others go on.
#[test]
fn a_master_that_shows_nothing_new_is_dropped() {
    let mut hand = Hand::new(4);
    let blocks = hand.history(MAX_LAG_VIEWS + 2);
    for block in &blocks {
        hand.show(block);
        for master in [0, 1] {
            hand.certify(master, VoteKind::Notarize, block);
        }
        hand.finalize(block);
        if block.height() == Height(MAX_LAG_VIEWS) {
            assert_eq!(hand.dropped, []);
        }
    }
    assert_dropped(&hand, 2, "stalls");
}
