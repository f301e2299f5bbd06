//! Executed blocks that the disk does not have yet, and the state on top of them.

use crate::BlockMeta;
use alloy_consensus::ReceiptEnvelope;
use alloy_primitives::{Address, B256, Bytes, U256};
use btn_execution::Overlay;
use btn_storage::{StoreReader, StoredState};
use btn_types::{Account, Block, StateDiff, StateError, StateReader};
use std::sync::Arc;

/// An executed block: immutable and shared.
#[derive(Debug)]
pub struct Layer {
    /// Its place.
    pub meta: BlockMeta,
    /// The block.
    pub block: Arc<Block>,
    /// Sender of each transaction.
    pub senders: Vec<Address>,
    /// Receipt of each transaction.
    pub receipts: Vec<ReceiptEnvelope>,
    /// What it changed in the state.
    pub diff: StateDiff,
}

/// The state after a block: layers over the stored state. It holds what it needs and may outlive the chain's
/// next step. For many reads take [`LayeredState::overlay`] once.
#[derive(Clone)]
pub struct LayeredState {
    /// Oldest first, parent-linked; the oldest ones may be stored already, which does no harm.
    layers: Vec<Arc<Layer>>,
    stored: StoredState,
}

impl LayeredState {
    pub(crate) fn new(layers: Vec<Arc<Layer>>, reader: Arc<dyn StoreReader>) -> Self {
        Self { layers, stored: StoredState::new(reader) }
    }

    /// The state for the EVM.
    #[must_use]
    pub fn overlay(&self) -> Overlay<'_> {
        let diffs = self.layers.iter().rev().map(|layer| &layer.diff).collect();
        let hashes = self.layers.iter().map(|layer| (layer.meta.height.0, layer.meta.hash)).collect();
        Overlay::new(diffs, hashes, &self.stored)
    }
}

impl StateReader for LayeredState {
    fn account(&self, address: Address) -> Result<Option<Account>, StateError> {
        self.overlay().account(address)
    }

    fn storage(&self, address: Address, slot: U256) -> Result<U256, StateError> {
        self.overlay().storage(address, slot)
    }

    fn code(&self, code_hash: B256) -> Result<Option<Bytes>, StateError> {
        self.overlay().code(code_hash)
    }

    fn block_hash(&self, number: u64) -> Result<Option<B256>, StateError> {
        self.overlay().block_hash(number)
    }
}

/// The nonce that the newest of these layers (oldest first) gives an account; `None` where none changed it.
pub(crate) fn nonce_in(layers: &[Arc<Layer>], address: &Address) -> Option<u64> {
    let mut diffs = layers.iter().rev().filter_map(|layer| layer.diff.accounts.get(address));
    diffs.next().map(|diff| diff.account.map_or(0, |account| account.nonce))
}
