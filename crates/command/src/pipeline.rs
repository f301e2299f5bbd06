//! Frames: bytes in, commands and binary frames out, through a pipeline of handlers.

use crate::command::BtnCmd;
use crate::constants::{
    BLOB_HEADER_BYTES, BTN_BLOB_FLAG, BTN_CMD_FLAG, COMMAND_HEADER_BYTES, MAX_BLOB_BYTES, MAX_COMMAND_BYTES,
};
use crate::error::FrameError;
use crate::request_id::RequestId;
use bytes::{Buf, BufMut, Bytes, BytesMut};
use std::fmt;

/// What a peer sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame {
    /// A command.
    Command {
        /// Which one of this connection, from 1.
        number: u64,
        /// The command.
        command: BtnCmd,
    },
    /// Bytes that belong to a remote call.
    Blob {
        /// The call.
        id: RequestId,
        /// The bytes.
        bytes: Bytes,
    },
}

/// What a handler made of the bytes at the front of the buffer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decoded {
    /// One whole frame, taken out of the buffer.
    Frame(Frame),
    /// The frame is this handler's, or may be, and is not all there yet. The buffer is as it was.
    Incomplete,
    /// Not this handler's: the buffer is as it was, for the next one.
    Foreign,
}

/// One decoder of a pipeline.
pub trait Handler: fmt::Debug + Send {
    /// Looks at the front of `buffer` and takes at most one frame out of it.
    ///
    /// # Errors
    /// The bytes are this handler's and break its rules.
    fn decode(&mut self, buffer: &mut BytesMut) -> Result<Decoded, FrameError>;
}

/// A big-endian u32 at this place of the buffer, once its four bytes are there.
fn word(buffer: &[u8], at: usize) -> Option<u32> {
    let mut bytes = buffer.get(at..at.checked_add(4)?)?;
    Some(bytes.get_u32())
}

/// The content's length in a frame that begins with `flag`: known, not there yet, or somebody else's frame.
enum Head {
    Length(usize),
    Incomplete,
    Foreign,
}

/// Reads flag and length, and checks the length before anybody allocates for it (G-26).
fn head(buffer: &[u8], flag: u32, kind: &'static str, most: usize) -> Result<Head, FrameError> {
    match word(buffer, 0) {
        None => return Ok(Head::Incomplete),
        Some(found) if found != flag => return Ok(Head::Foreign),
        Some(_) => {}
    }
    let Some(length) = word(buffer, 4) else { return Ok(Head::Incomplete) };
    let actual = usize::try_from(length).unwrap_or(usize::MAX);
    if actual > most {
        return Err(FrameError::TooLong { kind, actual, most });
    }
    Ok(Head::Length(actual))
}

/// Decoder of command frames.
#[derive(Clone, Debug, Default)]
pub struct CommandDecoder {
    /// Commands read on this connection.
    count: u64,
}

impl Handler for CommandDecoder {
    fn decode(&mut self, buffer: &mut BytesMut) -> Result<Decoded, FrameError> {
        let length = match head(buffer, BTN_CMD_FLAG, "command", MAX_COMMAND_BYTES)? {
            Head::Length(length) => length,
            Head::Incomplete => return Ok(Decoded::Incomplete),
            Head::Foreign => return Ok(Decoded::Foreign),
        };
        if buffer.len() < COMMAND_HEADER_BYTES + length {
            return Ok(Decoded::Incomplete);
        }
        self.count += 1;
        let number = self.count;
        buffer.advance(COMMAND_HEADER_BYTES);
        // Copied, so that a command that is kept does not keep the whole buffer.
        let body = String::from_utf8(buffer.split_to(length).to_vec())
            .map_err(|error| FrameError::NotUtf8 { number, at: error.utf8_error().valid_up_to() })?;
        Ok(Decoded::Frame(Frame::Command { number, command: BtnCmd::parse(body) }))
    }
}

/// Decoder of binary frames.
#[derive(Clone, Debug)]
pub struct BlobDecoder {
    most_bytes: usize,
}

impl BlobDecoder {
    /// Takes binary frames of at most so many bytes, and of at most [`MAX_BLOB_BYTES`].
    #[must_use]
    pub fn new(most_bytes: usize) -> Self {
        Self { most_bytes: most_bytes.min(MAX_BLOB_BYTES) }
    }
}

impl Handler for BlobDecoder {
    fn decode(&mut self, buffer: &mut BytesMut) -> Result<Decoded, FrameError> {
        let length = match head(buffer, BTN_BLOB_FLAG, "binary frame", self.most_bytes)? {
            Head::Length(length) => length,
            Head::Incomplete => return Ok(Decoded::Incomplete),
            Head::Foreign => return Ok(Decoded::Foreign),
        };
        if buffer.len() < BLOB_HEADER_BYTES + length {
            return Ok(Decoded::Incomplete);
        }
        buffer.advance(COMMAND_HEADER_BYTES);
        let mut id = [0; 16];
        buffer.copy_to_slice(&mut id);
        Ok(Decoded::Frame(Frame::Blob { id: RequestId(id), bytes: buffer.split_to(length).freeze() }))
    }
}

