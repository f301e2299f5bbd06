//! Quorums and bars against exact numbers, the lottery's mean, and every refusal of a seal.

use super::*;
use crate::vectors;
use btn_types::genesis::{BaseFeeParameters, ConsensusParameters};
use btn_types::{U256, sha256};
use std::collections::BTreeMap;

/// Signatures that anyone can make: the hash of place and message.
struct Hashes;

struct HashSigner(usize);

fn hash_signature(place: usize, message: B256) -> Bytes {
    Bytes::copy_from_slice(sha256(&[&place.to_be_bytes()[..], message.as_slice()].concat()).as_slice())
}

impl SealVerifier for Hashes {
    fn verify(&self, supervisor: usize, message: B256, signature: &[u8]) -> bool {
        *hash_signature(supervisor, message) == *signature
    }
}

impl SealSigner for HashSigner {
    fn sign(&self, message: B256) -> Result<Bytes, SignError> {
        Ok(hash_signature(self.0, message))
    }
}

fn record(number: usize) -> SupervisorRecord {
    let rsa_public_key = Bytes::copy_from_slice(&number.to_be_bytes());
    SupervisorRecord {
        id: NodeId(sha256(&rsa_public_key)),
        rsa_public_key,
        rsa_permutation_proof: Vec::new(),
        network_key: B256::ZERO,
        payout: btn_types::Address::ZERO,
    }
}

fn genesis(count: usize, expected_seals: u64) -> Genesis {
    Genesis {
        chain_id: 1,
        timestamp_ms: 0,
        gas_limit: 30_000_000,
        base_fee: BaseFeeParameters::DEVNET,
        consensus: ConsensusParameters { expected_seals, ..ConsensusParameters::DEVNET },
        alloc: BTreeMap::new(),
        nodes: Vec::new(),
        supervisors: (0..count).map(record).collect(),
    }
}

fn supervisors(count: usize, expected_seals: u64) -> Supervisors {
    let genesis = genesis(count, expected_seals);
    Supervisors::from_genesis(&genesis, B256::repeat_byte(1), Arc::new(Hashes))
}

const CORE: B256 = B256::repeat_byte(0xbb);
const HASH: B256 = B256::repeat_byte(0x33);

fn seal(supervisors: &Supervisors, place: usize, core: B256) -> Option<Seal> {
    supervisors.seal(supervisors.ids()[place], &HashSigner(place), core, HASH).unwrap()
}

/// C8: s_min = ⌈min(λ, S)/3⌉; all are eligible up to λ, above it iff the draw is below ⌊2²⁵⁶·λ/S⌋, computed by
/// exact integers of another program.
#[test]
fn quorum_and_bar_match_exact_integers() {
    let cases = vectors::value("/seal_bars");
    let cases = cases.as_array().unwrap();
    assert_eq!(cases.len(), 17);
    for case in cases {
        let number = |name: &str| case[name].as_u64().unwrap();
        let (count, expected) = (number("supervisors"), number("expected_seals"));
        let supervisors = supervisors(count as usize, expected);
        let what = format!("S = {count}, λ = {expected}");
        assert_eq!(supervisors.quorum() as u64, number("quorum"), "{what}");
        assert_eq!((supervisors.count() as u64, supervisors.expected_seals()), (count, expected));
        assert_eq!(u64::from(supervisors.count_in_block()), count);
        let bar: Bytes = case["bar"].as_str().unwrap().parse().unwrap();
        let drawn = |draw: U256| supervisors.is_drawn(Draw(draw.to_be_bytes().into()));
        assert!(drawn(U256::ZERO), "{what}");
        assert_eq!(drawn(U256::MAX), count <= expected, "{what}");
        if !bar.is_empty() {
            let bar = U256::from_be_slice(&bar);
            assert!(drawn(bar - U256::ONE), "{what}: just below the bar");
            assert!(!drawn(bar), "{what}: at the bar");
        }
    }
}

#[test]
fn a_single_more_than_expected_moves_the_bar() {
    let last = Draw(B256::repeat_byte(0xff));
    assert!(supervisors(128, 128).is_drawn(last), "S = λ: everyone");
    assert!(!supervisors(129, 128).is_drawn(last), "S = λ + 1: not everyone");
}

/// Deterministic: the hashes of fixed numbers.
#[test]
fn about_the_expected_number_is_drawn() {
    let (count, expected, cores) = (1_000usize, 128u64, 200u64);
    let supervisors = supervisors(count, expected);
    let drawn_for = |core: u64| {
        let message = supervisors.domain().seal(sha256(&core.to_be_bytes()));
        (0..count).filter(|&place| supervisors.is_drawn(Draw::of(&hash_signature(place, message)))).count()
    };
    let drawn: Vec<_> = (0..cores).map(drawn_for).collect();
    // A binomial of 1,000 at 0.128 has σ = 10.6; the mean of 200 of them 0.75.
    let total: usize = drawn.iter().sum();
    let (least, most) = ((expected - 3) * cores, (expected + 3) * cores);
    assert!((least..=most).contains(&(total as u64)), "{total} drawn over {cores} cores");
    assert!(drawn.iter().all(|&drawn| (75..=181).contains(&drawn)), "within 5σ each: {drawn:?}");
    // Each core is a lottery of its own.
    assert!(drawn.iter().collect::<std::collections::BTreeSet<_>>().len() > 10);
}

