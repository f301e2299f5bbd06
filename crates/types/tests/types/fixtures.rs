//! One example of every wire and disk type, each field with a value of its own, so that two swapped fields show.

use alloy_consensus::{
    Header, SignableTransaction, TxEip1559, TxEip2930, TxEip4844, TxEip7702, TxEnvelope, TxLegacy,
};
use alloy_eips::eip2930::{AccessList, AccessListItem};
use alloy_eips::eip7702::Authorization;
use alloy_primitives::{Address, B64, B256, Bloom, Bytes, Signature, TxKind, U256};
use alloy_rlp::{Decodable, Encodable, Error};
use btn_types::genesis::{
    BaseFeeParameters, ConsensusParameters, GenesisAccount, Level, NodeRecord, SupervisorRecord,
};
use btn_types::supervision::{Announcement, BlockPlace, PullRequest, Pulled};
use btn_types::*;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Decodes exactly and encodes again.
pub type Recode = fn(&[u8]) -> Result<Vec<u8>, Error>;

/// A type's name, the canonical bytes of its example, and how to read and write it again.
pub struct Fixture {
    /// Name in the vector file.
    pub name: &'static str,
    /// Canonical encoding of the example.
    pub bytes: Vec<u8>,
    /// `None` for types that are only ever encoded.
    pub recode: Option<Recode>,
}

fn recode<T: Encodable + Decodable>(bytes: &[u8]) -> Result<Vec<u8>, Error> {
    decode_exact::<T>(bytes).map(|value| encode(&value))
}

fn fixture<T: Encodable + Decodable>(name: &'static str, value: &T) -> Fixture {
    Fixture { name, bytes: encode(value), recode: Some(recode::<T>) }
}

fn encoded_only(name: &'static str, bytes: Vec<u8>) -> Fixture {
    Fixture { name, bytes, recode: None }
}

/// Every wire and disk type.
pub fn all() -> Vec<Fixture> {
    let mut fixtures = vec![
        fixture("vote", &vote()),
        fixture("certificate", &certificate(VoteKind::Finalize, 11)),
        fixture("bitmap", &bitmap()),
        fixture("proposal", &proposal()),
        fixture("proposal_message", &proposal_message()),
        fixture("ticket", &ticket(3)),
        fixture("envelope", &envelope()),
        fixture("justification", &justification()),
        fixture("justification_empty", &Justification::default()),
        fixture("block", &block()),
        fixture("account", &account()),
        fixture("seal", &seal(1)),
        fixture("seal_record", &seal_record()),
        fixture("block_place", &place()),
    ];
    fixtures.extend(messages().iter().map(|(name, message)| fixture(name, message)));
    fixtures.extend(fetches().iter().map(|(name, request)| fixture(name, request)));
    fixtures.extend(records().iter().map(|(name, record)| fixture(name, record)));
    fixtures.extend(announcements().iter().map(|(name, announcement)| fixture(name, announcement)));
    fixtures.extend(pulls().iter().map(|(name, request)| fixture(name, request)));
    fixtures.extend(pulled().iter().map(|(name, pulled)| fixture(name, pulled)));
    fixtures.push(encoded_only("node_record", encode(&node(1))));
    fixtures.push(encoded_only("supervisor_record", encode(&supervisor(3))));
    fixtures.push(encoded_only("genesis_commitment", genesis().commitment().to_vec()));
    fixtures
}

/// A digest of one repeated byte.
pub fn digest(byte: u8) -> B256 {
    B256::repeat_byte(byte)
}

/// A Finalize by member 6.
pub fn vote() -> Vote {
    Vote {
        kind: VoteKind::Finalize,
        epoch: Epoch(1),
        view: View(0x0203),
        digest: digest(0x04),
        member: MemberIndex(6),
        signature: VoteSignature::repeat_byte(0x05),
    }
}

/// Members 0, 2 and 9 of ten.
pub fn bitmap() -> Bitmap {
    Bitmap::new(10, [0, 2, 9].map(MemberIndex))
}

