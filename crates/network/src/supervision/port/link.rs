//! One supervisor's link from hello to end: a reader, a writer, the server of pulls and the asker for status; the
//! first failure ends them all.

use super::Port;
use super::pulls::{self, PullServer};
use super::seat::Seat;
use super::service::Service;
use crate::LinkError;
use crate::limits::supervision::{MAX_FRAMES_WAITING, MAX_PULLS_WAITING, STATUS_INTERVAL};
use crate::supervision::announcements::Announcements;
use crate::supervision::calls::{CallFailure, RemoteCalls};
use crate::supervision::counters::Counters;
use crate::supervision::hello::{BODY_PRIORITY, Opened};
use crate::supervision::stream::write_frame;
use btn_types::supervision::{MasterReply, SupervisorCall};
use bytes::Bytes;
use quinn::{Connection, SendStream};
use std::sync::Arc;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};

/// Carries calls and announcements until the connection ends or a newer one of the same supervisor waits, closes
/// it where it is still open, and says why. No task of the link is left when this returns.
pub(crate) async fn run(
    port: &Arc<Port>,
    seat: &Arc<Seat>,
    connection: &Connection,
    mut opened: Opened,
    announcements: Arc<Announcements>,
) -> LinkError {
    let (frames, waiting_frames) = mpsc::channel(MAX_FRAMES_WAITING);
    let (pulls, waiting_pulls) = mpsc::channel(MAX_PULLS_WAITING);
    let calls = Arc::new(RemoteCalls::new(frames.clone()));
    opened.reader.hello_is_over(Some(Arc::clone(&port.partials)));
    let service = Service::new(Arc::clone(port), seat.id, Arc::clone(&calls), frames.clone(), pulls);
    let server = PullServer::new(Arc::clone(port), Arc::clone(seat), frames);
    let mut tasks = JoinSet::new();
    tasks.spawn(service.run(opened.reader));
    tasks.spawn(write(opened.send, waiting_frames, announcements, Arc::clone(&seat.counters)));
    tasks.spawn(serve_pulls(connection.clone(), server, waiting_pulls));
    tasks.spawn(ask_for_status(Arc::clone(seat), Arc::clone(&calls)));
    let error = tokio::select! {
        Some(result) = tasks.join_next() => {
            result.unwrap_or_else(|error| LinkError::Lost(format!("a task of the link failed: {error}")))
        }
        () = seat.offers.wait() => LinkError::Replaced,
        error = connection.closed() => error.into(),
    };
    error.close(connection);
    calls.close();
    tasks.shutdown().await;
    error
}

/// Writes the command stream: calls and answers first, announcements when none waits.
async fn write(
    mut stream: SendStream,
    mut frames: mpsc::Receiver<Bytes>,
    announcements: Arc<Announcements>,
    counters: Arc<Counters>,
) -> LinkError {
    loop {
        let next = tokio::select! {
            biased;
            Some(frame) = frames.recv() => frame,
            frame = announcements.pop() => frame,
        };
        if let Err(error) = write_frame(&mut stream, next, "command", &counters).await {
            return error;
        }
    }
}

async fn serve_pulls(
    connection: Connection,
    server: PullServer,
    waiting: mpsc::Receiver<pulls::Waiting>,
) -> LinkError {
    let stream = match connection.open_uni().await {
        Ok(stream) => stream,
        Err(error) => return error.into(),
    };
    // Cannot fail on a stream just opened.
    let _ = stream.set_priority(BODY_PRIORITY);
    server.run(stream, waiting).await
}

/// Keeps the seat's report fresh. A supervisor that does not answer is only not up to date.
async fn ask_for_status(seat: Arc<Seat>, calls: Arc<RemoteCalls>) -> LinkError {
    let mut ticks = interval(STATUS_INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        match calls.ask(&SupervisorCall::Status).await {
            Ok(MasterReply::Status(status)) => seat.report(status),
            Err(CallFailure::Malformed(error)) => return LinkError::NoCommand(error.to_string()),
            Ok(_) | Err(_) => {}
        }
    }
}
