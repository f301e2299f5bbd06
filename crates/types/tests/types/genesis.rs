//! The genesis file: each reason to refuse it, and what its commitment commits to.

use crate::fixtures::{genesis, node, supervisor};
use alloy_primitives::{Address, B256, Bytes, U256};
use btn_types::genesis::{GenesisAccount, GenesisError, NodeRecord, SupervisorRecord};
use btn_types::limits::MAX_SUPERVISORS;
use btn_types::*;
use std::collections::BTreeSet;

type Change = (&'static str, fn(&mut Genesis));

fn changed(change: fn(&mut Genesis)) -> Genesis {
    let mut genesis = genesis();
    change(&mut genesis);
    genesis
}

#[test]
fn the_examples_are_valid() {
    assert_eq!(genesis().check(), Ok(()));
    let at_the_edges: [fn(&mut Genesis); 13] = [
        |genesis| genesis.chain_id = 9_223_372_036_854_775_771,
        |genesis| genesis.timestamp_ms = 0,
        |genesis| (genesis.gas_limit, genesis.base_fee.elasticity) = (5_000, 5_000),
        |genesis| genesis.consensus.delta_ms = 3_600_000,
        |genesis| genesis.consensus.candidate_wait_ms = 0,
        |genesis| genesis.consensus.lottery_period_blocks = 4,
        |genesis| genesis.consensus.candidate_wait_ms = genesis.consensus.delta_ms / 2,
        |genesis| (genesis.base_fee.initial_wei, genesis.base_fee.floor_wei) = (0, 0),
        |genesis| genesis.nodes = (1..=150).map(node).collect(),
        |genesis| genesis.supervisors.clear(),
        |genesis| genesis.supervisors = many_supervisors(MAX_SUPERVISORS),
        |genesis| genesis.consensus.expected_seals = 1,
        |genesis| genesis.consensus.expected_seals = 256,
    ];
    for (number, change) in at_the_edges.into_iter().enumerate() {
        assert_eq!(changed(change).check(), Ok(()), "edge {number}");
    }
}

/// So many supervisors, no two of which share a key.
fn many_supervisors(count: usize) -> Vec<SupervisorRecord> {
    let numbered = |number: usize| {
        let rsa_public_key = Bytes::copy_from_slice(&number.to_be_bytes());
        let (id, network_key) = (NodeId(sha256(&rsa_public_key)), sha256(&number.to_le_bytes()));
        SupervisorRecord { id, rsa_public_key, network_key, ..supervisor(1) }
    };
    (1..=count).map(numbered).collect()
}

#[test]
fn every_parameter_has_its_range() {
    let table: [Change; 25] = [
        ("chain_id", |genesis| genesis.chain_id = 0),
        ("chain_id", |genesis| genesis.chain_id = 9_223_372_036_854_775_772),
        ("timestamp_ms", |genesis| genesis.timestamp_ms = 253_402_300_800_000),
        ("gas_limit", |genesis| genesis.gas_limit = 4_999),
        ("gas_limit", |genesis| genesis.gas_limit = 1 << 63),
        ("consensus.delta_ms", |genesis| genesis.consensus.delta_ms = 0),
        ("consensus.delta_ms", |genesis| genesis.consensus.delta_ms = 3_600_001),
        ("consensus.idle_interval_ms", |genesis| genesis.consensus.idle_interval_ms = 0),
        ("consensus.idle_interval_ms", |genesis| genesis.consensus.idle_interval_ms = 3_600_001),
        ("consensus.min_block_interval_ms", |genesis| genesis.consensus.min_block_interval_ms = 0),
        ("consensus.min_block_interval_ms", |genesis| genesis.consensus.min_block_interval_ms = 3_600_001),
        ("consensus.candidate_wait_ms", |genesis| genesis.consensus.candidate_wait_ms = 251),
        ("consensus.lottery_period_blocks", |genesis| genesis.consensus.lottery_period_blocks = 3),
        ("base_fee.change_denominator", |genesis| genesis.base_fee.change_denominator = 0),
        ("base_fee.elasticity", |genesis| genesis.base_fee.elasticity = 0),
        ("base_fee.elasticity", |genesis| genesis.base_fee.elasticity = 30_000_001),
        ("base_fee.initial_wei", |genesis| genesis.base_fee.floor_wei += 1),
        ("base_fee.initial_wei", |genesis| genesis.base_fee.initial_wei -= 1),
        ("nodes (masters)", |genesis| genesis.nodes.clear()),
        ("nodes (masters)", |genesis| genesis.nodes = (1..=151).map(node).collect()),
        ("nodes (masters)", |genesis| genesis.nodes = vec![node(1); 151]),
        ("consensus.candidate_wait_ms", |genesis| genesis.consensus.delta_ms = 39),
        ("consensus.expected_seals", |genesis| genesis.consensus.expected_seals = 0),
        ("consensus.expected_seals", |genesis| genesis.consensus.expected_seals = 4_097),
        ("supervisors", |genesis| genesis.supervisors = many_supervisors(MAX_SUPERVISORS + 1)),
    ];
    for (expected, change) in table {
        match changed(change).check() {
            Err(GenesisError::Parameter { name, .. }) => assert_eq!(name, expected),
            other => panic!("{expected}: {other:?}"),
        }
    }
}

#[test]
fn nodes_are_what_they_say_and_share_nothing() {
    let wrong_id = changed(|genesis| genesis.nodes[1].id = NodeId(B256::ZERO));
    let expected = node(2).id;
    assert_eq!(wrong_id.check(), Err(GenesisError::NodeId { actual: NodeId(B256::ZERO), expected }));
    let wrong_id = changed(|genesis| genesis.supervisors[1].id = NodeId(B256::ZERO));
    let expected = supervisor(4).id;
    assert_eq!(wrong_id.check(), Err(GenesisError::NodeId { actual: NodeId(B256::ZERO), expected }));
    let table: [Change; 7] = [
        ("RSA key", |genesis| {
            let NodeRecord { id, rsa_public_key, .. } = node(1);
            (genesis.nodes[1].id, genesis.nodes[1].rsa_public_key) = (id, rsa_public_key);
        }),
        ("network key", |genesis| genesis.nodes[1].network_key = genesis.nodes[0].network_key),
        ("vote key", |genesis| genesis.nodes[1].vote_key = genesis.nodes[0].vote_key),
        ("RSA key", |genesis| {
            let SupervisorRecord { id, rsa_public_key, .. } = supervisor(3);
            (genesis.supervisors[1].id, genesis.supervisors[1].rsa_public_key) = (id, rsa_public_key);
        }),
        ("network key", |genesis| {
            genesis.supervisors[1].network_key = genesis.supervisors[0].network_key;
        }),
        // One node of both levels would seal the blocks that it votes for.
        ("RSA key", |genesis| {
            let NodeRecord { id, rsa_public_key, .. } = node(1);
            (genesis.supervisors[1].id, genesis.supervisors[1].rsa_public_key) = (id, rsa_public_key);
        }),
        ("network key", |genesis| genesis.supervisors[1].network_key = genesis.nodes[0].network_key),
    ];
    for (what, change) in table {
        assert_eq!(changed(change).check(), Err(GenesisError::Duplicate { what }));
    }
}

#[test]
fn the_supply_fits_in_256_bits() {
    let genesis = changed(|genesis| {
        let richest = GenesisAccount { balance: U256::MAX, ..GenesisAccount::default() };
        genesis.alloc.insert(Address::ZERO, richest);
    });
    assert_eq!(genesis.check(), Err(GenesisError::Supply));
}

#[test]
fn the_file_is_read_back_and_nothing_unknown_in_it_is_ignored() {
    let json = genesis().to_json();
    assert_eq!(Genesis::from_json(&json), Ok(genesis()));
    for place in ["\"chain_id\"", "\"delta_ms\"", "\"floor_wei\"", "\"balance\"", "\"network_key\""] {
        assert!(json.contains(place), "{place}");
        let with_more = json.replacen(place, &format!("\"surprise\": 1, {place}"), 1);
        let refused = Genesis::from_json(&with_more);
        assert!(matches!(refused, Err(GenesisError::Json(ref text)) if text.contains("surprise")), "{place}");
    }
    assert!(matches!(Genesis::from_json("{}"), Err(GenesisError::Json(_))));
    assert!(matches!(Genesis::from_json(&json[..json.len() - 2]), Err(GenesisError::Json(_))));
    let supervisor = json.replacen("\"master\"", "\"supervisor\"", 1);
    assert!(
        matches!(Genesis::from_json(&supervisor), Err(GenesisError::Json(_))),
        "supervisors stand in a list of their own"
    );
    let last = json.rfind("\"payout\"").expect("a supervisor's payout");
    let with_more = format!("{}\"addresses\": [], {}", &json[..last], &json[last..]);
    let refused = Genesis::from_json(&with_more);
    assert!(
        matches!(refused, Err(GenesisError::Json(ref text)) if text.contains("addresses")),
        "{refused:?}"
    );
    let unchecked = changed(|genesis| genesis.chain_id = 0).to_json();
    assert!(
        matches!(Genesis::from_json(&unchecked), Err(GenesisError::Parameter { .. })),
        "read and checked"
    );
}

/// Files from before the second level existed are still files.
#[test]
fn a_file_without_supervisors_has_none() {
    let mut file: serde_json::Value = serde_json::from_str(&genesis().to_json()).expect("JSON");
    file.as_object_mut().expect("an object").remove("supervisors").expect("the list");
    for node in file["nodes"].as_array_mut().expect("a list") {
        node.as_object_mut().expect("an object").remove("supervisor_addresses").expect("the list");
    }
    let read = Genesis::from_json(&file.to_string()).expect("valid");
    assert!(read.supervisors.is_empty());
    assert!(read.nodes.iter().all(|node| node.supervisor_addresses.is_empty()));
}

#[test]
fn the_supervisors_are_sorted_by_id_whatever_the_file_says() {
    let ids = |genesis: &Genesis| genesis.sealing().iter().map(|record| record.id).collect::<Vec<_>>();
    let sorted = ids(&genesis());
    assert!(sorted.is_sorted() && sorted.len() == 2);
    let reversed = changed(|genesis| genesis.supervisors.reverse());
    assert_eq!(ids(&reversed), sorted);
    assert_eq!(reversed.commitment(), genesis().commitment(), "the order of supervisors means nothing");
}

#[test]
fn the_committee_is_sorted_by_id_whatever_the_file_says() {
    let ids = |genesis: &Genesis| genesis.committee().iter().map(|node| node.id).collect::<Vec<_>>();
    let sorted = ids(&genesis());
    assert!(sorted.is_sorted() && sorted.len() == 2);
    let reversed = changed(|genesis| genesis.nodes.reverse());
    assert_eq!(ids(&reversed), sorted);
    assert_eq!(reversed.commitment(), genesis().commitment(), "the order of nodes means nothing");
}

/// Two files that differ anywhere are two chains.
#[test]
fn the_commitment_changes_with_every_field() {
    let changes: [fn(&mut Genesis); 37] = [
        |_| (),
        |genesis| genesis.chain_id += 1,
        |genesis| genesis.timestamp_ms += 1,
        |genesis| genesis.gas_limit += 1,
        |genesis| genesis.base_fee.initial_wei += 1,
        |genesis| genesis.base_fee.floor_wei -= 1,
        |genesis| genesis.base_fee.change_denominator += 1,
        |genesis| genesis.base_fee.elasticity += 1,
        |genesis| genesis.consensus.delta_ms += 1,
        |genesis| genesis.consensus.candidate_wait_ms += 1,
        |genesis| genesis.consensus.idle_interval_ms += 1,
        |genesis| genesis.consensus.min_block_interval_ms += 1,
        |genesis| genesis.consensus.lottery_period_blocks += 1,
        |genesis| genesis.alloc.clear(),
        |genesis| contract(genesis).balance = U256::from(7),
        |genesis| contract(genesis).nonce += 1,
        |genesis| contract(genesis).code = Bytes::from_static(&[0x5f]),
        |genesis| contract(genesis).storage.clear(),
        |genesis| *contract(genesis).storage.entry(B256::repeat_byte(0xc1)).or_default() = B256::ZERO,
        |genesis| genesis.nodes.truncate(1),
        |genesis| genesis.nodes[0].rsa_public_key = Bytes::from_static(&[1]),
        |genesis| genesis.nodes[0].rsa_permutation_proof.truncate(1),
        |genesis| genesis.nodes[0].network_key = B256::ZERO,
        |genesis| genesis.nodes[0].addresses.truncate(1),
        |genesis| genesis.nodes[0].payout = Address::ZERO,
        |genesis| genesis.nodes[0].vote_key = VoteKey::ZERO,
        |genesis| genesis.nodes[0].vote_key_proof = VoteSignature::ZERO,
        |genesis| genesis.nodes[0].supervisor_addresses.truncate(1),
        |genesis| genesis.consensus.expected_seals += 1,
        |genesis| genesis.supervisors.clear(),
        |genesis| genesis.supervisors.truncate(1),
        |genesis| genesis.supervisors.push(supervisor(5)),
        |genesis| genesis.supervisors[0].id = NodeId(B256::ZERO),
        |genesis| genesis.supervisors[0].rsa_public_key = Bytes::from_static(&[1]),
        |genesis| genesis.supervisors[0].rsa_permutation_proof.truncate(1),
        |genesis| genesis.supervisors[0].network_key = B256::ZERO,
        |genesis| genesis.supervisors[0].payout = Address::ZERO,
    ];
    let commitments: BTreeSet<B256> = changes.iter().map(|change| changed(*change).commitment()).collect();
    assert_eq!(commitments.len(), changes.len());
}

fn contract(genesis: &mut Genesis) -> &mut GenesisAccount {
    genesis.alloc.entry(Address::repeat_byte(0xc3)).or_default()
}

#[test]
fn the_errors_are_sentences_with_the_remedy() {
    let error = changed(|genesis| genesis.gas_limit = 1).check().expect_err("too little gas");
    let expected = "genesis: `gas_limit` is 1, it must be between 5000 and 9223372036854775807";
    assert_eq!(error.to_string(), expected);
    let error = Genesis::from_json("").expect_err("nothing");
    assert!(error.to_string().ends_with("create one with `btn genesis new`"), "{error}");
}
