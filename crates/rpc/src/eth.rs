//! The `eth_*` methods, one file per subject.

pub(crate) mod block;
pub(crate) mod call;
pub(crate) mod fee;
pub(crate) mod filter;
pub(crate) mod logs;
pub(crate) mod state;
pub(crate) mod transaction;
