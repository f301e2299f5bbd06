//! What contracts see and do: storage, reverts, logs, randomness, block hashes, destruction, delegation.

use super::support::*;
use crate::{BlockInput, Outcome, Overlay, SignedTransaction, execute};
use alloy_consensus::{Transaction, TxEip1559, TxReceipt};
use alloy_eips::eip2930::{AccessList, AccessListItem};
use alloy_eips::eip2935::{HISTORY_SERVE_WINDOW, HISTORY_STORAGE_ADDRESS};
use alloy_eips::eip4788::BEACON_ROOTS_ADDRESS;
use alloy_primitives::{Address, B256, Bloom, BloomInput, Bytes, U256, keccak256};
use btn_types::{StateError, StateReader};
use std::collections::BTreeMap;

const CONTRACT: Address = Address::repeat_byte(0xcc);

/// Runs block 1 over a state with `code` at CONTRACT, and returns the state after it.
fn run(code: &[u8], transactions: &[SignedTransaction]) -> (Outcome, MemoryState) {
    let mut state = state(&[(CONTRACT, Bytes::copy_from_slice(code))]);
    let outcome = execute(&spec(), &input(1), transactions, &state).unwrap();
    assert_eq!(outcome, execute(&spec(), &input(1), transactions, &state).unwrap(), "not deterministic");
    state.apply(&outcome.diff);
    (outcome, state)
}

fn invoke(nonce: u64, data: &[u8]) -> SignedTransaction {
    sign(TxEip1559 { input: Bytes::copy_from_slice(data), ..fee_market(nonce, Some(CONTRACT)) }, 1)
}

#[test]
fn a_deployed_counter_counts() {
    let create = sign(TxEip1559 { input: deploy(COUNTER), ..fee_market(0, None) }, 1);
    let counter = create.signer().create(0);
    let calls = [1, 2].map(|nonce| sign(fee_market(nonce, Some(counter)), 1));
    let transactions = [&[create], &calls[..]].concat();
    let (outcome, state) = run(&[], &transactions);
    assert!(outcome.receipts.iter().all(TxReceipt::status));
    assert_eq!(state.slot(counter, 0), U256::from(2));
    let account = state.accounts[&counter];
    assert_eq!((account.nonce, account.code_hash), (1, keccak256(COUNTER)));
    assert_eq!(outcome.diff.codes, BTreeMap::from([(keccak256(COUNTER), Bytes::from_static(COUNTER))]));
    assert!(!outcome.diff.accounts[&counter].storage_wiped, "nothing stood there before");
}

#[test]
fn a_revert_costs_gas_and_changes_nothing_else() {
    let (outcome, state) = run(REVERTER, &[invoke(0, b"no")]);
    assert!(!outcome.receipts[0].status());
    assert!(outcome.gas_used > 21_000 && outcome.gas_used < 22_000, "{}", outcome.gas_used);
    assert!(!outcome.diff.accounts.contains_key(&CONTRACT));
    let paid = ether(100) - state.balance(wallet(1).address());
    assert_eq!(paid, U256::from(outcome.gas_used) * U256::from(3 * GWEI));
}

#[test]
fn a_log_is_in_the_receipt_and_in_its_bloom() {
    let (outcome, _) = run(LOGGER, &[invoke(0, b"hello"), transfer(2, 0)]);
    let log = &outcome.receipts[0].logs()[0];
    let topic = B256::with_last_byte(0x2a);
    assert_eq!((log.address, log.topics(), &log.data.data[..]), (CONTRACT, &[topic][..], &b"hello"[..]));
    let bloom = outcome.receipts[0].bloom();
    assert!(bloom.contains_input(BloomInput::Raw(topic.as_slice())));
    assert!(bloom.contains_input(BloomInput::Raw(CONTRACT.as_slice())));
    assert_eq!(outcome.receipts[1].bloom(), Bloom::ZERO);
    let cumulative: Vec<u64> = outcome.receipts.iter().map(TxReceipt::cumulative_gas_used).collect();
    assert_eq!(cumulative[1] - cumulative[0], 21_000);
    assert_eq!(cumulative[1], outcome.gas_used);
}

#[test]
fn a_log_before_a_revert_is_nowhere() {
    // LOG0 of nothing, then REVERT or INVALID
    for end in [&[0x60, 0x00, 0x60, 0x00, 0xfd][..], &[0xfe]] {
        let (outcome, _) = run(&[&[0x60, 0x00, 0x60, 0x00, 0xa0], end].concat(), &[invoke(0, &[])]);
        let receipt = &outcome.receipts[0];
        assert_eq!((receipt.status(), receipt.logs().len(), receipt.bloom()), (false, 0, Bloom::ZERO));
    }
}

#[test]
fn prevrandao_is_the_seed() {
    let (_, state) = run(RANDOM, &[invoke(0, &[])]);
    assert_eq!(state.slot(CONTRACT, 0), U256::from_be_bytes(RANDAO.0));
}

