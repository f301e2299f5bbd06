//! Bad blocks are found by executing them, one test per fault; and executing costs no more than needed.

use super::fixture::{BTN, Fixture, GWEI, LOGGER, payment, sign, transfer, wallet};
use crate::{BlockError, Layer};
use alloy_consensus::proofs::calculate_transaction_root;
use alloy_consensus::{Header, TxEip1559};
use alloy_primitives::{Bloom, Signature};
use btn_execution::{ExecutionError, SignedTransaction, StateCommitment, TransactionError};
use btn_types::{Account, Address, B256, Block, StateDiff, U256};
use std::sync::Arc;

/// What a thief claims: the honest block's header with another state root.
fn claim(fixture: &Fixture, honest: &Block, change: impl FnOnce(&mut StateDiff)) -> Block {
    let mut other = fixture.restarted();
    let hash = other.insert(Arc::new(honest.clone())).unwrap().hash;
    other.execute(hash).unwrap();
    let mut diff = other.layers_to(hash).unwrap()[0].diff.clone();
    let before = diff.clone();
    change(&mut diff);
    assert_ne!(diff, before);
    let mut block = honest.clone();
    block.header.state_root = other.commitment.root(&[&diff]);
    block
}

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

fn state_root_refusal(change: impl FnOnce(&Block, &mut StateDiff)) {
    let (mut fixture, honest) = setting();
    let forged = claim(&fixture, &honest, |diff| change(&honest, diff));
    let error = refusal_of(&mut fixture, honest, forged);
    assert!(matches!(error, BlockError::StateRoot { .. }), "{error}");
}

fn header_refusal(forge: impl FnOnce(&mut Header)) -> BlockError {
    let (mut fixture, honest) = setting();
    let mut forged = honest.clone();
    forge(&mut forged.header);
    refusal_of(&mut fixture, honest, forged)
}

/// A block with these transactions, whose header claims that they are right.
fn transactions_refusal(transactions: Vec<SignedTransaction>) -> BlockError {
    let (mut fixture, honest) = setting();
    let mut forged = honest.clone();
    forged.transactions = transactions.into_iter().map(SignedTransaction::into_inner).collect();
    forged.header.transactions_root = calculate_transaction_root(&forged.transactions);
    refusal_of(&mut fixture, honest, forged)
}

fn account(diff: &mut StateDiff, address: Address) -> &mut Account {
    diff.accounts.entry(address).or_default().account.get_or_insert_default()
}

#[test]
fn stealing() {
    state_root_refusal(|block, diff| {
        account(diff, wallet(0).address()).balance -= U256::from(BTN);
        account(diff, block.header.beneficiary).balance += U256::from(BTN);
    });
}

#[test]
fn minting() {
    state_root_refusal(|_, diff| account(diff, Address::repeat_byte(0xaa)).balance += U256::from(BTN));
}

#[test]
fn excess_fee_to_the_clerk() {
    state_root_refusal(|block, diff| {
        let clerk = account(diff, block.header.beneficiary);
        assert!(clerk.balance >= U256::from(2 * GWEI * 42_000), "the clerk earned {}", clerk.balance);
        clerk.balance += U256::from(1);
    });
}

#[test]
fn wrong_receipts_root() {
    let error = header_refusal(|header| header.receipts_root = B256::repeat_byte(1));
    assert!(matches!(error, BlockError::ReceiptsRoot { .. }), "{error}");
}

#[test]
fn wrong_gas_used() {
    for error in [header_refusal(|header| header.gas_used += 1), header_refusal(|header| header.gas_used = 0)]
    {
        assert!(matches!(error, BlockError::GasUsed { .. }), "{error}");
    }
}

#[test]
fn wrong_bloom() {
    let error = header_refusal(|header| header.logs_bloom = Bloom::ZERO);
    assert!(matches!(error, BlockError::LogsBloom), "{error}");
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
fn invalid_transactions() {
    let bad_nonce = transfer(&wallet(0), 1, 2);
    let poor = sign(&wallet(0), TxEip1559 { value: U256::from(1_000 * BTN), ..payment(2) });
    let other_chain = sign(&wallet(0), TxEip1559 { chain_id: 1, ..payment(2) });
    let cheap = sign(&wallet(0), TxEip1559 { max_fee_per_gas: 1, max_priority_fee_per_gas: 0, ..payment(2) });
    let twice = transfer(&wallet(0), 0, 2);
    for (position, transactions) in [
        (0, vec![bad_nonce]),
        (0, vec![poor]),
        (0, vec![other_chain]),
        (0, vec![cheap]),
        (1, vec![twice.clone(), twice]),
    ] {
        let error = transactions_refusal(transactions);
        let BlockError::Execution(ExecutionError::Transaction { index, .. }) = error else {
            panic!("{error}")
        };
        assert_eq!(index, position);
    }
}

#[test]
fn unsigned_transaction() {
    use alloy_consensus::SignableTransaction;
    let signature = Signature::new(U256::from(1), U256::MAX, false);
    let forged = payment(2).into_signed(signature).into();
    let error = transactions_refusal(vec![SignedTransaction::new_unchecked(forged, wallet(0).address())]);
    assert!(matches!(error, BlockError::Sender { position: 0 }), "{error}");
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
    fixture.seal(&mut child);
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
