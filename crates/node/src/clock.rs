//! Time as engines are told it.

use btn_types::Now;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Longest sleep; a bound so that a jump of the machine's clock cannot put an engine to sleep.
const MAX_SLEEP: Duration = Duration::from_secs(10);

/// The two clocks of [`Now`]; the monotonic one begins at 1 ms with the node's start.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    started: Instant,
}

impl Clock {
    pub(crate) fn start() -> Self {
        Self { started: Instant::now() }
    }

    pub(crate) fn now(&self) -> Now {
        let monotonic_ms = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        Now { monotonic_ms: monotonic_ms.saturating_add(1), unix_ms: unix_ms() }
    }

    /// How long to sleep until a time on the monotonic clock.
    pub(crate) fn until(&self, monotonic_ms: u64) -> Duration {
        Duration::from_millis(monotonic_ms.saturating_sub(self.now().monotonic_ms)).min(MAX_SLEEP)
    }
}

/// Milliseconds since the Unix epoch.
pub(crate) fn unix_ms() -> u64 {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX)
}
