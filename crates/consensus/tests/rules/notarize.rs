//! Whose block is notarized, and when (C3, C6.4).

use crate::kit::{CANDIDATE_WAIT, DELTA, Finalize, Node, Notarize, Nullify, Offer, UNIX_START_MS, World};
use btn_types::{B256, FetchRequest, MemberIndex, View};

/// A world of four, its clerks of view 1 best first, and their offers on genesis.
fn first_view() -> (World, Vec<MemberIndex>, Vec<Offer>) {
    let world = World::new(4);
    let ranking = world.ranking(1);
    let offers = ranking.iter().map(|clerk| world.offer(&world.genesis, 1, *clerk)).collect();
    (world, ranking, offers)
}

/// C6.4: the best-ranked known candidate's block, no earlier than δ_c after t0.
#[test]
fn c6_4_the_best_candidates_block_is_notarized_after_candidate_wait() {
    let (world, ranking, offers) = first_view();
    let mut node = Node::busy(&world, ranking[3]);
    node.hear_offer(1, &offers[1]);
    node.hear_offer(2, &offers[0]);
    assert!(node.wake(CANDIDATE_WAIT - 1).votes().is_empty(), "before δ_c");
    assert_eq!(node.wake(CANDIDATE_WAIT).votes(), [(Notarize, 1, offers[0].digest)]);
}

/// C6.4: a candidate known by its ticket alone is waited for until 2Δ; then the best present is notarized, then
/// whatever comes first.
#[test]
fn c6_4_from_two_delta_the_best_present_block_is_notarized() {
    let (world, ranking, offers) = first_view();
    let mut node = Node::busy(&world, ranking[3]);
    node.hear_offer(1, &offers[2]);
    node.hear_offer(1, &offers[1]);
    for at_ms in [CANDIDATE_WAIT, DELTA, 2 * DELTA - 1] {
        assert!(node.wake(at_ms).votes().is_empty(), "{at_ms}");
    }
    assert_eq!(node.wake(2 * DELTA).voted(Notarize), [offers[1].digest]);

    // Without any other ticket the first to come is the best known.
    let mut node = Node::new(&world, ranking[3]);
    node.tree.has_transactions = true;
    node.wake(0);
    let own = node.wake(CANDIDATE_WAIT).voted(Notarize);
    assert_eq!(own.len(), 1, "every clerk thinks itself best (C6.2 ⚠)");
}

/// C6.4: from 2Δ the first to arrive is notarized at once, though better ones may still come.
#[test]
fn c6_4_after_two_delta_the_first_to_arrive_is_notarized() {
    let (world, ranking, offers) = first_view();
    let mut node = Node::busy(&world, ranking[3]);
    node.tree.packs = false;
    assert!(node.wake(2 * DELTA).votes().is_empty());
    assert_eq!(node.hear_offer(2 * DELTA + 1, &offers[2]).voted(Notarize), [offers[2].digest]);
    assert!(node.hear_offer(2 * DELTA + 2, &offers[0]).votes().is_empty());
}

/// C6.4: at most one Notarize a view.
#[test]
fn c6_4_one_notarize_a_view() {
    let (world, ranking, offers) = first_view();
    let mut node = Node::busy(&world, ranking[3]);
    node.hear_offer(1, &offers[2]);
    assert_eq!(node.wake(2 * DELTA).voted(Notarize), [offers[2].digest]);
    node.hear_offer(2 * DELTA + 1, &offers[0]);
    node.hear_offer(2 * DELTA + 1, &offers[1]);
    node.wake(3 * DELTA);
    let notarized: Vec<_> =
        node.said.iter().filter(|vote| vote.kind == Notarize).map(|vote| vote.digest).collect();
    assert_eq!(notarized, [offers[2].digest]);
}

/// C6.4: never after Nullify of the view.
#[test]
fn c6_4_no_notarize_after_nullify() {
    let (world, ranking, offers) = first_view();
    let mut node = Node::busy(&world, ranking[3]);
    node.tree.packs = false;
    assert_eq!(node.wake(4 * DELTA).votes(), [(Nullify, 1, B256::ZERO)]);
    for offer in &offers {
        assert!(node.hear_offer(4 * DELTA + 1, offer).votes().is_empty());
    }
    assert!(node.wake(5 * DELTA).votes().is_empty());
}

