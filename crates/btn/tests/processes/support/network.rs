//! A network of masters made by the library, with keys that unlock quickly and ports of its own, run by hand.

use super::node::Node;
use super::ports::free_ports;
use super::wallet::{CHAIN_ID, wallet};
use super::{PATIENCE, signal, until};
use btn_crypto::{LotteryKeySize, ScryptCost};
use btn_node::NodeConfig;
use btn_node::config::{LogConfig, RpcConfig, StorageConfig};
use btn_node::genesis::genesis_hash;
use btn_node::keys::{KeyDirectory, NodeKeys, Password};
use btn_types::genesis::{BaseFeeParameters, ConsensusParameters, GenesisAccount};
use btn_types::{Address, B256, Genesis, NodeId, U256};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};
use tempfile::TempDir;

/// Masters: the least number that tolerates one failure.
pub const MASTERS: usize = 4;

/// Funded accounts.
const ACCOUNTS: u32 = 6;

/// Database cache of each node, MiB.
const CACHE_MIB: u64 = 8;

/// Four masters on this machine.
pub struct Network {
    /// The processes. They stand before the directory, so that they end before it is removed.
    pub nodes: Vec<Node>,
    /// What they agree on.
    pub genesis: Genesis,
    /// Node ids in the order of `nodes`.
    pub ids: Vec<NodeId>,
    directory: Directory,
}

/// A temporary directory that a failed test leaves for whoever looks into it.
pub struct Directory(Option<TempDir>);

impl Directory {
    /// A fresh one.
    pub fn new() -> Self {
        Self(Some(TempDir::with_prefix("btn-processes-").expect("a temporary directory")))
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        self.0.as_ref().expect("present until dropped").path()
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        if std::thread::panicking()
            && let Some(directory) = self.0.take()
        {
            println!("-- data and logs are kept in {}", directory.keep().display());
        }
    }
}

impl Network {
    /// Keys, genesis file and configurations; nothing runs yet.
    pub fn make() -> Self {
        let directory = Directory::new();
        std::fs::write(directory.path().join("password"), "correct horse\n").expect("a password file");
        let ports = free_ports(2 * MASTERS);
        let (p2p_ports, rpc_ports) = ports.split_at(MASTERS);
        let mut records = Vec::new();
        for (number, port) in p2p_ports.iter().enumerate() {
            let keys = NodeKeys::generate(LotteryKeySize::Bits2048).expect("keys");
            let password = Password::new("correct horse".to_owned());
            let path = directory.path().join(format!("node-{number}"));
            std::fs::create_dir(&path).expect("a directory");
            let stored = KeyDirectory::new(path.join("keys"));
            stored.create(&keys, &password, ScryptCost::DEVNET).expect("stored keys");
            let addresses = vec![format!("127.0.0.1:{port}")];
            records.push(keys.record(addresses, Address::repeat_byte(0xfe)).expect("a record"));
        }
        let ids = records.iter().map(|record| record.id).collect();
        let genesis = genesis(records);
        std::fs::write(directory.path().join("genesis.json"), genesis.to_json()).expect("a genesis file");
        let mut nodes = Vec::new();
        for (number, (&p2p, &rpc)) in p2p_ports.iter().zip(rpc_ports).enumerate() {
            let config = directory.path().join(format!("node-{number}/config.toml"));
            std::fs::write(&config, configuration(p2p, rpc).to_toml()).expect("a configuration");
            nodes.push(Node::new(&format!("node-{number}"), config, rpc));
        }
        Self { nodes, genesis, ids, directory }
    }

    /// Made, started, and with a first block final on every node.
    pub fn start() -> Self {
        let mut network = Self::make();
        network.nodes.iter_mut().for_each(Node::start);
        network.wait_for_height(&[0, 1, 2, 3], 1);
        network
    }

    /// Where everything lies.
    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    /// Data directory of a node.
    pub fn data(&self, node: usize) -> PathBuf {
        self.path().join(format!("node-{node}/data"))
    }

