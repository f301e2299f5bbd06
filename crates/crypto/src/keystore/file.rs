//! Key files on disk: whole or absent, readable by their owner only, never overwritten.

use super::{KeyFile, KeyFileError};
use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::path::{Path, PathBuf};

/// Most bytes of a key file; one with an RSA-3072 key has about 5,000.
pub const MAX_KEY_FILE_BYTES: u64 = 64 * 1024;

fn io_error(path: &Path) -> impl FnOnce(std::io::Error) -> KeyFileError {
    let path = path.to_path_buf();
    move |source| KeyFileError::Io { path, source }
}

impl KeyFile {
    /// Reads a key file without opening it.
    ///
    /// # Errors
    /// [`KeyFileError`].
    pub fn read(path: &Path) -> Result<Self, KeyFileError> {
        let mut text = Vec::new();
        let file = File::open(path).map_err(io_error(path))?;
        file.take(MAX_KEY_FILE_BYTES + 1).read_to_end(&mut text).map_err(io_error(path))?;
        if text.len() as u64 > MAX_KEY_FILE_BYTES {
            return Err(KeyFileError::Json(format!("{}: longer than 64 KiB", path.display())));
        }
        let file: Self = serde_json::from_slice(&text)
            .map_err(|error| KeyFileError::Json(format!("{}: {error}", path.display())))?;
        file.check_form()?;
        Ok(file)
    }

    /// Writes a new file with mode 0600, synced; after a crash it is there whole or not at all.
    ///
    /// # Errors
    /// [`KeyFileError::Exists`] where there is a file already; [`KeyFileError::Io`].
    pub fn write_new(&self, path: &Path) -> Result<(), KeyFileError> {
        let mut text =
            serde_json::to_vec_pretty(self).map_err(|error| KeyFileError::Json(error.to_string()))?;
        text.push(b'\n');
        let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty());
        let directory = directory.unwrap_or(Path::new("."));
        let temporary = directory.join(self.temporary_name());
        let written = write_private(&temporary, &text).and_then(|()| publish(&temporary, path));
        let removed = fs::remove_file(&temporary).map_err(io_error(&temporary));
        written.and(removed)?;
        File::open(directory).and_then(|handle| handle.sync_all()).map_err(io_error(directory))
    }

    /// A name that no other writer has: the salt is fresh and random.
    fn temporary_name(&self) -> PathBuf {
        PathBuf::from(format!(".key-{}.tmp", hex::encode(&self.kdf.salt)))
    }
}

fn write_private(path: &Path, text: &[u8]) -> Result<(), KeyFileError> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path).map_err(io_error(path))?;
    file.write_all(text).and_then(|()| file.sync_all()).map_err(io_error(path))
}

/// Gives the finished file its name. A link fails where the name is taken; a rename would overwrite.
fn publish(temporary: &Path, path: &Path) -> Result<(), KeyFileError> {
    fs::hard_link(temporary, path).map_err(|source| match source.kind() {
        ErrorKind::AlreadyExists => KeyFileError::Exists(path.to_path_buf()),
        _ => KeyFileError::Io { path: path.to_path_buf(), source },
    })
}
