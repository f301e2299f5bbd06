//! Runs transactions: Ethereum's rules at the Osaka fork over a [`btn_types::StateReader`], block rules,
//! receipts, the state root, calls and gas estimates.
//!
//! Everything here is a function of its arguments: no clock, no randomness, no threads, no I/O beyond the
//! reader. Maps of the EVM are sorted before anything leaves this crate (ARCHITECTURE, "Determinism").
//! Execution knows nothing of consensus: the chain hands it the fields that PoE decides.
//!
//! - [`execute`], [`build`]: run a given block, or pack one from candidates. Both give an [`Outcome`].
//! - [`assemble_header`], [`check_header`]: the header that belongs to an outcome, and its fixed fields.
//! - [`recover`], [`check_transaction`], [`check_against_account`]: a transaction on its way into the pool.
//! - [`call`], [`estimate_gas`], [`revert_reason`]: what RPC needs.
//! - [`StateCommitment`], [`Overlay`]: the state root, and the state after an unfinalised block.

mod block;
mod call;
mod commitment;
mod environment;
mod estimate;
mod genesis;
mod header;
mod overlay;
mod reason;
mod revert;
mod spec;
mod state;
mod transaction;

pub use block::{Built, ExecutionError, Outcome, build, execute};
pub use call::{CallEnvironment, CallOutcome, CallRequest, CallStatus, RPC_GAS_CAP, call};
pub use commitment::{FullRecomputation, StateCommitment};
pub use estimate::{EstimateError, estimate_gas};
pub use genesis::{genesis_diff, genesis_header};
pub use header::{HeaderError, assemble_header, check_header};
pub use overlay::Overlay;
pub use reason::TransactionError;
pub use revert::revert_reason;
pub use spec::{BlockInput, ChainSpec, next_base_fee};
pub use transaction::{
    SignedTransaction, check_against_account, check_transaction, max_cost, recover, recover_envelope,
};

#[cfg(test)]
mod tests;
