//! Making file-system changes survive a power cut.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Makes a creation, rename or removal inside `directory` durable.
pub(crate) fn sync_directory(directory: &Path) -> io::Result<()> {
    // Elsewhere a directory cannot be opened for syncing; renames are journalled by the file system.
    if cfg!(unix) { File::open(directory)?.sync_all() } else { Ok(()) }
}

/// The directory that holds `path`.
pub(crate) fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// Where the successor of `path` is written before it takes its place.
pub(crate) fn successor(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    PathBuf::from(name)
}

/// Puts a file in place of `path`, or leaves what was there: `write` fills a new file beside it, which is
/// synced, renamed over `path`, and the directory synced. Returns the open file.
pub(crate) fn replace(path: &Path, write: impl FnOnce(&mut File) -> io::Result<()>) -> io::Result<File> {
    let successor = successor(path);
    let mut file = File::options().read(true).write(true).create(true).truncate(true).open(&successor)?;
    write(&mut file)?;
    file.flush()?;
    file.sync_all()?;
    std::fs::rename(&successor, path)?;
    sync_directory(parent(path))?;
    Ok(file)
}
