//! Announcements that wait for one supervisor: bounded by count and bytes, the oldest go first.

use crate::limits::supervision::{MAX_ANNOUNCEMENT_BYTES_WAITING, MAX_ANNOUNCEMENTS_WAITING};
use crate::{lock, metric_names};
use bytes::Bytes;
use std::collections::VecDeque;
use std::sync::Mutex;
use tokio::sync::Notify;

/// The announcements of one link, encoded. What a supervisor misses here it learns from a later certificate.
#[derive(Default)]
pub(crate) struct Announcements {
    state: Mutex<State>,
    filled: Notify,
}

#[derive(Default)]
struct State {
    frames: VecDeque<Bytes>,
    bytes: usize,
}

impl State {
    fn take(&mut self) -> Option<Bytes> {
        let frame = self.frames.pop_front()?;
        self.bytes -= frame.len();
        Some(frame)
    }
}

impl Announcements {
    /// Appends a frame and drops from the front whatever no longer fits. Never waits, needs no runtime.
    pub(crate) fn push(&self, frame: Bytes) {
        let mut dropped = 0;
        {
            let mut state = lock(&self.state);
            state.bytes += frame.len();
            state.frames.push_back(frame);
            while state.frames.len() > MAX_ANNOUNCEMENTS_WAITING
                || state.bytes > MAX_ANNOUNCEMENT_BYTES_WAITING
            {
                state.take();
                dropped += 1;
            }
        }
        metric_names::announcements_dropped(dropped);
        self.filled.notify_one();
    }

    /// The oldest frame, if one waits.
    pub(crate) fn try_pop(&self) -> Option<Bytes> {
        lock(&self.state).take()
    }

    /// Waits for the next frame. Only one task at a time may wait.
    pub(crate) async fn pop(&self) -> Bytes {
        loop {
            if let Some(frame) = self.try_pop() {
                return frame;
            }
            self.filled.notified().await;
        }
    }
}
