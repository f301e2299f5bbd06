//! A mark beside the keys: "these have been used to vote on this chain". Where the mark stands but the data
//! directory is gone, a fresh journal would let the keys sign twice in one view (C6, "a lost log").

use btn_types::B256;
use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Write as _};
use std::path::Path;

/// Whether the keys had been used before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mark {
    /// The first time on this chain.
    Fresh,
    /// Used before.
    WasThere,
}

/// Sets the mark, durably, and says whether it stood already.
pub(crate) fn mark(key_dir: &Path, chain: B256) -> std::io::Result<Mark> {
    let path = key_dir.join(format!("voted-on-{}", alloy_primitives::hex::encode(&chain[..8])));
    match OpenOptions::new().write(true).create_new(true).open(&path) {
        Ok(mut file) => {
            writeln!(file, "These keys have been used to vote on the chain with genesis block {chain}.")?;
            file.sync_all()?;
            File::open(key_dir)?.sync_all()?;
            Ok(Mark::Fresh)
        }
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(Mark::WasThere),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_time_is_noticed_for_each_chain_apart() {
        let directory = tempfile::tempdir().unwrap();
        let (one, two) = (B256::repeat_byte(1), B256::repeat_byte(2));
        assert_eq!(mark(directory.path(), one).unwrap(), Mark::Fresh);
        assert_eq!(mark(directory.path(), one).unwrap(), Mark::WasThere);
        assert_eq!(mark(directory.path(), two).unwrap(), Mark::Fresh);
    }
}
