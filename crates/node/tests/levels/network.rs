//! A network whose nodes are tasks of this process.

use alloy_signer_local::PrivateKeySigner;
use btn_crypto::{LotteryKeySize, ScryptCost};
use btn_node::NodeConfig;
use btn_node::config::{LogConfig, PeerOverride, RpcConfig, StorageConfig, SupervisionConfig};
use btn_node::genesis::genesis_hash;
use btn_node::keys::{KeyDirectory, NodeKeys, Password, SupervisorNodeKeys};
use btn_types::genesis::{
    BaseFeeParameters, ConsensusParameters, GenesisAccount, NodeRecord, SupervisorRecord,
};
use btn_types::{Address, B256, Genesis, NodeId, U256};
use serde_json::{Value, json};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// Names the network to wallets.
pub const CHAIN_ID: u64 = 4_242;

/// The account with funds.
pub fn funded() -> PrivateKeySigner {
    PrivateKeySigner::from_bytes(&B256::repeat_byte(0x42)).unwrap()
}

/// The least number that tolerates one failure.
pub const MASTERS: usize = 4;

/// Longer than anything here takes on a slow and busy machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// How often a node is asked while something is waited for.
const POLL_INTERVAL: Duration = Duration::from_millis(50);

/// A node that runs.
struct Running {
    stop: oneshot::Sender<()>,
    task: JoinHandle<Result<(), String>>,
}

/// Masters first, then supervisors.
pub struct Network {
    runtime: Runtime,
    directory: TempDir,
    genesis: Genesis,
    configs: Vec<NodeConfig>,
    ids: Vec<NodeId>,
    running: Vec<Option<Running>>,
}

/// A number as JSON-RPC writes it; 0 for `null`.
pub fn quantity(value: &Value) -> u64 {
    value.as_str().map_or(0, |text| u64::from_str_radix(text.trim_start_matches("0x"), 16).unwrap())
}

/// Ports that the system has just called free, for UDP and TCP.
fn free_ports(count: usize) -> Vec<u16> {
    let sockets: Vec<_> = (0..2 * count)
        .filter_map(|_| {
            let udp = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).ok()?;
            let port = udp.local_addr().ok()?.port();
            Some((port, udp, TcpListener::bind((Ipv4Addr::LOCALHOST, port)).ok()?))
        })
        .take(count)
        .collect();
    assert_eq!(sockets.len(), count, "not enough free ports");
    sockets.into_iter().map(|(port, ..)| port).collect()
}

