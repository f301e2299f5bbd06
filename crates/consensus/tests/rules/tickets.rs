//! Tickets: what is drawn, shown, passed on and believed (C3, C6.2).

use crate::kit::{CANDIDATE_WAIT, DELTA, Finalize, Node, Notarize, World, member};
use btn_consensus::Input;
use btn_types::{B256, MemberIndex, Message, Ticket};
use std::collections::BTreeSet;

fn views(tickets: &[Ticket]) -> BTreeSet<u64> {
    tickets.iter().map(|ticket| ticket.view.0).collect()
}

fn members(tickets: &[Ticket], view: u64) -> BTreeSet<MemberIndex> {
    tickets.iter().filter(|ticket| ticket.view.0 == view).map(|ticket| ticket.member).collect()
}

/// All tickets that the node would show a peer: views v to v+2.
fn known(node: &mut Node, at_ms: u64) -> Vec<Ticket> {
    let peer = node.peer();
    let sent = node.step(at_ms, Input::PeerConnected(peer)).sent_to(peer);
    let lists = sent.into_iter().filter_map(|message| match message {
        Message::Candidacy(tickets) => Some(tickets),
        _ => None,
    });
    lists.flatten().collect()
}

/// C6.2: tickets of v+1 and v+2, never further, ride on every vote and on every certificate passed on.
#[test]
fn c6_2_tickets_of_the_next_two_views_ride_on_votes_and_certificates() {
    let world = World::new(4);
    let ranking = world.ranking(1);
    let mut node = Node::busy(&world, ranking[3]);
    let offer = world.offer(&world.genesis, 1, ranking[0]);
    node.hear_offer(1, &offer);
    let seen = node.wake(CANDIDATE_WAIT);
    assert_eq!(seen.votes().len(), 1);
    assert_eq!(views(&seen.riding()), BTreeSet::from([2, 3]));
    assert_eq!(members(&seen.riding(), 2).len(), 4, "others' too");
    let seen = node.hear(30, world.notarization(&offer));
    for message in &seen.0 {
        if let btn_consensus::Effect::Broadcast(message) = message {
            let (Message::Vote(btn_types::VoteMessage { tickets, .. })
            | Message::Certificate(btn_types::CertificateMessage { tickets, .. })) = &**message
            else {
                continue;
            };
            assert!(members(tickets, 3).contains(&node.me), "own ticket two views ahead");
            assert!(views(tickets).iter().all(|view| *view <= node.view() + 2));
        }
    }
    assert_eq!((seen.passed_on().len(), seen.voted(Finalize).len()), (1, 1));
}

/// C6.2: own and the best four known.
#[test]
fn c6_2_own_and_the_best_four_are_passed_on() {
    let world = World::new(7);
    let me = world.ranking(2)[6];
    let mut node = Node::busy(&world, me);
    let shown = node.wake(4 * DELTA).riding();
    let best: BTreeSet<_> = world.ranking(2)[..4].iter().copied().chain([me]).collect();
    assert_eq!(members(&shown, 2), best);
    let best: BTreeSet<_> = world.ranking(3)[..4].iter().copied().chain([me]).collect();
    assert_eq!(members(&shown, 3), best);
}

/// C6.2: tickets beyond the horizon, behind us, on another seed or badly signed are ignored.
#[test]
fn c6_2_foreign_tickets_are_believed_only_in_reach_on_a_known_seed_and_signed() {
    let world = World::new(4);
    let mut node = Node::new(&world, member(0));
    node.hear_all(0, vec![world.nullification(4)]);
    let peer = member(1);
    let forged = |view| Ticket { member: member(2), ..world.ticket(view, peer) };
    let other_epoch = Ticket { epoch: btn_types::Epoch(1), ..world.ticket(5, peer) };
    let outsider = Ticket { member: member(9), ..world.ticket(5, peer) };
    let other_seed = world.ticket_on(5, B256::repeat_byte(0xcc), peer);
    let bad =
        vec![world.ticket(4, peer), world.ticket(8, peer), forged(5), other_epoch, outsider, other_seed];
    for ticket in bad {
        node.hear_tickets(0, vec![ticket.clone()]);
        assert!(known(&mut node, 0).iter().all(|held| held.member == node.me), "believed {ticket:?}");
    }
    // Those beyond the horizon would show one view later.
    node.hear(0, world.nullification(5));
    assert!(known(&mut node, 0).iter().all(|held| held.member == node.me), "kept beyond the horizon");
    let mut node = Node::new(&world, member(0));
    node.hear_all(0, vec![world.nullification(4)]);
    node.hear_tickets(0, (5..=7).map(|view| world.ticket(view, peer)).collect());
    let held: Vec<_> = known(&mut node, 0).into_iter().filter(|ticket| ticket.member == peer).collect();
    assert_eq!(views(&held), BTreeSet::from([5, 6, 7]));
}

