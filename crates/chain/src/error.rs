//! Why a block is refused: one variant per rule, with what was found and what the rule wants.

use crate::justification::JustificationError;
use alloy_primitives::{Address, B256, Bytes};
use btn_crypto::{SealError, TicketError};
use btn_execution::{ExecutionError, HeaderError};
use btn_storage::StoreError;
use btn_types::{Epoch, Height, NodeId, StateError, View};
use thiserror::Error;

/// A block is not taken into the tree, or not executed.
#[derive(Debug, Error)]
pub enum BlockError {
    /// The parent is neither the finalised tip nor an unfinalised block we hold.
    #[error("parent {0} is unknown or not above the finalised tip; fetch it first")]
    UnknownParent(B256),
    /// The block is not in the tree.
    #[error("block {0} is unknown")]
    Unknown(B256),
    /// Refused before.
    #[error("block {0} was found invalid before")]
    KnownInvalid(B256),
    /// An ancestor is invalid.
    #[error("ancestor {ancestor} of the block is invalid: {reason}")]
    InvalidAncestor {
        /// The invalid block.
        ancestor: B256,
        /// Why.
        reason: String,
    },
    /// At or below the finalised tip: final already, or beside the chain for ever.
    #[error("height {actual} is not above the finalised tip at {tip}")]
    NotAboveTip {
        /// Height of the block.
        actual: Height,
        /// Height of the tip.
        tip: Height,
    },
    /// Too many heights without finality (a bound, not a rule of validity).
    #[error("height {actual} is too far above the finalised tip, at most {most} is kept")]
    TooFarAhead {
        /// Height of the block.
        actual: Height,
        /// Highest one kept.
        most: Height,
    },
    /// The tree is full (a bound, not a rule of validity).
    #[error("{blocks} unfinalised blocks with {bytes} bytes are held, there is no room for more")]
    TreeFull {
        /// Blocks held.
        blocks: usize,
        /// Bytes held.
        bytes: usize,
    },
    /// Transactions and header do not belong together.
    #[error("transactions root is {actual}, the header says {expected}")]
    TransactionsRoot {
        /// Root of the body.
        actual: B256,
        /// Root in the header.
        expected: B256,
    },
    /// Envelope or justification and header do not belong together.
    #[error("extra_data is {actual}, envelope and justification hash to {expected}")]
    ExtraData {
        /// Found in the header.
        actual: Bytes,
        /// Computed: `D("envelope", …)`.
        expected: B256,
    },
    /// Another epoch than the committee's.
    #[error("block is of epoch {actual}, expected {expected}")]
    Epoch {
        /// Found.
        actual: Epoch,
        /// The committee's.
        expected: Epoch,
    },
    /// Height is not the parent's plus one (C5 rule 3).
    #[error("height is {actual}, the parent's plus one is {expected}")]
    Height {
        /// Found.
        actual: Height,
        /// Wanted.
        expected: Height,
    },
    /// The view is not above the parent's (C5 rule 2).
    #[error("view {view} is not above the parent view {parent_view}")]
    ViewOrder {
        /// View of the block.
        view: View,
        /// View of its parent.
        parent_view: View,
    },
    /// The parent view is not the one the parent was proposed in.
    #[error("parent view is {actual}, the parent was proposed in {expected}")]
    ParentView {
        /// Found.
        actual: View,
        /// The parent's view.
        expected: View,
    },
    /// `mix_hash` is not `seed(B)` (C3).
    #[error("seed is {actual}, the chain gives {expected}")]
    Seed {
        /// Found in the header.
        actual: B256,
        /// Computed.
        expected: B256,
    },
    /// The clerk is not in the committee (C5 rule 1).
    #[error("clerk {0} is not a member of the committee")]
    NotMember(NodeId),
    /// The fees would go to another account than the clerk's.
    #[error("beneficiary is {actual}, the clerk's payout address is {expected}")]
    Beneficiary {
        /// Found in the header.
        actual: Address,
        /// The clerk's.
        expected: Address,
    },
    /// Not later than the parent (C5 rule 6).
    #[error("timestamp {actual} ms is not above the parent's {parent} ms")]
    Timestamp {
        /// Found, milliseconds since the Unix epoch.
        actual: u64,
        /// The parent's.
        parent: u64,
    },
    /// The header's seconds are not the envelope's milliseconds (C5 rule 6).
    #[error("header timestamp is {actual} s, the envelope says {expected} s")]
    HeaderTimestamp {
        /// Found, seconds since the Unix epoch.
        actual: u64,
        /// ⌊timestamp_ms/1000⌋.
        expected: u64,
    },
    /// Seals and envelope do not belong together.
    #[error("seal root is {actual}, the envelope says {expected}")]
    SealRoot {
        /// Root of the body.
        actual: B256,
        /// Root in the envelope.
        expected: B256,
    },
    /// The envelope names other supervisors than the registry (C8).
    #[error("supervisors root is {actual}, that of the registry is {expected}")]
    SupervisorsRoot {
        /// Found in the envelope.
        actual: B256,
        /// The registry's.
        expected: B256,
    },
    /// The envelope gives another number of supervisors than the registry (C8).
    #[error("the envelope says {actual} supervisors, {expected} are registered")]
    SupervisorCount {
        /// Found in the envelope.
        actual: u32,
        /// S.
        expected: u32,
    },
    /// More seals than a block may include.
    #[error("{actual} seals are included, at most {most} may be")]
    TooManySeals {
        /// Found.
        actual: usize,
        /// Most seals.
        most: usize,
    },
    /// Seals not ascending by height and supervisor.
    #[error("the seal of supervisor {supervisor} on height {height} stands behind a later one")]
    SealOrder {
        /// Whose seal.
        supervisor: NodeId,
        /// Height it seals.
        height: Height,
    },
    /// One supervisor's seal of one block twice in a block.
    #[error("supervisor {supervisor} seals height {height} twice in one block")]
    SealTwice {
        /// Whose seal.
        supervisor: NodeId,
        /// Height it seals.
        height: Height,
    },
    /// A seal that an ancestor includes already.
    #[error("the seal of supervisor {supervisor} is included by the ancestor at height {ancestor} already")]
    SealRepeated {
        /// Whose seal.
        supervisor: NodeId,
        /// Height of the ancestor that includes it.
        ancestor: Height,
    },
    /// A seal of an ancestor further below than seals may be included.
    #[error("supervisor {supervisor} seals height {actual}, seals may be included from height {lowest} on")]
    SealTooOld {
        /// Whose seal.
        supervisor: NodeId,
        /// Height it seals.
        actual: Height,
        /// Lowest height allowed.
        lowest: Height,
    },
    /// A seal of a block that is no ancestor.
    #[error("supervisor {supervisor} seals block {block}, which is no ancestor")]
    SealOfStranger {
        /// Whose seal.
        supervisor: NodeId,
        /// The block sealed.
        block: B256,
    },
    /// A seal on an ancestor's core that names another hash.
    #[error("supervisor {supervisor} seals block {actual} on the core of ancestor {expected}")]
    SealHash {
        /// Whose seal.
        supervisor: NodeId,
        /// Hash it names.
        actual: B256,
        /// Hash of the ancestor with this core.
        expected: B256,
    },
    /// A seal on an ancestor's hash that draws on another core.
    #[error("supervisor {supervisor} seals core {actual}, that of the block is {expected}")]
    SealCore {
        /// Whose seal.
        supervisor: NodeId,
        /// Found.
        actual: B256,
        /// `core(B)` of the ancestor (C3).
        expected: B256,
    },
    /// A seal does not prove what it should: registration, draw, bar, signature (C8).
    #[error("included seal: {0}")]
    Seal(#[from] SealError),
    /// A fixed field of the header.
    #[error(transparent)]
    Header(#[from] HeaderError),
    /// The clerk's lottery signature or its zeros (C5 rule 1).
    #[error("clerk's ticket: {0}")]
    Ticket(#[from] TicketError),
    /// The certificates carried for building on the parent (C5 rule 2 ⚠).
    #[error(transparent)]
    Justification(#[from] JustificationError),
    /// A transaction whose signature gives no sender.
    #[error("transaction {position} has no valid signature")]
    Sender {
        /// Place in the block.
        position: usize,
    },
    /// The transactions cannot be executed.
    #[error(transparent)]
    Execution(ExecutionError),
    /// The state after the block is not the one claimed: theft, minting, excess fees all end here.
    #[error("state root is {expected} after execution, the header says {actual}")]
    StateRoot {
        /// Found in the header.
        actual: B256,
        /// Computed.
        expected: B256,
    },
    /// The receipts are not the ones claimed.
    #[error("receipts root is {expected} after execution, the header says {actual}")]
    ReceiptsRoot {
        /// Found in the header.
        actual: B256,
        /// Computed.
        expected: B256,
    },
    /// The gas is not what was claimed.
    #[error("{expected} gas was used, the header says {actual}")]
    GasUsed {
        /// Found in the header.
        actual: u64,
        /// Computed.
        expected: u64,
    },
    /// The logs are not the ones claimed.
    #[error("logs bloom differs from the executed one")]
    LogsBloom,
    /// Some other field of the header differs from the one that belongs to these contents.
    #[error("header hashes to {actual}, the one that belongs to the contents to {expected}")]
    HeaderHash {
        /// Found.
        actual: B256,
        /// Computed.
        expected: B256,
    },
    /// A seed that lies in finalised history is not in the store: our fault, not the block's.
    #[error("the seed of height {0} is not in the store: the database is damaged; sync it anew")]
    SeedMissing(Height),
    /// The EVM gave up: our fault, not the block's.
    #[error("the block could not be executed: {0}")]
    Evm(ExecutionError),
    /// The state could not be read: our fault, not the block's.
    #[error(transparent)]
    State(#[from] StateError),
    /// The store could not be read: our fault, not the block's.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl BlockError {
    /// Whether the block is invalid for everyone and for ever: its hash may be remembered and its sender
    /// blamed. Bounds, missing parents, failing disks and bodies swapped under a header are not that: the hash
    /// covers the header only, and who passes on a wrong body must not discredit the true one.
    #[must_use]
    pub const fn is_permanent(&self) -> bool {
        !matches!(
            self,
            Self::UnknownParent(_)
                | Self::Unknown(_)
                | Self::NotAboveTip { .. }
                | Self::TooFarAhead { .. }
                | Self::TreeFull { .. }
                | Self::TransactionsRoot { .. }
                | Self::ExtraData { .. }
                | Self::SealRoot { .. }
                | Self::SeedMissing(_)
                | Self::Evm(_)
                | Self::State(_)
                | Self::Store(_)
        )
    }
}

/// The chain cannot do what was asked.
#[derive(Debug, Error)]
pub enum ChainError {
    /// The store is empty.
    #[error("the store holds no genesis block; run `btn init` first")]
    NoGenesis,
    /// The store belongs to another network.
    #[error(
        "the store's genesis block is {actual}, the genesis file gives {expected}; use the data directory of this network, or initialise a new one"
    )]
    WrongGenesis {
        /// Hash in the store.
        actual: B256,
        /// Hash of the genesis file's block.
        expected: B256,
    },
    /// The stored state is not the one the stored tip commits to.
    #[error(
        "the stored state has root {actual}, block {height} says {expected}: the database is damaged; sync it anew"
    )]
    DamagedState {
        /// Height of the tip.
        height: Height,
        /// Root of what is stored.
        actual: B256,
        /// Root in the header.
        expected: B256,
    },
    /// The store lacks something that its tip implies.
    #[error("the store has no {what} at height {height}: the database is damaged; sync it anew")]
    Incomplete {
        /// What is missing.
        what: &'static str,
        /// Where.
        height: Height,
    },
    /// Nothing more may be built until something is final.
    #[error("{heights} heights wait for finality, nothing is built on them")]
    TooManyUnfinalized {
        /// Unfinalised heights below the new block.
        heights: u64,
    },
    /// The certificate handed in does not finalise the block.
    #[error("not a Finalization of block {hash}: {reason}")]
    NotFinalization {
        /// The block.
        hash: B256,
        /// What is wrong with the certificate.
        reason: String,
    },
    /// A finalised block is invalid here: more than f members are faulty, or this software is.
    #[error(
        "block {hash} has a Finalization but is invalid here: {reason}; stop and compare versions with the other operators"
    )]
    InvalidFinalized {
        /// The block.
        hash: B256,
        /// Why it is invalid.
        reason: Box<BlockError>,
    },
    /// A block.
    #[error(transparent)]
    Block(#[from] BlockError),
    /// Execution failed while building.
    #[error(transparent)]
    Execution(#[from] ExecutionError),
    /// The store could not be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The state could not be read.
    #[error(transparent)]
    State(#[from] StateError),
}
