//! What is refused: certificates, bodies and proposals that are not what they say (C4, C5, C11).

use crate::kit::{CANDIDATE_WAIT, DELTA, Finalize, Node, Notarize, Nullify, World, member};
use btn_types::{B256, Bitmap, Certificate, Epoch, Justification, MemberIndex, ProposalMessage, View};
use std::sync::Arc;

const fn digest(byte: u8) -> B256 {
    B256::repeat_byte(byte)
}

/// The node must not move, write or speak.
fn assert_refused(world: &World, certificate: Certificate, why: &str) {
    let mut node = Node::new(world, member(0));
    node.wake(0);
    let seen = node.hear(1, certificate);
    assert!(seen.is_silent(), "{why}: {seen:?}");
    assert_eq!((node.view(), node.floor()), (1, 0), "{why}");
}

/// C4, C11.6: q distinct members of the committee, no fewer.
#[test]
fn c4_a_certificate_below_the_quorum_is_refused() {
    let world = World::new(4);
    assert_refused(&world, world.certificate_by(Notarize, 1, digest(1), &[1, 2]), "q-1 signers");
    let twice = world.certificate_by(Notarize, 1, digest(1), &[1, 2, 2]);
    assert_refused(&world, twice, "a signer twice");
    let mut claims_more = world.certificate_by(Notarize, 1, digest(1), &[1, 2]);
    claims_more.bitmap = Bitmap::new(4, [member(1), member(2), member(3)]);
    assert_refused(&world, claims_more, "a signer that did not sign");
    let mut node = Node::new(&world, member(0));
    node.hear(1, world.certificate_by(Notarize, 1, digest(1), &[1, 2, 3]));
    assert_eq!(node.view(), 2, "q signers are enough");
}

/// C5: bitmap, epoch, suite and form.
#[test]
fn c5_a_malformed_certificate_is_refused() {
    let world = World::new(4);
    let good = world.certificate(Notarize, 1, digest(1));
    let long = Bitmap::new(12, [1, 2, 3].map(member));
    assert_refused(&world, Certificate { bitmap: long, ..good.clone() }, "a bitmap too long");
    let past = Bitmap::new(8, [1, 2, 3, 6].map(member));
    assert_refused(&world, Certificate { bitmap: past, ..good.clone() }, "a bit past the last member");
    let other = Bitmap::new(4, [0, 1, 2].map(member));
    assert_refused(&world, Certificate { bitmap: other, ..good.clone() }, "other signers");
    assert_refused(&world, Certificate { epoch: Epoch(1), ..good.clone() }, "another epoch");
    assert_refused(&world, Certificate { suite: 2, ..good.clone() }, "another suite");
    assert_refused(&world, Certificate { view: View(2), ..good.clone() }, "another view");
    assert_refused(&world, Certificate { digest: digest(2), ..good }, "another digest");
    let named = Certificate { digest: digest(1), ..world.nullification(1) };
    assert_refused(&world, named, "a nullification that names a digest");
    let aggregate = Certificate { aggregate: btn_types::VoteSignature::ZERO, ..world.nullification(1) };
    assert_refused(&world, aggregate, "no signature");
}

/// C5 ⚠: the kind is inside what is signed: else a Notarize were a valid Finalize.
#[test]
fn c5_the_kind_is_inside_what_is_signed() {
    let world = World::new(4);
    let notarization = world.certificate(Notarize, 1, digest(1));
    assert_refused(&world, Certificate { kind: Finalize, ..notarization.clone() }, "Notarize as Finalize");
    let nullification = Certificate { kind: Nullify, digest: B256::ZERO, ..notarization };
    assert_refused(&world, nullification, "Notarize as Nullify");
    let mut node = Node::new(&world, member(0));
    for voter in [1, 2, 3].map(member) {
        let mut vote = world.vote(Notarize, 1, digest(1), voter);
        vote.kind = Finalize;
        node.hear_vote(1, vote);
    }
    assert_eq!((node.view(), node.floor()), (1, 0));
}

