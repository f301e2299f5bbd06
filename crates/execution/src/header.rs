//! The header of an outcome, and the fields of a header that are fixed or follow from the parent
//! (ARCHITECTURE, "Header"). Each rule has its own error.

use crate::{BlockInput, ChainSpec, Outcome, next_base_fee};
use alloy_consensus::Header;
use alloy_consensus::constants::{EMPTY_OMMER_ROOT_HASH, EMPTY_WITHDRAWALS};
use alloy_consensus::proofs::{calculate_receipt_root, calculate_transaction_root};
use alloy_eips::eip2718::Encodable2718;
use alloy_eips::eip7685::EMPTY_REQUESTS_HASH;
use alloy_primitives::{B64, B256, Bloom, Bytes, U256};
use thiserror::Error;

/// Bytes of every header's `extra_data`.
const EXTRA_DATA_BYTES: usize = 32;

/// Which rule of a header is broken.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum HeaderError {
    /// Does not extend the parent it is checked against.
    #[error("parent hash is {actual}, the parent's hash is {expected}")]
    ParentHash {
        /// The header's.
        actual: B256,
        /// The parent's.
        expected: B256,
    },
    /// Number is not the parent's plus one.
    #[error("block number is {actual}, it must be {expected}")]
    Number {
        /// The header's.
        actual: u64,
        /// Parent's plus one.
        expected: u64,
    },
    /// There are no ommers on this chain.
    #[error("ommers hash is {actual}, it must be {EMPTY_OMMER_ROOT_HASH}, the hash of no ommers")]
    Ommers {
        /// The header's.
        actual: B256,
    },
    /// There is no work on this chain.
    #[error("difficulty is {actual}, it must be 0")]
    Difficulty {
        /// The header's.
        actual: U256,
    },
    /// There is no work on this chain.
    #[error("nonce is {actual}, it must be 0")]
    Nonce {
        /// The header's.
        actual: B64,
    },
    /// The gas limit is constant from genesis.
    #[error("gas limit is {actual}, genesis says {expected}")]
    GasLimit {
        /// The header's.
        actual: u64,
        /// Of genesis.
        expected: u64,
    },
    /// More gas used than the limit.
    #[error("gas used is {actual}, the limit is {limit}")]
    GasUsed {
        /// The header's.
        actual: u64,
        /// The limit.
        limit: u64,
    },
    /// Before the parent's.
    #[error("timestamp is {actual} s, the parent's is {parent} s; it may be equal but not less")]
    Timestamp {
        /// The header's, s.
        actual: u64,
        /// The parent's, s.
        parent: u64,
    },
    /// Carries the commitment to the envelope.
    #[error("extra data has {actual} bytes, it must have 32")]
    ExtraData {
        /// Bytes found.
        actual: usize,
    },
    /// EIP-1559 with the chain's parameters.
    #[error("base fee is {actual:?} wei, it must be {expected} wei")]
    BaseFee {
        /// The header's.
        actual: Option<u64>,
        /// [`next_base_fee`] of the parent.
        expected: u64,
    },
    /// There are no withdrawals on this chain.
    #[error("withdrawals root is {actual:?}, it must be {EMPTY_WITHDRAWALS}, the root of none")]
    Withdrawals {
        /// The header's.
        actual: Option<B256>,
    },
    /// There are no blobs on this chain.
    #[error("blob gas used is {actual:?}, it must be 0")]
    BlobGasUsed {
        /// The header's.
        actual: Option<u64>,
    },
    /// There are no blobs on this chain.
    #[error("excess blob gas is {actual:?}, it must be 0")]
    ExcessBlobGas {
        /// The header's.
        actual: Option<u64>,
    },
    /// There is no beacon chain.
    #[error("parent beacon block root is {actual:?}, it must be zero and present")]
    BeaconRoot {
        /// The header's.
        actual: Option<B256>,
    },
    /// There are no requests (EIP-7685).
    #[error("requests hash is {actual:?}, it must be {EMPTY_REQUESTS_HASH}, the SHA-256 of nothing")]
    Requests {
        /// The header's.
        actual: Option<B256>,
    },
    /// A field of a later fork (EIP-7928).
    #[error("block access list hash is {actual}, there must be none at this fork")]
    BlockAccessList {
        /// The header's.
        actual: B256,
    },
    /// A field of a later fork (EIP-7843).
    #[error("slot number is {actual}, there must be none at this fork")]
    SlotNumber {
        /// The header's.
        actual: u64,
    },
}

