//! The task that keeps a supervisor linked: it dials whom the policy names, gives calls to links, and drops masters
//! that lie or stall.

use super::Shared;
use super::health::stalling;
use super::link::{self, Outcome};
use super::master::{Master, Purpose, Session};
use super::policy::Policy;
use crate::backoff::Backoff;
use crate::dial::Sockets;
use crate::limits::supervision::{CALL_TIMEOUT, HEALTH_INTERVAL, MAX_CALLS_WAITING_FOR_LINK};
use crate::limits::{HANDSHAKE_TIMEOUT, STABLE_LINK};
use crate::{LinkError, lock, metric_names};
use btn_command::CallKind;
use btn_types::MemberIndex;
use btn_types::limits::MAX_COMMITTEE_MEMBERS;
use btn_types::supervision::{MasterReply, SupervisorCall};
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};

/// A call on its way.
pub(crate) struct CallJob {
    pub to: MemberIndex,
    pub id: u64,
    pub call: SupervisorCall,
    pub since: Instant,
    /// Its share of the bound of calls.
    pub share: OwnedSemaphorePermit,
}

/// State of the task.
pub(crate) struct Keeper {
    shared: Arc<Shared>,
    sockets: Arc<Sockets>,
    policy: Policy,
    backoffs: BTreeMap<MemberIndex, Backoff>,
    calls: mpsc::Receiver<CallJob>,
    /// Calls that wait for a link.
    waiting: BTreeMap<MemberIndex, VecDeque<CallJob>>,
    /// Calls that are under way; bounded by the shares they hold.
    under_way: JoinSet<()>,
    /// Attempts and the links that come of them.
    attempts: JoinSet<Outcome>,
    running: HashMap<Id, (MemberIndex, Purpose)>,
    /// Masters dropped while they were being dialled: hung up on as soon as they answer.
    unwanted: BTreeMap<MemberIndex, String>,
    established: mpsc::Sender<(MemberIndex, Purpose)>,
    news: mpsc::Receiver<(MemberIndex, Purpose)>,
}

impl Keeper {
    pub(crate) fn new(
        shared: Arc<Shared>,
        sockets: Arc<Sockets>,
        links: usize,
        calls: mpsc::Receiver<CallJob>,
    ) -> Self {
        let masters = shared.masters.values().map(|master| (master.member, master.id));
        let policy = Policy::new(shared.introduction.node_id, masters, links, Instant::now());
        let (established, news) = mpsc::channel(MAX_COMMITTEE_MEMBERS);
        Self {
            policy,
            backoffs: shared.masters.keys().map(|member| (*member, Backoff::default())).collect(),
            shared,
            sockets,
            calls,
            waiting: BTreeMap::new(),
            under_way: JoinSet::new(),
            attempts: JoinSet::new(),
            running: HashMap::new(),
            unwanted: BTreeMap::new(),
            established,
            news,
        }
    }

    /// Runs until the node takes no more events.
    pub(crate) async fn run(mut self) {
        let shared = Arc::clone(&self.shared);
        let mut health = interval(HEALTH_INTERVAL);
        health.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while !shared.events.is_closed() {
            self.dial();
            let now = Instant::now();
            let wake_at = self.policy.wake_at(now).unwrap_or_else(|| now + HEALTH_INTERVAL);
            tokio::select! {
                // A link's beginning is heard before its end, and calls do not keep links waiting.
                biased;
                () = shared.wake.notified() => self.look_at_wishes(),
                Some((member, purpose)) = self.news.recv() => self.link_stands(member, purpose),
                Some(result) = self.attempts.join_next_with_id() => self.attempt_ended(result),
                Some(_) = self.under_way.join_next() => {}
                _ = health.tick() => self.check(),
                Some(job) = self.calls.recv() => self.call(job),
                () = sleep_until(wake_at) => {}
            }
        }
    }

    /// Dials whomever the policy names.
    fn dial(&mut self) {
        let running = &self.running;
        let shared = &self.shared;
        // A link made for a call gives way to a lasting one, once it stands.
        let is_busy = |member| {
            let is_dialled = running.values().any(|on_demand| *on_demand == (member, Purpose::OnDemand));
            is_dialled && session_of(shared, member).is_none()
        };
        let mut due = Vec::new();
        while let Some(member) = self.policy.next(Instant::now(), is_busy) {
            due.push(member);
        }
        for member in due {
            let patience = self.backoffs.entry(member).or_default().attempt_timeout();
            self.attempt(member, Purpose::Kept, patience);
        }
    }

    fn attempt(&mut self, member: MemberIndex, purpose: Purpose, patience: Duration) {
        let Some(master) = self.shared.masters.get(&member).cloned() else { return };
        let (shared, sockets) = (Arc::clone(&self.shared), Arc::clone(&self.sockets));
        let established = self.established.clone();
        let task =
            async move { link::attempt(&shared, &sockets, &master, purpose, patience, established).await };
        let handle = self.attempts.spawn(task);
        self.running.insert(handle.id(), (member, purpose));
    }

    fn link_stands(&mut self, member: MemberIndex, purpose: Purpose) {
        if purpose == Purpose::Kept {
            self.policy.linked(member);
        }
        if let Some(reason) = self.unwanted.remove(&member)
            && let Some(session) = session_of(&self.shared, member)
        {
            session.end(LinkError::Dropped(reason));
        }
        for job in self.waiting.remove(&member).unwrap_or_default() {
            self.call(job);
        }
    }

