//! Taking a block into the tree: every rule that needs no execution (C5 rules 1–3, 6; ARCHITECTURE,
//! "Header"). Cheap checks come first, signatures last.

use crate::justification::check_justification;
use crate::meta::place;
use crate::seals::{Link, check_supervision, core_on};
use crate::{BlockError, BlockMeta, Chain};
use alloy_consensus::Header;
use alloy_consensus::proofs::calculate_transaction_root;
use alloy_primitives::B256;
use btn_crypto::seal_root;
use btn_execution::check_header;
use btn_types::limits::MAX_UNFINALIZED_HEIGHTS;
use btn_types::{Block, Height, MemberIndex};
use std::sync::Arc;

impl Chain {
    /// Takes a block whose parent is known into the tree, after checking everything that needs no execution.
    /// A block that is there already is fine.
    ///
    /// # Errors
    /// One variant of [`BlockError`] per rule. Where [`BlockError::is_permanent`], the hash is remembered as
    /// invalid.
    pub fn insert(&mut self, block: Arc<Block>) -> Result<BlockMeta, BlockError> {
        self.drop_flushed()?;
        let hash = block.hash();
        // First of all: a known hash must not vouch for another body.
        self.check_body(&block)?;
        if let Some(known) = self.meta(hash) {
            return Ok(*known);
        }
        if self.tree.is_invalid(&hash) {
            return Err(BlockError::KnownInvalid(hash));
        }
        match self.check(&block, hash) {
            Ok(meta) => {
                let link = Arc::new(Link::new(&block, hash, meta.core));
                self.count_seals(&block, &link);
                self.tree.insert(meta, block, link);
                Ok(meta)
            }
            Err(error) => {
                if error.is_permanent() {
                    tracing::warn!(%hash, %error, "invalid block");
                    self.invalidate(hash);
                }
                Err(error)
            }
        }
    }

    /// Whether transactions, envelope, justification and seals are those that the header commits to. Until this
    /// holds nothing may be held against the header's hash.
    fn check_body(&self, block: &Block) -> Result<(), BlockError> {
        let (actual, expected) =
            (calculate_transaction_root(&block.transactions), block.header.transactions_root);
        if actual != expected {
            return Err(BlockError::TransactionsRoot { actual, expected });
        }
        let expected = self.committee.domain().envelope(&block.envelope, &block.justification);
        if block.header.extra_data[..] != expected[..] {
            let actual = block.header.extra_data.clone();
            return Err(BlockError::ExtraData { actual, expected });
        }
        let (actual, expected) = (seal_root(&block.seals), block.envelope.seal_root);
        if actual != expected {
            return Err(BlockError::SealRoot { actual, expected });
        }
        Ok(())
    }

    fn check(&mut self, block: &Block, hash: B256) -> Result<BlockMeta, BlockError> {
        let (actual, tip) = (block.height(), self.tip.meta.height);
        if actual <= tip && self.meta(block.header.parent_hash).is_none() {
            return Err(BlockError::NotAboveTip { actual, tip });
        }
        let (parent, parent_header) = self.parent_of(block)?;
        self.check_bounds(block)?;
        self.check_place(block, &parent)?;
        check_time(block, &parent)?;
        let clerk = self.check_clerk(block)?;
        check_header(&block.header, &parent_header, &self.spec)?;
        let envelope = &block.envelope;
        check_supervision(&self.supervisors, envelope)?;
        let (draw_seed, signature) = (parent.child_draw_seed, &envelope.clerk_signature);
        self.committee.verify_draw(clerk, envelope.view, draw_seed, signature)?;
        let (committee, verified) = (&self.committee, &mut self.verified);
        check_justification(committee, verified, &parent, envelope.view, &block.justification)?;
        self.check_seals(block)?;
        let child_draw_seed = self.child_draw_seed(&parent, block.height())?;
        let later_draw_seed = self.later_draw_seed(&parent, block.height(), child_draw_seed)?;
        let core = core_on(self.committee.domain(), block, parent.seed);
        Ok(place(block, hash, block.seed(), core, child_draw_seed, later_draw_seed))
    }

    fn parent_of(&self, block: &Block) -> Result<(BlockMeta, Header), BlockError> {
        let hash = block.header.parent_hash;
        if self.tree.is_invalid(&hash) {
            let reason = BlockError::KnownInvalid(hash).to_string();
            return Err(BlockError::InvalidAncestor { ancestor: hash, reason });
        }
        match (self.meta(hash), self.tip_or_unfinalized(hash)) {
            (Some(meta), Some(parent)) => Ok((*meta, parent.header.clone())),
            _ => Err(BlockError::UnknownParent(hash)),
        }
    }

    /// What we are willing to hold; says nothing about validity.
    fn check_bounds(&self, block: &Block) -> Result<(), BlockError> {
        let most = Height(self.tip.meta.height.0.saturating_add(2 * MAX_UNFINALIZED_HEIGHTS));
        if block.height() > most {
            return Err(BlockError::TooFarAhead { actual: block.height(), most });
        }
        self.tree.check_room(block)
    }

    /// Epoch, height, views and seed (C5 rules 2 and 3). The round follows from the views.
    fn check_place(&self, block: &Block, parent: &BlockMeta) -> Result<(), BlockError> {
        let envelope = &block.envelope;
        let (actual, expected) = (envelope.epoch, self.committee.epoch());
        if actual != expected {
            return Err(BlockError::Epoch { actual, expected });
        }
        let (actual, expected) = (block.height(), parent.height.next());
        if actual != expected {
            return Err(BlockError::Height { actual, expected });
        }
        let (actual, expected) = (envelope.parent_view, parent.view);
        if actual != expected {
            return Err(BlockError::ParentView { actual, expected });
        }
        if envelope.view <= parent.view {
            return Err(BlockError::ViewOrder { view: envelope.view, parent_view: parent.view });
        }
        let expected = self.committee.domain().seed(parent.seed, &envelope.clerk_signature);
        if block.seed() != expected {
            return Err(BlockError::Seed { actual: block.seed(), expected });
        }
        Ok(())
    }

    /// The clerk is a member and earns the fees itself (C5 rule 1).
    fn check_clerk(&self, block: &Block) -> Result<MemberIndex, BlockError> {
        let clerk = block.envelope.clerk;
        let index = self.committee.index_of(clerk).ok_or(BlockError::NotMember(clerk))?;
        let member = self.committee.member(index).ok_or(BlockError::NotMember(clerk))?;
        let (actual, expected) = (block.header.beneficiary, member.payout);
        if actual != expected {
            return Err(BlockError::Beneficiary { actual, expected });
        }
        Ok(index)
    }
}

/// C5 rule 6. Never a clock: how far ahead of it a block may be is a question of voting.
fn check_time(block: &Block, parent: &BlockMeta) -> Result<(), BlockError> {
    let (actual, parent) = (block.envelope.timestamp_ms, parent.timestamp_ms);
    if actual <= parent {
        return Err(BlockError::Timestamp { actual, parent });
    }
    let (actual, expected) = (block.header.timestamp, actual / 1000);
    if actual != expected {
        return Err(BlockError::HeaderTimestamp { actual, expected });
    }
    Ok(())
}