/// A wrong certificate ends the message; what was right and newer counts.
#[test]
fn c5_a_wrong_certificate_spoils_no_right_one() {
    let world = World::new(4);
    let mut node = Node::new(&world, member(0));
    let wrong = Certificate { kind: Finalize, ..world.certificate(Notarize, 2, digest(2)) };
    node.hear_all(1, vec![wrong.clone(), world.nullification(4)]);
    assert_eq!((node.view(), node.floor()), (5, 0));
    node.hear_all(2, vec![wrong]);
    assert_eq!((node.view(), node.floor()), (5, 0));
}

/// C11.2, C11.3: contradicting certificates stop the node, loudly, in whatever order they come, at the floor too.
#[test]
fn c11_contradicting_certificates_halt_loudly() {
    let world = World::new(4);
    let one = |kind| world.certificate(kind, 1, digest(1));
    let two = |kind| world.certificate(kind, 1, digest(2));
    let pairs = [
        (one(Notarize), two(Notarize)),
        (one(Notarize), two(Finalize)),
        (one(Finalize), two(Notarize)),
        (one(Finalize), two(Finalize)),
        (one(Finalize), world.nullification(1)),
        (world.nullification(1), one(Finalize)),
    ];
    for (first, second) in pairs {
        let mut node = Node::new(&world, member(0));
        node.hear(1, first.clone());
        let seen = node.hear(2, second.clone());
        let reason = seen.halt().unwrap_or_else(|| panic!("{first:?} and {second:?}: {seen:?}"));
        assert!(reason.contains("contradicting certificates"), "{reason}");
        assert_eq!(seen.0.len(), 1, "nothing else is done");
        assert!(!node.status().votes);
        assert!(node.wake(10 * DELTA).0.is_empty(), "a halted node stays silent");
    }
}

/// A Notarization and a Nullification of one view do not contradict each other (C6 L2 is about Finalization).
#[test]
fn c6_notarization_and_nullification_may_coexist() {
    let world = World::new(4);
    let mut node = Node::new(&world, member(0));
    node.hear(1, world.nullification(1));
    assert!(node.hear(2, world.certificate(Notarize, 1, digest(1))).halt().is_none());
}

/// A body that is not its own condemns nobody: the true one is taken when it comes, and is fetched if it is voted
/// for.
#[test]
fn c5_a_mangled_body_does_not_block_the_true_one() {
    let world = World::new(4);
    let ranking = world.ranking(1);
    let offer = world.offer(&world.genesis, 1, ranking[0]);
    let mut node = Node::busy(&world, ranking[3]);
    node.tree.mangled.insert(offer.place.hash, 2);
    node.hear_offer(1, &offer);
    node.hear_offer(2, &offer);
    assert!(node.wake(CANDIDATE_WAIT).votes().is_empty());
    node.hear_offer(30, &offer);
    assert_eq!(node.said.iter().map(|vote| vote.digest).collect::<Vec<_>>(), [offer.digest]);

    let mut node = Node::busy(&world, ranking[3]);
    node.tree.mangled.insert(offer.place.hash, 1);
    node.hear_offer(1, &offer);
    node.hear_vote(2, world.vote(Notarize, 1, offer.digest, ranking[1]));
    let asked: Vec<MemberIndex> = node.wake(DELTA).fetches().iter().map(|(to, _)| *to).collect();
    assert_eq!(asked, [ranking[1]]);
}

/// The same clerk's proposal with another envelope or justification under the same header.
fn with_body(
    message: &ProposalMessage,
    world: &World,
    clerk: MemberIndex,
    change: impl FnOnce(&mut btn_types::Block),
) -> Arc<ProposalMessage> {
    let mut block = (*message.block).clone();
    change(&mut block);
    world.sign(clerk, Arc::new(block))
}

