//! Waiting times between attempts: doubling, bounded, and random enough that nodes do not march in step.

use crate::limits::{BACKOFF_FIRST, BACKOFF_MOST, FIRST_ATTEMPT, HANDSHAKE_TIMEOUT};
use rand::Rng;
use std::time::Duration;

/// Counts failures in a row.
#[derive(Debug, Default)]
pub(crate) struct Backoff {
    failures: u32,
}

impl Backoff {
    /// Waiting time after one more failure: between half and all of `100 ms · 2ⁿ`, at most 5 s.
    pub(crate) fn next_delay(&mut self) -> Duration {
        let full = doubled(BACKOFF_FIRST, self.failures, BACKOFF_MOST);
        self.failures = self.failures.saturating_add(1);
        let full_ms = u64::try_from(full.as_millis()).unwrap_or(u64::MAX);
        Duration::from_millis(rand::rng().random_range(full_ms / 2..=full_ms))
    }

    /// Time one address is given: short at first, because a peer that starts a moment after us is reached
    /// faster by a new attempt than by QUIC's growing repetitions.
    pub(crate) fn attempt_timeout(&self) -> Duration {
        doubled(FIRST_ATTEMPT, self.failures, HANDSHAKE_TIMEOUT)
    }

    /// Forgets the failures.
    pub(crate) const fn reset(&mut self) {
        self.failures = 0;
    }
}

fn doubled(first: Duration, times: u32, most: Duration) -> Duration {
    first.saturating_mul(2u32.saturating_pow(times.min(16))).min(most)
}
