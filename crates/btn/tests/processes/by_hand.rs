//! A network without devnet: `btn init`, `btn genesis new` and `btn node`, each from a directory of its own, over
//! host name, IPv4 and, where there is one, IPv6. One supervisor makes the third state.

use crate::support::network::Directory;
use crate::support::node::Node;
use crate::support::ports::{free_ports, has_ipv6};
use crate::support::wallet::{transfer, wallet};
use crate::support::{PATIENCE, take_turn, until};
use btn_node::NodeConfig;
use serde_json::json;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Runs `btn` in a directory, as one types it.
fn btn(directory: &Path, arguments: &[&str]) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_btn"));
    command.args(arguments).current_dir(directory).stdin(Stdio::null()).env_remove("CREDENTIALS_DIRECTORY");
    let output = command.output().expect("btn runs");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "btn {arguments:?} failed: {errors}");
}

/// Makes a node in a place of its own and gives its directory.
fn init(place: &Path, arguments: &[&str], rpc_port: u16) -> PathBuf {
    std::fs::create_dir_all(place).expect("a directory");
    std::fs::write(place.join("secret"), "correct horse\n").expect("a password file");
    let payout = wallet(0).address().to_string();
    let all = ["init", "--dir", "node", "--payout", &payout, "--password-file", "secret"];
    btn(place, &[&all[..], arguments].concat());
    let config = place.join("node/config.toml");
    let text = std::fs::read_to_string(&config).expect("a configuration");
    let mut changed = NodeConfig::from_toml(&text, &config).expect("a configuration");
    changed.rpc.listen.set_port(rpc_port);
    std::fs::write(&config, changed.to_toml()).expect("a configuration");
    place.join("node")
}

fn init_master(place: &Path, host: &str, ports: [u16; 3]) -> PathBuf {
    let [address, dialled] = [ports[0], ports[1]].map(|port| format!("{host}:{port}"));
    init(place, &["--address", &address, "--supervisor-address", &dialled], ports[2])
}

fn path_of(node: &Path, file: &str) -> String {
    node.join(file).display().to_string()
}

#[test]
fn nodes_by_hand() {
    let _turn = take_turn();
    let directory = Directory::new();
    let ports = free_ports(13);
    let rpc = &ports[8..];
    let third = if has_ipv6() { "[::1]" } else { "127.0.0.1" };
    let hosts = ["127.0.0.1", "localhost", third, "127.0.0.1"];
    let places = ["alice", "bob/of/many", "carol", "dave"].map(|name| directory.path().join(name));
    let mut made: Vec<_> =
        (0..4).map(|i| init_master(&places[i], hosts[i], [ports[i], ports[4 + i], rpc[i]])).collect();
    let records: Vec<_> = made.iter().map(|node| path_of(node, "node.json")).collect();
    made.push(init(&directory.path().join("erin"), &["--supervisor"], rpc[4]));
    let supervisor = path_of(&made[4], "supervisor.json");
    let fund = format!("{}=10BTN", wallet(0).address());
    let mut arguments = vec!["genesis", "new", "--output", "genesis.json", "--fund", &fund];
    arguments.extend(records.iter().flat_map(|record| ["--node", record.as_str()]));
    arguments.extend(["--supervisor", &supervisor]);
    btn(directory.path(), &arguments);
    let mut nodes = Vec::new();
    for (index, node) in made.iter().enumerate() {
        std::fs::copy(directory.path().join("genesis.json"), node.join("genesis.json")).unwrap();
        nodes.push(Node::new(&format!("node-{index}"), node.join("config.toml"), rpc[index]));
    }
    nodes.iter_mut().for_each(Node::start_plainly);
    for node in &nodes {
        until(&format!("{} shows a sealed block", node.name), PATIENCE, || {
            node.rpc.third_height().filter(|&height| height >= 1)
        });
    }
    let payment = transfer(&wallet(0), 0, 1);
    nodes[2].rpc.call("eth_sendRawTransaction", json!([payment.raw]));
    let receipts: Vec<_> = nodes.iter().map(|node| node.rpc.final_receipt(&payment.hash)).collect();
    assert!(receipts.iter().all(|receipt| *receipt == receipts[0]), "{receipts:?}");
    assert_eq!(receipts[0]["status"], "0x1");
    for node in &nodes[..4] {
        until(&format!("{} is linked with all others", node.name), PATIENCE, || {
            let status = node.rpc.status();
            let peers = status["peers"].as_array().expect("peers");
            (peers.len() == 3 && peers.iter().all(|peer| peer["connected"] == true)).then_some(())
        });
    }
    nodes.iter_mut().for_each(Node::stop);
}
