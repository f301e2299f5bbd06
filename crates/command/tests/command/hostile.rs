//! Whatever arrives: an error or a value, never a panic, and never more kept than has arrived.

use crate::fixtures::{ID, calls, frames};
use btn_command::*;
use proptest::collection::vec;
use proptest::prelude::*;
use std::collections::BTreeSet;

/// Reads a stream to its end as both sides of a link would. Returns how many frames were whole.
fn read_all(stream: &[u8], piece_bytes: usize) -> usize {
    let kinds: BTreeSet<CallKind> = calls().iter().map(|(_, call)| CallKind::of(call)).collect();
    let mut pipeline = Pipeline::new();
    let (mut arrived, mut frames) = (0, 0);
    for piece in stream.chunks(piece_bytes) {
        pipeline.push(piece);
        arrived += piece.len();
        loop {
            match pipeline.next() {
                Ok(Some(frame)) => {
                    frames += 1;
                    read_frame(&frame, &kinds);
                }
                Ok(None) => break,
                Err(error) => {
                    assert!(!error.to_string().is_empty());
                    assert_eq!(pipeline.buffered_bytes(), 0);
                    return frames;
                }
            }
        }
        assert!(pipeline.buffered_bytes() <= arrived);
        assert!(pipeline.buffered_bytes() <= MAX_BLOB_BYTES + 24);
    }
    frames
}

fn read_frame(frame: &Frame, kinds: &BTreeSet<CallKind>) {
    match frame {
        Frame::Command { command, .. } => read_command(command, kinds),
        Frame::Blob { bytes, .. } => {
            let _ = decode_pulled(bytes.len(), bytes);
        }
    }
}

fn read_command(command: &BtnCmd, kinds: &BTreeSet<CallKind>) {
    let _ = (command.param(), command.return_code(), command.string("reqid"), command.to_string());
    match Incoming::read(command) {
        Ok(Incoming::Request(request)) => {
            // What was understood can be said again.
            if let Ok(request) = Request::decode(&request) {
                request.encode(ID).unwrap();
            }
        }
        Ok(Incoming::Response(response)) => {
            for kind in kinds {
                let _ = decode_reply(*kind, &response);
            }
            let _ = decode_hello_reply(&response);
        }
        Ok(Incoming::Announcement(announcement)) => {
            encode_announcement(&announcement).unwrap();
        }
        Ok(Incoming::Unknown) => {}
        Err(error) => assert!(error.to_string().len() < MAX_TEXT_BYTES + 200, "{error}"),
    }
}

#[test]
fn everything_valid_is_read() {
    let all = frames();
    assert_eq!(read_all(&all.concat(), 64), all.len());
}

/// Every single byte of everything that is said, changed in four ways.
#[test]
fn one_wrong_byte_anywhere() {
    for frame in frames().iter().filter(|frame| frame.len() < 1_000) {
        for at in 0..frame.len() {
            for change in [0x01, 0x20, 0x80, 0xff] {
                let mut wrong = frame.to_vec();
                wrong[at] ^= change;
                read_all(&wrong, 4_096);
            }
        }
    }
}

/// A body framed right, whatever it says.
fn framed(body: &str) -> Vec<u8> {
    encode_command(&BtnCmd::parse(body.to_owned())).unwrap().to_vec()
}

/// JSON of all shapes, nested up to this depth.
fn any_json() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("null".to_owned()),
        any::<bool>().prop_map(|value| value.to_string()),
        any::<i64>().prop_map(|value| value.to_string()),
        any::<u64>().prop_map(|value| value.to_string()),
        any::<f64>()
            .prop_filter("JSON has no others", |value| value.is_finite())
            .prop_map(|value| format!("{value:e}")),
        any::<String>().prop_map(|text| serde_json::Value::from(text).to_string()),
        "0x[0-9a-f]{0,80}".prop_map(|text| format!("{text:?}")),
    ];
    leaf.prop_recursive(4, 32, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(|items| format!("[{}]", items.join(","))),
            vec((field_name(), inner), 0..4).prop_map(|fields| {
                let fields: Vec<String> =
                    fields.into_iter().map(|(name, value)| format!("{name:?}:{value}")).collect();
                format!("{{{}}}", fields.join(","))
            }),
        ]
    })
}

