//! Level 2 in the world: supervisors with their disks, and their links to masters. A link carries announcements down
//! and calls up; each call gets one reply, or fails after ten seconds.

use super::{Event, TIMER_LATENESS_MS, World};
use crate::oracle::Observer;
use crate::{Disk, Invariant, Runner, Violation, What};
use btn_chain::{Chain, PoolError, recover};
use btn_engine::{
    FinalizedBatch, Input, Parameters, SupervisorEffect, SupervisorEngine, SupervisorIdentity,
    SupervisorInput,
};
use btn_storage::Store as _;
use btn_types::supervision::{Announcement, MasterReply, Pulled, SupervisorCall};
use btn_types::{B256, MemberIndex, NodeId, Now};
use std::collections::BTreeSet;
use std::sync::Arc;

/// Masters that a supervisor keeps links to.
const LINKS: usize = 3;

/// A call without an answer fails after this time.
const CALL_TIMEOUT_MS: u64 = 10_000;

/// A master that was dropped is linked again after this time: far sooner than in a node, as runs are short.
const BAN_MS: u64 = 3_000;

/// One supervisor.
pub(super) struct Home {
    pub(super) id: NodeId,
    pub(super) engine: Option<SupervisorEngine>,
    pub(super) disk: Disk,
    links: BTreeSet<MemberIndex>,
    booted_at_ms: u64,
    /// Starts so far: what was meant for an earlier life does not arrive.
    life: u64,
    alarm: Option<(u64, u64)>,
}

/// A call on its way to a master.
pub(super) struct Called {
    pub(super) home: usize,
    pub(super) life: u64,
    pub(super) to: MemberIndex,
    pub(super) id: u64,
    pub(super) call: SupervisorCall,
}

