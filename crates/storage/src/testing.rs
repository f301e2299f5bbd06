//! Sample values and generators shared by this crate's tests.

use crate::{FinalizedBatch, FinalizedBlock, Identity, SealedBlock, StoreReader};
use alloy_consensus::{
    Eip658Value, Header, Receipt, ReceiptEnvelope, ReceiptWithBloom, SignableTransaction, TxEip1559,
    TxEip2930, TxEip7702, TxEnvelope, TxLegacy,
};
use alloy_primitives::{Log, Signature, TxKind};
use btn_types::{
    Account, AccountDiff, Address, B256, Bitmap, Block, Bytes, Certificate, Envelope, Epoch, Height,
    JournalRecord, Justification, MemberIndex, NodeId, Proposal, ProposalMessage, Seal, SealRecord,
    StateDiff, U256, View, Vote, VoteKind, VoteSignature,
};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::sync::Arc;

pub(crate) const CACHE_BYTES: usize = 1024 * 1024;

pub(crate) fn hash(byte: u8) -> B256 {
    B256::repeat_byte(byte)
}

pub(crate) fn address(byte: u8) -> Address {
    Address::repeat_byte(byte)
}

pub(crate) fn identity() -> Identity {
    Identity { chain: hash(0xc1), node_id: NodeId(hash(0x1d)) }
}

/// One transaction of each type that a block may hold: 0, 1, 2, 4.
pub(crate) fn transactions(nonce: u64) -> Vec<TxEnvelope> {
    let signature = || Signature::new(U256::from(nonce + 7), U256::from(9), true);
    let to = address(0xaa);
    vec![
        TxLegacy { nonce, to: TxKind::Call(to), ..Default::default() }.into_signed(signature()).into(),
        TxEip2930 { nonce, to: TxKind::Create, ..Default::default() }.into_signed(signature()).into(),
        TxEip1559 { nonce, to: TxKind::Call(to), ..Default::default() }.into_signed(signature()).into(),
        TxEip7702 { nonce, to, ..Default::default() }.into_signed(signature()).into(),
    ]
}

/// One receipt of each of those types, with a log.
pub(crate) fn receipts(gas: u64) -> Vec<ReceiptEnvelope> {
    let log = Log::new_unchecked(address(0xbb), vec![hash(1), hash(2)], Bytes::from_static(b"data"));
    let receipt = |gas| {
        let receipt =
            Receipt { status: Eip658Value::Eip658(true), cumulative_gas_used: gas, logs: vec![log.clone()] };
        ReceiptWithBloom::from(receipt)
    };
    vec![
        ReceiptEnvelope::Legacy(receipt(gas)),
        ReceiptEnvelope::Eip2930(receipt(2 * gas)),
        ReceiptEnvelope::Eip1559(receipt(3 * gas)),
        ReceiptEnvelope::Eip7702(receipt(4 * gas)),
    ]
}

pub(crate) fn certificate(kind: VoteKind, view: u64) -> Certificate {
    Certificate {
        suite: 1,
        kind,
        epoch: Epoch(0),
        view: View(view),
        digest: if kind == VoteKind::Nullify { B256::ZERO } else { hash(0xd1) },
        bitmap: Bitmap::new(4, [MemberIndex(0), MemberIndex(1), MemberIndex(3)]),
        aggregate: VoteSignature::repeat_byte(0x5a),
    }
}

pub(crate) fn block(height: u64, parent_hash: B256, transactions: Vec<TxEnvelope>) -> Block {
    let parent_view = View(2 * height);
    Block {
        header: Header { number: height, parent_hash, mix_hash: hash(0x5e), ..Default::default() },
        transactions,
        envelope: Envelope {
            epoch: Epoch(0),
            view: View(2 * height + 2),
            parent_view,
            clerk: NodeId(hash(0x1d)),
            clerk_signature: Bytes::from(vec![7; 256]),
            timestamp_ms: 1_000 * height,
            seal_root: hash(0x5f),
            supervisors_root: hash(0x60),
            supervisors: 3,
        },
        justification: Justification {
            parent_certificate: Some(certificate(VoteKind::Notarize, parent_view.0)),
            nullifications: vec![certificate(VoteKind::Nullify, parent_view.0 + 1)],
        },
        seals: (1..=2).map(|supervisor| seal(supervisor, parent_hash)).collect(),
    }
}

