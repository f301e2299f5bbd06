//! Remote calls (R-065 to R-069, G-27): ask, wait for the answer, and forget the question whatever happens.

use crate::limits::supervision::{BLOB_TIMEOUT, CALL_TIMEOUT, MAX_FORGOTTEN_CALLS, MAX_PENDING_CALLS};
use crate::{LinkError, lock};
use btn_command::{
    BtnCmd, CallKind, CommandError, FrameError, RawValue, RemoteResponse, ReplyPart, RequestId,
    decode_pulled, decode_reply, encode_call, encode_command, remote_request, timeout_result,
};
use btn_types::supervision::{MasterReply, SupervisorCall};
use bytes::Bytes;
use rand::RngCore;
use std::collections::BTreeMap;
use std::sync::Mutex;
use thiserror::Error;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

/// Why a call has no answer. An answer that says no is none of these.
#[derive(Debug, Error)]
pub(crate) enum CallFailure {
    /// The ten seconds are over; what the paper returns then, code 2 and its text.
    #[error("{}", .0.error.as_deref().unwrap_or("no answer in time"))]
    TimedOut(RemoteResponse),
    /// The answer came and told of a body that did not.
    #[error("the body of the answer did not arrive within {} seconds", BLOB_TIMEOUT.as_secs())]
    BodyTimedOut,
    /// The link broke, or is broken.
    #[error("the link broke before the answer")]
    LinkLost,
    /// As many calls wait already as may.
    #[error("{MAX_PENDING_CALLS} calls wait for an answer on this link, more are not possible")]
    TooMany,
    /// The question cannot be put into a frame.
    #[error("the call cannot be sent: {0}")]
    Unsendable(String),
    /// The answer is not one.
    #[error("the answer cannot be read: {0}")]
    Malformed(CommandError),
}

impl CallFailure {
    /// Whether the peer had its time and let it pass.
    pub(crate) const fn is_silence(&self) -> bool {
        matches!(self, Self::TimedOut(_) | Self::BodyTimedOut)
    }
}

impl From<FrameError> for CallFailure {
    fn from(error: FrameError) -> Self {
        Self::Unsendable(error.to_string())
    }
}

/// The calls of one side of one link. Answers find their question by its id, in any order.
pub(crate) struct RemoteCalls {
    frames: mpsc::Sender<Bytes>,
    pending: Mutex<Pending>,
}

#[derive(Default)]
struct Pending {
    waiting: BTreeMap<RequestId, Waiting>,
    /// Answers and bodies that nobody waits for any more, and that may still come.
    forgotten: usize,
    is_closed: bool,
}

/// Where the parts of an answer go; taken when they come.
struct Waiting {
    response: Option<oneshot::Sender<RemoteResponse>>,
    body: Option<oneshot::Sender<Bytes>>,
}

/// A question that was put in. Dropping it takes it out, on every way out of a call.
struct Open<'a> {
    calls: &'a RemoteCalls,
    id: RequestId,
    response: oneshot::Receiver<RemoteResponse>,
    body: oneshot::Receiver<Bytes>,
    /// Whether the answer said that no body follows.
    has_no_body: bool,
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        let mut pending = lock(&self.calls.pending);
        let Some(waiting) = pending.waiting.remove(&self.id) else { return };
        let body_may_come = waiting.body.is_some() && !self.has_no_body;
        let may_come = usize::from(waiting.response.is_some()) + usize::from(body_may_come);
        pending.forgotten = (pending.forgotten + may_come).min(MAX_FORGOTTEN_CALLS);
    }
}

impl RemoteCalls {
    /// Calls whose frames go to this queue.
    pub(crate) fn new(frames: mpsc::Sender<Bytes>) -> Self {
        Self { frames, pending: Mutex::default() }
    }

    /// `requestRemote`: asks for `name` with `param` and waits for the answer, ten seconds at most.
    pub(crate) async fn call(
        &self,
        name: &str,
        param: Option<&RawValue>,
    ) -> Result<RemoteResponse, CallFailure> {
        let mut open = self.open(false)?;
        let request = remote_request(open.id, name, param);
        self.exchange(&mut open, &request).await
    }

    /// A supervisor's or master's call with its answer as values.
    pub(crate) async fn ask(&self, call: &SupervisorCall) -> Result<MasterReply, CallFailure> {
        let kind = CallKind::of(call);
        let (name, param) = encode_call(call).map_err(|error| CallFailure::Unsendable(error.to_string()))?;
        if kind == CallKind::Pull {
            return self.pull(name, param.as_deref()).await;
        }
        let response = self.call(name, param.as_deref()).await?;
        match decode_reply(kind, &response).map_err(CallFailure::Malformed)? {
            ReplyPart::Whole(reply) => Ok(reply),
            // Only pulls have bodies, and `decode_reply` knows it.
            ReplyPart::Blob { .. } => Err(CallFailure::BodyTimedOut),
        }
    }

