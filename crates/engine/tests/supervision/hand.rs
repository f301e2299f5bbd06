//! One supervisor between masters that the test plays: it builds blocks with everybody's keys, announces what it
//! likes, and answers or keeps silent.

use crate::kit::{SEED, Universe, at, member};
use btn_chain::Chain;
use btn_crypto::Signer;
use btn_engine::{SignedTransaction, SupervisorEffect, SupervisorEngine, SupervisorInput, SupervisorStatus};
use btn_stand_in::StandInKeys;
use btn_storage::{MemoryStore, Store};
use btn_types::supervision::{Announcement, BlockPlace, MasterReply, PullRequest, Pulled, SupervisorCall};
use btn_types::{
    B256, Block, BlockMeta, BlockRange, BuildRequest, Certificate, Epoch, Height, JournalRecord,
    Justification, MemberIndex, Seal, View, VoteKind,
};
use std::sync::Arc;

/// Nothing sealed.
pub const NONE: [B256; 0] = [];

/// An open call of the supervisor.
#[derive(Clone, Debug)]
pub struct Asked {
    pub to: MemberIndex,
    pub id: u64,
    pub call: SupervisorCall,
}

/// See the module.
pub struct Hand {
    pub universe: Universe,
    /// The honest chain, with everything that was built.
    pub chain: Chain,
    pub chain_store: MemoryStore,
    pub engine: SupervisorEngine,
    pub store: MemoryStore,
    pub journal: Vec<JournalRecord>,
    pub now_ms: u64,
    pub wake_at_ms: u64,
    pub calls: Vec<Asked>,
    pub dropped: Vec<(MemberIndex, String)>,
    pub halted: Option<String>,
    /// Seals sent, each with the step's effects before it.
    pub seals: Vec<Seal>,
}

impl Hand {
    /// Supervisor 0 of `supervisors`, linked to the masters 0 to 2, which have greeted it.
    pub fn new(supervisors: usize) -> Self {
        let mut hand = Self::unlinked(Universe::new(supervisors));
        for master in 0..3 {
            hand.connect(master);
            hand.greet(master);
        }
        hand
    }

    pub fn unlinked(universe: Universe) -> Self {
        let (store, chain_store) = (universe.store(), universe.store());
        let engine = universe.supervisor(0, &store, &[]);
        Self {
            chain: universe.chain(&chain_store),
            chain_store,
            engine,
            store,
            universe,
            journal: Vec::new(),
            now_ms: 1,
            wake_at_ms: 0,
            calls: Vec::new(),
            dropped: Vec::new(),
            halted: None,
            seals: Vec::new(),
        }
    }

    /// A crash: what was synced is there, the rest is gone.
    pub fn restart(&mut self) {
        self.engine = self.universe.supervisor(0, &self.store, &self.journal);
        self.calls.clear();
    }

    pub fn status(&self) -> SupervisorStatus {
        self.engine.status()
    }

    /// Gives an input and carries out the effects; checks that no seal is sent before it is in the log.
    pub fn input(&mut self, input: SupervisorInput) {
        self.now_ms += 1;
        for effect in self.engine.step(at(self.now_ms), input) {
            match effect {
                SupervisorEffect::Journal(records) => self.journal.extend(records),
                SupervisorEffect::Commit(batch) => self.store.commit(batch).unwrap(),
                SupervisorEffect::Call { to, id, call } => {
                    if let SupervisorCall::Seal(seals) = &call {
                        for seal in seals {
                            assert!(self.is_logged(seal), "a seal is sent that is not in the log");
                            self.seals.push(seal.clone());
                        }
                    }
                    self.calls.push(Asked { to, id, call });
                }
                SupervisorEffect::DropMaster { master, reason } => self.dropped.push((master, reason)),
                SupervisorEffect::Submitted { outcome, .. } => {
                    outcome.unwrap();
                }
                SupervisorEffect::WakeAt { monotonic_ms } => self.wake_at_ms = monotonic_ms,
                SupervisorEffect::Halt(reason) => self.halted = Some(reason),
            }
        }
    }

    fn is_logged(&self, seal: &Seal) -> bool {
        self.journal.iter().any(|record| matches!(record, JournalRecord::Sealed(log) if log.seal == *seal))
    }

    pub fn wake_at(&mut self, now_ms: u64) {
        self.now_ms = now_ms;
        self.input(SupervisorInput::Wake);
    }

    pub fn connect(&mut self, master: usize) {
        self.input(SupervisorInput::Connected(member(master)));
    }

    /// Ends a master's greeting.
    pub fn greet(&mut self, master: usize) {
        self.announce(master, Announcement::Greeted);
    }

    pub fn reply(&mut self, asked: &Asked, reply: MasterReply) {
        self.input(SupervisorInput::Replied { from: asked.to, id: asked.id, reply });
    }

    /// Takes out an open call to a master.
    pub fn take(&mut self, master: usize, is_it: impl Fn(&SupervisorCall) -> bool) -> Option<Asked> {
        let place = self.calls.iter().position(|asked| asked.to == member(master) && is_it(&asked.call))?;
        Some(self.calls.remove(place))
    }

    /// Takes out the open pull of a body, whomever it was asked of.
    pub fn take_pull(&mut self, hash: B256) -> Option<Asked> {
        let wanted = SupervisorCall::Pull(PullRequest::Block { hash });
        let place = self.calls.iter().position(|asked| asked.call == wanted)?;
        Some(self.calls.remove(place))
    }