    fn attempt_ended(&mut self, result: Result<(Id, Outcome), JoinError>) {
        let (task, outcome) = result.unwrap_or_else(|error| {
            let failed = LinkError::Lost(format!("a task of the link failed: {error}"));
            (error.id(), Outcome::Ended(failed, Duration::ZERO))
        });
        let Some((member, purpose)) = self.running.remove(&task) else { return };
        self.unwanted.remove(&member);
        let backoff = self.backoffs.entry(member).or_default();
        match outcome {
            // `run` ends by itself.
            Outcome::NobodyListens => return,
            Outcome::Refused(error, address) => {
                if let Some(master) = self.shared.masters.get(&member) {
                    master.refused(&error, address);
                    self.shared.changed();
                }
                self.fail_waiting(member, &format!("no link to this master: {error}"));
            }
            Outcome::Ended(error, lasted) => {
                if lasted >= STABLE_LINK {
                    backoff.reset();
                }
                if error.is_violation() {
                    self.ban(member, &error.to_string());
                }
            }
        }
        if purpose == Purpose::Kept {
            let delay = self.backoffs.entry(member).or_default().next_delay();
            self.policy.ended(member, Instant::now(), delay);
        }
    }

    fn look_at_wishes(&mut self) {
        let masters: Vec<Arc<Master>> = self.shared.masters.values().cloned().collect();
        for master in masters {
            let (to_drop, to_retry) = {
                let mut state = master.state();
                (state.to_drop.take(), std::mem::take(&mut state.to_retry))
            };
            if to_retry {
                self.policy.retry_now(master.member, Instant::now());
            }
            if let Some(reason) = to_drop {
                self.ban(master.member, &reason);
            }
        }
    }

    /// Hangs up and leaves the master alone for a while.
    fn ban(&mut self, member: MemberIndex, reason: &str) {
        let Some(master) = self.shared.masters.get(&member) else { return };
        self.policy.ban(member, Instant::now());
        master.ban(reason);
        match session_of(&self.shared, member) {
            Some(session) => session.end(LinkError::Dropped(reason.to_owned())),
            None if self.running.values().any(|(running, _)| *running == member) => {
                self.unwanted.insert(member, reason.to_owned());
            }
            None => {}
        }
        self.shared.changed();
    }

    /// Looks for masters that stall and for calls that have waited too long for a link.
    fn check(&mut self) {
        let now = Instant::now();
        let kept = self.shared.masters.values().filter_map(|master| {
            let session = master.state().session.clone()?;
            (session.purpose == Purpose::Kept).then(|| (master.member, *lock(&session.health)))
        });
        let links: Vec<_> = kept.collect();
        for (member, reason) in stalling(&links, now) {
            self.ban(member, &reason);
        }
        let mut overdue = Vec::new();
        for jobs in self.waiting.values_mut() {
            while jobs.front().is_some_and(|job| now - job.since >= CALL_TIMEOUT) {
                overdue.extend(jobs.pop_front());
            }
        }
        for job in overdue {
            self.fail(job, "no link to this master came to stand in time".into());
        }
    }

    fn call(&mut self, job: CallJob) {
        let Some(master) = self.shared.masters.get(&job.to) else {
            let text = format!("no master is member {}", job.to.0);
            return self.fail(job, text);
        };
        if let Some(session) = session_of(&self.shared, job.to) {
            let events = self.shared.events.clone();
            self.under_way.spawn(async move {
                let name = CallKind::of(&job.call).name();
                let reply = session.ask(&job.call).await;
                let outcome = if matches!(reply, MasterReply::Failed(_)) { "failed" } else { "answered" };
                metric_names::call(name, outcome);
                events.replied(job.to, job.id, reply, job.share).await;
            });
            return;
        }
        if self.policy.is_banned(job.to, Instant::now()) {
            let reason = master.state().banned.as_ref().map(|ban| ban.reason.clone()).unwrap_or_default();
            return self.fail(job, format!("this master is left alone for now: {reason}"));
        }
        if matches!(job.call, SupervisorCall::Pull(_) | SupervisorCall::Seal(_)) {
            return self.fail(job, "no link to this master".into());
        }
        self.wait_for_link(job);
    }

    /// Keeps a call until a link stands, and dials for it where nobody does.
    fn wait_for_link(&mut self, job: CallJob) {
        let member = job.to;
        let jobs = self.waiting.entry(member).or_default();
        if jobs.len() >= MAX_CALLS_WAITING_FOR_LINK {
            let text = format!("{MAX_CALLS_WAITING_FOR_LINK} calls wait for a link to this master already");
            return self.fail(job, text);
        }
        jobs.push_back(job);
        let is_dialled = self.running.values().any(|(running, purpose)| {
            *running == member && (*purpose == Purpose::OnDemand || self.policy.is_dialling(member))
        });
        if !is_dialled {
            self.attempt(member, Purpose::OnDemand, HANDSHAKE_TIMEOUT);
        }
    }

    fn fail_waiting(&mut self, member: MemberIndex, text: &str) {
        for job in self.waiting.remove(&member).unwrap_or_default() {
            self.fail(job, text.to_owned());
        }
    }

    /// Answers a call that cannot be made.
    fn fail(&mut self, job: CallJob, text: String) {
        let events = self.shared.events.clone();
        self.under_way.spawn(async move {
            events.replied(job.to, job.id, MasterReply::Failed(text), job.share).await;
        });
    }
}

fn session_of(shared: &Shared, member: MemberIndex) -> Option<Arc<Session>> {
    shared.masters.get(&member)?.state().session.clone()
}
