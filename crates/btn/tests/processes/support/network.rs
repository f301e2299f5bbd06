//! A network of masters and supervisors made by the library, with keys that unlock quickly and ports of its own,
//! run by hand.

use super::node::Node;
use super::ports::free_ports;
use super::rpc::quantity;
use super::wallet::{CHAIN_ID, wallet};
use super::{PATIENCE, signal, until};
use btn_crypto::{LotteryKeySize, ScryptCost};
use btn_node::config::{LogConfig, RpcConfig, StorageConfig, SupervisionConfig};
use btn_node::genesis::genesis_hash;
use btn_node::keys::{KeyDirectory, NodeKeys, Password, SupervisorNodeKeys};
use btn_node::{NodeConfig, mark_genesis_checked};
use btn_types::genesis::{
    BaseFeeParameters, ConsensusParameters, GenesisAccount, NodeRecord, SupervisorRecord,
};
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

/// Password of all keys.
const PASSWORD: &str = "correct horse";

/// Four masters on this machine, and supervisors.
pub struct Network {
    /// The processes, masters first. They stand before the directory, so that they end before it is removed.
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

/// Ports of one network.
struct Ports {
    /// Masters among themselves.
    p2p: Vec<u16>,
    /// Masters for supervisors.
    dialled: Vec<u16>,
    /// JSON-RPC, of masters first.
    rpc: Vec<u16>,
}

impl Ports {
    fn choose(supervisors: usize) -> Self {
        let mut rest = free_ports(3 * MASTERS + supervisors).into_iter();
        let mut take = |count| rest.by_ref().take(count).collect();
        Self { p2p: take(MASTERS), dialled: take(MASTERS), rpc: take(MASTERS + supervisors) }
    }
}

impl Network {
    /// Keys, genesis file and configurations of masters alone; nothing runs yet.
    pub fn make() -> Self {
        Self::make_with(0)
    }

    /// The same with supervisors.
    pub fn make_with(supervisors: usize) -> Self {
        let directory = Directory::new();
        std::fs::write(directory.path().join("password"), format!("{PASSWORD}\n")).expect("a password file");
        let ports = Ports::choose(supervisors);
        let (masters, supervisors) = make_keys(directory.path(), &ports, supervisors);
        let ids = masters.iter().map(|record| record.id);
        let ids: Vec<_> = ids.chain(supervisors.iter().map(|record| record.id)).collect();
        let genesis = genesis(masters, supervisors);
        std::fs::write(directory.path().join("genesis.json"), genesis.to_json()).expect("a genesis file");
        let mut nodes = Vec::new();
        for (position, &rpc) in ports.rpc.iter().enumerate() {
            let name = name(position);
            let config = directory.path().join(&name).join("config.toml");
            std::fs::write(&config, configuration(position, &ports).to_toml()).expect("a configuration");
            let data = directory.path().join(&name).join("data");
            mark_genesis_checked(&data, &genesis).expect("a mark");
            nodes.push(Node::new(&name, config, rpc));
        }
        Self { nodes, genesis, ids, directory }
    }

    /// Made, started, and with a first block final on every node.
    pub fn start() -> Self {
        Self::start_with(0)
    }

    /// The same with supervisors, and that block or a later one in the third state on every node.
    pub fn start_with(supervisors: usize) -> Self {
        let mut network = Self::make_with(supervisors);
        network.nodes.iter_mut().for_each(Node::start);
        let everyone: Vec<_> = (0..network.nodes.len()).collect();
        network.wait_for_height(&everyone, 1);
        network.wait_for_third_state(&everyone, 1);
        network
    }

    /// Positions of the supervisors among the nodes.
    pub fn supervisors(&self) -> Vec<usize> {
        (MASTERS..self.nodes.len()).collect()
    }

    /// Where everything lies.
    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    /// Data directory of a node.
    pub fn data(&self, node: usize) -> PathBuf {
        self.path().join(&self.nodes[node].name).join("data")
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

    /// Waits until each of these nodes shows this height or one above it in the third state.
    #[track_caller]
    pub fn wait_for_third_state(&self, nodes: &[usize], height: u64) {
        for &node in nodes {
            let node = &self.nodes[node];
            let what = format!("{} shows height {height} in the third state", node.name);
            until(&what, PATIENCE, || node.rpc.third_height().filter(|&reached| reached >= height));
        }
    }

    /// Height of the highest block that a supervisor says it has sealed; `None` while it does not answer.
    pub fn last_sealed(&self, node: usize) -> Option<u64> {
        let status = self.nodes[node].rpc.try_call("btn_status", serde_json::json!([])).ok()?;
        let sealed = &status["sealing"]["lastSealedHeight"];
        (!sealed.is_null()).then(|| quantity(sealed))
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

/// `node-0` and so on, then `supervisor-0` and so on.
fn name(position: usize) -> String {
    match position.checked_sub(MASTERS) {
        None => format!("node-{position}"),
        Some(number) => format!("supervisor-{number}"),
    }
}

/// Keys of all nodes in directories of their own, made by two threads: they take most of the time of a start.
fn make_keys(place: &Path, ports: &Ports, supervisors: usize) -> (Vec<NodeRecord>, Vec<SupervisorRecord>) {
    let password = &Password::new(PASSWORD.to_owned());
    let store = |position: usize| {
        let path = place.join(name(position));
        std::fs::create_dir(&path).expect("a directory");
        KeyDirectory::new(path.join("keys"))
    };
    let master = |position: usize| {
        let keys = NodeKeys::generate(LotteryKeySize::Bits2048).expect("keys");
        store(position).create(&keys, password, ScryptCost::DEVNET).expect("stored keys");
        let [addresses, dialled] =
            [&ports.p2p, &ports.dialled].map(|ports| vec![format!("127.0.0.1:{}", ports[position])]);
        keys.record(addresses, dialled, Address::repeat_byte(0xfe)).expect("a record")
    };
    let supervisor = |number: usize| {
        let keys = SupervisorNodeKeys::generate(LotteryKeySize::Bits2048).expect("keys");
        let store = store(MASTERS + number);
        store.create_supervisor(&keys, password, ScryptCost::DEVNET).expect("stored keys");
        keys.record(Address::repeat_byte(0xfd)).expect("a record")
    };
    let half = supervisors / 2;
    std::thread::scope(|scope| {
        let first = scope.spawn(|| (0..half).map(supervisor).collect::<Vec<_>>());
        let second = (half..supervisors).map(supervisor).collect();
        let masters = (0..MASTERS).map(master).collect();
        (masters, [first.join().expect("keys"), second].concat())
    })
}

fn genesis(nodes: Vec<NodeRecord>, supervisors: Vec<SupervisorRecord>) -> Genesis {
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
        supervisors,
    };
    genesis.check().expect("a valid genesis");
    genesis
}

fn configuration(position: usize, ports: &Ports) -> NodeConfig {
    let local = |port: &u16| SocketAddr::from((Ipv4Addr::LOCALHOST, *port));
    NodeConfig {
        genesis: "../genesis.json".into(),
        data_dir: "data".into(),
        key_dir: "keys".into(),
        password_file: Some("../password".into()),
        listen: ports.p2p.get(position).map(local),
        listen_supervisors: ports.dialled.get(position).map(local),
        supervision: SupervisionConfig::default(),
        rpc: RpcConfig { listen: local(&ports.rpc[position]), ..RpcConfig::default() },
        storage: StorageConfig { cache_mib: Some(CACHE_MIB) },
        log: LogConfig::default(),
        peers: Vec::new(),
        password: None,
    }
}
