//! Golden vectors of every tag, computed by a program that shares no code with this crate.

use super::*;
use crate::vectors;
use alloy_primitives::Bytes;
use btn_types::{Bitmap, Certificate, MemberIndex, VoteSignature};

const EPOCH: Epoch = Epoch(1);
const VIEW: View = View(6);
const PARENT_VIEW: View = View(4);

fn word(byte: u8) -> B256 {
    B256::repeat_byte(byte)
}

fn envelope() -> Envelope {
    Envelope {
        epoch: EPOCH,
        view: VIEW,
        parent_view: PARENT_VIEW,
        clerk: NodeId(word(0x44)),
        clerk_signature: Bytes::from(vec![0x66; 256]),
        timestamp_ms: 1_700_000_000_123,
        seal_root: word(0x55),
        supervisors_root: word(0xaa),
        supervisors: 0x1234,
    }
}

fn certificate(kind: VoteKind, view: View, digest: B256) -> Certificate {
    let bitmap = Bitmap::new(4, (0..4).map(MemberIndex));
    let aggregate = VoteSignature::repeat_byte(0xaa);
    Certificate { suite: 1, kind, epoch: EPOCH, view, digest, bitmap, aggregate }
}

#[test]
fn every_digest_matches_its_vector() {
    let domain = Domain::new(word(0x11));
    let (seed, clerk, signature) = (word(0x22), NodeId(word(0x44)), [0x66; 256]);
    let proposal = domain.proposal(EPOCH, VIEW, PARENT_VIEW, word(0x33));
    let justification = Justification {
        parent_certificate: Some(certificate(VoteKind::Notarize, PARENT_VIEW, word(0x33))),
        nullifications: vec![certificate(VoteKind::Nullify, View(5), B256::ZERO)],
    };
    let vote = |kind| domain.vote(kind, EPOCH, VIEW, proposal);
    let digests = [
        ("clerk", domain.clerk(EPOCH, VIEW, seed)),
        ("genesis_seed", domain.genesis_seed()),
        ("seed", domain.seed(seed, &signature)),
        ("core", domain.core(EPOCH, VIEW, Height(9), seed, clerk, &signature)),
        ("seal", domain.seal(word(0xbb))),
        ("seal_signature", domain.seal_signature(word(0xbb), word(0x33))),
        ("proposal", proposal),
        ("notarize", vote(VoteKind::Notarize)),
        ("nullify", vote(VoteKind::Nullify)),
        ("finalize", vote(VoteKind::Finalize)),
        ("envelope_bare", domain.envelope(&envelope(), &Justification::default())),
        ("envelope_justified", domain.envelope(&envelope(), &justification)),
        ("submit", domain.submit(EPOCH, &[0x77; 20], clerk)),
        ("proof_of_possession", Domain::proof_of_possession(clerk, &[0x88; 48])),
        ("enrolment", Domain::enrolment(&[0x99; 294], 3)),
    ];
    for (name, digest) in digests {
        assert_eq!(digest.as_slice(), &vectors::bytes(&format!("/domain/{name}"))[..], "{name}");
    }
}

#[test]
fn every_field_and_the_chain_count() {
    let domain = Domain::new(word(0x11));
    let original = domain.envelope(&envelope(), &Justification::default());
    let changes: [fn(&mut Envelope); 9] = [
        |envelope| envelope.epoch = Epoch(2),
        |envelope| envelope.view = View(7),
        |envelope| envelope.parent_view = View(3),
        |envelope| envelope.clerk = NodeId(word(0x45)),
        |envelope| envelope.clerk_signature = Bytes::from(vec![0x66; 255]),
        |envelope| envelope.timestamp_ms += 1,
        |envelope| envelope.seal_root = word(0x56),
        |envelope| envelope.supervisors_root = word(0xab),
        |envelope| envelope.supervisors += 1,
    ];
    for (position, change) in changes.iter().enumerate() {
        let mut changed = envelope();
        change(&mut changed);
        assert_ne!(domain.envelope(&changed, &Justification::default()), original, "change {position}");
    }
    let stripped = Justification {
        parent_certificate: None,
        nullifications: vec![certificate(VoteKind::Nullify, View(5), B256::ZERO)],
    };
    assert_ne!(domain.envelope(&envelope(), &stripped), original, "a nullification more");
    let other = Domain::new(word(0x12));
    assert_ne!(other.envelope(&envelope(), &Justification::default()), original, "another chain");
    assert_ne!(other.genesis_seed(), domain.genesis_seed());
}

#[test]
fn the_kind_of_a_vote_is_signed() {
    let domain = Domain::new(word(0x11));
    let vote = |kind| domain.vote(kind, EPOCH, VIEW, B256::ZERO);
    assert_ne!(vote(VoteKind::Notarize), vote(VoteKind::Finalize));
    assert_ne!(vote(VoteKind::Notarize), vote(VoteKind::Nullify));
}
