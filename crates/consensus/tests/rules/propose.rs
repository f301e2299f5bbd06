//! The idle wait and proposing by rank (C6.3).

use crate::kit::{
    BLOCK_INTERVAL, CANDIDATE_WAIT, DELTA, Finalize, IDLE, Node, Notarize, Nullify, Seen, UNIX_START_MS,
    World, member,
};
use crate::tree::Tree;
use btn_consensus::Input;
use btn_types::{B256, FetchRequest, JournalRecord, MemberIndex, Message, View, VoteKind};
use std::sync::Arc;

/// First time in the range at which a wake-up leads to a proposal.
fn first_proposal(node: &mut Node, range: std::ops::RangeInclusive<u64>) -> Option<u64> {
    range.into_iter().find(|at_ms| !node.wake(*at_ms).proposals().is_empty())
}

/// C6.3: an idle view has no timers: nothing is proposed and nothing nullified before idle_interval.
#[test]
fn c6_3_an_idle_view_waits_for_idle_interval() {
    let world = World::new(4);
    let mut node = Node::informed(&world, world.ranking(1)[0]);
    assert_eq!(first_proposal(&mut node, 1..=IDLE + 10), Some(IDLE));

    // 4Δ count from t0, not from the entry.
    let mut node = Node::informed(&world, world.ranking(1)[3]);
    for at_ms in [IDLE - 1, IDLE, IDLE + 4 * DELTA - 1] {
        assert!(node.wake(at_ms).voted(Nullify).is_empty(), "{at_ms}");
    }
    assert_eq!(node.wake(IDLE + 4 * DELTA).voted(Nullify).len(), 1);
}

/// C6.3: a transaction, a proposal of the view, or f+1 Nullify of it end the wait at once; f do not.
#[test]
fn c6_3_the_idle_wait_ends_when_there_is_something_to_do() {
    let world = World::new(4);
    let ranking = world.ranking(1);
    let best = || Node::informed(&world, ranking[0]);

    let mut node = best();
    assert!(node.step(50, Input::TransactionsKnown).proposals().is_empty(), "not executable");
    node.tree.has_transactions = true;
    assert_eq!(node.step(51, Input::TransactionsKnown).proposals().len(), 1);

    let mut node = best();
    let seen = node.hear_offer(50, &world.offer(&world.genesis, 1, ranking[2]));
    assert_eq!(seen.proposals().len(), 1);

    let mut node = best();
    let nullify = |clerk| world.vote(Nullify, 1, B256::ZERO, clerk);
    assert!(node.hear_vote(50, nullify(ranking[1])).proposals().is_empty(), "f Nullify");
    assert_eq!(node.hear_vote(51, nullify(ranking[2])).proposals().len(), 1, "f+1 Nullify");

    let mut node = best();
    let me = world.ranking(2)[0];
    let mut after_nullification = Node::informed(&world, me);
    assert_eq!(after_nullification.hear(50, world.nullification(1)).proposals().len(), 1);
    assert!(node.wake(60).proposals().is_empty());
}

/// A member in view 2, entered at 10 ms by the Notarization of view 1, best clerk of it, body and tickets known.
fn in_second_view(world: &World) -> (Node, crate::kit::Offer) {
    let me = world.ranking(2)[0];
    let clerk = *world.ranking(1).iter().find(|clerk| **clerk != me).expect("others");
    let offer = world.offer(&world.genesis, 1, clerk);
    let mut node = Node::informed(world, me);
    node.hear_offer(5, &offer);
    assert!(
        node.hear(10, world.notarization(&offer)).proposals().iter().all(|own| own.proposal.view == View(1))
    );
    assert_eq!(node.view(), 2);
    (node, offer)
}

/// C6.3: an idle view waits at most Δ for the Finalization of the view before, and idle_interval once it is held.
#[test]
fn c6_3_an_idle_view_waits_delta_for_the_finalization_before() {
    let world = World::new(4);
    let (mut node, _) = in_second_view(&world);
    assert_eq!(first_proposal(&mut node, 11..=IDLE), Some(10 + DELTA));

    let (mut node, offer) = in_second_view(&world);
    node.hear(10 + DELTA / 2, world.finalization(&offer));
    assert_eq!(first_proposal(&mut node, DELTA..=2 * IDLE), Some(10 + IDLE));
}

/// C6.3: rank 1–2 propose at t0, rank 3–4 at t0+Δ, the rest at t0+1.5Δ.
#[test]
fn c6_3_clerks_propose_by_rank() {
    let world = World::new(7);
    let expected = [0, 0, DELTA, DELTA, DELTA * 3 / 2, DELTA * 3 / 2, DELTA * 3 / 2];
    for (rank, expected_ms) in expected.into_iter().enumerate() {
        let mut node = Node::informed(&world, world.ranking(1)[rank]);
        node.tree.has_transactions = true;
        assert_eq!(first_proposal(&mut node, 1..=2 * DELTA), Some(1 + expected_ms), "rank {}", rank + 1);
    }
}

