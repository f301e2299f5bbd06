//! What the server needs from a node. The node implements [`Backend`] over its view of the chain; tests
//! implement it over memory.

use crate::RpcError;
use alloy_consensus::transaction::SignerRecoverable;
use alloy_consensus::{Header, ReceiptEnvelope};
use btn_execution::{ChainSpec, SignedTransaction};
use btn_types::genesis::SupervisorRecord;
use btn_types::{
    Address, B256, Block, Bytes, Certificate, Epoch, MemberIndex, NodeId, Round, Seal, StateReader, Ticket,
    View, VoteKey, VoteSignature,
};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

/// A boxed future, so that [`Backend`] stays object-safe.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Which block is meant, after tags are resolved (C5): `latest` and `safe` are [`BlockSelector::Latest`],
/// `earliest` is number 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BlockSelector {
    /// A finalised block by height.
    Number(u64),
    /// A finalised block by hash.
    Hash(B256),
    /// The newest finalised block: the newest Finalization, its seals may be pending.
    Latest,
    /// The newest block in the third state: final and sealed (C5, C8).
    Finalized,
    /// The notarized head; the newest finalised block where there is no such head.
    Pending,
}

/// A block with its hash.
#[derive(Clone, Debug)]
pub struct BlockEntry {
    /// Hash of the header.
    pub hash: B256,
    /// The block.
    pub block: Arc<Block>,
}

/// Where a transaction stands.
#[derive(Clone, Debug)]
pub enum TransactionEntry {
    /// In a finalised block.
    Final {
        /// The block.
        block: BlockEntry,
        /// Place in the block, from 0.
        index: usize,
    },
    /// Accepted by this node, in no finalised block yet.
    Pending(Box<SignedTransaction>),
}

/// A block's header and the state after it, taken together so that they cannot be of different blocks.
pub struct StateAt<'a> {
    /// Hash of the header.
    pub hash: B256,
    /// The header.
    pub header: Header,
    /// State after the block.
    pub state: Box<dyn StateReader + 'a>,
}

/// How far a node that is catching up has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SyncProgress {
    /// Height where catching up began.
    pub starting_height: u64,
    /// Height finalised here.
    pub current_height: u64,
    /// Highest height known to be finalised elsewhere.
    pub highest_height: u64,
}

/// Whether the node can serve users now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Readiness {
    /// A block was finalised recently and the node is not catching up.
    Ready,
    /// It cannot, and why, in a sentence.
    NotReady {
        /// Why.
        reason: String,
    },
}

/// A connection to another node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerInfo {
    /// Place in the committee.
    pub member: MemberIndex,
    /// Identity.
    pub id: NodeId,
    /// Whether the connection stands.
    pub connected: bool,
    /// Address in use, or tried last.
    pub address: Option<String>,
    /// Round-trip time, milliseconds.
    pub rtt_ms: Option<u64>,
    /// Why the last attempt failed.
    pub last_error: Option<String>,
    /// Why this node, a supervisor, has dropped the master for now: it lied or stalled. Always `None` between
    /// masters.
    pub dropped_reason: Option<String>,
}

/// Level of the node behind the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NodeRole {
    /// Level 1: keeps the books.
    Master,
    /// Level 2: verifies and seals.
    Supervisor,
}

impl NodeRole {
    /// As `btn_status` shows it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Master => "master",
            Self::Supervisor => "supervisor",
        }
    }
}

/// A supervisor as one of its masters sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SupervisorInfo {
    /// Identity.
    pub id: NodeId,
    /// Whether a link of it stands here.
    pub connected: bool,
    /// Address it came from last.
    pub address: Option<String>,
    /// Round-trip time, milliseconds.
    pub rtt_ms: Option<u64>,
    /// What it reported last.
    pub reported: Option<ReportedStatus>,
    /// Height of the highest block whose seal of it this node knows.
    pub last_sealed_height: Option<u64>,
    /// Why its last link ended.
    pub last_error: Option<String>,
}

/// What a node says of itself when its peer asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReportedStatus {
    /// Height of its newest final block.
    pub height: u64,
    /// Hash of that block.
    pub hash: B256,
    /// Root of the state after it, as that node computed it.
    pub state_root: B256,
    /// Height of its newest block in the third state.
    pub third_height: u64,
}

/// Whether and how far this node, a supervisor, seals (C8).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealingInfo {
    /// `false`: it verifies and follows, but abstains, because its seal log was lost.
    pub sealing: bool,
    /// Seals made since the process started.
    pub seals_made: u64,
    /// Height of the highest block sealed, as its seal log has it.
    pub last_sealed_height: Option<u64>,
    /// What the operator should know now, in a sentence: why it abstains, a block that it found invalid, ….
    pub alarm: Option<String>,
}

