//! `btn devnet`: one object when ready, the same receipt everywhere, nothing left behind, and a chain that goes on.

use crate::support::network::Directory;
use crate::support::node::show_tail;
use crate::support::ports::free_ports;
use crate::support::rpc::Rpc;
use crate::support::wallet::{transfer, wallet};
use crate::support::{PATIENCE, is_alive, signal, take_turn, until};
use serde_json::{Value, json};
use std::fs::File;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};

/// A running devnet.
struct Devnet {
    child: Child,
    output: PathBuf,
    notes: PathBuf,
    pids: Vec<u32>,
}

impl Devnet {
    /// Starts it; `name` names the files of its output.
    fn start(place: &Path, name: &str, arguments: &[&str]) -> Self {
        let [output, notes] = ["out", "err"].map(|end| place.join(format!("{name}.{end}")));
        let [stdout, stderr] = [&output, &notes].map(|path| File::create(path).expect("a file"));
        let mut command = Command::new(env!("CARGO_BIN_EXE_btn"));
        command.arg("devnet").args(["--dir", "net"]).args(arguments).current_dir(place);
        command.stdin(Stdio::null()).stdout(stdout).stderr(stderr);
        Self { child: command.spawn().expect("btn runs"), output, notes, pids: Vec::new() }
    }

    /// Waits for the object of `--json`.
    fn wait_until_ready(&mut self) -> Value {
        let line = until("the devnet is ready", 2 * PATIENCE, || {
            let text = std::fs::read_to_string(&self.output).expect("its output");
            let ended = self.child.try_wait().expect("a child to wait for");
            assert!(ended.is_none(), "the devnet ended with {ended:?}");
            text.ends_with('\n').then_some(text)
        });
        let object: Value = serde_json::from_str(&line).expect("one JSON object");
        let nodes = object["nodes"].as_array().expect("nodes");
        let pid = |node: &Value| node["pid"].as_u64().and_then(|pid| u32::try_from(pid).ok()).expect("a pid");
        self.pids = nodes.iter().map(pid).collect();
        object
    }

    fn wait(&mut self) -> ExitStatus {
        until("the devnet ends", PATIENCE, || self.child.try_wait().expect("a child to wait for"))
    }

    fn read_notes(&self) -> String {
        std::fs::read_to_string(&self.notes).expect("its notes")
    }

    /// Waits until it says this.
    fn wait_for_words(&self, words: &str) -> String {
        until(&format!("the devnet says `{words}`"), PATIENCE, || {
            self.read_notes().lines().find(|line| line.contains(words)).map(str::to_owned)
        })
    }
}

impl Drop for Devnet {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            // Its nodes stop by themselves when it is gone.
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
        if std::thread::panicking() {
            show_tail(&self.notes);
        }
    }
}

fn nodes(object: &Value) -> Vec<Rpc> {
    let url = |node: &Value| Rpc::new(node["rpc"].as_str().expect("a URL").to_owned());
    object["nodes"].as_array().expect("nodes").iter().map(url).collect()
}

/// The receipt, equal on all nodes.
fn receipt_everywhere(nodes: &[Rpc], hash: &str) -> Value {
    let receipts: Vec<_> = nodes.iter().map(|node| node.final_receipt(hash)).collect();
    assert!(receipts.iter().all(|receipt| *receipt == receipts[0]), "{receipts:?}");
    receipts[0].clone()
}

/// No process of it runs and no lock is held.
fn assert_nothing_left(devnet: &Devnet, net: &Path) {
    let left: Vec<_> = devnet.pids.iter().filter(|&&pid| is_alive(pid)).collect();
    assert!(left.is_empty(), "processes {left:?} are left");
    let nodes = std::fs::read_dir(net).expect("a directory").map(|entry| entry.expect("an entry").path());
    let data: Vec<_> = nodes.map(|node| node.join("data/lock")).filter(|lock| lock.exists()).collect();
    assert_eq!(data.len(), devnet.pids.len(), "{data:?}");
    for path in data.into_iter().chain([net.join("lock")]) {
        let file = File::options().write(true).open(&path).expect("a lock file");
        assert!(file.try_lock().is_ok(), "{} is held", path.display());
    }
}

/// `btn status` of a URL, as text and as JSON.
fn btn_status(url: &str) -> (String, Value) {
    let run = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_btn"));
        let output = command.args(["status", "--rpc", url]).args(arguments).output().expect("btn runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("UTF-8")
    };
    (run(&[]), serde_json::from_str(&run(&["--json"])).expect("JSON"))
}

