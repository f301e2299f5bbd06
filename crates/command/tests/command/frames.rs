//! Frames: byte-exact, cut anywhere, many at once, foreign bytes (R-060 to R-064, G-26).

use crate::fixtures::{ID, frames};
use btn_command::{
    BTN_BLOB_FLAG, BTN_CMD_FLAG, BlobDecoder, BtnCmd, CommandDecoder, Decoded, Frame, FrameError, Handler,
    MAX_BLOB_BYTES, MAX_COMMAND_BYTES, Pipeline, RequestId, encode_blob, encode_command,
};
use bytes::BytesMut;
use proptest::collection::vec;
use proptest::prelude::*;
use std::sync::{Arc, Mutex};

fn command(body: &str) -> BtnCmd {
    BtnCmd::parse(body.to_owned())
}

/// All frames that are whole.
fn drain(pipeline: &mut Pipeline) -> Result<Vec<Frame>, FrameError> {
    let mut found = Vec::new();
    while let Some(frame) = pipeline.next()? {
        found.push(frame);
    }
    Ok(found)
}

/// What comes out of `bytes` when they arrive in pieces of these lengths, and the rest at once.
fn read_in_pieces(mut bytes: &[u8], pieces: &[usize]) -> Vec<Frame> {
    let mut pipeline = Pipeline::new();
    let mut found = Vec::new();
    for length in pieces {
        let (piece, rest) = bytes.split_at((*length).min(bytes.len()));
        pipeline.push(piece);
        found.extend(drain(&mut pipeline).unwrap());
        bytes = rest;
    }
    pipeline.push(bytes);
    found.extend(drain(&mut pipeline).unwrap());
    assert_eq!(pipeline.finish(), Ok(()));
    found
}

#[test]
fn frames_are_exact_to_the_byte() {
    let ascii = encode_command(&command("ping")).unwrap();
    assert_eq!(&ascii[..], b"BTNC\0\0\0\x04ping");
    // Three characters, ten bytes: the length counts bytes.
    let wide = encode_command(&command("é€🦀x")).unwrap();
    assert_eq!(&wide[..], b"BTNC\0\0\0\x0a\xc3\xa9\xe2\x82\xac\xf0\x9f\xa6\x80x");
    let blob = encode_blob(RequestId([0xaa; 16]), &[1, 2, 3]).unwrap();
    assert_eq!(&blob[..], [&b"BTNB\0\0\0\x03"[..], &[0xaa; 16], &[1, 2, 3]].concat());
    assert_eq!(BTN_CMD_FLAG.to_be_bytes(), *b"BTNC");
    assert_eq!(BTN_BLOB_FLAG.to_be_bytes(), *b"BTNB");
}

#[test]
fn a_stream_cut_at_every_byte_gives_the_same_frames() {
    let first = encode_command(&command("eins{\"ü\":\"é🦀\"}")).unwrap();
    let second = encode_blob(ID, &[7; 9]).unwrap();
    let third = encode_command(&command("zwei")).unwrap();
    let stream = [first, second, third].concat();
    let whole = read_in_pieces(&stream, &[]);
    assert_eq!(whole.len(), 3);
    for cut in 0..=stream.len() {
        assert_eq!(read_in_pieces(&stream, &[cut]), whole, "cut at {cut}");
    }
    assert_eq!(read_in_pieces(&stream, &vec![1; stream.len()]), whole, "byte by byte");
}

#[test]
fn everything_comes_through_cut_at_every_byte() {
    for frame in frames() {
        for cut in 0..=frame.len() {
            assert_eq!(read_in_pieces(&frame, &[cut]).len(), 1);
        }
    }
}

#[test]
fn commands_are_numbered_and_binary_frames_are_not() {
    let mut pipeline = Pipeline::new();
    for number in 1..=300_u64 {
        pipeline.push(&encode_blob(ID, b"beside").unwrap());
        pipeline.push(&encode_command(&command("tick")).unwrap());
        assert_eq!(drain(&mut pipeline).unwrap()[1], Frame::Command { number, command: command("tick") });
    }
}

#[test]
fn many_frames_in_one_read() {
    let count = 1_000;
    let stream: Vec<u8> =
        (0..count).flat_map(|at| encode_command(&command(&format!("c{at}{{}}"))).unwrap()).collect();
    let found = read_in_pieces(&stream, &[]);
    for (at, frame) in found.iter().enumerate() {
        let number = at as u64 + 1;
        assert_eq!(frame, &Frame::Command { number, command: command(&format!("c{at}{{}}")) });
    }
    assert_eq!(found.len(), count);
}

