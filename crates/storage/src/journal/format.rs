//! The bytes of the journal, all numbers big-endian:
//!
//! ```text
//! header  magic "btn-jrnl" | version u32 | mark u32 | chain 32 bytes | node id 32 bytes | crc32 of all before
//! frame   mark u32 | length u32 | crc32 u32 | payload: RLP list of records, `length` bytes, never empty
//! ```
//!
//! A frame's crc32 covers the mark, the frame's offset in the file, the length and the payload. The mark is
//! random per file, so that neither left-over blocks of an older file nor bytes that a stranger puts into a
//! transaction can pass for a frame: after a power cut the scan for later frames decides between "torn tail"
//! and "damaged", and nobody outside may have a hand in that.

use crate::{Identity, JournalError};
use alloy_rlp::Encodable;
use btn_types::{B256, JournalRecord, NodeId};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::path::Path;

/// Most payload bytes of one group; checked before anything is allocated or written. A full block is 4 MiB.
pub const MAX_GROUP_BYTES: usize = 64 * 1024 * 1024;

/// Format written and read by this program.
pub(super) const VERSION: u32 = 2;

/// Bytes of the file header.
pub(super) const HEADER_BYTES: usize = 8 + 4 + 4 + 32 + 32 + 4;

/// Bytes before a frame's payload.
pub(super) const FRAME_HEADER_BYTES: usize = 12;

const MAGIC: &[u8; 8] = b"btn-jrnl";

/// The random number that begins each frame of one file. Never zero, so that zeroed blocks hold none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mark(pub(super) u32);

impl Mark {
    /// A mark that nobody outside this process can foresee.
    pub(super) fn random() -> Self {
        // The standard library seeds each `RandomState` from the operating system.
        let bits = RandomState::new().build_hasher().finish();
        let [_, _, _, _, low @ ..] = bits.to_be_bytes();
        Self(u32::from_be_bytes(low).max(1))
    }
}

pub(super) fn encode_header(identity: &Identity, mark: Mark) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(HEADER_BYTES);
    bytes.extend_from_slice(MAGIC);
    bytes.extend_from_slice(&VERSION.to_be_bytes());
    bytes.extend_from_slice(&mark.0.to_be_bytes());
    bytes.extend_from_slice(identity.chain.as_slice());
    bytes.extend_from_slice(identity.node_id.0.as_slice());
    let crc = crc32fast::hash(&bytes);
    bytes.extend_from_slice(&crc.to_be_bytes());
    bytes
}

/// Reads a header and compares it with what this node is. The version is looked at before the checksum: a
/// newer format may have moved it.
pub(super) fn check_header(
    bytes: &[u8; HEADER_BYTES],
    ours: &Identity,
    path: &Path,
) -> Result<Mark, JournalError> {
    let damaged = |reason| JournalError::HeaderDamaged { path: path.to_owned(), reason };
    if !bytes.starts_with(MAGIC) {
        return Err(damaged("it does not begin with the journal's magic"));
    }
    let theirs = number(bytes, 8);
    if theirs != VERSION {
        return Err(JournalError::Version { path: path.to_owned(), ours: VERSION, theirs });
    }
    if crc32fast::hash(&bytes[..HEADER_BYTES - 4]) != number(bytes, HEADER_BYTES - 4) {
        return Err(damaged("its checksum is wrong"));
    }
    let chain = B256::from_slice(&bytes[16..48]);
    if chain != ours.chain {
        return Err(JournalError::OtherChain { path: path.to_owned(), ours: ours.chain, theirs: chain });
    }
    let node_id = NodeId(B256::from_slice(&bytes[48..80]));
    if node_id != ours.node_id {
        return Err(JournalError::OtherNode { path: path.to_owned(), ours: ours.node_id, theirs: node_id });
    }
    Ok(Mark(number(bytes, 12)))
}

/// The frame of one group, to be written at `offset`.
pub(super) fn encode_frame(
    records: &[JournalRecord],
    mark: Mark,
    offset: u64,
) -> Result<Vec<u8>, JournalError> {
    let actual_bytes = alloy_rlp::list_length(records);
    let too_long = JournalError::GroupTooLong { actual_bytes, most_bytes: MAX_GROUP_BYTES };
    if actual_bytes > MAX_GROUP_BYTES {
        return Err(too_long);
    }
    let Ok(length) = u32::try_from(actual_bytes) else { return Err(too_long) };
    let mut frame = Vec::with_capacity(FRAME_HEADER_BYTES + actual_bytes);
    frame.extend_from_slice(&mark.0.to_be_bytes());
    frame.extend_from_slice(&length.to_be_bytes());
    frame.extend_from_slice(&[0; 4]);
    alloy_rlp::encode_list(records, &mut frame);
    let crc = frame_crc(mark, offset, &frame[FRAME_HEADER_BYTES..]);
    frame[8..FRAME_HEADER_BYTES].copy_from_slice(&crc.to_be_bytes());
    Ok(frame)
}

/// What a frame's header says, before it is believed.
pub(super) struct FrameHeader {
    pub(super) mark: u32,
    pub(super) length: u32,
    pub(super) crc: u32,
}

impl FrameHeader {
    pub(super) fn parse(bytes: &[u8; FRAME_HEADER_BYTES]) -> Self {
        Self { mark: number(bytes, 0), length: number(bytes, 4), crc: number(bytes, 8) }
    }
}

pub(super) fn frame_crc(mark: Mark, offset: u64, payload: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&mark.0.to_be_bytes());
    hasher.update(&offset.to_be_bytes());
    hasher.update(&(payload.len() as u64).to_be_bytes());
    hasher.update(payload);
    hasher.finalize()
}

/// Bytes that a record takes inside a group.
pub(super) fn record_bytes(record: &JournalRecord) -> usize {
    record.length()
}

fn number(bytes: &[u8], at: usize) -> u32 {
    bytes[at..at + 4].iter().fold(0, |value, byte| value << 8 | u32::from(*byte))
}
