//! One sender's pooled transactions in nonce order.

use alloy_consensus::Transaction;
use alloy_eips::eip2718::Encodable2718;
use alloy_primitives::{B256, U256};
use btn_execution::SignedTransaction;
use btn_types::Height;
use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A replacement must raise both fee caps to this many per cent (geth's `pricebump`).
const REPLACEMENT_PERCENT: u64 = 110;

/// A transaction in the pool.
#[derive(Clone, Debug)]
pub struct Pooled {
    /// The transaction and its sender.
    pub transaction: SignedTransaction,
    /// Running number of acceptance; breaks ties of price.
    pub arrival: u64,
    /// Whether this master acknowledged it to a user: then it stays until it is final (C10).
    pub local: bool,
    /// Finalised height when it came.
    pub since: Height,
    /// EIP-2718 length in bytes.
    pub bytes: usize,
    /// Most it can cost in wei: gas limit × fee cap + value.
    pub cost: U256,
}

/// Order of giving way when the pool is full: least tip first, then least fee cap, then the youngest.
pub(super) type Worth = (u128, u128, Reverse<u64>, B256);

impl Pooled {
    pub(super) fn new(transaction: SignedTransaction, arrival: u64, local: bool, since: Height) -> Self {
        let bytes = transaction.inner().encode_2718_len();
        let fees = U256::from(transaction.gas_limit()) * U256::from(transaction.max_fee_per_gas());
        let cost = fees.saturating_add(transaction.value());
        Self { transaction, arrival, local, since, bytes, cost }
    }

    /// The transaction's hash.
    #[must_use]
    pub fn hash(&self) -> B256 {
        *self.transaction.inner().tx_hash()
    }

    /// The transaction's nonce.
    #[must_use]
    pub fn nonce(&self) -> u64 {
        self.transaction.nonce()
    }

    pub(super) fn worth(&self) -> Worth {
        let cap = self.transaction.max_fee_per_gas();
        let tip = self.transaction.priority_fee_or_price().min(cap);
        (tip, cap, Reverse(self.arrival), self.hash())
    }

    /// Whether `new` pays enough more than this transaction to take its place.
    fn gives_way_to(&self, new: &Self) -> bool {
        let enough = |old: u128, new: u128| {
            let threshold = U256::from(old) * U256::from(REPLACEMENT_PERCENT) / U256::from(100);
            new > old && U256::from(new) >= threshold
        };
        enough(self.transaction.max_fee_per_gas(), new.transaction.max_fee_per_gas())
            && enough(self.transaction.priority_fee_or_price(), new.transaction.priority_fee_or_price())
    }
}

/// What the pool knows of one sender.
#[derive(Clone, Debug)]
pub(super) struct SenderQueue {
    /// Nonce in the finalised state.
    pub(super) nonce: u64,
    /// Balance in the finalised state, wei.
    pub(super) balance: U256,
    /// Sum of the transactions' costs, wei.
    pub(super) cost: U256,
    /// Number of local transactions.
    pub(super) locals: usize,
    transactions: BTreeMap<u64, Arc<Pooled>>,
}

/// What [`SenderQueue::place`] says of a nonce.
pub(super) enum Place {
    /// Nothing stands there.
    Free,
    /// The new transaction may replace this one.
    Replaces(Arc<Pooled>),
    /// What stands there pays too much to be replaced.
    Taken,
}

impl SenderQueue {
    pub(super) fn new(nonce: u64, balance: U256) -> Self {
        Self { nonce, balance, cost: U256::ZERO, locals: 0, transactions: BTreeMap::new() }
    }

    pub(super) fn len(&self) -> usize {
        self.transactions.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.transactions.is_empty()
    }

    pub(super) fn get(&self, nonce: u64) -> Option<&Arc<Pooled>> {
        self.transactions.get(&nonce)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Arc<Pooled>> {
        self.transactions.values()
    }

    pub(super) fn place(&self, new: &Pooled) -> Place {
        match self.transactions.get(&new.nonce()) {
            None => Place::Free,
            Some(old) if old.gives_way_to(new) => Place::Replaces(Arc::clone(old)),
            Some(_) => Place::Taken,
        }
    }

    pub(super) fn insert(&mut self, pooled: Arc<Pooled>) {
        self.cost = self.cost.saturating_add(pooled.cost);
        self.locals += usize::from(pooled.local);
        self.transactions.insert(pooled.nonce(), pooled);
    }

    /// Takes out the transactions for which `leaves` holds.
    pub(super) fn take(&mut self, mut leaves: impl FnMut(&Pooled) -> bool) -> Vec<Arc<Pooled>> {
        let taken: Vec<_> = self.iter().filter(|pooled| leaves(pooled)).map(Arc::clone).collect();
        for pooled in &taken {
            self.transactions.remove(&pooled.nonce());
            self.locals -= usize::from(pooled.local);
        }
        // Recomputed: a saturated sum cannot be taken back.
        self.cost = self.iter().fold(U256::ZERO, |sum, pooled| sum.saturating_add(pooled.cost));
        taken
    }

    /// First nonce at or above `from` that no pooled transaction has.
    pub(super) fn first_gap(&self, from: u64) -> u64 {
        let mut next = from;
        for nonce in self.transactions.range(from..).map(|(nonce, _)| *nonce) {
            if nonce != next {
                break;
            }
            next = next.saturating_add(1);
        }
        next
    }
}
