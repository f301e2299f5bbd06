//! DER of RSA keys: SubjectPublicKeyInfo for public keys, PKCS#8 around PKCS#1 for private ones. Read
//! strictly: a node's id is the hash of these bytes, so a key has exactly one encoding.

use super::LotteryKeyError;
use pkcs8::PrivateKeyInfo;
use pkcs8::der::asn1::{AnyRef, UintRef};
use pkcs8::der::{self, Decode, Reader, SliceReader};
use pkcs8::spki::{ObjectIdentifier, SubjectPublicKeyInfoRef};
use zeroize::Zeroizing;

/// `rsaEncryption` of PKCS#1.
const RSA_ENCRYPTION: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");

/// DER of `AlgorithmIdentifier { rsaEncryption, NULL }`.
const ALGORITHM_IDENTIFIER: [u8; 15] =
    [0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00];

/// The one public exponent (K1), big-endian.
pub(super) const EXPONENT_BYTES: [u8; 3] = [1, 0, 1];

/// The secret half of an RSA key, big-endian.
pub(crate) struct Factors {
    /// First prime.
    pub(crate) p: Zeroizing<Vec<u8>>,
    /// Second prime.
    pub(crate) q: Zeroizing<Vec<u8>>,
}

fn der_error(error: der::Error) -> LotteryKeyError {
    LotteryKeyError::Encoding(error.to_string())
}

/// Modulus of a public key, after checking algorithm, exponent and that the encoding is the canonical one.
pub(super) fn read_public(spki: &[u8]) -> Result<Vec<u8>, LotteryKeyError> {
    let info = SubjectPublicKeyInfoRef::from_der(spki).map_err(der_error)?;
    if info.algorithm.oid != RSA_ENCRYPTION || info.algorithm.parameters != Some(AnyRef::NULL) {
        return Err(LotteryKeyError::Algorithm(info.algorithm.oid.to_string()));
    }
    let key = info.subject_public_key.raw_bytes();
    let read = |reader: &mut SliceReader<'_>| {
        reader.sequence(|fields| {
            let modulus = UintRef::decode(fields)?.as_bytes().to_vec();
            Ok((modulus, UintRef::decode(fields)?.as_bytes().to_vec()))
        })
    };
    let mut reader = SliceReader::new(key).map_err(der_error)?;
    let (modulus, exponent) = read(&mut reader).map_err(der_error)?;
    check_exponent(&exponent)?;
    if spki != write_public(&modulus) {
        return Err(LotteryKeyError::NotCanonical);
    }
    Ok(modulus)
}

fn check_exponent(exponent: &[u8]) -> Result<(), LotteryKeyError> {
    if exponent == EXPONENT_BYTES {
        return Ok(());
    }
    Err(LotteryKeyError::Exponent(hex::encode(exponent)))
}

/// Modulus and factors of a private key in PKCS#8 with exponent 65537.
pub(super) fn read_private(pkcs8: &[u8]) -> Result<(Vec<u8>, Factors), LotteryKeyError> {
    let info = PrivateKeyInfo::from_der(pkcs8).map_err(der_error)?;
    if info.algorithm.oid != RSA_ENCRYPTION {
        return Err(LotteryKeyError::Algorithm(info.algorithm.oid.to_string()));
    }
    let read = |reader: &mut SliceReader<'_>| {
        reader.sequence(|fields| {
            u8::decode(fields)?; // version
            let modulus = UintRef::decode(fields)?.as_bytes().to_vec();
            let exponent = UintRef::decode(fields)?.as_bytes().to_vec();
            UintRef::decode(fields)?; // private exponent
            let p = Zeroizing::new(UintRef::decode(fields)?.as_bytes().to_vec());
            let q = Zeroizing::new(UintRef::decode(fields)?.as_bytes().to_vec());
            // The three CRT values that follow are the signing library's to check.
            fields.read_slice(fields.remaining_len())?;
            Ok((modulus, exponent, Factors { p, q }))
        })
    };
    let mut reader = SliceReader::new(info.private_key).map_err(der_error)?;
    let (modulus, exponent, factors) = read(&mut reader).map_err(der_error)?;
    check_exponent(&exponent)?;
    Ok((modulus, factors))
}

/// SubjectPublicKeyInfo of `(modulus, 65537)`.
pub(crate) fn write_public(modulus: &[u8]) -> Vec<u8> {
    let numbers = [integer(modulus), integer(&EXPONENT_BYTES)].concat();
    let mut bits = vec![0]; // no unused bits
    bits.extend(tagged(0x30, &numbers));
    tagged(0x30, &[&ALGORITHM_IDENTIFIER[..], &tagged(0x03, &bits)].concat())
}

/// An unsigned INTEGER without leading zero bytes, with one where the top bit would read as a sign.
fn integer(value: &[u8]) -> Vec<u8> {
    let start = value.iter().position(|&byte| byte != 0).unwrap_or(value.len());
    let mut content = Vec::with_capacity(value.len() + 1);
    if value.get(start).is_none_or(|&byte| byte >= 0x80) {
        content.push(0);
    }
    content.extend_from_slice(&value[start..]);
    tagged(0x02, &content)
}

/// Tag, definite length, content.
fn tagged(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = content.len().to_be_bytes();
    let significant = &length[length.iter().position(|&byte| byte != 0).unwrap_or(length.len() - 1)..];
    let mut out = vec![tag];
    if content.len() >= 0x80 {
        out.push(0x80 | u8::try_from(significant.len()).unwrap_or(u8::MAX));
    }
    out.extend_from_slice(significant);
    out.extend_from_slice(content);
    out
}
