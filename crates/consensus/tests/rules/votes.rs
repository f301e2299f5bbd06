//! Votes on the way to a certificate (C5).

use crate::kit::{Finalize, Node, Notarize, Nullify, World, member};
use btn_types::{B256, Certificate, JournalRecord, MemberIndex, Vote, VoteSignature};

const fn digest(byte: u8) -> B256 {
    B256::repeat_byte(byte)
}

fn certificates(node: &Node) -> Vec<&Certificate> {
    let records = node.journal.iter().filter_map(|record| match record {
        JournalRecord::Certificate(certificate) => Some(certificate),
        _ => None,
    });
    records.collect()
}

fn signers(certificate: &Certificate) -> Vec<MemberIndex> {
    certificate.bitmap.signers(4).expect("well formed")
}

/// C4: q equal votes of distinct members make a certificate of each kind, q−1 do not, and a member counts once.
#[test]
fn c4_a_quorum_of_equal_votes_of_distinct_members_makes_a_certificate() {
    let world = World::new(4);
    for (kind, digest) in [(Notarize, digest(1)), (Nullify, B256::ZERO), (Finalize, digest(1))] {
        let mut node = Node::new(&world, member(0));
        for voter in [1, 2, 2, 1].map(member) {
            node.hear_vote(1, world.vote(kind, 1, digest, voter));
        }
        assert_eq!(node.view(), 1, "{kind:?} q-1");
        node.hear_vote(1, world.vote(kind, 1, digest, member(3)));
        assert_eq!(node.view(), 2, "{kind:?} q");
        let made = certificates(&node)[0];
        assert!(world.committee.verify_certificate(made).is_ok());
        assert_eq!(signers(made), [1, 2, 3].map(member));
    }
}

/// C4: votes for different digests do not add up, and a member's second vote does not count.
#[test]
fn c4_votes_for_different_digests_do_not_add_up() {
    let world = World::new(4);
    let mut node = Node::new(&world, member(0));
    node.hear_vote(1, world.vote(Notarize, 1, digest(1), member(1)));
    node.hear_vote(1, world.vote(Notarize, 1, digest(1), member(2)));
    node.hear_vote(1, world.vote(Notarize, 1, digest(2), member(3)));
    node.hear_vote(1, world.vote(Notarize, 1, digest(2), member(1)));
    node.hear_vote(1, world.vote(Notarize, 1, digest(2), member(2)));
    assert_eq!(node.view(), 1);
}

/// C6.6: own votes count: two others and we are a quorum.
#[test]
fn c6_own_votes_count() {
    let world = World::new(4);
    let ranking = world.ranking(1);
    let mut node = Node::busy(&world, ranking[3]);
    let offer = world.offer(&world.genesis, 1, ranking[0]);
    for voter in &ranking[..2] {
        node.hear_vote(1, world.vote(Notarize, 1, offer.digest, *voter));
        node.hear_vote(1, world.vote(Finalize, 1, offer.digest, *voter));
    }
    let seen = node.hear_offer(30, &offer);
    assert_eq!(seen.votes().len(), 2, "Notarize, and with it Finalize: {seen:?}");
    assert_eq!((node.view(), node.floor(), node.tip().hash), (2, 1, offer.place.hash));
}

/// C1, C5: a vote passed on by another member is accepted after its own signature is checked.
#[test]
fn c5_a_vote_passed_on_is_accepted_if_its_own_signature_is_right() {
    let world = World::new(4);
    let mut node = Node::new(&world, member(0));
    for voter in [1, 2, 3].map(member) {
        node.hear_vote_from(1, member(1), world.vote(Nullify, 1, B256::ZERO, voter));
    }
    assert_eq!(node.view(), 2);
}

