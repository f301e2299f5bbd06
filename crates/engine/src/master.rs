//! The engine of a level-1 node.

use crate::blocks::{ChainBlocks, ChainPlaces};
use crate::forward::{Outbox, RESEND_AFTER_BLOCKS};
use crate::interface::{Effect, EngineStatus, Input, SubmissionId};
use crate::sync::{AnswerBudget, RangeSync};
use alloy_primitives::keccak256;
use btn_chain::{Chain, ChainError, PoolError, SignedTransaction, recover};
use btn_consensus::{Consensus, Identity, Input as ConsensusInput, Parameters};
use btn_types::{
    B256, Block, BlockMeta, BlockRange, Bytes, Certificate, FetchRequest, JournalRecord, MemberIndex,
    Message, Now, VoteKind,
};
use std::collections::VecDeque;
use std::sync::Arc;

/// Consensus and chain of one master. See the crate's documentation.
pub struct MasterEngine {
    consensus: Consensus,
    chain: Chain,
    sync: RangeSync,
    outbox: Outbox,
    answers: AnswerBudget,
    delta_ms: u64,
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
        let sync = RangeSync::default();
        let answers = AnswerBudget::default();
        Self { consensus, chain, sync, outbox, answers, delta_ms: parameters.delta_ms, halted: false }
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
            head: self.consensus.head(&ChainPlaces(&self.chain)).hash,
            syncing: self.sync.is_behind(tip.view),
        }
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
        step.finish()
    }
}

