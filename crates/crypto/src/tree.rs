//! RFC 6962 tree hashes and audit paths: over a block's seals, and over the ids of the registered supervisors.

use alloy_primitives::B256;
use ct_merkle::mem_backed_tree::MemoryBackedTree;
use ct_merkle::{InclusionProof, RootHash};
use sha2::Sha256;

/// Most steps of an audit path.
const MAX_PATH_STEPS: usize = 32;

/// Most leaves of a tree. The library panics above 2⁶³.
const MAX_LEAVES: u64 = 1 << MAX_PATH_STEPS;

/// A tree that is kept: building it takes `n·log n` hashes, a path from it none.
#[derive(Debug)]
pub(crate) struct AuditTree(MemoryBackedTree<Sha256, Vec<u8>>);

impl AuditTree {
    pub(crate) fn new<'a>(leaves: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let mut tree = MemoryBackedTree::new();
        for leaf in leaves {
            tree.push(leaf.to_vec());
        }
        Self(tree)
    }

    pub(crate) fn root(&self) -> B256 {
        B256::from_slice(self.0.root().as_bytes())
    }

    pub(crate) fn path(&self, position: usize) -> Option<Vec<B256>> {
        if position >= self.0.items().len() {
            return None;
        }
        let proof = self.0.prove_inclusion(position);
        Some(proof.as_bytes().chunks_exact(32).map(B256::from_slice).collect())
    }
}

/// Tree hash of these leaves (RFC 6962 §2.1); the SHA-256 of nothing where there are none.
#[must_use]
pub fn tree_hash<'a>(leaves: impl IntoIterator<Item = &'a [u8]>) -> B256 {
    AuditTree::new(leaves).root()
}

/// Audit path of one leaf (RFC 6962 §2.1.1), from its sibling up to the root's child; `None` past the last leaf.
#[must_use]
pub fn audit_path<'a>(leaves: impl IntoIterator<Item = &'a [u8]>, position: usize) -> Option<Vec<B256>> {
    AuditTree::new(leaves).path(position)
}

/// Whether a leaf stands at a position of the tree with this root and number of leaves (at most 2³²).
#[must_use]
pub fn verify_audit_path(root: B256, leaves: u64, position: u64, leaf: &[u8], path: &[B256]) -> bool {
    if position >= leaves || leaves > MAX_LEAVES || path.len() > MAX_PATH_STEPS {
        return false;
    }
    let bytes = path.iter().flat_map(|step| step.0).collect();
    let Ok(proof) = InclusionProof::<Sha256>::try_from_bytes(bytes) else { return false };
    let root = RootHash::<Sha256>::new(root.0.into(), leaves);
    root.verify_inclusion(&leaf, position, &proof).is_ok()
}

#[cfg(test)]
mod tests;
