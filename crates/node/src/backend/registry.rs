//! The registry of genesis as RPC shows it.

use btn_crypto::{Committee, Supervisors};
use btn_rpc::{CommitteeInfo, CommitteeMember, SupervisorsInfo};
use btn_types::Genesis;

/// The committee.
pub(super) fn committee_info(genesis: &Genesis, committee: &Committee) -> CommitteeInfo {
    let members = committee.indices().zip(genesis.committee()).map(|(index, record)| CommitteeMember {
        index,
        id: record.id,
        payout: record.payout,
        rsa_public_key: record.rsa_public_key.clone(),
        rsa_permutation_proof: record.rsa_permutation_proof.clone(),
        vote_key: record.vote_key,
        vote_key_proof: record.vote_key_proof,
    });
    CommitteeInfo {
        epoch: committee.epoch(),
        quorum: committee.quorum(),
        max_faulty: committee.max_faulty(),
        clerk_bar: committee.clerk_bar(),
        lottery_period_blocks: genesis.consensus.lottery_period_blocks,
        members: members.collect(),
    }
}

/// The supervisors.
pub(super) fn supervisors_info(genesis: &Genesis, supervisors: &Supervisors) -> SupervisorsInfo {
    SupervisorsInfo {
        quorum: supervisors.quorum(),
        expected_seals: supervisors.expected_seals(),
        root: supervisors.root(),
        records: genesis.sealing().into_iter().cloned().collect(),
    }
}
