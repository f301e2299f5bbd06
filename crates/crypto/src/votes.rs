//! Committee votes: BLS12-381 signatures with public keys in G1 and proof of possession (K7). Ciphersuite
//! `BLS_SIG_BLS12381G2_XMD:SHA-256_SSWU_RO_POP_` of the IETF draft "BLS Signatures". What is signed is always
//! the 32-byte digest of C5.
//!
//! Everything runs on the caller's thread: the underlying library's own verify functions would start a
//! thread pool.

use crate::Domain;
use alloy_primitives::B256;
use blst::min_pk::{AggregatePublicKey, AggregateSignature, PublicKey, SecretKey, Signature};
use blst::{BLST_ERROR, Pairing, blst_p1_affine, blst_p2_affine};
use btn_types::{NodeId, VoteKey, VoteSignature};
use std::fmt;
use thiserror::Error;
use zeroize::Zeroizing;

/// Domain separation of votes.
pub const VOTE_CIPHERSUITE: &[u8] = b"BLS_SIG_BLS12381G2_XMD:SHA-256_SSWU_RO_POP_";

/// Domain separation of proofs of possession.
pub const POSSESSION_CIPHERSUITE: &[u8] = b"BLS_POP_BLS12381G2_XMD:SHA-256_SSWU_RO_POP_";

/// Why a vote key is refused.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum VoteKeyError {
    /// Not a point of G1 in compressed form, not in the subgroup, or the point at infinity.
    #[error("vote key is not a point of the BLS12-381 subgroup G1 other than infinity: {0}")]
    Public(String),
    /// Not a scalar between 1 and the group order.
    #[error("private vote key is not 32 bytes of a number between 1 and the group order of BLS12-381")]
    Private,
    /// The operating system gives no randomness.
    #[error("the operating system gave no randomness for a vote key")]
    Randomness,
}

/// A private vote key. Wiped when dropped; `Debug` shows the public key only.
pub struct VotePrivateKey {
    secret: SecretKey,
    public: VoteKey,
}

impl fmt::Debug for VotePrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VotePrivateKey({})", self.public)
    }
}

impl VotePrivateKey {
    /// Makes a key from the operating system's randomness (`KeyGen` of the draft).
    ///
    /// # Errors
    /// [`VoteKeyError::Randomness`].
    pub fn generate() -> Result<Self, VoteKeyError> {
        let mut material = Zeroizing::new([0u8; 32]);
        aws_lc_rs::rand::fill(&mut *material).map_err(|_| VoteKeyError::Randomness)?;
        let secret = SecretKey::key_gen(&*material, &[]).map_err(|_| VoteKeyError::Private)?;
        Ok(Self::from_secret(secret))
    }

    /// Reads a key: 32 bytes, big-endian.
    ///
    /// # Errors
    /// [`VoteKeyError::Private`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, VoteKeyError> {
        SecretKey::from_bytes(bytes).map(Self::from_secret).map_err(|_| VoteKeyError::Private)
    }

    fn from_secret(secret: SecretKey) -> Self {
        let public = VoteKey::new(secret.sk_to_pk().compress());
        Self { secret, public }
    }

    /// The key as 32 bytes, big-endian, wiped when dropped. A secret.
    #[must_use]
    pub fn to_bytes(&self) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(self.secret.to_bytes())
    }

    /// The public key, compressed.
    #[must_use]
    pub const fn public(&self) -> VoteKey {
        self.public
    }

    /// Signs a vote's message. Deterministic.
    #[must_use]
    pub fn sign(&self, message: B256) -> VoteSignature {
        self.sign_in(VOTE_CIPHERSUITE, message)
    }

    fn sign_in(&self, ciphersuite: &[u8], message: B256) -> VoteSignature {
        VoteSignature::new(self.secret.sign(message.as_slice(), ciphersuite, &[]).compress())
    }

    /// Proof of possession for a node (C3 `pop`): without it a member could make its key from the others' and
    /// sign for all of them.
    #[must_use]
    pub fn prove_possession(&self, node: NodeId) -> VoteSignature {
        self.sign_in(POSSESSION_CIPHERSUITE, Domain::proof_of_possession(node, self.public.as_slice()))
    }
}

/// A public vote key, parsed and validated once: in the subgroup and not infinity.
#[derive(Clone, Copy)]
pub struct VotePublicKey(PublicKey);

impl fmt::Debug for VotePublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VotePublicKey({})", self.to_bytes())
    }
}

impl VotePublicKey {
    /// Reads and validates a compressed key.
    ///
    /// # Errors
    /// [`VoteKeyError::Public`].
    pub fn from_bytes(key: &VoteKey) -> Result<Self, VoteKeyError> {
        let refused = |error: BLST_ERROR| VoteKeyError::Public(format!("{error:?}"));
        PublicKey::key_validate(key.as_slice()).map(Self).map_err(refused)
    }

    /// The key, compressed.
    #[must_use]
    pub fn to_bytes(&self) -> VoteKey {
        VoteKey::new(self.0.compress())
    }

    /// Whether `signature` is this key's vote over `message`.
    #[must_use]
    pub fn verify(&self, message: B256, signature: &VoteSignature) -> bool {
        verify_in(VOTE_CIPHERSUITE, &self.0, message, signature)
    }

    /// Whether `proof` shows that this node holds the private key.
    #[must_use]
    pub fn verify_possession(&self, node: NodeId, proof: &VoteSignature) -> bool {
        let message = Domain::proof_of_possession(node, self.to_bytes().as_slice());
        verify_in(POSSESSION_CIPHERSUITE, &self.0, message, proof)
    }
}

/// e(key, H(message)) = e(g1, signature), the signature in the subgroup and not infinity.
fn verify_in(ciphersuite: &[u8], key: &PublicKey, message: B256, signature: &VoteSignature) -> bool {
    let Ok(signature) = Signature::sig_validate(signature.as_slice(), true) else {
        return false;
    };
    let (key, signature): (&blst_p1_affine, &blst_p2_affine) = (key.into(), (&signature).into());
    let mut pairing = Pairing::new(true, ciphersuite);
    let joined = pairing.aggregate(key, false, signature, false, message.as_slice(), &[]);
    pairing.commit();
    joined == BLST_ERROR::BLST_SUCCESS && pairing.finalverify(None)
}

/// The sum of signatures; `None` where there are none or one is not a point of the group.
#[must_use]
pub fn aggregate_votes(signatures: &[VoteSignature]) -> Option<VoteSignature> {
    let points: Option<Vec<_>> =
        signatures.iter().map(|bytes| Signature::sig_validate(bytes.as_slice(), true).ok()).collect();
    let points = points?;
    let references: Vec<_> = points.iter().collect();
    let sum = AggregateSignature::aggregate(&references, false).ok()?;
    Some(VoteSignature::new(sum.to_signature().compress()))
}

/// Whether `aggregate` is the sum of all these keys' votes over the one `message`. Sound only for keys whose
/// possession was proven.
#[must_use]
pub fn verify_aggregate_vote(keys: &[&VotePublicKey], message: B256, aggregate: &VoteSignature) -> bool {
    let keys: Vec<_> = keys.iter().map(|key| &key.0).collect();
    let Ok(sum) = AggregatePublicKey::aggregate(&keys, false) else {
        return false;
    };
    let sum = sum.to_public_key();
    sum.validate().is_ok() && verify_in(VOTE_CIPHERSUITE, &sum, message, aggregate)
}

#[cfg(test)]
mod tests;
