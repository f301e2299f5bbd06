//! Serves one supervisor's pulls, one after the other, within the budgets of its link and of the port.

use super::Port;
use super::event::{Reply, SupervisorEvent};
use super::seat::Seat;
use super::service::answered;
use crate::limits::supervision::{ANSWER_BYTES_BURST, ANSWER_BYTES_PER_SECOND, BLOB_TIMEOUT, CALL_TIMEOUT};
use crate::supervision::bucket::Bucket;
use crate::supervision::stream::write_frame;
use crate::{LinkError, lock};
use btn_command::{EncodedReply, RequestId, encode_blob, encode_command, encode_reply, failure_reply};
use btn_types::supervision::{PullRequest, SupervisorCall};
use bytes::Bytes;
use quinn::SendStream;
use std::sync::Arc;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, timeout, timeout_at};

/// A pull that waits for its turn.
pub(crate) struct Waiting {
    pub id: RequestId,
    pub pull: PullRequest,
    pub since: Instant,
}

/// What serving one supervisor's pulls needs.
pub(crate) struct PullServer {
    port: Arc<Port>,
    seat: Arc<Seat>,
    frames: mpsc::Sender<Bytes>,
    budget: Bucket,
}

impl PullServer {
    pub(crate) fn new(port: Arc<Port>, seat: Arc<Seat>, frames: mpsc::Sender<Bytes>) -> Self {
        let budget = Bucket::new(ANSWER_BYTES_PER_SECOND, ANSWER_BYTES_BURST, Instant::now());
        Self { port, seat, frames, budget }
    }

    /// Serves until something ends the link.
    pub(crate) async fn run(
        mut self,
        mut stream: SendStream,
        mut waiting: mpsc::Receiver<Waiting>,
    ) -> LinkError {
        while let Some(next) = waiting.recv().await {
            if let Err(error) = self.serve(&mut stream, next).await {
                return error;
            }
        }
        LinkError::ShuttingDown
    }

    async fn serve(&mut self, stream: &mut SendStream, next: Waiting) -> Result<(), LinkError> {
        self.wait_for_budget().await;
        if next.since.elapsed() >= CALL_TIMEOUT {
            // The supervisor has given it up, and asks again if it still wants it.
            return Ok(());
        }
        // Held until the body is written: so many bodies are in memory at once, however many links there are.
        let port = Arc::clone(&self.port);
        let Ok(in_progress) = timeout_at(next.since + CALL_TIMEOUT, port.answers.acquire()).await else {
            // Said, not left unanswered: a supervisor drops a master that keeps silent.
            let busy = failure_reply(next.id, "this master has too many bodies to send; ask another one");
            let frame = encode_command(&busy)?;
            return self.frames.send(frame).await.map_err(|_| LinkError::ShuttingDown);
        };
        let _in_progress = in_progress.map_err(|_| LinkError::ShuttingDown)?;
        let encoded = self.ask_node(next.id, next.pull).await?;
        let frame = encode_command(&encoded.command)?;
        self.frames.send(frame).await.map_err(|_| LinkError::ShuttingDown)?;
        let Some(body) = encoded.blob else { return Ok(()) };
        let frame = encode_blob(next.id, &body)?;
        drop(body);
        self.spend(frame.len() as u64);
        // After that the supervisor has given it up; who takes it so slowly must not keep others from theirs.
        let written = timeout(BLOB_TIMEOUT, write_frame(stream, frame, "blob", &self.seat.counters)).await;
        written.unwrap_or(Err(LinkError::NotTaken(BLOB_TIMEOUT.as_secs())))
    }

    async fn ask_node(&self, id: RequestId, pull: PullRequest) -> Result<EncodedReply, LinkError> {
        let (reply, answer) = Reply::channel();
        let call = SupervisorCall::Pull(pull);
        let event = SupervisorEvent::Called { from: self.seat.id, call, reply };
        self.port.events.send(event).await.map_err(|_| LinkError::ShuttingDown)?;
        let answer = answered("pull", answer).await;
        Ok(encode_reply(id, &answer).unwrap_or_else(|error| EncodedReply {
            command: failure_reply(id, &error.to_string()),
            blob: None,
        }))
    }

    /// Waits until this link and the port may send bodies again.
    async fn wait_for_budget(&self) {
        loop {
            let now = Instant::now();
            let wait = self.budget.wait(now).max(lock(&self.port.answer_bytes).wait(now));
            if wait.is_zero() {
                return;
            }
            sleep(wait).await;
        }
    }

    fn spend(&mut self, bytes: u64) {
        let now = Instant::now();
        self.budget.spend(bytes, now);
        lock(&self.port.answer_bytes).spend(bytes, now);
    }
}