/// C6.3: from rank 5 on only if no better one's proposal has come; an equivocator's does not count (C6.4).
#[test]
fn c6_3_low_ranks_propose_only_without_a_better_proposal() {
    let world = World::new(7);
    let ranking = world.ranking(1);
    let offer = |rank: usize, salt| world.offer_with(&world.genesis, 1, ranking[rank], salt);
    let proposes = |offers: Vec<crate::kit::Offer>| {
        let mut node = Node::busy(&world, ranking[5]);
        offers.iter().for_each(|offer| drop(node.hear_offer(1, offer)));
        first_proposal(&mut node, 2..=2 * DELTA)
    };
    assert_eq!(proposes(vec![offer(4, 0)]), None);
    assert_eq!(proposes(vec![offer(6, 0)]), Some(DELTA * 3 / 2));
    // With the equivocator out, this clerk is fifth; its own better ones have not proposed.
    assert_eq!(proposes(vec![offer(4, 0), offer(4, 1)]), Some(DELTA * 3 / 2));
}

/// C6.4: an equivocator's ticket is ignored in that view: those behind it move up.
#[test]
fn c6_4_an_equivocators_ticket_does_not_hold_up_the_next_clerk() {
    let world = World::new(4);
    let ranking = world.ranking(1);
    let mut node = Node::busy(&world, ranking[2]);
    assert!(node.hear_offer(1, &world.offer_with(&world.genesis, 1, ranking[0], 0)).proposals().is_empty());
    assert_eq!(node.hear_offer(2, &world.offer_with(&world.genesis, 1, ranking[0], 1)).proposals().len(), 1);
}

/// C6.3: no proposal earlier than the parent + min_block_interval.
#[test]
fn c6_3_blocks_keep_their_least_interval() {
    let world = World::new(4);
    let me = world.ranking(2)[0];
    let clerk = *world.ranking(1).iter().find(|clerk| **clerk != me).expect("others");
    let offer = world.offer_at(&world.genesis, 1, clerk, 0, UNIX_START_MS + 40);
    let mut node = Node::busy(&world, me);
    node.hear_offer(40, &offer);
    assert!(
        node.hear(50, world.notarization(&offer)).proposals().iter().all(|own| own.proposal.view == View(1))
    );
    assert_eq!(first_proposal(&mut node, 51..=2 * DELTA), Some(40 + BLOCK_INTERVAL));
}

/// C6.3: a clock that was set back must not silence a clerk for longer than Δ.
#[test]
fn c6_3_a_clock_set_back_silences_a_clerk_for_delta_at_most() {
    let world = World::new(4);
    let mut node = Node::informed(&world, world.ranking(1)[0]);
    node.unix_offset_ms = -3_600_000;
    node.tree.has_transactions = true;
    assert_eq!(first_proposal(&mut node, 1..=3 * DELTA), Some(1 + DELTA));
    // The block is still later than its parent (C5 rule 6).
    let own = node.journal.iter().find_map(|record| match record {
        JournalRecord::Proposed(message) => Some(message.block.envelope.timestamp_ms),
        _ => None,
    });
    assert_eq!(own, Some(world.genesis.timestamp_ms + 1));
}

/// C6.3: once a view. After a restart the logged proposal is sent again, never another one built.
#[test]
fn c6_3_one_proposal_a_view_also_after_a_restart() {
    let world = World::new(4);
    let mut node = Node::busy(&world, world.ranking(1)[0]);
    assert_eq!(node.tree.built, 1);
    for at_ms in [1, CANDIDATE_WAIT, DELTA, 2 * DELTA] {
        assert!(
            node.wake(at_ms)
                .proposals()
                .iter()
                .all(|own| node.journal.contains(&JournalRecord::Proposed(Arc::clone(own))))
        );
    }
    assert_eq!(node.tree.built, 1);
    let logged = node.journal.iter().find_map(|record| match record {
        JournalRecord::Proposed(message) => Some(Arc::clone(message)),
        _ => None,
    });
    node.restart();
    let seen = node.wake(2 * DELTA + 1);
    assert_eq!(seen.proposals(), [logged.expect("a proposal")]);
    node.wake(3 * DELTA);
    assert_eq!(node.tree.built, 0, "built anew after the restart");
}

/// C6.3, C5 rule 2: a clerk builds on the highest certified view with all Nullifications between; a missing one
/// is fetched first, from one member after the other.
#[test]
fn c6_3_a_clerk_fetches_the_nullifications_it_lacks() {
    let world = World::new(4);
    let me = world.ranking(4)[0];
    let mut node = Node::busy(&world, me);
    let mut seen = vec![node.hear(1, world.nullification(3))];
    for at_ms in (2..=3 * DELTA).step_by(20) {
        seen.push(node.wake(at_ms));
    }
    assert!(seen.iter().all(|seen| seen.proposals().iter().all(|own| own.proposal.view == View(1))));
    let asked: Vec<_> = seen.iter().flat_map(Seen::fetches).collect();
    let wanted = FetchRequest::Certificates { epoch: btn_types::Epoch(0), from: View(1), to: View(3) };
    assert!(asked.iter().all(|(_, request)| *request == wanted), "{asked:?}");
    let peers: std::collections::BTreeSet<MemberIndex> = asked.iter().map(|(to, _)| *to).collect();
    assert_eq!(peers.len(), 3, "{asked:?}");
    let seen = node.hear_all(3 * DELTA, vec![world.nullification(1), world.nullification(2)]);
    let own = seen.proposals().pop().expect("a proposal of view 4");
    let carried: Vec<_> = own.block.justification.nullifications.iter().map(|held| held.view.0).collect();
    assert_eq!((carried, own.block.justification.parent_certificate.clone()), (vec![1, 2, 3], None));
    for at_ms in [4 * DELTA, 5 * DELTA] {
        assert!(node.wake(at_ms).fetches().is_empty(), "still asks for what it holds");
    }
}

