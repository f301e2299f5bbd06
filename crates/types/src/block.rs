//! A block as it travels and rests: Ethereum header and transactions, the PoE envelope, and the certificates
//! that justify building on its parent (C5 rule 2).

use crate::certificate::decode_optional;
use crate::codec::{decode_bytes, decode_list, decode_struct};
use crate::limits::{
    MAX_BLOCK_BYTES, MAX_BLOCK_SEALS, MAX_BLOCK_TRANSACTIONS, MAX_CERTIFICATES, MAX_RSA_SIGNATURE_BYTES,
};
use crate::{Certificate, Epoch, Height, NodeId, Round, Seal, View};
use alloy_consensus::{Header, TxEnvelope};
use alloy_primitives::{Address, B256, Bytes};
use alloy_rlp::{BufMut, Decodable, Encodable, Error, RlpEncodable};

/// What PoE adds to an Ethereum header. The header's `extra_data` commits to it, together with the
/// justification (ARCHITECTURE, "Header").
#[derive(Clone, Debug, PartialEq, Eq, RlpEncodable)]
pub struct Envelope {
    /// Epoch of the block.
    pub epoch: Epoch,
    /// View it was proposed in.
    pub view: View,
    /// View its parent was certified in; 0 = the epoch's starting block.
    pub parent_view: View,
    /// The clerk that packed it.
    pub clerk: NodeId,
    /// The clerk's lottery signature over `M_clerk` (C3), exactly as long as its modulus.
    pub clerk_signature: Bytes,
    /// Milliseconds since the Unix epoch, strictly above the parent's (C5 rule 6).
    pub timestamp_ms: u64,
    /// RFC 6962 tree hash over the encodings of the block's seals, in order; the SHA-256 of nothing where there
    /// are none.
    pub seal_root: B256,
    /// RFC 6962 tree hash over the ids of the registered supervisors, ascending (C8).
    pub supervisors_root: B256,
    /// S: how many supervisors are registered (C8).
    pub supervisors: u32,
}

impl Envelope {
    /// Views skipped since the parent (C3); `None` where the parent view is not below the view.
    #[must_use]
    pub fn round(&self) -> Option<Round> {
        self.view.0.checked_sub(self.parent_view.0)?.checked_sub(1).map(Round)
    }
}

impl Decodable for Envelope {
    fn decode(buf: &mut &[u8]) -> Result<Self, Error> {
        decode_struct(buf, |payload| {
            Ok(Self {
                epoch: Decodable::decode(payload)?,
                view: Decodable::decode(payload)?,
                parent_view: Decodable::decode(payload)?,
                clerk: Decodable::decode(payload)?,
                clerk_signature: decode_bytes(payload, MAX_RSA_SIGNATURE_BYTES)?,
                timestamp_ms: Decodable::decode(payload)?,
                seal_root: Decodable::decode(payload)?,
                supervisors_root: Decodable::decode(payload)?,
                supervisors: Decodable::decode(payload)?,
            })
        })
    }
}

/// Why it was legal to build on the parent: the parent's certificate (none where the parent is the epoch's
/// starting block) and a Nullification of every view between (C5 rule 2 ⚠).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Justification {
    /// Notarization or Finalization of the parent at `parent_view`.
    pub parent_certificate: Option<Certificate>,
    /// One Nullification for each view in `(parent_view, view)`, ascending.
    pub nullifications: Vec<Certificate>,
}

impl Encodable for Justification {
    fn encode(&self, out: &mut dyn BufMut) {
        let parent: Vec<&Certificate> = self.parent_certificate.iter().collect();
        let payload_length = parent.length() + self.nullifications.length();
        alloy_rlp::Header { list: true, payload_length }.encode(out);
        parent.encode(out);
        self.nullifications.encode(out);
    }
    fn length(&self) -> usize {
        let parent: Vec<&Certificate> = self.parent_certificate.iter().collect();
        let payload = parent.length() + self.nullifications.length();
        payload + alloy_rlp::length_of_length(payload)
    }
}

impl Decodable for Justification {
    fn decode(buf: &mut &[u8]) -> Result<Self, Error> {
        decode_struct(buf, |payload| {
            Ok(Self {
                parent_certificate: decode_optional(payload)?,
                nullifications: decode_list(payload, MAX_CERTIFICATES)?,
            })
        })
    }
}

