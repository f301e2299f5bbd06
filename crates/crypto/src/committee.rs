//! One epoch's committee: who is in it, how many make a quorum, who may be clerk, and what it has certified.

use crate::checks::{Check, enabled};
use crate::paper::leading_zero_count;
use crate::{Domain, Verifier};
use alloy_primitives::{Address, B256};
use btn_types::{
    BitmapError, Certificate, Epoch, Genesis, MemberIndex, NodeId, Proposal, SUITE_BLS12_381, SignatureSuite,
    Ticket, View, Vote, sha256,
};
use std::fmt;
use std::sync::Arc;
use thiserror::Error;

/// The outcome of a draw: SHA-256 of the lottery signature. **Smaller ranks first**: more leading zeros, then
/// the smaller digest (C3 ⚠).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Draw(pub B256);

impl Draw {
    /// The draw of a lottery signature.
    #[must_use]
    pub fn of(signature: &[u8]) -> Self {
        Self(sha256(signature))
    }

    /// Leading zero bits, 0 to 256.
    #[must_use]
    pub fn zeros(&self) -> u32 {
        leading_zero_count(self.0.as_slice())
    }
}

/// A member as the rest of the chain sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Identity.
    pub id: NodeId,
    /// Account that earns the fees of its blocks.
    pub payout: Address,
}

/// Why a ticket is refused.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum TicketError {
    /// Another epoch.
    #[error("ticket is of epoch {actual}, the committee's is {expected}")]
    Epoch {
        /// Epoch found.
        actual: Epoch,
        /// Epoch of the committee.
        expected: Epoch,
    },
    /// Not a member.
    #[error("member {member} of a committee of {members}")]
    NotMember {
        /// Index found.
        member: MemberIndex,
        /// Committee size.
        members: usize,
    },
    /// The RSA signature does not verify.
    #[error("lottery signature of member {member} does not verify")]
    Signature {
        /// Whose.
        member: MemberIndex,
    },
    /// Not enough leading zeros (R-035: zeros ≥ bar).
    #[error("{actual} leading zeros, a clerk needs {expected}")]
    Bar {
        /// Zeros found.
        actual: u32,
        /// Zeros needed.
        expected: u32,
    },
}

/// Why a Proposal is refused on its own (C5 rule 1).
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ProposalError {
    /// Its ticket.
    #[error(transparent)]
    Ticket(#[from] TicketError),
    /// Its signature.
    #[error("proposal signature of member {0} does not verify")]
    Signature(MemberIndex),
}

/// Why a certificate is refused.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum CertificateError {
    /// Unknown signature suite.
    #[error("signature suite {actual}, this epoch uses {expected}")]
    Suite {
        /// Suite found.
        actual: SignatureSuite,
        /// Suite in force.
        expected: SignatureSuite,
    },
    /// Another epoch.
    #[error("certificate is of epoch {actual}, the committee's is {expected}")]
    Epoch {
        /// Epoch found.
        actual: Epoch,
        /// Epoch of the committee.
        expected: Epoch,
    },
    /// Malformed bitmap.
    #[error(transparent)]
    Bitmap(#[from] BitmapError),
    /// Too few signers.
    #[error("{actual} signers, a quorum is {expected}")]
    Quorum {
        /// Signers found.
        actual: usize,
        /// Signers needed.
        expected: usize,
    },
    /// The aggregate does not verify.
    #[error("aggregate signature does not verify")]
    Signature,
    /// A Nullification that names a digest.
    #[error("a nullification names no digest")]
    Digest,
}

/// A committee and the means to check what it signs. Cheap to clone.
#[derive(Clone)]
pub struct Committee {
    epoch: Epoch,
    domain: Domain,
    members: Arc<[Member]>,
    verifier: Arc<dyn Verifier>,
}

impl fmt::Debug for Committee {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Committee").field("epoch", &self.epoch).field("members", &self.members).finish()
    }
}

