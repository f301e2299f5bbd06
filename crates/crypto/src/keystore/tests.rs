//! Key files: round trips, a file of another implementation, and every refusal.

use super::*;
use crate::{LotteryKeySize, vectors};
use std::fs;

const PASSWORD: &str = "correct horse";

fn vote_file() -> KeyFile {
    serde_json::from_value(vectors::value("/key_file")).unwrap()
}

/// The vector's file with one field replaced.
fn changed(pointer: &str, value: serde_json::Value) -> Result<KeyFile, serde_json::Error> {
    let mut file = vectors::value("/key_file");
    *file.pointer_mut(pointer).unwrap() = value;
    serde_json::from_value(file)
}

#[test]
fn opens_a_file_of_another_implementation() {
    let key = vote_file().vote_key(PASSWORD).unwrap();
    assert_eq!(&key.to_bytes()[..], &vectors::bytes("/votes/private/0")[..]);
}

#[test]
fn every_kind_survives() {
    let lottery = LotteryPrivateKey::generate(LotteryKeySize::Bits2048).unwrap();
    let file = KeyFile::from_lottery_key(&lottery, PASSWORD, ScryptCost::DEVNET).unwrap();
    assert_eq!((file.kind(), file.public()), (KeyKind::Lottery, lottery.public().spki()));
    assert_eq!(file.lottery_key(PASSWORD).unwrap().to_pkcs8().unwrap(), lottery.to_pkcs8().unwrap());

    let vote = VotePrivateKey::generate().unwrap();
    let file = KeyFile::from_vote_key(&vote, PASSWORD, ScryptCost::DEVNET).unwrap();
    assert_eq!(file.vote_key(PASSWORD).unwrap().public(), vote.public());

    let network = NetworkKey::generate().unwrap();
    let file = KeyFile::from_network_key(&network, PASSWORD, ScryptCost::DEVNET).unwrap();
    let again = file.network_key(PASSWORD).unwrap();
    assert_eq!((again.public(), again.pkcs8()), (network.public(), network.pkcs8()));
    assert!(matches!(
        file.vote_key(PASSWORD),
        Err(KeyFileError::Kind { actual: KeyKind::Network, expected: KeyKind::Vote })
    ));
}

#[test]
fn standard_cost_works() {
    let file = KeyFile::encrypt(b"secret", KeyKind::Vote, b"public", PASSWORD, ScryptCost::STANDARD).unwrap();
    assert_eq!(file.decrypt(PASSWORD).unwrap().as_slice(), b"secret");
}

#[test]
fn two_files_of_one_key_share_nothing_random() {
    let make = || KeyFile::encrypt(b"secret", KeyKind::Vote, b"p", PASSWORD, ScryptCost::DEVNET).unwrap();
    let (one, other) = (make(), make());
    assert_ne!(one.kdf.salt, other.kdf.salt);
    assert_ne!(one.cipher.nonce, other.cipher.nonce);
    assert_ne!(one.cipher.ciphertext, other.cipher.ciphertext);
}

#[test]
fn a_wrong_password_is_a_plain_sentence() {
    let error = vote_file().vote_key("correct horsE").unwrap_err();
    assert_eq!(error.to_string(), "wrong password for the bls-vote key, or its file is damaged");
}

#[test]
fn a_changed_file_does_not_open() {
    let flipped = |pointer: &str| {
        let mut bytes = vectors::bytes(&format!("/key_file{pointer}")).to_vec();
        bytes[0] ^= 1;
        changed(pointer, serde_json::json!(Bytes::from(bytes))).unwrap()
    };
    for pointer in ["/public", "/kdf/salt", "/cipher/nonce", "/cipher/ciphertext"] {
        let error = flipped(pointer).decrypt(PASSWORD).unwrap_err();
        assert!(matches!(error, KeyFileError::Password(_)), "{pointer}: {error}");
    }
    let relabelled = changed("/kind", "ed25519-network".into()).unwrap();
    assert!(matches!(relabelled.decrypt(PASSWORD), Err(KeyFileError::Password(KeyKind::Network))));
    let cheaper = changed("/kdf/n", 2_048.into()).unwrap();
    assert!(matches!(cheaper.decrypt(PASSWORD), Err(KeyFileError::Password(_))));
    let short = changed("/cipher/ciphertext", "0x00".into()).unwrap();
    assert!(matches!(short.decrypt(PASSWORD), Err(KeyFileError::Password(_))));
}

