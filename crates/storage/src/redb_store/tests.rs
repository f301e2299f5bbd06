//! Tests of what only a database on disk can do: last, be locked, be damaged, belong to another chain.

use super::{ACCOUNTS, BODIES, META, RedbStore, SEALS, THIRD_STATE, Table};
use crate::testing::{CACHE_BYTES, account, address, batch, chain, diff, hash, identity, sealed, state};
use crate::{FinalizedBatch, Store, StoreError};
use btn_types::{AccountDiff, Height, StateDiff};
use redb::{Database, TableDefinition};
use std::path::Path;

fn open(path: &Path) -> Result<RedbStore, StoreError> {
    RedbStore::open(path, CACHE_BYTES, identity().chain)
}

fn blocks() -> Vec<crate::FinalizedBlock> {
    let write = |nonce| {
        let change = AccountDiff { account: Some(account(nonce)), ..Default::default() };
        diff(vec![(address(1), change)])
    };
    chain((0..4).map(write).collect())
}

/// Changes the file behind the store's back.
fn tamper<const N: usize>(path: &Path, table: Table<N>, key: [u8; N], value: Option<&[u8]>) {
    let database = Database::open(path).unwrap();
    let transaction = database.begin_write().unwrap();
    {
        let mut table = transaction.open_table(table).unwrap();
        match value {
            Some(value) => drop(table.insert(&key, value).unwrap()),
            None => drop(table.remove(&key).unwrap()),
        }
    }
    transaction.commit().unwrap();
}

#[test]
fn what_was_committed_is_there_after_reopening() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("chain.redb");
    let blocks = blocks();
    for (height, block) in blocks.iter().enumerate() {
        let mut store = open(&path).unwrap();
        let tip = store.reader().tip().unwrap();
        assert_eq!(tip.map(|tip| tip.hash), height.checked_sub(1).map(|below| blocks[below].hash));
        store.commit(batch(std::slice::from_ref(block))).unwrap();
    }
    let store = open(&path).unwrap();
    assert_eq!(store.reader().block(Height(2)).unwrap().unwrap(), *blocks[2].block);
    assert_eq!(state(&*store.reader())[&address(1)].0, account(3));
}

#[test]
fn a_killed_process_loses_nothing_committed() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("chain.redb");
    let mut store = open(&path).unwrap();
    let blocks = blocks();
    for (height, block) in blocks.iter().enumerate() {
        // Seals of the block below come with each block: on disk together, or not at all.
        let below = height.checked_sub(1).map(|below| sealed(&blocks[below], 3));
        let whole = FinalizedBatch { sealed: below.clone(), ..batch(std::slice::from_ref(block)) };
        store.commit(whole).unwrap();
        // The file as a kill right now would leave it: never closed.
        let killed = directory.path().join(format!("killed-{height}.redb"));
        std::fs::copy(&path, &killed).unwrap();
        let revived = open(&killed).unwrap();
        assert_eq!(revived.reader().tip().unwrap().unwrap().hash, block.hash);
        assert_eq!(state(&*revived.reader()), state(&*store.reader()));
        let reader = revived.reader();
        assert_eq!(reader.third_state().unwrap(), below.as_ref().map(|below| below.place()));
        if let Some(below) = below {
            assert_eq!(reader.seals(below.height).unwrap(), below.seals);
        }
    }
}

#[test]
fn the_third_state_never_moves_back_across_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("chain.redb");
    let blocks = blocks();
    let move_to = |store: &mut RedbStore, block| {
        store.commit(FinalizedBatch { sealed: Some(sealed(block, 2)), ..FinalizedBatch::default() })
    };
    let mut store = open(&path).unwrap();
    store.commit(batch(&blocks)).unwrap();
    move_to(&mut store, &blocks[2]).unwrap();
    drop(store);
    let mut store = open(&path).unwrap();
    for block in &blocks[..3] {
        let error = move_to(&mut store, block).unwrap_err();
        assert!(matches!(error, StoreError::ThirdStateBack { expected: Height(3), .. }), "{error}");
    }
    move_to(&mut store, &blocks[3]).unwrap();
}

#[test]
fn a_second_opening_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("chain.redb");
    let store = open(&path).unwrap();
    match open(&path) {
        Err(StoreError::Database { doing: "opening", source, .. }) => {
            assert!(matches!(*source, redb::Error::DatabaseAlreadyOpen));
        }
        other => panic!("{:?}", other.err()),
    }
    drop(store);
    open(&path).unwrap();
}

#[test]
fn another_chain_is_refused_by_both_names() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("chain.redb");
    open(&path).unwrap();
    let text = RedbStore::open(&path, CACHE_BYTES, hash(0x77)).err().unwrap().to_string();
    for part in [hash(0x77).to_string(), identity().chain.to_string(), path.display().to_string()] {
        assert!(text.contains(&part), "{part} is not in: {text}");
    }
}

#[test]
fn another_schema_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("chain.redb");
    open(&path).unwrap();
    {
        let database = Database::open(&path).unwrap();
        let transaction = database.begin_write().unwrap();
        transaction.open_table(META).unwrap().insert("schema", &7u64.to_be_bytes()[..]).unwrap();
        transaction.commit().unwrap();
    }
    assert!(matches!(open(&path), Err(StoreError::Schema { ours: 2, theirs: 7, .. })));
}

#[test]
fn a_foreign_file_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("chain.redb");
    std::fs::write(&path, [7; 10_000]).unwrap();
    assert!(matches!(open(&path), Err(StoreError::Database { .. })));
}

#[test]
fn damage_is_told_from_absence() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("chain.redb");
    open(&path).unwrap().commit(batch(&chain(vec![StateDiff::default()]))).unwrap();
    tamper(&path, ACCOUNTS, address(1).0.0, Some(b"nonsense"));
    tamper(&path, BODIES, [0; 8], None);
    tamper(&path, SEALS, [0; 8], Some(b"nonsense"));
    tamper(&path, TableDefinition::new("height_by_hash"), [1; 32], Some(&[1, 2, 3]));
    tamper(&path, TableDefinition::new("transaction_location"), [1; 32], Some(&[0; 13]));
    let reader = open(&path).unwrap().reader();
    let damaged = |error| match error {
        StoreError::Damaged { what, .. } => what,
        other => panic!("{other}"),
    };
    let what = damaged(reader.account(address(1)).unwrap_err());
    assert!(what.starts_with("table accounts, key 0x0101"), "{what}");
    let what = damaged(reader.for_each_account(&mut |_, _, _| Ok(())).unwrap_err());
    assert!(what.starts_with("table accounts, key 0x0101"), "{what}");
    assert_eq!(damaged(reader.block(Height(0)).unwrap_err()), "height 0");
    let what = damaged(reader.seals(Height(0)).unwrap_err());
    assert!(what.starts_with("table seals, key 0x00"), "{what}");
    damaged(reader.height_of(hash(1)).unwrap_err());
    damaged(reader.transaction_location(hash(1)).unwrap_err());
}

#[test]
fn a_damaged_third_state_stops_the_start() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("chain.redb");
    open(&path).unwrap().commit(batch(&blocks())).unwrap();
    {
        let database = Database::open(&path).unwrap();
        let transaction = database.begin_write().unwrap();
        transaction.open_table(META).unwrap().insert(THIRD_STATE, &[0; 39][..]).unwrap();
        transaction.commit().unwrap();
    }
    match open(&path) {
        Err(StoreError::Damaged { what, .. }) => assert_eq!(what, "table meta, third_state"),
        other => panic!("{:?}", other.err()),
    }
}
