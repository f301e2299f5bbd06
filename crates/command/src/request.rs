//! Requests and announcements as values: what supervisors ask and masters tell, to and from commands.

use crate::command::BtnCmd;
use crate::constants::{ANNOUNCE, MAX_COMMAND_BYTES};
use crate::error::CommandError;
use crate::hello::Hello;
use crate::json::{Hex, Hex32, Number, for_people, read, rlp_error, write};
use crate::remote::{RemoteRequest, remote_request};
use crate::request_id::RequestId;
use btn_types::limits::{MAX_SEALS_PER_MESSAGE, MAX_TRANSACTION_BYTES};
use btn_types::supervision::{Announcement, PullRequest, SupervisorCall, decode_seals};
use btn_types::{Bytes, Height, Seal, decode_exact, encode};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// Most bytes of a canonical encoding inside a command: two hex digits for each.
pub(crate) const MAX_EMBEDDED_BYTES: usize = MAX_COMMAND_BYTES / 2;

/// What a peer may ask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// The first question on a link.
    Hello(Hello),
    /// Anything after it. Supervisors may ask all of it, masters only [`SupervisorCall::Status`].
    Call(SupervisorCall),
}

/// A [`SupervisorCall`] without its contents: enough to read the reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CallKind {
    /// [`SupervisorCall::Pull`].
    Pull,
    /// [`SupervisorCall::Seal`].
    Seal,
    /// [`SupervisorCall::Candidates`].
    Candidates,
    /// [`SupervisorCall::Submit`].
    Submit,
    /// [`SupervisorCall::Receipt`].
    Receipt,
    /// [`SupervisorCall::Status`].
    Status,
}

impl CallKind {
    /// The kind of a call.
    #[must_use]
    pub const fn of(call: &SupervisorCall) -> Self {
        match call {
            SupervisorCall::Pull(_) => Self::Pull,
            SupervisorCall::Seal(_) => Self::Seal,
            SupervisorCall::Candidates => Self::Candidates,
            SupervisorCall::Submit(_) => Self::Submit,
            SupervisorCall::Receipt(_) => Self::Receipt,
            SupervisorCall::Status => Self::Status,
        }
    }

    /// Its name in a request, and for logs and metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pull => "pull",
            Self::Seal => "seal",
            Self::Candidates => "candidates",
            Self::Submit => "submit",
            Self::Receipt => "receipt",
            Self::Status => "status",
        }
    }
}

#[derive(Serialize, Deserialize)]
struct PullForm {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    hash: Option<Hex32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    from: Option<Number>,
}

#[derive(Serialize, Deserialize)]
struct SealForm {
    seals: Hex<MAX_EMBEDDED_BYTES>,
}

#[derive(Serialize, Deserialize)]
struct SubmitForm {
    transaction: Hex<MAX_TRANSACTION_BYTES>,
}

#[derive(Serialize, Deserialize)]
struct ReceiptForm {
    hash: Hex32,
}

#[derive(Serialize, Deserialize)]
struct AnnounceForm {
    announcement: Hex<MAX_EMBEDDED_BYTES>,
}

impl Request {
    /// The command that asks this.
    ///
    /// # Errors
    /// A list, a transaction or a number over its limit.
    pub fn encode(&self, id: RequestId) -> Result<BtnCmd, CommandError> {
        let (name, param) = match self {
            Self::Hello(hello) => ("hello", Some(hello.to_json()?)),
            Self::Call(call) => encode_call(call)?,
        };
        Ok(remote_request(id, name, param.as_deref()))
    }

    /// What a request asks.
    ///
    /// # Errors
    /// A call that this version does not know, or one that is malformed or over a limit: to be answered with the
    /// error's text.
    pub fn decode(request: &RemoteRequest) -> Result<Self, CommandError> {
        let param = request.param.as_deref();
        match &*request.name {
            "hello" => Hello::from_json(needed("hello", param)?).map(Self::Hello),
            name => decode_call(name, param).map(Self::Call),
        }
    }
}

