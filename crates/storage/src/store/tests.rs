//! One set of tests for every [`Store`]: the simulator's must not differ from the disk's.

use crate::testing::{
    CACHE_BYTES, account, address, any_diff, batch, certificate, chain, diff, finalized, hash, identity,
    seal, sealed, slots, state,
};
use crate::{FinalizedBatch, MemoryStore, RedbStore, SealedBlock, Store, StoreError, StoredState, StoredTip};
use alloy_primitives::keccak256;
use btn_types::{AccountDiff, B256, Bytes, Height, NodeId, StateDiff, StateReader, U256, VoteKind};
use proptest::prelude::*;

/// Runs a test on each kind of store, empty.
fn on_each(test: impl Fn(&mut dyn Store)) {
    test(&mut MemoryStore::new());
    let directory = tempfile::tempdir().unwrap();
    test(&mut RedbStore::open(&directory.path().join("chain.redb"), CACHE_BYTES, identity().chain).unwrap());
}

fn with_storage(nonce: u64, storage: &[(u64, u64)]) -> AccountDiff {
    AccountDiff { account: Some(account(nonce)), storage_wiped: false, storage: slots(storage) }
}

#[test]
fn an_empty_store_has_nothing() {
    on_each(|store| {
        store.commit(FinalizedBatch::default()).unwrap();
        let reader = store.reader();
        assert_eq!(reader.tip().unwrap(), None);
        assert_eq!(reader.block(Height(0)).unwrap(), None);
        assert_eq!(reader.third_state().unwrap(), None);
        assert_eq!(reader.seals(Height(0)).unwrap(), []);
        assert_eq!(state(&*reader).len(), 0);
    });
}

#[test]
fn every_reader_method_finds_what_was_written() {
    let code = Bytes::from_static(b"\x60\x00");
    let mut genesis = diff(vec![(address(1), with_storage(1, &[(1, 11), (2, 22)]))]);
    genesis.codes.insert(keccak256(&code), code.clone());
    let blocks = chain(vec![genesis, StateDiff::default(), StateDiff::default()]);
    on_each(|store| {
        store.commit(batch(&blocks[..1])).unwrap();
        store.commit(batch(&blocks[1..])).unwrap();
        let reader = store.reader();
        assert_eq!(reader.tip().unwrap(), Some(StoredTip { height: Height(2), hash: blocks[2].hash }));
        for finalized in &blocks {
            let height = finalized.block.height();
            assert_eq!(reader.block(height).unwrap().unwrap(), *finalized.block);
            assert_eq!(reader.header(height).unwrap().unwrap(), finalized.block.header);
            assert_eq!(reader.hash_of(height).unwrap(), Some(finalized.hash));
            assert_eq!(reader.height_of(finalized.hash).unwrap(), Some(height));
            assert_eq!(reader.receipts(height).unwrap().as_ref(), Some(&finalized.receipts));
            assert_eq!(reader.finalization(height).unwrap(), finalized.finalization);
            for (index, transaction) in (0u32..).zip(&finalized.block.transactions) {
                let location = reader.transaction_location(*transaction.tx_hash()).unwrap();
                assert_eq!(location, Some((height, index)));
            }
        }
        assert_eq!(reader.finalization(Height(2)).unwrap(), Some(certificate(VoteKind::Finalize, 6)));
        assert_eq!(reader.account(address(1)).unwrap(), Some(account(1)));
        assert_eq!(reader.storage(address(1), U256::from(2)).unwrap(), U256::from(22));
        assert_eq!(reader.code(keccak256(&code)).unwrap(), Some(code.clone()));
    });
}

#[test]
fn every_reader_method_says_what_is_absent() {
    let blocks = chain(vec![diff(vec![(address(1), with_storage(1, &[(1, 11)]))])]);
    on_each(|store| {
        store.commit(batch(&blocks)).unwrap();
        let reader = store.reader();
        assert_eq!(reader.block(Height(1)).unwrap(), None);
        assert_eq!(reader.header(Height(1)).unwrap(), None);
        assert_eq!(reader.hash_of(Height(u64::MAX)).unwrap(), None);
        assert_eq!(reader.height_of(hash(1)).unwrap(), None);
        assert_eq!(reader.receipts(Height(1)).unwrap(), None);
        assert_eq!(reader.finalization(Height(1)).unwrap(), None);
        assert_eq!(reader.transaction_location(hash(1)).unwrap(), None);
        assert_eq!(reader.account(address(2)).unwrap(), None);
        assert_eq!(reader.storage(address(1), U256::MAX).unwrap(), U256::ZERO);
        assert_eq!(reader.storage(address(2), U256::from(1)).unwrap(), U256::ZERO);
        assert_eq!(reader.code(hash(1)).unwrap(), None);
    });
}

