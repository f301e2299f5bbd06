//! The key directory of a node: three encrypted files, one per key, and the password that opens them.

use btn_crypto::{
    KeyFile, KeyFileError, KeyKind, LotteryKeyError, LotteryKeySize, LotteryPrivateKey, MemberKeys,
    NetworkKey, NetworkKeyError, PermutationError, ScryptCost, VoteKeyError, VotePrivateKey,
};
use btn_types::genesis::NodeRecord;
use btn_types::{Address, Bytes, NodeId};
use std::fmt;
use std::fs::{self, File};
use std::io::Read as _;
use std::path::{Path, PathBuf};
use thiserror::Error;
use zeroize::Zeroizing;

/// Most bytes of a password file.
pub const MAX_PASSWORD_BYTES: u64 = 4096;

/// The kinds of keys that every node has, in the order they are shown.
pub const KEY_KINDS: [KeyKind; 3] = [KeyKind::Lottery, KeyKind::Vote, KeyKind::Network];

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

/// A password. Wiped when dropped, never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Password(Zeroizing<String>);

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(…)")
    }
}

impl Password {
    /// A password from memory.
    #[must_use]
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// Reads a password file: its first line, without the line end.
    ///
    /// # Errors
    /// [`KeyError`]; an empty password counts as a mistake.
    pub fn read(path: &Path) -> Result<Self, KeyError> {
        let mut text = Zeroizing::new(String::new());
        File::open(path)
            .and_then(|file| file.take(MAX_PASSWORD_BYTES + 1).read_to_string(&mut text))
            .map_err(|source| KeyError::Io { path: path.to_owned(), source })?;
        if text.len() as u64 > MAX_PASSWORD_BYTES {
            return Err(KeyError::LongPassword(path.to_owned()));
        }
        match text.lines().next() {
            None | Some("") => Err(KeyError::EmptyPassword(path.to_owned())),
            Some(line) => Ok(Self::new(line.to_owned())),
        }
    }

    /// The password itself.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

/// The private keys of one node.
#[derive(Debug)]
pub struct NodeKeys {
    /// Lottery and vote keys.
    pub member: MemberKeys,
    /// Ed25519 key of the node's connections.
    pub network: NetworkKey,
}

impl NodeKeys {
    /// Makes fresh keys. A lottery key of 2048 bits takes some tens of milliseconds, at times a second.
    ///
    /// # Errors
    /// [`KeyError`] where the cryptographic library fails.
    pub fn generate(size: LotteryKeySize) -> Result<Self, KeyError> {
        let member =
            MemberKeys { lottery: LotteryPrivateKey::generate(size)?, vote: VotePrivateKey::generate()? };
        Ok(Self { member, network: NetworkKey::generate()? })
    }

    /// The node's identity (C2).
    #[must_use]
    pub fn id(&self) -> NodeId {
        self.member.lottery.public().node_id()
    }

    /// The node's public record for a genesis file, proofs included.
    ///
    /// # Errors
    /// [`KeyError::Permutation`] for a lottery key that breaks the rule of K1.
    pub fn record(&self, addresses: Vec<String>, payout: Address) -> Result<NodeRecord, KeyError> {
        Ok(self.member.node_record(self.network.public(), addresses, payout)?)
    }

    fn encrypt(&self, kind: KeyKind, password: &Password, cost: ScryptCost) -> Result<KeyFile, KeyFileError> {
        let password = password.expose();
        match kind {
            KeyKind::Lottery => KeyFile::from_lottery_key(&self.member.lottery, password, cost),
            KeyKind::Vote => KeyFile::from_vote_key(&self.member.vote, password, cost),
            KeyKind::Network => KeyFile::from_network_key(&self.network, password, cost),
        }
    }
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

    /// Writes all keys, encrypted, into a new directory. After a crash it exists with all of them or not at all.
    ///
    /// # Errors
    /// [`KeyError::Exists`] where there is a directory already; the disk.
    pub fn create(&self, keys: &NodeKeys, password: &Password, cost: ScryptCost) -> Result<(), KeyError> {
        if fs::symlink_metadata(&self.path).is_ok() {
            return Err(KeyError::Exists(self.path.clone()));
        }
        let unfinished = self.path.with_extension("unfinished");
        if unfinished.exists() {
            fs::remove_dir_all(&unfinished).map_err(io_error(&unfinished))?;
        }
        create_private_directory(&unfinished).map_err(io_error(&unfinished))?;
        for kind in KEY_KINDS {
            let path = unfinished.join(file_name(kind));
            let write = || keys.encrypt(kind, password, cost)?.write_new(&path);
            write().map_err(|source| KeyError::File { path: path.clone(), source })?;
        }
        fs::rename(&unfinished, &self.path).map_err(io_error(&self.path))?;
        sync_parent(&self.path)
    }

    /// The public parts of all keys; needs no password.
    ///
    /// # Errors
    /// [`KeyError`] for a file that is missing or damaged.
    pub fn list(&self) -> Result<Vec<StoredKey>, KeyError> {
        let stored = |kind| {
            let file = self.read(kind)?;
            Ok(StoredKey { kind, path: self.file(kind), public: file.public().clone() })
        };
        KEY_KINDS.into_iter().map(stored).collect()
    }

    /// Opens all keys.
    ///
    /// # Errors
    /// [`KeyError`]: a missing or damaged file, or a wrong password.
    pub fn unlock(&self, password: &Password) -> Result<NodeKeys, KeyError> {
        let password = password.expose();
        let wrap = |kind| move |source| KeyError::File { path: self.file(kind), source };
        let lottery = self.read(KeyKind::Lottery)?.lottery_key(password).map_err(wrap(KeyKind::Lottery))?;
        let vote = self.read(KeyKind::Vote)?.vote_key(password).map_err(wrap(KeyKind::Vote))?;
        let network = self.read(KeyKind::Network)?.network_key(password).map_err(wrap(KeyKind::Network))?;
        Ok(NodeKeys { member: MemberKeys { lottery, vote }, network })
    }

    /// Encrypts all keys anew. Where a run was interrupted half-way, the same call ends it.
    ///
    /// # Errors
    /// [`KeyError`]: a wrong old password (then nothing has changed), or the disk.
    pub fn change_password(&self, old: &Password, new: &Password, cost: ScryptCost) -> Result<(), KeyError> {
        let mut waiting = Vec::new();
        for kind in KEY_KINDS {
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

#[cfg(test)]
mod tests;
