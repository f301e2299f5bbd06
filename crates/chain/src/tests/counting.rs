//! Counting seals and the third state (C5, C8): whose seals count, for which block, and that the third state only
//! rises.

use super::fixture::Fixture;
use crate::{BlockError, BlockMeta, Chain, SealOffer, SealRefusal};
use btn_crypto::SealError;
use btn_storage::{FinalizedBatch, Store};
use btn_types::limits::MAX_SEAL_AGE_HEIGHTS;
use btn_types::{B256, Block, Height, NodeId, Seal};
use proptest::prelude::*;
use std::sync::Arc;

/// A chain of blocks, one per view, none final.
fn grow(fixture: &mut Fixture, heights: u64) -> Vec<BlockMeta> {
    let mut head = fixture.chain.finalized().hash;
    let mut view = fixture.chain.finalized().view.0;
    let mut metas = Vec::new();
    for _ in 0..heights {
        view += 1;
        head = fixture.grow(head, view);
        metas.push(fixture.meta(head));
    }
    metas
}

/// A block as `meta`'s, by the same clerk in the same view: of the same core and another hash.
fn twin(fixture: &mut Fixture, meta: &BlockMeta) -> BlockMeta {
    let mut block = Block::clone(&fixture.chain.block(meta.hash).unwrap().unwrap());
    block.envelope.timestamp_ms += 1;
    block.header.timestamp = block.envelope.timestamp_ms / 1000;
    fixture.recommit(&mut block);
    let twin = fixture.insert(block).unwrap();
    assert_ne!(twin.hash, meta.hash);
    assert_eq!(twin.core, meta.core);
    twin
}

fn third_height(chain: &Chain) -> u64 {
    chain.third_state().0.0
}

#[test]
fn cores_are_those_of_c3_also_after_a_restart() {
    let mut fixture = Fixture::supervised(3);
    let metas = grow(&mut fixture, 3);
    let domain = *fixture.committee.domain();
    let mut parent_seed = domain.genesis_seed();
    for meta in &metas {
        let block = fixture.chain.block(meta.hash).unwrap().unwrap();
        let envelope = &block.envelope;
        let (clerk, signature) = (envelope.clerk, &envelope.clerk_signature);
        let core = domain.core(envelope.epoch, envelope.view, meta.height, parent_seed, clerk, signature);
        assert_eq!(meta.core, core, "{}", meta.height);
        parent_seed = meta.seed;
    }
    for meta in &metas {
        fixture.finalize(meta.hash);
        assert_eq!(fixture.restarted().finalized(), meta);
    }
}

#[test]
fn a_seal_counts_once_for_its_block() {
    let mut fixture = Fixture::supervised(4);
    let metas = grow(&mut fixture, 2);
    for place in [3, 1] {
        let seal = fixture.seal(place, &metas[0]);
        assert_eq!(fixture.chain.offer_seal(seal.clone()).unwrap(), SealOffer::New);
        assert_eq!(fixture.chain.offer_seal(seal).unwrap(), SealOffer::Known);
    }
    let expected = [1, 3].map(|place| fixture.seal(place, &metas[0]));
    assert_eq!(fixture.chain.seals_of(metas[0].hash), expected);
    assert_eq!(fixture.chain.seals_of(metas[1].hash), []);
    assert!(fixture.chain.is_sealed(metas[0].hash) && !fixture.chain.is_sealed(metas[1].hash));
}

