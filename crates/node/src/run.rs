//! Assembles one node and runs it until it is told to stop: genesis, keys, data directory, engine, network, RPC.

use crate::backend::NodeBackend;
use crate::driver::{Driver, Journals};
use crate::genesis::load_genesis;
use crate::keys::{KeyDirectory, NodeKeys, Password};
use crate::shared::Shared;
use crate::{NodeConfig, voted};
use btn_chain::{Chain, genesis_batch, genesis_block};
use btn_crypto::{Committee, CommitteeKeys};
use btn_engine::{Identity, MasterEngine, Parameters};
use btn_network::{Network, NetworkConfig, NetworkIdentity, PeerConfig};
use btn_rpc::{RpcConfig, RpcServer};
use btn_storage::{DataDirectory, OpenedJournal, RedbStore, Store};
use btn_types::{B256, Genesis, JournalRecord, MemberIndex, NodeId};
use eyre::{WrapErr, eyre};
use metrics_exporter_prometheus::PrometheusBuilder;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// How long the last effects may take before a stop is no longer graceful.
const STOP_TIMEOUT: Duration = Duration::from_secs(10);

/// Bytes of a mebibyte.
const MIB: u64 = 1024 * 1024;

/// What a node has on disk and in its head before it opens a socket.
struct Assembled {
    genesis: Arc<Genesis>,
    committee: Committee,
    member: MemberIndex,
    node_id: NodeId,
    network_key: NetworkIdentity,
    driver: Driver,
    shared: Arc<Shared>,
}

/// Runs the node until `shutdown` completes, then flushes and returns.
///
/// # Errors
/// A sentence for the operator: what, where, and what to do.
pub async fn run(config: NodeConfig, shutdown: impl Future<Output = ()>) -> eyre::Result<()> {
    let metrics = PrometheusBuilder::new().install_recorder().ok();
    let loading = config.clone();
    let assembled = tokio::task::spawn_blocking(move || assemble(&loading)).await??;
    let Assembled { genesis, committee, member, node_id, network_key, driver, shared } = assembled;
    let (network, events) = Network::start(NetworkConfig {
        listen: config.listen,
        local: Arc::new(network_key),
        chain: committee.domain().chain(),
        node_id,
        peers: peers(&genesis, &committee, &config, member)?,
    })?;
    let backend =
        NodeBackend::new(Arc::clone(&genesis), &committee, node_id, network.clone(), Arc::clone(&shared));
    let rpc_config =
        RpcConfig { allowed_hosts: config.rpc.hosts.clone(), metrics, ..RpcConfig::new(config.rpc.listen) };
    let rpc = RpcServer::start(rpc_config, Arc::new(backend)).await?;
    tracing::info!(rpc = %rpc.local_addr(), p2p = %network.local_addr(), "listening");

    let (stop, stopped) = watch::channel(false);
    let handle = tokio::runtime::Handle::current();
    let sender = network.clone();
    let mut engine =
        tokio::task::spawn_blocking(move || handle.block_on(driver.run(events, sender, stopped)));
    let outcome = tokio::select! {
        outcome = &mut engine => outcome?,
        () = shutdown => {
            tracing::info!("stopping");
            stop.send_replace(true);
            match tokio::time::timeout(STOP_TIMEOUT, engine).await {
                Ok(outcome) => outcome?,
                Err(_) => Err(eyre!("the engine did not stop within {} s", STOP_TIMEOUT.as_secs())),
            }
        }
    };
    rpc.shutdown().await;
    network.shutdown().await;
    if outcome.is_ok() {
        tracing::info!("stopped; everything acknowledged is on disk");
    }
    outcome
}