pub(crate) fn seal(supervisor: u8, block_hash: B256) -> Seal {
    Seal {
        supervisor: NodeId(hash(supervisor)),
        core: hash(0xc0),
        draw_signature: Bytes::from(vec![supervisor; 256]),
        block_hash,
        signature: Bytes::from(vec![supervisor ^ 0xff; 256]),
    }
}

/// The block as the third state, sealed by so many supervisors.
pub(crate) fn sealed(finalized: &FinalizedBlock, supervisors: u8) -> SealedBlock {
    let hash = finalized.hash;
    let seals = (1..=supervisors).map(|supervisor| seal(supervisor, hash)).collect();
    SealedBlock { height: finalized.block.height(), hash, seals }
}

/// A block with four transactions and their receipts, and the Finalization at even heights.
pub(crate) fn finalized(height: u64, parent_hash: B256, diff: StateDiff) -> FinalizedBlock {
    let (transactions, receipts) =
        if height == 0 { (Vec::new(), Vec::new()) } else { (transactions(height), receipts(21_000)) };
    let block = block(height, parent_hash, transactions);
    let finalization =
        height.is_multiple_of(2).then(|| certificate(VoteKind::Finalize, block.envelope.view.0));
    FinalizedBlock { hash: block.hash(), block: Arc::new(block), receipts, diff, finalization }
}

/// Consecutive blocks from genesis on, one for each difference.
pub(crate) fn chain(diffs: Vec<StateDiff>) -> Vec<FinalizedBlock> {
    let mut blocks: Vec<FinalizedBlock> = Vec::new();
    for (height, diff) in (0..).zip(diffs) {
        let parent_hash = blocks.last().map_or(B256::ZERO, |parent| parent.hash);
        blocks.push(finalized(height, parent_hash, diff));
    }
    blocks
}

pub(crate) fn batch(blocks: &[FinalizedBlock]) -> FinalizedBatch {
    FinalizedBatch { blocks: blocks.to_vec(), sealed: None }
}

pub(crate) fn account(nonce: u64) -> Account {
    Account { nonce, balance: U256::from(1_000 + nonce), ..Account::default() }
}

pub(crate) fn slots(slots: &[(u64, u64)]) -> BTreeMap<U256, U256> {
    slots.iter().map(|(slot, value)| (U256::from(*slot), U256::from(*value))).collect()
}

pub(crate) fn diff(accounts: Vec<(Address, AccountDiff)>) -> StateDiff {
    StateDiff { accounts: accounts.into_iter().collect(), codes: BTreeMap::new() }
}

/// The whole state behind a reader.
pub(crate) fn state(reader: &dyn StoreReader) -> BTreeMap<Address, (Account, BTreeMap<U256, U256>)> {
    let mut state = BTreeMap::new();
    let mut previous = None;
    reader
        .for_each_account(&mut |address, account, slots| {
            assert!(previous < Some(address), "{address} after {previous:?}");
            previous = Some(address);
            let slots: Vec<_> = slots.collect::<Result<_, _>>()?;
            assert!(slots.is_sorted(), "{slots:?}");
            state.insert(address, (account, slots.into_iter().collect()));
            Ok(())
        })
        .unwrap();
    state
}

pub(crate) fn vote(view: u64) -> JournalRecord {
    JournalRecord::Voted(Vote {
        kind: VoteKind::Notarize,
        epoch: Epoch(0),
        view: View(view),
        digest: hash(0xd1),
        member: MemberIndex(2),
        signature: VoteSignature::repeat_byte(0x51),
    })
}

pub(crate) fn proposal_message(block: Block) -> ProposalMessage {
    let proposal = Proposal {
        epoch: Epoch(0),
        view: block.envelope.view,
        parent_view: block.envelope.parent_view,
        block_hash: block.hash(),
        clerk: MemberIndex(1),
        clerk_signature: block.envelope.clerk_signature.clone(),
        signature: VoteSignature::repeat_byte(0x52),
    };
    ProposalMessage { proposal, block: Arc::new(block) }
}

fn body(height: u64) -> Block {
    block(height, hash(0x0b), transactions(height))
}

