//! JSON-RPC over HTTP: `eth_*`, `net_*`, `web3_*` as wallets and libraries know them, and `btn_*` for what
//! this chain adds (docs/json-rpc.md). Health, readiness and metrics share the port.
//!
//! The crate knows neither the chain's data structures nor the network: the node implements [`Backend`],
//! and everything that JSON needs is asked from it. Way of a request: [`server`](RpcServer) accepts the
//! connection, `http` checks the Host header and the form of the body, jsonrpsee finds the method,
//! `middleware` counts and times it, `methods` lists it, and `eth`, `btn` and `misc` answer it.
//!
//! Not here on purpose: signing methods, admin methods, and any write but `eth_sendRawTransaction`.

mod arguments;
mod backend;
mod btn;
mod config;
mod context;
mod error;
mod eth;
mod format;
mod http;
pub mod limits;
mod methods;
mod middleware;
mod misc;
mod server;

pub use backend::{
    Backend, BlockEntry, BlockSelector, BoxFuture, CommitteeInfo, CommitteeMember, NodeRole, NodeStatus,
    PeerInfo, Readiness, ReportedStatus, SealingInfo, StateAt, SupervisorInfo, SupervisorsInfo, SyncProgress,
    TransactionEntry, ViewInfo,
};
pub use config::RpcConfig;
pub use error::{RpcError, code};
pub use methods::method_names;
pub use server::{RpcHandle, RpcServer, StartError};
