//! Showing where we stand: to a peer that connects, and to all while stuck (C6.2, C6.5 ⚠).

use super::{MAX_CERTIFICATES_PER_MESSAGE, Step, VOTE_HISTORY_VIEWS};
use btn_types::limits::MAX_TICKETS;
use btn_types::{FetchRequest, MemberIndex, Message, Vote, VoteMessage};
use std::sync::Arc;

impl Step<'_> {
    /// Tickets for this view and the next two, to one peer or to all.
    pub(super) fn show_tickets(&mut self, to: Option<MemberIndex>) {
        let mut tickets = self.state.tickets.to_show(self.state.current.view, self.state.me(), true);
        tickets.truncate(MAX_TICKETS);
        if !tickets.is_empty() {
            self.tell(to, Message::Candidacy(tickets));
        }
    }

    fn tell(&mut self, to: Option<MemberIndex>, message: Message) {
        match to {
            Some(member) => self.send(member, message),
            None => self.broadcast(message),
        }
    }

    /// Rule 5: own logged Proposal of the view, own votes of views above the floor, every certificate held of
    /// `[floor, view]`, and a Candidacy.
    pub(super) fn show_all(&mut self, to: Option<MemberIndex>) {
        let view = self.state.current.view;
        let held = self.state.certificates.range(self.state.floor.view, view);
        let certificates: Vec<_> = held.cloned().collect();
        // The newest first, should a long halt have left more than one message holds.
        for chunk in certificates.rchunks(MAX_CERTIFICATES_PER_MESSAGE) {
            self.tell(to, Message::Certificates(chunk.to_vec()));
        }
        if let Some(message) = self.state.log.of(view).proposed {
            self.tell(to, Message::Proposal(Arc::clone(&message)));
        }
        // Votes that a certificate shown above has made idle would only be dropped by whoever hears them.
        let oldest = view.0.saturating_sub(VOTE_HISTORY_VIEWS);
        let is_useful =
            |vote: &&Vote| vote.view.0 >= oldest && !self.state.certificates.knows(vote.kind, vote.view);
        let votes: Vec<_> = self.state.log.votes().filter(is_useful).cloned().collect();
        for vote in votes {
            self.tell(to, Message::Vote(VoteMessage { vote, tickets: Vec::new() }));
        }
        self.show_tickets(to);
        if self.state.me().is_none() {
            // An observer has nothing to show; it asks.
            let epoch = self.state.committee.epoch();
            let request = FetchRequest::Certificates { epoch, from: self.state.floor.view, to: view };
            self.tell(to, Message::Fetch(request));
        }
    }

    /// Stuck = in the same view for 4Δ, and at once after a restart; then every Δ (C6.5 ⚠).
    pub(super) fn resend_if_stuck(&mut self) {
        let current = self.state.current;
        let delta_ms = self.state.delta_ms();
        let stuck_at_ms = match current.started_at_ms {
            _ if current.restarted => current.entered_at_ms,
            Some(started_at_ms) => started_at_ms.saturating_add(delta_ms.saturating_mul(4)),
            None => return,
        };
        let due_ms = match current.resent_at_ms {
            Some(resent_at_ms) => resent_at_ms.saturating_add(delta_ms).max(stuck_at_ms),
            None => stuck_at_ms,
        };
        if self.now.monotonic_ms < due_ms {
            self.wake_at(due_ms);
            return;
        }
        self.state.current.resent_at_ms = Some(self.now.monotonic_ms);
        self.show_all(None);
        self.wake_at(self.now.monotonic_ms.saturating_add(delta_ms));
    }
}