/// One record of each kind.
pub(crate) fn one_of_each() -> Vec<JournalRecord> {
    vec![
        JournalRecord::Proposed(Arc::new(proposal_message(body(3)))),
        vote(5),
        JournalRecord::Certificate(certificate(VoteKind::Notarize, 5)),
        JournalRecord::Body(Arc::new(proposal_message(body(4)))),
        JournalRecord::Transaction(Bytes::from_static(b"\x02transaction")),
        seal_record(7),
    ]
}

/// A supervisor's record of its own seal.
pub(crate) fn seal_record(view: u64) -> JournalRecord {
    let seal = seal(3, hash(0x0b));
    JournalRecord::Sealed(Box::new(SealRecord {
        epoch: Epoch(0),
        view: View(view),
        height: Height(view),
        seal,
    }))
}

fn any_hash() -> impl Strategy<Value = B256> {
    any::<[u8; 32]>().prop_map(B256::from)
}

fn any_signature() -> impl Strategy<Value = VoteSignature> {
    proptest::collection::vec(any::<u8>(), 96).prop_map(|bytes| VoteSignature::from_slice(&bytes))
}

fn any_kind() -> impl Strategy<Value = VoteKind> {
    prop_oneof![Just(VoteKind::Notarize), Just(VoteKind::Nullify), Just(VoteKind::Finalize)]
}

fn any_vote() -> impl Strategy<Value = Vote> {
    (any_kind(), any::<u64>(), any::<u64>(), any_hash(), any::<u16>(), any_signature()).prop_map(
        |(kind, epoch, view, digest, member, signature)| Vote {
            kind,
            epoch: Epoch(epoch),
            view: View(view),
            digest,
            member: MemberIndex(member),
            signature,
        },
    )
}

fn any_certificate() -> impl Strategy<Value = Certificate> {
    let members = proptest::collection::btree_set(0u16..150, 0..20);
    (any::<u16>(), any_kind(), any::<u64>(), any::<u64>(), any_hash(), members, any_signature()).prop_map(
        |(suite, kind, epoch, view, digest, members, aggregate)| Certificate {
            suite,
            kind,
            epoch: Epoch(epoch),
            view: View(view),
            digest,
            bitmap: Bitmap::new(150, members.into_iter().map(MemberIndex)),
            aggregate,
        },
    )
}

fn any_proposal_message() -> impl Strategy<Value = Arc<ProposalMessage>> {
    let justification =
        (proptest::option::of(any_certificate()), proptest::collection::vec(any_certificate(), 0..3));
    (any::<u32>(), 0usize..5, justification, any_signature(), any_hash()).prop_map(
        |(height, count, (parent_certificate, nullifications), signature, seed)| {
            let mut block = body(u64::from(height));
            block.transactions.truncate(count);
            block.header.mix_hash = seed;
            block.justification = Justification { parent_certificate, nullifications };
            let mut message = proposal_message(block);
            message.proposal.signature = signature;
            Arc::new(message)
        },
    )
}

/// Any record that the program can write.
pub(crate) fn any_record() -> impl Strategy<Value = JournalRecord> {
    prop_oneof![
        any_proposal_message().prop_map(JournalRecord::Proposed),
        any_vote().prop_map(JournalRecord::Voted),
        any_certificate().prop_map(JournalRecord::Certificate),
        any_proposal_message().prop_map(JournalRecord::Body),
        proptest::collection::vec(any::<u8>(), 0..300)
            .prop_map(|bytes| JournalRecord::Transaction(bytes.into())),
        any::<u64>().prop_map(seal_record),
    ]
}

fn any_account_diff() -> impl Strategy<Value = AccountDiff> {
    let slots = proptest::collection::btree_map(0u64..6, 0u64..3, 0..5);
    (proptest::option::weighted(0.8, 0u64..9), proptest::bool::weighted(0.2), slots).prop_map(
        |(nonce, storage_wiped, slots)| AccountDiff {
            account: nonce.map(account),
            storage_wiped,
            storage: slots.into_iter().map(|(slot, value)| (U256::from(slot), U256::from(value))).collect(),
        },
    )
}

/// Differences that meet often: few accounts, few slots, small values, zeros among them.
pub(crate) fn any_diff() -> impl Strategy<Value = StateDiff> {
    proptest::collection::btree_map((1u8..6).prop_map(address), any_account_diff(), 0..5)
        .prop_map(|accounts| StateDiff { accounts, codes: BTreeMap::new() })
}
