//! Replies as values: what masters answer, to and from commands and the binary frames beside them.

use crate::command::BtnCmd;
use crate::constants::{MAX_BLOB_BYTES, RETURN_OK};
use crate::error::CommandError;
use crate::json::{Hex, Hex32, Number, for_people, read, rlp_error, write};
use crate::remote::{RemoteResponse, remote_response};
use crate::request::{CallKind, MAX_EMBEDDED_BYTES, whole};
use crate::request_id::RequestId;
use btn_types::limits::MAX_CANDIDATES;
use btn_types::supervision::{MasterReply, Pulled, ReceiptSummary, StatusSummary, decode_candidates};
use btn_types::{Height, Ticket, View, decode_exact, encode};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// A reply ready to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EncodedReply {
    /// The command.
    pub command: BtnCmd,
    /// Content of the binary frame that goes with it, under the request's id.
    pub blob: Option<Vec<u8>>,
}

/// What a response holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReplyPart {
    /// All of it.
    Whole(MasterReply),
    /// Its content is in a binary frame of this many bytes, which may come before or after ([`decode_pulled`]).
    Blob {
        /// Bytes of the frame's content, from 1 to [`MAX_BLOB_BYTES`].
        length: usize,
    },
}

#[derive(Serialize, Deserialize)]
struct PulledForm {
    blob: Number,
}

#[derive(Serialize, Deserialize)]
struct CandidatesForm {
    tickets: Hex<MAX_EMBEDDED_BYTES>,
}

#[derive(Serialize, Deserialize)]
struct SubmittedForm {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    hash: Option<Hex32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    refused: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct ReceiptReplyForm<'a> {
    /// Null says that there is none; a reply without the field says nothing.
    #[serde(borrow, deserialize_with = "Option::deserialize")]
    receipt: Option<&'a RawValue>,
}

#[derive(Serialize, Deserialize)]
struct SummaryForm {
    height: Number,
    block_hash: Hex32,
    succeeded: bool,
    gas_used: Number,
    third_state: bool,
}

#[derive(Serialize, Deserialize)]
struct StatusForm {
    height: Number,
    hash: Hex32,
    state_root: Hex32,
    third_height: Number,
    view: Number,
}

impl From<ReceiptSummary> for SummaryForm {
    fn from(summary: ReceiptSummary) -> Self {
        Self {
            height: Number(summary.height.0),
            block_hash: Hex32(summary.block_hash),
            succeeded: summary.succeeded,
            gas_used: Number(summary.gas_used),
            third_state: summary.third_state,
        }
    }
}

impl From<SummaryForm> for ReceiptSummary {
    fn from(form: SummaryForm) -> Self {
        Self {
            height: Height(form.height.0),
            block_hash: form.block_hash.0,
            succeeded: form.succeeded,
            gas_used: form.gas_used.0,
            third_state: form.third_state,
        }
    }
}

impl From<StatusSummary> for StatusForm {
    fn from(summary: StatusSummary) -> Self {
        Self {
            height: Number(summary.height.0),
            hash: Hex32(summary.hash),
            state_root: Hex32(summary.state_root),
            third_height: Number(summary.third_height.0),
            view: Number(summary.view.0),
        }
    }
}

impl From<StatusForm> for StatusSummary {
    fn from(form: StatusForm) -> Self {
        Self {
            height: Height(form.height.0),
            hash: form.hash.0,
            state_root: form.state_root.0,
            third_height: Height(form.third_height.0),
            view: View(form.view.0),
        }
    }
}

/// The reply to a call, ready to be sent.
///
/// # Errors
/// A list, a body or a number over its limit.
pub fn encode_reply(id: RequestId, reply: &MasterReply) -> Result<EncodedReply, CommandError> {
    let (result, blob) = match reply {
        MasterReply::Pulled(pulled) => encode_pulled(pulled)?,
        MasterReply::Sealed => (None, None),
        MasterReply::Candidates(tickets) => (Some(encode_candidates(tickets)?), None),
        MasterReply::Submitted(outcome) => {
            let hash = outcome.as_ref().ok().map(|hash| Hex32(*hash));
            let refused = outcome.as_ref().err().map(|text| for_people(text));
            (Some(write("submit", &SubmittedForm { hash, refused })?), None)
        }
        MasterReply::Receipt(receipt) => {
            let summary = receipt.map(|it| write("receipt", &SummaryForm::from(it))).transpose()?;
            (Some(write("receipt", &ReceiptReplyForm { receipt: summary.as_deref() })?), None)
        }
        MasterReply::Status(summary) => (Some(write("status", &StatusForm::from(*summary))?), None),
        MasterReply::Failed(text) => {
            return Ok(EncodedReply { command: failure_reply(id, text), blob: None });
        }
    };
    Ok(EncodedReply { command: remote_response(id, Ok(result.as_deref())), blob })
}

