//! Seals of the second level (C8): counted per block, included in blocks, and the third state that they make.
//!
//! A seal proves itself, so it counts as soon as it is verified and its block is known, wherever it came from: a
//! link, another master, or a block that includes it, final or not. Seals of different blocks are never added.

mod book;
mod check;
mod early;
mod window;

#[cfg(test)]
pub(crate) use book::MAX_SEALS_PER_SUPERVISOR;
pub(crate) use book::{BlockSeals, SealBook};
pub(crate) use check::check_supervision;
pub(crate) use window::{Link, Window, core_on};

use crate::{Chain, ChainError};
use alloy_primitives::B256;
use alloy_rlp::Encodable;
use btn_crypto::{SealError, Supervisors};
use btn_storage::{SealedBlock, StoreError, StoreReader};
use btn_types::limits::{MAX_BLOCK_SEALS, MAX_SEAL_AGE_HEIGHTS};
use btn_types::{Block, Height, NodeId, Seal};
use std::sync::Arc;
use thiserror::Error;

/// What became of a seal that was offered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SealOffer {
    /// New, valid, and counted.
    New,
    /// Here already.
    Known,
    /// New and valid, but its block is not here yet. It is kept, within bounds, and counted when the block comes.
    Early,
}

/// Why a seal is not taken.
#[derive(Debug, Error)]
pub enum SealRefusal {
    /// It does not prove what it should.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// Its core is not that of the block it names.
    #[error("supervisor {supervisor} seals core {actual}, that of the block is {expected}")]
    Core {
        /// Whose seal.
        supervisor: NodeId,
        /// Found.
        actual: B256,
        /// `core(B)` of the block with the seal's hash.
        expected: B256,
    },
    /// Its block was found invalid here.
    #[error("supervisor {supervisor} seals block {block}, which is invalid")]
    InvalidBlock {
        /// Whose seal.
        supervisor: NodeId,
        /// The block.
        block: B256,
    },
    /// Its block lies too far below the tip to be counted or included.
    #[error("the seal is of height {actual}, seals count from height {lowest} on")]
    TooOld {
        /// Height of its block.
        actual: Height,
        /// Lowest height counted.
        lowest: Height,
    },
    /// This supervisor has sealed more blocks than are counted (a bound, not a rule of validity).
    #[error("supervisor {supervisor} has sealed {most} blocks that are not pruned yet, no more are counted")]
    TooMany {
        /// Whose seal.
        supervisor: NodeId,
        /// Most blocks.
        most: usize,
    },
    /// The store could not be read: our fault.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl SealRefusal {
    /// Whether no honest node sends such a seal: whoever passed it on may be blamed.
    #[must_use]
    pub const fn is_fault(&self) -> bool {
        matches!(self, Self::Seal(_) | Self::Core { .. })
    }
}

impl Chain {
    /// The registered supervisors.
    #[must_use]
    pub const fn supervisors(&self) -> &Supervisors {
        &self.supervisors
    }

    /// Takes in a seal from a link or a master. It is verified at most once.
    ///
    /// # Errors
    /// [`SealRefusal`].
    pub fn offer_seal(&mut self, seal: Seal) -> Result<SealOffer, SealRefusal> {
        let (supervisor, block) = (seal.supervisor, seal.block_hash);
        if self.supervisors.place_of(supervisor).is_none() {
            return Err(SealError::NotRegistered(supervisor).into());
        }
        if self.tree.is_invalid(&block) {
            return Err(SealRefusal::InvalidBlock { supervisor, block });
        }
        let Some(core) = self.core_of(block) else { return self.offer_early(seal) };
        if !check::is_core(seal.core, core) {
            return Err(SealRefusal::Core { supervisor, actual: seal.core, expected: core });
        }
        if self.seals.has(block, supervisor) {
            return Ok(SealOffer::Known);
        }
        self.seals.verify(&self.supervisors, &seal)?;
        match self.seals.count(seal) {
            true => Ok(SealOffer::New),
            false => Err(SealRefusal::TooMany { supervisor, most: book::MAX_SEALS_PER_SUPERVISOR }),
        }
    }

    /// Seals verified since the start, each at most once while it is remembered (a metric).
    #[must_use]
    pub const fn seal_verifications(&self) -> u64 {
        self.seals.verifications()
    }

    fn offer_early(&mut self, seal: Seal) -> Result<SealOffer, SealRefusal> {
        if let Some(actual) = self.finalized_height_of(seal.block_hash)? {
            return Err(SealRefusal::TooOld { actual, lowest: self.window.lowest() });
        }
        if self.seals.early.has(seal.block_hash, seal.supervisor) {
            return Ok(SealOffer::Known);
        }
        // Verified before it is kept: nobody fills another one's places.
        self.seals.verify(&self.supervisors, &seal)?;
        self.seals.early.keep(seal);
        Ok(SealOffer::Early)
    }

    /// `core(B)` of a block whose seals are counted: unfinalised, or final and at most
    /// [`MAX_SEAL_AGE_HEIGHTS`] heights old.
    pub(crate) fn core_of(&self, hash: B256) -> Option<B256> {
        let link = self.tree.get(&hash).map(|node| &node.link);
        link.or_else(|| self.window.get(hash)).map(|link| link.core)
    }

