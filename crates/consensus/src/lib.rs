//! PoE agreement at level 1 as a pure state machine: `step(now, input, blocks) → effects` (CONSENSUS C0–C6).
//!
//! # The rules, and where they are
//! A Simplex-style sequence of views. In each view the lottery ranks the clerks; members notarize at most one
//! valid block; a quorum of Notarize makes a Notarization and moves everyone on, a quorum of Nullify skips the
//! view, a quorum of Finalize makes the block and its ancestors final.
//!
//! | rule | where |
//! |---|---|
//! | C6.0 views only increase; floor; restart | `machine::Consensus::new`, `machine::certify` |
//! | C6.1 enter on any certificate, rebroadcast the cause | `machine::certify` |
//! | C6.2 tickets two views ahead, best four passed on | `tickets`, `machine::act` |
//! | C6.3 idle wait, proposing by rank | `machine::act` |
//! | C6.4 notarize the best-ranked candidate's valid block | `machine::act` |
//! | C6.5 nullify at 4Δ; resend while stuck | `machine::act`, `machine::resend` |
//! | C6.6 finalize on notarization | `machine::certify` |
//! | C6.7 finalization raises the floor, then prune | `machine::certify` |
//! | C6.8 certificates act without bodies; bodies are fetched | `machine::hear`, `machine::fetch` |
//!
//! # Safety, in short (C6)
//! Two quorums share an honest member, who notarizes once a view: one notarized block a view (L1). No honest
//! member signs both Nullify and Finalize of a view (L2, `own_log`). So a finalised block is an ancestor of all
//! that is certified later (L3). Everything signed or acted on is in the effect [`Effect::Journal`] before the
//! effects that show it to anyone.
//!
//! # What is not here
//! Epochs and re-proposals (the genesis committee never ends in this version), aggregators for n > 150, seals,
//! evidence. Bodies, execution and sync by ranges of blocks are the engine's.

mod certificates;
mod interface;
mod machine;
mod own_log;
mod proposals;
mod tickets;
mod votes;

pub use btn_types::BuildRequest;
pub use interface::{Blocks, Effect, Execution, Identity, Input, Insertion, Parameters, Places};
pub use machine::{Consensus, Status};
