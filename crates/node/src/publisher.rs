//! Decides when the engine's thread shows a new picture.

use crate::metric_names;
use crate::shared::{Picture, Shared, Standing};
use btn_chain::Chain;
use btn_types::Ticket;
use std::sync::Arc;
use std::time::Instant;

/// Seals change what is shown and not where the engine stands. A picture with them follows within this time: not at
/// once, as up to a few hundred come for each block.
const SEALS_SHOWN_WITHIN_MS: u64 = 50;

/// What was shown last.
pub(crate) struct Publisher {
    shared: Arc<Shared>,
    /// Standing and size of the pool.
    shown: Option<(Standing, usize)>,
    candidates: Vec<Ticket>,
    /// When seals that came since must be shown.
    due_at_ms: Option<u64>,
}

impl Publisher {
    pub(crate) const fn new(shared: Arc<Shared>) -> Self {
        Self { shared, shown: None, candidates: Vec::new(), due_at_ms: None }
    }

    /// Seals came, at this time on the monotonic clock.
    pub(crate) fn seals_came(&mut self, now_ms: u64) {
        self.due_at_ms.get_or_insert(now_ms.saturating_add(SEALS_SHOWN_WITHIN_MS));
    }

    /// When to call [`Publisher::show`] at the latest.
    pub(crate) const fn due_at_ms(&self) -> Option<u64> {
        self.due_at_ms
    }

    /// Shows a new picture where something changed, or where `forced`: a transaction that replaces another leaves the
    /// pool's size, so whoever submitted one forces it. Gives the picture where it is new.
    pub(crate) fn show(
        &mut self,
        chain: &Chain,
        standing: Standing,
        finalized_at: Option<Instant>,
        forced: bool,
        now_ms: u64,
    ) -> eyre::Result<Option<Picture>> {
        let shown = (standing, chain.pool().content().len());
        let is_due = self.due_at_ms.is_some_and(|due_at_ms| due_at_ms <= now_ms);
        if self.shown.as_ref() == Some(&shown) && !forced && !is_due {
            return Ok(None);
        }
        let standing = shown.0.clone();
        let view = chain.view(standing.head)?;
        metric_names::show(&standing, shown.1);
        metric_names::show_verified(chain.seal_verifications());
        (self.shown, self.due_at_ms) = (Some(shown), None);
        let picture = Picture { view, standing, finalized_at };
        self.shared.publish(picture.clone());
        Ok(Some(picture))
    }

    /// Shows the tickets known for the views to come.
    pub(crate) fn show_candidates(&mut self, candidates: Vec<Ticket>) {
        if self.candidates != candidates {
            self.candidates.clone_from(&candidates);
            self.shared.publish_candidates(candidates);
        }
    }
}
