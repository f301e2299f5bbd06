//! Moduli under which RSA is no permutation, made from fixed seeds.

use crate::lottery::encoding::Factors;
use crate::permutation::Residues;
use alloy_primitives::B256;
use btn_types::sha256;
use crypto_bigint::modular::{BoxedMontyForm, BoxedMontyParams};
use crypto_bigint::{BoxedUint, ConcatenatingMul, Limb, NonZero, Resize};
use zeroize::Zeroizing;

const E: u64 = 65_537;

/// First message number that the search of [`signable_message`] looks at; found once by starting from zero.
const SEARCH_FROM: u64 = 30_837;

fn wide(value: u64, bits: u32) -> BoxedUint {
    BoxedUint::from(value).resize(bits)
}

fn non_zero(value: &BoxedUint) -> NonZero<BoxedUint> {
    NonZero::new(value.clone()).unwrap()
}

/// `base^exponent mod modulus` for an odd modulus, all of the modulus' precision.
fn power(base: &BoxedUint, exponent: &BoxedUint, modulus: &BoxedUint) -> BoxedUint {
    let parameters = BoxedMontyParams::new_vartime(modulus.to_odd().unwrap());
    BoxedMontyForm::new(base.clone(), &parameters).pow(exponent).retrieve()
}

/// A number of this precision with the two top bits set, grown from a label.
fn start(label: &str, bits: u32) -> BoxedUint {
    let blocks = (0..bits / 256).map(|block| sha256(format!("{label} {block}").as_bytes()));
    let mut bytes: Vec<u8> = blocks.flat_map(|block| block.0).collect();
    bytes[0] |= 0xc0;
    BoxedUint::from_be_slice(&bytes, bits).unwrap()
}

fn remainder(number: &BoxedUint, divisor: u64) -> u64 {
    number.rem_limb(NonZero::new(Limb::from_u64(divisor)).unwrap()).0
}

/// Miller and Rabin's test with the first primes as bases; a composite that passes would fail the arithmetic of
/// the tests that use it.
fn is_prime(number: &BoxedUint) -> bool {
    if (3..2_000).step_by(2).any(|divisor| remainder(number, divisor) == 0) {
        return false;
    }
    let bits = number.bits_precision();
    let (one, less_one) = (wide(1, bits), number.wrapping_sub(wide(1, bits)));
    let twos = less_one.trailing_zeros_vartime();
    let odd = less_one.shr(twos);
    [2, 3, 5, 7].into_iter().all(|base| {
        let mut value = power(&wide(base, bits), &odd, number);
        (value == one)
            || (0..twos).any(|_| {
                let found = value == less_one;
                value = power(&value, &wide(2, bits), number);
                found
            })
    })
}

/// The first prime at or above `from` in steps of `step`.
fn next_prime(mut from: BoxedUint, step: u64) -> BoxedUint {
    let step = wide(step, from.bits_precision());
    while !is_prime(&from) {
        from = from.wrapping_add(&step);
    }
    from
}

/// PKCS#1 v1.5 block of a 32-byte message for a 2048-bit key (RFC 8017 section 9.2).
pub(super) fn encoded_block(message: B256) -> BoxedUint {
    const DIGEST_INFO: [u8; 19] =
        [0x30, 0x31, 0x30, 0x0d, 6, 9, 0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 1, 5, 0, 4, 0x20];
    let mut block = vec![0xff; 256];
    (block[0], block[1], block[204]) = (0, 1, 0);
    block[205..224].copy_from_slice(&DIGEST_INFO);
    block[224..].copy_from_slice(sha256(message.as_slice()).as_slice());
    BoxedUint::from_be_slice(&block, 2048).unwrap()
}

/// n = p·q with 65537 | p−1 (CRYPTO.md K1): one message in 65537 has as many signatures, the others none.
pub(super) struct ResidueKey {
    p: BoxedUint,
    q: BoxedUint,
    /// p·q, 2048 bits.
    pub(super) modulus: BoxedUint,
}

impl ResidueKey {
    pub(super) fn make() -> Self {
        let seed = start("p of the malicious key", 1024);
        let past = remainder(&seed, 2 * E);
        let p = next_prime(seed.wrapping_sub(wide(past, 1024)).wrapping_add(wide(1, 1024)), 2 * E);
        let q = next_prime(start("q of the malicious key", 1024) | wide(1, 1024), 2);
        assert_eq!(remainder(&p, E), 1);
        assert_ne!(remainder(&q, E), 1);
        let modulus = p.concatenating_mul(&q).resize(2048);
        Self { p, q, modulus }
    }

