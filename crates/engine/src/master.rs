//! The engine of a level-1 node.

mod hear;

use crate::announce::Announcer;
use crate::blocks::{ChainBlocks, ChainPlaces};
use crate::forward::{Outbox, RESEND_AFTER_BLOCKS, encoded};
use crate::interface::{Effect, EngineStatus, Input};
use crate::seals::SealOutbox;
use crate::summary::summary;
use crate::sync::{AnswerBudget, RangeSync};
use btn_chain::{Chain, recover};
use btn_consensus::{Consensus, Identity, Input as ConsensusInput, Parameters};
use btn_storage::FinalizedBatch;
use btn_types::supervision::StatusSummary;
use btn_types::{B256, Certificate, FetchRequest, JournalRecord, Message, Now, Ticket};
use std::collections::VecDeque;
use std::sync::Arc;

/// Consensus and chain of one master. See the crate's documentation.
pub struct MasterEngine {
    consensus: Consensus,
    chain: Chain,
    sync: RangeSync,
    outbox: Outbox,
    seals: SealOutbox,
    announcer: Announcer,
    answers: AnswerBudget,
    delta_ms: u64,
    refused_seals: u64,
    halted: bool,
}

impl std::fmt::Debug for MasterEngine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MasterEngine").field("status", &self.status()).finish()
    }
}

impl MasterEngine {
    /// A master as its disk left it: the chain on the finalised state, `tip_finalization` stored with its
    /// newest block, and the journal in order. Give it [`Input::Wake`] next.
    #[must_use]
    pub fn new(
        mut chain: Chain,
        identity: Identity,
        parameters: Parameters,
        tip_finalization: Option<Certificate>,
        records: &[JournalRecord],
    ) -> Self {
        let committee = chain.committee().clone();
        let mut outbox = Outbox::default();
        for record in records {
            let JournalRecord::Transaction(bytes) = record else { continue };
            // What is final by now, or was replaced, is refused here: nothing is lost by that.
            if recover(bytes).is_ok_and(|transaction| chain.submit(transaction, true).is_ok()) {
                outbox.push(bytes.clone());
            }
        }
        let consensus = Consensus::new(committee, identity, parameters, tip_finalization, records);
        Self {
            consensus,
            chain,
            sync: RangeSync::default(),
            outbox,
            seals: SealOutbox::default(),
            announcer: Announcer::new(records),
            answers: AnswerBudget::default(),
            delta_ms: parameters.delta_ms,
            refused_seals: 0,
            halted: false,
        }
    }

    /// Where we stand.
    #[must_use]
    pub fn status(&self) -> EngineStatus {
        let consensus = self.consensus.status();
        let tip = self.chain.finalized();
        EngineStatus {
            view: consensus.view,
            round: consensus.round,
            floor: consensus.floor,
            votes: consensus.votes && !self.halted,
            height: tip.height,
            hash: tip.hash,
            third_height: self.chain.third_state().0,
            head: self.consensus.head(&ChainPlaces(&self.chain)).hash,
            syncing: self.sync.is_behind(tip.view),
        }
    }

    /// Where we stand, as supervisors ask it.
    #[must_use]
    pub fn summary(&self) -> StatusSummary {
        summary(&self.chain, self.consensus.status().view)
    }

    /// Tickets known for the current view and the next two, best first within each view: whom a user may submit
    /// to.
    #[must_use]
    pub fn candidates(&self) -> Vec<Ticket> {
        self.consensus.candidates()
    }

    /// Seals refused since the start, from supervisors and masters (a metric).
    #[must_use]
    pub const fn refused_seals(&self) -> u64 {
        self.refused_seals
    }

    /// The chain, to read.
    #[must_use]
    pub const fn chain(&self) -> &Chain {
        &self.chain
    }

    /// Everything the journal must keep: for its compaction.
    #[must_use]
    pub fn live_records(&self) -> Vec<JournalRecord> {
        let local = self.chain.local_transactions_older_than(0);
        let transactions = local.iter().map(|transaction| JournalRecord::Transaction(encoded(transaction)));
        self.consensus.live_records().into_iter().chain(transactions).collect()
    }

    /// Takes one input and says what must be done, in order.
    pub fn step(&mut self, now: Now, input: Input) -> Vec<Effect> {
        if self.halted {
            return Vec::new();
        }
        let mut step = Step { engine: self, now, output: Output::default() };
        step.handle(input);
        step.follow_up();
        step.advance_third_state();
        step.finish()
    }
}

/// What one step wants done, sorted into the order that is safe: records, commits, everything else.
#[derive(Default)]
struct Output {
    records: Vec<JournalRecord>,
    commits: Vec<FinalizedBatch>,
    rest: Vec<Effect>,
    wake_at_ms: Option<u64>,
    /// Whether consensus was called: its next wake-up is known only then.
    told: bool,
    halt: Option<String>,
}

struct Step<'a> {
    engine: &'a mut MasterEngine,
    now: Now,
    output: Output,
}

