//! Keys on disk: whole or absent, private, and never lost by a change of password.

use super::*;
use btn_crypto::LotteryKeySize;
use btn_types::Address;
use std::os::unix::fs::PermissionsExt as _;
use std::sync::OnceLock;
use tempfile::TempDir;

const COST: ScryptCost = ScryptCost { n: 16, r: 8, p: 1 };

fn keys() -> &'static NodeKeys {
    static KEYS: OnceLock<NodeKeys> = OnceLock::new();
    KEYS.get_or_init(|| NodeKeys::generate(LotteryKeySize::Bits2048).unwrap())
}

fn password(text: &str) -> Password {
    Password::new(text.to_owned())
}

fn created() -> (TempDir, KeyDirectory) {
    let parent = tempfile::tempdir().unwrap();
    let directory = KeyDirectory::new(parent.path().join("keys"));
    directory.create(keys(), &password("old"), COST).unwrap();
    (parent, directory)
}

#[test]
fn what_is_stored_opens_to_the_same_keys() {
    let (parent, directory) = created();
    let opened = directory.unlock(&password("old")).unwrap();
    let record = opened.record(vec!["[::1]:1".into()], vec!["[::1]:2".into()], Address::ZERO).unwrap();
    assert_eq!(record, keys().record(vec!["[::1]:1".into()], vec!["[::1]:2".into()], Address::ZERO).unwrap());
    btn_crypto::check_node_record(&record).unwrap();
    let stored = directory.list().unwrap();
    assert_eq!(stored.iter().map(|key| key.kind).collect::<Vec<_>>(), KEY_KINDS);
    assert_eq!(stored[0].public, record.rsa_public_key);
    assert_eq!(stored[1].public, record.vote_key.to_vec());
    assert_eq!(stored[2].public, record.network_key.to_vec());
    for key in stored {
        assert_eq!(fs::metadata(key.path).unwrap().permissions().mode() & 0o777, 0o600);
    }
    assert_eq!(fs::metadata(parent.path().join("keys")).unwrap().permissions().mode() & 0o777, 0o700);
    assert_eq!(fs::read_dir(parent.path()).unwrap().count(), 1, "nothing is left over");
}

#[test]
fn existing_keys_are_never_overwritten() {
    let (_parent, directory) = created();
    let error = directory.create(keys(), &password("other"), COST).unwrap_err();
    assert!(matches!(error, KeyError::Exists(_)));
    directory.unlock(&password("old")).unwrap();
}

#[test]
fn a_wrong_password_and_a_missing_or_swapped_file_are_named() {
    let (_parent, directory) = created();
    let error = directory.unlock(&password("new")).unwrap_err().to_string();
    assert!(error.contains("lottery.json: wrong password"), "{error}");
    fs::copy(directory.file(KeyKind::Network), directory.file(KeyKind::Vote)).unwrap();
    let error = directory.unlock(&password("old")).unwrap_err().to_string();
    assert!(error.contains("vote.json: key file holds a key of kind ed25519-network"), "{error}");
    fs::remove_file(directory.file(KeyKind::Vote)).unwrap();
    let error = directory.unlock(&password("old")).unwrap_err().to_string();
    assert!(error.contains("vote.json is missing"), "{error}");
}

#[test]
fn a_changed_password_opens_and_the_old_one_does_not() {
    let (_parent, directory) = created();
    assert!(directory.change_password(&password("wrong"), &password("new"), COST).is_err());
    directory.unlock(&password("old")).unwrap();
    directory.change_password(&password("old"), &password("new"), COST).unwrap();
    assert!(directory.unlock(&password("old")).is_err());
    assert_eq!(directory.unlock(&password("new")).unwrap().id(), keys().id());
}

#[test]
fn an_interrupted_change_is_ended_by_the_same_call() {
    let (parent, directory) = created();
    let other = KeyDirectory::new(parent.path().join("other"));
    other.create(keys(), &password("new"), COST).unwrap();
    // As after a crash between the first and the second rename.
    fs::rename(other.file(KeyKind::Lottery), directory.file(KeyKind::Lottery)).unwrap();
    fs::write(directory.file(KeyKind::Vote).with_extension("json.new"), "half").unwrap();
    assert!(directory.unlock(&password("old")).is_err() && directory.unlock(&password("new")).is_err());
    directory.change_password(&password("old"), &password("new"), COST).unwrap();
    directory.unlock(&password("new")).unwrap();
}

#[test]
fn a_supervisor_has_no_vote_key_and_its_keys_open_to_the_same() {
    let parent = tempfile::tempdir().unwrap();
    let directory = KeyDirectory::new(parent.path().join("keys"));
    let keys = SupervisorNodeKeys::generate(LotteryKeySize::Bits2048).unwrap();
    directory.create_supervisor(&keys, &password("old"), COST).unwrap();
    assert_eq!(directory.id().unwrap(), keys.id());
    let record = keys.record(Address::repeat_byte(1)).unwrap();
    btn_crypto::check_supervisor_record(&record).unwrap();
    assert_eq!((record.id, record.payout), (keys.id(), Address::repeat_byte(1)));
    let stored = directory.list().unwrap();
    assert_eq!(stored.iter().map(|key| key.kind).collect::<Vec<_>>(), SUPERVISOR_KEY_KINDS);
    assert_eq!(stored[0].public, record.rsa_public_key);
    assert_eq!(stored[1].public, record.network_key.to_vec());

    directory.change_password(&password("old"), &password("new"), COST).unwrap();
    assert!(directory.unlock_supervisor(&password("old")).is_err());
    let opened = directory.unlock_supervisor(&password("new")).unwrap();
    assert_eq!(opened.record(Address::repeat_byte(1)).unwrap(), record);
    let error = directory.unlock(&password("new")).unwrap_err().to_string();
    assert!(error.contains("vote.json is missing"), "a master needs its vote key: {error}");
    let error = directory.create_supervisor(&keys, &password("new"), COST).unwrap_err();
    assert!(matches!(error, KeyError::Exists(_)));
}

#[test]
fn a_password_file_is_its_first_line() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("password");
    for (content, expected) in [("a b\n", "a b"), ("x", "x"), ("x\r\ny", "x")] {
        fs::write(&path, content).unwrap();
        assert_eq!(Password::read(&path).unwrap().expose(), expected);
    }
    for content in ["", "\n", "\nx"] {
        fs::write(&path, content).unwrap();
        assert!(matches!(Password::read(&path), Err(KeyError::EmptyPassword(_))), "{content:?}");
    }
    fs::write(&path, "x".repeat(5000)).unwrap();
    assert!(matches!(Password::read(&path), Err(KeyError::LongPassword(_))));
    assert_eq!(format!("{:?}", password("secret")), "Password(…)");
}
