//! BtnCmd, the language of supervisors and masters: frames, commands, remote calls and what they
//! say, as docs/wire.md has it.
//!
//! Nothing here does I/O or knows a clock: bytes go in, commands come out, and the other way round. Whatever
//! arrives is a peer's word: each length is checked before anything is allocated, and bad input is an error with a
//! sentence, never a panic. JSON carries the commands; what is hashed or signed travels inside it, or beside it in
//! binary frames, in its canonical encoding (G-34).

mod command;
mod constants;
mod error;
mod hello;
mod json;
mod pipeline;
mod remote;
mod reply;
mod request;
mod request_id;

pub use command::BtnCmd;
pub use constants::{
    ANNOUNCE, BTN_BLOB_FLAG, BTN_CMD_FLAG, COMMAND_VERSION, MAX_BLOB_BYTES, MAX_COMMAND_BYTES,
    MAX_JSON_NUMBER, MAX_TEXT_BYTES, PRIMARY_PORT, REMOTE_REQUEST, REMOTE_RESPONSE, REMOTE_TIMEOUT_MS,
    RETURN_FAILED, RETURN_OK, RETURN_TIMEOUT,
};
pub use error::{CommandError, FrameError};
pub use hello::{Hello, decode_hello_reply, encode_hello_reply};
pub use pipeline::{
    BlobDecoder, CommandDecoder, Decoded, Frame, Handler, Pipeline, encode_blob, encode_command,
};
pub use remote::{Incoming, RemoteRequest, RemoteResponse, remote_request, remote_response, timeout_result};
pub use reply::{EncodedReply, ReplyPart, decode_pulled, decode_reply, encode_reply, failure_reply};
pub use request::{CallKind, Request, decode_call, encode_announcement, encode_call};
pub use request_id::RequestId;

pub use serde_json::value::RawValue;
