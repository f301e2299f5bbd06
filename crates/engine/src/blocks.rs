//! The chain as consensus asks it.

use btn_chain::{BlockError, Chain};
use btn_consensus::{Blocks, Execution, Insertion, Places};
use btn_types::{B256, Block, BlockMeta, BuildRequest};
use std::sync::Arc;

/// Answers from a chain.
pub(crate) struct ChainBlocks<'a>(pub(crate) &'a mut Chain);

/// Reads places without the right to change anything.
pub(crate) struct ChainPlaces<'a>(pub(crate) &'a Chain);

impl Places for ChainPlaces<'_> {
    fn finalized(&self) -> BlockMeta {
        *self.0.finalized()
    }

    fn meta(&self, hash: B256) -> Option<BlockMeta> {
        self.0.meta(hash).copied()
    }
}

impl Places for ChainBlocks<'_> {
    fn finalized(&self) -> BlockMeta {
        *self.0.finalized()
    }

    fn meta(&self, hash: B256) -> Option<BlockMeta> {
        self.0.meta(hash).copied()
    }
}

impl Blocks for ChainBlocks<'_> {
    fn insert(&mut self, block: &Arc<Block>) -> Insertion {
        match self.0.insert(Arc::clone(block)) {
            Ok(meta) => Insertion::Inserted(meta),
            Err(BlockError::UnknownParent(_)) => Insertion::UnknownParent,
            Err(error @ (BlockError::TransactionsRoot { .. } | BlockError::ExtraData { .. })) => {
                Insertion::NotItsBody(error.to_string())
            }
            Err(error) if error.is_permanent() => Insertion::Invalid(error.to_string()),
            Err(error) => Insertion::Refused(error.to_string()),
        }
    }

    fn execute(&mut self, hash: B256) -> Execution {
        match self.0.execute(hash) {
            Ok(()) => Execution::Valid,
            Err(error) if error.is_permanent() => Execution::Invalid(error.to_string()),
            Err(error) => {
                tracing::debug!(%hash, %error, "block not executed");
                Execution::NotYet
            }
        }
    }

    fn forget(&mut self, hash: B256) {
        self.0.forget(hash);
    }

    fn build(&mut self, request: BuildRequest) -> Option<Arc<Block>> {
        match self.0.build(request) {
            Ok(block) => Some(block),
            Err(error) => {
                tracing::warn!(%error, "no block packed");
                None
            }
        }
    }

    fn has_executable(&self, parent: B256) -> bool {
        self.0.has_executable(parent)
    }
}