/// The header of a block that was run. `transactions` are the ones run, in order.
#[must_use]
pub fn assemble_header<T: Encodable2718>(
    spec: &ChainSpec,
    input: &BlockInput,
    transactions: &[T],
    outcome: &Outcome,
    state_root: B256,
) -> Header {
    let logs_bloom =
        outcome.receipts.iter().fold(Bloom::ZERO, |bloom, receipt| bloom | *receipt.logs_bloom());
    Header {
        parent_hash: input.parent_hash,
        beneficiary: input.beneficiary,
        state_root,
        transactions_root: calculate_transaction_root(transactions),
        receipts_root: calculate_receipt_root(&outcome.receipts),
        logs_bloom,
        number: input.number,
        gas_limit: spec.gas_limit,
        gas_used: outcome.gas_used,
        timestamp: input.timestamp,
        extra_data: Bytes::copy_from_slice(input.extra_data.as_slice()),
        mix_hash: input.prev_randao,
        base_fee_per_gas: Some(input.base_fee_wei),
        ..fixed_fields()
    }
}

/// The fields every header shares.
pub(crate) fn fixed_fields() -> Header {
    Header {
        ommers_hash: EMPTY_OMMER_ROOT_HASH,
        difficulty: U256::ZERO,
        nonce: B64::ZERO,
        withdrawals_root: Some(EMPTY_WITHDRAWALS),
        blob_gas_used: Some(0),
        excess_blob_gas: Some(0),
        parent_beacon_block_root: Some(B256::ZERO),
        requests_hash: Some(EMPTY_REQUESTS_HASH),
        block_access_list_hash: None,
        slot_number: None,
        ..Header::default()
    }
}

/// Checks everything in a header that neither consensus decides nor execution computes.
///
/// # Errors
/// [`HeaderError`]: the first rule broken.
pub fn check_header(header: &Header, parent: &Header, spec: &ChainSpec) -> Result<(), HeaderError> {
    check_links(header, parent)?;
    check_absent(header)?;
    check_gas(header, parent, spec)
}

fn check_links(header: &Header, parent: &Header) -> Result<(), HeaderError> {
    let expected = parent.hash_slow();
    if header.parent_hash != expected {
        return Err(HeaderError::ParentHash { actual: header.parent_hash, expected });
    }
    let expected = parent.number.saturating_add(1);
    if header.number != expected {
        return Err(HeaderError::Number { actual: header.number, expected });
    }
    if header.timestamp < parent.timestamp {
        return Err(HeaderError::Timestamp { actual: header.timestamp, parent: parent.timestamp });
    }
    if header.extra_data.len() != EXTRA_DATA_BYTES {
        return Err(HeaderError::ExtraData { actual: header.extra_data.len() });
    }
    Ok(())
}

/// What Ethereum has and this chain has not.
fn check_absent(header: &Header) -> Result<(), HeaderError> {
    if header.ommers_hash != EMPTY_OMMER_ROOT_HASH {
        return Err(HeaderError::Ommers { actual: header.ommers_hash });
    }
    if !header.difficulty.is_zero() {
        return Err(HeaderError::Difficulty { actual: header.difficulty });
    }
    if !header.nonce.is_zero() {
        return Err(HeaderError::Nonce { actual: header.nonce });
    }
    if header.withdrawals_root != Some(EMPTY_WITHDRAWALS) {
        return Err(HeaderError::Withdrawals { actual: header.withdrawals_root });
    }
    if header.blob_gas_used != Some(0) {
        return Err(HeaderError::BlobGasUsed { actual: header.blob_gas_used });
    }
    if header.excess_blob_gas != Some(0) {
        return Err(HeaderError::ExcessBlobGas { actual: header.excess_blob_gas });
    }
    if header.parent_beacon_block_root != Some(B256::ZERO) {
        return Err(HeaderError::BeaconRoot { actual: header.parent_beacon_block_root });
    }
    if header.requests_hash != Some(EMPTY_REQUESTS_HASH) {
        return Err(HeaderError::Requests { actual: header.requests_hash });
    }
    if let Some(actual) = header.block_access_list_hash {
        return Err(HeaderError::BlockAccessList { actual });
    }
    header.slot_number.map_or(Ok(()), |actual| Err(HeaderError::SlotNumber { actual }))
}

fn check_gas(header: &Header, parent: &Header, spec: &ChainSpec) -> Result<(), HeaderError> {
    if header.gas_limit != spec.gas_limit {
        return Err(HeaderError::GasLimit { actual: header.gas_limit, expected: spec.gas_limit });
    }
    if header.gas_used > header.gas_limit {
        return Err(HeaderError::GasUsed { actual: header.gas_used, limit: header.gas_limit });
    }
    let expected = next_base_fee(parent, spec);
    if header.base_fee_per_gas != Some(expected) {
        return Err(HeaderError::BaseFee { actual: header.base_fee_per_gas, expected });
    }
    Ok(())
}
