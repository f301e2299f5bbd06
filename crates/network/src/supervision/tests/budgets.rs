//! Budgets of a link over time, on a paused clock: who asks for much waits.

use super::{RawSupervisor, TestMaster, answer_to, receipt_of};
use crate::limits::supervision::{
    ANSWER_BYTES_BURST, ANSWER_BYTES_PER_SECOND, CALL_TIMEOUT, FRAMES_BURST, FRAMES_PER_SECOND,
    MAX_PULLS_IN_FLIGHT, MAX_PULLS_WAITING,
};
use crate::supervision::masters::MasterLinkEvent;
use crate::supervision::port::SupervisorEvent;
use crate::tests::{messages, within};
use btn_command::{Frame, Incoming};
use btn_types::supervision::{MasterReply, PullRequest, Pulled, SupervisorCall};
use btn_types::{BlockRange, Height, MemberIndex, VoteKind, encode};
use tokio::time::Instant;

/// A range of some four megabytes.
fn large_range() -> MasterReply {
    let mut block = messages::block();
    block.justification.nullifications = vec![messages::certificate(VoteKind::Nullify); 4_000];
    MasterReply::Pulled(Pulled::Range(Box::new(BlockRange { blocks: vec![block; 7], finalization: None })))
}

/// A supervisor that catches up gets its bodies at the rate of a link and not faster.
#[tokio::test(start_paused = true)]
async fn bodies_come_at_the_rate_of_a_link() {
    let (mut master, mut supervisor) = super::pair().await;
    let reply = large_range();
    let MasterReply::Pulled(pulled) = &reply else { panic!() };
    let bytes = encode(pulled).len() as u64;
    let pulls = 16;
    let given = reply.clone();
    let server = tokio::spawn(async move {
        for _ in 0..pulls {
            match master.next("a pull").await {
                SupervisorEvent::Called { reply, .. } => reply.send(given.clone()),
                other => panic!("{other:?}"),
            }
        }
        master
    });
    let started = Instant::now();
    // As a node does that catches up: a few at a time.
    let (mut asked, mut got) = (0, 0);
    while got < pulls {
        while asked < pulls && asked < got + MAX_PULLS_IN_FLIGHT as u64 {
            let range = SupervisorCall::Pull(PullRequest::Range { from: Height(asked + 1) });
            supervisor.handle.call(MemberIndex(0), asked, range);
            asked += 1;
        }
        match supervisor.next("a body").await {
            MasterLinkEvent::Replied { reply: got_reply, .. } => {
                assert!(got_reply == reply, "body {got} failed after {:?}", started.elapsed());
                got += 1;
            }
            other => panic!("{other:?}"),
        }
    }
    let took = started.elapsed();
    // The last one goes out as soon as the budget is positive again.
    let least = (bytes * (pulls - 1)).saturating_sub(ANSWER_BYTES_BURST) / ANSWER_BYTES_PER_SECOND;
    println!("{pulls} bodies of {bytes} bytes took {took:?}, at least {least} s");
    assert!(least >= 3 && took.as_secs() >= least, "{took:?}");
    drop(server.await.unwrap());
}

/// Questions come through at the rate of a link; the others wait in QUIC's window.
#[tokio::test(start_paused = true)]
async fn commands_are_read_at_the_rate_of_a_link() {
    let mut master = TestMaster::start(0, 2);
    let mut link = RawSupervisor::new(1).join(&master.handle).await;
    master.connected(1).await;
    let seconds = 2;
    let calls = FRAMES_BURST + FRAMES_PER_SECOND * seconds;
    let started = Instant::now();
    for id in 0..calls {
        link.call(u8::try_from(id % 256).unwrap(), &SupervisorCall::Status).await;
    }
    let mut answered = 0;
    while answered < calls {
        let (frame, _) = within("an answer", link.reader.next()).await.unwrap();
        let Frame::Command { command, .. } = frame else { panic!("{frame:?}") };
        answered += u64::from(matches!(Incoming::read(&command).unwrap(), Incoming::Response(_)));
    }
    let took = started.elapsed();
    println!("{calls} questions took {took:?}");
    assert!(took.as_secs() + 1 >= seconds && took < CALL_TIMEOUT, "{took:?}");
    assert!(master.link(1).connected);
}

/// Pulls over the number that may wait are refused with a sentence, and seals go past those that wait.
#[tokio::test(start_paused = true)]
async fn pulls_wait_for_each_other_and_nothing_else_waits_for_them() {
    let mut master = TestMaster::start(0, 2);
    let mut link = RawSupervisor::new(1).join(&master.handle).await;
    master.connected(1).await;
    let pull = SupervisorCall::Pull(PullRequest::Range { from: Height(1) });
    let refused = 3;
    let mut kept = None;
    for id in 0..=MAX_PULLS_WAITING + refused {
        link.call(u8::try_from(id).unwrap(), &pull).await;
        if id == 0 {
            // The first one is being answered from here on.
            let SupervisorEvent::Called { reply, .. } = master.next("a pull").await else { panic!() };
            kept = Some(reply);
        }
    }
    link.call(99, &receipt_of(1)).await;
    match master.next("a receipt").await {
        SupervisorEvent::Called { call, reply, .. } => {
            assert_eq!(call, receipt_of(1));
            reply.send(answer_to(&call));
        }
        other => panic!("{other:?}"),
    }
    let (mut busy, mut answered) = (0, 0);
    while (busy, answered) != (refused, 1) {
        let (frame, _) = within("an answer", link.reader.next()).await.unwrap();
        let Frame::Command { command, .. } = frame else { panic!("{frame:?}") };
        if let Incoming::Response(response) = Incoming::read(&command).unwrap() {
            match response.error {
                Some(text) => {
                    assert_eq!(text, format!("{MAX_PULLS_WAITING} pulls wait here already; ask again later"));
                    busy += 1;
                }
                None => answered += 1,
            }
        }
    }
    assert!(master.events.try_recv().is_err() && kept.is_some(), "one pull of a supervisor at a time");
}

/// A supervisor's own bounds keep it from ever being refused for its number of pulls.
#[tokio::test(flavor = "multi_thread")]
async fn many_pulls_of_one_node_are_all_served() {
    let (master, mut supervisor) = super::pair().await;
    let _master = master.serve();
    let call = |id: u64| SupervisorCall::Pull(PullRequest::Range { from: Height(id % 5) });
    (0..60).for_each(|id| supervisor.handle.call(MemberIndex(0), id, call(id)));
    for _ in 0..60 {
        match supervisor.next("a body").await {
            MasterLinkEvent::Replied { id, reply, .. } => assert_eq!(reply, answer_to(&call(id))),
            other => panic!("{other:?}"),
        }
    }
}
