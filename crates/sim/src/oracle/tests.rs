//! The judge itself: each rule broken once.

use super::*;
use btn_storage::MemoryStore;
use btn_types::{
    Bitmap, Certificate, Epoch, JournalRecord, SUITE_BLS12_381, Vote, VoteKind, VoteMessage, VoteSignature,
};

const MEMBER: MemberIndex = MemberIndex(1);

fn oracle(checks: Checks) -> Oracle {
    Oracle::new(checks, 4, (0..4).map(MemberIndex).collect(), B256::repeat_byte(9), 0)
}

fn vote(kind: VoteKind, view: u64, digest: u8) -> Vote {
    let (view, digest) = (View(view), B256::repeat_byte(digest));
    Vote { kind, epoch: Epoch(0), view, digest, member: MEMBER, signature: VoteSignature::ZERO }
}

fn certificate(kind: VoteKind, digest: u8, signers: &[u16]) -> Certificate {
    Certificate {
        suite: SUITE_BLS12_381,
        kind,
        epoch: Epoch(0),
        view: View(7),
        digest: B256::repeat_byte(digest),
        bitmap: Bitmap::new(4, signers.iter().copied().map(MemberIndex)),
        aggregate: VoteSignature::ZERO,
    }
}

fn broken(outcome: Result<(), Violation>) -> Invariant {
    outcome.unwrap_err().invariant
}

fn message(vote: &Vote) -> Message {
    Message::Vote(VoteMessage { vote: vote.clone(), tickets: Vec::new() })
}

#[test]
fn a_vote_must_be_on_disk_before_it_is_sent() {
    let (mut oracle, mut disk) = (oracle(Checks::ALL), Disk::new(MemoryStore::new()));
    let vote = vote(VoteKind::Notarize, 1, 1);
    assert_eq!(broken(oracle.on_send(MEMBER, &disk, &message(&vote))), Invariant::LogBeforeSend);
    disk.append(crate::Runner::Faithful, vec![JournalRecord::Voted(vote.clone())]);
    assert_eq!(oracle.on_send(MEMBER, &disk, &message(&vote)), Ok(()));
}

#[test]
fn slashable_pairs_are_seen_and_split_votes_are_none() {
    use VoteKind::{Finalize, Notarize, Nullify};
    let judge = |first: Vote, second: Vote| {
        let (mut oracle, disk) = (oracle(Checks::NO_DISK), Disk::default());
        oracle.on_send(MEMBER, &disk, &message(&first)).unwrap();
        oracle.on_send(MEMBER, &disk, &message(&second))
    };
    let pairs = [
        (vote(Notarize, 1, 1), vote(Notarize, 1, 2)),
        (vote(Finalize, 1, 1), vote(Finalize, 1, 2)),
        (vote(Nullify, 1, 0), vote(Finalize, 1, 2)),
        (vote(Finalize, 1, 2), vote(Nullify, 1, 0)),
    ];
    for (first, second) in pairs {
        assert_eq!(broken(judge(first, second)), Invariant::NoSlashablePair);
    }
    let fine = [
        (vote(Notarize, 1, 1), vote(Notarize, 1, 1)),
        (vote(Notarize, 1, 1), vote(Notarize, 2, 2)),
        (vote(Notarize, 1, 1), vote(Finalize, 1, 2)),
        (vote(Notarize, 1, 1), vote(Nullify, 1, 0)),
    ];
    for (first, second) in fine {
        assert_eq!(judge(first, second), Ok(()));
    }
}

#[test]
fn certificates_that_contradict_or_lack_signers_are_seen() {
    use VoteKind::{Finalize, Notarize, Nullify};
    let judge = |certificates: &[Certificate]| {
        let records: Vec<_> = certificates.iter().cloned().map(JournalRecord::Certificate).collect();
        oracle(Checks::NO_DISK).on_journal(&records, true)
    };
    let all = [0, 1, 2];
    assert_eq!(judge(&[certificate(Notarize, 1, &all), certificate(Finalize, 1, &[1, 2, 3])]), Ok(()));
    assert_eq!(judge(&[certificate(Notarize, 1, &all), certificate(Nullify, 0, &all)]), Ok(()));
    let two = judge(&[certificate(Notarize, 1, &all), certificate(Notarize, 2, &all)]);
    assert_eq!(broken(two), Invariant::OneNotarizationPerView);
    let two = judge(&[certificate(Notarize, 1, &all), certificate(Finalize, 2, &all)]);
    assert_eq!(broken(two), Invariant::OneNotarizationPerView);
    let both = judge(&[certificate(Finalize, 1, &all), certificate(Nullify, 0, &all)]);
    assert_eq!(broken(both), Invariant::NeverFinalAndNullified);
    assert_eq!(broken(judge(&[certificate(Nullify, 0, &[0, 1])])), Invariant::QuorumOfMembers);
    let mut long = certificate(Nullify, 0, &all);
    long.bitmap = Bitmap::new(12, all.map(MemberIndex));
    assert_eq!(broken(judge(&[long])), Invariant::QuorumOfMembers);
}

#[test]
fn a_certificate_names_only_who_has_voted() {
    let mut oracle = oracle(Checks::ALL);
    let signed = |member| Vote { member: MemberIndex(member), ..vote(VoteKind::Notarize, 7, 1) };
    let votes: Vec<_> = (0..2).map(|member| JournalRecord::Voted(signed(member))).collect();
    oracle.on_journal(&votes, true).unwrap();
    let record = [JournalRecord::Certificate(certificate(VoteKind::Notarize, 1, &[0, 1, 2]))];
    assert_eq!(broken(oracle.on_journal(&record, true)), Invariant::QuorumOfMembers);
}

