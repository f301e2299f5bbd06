//! Real keys from record to certificate, and every refusal of a record.

use super::*;
use crate::{Committee, Draw, LotteryKeySize, SealError, Supervisors, vectors};
use btn_types::genesis::{BaseFeeParameters, ConsensusParameters};
use btn_types::{Bitmap, Epoch, Seal, Ticket, View, Vote, VoteKey, VoteKind};
use std::collections::BTreeMap;

fn member_keys() -> MemberKeys {
    MemberKeys {
        lottery: LotteryPrivateKey::generate(LotteryKeySize::Bits2048).unwrap(),
        vote: VotePrivateKey::generate().unwrap(),
    }
}

fn record_of(keys: &MemberKeys, number: u8) -> NodeRecord {
    let payout = Address::with_last_byte(number);
    let (addresses, supervisor_addresses) = (vec!["127.0.0.1:1".into()], vec!["127.0.0.1:2".into()]);
    keys.node_record(B256::with_last_byte(number), addresses, supervisor_addresses, payout).unwrap()
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
        supervisors: Vec::new(),
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

/// Three supervisors in the order of their places: the vector key and two new ones, of both sizes.
fn supervised() -> (Vec<SupervisorKeys>, Genesis) {
    let mut keys: Vec<_> = [
        LotteryPrivateKey::from_pkcs8(&vectors::bytes("/lottery/pkcs8")).unwrap(),
        LotteryPrivateKey::generate(LotteryKeySize::Bits2048).unwrap(),
        LotteryPrivateKey::generate(LotteryKeySize::Bits3072).unwrap(),
    ]
    .into_iter()
    .map(|lottery| SupervisorKeys { lottery })
    .collect();
    let records = keys.iter().zip(0..).map(|(keys, number)| supervisor_record(keys, number)).collect();
    keys.sort_by_key(|keys| keys.lottery.public().node_id());
    (keys, Genesis { supervisors: records, ..genesis(Vec::new()) })
}

fn supervisor_record(keys: &SupervisorKeys, number: u8) -> SupervisorRecord {
    keys.record(B256::with_last_byte(number), Address::with_last_byte(number)).unwrap()
}

const CORE: B256 = B256::repeat_byte(0xbb);
const BLOCK: B256 = B256::repeat_byte(0x33);

#[test]
fn real_keys_seal() {
    let (keys, genesis) = supervised();
    let verifier = SupervisorPublicKeys::from_genesis(&genesis).unwrap();
    let supervisors = Supervisors::from_genesis(&genesis, B256::repeat_byte(0x11), verifier.clone());
    for (keys, &id) in keys.iter().zip(supervisors.ids()) {
        assert_eq!(keys.lottery.public().node_id(), id);
        let seal = supervisors.seal(id, keys, CORE, BLOCK).unwrap().unwrap();
        assert_eq!(supervisors.verify(&seal), Ok(()));
        assert_eq!(supervisors.seal(id, keys, CORE, BLOCK).unwrap(), Some(seal), "deterministic");
    }
    assert!(!verifier.verify(3, CORE, &[]), "no fourth supervisor");
}

/// The seal of the Python generator, byte for byte.
#[test]
fn the_vector_key_makes_the_vector_seal() {
    let (keys, genesis) = supervised();
    let verifier = SupervisorPublicKeys::from_genesis(&genesis).unwrap();
    let supervisors = Supervisors::from_genesis(&genesis, B256::repeat_byte(0x11), verifier);
    let id = NodeId(B256::from_slice(&vectors::bytes("/lottery/node_id")));
    let keys = &keys[supervisors.place_of(id).unwrap()];
    let seal = supervisors.seal(id, keys, CORE, BLOCK).unwrap().unwrap();
    assert_eq!(btn_types::encode(&seal), vectors::bytes("/seal/encoding").to_vec());
}

#[test]
fn forged_seals_of_real_keys_are_refused() {
    let (keys, genesis) = supervised();
    let verifier = SupervisorPublicKeys::from_genesis(&genesis).unwrap();
    let supervisors = Supervisors::from_genesis(&genesis, B256::repeat_byte(0x11), verifier);
    for (place, keys) in keys.iter().enumerate() {
        let id = supervisors.ids()[place];
        let good = supervisors.seal(id, keys, CORE, BLOCK).unwrap().unwrap();
        let refuse = |change: &dyn Fn(&mut Seal)| {
            let mut seal = good.clone();
            change(&mut seal);
            supervisors.verify(&seal).unwrap_err()
        };
        let swap = |seal: &mut Seal| std::mem::swap(&mut seal.draw_signature, &mut seal.signature);
        assert_eq!(refuse(&swap), SealError::Draw(id));
        assert_eq!(refuse(&|seal| seal.core = BLOCK), SealError::Draw(id), "another core");
        assert_eq!(refuse(&|seal| seal.block_hash = CORE), SealError::Signature(id), "another block");
        let other = supervisors.ids()[(place + 1) % 3];
        assert_eq!(refuse(&|seal| seal.supervisor = other), SealError::Draw(other), "another supervisor");
        type Forge = fn(&[u8]) -> Vec<u8>;
        let forgeries: [(&str, Forge); 7] = [
            ("nothing", |_| Vec::new()),
            ("a byte short at its front", |signature| signature[1..].to_vec()),
            ("a byte short at its end", |signature| signature[..signature.len() - 1].to_vec()),
            ("a leading zero", |signature| [&[0], signature].concat()),
            ("a zero at its end", |signature| [signature, &[0]].concat()),
            ("all ones, above the modulus", |signature| vec![0xff; signature.len()]),
            ("a bit changed", |signature| [&[signature[0] ^ 1], &signature[1..]].concat()),
        ];
        for (what, forge) in forgeries {
            let draw = |seal: &mut Seal| seal.draw_signature = forge(&seal.draw_signature).into();
            assert_eq!(refuse(&draw), SealError::Draw(id), "{what}");
            let word = |seal: &mut Seal| seal.signature = forge(&seal.signature).into();
            assert_eq!(refuse(&word), SealError::Signature(id), "{what}");
        }
    }
}

/// s + n has the right length where s < 2^2048 − n, and would be a second draw of the same supervisor.
#[test]
fn a_seal_signature_above_the_modulus_is_refused() {
    use crypto_bigint::BoxedUint;
    let (keys, genesis) = supervised();
    let verifier = SupervisorPublicKeys::from_genesis(&genesis).unwrap();
    let supervisors = Supervisors::from_genesis(&genesis, B256::repeat_byte(0x11), verifier);
    let id = NodeId(B256::from_slice(&vectors::bytes("/lottery/node_id")));
    let keys = &keys[supervisors.place_of(id).unwrap()];
    let modulus = BoxedUint::from_be_slice_vartime(keys.lottery.public().modulus());
    let above = |signature: &[u8]| {
        let (sum, carry) = BoxedUint::from_be_slice_vartime(signature).overflowing_add(&modulus);
        (!bool::from(carry)).then(|| Bytes::copy_from_slice(&sum.to_be_bytes()))
    };
    let (seal, draw) = (0u64..64)
        .find_map(|number| {
            let core = btn_types::sha256(&number.to_be_bytes());
            let seal = supervisors.seal(id, keys, core, BLOCK).unwrap()?;
            let draw = above(&seal.draw_signature)?;
            Some((seal, draw))
        })
        .unwrap();
    assert_eq!(supervisors.verify(&seal), Ok(()));
    assert_ne!(Draw::of(&draw), Draw::of(&seal.draw_signature), "another ticket");
    let forged = Seal { draw_signature: draw, ..seal };
    assert_eq!(supervisors.verify(&forged), Err(SealError::Draw(id)));
}

#[test]
fn every_fault_of_a_supervisors_record_is_named() {
    let key = || SupervisorKeys { lottery: LotteryPrivateKey::generate(LotteryKeySize::Bits2048).unwrap() };
    let (good, foreign) = (supervisor_record(&key(), 1), supervisor_record(&key(), 2));
    let node = good.id;
    assert_eq!(check_supervisor_record(&good), Ok(()));
    let with = |record| Genesis { supervisors: vec![record], ..genesis(Vec::new()) };
    let refuse = |change: &dyn Fn(&mut SupervisorRecord)| {
        let mut record = good.clone();
        change(&mut record);
        let error = check_supervisor_record(&record).unwrap_err();
        assert_eq!(SupervisorPublicKeys::from_genesis(&with(record.clone())).unwrap_err(), error);
        (error, SupervisorPublicKeys::from_checked_genesis(&with(record)).err())
    };
    let id = RegistryError::Id { actual: foreign.id, expected: node };
    assert_eq!(refuse(&|record| record.id = foreign.id), (id.clone(), Some(id)));
    let (key, again) = refuse(&|record| record.rsa_public_key = Bytes::from_static(&[0x30, 0]));
    assert!(matches!(key, RegistryError::LotteryKey { .. }), "{key}");
    assert_eq!(again, Some(key));
    let (proof, unseen) = refuse(&|record| record.rsa_permutation_proof.clear());
    assert_eq!(proof, RegistryError::Permutation { node, source: PermutationError::Roots { actual: 0 } });
    assert_eq!(unseen, None, "a checked genesis is parsed only");
    let (proof, _) = refuse(&|record| record.rsa_permutation_proof = foreign.rsa_permutation_proof.clone());
    assert!(matches!(proof, RegistryError::Permutation { .. }), "another's proof: {proof}");
    let (proof, _) = refuse(&|record| record.rsa_permutation_proof.swap(2, 3));
    assert!(
        matches!(proof, RegistryError::Permutation { source: PermutationError::Root(2), .. }),
        "the right roots in another order: {proof}"
    );
}

/// The keys are the same either way; without the proofs all other rules still hold.
#[test]
fn a_checked_genesis_gives_the_same_keys() {
    let (keys, mut genesis) = network();
    for node in &mut genesis.nodes {
        node.rsa_permutation_proof.clear();
    }
    assert!(CommitteeKeys::from_genesis(&genesis).is_err());
    let verifier = CommitteeKeys::from_checked_genesis(&genesis).unwrap();
    for (place, keys) in (0..).zip(&keys) {
        assert!(verifier.verify_draw(MemberIndex(place), CORE, &keys.draw(CORE).unwrap()));
        assert!(verifier.verify_vote(MemberIndex(place), CORE, &keys.vote(CORE)));
    }
    genesis.nodes[0].vote_key_proof = VoteSignature::ZERO;
    let node = genesis.nodes[0].id;
    assert_eq!(
        CommitteeKeys::from_checked_genesis(&genesis).unwrap_err(),
        RegistryError::Possession { node }
    );

    let (keys, genesis) = supervised();
    let verifier = SupervisorPublicKeys::from_checked_genesis(&genesis).unwrap();
    for (place, keys) in keys.iter().enumerate() {
        assert!(verifier.verify(place, CORE, &keys.sign(CORE).unwrap()));
        assert!(!verifier.verify((place + 1) % 3, CORE, &keys.sign(CORE).unwrap()));
    }
}
