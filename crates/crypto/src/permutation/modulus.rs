//! What a modulus must not be, seen without a proof (K1): even, divisible by a small prime, or made by the
//! generator of CVE-2017-15361.

use crate::{LOTTERY_EXPONENT, LotteryKeyError, LotteryPublicKey};
use crypto_bigint::{BoxedUint, Limb, NonZero};
use std::sync::LazyLock;

/// Largest prime of the fingerprint of CVE-2017-15361.
const MAX_FINGERPRINT_PRIME: u32 = 167;

/// All primes up to 65537.
static SMALL_PRIMES: LazyLock<Vec<u32>> = LazyLock::new(|| {
    let mut composite = vec![false; LOTTERY_EXPONENT as usize + 1];
    let mut primes = Vec::new();
    for number in 2..composite.len() {
        if !composite[number] {
            primes.push(number as u32);
            for multiple in (number * number..composite.len()).step_by(number) {
                composite[multiple] = true;
            }
        }
    }
    primes
});

/// The same primes multiplied up into words: a few long divisions less than one per prime.
static PRIME_PRODUCTS: LazyLock<Vec<u64>> = LazyLock::new(|| {
    let mut products = vec![1u64];
    for &prime in SMALL_PRIMES.iter() {
        let last = products.last().copied().unwrap_or(1);
        match last.checked_mul(u64::from(prime)) {
            Some(product) => {
                products.pop();
                products.push(product);
            }
            None => products.push(u64::from(prime)),
        }
    }
    products
});

/// Checks that the modulus is odd, has no factor up to 65537 (gcd with primorial(65537) = 1), and does not
/// carry the ROCA fingerprint. About one honest key in 10⁸ carries it by chance: make another.
///
/// # Errors
/// [`LotteryKeyError`].
pub fn check_modulus(key: &LotteryPublicKey) -> Result<(), LotteryKeyError> {
    let modulus = BoxedUint::from_be_slice_vartime(key.modulus());
    match small_factor(&modulus) {
        Some(2) => Err(LotteryKeyError::Even),
        Some(factor) => Err(LotteryKeyError::SmallFactor(factor)),
        None if has_roca_fingerprint(&modulus) => Err(LotteryKeyError::Roca),
        None => Ok(()),
    }
}

fn remainder(modulus: &BoxedUint, divisor: u64) -> u64 {
    let divisor: Option<NonZero<Limb>> = NonZero::new(Limb::from_u64(divisor)).into();
    divisor.map_or(0, |divisor| modulus.rem_limb(divisor).0)
}

/// The least prime factor of the first product that shares one, if any.
pub(super) fn small_factor(modulus: &BoxedUint) -> Option<u32> {
    let products = PRIME_PRODUCTS.iter().map(|&product| (product, remainder(modulus, product)));
    let (_, rest) = products.into_iter().find(|&(product, rest)| gcd(product, rest) != 1)?;
    let divides =
        |prime: &&u32| rest % u64::from(**prime) == 0 && remainder(modulus, u64::from(**prime)) == 0;
    SMALL_PRIMES.iter().find(divides).copied()
}

fn gcd(mut a: u64, mut b: u64) -> u64 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

/// Primes of the weak generator are `k·M + 65537^a mod M` with M a product of small primes, so modulo each of
/// them n is a power of 65537.
fn has_roca_fingerprint(modulus: &BoxedUint) -> bool {
    let primes = SMALL_PRIMES.iter().filter(|&&prime| prime > 2 && prime <= MAX_FINGERPRINT_PRIME);
    primes.into_iter().all(|&prime| {
        let target = remainder(modulus, u64::from(prime));
        let mut power = 1;
        (0..prime).any(|_| {
            power = power * u64::from(LOTTERY_EXPONENT) % u64::from(prime);
            power == target
        })
    })
}
