//! The engine's own thread: takes inputs from network, users and clock, and carries out effects in order on
//! disk and network. What stands after a journal group or a commit happens only once that is synced (C6).

use crate::metric_names;
use crate::shared::{Picture, Shared, Submission};
use alloy_eips::Encodable2718;
use btn_engine::{Effect, EngineStatus, FinalizedBatch, Input, MasterEngine, PoolError, SubmissionId};
use btn_network::{NetworkEvent, NetworkEvents, NetworkHandle};
use btn_storage::{DataDirectory, Journal, Store};
use btn_types::{B256, JournalRecord, Now};
use eyre::{WrapErr, eyre};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tokio::sync::{mpsc, oneshot, watch};

/// The journal is compacted when it has grown past this, or to twice what it had after the last compaction.
const COMPACT_AFTER_BYTES: u64 = 16 * 1024 * 1024;

/// Submissions whose records share one sync, and about how many bytes they may have: far below what one group of
/// the journal holds.
const MAX_SUBMISSIONS_PER_GROUP: usize = 512;
const MAX_SUBMITTED_BYTES_PER_GROUP: usize = 16 * 1024 * 1024;

/// Longest sleep; a bound so that a jump of the machine's clock cannot put the engine to sleep.
const MAX_SLEEP: Duration = Duration::from_secs(10);

/// The journal, or the lack of one.
pub(crate) enum Journals {
    /// Every record is kept.
    Kept(Journal),
    /// It was lost: the node signs nothing, so there is nothing it must remember.
    Lost,
}

/// The engine and its disk.
pub(crate) struct Driver {
    engine: MasterEngine,
    store: Box<dyn Store>,
    journals: Journals,
    compact_after_bytes: u64,
    /// Holds the lock for as long as the node runs.
    _directory: DataDirectory,
    shared: Arc<Shared>,
    submissions: mpsc::Receiver<Submission>,
    waiting: BTreeMap<SubmissionId, oneshot::Sender<Result<B256, PoolError>>>,
    next_submission: SubmissionId,
    started: Instant,
    wake_at_ms: u64,
    finalized_at: Option<Instant>,
    /// Status and size of the pool as last published.
    published: Option<(EngineStatus, usize)>,
}

/// What happens next.
enum Next {
    Stop,
    Event(Option<NetworkEvent>),
    Submission(Submission),
    Wake,
}

impl Driver {
    pub(crate) fn new(
        engine: MasterEngine,
        store: Box<dyn Store>,
        journals: Journals,
        directory: DataDirectory,
        shared: Arc<Shared>,
        submissions: mpsc::Receiver<Submission>,
    ) -> Self {
        metric_names::describe();
        Self {
            engine,
            store,
            journals,
            compact_after_bytes: COMPACT_AFTER_BYTES,
            _directory: directory,
            shared,
            submissions,
            waiting: BTreeMap::new(),
            next_submission: 0,
            started: Instant::now(),
            wake_at_ms: 0,
            finalized_at: None,
            published: None,
        }
    }

    /// Runs until told to stop, or until something is broken that must not be passed over.
    pub(crate) async fn run(
        mut self,
        mut events: NetworkEvents,
        network: NetworkHandle,
        mut stop: watch::Receiver<bool>,
    ) -> eyre::Result<()> {
        self.turn(vec![Input::Wake], &network)?;
        // The only master of its network hears nothing; its stream of events has ended from the start.
        let is_alone = network.peers().is_empty();
        loop {
            let sleep = Duration::from_millis(self.wake_at_ms.saturating_sub(self.now().monotonic_ms));
            let next = tokio::select! {
                biased;
                _ = stop.changed() => Next::Stop,
                event = events.recv(), if !is_alone => Next::Event(event),
                Some(submission) = self.submissions.recv() => Next::Submission(submission),
                () = tokio::time::sleep(sleep.min(MAX_SLEEP)) => Next::Wake,
            };
            let inputs = match next {
                Next::Stop => return Ok(()),
                Next::Event(None) => return Err(eyre!("the network stopped by itself")),
                Next::Event(Some(NetworkEvent::Message { from, message })) => {
                    vec![Input::Message { from, message }]
                }
                Next::Event(Some(NetworkEvent::Connected(member))) => {
                    tracing::info!(%member, "connected");
                    vec![Input::PeerConnected(member)]
                }
                Next::Event(Some(NetworkEvent::Disconnected(member))) => {
                    tracing::info!(%member, "disconnected");
                    continue;
                }
                Next::Submission(submission) => self.gather(submission),
                Next::Wake => vec![Input::Wake],
            };
            self.turn(inputs, &network)?;
            // A busy network must not keep users waiting: they get a turn after each of its messages.
            if let Ok(submission) = self.submissions.try_recv() {
                let inputs = self.gather(submission);
                self.turn(inputs, &network)?;
            }
        }
    }

