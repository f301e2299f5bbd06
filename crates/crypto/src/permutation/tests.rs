//! Proofs of honest keys, and two kinds of malicious modulus made here.

use super::*;
use crate::vectors;
use alloy_primitives::B256;
use crypto_bigint::{NonZero, Resize};
use malicious::{ResidueKey, SquareKey, encoded_block};

mod malicious;

fn vector_key() -> LotteryPrivateKey {
    LotteryPrivateKey::from_pkcs8(&vectors::bytes("/lottery/pkcs8")).unwrap()
}

#[test]
fn proof_matches_the_vector() {
    let proof = prove_permutation(&vector_key()).unwrap();
    assert_eq!(proof, vectors::permutation_roots());
    assert_eq!(proof.iter().map(|root| root.len()).sum::<usize>(), 2_048);
    assert_eq!(verify_permutation(vector_key().public(), &proof), Ok(()));
}

#[test]
fn generated_keys_of_both_sizes_prove() {
    for size in [crate::LotteryKeySize::Bits2048, crate::LotteryKeySize::Bits3072] {
        let key = LotteryPrivateKey::generate(size).unwrap();
        let proof = prove_permutation(&key).unwrap();
        assert!(proof.iter().all(|root| root.len() == size.bytes()));
        assert_eq!(verify_permutation(key.public(), &proof), Ok(()));
    }
}

#[test]
fn proofs_that_are_not_exact_are_refused() {
    let key = vector_key();
    let public = key.public();
    let good = vectors::permutation_roots();
    let verify = |change: &dyn Fn(&mut Vec<Bytes>)| {
        let mut proof = good.clone();
        change(&mut proof);
        verify_permutation(public, &proof).unwrap_err()
    };
    assert_eq!(verify(&|proof| proof.truncate(7)), PermutationError::Roots { actual: 7 });
    assert_eq!(verify(&|proof| proof.push(good[0].clone())), PermutationError::Roots { actual: 9 });
    assert_eq!(verify(&|proof| proof.clear()), PermutationError::Roots { actual: 0 });
    assert_eq!(verify(&|proof| proof.swap(3, 4)), PermutationError::Root(3));
    let changed = |proof: &mut Vec<Bytes>| {
        let mut root = proof[7].to_vec();
        root[255] ^= 1;
        proof[7] = root.into();
    };
    assert_eq!(verify(&changed), PermutationError::Root(7));
    let length = |actual| PermutationError::RootLength { position: 2, actual, expected: 256 };
    assert_eq!(verify(&|proof| proof[2] = proof[2].slice(1..)), length(255));
    assert_eq!(verify(&|proof| proof[2] = [&[0], &proof[2][..]].concat().into()), length(257));
    let modulus = Bytes::copy_from_slice(public.modulus());
    assert_eq!(verify(&|proof| proof[1] = modulus.clone()), PermutationError::RootRange(1));
    let other = LotteryPrivateKey::generate(crate::LotteryKeySize::Bits2048).unwrap();
    assert!(verify_permutation(other.public(), &good).is_err(), "another key's proof");
}

/// A public key with this modulus, whatever its factors.
fn key_with(modulus: &BoxedUint) -> LotteryPublicKey {
    let spki = crate::lottery::encoding::write_public(&modulus.to_be_bytes());
    LotteryPublicKey::from_spki(&spki).unwrap()
}

fn number_2048(value: u64) -> BoxedUint {
    BoxedUint::from(value).resize(2048)
}

#[test]
fn small_factors_are_found() {
    let base = BoxedUint::from_be_slice_vartime(vector_key().public().modulus());
    for factor in [3u32, 5, 251, 257, 32_749, 65_519, 65_521, 65_537] {
        // The next odd multiple of the factor that no smaller prime divides: step by twice the factor.
        let rest = base.rem_vartime(&NonZero::new(number_2048(u64::from(factor))).unwrap());
        let mut modulus = base.wrapping_sub(&rest);
        if !bool::from(modulus.bit(0)) {
            modulus = modulus.wrapping_sub(number_2048(u64::from(factor)));
        }
        while modulus::small_factor(&modulus) != Some(factor) {
            modulus = modulus.wrapping_sub(number_2048(u64::from(factor) * 2));
        }
        assert_eq!(check_modulus(&key_with(&modulus)), Err(LotteryKeyError::SmallFactor(factor)));
    }
    assert_eq!(check_modulus(vector_key().public()), Ok(()));
}

