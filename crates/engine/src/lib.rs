//! The engines of both levels as pure state machines: consensus joined with the chain (ARCHITECTURE). One call,
//! [`MasterEngine::step`] or [`SupervisorEngine::step`], takes what happened and gives what must be done, in order;
//! the runner (node or simulator) owns clock, disk and sockets.
//!
//! Beside consensus the master's engine answers consensus' questions from the chain (`blocks`), commits what is
//! final (`master`), catches up by ranges of finalised blocks (`sync`, `import`), carries transactions (`forward`,
//! C10) and seals (`seals`, C8), and tells its supervisors what is proposed and certified (`announce`), who pull
//! from the [`Feed`]. The supervisor's engine stands in `supervisor`.

mod announce;
mod blocks;
mod coalesce;
mod feed;
mod forward;
mod import;
mod interface;
mod master;
mod seals;
mod summary;
mod supervisor;
mod sync;

pub use btn_chain::{PoolError, SignedTransaction};
pub use btn_consensus::{Identity, Parameters};
pub use btn_storage::FinalizedBatch;
pub use feed::{Feed, MAX_FEED_ANNOUNCEMENTS, MAX_FEED_BLOCKS, MAX_FEED_BYTES};
pub use interface::{Effect, EngineStatus, Input, SubmissionId};
pub use master::MasterEngine;
pub use supervisor::{
    MAX_ANNOUNCED_PER_MASTER, MAX_CERTIFIED_VIEWS, MAX_LAG_VIEWS, MAX_OPEN_CALLS, MAX_OPEN_PULLS,
    MAX_UNANSWERED, MAX_WANTED, MAX_WANTED_PER_MASTER, PULL_PATIENCE_DELTAS, SUBMIT_PATIENCE_DELTAS,
    SUBMIT_TO, SupervisorEffect, SupervisorEngine, SupervisorIdentity, SupervisorInput, SupervisorStatus,
};
