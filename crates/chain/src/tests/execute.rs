//! Bad blocks are found by executing them, one test per fault; and executing costs no more than needed.

use super::fixture::{BTN, Fixture, GWEI, LOGGER, payment, sign, transfer, wallet};
use crate::testing::{Fault, forge, with_transactions};
use crate::{BlockError, Layer};
use alloy_consensus::TxEip1559;
use alloy_primitives::Bloom;
use btn_execution::{ExecutionError, HeaderError, SignedTransaction, TransactionError};
use btn_types::{B256, Block, StateReader, U256};
use std::sync::Arc;

fn setting() -> (Fixture, Block) {
    let fixture = Fixture::new();
    let call = TxEip1559 { to: LOGGER.into(), gas_limit: 50_000, nonce: 1, ..payment(2) };
    let transactions = [transfer(&wallet(0), 0, 2), sign(&wallet(0), call)];
    let block = fixture.foreign(fixture.genesis_hash(), 1, &transactions);
    assert_eq!(block.transactions.len(), 2);
    (fixture, block)
}

/// The forged block passes insertion, and falls when it is executed: for ever. The honest one still passes.
fn refusal_of(fixture: &mut Fixture, honest: Block, forged: Block) -> BlockError {
    let hash = fixture.insert(forged.clone()).unwrap().hash;
    let error = fixture.chain.execute(hash).unwrap_err();
    assert!(error.is_permanent(), "{error}");
    assert!(fixture.chain.is_invalid(hash) && fixture.chain.meta(hash).is_none());
    assert!(matches!(fixture.insert(forged), Err(BlockError::KnownInvalid(_))));
    assert!(matches!(fixture.chain.execute(hash), Err(BlockError::KnownInvalid(_))));
    let honest = fixture.insert(honest).unwrap().hash;
    fixture.chain.execute(honest).unwrap();
    fixture.finalize(honest);
    error
}

/// The error of the honest block with this fault.
fn fault_refusal(fault: Fault) -> BlockError {
    let (mut fixture, honest) = setting();
    let forged = forge(&mut fixture.restarted(), &honest, fault).unwrap();
    assert_ne!(forged, honest);
    assert!(fault.needs_execution());
    refusal_of(&mut fixture, honest, forged)
}

/// A block with these transactions, whose header claims that they are right.
fn transactions_refusal(transactions: Vec<SignedTransaction>) -> BlockError {
    let (mut fixture, honest) = setting();
    let transactions = transactions.into_iter().map(SignedTransaction::into_inner).collect();
    let forged = with_transactions(&honest, transactions);
    refusal_of(&mut fixture, honest, forged)
}

/// The place of the transaction at which execution gave up.
fn failed_position(error: &BlockError) -> usize {
    let BlockError::Execution(ExecutionError::Transaction { index, .. }) = error else { panic!("{error}") };
    *index
}

#[test]
fn stealing() {
    let error = fault_refusal(Fault::Theft);
    assert!(matches!(error, BlockError::StateRoot { .. }), "{error}");
}

#[test]
fn minting() {
    let error = fault_refusal(Fault::Minting);
    assert!(matches!(error, BlockError::StateRoot { .. }), "{error}");
}

#[test]
fn excess_fee_to_the_clerk() {
    let (fixture, honest) = setting();
    let mut other = fixture.restarted();
    let hash = other.insert(Arc::new(honest.clone())).unwrap().hash;
    other.execute(hash).unwrap();
    let clerk = other.state_at(hash).unwrap().account(honest.header.beneficiary).unwrap().unwrap();
    assert!(clerk.balance >= U256::from(2 * GWEI * 42_000), "the clerk earned {}", clerk.balance);
    let error = fault_refusal(Fault::ExcessFee);
    assert!(matches!(error, BlockError::StateRoot { .. }), "{error}");
}

/// Faults that insertion finds, before anything is executed: for ever too.
fn insertion_refusal(fault: Fault) -> BlockError {
    assert!(!fault.needs_execution());
    let (mut fixture, honest) = setting();
    let forged = forge(&mut fixture.restarted(), &honest, fault).unwrap();
    let hash = forged.hash();
    let error = fixture.insert(forged).unwrap_err();
    assert!(error.is_permanent() && fixture.chain.is_invalid(hash), "{error}");
    fixture.insert(honest).unwrap();
    error
}

