//! Every bound of the network in one place. Lengths are checked before anything is allocated.

pub mod supervision;

use btn_types::MessageClass;
use btn_types::limits::{MAX_BLOCK_BYTES, MAX_FRAME_BYTES};
use std::time::Duration;

/// Version of the wire protocol, compared in the hello.
pub const PROTOCOL_VERSION: u16 = 2;

/// TLS application protocol.
pub const ALPN: &[u8] = b"btn/1";

/// Bytes of the length that precedes every frame.
pub const FRAME_HEADER_BYTES: usize = 4;

/// Most bytes of a frame's payload on the vote stream. A certificate with its tickets is below 16 KiB.
pub const MAX_VOTE_FRAME_BYTES: usize = 256 * 1024;

/// Most bytes of a frame's payload on the proposal stream: a full block and what surrounds it.
pub const MAX_PROPOSAL_FRAME_BYTES: usize = MAX_BLOCK_BYTES + 64 * 1024;

/// Most bytes of a frame's payload on the bulk stream.
pub const MAX_BULK_FRAME_BYTES: usize = MAX_FRAME_BYTES;

/// Most bytes of a hello.
pub const MAX_HELLO_BYTES: usize = 1024;

/// A frame's buffer starts with this and doubles as bytes really arrive: a claimed length allocates nothing.
pub const READ_STEP_BYTES: usize = 64 * 1024;

/// Most messages waiting for one peer, by class.
pub const QUEUE_MESSAGES: [usize; 3] = [4_096, 64, 256];

/// Most bytes waiting for one peer, by class. Frames of a broadcast share their bytes between peers.
pub const QUEUE_BYTES: [usize; 3] = [4 * 1024 * 1024, 32 * 1024 * 1024, 32 * 1024 * 1024];

/// A message that waited longer for its peer is dropped, not sent: what it says is stale by then, and the
/// peer that comes back after an hour would first get an hour-old backlog.
pub const QUEUE_AGE: Duration = Duration::from_secs(10);

/// Most received messages waiting for the node, by class.
pub const INBOX_MESSAGES: [usize; 3] = [4_096, 64, 256];

/// Most bytes of received messages waiting for the node, by class, counted as encoded.
pub const INBOX_BYTES: [usize; 3] = [16 * 1024 * 1024, 32 * 1024 * 1024, 32 * 1024 * 1024];

/// Most connections whose handshake is in progress; further ones are refused.
pub const MAX_HANDSHAKES: usize = 256;

/// From so many handshakes in progress on, a stranger must first prove its address (QUIC Retry).
pub const RETRY_HANDSHAKES: usize = 64;

/// Longest time from a connection's first packet to the end of its hello.
pub const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(5);

/// How long the side that finds a hello wrong waits for the other to find out by itself.
pub const HELLO_LINGER: Duration = Duration::from_millis(500);

/// Longest time for one look-up of a DNS name.
pub const RESOLVE_TIMEOUT: Duration = Duration::from_secs(5);

/// Most configured addresses of one peer.
pub const MAX_ADDRESSES: usize = 8;

/// Most socket addresses used of what one configured address resolves to.
pub const MAX_RESOLVED: usize = 8;

/// Most bytes of one configured address (the longest DNS name and a port).
pub const MAX_ADDRESS_BYTES: usize = 260;

/// First waiting time after a failed or broken connection.
pub const BACKOFF_FIRST: Duration = Duration::from_millis(100);

/// Longest waiting time.
pub const BACKOFF_MOST: Duration = Duration::from_secs(5);

/// A link that held this long counts as sound: the next waiting time starts small again.
pub const STABLE_LINK: Duration = Duration::from_secs(10);

/// Time one address is given to answer at the first attempt; it doubles up to [`HANDSHAKE_TIMEOUT`].
pub const FIRST_ATTEMPT: Duration = Duration::from_secs(1);

/// A silent connection sends a ping this often.
pub const KEEP_ALIVE: Duration = Duration::from_secs(1);

/// A connection without any packet for this long is dead.
pub const IDLE_TIMEOUT: Duration = Duration::from_secs(5);

/// Round trip assumed before one is measured: the first repetition of an unanswered packet comes after three
/// times this, which decides how fast a network whose nodes start together is complete.
pub const INITIAL_ROUND_TRIP: Duration = Duration::from_millis(100);

/// QUIC flow-control window of one stream in bytes.
pub const STREAM_WINDOW_BYTES: u32 = 2 * 1024 * 1024;

/// QUIC flow-control window of one connection: all three class streams full and the hello, so that a class
/// whose reader waits never takes the credit of another.
pub const CONNECTION_WINDOW_BYTES: u32 = 3 * STREAM_WINDOW_BYTES + 64 * 1024;

/// Most unacknowledged bytes kept per connection: above what flow control lets all streams have in flight,
/// for the same reason.
pub const SEND_WINDOW_BYTES: u64 = 4 * STREAM_WINDOW_BYTES as u64;

/// Wanted bytes of the UDP socket's buffers; the system may give less.
pub const SOCKET_BUFFER_BYTES: usize = 4 * 1024 * 1024;

/// Longest reason text sent or believed when a connection is closed, in bytes.
pub const MAX_REASON_BYTES: usize = 512;

/// Most failures of strangers that are logged of one address, until others' push them out: their words are theirs to
/// choose.
pub const MAX_STRANGER_WARNINGS: usize = 8;

/// Most strangers' failures remembered so that each is logged once.
pub const MAX_REMEMBERED_STRANGERS: usize = 64;

/// Longest time shutdown waits for connections to say goodbye, and again for tasks to end.
pub const SHUTDOWN_WAIT: Duration = Duration::from_secs(2);

/// The classes in the order of their urgency; the position is also the index of every per-class bound.
pub const CLASSES: [MessageClass; 3] = [MessageClass::Vote, MessageClass::Proposal, MessageClass::Bulk];

/// Most bytes of a frame's payload in a class.
#[must_use]
pub const fn max_frame_bytes(class: MessageClass) -> usize {
    match class {
        MessageClass::Vote => MAX_VOTE_FRAME_BYTES,
        MessageClass::Proposal => MAX_PROPOSAL_FRAME_BYTES,
        MessageClass::Bulk => MAX_BULK_FRAME_BYTES,
    }
}

/// Position of a class in [`CLASSES`].
#[must_use]
pub const fn class_index(class: MessageClass) -> usize {
    match class {
        MessageClass::Vote => 0,
        MessageClass::Proposal => 1,
        MessageClass::Bulk => 2,
    }
}

/// Name of a class in logs, metrics and reasons.
#[must_use]
pub const fn class_name(class: MessageClass) -> &'static str {
    match class {
        MessageClass::Vote => "vote",
        MessageClass::Proposal => "proposal",
        MessageClass::Bulk => "bulk",
    }
}

// Every class must be able to hold its own largest frame, or that frame could never be sent or received.
const _: () = {
    let mut index = 0;
    while index < CLASSES.len() {
        let largest = max_frame_bytes(CLASSES[index]) + FRAME_HEADER_BYTES;
        assert!(QUEUE_BYTES[index] >= largest);
        assert!(INBOX_BYTES[index] >= largest);
        assert!(class_index(CLASSES[index]) == index);
        index += 1;
    }
    // Or one class could use up what the others need, at the receiver or at the sender.
    assert!(CONNECTION_WINDOW_BYTES >= 3 * STREAM_WINDOW_BYTES);
    assert!(SEND_WINDOW_BYTES >= 3 * STREAM_WINDOW_BYTES as u64);
};
