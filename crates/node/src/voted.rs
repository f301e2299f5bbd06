//! A mark beside the keys: "these have been used to sign on this chain". Where the mark stands but the data
//! directory is gone, a fresh journal would let a master's keys sign twice in one view (C6, "a lost log"), and a
//! supervisor's seal two blocks on one core (C8 ⚠).

use btn_types::B256;
use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};

fn path_of(key_dir: &Path, chain: B256) -> PathBuf {
    key_dir.join(format!("voted-on-{}", alloy_primitives::hex::encode(&chain[..8])))
}

/// Whether the keys have been used on this chain.
pub(crate) fn is_marked(key_dir: &Path, chain: B256) -> std::io::Result<bool> {
    path_of(key_dir, chain).try_exists()
}

/// Sets the mark, durably, before anything is signed. It may stand already.
pub(crate) fn mark(key_dir: &Path, chain: B256) -> std::io::Result<()> {
    match OpenOptions::new().write(true).create_new(true).open(path_of(key_dir, chain)) {
        Ok(mut file) => {
            writeln!(
                file,
                "These keys have been used to vote or seal on the chain with genesis block {chain}."
            )?;
            file.sync_all()?;
            File::open(key_dir)?.sync_all()
        }
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chains_are_marked_apart_and_marks_stay() {
        let directory = tempfile::tempdir().unwrap();
        let (one, two) = (B256::repeat_byte(1), B256::repeat_byte(2));
        assert!(!is_marked(directory.path(), one).unwrap());
        for _ in 0..2 {
            mark(directory.path(), one).unwrap();
            assert!(is_marked(directory.path(), one).unwrap());
        }
        assert!(!is_marked(directory.path(), two).unwrap());
        assert!(mark(&directory.path().join("absent"), one).is_err());
    }
}
