//! The state after an unfinalised block: the differences of its unfinalised ancestors and its own, over the
//! finalised state.

use alloy_primitives::{Address, B256, Bytes, U256};
use btn_types::{Account, StateDiff, StateError, StateReader};
use std::collections::BTreeMap;

/// Reads through layers of differences, newest first, then the state below.
pub struct Overlay<'a> {
    layers: Vec<&'a StateDiff>,
    block_hashes: BTreeMap<u64, B256>,
    base: &'a dyn StateReader,
}

impl<'a> Overlay<'a> {
    /// `layers`: newest first. `block_hashes`: number and hash of the unfinalised blocks that may be asked for.
    #[must_use]
    pub const fn new(
        layers: Vec<&'a StateDiff>,
        block_hashes: BTreeMap<u64, B256>,
        base: &'a dyn StateReader,
    ) -> Self {
        Self { layers, block_hashes, base }
    }
}

impl StateReader for Overlay<'_> {
    fn account(&self, address: Address) -> Result<Option<Account>, StateError> {
        match self.layers.iter().find_map(|layer| layer.accounts.get(&address)) {
            Some(change) => Ok(change.account),
            None => self.base.account(address),
        }
    }

    fn storage(&self, address: Address, slot: U256) -> Result<U256, StateError> {
        for change in self.layers.iter().filter_map(|layer| layer.accounts.get(&address)) {
            if let Some(value) = change.storage.get(&slot) {
                return Ok(*value);
            }
            if change.storage_wiped || change.account.is_none() {
                return Ok(U256::ZERO);
            }
        }
        self.base.storage(address, slot)
    }

    fn code(&self, code_hash: B256) -> Result<Option<Bytes>, StateError> {
        match self.layers.iter().find_map(|layer| layer.codes.get(&code_hash)) {
            Some(code) => Ok(Some(code.clone())),
            None => self.base.code(code_hash),
        }
    }

    fn block_hash(&self, number: u64) -> Result<Option<B256>, StateError> {
        match self.block_hashes.get(&number) {
            Some(hash) => Ok(Some(*hash)),
            None => self.base.block_hash(number),
        }
    }
}
