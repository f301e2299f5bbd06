//! The formulas of C4 over all sizes, tickets at the bar, and every refusal of a certificate.

use super::*;
use btn_types::genesis::{BaseFeeParameters, ConsensusParameters, Level, NodeRecord};
use btn_types::{Bitmap, Bytes, VoteKey, VoteKind, VoteSignature};
use std::collections::BTreeMap;

/// Signatures that anyone can make: the hash of purpose, member and message.
struct Hashes;

fn draw_signature(member: MemberIndex, message: B256) -> B256 {
    sha256(&[b"draw", &member.0.to_be_bytes()[..], message.as_slice()].concat())
}

fn vote_signature(member: MemberIndex, message: B256) -> VoteSignature {
    let half = sha256(&[b"vote", &member.0.to_be_bytes()[..], message.as_slice()].concat());
    VoteSignature::left_padding_from(half.as_slice())
}

impl Verifier for Hashes {
    fn verify_draw(&self, member: MemberIndex, message: B256, signature: &[u8]) -> bool {
        draw_signature(member, message).as_slice() == signature
    }
    fn verify_vote(&self, member: MemberIndex, message: B256, signature: &VoteSignature) -> bool {
        vote_signature(member, message) == *signature
    }
    fn aggregate(&self, signatures: &[VoteSignature]) -> Option<VoteSignature> {
        signatures.iter().copied().reduce(|sum, signature| sum ^ signature)
    }
    fn verify_aggregate(&self, signers: &[MemberIndex], message: B256, aggregate: &VoteSignature) -> bool {
        let votes: Vec<_> = signers.iter().map(|&signer| vote_signature(signer, message)).collect();
        self.aggregate(&votes) == Some(*aggregate)
    }
}

fn record(number: u64) -> NodeRecord {
    let key = Bytes::copy_from_slice(&number.to_be_bytes());
    NodeRecord {
        id: NodeId(sha256(&key)),
        level: Level::Master,
        rsa_public_key: key,
        rsa_permutation_proof: Vec::new(),
        network_key: B256::ZERO,
        addresses: Vec::new(),
        supervisor_addresses: Vec::new(),
        payout: Address::with_last_byte(number as u8),
        vote_key: VoteKey::ZERO,
        vote_key_proof: VoteSignature::ZERO,
    }
}

fn committee(members: u64) -> Committee {
    let genesis = Genesis {
        chain_id: 1,
        timestamp_ms: 0,
        gas_limit: 30_000_000,
        base_fee: BaseFeeParameters::DEVNET,
        consensus: ConsensusParameters::DEVNET,
        alloc: BTreeMap::new(),
        nodes: (0..members).map(record).collect(),
        supervisors: Vec::new(),
    };
    Committee::from_genesis(&genesis, B256::repeat_byte(1), Arc::new(Hashes))
}

#[test]
fn quorum_and_faults_for_every_size() {
    for n in 1..=150usize {
        let committee = committee(n as u64);
        let (q, f) = (committee.quorum(), committee.max_faulty());
        // C1, C4: the least q above two thirds, the greatest f below one third.
        assert!(3 * q > 2 * n && 3 * (q - 1) <= 2 * n, "n = {n}: q = {q}");
        assert!(3 * f < n && 3 * (f + 1) >= n, "n = {n}: f = {f}");
        assert!(2 * q - n > f, "n = {n}: two quorums share an honest member");
        assert!(n - f >= q, "n = {n}: the honest alone make a quorum");
        assert_eq!(committee.size(), n);
    }
    let table =
        [(1, 1, 0), (2, 2, 0), (3, 3, 0), (4, 3, 1), (7, 5, 2), (31, 21, 10), (100, 67, 33), (150, 101, 49)];
    for (n, q, f) in table {
        assert_eq!((committee(n).quorum(), committee(n).max_faulty()), (q, f), "n = {n}");
    }
}

#[test]
fn clerk_bar_for_every_size() {
    for n in 1..=150u64 {
        let bar = committee(n).clerk_bar();
        let expected = match n {
            ..16 => 0,
            16..32 => 1,
            32..64 => 2,
            64..128 => 3,
            _ => 4,
        };
        assert_eq!(bar, expected, "n = {n}");
        assert!(n < 8 || (8..16).contains(&(n >> bar)), "n = {n}: 8 to 16 expected clerks");
    }
}

#[test]
fn members_stand_ascending_by_id() {
    let committee = committee(20);
    assert!(committee.members().windows(2).all(|pair| pair[0].id < pair[1].id));
    for index in committee.indices() {
        assert_eq!(committee.index_of(committee.member(index).unwrap().id), Some(index));
    }
    assert_eq!(committee.indices().count(), 20);
    assert_eq!(committee.index_of(NodeId(B256::ZERO)), None);
    assert_eq!(committee.member(MemberIndex(20)), None);
}

