//! The registered supervisors of one epoch: who may seal a block, how many seals it needs, and what a seal
//! proves (C8).

use crate::checks::{Check, enabled};
use crate::tree::{AuditTree, tree_hash};
use crate::{Domain, Draw, SignError};
use alloy_primitives::{B256, Bytes, U512};
use btn_types::genesis::SupervisorRecord;
use btn_types::{Genesis, NodeId, Seal};
use std::fmt;
use std::sync::Arc;
use thiserror::Error;

/// A supervisor's private key: one deterministic RSA signature for draw and word alike (K1).
pub trait SealSigner: Send {
    /// RSA signature over a 32-byte message, as long as the modulus.
    ///
    /// # Errors
    /// The key cannot be used (a TPM that went away).
    fn sign(&self, message: B256) -> Result<Bytes, SignError>;
}

/// The registered supervisors' public keys, parsed and checked once.
pub trait SealVerifier: Send + Sync {
    /// Whether `signature` is the RSA signature over `message` of the supervisor at this place; strict and exact
    /// in length (K1).
    fn verify(&self, supervisor: usize, message: B256, signature: &[u8]) -> bool;
}

/// Why a seal is refused.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum SealError {
    /// Not registered.
    #[error("node {0} is no registered supervisor")]
    NotRegistered(NodeId),
    /// The draw's RSA signature does not verify.
    #[error("draw signature of supervisor {0} does not verify")]
    Draw(NodeId),
    /// The draw is not below the bar.
    #[error("supervisor {supervisor} was not drawn for this core: draw {draw}")]
    NotDrawn {
        /// Whose.
        supervisor: NodeId,
        /// SHA-256 of the draw signature.
        draw: B256,
    },
    /// The RSA signature over core and block hash does not verify.
    #[error("seal signature of supervisor {0} does not verify")]
    Signature(NodeId),
}

/// The supervisors of an epoch and the means to check their seals. Cheap to clone.
#[derive(Clone)]
pub struct Supervisors {
    domain: Domain,
    ids: Arc<[NodeId]>,
    root: B256,
    /// Kept, as a page of seals wants a path for each.
    tree: Arc<AuditTree>,
    expected_seals: u64,
    verifier: Arc<dyn SealVerifier>,
}

impl fmt::Debug for Supervisors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Supervisors").field("count", &self.ids.len()).field("root", &self.root).finish()
    }
}

impl Supervisors {
    /// The supervisors of genesis (epoch 0), ascending by id. `verifier` holds their keys in the same order.
    #[must_use]
    pub fn from_genesis(genesis: &Genesis, genesis_hash: B256, verifier: Arc<dyn SealVerifier>) -> Self {
        let ids: Arc<[NodeId]> = genesis.sealing().iter().map(|supervisor| supervisor.id).collect();
        let tree = AuditTree::new(ids.iter().map(|id| id.0.as_slice()));
        Self {
            domain: Domain::new(genesis_hash),
            root: tree.root(),
            tree: Arc::new(tree),
            ids,
            expected_seals: genesis.consensus.expected_seals,
            verifier,
        }
    }

    /// S: how many are registered.
    #[must_use]
    pub fn count(&self) -> usize {
        self.ids.len()
    }

    /// S as blocks carry it.
    #[must_use]
    pub fn count_in_block(&self) -> u32 {
        u32::try_from(self.ids.len()).unwrap_or(u32::MAX)
    }

    /// RFC 6962 tree hash over the ids, ascending: what each block's envelope carries.
    #[must_use]
    pub const fn root(&self) -> B256 {
        self.root
    }

    /// Digests of this chain.
    #[must_use]
    pub const fn domain(&self) -> &Domain {
        &self.domain
    }

    /// The ids, ascending.
    #[must_use]
    pub fn ids(&self) -> &[NodeId] {
        &self.ids
    }

    /// Place of an identity.
    #[must_use]
    pub fn place_of(&self, id: NodeId) -> Option<usize> {
        self.ids.binary_search(&id).ok()
    }

    /// Audit path of a supervisor's id to [`Supervisors::root`] (RFC 6962 §2.1.1).
    #[must_use]
    pub fn membership(&self, id: NodeId) -> Option<Vec<B256>> {
        self.tree.path(self.place_of(id)?)
    }

