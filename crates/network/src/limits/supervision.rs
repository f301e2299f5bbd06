//! Every bound of the links between masters and supervisors.

use btn_types::limits::{MAX_FRAME_BYTES, MAX_SEALS_PER_MESSAGE};
use std::time::Duration;

/// TLS application protocol of these links.
pub const SUPERVISION_ALPN: &[u8] = b"btn-supervisor/1";

/// Longest time a remote call waits for its answer.
pub const CALL_TIMEOUT: Duration = Duration::from_secs(10);

/// Longest time for the body that an answer announces to arrive in full: 12 MiB on a line of 2 Mbit/s.
pub const BLOB_TIMEOUT: Duration = Duration::from_secs(60);

/// Most remote calls of one side that wait for an answer on one link.
pub const MAX_PENDING_CALLS: usize = 64;

/// Most answers, given up already, that may still come on one link before they count as unasked for.
pub const MAX_FORGOTTEN_CALLS: usize = 1_024;

/// Most calls of one supervisor that the node works on at once, pulls not counted. Further ones are refused.
pub const MAX_CALLS_IN_SERVICE: usize = 32;

/// Most pulls of one supervisor that wait for their turn. Further ones are refused.
pub const MAX_PULLS_WAITING: usize = 8;

/// Most pulls that one supervisor has under way at one master; further ones wait at home.
pub const MAX_PULLS_IN_FLIGHT: usize = 4;

/// So many calls refused in a row for their number, and the link closes.
pub const MAX_REFUSED_CALLS: u32 = 64;

/// Frames per second that a master reads from one supervisor; faster ones wait in QUIC's window.
pub const FRAMES_PER_SECOND: u64 = 100;

/// Frames that may come at once after a quiet time.
pub const FRAMES_BURST: u64 = 200;

/// Bytes per second that a master reads from one supervisor.
pub const INBOUND_BYTES_PER_SECOND: u64 = 1024 * 1024;

/// Bytes that may come at once after a quiet time.
pub const INBOUND_BYTES_BURST: u64 = 2 * 1024 * 1024;

/// Seals per second that a master takes from one supervisor; an honest one sends one a view.
pub const SEALS_PER_SECOND: u64 = 64;

/// Seals that may come at once: what a supervisor resends after a reconnection, twice.
pub const SEALS_BURST: u64 = 2 * MAX_SEALS_PER_MESSAGE as u64;

/// Bytes of bodies per second that a master sends to one supervisor, so that one catching up leaves the line to
/// the others.
pub const ANSWER_BYTES_PER_SECOND: u64 = 8 * 1024 * 1024;

/// Bytes of bodies that may go to one supervisor at once after a quiet time.
pub const ANSWER_BYTES_BURST: u64 = 16 * 1024 * 1024;

/// Bytes of bodies per second that a master sends to all its supervisors together.
pub const PORT_ANSWER_BYTES_PER_SECOND: u64 = 64 * 1024 * 1024;

/// Bytes of bodies that may go to all supervisors at once after a quiet time.
pub const PORT_ANSWER_BYTES_BURST: u64 = 64 * 1024 * 1024;

/// Most bodies held in memory at once on their way to supervisors, over all links.
pub const MAX_ANSWERS_IN_PROGRESS: usize = 32;

/// Most announcements that wait for one supervisor; the oldest go first.
pub const MAX_ANNOUNCEMENTS_WAITING: usize = 512;

/// Most bytes of announcements that wait for one supervisor.
pub const MAX_ANNOUNCEMENT_BYTES_WAITING: usize = 4 * 1024 * 1024;

/// Most calls and answers encoded and waiting to be written on one link; who adds more waits.
pub const MAX_FRAMES_WAITING: usize = 64;

/// Most bytes of a hello's frame.
pub const MAX_HELLO_FRAME_BYTES: usize = 1_024;

/// A command must be complete within this time after its first byte, a body within [`BLOB_TIMEOUT`]. Above
/// [`SUPERVISION_IDLE_TIMEOUT`], so that a line that broke is not taken for a breach of the protocol.
pub const FRAME_TIMEOUT: Duration = Duration::from_secs(20);

/// The other side must take some of what is written within this time; above [`SUPERVISION_IDLE_TIMEOUT`] likewise.
pub const WRITE_TIMEOUT: Duration = Duration::from_secs(20);

/// Bytes handed to QUIC in one step when a body is written.
pub const WRITE_STEP_BYTES: usize = 64 * 1024;

/// Most bytes read from a stream in one step.
pub const READ_CHUNK_BYTES: usize = 64 * 1024;

/// A partial frame above this needs a share of [`MAX_PARTIAL_BYTES`].
pub const SMALL_PARTIAL_BYTES: usize = 64 * 1024;