impl Network {
    /// Keys, genesis and configurations; nothing runs yet.
    pub fn make(supervisors: usize) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let password = Password::new("correct horse".to_owned());
        let ports = free_ports(2 * MASTERS + MASTERS + supervisors);
        let local = |port: u16| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let store = |node: usize| KeyDirectory::new(directory.path().join(format!("keys-{node}")));
        let mut nodes: Vec<NodeRecord> = Vec::new();
        for node in 0..MASTERS {
            let keys = NodeKeys::generate(LotteryKeySize::Bits2048).unwrap();
            store(node).create(&keys, &password, ScryptCost::DEVNET).unwrap();
            nodes.push(keys.record(Vec::new(), Vec::new(), Address::ZERO).unwrap());
        }
        let mut sealers: Vec<SupervisorRecord> = Vec::new();
        for node in MASTERS..MASTERS + supervisors {
            let keys = SupervisorNodeKeys::generate(LotteryKeySize::Bits2048).unwrap();
            store(node).create_supervisor(&keys, &password, ScryptCost::DEVNET).unwrap();
            sealers.push(keys.record(Address::ZERO).unwrap());
        }
        let ids: Vec<_> =
            nodes.iter().map(|node| node.id).chain(sealers.iter().map(|node| node.id)).collect();
        let peer = |node: usize| PeerOverride {
            id: ids[node],
            addresses: vec![local(ports[2 * node]).to_string()],
            supervisor_addresses: vec![local(ports[2 * node + 1]).to_string()],
        };
        let config = |node: usize| NodeConfig {
            genesis: directory.path().join("genesis.json"),
            data_dir: directory.path().join(format!("data-{node}")),
            key_dir: directory.path().join(format!("keys-{node}")),
            password_file: None,
            listen: (node < MASTERS).then(|| local(ports[2 * node])),
            listen_supervisors: (node < MASTERS).then(|| local(ports[2 * node + 1])),
            supervision: SupervisionConfig { links: MASTERS },
            rpc: RpcConfig { listen: local(ports[2 * MASTERS + node]), ..RpcConfig::default() },
            storage: StorageConfig { cache_mib: Some(4) },
            log: LogConfig::default(),
            peers: (0..MASTERS).filter(|other| *other != node).map(peer).collect(),
            password: Some(password.clone()),
        };
        let configs = (0..ids.len()).map(config).collect();
        let genesis = genesis(nodes, sealers);
        std::fs::write(directory.path().join("genesis.json"), genesis.to_json()).unwrap();
        let running = ids.iter().map(|_| None).collect();
        Self { runtime: Runtime::new().unwrap(), directory, genesis, configs, ids, running }
    }

    pub fn len(&self) -> usize {
        self.ids.len()
    }

    pub fn id(&self, node: usize) -> NodeId {
        self.ids[node]
    }

    pub fn config(&self, node: usize) -> NodeConfig {
        self.configs[node].clone()
    }

    pub fn data(&self, node: usize) -> PathBuf {
        self.configs[node].data_dir.clone()
    }

    pub fn genesis(&self) -> &Genesis {
        &self.genesis
    }

    /// Keys of a supervisor.
    pub fn supervisor_keys(&self, number: usize) -> SupervisorNodeKeys {
        let config = self.config(MASTERS + number);
        KeyDirectory::new(config.key_dir).unlock_supervisor(&config.password.unwrap()).unwrap()
    }

    /// Runs a future, for as long as anything here may take.
    pub fn block_on<T>(&self, future: impl Future<Output = T>) -> T {
        let outcome = self.runtime.block_on(async { tokio::time::timeout(PATIENCE, future).await });
        outcome.unwrap_or_else(|_| panic!("not within {PATIENCE:?}"))
    }

    pub fn chain(&self) -> B256 {
        genesis_hash(&self.genesis)
    }

    /// A genesis file that does not list the first master.
    pub fn other_genesis(&self) -> PathBuf {
        let genesis = genesis(self.genesis.nodes[1..].to_vec(), self.genesis.supervisors.clone());
        let path = self.directory.path().join("other.json");
        std::fs::write(&path, genesis.to_json()).unwrap();
        path
    }

    pub fn start(&mut self, node: usize) {
        let (stop, stopped) = oneshot::channel();
        let config = self.config(node);
        let shutdown = async move { _ = stopped.await };
        let task = self.runtime.spawn(async move {
            btn_node::run(config, shutdown).await.map_err(|error| format!("{error:#}"))
        });
        self.running[node] = Some(Running { stop, task });
    }

    /// Stops a node gracefully.
    pub fn stop(&mut self, node: usize) {
        let Running { stop, task } = self.running[node].take().unwrap();
        assert!(stop.send(()).is_ok(), "node {node} had stopped by itself");
        let stopped = self.runtime.block_on(async { tokio::time::timeout(PATIENCE, task).await });
        stopped.unwrap_or_else(|_| panic!("node {node} does not stop")).unwrap().unwrap();
    }

    /// Why a node does not start.
    pub fn fails(&self, config: NodeConfig) -> String {
        let outcome = self.runtime.block_on(btn_node::run(config, std::future::pending()));
        format!("{:#}", outcome.unwrap_err())
    }

    /// A running node's `btn_status`, once it answers.
    pub fn status(&self, node: usize) -> Option<Value> {
        let url = format!("http://{}", self.configs[node].rpc.listen);
        let request = json!({"jsonrpc": "2.0", "id": 1, "method": "btn_status", "params": []});
        let mut answer: Value = ureq::post(&url).send_json(request).ok()?.body_mut().read_json().ok()?;
        Some(answer["result"].take())
    }

    /// Waits until a node's status is as wanted.
    pub fn wait_for(&self, node: usize, what: &str, is_so: impl Fn(&Value) -> bool) -> Value {
        let started = Instant::now();
        loop {
            let status = self.status(node);
            if let Some(status) = status.as_ref().filter(|status| is_so(status)) {
                return status.clone();
            }
            let ended = self.running[node].as_ref().is_none_or(|running| running.task.is_finished());
            assert!(!ended, "node {node} has stopped while this was waited for: {what}");
            assert!(started.elapsed() < PATIENCE, "node {node}: {what}: not within {PATIENCE:?}: {status:?}");
            std::thread::sleep(POLL_INTERVAL);
        }
    }

    /// Waits until the status of every running node is as wanted.
    pub fn wait(&self, what: &str, is_so: impl Fn(&Value) -> bool) {
        let running = (0..self.len()).filter(|node| self.running[*node].is_some());
        running.for_each(|node| _ = self.wait_for(node, what, &is_so));
    }
}

fn genesis(nodes: Vec<NodeRecord>, supervisors: Vec<SupervisorRecord>) -> Genesis {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let funds = GenesisAccount { balance: U256::from(10).pow(U256::from(20)), ..GenesisAccount::default() };
    let genesis = Genesis {
        chain_id: CHAIN_ID,
        timestamp_ms: u64::try_from(now.as_millis()).unwrap(),
        gas_limit: 30_000_000,
        base_fee: BaseFeeParameters::DEVNET,
        consensus: ConsensusParameters { idle_interval_ms: 500, ..ConsensusParameters::DEVNET },
        alloc: [(funded().address(), funds)].into(),
        nodes,
        supervisors,
    };
    genesis.check().unwrap();
    genesis
}
