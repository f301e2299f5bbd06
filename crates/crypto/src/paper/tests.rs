//! The paper's functions against its own text, its worked example, and mocks that record every call.

use super::*;
use sha1::{Digest, Sha1};
use std::collections::BTreeMap;

#[test]
fn leading_zero_count_table() {
    //
    let cases: [(&[u8], u32); 8] = [
        (&[0x80], 0),
        (&[0x01], 7),
        (&[0x00, 0x07], 13),
        (&[0; 32], 256),
        (&[], 0),
        (&[0xff, 0x00], 0),
        (&[0x00], 8),
        (&[0x00, 0x01, 0x00], 15),
    ];
    for (bytes, expected) in cases {
        assert_eq!(leading_zero_count(bytes), expected, "{bytes:02x?}");
    }
}

#[test]
fn probability_is_one_in_two_to_the_n() {
    // R-021, exactly: of all values of two bytes, 2^(16−n) have at least n leading zeros.
    let mut with_exactly = [0u32; 17];
    for value in 0..=u16::MAX {
        with_exactly[leading_zero_count(&value.to_be_bytes()) as usize] += 1;
    }
    for n in 0..=16 {
        assert_eq!(with_exactly[n..].iter().sum::<u32>(), 1 << (16 - n), "n = {n}");
    }
    // The count carries over bytes alike, so the rest up to 256 follows: the least value with exactly n zeros
    // and the greatest.
    for n in 0..256u32 {
        let mut least = [0u8; 32];
        least[n as usize / 8] = 0x80 >> (n % 8);
        let mut greatest = [0xffu8; 32];
        greatest[..n as usize / 8].fill(0);
        greatest[n as usize / 8] = 0xff >> (n % 8);
        assert_eq!((leading_zero_count(&least), leading_zero_count(&greatest)), (n, n));
    }
}

/// The numbers from 1 to 10,000,000 whose decimal string hashes to at least 20 leading zeros.
fn at_least_twenty(hash: impl Fn(&[u8]) -> [u8; 4], full: impl Fn(&[u8]) -> u32) -> BTreeMap<u32, u32> {
    let mut found = BTreeMap::new();
    let mut digits = *b"00000000";
    for number in 1..=10_000_000u32 {
        let mut rest = number;
        let mut start = digits.len();
        while rest > 0 {
            start -= 1;
            digits[start] = b'0' + (rest % 10) as u8;
            rest /= 10;
        }
        let text = &digits[start..];
        if u32::from_be_bytes(hash(text)) >> 12 == 0 {
            found.insert(number, full(text));
        }
    }
    found
}

fn first_word(digest: &[u8]) -> [u8; 4] {
    [digest[0], digest[1], digest[2], digest[3]]
}

#[test]
fn worked_example_of_the_paper_with_sha1() {
    //
    let found = at_least_twenty(
        |text| first_word(&Sha1::digest(text)),
        |text| leading_zero_count(&Sha1::digest(text)),
    );
    let exceeding = found.iter().filter(|(_, zeros)| **zeros > 20).map(|(&number, &zeros)| (number, zeros));
    let expected = [
        (4_233_739, 21),
        (4_836_969, 22),
        (5_370_398, 23),
        (5_871_620, 21),
        (6_132_845, 25),
        (8_520_920, 21),
        (9_057_261, 22),
    ];
    assert_eq!(exceeding.collect::<Vec<_>>(), expected);
    assert_eq!(found.values().filter(|&&zeros| zeros == 20).count(), 6);
}

#[test]
fn the_same_example_with_sha256() {
    // CRYPTO.md, "Vectors".
    let found = at_least_twenty(
        |text| first_word(&sha2::Sha256::digest(text)),
        |text| leading_zero_count(&sha2::Sha256::digest(text)),
    );
    let exceeding = found.iter().filter(|(_, zeros)| **zeros > 20).map(|(&number, &zeros)| (number, zeros));
    let expected = [
        (596_138, 21),
        (665_782, 30),
        (1_134_816, 23),
        (2_041_213, 23),
        (2_585_022, 21),
        (3_440_733, 22),
        (3_633_215, 21),
        (4_232_765, 22),
        (7_555_928, 22),
        (8_218_093, 23),
        (9_356_128, 21),
    ];
    assert_eq!(exceeding.collect::<Vec<_>>(), expected);
}

/// What a mock was asked to do.
#[derive(Debug, PartialEq, Eq)]
enum Call {
    Sign(Vec<u8>),
    Ready,
    Broadcast(Vec<u8>, Vec<u8>, Vec<u8>),
    Verify,
    HashCode,
    Seal(Vec<u8>, Vec<u8>),
}

/// Signs by appending a mark, and records every call.
struct Mock {
    calls: Vec<Call>,
    ready: bool,
    valid: bool,
}