/// What `btn_status` shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeStatus {
    /// The node's identity.
    pub node_id: NodeId,
    /// Level.
    pub role: NodeRole,
    /// The node follows but does not vote or seal, because its log was lost (C6, C8).
    pub observing: bool,
    /// Progress while catching up, else `None`.
    pub syncing: Option<SyncProgress>,
    /// Height of the newest finalised block.
    pub height: u64,
    /// Its hash.
    pub hash: B256,
    /// Root of the state after it, as this node computed it.
    pub state_root: B256,
    /// Its timestamp, milliseconds since the Unix epoch.
    pub timestamp_ms: u64,
    /// Height of the newest block in the third state.
    pub third_height: u64,
    /// Height of the notarized head.
    pub pending_height: u64,
    /// Current epoch.
    pub epoch: Epoch,
    /// Current view; on a supervisor the highest one known.
    pub view: View,
    /// Views entered since the one of the notarized head, less one: 0 where nothing was skipped.
    pub round: Round,
    /// Transactions in this node's pool.
    pub pool_transactions: u64,
    /// All other members, by place: a master's peers, or the masters that a supervisor knows.
    pub peers: Vec<PeerInfo>,
    /// On a master: all registered supervisors, ascending by id. Empty on a supervisor, to which none connects.
    pub supervisors: Vec<SupervisorInfo>,
    /// On a supervisor: how its sealing goes.
    pub sealing: Option<SealingInfo>,
}

/// What `btn_getView` shows: where the state machine of C6 stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ViewInfo {
    /// Current epoch.
    pub epoch: Epoch,
    /// Current view; on a supervisor the highest one known.
    pub view: View,
    /// Views entered since the one of the notarized head, less one: 0 where nothing was skipped.
    pub round: Round,
    /// Highest finalised view: nothing is signed for it or below (C6.0).
    pub floor: View,
    /// Height of the newest finalised block.
    pub height: u64,
    /// Height of the newest block in the third state.
    pub third_height: u64,
    /// Height of the notarized head.
    pub pending_height: u64,
}

/// The registered supervisors (C8) and the numbers that a verifier needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SupervisorsInfo {
    /// s_min: seals on one block that make its second state.
    pub quorum: usize,
    /// λ of genesis: seals expected per block.
    pub expected_seals: u64,
    /// RFC 6962 tree hash over the ids, as every block's envelope carries it.
    pub root: B256,
    /// All of them, ascending by id; their number is S. Records share their bytes with genesis.
    pub records: Vec<SupervisorRecord>,
}

/// A member of a committee with its public keys, enough to check all that it signs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommitteeMember {
    /// Place; bit of the member in a certificate's bitmap.
    pub index: MemberIndex,
    /// SHA-256 of `rsa_public_key`.
    pub id: NodeId,
    /// Account that earns the fees of its blocks.
    pub payout: Address,
    /// RSA lottery key: SubjectPublicKeyInfo, DER.
    pub rsa_public_key: Bytes,
    /// Proof that RSA is a permutation under the key (K1).
    pub rsa_permutation_proof: Vec<Bytes>,
    /// BLS12-381 vote key, G1 compressed (K7).
    pub vote_key: VoteKey,
    /// Proof of possession of the vote key.
    pub vote_key_proof: VoteSignature,
}

/// A committee (C4) and the parameters that a verifier needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommitteeInfo {
    /// Epoch it serves.
    pub epoch: Epoch,
    /// Votes that make a certificate (C4).
    pub quorum: usize,
    /// Byzantine members tolerated (C1).
    pub max_faulty: usize,
    /// Leading zeros that a clerk's ticket needs (C4).
    pub clerk_bar: u32,
    /// Heights of one lottery period (C3).
    pub lottery_period_blocks: u64,
    /// The members, by place.
    pub members: Vec<CommitteeMember>,
}

