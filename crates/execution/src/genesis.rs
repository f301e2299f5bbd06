//! The state and the header every chain begins with.

use crate::header::fixed_fields;
use alloy_consensus::Header;
use alloy_consensus::constants::EMPTY_ROOT_HASH;
use alloy_eips::eip2935::{HISTORY_STORAGE_ADDRESS, HISTORY_STORAGE_CODE};
use alloy_eips::eip4788::{BEACON_ROOTS_ADDRESS, BEACON_ROOTS_CODE};
use alloy_primitives::{Address, B256, Bytes, KECCAK256_EMPTY, U256, keccak256};
use btn_types::genesis::GenesisAccount;
use btn_types::{Account, AccountDiff, Genesis, StateDiff};
use std::collections::BTreeMap;

/// The genesis state as a difference to nothing: the accounts of the file, and the contracts of EIP-2935 and
/// EIP-4788 with their official code at their official addresses. An account that is empty (EIP-161) is
/// left out. An account of the file at a system contract's address keeps its balance only.
#[must_use]
pub fn genesis_diff(genesis: &Genesis) -> StateDiff {
    let mut diff = StateDiff::default();
    for (address, account) in &genesis.alloc {
        insert(&mut diff, *address, account);
    }
    let contracts =
        [(HISTORY_STORAGE_ADDRESS, &HISTORY_STORAGE_CODE), (BEACON_ROOTS_ADDRESS, &BEACON_ROOTS_CODE)];
    for (address, code) in contracts {
        let balance = genesis.alloc.get(&address).map_or(U256::ZERO, |account| account.balance);
        let contract = GenesisAccount { balance, nonce: 1, code: code.clone(), storage: BTreeMap::new() };
        insert(&mut diff, address, &contract);
    }
    diff
}

fn insert(diff: &mut StateDiff, address: Address, account: &GenesisAccount) {
    let code_hash = add_code(diff, &account.code);
    let entry = Account { nonce: account.nonce, balance: account.balance, code_hash };
    if entry == Account::default() {
        return;
    }
    let storage = (account.storage.iter())
        .filter(|(_, value)| !value.is_zero())
        .map(|(slot, value)| (U256::from_be_bytes(slot.0), U256::from_be_bytes(value.0)))
        .collect();
    diff.accounts.insert(address, AccountDiff { account: Some(entry), storage_wiped: false, storage });
}

fn add_code(diff: &mut StateDiff, code: &Bytes) -> B256 {
    if code.is_empty() {
        return KECCAK256_EMPTY;
    }
    let hash = keccak256(code);
    diff.codes.insert(hash, code.clone());
    hash
}

/// The genesis header: block 0, no parent, no transactions; `extra_data` is the file's commitment (C2).
#[must_use]
pub fn genesis_header(genesis: &Genesis, state_root: B256) -> Header {
    Header {
        state_root,
        transactions_root: EMPTY_ROOT_HASH,
        receipts_root: EMPTY_ROOT_HASH,
        gas_limit: genesis.gas_limit,
        timestamp: genesis.timestamp_ms / 1000,
        extra_data: Bytes::copy_from_slice(genesis.commitment().as_slice()),
        base_fee_per_gas: Some(genesis.base_fee.initial_wei),
        ..fixed_fields()
    }
}