#[test]
fn refused_seals_leave_no_trace() {
    let mut fixture = Fixture::supervised(3);
    let age = MAX_SEAL_AGE_HEIGHTS;
    let metas = grow(&mut fixture, age + 2);
    fixture.finalize(metas[age as usize].hash);
    let meta = *metas.last().unwrap();
    let honest = fixture.seal(0, &meta);
    let mut refuse = |seal: Seal| {
        let error = fixture.chain.offer_seal(seal).unwrap_err();
        assert_eq!(fixture.chain.seals_of(meta.hash), []);
        assert_eq!((fixture.chain.seals.blocks(), fixture.chain.seals.early.len()), (0, 0), "{error}");
        error
    };
    let error = refuse(Seal { supervisor: NodeId(B256::ZERO), ..honest.clone() });
    assert!(matches!(error, SealRefusal::Seal(SealError::NotRegistered(_))) && error.is_fault(), "{error}");
    let error = refuse(Seal { draw_signature: vec![1; 256].into(), ..honest.clone() });
    assert!(matches!(error, SealRefusal::Seal(SealError::Draw(_))) && error.is_fault(), "{error}");
    let error = refuse(Seal { signature: vec![1; 256].into(), ..honest.clone() });
    assert!(matches!(error, SealRefusal::Seal(SealError::Signature(_))) && error.is_fault(), "{error}");
    let error = refuse(Seal { core: B256::ZERO, ..honest.clone() });
    assert!(matches!(error, SealRefusal::Core { .. }) && error.is_fault(), "{error}");
    let error = refuse(Seal { block_hash: B256::repeat_byte(7), ..honest.clone() });
    assert!(matches!(error, SealRefusal::Seal(SealError::Signature(_))), "unknown block: {error}");
    for old in [fixture.genesis_hash(), metas[0].hash] {
        let seal = fixture.seal_on(0, metas[0].core, old).unwrap();
        let error = fixture.chain.offer_seal(seal).unwrap_err();
        assert!(matches!(error, SealRefusal::TooOld { lowest: Height(2), .. }), "{error}");
        assert!(!error.is_fault());
    }
    fixture.offer(metas[1].hash, [0]);
    let mut unsupervised = Fixture::new();
    let first = grow(&mut unsupervised, 1)[0];
    let error = unsupervised.chain.offer_seal(Seal { block_hash: first.hash, ..honest }).unwrap_err();
    assert!(matches!(error, SealRefusal::Seal(SealError::NotRegistered(_))), "{error}");
}

#[test]
fn seals_that_come_before_their_block() {
    let mut fixture = Fixture::supervised(4);
    let block = fixture.foreign(fixture.genesis_hash(), 1, &[]);
    let meta = fixture.restarted().insert(Arc::new(block.clone())).unwrap();
    let (early, wrong) = (fixture.seal(0, &meta), fixture.seal_on(1, B256::ZERO, meta.hash).unwrap());
    for seal in [&early, &wrong] {
        assert_eq!(fixture.chain.offer_seal(seal.clone()).unwrap(), SealOffer::Early);
        assert_eq!(fixture.chain.offer_seal(seal.clone()).unwrap(), SealOffer::Known);
    }
    let forged = Seal { signature: vec![1; 256].into(), ..fixture.seal(2, &meta) };
    let error = fixture.chain.offer_seal(forged).unwrap_err();
    assert!(matches!(error, SealRefusal::Seal(SealError::Signature(_))), "{error}");
    assert_eq!(fixture.chain.seals_of(meta.hash), []);
    fixture.insert(block).unwrap();
    assert_eq!(fixture.chain.seals_of(meta.hash), [early], "the one with a wrong core is nobody's");
    assert_eq!(fixture.chain.seals.early.len(), 0);
    assert_eq!(fixture.chain.seal_verifications(), 3);
}

#[test]
fn a_seal_in_a_block_counts_as_soon_as_the_block_is_here() {
    let mut fixture = Fixture::supervised(4);
    let first = grow(&mut fixture, 1)[0];
    let mut block = fixture.foreign(first.hash, 2, &[]);
    block = crate::testing::with_seals(fixture.committee.domain(), &block, vec![fixture.seal(1, &first)]);
    fixture.insert(block).unwrap();
    assert_eq!(fixture.chain.seals_of(first.hash), [fixture.seal(1, &first)]);
    let seal = fixture.seal(1, &first);
    assert_eq!(fixture.chain.offer_seal(seal).unwrap(), SealOffer::Known);
}

