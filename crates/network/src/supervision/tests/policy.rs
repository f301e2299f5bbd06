//! Which masters get links, in made-up time.

use crate::limits::supervision::{CALL_TIMEOUT, MASTER_BAN, MASTER_SILENCE, MAX_UNANSWERED_CALLS};
use crate::supervision::masters::health::{Health, stalling};
use crate::supervision::masters::policy::Policy;
use btn_types::{B256, MemberIndex, NodeId};
use std::time::Duration;
use tokio::time::Instant;

const DELAY: Duration = Duration::from_secs(1);

fn id(byte: u8) -> NodeId {
    NodeId(B256::repeat_byte(byte))
}

fn masters(count: u16) -> impl Iterator<Item = (MemberIndex, NodeId)> {
    (0..count).map(|member| (MemberIndex(member), id(u8::try_from(member).unwrap() + 1)))
}

fn policy(own: u8, count: u16, links: usize, now: Instant) -> Policy {
    Policy::new(id(own), masters(count), links, now)
}

fn next(policy: &mut Policy, now: Instant) -> Option<MemberIndex> {
    policy.next(now, |_| false)
}

/// All masters to be dialled at this moment.
fn due(policy: &mut Policy, now: Instant) -> Vec<MemberIndex> {
    std::iter::from_fn(|| next(policy, now)).collect()
}

/// The order of one supervisor.
fn order(own: u8, count: u16) -> Vec<MemberIndex> {
    let now = Instant::now();
    due(&mut policy(own, count, usize::from(count), now), now)
}

#[test]
fn the_order_is_that_of_the_hash_and_spreads_supervisors_over_masters() {
    // SHA256(64 ‖ 01), … computed with Python's hashlib for own id 0x64… and masters 0x01… to 0x04….
    assert_eq!(order(0x64, 4), [1, 0, 2, 3].map(MemberIndex));
    let mut first = [0usize; 4];
    for own in 100..=255 {
        first[usize::from(order(own, 4)[0].0)] += 1;
    }
    println!("supervisors whose first choice is master 0, 1, 2, 3: {first:?}");
    assert!(first.iter().all(|count| (20..=60).contains(count)), "{first:?}");
}

#[test]
fn as_many_links_as_wanted_are_kept_and_the_next_master_takes_a_lost_ones_place() {
    let now = Instant::now();
    let order = order(9, 5);
    let mut policy = policy(9, 5, 3, now);
    assert_eq!(due(&mut policy, now), order[..3]);
    order[..3].iter().for_each(|member| policy.linked(*member));
    assert_eq!(next(&mut policy, now), None);
    policy.ended(order[1], now, DELAY);
    assert_eq!(due(&mut policy, now), [order[3]]);
    policy.linked(order[3]);
    // The lost one is not needed any more, however long it waits.
    assert_eq!(next(&mut policy, now + DELAY * 100), None);
}

#[test]
fn a_failing_master_is_passed_over_until_its_delay_is_over() {
    let now = Instant::now();
    let order = order(9, 3);
    let mut policy = policy(9, 3, 1, now);
    assert_eq!(next(&mut policy, now), Some(order[0]));
    policy.ended(order[0], now, DELAY);
    assert_eq!(next(&mut policy, now), Some(order[1]));
    policy.ended(order[1], now, DELAY * 2);
    assert_eq!(next(&mut policy, now), Some(order[2]));
    policy.ended(order[2], now, DELAY * 3);
    assert_eq!(next(&mut policy, now), None);
    assert_eq!(policy.wake_at(now), Some(now + DELAY));
    assert_eq!(next(&mut policy, now + DELAY), Some(order[0]));
    policy.ended(order[0], now + DELAY, DELAY * 100);
    policy.retry_now(order[0], now + DELAY);
    assert_eq!(next(&mut policy, now + DELAY), Some(order[0]), "its address is new");
}

