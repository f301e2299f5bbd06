//! Why bytes are no frame, and why a command is not what it should be.

use crate::constants::COMMAND_VERSION;
use thiserror::Error;

/// A stream that cannot be read on: nobody knows where the next frame begins. The link is closed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum FrameError {
    /// No handler of the pipeline knows these bytes (R-063, G-26).
    #[error("bytes that begin with {flag:#010x} are neither a command nor anything else known here")]
    UnknownFlag {
        /// The first four bytes, big-endian.
        flag: u32,
    },
    /// A frame over its limit. Nothing was allocated for it.
    #[error("a {kind} of {actual} bytes, at most {most} are allowed")]
    TooLong {
        /// Command or binary frame.
        kind: &'static str,
        /// Bytes announced, or asked for.
        actual: usize,
        /// Most bytes allowed.
        most: usize,
    },
    /// A command that is not text.
    #[error("command {number} of this link is not UTF-8: byte {at} begins no character")]
    NotUtf8 {
        /// Which command of the connection.
        number: u64,
        /// First byte that is wrong, from 0.
        at: usize,
    },
    /// The stream ended inside a frame.
    #[error("the stream ended inside a frame, {bytes} bytes of which had arrived")]
    Unfinished {
        /// Bytes left over.
        bytes: usize,
    },
}

/// A command that was read and makes no sense. The link may go on.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum CommandError {
    /// A field of another JSON type than asked for.
    #[error("`{name}` is {actual}, expected {expected}")]
    WrongType {
        /// Name of the field.
        name: String,
        /// The type asked for.
        expected: &'static str,
        /// The type found.
        actual: &'static str,
    },
    /// JSON that is malformed, lacks a field or has a value out of its range.
    #[error("{what}: {reason}")]
    Json {
        /// What was read or written.
        what: &'static str,
        /// Where and why.
        reason: String,
    },
    /// Bytes that are not the canonical encoding of what should be there.
    #[error("{what} is not canonical: {reason}")]
    Rlp {
        /// What was read.
        what: &'static str,
        /// Why.
        reason: String,
    },
    /// A list or text over its limit.
    #[error("{actual} {what}, at most {most} are allowed")]
    TooMany {
        /// What there is too much of.
        what: &'static str,
        /// How many.
        actual: usize,
        /// Most allowed.
        most: usize,
    },
    /// A request without the parameters that it needs.
    #[error("`{name}` needs parameters and has none")]
    NoParam {
        /// Name of the call.
        name: &'static str,
    },
    /// A request that this version does not know.
    #[error("{name:?} is not a call that version {COMMAND_VERSION} knows")]
    UnknownCall {
        /// Its name, cut off.
        name: String,
    },
    /// The peer speaks another version.
    #[error("the peer speaks version {actual} of the command language, this node version {COMMAND_VERSION}")]
    Version {
        /// The peer's.
        actual: u32,
    },
    /// A request id that is no uuid.
    #[error("a request id of {bytes} bytes that is no uuid in its text form")]
    RequestId {
        /// Bytes of what stands there.
        bytes: usize,
    },
    /// A binary frame whose length is not the one its reply told.
    #[error("the binary frame has {actual} bytes, its reply told {expected}")]
    BlobLength {
        /// Bytes told.
        expected: usize,
        /// Bytes of the frame.
        actual: usize,
    },
    /// The peer did not carry out the call; its words, cut off.
    #[error("{0}")]
    Refused(String),
}
