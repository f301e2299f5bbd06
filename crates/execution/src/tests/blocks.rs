//! Blocks of transfers: money, tips, invalid blocks, and one golden block.

use super::support::*;
use crate::{
    ExecutionError, FullRecomputation, StateCommitment, TransactionError, assemble_header, execute,
    genesis_diff, genesis_header,
};
use alloy_consensus::TxReceipt;
use alloy_consensus::transaction::Recovered;
use alloy_consensus::{SignableTransaction, TxEip1559, TxEip4844, TxEip4844Variant, TxEnvelope, TxLegacy};
use alloy_eips::eip2930::AccessList;
use alloy_primitives::{Address, B256, Bytes, U256, b256};
use alloy_signer::SignerSync;

const CONTRACT: Address = Address::repeat_byte(0xcc);

fn mixed() -> Vec<crate::SignedTransaction> {
    vec![
        transfer(1, 0),
        sign(TxLegacy { value: ether(1), ..legacy(1, Some(STRANGER)) }, 1),
        sign(TxEip1559 { input: deploy(COUNTER), value: ether(2), ..fee_market(0, None) }, 2),
        sign(TxEip1559 { input: Bytes::from_static(b"no"), ..fee_market(0, Some(CONTRACT)) }, 3),
        sign(access_list(0, CLERK, AccessList::default()), 4),
        sign(set_code(0, STRANGER, vec![authorize(6, 0, CONTRACT)]), 5),
        sign(TxEip1559 { value: ether(3), ..fee_market(0, Some(wallet(8).address())) }, 7),
    ]
}

fn before() -> MemoryState {
    state(&[(CONTRACT, Bytes::from_static(REVERTER))])
}

#[test]
fn a_transfer_moves_value_burns_the_base_fee_and_tips_the_clerk() {
    let mut state = before();
    let outcome = execute(&spec(), &input(1), &[transfer(1, 0)], &state).unwrap();
    state.apply(&outcome.diff);
    assert_eq!(outcome.gas_used, 21_000);
    assert_eq!(state.balance(STRANGER), U256::from(1));
    // EIP-1559: 1 gwei burnt, 2 gwei tip, though up to 10 were offered.
    assert_eq!(state.balance(CLERK), U256::from(21_000 * 2 * GWEI));
    let paid = U256::from(21_000 * 3 * GWEI + 1);
    assert_eq!(state.balance(wallet(1).address()), ether(100) - paid);
    assert_eq!(state.accounts[&wallet(1).address()].nonce, 1);
}

#[test]
fn the_supply_shrinks_by_exactly_the_base_fee() {
    let mut state = before();
    let supply = state.supply();
    let outcome = execute(&spec(), &input(1), &mixed(), &state).unwrap();
    state.apply(&outcome.diff);
    let burnt = U256::from(outcome.gas_used) * U256::from(GWEI);
    assert!(!burnt.is_zero());
    assert_eq!(state.supply() + burnt, supply);
    let statuses: Vec<bool> = outcome.receipts.iter().map(TxReceipt::status).collect();
    assert_eq!(statuses, [true, true, true, false, true, true, true]);
}

#[test]
fn an_empty_block_pays_nobody() {
    let mut state = before();
    let supply = state.supply();
    let outcome = execute(&spec(), &input(1), &[], &state).unwrap();
    state.apply(&outcome.diff);
    assert_eq!((state.supply(), state.balance(CLERK), outcome.gas_used), (supply, U256::ZERO, 0));
}

#[test]
fn the_same_block_twice_gives_the_same_outcome() {
    let run = || execute(&spec(), &input(1), &mixed(), &before()).unwrap();
    assert_eq!(run(), run());
    let kinds: Vec<u8> = run().receipts.iter().map(|receipt| receipt.tx_type() as u8).collect();
    assert_eq!(kinds, [2, 0, 2, 2, 1, 4, 2]);
}