#[test]
fn a_dropped_master_is_left_alone_for_ten_minutes() {
    let now = Instant::now();
    let order = order(9, 4);
    let mut policy = policy(9, 4, 3, now);
    due(&mut policy, now).into_iter().for_each(|member| policy.linked(member));
    policy.ban(order[0], now);
    policy.ended(order[0], now, DELAY);
    assert_eq!(due(&mut policy, now), [order[3]]);
    policy.linked(order[3]);
    policy.ended(order[1], now, MASTER_BAN * 2);
    let almost = now + MASTER_BAN - Duration::from_millis(1);
    assert!(policy.is_banned(order[0], almost));
    assert_eq!(next(&mut policy, almost), None, "two links stand, so nobody is alone");
    assert_eq!(policy.wake_at(almost), Some(now + MASTER_BAN));
    assert!(!policy.is_banned(order[0], now + MASTER_BAN));
    assert_eq!(next(&mut policy, now + MASTER_BAN), Some(order[0]));
}

#[test]
fn where_all_are_banned_the_one_banned_longest_ago_is_tried_again() {
    let start = Instant::now();
    let order = order(9, 3);
    let mut policy = policy(9, 3, 3, start);
    due(&mut policy, start).into_iter().for_each(|member| policy.linked(member));
    let mut now = start;
    for member in [order[2], order[0], order[1]] {
        policy.ban(member, now);
        policy.ended(member, now, DELAY);
        now += DELAY;
    }
    assert_eq!(due(&mut policy, now), [order[2]], "one at a time");
    policy.ended(order[2], now, DELAY * 5);
    assert_eq!(next(&mut policy, now), Some(order[0]), "the next one while the first waits");
    // It stands, and is still banned: a second fault makes it the last to be tried.
    policy.linked(order[0]);
    assert_eq!(next(&mut policy, now + DELAY * 5), None);
    policy.ban(order[0], now + DELAY);
    policy.ended(order[0], now + DELAY, Duration::ZERO);
    assert_eq!(next(&mut policy, now + DELAY), Some(order[1]));
}

#[test]
fn a_banned_master_is_tried_where_the_others_cannot_be_reached() {
    let now = Instant::now();
    let order = order(9, 2);
    let mut policy = policy(9, 2, 2, now);
    due(&mut policy, now).into_iter().for_each(|member| policy.linked(member));
    policy.ban(order[0], now);
    policy.ended(order[0], now, Duration::ZERO);
    assert_eq!(next(&mut policy, now), None, "the other link stands");
    policy.ended(order[1], now, DELAY);
    assert_eq!(next(&mut policy, now), None, "the other may come back at once");
    let later = now + DELAY;
    assert_eq!(next(&mut policy, later), Some(order[1]));
    assert_eq!(next(&mut policy, later), None);
    policy.ended(order[1], later, DELAY);
    assert_eq!(next(&mut policy, later), Some(order[0]));
    // The honest one is dialled beside it as soon as its time comes.
    assert_eq!(next(&mut policy, later + DELAY), Some(order[1]));
}

#[test]
fn busy_masters_are_passed_over() {
    let now = Instant::now();
    let order = order(9, 3);
    let mut policy = policy(9, 3, 1, now);
    assert_eq!(policy.next(now, |member| member == order[0]), Some(order[1]));
}

#[test]
fn three_calls_in_a_row_without_an_answer_are_a_stall() {
    let now = Instant::now();
    let mut health = Health::new(now);
    for round in 0..3 {
        for _ in 1..MAX_UNANSWERED_CALLS {
            health.unanswered();
        }
        assert_eq!(stalling(&[(MemberIndex(0), health)], now), vec![], "round {round}");
        health.answered(now);
    }
    (0..MAX_UNANSWERED_CALLS).for_each(|_| health.unanswered());
    health.announced(now);
    let text = format!("3 calls in a row had no answer within {} s", CALL_TIMEOUT.as_secs());
    assert_eq!(stalling(&[(MemberIndex(0), health)], now), vec![(MemberIndex(0), text)]);
}

#[test]
fn silence_is_a_stall_only_while_others_are_heard() {
    let start = Instant::now();
    let (silent, mut heard) = (Health::new(start), Health::new(start));
    let now = start + MASTER_SILENCE;
    let stalled = |heard: Health, now| stalling(&[(MemberIndex(0), silent), (MemberIndex(1), heard)], now);
    assert_eq!(stalled(heard, now), vec![], "all are silent: the fault may be at home");
    heard.announced(now);
    assert_eq!(stalled(heard, now - Duration::from_millis(1)), vec![]);
    let found = stalled(heard, now);
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].0, MemberIndex(0));
    assert!(found[0].1.contains("while other masters were heard"), "{found:?}");
}
