//! Random values of every wire and disk type, within their limits.

use alloy_consensus::{Header, SignableTransaction, TxEip1559, TxEip2930, TxEip7702, TxEnvelope, TxLegacy};
use alloy_eips::eip2930::{AccessList, AccessListItem};
use alloy_eips::eip7702::Authorization;
use alloy_primitives::{Address, B64, B256, Bloom, Bytes, Signature, TxKind, U256};
use btn_types::limits::{MAX_BITMAP_BYTES, MAX_RSA_SIGNATURE_BYTES, MAX_TICKETS};
use btn_types::supervision::{Announcement, BlockPlace, PullRequest, Pulled};
use btn_types::*;
use proptest::collection::vec;
use proptest::prelude::*;
use std::sync::Arc;

/// Any 64-bit number, with the edges that RLP treats apart more often than chance would.
fn number() -> impl Strategy<Value = u64> {
    prop_oneof![Just(0), Just(1), Just(0x7f), Just(0x80), Just(u64::MAX), any::<u64>(), 0..1_000_u64]
}

fn digest() -> impl Strategy<Value = B256> {
    any::<[u8; 32]>().prop_map(B256::from)
}

fn address() -> impl Strategy<Value = Address> {
    any::<[u8; 20]>().prop_map(Address::from)
}

fn wide() -> impl Strategy<Value = U256> {
    prop_oneof![number().prop_map(U256::from), any::<[u8; 32]>().prop_map(U256::from_be_bytes)]
}

fn bytes(most: usize) -> impl Strategy<Value = Bytes> {
    vec(any::<u8>(), 0..=most).prop_map(Bytes::from)
}

fn member() -> impl Strategy<Value = MemberIndex> {
    any::<u16>().prop_map(MemberIndex)
}

fn vote_signature() -> impl Strategy<Value = VoteSignature> {
    any::<[u8; 32]>().prop_map(|seed| VoteSignature::from_slice(&[seed, seed, seed].concat()))
}

fn kind() -> impl Strategy<Value = VoteKind> {
    prop_oneof![Just(VoteKind::Notarize), Just(VoteKind::Nullify), Just(VoteKind::Finalize)]
}

/// Any vote.
pub fn vote() -> impl Strategy<Value = Vote> {
    (kind(), number(), number(), digest(), member(), vote_signature()).prop_map(
        |(kind, epoch, view, digest, member, signature)| Vote {
            kind,
            epoch: Epoch(epoch),
            view: View(view),
            digest,
            member,
            signature,
        },
    )
}

/// Any set of members of any committee up to the limit.
pub fn bitmap() -> impl Strategy<Value = Bitmap> {
    vec(any::<bool>(), 0..=MAX_BITMAP_BYTES * 8).prop_map(|members| {
        let signers = (0..).zip(&members).filter(|(_, signs)| **signs).map(|(index, _)| MemberIndex(index));
        Bitmap::new(members.len(), signers)
    })
}

/// Any certificate.
pub fn certificate() -> impl Strategy<Value = Certificate> {
    (any::<u16>(), kind(), number(), number(), digest(), bitmap(), vote_signature()).prop_map(
        |(suite, kind, epoch, view, digest, bitmap, aggregate)| Certificate {
            suite,
            kind,
            epoch: Epoch(epoch),
            view: View(view),
            digest,
            bitmap,
            aggregate,
        },
    )
}

/// Any proposal.
pub fn proposal() -> impl Strategy<Value = Proposal> {
    let numbers = (number(), number(), number());
    (numbers, digest(), member(), bytes(MAX_RSA_SIGNATURE_BYTES), vote_signature()).prop_map(
        |((epoch, view, parent_view), block_hash, clerk, clerk_signature, signature)| Proposal {
            epoch: Epoch(epoch),
            view: View(view),
            parent_view: View(parent_view),
            block_hash,
            clerk,
            clerk_signature,
            signature,
        },
    )
}

/// Any ticket.
pub fn ticket() -> impl Strategy<Value = Ticket> {
    (number(), number(), digest(), member(), bytes(MAX_RSA_SIGNATURE_BYTES)).prop_map(
        |(epoch, view, draw_seed, member, signature)| Ticket {
            epoch: Epoch(epoch),
            view: View(view),
            draw_seed,
            member,
            signature,
        },
    )
}

fn tickets() -> impl Strategy<Value = Vec<Ticket>> {
    vec(ticket(), 0..=MAX_TICKETS)
}