    /// Seals counted for this very block, ascending by supervisor.
    #[must_use]
    pub fn seals_of(&self, hash: B256) -> Vec<Seal> {
        self.seals.of(hash).into_iter().flat_map(|seals| seals.values().cloned()).collect()
    }

    /// Whether a block has enough seals of its own for the second state (C5, C8).
    #[must_use]
    pub fn is_sealed(&self, hash: B256) -> bool {
        self.supervisors.is_quorum(self.seals.number(hash))
    }

    /// The newest block in the third state: Finalization and second state. Where nobody supervises, the tip.
    #[must_use]
    pub fn third_state(&self) -> (Height, B256) {
        if self.supervisors.quorum() == 0 {
            return (self.tip.meta.height, self.tip.meta.hash);
        }
        self.third_state
    }

    /// Moves the third state to the highest final block that has s_min seals of its own, which cover its
    /// ancestors too; `None` where there is none above the present one. The caller puts what this gives into the
    /// batch and has it on disk before it tells anyone (C8).
    pub fn take_third_state(&mut self) -> Option<SealedBlock> {
        let passed = self.passed_third_state.take();
        let sealed = self.highest_sealed().or(passed)?;
        self.third_state = (sealed.height, sealed.hash);
        tracing::debug!(height = %sealed.height, hash = %sealed.hash, "third state");
        Some(sealed)
    }

    /// The highest block of the window above the third state that has s_min seals, and s_min of them.
    pub(crate) fn highest_sealed(&self) -> Option<SealedBlock> {
        let quorum = self.supervisors.quorum();
        if quorum == 0 {
            return None;
        }
        let newest_first = self.window.newest_first();
        let mut above = newest_first.take_while(|link| link.height > self.third_state.0);
        let link = above.find(|link| self.is_sealed(link.hash))?;
        let seals = self.seals_of(link.hash).into_iter().take(quorum).collect();
        Some(SealedBlock { height: link.height, hash: link.hash, seals })
    }

    /// Blocks on the way down from `parent` that a child of it may include seals of, newest first. Genesis is
    /// not among them: it has no clerk, so it has no core.
    pub(crate) fn branch(&self, parent: B256) -> Vec<Arc<Link>> {
        let mut branch: Vec<Arc<Link>> = Vec::new();
        let most = usize::try_from(MAX_SEAL_AGE_HEIGHTS).unwrap_or(usize::MAX);
        let mut next = self.tree.get(&parent);
        while let Some(node) = next
            && branch.len() < most
        {
            branch.push(Arc::clone(&node.link));
            next = self.tree.get(&node.meta.parent);
        }
        let left = most - branch.len();
        branch.extend(self.window.newest_first().take(left).map(Arc::clone));
        branch
    }

    /// Seals for a block on this branch: known, of its blocks, not included in it, newest blocks first until a
    /// bound is reached; in the order that a block wants.
    pub(crate) fn due_seals(&self, branch: &[Arc<Link>], most_bytes: usize) -> Vec<Seal> {
        let mut due: Vec<(Height, &Seal)> = Vec::new();
        let mut bytes_left = most_bytes;
        let of_block = |link: &Arc<Link>| {
            let height = link.height;
            self.seals
                .of(link.hash)
                .into_iter()
                .flat_map(|seals| seals.values())
                .map(move |seal| (height, seal))
        };
        let included = |seal: &Seal| branch.iter().any(|link| link.includes(seal));
        for (height, seal) in branch.iter().flat_map(of_block).filter(|(_, seal)| !included(seal)) {
            let bytes = seal.length();
            if due.len() == MAX_BLOCK_SEALS || bytes > bytes_left {
                break;
            }
            bytes_left -= bytes;
            due.push((height, seal));
        }
        due.sort_by_key(|(height, seal)| (*height, seal.supervisor));
        due.into_iter().map(|(_, seal)| seal.clone()).collect()
    }

    /// A block came into the tree: its seals count, and those that waited for it.
    pub(crate) fn count_seals(&mut self, block: &Block, link: &Link) {
        for seal in &block.seals {
            self.seals.count(seal.clone());
        }
        for seal in self.seals.early.take(link.hash) {
            if check::is_core(seal.core, link.core) {
                self.seals.count(seal);
            }
        }
    }

    /// Seals of blocks that are gone go too.
    pub(crate) fn prune_seals(&mut self) {
        let (tree, window) = (&self.tree, &self.window);
        self.seals.retain(|hash| tree.get(&hash).is_some() || window.get(hash).is_some());
    }
}

/// The third state that the store has: genesis, until another is recorded.
pub(crate) fn stored_third_state(
    reader: &dyn StoreReader,
    genesis: B256,
) -> Result<(Height, B256), ChainError> {
    let Some(stored) = reader.third_state()? else { return Ok((Height(0), genesis)) };
    if reader.hash_of(stored.height)? != Some(stored.hash) {
        return Err(ChainError::Incomplete { what: "block of the third state", height: stored.height });
    }
    Ok((stored.height, stored.hash))
}
