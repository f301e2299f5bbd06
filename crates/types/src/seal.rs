//! Seals of the second level (C8): one supervisor's word that it executed a block and found it valid.

use crate::codec::{decode_bytes, decode_struct};
use crate::limits::MAX_RSA_SIGNATURE_BYTES;
use crate::{Epoch, Height, NodeId, View};
use alloy_primitives::{B256, Bytes};
use alloy_rlp::{Decodable, Error, RlpDecodable, RlpEncodable};

/// A supervisor's seal on one block (C5 `Seal`). It proves two things by two RSA signatures: that the supervisor
/// was drawn for the block's core, and that it stands behind this block's hash.
#[derive(Clone, Debug, PartialEq, Eq, Hash, RlpEncodable)]
pub struct Seal {
    /// Who seals.
    pub supervisor: NodeId,
    /// `core(B)` (C3): what the seal lottery draws on.
    pub core: B256,
    /// σ_seal: RSA signature over `D("seal", core)`, exactly as long as the modulus. Its SHA-256 is the draw.
    pub draw_signature: Bytes,
    /// Hash of the block sealed.
    pub block_hash: B256,
    /// RSA signature over `D("sealsig", core, block_hash)`, exactly as long as the modulus.
    pub signature: Bytes,
}

impl Decodable for Seal {
    fn decode(buf: &mut &[u8]) -> Result<Self, Error> {
        decode_struct(buf, |payload| {
            Ok(Self {
                supervisor: Decodable::decode(payload)?,
                core: Decodable::decode(payload)?,
                draw_signature: decode_bytes(payload, MAX_RSA_SIGNATURE_BYTES)?,
                block_hash: Decodable::decode(payload)?,
                signature: decode_bytes(payload, MAX_RSA_SIGNATURE_BYTES)?,
            })
        })
    }
}

/// What a supervisor's seal log keeps of a seal, synced before the seal is sent (C8 ⚠).
#[derive(Clone, Debug, PartialEq, Eq, RlpEncodable, RlpDecodable)]
pub struct SealRecord {
    /// Epoch of the block.
    pub epoch: Epoch,
    /// View of the block: what is far below the highest one sealed is never sealed again, so its record may go.
    pub view: View,
    /// Height of the block.
    pub height: Height,
    /// The seal.
    pub seal: Seal,
}
