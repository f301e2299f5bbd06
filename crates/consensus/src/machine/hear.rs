//! What peers say: proposals, votes, certificates, tickets, questions.

use super::{MAX_CERTIFICATES_PER_MESSAGE, Step, VOTE_HISTORY_VIEWS};
use crate::interface::Insertion;
use crate::proposals::Standing;
use alloy_primitives::B256;
use btn_crypto::{Domain, Draw};
use btn_types::limits::{TICKET_HORIZON, VIEW_HORIZON};
use btn_types::{
    BlockMeta, Certificate, FetchRequest, MemberIndex, Message, Proposal, ProposalMessage, Ticket, View,
    VoteKind, VoteMessage,
};
use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::sync::Arc;

/// Whether the Proposal and the block it carries say the same, and envelope and justification are those that
/// the header commits to. Without the latter a clerk could put any envelope and any certificates under the
/// header of a block that the chain knows, and the chain would call that block inserted. (The chain checks the
/// rest of the body.)
fn names_its_block(message: &ProposalMessage, domain: &Domain) -> bool {
    let (proposal, block) = (&message.proposal, &message.block);
    let envelope = &block.envelope;
    block.header.extra_data[..] == domain.envelope(envelope, &block.justification)[..]
        && proposal.block_hash == block.hash()
        && proposal.epoch == envelope.epoch
        && proposal.view == envelope.view
        && proposal.parent_view == envelope.parent_view
        && proposal.clerk_signature == envelope.clerk_signature
}

