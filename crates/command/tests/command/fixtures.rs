//! One example of everything that is said, each field with a value of its own, so that two swapped fields show.

use alloy_consensus::{Header, SignableTransaction, TxEip1559};
use alloy_primitives::{Address, Signature, TxKind};
use btn_command::{
    BtnCmd, Hello, MAX_JSON_NUMBER, Request, RequestId, encode_announcement, encode_blob, encode_command,
    encode_hello_reply, encode_reply, failure_reply,
};
use btn_types::limits::MAX_CANDIDATES;
use btn_types::supervision::{
    Announcement, BlockPlace, MasterReply, PullRequest, Pulled, ReceiptSummary, StatusSummary, SupervisorCall,
};
use btn_types::*;
use std::sync::Arc;

/// 00010203-0405-4607-8809-0a0b0c0d0e0f.
pub const ID: RequestId = RequestId::from_random([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15]);

pub fn digest(byte: u8) -> B256 {
    B256::repeat_byte(byte)
}

pub fn hello() -> Hello {
    Hello { chain: digest(0x01), node_id: NodeId(digest(0x02)), height: Height(3), view: View(4) }
}

pub fn place() -> BlockPlace {
    BlockPlace {
        epoch: Epoch(0x11),
        view: View(0x1212),
        parent_view: View(0x1211),
        height: Height(0x13),
        hash: digest(0x14),
    }
}

pub fn certificate() -> Certificate {
    Certificate {
        suite: SUITE_BLS12_381,
        kind: VoteKind::Notarize,
        epoch: Epoch(0x11),
        view: View(0x1212),
        digest: digest(0x15),
        bitmap: Bitmap::new(4, [0, 1, 3].map(MemberIndex)),
        aggregate: VoteSignature::repeat_byte(0x16),
    }
}

pub fn announcements() -> Vec<(&'static str, Announcement)> {
    vec![
        ("proposed", Announcement::Proposed(place())),
        ("certified", Announcement::Certified { place: place(), certificate: certificate() }),
        ("greeted", Announcement::Greeted),
    ]
}

/// A seal with signatures of this length.
pub fn seal(number: u8, signature_bytes: usize) -> Seal {
    Seal {
        supervisor: NodeId(digest(number)),
        core: digest(0x21),
        draw_signature: vec![0x22; signature_bytes].into(),
        block_hash: digest(0x23),
        signature: vec![0x24; signature_bytes].into(),
    }
}

/// A ticket with a signature of this length.
pub fn ticket(member: u16, signature_bytes: usize) -> Ticket {
    Ticket {
        epoch: Epoch(1),
        view: View(0x31),
        draw_seed: digest(0x32),
        member: MemberIndex(member),
        signature: vec![0x33; signature_bytes].into(),
    }
}

pub fn calls() -> Vec<(&'static str, SupervisorCall)> {
    vec![
        ("pull_block", SupervisorCall::Pull(PullRequest::Block { hash: digest(0x41) })),
        ("pull_range", SupervisorCall::Pull(PullRequest::Range { from: Height(0x4243) })),
        ("seal", SupervisorCall::Seal(vec![seal(1, 5), seal(2, 7)])),
        ("candidates", SupervisorCall::Candidates),
        ("submit", SupervisorCall::Submit(Bytes::from_static(&[0x02, 0x44, 0x45]))),
        ("receipt", SupervisorCall::Receipt(digest(0x46))),
        ("status", SupervisorCall::Status),
    ]
}

pub fn block() -> Block {
    let transaction = TxEip1559 {
        chain_id: 20_200_303,
        nonce: 4,
        gas_limit: 21_000,
        to: TxKind::Call(Address::repeat_byte(0x51)),
        ..TxEip1559::default()
    };
    let signature = Signature::new(U256::from(0x52), U256::from(0x5353), true);
    Block {
        header: Header { number: 0x13, base_fee_per_gas: Some(7), ..Header::default() },
        transactions: vec![transaction.into_signed(signature).into()],
        envelope: Envelope {
            epoch: Epoch(1),
            view: View(14),
            parent_view: View(11),
            clerk: NodeId(digest(0x54)),
            clerk_signature: Bytes::from_static(&[0x55; 5]),
            timestamp_ms: 1_800_000_000_123,
            seal_root: digest(0x56),
            supervisors_root: digest(0x57),
            supervisors: 16,
        },
        justification: Justification { parent_certificate: Some(certificate()), nullifications: Vec::new() },
        seals: vec![seal(3, 4)],
    }
}

