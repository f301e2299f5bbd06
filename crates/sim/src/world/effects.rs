//! Carrying out what an engine asks for, in order.

use super::{Event, Fate, START_MS, TIMER_LATENESS_MS, World};
use crate::adversary::Shown;
use crate::trace::{first_word, label};
use crate::{Invariant, Runner, Violation, What};
use btn_engine::{Effect, FinalizedBatch};
use btn_storage::Store as _;
use btn_types::{MemberIndex, Message};
use std::sync::Arc;

impl World<'_> {
    pub(super) fn carry_out(&mut self, at: usize, effect: Effect) -> Result<Fate, Violation> {
        let (runner, member, is_honest) =
            (self.scenario.runner, self.processes[at].member, self.processes[at].is_honest);
        match effect {
            Effect::Journal(records) => {
                self.note(at, What::Journal(records.len() as u64));
                if is_honest {
                    self.oracle.on_journal(&records, runner.remembers_votes())?;
                }
                self.processes[at].disk.append(runner, records);
            }
            Effect::Commit(batch) => {
                for block in &batch.blocks {
                    self.note(at, What::Commit(block.block.height().0, first_word(&block.hash)));
                }
                if is_honest && self.processes[at].number == 0 {
                    self.time_transfers(&batch);
                    self.oracle.on_commit(member, &batch)?;
                }
                let committed = self.processes[at].disk.store.commit(batch);
                committed.map_err(|error| Violation::new(Invariant::NoHalt, error))?;
            }
            Effect::Send { to, message } => return self.send(at, Some(to), &message),
            Effect::Broadcast(message) => return self.send(at, None, &message),
            Effect::Submitted { id, outcome } => {
                self.judged(id, &outcome);
                if is_honest && outcome.is_ok() {
                    self.counts.accepted += 1;
                    self.accepted.extend(self.submissions.get(&id).map(|hash| (*hash, self.now_ms)));
                }
            }
            Effect::Announce { announcement, block } => {
                self.processes[at].feed.record(&announcement, block);
                self.announce_to_homes(at, &announcement)?;
            }
            Effect::WakeAt { monotonic_ms } => self.set_alarm(at, monotonic_ms),
            Effect::Halt(reason) if is_honest => {
                return Err(Violation::new(Invariant::NoHalt, format!("member {member}: {reason}")));
            }
            Effect::Halt(_) => {}
        }
        Ok(Fate::Done)
    }

    /// Notes how long the transfers of blocks that are final for the first time have taken.
    fn time_transfers(&mut self, batch: &FinalizedBatch) {
        for transaction in batch.blocks.iter().flat_map(|block| &block.block.transactions) {
            let hash = transaction.tx_hash();
            let is_timed = |accepted_ms: &&u64| **accepted_ms >= START_MS && !self.oracle.is_final(hash);
            if let Some(accepted_ms) = self.accepted.get(hash).filter(is_timed) {
                self.slowest_final_ms = self.slowest_final_ms.max(self.now_ms - accepted_ms);
            }
        }
    }

    fn set_alarm(&mut self, at: usize, monotonic_ms: u64) {
        if let Some(alarm) = self.processes[at].alarm.take() {
            self.queue.remove(&alarm);
        }
        let due_ms = self.processes[at].booted_at_ms + monotonic_ms.saturating_sub(1);
        let rings_ms = due_ms.max(self.now_ms) + self.random.between(0, TIMER_LATENESS_MS);
        self.processes[at].alarm = Some(self.at(rings_ms, Event::Wake(at)));
    }

    /// Hands a message to the links, receiver by receiver; a crash may leave the rest without it.
    fn send(
        &mut self,
        at: usize,
        to: Option<MemberIndex>,
        message: &Arc<Message>,
    ) -> Result<Fate, Violation> {
        let (name, view, digest) = label(message);
        if !self.scenario.runner.sends(message) || self.is_again(at, name, view, digest) {
            return Ok(Fate::Done);
        }
        self.note(at, What::Send(to, name, view, digest));
        let (from, is_honest) = (self.processes[at].member, self.processes[at].is_honest);
        if is_honest {
            self.oracle.on_send(from, &self.processes[at].disk, message)?;
        }
        let receivers: Vec<_> = match to {
            Some(member) => vec![member],
            None => self.universe.committee.indices().filter(|member| *member != from).collect(),
        };
        for receiver in receivers {
            if to.is_none() && self.strikes() {
                return Ok(Fate::Crashed);
            }
            let number = self.processes[at].number;
            let shown = match self.adversaries.get_mut(&from) {
                Some(adversary) => adversary.show(self.now_ms, number, message, receiver),
                None => vec![Shown { after_ms: 0, message: Arc::clone(message) }],
            };
            for Shown { after_ms, message } in shown {
                self.transmit(from, receiver, after_ms, &message);
            }
        }
        Ok(Fate::Done)
    }

    /// Whether the process has said this before, where that matters to the runner.
    fn is_again(&mut self, at: usize, name: &'static str, view: u64, digest: u64) -> bool {
        let is_said_once = matches!(name, "proposal" | "notarize" | "nullify" | "finalize");
        self.scenario.runner == Runner::ResendsNothing
            && is_said_once
            && !self.said.insert((at, name, view, digest))
    }

    fn transmit(&mut self, from: MemberIndex, to: MemberIndex, after_ms: u64, message: &Arc<Message>) {
        let processes: Vec<_> =
            (0..self.processes.len()).filter(|at| self.processes[*at].member == to).collect();
        for process in processes {
            self.counts.messages += 1;
            for delay_ms in self.links.delays(from, to) {
                let message = Arc::clone(message);
                self.at(self.now_ms + after_ms + delay_ms, Event::Deliver { to: process, from, message });
            }
        }
    }
}
