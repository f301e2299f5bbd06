//! Writing files so that a crash leaves the old one or the new one, never a half.

use eyre::{WrapErr as _, eyre};
use std::fs::{File, OpenOptions};
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

/// Mode of files that everybody may read.
pub const MODE_PUBLIC: u32 = 0o644;

/// Mode of files with secrets.
pub const MODE_SECRET: u32 = 0o600;

/// Writes a file through a neighbour that is synced and renamed; replaces what is there.
///
/// # Errors
/// A sentence that names the file.
pub fn write_file(path: &Path, content: &[u8], mode: u32) -> eyre::Result<()> {
    let name = path.file_name().ok_or_else(|| eyre!("{} is not a file name", path.display()))?;
    let mut temporary = name.to_owned();
    temporary.push(".new");
    let temporary = path.with_file_name(temporary);
    let write = || -> std::io::Result<()> {
        let mut file =
            OpenOptions::new().write(true).create(true).truncate(true).mode(mode).open(&temporary)?;
        file.write_all(content)?;
        file.sync_all()?;
        std::fs::rename(&temporary, path)?;
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
        File::open(parent.unwrap_or(Path::new(".")))?.sync_all()
    };
    write().wrap_err_with(|| format!("{} could not be written", path.display()))
}

/// Reads a text file of at most `max_bytes`.
///
/// # Errors
/// A sentence that names the file.
pub fn read_text(path: &Path, max_bytes: u64) -> eyre::Result<String> {
    let context = || format!("{} could not be read", path.display());
    let mut text = String::new();
    File::open(path)
        .and_then(|file| file.take(max_bytes + 1).read_to_string(&mut text))
        .wrap_err_with(context)?;
    if text.len() as u64 > max_bytes {
        return Err(eyre!("{} is larger than {max_bytes} bytes; is it the right file?", path.display()));
    }
    Ok(text)
}

/// The last lines of a file after a position, for showing why a process died; empty where it cannot be read.
#[must_use]
pub fn tail(path: &Path, after: u64, max_lines: usize, max_bytes: u64) -> String {
    let read = || -> std::io::Result<Vec<u8>> {
        let mut file = File::open(path)?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(max_bytes).max(after)))?;
        let mut bytes = Vec::new();
        file.take(max_bytes).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    let bytes = read().unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    let lines: Vec<_> = text.lines().collect();
    lines[lines.len().saturating_sub(max_lines)..].join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn files_are_replaced_whole_and_with_their_mode() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("secret");
        for content in ["first, longer", "second"] {
            write_file(&path, content.as_bytes(), MODE_SECRET).unwrap();
            assert_eq!(read_text(&path, 100).unwrap(), content);
        }
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, MODE_SECRET);
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1);
        assert!(read_text(&path, 5).unwrap_err().to_string().contains("larger than 5 bytes"));
    }

    #[test]
    fn the_tail_is_bounded_in_lines_and_bytes() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("log");
        std::fs::write(&path, "one\ntwo\nthree\n").unwrap();
        assert_eq!(tail(&path, 0, 2, 1000), "two\nthree");
        assert_eq!(tail(&path, 0, 2, 6), "three");
        assert_eq!(tail(&path, 8, 2, 1000), "three");
        assert_eq!(tail(&path, 14, 2, 1000), "");
        assert_eq!(tail(&directory.path().join("none"), 0, 2, 6), "");
    }
}
