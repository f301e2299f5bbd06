//! What the port tells the node, and how the node answers.

use crate::limits::supervision::MAX_PORT_EVENTS;
use crate::supervision::lanes::Lanes;
use btn_types::NodeId;
use btn_types::supervision::{MasterReply, SupervisorCall};
use std::task::{Context, Poll};
use tokio::sync::{mpsc, oneshot};

pub use tokio::sync::mpsc::error::TryRecvError;

/// Something happened on the port.
#[derive(Debug)]
pub enum SupervisorEvent {
    /// A link to this supervisor stands; it wants a greeting. Comes before the first call on it.
    Connected(NodeId),
    /// The link is gone. Pulls that came before may still follow.
    Disconnected(NodeId),
    /// A supervisor calls. Its `status` never comes here: the port answers it.
    Called {
        /// Who; authenticated.
        from: NodeId,
        /// What; well-formed and within its limits, otherwise unchecked.
        call: SupervisorCall,
        /// Where the answer goes.
        reply: Reply,
    },
}

/// The way back to a caller. Dropped unused, the caller is told that the call failed. An answer that takes longer
/// than ten seconds reaches nobody.
#[derive(Debug)]
pub struct Reply(oneshot::Sender<MasterReply>);

impl Reply {
    /// A reply and where it arrives.
    #[must_use]
    pub fn channel() -> (Self, oneshot::Receiver<MasterReply>) {
        let (sender, receiver) = oneshot::channel();
        (Self(sender), receiver)
    }

    /// Answers. Never blocks; a caller that is gone is no error.
    pub fn send(self, reply: MasterReply) {
        let _ = self.0.send(reply);
    }
}

/// Receiving end of the port's events: links, seals and submissions before pulls. Dropping it ends all links.
pub struct SupervisorEvents(Lanes<SupervisorEvent, 2>);

impl std::fmt::Debug for SupervisorEvents {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SupervisorEvents").field("waiting", &self.len()).finish()
    }
}

impl SupervisorEvents {
    /// The next event; `None` once the port was shut down, all its handles are gone and everything received was taken:
    /// whoever keeps a handle ends its own waiting. Cancel-safe.
    pub async fn recv(&mut self) -> Option<SupervisorEvent> {
        self.0.recv().await
    }

    /// [`Self::recv`] for hand-written futures.
    pub fn poll_recv(&mut self, context: &mut Context<'_>) -> Poll<Option<SupervisorEvent>> {
        self.0.poll_recv(context)
    }

    /// The next event if one waits.
    ///
    /// # Errors
    /// [`TryRecvError::Empty`], or [`TryRecvError::Disconnected`] after shutdown.
    pub fn try_recv(&mut self) -> Result<SupervisorEvent, TryRecvError> {
        self.0.try_recv()
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
    urgent: mpsc::Sender<SupervisorEvent>,
    pulls: mpsc::Sender<SupervisorEvent>,
}

/// The node no longer listens.
#[derive(Debug)]
pub(crate) struct NobodyListens;

pub(crate) fn channel() -> (EventSender, SupervisorEvents) {
    let (urgent, urgent_receiver) = mpsc::channel(MAX_PORT_EVENTS);
    let (pulls, pulls_receiver) = mpsc::channel(MAX_PORT_EVENTS);
    let events = SupervisorEvents(Lanes::new([urgent_receiver, pulls_receiver]));
    (EventSender { urgent, pulls }, events)
}

impl EventSender {
    /// Waits until there is room, then puts the event into its lane.
    pub(crate) async fn send(&self, event: SupervisorEvent) -> Result<(), NobodyListens> {
        let lane = match &event {
            SupervisorEvent::Called { call: SupervisorCall::Pull(_), .. } => &self.pulls,
            _ => &self.urgent,
        };
        lane.send(event).await.map_err(|_| NobodyListens)
    }
}
