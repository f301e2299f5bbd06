//! The write-ahead log, the floor and restarts (C6, C6.0).

use crate::kit::{CANDIDATE_WAIT, DELTA, Finalize, Node, Notarize, Nullify, World, member};
use crate::tree::Tree;
use btn_consensus::{Consensus, Effect, Identity, Input, Parameters};
use btn_types::genesis::ConsensusParameters;
use btn_types::{B256, JournalRecord, View};
use std::sync::Arc;

/// Positions of the first journal group and of the first thing said.
fn order(effects: &[Effect]) -> (Option<usize>, Option<usize>) {
    let journal = effects.iter().position(|effect| matches!(effect, Effect::Journal(_)));
    let said = effects.iter().position(|effect| {
        matches!(effect, Effect::Broadcast(_) | Effect::Send { .. } | Effect::Finalized { .. })
    });
    (journal, said)
}

/// C6: a log of own `proposed, notarized, nullified, finalized`, synced before sending.
#[test]
fn c6_every_own_signature_is_journaled_before_it_is_sent() {
    let world = World::new(4);
    let me = world.ranking(1)[0];
    let mut node = Node::busy(&world, me);
    let proposed = node.journal.iter().any(|record| matches!(record, JournalRecord::Proposed(_)));
    assert!(proposed, "the best clerk proposes at t0 (C6.3)");
    let notarized = node.wake(CANDIDATE_WAIT);
    assert_eq!(notarized.voted(Notarize).len(), 1);
    let digest = notarized.voted(Notarize)[0];
    let finalized = node.hear(30, world.certificate(Notarize, 1, digest));
    assert_eq!(finalized.voted(Finalize), [digest]);
    node.wake(30 + 2 * DELTA);
    let nullified = node.wake(30 + 4 * DELTA);
    assert!(nullified.votes().contains(&(Nullify, 2, B256::ZERO)));
    for seen in [notarized, finalized, nullified] {
        let (journal, said) = order(&seen.0);
        assert_eq!(journal, Some(0), "{seen:?}");
        assert!(said.is_some_and(|said| said > 0), "{seen:?}");
    }
}

/// C6 ⚠: the group commit that holds the Notarize holds the block body too.
#[test]
fn c6_the_body_is_in_the_same_group_as_the_notarize() {
    let world = World::new(4);
    let ranking = world.ranking(1);
    let mut node = Node::busy(&world, ranking[3]);
    let offer = world.offer(&world.genesis, 1, ranking[0]);
    node.hear_offer(1, &offer);
    let seen = node.wake(CANDIDATE_WAIT);
    assert_eq!(seen.voted(Notarize), [offer.digest]);
    assert!(seen.journaled().contains(&&JournalRecord::Body(Arc::clone(&offer.message))));
}

/// C6 ⚠: certificates are synced before they are acted on.
#[test]
fn c6_certificates_are_journaled_before_they_are_acted_on() {
    let world = World::new(4);
    let mut node = Node::new(&world, member(0));
    for certificate in [world.nullification(1), world.certificate(Finalize, 3, B256::repeat_byte(3))] {
        let seen = node.hear(0, certificate.clone());
        assert_eq!(order(&seen.0).0, Some(0));
        assert!(seen.journaled().contains(&&JournalRecord::Certificate(certificate)));
    }
}

/// C6.0 ⚠: a late Notarization below or at the floor changes nothing (with pruning it forked 20 of 20 runs).
#[test]
fn c6_0_a_late_notarization_below_the_floor_changes_nothing() {
    let world = World::new(4);
    let mut node = Node::new(&world, member(0));
    let (below, digest) = (B256::repeat_byte(4), B256::repeat_byte(5));
    node.hear(0, world.certificate(Finalize, 5, digest));
    assert_eq!((node.view(), node.floor()), (6, 5));
    let records = node.consensus.live_records();
    for late in [world.certificate(Notarize, 4, below), world.certificate(Notarize, 5, digest)] {
        let seen = node.hear(1, late);
        assert!(seen.votes().is_empty() && seen.journaled().is_empty(), "{seen:?}");
    }
    assert_eq!(node.consensus.live_records(), records);
    assert_eq!((node.view(), node.floor()), (6, 5));
}

