//! Entering views, Finalize, the floor, Δ, and certificates without bodies (C6.1, C6.6–C6.8).

use crate::kit::{CANDIDATE_WAIT, DELTA, Finalize, IDLE, Node, Notarize, Nullify, World, member};
use btn_types::{B256, FetchRequest, JournalRecord, MemberIndex};
use std::collections::BTreeSet;

const fn digest(byte: u8) -> B256 {
    B256::repeat_byte(byte)
}

/// C6.1: any certificate of v−1 leads into v, a Finalization too, and certificates may jump views.
#[test]
fn c6_1_any_certificate_leads_into_the_next_view() {
    let world = World::new(4);
    let mut node = Node::new(&world, member(0));
    let steps = [
        (world.certificate(Notarize, 1, digest(1)), 2),
        (world.nullification(2), 3),
        (world.certificate(Finalize, 3, digest(3)), 4),
        (world.nullification(9), 10),
        (world.certificate(Notarize, 20, digest(20)), 21),
        (world.certificate(Finalize, 40, digest(40)), 41),
    ];
    for (certificate, view) in steps {
        let cause = (certificate.kind, certificate.view.0);
        let seen = node.hear(0, certificate);
        assert_eq!(node.view(), view);
        assert_eq!(seen.passed_on(), [cause]);
    }
}

/// C6.1: on a jump only the certificate that caused it is rebroadcast.
#[test]
fn c6_1_a_jump_rebroadcasts_only_its_cause() {
    let world = World::new(4);
    let mut node = Node::new(&world, member(0));
    let seen = node.hear_all(0, (1..=6).map(|view| world.nullification(view)).collect());
    assert_eq!(seen.passed_on(), [(Nullify, 6)]);
    assert_eq!(node.view(), 7);
    // All of them are held, to propose on.
    let held = node.consensus.live_records();
    assert_eq!(held.iter().filter(|record| matches!(record, JournalRecord::Certificate(_))).count(), 6);

    let mut node = Node::new(&world, member(0));
    let seen = node.hear_offer(0, &world.offer(&world.genesis, 6, member(1)));
    assert_eq!((seen.passed_on(), node.view()), (vec![(Nullify, 5)], 6), "certificates in a body");
}

/// C6.1: what is known or lies behind is stored, not rebroadcast.
#[test]
fn c6_1_old_certificates_are_not_rebroadcast() {
    let world = World::new(4);
    let mut node = Node::new(&world, member(0));
    node.hear(0, world.nullification(5));
    assert!(node.hear(1, world.nullification(5)).passed_on().is_empty());
    let seen = node.hear(1, world.nullification(3));
    assert!(seen.passed_on().is_empty());
    assert_eq!((seen.journaled().len(), node.view()), (1, 6));
}

/// C6.6: Finalize on a Notarization, also of a view already left, unless we nullified it; at most once.
#[test]
fn c6_6_finalize_on_notarization_unless_nullified() {
    let world = World::new(4);
    let mut node = Node::busy(&world, world.ranking(1)[3]);
    node.tree.packs = false;
    assert_eq!(node.hear(1, world.nullification(1)).votes(), []);
    let seen = node.hear(2, world.certificate(Notarize, 1, digest(1)));
    assert_eq!(seen.votes(), [(Finalize, 1, digest(1))], "a view left without own Nullify");
    assert_eq!(node.hear(3, world.certificate(Notarize, 1, digest(1))).votes(), []);
    assert!(node.wake(2 + 8 * DELTA).votes().contains(&(Nullify, 2, B256::ZERO)));
    let seen = node.hear(2 + 8 * DELTA, world.certificate(Notarize, 2, digest(2)));
    assert_eq!((seen.votes(), node.view()), (vec![], 3), "a view nullified by us");
    let seen = node.hear(2 + 8 * DELTA, world.certificate(Notarize, 5, digest(5)));
    assert_eq!(seen.votes(), [(Finalize, 5, digest(5))], "a view never entered");
}

/// C6.7: a Finalization commits the block and its ancestors, raises the floor, and prunes own votes below it.
#[test]
fn c6_7_a_finalization_commits_raises_the_floor_and_prunes() {
    let world = World::new(4);
    let mut node = Node::busy(&world, world.ranking(1)[3]);
    let first = world.offer(&world.genesis, 1, world.ranking(1)[0]);
    let second = world.offer(&first.place, 2, world.ranking(2)[0]);
    node.hear_offer(1, &first);
    assert_eq!(node.wake(CANDIDATE_WAIT).voted(Notarize), [first.digest]);
    node.hear(30, world.notarization(&first));
    node.hear_offer(31, &second);
    node.hear(32, world.notarization(&second));
    assert_eq!(node.floor(), 0);
    let seen = node.hear(40, world.finalization(&second));
    assert_eq!(seen.finalized(), [2]);
    assert_eq!((node.floor(), node.tip().hash), (2, second.place.hash));
    let live = node.consensus.live_records();
    assert!(!live.iter().any(|record| matches!(record, JournalRecord::Voted(_))), "{live:?}");
    // An older Finalization that comes late does not lower it.
    let seen = node.hear(41, world.finalization(&first));
    assert!(seen.finalized().is_empty());
    assert_eq!(node.floor(), 2);
}

/// When the member nullifies the view it has entered at `entered_ms` by a Nullification.
fn nullify_delay_ms(node: &mut Node, entered_ms: u64) -> u64 {
    let mut at_ms = entered_ms;
    loop {
        at_ms += 1;
        if !node.wake(at_ms).voted(Nullify).is_empty() {
            return at_ms - entered_ms;
        }
    }
}