#[test]
fn excess_fee_to_a_stranger() {
    let error = insertion_refusal(Fault::Beneficiary);
    assert!(matches!(error, BlockError::Beneficiary { .. }), "{error}");
}

#[test]
fn excess_fee_by_a_raised_gas_price() {
    let error = insertion_refusal(Fault::BaseFee);
    assert!(matches!(error, BlockError::Header(HeaderError::BaseFee { .. })), "{error}");
}

#[test]
fn wrong_state_root() {
    let error = fault_refusal(Fault::StateRoot);
    assert!(matches!(error, BlockError::StateRoot { .. }), "{error}");
}

#[test]
fn wrong_receipts_root() {
    let error = fault_refusal(Fault::ReceiptsRoot);
    assert!(matches!(error, BlockError::ReceiptsRoot { .. }), "{error}");
}

#[test]
fn wrong_gas_used() {
    let (mut fixture, honest) = setting();
    let mut forged = honest.clone();
    forged.header.gas_used = 0;
    for error in [fault_refusal(Fault::GasUsed), refusal_of(&mut fixture, honest, forged)] {
        assert!(matches!(error, BlockError::GasUsed { .. }), "{error}");
    }
}

#[test]
fn wrong_bloom() {
    let (mut fixture, honest) = setting();
    let mut forged = honest.clone();
    forged.header.logs_bloom = Bloom::ZERO;
    for error in [fault_refusal(Fault::LogsBloom), refusal_of(&mut fixture, honest, forged)] {
        assert!(matches!(error, BlockError::LogsBloom), "{error}");
    }
}

#[test]
fn wrong_transactions_root_is_refused_before_execution() {
    let (mut fixture, honest) = setting();
    let mut forged = honest.clone();
    forged.header.transactions_root = B256::repeat_byte(1);
    let hash = forged.hash();
    let error = fixture.insert(forged).unwrap_err();
    assert!(matches!(error, BlockError::TransactionsRoot { .. }), "{error}");
    assert!(matches!(fixture.chain.execute(hash), Err(BlockError::Unknown(_))));
}

#[test]
fn stealing_under_a_forged_sender() {
    // The changed payment is signed by nobody who has anything.
    assert_eq!(failed_position(&fault_refusal(Fault::ForgedSender)), 0);
}

#[test]
fn unsigned_transaction() {
    let error = fault_refusal(Fault::Unsigned);
    assert!(matches!(error, BlockError::Sender { position: 0 }), "{error}");
}

#[test]
fn nonce_replay() {
    assert_eq!(failed_position(&fault_refusal(Fault::NonceReplay)), 2);
    let twice = transfer(&wallet(0), 0, 2);
    assert_eq!(failed_position(&transactions_refusal(vec![twice.clone(), twice])), 1);
}

#[test]
fn nonce_gap() {
    assert_eq!(failed_position(&transactions_refusal(vec![transfer(&wallet(0), 1, 2)])), 0);
}

#[test]
fn overdraft() {
    let poor = sign(&wallet(0), TxEip1559 { value: U256::from(1_000 * BTN), ..payment(2) });
    assert_eq!(failed_position(&transactions_refusal(vec![poor])), 0);
}

#[test]
fn transaction_of_another_chain() {
    let other_chain = sign(&wallet(0), TxEip1559 { chain_id: 1, ..payment(2) });
    assert_eq!(failed_position(&transactions_refusal(vec![other_chain])), 0);
}

#[test]
fn transaction_that_does_not_pay_the_base_fee() {
    let cheap = sign(&wallet(0), TxEip1559 { max_fee_per_gas: 1, max_priority_fee_per_gas: 0, ..payment(2) });
    assert_eq!(failed_position(&transactions_refusal(vec![cheap])), 0);
}