/// Name and parameters of a call.
///
/// # Errors
/// A list, a transaction or a number over its limit.
pub fn encode_call(call: &SupervisorCall) -> Result<(&'static str, Option<Box<RawValue>>), CommandError> {
    let name = CallKind::of(call).name();
    let param = match call {
        SupervisorCall::Pull(PullRequest::Block { hash }) => {
            Some(write(name, &PullForm { hash: Some(Hex32(*hash)), from: None })?)
        }
        SupervisorCall::Pull(PullRequest::Range { from }) => {
            Some(write(name, &PullForm { hash: None, from: Some(Number(from.0)) })?)
        }
        SupervisorCall::Seal(seals) => Some(write(name, &SealForm { seals: Hex(encode_seals(seals)?) })?),
        SupervisorCall::Submit(bytes) => Some(write(name, &SubmitForm { transaction: Hex(bytes.to_vec()) })?),
        SupervisorCall::Receipt(hash) => Some(write(name, &ReceiptForm { hash: Hex32(*hash) })?),
        SupervisorCall::Candidates | SupervisorCall::Status => None,
    };
    Ok((name, param))
}

fn encode_seals(seals: &Vec<Seal>) -> Result<Vec<u8>, CommandError> {
    if seals.len() > MAX_SEALS_PER_MESSAGE {
        let (actual, most) = (seals.len(), MAX_SEALS_PER_MESSAGE);
        return Err(CommandError::TooMany { what: "seals in one message", actual, most });
    }
    Ok(encode(seals))
}

/// The call of this name with these parameters.
///
/// # Errors
/// A name that this version does not know, or parameters that are missing, malformed or over a limit.
pub fn decode_call(name: &str, param: Option<&RawValue>) -> Result<SupervisorCall, CommandError> {
    match name {
        "pull" => decode_pull(needed("pull", param)?).map(SupervisorCall::Pull),
        "seal" => decode_seal(needed("seal", param)?).map(SupervisorCall::Seal),
        "candidates" => Ok(SupervisorCall::Candidates),
        "submit" => {
            let form: SubmitForm = read("submit", needed("submit", param)?)?;
            Ok(SupervisorCall::Submit(Bytes::from(form.transaction.0)))
        }
        "receipt" => {
            let form: ReceiptForm = read("receipt", needed("receipt", param)?)?;
            Ok(SupervisorCall::Receipt(form.hash.0))
        }
        "status" => Ok(SupervisorCall::Status),
        _ => Err(CommandError::UnknownCall { name: for_people(name) }),
    }
}

fn needed<'a>(name: &'static str, param: Option<&'a RawValue>) -> Result<&'a str, CommandError> {
    param.map(RawValue::get).ok_or(CommandError::NoParam { name })
}

fn decode_pull(text: &str) -> Result<PullRequest, CommandError> {
    match read("pull", text)? {
        PullForm { hash: Some(hash), from: None } => Ok(PullRequest::Block { hash: hash.0 }),
        PullForm { hash: None, from: Some(from) } => Ok(PullRequest::Range { from: Height(from.0) }),
        _ => {
            let reason = "expected either `hash` or `from`".to_owned();
            Err(CommandError::Json { what: "pull", reason })
        }
    }
}

fn decode_seal(text: &str) -> Result<Vec<Seal>, CommandError> {
    let form: SealForm = read("seal", text)?;
    whole("the list of seals", &form.seals.0, decode_seals)
}

/// Reads a canonical value that must fill its bytes.
pub(crate) fn whole<T>(
    what: &'static str,
    mut bytes: &[u8],
    decode: impl FnOnce(&mut &[u8]) -> Result<T, alloy_rlp::Error>,
) -> Result<T, CommandError> {
    let value = decode(&mut bytes).map_err(|error| rlp_error(what, &error))?;
    if bytes.is_empty() {
        return Ok(value);
    }
    Err(rlp_error(what, &alloy_rlp::Error::Custom("bytes after the end of the value")))
}

/// The command that tells of a block or certificate.
///
/// # Errors
/// A certificate larger than any real one.
pub fn encode_announcement(announcement: &Announcement) -> Result<BtnCmd, CommandError> {
    let param = write("an announcement", &AnnounceForm { announcement: Hex(encode(announcement)) })?;
    Ok(BtnCmd::parse(format!("{ANNOUNCE}{param}")))
}

pub(crate) fn decode_announcement(command: &BtnCmd) -> Result<Announcement, CommandError> {
    let form: AnnounceForm = read("an announcement", command.param_string())?;
    decode_exact(&form.announcement.0).map_err(|error| rlp_error("an announcement", &error))
}
