//! What is kept and for how long: bodies until they are committed, nobody's refuse, and never a view without a
//! legal block.

use crate::kit::{DELTA, Finalize, Node, Notarize, Nullify, World};
use crate::tree::Tree;
use btn_consensus::{Input, Places};
use btn_types::limits::MAX_CERTIFICATES;
use btn_types::{JournalRecord, ProposalMessage};
use std::sync::Arc;

fn bodies(records: &[JournalRecord]) -> Vec<u64> {
    let body = |record: &JournalRecord| match record {
        JournalRecord::Body(message) | JournalRecord::Proposed(message) => Some(message.proposal.view.0),
        _ => None,
    };
    records.iter().filter_map(body).collect()
}

/// C6 ⚠, C6.7: a crash after Finalization(2) was synced and before block 1 and 2 were committed. Both bodies are
/// in the journal, so the restart commits both and asks nobody.
#[test]
fn c6_7_a_restart_commits_ancestors_that_have_no_finalization_of_their_own() {
    let world = World::new(4);
    let first = world.offer(&world.genesis, 1, world.ranking(1)[0]);
    let second = world.offer(&first.place, 2, world.ranking(2)[0]);
    let journal = vec![
        JournalRecord::Body(Arc::clone(&first.message)),
        JournalRecord::Certificate(world.notarization(&first)),
        JournalRecord::Body(Arc::clone(&second.message)),
        JournalRecord::Certificate(world.finalization(&second)),
    ];
    let tree = Tree::new(&world, world.genesis);
    let mut node = Node::from_journal(&world, world.ranking(1)[3], tree, journal);
    node.wake(0);
    assert_eq!(node.tip().hash, second.place.hash);
}

/// Compaction writes a body whose block is final but not committed, because its ancestor is missing.
#[test]
fn c6_8_a_body_above_the_committed_tip_survives_compaction() {
    let world = World::new(4);
    let first = world.offer(&world.genesis, 1, world.ranking(1)[0]);
    let second = world.offer(&first.place, 2, world.ranking(2)[0]);
    let mut node = Node::busy(&world, world.ranking(1)[3]);
    node.hear_offer(0, &second);
    node.hear(0, world.finalization(&second));
    assert_eq!((node.floor(), node.tip().height.0), (2, 0));
    assert!(bodies(&node.consensus.live_records()).contains(&2));
    // The ancestor comes by a range of finalised blocks.
    node.tree.import(first.place);
    node.step(1, Input::BlocksKnown);
    assert_eq!(node.tip().hash, second.place.hash, "both are committed");
}

/// Proposals of views left behind that were neither certified nor voted for leave book, chain and journal: a clerk
/// cannot fill our memory view by view. One that is certified later is fetched again.
#[test]
fn losers_of_views_left_behind_are_forgotten() {
    let world = World::new(4);
    let ranking = world.ranking(1);
    let mut node = Node::busy(&world, ranking[3]);
    let (best, loser) =
        (world.offer(&world.genesis, 1, ranking[0]), world.offer(&world.genesis, 1, ranking[1]));
    node.hear_offer(0, &best);
    node.hear_offer(0, &loser);
    node.wake(DELTA / 2);
    node.hear(DELTA / 2, world.notarization(&best));
    assert!(node.tree.meta(loser.place.hash).is_some(), "the view before the current one is kept whole");
    let next = world.offer(&best.place, 2, world.ranking(2)[0]);
    node.hear_offer(DELTA / 2, &next);
    node.hear(DELTA / 2, world.notarization(&next));
    node.wake(DELTA);
    assert!(node.tree.meta(loser.place.hash).is_none());
    assert!(node.tree.meta(best.place.hash).is_some());
    let kept = node.consensus.live_records();
    let is_loser = |record: &JournalRecord| {
        let of = |message: &ProposalMessage| message.proposal.block_hash == loser.place.hash;
        matches!(record, JournalRecord::Body(message) if of(message))
    };
    assert!(!kept.iter().any(is_loser) && bodies(&kept).contains(&1));
}

/// C5 rule 2, C6.5: a block carries a Nullification of every view it skips, and no block carries more than the
/// limit. The last view in which one is legal is never nullified by us.
#[test]
fn c6_5_the_last_view_with_a_legal_block_is_not_nullified() {
    let world = World::new(4);
    let last = MAX_CERTIFICATES as u64;
    for (view, nullifies) in [(last - 1, true), (last, false)] {
        let mut node = Node::busy(&world, world.ranking(view)[3]);
        let skipped: Vec<_> = (1..view).map(|skipped| world.nullification(skipped)).collect();
        for chunk in skipped.chunks(200) {
            node.hear_all(0, chunk.to_vec());
        }
        assert_eq!(node.view(), view);
        let nullified =
            [1_000 * DELTA, 2_000 * DELTA].map(|at_ms| !node.wake(at_ms).voted(Nullify).is_empty());
        assert_eq!(nullified.contains(&true), nullifies, "view {view}");
    }
}

/// C5: a member whose signature was wrong is not taken on trust again; it may still vote properly.
#[test]
fn c5_a_liar_is_checked_before_it_enters_an_aggregate() {
    let world = World::new(4);
    let ranking = world.ranking(1);
    let mut node = Node::busy(&world, ranking[3]);
    let offer = world.offer(&world.genesis, 1, ranking[0]);
    node.hear_offer(0, &offer);
    let digest = world.digest_of(&offer.place);
    let others = node.others();
    let right = world.vote(Notarize, 1, digest, others[0]);
    let mut wrong = right.clone();
    wrong.signature.0[0] ^= 1;
    node.hear_vote(1, wrong.clone());
    node.hear_vote(1, world.vote(Notarize, 1, digest, others[1]));
    // Our own Notarize is the third: the aggregate fails, the liar is found, two are left.
    let seen = node.wake(DELTA / 2);
    assert!(seen.voted(Notarize).contains(&digest) && seen.voted(Finalize).is_empty());
    node.hear_vote(DELTA / 2, wrong);
    assert_eq!(node.view(), 1);
    assert!(node.hear_vote(DELTA / 2, right).voted(Finalize).contains(&digest));
}
