//! Submission from home (R-032, R-081, R-082, G-14, C10): a transaction goes straight to the best candidates for
//! clerk, checked here; where they fail, to our own masters; and again until it is final. Whoever takes it tells all
//! other masters and nobody passes it on, so it is recorded within two levels.

use super::calls::Purpose;
use super::candidates::{self, Candidate};
use super::{Step, SupervisorEffect};
use crate::forward::{RESEND_AFTER_BLOCKS, encoded};
use crate::interface::SubmissionId;
use btn_chain::{Chain, SignedTransaction};
use btn_types::supervision::SupervisorCall;
use btn_types::{Address, B256, Bytes, Height, JournalRecord, MemberIndex, Ticket};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// Candidates that a transaction is sent to.
pub const SUBMIT_TO: usize = 2;

/// How long masters may take to name candidates, and candidates to take a transaction, in Δ: there and back.
pub const SUBMIT_PATIENCE_DELTAS: u64 = 2;

/// Custodians that a resent transaction is sent to as well (C10: k = 3).
const CUSTODIANS: usize = 3;

/// Most transactions on their way at a time; the others wait for their turn.
const MAX_UNDER_WAY: usize = 512;

/// What the geth family says of a transaction that it has.
const ALREADY_KNOWN: &str = "already known";

/// A transaction that is not final.
#[derive(Clone, Debug)]
struct Pending {
    bytes: Bytes,
    sender: Address,
    /// Height of the tip when it was last sent.
    since: Height,
    /// How often it was sent out.
    attempts: usize,
    /// Members it was sent to this time.
    sent_to: BTreeSet<MemberIndex>,
    /// Calls without a reply.
    open: usize,
    /// Until when candidates may take it before our own masters get it; `None` where it is with neither.
    due_at_ms: Option<u64>,
}

/// A question for candidates.
#[derive(Clone, Debug, Default)]
struct Query {
    outstanding: BTreeSet<MemberIndex>,
    due_at_ms: u64,
    found: BTreeSet<Candidate>,
}

/// Transactions accepted from users here, until they are final.
#[derive(Clone, Debug, Default)]
pub(super) struct Submitter {
    pending: BTreeMap<B256, Pending>,
    /// Not sent yet, in order.
    waiting: VecDeque<B256>,
    /// With candidates, by when their time is up.
    under_way: BTreeSet<(u64, B256)>,
    query: Option<Query>,
}

impl Submitter {
    /// Takes in an accepted transaction.
    pub(super) fn add(&mut self, hash: B256, bytes: Bytes, sender: Address, tip: Height) {
        let pending = Pending {
            bytes,
            sender,
            since: tip,
            attempts: 0,
            sent_to: BTreeSet::new(),
            open: 0,
            due_at_ms: None,
        };
        if self.pending.insert(hash, pending).is_none() {
            self.waiting.push_back(hash);
        }
    }

    /// Forgets what has left the pool: final, or replaced.
    fn forget_settled(&mut self, chain: &Chain) {
        let content = chain.pool().content();
        self.pending.retain(|hash, _| content.get(*hash).is_some());
        let pending = &self.pending;
        self.waiting.retain(|hash| pending.contains_key(hash));
        self.under_way.retain(|(_, hash)| pending.contains_key(hash));
    }

    /// What was sent three final blocks ago and is not final waits to be sent again.
    fn requeue(&mut self, tip: Height) {
        for (hash, pending) in &mut self.pending {
            if pending.attempts > 0 && tip.0 >= pending.since.0.saturating_add(RESEND_AFTER_BLOCKS) {
                if let Some(due_at_ms) = pending.due_at_ms.take() {
                    self.under_way.remove(&(due_at_ms, *hash));
                }
                pending.since = tip;
                if !self.waiting.contains(hash) {
                    self.waiting.push_back(*hash);
                }
            }
        }
    }

    /// It is taken, or with our own masters: nothing more is done until blocks have passed.
    fn rest(&mut self, hash: B256) {
        if let Some(pending) = self.pending.get_mut(&hash)
            && let Some(due_at_ms) = pending.due_at_ms.take()
        {
            self.under_way.remove(&(due_at_ms, hash));
        }
    }
}

