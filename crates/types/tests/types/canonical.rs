//! Every value has exactly one encoding, and no input whatever makes a decoder panic.

use crate::fixtures::{self, Recode};
use alloy_rlp::{Encodable, Error, Header};
use btn_types::supervision::{Announcement, PullRequest, Pulled};
use btn_types::*;
use proptest::prelude::*;

/// Whatever is accepted must be the one encoding of what was understood.
fn assert_canonical(name: &str, recode: Recode, input: &[u8]) -> Result<(), String> {
    match recode(input) {
        Ok(again) if again != input => {
            let first = input.iter().zip(&again).position(|(one, other)| one != other);
            let (one, other) = (hex::encode(input), hex::encode(again));
            Err(format!("`{name}` has two encodings, which part at byte {first:?}:\n{one}\n{other}"))
        }
        Ok(_) | Err(_) => Ok(()),
    }
}

#[test]
fn no_single_bit_flip_gives_a_second_encoding() {
    for fixture in fixtures::all() {
        let Some(recode) = fixture.recode else { continue };
        for bit in 0..fixture.bytes.len() * 8 {
            let mut bytes = fixture.bytes.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            if let Err(why) = assert_canonical(fixture.name, recode, &bytes) {
                panic!("{why}");
            }
        }
    }
}

#[test]
fn an_input_cut_anywhere_is_refused() {
    for fixture in fixtures::all() {
        let Some(recode) = fixture.recode else { continue };
        for length in 0..fixture.bytes.len() {
            assert!(recode(&fixture.bytes[..length]).is_err(), "{} cut to {length} bytes", fixture.name);
        }
    }
}

#[test]
fn bytes_after_the_end_are_refused() {
    for fixture in fixtures::all() {
        let Some(recode) = fixture.recode else { continue };
        for extra in [0x00, 0x80, 0xc0, 0xff] {
            let bytes = [&fixture.bytes[..], &[extra]].concat();
            assert!(recode(&bytes).is_err(), "{} with {extra:#04x} after its end", fixture.name);
        }
    }
}

/// A field too many at the end of the outermost list, the list's length being right.
#[test]
fn an_unknown_field_at_the_end_of_a_list_is_refused() {
    for fixture in fixtures::all() {
        let Some(recode) = fixture.recode else { continue };
        let Ok(payload) = Header::decode_bytes(&mut &fixture.bytes[..], true) else { continue };
        let mut bytes = Vec::new();
        Header { list: true, payload_length: payload.len() + 1 }.encode(&mut bytes);
        bytes.extend_from_slice(payload);
        bytes.push(0x01);
        assert!(recode(&bytes).is_err(), "{} with a field more", fixture.name);
    }
}

#[test]
fn only_the_shortest_form_of_an_integer_is_read() {
    let read = |hex: &str| decode_exact::<FetchRequest>(&hex::decode(hex).expect("hex"));
    assert_eq!(read("c20305"), Ok(FetchRequest::Range { from: Height(5) }));
    assert_eq!(read("c20380"), Ok(FetchRequest::Range { from: Height(0) }));
    for (what, hex) in [
        ("zero as a byte", "c20300"),
        ("a byte with a length", "c3038105"),
        ("a leading zero", "c403820005"),
        ("a long length where a short one does", "c403b80105"),
        ("nine bytes for a u64", "cb0389010000000000000000"),
        ("a long list length where a short one does", "f8020305"),
        ("a leading zero in the list length", "f900020305"),
        ("a list for a number", "c203c0"),
    ] {
        assert!(read(hex).is_err(), "{what}: {hex}");
    }
}

#[test]
fn numbers_past_their_width_are_refused() {
    assert_eq!(decode_exact::<MemberIndex>(&[0x82, 0xff, 0xff]), Ok(MemberIndex(u16::MAX)));
    assert!(decode_exact::<MemberIndex>(&[0x83, 0x01, 0x00, 0x00]).is_err());
    assert!(decode_exact::<SignatureSuite>(&[0x83, 0x01, 0x00, 0x00]).is_err());
    assert!(decode_exact::<VoteKind>(&[0x82, 0x01, 0x01]).is_err());
}

#[test]
fn unknown_kinds_are_refused() {
    for kind in [0x80, 4, 0x7f] {
        assert_eq!(decode_exact::<VoteKind>(&[kind]), Err(Error::Custom("unknown vote kind")));
    }
    for tag in [0x80, 10, 0x7f] {
        let bytes = [0xc1, tag];
        assert_eq!(decode_exact::<Message>(&bytes), Err(Error::Custom("unknown kind of message")));
        assert_eq!(decode_exact::<FetchRequest>(&bytes), Err(Error::Custom("unknown kind of fetch")));
        let expected = Error::Custom("unknown kind of journal record");
        assert_eq!(decode_exact::<JournalRecord>(&bytes), Err(expected));
        let expected = Error::Custom("unknown kind of announcement");
        assert_eq!(decode_exact::<Announcement>(&bytes), Err(expected));
        assert_eq!(decode_exact::<PullRequest>(&bytes), Err(Error::Custom("unknown kind of pull")));
    }
    for tag in [3, 10, 0x7f] {
        let expected = Error::Custom("unknown kind of pulled value");
        assert_eq!(decode_exact::<Pulled>(&[0xc1, tag]), Err(expected));
    }
}

