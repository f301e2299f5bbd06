//! The `VERSION` file: schema and owner of a data directory, as JSON outside the database, so that a program
//! can refuse what it does not understand before it opens it.

use super::DirectoryError;
use crate::{Identity, durable};
use btn_types::{B256, NodeId};
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

/// Schema of the whole directory: its files and their meaning.
/// 2: blocks, journal and database hold seals (ADR 009).
pub(super) const SCHEMA: u64 = 2;

/// Most bytes of a `VERSION` file.
const MAX_VERSION_BYTES: u64 = 4_096;

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Version {
    schema: u64,
    chain: B256,
    node_id: NodeId,
}

/// The one field that every schema must keep.
#[derive(Deserialize)]
struct SchemaOnly {
    schema: u64,
}

fn file(directory: &Path) -> PathBuf {
    directory.join("VERSION")
}

impl Version {
    pub(super) const fn new(identity: Identity) -> Self {
        Self { schema: SCHEMA, chain: identity.chain, node_id: identity.node_id }
    }

    pub(super) const fn identity(&self) -> Identity {
        Identity { chain: self.chain, node_id: self.node_id }
    }

    /// Reads the file; `None` where there is none. Another schema is refused here: its other fields may mean
    /// anything.
    pub(super) fn read(directory: &Path) -> Result<Option<Self>, DirectoryError> {
        let path = file(directory);
        let opened = match File::open(&path) {
            Ok(opened) => opened,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(DirectoryError::Io { path, doing: "opening", source }),
        };
        let mut text = Vec::new();
        let read = opened.take(MAX_VERSION_BYTES).read_to_end(&mut text);
        let unreadable = |reason: String| DirectoryError::VersionUnreadable { path: path.clone(), reason };
        read.map_err(|error| unreadable(error.to_string()))?;
        let schema: SchemaOnly =
            serde_json::from_slice(&text).map_err(|error| unreadable(error.to_string()))?;
        if schema.schema != SCHEMA {
            let path = directory.to_owned();
            return Err(DirectoryError::Schema { path, ours: SCHEMA, theirs: schema.schema });
        }
        serde_json::from_slice(&text).map(Some).map_err(|error| unreadable(error.to_string()))
    }

    /// Writes the file as a whole, durably.
    pub(super) fn write(&self, directory: &Path) -> Result<(), DirectoryError> {
        let path = file(directory);
        let failed = |source| DirectoryError::Io { path: path.clone(), doing: "writing", source };
        let text = serde_json::to_string_pretty(self).map_err(|error| failed(error.into()))?;
        durable::replace(&path, |file| writeln!(file, "{text}")).map(drop).map_err(failed)
    }

    /// Compares with what this node is.
    pub(super) fn check(&self, directory: &Path, ours: Identity) -> Result<(), DirectoryError> {
        let path = directory.to_owned();
        if self.chain != ours.chain {
            return Err(DirectoryError::OtherChain { path, ours: ours.chain, theirs: self.chain });
        }
        if self.node_id != ours.node_id {
            return Err(DirectoryError::OtherNode { path, ours: ours.node_id, theirs: self.node_id });
        }
        Ok(())
    }
}
