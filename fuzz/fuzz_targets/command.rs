//! Fuzz target of the command layer: frames, commands and what they carry, as both sides of a link read them.
//!
//! The first byte of an input says what the rest is: 255 the content of a binary frame, 254 the body of one command,
//! anything else a stream that arrives in pieces of so many bytes (0: all at once).

#![no_main]

use btn_command::{
    BtnCmd, CallKind, Frame, FrameError, Incoming, MAX_BLOB_BYTES, Pipeline, ReplyPart, Request, RequestId,
    decode_hello_reply, decode_pulled, decode_reply, encode_announcement, encode_hello_reply, encode_reply,
};
use libfuzzer_sys::fuzz_target;

const ID: RequestId = RequestId([7; 16]);

const KINDS: [CallKind; 6] = [
    CallKind::Pull,
    CallKind::Seal,
    CallKind::Candidates,
    CallKind::Submit,
    CallKind::Receipt,
    CallKind::Status,
];

fuzz_target!(|input: &[u8]| {
    let Some((how, rest)) = input.split_first() else { return };
    match how {
        255 => read_blob(rest),
        254 => read_command(&BtnCmd::parse(String::from_utf8_lossy(rest).into_owned())),
        piece_bytes => read_stream(rest, usize::from(*piece_bytes)),
    }
});

/// Frames that came out, the error that ended it, and the bytes left over.
type Outcome = (Vec<Frame>, Option<FrameError>, usize);

fn frames(stream: &[u8], piece_bytes: usize) -> Outcome {
    let mut pipeline = Pipeline::new();
    let mut found = Vec::new();
    let mut arrived = 0;
    for piece in stream.chunks(piece_bytes) {
        pipeline.push(piece);
        arrived += piece.len();
        loop {
            match pipeline.next() {
                Ok(Some(frame)) => found.push(frame),
                Ok(None) => break,
                Err(error) => return (found, Some(error), pipeline.buffered_bytes()),
            }
        }
        assert!(pipeline.buffered_bytes() <= arrived.min(MAX_BLOB_BYTES + 24));
    }
    (found, None, pipeline.buffered_bytes())
}

fn read_stream(stream: &[u8], piece_bytes: usize) {
    let whole = frames(stream, stream.len().max(1));
    if piece_bytes > 0 {
        assert_eq!(frames(stream, piece_bytes), whole, "pieces of {piece_bytes} bytes");
    }
    for frame in whole.0 {
        match frame {
            Frame::Command { command, .. } => read_command(&command),
            Frame::Blob { bytes, .. } => read_blob(&bytes),
        }
    }
}

/// What was read is what is read again after writing it.
fn read_command(command: &BtnCmd) {
    assert_eq!([command.cmd(), command.param_string()].concat(), command.body());
    let _ = (command.param(), command.return_code(), command.array("reqid"));
    match Incoming::read(command) {
        Ok(Incoming::Request(request)) => {
            if let Ok(asked) = Request::decode(&request) {
                let again = asked.encode(request.id).expect("what was within its limits");
                let Ok(Incoming::Request(again)) = Incoming::read(&again) else { panic!("{asked:?}") };
                assert_eq!(Request::decode(&again), Ok(asked));
            }
        }
        Ok(Incoming::Response(response)) => {
            for kind in KINDS {
                if let Ok(ReplyPart::Whole(reply)) = decode_reply(kind, &response) {
                    let again = encode_reply(ID, &reply).expect("what was within its limits").command;
                    let Ok(Incoming::Response(again)) = Incoming::read(&again) else { panic!("{reply:?}") };
                    assert_eq!(decode_reply(kind, &again), Ok(ReplyPart::Whole(reply)));
                }
            }
            if let Ok(hello) = decode_hello_reply(&response) {
                encode_hello_reply(ID, hello).expect("what was within its limits");
            }
        }
        Ok(Incoming::Announcement(announcement)) => {
            let again = encode_announcement(&announcement).expect("what was within its limits");
            let Ok(Incoming::Announcement(again)) = Incoming::read(&again) else {
                panic!("{announcement:?}")
            };
            assert_eq!(again, announcement);
        }
        Ok(Incoming::Unknown) => {}
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}

/// A value has one encoding (ADR 002).
fn read_blob(bytes: &[u8]) {
    if let Ok(reply) = decode_pulled(bytes.len(), bytes) {
        let again = encode_reply(ID, &reply).expect("what was within its limits").blob;
        assert!(again.is_none_or(|again| again == bytes), "{} bytes", bytes.len());
    }
}
