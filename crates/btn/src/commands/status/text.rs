//! The words and tables of `btn status`.

use super::{BlockReport, StatusReport, read};
use crate::client::quantity;
use crate::output::table;
use btn_types::{B256, NodeId};
use serde_json::Value;

/// Hex digits of a block's hash that are shown.
const SHORT_HASH: usize = 8;

/// Everything, as text.
pub(super) fn describe(report: &StatusReport) -> String {
    let status = &report.status;
    let parts = [heading(report), masters(status), supervisors(status), blocks(&report.blocks)];
    parts.join("\n\n")
}

fn number(value: &Value) -> String {
    quantity(value).map_or_else(|| "-".to_owned(), |value| value.to_string())
}

fn words(value: &Value) -> Option<&str> {
    value.as_str().filter(|text| !text.is_empty())
}

fn id(value: &Value) -> String {
    read::<NodeId>(value).map_or_else(|| "-".to_owned(), |id| id.short())
}

fn heading(report: &StatusReport) -> String {
    let status = &report.status;
    let condition = match (status["ready"].as_bool(), words(&status["notReadyReason"])) {
        (Some(true), _) => "ready".to_owned(),
        (_, reason) => format!("not ready: {}", reason.unwrap_or("no reason given")),
    };
    format!(
        "{} {} at {}, chain {}, genesis {}\nfinal {} · third state {} · view {} · {condition}",
        words(&status["role"]).unwrap_or("node"),
        id(&status["nodeId"]),
        report.rpc,
        number(&status["chainId"]),
        words(&status["genesisHash"]).unwrap_or("-"),
        number(&status["height"]),
        number(&status["thirdHeight"]),
        number(&status["view"]),
    )
}

fn list<'a>(status: &'a Value, name: &str) -> &'a [Value] {
    status[name].as_array().map_or(&[], Vec::as_slice)
}

fn linked(value: &Value) -> String {
    if value["connected"] == true { "yes" } else { "no" }.to_owned()
}

/// Why there is no link, in the node's own words.
fn trouble(value: &Value) -> String {
    let dropped = words(&value["droppedReason"]).map(|reason| format!("dropped: {reason}"));
    let failed = || words(&value["lastError"]).filter(|_| value["connected"] != true).map(str::to_owned);
    dropped.or_else(failed).unwrap_or_default()
}

fn count_connected(nodes: &[Value]) -> usize {
    nodes.iter().filter(|node| node["connected"] == true).count()
}

fn masters(status: &Value) -> String {
    let peers = list(status, "peers");
    let asked_is_master = status["role"] == "master";
    let all = peers.len() + usize::from(asked_is_master);
    let mut rows = Vec::new();
    if asked_is_master {
        let observing = if status["observing"] == true { "observes only: its vote log is lost" } else { "" };
        let [id, linked, none] = [id(&status["nodeId"]), "itself".to_owned(), String::new()];
        rows.push(vec![id, linked, none.clone(), none, observing.to_owned()]);
    }
    rows.extend(peers.iter().map(|peer| {
        let address = words(&peer["address"]).unwrap_or_default().to_owned();
        let rtt = quantity(&peer["rttMs"]).map_or_else(String::new, |rtt_ms| format!("{rtt_ms} ms"));
        vec![id(&peer["id"]), linked(peer), address, rtt, trouble(peer)]
    }));
    let head = format!("level 1: {all} masters, {} linked with this node", count_connected(peers));
    format!("{head}\n{}", table(&["master", "linked", "address", "round trip", ""], &rows))
}

fn supervisors(status: &Value) -> String {
    if status["role"] == "supervisor" {
        return own_sealing(&status["sealing"], status["observing"] == true);
    }
    let supervisors = list(status, "supervisors");
    let registered = number(&status["supervisorsRegistered"]);
    if quantity(&status["supervisorsRegistered"]) == Some(0) {
        return "level 2: no supervisors; every final block is in the third state".to_owned();
    }
    let row = |supervisor: &Value| {
        let reported = &supervisor["reported"];
        vec![
            id(&supervisor["id"]),
            linked(supervisor),
            number(&reported["height"]),
            number(&reported["thirdHeight"]),
            number(&supervisor["lastSealedHeight"]),
            trouble(supervisor),
        ]
    };
    let rows: Vec<_> = supervisors.iter().map(row).collect();
    let head = format!(
        "level 2: {registered} supervisors, {} linked with this node",
        number(&status["supervisorsConnected"])
    );
    format!("{head}\n{}", table(&["supervisor", "linked", "final", "third", "last sealed", ""], &rows))
}

/// A supervisor knows no other ones.
fn own_sealing(sealing: &Value, log_is_lost: bool) -> String {
    let (made, last) = (number(&sealing["sealsMade"]), number(&sealing["lastSealedHeight"]));
    let alarm = words(&sealing["alarm"]);
    let state = match (sealing["sealing"] == true, &alarm) {
        (true, _) => "seals",
        // An alarm has its own remedy: the log is there.
        (false, Some(_)) => "abstains",
        (false, None) if log_is_lost => "abstains, as its seal log is lost",
        (false, None) => "abstains",
    };
    let alarm = alarm.map(|alarm| format!("\nlevel 2: {alarm}")).unwrap_or_default();
    format!("level 2: this supervisor {state}; {made} seals since its start, last sealed block {last}{alarm}")
}

