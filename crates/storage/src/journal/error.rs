//! Why the journal refuses or fails. The messages tell an operator what to do: a wrong step here can make a
//! node vote twice.

use btn_types::{B256, NodeId};
use std::io;
use std::path::PathBuf;
use thiserror::Error;

/// Errors of [`crate::Journal`].
#[derive(Debug, Error)]
pub enum JournalError {
    /// There is no journal. Beside an initialised data directory this is a lost log (C6).
    #[error(
        "journal {path} is missing; a node that lost its journal may only observe (C6); do not put an old copy \
         in its place: the node would vote twice"
    )]
    NotFound {
        /// The journal file.
        path: PathBuf,
    },
    /// A journal is there already and must not be overwritten.
    #[error("journal {path} exists already and will not be overwritten: it holds this node's votes")]
    Exists {
        /// The journal file.
        path: PathBuf,
    },
    /// The operating system failed.
    #[error(
        "journal {path}: {doing} failed: {source}; check free space and the system log, then start the node \
         again"
    )]
    Io {
        /// The journal file.
        path: PathBuf,
        /// What was being done.
        doing: &'static str,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The file does not begin as a journal does.
    #[error(
        "journal {path} has a damaged header: {reason}; do not vote with this key on a new journal: move the \
         file away and the node will only observe (C6)"
    )]
    HeaderDamaged {
        /// The journal file.
        path: PathBuf,
        /// What is wrong.
        reason: &'static str,
    },
    /// The journal was written by another version of this program.
    #[error(
        "journal {path} has format {theirs}, this program reads format {ours}; run the program that wrote it"
    )]
    Version {
        /// The journal file.
        path: PathBuf,
        /// Format of this program.
        ours: u32,
        /// Format found.
        theirs: u32,
    },
    /// The journal belongs to another chain.
    #[error(
        "journal {path} belongs to the chain with genesis {theirs}, this node is configured for genesis \
         {ours}; use that chain's genesis file, or another data directory"
    )]
    OtherChain {
        /// The journal file.
        path: PathBuf,
        /// Genesis hash of the configuration.
        ours: B256,
        /// Genesis hash in the journal.
        theirs: B256,
    },
    /// The journal holds another node's votes.
    #[error(
        "journal {path} belongs to node {theirs}, the configured keys are those of node {ours}; give each \
         node its own data directory"
    )]
    OtherNode {
        /// The journal file.
        path: PathBuf,
        /// Node id of the configured keys.
        ours: NodeId,
        /// Node id in the journal.
        theirs: NodeId,
    },
    /// A group in the middle is damaged: what follows it shows that it once was whole.
    #[error(
        "journal {path} is damaged at byte {offset} ({reason}), yet another group follows at byte {following}: \
         this is no torn tail of a power cut but a failing disk or a changed file, and votes may be lost; move \
         the file away and the node will only observe (C6)"
    )]
    Damaged {
        /// The journal file.
        path: PathBuf,
        /// Where the bad group begins.
        offset: u64,
        /// What is wrong with it.
        reason: &'static str,
        /// Where a later group begins.
        following: u64,
    },
    /// A group is whole, but this program cannot read it.
    #[error(
        "journal {path}: the group at byte {offset} is intact but cannot be decoded: {source}; it was written \
         by a newer program: run that one"
    )]
    Undecodable {
        /// The journal file.
        path: PathBuf,
        /// Where the group begins.
        offset: u64,
        /// What the decoder said.
        #[source]
        source: alloy_rlp::Error,
    },
    /// A group over the bound; nothing was written.
    #[error("a journal group of {actual_bytes} bytes is over the limit of {most_bytes}")]
    GroupTooLong {
        /// Bytes of the group.
        actual_bytes: usize,
        /// [`crate::MAX_GROUP_BYTES`].
        most_bytes: usize,
    },
    /// An earlier write failed; what is on disk is in doubt until the node starts again.
    #[error("journal {path} takes no more records since an earlier failure: {cause}; stop the node")]
    Poisoned {
        /// The journal file.
        path: PathBuf,
        /// The first failure.
        cause: String,
    },
}
