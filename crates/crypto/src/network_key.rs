//! Ed25519 keys of a node's connections (C2 `network_key`). Only their storage is here; TLS uses them.

use alloy_primitives::B256;
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use std::fmt;
use thiserror::Error;
use zeroize::Zeroizing;

/// A network key cannot be made or read.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("network key (Ed25519, PKCS#8) refused: {0}")]
pub struct NetworkKeyError(String);

/// An Ed25519 key. Wiped when dropped; `Debug` shows the public key only.
pub struct NetworkKey {
    pkcs8: Zeroizing<Vec<u8>>,
    public: B256,
}

impl fmt::Debug for NetworkKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NetworkKey({})", self.public)
    }
}

impl NetworkKey {
    /// Makes a key from the operating system's randomness.
    ///
    /// # Errors
    /// [`NetworkKeyError`] where the library fails.
    pub fn generate() -> Result<Self, NetworkKeyError> {
        let refused = |error: aws_lc_rs::error::Unspecified| NetworkKeyError(error.to_string());
        let pair = Ed25519KeyPair::generate().map_err(refused)?;
        Self::from_pkcs8(pair.to_pkcs8v1().map_err(refused)?.as_ref())
    }

    /// Reads a PKCS#8 key (DER).
    ///
    /// # Errors
    /// [`NetworkKeyError`].
    pub fn from_pkcs8(pkcs8: &[u8]) -> Result<Self, NetworkKeyError> {
        let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(pkcs8)
            .map_err(|error| NetworkKeyError(error.to_string()))?;
        let public = B256::try_from(pair.public_key().as_ref())
            .map_err(|_| NetworkKeyError("public key is not 32 bytes".into()))?;
        Ok(Self { pkcs8: Zeroizing::new(pkcs8.to_vec()), public })
    }

    /// The key as PKCS#8 (DER). A secret.
    #[must_use]
    pub fn pkcs8(&self) -> &[u8] {
        &self.pkcs8
    }

    /// The public key, 32 bytes.
    #[must_use]
    pub const fn public(&self) -> B256 {
        self.public
    }
}
