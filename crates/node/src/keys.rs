//! The key directory of a node: one encrypted file per key, and the password that opens them. A master has a
//! lottery, a vote and a network key; a supervisor has no vote key.

mod held;
mod password;
#[cfg(test)]
mod tests;

pub use held::{NodeKeys, SupervisorNodeKeys};
pub use password::Password;

use btn_crypto::{
    KeyFile, KeyFileError, KeyKind, LotteryKeyError, MemberKeys, NetworkKeyError, PermutationError,
    ScryptCost, SupervisorKeys, VoteKeyError,
};
use btn_types::{Bytes, NodeId, sha256};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use thiserror::Error;

/// Most bytes of a password file.
pub const MAX_PASSWORD_BYTES: u64 = 4096;

/// The kinds of keys that a master has, in the order they are shown.
pub const KEY_KINDS: [KeyKind; 3] = [KeyKind::Lottery, KeyKind::Vote, KeyKind::Network];

/// The kinds of keys that a supervisor has (C2), in the order they are shown.
pub const SUPERVISOR_KEY_KINDS: [KeyKind; 2] = [KeyKind::Lottery, KeyKind::Network];

/// Why keys cannot be made, stored or opened.
#[derive(Debug, Error)]
pub enum KeyError {
    /// A key file. The cause says what is wrong with it.
    #[error("{path}: {source}")]
    File {
        /// The file.
        path: PathBuf,
        /// Cause.
        source: KeyFileError,
    },
    /// A key file that is not there.
    #[error("{path} is missing; `btn init` makes the keys of a new node, those of this one are in your copy")]
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// The directory exists.
    #[error("{0} exists already and is not overwritten: it may hold the only copy of a key")]
    Exists(PathBuf),
    /// Reading or writing.
    #[error("{path}: {source}")]
    Io {
        /// File or directory.
        path: PathBuf,
        /// Cause.
        source: std::io::Error,
    },
    /// A password file without a password.
    #[error("password file {0} is empty; write the password on its first line")]
    EmptyPassword(PathBuf),
    /// A password file that is none.
    #[error("password file {0} is longer than {MAX_PASSWORD_BYTES} bytes; is it the right file?")]
    LongPassword(PathBuf),
    /// The lottery key could not be made.
    #[error(transparent)]
    Lottery(#[from] LotteryKeyError),
    /// The vote key could not be made.
    #[error(transparent)]
    Vote(#[from] VoteKeyError),
    /// The network key could not be made.
    #[error(transparent)]
    Network(#[from] NetworkKeyError),
    /// The permutation proof could not be made.
    #[error(transparent)]
    Permutation(#[from] PermutationError),
}

/// The public part of a stored key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredKey {
    /// What it is for.
    pub kind: KeyKind,
    /// Its file.
    pub path: PathBuf,
    /// Public key, as the file says it; certain only after decryption.
    pub public: Bytes,
}

/// A directory with one file per key.
#[derive(Clone, Debug)]
pub struct KeyDirectory {
    path: PathBuf,
}

/// File name of a key.
const fn file_name(kind: KeyKind) -> &'static str {
    match kind {
        KeyKind::Lottery => "lottery.json",
        KeyKind::Vote => "vote.json",
        KeyKind::Network => "network.json",
    }
}

impl KeyDirectory {
    /// The directory at this path, whether it exists or not.
    #[must_use]
    pub const fn new(path: PathBuf) -> Self {
        Self { path }
    }

    /// The file of a key.
    #[must_use]
    pub fn file(&self, kind: KeyKind) -> PathBuf {
        self.path.join(file_name(kind))
    }

    /// Writes all keys of a master, encrypted, into a new directory. After a crash it exists with all of them or
    /// not at all.
    ///
    /// # Errors
    /// [`KeyError::Exists`] where there is a directory already; the disk.
    pub fn create(&self, keys: &NodeKeys, password: &Password, cost: ScryptCost) -> Result<(), KeyError> {
        self.check_free()?;
        let files = keys.encrypt(password, cost);
        self.write(files.map_err(|source| KeyError::File { path: self.path.clone(), source })?)
    }

    /// Writes all keys of a supervisor, as [`KeyDirectory::create`] does those of a master.
    ///
    /// # Errors
    /// As [`KeyDirectory::create`].
    pub fn create_supervisor(
        &self,
        keys: &SupervisorNodeKeys,
        password: &Password,
        cost: ScryptCost,
    ) -> Result<(), KeyError> {
        self.check_free()?;
        let files = keys.encrypt(password, cost);
        self.write(files.map_err(|source| KeyError::File { path: self.path.clone(), source })?)
    }

    fn check_free(&self) -> Result<(), KeyError> {
        if fs::symlink_metadata(&self.path).is_ok() {
            return Err(KeyError::Exists(self.path.clone()));
        }
        Ok(())
    }

    fn write(&self, files: Vec<KeyFile>) -> Result<(), KeyError> {
        let unfinished = self.path.with_extension("unfinished");
        if unfinished.exists() {
            fs::remove_dir_all(&unfinished).map_err(io_error(&unfinished))?;
        }
        create_private_directory(&unfinished).map_err(io_error(&unfinished))?;
        for file in files {
            let path = unfinished.join(file_name(file.kind()));
            file.write_new(&path).map_err(|source| KeyError::File { path: path.clone(), source })?;
        }
        fs::rename(&unfinished, &self.path).map_err(io_error(&self.path))?;
        sync_parent(&self.path)
    }

    /// Identity of the node whose keys these are, as the lottery key's file says it: certain only after
    /// decryption. Needs no password.
    ///
    /// # Errors
    /// [`KeyError`] for a file that is missing or damaged.
    pub fn id(&self) -> Result<NodeId, KeyError> {
        Ok(NodeId(sha256(self.read(KeyKind::Lottery)?.public())))
    }

    /// The kinds of keys this directory holds: those of a supervisor where it has no vote key.
    fn kinds(&self) -> Result<&'static [KeyKind], KeyError> {
        let vote = self.file(KeyKind::Vote);
        let is_master = vote.try_exists().map_err(io_error(&vote))?;
        Ok(if is_master { &KEY_KINDS } else { &SUPERVISOR_KEY_KINDS })
    }

    /// The public parts of all keys; needs no password.
    ///
    /// # Errors
    /// [`KeyError`] for a file that is missing or damaged.
    pub fn list(&self) -> Result<Vec<StoredKey>, KeyError> {
        let stored = |&kind: &KeyKind| {
            let file = self.read(kind)?;
            Ok(StoredKey { kind, path: self.file(kind), public: file.public().clone() })
        };
        self.kinds()?.iter().map(stored).collect()
    }

    /// Opens the key of one kind.
    fn open<K>(
        &self,
        kind: KeyKind,
        open: impl FnOnce(&KeyFile) -> Result<K, KeyFileError>,
    ) -> Result<K, KeyError> {
        let path = self.file(kind);
        open(&self.read(kind)?).map_err(|source| KeyError::File { path, source })
    }

    /// Opens all keys of a master.
    ///
    /// # Errors
    /// [`KeyError`]: a missing or damaged file, or a wrong password.
    pub fn unlock(&self, password: &Password) -> Result<NodeKeys, KeyError> {
        let password = password.expose();
        let lottery = self.open(KeyKind::Lottery, |file| file.lottery_key(password))?;
        let vote = self.open(KeyKind::Vote, |file| file.vote_key(password))?;
        let network = self.open(KeyKind::Network, |file| file.network_key(password))?;
        Ok(NodeKeys { member: MemberKeys { lottery, vote }, network })
    }

    /// Opens all keys of a supervisor.
    ///
    /// # Errors
    /// As [`KeyDirectory::unlock`].
    pub fn unlock_supervisor(&self, password: &Password) -> Result<SupervisorNodeKeys, KeyError> {
        let password = password.expose();
        let lottery = self.open(KeyKind::Lottery, |file| file.lottery_key(password))?;
        let network = self.open(KeyKind::Network, |file| file.network_key(password))?;
        Ok(SupervisorNodeKeys { supervisor: SupervisorKeys { lottery }, network })
    }

    /// Encrypts all keys anew. Where a run was interrupted half-way, the same call ends it.
    ///
    /// # Errors
    /// [`KeyError`]: a wrong old password (then nothing has changed), or the disk.
    pub fn change_password(&self, old: &Password, new: &Password, cost: ScryptCost) -> Result<(), KeyError> {
        let mut waiting = Vec::new();
        for &kind in self.kinds()? {
            let path = self.file(kind);
            let wrap = |source| KeyError::File { path: path.clone(), source };
            let file = self.read(kind)?;
            let secret = match file.decrypt(old.expose()) {
                Ok(secret) => secret,
                // An interrupted run changed this one already.
                Err(_) if file.decrypt(new.expose()).is_ok() => continue,
                Err(error) => return Err(wrap(error)),
            };
            let changed = KeyFile::encrypt(&secret, kind, file.public(), new.expose(), cost).map_err(wrap)?;
            let temporary = path.with_extension("json.new");
            if temporary.exists() {
                fs::remove_file(&temporary).map_err(io_error(&temporary))?;
            }
            changed.write_new(&temporary).map_err(wrap)?;
            waiting.push((temporary, path));
        }
        for (temporary, path) in waiting {
            fs::rename(&temporary, &path).map_err(io_error(&path))?;
            sync_parent(&path)?;
        }
        Ok(())
    }

    fn read(&self, kind: KeyKind) -> Result<KeyFile, KeyError> {
        let path = self.file(kind);
        if !path.try_exists().map_err(io_error(&path))? {
            return Err(KeyError::Missing { path });
        }
        let file = KeyFile::read(&path).map_err(|source| KeyError::File { path: path.clone(), source })?;
        if file.kind() != kind {
            let source = KeyFileError::Kind { actual: file.kind(), expected: kind };
            return Err(KeyError::File { path, source });
        }
        Ok(file)
    }
}

fn io_error(path: &Path) -> impl FnOnce(std::io::Error) -> KeyError {
    let path = path.to_owned();
    move |source| KeyError::Io { path, source }
}

fn create_private_directory(path: &Path) -> std::io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.recursive(true).create(path)
}

fn sync_parent(path: &Path) -> Result<(), KeyError> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(parent).and_then(|directory| directory.sync_all()).map_err(io_error(parent))
}
