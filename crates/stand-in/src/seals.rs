//! Stand-in keys of supervisors: one secret signs draws and seals alike, as their one RSA key does.

use crate::{DRAW_SIGNATURE_BYTES, digest, expand};
use btn_crypto::{SealSigner, SealVerifier, SignError};
use btn_types::{B256, Bytes};

/// One supervisor's stand-in key.
#[derive(Clone)]
pub struct StandInSealSigner {
    secret: B256,
}

impl StandInSealSigner {
    pub(crate) fn derive(seed: u64, place: usize) -> Self {
        Self { secret: digest(&[b"stand-in seal", &seed.to_be_bytes(), &(place as u64).to_be_bytes()]) }
    }

    fn signature(&self, message: B256) -> [u8; DRAW_SIGNATURE_BYTES] {
        expand(digest(&[self.secret.as_slice(), message.as_slice()]))
    }
}

impl SealSigner for StandInSealSigner {
    fn sign(&self, message: B256) -> Result<Bytes, SignError> {
        Ok(Bytes::copy_from_slice(&self.signature(message)))
    }
}

/// Checks the seals of all supervisors of the simulation of one seed.
pub struct StandInSealVerifier {
    supervisors: Vec<StandInSealSigner>,
}

impl StandInSealVerifier {
    /// The verifier for this many supervisors.
    #[must_use]
    pub fn new(seed: u64, supervisors: usize) -> Self {
        Self { supervisors: (0..supervisors).map(|place| StandInSealSigner::derive(seed, place)).collect() }
    }
}

impl SealVerifier for StandInSealVerifier {
    fn verify(&self, supervisor: usize, message: B256, signature: &[u8]) -> bool {
        self.supervisors.get(supervisor).is_some_and(|signer| signer.signature(message) == signature)
    }
}
