//! Running a block: the system calls at its start, its transactions in order, receipts and the difference.

use crate::environment::{Evm, EvmError, block_environment, configuration, evm, transaction_environment};
use crate::reason::TransactionError;
use crate::state::BlockState;
use crate::{BlockInput, ChainSpec, SignedTransaction};
use alloy_consensus::{Eip658Value, Receipt, ReceiptEnvelope, Transaction, TxType};
use alloy_eips::eip2935::HISTORY_STORAGE_ADDRESS;
use alloy_eips::eip4788::BEACON_ROOTS_ADDRESS;
use alloy_primitives::{Address, B256, Bytes};
use alloy_rlp::Encodable;
use btn_types::limits::MAX_BLOCK_TRANSACTIONS;
use btn_types::{StateDiff, StateError, StateReader};
use revm::context_interface::result::ExecutionResult;
use revm::{ExecuteEvm, SystemCallEvm};
use std::collections::BTreeSet;
use thiserror::Error;

/// Gas of the cheapest transaction: nothing fits into a block that has less left.
const MIN_TRANSACTION_GAS: u64 = 21_000;

/// What running a block gave.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// One receipt per transaction, with bloom and cumulative gas.
    pub receipts: Vec<ReceiptEnvelope>,
    /// Gas used by all transactions.
    pub gas_used: u64,
    /// What the block changed, system calls included.
    pub diff: StateDiff,
}

/// A block packed from candidates.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Built {
    /// Transactions taken, in order.
    pub transactions: Vec<SignedTransaction>,
    /// What running them gave.
    pub outcome: Outcome,
    /// Hash and reason of every candidate that is not valid in this block. Those that merely did not fit, or
    /// come after one left out, are not here: they stay good.
    pub rejected: Vec<(B256, TransactionError)>,
}

/// Why nothing came of running a block or a call.
#[derive(Debug, Error)]
pub enum ExecutionError {
    /// A transaction that is not valid where it stands makes the block invalid.
    #[error("transaction {index} ({hash}) is not valid in this block: {reason}")]
    Transaction {
        /// Position in the block, from 0.
        index: usize,
        /// Hash of the transaction.
        hash: B256,
        /// Which rule it breaks.
        reason: Box<TransactionError>,
    },
    /// A call that could not begin.
    #[error(transparent)]
    Call(Box<TransactionError>),
    /// A system contract of genesis failed at the start of the block (EIP-2935, EIP-4788).
    #[error("system contract {address} failed: {reason}")]
    SystemContract {
        /// Which contract.
        address: Address,
        /// How it ended.
        reason: String,
    },
    /// The state could not be read. Says nothing about the block.
    #[error(transparent)]
    State(#[from] StateError),
    /// The EVM itself gave up, on every machine alike: no known transaction does this.
    #[error("the EVM failed: {0}")]
    Evm(String),
}

impl ExecutionError {
    /// This node's own trouble, which says nothing about the block: try again, blame nobody. Everything else
    /// is the same on every machine.
    #[must_use]
    pub const fn is_local_fault(&self) -> bool {
        matches!(self, Self::State(_))
    }
}

/// How the EVM refused one transaction.
pub(crate) enum Refusal {
    Invalid(TransactionError),
    Fault(ExecutionError),
}

impl Refusal {
    pub(crate) fn new(error: EvmError, evm: &Evm<'_>, chain_id: u64) -> Self {
        match error {
            EvmError::Transaction(invalid) => {
                let (transaction, block) = (&evm.ctx.tx, &evm.ctx.block);
                let (base_fee, limit) = (block.basefee, block.gas_limit);
                Self::Invalid(TransactionError::explain(invalid, transaction, chain_id, base_fee, limit))
            }
            EvmError::Database(error) => Self::Fault(ExecutionError::State(error.0)),
            other => Self::Fault(ExecutionError::Evm(other.to_string())),
        }
    }
}

/// Runs a given block: the system calls, then every transaction in order.
///
/// # Errors
/// [`ExecutionError::Transaction`] names the first transaction that is not valid;
/// [`ExecutionError::State`] says nothing about the block.
pub fn execute(
    spec: &ChainSpec,
    input: &BlockInput,
    transactions: &[SignedTransaction],
    state: &dyn StateReader,
) -> Result<Outcome, ExecutionError> {
    let mut runner = Runner::start(spec, input, state)?;
    for (index, transaction) in transactions.iter().enumerate() {
        runner.run(transaction).map_err(|refusal| match refusal {
            Refusal::Invalid(reason) => {
                let reason = Box::new(reason);
                ExecutionError::Transaction { index, hash: *transaction.tx_hash(), reason }
            }
            Refusal::Fault(fault) => fault,
        })?;
    }
    Ok(runner.finish())
}

/// Packs a block: takes candidates in order while gas, bytes and number allow. One that does not fit or is
/// not valid is left out, and so are the later ones of the same sender.
///
/// `max_transactions_bytes` bounds the transactions' RLP in the block's body.
///
/// # Errors
/// [`ExecutionError::State`], [`ExecutionError::SystemContract`]; never because of a candidate.
pub fn build(
    spec: &ChainSpec,
    input: &BlockInput,
    candidates: &mut dyn Iterator<Item = SignedTransaction>,
    max_transactions_bytes: usize,
    state: &dyn StateReader,
) -> Result<Built, ExecutionError> {
    let mut runner = Runner::start(spec, input, state)?;
    let (mut transactions, mut rejected) = (Vec::new(), Vec::new());
    let mut bytes_left = max_transactions_bytes;
    let mut left_out: BTreeSet<Address> = BTreeSet::new();
    while transactions.len() < MAX_BLOCK_TRANSACTIONS && runner.gas_left() >= MIN_TRANSACTION_GAS {
        let Some(candidate) = candidates.next() else { break };
        if left_out.contains(&candidate.signer()) {
            continue;
        }
        let bytes = candidate.inner().length();
        if bytes > bytes_left || runner.must_wait(candidate.gas_limit()) {
            left_out.insert(candidate.signer());
            continue;
        }
        match runner.run(&candidate) {
            Ok(()) => {
                bytes_left -= bytes;
                transactions.push(candidate);
            }
            Err(Refusal::Invalid(reason)) => {
                // A nonce already used leaves no gap: the sender's next transaction may still be right.
                if !matches!(reason, TransactionError::NonceTooLow { .. }) {
                    left_out.insert(candidate.signer());
                }
                rejected.push((*candidate.tx_hash(), reason));
            }
            // Must not stop every later block from being packed.
            Err(Refusal::Fault(ExecutionError::Evm(words))) => {
                left_out.insert(candidate.signer());
                rejected.push((*candidate.tx_hash(), TransactionError::Other(words)));
            }
            Err(Refusal::Fault(fault)) => return Err(fault),
        }
    }
    Ok(Built { transactions, outcome: runner.finish(), rejected })
}

/// A block in the middle of being run.
struct Runner<'a> {
    evm: Evm<'a>,
    chain_id: u64,
    gas_limit: u64,
    gas_used: u64,
    receipts: Vec<ReceiptEnvelope>,
}