/// C6.0: sign nothing for a view ≤ floor, however the votes for it come.
#[test]
fn c6_0_nothing_is_signed_at_or_below_the_floor() {
    let world = World::new(4);
    let ranking = world.ranking(1);
    let mut node = Node::busy(&world, ranking[3]);
    let offer = world.offer(&world.genesis, 1, ranking[0]);
    node.hear(1, world.certificate(Finalize, 2, B256::repeat_byte(2)));
    let mut seen = vec![node.hear_offer(2, &offer), node.wake(CANDIDATE_WAIT + 5)];
    for voter in [ranking[0], ranking[1], ranking[2]] {
        seen.push(node.hear_vote(30, world.vote(Notarize, 1, offer.digest, voter)));
        seen.push(node.hear_vote(30, world.vote(Notarize, 2, B256::repeat_byte(2), voter)));
    }
    let below = seen.iter().flat_map(|seen| seen.votes()).filter(|vote| vote.1 <= 2).count();
    assert_eq!(below, 0);
}

/// C6.0: the same after a restart, whose journal holds an older Notarization beside the floor's Finalization.
#[test]
fn c6_0_a_restart_signs_nothing_at_or_below_the_floor() {
    let world = World::new(4);
    let digest = B256::repeat_byte(5);
    let journal = [
        world.certificate(Notarize, 3, B256::repeat_byte(3)),
        world.certificate(Notarize, 5, digest),
        world.certificate(Finalize, 5, digest),
    ];
    let journal = journal.into_iter().map(JournalRecord::Certificate).collect();
    let tree = Tree::new(&world, world.genesis);
    let mut node = Node::from_journal(&world, member(0), tree, journal);
    assert!(node.wake(0).votes().is_empty());
    assert_eq!((node.view(), node.floor()), (6, 5));
}

/// C6.0, C6.8: a finalised body that comes late carries certificates from below the floor: they change nothing.
#[test]
fn c6_0_certificates_in_a_late_body_sign_nothing_below_the_floor() {
    let world = World::new(4);
    let first = world.offer(&world.genesis, 1, world.ranking(1)[0]);
    let second = world.offer(&first.place, 2, world.ranking(2)[0]);
    let mut node = Node::new(&world, member(0));
    node.hear(0, world.finalization(&second));
    node.tree.import(first.place);
    let seen = node.hear_offer(1, &second);
    assert!(seen.votes().is_empty() && seen.journaled().is_empty(), "{seen:?}");
    assert_eq!(node.tip().hash, second.place.hash);
}

/// C6.0: v = max(floor+1, highest logged own view, highest stored certificate + 1).
#[test]
fn c6_0_the_view_after_a_restart_is_above_floor_own_signatures_and_certificates() {
    let world = World::new(4);
    let me = member(0);
    let floor = JournalRecord::Certificate(world.certificate(Finalize, 5, B256::repeat_byte(5)));
    let own = |view| JournalRecord::Voted(world.vote(Nullify, view, B256::ZERO, me));
    let held = |view| JournalRecord::Certificate(world.nullification(view));
    let offer = world.offer(&world.genesis, 8, me);
    let proposed = JournalRecord::Proposed(offer.message);
    let cases = [
        (vec![], 1),
        (vec![floor.clone()], 6),
        (vec![floor.clone(), own(9)], 9),
        (vec![floor.clone(), own(4)], 6),
        (vec![floor.clone(), proposed], 8),
        (vec![own(9), floor.clone(), held(11)], 12),
        (vec![held(7), floor, own(9)], 9),
    ];
    for (journal, expected) in cases {
        let node = Node::from_journal(&world, me, Tree::new(&world, world.genesis), journal.clone());
        assert_eq!(node.view(), expected, "{journal:?}");
    }
}

