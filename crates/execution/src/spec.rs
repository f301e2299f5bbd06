//! What a block is executed under: the chain's constants, the fields consensus decides, and the base fee.

use alloy_consensus::Header;
use alloy_primitives::{Address, B256};
use btn_types::Genesis;
use btn_types::genesis::BaseFeeParameters;

/// Constants of the chain that execution needs; all of them come from genesis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChainSpec {
    /// EIP-155 chain id.
    pub chain_id: u64,
    /// Gas limit of every block.
    pub gas_limit: u64,
    /// EIP-1559 parameters.
    pub base_fee: BaseFeeParameters,
}

impl From<&Genesis> for ChainSpec {
    fn from(genesis: &Genesis) -> Self {
        Self { chain_id: genesis.chain_id, gas_limit: genesis.gas_limit, base_fee: genesis.base_fee }
    }
}

/// The fields of a header that are not results of execution (ARCHITECTURE, "Header").
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockInput {
    /// Block number: the parent's plus one.
    pub number: u64,
    /// Hash of the parent.
    pub parent_hash: B256,
    /// Seconds since the Unix epoch; may equal the parent's.
    pub timestamp: u64,
    /// Earns the tips: the clerk's payout address.
    pub beneficiary: Address,
    /// `seed(B)` (C3); the header's `mix_hash` and the PREVRANDAO opcode.
    pub prev_randao: B256,
    /// Commitment to the PoE envelope.
    pub extra_data: B256,
    /// Base fee, wei per gas: [`next_base_fee`] of the parent.
    pub base_fee_wei: u64,
}

/// Base fee of the block after `parent`, wei per gas: EIP-1559 with the chain's denominator, elasticity and
/// floor.
#[must_use]
pub fn next_base_fee(parent: &Header, spec: &ChainSpec) -> u64 {
    let parameters = &spec.base_fee;
    let base = u128::from(parent.base_fee_per_gas.unwrap_or(parameters.initial_wei));
    let target = u128::from((parent.gas_limit / parameters.elasticity.max(1)).max(1));
    let used = u128::from(parent.gas_used);
    let denominator = u128::from(parameters.change_denominator.max(1));
    // base and gas are 64 bits each, so their product fits into 128.
    let change = |distance: u128| base * distance / target / denominator;
    let next = if used > target {
        base.saturating_add(change(used - target).max(1))
    } else {
        base.saturating_sub(change(target - used))
    };
    u64::try_from(next).unwrap_or(u64::MAX).max(parameters.floor_wei)
}
