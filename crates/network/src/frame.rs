//! Frames: a length of four bytes, big-endian, and that many bytes of one RLP message.

use crate::LinkError;
use crate::limits::{FRAME_HEADER_BYTES, READ_STEP_BYTES, max_frame_bytes};
use alloy_rlp::Encodable;
use btn_types::{Message, MessageClass, decode_exact};
use bytes::{Bytes, BytesMut};
use quinn::{ReadError, ReadExactError, RecvStream};

/// A message larger than its class allows; nobody would accept it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Oversize {
    /// Bytes of the payload.
    pub length: usize,
    /// Most bytes of the class.
    pub limit: usize,
}

/// Encodes a message once; the bytes are shared by all peers it goes to.
pub(crate) fn encode(message: &Message) -> Result<Bytes, Oversize> {
    let mut frame = Vec::with_capacity(FRAME_HEADER_BYTES + message.length());
    frame.resize(FRAME_HEADER_BYTES, 0);
    message.encode(&mut frame);
    let length = frame.len() - FRAME_HEADER_BYTES;
    let limit = max_frame_bytes(message.class());
    match u32::try_from(length) {
        Ok(header) if length <= limit => {
            frame[..FRAME_HEADER_BYTES].copy_from_slice(&header.to_be_bytes());
            Ok(frame.into())
        }
        _ => Err(Oversize { length, limit }),
    }
}

/// Decodes a frame's payload that came on the stream of `class`.
pub(crate) fn decode(class: MessageClass, payload: &[u8]) -> Result<Message, LinkError> {
    let message: Message = decode_exact(payload)
        .map_err(|error| LinkError::FrameMalformed { class, text: error.to_string() })?;
    if message.class() == class {
        Ok(message)
    } else {
        Err(LinkError::WrongClass { message: message.name(), class, expected: message.class() })
    }
}

/// Why bytes could not be read.
pub(crate) enum ReadFailure {
    /// The length is over the limit.
    TooLong(u64),
    /// The stream was finished, reset or stopped.
    Ended,
    /// The connection is gone.
    Connection(LinkError),
}

impl From<ReadError> for ReadFailure {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::ConnectionLost(error) => Self::Connection(error.into()),
            _ => Self::Ended,
        }
    }
}

/// Reads a length and as many bytes. The buffer follows what really arrives, not what is claimed.
pub(crate) async fn read_bytes(stream: &mut RecvStream, limit: usize) -> Result<BytesMut, ReadFailure> {
    let mut header = [0u8; FRAME_HEADER_BYTES];
    stream.read_exact(&mut header).await.map_err(|error| match error {
        ReadExactError::ReadError(error) => error.into(),
        ReadExactError::FinishedEarly(_) => ReadFailure::Ended,
    })?;
    let claimed = u32::from_be_bytes(header);
    let length = match usize::try_from(claimed) {
        Ok(length) if length <= limit => length,
        _ => return Err(ReadFailure::TooLong(u64::from(claimed))),
    };
    let mut payload = BytesMut::new();
    while payload.len() < length {
        let missing = length - payload.len();
        let chunk = stream.read_chunk(missing, true).await?.ok_or(ReadFailure::Ended)?;
        if payload.capacity() - payload.len() < chunk.bytes.len() {
            let step = payload.len().max(READ_STEP_BYTES).max(chunk.bytes.len());
            payload.reserve(step.min(missing));
        }
        payload.extend_from_slice(&chunk.bytes);
    }
    Ok(payload)
}

/// Reads the next frame's payload of a class stream.
pub(crate) async fn read_frame(stream: &mut RecvStream, class: MessageClass) -> Result<BytesMut, LinkError> {
    let limit = max_frame_bytes(class);
    read_bytes(stream, limit).await.map_err(|failure| match failure {
        ReadFailure::TooLong(length) => LinkError::FrameTooLong { class, length, limit },
        ReadFailure::Ended => LinkError::StreamEnded(Some(class)),
        ReadFailure::Connection(error) => error,
    })
}

/// First byte of a class stream.
pub(crate) const fn stream_tag(class: MessageClass) -> u8 {
    match class {
        MessageClass::Vote => 1,
        MessageClass::Proposal => 2,
        MessageClass::Bulk => 3,
    }
}

/// Class of a stream's first byte.
pub(crate) const fn class_of_tag(tag: u8) -> Option<MessageClass> {
    match tag {
        1 => Some(MessageClass::Vote),
        2 => Some(MessageClass::Proposal),
        3 => Some(MessageClass::Bulk),
        _ => None,
    }
}

/// QUIC priority of a class stream: whatever waits in a higher one is sent first.
pub(crate) const fn stream_priority(class: MessageClass) -> i32 {
    match class {
        MessageClass::Vote => 2,
        MessageClass::Proposal => 1,
        MessageClass::Bulk => 0,
    }
}