impl<'a> Runner<'a> {
    /// Sets the EVM up and makes the system calls.
    fn start(
        spec: &ChainSpec,
        input: &BlockInput,
        state: &'a dyn StateReader,
    ) -> Result<Self, ExecutionError> {
        let parent = input.number.checked_sub(1).map(|number| (number, input.parent_hash));
        let state = BlockState::new(state, parent);
        let mut runner = Self {
            evm: evm(configuration(spec), block_environment(spec, input), state),
            chain_id: spec.chain_id,
            gas_limit: spec.gas_limit,
            gas_used: 0,
            receipts: Vec::new(),
        };
        runner.system_call(HISTORY_STORAGE_ADDRESS, input.parent_hash)?;
        runner.system_call(BEACON_ROOTS_ADDRESS, B256::ZERO)?;
        Ok(runner)
    }

    fn system_call(&mut self, address: Address, argument: B256) -> Result<(), ExecutionError> {
        let done = self.evm.system_call(address, Bytes::copy_from_slice(argument.as_slice()));
        let done = done.map_err(|error| match Refusal::new(error, &self.evm, self.chain_id) {
            Refusal::Invalid(reason) => {
                ExecutionError::SystemContract { address, reason: reason.to_string() }
            }
            Refusal::Fault(fault) => fault,
        })?;
        if !done.result.is_success() {
            return Err(ExecutionError::SystemContract { address, reason: done.result.to_string() });
        }
        Ok(self.state().commit(done.state)?)
    }

    fn state(&mut self) -> &mut BlockState<'a> {
        &mut self.evm.ctx.journaled_state.database
    }

    const fn gas_left(&self) -> u64 {
        self.gas_limit.saturating_sub(self.gas_used)
    }

    /// Whether so much gas would fit into a block, but no longer into this one.
    const fn must_wait(&self, gas: u64) -> bool {
        gas > self.gas_left() && gas <= self.gas_limit
    }

    /// Runs one transaction; a refused one leaves no trace.
    fn run(&mut self, transaction: &SignedTransaction) -> Result<(), Refusal> {
        if transaction.is_eip4844() {
            return Err(Refusal::Invalid(TransactionError::BlobsNotSupported));
        }
        let (gas, left) = (transaction.gas_limit(), self.gas_left());
        if self.must_wait(gas) {
            return Err(Refusal::Invalid(TransactionError::GasLimitReached { gas, left }));
        }
        let done = self.evm.transact(transaction_environment(transaction));
        let done = done.map_err(|error| Refusal::new(error, &self.evm, self.chain_id))?;
        self.state().commit(done.state).map_err(|error| Refusal::Fault(error.into()))?;
        self.gas_used += done.result.tx_gas_used();
        self.receipts.push(receipt(transaction.tx_type(), self.gas_used, done.result));
        Ok(())
    }

    fn finish(self) -> Outcome {
        let diff = self.evm.ctx.journaled_state.database.into_diff();
        Outcome { receipts: self.receipts, gas_used: self.gas_used, diff }
    }
}

fn receipt(kind: TxType, cumulative_gas_used: u64, result: ExecutionResult) -> ReceiptEnvelope {
    let status = Eip658Value::Eip658(result.is_success());
    // Of what was reverted the EVM reports no logs.
    let receipt = Receipt { status, cumulative_gas_used, logs: result.into_logs() }.with_bloom();
    match kind {
        TxType::Legacy => ReceiptEnvelope::Legacy(receipt),
        TxType::Eip2930 => ReceiptEnvelope::Eip2930(receipt),
        TxType::Eip1559 => ReceiptEnvelope::Eip1559(receipt),
        TxType::Eip4844 => ReceiptEnvelope::Eip4844(receipt),
        TxType::Eip7702 => ReceiptEnvelope::Eip7702(receipt),
    }
}
