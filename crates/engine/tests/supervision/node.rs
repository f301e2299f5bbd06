//! Masters and supervisors of a `World`, each with the disk that outlives it.

use crate::kit::{SEED, Universe, at, member};
use btn_engine::{Effect, Feed, Identity, Input, MasterEngine, Parameters, SupervisorEngine};
use btn_stand_in::StandInKeys;
use btn_storage::{MemoryStore, Store};
use btn_types::supervision::Announcement;
use btn_types::{JournalRecord, MemberIndex};
use std::collections::BTreeSet;

/// One master and its disk.
pub struct MasterNode {
    pub engine: MasterEngine,
    pub store: MemoryStore,
    pub journal: Vec<JournalRecord>,
    pub feed: Feed,
    pub wake_at_ms: u64,
}

/// One supervisor and its disk.
pub struct SupervisorNode {
    /// `None` while it is down.
    pub engine: Option<SupervisorEngine>,
    pub store: MemoryStore,
    pub journal: Vec<JournalRecord>,
    pub linked: BTreeSet<MemberIndex>,
    pub dropped: Vec<(MemberIndex, String)>,
    pub wake_at_ms: u64,
}

impl MasterNode {
    pub fn new(universe: &Universe, index: usize) -> Self {
        let store = universe.store();
        let index = member(index);
        let identity = Identity::Member { index, signer: Box::new(StandInKeys::signer(SEED, index)) };
        let parameters = Parameters::from(&universe.genesis.consensus);
        let engine = MasterEngine::new(universe.chain(&store), identity, parameters, None, &[]);
        let feed = Feed::new(store.reader());
        Self { engine, store, journal: Vec::new(), feed, wake_at_ms: 0 }
    }

    /// As its disk left it.
    pub fn restart(&mut self, universe: &Universe, index: usize) {
        let index = member(index);
        let identity = Identity::Member { index, signer: Box::new(StandInKeys::signer(SEED, index)) };
        let parameters = Parameters::from(&universe.genesis.consensus);
        let reader = self.store.reader();
        let finalization = reader.finalization(reader.tip().unwrap().unwrap().height).unwrap();
        let chain = universe.chain(&self.store);
        self.engine = MasterEngine::new(chain, identity, parameters, finalization, &self.journal);
        self.feed = Feed::new(self.store.reader());
        self.wake_at_ms = 0;
    }

    /// Steps and carries out what concerns the disk; checks that announced certificates are on it.
    pub fn step(&mut self, now_ms: u64, input: Input) -> Vec<Effect> {
        let mut rest = Vec::new();
        for effect in self.engine.step(at(now_ms), input) {
            match effect {
                Effect::Journal(records) => self.journal.extend(records),
                Effect::Commit(batch) => self.store.commit(batch).unwrap(),
                Effect::WakeAt { monotonic_ms } => self.wake_at_ms = monotonic_ms,
                Effect::Halt(reason) => panic!("a master halts: {reason}"),
                other => {
                    if let Effect::Announce {
                        announcement: Announcement::Certified { certificate, .. },
                        ..
                    } = &other
                    {
                        let record = JournalRecord::Certificate(certificate.clone());
                        assert!(self.journal.contains(&record), "announced before it is on disk");
                    }
                    rest.push(other);
                }
            }
        }
        rest
    }
}

impl SupervisorNode {
    pub fn new(universe: &Universe, place: usize) -> Self {
        let store = universe.store();
        let engine = Some(universe.supervisor(place, &store, &[]));
        let (journal, linked, dropped) = (Vec::new(), BTreeSet::new(), Vec::new());
        Self { engine, store, journal, linked, dropped, wake_at_ms: 0 }
    }
}
