//! Votes cast and certificates acted on (C6.1, C6.6, C6.7).

use super::{Current, Floor, Step};
use crate::certificates::Insert;
use crate::interface::Identity;
use alloy_primitives::B256;
use btn_types::{Certificate, CertificateMessage, JournalRecord, Message, View, Vote, VoteKind, VoteMessage};

impl Step<'_> {
    /// Signs a vote if the log allows it: logged first, then sent, then counted (C6, "synced before sending").
    /// Returns whether it was cast.
    pub(super) fn cast(&mut self, kind: VoteKind, view: View, digest: B256) -> bool {
        let Identity::Member { index, signer } = &self.state.identity else { return false };
        if view <= self.state.floor.view || !self.state.log.may_vote(kind, view) {
            return false;
        }
        let epoch = self.state.committee.epoch();
        let signature = signer.vote(self.state.committee.domain().vote(kind, epoch, view, digest));
        let vote = Vote { kind, epoch, view, digest, member: *index, signature };
        self.state.log.record_vote(vote.clone());
        self.records.push(JournalRecord::Voted(vote.clone()));
        let tickets = self.state.tickets.to_show(self.state.current.view, self.state.me(), false);
        self.broadcast(Message::Vote(VoteMessage { vote: vote.clone(), tickets }));
        if let Some(certificate) = self.state.votes.add(vote, true, &self.state.committee) {
            self.accept(certificate);
        }
        true
    }

    /// Rule 6: a Notarization above the floor is answered by Finalize, unless the view was nullified by us.
    pub(super) fn vote_finalize(&mut self, view: View, digest: B256) {
        self.cast(VoteKind::Finalize, view, digest);
    }

    /// Acts on a verified certificate. Without its body too: the certificate rules apply at once (C6.8 ⚠).
    pub(super) fn accept(&mut self, certificate: Certificate) {
        let (kind, view, digest) = (certificate.kind, certificate.view, certificate.digest);
        let floor = self.state.floor.view;
        // Below the floor nothing changes any more (C6.0 ⚠). At the floor, whose Finalization is held, everything
        // is known already or a contradiction.
        if view < floor || view == View(0) || self.halt.is_some() {
            return;
        }
        match self.state.certificates.insert(certificate.clone()) {
            Insert::Known => return,
            Insert::Conflict(reason) => {
                let remedy = "more than f members of the committee are Byzantine, or our journal is corrupt";
                self.halt = Some(format!("contradicting certificates: {reason}; {remedy}"));
                return;
            }
            Insert::Stored => {}
        }
        self.records.push(JournalRecord::Certificate(certificate.clone()));
        let raises_floor = kind == VoteKind::Finalize && view > floor;
        if view >= self.state.current.view || raises_floor {
            // C6.1: on a jump rebroadcast only the certificate that caused it.
            let tickets = self.state.tickets.to_show(self.state.current.view, self.state.me(), false);
            let message = CertificateMessage { certificate: certificate.clone(), tickets };
            self.broadcast(Message::Certificate(message));
        }
        match kind {
            VoteKind::Notarize => self.vote_finalize(view, digest),
            VoteKind::Nullify => {}
            VoteKind::Finalize => self.raise_floor(certificate),
        }
        self.enter(view.next(), kind == VoteKind::Nullify);
    }

    /// Rule 7: the floor only rises; Δ is back at its base.
    fn raise_floor(&mut self, finalization: Certificate) {
        if finalization.view <= self.state.floor.view {
            return;
        }
        self.state.floor = Floor { view: finalization.view, digest: finalization.digest };
        self.state.nullified_in_row = 0;
        self.finalized.push(finalization);
        self.state.prune();
    }

    /// Rule 1: enters a view if it is a later one.
    fn enter(&mut self, view: View, by_nullification: bool) {
        let before = self.state.current.view;
        if view <= before {
            return;
        }
        if by_nullification {
            self.state.nullified_in_row = self.state.nullified_in_row.saturating_add(1);
        }
        self.state.current = Current {
            view,
            entered_at_ms: self.now.monotonic_ms,
            started_at_ms: None,
            resent_at_ms: None,
            restarted: false,
        };
        self.state.prune();
        self.draw_tickets();
        if view > before.next() {
            self.show_tickets(None);
        }
    }
}
