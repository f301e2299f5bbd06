//! Bounds under load: full queues drop the oldest, a full inbox holds back its own class only.

use super::{DEADLINE, LOOPBACK, TestNode, config, messages, network, within};
use crate::backoff::Backoff;
use crate::limits::{
    BACKOFF_FIRST, BACKOFF_MOST, FIRST_ATTEMPT, HANDSHAKE_TIMEOUT, INBOX_BYTES, QUEUE_AGE, QUEUE_BYTES,
    QUEUE_MESSAGES,
};
use crate::queue::Outbound;
use crate::{NetworkEvent, metric_names};
use btn_types::{MemberIndex, Message, MessageClass};
use bytes::Bytes;
use metrics::{Counter, CounterFn, Gauge, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit};
use std::collections::BTreeMap;
use std::future::Future;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Waker};
use std::time::{Duration, Instant};

/// A recorder that remembers counters by name and labels.
#[derive(Default)]
struct Counters(Mutex<BTreeMap<String, Arc<Count>>>);

#[derive(Default)]
struct Count(AtomicU64);

impl CounterFn for Count {
    fn increment(&self, value: u64) {
        self.0.fetch_add(value, Ordering::Relaxed);
    }
    fn absolute(&self, value: u64) {
        self.0.store(value, Ordering::Relaxed);
    }
}

impl Recorder for Counters {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        let labels: Vec<&str> = key.labels().map(metrics::Label::value).collect();
        let name = format!("{} {}", key.name(), labels.join(" "));
        Counter::from_arc(Arc::clone(self.0.lock().unwrap().entry(name).or_default()))
    }
    fn register_gauge(&self, _: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::noop()
    }
    fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::noop()
    }
}

impl Counters {
    fn dropped(&self, labels: &str) -> u64 {
        let name = format!("{} {labels}", metric_names::DROPPED);
        self.0.lock().unwrap().get(&name).map_or(0, |count| count.0.load(Ordering::Relaxed))
    }
}

fn numbered(number: usize) -> Bytes {
    number.to_be_bytes().to_vec().into()
}

#[test]
fn a_queue_full_by_count_drops_the_oldest_and_counts_it() {
    let counters = Counters::default();
    let (outbound, now) = (Outbound::new(), Instant::now());
    let queue = outbound.queue(MessageClass::Proposal);
    let most = QUEUE_MESSAGES[1];
    metrics::with_local_recorder(&counters, || {
        (0..most + 3).for_each(|number| queue.push(numbered(number), now));
    });
    assert_eq!(counters.dropped("proposal overflow"), 3);
    let kept: Vec<Bytes> = std::iter::from_fn(|| queue.try_pop(now)).collect();
    assert_eq!(kept, (3..most + 3).map(numbered).collect::<Vec<_>>());
}

#[test]
fn a_queue_full_by_bytes_drops_the_oldest_and_other_classes_are_untouched() {
    let counters = Counters::default();
    let (outbound, now) = (Outbound::new(), Instant::now());
    let (bulk, votes) = (outbound.queue(MessageClass::Bulk), outbound.queue(MessageClass::Vote));
    let half = Bytes::from(vec![1; QUEUE_BYTES[2] / 2]);
    metrics::with_local_recorder(&counters, || {
        votes.push(numbered(1), now);
        bulk.push(numbered(2), now);
        bulk.push(half.clone(), now);
        bulk.push(half.clone(), now);
    });
    assert_eq!(counters.dropped("bulk overflow"), 1);
    assert_eq!([bulk.try_pop(now), bulk.try_pop(now)], [Some(half.clone()), Some(half)]);
    assert_eq!((bulk.try_pop(now), votes.try_pop(now)), (None, Some(numbered(1))));
}

#[test]
fn stale_messages_are_not_sent() {
    let counters = Counters::default();
    let (outbound, start) = (Outbound::new(), Instant::now());
    let queue = outbound.queue(MessageClass::Vote);
    let popped = metrics::with_local_recorder(&counters, || {
        queue.push(numbered(1), start);
        queue.push(numbered(2), start + Duration::from_secs(1));
        queue.try_pop(start + QUEUE_AGE + Duration::from_millis(1))
    });
    assert_eq!(popped, Some(numbered(2)));
    assert_eq!(counters.dropped("vote stale"), 1);
}

