//! The vocabulary of BTN: newtypes, blocks, certificates, wire and journal records, genesis, limits.
//!
//! This crate is the bottom of the house (ARCHITECTURE.md): it knows no cryptography beyond SHA-256, no
//! clock, no thread and no I/O. Everything nodes must agree on is an integer or bytes and has exactly one
//! encoding: RLP as `alloy-rlp` decodes it, which refuses every non-canonical form (ADR 002).

mod block;
mod certificate;
mod codec;
pub mod genesis;
mod journal;
pub mod limits;
mod message;
mod number;
mod seal;
mod state;
pub mod supervision;

pub use block::{Block, BlockMeta, BuildRequest, Envelope, Justification};
pub use certificate::{Bitmap, BitmapError, Certificate, SUITE_BLS12_381, SignatureSuite, Vote, VoteKind};
pub use codec::{decode_exact, encode, sha256};
pub use genesis::Genesis;
pub use journal::JournalRecord;
pub use message::{
    BlockRange, CertificateMessage, FetchRequest, Message, MessageClass, Proposal, ProposalMessage, Ticket,
    VoteMessage,
};
pub use number::{Epoch, Height, MemberIndex, NodeId, Now, Round, View, VoteKey, VoteSignature};
pub use seal::{Seal, SealRecord};
pub use state::{Account, AccountDiff, StateDiff, StateError, StateReader};

pub use alloy_primitives::{Address, B256, Bytes, U256};
