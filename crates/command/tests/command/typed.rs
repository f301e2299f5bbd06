//! Calls, replies and announcements as values, to commands and back.

use crate::fixtures::*;
use btn_command::*;
use btn_types::supervision::{
    Announcement, BlockPlace, MasterReply, PullRequest, Pulled, ReceiptSummary, StatusSummary, SupervisorCall,
};
use btn_types::*;
use proptest::collection::vec;
use proptest::prelude::*;

fn incoming(command: &BtnCmd) -> Incoming {
    Incoming::read(command).unwrap()
}

fn request_of(command: &BtnCmd) -> RemoteRequest {
    match incoming(command) {
        Incoming::Request(request) => request,
        other => panic!("{other:?}"),
    }
}

fn response_of(command: &BtnCmd) -> RemoteResponse {
    match incoming(command) {
        Incoming::Response(response) => response,
        other => panic!("{other:?}"),
    }
}

/// Asks a call by its texts alone.
fn ask(name: &str, param: &str) -> Result<SupervisorCall, CommandError> {
    decode_call(name, Some(&RawValue::from_string(param.to_owned()).unwrap()))
}

/// Reads a result of a call by its texts alone.
fn answer(kind: CallKind, result: &str) -> Result<ReplyPart, CommandError> {
    let result = RawValue::from_string(result.to_owned()).unwrap();
    decode_reply(kind, &response_of(&remote_response(ID, Ok(Some(&result)))))
}

fn call_there_and_back(call: &SupervisorCall) -> SupervisorCall {
    let command = Request::Call(call.clone()).encode(ID).unwrap();
    let request = request_of(&command);
    assert_eq!(request.id, ID);
    assert_eq!(request.name, CallKind::of(call).name());
    match Request::decode(&request).unwrap() {
        Request::Call(call) => call,
        Request::Hello(hello) => panic!("{hello:?}"),
    }
}

fn reply_there_and_back(kind: CallKind, reply: &MasterReply) -> MasterReply {
    let EncodedReply { command, blob } = encode_reply(ID, reply).unwrap();
    match (decode_reply(kind, &response_of(&command)).unwrap(), blob) {
        (ReplyPart::Whole(reply), None) => reply,
        (ReplyPart::Blob { length }, Some(content)) => decode_pulled(length, &content).unwrap(),
        (part, blob) => panic!("{part:?} with {} bytes", blob.unwrap_or_default().len()),
    }
}

#[test]
fn every_call_comes_back() {
    for (name, call) in calls() {
        assert_eq!(call_there_and_back(&call), call, "{name}");
    }
}

#[test]
fn every_reply_comes_back() {
    for (name, call, reply) in replies() {
        assert_eq!(reply_there_and_back(CallKind::of(&call), &reply), reply, "{name}");
    }
}

