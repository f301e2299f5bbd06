//! `btn status`: asks one node, master or supervisor, about both levels and the last blocks with their states.

mod text;

use crate::client::{RpcClient, quantity, seal_count};
use crate::output::{print_json, print_line};
use btn_node::config::DEFAULT_RPC_PORT;
use btn_types::{B256, NodeId};
use clap::Args;
use eyre::{WrapErr as _, eyre};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::time::{SystemTime, UNIX_EPOCH};

/// Final blocks that are shown.
const SHOWN_BLOCKS: u64 = 8;

/// Show a running network: both levels, and the last blocks with their states.
#[derive(Debug, Args)]
pub struct StatusArgs {
    /// JSON-RPC of the node to ask, a master or a supervisor [default: http://127.0.0.1:8545]
    #[arg(long, value_name = "URL")]
    rpc: Option<String>,
    /// Print one JSON object instead of text
    #[arg(long)]
    json: bool,
}

/// What is printed with `--json`.
#[derive(Debug, Serialize)]
struct StatusReport {
    /// Who was asked.
    rpc: String,
    /// Its `btn_status`.
    status: Value,
    /// Newest first.
    blocks: Vec<BlockReport>,
}

/// One block.
#[derive(Debug, Serialize)]
struct BlockReport {
    height: u64,
    hash: Option<B256>,
    /// `first`, `second` or `third` (C5).
    state: String,
    /// Whether it has a Finalization, its own or a descendant's.
    r#final: bool,
    clerk: Option<NodeId>,
    transactions: usize,
    /// From its timestamp until now, on this machine's clock.
    age_ms: Option<u64>,
    /// Seals of it that the node knows.
    seals: u64,
    /// Seals on one block that make its second state.
    seals_required: u64,
}

/// Asks and prints.
///
/// # Errors
/// Nothing answers, or what answers is no node of this version.
pub fn run(args: &StatusArgs) -> eyre::Result<()> {
    let url = args.rpc.clone().unwrap_or_else(|| format!("http://127.0.0.1:{DEFAULT_RPC_PORT}"));
    let client = RpcClient::new();
    let status = client.call(&url, "btn_status", &json!([])).map_err(|error| {
        eyre!("no BTN node answers at {url} ({}); start one, or name another with --rpc", error.root_cause())
    })?;
    let blocks = blocks(&client, &url, &status).wrap_err("the node's answers are not understood")?;
    let report = StatusReport { rpc: url, status, blocks };
    if args.json {
        return print_json(&report);
    }
    print_line(&text::describe(&report));
    Ok(())
}

/// The notarized head where it is not final yet, and the last final blocks.
fn blocks(client: &RpcClient, url: &str, status: &Value) -> eyre::Result<Vec<BlockReport>> {
    let latest = quantity(&status["height"]).ok_or_else(|| eyre!("`height` is {}", status["height"]))?;
    let look = |block: String| -> eyre::Result<Option<BlockReport>> {
        let shown = client.call(url, "eth_getBlockByNumber", &json!([block, false]))?;
        let seals = client.call(url, "btn_getSeals", &json!([block]))?;
        Ok(BlockReport::of(&shown, &seals, now_ms()))
    };
    let pending = look("pending".to_owned())?.filter(|block| block.height > latest);
    let mut blocks: Vec<_> = pending.into_iter().collect();
    for height in (latest.saturating_sub(SHOWN_BLOCKS - 1)..=latest).rev() {
        blocks.extend(look(format!("{height:#x}"))?);
    }
    Ok(blocks)
}

fn now_ms() -> Option<u64> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).ok()?;
    u64::try_from(now.as_millis()).ok()
}

/// A value of JSON, where it has the type.
fn read<T: for<'de> Deserialize<'de>>(value: &Value) -> Option<T> {
    T::deserialize(value).ok()
}

impl BlockReport {
    /// From the answers about one block; `None` where the node does not have it (any more).
    fn of(shown: &Value, seals: &Value, now_ms: Option<u64>) -> Option<Self> {
        let timestamp_ms = quantity(&shown["milliTimestamp"]);
        Some(Self {
            height: quantity(&seals["number"])?,
            hash: read(&seals["hash"]),
            state: read(&seals["state"])?,
            r#final: read(&seals["final"])?,
            clerk: read(&shown["poe"]["clerk"]),
            transactions: shown["transactions"].as_array().map_or(0, Vec::len),
            age_ms: now_ms.zip(timestamp_ms).and_then(|(now, then)| now.checked_sub(then)),
            seals: seal_count(seals)?,
            seals_required: quantity(&seals["required"])?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_is_read_from_two_answers() {
        let (hash, clerk) = (B256::repeat_byte(7), NodeId(B256::repeat_byte(3)));
        let shown = json!({"transactions": ["0x1"], "milliTimestamp": "0x3e8", "poe": {"clerk": clerk}});
        let seals = json!({
            "number": "0xc", "hash": hash, "state": "first", "final": true, "count": "0x2", "required": "0x6",
        });
        let block = BlockReport::of(&shown, &seals, Some(1_250)).unwrap();
        assert_eq!((block.height, block.hash, block.clerk), (12, Some(hash), Some(clerk)));
        assert_eq!((block.state.as_str(), block.r#final, block.transactions), ("first", true, 1));
        assert_eq!((block.seals, block.seals_required, block.age_ms), (2, 6, Some(250)));
        assert!(BlockReport::of(&shown, &Value::Null, None).is_none(), "a block the node does not have");
    }

    #[test]
    fn nobody_there_is_said_in_one_sentence() {
        // Port 9 of loopback: nobody listens on it.
        let args = StatusArgs { rpc: Some("http://127.0.0.1:9".to_owned()), json: false };
        let message = run(&args).unwrap_err().to_string();
        assert!(message.starts_with("no BTN node answers at http://127.0.0.1:9 ("), "{message}");
        assert!(message.ends_with("start one, or name another with --rpc"), "{message}");
    }
}
