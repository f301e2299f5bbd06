//! Which masters stall. A pure rule over what was heard from each.

use crate::limits::supervision::{CALL_TIMEOUT, MASTER_SILENCE, MAX_UNANSWERED_CALLS};
use btn_types::MemberIndex;
use tokio::time::Instant;

/// What was heard on one link.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Health {
    unanswered: u32,
    last_heard: Instant,
}

impl Health {
    /// A link begins.
    pub(crate) const fn new(now: Instant) -> Self {
        Self { unanswered: 0, last_heard: now }
    }

    /// An announcement came.
    pub(crate) const fn announced(&mut self, now: Instant) {
        self.last_heard = now;
    }

    /// A call was answered.
    pub(crate) const fn answered(&mut self, now: Instant) {
        self.unanswered = 0;
        self.last_heard = now;
    }

    /// A call was not answered in time.
    pub(crate) const fn unanswered(&mut self) {
        self.unanswered = self.unanswered.saturating_add(1);
    }

    /// When something was heard last.
    pub(crate) const fn last_heard(&self) -> Instant {
        self.last_heard
    }

    fn is_silent(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.last_heard) >= MASTER_SILENCE
    }
}

/// The masters that stall, each with the reason. Silence counts only while another master is heard: where all are
/// silent, the fault is as likely at home.
pub(crate) fn stalling(links: &[(MemberIndex, Health)], now: Instant) -> Vec<(MemberIndex, String)> {
    let is_any_heard = links.iter().any(|(_, health)| !health.is_silent(now));
    let reason = |health: &Health| {
        if health.unanswered >= MAX_UNANSWERED_CALLS {
            let seconds = CALL_TIMEOUT.as_secs();
            return Some(format!("{} calls in a row had no answer within {seconds} s", health.unanswered));
        }
        let seconds = MASTER_SILENCE.as_secs();
        (is_any_heard && health.is_silent(now))
            .then(|| format!("no announcement and no answer for {seconds} s, while other masters were heard"))
    };
    links.iter().filter_map(|(member, health)| reason(health).map(|reason| (*member, reason))).collect()
}