/// C6.3: the parent is the highest certified block, not the highest final one.
#[test]
fn c6_3_a_clerk_builds_on_the_highest_certified_view() {
    let world = World::new(4);
    let me = world.ranking(4)[0];
    let clerk = world.ranking(1).into_iter().find(|clerk| *clerk != me).expect("others");
    let first = world.offer(&world.genesis, 1, clerk);
    let clerk = world.ranking(2).into_iter().find(|clerk| *clerk != me).expect("others");
    let second = world.offer(&first.place, 2, clerk);
    let mut node = Node::busy(&world, me);
    node.finalize(1, &first);
    node.hear_offer(2, &second);
    node.hear(3, world.notarization(&second));
    let seen = node.hear(4, world.nullification(3));
    let proposals = seen.proposals();
    let own = proposals.last().expect("a proposal of view 4");
    assert_eq!(own.proposal.parent_view, View(2));
    assert_eq!(own.block.header.parent_hash, second.place.hash);
    assert_eq!(own.block.justification.nullifications.len(), 1);
}

/// C5 ⚠: a Finalization counts wherever a Notarization is required.
#[test]
fn c5_a_finalization_counts_as_a_parents_notarization() {
    let world = World::new(4);
    let me = world.ranking(2)[0];
    let clerk = world.ranking(1).into_iter().find(|clerk| *clerk != me).expect("others");
    let first = world.offer(&world.genesis, 1, clerk);
    let mut node = Node::busy(&world, me);
    node.hear_offer(1, &first);
    let seen = node.hear(2, world.finalization(&first));
    let own = seen.proposals().pop().expect("a proposal on the finalised block");
    let carried = own.block.justification.parent_certificate.as_ref().expect("the parent's certificate");
    assert_eq!((carried.kind, carried.view), (VoteKind::Finalize, View(1)));
    assert!(world.committee.verify_certificate(carried).is_ok());

    // And it is enough for others: a member votes for such a block.
    let mut voter = Node::busy(&world, member((me.0 + 1) % 4));
    voter.hear_offer(1, &first);
    voter.hear_message(2, &own);
    assert_eq!((voter.view(), voter.floor()), (2, 1), "it is taken over from the body");
    assert_eq!(voter.wake(2 * DELTA + 2).voted(Notarize).len(), 1);
}

/// C6.3: nobody proposes in a view it has nullified, nor without a ticket on the parent's draw seed.
#[test]
fn c6_3_nothing_is_proposed_after_nullify() {
    let world = World::new(4);
    let me = world.ranking(1)[0];
    let journal = vec![JournalRecord::Voted(world.vote(Nullify, 1, B256::ZERO, me))];
    let mut tree = Tree::new(&world, world.genesis);
    tree.has_transactions = true;
    let mut node = Node::from_journal(&world, me, tree, journal);
    assert_eq!(first_proposal(&mut node, 0..=2 * DELTA), None);
}

/// C5 `Fetch`: certificates and bodies are given to who asks, certificates from the floor up to the current view.
#[test]
fn c5_questions_are_answered_from_what_is_held() {
    let world = World::new(4);
    let mut node = Node::new(&world, member(0));
    let (peer, epoch) = (member(1), btn_types::Epoch(0));
    let offer = world.offer(&world.genesis, 1, world.ranking(1)[0]);
    node.finalize(1, &offer);
    node.hear_all(1, vec![world.nullification(2), world.nullification(3)]);
    let mut ask = |request| node.step(2, Input::Fetch { from: peer, request }).sent_to(peer);
    let answer = ask(FetchRequest::Certificates { epoch, from: View(0), to: View(99) });
    let [Message::Certificates(given)] = &answer[..] else { panic!("{answer:?}") };
    let given: Vec<_> = given.iter().map(|held| (held.kind, held.view.0)).collect();
    assert_eq!(given, [(Notarize, 1), (Finalize, 1), (Nullify, 2), (Nullify, 3)]);
    let answer = ask(FetchRequest::Proposal { digest: offer.digest });
    assert_eq!(answer, [Message::Proposal(Arc::clone(&offer.message))]);
    assert!(
        ask(FetchRequest::Certificates { epoch: btn_types::Epoch(1), from: View(1), to: View(3) }).is_empty()
    );
    // What we cannot give is answered with where we stand.
    let answer = ask(FetchRequest::Certificates { epoch, from: View(50), to: View(60) });
    assert_eq!(answer, [Message::Certificates(vec![world.finalization(&offer)])]);
}
