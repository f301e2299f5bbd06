//! Each named limit: a value at the limit is read, one past it is refused with its own sentence.

use crate::fixtures::*;
use alloy_primitives::Bytes;
use alloy_rlp::{Decodable, Encodable, Error};
use btn_types::limits::*;
use btn_types::supervision::{Pulled, decode_candidates, decode_seals, decode_transaction_bytes};
use btn_types::*;
use std::fmt::Debug;
use std::sync::Arc;

const LIST: Error = Error::Custom("list longer than its limit");
const BYTES: Error = Error::Custom("byte string longer than its limit");

/// `build(limit)` is read back, `build(limit + 1)` is refused with `error`.
fn assert_limit<T>(limit: usize, error: Error, build: impl Fn(usize) -> T)
where
    T: Encodable + Decodable + PartialEq + Debug,
{
    let most = build(limit);
    assert!(decode_exact::<T>(&encode(&most)) == Ok(most), "refused at its limit of {limit}");
    let over = decode_exact::<T>(&encode(&build(limit + 1)));
    assert!(over == Err(error), "one past the limit of {limit}: {:?}", over.err());
}

/// The same for a function that reads what has no type of its own.
fn assert_reader<T: Encodable + PartialEq + Debug>(
    limit: usize,
    error: Error,
    read: fn(&mut &[u8]) -> Result<T, Error>,
    build: impl Fn(usize) -> T,
) {
    let most = build(limit);
    assert!(read(&mut &encode(&most)[..]) == Ok(most), "refused at its limit of {limit}");
    let over = read(&mut &encode(&build(limit + 1))[..]);
    assert!(over == Err(error), "one past the limit of {limit}: {:?}", over.err());
}

fn filled(length: usize) -> Bytes {
    vec![0xee; length].into()
}

#[test]
fn bitmaps() {
    let build = |length: usize| Bitmap::new(length * 8, []);
    assert_limit(MAX_BITMAP_BYTES, BYTES, build);
    let build = |length: usize| Certificate {
        bitmap: Bitmap::new(length * 8, []),
        ..certificate(VoteKind::Notarize, 1)
    };
    assert_limit(MAX_BITMAP_BYTES, BYTES, build);
    assert_eq!(MAX_BITMAP_BYTES, 19, "150 members");
}

#[test]
fn lottery_signatures() {
    let limit = MAX_RSA_SIGNATURE_BYTES;
    assert_limit(limit, BYTES, |length| Ticket { signature: filled(length), ..ticket(1) });
    assert_limit(limit, BYTES, |length| Proposal { clerk_signature: filled(length), ..proposal() });
    assert_limit(limit, BYTES, |length| Envelope { clerk_signature: filled(length), ..envelope() });
}

#[test]
fn seal_signatures() {
    let limit = MAX_RSA_SIGNATURE_BYTES;
    let draw = |length| Seal { draw_signature: filled(length), ..seal(1) };
    let word = |length| Seal { signature: filled(length), ..seal(1) };
    assert_limit(limit, BYTES, draw);
    assert_limit(limit, BYTES, word);
    for seal in [draw, word] {
        assert_limit(limit, BYTES, |length| Message::Seals(vec![seal(length)]));
        assert_limit(limit, BYTES, |length| SealRecord { seal: seal(length), ..seal_record() });
        assert_limit(limit, BYTES, |length| {
            JournalRecord::Sealed(Box::new(SealRecord { seal: seal(length), ..seal_record() }))
        });
    }
}

#[test]
fn seals() {
    let seals = |count: usize| vec![seal(1); count];
    assert_limit(MAX_BLOCK_SEALS, LIST, |count| Block { seals: seals(count), ..small_block() });
    assert_limit(MAX_SEALS_PER_MESSAGE, LIST, |count| Message::Seals(seals(count)));
    assert_limit(MAX_BLOCK_SEALS, LIST, |count| {
        Pulled::Block(Arc::new(Block { seals: seals(count), ..small_block() }))
    });
    assert_reader(MAX_SEALS_PER_MESSAGE, LIST, decode_seals, seals);
}

#[test]
fn answers_to_supervisors() {
    assert_reader(MAX_CANDIDATES, LIST, decode_candidates, |count| vec![ticket(1); count]);
    assert_reader(MAX_TRANSACTION_BYTES, BYTES, decode_transaction_bytes, filled);
    assert_limit(MAX_RANGE_BLOCKS, LIST, |count| {
        let blocks = vec![small_block(); count];
        Pulled::Range(Box::new(BlockRange { blocks, finalization: None }))
    });
}

