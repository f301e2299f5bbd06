//! Reads one supervisor's commands and has the node answer its calls, within the budgets of a link.

use super::Port;
use super::event::{Reply, SupervisorEvent};
use super::pulls::Waiting;
use crate::limits::supervision::{
    CALL_TIMEOUT, FRAMES_BURST, FRAMES_PER_SECOND, INBOUND_BYTES_BURST, INBOUND_BYTES_PER_SECOND,
    MAX_CALLS_IN_SERVICE, MAX_PULLS_WAITING, MAX_REFUSED_CALLS, SEALS_BURST, SEALS_PER_SECOND,
};
use crate::supervision::bucket::Bucket;
use crate::supervision::calls::RemoteCalls;
use crate::supervision::stream::FrameReader;
use crate::{LinkError, metric_names};
use btn_command::{
    BtnCmd, CallKind, CommandError, Frame, Incoming, RemoteRequest, Request, RequestId, encode_command,
    encode_reply, failure_reply,
};
use btn_types::NodeId;
use btn_types::supervision::{MasterReply, SupervisorCall};
use bytes::Bytes;
use std::sync::Arc;
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

/// The reading side of one link.
pub(crate) struct Service {
    port: Arc<Port>,
    from: NodeId,
    calls: Arc<RemoteCalls>,
    frames: mpsc::Sender<Bytes>,
    pulls: mpsc::Sender<Waiting>,
    in_service: Arc<Semaphore>,
    frame_budget: Bucket,
    byte_budget: Bucket,
    seal_budget: Bucket,
    /// Calls refused for their number since the last one taken.
    refused: u32,
    /// Calls that the node works on.
    answers: JoinSet<()>,
}

impl From<CommandError> for LinkError {
    fn from(error: CommandError) -> Self {
        Self::NoCommand(error.to_string())
    }
}

impl Service {
    pub(crate) fn new(
        port: Arc<Port>,
        from: NodeId,
        calls: Arc<RemoteCalls>,
        frames: mpsc::Sender<Bytes>,
        pulls: mpsc::Sender<Waiting>,
    ) -> Self {
        let now = Instant::now();
        Self {
            port,
            from,
            calls,
            frames,
            pulls,
            in_service: Arc::new(Semaphore::new(MAX_CALLS_IN_SERVICE)),
            frame_budget: Bucket::new(FRAMES_PER_SECOND, FRAMES_BURST, now),
            byte_budget: Bucket::new(INBOUND_BYTES_PER_SECOND, INBOUND_BYTES_BURST, now),
            seal_budget: Bucket::new(SEALS_PER_SECOND, SEALS_BURST, now),
            refused: 0,
            answers: JoinSet::new(),
        }
    }

    /// Reads until something ends the link. A supervisor that sends faster than its budget is not read on: QUIC
    /// holds it back.
    pub(crate) async fn run(mut self, mut reader: FrameReader) -> LinkError {
        loop {
            let now = Instant::now();
            let wait = self.frame_budget.wait(now).max(self.byte_budget.wait(now));
            if !wait.is_zero() {
                sleep(wait).await;
            }
            while self.answers.try_join_next().is_some() {}
            if let Err(error) = self.step(&mut reader).await {
                return error;
            }
        }
    }

    async fn step(&mut self, reader: &mut FrameReader) -> Result<(), LinkError> {
        let (frame, bytes) = reader.next().await?;
        let now = Instant::now();
        self.frame_budget.spend(1, now);
        self.byte_budget.spend(bytes as u64, now);
        let Frame::Command { command, .. } = frame else {
            return Err(LinkError::OutOfOrder("a binary frame to a master"));
        };
        match Incoming::read(&command)? {
            Incoming::Request(request) => self.serve(&request).await,
            Incoming::Response(response) => self.calls.answer(response),
            Incoming::Announcement(_) => Err(LinkError::OutOfOrder("an announcement to a master")),
            Incoming::Unknown => Ok(()),
        }
    }