#[test]
fn whoever_is_drawn_makes_a_seal_that_verifies_and_nobody_else_makes_one() {
    let supervisors = supervisors(300, 10);
    let mut made = 0;
    for place in 0..300 {
        let signature = hash_signature(place, supervisors.domain().seal(CORE));
        let Some(seal) = seal(&supervisors, place, CORE) else {
            assert!(!supervisors.is_drawn(Draw::of(&signature)));
            continue;
        };
        made += 1;
        assert_eq!((seal.core, seal.block_hash, &seal.draw_signature), (CORE, HASH, &signature));
        assert_eq!(supervisors.verify(&seal), Ok(()));
    }
    assert!((1..300).contains(&made), "{made} seals");
}

#[test]
fn ids_stand_ascending_and_have_their_places() {
    let supervisors = supervisors(50, 128);
    assert!(supervisors.ids().is_sorted());
    for (place, id) in supervisors.ids().iter().enumerate() {
        assert_eq!(supervisors.place_of(*id), Some(place));
        let path = supervisors.membership(*id).unwrap();
        let leaf = id.0.as_slice();
        assert!(crate::verify_audit_path(supervisors.root(), 50, place as u64, leaf, &path));
        assert!(!crate::verify_audit_path(supervisors.root(), 50, place as u64, HASH.as_slice(), &path));
    }
    let stranger = NodeId(B256::ZERO);
    assert_eq!((supervisors.place_of(stranger), supervisors.membership(stranger)), (None, None));
}

#[test]
fn the_commitment_is_root_and_count() {
    for count in [0, 1, 4, 50] {
        let of_keys = supervisors(count, 128);
        let mut genesis = genesis(count, 128);
        genesis.supervisors.reverse();
        assert_eq!(supervisors_commitment(&genesis), (of_keys.root(), of_keys.count_in_block()));
    }
    assert_eq!(supervisors(0, 128).root(), sha256(&[]), "RFC 6962: the hash of nothing");
    assert_ne!(supervisors(3, 128).root(), supervisors(4, 128).root());
}

#[test]
fn the_seal_root_is_that_of_the_vector() {
    let encoding = vectors::bytes("/seal/encoding");
    let seal: Seal = btn_types::decode_exact(&encoding).unwrap();
    assert_eq!(seal.draw_signature, vectors::bytes("/seal/draw_signature"));
    assert_eq!(seal.signature, vectors::bytes("/seal/signature"));
    for count in 0..4 {
        let root = seal_root(&vec![seal.clone(); count]);
        assert_eq!(root.as_slice(), &vectors::bytes(&format!("/seal/roots/{count}"))[..], "{count} seals");
    }
}

#[test]
fn order_and_every_byte_of_seals_count_in_their_root() {
    let supervisors = supervisors(4, 128);
    let seals: Vec<_> = (0..4).map(|place| seal(&supervisors, place, CORE).unwrap()).collect();
    let root = seal_root(&seals);
    let mut swapped = seals.clone();
    swapped.swap(0, 1);
    assert_ne!(seal_root(&swapped), root);
    assert_ne!(seal_root(&seals[..3]), root);
    let changes: [fn(&mut Seal); 5] = [
        |seal| seal.supervisor = NodeId(HASH),
        |seal| seal.core = HASH,
        |seal| seal.draw_signature = Bytes::new(),
        |seal| seal.block_hash = CORE,
        |seal| seal.signature = Bytes::new(),
    ];
    for (number, change) in changes.iter().enumerate() {
        let mut changed = seals.clone();
        change(&mut changed[2]);
        assert_ne!(seal_root(&changed), root, "change {number}");
    }
}

#[test]
fn every_fault_of_a_seal_is_named() {
    let supervisors = supervisors(4, 128);
    let good = seal(&supervisors, 1, CORE).unwrap();
    let id = good.supervisor;
    assert_eq!(supervisors.verify(&good), Ok(()));
    let refuse = |change: &dyn Fn(&mut Seal)| {
        let mut seal = good.clone();
        change(&mut seal);
        supervisors.verify(&seal).unwrap_err()
    };
    let stranger = NodeId(B256::ZERO);
    assert_eq!(refuse(&|seal| seal.supervisor = stranger), SealError::NotRegistered(stranger));
    let other = supervisors.ids()[2];
    assert_eq!(refuse(&|seal| seal.supervisor = other), SealError::Draw(other), "another's seal");
    assert_eq!(refuse(&|seal| seal.core = HASH), SealError::Draw(id), "another core");
    assert_eq!(refuse(&|seal| seal.draw_signature = seal.signature.clone()), SealError::Draw(id));
    assert_eq!(refuse(&|seal| seal.draw_signature = Bytes::new()), SealError::Draw(id));
    assert_eq!(refuse(&|seal| seal.block_hash = CORE), SealError::Signature(id), "another block");
    assert_eq!(refuse(&|seal| seal.signature = seal.draw_signature.clone()), SealError::Signature(id));
    assert_eq!(refuse(&|seal| seal.signature = Bytes::new()), SealError::Signature(id));
    // Another network with the same supervisors.
    let elsewhere = Supervisors { domain: Domain::new(B256::repeat_byte(2)), ..supervisors.clone() };
    assert_eq!(elsewhere.verify(&good), Err(SealError::Draw(id)));
}

/// A seal whose every signature is right, by a supervisor that was not drawn for the core.
#[test]
fn a_seal_without_a_draw_is_refused() {
    let everyone = supervisors(300, 300);
    let few = supervisors(300, 10);
    let place = (0..300).find(|&place| seal(&few, place, CORE).is_none()).unwrap();
    let seal = seal(&everyone, place, CORE).unwrap();
    assert_eq!(everyone.verify(&seal), Ok(()));
    let draw = Draw::of(&seal.draw_signature).0;
    assert_eq!(few.verify(&seal), Err(SealError::NotDrawn { supervisor: seal.supervisor, draw }));
}
