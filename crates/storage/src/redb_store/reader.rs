//! Reading: a snapshot is one redb read transaction; the plain reader takes a fresh one for each call.

use super::{
    ACCOUNTS, BODIES, CODES, FINALIZATIONS, HEADERS, HEIGHT_BY_HASH, META, RECEIPTS, SEALS, STORAGE, Shared,
    THIRD_STATE, TRANSACTION_LOCATION, Table, decode_height,
};
use crate::encoding::{
    SLOT_KEY_BYTES, decode_block, decode_location, decode_place, height_key, slot_key, slot_of,
};
use crate::{AccountVisitor, StoreError, StoreReader, StoredTip};
use alloy_consensus::{Header, ReceiptEnvelope};
use alloy_primitives::keccak256;
use btn_types::{Account, Address, B256, Block, Bytes, Certificate, Height, Seal, U256, decode_exact};
use redb::{ReadOnlyTable, ReadTransaction, ReadableDatabase, ReadableTable, TableHandle};
use std::fmt::Display;
use std::sync::Arc;

type Values<const N: usize> = ReadOnlyTable<&'static [u8; N], &'static [u8]>;

/// One consistent view.
#[derive(Clone)]
pub(super) struct RedbSnapshot {
    transaction: Arc<ReadTransaction>,
    shared: Arc<Shared>,
}

impl RedbSnapshot {
    pub(super) fn new(shared: Arc<Shared>) -> Result<Self, StoreError> {
        let transaction = shared.database.begin_read().map_err(shared.failed("beginning to read"))?;
        Ok(Self { transaction: Arc::new(transaction), shared })
    }

    fn table<const N: usize>(&self, table: Table<N>) -> Result<Values<N>, StoreError> {
        self.transaction.open_table(table).map_err(self.shared.failed("opening a table to read"))
    }

    /// The value under a key, decoded; a value that does not decode is damage, never absence.
    fn get<const N: usize, T>(
        &self,
        table: Table<N>,
        key: &[u8; N],
        decode: impl FnOnce(&[u8]) -> Result<T, alloy_rlp::Error>,
    ) -> Result<Option<T>, StoreError> {
        let value = self.table(table)?.get(key).map_err(self.shared.failed("reading a table"))?;
        let decoded = value.map(|value| decode(value.value())).transpose();
        decoded.map_err(|error| self.undecodable(table, key, error))
    }

    fn undecodable<const N: usize>(&self, table: Table<N>, key: &[u8; N], error: impl Display) -> StoreError {
        let key = Bytes::copy_from_slice(key);
        self.shared.damaged(format!("table {}, key {key}", table.name()), error)
    }
}

impl StoreReader for RedbSnapshot {
    fn snapshot(&self) -> Result<Arc<dyn StoreReader>, StoreError> {
        Ok(Arc::new(self.clone()))
    }

    fn tip(&self) -> Result<Option<StoredTip>, StoreError> {
        let table = self.table(HEADERS)?;
        let Some((key, value)) = table.last().map_err(self.shared.failed("reading the tip"))? else {
            return Ok(None);
        };
        Ok(Some(StoredTip {
            height: Height(u64::from_be_bytes(*key.value())),
            hash: keccak256(value.value()),
        }))
    }

    fn block(&self, height: Height) -> Result<Option<Block>, StoreError> {
        let Some(header) = self.header(height)? else { return Ok(None) };
        let block = self.get(BODIES, &height_key(height), |body| decode_block(header, body))?;
        block
            .map(Some)
            .ok_or_else(|| self.shared.damaged(format!("height {height}"), "a header without a body"))
    }

    fn header(&self, height: Height) -> Result<Option<Header>, StoreError> {
        self.get(HEADERS, &height_key(height), decode_exact)
    }

    fn hash_of(&self, height: Height) -> Result<Option<B256>, StoreError> {
        self.get(HEADERS, &height_key(height), |header| Ok(keccak256(header)))
    }

    fn height_of(&self, hash: B256) -> Result<Option<Height>, StoreError> {
        self.get(HEIGHT_BY_HASH, &hash.0, decode_height)
    }

    fn receipts(&self, height: Height) -> Result<Option<Vec<ReceiptEnvelope>>, StoreError> {
        self.get(RECEIPTS, &height_key(height), decode_exact)
    }

    fn finalization(&self, height: Height) -> Result<Option<Certificate>, StoreError> {
        self.get(FINALIZATIONS, &height_key(height), decode_exact)
    }

