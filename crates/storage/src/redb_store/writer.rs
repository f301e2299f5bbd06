//! Writing batches. Nothing here is visible to a reader before the commit at the end.

use super::{
    ACCOUNTS, BODIES, CODES, FINALIZATIONS, HEADERS, HEIGHT_BY_HASH, META, RECEIPTS, SCHEMA, SEALS, STORAGE,
    Shared, THIRD_STATE, TRANSACTION_LOCATION, Table, decode_hash,
};
use crate::encoding::{SLOT_KEY_BYTES, encode_body, encode_location, encode_place, height_key, slot_key};
use crate::{FinalizedBatch, FinalizedBlock, SealedBlock, StoreError};
use btn_types::{Account, AccountDiff, Address, B256, StateDiff, U256, encode};
use redb::{Durability, ReadableTable, WriteTransaction};

/// Makes the tables of a new database, or checks whose database it is.
pub(super) fn prepare(shared: &Shared, chain: B256) -> Result<(), StoreError> {
    let transaction = begin(shared)?;
    let stored = {
        let meta = transaction.open_table(META).map_err(shared.failed("opening table meta"))?;
        let read = |key| -> Result<Option<Vec<u8>>, StoreError> {
            let value = meta.get(key).map_err(shared.failed("reading table meta"))?;
            Ok(value.map(|value| value.value().to_vec()))
        };
        (read("schema")?, read("chain")?)
    };
    match stored {
        (None, None) => create_tables(shared, &transaction, chain)?,
        (Some(schema), Some(stored_chain)) => {
            check_meta(shared, chain, &schema, &stored_chain)?;
            return transaction.abort().map_err(shared.failed("ending the check of table meta"));
        }
        _ => return Err(shared.damaged("table meta", "schema and chain must both be there")),
    }
    transaction.commit().map_err(shared.failed("creating the tables"))
}

fn check_meta(shared: &Shared, ours: B256, schema: &[u8], chain: &[u8]) -> Result<(), StoreError> {
    let schema = schema.try_into().map(u64::from_be_bytes);
    let theirs = schema.map_err(|_| shared.damaged("table meta, schema", "it is not 8 bytes long"))?;
    if theirs != SCHEMA {
        return Err(StoreError::Schema { path: shared.path.clone(), ours: SCHEMA, theirs });
    }
    let theirs = decode_hash(chain).map_err(|error| shared.damaged("table meta, chain", error))?;
    if theirs != ours {
        return Err(StoreError::OtherChain { path: shared.path.clone(), ours, theirs });
    }
    Ok(())
}

fn create_tables(shared: &Shared, transaction: &WriteTransaction, chain: B256) -> Result<(), StoreError> {
    let mut meta = transaction.open_table(META).map_err(shared.failed("opening table meta"))?;
    for (key, value) in [("schema", &SCHEMA.to_be_bytes()[..]), ("chain", chain.as_slice())] {
        meta.insert(key, value).map_err(shared.failed("writing table meta"))?;
    }
    for table in [HEADERS, BODIES, RECEIPTS, FINALIZATIONS, SEALS] {
        transaction.open_table(table).map_err(shared.failed("creating a table of blocks"))?;
    }
    for table in [HEIGHT_BY_HASH, TRANSACTION_LOCATION, CODES] {
        transaction.open_table(table).map_err(shared.failed("creating a table by hash"))?;
    }
    transaction.open_table(ACCOUNTS).map_err(shared.failed("creating table accounts"))?;
    transaction.open_table(STORAGE).map_err(shared.failed("creating table storage"))?;
    Ok(())
}

/// Writes a batch in one durable transaction.
pub(super) fn write(shared: &Shared, batch: &FinalizedBatch) -> Result<(), StoreError> {
    let transaction = begin(shared)?;
    let writer = Writer { shared, transaction: &transaction };
    for finalized in &batch.blocks {
        writer.block(finalized)?;
        writer.state(&finalized.diff)?;
    }
    if let Some(sealed) = &batch.sealed {
        writer.third_state(sealed)?;
    }
    transaction.commit().map_err(shared.failed("committing"))
}

fn begin(shared: &Shared) -> Result<WriteTransaction, StoreError> {
    let mut transaction = shared.database.begin_write().map_err(shared.failed("beginning a transaction"))?;
    transaction.set_durability(Durability::Immediate).map_err(shared.failed("setting durability"))?;
    Ok(transaction)
}