#[test]
fn an_access_list_warms_what_it_names() {
    let item = |address| AccessListItem { address, storage_keys: vec![B256::ZERO] };
    let right = sign(access_list(0, CONTRACT, AccessList(vec![item(CONTRACT)])), 1);
    let wrong = sign(access_list(0, CONTRACT, AccessList(vec![item(STRANGER)])), 1);
    let (warm, state) = run(COUNTER, std::slice::from_ref(&right));
    let (cold, _) = run(COUNTER, &[wrong]);
    // EIP-2930: the same list; the slot's cold surcharge of 2,100 - 100 is saved only where it is used.
    assert_eq!(cold.gas_used - warm.gas_used, 2_000);
    assert_eq!((right.nonce(), state.slot(CONTRACT, 0)), (0, U256::from(1)));
}

#[test]
fn a_delegated_account_runs_the_code_it_names() {
    let authority = wallet(2).address();
    let delegate = sign(set_code(0, authority, vec![authorize(2, 0, CONTRACT)]), 1);
    let (outcome, state) = run(COUNTER, &[delegate]);
    assert!(outcome.receipts[0].status());
    assert_eq!(state.slot(authority, 0), U256::from(1));
    let designator: Bytes = [&[0xef, 0x01, 0x00], CONTRACT.as_slice()].concat().into();
    let account = state.accounts[&authority];
    assert_eq!((account.nonce, account.code_hash), (1, keccak256(&designator)));
    assert_eq!(state.codes[&account.code_hash], designator);
    // A delegated account still sends transactions, and revokes by naming address zero.
    let revoke = sign(set_code(1, STRANGER, vec![authorize(2, 2, Address::ZERO)]), 2);
    let outcome = execute(&spec(), &input(2), &[revoke], &state).unwrap();
    let mut after = state.clone();
    after.apply(&outcome.diff);
    assert_eq!(after.accounts[&authority].code_hash, alloy_primitives::KECCAK256_EMPTY);
    assert_eq!(after.slot(authority, 0), U256::from(1), "storage stays");
}

#[test]
fn selfdestruct_of_an_old_contract_moves_only_the_balance() {
    let (_, state) = run(SUICIDE, &[invoke(0, &[])]);
    let account = state.accounts[&CONTRACT];
    assert_eq!((account.balance, account.code_hash), (U256::ZERO, keccak256(SUICIDE)));
    assert_eq!(state.slot(CONTRACT, 9), U256::from(99));
}

/// Without value: writes slot 1 and destroys itself. With value: writes slot 2 and stays.
const TWO_FACED: &[u8] = &alloy_primitives::hex!("34600b57600160015533ff5b600760025560016000f3");

#[test]
fn a_contract_destroyed_in_its_creation_leaves_nothing_and_can_come_back() {
    let child = CONTRACT.create2_from_code(B256::ZERO, TWO_FACED);
    let born_dead = invoke(0, TWO_FACED);
    let (outcome, _) = run(FACTORY, std::slice::from_ref(&born_dead));
    assert!(outcome.receipts[0].status());
    assert!(!outcome.diff.accounts.contains_key(&child), "was nothing, is nothing");
    let code = Bytes::from_static(TWO_FACED);
    let reborn = TxEip1559 { input: code, value: U256::from(5), ..fee_market(1, Some(CONTRACT)) };
    let (outcome, state) = run(FACTORY, &[born_dead, sign(reborn, 1)]);
    assert_eq!(outcome.diff.accounts[&child].storage, BTreeMap::from([(U256::from(2), U256::from(7))]));
    assert_eq!((state.balance(child), state.slot(child, 1)), (U256::from(5), U256::ZERO));
}

#[test]
fn a_contract_on_a_funded_address_wipes_and_a_destroyed_one_deletes() {
    let child = CONTRACT.create2_from_code(B256::ZERO, TWO_FACED);
    let mut before = state(&[(CONTRACT, Bytes::from_static(FACTORY))]);
    before.accounts.insert(child, btn_types::Account { balance: U256::from(7), ..Default::default() });
    before.storage.insert(child, BTreeMap::from([(U256::from(3), U256::from(4))]));
    let run = |value| {
        let code = Bytes::from_static(TWO_FACED);
        let call = TxEip1559 { input: code, value: U256::from(value), ..fee_market(0, Some(CONTRACT)) };
        let outcome = execute(&spec(), &input(1), &[sign(call, 1)], &before).unwrap();
        let mut after = before.clone();
        after.apply(&outcome.diff);
        (outcome.diff.accounts[&child].clone(), after)
    };
    let (stays, after) = run(1);
    assert!(stays.storage_wiped);
    assert_eq!((after.balance(child), after.slot(child, 3)), (U256::from(8), U256::ZERO));
    let (gone, after) = run(0);
    assert_eq!((gone.account, gone.storage_wiped, gone.storage.len()), (None, true, 0));
    assert!(!after.accounts.contains_key(&child) && !after.storage.contains_key(&child));
}

