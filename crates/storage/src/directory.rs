//! The data directory: `lock`, `VERSION`, `chain.redb`, `journal`. It refuses loudly what is not ours, before
//! any of it is touched.

mod error;
#[cfg(test)]
mod tests;
mod version;

pub use error::DirectoryError;

use crate::{DirectoryLock, Identity, Journal, JournalError, RedbStore, StoreError, durable};
use btn_types::JournalRecord;
use std::path::{Path, PathBuf};
use version::Version;

/// The database's file name.
const DATABASE: &str = "chain.redb";
/// The journal's file name.
const JOURNAL: &str = "journal";

/// A data directory of one node, locked for this process.
#[derive(Debug)]
pub struct DataDirectory {
    path: PathBuf,
    identity: Identity,
    _lock: DirectoryLock,
}

/// What became of the journal.
#[derive(Debug)]
pub enum OpenedJournal {
    /// It is there, with these records in the order written.
    Ready(Journal, Vec<JournalRecord>),
    /// The directory was initialised, but its journal is gone: what this node has voted is unknown, so it
    /// only observes until the next epoch, and says so (C6, "a lost log"). No empty journal may take its
    /// place.
    Lost,
}

impl DataDirectory {
    /// Makes a data directory with an empty journal, for a node's first start; missing folders are made. All of
    /// it is durable when this returns. The caller opens the store and commits genesis.
    ///
    /// # Errors
    /// The directory is initialised already, holds a database or a used journal without a `VERSION`, is in
    /// use, or the disk failed.
    pub fn create(path: &Path, identity: Identity) -> Result<Self, DirectoryError> {
        Self::make(path, identity, || create_journal(path, identity))
    }

    /// Makes a data directory for keys that have voted before, of which nothing else is left: from the start its
    /// journal counts as lost, [`OpenedJournal::Lost`] (C6, "a lost log").
    ///
    /// # Errors
    /// As [`DataDirectory::create`].
    pub fn create_without_journal(path: &Path, identity: Identity) -> Result<Self, DirectoryError> {
        let used = DirectoryError::LeftOver { path: path.to_owned(), file: JOURNAL };
        Self::make(path, identity, || if path.join(JOURNAL).exists() { Err(used) } else { Ok(()) })
    }

    fn make(
        path: &Path,
        identity: Identity,
        journal: impl FnOnce() -> Result<(), DirectoryError>,
    ) -> Result<Self, DirectoryError> {
        let failed = |doing, source| DirectoryError::Io { path: path.to_owned(), doing, source };
        std::fs::create_dir_all(path).map_err(|error| failed("creating the directory", error))?;
        durable::sync_directory(durable::parent(path))
            .map_err(|error| failed("syncing its parent", error))?;
        let lock = DirectoryLock::acquire(path)?;
        if let Some(version) = Version::read(path)? {
            return Err(DirectoryError::AlreadyInitialised {
                path: path.to_owned(),
                theirs: version.identity(),
            });
        }
        if path.join(DATABASE).exists() {
            return Err(DirectoryError::LeftOver { path: path.to_owned(), file: DATABASE });
        }
        journal()?;
        // The last step: before it, nothing of this directory counts, and `create` may simply run again.
        Version::new(identity).write(path)?;
        Ok(Self { path: path.to_owned(), identity, _lock: lock })
    }

    /// Opens the data directory of this node on this chain.
    ///
    /// # Errors
    /// It was never initialised, is in use by another process, has a newer schema, or belongs to another
    /// chain or node; or the disk failed.
    pub fn open(path: &Path, identity: Identity) -> Result<Self, DirectoryError> {
        // Looked at before locking, so that a mistyped path stays as it is.
        if Version::read(path)?.is_none() {
            return Err(DirectoryError::NotInitialised { path: path.to_owned() });
        }
        let lock = DirectoryLock::acquire(path)?;
        let version = Version::read(path)?;
        let version = version.ok_or_else(|| DirectoryError::NotInitialised { path: path.to_owned() })?;
        version.check(path, identity)?;
        Ok(Self { path: path.to_owned(), identity, _lock: lock })
    }

    /// Whether there is an initialised data directory at this path, whoever's it is.
    ///
    /// # Errors
    /// Its `VERSION` file cannot be read or makes no sense.
    pub fn is_initialised(path: &Path) -> Result<bool, DirectoryError> {
        Ok(Version::read(path)?.is_some())
    }

    /// Opens the database, or makes an empty one where there is none: the node then syncs from its peers.
    /// `cache_bytes` bounds the page cache.
    ///
    /// # Errors
    /// As [`RedbStore::open`].
    pub fn open_store(&self, cache_bytes: usize) -> Result<RedbStore, StoreError> {
        let store = RedbStore::open(&self.path.join(DATABASE), cache_bytes, self.identity.chain)?;
        Ok(store)
    }

    /// Opens the journal.
    ///
    /// # Errors
    /// As [`Journal::open`], but for a missing file, which is [`OpenedJournal::Lost`].
    pub fn open_journal(&self) -> Result<OpenedJournal, JournalError> {
        match Journal::open(&self.path.join(JOURNAL), self.identity) {
            Ok((journal, records)) => Ok(OpenedJournal::Ready(journal, records)),
            Err(JournalError::NotFound { .. }) => Ok(OpenedJournal::Lost),
            Err(error) => Err(error),
        }
    }

    /// Bytes that this process may still write to the directory's file system.
    ///
    /// # Errors
    /// The system does not say.
    pub fn free_bytes(&self) -> Result<u64, DirectoryError> {
        fs4::available_space(&self.path).map_err(|source| DirectoryError::Io {
            path: self.path.clone(),
            doing: "asking for free space",
            source,
        })
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whose it is.
    #[must_use]
    pub const fn identity(&self) -> Identity {
        self.identity
    }
}

/// Makes the empty journal. One that an interrupted `create` left behind is as good; a used one is not ours
/// to judge.
fn create_journal(directory: &Path, identity: Identity) -> Result<(), DirectoryError> {
    let path = directory.join(JOURNAL);
    match Journal::open(&path, identity) {
        Ok((_, records)) if records.is_empty() => Ok(()),
        Err(JournalError::NotFound { .. }) => Ok(Journal::create(&path, identity).map(drop)?),
        Err(error @ JournalError::Io { .. }) => Err(error.into()),
        _ => Err(DirectoryError::LeftOver { path: directory.to_owned(), file: JOURNAL }),
    }
}
