//! Masters and supervisors on an in-memory network: production engines, feeds and stores, messages in order and at
//! once, time that jumps to whatever is due next.

use crate::kit::{MEMBERS, Universe, at, member};
use crate::node::{MasterNode, SupervisorNode};
use btn_chain::recover;
use btn_engine::{Effect, Input, SupervisorEffect, SupervisorEngine, SupervisorInput};
use btn_storage::Store;
use btn_types::supervision::{Announcement, MasterReply, SupervisorCall};
use btn_types::{B256, Bytes, Height, JournalRecord, MemberIndex, Message, Seal};
use std::collections::BTreeMap;

/// A call without an answer fails after this.
const CALL_TIMEOUT_MS: u64 = 10_000;

/// What a master does instead of its duty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lie {
    /// Takes transactions and drops them.
    DropsSubmissions,
    /// Answers no pull.
    ServesNothing,
}

enum Event {
    ToMaster { from: MemberIndex, to: usize, message: Message },
    Announce { from: MemberIndex, to: usize, announcement: Announcement },
    Call { from: usize, to: MemberIndex, id: u64, call: SupervisorCall },
    Reply { from: MemberIndex, to: usize, id: u64, reply: MasterReply },
}

/// See the module.
pub struct World {
    pub universe: Universe,
    pub masters: Vec<MasterNode>,
    pub supervisors: Vec<SupervisorNode>,
    pub now_ms: u64,
    events: BTreeMap<(u64, u64), Event>,
    next_event: u64,
    pub lies: BTreeMap<usize, Lie>,
    /// Transactions submitted to a master by a supervisor: who, to whom, which.
    pub submitted: Vec<(usize, MemberIndex, B256)>,
    /// Transactions that masters sent on: who and how many.
    pub forwarded: Vec<(MemberIndex, usize)>,
    /// Seals that masters passed on: who, which.
    pub passed_on: Vec<(MemberIndex, Seal)>,
    /// Outcomes that supervisors told their users.
    pub outcomes: Vec<(usize, Result<B256, String>)>,
    /// Order of disk and announcements at each master: journaled certificates, and what was announced.
    pub announced: Vec<(MemberIndex, Announcement)>,
}

impl World {
    /// Four masters, and supervisors linked to `links` of them each.
    pub fn new(supervisors: usize, links: usize) -> Self {
        let universe = Universe::new(supervisors);
        let masters = (0..MEMBERS).map(|index| MasterNode::new(&universe, index)).collect();
        let nodes = (0..supervisors).map(|place| SupervisorNode::new(&universe, place)).collect();
        let mut world = Self {
            universe,
            masters,
            supervisors: nodes,
            now_ms: 1,
            events: BTreeMap::new(),
            next_event: 0,
            lies: BTreeMap::new(),
            submitted: Vec::new(),
            forwarded: Vec::new(),
            passed_on: Vec::new(),
            outcomes: Vec::new(),
            announced: Vec::new(),
        };
        for place in 0..supervisors {
            for link in 0..links {
                world.link(place, (place + link) % MEMBERS);
            }
        }
        world
    }

    /// Links a supervisor and a master, which greets it.
    pub fn link(&mut self, place: usize, master: usize) {
        let from = member(master);
        self.supervisors[place].linked.insert(from);
        for announcement in self.masters[master].feed.greeting() {
            self.post(0, Event::Announce { from, to: place, announcement });
        }
        self.tell_supervisor(place, SupervisorInput::Connected(from));
    }

    pub fn unlink(&mut self, place: usize, master: usize) {
        if self.supervisors[place].linked.remove(&member(master)) {
            self.tell_supervisor(place, SupervisorInput::Disconnected(member(master)));
        }
    }

    /// kill −9.
    pub fn kill(&mut self, place: usize) {
        self.supervisors[place].engine = None;
        self.supervisors[place].linked.clear();
        self.events.retain(|_, event| match event {
            Event::Announce { to, .. } | Event::Reply { to, .. } => *to != place,
            Event::Call { from, .. } => *from != place,
            Event::ToMaster { .. } => true,
        });
    }

    /// As its disk left it, with `links` masters.
    pub fn restart(&mut self, place: usize, links: usize) {
        let node = &mut self.supervisors[place];
        node.engine = Some(self.universe.supervisor(place, &node.store, &node.journal));
        node.wake_at_ms = 0;
        for link in 0..links {
            self.link(place, (place + link) % MEMBERS);
        }
    }

    fn post(&mut self, after_ms: u64, event: Event) {
        self.next_event += 1;
        self.events.insert((self.now_ms + after_ms, self.next_event), event);
    }