/// The decoders of one connection or stream, in order, and the bytes that are not a frame yet.
///
/// After each [`Pipeline::push`] call [`Pipeline::next`] until it has nothing: then never more is kept than one
/// unfinished frame within its limit, and never more is allocated than twice of what has arrived of it.
#[derive(Debug)]
pub struct Pipeline {
    buffer: BytesMut,
    handlers: Vec<Box<dyn Handler>>,
    failed: Option<FrameError>,
}

impl Default for Pipeline {
    fn default() -> Self {
        Self::new()
    }
}

impl Pipeline {
    /// Commands, then binary frames of any allowed size.
    #[must_use]
    pub fn new() -> Self {
        Self::of(vec![Box::new(CommandDecoder::default()), Box::new(BlobDecoder::new(MAX_BLOB_BYTES))])
    }

    /// Commands alone, for a stream on which nobody has asked for bytes.
    #[must_use]
    pub fn commands_only() -> Self {
        Self::of(vec![Box::new(CommandDecoder::default())])
    }

    /// These handlers, asked in this order.
    #[must_use]
    pub fn of(handlers: Vec<Box<dyn Handler>>) -> Self {
        Self { buffer: BytesMut::new(), handlers, failed: None }
    }

    /// Takes in bytes as they were read.
    pub fn push(&mut self, bytes: &[u8]) {
        // After an error nothing will be read any more.
        if self.failed.is_none() {
            self.buffer.extend_from_slice(bytes);
        }
    }

    /// The next frame, or `None` until more bytes arrive.
    ///
    /// # Errors
    /// Bytes that no handler knows, or that break a handler's rules. From then on it is always this error.
    #[expect(
        clippy::should_implement_trait,
        reason = "a fallible step, not an iterator: it may go on after None"
    )]
    pub fn next(&mut self) -> Result<Option<Frame>, FrameError> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        let step = self.step();
        if let Err(error) = &step {
            self.failed = Some(error.clone());
            self.buffer = BytesMut::new();
        }
        step
    }

    fn step(&mut self) -> Result<Option<Frame>, FrameError> {
        for handler in &mut self.handlers {
            match handler.decode(&mut self.buffer)? {
                Decoded::Frame(frame) => return Ok(Some(frame)),
                Decoded::Incomplete => return Ok(None),
                Decoded::Foreign => {}
            }
        }
        // Too few bytes to tell are nobody's fault.
        word(&self.buffer, 0).map_or(Ok(None), |flag| Err(FrameError::UnknownFlag { flag }))
    }

    /// Bytes that have arrived and are not a frame yet.
    #[must_use]
    pub fn buffered_bytes(&self) -> usize {
        self.buffer.len()
    }

    /// Says that the stream has ended.
    ///
    /// # Errors
    /// It ended inside a frame.
    pub fn finish(&self) -> Result<(), FrameError> {
        match self.buffer.len() {
            0 => Ok(()),
            bytes => Err(FrameError::Unfinished { bytes }),
        }
    }
}

/// Flag and length of a frame, with room for the rest.
fn begin(
    flag: u32,
    kind: &'static str,
    length: usize,
    most: usize,
    header: usize,
) -> Result<BytesMut, FrameError> {
    let too_long = FrameError::TooLong { kind, actual: length, most };
    let told = u32::try_from(length).map_err(|_| too_long.clone())?;
    if length > most {
        return Err(too_long);
    }
    let mut out = BytesMut::with_capacity(header + length);
    out.put_u32(flag);
    out.put_u32(told);
    Ok(out)
}

/// A command's frame: flag, length in bytes, body.
///
/// # Errors
/// A body over [`MAX_COMMAND_BYTES`].
pub fn encode_command(command: &BtnCmd) -> Result<Bytes, FrameError> {
    let body = command.body().as_bytes();
    let mut out = begin(BTN_CMD_FLAG, "command", body.len(), MAX_COMMAND_BYTES, COMMAND_HEADER_BYTES)?;
    out.put_slice(body);
    Ok(out.freeze())
}

/// A binary frame: flag, length of the content in bytes, request id, content.
///
/// # Errors
/// Content over [`MAX_BLOB_BYTES`].
pub fn encode_blob(id: RequestId, content: &[u8]) -> Result<Bytes, FrameError> {
    let mut out = begin(BTN_BLOB_FLAG, "binary frame", content.len(), MAX_BLOB_BYTES, BLOB_HEADER_BYTES)?;
    out.put_slice(&id.0);
    out.put_slice(content);
    Ok(out.freeze())
}
