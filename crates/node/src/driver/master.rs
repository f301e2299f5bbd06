//! A master's engine on its own thread: takes inputs from network, users, supervisors and clock, and carries out
//! effects in order on disk and network. What stands after a journal group or a commit happens only once that is
//! synced (C6). Consensus comes first: seals wait in a queue that is looked at after its messages.

use crate::bulletin::Bulletin;
use crate::clock::Clock;
use crate::disk::Disk;
use crate::metric_names;
use crate::publisher::Publisher;
use crate::seal_queue::SealQueue;
use crate::shared::Standing;
use crate::submissions::{Submission, Submissions};
use btn_engine::{Effect, EngineStatus, Input, MasterEngine};
use btn_network::{NetworkEvent, NetworkEvents, NetworkHandle};
use btn_types::Message;
use btn_types::limits::MAX_SEALS_PER_MESSAGE;
use btn_types::supervision::StatusSummary;
use eyre::eyre;
use tokio::sync::watch;

/// So many turns in a row without a look at the seals, and they get one: a network that never rests must not keep
/// blocks from the third state.
const TURNS_WITHOUT_SEALS: u32 = 16;

const _: () = assert!(crate::seal_queue::MAX_SEALS_PER_TURN <= MAX_SEALS_PER_MESSAGE);

/// The engine with all it needs.
pub(crate) struct MasterDriver {
    pub(crate) engine: MasterEngine,
    pub(crate) disk: Disk,
    pub(crate) publisher: Publisher,
    pub(crate) submissions: Submissions,
    pub(crate) seals: SealQueue,
    /// Absent where this master serves no supervisors.
    pub(crate) bulletin: Option<Bulletin>,
    pub(crate) network: NetworkHandle,
    /// What supervisors hear when they ask where this node stands.
    pub(crate) summary: watch::Sender<StatusSummary>,
    pub(crate) clock: Clock,
}

/// What happens next.
enum Next {
    Stop,
    Event(Option<NetworkEvent>),
    Submission(Submission),
    Seals,
    Wake,
}

impl From<EngineStatus> for Standing {
    fn from(status: EngineStatus) -> Self {
        Self {
            view: status.view,
            round: status.round,
            floor: status.floor,
            signs: status.votes,
            height: status.height,
            hash: status.hash,
            third_height: status.third_height,
            head: status.head,
            syncing: status.syncing,
            sealing: None,
        }
    }
}

impl MasterDriver {
    /// Runs until told to stop, or until something is broken that must not be passed over.
    pub(crate) async fn run(
        mut self,
        mut events: NetworkEvents,
        mut stop: watch::Receiver<bool>,
    ) -> eyre::Result<()> {
        let mut wake_at_ms = 0;
        self.turn(vec![Input::Wake], &mut wake_at_ms)?;
        // The only master of its network hears nothing; its stream of events has ended from the start.
        let is_alone = self.network.peers().is_empty();
        let mut turns_without_seals = 0;
        loop {
            let sleep = self.clock.until(self.publisher.due_at_ms().unwrap_or(u64::MAX).min(wake_at_ms));
            let seals_first = turns_without_seals >= TURNS_WITHOUT_SEALS;
            let next = tokio::select! {
                biased;
                _ = stop.changed() => Next::Stop,
                () = self.seals.ready(), if seals_first => Next::Seals,
                event = events.recv(), if !is_alone => Next::Event(event),
                // Before what users and supervisors send, so that none of it holds up a timer of consensus.
                () = tokio::time::sleep(sleep) => Next::Wake,
                submission = self.submissions.next() => Next::Submission(submission),
                () = self.seals.ready() => Next::Seals,
            };
            turns_without_seals =
                if matches!(next, Next::Seals) { 0 } else { u32::saturating_add(turns_without_seals, 1) };
            let inputs = match next {
                Next::Stop => return Ok(()),
                Next::Event(None) => return Err(eyre!("the network stopped by itself")),
                Next::Event(Some(event)) => from_network(event),
                Next::Submission(submission) => self.gather(submission),
                Next::Seals => vec![Input::Seals(self.seals.take())],
                Next::Wake => vec![Input::Wake],
            };
            self.turn(inputs, &mut wake_at_ms)?;
            // A busy network must not keep users waiting: they get a turn after each of its messages.
            if let Some(submission) = self.submissions.try_next() {
                let inputs = self.gather(submission);
                self.turn(inputs, &mut wake_at_ms)?;
            }
        }
    }

    fn gather(&mut self, first: Submission) -> Vec<Input> {
        self.submissions.gather(first, |id, transaction| Input::Submit { id, transaction })
    }

    /// Steps through inputs and carries out what they ask for: all records in one group, then commits, then
    /// everything else in order.
    fn turn(&mut self, inputs: Vec<Input>, wake_at_ms: &mut u64) -> eyre::Result<()> {
        let (mut records, mut commits, mut rest) = (Vec::new(), Vec::new(), Vec::new());
        if inputs.iter().any(brings_seals) {
            self.publisher.seals_came(self.clock.now().monotonic_ms);
        }
        for input in inputs {
            for effect in self.engine.step(self.clock.now(), input) {
                match effect {
                    Effect::Journal(group) => records.extend(group),
                    Effect::Commit(batch) => commits.push(batch),
                    Effect::Halt(reason) => return Err(eyre!("BTN stops here, to do no harm: {reason}")),
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
                Effect::Send { to, message } => self.network.send(to, message),
                Effect::Broadcast(message) => self.network.broadcast(message),
                Effect::Announce { announcement, block } => {
                    if let Some(bulletin) = &self.bulletin {
                        bulletin.announce(&announcement, block);
                    }
                }
                Effect::WakeAt { monotonic_ms } => *wake_at_ms = monotonic_ms,
                Effect::Submitted { id, outcome } => outcomes.push((id, outcome)),
                Effect::Journal(_) | Effect::Commit(_) | Effect::Halt(_) => {}
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
        let standing = Standing::from(engine.status());
        let now_ms = clock.now().monotonic_ms;
        if let Some(picture) =
            publisher.show(engine.chain(), standing, disk.finalized_at(), forced, now_ms)?
        {
            metric_names::show_refused(engine.refused_seals());
            self.summary.send_replace(picture.summary());
        }
        publisher.show_candidates(engine.candidates());
        Ok(())
    }
}

const fn brings_seals(input: &Input) -> bool {
    matches!(input, Input::Seals(_) | Input::Message { message: Message::Seals(_), .. })
}

/// What the engine is told of a network event.
fn from_network(event: NetworkEvent) -> Vec<Input> {
    match event {
        NetworkEvent::Message { from, message } => vec![Input::Message { from, message }],
        NetworkEvent::Connected(member) => {
            tracing::info!(%member, "connected");
            vec![Input::PeerConnected(member)]
        }
        NetworkEvent::Disconnected(member) => {
            tracing::info!(%member, "disconnected");
            Vec::new()
        }
    }
}
