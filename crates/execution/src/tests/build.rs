//! Packing a block: what is taken, what is left out, and that the result is the block others execute.

use super::support::*;
use crate::{Built, ChainSpec, SignedTransaction, TransactionError, assemble_header, build, execute};
use alloy_consensus::TxEip1559;
use alloy_primitives::{B256, Bytes, U256};
use alloy_rlp::Encodable;
use btn_types::limits::MAX_BLOCK_BYTES;

fn pack(spec: &ChainSpec, candidates: Vec<SignedTransaction>, max_bytes: usize) -> Built {
    build(spec, &input(1), &mut candidates.into_iter(), max_bytes, &state(&[])).unwrap()
}

fn hashes(built: &Built) -> Vec<B256> {
    built.transactions.iter().map(|transaction| *transaction.tx_hash()).collect()
}

#[test]
fn what_is_built_executes_to_the_same_header() {
    let candidates: Vec<_> = (0..3).flat_map(|nonce| [transfer(1, nonce), transfer(2, nonce)]).collect();
    let create = sign(TxEip1559 { input: deploy(COUNTER), ..fee_market(0, None) }, 3);
    let built = pack(&spec(), [candidates, vec![create]].concat(), MAX_BLOCK_BYTES);
    assert_eq!((built.transactions.len(), built.rejected.len()), (7, 0));
    let outcome = execute(&spec(), &input(1), &built.transactions, &state(&[])).unwrap();
    assert_eq!(outcome, built.outcome);
    let header = |outcome| assemble_header(&spec(), &input(1), &built.transactions, outcome, B256::ZERO);
    assert_eq!(header(&outcome).hash_slow(), header(&built.outcome).hash_slow());
}

#[test]
fn a_bad_candidate_is_left_out_with_its_reason_and_so_are_its_successors() {
    let poor = sign(TxEip1559 { value: ether(200), ..fee_market(0, Some(STRANGER)) }, 1);
    let candidates = vec![poor.clone(), transfer(1, 1), transfer(2, 0)];
    let built = pack(&spec(), candidates, MAX_BLOCK_BYTES);
    assert_eq!(hashes(&built), [*transfer(2, 0).tx_hash()]);
    let [(hash, reason)] = &built.rejected[..] else { panic!("{:?}", built.rejected) };
    assert_eq!(hash, poor.tx_hash());
    assert!(reason.to_string().starts_with("insufficient funds for gas * price + value"), "{reason}");
    assert_eq!(built.outcome, execute(&spec(), &input(1), &built.transactions, &state(&[])).unwrap());
}

#[test]
fn a_used_nonce_does_not_hold_up_the_sender() {
    let built = pack(&spec(), vec![transfer(1, 0), transfer(1, 0), transfer(1, 1)], MAX_BLOCK_BYTES);
    assert_eq!(hashes(&built), [*transfer(1, 0).tx_hash(), *transfer(1, 1).tx_hash()]);
    assert_eq!(
        built.rejected,
        [(*transfer(1, 0).tx_hash(), TransactionError::NonceTooLow { next: 1, nonce: 0 })]
    );
}

#[test]
fn a_gap_is_refused_but_may_close() {
    let built = pack(&spec(), vec![transfer(1, 1)], MAX_BLOCK_BYTES);
    assert!(built.transactions.is_empty());
    assert!(built.rejected[0].1.is_temporary(), "{:?}", built.rejected);
}

#[test]
fn what_does_not_fit_the_gas_waits_and_smaller_ones_of_others_go_in() {
    let spec = ChainSpec { gas_limit: 100_000, ..spec() };
    let big = sign(TxEip1559 { gas_limit: 90_000, ..fee_market(1, Some(STRANGER)) }, 1);
    let candidates =
        vec![transfer(1, 0), big, transfer(1, 2), transfer(2, 0), transfer(3, 0), transfer(4, 0)];
    let built = pack(&spec, candidates, MAX_BLOCK_BYTES);
    let expected = [transfer(1, 0), transfer(2, 0), transfer(3, 0), transfer(4, 0)];
    assert_eq!(hashes(&built), expected.map(|transaction| *transaction.tx_hash()));
    assert!(built.rejected.is_empty());
    assert_eq!(built.outcome.gas_used, 84_000);
}

#[test]
fn bytes_are_bounded() {
    let large = TxEip1559 { input: Bytes::from(vec![0; 2_000]), ..fee_market(0, Some(STRANGER)) };
    let size = transfer(2, 0).inner().length();
    let candidates = vec![sign(large, 1), transfer(2, 0), transfer(3, 0), transfer(4, 0)];
    let built = pack(&spec(), candidates, 2 * size + 1);
    assert_eq!(hashes(&built), [*transfer(2, 0).tx_hash(), *transfer(3, 0).tx_hash()]);
    assert!(built.rejected.is_empty());
}

#[test]
fn a_full_block_stops_asking() {
    let spec = ChainSpec { gas_limit: 60_000, ..spec() };
    let mut asked = 0;
    let mut candidates = (0..).map(|nonce| transfer(1, nonce)).inspect(|_| asked += 1);
    let built = build(&spec, &input(1), &mut candidates, MAX_BLOCK_BYTES, &state(&[])).unwrap();
    assert_eq!((built.transactions.len(), asked), (2, 2));
    assert_eq!(built.outcome.gas_used, 42_000);
    assert!(built.outcome.diff.accounts[&STRANGER].account.is_some_and(|a| a.balance == U256::from(2)));
}