    pub(super) fn factors(&self) -> Factors {
        let bytes = |number: &BoxedUint| Zeroizing::new(number.to_be_bytes().to_vec());
        Factors { p: bytes(&self.p), q: bytes(&self.q) }
    }

    /// Whether a number has e-th roots mod p: x^((p−1)/e) = 1.
    pub(super) fn has_root(&self, number: &BoxedUint) -> bool {
        let order = self.p.wrapping_sub(wide(1, 1024)) / non_zero(&wide(E, 1024));
        power(&reduce(number, &self.p), &order, &self.p) == wide(1, 1024)
    }

    /// `count` of the signatures of an encoded block that has roots, each 256 bytes.
    pub(super) fn signatures(&self, block: &BoxedUint, count: u64) -> Vec<Vec<u8>> {
        let e = wide(E, 1024);
        let one = wide(1, 1024);
        let order = self.p.wrapping_sub(&one) / non_zero(&e); // prime to e, or the assertion below fails
        let root = |modulus: &BoxedUint, order: &BoxedUint| {
            let inverse = e.invert_mod(&non_zero(order)).unwrap();
            power(&reduce(block, modulus), &inverse, modulus)
        };
        let root_p = root(&self.p, &order);
        let root_q = root(&self.q, &self.q.wrapping_sub(&one));
        let unity = power(&wide(2, 1024), &order, &self.p); // an e-th root of one
        assert_ne!(unity, one);
        let turn = |j: u64| root_p.mul_mod(&power(&unity, &wide(j, 1024), &self.p), &non_zero(&self.p));
        (0..count).map(|j| self.combine(&turn(j), &root_q).to_be_bytes().to_vec()).collect()
    }

    /// The number below n with these remainders.
    fn combine(&self, mod_p: &BoxedUint, mod_q: &BoxedUint) -> BoxedUint {
        let p = non_zero(&self.p);
        let inverse = reduce(&(&self.q).resize(2048), &self.p).invert_mod(&p).unwrap();
        let difference = mod_p.sub_mod(&reduce(&(*mod_q).clone().resize(2048), &self.p), &p);
        let times = difference.mul_mod(&inverse, &p);
        self.q.concatenating_mul(&times).resize(2048).wrapping_add(mod_q.resize(2048))
    }
}

fn reduce(number: &BoxedUint, modulus: &BoxedUint) -> BoxedUint {
    number.rem_vartime(&non_zero(modulus)).resize(modulus.bits_precision())
}

/// The first message from [`SEARCH_FROM`] on that the key can sign.
pub(super) fn signable_message(key: &ResidueKey) -> B256 {
    let message = |number: u64| sha256(&number.to_be_bytes());
    let found = (SEARCH_FROM..).find(|&number| key.has_root(&encoded_block(message(number)))).unwrap();
    println!("message {found} has {E} signatures");
    message(found)
}

/// n = p²·q: e-th roots exist for all units, and still RSA is no permutation of all residues.
pub(super) struct SquareKey {
    p: BoxedUint,
    q: BoxedUint,
    /// p²·q, 2048 bits.
    pub(super) modulus: BoxedUint,
}

impl SquareKey {
    pub(super) fn make() -> Self {
        let p = wide((1 << 61) - 1, 2048); // a Mersenne prime
        let square = p.concatenating_mul(&p).resize(2048);
        let target = start("n of the key with a square", 2048);
        let q = next_prime((target / non_zero(&square)) | wide(1, 2048), 2);
        assert_ne!(remainder(&q, E), 1);
        Self { modulus: square.wrapping_mul(&q), p, q }
    }

    /// One of the p−1 residues j·p·q, whose squares are all zero.
    pub(super) fn collision(&self, j: u64) -> BoxedUint {
        self.p.wrapping_mul(&self.q).wrapping_mul(wide(j, 2048))
    }

    /// The e-th root of a unit.
    pub(super) fn plain_root(&self, number: &BoxedUint, residues: &Residues) -> BoxedUint {
        let one = wide(1, 2048);
        let totient = self.p.wrapping_mul(self.p.wrapping_sub(&one)).wrapping_mul(self.q.wrapping_sub(&one));
        let inverse = wide(E, 2048).invert_mod(&non_zero(&totient)).unwrap();
        residues.form(number.clone()).pow(&inverse).retrieve()
    }

    /// Whether a unit has p-th, hence perhaps n-th, roots mod p²: x^(p−1) = 1.
    pub(super) fn has_root(&self, number: &BoxedUint) -> bool {
        let square = self.p.wrapping_mul(&self.p);
        let reduced = number.rem_vartime(&non_zero(&square));
        power(&reduced, &self.p.wrapping_sub(wide(1, 2048)), &square) == wide(1, 2048)
    }
}
