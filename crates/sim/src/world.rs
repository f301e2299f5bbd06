//! The world of one run: processes with their disks, messages on their way, timers, faults. One queue, ordered by
//! time and then by order of entry.

mod effects;
mod homes;
mod setup;

use crate::adversary::{Adversary, Misbehaviour, Tools};
use crate::trace::label;
use crate::{
    Disk, Entry, Invariant, Links, Oracle, Partition, Plan, Random, Runner, Scenario, Trace, Universe,
    Violation, What, transfers,
};
use btn_engine::{Feed, Input, MasterEngine, SupervisorInput};
use btn_storage::Store as _;
use btn_types::{B256, Height, MemberIndex, Message, Now};
use homes::{Called, Home};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Longest time a timer rings late.
const TIMER_LATENESS_MS: u64 = 3;

/// Longest time from the healing of the network until every honest process is up.
pub const RESTART_MS: u64 = 1_000;

/// Transfers are timed from here on: at first processes start at different times and know no tickets.
const START_MS: u64 = 3_000;

/// One process of a member.
struct Process {
    member: MemberIndex,
    /// 0, or 1 for the second twin.
    number: usize,
    is_honest: bool,
    engine: Option<MasterEngine>,
    /// What its supervisors pull from.
    feed: Feed,
    disk: Disk,
    booted_at_ms: u64,
    clock_error_ms: i64,
    alarm: Option<(u64, u64)>,
}

/// Something that will happen.
enum Event {
    Deliver {
        to: usize,
        from: MemberIndex,
        message: Arc<Message>,
    },
    Wake(usize),
    Start(usize),
    Connected(usize, MemberIndex),
    Blackout,
    Cut(Option<Partition>),
    Submit(usize),
    Heal,
    /// Something reaches a supervisor in this life of its.
    Home {
        place: usize,
        life: u64,
        input: SupervisorInput,
    },
    HomeWake(usize),
    HomeStart(usize),
    Called(Called),
    Relink(usize, MemberIndex),
}

/// Faults and events of a run, by kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Steps of engines.
    pub steps: u64,
    /// Crashes, those of blackouts included.
    pub crashes: u64,
    /// All processes at once.
    pub blackouts: u64,
    /// Partitions.
    pub partitions: u64,
    /// Messages sent, one per receiver.
    pub messages: u64,
    /// Transfers accepted by honest members.
    pub accepted: u64,
    /// Journals compacted.
    pub compactions: u64,
    /// Seals sent by honest supervisors, repetitions included.
    pub seals: u64,
    /// Masters dropped by supervisors.
    pub dropped_masters: u64,
}

/// What became of an effect.
enum Fate {
    Done,
    Crashed,
}

/// See the module.
pub struct World<'a> {
    scenario: Scenario,
    plan: Plan,
    universe: &'a Universe,
    now_ms: u64,
    sequence: u64,
    queue: BTreeMap<(u64, u64), Event>,
    processes: Vec<Process>,
    homes: Vec<Home>,
    adversaries: BTreeMap<MemberIndex, Box<dyn Adversary>>,
    links: Links,
    random: Random,
    oracle: Oracle,
    trace: Trace,
    counts: Counts,
    is_healed: bool,
    next_transfer: Vec<usize>,
    /// When honest members accepted transfers.
    accepted: BTreeMap<B256, u64>,
    /// Longest time from there until some honest member committed it.
    slowest_final_ms: u64,
    submissions: BTreeMap<u64, B256>,
    /// Submissions that came from supervisors, to be answered.
    home_submissions: BTreeMap<u64, Called>,
    said: BTreeSet<(usize, &'static str, u64, u64)>,
}

