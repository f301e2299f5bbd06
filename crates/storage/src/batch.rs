//! What one commit writes: blocks that became final, and the block that became the third state; and the check that
//! it continues what is stored.

use crate::StoreError;
use alloy_consensus::ReceiptEnvelope;
use btn_types::{B256, Block, Certificate, Height, Seal, StateDiff};
use std::sync::Arc;

/// A stored block: the highest one, or the one of the third state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoredTip {
    /// Its height.
    pub height: Height,
    /// Its hash.
    pub hash: B256,
}

/// One finalised block with everything that its execution made.
#[derive(Clone, Debug)]
pub struct FinalizedBlock {
    /// keccak256 of the header.
    pub hash: B256,
    /// The block.
    pub block: Arc<Block>,
    /// One receipt per transaction, in order.
    pub receipts: Vec<ReceiptEnvelope>,
    /// What the block changed in the state.
    pub diff: StateDiff,
    /// The block's own Finalization; ancestors finalised along with a later block have none.
    pub finalization: Option<Certificate>,
}

/// A final block that enough supervisors sealed: it and all its ancestors are in the third state (C5, C8).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealedBlock {
    /// Its height.
    pub height: Height,
    /// Its hash.
    pub hash: B256,
    /// What proves it: s_min seals of this very block, ascending by supervisor.
    pub seals: Vec<Seal>,
}

impl SealedBlock {
    /// The block without its proof.
    #[must_use]
    pub const fn place(&self) -> StoredTip {
        StoredTip { height: self.height, hash: self.hash }
    }
}

/// What is stored already, as far as the next batch must continue it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stored {
    /// The highest block; `None` = empty database.
    pub tip: Option<StoredTip>,
    /// The newest block of the third state; `None` where none was recorded.
    pub third_state: Option<StoredTip>,
}

/// Blocks finalised by one Finalization: consecutive, ascending, the first one a child of the stored tip.
/// The first batch of a database holds genesis, height 0, alone or followed by its descendants. Beside or
/// instead of them a batch moves the third state.
#[derive(Clone, Debug, Default)]
pub struct FinalizedBatch {
    /// The blocks, lowest height first.
    pub blocks: Vec<FinalizedBlock>,
    /// The new third state: a block of this batch or a stored one, above the stored third state.
    pub sealed: Option<SealedBlock>,
}

impl FinalizedBatch {
    /// The highest block of the batch.
    #[must_use]
    pub fn tip(&self) -> Option<StoredTip> {
        self.blocks.last().map(|last| StoredTip { height: last.block.height(), hash: last.hash })
    }

    /// Whether there is nothing to write.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.blocks.is_empty() && self.sealed.is_none()
    }

    /// Checks that the batch continues what is stored without gap, fork or repetition, that each hash is its
    /// header's, that each transaction has a receipt, and that the sealed block is final after the batch, above
    /// the third state so far, and sealed by distinct supervisors. `stored_hash` gives the hash at a stored
    /// height. A batch that breaks a rule is a bug of the caller; writing it would make the database lie.
    ///
    /// # Errors
    /// The first rule broken, with expected and actual values; or what `stored_hash` failed with.
    pub fn check_continues(
        &self,
        stored: Stored,
        stored_hash: impl FnOnce(Height) -> Result<Option<B256>, StoreError>,
    ) -> Result<(), StoreError> {
        self.check_blocks(stored.tip)?;
        match &self.sealed {
            Some(sealed) => self.check_sealed(sealed, stored.third_state, stored_hash),
            None => Ok(()),
        }
    }

    fn check_sealed(
        &self,
        sealed: &SealedBlock,
        third_state: Option<StoredTip>,
        stored_hash: impl FnOnce(Height) -> Result<Option<B256>, StoreError>,
    ) -> Result<(), StoreError> {
        let (height, actual) = (sealed.height, sealed.hash);
        if let Some(third_state) = third_state.filter(|third_state| height <= third_state.height) {
            return Err(StoreError::ThirdStateBack { expected: third_state.height.next(), actual: height });
        }
        let in_batch = self.blocks.iter().find(|finalized| finalized.block.height() == height);
        let expected = match in_batch {
            Some(finalized) => Some(finalized.hash),
            None => stored_hash(height)?,
        };
        if expected != Some(actual) {
            return Err(StoreError::SealedNotFinal { height, expected, actual });
        }
        let ascending = sealed.seals.windows(2).all(|pair| pair[0].supervisor < pair[1].supervisor);
        let foreign = sealed.seals.iter().find(|seal| seal.block_hash != actual);
        if let Some(supervisor) = foreign.map(|seal| seal.supervisor) {
            return Err(StoreError::ForeignSeal { height, supervisor });
        }
        if sealed.seals.is_empty() || !ascending {
            return Err(StoreError::SealOrder { height, actual: sealed.seals.len() });
        }
        Ok(())
    }

    fn check_blocks(&self, tip: Option<StoredTip>) -> Result<(), StoreError> {
        let mut tip = tip;
        for finalized in &self.blocks {
            let block = &*finalized.block;
            let (expected_height, expected_parent) = match tip {
                None => (Height(0), block.header.parent_hash),
                Some(tip) => (tip.height.next(), tip.hash),
            };
            let actual = block.height();
            if actual != expected_height {
                return Err(StoreError::HeightOutOfOrder { expected: expected_height, actual });
            }
            let actual = block.header.parent_hash;
            if actual != expected_parent {
                return Err(StoreError::WrongParent {
                    height: block.height(),
                    expected: expected_parent,
                    actual,
                });
            }
            let actual = block.hash();
            if actual != finalized.hash {
                return Err(StoreError::WrongHash {
                    height: block.height(),
                    expected: actual,
                    actual: finalized.hash,
                });
            }
            let (expected, actual) = (block.transactions.len(), finalized.receipts.len());
            if expected != actual {
                return Err(StoreError::ReceiptCount { height: block.height(), expected, actual });
            }
            tip = Some(StoredTip { height: block.height(), hash: finalized.hash });
        }
        Ok(())
    }
}