pub fn receipt() -> ReceiptSummary {
    ReceiptSummary {
        height: Height(0x61),
        block_hash: digest(0x62),
        succeeded: true,
        gas_used: 21_000,
        third_state: false,
    }
}

pub fn status() -> StatusSummary {
    StatusSummary {
        height: Height(0x71),
        hash: digest(0x72),
        state_root: digest(0x73),
        third_height: Height(0x70),
        view: View(0x74),
    }
}

/// Every reply with the call that it answers.
pub fn replies() -> Vec<(&'static str, SupervisorCall, MasterReply)> {
    let pull = SupervisorCall::Pull(PullRequest::Range { from: Height(1) });
    let range = BlockRange { blocks: vec![block(), block()], finalization: Some(certificate()) };
    let submit = SupervisorCall::Submit(Bytes::new());
    let lookup = SupervisorCall::Receipt(digest(0x46));
    vec![
        ("pulled_nothing", pull.clone(), MasterReply::Pulled(Pulled::Nothing)),
        ("pulled_block", pull.clone(), MasterReply::Pulled(Pulled::Block(Arc::new(block())))),
        ("pulled_range", pull, MasterReply::Pulled(Pulled::Range(Box::new(range)))),
        ("sealed", SupervisorCall::Seal(Vec::new()), MasterReply::Sealed),
        (
            "candidates",
            SupervisorCall::Candidates,
            MasterReply::Candidates(vec![ticket(3, 5), ticket(258, 6)]),
        ),
        ("submitted", submit.clone(), MasterReply::Submitted(Ok(digest(0x81)))),
        ("refused", submit, MasterReply::Submitted(Err("nonce too low: \"3\" < 4".into()))),
        ("receipt", lookup.clone(), MasterReply::Receipt(Some(receipt()))),
        ("no_receipt", lookup, MasterReply::Receipt(None)),
        ("status", SupervisorCall::Status, MasterReply::Status(status())),
        ("failed", SupervisorCall::Candidates, MasterReply::Failed("the café is full: é \" {".into())),
    ]
}

/// Everything that travels: (name, command, content of the binary frame beside it).
pub fn everything() -> Vec<(String, BtnCmd, Option<Vec<u8>>)> {
    let mut all = vec![
        ("request.hello".into(), Request::Hello(hello()).encode(ID).unwrap(), None),
        ("reply.hello".into(), encode_hello_reply(ID, hello()).unwrap(), None),
        ("reply.failure".into(), failure_reply(ID, "no such call"), None),
    ];
    for (name, announcement) in announcements() {
        all.push((format!("announce.{name}"), encode_announcement(&announcement).unwrap(), None));
    }
    for (name, call) in calls() {
        all.push((format!("request.{name}"), Request::Call(call).encode(ID).unwrap(), None));
    }
    for (name, _, reply) in replies() {
        let reply = encode_reply(ID, &reply).unwrap();
        all.push((format!("reply.{name}"), reply.command, reply.blob));
    }
    all
}

/// Commands whose numbers are at their limits, and a full list.
pub fn limits() -> Vec<(&'static str, BtnCmd)> {
    let most = MAX_JSON_NUMBER;
    let pull = SupervisorCall::Pull(PullRequest::Range { from: Height(most) });
    let receipt = ReceiptSummary { height: Height(most), gas_used: most, ..receipt() };
    let status =
        StatusSummary { height: Height(most), third_height: Height(most), view: View(most), ..status() };
    let response = |reply| encode_reply(ID, &reply).unwrap().command;
    vec![
        (
            "hello",
            Request::Hello(Hello { height: Height(most), view: View(most), ..hello() }).encode(ID).unwrap(),
        ),
        ("pull", Request::Call(pull).encode(ID).unwrap()),
        ("receipt", response(MasterReply::Receipt(Some(receipt)))),
        ("status", response(MasterReply::Status(status))),
        ("tickets", response(MasterReply::Candidates(vec![ticket(1, 0); MAX_CANDIDATES]))),
    ]
}

/// The frames of everything, in order.
pub fn frames() -> Vec<bytes::Bytes> {
    let mut frames = Vec::new();
    for (_, command, blob) in everything() {
        frames.push(encode_command(&command).unwrap());
        frames.extend(blob.map(|content| encode_blob(ID, &content).unwrap()));
    }
    frames
}