/// C5 rule 2: certificates under a header that does not commit to them prove nothing, also where the chain knows
/// the header: else one Byzantine member could make any certificate by itself.
#[test]
fn c5_2_certificates_that_the_header_does_not_commit_to_prove_nothing() {
    let world = World::new(4);
    let (clerk, me) = (world.ranking(1)[0], world.ranking(1)[3]);
    let known = world.offer(&world.genesis, 1, clerk);
    let forged = Justification {
        parent_certificate: None,
        nullifications: vec![Certificate { view: View(30), ..world.nullification(1) }],
    };
    let mut node = Node::busy(&world, me);
    node.tree.import(known.place);
    let message = with_body(&known.message, &world, clerk, |block| block.justification = forged.clone());
    let seen = node.hear_message(1, &message);
    assert!(seen.journaled().is_empty(), "{seen:?}");
    assert_eq!(node.view(), 1);
    // Nor may a known block stand for a proposal of another view, whatever ticket the envelope claims.
    let other = world.ranking(1)[1];
    let other_id = world.committee.member(other).map(|member| member.id);
    let message = with_body(&known.message, &world, other, |block| {
        block.envelope.clerk = other_id.expect("a member");
        block.envelope.view = View(2);
        block.justification = forged;
    });
    node.hear(2, world.nullification(1));
    node.hear_message(3, &message);
    node.wake(3 + 3 * DELTA);
    let named = world.committee.proposal_digest(&message.proposal);
    assert!(node.said.iter().all(|vote| vote.digest != named), "an old block notarized in another view");
}

/// C5 rule 1: a proposal counts only with its clerk's signature, its own clerk's envelope, and in its epoch.
#[test]
fn c5_1_a_proposal_that_is_not_its_clerks_is_ignored() {
    let world = World::new(4);
    let ranking = world.ranking(1);
    let offer = world.offer(&world.genesis, 1, ranking[0]);
    let good = &*offer.message;
    let change = |change: &dyn Fn(&mut ProposalMessage)| {
        let mut message = good.clone();
        change(&mut message);
        Arc::new(message)
    };
    let wrong = [
        change(&|message| {
            message.proposal.signature = world.vote(Notarize, 1, offer.digest, ranking[0]).signature
        }),
        change(&|message| message.proposal.clerk = ranking[1]),
        change(&|message| message.proposal.clerk = member(77)),
        change(&|message| message.proposal.epoch = Epoch(1)),
        change(&|message| message.proposal.view = View(2)),
        change(&|message| message.proposal.parent_view = View(1)),
        change(&|message| message.proposal.block_hash = digest(9)),
        change(&|message| message.proposal.clerk_signature = world.ticket(1, ranking[1]).signature),
        world.sign(ranking[1], Arc::clone(&good.block)),
    ];
    let mut node = Node::busy(&world, ranking[3]);
    for message in &wrong {
        let seen = node.hear_message(1, message);
        assert!(seen.is_silent(), "{message:?}: {seen:?}");
    }
    assert!(node.wake(CANDIDATE_WAIT).votes().is_empty());
    node.hear_message(30, &offer.message);
    assert_eq!(node.said.len(), 1, "the true one still counts");
}

/// A proposal far ahead of our view is not kept: a bound on what one clerk can make us hold.
#[test]
fn proposals_beyond_the_view_horizon_are_not_kept() {
    let world = World::new(4);
    let mut node = Node::busy(&world, world.ranking(1)[3]);
    let horizon = btn_types::limits::VIEW_HORIZON;
    let far = world.offer(&world.genesis, 2 + horizon, member(1));
    node.hear_offer(1, &far);
    assert_eq!(node.view(), 1, "not even its certificates are looked at");
    let near = world.offer(&world.genesis, 1 + horizon, member(1));
    node.hear_offer(1, &near);
    assert_eq!(node.view(), 1 + horizon);
}
