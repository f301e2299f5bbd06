//! Invariant 5: what honest members have signed, and that no two of it are slashable (C9). And the other half of
//! invariant 6: a certificate names no honest member that has not voted so.

use super::certificates::signers;
use super::{Invariant, Violation};
use btn_types::{
    B256, Block, Certificate, JournalRecord, MemberIndex, Proposal, ProposalMessage, View, Vote, VoteKind,
};
use std::collections::{BTreeMap, BTreeSet};

/// One member in one view.
#[derive(Default)]
struct Signed {
    proposed: Option<(B256, View)>,
    notarized: Option<B256>,
    nullified: bool,
    finalized: Option<B256>,
}

/// All members, all views.
#[derive(Default)]
pub(super) struct SignedBook(BTreeMap<(MemberIndex, View), Signed>);

fn slashable(member: MemberIndex, view: View, what: &str) -> Violation {
    Violation::new(Invariant::NoSlashablePair, format!("member {member}, view {view}: {what}"))
}

impl SignedBook {
    pub(super) fn propose(&mut self, proposal: &Proposal) -> Result<(), Violation> {
        let (member, view) = (proposal.clerk, proposal.view);
        let signed = self.0.entry((member, view)).or_default();
        let names = (proposal.block_hash, proposal.parent_view);
        if *signed.proposed.get_or_insert(names) == names {
            return Ok(());
        }
        Err(slashable(member, view, "two Proposals"))
    }

    pub(super) fn vote(&mut self, vote: &Vote) -> Result<(), Violation> {
        let (member, view, digest) = (vote.member, vote.view, vote.digest);
        let signed = self.0.entry((member, view)).or_default();
        match vote.kind {
            VoteKind::Notarize => {
                if *signed.notarized.get_or_insert(digest) != digest {
                    return Err(slashable(member, view, "two Notarize"));
                }
            }
            VoteKind::Nullify => signed.nullified = true,
            VoteKind::Finalize => {
                if *signed.finalized.get_or_insert(digest) != digest {
                    return Err(slashable(member, view, "two Finalize"));
                }
            }
        }
        if signed.nullified && signed.finalized.is_some() {
            return Err(slashable(member, view, "Nullify and Finalize"));
        }
        Ok(())
    }

    fn has_voted(&self, member: MemberIndex, certificate: &Certificate) -> bool {
        self.0.get(&(member, certificate.view)).is_some_and(|signed| match certificate.kind {
            VoteKind::Notarize => signed.notarized == Some(certificate.digest),
            VoteKind::Nullify => signed.nullified,
            VoteKind::Finalize => signed.finalized == Some(certificate.digest),
        })
    }

    pub(super) fn check_signers(
        &self,
        certificate: &Certificate,
        members: usize,
        honest: &BTreeSet<MemberIndex>,
    ) -> Result<(), Violation> {
        for signer in signers(certificate, members)? {
            if honest.contains(&signer) && !self.has_voted(signer, certificate) {
                let (kind, view) = (certificate.kind, certificate.view);
                let detail =
                    format!("a {kind:?} certificate of view {view} names {signer}, who never voted so");
                return Err(Violation::new(Invariant::QuorumOfMembers, detail));
            }
        }
        Ok(())
    }
}

/// Whether a record is this vote's.
pub(super) fn is_vote(record: &JournalRecord, vote: &Vote) -> bool {
    matches!(record, JournalRecord::Voted(logged) if logged == vote)
}

/// Whether a record is this proposal's.
pub(super) fn is_proposal(record: &JournalRecord, proposal: &Proposal) -> bool {
    matches!(record, JournalRecord::Proposed(logged) if logged.proposal == *proposal)
}

/// The certificates that a block carries.
pub(super) fn certificates_in(block: &Block) -> impl Iterator<Item = &Certificate> {
    block.justification.parent_certificate.iter().chain(&block.justification.nullifications)
}

/// The certificates that a proposal's block carries.
pub(super) fn certificates_of(message: &ProposalMessage) -> impl Iterator<Item = &Certificate> {
    certificates_in(&message.block)
}
