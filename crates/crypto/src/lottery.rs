//! Lottery suite 1: RSASSA-PKCS1-v1_5 with SHA-256 as a verifiable random function (C3, K1). Signatures are
//! deterministic and, for keys that pass [`crate::check_modulus`] and [`crate::verify_permutation`], unique.
//!
//! What is signed is the 32-byte message `M` of C3 as a *message*: the scheme hashes it once more, so the
//! encoded block holds `SHA-256(M)` (`RSASSA-PKCS1-V1_5-SIGN(K, M)` of RFC 8017 section 8.2.1).

pub(crate) mod encoding;

use crate::SignError;
use alloy_primitives::{B256, Bytes};
use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256, RsaKeyPair};
use btn_types::{NodeId, sha256};
use encoding::Factors;
use std::fmt;
use thiserror::Error;
use zeroize::Zeroizing;

/// The one public exponent of lottery keys (K1).
pub const LOTTERY_EXPONENT: u32 = 65_537;

/// Sizes a lottery key may have (C2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LotteryKeySize {
    /// 2048 bits: signatures of 256 bytes.
    #[default]
    Bits2048,
    /// 3072 bits: signatures of 384 bytes.
    Bits3072,
}

impl LotteryKeySize {
    /// Bytes of the modulus and of every signature.
    #[must_use]
    pub const fn bytes(self) -> usize {
        match self {
            Self::Bits2048 => 256,
            Self::Bits3072 => 384,
        }
    }

    /// Bits of the modulus.
    #[must_use]
    pub const fn bits(self) -> usize {
        self.bytes() * 8
    }

    /// The size of a modulus given without leading zero bytes; its top bit must be set.
    fn of(modulus: &[u8]) -> Option<Self> {
        let size = [Self::Bits2048, Self::Bits3072].into_iter().find(|size| size.bytes() == modulus.len())?;
        (modulus[0] >= 0x80).then_some(size)
    }
}

/// Why a lottery key is refused (K1).
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum LotteryKeyError {
    /// Not DER of an RSA key.
    #[error("RSA key is not readable: {0}")]
    Encoding(String),
    /// Another algorithm.
    #[error("key algorithm is {0}, a lottery key is rsaEncryption (1.2.840.113549.1.1.1) without parameters")]
    Algorithm(String),
    /// Another exponent.
    #[error("public exponent is 0x{0}, it must be 0x010001 (65537)")]
    Exponent(String),
    /// Another size.
    #[error("RSA modulus has {0} bits, it must have exactly 2048 or 3072")]
    Size(usize),
    /// A second encoding of a key would be a second identity.
    #[error("RSA public key is not in its canonical encoding")]
    NotCanonical,
    /// An even modulus.
    #[error("RSA modulus is even")]
    Even,
    /// A modulus with a factor up to 65537.
    #[error("RSA modulus is divisible by {0}, it must have no factor up to 65537")]
    SmallFactor(u32),
    /// A modulus with the structure of CVE-2017-15361.
    #[error("RSA modulus was made by a generator with the ROCA weakness (CVE-2017-15361); make another key")]
    Roca,
    /// The library refuses the key, for instance because its parts contradict each other.
    #[error("RSA key refused: {0}")]
    Rejected(String),
}

/// A public lottery key, parsed once. Says nothing yet about whether RSA is a permutation under it: that is
/// [`crate::check_modulus`] and [`crate::verify_permutation`].
pub struct LotteryPublicKey {
    parsed: ParsedPublicKey,
    spki: Bytes,
    modulus: Vec<u8>,
    id: NodeId,
}

impl fmt::Debug for LotteryPublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LotteryPublicKey({})", self.id)
    }
}

