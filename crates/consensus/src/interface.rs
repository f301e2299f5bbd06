//! What goes into the state machine and what comes out of it: every outside need is an effect or a question
//! to [`Blocks`].

use alloy_primitives::B256;
use btn_types::{
    Block, BlockMeta, BuildRequest, Certificate, FetchRequest, JournalRecord, MemberIndex, Message,
    ProposalMessage, Ticket, VoteMessage,
};
use std::sync::Arc;

/// Something that happened outside. `from` is the peer whose authenticated link it came by.
#[derive(Clone, Debug)]
pub enum Input {
    /// Time has passed; also the first input after start.
    Wake,
    /// The pool gained a transaction: an idle view may start (C6.3).
    TransactionsKnown,
    /// A link to a member came up: it is shown where we stand.
    PeerConnected(MemberIndex),
    /// A Proposal with its body: from its clerk, or as the answer to a fetch.
    Proposal {
        /// Who sent it.
        from: MemberIndex,
        /// The offer and its block.
        message: Arc<ProposalMessage>,
    },
    /// A vote.
    Vote {
        /// Who sent it; need not be the voter (C1).
        from: MemberIndex,
        /// The vote and the tickets that ride on it.
        message: VoteMessage,
    },
    /// Certificates: one passed on, or the answer to a fetch.
    Certificates {
        /// Who sent them.
        from: MemberIndex,
        /// Any kinds, any views.
        certificates: Vec<Certificate>,
        /// Tickets that ride on them.
        tickets: Vec<Ticket>,
    },
    /// Tickets without a vote.
    Candidacy {
        /// Who sent them; need not be the candidate.
        from: MemberIndex,
        /// The tickets.
        tickets: Vec<Ticket>,
    },
    /// A question about views or a proposal. (Ranges of finalised blocks are the engine's.)
    Fetch {
        /// Who asks.
        from: MemberIndex,
        /// What for.
        request: FetchRequest,
    },
    /// The engine has learned finalised blocks in another way (a range): their place is known now.
    BlocksKnown,
}

/// What the outside must do, **in order**. Whatever stands after a [`Effect::Journal`] happens only once those
/// records are synced (C6).
#[derive(Clone, Debug)]
pub enum Effect {
    /// Write these records in one group and sync them.
    Journal(Vec<JournalRecord>),
    /// This view is final; commit its block and ancestors if their bodies are here, else fetch them (C6.7–8).
    Finalized {
        /// The Finalization.
        certificate: Certificate,
        /// Its block, where the Proposal is known.
        block_hash: Option<B256>,
    },
    /// Send to one member.
    Send {
        /// To whom.
        to: MemberIndex,
        /// What.
        message: Arc<Message>,
    },
    /// Send to all other members.
    Broadcast(Arc<Message>),
    /// Call again with [`Input::Wake`] at this time, if nothing else comes before.
    WakeAt {
        /// On the monotonic clock of [`btn_types::Now`].
        monotonic_ms: u64,
    },
    /// A broken invariant: more than f members lie, or our own state is corrupt. Stop the node, loudly.
    Halt(String),
}

/// Outcome of showing a body to the chain.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(clippy::large_enum_variant, reason = "returned and matched at once, never kept in numbers")]
pub enum Insertion {
    /// Its place and everything that needs no execution is right, its justification's certificates verify.
    Inserted(BlockMeta),
    /// The parent's body is not here.
    UnknownParent,
    /// Invalid for everyone, with the reason.
    Invalid(String),
    /// The body is not the one its header commits to: somebody mangled it on the way. Nothing is held against
    /// the header's hash.
    NotItsBody(String),
    /// No room, or a fault of ours: neither kept nor condemned.
    Refused(String),
}

/// Outcome of executing a block and its ancestors.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Execution {
    /// Executed, and every root is right.
    Valid,
    /// Invalid for everyone, with the reason.
    Invalid(String),
    /// An ancestor's body is missing.
    NotYet,
}

/// Where blocks stand in the chain.
pub trait Places {
    /// The newest block that is final *and* committed here.
    fn finalized(&self) -> BlockMeta;

    /// A block whose place is known.
    fn meta(&self, hash: B256) -> Option<BlockMeta>;
}

/// The chain, as consensus asks it. Answers depend only on what it was shown before: no clock, no chance.
pub trait Blocks: Places {
    /// Shows a body.
    fn insert(&mut self, block: &Arc<Block>) -> Insertion;

    /// Executes a block and, first, its ancestors.
    fn execute(&mut self, hash: B256) -> Execution;

    /// Drops a block that can no longer be certified as far as we know; nothing was built on it. Should it be
    /// certified all the same, it is fetched and inserted again.
    fn forget(&mut self, hash: B256);

    /// Packs a block, executed and inserted. `None` where the chain refuses, which it logs.
    fn build(&mut self, request: BuildRequest) -> Option<Arc<Block>>;

    /// Whether the pool holds a transaction that a block on this parent could include.
    fn has_executable(&self, parent: B256) -> bool;
}

/// Timing and the member's own standing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parameters {
    /// Δ.
    pub delta_ms: u64,
    /// δ_c.
    pub candidate_wait_ms: u64,
    /// Longest wait of an idle view.
    pub idle_interval_ms: u64,
    /// Least time between a block and its parent.
    pub min_block_interval_ms: u64,
}

impl From<&btn_types::genesis::ConsensusParameters> for Parameters {
    fn from(from: &btn_types::genesis::ConsensusParameters) -> Self {
        Self {
            delta_ms: from.delta_ms,
            candidate_wait_ms: from.candidate_wait_ms,
            idle_interval_ms: from.idle_interval_ms,
            min_block_interval_ms: from.min_block_interval_ms,
        }
    }
}

/// Who we are. Without keys, or where the journal was lost, a node only observes (C6).
pub enum Identity {
    /// Checks and follows, signs nothing.
    Observer,
    /// A member with its keys.
    Member {
        /// Place in the committee.
        index: MemberIndex,
        /// Its private keys.
        signer: Box<dyn btn_crypto::Signer>,
    },
}
