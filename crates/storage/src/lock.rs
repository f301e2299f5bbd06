//! One process per data directory, by a lock of the operating system: it cannot outlive its process.

use crate::DirectoryError;
use std::fs::{File, TryLockError};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// Most bytes read from a lock file that another process may have filled.
const MAX_HOLDER_BYTES: u64 = 32;

/// The lock of a data directory, held until it is dropped or the process ends.
#[derive(Debug)]
pub struct DirectoryLock {
    // Closing the file releases the lock.
    _file: File,
}

impl DirectoryLock {
    /// Takes the lock of the directory at `directory`, which must exist, and writes our process id beside it
    /// for whoever is refused.
    ///
    /// # Errors
    /// [`DirectoryError::Locked`] where another process (or this one, a second time) holds it; or the disk
    /// failed.
    pub fn acquire(directory: &Path) -> Result<Self, DirectoryError> {
        let path: PathBuf = directory.join("lock");
        let failed = |source| DirectoryError::Io { path: path.clone(), doing: "locking", source };
        let mut file = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let holder = holder(&mut file);
                return Err(DirectoryError::Locked { path: directory.to_owned(), holder });
            }
            Err(TryLockError::Error(source)) => return Err(failed(source)),
        }
        file.set_len(0).map_err(failed)?;
        file.seek(SeekFrom::Start(0)).map_err(failed)?;
        write!(file, "{}", std::process::id()).map_err(failed)?;
        Ok(Self { _file: file })
    }
}

/// Who holds the lock, in words; only a help, so failures are no errors.
fn holder(file: &mut File) -> String {
    let mut text = String::new();
    let read = file.take(MAX_HOLDER_BYTES).read_to_string(&mut text);
    match (read, text.trim().parse::<u32>()) {
        (Ok(_), Ok(pid)) => format!("pid {pid}"),
        _ => "process id unknown".to_owned(),
    }
}
