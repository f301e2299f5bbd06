//! What masters announce and reply. Everything is verified; what an honest master cannot say is a lie, and whoever
//! tells one is dropped with a sentence that names it.

use super::book::Standing;
use super::calls::Purpose;
use super::{Step, name_of};
use crate::import::{ImportError, Imported, import};
use btn_types::supervision::{Announcement, BlockPlace, MasterReply, PullRequest, Pulled, SupervisorCall};
use btn_types::{B256, BlockRange, Certificate, Height, MemberIndex, View, VoteKind};

/// Blocks that may be missing between the highest one here and a block for their bodies to be pulled one by one;
/// where more are missing they come by ranges.
pub(super) const MAX_MISSING_PARENTS: u64 = 8;

impl Step<'_> {
    /// A new link: seals that no block includes yet are given again, and the master's greeting is heard to its end.
    pub(super) fn on_connected(&mut self, master: MemberIndex) {
        if self.engine.chain.committee().member(master).is_none() {
            return;
        }
        self.engine.masters.connect(master, self.now.monotonic_ms);
        let newest = self.engine.chain.finalized().height;
        let seals = self.engine.log.to_send_again(newest, 0);
        if !seals.is_empty() && self.engine.seals() {
            self.call(master, Purpose::Seals, SupervisorCall::Seal(seals));
        }
    }

    pub(super) fn on_announced(&mut self, from: MemberIndex, announcement: Announcement) {
        if !self.engine.masters.is_linked(from) {
            return;
        }
        let Some(place) = announcement.place().copied() else { return self.end_greeting(from) };
        let expected = self.engine.chain.committee().epoch();
        if place.epoch != expected {
            let view = place.view;
            let reason = format!(
                "master {from} announced view {view} of epoch {}, this is epoch {expected}",
                place.epoch
            );
            return self.drop_master(from, reason);
        }
        match announcement {
            Announcement::Proposed(place) => self.on_proposed(from, place),
            Announcement::Certified { place, certificate } => self.on_certified(from, place, certificate),
            Announcement::Greeted => {}
        }
    }

    /// The first state: the body can be pulled from this master.
    fn on_proposed(&mut self, from: MemberIndex, place: BlockPlace) {
        let tip = *self.engine.chain.finalized();
        if place.view <= tip.view || !self.engine.book.announce(place, from) {
            return;
        }
        if let Some(meta) = self.engine.chain.meta(place.hash) {
            let actual = crate::announce::place_of(meta);
            return self.check_places(&actual);
        }
        if self.missing_below(place.height) <= MAX_MISSING_PARENTS && !self.is_refused(place.hash) {
            self.engine.pulls.want_of(place.hash, place.view, from);
        }
    }

    /// How many heights lie between the highest block here and one at this height.
    pub(super) fn missing_below(&self, height: Height) -> u64 {
        let chain = &self.engine.chain;
        let highest = chain.unfinalized().map(|meta| meta.height).max();
        height.0.saturating_sub(highest.unwrap_or(chain.finalized().height).0)
    }

    /// Whether a body is of no use: it is here and waits for its parent, or it is invalid.
    fn is_refused(&self, hash: B256) -> bool {
        self.engine.orphans.has(hash) || self.engine.chain.is_invalid(hash)
    }

    fn on_certified(&mut self, from: MemberIndex, place: BlockPlace, certificate: Certificate) {
        if let Err(lie) = self.check_certified(&place, &certificate) {
            let (kind, view) = (name_of(certificate.kind), certificate.view);
            return self
                .drop_master(from, format!("master {from} announced a {kind} of view {view} that {lie}"));
        }
        let is_newest = place.view > self.engine.book.highest();
        self.engine.masters.showed(from, place.view, is_newest);
        if place.view > self.engine.chain.finalized().view {
            self.engine.book.announce(place, from);
        }
        self.learn(place, certificate);
    }

    /// The place is what the certificate's digest names, and the certificate verifies. One that is known already is
    /// not verified again.
    fn check_certified(&mut self, place: &BlockPlace, certificate: &Certificate) -> Result<(), String> {
        let committee = self.engine.chain.committee();
        let digest = committee.domain().proposal(place.epoch, place.view, place.parent_view, place.hash);
        if certificate.kind == VoteKind::Nullify {
            return Err("certifies no block".to_owned());
        }
        if certificate.view != place.view || certificate.epoch != place.epoch {
            return Err(format!("is not of view {}, where it placed the block", place.view));
        }
        if certificate.digest != digest {
            return Err(format!("names {}, the digest of its block is {digest}", certificate.digest));
        }
        let is_old = certificate.view < self.engine.chain.finalized().view;
        if is_old || self.engine.book.standing(certificate) == Standing::Known {
            return Ok(());
        }
        committee.verify_certificate(certificate).map_err(|error| format!("does not verify: {error}"))?;
        self.engine.chain.remember_verified(certificate);
        Ok(())
    }

    /// Takes in a verified certificate of the block at this place.
    pub(super) fn learn(&mut self, place: BlockPlace, certificate: Certificate) {
        if place.view < self.engine.chain.finalized().view {
            return;
        }
        let is_final = certificate.kind == VoteKind::Finalize;
        match self.engine.book.standing(&certificate) {
            Standing::New => self.engine.book.certify(place, certificate),
            // Whoever said it first may have placed it wrongly: its body is wanted all the same.
            Standing::Known => {}
            Standing::Contradicts => {
                let remedy = "more than f members of the committee are Byzantine";
                self.output.halt = Some(format!("view {} has two certified blocks; {remedy}", place.view));
                return;
            }
        }
        if let Some(meta) = self.engine.chain.meta(place.hash) {
            let actual = crate::announce::place_of(meta);
            return self.check_places(&actual);
        }
        self.want_certified(&place, is_final);
    }

    /// A certified body is wanted from anyone: whoever voted for it has it. Where much is missing below, it comes by
    /// ranges, once it is final.
    fn want_certified(&mut self, place: &BlockPlace, is_final: bool) {
        let missing = self.missing_below(place.height);
        if missing <= MAX_MISSING_PARENTS && !self.is_refused(place.hash) {
            self.engine.pulls.want(place.hash, place.view);
        } else if is_final && missing > MAX_MISSING_PARENTS {
            self.engine.sync.want(place.view);
        }
    }

    /// A certified body that is not here: it may have been out of reach when its certificate came.
    pub(super) fn want_waiting(&mut self, view: View) {
        let waiting = self.engine.book.place_of(view);
        if let Some((place, is_final)) = waiting {
            self.want_certified(&place, is_final);
        }
    }

    /// Masters that placed a known block elsewhere have lied.
    pub(super) fn check_places(&mut self, actual: &BlockPlace) {
        self.engine.book.place(actual);
        for (master, said) in self.engine.book.misplaced(actual) {
            let (hash, said, height) = (actual.hash, said.height, actual.height);
            let reason =
                format!("master {master} announced block {hash} at height {said}, it is at {height}");
            self.drop_master(master, reason);
        }
    }

    pub(super) fn on_reply(&mut self, from: MemberIndex, id: u64, reply: MasterReply) {
        let Some(purpose) = self.engine.calls.close(from, id) else { return };
        if let MasterReply::Failed(reason) = &reply {
            tracing::debug!(%from, ?purpose, %reason, "call failed");
        }
        match (purpose, reply) {
            (Purpose::Body(hash), MasterReply::Pulled(pulled)) => self.on_pulled(from, hash, pulled),
            (Purpose::Body(hash), MasterReply::Failed(_)) => self.on_no_body(from, hash),
            (Purpose::Range, MasterReply::Pulled(pulled)) => self.on_range(from, pulled),
            (Purpose::Range, MasterReply::Failed(_)) => {
                self.engine.sync.heard();
                self.count_unanswered(from, "a range of blocks");
            }
            (Purpose::Candidates, MasterReply::Candidates(tickets)) => self.on_candidates(from, tickets),
            (Purpose::Candidates, MasterReply::Failed(_)) => self.on_candidates(from, Vec::new()),
            (Purpose::Submit(hash), MasterReply::Submitted(outcome)) => {
                self.on_submitted(from, hash, outcome);
            }
            (Purpose::Submit(hash), MasterReply::Failed(reason)) => {
                self.on_submit_failed(from, hash, &reason)
            }
            // What no block includes is given again after a while, see `give_seals_again`.
            (Purpose::Seals, MasterReply::Sealed | MasterReply::Failed(_)) => {}
            (purpose, _) => {
                self.drop_master(from, format!("master {from} answered {purpose:?} with something else"));
            }
        }
    }

    fn end_greeting(&mut self, from: MemberIndex) {
        if self.engine.masters.is_linked(from) && self.engine.masters.greeting_ends(from) {
            let highest = self.engine.book.highest();
            self.engine.log.raise_floor(highest);
        }
    }

    fn on_pulled(&mut self, from: MemberIndex, hash: B256, pulled: Pulled) {
        match pulled {
            Pulled::Block(block) => {
                let actual = block.hash();
                if actual == hash {
                    self.engine.masters.answered(from);
                    self.on_body(from, hash, block);
                } else {
                    self.engine.pulls.fruitless(hash, from);
                    let reason = format!("master {from} served block {actual} when asked for block {hash}");
                    self.drop_master(from, reason);
                }
            }
            Pulled::Nothing => self.on_no_body(from, hash),
            Pulled::Range(_) => {
                self.engine.pulls.fruitless(hash, from);
                self.drop_master(from, format!("master {from} served a range when asked for block {hash}"));
            }
        }
    }

    /// No body came. A master that announced it owes it.
    pub(super) fn on_no_body(&mut self, from: MemberIndex, hash: B256) {
        let owes = self.engine.pulls.is_announcer(hash, from);
        if self.engine.pulls.fruitless(hash, from) && owes {
            self.count_unanswered(from, "a block that it announced");
        }
    }

    pub(super) fn count_unanswered(&mut self, from: MemberIndex, what: &str) {
        let (now_ms, patience_ms) = (self.now.monotonic_ms, self.engine.pull_patience_ms());
        if let Some(times) = self.engine.masters.unanswered(from, now_ms, patience_ms) {
            let reason =
                format!("master {from} did not answer {times} pulls in a row, the last one for {what}");
            self.drop_master(from, reason);
        }
    }

    fn on_range(&mut self, from: MemberIndex, pulled: Pulled) {
        if !self.engine.sync.is_answer_from(from) {
            return;
        }
        match pulled {
            Pulled::Range(range) => self.import(from, *range),
            // It is behind itself. The next master is asked when this one's time is up.
            Pulled::Nothing => self.engine.sync.heard(),
            Pulled::Block(_) => {
                self.drop_master(from, format!("master {from} served a single block when asked for a range"));
            }
        }
    }

    fn import(&mut self, from: MemberIndex, range: BlockRange) {
        // Bodies at or below the tip are passed over unread: what they say proves nothing.
        let tip = self.engine.chain.finalized().height;
        let own_seals = self.own_seals(range.blocks.iter().filter(|block| block.height() > tip));
        self.engine.sync.heard();
        match import(&mut self.engine.chain, range) {
            Ok(Imported::Final { finalization, batch }) => {
                let place = crate::announce::place_of(self.engine.chain.finalized());
                self.learn(place, *finalization);
                self.on_final(batch);
                self.engine.masters.answered(from);
            }
            Ok(Imported::Ahead(height)) => {
                self.engine.sync.reached(height);
                self.engine.masters.answered(from);
            }
            Ok(Imported::Known) => return,
            Err(ImportError::Broken(reason)) => {
                self.engine.raise_alarm(&reason);
                self.output.halt = Some(reason);
                return;
            }
            Err(ImportError::Worthless(reason)) => {
                let reason = format!("master {from} served a worthless range of blocks: {reason}");
                return self.drop_master(from, reason);
            }
            Err(ImportError::Refused(reason)) => {
                return tracing::warn!(%from, %reason, "range of blocks refused");
            }
        }
        self.learn_own_seals(own_seals);
    }

    /// Asks for ranges while final blocks are missing.
    pub(super) fn sync(&mut self) {
        let now_ms = self.now.monotonic_ms;
        if let Some(late) = self.engine.sync.overdue(now_ms) {
            self.count_unanswered(late, "a range of blocks");
        }
        let (tip, linked) = (*self.engine.chain.finalized(), self.engine.masters.all());
        let patience_ms = self.engine.pull_patience_ms();
        if let Some((to, from)) = self.engine.sync.next(&tip, &linked, now_ms, patience_ms) {
            self.call(to, Purpose::Range, SupervisorCall::Pull(PullRequest::Range { from }));
        }
        if let Some(due_at_ms) = self.engine.sync.due_at_ms() {
            self.wake_at(due_at_ms);
        }
    }

    /// Masters that stand still while others go on, and those that keep us from sealing by a greeting without end.
    pub(super) fn drop_laggards(&mut self) {
        if self.engine.seals() && !self.engine.log.has_floor() {
            self.drop_ungreeted();
        }
        let highest = self.engine.book.highest();
        while let Some((master, shown)) = self.engine.masters.laggard() {
            let reason = format!("master {master} stalls: it has shown view {shown}, others view {highest}");
            self.drop_master(master, reason);
        }
    }

    fn drop_ungreeted(&mut self) {
        let (now_ms, patience_ms) = (self.now.monotonic_ms, self.engine.pull_patience_ms());
        while let Some(master) = self.engine.masters.ungreeted(now_ms, patience_ms) {
            self.drop_master(master, format!("master {master} did not end its greeting"));
        }
        if let Some(due_at_ms) = self.engine.masters.greeting_due_at_ms(patience_ms) {
            self.wake_at(due_at_ms);
        }
    }
}
