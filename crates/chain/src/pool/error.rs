//! Why the pool refuses a transaction, in geth's words: wallets and libraries match on them.

use alloy_primitives::{Address, U256};
use btn_execution::TransactionError;
use btn_types::StateError;
use thiserror::Error;

/// A transaction is not taken into the pool.
#[derive(Debug, Error)]
pub enum PoolError {
    /// The same transaction is in the pool.
    #[error("already known")]
    AlreadyKnown,
    /// The nonce lies too far ahead to be worth keeping.
    #[error("nonce too high: address {sender}, tx: {actual} state: {state}, at most {most} is kept")]
    NonceTooHigh {
        /// Whose transaction.
        sender: Address,
        /// The transaction's nonce.
        actual: u64,
        /// The account's nonce in the finalised state.
        state: u64,
        /// Highest nonce that is kept.
        most: u64,
    },
    /// The balance does not cover it together with the sender's other transactions in the pool.
    #[error(
        "insufficient funds for gas * price + value: balance {balance}, queued cost {queued}, tx cost {cost}, \
         overshot {}", queued.saturating_add(*cost).saturating_sub(*balance)
    )]
    Overdraft {
        /// Balance in wei.
        balance: U256,
        /// Most the sender's other pooled transactions may cost in wei.
        queued: U256,
        /// Most the transaction may cost in wei.
        cost: U256,
    },
    /// A replacement must raise both fee caps by a tenth.
    #[error("replacement transaction underpriced")]
    ReplacementUnderpriced,
    /// It pays less than everything a full pool holds.
    #[error("transaction underpriced")]
    Underpriced,
    /// The sender has too many transactions in the pool.
    #[error("account limit exceeded: {most} transactions of one sender")]
    AccountLimit {
        /// Most transactions of one sender.
        most: usize,
    },
    /// No room, and nothing cheaper to give way.
    #[error("txpool is full")]
    Full,
    /// Invalid on its own, or in the finalised state: a used nonce, insufficient funds.
    #[error(transparent)]
    Transaction(#[from] TransactionError),
    /// The sender's account could not be read.
    #[error(transparent)]
    State(#[from] StateError),
}
