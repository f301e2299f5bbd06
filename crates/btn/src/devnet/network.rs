//! Makes a local network: keys of all nodes, the genesis file, and configurations with today's ports.

use super::accounts::{genesis_alloc, payout};
use super::children::NodePlan;
use super::layout::{Layout, node_name};
use crate::commands::genesis::{DEFAULT_CHAIN_ID, DEFAULT_GAS_LIMIT, now_ms};
use crate::commands::init::write_record;
use crate::files::{MODE_PUBLIC, MODE_SECRET, read_text, write_file};
use btn_crypto::{LotteryKeySize, ScryptCost};
use btn_node::NodeConfig;
use btn_node::config::{
    DEFAULT_CACHE_MIB, DEFAULT_P2P_PORT, LogConfig, MAX_CONFIG_BYTES, PeerOverride, RpcConfig, StorageConfig,
};
use btn_node::keys::{KeyDirectory, NodeKeys, Password};
use btn_types::Genesis;
use btn_types::genesis::{BaseFeeParameters, ConsensusParameters, NodeRecord};
use eyre::{WrapErr as _, eyre};
use rand::RngCore as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Threads that make keys.
const KEY_THREADS: usize = 2;

/// Database cache of each node where there are more of them than fit a laptop at the usual size, MiB.
const SMALL_CACHE_MIB: u64 = 16;

/// More nodes than this get the small cache.
const MAX_NODES_WITH_FULL_CACHE: usize = 8;

/// Makes keys and genesis of a network of `masters`; `progress` is called once per node.
///
/// # Errors
/// The disk, or a key that cannot be made.
pub fn make_network(layout: &Layout, masters: usize, progress: impl Fn() + Sync) -> eyre::Result<Genesis> {
    layout.clear()?;
    let password = random_password();
    write_file(&layout.password(), format!("{}\n", password.expose()).as_bytes(), MODE_SECRET)?;
    let next = AtomicUsize::new(1);
    let work = || -> eyre::Result<Vec<(usize, NodeRecord)>> {
        let mut records = Vec::new();
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number > masters {
                return Ok(records);
            }
            records.push((number, make_node(layout, number, &password)?));
            progress();
        }
    };
    let results: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..KEY_THREADS).map(|_| scope.spawn(work)).collect();
        threads.into_iter().map(|thread| thread.join()).collect()
    });
    let mut records = Vec::new();
    for result in results {
        records.extend(result.map_err(|_| eyre!("a thread that makes keys died"))??);
    }
    records.sort_by_key(|(number, _)| *number);
    let genesis = devnet_genesis(records.into_iter().map(|(_, record)| record).collect())?;
    layout.save(&genesis)?;
    Ok(genesis)
}

fn random_password() -> Password {
    let mut bytes = [0; 32];
    rand::rng().fill_bytes(&mut bytes);
    Password::new(hex::encode(bytes))
}

fn make_node(layout: &Layout, number: usize, password: &Password) -> eyre::Result<NodeRecord> {
    let directory = layout.node(number);
    std::fs::create_dir_all(&directory)
        .wrap_err_with(|| format!("{} cannot be created", directory.display()))?;
    let keys = NodeKeys::generate(LotteryKeySize::Bits2048)?;
    KeyDirectory::new(directory.join("keys")).create(&keys, password, ScryptCost::DEVNET)?;
    // Nominal: every configuration names the ports of its own start.
    let port = usize::from(DEFAULT_P2P_PORT) + number - 1;
    let record = keys.record(vec![format!("127.0.0.1:{port}")], payout(number)?)?;
    write_record(&directory, &record)?;
    Ok(record)
}

fn devnet_genesis(nodes: Vec<NodeRecord>) -> eyre::Result<Genesis> {
    let genesis = Genesis {
        chain_id: DEFAULT_CHAIN_ID,
        timestamp_ms: now_ms()?,
        gas_limit: DEFAULT_GAS_LIMIT,
        base_fee: BaseFeeParameters::DEVNET,
        consensus: ConsensusParameters::DEVNET,
        alloc: genesis_alloc()?,
        nodes,
    };
    genesis.check()?;
    Ok(genesis)
}

/// Writes each node's configuration for these ports; what else an earlier configuration says is kept.
///
/// # Errors
/// The disk, or an earlier configuration that is damaged.
pub fn write_configurations(
    layout: &Layout,
    genesis: &Genesis,
    first_rpc_port: u16,
    first_p2p_port: u16,
) -> eyre::Result<Vec<NodePlan>> {
    let address = |first: u16, position: usize| -> eyre::Result<SocketAddr> {
        Ok((Ipv4Addr::LOCALHOST, u16::try_from(usize::from(first) + position)?).into())
    };
    let mut plans = Vec::new();
    for position in 0..genesis.nodes.len() {
        let directory = layout.node(position + 1);
        plans.push(NodePlan {
            name: node_name(position + 1),
            config: directory.join("config.toml"),
            log: directory.join("node.log"),
            directory,
            rpc: address(first_rpc_port, position)?,
            p2p: address(first_p2p_port, position)?,
        });
    }
    let peer = |(node, plan): (&NodeRecord, &NodePlan)| PeerOverride {
        id: node.id,
        addresses: vec![plan.p2p.to_string()],
    };
    let peers: Vec<_> = genesis.nodes.iter().zip(&plans).map(peer).collect();
    for (plan, node) in plans.iter().zip(&genesis.nodes) {
        let mut config =
            earlier_configuration(&plan.config)?.unwrap_or_else(|| new_configuration(plans.len()));
        config.listen = plan.p2p;
        config.rpc.listen = plan.rpc;
        config.peers = peers.iter().filter(|peer| peer.id != node.id).cloned().collect();
        write_file(&plan.config, config.to_toml().as_bytes(), MODE_PUBLIC)?;
    }
    Ok(plans)
}

fn earlier_configuration(path: &Path) -> eyre::Result<Option<NodeConfig>> {
    if !path.try_exists()? {
        return Ok(None);
    }
    Ok(Some(NodeConfig::from_toml(&read_text(path, MAX_CONFIG_BYTES)?, path)?))
}

fn new_configuration(nodes: usize) -> NodeConfig {
    let cache_mib = if nodes > MAX_NODES_WITH_FULL_CACHE { SMALL_CACHE_MIB } else { DEFAULT_CACHE_MIB };
    NodeConfig {
        genesis: "../genesis.json".into(),
        data_dir: "data".into(),
        key_dir: "keys".into(),
        password_file: Some("../password".into()),
        listen: (Ipv4Addr::LOCALHOST, DEFAULT_P2P_PORT).into(),
        rpc: RpcConfig::default(),
        storage: StorageConfig { cache_mib },
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
        let genesis = make_network(&layout, 3, || _ = made.fetch_add(1, Ordering::Relaxed)).unwrap();
        assert_eq!(made.into_inner(), 3);
        assert_eq!(layout.load().unwrap().as_ref(), Some(&genesis));

        let plans = write_configurations(&layout, &genesis, 18_545, 40_303).unwrap();
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
        write_configurations(&layout, &genesis, 28_545, 50_303).unwrap();
        let config = NodeConfig::load(&plans[0].config).unwrap();
        assert_eq!((config.log.level.as_str(), config.rpc.listen.port()), ("debug", 28_545));
        assert_eq!(config.peers[1].addresses, ["127.0.0.1:50305"]);
    }
}
