//! Ranges of finalised blocks for whoever catches up; read from the store, so that the chain need not be asked.

use btn_storage::{StoreError, StoreReader};
use btn_types::limits::{MAX_RANGE_BLOCKS, MAX_RANGE_BYTES};
use btn_types::{BlockRange, Height};

/// Finalised blocks from `from` upwards, at most [`MAX_RANGE_BLOCKS`] of about [`MAX_RANGE_BYTES`]: up to the
/// last one that has its own Finalization, or, where none of them has, all of them and no Finalization.
/// `None` where there are none. Only what is stored is given.
///
/// # Errors
/// The store failed.
pub fn read_range(reader: &dyn StoreReader, from: Height) -> Result<Option<BlockRange>, StoreError> {
    let reader = reader.snapshot()?;
    let (mut blocks, mut bytes) = (Vec::new(), 0);
    let mut last = None;
    let mut height = from.max(Height(1));
    while blocks.len() < MAX_RANGE_BLOCKS && bytes < MAX_RANGE_BYTES {
        let Some(block) = reader.block(height)? else { break };
        bytes += alloy_rlp::Encodable::length(&block);
        blocks.push(block);
        if let Some(finalization) = reader.finalization(height)? {
            last = Some((blocks.len(), finalization));
        }
        height = height.next();
    }
    if blocks.is_empty() {
        return Ok(None);
    }
    let finalization = last.map(|(length, finalization)| {
        blocks.truncate(length);
        finalization
    });
    Ok(Some(BlockRange { blocks, finalization }))
}
