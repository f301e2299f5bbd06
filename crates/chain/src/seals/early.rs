//! Seals that came before their block, bounded per supervisor and in all.

use alloy_primitives::B256;
use btn_types::{NodeId, Seal};
use std::collections::{BTreeMap, VecDeque};

/// Seals kept of one supervisor. An honest one seals a block only after the masters have it.
pub(crate) const MAX_EARLY_PER_SUPERVISOR: usize = 16;

/// Seals kept in all: about 10 MB of RSA-2048 signatures.
pub(crate) const MAX_EARLY_SEALS: usize = 16_384;

/// Verified seals on unknown blocks. The oldest of a supervisor makes room for its newest; where all places
/// are taken, whoever has most gives one up, so that a few cannot crowd out the rest.
#[derive(Debug, Default)]
pub(crate) struct EarlySeals {
    seals: BTreeMap<(B256, NodeId), Seal>,
    /// Blocks sealed, oldest first; never empty.
    order: BTreeMap<NodeId, VecDeque<B256>>,
}

impl EarlySeals {
    pub(crate) fn has(&self, block: B256, supervisor: NodeId) -> bool {
        self.seals.contains_key(&(block, supervisor))
    }

    /// Keeps a seal that is not here yet.
    pub(crate) fn keep(&mut self, seal: Seal) {
        let (block, supervisor) = (seal.block_hash, seal.supervisor);
        if self.seals.insert((block, supervisor), seal).is_some() {
            return;
        }
        let blocks = self.order.entry(supervisor).or_default();
        blocks.push_back(block);
        if blocks.len() > MAX_EARLY_PER_SUPERVISOR {
            self.drop_oldest(supervisor);
        } else if self.seals.len() > MAX_EARLY_SEALS {
            let most = self.order.iter().max_by_key(|(_, blocks)| blocks.len());
            if let Some(supervisor) = most.map(|(supervisor, _)| *supervisor) {
                self.drop_oldest(supervisor);
            }
        }
    }

    fn drop_oldest(&mut self, supervisor: NodeId) {
        let oldest = self.order.get(&supervisor).and_then(|blocks| blocks.front().copied());
        if let Some(block) = oldest {
            self.remove(block, supervisor);
        }
    }

    /// Takes out the seals on a block.
    pub(crate) fn take(&mut self, block: B256) -> Vec<Seal> {
        let all = (block, NodeId(B256::ZERO))..=(block, NodeId(B256::repeat_byte(0xff)));
        let supervisors: Vec<NodeId> =
            self.seals.range(all).map(|((_, supervisor), _)| *supervisor).collect();
        supervisors.into_iter().filter_map(|supervisor| self.remove(block, supervisor)).collect()
    }

    fn remove(&mut self, block: B256, supervisor: NodeId) -> Option<Seal> {
        if let Some(blocks) = self.order.get_mut(&supervisor) {
            blocks.retain(|known| *known != block);
            if blocks.is_empty() {
                self.order.remove(&supervisor);
            }
        }
        self.seals.remove(&(block, supervisor))
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        assert_eq!(self.seals.len(), self.order.values().map(VecDeque::len).sum::<usize>());
        self.seals.len()
    }
}

#[cfg(test)]
mod tests;