impl<'a> World<'a> {
    /// The world of a scenario at its first moment, everything that the plan foresees already in the queue.
    #[must_use]
    pub fn new(
        scenario: Scenario,
        plan: Plan,
        universe: &'a Universe,
        mut random: Random,
        is_printed: bool,
    ) -> Self {
        let members = scenario.members;
        let is_honest = |member: &MemberIndex| {
            scenario.runner == Runner::SharedKeys || !plan.byzantine.contains_key(member)
        };
        let honest = universe.committee.indices().filter(is_honest).collect();
        let chain_hash = universe.committee.domain().chain();
        let genesis_ms = universe.genesis.timestamp_ms;
        let supervisors = universe.supervisors.ids().iter().enumerate();
        let supervisors =
            supervisors.map(|(place, id)| (*id, keeps_rules(&scenario, &plan, place))).collect();
        let adversaries = plan.byzantine.iter().map(|(member, kind)| {
            let (signer, domain) = (universe.signer(*member), *universe.committee.domain());
            let tools = Tools { members, heal_ms: plan.fault_ms, signer, domain };
            (*member, kind.adversary(tools, random.fork()))
        });
        let adversaries = adversaries.collect();
        let mut world = Self {
            scenario,
            universe,
            now_ms: 0,
            sequence: 0,
            queue: BTreeMap::new(),
            processes: Vec::new(),
            homes: Vec::new(),
            adversaries,
            links: Links::new(&plan, random.fork()),
            oracle: Oracle::new(scenario.checks, members, honest, chain_hash, genesis_ms)
                .with_supervisors(supervisors, plan.parameters.expected_seals),
            trace: Trace::new(is_printed),
            counts: Counts::default(),
            is_healed: false,
            next_transfer: vec![0; transfers().len()],
            accepted: BTreeMap::new(),
            slowest_final_ms: 0,
            submissions: BTreeMap::new(),
            home_submissions: BTreeMap::new(),
            said: BTreeSet::new(),
            random,
            plan,
        };
        world.populate();
        world.populate_homes();
        world.foresee();
        world
    }

    fn at(&mut self, at_ms: u64, event: Event) -> (u64, u64) {
        let key = (at_ms.max(self.now_ms), self.sequence);
        self.sequence += 1;
        self.queue.insert(key, event);
        key
    }

    fn note(&mut self, process: usize, what: What) {
        self.trace.push(Entry { at_ms: self.now_ms, process, what });
    }

    /// Simulated time.
    #[must_use]
    pub const fn now_ms(&self) -> u64 {
        self.now_ms
    }

    /// Whether faults have ended.
    #[must_use]
    pub const fn is_healed(&self) -> bool {
        self.is_healed
    }

    /// The judge.
    #[must_use]
    pub const fn oracle(&self) -> &Oracle {
        &self.oracle
    }

    /// What happened.
    #[must_use]
    pub const fn trace(&self) -> &Trace {
        &self.trace
    }

    /// The plan being played.
    #[must_use]
    pub const fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Faults and events so far.
    #[must_use]
    pub const fn counts(&self) -> Counts {
        self.counts
    }

    /// What the links did so far.
    #[must_use]
    pub const fn link_counts(&self) -> crate::links::LinkCounts {
        self.links.counts
    }

    /// Where each process stands, for the report of a failure.
    #[must_use]
    pub fn stands(&self) -> String {
        let line = |process: &Process| {
            let kind = self.plan.byzantine.get(&process.member).map_or("honest", |kind| kind.name());
            let stand = process.engine.as_ref().map(MasterEngine::status);
            let (member, number) = (process.member, process.number);
            format!("member {member}.{number} ({kind}): {stand:?}\n")
        };
        let masters: String = self.processes.iter().map(line).collect();
        masters + &self.home_stands()
    }

