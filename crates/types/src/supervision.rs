//! What masters and supervisors say to each other, as engines see it. On the wire it travels in BtnCmd frames
//! and binary frames beside them (docs/wire.md).

use crate::codec::{decode_bytes, decode_list, decode_struct, encode_tagged};
use crate::limits::{MAX_CANDIDATES, MAX_SEALS_PER_MESSAGE, MAX_TRANSACTION_BYTES};
use crate::{Block, BlockRange, Certificate, Epoch, Height, Seal, Ticket, View};
use alloy_primitives::{B256, Bytes};
use alloy_rlp::{BufMut, Decodable, Encodable, Error, RlpDecodable, RlpEncodable};
use std::sync::Arc;

/// Where a proposed block stands: enough to compute the digest that votes on it name (C5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, RlpEncodable, RlpDecodable)]
pub struct BlockPlace {
    /// Epoch.
    pub epoch: Epoch,
    /// View it was proposed in.
    pub view: View,
    /// View its parent was certified in.
    pub parent_view: View,
    /// Height.
    pub height: Height,
    /// Hash of the block.
    pub hash: B256,
}

/// What a master tells its supervisors unasked (`announce`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Announcement {
    /// A block is proposed and its body can be pulled here: the first state.
    Proposed(BlockPlace),
    /// A block has a Notarization or Finalization.
    Certified {
        /// The block.
        place: BlockPlace,
        /// Its certificate.
        certificate: Certificate,
    },
    /// The greeting of a new link ends here: what stood when it came up has been announced (ADR 011).
    Greeted,
}

impl Announcement {
    /// The block it is about, if it is about one.
    #[must_use]
    pub const fn place(&self) -> Option<&BlockPlace> {
        match self {
            Self::Proposed(place) | Self::Certified { place, .. } => Some(place),
            Self::Greeted => None,
        }
    }
}

/// What a supervisor pulls from a master (`pull`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum PullRequest {
    /// One block by its hash.
    Block {
        /// Hash of the block.
        hash: B256,
    },
    /// Finalised blocks from this height upwards.
    Range {
        /// First height wanted.
        from: Height,
    },
}

/// The answer to a [`PullRequest`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pulled {
    /// The master does not have it (any more).
    Nothing,
    /// A block.
    Block(Arc<Block>),
    /// Finalised blocks.
    Range(Box<BlockRange>),
}

/// A supervisor's question or gift to a master.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SupervisorCall {
    /// Give me this.
    Pull(PullRequest),
    /// Here are my seals, at most [`MAX_SEALS_PER_MESSAGE`].
    Seal(Vec<Seal>),
    /// Whose tickets do you know for the views to come?
    Candidates,
    /// Record this EIP-2718 transaction.
    Submit(Bytes),
    /// What became of the transaction with this hash?
    Receipt(B256),
    /// Where do you stand?
    Status,
}

/// What became of a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReceiptSummary {
    /// Height of its block.
    pub height: Height,
    /// Hash of its block.
    pub block_hash: B256,
    /// Whether it succeeded (EIP-658).
    pub succeeded: bool,
    /// Gas it used.
    pub gas_used: u64,
    /// Whether its block is in the third state.
    pub third_state: bool,
}

/// Where a node stands; both levels answer with it (`status`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StatusSummary {
    /// Height of the newest final block executed here.
    pub height: Height,
    /// Its hash.
    pub hash: B256,
    /// Root of the state after it, as this node computed it.
    pub state_root: B256,
    /// Height of the newest block in the third state.
    pub third_height: Height,
    /// Highest view known.
    pub view: View,
}

