//! Real keys from record to certificate, and every refusal of a record.

use super::*;
use crate::{Committee, Draw, LotteryKeySize, vectors};
use btn_types::genesis::{BaseFeeParameters, ConsensusParameters};
use btn_types::{Bitmap, Epoch, Ticket, View, Vote, VoteKey, VoteKind};
use std::collections::BTreeMap;

fn member_keys() -> MemberKeys {
    MemberKeys {
        lottery: LotteryPrivateKey::generate(LotteryKeySize::Bits2048).unwrap(),
        vote: VotePrivateKey::generate().unwrap(),
    }
}

fn record_of(keys: &MemberKeys, number: u8) -> NodeRecord {
    let payout = Address::with_last_byte(number);
    keys.node_record(B256::with_last_byte(number), vec!["127.0.0.1:1".into()], payout).unwrap()
}

fn genesis(nodes: Vec<NodeRecord>) -> Genesis {
    Genesis {
        chain_id: 20_200_303,
        timestamp_ms: 1,
        gas_limit: 30_000_000,
        base_fee: BaseFeeParameters::DEVNET,
        consensus: ConsensusParameters::DEVNET,
        alloc: BTreeMap::new(),
        nodes,
    }
}

/// Four members in committee order with their genesis.
fn network() -> (Vec<MemberKeys>, Genesis) {
    let mut keys: Vec<_> = (0..4).map(|_| member_keys()).collect();
    let nodes = keys.iter().zip(0..).map(|(keys, number)| record_of(keys, number)).collect();
    keys.sort_by_key(|keys| keys.lottery.public().node_id());
    (keys, genesis(nodes))
}

#[test]
fn real_keys_draw_vote_and_certify() {
    let (keys, genesis) = network();
    genesis.check().unwrap();
    let verifier = CommitteeKeys::from_genesis(&genesis).unwrap();
    let committee = Committee::from_genesis(&genesis, B256::repeat_byte(1), verifier.clone());
    let (epoch, view, draw_seed, kind) = (Epoch(0), View(3), B256::repeat_byte(2), VoteKind::Notarize);
    let digest = B256::repeat_byte(4);
    let mut votes = Vec::new();
    for (member, signer) in committee.indices().zip(&keys) {
        assert_eq!(committee.member(member).unwrap().id, signer.lottery.public().node_id());
        let signature = signer.draw(committee.domain().clerk(epoch, view, draw_seed)).unwrap();
        let ticket = Ticket { epoch, view, draw_seed, member, signature: signature.clone() };
        assert_eq!(committee.verify_ticket(&ticket), Ok(Draw::of(&signature)));
        let other = MemberIndex((member.0 + 1) % 4);
        assert!(committee.verify_ticket(&Ticket { member: other, ..ticket }).is_err());
        let signature = signer.vote(committee.domain().vote(kind, epoch, view, digest));
        votes.push(Vote { kind, epoch, view, digest, member, signature });
        assert!(committee.verify_vote(votes.last().unwrap()));
    }
    let certificate = committee.certify(&[&votes[3], &votes[0], &votes[2]]).unwrap();
    assert_eq!(committee.verify_certificate(&certificate), Ok(()));
    let mut wrong = certificate.clone();
    wrong.bitmap = Bitmap::new(4, [0, 1, 3].map(MemberIndex));
    assert!(committee.verify_certificate(&wrong).is_err());
    wrong = certificate;
    wrong.kind = VoteKind::Finalize;
    assert!(committee.verify_certificate(&wrong).is_err(), "a Notarization is no Finalization");
    // A signer named twice must not count twice, whatever its signature.
    let doubled = verifier.aggregate(&[votes[0].signature, votes[0].signature]).unwrap();
    let message = committee.domain().vote(kind, epoch, view, digest);
    assert!(!verifier.verify_aggregate(&[MemberIndex(0), MemberIndex(0)], message, &doubled));
    assert!(!verifier.verify_aggregate(&[MemberIndex(9)], message, &doubled));
    assert!(!verifier.verify_draw(MemberIndex(4), message, &[]));
    assert!(!verifier.verify_vote(MemberIndex(4), message, &doubled));
}

#[test]
fn every_fault_of_a_record_is_named() {
    let (one, other) = (member_keys(), member_keys());
    let (good, foreign) = (record_of(&one, 1), record_of(&other, 2));
    let node = good.id;
    assert_eq!(check_node_record(&good), Ok(()));
    let refuse = |change: &dyn Fn(&mut NodeRecord)| {
        let mut record = good.clone();
        change(&mut record);
        let error = check_node_record(&record).unwrap_err();
        assert_eq!(CommitteeKeys::from_genesis(&genesis(vec![record])).unwrap_err(), error);
        error
    };
    let id = RegistryError::Id { actual: foreign.id, expected: node };
    assert_eq!(refuse(&|record| record.id = foreign.id), id);
    let possession = RegistryError::Possession { node };
    assert_eq!(refuse(&|record| record.vote_key = foreign.vote_key), possession, "another's vote key");
    assert_eq!(refuse(&|record| record.vote_key_proof = foreign.vote_key_proof), possession);
    // The very key and proof of another node: rogue re-use must fail, since the proof names the node.
    let stolen = |record: &mut NodeRecord| {
        record.vote_key = foreign.vote_key;
        record.vote_key_proof = foreign.vote_key_proof;
    };
    assert_eq!(refuse(&stolen), possession);
    let vote_key = refuse(&|record| record.vote_key = VoteKey::ZERO);
    assert!(matches!(vote_key, RegistryError::VoteKey { .. }), "{vote_key}");
    let proof = refuse(&|record| record.rsa_permutation_proof = foreign.rsa_permutation_proof.clone());
    assert!(
        matches!(
            proof,
            RegistryError::Permutation { source: PermutationError::Root(0), .. }
                | RegistryError::Permutation { source: PermutationError::RootRange(_), .. }
        ),
        "{proof}"
    );
    let none = PermutationError::Roots { actual: 0 };
    let expected = RegistryError::Permutation { node, source: none };
    assert_eq!(refuse(&|record| record.rsa_permutation_proof.clear()), expected);
    let key = refuse(&|record| record.rsa_public_key = Bytes::from_static(&[0x30, 0]));
    assert!(matches!(key, RegistryError::LotteryKey { .. }), "{key}");
}

#[test]
fn the_first_fault_in_committee_order_is_reported() {
    let (_, mut genesis) = network();
    for node in &mut genesis.nodes {
        node.vote_key_proof = VoteSignature::ZERO;
    }
    let first = genesis.committee()[0].id;
    let error = CommitteeKeys::from_genesis(&genesis).unwrap_err();
    assert_eq!(error, RegistryError::Possession { node: first });
}

#[test]
fn vector_key_makes_a_valid_record() {
    let keys = MemberKeys {
        lottery: LotteryPrivateKey::from_pkcs8(&vectors::bytes("/lottery/pkcs8")).unwrap(),
        vote: VotePrivateKey::from_bytes(&vectors::bytes("/votes/private/0")).unwrap(),
    };
    let record = record_of(&keys, 1);
    assert_eq!(record.rsa_permutation_proof, vectors::permutation_roots());
    assert_eq!(record.vote_key_proof.as_slice(), &vectors::bytes("/votes/possession_of_first")[..]);
    assert_eq!(check_node_record(&record), Ok(()));
}