/// Any envelope.
pub fn envelope() -> impl Strategy<Value = Envelope> {
    let numbers = (number(), number(), number(), number());
    let roots = (digest(), digest(), any::<u32>());
    (numbers, digest(), bytes(MAX_RSA_SIGNATURE_BYTES), roots).prop_map(
        |(
            (epoch, view, parent_view, timestamp_ms),
            clerk,
            clerk_signature,
            (seal_root, supervisors_root, supervisors),
        )| Envelope {
            epoch: Epoch(epoch),
            view: View(view),
            parent_view: View(parent_view),
            clerk: NodeId(clerk),
            clerk_signature,
            timestamp_ms,
            seal_root,
            supervisors_root,
            supervisors,
        },
    )
}

/// Any justification.
pub fn justification() -> impl Strategy<Value = Justification> {
    (proptest::option::of(certificate()), vec(certificate(), 0..4))
        .prop_map(|(parent_certificate, nullifications)| Justification { parent_certificate, nullifications })
}

/// Any Ethereum header, of any fork: the later fields are a prefix of those that exist.
fn header() -> impl Strategy<Value = Header> {
    let digests = (digest(), digest(), digest(), digest(), digest(), digest());
    let numbers = (number(), number(), number(), number(), number());
    (digests, numbers, wide(), address(), bytes(64), digest(), any::<[u8; 8]>(), 0..=6_usize).prop_map(
        |(digests, numbers, difficulty, beneficiary, extra_data, digest, nonce, later)| Header {
            parent_hash: digests.0,
            ommers_hash: digests.1,
            beneficiary,
            state_root: digests.2,
            transactions_root: digests.3,
            receipts_root: digests.4,
            logs_bloom: Bloom::repeat_byte(nonce[0]),
            difficulty,
            number: numbers.0,
            gas_limit: numbers.1,
            gas_used: numbers.2,
            timestamp: numbers.3,
            extra_data,
            mix_hash: digests.5,
            nonce: B64::from(nonce),
            base_fee_per_gas: (later > 0).then_some(numbers.4),
            withdrawals_root: (later > 1).then_some(digest),
            blob_gas_used: (later > 2).then_some(numbers.0),
            excess_blob_gas: (later > 3).then_some(numbers.1),
            parent_beacon_block_root: (later > 4).then_some(digest),
            requests_hash: (later > 5).then_some(digest),
            block_access_list_hash: None,
            slot_number: None,
        },
    )
}

fn signature() -> impl Strategy<Value = Signature> {
    (wide(), wide(), any::<bool>()).prop_map(|(r, s, odd)| Signature::new(r, s, odd))
}

fn receiver() -> impl Strategy<Value = TxKind> {
    prop_oneof![Just(TxKind::Create), address().prop_map(TxKind::Call)]
}

fn access_list() -> impl Strategy<Value = AccessList> {
    let item = (address(), vec(digest(), 0..3));
    vec(item.prop_map(|(address, storage_keys)| AccessListItem { address, storage_keys }), 0..3)
        .prop_map(AccessList)
}

/// Any transaction of types 0, 1, 2 and 4.
fn transaction() -> impl Strategy<Value = TxEnvelope> {
    let common = (number(), number(), number(), number(), receiver(), wide(), bytes(80));
    (0..4, common, access_list(), signature(), signature(), any::<bool>()).prop_map(
        |(
            kind,
            (chain_id, nonce, price, gas_limit, to, value, input),
            access_list,
            signed,
            other,
            protected,
        )| {
            let (gas_price, max_fee_per_gas) = (u128::from(price), u128::from(price));
            match kind {
                0 => {
                    let chain_id = protected.then_some(chain_id);
                    TxLegacy { chain_id, nonce, gas_price, gas_limit, to, value, input }
                        .into_signed(signed)
                        .into()
                }
                1 => TxEip2930 { chain_id, nonce, gas_price, gas_limit, to, value, access_list, input }
                    .into_signed(signed)
                    .into(),
                2 => TxEip1559 {
                    chain_id,
                    nonce,
                    gas_limit,
                    max_fee_per_gas,
                    max_priority_fee_per_gas: 1,
                    to,
                    value,
                    access_list,
                    input,
                }
                .into_signed(signed)
                .into(),
                _ => TxEip7702 {
                    chain_id,
                    nonce,
                    gas_limit,
                    max_fee_per_gas,
                    max_priority_fee_per_gas: 1,
                    to: to.to().copied().unwrap_or_default(),
                    value,
                    access_list,
                    authorization_list: vec![
                        Authorization { chain_id: value, address: Address::ZERO, nonce }.into_signed(other),
                    ],
                    input,
                }
                .into_signed(signed)
                .into(),
            }
        },
    )
}