#[test]
fn more_zeros_rank_first_then_the_smaller_digest() {
    let draw = |first: u8, last: u8| {
        let mut digest = [0xff; 32];
        (digest[0], digest[31]) = (first, last);
        Draw(B256::new(digest))
    };
    let mut draws = [draw(0x80, 0), draw(0x01, 9), draw(0x00, 9), draw(0x01, 3), draw(0xff, 0)];
    draws.sort();
    assert_eq!(draws, [draw(0x00, 9), draw(0x01, 3), draw(0x01, 9), draw(0x80, 0), draw(0xff, 0)]);
    assert!(draws.windows(2).all(|pair| pair[0].zeros() >= pair[1].zeros()));
    assert_eq!(Draw(B256::ZERO).zeros(), 256);
}

const SEED: B256 = B256::repeat_byte(7);

fn ticket(committee: &Committee, member: MemberIndex, view: View) -> Ticket {
    let message = committee.domain().clerk(committee.epoch(), view, SEED);
    let signature = Bytes::copy_from_slice(draw_signature(member, message).as_slice());
    Ticket { epoch: committee.epoch(), view, draw_seed: SEED, member, signature }
}

#[test]
fn a_ticket_at_the_bar_passes_and_one_zero_less_does_not() {
    // zeros ≥ bar.
    for n in [16, 32, 150] {
        let committee = committee(n);
        let bar = committee.clerk_bar();
        let with_zeros = |zeros| {
            let views = (1..).map(|view| ticket(&committee, MemberIndex(3), View(view)));
            views.into_iter().find(|ticket| Draw::of(&ticket.signature).zeros() == zeros).unwrap()
        };
        for zeros in [bar, bar + 1] {
            let draw = committee.verify_ticket(&with_zeros(zeros)).unwrap();
            assert_eq!(draw.zeros(), zeros);
        }
        let refused = committee.verify_ticket(&with_zeros(bar - 1));
        assert_eq!(refused, Err(TicketError::Bar { actual: bar - 1, expected: bar }), "n = {n}");
    }
}

#[test]
fn forged_and_foreign_tickets_are_refused() {
    let committee = committee(7);
    let good = ticket(&committee, MemberIndex(3), View(5));
    assert_eq!(committee.verify_ticket(&good), Ok(Draw::of(&good.signature)));
    let refuse = |change: &dyn Fn(&mut Ticket)| {
        let mut ticket = good.clone();
        change(&mut ticket);
        committee.verify_ticket(&ticket).unwrap_err()
    };
    let signature = TicketError::Signature { member: MemberIndex(3) };
    assert_eq!(refuse(&|ticket| ticket.view = View(6)), signature);
    assert_eq!(refuse(&|ticket| ticket.draw_seed = B256::ZERO), signature);
    assert_eq!(refuse(&|ticket| ticket.signature = Bytes::new()), signature);
    let other = TicketError::Signature { member: MemberIndex(2) };
    assert_eq!(refuse(&|ticket| ticket.member = MemberIndex(2)), other, "another member's ticket");
    let stranger = TicketError::NotMember { member: MemberIndex(7), members: 7 };
    assert_eq!(refuse(&|ticket| ticket.member = MemberIndex(7)), stranger);
    let epoch = TicketError::Epoch { actual: Epoch(1), expected: Epoch(0) };
    assert_eq!(refuse(&|ticket| ticket.epoch = Epoch(1)), epoch);
}

fn proposal(committee: &Committee) -> Proposal {
    let (clerk, view) = (MemberIndex(2), View(5));
    let mut proposal = Proposal {
        epoch: Epoch(0),
        view,
        parent_view: View(4),
        block_hash: B256::repeat_byte(9),
        clerk,
        clerk_signature: ticket(committee, clerk, view).signature,
        signature: VoteSignature::ZERO,
    };
    proposal.signature = vote_signature(clerk, committee.proposal_digest(&proposal));
    proposal
}

#[test]
fn proposals_are_checked_for_ticket_and_signature() {
    let committee = committee(7);
    let good = proposal(&committee);
    assert_eq!(committee.verify_proposal(&good, SEED), Ok(Draw::of(&good.clerk_signature)));
    let other_seed = committee.verify_proposal(&good, B256::ZERO);
    assert_eq!(other_seed, Err(TicketError::Signature { member: MemberIndex(2) }.into()));
    let changes: [fn(&mut Proposal); 2] =
        [|proposal| proposal.block_hash = B256::ZERO, |proposal| proposal.parent_view = View(3)];
    for change in changes {
        let mut proposal = good.clone();
        change(&mut proposal);
        assert_eq!(committee.verify_proposal(&proposal, SEED), Err(ProposalError::Signature(MemberIndex(2))));
    }
    let mut foreign = good.clone();
    foreign.epoch = Epoch(3);
    let epoch = TicketError::Epoch { actual: Epoch(3), expected: Epoch(0) };
    assert_eq!(committee.verify_proposal(&foreign, SEED), Err(epoch.into()));
    foreign = Proposal { clerk: MemberIndex(7), ..good };
    assert!(!committee.verify_proposal_signature(&foreign));
}