    /// Transfers accepted by honest members, with all earlier ones of their account, and not yet final.
    #[must_use]
    pub fn unsettled(&self) -> usize {
        let of_account = |of_account: &'static [btn_engine::SignedTransaction]| {
            let hashes = of_account.iter().map(|transfer| *transfer.inner().tx_hash());
            let prefix = hashes.take_while(|hash| self.accepted.contains_key(hash));
            prefix.filter(|hash| !self.oracle.is_final(hash)).count()
        };
        transfers().iter().map(|list| of_account(list)).sum()
    }

    /// Longest time that a transfer took from acceptance to the first honest commit.
    #[must_use]
    pub const fn slowest_final_ms(&self) -> u64 {
        self.slowest_final_ms
    }

    /// Lets the next event happen. False when there is none.
    ///
    /// # Errors
    /// [`Violation`].
    pub fn advance(&mut self) -> Result<bool, Violation> {
        let Some(((at_ms, _), event)) = self.queue.pop_first() else { return Ok(false) };
        self.now_ms = at_ms;
        match event {
            Event::Deliver { to, from, message } => self.deliver(to, from, &message)?,
            Event::Wake(process) => {
                self.processes[process].alarm = None;
                self.note(process, What::Wake);
                self.step(process, Input::Wake)?;
            }
            Event::Start(process) => self.start(process)?,
            Event::Connected(process, member) => {
                self.note(process, What::Connected(member));
                self.step(process, Input::PeerConnected(member))?;
            }
            Event::Blackout if !self.is_healed => {
                self.counts.blackouts += 1;
                for process in 0..self.processes.len() {
                    self.crash(process);
                }
                for place in 0..self.homes.len() {
                    self.crash_home(place);
                }
            }
            Event::Blackout => {}
            Event::Cut(partition) if !self.is_healed => {
                self.counts.partitions += u64::from(partition.is_some());
                self.note(0, What::Partition(partition.as_ref().map_or(0, Partition::mask)));
                self.links.set_partition(partition);
            }
            Event::Cut(_) => {}
            Event::Submit(account) => self.submit(account)?,
            Event::Heal => self.heal(),
            Event::Home { place, life, input } => self.hear_home(place, life, input)?,
            Event::HomeWake(place) => self.wake_home(place)?,
            Event::HomeStart(place) => self.start_home(place)?,
            Event::Called(called) => self.answer_home(called)?,
            Event::Relink(place, member) => self.relink(place, member),
        }
        Ok(true)
    }

    fn heal(&mut self) {
        self.note(0, What::Heal);
        self.is_healed = true;
        self.links.heal();
        for process in 0..self.processes.len() {
            if self.processes[process].engine.is_none() {
                let at_ms = self.now_ms + self.random.below(RESTART_MS);
                self.at(at_ms, Event::Start(process));
            }
        }
        self.heal_homes();
        if self.plan.announces_links {
            let members: Vec<_> = self.universe.committee.indices().collect();
            for process in 0..self.processes.len() {
                for member in &members {
                    self.announce(process, *member);
                }
            }
        }
    }

    fn announce(&mut self, process: usize, member: MemberIndex) {
        if self.processes[process].member != member {
            let at_ms = self.now_ms + self.random.between(1, self.plan.max_delay_ms);
            self.at(at_ms, Event::Connected(process, member));
        }
    }

    fn deliver(&mut self, to: usize, from: MemberIndex, message: &Arc<Message>) -> Result<(), Violation> {
        if self.processes[to].engine.is_none() {
            return Ok(());
        }
        let (name, view, digest) = label(message);
        self.note(to, What::Deliver(from, name, view, digest));
        let message = if self.universe.is_real() {
            btn_types::decode_exact(&btn_types::encode(&**message))
                .map_err(|error| Violation::new(Invariant::NoHalt, format!("a {name} unreadable: {error}")))?
        } else {
            Message::clone(message)
        };
        self.step(to, Input::Message { from, message })
    }

    /// A user submits the next transfer of an account to some process that is up.
    fn submit(&mut self, account: usize) -> Result<(), Violation> {
        let up: Vec<_> =
            (0..self.processes.len()).filter(|at| self.processes[*at].engine.is_some()).collect();
        let homes: Vec<_> = self.honest_homes_up();
        let Some(process) = self.random.pick(&up) else { return Ok(()) };
        let Some(transfer) = transfers()[account].get(self.next_transfer[account]) else { return Ok(()) };
        self.next_transfer[account] += 1;
        let id = self.next_submission(*transfer.inner().tx_hash());
        let transaction = Box::new(transfer.clone());
        if let Some(home) = self.random.pick(&homes).filter(|_| self.random.chance(500_000)) {
            self.note_home(home, What::Submit(id));
            return self.step_home(home, SupervisorInput::Submit { id, transaction });
        }
        self.note(process, What::Submit(id));
        self.step(process, Input::Submit { id, transaction })
    }

    fn next_submission(&mut self, hash: B256) -> u64 {
        let id = self.submissions.len() as u64;
        self.submissions.insert(id, hash);
        id
    }

    fn honest_homes_up(&self) -> Vec<usize> {
        let is_up =
            |place: &usize| self.homes[*place].engine.is_some() && !self.plan.sealers.contains_key(place);
        (0..self.homes.len()).filter(is_up).collect()
    }

    fn start(&mut self, at: usize) -> Result<(), Violation> {
        if self.processes[at].engine.is_some() {
            return Ok(());
        }
        self.note(at, What::Start);
        let engine =
            self.boot(at).map_err(|reason| Violation::new(Invariant::NoHalt, format!("{at}: {reason}")))?;
        let process = &mut self.processes[at];
        process.booted_at_ms = self.now_ms;
        process.engine = Some(engine);
        process.feed = Feed::new(process.disk.store.reader());
        let member = process.member;
        self.step(at, Input::Wake)?;
        self.serve(at);
        if self.plan.announces_links {
            for other in 0..self.processes.len() {
                if self.processes[other].engine.is_some() {
                    self.announce(other, member);
                    self.announce(at, self.processes[other].member);
                }
            }
        }
        Ok(())
    }

    fn crash(&mut self, at: usize) {
        let process = &mut self.processes[at];
        if process.engine.take().is_none() {
            return;
        }
        process.disk.crash(self.scenario.runner);
        if let Some(alarm) = process.alarm.take() {
            self.queue.remove(&alarm);
        }
        if self.scenario.runner == Runner::RestoresBackup && process.is_honest {
            let tip = process.disk.store.reader().tip().ok().flatten();
            let height = tip.map_or(Height(0), |tip| tip.height);
            let third = process.disk.store.reader().third_state().ok().flatten();
            let third = third.map_or(Height(0), |third| third.height);
            self.oracle.on_lost_disk(process.member, height, third);
        }
        self.counts.crashes += 1;
        self.note(at, What::Crash);
        self.unserve(at);
        let at_ms = self.now_ms + self.random.between(1, self.plan.down_ms);
        self.at(at_ms, Event::Start(at));
    }

    fn now(&self, at: usize) -> Now {
        let process = &self.processes[at];
        let unix_ms = self.universe.genesis.timestamp_ms + 1_000 + self.now_ms;
        Now {
            monotonic_ms: self.now_ms - process.booted_at_ms + 1,
            unix_ms: unix_ms.saturating_add_signed(process.clock_error_ms),
        }
    }

    /// One step of one engine, its effects carried out in order, a crash possible before each.
    fn step(&mut self, at: usize, input: Input) -> Result<(), Violation> {
        let now = self.now(at);
        let Some(engine) = &mut self.processes[at].engine else { return Ok(()) };
        let effects = engine.step(now, input);
        self.counts.steps += 1;
        for effect in effects {
            if self.strikes() || matches!(self.carry_out(at, effect)?, Fate::Crashed) {
                self.crash(at);
                return Ok(());
            }
        }
        self.judge_stand(at)?;
        self.compact(at);
        Ok(())
    }

    /// Whether a crash strikes now.
    const fn strikes(&mut self) -> bool {
        !self.is_healed && self.random.chance(self.plan.crash_per_million)
    }

    fn judge_stand(&mut self, at: usize) -> Result<(), Violation> {
        let process = &self.processes[at];
        let Some(engine) = process.engine.as_ref().filter(|_| process.is_honest && process.number == 0)
        else {
            return Ok(());
        };
        let status = engine.status();
        self.oracle.on_stand(process.member, status.floor, status.view)
    }

    fn compact(&mut self, at: usize) {
        let is_due = self.random.chance(self.plan.compact_per_million);
        let process = &mut self.processes[at];
        if let Some(engine) = process.engine.as_ref().filter(|_| is_due) {
            process.disk.compact(self.scenario.runner, engine.live_records());
            self.counts.compactions += 1;
        }
    }
}

/// Whether a supervisor counts as one that keeps the rules.
fn keeps_rules(scenario: &Scenario, plan: &Plan, place: usize) -> bool {
    scenario.runner == Runner::SealsAnything || !plan.sealers.contains_key(&place)
}

/// Members that misbehave, for totals.
impl World<'_> {
    /// Kinds of misbehaviour in this run.
    pub fn misbehaviours(&self) -> impl Iterator<Item = Misbehaviour> {
        self.plan.byzantine.values().copied()
    }
}