/// C6: Δ ×1.5 per consecutive nullified view, at most 8Δ; the base again after a Finalization.
#[test]
fn c6_delta_grows_by_half_to_eightfold_and_a_finalization_resets_it() {
    let world = World::new(4);
    let mut node = Node::busy(&world, member(0));
    let mut at_ms = 0;
    let grown = [500, 750, 1_125, 1_687, 2_530, 3_795, 4_000, 4_000];
    for (view, delta_ms) in (1..).zip(grown) {
        let delay_ms = nullify_delay_ms(&mut node, at_ms);
        assert_eq!(delay_ms, 4 * delta_ms, "view {view}");
        at_ms += delay_ms;
        node.hear(at_ms, world.nullification(view));
    }
    let view = node.view();
    node.hear(at_ms, world.certificate(Finalize, view, digest(1)));
    assert_eq!(nullify_delay_ms(&mut node, at_ms), 4 * DELTA);
}

/// C6: a jump over many views enters one view.
#[test]
fn c6_a_jump_over_nullified_views_grows_delta_once() {
    let world = World::new(4);
    let mut node = Node::busy(&world, member(0));
    node.hear_all(0, (1..=6).map(|view| world.nullification(view)).collect());
    assert_eq!(nullify_delay_ms(&mut node, 0), 4 * DELTA * 3 / 2);
}

/// C6.8 ⚠: a Notarization without its body: Finalize at once; the body is fetched from the signers, another one
/// each time; no Proposal above it until it is here and executed.
#[test]
fn c6_8_a_certificate_without_its_body_is_acted_on_and_the_body_fetched() {
    let world = World::new(4);
    let me = world.ranking(2)[0];
    let mut node = Node::busy(&world, me);
    let clerk = *world.ranking(1).iter().find(|clerk| **clerk != me).expect("others");
    let offer = world.offer(&world.genesis, 1, clerk);
    let signers: Vec<u16> = node.others().iter().map(|member| member.0).collect();
    let seen = node.hear(1, world.certificate_by(Notarize, 1, offer.digest, &signers));
    assert_eq!(seen.voted(Finalize), [offer.digest]);
    assert_eq!(node.view(), 2);
    let mut asked = Vec::<MemberIndex>::new();
    let mut proposals = 0;
    for at_ms in (1..=4 * DELTA).step_by(25) {
        let seen = node.wake(at_ms);
        proposals += seen.proposals().len();
        for (to, request) in seen.fetches() {
            assert_eq!(request, FetchRequest::Proposal { digest: offer.digest });
            asked.push(to);
        }
    }
    assert_eq!(proposals, 0, "proposed above a block that was not executed");
    assert!((3..=5).contains(&asked.len()), "{asked:?}");
    assert_eq!(asked.iter().collect::<BTreeSet<_>>().len(), 3, "one after the other: {asked:?}");
    let seen = node.hear_offer(4 * DELTA, &offer);
    assert!(node.is_executed(&offer));
    assert_eq!(seen.proposals().len(), 1);
    assert_eq!(seen.proposals()[0].block.header.parent_hash, offer.place.hash);
    assert!(node.wake(5 * DELTA).fetches().is_empty(), "asked for what is here");
}

/// C6.8 ⚠: no Notarize above a body that is missing, Nullify is allowed; ancestors are fetched by what their
/// children carry.
#[test]
fn c6_8_no_notarize_above_a_missing_body() {
    let world = World::new(4);
    let me = world.ranking(2)[3];
    let first = world.offer(&world.genesis, 1, world.ranking(1)[0]);
    let second = world.offer(&first.place, 2, world.ranking(2)[0]);
    let mut node = Node::busy(&world, me);
    // The proposal brings its parent's certificate along: that is how the parent becomes known.
    let seen = node.hear_offer(1, &second);
    assert_eq!(node.view(), 2);
    assert_eq!(seen.voted(Finalize), [first.digest]);
    let seen = node.wake(2 * DELTA);
    assert!(seen.voted(Notarize).is_empty());
    assert!(
        seen.fetches().iter().any(|(_, request)| *request == FetchRequest::Proposal { digest: first.digest })
    );
    let seen = node.hear_offer(2 * DELTA + 1, &first);
    assert_eq!(seen.voted(Notarize), [second.digest]);

    let mut node = Node::busy(&world, me);
    node.hear_offer(1, &second);
    assert_eq!(node.wake(1 + 4 * DELTA).voted(Nullify).len(), 1, "Nullify is allowed");
}

/// C6.8: a Finalization without the body raises the floor at once; the body commits it when it comes.
#[test]
fn c6_8_a_finalization_without_its_body_raises_the_floor() {
    let world = World::new(4);
    let mut node = Node::new(&world, member(0));
    let offer = world.offer(&world.genesis, 1, world.ranking(1)[0]);
    node.hear(0, world.finalization(&offer));
    assert_eq!((node.floor(), node.view(), node.tip().hash), (1, 2, world.genesis.hash));
    node.hear_offer(1, &offer);
    assert_eq!(node.tip().hash, offer.place.hash);
}

/// A committee of one finalises alone (q = 1): C4's bounds at n = 1.
#[test]
fn a_single_member_finalises_alone() {
    let world = World::new(1);
    let mut node = Node::new(&world, member(0));
    let mut at_ms = 0;
    while node.tip().height.0 < 3 && at_ms < 10 * IDLE {
        node.wake(at_ms);
        at_ms += 20;
    }
    assert_eq!(node.tip().height.0, 3, "after {at_ms} ms");
    assert!(at_ms <= 3 * (IDLE + 40), "an idle block every idle_interval, {at_ms} ms");
    node.restart();
    node.wake(at_ms);
    assert_eq!(node.floor(), node.tip().view.0);
}
