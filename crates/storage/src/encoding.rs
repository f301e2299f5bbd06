//! Keys and values of the database: fixed-width big-endian keys, RLP values.

use crate::StoredTip;
use alloy_consensus::{Header, TxEnvelope};
use alloy_rlp::{Decodable, Encodable, Error};
use btn_types::{Address, B256, Block, Envelope, Height, Justification, Seal, U256};

/// Bytes of a storage key.
pub(crate) const SLOT_KEY_BYTES: usize = 52;

/// Address, then slot, so that an account's slots lie together and in order.
pub(crate) fn slot_key(address: Address, slot: U256) -> [u8; SLOT_KEY_BYTES] {
    let mut key = [0; SLOT_KEY_BYTES];
    key[..20].copy_from_slice(address.as_slice());
    key[20..].copy_from_slice(&slot.to_be_bytes::<32>());
    key
}

/// The slot in a storage key.
pub(crate) fn slot_of(key: &[u8; SLOT_KEY_BYTES]) -> U256 {
    U256::from_be_slice(&key[20..])
}

/// Height as a key.
pub(crate) fn height_key(height: Height) -> [u8; 8] {
    height.0.to_be_bytes()
}

/// Everything of a block but its header, which has its own table.
pub(crate) fn encode_body(block: &Block) -> Vec<u8> {
    let parts: [&dyn Encodable; 4] =
        [&block.transactions, &block.envelope, &block.justification, &block.seals];
    let payload_length = parts.iter().map(|part| part.length()).sum();
    let mut bytes = Vec::with_capacity(payload_length + 9);
    alloy_rlp::Header { list: true, payload_length }.encode(&mut bytes);
    for part in parts {
        part.encode(&mut bytes);
    }
    bytes
}

/// Joins a header and an encoded body.
pub(crate) fn decode_block(header: Header, mut body: &[u8]) -> Result<Block, Error> {
    let mut payload = alloy_rlp::Header::decode_bytes(&mut body, true)?;
    let transactions: Vec<TxEnvelope> = Decodable::decode(&mut payload)?;
    let envelope: Envelope = Decodable::decode(&mut payload)?;
    let justification: Justification = Decodable::decode(&mut payload)?;
    let seals: Vec<Seal> = Decodable::decode(&mut payload)?;
    if payload.is_empty() && body.is_empty() {
        Ok(Block { header, transactions, envelope, justification, seals })
    } else {
        Err(Error::Custom("bytes after the end of the body"))
    }
}

/// Where a transaction stands: height and index, big-endian.
pub(crate) fn encode_location(height: Height, index: u32) -> [u8; 12] {
    let mut bytes = [0; 12];
    bytes[..8].copy_from_slice(&height.0.to_be_bytes());
    bytes[8..].copy_from_slice(&index.to_be_bytes());
    bytes
}

/// Reads what [`encode_location`] wrote.
pub(crate) fn decode_location(bytes: &[u8]) -> Result<(Height, u32), Error> {
    let Some((height, index)) = bytes.split_first_chunk::<8>() else { return Err(Error::UnexpectedLength) };
    let index: [u8; 4] = index.try_into().map_err(|_| Error::UnexpectedLength)?;
    Ok((Height(u64::from_be_bytes(*height)), u32::from_be_bytes(index)))
}

/// Height and hash of one block.
pub(crate) fn encode_place(place: StoredTip) -> [u8; 40] {
    let mut bytes = [0; 40];
    bytes[..8].copy_from_slice(&height_key(place.height));
    bytes[8..].copy_from_slice(place.hash.as_slice());
    bytes
}

/// Reads what [`encode_place`] wrote.
pub(crate) fn decode_place(bytes: &[u8]) -> Result<StoredTip, Error> {
    let Some((height, hash)) = bytes.split_first_chunk::<8>() else { return Err(Error::UnexpectedLength) };
    Ok(StoredTip { height: Height(u64::from_be_bytes(*height)), hash: decode_hash(hash)? })
}

/// Reads a height key back.
pub(crate) fn decode_height(bytes: &[u8]) -> Result<Height, Error> {
    bytes.try_into().map(|key| Height(u64::from_be_bytes(key))).map_err(|_| Error::UnexpectedLength)
}

/// Reads a 32-byte hash.
pub(crate) fn decode_hash(bytes: &[u8]) -> Result<B256, Error> {
    B256::try_from(bytes).map_err(|_| Error::UnexpectedLength)
}