#[test]
fn differences_change_only_what_they_name() {
    let neighbours = [(address(1), with_storage(1, &[(1, 1)])), (address(3), with_storage(3, &[(3, 3)]))];
    let start = [neighbours.to_vec(), vec![(address(2), with_storage(2, &[(1, 11), (2, 22)]))]].concat();
    let removed = AccountDiff { storage: slots(&[(9, 9)]), ..Default::default() };
    let wiped = AccountDiff { storage_wiped: true, ..with_storage(5, &[(7, 77)]) };
    type Left = Option<(u64, &'static [(u64, u64)])>;
    let table: [(&str, AccountDiff, Left); 5] = [
        ("written", with_storage(5, &[(2, 23), (3, 33)]), Some((5, &[(1, 11), (2, 23), (3, 33)]))),
        ("zero clears", with_storage(2, &[(1, 0), (4, 0)]), Some((2, &[(2, 22)]))),
        ("balance only", with_storage(6, &[]), Some((6, &[(1, 11), (2, 22)]))),
        ("wiped and written", wiped, Some((5, &[(7, 77)]))),
        ("removed", removed, None),
    ];
    for (name, change, left) in table {
        let again = diff(vec![(address(2), with_storage(8, &[(8, 8)]))]);
        let blocks = chain(vec![diff(start.clone()), diff(vec![(address(2), change)]), again]);
        on_each(|store| {
            store.commit(batch(&blocks[..1])).unwrap();
            store.commit(batch(&blocks[1..2])).unwrap();
            let mut found = state(&*store.reader());
            let expected = left.map(|(nonce, storage)| (account(nonce), slots(storage)));
            assert_eq!(found.remove(&address(2)), expected, "{name}");
            let expected =
                neighbours.clone().map(|(address, diff)| (address, (diff.account.unwrap(), diff.storage)));
            assert_eq!(found, expected.into_iter().collect(), "{name}: the neighbours");

            store.commit(batch(&blocks[2..])).unwrap();
            let mut expected = slots(left.map_or(&[], |(_, storage)| storage));
            expected.insert(U256::from(8), U256::from(8));
            assert_eq!(state(&*store.reader())[&address(2)], (account(8), expected), "{name}, then written");
        });
    }
}

#[test]
fn a_batch_that_does_not_continue_is_refused_and_leaves_no_trace() {
    let blocks = chain(vec![StateDiff::default(); 3]);
    let changed = || diff(vec![(address(9), with_storage(9, &[]))]);
    let child = || finalized(1, blocks[0].hash, changed());
    let mut wrong_hash = child();
    wrong_hash.hash = hash(1);
    let mut receipt_missing = child();
    receipt_missing.receipts.pop();
    on_each(|store| {
        let error = store.commit(batch(&blocks[1..2])).unwrap_err();
        let expected = Height(0);
        assert!(
            matches!(error, StoreError::HeightOutOfOrder { expected: e, .. } if e == expected),
            "{error}"
        );
        store.commit(batch(&blocks[..1])).unwrap();
        let mut refuse = |blocks: &[_]| store.commit(batch(blocks)).unwrap_err();
        assert!(matches!(refuse(&blocks[..1]), StoreError::HeightOutOfOrder { .. }), "repeated");
        assert!(matches!(refuse(&blocks[2..]), StoreError::HeightOutOfOrder { .. }), "gap");
        let gap = [child(), blocks[0].clone()];
        assert!(matches!(refuse(&gap), StoreError::HeightOutOfOrder { .. }), "gap inside the batch");
        let orphan = [finalized(1, hash(1), changed())];
        assert!(matches!(refuse(&orphan), StoreError::WrongParent { .. }));
        let orphan = [child(), finalized(2, hash(1), changed())];
        assert!(matches!(refuse(&orphan), StoreError::WrongParent { .. }), "inside the batch");
        assert!(matches!(refuse(&[wrong_hash.clone()]), StoreError::WrongHash { .. }));
        assert!(matches!(refuse(&[receipt_missing.clone()]), StoreError::ReceiptCount { .. }));
        let reader = store.reader();
        assert_eq!(reader.tip().unwrap().unwrap().height, Height(0));
        assert_eq!(state(&*reader).len(), 0);
        store.commit(batch(&[child()])).unwrap();
        assert_eq!(reader.account(address(9)).unwrap(), Some(account(9)));
    });
}

/// A batch that moves the third state.
fn sealing(blocks: &[crate::FinalizedBlock], sealed: SealedBlock) -> FinalizedBatch {
    FinalizedBatch { sealed: Some(sealed), ..batch(blocks) }
}

#[test]
fn the_third_state_is_stored_with_its_seals() {
    let blocks = chain(vec![StateDiff::default(); 4]);
    on_each(|store| {
        let third_state =
            |store: &dyn Store| store.reader().third_state().unwrap().map(|place| place.height.0);
        store.commit(batch(&blocks[..2])).unwrap();
        assert_eq!(third_state(store), None);
        store.commit(sealing(&[], sealed(&blocks[1], 2))).unwrap();
        let snapshot = store.reader().snapshot().unwrap();
        assert_eq!(third_state(store), Some(1));
        store.commit(batch(&blocks[2..3])).unwrap();
        assert_eq!(third_state(store), Some(1), "it stays where blocks come without it");
        store.commit(sealing(&blocks[3..], sealed(&blocks[3], 3))).unwrap();
        let reader = store.reader();
        let expected = StoredTip { height: Height(3), hash: blocks[3].hash };
        assert_eq!(reader.third_state().unwrap(), Some(expected));
        for (height, supervisors) in [(0, 0), (1, 2), (2, 0), (3, 3), (4, 0)] {
            let expected =
                blocks.get(height).map(|block| sealed(block, supervisors).seals).unwrap_or_default();
            assert_eq!(reader.seals(Height(height as u64)).unwrap(), expected, "{height}");
        }
        let fixed = snapshot.third_state().unwrap().unwrap();
        assert_eq!((fixed.height, snapshot.seals(Height(3)).unwrap()), (Height(1), Vec::new()));
    });
}

#[test]
fn a_third_state_that_does_not_continue_is_refused_and_leaves_no_trace() {
    let blocks = chain(vec![StateDiff::default(); 4]);
    on_each(|store| {
        store.commit(sealing(&blocks[..3], sealed(&blocks[1], 2))).unwrap();
        let mut refuse = |part: &[_], sealed| store.commit(sealing(part, sealed)).unwrap_err();
        for height in [0, 1] {
            let error = refuse(&[], sealed(&blocks[height], 2));
            assert!(matches!(error, StoreError::ThirdStateBack { expected: Height(2), .. }), "{error}");
        }
        let error = refuse(&[], sealed(&blocks[3], 2));
        assert!(matches!(error, StoreError::SealedNotFinal { expected: None, .. }), "above the tip: {error}");
        let stranger = finalized(2, hash(1), StateDiff::default());
        let error = refuse(&[], sealed(&stranger, 2));
        assert!(matches!(error, StoreError::SealedNotFinal { expected: Some(_), .. }), "{error}");
        let stranger = finalized(3, hash(1), StateDiff::default());
        let error = refuse(&blocks[3..], sealed(&stranger, 2));
        assert!(
            matches!(error, StoreError::SealedNotFinal { expected: Some(_), .. }),
            "in the batch: {error}"
        );
        let error = refuse(&blocks[3..], sealed(&blocks[3], 0));
        assert!(matches!(error, StoreError::SealOrder { actual: 0, .. }), "{error}");
        let mut twice = sealed(&blocks[3], 2);
        twice.seals[1] = twice.seals[0].clone();
        let error = refuse(&blocks[3..], twice);
        assert!(matches!(error, StoreError::SealOrder { actual: 2, .. }), "{error}");
        let mut foreign = sealed(&blocks[3], 2);
        foreign.seals.push(seal(3, blocks[2].hash));
        let error = refuse(&blocks[3..], foreign);
        let supervisor = NodeId(hash(3));
        assert!(matches!(error, StoreError::ForeignSeal { supervisor: s, .. } if s == supervisor), "{error}");

        let reader = store.reader();
        assert_eq!(reader.tip().unwrap().unwrap().height, Height(2), "the blocks of a refused batch");
        assert_eq!(reader.third_state().unwrap().unwrap().height, Height(1));
        assert_eq!(reader.seals(Height(3)).unwrap(), []);
        store.commit(sealing(&blocks[3..], sealed(&blocks[2], 2))).unwrap();
        assert_eq!(reader.third_state().unwrap().unwrap().height, Height(2));
    });
}

#[test]
fn a_snapshot_stays_while_the_reader_moves_on() {
    let write = |nonce| diff(vec![(address(1), with_storage(nonce, &[(1, nonce)]))]);
    let blocks = chain(vec![write(1), write(2)]);
    on_each(|store| {
        store.commit(batch(&blocks[..1])).unwrap();
        let reader = store.reader();
        let snapshot = reader.snapshot().unwrap();
        store.commit(batch(&blocks[1..])).unwrap();
        for fixed in [&snapshot, &snapshot.snapshot().unwrap()] {
            assert_eq!(fixed.tip().unwrap().unwrap().hash, blocks[0].hash);
            assert_eq!(fixed.storage(address(1), U256::from(1)).unwrap(), U256::from(1));
            assert_eq!(fixed.block(Height(1)).unwrap(), None);
        }
        assert_eq!(reader.tip().unwrap().unwrap().hash, blocks[1].hash);
        assert_eq!(reader.account(address(1)).unwrap(), Some(account(2)));
    });
}

#[test]
fn a_visitor_ends_the_walk() {
    let accounts = (1..5).map(|byte| (address(byte), with_storage(1, &[(1, 1), (2, 2)]))).collect();
    let blocks = chain(vec![diff(accounts)]);
    on_each(|store| {
        store.commit(batch(&blocks)).unwrap();
        let mut seen = Vec::new();
        let stop = |actual| StoreError::HeightOutOfOrder { expected: Height(0), actual };
        let result = store.reader().for_each_account(&mut |address, _, _| {
            seen.push(address);
            if seen.len() == 2 { Err(stop(Height(77))) } else { Ok(()) }
        });
        assert!(matches!(result, Err(StoreError::HeightOutOfOrder { actual: Height(77), .. })));
        assert_eq!(seen, [address(1), address(2)]);
    });
}

#[test]
fn execution_reads_the_stored_state() {
    let code = Bytes::from_static(b"\x60\x01");
    let mut genesis = diff(vec![(address(1), with_storage(1, &[(1, 11)]))]);
    genesis.codes.insert(keccak256(&code), code.clone());
    let blocks = chain(vec![genesis]);
    on_each(|store| {
        store.commit(batch(&blocks)).unwrap();
        let state = StoredState::new(store.reader());
        assert_eq!(state.account(address(1)).unwrap(), Some(account(1)));
        assert_eq!(state.storage(address(1), U256::from(1)).unwrap(), U256::from(11));
        assert_eq!(state.code(keccak256(&code)).unwrap(), Some(code.clone()));
        assert_eq!(state.block_hash(0).unwrap(), Some(blocks[0].hash));
        assert_eq!(state.block_hash(1).unwrap(), None);
    });
}

#[test]
fn a_clone_of_the_memory_store_goes_its_own_way() {
    let blocks = chain(vec![StateDiff::default(); 2]);
    let mut store = MemoryStore::new();
    store.commit(batch(&blocks[..1])).unwrap();
    let copy = store.clone();
    store.commit(batch(&blocks[1..])).unwrap();
    assert_eq!(copy.reader().tip().unwrap().unwrap().height, Height(0));
    assert_eq!(store.reader().tip().unwrap().unwrap().height, Height(1));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn disk_and_memory_hold_the_same_state(
        diffs in proptest::collection::vec(any_diff(), 1..8),
        split in 0usize..8,
        seals in proptest::collection::vec(proptest::option::of(0usize..8), 2),
    ) {
        let blocks = chain(diffs);
        let split = split.min(blocks.len());
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("chain.redb");
        let mut memory = MemoryStore::new();
        let mut disk = RedbStore::open(&path, CACHE_BYTES, B256::ZERO).unwrap();
        for (part, wanted) in [&blocks[..split], &blocks[split..]].into_iter().zip(seals) {
            let sealed = wanted.and_then(|height| blocks.get(height)).map(|block| sealed(block, 2));
            let whole = FinalizedBatch { sealed, ..batch(part) };
            let results = [memory.commit(whole.clone()), disk.commit(whole)];
            prop_assert_eq!(results[0].is_ok(), results[1].is_ok());
            if results[0].is_err() {
                memory.commit(batch(part)).unwrap();
                disk.commit(batch(part)).unwrap();
            }
            let (memory, disk) = (memory.reader(), disk.reader());
            prop_assert_eq!(state(&*memory), state(&*disk));
            prop_assert_eq!(memory.third_state().unwrap(), disk.third_state().unwrap());
            for height in (0..8).map(Height) {
                prop_assert_eq!(memory.seals(height).unwrap(), disk.seals(height).unwrap());
            }
            let tip = disk.tip().unwrap().map(|tip| tip.height);
            prop_assert!(disk.third_state().unwrap().map(|place| place.height) <= tip);
        }
    }
}
