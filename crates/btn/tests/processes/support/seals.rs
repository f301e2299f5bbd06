//! What seal logs and the chain say of supervisors: no core sealed twice, and no seal in the world that is not in
//! its supervisor's log (C8).

use super::journal;
use super::network::Network;
use super::rpc::Rpc;
use btn_types::{B256, JournalRecord, NodeId, Seal, SealRecord, decode_exact};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;

/// The seal log of a supervisor that does not run, in the order written.
pub fn read_log(network: &Network, node: usize) -> Vec<SealRecord> {
    let records = journal::read(network, node).into_iter();
    let sealed = records.filter_map(|record| match record {
        JournalRecord::Sealed(record) => Some(*record),
        _ => None,
    });
    sealed.collect()
}

/// The seals of these blocks that a node knows.
#[track_caller]
pub fn on_chain(rpc: &Rpc, heights: RangeInclusive<u64>) -> Vec<Seal> {
    let mut seals = Vec::new();
    for height in heights {
        let answer = rpc.seals(height);
        for shown in answer["seals"].as_array().unwrap_or_else(|| panic!("no seals of {height}: {answer}")) {
            let raw = shown["raw"].as_str().and_then(|raw| raw.strip_prefix("0x")).expect("hex");
            let seal: Seal = decode_exact(&hex::decode(raw).expect("hex")).expect("a seal");
            assert_eq!(answer["hash"], seal.block_hash.to_string(), "a seal of another block at {height}");
            seals.push(seal);
        }
    }
    seals
}

/// Cores that one supervisor sealed with two hashes.
pub fn double_seals<'a>(seals: impl IntoIterator<Item = &'a Seal>) -> Vec<String> {
    let mut hashes: BTreeMap<(NodeId, B256), BTreeSet<B256>> = BTreeMap::new();
    for seal in seals {
        hashes.entry((seal.supervisor, seal.core)).or_default().insert(seal.block_hash);
    }
    let double = hashes.into_iter().filter(|(_, hashes)| hashes.len() > 1);
    double.map(|((id, core), hashes)| format!("{id} sealed core {core} for {hashes:?}")).collect()
}

/// Checks the log of one supervisor, which does not run, and gives how many seals it holds.
#[track_caller]
pub fn check_log(network: &Network, node: usize) -> usize {
    let log = read_log(network, node);
    let found = double_seals(log.iter().map(|record| &record.seal));
    assert!(found.is_empty(), "the log of {}: {found:?}", network.nodes[node].name);
    let stranger = log.iter().find(|record| record.seal.supervisor != network.ids[node]);
    assert!(stranger.is_none(), "{} keeps a seal of somebody else: {stranger:?}", network.nodes[node].name);
    log.len()
}

/// Checks the logs of all supervisors, none of which runs, against each other and against what the world saw.
#[track_caller]
pub fn check_all(network: &Network, world: &[Seal]) -> usize {
    let logs = network.supervisors().into_iter().flat_map(|node| read_log(network, node));
    let logged: Vec<Seal> = logs.map(|record| record.seal).collect();
    let known: BTreeSet<_> = logged.iter().map(|seal| (seal.supervisor, seal.block_hash)).collect();
    let mut found = double_seals(logged.iter().chain(world));
    let unknown = world.iter().filter(|seal| !known.contains(&(seal.supervisor, seal.block_hash)));
    found.extend(
        unknown.map(|seal| format!("{} does not know its seal of {}", seal.supervisor, seal.block_hash)),
    );
    assert!(found.is_empty(), "{} faults:\n{}", found.len(), found.join("\n"));
    logged.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seal(supervisor: u8, core: u8, hash: u8) -> Seal {
        Seal {
            supervisor: NodeId(B256::repeat_byte(supervisor)),
            core: B256::repeat_byte(core),
            draw_signature: Default::default(),
            block_hash: B256::repeat_byte(hash),
            signature: Default::default(),
        }
    }

    #[test]
    fn two_hashes_for_one_core_are_found() {
        let honest = [seal(1, 1, 1), seal(1, 1, 1), seal(2, 1, 2), seal(1, 2, 2)];
        assert!(double_seals(&honest).is_empty());
        assert_eq!(double_seals(&[seal(1, 1, 1), seal(2, 1, 1), seal(1, 1, 2)]).len(), 1);
    }
}
