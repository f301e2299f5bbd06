//! The whole master as a pure state machine: consensus joined with the chain (ARCHITECTURE). One call,
//! [`MasterEngine::step`], takes what happened and gives what must be done, in order; the runner (node or
//! simulator) owns clock, disk and sockets.
//!
//! Beside consensus the engine does four things: it answers consensus' questions from the chain (`blocks`),
//! commits what is final (`master`), catches up by ranges of finalised blocks (`sync`), and carries
//! transactions (`forward`, C10).

mod blocks;
mod forward;
mod interface;
mod master;
mod sync;

pub use btn_chain::{PoolError, SignedTransaction};
pub use btn_consensus::{Identity, Parameters};
pub use btn_storage::FinalizedBatch;
pub use interface::{Effect, EngineStatus, Input, SubmissionId};
pub use master::MasterEngine;
