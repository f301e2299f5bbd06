//! What the engine's thread shows to the others: the newest view of the chain, where the engine stands, and
//! the way in for transactions.

use btn_chain::{ChainError, ChainView, PoolError, SignedTransaction};
use btn_engine::{EngineStatus, MasterEngine};
use btn_types::B256;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Instant;
use tokio::sync::{mpsc, oneshot};

/// Submissions that may wait for the engine; beyond it the submitter is told to try again.
const MAX_WAITING_SUBMISSIONS: usize = 4_096;

/// A transaction on its way to the pool.
pub(crate) struct Submission {
    pub(crate) transaction: Box<SignedTransaction>,
    pub(crate) reply: oneshot::Sender<Result<B256, PoolError>>,
}

/// The newest picture.
#[derive(Clone)]
pub(crate) struct Picture {
    pub(crate) view: Arc<ChainView>,
    pub(crate) status: EngineStatus,
    /// When the newest block became final here; `None` since the start.
    pub(crate) finalized_at: Option<Instant>,
}

/// Shared between the engine's thread and everything else.
pub(crate) struct Shared {
    picture: RwLock<Picture>,
    pub(crate) submissions: mpsc::Sender<Submission>,
    /// Height at the start, for sync progress.
    pub(crate) started_at_height: u64,
}

impl Shared {
    /// The picture at the start, and the receiving end for submissions.
    pub(crate) fn new(engine: &MasterEngine) -> Result<(Arc<Self>, mpsc::Receiver<Submission>), ChainError> {
        let (submissions, receiver) = mpsc::channel(MAX_WAITING_SUBMISSIONS);
        let status = engine.status();
        let view = engine.chain().view(status.head)?;
        let picture = RwLock::new(Picture { view, status, finalized_at: None });
        Ok((Arc::new(Self { picture, submissions, started_at_height: status.height.0 }), receiver))
    }

    /// The newest picture.
    pub(crate) fn picture(&self) -> Picture {
        self.picture.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Replaces the picture.
    pub(crate) fn publish(&self, picture: Picture) {
        *self.picture.write().unwrap_or_else(PoisonError::into_inner) = picture;
    }
}