fn blocks(blocks: &[BlockReport]) -> String {
    let row = |block: &BlockReport| {
        vec![
            block.height.to_string(),
            block.state.clone(),
            if block.r#final { "yes" } else { "no" }.to_owned(),
            short_hash(block.hash),
            block.clerk.map_or_else(|| "-".to_owned(), |clerk| clerk.short()),
            block.transactions.to_string(),
            format!("{} of {}", block.seals, block.seals_required),
            block.age_ms.map_or_else(|| "-".to_owned(), age),
        ]
    };
    let header = ["block", "state", "final", "hash", "clerk", "transactions", "seals", "age"];
    table(&header, &blocks.iter().map(row).collect::<Vec<_>>())
}

fn short_hash(hash: Option<B256>) -> String {
    hash.map_or_else(|| "-".to_owned(), |hash| hash.to_string().chars().skip(2).take(SHORT_HASH).collect())
}

/// Milliseconds in words.
fn age(age_ms: u64) -> String {
    match age_ms / 1000 {
        0..10 => format!("{}.{} s", age_ms / 1000, age_ms % 1000 / 100),
        seconds @ 10..120 => format!("{seconds} s"),
        seconds @ 120..7_200 => format!("{} min", seconds / 60),
        seconds => format!("{} h", seconds / 3_600),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn node(byte: u8) -> NodeId {
        NodeId(B256::repeat_byte(byte))
    }

    fn report(status: Value) -> StatusReport {
        let block = |height, state: &str, is_final, seals| BlockReport {
            height,
            hash: Some(B256::repeat_byte(7)),
            state: state.to_owned(),
            r#final: is_final,
            clerk: Some(node(1)),
            transactions: 2,
            age_ms: Some(1_930),
            seals,
            seals_required: 6,
        };
        let blocks =
            vec![block(14, "second", false, 7), block(13, "first", true, 2), block(12, "third", true, 16)];
        StatusReport { rpc: "http://h:1".into(), status, blocks }
    }

    #[test]
    fn a_master_shows_both_levels_and_the_states() {
        let text = describe(&report(json!({
            "role": "master", "nodeId": node(1), "chainId": "0x7", "genesisHash": "0xabc", "height": "0xd",
            "thirdHeight": "0xc", "view": "0x10", "ready": true, "observing": false,
            "peers": [
                {"id": node(2), "connected": true, "address": "h:2", "rttMs": "0x3", "lastError": "old"},
                {"id": node(3), "connected": false, "lastError": "timed out"},
            ],
            "supervisorsRegistered": "0x2", "supervisorsConnected": "0x1",
            "supervisors": [
                {"id": node(4), "connected": true, "reported": {"height": "0xd", "thirdHeight": "0xc"},
                 "lastSealedHeight": "0xd"},
                {"id": node(5), "connected": false, "lastError": "closed"},
            ],
        })));
        for line in [
            "master 01010101 at http://h:1, chain 7, genesis 0xabc",
            "final 13 · third state 12 · view 16 · ready",
            "level 1: 3 masters, 1 linked with this node",
            "01010101  itself",
            "02020202  yes     h:2      3 ms",
            "03030303  no                           timed out",
            "level 2: 2 supervisors, 1 linked with this node",
            "04040404    yes     13     12     13",
            "05050505    no      -      -      -            closed",
            "14     second  no     07070707  01010101  2             7 of 6   1.9 s",
            "13     first   yes    07070707  01010101  2             2 of 6   1.9 s",
            "12     third   yes    07070707  01010101  2             16 of 6  1.9 s",
        ] {
            assert!(text.lines().any(|found| found == line), "`{line}` is not a line of\n{text}");
        }
    }

    #[test]
    fn a_supervisor_says_how_it_seals_and_whom_it_dropped() {
        let text = describe(&report(json!({
            "role": "supervisor", "nodeId": node(9), "observing": true, "ready": false, "notReadyReason": "no master",
            "peers": [{"id": node(2), "connected": false, "droppedReason": "its block lies", "lastError": "x"}],
            "sealing": {"sealing": false, "sealsMade": "0x0", "lastSealedHeight": null, "alarm": "two hashes"},
        })));
        for line in [
            "final - · third state - · view - · not ready: no master",
            "level 1: 1 masters, 0 linked with this node",
            "02020202  no                           dropped: its block lies",
            "level 2: this supervisor abstains; 0 seals since its start, last sealed block -",
            "level 2: two hashes",
        ] {
            assert!(text.lines().any(|found| found == line), "`{line}` is not a line of\n{text}");
        }
        let sealing = json!({"sealing": false, "sealsMade": "0x0", "lastSealedHeight": null, "alarm": null});
        let lost = own_sealing(&sealing, true);
        assert!(lost.contains("abstains, as its seal log is lost"), "{lost}");
    }

    #[test]
    fn ages_are_short() {
        let ages = [0, 9_999, 10_000, 119_999, 120_000, 7_199_999, 90_000_000].map(age);
        assert_eq!(ages, ["0.0 s", "9.9 s", "10 s", "119 s", "2 min", "119 min", "25 h"]);
    }
}
