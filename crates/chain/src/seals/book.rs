//! Which supervisors sealed which block. Each block has its own count: seals are never added across blocks (C8 ⚠).

use super::early::EarlySeals;
use crate::bounded::BoundedMap;
use alloy_primitives::{B256, keccak256};
use btn_crypto::{SealError, Supervisors};
use btn_types::{NodeId, Seal, encode};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Blocks of which one supervisor's seals are counted at a time. An honest one seals the notarized blocks of the
/// window and of the unfinalised heights.
pub(crate) const MAX_SEALS_PER_SUPERVISOR: usize = 512;

/// Verified seals remembered, so that none costs its two RSA verifications twice.
const MAX_VERIFIED_SEALS: usize = 65_536;

/// A block's seals by supervisor. Shared, so that views are cheap.
pub(crate) type BlockSeals = Arc<BTreeMap<NodeId, Seal>>;

/// See the module.
#[derive(Debug)]
pub(crate) struct SealBook {
    blocks: BTreeMap<B256, BlockSeals>,
    pub(crate) early: EarlySeals,
    verified: BoundedMap<B256, ()>,
    /// Seals whose signatures were checked since the start.
    verifications: u64,
}

impl SealBook {
    pub(crate) fn new() -> Self {
        Self {
            blocks: BTreeMap::new(),
            early: EarlySeals::default(),
            verified: BoundedMap::new(MAX_VERIFIED_SEALS),
            verifications: 0,
        }
    }

    /// Checks what a seal proves by itself, or remembers that this was done.
    pub(crate) fn verify(&mut self, supervisors: &Supervisors, seal: &Seal) -> Result<(), SealError> {
        let key = keccak256(encode(seal));
        if !self.verified.contains(&key) {
            self.verifications += 1;
            supervisors.verify(seal)?;
            self.verified.insert(key, ());
        }
        Ok(())
    }

    pub(crate) const fn verifications(&self) -> u64 {
        self.verifications
    }

    /// Counts a verified seal of a known block with the right core; the first one of a supervisor stays. Gives
    /// `false` where the supervisor's bound is reached.
    pub(crate) fn count(&mut self, seal: Seal) -> bool {
        let (block, supervisor) = (seal.block_hash, seal.supervisor);
        if self.has(block, supervisor) {
            return true;
        }
        // Nobody can have sealed more blocks than there are.
        if self.blocks.len() >= MAX_SEALS_PER_SUPERVISOR {
            let sealed = self.blocks.values().filter(|seals| seals.contains_key(&supervisor)).count();
            if sealed >= MAX_SEALS_PER_SUPERVISOR {
                return false;
            }
        }
        Arc::make_mut(self.blocks.entry(block).or_default()).insert(supervisor, seal);
        true
    }

    pub(crate) fn has(&self, block: B256, supervisor: NodeId) -> bool {
        self.of(block).is_some_and(|seals| seals.contains_key(&supervisor))
    }

    pub(crate) fn of(&self, block: B256) -> Option<&BlockSeals> {
        self.blocks.get(&block)
    }

    /// Distinct supervisors that sealed this very block.
    pub(crate) fn number(&self, block: B256) -> usize {
        self.of(block).map_or(0, |seals| seals.len())
    }

    /// Forgets seals that wait for a block.
    pub(crate) fn drop_early(&mut self, block: B256) {
        self.early.take(block);
    }

    pub(super) fn retain(&mut self, is_known: impl Fn(B256) -> bool) {
        self.blocks.retain(|hash, _| is_known(*hash));
    }

    /// Blocks with seals.
    #[cfg(test)]
    pub(crate) fn blocks(&self) -> usize {
        self.blocks.len()
    }
}
