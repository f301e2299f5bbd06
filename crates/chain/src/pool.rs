//! The transaction pool: by sender and nonce, bounded, deterministic.
//!
//! A transaction leaves the pool only when it is final, when the finalised state makes it invalid, when its
//! sender replaces it, or when a full pool gives its place to a dearer one. So the transactions of a block
//! that loses its view are still there (G-23), and [`Pool::candidates`] passes over what the unfinalised
//! ancestors hold by their nonces. Local transactions, those that this master acknowledged to a user, never
//! give way (C10); nor do others of a sender that has a local one, because they may stand before it.

mod candidates;
mod error;
mod queue;
mod sharded;

pub use candidates::Candidates;
pub use error::PoolError;
pub use queue::Pooled;

use alloy_consensus::Transaction;
use alloy_primitives::{Address, B256};
use btn_execution::{SignedTransaction, check_against_account};
use btn_types::{Account, Height};
use queue::{Place, SenderQueue, Worth};
use sharded::Sharded;
use std::collections::BTreeSet;
use std::sync::Arc;

/// Bounds of the pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolLimits {
    /// Most transactions.
    pub transactions: usize,
    /// Most bytes of their EIP-2718 encodings.
    pub bytes: usize,
    /// Most transactions of one sender.
    pub per_sender: usize,
    /// How far a nonce may lie above the finalised state's.
    pub nonce_gap: u64,
}

impl Default for PoolLimits {
    fn default() -> Self {
        Self { transactions: 16_384, bytes: 64 * 1024 * 1024, per_sender: 1_024, nonce_gap: 1_024 }
    }
}

/// What stands in the pool. `clone` is a cheap immutable snapshot.
#[derive(Clone, Debug)]
pub struct PoolContent {
    senders: Sharded<Address, Arc<SenderQueue>>,
    hashes: Sharded<B256, (Address, u64)>,
}

impl PoolContent {
    fn new() -> Self {
        Self { senders: Sharded::new(), hashes: Sharded::new() }
    }

    fn queue(&self, sender: &Address) -> Option<&SenderQueue> {
        self.senders.get(sender).map(|queue| &**queue)
    }

    fn senders(&self) -> impl Iterator<Item = (&Address, &SenderQueue)> {
        self.senders.iter().map(|(sender, queue)| (sender, &**queue))
    }

    /// Number of transactions.
    #[must_use]
    pub fn len(&self) -> usize {
        self.hashes.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// A transaction by its hash.
    #[must_use]
    pub fn get(&self, hash: B256) -> Option<&Arc<Pooled>> {
        let (sender, nonce) = self.hashes.get(&hash)?;
        self.queue(sender)?.get(*nonce)
    }

    /// All transactions, by sender and nonce.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Pooled>> {
        self.senders().flat_map(|(_, queue)| queue.iter())
    }

    /// First nonce at or above `nonce` for which the pool holds no transaction of the sender. With the nonce of
    /// the head's state this is the `pending` transaction count.
    #[must_use]
    pub fn next_nonce(&self, sender: &Address, nonce: u64) -> u64 {
        self.queue(sender).map_or(nonce, |queue| queue.first_gap(nonce))
    }
}

/// The pool itself: content, and what is needed to keep it within its bounds.
#[derive(Debug)]
pub struct Pool {
    limits: PoolLimits,
    content: PoolContent,
    bytes: usize,
    next_arrival: u64,
    /// Transactions that may give way, least worth first.
    evictable: BTreeSet<Worth>,
    /// Local transactions by age.
    locals: BTreeSet<(Height, B256)>,
}

impl Pool {
    pub(crate) fn new(limits: PoolLimits) -> Self {
        let (evictable, locals) = (BTreeSet::new(), BTreeSet::new());
        Self { limits, content: PoolContent::new(), bytes: 0, next_arrival: 0, evictable, locals }
    }

    /// What stands in the pool.
    #[must_use]
    pub const fn content(&self) -> &PoolContent {
        &self.content
    }

