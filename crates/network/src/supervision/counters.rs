//! What went over the links with one peer, for operators: frames as counted here, bytes as QUIC counts them.

use crate::lock;
use quinn::Connection;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

/// What went over all links with one peer since the start of this process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Bytes of UDP packets sent, with everything that QUIC adds.
    pub bytes_sent: u64,
    /// Bytes of UDP packets received.
    pub bytes_received: u64,
    /// Commands and binary frames sent.
    pub frames_sent: u64,
    /// Commands and binary frames received.
    pub frames_received: u64,
}

/// Counts for one peer, over all its links.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    frames_sent: AtomicU64,
    frames_received: AtomicU64,
    /// Bytes sent and received by links that have ended.
    ended: Mutex<(u64, u64)>,
}

impl Counters {
    pub(crate) fn sent(&self) {
        self.frames_sent.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn received(&self) {
        self.frames_received.fetch_add(1, Ordering::Relaxed);
    }

    /// Adds what a link carried that is over now.
    pub(crate) fn link_ended(&self, connection: &Connection) {
        let (sent, received) = bytes(connection);
        let mut ended = lock(&self.ended);
        ended.0 += sent;
        ended.1 += received;
    }

    /// All of it, `connection` being the link that stands.
    pub(crate) fn traffic(&self, connection: Option<&Connection>) -> Traffic {
        let (sent, received) = connection.map_or((0, 0), bytes);
        let ended = *lock(&self.ended);
        Traffic {
            bytes_sent: ended.0 + sent,
            bytes_received: ended.1 + received,
            frames_sent: self.frames_sent.load(Ordering::Relaxed),
            frames_received: self.frames_received.load(Ordering::Relaxed),
        }
    }
}

fn bytes(connection: &Connection) -> (u64, u64) {
    let statistics = connection.stats();
    (statistics.udp_tx.bytes, statistics.udp_rx.bytes)
}
