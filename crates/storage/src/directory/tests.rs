//! Tests of the data directory: who may open what, and what a refusal says.

use super::{DataDirectory, OpenedJournal};
use crate::testing::{CACHE_BYTES, batch, chain, hash, identity, vote};
use crate::{DirectoryError, Identity, JournalError, Store, StoreError};
use btn_types::{NodeId, StateDiff};
use std::fs;
use std::path::Path;

fn assert_names(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "{part:?} is not in: {text}");
    }
}

fn refusal(path: &Path, identity: Identity) -> (DirectoryError, String) {
    let error = DataDirectory::open(path, identity).unwrap_err();
    let text = error.to_string();
    (error, text)
}

#[test]
fn what_was_created_opens_again() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("new/data");
    let directory = DataDirectory::create(&path, identity()).unwrap();
    assert_eq!((directory.path(), directory.identity()), (&*path, identity()));
    let mut store = directory.open_store(CACHE_BYTES).unwrap();
    let genesis = chain(vec![StateDiff::default()]);
    store.commit(batch(&genesis)).unwrap();
    let OpenedJournal::Ready(mut journal, records) = directory.open_journal().unwrap() else {
        panic!("lost")
    };
    assert_eq!(records, []);
    journal.append(&[vote(1)]).unwrap();
    assert!(directory.free_bytes().unwrap() > 0);
    drop((store, journal, directory));

    let directory = DataDirectory::open(&path, identity()).unwrap();
    let tip = directory.open_store(CACHE_BYTES).unwrap().reader().tip().unwrap().unwrap();
    assert_eq!(tip.hash, genesis[0].hash);
    let OpenedJournal::Ready(_, records) = directory.open_journal().unwrap() else { panic!("lost") };
    assert_eq!(records, [vote(1)]);
}

#[test]
fn the_version_file_is_golden() {
    let root = tempfile::tempdir().unwrap();
    DataDirectory::create(root.path(), identity()).unwrap();
    let expected = format!(
        "{{\n  \"schema\": 2,\n  \"chain\": \"0x{}\",\n  \"node_id\": \"0x{}\"\n}}\n",
        "c1".repeat(32),
        "1d".repeat(32)
    );
    assert_eq!(fs::read_to_string(root.path().join("VERSION")).unwrap(), expected);
}

#[test]
fn a_lost_journal_is_told_and_never_replaced() {
    let root = tempfile::tempdir().unwrap();
    let directory = DataDirectory::create(root.path(), identity()).unwrap();
    directory.open_store(CACHE_BYTES).unwrap();
    drop(directory);
    fs::remove_file(root.path().join("journal")).unwrap();
    for _ in 0..2 {
        let directory = DataDirectory::open(root.path(), identity()).unwrap();
        assert!(matches!(directory.open_journal().unwrap(), OpenedJournal::Lost));
    }
    assert!(!root.path().join("journal").exists());
}

#[test]
fn a_damaged_journal_is_not_taken_for_a_lost_one() {
    let root = tempfile::tempdir().unwrap();
    let directory = DataDirectory::create(root.path(), identity()).unwrap();
    fs::write(root.path().join("journal"), b"").unwrap();
    assert!(matches!(directory.open_journal(), Err(JournalError::HeaderDamaged { .. })));
}

#[test]
fn a_directory_in_use_is_refused_by_its_holder() {
    let root = tempfile::tempdir().unwrap();
    let first = DataDirectory::create(root.path(), identity()).unwrap();
    let (error, text) = refusal(root.path(), identity());
    assert!(matches!(error, DirectoryError::Locked { .. }));
    assert_names(
        &text,
        &[&format!("pid {}", std::process::id()), &root.path().display().to_string(), "stop it"],
    );
    drop(first);
    // A lock file left behind by a killed process locks nothing.
    fs::write(root.path().join("lock"), "99999999").unwrap();
    let second = DataDirectory::open(root.path(), identity()).unwrap();
    fs::write(root.path().join("lock"), "no number").unwrap();
    assert_names(&refusal(root.path(), identity()).1, &["process id unknown"]);
    drop(second);
}

#[test]
fn another_owner_is_refused_by_both_names() {
    let root = tempfile::tempdir().unwrap();
    DataDirectory::create(root.path(), identity()).unwrap();
    let other_chain = Identity { chain: hash(0x77), ..identity() };
    let (error, text) = refusal(root.path(), other_chain);
    assert!(matches!(error, DirectoryError::OtherChain { .. }));
    assert_names(&text, &[&hash(0x77).to_string(), &identity().chain.to_string(), "genesis file"]);
    let other_node = Identity { node_id: NodeId(hash(0x88)), ..identity() };
    let (error, text) = refusal(root.path(), other_node);
    assert!(matches!(error, DirectoryError::OtherNode { .. }));
    assert_names(&text, &[&hash(0x88).to_string(), &identity().node_id.to_string(), "own data directory"]);
}

