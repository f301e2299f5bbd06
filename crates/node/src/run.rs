//! Assembles one node, master or supervisor by its place in genesis, and runs it until it is told to stop.

mod master;
mod supervisor;

use crate::backend::{Links, NodeBackend};
use crate::clock::Clock;
use crate::config::{NodeConfig, PeerOverride};
use crate::metric_names;
use crate::open::{Facts, Opened, Role, open};
use crate::shared::Shared;
use btn_network::PeerConfig;
use btn_rpc::{RpcConfig, RpcServer};
use btn_types::MemberIndex;
use btn_types::genesis::NodeRecord;
use eyre::eyre;
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinError;

/// How long the last effects may take before a stop is no longer graceful.
const STOP_TIMEOUT: Duration = Duration::from_secs(10);

/// A node whose engine and links run.
struct Running {
    /// The engine's thread.
    engine: tokio::task::JoinHandle<eyre::Result<()>>,
    /// Tells the engine to stop.
    stop: watch::Sender<bool>,
    links: Links,
    shared: Arc<Shared>,
    /// Closes all links.
    close: Pin<Box<dyn Future<Output = ()> + Send>>,
}

/// Runs the node until `shutdown` completes, then flushes and returns.
///
/// # Errors
/// A sentence for the operator: what, where, and what to do.
pub async fn run(config: NodeConfig, shutdown: impl Future<Output = ()>) -> eyre::Result<()> {
    let metrics = PrometheusBuilder::new().install_recorder().ok();
    metric_names::describe();
    let clock = Clock::start();
    let loading = config.clone();
    let Opened { role, facts, stored } = tokio::task::spawn_blocking(move || open(&loading)).await??;
    let running = match role {
        Role::Master { member, keys } => master::start(&config, &facts, stored, member, keys, clock)?,
        Role::Supervisor { keys } => supervisor::start(&config, &facts, stored, keys, clock)?,
    };
    serve(&config, &facts, metrics, running, shutdown).await
}

/// All masters with addresses: the genesis file's, or the configuration's where it names some.
fn masters(
    config: &NodeConfig,
    facts: &Facts,
    registered: impl Fn(&NodeRecord) -> &Vec<String>,
    configured: impl Fn(&PeerOverride) -> &Vec<String>,
) -> eyre::Result<Vec<PeerConfig>> {
    let committee = &facts.committee;
    for given in &config.peers {
        if committee.index_of(given.id).is_none() {
            return Err(eyre!(
                "[[peer]] {} is no master of {}; correct its id",
                given.id,
                config.genesis.display()
            ));
        }
    }
    let peer = |(member, record): (MemberIndex, &NodeRecord)| {
        let given = config.peers.iter().find(|given| given.id == record.id).map(&configured);
        let addresses = given.filter(|given| !given.is_empty()).unwrap_or_else(|| registered(record)).clone();
        PeerConfig { member, id: record.id, network_key: record.network_key, addresses }
    };
    Ok(committee.indices().zip(facts.genesis.committee()).map(peer).collect())
}

/// Serves RPC beside the engine until one of them ends or `shutdown` completes.
async fn serve(
    config: &NodeConfig,
    facts: &Facts,
    metrics: Option<PrometheusHandle>,
    running: Running,
    shutdown: impl Future<Output = ()>,
) -> eyre::Result<()> {
    let Running { mut engine, stop, links, shared, close } = running;
    let backend = NodeBackend::new(facts, links, shared);
    let rpc_config =
        RpcConfig { allowed_hosts: config.rpc.hosts.clone(), metrics, ..RpcConfig::new(config.rpc.listen) };
    let rpc = RpcServer::start(rpc_config, Arc::new(backend)).await?;
    tracing::info!(rpc = %rpc.local_addr(), "listening for wallets");
    let outcome = tokio::select! {
        outcome = &mut engine => ended(outcome),
        () = shutdown => {
            tracing::info!("stopping");
            stop.send_replace(true);
            match tokio::time::timeout(STOP_TIMEOUT, engine).await {
                Ok(outcome) => ended(outcome),
                Err(_) => Err(eyre!("the engine did not stop within {} s", STOP_TIMEOUT.as_secs())),
            }
        }
    };
    rpc.shutdown().await;
    close.await;
    if outcome.is_ok() {
        tracing::info!("stopped; everything acknowledged is on disk");
    }
    outcome
}

/// How the engine's thread ended. Also where it panicked the links are told goodbye.
fn ended(outcome: Result<eyre::Result<()>, JoinError>) -> eyre::Result<()> {
    outcome
        .unwrap_or_else(|error| Err(eyre!("the engine's thread broke off, which is a bug of BTN: {error}")))
}