/// Most bytes of large partial frames held by the supervisor port, over all links.
pub const MAX_PARTIAL_BYTES: usize = 64 * 1024 * 1024;

/// Most events of a supervisor port that wait for the node, in each of its two lanes.
pub const MAX_PORT_EVENTS: usize = 1_024;

/// Most calls of a supervisor's node that are not answered and taken yet.
pub const MAX_CALLS: usize = 1_024;

/// Most answers that wait to say that there were too many calls; beyond, they are lost and logged.
pub const MAX_REFUSED_ANSWERS: usize = 4_096;

/// Most calls that wait for one master's link to stand.
pub const MAX_CALLS_WAITING_FOR_LINK: usize = 64;

/// Most announcements that wait for a supervisor's node; the links they come on wait beyond.
pub const MAX_ANNOUNCEMENTS_UNTAKEN: usize = 1_024;

/// Announcements per second that a supervisor reads from one master.
pub const ANNOUNCEMENTS_PER_SECOND: u64 = 500;

/// Announcements that may come at once after a quiet time.
pub const ANNOUNCEMENTS_BURST: u64 = 2_000;

/// A master asks each of its supervisors for its status this often.
pub const STATUS_INTERVAL: Duration = Duration::from_secs(5);

/// A supervisor asks a master for its status when it has heard nothing from it for this long.
pub const STATUS_PROBE: Duration = Duration::from_secs(10);

/// A master that sends no announcement and answers no call for this long, while others do, is dropped.
pub const MASTER_SILENCE: Duration = Duration::from_secs(30);

/// So many calls in a row without an answer in time, and the master is dropped.
pub const MAX_UNANSWERED_CALLS: u32 = 3;

/// How long a dropped master is left alone.
pub const MASTER_BAN: Duration = Duration::from_secs(600);

/// A link made for a single call is hung up after this time without another.
pub const ON_DEMAND_IDLE: Duration = Duration::from_secs(30);

/// How often a supervisor looks for masters that stall.
pub const HEALTH_INTERVAL: Duration = Duration::from_secs(1);

/// Connections of one supervisor that a master accepts at once; then one each [`CONNECTION_INTERVAL`].
pub const CONNECTIONS_BURST: u64 = 10;

/// Time after which one more connection of a supervisor is accepted.
pub const CONNECTION_INTERVAL: Duration = Duration::from_secs(1);

/// How long a supervisor that broke the protocol is refused at first; it doubles.
pub const PENALTY_FIRST: Duration = Duration::from_secs(1);

/// Longest time it is refused.
pub const PENALTY_MOST: Duration = Duration::from_secs(60);

/// A silent link sends a ping this often: below the half minute after which home routers forget a UDP flow.
pub const SUPERVISION_KEEP_ALIVE: Duration = Duration::from_secs(5);

/// A link without any packet for this long is dead.
pub const SUPERVISION_IDLE_TIMEOUT: Duration = Duration::from_secs(15);

/// Window of the stream from a supervisor to a master in bytes; a master has thousands of these.
pub const PORT_STREAM_WINDOW_BYTES: u32 = 256 * 1024;

/// Most unacknowledged bytes that a master keeps per supervisor: about what a line of 100 Mbit/s and 150 ms holds.
pub const PORT_SEND_WINDOW_BYTES: u64 = 2 * 1024 * 1024;

/// Window of each stream from a master to a supervisor in bytes.
pub const HOME_STREAM_WINDOW_BYTES: u32 = 2 * 1024 * 1024;

/// Most unacknowledged bytes that a supervisor keeps per master.
pub const HOME_SEND_WINDOW_BYTES: u64 = 1024 * 1024;

/// Most masters that a supervisor keeps links to.
pub const MAX_LINKS: usize = 16;

// A body of the largest size must pass within the time for it, at the rate of one link.
const _: () = {
    assert!(MAX_FRAME_BYTES as u64 <= ANSWER_BYTES_PER_SECOND * BLOB_TIMEOUT.as_secs());
    assert!(PORT_ANSWER_BYTES_PER_SECOND >= ANSWER_BYTES_PER_SECOND);
    // A supervisor that keeps to its own bounds is never refused for their number.
    assert!(MAX_PULLS_IN_FLIGHT <= MAX_PULLS_WAITING);
    assert!(MAX_CALLS_IN_SERVICE + MAX_PULLS_IN_FLIGHT <= MAX_PENDING_CALLS);
    assert!(FRAME_TIMEOUT.as_secs() > SUPERVISION_IDLE_TIMEOUT.as_secs());
    assert!(WRITE_TIMEOUT.as_secs() > SUPERVISION_IDLE_TIMEOUT.as_secs());
    assert!(SUPERVISION_KEEP_ALIVE.as_secs() * 2 < SUPERVISION_IDLE_TIMEOUT.as_secs());
};
