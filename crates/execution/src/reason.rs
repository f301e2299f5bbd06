//! Why a transaction is refused, in geth's words: wallets and libraries match on them.

use alloy_primitives::{Address, U256};
use revm::context::TxEnv;
use revm::context_interface::Transaction;
use revm::context_interface::result::InvalidTransaction;
use thiserror::Error;

/// Why a transaction is refused by the pool, by a block or by a call.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum TransactionError {
    /// Not the canonical EIP-2718 encoding of a transaction.
    #[error("rlp: {0}")]
    Decode(String),
    /// A type this chain does not know (EIP-2718).
    #[error("transaction type not supported: type {0}; types 0, 1, 2 and 4 are")]
    TypeNotSupported(u8),
    /// A blob transaction (EIP-4844).
    #[error("transaction type not supported: blob transactions (type 3) do not exist on this chain")]
    BlobsNotSupported,
    /// The signature recovers to no account, or has a high s (EIP-2).
    #[error("invalid sender: invalid transaction v, r, s values")]
    InvalidSender,
    /// Signed for another chain (EIP-155).
    #[error("invalid sender: invalid chain id for signer: have {have} want {want}")]
    ChainId {
        /// The transaction's chain id.
        have: u64,
        /// This chain's.
        want: u64,
    },
    /// A legacy transaction without a chain id (EIP-155): it could be replayed from another chain.
    #[error("only replay-protected (EIP-155) transactions allowed over RPC")]
    Unprotected,
    /// More bytes than the pool takes.
    #[error("oversized data: transaction size {size}, limit {limit}")]
    Oversized {
        /// Bytes of the EIP-2718 encoding.
        size: usize,
        /// Most bytes.
        limit: usize,
    },
    /// More initcode than EIP-3860 allows.
    #[error("max initcode size exceeded: code size {size}, limit {limit}")]
    InitCodeSize {
        /// Bytes of initcode.
        size: usize,
        /// Most bytes.
        limit: usize,
    },
    /// More gas than a transaction may have (EIP-7825).
    #[error("transaction gas limit too high (cap: {cap}, tx: {gas})")]
    GasLimitTooHigh {
        /// Most gas.
        cap: u64,
        /// The transaction's gas limit.
        gas: u64,
    },
    /// More gas than a whole block has.
    #[error("exceeds block gas limit: gas {gas}, block gas limit {limit}")]
    ExceedsBlockGasLimit {
        /// The transaction's gas limit.
        gas: u64,
        /// The block's.
        limit: u64,
    },
    /// More gas than is left in the block.
    #[error("gas limit reached: gas {gas}, left in the block {left}")]
    GasLimitReached {
        /// The transaction's gas limit.
        gas: u64,
        /// Gas the block has left.
        left: u64,
    },
    /// Less gas than the transaction costs before its first instruction.
    #[error("intrinsic gas too low: gas {gas}, minimum needed {needed}")]
    IntrinsicGas {
        /// The transaction's gas limit.
        gas: u64,
        /// Intrinsic gas.
        needed: u64,
    },
    /// Less gas than its calldata costs at least (EIP-7623).
    #[error("insufficient gas for floor data gas cost: gas {gas}, minimum needed {needed}")]
    FloorDataGas {
        /// The transaction's gas limit.
        gas: u64,
        /// Floor of EIP-7623.
        needed: u64,
    },
    /// The transaction pays less than the base fee (EIP-1559).
    #[error(
        "max fee per gas less than block base fee: address {sender}, maxFeePerGas: {max_fee}, baseFee: {base_fee}"
    )]
    FeeBelowBaseFee {
        /// Sender.
        sender: Address,
        /// Most it pays, wei per gas.
        max_fee: u128,
        /// Base fee or, for the pool, the floor it never falls below; wei per gas.
        base_fee: u64,
    },
    /// The tip is above the whole fee (EIP-1559).
    #[error(
        "max priority fee per gas higher than max fee per gas: address {sender}, maxPriorityFeePerGas: {tip}, maxFeePerGas: {max_fee}"
    )]
    TipAboveFee {
        /// Sender.
        sender: Address,
        /// Tip, wei per gas.
        tip: u128,
        /// Fee, wei per gas.
        max_fee: u128,
    },
    /// A call that gives both kinds of fee.
    #[error("both gasPrice and (maxFeePerGas or maxPriorityFeePerGas) specified")]
    FeesConflict,
    /// A type-4 transaction that authorises nothing (EIP-7702).
    #[error("set code tx must have at least one authorization tuple")]
    NoAuthorizations,
    /// A type-4 transaction that creates a contract (EIP-7702).
    #[error("EIP-7702 transaction cannot be used to create contract: sender {sender}")]
    SetCodeCreate {
        /// Sender.
        sender: Address,
    },
    /// The nonce was used before.
    #[error("nonce too low: next nonce {next}, tx nonce {nonce}")]
    NonceTooLow {
        /// The account's next nonce.
        next: u64,
        /// The transaction's.
        nonce: u64,
    },
    /// Earlier nonces are missing.
    #[error("nonce too high: next nonce {next}, tx nonce {nonce}")]
    NonceTooHigh {
        /// The account's next nonce.
        next: u64,
        /// The transaction's.
        nonce: u64,
    },
    /// Nonce 2^64 - 1 (EIP-2681).
    #[error("nonce has max value: address {sender}, nonce: {nonce}")]
    NonceMax {
        /// Sender.
        sender: Address,
        /// The transaction's nonce.
        nonce: u64,
    },
    /// The sender cannot pay gas at its highest price plus the value.
    #[error(
        "insufficient funds for gas * price + value: balance {balance}, tx cost {cost}, overshot {}",
        cost.saturating_sub(*balance)
    )]
    InsufficientFunds {
        /// The sender's balance, wei.
        balance: U256,
        /// Most the transaction can cost, wei.
        cost: U256,
    },
    /// Gas times price plus value has more than 256 bits.
    #[error("insufficient funds for gas * price + value: the cost has more than 256 bits")]
    CostOverflow,
    /// The sender is a contract (EIP-3607).
    #[error("sender not an eoa: address {sender}")]
    SenderNotEoa {
        /// Sender.
        sender: Address,
    },
    /// A rule of the EVM that can only fail on another fork.
    #[error("{0}")]
    Other(String),
}

