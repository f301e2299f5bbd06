//! The engine of a level-2 node (R-016, C8): it pulls each proposed block from masters, re-executes it, and seals
//! what is notarized and found valid. It votes on nothing and trusts nobody: every certificate, body, seal and
//! ticket is verified here.
//!
//! | rule | where |
//! |---|---|
//! | announcements: certificates verified once per kind and view, lies | `hear` |
//! | bodies: one puller at a time, parents, ranges | `pulls`, `bodies`, `sync` |
//! | finality and the third state (C5) | `finality` |
//! | seals: notarized, executed, one hash per core, log before sending (C8 ⚠) | `sealing`, `seal_log` |
//! | submission straight to candidates, until final (R-081, C10) | `submit`, `candidates` |
//! | masters that lie or stall | `masters`, [`SupervisorEffect::DropMaster`] |
//!
//! When a link comes up the master greets us: it announces what stands, and ends with
//! [`Announcement::Greeted`](btn_types::supervision::Announcement::Greeted). Nothing is sealed before one greeting
//! has ended, and nothing ever that was certified by then (ADR 011).

mod bodies;
mod book;
mod calls;
mod candidates;
mod finality;
mod hear;
mod interface;
mod masters;
mod pulls;
mod seal_log;
mod sealing;
mod submit;

pub use book::{MAX_ANNOUNCED_PER_MASTER, MAX_CERTIFIED_VIEWS};
pub use calls::MAX_OPEN_CALLS;
pub use interface::{SupervisorEffect, SupervisorIdentity, SupervisorInput, SupervisorStatus};
pub use masters::{MAX_LAG_VIEWS, MAX_UNANSWERED};
pub use pulls::{MAX_OPEN_PULLS, MAX_WANTED, MAX_WANTED_PER_MASTER, PULL_PATIENCE_DELTAS};
pub use submit::{SUBMIT_PATIENCE_DELTAS, SUBMIT_TO};

use crate::forward::encoded;
use crate::summary::summary;
use crate::sync::RangeSync;
use alloy_primitives::B256;
use bodies::Orphans;
use book::Book;
use btn_chain::{Chain, recover};
use btn_consensus::Parameters;
use btn_storage::FinalizedBatch;
use btn_types::supervision::{BlockPlace, StatusSummary, SupervisorCall};
use btn_types::{Certificate, Height, JournalRecord, MemberIndex, Now, View, VoteKind};
use calls::{Calls, Purpose};
use masters::Masters;
use pulls::Pulls;
use seal_log::SealLog;
use std::sync::Arc;
use submit::Submitter;

/// Chain, links and seal log of one supervisor. See the module.
pub struct SupervisorEngine {
    chain: Chain,
    identity: SupervisorIdentity,
    delta_ms: u64,
    masters: Masters,
    calls: Calls,
    book: Book,
    pulls: Pulls,
    orphans: Orphans,
    sync: RangeSync,
    /// Since when a Finalization waits for its block.
    lacking_since_ms: Option<u64>,
    log: SealLog,
    submitter: Submitter,
    sealed: u64,
    /// Height at which seals that no block includes were given again.
    seals_given_at: Height,
    alarm: Option<Arc<str>>,
    /// Whether our key has sealed something that our log contradicts: it seals nothing more.
    contradicted: bool,
    halted: bool,
}

impl std::fmt::Debug for SupervisorEngine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SupervisorEngine").field("status", &self.status()).finish()
    }
}

impl SupervisorEngine {
    /// A supervisor as its disk left it: the chain on the finalised state, `tip_finalization` stored with its
    /// newest block, and the journal in order. Give it [`SupervisorInput::Wake`] next.
    #[must_use]
    pub fn new(
        chain: Chain,
        identity: SupervisorIdentity,
        parameters: Parameters,
        tip_finalization: Option<Certificate>,
        records: &[JournalRecord],
    ) -> Self {
        let mut engine = Self {
            chain,
            identity,
            delta_ms: parameters.delta_ms,
            masters: Masters::default(),
            calls: Calls::default(),
            book: Book::default(),
            pulls: Pulls::default(),
            orphans: Orphans::default(),
            sync: RangeSync::default(),
            lacking_since_ms: None,
            log: SealLog::default(),
            submitter: Submitter::default(),
            sealed: 0,
            seals_given_at: Height(0),
            alarm: None,
            contradicted: false,
            halted: false,
        };
        engine.recover(tip_finalization, records);
        engine
    }

