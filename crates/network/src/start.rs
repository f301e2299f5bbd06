//! Puts the pieces together: one socket, one accepting task, one task per peer.

use crate::accept::{self, Acceptor, Strangers};
use crate::dial::{Dialler, Sockets};
use crate::event::Inbox;
use crate::handle::Running;
use crate::hello::Hello;
use crate::peer::{self, Peer};
use crate::transport::{self, BETWEEN_MASTERS};
use crate::{NetworkConfig, NetworkError, NetworkEvents, NetworkHandle, metric_names};
use btn_types::MemberIndex;
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::sync::watch;
use tokio::task::JoinSet;

/// Namespace of [`Network::start`].
#[derive(Debug)]
pub struct Network;

impl Network {
    /// Opens the socket and starts to dial and accept. Must be called inside a tokio runtime; the tasks run
    /// on it.
    ///
    /// # Errors
    /// A configuration that contradicts itself, or a socket that cannot be opened.
    pub fn start(config: NetworkConfig) -> Result<(NetworkHandle, NetworkEvents), NetworkError> {
        tokio::runtime::Handle::try_current().map_err(|_| NetworkError::NoRuntime)?;
        config.check()?;
        metric_names::describe();
        let (changes, _) = watch::channel(0);
        let peers: BTreeMap<MemberIndex, Arc<Peer>> = config
            .peers
            .iter()
            .map(|peer| (peer.member, Arc::new(Peer::new(peer, config.node_id < peer.id, changes.clone()))))
            .collect();
        let configs = peers
            .values()
            .filter(|peer| peer.we_dial)
            .map(|peer| {
                let quic = transport::client_config(&config.local, peer.network_key, &BETWEEN_MASTERS)?;
                Ok((peer.member, quic))
            })
            .collect::<Result<BTreeMap<_, _>, NetworkError>>()?;
        let keys = peers.values().map(|peer| peer.network_key).collect();
        let (endpoint, transport_ended) =
            transport::endpoint(config.listen, &config.local, keys, &BETWEEN_MASTERS)?;
        let local_address =
            endpoint.local_addr().map_err(|source| NetworkError::Bind { address: config.listen, source })?;
        let hello = Hello::new(config.chain, config.node_id);
        let other_family = transport::other_family(config.listen);
        let sockets = Sockets { endpoint: endpoint.clone(), other_family };
        let dialler = Dialler { sockets, hello, configs };
        let acceptor = Acceptor {
            endpoint: endpoint.clone(),
            hello,
            peers: peers.values().map(|peer| (peer.network_key, Arc::clone(peer))).collect(),
            strangers: Strangers::default(),
        };
        let (inbox, events) = Inbox::new();
        let tasks = spawn(&peers, dialler, acceptor, inbox);
        let running = Running { endpoint, tasks, transport_ended };
        Ok((NetworkHandle::new(peers, local_address, changes, running), events))
    }
}

fn spawn(
    peers: &BTreeMap<MemberIndex, Arc<Peer>>,
    dialler: Dialler,
    acceptor: Acceptor,
    inbox: Inbox,
) -> JoinSet<()> {
    let dialler = Arc::new(dialler);
    let mut tasks = JoinSet::new();
    tasks.spawn(accept::run(Arc::new(acceptor)));
    for peer in peers.values() {
        tasks.spawn(peer::keep(Arc::clone(peer), Arc::clone(&dialler), inbox.clone()));
    }
    tasks
}
