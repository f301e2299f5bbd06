//! Authenticated links over QUIC: between masters, and between masters and supervisors.
//!
//! # Between masters
//! One long-lived stream per [`MessageClass`] and direction.
//!
//! The crate carries [`Message`]s and knows neither chain nor consensus. What goes over the wire is written
//! down in `docs/wire.md`; every bound is in [`limits`], every metric in [`metric_names`].
//!
//! - **Who dials**: of two members the one with the smaller [`NodeId`] dials, so there is one connection per
//!   pair and no race to resolve. The other accepts, and the newest accepted connection replaces an older one,
//!   because a restarted dialler is the usual cause.
//! - **Who is who**: TLS 1.3 with raw Ed25519 public keys (RFC 7250), pinned both ways, then a hello that
//!   compares protocol version, chain and node identity (operators' list, item 10).
//! - **Delivery** is at most once. Frames may be lost when a link breaks or a queue overflows, and are not
//!   repeated: the engine resends what still matters.
//! - **Bounds**: sending never blocks (bounded queues, the oldest goes first); receiving is bounded by count
//!   and bytes, and a full inbox slows the senders down through QUIC flow control.
//!
//! # Between masters and supervisors
//! A master opens a [`SupervisorPort`], a UDP port of its own; a supervisor starts [`MasterLinks`], which dial out
//! and listen nowhere. What they say is BtnCmd (`btn-command`): announcements, and remote calls both ways.
//!
//! - **Which masters**: a supervisor keeps links to the first few in an order of its own, moves on where one
//!   cannot be reached, and leaves one that lies or stalls alone for ten minutes, with the reason in log and status.
//!   It dials any other master for a single call and hangs up when calls cease.
//! - **Calls** have one answer each, at the latest after ten seconds, and are never repeated here.
//! - **Bodies** go on a stream of their own, below the commands, at the rate of a budget: they never delay a seal.
//! - **Whoever breaks the protocol** loses its own link, is logged once, and waits before it may come back.
//!
//! [`MessageClass`]: btn_types::MessageClass
//! [`Message`]: btn_types::Message
//! [`NodeId`]: btn_types::NodeId

mod accept;
mod backoff;
mod config;
mod dial;
mod error;
mod event;
mod frame;
mod handle;
mod hello;
mod identity;
pub mod limits;
mod link;
mod link_state;
pub mod metric_names;
mod offers;
mod peer;
mod queue;
mod start;
mod supervision;
mod tls;
mod transport;

#[cfg(test)]
mod tests;

pub use config::{NetworkConfig, PeerConfig};
pub use error::{LinkError, NetworkError};
pub use event::{NetworkEvent, NetworkEvents, TryRecvError};
pub use handle::{NetworkHandle, PeerStatus};
pub use identity::NetworkIdentity;
pub use start::Network;
pub use supervision::{
    MasterBan, MasterLinkEvent, MasterLinkEvents, MasterLinkStatus, MasterLinks, MasterLinksConfig,
    MasterLinksHandle, Reply, SupervisorEvent, SupervisorEvents, SupervisorLinkStatus, SupervisorPeer,
    SupervisorPort, SupervisorPortConfig, SupervisorPortHandle, Traffic,
};

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Locks a mutex whose holders never panic between two halves of a change, so a poisoned one is still sound.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