/// A certificate of this kind and view.
pub fn certificate(kind: VoteKind, view: u64) -> Certificate {
    let digest = if kind == VoteKind::Nullify { B256::ZERO } else { digest(0x11) };
    Certificate {
        suite: SUITE_BLS12_381,
        kind,
        epoch: Epoch(1),
        view: View(view),
        digest,
        bitmap: bitmap(),
        aggregate: VoteSignature::repeat_byte(0x12),
    }
}

/// A proposal for view 14 on a parent of view 11.
pub fn proposal() -> Proposal {
    Proposal {
        epoch: Epoch(1),
        view: View(14),
        parent_view: View(11),
        block_hash: digest(0x21),
        clerk: MemberIndex(7),
        clerk_signature: Bytes::from_static(&[0x22; 5]),
        signature: VoteSignature::repeat_byte(0x23),
    }
}

/// A proposal with its body.
pub fn proposal_message() -> ProposalMessage {
    ProposalMessage { proposal: proposal(), block: Arc::new(block()) }
}

/// A ticket of this member.
pub fn ticket(member: u16) -> Ticket {
    Ticket {
        epoch: Epoch(1),
        view: View(15),
        draw_seed: digest(0x31),
        member: MemberIndex(member),
        signature: Bytes::from_static(&[0x32; 7]),
    }
}

/// The envelope of the block for view 14.
pub fn envelope() -> Envelope {
    Envelope {
        epoch: Epoch(1),
        view: View(14),
        parent_view: View(11),
        clerk: NodeId(digest(0x41)),
        clerk_signature: Bytes::from_static(&[0x42; 5]),
        timestamp_ms: 1_800_000_000_123,
        seal_root: digest(0x43),
        supervisors_root: digest(0x44),
        supervisors: 0x4546,
    }
}

/// Parent of view 11, views 12 and 13 nullified.
pub fn justification() -> Justification {
    Justification {
        parent_certificate: Some(certificate(VoteKind::Notarize, 11)),
        nullifications: vec![certificate(VoteKind::Nullify, 12), certificate(VoteKind::Nullify, 13)],
    }
}

/// A header with every field of Osaka set.
pub fn header() -> Header {
    Header {
        parent_hash: digest(0x51),
        ommers_hash: digest(0x52),
        beneficiary: Address::repeat_byte(0x53),
        state_root: digest(0x54),
        transactions_root: digest(0x55),
        receipts_root: digest(0x56),
        logs_bloom: Bloom::repeat_byte(0x57),
        difficulty: U256::ZERO,
        number: 58,
        gas_limit: 30_000_000,
        gas_used: 21_059,
        timestamp: 1_800_000_000,
        extra_data: Bytes::from_static(&[0x5a; 32]),
        mix_hash: digest(0x5b),
        nonce: B64::ZERO,
        base_fee_per_gas: Some(1_000_000_092),
        withdrawals_root: Some(digest(0x5d)),
        blob_gas_used: Some(0),
        excess_blob_gas: Some(0),
        parent_beacon_block_root: Some(B256::ZERO),
        requests_hash: Some(digest(0x5f)),
        block_access_list_hash: None,
        slot_number: None,
    }
}

/// A signature that nobody made; encoding does not ask.
pub fn signature() -> Signature {
    Signature::new(U256::from(0x61), U256::from(0x6262), true)
}

fn access_list() -> AccessList {
    AccessList(vec![AccessListItem {
        address: Address::repeat_byte(0x63),
        storage_keys: vec![digest(0x64), digest(0x65)],
    }])
}

/// One transaction of each type a body may hold: 0 (before and after EIP-155), 1, 2 and 4.
pub fn transactions() -> Vec<TxEnvelope> {
    let to = TxKind::Call(Address::repeat_byte(0x66));
    let legacy = TxLegacy {
        nonce: 1,
        gas_price: 2,
        gas_limit: 21_000,
        to,
        value: U256::from(3),
        ..TxLegacy::default()
    };
    let replay_protected = TxLegacy { chain_id: Some(20_200_303), ..legacy.clone() };
    let access = TxEip2930 { chain_id: 20_200_303, to, access_list: access_list(), ..TxEip2930::default() };
    let dynamic = TxEip1559 {
        chain_id: 20_200_303,
        nonce: 4,
        max_fee_per_gas: 5,
        max_priority_fee_per_gas: 6,
        gas_limit: 53_000,
        to: TxKind::Create,
        input: Bytes::from_static(&[0x60, 0x00]),
        ..TxEip1559::default()
    };
    vec![
        legacy.into_signed(signature()).into(),
        replay_protected.into_signed(signature()).into(),
        access.into_signed(signature()).into(),
        dynamic.into_signed(signature()).into(),
        set_code().into_signed(signature()).into(),
    ]
}

