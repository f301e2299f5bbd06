//! [`Store`] on redb: one file, one durable transaction per batch, readers on snapshots (ADR 004).

mod reader;
#[cfg(test)]
mod tests;
mod writer;

use crate::encoding::{SLOT_KEY_BYTES, decode_hash, decode_height};
use crate::{FinalizedBatch, Store, StoreError, StoreReader, Stored};
use btn_types::B256;
use reader::{RedbReader, RedbSnapshot};
use redb::{Database, TableDefinition};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Schema of the database; a change that an older program would misread raises it.
pub(crate) const SCHEMA: u64 = 2;

/// Keys of fixed width, values of bytes.
type Table<const N: usize> = TableDefinition<'static, &'static [u8; N], &'static [u8]>;

/// Height → RLP header.
const HEADERS: Table<8> = Table::new("headers");
/// Height → RLP list of transactions, envelope, justification.
const BODIES: Table<8> = Table::new("bodies");
/// Height → RLP list of receipts, each in its EIP-2718 network encoding.
const RECEIPTS: Table<8> = Table::new("receipts");
/// Height → RLP certificate.
const FINALIZATIONS: Table<8> = Table::new("finalizations");
/// Height → RLP list of the seals that made its block the third state.
const SEALS: Table<8> = Table::new("seals");
/// Block hash → height.
const HEIGHT_BY_HASH: Table<32> = Table::new("height_by_hash");
/// Transaction hash → height and index.
const TRANSACTION_LOCATION: Table<32> = Table::new("transaction_location");
/// Address → RLP account.
const ACCOUNTS: Table<20> = Table::new("accounts");
/// Address and slot → RLP value, never zero.
const STORAGE: Table<SLOT_KEY_BYTES> = Table::new("storage");
/// keccak256 → code.
const CODES: Table<32> = Table::new("codes");
/// Name → value: "schema", "chain", and once there is one "third_state".
const META: TableDefinition<'static, &'static str, &'static [u8]> = TableDefinition::new("meta");

/// Key of height and hash of the newest block of the third state.
const THIRD_STATE: &str = "third_state";

/// The database file and its name for messages.
pub(crate) struct Shared {
    database: Database,
    path: PathBuf,
}

impl Shared {
    /// Turns any of redb's errors into ours.
    fn failed<E: Into<redb::Error>>(&self, doing: &'static str) -> impl Fn(E) -> StoreError {
        failed(&self.path, doing)
    }

    fn damaged(&self, what: impl Into<String>, reason: impl ToString) -> StoreError {
        StoreError::Damaged { path: self.path.clone(), what: what.into(), reason: reason.to_string() }
    }
}

fn failed<E: Into<redb::Error>>(path: &Path, doing: &'static str) -> impl Fn(E) -> StoreError {
    move |error| StoreError::Database { path: path.to_owned(), doing, source: Box::new(error.into()) }
}

/// The database of finalised data on disk.
pub struct RedbStore {
    shared: Arc<Shared>,
    stored: Stored,
}

impl RedbStore {
    /// Opens the database at `path`, or makes an empty one. `cache_bytes` bounds redb's page cache (64 MiB
    /// for a master; its own default would be 1 GiB). `chain` is the genesis hash.
    ///
    /// # Errors
    /// Another process has it open, it belongs to another chain or schema, or the disk failed.
    pub fn open(path: &Path, cache_bytes: usize, chain: B256) -> Result<Self, StoreError> {
        let mut builder = Database::builder();
        builder.set_cache_size(cache_bytes).set_repair_callback(|repair| {
            tracing::warn!(progress = repair.progress(), "the database was not closed cleanly; repairing it");
        });
        let database = builder.create(path).map_err(failed(path, "opening"))?;
        let shared = Arc::new(Shared { database, path: path.to_owned() });
        writer::prepare(&shared, chain)?;
        let snapshot = RedbSnapshot::new(Arc::clone(&shared))?;
        let stored = Stored { tip: snapshot.tip()?, third_state: snapshot.third_state()? };
        Ok(Self { shared, stored })
    }
}

impl Store for RedbStore {
    fn reader(&self) -> Arc<dyn StoreReader> {
        Arc::new(RedbReader(Arc::clone(&self.shared)))
    }

    fn commit(&mut self, batch: FinalizedBatch) -> Result<(), StoreError> {
        batch.check_continues(self.stored, |height| self.reader().hash_of(height))?;
        if batch.is_empty() {
            return Ok(());
        }
        writer::write(&self.shared, &batch)?;
        self.stored.tip = batch.tip().or(self.stored.tip);
        let third_state = batch.sealed.map(|sealed| sealed.place());
        self.stored.third_state = third_state.or(self.stored.third_state);
        Ok(())
    }
}
