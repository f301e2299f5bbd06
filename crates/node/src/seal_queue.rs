//! Seals on their way from supervisors' links to the engine. Consensus comes first, so they wait here; and each
//! supervisor has a small place of its own, so that a flood from one never pushes out another's.

use btn_types::{NodeId, Seal};
use std::collections::{BTreeMap, VecDeque};
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// Most seals of one supervisor that wait: a block takes one of each, and a slow engine is seldom more than a few
/// blocks behind.
const MAX_WAITING_PER_SUPERVISOR: usize = 32;

/// Most seals that wait in all.
const MAX_WAITING_SEALS: usize = 8_192;

/// Most seals given to the engine at once: two RSA verifications each, so about a millisecond.
pub(crate) const MAX_SEALS_PER_TURN: usize = 16;

/// What waits, by supervisor.
#[derive(Default)]
struct Waiting {
    by_supervisor: BTreeMap<NodeId, VecDeque<Seal>>,
    total: usize,
    /// Whose turn was last.
    last: Option<NodeId>,
}

impl Waiting {
    /// Whether the seal found room.
    fn push(&mut self, seal: Seal) -> bool {
        let own = self.by_supervisor.get(&seal.supervisor).map_or(0, VecDeque::len);
        if own >= MAX_WAITING_PER_SUPERVISOR || (self.total >= MAX_WAITING_SEALS && !self.make_room(own)) {
            return false;
        }
        self.by_supervisor.entry(seal.supervisor).or_default().push_back(seal);
        self.total += 1;
        true
    }

    /// Drops the newest seal of whoever has most waiting, if that is more than `own` and one.
    fn make_room(&mut self, own: usize) -> bool {
        let longest = self.by_supervisor.iter().max_by_key(|(_, waiting)| waiting.len());
        let Some((id, _)) = longest.filter(|(_, waiting)| waiting.len() > own + 1) else { return false };
        let id = *id;
        let dropped = self.by_supervisor.get_mut(&id).and_then(VecDeque::pop_back);
        self.total -= usize::from(dropped.is_some());
        dropped.is_some()
    }

    /// The oldest seal of the supervisor whose turn it is.
    fn pop(&mut self) -> Option<Seal> {
        let after = self.last.map_or(Bound::Unbounded, Bound::Excluded);
        let following = self.by_supervisor.range((after, Bound::Unbounded)).next();
        let supervisor = *following.or_else(|| self.by_supervisor.iter().next())?.0;
        let own = self.by_supervisor.get_mut(&supervisor)?;
        let seal = own.pop_front();
        if own.is_empty() {
            self.by_supervisor.remove(&supervisor);
        }
        self.last = Some(supervisor);
        self.total -= usize::from(seal.is_some());
        seal
    }
}

/// Both ends of the queue; cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct SealQueue {
    waiting: Arc<Mutex<Waiting>>,
    arrived: Arc<Notify>,
}

/// What became of offered seals.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Offered {
    /// Wait for the engine now.
    pub(crate) queued: usize,
    /// Not the sender's own.
    pub(crate) foreign: usize,
    /// Found no room.
    pub(crate) dropped: usize,
}

impl SealQueue {
    /// Queues the seals that a supervisor sent. Only its own are taken: others come from their makers and from
    /// masters (C8).
    pub(crate) fn offer(&self, from: NodeId, seals: Vec<Seal>) -> Offered {
        let mut offered = Offered::default();
        let mut waiting = self.lock();
        for seal in seals {
            if seal.supervisor != from {
                offered.foreign += 1;
            } else if waiting.push(seal) {
                offered.queued += 1;
            } else {
                offered.dropped += 1;
            }
        }
        drop(waiting);
        if offered.queued > 0 {
            self.arrived.notify_one();
        }
        offered
    }

    /// Some of the seals that wait, one supervisor after the other; none where none waits.
    pub(crate) fn take(&self) -> Vec<Seal> {
        let mut waiting = self.lock();
        std::iter::from_fn(|| waiting.pop()).take(MAX_SEALS_PER_TURN).collect()
    }

    /// Ends once a seal waits. Cancel-safe.
    pub(crate) async fn ready(&self) {
        while self.lock().total == 0 {
            self.arrived.notified().await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use btn_types::{B256, Bytes};

    fn id(number: u8) -> NodeId {
        NodeId(B256::repeat_byte(number))
    }

    fn seals(supervisor: u8, count: usize) -> Vec<Seal> {
        let seal = |number: usize| Seal {
            supervisor: id(supervisor),
            core: B256::left_padding_from(&number.to_be_bytes()),
            draw_signature: Bytes::new(),
            block_hash: B256::ZERO,
            signature: Bytes::new(),
        };
        (0..count).map(seal).collect()
    }

    #[test]
    fn a_flood_takes_no_room_and_no_turn_from_another() {
        let queue = SealQueue::default();
        let flood = queue.offer(id(1), seals(1, MAX_WAITING_PER_SUPERVISOR + 5));
        assert_eq!(flood, Offered { queued: MAX_WAITING_PER_SUPERVISOR, foreign: 0, dropped: 5 });
        assert_eq!(queue.offer(id(2), seals(2, 2)).queued, 2);
        let taken = queue.take();
        assert_eq!(taken.len(), MAX_SEALS_PER_TURN);
        let makers: Vec<_> = taken.iter().take(5).map(|seal| seal.supervisor).collect();
        assert_eq!(makers, [id(1), id(2), id(1), id(2), id(1)]);
        let of_first: Vec<_> =
            taken.iter().filter(|seal| seal.supervisor == id(1)).map(|seal| seal.core).collect();
        assert!(of_first.is_sorted(), "oldest first");
        let rest: usize = std::iter::from_fn(|| Some(queue.take().len()).filter(|&length| length > 0)).sum();
        assert_eq!(MAX_SEALS_PER_TURN + rest, MAX_WAITING_PER_SUPERVISOR + 2);
    }

    #[test]
    fn the_whole_queue_is_bounded() {
        let queue = SealQueue::default();
        let per = MAX_WAITING_PER_SUPERVISOR;
        for number in 0..MAX_WAITING_SEALS / per {
            let number = u8::try_from(number % 256).unwrap();
            assert_eq!(queue.offer(id(number), seals(number, per)).dropped, 0);
        }
        // 256 places of 32 fill it exactly; who has none waiting still finds room, at the cost of whoever has most.
        assert_eq!(MAX_WAITING_SEALS / per, 256);
        let other = NodeId(B256::left_padding_from(&[1]));
        let of_other = Seal { supervisor: other, ..seals(0, 1).remove(0) };
        assert_eq!(queue.offer(other, vec![of_other; per]).queued, per - 1);
        assert_eq!(queue.lock().total, MAX_WAITING_SEALS);
        assert_eq!(queue.offer(id(3), seals(3, 1)).dropped, 1, "nobody gets more than the others");
    }

    #[test]
    fn only_own_seals_are_taken() {
        let queue = SealQueue::default();
        assert_eq!(queue.offer(id(1), seals(2, 3)), Offered { queued: 0, foreign: 3, dropped: 0 });
        assert!(queue.take().is_empty());
    }

    #[tokio::test]
    async fn whoever_waits_hears_of_an_arrival_before_or_after() {
        let queue = SealQueue::default();
        queue.offer(id(1), seals(1, 1));
        queue.ready().await;
        assert_eq!(queue.take().len(), 1);
        let waiting = tokio::spawn({
            let queue = queue.clone();
            async move { queue.ready().await }
        });
        queue.offer(id(1), seals(1, 1));
        waiting.await.unwrap();
    }
}