/// C6.0: the Finalization stored with the newest block is a floor even where the journal is older.
#[test]
fn c6_0_the_floor_is_at_least_the_committed_tip() {
    let world = World::new(4);
    let tip = world.certificate(Finalize, 9, B256::repeat_byte(9));
    let parameters = Parameters::from(&ConsensusParameters::DEVNET);
    let journal = [JournalRecord::Certificate(world.certificate(Finalize, 5, B256::repeat_byte(5)))];
    let consensus =
        Consensus::new(world.committee.clone(), Identity::Observer, parameters, Some(tip), &journal);
    assert_eq!((consensus.status().view, consensus.status().floor), (View(10), View(9)));
}

/// C6 ⚠: all certificates at or above the floor are kept, the floor's Finalization for ever (dropping it halted
/// 20 of 20 runs); what lies below is pruned.
#[test]
fn c6_certificates_at_or_above_the_floor_are_kept_through_pruning_and_compaction() {
    let world = World::new(4);
    let mut node = Node::new(&world, member(0));
    let digest = B256::repeat_byte;
    let floor = world.certificate(Finalize, 4, digest(4));
    let above = [
        world.nullification(5),
        world.certificate(Notarize, 6, digest(6)),
        world.nullification(6),
        world.certificate(Notarize, 9, digest(9)),
    ];
    node.hear(0, world.certificate(Finalize, 2, digest(2)));
    node.hear(0, world.nullification(3));
    node.hear(0, floor.clone());
    for certificate in &above {
        node.hear(0, certificate.clone());
    }
    for _ in 0..2 {
        let live = node.consensus.live_records();
        let certificates =
            live.iter().filter(|record| matches!(record, JournalRecord::Certificate(_))).count();
        assert_eq!(certificates, 5, "{live:?}");
        assert!(live.contains(&JournalRecord::Certificate(floor.clone())));
        for certificate in &above {
            assert!(live.contains(&JournalRecord::Certificate(certificate.clone())), "{certificate:?}");
        }
        assert_eq!(node.consensus.floor_finalization(), Some(&floor));
        node.compact();
        node.restart();
        assert_eq!((node.view(), node.floor()), (10, 4));
        // And it is shown (C6.5 ⚠).
        assert!(node.wake(1).shown().contains(&(Finalize, 4)));
    }
}

/// C6: own votes and proposals above the floor, and bodies, survive a compaction.
#[test]
fn c6_own_signatures_and_bodies_survive_compaction() {
    let world = World::new(4);
    let ranking = world.ranking(1);
    let mut node = Node::busy(&world, ranking[1]);
    let offer = world.offer(&world.genesis, 1, ranking[0]);
    node.hear_offer(1, &offer);
    assert_eq!(node.wake(CANDIDATE_WAIT).voted(Notarize), [offer.digest]);
    let live = node.consensus.live_records();
    for record in &node.journal {
        assert!(live.contains(record), "{record:?}");
    }
}

/// C6.4–C6.6: what was signed before a crash binds after it.
#[test]
fn c6_a_restart_never_signs_against_its_log() {
    let world = World::new(4);
    let ranking = world.ranking(1);
    let (me, digest) = (ranking[3], B256::repeat_byte(1));
    let start = |vote| {
        let mut tree = Tree::new(&world, world.genesis);
        tree.has_transactions = true;
        Node::from_journal(&world, me, tree, vec![JournalRecord::Voted(vote)])
    };
    let offer = world.offer(&world.genesis, 1, ranking[0]);

    let mut notarized = start(world.vote(Notarize, 1, digest, me));
    notarized.hear_offer(0, &offer);
    let again = notarized.wake(2 * DELTA).voted(Notarize);
    assert!(again.iter().all(|named| *named == digest), "notarized twice in a view (C6.4)");

    let mut nullified = start(world.vote(Nullify, 1, B256::ZERO, me));
    nullified.hear_offer(0, &offer);
    assert!(nullified.wake(2 * DELTA).voted(Notarize).is_empty(), "Notarize after Nullify (C6.4)");
    let seen = nullified.hear(2 * DELTA + 1, world.notarization(&offer));
    assert!(seen.voted(Finalize).is_empty(), "Finalize after Nullify (C6.6)");

    let mut finalized = start(world.vote(Finalize, 1, digest, me));
    finalized.wake(0);
    assert!(finalized.wake(5 * DELTA).voted(Nullify).is_empty(), "Nullify after Finalize (C6.5)");
}

