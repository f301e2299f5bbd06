//! What goes into the engine and what comes out.

use btn_chain::{PoolError, SignedTransaction};
use btn_storage::FinalizedBatch;
use btn_types::supervision::Announcement;
use btn_types::{B256, Block, Height, JournalRecord, MemberIndex, Message, Round, Seal, View};
use std::sync::Arc;

/// The runner's name for a submission, given back with its outcome.
pub type SubmissionId = u64;

/// Something that happened outside.
#[derive(Clone, Debug)]
pub enum Input {
    /// Time has passed; also the first input after start.
    Wake,
    /// A link to a member came up.
    PeerConnected(MemberIndex),
    /// A message came by the authenticated link of a member.
    Message {
        /// From whom.
        from: MemberIndex,
        /// What.
        message: Message,
    },
    /// A supervisor sent these seals by its link, at most
    /// [`MAX_SEALS_PER_MESSAGE`](btn_types::limits::MAX_SEALS_PER_MESSAGE) (C8).
    Seals(Vec<Seal>),
    /// A user submits a transaction here, its sender recovered.
    Submit {
        /// Given back in [`Effect::Submitted`].
        id: SubmissionId,
        /// The transaction.
        transaction: Box<SignedTransaction>,
    },
}

/// What the runner must do, **in order**. What stands after [`Effect::Journal`] or [`Effect::Commit`] happens
/// only once those are on disk.
#[derive(Debug)]
pub enum Effect {
    /// Append these records in one group and sync (C6).
    Journal(Vec<JournalRecord>),
    /// Store finalised blocks, and the third state where it moves, in one durable transaction.
    Commit(FinalizedBatch),
    /// Tell all linked supervisors, and keep it in the [`Feed`](crate::Feed) for those who ask.
    Announce {
        /// What.
        announcement: Announcement,
        /// The block, where it is announced for the first time.
        block: Option<Arc<Block>>,
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
    /// Tell a submitter how it went.
    Submitted {
        /// Which submission.
        id: SubmissionId,
        /// The transaction's hash, or why it was refused, in geth's words.
        outcome: Result<B256, PoolError>,
    },
    /// Call again with [`Input::Wake`] at this time, if nothing else comes before. Replaces earlier ones.
    WakeAt {
        /// On the monotonic clock of [`btn_types::Now`].
        monotonic_ms: u64,
    },
    /// A broken invariant: stop the node, loudly.
    Halt(String),
}

/// Where a master stands, for people and tests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EngineStatus {
    /// Current view.
    pub view: View,
    /// Views skipped since the best certified block.
    pub round: Round,
    /// Highest finalised view.
    pub floor: View,
    /// Whether this node signs, or only observes.
    pub votes: bool,
    /// Newest block that is final and committed here.
    pub height: Height,
    /// Its hash.
    pub hash: B256,
    /// Height of the newest block in the third state (C5).
    pub third_height: Height,
    /// The highest certified block whose body is here: what `pending` shows.
    pub head: B256,
    /// Whether blocks known to be final are still missing here.
    pub syncing: bool,
}