/// A master's answer, by the kind of the call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MasterReply {
    /// To [`SupervisorCall::Pull`].
    Pulled(Pulled),
    /// To [`SupervisorCall::Seal`]: taken in, whatever becomes of them.
    Sealed,
    /// To [`SupervisorCall::Candidates`]: best first within each view, at most [`MAX_CANDIDATES`].
    Candidates(Vec<Ticket>),
    /// To [`SupervisorCall::Submit`]: the transaction's hash, or why the pool refuses it, in geth's words.
    Submitted(Result<B256, String>),
    /// To [`SupervisorCall::Receipt`]: `None` while it is in no final block.
    Receipt(Option<ReceiptSummary>),
    /// To [`SupervisorCall::Status`].
    Status(StatusSummary),
    /// The call failed: the link broke, ten seconds passed, or the master refused it. The text says which.
    Failed(String),
}

impl Encodable for Announcement {
    fn encode(&self, out: &mut dyn BufMut) {
        match self {
            Self::Proposed(place) => encode_tagged(1, &[place], out),
            Self::Certified { place, certificate } => encode_tagged(2, &[place, certificate], out),
            Self::Greeted => encode_tagged(3, &[], out),
        }
    }
}

impl Decodable for Announcement {
    fn decode(buf: &mut &[u8]) -> Result<Self, Error> {
        decode_struct(buf, |payload| match u8::decode(payload)? {
            1 => Ok(Self::Proposed(Decodable::decode(payload)?)),
            2 => Ok(Self::Certified {
                place: Decodable::decode(payload)?,
                certificate: Decodable::decode(payload)?,
            }),
            3 => Ok(Self::Greeted),
            _ => Err(Error::Custom("unknown kind of announcement")),
        })
    }
}

impl Encodable for PullRequest {
    fn encode(&self, out: &mut dyn BufMut) {
        match self {
            Self::Block { hash } => encode_tagged(1, &[hash], out),
            Self::Range { from } => encode_tagged(2, &[from], out),
        }
    }
}

impl Decodable for PullRequest {
    fn decode(buf: &mut &[u8]) -> Result<Self, Error> {
        decode_struct(buf, |payload| match u8::decode(payload)? {
            1 => Ok(Self::Block { hash: Decodable::decode(payload)? }),
            2 => Ok(Self::Range { from: Decodable::decode(payload)? }),
            _ => Err(Error::Custom("unknown kind of pull")),
        })
    }
}

impl Encodable for Pulled {
    fn encode(&self, out: &mut dyn BufMut) {
        match self {
            Self::Nothing => encode_tagged(0, &[], out),
            Self::Block(block) => encode_tagged(1, &[&**block], out),
            Self::Range(range) => encode_tagged(2, &[&**range], out),
        }
    }
}

impl Decodable for Pulled {
    fn decode(buf: &mut &[u8]) -> Result<Self, Error> {
        decode_struct(buf, |payload| match u8::decode(payload)? {
            0 => Ok(Self::Nothing),
            1 => Ok(Self::Block(Arc::new(Decodable::decode(payload)?))),
            2 => Ok(Self::Range(Box::new(Decodable::decode(payload)?))),
            _ => Err(Error::Custom("unknown kind of pulled value")),
        })
    }
}

/// Seals as one list of at most [`MAX_SEALS_PER_MESSAGE`].
///
/// # Errors
/// A longer list, or anything non-canonical.
pub fn decode_seals(buf: &mut &[u8]) -> Result<Vec<Seal>, Error> {
    decode_list(buf, MAX_SEALS_PER_MESSAGE)
}

/// Tickets as one list of at most [`MAX_CANDIDATES`].
///
/// # Errors
/// A longer list, or anything non-canonical.
pub fn decode_candidates(buf: &mut &[u8]) -> Result<Vec<Ticket>, Error> {
    decode_list(buf, MAX_CANDIDATES)
}

/// One transaction's bytes, at most [`MAX_TRANSACTION_BYTES`], as an RLP string.
///
/// # Errors
/// A longer string, or anything non-canonical.
pub fn decode_transaction_bytes(buf: &mut &[u8]) -> Result<Bytes, Error> {
    decode_bytes(buf, MAX_TRANSACTION_BYTES)
}
