//! A supervisor's engine on its own thread: takes inputs from its masters' links, users and clock, and carries out
//! effects in order. What stands after a journal group or a commit happens only once that is synced: no seal leaves
//! before the seal log has it (C8).

use crate::clock::Clock;
use crate::disk::Disk;
use crate::publisher::Publisher;
use crate::shared::Standing;
use crate::submissions::{Submission, Submissions};
use btn_chain::Chain;
use btn_engine::{SupervisorEffect, SupervisorEngine, SupervisorInput, SupervisorStatus};
use btn_network::{MasterLinkEvent, MasterLinkEvents, MasterLinksHandle};
use btn_rpc::SealingInfo;
use btn_types::Round;
use btn_types::supervision::StatusSummary;
use eyre::eyre;
use tokio::sync::watch;

/// The engine with all it needs.
pub(crate) struct SupervisorDriver {
    pub(crate) engine: SupervisorEngine,
    pub(crate) disk: Disk,
    pub(crate) publisher: Publisher,
    pub(crate) submissions: Submissions,
    pub(crate) links: MasterLinksHandle,
    /// What masters hear when they ask where this node stands.
    pub(crate) summary: watch::Sender<StatusSummary>,
    pub(crate) clock: Clock,
}

impl Standing {
    /// Where a supervisor stands. Its floor and round follow from its chain: it takes part in no view.
    pub(crate) fn of_supervisor(status: &SupervisorStatus, chain: &Chain) -> Self {
        let floor = chain.finalized().view;
        let head_view = chain.meta(status.head).map_or(floor, |head| head.view);
        let sealing = SealingInfo {
            sealing: status.seals,
            seals_made: status.sealed,
            last_sealed_height: status.last_sealed.map(|(height, _)| height.0),
            alarm: status.alarm.as_ref().map(ToString::to_string),
        };
        Self {
            view: status.view,
            round: Round(status.view.0.saturating_sub(head_view.0.saturating_add(1))),
            floor,
            signs: status.seals,
            height: status.height,
            hash: status.hash,
            third_height: status.third_height,
            head: status.head,
            syncing: status.syncing,
            sealing: Some(sealing),
        }
    }
}

/// What happens next.
enum Next {
    Stop,
    LinksEnded,
    Inputs(Vec<SupervisorInput>),
    Submission(Submission),
}

impl SupervisorDriver {
    /// Runs until told to stop, or until something is broken that must not be passed over.
    pub(crate) async fn run(
        mut self,
        mut events: MasterLinkEvents,
        mut stop: watch::Receiver<bool>,
    ) -> eyre::Result<()> {
        let mut wake_at_ms = 0;
        self.turn(vec![SupervisorInput::Wake], &mut wake_at_ms)?;
        loop {
            let sleep = self.clock.until(wake_at_ms);
            let next = tokio::select! {
                biased;
                _ = stop.changed() => Next::Stop,
                event = events.recv() => event.map_or(Next::LinksEnded, |event| Next::Inputs(vec![from_links(event)])),
                () = tokio::time::sleep(sleep) => Next::Inputs(vec![SupervisorInput::Wake]),
                submission = self.submissions.next() => Next::Submission(submission),
            };
            let inputs = match next {
                Next::Stop => return Ok(()),
                Next::LinksEnded => return Err(eyre!("the links to the masters stopped by themselves")),
                Next::Inputs(inputs) => inputs,
                Next::Submission(submission) => self.gather(submission),
            };
            self.turn(inputs, &mut wake_at_ms)?;
            // Busy masters must not keep users waiting: they get a turn after each of their messages.
            if let Some(submission) = self.submissions.try_next() {
                let inputs = self.gather(submission);
                self.turn(inputs, &mut wake_at_ms)?;
            }
        }
    }

    fn gather(&mut self, first: Submission) -> Vec<SupervisorInput> {
        self.submissions.gather(first, |id, transaction| SupervisorInput::Submit { id, transaction })
    }

    /// Steps through inputs and carries out what they ask for: all records in one group, then commits, then
    /// everything else in order.
    fn turn(&mut self, inputs: Vec<SupervisorInput>, wake_at_ms: &mut u64) -> eyre::Result<()> {
        let (mut records, mut commits, mut rest) = (Vec::new(), Vec::new(), Vec::new());
        for input in inputs {
            for effect in self.engine.step(self.clock.now(), input) {
                match effect {
                    SupervisorEffect::Journal(group) => records.extend(group),
                    SupervisorEffect::Commit(batch) => commits.push(batch),
                    SupervisorEffect::Halt(reason) => {
                        return Err(eyre!("BTN stops here, to do no harm: {reason}"));
                    }
                    other => rest.push(other),
                }
            }
        }
        self.disk.append(&records)?;
        for batch in commits {
            self.disk.commit(batch)?;
        }
        let mut outcomes = Vec::new();
        for effect in rest {
            match effect {
                SupervisorEffect::Call { to, id, call } => self.links.call(to, id, call),
                // The links say in the log which master was dropped and why.
                SupervisorEffect::DropMaster { master, reason } => self.links.drop_master(master, reason),
                SupervisorEffect::WakeAt { monotonic_ms } => *wake_at_ms = monotonic_ms,
                SupervisorEffect::Submitted { id, outcome } => outcomes.push((id, outcome)),
                SupervisorEffect::Journal(_) | SupervisorEffect::Commit(_) | SupervisorEffect::Halt(_) => {}
            }
        }
        // Submitters hear of it after the picture shows it: the next nonce they ask for counts it.
        self.publish(!outcomes.is_empty())?;
        self.submissions.answer(outcomes);
        let Self { disk, engine, .. } = self;
        disk.compact(|| engine.live_records())
    }

    fn publish(&mut self, forced: bool) -> eyre::Result<()> {
        let Self { engine, disk, publisher, clock, .. } = self;
        let status = engine.status();
        let standing = Standing::of_supervisor(&status, engine.chain());
        let now_ms = clock.now().monotonic_ms;
        if let Some(picture) =
            publisher.show(engine.chain(), standing, disk.finalized_at(), forced, now_ms)?
        {
            self.summary.send_replace(picture.summary());
        }
        Ok(())
    }
}

/// What the engine is told of an event on the links.
fn from_links(event: MasterLinkEvent) -> SupervisorInput {
    match event {
        MasterLinkEvent::Connected(master) => SupervisorInput::Connected(master),
        MasterLinkEvent::Disconnected(master) => SupervisorInput::Disconnected(master),
        MasterLinkEvent::Announced { from, announcement } => {
            SupervisorInput::Announced { from, announcement }
        }
        MasterLinkEvent::Replied { from, id, reply } => SupervisorInput::Replied { from, id, reply },
    }
}
