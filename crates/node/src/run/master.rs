//! Starts a master: links to the other masters, a port for supervisors where it has one, the engine's thread.

use super::Running;
use crate::NodeConfig;
use crate::backend::Links;
use crate::bulletin::Bulletin;
use crate::clock::Clock;
use crate::desk::Desk;
use crate::driver::MasterDriver;
use crate::keys::NodeKeys;
use crate::metric_names;
use crate::open::{Facts, Stored};
use crate::publisher::Publisher;
use crate::seal_queue::SealQueue;
use crate::shared::{Shared, Standing};
use crate::submissions;
use btn_engine::{Feed, Identity, MasterEngine, Parameters};
use btn_network::{
    Network, NetworkConfig, NetworkEvents, NetworkHandle, PeerConfig, SupervisorEvents, SupervisorPeer,
    SupervisorPort, SupervisorPortConfig, SupervisorPortHandle,
};
use btn_types::MemberIndex;
use btn_types::genesis::SupervisorRecord;
use btn_types::supervision::StatusSummary;
use eyre::{WrapErr as _, eyre};
use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::runtime::{EnterGuard, Runtime};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// Threads of their own for what supervisors cause: handshakes, decoding, bodies, signatures of what they submit. The
/// masters' links, RPC and timers have others, so that no supervisor ever holds them up.
struct SupervisorThreads(Option<Runtime>);

/// How many.
const SUPERVISOR_THREADS: usize = 2;

impl SupervisorThreads {
    fn start() -> eyre::Result<Self> {
        let threads = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(SUPERVISOR_THREADS)
            .thread_name("supervisors")
            .enable_all()
            .build()
            .wrap_err("the threads for supervisors cannot start")?;
        Ok(Self(Some(threads)))
    }

    /// What is started while this is held runs on these threads.
    fn enter(&self) -> Option<EnterGuard<'_>> {
        self.0.as_ref().map(Runtime::enter)
    }

    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) -> JoinHandle<()> {
        let _of_supervisors = self.enter();
        tokio::spawn(task)
    }
}

impl Drop for SupervisorThreads {
    fn drop(&mut self) {
        if let Some(threads) = self.0.take() {
            // Dropped among tasks, where waiting for threads is not allowed.
            threads.shutdown_background();
        }
    }
}

/// Starts everything but RPC.
pub(super) fn start(
    config: &NodeConfig,
    facts: &Facts,
    stored: Stored,
    member: MemberIndex,
    keys: NodeKeys,
    clock: Clock,
) -> eyre::Result<Running> {
    metric_names::describe_master();
    let Stored { chain, tip_finalization, records, disk, signs } = stored;
    let (network, events) = network(config, facts, member)?;
    let identity = match signs {
        true => Identity::Member { index: member, signer: Box::new(keys.member) },
        false => Identity::Observer,
    };
    let parameters = Parameters::from(&facts.genesis.consensus);
    let engine = MasterEngine::new(chain, identity, parameters, tip_finalization, &records);
    let (submitter, submissions) = submissions::channel();
    let standing = Standing::from(engine.status());
    let shared = Shared::new(engine.chain().view(standing.head)?, standing, submitter);

    let (summary, status) = watch::channel(shared.picture().summary());
    let seals = SealQueue::default();
    let threads = SupervisorThreads::start()?;
    let served = {
        let _of_supervisors = threads.enter();
        supervisor_port(config, facts, status)?
    };
    let (bulletin, desk) = served
        .map(|(bulletin, events)| {
            let desk = Desk { shared: Arc::clone(&shared), bulletin: bulletin.clone(), seals: seals.clone() };
            (bulletin, threads.spawn(desk.serve(events)))
        })
        .unzip();
    let port = bulletin.as_ref().map(|bulletin: &Bulletin| bulletin.port().clone());
    let driver = MasterDriver {
        engine,
        disk,
        publisher: Publisher::new(Arc::clone(&shared)),
        submissions,
        seals,
        bulletin,
        network: network.clone(),
        summary,
        clock,
    };
    let (stop, stopped) = watch::channel(false);
    let handle = tokio::runtime::Handle::current();
    let engine = tokio::task::spawn_blocking(move || handle.block_on(driver.run(events, stopped)));
    let close = Box::pin(close(network.clone(), port.clone(), desk, threads));
    Ok(Running { engine, stop, links: Links::Master { network, port }, shared, close })
}

async fn close(
    network: NetworkHandle,
    port: Option<SupervisorPortHandle>,
    desk: Option<JoinHandle<()>>,
    threads: SupervisorThreads,
) {
    if let Some(port) = port {
        port.shutdown().await;
    }
    if let Some(desk) = desk {
        // No link is left that an answer could go to.
        desk.abort();
    }
    drop(threads);
    network.shutdown().await;
}

fn network(
    config: &NodeConfig,
    facts: &Facts,
    member: MemberIndex,
) -> eyre::Result<(NetworkHandle, NetworkEvents)> {
    let listen = config.listen.ok_or_else(|| {
        eyre!(
            "this node is a master of {}, but its configuration has no `listen`; name the UDP address for other \
             masters, as in listen = \"[::]:30303\"",
            config.genesis.display()
        )
    })?;
    let (network, events) = Network::start(NetworkConfig {
        listen,
        local: Arc::clone(&facts.network_key),
        chain: facts.chain_hash,
        node_id: facts.node_id,
        peers: peers(config, facts, member)?,
    })?;
    tracing::info!(p2p = %network.local_addr(), "listening for masters");
    Ok((network, events))
}

/// All other members with their addresses.
fn peers(config: &NodeConfig, facts: &Facts, me: MemberIndex) -> eyre::Result<Vec<PeerConfig>> {
    let peers = super::masters(config, facts, |record| &record.addresses, |given| &given.addresses)?;
    Ok(peers.into_iter().filter(|peer| peer.member != me).collect())
}

/// Opens the port for supervisors, or says why there is none.
fn supervisor_port(
    config: &NodeConfig,
    facts: &Facts,
    status: watch::Receiver<StatusSummary>,
) -> eyre::Result<Option<(Bulletin, SupervisorEvents)>> {
    let Some(listen) = address_for_supervisors(config, facts.genesis.supervisors.len()) else {
        return Ok(None);
    };
    let peer = |record: &SupervisorRecord| SupervisorPeer { id: record.id, network_key: record.network_key };
    let (port, events) = SupervisorPort::start(SupervisorPortConfig {
        listen,
        local: Arc::clone(&facts.network_key),
        chain: facts.chain_hash,
        node_id: facts.node_id,
        supervisors: facts.genesis.supervisors.iter().map(peer).collect(),
        status,
    })?;
    tracing::info!(supervisors = %port.local_addr(), "listening for supervisors");
    Ok(Some((Bulletin::new(Feed::new(Arc::clone(&facts.reader)), port), events)))
}

fn address_for_supervisors(config: &NodeConfig, registered: usize) -> Option<SocketAddr> {
    match config.listen_supervisors {
        None if registered > 0 => {
            tracing::warn!(
                registered,
                "this master serves no supervisors: its configuration has no `listen_supervisors`"
            );
            None
        }
        Some(_) if registered == 0 => {
            tracing::info!("no port for supervisors is opened: the genesis file lists none");
            None
        }
        address => address,
    }
}