/// C6.6: the certificate was synced, the power failed before the Finalize: the restart makes up for it.
#[test]
fn c6_6_a_restart_finalizes_what_was_notarized_just_before_the_crash() {
    let world = World::new(4);
    let digest = B256::repeat_byte(1);
    let journal = vec![JournalRecord::Certificate(world.certificate(Notarize, 1, digest))];
    let mut node = Node::from_journal(&world, member(0), Tree::new(&world, world.genesis), journal.clone());
    assert_eq!(node.wake(0).voted(Finalize)[0], digest);

    let nullified = JournalRecord::Voted(world.vote(Nullify, 1, B256::ZERO, member(0)));
    let journal = [journal, vec![nullified]].concat();
    let mut node = Node::from_journal(&world, member(0), Tree::new(&world, world.genesis), journal);
    assert!(node.wake(0).voted(Finalize).is_empty());
}

/// C6.7: a floor that was synced before its blocks were committed is committed after the restart.
#[test]
fn c6_7_a_restart_commits_what_its_journal_knows_to_be_final() {
    let world = World::new(4);
    let ranking = world.ranking(1);
    let offer = world.offer(&world.genesis, 1, ranking[0]);
    let journal = vec![
        JournalRecord::Body(Arc::clone(&offer.message)),
        JournalRecord::Certificate(world.finalization(&offer)),
    ];
    let mut node = Node::from_journal(&world, ranking[3], Tree::new(&world, world.genesis), journal);
    node.wake(0);
    assert_eq!(node.tip().hash, offer.place.hash);
    // Without its body the outside is told, so that it fetches the block.
    let journal = vec![JournalRecord::Certificate(world.finalization(&offer))];
    let mut node = Node::from_journal(&world, ranking[3], Tree::new(&world, world.genesis), journal);
    assert_eq!(node.wake(0).finalized(), [1]);
}

/// C6: without keys, or with a lost log, a node only observes: it follows certificates and signs nothing.
#[test]
fn c6_an_observer_follows_and_signs_nothing() {
    let world = World::new(4);
    let parameters = Parameters::from(&ConsensusParameters::DEVNET);
    let mut node = Node::new(&world, member(0));
    node.consensus = Consensus::new(world.committee.clone(), Identity::Observer, parameters, None, &[]);
    node.tree.has_transactions = true;
    let offer = world.offer(&world.genesis, 1, world.ranking(1)[0]);
    node.hear_tickets(0, world.tickets(1));
    node.hear_offer(1, &offer);
    for at_ms in [CANDIDATE_WAIT, 2 * DELTA, 4 * DELTA] {
        assert!(node.wake(at_ms).votes().is_empty());
    }
    let seen = node.hear_all(4 * DELTA, vec![world.notarization(&offer), world.finalization(&offer)]);
    assert!(seen.votes().is_empty() && node.said.is_empty());
    assert_eq!((node.view(), node.floor(), node.tip().hash), (2, 1, offer.place.hash));
    assert!(!node.status().votes);
}

/// C6: a step without anything to sign or store writes nothing: an idle member does not wear its disk.
#[test]
fn c6_an_idle_step_writes_nothing() {
    let mut node = Node::informed(&World::new(4), member(0));
    assert!(node.step(10, Input::Wake).journaled().is_empty());
    assert!(node.journal.is_empty());
}
