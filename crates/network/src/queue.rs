//! Outbound queues of one peer: bounded by count, bytes and age; the oldest goes when a queue is full.

use crate::limits::{CLASSES, QUEUE_AGE, QUEUE_BYTES, QUEUE_MESSAGES, class_index};
use crate::{lock, metric_names};
use btn_types::MessageClass;
use bytes::Bytes;
use std::collections::VecDeque;
use std::sync::Mutex;
use std::time::Instant;
use tokio::sync::Notify;

/// The three queues of one peer.
pub(crate) struct Outbound {
    queues: [Queue; 3],
}

impl Outbound {
    pub(crate) fn new() -> Self {
        Self { queues: CLASSES.map(Queue::new) }
    }

    /// The queue of a class.
    pub(crate) const fn queue(&self, class: MessageClass) -> &Queue {
        &self.queues[class_index(class)]
    }
}

/// One class's queue. Pushing never waits and needs no runtime.
pub(crate) struct Queue {
    class: MessageClass,
    state: Mutex<State>,
    filled: Notify,
}

#[derive(Default)]
struct State {
    frames: VecDeque<(Instant, Bytes)>,
    bytes: usize,
}

impl State {
    fn take(&mut self) -> Option<(Instant, Bytes)> {
        let (queued_at, frame) = self.frames.pop_front()?;
        self.bytes -= frame.len();
        Some((queued_at, frame))
    }
}

impl Queue {
    fn new(class: MessageClass) -> Self {
        Self { class, state: Mutex::default(), filled: Notify::new() }
    }

    /// Appends a frame and drops from the front whatever no longer fits.
    pub(crate) fn push(&self, frame: Bytes, now: Instant) {
        let index = class_index(self.class);
        let mut dropped = 0;
        {
            let mut state = lock(&self.state);
            state.bytes += frame.len();
            state.frames.push_back((now, frame));
            while state.frames.len() > QUEUE_MESSAGES[index] || state.bytes > QUEUE_BYTES[index] {
                state.take();
                dropped += 1;
            }
        }
        metric_names::dropped(self.class, "overflow", dropped);
        self.filled.notify_one();
    }

    /// The oldest frame that is not stale.
    pub(crate) fn try_pop(&self, now: Instant) -> Option<Bytes> {
        let mut stale = 0;
        let fresh = {
            let mut state = lock(&self.state);
            loop {
                match state.take() {
                    Some((queued_at, _)) if now.saturating_duration_since(queued_at) > QUEUE_AGE => {
                        stale += 1
                    }
                    Some((_, frame)) => break Some(frame),
                    None => break None,
                }
            }
        };
        metric_names::dropped(self.class, "stale", stale);
        fresh
    }

    /// Waits for the next frame. Only one task at a time may wait.
    pub(crate) async fn pop(&self) -> Bytes {
        loop {
            if let Some(frame) = self.try_pop(Instant::now()) {
                return frame;
            }
            self.filled.notified().await;
        }
    }
}
