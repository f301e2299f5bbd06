//! Key files: one private key each, encrypted at rest under a password (scrypt, AES-256-GCM). The associated
//! data is the ASCII name of the kind ‖ 00 ‖ public key, so no file passes for another.

mod file;

pub use file::MAX_KEY_FILE_BYTES;

use crate::{LotteryKeyError, LotteryPrivateKey, NetworkKey, NetworkKeyError, VoteKeyError, VotePrivateKey};
use alloy_primitives::Bytes;
use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::path::PathBuf;
use thiserror::Error;
use zeroize::Zeroizing;

/// Version of the format.
const VERSION: u32 = 1;

/// Largest scrypt cost N accepted from a file.
pub const MAX_SCRYPT_N: u64 = 1 << 20;

/// Largest r·p accepted from a file. Memory is 128·N·r bytes: a gibibyte at the largest N and r = 8.
pub const MAX_SCRYPT_R_TIMES_P: u32 = 8;

/// Bytes of salt.
const SALT_BYTES: usize = 32;

/// Bytes of the derived key.
const DERIVED_KEY_BYTES: usize = 32;

/// What a key file holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum KeyKind {
    /// Lottery key: PKCS#8; public: SPKI.
    #[serde(rename = "rsa-lottery")]
    Lottery,
    /// Vote key: 32 bytes; public: 48 bytes.
    #[serde(rename = "bls-vote")]
    Vote,
    /// Network key: PKCS#8; public: 32 bytes.
    #[serde(rename = "ed25519-network")]
    Network,
}

impl KeyKind {
    /// The name in the file.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Lottery => "rsa-lottery",
            Self::Vote => "bls-vote",
            Self::Network => "ed25519-network",
        }
    }
}

impl fmt::Display for KeyKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Parameters of scrypt (RFC 7914).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScryptCost {
    /// Cost N, a power of two.
    pub n: u64,
    /// Block size r.
    pub r: u32,
    /// Parallelisation p.
    pub p: u32,
}

impl ScryptCost {
    /// For throw-away networks: 4 MiB, a few milliseconds.
    pub const DEVNET: Self = Self { n: 4_096, r: 8, p: 1 };
    /// For keys of value: 128 MiB, some tenths of a second.
    pub const STANDARD: Self = Self { n: 1 << 17, r: 8, p: 1 };

    fn parameters(self) -> Result<scrypt::Params, KeyFileError> {
        let product = self.r.saturating_mul(self.p);
        let allowed = self.n.is_power_of_two() && self.n <= MAX_SCRYPT_N && product <= MAX_SCRYPT_R_TIMES_P;
        let logarithm = u8::try_from(self.n.trailing_zeros()).unwrap_or(u8::MAX);
        let parameters = scrypt::Params::new(logarithm, self.r, self.p, DERIVED_KEY_BYTES);
        parameters.ok().filter(|_| allowed && logarithm > 0).ok_or(KeyFileError::Cost(self))
    }
}

/// Why a key file cannot be made, read or opened.
#[derive(Debug, Error)]
pub enum KeyFileError {
    /// Not a key file.
    #[error("key file is not readable: {0}")]
    Json(String),
    /// Another version.
    #[error("key file has version {actual}, this program reads version {VERSION}")]
    Version {
        /// Version found.
        actual: u32,
    },
    /// Another kind of key.
    #[error("key file holds a key of kind {actual}, wanted {expected}")]
    Kind {
        /// Kind found.
        actual: KeyKind,
        /// Kind wanted.
        expected: KeyKind,
    },
    /// Unacceptable parameters.
    #[error(
        "key file asks for scrypt with N = {}, r = {}, p = {}; N must be a power of two from 2 to {MAX_SCRYPT_N}, \
         r and p at least 1 and r·p at most {MAX_SCRYPT_R_TIMES_P}", .0.n, .0.r, .0.p
    )]
    Cost(ScryptCost),
    /// Unknown algorithm or wrong length.
    #[error("key file: {field} is {actual}, it must be {expected}")]
    Field {
        /// Field of the file.
        field: &'static str,
        /// Value found.
        actual: String,
        /// Value needed.
        expected: &'static str,
    },
    /// Wrong password, or a damaged file: authenticated encryption cannot tell which.
    #[error("wrong password for the {0} key, or its file is damaged")]
    Password(KeyKind),
    /// The secret does not belong to the public key in the file.
    #[error("the private {0} key in the file does not belong to the public key beside it")]
    Mismatch(KeyKind),
    /// The key itself.
    #[error(transparent)]
    Lottery(#[from] LotteryKeyError),
    /// The key itself.
    #[error(transparent)]
    Vote(#[from] VoteKeyError),
    /// The key itself.
    #[error(transparent)]
    Network(#[from] NetworkKeyError),
    /// The cryptographic library failed.
    #[error("encrypting the {0} key failed in the cryptographic library")]
    Library(KeyKind),
    /// The target exists.
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
}

/// Key derivation as in the file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Kdf {
    name: String,
    n: u64,
    r: u32,
    p: u32,
    salt: Bytes,
}

/// Encryption as in the file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Cipher {
    name: String,
    nonce: Bytes,
    /// Ciphertext ‖ 16-byte tag.
    ciphertext: Bytes,
}

