//! Draw seeds (C3): which ancestor's seed draws the clerks of the blocks above.

use crate::meta::{LATER_HEIGHTS, draw_height};
use crate::{BlockError, BlockMeta, Chain};
use alloy_primitives::B256;
use btn_crypto::Committee;
use btn_storage::{StoreError, StoreReader};
use btn_types::Height;

impl Chain {
    /// Draw seed of the blocks on a block of `height` (C3): within a period the block's own, at a period's
    /// start the seed of the block one period below, on its own branch.
    pub(crate) fn child_draw_seed(&self, parent: &BlockMeta, height: Height) -> Result<B256, BlockError> {
        let period = self.genesis.consensus.lottery_period_blocks;
        let (own, child) = (draw_height(height, period), draw_height(height.next(), period));
        match child.filter(|_| own != child) {
            None => Ok(parent.child_draw_seed),
            Some(wanted) => self.seed_on_branch(parent, wanted),
        }
    }

    /// Draw seed of the blocks two heights above a child of a block of `height`: another one than the child's
    /// only where a lottery period ends in between. The genesis file's least period makes sure that its block
    /// is an ancestor of `parent`, or `parent`.
    pub(crate) fn later_draw_seed(
        &self,
        parent: &BlockMeta,
        height: Height,
        child_draw_seed: B256,
    ) -> Result<B256, BlockError> {
        let period = self.genesis.consensus.lottery_period_blocks;
        let later = Height(height.0.saturating_add(LATER_HEIGHTS));
        let (child, later) = (draw_height(height.next(), period), draw_height(later, period));
        match later.filter(|wanted| child != Some(*wanted) && *wanted <= parent.height) {
            None => Ok(child_draw_seed),
            Some(wanted) => self.seed_on_branch(parent, wanted),
        }
    }

    /// Seed of the ancestor of `tip` (or of `tip` itself) at a height, on its own branch.
    fn seed_on_branch(&self, tip: &BlockMeta, wanted: Height) -> Result<B256, BlockError> {
        let mut ancestor = Some(tip);
        while let Some(meta) = ancestor {
            if meta.height == wanted {
                return Ok(meta.seed);
            }
            ancestor = self.tree.get(&meta.parent).map(|node| &node.meta);
        }
        if wanted == self.tip.meta.height {
            return Ok(self.tip.meta.seed);
        }
        if let Some(layer) = self.flushing.iter().find(|layer| layer.meta.height == wanted) {
            return Ok(layer.meta.seed);
        }
        stored_seed(&self.committee, &*self.reader, wanted)?.ok_or(BlockError::SeedMissing(wanted))
    }
}

/// Seed of a stored block; genesis has none in its header.
pub(crate) fn stored_seed(
    committee: &Committee,
    reader: &dyn StoreReader,
    height: Height,
) -> Result<Option<B256>, StoreError> {
    if height == Height(0) {
        return Ok(Some(committee.domain().genesis_seed()));
    }
    Ok(reader.header(height)?.map(|header| header.mix_hash))
}
