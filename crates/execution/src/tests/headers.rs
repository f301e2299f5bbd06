//! Headers: one rejection per rule, the base fee, genesis.

use super::support::*;
use crate::{
    FullRecomputation, HeaderError, Outcome, StateCommitment, assemble_header, check_header, genesis_diff,
    genesis_header, next_base_fee,
};
use alloy_consensus::{Header, TxEnvelope};
use alloy_eips::eip2935::{HISTORY_STORAGE_ADDRESS, HISTORY_STORAGE_CODE};
use alloy_eips::eip4788::BEACON_ROOTS_ADDRESS;
use alloy_primitives::{B64, B256, Bytes, U256, keccak256};

fn parent() -> Header {
    genesis_header(&genesis(&[]), B256::repeat_byte(0xaa))
}

fn header() -> Header {
    let parent = parent();
    let input = crate::BlockInput {
        parent_hash: parent.hash_slow(),
        base_fee_wei: next_base_fee(&parent, &spec()),
        ..input(1)
    };
    assemble_header::<TxEnvelope>(&spec(), &input, &[], &Outcome::default(), B256::repeat_byte(0xbb))
}

#[test]
fn an_assembled_header_passes_also_with_the_parents_timestamp() {
    assert_eq!(header().timestamp, parent().timestamp);
    check_header(&header(), &parent(), &spec()).unwrap();
    assert_eq!(header().mix_hash, RANDAO);
    assert_eq!(header().beneficiary, CLERK);
    assert_eq!(header().extra_data, Bytes::from(vec![3; 32]));
}

/// Breaks one rule and returns the refusal.
fn broken(change: impl FnOnce(&mut Header)) -> HeaderError {
    let mut header = header();
    change(&mut header);
    check_header(&header, &parent(), &spec()).unwrap_err()
}

#[test]
fn every_fixed_field_is_a_rule() {
    use HeaderError as E;
    let bad = B256::repeat_byte(9);
    let parent_hash = parent().hash_slow();
    assert_eq!(broken(|h| h.parent_hash = bad), E::ParentHash { actual: bad, expected: parent_hash });
    assert_eq!(broken(|h| h.number = 2), E::Number { actual: 2, expected: 1 });
    assert_eq!(broken(|h| h.ommers_hash = bad), E::Ommers { actual: bad });
    assert_eq!(broken(|h| h.difficulty = U256::from(1)), E::Difficulty { actual: U256::from(1) });
    let nonce = B64::with_last_byte(1);
    assert_eq!(broken(|h| h.nonce = nonce), E::Nonce { actual: nonce });
    let (actual, expected) = (30_000_001, 30_000_000);
    assert_eq!(broken(|h| h.gas_limit = actual), E::GasLimit { actual, expected });
    assert_eq!(broken(|h| h.gas_used = actual), E::GasUsed { actual, limit: expected });
    let (actual, parent) = (1_699_999_999, 1_700_000_000);
    assert_eq!(broken(|h| h.timestamp = actual), E::Timestamp { actual, parent });
    assert_eq!(broken(|h| h.extra_data = vec![0; 31].into()), E::ExtraData { actual: 31 });
    assert_eq!(broken(|h| h.extra_data = vec![0; 33].into()), E::ExtraData { actual: 33 });
    let expected = GWEI;
    let actual = Some(expected + 1);
    assert_eq!(broken(|h| h.base_fee_per_gas = actual), E::BaseFee { actual, expected });
    assert_eq!(broken(|h| h.base_fee_per_gas = None), E::BaseFee { actual: None, expected });
}

#[test]
fn everything_this_chain_has_not_is_a_rule() {
    use HeaderError as E;
    for actual in [None, Some(B256::repeat_byte(9))] {
        assert_eq!(broken(|h| h.withdrawals_root = actual), E::Withdrawals { actual });
        assert_eq!(broken(|h| h.parent_beacon_block_root = actual), E::BeaconRoot { actual });
        assert_eq!(broken(|h| h.requests_hash = actual), E::Requests { actual });
    }
    for actual in [None, Some(1)] {
        assert_eq!(broken(|h| h.blob_gas_used = actual), E::BlobGasUsed { actual });
        assert_eq!(broken(|h| h.excess_blob_gas = actual), E::ExcessBlobGas { actual });
    }
    let actual = B256::ZERO;
    assert_eq!(broken(|h| h.block_access_list_hash = Some(actual)), E::BlockAccessList { actual });
    assert_eq!(broken(|h| h.slot_number = Some(0)), E::SlotNumber { actual: 0 });
}

#[test]
fn the_base_fee_follows_eip_1559_with_our_parameters() {
    let after = |base: u64, used: u64| {
        let parent =
            Header { base_fee_per_gas: Some(base), gas_used: used, gas_limit: 30_000_000, ..parent() };
        next_base_fee(&parent, &spec())
    };
    assert_eq!(after(2 * GWEI, 15_000_000), 2 * GWEI, "on target");
    assert_eq!(after(2 * GWEI, 30_000_000), 2 * GWEI + 2 * GWEI / 250, "full");
    assert_eq!(after(2 * GWEI, 0), 2 * GWEI - 2 * GWEI / 250, "empty");
    assert_eq!(after(GWEI, 0), GWEI, "floor");
    assert_eq!(after(GWEI, 15_000_001), GWEI + 1, "at least one wei up");
    assert_eq!(after(u64::MAX, 30_000_000), u64::MAX, "no overflow");
    // Ethereum's own figures: denominator 8, no floor.
    let mut ethereum = spec();
    ethereum.base_fee.change_denominator = 8;
    ethereum.base_fee.floor_wei = 0;
    let parent = |used| Header { base_fee_per_gas: Some(GWEI), gas_used: used, ..parent() };
    assert_eq!(next_base_fee(&parent(30_000_000), &ethereum), 1_125_000_000);
    assert_eq!(next_base_fee(&parent(0), &ethereum), 875_000_000);
}

#[test]
fn genesis_holds_the_accounts_and_the_two_system_contracts() {
    let genesis = genesis(&[]);
    let diff = genesis_diff(&genesis);
    assert_eq!(diff.accounts.len(), 8 + 2);
    let history = diff.accounts[&HISTORY_STORAGE_ADDRESS].account.unwrap();
    assert_eq!((history.nonce, history.code_hash), (1, keccak256(&HISTORY_STORAGE_CODE)));
    assert_eq!(diff.codes[&history.code_hash], HISTORY_STORAGE_CODE);
    // As it stands on mainnet at 0x000F3df6…Beac02.
    let beacon = diff.accounts[&BEACON_ROOTS_ADDRESS].account.unwrap();
    let code = alloy_primitives::b256!("f57acd40259872606d76197ef052f3d35588dadf919ee1f0e3cb9b62d3f4b02c");
    assert_eq!(beacon.code_hash, code);
    let mut commitment = FullRecomputation::new();
    commitment.apply(&diff);
    let header = genesis_header(&genesis, commitment.root(&[]));
    assert_eq!(header.state_root, state(&[]).naive_root());
    assert_eq!((header.number, header.timestamp), (0, 1_700_000_000));
    assert_eq!(header.extra_data.as_ref(), genesis.commitment().as_slice());
    assert_eq!(header.base_fee_per_gas, Some(genesis.base_fee.initial_wei));
}
