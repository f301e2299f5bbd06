//! What masters say to each other (C5): one enum, one canonical encoding, three classes of urgency.

use crate::certificate::decode_optional;
use crate::codec::{decode_bytes, decode_list, decode_struct, encode_tagged};
use crate::limits::{
    MAX_CERTIFICATES, MAX_FORWARDED_TRANSACTIONS, MAX_RANGE_BLOCKS, MAX_RSA_SIGNATURE_BYTES,
    MAX_SEALS_PER_MESSAGE, MAX_TICKETS, MAX_TRANSACTION_BYTES,
};
use crate::{Block, Certificate, Epoch, Height, MemberIndex, Seal, View, Vote, VoteSignature};
use alloy_primitives::{B256, Bytes};
use alloy_rlp::{BufMut, Decodable, Encodable, Error, RlpDecodable, RlpEncodable};
use std::sync::Arc;

/// A clerk's offer for a view. Its digest, `D("prop", e, v, parent_view, block_hash)`, is what votes name.
#[derive(Clone, Debug, PartialEq, Eq, RlpEncodable)]
pub struct Proposal {
    /// Epoch.
    pub epoch: Epoch,
    /// View.
    pub view: View,
    /// View the parent was certified in; 0 = the epoch's starting block.
    pub parent_view: View,
    /// Hash of the proposed block.
    pub block_hash: B256,
    /// The clerk's place in the committee.
    pub clerk: MemberIndex,
    /// The clerk's lottery signature for the view (RSA).
    pub clerk_signature: Bytes,
    /// BLS signature over the digest by the clerk's vote key.
    pub signature: VoteSignature,
}

impl Decodable for Proposal {
    fn decode(buf: &mut &[u8]) -> Result<Self, Error> {
        decode_struct(buf, |payload| {
            Ok(Self {
                epoch: Decodable::decode(payload)?,
                view: Decodable::decode(payload)?,
                parent_view: Decodable::decode(payload)?,
                block_hash: Decodable::decode(payload)?,
                clerk: Decodable::decode(payload)?,
                clerk_signature: decode_bytes(payload, MAX_RSA_SIGNATURE_BYTES)?,
                signature: Decodable::decode(payload)?,
            })
        })
    }
}

/// A Proposal with its body.
#[derive(Clone, Debug, PartialEq, Eq, RlpEncodable, RlpDecodable)]
pub struct ProposalMessage {
    /// The signed offer.
    pub proposal: Proposal,
    /// The block it names.
    pub block: Arc<Block>,
}

/// One lottery ticket shown in public (C6.2): proof that a member is eligible as clerk of a view.
#[derive(Clone, Debug, PartialEq, Eq, RlpEncodable)]
pub struct Ticket {
    /// Epoch.
    pub epoch: Epoch,
    /// View the ticket is for.
    pub view: View,
    /// Seed the draw was made on. At the edge of a lottery period two branches may have two (C3).
    pub draw_seed: B256,
    /// Whose ticket.
    pub member: MemberIndex,
    /// RSA signature over `M_clerk`.
    pub signature: Bytes,
}

impl Decodable for Ticket {
    fn decode(buf: &mut &[u8]) -> Result<Self, Error> {
        decode_struct(buf, |payload| {
            Ok(Self {
                epoch: Decodable::decode(payload)?,
                view: Decodable::decode(payload)?,
                draw_seed: Decodable::decode(payload)?,
                member: Decodable::decode(payload)?,
                signature: decode_bytes(payload, MAX_RSA_SIGNATURE_BYTES)?,
            })
        })
    }
}

/// A vote with the tickets that ride on it, outside the signature.
#[derive(Clone, Debug, PartialEq, Eq, RlpEncodable)]
pub struct VoteMessage {
    /// The vote.
    pub vote: Vote,
    /// At most [`MAX_TICKETS`].
    pub tickets: Vec<Ticket>,
}

impl Decodable for VoteMessage {
    fn decode(buf: &mut &[u8]) -> Result<Self, Error> {
        decode_struct(buf, |payload| {
            Ok(Self { vote: Decodable::decode(payload)?, tickets: decode_list(payload, MAX_TICKETS)? })
        })
    }
}