/// C6.4: only for the current view: a proposal that came early is voted for once its view is entered, one of a
/// view left is not.
#[test]
fn c6_4_only_the_current_view_is_voted_in() {
    let (world, ranking, offers) = first_view();
    let clerk = world.ranking(2)[0];
    let me = *ranking.iter().rev().find(|member| **member != clerk).expect("others");
    let mut node = Node::busy(&world, me);
    let early = world.offer(&world.genesis, 2, clerk);
    node.hear(1, world.nullification(1));
    assert_eq!(node.view(), 2);
    node.hear_offer(2, offers.iter().find(|offer| offer.message.proposal.clerk != me).expect("others"));
    node.hear_offer(3, &early);
    let seen = node.wake(2 * DELTA + 3);
    assert!(seen.votes().iter().all(|vote| vote.1 == 2), "{:?}", seen.votes());
    assert!(node.said.iter().all(|vote| vote.view != View(1) || vote.kind == Nullify));
    assert_eq!(
        node.said.iter().filter(|vote| vote.kind == Notarize && vote.digest == early.digest).count(),
        1
    );
}

/// C6.4, C3: an equivocator's proposals are ignored, the next best is voted for at once; but a certificate on one
/// of them counts.
#[test]
fn c6_4_an_equivocator_is_ignored_and_a_certificate_on_its_block_counts() {
    let (world, ranking, offers) = first_view();
    let twin = world.offer_with(&world.genesis, 1, ranking[0], 9);
    let mut node = Node::busy(&world, ranking[3]);
    for offer in [&offers[0], &twin, &offers[1]] {
        node.hear_offer(1, offer);
    }
    assert_eq!(node.wake(CANDIDATE_WAIT).voted(Notarize), [offers[1].digest]);
    let seen = node.hear(30, world.notarization(&twin));
    assert_eq!((seen.voted(Finalize), node.view()), (vec![twin.digest], 2));
    node.hear(31, world.finalization(&twin));
    assert_eq!(node.tip().hash, twin.place.hash);
}

/// A world where view 1 is notarized, view 2 both notarized and nullified: view 3 may build on either.
fn two_parents() -> (World, Offer, Offer) {
    let world = World::new(4);
    let first = world.offer(&world.genesis, 1, world.ranking(1)[0]);
    let second = world.offer(&first.place, 2, world.ranking(2)[0]);
    (world, first, second)
}

/// C3 ⚠: rank never compares rounds: of two proposals on different parents the smaller draw wins, whatever the
/// round.
#[test]
fn c3_rank_never_compares_rounds() {
    let (world, first, second) = two_parents();
    let ranking = world.ranking(3);
    for best_on_older in [true, false] {
        let (best_parent, other_parent) = if best_on_older { (&first, &second) } else { (&second, &first) };
        let best = world.offer(&best_parent.place, 3, ranking[0]);
        let other = world.offer(&other_parent.place, 3, ranking[1]);
        for at_ms in [CANDIDATE_WAIT + 3, 2 * DELTA + 3] {
            let mut node = Node::busy(&world, ranking[3]);
            node.hear_offer(1, &first);
            node.hear(1, world.notarization(&first));
            node.hear_offer(1, &second);
            node.hear_all(2, vec![world.notarization(&second), world.nullification(2)]);
            node.hear_offer(3, &other);
            node.hear_offer(3, &best);
            node.wake(at_ms);
            let named: Vec<_> =
                node.said.iter().filter(|vote| vote.view == View(3)).map(|vote| vote.digest).collect();
            assert_eq!(named, [best.digest], "best on the older parent: {best_on_older}, {at_ms} ms");
        }
    }
}

/// C3 ⚠: a clerk with two Proposals in one view equivocates, even on different parents.
#[test]
fn c3_two_proposals_on_different_parents_are_an_equivocation() {
    let (world, first, second) = two_parents();
    let ranking = world.ranking(3);
    let mut node = Node::busy(&world, ranking[3]);
    node.hear_offer(1, &first);
    node.hear(1, world.notarization(&first));
    node.hear_offer(1, &second);
    node.hear_all(2, vec![world.notarization(&second), world.nullification(2)]);
    node.hear_offer(3, &world.offer(&first.place, 3, ranking[0]));
    node.hear_offer(3, &world.offer(&second.place, 3, ranking[0]));
    let honest = world.offer(&second.place, 3, ranking[1]);
    node.hear_offer(3, &honest);
    assert_eq!(node.wake(CANDIDATE_WAIT + 3).voted(Notarize), [honest.digest]);
}

