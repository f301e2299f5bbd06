//! Tests of the journal: crashes at every byte, damage, poison, compaction, golden bytes.

use super::format::{FRAME_HEADER_BYTES, HEADER_BYTES, MAX_GROUP_BYTES, Mark, encode_frame, encode_header};
use super::replay::SCAN_BYTES;
use super::{Journal, JournalError, REWRITE_GROUP_BYTES};
use crate::testing::{any_record, hash, identity, one_of_each, vote};
use crate::{Identity, durable};
use btn_types::limits::MAX_TRANSACTION_BYTES;
use btn_types::{Bytes, JournalRecord, NodeId, decode_exact, encode, sha256};
use proptest::prelude::*;
use std::fs;
use std::path::{Path, PathBuf};

struct Place {
    _directory: tempfile::TempDir,
    path: PathBuf,
}

fn place() -> Place {
    let directory = tempfile::tempdir().unwrap();
    Place { path: directory.path().join("journal"), _directory: directory }
}

fn open(path: &Path) -> Result<(Journal, Vec<JournalRecord>), JournalError> {
    Journal::open(path, identity())
}

/// Writes the groups and returns where each ends in the file.
fn write_groups(path: &Path, groups: &[Vec<JournalRecord>]) -> Vec<usize> {
    let mut journal = Journal::create(path, identity()).unwrap();
    let append = |group: &Vec<JournalRecord>| {
        journal.append(group).unwrap();
        usize::try_from(journal.len_bytes()).unwrap()
    };
    groups.iter().map(append).collect()
}

/// What must come back when only the first `length` bytes are on disk.
fn survivors(groups: &[Vec<JournalRecord>], ends: &[usize], length: usize) -> Vec<JournalRecord> {
    let whole = ends.iter().filter(|end| **end <= length).count();
    groups[..whole].concat()
}

#[test]
fn records_come_back_in_order_after_reopening() {
    let place = place();
    let groups = [one_of_each(), vec![vote(6)], vec![vote(7), vote(8)]];
    write_groups(&place.path, &groups);
    let (mut journal, records) = open(&place.path).unwrap();
    assert_eq!(records, groups.concat());
    journal.append(&[vote(9)]).unwrap();
    journal.append(&[]).unwrap();
    assert_eq!(journal.len_bytes(), fs::metadata(&place.path).unwrap().len());
    drop(journal);
    assert_eq!(open(&place.path).unwrap().1, [groups.concat(), vec![vote(9)]].concat());
}

#[test]
fn a_crash_at_any_byte_leaves_exactly_the_whole_groups() {
    let place = place();
    // Without bodies, which would only make it slow; the property test below has them.
    let short = |record: &JournalRecord| encode(record).len() < 1_000;
    let short: Vec<_> = one_of_each().into_iter().filter(short).collect();
    assert_eq!(short.len(), 4);
    let groups = [vec![vote(1)], short, vec![vote(2)], vec![vote(3), vote(4)]];
    let ends = write_groups(&place.path, &groups);
    let whole = fs::read(&place.path).unwrap();
    let torn = place.path.with_extension("torn");
    for length in HEADER_BYTES..=whole.len() {
        fs::write(&torn, &whole[..length]).unwrap();
        let (journal, records) = open(&torn).unwrap();
        assert_eq!(records, survivors(&groups, &ends, length), "cut at {length}");
        let end = ends.iter().filter(|end| **end <= length).max().unwrap_or(&HEADER_BYTES);
        assert_eq!(journal.len_bytes(), *end as u64, "cut at {length}");
        assert_eq!(fs::metadata(&torn).unwrap().len(), *end as u64, "cut at {length}");
    }
}

