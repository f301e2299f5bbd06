//! The state while a block runs: what the reader below holds, and what the block changed so far.

use alloy_primitives::map::AddressMap;
use alloy_primitives::{Address, B256, Bytes, KECCAK256_EMPTY, U256};
use btn_types::{Account, AccountDiff, StateDiff, StateError, StateReader};
use revm::Database;
use revm::bytecode::Bytecode;
use revm::database_interface::DBErrorMarker;
use revm::state::{Account as EvmAccount, AccountInfo};
use std::collections::BTreeMap;
use thiserror::Error;

/// [`StateError`] in the shape the EVM asks for.
#[derive(Debug, Error)]
#[error(transparent)]
pub(crate) struct DatabaseError(#[from] pub(crate) StateError);

impl DBErrorMarker for DatabaseError {}

/// A slot: what stood before the block (zero if storage was wiped since), and what stands now.
struct Slot {
    before: U256,
    now: U256,
}

/// An account: what stood before the block, and what stands now.
#[derive(Default)]
struct Entry {
    before: Option<Account>,
    now: Option<Account>,
    /// Storage from before the block no longer shows through.
    wiped: bool,
    slots: BTreeMap<U256, Slot>,
}

/// The state a block runs on. Reads go to the reader once and are remembered; changes stay here until
/// [`BlockState::into_diff`].
pub(crate) struct BlockState<'a> {
    base: &'a dyn StateReader,
    parent: Option<(u64, B256)>,
    accounts: BTreeMap<Address, Entry>,
    codes: BTreeMap<B256, Bytecode>,
}

impl<'a> BlockState<'a> {
    /// `parent`: number and hash of the block before, which the reader need not know yet.
    pub(crate) const fn new(base: &'a dyn StateReader, parent: Option<(u64, B256)>) -> Self {
        Self { base, parent, accounts: BTreeMap::new(), codes: BTreeMap::new() }
    }

    fn entry(&mut self, address: Address) -> Result<&mut Entry, StateError> {
        use std::collections::btree_map::Entry as Place;
        match self.accounts.entry(address) {
            Place::Occupied(found) => Ok(found.into_mut()),
            Place::Vacant(place) => {
                let before = self.base.account(address)?;
                Ok(place.insert(Entry { before, now: before, ..Entry::default() }))
            }
        }
    }

    /// The account as it stands now.
    pub(crate) fn account(&mut self, address: Address) -> Result<Option<Account>, StateError> {
        Ok(self.entry(address)?.now)
    }

    /// Takes over what one transaction or system call changed.
    pub(crate) fn commit(&mut self, changes: AddressMap<EvmAccount>) -> Result<(), StateError> {
        // The order of this map does not matter: each account is written once, into a sorted map.
        for (address, account) in changes {
            if account.is_touched() {
                self.commit_account(address, account)?;
            }
        }
        Ok(())
    }

    fn commit_account(&mut self, address: Address, account: EvmAccount) -> Result<(), StateError> {
        let info = &account.info;
        let entry = self.entry(address)?;
        // EIP-6780: marked only if created in the same transaction. EIP-161: touched and empty is gone.
        if account.is_selfdestructed() || info.is_empty() {
            *entry = Entry { before: entry.before, now: None, wiped: true, slots: BTreeMap::new() };
            return Ok(());
        }
        if account.is_created() {
            entry.wiped = true;
            entry.slots.clear();
        }
        entry.now =
            Some(Account { nonce: info.nonce, balance: info.balance, code_hash: code_hash(info.code_hash) });
        for (slot, value) in account.storage.iter().filter(|(_, value)| value.is_changed()) {
            let now = value.present_value;
            // A slot read before it was written is known; one that never was is zero (a new account's).
            entry.slots.entry(*slot).or_insert(Slot { before: U256::ZERO, now }).now = now;
        }
        let code_hash = info.code_hash;
        if let Some(code) = account.info.code.filter(|code| !code.is_empty()) {
            self.codes.entry(code_hash).or_insert(code);
        }
        Ok(())
    }

    /// What the block changed: sorted, and only what really differs from before.
    pub(crate) fn into_diff(self) -> StateDiff {
        let Self { accounts, codes, .. } = self;
        let mut diff = StateDiff::default();
        for (address, entry) in accounts {
            // An account that did not exist before had no storage to lose.
            let wiped = entry.wiped && entry.before.is_some();
            let storage: BTreeMap<U256, U256> = (entry.slots.iter())
                .filter(|(_, slot)| slot.now != slot.before)
                .map(|(key, slot)| (*key, slot.now))
                .collect();
            if entry.now == entry.before && !wiped && storage.is_empty() {
                continue;
            }
            if let Some(account) = entry.now
                && entry.before.is_none_or(|before| before.code_hash != account.code_hash)
                && let Some(code) = codes.get(&account.code_hash)
            {
                diff.codes.insert(account.code_hash, code.original_bytes());
            }
            diff.accounts.insert(address, AccountDiff { account: entry.now, storage_wiped: wiped, storage });
        }
        diff
    }
}

/// The EVM writes "no code" also as zero.
fn code_hash(hash: B256) -> B256 {
    if hash.is_zero() { KECCAK256_EMPTY } else { hash }
}

/// Code as the EVM wants it. Bytes that merely begin like a delegation are ordinary code.
fn bytecode(bytes: Bytes) -> Bytecode {
    Bytecode::new_raw_checked(bytes.clone()).unwrap_or_else(|_| Bytecode::new_legacy(bytes))
}

impl Database for BlockState<'_> {
    type Error = DatabaseError;

    fn basic(&mut self, address: Address) -> Result<Option<AccountInfo>, DatabaseError> {
        let account = self.account(address)?;
        Ok(account.map(|Account { nonce, balance, code_hash }| AccountInfo {
            nonce,
            balance,
            code_hash,
            code: None,
            ..AccountInfo::default()
        }))
    }

    fn code_by_hash(&mut self, code_hash: B256) -> Result<Bytecode, DatabaseError> {
        if code_hash == KECCAK256_EMPTY || code_hash.is_zero() {
            return Ok(Bytecode::default());
        }
        if let Some(code) = self.codes.get(&code_hash) {
            return Ok(code.clone());
        }
        let bytes = self.base.code(code_hash)?.ok_or_else(|| {
            StateError(format!("an account's code {code_hash} is missing; the database is damaged"))
        })?;
        let code = bytecode(bytes);
        self.codes.insert(code_hash, code.clone());
        Ok(code)
    }

    fn storage(&mut self, address: Address, slot: U256) -> Result<U256, DatabaseError> {
        let base = self.base;
        let entry = self.entry(address)?;
        if let Some(slot) = entry.slots.get(&slot) {
            return Ok(slot.now);
        }
        if entry.wiped || entry.before.is_none() {
            return Ok(U256::ZERO);
        }
        let before = base.storage(address, slot)?;
        entry.slots.insert(slot, Slot { before, now: before });
        Ok(before)
    }

    fn block_hash(&mut self, number: u64) -> Result<B256, DatabaseError> {
        if let Some((parent, hash)) = self.parent
            && parent == number
        {
            return Ok(hash);
        }
        // Zero instead would let two nodes that keep different amounts of history disagree.
        let hash = self.base.block_hash(number)?;
        Ok(hash.ok_or_else(|| StateError(format!("the hash of block {number} is not known here")))?)
    }
}