#[test]
fn seals_of_siblings_are_never_added() {
    // C8 ⚠: 2·(s_min − 1) seals by as many supervisors over two siblings make no second state.
    for supervisors in [4, 6, 16] {
        let mut fixture = Fixture::supervised(supervisors);
        let least = fixture.supervisors.quorum();
        assert!(least >= 2 && 2 * (least - 1) >= least, "S = {supervisors} shows nothing");
        let first = grow(&mut fixture, 1)[0];
        let twin = twin(&mut fixture, &first);
        let other_view = fixture.grow(fixture.genesis_hash(), 2);
        fixture.offer(first.hash, 0..least - 1);
        fixture.offer(twin.hash, least - 1..2 * (least - 1));
        fixture.offer(other_view, least - 1..2 * (least - 1));
        for hash in [first.hash, twin.hash, other_view] {
            assert!(!fixture.chain.is_sealed(hash), "S = {supervisors}");
        }
        fixture.finalize(first.hash);
        assert_eq!((fixture.take_third_state(), third_height(&fixture.chain)), (None, 0));
        fixture.offer(first.hash, [2 * (least - 1)]);
        assert_eq!((fixture.take_third_state(), third_height(&fixture.chain)), (Some(1), 1));
    }
}

#[test]
fn seals_of_two_heights_are_never_added() {
    for supervisors in [4, 16] {
        let mut fixture = Fixture::supervised(supervisors);
        let least = fixture.supervisors.quorum();
        let metas = grow(&mut fixture, 3);
        fixture.finalize(metas[1].hash);
        fixture.offer(metas[0].hash, 0..least - 1);
        fixture.offer(metas[1].hash, least - 1..2 * (least - 1));
        fixture.offer(metas[2].hash, 0..least - 1);
        assert_eq!(fixture.take_third_state(), None, "S = {supervisors}");
        fixture.finalize(metas[2].hash);
        assert_eq!((fixture.take_third_state(), third_height(&fixture.chain)), (None, 0));
    }
}

#[test]
fn a_second_seal_on_one_core_counts_for_its_own_block_only() {
    let mut fixture = Fixture::supervised(6);
    assert_eq!(fixture.supervisors.quorum(), 2);
    let first = grow(&mut fixture, 1)[0];
    let twin = twin(&mut fixture, &first);
    fixture.offer(first.hash, [0]);
    fixture.offer(twin.hash, [0]);
    for hash in [first.hash, twin.hash] {
        assert_eq!(fixture.chain.seals_of(hash).len(), 1);
        assert!(!fixture.chain.is_sealed(hash));
    }
}

#[test]
fn a_descendants_seals_cover_all_its_ancestors() {
    let mut fixture = Fixture::supervised(16);
    let least = fixture.supervisors.quorum();
    let metas = grow(&mut fixture, 5);
    fixture.offer(metas[1].hash, 0..1);
    fixture.offer(metas[4].hash, 0..least);
    fixture.finalize(metas[3].hash);
    assert_eq!(fixture.take_third_state(), None, "never above the finalised tip");
    fixture.finalize(metas[4].hash);
    assert_eq!(fixture.take_third_state(), Some(5));
    let stored = fixture.store.reader();
    assert_eq!(stored.seals(Height(5)).unwrap(), fixture.chain.seals_of(metas[4].hash));
    assert_eq!(fixture.chain.third_state(), (Height(5), metas[4].hash));
}

#[test]
fn the_third_state_never_moves_back_also_across_a_restart() {
    let mut fixture = Fixture::supervised(4);
    let metas = grow(&mut fixture, 4);
    fixture.finalize(metas[2].hash);
    fixture.offer(metas[1].hash, 0..2);
    assert_eq!(fixture.take_third_state(), Some(2));
    fixture.offer(metas[0].hash, 0..4);
    assert_eq!(fixture.take_third_state(), None, "a lower block");
    fixture.offer(metas[1].hash, 2..4);
    assert_eq!(fixture.take_third_state(), None, "the same one");
    fixture.chain = fixture.restarted();
    assert_eq!(fixture.chain.third_state(), (Height(2), metas[1].hash));
    assert_eq!(fixture.take_third_state(), None);
    fixture.offer(metas[2].hash, 0..2);
    assert_eq!(fixture.take_third_state(), Some(3));
    // What was taken and not stored before a crash was told to nobody.
    let next = fixture.grow(metas[2].hash, 10);
    fixture.offer(next, 0..2);
    fixture.finalize(next);
    assert!(fixture.chain.take_third_state().is_some());
    assert_eq!(third_height(&fixture.restarted()), 3);
}

