//! JSON objects of the `btn_*` methods that prove finality. Quantities are hex as everywhere in Ethereum's JSON-RPC.

use crate::{CommitteeInfo, CommitteeMember, RpcError};
use alloy_primitives::U64;
use alloy_rlp::Encodable;
use btn_types::{
    Address, B256, Bytes, Certificate, Envelope, MemberIndex, NodeId, VoteKey, VoteKind, VoteSignature,
};
use serde::Serialize;

/// Canonical RLP.
pub(crate) fn raw<T: Encodable>(value: &T) -> Bytes {
    btn_types::encode(value).into()
}

/// The envelope's fields (C3).
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct EnvelopeObject {
    epoch: U64,
    view: U64,
    parent_view: U64,
    round: U64,
    clerk: NodeId,
    clerk_signature: Bytes,
    milli_timestamp: U64,
    seal_root: B256,
    supervisors_root: B256,
    supervisors: U64,
    /// RLP of the envelope.
    raw: Bytes,
}

impl From<&Envelope> for EnvelopeObject {
    fn from(envelope: &Envelope) -> Self {
        Self {
            epoch: U64::from(envelope.epoch.0),
            view: U64::from(envelope.view.0),
            parent_view: U64::from(envelope.parent_view.0),
            round: U64::from(envelope.round().unwrap_or_default().0),
            clerk: envelope.clerk,
            clerk_signature: envelope.clerk_signature.clone(),
            milli_timestamp: U64::from(envelope.timestamp_ms),
            seal_root: envelope.seal_root,
            supervisors_root: envelope.supervisors_root,
            supervisors: U64::from(envelope.supervisors),
            raw: raw(envelope),
        }
    }
}

/// What the digest `D("prop", …)` of a block's Proposal is made of (C5).
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ProposalObject {
    epoch: U64,
    view: U64,
    parent_view: U64,
    block_hash: B256,
}

impl ProposalObject {
    pub(crate) fn new(envelope: &Envelope, block_hash: B256) -> Self {
        Self {
            epoch: U64::from(envelope.epoch.0),
            view: U64::from(envelope.view.0),
            parent_view: U64::from(envelope.parent_view.0),
            block_hash,
        }
    }
}

/// A certificate with its signers spelt out.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CertificateObject {
    suite: U64,
    kind: VoteKind,
    epoch: U64,
    view: U64,
    digest: B256,
    bitmap: Bytes,
    aggregate: VoteSignature,
    signers: Vec<SignerObject>,
    /// RLP of the certificate.
    raw: Bytes,
}

impl CertificateObject {
    /// # Errors
    /// The bitmap does not fit the committee: stored data is damaged.
    pub(crate) fn new(certificate: &Certificate, committee: &CommitteeInfo) -> Result<Self, RpcError> {
        let signers = certificate.bitmap.signers(committee.members.len()).map_err(RpcError::internal)?;
        let signer = |index: MemberIndex| {
            let member = committee.members.get(index.index());
            SignerObject { index: U64::from(index.0), id: member.map(|member| member.id).unwrap_or_default() }
        };
        Ok(Self {
            suite: U64::from(certificate.suite),
            kind: certificate.kind,
            epoch: U64::from(certificate.epoch.0),
            view: U64::from(certificate.view.0),
            digest: certificate.digest,
            bitmap: certificate.bitmap.as_bytes().clone(),
            aggregate: certificate.aggregate,
            signers: signers.into_iter().map(signer).collect(),
            raw: raw(certificate),
        })
    }
}

/// A member by place and identity.
#[derive(Serialize)]
pub(crate) struct SignerObject {
    index: U64,
    id: NodeId,
}

/// `btn_getCommittee`'s answer.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CommitteeObject {
    genesis_hash: B256,
    epoch: U64,
    size: U64,
    quorum: U64,
    max_faulty: U64,
    clerk_bar: U64,
    lottery_period_blocks: U64,
    members: Vec<MemberObject>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct MemberObject {
    index: U64,
    id: NodeId,
    payout: Address,
    rsa_public_key: Bytes,
    rsa_permutation_proof: Vec<Bytes>,
    vote_key: VoteKey,
    vote_key_proof: VoteSignature,
}

impl CommitteeObject {
    pub(crate) fn new(committee: CommitteeInfo, genesis_hash: B256) -> Self {
        let member = |member: CommitteeMember| MemberObject {
            index: U64::from(member.index.0),
            id: member.id,
            payout: member.payout,
            rsa_public_key: member.rsa_public_key,
            rsa_permutation_proof: member.rsa_permutation_proof,
            vote_key: member.vote_key,
            vote_key_proof: member.vote_key_proof,
        };
        Self {
            genesis_hash,
            epoch: U64::from(committee.epoch.0),
            size: U64::from(committee.members.len()),
            quorum: U64::from(committee.quorum),
            max_faulty: U64::from(committee.max_faulty),
            clerk_bar: U64::from(committee.clerk_bar),
            lottery_period_blocks: U64::from(committee.lottery_period_blocks),
            members: committee.members.into_iter().map(member).collect(),
        }
    }
}
