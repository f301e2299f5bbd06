//! Why a data directory is refused.

use crate::{Identity, JournalError};
use btn_types::{B256, NodeId};
use std::io;
use std::path::PathBuf;
use thiserror::Error;

/// Errors of [`crate::DataDirectory`] and [`crate::DirectoryLock`].
#[derive(Debug, Error)]
pub enum DirectoryError {
    /// Another process uses it.
    #[error(
        "another btn process ({holder}) uses the data directory {path}; stop it first, or give this node its \
         own data directory"
    )]
    Locked {
        /// The data directory.
        path: PathBuf,
        /// "pid N", or that it is unknown.
        holder: String,
    },
    /// The operating system failed.
    #[error(
        "data directory, {path}: {doing} failed: {source}; check the path, its permissions and free space"
    )]
    Io {
        /// Directory or file.
        path: PathBuf,
        /// What was being done.
        doing: &'static str,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// No node was initialised there.
    #[error(
        "data directory {path} is not initialised (it has no VERSION file); run `btn init` first, or correct the path"
    )]
    NotInitialised {
        /// The data directory.
        path: PathBuf,
    },
    /// A node was initialised there before.
    #[error(
        "data directory {path} is initialised already, for node {} on the chain with genesis {}; start the \
         node, or choose another data directory: deleting this one makes the node forget its votes",
        theirs.node_id, theirs.chain
    )]
    AlreadyInitialised {
        /// The data directory.
        path: PathBuf,
        /// Whose it is.
        theirs: Identity,
    },
    /// There is data, but nothing says whose.
    #[error(
        "data directory {path} has a {file} but no VERSION file, so nothing says whose it is; restore VERSION, \
         or choose an empty directory"
    )]
    LeftOver {
        /// The data directory.
        path: PathBuf,
        /// What was found.
        file: &'static str,
    },
    /// VERSION is not what `btn init` writes.
    #[error("{path} cannot be read: {reason}; it was changed or damaged: restore it from a copy")]
    VersionUnreadable {
        /// The VERSION file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// Another version of this program made the directory.
    #[error(
        "data directory {path} has schema {theirs}, this program reads schema {ours}; run the program that \
         made it, or give the node a new data directory with `btn init`: its blocks have another format"
    )]
    Schema {
        /// The data directory.
        path: PathBuf,
        /// Schema of this program.
        ours: u64,
        /// Schema found.
        theirs: u64,
    },
    /// It belongs to another chain.
    #[error(
        "data directory {path} belongs to the chain with genesis {theirs}, this node is configured for \
         genesis {ours}; use that chain's genesis file, or another data directory"
    )]
    OtherChain {
        /// The data directory.
        path: PathBuf,
        /// Genesis hash of the configuration.
        ours: B256,
        /// Genesis hash in VERSION.
        theirs: B256,
    },
    /// It belongs to another node.
    #[error(
        "data directory {path} belongs to node {theirs}, the configured keys are those of node {ours}; give \
         each node its own data directory"
    )]
    OtherNode {
        /// The data directory.
        path: PathBuf,
        /// Node id of the configured keys.
        ours: NodeId,
        /// Node id in VERSION.
        theirs: NodeId,
    },
    /// The journal could not be made.
    #[error(transparent)]
    Journal(#[from] JournalError),
}
