//! Nullify, and resending while stuck (C6.5).

use crate::kit::{CANDIDATE_WAIT, DELTA, Finalize, Node, Notarize, Nullify, Seen, World, member};
use btn_consensus::Input;
use btn_types::{B256, Message};
use std::collections::BTreeSet;

/// C6.5: Nullify at 4Δ, once; whether we have notarized or not.
#[test]
fn c6_5_nullify_at_four_delta() {
    let world = World::new(4);
    let ranking = world.ranking(1);
    for notarizes in [true, false] {
        let mut node = Node::busy(&world, ranking[3]);
        let offer = world.offer(&world.genesis, 1, ranking[0]);
        if !notarizes {
            node.tree.invalid_at_insertion.insert(offer.place.hash);
        }
        node.hear_offer(1, &offer);
        assert_eq!(node.wake(CANDIDATE_WAIT).voted(Notarize).len(), usize::from(notarizes));
        assert!(node.wake(4 * DELTA - 1).voted(Nullify).is_empty());
        assert!(node.wake(4 * DELTA).voted(Nullify).contains(&B256::ZERO));
    }
}

/// C6.5: only the current view is nullified.
#[test]
fn c6_5_only_the_current_view_is_nullified() {
    let world = World::new(4);
    let mut node = Node::busy(&world, world.ranking(1)[3]);
    node.hear(4 * DELTA - 1, world.certificate(Notarize, 1, B256::repeat_byte(1)));
    for at_ms in (4 * DELTA..12 * DELTA).step_by(100) {
        node.wake(at_ms);
    }
    let nullified: Vec<_> =
        node.said.iter().filter(|vote| vote.kind == Nullify).map(|vote| vote.view.0).collect();
    assert!(!nullified.is_empty() && nullified.iter().all(|view| *view == 2), "{nullified:?}");
}

/// What a step shows to all: kinds and views of votes, and of certificates, views of proposals and tickets.
type Shown = (BTreeSet<(u8, u64)>, BTreeSet<(u8, u64)>, Vec<u64>, BTreeSet<u64>);

fn shown(seen: &Seen) -> Shown {
    (
        seen.told().into_iter().map(|(kind, view, _)| (kind as u8, view)).collect(),
        seen.shown().into_iter().map(|(kind, view)| (kind as u8, view)).collect(),
        seen.proposals().iter().map(|message| message.proposal.view.0).collect(),
        seen.candidacies().iter().map(|ticket| ticket.view.0).collect(),
    )
}

/// A member in view 5, best clerk of it, that finalised view 2, finalized view 3 and proposed in view 5.
fn stuck_node(world: &World) -> (Node, u64) {
    let me = world.ranking(5)[0];
    let clerk = |view| world.ranking(view).into_iter().find(|clerk| *clerk != me).expect("others");
    let second = world.offer(&world.genesis, 2, clerk(2));
    let third = world.offer(&second.place, 3, clerk(3));
    let mut node = Node::busy(world, me);
    node.hear(0, world.nullification(1));
    node.finalize(0, &second);
    node.hear_offer(0, &third);
    node.hear(0, world.notarization(&third));
    node.hear_tickets(0, world.tickets(5));
    let seen = node.hear(0, world.nullification(4));
    assert_eq!(seen.proposals().last().map(|own| own.proposal.view.0), Some(5));
    (node, 0)
}

/// C6.5 ⚠: in the same view for 4Δ, then every Δ: the own logged Proposal of v, own votes of views > floor, every
/// certificate held of [floor, v], and a Candidacy for v.
#[test]
fn c6_5_a_stuck_member_resends_all_it_has_every_delta() {
    let world = World::new(4);
    let (mut node, entered_ms) = stuck_node(&world);
    let delta = DELTA * 3 / 2;
    assert_eq!(node.wake(entered_ms + CANDIDATE_WAIT).voted(Notarize).len(), 1);
    assert!(node.wake(entered_ms + 4 * delta - 1).shown().is_empty(), "not stuck yet");
    let (notarize, nullify, finalize) = (Notarize as u8, Nullify as u8, Finalize as u8);
    let mut times = Vec::new();
    for at_ms in entered_ms + 4 * delta..=entered_ms + 7 * delta {
        let seen = node.wake(at_ms);
        if seen.is_silent() {
            continue;
        }
        times.push(at_ms - entered_ms);
        let (votes, certificates, proposals, tickets) = shown(&seen);
        let own = BTreeSet::from([(finalize, 3), (notarize, 5), (nullify, 5)]);
        assert_eq!(votes, own);
        let held = BTreeSet::from([(notarize, 2), (finalize, 2), (notarize, 3), (nullify, 4)]);
        assert_eq!(certificates, held);
        assert_eq!(proposals, [5]);
        assert!(tickets.contains(&5));
    }
    assert_eq!(times, [4, 5, 6, 7].map(|times| times * delta));
}