/// The node behind the server. All calls but [`Backend::submit`] may block on the disk: the server makes them
/// on threads where that is allowed. A finalised block never changes (C5), so calls need not be atomic
/// together.
pub trait Backend: Send + Sync + 'static {
    /// Parameters of the chain.
    fn chain_spec(&self) -> &ChainSpec;

    /// Hash of the genesis block: `chain` of every digest (C3).
    fn genesis_hash(&self) -> B256;

    /// Height of the newest finalised block. Must not block: it is in memory.
    fn latest_height(&self) -> u64;

    /// Height of the newest block in the third state, at most [`Backend::latest_height`]; it is that where no
    /// supervisor is registered. Must not block: it is in memory, and on disk before it is here (C8).
    fn third_height(&self) -> u64;

    /// A block; `None` where it is unknown or not final (but [`BlockSelector::Pending`] may be just notarized).
    ///
    /// # Errors
    /// The disk failed: [`RpcError::internal`].
    fn block(&self, selector: BlockSelector) -> Result<Option<BlockEntry>, RpcError>;

    /// Header of a finalised block; `None` above the newest.
    ///
    /// # Errors
    /// The disk failed: [`RpcError::internal`].
    fn header(&self, height: u64) -> Result<Option<Header>, RpcError>;

    /// Sender of one transaction of a block. The default recovers it from the signature; a node that remembers
    /// senders can be faster.
    ///
    /// # Errors
    /// No such transaction, or its signature gives no sender: the stored block is damaged.
    fn sender(&self, block: &BlockEntry, index: usize) -> Result<Address, RpcError> {
        let transaction = block.block.transactions.get(index);
        let sender = transaction.and_then(|transaction| transaction.recover_signer().ok());
        sender.ok_or_else(|| {
            RpcError::internal(format!("transaction {index} of block {} has no sender", block.hash))
        })
    }

    /// Senders of all transactions of a block, in order; see [`Backend::sender`].
    ///
    /// # Errors
    /// As [`Backend::sender`].
    fn senders(&self, block: &BlockEntry) -> Result<Vec<Address>, RpcError> {
        (0..block.block.transactions.len()).map(|index| self.sender(block, index)).collect()
    }

    /// Receipts of a finalised block, in the order of its transactions; `None` above the newest.
    ///
    /// # Errors
    /// The disk failed: [`RpcError::internal`].
    fn receipts(&self, height: u64) -> Result<Option<Vec<ReceiptEnvelope>>, RpcError>;

    /// State after a block.
    ///
    /// # Errors
    /// Unknown block: [`RpcError::header_not_found`] or [`RpcError::header_for_hash_not_found`]; a state that
    /// is not kept: [`RpcError::state_not_available`], or [`RpcError::finalized_state_not_available`] where the
    /// block was named [`BlockSelector::Finalized`]; the disk failed: [`RpcError::internal`].
    fn state(&self, selector: BlockSelector) -> Result<StateAt<'_>, RpcError>;

    /// Next nonce of an account, everything accepted by this node included (tag `pending`).
    ///
    /// # Errors
    /// The disk failed: [`RpcError::internal`].
    fn pending_nonce(&self, address: Address) -> Result<u64, RpcError>;

    /// A transaction, wherever it stands; `None` where it is unknown.
    ///
    /// # Errors
    /// The disk failed: [`RpcError::internal`].
    fn transaction(&self, hash: B256) -> Result<Option<TransactionEntry>, RpcError>;

    /// Offers a transaction, already decoded and checked without state, to the pool; gives its hash once the
    /// pool has taken it.
    ///
    /// # Errors
    /// The pool's refusal in geth's words, usually [`RpcError::server`].
    fn submit(&self, transaction: SignedTransaction) -> BoxFuture<'_, Result<B256, RpcError>>;

    /// The block's own Finalization; `None` where it became final with a descendant, and for genesis.
    ///
    /// # Errors
    /// The disk failed: [`RpcError::internal`].
    fn finalization(&self, height: u64) -> Result<Option<Certificate>, RpcError>;

    /// The committee of an epoch; `None` for an epoch without one.
    fn committee(&self, epoch: Epoch) -> Option<CommitteeInfo>;

    /// Seals of a block that this node knows, of distinct supervisors, each verified: stored, in memory, or in the
    /// bodies of the blocks above it. What names another hash is left out by the caller.
    ///
    /// # Errors
    /// The disk failed: [`RpcError::internal`].
    fn seals(&self, block: &BlockEntry) -> Result<Vec<Seal>, RpcError>;

    /// The registered supervisors; the same for all of epoch 0. Must not block.
    fn supervisors(&self) -> Arc<SupervisorsInfo>;

    /// Audit path of a supervisor's id to [`SupervisorsInfo::root`] (RFC 6962 §2.1.1); `None` where it is not
    /// registered. Asked once for every seal shown.
    fn membership(&self, supervisor: NodeId) -> Option<Vec<B256>>;

    /// Verified tickets known here for the current view and the two after it (C6.2). Must not block.
    ///
    /// # Errors
    /// A node that knows none, as it takes part in no view.
    fn candidates(&self) -> Result<Vec<Ticket>, RpcError>;

    /// What `btn_getView` shows. Must not block.
    fn view_info(&self) -> ViewInfo;

    /// What `btn_status` shows. Must not block.
    fn status(&self) -> NodeStatus;

    /// Whether the node can serve users. Must not block.
    fn readiness(&self) -> Readiness;
}