    /// Bytes of all transactions' EIP-2718 encodings.
    #[must_use]
    pub const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Local transactions that have waited for at least `blocks` finalised heights at `finalized`, oldest
    /// first: the ones to send again (C10).
    #[must_use]
    pub fn local_transactions_older_than(&self, blocks: u64, finalized: Height) -> Vec<Arc<Pooled>> {
        let Some(youngest) = finalized.0.checked_sub(blocks) else { return Vec::new() };
        let end = (Height(youngest).next(), B256::ZERO);
        let hashes = self.locals.range(..end).map(|(_, hash)| *hash);
        hashes.filter_map(|hash| self.content.get(hash)).map(Arc::clone).collect()
    }

    /// Takes a transaction that is valid on its own. `account` is its sender's in the finalised state, at
    /// height `finalized`.
    pub(crate) fn add(
        &mut self,
        transaction: SignedTransaction,
        local: bool,
        finalized: Height,
        account: Option<Account>,
    ) -> Result<B256, PoolError> {
        let mut new = Pooled::new(transaction, self.next_arrival, local, finalized);
        let hash = new.hash();
        if self.content.get(hash).is_some() {
            return Err(PoolError::AlreadyKnown);
        }
        let sender = new.transaction.signer();
        let account = account.unwrap_or_default();
        let fresh = SenderQueue::new(account.nonce, account.balance);
        let queue = self.content.queue(&sender).unwrap_or(&fresh);
        let replaced = self.check(&new, queue)?;
        let protected = local || queue.locals > 0;
        // The promise to a user that its nonce will be used survives a replacement.
        new.local |= replaced.as_ref().is_some_and(|old| old.local);
        self.make_room(&new, protected, replaced.as_deref())?;
        if let Some(old) = replaced {
            self.change(sender, |queue| queue.take(|pooled| pooled.nonce() == old.nonce()));
        }
        self.next_arrival += 1;
        let queue = self.content.senders.remove(&sender).unwrap_or_else(|| Arc::new(fresh));
        self.index(sender, queue, new);
        Ok(hash)
    }

    /// Nonce, funds, the sender's limits and the price of a replacement; gives what would be replaced.
    fn check(&self, new: &Pooled, queue: &SenderQueue) -> Result<Option<Arc<Pooled>>, PoolError> {
        let (sender, nonce) = (new.transaction.signer(), new.nonce());
        let (balance, cost) = (queue.balance, new.cost);
        let account = Account { nonce: queue.nonce, balance, ..Account::default() };
        check_against_account(&new.transaction, &account)?;
        let most = queue.nonce.saturating_add(self.limits.nonce_gap);
        if nonce > most {
            return Err(PoolError::NonceTooHigh { sender, actual: nonce, state: queue.nonce, most });
        }
        let replaced = match queue.place(new) {
            Place::Free => None,
            Place::Replaces(old) => Some(old),
            Place::Taken => return Err(PoolError::ReplacementUnderpriced),
        };
        let replaced_cost = replaced.as_ref().map_or_else(Default::default, |old| old.cost);
        let queued = queue.cost.saturating_sub(replaced_cost);
        if queued.saturating_add(cost) > balance {
            return Err(PoolError::Overdraft { balance, queued, cost });
        }
        if replaced.is_none() && queue.len() >= self.limits.per_sender {
            return Err(PoolError::AccountLimit { most: self.limits.per_sender });
        }
        Ok(replaced)
    }

    /// Evicts the cheapest transactions until `new` fits; none where that would not suffice.
    fn make_room(
        &mut self,
        new: &Pooled,
        protected: bool,
        replaced: Option<&Pooled>,
    ) -> Result<(), PoolError> {
        let replaced_bytes = replaced.map_or(0, |old| old.bytes);
        let mut count = self.content.len() + 1 - usize::from(replaced.is_some());
        let mut bytes = self.bytes + new.bytes - replaced_bytes;
        let mut leaving = Vec::new();
        let mut cheapest = self.evictable.iter();
        while count > self.limits.transactions || bytes > self.limits.bytes {
            let worth = cheapest.next().ok_or(PoolError::Full)?;
            if !protected && *worth >= new.worth() {
                return Err(PoolError::Underpriced);
            }
            let Some(pooled) = self.content.get(worth.3) else { continue };
            // Its own sender's transactions do not give way to it: that would tear a gap before it.
            if pooled.transaction.signer() == new.transaction.signer() {
                continue;
            }
            count -= 1;
            bytes -= pooled.bytes;
            leaving.push(Arc::clone(pooled));
        }
        for pooled in leaving {
            tracing::debug!(hash = %pooled.hash(), "transaction gives way in a full pool");
            let sender = pooled.transaction.signer();
            self.change(sender, |queue| queue.take(|other| other.nonce() == pooled.nonce()));
        }
        Ok(())
    }

