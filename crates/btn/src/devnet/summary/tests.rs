//! What the user of a devnet is told.

use super::*;
use crate::devnet::accounts::funded_accounts;
use btn_types::B256;
use btn_types::genesis::{BaseFeeParameters, ConsensusParameters, Level, NodeRecord, SupervisorRecord};
use std::net::Ipv4Addr;

fn plan(name: &str, role: Role, rpc_port: u16) -> NodePlan {
    let directory = PathBuf::from("/d").join(name);
    NodePlan {
        name: name.into(),
        role,
        config: directory.join("config.toml"),
        log: directory.join("node.log"),
        directory,
        rpc: (Ipv4Addr::LOCALHOST, rpc_port).into(),
    }
}

fn plans(supervisors: u16) -> Vec<NodePlan> {
    let address = |port: u16| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let role = Role::Master { p2p: address(30_303), supervisors: address(30_307) };
    let supervisor = |number: u16| plan(&format!("supervisor-{number}"), Role::Supervisor, 8545 + number);
    [plan("node-1", role, 8545)].into_iter().chain((1..=supervisors).map(supervisor)).collect()
}

fn genesis(supervisors: u8) -> Genesis {
    let record = NodeRecord {
        id: NodeId(B256::repeat_byte(0xab)),
        level: Level::Master,
        rsa_public_key: Default::default(),
        rsa_permutation_proof: Vec::new(),
        network_key: B256::ZERO,
        addresses: Vec::new(),
        supervisor_addresses: Vec::new(),
        payout: Default::default(),
        vote_key: Default::default(),
        vote_key_proof: Default::default(),
    };
    let supervisor = |number: u8| SupervisorRecord {
        id: NodeId(B256::repeat_byte(number)),
        rsa_public_key: Default::default(),
        rsa_permutation_proof: Vec::new(),
        network_key: B256::ZERO,
        payout: Default::default(),
    };
    Genesis {
        chain_id: 20_200_303,
        timestamp_ms: 0,
        gas_limit: 30_000_000,
        base_fee: BaseFeeParameters::DEVNET,
        consensus: ConsensusParameters::DEVNET,
        alloc: Default::default(),
        nodes: vec![record],
        supervisors: (1..=supervisors).map(supervisor).collect(),
    }
}

#[test]
fn the_text_has_the_tables_accounts_wallet_values_and_a_command() {
    let accounts = funded_accounts().unwrap();
    let text = summary(&genesis(3), &plans(3), &[77, 78, 79, 80], &accounts);
    for expected in [
        "role    id        RPC                    P2P              pid  log",
        "master  abababab  http://127.0.0.1:8545  127.0.0.1:30303  77   /d/node-1/node.log",
        "supervisor    id        RPC   pid  supervisor    id        RPC   pid",
        "supervisor-1  01010101  8546  78   supervisor-3  03030303  8548  80\n",
        "supervisor-2  02020202  8547  79\n",
        "Supervisors' RPC: http://127.0.0.1:PORT; logs: /d/supervisor-N/node.log",
        "10 accounts held 10,000 BTN each",
        "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266  0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80",
        "RPC URL http://127.0.0.1:8545, chain id 20200303, symbol BTN",
        "cast send --rpc-url http://127.0.0.1:8545 --private-key 0xac09",
    ] {
        assert!(text.contains(expected), "{expected} is missing in\n{text}");
    }
}

#[test]
fn sixteen_supervisors_take_few_lines_and_eighty_columns() {
    let pids: Vec<u32> = (100_001..=100_017).collect();
    let text = summary(&genesis(16), &plans(16), &pids, &[]);
    let lines: Vec<_> = text.lines().filter(|line| line.starts_with("supervisor")).collect();
    assert_eq!(lines.len(), 9, "{text}");
    assert!(lines.iter().all(|line| line.chars().count() <= 80), "{text}");
    assert!(lines[8].contains("supervisor-8 ") && lines[8].contains("supervisor-16"), "{text}");
}

#[test]
fn a_network_without_supervisors_has_no_table_of_them() {
    let text = summary(&genesis(0), &plans(0), &[77], &[]);
    assert!(!text.contains("upervisor"), "{text}");
}

#[test]
fn the_object_has_the_promised_names() {
    let (genesis, plans, accounts) = (genesis(1), plans(1), funded_accounts().unwrap());
    let object = serde_json::to_value(ready_object(&genesis, &plans, &[77, 78], &accounts, 2.5)).unwrap();
    assert_eq!(object["rpc_url"], "http://127.0.0.1:8545");
    assert_eq!((&object["chain_id"], &object["ready_after_s"]), (&20_200_303.into(), &2.5.into()));
    assert_eq!(object["accounts"].as_array().unwrap().len(), 10);
    assert!(object["accounts"][0]["private_key"].as_str().unwrap().starts_with("0xac09"));
    let master = serde_json::json!({
        "role": "master", "id": genesis.nodes[0].id, "pid": 77, "rpc": "http://127.0.0.1:8545",
        "p2p": "127.0.0.1:30303", "supervisors": "127.0.0.1:30307", "dir": "/d/node-1",
        "log": "/d/node-1/node.log",
    });
    let supervisor = serde_json::json!({
        "role": "supervisor", "id": genesis.supervisors[0].id, "pid": 78, "rpc": "http://127.0.0.1:8546",
        "dir": "/d/supervisor-1", "log": "/d/supervisor-1/node.log",
    });
    assert_eq!(object["nodes"], serde_json::json!([master, supervisor]));
}