/// An encrypted key: everything in it may be shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyFile {
    version: u32,
    kind: KeyKind,
    public: Bytes,
    kdf: Kdf,
    cipher: Cipher,
}

const KDF_NAME: &str = "scrypt";
const CIPHER_NAME: &str = "aes-256-gcm";

impl KeyFile {
    /// Encrypts a secret under a password, with fresh salt and nonce.
    ///
    /// # Errors
    /// [`KeyFileError::Cost`] for parameters out of bounds, [`KeyFileError::Library`] otherwise.
    pub fn encrypt(
        secret: &[u8],
        kind: KeyKind,
        public: &[u8],
        password: &str,
        cost: ScryptCost,
    ) -> Result<Self, KeyFileError> {
        let (mut salt, mut nonce) = ([0u8; SALT_BYTES], [0u8; NONCE_LEN]);
        let library = |_| KeyFileError::Library(kind);
        aws_lc_rs::rand::fill(&mut salt).map_err(library)?;
        aws_lc_rs::rand::fill(&mut nonce).map_err(library)?;
        let key = derive(kind, password, &salt, cost)?;
        let mut text = Zeroizing::new(secret.to_vec());
        let nonce_value = Nonce::assume_unique_for_key(nonce);
        let associated = Aad::from(associated_data(kind, public));
        let tag = key.seal_in_place_separate_tag(nonce_value, associated, &mut text).map_err(library)?;
        let ciphertext = [text.as_slice(), tag.as_ref()].concat().into();
        let public = Bytes::copy_from_slice(public);
        let salt = Bytes::copy_from_slice(&salt);
        let kdf = Kdf { name: KDF_NAME.into(), n: cost.n, r: cost.r, p: cost.p, salt };
        let cipher = Cipher { name: CIPHER_NAME.into(), nonce: Bytes::copy_from_slice(&nonce), ciphertext };
        Ok(Self { version: VERSION, kind, public, kdf, cipher })
    }

    /// Opens the file: the secret in a buffer that is wiped when dropped.
    ///
    /// # Errors
    /// [`KeyFileError::Password`] for a wrong password or a changed file.
    pub fn decrypt(&self, password: &str) -> Result<Zeroizing<Vec<u8>>, KeyFileError> {
        self.check_form()?;
        let cost = ScryptCost { n: self.kdf.n, r: self.kdf.r, p: self.kdf.p };
        let key = derive(self.kind, password, &self.kdf.salt, cost)?;
        let refused = |_| KeyFileError::Password(self.kind);
        let nonce = Nonce::try_assume_unique_for_key(&self.cipher.nonce).map_err(refused)?;
        let mut text = Zeroizing::new(self.cipher.ciphertext.to_vec());
        let associated = Aad::from(associated_data(self.kind, &self.public));
        let length = key.open_in_place(nonce, associated, &mut text).map_err(refused)?.len();
        text.truncate(length);
        Ok(text)
    }

    fn check_form(&self) -> Result<(), KeyFileError> {
        if self.version != VERSION {
            return Err(KeyFileError::Version { actual: self.version });
        }
        let names = [("kdf.name", &self.kdf.name, KDF_NAME), ("cipher.name", &self.cipher.name, CIPHER_NAME)];
        for (field, actual, expected) in names {
            if actual != expected {
                return Err(KeyFileError::Field { field, actual: actual.clone(), expected });
            }
        }
        if self.cipher.nonce.len() != NONCE_LEN {
            let actual = format!("{} bytes", self.cipher.nonce.len());
            return Err(KeyFileError::Field { field: "cipher.nonce", actual, expected: "12 bytes" });
        }
        Ok(())
    }

