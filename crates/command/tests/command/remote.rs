//! The texts of remote calls to the letter, and attempts to write more into them (R-066 to R-069, G-27).

use crate::fixtures::ID;
use btn_command::{
    BtnCmd, CommandError, Incoming, RETURN_FAILED, RETURN_OK, RETURN_TIMEOUT, RawValue, RemoteRequest,
    RemoteResponse, RequestId, failure_reply, remote_request, remote_response, timeout_result,
};
use proptest::prelude::*;

const ID_TEXT: &str = "00010203-0405-4607-8809-0a0b0c0d0e0f";

fn json(text: &str) -> Box<RawValue> {
    RawValue::from_string(text.to_owned()).unwrap()
}

fn quoted(text: &str) -> Box<RawValue> {
    serde_json::value::to_raw_value(text).unwrap()
}

fn read_request(command: &BtnCmd) -> RemoteRequest {
    match Incoming::read(command) {
        Ok(Incoming::Request(request)) => request,
        other => panic!("{other:?}"),
    }
}

fn read_response(command: &BtnCmd) -> RemoteResponse {
    match Incoming::read(command) {
        Ok(Incoming::Response(response)) => response,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_request_is_the_papers_text() {
    let cases = [
        (None, "null"),
        (Some(json(r#"{"from":7}"#)), r#"{"from":7}"#),
        (Some(json("[1, 2]")), "[1, 2]"),
        (Some(quoted("text")), r#""text""#),
        (Some(quoted("a \"b\" é")), r#""a \"b\" é""#),
    ];
    for (param, written) in cases {
        let command = remote_request(ID, "pull", param.as_deref());
        let expected =
            format!(r#"REMOTE_REQUEST{{ "reqid":"{ID_TEXT}", "name":"pull", "param":{written} }}"#);
        assert_eq!(command.body(), expected);
        assert_eq!(command.cmd(), "REMOTE_REQUEST");
        assert_eq!(command.string("reqid"), Ok(Some(ID_TEXT)));
        assert_eq!(command.string("name"), Ok(Some("pull")));
        let request = read_request(&command);
        assert_eq!((request.id, &*request.name), (ID, "pull"));
        assert_eq!(request.param.as_deref().map(RawValue::get), param.as_deref().map(RawValue::get));
    }
}

#[test]
fn a_response_is_laid_out_as_its_request() {
    let done = remote_response(ID, Ok(Some(&json("[1]"))));
    assert_eq!(done.body(), format!(r#"REMOTE_RESPONSE{{ "reqid":"{ID_TEXT}", "r":0, "result":[1] }}"#));
    assert_eq!(done.return_code(), Ok(Some(RETURN_OK)), "R-059");
    let empty = remote_response(ID, Ok(None));
    assert_eq!(empty.body(), format!(r#"REMOTE_RESPONSE{{ "reqid":"{ID_TEXT}", "r":0, "result":null }}"#));
    let failed = failure_reply(ID, "no \"such\" call");
    assert_eq!(
        failed.body(),
        format!(r#"REMOTE_RESPONSE{{ "reqid":"{ID_TEXT}", "r":1, "error":"no \"such\" call" }}"#)
    );
    assert_eq!(failed.return_code(), Ok(Some(RETURN_FAILED)));
    let response = read_response(&failed);
    assert_eq!((response.id, response.code, response.error.as_deref()), (ID, 1, Some("no \"such\" call")));
    let response = read_response(&done);
    assert_eq!((response.code, response.result.as_deref().map(RawValue::get)), (0, Some("[1]")));
}

#[test]
fn a_time_out_is_the_papers_text() {
    let request = remote_request(ID, "status", Some(&json(r#"{"a":"b"}"#)));
    let result = timeout_result(ID, &request);
    assert_eq!((result.id, result.code), (ID, RETURN_TIMEOUT));
    assert_eq!(
        result.error.unwrap(),
        "Remote api timeout. Remote request=REMOTE_REQUEST{ 'reqid':'00010203-0405-4607-8809-0a0b0c0d0e0f', \
         'name':'status', 'param':{'a':'b'} }"
    );
    assert!(result.result.is_none());
}

/// G-27: whatever stands in a name or a text, it stays there.
#[test]
fn nothing_can_be_written_into_a_request() {
    let attempts = [
        r#"x", "param":{"from":1} }"#,
        r#"x","reqid":"ffffffff-ffff-4fff-bfff-ffffffffffff"#,
        "x{\"a\":1}",
        "x\" }\nREMOTE_REQUEST{ \"reqid\":\"",
        "\\",
        "\\\"",
        "\u{0}\u{1f}\u{7f}\u{2028}",
        "BTNC\0\0\0\u{1}x",
    ];
    for attempt in attempts {
        let command = remote_request(ID, attempt, Some(&quoted(attempt)));
        assert_eq!(command.cmd(), "REMOTE_REQUEST");
        assert_eq!(command.param().unwrap().as_object().unwrap().len(), 3, "{attempt:?}");
        assert_eq!(command.string("reqid"), Ok(Some(ID_TEXT)));
        assert_eq!(command.string("name"), Ok(Some(attempt)));
        assert_eq!(command.string("param"), Ok(Some(attempt)));
        let request = read_request(&command);
        assert_eq!((request.id, &*request.name), (ID, attempt));
    }
    // Parameters are JSON by their type: text that is more than one value never becomes one.
    for text in [r#"1, "name":"seal""#, "null }", "{", "", "1 2"] {
        assert!(RawValue::from_string(text.to_owned()).is_err(), "{text}");
    }
}

#[test]
fn ids_are_uuids_in_their_text_form() {
    assert_eq!(ID.to_string(), ID_TEXT);
    assert_eq!(ID_TEXT.parse(), Ok(ID));
    assert_eq!(ID_TEXT.to_uppercase().parse(), Ok(ID));
    assert_eq!(RequestId([0xff; 16]).to_string(), "ffffffff-ffff-ffff-ffff-ffffffffffff");
    assert_eq!(RequestId::from_random([0xff; 16]).to_string(), "ffffffff-ffff-4fff-bfff-ffffffffffff");
    assert_eq!(RequestId::from_random([0; 16]).to_string(), "00000000-0000-4000-8000-000000000000");
    let long = format!("urn:uuid:{ID_TEXT}");
    let braced = format!("{{{ID_TEXT}}}");
    let shifted = "000102030-405-4607-8809-0a0b0c0d0e0f";
    for text in [
        "",
        "1",
        "000102030405460788090a0b0c0d0e0f",
        &long,
        &braced,
        shifted,
        "é0010203-0405-4607-8809-0a0b0c0d0e0",
    ] {
        let error = text.parse::<RequestId>().unwrap_err();
        assert_eq!(error, CommandError::RequestId { bytes: text.len() }, "{text}");
    }
}

#[test]
fn calls_without_a_readable_id_or_code_are_errors() {
    let bodies = [
        "REMOTE_REQUEST",
        "REMOTE_REQUEST{}",
        "REMOTE_REQUEST{\"reqid\":1,\"name\":\"status\"}",
        "REMOTE_REQUEST{\"reqid\":\"x\",\"name\":\"status\"}",
        &format!("REMOTE_REQUEST{{\"reqid\":\"{ID_TEXT}\"}}"),
        &format!("REMOTE_REQUEST{{\"reqid\":\"{ID_TEXT}\",\"name\":null}}"),
        &format!("REMOTE_REQUEST{{\"reqid\":\"{ID_TEXT}\",\"reqid\":\"{ID_TEXT}\",\"name\":\"status\"}}"),
        &format!("REMOTE_REQUEST{{\"reqid\":\"{ID_TEXT}\",\"name\":\"status\"}} more"),
        &format!("REMOTE_RESPONSE{{\"reqid\":\"{ID_TEXT}\"}}"),
        &format!("REMOTE_RESPONSE{{\"reqid\":\"{ID_TEXT}\",\"r\":\"0\"}}"),
        &format!("REMOTE_RESPONSE{{\"reqid\":\"{ID_TEXT}\",\"r\":2147483648}}"),
        "ANNOUNCE",
        "ANNOUNCE{}",
        "ANNOUNCE{\"announcement\":\"0x\"}",
    ];
    for body in bodies {
        let read = Incoming::read(&BtnCmd::parse(body.to_owned()));
        assert!(read.is_err(), "{body}: {read:?}");
    }
}

/// A later version may add commands and fields; this one passes over them.
#[test]
fn what_a_later_version_adds_is_passed_over() {
    for body in ["", "ping", "remote_request{}", " REMOTE_REQUEST{}", "GOODBYE{\"why\":[[[]]]}"] {
        assert!(matches!(Incoming::read(&BtnCmd::parse(body.to_owned())), Ok(Incoming::Unknown)), "{body}");
    }
    // However deep the unknown field: it is skipped, not built.
    let deep = format!("{}{}", "[".repeat(1_000), "]".repeat(1_000));
    let body = format!(
        "REMOTE_REQUEST{{\"priority\":{deep},\"reqid\":\"{ID_TEXT}\",\"name\":\"status\",\"trace\":{{\"a\":1}}}}"
    );
    let request = read_request(&BtnCmd::parse(body));
    assert_eq!((&*request.name, request.param.is_none()), ("status", true));
    let body = format!("REMOTE_RESPONSE{{\"took_ms\":5,\"reqid\":\"{ID_TEXT}\",\"r\":9}}");
    assert_eq!(read_response(&BtnCmd::parse(body)).code, 9);
}

#[test]
fn a_peers_texts_are_cut_off_and_move_no_cursor() {
    let response = read_response(&remote_response(ID, Err(&"é".repeat(2_000))));
    assert_eq!(response.error.unwrap(), "é".repeat(512), "at a character, not inside one");
    let body = format!(
        r#"REMOTE_RESPONSE{{"reqid":"{ID_TEXT}","r":1,"error":"\u001b[2Jbad\n{}"}}"#,
        "x".repeat(5_000)
    );
    let error = read_response(&BtnCmd::parse(body)).error.unwrap();
    assert_eq!(&error[..9], " [2Jbad x");
    assert_eq!(error.len(), 1_024);
}

proptest! {
    #[test]
    fn any_name_and_text_come_back(name in any::<String>(), text in any::<String>(), id in any::<[u8; 16]>()) {
        let id = RequestId(id);
        let command = remote_request(id, &name, Some(&quoted(&text)));
        let request = read_request(&command);
        prop_assert_eq!(request.id, id);
        prop_assert_eq!(request.name, name);
        let back: String = serde_json::from_str(request.param.unwrap().get()).unwrap();
        prop_assert_eq!(back, text);
        prop_assert_eq!(id.to_string().parse(), Ok(id));
    }
}