/// Changing this hash changes the chain's rules: a deliberate act (ARCHITECTURE, "formats").
#[test]
fn golden_block() {
    let genesis = genesis(&[(CONTRACT, Bytes::from_static(REVERTER))]);
    let mut commitment = FullRecomputation::new();
    commitment.apply(&genesis_diff(&genesis));
    let parent = genesis_header(&genesis, commitment.root(&[]));
    let input = crate::BlockInput { parent_hash: parent.hash_slow(), ..input(1) };
    let outcome = execute(&spec(), &input, &mixed(), &before()).unwrap();
    let root = commitment.root(&[&outcome.diff]);
    let header = assemble_header(&spec(), &input, &mixed(), &outcome, root);
    crate::check_header(&header, &parent, &spec()).unwrap();
    let expected = b256!("f585aa39e7328410d9efdb4d2961134d50df13287b7f9e3532615ebabda46697");
    assert_eq!(header.hash_slow(), expected, "{header:#?}");
}

/// Runs a good transfer and then `bad`; returns why the block is invalid.
fn refusal(bad: crate::SignedTransaction) -> TransactionError {
    match execute(&spec(), &input(1), &[transfer(8, 0), bad.clone()], &before()) {
        Err(ExecutionError::Transaction { index: 1, hash, reason }) if hash == *bad.tx_hash() => *reason,
        other => panic!("expected transaction 1 to be refused, got {other:?}"),
    }
}

#[test]
fn a_wrong_nonce_makes_the_block_invalid() {
    assert_eq!(refusal(transfer(1, 1)), TransactionError::NonceTooHigh { next: 0, nonce: 1 });
    assert_eq!(refusal(transfer(8, 0)), TransactionError::NonceTooLow { next: 1, nonce: 0 });
}

#[test]
fn insufficient_balance_makes_the_block_invalid() {
    let bad = TxEip1559 { value: ether(100), gas_limit: 21_000, ..fee_market(0, Some(STRANGER)) };
    let cost = ether(100) + U256::from(21_000 * 10 * GWEI);
    let overshot = U256::from(21_000 * 10 * GWEI);
    let expected = TransactionError::InsufficientFunds { balance: ether(100), cost };
    assert_eq!(refusal(sign(bad, 1)), expected);
    let words = format!(
        "insufficient funds for gas * price + value: balance {}, tx cost {cost}, overshot {overshot}",
        ether(100)
    );
    assert_eq!(expected.to_string(), words);
    let bad = TxEip1559 { value: U256::MAX, ..fee_market(0, Some(STRANGER)) };
    assert_eq!(refusal(sign(bad, 1)), TransactionError::CostOverflow);
}

#[test]
fn a_foreign_chain_id_makes_the_block_invalid() {
    let bad = sign(TxEip1559 { chain_id: 1, ..fee_market(0, Some(STRANGER)) }, 1);
    assert_eq!(refusal(bad), TransactionError::ChainId { have: 1, want: CHAIN_ID });
}

#[test]
fn too_much_gas_makes_the_block_invalid() {
    let with_gas = |gas_limit| sign(TxEip1559 { gas_limit, ..fee_market(0, Some(STRANGER)) }, 1);
    let cap = 16_777_216;
    assert_eq!(refusal(with_gas(cap + 1)), TransactionError::GasLimitTooHigh { cap, gas: cap + 1 });
    // A small block: what is left after the first transfer is 29,000.
    let small = crate::ChainSpec { gas_limit: 50_000, ..spec() };
    let run = |gas| execute(&small, &input(1), &[transfer(8, 0), with_gas(gas)], &before());
    assert!(run(29_000).is_ok());
    let reason = |gas| match run(gas) {
        Err(ExecutionError::Transaction { index: 1, reason, .. }) => *reason,
        other => panic!("{other:?}"),
    };
    assert_eq!(reason(29_001), TransactionError::GasLimitReached { gas: 29_001, left: 29_000 });
    assert_eq!(reason(50_001), TransactionError::ExceedsBlockGasLimit { gas: 50_001, limit: 50_000 });
}