    fn recover(&mut self, tip_finalization: Option<Certificate>, records: &[JournalRecord]) {
        let tip = *self.chain.finalized();
        self.book.committed(tip.view);
        if let Some(finalization) = tip_finalization {
            self.book.certify(crate::announce::place_of(&tip), finalization);
            // It may have been sealed before, and its seal lost: see [`SealLog::raise_floor`].
            self.book.judge(tip.view);
        }
        for record in records {
            match record {
                JournalRecord::Sealed(record) => {
                    if let Err(other) = self.log.enter((**record).clone()) {
                        let view = record.view;
                        self.contradict(&format!(
                            "the seal log has two blocks of view {view}, one is {other}"
                        ));
                    }
                    // No block need include it yet; of an old block it is refused, which is as well.
                    let _ = self.chain.offer_seal(record.seal.clone());
                }
                JournalRecord::Transaction(bytes) => {
                    // What is final by now, or was replaced, is refused here: nothing is lost by that.
                    let Ok(transaction) = recover(bytes) else { continue };
                    let sender = transaction.signer();
                    if let Ok(hash) = self.chain.submit(transaction, true) {
                        self.submitter.add(hash, bytes.clone(), sender, tip.height);
                    }
                }
                // A master's; a supervisor writes none of them.
                JournalRecord::Proposed(_)
                | JournalRecord::Voted(_)
                | JournalRecord::Certificate(_)
                | JournalRecord::Body(_) => {}
            }
        }
    }

    /// Where we stand.
    #[must_use]
    pub fn status(&self) -> SupervisorStatus {
        let tip = self.chain.finalized();
        SupervisorStatus {
            view: self.view(),
            height: tip.height,
            hash: tip.hash,
            third_height: self.chain.third_state().0,
            head: self.head(),
            seals: self.seals(),
            sealed: self.sealed,
            last_sealed: self.log.last(),
            masters: self.masters.len(),
            syncing: self.sync.is_behind(tip.view),
            alarm: self.alarm.clone(),
        }
    }

    /// Where we stand, as others ask it.
    #[must_use]
    pub fn summary(&self) -> StatusSummary {
        summary(&self.chain, self.view())
    }

    /// The view the masters are in, as far as certificates show.
    const fn view(&self) -> View {
        self.book.highest().next()
    }

    const fn pull_patience_ms(&self) -> u64 {
        self.delta_ms.saturating_mul(PULL_PATIENCE_DELTAS)
    }

    /// Whether this node may seal at all.
    const fn seals(&self) -> bool {
        matches!(self.identity, SupervisorIdentity::Sealing { .. }) && !self.contradicted && !self.halted
    }

    /// The highest certified block that is executed here, or the finalised tip.
    fn head(&self) -> B256 {
        let executed = |place: &BlockPlace| self.chain.is_executed(place.hash);
        let newest_first = self.book.certified().rev().map(|(_, entry)| &entry.place);
        newest_first.copied().find(executed).map_or(self.chain.finalized().hash, |place| place.hash)
    }

    /// The chain, to read.
    #[must_use]
    pub const fn chain(&self) -> &Chain {
        &self.chain
    }

    /// Everything the journal must keep, for its compaction: the seal log and the transactions acknowledged.
    #[must_use]
    pub fn live_records(&self) -> Vec<JournalRecord> {
        let seals = self.log.records().map(|record| JournalRecord::Sealed(Box::new(record.clone())));
        let local = self.chain.local_transactions_older_than(0);
        let transactions = local.iter().map(|transaction| JournalRecord::Transaction(encoded(transaction)));
        seals.chain(transactions).collect()
    }

