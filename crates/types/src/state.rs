//! The world state as execution sees it: a reader below, a difference on top.

use alloy_primitives::{Address, B256, Bytes, KECCAK256_EMPTY, U256};
use alloy_rlp::{RlpDecodable, RlpEncodable};
use std::collections::BTreeMap;
use thiserror::Error;

/// An account without its storage.
#[derive(Clone, Copy, Debug, PartialEq, Eq, RlpEncodable, RlpDecodable)]
pub struct Account {
    /// Transactions sent, or for a contract contracts created.
    pub nonce: u64,
    /// Balance in wei.
    pub balance: U256,
    /// keccak256 of the code.
    pub code_hash: B256,
}

impl Default for Account {
    fn default() -> Self {
        Self { nonce: 0, balance: U256::ZERO, code_hash: KECCAK256_EMPTY }
    }
}

/// What changed in one account.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AccountDiff {
    /// The account after the block; `None` = it does not exist.
    pub account: Option<Account>,
    /// All storage that stood before the block is gone (self-destruct); `storage` holds what came after.
    pub storage_wiped: bool,
    /// Slots written and their values after the block; zero = empty.
    pub storage: BTreeMap<U256, U256>,
}

/// What one block (or genesis) changed, sorted, so that every machine hashes and writes it alike.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StateDiff {
    /// Changed accounts.
    pub accounts: BTreeMap<Address, AccountDiff>,
    /// New code by keccak256.
    pub codes: BTreeMap<B256, Bytes>,
}

/// The state could not be read: a failing disk, never an absent value.
#[derive(Debug, Error)]
#[error("state could not be read: {0}")]
pub struct StateError(pub String);

/// Read access to the state after one particular block.
pub trait StateReader {
    /// The account, or `None` where it does not exist.
    ///
    /// # Errors
    /// The disk failed.
    fn account(&self, address: Address) -> Result<Option<Account>, StateError>;

    /// A storage slot; zero where it was never written.
    ///
    /// # Errors
    /// The disk failed.
    fn storage(&self, address: Address, slot: U256) -> Result<U256, StateError>;

    /// Code by its keccak256; `None` for an unknown hash.
    ///
    /// # Errors
    /// The disk failed.
    fn code(&self, code_hash: B256) -> Result<Option<Bytes>, StateError>;

    /// Hash of an ancestor block by number; `None` where it is unknown.
    ///
    /// # Errors
    /// The disk failed.
    fn block_hash(&self, number: u64) -> Result<Option<B256>, StateError>;
}
