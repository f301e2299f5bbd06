//! The node's Ed25519 network key, and the DER form of a public one.

use crate::NetworkError;
use btn_types::B256;
use rustls::crypto::aws_lc_rs::sign::any_eddsa_type;
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use rustls::sign::{CertifiedKey, SigningKey};
use std::fmt;
use std::sync::Arc;

/// What precedes the 32 key bytes in an Ed25519 SubjectPublicKeyInfo (RFC 8410 §4).
const SPKI_PREFIX: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

/// The node's network key. Its secret part never leaves the structure and is not printed.
#[derive(Clone)]
pub struct NetworkIdentity {
    key: Arc<dyn SigningKey>,
    public_key: B256,
    reset_secret: B256,
}

impl NetworkIdentity {
    /// Reads a key from Ed25519 PKCS#8 DER bytes (RFC 8410 §7), version 1 or 2.
    ///
    /// # Errors
    /// [`NetworkError::Identity`] for anything else.
    pub fn from_pkcs8_der(der: &[u8]) -> Result<Self, NetworkError> {
        let key = any_eddsa_type(&PrivatePkcs8KeyDer::from(der))
            .map_err(|error| NetworkError::Identity(error.to_string()))?;
        let public_key = key
            .public_key()
            .and_then(|spki| key_of_spki(&spki))
            .ok_or_else(|| NetworkError::Identity("it has no Ed25519 public key".into()))?;
        // A restarted process must derive the same value, or its peers cannot believe its resets.
        let mut context = aws_lc_rs::digest::Context::new(&aws_lc_rs::digest::SHA256);
        context.update(b"btn/network/stateless-reset/1");
        context.update(der);
        let reset_secret = B256::from_slice(context.finish().as_ref());
        Ok(Self { key, public_key, reset_secret })
    }

    /// The public key, 32 bytes, as the registry lists it (`network_key`, C2).
    #[must_use]
    pub const fn public_key(&self) -> B256 {
        self.public_key
    }

    /// Secret behind the tokens that tell a peer "I restarted and know nothing of this connection".
    pub(crate) const fn reset_secret(&self) -> B256 {
        self.reset_secret
    }

    /// The key as rustls presents it: a SubjectPublicKeyInfo in the certificate's place (RFC 7250).
    pub(crate) fn certified_key(&self) -> Arc<CertifiedKey> {
        let spki = CertificateDer::from(spki_of_key(self.public_key));
        Arc::new(CertifiedKey::new(vec![spki], Arc::clone(&self.key)))
    }
}

impl fmt::Debug for NetworkIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NetworkIdentity").field("public_key", &self.public_key).finish_non_exhaustive()
    }
}

/// SubjectPublicKeyInfo (DER) of an Ed25519 key.
fn spki_of_key(key: B256) -> Vec<u8> {
    [&SPKI_PREFIX[..], key.as_slice()].concat()
}

/// The key in an Ed25519 SubjectPublicKeyInfo; `None` for any other kind.
pub(crate) fn key_of_spki(spki: &[u8]) -> Option<B256> {
    let key = spki.strip_prefix(&SPKI_PREFIX)?;
    (key.len() == B256::len_bytes()).then(|| B256::from_slice(key))
}