fn header(flag: u32, length: u32) -> Vec<u8> {
    [flag.to_be_bytes(), length.to_be_bytes()].concat()
}

#[test]
fn lengths_from_nothing_to_the_limit() {
    for length in [0, 1, MAX_COMMAND_BYTES] {
        let frame = encode_command(&command(&"x".repeat(length))).unwrap();
        let found = read_in_pieces(&frame, &[5, 4]);
        assert!(matches!(&found[..], [Frame::Command { command, .. }] if command.body().len() == length));
    }
    for length in [0, 1, MAX_BLOB_BYTES] {
        let frame = encode_blob(ID, &vec![1; length]).unwrap();
        let found = read_in_pieces(&frame, &[5, 4]);
        assert!(matches!(&found[..], [Frame::Blob { bytes, .. }] if bytes.len() == length));
    }
}

/// The header alone, eight bytes, is enough to refuse: nothing is waited for and nothing allocated.
#[test]
fn lengths_over_the_limit_are_refused_at_the_header() {
    let limits =
        [(BTN_CMD_FLAG, "command", MAX_COMMAND_BYTES), (BTN_BLOB_FLAG, "binary frame", MAX_BLOB_BYTES)];
    for (flag, kind, most) in limits {
        for length in [most as u32 + 1, i32::MAX as u32, i32::MAX as u32 + 1, u32::MAX] {
            let mut pipeline = Pipeline::new();
            pipeline.push(&header(flag, length)[..7]);
            assert_eq!(pipeline.next(), Ok(None), "{length}: the length is not all there");
            pipeline.push(&header(flag, length)[7..]);
            let refused = FrameError::TooLong { kind, actual: length as usize, most };
            assert_eq!(pipeline.next(), Err(refused.clone()));
            pipeline.push(&encode_command(&command("later")).unwrap());
            assert_eq!(pipeline.next(), Err(refused), "nobody knows where the next frame begins");
            assert_eq!(pipeline.buffered_bytes(), 0);
        }
    }
    let error = FrameError::TooLong { kind: "command", actual: 4_294_967_295, most: MAX_COMMAND_BYTES };
    assert_eq!(error.to_string(), "a command of 4294967295 bytes, at most 1048576 are allowed");
}

#[test]
fn nothing_over_the_limit_is_written() {
    let long = command(&"x".repeat(MAX_COMMAND_BYTES + 1));
    assert!(matches!(encode_command(&long), Err(FrameError::TooLong { .. })));
    assert!(matches!(encode_blob(ID, &vec![0; MAX_BLOB_BYTES + 1]), Err(FrameError::TooLong { .. })));
}

#[test]
fn a_stream_that_ends_inside_a_frame_is_told() {
    for frame in [encode_command(&command("hello{}")).unwrap(), encode_blob(ID, b"body").unwrap()] {
        for length in 1..frame.len() {
            let mut pipeline = Pipeline::new();
            pipeline.push(&frame[..length]);
            assert_eq!(pipeline.next(), Ok(None));
            assert_eq!(pipeline.finish(), Err(FrameError::Unfinished { bytes: length }));
        }
    }
}

#[test]
fn a_command_that_is_no_text_is_an_error_with_its_place() {
    let mut pipeline = Pipeline::new();
    pipeline.push(&encode_command(&command("fine")).unwrap());
    pipeline.push(&header(BTN_CMD_FLAG, 4));
    pipeline.push(b"ab\xffd");
    assert!(matches!(pipeline.next(), Ok(Some(Frame::Command { number: 1, .. }))));
    let error = pipeline.next().unwrap_err();
    assert_eq!(error.to_string(), "command 2 of this link is not UTF-8: byte 2 begins no character");
    assert_eq!(pipeline.next(), Err(error));
}

/// A handler that takes everything it is handed, and remembers it.
#[derive(Debug)]
struct Recorder(Arc<Mutex<Vec<u8>>>);

impl Handler for Recorder {
    fn decode(&mut self, buffer: &mut BytesMut) -> Result<Decoded, FrameError> {
        let bytes = buffer.split();
        self.0.lock().unwrap().extend_from_slice(&bytes);
        Ok(Decoded::Frame(Frame::Blob { id: ID, bytes: bytes.freeze() }))
    }
}