impl World<'_> {
    pub(super) fn populate_homes(&mut self) {
        let ids: Vec<_> = self.universe.supervisors.ids().to_vec();
        for (place, id) in ids.into_iter().enumerate() {
            let members = self.scenario.members;
            let links = (0..LINKS.min(members)).map(|step| (place + step) % members);
            let links = links.filter_map(|member| u16::try_from(member).ok().map(MemberIndex)).collect();
            let disk = Disk::new(self.universe.store.clone());
            self.homes.push(Home { id, engine: None, disk, links, booted_at_ms: 0, life: 0, alarm: None });
            let at_ms = self.random.below(300);
            self.at(at_ms, Event::HomeStart(place));
        }
    }

    /// The process that serves supervisors in a member's name, where it is up.
    fn server(&self, member: MemberIndex) -> Option<usize> {
        let serves = |at: &usize| {
            let process = &self.processes[*at];
            process.member == member && process.number == 0 && process.engine.is_some()
        };
        (0..self.processes.len()).find(serves)
    }

    pub(super) fn start_home(&mut self, place: usize) -> Result<(), Violation> {
        if self.homes[place].engine.is_some() {
            return Ok(());
        }
        let fail = |reason| Violation::new(Invariant::NoHalt, format!("supervisor {place}: {reason}"));
        let engine = self.boot_home(place).map_err(fail)?;
        let now_ms = self.now_ms;
        let home = &mut self.homes[place];
        home.booted_at_ms = now_ms;
        home.life += 1;
        home.engine = Some(engine);
        self.note_home(place, What::Start);
        self.step_home(place, SupervisorInput::Wake)?;
        for member in self.homes[place].links.clone() {
            if let Some(at) = self.server(member) {
                self.link_up(place, at);
            }
        }
        Ok(())
    }

    fn boot_home(&self, place: usize) -> Result<SupervisorEngine, String> {
        let home = &self.homes[place];
        let reader = home.disk.store.reader();
        let tip = reader.tip().map_err(|error| error.to_string())?.ok_or("the database is empty")?;
        let tip_finalization = reader.finalization(tip.height).map_err(|error| error.to_string())?;
        let universe = self.universe;
        let (genesis, committee) = (Arc::clone(&universe.genesis), universe.committee.clone());
        let chain = Chain::new(genesis, committee, universe.supervisors.clone(), reader);
        let chain = chain.map_err(|error| error.to_string())?;
        let identity = SupervisorIdentity::Sealing { id: home.id, signer: universe.seal_signer(place) };
        let parameters = Parameters::from(&self.plan.parameters);
        Ok(SupervisorEngine::new(chain, identity, parameters, tip_finalization, &home.disk.records()))
    }

    pub(super) fn crash_home(&mut self, place: usize) {
        let home = &mut self.homes[place];
        if home.engine.take().is_none() {
            return;
        }
        home.disk.crash(self.scenario.runner);
        if let Some(alarm) = home.alarm.take() {
            self.queue.remove(&alarm);
        }
        if self.scenario.runner == Runner::RestoresBackup {
            let reader = home.disk.store.reader();
            let tip = reader.tip().ok().flatten().map(|tip| tip.height).unwrap_or_default();
            let third = reader.third_state().ok().flatten().map(|third| third.height).unwrap_or_default();
            self.oracle.on_lost_home(place, tip, third);
        }
        self.counts.crashes += 1;
        self.note_home(place, What::Crash);
        let at_ms = self.now_ms + self.random.between(1, self.plan.down_ms);
        self.at(at_ms, Event::HomeStart(place));
    }

    /// A master's process came up: its supervisors link to it again.
    pub(super) fn serve(&mut self, at: usize) {
        for place in 0..self.homes.len() {
            let home = &self.homes[place];
            if self.processes[at].number == 0
                && home.engine.is_some()
                && home.links.contains(&self.processes[at].member)
            {
                self.link_up(place, at);
            }
        }
    }

    /// A link comes up: the supervisor hears of it, and the master's greeting.
    fn link_up(&mut self, place: usize, at: usize) {
        let member = self.processes[at].member;
        let at_ms = self.now_ms + self.random.between(1, self.plan.max_delay_ms);
        let greeting = self.processes[at].feed.greeting();
        self.at_home(at_ms, place, SupervisorInput::Connected(member));
        for announcement in greeting {
            let announcement = self.shown_to_home(at, announcement);
            self.at_home(at_ms, place, SupervisorInput::Announced { from: member, announcement });
        }
    }

    /// A master's process died: its supervisors notice.
    pub(super) fn unserve(&mut self, at: usize) {
        let member = self.processes[at].member;
        for place in 0..self.homes.len() {
            if self.processes[at].number == 0 && self.homes[place].links.contains(&member) {
                self.at_home(self.now_ms, place, SupervisorInput::Disconnected(member));
            }
        }
    }

    fn at_home(&mut self, at_ms: u64, place: usize, input: SupervisorInput) {
        let life = self.homes[place].life;
        self.at(at_ms, Event::Home { place, life, input });
    }

    /// An announcement of a master's process to all supervisors linked to it.
    pub(super) fn announce_to_homes(
        &mut self,
        at: usize,
        announcement: &Announcement,
    ) -> Result<(), Violation> {
        let (member, number) = (self.processes[at].member, self.processes[at].number);
        if number != 0 {
            return Ok(());
        }
        for place in 0..self.homes.len() {
            if !self.homes[place].links.contains(&member) {
                continue;
            }
            for delay_ms in self.links.home_delays() {
                let announcement = self.shown_to_home(at, announcement.clone());
                let input = SupervisorInput::Announced { from: member, announcement };
                self.at_home(self.now_ms + delay_ms, place, input);
            }
            self.misbehave(place, at, announcement)?;
        }
        Ok(())
    }

    /// What a master that garbles shows of an announcement.
    fn shown_to_home(&mut self, at: usize, mut announcement: Announcement) -> Announcement {
        let garbles = self.plan.byzantine.get(&self.processes[at].member).is_some_and(|kind| kind.garbles());
        if garbles && !self.is_healed && self.random.chance(200_000) {
            match &mut announcement {
                Announcement::Proposed(place) => place.hash.0[0] ^= 1,
                Announcement::Certified { certificate, .. } => certificate.aggregate.0[0] ^= 1,
                Announcement::Greeted => {}
            }
        }
        announcement
    }

    /// A supervisor that keeps no rules answers an announcement with seals of its own making.
    fn misbehave(&mut self, place: usize, at: usize, announcement: &Announcement) -> Result<(), Violation> {
        let Some(kind) = self.plan.sealers.get(&place).copied() else { return Ok(()) };
        let master = self.processes[at].engine.as_ref();
        let Some(block) = announcement.place() else { return Ok(()) };
        let core = master.and_then(|engine| engine.chain().meta(block.hash)).map(|meta| meta.core);
        let Some(core) = core else { return Ok(()) };
        let (id, signer) = (self.homes[place].id, self.universe.seal_signer(place));
        let domain = self.universe.committee.domain();
        let seals = kind.on_announcement(announcement, id, core, &*signer, domain, &mut self.random);
        if !seals.is_empty() {
            if super::keeps_rules(&self.scenario, &self.plan, place) {
                // A mutant: what it sends is judged as an honest supervisor's.
                self.oracle.on_home_seals(id, &self.homes[place].disk, &seals)?;
            }
            let to = self.processes[at].member;
            self.call(Called { home: place, life: u64::MAX, to, id: 0, call: SupervisorCall::Seal(seals) });
        }
        Ok(())
    }

    pub(super) fn hear_home(
        &mut self,
        place: usize,
        life: u64,
        input: SupervisorInput,
    ) -> Result<(), Violation> {
        if self.homes[place].life != life || self.homes[place].engine.is_none() {
            return Ok(());
        }
        self.note_home(place, What::Hear(input_name(&input)));
        self.show_oracle(&input)?;
        self.step_home(place, input)
    }

    /// Certificates that reach a supervisor may be known to nobody honest yet.
    fn show_oracle(&mut self, input: &SupervisorInput) -> Result<(), Violation> {
        match input {
            SupervisorInput::Announced {
                announcement: Announcement::Certified { certificate, .. }, ..
            } => self.oracle.on_shown([certificate]),
            SupervisorInput::Replied { reply: MasterReply::Pulled(Pulled::Block(block)), .. } => {
                self.oracle.on_pulled(block)
            }
            SupervisorInput::Replied { reply: MasterReply::Pulled(Pulled::Range(range)), .. } => {
                range.blocks.iter().try_for_each(|block| self.oracle.on_pulled(block))?;
                self.oracle.on_shown(&range.finalization)
            }
            _ => Ok(()),
        }
    }

    pub(super) fn wake_home(&mut self, place: usize) -> Result<(), Violation> {
        self.homes[place].alarm = None;
        self.note_home(place, What::Wake);
        self.step_home(place, SupervisorInput::Wake)
    }

    pub(super) fn note_home(&mut self, place: usize, what: What) {
        self.note(1_000 + place, what);
    }

    pub(super) fn step_home(&mut self, place: usize, input: SupervisorInput) -> Result<(), Violation> {
        let home = &mut self.homes[place];
        let now = Now {
            monotonic_ms: self.now_ms - home.booted_at_ms + 1,
            unix_ms: self.universe.genesis.timestamp_ms + 1_000 + self.now_ms,
        };
        let Some(engine) = &mut home.engine else { return Ok(()) };
        let effects = engine.step(now, input);
        self.counts.steps += 1;
        for effect in effects {
            if self.strikes() {
                self.crash_home(place);
                return Ok(());
            }
            self.carry_out_at_home(place, effect)?;
        }
        if self.random.chance(self.plan.compact_per_million) {
            let home = &mut self.homes[place];
            if let Some(engine) = &home.engine {
                home.disk.compact(self.scenario.runner, engine.live_records());
                self.counts.compactions += 1;
            }
        }
        Ok(())
    }

    fn carry_out_at_home(&mut self, place: usize, effect: SupervisorEffect) -> Result<(), Violation> {
        let id = self.homes[place].id;
        let is_honest = super::keeps_rules(&self.scenario, &self.plan, place);
        match effect {
            SupervisorEffect::Journal(records) => {
                self.note_home(place, What::Journal(records.len() as u64));
                if is_honest && self.scenario.runner.remembers_votes() {
                    self.oracle.on_home_journal(id, &records)?;
                }
                self.homes[place].disk.append(self.scenario.runner, records);
            }
            SupervisorEffect::Commit(batch) => self.commit_at_home(place, batch)?,
            SupervisorEffect::Call { to, id: call_id, call } => {
                let sends_own = self.plan.sealers.get(&place).is_none_or(|kind| kind.sends_own());
                if let SupervisorCall::Seal(seals) = &call {
                    if is_honest {
                        self.oracle.on_home_seals(id, &self.homes[place].disk, seals)?;
                        self.counts.seals += seals.len() as u64;
                    }
                    if !sends_own || self.scenario.runner == Runner::NobodySeals {
                        return Ok(());
                    }
                }
                let life = self.homes[place].life;
                self.call(Called { home: place, life, to, id: call_id, call });
            }
            SupervisorEffect::DropMaster { master, reason } => self.drop_master(place, master, &reason)?,
            SupervisorEffect::Submitted { id, outcome } => {
                if is_honest && outcome.is_ok() {
                    self.counts.accepted += 1;
                    self.accepted.extend(self.submissions.get(&id).map(|hash| (*hash, self.now_ms)));
                }
            }
            SupervisorEffect::WakeAt { monotonic_ms } => self.set_home_alarm(place, monotonic_ms),
            SupervisorEffect::Halt(reason) => {
                return Err(Violation::new(Invariant::NoHalt, format!("supervisor {place}: {reason}")));
            }
        }
        Ok(())
    }

    fn commit_at_home(&mut self, place: usize, batch: FinalizedBatch) -> Result<(), Violation> {
        for block in &batch.blocks {
            self.note_home(
                place,
                What::Commit(block.block.height().0, crate::trace::first_word(&block.hash)),
            );
        }
        self.oracle.on_home_commit(place, &batch)?;
        let committed = self.homes[place].disk.store.commit(batch);
        committed.map_err(|error| Violation::new(Invariant::NoHalt, error))
    }

    /// An honest master in a timely network is never taken for a liar: only for slow, while faults last.
    fn drop_master(&mut self, place: usize, master: MemberIndex, reason: &str) -> Result<(), Violation> {
        let is_honest = self.oracle.honest().contains(&master);
        if is_honest && self.is_healed && !self.plan.byzantine.contains_key(&master) {
            let recent = self.now_ms < self.plan.fault_ms + 4 * CALL_TIMEOUT_MS;
            if !recent {
                let detail = format!("supervisor {place} drops honest master {master}: {reason}");
                return Err(Violation::new(Invariant::Seals, detail));
            }
        }
        self.counts.dropped_masters += 1;
        self.note_home(place, What::Hear("drop"));
        self.homes[place].links.remove(&master);
        let members = self.scenario.members;
        let mut others = (0..members).filter_map(|member| u16::try_from(member).ok().map(MemberIndex));
        let next = others.find(|member| *member != master && !self.homes[place].links.contains(member));
        let (now_ms, life) = (self.now_ms, self.homes[place].life);
        self.at(now_ms + 1, Event::Home { place, life, input: SupervisorInput::Disconnected(master) });
        if let Some(member) = next {
            self.at(now_ms + 2, Event::Relink(place, member));
        }
        self.at(now_ms + BAN_MS, Event::Relink(place, master));
        Ok(())
    }

    pub(super) fn relink(&mut self, place: usize, member: MemberIndex) {
        let home = &mut self.homes[place];
        if home.links.len() < LINKS
            && home.links.insert(member)
            && home.engine.is_some()
            && let Some(at) = self.server(member)
        {
            self.link_up(place, at);
        }
    }

    fn set_home_alarm(&mut self, place: usize, monotonic_ms: u64) {
        if let Some(alarm) = self.homes[place].alarm.take() {
            self.queue.remove(&alarm);
        }
        let due_ms = self.homes[place].booted_at_ms + monotonic_ms.saturating_sub(1);
        let rings_ms = due_ms.max(self.now_ms) + self.random.between(0, TIMER_LATENESS_MS);
        self.homes[place].alarm = Some(self.at(rings_ms, Event::HomeWake(place)));
    }

    /// Sends a call to a master; it arrives, or fails in the end.
    fn call(&mut self, called: Called) {
        match self.links.home_delays().first() {
            Some(delay_ms) => drop(self.at(self.now_ms + delay_ms, Event::Called(called))),
            None => self.fail(&called),
        }
    }

    fn fail(&mut self, called: &Called) {
        self.reply(called, CALL_TIMEOUT_MS, MasterReply::Failed("no answer in 10 s".to_owned()));
    }

    fn reply(&mut self, called: &Called, after_ms: u64, reply: MasterReply) {
        let input = SupervisorInput::Replied { from: called.to, id: called.id, reply };
        let (place, life) = (called.home, called.life);
        self.at(self.now_ms + after_ms, Event::Home { place, life, input });
    }

    /// A call arrives at a master.
    pub(super) fn answer_home(&mut self, called: Called) -> Result<(), Violation> {
        let Some(at) = self.server(called.to) else {
            self.fail(&called);
            return Ok(());
        };
        self.note(at, What::Hear(call_name(&called.call)));
        let reply = match &called.call {
            SupervisorCall::Pull(request) => {
                let pulled = self.processes[at].feed.answer(request);
                MasterReply::Pulled(pulled.map_err(|error| Violation::new(Invariant::NoHalt, error))?)
            }
            SupervisorCall::Seal(seals) => {
                self.step(at, Input::Seals(seals.clone()))?;
                MasterReply::Sealed
            }
            SupervisorCall::Candidates => {
                let engine = self.processes[at].engine.as_ref();
                MasterReply::Candidates(engine.map(|engine| engine.candidates()).unwrap_or_default())
            }
            SupervisorCall::Status => {
                let engine = self.processes[at].engine.as_ref();
                engine.map_or(MasterReply::Sealed, |engine| MasterReply::Status(engine.summary()))
            }
            SupervisorCall::Submit(bytes) => {
                let Ok(transaction) = recover(bytes) else { return Ok(()) };
                let id = self.next_submission(*transaction.inner().tx_hash());
                self.home_submissions.insert(id, called);
                return self.step(at, Input::Submit { id, transaction: Box::new(transaction) });
            }
            SupervisorCall::Receipt(_) => MasterReply::Receipt(None),
        };
        self.answer(&called, reply);
        Ok(())
    }

    fn answer(&mut self, called: &Called, reply: MasterReply) {
        match self.links.home_delays().first().copied() {
            Some(delay_ms) => self.reply(called, delay_ms, reply),
            None => self.fail(called),
        }
    }

    /// A master has judged a transaction; where it came from a supervisor, that hears of it.
    pub(super) fn judged(&mut self, id: u64, outcome: &Result<B256, PoolError>) {
        if let Some(called) = self.home_submissions.remove(&id) {
            let outcome = outcome.as_ref().copied().map_err(ToString::to_string);
            self.answer(&called, MasterReply::Submitted(outcome));
        }
    }

    /// When the network heals, whoever is down starts.
    pub(super) fn heal_homes(&mut self) {
        for place in 0..self.homes.len() {
            if self.homes[place].engine.is_none() {
                let at_ms = self.now_ms + self.random.below(super::RESTART_MS);
                self.at(at_ms, Event::HomeStart(place));
            }
        }
    }

    /// Where each supervisor stands, for the report of a failure.
    pub(super) fn home_stands(&self) -> String {
        let line = |(place, home): (usize, &Home)| {
            let kind = self.plan.sealers.get(&place).map_or("honest", |kind| kind.name());
            let (links, third) = (&home.links, self.oracle.third(Observer::Supervisor(place)));
            let stand = home.engine.as_ref().map(SupervisorEngine::status);
            format!("supervisor {place} ({kind}), links {links:?}, third {third}: {stand:?}\n")
        };
        self.homes.iter().enumerate().map(line).collect()
    }

    /// Whether every honest node of both levels has the third state at this height or above.
    #[must_use]
    pub fn has_third_state(&self, height: btn_types::Height) -> bool {
        let masters = self.oracle.honest().iter().map(|member| Observer::Master(*member));
        let honest = (0..self.homes.len()).filter(|place| !self.plan.sealers.contains_key(place));
        self.homes.is_empty()
            || masters
                .chain(honest.map(Observer::Supervisor))
                .all(|observer| self.oracle.third(observer) >= height)
    }
}

const fn input_name(input: &SupervisorInput) -> &'static str {
    match input {
        SupervisorInput::Wake => "wake",
        SupervisorInput::Connected(_) => "connected",
        SupervisorInput::Disconnected(_) => "disconnected",
        SupervisorInput::Announced { announcement: Announcement::Proposed(_), .. } => "proposed",
        SupervisorInput::Announced { announcement: Announcement::Greeted, .. } => "greeted",
        SupervisorInput::Announced { .. } => "certified",
        SupervisorInput::Replied { .. } => "reply",
        SupervisorInput::Submit { .. } => "submit",
    }
}

const fn call_name(call: &SupervisorCall) -> &'static str {
    match call {
        SupervisorCall::Pull(_) => "pull",
        SupervisorCall::Seal(_) => "seal",
        SupervisorCall::Candidates => "candidates",
        SupervisorCall::Submit(_) => "submit",
        SupervisorCall::Receipt(_) => "receipt",
        SupervisorCall::Status => "status",
    }
}
