//! What lies where in a devnet's directory, who may use it, and what `--reset` removes.
//!
//! ```text
//! DIR/lock            held by the running devnet
//! DIR/genesis.json    written last: a directory without it is an unfinished first start
//! DIR/password        of all key files
//! DIR/node-N/         a master: keys/ node.json config.toml data/ node.log
//! DIR/supervisor-N/   a supervisor: keys/ supervisor.json config.toml data/ node.log
//! ```

use crate::files::{MODE_PUBLIC, read_text, write_file};
use btn_types::Genesis;
use btn_types::limits::MAX_GENESIS_BYTES;
use eyre::{WrapErr as _, eyre};
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};

/// Most masters of a local network: above that one machine is too slow for its timing.
pub const MAX_DEVNET_MASTERS: u16 = 64;

/// Most supervisors of a local network, for the same reason.
pub const MAX_DEVNET_SUPERVISORS: u16 = 256;

/// Paths under one devnet directory.
#[derive(Clone, Debug)]
pub struct Layout {
    root: PathBuf,
}

impl Layout {
    /// The layout under this directory, which is created where it does not exist.
    ///
    /// # Errors
    /// The directory cannot be created.
    pub fn create(root: &Path) -> eyre::Result<Self> {
        let context = || format!("devnet directory {} cannot be created", root.display());
        std::fs::create_dir_all(root).wrap_err_with(context)?;
        Ok(Self { root: std::fs::canonicalize(root).wrap_err_with(context)? })
    }

    /// The directory.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// File with the password of all key files.
    pub fn password(&self) -> PathBuf {
        self.root.join("password")
    }

    /// Genesis file.
    pub fn genesis(&self) -> PathBuf {
        self.root.join("genesis.json")
    }

    /// Directory of a node by its name.
    pub fn node(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    /// Takes the directory for this process. The system frees the lock when the process ends, however it ends.
    ///
    /// # Errors
    /// Another devnet holds it.
    pub fn lock(&self) -> eyre::Result<File> {
        let path = self.root.join("lock");
        let context = || format!("lock file {} cannot be used", path.display());
        let mut options = OpenOptions::new();
        let file = options.read(true).write(true).create(true).truncate(false).open(&path);
        let mut file = file.wrap_err_with(context)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                // The holder's id is a help, not a need.
                let _ = file.take(20).read_to_string(&mut holder);
                return Err(eyre!(
                    "another devnet (process {}) is running in {}; stop it, or give another --dir",
                    holder.trim(),
                    self.root.display()
                ));
            }
            Err(TryLockError::Error(error)) => return Err(error).wrap_err_with(context),
        }
        file.set_len(0).and_then(|()| writeln!(file, "{}", std::process::id())).wrap_err_with(context)?;
        Ok(file)
    }

    /// The network that an earlier start made here.
    ///
    /// # Errors
    /// Its genesis file is damaged.
    pub fn load(&self) -> eyre::Result<Option<Genesis>> {
        let path = self.genesis();
        if !path.try_exists()? {
            return Ok(None);
        }
        let read = || Ok::<_, eyre::Report>(Genesis::from_json(&read_text(&path, MAX_GENESIS_BYTES)?)?);
        let remedy = || format!("{} is damaged; start afresh with --reset", path.display());
        read().map(Some).wrap_err_with(remedy)
    }

    /// Writes the genesis file, which makes the directory complete.
    ///
    /// # Errors
    /// The disk.
    pub fn save(&self, genesis: &Genesis) -> eyre::Result<()> {
        write_file(&self.genesis(), genesis.to_json().as_bytes(), MODE_PUBLIC)
    }

    /// Removes what a devnet made here, and nothing else.
    ///
    /// # Errors
    /// The disk.
    pub fn clear(&self) -> eyre::Result<()> {
        let context = || format!("{} cannot be emptied", self.root.display());
        let mut nodes = Vec::new();
        for entry in std::fs::read_dir(&self.root).wrap_err_with(context)? {
            let name = entry.wrap_err_with(context)?.file_name();
            if name.to_str().is_some_and(is_node_name) {
                nodes.push(self.root.join(name));
            }
        }
        // The genesis file first: without it the rest counts as unfinished, should this stop half-way.
        for path in [self.genesis(), self.password()] {
            if path.try_exists().wrap_err_with(context)? {
                std::fs::remove_file(&path).wrap_err_with(context)?;
            }
        }
        nodes.iter().try_for_each(std::fs::remove_dir_all).wrap_err_with(context)
    }
}

/// Directory name of master `number`, counted from 1; also what people call it.
#[must_use]
pub fn master_name(number: usize) -> String {
    format!("{MASTER_PREFIX}{number}")
}

/// Directory name of supervisor `number`, counted from 1; also what people call it.
#[must_use]
pub fn supervisor_name(number: usize) -> String {
    format!("{SUPERVISOR_PREFIX}{number}")
}

const MASTER_PREFIX: &str = "node-";

const SUPERVISOR_PREFIX: &str = "supervisor-";

fn is_node_name(name: &str) -> bool {
    let number = name.strip_prefix(MASTER_PREFIX).or_else(|| name.strip_prefix(SUPERVISOR_PREFIX));
    number.is_some_and(|number| number.parse::<u16>().is_ok_and(|number| number != 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_serves_one_devnet_at_a_time() {
        let directory = tempfile::tempdir().unwrap();
        let layout = Layout::create(&directory.path().join("a/b")).unwrap();
        let lock = layout.lock().unwrap();
        let message = layout.lock().unwrap_err().to_string();
        assert!(message.contains(&format!("process {}", std::process::id())), "{message}");
        assert!(message.contains("--dir"), "{message}");
        drop(lock);
        layout.lock().unwrap();
    }

    #[test]
    fn clearing_removes_what_a_devnet_made_and_nothing_else() {
        let directory = tempfile::tempdir().unwrap();
        let layout = Layout::create(directory.path()).unwrap();
        for node in ["node-1/data", "node-12/keys", "supervisor-3/data", "node-x", "node-0", "thesis"] {
            std::fs::create_dir_all(directory.path().join(node)).unwrap();
        }
        for file in ["genesis.json", "password", "notes.txt"] {
            std::fs::write(directory.path().join(file), "x").unwrap();
        }
        layout.clear().unwrap();
        let mut left: Vec<_> =
            std::fs::read_dir(directory.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        left.sort();
        assert_eq!(left, ["node-0", "node-x", "notes.txt", "thesis"]);
        layout.clear().unwrap();
    }

    #[test]
    fn a_damaged_genesis_file_names_the_remedy() {
        let directory = tempfile::tempdir().unwrap();
        let layout = Layout::create(directory.path()).unwrap();
        assert!(layout.load().unwrap().is_none());
        std::fs::write(layout.genesis(), "{}").unwrap();
        assert!(format!("{:#}", layout.load().unwrap_err()).contains("--reset"));
    }
}