fn field_name() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "reqid",
        "name",
        "param",
        "r",
        "result",
        "error",
        "hash",
        "from",
        "seals",
        "transaction",
        "tickets",
        "blob",
        "receipt",
        "height",
        "view",
        "version",
        "announcement",
        "x",
    ])
}

fn call_name() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "hello",
        "pull",
        "seal",
        "candidates",
        "submit",
        "receipt",
        "status",
        "announce",
        "",
    ])
}

proptest! {
    #[test]
    fn random_bytes(bytes in vec(any::<u8>(), 0..2_000), piece_bytes in 1..300_usize) {
        read_all(&bytes, piece_bytes);
    }

    #[test]
    fn random_content_behind_right_headers(
        contents in vec((any::<bool>(), vec(any::<u8>(), 0..300)), 0..8),
        piece_bytes in 1..300_usize,
    ) {
        let mut stream = Vec::new();
        for (is_command, content) in contents {
            let flag = if is_command { BTN_CMD_FLAG } else { BTN_BLOB_FLAG };
            stream.extend(flag.to_be_bytes());
            stream.extend((content.len() as u32).to_be_bytes());
            stream.extend(if is_command { &[][..] } else { &[7; 16] });
            stream.extend(content);
        }
        read_all(&stream, piece_bytes);
    }

    #[test]
    fn random_json_in_the_right_places(name in call_name(), json in any_json(), code in any::<i32>()) {
        let request = format!(r#"REMOTE_REQUEST{{ "reqid":"{ID}", "name":"{name}", "param":{json} }}"#);
        prop_assert_eq!(read_all(&framed(&request), 64), 1);
        let response = format!(r#"REMOTE_RESPONSE{{ "reqid":"{ID}", "r":{code}, "result":{json} }}"#);
        prop_assert_eq!(read_all(&framed(&response), 64), 1);
        let done = format!(r#"REMOTE_RESPONSE{{ "reqid":"{ID}", "r":0, "result":{json}, "error":{json} }}"#);
        prop_assert_eq!(read_all(&framed(&done), 64), 1);
        prop_assert_eq!(read_all(&framed(&format!("ANNOUNCE{json}")), 64), 1);
    }

    /// Valid frames with a stretch of them cut out, doubled or overwritten.
    #[test]
    fn damaged_streams(at in any::<prop::sample::Index>(), other in any::<prop::sample::Index>(), how in 0..3) {
        let stream = frames().concat();
        let (from, to) = (at.index(stream.len()), other.index(stream.len()));
        let (from, to) = (from.min(to), from.max(to));
        let middle = match how {
            0 => Vec::new(),
            1 => stream[from..to].repeat(2),
            _ => vec![b'{'; to - from],
        };
        read_all(&[&stream[..from], &middle, &stream[to..]].concat(), 512);
    }
}

/// JSON that would be tens of megabytes as a tree is skipped or refused as text; only who asks for the tree gets it.
#[test]
fn a_full_command_of_small_values() {
    let many = "[0],".repeat(MAX_COMMAND_BYTES / 4 - 100);
    let body = format!(r#"REMOTE_REQUEST{{ "reqid":"{ID}", "name":"status", "param":[{many}0] }}"#);
    assert!(body.len() > MAX_COMMAND_BYTES - 1_000);
    let command = BtnCmd::parse(body);
    assert!(encode_command(&command).is_ok());
    let Ok(Incoming::Request(request)) = Incoming::read(&command) else { panic!("{command:?}") };
    assert_eq!(Request::decode(&request), Ok(Request::Call(btn_types::supervision::SupervisorCall::Status)));
    assert_eq!(command.param().unwrap()["param"].as_array().unwrap().len(), MAX_COMMAND_BYTES / 4 - 99);
}
