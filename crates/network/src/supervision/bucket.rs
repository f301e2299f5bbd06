//! A budget over time: so much a second, with room for a burst.

use std::time::Duration;
use tokio::time::Instant;

/// Keeps the moment up to which the budget is used up. Time is given, so that tests need no clock.
#[derive(Clone, Debug)]
pub(crate) struct Bucket {
    per_second: u64,
    burst: Duration,
    used_up_to: Instant,
}

impl Bucket {
    /// A full bucket: `burst` at once, then `per_second`.
    pub(crate) fn new(per_second: u64, burst: u64, now: Instant) -> Self {
        let burst = time_of(burst, per_second);
        Self { per_second, burst, used_up_to: now }
    }

    /// Takes `amount` if all of it is there.
    pub(crate) fn take(&mut self, amount: u64, now: Instant) -> bool {
        let after = self.used_up_to.max(now) + time_of(amount, self.per_second);
        let fits = after <= now + self.burst;
        if fits {
            self.used_up_to = after;
        }
        fits
    }

    /// Takes `amount` even where it is not there: who follows waits the longer.
    pub(crate) fn spend(&mut self, amount: u64, now: Instant) {
        self.used_up_to = self.used_up_to.max(now) + time_of(amount, self.per_second);
    }

    /// Time until something is there again.
    pub(crate) fn wait(&self, now: Instant) -> Duration {
        self.used_up_to.saturating_duration_since(now).saturating_sub(self.burst)
    }
}

/// Time in which `amount` becomes available.
fn time_of(amount: u64, per_second: u64) -> Duration {
    let nanoseconds = u128::from(amount) * 1_000_000_000 / u128::from(per_second.max(1));
    Duration::from_nanos(u64::try_from(nanoseconds).unwrap_or(u64::MAX))
}