#[test]
fn a_secret_beside_another_public_key_is_refused() {
    let (one, other) = (VotePrivateKey::generate().unwrap(), VotePrivateKey::generate().unwrap());
    let secret = one.to_bytes();
    let public = other.public();
    let file =
        KeyFile::encrypt(&*secret, KeyKind::Vote, public.as_slice(), PASSWORD, ScryptCost::DEVNET).unwrap();
    assert!(matches!(file.vote_key(PASSWORD), Err(KeyFileError::Mismatch(KeyKind::Vote))));
}

#[test]
fn costs_are_bounded_before_any_work() {
    let refused = [
        ("/kdf/n", 0u64),
        ("/kdf/n", 1),
        ("/kdf/n", 4_097),
        ("/kdf/n", MAX_SCRYPT_N * 2),
        ("/kdf/n", u64::MAX),
        ("/kdf/r", 0),
        ("/kdf/r", 9),
        ("/kdf/p", 0),
        ("/kdf/p", 2),
        ("/kdf/p", u64::from(u32::MAX)),
    ];
    for (pointer, value) in refused {
        let file = changed(pointer, value.into()).unwrap();
        let error = file.decrypt(PASSWORD).unwrap_err();
        assert!(matches!(error, KeyFileError::Cost(_)), "{pointer} = {value}: {error}");
    }
    assert!(ScryptCost { n: MAX_SCRYPT_N, r: 8, p: 1 }.parameters().is_ok());
}

#[test]
fn unknown_versions_algorithms_and_fields_are_refused() {
    let open = |pointer, value| changed(pointer, value).unwrap().decrypt(PASSWORD).unwrap_err();
    assert!(matches!(open("/version", 2.into()), KeyFileError::Version { actual: 2 }));
    for (pointer, field) in [("/kdf/name", "kdf.name"), ("/cipher/name", "cipher.name")] {
        let error = open(pointer, "rot13".into());
        assert!(matches!(&error, KeyFileError::Field { field: found, .. } if *found == field), "{error}");
    }
    let error = open("/cipher/nonce", "0x00".into());
    assert!(matches!(error, KeyFileError::Field { field: "cipher.nonce", .. }), "{error}");
    assert!(changed("/kind", "rsa".into()).is_err());
    let mut file = vectors::value("/key_file");
    file["comment"] = "hello".into();
    assert!(serde_json::from_value::<KeyFile>(file).is_err());
}

#[test]
fn files_are_private_whole_and_never_overwritten() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("vote.json");
    vote_file().write_new(&path).unwrap();
    assert_eq!(KeyFile::read(&path).unwrap(), vote_file());
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }
    let before = fs::read(&path).unwrap();
    let other = KeyFile::encrypt(b"s", KeyKind::Vote, b"p", PASSWORD, ScryptCost::DEVNET).unwrap();
    let error = other.write_new(&path).unwrap_err();
    assert!(matches!(&error, KeyFileError::Exists(found) if *found == path), "{error}");
    assert_eq!(fs::read(&path).unwrap(), before);
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1, "no temporary file stays");
    let missing = directory.path().join("nowhere").join("vote.json");
    assert!(matches!(other.write_new(&missing), Err(KeyFileError::Io { .. })));
}

#[test]
fn what_is_no_key_file_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("key.json");
    assert!(matches!(KeyFile::read(&path), Err(KeyFileError::Io { .. })));
    fs::write(&path, "{}").unwrap();
    assert!(matches!(KeyFile::read(&path), Err(KeyFileError::Json(_))));
    fs::write(&path, vec![b' '; MAX_KEY_FILE_BYTES as usize + 1]).unwrap();
    let error = KeyFile::read(&path).unwrap_err();
    assert!(error.to_string().contains("64 KiB"), "{error}");
}

#[test]
fn debug_shows_no_secret() {
    let network = NetworkKey::generate().unwrap();
    let seed = hex::encode(&network.pkcs8()[16..48]);
    let shown = format!("{network:?}");
    assert!(shown.contains(&hex::encode(network.public())) && !shown.contains(&seed));
    assert!(NetworkKey::from_pkcs8(&network.pkcs8()[1..]).is_err());
}
