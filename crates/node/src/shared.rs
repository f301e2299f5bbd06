//! What the engine's thread shows to the others: the newest view of the chain, and where the engine stands. The same
//! for both levels.

use crate::submissions::Submitter;
use btn_chain::ChainView;
use btn_rpc::SealingInfo;
use btn_types::supervision::StatusSummary;
use btn_types::{B256, Height, Round, Ticket, View};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Instant;

/// Where an engine stands, of either level.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Standing {
    /// Current view; on a supervisor the highest one known.
    pub(crate) view: View,
    /// Views skipped since the best certified block.
    pub(crate) round: Round,
    /// Highest finalised view.
    pub(crate) floor: View,
    /// Whether the node votes or seals, or only follows.
    pub(crate) signs: bool,
    /// Newest block that is final and committed here.
    pub(crate) height: Height,
    /// Its hash.
    pub(crate) hash: B256,
    /// Newest block in the third state.
    pub(crate) third_height: Height,
    /// The highest certified block whose body is here: what `pending` shows.
    pub(crate) head: B256,
    /// Whether blocks known to be final are still missing here.
    pub(crate) syncing: bool,
    /// Votes of the current view that are here; `None` on a supervisor.
    /// How sealing goes; `None` on a master.
    pub(crate) sealing: Option<SealingInfo>,
}

/// The newest picture.
#[derive(Clone)]
pub(crate) struct Picture {
    pub(crate) view: Arc<ChainView>,
    pub(crate) standing: Standing,
    /// When the newest block became final here; `None` since the start.
    pub(crate) finalized_at: Option<Instant>,
}

impl Picture {
    /// What the node says of itself when another level asks.
    pub(crate) fn summary(&self) -> StatusSummary {
        StatusSummary {
            height: self.standing.height,
            hash: self.standing.hash,
            state_root: self.view.latest_header().state_root,
            third_height: self.standing.third_height,
            view: self.standing.view,
        }
    }
}

/// Shared between the engine's thread and everything else.
pub(crate) struct Shared {
    picture: RwLock<Picture>,
    /// Tickets for the views to come; beside the picture, as they change far more often.
    candidates: RwLock<Vec<Ticket>>,
    pub(crate) submitter: Submitter,
    /// Height at the start, for sync progress.
    pub(crate) started_at_height: u64,
}

impl Shared {
    /// With the picture at the start.
    pub(crate) fn new(view: Arc<ChainView>, standing: Standing, submitter: Submitter) -> Arc<Self> {
        let started_at_height = standing.height.0;
        let picture = RwLock::new(Picture { view, standing, finalized_at: None });
        Arc::new(Self { picture, candidates: RwLock::default(), submitter, started_at_height })
    }

    /// The newest picture.
    pub(crate) fn picture(&self) -> Picture {
        self.picture.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Replaces the picture.
    pub(crate) fn publish(&self, picture: Picture) {
        *self.picture.write().unwrap_or_else(PoisonError::into_inner) = picture;
    }

    /// Tickets known for the current view and the two after it.
    pub(crate) fn candidates(&self) -> Vec<Ticket> {
        self.candidates.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Replaces the tickets.
    pub(crate) fn publish_candidates(&self, tickets: Vec<Ticket>) {
        *self.candidates.write().unwrap_or_else(PoisonError::into_inner) = tickets;
    }
}