#[test]
fn seals_make_the_third_state_with_the_finalization_that_comes_later() {
    let mut fixture = Fixture::supervised(4);
    let metas = grow(&mut fixture, 2);
    fixture.offer(metas[1].hash, 0..4);
    assert!(fixture.chain.is_sealed(metas[1].hash));
    assert_eq!(fixture.chain.take_third_state(), None);
    let mut batch = fixture.finalize_only(metas[1].hash).unwrap().unwrap();
    batch.sealed = fixture.chain.take_third_state();
    let sealed = batch.sealed.clone().unwrap();
    assert_eq!((sealed.height, sealed.seals.len()), (Height(2), fixture.supervisors.quorum()));
    fixture.store.commit(batch).unwrap();
    assert_eq!(third_height(&fixture.restarted()), 2);
}

#[test]
fn where_nobody_supervises_the_tip_is_the_third_state() {
    let mut fixture = Fixture::new();
    assert_eq!(fixture.chain.third_state(), (Height(0), fixture.genesis_hash()));
    let metas = grow(&mut fixture, 2);
    fixture.finalize(metas[1].hash);
    assert_eq!(fixture.chain.third_state(), (Height(2), metas[1].hash));
    assert_eq!(fixture.chain.take_third_state(), None, "nothing needs to be recorded");
    assert!(fixture.chain.is_sealed(metas[1].hash));
    assert_eq!(fixture.store.reader().third_state().unwrap(), None);
    assert_eq!(fixture.restarted().third_state(), (Height(2), metas[1].hash));
}

#[test]
fn a_sealed_block_far_below_a_long_finalisation_counts() {
    // A node that catches up makes more heights final at once than the window holds.
    let mut fixture = Fixture::supervised(4);
    let metas = grow(&mut fixture, MAX_SEAL_AGE_HEIGHTS + 20);
    fixture.offer(metas[4].hash, 0..2);
    fixture.offer(metas[6].hash, 0..1);
    let mut batch = fixture.finalize_only(metas.last().unwrap().hash).unwrap().unwrap();
    batch.sealed = fixture.chain.take_third_state();
    assert_eq!(batch.sealed.as_ref().unwrap().height, Height(5));
    assert_eq!(third_height(&fixture.chain), 5);
    fixture.store.commit(batch).unwrap();
    assert_eq!(fixture.take_third_state(), None);
    fixture.offer(metas[40].hash, 0..2);
    assert_eq!(fixture.take_third_state(), Some(41));
}

#[test]
fn a_sealed_block_that_left_the_window_gives_way_to_a_higher_one() {
    let mut fixture = Fixture::supervised(4);
    let metas = grow(&mut fixture, MAX_SEAL_AGE_HEIGHTS + 20);
    fixture.offer(metas[4].hash, 0..2);
    fixture.finalize(metas.last().unwrap().hash);
    fixture.offer(metas[30].hash, 0..2);
    assert_eq!(fixture.take_third_state(), Some(31));
    assert_eq!(fixture.take_third_state(), None, "and is forgotten");
}

#[test]
fn a_restart_finds_the_seals_of_blocks_and_of_the_store() {
    let mut fixture = Fixture::supervised(16);
    let metas = grow(&mut fixture, 1);
    fixture.offer(metas[0].hash, 0..4);
    let second = fixture.grow(metas[0].hash, 2);
    let third = fixture.grow(second, 3);
    fixture.offer(metas[0].hash, 4..8);
    fixture.finalize(second);
    assert_eq!(fixture.take_third_state(), Some(1));
    fixture.offer(second, 0..3);
    fixture.finalize(third);
    fixture.chain = fixture.restarted();
    let places = |seals: Vec<Seal>| -> Vec<usize> {
        seals.iter().map(|seal| fixture.supervisors.place_of(seal.supervisor).unwrap()).collect()
    };
    // Four are in a block, six of the eight were stored as the proof.
    assert_eq!(places(fixture.chain.seals_of(metas[0].hash)), [0, 1, 2, 3, 4, 5]);
    assert_eq!(places(fixture.chain.seals_of(second)), [0; 0], "what was only on links is lost");
    assert_eq!(fixture.chain.seal_verifications(), 0);
    fixture.offer(second, 0..6);
    assert_eq!(fixture.take_third_state(), Some(2));
}

