//! One rejection for every rule of the seals that a block includes and of what its envelope says of the
//! supervisors (C8, ADR 009); and what honest clerks include.

use super::fixture::{Fixture, transfer, wallet};
use crate::testing::with_seals;
use crate::{BlockError, BlockMeta, SealOffer};
use alloy_primitives::B256;
use btn_crypto::SealError;
use btn_types::limits::{MAX_BLOCK_SEALS, MAX_SEAL_AGE_HEIGHTS};
use btn_types::{Block, Bytes, Height, NodeId, Seal};
use std::sync::Arc;

/// Two unfinalised blocks, one on the other, a sibling of the second, and an unseen honest block on the second.
struct Setting {
    fixture: Fixture,
    first: BlockMeta,
    second: BlockMeta,
    sibling: BlockMeta,
    honest: Block,
}

impl Setting {
    fn new() -> Self {
        Self::of(Fixture::supervised(4))
    }

    fn of(mut fixture: Fixture) -> Self {
        let first = fixture.grow(fixture.genesis_hash(), 1);
        let second = fixture.grow(first, 2);
        let sibling = fixture.grow(first, 3);
        let mut honest = fixture.foreign(second, 4, &[transfer(&wallet(0), 0, 1)]);
        let (first, second, sibling) = (fixture.meta(first), fixture.meta(second), fixture.meta(sibling));
        let seals = [(0, &first), (2, &first), (0, &second), (1, &second)];
        let mut seals: Vec<Seal> = (seals.iter())
            .filter_map(|(place, meta)| {
                (*place < fixture.sealers.len()).then(|| fixture.seal_on(*place, meta.core, meta.hash))?
            })
            .collect();
        let height = |seal: &Seal| if seal.block_hash == first.hash { 1 } else { 2 };
        seals.sort_by_key(|seal| (height(seal), seal.supervisor));
        honest = with_seals(fixture.committee.domain(), &honest, seals);
        Self { fixture, first, second, sibling, honest }
    }

    fn insert(&mut self, block: &Block) -> Result<BlockMeta, BlockError> {
        self.fixture.insert(block.clone())
    }

    /// The honest block with other seals.
    fn with(&self, seals: Vec<Seal>) -> Block {
        with_seals(self.fixture.committee.domain(), &self.honest, seals)
    }

    /// The block is refused, for ever if `error` says so; the honest one passes afterwards.
    fn refuse(&mut self, forged: &Block) -> BlockError {
        assert_ne!(*forged, self.honest, "nothing was forged");
        let error = self.insert(forged).unwrap_err();
        assert_eq!(self.fixture.chain.is_invalid(forged.hash()), error.is_permanent(), "{error}");
        let honest = self.honest.clone();
        let hash = self.insert(&honest).unwrap().hash;
        self.fixture.chain.execute(hash).unwrap();
        error
    }
}

/// The error of the honest block with changed seals.
fn refusal(forge: impl FnOnce(&Setting, &mut Vec<Seal>)) -> BlockError {
    let mut setting = Setting::new();
    let mut seals = setting.honest.seals.clone();
    forge(&setting, &mut seals);
    let forged = setting.with(seals);
    let error = setting.refuse(&forged);
    assert!(error.is_permanent(), "{error}");
    error
}

#[test]
fn seals_that_do_not_hash_to_the_root_are_another_body() {
    let mut setting = Setting::new();
    for seals in [Vec::new(), setting.honest.seals[1..].to_vec()] {
        let forged = Block { seals, ..setting.honest.clone() };
        assert_eq!(forged.hash(), setting.honest.hash());
        let error = setting.insert(&forged).unwrap_err();
        assert!(matches!(error, BlockError::SealRoot { .. }), "{error}");
        assert!(!error.is_permanent() && !setting.fixture.chain.is_invalid(forged.hash()));
    }
    let honest = setting.honest.clone();
    setting.insert(&honest).unwrap();
    // Nor does a known hash vouch for other seals.
    let forged = Block { seals: Vec::new(), ..honest };
    assert!(matches!(setting.insert(&forged), Err(BlockError::SealRoot { .. })));
}

#[test]
fn supervisors_other_than_those_registered() {
    let mut setting = Setting::new();
    let mut forged = setting.honest.clone();
    forged.envelope.supervisors_root = B256::repeat_byte(1);
    setting.fixture.recommit(&mut forged);
    let error = setting.refuse(&forged);
    assert!(matches!(error, BlockError::SupervisorsRoot { .. }) && error.is_permanent(), "{error}");
    for supervisors in [0, 3, 5] {
        let mut setting = Setting::new();
        let mut forged = setting.honest.clone();
        forged.envelope.supervisors = supervisors;
        setting.fixture.recommit(&mut forged);
        let error = setting.refuse(&forged);
        assert!(error.is_permanent(), "{error}");
        assert!(matches!(error, BlockError::SupervisorCount { expected: 4, .. }), "{error}");
    }
}