#[test]
fn a_journal_goes_on_after_its_torn_tail_was_dropped() {
    let place = place();
    let ends = write_groups(&place.path, &[vec![vote(1)], vec![vote(2)]]);
    fs::OpenOptions::new().write(true).open(&place.path).unwrap().set_len(ends[1] as u64 - 1).unwrap();
    let (mut journal, _) = open(&place.path).unwrap();
    journal.append(&[vote(3)]).unwrap();
    assert_eq!(open(&place.path).unwrap().1, [vote(1), vote(3)]);
}

#[test]
fn a_flipped_byte_in_the_middle_is_refused() {
    let place = place();
    let ends = write_groups(&place.path, &[vec![vote(1)], vec![vote(2)], vec![vote(3)]]);
    let whole = fs::read(&place.path).unwrap();
    for at in ends[0]..ends[1] {
        for bit in [0x01, 0x80] {
            let mut bytes = whole.clone();
            bytes[at] ^= bit;
            fs::write(&place.path, &bytes).unwrap();
            match open(&place.path) {
                Err(JournalError::Damaged { offset, following, .. }) => {
                    assert_eq!((offset, following), (ends[0] as u64, ends[1] as u64), "byte {at}");
                }
                other => panic!("byte {at}: {other:?}"),
            }
            assert_eq!(fs::read(&place.path).unwrap(), bytes, "a refused file stays as it is");
        }
    }
}

#[test]
fn a_flipped_byte_in_the_last_group_is_a_torn_tail() {
    let place = place();
    let ends = write_groups(&place.path, &[vec![vote(1)], vec![vote(2)]]);
    let whole = fs::read(&place.path).unwrap();
    for at in ends[0]..ends[1] {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x10;
        fs::write(&place.path, &bytes).unwrap();
        assert_eq!(open(&place.path).unwrap().1, [vote(1)], "byte {at}");
    }
}

#[test]
fn damage_before_a_torn_tail_is_refused() {
    let place = place();
    let ends = write_groups(&place.path, &[vec![vote(1)], vec![vote(2)], vec![vote(3)]]);
    let mut bytes = fs::read(&place.path).unwrap();
    bytes.truncate(ends[2] - 1);
    bytes[ends[1] - 1] ^= 1;
    fs::write(&place.path, &bytes).unwrap();
    assert!(matches!(open(&place.path), Err(JournalError::Damaged { .. })));
}

#[test]
fn damage_followed_by_a_far_group_is_found() {
    let place = place();
    // Longer than one scan, so that the search crosses its borders.
    let long = JournalRecord::Transaction(vec![0; MAX_TRANSACTION_BYTES].into());
    let ends = write_groups(&place.path, &[vec![long; 9], vec![vote(1)]]);
    let mut bytes = fs::read(&place.path).unwrap();
    bytes[HEADER_BYTES + 4] ^= 0x80;
    fs::write(&place.path, bytes).unwrap();
    match open(&place.path) {
        Err(JournalError::Damaged { following, .. }) => assert_eq!(following, ends[0] as u64),
        other => panic!("{other:?}"),
    }
}

#[test]
fn damage_is_found_wherever_the_scan_is_cut() {
    let scanned = HEADER_BYTES + 1 + SCAN_BYTES;
    for wanted_end in scanned - 5..scanned + 2 {
        let place = place();
        let payload_bytes = |last: usize| {
            let sizes = [MAX_TRANSACTION_BYTES, MAX_TRANSACTION_BYTES - 8_192, last];
            sizes.map(|bytes| JournalRecord::Transaction(vec![0; bytes].into())).to_vec()
        };
        let overhead = alloy_rlp::list_length(&payload_bytes(4_096)) - 4_096;
        let group = payload_bytes(wanted_end - HEADER_BYTES - FRAME_HEADER_BYTES - overhead);
        let ends = write_groups(&place.path, &[group, vec![vote(1)]]);
        assert_eq!(ends[0], wanted_end);
        let mut bytes = fs::read(&place.path).unwrap();
        bytes[HEADER_BYTES] ^= 1;
        fs::write(&place.path, bytes).unwrap();
        assert!(matches!(open(&place.path), Err(JournalError::Damaged { .. })), "{wanted_end}");
    }
}