fn set_code() -> TxEip7702 {
    let authorization =
        Authorization { chain_id: U256::from(20_200_303), address: Address::repeat_byte(0x67), nonce: 8 };
    TxEip7702 {
        chain_id: 20_200_303,
        nonce: 7,
        to: Address::repeat_byte(0x68),
        authorization_list: vec![authorization.into_signed(signature())],
        ..TxEip7702::default()
    }
}

/// A blob transaction, which no body may hold.
pub fn blob_transaction() -> TxEnvelope {
    let blob = TxEip4844 { blob_versioned_hashes: vec![digest(0x69)], ..TxEip4844::default() };
    blob.into_signed(signature()).into()
}

/// A block with one transaction of each type.
pub fn block() -> Block {
    Block {
        header: header(),
        transactions: transactions(),
        envelope: envelope(),
        justification: justification(),
        seals: vec![seal(1), seal(2)],
    }
}

/// A block without transactions, certificates and seals.
pub fn small_block() -> Block {
    Block { transactions: vec![], justification: Justification::default(), seals: vec![], ..block() }
}

/// A seal of the supervisor of this number.
pub fn seal(number: u8) -> Seal {
    Seal {
        supervisor: NodeId(digest(number)),
        core: digest(0xd1),
        draw_signature: Bytes::from_static(&[0xd2; 5]),
        block_hash: digest(0xd3),
        signature: Bytes::from_static(&[0xd4; 6]),
    }
}

/// What the seal log keeps of a seal.
pub fn seal_record() -> SealRecord {
    SealRecord { epoch: Epoch(1), view: View(0x0204), height: Height(5), seal: seal(1) }
}

/// Where the block for view 14 stands.
pub fn place() -> BlockPlace {
    BlockPlace {
        epoch: Epoch(1),
        view: View(14),
        parent_view: View(11),
        height: Height(58),
        hash: digest(0xd5),
    }
}

/// Every kind of announcement.
pub fn announcements() -> Vec<(&'static str, Announcement)> {
    let certificate = certificate(VoteKind::Notarize, 14);
    vec![
        ("announcement_proposed", Announcement::Proposed(place())),
        ("announcement_certified", Announcement::Certified { place: place(), certificate }),
        ("announcement_greeted", Announcement::Greeted),
    ]
}

/// Every kind of pull.
pub fn pulls() -> Vec<(&'static str, PullRequest)> {
    vec![
        ("pull_block", PullRequest::Block { hash: digest(0xd6) }),
        ("pull_range", PullRequest::Range { from: Height(0xd7) }),
    ]
}

/// Every kind of answer to a pull.
pub fn pulled() -> Vec<(&'static str, Pulled)> {
    let range = BlockRange {
        blocks: vec![small_block(), small_block()],
        finalization: Some(certificate(VoteKind::Finalize, 14)),
    };
    vec![
        ("pulled_nothing", Pulled::Nothing),
        ("pulled_block", Pulled::Block(Arc::new(block()))),
        ("pulled_range", Pulled::Range(Box::new(range))),
    ]
}

/// An account with nonce, balance and code.
pub fn account() -> Account {
    Account { nonce: 71, balance: U256::from(72), code_hash: digest(0x73) }
}