/// Enough for any drawn set with its late ones, and for a third state within a block.
#[test]
fn a_block_holds_more_seals_than_a_default_quorum() {
    let expected_seals = btn_types::genesis::ConsensusParameters::DEVNET.expected_seals;
    assert!(MAX_BLOCK_SEALS as u64 >= 2 * expected_seals);
}

#[test]
fn tickets_on_a_message() {
    let tickets = |count: usize| vec![ticket(1); count];
    assert_limit(MAX_TICKETS, LIST, |count| VoteMessage { vote: vote(), tickets: tickets(count) });
    assert_limit(MAX_TICKETS, LIST, |count| CertificateMessage {
        certificate: certificate(VoteKind::Nullify, 1),
        tickets: tickets(count),
    });
    assert_limit(MAX_TICKETS, LIST, |count| Message::Candidacy(tickets(count)));
}

#[test]
fn certificates() {
    let certificates = |count: usize| vec![certificate(VoteKind::Nullify, 1); count];
    assert_limit(MAX_CERTIFICATES, LIST, |count| Message::Certificates(certificates(count)));
    assert_limit(MAX_CERTIFICATES, LIST, |count| Justification {
        parent_certificate: None,
        nullifications: certificates(count),
    });
}

#[test]
fn a_parent_has_one_certificate() {
    let certificate = encode(&certificate(VoteKind::Notarize, 11));
    let mut payload = Vec::new();
    alloy_rlp::Header { list: true, payload_length: 2 * certificate.len() }.encode(&mut payload);
    payload.extend([&certificate[..], &certificate[..], &[0xc0]].concat());
    let mut bytes = Vec::new();
    alloy_rlp::Header { list: true, payload_length: payload.len() }.encode(&mut bytes);
    bytes.extend(payload);
    assert!(decode_exact::<Justification>(&bytes).is_err());
}

#[test]
fn ranges() {
    assert_limit(MAX_RANGE_BLOCKS, LIST, |count| BlockRange {
        blocks: vec![small_block(); count],
        finalization: Some(certificate(VoteKind::Finalize, 14)),
    });
}

#[test]
fn forwarded_transactions() {
    let limit = MAX_FORWARDED_TRANSACTIONS;
    assert_limit(limit, LIST, |count| Message::Transactions(vec![filled(3); count]));
    assert_limit(MAX_TRANSACTION_BYTES, BYTES, |length| Message::Transactions(vec![filled(length)]));
    assert_limit(MAX_TRANSACTION_BYTES, BYTES, |length| JournalRecord::Transaction(filled(length)));
}

#[test]
fn transactions_of_a_block() {
    let transaction = transactions().remove(0);
    assert_limit(MAX_BLOCK_TRANSACTIONS, LIST, |count| Block {
        transactions: vec![transaction.clone(); count],
        ..small_block()
    });
}

#[test]
fn bytes_of_a_block() {
    let with_extra = |length: usize| {
        let mut block = small_block();
        block.header.extra_data = filled(length);
        block
    };
    // The header alone is stretched; the limit counts the encoding without its own length prefix of 4 bytes.
    let around = encode(&with_extra(MAX_BLOCK_BYTES / 2)).len() - MAX_BLOCK_BYTES / 2 - 4;
    let limit = MAX_BLOCK_BYTES - around;
    assert_limit(limit, Error::Custom("block longer than its limit"), with_extra);
}

/// A full frame must be able to carry every full message, or an honest answer could not be sent.
#[test]
fn a_frame_holds_the_largest_answers() {
    let largest_range = MAX_RANGE_BYTES + MAX_BLOCK_BYTES;
    assert!(MAX_FRAME_BYTES > largest_range + encode(&certificate(VoteKind::Finalize, u64::MAX)).len());
    let certificate_bytes = encode(&Certificate {
        bitmap: Bitmap::new(MAX_COMMITTEE_MEMBERS, []),
        ..certificate(VoteKind::Notarize, u64::MAX)
    })
    .len()
        + 16;
    assert!(MAX_FRAME_BYTES > MAX_CERTIFICATES * certificate_bytes);
    assert!(MAX_FRAME_BYTES > MAX_BLOCK_BYTES + MAX_CERTIFICATES * certificate_bytes);
    let signature = filled(MAX_RSA_SIGNATURE_BYTES);
    let largest_seal = Seal { draw_signature: signature.clone(), signature, ..seal(1) };
    let seals = Message::Seals(vec![largest_seal.clone(); MAX_SEALS_PER_MESSAGE]);
    assert!(MAX_FRAME_BYTES > encode(&seals).len() + 16);
    // Full of the largest seals, a block has room for its transactions too.
    assert!(MAX_BLOCK_BYTES / 4 > MAX_BLOCK_SEALS * encode(&largest_seal).len());
}
