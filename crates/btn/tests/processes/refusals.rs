//! Starts that must not be: each is refused with an exit code and one sentence that names what and the remedy.

use crate::support::network::Network;
use crate::support::node::Node;
use crate::support::ports::free_ports;
use crate::support::{PATIENCE, take_turn, until};
use btn_node::NodeConfig;
use std::net::{TcpListener, UdpSocket};
use std::path::Path;

/// Starts node 0 by another configuration and gives the sentence with which it is refused.
fn refused(network: &Network, name: &str, text: &str) -> String {
    let path = network.path().join("node-0").join(format!("{name}.toml"));
    std::fs::write(&path, text).expect("a configuration");
    let mut node = Node::new(name, path, 1);
    node.start();
    let status = node.wait();
    let log = node.read_log();
    assert_eq!(status.code(), Some(1), "{name}: {log}");
    let sentence = log.lines().filter(|line| line.starts_with("error: ")).collect::<Vec<_>>();
    assert_eq!(sentence.len(), 1, "{name}: not one sentence in {log}");
    assert!(!log.contains("panicked"), "{log}");
    sentence[0].to_owned()
}

fn assert_says(sentence: &str, words: &[&str]) {
    for word in words {
        assert!(sentence.contains(word), "`{word}` is not in: {sentence}");
    }
}

/// Node 0's configuration, changed.
fn changed(network: &Network, change: impl FnOnce(&mut NodeConfig)) -> String {
    let text = std::fs::read_to_string(&network.nodes[0].config).expect("a configuration");
    let mut config = NodeConfig::from_toml(&text, Path::new("config.toml")).expect("a configuration");
    change(&mut config);
    config.to_toml()
}

#[test]
fn refusals() {
    let _turn = take_turn();
    let mut network = Network::make();
    network.nodes[0].start();
    until("node-0 answers", PATIENCE, || network.nodes[0].rpc.height());
    let ports = free_ports(2);
    let elsewhere = |config: &mut NodeConfig| {
        config.listen = Some(([127, 0, 0, 1], ports[0]).into());
        config.listen_supervisors = None;
        config.rpc.listen.set_port(ports[1]);
    };

    let sentence = refused(&network, "second-process", &changed(&network, elsewhere));
    let pid = network.nodes[0].pid().to_string();
    let data = network.data(0).display().to_string();
    assert_says(&sentence, &["another btn process", &pid, &data, "stop it first"]);
    assert!(network.nodes[0].rpc.height().is_some(), "the first process runs on");
    network.nodes[0].stop();

    let mut other = network.genesis.clone();
    other.timestamp_ms += 1;
    std::fs::write(network.path().join("other.json"), other.to_json()).unwrap();
    let text = changed(&network, |config| config.genesis = "../other.json".into());
    let sentence = refused(&network, "other-genesis", &text);
    let ours = btn_node::genesis::genesis_hash(&other).to_string();
    assert_says(&sentence, &[&ours, &network.chain().to_string(), "use that chain's genesis file"]);

    std::fs::write(network.path().join("wrong"), "wrong horse\n").unwrap();
    let text = changed(&network, |config| config.password_file = Some("../wrong".into()));
    assert_says(&refused(&network, "wrong-password", &text), &["keys/lottery.json", "wrong password"]);

    let text = changed(&network, |config| config.password_file = Some("../absent".into()));
    assert_says(&refused(&network, "no-password", &text), &["absent"]);

    let tcp = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let address = tcp.local_addr().unwrap();
    let text = changed(&network, |config| config.rpc.listen = address);
    let sentence = refused(&network, "rpc-port", &text);
    assert_says(&sentence, &["JSON-RPC", &address.to_string(), "choose another"]);

    let udp = UdpSocket::bind(("127.0.0.1", 0)).unwrap();
    let address = udp.local_addr().unwrap();
    let text = changed(&network, |config| config.listen = Some(address));
    let sentence = refused(&network, "p2p-port", &text);
    assert_says(&sentence, &["UDP", &address.to_string(), "choose another"]);

    let text = changed(&network, |_| {}).replace("cache_mib = 8", "cache_mib = 0");
    assert_says(&refused(&network, "mistake", &text), &["mistake.toml, line ", "cache_mib is 0", "correct"]);

    let text = changed(&network, |config| config.key_dir = "../node-1/keys".into());
    assert_says(&refused(&network, "other-keys", &text), &["belongs to node", "its own data directory"]);

    network.nodes[0].start();
    until("node-0 still starts as it should", PATIENCE, || network.nodes[0].rpc.height());
    network.stop();
}