#[test]
fn too_many_seals() {
    let error = refusal(|_, seals| *seals = vec![seals[0].clone(); MAX_BLOCK_SEALS + 1]);
    assert!(matches!(error, BlockError::TooManySeals { actual: 257, most: 256 }), "{error}");
}

#[test]
fn unsorted_seals() {
    // Of one block by supervisor, of two blocks by height.
    for (left, right) in [(0, 1), (2, 3), (1, 2)] {
        let error = refusal(|_, seals| seals.swap(left, right));
        assert!(matches!(error, BlockError::SealOrder { .. }), "{left}, {right}: {error}");
    }
}

#[test]
fn one_seal_twice() {
    let error = refusal(|_, seals| seals.insert(1, seals[0].clone()));
    assert!(matches!(error, BlockError::SealTwice { height: Height(1), .. }), "{error}");
}

#[test]
fn seals_that_an_unfinalised_ancestor_includes() {
    let mut setting = Setting::new();
    let honest = setting.honest.clone();
    let parent = setting.insert(&honest).unwrap().hash;
    for (number, seal) in honest.seals.iter().enumerate() {
        let child = setting.fixture.foreign_on_forged(&honest, 5 + number as u64);
        let child = with_seals(setting.fixture.committee.domain(), &child, vec![seal.clone()]);
        let error = setting.insert(&child).unwrap_err();
        assert!(matches!(error, BlockError::SealRepeated { ancestor: Height(3), .. }), "{error}");
        assert!(error.is_permanent());
    }
    // On another branch the same seal is new.
    let first = setting.first.hash;
    let side = setting.fixture.foreign(first, 20, &[]);
    let side = with_seals(setting.fixture.committee.domain(), &side, vec![honest.seals[0].clone()]);
    setting.insert(&side).unwrap();
    assert_eq!(setting.fixture.meta(parent).height, Height(3));
}

#[test]
fn seals_that_a_final_ancestor_includes_also_after_a_restart() {
    let mut setting = Setting::new();
    let honest = setting.honest.clone();
    let tip = setting.insert(&honest).unwrap().hash;
    setting.fixture.finalize(tip);
    for restart in [false, true] {
        if restart {
            setting.fixture.chain = setting.fixture.restarted();
        }
        for (number, seal) in honest.seals.iter().enumerate() {
            let child = setting.fixture.foreign(tip, 5 + number as u64, &[]);
            let child = with_seals(setting.fixture.committee.domain(), &child, vec![seal.clone()]);
            let error = setting.insert(&child).unwrap_err();
            assert!(matches!(error, BlockError::SealRepeated { ancestor: Height(3), .. }), "{error}");
        }
        // One that is in no ancestor may still come, also of a block that is on disk only.
        let fresh = setting.fixture.seal(3, &setting.first);
        let child = setting.fixture.foreign(tip, 20, &[]);
        let child = with_seals(setting.fixture.committee.domain(), &child, vec![fresh]);
        setting.insert(&child).unwrap();
    }
}

/// A chain of this height over one block per view, the lowest `finalized` heights final; gives its blocks.
fn grow(fixture: &mut Fixture, heights: u64, finalized: u64) -> Vec<BlockMeta> {
    let mut head = fixture.genesis_hash();
    let mut metas = Vec::new();
    for height in 1..=heights {
        head = fixture.grow(head, height);
        metas.push(fixture.meta(head));
    }
    if finalized > 0 {
        fixture.finalize(metas[finalized as usize - 1].hash);
    }
    metas
}

#[test]
fn seals_older_than_their_age_allows() {
    let age = MAX_SEAL_AGE_HEIGHTS;
    for (finalized, restart) in [(0, false), (3, false), (age + 1, false), (age + 1, true)] {
        let mut fixture = Fixture::supervised(4);
        // The next block stands at age + 2: seals of height 1 are one too old, those of height 2 just young enough.
        let metas = grow(&mut fixture, age + 1, finalized);
        if restart {
            fixture.chain = fixture.restarted();
        }
        let head = metas.last().unwrap().hash;
        let honest = fixture.foreign(head, age + 5, &[]);
        let (old, young) = (fixture.seal(0, &metas[0]), fixture.seal(0, &metas[1]));
        let forged = with_seals(fixture.committee.domain(), &honest, vec![old]);
        let error = fixture.insert(forged).unwrap_err();
        assert!(
            matches!(error, BlockError::SealTooOld { actual: Height(1), lowest: Height(2), .. }),
            "{finalized} final: {error}"
        );
        assert!(error.is_permanent());
        let young = with_seals(fixture.committee.domain(), &honest, vec![young]);
        fixture.insert(young).unwrap();
    }
}

