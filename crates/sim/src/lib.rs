//! A network of masters and supervisors in memory, driven by a seed: the engines of production under loss, delay, reordering,
//! partitions, crashes and Byzantine members, with the invariants of C11 checked after every step.
//!
//! # How it is put together
//! A [`Scenario`] is a seed, a mix of faults and a committee size. [`run()`] draws a [`Plan`] from the seed and
//! plays it in a discrete-event [`World`]: no clock, no thread, no socket; equal seeds give equal traces (C11.14).
//! First comes a time of faults; then the network heals, every honest member is up, and a new finalisation must
//! come at each of them within a bound (C11.12).
//!
//! The [`oracle`] believes nobody: it counts signers, recomputes digests and compares chains with code of its own.
//! The [`Runner`] is the simulator's stand-in for a node's disk; its broken variants are how the campaign is shown
//! to find what it looks for (`tests/mutants.rs`).

pub mod adversary;
mod campaign;
mod disk;
mod links;
pub mod oracle;
mod plan;
mod random;
mod run;
mod scenario;
mod sealer;
mod trace;
mod transfers;
mod universe;
mod world;

pub use campaign::{Totals, play_all};
pub use disk::{Disk, Runner};
pub use links::{Links, Partition};
pub use oracle::{Checks, Invariant, Oracle, Violation};
pub use plan::Plan;
pub use random::Random;
pub use run::{Failure, Report, run, run_in};
pub use scenario::{Mix, Scenario};
pub use sealer::Sealer;
pub use trace::{Entry, Trace, What};
pub use transfers::{TRANSFER_ACCOUNTS, funded_accounts, transfers};
pub use universe::{RealKeys, Universe};
pub use world::World;