struct Writer<'a> {
    shared: &'a Shared,
    transaction: &'a WriteTransaction,
}

impl Writer<'_> {
    fn block(&self, finalized: &FinalizedBlock) -> Result<(), StoreError> {
        let block = &*finalized.block;
        let height = height_key(block.height());
        self.put(HEADERS, &height, &encode(&block.header))?;
        self.put(BODIES, &height, &encode_body(block))?;
        self.put(RECEIPTS, &height, &encode(&finalized.receipts))?;
        if let Some(finalization) = &finalized.finalization {
            self.put(FINALIZATIONS, &height, &encode(finalization))?;
        }
        self.put(HEIGHT_BY_HASH, &finalized.hash.0, &height)?;
        let table = self.transaction.open_table(TRANSACTION_LOCATION);
        let mut table = table.map_err(self.shared.failed("opening table transaction_location"))?;
        for (index, transaction) in (0u32..).zip(&block.transactions) {
            let location = encode_location(block.height(), index);
            let inserted = table.insert(&transaction.tx_hash().0, &location[..]);
            inserted.map_err(self.shared.failed("writing table transaction_location"))?;
        }
        Ok(())
    }

    fn third_state(&self, sealed: &SealedBlock) -> Result<(), StoreError> {
        self.put(SEALS, &height_key(sealed.height), &encode(&sealed.seals))?;
        let opened = self.transaction.open_table(META);
        let mut meta = opened.map_err(self.shared.failed("opening table meta"))?;
        let written = meta.insert(THIRD_STATE, &encode_place(sealed.place())[..]);
        written.map(drop).map_err(self.shared.failed("writing table meta"))
    }

    fn put<const N: usize>(&self, table: Table<N>, key: &[u8; N], value: &[u8]) -> Result<(), StoreError> {
        let opened = self.transaction.open_table(table);
        let mut opened = opened.map_err(self.shared.failed("opening a table"))?;
        opened.insert(key, value).map_err(self.shared.failed("writing a table"))?;
        Ok(())
    }

    fn state(&self, diff: &StateDiff) -> Result<(), StoreError> {
        let failed = || self.shared.failed("writing table codes");
        {
            let table = self.transaction.open_table(CODES);
            let mut table = table.map_err(self.shared.failed("opening table codes"))?;
            for (hash, code) in &diff.codes {
                table.insert(&hash.0, &code[..]).map_err(failed())?;
            }
        }
        let accounts = self.transaction.open_table(ACCOUNTS);
        let mut accounts = accounts.map_err(self.shared.failed("opening table accounts"))?;
        let slots = self.transaction.open_table(STORAGE);
        let mut slots = slots.map_err(self.shared.failed("opening table storage"))?;
        for (address, account_diff) in &diff.accounts {
            self.account(&mut accounts, *address, account_diff.account)?;
            self.slots(&mut slots, *address, account_diff)?;
        }
        Ok(())
    }

    fn account(
        &self,
        table: &mut redb::Table<'_, &'static [u8; 20], &'static [u8]>,
        address: Address,
        account: Option<Account>,
    ) -> Result<(), StoreError> {
        let key = &address.0.0;
        let done = match account {
            Some(account) => table.insert(key, &encode(&account)[..]).map(drop),
            None => table.remove(key).map(drop),
        };
        done.map_err(self.shared.failed("writing table accounts"))
    }

    /// An account that is gone takes its storage along, whatever else the difference says.
    fn slots(
        &self,
        table: &mut redb::Table<'_, &'static [u8; SLOT_KEY_BYTES], &'static [u8]>,
        address: Address,
        diff: &AccountDiff,
    ) -> Result<(), StoreError> {
        let failed = || self.shared.failed("writing table storage");
        if diff.storage_wiped || diff.account.is_none() {
            let (first, last) = (slot_key(address, U256::ZERO), slot_key(address, U256::MAX));
            table.retain_in::<&[u8; SLOT_KEY_BYTES], _>(&first..=&last, |_, _| false).map_err(failed())?;
        }
        if diff.account.is_none() {
            return Ok(());
        }
        for (slot, value) in &diff.storage {
            let key = slot_key(address, *slot);
            let done = if value.is_zero() {
                table.remove(&key).map(drop)
            } else {
                table.insert(&key, &encode(value)[..]).map(drop)
            };
            done.map_err(failed())?;
        }
        Ok(())
    }
}