#[test]
fn ancestors_are_executed_first_and_fall_together() {
    let mut fixture = Fixture::new();
    let first = fixture.grow(fixture.genesis_hash(), 1);
    let mut forged = fixture.foreign(first, 2, &[]);
    forged.header.state_root = B256::repeat_byte(1);
    let forged_hash = fixture.insert(forged.clone()).unwrap().hash;
    let mut child = fixture.foreign_on_forged(&forged, 3);
    let child_hash = fixture.insert(child.clone()).unwrap().hash;
    assert!(!fixture.chain.is_executed(forged_hash) && !fixture.chain.is_executed(child_hash));
    let error = fixture.chain.execute(child_hash).unwrap_err();
    assert!(
        matches!(&error, BlockError::InvalidAncestor { ancestor, .. } if *ancestor == forged_hash),
        "{error}"
    );
    assert!(fixture.chain.is_invalid(forged_hash) && fixture.chain.is_invalid(child_hash));
    assert!(fixture.chain.is_executed(first));
    child.envelope.timestamp_ms += 1;
    fixture.recommit(&mut child);
    assert!(matches!(fixture.insert(child), Err(BlockError::InvalidAncestor { .. })));
}

#[test]
fn a_whole_branch_is_executed_at_once() {
    let mut fixture = Fixture::new();
    let mut blocks = Vec::new();
    let mut head = fixture.genesis_hash();
    for view in 1..=5 {
        fixture.chain.submit(transfer(&wallet(0), view - 1, 1), true).unwrap();
        head = fixture.grow(head, view);
        blocks.push(fixture.chain.block(head).unwrap().unwrap());
    }
    let mut other = fixture.restarted();
    for block in &blocks {
        other.insert(Arc::clone(block)).unwrap();
    }
    other.execute(head).unwrap();
    assert!(blocks.iter().all(|block| other.is_executed(block.hash())));
    let receipts = |layers: Vec<Arc<Layer>>| layers.iter().map(|l| l.receipts.clone()).collect::<Vec<_>>();
    assert_eq!(receipts(other.layers_to(head).unwrap()), receipts(fixture.chain.layers_to(head).unwrap()));
    assert_eq!(other.pending_nonce(head, wallet(0).address()).unwrap(), 5);
    assert_eq!(other.pending_nonce(fixture.genesis_hash(), wallet(0).address()).unwrap(), 0);
}

#[test]
fn no_sender_is_recovered_twice() {
    let fixture = Fixture::new();
    let known = [transfer(&wallet(0), 0, 2), transfer(&wallet(1), 0, 2)];
    let unknown = transfer(&wallet(2), 0, 2);
    let all = [known.as_slice(), &[unknown]].concat();
    let blocks = [1, 2].map(|view| fixture.foreign(fixture.genesis_hash(), view, &all));
    let mut node = fixture.restarted();
    for transaction in known {
        node.submit(transaction, false).unwrap();
    }
    for block in blocks {
        let hash = node.insert(Arc::new(block)).unwrap().hash;
        node.execute(hash).unwrap();
        node.execute(hash).unwrap();
    }
    assert_eq!(node.recoveries(), 1, "two were in the pool, one is in both blocks");
}

#[test]
fn unknown_blocks_are_not_executed() {
    let mut fixture = Fixture::new();
    let error = fixture.chain.execute(B256::repeat_byte(7)).unwrap_err();
    assert!(matches!(error, BlockError::Unknown(_)) && !error.is_permanent(), "{error}");
    fixture.chain.execute(fixture.genesis_hash()).unwrap();
}

#[test]
fn geth_words_for_what_the_state_refuses() {
    let mut fixture = Fixture::new();
    let error = fixture
        .chain
        .submit(sign(&wallet(0), TxEip1559 { value: U256::from(101 * BTN), ..payment(0) }), true)
        .unwrap_err();
    assert!(
        error.to_string().starts_with("insufficient funds for gas * price + value: balance 1000"),
        "{error}"
    );
    let error = fixture.chain.submit(sign(&wallet(0), TxEip1559 { chain_id: 1, ..payment(0) }), true);
    assert!(
        matches!(error, Err(crate::PoolError::Transaction(TransactionError::ChainId { .. }))),
        "{error:?}"
    );
}

#[test]
fn a_clerk_with_a_slow_clock_moves_time_on() {
    let mut fixture = Fixture::new();
    let first = fixture.grow(fixture.genesis_hash(), 1);
    let mut request = fixture.request(first, 2);
    request.timestamp_ms = 5;
    let block = fixture.chain.build(request).unwrap();
    assert_eq!(block.envelope.timestamp_ms, fixture.meta(first).timestamp_ms + 1);
}