impl Step<'_> {
    pub(super) fn on_proposal(&mut self, _from: MemberIndex, message: Arc<ProposalMessage>) {
        let proposal = &message.proposal;
        let digest = self.state.committee.proposal_digest(proposal);
        let wanted = self.is_wanted(proposal, digest);
        let in_reach = proposal.view > self.state.floor.view
            && proposal.view.0 <= self.state.current.view.0.saturating_add(VIEW_HORIZON);
        if proposal.epoch != self.state.committee.epoch()
            || !(in_reach || wanted)
            || self.state.proposals.get(digest).is_some()
            || !names_its_block(&message, self.state.committee.domain())
            || !self.is_of_its_clerk(&message)
            || !self.state.committee.verify_proposal_signature(proposal)
        {
            return;
        }
        if self.state.proposals.add(digest, Arc::clone(&message), wanted) {
            self.show_to_chain(digest);
        }
    }

    /// Whether the clerk named in the envelope is the member that signed the Proposal.
    fn is_of_its_clerk(&self, message: &ProposalMessage) -> bool {
        let member = self.state.committee.member(message.proposal.clerk);
        member.is_some_and(|member| member.id == message.block.envelope.clerk)
    }

    /// Whether a certificate or a vote names this proposal.
    fn is_wanted(&self, proposal: &Proposal, digest: B256) -> bool {
        self.state.certificates.certifies(proposal.view, digest)
            || self.state.votes.notarized_digests(proposal.view).contains_key(&digest)
    }

    /// Shows a body to the chain and takes over what its justification proves.
    fn show_to_chain(&mut self, digest: B256) {
        let Some(entry) = self.state.proposals.get(digest) else { return };
        let message = Arc::clone(&entry.message);
        match self.blocks.insert(&message.block) {
            Insertion::Inserted(meta) => {
                self.state.proposals.set_standing(digest, Standing::Inserted(meta));
                self.on_inserted(digest, &message, meta);
                self.retry_orphans();
            }
            // Its certificates are checked here, so that the missing parent becomes known and is fetched.
            Insertion::UnknownParent => {
                self.on_certificates(message.proposal.clerk, justification_of(&message));
            }
            Insertion::Invalid(reason) => {
                tracing::debug!(view = %message.proposal.view, %reason, "invalid proposal");
                self.state.proposals.set_standing(digest, Standing::Invalid);
            }
            Insertion::NotItsBody(reason) => {
                tracing::debug!(view = %message.proposal.view, %reason, "mangled body dropped");
                self.state.proposals.remove(digest);
            }
            Insertion::Refused(reason) => {
                tracing::debug!(view = %message.proposal.view, %reason, "proposal not kept");
            }
        }
    }

    fn on_inserted(&mut self, digest: B256, message: &ProposalMessage, meta: BlockMeta) {
        // The chain has verified ticket, bar and certificates (C5 rules 1 and 2).
        let proposal = &message.proposal;
        if proposal.view >= self.state.current.view
            && proposal.view.0 <= self.state.current.view.0.saturating_add(TICKET_HORIZON)
            && let Some(parent) = self.blocks.meta(meta.parent)
        {
            let ticket = Ticket {
                epoch: proposal.epoch,
                view: proposal.view,
                draw_seed: parent.child_draw_seed,
                member: proposal.clerk,
                signature: proposal.clerk_signature.clone(),
            };
            self.state.tickets.add_verified(ticket, Draw::of(&proposal.clerk_signature));
        }
        // Newest first, as in `on_certificates`.
        for certificate in justification_of(message).into_iter().rev() {
            self.accept(certificate);
        }
        let floor = self.state.floor;
        let is_floor = proposal.view == floor.view && digest == floor.digest;
        if is_floor
            && self.blocks.finalized().view < floor.view
            && let Some(finalization) = self.state.floor_finalization().cloned()
        {
            self.finalized.push(finalization);
        }
    }

    /// Shows every orphan to the chain again, oldest view first, as long as that places one.
    pub(super) fn retry_orphans(&mut self) {
        for digest in self.state.proposals.orphans() {
            let Some(entry) = self.state.proposals.get(digest) else { continue };
            let parent = entry.message.block.header.parent_hash;
            if entry.standing == Standing::Orphan && self.blocks.meta(parent).is_some() {
                self.show_to_chain(digest);
            }
        }
    }

    pub(super) fn on_vote(&mut self, from: MemberIndex, message: VoteMessage) {
        let vote = message.vote;
        self.on_tickets(message.tickets);
        if vote.epoch != self.state.committee.epoch() {
            return;
        }
        let (view, current) = (vote.view, self.state.current.view);
        if view <= self.state.floor.view {
            self.answer_with_floor(from);
            return;
        }
        let oldest = current.0.saturating_sub(VOTE_HISTORY_VIEWS);
        if view.0 < oldest || view.0 > current.0.saturating_add(VIEW_HORIZON) {
            return;
        }
        if self.state.certificates.knows(vote.kind, view) {
            return;
        }
        let trusted = from == vote.member;
        if let Some(certificate) = self.state.votes.add(vote, trusted, &self.state.committee) {
            self.accept(certificate);
        }
    }

    /// Verifies and acts on certificates; a wrong one ends the message. Newest first: then one jump leads to the
    /// last view, and only the certificate that caused it is rebroadcast (C6.1).
    pub(super) fn on_certificates(&mut self, from: MemberIndex, certificates: Vec<Certificate>) {
        let mut newest_first = certificates;
        newest_first.truncate(MAX_CERTIFICATES_PER_MESSAGE);
        newest_first.sort_by_key(|certificate| Reverse((certificate.view, certificate.kind)));
        for certificate in newest_first {
            let view = certificate.view;
            if view < self.state.floor.view || self.state.certificates.holds(&certificate) {
                continue;
            }
            if let Err(error) = self.state.committee.verify_certificate(&certificate) {
                tracing::debug!(%from, %view, %error, "certificate refused");
                return;
            }
            self.accept(certificate);
        }
    }

    pub(super) fn on_tickets(&mut self, tickets: Vec<Ticket>) {
        if tickets.is_empty() {
            return;
        }
        let (first, last) =
            (self.state.current.view, self.state.current.view.0.saturating_add(TICKET_HORIZON));
        let seeds = self.plausible_seeds();
        for ticket in tickets {
            if ticket.view >= first && ticket.view.0 <= last && seeds.contains(&ticket.draw_seed) {
                self.state.tickets.add(ticket, &self.state.committee);
            }
        }
    }

    /// Draw seeds that a block of the next views may have on a branch we know (C3, C6.2).
    fn plausible_seeds(&self) -> BTreeSet<B256> {
        let view = self.state.current.view;
        let recent = [view.previous(), view].into_iter().flat_map(|view| self.state.proposals.inserted(view));
        let mut metas: Vec<BlockMeta> = recent.map(|(_, _, meta)| meta).collect();
        metas.push(self.state.head(&*self.blocks));
        metas.push(self.blocks.finalized());
        metas.into_iter().flat_map(|meta| [meta.child_draw_seed, meta.later_draw_seed]).collect()
    }

    pub(super) fn on_fetch(&mut self, from: MemberIndex, request: &FetchRequest) {
        match *request {
            FetchRequest::Certificates { epoch, from: first, to: last } => {
                if epoch != self.state.committee.epoch() {
                    return;
                }
                let first = first.max(self.state.floor.view);
                let last = last.min(self.state.current.view);
                let held = self.state.certificates.range(first, last).take(MAX_CERTIFICATES_PER_MESSAGE);
                let certificates: Vec<_> = held.cloned().collect();
                if certificates.is_empty() {
                    self.answer_with_floor(from);
                } else {
                    self.send(from, Message::Certificates(certificates));
                }
            }
            FetchRequest::Proposal { digest } => match self.state.proposals.get(digest) {
                Some(entry) => {
                    let message = Arc::clone(&entry.message);
                    self.send(from, Message::Proposal(message));
                }
                None => self.answer_with_floor(from),
            },
            // Ranges are answered by the engine.
            FetchRequest::Range { .. } => {}
        }
    }

    /// C6.5: whoever speaks of a view at or below the floor is shown the floor, at most once per Δ.
    fn answer_with_floor(&mut self, to: MemberIndex) {
        let now_ms = self.now.monotonic_ms;
        let answered_at_ms = self.state.answered_at_ms.get(&to).copied();
        if answered_at_ms.is_some_and(|at_ms| now_ms < at_ms.saturating_add(self.state.parameters.delta_ms)) {
            return;
        }
        if let Some(finalization) = self.state.floor_finalization().cloned()
            && self.state.committee.member(to).is_some()
        {
            self.state.answered_at_ms.insert(to, now_ms);
            self.send(to, Message::Certificates(vec![finalization]));
        }
    }
}

/// The certificates a body carries, oldest first.
fn justification_of(message: &ProposalMessage) -> Vec<Certificate> {
    let justification = &message.block.justification;
    justification.parent_certificate.iter().chain(&justification.nullifications).cloned().collect()
}

/// Whether a view counts as decided: certified or nullified.
pub(super) fn is_decided(certificates: &crate::certificates::CertificateStore, view: View) -> bool {
    certificates.knows(VoteKind::Notarize, view) || certificates.knows(VoteKind::Nullify, view)
}
