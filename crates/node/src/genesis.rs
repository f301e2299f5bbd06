//! Reads a genesis file, and names the network that it starts.

use btn_chain::genesis_block;
use btn_types::genesis::GenesisError;
use btn_types::limits::MAX_GENESIS_BYTES;
use btn_types::{B256, Genesis};
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use thiserror::Error;

/// Why a genesis file cannot be used.
#[derive(Debug, Error)]
pub enum GenesisFileError {
    /// The file cannot be read.
    #[error(
        "genesis file {path} cannot be read: {source}; it is the same file on every node, made once with `btn genesis new`"
    )]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file is too large.
    #[error("genesis file {path} is larger than {MAX_GENESIS_BYTES} bytes; is it the right file?")]
    Size {
        /// The file.
        path: PathBuf,
    },
    /// What it says is wrong.
    #[error("{path}: {source}")]
    Content {
        /// The file.
        path: PathBuf,
        /// Why.
        source: GenesisError,
    },
}

/// Reads a genesis file and checks all but the nodes' keys, which `btn_crypto::CommitteeKeys` checks.
///
/// # Errors
/// [`GenesisFileError`].
pub fn load_genesis(path: &Path) -> Result<Genesis, GenesisFileError> {
    let mut text = String::new();
    File::open(path)
        .and_then(|file| file.take(MAX_GENESIS_BYTES + 1).read_to_string(&mut text))
        .map_err(|source| GenesisFileError::Read { path: path.to_owned(), source })?;
    if text.len() as u64 > MAX_GENESIS_BYTES {
        return Err(GenesisFileError::Size { path: path.to_owned() });
    }
    Genesis::from_json(&text).map_err(|source| GenesisFileError::Content { path: path.to_owned(), source })
}

/// Hash of the genesis block: the network's name in every digest (C3).
#[must_use]
pub fn genesis_hash(genesis: &Genesis) -> B256 {
    genesis_block(genesis).hash()
}
