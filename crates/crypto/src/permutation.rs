//! The rule that makes lottery signatures unique (K1): RSA must be a permutation of the integers mod n under
//! (n, 65537). A malicious modulus otherwise has many valid signatures of some messages, hence many tickets.
//!
//! # The proof, precisely
//! After ePrint 2018/057 (Goldberg, Reyzin, Sagga, Baldimtsi), non-interactive in the random-oracle model, zero
//! knowledge. Let `spki` be the DER of the public key, `n` its modulus, `k` the modulus' length in bytes (256
//! or 384), `e` = 65537. For each position `i` in 0..8:
//!
//! 1. `base = D("enrol", spki, i)` = SHA-256(05 ‖ "enrol" ‖ u32(len spki) ‖ spki ‖ u32(4) ‖ u32(i)), integers
//!    big-endian ([`Domain::enrolment`]).
//! 2. For `attempt` = 0, 1, 2, …: `bytes` = the first `k` bytes of SHA-256(base ‖ u32(attempt) ‖ u32(0)) ‖
//!    SHA-256(base ‖ u32(attempt) ‖ u32(1)) ‖ …, which is MGF1-SHA256(base ‖ u32(attempt), k). The first
//!    big-endian integer below `n` is the challenge `c_i`; so it is uniform. (One attempt in at most two fails.)
//! 3. The proof's root `r_i`, big-endian in exactly `k` bytes and below `n`, satisfies `r_i^(e·n) ≡ c_i mod n`.
//!
//! The verifier also wants gcd(c_0·…·c_7, n) = 1 and [`check_modulus`]: n odd and without factor up to 65537.
//!
//! # Why roots of degree e·n
//! `r_i^n` is an e-th root of `c_i`; eight of these show gcd(e, φ(n)) = 1: if 65537 divides p−1 a unit has an
//! e-th root with chance 1/65537, so a cheat succeeds with chance 65537⁻⁸ < 2⁻¹²⁸. That alone lets a modulus with
//! a square in it pass: with n = p²·m, all of `{j·p·m}` have the same e-th power, zero. A root of degree n as well
//! shows gcd(n, φ(n)) = 1, so n is square-free, at the same bound since every factor of n is above 65537. Only
//! both together make RSA a permutation of *all* residues, and uniqueness exact. Challenges must be units for
//! the bound to hold with eight roots.

mod modulus;

pub use modulus::check_modulus;

use crate::lottery::encoding::Factors;
use crate::{Domain, LOTTERY_EXPONENT, LotteryKeyError, LotteryPrivateKey, LotteryPublicKey};
use alloy_primitives::Bytes;
use btn_types::sha256;
use crypto_bigint::modular::{BoxedMontyForm, BoxedMontyParams};
use crypto_bigint::{BoxedUint, Gcd, Odd};
use thiserror::Error;
use zeroize::Zeroizing;

/// Roots in a permutation proof: 65537⁻⁸ < 2⁻¹²⁸ (K1).
pub const PERMUTATION_ROOTS: usize = 8;

/// Draws of a challenge before giving up; each fails with chance below one half.
const MAX_CHALLENGE_ATTEMPTS: u32 = 256;

/// Why a permutation proof is refused or cannot be made (K1).
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum PermutationError {
    /// The key breaks a rule that needs no proof.
    #[error(transparent)]
    Key(#[from] LotteryKeyError),
    /// Wrong number of roots.
    #[error("permutation proof has {actual} roots, it must have {PERMUTATION_ROOTS}")]
    Roots {
        /// Roots found.
        actual: usize,
    },
    /// A root of the wrong length.
    #[error("root {position} of the permutation proof has {actual} bytes, the modulus has {expected}")]
    RootLength {
        /// Which root.
        position: usize,
        /// Bytes found.
        actual: usize,
        /// Bytes needed.
        expected: usize,
    },
    /// A root that is not a residue.
    #[error("root {0} of the permutation proof is not below the modulus")]
    RootRange(usize),
    /// A root that is none.
    #[error("root {0} of the permutation proof does not verify; RSA may not be a permutation under this key")]
    Root(usize),
    /// A challenge that shares a factor with the modulus, or none found: chance below 2⁻¹⁰⁰ for honest keys.
    #[error("modulus gives no usable challenges; make another key")]
    Challenge,
    /// The key has no such roots: 65537·n and φ(n) share a factor.
    #[error(
        "RSA is not a permutation under this key (65537 or n shares a factor with φ(n)); make another key"
    )]
    NotPermutation,
}

/// Arithmetic mod one n.
struct Residues {
    modulus: BoxedUint,
    parameters: BoxedMontyParams,
}

impl Residues {
    fn new(modulus: &[u8]) -> Result<Self, LotteryKeyError> {
        let modulus = BoxedUint::from_be_slice_vartime(modulus);
        let odd: Option<Odd<BoxedUint>> = modulus.to_odd().into();
        let parameters = BoxedMontyParams::new_vartime(odd.ok_or(LotteryKeyError::Even)?);
        Ok(Self { modulus, parameters })
    }

    /// The residue, or `None` where the bytes are not a number below n.
    fn residue(&self, bytes: &[u8]) -> Option<BoxedUint> {
        let number = BoxedUint::from_be_slice(bytes, self.modulus.bits_precision()).ok()?;
        (number < self.modulus).then_some(number)
    }

