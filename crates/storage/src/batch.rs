//! What one finalisation writes, and the check that it continues what is stored.

use crate::StoreError;
use alloy_consensus::ReceiptEnvelope;
use btn_types::{B256, Block, Certificate, Height, StateDiff};
use std::sync::Arc;

/// The highest stored block.
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

/// Blocks finalised by one Finalization: consecutive, ascending, the first one a child of the stored tip.
/// The first batch of a database holds genesis, height 0, alone or followed by its descendants.
#[derive(Clone, Debug, Default)]
pub struct FinalizedBatch {
    /// The blocks, lowest height first.
    pub blocks: Vec<FinalizedBlock>,
}

impl FinalizedBatch {
    /// The highest block of the batch.
    #[must_use]
    pub fn tip(&self) -> Option<StoredTip> {
        self.blocks.last().map(|last| StoredTip { height: last.block.height(), hash: last.hash })
    }

    /// Checks that the batch continues `tip` (`None` = empty database) without gap, fork or repetition, that
    /// each hash is its header's, and that each transaction has a receipt. A batch that does not is a bug of
    /// the caller; writing it would make the database lie.
    ///
    /// # Errors
    /// The first rule broken, with expected and actual values.
    pub fn check_continues(&self, tip: Option<StoredTip>) -> Result<(), StoreError> {
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