#[test]
fn too_little_gas_or_fee_makes_the_block_invalid() {
    let bad = sign(TxEip1559 { gas_limit: 20_999, ..fee_market(0, Some(STRANGER)) }, 1);
    assert_eq!(refusal(bad), TransactionError::IntrinsicGas { gas: 20_999, needed: 21_000 });
    let data = Bytes::from(vec![1; 1000]);
    let bad = sign(TxEip1559 { gas_limit: 60_999, input: data, ..fee_market(0, Some(STRANGER)) }, 1);
    assert_eq!(refusal(bad), TransactionError::FloorDataGas { gas: 60_999, needed: 61_000 });
    let max_fee = u128::from(GWEI) - 1;
    let cheap =
        TxEip1559 { max_fee_per_gas: max_fee, max_priority_fee_per_gas: 0, ..fee_market(0, Some(STRANGER)) };
    let sender = wallet(1).address();
    assert_eq!(
        refusal(sign(cheap, 1)),
        TransactionError::FeeBelowBaseFee { sender, max_fee, base_fee: GWEI }
    );
    let (tip, max_fee) = (u128::from(11 * GWEI), u128::from(10 * GWEI));
    let bad = TxEip1559 { max_priority_fee_per_gas: tip, ..fee_market(0, Some(STRANGER)) };
    assert_eq!(refusal(sign(bad, 1)), TransactionError::TipAboveFee { sender, tip, max_fee });
}

#[test]
fn blobs_make_the_block_invalid() {
    let blob = TxEip4844 {
        chain_id: CHAIN_ID,
        gas_limit: 21_000,
        max_fee_per_gas: 10 * u128::from(GWEI),
        max_fee_per_blob_gas: 10,
        blob_versioned_hashes: vec![B256::with_last_byte(1)],
        ..Default::default()
    };
    let signature = wallet(1).sign_hash_sync(&blob.signature_hash()).unwrap();
    let envelope = TxEnvelope::Eip4844(TxEip4844Variant::TxEip4844(blob).into_signed(signature));
    assert_eq!(crate::recover_envelope(envelope.clone()), Err(TransactionError::BlobsNotSupported));
    let bad = Recovered::new_unchecked(envelope, wallet(1).address());
    assert_eq!(refusal(bad.clone()), TransactionError::BlobsNotSupported);
    assert_eq!(crate::check_transaction(&bad, &spec()), Err(TransactionError::BlobsNotSupported));
}

#[test]
fn an_empty_authorization_list_makes_the_block_invalid() {
    let bad = sign(set_code(0, STRANGER, Vec::new()), 1);
    assert_eq!(refusal(bad), TransactionError::NoAuthorizations);
}

#[test]
fn a_contract_cannot_send() {
    let mut state = before();
    let sender = wallet(1).address();
    let code_hash = state.accounts[&CONTRACT].code_hash;
    state.accounts.get_mut(&sender).unwrap().code_hash = code_hash;
    let error = execute(&spec(), &input(1), &[transfer(1, 0)], &state).unwrap_err();
    let ExecutionError::Transaction { index: 0, reason, .. } = error else { panic!("{error}") };
    assert_eq!(*reason, TransactionError::SenderNotEoa { sender });
}

#[test]
fn a_failing_disk_is_not_the_blocks_fault() {
    let error = execute(&spec(), &input(1), &[], &BrokenState).unwrap_err();
    assert!(matches!(error, ExecutionError::State(_)), "{error}");
}

#[test]
fn missing_system_contracts_do_not_stop_the_chain() {
    let outcome = execute(&spec(), &input(1), &[], &MemoryState::default()).unwrap();
    assert_eq!(outcome, crate::Outcome::default());
}
