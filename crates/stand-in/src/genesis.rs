//! A genesis file whose records carry stand-in keys: unique, well-formed in length, and no keys at all.

use crate::{digest, expand};
use btn_types::genesis::{
    BaseFeeParameters, ConsensusParameters, GenesisAccount, Level, NodeRecord, SupervisorRecord,
};
use btn_types::{Address, B256, Bytes, Genesis, NodeId, VoteKey, VoteSignature, sha256};
use std::collections::BTreeMap;

/// Chain id of simulated networks; the devnet's.
const CHAIN_ID: u64 = 20_200_303;

/// Genesis time of simulated networks, milliseconds since the Unix epoch.
const TIMESTAMP_MS: u64 = 1_700_000_000_000;

/// A genesis of `members` masters that [`Genesis::check`] accepts up to its limit of members. The records stand
/// ascending by id, as [`Genesis::committee`] has them: record `i` is member `i`, with a payout
/// address of its own. Their keys cannot verify anything; use
/// [`crate::StandInVerifier`]. Nobody supervises.
#[must_use]
pub fn stand_in_genesis(
    members: usize,
    parameters: ConsensusParameters,
    alloc: BTreeMap<Address, GenesisAccount>,
) -> Genesis {
    stand_in_genesis_with_supervisors(members, 0, parameters, alloc)
}

/// [`stand_in_genesis`] with `supervisors` supervisors, likewise ascending by id: record `i` is at place `i` of
/// [`Genesis::sealing`]. Use [`crate::StandInSealVerifier`].
#[must_use]
pub fn stand_in_genesis_with_supervisors(
    members: usize,
    supervisors: usize,
    parameters: ConsensusParameters,
    alloc: BTreeMap<Address, GenesisAccount>,
) -> Genesis {
    let mut nodes: Vec<_> = (0..members as u64).map(stand_in_record).collect();
    nodes.sort_by_key(|node| node.id);
    let mut supervisors: Vec<_> = (0..supervisors as u64).map(stand_in_supervisor).collect();
    supervisors.sort_by_key(|supervisor| supervisor.id);
    Genesis {
        chain_id: CHAIN_ID,
        timestamp_ms: TIMESTAMP_MS,
        gas_limit: 30_000_000,
        base_fee: BaseFeeParameters::DEVNET,
        consensus: parameters,
        alloc,
        nodes,
        supervisors,
    }
}

fn stand_in_record(number: u64) -> NodeRecord {
    let base = |purpose: &[u8]| -> B256 { digest(&[purpose, &number.to_be_bytes()]) };
    let rsa_public_key = Bytes::copy_from_slice(&expand::<294>(base(b"stand-in rsa key")));
    NodeRecord {
        id: NodeId(sha256(&rsa_public_key)),
        level: Level::Master,
        rsa_public_key,
        rsa_permutation_proof: Vec::new(),
        network_key: base(b"stand-in network key"),
        addresses: Vec::new(),
        supervisor_addresses: Vec::new(),
        payout: Address::from_word(base(b"stand-in payout")),
        vote_key: VoteKey::new(expand(base(b"stand-in vote key"))),
        vote_key_proof: VoteSignature::ZERO,
    }
}

fn stand_in_supervisor(number: u64) -> SupervisorRecord {
    let base = |purpose: &[u8]| -> B256 { digest(&[purpose, &number.to_be_bytes()]) };
    let rsa_public_key = Bytes::copy_from_slice(&expand::<294>(base(b"stand-in supervisor rsa key")));
    SupervisorRecord {
        id: NodeId(sha256(&rsa_public_key)),
        rsa_public_key,
        rsa_permutation_proof: Vec::new(),
        network_key: base(b"stand-in supervisor network key"),
        payout: Address::from_word(base(b"stand-in supervisor payout")),
    }
}