    /// A pull: its answer may tell of a body, which comes on a stream of its own, before or after it. The ten
    /// seconds are for the answer; the body has its own time.
    async fn pull(&self, name: &str, param: Option<&RawValue>) -> Result<MasterReply, CallFailure> {
        let mut open = self.open(true)?;
        let request = remote_request(open.id, name, param);
        let response = self.exchange(&mut open, &request).await?;
        match decode_reply(CallKind::Pull, &response).map_err(CallFailure::Malformed)? {
            ReplyPart::Whole(reply) => {
                open.has_no_body = true;
                Ok(reply)
            }
            ReplyPart::Blob { length } => {
                let body = timeout(BLOB_TIMEOUT, &mut open.body).await;
                let body = body.map_err(|_| CallFailure::BodyTimedOut)?.map_err(|_| CallFailure::LinkLost)?;
                decode_pulled(length, &body).map_err(CallFailure::Malformed)
            }
        }
    }

    /// Puts a question in, before anything of it is sent.
    fn open(&self, wants_body: bool) -> Result<Open<'_>, CallFailure> {
        let id = new_request_id();
        let (response_sender, response) = oneshot::channel();
        let (body_sender, body) = oneshot::channel();
        let waiting = Waiting { response: Some(response_sender), body: wants_body.then_some(body_sender) };
        let mut pending = lock(&self.pending);
        if pending.is_closed {
            return Err(CallFailure::LinkLost);
        }
        if pending.waiting.len() >= MAX_PENDING_CALLS {
            return Err(CallFailure::TooMany);
        }
        pending.waiting.insert(id, waiting);
        Ok(Open { calls: self, id, response, body, has_no_body: false })
    }

    async fn exchange(&self, open: &mut Open<'_>, request: &BtnCmd) -> Result<RemoteResponse, CallFailure> {
        let frame = encode_command(request)?;
        let answered = async {
            self.frames.send(frame).await.map_err(|_| CallFailure::LinkLost)?;
            (&mut open.response).await.map_err(|_| CallFailure::LinkLost)
        };
        match timeout(CALL_TIMEOUT, answered).await {
            Ok(outcome) => outcome,
            Err(_) => Err(CallFailure::TimedOut(timeout_result(open.id, request))),
        }
    }

    /// Takes in an answer. One that comes late is dropped; one that nobody asked for breaks the protocol.
    pub(crate) fn answer(&self, response: RemoteResponse) -> Result<(), LinkError> {
        let mut pending = lock(&self.pending);
        let sender = pending.waiting.get_mut(&response.id).and_then(|waiting| waiting.response.take());
        match sender {
            Some(sender) => {
                // The question may be given up at this moment; then its answer is late.
                let _ = sender.send(response);
                Ok(())
            }
            None => pending.late("an answer to nothing that was asked"),
        }
    }

    /// Takes in a body, likewise.
    pub(crate) fn body(&self, id: RequestId, bytes: Bytes) -> Result<(), LinkError> {
        let mut pending = lock(&self.pending);
        match pending.waiting.get_mut(&id).and_then(|waiting| waiting.body.take()) {
            Some(sender) => {
                let _ = sender.send(bytes);
                Ok(())
            }
            None => pending.late("a body that nobody asked for"),
        }
    }

    /// The link is gone: every question ends now, and no further one is taken.
    pub(crate) fn close(&self) {
        let mut pending = lock(&self.pending);
        pending.is_closed = true;
        for waiting in pending.waiting.values_mut() {
            (waiting.response, waiting.body) = (None, None);
        }
    }

    /// Questions that wait for an answer.
    #[cfg(test)]
    pub(crate) fn waiting(&self) -> usize {
        lock(&self.pending).waiting.len()
    }
}

/// A fresh uuid.
pub(crate) fn new_request_id() -> RequestId {
    let mut random = [0; 16];
    rand::rng().fill_bytes(&mut random);
    RequestId::from_random(random)
}

impl Pending {
    fn late(&mut self, what: &'static str) -> Result<(), LinkError> {
        self.forgotten = self.forgotten.checked_sub(1).ok_or(LinkError::OutOfOrder(what))?;
        Ok(())
    }
}
