//! Remote calls on a paused clock (R-066, R-068, R-069, G-27): whatever becomes of a call, its entry goes.

use crate::LinkError;
use crate::limits::supervision::{
    BLOB_TIMEOUT, CALL_TIMEOUT, MAX_FORGOTTEN_CALLS, MAX_FRAMES_WAITING, MAX_PENDING_CALLS,
};
use crate::supervision::calls::{CallFailure, RemoteCalls};
use crate::tests::messages;
use btn_command::{
    Frame, Incoming, Pipeline, RETURN_OK, RETURN_TIMEOUT, RemoteRequest, RemoteResponse, RequestId,
    encode_reply,
};
use btn_types::B256;
use btn_types::supervision::{MasterReply, PullRequest, Pulled, SupervisorCall};
use bytes::Bytes;
use std::collections::BTreeSet;
use std::future::Future;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::Instant;

/// Calls, and the frames that they send.
fn calls() -> (Arc<RemoteCalls>, mpsc::Receiver<Bytes>) {
    let (frames, sent) = mpsc::channel(MAX_FRAMES_WAITING);
    (Arc::new(RemoteCalls::new(frames)), sent)
}

/// The request in a frame.
fn request_in(frame: &Bytes) -> RemoteRequest {
    let mut pipeline = Pipeline::commands_only();
    pipeline.push(frame);
    let Some(Frame::Command { command, .. }) = pipeline.next().unwrap() else { panic!("no command") };
    match Incoming::read(&command).unwrap() {
        Incoming::Request(request) => request,
        other => panic!("{other:?}"),
    }
}

async fn next_request(sent: &mut mpsc::Receiver<Bytes>) -> RemoteRequest {
    request_in(&sent.recv().await.unwrap())
}

fn response(id: RequestId, reply: &MasterReply) -> (RemoteResponse, Option<Vec<u8>>) {
    let encoded = encode_reply(id, reply).unwrap();
    match Incoming::read(&encoded.command).unwrap() {
        Incoming::Response(response) => (response, encoded.blob),
        other => panic!("{other:?}"),
    }
}

fn body_of(byte: u8) -> (SupervisorCall, MasterReply) {
    let call = SupervisorCall::Pull(PullRequest::Block { hash: B256::repeat_byte(byte) });
    (call, MasterReply::Pulled(Pulled::Block(Arc::new(messages::block()))))
}

#[tokio::test(start_paused = true)]
async fn an_answer_ends_the_call_and_the_map_is_empty() {
    let (calls, mut sent) = calls();
    let caller = tokio::spawn({
        let calls = Arc::clone(&calls);
        async move { calls.call("receipt", None).await }
    });
    let request = next_request(&mut sent).await;
    assert_eq!((request.name.as_str(), calls.waiting()), ("receipt", 1), "put in before it was sent");
    calls.answer(response(request.id, &MasterReply::Receipt(None)).0).unwrap();
    let answer = caller.await.unwrap().unwrap();
    assert_eq!((answer.id, answer.code, calls.waiting()), (request.id, RETURN_OK, 0));
}

#[tokio::test(start_paused = true)]
async fn an_entry_is_there_before_its_frame_is_and_goes_with_a_failure_to_send() {
    let (frames, mut sent) = mpsc::channel(1);
    frames.try_send(Bytes::new()).unwrap();
    let calls = RemoteCalls::new(frames);
    let mut call = Box::pin(calls.call("status", None));
    let mut context = Context::from_waker(Waker::noop());
    assert!(call.as_mut().poll(&mut context).is_pending());
    assert_eq!(calls.waiting(), 1, "in the map while its frame waits for room");
    sent.close();
    sent.recv().await.unwrap();
    assert!(matches!(call.await, Err(CallFailure::LinkLost)));
    assert_eq!(calls.waiting(), 0);
}

#[tokio::test(start_paused = true)]
async fn after_ten_seconds_the_caller_gets_code_2_and_the_papers_text() {
    let (calls, mut sent) = calls();
    let started = Instant::now();
    let failure = calls.call("receipt", None).await.unwrap_err();
    assert_eq!(started.elapsed().as_secs(), 10);
    let request = next_request(&mut sent).await;
    let CallFailure::TimedOut(result) = &failure else { panic!("{failure:?}") };
    assert_eq!((result.code, result.id), (RETURN_TIMEOUT, request.id));
    let text = format!(
        "Remote api timeout. Remote request=REMOTE_REQUEST{{ 'reqid':'{}', 'name':'receipt', 'param':null }}",
        request.id
    );
    assert_eq!(failure.to_string(), text);
    assert!(failure.is_silence());
    assert_eq!(calls.waiting(), 0);
}