impl LotteryPublicKey {
    /// Reads a SubjectPublicKeyInfo (DER): canonical, e = 65537, exactly 2048 or 3072 bits, odd (C2).
    ///
    /// # Errors
    /// [`LotteryKeyError`] with the first rule that is broken.
    pub fn from_spki(spki: &[u8]) -> Result<Self, LotteryKeyError> {
        let modulus = encoding::read_public(spki)?;
        if LotteryKeySize::of(&modulus).is_none() {
            return Err(LotteryKeyError::Size(bit_length(&modulus)));
        }
        if modulus.last().is_none_or(|byte| byte & 1 == 0) {
            return Err(LotteryKeyError::Even);
        }
        let parsed = ParsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, spki)
            .map_err(|error| LotteryKeyError::Rejected(error.to_string()))?;
        Ok(Self { parsed, spki: Bytes::copy_from_slice(spki), modulus, id: NodeId(sha256(spki)) })
    }

    fn from_modulus(modulus: &[u8]) -> Result<Self, LotteryKeyError> {
        Self::from_spki(&encoding::write_public(modulus))
    }

    /// SubjectPublicKeyInfo, DER.
    #[must_use]
    pub const fn spki(&self) -> &Bytes {
        &self.spki
    }

    /// The modulus, big-endian, 256 or 384 bytes.
    #[must_use]
    pub fn modulus(&self) -> &[u8] {
        &self.modulus
    }

    /// SHA-256 of the SPKI: the node's identity (C2).
    #[must_use]
    pub const fn node_id(&self) -> NodeId {
        self.id
    }

    /// Whether `signature` is the lottery signature over `message`: exactly as long as the modulus, smaller than
    /// it as a number, and PKCS#1 v1.5 to the bit (K1).
    #[must_use]
    pub fn verify(&self, message: B256, signature: &[u8]) -> bool {
        // The library checks length and range too; uniqueness must not hang on one library's habits.
        signature.len() == self.modulus.len()
            && signature < self.modulus.as_slice()
            && self.parsed.verify_sig(message.as_slice(), signature).is_ok()
    }
}

fn bit_length(number: &[u8]) -> usize {
    number.first().map_or(0, |first| number.len() * 8 - first.leading_zeros() as usize)
}

/// A private lottery key. `Debug` shows the public half only.
pub struct LotteryPrivateKey {
    pair: RsaKeyPair,
    public: LotteryPublicKey,
}

impl fmt::Debug for LotteryPrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LotteryPrivateKey({})", self.public.id)
    }
}

impl LotteryPrivateKey {
    /// Makes a key of this size from the operating system's randomness.
    ///
    /// # Errors
    /// [`LotteryKeyError::Rejected`] where the library fails.
    pub fn generate(size: LotteryKeySize) -> Result<Self, LotteryKeyError> {
        let size = match size {
            LotteryKeySize::Bits2048 => KeySize::Rsa2048,
            LotteryKeySize::Bits3072 => KeySize::Rsa3072,
        };
        let pair =
            RsaKeyPair::generate(size).map_err(|error| LotteryKeyError::Rejected(error.to_string()))?;
        let (modulus, _) = encoding::read_private(pkcs8_of(&pair)?.as_ref())?;
        Ok(Self { pair, public: LotteryPublicKey::from_modulus(&modulus)? })
    }

    /// Reads a PKCS#8 private key (DER; R-028).
    ///
    /// # Errors
    /// [`LotteryKeyError`].
    pub fn from_pkcs8(pkcs8: &[u8]) -> Result<Self, LotteryKeyError> {
        let (modulus, _) = encoding::read_private(pkcs8)?;
        let public = LotteryPublicKey::from_modulus(&modulus)?;
        let pair =
            RsaKeyPair::from_pkcs8(pkcs8).map_err(|error| LotteryKeyError::Rejected(error.to_string()))?;
        Ok(Self { pair, public })
    }

    /// The key as PKCS#8 (DER; R-028), wiped when dropped. A secret.
    ///
    /// # Errors
    /// [`LotteryKeyError::Rejected`] where the library fails.
    pub fn to_pkcs8(&self) -> Result<Zeroizing<Vec<u8>>, LotteryKeyError> {
        Ok(Zeroizing::new(pkcs8_of(&self.pair)?.as_ref().to_vec()))
    }

    /// The public half.
    #[must_use]
    pub const fn public(&self) -> &LotteryPublicKey {
        &self.public
    }

    /// The lottery signature over `message`: deterministic, as long as the modulus.
    ///
    /// # Errors
    /// [`SignError`] where the library fails.
    pub fn sign(&self, message: B256) -> Result<Bytes, SignError> {
        let mut signature = vec![0; self.pair.public_modulus_len()];
        self.pair
            .sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message.as_slice(), &mut signature)
            .map_err(|error| SignError { key: "lottery", reason: error.to_string() })?;
        Ok(signature.into())
    }

    pub(crate) fn factors(&self) -> Result<Factors, LotteryKeyError> {
        Ok(encoding::read_private(pkcs8_of(&self.pair)?.as_ref())?.1)
    }
}

/// PKCS#8 of a key pair; the library's buffer wipes itself.
fn pkcs8_of(pair: &RsaKeyPair) -> Result<Pkcs8V1Der<'static>, LotteryKeyError> {
    pair.as_der().map_err(|error| LotteryKeyError::Rejected(error.to_string()))
}

#[cfg(test)]
mod tests;
