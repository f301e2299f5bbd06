//! Which masters a supervisor links to. A pure rule: time and failures go in, the next master to dial comes out.
//!
//! Masters stand in the order of SHA256(own id ‖ master id), another one for each supervisor, so that load spreads.
//! The first that are neither failing nor banned get the links. A ban lasts ten minutes; but where nobody else can
//! be reached, the one banned longest ago is tried again: a household node is never left alone for ever.

use crate::limits::supervision::MASTER_BAN;
use aws_lc_rs::digest;
use btn_types::{B256, MemberIndex, NodeId};
use std::time::Duration;
use tokio::time::Instant;

/// The choice of masters.
#[derive(Debug)]
pub(crate) struct Policy {
    links: usize,
    /// In the order of preference.
    masters: Vec<Candidate>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Idle,
    Dialling,
    Linked,
}

#[derive(Debug)]
struct Candidate {
    member: MemberIndex,
    state: State,
    /// Whether the last attempt failed.
    is_failing: bool,
    /// Not dialled before.
    retry_at: Instant,
    banned_at: Option<Instant>,
}

impl Candidate {
    fn is_banned(&self, now: Instant) -> bool {
        self.banned_at.is_some_and(|at| now < at + MASTER_BAN)
    }

    fn may_be_dialled(&self, now: Instant) -> bool {
        self.state == State::Idle && self.retry_at <= now
    }
}

/// What decides a supervisor's order of masters.
fn preference(own: NodeId, master: NodeId) -> B256 {
    let mut context = digest::Context::new(&digest::SHA256);
    context.update(own.0.as_slice());
    context.update(master.0.as_slice());
    B256::from_slice(context.finish().as_ref())
}

impl Policy {
    /// All masters idle; `links` of them are wanted.
    pub(crate) fn new(
        own: NodeId,
        masters: impl Iterator<Item = (MemberIndex, NodeId)>,
        links: usize,
        now: Instant,
    ) -> Self {
        let mut ordered: Vec<_> = masters.map(|(member, id)| (preference(own, id), member)).collect();
        ordered.sort_unstable();
        let idle = |(_, member)| Candidate {
            member,
            state: State::Idle,
            is_failing: false,
            retry_at: now,
            banned_at: None,
        };
        Self { links, masters: ordered.into_iter().map(idle).collect() }
    }

    /// The next master to dial, which counts as dialled from now on. Those that `is_busy` are passed over.
    pub(crate) fn next(
        &mut self,
        now: Instant,
        is_busy: impl Fn(MemberIndex) -> bool,
    ) -> Option<MemberIndex> {
        let active = self.masters.iter().filter(|master| master.state != State::Idle).count();
        if active >= self.links {
            return None;
        }
        let place = self.first_choice(now, &is_busy).or_else(|| self.last_resort(now, &is_busy))?;
        let master = self.masters.get_mut(place)?;
        master.state = State::Dialling;
        Some(master.member)
    }

    fn first_choice(&self, now: Instant, is_busy: impl Fn(MemberIndex) -> bool) -> Option<usize> {
        let fits = |master: &Candidate| {
            master.may_be_dialled(now) && !master.is_banned(now) && !is_busy(master.member)
        };
        self.masters.iter().position(fits)
    }

    /// The master banned longest ago, once no link stands, none of the others can be reached, and no banned one is
    /// being tried already.
    fn last_resort(&self, now: Instant, is_busy: impl Fn(MemberIndex) -> bool) -> Option<usize> {
        let is_hopeless = |master: &Candidate| match master.is_banned(now) {
            true => master.state == State::Idle,
            false => master.state != State::Linked && master.is_failing,
        };
        if !self.masters.iter().all(is_hopeless) {
            return None;
        }
        // One that cannot be reached either is passed over while it waits, the others are waited for.
        let is_passed_over = |master: &Candidate| master.is_failing && !master.may_be_dialled(now);
        let banned = self.masters.iter().enumerate().filter(|(_, master)| {
            master.is_banned(now) && !is_passed_over(master) && !is_busy(master.member)
        });
        let (place, longest) = banned.min_by_key(|(_, master)| master.banned_at)?;
        longest.may_be_dialled(now).then_some(place)
    }

    /// An attempt succeeded.
    pub(crate) fn linked(&mut self, member: MemberIndex) {
        if let Some(master) = self.of(member) {
            master.state = State::Linked;
            master.is_failing = false;
        }
    }

    /// An attempt failed, or a link ended: dialled again after `delay`; meanwhile it is the others' turn.
    pub(crate) fn ended(&mut self, member: MemberIndex, now: Instant, delay: Duration) {
        if let Some(master) = self.of(member) {
            master.is_failing |= master.state == State::Dialling;
            master.state = State::Idle;
            master.retry_at = now + delay;
        }
    }

    /// The master lied or stalled.
    pub(crate) fn ban(&mut self, member: MemberIndex, now: Instant) {
        if let Some(master) = self.of(member) {
            master.banned_at = Some(now);
        }
    }

    /// Something about it changed: it may be dialled at once.
    pub(crate) fn retry_now(&mut self, member: MemberIndex, now: Instant) {
        if let Some(master) = self.of(member) {
            master.retry_at = now;
        }
    }

    /// Whether it is being left alone.
    pub(crate) fn is_banned(&self, member: MemberIndex, now: Instant) -> bool {
        self.masters.iter().any(|master| master.member == member && master.is_banned(now))
    }

    /// Whether it is being dialled.
    pub(crate) fn is_dialling(&self, member: MemberIndex) -> bool {
        self.masters.iter().any(|master| master.member == member && master.state == State::Dialling)
    }

    /// When [`Self::next`] may have another answer than now, as far as time decides it.
    pub(crate) fn wake_at(&self, now: Instant) -> Option<Instant> {
        let idle = self.masters.iter().filter(|master| master.state == State::Idle);
        let times =
            idle.flat_map(|master| [Some(master.retry_at), master.banned_at.map(|at| at + MASTER_BAN)]);
        times.flatten().filter(|time| *time > now).min()
    }

    fn of(&mut self, member: MemberIndex) -> Option<&mut Candidate> {
        self.masters.iter_mut().find(|master| master.member == member)
    }
}
