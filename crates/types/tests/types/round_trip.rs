//! Encoding and decoding give the value back, and `length` says how long the encoding is.

use crate::strategies;
use alloy_rlp::{Decodable, Encodable};
use btn_types::{Bitmap, BitmapError, MemberIndex, decode_exact, encode};
use proptest::prelude::*;
use std::collections::BTreeSet;
use std::fmt::Debug;

fn assert_round_trip<T: Encodable + Decodable + PartialEq + Debug>(value: &T) -> Result<(), TestCaseError> {
    let bytes = encode(value);
    prop_assert_eq!(bytes.len(), value.length());
    let read = decode_exact::<T>(&bytes).map_err(|error| TestCaseError::fail(error.to_string()))?;
    prop_assert_eq!(&read, value);
    Ok(())
}

proptest! {
    #[test]
    fn votes(value in strategies::vote()) {
        assert_round_trip(&value)?;
    }

    #[test]
    fn certificates(value in strategies::certificate()) {
        assert_round_trip(&value)?;
    }

    #[test]
    fn bitmaps(value in strategies::bitmap()) {
        assert_round_trip(&value)?;
    }

    #[test]
    fn proposals(value in strategies::proposal()) {
        assert_round_trip(&value)?;
    }

    #[test]
    fn tickets(value in strategies::ticket()) {
        assert_round_trip(&value)?;
    }

    #[test]
    fn envelopes(value in strategies::envelope()) {
        assert_round_trip(&value)?;
    }

    #[test]
    fn justifications(value in strategies::justification()) {
        assert_round_trip(&value)?;
    }

    #[test]
    fn blocks(value in strategies::block()) {
        assert_round_trip(&value)?;
    }

    #[test]
    fn accounts(value in strategies::account()) {
        assert_round_trip(&value)?;
    }

    #[test]
    fn questions(value in strategies::fetch()) {
        assert_round_trip(&value)?;
    }

    #[test]
    fn messages(value in strategies::message()) {
        assert_round_trip(&value)?;
    }

    #[test]
    fn records(value in strategies::record()) {
        assert_round_trip(&value)?;
    }

    #[test]
    fn seals(value in strategies::seal()) {
        assert_round_trip(&value)?;
    }

    #[test]
    fn seal_records(value in strategies::seal_record()) {
        assert_round_trip(&value)?;
    }

    #[test]
    fn places(value in strategies::place()) {
        assert_round_trip(&value)?;
    }

    #[test]
    fn announcements(value in strategies::announcement()) {
        assert_round_trip(&value)?;
    }

    #[test]
    fn pulls(value in strategies::pull()) {
        assert_round_trip(&value)?;
    }

    #[test]
    fn answers_to_pulls(value in strategies::pulled()) {
        assert_round_trip(&value)?;
    }

    #[test]
    fn a_bitmap_gives_its_signers_back(
        (members, signers) in (1_u16..=150).prop_flat_map(|members| {
            (Just(members), prop::collection::btree_set(0..members, 0..=usize::from(members)))
        })
    ) {
        let expected: Vec<_> = signers.iter().copied().map(MemberIndex).collect();
        let bitmap = Bitmap::new(usize::from(members), expected.iter().copied());
        prop_assert_eq!(bitmap.signers(usize::from(members)), Ok(expected));
    }
}

#[test]
fn a_bitmap_of_another_committee_is_refused() {
    let bitmap = Bitmap::new(10, [0, 9].map(MemberIndex));
    assert_eq!(
        bitmap.signers(8),
        Err(BitmapError::Length { actual: 2, expected: 1, members: 8 }),
        "a byte too many"
    );
    assert_eq!(
        bitmap.signers(17),
        Err(BitmapError::Length { actual: 2, expected: 3, members: 17 }),
        "a byte too few"
    );
    assert_eq!(bitmap.signers(9), Err(BitmapError::OutOfCommittee { members: 9 }));
    assert_eq!(bitmap.signers(10), Ok([0, 9].map(MemberIndex).to_vec()));
}

/// The bit order is part of the wire format: least significant first.
#[test]
fn a_member_is_its_bit() {
    for member in 0..150_u16 {
        let bytes = Bitmap::new(150, [MemberIndex(member)]).as_bytes().clone();
        let set: BTreeSet<usize> =
            (0..bytes.len() * 8).filter(|bit| bytes[bit / 8] >> (bit % 8) & 1 == 1).collect();
        assert_eq!(set, BTreeSet::from([usize::from(member)]));
    }
}
