//! The chain of one node, synchronous and without a clock: import, layers of unfinalised blocks, finality,
//! the transaction pool, ranges for peers, and snapshots for RPC.
//!
//! The disk holds what is final. Above the finalised tip stands a tree of blocks: [`Chain::insert`] checks all
//! that needs no execution, [`Chain::execute`] turns a block into an immutable [`Layer`], [`Chain::finalize`]
//! makes one path final, hands it out to be stored, and drops everything beside it (ARCHITECTURE, "Unfinalised
//! blocks"). [`Chain::build`] packs a clerk's own block from the [`Pool`].
//!
//! The chain holds no opinion on votes: which blocks are notarized, when to vote and what to fetch is for
//! consensus and engine. It asks only what a block carries: that is the same for everyone, so an invalid block
//! is invalid for everyone (C5 rule 2 ⚠).
//!
//! The second level stands beside this: [`Chain::offer_seal`] counts what supervisors seal, blocks carry their
//! seals, and [`Chain::take_third_state`] tells which final block has enough of them (C8).

mod bounded;
mod build;
mod chain;
mod error;
mod execute;
mod finality;
mod genesis;
mod insert;
mod justification;
mod layer;
mod logs;
mod meta;
mod pool;
mod range;
mod seals;
mod seeds;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
mod tree;
mod view;

pub use btn_execution::{ChainSpec, SignedTransaction, recover};
pub use btn_storage::SealedBlock;
pub use btn_types::{BlockMeta, BuildRequest};
pub use chain::Chain;
pub use error::{BlockError, ChainError};
pub use genesis::{EMPTY_SEAL_ROOT, genesis_batch, genesis_block};
pub use justification::JustificationError;
pub use layer::{Layer, LayeredState};
pub use logs::{FoundLog, LogFilter, MAX_LOG_BLOCKS, MAX_LOGS};
pub use pool::{Candidates, Pool, PoolContent, PoolError, PoolLimits, Pooled};
pub use range::read_range;
pub use seals::{SealOffer, SealRefusal};
pub use tree::{MAX_UNFINALIZED_BLOCKS, MAX_UNFINALIZED_BYTES};
pub use view::{ChainView, KnownBlock, StateTag, TransactionPlace, ViewError};

#[cfg(test)]
mod tests;