/// Every kind of message.
pub fn messages() -> Vec<(&'static str, Message)> {
    let range = BlockRange {
        blocks: vec![small_block(), small_block()],
        finalization: Some(certificate(VoteKind::Finalize, 14)),
    };
    let carried =
        CertificateMessage { certificate: certificate(VoteKind::Notarize, 11), tickets: vec![ticket(3)] };
    let certificates = vec![certificate(VoteKind::Notarize, 11), certificate(VoteKind::Nullify, 12)];
    vec![
        ("message_proposal", Message::Proposal(Arc::new(proposal_message()))),
        ("message_vote", Message::Vote(VoteMessage { vote: vote(), tickets: vec![ticket(3), ticket(4)] })),
        ("message_certificate", Message::Certificate(carried)),
        ("message_candidacy", Message::Candidacy(vec![ticket(5)])),
        ("message_fetch", Message::Fetch(FetchRequest::Range { from: Height(0x0102) })),
        ("message_certificates", Message::Certificates(certificates)),
        ("message_range", Message::Range(Box::new(range))),
        (
            "message_transactions",
            Message::Transactions(vec![Bytes::from_static(&[0x02, 0x91]), Bytes::new()]),
        ),
        ("message_seals", Message::Seals(vec![seal(3), seal(4)])),
    ]
}

/// Every kind of question.
pub fn fetches() -> Vec<(&'static str, FetchRequest)> {
    let certificates = FetchRequest::Certificates { epoch: Epoch(1), from: View(2), to: View(0x0300) };
    vec![
        ("fetch_certificates", certificates),
        ("fetch_proposal", FetchRequest::Proposal { digest: digest(0xa1) }),
        ("fetch_range", FetchRequest::Range { from: Height(0xa2) }),
    ]
}

/// Every kind of journal record.
pub fn records() -> Vec<(&'static str, JournalRecord)> {
    vec![
        ("record_proposed", JournalRecord::Proposed(Arc::new(proposal_message()))),
        ("record_voted", JournalRecord::Voted(vote())),
        ("record_certificate", JournalRecord::Certificate(certificate(VoteKind::Nullify, 12))),
        ("record_body", JournalRecord::Body(Arc::new(proposal_message()))),
        ("record_transaction", JournalRecord::Transaction(Bytes::from_static(&[0x02, 0xb1]))),
        ("record_sealed", JournalRecord::Sealed(Box::new(seal_record()))),
    ]
}

/// A node whose fields all derive from `number`.
pub fn node(number: u8) -> NodeRecord {
    let rsa_public_key = Bytes::from(vec![number; 9]);
    NodeRecord {
        id: NodeId(sha256(&rsa_public_key)),
        level: Level::Master,
        rsa_public_key,
        rsa_permutation_proof: vec![Bytes::from(vec![number, 1]), Bytes::from(vec![number, 2])],
        network_key: digest(number),
        addresses: vec![format!("[::1]:{number}"), format!("master-{number}.example:30303")],
        supervisor_addresses: vec![format!("[::1]:{number}0"), format!("master-{number}.example:30304")],
        payout: Address::repeat_byte(number),
        vote_key: VoteKey::repeat_byte(number),
        vote_key_proof: VoteSignature::repeat_byte(number),
    }
}

/// A supervisor whose fields all derive from `number`; no number makes a key that it shares with [`node`].
pub fn supervisor(number: u8) -> SupervisorRecord {
    let rsa_public_key = Bytes::from(vec![number; 10]);
    SupervisorRecord {
        id: NodeId(sha256(&rsa_public_key)),
        rsa_public_key,
        rsa_permutation_proof: vec![Bytes::from(vec![number, 3]), Bytes::from(vec![number, 4])],
        network_key: sha256(&[number]),
        payout: Address::repeat_byte(number),
    }
}

/// A valid genesis of two masters, two supervisors and two accounts, one of them a contract.
pub fn genesis() -> Genesis {
    let contract = GenesisAccount {
        balance: U256::from(1),
        nonce: 2,
        code: Bytes::from_static(&[0x5f, 0x5f]),
        storage: BTreeMap::from([(digest(0xc1), digest(0xc2))]),
    };
    let funded = GenesisAccount { balance: U256::from(10).pow(U256::from(22)), ..GenesisAccount::default() };
    Genesis {
        chain_id: 20_200_303,
        timestamp_ms: 1_700_000_000_456,
        gas_limit: 30_000_000,
        base_fee: BaseFeeParameters::DEVNET,
        consensus: ConsensusParameters::DEVNET,
        alloc: BTreeMap::from([(Address::repeat_byte(0xc3), contract), (Address::repeat_byte(0xc4), funded)]),
        nodes: vec![node(1), node(2)],
        supervisors: vec![supervisor(3), supervisor(4)],
    }
}
