//! What certificates make of blocks: sealed when notarized, committed when final, in the third state when sealed by
//! enough (C5, C8).

use super::Step;
use btn_chain::ChainError;
use btn_storage::FinalizedBatch;
use btn_types::{B256, Certificate, Seal, View};

/// Blocks without a certificate stay for so many views after a later one was certified.
const KEPT_VIEWS: u64 = 4;

/// How long a Finalization may wait for its block before ranges are asked for, in pulls' patience.
const LACKING_PATIENCE_PULLS: u64 = 2;

impl Step<'_> {
    /// Does what certificates and bodies allow now: executes, seals, and then commits.
    pub(super) fn settle(&mut self) {
        let waiting: Vec<(View, B256)> = self
            .engine
            .book
            .certified()
            .filter(|(_, entry)| !entry.judged)
            .map(|(view, entry)| (*view, entry.place.hash))
            .collect();
        for (view, hash) in waiting {
            if self.engine.chain.is_invalid(hash) {
                self.on_fault(view, hash, "found invalid before");
            } else if self.engine.chain.meta(hash).is_some() {
                self.execute(view, hash);
                self.seal(view, hash);
            } else {
                self.want_waiting(view);
            }
        }
        self.commit();
        self.forget_left_behind();
    }

    /// Blocks that others have overtaken without a certificate of their own leave the tree: refuse must not fill it.
    /// Should one be certified all the same, it is pulled again.
    fn forget_left_behind(&mut self) {
        let Some(below) = self.engine.book.highest().0.checked_sub(KEPT_VIEWS) else { return };
        let engine = &self.engine;
        // What comes by ranges or parent by parent has its certificates on the way.
        if engine.lacking_since_ms.is_some() || engine.sync.is_behind(engine.chain.finalized().view) {
            return;
        }
        let is_left = |view: View, hash: B256| view.0 < below && !engine.book.certifies(view, hash);
        let metas = engine.chain.unfinalized().filter(|meta| is_left(meta.view, meta.hash));
        let left: Vec<B256> = metas.map(|meta| meta.hash).collect();
        for hash in left {
            self.engine.chain.forget(hash);
        }
    }

    /// A quorum stands behind a block that is invalid here: it gets no seal, ever, and people are told. Where it is
    /// final, going on would be a fork.
    pub(super) fn on_fault(&mut self, view: View, hash: B256, reason: &str) {
        self.engine.book.judge(view);
        let is_final = self.engine.book.finalization_of(view).is_some();
        let kind = if is_final { "final" } else { "notarized" };
        let sentence = format!("{kind} block {hash} of view {view} is invalid here: {reason}");
        self.engine.raise_alarm(&sentence);
        if is_final {
            self.output.halt = Some(sentence);
        }
    }

    /// Commits the newest Finalization whose block is here; where the newest of all has waited long for its block,
    /// ranges are asked for.
    fn commit(&mut self) {
        let tip = *self.engine.chain.finalized();
        let newest_first = self.engine.book.certified().rev().filter(|(view, _)| **view > tip.view);
        let finals: Vec<(B256, Certificate)> = newest_first
            .filter_map(|(_, entry)| Some((entry.place.hash, entry.finalization.clone()?)))
            .collect();
        if let Some((hash, invalid)) = finals.iter().find(|(hash, _)| self.engine.chain.is_invalid(*hash)) {
            let (view, reason) = (invalid.view, "found invalid before");
            return self.on_fault(view, *hash, reason);
        }
        let known = finals.iter().find(|(hash, _)| self.engine.chain.meta(*hash).is_some());
        if let Some((hash, finalization)) = known {
            self.finalize(*hash, finalization.clone());
        }
        let tip = self.engine.chain.finalized().view;
        match finals.first().filter(|(_, newest)| newest.view > tip) {
            Some((_, newest)) => self.lack(newest.view),
            None => self.engine.lacking_since_ms = None,
        }
    }

    fn lack(&mut self, view: View) {
        let now_ms = self.now.monotonic_ms;
        let since_ms = *self.engine.lacking_since_ms.get_or_insert(now_ms);
        let due_at_ms =
            since_ms.saturating_add(self.engine.pull_patience_ms().saturating_mul(LACKING_PATIENCE_PULLS));
        if now_ms >= due_at_ms {
            self.engine.sync.want(view);
        } else {
            self.wake_at(due_at_ms);
        }
    }

    fn finalize(&mut self, hash: B256, finalization: Certificate) {
        match self.engine.chain.finalize(hash, finalization) {
            Ok(batch) => self.on_final(batch),
            Err(error @ ChainError::InvalidFinalized { .. }) => {
                self.engine.raise_alarm(&error.to_string());
                self.output.halt = Some(error.to_string());
            }
            Err(error) => tracing::error!(%hash, %error, "final block could not be committed"),
        }
    }

    /// The tip has moved.
    pub(super) fn on_final(&mut self, batch: Option<FinalizedBatch>) {
        let Some(batch) = batch else { return };
        let own: Vec<Seal> = self.own_seals(batch.blocks.iter().map(|block| &*block.block));
        for seal in own {
            self.engine.log.included(seal.core);
        }
        self.output.commits.push(batch);
        let tip = *self.engine.chain.finalized();
        self.engine.lacking_since_ms = None;
        self.engine.book.committed(tip.view);
        self.engine.pulls.prune_through(tip.view);
        self.engine.orphans.prune_through(tip.view);
        self.give_seals_again();
    }

    /// Seals that make a third state are on disk before anyone is told of it: where it moves, it goes into the last
    /// commit of the step.
    pub(super) fn advance_third_state(&mut self) {
        let Some(sealed) = self.engine.chain.take_third_state() else { return };
        match self.output.commits.last_mut() {
            Some(batch) => batch.sealed = Some(sealed),
            None => self.output.commits.push(FinalizedBatch { blocks: Vec::new(), sealed: Some(sealed) }),
        }
    }
}