impl TransactionError {
    /// Whether the same transaction may be valid in a later block, so that the pool should keep it: the base
    /// fee falls, the block before it was full, or the gap in front of it closes.
    #[must_use]
    pub const fn is_temporary(&self) -> bool {
        matches!(
            self,
            Self::FeeBelowBaseFee { .. } | Self::GasLimitReached { .. } | Self::NonceTooHigh { .. }
        )
    }

    /// The EVM's own refusal in geth's words; `transaction` is what it refused.
    pub(crate) fn explain(
        invalid: InvalidTransaction,
        transaction: &TxEnv,
        chain_id: u64,
        base_fee_wei: u64,
        block_gas_limit: u64,
    ) -> Self {
        let (sender, gas, max_fee) = (transaction.caller, transaction.gas_limit, transaction.gas_price);
        match invalid {
            InvalidTransaction::PriorityFeeGreaterThanMaxFee => {
                Self::TipAboveFee { sender, tip: transaction.gas_priority_fee.unwrap_or_default(), max_fee }
            }
            InvalidTransaction::GasPriceLessThanBasefee => {
                Self::FeeBelowBaseFee { sender, max_fee, base_fee: base_fee_wei }
            }
            InvalidTransaction::CallerGasLimitMoreThanBlock => {
                Self::ExceedsBlockGasLimit { gas, limit: block_gas_limit }
            }
            InvalidTransaction::CallGasCostMoreThanGasLimit { initial_gas, gas_limit } => {
                Self::IntrinsicGas { gas: gas_limit, needed: initial_gas }
            }
            InvalidTransaction::GasFloorMoreThanGasLimit { gas_floor, gas_limit } => {
                Self::FloorDataGas { gas: gas_limit, needed: gas_floor }
            }
            InvalidTransaction::RejectCallerWithCode => Self::SenderNotEoa { sender },
            InvalidTransaction::LackOfFundForMaxFee { fee, balance } => {
                Self::InsufficientFunds { balance: *balance, cost: *fee }
            }
            InvalidTransaction::OverflowPaymentInTransaction => Self::CostOverflow,
            InvalidTransaction::NonceOverflowInTransaction => {
                Self::NonceMax { sender, nonce: transaction.nonce }
            }
            InvalidTransaction::NonceTooHigh { tx, state } => Self::NonceTooHigh { next: state, nonce: tx },
            InvalidTransaction::NonceTooLow { tx, state } => Self::NonceTooLow { next: state, nonce: tx },
            InvalidTransaction::CreateInitCodeSizeLimit => {
                Self::InitCodeSize { size: transaction.input().len(), limit: MAX_INITCODE_BYTES }
            }
            InvalidTransaction::InvalidChainId | InvalidTransaction::MissingChainId => {
                Self::ChainId { have: transaction.chain_id.unwrap_or_default(), want: chain_id }
            }
            InvalidTransaction::TxGasLimitGreaterThanCap { gas_limit, cap } => {
                Self::GasLimitTooHigh { cap, gas: gas_limit }
            }
            InvalidTransaction::EmptyAuthorizationList => Self::NoAuthorizations,
            other => Self::Other(other.to_string()),
        }
    }
}

/// Most bytes of initcode (EIP-3860): twice the largest contract.
pub(crate) const MAX_INITCODE_BYTES: usize = 2 * 0x6000;
