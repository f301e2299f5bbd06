//! Submissions wait within bounds, and each outcome finds its submitter.

use super::*;
use alloy_consensus::{SignableTransaction, TxEip1559};
use alloy_primitives::{Address, Signature, U256};

fn transaction(nonce: u64) -> SignedTransaction {
    let unsigned = TxEip1559 { nonce, ..TxEip1559::default() };
    let signed = unsigned.into_signed(Signature::new(U256::from(1), U256::from(1), false));
    SignedTransaction::new_unchecked(signed.into(), Address::ZERO)
}

fn nonces(inputs: &[(SubmissionId, Box<SignedTransaction>)]) -> Vec<u64> {
    inputs.iter().map(|(_, transaction)| alloy_consensus::Transaction::nonce(&***transaction)).collect()
}

#[tokio::test]
async fn each_outcome_finds_its_submitter() {
    let (submitter, mut submissions) = channel();
    let tasks: Vec<_> = (0..3)
        .map(|nonce| {
            let submitter = submitter.clone();
            tokio::spawn(async move { submitter.submit(transaction(nonce)).await })
        })
        .collect();
    let mut inputs = Vec::new();
    while inputs.len() < 3 {
        let first = submissions.next().await;
        inputs.extend(submissions.gather(first, |id, transaction| (id, transaction)));
    }
    let mut outcomes: Vec<_> = nonces(&inputs)
        .into_iter()
        .zip(&inputs)
        .map(|(nonce, (id, _))| (*id, Ok(B256::with_last_byte(u8::try_from(nonce).unwrap()))))
        .collect();
    outcomes.reverse();
    submissions.answer(outcomes);
    for (nonce, task) in tasks.into_iter().enumerate() {
        let outcome = task.await.unwrap().unwrap().unwrap();
        assert_eq!(outcome, B256::with_last_byte(u8::try_from(nonce).unwrap()));
    }
}

#[tokio::test]
async fn a_full_queue_refuses_and_an_ended_engine_is_said() {
    let (submitter, submissions) = channel();
    for nonce in 0..MAX_WAITING_SUBMISSIONS as u64 {
        let (reply, _) = oneshot::channel();
        submitter.0.try_send(Submission { transaction: Box::new(transaction(nonce)), reply }).unwrap();
    }
    assert!(matches!(submitter.submit(transaction(0)).await, Err(NotSubmitted::Busy)));
    drop(submissions);
    assert!(matches!(submitter.submit(transaction(0)).await, Err(NotSubmitted::Stopping)));
}

#[tokio::test]
async fn groups_are_bounded_and_nothing_more_is_taken_while_too_many_are_unanswered() {
    let (submitter, mut submissions) = channel();
    let mut taken = Vec::new();
    let mut receivers = Vec::new();
    while taken.len() < MAX_WAITING_SUBMISSIONS {
        for nonce in 0..MAX_SUBMISSIONS_PER_GROUP as u64 {
            let (reply, outcome) = oneshot::channel();
            submitter.0.try_send(Submission { transaction: Box::new(transaction(nonce)), reply }).unwrap();
            receivers.push(outcome);
        }
        let first = submissions.next().await;
        let group = submissions.gather(first, |id, _| id);
        assert!(group.len() <= MAX_SUBMISSIONS_PER_GROUP);
        taken.extend(group);
    }
    let (reply, _outcome) = oneshot::channel();
    submitter.0.try_send(Submission { transaction: Box::new(transaction(1)), reply }).unwrap();
    assert!(submissions.try_next().is_none(), "too many wait for an answer");
    submissions.answer(vec![(taken[0], Ok(B256::ZERO))]);
    assert!(submissions.try_next().is_some());
}