#[test]
fn a_frame_inside_a_torn_transaction_is_no_group() {
    let place = place();
    let mut journal = Journal::create(&place.path, identity()).unwrap();
    journal.append(&[vote(1)]).unwrap();
    // A stranger's transaction that imitates a frame: of another file's mark, and of this file's mark but
    // another offset.
    let mark = journal.mark;
    for imitated in [Mark(mark.0 ^ 1), mark] {
        let imitation = encode_frame(&[vote(9)], imitated, 0).unwrap();
        let payload = JournalRecord::Transaction([imitation, vec![0; 64]].concat().into());
        let frame = encode_frame(&[payload], mark, journal.len_bytes()).unwrap();
        let mut bytes = fs::read(&place.path).unwrap();
        bytes.truncate(usize::try_from(journal.len_bytes()).unwrap());
        bytes.extend_from_slice(&frame[..frame.len() - 1]);
        fs::write(&place.path, bytes).unwrap();
        assert_eq!(open(&place.path).unwrap().1, [vote(1)]);
    }
}

#[test]
fn zeroed_blocks_at_the_end_are_a_torn_tail() {
    let place = place();
    write_groups(&place.path, &[vec![vote(1)]]);
    let mut bytes = fs::read(&place.path).unwrap();
    bytes.extend_from_slice(&[0; 8192]);
    fs::write(&place.path, bytes).unwrap();
    assert_eq!(open(&place.path).unwrap().1, [vote(1)]);
}

#[test]
fn a_missing_journal_is_told_from_an_empty_one() {
    let place = place();
    assert!(matches!(open(&place.path), Err(JournalError::NotFound { .. })));
    Journal::create(&place.path, identity()).unwrap();
    assert_eq!(open(&place.path).unwrap().1, []);
    assert!(matches!(Journal::create(&place.path, identity()), Err(JournalError::Exists { .. })));
}

#[test]
fn another_owner_is_refused_by_both_names() {
    let place = place();
    Journal::create(&place.path, identity()).unwrap();
    let cases = [
        (Identity { chain: hash(0x77), ..identity() }, hash(0x77), identity().chain, "genesis file"),
        (
            Identity { node_id: NodeId(hash(0x88)), ..identity() },
            hash(0x88),
            identity().node_id.0,
            "own data",
        ),
    ];
    for (owner, ours, theirs, remedy) in cases {
        let text = Journal::open(&place.path, owner).unwrap_err().to_string();
        for part in [&ours.to_string(), &theirs.to_string(), remedy, &place.path.display().to_string()] {
            assert!(text.contains(part), "{part} is not in: {text}");
        }
    }
}

#[test]
fn a_damaged_header_is_refused() {
    let place = place();
    write_groups(&place.path, &[vec![vote(1)]]);
    let whole = fs::read(&place.path).unwrap();
    for at in 0..HEADER_BYTES {
        let mut bytes = whole.clone();
        bytes[at] ^= 1;
        fs::write(&place.path, bytes).unwrap();
        let version = (8..12).contains(&at);
        match open(&place.path) {
            Err(JournalError::HeaderDamaged { .. }) if !version => {}
            Err(JournalError::Version { ours: 2, theirs, .. }) if version => assert_ne!(theirs, 2),
            other => panic!("byte {at}: {other:?}"),
        }
    }
    for length in 0..HEADER_BYTES {
        fs::write(&place.path, &whole[..length]).unwrap();
        assert!(matches!(open(&place.path), Err(JournalError::HeaderDamaged { .. })), "{length} bytes");
    }
}