    fn index(&mut self, sender: Address, mut queue: Arc<SenderQueue>, new: Pooled) {
        let new = Arc::new(new);
        let was_protected = queue.locals > 0;
        Arc::make_mut(&mut queue).insert(Arc::clone(&new));
        self.bytes += new.bytes;
        self.content.hashes.insert(new.hash(), (sender, new.nonce()));
        if new.local {
            self.locals.insert((new.since, new.hash()));
        }
        if queue.locals == 0 {
            self.evictable.insert(new.worth());
        } else if !was_protected {
            for pooled in queue.iter() {
                self.evictable.remove(&pooled.worth());
            }
        }
        self.content.senders.insert(sender, queue);
    }

    fn unindex(&mut self, pooled: &Pooled) {
        self.bytes -= pooled.bytes;
        self.content.hashes.remove(&pooled.hash());
        self.evictable.remove(&pooled.worth());
        self.locals.remove(&(pooled.since, pooled.hash()));
    }

    /// Changes a sender's queue; `change` gives the transactions that it took out.
    fn change(&mut self, sender: Address, change: impl FnOnce(&mut SenderQueue) -> Vec<Arc<Pooled>>) {
        let Some(mut queue) = self.content.senders.remove(&sender) else { return };
        let was_protected = queue.locals > 0;
        for pooled in change(Arc::make_mut(&mut queue)) {
            self.unindex(&pooled);
        }
        if queue.is_empty() {
            return;
        }
        if was_protected && queue.locals == 0 {
            self.evictable.extend(queue.iter().map(|pooled| pooled.worth()));
        }
        self.content.senders.insert(sender, queue);
    }

    /// Follows the finalised state: `account` is what finalised blocks made of `sender`. What became final,
    /// stale or unaffordable leaves.
    pub(crate) fn account_finalized(&mut self, sender: Address, account: Option<Account>) {
        let Account { nonce, balance, .. } = account.unwrap_or_default();
        self.change(sender, |queue| {
            (queue.nonce, queue.balance) = (nonce, balance);
            let taken = queue.take(|pooled| pooled.nonce() < nonce || pooled.cost > balance);
            for pooled in taken.iter().filter(|pooled| pooled.nonce() >= nonce) {
                let (hash, cost) = (pooled.hash(), pooled.cost);
                tracing::debug!(%hash, local = pooled.local, %balance, %cost, "transaction became unaffordable");
            }
            taken
        });
    }

    /// Transactions for a block of this base fee on a parent for which `nonce_of` tells the nonces that
    /// unfinalised blocks changed.
    pub(crate) fn candidates(
        &self,
        base_fee_wei: u64,
        nonce_of: &dyn Fn(&Address) -> Option<u64>,
    ) -> Candidates<'_> {
        Candidates::new(&self.content, base_fee_wei, nonce_of)
    }

    /// Whether [`Pool::candidates`] would give any.
    pub(crate) fn has_candidate(
        &self,
        base_fee_wei: u64,
        nonce_of: &dyn Fn(&Address) -> Option<u64>,
    ) -> bool {
        self.content.senders().any(|(sender, queue)| {
            let nonce = nonce_of(sender).unwrap_or(queue.nonce);
            let next = queue.get(nonce);
            next.is_some_and(|next| next.transaction.effective_tip_per_gas(base_fee_wei).is_some())
        })
    }
}

#[cfg(test)]
mod tests;
