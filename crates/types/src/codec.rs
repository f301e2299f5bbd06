//! Canonical encoding helpers: whole-input decoding and bounded lists over RLP.

use alloy_primitives::B256;
use alloy_rlp::{BufMut, Decodable, Encodable, Error, Header};
use sha2::{Digest, Sha256};

/// The canonical bytes of a value.
pub fn encode<T: Encodable>(value: &T) -> Vec<u8> {
    alloy_rlp::encode(value)
}

/// Decodes a value that must fill the input exactly.
///
/// # Errors
/// Anything non-canonical, too short, over a named limit, or followed by further bytes.
pub fn decode_exact<T: Decodable>(mut input: &[u8]) -> Result<T, Error> {
    let value = T::decode(&mut input)?;
    if input.is_empty() { Ok(value) } else { Err(Error::Custom("bytes after the end of the value")) }
}

/// SHA-256 of the input.
#[must_use]
pub fn sha256(input: &[u8]) -> B256 {
    B256::from_slice(&Sha256::digest(input))
}

/// Decodes a list of at most `most` items; stops before the item over the bound is read.
pub(crate) fn decode_list<T: Decodable>(buf: &mut &[u8], most: usize) -> Result<Vec<T>, Error> {
    let mut payload = Header::decode_bytes(buf, true)?;
    let mut items = Vec::new();
    while !payload.is_empty() {
        if items.len() == most {
            return Err(Error::Custom("list longer than its limit"));
        }
        items.push(T::decode(&mut payload)?);
    }
    Ok(items)
}

/// Decodes a byte string of at most `most` bytes; the length is checked before anything is copied.
pub(crate) fn decode_bytes(buf: &mut &[u8], most: usize) -> Result<alloy_primitives::Bytes, Error> {
    let payload = Header::decode_bytes(buf, false)?;
    if payload.len() > most {
        return Err(Error::Custom("byte string longer than its limit"));
    }
    Ok(alloy_primitives::Bytes::copy_from_slice(payload))
}

/// Writes `[tag, fields…]`.
pub(crate) fn encode_tagged(tag: u8, fields: &[&dyn Encodable], out: &mut dyn BufMut) {
    let payload_length = tag.length() + fields.iter().map(|field| field.length()).sum::<usize>();
    alloy_rlp::Header { list: true, payload_length }.encode(out);
    tag.encode(out);
    for field in fields {
        field.encode(out);
    }
}

/// Opens a list and hands its payload to `read`, which must consume all of it.
pub(crate) fn decode_struct<T>(
    buf: &mut &[u8],
    read: impl FnOnce(&mut &[u8]) -> Result<T, Error>,
) -> Result<T, Error> {
    let mut payload = Header::decode_bytes(buf, true)?;
    let value = read(&mut payload)?;
    if payload.is_empty() { Ok(value) } else { Err(Error::Custom("unexpected field at the end of a list")) }
}
