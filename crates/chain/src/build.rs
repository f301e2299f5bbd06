//! A clerk's own block: packed from the pool, executed once, and checked like everybody else's.

use crate::{BlockError, BlockMeta, BuildRequest, Chain, ChainError, Layer};
use alloy_consensus::TxEnvelope;
use alloy_primitives::Address;
use alloy_rlp::Encodable;
use btn_crypto::seal_root;
use btn_execution::{BlockInput, Built, SignedTransaction, assemble_header, build};
use btn_types::limits::{MAX_BLOCK_BYTES, MAX_UNFINALIZED_HEIGHTS};
use btn_types::{Block, Envelope, Seal};
use std::sync::Arc;

/// Room in a block's bytes for its header, envelope and list headers; justification and seals are measured.
const BLOCK_OVERHEAD_BYTES: usize = 4 * 1024;

impl Chain {
    /// Packs a block from the pool, with the seals that are due (C8), takes it into the tree and has it executed. From
    /// [`MAX_UNFINALIZED_HEIGHTS`] unfinalised heights on it is empty, and at twice as many there is none: a
    /// rule for producers only.
    ///
    /// # Errors
    /// The parent is unknown or invalid, too much waits for finality, or the block breaks a rule (the
    /// request's ticket or justification).
    pub fn build(&mut self, request: BuildRequest) -> Result<Arc<Block>, ChainError> {
        self.execute(request.parent)?;
        let unknown = BlockError::UnknownParent(request.parent);
        let parent = *self.meta(request.parent).ok_or(unknown)?;
        let heights = parent.height.0 - self.tip.meta.height.0;
        if heights >= 2 * MAX_UNFINALIZED_HEIGHTS {
            return Err(ChainError::TooManyUnfinalized { heights });
        }
        let (layers, base_fee_wei) =
            self.building_site(parent.hash).ok_or(BlockError::UnknownParent(parent.hash))?;
        let bytes = MAX_BLOCK_BYTES.saturating_sub(BLOCK_OVERHEAD_BYTES + request.justification.length());
        let seals = self.due_seals(&self.branch(parent.hash), bytes);
        let (envelope, input) = self.prepare(&request, &parent, &seals, base_fee_wei);
        let is_full = heights >= MAX_UNFINALIZED_HEIGHTS;
        let bytes = bytes.saturating_sub(seals.length());
        let built = self.pack(&input, &layers, bytes, is_full)?;
        let state_root = self.state_root(&layers, &built.outcome.diff);
        let (transactions, senders) = split(built.transactions);
        let header = assemble_header(&self.spec, &input, &transactions, &built.outcome, state_root);
        let justification = request.justification;
        let block = Arc::new(Block { header, transactions, envelope, justification, seals });
        let meta = self.insert(Arc::clone(&block))?;
        let (receipts, diff) = (built.outcome.receipts, built.outcome.diff);
        self.tree.set_layer(Arc::new(Layer { meta, block: Arc::clone(&block), senders, receipts, diff }));
        Ok(block)
    }

    fn prepare(
        &self,
        request: &BuildRequest,
        parent: &BlockMeta,
        seals: &[Seal],
        base_fee_wei: u64,
    ) -> (Envelope, BlockInput) {
        let envelope = Envelope {
            epoch: request.epoch,
            view: request.view,
            parent_view: request.parent_view,
            clerk: request.clerk,
            clerk_signature: request.clerk_signature.clone(),
            timestamp_ms: request.timestamp_ms.max(parent.timestamp_ms.saturating_add(1)),
            seal_root: seal_root(seals),
            supervisors_root: self.supervisors.root(),
            supervisors: self.supervisors.count_in_block(),
        };
        let domain = self.committee.domain();
        let input = BlockInput {
            number: parent.height.next().0,
            parent_hash: parent.hash,
            timestamp: envelope.timestamp_ms / 1000,
            beneficiary: request.payout,
            prev_randao: domain.seed(parent.seed, &request.clerk_signature),
            extra_data: domain.envelope(&envelope, &request.justification),
            base_fee_wei,
        };
        (envelope, input)
    }

    fn pack(
        &self,
        input: &BlockInput,
        layers: &[Arc<Layer>],
        bytes: usize,
        is_full: bool,
    ) -> Result<Built, ChainError> {
        let state = self.state_over(layers, self.reader.snapshot()?);
        let mut candidates: Box<dyn Iterator<Item = SignedTransaction> + '_> = if is_full {
            Box::new(std::iter::empty())
        } else {
            Box::new(self.candidates(layers, input.base_fee_wei))
        };
        let built = build(&self.spec, input, &mut *candidates, bytes, &state.overlay())?;
        for (hash, reason) in &built.rejected {
            tracing::debug!(%hash, %reason, "pooled transaction left out of a block");
        }
        Ok(built)
    }
}

fn split(transactions: Vec<SignedTransaction>) -> (Vec<TxEnvelope>, Vec<Address>) {
    transactions.into_iter().map(SignedTransaction::into_parts).unzip()
}