impl Step<'_> {
    fn handle(&mut self, input: Input) {
        match input {
            Input::Wake => self.tell_consensus(ConsensusInput::Wake),
            Input::PeerConnected(member) => {
                self.engine.sync.ask_anew();
                self.tell_consensus(ConsensusInput::PeerConnected(member));
            }
            Input::Message { from, message } => self.on_message(from, message),
            Input::Seals(seals) => self.on_seals(seals, true),
            Input::Submit { id, transaction } => self.on_submit(id, *transaction),
        }
    }

    /// Passes an input to consensus and carries out what is the engine's.
    fn tell_consensus(&mut self, input: ConsensusInput) {
        self.output.told = true;
        let mut inputs = VecDeque::from([input]);
        while let Some(input) = inputs.pop_front() {
            if self.output.halt.is_some() {
                return;
            }
            let mut blocks = ChainBlocks::new(&mut self.engine.chain);
            let effects = self.engine.consensus.step(self.now, input, &mut blocks);
            for (meta, block) in blocks.into_inserted() {
                let digest = self.engine.consensus.committee().domain().digest_of(&meta);
                self.engine.announcer.proposed(digest, &meta, block);
            }
            for effect in effects {
                use btn_consensus::Effect as From;
                match effect {
                    From::Journal(records) => {
                        self.engine.announcer.certified(&records);
                        self.output.records.extend(records);
                    }
                    From::Finalized { certificate, block_hash } => {
                        if self.commit(certificate, block_hash) {
                            inputs.push_back(ConsensusInput::BlocksKnown);
                        }
                    }
                    From::Send { to, message } => self.output.rest.push(Effect::Send { to, message }),
                    From::Broadcast(message) => self.output.rest.push(Effect::Broadcast(message)),
                    From::WakeAt { monotonic_ms } => self.output.wake_at_ms = Some(monotonic_ms),
                    From::Halt(reason) => self.output.halt = Some(reason),
                }
            }
        }
    }

    /// Rule 7: commits a finalised block and its ancestors, or notes that they must be fetched (C6.8). Returns
    /// whether the tip moved.
    fn commit(&mut self, certificate: Certificate, block_hash: Option<B256>) -> bool {
        let view = certificate.view;
        let Some(hash) = block_hash.filter(|hash| self.engine.chain.meta(*hash).is_some()) else {
            self.engine.sync.want(view);
            return false;
        };
        match self.engine.chain.finalize(hash, certificate) {
            Ok(Some(batch)) => {
                self.output.commits.push(batch);
                true
            }
            Ok(None) => false,
            Err(error) => {
                // A finalised block that we cannot make final is a broken invariant of ours or of the network.
                self.output.halt = Some(format!("finalising view {view} failed: {error}"));
                false
            }
        }
    }

    /// After the input: send on transactions, resend late ones, ask for missing blocks.
    fn follow_up(&mut self) {
        if !self.output.told {
            self.tell_consensus(ConsensusInput::Wake);
        }
        let now_ms = self.now.monotonic_ms;
        let engine = &mut *self.engine;
        let tip = *engine.chain.finalized();
        if !self.output.commits.is_empty() && engine.outbox.is_resend_due(tip.height) {
            for transaction in engine.chain.local_transactions_older_than(RESEND_AFTER_BLOCKS) {
                engine.outbox.push(encoded(&transaction));
            }
        }
        self.output.rest.extend(engine.outbox.take_due(now_ms).into_iter().map(Effect::Broadcast));
        self.output.rest.extend(engine.seals.take_due(now_ms).into_iter().map(Effect::Broadcast));
        self.output.rest.extend(engine.announcer.take(tip.view));
        let me = engine.consensus.me();
        let committee = engine.consensus.committee();
        let peers: Vec<_> = committee.indices().filter(|member| Some(*member) != me).collect();
        if let Some((to, from)) = engine.sync.next(&tip, &peers, now_ms, engine.delta_ms) {
            let message = Arc::new(Message::Fetch(FetchRequest::Range { from }));
            self.output.rest.push(Effect::Send { to, message });
        }
        let due_ms = [engine.outbox.due_at_ms(), engine.seals.due_at_ms(), engine.sync.due_at_ms()];
        for due_ms in due_ms.into_iter().flatten() {
            let due_ms = due_ms.max(now_ms.saturating_add(1));
            self.output.wake_at_ms = Some(self.output.wake_at_ms.map_or(due_ms, |at_ms| at_ms.min(due_ms)));
        }
    }

    /// Seals that make a third state are on disk before anyone is told of it: where it moves, it goes into the last
    /// commit of the step. Level 1 never waits for it (C8).
    fn advance_third_state(&mut self) {
        let Some(sealed) = self.engine.chain.take_third_state() else { return };
        match self.output.commits.last_mut() {
            Some(batch) => batch.sealed = Some(sealed),
            None => {
                self.output.commits.push(FinalizedBatch { blocks: Vec::new(), sealed: Some(sealed) });
            }
        }
    }

    fn finish(self) -> Vec<Effect> {
        let output = self.output;
        if let Some(reason) = output.halt {
            self.engine.halted = true;
            return vec![Effect::Halt(reason)];
        }
        let mut effects = Vec::new();
        if !output.records.is_empty() {
            effects.push(Effect::Journal(output.records));
        }
        effects.extend(output.commits.into_iter().map(Effect::Commit));
        effects.extend(output.rest);
        effects.extend(output.wake_at_ms.map(|monotonic_ms| Effect::WakeAt { monotonic_ms }));
        effects
    }
}
