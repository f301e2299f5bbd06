//! The live line: what a node says about its newest final block, and how far the third state and its seals are.

use super::plan::NodePlan;
use crate::client::{Heights, RpcClient, quantity, seal_count};
use btn_types::NodeId;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// How often a node is asked for its heights. Time to final is measured to this precision.
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
    masters: usize,
    supervisors: usize,
    current: usize,
    heights: Heights,
    final_within_ms: Option<u64>,
    interval: Duration,
    shown: Option<(Instant, Heights)>,
}

impl Observer {
    /// Follows these nodes, whose ids stand in the same order, masters first.
    pub fn new(client: RpcClient, plans: &[NodePlan], ids: &[NodeId], terminal: bool) -> Self {
        let masters = plans.iter().filter(|plan| plan.is_master()).count();
        Self {
            client,
            urls: plans.iter().map(NodePlan::rpc_url).collect(),
            names: ids.iter().copied().zip(plans.iter().map(|plan| plan.name.clone())).collect(),
            masters,
            supervisors: plans.len() - masters,
            current: 0,
            heights: Heights::default(),
            final_within_ms: None,
            interval: if terminal { TERMINAL_INTERVAL } else { PLAIN_INTERVAL },
            shown: None,
        }
    }

    /// Looks once; gives a line where there is something new and the last one is old enough. Blocks.
    pub fn look(&mut self) -> Option<String> {
        let url = self.urls.get(self.current)?.clone();
        let Ok(heights) = self.client.heights(&url) else {
            self.current = (self.current + 1) % self.urls.len();
            return None;
        };
        if heights.latest > self.heights.latest {
            let first_look = self.heights.latest == 0;
            let number = hex(heights.latest);
            let block = self.client.call(&url, "eth_getBlockByNumber", &json!([number, false])).ok()?;
            // At the first look the block may be final since long.
            self.final_within_ms = if first_look { None } else { age_ms(&block) };
        }
        self.heights = heights;
        let due =
            self.shown.is_none_or(|(when, shown)| when.elapsed() >= self.interval && shown != self.heights);
        if !due {
            return None;
        }
        let line = self.line(&url)?;
        self.shown = Some((Instant::now(), self.heights));
        Some(line)
    }

    fn line(&self, url: &str) -> Option<String> {
        let height = hex(self.heights.latest);
        let block = self.client.call(url, "eth_getBlockByNumber", &json!([height, false])).ok()?;
        let certificate = self.client.call(url, "btn_getCertificate", &json!([height])).unwrap_or_default();
        let seals = (self.supervisors > 0).then(|| {
            let answer = self.client.call(url, "btn_getSeals", &json!([hex(self.heights.third)]));
            (answer.ok().and_then(|answer| seal_count(&answer)), self.supervisors)
        });
        let mut parts = vec![describe_states(self.heights, seals)];
        parts.extend(describe(&block, &certificate, &self.names, self.masters, self.final_within_ms));
        Some(parts.join("  "))
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

/// The three heights that matter, and seals of the newest block in the third state.
fn describe_states(heights: Heights, seals: Option<(Option<u64>, usize)>) -> String {
    let Heights { latest, third } = heights;
    match seals {
        // Without supervisors every final block is in the third state.
        None => format!("final {latest}"),
        Some((None, _)) => format!("final {latest} · third {third}"),
        Some((Some(count), all)) => format!("final {latest} · third {third} · seals {count}/{all}"),
    }
}

/// The rest of the line. What a node does not tell is left out.
fn describe(
    block: &Value,
    certificate: &Value,
    names: &BTreeMap<NodeId, String>,
    masters: usize,
    final_within_ms: Option<u64>,
) -> Vec<String> {
    let poe = &block["poe"];
    let number = |name: &str, value: &Value| quantity(value).map(|value| format!("{name} {value}"));
    let clerk = || {
        let id: NodeId = serde_json::from_value(poe["clerk"].clone()).ok()?;
        Some(format!("clerk {}", names.get(&id).cloned().unwrap_or_else(|| id.short())))
    };
    let signers = certificate["certificate"]["signers"].as_array();
    let parts = [
        number("view", &poe["view"]),
        number("round", &poe["round"]),
        clerk(),
        number("zeros", &poe["zeros"]),
        signers.map(|signers| format!("signers {}/{masters}", signers.len())),
        block["transactions"].as_array().map(|transactions| format!("transactions {}", transactions.len())),
        final_within_ms.map(|time_ms| format!("final within {time_ms} ms")),
    ];
    parts.into_iter().flatten().collect()
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
            describe(&block, &certificate, &names, 4, Some(182)).join("  "),
            "view 14  round 1  clerk node-2  zeros 3  signers 2/4  transactions 2  final within 182 ms"
        );
        assert!(describe(&json!({"number": "0x1"}), &json!(null), &names, 4, None).is_empty());
    }

    #[test]
    fn the_states_stand_first() {
        let heights = Heights { latest: 123, third: 122 };
        let line = describe_states(heights, Some((Some(14), 16)));
        assert_eq!(line, "final 123 · third 122 · seals 14/16");
        assert_eq!(describe_states(heights, Some((None, 16))), "final 123 · third 122");
        assert_eq!(describe_states(Heights { latest: 7, third: 7 }, None), "final 7");
    }
}
