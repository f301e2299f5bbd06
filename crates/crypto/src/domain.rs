//! Domain-separated digests: `D(tag, …) = SHA256(len8(tag) ‖ tag ‖ chain ‖ fields)` (C3).
//!
//! Integers are big-endian (u64 for epoch, view, height; u32 for ρ), ids and digests 32 bytes, variable fields
//! length-prefixed by u32. Tags are frozen: changing one is a hard fork, and the vectors in the tests fail.

use alloy_primitives::B256;
use btn_types::{BlockMeta, Envelope, Epoch, Height, Justification, NodeId, View, VoteKind, encode, sha256};

/// The frozen tags of C3 that exist in this version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tag {
    /// Clerk lottery.
    Clerk,
    /// Seed chain.
    Seed,
    /// What level-2 seals draw on.
    Core,
    /// Seal lottery (C8).
    Seal,
    /// A supervisor's word for one block (C8).
    SealSignature,
    /// Proposal digest.
    Proposal,
    /// Notarize vote.
    Notarize,
    /// Nullify vote.
    Nullify,
    /// Finalize vote.
    Finalize,
    /// Proof of possession of a vote key; without chain.
    ProofOfPossession,
    /// Enrolment of a lottery key; without chain.
    Enrolment,
    /// The header's `extra_data`.
    Envelope,
    /// Custodians of a transaction (C10).
    Submit,
}

impl Tag {
    /// The tag's bytes.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Clerk => "clerk",
            Self::Seed => "seed",
            Self::Core => "core",
            Self::Seal => "seal",
            Self::SealSignature => "sealsig",
            Self::Proposal => "prop",
            Self::Notarize => "notarize",
            Self::Nullify => "nullify",
            Self::Finalize => "finalize",
            Self::ProofOfPossession => "pop",
            Self::Enrolment => "enrol",
            Self::Envelope => "envelope",
            Self::Submit => "submit",
        }
    }
}

/// Collects the fields of one digest.
struct Preimage(Vec<u8>);

impl Preimage {
    fn new(tag: Tag, chain: Option<B256>) -> Self {
        let tag = tag.as_str();
        let mut bytes = Vec::with_capacity(256);
        bytes.push(u8::try_from(tag.len()).unwrap_or(u8::MAX));
        bytes.extend_from_slice(tag.as_bytes());
        if let Some(chain) = chain {
            bytes.extend_from_slice(chain.as_slice());
        }
        Self(bytes)
    }

    fn number(mut self, value: u64) -> Self {
        self.0.extend_from_slice(&value.to_be_bytes());
        self
    }

    fn short(mut self, value: u32) -> Self {
        self.0.extend_from_slice(&value.to_be_bytes());
        self
    }

    fn digest(mut self, value: B256) -> Self {
        self.0.extend_from_slice(value.as_slice());
        self
    }

    fn variable(mut self, value: &[u8]) -> Self {
        let length = u32::try_from(value.len()).unwrap_or(u32::MAX);
        self.0.extend_from_slice(&length.to_be_bytes());
        self.0.extend_from_slice(value);
        self
    }

    fn finish(self) -> B256 {
        sha256(&self.0)
    }
}

/// Digests of one chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Domain {
    chain: B256,
}

impl Domain {
    /// Digests bound to the network whose genesis block has this hash.
    #[must_use]
    pub const fn new(genesis_hash: B256) -> Self {
        Self { chain: genesis_hash }
    }

    /// The genesis block's hash.
    #[must_use]
    pub const fn chain(&self) -> B256 {
        self.chain
    }

    fn preimage(&self, tag: Tag) -> Preimage {
        Preimage::new(tag, Some(self.chain))
    }

    /// `M_clerk`: what a clerk's ticket for a view signs (C3).
    #[must_use]
    pub fn clerk(&self, epoch: Epoch, view: View, draw_seed: B256) -> B256 {
        self.preimage(Tag::Clerk).number(epoch.0).number(view.0).digest(draw_seed).finish()
    }

    /// Seed of the genesis block: `D("seed", genesis hash)` (C3).
    #[must_use]
    pub fn genesis_seed(&self) -> B256 {
        self.preimage(Tag::Seed).digest(self.chain).finish()
    }

