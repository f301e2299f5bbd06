//! Frames on QUIC streams: reading within bounds and deadlines, writing within deadlines.

use super::counters::Counters;
use crate::limits::supervision::{
    BLOB_TIMEOUT, FRAME_TIMEOUT, MAX_HELLO_FRAME_BYTES, READ_CHUNK_BYTES, SMALL_PARTIAL_BYTES,
    WRITE_STEP_BYTES, WRITE_TIMEOUT,
};
use crate::{LinkError, metric_names};
use btn_command::{Frame, FrameError, MAX_COMMAND_BYTES, Pipeline};
use bytes::Bytes;
use quinn::{ReadError, RecvStream, SendStream, WriteError};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout, timeout_at};

/// Unit in which the budget of partial frames is counted.
pub(crate) const PARTIAL_UNIT_BYTES: usize = 1_024;

impl From<FrameError> for LinkError {
    fn from(error: FrameError) -> Self {
        Self::NoCommand(error.to_string())
    }
}

/// Reads the frames of one stream.
pub(crate) struct FrameReader {
    stream: RecvStream,
    pipeline: Pipeline,
    counters: Arc<Counters>,
    /// Until the hello is over, nothing larger than one is read.
    before_hello: bool,
    /// Time for a frame once it was begun.
    patience: Duration,
    /// Shared budget for large partial frames, where there is one.
    partials: Option<Arc<Semaphore>>,
    share: Option<OwnedSemaphorePermit>,
}

impl FrameReader {
    pub(crate) const fn new(stream: RecvStream, pipeline: Pipeline, counters: Arc<Counters>) -> Self {
        Self {
            stream,
            pipeline,
            counters,
            before_hello: true,
            patience: FRAME_TIMEOUT,
            partials: None,
            share: None,
        }
    }

    /// The hello is over: frames of every allowed size may come, large ones within this budget.
    pub(crate) fn hello_is_over(&mut self, partials: Option<Arc<Semaphore>>) {
        self.before_hello = false;
        self.partials = partials;
    }

    /// A reader of bodies: on the master's other stream, after the hello.
    pub(crate) fn of_bodies(stream: RecvStream, counters: Arc<Counters>) -> Self {
        let mut reader = Self::new(stream, Pipeline::new(), counters);
        (reader.before_hello, reader.patience) = (false, BLOB_TIMEOUT);
        reader
    }

    /// The next frame, and its bytes with the header.
    pub(crate) async fn next(&mut self) -> Result<(Frame, usize), LinkError> {
        let (mut deadline, patience) = (None, self.patience);
        loop {
            let before = self.pipeline.buffered_bytes();
            if let Some(frame) = self.pipeline.next()? {
                self.share = None;
                self.counters.received();
                let bytes = before - self.pipeline.buffered_bytes();
                metric_names::frame_received(kind_of(&frame), bytes);
                return Ok((frame, bytes));
            }
            let begun = self.pipeline.buffered_bytes();
            if self.before_hello && begun > MAX_HELLO_FRAME_BYTES {
                let text = format!("{begun} bytes and no end, at most {MAX_HELLO_FRAME_BYTES} are allowed");
                return Err(LinkError::HelloMalformed(text));
            }
            if begun > SMALL_PARTIAL_BYTES && self.take_share().await {
                // Waiting for the others' frames is not this one's fault.
                deadline = None;
            }
            let chunk = if begun == 0 {
                self.chunk().await?
            } else {
                let deadline = *deadline.get_or_insert_with(|| Instant::now() + self.patience);
                let unfinished = |_| LinkError::FrameUnfinished(patience.as_secs());
                timeout_at(deadline, self.chunk()).await.map_err(unfinished)??
            };
            self.pipeline.push(&chunk);
        }
    }

    /// Waits until a large frame has its share of the budget, where there is one; `false` if it has it already.
    async fn take_share(&mut self) -> bool {
        let Some(partials) = self.partials.as_ref().filter(|_| self.share.is_none()) else { return false };
        let units = u32::try_from(MAX_COMMAND_BYTES / PARTIAL_UNIT_BYTES).unwrap_or(u32::MAX);
        self.share = Arc::clone(partials).acquire_many_owned(units).await.ok();
        true
    }

    async fn chunk(&mut self) -> Result<Bytes, LinkError> {
        match self.stream.read_chunk(READ_CHUNK_BYTES, true).await {
            Ok(Some(chunk)) => Ok(chunk.bytes),
            Err(ReadError::ConnectionLost(error)) => Err(error.into()),
            Ok(None) | Err(_) => Err(LinkError::OutOfOrder("a stream ended before the connection")),
        }
    }
}

const fn kind_of(frame: &Frame) -> &'static str {
    match frame {
        Frame::Command { .. } => "command",
        Frame::Blob { .. } => "blob",
    }
}

/// Writes one frame. The other side must go on taking some of it.
pub(crate) async fn write_frame(
    stream: &mut SendStream,
    mut frame: Bytes,
    kind: &'static str,
    counters: &Counters,
) -> Result<(), LinkError> {
    let bytes = frame.len();
    while !frame.is_empty() {
        let step = frame.split_to(frame.len().min(WRITE_STEP_BYTES));
        match timeout(WRITE_TIMEOUT, stream.write_chunk(step)).await {
            Ok(Ok(())) => {}
            Ok(Err(WriteError::ConnectionLost(error))) => return Err(error.into()),
            Ok(Err(_)) => return Err(LinkError::OutOfOrder("a stream was stopped before the connection")),
            Err(_) => return Err(LinkError::NotTaken(WRITE_TIMEOUT.as_secs())),
        }
    }
    counters.sent();
    metric_names::frame_sent(kind, bytes);
    Ok(())
}