/// Everything that reads files or costs time before the sockets open.
fn assemble(config: &NodeConfig) -> eyre::Result<Assembled> {
    let genesis = Arc::new(load_genesis(&config.genesis)?);
    let keys = unlock(config)?;
    let node_id = keys.id();
    let verifier = CommitteeKeys::from_genesis(&genesis)?;
    let chain_hash = genesis_block(&genesis).hash();
    let committee = Committee::from_genesis(&genesis, chain_hash, verifier);
    let member = committee.index_of(node_id).ok_or_else(|| {
        eyre!(
            "node {node_id} is not in {}; use the keys of one of its masters, or make a genesis that lists \
             this node (`btn genesis new --node …/node.json`)",
            config.genesis.display()
        )
    })?;
    let (directory, store) = open_data(config, &genesis, chain_hash, node_id)?;
    let (journals, records) = open_journal(&directory)?;
    let reader = store.reader();
    let tip = reader.tip()?.ok_or_else(|| eyre!("the database is empty"))?;
    let tip_finalization = reader.finalization(tip.height)?;
    let chain = Chain::new(Arc::clone(&genesis), committee.clone(), reader)?;
    let network_key = NetworkIdentity::from_pkcs8_der(keys.network.pkcs8())?;
    let identity = match &journals {
        Journals::Kept(_) => Identity::Member { index: member, signer: Box::new(keys.member) },
        Journals::Lost => Identity::Observer,
    };
    tracing::info!(
        node = %node_id.short(), %member, height = %tip.height, records = records.len(),
        votes = matches!(identity, Identity::Member { .. }), chain = %chain_hash, "data opened"
    );
    let parameters = Parameters::from(&genesis.consensus);
    let engine = MasterEngine::new(chain, identity, parameters, tip_finalization, &records);
    let (shared, submissions) = Shared::new(&engine)?;
    let driver = Driver::new(engine, Box::new(store), journals, directory, Arc::clone(&shared), submissions);
    Ok(Assembled { genesis, committee, member, node_id, network_key, driver, shared })
}

fn unlock(config: &NodeConfig) -> eyre::Result<NodeKeys> {
    let password = match (&config.password, &config.password_file) {
        (Some(password), _) => password.clone(),
        (None, Some(path)) => Password::read(path)?,
        (None, None) => {
            return Err(eyre!(
                "no password for the keys; name a file by `password_file` in the configuration"
            ));
        }
    };
    Ok(KeyDirectory::new(config.key_dir.clone()).unlock(&password)?)
}

/// Opens the data directory, or makes it at the very first start. Keys that have voted on this chain before
/// get no fresh journal: what they signed is unknown, so the node observes (C6, "a lost log").
fn open_data(
    config: &NodeConfig,
    genesis: &Genesis,
    chain: B256,
    node_id: NodeId,
) -> eyre::Result<(DataDirectory, RedbStore)> {
    let identity = btn_storage::Identity { chain, node_id };
    let path = &config.data_dir;
    let directory = match DataDirectory::is_initialised(path)? {
        true => DataDirectory::open(path, identity)?,
        // Decided before anything is made: a crash in between must not leave a fresh journal behind.
        false if voted::is_marked(&config.key_dir, chain)? => {
            DataDirectory::create_without_journal(path, identity)?
        }
        false => DataDirectory::create(path, identity)?,
    };
    voted::mark(&config.key_dir, chain)
        .wrap_err_with(|| format!("marking {} as used on this chain", config.key_dir.display()))?;
    let cache_bytes = usize::try_from(config.storage.cache_mib * MIB).unwrap_or(usize::MAX);
    let mut store = directory.open_store(cache_bytes)?;
    if store.reader().tip()?.is_none() {
        store.commit(genesis_batch(genesis)).wrap_err("writing the genesis block")?;
    }
    Ok((directory, store))
}

fn open_journal(directory: &DataDirectory) -> eyre::Result<(Journals, Vec<JournalRecord>)> {
    match directory.open_journal()? {
        OpenedJournal::Ready(journal, records) => Ok((Journals::Kept(journal), records)),
        OpenedJournal::Lost => {
            tracing::error!(
                directory = %directory.path().display(),
                "the journal of this node's votes is lost: it follows the chain but signs nothing, because it \
                 could sign twice in one view; see docs/operators.md, \"A lost journal\""
            );
            Ok((Journals::Lost, Vec::new()))
        }
    }
}

/// All other members with their addresses: the genesis file's, or the configuration's where it names some.
fn peers(
    genesis: &Genesis,
    committee: &Committee,
    config: &NodeConfig,
    me: MemberIndex,
) -> eyre::Result<Vec<PeerConfig>> {
    for given in &config.peers {
        if committee.index_of(given.id).is_none() {
            return Err(eyre!(
                "[[peer]] {} is not in {}; correct its id",
                given.id,
                config.genesis.display()
            ));
        }
    }
    let others = committee.indices().zip(genesis.committee()).filter(|(member, _)| *member != me);
    let peer = |(member, record): (MemberIndex, &btn_types::genesis::NodeRecord)| {
        let given = config.peers.iter().find(|given| given.id == record.id);
        let addresses = given.map_or_else(|| record.addresses.clone(), |given| given.addresses.clone());
        PeerConfig { member, id: record.id, network_key: record.network_key, addresses }
    };
    Ok(others.map(peer).collect())
}
