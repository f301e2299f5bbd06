//! Puts the pieces together: one socket, one accepting task, one task per peer.

use crate::accept::{self, Acceptor, Strangers};
use crate::dial::Dialler;
use crate::event::Inbox;
use crate::handle::Running;
use crate::hello::Hello;
use crate::peer::{self, Peer};
use crate::{NetworkConfig, NetworkError, NetworkEvents, NetworkHandle, metric_names, transport};
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
            .map(|peer| Ok((peer.member, transport::client_config(&config.local, peer.network_key)?)))
            .collect::<Result<BTreeMap<_, _>, NetworkError>>()?;
        let keys = peers.values().map(|peer| peer.network_key).collect();
        let (endpoint, transport_ended) = transport::endpoint(config.listen, &config.local, keys)?;
        let local_address =
            endpoint.local_addr().map_err(|source| NetworkError::Bind { address: config.listen, source })?;
        let hello = Hello::new(config.chain, config.node_id);
        let other_family = transport::other_family(config.listen);
        let dialler = Dialler { endpoint: endpoint.clone(), other_family, hello, configs };
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
