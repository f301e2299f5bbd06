//! Bodies: pulled, taken into the chain in order, executed.

use super::Step;
use super::calls::Purpose;
use super::hear::MAX_MISSING_PARENTS;
use crate::announce::place_of;
use crate::blocks::is_not_its_body;
use btn_chain::BlockError;
use btn_types::supervision::{PullRequest, SupervisorCall};
use btn_types::{B256, Block, BlockMeta, MemberIndex, View};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Most blocks that wait for their parents, and most of them that one master served: their tickets and certificates
/// are not checked yet, so nobody may fill the room alone.
const MAX_ORPHANS: usize = 64;
const MAX_ORPHANS_PER_MASTER: usize = 16;

/// Most bytes of them.
const MAX_ORPHAN_BYTES: usize = 64 * 1024 * 1024;

/// Blocks of one view that are executed before any is certified: the best two clerks propose at once (C6.3), and one
/// that proposes many must not keep us busy.
const MAX_SPECULATIVE_PER_VIEW: usize = 2;

/// Blocks whose parent is not here yet, with the master that served them.
#[derive(Clone, Debug, Default)]
pub(super) struct Orphans(BTreeMap<(View, B256), (Arc<Block>, MemberIndex)>);

impl Orphans {
    pub(super) fn has(&self, hash: B256) -> bool {
        self.0.keys().any(|(_, held)| *held == hash)
    }

    /// Keeps a block, if there is room; of too many the farthest ahead go. They come again once certified.
    fn keep(&mut self, hash: B256, block: Arc<Block>, from: MemberIndex) {
        if self.0.values().filter(|(_, server)| *server == from).count() >= MAX_ORPHANS_PER_MASTER {
            return;
        }
        self.0.insert((block.envelope.view, hash), (block, from));
        while self.0.len() > MAX_ORPHANS || self.bytes() > MAX_ORPHAN_BYTES {
            self.0.pop_last();
        }
    }

    fn bytes(&self) -> usize {
        self.0.values().map(|(block, _)| alloy_rlp::Encodable::length(&**block)).sum()
    }

    /// A master went: what it served may be false, and is pulled from others if it is certified.
    pub(super) fn forget_master(&mut self, master: MemberIndex) {
        self.0.retain(|_, (_, server)| *server != master);
    }

    /// Takes out the children of a block.
    fn take_children(&mut self, parent: B256) -> Vec<(B256, Arc<Block>, MemberIndex)> {
        let children = self.0.extract_if(.., |_, (block, _)| block.header.parent_hash == parent);
        children.map(|((_, hash), (block, from))| (hash, block, from)).collect()
    }

    pub(super) fn prune_through(&mut self, view: View) {
        self.0 = self.0.split_off(&(view.next(), B256::ZERO));
    }
}

