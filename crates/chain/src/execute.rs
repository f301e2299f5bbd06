//! Executing blocks of the tree: each makes an immutable layer, or is invalid (C5 rule 4, R-083).

use crate::{BlockError, BlockMeta, Chain, Layer};
use alloy_consensus::Header;
use alloy_consensus::transaction::SignerRecoverable;
use alloy_primitives::{Address, B256};
use btn_execution::{
    BlockInput, ExecutionError, Outcome, SignedTransaction, StateCommitment, assemble_header, execute,
};
use btn_types::{Block, StateDiff};
use std::sync::Arc;

impl Chain {
    /// Executes a block of the tree, its ancestors first. Does nothing where that is done.
    ///
    /// # Errors
    /// The block is unknown, it or an ancestor is invalid (all that stands on an invalid block leaves the tree
    /// and is remembered), or our own state failed ([`BlockError::is_permanent`] tells).
    pub fn execute(&mut self, hash: B256) -> Result<(), BlockError> {
        if hash == self.tip.meta.hash {
            return Ok(());
        }
        if self.tree.is_invalid(&hash) {
            return Err(BlockError::KnownInvalid(hash));
        }
        self.drop_flushed()?;
        let path = self.tree.path(hash);
        if path.is_empty() {
            return Err(BlockError::Unknown(hash));
        }
        let mut layers: Vec<Arc<Layer>> = path.iter().map_while(|node| node.layer.clone()).collect();
        let waiting: Vec<(BlockMeta, Arc<Block>)> =
            path[layers.len()..].iter().map(|node| (node.meta, Arc::clone(&node.block))).collect();
        for (meta, block) in waiting {
            match self.run(meta, block, &layers) {
                Ok(layer) => {
                    let layer = Arc::new(layer);
                    self.tree.set_layer(Arc::clone(&layer));
                    layers.push(layer);
                }
                Err(error) => return Err(self.refuse(hash, meta.hash, error)),
            }
        }
        Ok(())
    }

    /// `block` could not be executed on the way to `wanted`.
    fn refuse(&mut self, wanted: B256, block: B256, error: BlockError) -> BlockError {
        if !error.is_permanent() {
            return error;
        }
        tracing::warn!(hash = %block, %error, "invalid block");
        self.invalidate(block);
        if wanted == block {
            return error;
        }
        BlockError::InvalidAncestor { ancestor: block, reason: error.to_string() }
    }

    fn run(
        &mut self,
        meta: BlockMeta,
        block: Arc<Block>,
        ancestors: &[Arc<Layer>],
    ) -> Result<Layer, BlockError> {
        let senders = self.senders_of(&block)?;
        let transactions: Vec<SignedTransaction> = (block.transactions.iter().zip(&senders))
            .map(|(transaction, sender)| SignedTransaction::new_unchecked(transaction.clone(), *sender))
            .collect();
        let input = input_of(&block.header);
        let state = self.state_over(ancestors, self.reader.snapshot()?);
        let outcome = execute(&self.spec, &input, &transactions, &state.overlay()).map_err(refused)?;
        let state_root = self.state_root(ancestors, &outcome.diff);
        let expected = assemble_header(&self.spec, &input, &block.transactions, &outcome, state_root);
        compare(&block.header, &expected)?;
        let Outcome { receipts, diff, .. } = outcome;
        Ok(Layer { meta, block, senders, receipts, diff })
    }

    /// State root after a block with this difference on these ancestors.
    pub(crate) fn state_root(&self, ancestors: &[Arc<Layer>], diff: &StateDiff) -> B256 {
        let mut diffs: Vec<&StateDiff> = ancestors.iter().map(|layer| &layer.diff).collect();
        diffs.push(diff);
        self.commitment.root(&diffs)
    }

    /// Senders of a block's transactions: known from the pool or an earlier block, else recovered.
    fn senders_of(&mut self, block: &Block) -> Result<Vec<Address>, BlockError> {
        let mut senders = Vec::with_capacity(block.transactions.len());
        for (position, transaction) in block.transactions.iter().enumerate() {
            let hash = *transaction.tx_hash();
            let pooled = self.pool.content().get(hash).map(|pooled| pooled.transaction.signer());
            if let Some(sender) = pooled.or_else(|| self.senders.get(&hash).copied()) {
                senders.push(sender);
                continue;
            }
            let sender = transaction.recover_signer().map_err(|_| BlockError::Sender { position })?;
            self.recoveries += 1;
            self.senders.insert(hash, sender);
            senders.push(sender);
        }
        Ok(senders)
    }

    /// Signatures recovered since the start because neither pool nor memory knew the sender (a metric).
    #[must_use]
    pub const fn recoveries(&self) -> u64 {
        self.recoveries
    }
}

/// The fields of a header that execution is given.
fn input_of(header: &Header) -> BlockInput {
    BlockInput {
        number: header.number,
        parent_hash: header.parent_hash,
        timestamp: header.timestamp,
        beneficiary: header.beneficiary,
        prev_randao: header.mix_hash,
        // Insert checked that it is these 32 bytes.
        extra_data: B256::try_from(&header.extra_data[..]).unwrap_or_default(),
        base_fee_wei: header.base_fee_per_gas.unwrap_or_default(),
    }
}

/// Sorts faults of the block from faults of our own.
fn refused(error: ExecutionError) -> BlockError {
    match error {
        ExecutionError::State(error) => BlockError::State(error),
        ExecutionError::Evm(_) => BlockError::Evm(error),
        ExecutionError::Transaction { .. }
        | ExecutionError::Call(_)
        | ExecutionError::SystemContract { .. } => BlockError::Execution(error),
    }
}

/// Each result of execution by its own name, then the header as a whole.
fn compare(actual: &Header, expected: &Header) -> Result<(), BlockError> {
    if actual.gas_used != expected.gas_used {
        return Err(BlockError::GasUsed { actual: actual.gas_used, expected: expected.gas_used });
    }
    let (actual_root, expected_root) = (actual.receipts_root, expected.receipts_root);
    if actual_root != expected_root {
        return Err(BlockError::ReceiptsRoot { actual: actual_root, expected: expected_root });
    }
    if actual.logs_bloom != expected.logs_bloom {
        return Err(BlockError::LogsBloom);
    }
    let (actual_root, expected_root) = (actual.state_root, expected.state_root);
    if actual_root != expected_root {
        return Err(BlockError::StateRoot { actual: actual_root, expected: expected_root });
    }
    let (actual, expected) = (actual.hash_slow(), expected.hash_slow());
    if actual != expected {
        return Err(BlockError::HeaderHash { actual, expected });
    }
    Ok(())
}