    /// Takes one input and says what must be done, in order.
    pub fn step(&mut self, now: Now, input: SupervisorInput) -> Vec<SupervisorEffect> {
        if self.halted {
            return Vec::new();
        }
        let mut step = Step { engine: self, now, output: Output::default() };
        step.handle(input);
        step.follow_up();
        step.finish()
    }

    /// Something that must not be. The first of its kind is shown until the node is restarted.
    fn raise_alarm(&mut self, reason: &str) {
        tracing::error!(reason, "ALARM");
        if self.alarm.is_none() {
            self.alarm = Some(Arc::from(reason));
        }
    }

    /// Our key has sealed two blocks of one core: whoever did that, we do not add to it.
    fn contradict(&mut self, reason: &str) {
        self.contradicted = true;
        self.raise_alarm(&format!("{reason}; this supervisor seals nothing more"));
    }
}

/// What one step wants done, sorted into the order that is safe: records, commits, everything else.
#[derive(Default)]
struct Output {
    records: Vec<JournalRecord>,
    commits: Vec<FinalizedBatch>,
    rest: Vec<SupervisorEffect>,
    wake_at_ms: Option<u64>,
    halt: Option<String>,
}

struct Step<'a> {
    engine: &'a mut SupervisorEngine,
    now: Now,
    output: Output,
}

impl Step<'_> {
    fn handle(&mut self, input: SupervisorInput) {
        match input {
            SupervisorInput::Wake => {}
            SupervisorInput::Connected(master) => self.on_connected(master),
            SupervisorInput::Disconnected(master) => self.unlink(master),
            SupervisorInput::Announced { from, announcement } => self.on_announced(from, announcement),
            SupervisorInput::Replied { from, id, reply } => self.on_reply(from, id, reply),
            SupervisorInput::Submit { id, transaction } => self.on_submit(id, *transaction),
        }
    }

    /// After the input: whatever can be done now.
    fn follow_up(&mut self) {
        if self.output.halt.is_some() {
            return;
        }
        self.settle();
        self.advance_third_state();
        self.drop_laggards();
        self.pull();
        self.sync();
        self.carry_transactions();
    }

    fn finish(self) -> Vec<SupervisorEffect> {
        let output = self.output;
        if let Some(reason) = output.halt {
            self.engine.halted = true;
            return vec![SupervisorEffect::Halt(reason)];
        }
        let mut effects = Vec::new();
        if !output.records.is_empty() {
            effects.push(SupervisorEffect::Journal(output.records));
        }
        effects.extend(output.commits.into_iter().map(SupervisorEffect::Commit));
        effects.extend(output.rest);
        effects.extend(output.wake_at_ms.map(|monotonic_ms| SupervisorEffect::WakeAt { monotonic_ms }));
        effects
    }

    fn call(&mut self, to: MemberIndex, purpose: Purpose, call: SupervisorCall) {
        let id = self.engine.calls.open(to, purpose);
        self.output.rest.push(SupervisorEffect::Call { to, id, call });
    }

    fn wake_at(&mut self, due_ms: u64) {
        let due_ms = due_ms.max(self.now.monotonic_ms.saturating_add(1));
        self.output.wake_at_ms = Some(self.output.wake_at_ms.map_or(due_ms, |at_ms| at_ms.min(due_ms)));
    }

    /// A master lies or stalls.
    fn drop_master(&mut self, master: MemberIndex, reason: String) {
        if !self.engine.masters.is_linked(master) {
            return;
        }
        tracing::warn!(%master, %reason, "master dropped");
        self.unlink(master);
        self.output.rest.push(SupervisorEffect::DropMaster { master, reason });
    }

    fn unlink(&mut self, master: MemberIndex) {
        self.engine.masters.disconnect(master);
        self.engine.book.forget_master(master);
        self.engine.pulls.forget_master(master);
        self.engine.orphans.forget_master(master);
        if self.engine.sync.is_answer_from(master) {
            self.engine.sync.ask_anew();
        }
    }
}

/// A kind of certificate in words.
const fn name_of(kind: VoteKind) -> &'static str {
    match kind {
        VoteKind::Notarize => "Notarization",
        VoteKind::Nullify => "Nullification",
        VoteKind::Finalize => "Finalization",
    }
}
