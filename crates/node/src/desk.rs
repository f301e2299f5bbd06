//! What a master does for its supervisors beside the engine: greets them, answers their pulls and questions, and takes
//! in their seals and transactions. Nothing here waits for the engine's thread but a submission's outcome, and
//! nothing makes it wait.

use crate::bulletin::Bulletin;
use crate::metric_names;
use crate::seal_queue::SealQueue;
use crate::shared::{Picture, Shared};
use btn_chain::{ChainView, PoolError, TransactionPlace, ViewError, recover};
use btn_engine::Feed;
use btn_network::{Reply, SupervisorEvent, SupervisorEvents};
use btn_types::supervision::{MasterReply, PullRequest, Pulled, ReceiptSummary, SupervisorCall};
use btn_types::{B256, Bytes, NodeId, Seal};
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Calls that may be under way; beyond it a supervisor is told to ask another master.
const MAX_CALLS_IN_FLIGHT: usize = 256;

/// Calls that read the disk at the same time: each occupies a thread, and the disk is consensus' first.
const MAX_READS_AT_ONCE: usize = 4;

/// Why seals are refused.
const NO_ROOM: &str = "too many seals wait here; they are to be given again";

/// Why a call is refused.
const BUSY: &str = "this master has too many calls to answer; ask another one";

/// The desk.
pub(crate) struct Desk {
    pub(crate) shared: Arc<Shared>,
    pub(crate) bulletin: Bulletin,
    pub(crate) seals: SealQueue,
}

/// Calls under way, those of them that read, and pulls that read: a flood of questions must not keep blocks from
/// anybody.
#[derive(Clone)]
struct Slots {
    calls: Arc<Semaphore>,
    reads: Arc<Semaphore>,
    pull_reads: Arc<Semaphore>,
}

impl Desk {
    /// Serves until the port is shut down.
    pub(crate) async fn serve(self, mut events: SupervisorEvents) {
        let slots = Slots {
            calls: Arc::new(Semaphore::new(MAX_CALLS_IN_FLIGHT)),
            reads: Arc::new(Semaphore::new(MAX_READS_AT_ONCE)),
            pull_reads: Arc::new(Semaphore::new(MAX_READS_AT_ONCE)),
        };
        while let Some(event) = events.recv().await {
            match event {
                SupervisorEvent::Connected(supervisor) => {
                    let bulletin = self.bulletin.clone();
                    // Before anything is announced the greeting reads the disk.
                    tokio::task::spawn_blocking(move || {
                        bulletin.port().greet(supervisor, &bulletin.feed().greeting());
                    });
                }
                SupervisorEvent::Disconnected(_) => {}
                SupervisorEvent::Called { from, call, reply } => self.answer(from, call, reply, &slots),
            }
        }
    }

    fn answer(&self, from: NodeId, call: SupervisorCall, reply: Reply, slots: &Slots) {
        match call {
            SupervisorCall::Seal(seals) => {
                reply.send(match self.take_seals(from, seals) {
                    0 => MasterReply::Sealed,
                    _ => MasterReply::Failed(NO_ROOM.to_owned()),
                });
            }
            SupervisorCall::Candidates => reply.send(MasterReply::Candidates(self.shared.candidates())),
            SupervisorCall::Status => reply.send(MasterReply::Status(self.shared.picture().summary())),
            SupervisorCall::Submit(bytes) => self.submit(bytes, reply, slots),
            SupervisorCall::Pull(request) => {
                let bulletin = self.bulletin.clone();
                // The port bounds how many of them are under way.
                read(None, &slots.pull_reads, reply, move || pull(&bulletin.feed(), &request));
            }
            SupervisorCall::Receipt(hash) => {
                let picture = self.shared.picture();
                let Ok(slot) = Arc::clone(&slots.calls).try_acquire_owned() else {
                    return reply.send(MasterReply::Failed(BUSY.to_owned()));
                };
                read(Some(slot), &slots.reads, reply, move || receipt(&picture, hash));
            }
        }
    }

    /// Gives how many found no room.
    fn take_seals(&self, from: NodeId, seals: Vec<Seal>) -> usize {
        let offered = self.seals.offer(from, seals);
        metric_names::count_offered(offered);
        if offered.foreign > 0 {
            tracing::debug!(supervisor = %from, count = offered.foreign, "seals of others are not taken from a link");
        }
        offered.dropped
    }

    fn submit(&self, bytes: Bytes, reply: Reply, slots: &Slots) {
        let Ok(slot) = Arc::clone(&slots.calls).try_acquire_owned() else {
            return reply.send(MasterReply::Failed(BUSY.to_owned()));
        };
        let submitter = self.shared.submitter.clone();
        tokio::spawn(async move {
            let outcome = match recover(&bytes) {
                Ok(transaction) => submitter.submit(transaction).await,
                Err(error) => Ok(Err(PoolError::from(error))),
            };
            reply.send(match outcome {
                Ok(outcome) => MasterReply::Submitted(outcome.map_err(|error| error.to_string())),
                Err(error) => MasterReply::Failed(error.to_string()),
            });
            drop(slot);
        });
    }
}

/// Answers from the disk, on a thread where that may block.
fn read(
    slot: Option<OwnedSemaphorePermit>,
    reads: &Arc<Semaphore>,
    reply: Reply,
    answer: impl FnOnce() -> MasterReply + Send + 'static,
) {
    let reads = Arc::clone(reads);
    tokio::spawn(async move {
        let Ok(turn) = reads.acquire_owned().await else { return };
        // If the thread is not to be had, the node is stopping: a reply that is dropped answers "failed".
        let _ = tokio::task::spawn_blocking(move || {
            reply.send(answer());
            drop((turn, slot));
        })
        .await;
    });
}

fn pull(feed: &Feed, request: &PullRequest) -> MasterReply {
    let pulled = match feed.answer(request) {
        Ok(pulled) => pulled,
        // A damaged old block is no reason to stop; whoever asks gets no answer.
        Err(error) => {
            tracing::error!(%error, "blocks could not be read for a supervisor");
            return MasterReply::Failed("this master cannot read the block".to_owned());
        }
    };
    metric_names::count_pull(match &pulled {
        Pulled::Nothing => "nothing",
        Pulled::Block(_) => "block",
        Pulled::Range(_) => "range",
    });
    MasterReply::Pulled(pulled)
}

fn receipt(picture: &Picture, hash: B256) -> MasterReply {
    match find_receipt(&picture.view, hash) {
        Ok(found) => MasterReply::Receipt(found.map(|found| ReceiptSummary {
            third_state: found.height <= picture.standing.third_height,
            ..found
        })),
        Err(error) => {
            tracing::error!(%error, "a receipt could not be read for a supervisor");
            MasterReply::Failed("this master cannot read the receipt".to_owned())
        }
    }
}

/// The receipt without its block's state.
fn find_receipt(view: &ChainView, hash: B256) -> Result<Option<ReceiptSummary>, ViewError> {
    let Some(TransactionPlace::Final { block, index }) = view.transaction(hash)? else { return Ok(None) };
    let receipts = view.receipts(&block)?;
    let Some(receipt) = receipts.get(index) else { return Ok(None) };
    let before = index.checked_sub(1).and_then(|before| receipts.get(before));
    let gas_before = before.map_or(0, |before| before.cumulative_gas_used());
    Ok(Some(ReceiptSummary {
        height: block.block.height(),
        block_hash: block.hash,
        succeeded: receipt.status(),
        gas_used: receipt.cumulative_gas_used().saturating_sub(gas_before),
        third_state: false,
    }))
}
