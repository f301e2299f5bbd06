//! A transaction on its way in: decoding, its sender, and the rules that need no state or only its sender's
//! account. The order of the checks is geth's, so that the first fault reported is the one it reports.

use crate::ChainSpec;
use crate::environment::{MAX_TRANSACTION_GAS, intrinsic_gas};
use crate::reason::{MAX_INITCODE_BYTES, TransactionError};
use alloy_consensus::transaction::{Recovered, SignerRecoverable};
use alloy_consensus::{Transaction, TxEnvelope, Typed2718};
use alloy_eips::eip2718::{Decodable2718, Encodable2718};
use alloy_primitives::U256;
use btn_types::Account;
use btn_types::limits::MAX_TRANSACTION_BYTES;

/// A transaction and its sender. Recover each once: it is the dearest check of all.
pub type SignedTransaction = Recovered<TxEnvelope>;

/// First byte of a blob transaction (EIP-4844).
const BLOB_TYPE: u8 = 3;

/// Reads a transaction in its EIP-2718 form and recovers its sender.
///
/// # Errors
/// [`TransactionError`]: too large, not canonical, a type this chain does not carry, or a bad signature.
pub fn recover(bytes: &[u8]) -> Result<SignedTransaction, TransactionError> {
    if bytes.len() > MAX_TRANSACTION_BYTES {
        return Err(TransactionError::Oversized { size: bytes.len(), limit: MAX_TRANSACTION_BYTES });
    }
    match bytes.first() {
        Some(&BLOB_TYPE) => return Err(TransactionError::BlobsNotSupported),
        // 0xc0 and above begin the list of a legacy transaction; type 0 has no other form.
        Some(&first) if first < 0xc0 && !matches!(first, 1 | 2 | 4) => {
            return Err(TransactionError::TypeNotSupported(first));
        }
        _ => {}
    }
    let envelope =
        TxEnvelope::decode_2718_exact(bytes).map_err(|error| TransactionError::Decode(error.to_string()))?;
    if envelope.encoded_2718() != bytes {
        return Err(TransactionError::Decode("not the canonical encoding".into()));
    }
    recover_envelope(envelope)
}

/// Recovers the sender of a decoded transaction, of a block's body for instance.
///
/// # Errors
/// [`TransactionError::BlobsNotSupported`], or [`TransactionError::InvalidSender`] where the signature is bad.
pub fn recover_envelope(envelope: TxEnvelope) -> Result<SignedTransaction, TransactionError> {
    if envelope.ty() == BLOB_TYPE {
        return Err(TransactionError::BlobsNotSupported);
    }
    envelope.try_into_recovered().map_err(|_| TransactionError::InvalidSender)
}

/// The rules for the pool that need no state.
///
/// # Errors
/// [`TransactionError`], in geth's words.
pub fn check_transaction(transaction: &SignedTransaction, spec: &ChainSpec) -> Result<(), TransactionError> {
    check_shape(transaction)?;
    check_gas_limit(transaction, spec)?;
    check_fees(transaction, spec)?;
    check_chain_id(transaction, spec)?;
    if transaction.nonce() == u64::MAX {
        return Err(TransactionError::NonceMax { sender: transaction.signer(), nonce: u64::MAX });
    }
    check_intrinsic_gas(transaction)
}

fn check_shape(transaction: &SignedTransaction) -> Result<(), TransactionError> {
    if transaction.ty() == BLOB_TYPE {
        return Err(TransactionError::BlobsNotSupported);
    }
    let size = transaction.encode_2718_len();
    if size > MAX_TRANSACTION_BYTES {
        return Err(TransactionError::Oversized { size, limit: MAX_TRANSACTION_BYTES });
    }
    let size = transaction.input().len();
    if transaction.is_create() && size > MAX_INITCODE_BYTES {
        return Err(TransactionError::InitCodeSize { size, limit: MAX_INITCODE_BYTES });
    }
    if transaction.authorization_list().is_some_and(<[_]>::is_empty) {
        return Err(TransactionError::NoAuthorizations);
    }
    Ok(())
}

fn check_gas_limit(transaction: &SignedTransaction, spec: &ChainSpec) -> Result<(), TransactionError> {
    let gas = transaction.gas_limit();
    if gas > MAX_TRANSACTION_GAS {
        return Err(TransactionError::GasLimitTooHigh { cap: MAX_TRANSACTION_GAS, gas });
    }
    if gas > spec.gas_limit {
        return Err(TransactionError::ExceedsBlockGasLimit { gas, limit: spec.gas_limit });
    }
    Ok(())
}

fn check_fees(transaction: &SignedTransaction, spec: &ChainSpec) -> Result<(), TransactionError> {
    let (sender, max_fee) = (transaction.signer(), transaction.max_fee_per_gas());
    if let Some(tip) = transaction.max_priority_fee_per_gas()
        && tip > max_fee
    {
        return Err(TransactionError::TipAboveFee { sender, tip, max_fee });
    }
    // The base fee never falls below the floor: such a transaction could wait for ever.
    let base_fee = spec.base_fee.floor_wei;
    if max_fee < u128::from(base_fee) {
        return Err(TransactionError::FeeBelowBaseFee { sender, max_fee, base_fee });
    }
    Ok(())
}

fn check_chain_id(transaction: &SignedTransaction, spec: &ChainSpec) -> Result<(), TransactionError> {
    match transaction.chain_id() {
        None => Err(TransactionError::Unprotected),
        Some(have) if have != spec.chain_id => Err(TransactionError::ChainId { have, want: spec.chain_id }),
        Some(_) => Ok(()),
    }
}

fn check_intrinsic_gas(transaction: &SignedTransaction) -> Result<(), TransactionError> {
    let (needed, floor) = intrinsic_gas(transaction);
    let gas = transaction.gas_limit();
    if gas < needed {
        return Err(TransactionError::IntrinsicGas { gas, needed });
    }
    if gas < floor {
        return Err(TransactionError::FloorDataGas { gas, needed: floor });
    }
    Ok(())
}

/// The rules for the pool that need the sender's account: nonce and balance. A nonce above the account's is
/// no fault here: the pool may hold it until the gap closes.
///
/// # Errors
/// [`TransactionError::NonceTooLow`], [`TransactionError::InsufficientFunds`],
/// [`TransactionError::CostOverflow`].
pub fn check_against_account(
    transaction: &SignedTransaction,
    account: &Account,
) -> Result<(), TransactionError> {
    let nonce = transaction.nonce();
    if nonce < account.nonce {
        return Err(TransactionError::NonceTooLow { next: account.nonce, nonce });
    }
    let cost = max_cost(transaction).ok_or(TransactionError::CostOverflow)?;
    if cost > account.balance {
        return Err(TransactionError::InsufficientFunds { balance: account.balance, cost });
    }
    Ok(())
}

/// Most a transaction can take from its sender, wei: gas limit · highest price + value.
#[must_use]
pub fn max_cost(transaction: &SignedTransaction) -> Option<U256> {
    let gas = U256::from(transaction.gas_limit()) * U256::from(transaction.max_fee_per_gas());
    gas.checked_add(transaction.value())
}
