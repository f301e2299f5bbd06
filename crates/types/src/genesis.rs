//! The genesis file: chain parameters, funded accounts and the registry of nodes (C2). Its canonical
//! encoding's SHA-256 stands in the genesis header's `extra_data`, so two networks of one chain id never
//! accept each other's votes.

use crate::codec::{encode, sha256};
use crate::limits::{MAX_COMMITTEE_MEMBERS, MAX_EXPECTED_SEALS, MAX_SUPERVISORS, MIN_LOTTERY_PERIOD_BLOCKS};
use crate::{NodeId, VoteKey, VoteSignature};
use alloy_primitives::{Address, B256, Bytes, U256};
use alloy_rlp::{BufMut, Encodable, RlpEncodable};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use thiserror::Error;

/// Level of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[repr(u8)]
pub enum Level {
    /// Level 1: keeps the books, on the public internet.
    Master = 1,
}

impl Encodable for Level {
    fn encode(&self, out: &mut dyn BufMut) {
        (*self as u8).encode(out);
    }
    fn length(&self) -> usize {
        1
    }
}

/// One node of the registry (C2). Keys are checked by `btn-crypto`, which knows how.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, RlpEncodable)]
#[serde(deny_unknown_fields)]
pub struct NodeRecord {
    /// SHA-256 of `rsa_public_key`.
    pub id: NodeId,
    /// Level of the node.
    pub level: Level,
    /// RSA lottery key: SubjectPublicKeyInfo, DER.
    pub rsa_public_key: Bytes,
    /// Proof that RSA is a permutation under the key: eight roots, each as long as the modulus (K1).
    pub rsa_permutation_proof: Vec<Bytes>,
    /// Ed25519 key of the node's connections, 32 bytes.
    pub network_key: B256,
    /// `host:port` where the node listens, best first. A node's own configuration may override it.
    pub addresses: Vec<String>,
    /// `host:port` where the node listens for supervisors, best first. May be overridden likewise.
    #[serde(default)]
    pub supervisor_addresses: Vec<String>,
    /// Account that earns the node's fees.
    pub payout: Address,
    /// BLS12-381 vote key, G1 compressed (K7).
    pub vote_key: VoteKey,
    /// Proof of possession of the vote key.
    pub vote_key_proof: VoteSignature,
}

/// One supervisor of the registry (C2): a home node that seals. It has no address, as nobody dials it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, RlpEncodable)]
#[serde(deny_unknown_fields)]
pub struct SupervisorRecord {
    /// SHA-256 of `rsa_public_key`.
    pub id: NodeId,
    /// RSA lottery key: SubjectPublicKeyInfo, DER.
    pub rsa_public_key: Bytes,
    /// Proof that RSA is a permutation under the key: eight roots, each as long as the modulus (K1).
    pub rsa_permutation_proof: Vec<Bytes>,
    /// Ed25519 key of the node's connections, 32 bytes.
    pub network_key: B256,
    /// Account that will earn the node's rewards.
    pub payout: Address,
}

/// An account of the genesis state.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GenesisAccount {
    /// Balance in wei.
    #[serde(default)]
    pub balance: U256,
    /// Nonce.
    #[serde(default)]
    pub nonce: u64,
    /// Contract code.
    #[serde(default)]
    pub code: Bytes,
    /// Contract storage.
    #[serde(default)]
    pub storage: BTreeMap<B256, B256>,
}

/// Timing and lottery parameters (C3, C6). All nodes of a network share them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, RlpEncodable)]
#[serde(deny_unknown_fields)]
pub struct ConsensusParameters {
    /// Δ: the assumed bound on a message's travel once the network is timely.
    pub delta_ms: u64,
    /// δ_c: how long after t₀ a member waits before it notarizes, so that tickets can arrive; at most Δ/2.
    pub candidate_wait_ms: u64,
    /// How long an idle network waits for a transaction before it makes an empty block.
    pub idle_interval_ms: u64,
    /// Least time between a block and its parent.
    pub min_block_interval_ms: u64,
    /// P: heights of one lottery period (C3).
    pub lottery_period_blocks: u64,
    /// λ: seals expected per block where more supervisors than that are registered (C8).
    pub expected_seals: u64,
}

