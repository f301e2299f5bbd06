//! The traits between the chain and its disk: one writer, any number of readers, finalised data only.

#[cfg(test)]
mod tests;

use crate::{FinalizedBatch, StoreError, StoredTip};
use alloy_consensus::{Header, ReceiptEnvelope};
use btn_types::{
    Account, Address, B256, Block, Bytes, Certificate, Height, Seal, StateError, StateReader, U256,
};
use std::sync::Arc;

/// Non-zero storage slots of one account, ascending by slot.
pub type SlotIterator<'a> = dyn Iterator<Item = Result<(U256, U256), StoreError>> + 'a;

/// Receives one account with its storage; returning an error ends the walk with it.
pub type AccountVisitor<'a> =
    dyn FnMut(Address, Account, &mut SlotIterator<'_>) -> Result<(), StoreError> + 'a;

/// The writing side. There is one per database.
pub trait Store: Send {
    /// A reader of whatever is newest at each of its calls. Cheap; readers outlive the store's borrow.
    fn reader(&self) -> Arc<dyn StoreReader>;

    /// Writes a batch: all of it is durable when this returns `Ok`, none of it is visible otherwise. An empty
    /// batch does nothing. After an error the caller must stop: the disk is in doubt.
    ///
    /// # Errors
    /// The batch does not continue the stored tip, or the disk failed.
    fn commit(&mut self, batch: FinalizedBatch) -> Result<(), StoreError>;
}

/// The reading side: finalised blocks, and the state after the stored tip. Each call sees one consistent
/// newest view; to ask several questions about one state take a [`snapshot`](StoreReader::snapshot) first.
pub trait StoreReader: Send + Sync {
    /// A reader fixed at what is newest now. Cheap to take; hold it for one request, not for ever: a database
    /// cannot reuse the space of what a snapshot still sees.
    ///
    /// # Errors
    /// The disk failed.
    fn snapshot(&self) -> Result<Arc<dyn StoreReader>, StoreError>;

    /// The highest stored block; `None` = empty database.
    ///
    /// # Errors
    /// The disk failed.
    fn tip(&self) -> Result<Option<StoredTip>, StoreError>;

    /// The block at a height.
    ///
    /// # Errors
    /// The disk failed.
    fn block(&self, height: Height) -> Result<Option<Block>, StoreError>;

    /// The header at a height, without reading the body.
    ///
    /// # Errors
    /// The disk failed.
    fn header(&self, height: Height) -> Result<Option<Header>, StoreError>;

    /// Hash of the block at a height.
    ///
    /// # Errors
    /// The disk failed.
    fn hash_of(&self, height: Height) -> Result<Option<B256>, StoreError>;

    /// Height of the block with this hash.
    ///
    /// # Errors
    /// The disk failed.
    fn height_of(&self, hash: B256) -> Result<Option<Height>, StoreError>;

    /// Receipts of the block at a height, in transaction order.
    ///
    /// # Errors
    /// The disk failed.
    fn receipts(&self, height: Height) -> Result<Option<Vec<ReceiptEnvelope>>, StoreError>;

    /// The block's own Finalization. Not every height has one: a Finalization covers all ancestors.
    ///
    /// # Errors
    /// The disk failed.
    fn finalization(&self, height: Height) -> Result<Option<Certificate>, StoreError>;

    /// The newest block of the third state; `None` where none was recorded: at first, and for ever where
    /// nobody supervises.
    ///
    /// # Errors
    /// The disk failed.
    fn third_state(&self) -> Result<Option<StoredTip>, StoreError>;

    /// The seals that made the block at a height the third state; none where another block's seals covered it.
    ///
    /// # Errors
    /// The disk failed.
    fn seals(&self, height: Height) -> Result<Vec<Seal>, StoreError>;

    /// Height of the block that holds a transaction, and the transaction's place in it.
    ///
    /// # Errors
    /// The disk failed.
    fn transaction_location(&self, hash: B256) -> Result<Option<(Height, u32)>, StoreError>;

    /// An account in the state after the tip; `None` where it does not exist.
    ///
    /// # Errors
    /// The disk failed.
    fn account(&self, address: Address) -> Result<Option<Account>, StoreError>;

    /// A storage slot in the state after the tip; zero where it was never written.
    ///
    /// # Errors
    /// The disk failed.
    fn storage(&self, address: Address, slot: U256) -> Result<U256, StoreError>;

    /// Code by its keccak256; `None` for an unknown hash.
    ///
    /// # Errors
    /// The disk failed.
    fn code(&self, code_hash: B256) -> Result<Option<Bytes>, StoreError>;

    /// Walks all accounts, ascending by address, each with its non-zero slots, in one consistent view. For
    /// start-up, where the state commitment is built.
    ///
    /// # Errors
    /// The disk failed, or what the visitor returned.
    fn for_each_account(&self, visit: &mut AccountVisitor<'_>) -> Result<(), StoreError>;
}

/// The stored state as execution reads it: accounts after the tip, hashes of stored ancestors.
#[derive(Clone)]
pub struct StoredState(Arc<dyn StoreReader>);

impl StoredState {
    /// The state behind a reader. Give it a snapshot where several reads must agree.
    #[must_use]
    pub fn new(reader: Arc<dyn StoreReader>) -> Self {
        Self(reader)
    }
}

fn state_error(error: StoreError) -> StateError {
    StateError(error.to_string())
}

impl StateReader for StoredState {
    fn account(&self, address: Address) -> Result<Option<Account>, StateError> {
        self.0.account(address).map_err(state_error)
    }

    fn storage(&self, address: Address, slot: U256) -> Result<U256, StateError> {
        self.0.storage(address, slot).map_err(state_error)
    }

    fn code(&self, code_hash: B256) -> Result<Option<Bytes>, StateError> {
        self.0.code(code_hash).map_err(state_error)
    }

    fn block_hash(&self, number: u64) -> Result<Option<B256>, StateError> {
        self.0.hash_of(Height(number)).map_err(state_error)
    }
}