    fn now(&self) -> Now {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Now {
            monotonic_ms: u64::try_from(self.started.elapsed().as_millis())
                .unwrap_or(u64::MAX)
                .saturating_add(1),
            unix_ms: u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX),
        }
    }

    /// All submissions that wait: their records share one sync.
    fn gather(&mut self, first: Submission) -> Vec<Input> {
        let mut bytes = first.transaction.encode_2718_len();
        let mut inputs = vec![self.submit(first)];
        while inputs.len() < MAX_SUBMISSIONS_PER_GROUP
            && bytes < MAX_SUBMITTED_BYTES_PER_GROUP
            && let Ok(submission) = self.submissions.try_recv()
        {
            bytes += submission.transaction.encode_2718_len();
            inputs.push(self.submit(submission));
        }
        inputs
    }

    fn submit(&mut self, submission: Submission) -> Input {
        let id = self.next_submission;
        self.next_submission = id.wrapping_add(1);
        self.waiting.insert(id, submission.reply);
        Input::Submit { id, transaction: submission.transaction }
    }

    /// Steps through inputs and carries out what they ask for: all records in one group, then commits, then
    /// everything else in order.
    fn turn(&mut self, inputs: Vec<Input>, network: &NetworkHandle) -> eyre::Result<()> {
        let (mut records, mut commits, mut rest) = (Vec::new(), Vec::new(), Vec::new());
        for input in inputs {
            for effect in self.engine.step(self.now(), input) {
                match effect {
                    Effect::Journal(group) => records.extend(group),
                    Effect::Commit(batch) => commits.push(batch),
                    Effect::Halt(reason) => return Err(eyre!("BTN stops here, to do no harm: {reason}")),
                    other => rest.push(other),
                }
            }
        }
        self.append(&records)?;
        for batch in commits {
            self.commit(batch)?;
        }
        let mut outcomes = Vec::new();
        for effect in rest {
            match effect {
                Effect::Send { to, message } => network.send(to, message),
                Effect::Broadcast(message) => network.broadcast(message),
                Effect::WakeAt { monotonic_ms } => self.wake_at_ms = monotonic_ms,
                Effect::Submitted { id, outcome } => outcomes.push((id, outcome)),
                Effect::Journal(_) | Effect::Commit(_) | Effect::Halt(_) => {}
            }
        }
        // Submitters hear of it after the picture shows it: the next nonce they ask for counts it.
        self.publish(!outcomes.is_empty())?;
        for (id, outcome) in outcomes {
            if let Some(reply) = self.waiting.remove(&id) {
                // A submitter that went away does not mind.
                let _ = reply.send(outcome);
            }
        }
        self.compact()
    }

    fn append(&mut self, records: &[JournalRecord]) -> eyre::Result<()> {
        let Journals::Kept(journal) = &mut self.journals else { return Ok(()) };
        if records.is_empty() {
            return Ok(());
        }
        let started = Instant::now();
        journal
            .append(records)
            .wrap_err("the journal cannot be written; BTN stops before it forgets a vote")?;
        metrics::histogram!(metric_names::JOURNAL_SECONDS).record(started.elapsed());
        Ok(())
    }

    fn commit(&mut self, batch: FinalizedBatch) -> eyre::Result<()> {
        let started = Instant::now();
        for finalized in &batch.blocks {
            let block = &finalized.block;
            let age_ms = self.now().unix_ms.saturating_sub(block.envelope.timestamp_ms);
            tracing::info!(
                height = %block.height(), view = %block.envelope.view, hash = %finalized.hash,
                transactions = block.transactions.len(), age_ms, "final"
            );
            metrics::counter!(metric_names::FINAL_TRANSACTIONS).increment(block.transactions.len() as u64);
            metrics::histogram!(metric_names::FINAL_SECONDS).record(Duration::from_millis(age_ms));
        }
        self.store.commit(batch).wrap_err("a final block cannot be written")?;
        metrics::histogram!(metric_names::COMMIT_SECONDS).record(started.elapsed());
        self.finalized_at = Some(Instant::now());
        Ok(())
    }

    fn publish(&mut self, forced: bool) -> eyre::Result<()> {
        let status = self.engine.status();
        // A transaction that replaces another leaves the count; whoever submitted it forces a new picture.
        let shown = (status, self.engine.chain().pool().content().len());
        if self.published == Some(shown) && !forced {
            return Ok(());
        }
        self.published = Some(shown);
        let view = self.engine.chain().view(status.head)?;
        metric_names::show(&status, view.pool().len());
        self.shared.publish(Picture { view, status, finalized_at: self.finalized_at });
        Ok(())
    }

    fn compact(&mut self) -> eyre::Result<()> {
        let Journals::Kept(journal) = &mut self.journals else { return Ok(()) };
        if journal.len_bytes() < self.compact_after_bytes {
            return Ok(());
        }
        let before_bytes = journal.len_bytes();
        journal.rewrite(&self.engine.live_records()).wrap_err("the journal cannot be compacted")?;
        let after_bytes = journal.len_bytes();
        self.compact_after_bytes = COMPACT_AFTER_BYTES.max(after_bytes.saturating_mul(2));
        tracing::debug!(before_bytes, after_bytes, "journal compacted");
        Ok(())
    }
}