/// Any seal.
pub fn seal() -> impl Strategy<Value = Seal> {
    let signature = || bytes(MAX_RSA_SIGNATURE_BYTES);
    (digest(), digest(), signature(), digest(), signature()).prop_map(
        |(supervisor, core, draw_signature, block_hash, signature)| Seal {
            supervisor: NodeId(supervisor),
            core,
            draw_signature,
            block_hash,
            signature,
        },
    )
}

/// Any record of a seal log.
pub fn seal_record() -> impl Strategy<Value = SealRecord> {
    (number(), number(), number(), seal()).prop_map(|(epoch, view, height, seal)| SealRecord {
        epoch: Epoch(epoch),
        view: View(view),
        height: Height(height),
        seal,
    })
}

/// Any place of a block.
pub fn place() -> impl Strategy<Value = BlockPlace> {
    (number(), number(), number(), number(), digest()).prop_map(|(epoch, view, parent_view, height, hash)| {
        BlockPlace {
            epoch: Epoch(epoch),
            view: View(view),
            parent_view: View(parent_view),
            height: Height(height),
            hash,
        }
    })
}

/// Any announcement.
pub fn announcement() -> impl Strategy<Value = Announcement> {
    prop_oneof![
        place().prop_map(Announcement::Proposed),
        Just(Announcement::Greeted),
        (place(), certificate())
            .prop_map(|(place, certificate)| Announcement::Certified { place, certificate }),
    ]
}

/// Any pull.
pub fn pull() -> impl Strategy<Value = PullRequest> {
    prop_oneof![
        digest().prop_map(|hash| PullRequest::Block { hash }),
        number().prop_map(|from| PullRequest::Range { from: Height(from) }),
    ]
}

/// Any answer to a pull.
pub fn pulled() -> impl Strategy<Value = Pulled> {
    prop_oneof![
        Just(Pulled::Nothing),
        block().prop_map(|block| Pulled::Block(Arc::new(block))),
        range().prop_map(Pulled::Range),
    ]
}

fn range() -> impl Strategy<Value = Box<BlockRange>> {
    (vec(block(), 0..3), proptest::option::of(certificate()))
        .prop_map(|(blocks, finalization)| Box::new(BlockRange { blocks, finalization }))
}

/// Any block of a few transactions and seals.
pub fn block() -> impl Strategy<Value = Block> {
    (header(), vec(transaction(), 0..5), envelope(), justification(), vec(seal(), 0..4)).prop_map(
        |(header, transactions, envelope, justification, seals)| Block {
            header,
            transactions,
            envelope,
            justification,
            seals,
        },
    )
}

fn proposal_message() -> impl Strategy<Value = Arc<ProposalMessage>> {
    (proposal(), block())
        .prop_map(|(proposal, block)| Arc::new(ProposalMessage { proposal, block: Arc::new(block) }))
}

/// Any account.
pub fn account() -> impl Strategy<Value = Account> {
    (number(), wide(), digest()).prop_map(|(nonce, balance, code_hash)| Account { nonce, balance, code_hash })
}

/// Any question.
pub fn fetch() -> impl Strategy<Value = FetchRequest> {
    prop_oneof![
        (number(), number(), number()).prop_map(|(epoch, from, to)| FetchRequest::Certificates {
            epoch: Epoch(epoch),
            from: View(from),
            to: View(to),
        }),
        digest().prop_map(|digest| FetchRequest::Proposal { digest }),
        number().prop_map(|from| FetchRequest::Range { from: Height(from) }),
    ]
}

/// Any message.
pub fn message() -> impl Strategy<Value = Message> {
    prop_oneof![
        proposal_message().prop_map(Message::Proposal),
        (vote(), tickets()).prop_map(|(vote, tickets)| Message::Vote(VoteMessage { vote, tickets })),
        (certificate(), tickets()).prop_map(|(certificate, tickets)| {
            Message::Certificate(CertificateMessage { certificate, tickets })
        }),
        tickets().prop_map(Message::Candidacy),
        fetch().prop_map(Message::Fetch),
        vec(certificate(), 0..6).prop_map(Message::Certificates),
        range().prop_map(Message::Range),
        vec(bytes(200), 0..6).prop_map(Message::Transactions),
        vec(seal(), 0..6).prop_map(Message::Seals),
    ]
}

/// Any journal record.
pub fn record() -> impl Strategy<Value = JournalRecord> {
    prop_oneof![
        proposal_message().prop_map(JournalRecord::Proposed),
        vote().prop_map(JournalRecord::Voted),
        certificate().prop_map(JournalRecord::Certificate),
        proposal_message().prop_map(JournalRecord::Body),
        bytes(300).prop_map(JournalRecord::Transaction),
        seal_record().prop_map(|record| JournalRecord::Sealed(Box::new(record))),
    ]
}
