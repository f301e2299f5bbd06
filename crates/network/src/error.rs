//! Why a network does not start, and why a link does not stand.

use crate::limits::{MAX_REASON_BYTES, class_name};
use btn_types::{B256, MemberIndex, MessageClass, NodeId};
use quinn::{ConnectionError, VarInt};
use std::net::SocketAddr;
use thiserror::Error;

/// The network could not be started, or was given something impossible.
#[derive(Debug, Error)]
pub enum NetworkError {
    /// The UDP socket could not be opened.
    #[error(
        "cannot listen on UDP {address}: {source}. Another process may hold the port (a second node with \
         the same configuration?), or the address is not one of this machine; choose another `listen` address"
    )]
    Bind {
        /// Address wanted.
        address: SocketAddr,
        /// What the system said.
        source: std::io::Error,
    },
    /// The network key could not be read.
    #[error("the network key is not an Ed25519 key in PKCS#8 DER form: {0}")]
    Identity(String),
    /// TLS could not be set up with this key.
    #[error("TLS cannot be set up: {0}")]
    Tls(String),
    /// Not called from within a tokio runtime.
    #[error("the network must be started inside a tokio runtime")]
    NoRuntime,
    /// More peers than a committee has.
    #[error("{actual} peers are configured, at most {most} are possible")]
    TooManyPeers {
        /// Peers configured.
        actual: usize,
        /// Most possible.
        most: usize,
    },
    /// A place, identity or network key occurs twice, or is the node's own.
    #[error("member {member} ({id}): its place, identity or network key occurs twice or is this node's own")]
    DuplicatePeer {
        /// Place of the second occurrence.
        member: MemberIndex,
        /// Its identity.
        id: NodeId,
    },
    /// More addresses for one peer than allowed.
    #[error("{actual} addresses for one peer, at most {most} are possible")]
    TooManyAddresses {
        /// Addresses given.
        actual: usize,
        /// Most possible.
        most: usize,
    },
    /// An address without a usable port, or too long.
    #[error("{address:?} is not `host:port` (an IPv6 address stands in brackets: `[::1]:30300`)")]
    Address {
        /// The address.
        address: String,
    },
    /// More supervisors than a genesis may list.
    #[error("{actual} supervisors are configured, at most {most} are possible")]
    TooManySupervisors {
        /// Supervisors configured.
        actual: usize,
        /// Most possible.
        most: usize,
    },
    /// A supervisor's identity or network key occurs twice, or is the node's own.
    #[error("supervisor {0}: its identity or network key occurs twice or is this node's own")]
    DuplicateSupervisor(NodeId),
    /// A number of links that is not possible.
    #[error("`links` is {actual}, from 1 to {most} are possible")]
    Links {
        /// Links wanted.
        actual: usize,
        /// Most possible.
        most: usize,
    },
    /// No peer has this place.
    #[error("no peer is member {0}")]
    UnknownMember(MemberIndex),
}

