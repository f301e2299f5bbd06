//! Each named limit of the typed layer: a value at it goes through both ways, one past it is refused both ways.

use crate::fixtures::*;
use btn_command::*;
use btn_types::limits::*;
use btn_types::supervision::{Announcement, MasterReply, PullRequest, Pulled, StatusSummary, SupervisorCall};
use btn_types::*;
use std::sync::Arc;

fn raw(text: String) -> Box<RawValue> {
    RawValue::from_string(text).unwrap()
}

/// A response with this result.
fn response(result: String) -> RemoteResponse {
    RemoteResponse { id: ID, code: RETURN_OK, result: Some(raw(result)), error: None }
}

fn hex_of(bytes: &[u8]) -> String {
    format!("0x{}", hex::encode(bytes))
}

#[test]
fn the_largest_messages_fit_a_command() {
    let seals = (0..MAX_SEALS_PER_MESSAGE).map(|at| seal(at as u8, MAX_RSA_SIGNATURE_BYTES)).collect();
    let request = Request::Call(SupervisorCall::Seal(seals)).encode(ID).unwrap();
    assert!(encode_command(&request).unwrap().len() > 400_000);
    let transaction = vec![2; MAX_TRANSACTION_BYTES].into();
    encode_command(&Request::Call(SupervisorCall::Submit(transaction)).encode(ID).unwrap()).unwrap();
    let tickets = (0..MAX_CANDIDATES).map(|at| ticket(at as u16, MAX_RSA_SIGNATURE_BYTES)).collect();
    encode_command(&encode_reply(ID, &MasterReply::Candidates(tickets)).unwrap().command).unwrap();
    let bitmap = Bitmap::new(MAX_COMMITTEE_MEMBERS, []);
    let certificate = Certificate { bitmap, ..certificate() };
    let announcement = Announcement::Certified { place: place(), certificate };
    encode_command(&encode_announcement(&announcement).unwrap()).unwrap();
}

