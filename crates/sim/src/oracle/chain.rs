//! Invariants 1, 4, 9 (seeds) and 11: the one finalised chain, built from whoever commits a height first and
//! compared with everybody who commits it later.

use super::{Invariant, Violation};
use alloy_consensus::transaction::SignerRecoverable;
use btn_types::{Address, B256, Block, Certificate, Height, MemberIndex, View, VoteKind, sha256};
use std::collections::{BTreeMap, BTreeSet};

/// What is remembered of a final block.
#[derive(Clone, Copy)]
struct Final {
    hash: B256,
    view: View,
    parent_view: View,
    seed: B256,
    timestamp_ms: u64,
    first: MemberIndex,
}

/// The finalised chain.
pub(super) struct FinalChain {
    chain_hash: B256,
    blocks: BTreeMap<Height, Final>,
    nonces: BTreeSet<(Address, u64)>,
    transactions: BTreeSet<B256>,
}

fn broken(height: Height, detail: &str) -> Violation {
    Violation::new(Invariant::LinkedChain, format!("height {height}: {detail}"))
}

impl FinalChain {
    pub(super) fn new(chain_hash: B256, genesis_ms: u64) -> Self {
        let mut chain = Self {
            chain_hash,
            blocks: BTreeMap::new(),
            nonces: BTreeSet::new(),
            transactions: BTreeSet::new(),
        };
        let genesis = Final {
            hash: chain_hash,
            view: View(0),
            parent_view: View(0),
            seed: chain.digest("seed", &[chain_hash.as_slice()]),
            timestamp_ms: genesis_ms,
            first: MemberIndex(0),
        };
        chain.blocks.insert(Height(0), genesis);
        chain
    }

    /// `D(tag, …)` of C3.
    fn digest(&self, tag: &str, fields: &[&[u8]]) -> B256 {
        let length = [u8::try_from(tag.len()).unwrap_or(u8::MAX)];
        let head: [&[u8]; 3] = [&length, tag.as_bytes(), self.chain_hash.as_slice()];
        sha256(&[head.concat(), fields.concat()].concat())
    }

    fn proposal_digest(&self, block: &Final) -> B256 {
        self.digest_of(block.view, block.parent_view, block.hash)
    }

    /// Digest that votes for a block name (C5).
    pub(super) fn digest_of(&self, view: View, parent_view: View, hash: B256) -> B256 {
        let (view, parent_view) = (view.0.to_be_bytes(), parent_view.0.to_be_bytes());
        self.digest("prop", &[&0u64.to_be_bytes(), &view, &parent_view, hash.as_slice()])
    }

    /// Hash of the final block at a height.
    pub(super) fn hash_of(&self, height: Height) -> Option<B256> {
        self.blocks.get(&height).map(|block| block.hash)
    }

    pub(super) fn has(&self, transaction: &B256) -> bool {
        self.transactions.contains(transaction)
    }

    pub(super) fn transactions(&self) -> usize {
        self.transactions.len()
    }

    pub(super) fn commit(&mut self, member: MemberIndex, block: &Block, hash: B256) -> Result<(), Violation> {
        let height = block.height();
        if let Some(known) = self.blocks.get(&height) {
            if known.hash == hash {
                return Ok(());
            }
            let detail =
                format!("height {height}: {} at member {}, {hash} at {member}", known.hash, known.first);
            return Err(Violation::new(Invariant::OneBlockPerHeight, detail));
        }
        let Some(parent) = self.blocks.get(&height.previous()).copied() else {
            return Err(broken(height, "committed before its parent"));
        };
        self.check_links(block, &parent)?;
        let seed = self.check_seed(block, &parent)?;
        self.check_nonces(block)?;
        let envelope = &block.envelope;
        let newest = Final {
            hash,
            view: envelope.view,
            parent_view: envelope.parent_view,
            seed,
            timestamp_ms: envelope.timestamp_ms,
            first: member,
        };
        self.blocks.insert(height, newest);
        Ok(())
    }

    fn check_links(&self, block: &Block, parent: &Final) -> Result<(), Violation> {
        let (height, envelope) = (block.height(), &block.envelope);
        if block.header.parent_hash != parent.hash {
            return Err(broken(height, "its parent is not the block below"));
        }
        if envelope.parent_view != parent.view || envelope.view <= parent.view {
            return Err(broken(height, "its views do not follow its parent's"));
        }
        if envelope.timestamp_ms <= parent.timestamp_ms {
            return Err(broken(height, "it is not later than its parent"));
        }
        let nullified = block.justification.nullifications.iter().map(|held| (held.kind, held.view.0));
        let skipped = (parent.view.0 + 1..envelope.view.0).map(|view| (VoteKind::Nullify, view));
        if !nullified.eq(skipped) {
            return Err(broken(height, "its Nullifications are not those of the views it skips"));
        }
        match &block.justification.parent_certificate {
            None if height == Height(1) => Ok(()),
            Some(held) if height > Height(1) && self.certifies(held, parent) => Ok(()),
            _ => Err(broken(height, "its parent's certificate is missing, superfluous, or another's")),
        }
    }

    fn certifies(&self, certificate: &Certificate, block: &Final) -> bool {
        certificate.kind != VoteKind::Nullify
            && certificate.view == block.view
            && certificate.digest == self.proposal_digest(block)
    }

    fn check_seed(&self, block: &Block, parent: &Final) -> Result<B256, Violation> {
        let drawn = sha256(&block.envelope.clerk_signature);
        let seed = self.digest("seed", &[parent.seed.as_slice(), drawn.as_slice()]);
        if block.header.mix_hash != seed {
            return Err(Violation::new(Invariant::Seeds, format!("height {}", block.height())));
        }
        Ok(seed)
    }

    fn check_nonces(&mut self, block: &Block) -> Result<(), Violation> {
        use alloy_consensus::Transaction as _;
        for transaction in &block.transactions {
            let Ok(sender) = transaction.recover_signer() else {
                return Err(broken(block.height(), "a transaction without a sender"));
            };
            if !self.nonces.insert((sender, transaction.nonce())) {
                let detail = format!("height {}: {sender} {}", block.height(), transaction.nonce());
                return Err(Violation::new(Invariant::NonceOnce, detail));
            }
            self.transactions.insert(*transaction.tx_hash());
        }
        Ok(())
    }

    /// The Finalization stored with a block is that block's.
    pub(super) fn check_finalization(
        &self,
        block: &Block,
        hash: B256,
        finalization: &Certificate,
    ) -> Result<(), Violation> {
        let known = self.blocks.get(&block.height()).filter(|known| known.hash == hash);
        let is_its = known.is_some_and(|known| self.certifies(finalization, known));
        if is_its && finalization.kind == VoteKind::Finalize {
            return Ok(());
        }
        Err(broken(block.height(), "the Finalization stored with it is another's"))
    }
}
