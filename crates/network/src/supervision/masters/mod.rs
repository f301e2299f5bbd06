//! A supervisor's links to masters.

mod config;
mod event;
mod handle;
pub(crate) mod health;
mod keeper;
mod link;
mod master;
pub(crate) mod policy;

pub use config::MasterLinksConfig;
pub use event::{MasterLinkEvent, MasterLinkEvents};
pub use handle::{MasterBan, MasterLinkStatus, MasterLinksHandle};

use super::hello::Introduction;
use crate::dial::Sockets;
use crate::handle::Running;
use crate::limits::supervision::{
    HOME_SEND_WINDOW_BYTES, HOME_STREAM_WINDOW_BYTES, MAX_CALLS, SUPERVISION_ALPN, SUPERVISION_IDLE_TIMEOUT,
    SUPERVISION_KEEP_ALIVE,
};
use crate::transport::{self, Profile};
use crate::{NetworkError, metric_names};
use btn_types::MemberIndex;
use event::EventSender;
use keeper::Keeper;
use master::Master;
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::sync::{Notify, mpsc, watch};
use tokio::task::JoinSet;

/// QUIC of a supervisor's end: the master opens the stream of bodies and nothing else.
pub(crate) const HOME_PROFILE: Profile = Profile {
    alpn: SUPERVISION_ALPN,
    unidirectional_streams: 1,
    bidirectional_streams: 0,
    stream_window_bytes: HOME_STREAM_WINDOW_BYTES,
    connection_window_bytes: 2 * HOME_STREAM_WINDOW_BYTES,
    send_window_bytes: HOME_SEND_WINDOW_BYTES,
    idle_timeout: SUPERVISION_IDLE_TIMEOUT,
    keep_alive: SUPERVISION_KEEP_ALIVE,
};

/// What all links share.
pub(crate) struct Shared {
    introduction: Introduction,
    masters: BTreeMap<MemberIndex, Arc<Master>>,
    events: EventSender,
    /// Wakes the keeper: a master is to be dropped, or has new addresses.
    wake: Notify,
    changes: watch::Sender<u64>,
}

/// Namespace of [`MasterLinks::start`].
#[derive(Debug)]
pub struct MasterLinks;

impl MasterLinks {
    /// Begins to dial masters, from any free UDP port; nothing is listened on. Must be called inside a tokio
    /// runtime; the tasks run on it.
    ///
    /// # Errors
    /// A configuration that contradicts itself, or a socket that cannot be opened.
    pub fn start(config: MasterLinksConfig) -> Result<(MasterLinksHandle, MasterLinkEvents), NetworkError> {
        tokio::runtime::Handle::try_current().map_err(|_| NetworkError::NoRuntime)?;
        config.check()?;
        metric_names::describe_supervision();
        let (endpoint, transport_ended) = transport::outbound_endpoint()?;
        let (changes, _) = watch::channel(0);
        let (events, receiver) = event::channel();
        let masters = config
            .masters
            .iter()
            .map(|peer| {
                let quic = transport::client_config(&config.local, peer.network_key, &HOME_PROFILE)?;
                Ok((peer.member, Arc::new(Master::new(peer, quic))))
            })
            .collect::<Result<BTreeMap<_, _>, NetworkError>>()?;
        let shared = Arc::new(Shared {
            introduction: Introduction {
                chain: config.chain,
                node_id: config.node_id,
                status: config.status,
            },
            masters,
            events,
            wake: Notify::new(),
            changes,
        });
        let (calls, waiting_calls) = mpsc::channel(MAX_CALLS);
        let mut tasks = JoinSet::new();
        // The keeper's alone: a handle that lives on must not keep the socket open.
        let sockets = Arc::new(Sockets { endpoint: endpoint.clone(), other_family: None });
        tasks.spawn(Keeper::new(Arc::clone(&shared), sockets, config.links, waiting_calls).run());
        let running = Running { endpoint, tasks, transport_ended };
        Ok((MasterLinksHandle::new(shared, calls, running), receiver))
    }
}

impl Shared {
    fn changed(&self) {
        self.changes.send_modify(|version| *version = version.wrapping_add(1));
    }
}