    fn form(&self, residue: BoxedUint) -> BoxedMontyForm {
        BoxedMontyForm::new(residue, &self.parameters)
    }

    /// `base^(e·n)`: what the verifier recomputes.
    fn raise(&self, base: BoxedUint) -> BoxedUint {
        let power = self.form(base).pow(&self.modulus);
        power.pow_bounded_exp(&BoxedUint::from(LOTTERY_EXPONENT), 17).retrieve()
    }
}

/// The challenges of a key, all units mod n.
fn challenges(spki: &[u8], residues: &Residues) -> Result<Vec<BoxedUint>, PermutationError> {
    let numbers: Option<Vec<_>> =
        (0..PERMUTATION_ROOTS as u32).map(|position| challenge(spki, position, residues)).collect();
    let numbers = numbers.ok_or(PermutationError::Challenge)?;
    let one = residues.form(BoxedUint::one_with_precision(residues.modulus.bits_precision()));
    let product = numbers.iter().fold(one, |product, number| product.mul(&residues.form(number.clone())));
    let common = residues.parameters.modulus().gcd_vartime(&product.retrieve());
    if bool::from(common.get().is_one()) { Ok(numbers) } else { Err(PermutationError::Challenge) }
}

/// `c_i` of the module's description.
fn challenge(spki: &[u8], position: u32, residues: &Residues) -> Option<BoxedUint> {
    let base = Domain::enrolment(spki, position);
    let length = residues.modulus.bits_precision() as usize / 8;
    (0..MAX_CHALLENGE_ATTEMPTS).find_map(|attempt| {
        let mut bytes = Vec::with_capacity(length + 32);
        for counter in 0u32.. {
            if bytes.len() >= length {
                break;
            }
            let input = [base.as_slice(), &attempt.to_be_bytes(), &counter.to_be_bytes()].concat();
            bytes.extend_from_slice(sha256(&input).as_slice());
        }
        bytes.truncate(length);
        residues.residue(&bytes)
    })
}

/// Makes the proof for a key: eight roots, each as long as the modulus. Takes some tens of milliseconds; the
/// result depends on the key alone. The secret exponent is used in constant time only.
///
/// # Errors
/// [`PermutationError`] where the key breaks the rule.
pub fn prove_permutation(key: &LotteryPrivateKey) -> Result<Vec<Bytes>, PermutationError> {
    let public = key.public();
    check_modulus(public)?;
    let residues = Residues::new(public.modulus())?;
    let exponent = root_exponent(&key.factors()?, residues.modulus.bits_precision())?;
    let roots: Vec<_> = challenges(public.spki(), &residues)?
        .into_iter()
        .map(|number| Bytes::from(residues.form(number).pow(&exponent).retrieve().to_be_bytes().to_vec()))
        .collect();
    // A fault in the arithmetic must not leave this function: wrong roots can betray the factors.
    verify_permutation(public, &roots)?;
    Ok(roots)
}

/// `(e·n)⁻¹ mod φ(n)`.
fn root_exponent(factors: &Factors, precision: u32) -> Result<Zeroizing<BoxedUint>, PermutationError> {
    let read = |bytes: &[u8]| {
        let number = BoxedUint::from_be_slice(bytes, precision);
        number.map(Zeroizing::new).map_err(|error| LotteryKeyError::Encoding(error.to_string()))
    };
    let one = BoxedUint::one_with_precision(precision);
    let p_less_one = Zeroizing::new(read(&factors.p)?.wrapping_sub(&one));
    let q_less_one = Zeroizing::new(read(&factors.q)?.wrapping_sub(&one));
    let totient = Zeroizing::new(p_less_one.wrapping_mul(&*q_less_one));
    let totient = Option::from(totient.to_nz()).ok_or(PermutationError::NotPermutation)?;
    // n ≡ p + q − 1 mod φ(n), and 65537 times that is still far below φ(n).
    let sum = Zeroizing::new(p_less_one.wrapping_add(&*q_less_one).wrapping_add(&one));
    let degree = Zeroizing::new(sum.wrapping_mul(BoxedUint::from(LOTTERY_EXPONENT)));
    let inverse: Option<BoxedUint> = degree.invert_mod(&totient).into();
    inverse.map(Zeroizing::new).ok_or(PermutationError::NotPermutation)
}

/// Checks the whole key rule but the encoding, which [`LotteryPublicKey`] guarantees: [`check_modulus`] and
/// the proof.
///
/// # Errors
/// [`PermutationError`].
pub fn verify_permutation(key: &LotteryPublicKey, proof: &[Bytes]) -> Result<(), PermutationError> {
    check_modulus(key)?;
    if proof.len() != PERMUTATION_ROOTS {
        return Err(PermutationError::Roots { actual: proof.len() });
    }
    let residues = Residues::new(key.modulus())?;
    let expected = key.modulus().len();
    for (position, (root, number)) in proof.iter().zip(challenges(key.spki(), &residues)?).enumerate() {
        if root.len() != expected {
            return Err(PermutationError::RootLength { position, actual: root.len(), expected });
        }
        let root = residues.residue(root).ok_or(PermutationError::RootRange(position))?;
        if residues.raise(root) != number {
            return Err(PermutationError::Root(position));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
