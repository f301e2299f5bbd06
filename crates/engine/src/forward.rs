//! Transactions on their way to the clerks (C10 stage 1). Up to 150 members the accepting master sends each to
//! all members at once, custodians and best clerks among them; nobody passes it on, so a transaction is
//! recorded within two levels. What is not final after three blocks is sent again.

use crate::coalesce::Coalesced;
use btn_chain::SignedTransaction;
use btn_types::limits::MAX_FORWARDED_TRANSACTIONS;
use btn_types::{Bytes, Height, Message};
use std::sync::Arc;

/// Bytes of one message, about; well below a frame's limit.
const MAX_FORWARDED_BYTES: usize = 4 * 1024 * 1024;

/// Finalised blocks without inclusion after which a transaction is sent again (C10).
pub(crate) const RESEND_AFTER_BLOCKS: u64 = 3;

/// Accepted transactions not yet sent on. Those submitted in a row travel together.
#[derive(Clone, Debug, Default)]
pub(crate) struct Outbox {
    waiting: Coalesced<Bytes>,
    resent_at: Height,
}

impl Outbox {
    /// Takes in an accepted transaction.
    pub(crate) fn push(&mut self, transaction: Bytes) {
        self.waiting.push(transaction);
    }

    /// What is to be sent now.
    pub(crate) fn take_due(&mut self, now_ms: u64) -> Vec<Arc<Message>> {
        in_messages(self.waiting.take_due(now_ms))
    }

    /// When the next message is due; `None` where nothing waits or it may go at once.
    pub(crate) fn due_at_ms(&self) -> Option<u64> {
        self.waiting.due_at_ms()
    }

    /// Whether three blocks have passed since the last resend.
    pub(crate) fn is_resend_due(&mut self, height: Height) -> bool {
        let is_due = height.0 >= self.resent_at.0.saturating_add(RESEND_AFTER_BLOCKS);
        if is_due {
            self.resent_at = height;
        }
        is_due
    }
}

/// EIP-2718 bytes of a transaction.
pub(crate) fn encoded(transaction: &SignedTransaction) -> Bytes {
    use alloy_eips::Encodable2718;
    transaction.inner().encoded_2718().into()
}

/// Cuts transactions into messages that no bound refuses.
fn in_messages(transactions: Vec<Bytes>) -> Vec<Arc<Message>> {
    let (mut messages, mut chunk, mut bytes) = (Vec::new(), Vec::new(), 0);
    for transaction in transactions {
        let is_full =
            chunk.len() >= MAX_FORWARDED_TRANSACTIONS || bytes + transaction.len() > MAX_FORWARDED_BYTES;
        if is_full && !chunk.is_empty() {
            messages.push(Arc::new(Message::Transactions(std::mem::take(&mut chunk))));
            bytes = 0;
        }
        bytes += transaction.len();
        chunk.push(transaction);
    }
    if !chunk.is_empty() {
        messages.push(Arc::new(Message::Transactions(chunk)));
    }
    messages
}

#[cfg(test)]
mod tests {
    use super::*;
    use btn_types::limits::{MAX_FRAME_BYTES, MAX_TRANSACTION_BYTES};

    #[test]
    fn messages_stay_within_count_and_bytes() {
        let large = vec![Bytes::from(vec![1; MAX_TRANSACTION_BYTES]); 200];
        let small = vec![Bytes::from(vec![1; 100]); 3_000];
        for transactions in [large, small, Vec::new()] {
            let messages = in_messages(transactions.clone());
            let mut sent = Vec::new();
            for message in &messages {
                assert!(alloy_rlp::Encodable::length(&**message) < MAX_FRAME_BYTES);
                let Message::Transactions(chunk) = &**message else { panic!("{}", message.name()) };
                assert!(!chunk.is_empty() && chunk.len() <= MAX_FORWARDED_TRANSACTIONS);
                sent.extend(chunk.clone());
            }
            assert_eq!(sent, transactions, "none is lost, none is sent twice");
        }
    }
}