/// C6.2: a bare Candidacy at the start and after a jump, not after a step to the next view.
#[test]
fn c6_2_a_candidacy_is_sent_at_the_start_and_after_a_jump() {
    let world = World::new(4);
    let mut node = Node::new(&world, member(0));
    assert_eq!(views(&node.wake(0).candidacies()), BTreeSet::from([1, 2, 3]));
    assert!(node.hear(1, world.nullification(1)).candidacies().is_empty());
    let seen = node.hear(2, world.nullification(7));
    assert_eq!(views(&seen.candidacies()), BTreeSet::from([8, 9, 10]));
    let seen = node.hear(3, world.certificate(Notarize, 20, B256::repeat_byte(1)));
    assert_eq!(members(&seen.candidacies(), 21), BTreeSet::from([member(0)]));
}

/// C6.2: where a lottery period ends within the next three heights, a ticket for each seed; foreign tickets on
/// either are believed. Elsewhere one.
#[test]
fn c6_2_at_a_periods_edge_a_ticket_for_each_seed() {
    let world = World::with_edge(4, 3);
    let (before, after) = (world.lottery.seed_of(2), world.lottery.seed_of(3));
    let mut node = Node::new(&world, member(0));
    let own = node.wake(0).candidacies();
    let seeds = |view| -> BTreeSet<B256> {
        own.iter().filter(|ticket| ticket.view.0 == view).map(|ticket| ticket.draw_seed).collect()
    };
    assert_eq!([seeds(1), seeds(2), seeds(3)], [(); 3].map(|()| BTreeSet::from([before, after])));
    node.hear_tickets(0, [before, after].map(|seed| world.ticket_on(2, seed, member(1))).to_vec());
    let held: Vec<_> = known(&mut node, 0).into_iter().filter(|ticket| ticket.member == member(1)).collect();
    assert_eq!(held.len(), 2);

    let world = World::new(4);
    let own = Node::new(&world, member(0)).wake(0).candidacies();
    assert_eq!(own.len(), 3, "{own:?}");
}

/// C3, C6.3: on the far side of the edge the clerk draws on the new seed, and its block is valid.
#[test]
fn c3_a_block_of_the_next_period_is_drawn_on_the_next_seed() {
    let world = World::with_edge(4, 2);
    let me = member(0);
    let mut node = Node::busy(&world, me);
    let first = world.offer(&world.genesis, 1, member(1));
    node.hear_offer(1, &first);
    node.hear(2, world.notarization(&first));
    let seen = node.wake(2 + 2 * DELTA);
    let own = seen.proposals().pop().or_else(|| node.consensus.live_records().into_iter().find_map(own_of));
    let own = own.expect("a proposal of view 2");
    let expected = world.ticket_on(2, world.lottery.seed_of(2), me).signature;
    assert_eq!(own.proposal.clerk_signature, expected);
}

fn own_of(record: btn_types::JournalRecord) -> Option<std::sync::Arc<btn_types::ProposalMessage>> {
    match record {
        btn_types::JournalRecord::Proposed(message) if message.proposal.view.0 == 2 => Some(message),
        _ => None,
    }
}

/// C6.2: the ticket that came with a proposal is as good as any.
#[test]
fn c6_2_a_proposals_ticket_is_known() {
    let world = World::new(4);
    let mut node = Node::new(&world, member(0));
    node.hear_offer(0, &world.offer(&world.genesis, 1, member(2)));
    assert_eq!(members(&known(&mut node, 0), 1), BTreeSet::from([member(0), member(2)]));
}
