//! A master's port for supervisors.

mod accept;
mod config;
mod event;
mod handle;
mod link;
mod pulls;
pub(crate) mod seat;
mod service;

pub use config::{SupervisorPeer, SupervisorPortConfig};
pub use event::{Reply, SupervisorEvent, SupervisorEvents};
pub use handle::{SupervisorLinkStatus, SupervisorPortHandle};

use super::bucket::Bucket;
use super::hello::Introduction;
use super::stream::PARTIAL_UNIT_BYTES;
use crate::accept::Strangers;
use crate::handle::Running;
use crate::limits::supervision::{
    MAX_ANSWERS_IN_PROGRESS, MAX_PARTIAL_BYTES, PORT_ANSWER_BYTES_BURST, PORT_ANSWER_BYTES_PER_SECOND,
    PORT_SEND_WINDOW_BYTES, PORT_STREAM_WINDOW_BYTES, SUPERVISION_ALPN, SUPERVISION_IDLE_TIMEOUT,
    SUPERVISION_KEEP_ALIVE,
};
use crate::transport::{self, Profile};
use crate::{NetworkError, metric_names};
use btn_types::{B256, NodeId};
use event::EventSender;
use seat::{Seat, Standing};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;

/// QUIC of a master's end: the supervisor opens the command stream and nothing else.
pub(crate) const PORT_PROFILE: Profile = Profile {
    alpn: SUPERVISION_ALPN,
    unidirectional_streams: 0,
    bidirectional_streams: 1,
    stream_window_bytes: PORT_STREAM_WINDOW_BYTES,
    connection_window_bytes: 2 * PORT_STREAM_WINDOW_BYTES,
    send_window_bytes: PORT_SEND_WINDOW_BYTES,
    idle_timeout: SUPERVISION_IDLE_TIMEOUT,
    keep_alive: SUPERVISION_KEEP_ALIVE,
};

/// What all links of the port share.
pub(crate) struct Port {
    introduction: Introduction,
    seats: BTreeMap<B256, Arc<Seat>>,
    standing: Standing,
    strangers: Strangers,
    events: EventSender,
    /// Bodies on their way.
    answers: Semaphore,
    /// Budget of bodies over all links.
    answer_bytes: Mutex<Bucket>,
    /// Budget of large frames that are not complete.
    partials: Arc<Semaphore>,
}

/// Namespace of [`SupervisorPort::start`].
#[derive(Debug)]
pub struct SupervisorPort;

impl SupervisorPort {
    /// Opens the port and begins to accept supervisors. Must be called inside a tokio runtime; the tasks run on
    /// it.
    ///
    /// # Errors
    /// A configuration that contradicts itself, or a socket that cannot be opened.
    pub fn start(
        config: SupervisorPortConfig,
    ) -> Result<(SupervisorPortHandle, SupervisorEvents), NetworkError> {
        tokio::runtime::Handle::try_current().map_err(|_| NetworkError::NoRuntime)?;
        config.check()?;
        metric_names::describe_supervision();
        let keys = config.supervisors.iter().map(|peer| peer.network_key).collect();
        let (endpoint, transport_ended) =
            transport::endpoint(config.listen, &config.local, keys, &PORT_PROFILE)?;
        let local_address =
            endpoint.local_addr().map_err(|source| NetworkError::Bind { address: config.listen, source })?;
        let (changes, _) = watch::channel(0);
        let (events, receiver) = event::channel();
        let port = Arc::new(Port::new(&config, events, &changes));
        let mut tasks = JoinSet::new();
        tasks.spawn(accept::run(endpoint.clone(), Arc::clone(&port)));
        for seat in port.seats.values() {
            tasks.spawn(seat::keep(Arc::clone(&port), Arc::clone(seat)));
        }
        let running = Running { endpoint, tasks, transport_ended };
        Ok((SupervisorPortHandle::new(port, local_address, changes, running), receiver))
    }
}

impl Port {
    fn new(config: &SupervisorPortConfig, events: EventSender, changes: &watch::Sender<u64>) -> Self {
        let now = Instant::now();
        let seat =
            |peer: &SupervisorPeer| (peer.network_key, Arc::new(Seat::new(peer.id, changes.clone(), now)));
        Self {
            introduction: Introduction {
                chain: config.chain,
                node_id: config.node_id,
                status: config.status.clone(),
            },
            seats: config.supervisors.iter().map(seat).collect(),
            standing: Standing::default(),
            strangers: Strangers::default(),
            events,
            answers: Semaphore::new(MAX_ANSWERS_IN_PROGRESS),
            answer_bytes: Mutex::new(Bucket::new(PORT_ANSWER_BYTES_PER_SECOND, PORT_ANSWER_BYTES_BURST, now)),
            partials: Arc::new(Semaphore::new(MAX_PARTIAL_BYTES / PARTIAL_UNIT_BYTES)),
        }
    }

    /// The seat of a supervisor.
    fn seat(&self, id: NodeId) -> Option<&Arc<Seat>> {
        self.seats.values().find(|seat| seat.id == id)
    }
}