#[test]
fn storage_wiped_in_a_block_is_not_seen_by_its_later_transactions() {
    // The child copies slot 3 into slot 4 when called: SLOAD(3) + 1 → slot 4.
    let child_code = alloy_primitives::hex!("6003546001016004 5500");
    let initcode = deploy(&child_code);
    let child = CONTRACT.create2_from_code(B256::ZERO, &initcode);
    let mut before = state(&[(CONTRACT, Bytes::from_static(FACTORY))]);
    before.accounts.insert(child, btn_types::Account { balance: U256::from(7), ..Default::default() });
    let old = BTreeMap::from([(U256::from(3), U256::from(40)), (U256::from(4), U256::from(1))]);
    before.storage.insert(child, old);
    let block = [invoke(0, &initcode), sign(fee_market(1, Some(child)), 1)];
    let outcome = execute(&spec(), &input(1), &block, &before).unwrap();
    let change = &outcome.diff.accounts[&child];
    // Slot 4 is written although it has the value that stood there before the wipe.
    assert_eq!(
        (change.storage_wiped, &change.storage),
        (true, &BTreeMap::from([(U256::from(4), U256::from(1))]))
    );
}

#[test]
fn touched_and_empty_accounts_are_deleted() {
    let mut before = state(&[]);
    before.accounts.insert(STRANGER, btn_types::Account::default());
    let touch = sign(TxEip1559 { value: U256::ZERO, ..fee_market(0, Some(STRANGER)) }, 1);
    let outcome = execute(&spec(), &input(1), &[touch], &before).unwrap();
    assert_eq!(outcome.diff.accounts[&STRANGER].account, None);
    let fresh = Address::repeat_byte(0x77);
    let touch = sign(TxEip1559 { value: U256::ZERO, ..fee_market(0, Some(fresh)) }, 1);
    let outcome = execute(&spec(), &input(1), &[touch], &before).unwrap();
    assert!(!outcome.diff.accounts.contains_key(&fresh));
}

#[test]
fn system_contracts_know_the_parent_and_the_beacon_root_of_zero() {
    let outcome = execute(&spec(), &input(HISTORY_SERVE_WINDOW as u64 + 5), &[], &state(&[])).unwrap();
    let history = &outcome.diff.accounts[&HISTORY_STORAGE_ADDRESS].storage;
    assert_eq!(history, &BTreeMap::from([(U256::from(4), U256::from_be_bytes(PARENT_HASH.0))]));
    let beacon = &outcome.diff.accounts[&BEACON_ROOTS_ADDRESS].storage;
    let time = 1_700_000_000_u64;
    assert_eq!(beacon, &BTreeMap::from([(U256::from(time % 8191), U256::from(time))]));
    assert_eq!(outcome.diff.accounts.len(), 2, "the system's address leaves no trace");
}

/// Asks `contract` for the hash of block `number`, from block 8, over two unfinalised layers.
fn hash_seen(contract: Address, number: u64) -> Result<U256, StateError> {
    let mut base = state(&[(CONTRACT, Bytes::from_static(HISTORIAN))]);
    base.hashes.insert(5, B256::repeat_byte(5));
    let block =
        |number: u64, parent: u8| BlockInput { parent_hash: B256::repeat_byte(parent), ..input(number) };
    let six = execute(&spec(), &block(6, 5), &[transfer(1, 0)], &base).unwrap().diff;
    let on_six = Overlay::new(vec![&six], BTreeMap::from([(6, B256::repeat_byte(6))]), &base);
    let seven = execute(&spec(), &block(7, 6), &[transfer(1, 1)], &on_six).unwrap().diff;
    let hashes = BTreeMap::from([(6, B256::repeat_byte(6)), (7, B256::repeat_byte(7))]);
    let on_seven = Overlay::new(vec![&seven, &six], hashes, &base);
    let data: Bytes = U256::from(number).to_be_bytes::<32>().into();
    let ask = sign(TxEip1559 { input: data.clone(), ..fee_market(2, Some(CONTRACT)) }, 1);
    if contract == CONTRACT {
        return match execute(&spec(), &block(8, 7), &[ask], &on_seven) {
            Ok(outcome) => Ok(outcome.diff.accounts[&CONTRACT].storage[&U256::ZERO]),
            Err(crate::ExecutionError::State(error)) => Err(error),
            Err(other) => panic!("{other}"),
        };
    }
    let eight = execute(&spec(), &block(8, 7), &[ask], &on_seven).unwrap().diff;
    let on_eight = Overlay::new(vec![&eight, &seven, &six], BTreeMap::new(), &base);
    on_eight.storage(contract, U256::from((number) % HISTORY_SERVE_WINDOW as u64))
}

#[test]
fn blockhash_reaches_unfinalised_ancestors_by_opcode_and_by_contract() {
    for number in [5, 6, 7] {
        let expected = U256::from_be_bytes([number as u8; 32]);
        assert_eq!(hash_seen(CONTRACT, number).unwrap(), expected, "opcode, block {number}");
        assert_eq!(hash_seen(HISTORY_STORAGE_ADDRESS, number).unwrap(), expected, "contract, block {number}");
    }
}

#[test]
fn an_unknown_block_hash_is_a_fault_of_this_node_not_zero() {
    let error = hash_seen(CONTRACT, 4).unwrap_err();
    assert_eq!(error.0, "the hash of block 4 is not known here");
}
