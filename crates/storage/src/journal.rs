//! The write-ahead log of C6: what a master must never forget, on disk before it is sent or acted on.
//!
//! Records are appended in groups. A group is one write and one sync, and after a crash it is there as a
//! whole or not at all. A torn last group is dropped; it was never synced, so nothing was sent on its
//! strength. Any other damage is refused, because a node that has forgotten a vote may vote twice.

mod error;
mod format;
mod replay;
#[cfg(test)]
mod tests;

pub use error::JournalError;
pub use format::MAX_GROUP_BYTES;

use crate::{Identity, durable};
use btn_types::JournalRecord;
use format::{HEADER_BYTES, Mark, check_header, encode_frame, encode_header, record_bytes};
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// A rewritten journal begins a new group after this many bytes.
const REWRITE_GROUP_BYTES: usize = 1024 * 1024;

/// An open journal, positioned at its end. Only one may be open per file: the data directory's lock sees to
/// that.
#[derive(Debug)]
pub struct Journal {
    file: File,
    path: PathBuf,
    identity: Identity,
    mark: Mark,
    len_bytes: u64,
    poisoned: Option<String>,
}

impl Journal {
    /// Makes an empty journal; durable when this returns.
    ///
    /// # Errors
    /// [`JournalError::Exists`], or the disk failed.
    pub fn create(path: &Path, identity: Identity) -> Result<Self, JournalError> {
        if path.exists() {
            return Err(JournalError::Exists { path: path.to_owned() });
        }
        Self::write_whole(path, identity, &[])
    }

    /// Opens a journal and returns its records in the order written. A torn tail is dropped with a warning,
    /// and the file is truncated and synced before this returns.
    ///
    /// # Errors
    /// [`JournalError::NotFound`] where there is no file; a journal of another chain, node or version; damage
    /// that is not a torn tail; or the disk failed.
    pub fn open(path: &Path, identity: Identity) -> Result<(Self, Vec<JournalRecord>), JournalError> {
        let failed = |doing, source| JournalError::Io { path: path.to_owned(), doing, source };
        let mut file = match File::options().read(true).write(true).open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(JournalError::NotFound { path: path.to_owned() });
            }
            Err(error) => return Err(failed("opening", error)),
        };
        let len_bytes = file.metadata().map_err(|error| failed("reading its length", error))?.len();
        if len_bytes < HEADER_BYTES as u64 {
            return Err(JournalError::HeaderDamaged { path: path.to_owned(), reason: "it is cut off" });
        }
        let mut header = [0; HEADER_BYTES];
        file.read_exact(&mut header).map_err(|error| failed("reading", error))?;
        let mark = check_header(&header, &identity, path)?;
        let replayed =
            replay::Reader { file: &mut file, path, mark, len_bytes }.replay(HEADER_BYTES as u64)?;
        if let Some(reason) = replayed.torn {
            let dropped_bytes = len_bytes - replayed.end;
            tracing::warn!(path = %path.display(), dropped_bytes, reason, "dropped the journal's torn tail");
            file.set_len(replayed.end).map_err(|error| failed("dropping its torn tail", error))?;
            file.sync_all().map_err(|error| failed("syncing after dropping its torn tail", error))?;
        }
        file.seek(SeekFrom::Start(replayed.end)).map_err(|error| failed("seeking", error))?;
        let journal =
            Self { file, path: path.to_owned(), identity, mark, len_bytes: replayed.end, poisoned: None };
        Ok((journal, replayed.records))
    }

    /// Appends a group with one write and one sync; durable when this returns `Ok`. An empty group does
    /// nothing.
    ///
    /// # Errors
    /// [`JournalError::GroupTooLong`], with nothing written. Where the disk failed the journal is poisoned:
    /// the kernel may report a failed sync once and then forget it, so no later success would mean anything.
    pub fn append(&mut self, records: &[JournalRecord]) -> Result<(), JournalError> {
        self.check_usable()?;
        if records.is_empty() {
            return Ok(());
        }
        let frame = encode_frame(records, self.mark, self.len_bytes)?;
        let written = self.file.write_all(&frame);
        written.map_err(|error| self.poison("appending", error))?;
        let synced = self.file.sync_data();
        synced.map_err(|error| self.poison("syncing", error))?;
        self.len_bytes += frame.len() as u64;
        Ok(())
    }

    /// Replaces the journal by one that holds only `live` (compaction). After a crash either the old or the
    /// new file is there, whole.
    ///
    /// # Errors
    /// As [`append`](Self::append).
    pub fn rewrite(&mut self, live: &[JournalRecord]) -> Result<(), JournalError> {
        self.check_usable()?;
        match Self::write_whole(&self.path, self.identity, live) {
            Ok(journal) => {
                *self = journal;
                Ok(())
            }
            Err(error) => {
                // Whether the rename happened is unknown, so appending to the old file could be lost.
                self.poisoned = Some(error.to_string());
                Err(error)
            }
        }
    }

    /// Length of the file, for deciding when to compact.
    #[must_use]
    pub const fn len_bytes(&self) -> u64 {
        self.len_bytes
    }

    /// Writes a journal of these records in place of whatever is at `path`.
    fn write_whole(path: &Path, identity: Identity, live: &[JournalRecord]) -> Result<Self, JournalError> {
        let mark = Mark::random();
        let header = encode_header(&identity, mark);
        let mut len_bytes = header.len() as u64;
        let mut frames = Vec::new();
        for group in groups(live) {
            let frame = encode_frame(group, mark, len_bytes)?;
            len_bytes += frame.len() as u64;
            frames.push(frame);
        }
        let file = durable::replace(path, |file| {
            file.write_all(&header)?;
            frames.iter().try_for_each(|frame| file.write_all(frame))
        });
        let file = file.map_err(|source| JournalError::Io {
            path: path.to_owned(),
            doing: "writing it anew",
            source,
        })?;
        Ok(Self { file, path: path.to_owned(), identity, mark, len_bytes, poisoned: None })
    }

    fn check_usable(&self) -> Result<(), JournalError> {
        match &self.poisoned {
            None => Ok(()),
            Some(cause) => Err(JournalError::Poisoned { path: self.path.clone(), cause: cause.clone() }),
        }
    }

    fn poison(&mut self, doing: &'static str, source: io::Error) -> JournalError {
        self.poisoned = Some(format!("{doing}: {source}"));
        JournalError::Io { path: self.path.clone(), doing, source }
    }
}

/// Cuts records into groups of about [`REWRITE_GROUP_BYTES`].
fn groups(records: &[JournalRecord]) -> Vec<&[JournalRecord]> {
    let mut groups = Vec::new();
    let (mut start, mut bytes) = (0, 0);
    for (index, record) in records.iter().enumerate() {
        let record_bytes = record_bytes(record);
        if index > start && bytes + record_bytes > REWRITE_GROUP_BYTES {
            groups.push(&records[start..index]);
            (start, bytes) = (index, 0);
        }
        bytes += record_bytes;
    }
    if start < records.len() {
        groups.push(&records[start..]);
    }
    groups
}
