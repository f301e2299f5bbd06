//! The stand-ins keep the promises that simulations rely on.

use super::*;
use btn_crypto::{Committee, Draw, SealVerifier, Supervisors};
use btn_types::genesis::ConsensusParameters;
use btn_types::{Epoch, Seal, View, Vote, VoteKind};
use std::collections::BTreeMap;
use std::sync::Arc;

const SEED: u64 = 7;

fn message(number: u8) -> B256 {
    B256::repeat_byte(number)
}

fn signer(member: u16) -> StandInSigner {
    StandInKeys::signer(SEED, MemberIndex(member))
}

#[test]
fn draw_binds_member_message_and_seed() {
    let verifier = StandInVerifier::new(SEED, 4);
    let signature = signer(1).draw(message(1)).unwrap();
    assert_eq!(signature.len(), DRAW_SIGNATURE_BYTES);
    assert_eq!(signature, signer(1).draw(message(1)).unwrap(), "deterministic");
    assert!(verifier.verify_draw(MemberIndex(1), message(1), &signature));
    assert!(!verifier.verify_draw(MemberIndex(2), message(1), &signature), "another member");
    assert!(!verifier.verify_draw(MemberIndex(1), message(2), &signature), "another message");
    assert!(!verifier.verify_draw(MemberIndex(4), message(1), &signature), "no member");
    assert!(!StandInVerifier::new(8, 4).verify_draw(MemberIndex(1), message(1), &signature), "another seed");
    assert!(!verifier.verify_draw(MemberIndex(1), message(1), &signature[..255]), "too short");
}

#[test]
fn draws_spread() {
    let zeros = (0..64).filter(|&m| Draw::of(&signer(0).draw(message(m)).unwrap()).zeros() == 0).count();
    assert!((20..=44).contains(&zeros), "{zeros} of 64 draws without a leading zero");
}

#[test]
fn aggregate_verifies_only_with_its_signers() {
    let verifier = StandInVerifier::new(SEED, 4);
    let votes: Vec<_> = (0..3).map(|m| signer(m).vote(message(1))).collect();
    let aggregate = verifier.aggregate(&votes).unwrap();
    let members = |list: &[u16]| list.iter().copied().map(MemberIndex).collect::<Vec<_>>();
    assert!(verifier.verify_aggregate(&members(&[0, 1, 2]), message(1), &aggregate));
    for wrong in [&[0, 1][..], &[0, 1, 3], &[0, 1, 2, 3], &[], &[0, 0, 1, 2], &[0, 1, 9]] {
        assert!(!verifier.verify_aggregate(&members(wrong), message(1), &aggregate), "{wrong:?}");
    }
    assert!(!verifier.verify_aggregate(&members(&[0, 1, 2]), message(2), &aggregate), "another message");
    assert!(!verifier.verify_aggregate(&[], message(1), &VoteSignature::ZERO), "nobody signs nothing");
    assert_eq!(verifier.aggregate(&[]), None);
    assert_eq!(verifier.aggregate(&[votes[0], VoteSignature::ZERO]), None);
}

#[test]
fn genesis_gives_a_working_committee() {
    for members in [1, 4, 7, 150] {
        let genesis = stand_in_genesis(members, ConsensusParameters::DEVNET, BTreeMap::new());
        genesis.check().unwrap();
        let order: Vec<_> = genesis.committee().iter().map(|node| node.id).collect();
        assert_eq!(order, genesis.nodes.iter().map(|node| node.id).collect::<Vec<_>>());
        let verifier = Arc::new(StandInVerifier::new(SEED, members));
        let committee = Committee::from_genesis(&genesis, B256::repeat_byte(9), verifier);
        let votes: Vec<_> = committee
            .indices()
            .take(committee.quorum())
            .map(|member| {
                let (epoch, view, digest, kind) =
                    (Epoch(0), View(1), B256::repeat_byte(3), VoteKind::Notarize);
                let signature = signer(member.0).vote(committee.domain().vote(kind, epoch, view, digest));
                Vote { kind, epoch, view, digest, member, signature }
            })
            .collect();
        let certificate = committee.certify(&votes.iter().collect::<Vec<_>>()).unwrap();
        assert_eq!(committee.verify_certificate(&certificate), Ok(()));
    }
}

#[test]
fn seals_bind_supervisor_core_block_and_seed() {
    let genesis = stand_in_genesis_with_supervisors(4, 5, ConsensusParameters::DEVNET, BTreeMap::new());
    genesis.check().unwrap();
    let order: Vec<_> = genesis.sealing().iter().map(|supervisor| supervisor.id).collect();
    assert_eq!(order, genesis.supervisors.iter().map(|supervisor| supervisor.id).collect::<Vec<_>>());
    let with = |seed| {
        let verifier = Arc::new(StandInSealVerifier::new(seed, 5));
        Supervisors::from_genesis(&genesis, B256::repeat_byte(9), verifier)
    };
    let supervisors = with(SEED);
    for (place, &id) in supervisors.ids().iter().enumerate() {
        let signer = StandInKeys::seal_signer(SEED, place);
        let make = |core| supervisors.seal(id, &signer, core, message(3)).unwrap().unwrap();
        let seal = make(message(2));
        assert_eq!(supervisors.verify(&seal), Ok(()));
        assert_eq!(seal.draw_signature.len(), DRAW_SIGNATURE_BYTES);
        assert_eq!(make(message(2)), seal, "deterministic");
        assert_ne!(make(message(4)).draw_signature, seal.draw_signature, "another core");
        let other = supervisors.ids()[(place + 1) % 5];
        assert!(supervisors.verify(&Seal { supervisor: other, ..seal.clone() }).is_err());
        assert!(supervisors.verify(&Seal { block_hash: message(4), ..seal.clone() }).is_err());
        assert!(supervisors.verify(&Seal { signature: seal.signature.slice(1..), ..seal.clone() }).is_err());
        assert!(with(8).verify(&seal).is_err(), "another seed");
    }
    assert!(!StandInSealVerifier::new(SEED, 5).verify(5, message(1), &[]), "no sixth supervisor");
}

#[test]
fn nobody_supervises_unless_asked_to() {
    let without = stand_in_genesis(4, ConsensusParameters::DEVNET, BTreeMap::new());
    let with = stand_in_genesis_with_supervisors(4, 16, ConsensusParameters::DEVNET, BTreeMap::new());
    assert!(without.supervisors.is_empty());
    assert_eq!((with.supervisors.len(), &with.nodes), (16, &without.nodes));
}