/// What one step wants done, sorted into the order that is safe: records, commits, everything else.
#[derive(Default)]
struct Output {
    records: Vec<JournalRecord>,
    commits: Vec<btn_storage::FinalizedBatch>,
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
            Input::Submit { id, transaction } => self.on_submit(id, *transaction),
        }
    }

    fn on_message(&mut self, from: MemberIndex, message: Message) {
        let input = match message {
            Message::Proposal(message) => ConsensusInput::Proposal { from, message },
            Message::Vote(message) => ConsensusInput::Vote { from, message },
            Message::Certificate(message) => {
                let certificates = vec![message.certificate];
                ConsensusInput::Certificates { from, certificates, tickets: message.tickets }
            }
            Message::Certificates(certificates) => {
                ConsensusInput::Certificates { from, certificates, tickets: Vec::new() }
            }
            Message::Candidacy(tickets) => ConsensusInput::Candidacy { from, tickets },
            Message::Fetch(request) => return self.on_fetch(from, request),
            Message::Range(range) => return self.on_range(from, *range),
            Message::Transactions(transactions) => return self.on_transactions(&transactions),
        };
        self.tell_consensus(input);
    }

    /// Passes an input to consensus and carries out what is the engine's.
    fn tell_consensus(&mut self, input: ConsensusInput) {
        self.output.told = true;
        let mut inputs = VecDeque::from([input]);
        while let Some(input) = inputs.pop_front() {
            if self.output.halt.is_some() {
                return;
            }
            let mut blocks = ChainBlocks(&mut self.engine.chain);
            for effect in self.engine.consensus.step(self.now, input, &mut blocks) {
                use btn_consensus::Effect as From;
                match effect {
                    From::Journal(records) => self.output.records.extend(records),
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

    /// Answers cost a question's sender nothing, so each peer has a budget; what is over it is not answered.
    fn on_fetch(&mut self, from: MemberIndex, request: FetchRequest) {
        let now_ms = self.now.monotonic_ms;
        if !self.engine.answers.may_ask(from, now_ms) {
            return;
        }
        let FetchRequest::Range { from: height } = request else {
            self.tell_consensus(ConsensusInput::Fetch { from, request });
            let sent = self.output.rest.iter().filter_map(|effect| match effect {
                Effect::Send { to, message } if *to == from => Some(alloy_rlp::Encodable::length(&**message)),
                _ => None,
            });
            self.engine.answers.charge(from, sent.sum(), now_ms);
            return;
        };
        match self.engine.chain.range(height) {
            Ok(Some(range)) => {
                let message = Message::Range(Box::new(range));
                self.engine.answers.charge(from, alloy_rlp::Encodable::length(&message), now_ms);
                self.output.rest.push(Effect::Send { to: from, message: Arc::new(message) });
            }
            Ok(None) => {}
            // A damaged old block is no reason to stop voting; whoever asks gets no answer.
            Err(error) => tracing::error!(%error, %height, "blocks could not be read for a peer"),
        }
    }

    /// Finalised blocks from a peer: worth nothing until the Finalization at their end is verified.
    fn on_range(&mut self, from: MemberIndex, range: BlockRange) {
        if !self.engine.sync.is_answer_from(from) {
            return;
        }
        match self.import(range) {
            Ok(Some(finalization)) => {
                let certificates = vec![finalization];
                self.tell_consensus(ConsensusInput::Certificates { from, certificates, tickets: Vec::new() });
                self.tell_consensus(ConsensusInput::BlocksKnown);
            }
            Ok(None) => self.tell_consensus(ConsensusInput::BlocksKnown),
            // The next member is asked when this one's time is up, so that nobody makes us ask in a circle.
            Err(reason) => tracing::warn!(%from, %reason, "range of blocks refused"),
        }
    }

    /// Takes a range in. Gives the Finalization at its end, if it has one and was of use.
    fn import(&mut self, range: BlockRange) -> Result<Option<Certificate>, String> {
        let BlockRange { blocks, finalization } = range;
        let chain = &mut self.engine.chain;
        let last = blocks.last().ok_or("it is empty")?;
        let (last, hash) = (last.height(), last.hash());
        if last <= chain.finalized().height {
            return Ok(None);
        }
        if let Some(finalization) = &finalization {
            check_end(chain, &blocks, finalization)?;
            chain.remember_verified(finalization);
        }
        let blocks = linked_above(chain.finalized(), blocks)?;
        if let Some(fork) = fork_of(chain.finalized(), &blocks)
            && finalization.is_some()
        {
            self.output.halt = Some(fork);
            return Ok(None);
        }
        for block in blocks {
            let height = block.height();
            match chain.insert(block) {
                Ok(_) => {}
                // Linked by hash to what the committee finalised, and invalid here: nothing is safe any more.
                Err(error) if error.is_permanent() && finalization.is_some() => {
                    self.output.halt = Some(format!("final block {height} is invalid here: {error}"));
                    return Ok(None);
                }
                Err(error) => return Err(format!("block {height}: {error}")),
            }
        }
        let Some(finalization) = finalization else {
            self.engine.sync.reached(last);
            return Ok(None);
        };
        match chain.finalize(hash, finalization.clone()) {
            Ok(batch) => self.output.commits.extend(batch),
            Err(error @ ChainError::InvalidFinalized { .. }) => self.output.halt = Some(error.to_string()),
            Err(error) => return Err(error.to_string()),
        }
        Ok(Some(finalization))
    }

    fn on_submit(&mut self, id: SubmissionId, transaction: SignedTransaction) {
        let bytes = encoded(&transaction);
        let outcome = self.engine.chain.submit(transaction, true);
        if outcome.is_ok() {
            // Acknowledged only once it is on disk: a crash must not lose it.
            self.output.records.push(JournalRecord::Transaction(bytes.clone()));
            self.engine.outbox.push(bytes);
        }
        let is_accepted = outcome.is_ok();
        self.output.rest.push(Effect::Submitted { id, outcome });
        if is_accepted {
            self.tell_consensus(ConsensusInput::TransactionsKnown);
        }
    }

    /// Another master's users' transactions: checked like our own, kept, not passed on.
    fn on_transactions(&mut self, transactions: &[Bytes]) {
        let mut accepted = 0usize;
        for bytes in transactions {
            // The hash is cheap, the signature is not: what is known already costs no recovery.
            if self.engine.chain.pool().content().get(keccak256(bytes)).is_some() {
                continue;
            }
            let outcome = recover(bytes)
                .map_err(PoolError::from)
                .and_then(|transaction| self.engine.chain.submit(transaction, false));
            match outcome {
                Ok(_) => accepted += 1,
                Err(error) => tracing::debug!(%error, "forwarded transaction not kept"),
            }
        }
        if accepted > 0 {
            self.tell_consensus(ConsensusInput::TransactionsKnown);
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
        let me = engine.consensus.me();
        let committee = engine.consensus.committee();
        let peers: Vec<_> = committee.indices().filter(|member| Some(*member) != me).collect();
        if let Some((to, from)) = engine.sync.next(&tip, &peers, now_ms, engine.delta_ms) {
            let message = Arc::new(Message::Fetch(FetchRequest::Range { from }));
            self.output.rest.push(Effect::Send { to, message });
        }
        let due_ms = [engine.outbox.due_at_ms(), engine.sync.due_at_ms()];
        for due_ms in due_ms.into_iter().flatten() {
            let due_ms = due_ms.max(now_ms.saturating_add(1));
            self.output.wake_at_ms = Some(self.output.wake_at_ms.map_or(due_ms, |at_ms| at_ms.min(due_ms)));
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

/// Whether the certificate is a valid Finalization of the last block.
fn check_end(chain: &Chain, blocks: &[Block], finalization: &Certificate) -> Result<(), String> {
    let last = blocks.last().ok_or("it is empty")?;
    let (envelope, committee) = (&last.envelope, chain.committee());
    let digest =
        committee.domain().proposal(envelope.epoch, envelope.view, envelope.parent_view, last.hash());
    if finalization.kind != VoteKind::Finalize
        || digest != finalization.digest
        || finalization.view != envelope.view
    {
        return Err(format!("its Finalization of view {} is not its last block's", finalization.view));
    }
    committee.verify_certificate(finalization).map_err(|error| error.to_string())
}

/// The blocks above the tip, oldest first, after checking that they are linked by hash.
fn linked_above(tip: &BlockMeta, blocks: Vec<Block>) -> Result<Vec<Arc<Block>>, String> {
    let linked = blocks.windows(2).all(|pair| {
        pair[1].header.parent_hash == pair[0].hash() && pair[1].height() == pair[0].height().next()
    });
    if !linked {
        return Err("its blocks are not linked".to_owned());
    }
    Ok(blocks.into_iter().filter(|block| block.height() > tip.height).map(Arc::new).collect())
}

/// Blocks that end in a Finalization and begin on another block at our tip's height: finality has forked, which
/// more than f members must have signed.
fn fork_of(tip: &BlockMeta, blocks: &[Arc<Block>]) -> Option<String> {
    let first = blocks.first().filter(|first| first.height() == tip.height.next())?;
    let parent = first.header.parent_hash;
    let (height, hash) = (tip.height, tip.hash);
    (parent != hash).then(|| format!("two blocks are final at height {height}: {hash} here and {parent}"))
}

/// EIP-2718 bytes of a transaction.
fn encoded(transaction: &SignedTransaction) -> Bytes {
    use alloy_eips::Encodable2718;
    transaction.inner().encoded_2718().into()
}
