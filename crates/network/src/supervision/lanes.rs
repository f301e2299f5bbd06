//! Events on their way to the node: bounded lanes in the order of their urgency.

use std::future::poll_fn;
use std::task::{Context, Poll};
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TryRecvError;

/// So many events of the urgent lanes in a row, and the last lane goes first once.
const URGENT_STREAK: u32 = 16;

/// Receiving ends. Lane 0 is the most urgent; a flood of it does not starve the last one.
pub(crate) struct Lanes<T, const N: usize> {
    lanes: [mpsc::Receiver<T>; N],
    streak: u32,
}

impl<T, const N: usize> Lanes<T, N> {
    pub(crate) const fn new(lanes: [mpsc::Receiver<T>; N]) -> Self {
        Self { lanes, streak: 0 }
    }

    /// The next event; `None` once every sender is gone and everything was taken. Cancel-safe.
    pub(crate) async fn recv(&mut self) -> Option<T> {
        poll_fn(|context| self.poll_recv(context)).await
    }

    pub(crate) fn poll_recv(&mut self, context: &mut Context<'_>) -> Poll<Option<T>> {
        let mut is_open = false;
        for lane in self.order() {
            match self.lanes[lane].poll_recv(context) {
                Poll::Ready(Some(event)) => return Poll::Ready(Some(self.taken(lane, event))),
                Poll::Ready(None) => {}
                Poll::Pending => is_open = true,
            }
        }
        if is_open { Poll::Pending } else { Poll::Ready(None) }
    }

    pub(crate) fn try_recv(&mut self) -> Result<T, TryRecvError> {
        let mut outcome = TryRecvError::Disconnected;
        for lane in self.order() {
            match self.lanes[lane].try_recv() {
                Ok(event) => return Ok(self.taken(lane, event)),
                Err(TryRecvError::Empty) => outcome = TryRecvError::Empty,
                Err(TryRecvError::Disconnected) => {}
            }
        }
        Err(outcome)
    }

    /// Events waiting.
    pub(crate) fn len(&self) -> usize {
        self.lanes.iter().map(mpsc::Receiver::len).sum()
    }

    fn order(&self) -> [usize; N] {
        let shift = if self.streak >= URGENT_STREAK { N - 1 } else { 0 };
        std::array::from_fn(|place| (place + shift) % N)
    }

    fn taken(&mut self, lane: usize, event: T) -> T {
        self.streak = if lane + 1 == N { 0 } else { self.streak.saturating_add(1) };
        event
    }
}
