//! Makes a local network: keys of all nodes, the genesis file, and configurations with today's ports.

use super::accounts::{genesis_alloc, payout};
use super::layout::{Layout, master_name, supervisor_name};
use super::plan::{NodePlan, Role};
use crate::commands::genesis::{DEFAULT_CHAIN_ID, DEFAULT_GAS_LIMIT, now_ms};
use crate::commands::init::{write_record, write_supervisor_record};
use crate::files::{MODE_PUBLIC, MODE_SECRET, read_text, write_file};
use btn_crypto::{LotteryKeySize, ScryptCost};
use btn_node::config::{
    DEFAULT_P2P_PORT, LogConfig, MAX_CONFIG_BYTES, PeerOverride, RpcConfig, StorageConfig, SupervisionConfig,
};
use btn_node::keys::{KeyDirectory, NodeKeys, Password, SupervisorNodeKeys};
use btn_node::{NodeConfig, mark_genesis_checked};
use btn_types::genesis::{BaseFeeParameters, ConsensusParameters, NodeRecord, SupervisorRecord};
use btn_types::{Address, Genesis};
use eyre::{WrapErr as _, eyre};
use rand::RngCore as _;
use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

/// Data directory of a node, in its own directory.
const DATA_DIRECTORY: &str = "data";

/// Database cache of each master where there are more of them than fit a laptop at the usual size, MiB.
const SMALL_CACHE_MIB: u64 = 16;

/// More masters than this get the small cache.
const MAX_MASTERS_WITH_FULL_CACHE: usize = 8;

/// The public record of one node that was made.
enum Made {
    Master(usize, NodeRecord),
    Supervisor(usize, SupervisorRecord),
}

/// Makes keys and genesis of a network; `progress` is called once per node.
///
/// # Errors
/// The disk, or a key that cannot be made.
pub fn make_network(
    layout: &Layout,
    masters: usize,
    supervisors: usize,
    progress: impl Fn() + Sync,
) -> eyre::Result<Genesis> {
    layout.clear()?;
    let password = random_password();
    write_file(&layout.password(), format!("{}\n", password.expose()).as_bytes(), MODE_SECRET)?;
    let next = AtomicUsize::new(1);
    let work = || -> eyre::Result<Vec<Made>> {
        let mut records = Vec::new();
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number > masters + supervisors {
                return Ok(records);
            }
            records.push(match number.checked_sub(masters) {
                None | Some(0) => Made::Master(number, make_master(layout, number, &password)?),
                Some(number) => Made::Supervisor(number, make_supervisor(layout, number, &password)?),
            });
            progress();
        }
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let results: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        threads.into_iter().map(|thread| thread.join()).collect()
    });
    let mut records = Vec::new();
    for result in results {
        records.extend(result.map_err(|_| eyre!("a thread that makes keys died"))??);
    }
    let genesis = devnet_genesis(records)?;
    mark_as_checked(layout, &genesis)?;
    layout.save(&genesis)?;
    Ok(genesis)
}

/// All keys and proofs were made here a moment ago, so no node checks them again: twenty nodes that each do so take
/// two processors ten seconds.
fn mark_as_checked(layout: &Layout, genesis: &Genesis) -> eyre::Result<()> {
    let masters = (1..=genesis.nodes.len()).map(master_name);
    for name in masters.chain((1..=genesis.supervisors.len()).map(supervisor_name)) {
        let data = layout.node(&name).join(DATA_DIRECTORY);
        mark_genesis_checked(&data, genesis)
            .wrap_err_with(|| format!("{} cannot be written", data.display()))?;
    }
    Ok(())
}

fn random_password() -> Password {
    let mut bytes = [0; 32];
    rand::rng().fill_bytes(&mut bytes);
    Password::new(hex::encode(bytes))
}

fn make_directory(layout: &Layout, name: &str) -> eyre::Result<PathBuf> {
    let directory = layout.node(name);
    std::fs::create_dir_all(&directory)
        .wrap_err_with(|| format!("{} cannot be created", directory.display()))?;
    Ok(directory)
}

fn make_master(layout: &Layout, number: usize, password: &Password) -> eyre::Result<NodeRecord> {
    let directory = make_directory(layout, &master_name(number))?;
    let keys = NodeKeys::generate(LotteryKeySize::Bits2048)?;
    KeyDirectory::new(directory.join("keys")).create(&keys, password, ScryptCost::DEVNET)?;
    // Nominal: every configuration names the ports of its own start.
    let port = usize::from(DEFAULT_P2P_PORT) + 2 * (number - 1);
    let [p2p, supervisors] = [port, port + 1].map(|port| vec![format!("127.0.0.1:{port}")]);
    let record = keys.record(p2p, supervisors, payout(number)?)?;
    write_record(&directory, &record)?;
    Ok(record)
}