#[test]
fn seals_in_one_message() {
    let seals = |count: usize| vec![seal(1, 2); count];
    let (_, param) = encode_call(&SupervisorCall::Seal(seals(MAX_SEALS_PER_MESSAGE))).unwrap();
    let back = decode_call("seal", param.as_deref());
    assert_eq!(back, Ok(SupervisorCall::Seal(seals(MAX_SEALS_PER_MESSAGE))));
    let over = seals(MAX_SEALS_PER_MESSAGE + 1);
    let param = raw(format!(r#"{{"seals":"{}"}}"#, hex_of(&encode(&over))));
    let error = encode_call(&SupervisorCall::Seal(over)).unwrap_err();
    assert_eq!(error.to_string(), "257 seals in one message, at most 256 are allowed");
    let error = decode_call("seal", Some(&param)).unwrap_err();
    assert!(error.to_string().contains("list longer than its limit"), "{error}");
}

#[test]
fn tickets_in_one_message() {
    let tickets = |count: usize| vec![ticket(1, 2); count];
    let most = MasterReply::Candidates(tickets(MAX_CANDIDATES));
    encode_reply(ID, &most).unwrap();
    let over = tickets(MAX_CANDIDATES + 1);
    let result = format!(r#"{{"tickets":"{}"}}"#, hex_of(&encode(&over)));
    let error = encode_reply(ID, &MasterReply::Candidates(over)).unwrap_err();
    assert_eq!(error.to_string(), "65 tickets in one message, at most 64 are allowed");
    let error = decode_reply(CallKind::Candidates, &response(result)).unwrap_err();
    assert!(error.to_string().contains("list longer than its limit"), "{error}");
}

#[test]
fn bytes_of_one_transaction() {
    let submit = |length: usize| SupervisorCall::Submit(vec![2; length].into());
    let (_, param) = encode_call(&submit(MAX_TRANSACTION_BYTES)).unwrap();
    assert_eq!(decode_call("submit", param.as_deref()), Ok(submit(MAX_TRANSACTION_BYTES)));
    let error = encode_call(&submit(MAX_TRANSACTION_BYTES + 1)).unwrap_err();
    assert_eq!(error.to_string(), "submit: 131073 bytes, at most 131072 are allowed");
    let param = raw(format!(r#"{{"transaction":"{}"}}"#, hex_of(&vec![2; MAX_TRANSACTION_BYTES + 1])));
    let error = decode_call("submit", Some(&param)).unwrap_err();
    assert!(error.to_string().contains("262146 hex digits"), "{error}");
}

#[test]
fn bytes_of_one_binary_frame() {
    let told = |length: usize| decode_reply(CallKind::Pull, &response(format!(r#"{{"blob":{length}}}"#)));
    assert_eq!(told(0), Ok(ReplyPart::Whole(MasterReply::Pulled(Pulled::Nothing))));
    assert_eq!(told(1), Ok(ReplyPart::Blob { length: 1 }));
    assert_eq!(told(MAX_BLOB_BYTES), Ok(ReplyPart::Blob { length: MAX_BLOB_BYTES }));
    let error = told(MAX_BLOB_BYTES + 1).unwrap_err();
    assert_eq!(error.to_string(), "12582913 bytes in one binary frame, at most 12582912 are allowed");
    // One seal of a block as long as the frame: no valid block, but what a sender must refuse to send.
    let oversized = Block { seals: vec![seal(1, MAX_BLOB_BYTES)], ..block() };
    let reply = MasterReply::Pulled(Pulled::Block(Arc::new(oversized)));
    assert!(matches!(encode_reply(ID, &reply), Err(CommandError::TooMany { most: MAX_BLOB_BYTES, .. })));
}

/// Numbers beyond what every JSON reader holds exactly are refused, written and read, in every field.
#[test]
fn numbers_end_at_what_json_holds_exactly() {
    assert_eq!(MAX_JSON_NUMBER, 9_007_199_254_740_991);
    let over = MAX_JSON_NUMBER + 1;
    let refused = "9007199254740992 is over 9007199254740991, the largest integer allowed";
    let pull = |from| SupervisorCall::Pull(PullRequest::Range { from: Height(from) });
    assert!(encode_call(&pull(MAX_JSON_NUMBER)).is_ok());
    assert!(encode_call(&pull(over)).unwrap_err().to_string().contains(refused));
    let status = |height, third, view| StatusSummary {
        height: Height(height),
        third_height: Height(third),
        view: View(view),
        ..status()
    };
    let receipt = |height, gas_used| {
        let receipt = supervision::ReceiptSummary { height: Height(height), gas_used, ..receipt() };
        MasterReply::Receipt(Some(receipt))
    };
    let replies = [
        (CallKind::Status, MasterReply::Status(status(MAX_JSON_NUMBER, 0, 0))),
        (CallKind::Status, MasterReply::Status(status(0, MAX_JSON_NUMBER, 0))),
        (CallKind::Status, MasterReply::Status(status(0, 0, MAX_JSON_NUMBER))),
        (CallKind::Receipt, receipt(MAX_JSON_NUMBER, 0)),
        (CallKind::Receipt, receipt(0, MAX_JSON_NUMBER)),
    ];
    for (kind, reply) in replies {
        let body = encode_reply(ID, &reply).unwrap().command.body().to_owned();
        let past = body.replace(&MAX_JSON_NUMBER.to_string(), &over.to_string());
        assert_ne!(body, past);
        let Ok(Incoming::Response(response)) = Incoming::read(&BtnCmd::parse(past)) else { panic!("{body}") };
        let error = decode_reply(kind, &response).unwrap_err().to_string();
        assert!(error.contains(refused), "{error}");
    }
    for reply in [
        MasterReply::Status(status(over, 0, 0)),
        MasterReply::Status(status(0, over, 0)),
        MasterReply::Status(status(0, 0, over)),
        receipt(over, 0),
        receipt(0, over),
    ] {
        let error = encode_reply(ID, &reply).unwrap_err().to_string();
        assert!(error.contains(refused), "{error}");
    }
    for hello in [Hello { height: Height(over), ..hello() }, Hello { view: View(over), ..hello() }] {
        assert!(Request::Hello(hello).encode(ID).unwrap_err().to_string().contains(refused));
        assert!(encode_hello_reply(ID, hello).is_err());
    }
}