    /// What names the network.
    pub fn chain(&self) -> B256 {
        genesis_hash(&self.genesis)
    }

    /// A node's place in the committee.
    pub fn member(&self, node: usize) -> usize {
        let committee = self.genesis.committee();
        committee.iter().position(|record| record.id == self.ids[node]).expect("a master")
    }

    /// URLs of all nodes.
    pub fn urls(&self) -> Vec<String> {
        self.nodes.iter().map(|node| node.rpc.url.clone()).collect()
    }

    /// Waits until each of these nodes has this height.
    #[track_caller]
    pub fn wait_for_height(&self, nodes: &[usize], height: u64) {
        for &node in nodes {
            let node = &self.nodes[node];
            let what = format!("{} has height {height}", node.name);
            until(&what, PATIENCE, || node.rpc.height().filter(|&reached| reached >= height));
        }
    }

    /// The greatest height among these nodes, which must answer.
    pub fn best_height(&self, nodes: &[usize]) -> u64 {
        let height = |&node: &usize| self.nodes[node].rpc.height().expect("an answer");
        nodes.iter().map(height).max().expect("a node")
    }

    /// SIGKILL to all of these by one command.
    pub fn kill(&mut self, nodes: &[usize]) {
        let pids: Vec<_> = nodes.iter().map(|&node| self.nodes[node].pid()).collect();
        assert!(signal("KILL", &pids), "a node had died by itself");
        for &node in nodes {
            self.nodes[node].wait();
        }
    }

    /// Starts these again.
    pub fn restart(&mut self, nodes: &[usize]) {
        for &node in nodes {
            self.nodes[node].start();
        }
    }

    /// SIGTERM to all that run.
    pub fn stop(&mut self) {
        let running = self.nodes.iter().filter(|node| node.is_started()).map(Node::pid).collect::<Vec<_>>();
        signal("TERM", &running);
        for node in self.nodes.iter_mut().filter(|node| node.is_started()) {
            let status = node.wait();
            assert!(status.success(), "{} stopped with {status}", node.name);
        }
    }

    /// Every node has the same block at every height that all of them have; gives that height.
    #[track_caller]
    pub fn assert_one_chain(&self) -> u64 {
        let heights = self.nodes.iter().map(|node| node.rpc.height().expect("an answer"));
        let common = heights.min().expect("a node");
        let first = self.nodes[0].rpc.hashes(common);
        for node in &self.nodes[1..] {
            for (height, (one, other)) in first.iter().zip(node.rpc.hashes(common)).enumerate() {
                assert_eq!(*one, other, "a fork at height {height} between node-0 and {}", node.name);
            }
        }
        common
    }
}

fn genesis(nodes: Vec<btn_types::genesis::NodeRecord>) -> Genesis {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock after 1970");
    let balance = U256::from(10).pow(U256::from(22));
    let account = |index| (wallet(index).address(), GenesisAccount { balance, ..GenesisAccount::default() });
    let genesis = Genesis {
        chain_id: CHAIN_ID,
        timestamp_ms: u64::try_from(now.as_millis()).expect("a clock before the year 500 million"),
        gas_limit: 30_000_000,
        base_fee: BaseFeeParameters::DEVNET,
        consensus: ConsensusParameters::DEVNET,
        alloc: (0..ACCOUNTS).map(account).collect(),
        nodes,
    };
    genesis.check().expect("a valid genesis");
    genesis
}

fn configuration(p2p_port: u16, rpc_port: u16) -> NodeConfig {
    let local = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    NodeConfig {
        genesis: "../genesis.json".into(),
        data_dir: "data".into(),
        key_dir: "keys".into(),
        password_file: Some("../password".into()),
        listen: local(p2p_port),
        rpc: RpcConfig { listen: local(rpc_port), ..RpcConfig::default() },
        storage: StorageConfig { cache_mib: CACHE_MIB },
        log: LogConfig::default(),
        peers: Vec::new(),
        password: None,
    }
}
