//! Budgets, queues, lanes and the gate, in made-up time.

use crate::limits::STABLE_LINK;
use crate::limits::supervision::{
    CONNECTION_INTERVAL, CONNECTIONS_BURST, MAX_ANNOUNCEMENT_BYTES_WAITING, MAX_ANNOUNCEMENTS_WAITING,
    MAX_LINKS, PENALTY_FIRST, PENALTY_MOST,
};
use crate::supervision::announcements::Announcements;
use crate::supervision::bucket::Bucket;
use crate::supervision::lanes::Lanes;
use crate::supervision::port::seat::Gate;
use crate::supervision::tests::{links_config, port_config};
use crate::{LinkError, NetworkError};
use bytes::Bytes;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TryRecvError;
use tokio::time::Instant;

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn a_bucket_gives_its_burst_and_then_its_rate() {
    let now = Instant::now();
    let mut bucket = Bucket::new(10, 30, now);
    assert!(bucket.take(30, now));
    assert!(!bucket.take(1, now));
    assert!(bucket.take(10, now + SECOND) && !bucket.take(1, now + SECOND));
    // Time that passes unused gives no more than the burst.
    let later = now + SECOND * 1_000;
    assert!(!bucket.take(31, later) && bucket.take(30, later));
}

#[test]
fn a_bucket_lets_one_go_over_and_the_next_wait() {
    let now = Instant::now();
    let mut bucket = Bucket::new(10, 30, now);
    assert_eq!(bucket.wait(now), Duration::ZERO);
    bucket.spend(50, now);
    assert_eq!(bucket.wait(now), SECOND * 2);
    assert_eq!(bucket.wait(now + SECOND), SECOND);
    assert_eq!(bucket.wait(now + SECOND * 2), Duration::ZERO);
    assert!(!bucket.take(1, now + SECOND * 2));
}

#[test]
fn announcements_are_bounded_and_the_oldest_go() {
    let waiting = Announcements::default();
    let frame = |number: usize| Bytes::from(number.to_be_bytes().to_vec());
    (0..MAX_ANNOUNCEMENTS_WAITING + 3).for_each(|number| waiting.push(frame(number)));
    let kept: Vec<Bytes> = std::iter::from_fn(|| waiting.try_pop()).collect();
    assert_eq!(kept, (3..MAX_ANNOUNCEMENTS_WAITING + 3).map(frame).collect::<Vec<_>>());
    let half = Bytes::from(vec![1; MAX_ANNOUNCEMENT_BYTES_WAITING / 2]);
    for _ in 0..3 {
        waiting.push(half.clone());
    }
    assert_eq!(std::iter::from_fn(|| waiting.try_pop()).count(), 2);
}

#[test]
fn urgent_lanes_go_first_and_do_not_starve_the_last() {
    let (urgent, urgent_receiver) = mpsc::channel(100);
    let (slow, slow_receiver) = mpsc::channel(100);
    let mut lanes = Lanes::new([urgent_receiver, slow_receiver]);
    for number in 0..40 {
        urgent.try_send(("urgent", number)).unwrap();
    }
    for number in 0..2 {
        slow.try_send(("slow", number)).unwrap();
    }
    let order: Vec<_> = std::iter::from_fn(|| lanes.try_recv().ok()).map(|(lane, _)| lane).collect();
    let slow_at: Vec<_> = (0..order.len()).filter(|place| order[*place] == "slow").collect();
    assert_eq!((order.len(), slow_at), (42, vec![16, 33]));
    assert_eq!(lanes.try_recv(), Err(TryRecvError::Empty));
    drop((urgent, slow));
    assert_eq!(lanes.try_recv(), Err(TryRecvError::Disconnected));
}

#[test]
fn the_gate_holds_back_who_connects_too_often() {
    let now = Instant::now();
    let mut gate = Gate::new(now);
    assert!((0..CONNECTIONS_BURST).all(|_| gate.admit(now).is_ok()));
    assert!(matches!(gate.admit(now), Err(LinkError::TooManyConnections { .. })));
    assert!(gate.admit(now + CONNECTION_INTERVAL).is_ok());
    assert!(gate.admit(now + CONNECTION_INTERVAL).is_err());
}

#[test]
fn a_breach_of_the_protocol_closes_the_gate_for_longer_each_time() {
    let mut now = Instant::now();
    let mut gate = Gate::new(now);
    let breach = LinkError::NoCommand("garbage".into());
    let mut penalty = PENALTY_FIRST;
    for _ in 0..10 {
        gate.link_ended(&breach, SECOND, now);
        let almost = now + penalty - Duration::from_millis(1);
        assert_eq!(gate.admit(almost), Err(LinkError::Penalty { wait_ms: 1 }));
        now += penalty;
        assert_eq!(gate.admit(now), Ok(()));
        penalty = (penalty * 2).min(PENALTY_MOST);
        now += CONNECTION_INTERVAL;
    }
    assert_eq!(penalty, PENALTY_MOST);
    // An ordinary end costs nothing, and a link that held forgives.
    gate.link_ended(&LinkError::Replaced, STABLE_LINK, now);
    assert_eq!(gate.admit(now), Ok(()));
    gate.link_ended(&breach, SECOND, now);
    assert_eq!(gate.admit(now + PENALTY_FIRST), Ok(()));
}

#[test]
fn contradictory_configurations_are_refused() {
    let mut port = port_config(0, 2).0;
    port.supervisors[1].network_key = port.supervisors[0].network_key;
    assert!(
        matches!(port.check(), Err(NetworkError::DuplicateSupervisor(id)) if id == port.supervisors[1].id)
    );
    port = port_config(0, 2).0;
    port.supervisors[0].id = port.node_id;
    assert!(matches!(port.check(), Err(NetworkError::DuplicateSupervisor(_))));
    for links in [0, MAX_LINKS + 1] {
        let mut home = links_config(0, &[]).0;
        home.links = links;
        assert!(matches!(home.check(), Err(NetworkError::Links { .. })), "{links}");
    }
    let mut home = links_config(0, &[]).0;
    home.masters = vec![crate::PeerConfig { id: home.node_id, ..super::master_peer(0, vec![]) }];
    assert!(matches!(home.check(), Err(NetworkError::DuplicatePeer { .. })));
    home.masters = vec![super::master_peer(0, vec!["nowhere".into()])];
    assert!(matches!(home.check(), Err(NetworkError::Address { .. })));
}
