//! What a node writes to its journal and syncs before it acts (C6, C8): own votes and proposals, certificates,
//! bodies, transactions it has acknowledged, and a supervisor's seals. The floor (C6.0) is the highest Finalization in
//! it.

use crate::codec::{decode_bytes, decode_struct};
use crate::limits::MAX_TRANSACTION_BYTES;
use crate::{Certificate, ProposalMessage, SealRecord, Vote};
use alloy_primitives::Bytes;
use alloy_rlp::{BufMut, Decodable, Encodable, Error};
use std::sync::Arc;

/// One record of the journal. Records written in one group are on disk together or not at all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JournalRecord {
    /// Own proposal with its body, before it is sent.
    Proposed(Arc<ProposalMessage>),
    /// Own vote, before it is sent.
    Voted(Vote),
    /// A certificate, before it is acted on.
    Certificate(Certificate),
    /// Another clerk's proposal with its body, in the same group as the Notarize for it.
    Body(Arc<ProposalMessage>),
    /// A transaction, before its submitter is told that it was accepted.
    Transaction(Bytes),
    /// A supervisor's own seal, before it is sent (C8 ⚠).
    Sealed(Box<SealRecord>),
}

impl JournalRecord {
    /// Number of the kind, and what follows it.
    fn parts(&self) -> (u8, &dyn Encodable) {
        match self {
            Self::Proposed(message) => (1, &**message),
            Self::Voted(vote) => (2, vote),
            Self::Certificate(certificate) => (3, certificate),
            Self::Body(message) => (4, &**message),
            Self::Transaction(bytes) => (5, bytes),
            Self::Sealed(record) => (6, &**record),
        }
    }

    fn payload_length(&self) -> usize {
        let (tag, value) = self.parts();
        tag.length() + value.length()
    }
}

impl Encodable for JournalRecord {
    fn encode(&self, out: &mut dyn BufMut) {
        let (tag, value) = self.parts();
        alloy_rlp::Header { list: true, payload_length: self.payload_length() }.encode(out);
        tag.encode(out);
        value.encode(out);
    }
    // The default would encode the whole record to count its bytes.
    fn length(&self) -> usize {
        let payload_length = self.payload_length();
        payload_length + alloy_rlp::length_of_length(payload_length)
    }
}

impl Decodable for JournalRecord {
    fn decode(buf: &mut &[u8]) -> Result<Self, Error> {
        decode_struct(buf, |payload| match u8::decode(payload)? {
            1 => Ok(Self::Proposed(Arc::new(Decodable::decode(payload)?))),
            2 => Ok(Self::Voted(Decodable::decode(payload)?)),
            3 => Ok(Self::Certificate(Decodable::decode(payload)?)),
            4 => Ok(Self::Body(Arc::new(Decodable::decode(payload)?))),
            5 => decode_bytes(payload, MAX_TRANSACTION_BYTES).map(Self::Transaction),
            6 => Ok(Self::Sealed(Box::new(Decodable::decode(payload)?))),
            _ => Err(Error::Custom("unknown kind of journal record")),
        })
    }
}
