//! What both levels do with their disk: a journal that is synced before anything is sent, commits of what is final,
//! and the log lines that go with them. What stands after a journal group or a commit happens only once that is
//! synced (C6, C8).

use crate::clock::unix_ms;
use crate::metric_names;
use btn_storage::{DataDirectory, FinalizedBatch, Journal, SealedBlock, Store};
use btn_types::{B256, Block, Height, JournalRecord};
use eyre::WrapErr;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// The journal is compacted when it has grown past this, or to twice what it had after the last compaction.
const COMPACT_AFTER_BYTES: u64 = 16 * 1024 * 1024;

/// Most final blocks remembered until they reach the third state, so that the log can say when each did. Of older
/// ones only the block that the seals are on is reported.
const MAX_UNSEALED_BLOCKS: usize = 1_024;

/// The journal, or the lack of one.
pub(crate) enum Journals {
    /// Every record is kept.
    Kept(Journal),
    /// It was lost: the node signs nothing, so there is nothing it must remember.
    Lost,
}

/// A block that is final and not yet in the third state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Unsealed {
    height: Height,
    hash: B256,
    timestamp_ms: u64,
}

/// Such blocks, oldest first; above the bound the oldest are forgotten.
#[derive(Default)]
struct UnsealedBlocks(VecDeque<Unsealed>);

impl UnsealedBlocks {
    fn push(&mut self, block: Unsealed) {
        if self.0.len() == MAX_UNSEALED_BLOCKS {
            self.0.pop_front();
        }
        self.0.push_back(block);
    }

    /// Takes out all up to a height: a seal set covers all ancestors of its block (C8).
    fn take_up_to(&mut self, height: Height) -> Vec<Unsealed> {
        let above = self.0.partition_point(|block| block.height <= height);
        self.0.drain(..above).collect()
    }
}

/// Database, journal and the lock on their directory.
pub(crate) struct Disk {
    store: Box<dyn Store>,
    journals: Journals,
    compact_after_bytes: u64,
    /// Holds the lock for as long as the node runs.
    _directory: DataDirectory,
    unsealed: UnsealedBlocks,
    finalized_at: Option<Instant>,
}

impl Disk {
    pub(crate) fn new(store: Box<dyn Store>, journals: Journals, directory: DataDirectory) -> Self {
        Self {
            store,
            journals,
            compact_after_bytes: COMPACT_AFTER_BYTES,
            _directory: directory,
            unsealed: UnsealedBlocks::default(),
            finalized_at: None,
        }
    }

    /// When the newest block became final here; `None` since the start.
    pub(crate) const fn finalized_at(&self) -> Option<Instant> {
        self.finalized_at
    }

    /// Appends records as one group, synced.
    pub(crate) fn append(&mut self, records: &[JournalRecord]) -> eyre::Result<()> {
        let Journals::Kept(journal) = &mut self.journals else { return Ok(()) };
        if records.is_empty() {
            return Ok(());
        }
        let started = Instant::now();
        journal
            .append(records)
            .wrap_err("the journal cannot be written; BTN stops before it forgets a vote or a seal")?;
        metrics::histogram!(metric_names::JOURNAL_SECONDS).record(started.elapsed());
        Ok(())
    }

    /// Stores a batch, then says what it made final, and what it brought into the third state.
    pub(crate) fn commit(&mut self, batch: FinalizedBatch) -> eyre::Result<()> {
        let started = Instant::now();
        let sealed = batch.sealed.clone();
        let is_final = !batch.blocks.is_empty();
        let blocks: Vec<_> =
            batch.blocks.iter().map(|finalized| (finalized.hash, finalized.block.clone())).collect();
        self.store.commit(batch).wrap_err("a final block cannot be written")?;
        metrics::histogram!(metric_names::COMMIT_SECONDS).record(started.elapsed());
        if is_final {
            self.finalized_at = Some(Instant::now());
        }
        for (hash, block) in blocks {
            self.report_final(hash, &block);
        }
        match sealed {
            Some(sealed) => self.report_third_state(&sealed),
            None => Ok(()),
        }
    }

    fn report_final(&mut self, hash: B256, block: &Block) {
        let timestamp_ms = block.envelope.timestamp_ms;
        let age_ms = unix_ms().saturating_sub(timestamp_ms);
        tracing::info!(
            height = %block.height(), view = %block.envelope.view, %hash,
            transactions = block.transactions.len(), seals = block.seals.len(), age_ms, "final"
        );
        metrics::counter!(metric_names::FINAL_TRANSACTIONS).increment(block.transactions.len() as u64);
        metrics::histogram!(metric_names::FINAL_SECONDS).record(Duration::from_millis(age_ms));
        self.unsealed.push(Unsealed { height: block.height(), hash, timestamp_ms });
    }

    /// Blocks below the sealed one are reported with it.
    fn report_third_state(&mut self, sealed: &SealedBlock) -> eyre::Result<()> {
        let mut covered = self.unsealed.take_up_to(sealed.height);
        if covered.last().is_none_or(|last| last.height != sealed.height) {
            // Final since before the start, or longer ago than is remembered.
            let block = self.store.reader().block(sealed.height).wrap_err("a sealed block cannot be read")?;
            let timestamp_ms = block.map_or(0, |block| block.envelope.timestamp_ms);
            covered.push(Unsealed { height: sealed.height, hash: sealed.hash, timestamp_ms });
        }
        for Unsealed { height, hash, timestamp_ms } in covered {
            let age_ms = unix_ms().saturating_sub(timestamp_ms);
            tracing::info!(
                %height, %hash, age_ms, sealed_height = %sealed.height, seals = sealed.seals.len(), "third state"
            );
            metrics::histogram!(metric_names::THIRD_STATE_SECONDS).record(Duration::from_millis(age_ms));
        }
        Ok(())
    }

    /// Rewrites a journal that has grown, with the records that still count.
    pub(crate) fn compact(&mut self, live_records: impl FnOnce() -> Vec<JournalRecord>) -> eyre::Result<()> {
        let Journals::Kept(journal) = &mut self.journals else { return Ok(()) };
        if journal.len_bytes() < self.compact_after_bytes {
            return Ok(());
        }
        let before_bytes = journal.len_bytes();
        journal.rewrite(&live_records()).wrap_err("the journal cannot be compacted")?;
        let after_bytes = journal.len_bytes();
        self.compact_after_bytes = COMPACT_AFTER_BYTES.max(after_bytes.saturating_mul(2));
        tracing::debug!(before_bytes, after_bytes, "journal compacted");
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sealed_block_covers_those_below_and_old_ones_are_forgotten() {
        let mut blocks = UnsealedBlocks::default();
        let block = |height| Unsealed { height: Height(height), hash: B256::ZERO, timestamp_ms: height };
        let last = MAX_UNSEALED_BLOCKS as u64 + 3;
        (1..=last).for_each(|height| blocks.push(block(height)));
        assert!(blocks.take_up_to(Height(3)).is_empty(), "they were pushed out");
        assert_eq!(blocks.take_up_to(Height(6)), [block(4), block(5), block(6)]);
        assert!(blocks.take_up_to(Height(6)).is_empty(), "each is reported once");
        assert_eq!(blocks.take_up_to(Height(u64::MAX)).len() as u64, last - 6);
    }
}