    /// What the file holds.
    #[must_use]
    pub const fn kind(&self) -> KeyKind {
        self.kind
    }

    /// The public key, readable without the password; trust it only after decryption.
    #[must_use]
    pub const fn public(&self) -> &Bytes {
        &self.public
    }

    fn secret(&self, expected: KeyKind, password: &str) -> Result<Zeroizing<Vec<u8>>, KeyFileError> {
        if self.kind != expected {
            return Err(KeyFileError::Kind { actual: self.kind, expected });
        }
        self.decrypt(password)
    }

    fn check_public(&self, actual: &[u8]) -> Result<(), KeyFileError> {
        if *self.public == *actual { Ok(()) } else { Err(KeyFileError::Mismatch(self.kind)) }
    }

    /// Encrypts a lottery key.
    ///
    /// # Errors
    /// As [`KeyFile::encrypt`].
    pub fn from_lottery_key(
        key: &LotteryPrivateKey,
        password: &str,
        cost: ScryptCost,
    ) -> Result<Self, KeyFileError> {
        Self::encrypt(&key.to_pkcs8()?, KeyKind::Lottery, key.public().spki(), password, cost)
    }

    /// Opens a lottery key.
    ///
    /// # Errors
    /// As [`KeyFile::decrypt`], and for another kind of key.
    pub fn lottery_key(&self, password: &str) -> Result<LotteryPrivateKey, KeyFileError> {
        let key = LotteryPrivateKey::from_pkcs8(&self.secret(KeyKind::Lottery, password)?)?;
        self.check_public(key.public().spki())?;
        Ok(key)
    }

    /// Encrypts a vote key.
    ///
    /// # Errors
    /// As [`KeyFile::encrypt`].
    pub fn from_vote_key(
        key: &VotePrivateKey,
        password: &str,
        cost: ScryptCost,
    ) -> Result<Self, KeyFileError> {
        Self::encrypt(&*key.to_bytes(), KeyKind::Vote, key.public().as_slice(), password, cost)
    }

    /// Opens a vote key.
    ///
    /// # Errors
    /// As [`KeyFile::decrypt`], and for another kind of key.
    pub fn vote_key(&self, password: &str) -> Result<VotePrivateKey, KeyFileError> {
        let key = VotePrivateKey::from_bytes(&self.secret(KeyKind::Vote, password)?)?;
        self.check_public(key.public().as_slice())?;
        Ok(key)
    }

    /// Encrypts a network key.
    ///
    /// # Errors
    /// As [`KeyFile::encrypt`].
    pub fn from_network_key(
        key: &NetworkKey,
        password: &str,
        cost: ScryptCost,
    ) -> Result<Self, KeyFileError> {
        Self::encrypt(key.pkcs8(), KeyKind::Network, key.public().as_slice(), password, cost)
    }

    /// Opens a network key.
    ///
    /// # Errors
    /// As [`KeyFile::decrypt`], and for another kind of key.
    pub fn network_key(&self, password: &str) -> Result<NetworkKey, KeyFileError> {
        let key = NetworkKey::from_pkcs8(&self.secret(KeyKind::Network, password)?)?;
        self.check_public(key.public().as_slice())?;
        Ok(key)
    }
}

/// The encryption key that scrypt makes of a password.
fn derive(kind: KeyKind, password: &str, salt: &[u8], cost: ScryptCost) -> Result<LessSafeKey, KeyFileError> {
    let mut key = Zeroizing::new([0u8; DERIVED_KEY_BYTES]);
    scrypt::scrypt(password.as_bytes(), salt, &cost.parameters()?, &mut *key)
        .map_err(|_| KeyFileError::Library(kind))?;
    let key = UnboundKey::new(&AES_256_GCM, &*key).map_err(|_| KeyFileError::Library(kind))?;
    Ok(LessSafeKey::new(key))
}

fn associated_data(kind: KeyKind, public: &[u8]) -> Vec<u8> {
    [kind.as_str().as_bytes(), &[0], public].concat()
}

#[cfg(test)]
mod tests;
