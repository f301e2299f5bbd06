//! Searching logs of finalised blocks: blooms first, then receipts; bounded both ways.

use crate::{ChainView, KnownBlock, ViewError};
use alloy_primitives::{Address, B256, Bloom, BloomInput, Log};
use btn_types::Height;

/// Most heights one search walks through.
pub const MAX_LOG_BLOCKS: u64 = 10_000;

/// Most logs one search gives.
pub const MAX_LOGS: usize = 10_000;

/// Which logs are wanted (`eth_getLogs`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogFilter {
    /// Contracts; empty = all.
    pub addresses: Vec<Address>,
    /// For each topic position the topics allowed; empty = any. A log with fewer topics does not match.
    pub topics: Vec<Vec<B256>>,
}

/// A log and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundLog {
    /// Height of its block.
    pub height: Height,
    /// Hash of its block.
    pub block_hash: B256,
    /// Time of its block, seconds since the Unix epoch.
    pub block_timestamp: u64,
    /// Its transaction.
    pub transaction_hash: B256,
    /// The transaction's place in the block.
    pub transaction_index: usize,
    /// The log's place in the block.
    pub log_index: usize,
    /// The log.
    pub log: Log,
}

impl LogFilter {
    /// Whether a block with this bloom may hold a match.
    #[must_use]
    pub fn may_match(&self, bloom: &Bloom) -> bool {
        let has = |bytes: &[u8]| bloom.contains_input(BloomInput::Raw(bytes));
        let address = self.addresses.is_empty() || self.addresses.iter().any(|a| has(a.as_slice()));
        address
            && self.topics.iter().all(|any| any.is_empty() || any.iter().any(|topic| has(topic.as_slice())))
    }

    /// Whether a log is wanted.
    #[must_use]
    pub fn matches(&self, log: &Log) -> bool {
        let topics = log.topics();
        (self.addresses.is_empty() || self.addresses.contains(&log.address))
            && self.topics.len() <= topics.len()
            && self.topics.iter().zip(topics).all(|(any, topic)| any.is_empty() || any.contains(topic))
    }
}

impl ChainView {
    /// Logs of the finalised heights `from..=to`; heights above the tip have none.
    ///
    /// # Errors
    /// The range is upside down or longer than [`MAX_LOG_BLOCKS`], more than [`MAX_LOGS`] match, or the store
    /// failed.
    pub fn logs(&self, from: Height, to: Height, filter: &LogFilter) -> Result<Vec<FoundLog>, ViewError> {
        if from > to {
            return Err(ViewError::LogRange { from, to });
        }
        let to = to.min(self.tip().height);
        let actual = to.0.saturating_add(1).saturating_sub(from.0);
        if actual > MAX_LOG_BLOCKS {
            return Err(ViewError::LogBlocks { actual, most: MAX_LOG_BLOCKS });
        }
        let mut found = Vec::new();
        for height in (from.0..=to.0).map(Height) {
            let Some(header) = self.header(height)? else { continue };
            if filter.may_match(&header.logs_bloom)
                && let Some(known) = self.block(height)?
            {
                self.collect(&known, filter, &mut found)?;
            }
        }
        Ok(found)
    }

    /// Logs of one block that this view gave.
    ///
    /// # Errors
    /// More than [`MAX_LOGS`] match, or the store failed.
    pub fn logs_of(&self, known: &KnownBlock, filter: &LogFilter) -> Result<Vec<FoundLog>, ViewError> {
        let mut found = Vec::new();
        if filter.may_match(&known.block.header.logs_bloom) {
            self.collect(known, filter, &mut found)?;
        }
        Ok(found)
    }

    fn collect(
        &self,
        known: &KnownBlock,
        filter: &LogFilter,
        found: &mut Vec<FoundLog>,
    ) -> Result<(), ViewError> {
        let receipts = self.receipts(known)?;
        let header = &known.block.header;
        let mut log_index = 0;
        for (transaction_index, (transaction, receipt)) in
            known.block.transactions.iter().zip(&receipts).enumerate()
        {
            for log in receipt.logs() {
                let place = log_index;
                log_index += 1;
                if !filter.matches(log) {
                    continue;
                }
                if found.len() == MAX_LOGS {
                    return Err(ViewError::TooManyLogs { most: MAX_LOGS });
                }
                found.push(FoundLog {
                    height: known.block.height(),
                    block_hash: known.hash,
                    block_timestamp: header.timestamp,
                    transaction_hash: *transaction.tx_hash(),
                    transaction_index,
                    log_index: place,
                    log: log.clone(),
                });
            }
        }
        Ok(())
    }
}