#[test]
fn seals_go_with_their_blocks() {
    let mut fixture = Fixture::supervised(4);
    let metas = grow(&mut fixture, 3);
    let side = fixture.grow(metas[0].hash, 10);
    let forgotten = fixture.grow(metas[2].hash, 11);
    let mut forged = fixture.foreign(metas[2].hash, 12, &[]);
    forged.header.state_root = B256::repeat_byte(1);
    let forged = fixture.insert(forged).unwrap();
    let on_forged = fixture.foreign_on_forged(&fixture.chain.block(forged.hash).unwrap().unwrap(), 13);
    let on_forged = fixture.insert(on_forged).unwrap();
    for hash in [metas[1].hash, side, forgotten, forged.hash, on_forged.hash] {
        fixture.offer(hash, 0..4);
    }
    assert_eq!(fixture.chain.seals.blocks(), 5);
    fixture.chain.forget(forgotten);
    assert_eq!(fixture.chain.seals.blocks(), 4);
    assert!(matches!(fixture.chain.execute(on_forged.hash), Err(BlockError::InvalidAncestor { .. })));
    assert_eq!(fixture.chain.seals.blocks(), 2);
    let late = fixture.seal(0, &forged);
    let error = fixture.chain.offer_seal(late).unwrap_err();
    assert!(matches!(error, SealRefusal::InvalidBlock { .. }), "{error}");
    fixture.finalize(metas[2].hash);
    assert_eq!(fixture.chain.seals.blocks(), 1, "the sibling's went with it");
    let mut head = metas[2].hash;
    for view in 20..20 + MAX_SEAL_AGE_HEIGHTS {
        head = fixture.grow(head, view);
        fixture.finalize(head);
    }
    assert_eq!(fixture.chain.seals.blocks(), 0, "and the old block's with the window");
    let heights =
        |chain: &Chain| -> Vec<u64> { chain.window.newest_first().map(|link| link.height.0).collect() };
    assert_eq!(heights(&fixture.chain).len() as u64, MAX_SEAL_AGE_HEIGHTS);
    assert_eq!(heights(&fixture.restarted()), heights(&fixture.chain));
}

#[test]
fn early_seals_of_a_block_that_proves_invalid_go() {
    let mut fixture = Fixture::supervised(4);
    let mut block = fixture.foreign(fixture.genesis_hash(), 1, &[]);
    block.header.gas_limit += 1;
    let seal = fixture.seal_on(0, B256::ZERO, block.hash()).unwrap();
    assert_eq!(fixture.chain.offer_seal(seal).unwrap(), SealOffer::Early);
    fixture.insert(block).unwrap_err();
    assert_eq!(fixture.chain.seals.early.len(), 0);
}

#[test]
fn one_supervisor_cannot_fill_the_memory() {
    let most = crate::seals::MAX_SEALS_PER_SUPERVISOR;
    let mut fixture = Fixture::supervised(4);
    let mut meta = grow(&mut fixture, 1)[0];
    for number in 0..=most {
        let seal = fixture.seal(0, &meta);
        match fixture.chain.offer_seal(seal) {
            Ok(SealOffer::New) => assert!(number < most),
            Err(SealRefusal::TooMany { .. }) => assert_eq!(number, most),
            other => panic!("{number}: {other:?}"),
        }
        if number < most {
            meta = twin(&mut fixture, &meta);
        }
    }
    fixture.offer(meta.hash, 1..4);
}