#[test]
fn a_record_of_a_newer_program_is_refused() {
    let place = place();
    let mut journal = Journal::create(&place.path, identity()).unwrap();
    let mut frame =
        encode_frame(&[JournalRecord::Transaction(Bytes::new())], journal.mark, journal.len_bytes());
    let frame = frame.as_mut().unwrap();
    // List, record, tag: an unknown tag under a right checksum.
    frame[FRAME_HEADER_BYTES + 2] = 99;
    let crc = super::format::frame_crc(journal.mark, journal.len_bytes(), &frame[FRAME_HEADER_BYTES..]);
    frame[8..12].copy_from_slice(&crc.to_be_bytes());
    journal.append(&[]).unwrap();
    let bytes = [fs::read(&place.path).unwrap(), frame.clone()].concat();
    fs::write(&place.path, bytes).unwrap();
    assert!(matches!(open(&place.path), Err(JournalError::Undecodable { .. })));
}

#[test]
fn a_group_over_the_bound_is_refused_and_harms_nothing() {
    let place = place();
    let mut journal = Journal::create(&place.path, identity()).unwrap();
    let record = JournalRecord::Transaction(vec![1; MAX_TRANSACTION_BYTES].into());
    let group = vec![record; MAX_GROUP_BYTES / MAX_TRANSACTION_BYTES];
    assert!(matches!(journal.append(&group), Err(JournalError::GroupTooLong { .. })));
    journal.append(&[vote(1)]).unwrap();
    assert_eq!(open(&place.path).unwrap().1, [vote(1)]);
}

#[cfg(target_os = "linux")]
#[test]
fn a_failed_write_poisons_the_journal() {
    let place = place();
    let mut journal = Journal::create(&place.path, identity()).unwrap();
    journal.append(&[vote(1)]).unwrap();
    let good =
        std::mem::replace(&mut journal.file, fs::OpenOptions::new().write(true).open("/dev/full").unwrap());
    assert!(matches!(journal.append(&[vote(2)]), Err(JournalError::Io { doing: "appending", .. })));
    // Even with a disk that works again.
    journal.file = good;
    assert!(matches!(journal.append(&[vote(3)]), Err(JournalError::Poisoned { .. })));
    assert!(matches!(journal.append(&[]), Err(JournalError::Poisoned { .. })));
    assert!(matches!(journal.rewrite(&[vote(3)]), Err(JournalError::Poisoned { .. })));
    assert_eq!(open(&place.path).unwrap().1, [vote(1)]);
}

#[cfg(target_os = "linux")]
#[test]
fn a_failed_sync_poisons_the_journal() {
    let place = place();
    let mut journal = Journal::create(&place.path, identity()).unwrap();
    // A pipe takes the bytes but cannot be synced.
    let (_reader, writer) = std::io::pipe().unwrap();
    journal.file = fs::File::from(std::os::fd::OwnedFd::from(writer));
    assert!(matches!(journal.append(&[vote(2)]), Err(JournalError::Io { doing: "syncing", .. })));
    assert!(matches!(journal.append(&[vote(3)]), Err(JournalError::Poisoned { .. })));
}

#[test]
fn a_rewritten_journal_holds_only_what_is_live() {
    let place = place();
    let mut journal = Journal::create(&place.path, identity()).unwrap();
    let mark = journal.mark;
    for view in 1..50 {
        journal.append(&[vote(view)]).unwrap();
    }
    let before = journal.len_bytes();
    fs::write(durable::successor(&place.path), b"left over by a crash").unwrap();
    journal.rewrite(&[vote(48), vote(49)]).unwrap();
    assert!(journal.len_bytes() < before);
    assert_ne!(journal.mark, mark);
    journal.append(&[vote(50)]).unwrap();
    assert_eq!(journal.len_bytes(), fs::metadata(&place.path).unwrap().len());
    assert!(!durable::successor(&place.path).exists());
    assert_eq!(open(&place.path).unwrap().1, [vote(48), vote(49), vote(50)]);
}