/// A certificate passed on, with tickets.
#[derive(Clone, Debug, PartialEq, Eq, RlpEncodable)]
pub struct CertificateMessage {
    /// The certificate.
    pub certificate: Certificate,
    /// At most [`MAX_TICKETS`].
    pub tickets: Vec<Ticket>,
}

impl Decodable for CertificateMessage {
    fn decode(buf: &mut &[u8]) -> Result<Self, Error> {
        decode_struct(buf, |payload| {
            Ok(Self { certificate: Decodable::decode(payload)?, tickets: decode_list(payload, MAX_TICKETS)? })
        })
    }
}

/// A question to a peer (C5 `Fetch`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FetchRequest {
    /// Any certificate of each view in `from..=to`, or the floor's Finalization; answered by `Certificates`.
    Certificates {
        /// Epoch of the views.
        epoch: Epoch,
        /// First view.
        from: View,
        /// Last view.
        to: View,
    },
    /// The Proposal of this digest with its body; answered by `Proposal`, or not at all.
    Proposal {
        /// Proposal digest.
        digest: B256,
    },
    /// Finalised blocks from this height upwards; answered by `Range`, or not at all.
    Range {
        /// First height wanted.
        from: Height,
    },
}

/// Consecutive finalised blocks and the Finalization of the last of them: it covers all its ancestors. Where the
/// next Finalization lies beyond the range's bounds there is none; then each block but the last is proven
/// notarized by its child's justification, and the answer to the next question goes on from there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlockRange {
    /// Ascending by height, at most [`MAX_RANGE_BLOCKS`].
    pub blocks: Vec<Block>,
    /// Finalization of the last block.
    pub finalization: Option<Certificate>,
}

impl Encodable for BlockRange {
    fn encode(&self, out: &mut dyn BufMut) {
        let finalization: Vec<&Certificate> = self.finalization.iter().collect();
        let payload_length = self.blocks.length() + finalization.length();
        alloy_rlp::Header { list: true, payload_length }.encode(out);
        self.blocks.encode(out);
        finalization.encode(out);
    }
    fn length(&self) -> usize {
        let finalization: Vec<&Certificate> = self.finalization.iter().collect();
        let payload = self.blocks.length() + finalization.length();
        payload + alloy_rlp::length_of_length(payload)
    }
}

impl Decodable for BlockRange {
    fn decode(buf: &mut &[u8]) -> Result<Self, Error> {
        decode_struct(buf, |payload| {
            Ok(Self {
                blocks: decode_list(payload, MAX_RANGE_BLOCKS)?,
                finalization: decode_optional(payload)?,
            })
        })
    }
}

/// How urgent a message is: each class has its own stream, so that a body never delays a vote.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum MessageClass {
    /// Votes, certificates, tickets, questions: small and urgent.
    Vote,
    /// Proposals with bodies.
    Proposal,
    /// Answers and transactions.
    Bulk,
}

/// Everything one master may send another after the handshake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// A clerk's block for the view, or the answer to [`FetchRequest::Proposal`].
    Proposal(Arc<ProposalMessage>),
    /// One member's vote.
    Vote(VoteMessage),
    /// A certificate passed on.
    Certificate(CertificateMessage),
    /// Tickets shown without a vote: at an epoch's start, after a jump, when stuck (C6.2).
    Candidacy(Vec<Ticket>),
    /// A question.
    Fetch(FetchRequest),
    /// Answer to [`FetchRequest::Certificates`].
    Certificates(Vec<Certificate>),
    /// Answer to [`FetchRequest::Range`].
    Range(Box<BlockRange>),
    /// EIP-2718 transactions accepted by the sender (C10 stage 1). The receiver does not pass them on.
    Transactions(Vec<Bytes>),
    /// Seals that supervisors gave the sender (C8). The receiver does not pass them on.
    Seals(Vec<Seal>),
}

impl Message {
    /// The stream this message belongs to.
    #[must_use]
    pub const fn class(&self) -> MessageClass {
        match self {
            Self::Vote(_) | Self::Certificate(_) | Self::Candidacy(_) | Self::Fetch(_) => MessageClass::Vote,
            Self::Proposal(_) => MessageClass::Proposal,
            Self::Certificates(_) | Self::Range(_) | Self::Transactions(_) | Self::Seals(_) => {
                MessageClass::Bulk
            }
        }
    }

