//! What a devnet tells its user: the table of nodes, accounts, wallet settings, the next command; and the same
//! as one JSON object.

use super::accounts::{DevAccount, FUNDED_BALANCE, MNEMONIC};
use super::children::NodePlan;
use crate::amount::{format_btn, parse_amount};
use crate::output::table;
use btn_types::{Genesis, NodeId};
use serde::Serialize;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

/// The object of `--json`.
#[derive(Serialize)]
pub struct ReadyObject<'a> {
    rpc_url: String,
    chain_id: u64,
    accounts: &'a [DevAccount],
    nodes: Vec<NodeObject<'a>>,
}

#[derive(Serialize)]
struct NodeObject<'a> {
    role: &'static str,
    id: NodeId,
    pid: u32,
    rpc: String,
    p2p: SocketAddr,
    dir: &'a Path,
    log: &'a Path,
}

/// Makes the object of `--json`.
pub fn ready_object<'a>(
    genesis: &Genesis,
    plans: &'a [NodePlan],
    pids: &[u32],
    accounts: &'a [DevAccount],
) -> ReadyObject<'a> {
    let node = |((plan, record), &pid): ((&'a NodePlan, &btn_types::genesis::NodeRecord), &u32)| NodeObject {
        role: ROLE_MASTER,
        id: record.id,
        pid,
        rpc: plan.rpc_url(),
        p2p: plan.p2p,
        dir: &plan.directory,
        log: &plan.log,
    };
    ReadyObject {
        rpc_url: plans.first().map(NodePlan::rpc_url).unwrap_or_default(),
        chain_id: genesis.chain_id,
        accounts,
        nodes: plans.iter().zip(&genesis.nodes).zip(pids).map(node).collect(),
    }
}

/// Role of every node so far.
const ROLE_MASTER: &str = "master";

/// Everything a user needs, as text.
pub fn summary(genesis: &Genesis, plans: &[NodePlan], pids: &[u32], accounts: &[DevAccount]) -> String {
    let here = std::env::current_dir().unwrap_or_default();
    let row = |((plan, record), pid): ((&NodePlan, &btn_types::genesis::NodeRecord), &u32)| {
        let log = plan.log.strip_prefix(&here).map_or_else(|_| plan.log.clone(), PathBuf::from);
        vec![
            ROLE_MASTER.to_owned(),
            record.id.short(),
            plan.rpc_url(),
            plan.p2p.to_string(),
            pid.to_string(),
            log.display().to_string(),
        ]
    };
    let rows: Vec<_> = plans.iter().zip(&genesis.nodes).zip(pids).map(row).collect();
    let nodes = table(&["role", "id", "RPC", "P2P", "pid", "log"], &rows);
    let row = |account: &DevAccount| vec![account.address.to_checksum(None), account.private_key.clone()];
    let keys = table(&["address", "private key"], &accounts.iter().map(row).collect::<Vec<_>>());
    let balance = parse_amount(FUNDED_BALANCE).map(format_btn).unwrap_or_default();
    let (url, chain_id) = (plans.first().map(NodePlan::rpc_url).unwrap_or_default(), genesis.chain_id);
    format!(
        "\n{nodes}\n\n\
         {} accounts held {balance} each at genesis. Everybody knows these keys; never use them elsewhere.\n\
         Mnemonic: {MNEMONIC}\n{keys}\n\n\
         MetaMask: network name BTN devnet, RPC URL {url}, chain id {chain_id}, symbol BTN\n\n\
         Try in another terminal:\n{}\n",
        accounts.len(),
        next_commands(&url, accounts),
    )
}

fn next_commands(url: &str, accounts: &[DevAccount]) -> String {
    let data = r#"{"jsonrpc":"2.0","id":1,"method":"eth_blockNumber","params":[]}"#;
    let mut text = format!("  curl -s -H 'content-type: application/json' --data '{data}' {url}");
    if let [from, to, ..] = accounts {
        let (key, address) = (&from.private_key, to.address.to_checksum(None));
        text += &format!("\n  cast send --rpc-url {url} --private-key {key} --value 1ether {address}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::devnet::accounts::funded_accounts;
    use btn_types::B256;
    use btn_types::genesis::{BaseFeeParameters, ConsensusParameters, Level, NodeRecord};
    use std::net::Ipv4Addr;

    fn plan() -> NodePlan {
        NodePlan {
            name: "node-1".into(),
            directory: "/d/node-1".into(),
            config: "/d/node-1/config.toml".into(),
            log: "/d/node-1/node.log".into(),
            rpc: (Ipv4Addr::LOCALHOST, 8545).into(),
            p2p: (Ipv4Addr::LOCALHOST, 30303).into(),
        }
    }

    fn genesis() -> Genesis {
        let record = NodeRecord {
            id: NodeId(B256::repeat_byte(0xab)),
            level: Level::Master,
            rsa_public_key: Default::default(),
            rsa_permutation_proof: Vec::new(),
            network_key: B256::ZERO,
            addresses: Vec::new(),
            payout: Default::default(),
            vote_key: Default::default(),
            vote_key_proof: Default::default(),
        };
        Genesis {
            chain_id: 20_200_303,
            timestamp_ms: 0,
            gas_limit: 30_000_000,
            base_fee: BaseFeeParameters::DEVNET,
            consensus: ConsensusParameters::DEVNET,
            alloc: Default::default(),
            nodes: vec![record],
        }
    }

    #[test]
    fn the_text_has_the_table_accounts_wallet_values_and_a_command() {
        let accounts = funded_accounts().unwrap();
        let text = summary(&genesis(), &[plan()], &[77], &accounts);
        for expected in [
            "role    id        RPC                    P2P              pid  log",
            "master  abababab  http://127.0.0.1:8545  127.0.0.1:30303  77   /d/node-1/node.log",
            "10 accounts held 10,000 BTN each",
            "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266  0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80",
            "RPC URL http://127.0.0.1:8545, chain id 20200303, symbol BTN",
            "cast send --rpc-url http://127.0.0.1:8545 --private-key 0xac09",
        ] {
            assert!(text.contains(expected), "{expected} is missing in\n{text}");
        }
    }

    #[test]
    fn the_object_has_the_promised_names() {
        let (genesis, plans, accounts) = (genesis(), [plan()], funded_accounts().unwrap());
        let object = serde_json::to_value(ready_object(&genesis, &plans, &[77], &accounts)).unwrap();
        assert_eq!(object["rpc_url"], "http://127.0.0.1:8545");
        assert_eq!(object["chain_id"], 20_200_303);
        assert_eq!(object["accounts"].as_array().unwrap().len(), 10);
        assert!(object["accounts"][0]["private_key"].as_str().unwrap().starts_with("0xac09"));
        let node = serde_json::json!({
            "role": "master", "id": genesis.nodes[0].id, "pid": 77, "rpc": "http://127.0.0.1:8545",
            "p2p": "127.0.0.1:30303", "dir": "/d/node-1", "log": "/d/node-1/node.log",
        });
        assert_eq!(object["nodes"][0], node);
    }
}