fn votes(committee: &Committee, kind: VoteKind, count: usize) -> Vec<Vote> {
    let digest = if kind == VoteKind::Nullify { B256::ZERO } else { B256::repeat_byte(3) };
    let (epoch, view) = (committee.epoch(), View(5));
    let message = committee.domain().vote(kind, epoch, view, digest);
    let make = |member| {
        let signature = vote_signature(member, message);
        Vote { kind, epoch, view, digest, member, signature }
    };
    committee.indices().take(count).map(make).collect()
}

fn certificate(committee: &Committee, kind: VoteKind, count: usize) -> Certificate {
    committee.certify(&votes(committee, kind, count).iter().collect::<Vec<_>>()).unwrap()
}

#[test]
fn votes_bind_member_kind_view_and_digest() {
    let committee = committee(4);
    let good = votes(&committee, VoteKind::Notarize, 1).remove(0);
    assert!(committee.verify_vote(&good));
    let changes: [fn(&mut Vote); 6] = [
        |vote| vote.kind = VoteKind::Finalize,
        |vote| vote.epoch = Epoch(1),
        |vote| vote.view = View(6),
        |vote| vote.digest = B256::ZERO,
        |vote| vote.member = MemberIndex(1),
        |vote| vote.member = MemberIndex(4),
    ];
    for (position, change) in changes.iter().enumerate() {
        let mut vote = good.clone();
        change(&mut vote);
        assert!(!committee.verify_vote(&vote), "change {position}");
    }
}

#[test]
fn a_certificate_forms_at_the_quorum_and_not_one_vote_earlier() {
    // R-045, C11.6.
    for n in [1, 4, 7, 100, 150] {
        let committee = committee(n);
        let q = committee.quorum();
        for kind in [VoteKind::Notarize, VoteKind::Nullify, VoteKind::Finalize] {
            for count in [q, n as usize] {
                assert_eq!(committee.verify_certificate(&certificate(&committee, kind, count)), Ok(()));
            }
            if q > 1 {
                let short = committee.verify_certificate(&certificate(&committee, kind, q - 1));
                assert_eq!(short, Err(CertificateError::Quorum { actual: q - 1, expected: q }), "n = {n}");
            }
        }
    }
    assert_eq!(committee(4).certify(&[]), None);
}

#[test]
fn every_fault_of_a_certificate_is_named() {
    let committee = committee(7);
    let good = certificate(&committee, VoteKind::Notarize, 5);
    let refuse = |change: &dyn Fn(&mut Certificate)| {
        let mut certificate = good.clone();
        change(&mut certificate);
        committee.verify_certificate(&certificate).unwrap_err()
    };
    let suite = CertificateError::Suite { actual: 2, expected: SUITE_BLS12_381 };
    assert_eq!(refuse(&|certificate| certificate.suite = 2), suite);
    let epoch = CertificateError::Epoch { actual: Epoch(1), expected: Epoch(0) };
    assert_eq!(refuse(&|certificate| certificate.epoch = Epoch(1)), epoch);
    let length = CertificateError::Bitmap(BitmapError::Length { actual: 2, expected: 1, members: 7 });
    let longer = Bitmap::new(9, (0..5).map(MemberIndex));
    assert_eq!(refuse(&|certificate| certificate.bitmap = longer.clone()), length);
    let outside = CertificateError::Bitmap(BitmapError::OutOfCommittee { members: 7 });
    let eighth = Bitmap::new(8, [0, 1, 2, 3, 7].map(MemberIndex));
    assert_eq!(refuse(&|certificate| certificate.bitmap = eighth.clone()), outside);
    assert_eq!(refuse(&|certificate| certificate.kind = VoteKind::Nullify), CertificateError::Digest);
    let signature_faults: [&dyn Fn(&mut Certificate); 6] = [
        &|certificate| certificate.kind = VoteKind::Finalize,
        &|certificate| certificate.view = View(6),
        &|certificate| certificate.digest = B256::ZERO,
        &|certificate| certificate.bitmap = Bitmap::new(7, (1..6).map(MemberIndex)),
        &|certificate| certificate.bitmap = Bitmap::new(7, (0..6).map(MemberIndex)),
        &|certificate| certificate.aggregate = VoteSignature::ZERO,
    ];
    for (position, change) in signature_faults.iter().enumerate() {
        assert_eq!(refuse(change), CertificateError::Signature, "fault {position}");
    }
    // Another network with the same members.
    let elsewhere = Committee { domain: Domain::new(B256::repeat_byte(2)), ..committee.clone() };
    assert_eq!(elsewhere.verify_certificate(&good), Err(CertificateError::Signature));
}