    /// `seed(B) = D("seed", seed(parent), SHA256(σ_clerk))` (C3).
    #[must_use]
    pub fn seed(&self, parent_seed: B256, clerk_signature: &[u8]) -> B256 {
        self.preimage(Tag::Seed).digest(parent_seed).digest(sha256(clerk_signature)).finish()
    }

    /// `core(B)` (C3): what seals draw on.
    #[must_use]
    pub fn core(
        &self,
        epoch: Epoch,
        view: View,
        height: Height,
        parent_seed: B256,
        clerk: NodeId,
        clerk_signature: &[u8],
    ) -> B256 {
        self.preimage(Tag::Core)
            .number(epoch.0)
            .number(view.0)
            .number(height.0)
            .digest(parent_seed)
            .digest(clerk.0)
            .variable(clerk_signature)
            .finish()
    }

    /// `M_seal`: what a supervisor's draw for a block signs (C3).
    #[must_use]
    pub fn seal(&self, core: B256) -> B256 {
        self.preimage(Tag::Seal).digest(core).finish()
    }

    /// What a supervisor signs to stand behind one block (C5 `Seal`).
    #[must_use]
    pub fn seal_signature(&self, core: B256, block_hash: B256) -> B256 {
        self.preimage(Tag::SealSignature).digest(core).digest(block_hash).finish()
    }

    /// Proposal digest: `D("prop", e, v, parent_view, block_hash)` (C5).
    #[must_use]
    pub fn proposal(&self, epoch: Epoch, view: View, parent_view: View, block_hash: B256) -> B256 {
        self.preimage(Tag::Proposal)
            .number(epoch.0)
            .number(view.0)
            .number(parent_view.0)
            .digest(block_hash)
            .finish()
    }

    /// The digest that votes for a placed block name.
    #[must_use]
    pub fn digest_of(&self, block: &BlockMeta) -> B256 {
        self.proposal(block.epoch, block.view, block.parent_view, block.hash)
    }

    /// What a vote signs (C5). A Nullify has no digest.
    #[must_use]
    pub fn vote(&self, kind: VoteKind, epoch: Epoch, view: View, digest: B256) -> B256 {
        let tag = match kind {
            VoteKind::Notarize => Tag::Notarize,
            VoteKind::Nullify => Tag::Nullify,
            VoteKind::Finalize => Tag::Finalize,
        };
        let preimage = self.preimage(tag).number(epoch.0).number(view.0);
        if kind == VoteKind::Nullify { preimage.finish() } else { preimage.digest(digest).finish() }
    }

    /// The header's `extra_data`: `D("envelope", e, v, parent_view, clerk, σ_clerk, timestamp_ms,
    /// justification, seal root, supervisors' root, S)`, S as u32. The justification (parent certificate and
    /// nullifications, canonical encoding) is committed whole, so that no relay can strip or swap a Nullification
    /// (ADR 003).
    #[must_use]
    pub fn envelope(&self, envelope: &Envelope, justification: &Justification) -> B256 {
        self.preimage(Tag::Envelope)
            .number(envelope.epoch.0)
            .number(envelope.view.0)
            .number(envelope.parent_view.0)
            .digest(envelope.clerk.0)
            .variable(&envelope.clerk_signature)
            .number(envelope.timestamp_ms)
            .variable(&encode(justification))
            .digest(envelope.seal_root)
            .digest(envelope.supervisors_root)
            .short(envelope.supervisors)
            .finish()
    }

    /// Rank of a member as custodian of a sender's transactions, least first (C10).
    #[must_use]
    pub fn submit(&self, epoch: Epoch, sender: &[u8], member: NodeId) -> B256 {
        self.preimage(Tag::Submit).number(epoch.0).variable(sender).digest(member.0).finish()
    }

    /// What a proof of possession signs; bound to the node, not to a chain (C3).
    #[must_use]
    pub fn proof_of_possession(node: NodeId, vote_key: &[u8]) -> B256 {
        Preimage::new(Tag::ProofOfPossession, None).digest(node.0).variable(vote_key).finish()
    }

    /// Base of the permutation proof's challenge values; bound to the key, not to a chain (C3, K1).
    #[must_use]
    pub fn enrolment(spki: &[u8], position: u32) -> B256 {
        Preimage::new(Tag::Enrolment, None).variable(spki).variable(&position.to_be_bytes()).finish()
    }
}

#[cfg(test)]
mod tests;