    /// λ of genesis: seals expected per block.
    #[must_use]
    pub const fn expected_seals(&self) -> u64 {
        self.expected_seals
    }

    /// s_min: seals on one block that make its second state, ⌈min(λ, S)/3⌉ (C8); 0 where nobody is registered.
    #[must_use]
    pub fn quorum(&self) -> usize {
        let population = self.expected_seals.min(self.ids.len() as u64);
        usize::try_from(population.div_ceil(3)).unwrap_or(usize::MAX)
    }

    /// Whether so many distinct supervisors' seals on one block make its second state.
    #[must_use]
    pub fn is_quorum(&self, seals: usize) -> bool {
        seals >= self.quorum() || !enabled(Check::Quorum)
    }

    /// Whether a draw makes its supervisor eligible: everyone while S ≤ λ, else iff it is below
    /// ⌊2²⁵⁶·λ/S⌋ (C8).
    #[must_use]
    pub fn is_drawn(&self, draw: Draw) -> bool {
        let (population, expected) = (self.ids.len() as u64, self.expected_seals);
        if population <= expected {
            return true;
        }
        // In 512 bits: 2²⁵⁶·λ overflows 256.
        let bar = (U512::from(expected) << 256) / U512::from(population);
        U512::from_be_slice(draw.0.as_slice()) < bar
    }

    /// Makes a seal; `None` where the supervisor was not drawn for the core.
    ///
    /// # Errors
    /// The key cannot be used.
    pub fn seal(
        &self,
        supervisor: NodeId,
        signer: &dyn SealSigner,
        core: B256,
        block_hash: B256,
    ) -> Result<Option<Seal>, SignError> {
        let draw_signature = signer.sign(self.domain.seal(core))?;
        if !self.is_drawn(Draw::of(&draw_signature)) {
            return Ok(None);
        }
        let signature = signer.sign(self.domain.seal_signature(core, block_hash))?;
        Ok(Some(Seal { supervisor, core, draw_signature, block_hash, signature }))
    }

    /// Checks everything that a seal proves by itself: registration, draw, bar, signature. That `core` is the
    /// core of the block with that hash is for whoever knows the block.
    ///
    /// # Errors
    /// [`SealError`].
    pub fn verify(&self, seal: &Seal) -> Result<(), SealError> {
        let id = seal.supervisor;
        let place = self.place_of(id).ok_or(SealError::NotRegistered(id))?;
        if enabled(Check::SealDraw) {
            self.verify_draw(seal, place)?;
        }
        let message = self.domain.seal_signature(seal.core, seal.block_hash);
        if !self.verifier.verify(place, message, &seal.signature) && enabled(Check::SealSignature) {
            return Err(SealError::Signature(id));
        }
        Ok(())
    }

    fn verify_draw(&self, seal: &Seal, place: usize) -> Result<(), SealError> {
        let supervisor = seal.supervisor;
        // The bar is the cheaper check and no secret.
        let draw = Draw::of(&seal.draw_signature);
        if !self.is_drawn(draw) {
            return Err(SealError::NotDrawn { supervisor, draw: draw.0 });
        }
        if !self.verifier.verify(place, self.domain.seal(seal.core), &seal.draw_signature) {
            return Err(SealError::Draw(supervisor));
        }
        Ok(())
    }
}

/// RFC 6962 tree hash over ids in this order.
fn supervisors_root(ids: &[NodeId]) -> B256 {
    tree_hash(ids.iter().map(|id| id.0.as_slice()))
}

/// RFC 6962 tree hash over a block's seals in order: the envelope's `seal_root`.
#[must_use]
pub fn seal_root(seals: &[Seal]) -> B256 {
    let encoded: Vec<Vec<u8>> = seals.iter().map(btn_types::encode).collect();
    tree_hash(encoded.iter().map(Vec::as_slice))
}

/// The root and count that a genesis' supervisors have, without their keys.
#[must_use]
pub fn supervisors_commitment(genesis: &Genesis) -> (B256, u32) {
    let ids: Vec<NodeId> = genesis.sealing().iter().map(|record: &&SupervisorRecord| record.id).collect();
    (supervisors_root(&ids), u32::try_from(ids.len()).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests;
