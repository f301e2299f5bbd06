//! The state root: the root of Ethereum's Merkle Patricia trie over all accounts.

use alloy_primitives::{Address, B256, U256, keccak256};
use alloy_trie::{EMPTY_ROOT_HASH, HashBuilder, Nibbles, TrieAccount};
use btn_types::{Account, StateDiff};
use std::collections::BTreeMap;

/// Keeps what is needed to compute the state root of unfinalised blocks.
pub trait StateCommitment {
    /// The state root after `layers`, oldest first, on top of everything applied. Changes nothing.
    fn root(&self, layers: &[&StateDiff]) -> B256;

    /// Takes over the difference of a finalised block.
    fn apply(&mut self, diff: &StateDiff);
}

/// The simple commitment: all leaves of the finalised state in memory, the account trie hashed anew each
/// time. Storage roots are remembered and computed again only for accounts whose storage changed. Good for
/// some ten thousand accounts; it is also the oracle for a later incremental one.
#[derive(Clone, Debug, Default)]
pub struct FullRecomputation {
    /// By keccak256 of the address, as the trie orders them.
    leaves: BTreeMap<B256, Leaf>,
}

#[derive(Clone, Debug)]
struct Leaf {
    account: Account,
    storage: Slots,
    storage_root: B256,
}

/// Non-zero slots by keccak256 of the key.
type Slots = BTreeMap<B256, U256>;

/// What several layers together do to one account.
#[derive(Default)]
struct Patch {
    account: Option<Account>,
    wiped: bool,
    /// Zero = removed.
    slots: Slots,
}

impl FullRecomputation {
    /// The commitment to nothing; apply genesis to it.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The commitment to a whole state, at start-up.
    pub fn from_accounts<S>(accounts: impl IntoIterator<Item = (Address, Account, S)>) -> Self
    where
        S: IntoIterator<Item = (U256, U256)>,
    {
        let leaf = |account, storage: S| {
            let storage: Slots = (storage.into_iter())
                .filter(|(_, value)| !value.is_zero())
                .map(|(slot, value)| (hashed_slot(slot), value))
                .collect();
            let storage_root = storage_root(storage.iter());
            Leaf { account, storage, storage_root }
        };
        let leaves = accounts
            .into_iter()
            .map(|(address, account, storage)| (keccak256(address), leaf(account, storage)));
        Self { leaves: leaves.collect() }
    }

    /// The storage root of an account after `layers`; that of nothing where the account does not exist.
    #[must_use]
    pub fn storage_root(&self, address: Address, layers: &[&StateDiff]) -> B256 {
        let key = keccak256(address);
        match merge(layers, Some(address)).get(&key) {
            Some(patch) if patch.account.is_none() => EMPTY_ROOT_HASH,
            Some(patch) => self.patched_storage_root(&key, patch),
            None => self.leaves.get(&key).map_or(EMPTY_ROOT_HASH, |leaf| leaf.storage_root),
        }
    }

    fn patched_storage_root(&self, key: &B256, patch: &Patch) -> B256 {
        let leaf = self.leaves.get(key).filter(|_| !patch.wiped);
        match leaf {
            Some(leaf) if patch.slots.is_empty() => leaf.storage_root,
            Some(leaf) => {
                storage_root(Merged::new(&leaf.storage, &patch.slots).filter(|(_, v)| !v.is_zero()))
            }
            None => storage_root(patch.slots.iter().filter(|(_, value)| !value.is_zero())),
        }
    }
}