/// C5: a forged one is not, and does not take the place of the true one.
#[test]
fn c5_a_forged_vote_is_not_accepted_and_keeps_no_true_one_out() {
    let world = World::new(4);
    let mut node = Node::new(&world, member(0));
    let forge = |voter: u16| Vote { member: member(voter), ..world.vote(Nullify, 1, B256::ZERO, member(1)) };
    for voter in [2, 3, 0, 9] {
        node.hear_vote_from(1, member(1), forge(voter));
    }
    assert_eq!(node.view(), 1, "forged votes were counted");
    let mut node = Node::new(&world, member(0));
    node.hear_vote_from(1, member(1), forge(2));
    for voter in [1, 2, 3].map(member) {
        node.hear_vote(1, world.vote(Nullify, 1, B256::ZERO, voter));
    }
    assert_eq!(node.view(), 2, "a forged vote kept the true one out");
}

/// C5: an aggregate is verified once; where it fails the single votes are checked, the bad one is dropped, and
/// the certificate forms from the rest.
#[test]
fn c5_a_bad_signature_in_the_aggregate_is_dropped() {
    let world = World::new(4);
    let good = |voter: u16| world.vote(Notarize, 1, digest(1), member(voter));
    let bad = [world.vote(Notarize, 1, digest(7), member(2)).signature, VoteSignature::ZERO];
    for signature in bad {
        let mut node = Node::new(&world, member(0));
        node.hear_vote(1, good(1));
        node.hear_vote(1, Vote { signature, ..good(2) });
        node.hear_vote(1, good(3));
        assert_eq!(node.view(), 1, "three votes, one bad");
        // The culprit may still vote properly.
        node.hear_vote(1, good(2));
        assert_eq!((node.view(), certificates(&node).len()), (2, 1));
        assert!(world.committee.verify_certificate(certificates(&node)[0]).is_ok());
    }
    let world = World::new(7);
    let mut node = Node::new(&world, member(0));
    for voter in 1..=4 {
        node.hear_vote(1, world.vote(Nullify, 1, B256::ZERO, member(voter)));
    }
    let other = world.vote(Nullify, 2, B256::ZERO, member(5)).signature;
    node.hear_vote(1, Vote { signature: other, ..world.vote(Nullify, 1, B256::ZERO, member(5)) });
    assert_eq!(node.view(), 1);
    node.hear_vote(1, world.vote(Nullify, 1, B256::ZERO, member(6)));
    assert_eq!(node.view(), 2, "five good ones of seven, one bad");
}

/// C5: votes of another epoch, of nobody, or malformed are ignored.
#[test]
fn c5_votes_that_cannot_count_are_ignored() {
    let world = World::new(4);
    let mut node = Node::new(&world, member(0));
    node.wake(0);
    let good = world.vote(Nullify, 1, B256::ZERO, member(1));
    let wrong = [
        Vote { epoch: btn_types::Epoch(1), ..good.clone() },
        Vote { member: member(99), ..good.clone() },
        Vote { digest: digest(1), ..good.clone() },
        Vote { view: btn_types::View(u64::MAX), ..good },
    ];
    for vote in wrong {
        assert!(node.hear_vote(1, vote.clone()).is_silent(), "{vote:?}");
    }
    // Nor do they take the place of true ones.
    for voter in [1, 2, 3].map(member) {
        node.hear_vote(2, world.vote(Nullify, 1, B256::ZERO, voter));
    }
    assert_eq!(node.view(), 2);
}

/// Late votes still count: a Finalize of a view that was left (C6.6, C6.7).
#[test]
fn c6_7_late_finalize_votes_still_count() {
    let world = World::new(4);
    let mut node = Node::new(&world, member(0));
    let offer = world.offer(&world.genesis, 1, world.ranking(1)[0]);
    node.hear_offer(0, &offer);
    node.hear(0, world.notarization(&offer));
    node.hear_all(0, (2..=30).map(|view| world.nullification(view)).collect());
    node.hear_vote(1, world.vote(Finalize, 1, offer.digest, member(1)));
    node.hear_vote(1, world.vote(Finalize, 1, offer.digest, member(2)));
    assert_eq!((node.view(), node.floor(), node.tip().hash), (31, 1, offer.place.hash));
}
