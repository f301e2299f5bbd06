//! One connection from hello to end: three writers, three readers, the first failure ends them all.

use crate::event::Inbox;
use crate::frame::{class_of_tag, decode, read_frame, stream_priority, stream_tag};
use crate::limits::{CLASSES, FRAME_HEADER_BYTES, class_index};
use crate::peer::Peer;
use crate::{LinkError, metric_names};
use btn_types::{MemberIndex, MessageClass};
use bytes::Bytes;
use quinn::{Connection, ReadExactError, RecvStream, WriteError};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use tokio::task::JoinSet;

/// Carries messages until the connection ends or a newer one of the same peer waits, closes it where it is
/// still open, and says why. No task of the link is left when this returns.
pub(crate) async fn run(connection: &Connection, peer: &Arc<Peer>, inbox: &Inbox) -> LinkError {
    let mut tasks = JoinSet::new();
    for class in CLASSES {
        tasks.spawn(write_class(connection.clone(), Arc::clone(peer), class));
    }
    let claimed = Arc::new(AtomicU8::new(0));
    let error = loop {
        tokio::select! {
            Some(result) = tasks.join_next() => {
                break result.unwrap_or_else(|error| LinkError::Lost(format!("a task of the link failed: {error}")));
            }
            () = peer.offers.wait() => break LinkError::Replaced,
            accepted = connection.accept_uni() => match accepted {
                Ok(stream) => {
                    let reader = Reader { from: peer.member, inbox: inbox.clone(), claimed: Arc::clone(&claimed) };
                    tasks.spawn(reader.run(stream));
                }
                Err(error) => break error.into(),
            },
        }
    };
    error.close(connection);
    tasks.shutdown().await;
    error
}

async fn write_class(connection: Connection, peer: Arc<Peer>, class: MessageClass) -> LinkError {
    let mut stream = match connection.open_uni().await {
        Ok(stream) => stream,
        Err(error) => return error.into(),
    };
    // Cannot fail on a stream just opened.
    let _ = stream.set_priority(stream_priority(class));
    let mut next = Bytes::copy_from_slice(&[stream_tag(class)]);
    loop {
        match stream.write_chunk(next).await {
            Ok(()) => {}
            Err(WriteError::ConnectionLost(error)) => return error.into(),
            Err(_) => return LinkError::StreamEnded(Some(class)),
        }
        next = peer.outbound.queue(class).pop().await;
        metric_names::sent(class, next.len());
    }
}

/// Reads one stream of the peer.
struct Reader {
    from: MemberIndex,
    inbox: Inbox,
    /// Bit `i` is set once class `i` has its stream; shared by the readers of a connection.
    claimed: Arc<AtomicU8>,
}

impl Reader {
    async fn run(self, mut stream: RecvStream) -> LinkError {
        let class = match read_tag(&mut stream).await {
            Ok(class) => class,
            Err(error) => return error,
        };
        let bit = 1u8 << class_index(class);
        if self.claimed.fetch_or(bit, Ordering::Relaxed) & bit != 0 {
            return LinkError::StreamTwice(class);
        }
        loop {
            if let Err(error) = self.next(&mut stream, class).await {
                return error;
            }
        }
    }

    async fn next(&self, stream: &mut RecvStream, class: MessageClass) -> Result<(), LinkError> {
        let payload = read_frame(stream, class).await?;
        let message = decode(class, &payload)?;
        let bytes = payload.len() + FRAME_HEADER_BYTES;
        // The message owns its bytes; keeping both while the inbox is full would double the memory.
        drop(payload);
        metric_names::received(class, bytes);
        let delivered = self.inbox.message(class, self.from, message, bytes).await;
        delivered.map_err(|_| LinkError::ShuttingDown)
    }
}

async fn read_tag(stream: &mut RecvStream) -> Result<MessageClass, LinkError> {
    let mut tag = [0u8; 1];
    match stream.read_exact(&mut tag).await {
        Ok(()) => class_of_tag(tag[0]).ok_or(LinkError::UnknownStream(tag[0])),
        Err(ReadExactError::ReadError(quinn::ReadError::ConnectionLost(error))) => Err(error.into()),
        Err(_) => Err(LinkError::StreamEnded(None)),
    }
}