#[test]
fn announcements_come_back() {
    for (name, announcement) in announcements() {
        match incoming(&encode_announcement(&announcement).unwrap()) {
            Incoming::Announcement(back) => assert_eq!(back, announcement, "{name}"),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn hello_comes_back_both_ways() {
    let request = request_of(&Request::Hello(hello()).encode(ID).unwrap());
    assert_eq!(Request::decode(&request), Ok(Request::Hello(hello())));
    let response = response_of(&encode_hello_reply(ID, hello()).unwrap());
    assert_eq!(decode_hello_reply(&response), Ok(hello()));
    let refused = response_of(&failure_reply(ID, "another chain"));
    assert_eq!(decode_hello_reply(&refused), Err(CommandError::Refused("another chain".into())));
}

fn hello_with(param: &str) -> Result<Request, CommandError> {
    let param = RawValue::from_string(param.to_owned()).unwrap();
    Request::decode(&RemoteRequest { id: ID, name: "hello".into(), param: Some(param) })
}

/// The version is judged before the fields that another version may not have.
#[test]
fn another_version_is_told_from_a_malformed_hello() {
    for param in [r#"{"version":2}"#, r#"{"version":2,"chain":5,"shard":[1]}"#] {
        let error = hello_with(param).unwrap_err();
        assert_eq!(error, CommandError::Version { actual: 2 }, "{param}");
        let sentence = "the peer speaks version 2 of the command language, this node version 1";
        assert_eq!(error.to_string(), sentence);
    }
    for param in
        ["{}", r#"{"version":"1"}"#, r#"{"version":-1}"#, r#"{"version":4294967296}"#, r#"{"version":1}"#]
    {
        assert!(matches!(hello_with(param), Err(CommandError::Json { what: "hello", .. })), "{param}");
    }
}

#[test]
fn fields_of_a_later_version_are_passed_over() {
    assert_eq!(
        ask("pull", r#"{"from":7,"compress":{"with":["zstd"]}}"#),
        Ok(SupervisorCall::Pull(PullRequest::Range { from: Height(7) }))
    );
    assert_eq!(ask("status", r#"{"since":1}"#), Ok(SupervisorCall::Status));
    assert_eq!(ask("candidates", "[1]"), Ok(SupervisorCall::Candidates));
    assert_eq!(
        answer(CallKind::Receipt, r#"{"receipt":null,"pending":true}"#),
        Ok(ReplyPart::Whole(MasterReply::Receipt(None)))
    );
    assert_eq!(answer(CallKind::Seal, r#"{"counted":3}"#), Ok(ReplyPart::Whole(MasterReply::Sealed)));
}

/// Parameters that are not what the call needs, each with a word of its sentence.
#[test]
fn malformed_calls_are_refused_with_the_reason() {
    let short = "0x".to_owned() + &"11".repeat(31);
    let long = "0x".to_owned() + &"11".repeat(33);
    let cases = [
        ("pull", "{}".to_owned(), "either `hash` or `from`"),
        ("pull", format!(r#"{{"hash":"0x{}","from":1}}"#, "11".repeat(32)), "either `hash` or `from`"),
        ("pull", "7".into(), "pull: expected an object"),
        ("pull", "[null, 7]".into(), "pull: expected an object"),
        ("pull", "null".into(), "pull"),
        ("pull", r#"{"from":-1}"#.into(), "-1"),
        ("pull", r#"{"from":1.0}"#.into(), "floating point"),
        ("pull", r#"{"from":"1"}"#.into(), "expected u64"),
        ("pull", format!(r#"{{"hash":"{short}"}}"#), "31 bytes, expected 32"),
        ("pull", format!(r#"{{"hash":"{long}"}}"#), "66 hex digits"),
        ("receipt", format!(r#"{{"hash":"{}"}}"#, "11".repeat(32)), "without 0x"),
        ("receipt", r#"{"hash":"0xg"}"#.into(), "expected 0x and an even number of hex digits"),
        ("receipt", r#"{"hash":5}"#.into(), "invalid type: integer"),
        ("receipt", "{}".into(), "missing field `hash`"),
        ("submit", r#"{"transaction":"0x0"}"#.into(), "expected 0x and an even number of hex digits"),
        ("seal", r#"{"seals":"0x"}"#.into(), "the list of seals is not canonical"),
        ("seal", r#"{"seals":"0xc000"}"#.into(), "bytes after the end"),
        ("seal", r#"{"seals":["0xc0"]}"#.into(), "invalid type: sequence"),
    ];
    for (name, param, reason) in cases {
        let error = ask(name, &param).unwrap_err().to_string();
        assert!(error.contains(reason), "{name} {param}: {error}");
    }
}

#[test]
fn calls_without_parameters_or_a_known_name_are_refused() {
    for name in ["pull", "seal", "submit", "receipt"] {
        let error = decode_call(name, None).unwrap_err();
        assert_eq!(error.to_string(), format!("`{name}` needs parameters and has none"));
    }
    let request = RemoteRequest { id: ID, name: "hello".into(), param: None };
    assert_eq!(Request::decode(&request), Err(CommandError::NoParam { name: "hello" }));
    for name in ["", "Pull", "pull ", "announce", "\u{1b}[2J"] {
        let error = decode_call(name, None).unwrap_err();
        assert!(matches!(error, CommandError::UnknownCall { .. }), "{name}: {error}");
        assert!(!error.to_string().contains('\u{1b}'));
    }
    let error = decode_call("pul", None).unwrap_err();
    assert_eq!(error.to_string(), "\"pul\" is not a call that version 1 knows");
}

#[test]
fn malformed_replies_are_refused_with_the_reason() {
    let zeros = format!("0x{}", "00".repeat(32));
    let cases = [
        (CallKind::Pull, "{}".to_owned(), "missing field `blob`"),
        (CallKind::Pull, r#"{"blob":null}"#.into(), "expected u64"),
        (CallKind::Pull, r#"{"blob":-1}"#.into(), "-1"),
        (CallKind::Candidates, r#"{"tickets":"0x80"}"#.into(), "the list of tickets is not canonical"),
        (CallKind::Submit, "{}".into(), "either `hash` or `refused`"),
        (CallKind::Submit, format!(r#"{{"hash":"{zeros}","refused":"x"}}"#), "either `hash` or `refused`"),
        (CallKind::Receipt, "{}".into(), "missing field `receipt`"),
        (CallKind::Receipt, r#"{"receipt":{}}"#.into(), "missing field"),
        (CallKind::Receipt, format!(r#"{{"receipt":[1,"{zeros}",true,1,true]}}"#), "expected an object"),
        (CallKind::Status, r#"{"height":1}"#.into(), "missing field"),
    ];
    for (kind, result, reason) in cases {
        let error = answer(kind, &result).unwrap_err().to_string();
        assert!(error.contains(reason), "{kind:?} {result}: {error}");
    }
    for kind in [CallKind::Pull, CallKind::Candidates, CallKind::Submit, CallKind::Receipt, CallKind::Status]
    {
        let empty = response_of(&remote_response(ID, Ok(None)));
        assert_eq!(decode_reply(kind, &empty), Err(CommandError::NoParam { name: kind.name() }));
    }
}

/// Any code but 0 is a call that failed, whatever was called; so is a time-out.
#[test]
fn other_codes_are_failures_of_every_call() {
    let request = Request::Call(SupervisorCall::Status).encode(ID).unwrap();
    let late = timeout_result(ID, &request);
    let without_text = RemoteResponse { id: ID, code: 77, result: None, error: None };
    let kinds = calls().iter().map(|(_, call)| CallKind::of(call)).collect::<Vec<_>>();
    for kind in kinds {
        let failed = |response| match decode_reply(kind, response) {
            Ok(ReplyPart::Whole(MasterReply::Failed(text))) => text,
            other => panic!("{other:?}"),
        };
        assert!(failed(&late).starts_with("Remote api timeout. Remote request=REMOTE_REQUEST{ 'reqid':'"));
        assert_eq!(failed(&without_text), "the peer answered with code 77 alone");
    }
}

#[test]
fn a_binary_frame_is_what_its_reply_told() {
    let reply = MasterReply::Pulled(Pulled::Block(std::sync::Arc::new(block())));
    let content = encode_reply(ID, &reply).unwrap().blob.unwrap();
    let length = content.len();
    assert_eq!(decode_pulled(length, &content), Ok(reply));
    let error = decode_pulled(length - 1, &content).unwrap_err();
    assert_eq!(error, CommandError::BlobLength { expected: length - 1, actual: length });
    let short = &content[..length - 1];
    assert!(matches!(decode_pulled(length - 1, short), Err(CommandError::Rlp { .. })));
    assert!(matches!(decode_pulled(0, &[]), Err(CommandError::Rlp { .. })));
    // Nothing comes without a frame, and as a frame it is canonical all the same.
    let nothing = encode_reply(ID, &MasterReply::Pulled(Pulled::Nothing)).unwrap();
    assert_eq!(nothing.blob, None);
}

fn number() -> impl Strategy<Value = u64> {
    prop_oneof![Just(0), Just(MAX_JSON_NUMBER), 0..=MAX_JSON_NUMBER, 0..1_000_u64]
}

fn hash() -> impl Strategy<Value = B256> {
    any::<[u8; 32]>().prop_map(B256::from)
}

fn some_bytes() -> impl Strategy<Value = Bytes> {
    vec(any::<u8>(), 0..400)
        .prop_filter("within a signature", |bytes| bytes.len() <= 384)
        .prop_map(Bytes::from)
}

fn some_seal() -> impl Strategy<Value = Seal> {
    (hash(), hash(), some_bytes(), hash(), some_bytes()).prop_map(
        |(supervisor, core, draw_signature, block_hash, signature)| Seal {
            supervisor: NodeId(supervisor),
            core,
            draw_signature,
            block_hash,
            signature,
        },
    )
}

fn some_ticket() -> impl Strategy<Value = Ticket> {
    (any::<u64>(), any::<u64>(), hash(), any::<u16>(), some_bytes()).prop_map(
        |(epoch, view, draw_seed, member, signature)| Ticket {
            epoch: Epoch(epoch),
            view: View(view),
            draw_seed,
            member: MemberIndex(member),
            signature,
        },
    )
}

fn some_call() -> impl Strategy<Value = SupervisorCall> {
    prop_oneof![
        hash().prop_map(|hash| SupervisorCall::Pull(PullRequest::Block { hash })),
        number().prop_map(|from| SupervisorCall::Pull(PullRequest::Range { from: Height(from) })),
        vec(some_seal(), 0..5).prop_map(SupervisorCall::Seal),
        some_bytes().prop_map(SupervisorCall::Submit),
        hash().prop_map(SupervisorCall::Receipt),
    ]
}

fn some_reply() -> impl Strategy<Value = (CallKind, MasterReply)> {
    let receipt = (number(), hash(), any::<bool>(), number(), any::<bool>()).prop_map(
        |(height, block_hash, succeeded, gas_used, third_state)| ReceiptSummary {
            height: Height(height),
            block_hash,
            succeeded,
            gas_used,
            third_state,
        },
    );
    let status = (number(), hash(), hash(), number(), number()).prop_map(
        |(height, hash, state_root, third_height, view)| StatusSummary {
            height: Height(height),
            hash,
            state_root,
            third_height: Height(third_height),
            view: View(view),
        },
    );
    prop_oneof![
        vec(some_ticket(), 0..5).prop_map(|tickets| (CallKind::Candidates, MasterReply::Candidates(tickets))),
        hash().prop_map(|hash| (CallKind::Submit, MasterReply::Submitted(Ok(hash)))),
        "[^\\p{Cc}]{0,200}".prop_map(|text| (CallKind::Submit, MasterReply::Submitted(Err(text)))),
        "[^\\p{Cc}]{0,200}".prop_map(|text| (CallKind::Status, MasterReply::Failed(text))),
        proptest::option::of(receipt).prop_map(|receipt| (CallKind::Receipt, MasterReply::Receipt(receipt))),
        status.prop_map(|status| (CallKind::Status, MasterReply::Status(status))),
    ]
}

fn some_announcement() -> impl Strategy<Value = Announcement> {
    let place = (any::<u64>(), any::<u64>(), any::<u64>(), any::<u64>(), hash()).prop_map(
        |(epoch, view, parent_view, height, hash)| BlockPlace {
            epoch: Epoch(epoch),
            view: View(view),
            parent_view: View(parent_view),
            height: Height(height),
            hash,
        },
    );
    (place, any::<bool>(), any::<u64>()).prop_map(|(place, is_certified, view)| match is_certified {
        false => Announcement::Proposed(place),
        true => {
            Announcement::Certified { place, certificate: Certificate { view: View(view), ..certificate() } }
        }
    })
}

proptest! {
    #[test]
    fn any_call_comes_back(call in some_call()) {
        prop_assert_eq!(call_there_and_back(&call), call);
    }

    #[test]
    fn any_reply_comes_back((kind, reply) in some_reply()) {
        prop_assert_eq!(reply_there_and_back(kind, &reply), reply);
    }

    #[test]
    fn any_announcement_comes_back(announcement in some_announcement()) {
        let command = encode_announcement(&announcement).unwrap();
        match incoming(&command) {
            Incoming::Announcement(back) => prop_assert_eq!(back, announcement),
            other => panic!("{other:?}"),
        }
    }
}
