//! Reading a journal back: whole groups up to the end or to a torn tail; damage anywhere else is refused.

use super::error::JournalError;
use super::format::{FRAME_HEADER_BYTES, FrameHeader, MAX_GROUP_BYTES, Mark, frame_crc};
use btn_types::JournalRecord;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

/// Bytes read at once while looking for a mark.
pub(super) const SCAN_BYTES: usize = 256 * 1024;

/// What a journal holds.
pub(super) struct Replay {
    /// Records of all whole groups, in the order written.
    pub(super) records: Vec<JournalRecord>,
    /// Where the last whole group ends.
    pub(super) end: u64,
    /// Why the rest is no group, where there is a rest.
    pub(super) torn: Option<&'static str>,
}

/// One look at the file.
enum Frame {
    Whole(Vec<u8>),
    Bad { reason: &'static str, declared_end: Option<u64> },
}

/// An open journal file of a known length.
pub(super) struct Reader<'a> {
    pub(super) file: &'a mut File,
    pub(super) path: &'a Path,
    pub(super) mark: Mark,
    pub(super) len_bytes: u64,
}

impl Reader<'_> {
    /// Reads all groups from `start` on.
    pub(super) fn replay(&mut self, start: u64) -> Result<Replay, JournalError> {
        let mut replay = Replay { records: Vec::new(), end: start, torn: None };
        while replay.end < self.len_bytes {
            match self.frame_at(replay.end).map_err(|source| self.failed(source))? {
                Frame::Whole(payload) => {
                    replay.records.extend(self.decode(&payload, replay.end)?);
                    replay.end += (FRAME_HEADER_BYTES + payload.len()) as u64;
                }
                Frame::Bad { reason, declared_end } => {
                    self.refuse_if_followed(replay.end, reason, declared_end)?;
                    replay.torn = Some(reason);
                    break;
                }
            }
        }
        Ok(replay)
    }

    fn decode(&self, payload: &[u8], offset: u64) -> Result<Vec<JournalRecord>, JournalError> {
        btn_types::decode_exact(payload).map_err(|source| JournalError::Undecodable {
            path: self.path.to_owned(),
            offset,
            source,
        })
    }

    /// The next group is begun only after this one was synced; so a bad group with another one behind it was
    /// whole once, and its loss is no power cut's.
    fn refuse_if_followed(
        &mut self,
        offset: u64,
        reason: &'static str,
        declared_end: Option<u64>,
    ) -> Result<(), JournalError> {
        let following = self.following(offset, declared_end).map_err(|source| self.failed(source))?;
        match following {
            None => Ok(()),
            Some(following) => {
                Err(JournalError::Damaged { path: self.path.to_owned(), offset, reason, following })
            }
        }
    }

    /// Where a later group begins: a whole one anywhere, or the beginning of one where this one says it ends.
    fn following(&mut self, offset: u64, declared_end: Option<u64>) -> io::Result<Option<u64>> {
        if let Some(end) = declared_end
            && self.next_mark(end, end + 4)? == Some(end)
        {
            return Ok(Some(end));
        }
        let mut from = offset + 1;
        while let Some(candidate) = self.next_mark(from, self.len_bytes)? {
            if matches!(self.frame_at(candidate)?, Frame::Whole(_)) {
                return Ok(Some(candidate));
            }
            from = candidate + 1;
        }
        Ok(None)
    }

    fn frame_at(&mut self, offset: u64) -> io::Result<Frame> {
        let bad = |reason| Ok(Frame::Bad { reason, declared_end: None });
        let remaining = self.len_bytes.saturating_sub(offset);
        if remaining < FRAME_HEADER_BYTES as u64 {
            return bad("its header is cut off");
        }
        let mut bytes = [0; FRAME_HEADER_BYTES];
        self.file.seek(SeekFrom::Start(offset))?;
        self.file.read_exact(&mut bytes)?;
        let header = FrameHeader::parse(&bytes);
        if header.mark != self.mark.0 {
            return bad("it does not begin with this file's mark");
        }
        let length = header.length as usize;
        if length == 0 || length > MAX_GROUP_BYTES {
            return bad("its length is out of bounds");
        }
        if length as u64 > remaining - FRAME_HEADER_BYTES as u64 {
            return bad("its payload is cut off");
        }
        let mut payload = vec![0; length];
        self.file.read_exact(&mut payload)?;
        if frame_crc(self.mark, offset, &payload) != header.crc {
            let declared_end = Some(offset + (FRAME_HEADER_BYTES + length) as u64);
            return Ok(Frame::Bad { reason: "its checksum is wrong", declared_end });
        }
        Ok(Frame::Whole(payload))
    }

    /// Offset of the first mark that lies wholly within `from..to`.
    fn next_mark(&mut self, from: u64, to: u64) -> io::Result<Option<u64>> {
        let mark = self.mark.0.to_be_bytes();
        let to = to.min(self.len_bytes);
        let mut at = from;
        while at + mark.len() as u64 <= to {
            let length = usize::try_from(to - at).unwrap_or(SCAN_BYTES).min(SCAN_BYTES);
            let mut chunk = vec![0; length];
            self.file.seek(SeekFrom::Start(at))?;
            self.file.read_exact(&mut chunk)?;
            if let Some(position) = chunk.windows(mark.len()).position(|window| window == mark) {
                return Ok(Some(at + position as u64));
            }
            // The next chunk repeats the last bytes: a mark may lie across the border.
            at += (length - (mark.len() - 1)) as u64;
        }
        Ok(None)
    }

    fn failed(&self, source: io::Error) -> JournalError {
        JournalError::Io { path: self.path.to_owned(), doing: "reading", source }
    }
}
