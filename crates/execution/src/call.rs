//! Calls that change nothing, for `eth_call` and gas estimates, with geth's semantics: neither nonce nor
//! EIP-3607 nor EIP-7825 is checked, gas is bounded by the RPC's cap instead of the block's limit, and
//! without a price the base fee counts as zero. What the call costs must still be there, as in geth.

use crate::block::Refusal;
use crate::environment::{block_environment, configuration, evm};
use crate::state::BlockState;
use crate::{BlockInput, ChainSpec, ExecutionError, TransactionError};
use alloy_eips::eip2930::AccessList;
use alloy_eips::eip7702::SignedAuthorization;
use alloy_primitives::{Address, B256, Bytes, Log, TxKind, U256};
use btn_types::StateReader;
use revm::ExecuteEvm;
use revm::context::{CfgEnv, TxEnv};
use revm::context_interface::either::Either;
use revm::context_interface::result::{ExecutionResult, HaltReason, OutOfGasError};

/// Most gas of one call, and what a call gets that asks for none (geth's `--rpc.gascap`).
pub const RPC_GAS_CAP: u64 = 50_000_000;

/// The block a call pretends to be in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CallEnvironment {
    /// Block number. The reader must know the hashes of the blocks before it.
    pub number: u64,
    /// Seconds since the Unix epoch.
    pub timestamp: u64,
    /// COINBASE.
    pub beneficiary: Address,
    /// PREVRANDAO.
    pub prev_randao: B256,
    /// Base fee, wei per gas.
    pub base_fee: u64,
    /// GASLIMIT.
    pub gas_limit: u64,
}

/// A transaction that nobody signed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CallRequest {
    /// Sender.
    pub from: Address,
    /// Recipient; `None` creates a contract.
    pub to: Option<Address>,
    /// Gas limit; [`RPC_GAS_CAP`] if absent or above it.
    pub gas: Option<u64>,
    /// Price, wei per gas. Not together with the two below.
    pub gas_price: Option<u128>,
    /// Most it pays, wei per gas (EIP-1559).
    pub max_fee_per_gas: Option<u128>,
    /// Tip, wei per gas (EIP-1559).
    pub max_priority_fee_per_gas: Option<u128>,
    /// Value, wei.
    pub value: U256,
    /// Calldata or initcode.
    pub input: Bytes,
    /// Addresses and slots that begin warm (EIP-2930).
    pub access_list: AccessList,
    /// Delegations to set first (EIP-7702).
    pub authorization_list: Vec<SignedAuthorization>,
    /// Accepted because wallets send it; a call never checks it.
    pub nonce: Option<u64>,
}

/// How a call ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CallStatus {
    /// It returned.
    Success,
    /// It reverted, with this data.
    Revert(Bytes),
    /// It stopped abnormally; why, in geth's words.
    Halt(String),
}

/// What a call gave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallOutcome {
    /// Returned data, revert data, or the code of a created contract; empty after a halt.
    pub output: Bytes,
    /// Gas used after refunds, intrinsic gas included.
    pub gas_used: u64,
    /// Most gas in use at any time: before refunds (EIP-3529) or the calldata floor (EIP-7623).
    pub peak_gas: u64,
    /// Logs of a call that succeeded.
    pub logs: Vec<Log>,
    /// How it ended.
    pub status: CallStatus,
}

impl CallRequest {
    /// Highest price and tip, wei per gas, in the two forms geth accepts.
    pub(crate) fn fees(&self, base_fee_wei: u64) -> Result<(u128, Option<u128>), TransactionError> {
        let sender = self.from;
        let (max_fee, tip) = match (self.gas_price, self.max_fee_per_gas, self.max_priority_fee_per_gas) {
            (Some(_), Some(_), _) | (Some(_), _, Some(_)) => return Err(TransactionError::FeesConflict),
            (None, None, None) => (0, None),
            (Some(price), None, None) => (price, None),
            (None, fee, tip) => (fee.unwrap_or_default(), Some(tip.unwrap_or_default())),
        };
        if let Some(tip) = tip.filter(|tip| *tip > max_fee) {
            return Err(TransactionError::TipAboveFee { sender, tip, max_fee });
        }
        if max_fee != 0 && max_fee < u128::from(base_fee_wei) {
            return Err(TransactionError::FeeBelowBaseFee { sender, max_fee, base_fee: base_fee_wei });
        }
        Ok((max_fee, tip))
    }

    fn transaction(&self, chain_id: u64, gas: u64, base_fee_wei: u64) -> Result<TxEnv, TransactionError> {
        let (max_fee, tip) = self.fees(base_fee_wei)?;
        if self.to.is_none() && !self.authorization_list.is_empty() {
            return Err(TransactionError::SetCodeCreate { sender: self.from });
        }
        let tx_type = match () {
            () if !self.authorization_list.is_empty() => 4,
            () if tip.is_some() => 2,
            () if !self.access_list.is_empty() => 1,
            () => 0,
        };
        Ok(TxEnv {
            tx_type,
            caller: self.from,
            gas_limit: gas,
            gas_price: max_fee,
            kind: self.to.map_or(TxKind::Create, TxKind::Call),
            value: self.value,
            data: self.input.clone(),
            nonce: 0,
            chain_id: Some(chain_id),
            access_list: self.access_list.clone(),
            // A price alone is paid in full (EIP-1559 for legacy transactions).
            gas_priority_fee: tip.or((tx_type == 4).then_some(max_fee)),
            blob_hashes: Vec::new(),
            max_fee_per_blob_gas: 0,
            authorization_list: self.authorization_list.iter().cloned().map(Either::Left).collect(),
        })
    }
}

