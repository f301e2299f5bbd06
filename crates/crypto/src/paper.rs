//! The paper's own functions, as its listings have them. Production differs where
//! docs/consensus.md says so: one ticket per view, no redraw on a round, seals over the core (C3).

use btn_types::sha256;

/// Leading zero bits: 8 for each zero byte up to the first other byte, then that byte's own. The
/// listing's current byte starts at 0xff, so input of zero bytes only, or none, adds nothing more.
#[must_use]
pub fn leading_zero_count(bytes: &[u8]) -> u32 {
    let mut zeros = 0u32;
    let mut current = 0xff_u8;
    for &byte in bytes {
        if byte != 0 {
            current = byte;
            break;
        }
        zeros = zeros.saturating_add(8);
    }
    zeros.saturating_add(current.leading_zeros())
}

/// What `compete` asks of a node.
pub trait Competitor {
    /// Signs with the node's private key.
    fn sign(&mut self, data: &[u8]) -> Vec<u8>;
    /// Whether a clerk is known already, so that competing is pointless.
    fn clerk_is_ready(&mut self) -> bool;
    /// Tells the network of the candidacy. The round is not part of it.
    fn broadcast(&mut self, block_hash: &[u8], signed_data: &[u8], public_key: &[u8]);
    /// The node's public key.
    fn public_key(&self) -> Vec<u8>;
}

/// How a competition ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Competition {
    /// A clerk was ready after this round's signature.
    ClerkReady {
        /// Round reached.
        round: u32,
    },
    /// The node qualified and broadcast its candidacy.
    Candidate {
        /// Round that qualified.
        round: u32,
        /// Its zeros.
        zeros: u32,
    },
    /// All 2³² rounds were drawn in vain.
    Exhausted,
}

/// The paper's `compete`: sign hash‖round (u32, big-endian), hash, count zeros; **then** stop if a clerk
/// is ready, so that even a set flag costs one signature; with fewer zeros than `clerk_zeros` try the next
/// round; else broadcast block hash, signature and public key. Zeros equal to the threshold are enough.
pub fn compete(block_hash: &[u8], clerk_zeros: u32, node: &mut impl Competitor) -> Competition {
    for round in 0..=u32::MAX {
        let bytes = [block_hash, &round.to_be_bytes()].concat();
        let signed_data = node.sign(&bytes);
        let zeros = leading_zero_count(sha256(&signed_data).as_slice());
        if node.clerk_is_ready() {
            return Competition::ClerkReady { round };
        }
        if zeros >= clerk_zeros {
            let public_key = node.public_key();
            node.broadcast(block_hash, &signed_data, &public_key);
            return Competition::Candidate { round, zeros };
        }
    }
    Competition::Exhausted
}

/// What `seal_block` asks of a block and of the node that would seal it.
pub trait Sealable {
    /// Whether the block is valid.
    fn verify(&mut self) -> bool;
    /// The block's hash.
    fn hash_code(&mut self) -> Vec<u8>;
    /// Signs with the node's private key.
    fn sign(&mut self, data: &[u8]) -> Vec<u8>;
    /// The node's public key.
    fn public_key(&self) -> Vec<u8>;
    /// Hands the seal to this block's clerk and to nobody else.
    fn seal_at_clerk(&mut self, signed_data: &[u8], public_key: &[u8]);
}

/// How sealing ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sealing {
    /// The block does not verify; nothing was signed.
    Invalid,
    /// Not enough zeros; nothing was sent.
    TooFewZeros {
        /// Zeros drawn.
        zeros: u32,
    },
    /// The clerk has the seal.
    Sealed {
        /// Zeros drawn.
        zeros: u32,
    },
}

/// The paper's `sealBlock`: verify first; sign the hash; hash; the zeros must be **strictly more** than
/// `preceding_threshold`; one draw, no round; the seal goes to that block's clerk only.
pub fn seal_block(preceding_threshold: u32, block: &mut impl Sealable) -> Sealing {
    if !block.verify() {
        return Sealing::Invalid;
    }
    let hash_code = block.hash_code();
    let signed_data = block.sign(&hash_code);
    let zeros = leading_zero_count(sha256(&signed_data).as_slice());
    if zeros <= preceding_threshold {
        return Sealing::TooFewZeros { zeros };
    }
    let public_key = block.public_key();
    block.seal_at_clerk(&signed_data, &public_key);
    Sealing::Sealed { zeros }
}

#[cfg(test)]
mod tests;