#[test]
fn the_roca_fingerprint_is_found() {
    // n = k·M + 65537^a mod M, with M the product of the primes to 167, until n has no small factor otherwise.
    let mut product = number_2048(1);
    for prime in (2u64..=167).filter(|n| (2..*n).all(|d| n % d != 0)) {
        product = product.wrapping_mul(number_2048(prime));
    }
    let product = NonZero::new(product).unwrap();
    let power = number_2048(65_537).mul_mod(&number_2048(65_537), &product);
    let top = BoxedUint::from_be_slice_vartime(vector_key().public().modulus());
    let mut weak = top.wrapping_sub(top.rem_vartime(&product)).wrapping_add(&power);
    while modulus::small_factor(&weak).is_some() {
        weak = weak.wrapping_sub(product.as_ref()).wrapping_sub(product.as_ref());
    }
    assert_eq!(check_modulus(&key_with(&weak)), Err(LotteryKeyError::Roca));
    // Two up it is no longer a power of 65537 modulo all these primes.
    let mut sound = weak.wrapping_add(number_2048(2));
    while modulus::small_factor(&sound).is_some() {
        sound = sound.wrapping_add(number_2048(2));
    }
    assert_eq!(check_modulus(&key_with(&sound)), Ok(()));
}

#[test]
fn malicious_key_signs_twice_and_is_refused() {
    let bad = ResidueKey::make();
    let key = key_with(&bad.modulus);
    let message = malicious::signable_message(&bad);
    let signatures = bad.signatures(&encoded_block(message), 4);
    for (position, signature) in signatures.iter().enumerate() {
        // The raw library, which our verification function only wraps.
        let raw = aws_lc_rs::signature::UnparsedPublicKey::new(
            &aws_lc_rs::signature::RSA_PKCS1_2048_8192_SHA256,
            key.spki(),
        );
        assert!(raw.verify(message.as_slice(), signature).is_ok(), "signature {position}");
        assert!(key.verify(message, signature), "signature {position}");
        assert!(!signatures[..position].contains(signature), "signature {position} is a new one");
    }
    // It has no small factor, so only the proof can tell …
    assert_eq!(check_modulus(&key), Ok(()));
    // … and there is none: no challenge is an e-th power mod p, still less an (e·n)-th.
    let residues = Residues::new(key.modulus()).unwrap();
    for (position, number) in challenges(key.spki(), &residues).unwrap().iter().enumerate() {
        assert!(!bad.has_root(number), "challenge {position} has a root");
    }
    let factors = bad.factors();
    assert_eq!(root_exponent(&factors, 2048).err(), Some(PermutationError::NotPermutation));
    let forged: Vec<_> = signatures.iter().cycle().take(8).map(|s| Bytes::copy_from_slice(s)).collect();
    assert_eq!(verify_permutation(&key, &forged), Err(PermutationError::Root(0)));
}

#[test]
fn modulus_with_a_square_passes_plain_roots_and_is_refused() {
    let bad = SquareKey::make();
    let key = key_with(&bad.modulus);
    assert_eq!(check_modulus(&key), Ok(()));
    let residues = Residues::new(key.modulus()).unwrap();
    let e = BoxedUint::from(LOTTERY_EXPONENT);
    let raise = |base: &BoxedUint| residues.form(base.clone()).pow_bounded_exp(&e, 17).retrieve();
    // RSA is no permutation: distinct residues with one e-th power …
    let collisions: Vec<_> = (1..=3).map(|j| bad.collision(j)).collect();
    assert!(collisions[0] != collisions[1] && collisions[1] != collisions[2]);
    assert!(collisions.iter().all(|base| raise(base) == number_2048(0)));
    // … although every challenge has an e-th root.
    let challenges = challenges(key.spki(), &residues).unwrap();
    let plain: Vec<_> = challenges.iter().map(|number| bad.plain_root(number, &residues)).collect();
    for (root, number) in plain.iter().zip(&challenges) {
        assert_eq!(&raise(root), number, "a proof of e-th roots alone would pass");
    }
    // Roots of degree e·n do not exist, and the plain ones do not pass for them.
    assert!(challenges.iter().all(|number| !bad.has_root(number)));
    let proof: Vec<_> = plain.iter().map(|root| Bytes::from(root.to_be_bytes().to_vec())).collect();
    assert_eq!(verify_permutation(&key, &proof), Err(PermutationError::Root(0)));
}

#[test]
fn challenges_are_bound_to_key_and_position() {
    let key = vector_key();
    let residues = Residues::new(key.public().modulus()).unwrap();
    let numbers = challenges(key.public().spki(), &residues).unwrap();
    assert!(numbers.iter().enumerate().all(|(i, number)| !numbers[..i].contains(number)));
    assert_ne!(challenges(&B256::ZERO[..], &residues).unwrap(), numbers);
}
