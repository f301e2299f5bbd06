//! What masters and supervisors say to each other over real sockets.

use super::{
    TestMaster, TestSupervisor, answer_to, links_config, pair, place, proposed, receipt_of, seal, status,
    supervisor_id,
};
use crate::limits::supervision::{MAX_CALLS, MAX_CALLS_IN_SERVICE, MAX_PULLS_WAITING};
use crate::supervision::masters::MasterLinkEvent;
use crate::supervision::port::SupervisorEvent;
use crate::tests::{id_of, messages, within};
use btn_types::supervision::{Announcement, MasterReply, PullRequest, SupervisorCall};
use btn_types::{B256, Bytes, Height, MemberIndex, VoteKind};
use std::collections::BTreeSet;

#[tokio::test(flavor = "multi_thread")]
async fn after_the_hello_both_sides_know_each_other_and_where_they_stand() {
    let (master, supervisor) = pair().await;
    let there = master.wait(0, "a report", |status| status.reported.is_some()).await;
    assert_eq!((there.id, there.connected, there.reported), (supervisor_id(0), true, Some(status(10))));
    assert_eq!((there.last_error.as_deref(), there.rtt.is_some()), (None, true));
    let here = supervisor.wait(0, "a report", |status| status.reported.is_some()).await;
    assert_eq!((here.id, here.connected, here.on_demand), (id_of(0), true, false));
    assert_eq!((here.reported, here.last_error, here.dropped), (Some(status(100)), None, None));
    assert_eq!(here.address, Some(master.handle.local_addr()));
    for traffic in [there.traffic, here.traffic] {
        assert!(traffic.bytes_sent > 1_000 && traffic.bytes_received > 1_000, "{traffic:?}");
        assert!(traffic.frames_sent >= 2 && traffic.frames_received >= 2, "{traffic:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn masters_keep_asking_their_supervisors_where_they_stand() {
    let (master, supervisor) = pair().await;
    for height in [11, 12] {
        supervisor.status.send(status(height)).unwrap();
        master.wait(0, "the new report", |link| link.reported == Some(status(height))).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn announcements_arrive_in_order_and_a_greeting_goes_to_one() {
    let mut master = TestMaster::start(0, 3);
    let mut supervisors = [0, 1].map(|index| TestSupervisor::start(index, &[&master]));
    for _ in 0..2 {
        master.next("Connected").await;
    }
    for supervisor in &mut supervisors {
        supervisor.connected(0).await;
    }
    let certified =
        Announcement::Certified { place: place(4), certificate: messages::certificate(VoteKind::Finalize) };
    master.handle.greet(supervisor_id(1), &[certified.clone(), proposed(5)]);
    master.handle.greet(supervisor_id(2), &[proposed(66)]);
    master.handle.announce(&proposed(6));
    master.handle.announce(&proposed(7));
    let from = MemberIndex(0);
    for (index, expected) in
        [(0, vec![proposed(6), proposed(7)]), (1, vec![certified, proposed(5), proposed(6), proposed(7)])]
    {
        for announcement in expected {
            let event = supervisors[index].next("an announcement").await;
            assert_eq!(event, MasterLinkEvent::Announced { from, announcement });
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_call_gets_the_answer_that_the_node_gave() {
    let (master, mut supervisor) = pair().await;
    let master = master.serve();
    let block = |byte| SupervisorCall::Pull(PullRequest::Block { hash: B256::repeat_byte(byte) });
    let calls = [
        block(0),
        block(1),
        SupervisorCall::Pull(PullRequest::Range { from: Height(60) }),
        SupervisorCall::Seal(vec![seal(1), seal(2)]),
        SupervisorCall::Seal(vec![seal(3); 256]),
        SupervisorCall::Candidates,
        SupervisorCall::Submit(Bytes::from(vec![9; 131_072])),
        SupervisorCall::Submit(Bytes::new()),
        receipt_of(0),
        receipt_of(5),
    ];
    for (id, call) in (0..).zip(calls) {
        let expected = answer_to(&call);
        assert_eq!(supervisor.ask(master.member, id, call).await, expected);
    }
    // The master's own word, from the port itself.
    let answer = supervisor.ask(0, 99, SupervisorCall::Status).await;
    assert_eq!(answer, MasterReply::Status(status(100)));
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_of_one_supervisor_are_answered_in_any_order() {
    let (mut master, mut supervisor) = pair().await;
    for id in 0..20u8 {
        supervisor.handle.call(MemberIndex(0), id.into(), receipt_of(id + 1));
    }
    let mut replies = Vec::new();
    while replies.len() < 20 {
        match master.next("a call").await {
            SupervisorEvent::Called { from, call, reply } => {
                assert_eq!(from, supervisor_id(0));
                replies.push((call, reply));
            }
            other => panic!("{other:?}"),
        }
    }
    for (call, reply) in replies.into_iter().rev() {
        reply.send(answer_to(&call));
    }
    let mut answered = BTreeSet::new();
    while answered.len() < 20 {
        match supervisor.next("an answer").await {
            MasterLinkEvent::Replied { id, reply, .. } => {
                assert_eq!(reply, answer_to(&receipt_of(u8::try_from(id).unwrap() + 1)));
                assert!(answered.insert(id), "call {id} is answered twice");
            }
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn many_calls_and_pulls_at_once_all_come_back() {
    let (master, mut supervisor) = pair().await;
    let _master = master.serve();
    let calls = |id: u64| match id % 3 {
        0 => SupervisorCall::Pull(PullRequest::Range { from: Height(id % 7) }),
        1 => SupervisorCall::Seal(vec![seal(1)]),
        _ => receipt_of(2),
    };
    let count = 120;
    (0..count).for_each(|id| supervisor.handle.call(MemberIndex(0), id, calls(id)));
    let mut missing: BTreeSet<u64> = (0..count).collect();
    while !missing.is_empty() {
        match supervisor.next("an answer").await {
            MasterLinkEvent::Replied { id, reply, .. } => {
                assert_eq!(reply, answer_to(&calls(id)), "call {id}");
                assert!(missing.remove(&id));
            }
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_not_given_is_told_so() {
    let (mut master, mut supervisor) = pair().await;
    supervisor.handle.call(MemberIndex(0), 1, receipt_of(1));
    let SupervisorEvent::Called { reply, .. } = master.next("a call").await else { panic!() };
    drop(reply);
    let answer = supervisor.reply(0, 1).await;
    assert_eq!(answer, MasterReply::Failed("this master gave no answer".into()));
    // One that never comes fails after ten seconds, with the paper's text.
    supervisor.handle.call(MemberIndex(0), 2, receipt_of(2));
    let SupervisorEvent::Called { reply, .. } = master.next("a call").await else { panic!() };
    let started = tokio::time::Instant::now();
    let MasterReply::Failed(text) = supervisor.reply(0, 2).await else { panic!() };
    assert!(
        text.contains("Remote api timeout. Remote request=") || text.contains("no answer in time"),
        "{text}"
    );
    assert!((9..=11).contains(&started.elapsed().as_secs()), "{:?}", started.elapsed());
    drop(reply);
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_that_cannot_be_made_are_answered_all_the_same() {
    let master = TestMaster::start(0, 1);
    let (mut config, status) = links_config(0, &[&master]);
    config.masters[0].addresses.clear();
    let mut supervisor = TestSupervisor::with(0, config, status);
    for (member, call, part) in [
        (9, receipt_of(1), "no master is member 9"),
        (0, SupervisorCall::Pull(PullRequest::Range { from: Height(1) }), "no link to this master"),
        (0, SupervisorCall::Seal(vec![seal(1)]), "no link to this master"),
        (0, receipt_of(1), "no address is known"),
    ] {
        let MasterReply::Failed(text) = supervisor.ask(member, 1, call).await else { panic!() };
        assert!(text.contains(part), "{text}");
    }
}

/// More calls than the bound are refused by number, each once, and the others are answered.
#[tokio::test(flavor = "multi_thread")]
async fn more_calls_than_the_bound_are_refused() {
    let (master, mut supervisor) = pair().await;
    let _master = master.serve();
    let count = u64::try_from(MAX_CALLS).unwrap() + 50;
    (0..count).for_each(|id| supervisor.handle.call(MemberIndex(0), id, SupervisorCall::Candidates));
    let (mut refused, mut seen) = (0, BTreeSet::new());
    while seen.len() < usize::try_from(count).unwrap() {
        match supervisor.next("an answer").await {
            MasterLinkEvent::Replied { id, reply, .. } => {
                assert!(seen.insert(id));
                refused += u64::from(
                    reply == MasterReply::Failed(format!("{MAX_CALLS} calls wait for an answer already")),
                );
            }
            other => panic!("{other:?}"),
        }
    }
    assert!(refused > 0, "nothing was bounded");
}

/// A home node within its own bounds is never refused for their number, even by a master that is slow.
#[tokio::test(start_paused = true)]
async fn a_slow_master_is_not_asked_for_more_than_it_takes() {
    let (mut master, supervisor) = pair().await;
    for id in 0..200 {
        supervisor.handle.call(MemberIndex(0), id, receipt_of(1));
        let hash = B256::repeat_byte(1);
        supervisor.handle.call(MemberIndex(0), 1_000 + id, SupervisorCall::Pull(PullRequest::Block { hash }));
    }
    let mut held = Vec::new();
    while held.len() < MAX_CALLS_IN_SERVICE + 1 {
        match master.next("a call").await {
            SupervisorEvent::Called { reply, .. } => held.push(reply),
            other => panic!("{other:?}"),
        }
    }
    super::pass(std::time::Duration::from_secs(5)).await;
    assert!(master.events.try_recv().is_err(), "{MAX_CALLS_IN_SERVICE} calls and one pull at a time");
    assert!(supervisor.events.is_empty(), "none was refused, of {MAX_PULLS_WAITING} pulls at most");
}

#[tokio::test(flavor = "multi_thread")]
async fn shutdown_is_heard_at_once_on_either_side() {
    let (mut master, mut supervisor) = pair().await;
    within("the shutdown", supervisor.handle.shutdown()).await;
    master.disconnected(0).await;
    assert!(master.error(0, "shutting down").await.contains("code 0"));
    supervisor = TestSupervisor::start(0, &[&master]);
    master.connected(0).await;
    supervisor.connected(0).await;
    let address = master.handle.local_addr();
    within("the shutdown", master.handle.shutdown()).await;
    supervisor.disconnected(0).await;
    std::net::UdpSocket::bind(address).unwrap();
}