#[test]
fn another_schema_is_refused_whatever_else_it_says() {
    let root = tempfile::tempdir().unwrap();
    DataDirectory::create(root.path(), identity()).unwrap();
    fs::write(root.path().join("VERSION"), r#"{"schema": 3, "owner": {"name": "unheard of"}}"#).unwrap();
    let (error, text) = refusal(root.path(), identity());
    assert!(matches!(error, DirectoryError::Schema { ours: 2, theirs: 3, .. }));
    assert_names(&text, &["schema 3", "schema 2", "run the program that made it"]);
    for text in ["", "{}", r#"{"schema": 2}"#, r#"{"schema": -1}"#, "nonsense"] {
        fs::write(root.path().join("VERSION"), text).unwrap();
        assert!(
            matches!(refusal(root.path(), identity()).0, DirectoryError::VersionUnreadable { .. }),
            "{text}"
        );
    }
}

#[test]
fn a_directory_from_before_seals_is_refused_with_the_remedy() {
    let root = tempfile::tempdir().unwrap();
    DataDirectory::create(root.path(), identity()).unwrap();
    let version = root.path().join("VERSION");
    let old = fs::read_to_string(&version).unwrap().replace("\"schema\": 2", "\"schema\": 1");
    fs::write(&version, &old).unwrap();
    for result in
        [DataDirectory::open(root.path(), identity()), DataDirectory::create(root.path(), identity())]
    {
        let text = result.unwrap_err().to_string();
        assert_names(&text, &["schema 1", "schema 2", "run the program that made it", "`btn init`"]);
    }
    assert_eq!(fs::read_to_string(&version).unwrap(), old, "a refused directory stays as it is");
}

#[test]
fn an_uninitialised_directory_is_refused_and_left_alone() {
    let root = tempfile::tempdir().unwrap();
    let (error, text) = refusal(root.path(), identity());
    assert!(matches!(error, DirectoryError::NotInitialised { .. }));
    assert_names(&text, &["btn init"]);
    assert_eq!(fs::read_dir(root.path()).unwrap().count(), 0);
    assert!(matches!(refusal(&root.path().join("x"), identity()).0, DirectoryError::NotInitialised { .. }));
}

#[test]
fn creating_twice_is_refused() {
    let root = tempfile::tempdir().unwrap();
    DataDirectory::create(root.path(), identity()).unwrap();
    let error = DataDirectory::create(root.path(), identity()).unwrap_err();
    assert!(matches!(error, DirectoryError::AlreadyInitialised { .. }));
    assert_names(&error.to_string(), &[&identity().node_id.to_string(), "forget its votes"]);
}

#[test]
fn creating_goes_on_after_a_crash_but_takes_over_nothing() {
    let root = tempfile::tempdir().unwrap();
    drop(DataDirectory::create(root.path(), identity()).unwrap());
    fs::remove_file(root.path().join("VERSION")).unwrap();
    let directory = DataDirectory::create(root.path(), identity()).unwrap();
    let OpenedJournal::Ready(mut journal, _) = directory.open_journal().unwrap() else { panic!("lost") };
    journal.append(&[vote(1)]).unwrap();
    directory.open_store(CACHE_BYTES).unwrap();
    drop((journal, directory));
    fs::remove_file(root.path().join("VERSION")).unwrap();
    for file in ["chain.redb", "journal"] {
        match DataDirectory::create(root.path(), identity()) {
            Err(DirectoryError::LeftOver { file: found, .. }) => assert_eq!(found, file),
            other => panic!("{other:?}"),
        }
        fs::remove_file(root.path().join(file)).unwrap();
    }
    DataDirectory::create(root.path(), identity()).unwrap();
}

#[test]
fn a_database_from_elsewhere_is_refused() {
    let (ours, theirs) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let other = Identity { chain: hash(0x77), ..identity() };
    DataDirectory::create(theirs.path(), other).unwrap().open_store(CACHE_BYTES).unwrap();
    let directory = DataDirectory::create(ours.path(), identity()).unwrap();
    fs::copy(theirs.path().join("chain.redb"), ours.path().join("chain.redb")).unwrap();
    match directory.open_store(CACHE_BYTES) {
        Err(error @ StoreError::OtherChain { .. }) => {
            assert_names(&error.to_string(), &[&hash(0x77).to_string(), &identity().chain.to_string()]);
        }
        other => panic!("{:?}", other.err()),
    }
}
