//! Sealing (C8): a block that is notarized and executed with all its ancestors, one hash per core, logged before it
//! is sent.

use super::calls::Purpose;
use super::seal_log::SealBar;
use super::{Step, SupervisorIdentity};
use btn_types::supervision::SupervisorCall;
use btn_types::{B256, Block, BlockMeta, JournalRecord, NodeId, Seal, SealRecord, View};
use std::borrow::Borrow;

/// Final blocks without one's seal after which it is given again, and how often that is looked at.
pub const SEALS_AGAIN_BLOCKS: u64 = 8;

impl Step<'_> {
    /// Seals the certified block of this view, if it is executed and nothing bars it.
    pub(super) fn seal(&mut self, view: View, hash: B256) {
        let Some(meta) = self.engine.chain.meta(hash).copied() else { return };
        let tip = *self.engine.chain.finalized();
        // While much is missing it is not known what is newest: a seal on what others have left behind is idle.
        let is_ready = self.engine.seals()
            && self.engine.log.has_floor()
            && self.engine.chain.is_executed(hash)
            && !self.engine.sync.is_behind(tip.view);
        if !is_ready {
            return;
        }
        let bar = self.engine.log.check(meta.core, hash, view, meta.height, tip.height);
        if bar.is_ok() && !self.make(&meta) {
            // The key could not be used: it is tried again.
            return;
        }
        self.engine.book.judge(view);
        match bar {
            Ok(()) => {}
            Err(SealBar::Sealed) => {}
            Err(bar @ SealBar::OtherHash(_)) => {
                tracing::error!(%view, %hash, %bar, "a notarized block is not sealed");
            }
            Err(bar) => tracing::debug!(%view, %hash, %bar, "block not sealed"),
        }
    }

    /// Draws and seals: first the log, then the masters. `false` where the key could not be used.
    fn make(&mut self, meta: &BlockMeta) -> bool {
        let SupervisorIdentity::Sealing { id, signer } = &self.engine.identity else { return true };
        let supervisors = self.engine.chain.supervisors();
        let seal = match supervisors.seal(*id, &**signer, meta.core, meta.hash) {
            Ok(Some(seal)) => seal,
            Ok(None) => {
                tracing::debug!(height = %meta.height, "not drawn");
                return true;
            }
            Err(error) => {
                tracing::error!(height = %meta.height, %error, "block not sealed");
                return false;
            }
        };
        let (epoch, view, height) = (meta.epoch, meta.view, meta.height);
        let record = SealRecord { epoch, view, height, seal: seal.clone() };
        if let Err(other) = self.engine.log.enter(record.clone()) {
            tracing::error!(%other, hash = %meta.hash, "a core is sealed already");
            return true;
        }
        self.output.records.push(JournalRecord::Sealed(Box::new(record)));
        self.engine.sealed = self.engine.sealed.saturating_add(1);
        if let Err(error) = self.engine.chain.offer_seal(seal.clone()) {
            tracing::error!(%height, %error, "own seal refused by the own chain");
        }
        for master in self.engine.masters.all() {
            self.call(master, Purpose::Seals, SupervisorCall::Seal(vec![seal.clone()]));
        }
        true
    }

    /// Own seals that no block has included for a while are given to all masters again: a master may have refused
    /// them for lack of room, or lost them in a crash.
    pub(super) fn give_seals_again(&mut self) {
        let newest = self.engine.chain.finalized().height;
        let is_due = newest.0 >= self.engine.seals_given_at.0.saturating_add(SEALS_AGAIN_BLOCKS);
        if !is_due || !self.engine.seals() {
            return;
        }
        self.engine.seals_given_at = newest;
        let seals = self.engine.log.to_send_again(newest, SEALS_AGAIN_BLOCKS);
        if seals.is_empty() {
            return;
        }
        for master in self.engine.masters.all() {
            self.call(master, Purpose::Seals, SupervisorCall::Seal(seals.clone()));
        }
    }

    /// Own seals that blocks include.
    pub(super) fn own_seals<B: Borrow<Block>>(&self, blocks: impl IntoIterator<Item = B>) -> Vec<Seal> {
        let Some(id) = self.own_id() else { return Vec::new() };
        let mut own = Vec::new();
        for block in blocks {
            own.extend(block.borrow().seals.iter().filter(|seal| seal.supervisor == id).cloned());
        }
        own
    }

    const fn own_id(&self) -> Option<NodeId> {
        match &self.engine.identity {
            SupervisorIdentity::Abstaining => None,
            SupervisorIdentity::Sealing { id, .. } => Some(*id),
        }
    }

    /// Own seals found in blocks that the chain has verified. One that is not in the log was made before the disk
    /// was restored from an old copy: it is learnt, so that we never contradict it.
    pub(super) fn learn_own_seals(&mut self, own: Vec<Seal>) {
        for seal in own {
            if self.engine.log.has(seal.core, seal.block_hash) {
                continue;
            }
            // The chain has verified what it took in; nothing else may ever enter the log.
            if let Err(error) = self.engine.chain.supervisors().verify(&seal) {
                tracing::error!(%error, hash = %seal.block_hash, "a seal in our name is forged");
                continue;
            }
            let Some((epoch, view, height)) = self.place_of_sealed(seal.block_hash) else { continue };
            let record = SealRecord { epoch, view, height, seal };
            tracing::warn!(%view, %height, "the seal log lacks an own seal that a block includes; it is learnt");
            match self.engine.log.enter(record.clone()) {
                Ok(()) => self.output.records.push(JournalRecord::Sealed(Box::new(record))),
                Err(other) => {
                    let hash = record.seal.block_hash;
                    let reason = format!(
                        "our key has sealed two blocks of view {view}: {other} in our log, {hash} in a block"
                    );
                    self.engine.contradict(&reason);
                }
            }
        }
    }

    fn place_of_sealed(&self, hash: B256) -> Option<(btn_types::Epoch, View, btn_types::Height)> {
        match self.engine.chain.block(hash) {
            Ok(block) => {
                let block = block?;
                Some((block.envelope.epoch, block.envelope.view, block.height()))
            }
            Err(error) => {
                tracing::error!(%hash, %error, "a block that we sealed could not be read");
                None
            }
        }
    }
}