#[test]
fn waiting_times_double_within_their_bounds() {
    let mut backoff = Backoff::default();
    assert_eq!(backoff.attempt_timeout(), FIRST_ATTEMPT);
    let mut full = BACKOFF_FIRST;
    for _ in 0..40 {
        let delay = backoff.next_delay();
        assert!(delay >= full / 2 && delay <= full, "{delay:?} of {full:?}");
        full = (full * 2).min(BACKOFF_MOST);
    }
    assert_eq!((full, backoff.attempt_timeout()), (BACKOFF_MOST, HANDSHAKE_TIMEOUT));
    backoff.reset();
    assert!(backoff.next_delay() <= BACKOFF_FIRST);
}

/// What waits for a peer that is not there yet is bounded, and the newest of it arrives in order.
#[tokio::test(flavor = "multi_thread")]
async fn an_absent_peer_gets_the_newest_messages_when_it_comes() {
    let mut nodes = [0, 1].map(|member| TestNode::start(member, config(member, 2)));
    let most = u64::try_from(QUEUE_MESSAGES[0]).unwrap();
    for view in 0..most + 5 {
        nodes[0].handle.broadcast(Arc::new(messages::vote(view)));
    }
    nodes[0].knows(&nodes[1]);
    assert_eq!(nodes[1].next("Connected").await, NetworkEvent::Connected(MemberIndex(0)));
    for view in 5..most + 5 {
        let message = messages::vote(view);
        assert_eq!(nodes[1].next("a vote").await, NetworkEvent::Message { from: MemberIndex(0), message });
    }
}

/// Nobody takes bulk messages: they pile up within bounds, and votes still arrive at once.
#[tokio::test(flavor = "multi_thread")]
async fn a_full_bulk_lane_does_not_delay_votes() {
    let mut nodes = network(2, LOOPBACK).await;
    let bulk = Arc::new(messages::transactions(10));
    let bytes = crate::frame::encode(&bulk).unwrap().len();
    let flood = 2 * (INBOX_BYTES[2] + QUEUE_BYTES[2]) / bytes;
    for _ in 0..flood {
        nodes[0].handle.broadcast(Arc::clone(&bulk));
    }
    let last = Arc::new(messages::transactions(1));
    nodes[0].handle.broadcast(Arc::clone(&last));
    nodes[0].handle.broadcast(Arc::new(messages::vote(9)));
    let event = within("the vote", nodes[1].events.recv_urgent()).await;
    assert_eq!(event, Some(NetworkEvent::Message { from: MemberIndex(0), message: messages::vote(9) }));

    let mut taken = 0;
    let started = Instant::now();
    loop {
        assert!(started.elapsed() < DEADLINE, "the last message never came");
        match nodes[1].next("bulk").await {
            NetworkEvent::Message { message, .. } if message == *last => break,
            NetworkEvent::Message { message: Message::Transactions(_), .. } => taken += 1,
            other => panic!("{other:?}"),
        }
    }
    assert!(taken < flood, "{taken} of {flood}: nothing was dropped, so nothing was bounded");
}

/// The inbox is bounded by bytes, not only by count: the third half waits until the first is taken.
#[tokio::test]
async fn a_message_over_the_byte_budget_waits_for_room() {
    let (inbox, mut events) = crate::event::Inbox::new();
    let half = INBOX_BYTES[1] / 2;
    for view in 0..2 {
        inbox.message(MessageClass::Proposal, MemberIndex(1), messages::vote(view), half).await.unwrap();
    }
    let third = inbox.message(MessageClass::Proposal, MemberIndex(1), messages::vote(2), half);
    let mut third = std::pin::pin!(third);
    let mut context = Context::from_waker(Waker::noop());
    assert!(third.as_mut().poll(&mut context).is_pending());
    inbox.message(MessageClass::Vote, MemberIndex(1), messages::vote(3), 1).await.unwrap();
    let mut next = || events.try_recv().unwrap();
    let from = MemberIndex(1);
    assert_eq!(next(), NetworkEvent::Message { from, message: messages::vote(3) });
    assert_eq!(next(), NetworkEvent::Message { from, message: messages::vote(0) });
    assert!(third.as_mut().poll(&mut context).is_ready());
}

/// A flood of votes does not starve the other lanes.
#[tokio::test]
async fn slower_lanes_get_their_turn() {
    let (inbox, mut events) = crate::event::Inbox::new();
    let from = MemberIndex(3);
    for _ in 0..100 {
        inbox.message(MessageClass::Vote, from, messages::vote(1), 1).await.unwrap();
    }
    inbox.message(MessageClass::Bulk, from, messages::transactions(1), 1).await.unwrap();
    let position = std::iter::from_fn(|| events.try_recv().ok())
        .position(|event| matches!(event, NetworkEvent::Message { message: Message::Transactions(_), .. }));
    assert_eq!(position, Some(16));
}
