//! Transactions on their way from users to the engine, and the outcomes on their way back.

use alloy_eips::Encodable2718;
use btn_chain::{PoolError, SignedTransaction};
use btn_engine::SubmissionId;
use btn_types::B256;
use std::collections::BTreeMap;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, oneshot};

/// Submissions that may wait for the engine, and as many again that may wait for its answer; beyond it the
/// submitter is told to try again.
const MAX_WAITING_SUBMISSIONS: usize = 4_096;

/// Submissions whose records share one sync, and about how many bytes they may have: far below what one group of
/// the journal holds.
const MAX_SUBMISSIONS_PER_GROUP: usize = 512;
const MAX_SUBMITTED_BYTES_PER_GROUP: usize = 16 * 1024 * 1024;

/// How a submission went.
pub(crate) type Outcome = Result<B256, PoolError>;

/// A transaction on its way to the pool.
pub(crate) struct Submission {
    transaction: Box<SignedTransaction>,
    reply: oneshot::Sender<Outcome>,
}

/// Why a submission got no outcome.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotSubmitted {
    /// Too many wait.
    #[error("too many submissions wait; try again in a moment")]
    Busy,
    /// The engine has ended.
    #[error("the node is stopping")]
    Stopping,
}

/// The way in. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Submitter(mpsc::Sender<Submission>);

impl Submitter {
    /// Hands a transaction to the engine and waits for what becomes of it.
    pub(crate) async fn submit(&self, transaction: SignedTransaction) -> Result<Outcome, NotSubmitted> {
        let (reply, outcome) = oneshot::channel();
        self.0.try_send(Submission { transaction: Box::new(transaction), reply }).map_err(
            |error| match error {
                TrySendError::Full(_) => NotSubmitted::Busy,
                TrySendError::Closed(_) => NotSubmitted::Stopping,
            },
        )?;
        outcome.await.map_err(|_| NotSubmitted::Stopping)
    }
}

/// The engine's end: what waits to be taken, and who waits for an answer.
pub(crate) struct Submissions {
    waiting: mpsc::Receiver<Submission>,
    unanswered: BTreeMap<SubmissionId, oneshot::Sender<Outcome>>,
    next: SubmissionId,
}

/// Both ends.
pub(crate) fn channel() -> (Submitter, Submissions) {
    let (sender, waiting) = mpsc::channel(MAX_WAITING_SUBMISSIONS);
    (Submitter(sender), Submissions { waiting, unanswered: BTreeMap::new(), next: 0 })
}

impl Submissions {
    /// The next submission. Cancel-safe; waits for ever where too many are unanswered, so ask it anew after each
    /// turn of the engine.
    pub(crate) async fn next(&mut self) -> Submission {
        if self.has_room()
            && let Some(submission) = self.waiting.recv().await
        {
            return submission;
        }
        std::future::pending().await
    }

    /// The next submission if one waits.
    pub(crate) fn try_next(&mut self) -> Option<Submission> {
        if self.has_room() { self.waiting.try_recv().ok() } else { None }
    }

    fn has_room(&self) -> bool {
        self.unanswered.len() < MAX_WAITING_SUBMISSIONS
    }

    /// All submissions that wait, as inputs: their records share one sync.
    pub(crate) fn gather<I>(
        &mut self,
        first: Submission,
        input: impl Fn(SubmissionId, Box<SignedTransaction>) -> I,
    ) -> Vec<I> {
        let mut bytes = first.transaction.encode_2718_len();
        let mut inputs = vec![self.number(first, &input)];
        while inputs.len() < MAX_SUBMISSIONS_PER_GROUP
            && bytes < MAX_SUBMITTED_BYTES_PER_GROUP
            && let Some(submission) = self.try_next()
        {
            bytes += submission.transaction.encode_2718_len();
            inputs.push(self.number(submission, &input));
        }
        inputs
    }

    fn number<I>(
        &mut self,
        submission: Submission,
        input: impl Fn(SubmissionId, Box<SignedTransaction>) -> I,
    ) -> I {
        let id = self.next;
        self.next = id.wrapping_add(1);
        self.unanswered.insert(id, submission.reply);
        input(id, submission.transaction)
    }

    /// Tells submitters how it went. One that went away does not mind.
    pub(crate) fn answer(&mut self, outcomes: Vec<(SubmissionId, Outcome)>) {
        for (id, outcome) in outcomes {
            if let Some(reply) = self.unanswered.remove(&id) {
                let _ = reply.send(outcome);
            }
        }
    }
}

#[cfg(test)]
mod tests;