/// Why a connection failed, was refused, or ended.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum LinkError {
    /// The peer has no address to dial.
    #[error("no address is known for the peer; add one to its registry entry or to `addresses`")]
    NoAddress,
    /// A name did not resolve.
    #[error("{address} does not resolve: {text}")]
    Resolve {
        /// The configured address.
        address: String,
        /// What the resolver said.
        text: String,
    },
    /// Nobody answered at an address.
    #[error("{address} is not reachable: {text}")]
    Unreachable {
        /// The address dialled.
        address: SocketAddr,
        /// What happened.
        text: String,
    },
    /// TLS failed: a wrong key on one of the sides, or another protocol.
    #[error("the TLS handshake failed: {0}")]
    Tls(String),
    /// The hello did not come in time.
    #[error("no hello within the time limit")]
    HelloTimeout,
    /// The hello is not one.
    #[error("the hello cannot be read: {0}")]
    HelloMalformed(String),
    /// Another protocol version.
    #[error("protocol version differs: ours {ours}, theirs {theirs}; run the same release on both nodes")]
    Version {
        /// Ours.
        ours: u32,
        /// Theirs.
        theirs: u32,
    },
    /// Another chain.
    #[error(
        "chain differs: ours {ours}, theirs {theirs}; start both nodes from the same genesis file, and \
         after a reset delete the old data directory"
    )]
    Chain {
        /// Our genesis hash.
        ours: B256,
        /// Theirs.
        theirs: B256,
    },
    /// The key belongs to one node, the hello names another.
    #[error(
        "node identity differs: ours for this network key {expected}, theirs {theirs}; the registries or \
         the key files of the two nodes do not belong together"
    )]
    Identity {
        /// The identity our registry has for the key.
        expected: NodeId,
        /// The identity claimed.
        theirs: NodeId,
    },
    /// The side that must wait dialled.
    #[error("the node with the larger identity waits to be dialled, and {theirs} is larger than ours {ours}")]
    Direction {
        /// Our identity.
        ours: NodeId,
        /// Theirs.
        theirs: NodeId,
    },
    /// A frame's length is over its class's limit.
    #[error("a frame of {length} bytes on the {} stream, at most {limit} are allowed", class_name(*class))]
    FrameTooLong {
        /// Stream.
        class: MessageClass,
        /// Length claimed.
        length: u64,
        /// Limit of the class.
        limit: usize,
    },
    /// A frame is not a message.
    #[error("a frame on the {} stream is not a message: {text}", class_name(*class))]
    FrameMalformed {
        /// Stream.
        class: MessageClass,
        /// What the decoder said.
        text: String,
    },
    /// A message came on another class's stream.
    #[error("a {message} message on the {} stream, it belongs on the {} stream", class_name(*class), class_name(*expected))]
    WrongClass {
        /// Kind of message.
        message: &'static str,
        /// Stream it came on.
        class: MessageClass,
        /// Stream it belongs on.
        expected: MessageClass,
    },
    /// A stream of no known class.
    #[error("a stream with the unknown tag {0}")]
    UnknownStream(u8),
    /// A second stream of a class.
    #[error("a second {} stream", class_name(*.0))]
    StreamTwice(MessageClass),
    /// A stream was ended though it must last as long as the connection.
    #[error("the {} stream ended before the connection", .0.map_or("new", class_name))]
    StreamEnded(Option<MessageClass>),
    /// The other side closed the connection and said why.
    #[error("the peer closed the connection (code {code}): {reason}")]
    ClosedByPeer {
        /// Application error code, see [`LinkError::code`].
        code: u64,
        /// Its words.
        reason: String,
    },
    /// The connection died.
    #[error("the connection was lost: {0}")]
    Lost(String),
    /// What came on a supervisor's link is no frame, or no command.
    #[error("what came is not a command of this link: {0}")]
    NoCommand(String),
    /// A frame was begun and left so.
    #[error("a frame was begun and not finished within {0} seconds")]
    FrameUnfinished(u64),
    /// A command, answer or end where it does not belong.
    #[error("out of order: {0}")]
    OutOfOrder(&'static str),
    /// Calls went on coming though each was refused.
    #[error("{0} calls in a row were more than this node takes from one supervisor")]
    TooManyCalls(u32),
    /// The other side does not read what it asked for.
    #[error("the other side took nothing of what was sent to it for {0} seconds")]
    NotTaken(u64),
    /// The peer connects too often.
    #[error("too many connections in a short time; the next one is taken in {wait_ms} ms")]
    TooManyConnections {
        /// Time to wait.
        wait_ms: u64,
    },
    /// The peer's last link ended with a violation.
    #[error("the last link broke the protocol; the next one is taken in {wait_ms} ms")]
    Penalty {
        /// Time to wait.
        wait_ms: u64,
    },
    /// A link made for single calls is not needed any more.
    #[error("the call that this link was made for is over")]
    HungUp,
    /// This supervisor no longer wants this master.
    #[error("the supervisor drops this master: {0}")]
    Dropped(String),
    /// A newer connection of the same peer took over.
    #[error("a newer connection of the same node took over (again and again: two processes use one key?)")]
    Replaced,
    /// This node is stopping.
    #[error("the node is shutting down")]
    ShuttingDown,
}