/// what is no command reaches the next handler with every byte it had, even behind commands.
#[test]
fn foreign_bytes_reach_the_next_handler_untouched() {
    let foreign = b"GET / HTTP/1.1\r\n\r\n";
    let seen = Arc::new(Mutex::new(Vec::new()));
    let mut pipeline =
        Pipeline::of(vec![Box::new(CommandDecoder::default()), Box::new(Recorder(Arc::clone(&seen)))]);
    pipeline.push(&encode_command(&command("first")).unwrap());
    pipeline.push(foreign);
    assert_eq!(drain(&mut pipeline).unwrap().len(), 2);
    assert_eq!(*seen.lock().unwrap(), foreign);
}

#[test]
fn a_handler_leaves_what_is_not_its_own() {
    let blob = encode_blob(ID, b"bytes").unwrap();
    let mut buffer = BytesMut::from(&blob[..]);
    assert_eq!(CommandDecoder::default().decode(&mut buffer), Ok(Decoded::Foreign));
    assert_eq!(buffer, blob);
    let ping = encode_command(&command("ping")).unwrap();
    let mut buffer = BytesMut::from(&ping[..]);
    assert_eq!(BlobDecoder::new(100).decode(&mut buffer), Ok(Decoded::Foreign));
    assert_eq!(buffer, ping);
    // Incomplete ones stay too.
    for length in 0..ping.len() {
        let mut buffer = BytesMut::from(&ping[..length]);
        assert_eq!(CommandDecoder::default().decode(&mut buffer), Ok(Decoded::Incomplete));
        assert_eq!(buffer, ping[..length]);
    }
}

/// G-26: where no handler is left, it is an error, told from four bytes.
#[test]
fn bytes_that_nobody_knows_are_an_error() {
    let mut pipeline = Pipeline::new();
    pipeline.push(b"GET");
    assert_eq!(pipeline.next(), Ok(None));
    pipeline.push(b" ");
    let error = pipeline.next().unwrap_err();
    assert_eq!(error, FrameError::UnknownFlag { flag: 0x4745_5420 });
    assert_eq!(
        error.to_string(),
        "bytes that begin with 0x47455420 are neither a command nor anything else known here"
    );
    let mut pipeline = Pipeline::commands_only();
    pipeline.push(&encode_blob(ID, b"unasked").unwrap());
    assert_eq!(pipeline.next(), Err(FrameError::UnknownFlag { flag: BTN_BLOB_FLAG }));
}

#[test]
fn a_stream_may_allow_less_than_the_limit() {
    let mut pipeline = Pipeline::of(vec![Box::new(BlobDecoder::new(3))]);
    pipeline.push(&encode_blob(ID, &[1, 2, 3]).unwrap());
    assert!(matches!(pipeline.next(), Ok(Some(Frame::Blob { .. }))));
    pipeline.push(&encode_blob(ID, &[1, 2, 3, 4]).unwrap());
    assert_eq!(pipeline.next(), Err(FrameError::TooLong { kind: "binary frame", actual: 4, most: 3 }));
    let mut wide = BlobDecoder::new(usize::MAX);
    let mut buffer = BytesMut::from(&header(BTN_BLOB_FLAG, MAX_BLOB_BYTES as u32 + 1)[..]);
    assert!(wide.decode(&mut buffer).is_err(), "no handler allows more than the limit");
}

/// What one frame of a random stream holds.
#[derive(Clone, Debug)]
enum Content {
    Command(String),
    Blob([u8; 16], Vec<u8>),
}

fn content() -> impl Strategy<Value = Content> {
    prop_oneof![
        any::<String>().prop_map(Content::Command),
        (any::<[u8; 16]>(), vec(any::<u8>(), 0..200)).prop_map(|(id, bytes)| Content::Blob(id, bytes)),
    ]
}

proptest! {
    /// However a stream is cut, the same frames come out of it, and never more is kept than has arrived.
    #[test]
    fn chunking_does_not_matter(contents in vec(content(), 0..12), pieces in vec(0..64_usize, 0..64)) {
        let mut stream = Vec::new();
        let mut expected = Vec::new();
        let mut number = 0;
        for content in contents {
            match content {
                Content::Command(body) => {
                    number += 1;
                    stream.extend(encode_command(&command(&body)).unwrap());
                    expected.push(Frame::Command { number, command: command(&body) });
                }
                Content::Blob(id, bytes) => {
                    stream.extend(encode_blob(RequestId(id), &bytes).unwrap());
                    expected.push(Frame::Blob { id: RequestId(id), bytes: bytes.into() });
                }
            }
        }
        prop_assert_eq!(read_in_pieces(&stream, &pieces), expected);
    }
}
