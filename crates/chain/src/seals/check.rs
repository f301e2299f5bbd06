//! The validity rules of a block's seals and of what its envelope says of the supervisors (C8, ADR 009).

use super::Link;
use crate::{BlockError, Chain};
use alloy_primitives::B256;
use btn_crypto::Supervisors;
use btn_crypto::checks::{Check, enabled};
use btn_types::limits::{MAX_BLOCK_SEALS, MAX_SEAL_AGE_HEIGHTS};
use btn_types::{Block, Envelope, Height, NodeId, Seal};
use std::sync::Arc;

/// Whether a seal draws on the core of the block it names.
pub(super) fn is_core(actual: B256, expected: B256) -> bool {
    actual == expected || !enabled(Check::Core)
}

/// Whether a seal names this ancestor. Cores of a branch differ, so a core alone would find it too.
fn names(seal: &Seal, link: &Link) -> bool {
    link.hash == seal.block_hash || (!enabled(Check::BlockHash) && link.core == seal.core)
}

/// The envelope names the registered supervisors.
pub(crate) fn check_supervision(supervisors: &Supervisors, envelope: &Envelope) -> Result<(), BlockError> {
    let (actual, expected) = (envelope.supervisors_root, supervisors.root());
    if actual != expected {
        return Err(BlockError::SupervisorsRoot { actual, expected });
    }
    let (actual, expected) = (envelope.supervisors, supervisors.count_in_block());
    if actual != expected {
        return Err(BlockError::SupervisorCount { actual, expected });
    }
    Ok(())
}

impl Chain {
    /// Everything about a block's seals, signatures last.
    pub(crate) fn check_seals(&mut self, block: &Block) -> Result<(), BlockError> {
        let actual = block.seals.len();
        if actual > MAX_BLOCK_SEALS {
            return Err(BlockError::TooManySeals { actual, most: MAX_BLOCK_SEALS });
        }
        let branch = self.branch(block.header.parent_hash);
        let mut previous = None;
        for seal in &block.seals {
            let place = (self.sealed_height(block, seal, &branch)?, seal.supervisor);
            check_order(previous, place)?;
            if let Some(by) = branch.iter().find(|link| link.includes(seal)) {
                let (supervisor, ancestor) = (seal.supervisor, by.height);
                return Err(BlockError::SealRepeated { supervisor, ancestor });
            }
            previous = Some(place);
        }
        for seal in &block.seals {
            self.seals.verify(&self.supervisors, seal)?;
        }
        Ok(())
    }

    /// Height of the ancestor that a seal names by hash and core.
    fn sealed_height(&self, block: &Block, seal: &Seal, branch: &[Arc<Link>]) -> Result<Height, BlockError> {
        let supervisor = seal.supervisor;
        let Some(link) = branch.iter().find(|link| names(seal, link)) else {
            return Err(self.no_ancestor(block, seal, branch)?);
        };
        if !is_core(seal.core, link.core) {
            return Err(BlockError::SealCore { supervisor, actual: seal.core, expected: link.core });
        }
        Ok(link.height)
    }

    /// Why a seal's block is not one of those that this block may include seals of. Which error it is may hang
    /// on what we hold; that it is one does not.
    fn no_ancestor(
        &self,
        block: &Block,
        seal: &Seal,
        branch: &[Arc<Link>],
    ) -> Result<BlockError, BlockError> {
        let (supervisor, actual) = (seal.supervisor, seal.block_hash);
        if let Some(link) = branch.iter().find(|link| link.core == seal.core) {
            return Ok(BlockError::SealHash { supervisor, actual, expected: link.hash });
        }
        let mut ancestor = self.tree.get(&block.header.parent_hash);
        while let Some(node) = ancestor.filter(|node| node.meta.hash != actual) {
            ancestor = self.tree.get(&node.meta.parent);
        }
        let height = match ancestor {
            Some(node) => Some(node.meta.height),
            None => self.finalized_height_of(actual)?,
        };
        let lowest = Height(block.height().0.saturating_sub(MAX_SEAL_AGE_HEIGHTS).max(1));
        Ok(match height {
            Some(actual) => BlockError::SealTooOld { supervisor, actual, lowest },
            None => BlockError::SealOfStranger { supervisor, block: actual },
        })
    }
}

fn check_order(previous: Option<(Height, NodeId)>, place: (Height, NodeId)) -> Result<(), BlockError> {
    let (height, supervisor) = place;
    match previous {
        Some(previous) if previous == place => Err(BlockError::SealTwice { supervisor, height }),
        Some(previous) if previous > place => Err(BlockError::SealOrder { supervisor, height }),
        _ => Ok(()),
    }
}