impl Committee {
    /// The genesis committee (epoch 0): all masters of the genesis, ascending by id (C4). `verifier` holds
    /// their keys in the same order.
    #[must_use]
    pub fn from_genesis(genesis: &Genesis, genesis_hash: B256, verifier: Arc<dyn Verifier>) -> Self {
        let members =
            genesis.committee().iter().map(|node| Member { id: node.id, payout: node.payout }).collect();
        Self { epoch: Epoch(0), domain: Domain::new(genesis_hash), members, verifier }
    }

    /// The epoch this committee serves.
    #[must_use]
    pub const fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// Digests of this chain.
    #[must_use]
    pub const fn domain(&self) -> &Domain {
        &self.domain
    }

    /// Number of members, n.
    #[must_use]
    pub fn size(&self) -> usize {
        self.members.len()
    }

    /// Votes that make a certificate: q = ⌊2n/3⌋+1 (C4).
    #[must_use]
    pub fn quorum(&self) -> usize {
        self.size() * 2 / 3 + 1
    }

    /// Byzantine members tolerated: f = ⌈n/3⌉−1 (C1).
    #[must_use]
    pub fn max_faulty(&self) -> usize {
        self.size().div_ceil(3).saturating_sub(1)
    }

    /// Leading zeros a clerk needs: k = max(0, ⌊log₂(n/8)⌋) (C4).
    #[must_use]
    pub fn clerk_bar(&self) -> u32 {
        (self.size() / 8).checked_ilog2().unwrap_or(0)
    }

    /// The members in order.
    #[must_use]
    pub fn members(&self) -> &[Member] {
        &self.members
    }

    /// One member.
    #[must_use]
    pub fn member(&self, index: MemberIndex) -> Option<&Member> {
        self.members.get(index.index())
    }

    /// Place of an identity.
    #[must_use]
    pub fn index_of(&self, id: NodeId) -> Option<MemberIndex> {
        let position = self.members.binary_search_by_key(&id, |member| member.id).ok()?;
        u16::try_from(position).ok().map(MemberIndex)
    }

    /// All places in order.
    pub fn indices(&self) -> impl Iterator<Item = MemberIndex> + use<> {
        (0..u16::try_from(self.members.len()).unwrap_or(u16::MAX)).map(MemberIndex)
    }

    /// Checks a ticket and gives its draw (C3, C5 rule 1).
    ///
    /// # Errors
    /// [`TicketError`].
    pub fn verify_ticket(&self, ticket: &Ticket) -> Result<Draw, TicketError> {
        if ticket.epoch != self.epoch {
            return Err(TicketError::Epoch { actual: ticket.epoch, expected: self.epoch });
        }
        self.verify_draw(ticket.member, ticket.view, ticket.draw_seed, &ticket.signature)
    }

    /// Checks the lottery signature of a member for a view and seed, and the clerk bar.
    ///
    /// # Errors
    /// [`TicketError`].
    pub fn verify_draw(
        &self,
        member: MemberIndex,
        view: View,
        draw_seed: B256,
        signature: &[u8],
    ) -> Result<Draw, TicketError> {
        if member.index() >= self.size() {
            return Err(TicketError::NotMember { member, members: self.size() });
        }
        // The bar is the cheaper check and no secret.
        let draw = Draw::of(signature);
        let (actual, expected) = (draw.zeros(), self.clerk_bar());
        if actual < expected && enabled(Check::Zeros) {
            return Err(TicketError::Bar { actual, expected });
        }
        let message = self.domain.clerk(self.epoch, view, draw_seed);
        if !self.verifier.verify_draw(member, message, signature) && enabled(Check::Ticket) {
            return Err(TicketError::Signature { member });
        }
        Ok(draw)
    }

    /// Checks ticket and signature of a Proposal; `draw_seed` is that of the branch it builds on.
    ///
    /// # Errors
    /// [`ProposalError`].
    pub fn verify_proposal(&self, proposal: &Proposal, draw_seed: B256) -> Result<Draw, ProposalError> {
        if proposal.epoch != self.epoch {
            return Err(TicketError::Epoch { actual: proposal.epoch, expected: self.epoch }.into());
        }
        let draw = self.verify_draw(proposal.clerk, proposal.view, draw_seed, &proposal.clerk_signature)?;
        if self.verify_proposal_signature(proposal) {
            Ok(draw)
        } else {
            Err(ProposalError::Signature(proposal.clerk))
        }
    }

