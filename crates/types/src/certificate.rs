//! Votes and certificates (C5). A certificate is one aggregate BLS signature and a bitmap of its signers.

use crate::codec::{decode_bytes, decode_struct};
use crate::limits::MAX_BITMAP_BYTES;
use crate::{Epoch, MemberIndex, View, VoteSignature};
use alloy_primitives::{B256, Bytes};
use alloy_rlp::{BufMut, Decodable, Encodable, Error, RlpDecodable, RlpEncodable};
use serde::{Deserialize, Serialize};
use thiserror::Error as ThisError;

/// Number of a signature suite: append-only, one table per purpose (K6).
pub type SignatureSuite = u16;

/// Vote suite 1: BLS12-381, keys in G1, signatures in G2, proof of possession (K7).
pub const SUITE_BLS12_381: SignatureSuite = 1;

/// The three votes of a view. The kind is inside what is signed: otherwise a Notarize would be a valid
/// Finalize (C5 ⚠).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[repr(u8)]
pub enum VoteKind {
    /// "This proposal is valid and my choice for the view."
    Notarize = 1,
    /// "I saw no acceptable proposal in time; the view may be skipped."
    Nullify = 2,
    /// "I saw the proposal notarized and have not nullified its view."
    Finalize = 3,
}

impl Encodable for VoteKind {
    fn encode(&self, out: &mut dyn BufMut) {
        (*self as u8).encode(out);
    }
    fn length(&self) -> usize {
        1
    }
}

impl Decodable for VoteKind {
    fn decode(buf: &mut &[u8]) -> Result<Self, Error> {
        match u8::decode(buf)? {
            1 => Ok(Self::Notarize),
            2 => Ok(Self::Nullify),
            3 => Ok(Self::Finalize),
            _ => Err(Error::Custom("unknown vote kind")),
        }
    }
}

/// One member's vote. `digest` is the Proposal digest, and zero in a Nullify.
#[derive(Clone, Debug, PartialEq, Eq, Hash, RlpEncodable, RlpDecodable)]
pub struct Vote {
    /// What is said.
    pub kind: VoteKind,
    /// Epoch of the view.
    pub epoch: Epoch,
    /// View voted in.
    pub view: View,
    /// `D("prop", e, v, parent_view, block_hash)`; zero in a Nullify.
    pub digest: B256,
    /// Who votes.
    pub member: MemberIndex,
    /// BLS signature over the vote's domain-tagged message.
    pub signature: VoteSignature,
}

/// `q` distinct members' equal votes, aggregated (C5).
#[derive(Clone, Debug, PartialEq, Eq, Hash, RlpEncodable, RlpDecodable, Serialize, Deserialize)]
pub struct Certificate {
    /// Signature suite of the aggregate.
    pub suite: SignatureSuite,
    /// Notarization, Nullification or Finalization.
    pub kind: VoteKind,
    /// Epoch of the view.
    pub epoch: Epoch,
    /// View certified.
    pub view: View,
    /// Proposal digest; zero in a Nullification.
    pub digest: B256,
    /// Who signed.
    pub bitmap: Bitmap,
    /// Aggregate of the signers' BLS signatures.
    pub aggregate: VoteSignature,
}

/// Why a bitmap is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ThisError)]
pub enum BitmapError {
    /// Wrong number of bytes for the committee.
    #[error("bitmap has {actual} bytes, a committee of {members} needs {expected}")]
    Length {
        /// Bytes found.
        actual: usize,
        /// Bytes needed.
        expected: usize,
        /// Committee size.
        members: usize,
    },
    /// A bit past the last member is set.
    #[error("bitmap names a member past the committee's {members}")]
    OutOfCommittee {
        /// Committee size.
        members: usize,
    },
}

/// A set of committee members: member `i` is bit `i % 8` (least significant first) of byte `i / 8`, exactly
/// `⌈n/8⌉` bytes, bits past `n` zero.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Bitmap(Bytes);

impl Bitmap {
    /// The bitmap of these members in a committee of `members`. Members past the end are a caller's bug and
    /// are left out.
    #[must_use]
    pub fn new(members: usize, signers: impl IntoIterator<Item = MemberIndex>) -> Self {
        let mut bytes = vec![0u8; members.div_ceil(8)];
        for signer in signers {
            debug_assert!(signer.index() < members, "signer {signer} of {members}");
            if signer.index() < members {
                bytes[signer.index() / 8] |= 1 << (signer.index() % 8);
            }
        }
        Self(bytes.into())
    }

    /// The members set, ascending, after checking the form against a committee of `members`.
    ///
    /// # Errors
    /// [`BitmapError`] for a wrong length or a bit past the last member.
    pub fn signers(&self, members: usize) -> Result<Vec<MemberIndex>, BitmapError> {
        let expected = members.div_ceil(8);
        if self.0.len() != expected {
            return Err(BitmapError::Length { actual: self.0.len(), expected, members });
        }
        let mut signers = Vec::new();
        for (position, byte) in self.0.iter().enumerate() {
            for bit in (0..8).filter(|bit| byte >> bit & 1 == 1) {
                let index = position * 8 + bit;
                if index >= members {
                    return Err(BitmapError::OutOfCommittee { members });
                }
                signers.push(MemberIndex(u16::try_from(index).unwrap_or(u16::MAX)));
            }
        }
        Ok(signers)
    }

    /// The raw bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &Bytes {
        &self.0
    }
}

impl Encodable for Bitmap {
    fn encode(&self, out: &mut dyn BufMut) {
        self.0.encode(out);
    }
    fn length(&self) -> usize {
        self.0.length()
    }
}

impl Decodable for Bitmap {
    fn decode(buf: &mut &[u8]) -> Result<Self, Error> {
        decode_bytes(buf, MAX_BITMAP_BYTES).map(Self)
    }
}

/// Decodes `Option<Certificate>` as a list of none or one.
pub(crate) fn decode_optional(buf: &mut &[u8]) -> Result<Option<Certificate>, Error> {
    decode_struct(
        buf,
        |payload| {
            if payload.is_empty() { Ok(None) } else { Certificate::decode(payload).map(Some) }
        },
    )
}
