//! A store in memory, for the simulator and for tests of everything above storage.

use crate::{
    AccountVisitor, FinalizedBatch, FinalizedBlock, Store, StoreError, StoreReader, Stored, StoredTip,
};
use alloy_consensus::{Header, ReceiptEnvelope};
use btn_types::{Account, AccountDiff, Address, B256, Block, Bytes, Certificate, Height, Seal, U256};
use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

/// The stored data itself. It is shared copy-on-write: a clone costs one pointer until the next commit.
#[derive(Clone, Default)]
struct Data {
    blocks: BTreeMap<Height, Arc<StoredBlock>>,
    third_state: Option<StoredTip>,
    seals: BTreeMap<Height, Arc<[Seal]>>,
    height_by_hash: BTreeMap<B256, Height>,
    transaction_location: BTreeMap<B256, (Height, u32)>,
    accounts: BTreeMap<Address, Account>,
    slots: BTreeMap<(Address, U256), U256>,
    codes: BTreeMap<B256, Bytes>,
}

struct StoredBlock {
    hash: B256,
    block: Arc<Block>,
    receipts: Vec<ReceiptEnvelope>,
    finalization: Option<Certificate>,
}

impl Data {
    fn tip(&self) -> Option<StoredTip> {
        self.blocks.last_key_value().map(|(height, stored)| StoredTip { height: *height, hash: stored.hash })
    }

    fn insert(&mut self, finalized: FinalizedBlock) {
        let FinalizedBlock { hash, block, receipts, diff, finalization } = finalized;
        let height = block.height();
        for (index, transaction) in (0u32..).zip(&block.transactions) {
            self.transaction_location.insert(*transaction.tx_hash(), (height, index));
        }
        for (address, account_diff) in &diff.accounts {
            self.apply(*address, account_diff);
        }
        self.codes.extend(diff.codes);
        self.height_by_hash.insert(hash, height);
        self.blocks.insert(height, Arc::new(StoredBlock { hash, block, receipts, finalization }));
    }

    fn apply(&mut self, address: Address, diff: &AccountDiff) {
        if diff.storage_wiped || diff.account.is_none() {
            let wiped: Vec<_> =
                self.slots.range((address, U256::ZERO)..=(address, U256::MAX)).map(|(key, _)| *key).collect();
            for key in wiped {
                self.slots.remove(&key);
            }
        }
        let Some(account) = diff.account else {
            self.accounts.remove(&address);
            return;
        };
        self.accounts.insert(address, account);
        for (slot, value) in &diff.storage {
            if value.is_zero() {
                self.slots.remove(&(address, *slot));
            } else {
                self.slots.insert((address, *slot), *value);
            }
        }
    }
}

/// [`Store`] without a disk. A commit is atomic, as on disk, so a simulated crash loses the node's memory and
/// keeps this. `clone` gives an independent store with the same content, for the price of a pointer.
#[derive(Default)]
pub struct MemoryStore {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared(RwLock<Arc<Data>>);

impl Shared {
    /// What is newest now. A panic elsewhere cannot have left it half-written: it is replaced as a whole.
    fn newest(&self) -> Arc<Data> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }
}

impl MemoryStore {
    /// An empty store.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}

impl Clone for MemoryStore {
    fn clone(&self) -> Self {
        Self { shared: Arc::new(Shared(RwLock::new(self.shared.newest()))) }
    }
}

impl Store for MemoryStore {
    fn reader(&self) -> Arc<dyn StoreReader> {
        Arc::clone(&self.shared) as Arc<dyn StoreReader>
    }

    fn commit(&mut self, batch: FinalizedBatch) -> Result<(), StoreError> {
        let mut newest = self.shared.0.write().unwrap_or_else(PoisonError::into_inner);
        let stored = Stored { tip: newest.tip(), third_state: newest.third_state };
        batch.check_continues(stored, |height| Ok(newest.blocks.get(&height).map(|stored| stored.hash)))?;
        let data = Arc::make_mut(&mut newest);
        for finalized in batch.blocks {
            data.insert(finalized);
        }
        if let Some(sealed) = batch.sealed {
            data.third_state = Some(sealed.place());
            data.seals.insert(sealed.height, sealed.seals.into());
        }
        Ok(())
    }
}

impl StoreReader for Shared {
    fn snapshot(&self) -> Result<Arc<dyn StoreReader>, StoreError> {
        Ok(Arc::new(Self(RwLock::new(self.newest()))))
    }

    fn tip(&self) -> Result<Option<StoredTip>, StoreError> {
        Ok(self.newest().tip())
    }

    fn block(&self, height: Height) -> Result<Option<Block>, StoreError> {
        Ok(self.newest().blocks.get(&height).map(|stored| Block::clone(&stored.block)))
    }

    fn header(&self, height: Height) -> Result<Option<Header>, StoreError> {
        Ok(self.newest().blocks.get(&height).map(|stored| stored.block.header.clone()))
    }

    fn hash_of(&self, height: Height) -> Result<Option<B256>, StoreError> {
        Ok(self.newest().blocks.get(&height).map(|stored| stored.hash))
    }

    fn height_of(&self, hash: B256) -> Result<Option<Height>, StoreError> {
        Ok(self.newest().height_by_hash.get(&hash).copied())
    }

    fn receipts(&self, height: Height) -> Result<Option<Vec<ReceiptEnvelope>>, StoreError> {
        Ok(self.newest().blocks.get(&height).map(|stored| stored.receipts.clone()))
    }

    fn finalization(&self, height: Height) -> Result<Option<Certificate>, StoreError> {
        Ok(self.newest().blocks.get(&height).and_then(|stored| stored.finalization.clone()))
    }

    fn third_state(&self) -> Result<Option<StoredTip>, StoreError> {
        Ok(self.newest().third_state)
    }

    fn seals(&self, height: Height) -> Result<Vec<Seal>, StoreError> {
        Ok(self.newest().seals.get(&height).map(|seals| seals.to_vec()).unwrap_or_default())
    }

    fn transaction_location(&self, hash: B256) -> Result<Option<(Height, u32)>, StoreError> {
        Ok(self.newest().transaction_location.get(&hash).copied())
    }

    fn account(&self, address: Address) -> Result<Option<Account>, StoreError> {
        Ok(self.newest().accounts.get(&address).copied())
    }

    fn storage(&self, address: Address, slot: U256) -> Result<U256, StoreError> {
        Ok(self.newest().slots.get(&(address, slot)).copied().unwrap_or_default())
    }

    fn code(&self, code_hash: B256) -> Result<Option<Bytes>, StoreError> {
        Ok(self.newest().codes.get(&code_hash).cloned())
    }

    fn for_each_account(&self, visit: &mut AccountVisitor<'_>) -> Result<(), StoreError> {
        let data = self.newest();
        for (address, account) in &data.accounts {
            let slots = data.slots.range((*address, U256::ZERO)..=(*address, U256::MAX));
            visit(*address, *account, &mut slots.map(|((_, slot), value)| Ok((*slot, *value))))?;
        }
        Ok(())
    }
}