/// C6.5 ⚠: at once after a restart, then every Δ.
#[test]
fn c6_5_a_restarted_member_resends_at_once() {
    let world = World::new(4);
    let (mut node, _) = stuck_node(&world);
    node.wake(CANDIDATE_WAIT);
    node.restart();
    let (notarize, nullify, finalize) = (Notarize as u8, Nullify as u8, Finalize as u8);
    for (at_ms, is_due) in
        [(100, true), (101, false), (99 + DELTA, false), (100 + DELTA, true), (100 + 2 * DELTA, true)]
    {
        let (votes, certificates, proposals, tickets) = shown(&node.wake(at_ms));
        assert_eq!(votes == BTreeSet::from([(finalize, 3), (notarize, 5)]), is_due, "{at_ms}: {votes:?}");
        let held = BTreeSet::from([(finalize, 2), (notarize, 3), (nullify, 4)]);
        assert_eq!(certificates == held, is_due, "{at_ms}: {certificates:?}");
        assert_eq!((proposals == [5], tickets.contains(&5)), (is_due, is_due), "{at_ms}");
    }
}

/// C6.5 ⚠: a vote for a view ≤ floor is answered with the floor's Finalization, at most once per Δ and peer.
#[test]
fn c6_5_a_vote_at_or_below_the_floor_is_answered_with_the_floors_finalization() {
    let world = World::new(4);
    let mut node = Node::new(&world, member(0));
    let floor = world.certificate(Finalize, 5, B256::repeat_byte(5));
    node.hear(0, floor.clone());
    let (late, other) = (member(1), member(2));
    let expected = [Message::Certificates(vec![floor])];
    let mut ask =
        |at_ms, view, from| node.hear_vote(at_ms, world.vote(Nullify, view, B256::ZERO, from)).sent_to(from);
    assert_eq!(ask(10, 3, late), expected);
    assert!(ask(11, 3, late).is_empty(), "limited");
    assert!(ask(9 + DELTA, 5, late).is_empty(), "limited");
    assert_eq!(ask(12, 5, other), expected, "each peer by itself");
    assert_eq!(ask(10 + DELTA, 5, late), expected);
    assert!(ask(10 + 3 * DELTA, 6, late).is_empty(), "above the floor");
}

/// C6.5: who connects is shown the same, alone.
#[test]
fn c6_5_a_peer_that_connects_is_shown_where_we_stand() {
    let world = World::new(4);
    let (mut node, _) = stuck_node(&world);
    node.wake(CANDIDATE_WAIT);
    let peer = node.peer();
    let seen = node.step(CANDIDATE_WAIT + 1, Input::PeerConnected(peer));
    assert!(seen.told().is_empty() && seen.shown().is_empty(), "to others too");
    let sent = seen.sent_to(peer);
    let count = |name| sent.iter().filter(|message| message.name() == name).count();
    assert_eq!([count("certificates"), count("proposal"), count("vote"), count("candidacy")], [1, 1, 2, 1]);
}

/// C6.1, C6.5: a laggard left out of a partition is brought back by one answer, however far it is behind.
#[test]
fn c6_5_the_floors_finalization_brings_a_laggard_back() {
    let world = World::new(4);
    let mut laggard = Node::busy(&world, member(0));
    let seen = laggard.wake(4 * DELTA);
    assert_eq!(seen.voted(Nullify).len(), 1);
    let mut ahead = Node::new(&world, member(1));
    ahead.hear(0, world.certificate(Finalize, 500, B256::repeat_byte(5)));
    let vote = world.vote(Nullify, 1, B256::ZERO, member(0));
    let answer = ahead.hear_vote(1, vote).sent_to(member(0));
    let [Message::Certificates(certificates)] = &answer[..] else { panic!("{answer:?}") };
    laggard.hear_all(4 * DELTA + 1, certificates.clone());
    assert_eq!((laggard.view(), laggard.floor()), (501, 500));
}