impl StateCommitment for FullRecomputation {
    fn root(&self, layers: &[&StateDiff]) -> B256 {
        let patches = merge(layers, None);
        let mut builder = HashBuilder::default();
        let mut encoded = Vec::new();
        let unchanged = self.leaves.iter().filter(|(key, _)| !patches.contains_key(*key));
        let mut unchanged = unchanged.map(|(key, leaf)| (key, leaf.account, leaf.storage_root)).peekable();
        let mut patched = (patches.iter())
            .filter_map(|(key, patch)| Some((key, patch.account?, self.patched_storage_root(key, patch))))
            .peekable();
        // Two ascending sequences without common keys: always take the smaller head.
        loop {
            let take_patched = match (unchanged.peek(), patched.peek()) {
                (Some(left), Some(right)) => right.0 < left.0,
                (None, _) => true,
                (_, None) => false,
            };
            let next = if take_patched { patched.next() } else { unchanged.next() };
            let Some((key, account, storage_root)) = next else { return builder.root() };
            encoded.clear();
            let account = TrieAccount::new(account.nonce, account.balance, storage_root, account.code_hash);
            alloy_rlp::Encodable::encode(&account, &mut encoded);
            builder.add_leaf(Nibbles::unpack(key), &encoded);
        }
    }

    fn apply(&mut self, diff: &StateDiff) {
        for (key, patch) in merge(&[diff], None) {
            let Some(account) = patch.account else {
                self.leaves.remove(&key);
                continue;
            };
            let empty = || Leaf { account, storage: Slots::new(), storage_root: EMPTY_ROOT_HASH };
            let leaf = self.leaves.entry(key).or_insert_with(empty);
            leaf.account = account;
            if !patch.wiped && patch.slots.is_empty() {
                continue;
            }
            if patch.wiped {
                leaf.storage.clear();
            }
            for (slot, value) in patch.slots {
                if value.is_zero() {
                    leaf.storage.remove(&slot);
                } else {
                    leaf.storage.insert(slot, value);
                }
            }
            leaf.storage_root = storage_root(leaf.storage.iter());
        }
    }
}

/// Several layers as one, by hashed address; only `only`'s if given.
fn merge(layers: &[&StateDiff], only: Option<Address>) -> BTreeMap<B256, Patch> {
    let mut by_address: BTreeMap<Address, Patch> = BTreeMap::new();
    for (address, change) in layers.iter().flat_map(|layer| &layer.accounts) {
        if only.is_some_and(|only| only != *address) {
            continue;
        }
        let patch = by_address.entry(*address).or_default();
        patch.account = change.account;
        if change.storage_wiped || change.account.is_none() {
            patch.wiped = true;
            patch.slots.clear();
        }
        if change.account.is_some() {
            patch.slots.extend(change.storage.iter().map(|(slot, value)| (hashed_slot(*slot), *value)));
        }
    }
    by_address.into_iter().map(|(address, patch)| (keccak256(address), patch)).collect()
}

fn hashed_slot(slot: U256) -> B256 {
    keccak256(slot.to_be_bytes::<32>())
}

fn storage_root<'a>(slots: impl Iterator<Item = (&'a B256, &'a U256)>) -> B256 {
    let mut builder = HashBuilder::default();
    for (key, value) in slots {
        builder.add_leaf(Nibbles::unpack(key), alloy_rlp::encode_fixed_size(value).as_ref());
    }
    builder.root()
}

/// Two sorted maps as one ascending sequence; where both have a key, the upper one's value.
struct Merged<'a> {
    lower: std::iter::Peekable<std::collections::btree_map::Iter<'a, B256, U256>>,
    upper: std::iter::Peekable<std::collections::btree_map::Iter<'a, B256, U256>>,
}

impl<'a> Merged<'a> {
    fn new(lower: &'a Slots, upper: &'a Slots) -> Self {
        Self { lower: lower.iter().peekable(), upper: upper.iter().peekable() }
    }
}

impl<'a> Iterator for Merged<'a> {
    type Item = (&'a B256, &'a U256);

    fn next(&mut self) -> Option<Self::Item> {
        match (self.lower.peek(), self.upper.peek()) {
            (Some(lower), Some(upper)) if lower.0 < upper.0 => self.lower.next(),
            (Some(lower), Some(upper)) => {
                if lower.0 == upper.0 {
                    self.lower.next();
                }
                self.upper.next()
            }
            (Some(_), None) => self.lower.next(),
            (None, _) => self.upper.next(),
        }
    }
}