    async fn serve(&mut self, request: &RemoteRequest) -> Result<(), LinkError> {
        let call = match Request::decode(request) {
            Ok(Request::Call(call)) => call,
            Ok(Request::Hello(_)) => return Err(LinkError::OutOfOrder("a second hello")),
            Err(error) => return self.refuse(request.id, "unknown", &error.to_string()).await,
        };
        let name = CallKind::of(&call).name();
        match call {
            SupervisorCall::Status => {
                self.taken();
                let status = *self.port.introduction.status.borrow();
                metric_names::call(name, "answered");
                self.send(answer_of(request.id, &MasterReply::Status(status))).await
            }
            SupervisorCall::Pull(pull) => {
                let waiting = Waiting { id: request.id, pull, since: Instant::now() };
                if self.pulls.try_send(waiting).is_err() {
                    let text = format!("{MAX_PULLS_WAITING} pulls wait here already; ask again later");
                    return self.refuse(request.id, name, &text).await;
                }
                self.taken();
                Ok(())
            }
            SupervisorCall::Seal(seals) if !self.seal_budget.take(seals.len() as u64, Instant::now()) => {
                let text = format!("more than {SEALS_PER_SECOND} seals a second; send them again later");
                self.refuse(request.id, name, &text).await
            }
            call => self.pass_on(request.id, call).await,
        }
    }

    /// Gives a call to the node and its answer to the supervisor, without waiting for it here.
    async fn pass_on(&mut self, id: RequestId, call: SupervisorCall) -> Result<(), LinkError> {
        let name = CallKind::of(&call).name();
        let Ok(permit) = Arc::clone(&self.in_service).try_acquire_owned() else {
            let text = format!("{MAX_CALLS_IN_SERVICE} calls are worked on already; ask again later");
            return self.refuse(id, name, &text).await;
        };
        self.taken();
        let (reply, answer) = Reply::channel();
        let event = SupervisorEvent::Called { from: self.from, call, reply };
        self.port.events.send(event).await.map_err(|_| LinkError::ShuttingDown)?;
        let frames = self.frames.clone();
        self.answers.spawn(async move {
            let answer = answered(name, answer).await;
            if let Ok(frame) = encode_command(&answer_of(id, &answer)) {
                // The writer ends only with the link.
                let _ = frames.send(frame).await;
            }
            drop(permit);
        });
        Ok(())
    }

    const fn taken(&mut self) {
        self.refused = 0;
    }

    /// Tells the supervisor why its call is not taken. One that goes on all the same loses its link.
    async fn refuse(&mut self, id: RequestId, name: &'static str, text: &str) -> Result<(), LinkError> {
        metric_names::call(name, "refused");
        self.refused += 1;
        if self.refused >= MAX_REFUSED_CALLS {
            return Err(LinkError::TooManyCalls(self.refused));
        }
        self.send(failure_reply(id, text)).await
    }

    async fn send(&self, answer: BtnCmd) -> Result<(), LinkError> {
        let frame = encode_command(&answer)?;
        self.frames.send(frame).await.map_err(|_| LinkError::ShuttingDown)
    }
}

/// The node's answer, or what is said in its place.
pub(crate) async fn answered(name: &'static str, answer: oneshot::Receiver<MasterReply>) -> MasterReply {
    let (reply, outcome) = match timeout(CALL_TIMEOUT, answer).await {
        Ok(Ok(reply)) => (reply, "answered"),
        Ok(Err(_)) => (MasterReply::Failed("this master gave no answer".into()), "failed"),
        Err(_) => (MasterReply::Failed("this master had no answer in time".into()), "timed_out"),
    };
    metric_names::call(name, outcome);
    reply
}

/// The command of an answer without a body.
fn answer_of(id: RequestId, reply: &MasterReply) -> BtnCmd {
    match encode_reply(id, reply) {
        Ok(encoded) => encoded.command,
        Err(error) => failure_reply(id, &error.to_string()),
    }
}
