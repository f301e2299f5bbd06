//! What the engine announces, kept for supervisors' pulls and sent to their links.

use btn_engine::Feed;
use btn_network::SupervisorPortHandle;
use btn_types::Block;
use btn_types::supervision::Announcement;
use std::sync::{Arc, PoisonError, RwLock};

/// The feed, written by the engine's thread and read by everyone else. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Bulletin {
    feed: Arc<RwLock<Feed>>,
    port: SupervisorPortHandle,
}

impl Bulletin {
    pub(crate) fn new(feed: Feed, port: SupervisorPortHandle) -> Self {
        Self { feed: Arc::new(RwLock::new(feed)), port }
    }

    /// Takes in an announcement and sends it. In this order: what a supervisor is told of, it can pull. Never waits
    /// for a supervisor or the disk.
    pub(crate) fn announce(&self, announcement: &Announcement, block: Option<Arc<Block>>) {
        self.feed.write().unwrap_or_else(PoisonError::into_inner).record(announcement, block);
        self.port.announce(announcement);
    }

    /// The feed as it is now. A copy that shares the blocks: whoever reads the disk through it holds nobody up.
    pub(crate) fn feed(&self) -> Feed {
        self.feed.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The port.
    pub(crate) const fn port(&self) -> &SupervisorPortHandle {
        &self.port
    }
}
