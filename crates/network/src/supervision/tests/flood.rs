//! Floods on the supervisor port, and an honest supervisor's calls meanwhile: all answered, their times printed.

use super::{RawSupervisor, TestMaster, TestSupervisor, answer_to, call_frame, receipt_of, seal};
use crate::supervision::masters::{HOME_PROFILE, MasterLinkEvent};
use crate::tests::within;
use btn_types::MemberIndex;
use btn_types::supervision::{PullRequest, SupervisorCall};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

/// Honest calls made during each flood.
const CALLS: u64 = 200;

/// Makes honest calls one after the other and prints how long they took.
async fn honest_calls(what: &str, supervisor: &mut TestSupervisor) {
    let mut times: Vec<Duration> = Vec::new();
    for id in 0..CALLS {
        let call = if id % 2 == 0 { SupervisorCall::Seal(vec![seal(1)]) } else { receipt_of(3) };
        let started = Instant::now();
        supervisor.handle.call(MemberIndex(0), id, call.clone());
        loop {
            match supervisor.next("an answer").await {
                MasterLinkEvent::Replied { id: answered, reply, .. } => {
                    assert_eq!((answered, reply), (id, answer_to(&call)), "{what}");
                    break;
                }
                MasterLinkEvent::Announced { .. } => {}
                other => panic!("{what}: {other:?}"),
            }
        }
        times.push(started.elapsed());
    }
    times.sort_unstable();
    let (median, most) = (times[times.len() / 2], times[times.len() - 1]);
    println!("{what}: {} honest calls answered, median {median:?}, longest {most:?}", times.len());
}

/// A master that answers at once, an honest supervisor 0, and room for attackers 1 to 7.
async fn scene() -> (super::Serving, TestSupervisor) {
    let mut master = TestMaster::start(0, 8);
    let mut supervisor = TestSupervisor::start(0, &[&master]);
    master.connected(0).await;
    supervisor.connected(0).await;
    let master = master.serve();
    honest_calls("at rest", &mut supervisor).await;
    (master, supervisor)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_calls_leaves_others_unharmed() {
    let (master, mut supervisor) = scene().await;
    let mut attackers = JoinSet::new();
    for index in 1..=6 {
        let handle = master.handle.clone();
        attackers.spawn(async move {
            let raw = RawSupervisor::new(index);
            let calls = [
                receipt_of(1),
                SupervisorCall::Seal(vec![seal(1); 100]),
                SupervisorCall::Pull(PullRequest::Range { from: btn_types::Height(60) }),
            ];
            loop {
                // Refused, closed or held back: it only goes on.
                let Ok(mut link) = raw.try_join(&handle).await else {
                    tokio::task::yield_now().await;
                    continue;
                };
                for id in 0..=u8::MAX {
                    let frame = call_frame(id, &calls[usize::from(id) % calls.len()]);
                    if link.send.write_all(&frame).await.is_err() {
                        break;
                    }
                }
            }
        });
    }
    honest_calls("6 supervisors flood with calls, seals and pulls", &mut supervisor).await;
    attackers.shutdown().await;
    assert!(supervisor.link(0).connected && supervisor.link(0).dropped.is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_connections_leaves_others_unharmed() {
    let (master, mut supervisor) = scene().await;
    let mut attackers = JoinSet::new();
    // Strangers with keys of their own, and two registered supervisors that dial again and again.
    for seed in [50u8, 51, 52, 53, 102, 103] {
        let handle = master.handle.clone();
        attackers.spawn(async move {
            let raw = RawSupervisor::of(seed, super::supervisor_id(seed.saturating_sub(101)));
            loop {
                let attempts: Vec<_> = (0..8).map(|_| raw.try_connect(&handle, 0, &HOME_PROFILE)).collect();
                for attempt in attempts {
                    let _ = attempt.await;
                }
            }
        });
    }
    honest_calls("4 strangers and 2 supervisors flood with connections", &mut supervisor).await;
    attackers.shutdown().await;
    assert!(supervisor.link(0).connected);
    // And a newcomer gets in.
    let newcomer = RawSupervisor::new(7);
    within("a newcomer", newcomer.join(&master.handle)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_garbage_leaves_others_unharmed() {
    let (master, mut supervisor) = scene().await;
    // Packets that are not even QUIC, to the open port.
    let address = master.handle.local_addr();
    let mut attackers = JoinSet::new();
    for seed in 0..2u8 {
        attackers.spawn(async move {
            let socket = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
            for number in 0u64.. {
                let byte = number.to_le_bytes()[0] ^ seed;
                let _ = socket.send_to(&[byte; 1_200], address).await;
                tokio::task::yield_now().await;
            }
        });
    }
    honest_calls("2 senders flood with packets that are no QUIC", &mut supervisor).await;
    attackers.shutdown().await;
    assert!(supervisor.link(0).connected);
}

#[tokio::test(flavor = "multi_thread")]
async fn large_bodies_do_not_delay_small_calls_of_the_same_supervisor() {
    let (_master, mut supervisor) = scene().await;
    let pulls = 40;
    for id in 0..pulls {
        let range = SupervisorCall::Pull(PullRequest::Range { from: btn_types::Height(64) });
        supervisor.handle.call(MemberIndex(0), 1_000 + id, range);
    }
    let mut times = Vec::new();
    let mut bodies = 0;
    for id in 0..CALLS {
        let started = Instant::now();
        supervisor.handle.call(MemberIndex(0), id, receipt_of(3));
        loop {
            match supervisor.next("an answer").await {
                MasterLinkEvent::Replied { id: answered, .. } if answered == id => break,
                MasterLinkEvent::Replied { .. } => bodies += 1,
                other => panic!("{other:?}"),
            }
        }
        times.push(started.elapsed());
    }
    times.sort_unstable();
    println!("beside {bodies} bodies: median {:?}, longest {:?}", times[100], times[199]);
    while bodies < pulls {
        let MasterLinkEvent::Replied { .. } = supervisor.next("a body").await else { panic!() };
        bodies += 1;
    }
}