fn make_supervisor(layout: &Layout, number: usize, password: &Password) -> eyre::Result<SupervisorRecord> {
    let directory = make_directory(layout, &supervisor_name(number))?;
    let keys = SupervisorNodeKeys::generate(LotteryKeySize::Bits2048)?;
    KeyDirectory::new(directory.join("keys")).create_supervisor(&keys, password, ScryptCost::DEVNET)?;
    let record = keys.record(Address::ZERO)?;
    write_supervisor_record(&directory, &record)?;
    Ok(record)
}

fn devnet_genesis(made: Vec<Made>) -> eyre::Result<Genesis> {
    let (mut nodes, mut supervisors) = (BTreeMap::new(), BTreeMap::new());
    for record in made {
        match record {
            Made::Master(number, record) => _ = nodes.insert(number, record),
            Made::Supervisor(number, record) => _ = supervisors.insert(number, record),
        }
    }
    let genesis = Genesis {
        chain_id: DEFAULT_CHAIN_ID,
        timestamp_ms: now_ms()?,
        gas_limit: DEFAULT_GAS_LIMIT,
        base_fee: BaseFeeParameters::DEVNET,
        consensus: ConsensusParameters::DEVNET,
        alloc: genesis_alloc()?,
        nodes: nodes.into_values().collect(),
        supervisors: supervisors.into_values().collect(),
    };
    genesis.check()?;
    Ok(genesis)
}

/// The first of each run of ports: RPC of all nodes, masters first; P2P of masters; and theirs for supervisors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FirstPorts {
    /// JSON-RPC (TCP).
    pub rpc: u16,
    /// Masters among themselves (UDP).
    pub p2p: u16,
    /// Masters for supervisors (UDP).
    pub supervisors: u16,
}

/// Writes each node's configuration for these ports; what else an earlier configuration says is kept.
///
/// # Errors
/// The disk, or an earlier configuration that is damaged.
pub fn write_configurations(
    layout: &Layout,
    genesis: &Genesis,
    ports: FirstPorts,
) -> eyre::Result<Vec<NodePlan>> {
    let plans = plans(layout, genesis, ports)?;
    let peers: Vec<_> =
        genesis.nodes.iter().zip(&plans).filter_map(|(node, plan)| peer(node, plan)).collect();
    for (position, plan) in plans.iter().enumerate() {
        let earlier = earlier_configuration(&plan.config)?;
        let mut config = earlier.unwrap_or_else(|| new_configuration(plan, genesis.nodes.len()));
        config.rpc.listen = plan.rpc;
        config.peers = peers.clone();
        if let Role::Master { p2p, supervisors } = plan.role {
            (config.listen, config.listen_supervisors) = (Some(p2p), Some(supervisors));
            config.peers.remove(position);
        }
        write_file(&plan.config, config.to_toml().as_bytes(), MODE_PUBLIC)?;
    }
    Ok(plans)
}

/// All nodes of a network, masters first, each level in the order of the genesis file.
fn plans(layout: &Layout, genesis: &Genesis, ports: FirstPorts) -> eyre::Result<Vec<NodePlan>> {
    let address = |first: u16, position: usize| -> eyre::Result<SocketAddr> {
        Ok((Ipv4Addr::LOCALHOST, u16::try_from(usize::from(first) + position)?).into())
    };
    let plan = |name: String, role: Role, position: usize| {
        let directory = layout.node(&name);
        let (config, log) = (directory.join("config.toml"), directory.join("node.log"));
        Ok(NodePlan { name, role, config, log, directory, rpc: address(ports.rpc, position)? })
    };
    let masters = genesis.nodes.len();
    let master = |position: usize| {
        let p2p = address(ports.p2p, position)?;
        let role = Role::Master { p2p, supervisors: address(ports.supervisors, position)? };
        plan(master_name(position + 1), role, position)
    };
    let supervisor =
        |position: usize| plan(supervisor_name(position + 1), Role::Supervisor, masters + position);
    (0..masters).map(master).chain((0..genesis.supervisors.len()).map(supervisor)).collect()
}