    pub fn announce(&mut self, master: usize, announcement: Announcement) {
        self.input(SupervisorInput::Announced { from: member(master), announcement });
    }

    pub fn propose(&mut self, master: usize, block: &Block) {
        self.announce(master, Announcement::Proposed(place_of(block)));
    }

    pub fn serve(&mut self, hash: B256, block: &Block) {
        let asked = self.take_pull(hash).unwrap();
        self.reply(&asked, MasterReply::Pulled(Pulled::Block(Arc::new(block.clone()))));
    }

    /// Proposed by master 0, pulled, served.
    pub fn show(&mut self, block: &Block) {
        self.propose(0, block);
        self.serve(block.hash(), block);
    }

    pub fn certificate(&self, kind: VoteKind, block: &Block) -> Certificate {
        let place = place_of(block);
        let domain = self.universe.committee.domain();
        let digest = domain.proposal(place.epoch, place.view, place.parent_view, place.hash);
        self.universe.certificate(kind, place.view, digest)
    }

    pub fn certify(&mut self, master: usize, kind: VoteKind, block: &Block) {
        let (place, certificate) = (place_of(block), self.certificate(kind, block));
        self.announce(master, Announcement::Certified { place, certificate });
    }

    pub fn notarize(&mut self, block: &Block) {
        self.certify(0, VoteKind::Notarize, block);
    }

    pub fn finalize(&mut self, block: &Block) {
        self.certify(0, VoteKind::Finalize, block);
    }

    /// Hashes sealed so far, in order, each once.
    pub fn sealed(&self) -> Vec<B256> {
        let mut hashes: Vec<B256> = self.seals.iter().map(|seal| seal.block_hash).collect();
        hashes.dedup();
        hashes
    }

    /// Builds an honest block on the honest chain.
    pub fn grow(&mut self, parent: &BlockMeta, view: u64) -> Arc<Block> {
        self.grow_by(parent, view, usize::try_from(view).unwrap() % 4, 100)
    }

    /// As [`Hand::grow`], by this clerk and so long after its parent.
    pub fn grow_by(&mut self, parent: &BlockMeta, view: u64, clerk: usize, after_ms: u64) -> Arc<Block> {
        let request = self.request(parent, view, clerk, after_ms);
        self.chain.build(request).unwrap()
    }

    pub fn request(&self, parent: &BlockMeta, view: u64, clerk: usize, after_ms: u64) -> BuildRequest {
        let committee = &self.universe.committee;
        let digest = committee.domain().digest_of(parent);
        let nullify = |view| self.universe.certificate(VoteKind::Nullify, View(view), B256::ZERO);
        let message = committee.domain().clerk(Epoch(0), View(view), parent.child_draw_seed);
        BuildRequest {
            parent: parent.hash,
            epoch: Epoch(0),
            view: View(view),
            parent_view: parent.view,
            clerk: committee.members()[clerk].id,
            payout: committee.members()[clerk].payout,
            clerk_signature: StandInKeys::signer(SEED, member(clerk)).draw(message).unwrap(),
            timestamp_ms: parent.timestamp_ms + after_ms,
            justification: Justification {
                parent_certificate: (parent.height.0 > 0)
                    .then(|| self.universe.certificate(VoteKind::Notarize, parent.view, digest)),
                nullifications: (parent.view.0 + 1..view).map(nullify).collect(),
            },
        }
    }

    pub fn meta(&self, block: &Block) -> BlockMeta {
        *self.chain.meta(block.hash()).unwrap()
    }

    pub fn genesis(&self) -> BlockMeta {
        *self.universe.chain(&self.universe.store()).finalized()
    }

    /// The next block of the honest chain, in the view above its parent's.
    pub fn extend(&mut self, parent: Option<&Block>) -> Arc<Block> {
        let parent = parent.map_or_else(|| self.genesis(), |parent| self.meta(parent));
        self.grow(&parent, parent.view.0 + 1)
    }

    /// Makes a block final on the honest chain.
    pub fn finalize_honest(&mut self, block: &Block) {
        let finalization = self.certificate(VoteKind::Finalize, block);
        let batch = self.chain.finalize(block.hash(), finalization).unwrap().unwrap();
        self.chain_store.commit(batch).unwrap();
    }

    /// Honest blocks from height 1 on, one a view, each final on the honest chain once the next stands.
    pub fn history(&mut self, heights: u64) -> Vec<Arc<Block>> {
        let mut blocks: Vec<Arc<Block>> = Vec::new();
        for _ in 0..heights {
            let block = self.extend(blocks.last().map(|block| &**block));
            self.finalize_honest(&block);
            blocks.push(block);
        }
        blocks
    }

    pub fn range(&self, from: u64) -> BlockRange {
        self.chain.range(Height(from)).unwrap().unwrap()
    }

    pub fn submit_honest(&mut self, transaction: SignedTransaction) {
        self.chain.submit(transaction, true).unwrap();
    }
}

pub fn place_of(block: &Block) -> BlockPlace {
    let envelope = &block.envelope;
    BlockPlace {
        epoch: envelope.epoch,
        view: envelope.view,
        parent_view: envelope.parent_view,
        height: block.height(),
        hash: block.hash(),
    }
}

impl Hand {
    /// An honest block on one that the honest chain has not seen.
    pub fn grow_on(&mut self, parent: &Block) -> Arc<Block> {
        self.chain.insert(Arc::new(parent.clone())).unwrap();
        self.extend(Some(parent))
    }
}
