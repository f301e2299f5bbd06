//! Clients under way while nodes die: each keeps its own synced files of what it was promised and what it has
//! seen, and those files are the list that the chain is measured by.

use super::rpc::{CallError, Rpc};
use super::wallet::{Transfer, transfer, wallet};
use super::{POLL, random};
use rand::Rng as _;
use rand::rngs::StdRng;
use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

/// Most transfers that a client has under way.
const MOST_UNDER_WAY: u64 = 3;

/// Clients, one account each.
pub struct Load {
    stop: Arc<AtomicBool>,
    clients: Vec<JoinHandle<()>>,
    files: Vec<[PathBuf; 2]>,
}

/// What the clients' files say.
#[derive(Default)]
pub struct Promised {
    /// Transactions that a node has acknowledged.
    pub acknowledged: Vec<String>,
    /// Transactions whose receipt a client has seen, with the block's hash.
    pub seen: Vec<(String, String)>,
}

impl Load {
    /// Starts clients that each use all nodes by turns.
    pub fn start(test: &str, directory: &Path, urls: &[String], clients: u32) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let mut load = Self { stop, clients: Vec::new(), files: Vec::new() };
        for account in 0..clients {
            let paths =
                ["acknowledged", "seen"].map(|what| directory.join(format!("client-{account}-{what}")));
            let [acknowledged, seen] = paths.clone().map(|path| File::create(path).expect("a file"));
            let client = Client {
                account,
                nodes: urls.iter().map(|url| Rpc::new(url.clone())).collect(),
                acknowledged,
                seen,
                random: random(&format!("{test}, client {account}")),
                stop: Arc::clone(&load.stop),
            };
            load.clients.push(std::thread::spawn(move || client.run()));
            load.files.push(paths);
        }
        load
    }

    /// How many transfers the clients have seen final so far.
    pub fn seen_so_far(&self) -> usize {
        self.files.iter().map(|[_, seen]| lines(seen).len()).sum()
    }

    /// Stops the clients and gives what their files say.
    pub fn finish(mut self) -> Promised {
        self.stop.store(true, Ordering::Relaxed);
        for client in self.clients.drain(..) {
            client.join().expect("a client that did not fail");
        }
        let mut promised = Promised::default();
        for [acknowledged, seen] in &self.files {
            promised.acknowledged.extend(lines(acknowledged));
            let pair = |line: String| line.split_once(' ').map(|(one, two)| (one.to_owned(), two.to_owned()));
            promised.seen.extend(lines(seen).into_iter().filter_map(pair));
        }
        promised
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        for client in self.clients.drain(..) {
            // The test has failed already; the client's own failure was printed by its thread.
            let _ = client.join();
        }
    }
}

fn lines(path: &Path) -> Vec<String> {
    std::fs::read_to_string(path).expect("a client's file").lines().map(str::to_owned).collect()
}

struct Client {
    account: u32,
    nodes: Vec<Rpc>,
    acknowledged: File,
    seen: File,
    random: StdRng,
    stop: Arc<AtomicBool>,
}

impl Client {
    fn run(mut self) {
        let from = wallet(self.account);
        let mut nonce = 0;
        while !self.is_stopped() {
            let mut under_way = Vec::new();
            for _ in 0..self.random.random_range(1..=MOST_UNDER_WAY) {
                let transfer = transfer(&from, nonce, nonce + 1);
                if !self.submit(&transfer) {
                    break;
                }
                under_way.push(transfer.hash);
                nonce += 1;
            }
            for hash in under_way {
                self.wait_for_receipt(&hash);
            }
        }
    }

    fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    fn any_node(&mut self) -> Rpc {
        let index = self.random.random_range(0..self.nodes.len());
        self.nodes[index].clone()
    }

    /// Sends until a node has it. What was acknowledged once is never sent again: it is the network's to keep.
    fn submit(&mut self, transfer: &Transfer) -> bool {
        while !self.is_stopped() {
            let node = self.any_node();
            match node.try_call("eth_sendRawTransaction", serde_json::json!([transfer.raw])) {
                Ok(hash) => {
                    assert_eq!(hash, transfer.hash.as_str());
                    write_synced(&mut self.acknowledged, &transfer.hash);
                    return true;
                }
                // The answer to an earlier attempt was lost, its transaction was not.
                Err(CallError::Refused(words))
                    if words.contains("already known") || words.contains("nonce too low") =>
                {
                    return true;
                }
                Err(CallError::Refused(words)) => panic!("{} refuses a transfer: {words}", node.url),
                Err(CallError::NoAnswer(_)) => std::thread::sleep(POLL),
            }
        }
        false
    }

    fn wait_for_receipt(&mut self, hash: &str) {
        while !self.is_stopped() {
            let receipt = self.any_node().receipt(hash).unwrap_or_default();
            if let Some(block) = receipt["blockHash"].as_str() {
                assert_eq!(receipt["status"], "0x1", "{receipt}");
                return write_synced(&mut self.seen, &format!("{hash} {block}"));
            }
            std::thread::sleep(POLL);
        }
    }
}

fn write_synced(file: &mut File, line: &str) {
    file.write_all(format!("{line}\n").as_bytes()).and_then(|()| file.sync_data()).expect("a client's file");
}