#[test]
fn a_claimed_length_of_exabytes_is_refused_at_once() {
    let huge_list = [0xff, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff];
    let huge_bytes = [0xbf, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff];
    for fixture in fixtures::all() {
        let Some(recode) = fixture.recode else { continue };
        assert!(recode(&huge_list).is_err(), "{}", fixture.name);
        assert!(recode(&huge_bytes).is_err(), "{}", fixture.name);
    }
}

/// Puts raw bytes where the transactions of a block stand.
fn block_with_raw_transactions(raw: &[u8]) -> Vec<u8> {
    let block = fixtures::small_block();
    let mut payload = encode(&block.header);
    Header { list: true, payload_length: raw.len() }.encode(&mut payload);
    payload.extend_from_slice(raw);
    block.envelope.encode(&mut payload);
    block.justification.encode(&mut payload);
    block.seals.encode(&mut payload);
    let mut bytes = Vec::new();
    Header { list: true, payload_length: payload.len() }.encode(&mut bytes);
    bytes.extend_from_slice(&payload);
    bytes
}

/// The library's own decoder takes all of these; a block would have several encodings.
#[test]
fn a_body_holds_each_transaction_in_its_one_form() {
    for transaction in fixtures::transactions() {
        let canonical = encode(&transaction);
        let read = decode_exact::<Block>(&block_with_raw_transactions(&canonical)).expect("canonical");
        assert_eq!(read.transactions, [transaction]);
        if canonical[0] >= 0xc0 {
            let mut in_a_string = Vec::new();
            canonical.as_slice().encode(&mut in_a_string);
            assert!(decode_exact::<Block>(&block_with_raw_transactions(&in_a_string)).is_err());
        } else {
            let naked = Header::decode_bytes(&mut &canonical[..], false).expect("a string");
            assert!(
                decode_exact::<Block>(&block_with_raw_transactions(naked)).is_err(),
                "without its string"
            );
            let mut wrong_length = canonical.clone();
            wrong_length[1] -= 1;
            let refused = decode_exact::<Block>(&block_with_raw_transactions(&wrong_length));
            assert!(refused.is_err(), "in a string of the wrong length");
        }
    }
}

#[test]
fn a_body_holds_no_blob_transaction() {
    let raw = encode(&fixtures::blob_transaction());
    let refused = decode_exact::<Block>(&block_with_raw_transactions(&raw));
    assert_eq!(refused, Err(Error::Custom("blob transactions (type 3) do not exist on this chain")));
}

/// One way to damage bytes.
#[derive(Clone, Debug)]
enum Damage {
    Set(prop::sample::Index, u8),
    Insert(prop::sample::Index, u8),
    Remove(prop::sample::Index),
    Repeat(prop::sample::Index, prop::sample::Index),
}

impl Damage {
    fn apply(&self, bytes: &mut Vec<u8>) {
        if bytes.is_empty() {
            return;
        }
        match self {
            Self::Set(at, value) => {
                let at = at.index(bytes.len());
                bytes[at] = *value;
            }
            Self::Insert(at, value) => bytes.insert(at.index(bytes.len()), *value),
            Self::Remove(at) => {
                bytes.remove(at.index(bytes.len()));
            }
            Self::Repeat(from, to) => {
                let (from, to) = (from.index(bytes.len()), to.index(bytes.len()));
                let piece = bytes[from.min(to)..from.max(to)].to_vec();
                bytes.splice(from..from, piece);
            }
        }
    }
}

fn damage() -> impl Strategy<Value = Damage> {
    let index = any::<prop::sample::Index>;
    prop_oneof![
        (index(), any::<u8>()).prop_map(|(at, value)| Damage::Set(at, value)),
        (index(), any::<u8>()).prop_map(|(at, value)| Damage::Insert(at, value)),
        index().prop_map(Damage::Remove),
        (index(), index()).prop_map(|(from, to)| Damage::Repeat(from, to)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    #[test]
    fn damaged_input_never_panics_and_never_has_two_forms(
        which in any::<prop::sample::Index>(),
        damages in prop::collection::vec(damage(), 1..6),
    ) {
        let fixtures = fixtures::all();
        let fixture = which.get(&fixtures);
        if let Some(recode) = fixture.recode {
            let mut bytes = fixture.bytes.clone();
            for damage in &damages {
                damage.apply(&mut bytes);
            }
            prop_assert_eq!(assert_canonical(fixture.name, recode, &bytes), Ok(()));
        }
    }

    #[test]
    fn noise_never_panics_and_never_has_two_forms(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        for fixture in fixtures::all() {
            if let Some(recode) = fixture.recode {
                prop_assert_eq!(assert_canonical(fixture.name, recode, &bytes), Ok(()));
            }
        }
    }
}
