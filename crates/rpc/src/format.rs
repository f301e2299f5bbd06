//! How things look in JSON: Ethereum's objects by alloy's types, with what PoE adds beside them.

mod poe;
mod seals;
mod status;

pub(crate) use poe::{CertificateObject, CommitteeObject, EnvelopeObject, ProposalObject, raw};
pub(crate) use seals::{BlockState, RegistryObject, SealObject, SupervisorsObject};
pub(crate) use status::StatusObject;

use crate::{BlockEntry, SyncProgress};
use alloy_consensus::transaction::{Recovered, TransactionInfo};
use alloy_consensus::{ReceiptEnvelope, Transaction as _, TxEnvelope};
use alloy_primitives::U64;
use alloy_rlp::Encodable;
use alloy_rpc_types_eth::{Block, BlockTransactions, Header, Log, Transaction, TransactionReceipt};
use btn_types::{Address, B256, Bytes, Envelope, NodeId, U256, sha256};
use serde::Serialize;

/// A block as `eth_getBlockBy…` shows it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct BlockObject {
    #[serde(flatten)]
    block: Block<Transaction, Header>,
    /// Milliseconds since the Unix epoch; `timestamp` is its whole seconds.
    milli_timestamp: U64,
    poe: PoeObject,
}

/// What PoE adds to a block.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PoeObject {
    epoch: U64,
    view: U64,
    parent_view: U64,
    round: U64,
    clerk: NodeId,
    /// Leading zero bits of the clerk's draw.
    zeros: U64,
}

impl From<&Envelope> for PoeObject {
    fn from(envelope: &Envelope) -> Self {
        Self {
            epoch: U64::from(envelope.epoch.0),
            view: U64::from(envelope.view.0),
            parent_view: U64::from(envelope.parent_view.0),
            round: U64::from(envelope.round().unwrap_or_default().0),
            clerk: envelope.clerk,
            zeros: U64::from(draw_zeros(&envelope.clerk_signature)),
        }
    }
}

/// Leading zero bits of a lottery signature's SHA-256. Genesis has no signature and counts none.
fn draw_zeros(clerk_signature: &Bytes) -> usize {
    if clerk_signature.is_empty() {
        return 0;
    }
    U256::from_be_bytes(sha256(clerk_signature).0).leading_zeros()
}

/// A block with the hashes of its transactions, or where their senders are given with whole transactions.
pub(crate) fn block_object(entry: &BlockEntry, senders: Option<&[Address]>) -> BlockObject {
    let block = &entry.block;
    let transactions = match senders {
        Some(senders) => {
            let full = senders.iter().enumerate();
            BlockTransactions::Full(
                full.filter_map(|(index, sender)| included(entry, index, *sender)).collect(),
            )
        }
        None => BlockTransactions::Hashes(block.transactions.iter().map(|tx| *tx.tx_hash()).collect()),
    };
    let header = Header {
        hash: entry.hash,
        inner: block.header.clone(),
        total_difficulty: None,
        size: Some(U256::from(block.length())),
    };
    BlockObject {
        block: Block::new(header, transactions).with_withdrawals(Some(Default::default())),
        milli_timestamp: U64::from(block.envelope.timestamp_ms),
        poe: PoeObject::from(&block.envelope),
    }
}

/// A transaction of a block; `None` past its last.
pub(crate) fn included(entry: &BlockEntry, index: usize, sender: Address) -> Option<Transaction> {
    let header = &entry.block.header;
    let transaction = entry.block.transactions.get(index)?;
    let info = TransactionInfo {
        hash: Some(*transaction.tx_hash()),
        index: Some(index as u64),
        block_hash: Some(entry.hash),
        block_number: Some(header.number),
        base_fee: header.base_fee_per_gas,
        block_timestamp: Some(header.timestamp),
    };
    Some(Transaction::from_transaction(Recovered::new_unchecked(transaction.clone(), sender), info))
}

/// A transaction that is in no final block.
pub(crate) fn pending(transaction: Recovered<TxEnvelope>) -> Transaction {
    Transaction::from_transaction(transaction, TransactionInfo::default())
}

/// A receipt of a finalised block; `None` past its last transaction.
pub(crate) fn receipt(
    entry: &BlockEntry,
    receipts: &[ReceiptEnvelope],
    index: usize,
    from: Address,
) -> Option<TransactionReceipt<ReceiptEnvelope<Log>>> {
    let header = &entry.block.header;
    let (transaction, receipt) = (entry.block.transactions.get(index)?, receipts.get(index)?);
    let before = &receipts[..index];
    let gas_before = before.last().map_or(0, ReceiptEnvelope::cumulative_gas_used);
    let first_log: u64 = before.iter().map(|receipt| receipt.logs().len() as u64).sum();
    let place = LogPlace { block_hash: entry.hash, number: header.number, timestamp: header.timestamp };
    let mut log_index = first_log;
    let inner = receipt.clone().map_logs(|log| {
        let log = place.log(log, *transaction.tx_hash(), index as u64, log_index);
        log_index += 1;
        log
    });
    Some(TransactionReceipt {
        inner,
        transaction_hash: *transaction.tx_hash(),
        transaction_index: Some(index as u64),
        block_hash: Some(entry.hash),
        block_number: Some(header.number),
        gas_used: receipt.cumulative_gas_used().saturating_sub(gas_before),
        effective_gas_price: transaction.effective_gas_price(header.base_fee_per_gas),
        blob_gas_used: None,
        blob_gas_price: None,
        from,
        to: transaction.to(),
        contract_address: transaction.kind().is_create().then(|| from.create(transaction.nonce())),
    })
}

/// The block that logs belong to.
pub(crate) struct LogPlace {
    pub(crate) block_hash: B256,
    pub(crate) number: u64,
    pub(crate) timestamp: u64,
}

impl LogPlace {
    /// A log of this block.
    pub(crate) fn log(
        &self,
        log: alloy_primitives::Log,
        transaction_hash: B256,
        transaction_index: u64,
        log_index: u64,
    ) -> Log {
        Log {
            inner: log,
            block_hash: Some(self.block_hash),
            block_number: Some(self.number),
            block_timestamp: Some(self.timestamp),
            transaction_hash: Some(transaction_hash),
            transaction_index: Some(transaction_index),
            log_index: Some(log_index),
            removed: false,
        }
    }
}

/// `eth_syncing` while catching up.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SyncObject {
    starting_block: U64,
    current_block: U64,
    highest_block: U64,
}

impl From<SyncProgress> for SyncObject {
    fn from(progress: SyncProgress) -> Self {
        Self {
            starting_block: U64::from(progress.starting_height),
            current_block: U64::from(progress.current_height),
            highest_block: U64::from(progress.highest_height),
        }
    }
}
