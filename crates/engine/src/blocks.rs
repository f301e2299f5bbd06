//! The chain as consensus asks it.

use btn_chain::{BlockError, Chain};
use btn_consensus::{Blocks, Execution, Insertion, Places};
use btn_types::{B256, Block, BlockMeta, BuildRequest};
use std::sync::Arc;

/// Answers from a chain, and notes which blocks it took in.
pub(crate) struct ChainBlocks<'a> {
    chain: &'a mut Chain,
    inserted: Vec<(BlockMeta, Arc<Block>)>,
}

impl<'a> ChainBlocks<'a> {
    pub(crate) const fn new(chain: &'a mut Chain) -> Self {
        Self { chain, inserted: Vec::new() }
    }

    /// Blocks that were shown and taken in, known ones among them.
    pub(crate) fn into_inserted(self) -> Vec<(BlockMeta, Arc<Block>)> {
        self.inserted
    }
}

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
        *self.chain.finalized()
    }

    fn meta(&self, hash: B256) -> Option<BlockMeta> {
        self.chain.meta(hash).copied()
    }
}

impl Blocks for ChainBlocks<'_> {
    fn insert(&mut self, block: &Arc<Block>) -> Insertion {
        match self.chain.insert(Arc::clone(block)) {
            Ok(meta) => {
                self.inserted.push((meta, Arc::clone(block)));
                Insertion::Inserted(meta)
            }
            Err(BlockError::UnknownParent(_)) => Insertion::UnknownParent,
            Err(error) if is_not_its_body(&error) => Insertion::NotItsBody(error.to_string()),
            Err(error) if error.is_permanent() => Insertion::Invalid(error.to_string()),
            Err(error) => Insertion::Refused(error.to_string()),
        }
    }

    fn execute(&mut self, hash: B256) -> Execution {
        match self.chain.execute(hash) {
            Ok(()) => Execution::Valid,
            Err(error) if error.is_permanent() => Execution::Invalid(error.to_string()),
            Err(error) => {
                tracing::debug!(%hash, %error, "block not executed");
                Execution::NotYet
            }
        }
    }

    fn forget(&mut self, hash: B256) {
        self.chain.forget(hash);
    }

    fn build(&mut self, request: BuildRequest) -> Option<Arc<Block>> {
        match self.chain.build(request) {
            Ok(block) => {
                if let Some(meta) = self.chain.meta(block.hash()) {
                    self.inserted.push((*meta, Arc::clone(&block)));
                }
                Some(block)
            }
            Err(error) => {
                tracing::warn!(%error, "no block packed");
                None
            }
        }
    }

    fn has_executable(&self, parent: B256) -> bool {
        self.chain.has_executable(parent)
    }
}

/// Whether the body is not the one that its header commits to: somebody mangled it on the way, and nothing is
/// held against the hash.
pub(crate) const fn is_not_its_body(error: &BlockError) -> bool {
    matches!(
        error,
        BlockError::TransactionsRoot { .. } | BlockError::ExtraData { .. } | BlockError::SealRoot { .. }
    )
}
