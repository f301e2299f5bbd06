//! The EVM set up for this chain, and transactions in its words.

use crate::state::{BlockState, DatabaseError};
use crate::{BlockInput, ChainSpec, SignedTransaction};
use alloy_consensus::{Transaction, Typed2718};
use alloy_primitives::U256;
use revm::context::{BlockEnv, CfgEnv, TxEnv};
use revm::context_interface::block::BlobExcessGasAndPrice;
use revm::context_interface::cfg::GasParams;
use revm::context_interface::either::Either;
use revm::context_interface::result::{EVMError, InvalidTransaction};
use revm::handler::MainnetContext;
use revm::primitives::eip4844::BLOB_BASE_FEE_UPDATE_FRACTION_PRAGUE;
use revm::primitives::hardfork::SpecId;
use revm::{Context, MainBuilder, MainnetEvm};

/// The fork of every block (ARCHITECTURE, "Blocks, state, contracts").
const FORK: SpecId = SpecId::OSAKA;

/// Most gas of one transaction (EIP-7825).
pub(crate) const MAX_TRANSACTION_GAS: u64 = alloy_eips::eip7825::MAX_TX_GAS_LIMIT_OSAKA;

/// The EVM over a block's state.
pub(crate) type Evm<'a> = MainnetEvm<MainnetContext<BlockState<'a>>>;

/// What the EVM reports instead of a result.
pub(crate) type EvmError = EVMError<DatabaseError, InvalidTransaction>;

pub(crate) fn configuration(spec: &ChainSpec) -> CfgEnv {
    CfgEnv::new_with_spec(FORK).with_chain_id(spec.chain_id)
}

pub(crate) fn evm(configuration: CfgEnv, block: BlockEnv, state: BlockState<'_>) -> Evm<'_> {
    let context: MainnetContext<BlockState<'_>> = Context::new(state, FORK);
    context.with_cfg(configuration).with_block(block).build_mainnet()
}

pub(crate) fn block_environment(spec: &ChainSpec, input: &BlockInput) -> BlockEnv {
    BlockEnv {
        number: U256::from(input.number),
        beneficiary: input.beneficiary,
        timestamp: U256::from(input.timestamp),
        gas_limit: spec.gas_limit,
        basefee: input.base_fee_wei,
        prevrandao: Some(input.prev_randao),
        // No blobs: excess stays zero and BLOBBASEFEE shows the least price (EIP-7516).
        blob_excess_gas_and_price: Some(BlobExcessGasAndPrice::new(0, BLOB_BASE_FEE_UPDATE_FRACTION_PRAGUE)),
        ..BlockEnv::default()
    }
}

pub(crate) fn transaction_environment(transaction: &SignedTransaction) -> TxEnv {
    let authorizations = transaction.authorization_list().unwrap_or_default();
    TxEnv {
        tx_type: transaction.ty(),
        caller: transaction.signer(),
        gas_limit: transaction.gas_limit(),
        gas_price: transaction.max_fee_per_gas(),
        kind: transaction.kind(),
        value: transaction.value(),
        data: transaction.input().clone(),
        nonce: transaction.nonce(),
        chain_id: transaction.chain_id(),
        access_list: transaction.access_list().cloned().unwrap_or_default(),
        gas_priority_fee: transaction.max_priority_fee_per_gas(),
        blob_hashes: Vec::new(),
        max_fee_per_blob_gas: 0,
        authorization_list: authorizations.iter().cloned().map(Either::Left).collect(),
    }
}

/// Gas a transaction costs before its first instruction, and the floor of its calldata (EIP-7623).
pub(crate) fn intrinsic_gas(transaction: &SignedTransaction) -> (u64, u64) {
    let (accounts, slots) = match transaction.access_list() {
        Some(list) => (list.len(), list.storage_keys_count()),
        None => (0, 0),
    };
    let authorizations = transaction.authorization_list().map_or(0, <[_]>::len);
    let gas = GasParams::new_spec(FORK).initial_tx_gas(
        transaction.input(),
        transaction.is_create(),
        accounts as u64,
        slots as u64,
        authorizations as u64,
        None,
    );
    (gas.initial_total_gas(), gas.floor_gas())
}