#[test]
fn a_rewritten_journal_is_cut_into_groups() {
    let place = place();
    let mut journal = Journal::create(&place.path, identity()).unwrap();
    let record = JournalRecord::Transaction(vec![1; MAX_TRANSACTION_BYTES].into());
    let live = [vec![record; 3 * REWRITE_GROUP_BYTES / MAX_TRANSACTION_BYTES], vec![vote(1)]].concat();
    journal.rewrite(&live).unwrap();
    assert_eq!(super::groups(&live).len(), 4);
    assert_eq!(super::groups(&live).concat(), live);
    assert_eq!(open(&place.path).unwrap().1, live);
}

#[test]
fn a_failed_rewrite_poisons_the_journal_and_keeps_the_old_file() {
    let place = place();
    let mut journal = Journal::create(&place.path, identity()).unwrap();
    journal.append(&[vote(1)]).unwrap();
    fs::create_dir(durable::successor(&place.path)).unwrap();
    assert!(matches!(journal.rewrite(&[]), Err(JournalError::Io { .. })));
    assert!(matches!(journal.append(&[vote(2)]), Err(JournalError::Poisoned { .. })));
    assert_eq!(open(&place.path).unwrap().1, [vote(1)]);
}

/// Changing any of these is a change of format: raise the version.
#[test]
fn golden_bytes() {
    let mark = Mark(0x0102_0304);
    let header = hex(&encode_header(&identity(), mark));
    let expected =
        format!("62746e2d6a726e6c0000000201020304{}{}{}", "c1".repeat(32), "1d".repeat(32), "82b14df4");
    assert_eq!(header, expected);
    let frames: Vec<_> = one_of_each()
        .into_iter()
        .map(|record| {
            let frame = encode_frame(&[record], mark, HEADER_BYTES as u64).unwrap();
            (hex(&frame[..FRAME_HEADER_BYTES]), sha256(&frame).to_string())
        })
        .collect();
    let expected = [
        ("0102030400000b6502f00e4c", "0x30f4cdf0342bfd14fc38456c91306f16345d358c6edc58195bbf6a88b1b4edeb"),
        ("010203040000008e56bdca9d", "0x1c304fe21b3304d75f74ebda71786165fabfa272261973d22a5a60c161086016"),
        ("010203040000008fca7a7a4f", "0x965fa9f5534988d56b3f87c81107972388fcc2a3dcddc467daf20bdb3ebd3b1c"),
        ("0102030400000b65665af552", "0xeaaf6ec89a01a1cab550130d605e210b98d0d73308c3aef1076cdd264d604d6b"),
        ("0102030400000010dc8fa7b2", "0xe2157299ee769c4dd380744640cbb62b84f359c351aee654d9e79649c1a8ec1d"),
        ("010203040000027938f1362b", "0xc4e02ea1ed7a12bcfb73de4d92e75b06e111205a5e6907757a0d8e34153fe481"),
    ];
    assert_eq!(frames, expected.map(|(head, hash)| (head.to_owned(), hash.to_owned())));
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_record_survives_encoding(record in any_record()) {
        prop_assert_eq!(decode_exact::<JournalRecord>(&encode(&record)).unwrap(), record);
    }

    #[test]
    fn any_groups_survive_a_crash_anywhere(
        groups in proptest::collection::vec(proptest::collection::vec(any_record(), 1..4), 1..6),
        cut in 0.0f64..1.0,
        garbage in proptest::collection::vec(any::<u8>(), 0..100),
    ) {
        let place = place();
        let ends = write_groups(&place.path, &groups);
        let mut bytes = fs::read(&place.path).unwrap();
        let length = HEADER_BYTES + ((bytes.len() - HEADER_BYTES) as f64 * cut) as usize;
        bytes.truncate(length);
        bytes.extend_from_slice(&garbage);
        fs::write(&place.path, bytes).unwrap();
        prop_assert_eq!(open(&place.path).unwrap().1, survivors(&groups, &ends, length));
    }
}