#[test]
fn seals_of_blocks_that_are_no_ancestors() {
    let error = refusal(|setting, seals| *seals = vec![setting.fixture.seal(0, &setting.sibling)]);
    assert!(matches!(error, BlockError::SealOfStranger { .. }), "a sibling: {error}");
    let error = refusal(|setting, seals| {
        let nowhere = B256::repeat_byte(7);
        *seals = vec![setting.fixture.seal_on(0, nowhere, nowhere).unwrap()];
    });
    assert!(matches!(error, BlockError::SealOfStranger { .. }), "an unknown block: {error}");
    // Nobody made genesis, so nobody seals it.
    let error = refusal(|setting, seals| {
        let genesis = setting.fixture.meta(setting.fixture.genesis_hash());
        assert_eq!(genesis.core, B256::ZERO);
        *seals = vec![setting.fixture.seal(0, &genesis)];
    });
    assert!(matches!(error, BlockError::SealTooOld { actual: Height(0), lowest: Height(1), .. }), "{error}");
}

#[test]
fn right_hash_with_another_core() {
    for wrong in [B256::repeat_byte(7), B256::ZERO] {
        let error = refusal(|setting, seals| {
            *seals = vec![setting.fixture.seal_on(0, wrong, setting.second.hash).unwrap()];
        });
        assert!(matches!(error, BlockError::SealCore { actual, .. } if actual == wrong), "{error}");
    }
    let error = refusal(|setting, seals| {
        *seals = vec![setting.fixture.seal_on(0, setting.first.core, setting.second.hash).unwrap()];
    });
    assert!(matches!(error, BlockError::SealCore { .. }), "an ancestor's other core: {error}");
}

#[test]
fn right_core_with_another_hash() {
    // What a supervisor signs that an equivocating clerk deceived.
    let error = refusal(|setting, seals| {
        *seals = vec![setting.fixture.seal_on(0, setting.second.core, B256::repeat_byte(7)).unwrap()];
    });
    assert!(matches!(error, BlockError::SealHash { .. }), "{error}");
}

#[test]
fn forged_draws() {
    for forged in [vec![1; 256], Vec::new(), vec![0; 384]] {
        let error = refusal(|_, seals| seals[0].draw_signature = forged.into());
        assert!(matches!(error, BlockError::Seal(SealError::Draw(_))), "{error}");
    }
    let error = refusal(|setting, seals| {
        seals[0].draw_signature = setting.fixture.seal(0, &setting.second).draw_signature;
    });
    assert!(matches!(error, BlockError::Seal(SealError::Draw(_))), "the draw of another block: {error}");
}

#[test]
fn forged_signatures() {
    for forged in [vec![1; 256], Vec::new()] {
        let error = refusal(|_, seals| seals[1].signature = forged.into());
        assert!(matches!(error, BlockError::Seal(SealError::Signature(_))), "{error}");
    }
    let error = refusal(|_, seals| seals[0].signature = seals[0].draw_signature.clone());
    assert!(matches!(error, BlockError::Seal(SealError::Signature(_))), "the draw is no seal: {error}");
}

#[test]
fn unregistered_supervisors() {
    let error = refusal(|_, seals| {
        seals[0].supervisor = NodeId(B256::ZERO);
    });
    assert!(matches!(error, BlockError::Seal(SealError::NotRegistered(_))), "{error}");
    // Where nobody is registered no seal is valid.
    let mut setting = Setting::of(Fixture::new());
    assert!(setting.honest.seals.is_empty());
    let signature = Bytes::from(vec![1; 256]);
    let seal = Seal {
        supervisor: NodeId(B256::ZERO),
        core: setting.first.core,
        draw_signature: signature.clone(),
        block_hash: setting.first.hash,
        signature,
    };
    let forged = setting.with(vec![seal]);
    let error = setting.refuse(&forged);
    assert!(matches!(error, BlockError::Seal(SealError::NotRegistered(_))), "{error}");
}

#[test]
fn supervisors_that_were_not_drawn() {
    // λ = 2 of 16: two of each block are drawn on average.
    let mut setting = Setting::of(Fixture::supervised_with(16, 2));
    let (core, hash) = (setting.first.core, setting.first.hash);
    let drawn = |place: usize| setting.fixture.seal_on(place, core, hash).is_some();
    let undrawn = (0..16).find(|place| !drawn(*place)).unwrap();
    let seal = setting.fixture.forced_seal(undrawn, core, hash);
    let forged = setting.with(vec![seal]);
    let error = setting.refuse(&forged);
    assert!(matches!(error, BlockError::Seal(SealError::NotDrawn { .. })), "{error}");
}

