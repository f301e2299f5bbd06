//! Block 0: what `init` stores first, and what every other block descends from.

use btn_crypto::supervisors_commitment;
use btn_execution::{FullRecomputation, StateCommitment, genesis_diff, genesis_header};
use btn_storage::{FinalizedBatch, FinalizedBlock};
use btn_types::{B256, Block, Bytes, Envelope, Epoch, Genesis, Justification, NodeId, StateDiff, View};
use std::sync::Arc;

/// `seal_root` of a block without seals: the SHA-256 of nothing.
pub const EMPTY_SEAL_ROOT: B256 =
    alloy_primitives::b256!("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");

/// The genesis block: view 0 of epoch 0, no clerk, no certificates. Its header's hash is the chain of all
/// domain tags (C3).
#[must_use]
pub fn genesis_block(genesis: &Genesis) -> Block {
    block_and_diff(genesis).0
}

/// What a new database begins with: the genesis block and its state.
#[must_use]
pub fn genesis_batch(genesis: &Genesis) -> FinalizedBatch {
    let (block, diff) = block_and_diff(genesis);
    let hash = block.hash();
    let first =
        FinalizedBlock { hash, block: Arc::new(block), receipts: Vec::new(), diff, finalization: None };
    FinalizedBatch { blocks: vec![first], sealed: None }
}

fn block_and_diff(genesis: &Genesis) -> (Block, StateDiff) {
    let diff = genesis_diff(genesis);
    let state_root = FullRecomputation::new().root(&[&diff]);
    let (supervisors_root, supervisors) = supervisors_commitment(genesis);
    let block = Block {
        header: genesis_header(genesis, state_root),
        transactions: Vec::new(),
        envelope: Envelope {
            epoch: Epoch(0),
            view: View(0),
            parent_view: View(0),
            clerk: NodeId::default(),
            clerk_signature: Bytes::new(),
            timestamp_ms: genesis.timestamp_ms,
            seal_root: EMPTY_SEAL_ROOT,
            supervisors_root,
            supervisors,
        },
        justification: Justification::default(),
        seals: Vec::new(),
    };
    (block, diff)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn empty_seal_root_is_the_hash_of_nothing() {
        assert_eq!(EMPTY_SEAL_ROOT, btn_types::sha256(&[]));
        assert_eq!(EMPTY_SEAL_ROOT, btn_crypto::seal_root(&[]));
    }
}
