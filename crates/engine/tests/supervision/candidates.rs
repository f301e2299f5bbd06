//! Candidates are checked before anything is sent to them: a fake one never receives a transaction.

use crate::hand::{Asked, Hand};
use crate::kit::{SEED, Universe, member, transfer};
use btn_crypto::Signer;
use btn_engine::{SUBMIT_PATIENCE_DELTAS, SUBMIT_TO, SupervisorInput};
use btn_stand_in::StandInKeys;
use btn_types::supervision::{MasterReply, SupervisorCall};
use btn_types::{B256, Bytes, Epoch, JournalRecord, MemberIndex, Ticket, View};

/// Makes a ticket that is not what it should be.
type MakesTicket = fn(&Hand) -> Ticket;

/// A supervisor that has just been given a transaction and asks its masters 0 to 2 for candidates.
fn submitting() -> Hand {
    let mut hand = Hand::new(4);
    hand.input(SupervisorInput::Submit { id: 1, transaction: Box::new(transfer(0, 0)) });
    assert!(matches!(&hand.journal[..], [JournalRecord::Transaction(_)]));
    hand
}

fn ticket(hand: &Hand, of: usize, view: u64) -> Ticket {
    let (epoch, view, draw_seed) = (Epoch(0), View(view), hand.genesis().child_draw_seed);
    let message = hand.universe.committee.domain().clerk(epoch, view, draw_seed);
    let signature = StandInKeys::signer(SEED, member(of)).draw(message).unwrap();
    Ticket { epoch, view, draw_seed, member: member(of), signature }
}

/// All masters name these.
fn name(hand: &mut Hand, tickets: &[Ticket]) {
    for master in 0..3 {
        let asked = hand.take(master, |call| *call == SupervisorCall::Candidates).unwrap();
        hand.reply(&asked, MasterReply::Candidates(tickets.to_vec()));
    }
}

fn submissions(hand: &mut Hand) -> Vec<Asked> {
    let mut found = Vec::new();
    for master in 0..4 {
        while let Some(asked) = hand.take(master, |call| matches!(call, SupervisorCall::Submit(_))) {
            found.push(asked);
        }
    }
    found
}

fn receivers(hand: &mut Hand) -> Vec<MemberIndex> {
    submissions(hand).iter().map(|asked| asked.to).collect()
}

/// The members with the best tickets of the next view.
fn best(hand: &Hand, view: u64, most: usize) -> Vec<MemberIndex> {
    let mut ranking: Vec<_> = (0..4)
        .map(|of| {
            let ticket = ticket(hand, of, view);
            (hand.universe.committee.verify_ticket(&ticket).unwrap(), ticket.member)
        })
        .collect();
    ranking.sort_unstable();
    let mut members: Vec<MemberIndex> = ranking.into_iter().take(most).map(|(_, of)| of).collect();
    members.sort_unstable();
    members
}

#[test]
fn it_goes_to_the_best_two_of_the_next_view() {
    let mut hand = submitting();
    let tickets: Vec<Ticket> = [2, 1, 3]
        .into_iter()
        .flat_map(|view| (0..4).map(move |of| (of, view)))
        .map(|(of, view)| ticket(&hand, of, view))
        .collect();
    name(&mut hand, &tickets);
    let expected = best(&hand, 1, SUBMIT_TO);
    assert_eq!(receivers(&mut hand), expected);
}

/// Nobody is believed before all asked have answered or their time is up: one master alone cannot choose.
#[test]
fn all_masters_are_heard_first() {
    let mut hand = submitting();
    let asked = hand.take(0, |call| *call == SupervisorCall::Candidates).unwrap();
    let tickets = vec![ticket(&hand, 3, 1)];
    hand.reply(&asked, MasterReply::Candidates(tickets));
    assert_eq!(receivers(&mut hand), []);
    let patience_ms = SUBMIT_PATIENCE_DELTAS * hand.universe.genesis.consensus.delta_ms;
    hand.wake_at(hand.now_ms + patience_ms);
    assert_eq!(receivers(&mut hand), [member(3)]);
}