    /// Whether the Proposal's BLS signature is its clerk's.
    #[must_use]
    pub fn verify_proposal_signature(&self, proposal: &Proposal) -> bool {
        proposal.clerk.index() < self.size()
            && self.verifier.verify_vote(proposal.clerk, self.proposal_digest(proposal), &proposal.signature)
    }

    /// The digest that votes for this Proposal name.
    #[must_use]
    pub fn proposal_digest(&self, proposal: &Proposal) -> B256 {
        self.domain.proposal(proposal.epoch, proposal.view, proposal.parent_view, proposal.block_hash)
    }

    /// Whether a single vote's signature is its member's.
    #[must_use]
    pub fn verify_vote(&self, vote: &Vote) -> bool {
        let message = self.domain.vote(vote.kind, vote.epoch, vote.view, vote.digest);
        vote.epoch == self.epoch
            && vote.member.index() < self.size()
            && self.verifier.verify_vote(vote.member, message, &vote.signature)
    }

    /// Joins equal votes of distinct members into a certificate without checking it; `None` where a signature
    /// is not even a point of the group, or where there are no votes.
    #[must_use]
    pub fn certify(&self, votes: &[&Vote]) -> Option<Certificate> {
        let first = votes.first()?;
        let signatures: Vec<_> = votes.iter().map(|vote| vote.signature).collect();
        Some(Certificate {
            suite: SUITE_BLS12_381,
            kind: first.kind,
            epoch: first.epoch,
            view: first.view,
            digest: first.digest,
            bitmap: btn_types::Bitmap::new(self.size(), votes.iter().map(|vote| vote.member)),
            aggregate: self.verifier.aggregate(&signatures)?,
        })
    }

    /// Checks a certificate: suite, epoch, form of the bitmap, quorum, aggregate (C5, C11.6).
    ///
    /// # Errors
    /// [`CertificateError`].
    pub fn verify_certificate(&self, certificate: &Certificate) -> Result<(), CertificateError> {
        if certificate.suite != SUITE_BLS12_381 {
            return Err(CertificateError::Suite { actual: certificate.suite, expected: SUITE_BLS12_381 });
        }
        if certificate.epoch != self.epoch {
            return Err(CertificateError::Epoch { actual: certificate.epoch, expected: self.epoch });
        }
        if certificate.kind == btn_types::VoteKind::Nullify && certificate.digest != B256::ZERO {
            return Err(CertificateError::Digest);
        }
        let signers = self.signers(certificate)?;
        if signers.len() < self.quorum() && enabled(Check::Quorum) {
            return Err(CertificateError::Quorum { actual: signers.len(), expected: self.quorum() });
        }
        let message =
            self.domain.vote(certificate.kind, certificate.epoch, certificate.view, certificate.digest);
        if !self.verifier.verify_aggregate(&signers, message, &certificate.aggregate)
            && enabled(Check::Certificate)
        {
            return Err(CertificateError::Signature);
        }
        Ok(())
    }

    fn signers(&self, certificate: &Certificate) -> Result<Vec<MemberIndex>, CertificateError> {
        #[cfg(feature = "check-switches")]
        if !enabled(Check::Bitmap) {
            return Ok(self.signers_in_any_form(certificate));
        }
        Ok(certificate.bitmap.signers(self.size())?)
    }

    /// What a careless reader makes of a bitmap: the members it names, whatever else is in it.
    #[cfg(feature = "check-switches")]
    fn signers_in_any_form(&self, certificate: &Certificate) -> Vec<MemberIndex> {
        let bytes = certificate.bitmap.as_bytes();
        let is_set = |member: &MemberIndex| {
            bytes.get(member.index() / 8).is_some_and(|byte| byte >> (member.index() % 8) & 1 == 1)
        };
        self.indices().filter(is_set).collect()
    }
}

#[cfg(test)]
mod tests;
