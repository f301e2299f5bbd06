//! Keys, signatures and every refusal.

use super::*;
use crate::vectors;

fn vector_key() -> LotteryPrivateKey {
    LotteryPrivateKey::from_pkcs8(&vectors::bytes("/lottery/pkcs8")).unwrap()
}

fn message() -> B256 {
    B256::from_slice(&vectors::bytes("/lottery/message"))
}

#[test]
fn end_to_end_vector() {
    // key import, signature, hash of the signature.
    let key = vector_key();
    assert_eq!(key.public().spki(), &vectors::bytes("/lottery/spki"));
    assert_eq!(key.public().node_id().0.as_slice(), &vectors::bytes("/lottery/node_id")[..]);
    let signature = key.sign(message()).unwrap();
    assert_eq!(signature, vectors::bytes("/lottery/signature"));
    assert_eq!(signature, key.sign(message()).unwrap(), "deterministic");
    assert!(key.public().verify(message(), &signature));
    assert_eq!(crate::Draw::of(&signature).0.as_slice(), &vectors::bytes("/lottery/draw")[..]);
}

#[test]
fn generated_keys_survive_export() {
    for size in [LotteryKeySize::Bits2048, LotteryKeySize::Bits3072] {
        let key = LotteryPrivateKey::generate(size).unwrap();
        let again = LotteryPrivateKey::from_pkcs8(&key.to_pkcs8().unwrap()).unwrap();
        let public = LotteryPublicKey::from_spki(key.public().spki()).unwrap();
        let signature = again.sign(message()).unwrap();
        assert_eq!(signature.len(), size.bytes());
        assert_eq!(public.modulus().len() * 8, size.bits());
        assert!(public.verify(message(), &signature));
        assert_eq!(public.node_id(), NodeId(sha256(key.public().spki())));
        assert!(!format!("{key:?}").contains(&hex::encode(&key.factors().unwrap().p[..8])));
    }
}

#[test]
fn forged_foreign_and_malformed_signatures_are_refused() {
    let key = vector_key();
    let public = key.public();
    let signature = key.sign(message()).unwrap().to_vec();
    let foreign = LotteryPrivateKey::generate(LotteryKeySize::Bits2048).unwrap();
    assert!(!public.verify(message(), &foreign.sign(message()).unwrap()), "another key");
    assert!(!public.verify(B256::ZERO, &signature), "another message");
    for position in [0, 100, 255] {
        let mut changed = signature.clone();
        changed[position] ^= 1;
        assert!(!public.verify(message(), &changed), "byte {position} changed");
    }
    assert!(!public.verify(message(), &signature[1..]), "a byte short");
    assert!(!public.verify(message(), &[&[0], &signature[..]].concat()), "leading zero byte");
    assert!(!public.verify(message(), &[]), "empty");
    let modulus = crypto_bigint::BoxedUint::from_be_slice_vartime(public.modulus());
    let (sum, carry) = crypto_bigint::BoxedUint::from_be_slice_vartime(&signature).overflowing_add(&modulus);
    if !bool::from(carry) {
        assert!(!public.verify(message(), &sum.to_be_bytes()), "the same residue, not reduced");
    }
    assert!(!public.verify(message(), public.modulus()), "the modulus itself");
}

#[test]
fn same_residue_above_the_modulus_is_refused() {
    // For a signature s < 2^2048 − n the number s + n has the right length too. Search one such message.
    let key = vector_key();
    let modulus = crypto_bigint::BoxedUint::from_be_slice_vartime(key.public().modulus());
    let found = (0u64..64).find_map(|number| {
        let message = sha256(&number.to_be_bytes());
        let signature = crypto_bigint::BoxedUint::from_be_slice_vartime(&key.sign(message).unwrap());
        let (sum, carry) = signature.overflowing_add(&modulus);
        (!bool::from(carry)).then(|| (message, sum.to_be_bytes()))
    });
    let (message, sum) = found.unwrap();
    assert_eq!(sum.len(), 256);
    assert!(!key.public().verify(message, &sum));
}

/// SPKI with these numbers, encoded as the production code would.
fn spki(modulus: &[u8]) -> Vec<u8> {
    encoding::write_public(modulus)
}

#[test]
fn public_keys_that_break_a_rule_are_refused() {
    let good = vectors::bytes("/lottery/spki").to_vec();
    let refuse = |bytes: &[u8]| LotteryPublicKey::from_spki(bytes).unwrap_err();
    let modulus = vector_key().public().modulus().to_vec();

    let mut exponent = good.clone();
    exponent[293] = 3;
    assert_eq!(refuse(&exponent), LotteryKeyError::Exponent("010003".into()));
    let mut even = modulus.clone();
    even[255] &= 0xfe;
    assert_eq!(refuse(&spki(&even)), LotteryKeyError::Even);
    let mut short = modulus.clone();
    short[0] = 0x7f;
    assert_eq!(refuse(&spki(&short)), LotteryKeyError::Size(2047));
    assert_eq!(refuse(&spki(&[&modulus[..], &[1]].concat())), LotteryKeyError::Size(2056));
    assert_eq!(refuse(&spki(&[0xff; 512])), LotteryKeyError::Size(4096));
    let mut algorithm = good.clone();
    algorithm[16] = 10; // 1.2.840.113549.1.1.10, RSASSA-PSS
    assert_eq!(refuse(&algorithm), LotteryKeyError::Algorithm("1.2.840.113549.1.1.10".into()));
    for bytes in [&good[1..], &good[..293], &[&good[..], &[0]].concat(), &[]] {
        assert!(matches!(refuse(bytes), LotteryKeyError::Encoding(_)), "{} bytes", bytes.len());
    }
    // The bare PKCS#1 key inside, which the library below would read as well.
    assert!(matches!(refuse(&good[24..]), LotteryKeyError::Encoding(_)));
}

#[test]
fn a_second_encoding_is_refused() {
    // Without the NULL of the algorithm's parameters: readable for lenient parsers, another hash.
    let good = vectors::bytes("/lottery/spki").to_vec();
    let mut lax = vec![0x30, 0x82, 0x01, 0x20, 0x30, 0x0b];
    lax.extend_from_slice(&good[6..17]);
    lax.extend_from_slice(&good[19..]);
    assert!(matches!(LotteryPublicKey::from_spki(&lax), Err(LotteryKeyError::Algorithm(_))));
    // The outer length in more bytes than needed.
    let long = [&[0x30, 0x83, 0x00, 0x01, 0x22], &good[4..]].concat();
    assert!(LotteryPublicKey::from_spki(&long).is_err());
}

#[test]
fn unusable_private_keys_are_refused() {
    let pkcs8 = vectors::bytes("/lottery/pkcs8").to_vec();
    assert!(LotteryPrivateKey::from_pkcs8(&[]).is_err());
    assert!(LotteryPrivateKey::from_pkcs8(&pkcs8[..pkcs8.len() - 1]).is_err());
    assert!(LotteryPrivateKey::from_pkcs8(&vectors::bytes("/lottery/spki")).is_err());
    let mut contradictory = pkcs8;
    let last = contradictory.len() - 1;
    contradictory[last] ^= 1;
    assert!(matches!(LotteryPrivateKey::from_pkcs8(&contradictory), Err(LotteryKeyError::Rejected(_))));
}

#[test]
fn wire_limit_holds_the_longest_signature() {
    assert_eq!(LotteryKeySize::Bits3072.bytes(), btn_types::limits::MAX_RSA_SIGNATURE_BYTES);
}