impl LinkError {
    /// QUIC application error code sent when this is why we close; `docs/wire.md` lists them.
    #[must_use]
    pub const fn code(&self) -> VarInt {
        VarInt::from_u32(match self {
            Self::ShuttingDown => 0,
            Self::Replaced => 1,
            Self::HelloMalformed(_) | Self::HelloTimeout => 2,
            Self::Version { .. } => 3,
            Self::Chain { .. } => 4,
            Self::Identity { .. } => 5,
            Self::Direction { .. } => 6,
            Self::FrameTooLong { .. } => 7,
            Self::FrameMalformed { .. } => 8,
            Self::WrongClass { .. } => 9,
            Self::UnknownStream(_) | Self::StreamTwice(_) | Self::StreamEnded(_) => 10,
            Self::NoCommand(_) => 12,
            Self::FrameUnfinished(_) => 13,
            Self::OutOfOrder(_) => 14,
            Self::TooManyCalls(_) => 15,
            Self::NotTaken(_) => 16,
            Self::TooManyConnections { .. } | Self::Penalty { .. } => 17,
            Self::HungUp => 18,
            Self::Dropped(_) => 19,
            _ => 11,
        })
    }

    /// Whether the peer broke the protocol after the hello.
    #[must_use]
    pub const fn is_violation(&self) -> bool {
        matches!(
            self,
            Self::FrameTooLong { .. }
                | Self::FrameMalformed { .. }
                | Self::WrongClass { .. }
                | Self::UnknownStream(_)
                | Self::StreamTwice(_)
                | Self::StreamEnded(_)
                | Self::NoCommand(_)
                | Self::FrameUnfinished(_)
                | Self::OutOfOrder(_)
                | Self::TooManyCalls(_)
                | Self::NotTaken(_)
        )
    }

    /// Whether nobody answered, as opposed to an answer that is wrong.
    #[must_use]
    pub const fn is_unreachable(&self) -> bool {
        matches!(self, Self::NoAddress | Self::Resolve { .. } | Self::Unreachable { .. } | Self::Lost(_))
    }

    /// The metric label of a link's end.
    pub(crate) const fn end_label(&self) -> &'static str {
        match self {
            Self::Replaced => "replaced",
            Self::ClosedByPeer { .. } | Self::ShuttingDown | Self::HungUp => "closed",
            Self::Dropped(_) => "dropped",
            error if error.is_violation() => "violation",
            _ => "lost",
        }
    }

    /// Closes a connection for this reason. Harmless where it is closed already.
    pub(crate) fn close(&self, connection: &quinn::Connection) {
        let text = self.to_string();
        let end = text.floor_char_boundary(MAX_REASON_BYTES);
        connection.close(self.code(), &text.as_bytes()[..end]);
    }
}

/// A peer's words, made fit for a log: bounded, one line, no control characters.
fn printable(reason: &[u8]) -> String {
    let bounded = &reason[..reason.len().min(MAX_REASON_BYTES)];
    String::from_utf8_lossy(bounded).chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// TLS alerts travel as codes 0x100 to 0x1ff (RFC 9001 §4.8).
const fn is_tls_alert(code: u64) -> bool {
    code >> 8 == 1
}

impl From<ConnectionError> for LinkError {
    fn from(error: ConnectionError) -> Self {
        match error {
            ConnectionError::ApplicationClosed(close) => {
                Self::ClosedByPeer { code: close.error_code.into_inner(), reason: printable(&close.reason) }
            }
            ConnectionError::ConnectionClosed(close) if is_tls_alert(close.error_code.into()) => {
                Self::Tls(format!("the other side refused: {}", printable(&close.reason)))
            }
            ConnectionError::ConnectionClosed(close) => {
                Self::Lost(format!("the other side's QUIC stopped: {}", printable(&close.reason)))
            }
            ConnectionError::TransportError(error) if is_tls_alert(error.code.into()) => {
                Self::Tls(error.reason)
            }
            ConnectionError::TransportError(error) => Self::Lost(format!("QUIC error: {error}")),
            ConnectionError::TimedOut => Self::Lost("the peer fell silent".into()),
            ConnectionError::Reset => Self::Lost("the peer restarted".into()),
            ConnectionError::LocallyClosed => Self::ShuttingDown,
            other => Self::Lost(other.to_string()),
        }
    }
}