impl ConsensusParameters {
    /// Parameters of a local network.
    pub const DEVNET: Self = Self {
        delta_ms: 500,
        candidate_wait_ms: 20,
        idle_interval_ms: 2_000,
        min_block_interval_ms: 100,
        lottery_period_blocks: 16,
        expected_seals: 128,
    };
}

/// EIP-1559 parameters (ARCHITECTURE, "System contracts").
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, RlpEncodable)]
#[serde(deny_unknown_fields)]
pub struct BaseFeeParameters {
    /// Base fee of genesis, wei per gas.
    pub initial_wei: u64,
    /// The base fee never falls below this, wei per gas.
    pub floor_wei: u64,
    /// Largest relative change per block is 1/denominator.
    pub change_denominator: u64,
    /// Gas limit over gas target.
    pub elasticity: u64,
}

impl BaseFeeParameters {
    /// Parameters of a local network: at ten blocks a second Ethereum's denominator of 8 would triple fees
    /// every second.
    pub const DEVNET: Self =
        Self { initial_wei: 1_000_000_000, floor_wei: 1_000_000_000, change_denominator: 250, elasticity: 2 };
}

/// The genesis file. JSON for people; [`Genesis::commitment`] for consensus.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Genesis {
    /// EIP-155 chain id.
    pub chain_id: u64,
    /// Milliseconds since the Unix epoch.
    pub timestamp_ms: u64,
    /// Gas limit of every block.
    pub gas_limit: u64,
    /// EIP-1559 parameters.
    pub base_fee: BaseFeeParameters,
    /// Timing and lottery.
    pub consensus: ConsensusParameters,
    /// Funded accounts and predeployed contracts.
    pub alloc: BTreeMap<Address, GenesisAccount>,
    /// The registry's masters.
    pub nodes: Vec<NodeRecord>,
    /// The registry's supervisors.
    #[serde(default)]
    pub supervisors: Vec<SupervisorRecord>,
}

/// Largest chain id of EIP-2294: its EIP-155 `v` fits in 64 bits, which is what wallets assume.
const MAX_CHAIN_ID: u64 = u64::MAX / 2 - 36;

/// Last millisecond of the year 9999.
const MAX_TIMESTAMP_MS: u64 = 253_402_300_799_999;

/// Largest gas limit that Ethereum's header rules allow.
const MAX_GAS_LIMIT: u64 = i64::MAX as u64;

/// Longest time any timing parameter may name. Far above any use, far below any overflow of 8Δ.
const MAX_WAIT_MS: u64 = 3_600_000;

fn range(
    name: &'static str,
    actual: u64,
    least: u64,
    most: u64,
    expected: &'static str,
) -> Result<(), GenesisError> {
    if (least..=most).contains(&actual) {
        return Ok(());
    }
    Err(GenesisError::Parameter { name, actual, expected })
}

/// Why a genesis file is refused before any key is looked at.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum GenesisError {
    /// Not the JSON of a genesis file.
    #[error("genesis file is not readable: {0}; create one with `btn genesis new`")]
    Json(String),
    /// A parameter outside its range.
    #[error("genesis: `{name}` is {actual}, it must be {expected}")]
    Parameter {
        /// Field name.
        name: &'static str,
        /// Value found.
        actual: u64,
        /// What is allowed.
        expected: &'static str,
    },
    /// The funded balances together do not fit in 256 bits.
    #[error("genesis: the balances in `alloc` add up to more than 2^256 - 1 wei; lower them")]
    Supply,
    /// A node's id is not the hash of its key.
    #[error("genesis: node {actual} should be {expected}, the SHA-256 of its RSA key")]
    NodeId {
        /// Id found.
        actual: NodeId,
        /// Id computed.
        expected: NodeId,
    },
    /// Two nodes share something that must be unique.
    #[error("genesis: two nodes have the same {what}; every node needs its own")]
    Duplicate {
        /// Which field.
        what: &'static str,
    },
}