impl Step<'_> {
    /// Pulls what is due; masters that let their time run out are counted.
    pub(super) fn pull(&mut self) {
        let now_ms = self.now.monotonic_ms;
        for (hash, master) in self.engine.pulls.take_overdue(now_ms) {
            self.count_unanswered(master, &format!("block {hash}"));
        }
        let (linked, patience_ms) = (self.engine.masters.all(), self.engine.pull_patience_ms());
        for (to, hash) in self.engine.pulls.take_due(&linked, now_ms, patience_ms) {
            self.call(to, Purpose::Body(hash), SupervisorCall::Pull(PullRequest::Block { hash }));
        }
        if let Some(due_at_ms) = self.engine.pulls.due_at_ms(now_ms) {
            self.wake_at(due_at_ms);
        }
    }

    /// A body came, with the hash that was asked for; then, in order, the blocks that waited for it.
    pub(super) fn on_body(&mut self, from: MemberIndex, hash: B256, block: Arc<Block>) {
        let mut waiting = vec![(hash, block, from)];
        while let Some((hash, block, from)) = waiting.pop() {
            if self.take_in(hash, &block, from) {
                waiting.extend(self.engine.orphans.take_children(hash));
            }
        }
    }

    /// Shows a body to the chain. Whether it is in now.
    fn take_in(&mut self, hash: B256, block: &Arc<Block>, from: MemberIndex) -> bool {
        match self.engine.chain.insert(Arc::clone(block)) {
            Ok(meta) => {
                self.engine.pulls.done(hash);
                self.on_inserted(&meta, block);
                return true;
            }
            Err(BlockError::UnknownParent(parent)) => self.on_orphan(hash, parent, block, from),
            // The hash covers the header alone: the true body may come from another.
            Err(error) if is_not_its_body(&error) => {
                self.engine.pulls.fruitless(hash, from);
                let reason = format!("master {from} served a body that is not that of block {hash}: {error}");
                self.drop_master(from, reason);
            }
            Err(error) if error.is_permanent() => {
                self.engine.pulls.done(hash);
                self.on_refused(from, block.envelope.view, hash, &error);
            }
            Err(error) => {
                self.engine.pulls.done(hash);
                tracing::debug!(%hash, %error, "block not kept");
            }
        }
        false
    }

    /// Its place is right, its ticket, its certificates and its seals: its parent is certified by what it carries.
    fn on_inserted(&mut self, meta: &BlockMeta, block: &Arc<Block>) {
        self.check_places(&place_of(meta));
        let own_seals = self.own_seals([&**block]);
        self.learn_own_seals(own_seals);
        let parent = self.engine.chain.meta(meta.parent).map(place_of);
        if let (Some(certificate), Some(parent)) = (&block.justification.parent_certificate, parent) {
            self.learn(parent, certificate.clone());
        }
        if self.engine.book.certifies(meta.view, meta.hash) || self.may_speculate(meta) {
            self.execute(meta.view, meta.hash);
        }
    }

    /// Whether a block is executed before it is certified.
    fn may_speculate(&self, meta: &BlockMeta) -> bool {
        let chain = &self.engine.chain;
        let executed =
            chain.unfinalized().filter(|other| other.view == meta.view && chain.is_executed(other.hash));
        executed.count() < MAX_SPECULATIVE_PER_VIEW
    }

    /// Executes a block and its ancestors (C5 rule 4, R-083).
    pub(super) fn execute(&mut self, view: View, hash: B256) {
        match self.engine.chain.execute(hash) {
            Ok(()) => {}
            Err(error) if error.is_permanent() => self.on_invalid(view, hash, &error),
            Err(error) => tracing::error!(%hash, %error, "block could not be executed"),
        }
    }

    /// A block breaks a rule that needs no execution: no honest master takes it in, so none serves it. (One that
    /// stands on an invalid block may be served: its parent need not have been executed.)
    fn on_refused(&mut self, from: MemberIndex, view: View, hash: B256, error: &BlockError) {
        self.on_invalid(view, hash, error);
        let is_hearsay = matches!(error, BlockError::KnownInvalid(_) | BlockError::InvalidAncestor { .. });
        if !is_hearsay && !self.engine.book.certifies(view, hash) {
            self.drop_master(
                from,
                format!("master {from} served block {hash}, which breaks a rule: {error}"),
            );
        }
    }

    /// A block is invalid. Where a quorum stands behind it, that is not the fault of whoever served it.
    fn on_invalid(&mut self, view: View, hash: B256, error: &BlockError) {
        if self.engine.book.certifies(view, hash) {
            self.on_fault(view, hash, &error.to_string());
        } else {
            tracing::warn!(%hash, %view, %error, "proposed block is invalid");
        }
    }

    /// The parent is missing: it is pulled, where only a few are.
    fn on_orphan(&mut self, hash: B256, parent: B256, block: &Arc<Block>, from: MemberIndex) {
        self.engine.pulls.done(hash);
        let (view, parent_view) = (block.envelope.view, block.envelope.parent_view);
        if parent_view >= view {
            let reason =
                format!("master {from} served block {hash} of view {view} on one of view {parent_view}");
            return self.drop_master(from, reason);
        }
        let tip = *self.engine.chain.finalized();
        if self.missing_below(block.height()) > MAX_MISSING_PARENTS || block.height() <= tip.height {
            if let Some(view) = self.engine.book.highest_final().filter(|view| *view > tip.view) {
                self.engine.sync.want(view);
            }
            return;
        }
        self.engine.orphans.keep(hash, Arc::clone(block), from);
        if self.engine.orphans.has(parent) || self.engine.chain.is_invalid(parent) {
            return;
        }
        // What is not certified yet is this master's word alone, and goes with it.
        if self.engine.book.certifies(view, hash) || self.engine.book.certifies(parent_view, parent) {
            self.engine.pulls.want(parent, parent_view);
        } else {
            self.engine.pulls.want_of(parent, parent_view, from);
        }
    }
}