#[test]
fn views_show_the_third_state_and_all_seals() {
    let mut fixture = Fixture::supervised(16);
    let metas = grow(&mut fixture, 2);
    fixture.offer(metas[0].hash, 0..6);
    fixture.finalize(metas[0].hash);
    assert_eq!(fixture.take_third_state(), Some(1));
    fixture.offer(metas[0].hash, 6..8);
    fixture.offer(metas[1].hash, 3..5);
    let view = fixture.chain.view(metas[1].hash).unwrap();
    assert_eq!(view.third_state(), (Height(1), metas[0].hash));
    assert_eq!(view.third_block().unwrap().unwrap().hash, metas[0].hash);
    assert_eq!(view.seals(Height(1)).unwrap(), fixture.chain.seals_of(metas[0].hash));
    assert_eq!(view.seals(Height(1)).unwrap().len(), 8);
    assert_eq!(view.seals(Height(2)).unwrap(), [], "not final");
    assert_eq!(view.counted(metas[1].hash).count(), 2);
    assert_eq!(view.seals(Height(0)).unwrap(), []);
    // Far above, the window has forgotten them; blocks and store have not.
    let mut head = metas[1].hash;
    for number in 0..MAX_SEAL_AGE_HEIGHTS + 2 {
        if number == 1 {
            fixture.offer(metas[1].hash, 5..6);
        }
        head = fixture.grow(head, 10 + number);
        fixture.finalize(head);
    }
    assert_eq!(fixture.chain.seals_of(metas[0].hash), []);
    let later = fixture.chain.view(head).unwrap();
    assert_eq!(later.seals(Height(1)).unwrap().len(), 8);
    assert_eq!(later.seals(Height(2)).unwrap().len(), 3);
    assert_eq!(view.third_state().0, Height(1), "an old view stays as it was");
    assert_eq!(view.seals(Height(1)).unwrap().len(), 8);
}

/// One step of a random history.
#[derive(Clone, Debug)]
enum Step {
    Grow { back: usize },
    Seal { back: usize, supervisor: usize },
    Finalize { back: usize },
    Restart,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        5 => (0usize..3).prop_map(|back| Step::Grow { back }),
        16 => (0usize..5, 0usize..6).prop_map(|(back, supervisor)| Step::Seal { back, supervisor }),
        3 => (0usize..3).prop_map(|back| Step::Finalize { back }),
        1 => Just(Step::Restart),
    ]
}

/// C11 invariant 10, on one node: the third state only rises, is final, and has s_min seals on one block.
fn check(steps: &[Step]) {
    let mut fixture = Fixture::supervised(6);
    let least = fixture.supervisors.quorum();
    let mut metas = vec![*fixture.chain.finalized()];
    let (mut view, mut third) = (0, 0);
    for step in steps {
        let pick = |back: usize| metas[metas.len().saturating_sub(1 + back)];
        match *step {
            Step::Grow { back } => {
                view += 1;
                if fixture.chain.meta(pick(back).hash).is_some() {
                    let hash = fixture.grow(pick(back).hash, view);
                    metas.push(fixture.meta(hash));
                }
            }
            Step::Seal { back, supervisor } if pick(back).height > Height(0) => {
                let seal = fixture.seal(supervisor, &pick(back));
                fixture.chain.offer_seal(seal).unwrap();
            }
            Step::Seal { .. } => {}
            Step::Finalize { back } => {
                let target = pick(back);
                if fixture.chain.unfinalized().any(|meta| meta.hash == target.hash) {
                    let mut batch = fixture.finalize_only(target.hash).unwrap().unwrap();
                    batch.sealed = fixture.chain.take_third_state();
                    fixture.store.commit(batch).unwrap();
                }
            }
            Step::Restart => fixture.chain = fixture.restarted(),
        }
        if let Some(sealed) = fixture.chain.take_third_state() {
            assert_eq!(sealed.seals.len(), least);
            assert!(sealed.seals.iter().all(|seal| seal.block_hash == sealed.hash));
            fixture
                .store
                .commit(FinalizedBatch { sealed: Some(sealed), ..FinalizedBatch::default() })
                .unwrap();
        }
        let (height, hash) = fixture.chain.third_state();
        assert!(height.0 >= third, "from {third} back to {height}");
        assert!(height <= fixture.chain.finalized().height);
        assert_eq!(fixture.chain.finalized_height_of(hash).unwrap(), Some(height));
        third = height.0;
        let mut window = fixture.chain.window.newest_first().take_while(|link| link.height > height);
        assert!(window.all(|link| fixture.chain.seals.number(link.hash) < least), "one was missed");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    #[test]
    fn the_third_state_only_rises(steps in prop::collection::vec(step(), 1..80)) {
        check(&steps);
    }
}
