//! One sample of every kind of message.

use alloy_consensus::{Header, SignableTransaction, TxEnvelope, TxLegacy};
use alloy_primitives::Signature;
use btn_types::{
    B256, Bitmap, Block, BlockRange, Bytes, Certificate, CertificateMessage, Envelope, Epoch, FetchRequest,
    Height, Justification, MemberIndex, Message, NodeId, Proposal, ProposalMessage, SUITE_BLS12_381, Seal,
    Ticket, View, Vote, VoteKind, VoteMessage, VoteSignature,
};
use std::sync::Arc;

pub(crate) fn ticket() -> Ticket {
    Ticket {
        epoch: Epoch(0),
        view: View(8),
        draw_seed: B256::repeat_byte(5),
        member: MemberIndex(2),
        signature: Bytes::from(vec![7; 256]),
    }
}

pub(crate) fn certificate(kind: VoteKind) -> Certificate {
    Certificate {
        suite: SUITE_BLS12_381,
        kind,
        epoch: Epoch(0),
        view: View(6),
        digest: B256::repeat_byte(6),
        bitmap: Bitmap::new(4, [0, 1, 3].map(MemberIndex)),
        aggregate: VoteSignature::repeat_byte(9),
    }
}

pub(crate) fn block() -> Block {
    let transaction = TxLegacy { nonce: 3, gas_limit: 21_000, ..TxLegacy::default() };
    Block {
        header: Header { number: 4, ..Header::default() },
        transactions: vec![TxEnvelope::Legacy(transaction.into_signed(Signature::test_signature()))],
        envelope: Envelope {
            epoch: Epoch(0),
            view: View(7),
            parent_view: View(5),
            clerk: NodeId(B256::repeat_byte(1)),
            clerk_signature: Bytes::from(vec![3; 256]),
            timestamp_ms: 1_700_000_000_123,
            seal_root: B256::ZERO,
            supervisors_root: B256::ZERO,
            supervisors: 0,
        },
        justification: Justification {
            parent_certificate: Some(certificate(VoteKind::Notarize)),
            nullifications: vec![certificate(VoteKind::Nullify)],
        },
        seals: vec![],
    }
}

pub(super) fn vote(view: u64) -> Message {
    let vote = Vote {
        kind: VoteKind::Notarize,
        epoch: Epoch(0),
        view: View(view),
        digest: B256::repeat_byte(4),
        member: MemberIndex(1),
        signature: VoteSignature::repeat_byte(8),
    };
    Message::Vote(VoteMessage { vote, tickets: vec![ticket()] })
}

fn seal() -> Seal {
    Seal {
        supervisor: NodeId(B256::repeat_byte(9)),
        core: B256::repeat_byte(1),
        draw_signature: Bytes::from(vec![3; 256]),
        block_hash: B256::repeat_byte(2),
        signature: Bytes::from(vec![4; 256]),
    }
}

/// A bulk message of `count` transactions of 100,000 bytes each.
pub(super) fn transactions(count: usize) -> Message {
    Message::Transactions(vec![Bytes::from(vec![0x55; 100_000]); count])
}

fn proposal() -> Message {
    let proposal = Proposal {
        epoch: Epoch(0),
        view: View(7),
        parent_view: View(5),
        block_hash: block().hash(),
        clerk: MemberIndex(0),
        clerk_signature: Bytes::from(vec![3; 256]),
        signature: VoteSignature::repeat_byte(2),
    };
    Message::Proposal(Arc::new(ProposalMessage { proposal, block: Arc::new(block()) }))
}

/// Every kind of message, and every kind of question.
pub(super) fn all() -> Vec<Arc<Message>> {
    let range =
        BlockRange { blocks: vec![block(), block()], finalization: Some(certificate(VoteKind::Finalize)) };
    let passed_on =
        CertificateMessage { certificate: certificate(VoteKind::Finalize), tickets: vec![ticket()] };
    [
        proposal(),
        vote(7),
        Message::Certificate(passed_on),
        Message::Candidacy(vec![ticket(), ticket()]),
        Message::Fetch(FetchRequest::Certificates { epoch: Epoch(0), from: View(1), to: View(9) }),
        Message::Fetch(FetchRequest::Proposal { digest: B256::repeat_byte(4) }),
        Message::Fetch(FetchRequest::Range { from: Height(12) }),
        Message::Certificates(vec![certificate(VoteKind::Notarize), certificate(VoteKind::Nullify)]),
        Message::Range(Box::new(range)),
        transactions(3),
        Message::Seals(vec![seal(), seal()]),
    ]
    .map(Arc::new)
    .into()
}
