//! What the network tells the node, and the bounded inbox it waits in: one lane per class.

use crate::limits::{CLASSES, INBOX_BYTES, INBOX_MESSAGES, class_index};
use btn_types::{MemberIndex, Message, MessageClass};
use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

pub use tokio::sync::mpsc::error::TryRecvError;

/// Unit in which the inbox counts bytes.
const BUDGET_UNIT_BYTES: usize = 1024;

/// So many events of the urgent lanes in a row, and a slower lane goes first once.
const URGENT_STREAK: u32 = 16;

/// Something happened.
#[expect(clippy::large_enum_variant, reason = "nearly every event is a message; a box would only add work")]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NetworkEvent {
    /// A peer sent a message.
    Message {
        /// Who; authenticated.
        from: MemberIndex,
        /// What; well-formed and within the limits of its encoding, otherwise unchecked.
        message: Message,
    },
    /// A link to this peer stands. Comes before the first message on it.
    Connected(MemberIndex),
    /// The link to this peer is gone. Proposals and bulk messages that arrived before may still follow,
    /// because they wait in lanes of their own.
    Disconnected(MemberIndex),
}

/// An event, and its share of the byte budget, which frees itself when the node takes the event.
struct Item {
    event: NetworkEvent,
    _budget: Option<OwnedSemaphorePermit>,
}

/// Receiving end of the inbox. Votes come before proposals, proposals before bulk; a flood of the one does
/// not starve the other. Dropping it ends all links.
pub struct NetworkEvents {
    lanes: [mpsc::Receiver<Item>; 3],
    streak: u32,
}

impl std::fmt::Debug for NetworkEvents {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NetworkEvents").field("waiting", &self.len()).finish()
    }
}

impl NetworkEvents {
    /// The next event; `None` after shutdown, once everything received was taken. Cancel-safe.
    pub async fn recv(&mut self) -> Option<NetworkEvent> {
        poll_fn(|context| self.poll_recv(context)).await
    }

    /// [`Self::recv`] for hand-written futures.
    pub fn poll_recv(&mut self, context: &mut Context<'_>) -> Poll<Option<NetworkEvent>> {
        let mut is_open = false;
        for lane in self.order() {
            match self.lanes[lane].poll_recv(context) {
                Poll::Ready(Some(item)) => return Poll::Ready(Some(self.taken(item))),
                Poll::Ready(None) => {}
                Poll::Pending => is_open = true,
            }
        }
        if is_open { Poll::Pending } else { Poll::Ready(None) }
    }

    /// The next event if one waits.
    ///
    /// # Errors
    /// [`TryRecvError::Empty`], or [`TryRecvError::Disconnected`] after shutdown.
    pub fn try_recv(&mut self) -> Result<NetworkEvent, TryRecvError> {
        let mut outcome = TryRecvError::Disconnected;
        for lane in self.order() {
            match self.lanes[lane].try_recv() {
                Ok(item) => return Ok(self.taken(item)),
                Err(TryRecvError::Empty) => outcome = TryRecvError::Empty,
                Err(TryRecvError::Disconnected) => {}
            }
        }
        Err(outcome)
    }

    /// The next vote-class message or link event, leaving the slower lanes full.
    #[cfg(test)]
    pub(crate) async fn recv_urgent(&mut self) -> Option<NetworkEvent> {
        self.lanes[0].recv().await.map(|item| item.event)
    }

    /// Events waiting.
    #[must_use]
    pub fn len(&self) -> usize {
        self.lanes.iter().map(mpsc::Receiver::len).sum()
    }

    /// Whether none waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    const fn order(&self) -> [usize; 3] {
        match self.streak {
            URGENT_STREAK => [1, 2, 0],
            streak if streak == 2 * URGENT_STREAK => [2, 1, 0],
            _ => [0, 1, 2],
        }
    }

    fn taken(&mut self, item: Item) -> NetworkEvent {
        self.streak = (self.streak + 1) % (2 * URGENT_STREAK + 1);
        item.event
    }
}

/// Sending end of the inbox, shared by all links.
#[derive(Clone)]
pub(crate) struct Inbox {
    lanes: [mpsc::Sender<Item>; 3],
    budgets: [Arc<Semaphore>; 3],
}

/// The node no longer listens.
#[derive(Debug)]
pub(crate) struct InboxClosed;

impl Inbox {
    pub(crate) fn new() -> (Self, NetworkEvents) {
        let [vote, proposal, bulk] = CLASSES.map(|class| mpsc::channel(INBOX_MESSAGES[class_index(class)]));
        let budgets = INBOX_BYTES.map(|bytes| Arc::new(Semaphore::new(bytes / BUDGET_UNIT_BYTES)));
        let inbox = Self { lanes: [vote.0, proposal.0, bulk.0], budgets };
        (inbox, NetworkEvents { lanes: [vote.1, proposal.1, bulk.1], streak: 0 })
    }

    /// Waits until there is room, then puts a message in. `bytes` is its encoded length.
    pub(crate) async fn message(
        &self,
        class: MessageClass,
        from: MemberIndex,
        message: Message,
        bytes: usize,
    ) -> Result<(), InboxClosed> {
        let index = class_index(class);
        let share = u32::try_from(bytes.div_ceil(BUDGET_UNIT_BYTES)).unwrap_or(u32::MAX);
        let budget = Arc::clone(&self.budgets[index]);
        let budget = budget.acquire_many_owned(share).await.map_err(|_| InboxClosed)?;
        let item = Item { event: NetworkEvent::Message { from, message }, _budget: Some(budget) };
        self.lanes[index].send(item).await.map_err(|_| InboxClosed)
    }

    /// Waits until there is room, then reports a link's start or end.
    pub(crate) async fn link(&self, event: NetworkEvent) -> Result<(), InboxClosed> {
        self.lanes[0].send(Item { event, _budget: None }).await.map_err(|_| InboxClosed)
    }
}