fn assert_status_shows_both_levels(nodes: &[Rpc]) {
    let (text, object) = btn_status(&nodes[0].url);
    for words in ["level 1: 4 masters, 3 linked", "level 2: 2 supervisors, ", " third  yes "] {
        assert!(text.contains(words), "`{words}` is not in\n{text}");
    }
    let third = object["blocks"].as_array().expect("blocks").iter().find(|block| block["state"] == "third");
    let third = third.unwrap_or_else(|| panic!("no sealed block in {object}"));
    assert!(third["final"] == true && third["seals_required"] == 1, "{third}");
    let (text, object) = btn_status(&nodes[4].url);
    assert!(
        text.contains("level 1: 4 masters, 3 linked") && text.contains("this supervisor seals"),
        "{text}"
    );
    assert_eq!((&object["status"]["role"], &object["rpc"]), (&json!("supervisor"), &json!(nodes[4].url)));
}

#[test]
fn devnet_is_ready_and_continues() {
    let _turn = take_turn();
    let directory = Directory::new();
    let net = directory.path().join("net");
    let port = free_ports(1)[0];
    let wished = port.to_string();
    let arguments = ["--json", "--rpc-port", &wished];
    let few = [&arguments[..], &["--supervisors", "2"]].concat();

    let mut devnet = Devnet::start(directory.path(), "first", &few);
    let object = devnet.wait_until_ready();
    let all = nodes(&object);
    let role =
        |role: &str| object["nodes"].as_array().unwrap().iter().filter(|node| node["role"] == role).count();
    assert_eq!((role("master"), role("supervisor"), &object["chain_id"]), (4, 2, &json!(20_200_303)));
    let masters = &all[..4];
    let first = wallet(0).address().to_string();
    assert_eq!(object["accounts"][0]["address"].as_str().unwrap().to_lowercase(), first.to_lowercase());
    assert!(all.iter().all(|node| node.third_height().is_some_and(|height| height >= 1)), "not yet ready");
    let payment = transfer(&wallet(0), 0, 5);
    masters[1].call("eth_sendRawTransaction", json!([payment.raw]));
    let receipt = receipt_everywhere(&all, &payment.hash);
    assert_eq!(receipt["status"], "0x1");
    assert_status_shows_both_levels(&all);

    assert!(signal("KILL", &[devnet.pids[2]]));
    let words = devnet.wait_for_words("node-3 runs again as process ");
    devnet.pids[2] = words.rsplit(' ').next().and_then(|pid| pid.parse().ok()).expect("a process id");
    let reached = masters[0].height().expect("an answer");
    until("the restarted node answers", PATIENCE, || masters[2].height().filter(|&height| height >= reached));

    signal("TERM", &[devnet.child.id()]);
    assert!(devnet.wait().success(), "{}", devnet.read_notes());
    assert_nothing_left(&devnet, &net);
    let lines = std::fs::read_to_string(&devnet.output).unwrap();
    assert_eq!(lines.lines().count(), 1, "more than one object: {lines}");

    for (option, words) in [("--masters", "4 masters, not 5"), ("--supervisors", "2 supervisors, not 5")] {
        let mut other = Devnet::start(directory.path(), "other-size", &["--json", option, "5"]);
        assert_eq!(other.wait().code(), Some(1));
        let notes = other.read_notes();
        let remedies = [&format!("leave {option} out"), "--dir", "--reset"];
        assert!(notes.contains(words) && remedies.iter().all(|remedy| notes.contains(*remedy)), "{notes}");
    }

    let _taken = TcpListener::bind(("127.0.0.1", port)).expect("the port is free again");
    let mut devnet = Devnet::start(directory.path(), "second", &arguments);
    let object = devnet.wait_until_ready();
    let all = nodes(&object);
    devnet.wait_for_words(&format!("RPC port {port} is taken; using {} to ", port + 1));
    assert_eq!(object["rpc_url"], format!("http://127.0.0.1:{}", port + 1));
    assert!(all.iter().all(|node| node.third_height().is_some_and(|height| height > reached)));
    assert_eq!(receipt_everywhere(&all, &payment.hash), receipt);
    signal("INT", &[devnet.child.id()]);
    assert!(devnet.wait().success(), "{}", devnet.read_notes());
    assert_nothing_left(&devnet, &net);
}