impl Genesis {
    /// Reads and checks a genesis file.
    ///
    /// # Errors
    /// [`GenesisError`], with what is wrong and what is expected.
    pub fn from_json(json: &str) -> Result<Self, GenesisError> {
        let genesis: Self =
            serde_json::from_str(json).map_err(|error| GenesisError::Json(error.to_string()))?;
        genesis.check()?;
        Ok(genesis)
    }

    /// The file's text: indented JSON.
    #[must_use]
    pub fn to_json(&self) -> String {
        // Maps with string-like keys and plain values cannot fail to serialise.
        serde_json::to_string_pretty(self).unwrap_or_default()
    }

    /// Checks ranges and uniqueness. Keys themselves are checked by `btn-crypto`.
    ///
    /// # Errors
    /// [`GenesisError`].
    pub fn check(&self) -> Result<(), GenesisError> {
        self.check_ranges()?;
        let count = self.nodes.len() as u64;
        range("nodes (masters)", count, 1, MAX_COMMITTEE_MEMBERS as u64, "between 1 and 150")?;
        let (count, most) = (self.supervisors.len() as u64, MAX_SUPERVISORS as u64);
        range("supervisors", count, 0, most, "at most 10000")?;
        let mut supply = U256::ZERO;
        for account in self.alloc.values() {
            supply = supply.checked_add(account.balance).ok_or(GenesisError::Supply)?;
        }
        self.check_nodes()
    }

    fn check_ranges(&self) -> Result<(), GenesisError> {
        let (consensus, base_fee) = (&self.consensus, &self.base_fee);
        let hour = "between 1 and 3600000 (an hour)";
        range("chain_id", self.chain_id, 1, MAX_CHAIN_ID, "between 1 and 9223372036854775771")?;
        range("timestamp_ms", self.timestamp_ms, 0, MAX_TIMESTAMP_MS, "before the year 10000")?;
        range("gas_limit", self.gas_limit, 5_000, MAX_GAS_LIMIT, "between 5000 and 9223372036854775807")?;
        range("consensus.delta_ms", consensus.delta_ms, 1, MAX_WAIT_MS, hour)?;
        range("consensus.idle_interval_ms", consensus.idle_interval_ms, 1, MAX_WAIT_MS, hour)?;
        range("consensus.min_block_interval_ms", consensus.min_block_interval_ms, 1, MAX_WAIT_MS, hour)?;
        let (wait_ms, half) = (consensus.candidate_wait_ms, consensus.delta_ms / 2);
        range("consensus.candidate_wait_ms", wait_ms, 0, half, "at most half of delta_ms")?;
        let (period_blocks, shortest) = (consensus.lottery_period_blocks, MIN_LOTTERY_PERIOD_BLOCKS);
        range("consensus.lottery_period_blocks", period_blocks, shortest, u64::MAX, "at least 4")?;
        let (seals, most) = (consensus.expected_seals, MAX_EXPECTED_SEALS);
        range("consensus.expected_seals", seals, 1, most, "between 1 and 256")?;
        range("base_fee.change_denominator", base_fee.change_denominator, 1, u64::MAX, "at least 1")?;
        // Else the gas target is 0, and the next base fee a division by it.
        let (elasticity, gas_limit) = (base_fee.elasticity, self.gas_limit);
        range("base_fee.elasticity", elasticity, 1, gas_limit, "between 1 and gas_limit")?;
        let (initial, floor) = (base_fee.initial_wei, base_fee.floor_wei);
        range("base_fee.initial_wei", initial, floor, u64::MAX, "at least base_fee.floor_wei")
    }