#[test]
fn views_and_floors_do_not_fall() {
    let mut oracle = oracle(Checks::ALL);
    oracle.on_stand(MEMBER, View(3), View(5)).unwrap();
    oracle.on_stand(MEMBER, View(3), View(5)).unwrap();
    assert_eq!(broken(oracle.on_stand(MEMBER, View(3), View(4))), Invariant::ViewsOnlyRise);
    assert_eq!(broken(oracle.on_stand(MEMBER, View(2), View(6))), Invariant::ViewsOnlyRise);
}

/// Blocks made by hand: what the chain's judge asks of them.
mod chain {
    use super::*;
    use alloy_consensus::Header;
    use btn_crypto::Domain;
    use btn_storage::{FinalizedBatch, FinalizedBlock};
    use btn_types::{Block, Bytes, Envelope, Justification, NodeId, StateDiff};
    use std::sync::Arc;

    fn domain() -> Domain {
        Domain::new(B256::repeat_byte(9))
    }

    /// A block of a view on a parent, with everything in it that the rules demand.
    fn block(parent: Option<&Block>, view: u64) -> Block {
        let (parent_hash, parent_view, parent_seed) = match parent {
            Some(parent) => (parent.hash(), parent.envelope.view, parent.seed()),
            None => (domain().chain(), View(0), domain().genesis_seed()),
        };
        let clerk_signature = Bytes::from(vec![1; 256]);
        let seed = domain().seed(parent_seed, &clerk_signature);
        let number = parent.map_or(1, |parent| parent.header.number + 1);
        let parent_certificate = parent.map(|parent| {
            let digest = domain().proposal(Epoch(0), parent_view, parent.envelope.parent_view, parent.hash());
            Certificate { view: parent_view, digest, ..certificate(VoteKind::Notarize, 0, &[0, 1, 2]) }
        });
        let skipped = (parent_view.0 + 1..view).map(View);
        let nullified = |view| Certificate { view, ..certificate(VoteKind::Nullify, 0, &[0, 1, 2]) };
        Block {
            header: Header { parent_hash, number, mix_hash: seed, ..Header::default() },
            transactions: Vec::new(),
            envelope: Envelope {
                epoch: Epoch(0),
                view: View(view),
                parent_view,
                clerk: NodeId::default(),
                clerk_signature,
                timestamp_ms: number,
                seal_root: B256::ZERO,
                supervisors_root: B256::ZERO,
                supervisors: 0,
            },
            justification: Justification {
                parent_certificate,
                nullifications: skipped.map(nullified).collect(),
            },
            seals: Vec::new(),
        }
    }

    fn commit(oracle: &mut Oracle, member: u16, block: &Block) -> Result<(), Violation> {
        let finalized = FinalizedBlock {
            hash: block.hash(),
            block: Arc::new(block.clone()),
            receipts: Vec::new(),
            diff: StateDiff::default(),
            finalization: None,
        };
        oracle.on_commit(MemberIndex(member), &FinalizedBatch { blocks: vec![finalized], sealed: None })
    }

    /// What is found when the second block of a chain is changed so.
    fn found(change: impl Fn(&mut Block)) -> Result<(), Violation> {
        let mut oracle = oracle(Checks::OUTCOME);
        let first = block(None, 2);
        commit(&mut oracle, 0, &first)?;
        let mut second = block(Some(&first), 5);
        change(&mut second);
        commit(&mut oracle, 0, &second)
    }

    #[test]
    fn a_linked_chain_is_fine_and_every_broken_link_is_seen() {
        assert_eq!(found(|_| ()), Ok(()));
        let linked = |change: fn(&mut Block)| assert_eq!(broken(found(change)), Invariant::LinkedChain);
        linked(|block| block.header.parent_hash = B256::ZERO);
        linked(|block| block.header.number = 3);
        linked(|block| block.envelope.parent_view = View(1));
        linked(|block| block.envelope.view = View(2));
        linked(|block| block.envelope.timestamp_ms = 1);
        linked(|block| drop(block.justification.nullifications.pop()));
        linked(|block| block.justification.parent_certificate = None);
        linked(|block| {
            let held = block.justification.parent_certificate.iter_mut();
            held.for_each(|held| held.digest = B256::ZERO);
        });
        assert_eq!(broken(found(|block| block.header.mix_hash = B256::ZERO)), Invariant::Seeds);
    }

    #[test]
    fn another_block_at_a_height_is_a_fork() {
        let mut oracle = oracle(Checks::OUTCOME);
        commit(&mut oracle, 0, &block(None, 1)).unwrap();
        commit(&mut oracle, 1, &block(None, 1)).unwrap();
        let mut other = block(None, 1);
        other.header.gas_used = 1;
        assert_eq!(broken(commit(&mut oracle, 2, &other)), Invariant::OneBlockPerHeight);
    }

    #[test]
    fn a_nonce_counts_once() {
        let mut oracle = oracle(Checks::OUTCOME);
        let transfer = crate::transfers()[0][0].inner().clone();
        let mut first = block(None, 1);
        first.transactions = vec![transfer.clone()];
        commit(&mut oracle, 0, &first).unwrap();
        assert!(oracle.is_final(transfer.tx_hash()));
        let mut second = block(Some(&first), 2);
        second.transactions = vec![transfer];
        assert_eq!(broken(commit(&mut oracle, 0, &second)), Invariant::NonceOnce);
    }
}
