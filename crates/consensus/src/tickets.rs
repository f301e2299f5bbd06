//! Tickets known for the current view and the next two (C6.2). Where tickets are unknown every clerk thinks
//! itself best, votes split, and nothing finalises ⚠.

use alloy_primitives::{B256, Bytes};
use btn_crypto::{Committee, Draw};
use btn_types::limits::{MAX_CANDIDATES, TICKET_HORIZON};
use btn_types::{MemberIndex, Ticket, View};
use std::collections::BTreeMap;

/// How many of the best tickets of others ride on a message, per view and seed (C6.2).
const PASSED_ON: usize = 4;

/// How many of the best tickets of a view are shown to users.
const SHOWN_PER_VIEW: usize = MAX_CANDIDATES / (TICKET_HORIZON as usize + 1);

/// Verified tickets by view, draw seed and member.
#[derive(Clone, Debug, Default)]
pub(crate) struct TicketBook(BTreeMap<(View, B256), BTreeMap<MemberIndex, (Draw, Ticket)>>);

impl TicketBook {
    /// Whether this ticket is in already.
    pub(crate) fn knows(&self, ticket: &Ticket) -> bool {
        self.0
            .get(&(ticket.view, ticket.draw_seed))
            .is_some_and(|tickets| tickets.contains_key(&ticket.member))
    }

    /// Verifies a ticket and takes it in if it is valid. The caller has checked that view and seed are ones we
    /// look at, which bounds the book.
    pub(crate) fn add(&mut self, ticket: Ticket, committee: &Committee) {
        if !self.knows(&ticket)
            && let Ok(draw) = committee.verify_ticket(&ticket)
        {
            self.add_verified(ticket, draw);
        }
    }

    /// Takes in a ticket whose signature and bar were checked elsewhere.
    pub(crate) fn add_verified(&mut self, ticket: Ticket, draw: Draw) {
        self.0.entry((ticket.view, ticket.draw_seed)).or_default().insert(ticket.member, (draw, ticket));
    }

    /// Candidates of a view under a seed, best first.
    pub(crate) fn ranking(&self, view: View, draw_seed: B256) -> Vec<(Draw, MemberIndex)> {
        let tickets = self.0.get(&(view, draw_seed)).into_iter().flatten();
        let mut ranking: Vec<_> = tickets.map(|(member, (draw, _))| (*draw, *member)).collect();
        ranking.sort_unstable();
        ranking
    }

    /// The lottery signature of a member's ticket.
    pub(crate) fn signature(&self, view: View, draw_seed: B256, member: MemberIndex) -> Option<Bytes> {
        Some(self.0.get(&(view, draw_seed))?.get(&member)?.1.signature.clone())
    }

    /// The tickets to show while in `current`: for each of the next two views, and with `with_current` for
    /// this one too, the own and the best four known.
    pub(crate) fn to_show(&self, current: View, own: Option<MemberIndex>, with_current: bool) -> Vec<Ticket> {
        let first = if with_current { current } else { current.next() };
        let last = View(current.0.saturating_add(TICKET_HORIZON));
        let mut shown = Vec::new();
        for tickets in self.0.range((first, B256::ZERO)..=(last, B256::repeat_byte(0xff))).map(|(_, t)| t) {
            let mut ranking: Vec<_> = tickets.values().collect();
            ranking.sort_unstable_by_key(|(draw, ticket)| (*draw, ticket.member));
            let chosen = ranking
                .iter()
                .enumerate()
                .filter(|(position, (_, ticket))| *position < PASSED_ON || Some(ticket.member) == own);
            shown.extend(chosen.map(|(_, (_, ticket))| ticket.clone()));
        }
        shown.truncate(btn_types::limits::MAX_TICKETS);
        shown
    }

    /// What users are shown while in `current`: by view, the best of each first, each view its share.
    pub(crate) fn candidates(&self, current: View) -> Vec<Ticket> {
        let mut shown = Vec::new();
        for ahead in 0..=TICKET_HORIZON {
            let view = View(current.0.saturating_add(ahead));
            let of_view = self.0.range((view, B256::ZERO)..=(view, B256::repeat_byte(0xff)));
            let mut known: Vec<_> = of_view.flat_map(|(_, tickets)| tickets.values()).collect();
            known.sort_unstable_by_key(|(draw, ticket)| (*draw, ticket.member));
            known.truncate(SHOWN_PER_VIEW);
            shown.extend(known.into_iter().map(|(_, ticket)| ticket.clone()));
        }
        shown
    }

    /// Drops views below this one.
    pub(crate) fn prune_below(&mut self, view: View) {
        self.0 = self.0.split_off(&(view, B256::ZERO));
    }
}