#[tokio::test(start_paused = true)]
async fn an_answer_in_the_last_moment_counts_and_a_late_one_is_dropped() {
    let (calls, mut sent) = calls();
    for (delay, in_time) in [(CALL_TIMEOUT - Duration::from_millis(1), true), (CALL_TIMEOUT, false)] {
        let delay = delay + if in_time { Duration::ZERO } else { Duration::from_millis(1) };
        let caller = tokio::spawn({
            let calls = Arc::clone(&calls);
            async move { calls.call("status", None).await }
        });
        let request = next_request(&mut sent).await;
        tokio::time::sleep(delay).await;
        calls.answer(response(request.id, &MasterReply::Sealed).0).unwrap();
        assert_eq!(caller.await.unwrap().is_ok(), in_time);
        assert_eq!(calls.waiting(), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn answers_find_their_calls_in_any_order() {
    let (calls, mut sent) = calls();
    let names: Vec<String> = (0..40).map(|number| format!("call {number}")).collect();
    let callers: Vec<_> = names
        .iter()
        .cloned()
        .map(|name| {
            let calls = Arc::clone(&calls);
            tokio::spawn(async move { (calls.call(&name, None).await.unwrap().id, name) })
        })
        .collect();
    let mut requests = Vec::new();
    while requests.len() < names.len() {
        requests.push(next_request(&mut sent).await);
    }
    let ids: BTreeSet<RequestId> = requests.iter().map(|request| request.id).collect();
    assert_eq!(ids.len(), names.len(), "each has a fresh id");
    assert!(ids.iter().all(|id| id.0[6] >> 4 == 4), "uuids of version 4");
    for request in requests.iter().rev() {
        calls.answer(response(request.id, &MasterReply::Sealed).0).unwrap();
    }
    for caller in callers {
        let (id, name) = caller.await.unwrap();
        assert!(requests.iter().any(|request| request.id == id && request.name == name));
    }
    assert_eq!(calls.waiting(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_cancelled_leaves_nothing_and_its_answer_is_late() {
    let (calls, mut sent) = calls();
    let mut call = Box::pin(calls.call("status", None));
    let mut context = Context::from_waker(Waker::noop());
    assert!(call.as_mut().poll(&mut context).is_pending());
    let request = next_request(&mut sent).await;
    drop(call);
    assert_eq!(calls.waiting(), 0);
    let late = response(request.id, &MasterReply::Sealed).0;
    calls.answer(late.clone()).unwrap();
    let again = calls.answer(late);
    assert!(matches!(again, Err(LinkError::OutOfOrder(_))), "one answer may be late, not two: {again:?}");
}

#[tokio::test(start_paused = true)]
async fn a_link_that_breaks_ends_every_call_and_takes_no_more() {
    let (calls, mut sent) = calls();
    let started = Instant::now();
    let callers: Vec<_> = (0..5)
        .map(|_| {
            let calls = Arc::clone(&calls);
            tokio::spawn(async move { calls.call("status", None).await })
        })
        .collect();
    for _ in 0..5 {
        next_request(&mut sent).await;
    }
    calls.close();
    for caller in callers {
        assert!(matches!(caller.await.unwrap(), Err(CallFailure::LinkLost)));
    }
    assert!(matches!(calls.call("status", None).await, Err(CallFailure::LinkLost)));
    assert_eq!((calls.waiting(), started.elapsed()), (0, Duration::ZERO));
}

#[tokio::test(start_paused = true)]
async fn no_more_calls_wait_than_the_bound() {
    let (frames, mut sent) = mpsc::channel(MAX_PENDING_CALLS);
    let calls = Arc::new(RemoteCalls::new(frames));
    let callers: Vec<_> = (0..MAX_PENDING_CALLS)
        .map(|_| {
            let calls = Arc::clone(&calls);
            tokio::spawn(async move { calls.call("status", None).await })
        })
        .collect();
    let mut requests = Vec::new();
    while requests.len() < MAX_PENDING_CALLS {
        requests.push(next_request(&mut sent).await);
    }
    assert!(matches!(calls.call("status", None).await, Err(CallFailure::TooMany)));
    assert_eq!(calls.waiting(), MAX_PENDING_CALLS);
    for request in requests {
        calls.answer(response(request.id, &MasterReply::Sealed).0).unwrap();
    }
    for caller in callers {
        caller.await.unwrap().unwrap();
    }
    assert_eq!(calls.waiting(), 0);
}

#[tokio::test(start_paused = true)]
async fn what_nobody_asked_for_breaks_the_protocol() {
    let (calls, _sent) = calls();
    let id = RequestId([7; 16]);
    assert!(matches!(calls.answer(response(id, &MasterReply::Sealed).0), Err(LinkError::OutOfOrder(_))));
    assert!(matches!(calls.body(id, Bytes::new()), Err(LinkError::OutOfOrder(_))));
}

/// What was given up may come late, as often as it was given up and within a bound.
#[tokio::test(start_paused = true)]
async fn late_answers_are_bounded() {
    let (calls, mut sent) = calls();
    for _ in 0..MAX_FORGOTTEN_CALLS + 10 {
        let mut call = Box::pin(tokio::task::unconstrained(calls.call("status", None)));
        assert!(call.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        next_request(&mut sent).await;
    }
    let late = || calls.answer(response(RequestId([1; 16]), &MasterReply::Sealed).0);
    assert!((0..MAX_FORGOTTEN_CALLS).all(|_| late().is_ok()));
    assert!(late().is_err());
}

#[tokio::test(start_paused = true)]
async fn a_body_may_come_before_or_after_its_answer() {
    let (calls, mut sent) = calls();
    for body_first in [true, false] {
        let (call, reply) = body_of(1);
        let caller = tokio::spawn({
            let calls = Arc::clone(&calls);
            async move { calls.ask(&call).await }
        });
        let request = next_request(&mut sent).await;
        let (response, body) = response(request.id, &reply);
        let body = Bytes::from(body.unwrap());
        if body_first {
            calls.body(request.id, body.clone()).unwrap();
        }
        calls.answer(response).unwrap();
        if !body_first {
            // The ten seconds are for the answer; the body has longer.
            tokio::time::sleep(CALL_TIMEOUT * 2).await;
            assert_eq!(calls.waiting(), 1);
            calls.body(request.id, body).unwrap();
        }
        assert_eq!(caller.await.unwrap().unwrap(), reply);
        assert_eq!(calls.waiting(), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_body_that_does_not_come_or_is_not_what_was_told_fails_the_call() {
    let (calls, mut sent) = calls();
    for is_wrong in [false, true] {
        let (call, reply) = body_of(2);
        let caller = tokio::spawn({
            let calls = Arc::clone(&calls);
            async move { (calls.ask(&call).await, Instant::now()) }
        });
        let request = next_request(&mut sent).await;
        let started = Instant::now();
        calls.answer(response(request.id, &reply).0).unwrap();
        if is_wrong {
            calls.body(request.id, Bytes::from_static(b"short")).unwrap();
            let (outcome, _) = caller.await.unwrap();
            assert!(matches!(outcome, Err(CallFailure::Malformed(_))), "{outcome:?}");
        } else {
            let (outcome, ended) = caller.await.unwrap();
            assert!(matches!(outcome, Err(CallFailure::BodyTimedOut)), "{outcome:?}");
            assert_eq!((ended - started).as_secs(), BLOB_TIMEOUT.as_secs());
        }
        assert_eq!(calls.waiting(), 0);
    }
    // A refused pull has no body, and the call is over at once.
    let caller = tokio::spawn({
        let calls = Arc::clone(&calls);
        async move { calls.ask(&body_of(3).0).await }
    });
    let request = next_request(&mut sent).await;
    calls.answer(response(request.id, &MasterReply::Failed("busy".into())).0).unwrap();
    assert_eq!(caller.await.unwrap().unwrap(), MasterReply::Failed("busy".into()));
    // One body may be late: that of the pull which timed out.
    assert!(calls.body(request.id, Bytes::new()).is_ok());
    assert!(matches!(calls.body(request.id, Bytes::new()), Err(LinkError::OutOfOrder(_))));
}

#[tokio::test(start_paused = true)]
async fn a_body_to_a_call_without_one_breaks_the_protocol() {
    let (calls, mut sent) = calls();
    let mut call = Box::pin(calls.ask(&SupervisorCall::Candidates));
    assert!(matches!(call.as_mut().poll(&mut Context::from_waker(Waker::noop())), Poll::Pending));
    let request = next_request(&mut sent).await;
    assert!(matches!(calls.body(request.id, Bytes::new()), Err(LinkError::OutOfOrder(_))));
}
