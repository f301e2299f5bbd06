//! Catching up: finalised blocks come in ranges, each ending with a Finalization that covers all before it. And
//! the other side of it: how much of our time and line a peer's questions may take.

use btn_types::{BlockMeta, Height, MemberIndex, View};
use std::collections::BTreeMap;

/// A question's time grows up to this much with each attempt without progress: a slow line must not be asked in
/// a circle.
const MAX_PATIENCE: u32 = 16;

/// Attempts without progress after which blocks that came without a Finalization are asked for again, from the
/// tip: they may lie on a branch that nobody goes on with.
const MAX_FRUITLESS_AHEAD: u32 = 3;

/// Bytes of answers a peer gets per millisecond, on average: 40 MB/s.
const ANSWER_BYTES_PER_MS: u64 = 40_000;

/// Least time between two answers to one peer.
const ANSWER_INTERVAL_MS: u64 = 1;

/// What is missing and who was asked.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct RangeSync {
    /// Highest view known to be final.
    target: View,
    asked: Option<Asked>,
    /// Highest block that came without a Finalization.
    reached: Height,
    /// Attempts since the last progress.
    fruitless: u32,
    /// Place of the member asked.
    place: usize,
}

/// An open question.
#[derive(Clone, Copy, Debug)]
struct Asked {
    to: MemberIndex,
    from: Height,
    due_at_ms: u64,
    /// It was answered, and the answer was of no use: nobody is to blame that time runs out.
    heard: bool,
}

impl RangeSync {
    /// A view is final whose block is not here.
    pub(crate) fn want(&mut self, view: View) {
        self.target = self.target.max(view);
    }

    /// Whether something is missing, the newest committed block being of this view.
    pub(crate) fn is_behind(&self, committed: View) -> bool {
        self.target > committed
    }

    /// Blocks up to this height came without a Finalization: the next question is for those above.
    pub(crate) fn reached(&mut self, height: Height) {
        self.reached = self.reached.max(height);
    }

    /// Whom to ask now, and for blocks from which height upwards, if anything is missing above the tip and no
    /// question is open. The member changes at every attempt that brought nothing, and its time grows; a stretch
    /// without Finalization that nobody continues is given up.
    pub(crate) fn next(
        &mut self,
        tip: &BlockMeta,
        peers: &[MemberIndex],
        now_ms: u64,
        timeout_ms: u64,
    ) -> Option<(MemberIndex, Height)> {
        if !self.is_behind(tip.view) {
            *self = Self { target: self.target, ..Self::default() };
            return None;
        }
        if self.fruitless >= MAX_FRUITLESS_AHEAD {
            self.reached = tip.height;
        }
        let from = self.reached.max(tip.height).next();
        if self.asked.is_some_and(|asked| asked.from == from && now_ms < asked.due_at_ms) {
            return None;
        }
        if self.asked.is_some_and(|asked| from > asked.from) {
            self.fruitless = 0;
        } else {
            self.fruitless = self.fruitless.saturating_add(1);
            self.place = self.place.wrapping_add(1);
        }
        let to = peers.get(self.place % peers.len().max(1)).copied()?;
        let patience = u64::from(self.fruitless.clamp(1, MAX_PATIENCE));
        let due_at_ms = now_ms.saturating_add(timeout_ms.saturating_mul(patience));
        self.asked = Some(Asked { to, from, due_at_ms, heard: false });
        Some((to, from))
    }

    /// The member that has let its time run out.
    pub(crate) fn overdue(&self, now_ms: u64) -> Option<MemberIndex> {
        self.asked.filter(|asked| !asked.heard && now_ms >= asked.due_at_ms).map(|asked| asked.to)
    }

    /// The open question was answered, whatever the answer was worth.
    pub(crate) fn heard(&mut self) {
        if let Some(asked) = &mut self.asked {
            asked.heard = true;
        }
    }

    /// When the open question has waited long enough.
    pub(crate) fn due_at_ms(&self) -> Option<u64> {
        self.asked.map(|asked| asked.due_at_ms)
    }

    /// Whether a range from this member answers the open question.
    pub(crate) fn is_answer_from(&self, member: MemberIndex) -> bool {
        self.asked.is_some_and(|asked| asked.to == member)
    }

