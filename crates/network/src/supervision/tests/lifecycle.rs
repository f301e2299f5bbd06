//! Links that break, are replaced, dropped, or made for one call.

use super::{TestMaster, TestSupervisor, answer_to, links_config, pair, pass, proposed, receipt_of, status};
use crate::LinkError;
use crate::limits::supervision::{MASTER_BAN, MASTER_SILENCE, ON_DEMAND_IDLE};
use crate::supervision::masters::{MasterLinkEvent, MasterLinkStatus};
use crate::supervision::port::SupervisorEvent;
use crate::tests::{closed, code_of, within};
use btn_types::supervision::{MasterReply, PullRequest, SupervisorCall};
use btn_types::{Bytes, Height, MemberIndex};
use std::collections::BTreeSet;
use std::time::Duration;
use tokio::time::Instant;

#[tokio::test(flavor = "multi_thread")]
async fn a_supervisor_dialling_again_replaces_its_own_link() {
    let (mut master, mut supervisor) = pair().await;
    let again = super::RawSupervisor::new(0).join(&master.handle).await;
    master.disconnected(0).await;
    master.connected(0).await;
    supervisor.disconnected(0).await;
    let text = supervisor.error(0, "took over").await;
    assert!(text.contains("code 1"), "{text}");
    // The first one dials again by itself, and takes over in turn.
    supervisor.connected(0).await;
    assert_eq!(closed(&again.connection).await.0, code_of(&LinkError::Replaced));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_supervisor_comes_back() {
    let mut master = TestMaster::start(0, 1);
    for _ in 0..3 {
        let (config, _status) = links_config(0, &[&master]);
        let killed = tokio::task::spawn_blocking(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            let links = runtime.block_on(async {
                let (handle, mut events) = crate::MasterLinks::start(config).unwrap();
                assert!(matches!(within("a link", events.recv()).await, Some(MasterLinkEvent::Connected(_))));
                (handle, events)
            });
            // Like SIGKILL: the tasks end where they stand, before anybody could say goodbye.
            runtime.shutdown_background();
            drop(links);
        });
        within("the kill", killed).await.unwrap();
        master.connected(0).await;
        let mut again = TestSupervisor::start(0, &[&master]);
        again.connected(0).await;
        master.disconnected(0).await;
        master.connected(0).await;
        within("the shutdown", again.handle.shutdown()).await;
        master.disconnected(0).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restarted_master_is_dialled_again_and_calls_under_way_fail() {
    let (mut master, mut supervisor) = pair().await;
    let address = master.handle.local_addr();
    supervisor.handle.call(MemberIndex(0), 1, receipt_of(1));
    let SupervisorEvent::Called { reply: _kept, .. } = master.next("a call").await else { panic!() };
    within("the shutdown", master.handle.shutdown()).await;
    drop(master);
    let (mut failed, mut gone) = (false, false);
    while !(failed && gone) {
        match supervisor.next("the end").await {
            MasterLinkEvent::Disconnected(_) => gone = true,
            MasterLinkEvent::Replied { id: 1, reply: MasterReply::Failed(text), .. } => {
                failed = true;
                assert_eq!(text, "the link broke before the answer");
            }
            other => panic!("{other:?}"),
        }
    }
    let mut master = TestMaster::on(address, 0, 1);
    master.connected(0).await;
    supervisor.connected(0).await;
    let _master = master.serve();
    assert_eq!(supervisor.ask(0, 2, receipt_of(3)).await, answer_to(&receipt_of(3)));
}

/// Starts `count` masters and supervisor 0 with links to `links` of them; returns which ones got them.
async fn linked(count: u16, links: usize) -> (Vec<TestMaster>, TestSupervisor, BTreeSet<u16>) {
    let masters: Vec<TestMaster> = (0..count).map(|member| TestMaster::start(member, 1)).collect();
    let (mut config, status) = links_config(0, &masters.iter().collect::<Vec<_>>());
    config.links = links;
    let mut supervisor = TestSupervisor::with(0, config, status);
    let mut linked = BTreeSet::new();
    while linked.len() < links {
        match supervisor.next("Connected").await {
            MasterLinkEvent::Connected(member) => assert!(linked.insert(member.0)),
            other => panic!("{other:?}"),
        }
    }
    (masters, supervisor, linked)
}

#[tokio::test(start_paused = true)]
async fn a_dropped_master_is_hung_up_on_and_another_takes_its_place() {
    let (masters, mut supervisor, linked) = linked(4, 3).await;
    let spare = (0..4).find(|member| !linked.contains(member)).unwrap();
    let liar = *linked.first().unwrap();
    assert!(!supervisor.link(spare).connected);
    let reason = "block 7 has another state root than its execution";
    supervisor.handle.drop_master(MemberIndex(liar), reason.into());
    let mut events = vec![supervisor.next("an end").await, supervisor.next("a beginning").await];
    events.sort_by_key(|event| matches!(event, MasterLinkEvent::Disconnected(_)));
    let expected =
        [MasterLinkEvent::Connected(MemberIndex(spare)), MasterLinkEvent::Disconnected(MemberIndex(liar))];
    assert_eq!(events, expected);
    // Both sides say why.
    let status = supervisor.link(liar);
    assert_eq!(status.dropped.unwrap().reason, reason);
    assert!(status.last_error.unwrap().contains(reason));
    let text = masters[usize::from(liar)].error(0, reason).await;
    assert!(text.contains("code 19") && text.contains("drops this master"), "{text}");
    // Its calls fail at once, and say why.
    let MasterReply::Failed(text) = supervisor.ask(liar, 1, receipt_of(1)).await else { panic!() };
    assert!(text.contains(reason), "{text}");
    // The three others are linked, so it is left alone for its time, and not needed then.
    pass(MASTER_BAN + Duration::from_secs(60)).await;
    assert!(!supervisor.link(liar).connected);
    assert_eq!(supervisor.handle.masters().iter().filter(|link| link.connected).count(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_dropped_master_comes_back_after_its_time_where_it_is_needed() {
    let (_masters, mut supervisor, _) = linked(3, 3).await;
    let started = Instant::now();
    supervisor.handle.drop_master(MemberIndex(1), "it stalled".into());
    supervisor.disconnected(1).await;
    let back = tokio::time::timeout(MASTER_BAN * 2, supervisor.events.recv()).await.unwrap();
    assert_eq!(back, Some(MasterLinkEvent::Connected(MemberIndex(1))));
    let after = started.elapsed();
    assert!(after >= MASTER_BAN && after < MASTER_BAN + Duration::from_secs(5), "{after:?}");
}

/// A household with one master, or with liars alone, is not left without any.
#[tokio::test(start_paused = true)]
async fn where_every_master_is_dropped_the_first_of_them_is_tried_again() {
    let (_masters, mut supervisor, _) = linked(2, 2).await;
    let started = Instant::now();
    for member in [1, 0] {
        supervisor.handle.drop_master(MemberIndex(member), "it lied".into());
        supervisor.disconnected(member).await;
    }
    supervisor.connected(1).await;
    assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
    let banned_still = supervisor.link(1).dropped.unwrap();
    assert_eq!(banned_still.reason, "it lied");
}

#[tokio::test(start_paused = true)]
async fn a_master_that_answers_no_call_is_dropped() {
    let (mut masters, mut supervisor, _) = linked(2, 2).await;
    for master in &mut masters {
        master.connected(0).await;
    }
    for id in 1..=3 {
        supervisor.handle.call(MemberIndex(0), id, receipt_of(1));
    }
    let mut kept = Vec::new();
    while kept.len() < 3 {
        let SupervisorEvent::Called { reply, .. } = masters[0].next("a call").await else { panic!() };
        kept.push(reply);
    }
    // The replies stay here unused, and so nothing is answered; those of ten seconds' age the port gives up itself,
    // at the same moment: the supervisor's clock decides, as its calls began first.
    let mut ends = Vec::new();
    while ends.len() < 4 {
        ends.push(supervisor.next("failures and an end").await);
    }
    let failures = ends
        .iter()
        .filter(|event| matches!(event, MasterLinkEvent::Replied { reply: MasterReply::Failed(_), .. }));
    assert_eq!(failures.count(), 3);
    assert!(ends.contains(&MasterLinkEvent::Disconnected(MemberIndex(0))), "{ends:?}");
    let reason = supervisor.link(0).dropped.unwrap().reason;
    assert!(reason.contains("3 calls in a row had no answer"), "{reason}");
    assert!(supervisor.link(1).connected && supervisor.link(1).dropped.is_none());
}

#[tokio::test(start_paused = true)]
async fn a_link_is_made_for_a_call_and_hung_up_when_calls_cease() {
    let (masters, mut supervisor, linked) = linked(3, 1).await;
    let other = (0..3).find(|member| !linked.contains(member)).unwrap();
    let masters: Vec<_> = masters.into_iter().map(TestMaster::serve).collect();
    let submit = SupervisorCall::Submit(Bytes::from_static(&[4, 5]));
    assert_eq!(supervisor.ask(other, 1, submit.clone()).await, answer_to(&submit));
    let is_on_demand = |status: &MasterLinkStatus| (status.connected, status.on_demand);
    assert_eq!(is_on_demand(&supervisor.link(other)), (false, true));
    // What it announces is not asked for; the node does not even know of the link.
    masters[usize::from(other)].handle.announce(&proposed(3));
    // Another call in time keeps it up, of any kind.
    pass(ON_DEMAND_IDLE - Duration::from_secs(1)).await;
    let pull = SupervisorCall::Pull(PullRequest::Range { from: Height(2) });
    assert_eq!(supervisor.ask(other, 2, pull.clone()).await, answer_to(&pull));
    pass(ON_DEMAND_IDLE - Duration::from_secs(1)).await;
    assert_eq!(is_on_demand(&supervisor.link(other)), (false, true));
    pass(Duration::from_secs(2)).await;
    assert_eq!(is_on_demand(&supervisor.link(other)), (false, false));
    assert!(supervisor.error(other, "is over").await.contains("made for"));
    assert!(supervisor.events.is_empty(), "links for a call are not told");
    // Hanging up is no failure: the next call dials again.
    assert_eq!(supervisor.ask(other, 3, receipt_of(6)).await, answer_to(&receipt_of(6)));
    drop(masters);
}

#[tokio::test(start_paused = true)]
async fn a_link_for_a_call_gives_way_to_a_lasting_one() {
    let (masters, mut supervisor, linked) = linked(2, 1).await;
    let (first, other) = (*linked.first().unwrap(), 1 - *linked.first().unwrap());
    let _masters: Vec<_> = masters.into_iter().map(TestMaster::serve).collect();
    assert_eq!(supervisor.ask(other, 1, receipt_of(1)).await, answer_to(&receipt_of(1)));
    supervisor.handle.drop_master(MemberIndex(first), "it lied".into());
    supervisor.disconnected(first).await;
    supervisor.connected(other).await;
    let link = supervisor.link(other);
    assert_eq!((link.connected, link.on_demand), (true, false));
    assert_eq!(supervisor.ask(other, 2, receipt_of(2)).await, answer_to(&receipt_of(2)));
    pass(ON_DEMAND_IDLE * 2).await;
    assert!(supervisor.link(other).connected);
}

#[tokio::test(start_paused = true)]
async fn a_master_that_cannot_be_reached_is_passed_over() {
    let masters: Vec<TestMaster> = (0..3).map(|member| TestMaster::start(member, 1)).collect();
    let (mut config, status) = links_config(0, &masters.iter().collect::<Vec<_>>());
    // A port on which nobody answers.
    let silent = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    config.masters[1].addresses = vec![silent.local_addr().unwrap().to_string()];
    config.links = 3;
    let mut supervisor = TestSupervisor::with(0, config, status);
    let mut linked = BTreeSet::new();
    while linked.len() < 2 {
        let MasterLinkEvent::Connected(member) = supervisor.next("Connected").await else { panic!() };
        linked.insert(member.0);
    }
    assert_eq!(linked, BTreeSet::from([0, 2]));
    supervisor.error(1, "is not reachable").await;
    // Its address was wrong; with the right one it is linked at once.
    let right = vec![masters[1].handle.local_addr().to_string()];
    supervisor.handle.set_addresses(MemberIndex(1), right).unwrap();
    supervisor.connected(1).await;
}

/// The silent master neither announces nor answers, and QUIC finds nothing wrong with it.
#[tokio::test(start_paused = true)]
async fn a_master_that_falls_silent_is_dropped_while_another_is_heard() {
    let mut masters = [TestMaster::start(0, 1)];
    let silent = super::lying::FakeMaster::start(1);
    let (mut config, watch) = links_config(0, &[&masters[0]]);
    config.masters.push(super::master_peer(1, vec![silent.address().to_string()]));
    config.links = 2;
    let mut supervisor = TestSupervisor::with(0, config, watch);
    let silent = silent.greet(status(5)).await;
    masters[0].connected(0).await;
    let started = Instant::now();
    let mut ends = None;
    while ends.is_none() {
        match tokio::time::timeout(MASTER_SILENCE * 2, supervisor.events.recv()).await.unwrap().unwrap() {
            MasterLinkEvent::Disconnected(member) => ends = Some(member),
            MasterLinkEvent::Connected(_) => {}
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(ends, Some(MemberIndex(1)));
    let reason = supervisor.link(1).dropped.unwrap().reason;
    let after = started.elapsed();
    println!("dropped after {after:?}: {reason}");
    assert!(after <= MASTER_SILENCE + Duration::from_secs(2), "{after:?}");
    assert_eq!(closed(silent.connection()).await.0, code_of(&LinkError::Dropped(String::new())));
    assert!(supervisor.link(0).connected);
}
