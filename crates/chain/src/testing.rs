//! Bad blocks for tests, one for each fault of R-083: right in all that the fault leaves untouched, so that only
//! the check in question can find them. Made from an honest block, on a chain of one's own.

use crate::{BlockError, Chain, ChainError};
use alloy_consensus::proofs::calculate_transaction_root;
use alloy_consensus::{SignableTransaction, TxEnvelope};
use alloy_primitives::{Address, B256, Bloom, Bytes, Signature, U256};
use btn_crypto::{Domain, seal_root};
use btn_types::{Account, Block, Seal, StateDiff};
use std::sync::Arc;

/// A fault that only re-execution finds, but for the last two, which insertion finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// The state root claims that half of an account's money went to the clerk.
    Theft,
    /// The state root claims money that comes from nowhere.
    Minting,
    /// The state root claims one wei more for the clerk than its fees.
    ExcessFee,
    /// The first transaction pays more than its sender signed: its signature gives another sender.
    ForgedSender,
    /// The first transaction's signature is none.
    Unsigned,
    /// The first transaction stands in the block twice.
    NonceReplay,
    /// Any other state root.
    StateRoot,
    /// Any other receipts root.
    ReceiptsRoot,
    /// One gas more than was used.
    GasUsed,
    /// A bloom that holds everything.
    LogsBloom,
    /// A base fee one wei higher, so that every transaction would pay more.
    BaseFee,
    /// The fees go to an account that is not the clerk's.
    Beneficiary,
}

impl Fault {
    /// All of them.
    pub const ALL: [Self; 12] = [
        Self::Theft,
        Self::Minting,
        Self::ExcessFee,
        Self::ForgedSender,
        Self::Unsigned,
        Self::NonceReplay,
        Self::StateRoot,
        Self::ReceiptsRoot,
        Self::GasUsed,
        Self::LogsBloom,
        Self::BaseFee,
        Self::Beneficiary,
    ];

    /// Whether only execution finds it: the block enters the tree.
    #[must_use]
    pub const fn needs_execution(self) -> bool {
        !matches!(self, Self::BaseFee | Self::Beneficiary)
    }
}

/// `honest` with a fault. Its parent must be known to `scratch`, which learns the honest block: let it be another
/// chain than the one under test. The honest block holds at least one transaction, the first of type 2.
///
/// # Errors
/// The block is not honest, or is not on this chain.
pub fn forge(scratch: &mut Chain, honest: &Block, fault: Fault) -> Result<Block, ChainError> {
    let mut block = honest.clone();
    let clerk = honest.header.beneficiary;
    match fault {
        Fault::Theft => return with_state(scratch, honest, |diff| steal(diff, clerk)),
        Fault::Minting => {
            return with_state(scratch, honest, |diff| {
                *balance(diff, Address::repeat_byte(0xaa)) += U256::from(1_000_000_000_000_000_000_u64);
            });
        }
        Fault::ExcessFee => {
            return with_state(scratch, honest, |diff| *balance(diff, clerk) += U256::ONE);
        }
        Fault::ForgedSender | Fault::Unsigned => {
            let mut transactions = honest.transactions.clone();
            if let Some(first) = transactions.first_mut() {
                *first = resigned(first, fault == Fault::ForgedSender);
            }
            return Ok(with_transactions(honest, transactions));
        }
        Fault::NonceReplay => {
            let first = honest.transactions.first();
            return Ok(with_transactions(honest, honest.transactions.iter().chain(first).cloned().collect()));
        }
        Fault::StateRoot => block.header.state_root = B256::repeat_byte(1),
        Fault::ReceiptsRoot => block.header.receipts_root = B256::repeat_byte(1),
        Fault::GasUsed => block.header.gas_used += 1,
        Fault::LogsBloom => block.header.logs_bloom = Bloom::repeat_byte(0xff),
        Fault::BaseFee => {
            block.header.base_fee_per_gas = block.header.base_fee_per_gas.map(|wei| wei + 1);
        }
        Fault::Beneficiary => block.header.beneficiary = Address::repeat_byte(0xaa),
    }
    Ok(block)
}

/// `honest` with the state root that belongs to a changed result.
///
/// # Errors
/// As [`forge`].
pub fn with_state(
    scratch: &mut Chain,
    honest: &Block,
    change: impl FnOnce(&mut StateDiff),
) -> Result<Block, ChainError> {
    let hash = scratch.insert(Arc::new(honest.clone()))?.hash;
    scratch.execute(hash)?;
    let layers = scratch.layers_to(hash).ok_or(BlockError::Unknown(hash))?;
    let (last, ancestors) = layers.split_last().ok_or(BlockError::Unknown(hash))?;
    let mut diff = last.diff.clone();
    change(&mut diff);
    let mut block = honest.clone();
    block.header.state_root = scratch.state_root(ancestors, &diff);
    Ok(block)
}

/// `honest` with other transactions, whose header says that they are the right ones.
#[must_use]
pub fn with_transactions(honest: &Block, transactions: Vec<TxEnvelope>) -> Block {
    let mut block = Block { transactions, ..honest.clone() };
    block.header.transactions_root = calculate_transaction_root(&block.transactions);
    block
}

/// `honest` with other seals, whose envelope and header say that they are the right ones.
#[must_use]
pub fn with_seals(domain: &Domain, honest: &Block, seals: Vec<Seal>) -> Block {
    let mut block = Block { seals, ..honest.clone() };
    block.envelope.seal_root = seal_root(&block.seals);
    recommit(domain, &mut block);
    block
}

/// After a change to envelope or justification: makes the header commit to them.
pub fn recommit(domain: &Domain, block: &mut Block) {
    let extra_data = domain.envelope(&block.envelope, &block.justification);
    block.header.extra_data = Bytes::copy_from_slice(extra_data.as_slice());
}

fn balance(diff: &mut StateDiff, address: Address) -> &mut U256 {
    &mut diff.accounts.entry(address).or_default().account.get_or_insert_with(Account::default).balance
}

/// Half the money of the richest account goes to the clerk.
fn steal(diff: &mut StateDiff, clerk: Address) {
    let others = diff.accounts.iter().filter(|(address, _)| **address != clerk);
    let rich = others.filter_map(|(address, diff)| Some((diff.account?.balance, *address))).max();
    let Some((money, victim)) = rich else { return };
    let loot = money / U256::from(2);
    *balance(diff, victim) -= loot;
    *balance(diff, clerk) += loot;
}

/// The transaction with another value under the same signature, or with a signature that is none.
fn resigned(transaction: &TxEnvelope, changed: bool) -> TxEnvelope {
    let TxEnvelope::Eip1559(signed) = transaction else { return transaction.clone() };
    let (mut payment, signature, _) = signed.clone().into_parts();
    if !changed {
        return payment.into_signed(Signature::new(U256::ONE, U256::MAX, false)).into();
    }
    payment.value += U256::ONE;
    payment.into_signed(signature).into()
}
