//! What a member does of its own accord: draw, start the view, propose, notarize, nullify (C6.2–C6.5).

use super::hear::is_decided;
use super::{Step, fetch::Wanted};
use crate::interface::{Execution, Identity};
use crate::proposals::Standing;
use alloy_primitives::B256;
use btn_crypto::Draw;
use btn_types::limits::{MAX_CERTIFICATES, MAX_CLOCK_LEAD_MS, TICKET_HORIZON};
use btn_types::{
    BlockMeta, BuildRequest, Bytes, Certificate, JournalRecord, Justification, MemberIndex, Message,
    Proposal, ProposalMessage, Ticket, View, VoteKind,
};
use std::collections::BTreeSet;
use std::sync::Arc;

/// Where a clerk stands among the known candidates of its view.
struct Standpoint {
    parent: BlockMeta,
    parent_certificate: Option<Certificate>,
    clerk_signature: Bytes,
    draw: Draw,
    rank: usize,
}

impl Step<'_> {
    /// Own tickets for this view and the next two, on every draw seed they may need (C6.2).
    pub(super) fn draw_tickets(&mut self) {
        let Identity::Member { index, signer } = &self.state.identity else { return };
        let head = self.state.head(&*self.blocks);
        let epoch = self.state.committee.epoch();
        for ahead in 0..=TICKET_HORIZON {
            let view = View(self.state.current.view.0.saturating_add(ahead));
            for draw_seed in BTreeSet::from([head.child_draw_seed, head.later_draw_seed]) {
                if !self.state.drawn.insert((view, draw_seed)) {
                    continue;
                }
                let message = self.state.committee.domain().clerk(epoch, view, draw_seed);
                match signer.draw(message) {
                    Ok(signature) => {
                        let ticket = Ticket { epoch, view, draw_seed, member: *index, signature };
                        self.state.tickets.add(ticket, &self.state.committee);
                    }
                    Err(error) => tracing::error!(%error, "no ticket drawn"),
                }
            }
        }
    }

    /// Rule 3: the timers of a view start at t₀, which an idle network puts off.
    pub(super) fn start_view(&mut self) {
        if self.state.current.started_at_ms.is_some() {
            return;
        }
        let (now_ms, entered_at_ms) = (self.now.monotonic_ms, self.state.current.entered_at_ms);
        match self.idle_until_ms(entered_at_ms) {
            Some(until_ms) if now_ms < until_ms => self.wake_at(until_ms),
            _ => self.state.current.started_at_ms = Some(now_ms),
        }
    }

    /// Until when the view may stay idle; `None` = something is to be done.
    fn idle_until_ms(&self, entered_at_ms: u64) -> Option<u64> {
        let view = self.state.current.view;
        let before = view.previous();
        let head = self.state.head(&*self.blocks);
        let busy = self.state.proposals.has_any(view)
            || self.state.votes.count(view, VoteKind::Nullify) > self.state.committee.max_faulty()
            || self.state.certificates.nullification(before).is_some()
            || self.blocks.has_executable(head.hash);
        if busy {
            return None;
        }
        let final_before = before == View(0) || self.state.certificates.finalization(before).is_some();
        let parameters = &self.state.parameters;
        let wait_ms = if final_before { parameters.idle_interval_ms } else { parameters.delta_ms };
        Some(entered_at_ms.saturating_add(wait_ms))
    }

    /// Rule 3: propose once, if eligible, by rank; never without parent, its certificate and the
    /// Nullifications in between.
    pub(super) fn propose(&mut self) {
        let view = self.state.current.view;
        let Some(started_at_ms) = self.state.current.started_at_ms else { return };
        if self.state.log.has_proposed(view) || self.state.log.has_nullified(view) {
            return;
        }
        let Some(standpoint) = self.standpoint(view) else { return };
        let delta_ms = self.state.delta_ms();
        let delay_ms = match standpoint.rank {
            0 | 1 => 0,
            2 | 3 => delta_ms,
            _ => delta_ms.saturating_mul(3) / 2,
        };
        let after_parent_ms = self.after_parent_ms(started_at_ms, &standpoint.parent);
        let earliest_ms = started_at_ms.saturating_add(delay_ms).max(after_parent_ms);
        if self.now.monotonic_ms < earliest_ms {
            self.wake_at(earliest_ms);
            return;
        }
        if standpoint.rank > 3 && self.has_better_proposal(view, standpoint.draw) {
            return;
        }
        if self.blocks.execute(standpoint.parent.hash) == Execution::Valid {
            self.pack(view, standpoint);
        }
    }

    /// When the least interval since the parent will have passed, on the monotonic clock.
    fn after_parent_ms(&self, started_at_ms: u64, parent: &BlockMeta) -> u64 {
        let due_unix_ms = parent.timestamp_ms.saturating_add(self.state.parameters.min_block_interval_ms);
        let wait_ms = due_unix_ms.saturating_sub(self.now.unix_ms);
        // A clock that was set back must not silence a clerk: Δ after t₀ is waiting enough. (Counted from now
        // the wait would begin anew at every step.)
        let longest_ms = started_at_ms.saturating_add(self.state.parameters.delta_ms);
        self.now.monotonic_ms.saturating_add(wait_ms).min(longest_ms)
    }

    /// Parent, own ticket and rank for the view; `None` where we may not or cannot propose yet.
    fn standpoint(&mut self, view: View) -> Option<Standpoint> {
        let me = self.state.me()?;
        let (parent_view, parent_certificate) = match self.state.certificates.highest_certified(view) {
            Some(certificate) => (certificate.view, Some(certificate.clone())),
            None => (View(0), None),
        };
        let parent = match &parent_certificate {
            Some(certificate) => self.state.place_of_certified(certificate, &*self.blocks)?,
            None => self.blocks.finalized(),
        };
        let discredited = self.state.proposals.discredited(view);
        let mut ranking = self.state.tickets.ranking(view, parent.child_draw_seed);
        ranking.retain(|(_, member)| !discredited.contains(member));
        let rank = ranking.iter().position(|(_, member)| *member == me)?;
        let (draw, _) = ranking[rank];
        if let Some(gap) = self.first_gap(parent_view, view) {
            let wanted = Wanted::Certificates { from: gap, to: view.previous() };
            self.state.fetches.want(wanted, Vec::new(), self.now.monotonic_ms, 0);
            return None;
        }
        let clerk_signature = self.state.tickets.signature(view, parent.child_draw_seed, me)?;
        Some(Standpoint { parent, parent_certificate, clerk_signature, draw, rank })
    }

    /// The first view in `(parent_view, view)` that is not nullified as far as we hold.
    fn first_gap(&self, parent_view: View, view: View) -> Option<View> {
        let mut between = parent_view.next();
        while between < view {
            if self.state.certificates.nullification(between).is_none() {
                return Some(between);
            }
            between = between.next();
        }
        None
    }

    fn has_better_proposal(&self, view: View, draw: Draw) -> bool {
        let discredited = self.state.proposals.discredited(view);
        self.state.proposals.inserted(view).iter().any(|(digest, clerk, _)| {
            let entry = self.state.proposals.get(*digest);
            !discredited.contains(clerk)
                && entry.is_some_and(|entry| Draw::of(&entry.message.proposal.clerk_signature) < draw)
        })
    }

    /// Packs, signs, logs and sends the block (C5).
    fn pack(&mut self, view: View, standpoint: Standpoint) {
        let Identity::Member { index, .. } = &self.state.identity else { return };
        let clerk = *index;
        let Some(member) = self.state.committee.member(clerk).cloned() else { return };
        let parent_view = standpoint.parent_certificate.as_ref().map_or(View(0), |held| held.view);
        let nullified = (parent_view.0.saturating_add(1)..view.0).map(View);
        let nullifications =
            nullified.filter_map(|view| self.state.certificates.nullification(view).cloned());
        let justification = Justification {
            nullifications: nullifications.collect(),
            parent_certificate: standpoint.parent_certificate,
        };
        let request = BuildRequest {
            parent: standpoint.parent.hash,
            epoch: self.state.committee.epoch(),
            view,
            parent_view,
            clerk: member.id,
            payout: member.payout,
            clerk_signature: standpoint.clerk_signature.clone(),
            timestamp_ms: self.now.unix_ms,
            justification,
        };
        let epoch = request.epoch;
        let Some(block) = self.blocks.build(request) else { return };
        let block_hash = block.hash();
        let digest = self.state.committee.domain().proposal(epoch, view, parent_view, block_hash);
        let Identity::Member { signer, .. } = &self.state.identity else { return };
        let clerk_signature = standpoint.clerk_signature;
        let signature = signer.vote(digest);
        let proposal = Proposal { epoch, view, parent_view, block_hash, clerk, clerk_signature, signature };
        let message = Arc::new(ProposalMessage { proposal, block });
        self.state.log.record_proposal(Arc::clone(&message));
        self.records.push(JournalRecord::Proposed(Arc::clone(&message)));
        self.state.proposals.add(digest, Arc::clone(&message), true);
        if let Some(meta) = self.blocks.meta(block_hash) {
            self.state.proposals.set_standing(digest, Standing::Inserted(meta));
        }
        self.broadcast(Message::Proposal(message));
    }

    /// Rule 4: the valid block of the best-ranked known candidate, not before δ_c after t₀; from 2Δ the best
    /// valid block present.
    pub(super) fn notarize(&mut self) {
        let view = self.state.current.view;
        let Some(started_at_ms) = self.state.current.started_at_ms else { return };
        if self.state.me().is_none() || !self.state.log.may_vote(VoteKind::Notarize, view) {
            return;
        }
        let earliest_ms = started_at_ms.saturating_add(self.state.parameters.candidate_wait_ms);
        if self.now.monotonic_ms < earliest_ms {
            self.wake_at(earliest_ms);
            return;
        }
        let late_at_ms = started_at_ms.saturating_add(self.state.delta_ms().saturating_mul(2));
        let mut excluded = self.state.proposals.discredited(view);
        // Each round votes, waits, or excludes one more clerk.
        for _ in 0..=self.state.committee.size() {
            let Some((digest, clerk, meta)) = self.choose(view, &excluded, late_at_ms) else { return };
            if meta.timestamp_ms > self.now.unix_ms.saturating_add(MAX_CLOCK_LEAD_MS) {
                let wait_ms = meta.timestamp_ms - self.now.unix_ms - MAX_CLOCK_LEAD_MS;
                self.wake_at(self.now.monotonic_ms.saturating_add(wait_ms));
                excluded.insert(clerk);
                continue;
            }
            match self.blocks.execute(meta.hash) {
                Execution::Valid => return self.notarize_block(view, digest),
                Execution::Invalid(reason) => {
                    tracing::warn!(%view, %clerk, %reason, "invalid block refused");
                    self.state.proposals.set_standing(digest, Standing::Invalid);
                }
                Execution::NotYet => {}
            }
            excluded.insert(clerk);
        }
    }

    /// The proposal to vote for now, or `None` while a better candidate's may still come.
    fn choose(
        &mut self,
        view: View,
        excluded: &BTreeSet<MemberIndex>,
        late_at_ms: u64,
    ) -> Option<(B256, MemberIndex, BlockMeta)> {
        let floor = self.state.floor.view;
        let present = self.state.proposals.inserted(view).into_iter().filter_map(|(digest, clerk, meta)| {
            let entry = self.state.proposals.get(digest)?;
            let draw = Draw::of(&entry.message.proposal.clerk_signature);
            // C6.4: the parent view must be at or above our floor.
            (meta.parent_view >= floor && !excluded.contains(&clerk)).then_some((draw, digest, clerk, meta))
        });
        let best = present.min_by_key(|(draw, digest, _, _)| (*draw, *digest));
        if self.now.monotonic_ms < late_at_ms {
            let draw_seed = self.state.head(&*self.blocks).child_draw_seed;
            let ranking = self.state.tickets.ranking(view, draw_seed);
            let candidate = ranking.into_iter().find(|(_, member)| !excluded.contains(member));
            let must_wait = match (&best, candidate) {
                (None, _) => true,
                (Some((draw, ..)), Some((candidate, _))) => candidate < *draw,
                (Some(_), None) => false,
            };
            if must_wait {
                self.wake_at(late_at_ms);
                return None;
            }
        }
        best.map(|(_, digest, clerk, meta)| (digest, clerk, meta))
    }

    /// The body is in the same group commit as the vote (C6 ⚠).
    fn notarize_block(&mut self, view: View, digest: B256) {
        let Some(entry) = self.state.proposals.get(digest) else { return };
        if Some(entry.message.proposal.clerk) != self.state.me() {
            self.records.push(JournalRecord::Body(Arc::clone(&entry.message)));
        }
        self.cast(VoteKind::Notarize, view, digest);
    }

    /// Rule 5: at 4Δ, only for the current view, never after Finalize.
    pub(super) fn nullify(&mut self) {
        let view = self.state.current.view;
        let Some(started_at_ms) = self.state.current.started_at_ms else { return };
        if self.state.me().is_none() || !self.state.log.may_vote(VoteKind::Nullify, view) {
            return;
        }
        let due_ms = started_at_ms.saturating_add(self.state.delta_ms().saturating_mul(4));
        // A block carries a Nullification of every view it skips; past the bound no block would be legal any
        // more, so the network stays in a view where one is.
        let certified = self.state.certificates.highest_certified(view).map_or(View(0), |held| held.view);
        if view.0 - certified.0 >= MAX_CERTIFICATES as u64 {
            return;
        }
        if self.now.monotonic_ms < due_ms {
            self.wake_at(due_ms);
        } else if !is_decided(&self.state.certificates, view) {
            self.cast(VoteKind::Nullify, view, B256::ZERO);
        }
    }
}
