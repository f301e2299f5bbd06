//! Remote calls (R-065 to R-069): the texts of a request, its reply and its time-out. Who waits for what is known
//! to the links; here is only what they say.

use crate::command::BtnCmd;
use crate::constants::{ANNOUNCE, REMOTE_REQUEST, REMOTE_RESPONSE, RETURN_FAILED, RETURN_OK, RETURN_TIMEOUT};
use crate::error::CommandError;
use crate::json::{for_people, read};
use crate::request::decode_announcement;
use crate::request_id::RequestId;
use btn_types::supervision::Announcement;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;
use std::borrow::Cow;

/// Somebody asks for something to be done.
#[derive(Clone, Debug)]
pub struct RemoteRequest {
    /// Name of this call.
    pub id: RequestId,
    /// What to do.
    pub name: String,
    /// With what; `None` where there is nothing, or null.
    pub param: Option<Box<RawValue>>,
}

/// The reply to a request.
#[derive(Clone, Debug)]
pub struct RemoteResponse {
    /// The call.
    pub id: RequestId,
    /// What became of it: one of [`RETURN_OK`], [`RETURN_FAILED`], [`RETURN_TIMEOUT`], or what a later version has.
    pub code: i32,
    /// What came out, where the code is [`RETURN_OK`]; `None` where it is nothing, or null.
    pub result: Option<Box<RawValue>>,
    /// Why not, where it is another.
    pub error: Option<String>,
}

/// What a command is for.
#[derive(Clone, Debug)]
pub enum Incoming {
    /// A question: it gets one reply.
    Request(RemoteRequest),
    /// A reply.
    Response(RemoteResponse),
    /// A block or certificate is told.
    Announcement(Announcement),
    /// A command of a later version, to be passed over.
    Unknown,
}

#[derive(Deserialize)]
struct RequestForm<'a> {
    #[serde(borrow)]
    reqid: Cow<'a, str>,
    #[serde(borrow)]
    name: Cow<'a, str>,
    #[serde(borrow, default)]
    param: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct ResponseForm<'a> {
    #[serde(borrow)]
    reqid: Cow<'a, str>,
    r: i32,
    #[serde(borrow, default)]
    result: Option<&'a RawValue>,
    #[serde(borrow, default)]
    error: Option<Cow<'a, str>>,
}

impl Incoming {
    /// Tells by its name what a command is for, and reads it. The calls inside are not judged yet.
    ///
    /// # Errors
    /// One of ours that is malformed. A request without a readable id cannot even be refused.
    pub fn read(command: &BtnCmd) -> Result<Self, CommandError> {
        match command.cmd() {
            REMOTE_REQUEST => {
                let form: RequestForm<'_> = read("a remote request", command.param_string())?;
                Ok(Self::Request(RemoteRequest {
                    id: form.reqid.parse()?,
                    name: form.name.into_owned(),
                    param: form.param.map(ToOwned::to_owned),
                }))
            }
            REMOTE_RESPONSE => {
                let form: ResponseForm<'_> = read("a remote response", command.param_string())?;
                Ok(Self::Response(RemoteResponse {
                    id: form.reqid.parse()?,
                    code: form.r,
                    result: form.result.map(ToOwned::to_owned),
                    error: form.error.map(|text| for_people(&text)),
                }))
            }
            ANNOUNCE => decode_announcement(command).map(Self::Announcement),
            _ => Ok(Self::Unknown),
        }
    }
}

/// A text as JSON, escaped (G-27).
fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

/// The text of a request, to the letter of R-067. The name is escaped and the parameters are JSON by their type, so
/// that neither can add a field (G-27).
#[must_use]
pub fn remote_request(id: RequestId, name: &str, param: Option<&RawValue>) -> BtnCmd {
    let (name, param) = (quoted(name), param.map_or("null", RawValue::get));
    BtnCmd::parse(format!(r#"{REMOTE_REQUEST}{{ "reqid":"{id}", "name":{name}, "param":{param} }}"#))
}

/// The text of a reply. The paper has none; ours is laid out as its request.
#[must_use]
pub fn remote_response(id: RequestId, outcome: Result<Option<&RawValue>, &str>) -> BtnCmd {
    let (code, rest) = match outcome {
        Ok(result) => (RETURN_OK, format!(r#""result":{}"#, result.map_or("null", RawValue::get))),
        Err(text) => (RETURN_FAILED, format!(r#""error":{}"#, quoted(&for_people(text)))),
    };
    BtnCmd::parse(format!(r#"{REMOTE_RESPONSE}{{ "reqid":"{id}", "r":{code}, {rest} }}"#))
}

/// What a caller gets instead of a reply after ten seconds: code 2 and the paper's text (R-069). It is made here and
/// never sent.
#[must_use]
pub fn timeout_result(id: RequestId, request: &BtnCmd) -> RemoteResponse {
    let request = request.body().replace('"', "'");
    let error = Some(format!("Remote api timeout. Remote request={request}"));
    RemoteResponse { id, code: RETURN_TIMEOUT, result: None, error }
}