fn call_configuration(spec: &ChainSpec) -> CfgEnv {
    let mut configuration = configuration(spec);
    configuration.disable_nonce_check = true;
    configuration.disable_eip3607 = true;
    configuration.disable_block_gas_limit = true;
    configuration.tx_gas_limit_cap = Some(u64::MAX);
    configuration
}

/// Runs a call and forgets what it changed.
///
/// # Errors
/// [`ExecutionError::Call`] where the call could not begin (fees, funds, intrinsic gas), the others where
/// state or EVM failed. A revert or halt is not an error.
pub fn call(
    spec: &ChainSpec,
    environment: &CallEnvironment,
    request: &CallRequest,
    state: &dyn StateReader,
) -> Result<CallOutcome, ExecutionError> {
    let gas = request.gas.unwrap_or(RPC_GAS_CAP).min(RPC_GAS_CAP);
    run(spec, environment, request, gas, state)
}

/// [`call`] with exactly this much gas.
pub(crate) fn run(
    spec: &ChainSpec,
    environment: &CallEnvironment,
    request: &CallRequest,
    gas: u64,
    state: &dyn StateReader,
) -> Result<CallOutcome, ExecutionError> {
    let base_fee = environment.base_fee;
    let transaction = request.transaction(spec.chain_id, gas, base_fee).map_err(refused)?;
    let input = BlockInput {
        number: environment.number,
        parent_hash: B256::ZERO,
        timestamp: environment.timestamp,
        beneficiary: environment.beneficiary,
        prev_randao: environment.prev_randao,
        extra_data: B256::ZERO,
        base_fee_wei: if transaction.gas_price == 0 { 0 } else { base_fee },
    };
    let block = block_environment(&ChainSpec { gas_limit: environment.gas_limit, ..*spec }, &input);
    let mut evm = evm(call_configuration(spec), block, BlockState::new(state, None));
    match evm.transact(transaction) {
        Ok(done) => Ok(outcome(done.result)),
        Err(error) => Err(match Refusal::new(error, &evm, spec.chain_id) {
            Refusal::Invalid(reason) => refused(reason),
            Refusal::Fault(fault) => fault,
        }),
    }
}

pub(crate) fn refused(reason: TransactionError) -> ExecutionError {
    ExecutionError::Call(Box::new(reason))
}

fn outcome(result: ExecutionResult) -> CallOutcome {
    let gas = *result.gas();
    let (gas_used, peak_gas) = (gas.tx_gas_used(), gas.total_gas_spent().max(gas.floor_gas()));
    let (output, logs, status) = match result {
        ExecutionResult::Success { logs, output, .. } => (output.into_data(), logs, CallStatus::Success),
        ExecutionResult::Revert { output, .. } => (output.clone(), Vec::new(), CallStatus::Revert(output)),
        ExecutionResult::Halt { reason, .. } => {
            (Bytes::new(), Vec::new(), CallStatus::Halt(halt_words(&reason).to_owned()))
        }
    };
    CallOutcome { output, gas_used, peak_gas, logs, status }
}

/// geth's words for running out of gas.
pub(crate) const OUT_OF_GAS: &str = "out of gas";

/// geth's words for an abnormal stop.
const fn halt_words(reason: &HaltReason) -> &'static str {
    match reason {
        HaltReason::OutOfGas(OutOfGasError::InvalidOperand) => "gas uint64 overflow",
        HaltReason::OutOfGas(_) => OUT_OF_GAS,
        HaltReason::OpcodeNotFound | HaltReason::NotActivated => "invalid opcode",
        HaltReason::InvalidFEOpcode => "invalid opcode: INVALID",
        HaltReason::InvalidJump => "invalid jump destination",
        HaltReason::StackUnderflow => "stack underflow",
        HaltReason::StackOverflow => "stack limit reached",
        HaltReason::OutOfOffset => "return data out of bounds",
        HaltReason::CreateCollision => "contract address collision",
        HaltReason::PrecompileError | HaltReason::PrecompileErrorWithContext(_) => "precompile failed",
        HaltReason::NonceOverflow => "nonce uint64 overflow",
        HaltReason::CreateContractSizeLimit => "max code size exceeded",
        HaltReason::CreateContractStartingWithEF => "invalid code: must not begin with 0xef",
        HaltReason::CreateInitCodeSizeLimit => "max initcode size exceeded",
        HaltReason::StateChangeDuringStaticCall | HaltReason::CallNotAllowedInsideStatic => {
            "write protection"
        }
        HaltReason::OverflowPayment | HaltReason::OutOfFunds => "insufficient balance for transfer",
        HaltReason::CallTooDeep => "max call depth exceeded",
    }
}
