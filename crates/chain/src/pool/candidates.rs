//! Executable transactions, best price first.

use super::{PoolContent, SenderQueue};
use alloy_consensus::Transaction;
use alloy_primitives::Address;
use btn_execution::SignedTransaction;
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// The next transaction of one sender: the highest effective tip first, then the earliest arrival (which is
/// unique), so that the order is total.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Ranked {
    tip: u128,
    arrival: Reverse<u64>,
    sender: Address,
    nonce: u64,
}

/// Transactions that a block could hold, best effective tip first, each sender's in nonce order. A sender
/// whose next transaction cannot pay the base fee is passed over.
pub struct Candidates<'a> {
    content: &'a PoolContent,
    base_fee_wei: u64,
    heap: BinaryHeap<Ranked>,
}

impl<'a> Candidates<'a> {
    /// `nonce_of` tells the nonce of senders that unfinalised ancestors changed.
    pub(super) fn new(
        content: &'a PoolContent,
        base_fee_wei: u64,
        nonce_of: &dyn Fn(&Address) -> Option<u64>,
    ) -> Self {
        let heap = content
            .senders()
            .filter_map(|(sender, queue)| {
                let nonce = nonce_of(sender).unwrap_or(queue.nonce);
                Self::rank(*sender, queue, nonce, base_fee_wei)
            })
            .collect();
        Self { content, base_fee_wei, heap }
    }

    fn rank(sender: Address, queue: &SenderQueue, nonce: u64, base_fee_wei: u64) -> Option<Ranked> {
        let pooled = queue.get(nonce)?;
        let tip = pooled.transaction.effective_tip_per_gas(base_fee_wei)?;
        Some(Ranked { tip, arrival: Reverse(pooled.arrival), sender, nonce })
    }
}

impl Iterator for Candidates<'_> {
    type Item = SignedTransaction;

    fn next(&mut self) -> Option<SignedTransaction> {
        let Ranked { sender, nonce, .. } = self.heap.pop()?;
        let queue = self.content.queue(&sender)?;
        if let Some(next) = nonce.checked_add(1) {
            self.heap.extend(Self::rank(sender, queue, next, self.base_fee_wei));
        }
        Some(queue.get(nonce)?.transaction.clone())
    }
}