    fn third_state(&self) -> Result<Option<StoredTip>, StoreError> {
        let opened = self.transaction.open_table(META);
        let meta = opened.map_err(self.shared.failed("opening table meta"))?;
        let value = meta.get(THIRD_STATE).map_err(self.shared.failed("reading table meta"))?;
        let place = value.map(|value| decode_place(value.value())).transpose();
        place.map_err(|error| self.shared.damaged("table meta, third_state", error))
    }

    fn seals(&self, height: Height) -> Result<Vec<Seal>, StoreError> {
        Ok(self.get(SEALS, &height_key(height), decode_exact)?.unwrap_or_default())
    }

    fn transaction_location(&self, hash: B256) -> Result<Option<(Height, u32)>, StoreError> {
        self.get(TRANSACTION_LOCATION, &hash.0, decode_location)
    }

    fn account(&self, address: Address) -> Result<Option<Account>, StoreError> {
        self.get(ACCOUNTS, &address.0.0, decode_exact)
    }

    fn storage(&self, address: Address, slot: U256) -> Result<U256, StoreError> {
        Ok(self.get(STORAGE, &slot_key(address, slot), decode_exact)?.unwrap_or_default())
    }

    fn code(&self, code_hash: B256) -> Result<Option<Bytes>, StoreError> {
        self.get(CODES, &code_hash.0, |code| Ok(Bytes::copy_from_slice(code)))
    }

    fn for_each_account(&self, visit: &mut AccountVisitor<'_>) -> Result<(), StoreError> {
        let failed = || self.shared.failed("walking the accounts");
        let (accounts, slots) = (self.table(ACCOUNTS)?, self.table(STORAGE)?);
        for entry in accounts.iter().map_err(failed())? {
            let (key, value) = entry.map_err(failed())?;
            let address = Address::from(*key.value());
            let account = decode_exact(value.value());
            let account = account.map_err(|error| self.undecodable(ACCOUNTS, key.value(), error))?;
            let (first, last) = (slot_key(address, U256::ZERO), slot_key(address, U256::MAX));
            let range = slots.range::<&[u8; SLOT_KEY_BYTES]>(&first..=&last).map_err(failed())?;
            let mut decoded = range.map(|entry| {
                let (key, value) = entry.map_err(failed())?;
                let value = decode_exact(value.value());
                let value = value.map_err(|error| self.undecodable(STORAGE, key.value(), error))?;
                Ok((slot_of(key.value()), value))
            });
            visit(address, account, &mut decoded)?;
        }
        Ok(())
    }
}

/// A reader of whatever is newest: each call takes its own snapshot.
pub(super) struct RedbReader(pub(super) Arc<Shared>);

impl RedbReader {
    fn now(&self) -> Result<RedbSnapshot, StoreError> {
        RedbSnapshot::new(Arc::clone(&self.0))
    }
}

impl StoreReader for RedbReader {
    fn snapshot(&self) -> Result<Arc<dyn StoreReader>, StoreError> {
        Ok(Arc::new(self.now()?))
    }

    fn tip(&self) -> Result<Option<StoredTip>, StoreError> {
        self.now()?.tip()
    }

    fn block(&self, height: Height) -> Result<Option<Block>, StoreError> {
        self.now()?.block(height)
    }

    fn header(&self, height: Height) -> Result<Option<Header>, StoreError> {
        self.now()?.header(height)
    }

    fn hash_of(&self, height: Height) -> Result<Option<B256>, StoreError> {
        self.now()?.hash_of(height)
    }

    fn height_of(&self, hash: B256) -> Result<Option<Height>, StoreError> {
        self.now()?.height_of(hash)
    }

    fn receipts(&self, height: Height) -> Result<Option<Vec<ReceiptEnvelope>>, StoreError> {
        self.now()?.receipts(height)
    }

    fn finalization(&self, height: Height) -> Result<Option<Certificate>, StoreError> {
        self.now()?.finalization(height)
    }

    fn third_state(&self) -> Result<Option<StoredTip>, StoreError> {
        self.now()?.third_state()
    }

    fn seals(&self, height: Height) -> Result<Vec<Seal>, StoreError> {
        self.now()?.seals(height)
    }

    fn transaction_location(&self, hash: B256) -> Result<Option<(Height, u32)>, StoreError> {
        self.now()?.transaction_location(hash)
    }

    fn account(&self, address: Address) -> Result<Option<Account>, StoreError> {
        self.now()?.account(address)
    }

    fn storage(&self, address: Address, slot: U256) -> Result<U256, StoreError> {
        self.now()?.storage(address, slot)
    }

    fn code(&self, code_hash: B256) -> Result<Option<Bytes>, StoreError> {
        self.now()?.code(code_hash)
    }

    fn for_each_account(&self, visit: &mut AccountVisitor<'_>) -> Result<(), StoreError> {
        self.now()?.for_each_account(visit)
    }
}
