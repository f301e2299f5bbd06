//! Links between masters and supervisors (C8): the supervisor dials, out only; a master has a UDP port of its own
//! for them, so that a flood there never touches the links between masters.
//!
//! - **Who is who**: TLS 1.3 with raw Ed25519 keys pinned both ways, as between masters, then `hello` as the first
//!   remote call.
//! - **Streams**: one bidirectional stream of BtnCmd frames, and one from the master with bodies in binary frames,
//!   which QUIC sends only when no command waits: a body never delays a seal or an announcement.
//! - **Calls** go both ways, each for ten seconds at most: a supervisor pulls, seals, submits and asks; a
//!   master asks for its supervisors' status.
//! - **Bounds** are in [`crate::limits::supervision`]. Whoever breaks the protocol loses its own link only, is
//!   logged once, and is refused for a while. Who asks for much waits; who asks for too much is told so.

mod announcements;
mod bucket;
mod calls;
mod counters;
mod hello;
mod lanes;
pub(crate) mod masters;
pub(crate) mod port;
mod stream;
#[cfg(test)]
mod tests;

pub use counters::Traffic;
pub use masters::{
    MasterBan, MasterLinkEvent, MasterLinkEvents, MasterLinkStatus, MasterLinks, MasterLinksConfig,
    MasterLinksHandle,
};
pub use port::{
    Reply, SupervisorEvent, SupervisorEvents, SupervisorLinkStatus, SupervisorPeer, SupervisorPort,
    SupervisorPortConfig, SupervisorPortHandle,
};