    /// Ask at the next opportunity, whatever is open: a link came up.
    pub(crate) fn ask_anew(&mut self) {
        self.asked = None;
    }
}

/// What each peer may have answered: bytes sent are paid back by time.
#[derive(Clone, Debug, Default)]
pub(crate) struct AnswerBudget(BTreeMap<MemberIndex, u64>);

impl AnswerBudget {
    /// Whether a question of this peer is answered now.
    pub(crate) fn may_ask(&self, peer: MemberIndex, now_ms: u64) -> bool {
        self.0.get(&peer).is_none_or(|free_at_ms| now_ms >= *free_at_ms)
    }

    /// Takes an answer of so many bytes from the peer's budget.
    pub(crate) fn charge(&mut self, peer: MemberIndex, bytes: usize, now_ms: u64) {
        let wait_ms = ANSWER_INTERVAL_MS.max(bytes as u64 / ANSWER_BYTES_PER_MS);
        self.0.insert(peer, now_ms.saturating_add(wait_ms));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use btn_types::{B256, Epoch};

    const PEERS: [MemberIndex; 3] = [MemberIndex(0), MemberIndex(1), MemberIndex(2)];

    fn tip(height: u64) -> BlockMeta {
        BlockMeta {
            hash: B256::ZERO,
            parent: B256::ZERO,
            height: Height(height),
            epoch: Epoch(0),
            view: View(height),
            parent_view: View(0),
            seed: B256::ZERO,
            core: B256::ZERO,
            child_draw_seed: B256::ZERO,
            later_draw_seed: B256::ZERO,
            timestamp_ms: 0,
        }
    }

    fn behind() -> RangeSync {
        let mut sync = RangeSync::default();
        sync.want(View(10));
        sync
    }

    #[test]
    fn a_fruitless_question_goes_round_and_waits_longer() {
        let (mut sync, mut asked, mut now_ms) = (behind(), Vec::new(), 0);
        for _ in 0..4 {
            asked.push(sync.next(&tip(0), &PEERS, now_ms, 100).unwrap());
            assert_eq!(sync.next(&tip(0), &PEERS, now_ms, 100), None, "one question is open");
            now_ms = sync.due_at_ms().unwrap();
        }
        assert_eq!(asked, [1, 2, 0, 1].map(|peer| (MemberIndex(peer), Height(1))));
        assert_eq!(now_ms, 100 + 200 + 300 + 400);
        assert!(sync.is_answer_from(MemberIndex(1)) && !sync.is_answer_from(MemberIndex(2)));
    }

    #[test]
    fn progress_stays_with_the_peer_that_made_it() {
        let mut sync = behind();
        let (first, _) = sync.next(&tip(0), &PEERS, 0, 100).unwrap();
        assert_eq!(sync.next(&tip(5), &PEERS, 1, 100), Some((first, Height(6))));
        assert_eq!(sync.next(&tip(10), &PEERS, 2, 100), None, "nothing is missing");
    }

    #[test]
    fn a_stretch_without_finalization_is_continued_and_given_up_when_nobody_can() {
        let mut sync = behind();
        let (first, _) = sync.next(&tip(0), &PEERS, 0, 100).unwrap();
        sync.reached(Height(4));
        assert_eq!(sync.next(&tip(0), &PEERS, 1, 100), Some((first, Height(5))));
        let mut asked = Vec::new();
        for _ in 0..5 {
            let now_ms = sync.due_at_ms().unwrap();
            asked.push(sync.next(&tip(0), &PEERS, now_ms, 100).unwrap().1);
        }
        assert_eq!(asked, [5, 5, 5, 1, 1].map(Height));
    }

    #[test]
    fn answers_are_paid_back_by_time() {
        let mut budget = AnswerBudget::default();
        let (one, two) = (PEERS[0], PEERS[1]);
        assert!(budget.may_ask(one, 5));
        budget.charge(one, 4_000_000, 5);
        assert!(!budget.may_ask(one, 104) && budget.may_ask(one, 105));
        assert!(budget.may_ask(two, 5), "each peer has its own");
    }
}
