//! What the links tell the supervisor's node.

use crate::limits::supervision::{MAX_ANNOUNCEMENTS_UNTAKEN, MAX_CALLS, MAX_REFUSED_ANSWERS};
use crate::supervision::lanes::Lanes;
use btn_types::MemberIndex;
use btn_types::limits::MAX_COMMITTEE_MEMBERS;
use btn_types::supervision::{Announcement, MasterReply};
use std::task::{Context, Poll};
use tokio::sync::mpsc::error::TryRecvError;
use tokio::sync::{OwnedSemaphorePermit, mpsc};

/// Something happened on a supervisor's links.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MasterLinkEvent {
    /// A link to this master stands. Comes before the first announcement on it. Links made for a single call are
    /// not told.
    Connected(MemberIndex),
    /// The link is gone. Announcements that came before may still follow.
    Disconnected(MemberIndex),
    /// A master announces.
    Announced {
        /// Who; authenticated.
        from: MemberIndex,
        /// What; well-formed, otherwise unchecked.
        announcement: Announcement,
    },
    /// The answer to a call; each call has exactly one.
    Replied {
        /// Who was called.
        from: MemberIndex,
        /// The number that the call was given.
        id: u64,
        /// The answer; well-formed and of the call's kind, otherwise unchecked.
        reply: MasterReply,
    },
}

/// An event, and its share of the bound of calls, which frees itself when the node takes the event.
pub(crate) struct Item {
    pub event: MasterLinkEvent,
    pub _share: Option<OwnedSemaphorePermit>,
}

/// Receiving end: answers and links before announcements. Dropping it ends all links.
pub struct MasterLinkEvents(Lanes<Item, 3>);

impl std::fmt::Debug for MasterLinkEvents {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MasterLinkEvents").field("waiting", &self.len()).finish()
    }
}

impl MasterLinkEvents {
    /// The next event; `None` after shutdown, once everything received was taken. Cancel-safe.
    pub async fn recv(&mut self) -> Option<MasterLinkEvent> {
        self.0.recv().await.map(|item| item.event)
    }

    /// [`Self::recv`] for hand-written futures.
    pub fn poll_recv(&mut self, context: &mut Context<'_>) -> Poll<Option<MasterLinkEvent>> {
        self.0.poll_recv(context).map(|item| item.map(|item| item.event))
    }

    /// The next event if one waits.
    ///
    /// # Errors
    /// [`TryRecvError::Empty`], or [`TryRecvError::Disconnected`] after shutdown.
    pub fn try_recv(&mut self) -> Result<MasterLinkEvent, TryRecvError> {
        self.0.try_recv().map(|item| item.event)
    }

    /// Events waiting.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether none waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Sending end, shared by all links.
#[derive(Clone)]
pub(crate) struct EventSender {
    /// Answers to calls that could not even be begun.
    refused: mpsc::Sender<Item>,
    urgent: mpsc::Sender<Item>,
    announced: mpsc::Sender<Item>,
}

/// The node no longer listens.
#[derive(Debug)]
pub(crate) struct NobodyListens;

pub(crate) fn channel() -> (EventSender, MasterLinkEvents) {
    let (refused, refused_receiver) = mpsc::channel(MAX_REFUSED_ANSWERS);
    let (urgent, urgent_receiver) = mpsc::channel(MAX_CALLS + 2 * MAX_COMMITTEE_MEMBERS);
    let (announced, announced_receiver) = mpsc::channel(MAX_ANNOUNCEMENTS_UNTAKEN);
    let events = MasterLinkEvents(Lanes::new([urgent_receiver, refused_receiver, announced_receiver]));
    (EventSender { refused, urgent, announced }, events)
}

impl EventSender {
    /// Waits until there is room, then tells of a link or an announcement.
    pub(crate) async fn send(&self, event: MasterLinkEvent) -> Result<(), NobodyListens> {
        let lane = match &event {
            MasterLinkEvent::Announced { .. } => &self.announced,
            _ => &self.urgent,
        };
        lane.send(Item { event, _share: None }).await.map_err(|_| NobodyListens)
    }

    /// Hands out an answer; `share` is freed when the node takes it.
    pub(crate) async fn replied(
        &self,
        from: MemberIndex,
        id: u64,
        reply: MasterReply,
        share: OwnedSemaphorePermit,
    ) {
        let event = MasterLinkEvent::Replied { from, id, reply };
        // Without a listener nobody misses it.
        let _ = self.urgent.send(Item { event, _share: Some(share) }).await;
    }

    /// Hands out an answer to a call that is one too many, without waiting.
    pub(crate) fn refused(&self, from: MemberIndex, id: u64, text: String) {
        let event = MasterLinkEvent::Replied { from, id, reply: MasterReply::Failed(text) };
        if let Err(mpsc::error::TrySendError::Full(_)) = self.refused.try_send(Item { event, _share: None }) {
            tracing::error!(id, "{MAX_REFUSED_ANSWERS} answers wait to be taken; one more is lost");
        }
    }

    /// Whether nobody takes events any more.
    pub(crate) fn is_closed(&self) -> bool {
        self.urgent.is_closed()
    }
}
