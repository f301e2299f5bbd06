//! The live line: what a node says about its newest finalised block.

use super::children::NodePlan;
use super::client::{RpcClient, quantity};
use btn_types::NodeId;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// How often a node is asked for its height. Time to final is measured to this precision.
pub const POLL: Duration = Duration::from_millis(100);

/// Least time between two changes of a line on a terminal.
const TERMINAL_INTERVAL: Duration = Duration::from_millis(250);

/// Least time between two lines elsewhere.
const PLAIN_INTERVAL: Duration = Duration::from_secs(5);

/// Follows the chain through the first node that answers.
pub struct Observer {
    client: RpcClient,
    urls: Vec<String>,
    names: BTreeMap<NodeId, String>,
    current: usize,
    height: u64,
    final_within_ms: Option<u64>,
    interval: Duration,
    shown: Option<(Instant, u64)>,
}

impl Observer {
    /// Follows these nodes, whose ids stand in the same order.
    pub fn new(client: RpcClient, plans: &[NodePlan], ids: &[NodeId], terminal: bool) -> Self {
        Self {
            client,
            urls: plans.iter().map(NodePlan::rpc_url).collect(),
            names: ids.iter().copied().zip(plans.iter().map(|plan| plan.name.clone())).collect(),
            current: 0,
            height: 0,
            final_within_ms: None,
            interval: if terminal { TERMINAL_INTERVAL } else { PLAIN_INTERVAL },
            shown: None,
        }
    }

    /// Looks once; gives a line where there is something new and the last one is old enough. Blocks.
    pub fn look(&mut self) -> Option<String> {
        let url = self.urls.get(self.current)?.clone();
        let Ok(height) = self.client.height(&url) else {
            self.current = (self.current + 1) % self.urls.len();
            return None;
        };
        if height > self.height {
            let first_look = self.height == 0;
            self.height = height;
            let block = self.client.call(&url, "eth_getBlockByNumber", &json!([hex(height), false])).ok()?;
            // At the first look the block may be final since long.
            self.final_within_ms = if first_look { None } else { age_ms(&block) };
        }
        let due =
            self.shown.is_none_or(|(when, shown)| when.elapsed() >= self.interval && shown != self.height);
        if !due {
            return None;
        }
        let line = self.line(&url)?;
        self.shown = Some((Instant::now(), self.height));
        Some(line)
    }

    fn line(&self, url: &str) -> Option<String> {
        let height = hex(self.height);
        let block = self.client.call(url, "eth_getBlockByNumber", &json!([height, false])).ok()?;
        let certificate = self.client.call(url, "btn_getCertificate", &json!([height])).unwrap_or_default();
        Some(describe(&block, &certificate, &self.names, self.final_within_ms))
    }
}

fn hex(height: u64) -> String {
    format!("{height:#x}")
}

/// Milliseconds from the block's timestamp until now, on this machine's clock.
fn age_ms(block: &Value) -> Option<u64> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).ok()?.as_millis();
    u64::try_from(now).ok()?.checked_sub(quantity(&block["milliTimestamp"])?)
}

/// The line's words. What a node does not tell is left out.
fn describe(
    block: &Value,
    certificate: &Value,
    names: &BTreeMap<NodeId, String>,
    final_within_ms: Option<u64>,
) -> String {
    let poe = &block["poe"];
    let number = |name: &str, value: &Value| quantity(value).map(|value| format!("{name} {value}"));
    let clerk = || {
        let id: NodeId = serde_json::from_value(poe["clerk"].clone()).ok()?;
        Some(format!("clerk {}", names.get(&id).cloned().unwrap_or_else(|| id.short())))
    };
    let signers = certificate["certificate"]["signers"].as_array();
    let parts = [
        number("height", &block["number"]),
        number("view", &poe["view"]),
        number("round", &poe["round"]),
        clerk(),
        number("zeros", &poe["zeros"]),
        signers.map(|signers| format!("signers {}/{}", signers.len(), names.len())),
        block["transactions"].as_array().map(|transactions| format!("transactions {}", transactions.len())),
        final_within_ms.map(|time_ms| format!("final within {time_ms} ms")),
    ];
    parts.into_iter().flatten().collect::<Vec<_>>().join("  ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use btn_types::B256;

    #[test]
    fn the_line_names_what_the_node_tells() {
        let id = NodeId(B256::repeat_byte(3));
        let names = BTreeMap::from([(id, "node-2".to_owned()), (NodeId::default(), "node-1".to_owned())]);
        let block = json!({
            "number": "0xc", "transactions": ["0x1", "0x2"],
            "poe": {"view": "0xe", "round": "0x1", "clerk": id, "zeros": "0x3"},
        });
        let certificate = json!({"certificate": {"signers": [{"index": 0}, {"index": 1}]}});
        assert_eq!(
            describe(&block, &certificate, &names, Some(182)),
            "height 12  view 14  round 1  clerk node-2  zeros 3  signers 2/2  transactions 2  final within 182 ms"
        );
        assert_eq!(describe(&json!({"number": "0x1"}), &json!(null), &names, None), "height 1");
    }
}