/// A ticket that proves nothing, for each reason: who named it is dropped, and the candidate gets nothing. Each case
/// would make member 3 the only candidate.
#[test]
fn a_fake_candidate_never_receives_it() {
    let fakes: [(&str, MakesTicket); 5] = [
        ("forged", |hand| {
            let mut fake = ticket(hand, 3, 1);
            let mut signature = fake.signature.to_vec();
            signature[0] ^= 1;
            fake.signature = Bytes::from(signature);
            fake
        }),
        ("another member's", |hand| Ticket { member: member(3), ..ticket(hand, 2, 1) }),
        ("another view's", |hand| Ticket { view: View(2), ..ticket(hand, 3, 1) }),
        ("no member", |hand| Ticket { member: member(4), ..ticket(hand, 3, 1) }),
        ("another epoch", |hand| Ticket { epoch: Epoch(1), ..ticket(hand, 3, 1) }),
    ];
    for (what, fake) in fakes {
        let mut hand = submitting();
        let fake = fake(&hand);
        name(&mut hand, &[fake]);
        assert_eq!(hand.dropped.len(), 3, "{what}: all named it");
        assert!(hand.dropped[0].1.contains("whose ticket proves nothing"), "{what}: {:?}", hand.dropped);
        // No candidate and no master left: its custodians get it, chosen by D("submit", …) alone.
        let to = receivers(&mut hand);
        assert_eq!(to.len(), 3, "{what}: {to:?}");
    }
}

/// Right in itself and of no use: drawn on a strange seed, of a view that is past, of one too far ahead.
#[test]
fn candidates_of_another_time_or_chain_never_receive_it() {
    let strange: [(&str, MakesTicket); 3] = [
        ("strange seed", |hand| {
            let (epoch, view, draw_seed) = (Epoch(0), View(2), B256::repeat_byte(7));
            let message = hand.universe.committee.domain().clerk(epoch, view, draw_seed);
            let signature = StandInKeys::signer(SEED, member(3)).draw(message).unwrap();
            Ticket { epoch, view, draw_seed, member: member(3), signature }
        }),
        ("past view", |hand| ticket(hand, 3, 1)),
        ("far view", |hand| ticket(hand, 3, 40)),
    ];
    for (what, strange) in strange {
        let mut hand = Hand::new(4);
        let block = hand.extend(None);
        hand.show(&block);
        hand.notarize(&block);
        hand.input(SupervisorInput::Submit { id: 1, transaction: Box::new(transfer(0, 0)) });
        let strange = strange(&hand);
        name(&mut hand, &[strange]);
        assert_eq!(hand.dropped, [], "{what}: an honest master may be elsewhere");
        assert_eq!(receivers(&mut hand), [0, 1, 2].map(member), "{what}: its own masters get it");
    }
}

/// Candidates that fail, refuse or keep silent: the own masters get it.
#[test]
fn where_candidates_fail_the_own_masters_get_it() {
    let failures: [Option<MasterReply>; 3] = [
        Some(MasterReply::Failed("not reachable".to_owned())),
        Some(MasterReply::Submitted(Err("txpool is full".to_owned()))),
        None,
    ];
    for failure in failures {
        let mut hand = submitting();
        let tickets = vec![ticket(&hand, 3, 1)];
        name(&mut hand, &tickets);
        let [asked] = &submissions(&mut hand)[..] else { panic!("one candidate") };
        assert_eq!(asked.to, member(3));
        match failure.clone() {
            Some(reply) => hand.reply(asked, reply),
            None => hand.wake_at(hand.wake_at_ms),
        }
        assert_eq!(receivers(&mut hand), [0, 1, 2].map(member), "{failure:?}");
    }
}

/// Taken, or known there already: nothing more is done.
#[test]
fn a_candidate_that_takes_it_ends_the_search() {
    let hash = *transfer(0, 0).inner().tx_hash();
    for outcome in [Ok(hash), Err("already known".to_owned())] {
        let mut hand = submitting();
        let tickets = vec![ticket(&hand, 3, 1)];
        name(&mut hand, &tickets);
        let [asked] = &submissions(&mut hand)[..] else { panic!("one candidate") };
        hand.reply(asked, MasterReply::Submitted(outcome));
        hand.wake_at(hand.now_ms + 60_000);
        assert_eq!(receivers(&mut hand), []);
    }
}

/// With no link up it goes to the sender's custodians, who are dialled.
#[test]
fn without_links_the_custodians_get_it() {
    let mut hand = Hand::unlinked(Universe::new(4));
    hand.input(SupervisorInput::Submit { id: 1, transaction: Box::new(transfer(0, 0)) });
    let first = receivers(&mut hand);
    assert_eq!(first.len(), 3);
    let committee = &hand.universe.committee;
    let sender = transfer(0, 0).signer();
    let mut ranked: Vec<_> = committee
        .indices()
        .map(|of| {
            (committee.domain().submit(Epoch(0), sender.as_slice(), committee.members()[of.index()].id), of)
        })
        .collect();
    ranked.sort_unstable();
    let mut expected: Vec<MemberIndex> = ranked.into_iter().take(3).map(|(_, of)| of).collect();
    expected.sort_unstable();
    assert_eq!(first, expected);
}