/// A whole block: everything that a member needs to re-execute it and everyone needs to check it.
#[derive(Clone, Debug, PartialEq, Eq, RlpEncodable)]
pub struct Block {
    /// Ethereum header; the block's hash is keccak256 of its RLP.
    pub header: Header,
    /// Transactions in order, types 0, 1, 2 and 4.
    pub transactions: Vec<TxEnvelope>,
    /// The PoE envelope.
    pub envelope: Envelope,
    /// Certificates for building on the parent.
    pub justification: Justification,
    /// Seals of ancestors up to [`crate::limits::MAX_SEAL_AGE_HEIGHTS`] below, not included before, ascending by
    /// height and supervisor (C8).
    pub seals: Vec<Seal>,
}

impl Block {
    /// keccak256 of the header's RLP. Computed at each call: keep it where it is needed often.
    #[must_use]
    pub fn hash(&self) -> B256 {
        self.header.hash_slow()
    }

    /// Block number.
    #[must_use]
    pub const fn height(&self) -> Height {
        Height(self.header.number)
    }

    /// `seed(B)` (C3), carried as the header's prev-randao.
    #[must_use]
    pub const fn seed(&self) -> B256 {
        self.header.mix_hash
    }
}

/// One transaction of a body. The library's decoder also takes a typed transaction without its byte string, and
/// a byte string of the wrong length: two encodings of one block. Only the form that encodes back to itself is
/// canonical (ADR 002), so that is what is asked. Blobs (type 3) do not exist on this chain.
struct BodyTransaction(TxEnvelope);

impl Decodable for BodyTransaction {
    fn decode(buf: &mut &[u8]) -> Result<Self, Error> {
        let before = *buf;
        let transaction = TxEnvelope::decode(buf)?;
        if transaction.is_eip4844() {
            return Err(Error::Custom("blob transactions (type 3) do not exist on this chain"));
        }
        let read = before.len() - buf.len();
        if alloy_rlp::encode(&transaction) != before[..read] {
            return Err(Error::Custom("transaction not in its canonical form"));
        }
        Ok(Self(transaction))
    }
}

fn decode_transactions(buf: &mut &[u8]) -> Result<Vec<TxEnvelope>, Error> {
    let transactions: Vec<BodyTransaction> = decode_list(buf, MAX_BLOCK_TRANSACTIONS)?;
    Ok(transactions.into_iter().map(|BodyTransaction(transaction)| transaction).collect())
}

impl Decodable for Block {
    fn decode(buf: &mut &[u8]) -> Result<Self, Error> {
        if buf.len() > MAX_BLOCK_BYTES
            && alloy_rlp::Header::decode(&mut &buf[..])?.payload_length > MAX_BLOCK_BYTES
        {
            return Err(Error::Custom("block longer than its limit"));
        }
        decode_struct(buf, |payload| {
            Ok(Self {
                header: Decodable::decode(payload)?,
                transactions: decode_transactions(payload)?,
                envelope: Decodable::decode(payload)?,
                justification: Decodable::decode(payload)?,
                seals: decode_list(payload, MAX_BLOCK_SEALS)?,
            })
        })
    }
}

/// What consensus knows of a block whose place in the chain has been checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockMeta {
    /// keccak256 of the header.
    pub hash: B256,
    /// Hash of the parent.
    pub parent: B256,
    /// Block number.
    pub height: Height,
    /// Epoch.
    pub epoch: Epoch,
    /// View it was proposed in; 0 = the epoch's starting block.
    pub view: View,
    /// View its parent was certified in.
    pub parent_view: View,
    /// `seed(B)` (C3).
    pub seed: B256,
    /// `core(B)` (C3): what its seals draw on.
    pub core: B256,
    /// Draw seed of a block at `height + 1` on this one (C3).
    pub child_draw_seed: B256,
    /// Draw seed of a block at `height + 3` on this branch: what tickets for two views ahead may need where
    /// a lottery period ends in between (C6.2). Equal to `child_draw_seed` elsewhere.
    pub later_draw_seed: B256,
    /// Milliseconds since the Unix epoch, from the envelope.
    pub timestamp_ms: u64,
}

/// What a clerk decides about the block it wants packed.
#[derive(Clone, Debug)]
pub struct BuildRequest {
    /// Hash of the block to build on.
    pub parent: B256,
    /// Epoch of the view.
    pub epoch: Epoch,
    /// View to propose in.
    pub view: View,
    /// View the parent was certified in.
    pub parent_view: View,
    /// The clerk.
    pub clerk: NodeId,
    /// Account for the tips: the clerk's payout address.
    pub payout: Address,
    /// The clerk's lottery signature for the view (C3).
    pub clerk_signature: Bytes,
    /// The clerk's clock, milliseconds since the Unix epoch; the builder raises it above the parent's where it is
    /// not (C5 rule 6).
    pub timestamp_ms: u64,
    /// Certificates for building on the parent (C5 rule 2).
    pub justification: Justification,
}
