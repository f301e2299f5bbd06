//! Why the store refuses or fails. Every message names the place and, where there is one, the remedy.

use btn_types::{B256, Height, NodeId};
use std::path::PathBuf;
use thiserror::Error;

/// Errors of [`crate::Store`] and [`crate::StoreReader`].
#[derive(Debug, Error)]
pub enum StoreError {
    /// The database engine failed: disk full, I/O error, file locked.
    #[error(
        "database {path}: {doing} failed: {source}; the node stops rather than go on with a doubtful disk: \
         check free space and the system log, then start it again"
    )]
    Database {
        /// The database file.
        path: PathBuf,
        /// What was being done.
        doing: &'static str,
        /// What the engine said.
        #[source]
        source: Box<redb::Error>,
    },
    /// What was read cannot be what was written.
    #[error(
        "database {path} is damaged: {what}: {reason}; move chain.redb away and keep the journal: the node \
         then syncs again from its peers"
    )]
    Damaged {
        /// The database file.
        path: PathBuf,
        /// Table and key.
        what: String,
        /// Why it cannot be right.
        reason: String,
    },
    /// The database was written by another version of this program.
    #[error(
        "database {path} has schema {theirs}, this program reads schema {ours}; run the program that wrote \
         it, or move chain.redb away and let the node sync again"
    )]
    Schema {
        /// The database file.
        path: PathBuf,
        /// Schema of this program.
        ours: u64,
        /// Schema found.
        theirs: u64,
    },
    /// The database belongs to another chain.
    #[error(
        "database {path} belongs to the chain with genesis {theirs}, this node is configured for genesis \
         {ours}; use that chain's genesis file, or another data directory"
    )]
    OtherChain {
        /// The database file.
        path: PathBuf,
        /// Genesis hash of the configuration.
        ours: B256,
        /// Genesis hash in the database.
        theirs: B256,
    },
    /// A batch leaves a gap or repeats a height.
    #[error("finalised batch is out of order: expected height {expected}, got {actual}")]
    HeightOutOfOrder {
        /// Height after the stored tip.
        expected: Height,
        /// Height in the batch.
        actual: Height,
    },
    /// A batch forks off the stored chain.
    #[error("finalised block {height} has parent {actual}, but the block below it is {expected}")]
    WrongParent {
        /// Height of the block.
        height: Height,
        /// Hash of the block below.
        expected: B256,
        /// Parent hash in its header.
        actual: B256,
    },
    /// The hash given with a block is not its header's.
    #[error("finalised block {height} came with hash {actual}, but its header hashes to {expected}")]
    WrongHash {
        /// Height of the block.
        height: Height,
        /// keccak256 of the header.
        expected: B256,
        /// Hash given.
        actual: B256,
    },
    /// Receipts and transactions differ in number.
    #[error("finalised block {height} has {expected} transactions but {actual} receipts")]
    ReceiptCount {
        /// Height of the block.
        height: Height,
        /// Transactions.
        expected: usize,
        /// Receipts.
        actual: usize,
    },
    /// The third state would move back or stay.
    #[error("the third state moves to height {actual}, it must rise to {expected} at least")]
    ThirdStateBack {
        /// Lowest height allowed.
        expected: Height,
        /// Height in the batch.
        actual: Height,
    },
    /// The sealed block is not final after the batch.
    #[error("sealed block {height} has hash {actual}, but the final block of that height is {expected:?}")]
    SealedNotFinal {
        /// Height of the sealed block.
        height: Height,
        /// Hash of the final block there, if there is one.
        expected: Option<B256>,
        /// Hash given.
        actual: B256,
    },
    /// A seal of another block.
    #[error("sealed block {height} came with a seal of supervisor {supervisor} on another block")]
    ForeignSeal {
        /// Height of the sealed block.
        height: Height,
        /// Whose seal.
        supervisor: NodeId,
    },
    /// No seals, or not strictly ascending by supervisor.
    #[error(
        "sealed block {height} came with {actual} seals that do not ascend strictly by supervisor, or none"
    )]
    SealOrder {
        /// Height of the sealed block.
        height: Height,
        /// Seals given.
        actual: usize,
    },
}
