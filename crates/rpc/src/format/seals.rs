//! JSON objects of the second level: seals and registered supervisors (C8).

use super::raw;
use crate::SupervisorsInfo;
use alloy_primitives::{U64, U512};
use btn_types::genesis::SupervisorRecord;
use btn_types::{Address, B256, Bytes, NodeId, Seal, U256, sha256};
use serde::Serialize;

/// State of a block as the paper counts (C5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum BlockState {
    /// Proposed and broadcast.
    First,
    /// Sealed by enough supervisors.
    Second,
    /// Final and sealed.
    Third,
}

/// What a verifier needs to know of the registered supervisors as a whole.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RegistryObject {
    /// s_min: seals on one block that make its second state.
    required: U64,
    /// S.
    registered: U64,
    /// λ.
    expected_seals: U64,
    /// A draw must be below this; `null` where everyone is drawn.
    draw_limit: Option<U256>,
    supervisors_root: B256,
}

impl From<&SupervisorsInfo> for RegistryObject {
    fn from(supervisors: &SupervisorsInfo) -> Self {
        Self {
            required: U64::from(supervisors.quorum),
            registered: U64::from(supervisors.records.len()),
            expected_seals: U64::from(supervisors.expected_seals),
            draw_limit: draw_limit(supervisors.expected_seals, supervisors.records.len() as u64),
            supervisors_root: supervisors.root,
        }
    }
}

/// ⌊2²⁵⁶·λ/S⌋ (C8); `None` where S ≤ λ and so everyone is drawn.
fn draw_limit(expected_seals: u64, registered: u64) -> Option<U256> {
    (registered > expected_seals)
        .then(|| U256::wrapping_from((U512::from(expected_seals) << 256) / U512::from(registered)))
}

/// One supervisor's seal with the proof that it is registered.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SealObject {
    supervisor: NodeId,
    /// Leaf of the supervisor's id in the supervisors' tree.
    index: U64,
    /// SHA-256 of the draw signature.
    draw: B256,
    draw_signature: Bytes,
    signature: Bytes,
    /// Audit path from the leaf to the supervisors' root.
    membership: Vec<B256>,
    /// RLP of the seal.
    raw: Bytes,
}

impl SealObject {
    pub(crate) fn new(seal: Seal, index: usize, membership: Vec<B256>) -> Self {
        Self {
            supervisor: seal.supervisor,
            index: U64::from(index),
            draw: sha256(&seal.draw_signature),
            raw: raw(&seal),
            draw_signature: seal.draw_signature,
            signature: seal.signature,
            membership,
        }
    }
}

/// `btn_getSupervisors`' answer: a page of the registry.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SupervisorsObject<'a> {
    genesis_hash: B256,
    #[serde(flatten)]
    registry: RegistryObject,
    /// Place of the first one listed.
    from: U64,
    supervisors: Vec<RecordObject<'a>>,
    /// Where the next page begins; `null` after the last.
    next: Option<U64>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RecordObject<'a> {
    index: U64,
    id: NodeId,
    payout: Address,
    rsa_public_key: &'a Bytes,
    rsa_permutation_proof: &'a [Bytes],
}

impl<'a> SupervisorsObject<'a> {
    /// The page of at most `count` records from a place on; empty past the last.
    pub(crate) fn page(supervisors: &'a SupervisorsInfo, from: u64, count: u64, genesis_hash: B256) -> Self {
        let all = &supervisors.records;
        let total = all.len() as u64;
        let first = from.min(total);
        let end = first.saturating_add(count).min(total);
        let record = |(index, record): (u64, &'a SupervisorRecord)| RecordObject {
            index: U64::from(index),
            id: record.id,
            payout: record.payout,
            rsa_public_key: &record.rsa_public_key,
            rsa_permutation_proof: &record.rsa_permutation_proof,
        };
        let listed = all.get(first as usize..end as usize).unwrap_or_default();
        Self {
            genesis_hash,
            registry: RegistryObject::from(supervisors),
            from: U64::from(from),
            supervisors: (first..).zip(listed).map(record).collect(),
            next: (end < total && count > 0).then(|| U64::from(end)),
        }
    }
}

#[cfg(test)]
mod tests {
    //! The bar that draws are held against.

    use super::*;
    use btn_crypto::{Draw, SealVerifier, Supervisors};
    use btn_types::Genesis;
    use std::sync::Arc;

    struct Nobody;

    impl SealVerifier for Nobody {
        fn verify(&self, _: usize, _: B256, _: &[u8]) -> bool {
            false
        }
    }

    fn genesis(supervisors: u64, expected_seals: u64) -> Genesis {
        let record = |place: u64| SupervisorRecord {
            id: NodeId(sha256(&place.to_be_bytes())),
            rsa_public_key: Bytes::new(),
            rsa_permutation_proof: Vec::new(),
            network_key: B256::ZERO,
            payout: Address::ZERO,
        };
        let mut consensus = btn_types::genesis::ConsensusParameters::DEVNET;
        consensus.expected_seals = expected_seals;
        Genesis {
            chain_id: 1,
            timestamp_ms: 0,
            gas_limit: 30_000_000,
            base_fee: btn_types::genesis::BaseFeeParameters::DEVNET,
            consensus,
            alloc: Default::default(),
            nodes: Vec::new(),
            supervisors: (0..supervisors).map(record).collect(),
        }
    }

    #[test]
    fn the_draw_limit_shown_is_the_one_enforced() {
        assert_eq!(draw_limit(128, 0), None);
        assert_eq!(draw_limit(128, 128), None, "at λ supervisors everyone is drawn");
        assert_eq!(draw_limit(1, 2), Some(U256::from(1) << 255));
        for (expected_seals, registered) in [(1, 2), (2, 3), (128, 129), (4, 1_000)] {
            let limit = draw_limit(expected_seals, registered).expect("fewer drawn than registered");
            let supervisors =
                Supervisors::from_genesis(&genesis(registered, expected_seals), B256::ZERO, Arc::new(Nobody));
            let is_drawn = |draw: U256| supervisors.is_drawn(Draw(B256::from(draw)));
            assert!(is_drawn(limit - U256::from(1)), "{expected_seals} of {registered}");
            assert!(!is_drawn(limit), "{expected_seals} of {registered}");
        }
    }
}
