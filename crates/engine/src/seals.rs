//! Seals on their way between masters (C8): one that is new here and came from a supervisor is sent once to all
//! other masters. What came from a master is not passed on.

use crate::coalesce::Coalesced;
use btn_types::limits::MAX_SEALS_PER_MESSAGE;
use btn_types::{B256, Message, NodeId, Seal};
use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

/// Seals remembered as passed on.
const MAX_PASSED_ON: usize = 65_536;

/// Most seals that wait to be sent; what a slow moment leaves beyond it comes by its supervisor's other masters, or
/// in a block.
const MAX_WAITING: usize = 8_192;

/// See the module.
#[derive(Clone, Debug, Default)]
pub(crate) struct SealOutbox {
    waiting: Coalesced<Seal>,
    passed_on: BTreeSet<(NodeId, B256)>,
    order: VecDeque<(NodeId, B256)>,
}

impl SealOutbox {
    /// Takes in a seal that came from a supervisor and was found good.
    pub(crate) fn push(&mut self, seal: Seal) {
        let key = (seal.supervisor, seal.block_hash);
        if self.waiting.len() >= MAX_WAITING || !self.passed_on.insert(key) {
            return;
        }
        self.order.push_back(key);
        if self.order.len() > MAX_PASSED_ON
            && let Some(oldest) = self.order.pop_front()
        {
            self.passed_on.remove(&oldest);
        }
        self.waiting.push(seal);
    }

    /// Whether the seal of this supervisor on this block was passed on before.
    pub(crate) fn has_passed_on(&self, seal: &Seal) -> bool {
        self.passed_on.contains(&(seal.supervisor, seal.block_hash))
    }

    /// What is to be sent now.
    pub(crate) fn take_due(&mut self, now_ms: u64) -> Vec<Arc<Message>> {
        let due = self.waiting.take_due(now_ms);
        due.chunks(MAX_SEALS_PER_MESSAGE).map(|chunk| Arc::new(Message::Seals(chunk.to_vec()))).collect()
    }

    /// When the next message is due.
    pub(crate) fn due_at_ms(&self) -> Option<u64> {
        self.waiting.due_at_ms()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use btn_types::Bytes;

    fn seal(number: u16) -> Seal {
        let mut id = B256::ZERO;
        id[..2].copy_from_slice(&number.to_be_bytes());
        Seal {
            supervisor: NodeId(id),
            core: B256::ZERO,
            draw_signature: Bytes::new(),
            block_hash: B256::ZERO,
            signature: Bytes::new(),
        }
    }

    #[test]
    fn each_goes_once_and_messages_stay_within_their_bound() {
        let mut outbox = SealOutbox::default();
        for number in 0..600 {
            outbox.push(seal(number));
            outbox.push(seal(number));
        }
        let sent: Vec<usize> = outbox
            .take_due(1)
            .iter()
            .map(|message| match &**message {
                Message::Seals(seals) => seals.len(),
                other => panic!("{}", other.name()),
            })
            .collect();
        assert_eq!(sent, [256, 256, 88]);
        outbox.push(seal(7));
        assert!(outbox.take_due(100).is_empty(), "it was passed on before");
    }
}