impl Step<'_> {
    /// The pool's refusals are in geth's words; what it takes is on disk before the user hears of it.
    pub(super) fn on_submit(&mut self, id: SubmissionId, transaction: SignedTransaction) {
        let (bytes, sender) = (encoded(&transaction), transaction.signer());
        let outcome = self.engine.chain.submit(transaction, true);
        if let Ok(hash) = outcome {
            self.output.records.push(JournalRecord::Transaction(bytes.clone()));
            let tip = self.engine.chain.finalized().height;
            self.engine.submitter.add(hash, bytes, sender, tip);
            self.engine.submitter.forget_settled(&self.engine.chain);
        }
        self.output.rest.push(SupervisorEffect::Submitted { id, outcome });
    }

    /// Sends what waits, falls back where candidates failed, and sends again what is not final.
    pub(super) fn carry_transactions(&mut self) {
        if !self.output.commits.is_empty() {
            let tip = self.engine.chain.finalized().height;
            self.engine.submitter.forget_settled(&self.engine.chain);
            self.engine.submitter.requeue(tip);
        }
        let now_ms = self.now.monotonic_ms;
        let later = self.engine.submitter.under_way.split_off(&(now_ms.saturating_add(1), B256::ZERO));
        let late = std::mem::replace(&mut self.engine.submitter.under_way, later);
        for (_, hash) in late {
            self.fall_back(hash);
        }
        self.end_query();
        self.begin_query();
        let submitter = &self.engine.submitter;
        let query_due = submitter.query.as_ref().map(|query| query.due_at_ms);
        let call_due = submitter.under_way.first().map(|(due_at_ms, _)| *due_at_ms);
        for due_at_ms in query_due.into_iter().chain(call_due) {
            self.wake_at(due_at_ms);
        }
    }

    const fn submission_due_ms(&self) -> u64 {
        let patience_ms = self.engine.delta_ms.saturating_mul(SUBMIT_PATIENCE_DELTAS);
        self.now.monotonic_ms.saturating_add(patience_ms)
    }

    /// One question at a time, for all that waits.
    fn begin_query(&mut self) {
        let submitter = &self.engine.submitter;
        let is_full = submitter.under_way.len() >= MAX_UNDER_WAY;
        if submitter.query.is_some() || submitter.waiting.is_empty() || is_full {
            return;
        }
        let linked = self.engine.masters.all();
        if linked.is_empty() {
            return self.send_waiting(&[]);
        }
        for master in &linked {
            self.call(*master, Purpose::Candidates, SupervisorCall::Candidates);
        }
        let due_at_ms = self.submission_due_ms();
        let outstanding = linked.into_iter().collect();
        self.engine.submitter.query = Some(Query { outstanding, due_at_ms, found: BTreeSet::new() });
    }

    /// A master has named candidates, or failed to.
    pub(super) fn on_candidates(&mut self, from: MemberIndex, tickets: Vec<Ticket>) {
        let (head, certified) = (self.engine.head(), self.engine.book.highest());
        let Some(query) = &mut self.engine.submitter.query else { return };
        if !query.outstanding.remove(&from) {
            return;
        }
        let found = candidates::verify(&self.engine.chain, head, certified, &tickets);
        match found {
            Ok(found) => query.found.extend(found),
            Err(error) => {
                let reason = format!("master {from} named a candidate whose ticket proves nothing: {error}");
                self.drop_master(from, reason);
            }
        }
    }

    /// All have answered, or their time is up.
    fn end_query(&mut self) {
        let Some(query) = &self.engine.submitter.query else { return };
        if !query.outstanding.is_empty() && self.now.monotonic_ms < query.due_at_ms {
            return;
        }
        let best = candidates::best(&query.found, SUBMIT_TO);
        self.engine.submitter.query = None;
        self.send_waiting(&best);
    }

    fn send_waiting(&mut self, best: &[MemberIndex]) {
        while self.engine.submitter.under_way.len() < MAX_UNDER_WAY
            && let Some(hash) = self.engine.submitter.waiting.pop_front()
        {
            self.send_out(hash, best);
        }
    }

    /// Sends one to the best candidates, and from the second time on to the next custodians as well.
    fn send_out(&mut self, hash: B256, best: &[MemberIndex]) {
        let tip = self.engine.chain.finalized().height;
        let due_at_ms = self.submission_due_ms();
        let Some(pending) = self.engine.submitter.pending.get_mut(&hash) else { return };
        pending.attempts += 1;
        (pending.since, pending.open) = (tip, 0);
        pending.sent_to.clear();
        let (sender, attempts) = (pending.sender, pending.attempts);
        let mut targets = best.to_vec();
        if attempts > 1 || self.engine.masters.len() == 0 {
            targets.extend(custodians(&self.engine.chain, sender, attempts.saturating_sub(2)));
        }
        if self.send_to(hash, &targets) == 0 {
            return self.fall_back(hash);
        }
        if let Some(pending) = self.engine.submitter.pending.get_mut(&hash) {
            pending.due_at_ms = Some(due_at_ms);
            self.engine.submitter.under_way.insert((due_at_ms, hash));
        }
    }

    /// Sends one to members that it was not sent to this time; gives how many those were.
    fn send_to(&mut self, hash: B256, targets: &[MemberIndex]) -> usize {
        let mut sent = 0;
        for to in targets {
            let Some(pending) = self.engine.submitter.pending.get_mut(&hash) else { break };
            if !pending.sent_to.insert(*to) {
                continue;
            }
            pending.open += 1;
            sent += 1;
            let bytes = pending.bytes.clone();
            self.call(*to, Purpose::Submit(hash), SupervisorCall::Submit(bytes));
        }
        sent
    }

    /// The candidates failed or none are known: our own masters get it (G-14).
    fn fall_back(&mut self, hash: B256) {
        self.engine.submitter.rest(hash);
        let linked = self.engine.masters.all();
        self.send_to(hash, &linked);
    }

    /// A member has taken it, or refused it in geth's words.
    pub(super) fn on_submitted(&mut self, from: MemberIndex, hash: B256, outcome: Result<B256, String>) {
        match outcome {
            Ok(actual) if actual != hash => {
                let reason = format!("master {from} took transaction {hash} for {actual}");
                self.drop_master(from, reason);
                self.closed(hash);
            }
            Ok(_) => self.engine.submitter.rest(hash),
            Err(reason) if reason == ALREADY_KNOWN => self.engine.submitter.rest(hash),
            Err(reason) => {
                tracing::debug!(%from, %hash, %reason, "submission refused");
                self.closed(hash);
            }
        }
    }

    pub(super) fn on_submit_failed(&mut self, from: MemberIndex, hash: B256, reason: &str) {
        tracing::debug!(%from, %hash, %reason, "submission failed");
        self.closed(hash);
    }

    /// A call brought nothing. Where it was the last one, our own masters get the transaction.
    fn closed(&mut self, hash: B256) {
        let Some(pending) = self.engine.submitter.pending.get_mut(&hash) else { return };
        pending.open = pending.open.saturating_sub(1);
        if pending.open == 0 && pending.due_at_ms.is_some() {
            self.fall_back(hash);
        }
    }
}

/// The custodians of a sender's transactions at this attempt: three members by `D("submit", …)`, the next three at
/// the next (C10).
fn custodians(chain: &Chain, sender: Address, attempt: usize) -> Vec<MemberIndex> {
    let committee = chain.committee();
    let rank = |member: MemberIndex| {
        let id = committee.member(member)?.id;
        Some((committee.domain().submit(committee.epoch(), sender.as_slice(), id), member))
    };
    let mut ranked: Vec<_> = committee.indices().filter_map(rank).collect();
    ranked.sort_unstable();
    let size = ranked.len().max(1);
    let first = attempt.saturating_mul(CUSTODIANS) % size;
    let chosen = ranked.iter().cycle().skip(first).take(CUSTODIANS.min(ranked.len()));
    chosen.map(|(_, member)| *member).collect()
}