impl Mock {
    fn new() -> Self {
        Self { calls: Vec::new(), ready: false, valid: true }
    }

    fn record_signature(&mut self, data: &[u8]) -> Vec<u8> {
        self.calls.push(Call::Sign(data.to_vec()));
        signed(data)
    }
}

/// A block hash whose mock seal has a few zeros.
const BLOCK: &[u8] = b"block hash 14";

fn signed(data: &[u8]) -> Vec<u8> {
    [b"signed ", data].concat()
}

fn zeros_of(data: &[u8]) -> u32 {
    leading_zero_count(sha256(&signed(data)).as_slice())
}

impl Competitor for Mock {
    fn sign(&mut self, data: &[u8]) -> Vec<u8> {
        self.record_signature(data)
    }
    fn clerk_is_ready(&mut self) -> bool {
        self.calls.push(Call::Ready);
        self.ready
    }
    fn broadcast(&mut self, block_hash: &[u8], signed_data: &[u8], public_key: &[u8]) {
        self.calls.push(Call::Broadcast(block_hash.to_vec(), signed_data.to_vec(), public_key.to_vec()));
    }
    fn public_key(&self) -> Vec<u8> {
        b"key".to_vec()
    }
}

impl Sealable for Mock {
    fn verify(&mut self) -> bool {
        self.calls.push(Call::Verify);
        self.valid
    }
    fn hash_code(&mut self) -> Vec<u8> {
        self.calls.push(Call::HashCode);
        BLOCK.to_vec()
    }
    fn sign(&mut self, data: &[u8]) -> Vec<u8> {
        self.record_signature(data)
    }
    fn public_key(&self) -> Vec<u8> {
        b"key".to_vec()
    }
    fn seal_at_clerk(&mut self, signed_data: &[u8], public_key: &[u8]) {
        self.calls.push(Call::Seal(signed_data.to_vec(), public_key.to_vec()));
    }
}

fn round_bytes(round: u32) -> Vec<u8> {
    [&b"block"[..], &round.to_be_bytes()].concat()
}

#[test]
fn compete_calls_in_the_order_of_the_listing() {
    // R-035, on the first threshold that round 0 misses.
    let threshold = zeros_of(&round_bytes(0)) + 1;
    let winner = (0..).find(|&round| zeros_of(&round_bytes(round)) >= threshold).unwrap();
    let mut expected = Vec::new();
    for round in 0..=winner {
        expected.extend([Call::Sign(round_bytes(round)), Call::Ready]);
    }
    // The block hash and not hash‖round is broadcast; the round is nowhere in it.
    expected.push(Call::Broadcast(b"block".to_vec(), signed(&round_bytes(winner)), b"key".to_vec()));
    let mut mock = Mock::new();
    let outcome = compete(b"block", threshold, &mut mock);
    assert!(winner > 0);
    assert_eq!(outcome, Competition::Candidate { round: winner, zeros: zeros_of(&round_bytes(winner)) });
    assert_eq!(mock.calls, expected);
}

#[test]
fn compete_accepts_zeros_equal_to_the_threshold() {
    let zeros = zeros_of(&round_bytes(0));
    let round = |threshold| match compete(b"block", threshold, &mut Mock::new()) {
        Competition::Candidate { round, .. } => round,
        other => panic!("{other:?}"),
    };
    assert_eq!(round(zeros), 0, "equal is enough");
    assert!(round(zeros + 1) > 0, "one more is not reached in round 0");
}

#[test]
fn a_ready_clerk_still_costs_one_signature() {
    let mut mock = Mock { ready: true, ..Mock::new() };
    assert_eq!(compete(b"block", 0, &mut mock), Competition::ClerkReady { round: 0 });
    assert_eq!(mock.calls, [Call::Sign(round_bytes(0)), Call::Ready]);
}

#[test]
fn seal_block_needs_strictly_more_zeros() {
    //
    let zeros = zeros_of(BLOCK);
    let start = [Call::Verify, Call::HashCode, Call::Sign(BLOCK.to_vec())];
    let mut mock = Mock::new();
    assert_eq!(seal_block(zeros, &mut mock), Sealing::TooFewZeros { zeros }, "equal is not enough");
    assert_eq!(mock.calls, start);
    let mut mock = Mock::new();
    assert!(zeros > 0, "the threshold below must exist");
    assert_eq!(seal_block(zeros - 1, &mut mock), Sealing::Sealed { zeros });
    assert_eq!(mock.calls[..3], start);
    assert_eq!(mock.calls[3..], [Call::Seal(signed(BLOCK), b"key".to_vec())]);
}

#[test]
fn seal_block_verifies_first() {
    let mut mock = Mock { valid: false, ..Mock::new() };
    assert_eq!(seal_block(0, &mut mock), Sealing::Invalid);
    assert_eq!(mock.calls, [Call::Verify]);
}