    /// A short name for logs and metrics.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Proposal(_) => "proposal",
            Self::Vote(_) => "vote",
            Self::Certificate(_) => "certificate",
            Self::Candidacy(_) => "candidacy",
            Self::Fetch(_) => "fetch",
            Self::Certificates(_) => "certificates",
            Self::Range(_) => "range",
            Self::Transactions(_) => "transactions",
            Self::Seals(_) => "seals",
        }
    }
}

impl Encodable for FetchRequest {
    fn encode(&self, out: &mut dyn BufMut) {
        match self {
            Self::Certificates { epoch, from, to } => encode_tagged(1, &[epoch, from, to], out),
            Self::Proposal { digest } => encode_tagged(2, &[digest], out),
            Self::Range { from } => encode_tagged(3, &[from], out),
        }
    }
}

impl Decodable for FetchRequest {
    fn decode(buf: &mut &[u8]) -> Result<Self, Error> {
        decode_struct(buf, |payload| match u8::decode(payload)? {
            1 => Ok(Self::Certificates {
                epoch: Decodable::decode(payload)?,
                from: Decodable::decode(payload)?,
                to: Decodable::decode(payload)?,
            }),
            2 => Ok(Self::Proposal { digest: Decodable::decode(payload)? }),
            3 => Ok(Self::Range { from: Decodable::decode(payload)? }),
            _ => Err(Error::Custom("unknown kind of fetch")),
        })
    }
}

impl Message {
    /// Number of the kind, and what follows it.
    fn parts(&self) -> (u8, &dyn Encodable) {
        match self {
            Self::Proposal(message) => (1, &**message),
            Self::Vote(message) => (2, message),
            Self::Certificate(message) => (3, message),
            Self::Candidacy(tickets) => (4, tickets),
            Self::Fetch(request) => (5, request),
            Self::Certificates(certificates) => (6, certificates),
            Self::Range(range) => (7, &**range),
            Self::Transactions(transactions) => (8, transactions),
            Self::Seals(seals) => (9, seals),
        }
    }
}

impl Encodable for Message {
    fn encode(&self, out: &mut dyn BufMut) {
        let (tag, field) = self.parts();
        encode_tagged(tag, &[field], out);
    }
    // The default would encode the whole message to count its bytes.
    fn length(&self) -> usize {
        let (tag, field) = self.parts();
        let payload_length = tag.length() + field.length();
        payload_length + alloy_rlp::length_of_length(payload_length)
    }
}

/// Forwarded transactions: count and each length are checked before anything is copied.
fn decode_transactions(buf: &mut &[u8]) -> Result<Vec<Bytes>, Error> {
    struct Raw(Bytes);
    impl Decodable for Raw {
        fn decode(buf: &mut &[u8]) -> Result<Self, Error> {
            decode_bytes(buf, MAX_TRANSACTION_BYTES).map(Self)
        }
    }
    let raw: Vec<Raw> = decode_list(buf, MAX_FORWARDED_TRANSACTIONS)?;
    Ok(raw.into_iter().map(|Raw(bytes)| bytes).collect())
}

impl Decodable for Message {
    fn decode(buf: &mut &[u8]) -> Result<Self, Error> {
        decode_struct(buf, |payload| match u8::decode(payload)? {
            1 => Ok(Self::Proposal(Arc::new(Decodable::decode(payload)?))),
            2 => Ok(Self::Vote(Decodable::decode(payload)?)),
            3 => Ok(Self::Certificate(Decodable::decode(payload)?)),
            4 => Ok(Self::Candidacy(decode_list(payload, MAX_TICKETS)?)),
            5 => Ok(Self::Fetch(Decodable::decode(payload)?)),
            6 => Ok(Self::Certificates(decode_list(payload, MAX_CERTIFICATES)?)),
            7 => Ok(Self::Range(Box::new(Decodable::decode(payload)?))),
            8 => decode_transactions(payload).map(Self::Transactions),
            9 => Ok(Self::Seals(decode_list(payload, MAX_SEALS_PER_MESSAGE)?)),
            _ => Err(Error::Custom("unknown kind of message")),
        })
    }
}