/// C6.4: the parent view must be ≥ our floor. (Its justification would contradict the floor, so the chain is told
/// not to look at it here.)
#[test]
fn c6_4_a_parent_below_the_floor_is_not_voted_for() {
    let (world, ranking, offers) = first_view();
    let mut node = Node::busy(&world, ranking[3]);
    node.finalize(1, &offers[0]);
    assert_eq!((node.view(), node.floor()), (2, 1));
    node.tree.checks_justification = false;
    let good = world.offer(&world.genesis, 2, world.ranking(2)[0]);
    let mut block = (*good.message.block).clone();
    block.justification = btn_types::Justification::default();
    let commitment = world.committee.domain().envelope(&block.envelope, &block.justification);
    block.header.extra_data = btn_types::Bytes::copy_from_slice(commitment.as_slice());
    let below = world.sign(world.ranking(2)[0], block.into());
    node.hear_message(2, &below);
    assert!(btn_consensus::Places::meta(&node.tree, below.proposal.block_hash).is_some(), "it is inserted");
    node.wake(3 * DELTA);
    let digest = world.committee.proposal_digest(&below.proposal);
    assert!(node.said.iter().all(|vote| vote.digest != digest), "notarized beside the finalised chain");
}

/// C6.4, C5 rule 4: an invalid block is not voted for, the next best is, at once; whether the rule it breaks needs
/// execution or not, and whether the next best came before or after it.
#[test]
fn c6_4_an_invalid_block_is_not_voted_for_and_the_next_best_is() {
    let (world, ranking, offers) = first_view();
    for by_execution in [true, false] {
        for next_comes_first in [true, false] {
            let mut node = Node::busy(&world, ranking[3]);
            let invalid = if by_execution {
                &mut node.tree.invalid_at_execution
            } else {
                &mut node.tree.invalid_at_insertion
            };
            invalid.insert(offers[0].place.hash);
            if next_comes_first {
                node.hear_offer(1, &offers[1]);
            }
            node.hear_offer(2, &offers[0]);
            node.wake(CANDIDATE_WAIT);
            node.hear_offer(CANDIDATE_WAIT + 1, &offers[1]);
            let named: Vec<_> = node.said.iter().map(|vote| vote.digest).collect();
            assert_eq!(named, [offers[1].digest], "{by_execution} {next_comes_first}");
        }
    }
}

/// C5 rule 6: no vote for a block more than 500 ms ahead of our clock, until it is not.
#[test]
fn c5_6_a_block_from_the_future_waits() {
    let (world, ranking, _) = first_view();
    let ahead_ms = UNIX_START_MS + 500 + 60;
    let offer = world.offer_at(&world.genesis, 1, ranking[0], 0, ahead_ms);
    let mut node = Node::busy(&world, ranking[3]);
    node.hear_offer(1, &offer);
    assert!(node.wake(59).votes().is_empty());
    assert_eq!(node.wake(60).voted(Notarize), [offer.digest]);
}

/// C6.4: on a Notarize for an unknown digest its Proposal is fetched from the voters, one after the other, unless
/// it comes by itself.
#[test]
fn c6_4_an_unknown_digest_is_fetched_from_its_voters() {
    let (world, ranking, offers) = first_view();
    let mut node = Node::busy(&world, ranking[3]);
    let voters = [ranking[1], ranking[2]];
    for voter in voters {
        let seen = node.hear_vote(1, world.vote(Notarize, 1, offers[0].digest, voter));
        assert!(seen.fetches().is_empty(), "it may be on its way");
    }
    let mut asked = Vec::new();
    for at_ms in (1..=DELTA + DELTA / 2).step_by(10) {
        for (to, request) in node.wake(at_ms).fetches() {
            assert_eq!(request, FetchRequest::Proposal { digest: offers[0].digest });
            asked.push(to);
        }
    }
    asked.sort();
    let mut expected = voters.to_vec();
    expected.sort();
    assert_eq!(asked, expected);
    assert_eq!(node.hear_offer(DELTA * 3 / 2 + 1, &offers[0]).voted(Notarize), [offers[0].digest]);
    let mut lucky = Node::busy(&world, ranking[3]);
    lucky.hear_vote(1, world.vote(Notarize, 1, offers[0].digest, ranking[1]));
    lucky.hear_offer(2, &offers[0]);
    assert!(lucky.wake(DELTA).fetches().is_empty());
    assert_eq!(B256::ZERO, world.nullification(1).digest);
}