#[test]
fn a_clerk_includes_what_is_due_and_nothing_twice() {
    let mut fixture = Fixture::supervised(4);
    let first = fixture.grow(fixture.genesis_hash(), 1);
    let side = fixture.grow(fixture.genesis_hash(), 2);
    fixture.offer(first, [2, 0]);
    fixture.offer(side, [1]);
    let second = fixture.grow(first, 3);
    fixture.offer(second, [3]);
    fixture.offer(first, [1]);
    let third = fixture.grow(second, 4);
    let fourth = fixture.grow(third, 5);
    // Another branch has not included them.
    let other = fixture.grow(first, 6);
    let seals = |hash: B256| fixture.chain.block(hash).unwrap().unwrap().seals.clone();
    let expected = |seals: &[(usize, B256)]| -> Vec<Seal> {
        seals.iter().map(|(place, hash)| fixture.seal(*place, &fixture.meta(*hash))).collect()
    };
    assert_eq!(seals(first), []);
    assert_eq!(seals(second), expected(&[(0, first), (2, first)]));
    assert_eq!(seals(third), expected(&[(1, first), (3, second)]));
    assert_eq!(seals(fourth), [], "the seal on the side branch is nobody's here");
    assert_eq!(seals(other), expected(&[(0, first), (1, first), (2, first)]));
    let mut verifier = fixture.restarted();
    for hash in [first, second, third, fourth, other] {
        let block = fixture.chain.block(hash).unwrap().unwrap();
        verifier.insert(block).unwrap();
        verifier.execute(hash).unwrap();
    }
}

#[test]
fn a_full_block_has_the_seals_of_the_newest_blocks() {
    let mut fixture = Fixture::supervised(128);
    let metas = grow(&mut fixture, 4, 0);
    for meta in &metas[..3] {
        fixture.offer(meta.hash, 0..128);
    }
    let next = fixture.grow(metas[3].hash, 5);
    let block = fixture.chain.block(next).unwrap().unwrap();
    assert_eq!(block.seals.len(), MAX_BLOCK_SEALS);
    let sealed: Vec<B256> = block.seals.iter().map(|seal| seal.block_hash).collect();
    assert_eq!(sealed, [vec![metas[1].hash; 128], vec![metas[2].hash; 128]].concat());
    let after = fixture.grow(next, 6);
    let block = fixture.chain.block(after).unwrap().unwrap();
    assert_eq!(block.seals.len(), 128);
    assert!(block.seals.iter().all(|seal| seal.block_hash == metas[0].hash));
    fixture.finalize(after);
}

#[test]
fn a_clerk_includes_nothing_too_old() {
    let age = MAX_SEAL_AGE_HEIGHTS;
    let mut fixture = Fixture::supervised(4);
    let metas = grow(&mut fixture, age, age);
    fixture.offer(metas[0].hash, [0]);
    let head = metas.last().unwrap().hash;
    // The block at age + 1 may still have it, the one above may not.
    let last_chance = fixture.grow(head, age + 1);
    assert_eq!(fixture.chain.block(last_chance).unwrap().unwrap().seals.len(), 1);
    let without = fixture.foreign(head, age + 2, &[]);
    let without = with_seals(fixture.committee.domain(), &without, Vec::new());
    let without = fixture.insert(without).unwrap().hash;
    let late = fixture.grow(without, age + 3);
    assert_eq!(fixture.chain.block(late).unwrap().unwrap().seals, []);
}

#[test]
fn no_seal_is_verified_twice() {
    let mut fixture = Fixture::supervised(4);
    let first = fixture.grow(fixture.genesis_hash(), 1);
    let first_meta = fixture.meta(first);
    fixture.offer(first, [0, 1]);
    assert_eq!(fixture.chain.seal_verifications(), 2);
    let again = fixture.seal(0, &first_meta);
    assert_eq!(fixture.chain.offer_seal(again).unwrap(), SealOffer::Known);
    // Our own block, two foreign ones with the same seals and a new one, and a link that repeats it.
    let second = fixture.grow(first, 2);
    assert_eq!(fixture.chain.seal_verifications(), 2);
    let seals: Vec<Seal> = (0..3).map(|place| fixture.seal(place, &first_meta)).collect();
    for view in [3, 4] {
        let block = fixture.foreign(first, view, &[]);
        let block = with_seals(fixture.committee.domain(), &block, seals.clone());
        fixture.chain.insert(Arc::new(block)).unwrap();
        assert_eq!(fixture.chain.seal_verifications(), 3);
    }
    assert_eq!(fixture.chain.offer_seal(seals[2].clone()).unwrap(), SealOffer::Known);
    fixture.finalize(second);
    assert_eq!(fixture.chain.seal_verifications(), 3);
}
