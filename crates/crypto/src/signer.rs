//! The two faces of cryptography that pure code sees: a member's own keys, and everybody's public keys.

use alloy_primitives::{B256, Bytes};
use btn_types::{MemberIndex, VoteSignature};
use thiserror::Error;

/// A private key could not be used.
#[derive(Debug, Error)]
#[error("signing with the {key} key failed: {reason}")]
pub struct SignError {
    /// Which key.
    pub key: &'static str,
    /// Why.
    pub reason: String,
}

/// A member's private keys. Both operations are deterministic.
pub trait Signer: Send {
    /// The lottery signature over a 32-byte message: RSA, as long as the modulus, unique (K1).
    ///
    /// # Errors
    /// The key cannot be used (a TPM that went away).
    fn draw(&self, message: B256) -> Result<Bytes, SignError>;

    /// A vote signature over a 32-byte message: BLS (K7).
    fn vote(&self, message: B256) -> VoteSignature;
}

/// The public keys of one committee, parsed and checked once.
pub trait Verifier: Send + Sync {
    /// Whether `signature` is the member's lottery signature over `message`; strict and exact in length (K1).
    fn verify_draw(&self, member: MemberIndex, message: B256, signature: &[u8]) -> bool;

    /// Whether `signature` is the member's vote signature over `message`.
    fn verify_vote(&self, member: MemberIndex, message: B256, signature: &VoteSignature) -> bool;

    /// The aggregate of signatures; `None` where one is not a point of the group.
    fn aggregate(&self, signatures: &[VoteSignature]) -> Option<VoteSignature>;

    /// Whether `aggregate` is the aggregate of these distinct members' signatures over the one `message`.
    fn verify_aggregate(&self, signers: &[MemberIndex], message: B256, aggregate: &VoteSignature) -> bool;
}
