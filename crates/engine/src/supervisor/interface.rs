//! What goes into a supervisor's engine and what comes out.

use crate::interface::SubmissionId;
use btn_chain::{PoolError, SignedTransaction};
use btn_crypto::SealSigner;
use btn_storage::FinalizedBatch;
use btn_types::supervision::{Announcement, MasterReply, SupervisorCall};
use btn_types::{B256, Height, JournalRecord, MemberIndex, NodeId, View};
use std::fmt;
use std::sync::Arc;

/// Who we are. Where the seal log was lost a supervisor verifies and counts, and seals nothing (C8 ⚠).
pub enum SupervisorIdentity {
    /// Signs nothing.
    Abstaining,
    /// A registered supervisor with its key.
    Sealing {
        /// Identity.
        id: NodeId,
        /// Its private key.
        signer: Box<dyn SealSigner>,
    },
}

impl fmt::Debug for SupervisorIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Abstaining => f.write_str("Abstaining"),
            Self::Sealing { id, .. } => write!(f, "Sealing({})", id.short()),
        }
    }
}

/// Something that happened outside.
#[derive(Clone, Debug)]
pub enum SupervisorInput {
    /// Time has passed; also the first input after start.
    Wake,
    /// A link to a master came up; its greeting follows, as announcements.
    Connected(MemberIndex),
    /// A link to a master broke.
    Disconnected(MemberIndex),
    /// A master announced something by its link.
    Announced {
        /// Which master.
        from: MemberIndex,
        /// What.
        announcement: Announcement,
    },
    /// The reply to a [`SupervisorEffect::Call`]: each call has exactly one, [`MasterReply::Failed`] where none
    /// came in time.
    Replied {
        /// Which master.
        from: MemberIndex,
        /// Of which call.
        id: u64,
        /// What it says.
        reply: MasterReply,
    },
    /// A user submits a transaction here, its sender recovered.
    Submit {
        /// Given back in [`SupervisorEffect::Submitted`].
        id: SubmissionId,
        /// The transaction.
        transaction: Box<SignedTransaction>,
    },
}

/// What the runner must do, **in order**. What stands after [`SupervisorEffect::Journal`] or
/// [`SupervisorEffect::Commit`] happens only once those are on disk.
#[derive(Debug)]
pub enum SupervisorEffect {
    /// Append these records in one group and sync: seals before they are sent (C8 ⚠).
    Journal(Vec<JournalRecord>),
    /// Store finalised blocks, and the third state where it moves, in one durable transaction.
    Commit(FinalizedBatch),
    /// Call a master. For [`SupervisorCall::Submit`] it need not be a linked one: it is dialled.
    Call {
        /// Which master.
        to: MemberIndex,
        /// Comes back with the reply.
        id: u64,
        /// What.
        call: SupervisorCall,
    },
    /// A master lies or stalls: close its link, take another one, and say why.
    DropMaster {
        /// Which master.
        master: MemberIndex,
        /// A sentence.
        reason: String,
    },
    /// Tell a submitter how it went.
    Submitted {
        /// Which submission.
        id: SubmissionId,
        /// The transaction's hash, or why it was refused, in geth's words.
        outcome: Result<B256, PoolError>,
    },
    /// Call again with [`SupervisorInput::Wake`] at this time, if nothing else comes before. Replaces earlier
    /// ones.
    WakeAt {
        /// On the monotonic clock of [`btn_types::Now`].
        monotonic_ms: u64,
    },
    /// A broken invariant: stop the node, loudly.
    Halt(String),
}

/// Where a supervisor stands, for people and tests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SupervisorStatus {
    /// The view that the masters are in, as far as their certificates show.
    pub view: View,
    /// Newest block that is final and committed here.
    pub height: Height,
    /// Its hash.
    pub hash: B256,
    /// Height of the newest block in the third state (C5).
    pub third_height: Height,
    /// The highest notarized block executed here: what `pending` shows.
    pub head: B256,
    /// Whether this node seals, or only watches.
    pub seals: bool,
    /// Seals made since the start.
    pub sealed: u64,
    /// The newest block sealed, across restarts.
    pub last_sealed: Option<(Height, B256)>,
    /// Masters linked.
    pub masters: usize,
    /// Whether blocks known to be final are still missing here and come by ranges.
    pub syncing: bool,
    /// The first thing found that must not be: a notarized block that is invalid here, a foreign seal with our key.
    pub alarm: Option<Arc<str>>,
}
