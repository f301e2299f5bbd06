//! Keyed-hash stand-ins for the lottery and vote keys, for simulations of many thousand views. **Not
//! cryptography**: the verifier knows every secret. Development only; no binary may depend on this crate.
//!
//! The stand-ins keep what the protocol relies on: signatures are deterministic, unique, as long as the real
//! ones, bound to member and message, and aggregates verify only with exactly the signers named. Whoever
//! holds one member's [`StandInSigner`] cannot sign for another through this interface.

mod genesis;
mod seals;

pub use genesis::{stand_in_genesis, stand_in_genesis_with_supervisors};
pub use seals::{StandInSealSigner, StandInSealVerifier};

use btn_crypto::{SignError, Signer, Verifier};
use btn_types::{B256, Bytes, MemberIndex, VoteSignature, sha256};

/// Bytes of a draw signature, as RSA-2048.
pub const DRAW_SIGNATURE_BYTES: usize = 256;

/// SHA-256 over the parts, which all have fixed lengths.
fn digest(parts: &[&[u8]]) -> B256 {
    sha256(&parts.concat())
}

/// `N` bytes grown from a base digest.
fn expand<const N: usize>(base: B256) -> [u8; N] {
    let mut bytes = [0; N];
    for (counter, chunk) in (0u8..).zip(bytes.chunks_mut(32)) {
        chunk.copy_from_slice(&digest(&[base.as_slice(), &[counter]])[..chunk.len()]);
    }
    bytes
}

/// One member's secrets.
#[derive(Clone)]
struct Secrets {
    draw: B256,
    vote: B256,
}

impl Secrets {
    fn derive(seed: u64, member: MemberIndex) -> Self {
        let secret = |purpose: &[u8]| digest(&[purpose, &seed.to_be_bytes(), &member.0.to_be_bytes()]);
        Self { draw: secret(b"stand-in draw"), vote: secret(b"stand-in vote") }
    }

    fn draw(&self, message: B256) -> [u8; DRAW_SIGNATURE_BYTES] {
        expand(digest(&[self.draw.as_slice(), message.as_slice()]))
    }

    fn vote(&self, message: B256) -> VoteSignature {
        VoteSignature::new(expand(digest(&[self.vote.as_slice(), message.as_slice()])))
    }
}

/// Makes the signers of a simulated committee and of simulated supervisors.
#[derive(Clone, Copy, Debug)]
pub struct StandInKeys;

impl StandInKeys {
    /// The signer of one member in the simulation of this seed.
    #[must_use]
    pub fn signer(seed: u64, member: MemberIndex) -> StandInSigner {
        StandInSigner { secrets: Secrets::derive(seed, member) }
    }

    /// The seal signer of the supervisor at one place of [`btn_types::Genesis::sealing`].
    #[must_use]
    pub fn seal_signer(seed: u64, place: usize) -> StandInSealSigner {
        StandInSealSigner::derive(seed, place)
    }
}

/// One member's stand-in keys.
#[derive(Clone)]
pub struct StandInSigner {
    secrets: Secrets,
}

impl Signer for StandInSigner {
    fn draw(&self, message: B256) -> Result<Bytes, SignError> {
        Ok(Bytes::copy_from_slice(&self.secrets.draw(message)))
    }

    fn vote(&self, message: B256) -> VoteSignature {
        self.secrets.vote(message)
    }
}

/// Checks the signatures of all members of the simulation of one seed.
pub struct StandInVerifier {
    members: Vec<Secrets>,
}

impl StandInVerifier {
    /// The verifier for a committee of `members`.
    #[must_use]
    pub fn new(seed: u64, members: usize) -> Self {
        let last = u16::try_from(members).unwrap_or(u16::MAX);
        Self { members: (0..last).map(|index| Secrets::derive(seed, MemberIndex(index))).collect() }
    }

    fn secrets(&self, member: MemberIndex) -> Option<&Secrets> {
        self.members.get(member.index())
    }
}

/// Exclusive or: like addition of points, it does not care for order.
fn combine(signatures: impl IntoIterator<Item = VoteSignature>) -> VoteSignature {
    signatures.into_iter().fold(VoteSignature::ZERO, |sum, signature| sum ^ signature)
}

impl Verifier for StandInVerifier {
    fn verify_draw(&self, member: MemberIndex, message: B256, signature: &[u8]) -> bool {
        self.secrets(member).is_some_and(|secrets| secrets.draw(message) == signature)
    }

    fn verify_vote(&self, member: MemberIndex, message: B256, signature: &VoteSignature) -> bool {
        self.secrets(member).is_some_and(|secrets| secrets.vote(message) == *signature)
    }

    /// All-zero bytes stand for what is no point of the group.
    fn aggregate(&self, signatures: &[VoteSignature]) -> Option<VoteSignature> {
        let invalid = signatures.is_empty() || signatures.iter().any(|signature| signature.is_zero());
        (!invalid).then(|| combine(signatures.iter().copied()))
    }

    fn verify_aggregate(&self, signers: &[MemberIndex], message: B256, aggregate: &VoteSignature) -> bool {
        let distinct = signers.windows(2).all(|pair| pair[0] < pair[1]);
        let signatures: Option<Vec<_>> =
            signers.iter().map(|&signer| Some(self.secrets(signer)?.vote(message))).collect();
        !signers.is_empty() && distinct && signatures.is_some_and(|all| combine(all) == *aggregate)
    }
}

#[cfg(test)]
mod tests;
