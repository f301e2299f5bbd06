//! Catching up: finalised blocks come in ranges, each ending with a Finalization that covers all before it.

use btn_types::{Height, MemberIndex, View};

/// What is missing and who was asked.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct RangeSync {
    /// Highest view known to be final.
    target: View,
    asked: Option<Asked>,
    attempts: usize,
}

#[derive(Clone, Copy, Debug)]
struct Asked {
    from: Height,
    at_ms: u64,
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

    /// Whom to ask now for blocks from `from` upwards, if anything is missing and no question is open. The
    /// member changes at every attempt.
    pub(crate) fn next(
        &mut self,
        committed: View,
        from: Height,
        peers: &[MemberIndex],
        now_ms: u64,
        timeout_ms: u64,
    ) -> Option<MemberIndex> {
        if !self.is_behind(committed) {
            *self = Self { target: self.target, ..Self::default() };
            return None;
        }
        let is_open = self
            .asked
            .is_some_and(|asked| asked.from == from && now_ms < asked.at_ms.saturating_add(timeout_ms));
        if is_open {
            return None;
        }
        let made_progress = self.asked.is_some_and(|asked| asked.from != from);
        if !made_progress {
            self.attempts = self.attempts.wrapping_add(1);
        }
        let peer = peers.get(self.attempts % peers.len().max(1)).copied()?;
        self.asked = Some(Asked { from, at_ms: now_ms });
        Some(peer)
    }

    /// When the open question has waited long enough.
    pub(crate) fn due_at_ms(&self, timeout_ms: u64) -> Option<u64> {
        self.asked.map(|asked| asked.at_ms.saturating_add(timeout_ms))
    }

    /// The peer's answer was of no use: ask another at the next opportunity.
    pub(crate) fn give_up_on_answer(&mut self) {
        self.asked = None;
    }
}