    pub fn tell_master(&mut self, index: usize, input: Input) -> Vec<Effect> {
        let mut others = Vec::new();
        for effect in self.masters[index].step(self.now_ms, input) {
            self.carry_out(index, effect, &mut others);
        }
        others
    }

    fn carry_out(&mut self, index: usize, effect: Effect, others: &mut Vec<Effect>) {
        let from = member(index);
        match effect {
            Effect::Send { to, message } => {
                self.post(0, Event::ToMaster { from, to: to.index(), message: (*message).clone() });
            }
            Effect::Broadcast(message) => {
                match &*message {
                    Message::Transactions(transactions) => self.forwarded.push((from, transactions.len())),
                    Message::Seals(seals) => {
                        self.passed_on.extend(seals.iter().map(|seal| (from, seal.clone())));
                    }
                    _ => {}
                }
                for to in (0..MEMBERS).filter(|to| *to != index) {
                    self.post(0, Event::ToMaster { from, to, message: (*message).clone() });
                }
            }
            Effect::Announce { announcement, block } => {
                self.masters[index].feed.record(&announcement, block);
                self.announced.push((from, announcement.clone()));
                for to in 0..self.supervisors.len() {
                    if self.supervisors[to].linked.contains(&from) {
                        self.post(0, Event::Announce { from, to, announcement: announcement.clone() });
                    }
                }
            }
            other => others.push(other),
        }
    }

    pub fn tell_supervisor(&mut self, place: usize, input: SupervisorInput) {
        let now_ms = self.now_ms;
        let node = &mut self.supervisors[place];
        let Some(engine) = &mut node.engine else { return };
        let mut calls = Vec::new();
        for effect in engine.step(at(now_ms), input) {
            match effect {
                SupervisorEffect::Journal(records) => node.journal.extend(records),
                SupervisorEffect::Commit(batch) => node.store.commit(batch).unwrap(),
                SupervisorEffect::WakeAt { monotonic_ms } => node.wake_at_ms = monotonic_ms,
                SupervisorEffect::Halt(reason) => panic!("supervisor {place} halts: {reason}"),
                SupervisorEffect::DropMaster { master, reason } => {
                    node.linked.remove(&master);
                    node.dropped.push((master, reason));
                }
                SupervisorEffect::Submitted { outcome, .. } => {
                    self.outcomes.push((place, outcome.map_err(|error| error.to_string())));
                }
                SupervisorEffect::Call { to, id, call } => calls.push((to, id, call)),
            }
        }
        for (to, id, call) in calls {
            self.post(0, Event::Call { from: place, to, id, call });
        }
    }

    fn deliver(&mut self, event: Event) {
        match event {
            Event::ToMaster { from, to, message } => {
                self.tell_master(to, Input::Message { from, message });
            }
            Event::Announce { from, to, announcement } => {
                if self.supervisors[to].linked.contains(&from) {
                    self.tell_supervisor(to, SupervisorInput::Announced { from, announcement });
                }
            }
            Event::Reply { from, to, id, reply } => {
                self.tell_supervisor(to, SupervisorInput::Replied { from, id, reply });
            }
            Event::Call { from, to, id, call } => self.answer(from, to, id, call),
        }
    }

    /// A master's node answers a call, as its runner does.
    fn answer(&mut self, from: usize, to: MemberIndex, id: u64, call: SupervisorCall) {
        let (index, lie) = (to.index(), self.lies.get(&to.index()).copied());
        let is_submission = matches!(call, SupervisorCall::Submit(_));
        if !is_submission && !self.supervisors[from].linked.contains(&to) {
            let reply = MasterReply::Failed("no link".to_owned());
            return self.post(0, Event::Reply { from: to, to: from, id, reply });
        }
        let reply = match call {
            SupervisorCall::Pull(_) if lie == Some(Lie::ServesNothing) => {
                let reply = MasterReply::Failed("no answer in ten seconds".to_owned());
                return self.post(CALL_TIMEOUT_MS, Event::Reply { from: to, to: from, id, reply });
            }
            SupervisorCall::Pull(request) => {
                MasterReply::Pulled(self.masters[index].feed.answer(&request).unwrap())
            }
            SupervisorCall::Seal(seals) => {
                self.tell_master(index, Input::Seals(seals));
                MasterReply::Sealed
            }
            SupervisorCall::Candidates => MasterReply::Candidates(self.masters[index].engine.candidates()),
            SupervisorCall::Submit(bytes) => self.submit_to(from, to, &bytes),
            SupervisorCall::Receipt(_) => MasterReply::Receipt(None),
            SupervisorCall::Status => MasterReply::Status(self.masters[index].engine.summary()),
        };
        self.post(0, Event::Reply { from: to, to: from, id, reply });
    }