/// The reply to a request that was refused or failed, with the reason cut off at
/// [`MAX_TEXT_BYTES`](crate::MAX_TEXT_BYTES).
#[must_use]
pub fn failure_reply(id: RequestId, text: &str) -> BtnCmd {
    remote_response(id, Err(text))
}

/// A result, and the content of the binary frame beside it.
type ResultAndBlob = (Option<Box<RawValue>>, Option<Vec<u8>>);

fn encode_pulled(pulled: &Pulled) -> Result<ResultAndBlob, CommandError> {
    if *pulled == Pulled::Nothing {
        return Ok((Some(write("pull", &PulledForm { blob: Number(0) })?), None));
    }
    let bytes = encode(pulled);
    check_blob_length(bytes.len() as u64)?;
    Ok((Some(write("pull", &PulledForm { blob: Number(bytes.len() as u64) })?), Some(bytes)))
}

fn check_blob_length(length: u64) -> Result<usize, CommandError> {
    let actual = usize::try_from(length).unwrap_or(usize::MAX);
    if actual > MAX_BLOB_BYTES {
        return Err(CommandError::TooMany {
            what: "bytes in one binary frame",
            actual,
            most: MAX_BLOB_BYTES,
        });
    }
    Ok(actual)
}

fn encode_candidates(tickets: &Vec<Ticket>) -> Result<Box<RawValue>, CommandError> {
    if tickets.len() > MAX_CANDIDATES {
        let (actual, most) = (tickets.len(), MAX_CANDIDATES);
        return Err(CommandError::TooMany { what: "tickets in one message", actual, most });
    }
    write("candidates", &CandidatesForm { tickets: Hex(encode(tickets)) })
}

/// Why a peer did not carry out a call, in its words or in ours.
pub(crate) fn refusal(response: &RemoteResponse) -> String {
    response.error.clone().unwrap_or_else(|| format!("the peer answered with code {} alone", response.code))
}

/// What a response to a call of this kind holds.
///
/// # Errors
/// A result that is missing, malformed or over a limit. A code other than 0 is no error: it is
/// [`MasterReply::Failed`].
pub fn decode_reply(kind: CallKind, response: &RemoteResponse) -> Result<ReplyPart, CommandError> {
    if response.code != RETURN_OK {
        return Ok(ReplyPart::Whole(MasterReply::Failed(refusal(response))));
    }
    if kind == CallKind::Seal {
        return Ok(ReplyPart::Whole(MasterReply::Sealed));
    }
    let name = kind.name();
    let text = response.result.as_deref().map(RawValue::get).ok_or(CommandError::NoParam { name })?;
    let reply = match kind {
        CallKind::Pull => return decode_pull_reply(text),
        CallKind::Seal => MasterReply::Sealed,
        CallKind::Candidates => {
            let form: CandidatesForm = read(name, text)?;
            MasterReply::Candidates(whole("the list of tickets", &form.tickets.0, decode_candidates)?)
        }
        CallKind::Submit => MasterReply::Submitted(decode_submitted(text)?),
        CallKind::Receipt => {
            let receipt = read::<ReceiptReplyForm<'_>>(name, text)?.receipt;
            let summary = receipt.map(|it| read::<SummaryForm>(name, it.get())).transpose()?;
            MasterReply::Receipt(summary.map(Into::into))
        }
        CallKind::Status => MasterReply::Status(read::<StatusForm>(name, text)?.into()),
    };
    Ok(ReplyPart::Whole(reply))
}

fn decode_pull_reply(text: &str) -> Result<ReplyPart, CommandError> {
    let form: PulledForm = read("pull", text)?;
    Ok(match check_blob_length(form.blob.0)? {
        0 => ReplyPart::Whole(MasterReply::Pulled(Pulled::Nothing)),
        length => ReplyPart::Blob { length },
    })
}

fn decode_submitted(text: &str) -> Result<Result<btn_types::B256, String>, CommandError> {
    match read("submit", text)? {
        SubmittedForm { hash: Some(hash), refused: None } => Ok(Ok(hash.0)),
        SubmittedForm { hash: None, refused: Some(refused) } => Ok(Err(for_people(&refused))),
        _ => {
            let reason = "expected either `hash` or `refused`".to_owned();
            Err(CommandError::Json { what: "submit", reason })
        }
    }
}

/// The reply to a pull out of its binary frame, whose length the response told.
///
/// # Errors
/// Another length, or bytes that are not one canonical value within its limits.
pub fn decode_pulled(expected: usize, bytes: &[u8]) -> Result<MasterReply, CommandError> {
    if bytes.len() != expected {
        return Err(CommandError::BlobLength { expected, actual: bytes.len() });
    }
    let pulled = decode_exact(bytes).map_err(|error| rlp_error("what was pulled", &error))?;
    Ok(MasterReply::Pulled(pulled))
}
