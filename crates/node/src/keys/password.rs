//! The password of a key directory.

use super::{KeyError, MAX_PASSWORD_BYTES};
use std::fmt;
use std::fs::File;
use std::io::Read as _;
use std::path::Path;
use zeroize::Zeroizing;

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
