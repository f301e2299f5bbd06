//! Whom to submit to: tickets that masters show are believed only where they prove themselves.

use btn_chain::Chain;
use btn_crypto::{Draw, TicketError};
use btn_types::limits::{MAX_CANDIDATES, TICKET_HORIZON};
use btn_types::{B256, MemberIndex, Ticket, View};
use std::collections::BTreeSet;

/// How many views masters may be ahead of what they have shown us.
const VIEW_LAG: u64 = 2;

/// A candidate for clerk whose ticket verifies, best first: the next view's, then by rank.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Candidate {
    pub(super) view: View,
    pub(super) draw: Draw,
    pub(super) member: MemberIndex,
}

/// The verified candidates among tickets: drawn on a seed of our own chain (its tip or `head`), of views above
/// `certified`, the highest certified one, and no further ahead than tickets are shown (C6.2).
///
/// # Errors
/// The first ticket that no honest master shows: it proves nothing.
pub(super) fn verify(
    chain: &Chain,
    head: B256,
    certified: View,
    tickets: &[Ticket],
) -> Result<Vec<Candidate>, TicketError> {
    let metas = [Some(chain.finalized()), chain.meta(head)].into_iter().flatten();
    let seeds: BTreeSet<B256> = metas.flat_map(|meta| [meta.child_draw_seed, meta.later_draw_seed]).collect();
    let last = certified.next().0.saturating_add(TICKET_HORIZON + VIEW_LAG);
    let mut candidates = Vec::new();
    for ticket in tickets.iter().take(MAX_CANDIDATES) {
        let draw = chain.committee().verify_ticket(ticket)?;
        let is_of_use = ticket.view > certified && ticket.view.0 <= last && seeds.contains(&ticket.draw_seed);
        if is_of_use {
            candidates.push(Candidate { view: ticket.view, draw, member: ticket.member });
        }
    }
    Ok(candidates)
}

/// The best distinct members among candidates.
pub(super) fn best(candidates: &BTreeSet<Candidate>, most: usize) -> Vec<MemberIndex> {
    let mut members = Vec::new();
    for candidate in candidates {
        if members.len() < most && !members.contains(&candidate.member) {
            members.push(candidate.member);
        }
    }
    members
}