    fn submit_to(&mut self, from: usize, to: MemberIndex, bytes: &Bytes) -> MasterReply {
        let transaction = recover(bytes).unwrap();
        let hash = *transaction.inner().tx_hash();
        self.submitted.push((from, to, hash));
        if self.lies.get(&to.index()) == Some(&Lie::DropsSubmissions) {
            return MasterReply::Submitted(Ok(hash));
        }
        let input = Input::Submit { id: 0, transaction: Box::new(transaction) };
        let effects = self.tell_master(to.index(), input);
        let outcome = effects.into_iter().find_map(|effect| match effect {
            Effect::Submitted { outcome, .. } => Some(outcome.map_err(|error| error.to_string())),
            _ => None,
        });
        MasterReply::Submitted(outcome.unwrap())
    }

    /// Everything that is due at this moment, then on to the next.
    fn turn(&mut self) {
        for _ in 0..100_000 {
            match self.events.first_key_value() {
                Some(((due_ms, _), _)) if *due_ms <= self.now_ms => {}
                _ => break,
            }
            let Some((_, event)) = self.events.pop_first() else { break };
            self.deliver(event);
        }
        let masters = self.masters.iter().map(|node| node.wake_at_ms);
        let awake = self.supervisors.iter().filter(|node| node.engine.is_some());
        // 0 = a supervisor that has never asked to be woken.
        let supervisors = awake.map(|node| node.wake_at_ms).filter(|at_ms| *at_ms > 0);
        let events = self.events.keys().map(|(due_ms, _)| *due_ms);
        let next_ms = masters.chain(supervisors).chain(events).min().unwrap();
        self.now_ms = next_ms.max(self.now_ms + 1);
        for index in 0..self.masters.len() {
            if self.masters[index].wake_at_ms <= self.now_ms {
                self.tell_master(index, Input::Wake);
            }
        }
        for place in 0..self.supervisors.len() {
            let node = &mut self.supervisors[place];
            if node.engine.is_some() && node.wake_at_ms > 0 && node.wake_at_ms <= self.now_ms {
                node.wake_at_ms = 0;
                self.tell_supervisor(place, SupervisorInput::Wake);
            }
        }
    }

    pub fn run_until(&mut self, what: &str, is_done: impl Fn(&Self) -> bool) {
        for _ in 0..20_000 {
            if is_done(self) {
                return;
            }
            self.turn();
        }
        panic!("{what} is not reached by {} ms", self.now_ms);
    }

    /// Until all masters and all supervisors that are up have committed this height.
    pub fn run_to(&mut self, height: u64) {
        self.run_until(&format!("height {height}"), |world| {
            world.masters.iter().all(|node| node.engine.status().height.0 >= height)
                && world.up().all(|(_, engine)| engine.status().height.0 >= height)
        });
    }

    /// Until the third state has come to this height everywhere.
    pub fn run_to_third(&mut self, height: u64) {
        self.run_until(&format!("third state of height {height}"), |world| {
            world.masters.iter().all(|node| node.engine.status().third_height.0 >= height)
                && world.up().all(|(_, engine)| engine.status().third_height.0 >= height)
        });
    }

    pub fn up(&self) -> impl Iterator<Item = (usize, &SupervisorEngine)> {
        let nodes = self.supervisors.iter().enumerate();
        nodes.filter_map(|(place, node)| node.engine.as_ref().map(|engine| (place, engine)))
    }

    /// Height of the masters' newest final block.
    pub fn height(&self) -> u64 {
        self.masters.iter().map(|node| node.engine.status().height.0).max().unwrap()
    }

    /// (hash, state root) at a height, of every node's store.
    pub fn stored(&self, height: u64) -> Vec<(B256, B256)> {
        let masters = self.masters.iter().map(|node| &node.store);
        let supervisors = self.supervisors.iter().map(|node| &node.store);
        masters
            .chain(supervisors)
            .map(|store| {
                let header = store.reader().header(Height(height)).unwrap().unwrap();
                (header.hash_slow(), header.state_root)
            })
            .collect()
    }

    /// No supervisor has ever sealed two blocks of one core.
    pub fn assert_no_double_seal(&self) {
        for (place, node) in self.supervisors.iter().enumerate() {
            let mut by_core = BTreeMap::new();
            for record in &node.journal {
                let JournalRecord::Sealed(record) = record else { continue };
                let hash = record.seal.block_hash;
                let before = by_core.insert(record.seal.core, hash);
                assert!(before.is_none_or(|before| before == hash), "supervisor {place} sealed twice");
            }
        }
    }
}
