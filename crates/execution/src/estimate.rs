//! Gas estimates, with geth's method: run at the cap, try what that run needed, then bisect.

use crate::call::{
    CallEnvironment, CallOutcome, CallRequest, CallStatus, OUT_OF_GAS, RPC_GAS_CAP, refused, run,
};
use crate::environment::MAX_TRANSACTION_GAS;
use crate::revert::revert_reason;
use crate::{ChainSpec, ExecutionError, TransactionError};
use alloy_primitives::{Bytes, KECCAK256_EMPTY, U256};
use btn_types::StateReader;
use thiserror::Error;

/// Gas of a plain transfer.
const TRANSFER_GAS: u64 = 21_000;
/// Gas a call with value hands to the callee on top (EVM constant).
const CALL_STIPEND: u64 = 2_300;
/// The bisection stops once the bounds are this close, parts per thousand of the upper one (geth: 1.5 %).
const TOLERANCE_PER_MILLE: u64 = 15;
/// Most runs of the bisection: each at least halves the range of 64-bit numbers or doubles its lower end.
const MAX_STEPS: usize = 128;

/// Why there is no estimate.
#[derive(Debug, Error)]
pub enum EstimateError {
    /// It reverts whatever gas it gets; the message is geth's.
    #[error("{}", revert_reason(.0).unwrap_or_else(|| "execution reverted".to_owned()))]
    Revert(Bytes),
    /// It stops abnormally whatever gas it gets; why, in geth's words.
    #[error("{0}")]
    Halt(String),
    /// It needs more gas than the sender can pay, the block has, or a transaction may have.
    #[error("gas required exceeds allowance ({0})")]
    Allowance(u64),
    /// The value alone is above the balance.
    #[error("insufficient funds for transfer")]
    InsufficientFundsForTransfer,
    /// It could not be run at all.
    #[error(transparent)]
    Execution(#[from] ExecutionError),
}

/// The least gas limit, within 1.5 %, with which the call succeeds; a little too high rather than too low.
///
/// # Errors
/// [`EstimateError`], with the revert data where it reverts.
pub fn estimate_gas(
    spec: &ChainSpec,
    environment: &CallEnvironment,
    request: &CallRequest,
    state: &dyn StateReader,
) -> Result<u64, EstimateError> {
    let estimator = Estimator { spec, environment, request, state };
    let cap = estimator.cap()?;
    if estimator.is_plain_transfer()? && estimator.works(TRANSFER_GAS).is_ok_and(|works| works) {
        // An error here shows again at the cap, unless it came from 21,000 being above the allowance.
        return Ok(TRANSFER_GAS);
    }
    let at_cap = match estimator.attempt(cap)? {
        None => return Err(EstimateError::Allowance(cap)),
        Some(outcome) => outcome,
    };
    match at_cap.status {
        CallStatus::Success => {}
        CallStatus::Revert(data) => return Err(EstimateError::Revert(data)),
        CallStatus::Halt(words) if words == OUT_OF_GAS => return Err(EstimateError::Allowance(cap)),
        CallStatus::Halt(words) => return Err(EstimateError::Halt(words)),
    }
    // Almost every transaction succeeds with what it used at most, plus the stipend, plus the 1/64 that
    // calls hold back (EIP-150).
    let likely = (at_cap.peak_gas + CALL_STIPEND) * 64 / 63;
    estimator.bisect(at_cap.gas_used.saturating_sub(1), cap, likely)
}

const fn is_too_little_gas(reason: &TransactionError) -> bool {
    matches!(reason, TransactionError::IntrinsicGas { .. } | TransactionError::FloorDataGas { .. })
}

struct Estimator<'a> {
    spec: &'a ChainSpec,
    environment: &'a CallEnvironment,
    request: &'a CallRequest,
    state: &'a dyn StateReader,
}

impl Estimator<'_> {
    /// Most gas worth trying: what was asked for or the block has, EIP-7825, the balance, the RPC's cap.
    fn cap(&self) -> Result<u64, EstimateError> {
        let asked = self.request.gas.filter(|gas| *gas >= TRANSFER_GAS);
        let cap = asked.unwrap_or(self.environment.gas_limit).min(MAX_TRANSACTION_GAS).min(RPC_GAS_CAP);
        let (max_fee, _) = self.request.fees(self.environment.base_fee).map_err(refused)?;
        if max_fee == 0 {
            return Ok(cap);
        }
        let account = self.state.account(self.request.from).map_err(ExecutionError::from)?;
        let balance = account.unwrap_or_default().balance;
        let value = self.request.value;
        if value >= balance && !value.is_zero() {
            return Err(EstimateError::InsufficientFundsForTransfer);
        }
        let allowance = (balance - value) / U256::from(max_fee);
        Ok(u64::try_from(allowance).map_or(cap, |allowance| cap.min(allowance)))
    }

    fn is_plain_transfer(&self) -> Result<bool, EstimateError> {
        let Some(to) = self.request.to.filter(|_| self.request.input.is_empty()) else { return Ok(false) };
        let account = self.state.account(to).map_err(ExecutionError::from)?;
        Ok(account.is_none_or(|account| account.code_hash == KECCAK256_EMPTY))
    }

    /// Runs with `gas`; `None` where that is less than the intrinsic cost.
    fn attempt(&self, gas: u64) -> Result<Option<CallOutcome>, EstimateError> {
        match run(self.spec, self.environment, self.request, gas, self.state) {
            Ok(outcome) => Ok(Some(outcome)),
            Err(ExecutionError::Call(reason)) if is_too_little_gas(&reason) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    fn works(&self, gas: u64) -> Result<bool, EstimateError> {
        Ok(self.attempt(gas)?.is_some_and(|outcome| outcome.status == CallStatus::Success))
    }

    /// `fails` is known to be too little and `works` to be enough.
    fn bisect(&self, mut fails: u64, mut works: u64, first: u64) -> Result<u64, EstimateError> {
        let mut next = (first < works).then_some(first);
        for _ in 0..MAX_STEPS {
            let is_close = (works - fails) * 1000 < works * TOLERANCE_PER_MILLE;
            if fails + 1 >= works || next.is_none() && is_close {
                break;
            }
            // Most transactions need little more than they use: look in the lower part first.
            let middle = (fails + (works - fails) / 2).min(fails.saturating_mul(2)).max(fails + 1);
            let gas = next.take().unwrap_or(middle);
            if self.works(gas)? {
                works = gas;
            } else {
                fails = fails.max(gas);
            }
        }
        Ok(works)
    }
}