fn peer(node: &NodeRecord, plan: &NodePlan) -> Option<PeerOverride> {
    let Role::Master { p2p, supervisors } = plan.role else { return None };
    let [addresses, supervisor_addresses] = [p2p, supervisors].map(|address| vec![address.to_string()]);
    Some(PeerOverride { id: node.id, addresses, supervisor_addresses })
}

fn earlier_configuration(path: &Path) -> eyre::Result<Option<NodeConfig>> {
    if !path.try_exists()? {
        return Ok(None);
    }
    Ok(Some(NodeConfig::from_toml(&read_text(path, MAX_CONFIG_BYTES)?, path)?))
}

fn new_configuration(plan: &NodePlan, masters: usize) -> NodeConfig {
    // What a node takes by itself is meant for one node on a machine.
    let is_crowded = plan.is_master() && masters > MAX_MASTERS_WITH_FULL_CACHE;
    NodeConfig {
        genesis: "../genesis.json".into(),
        data_dir: DATA_DIRECTORY.into(),
        key_dir: "keys".into(),
        password_file: Some("../password".into()),
        listen: None,
        listen_supervisors: None,
        supervision: SupervisionConfig::default(),
        rpc: RpcConfig::default(),
        storage: StorageConfig { cache_mib: is_crowded.then_some(SMALL_CACHE_MIB) },
        log: LogConfig::default(),
        peers: Vec::new(),
        password: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_is_made_once_and_its_ports_each_time() {
        let directory = tempfile::tempdir().unwrap();
        let layout = Layout::create(directory.path()).unwrap();
        let made = AtomicUsize::new(0);
        let genesis = make_network(&layout, 3, 2, || _ = made.fetch_add(1, Ordering::Relaxed)).unwrap();
        assert_eq!(made.into_inner(), 5);
        assert_eq!(layout.load().unwrap().as_ref(), Some(&genesis));

        let ports = FirstPorts { rpc: 18_545, p2p: 40_303, supervisors: 40_306 };
        let plans = write_configurations(&layout, &genesis, ports).unwrap();
        assert_eq!(plans[2].rpc_url(), "http://127.0.0.1:18547");
        let config = NodeConfig::load(&plans[0].config).unwrap();
        assert_eq!(config.genesis.canonicalize().unwrap(), layout.genesis().canonicalize().unwrap());
        let password = Password::read(config.password_file.as_deref().unwrap()).unwrap();
        let keys = KeyDirectory::new(config.key_dir).unlock(&password).unwrap();
        assert_eq!(keys.id(), genesis.nodes[0].id, "node-1 is the first of the genesis file");
        assert_eq!(config.peers.len(), 2);
        assert_eq!(config.peers[1].addresses, ["127.0.0.1:40305"]);

        let edited = std::fs::read_to_string(&plans[0].config).unwrap().replace("\"info\"", "\"debug\"");
        std::fs::write(&plans[0].config, edited).unwrap();
        let ports = FirstPorts { rpc: 28_545, p2p: 50_303, supervisors: 50_306 };
        write_configurations(&layout, &genesis, ports).unwrap();
        let config = NodeConfig::load(&plans[0].config).unwrap();
        assert_eq!((config.log.level.as_str(), config.rpc.listen.port()), ("debug", 28_545));
        assert_eq!(config.peers[1].addresses, ["127.0.0.1:50305"]);
    }

    #[test]
    fn a_supervisor_knows_all_masters_and_listens_for_wallets_only() {
        let directory = tempfile::tempdir().unwrap();
        let layout = Layout::create(directory.path()).unwrap();
        let genesis = make_network(&layout, 2, 2, || {}).unwrap();
        let ports = FirstPorts { rpc: 18_545, p2p: 40_303, supervisors: 40_305 };
        let plans = write_configurations(&layout, &genesis, ports).unwrap();
        assert_eq!(plans[3].name, "supervisor-2");
        let config = NodeConfig::load(&plans[3].config).unwrap();
        assert_eq!(
            (config.listen, config.listen_supervisors, config.rpc.listen.port()),
            (None, None, 18_548)
        );
        let dialled: Vec<_> = config.peers.iter().map(|peer| peer.supervisor_addresses[0].as_str()).collect();
        assert_eq!(dialled, ["127.0.0.1:40305", "127.0.0.1:40306"]);
        let password = Password::read(config.password_file.as_deref().unwrap()).unwrap();
        let keys = KeyDirectory::new(config.key_dir).unlock_supervisor(&password).unwrap();
        assert_eq!(keys.id(), genesis.supervisors[1].id);
    }
}
