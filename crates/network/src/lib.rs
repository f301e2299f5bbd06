//! Authenticated links between masters: QUIC, one long-lived stream per [`MessageClass`] and direction.
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
pub mod metric_names;
mod peer;
mod queue;
mod start;
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

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Locks a mutex whose holders never panic between two halves of a change, so a poisoned one is still sound.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