    fn check_nodes(&self) -> Result<(), GenesisError> {
        let (mut keys, mut network_keys, mut vote_keys) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
        let masters = self.nodes.iter().map(|node| (node.id, &node.rsa_public_key, node.network_key));
        let supervisors =
            self.supervisors.iter().map(|node| (node.id, &node.rsa_public_key, node.network_key));
        for (id, rsa_public_key, network_key) in masters.chain(supervisors) {
            let expected = NodeId(sha256(rsa_public_key));
            if id != expected {
                return Err(GenesisError::NodeId { actual: id, expected });
            }
            if !keys.insert(id) {
                return Err(GenesisError::Duplicate { what: "RSA key" });
            }
            if !network_keys.insert(network_key) {
                return Err(GenesisError::Duplicate { what: "network key" });
            }
        }
        for node in &self.nodes {
            if !vote_keys.insert(node.vote_key) {
                return Err(GenesisError::Duplicate { what: "vote key" });
            }
        }
        Ok(())
    }

    /// The genesis committee: all masters, ascending by id (C4). The position is the member's index.
    #[must_use]
    pub fn committee(&self) -> Vec<&NodeRecord> {
        let mut masters: Vec<_> = self.nodes.iter().filter(|node| node.level == Level::Master).collect();
        masters.sort_by_key(|node| node.id);
        masters
    }

    /// The registered supervisors, ascending by id (C8). The position is the leaf of the supervisors' root.
    #[must_use]
    pub fn sealing(&self) -> Vec<&SupervisorRecord> {
        let mut supervisors: Vec<_> = self.supervisors.iter().collect();
        supervisors.sort_by_key(|supervisor| supervisor.id);
        supervisors
    }

    /// SHA-256 of the canonical encoding; the genesis header's `extra_data`.
    #[must_use]
    pub fn commitment(&self) -> B256 {
        sha256(&encode(&self.canonical()))
    }
}

/// What [`Genesis::commitment`] hashes: the file's fields in order, accounts by address, nodes by id.
#[derive(RlpEncodable)]
struct CanonicalGenesis<'a> {
    chain_id: u64,
    timestamp_ms: u64,
    gas_limit: u64,
    base_fee: &'a BaseFeeParameters,
    consensus: &'a ConsensusParameters,
    alloc: Vec<CanonicalAccount<'a>>,
    nodes: Vec<&'a NodeRecord>,
    supervisors: Vec<&'a SupervisorRecord>,
}

#[derive(RlpEncodable)]
struct CanonicalAccount<'a> {
    address: Address,
    balance: U256,
    nonce: u64,
    code: &'a Bytes,
    storage: Vec<CanonicalSlot>,
}

impl<'a> From<(&Address, &'a GenesisAccount)> for CanonicalAccount<'a> {
    fn from((address, account): (&Address, &'a GenesisAccount)) -> Self {
        Self {
            address: *address,
            balance: account.balance,
            nonce: account.nonce,
            code: &account.code,
            storage: account.storage.iter().map(|(&slot, &value)| CanonicalSlot { slot, value }).collect(),
        }
    }
}

#[derive(RlpEncodable)]
struct CanonicalSlot {
    slot: B256,
    value: B256,
}

impl Genesis {
    fn canonical(&self) -> CanonicalGenesis<'_> {
        let mut nodes: Vec<_> = self.nodes.iter().collect();
        nodes.sort_by_key(|node| node.id);
        CanonicalGenesis {
            chain_id: self.chain_id,
            timestamp_ms: self.timestamp_ms,
            gas_limit: self.gas_limit,
            base_fee: &self.base_fee,
            consensus: &self.consensus,
            alloc: self.alloc.iter().map(CanonicalAccount::from).collect(),
            nodes,
            supervisors: self.sealing(),
        }
    }
}
