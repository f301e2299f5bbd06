//! The `btn_*` methods: status, and the raw parts from which anyone can check a block without trusting this
//! node (docs/json-rpc.md describes the check).

pub(crate) mod seals;
pub(crate) mod view;

use crate::arguments::{Argument, Arguments, BlockReference};
use crate::context::{Context, Json, json};
use crate::format::{CertificateObject, CommitteeObject, EnvelopeObject, ProposalObject, StatusObject, raw};
use crate::limits::MAX_CERTIFICATE_DISTANCE;
use crate::{BlockSelector, RpcError};
use alloy_primitives::U64;
use btn_types::{B256, Bytes, Certificate, Epoch};
use serde::Serialize;
use serde_json::Value;

/// `btn_status`
pub(crate) fn status(context: &Context, _: &Arguments<'_>) -> Result<Json, RpcError> {
    let backend = &context.backend;
    json(&StatusObject::new(
        backend.status(),
        backend.readiness(),
        backend.chain_spec().chain_id,
        backend.genesis_hash(),
        &context.config.client_version,
    ))
}

impl Argument for Epoch {
    fn read(json: &str) -> Result<Self, String> {
        crate::arguments::Count::read(json).map(|count| Self(count.0))
    }
}

/// `btn_getCommittee`: of an epoch, 0 if none is named.
pub(crate) fn get_committee(context: &Context, arguments: &Arguments<'_>) -> Result<Json, RpcError> {
    let epoch = arguments.optional(0)?.unwrap_or(Epoch(0));
    let committee = context.backend.committee(epoch);
    json(&committee.map(|committee| CommitteeObject::new(committee, context.backend.genesis_hash())))
}

/// `btn_getRawBlock`: canonical RLP of header, transactions, envelope, justification and seals.
pub(crate) fn get_raw_block(context: &Context, arguments: &Arguments<'_>) -> Result<Json, RpcError> {
    let BlockReference(selector) = final_block(arguments)?;
    match context.backend.block(selector)? {
        None => json(&Value::Null),
        Some(entry) => json(&raw(&*entry.block)),
    }
}

/// A block that is final: what is only notarized has no certificate to show yet.
fn final_block(arguments: &Arguments<'_>) -> Result<BlockReference, RpcError> {
    match arguments.required(0)? {
        BlockReference(BlockSelector::Pending) => {
            Err(RpcError::invalid_params("invalid argument 0: the pending block is not final yet"))
        }
        reference => Ok(reference),
    }
}

/// `btn_getCertificate`'s answer.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct CertificateAnswer {
    number: U64,
    hash: B256,
    /// RLP of the header; its keccak256 is `hash`.
    header: Bytes,
    envelope: EnvelopeObject,
    /// RLP of the justification, to which `extra_data` commits together with the envelope.
    justification: Bytes,
    /// The block certified: this one, or the first descendant with a Finalization of its own.
    certified_number: U64,
    certified_hash: B256,
    /// RLP of the headers above this block up to the certified one, ascending; each names its parent's hash.
    descendants: Vec<Bytes>,
    /// Preimage of the certificate's digest, for the block certified.
    proposal: ProposalObject,
    certificate: CertificateObject,
}

/// `btn_getCertificate`: `null` for an unknown block, and for one whose Finalization does not exist yet, which
/// can only be genesis.
pub(crate) fn get_certificate(context: &Context, arguments: &Arguments<'_>) -> Result<Json, RpcError> {
    let BlockReference(selector) = final_block(arguments)?;
    let Some(entry) = context.backend.block(selector)? else { return json(&Value::Null) };
    let height = entry.block.header.number;
    let Some((certified, certificate)) = first_certificate(context, height)? else {
        return json(&Value::Null);
    };
    let mut descendants = Vec::new();
    let mut last = entry.clone();
    for above in height + 1..=certified {
        last = context.existing_block(BlockSelector::Number(above))?;
        descendants.push(raw(&last.block.header));
    }
    let epoch = certificate.epoch;
    let committee = context.backend.committee(epoch);
    let committee = committee.ok_or_else(|| RpcError::internal(format!("no committee of epoch {epoch}")))?;
    json(&CertificateAnswer {
        number: U64::from(height),
        hash: entry.hash,
        header: raw(&entry.block.header),
        envelope: EnvelopeObject::from(&entry.block.envelope),
        justification: raw(&entry.block.justification),
        certified_number: U64::from(certified),
        certified_hash: last.hash,
        descendants,
        proposal: ProposalObject::new(&last.block.envelope, last.hash),
        certificate: CertificateObject::new(&certificate, &committee)?,
    })
}

/// The first Finalization at or above a height.
fn first_certificate(context: &Context, height: u64) -> Result<Option<(u64, Certificate)>, RpcError> {
    let latest = context.backend.latest_height();
    for above in height..=latest.min(height.saturating_add(MAX_CERTIFICATE_DISTANCE)) {
        if let Some(certificate) = context.backend.finalization(above)? {
            return Ok(Some((above, certificate)));
        }
    }
    if height == 0 && latest == 0 {
        return Ok(None);
    }
    Err(RpcError::internal(format!(
        "no Finalization within {MAX_CERTIFICATE_DISTANCE} blocks from block {height}"
    )))
}
