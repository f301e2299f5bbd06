//! Finality: one path becomes the chain for ever, everything beside it goes (C6.7).

use crate::chain::Tip;
use crate::seals::Link;
use crate::{BlockError, Chain, ChainError, Layer};
use alloy_primitives::B256;
use btn_execution::StateCommitment;
use btn_storage::{FinalizedBatch, FinalizedBlock};
use btn_types::{Certificate, VoteKind};
use std::sync::Arc;

impl Chain {
    /// Makes a block and its ancestors final, executing them where that is not done: moves the tip, the state
    /// commitment and the pool, and drops all blocks beside the path. Gives what the caller must store before
    /// it publishes anything, with what [`Chain::take_third_state`] then gives; until it has, the layers stand in for the store. `None` where the block is final
    /// already.
    ///
    /// # Errors
    /// The certificate is not the block's Finalization; the block is unknown, does not descend from the tip,
    /// or is invalid here ([`ChainError::InvalidFinalized`]: the caller must stop). Nothing has changed then.
    pub fn finalize(
        &mut self,
        hash: B256,
        finalization: Certificate,
    ) -> Result<Option<FinalizedBatch>, ChainError> {
        self.drop_flushed()?;
        if self.finalized_height_of(hash)?.is_some() {
            return Ok(None);
        }
        let meta = *self.meta(hash).ok_or(BlockError::Unknown(hash))?;
        self.check_finalization(&meta, &finalization)?;
        self.execute(hash).map_err(|reason| match reason.is_permanent() {
            true => ChainError::InvalidFinalized { hash, reason: Box::new(reason) },
            false => reason.into(),
        })?;
        let path = self.layers_to(hash).ok_or(BlockError::Unknown(hash))?;
        let newest = path.last().ok_or(BlockError::Unknown(hash))?;
        self.tip = Tip { meta, block: Arc::clone(&newest.block) };
        let links = self.tree.path(hash).iter().map(|node| Arc::clone(&node.link)).collect();
        let dropped = self.tree.finalize(hash, meta.view);
        self.slide_window(links);
        tracing::debug!(height = %meta.height, %hash, blocks = path.len(), dropped, "final");
        for layer in &path {
            self.absorb(layer);
        }
        let batch = FinalizedBatch {
            blocks: path.iter().map(|layer| finalized_block(layer, hash, &finalization)).collect(),
            sealed: None,
        };
        self.flushing.extend(path);
        Ok(Some(batch))
    }

    fn check_finalization(
        &mut self,
        meta: &crate::BlockMeta,
        certificate: &Certificate,
    ) -> Result<(), ChainError> {
        let refuse = |reason| Err(ChainError::NotFinalization { hash: meta.hash, reason });
        if certificate.kind != VoteKind::Finalize {
            return refuse(format!("it is of kind {:?}", certificate.kind));
        }
        if certificate.view != meta.view {
            return refuse(format!("it is of view {}, the block of {}", certificate.view, meta.view));
        }
        let digest = self.committee.domain().digest_of(meta);
        if certificate.digest != digest {
            return refuse(format!("it names {}, the block's digest is {digest}", certificate.digest));
        }
        self.verified.verify(&self.committee, certificate).or_else(|error| refuse(error.to_string()))
    }

    /// The window of blocks whose seals count follows the tip. A long path may end the window of a block that
    /// has enough seals: it is remembered for [`Chain::take_third_state`].
    fn slide_window(&mut self, links: Vec<Arc<Link>>) {
        for link in links {
            self.window.push(link);
        }
        if let Some(sealed) = self.highest_sealed() {
            self.passed_third_state = Some(sealed);
        }
        self.window.prune();
        self.prune_seals();
    }

    /// Commitment and pool follow a finalised block.
    fn absorb(&mut self, layer: &Layer) {
        self.commitment.apply(&layer.diff);
        for (address, diff) in &layer.diff.accounts {
            self.pool.account_finalized(*address, diff.account);
        }
    }
}

fn finalized_block(layer: &Layer, newest: B256, finalization: &Certificate) -> FinalizedBlock {
    let hash = layer.meta.hash;
    FinalizedBlock {
        hash,
        block: Arc::clone(&layer.block),
        receipts: layer.receipts.clone(),
        diff: layer.diff.clone(),
        finalization: (hash == newest).then(|| finalization.clone()),
    }
}
