//! The place of a block as consensus asks for it, and the rule of the lottery's draw seeds (C3).

use alloy_primitives::B256;
use btn_types::{Block, BlockMeta, Height};

/// Heights ahead of a block for which its clerks' tickets may be shown: two views further than its child's
/// (C6.2).
pub(crate) const LATER_HEIGHTS: u64 = 3;

/// The place of a checked block.
pub(crate) fn place(
    block: &Block,
    hash: B256,
    seed: B256,
    core: B256,
    child_draw_seed: B256,
    later_draw_seed: B256,
) -> BlockMeta {
    let envelope = &block.envelope;
    BlockMeta {
        hash,
        parent: block.header.parent_hash,
        height: block.height(),
        epoch: envelope.epoch,
        view: envelope.view,
        parent_view: envelope.parent_view,
        seed,
        core,
        child_draw_seed,
        later_draw_seed,
        timestamp_ms: envelope.timestamp_ms,
    }
}

/// Height of the block whose seed draws the clerks at `height`: the last block of the lottery period before
/// last; `None` = the genesis seed, in the first two periods (C3).
pub(crate) fn draw_height(height: Height, period_blocks: u64) -> Option<Height> {
    let period = height.0.checked_div(period_blocks)?;
    // (p − 1)·P − 1 with p ≥ 2; it cannot overflow, as it is below `height`.
    let next = period.checked_sub(1)?.checked_mul(period_blocks)?;
    next.checked_sub(1).map(Height)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draw_heights() {
        let table = [
            (0, 16, None),
            (15, 16, None),
            (16, 16, None),
            (31, 16, None),
            (32, 16, Some(15)),
            (47, 16, Some(15)),
            (48, 16, Some(31)),
            (0, 1, None),
            (1, 1, None),
            (2, 1, Some(0)),
            (3, 1, Some(1)),
            (u64::MAX, 1, Some(u64::MAX - 2)),
            (5, 0, None),
        ];
        for (height, period, expected) in table {
            assert_eq!(draw_height(Height(height), period), expected.map(Height), "{height} / {period}");
        }
    }
}
