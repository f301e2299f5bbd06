//! `hello`: what both sides of a link say first, before anything else is believed.

use crate::command::BtnCmd;
use crate::constants::{COMMAND_VERSION, RETURN_OK};
use crate::error::CommandError;
use crate::json::{Hex32, Number, read, write};
use crate::remote::{RemoteResponse, remote_response};
use crate::reply::refusal;
use crate::request_id::RequestId;
use btn_types::{B256, Height, NodeId, View};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// Who speaks, on which chain, and where it stands. Its version is [`COMMAND_VERSION`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hello {
    /// Hash of the genesis block.
    pub chain: B256,
    /// Identity of the sender; must be the one whose key TLS proved.
    pub node_id: NodeId,
    /// Height of its newest final block.
    pub height: Height,
    /// Highest view known to it.
    pub view: View,
}

#[derive(Serialize, Deserialize)]
struct HelloForm {
    version: u32,
    chain: Hex32,
    node_id: Hex32,
    height: Number,
    view: Number,
}

/// The one field that is read before the others: later versions may have other ones.
#[derive(Deserialize)]
struct VersionForm {
    version: u32,
}

impl Hello {
    pub(crate) fn to_json(self) -> Result<Box<RawValue>, CommandError> {
        let form = HelloForm {
            version: COMMAND_VERSION,
            chain: Hex32(self.chain),
            node_id: Hex32(self.node_id.0),
            height: Number(self.height.0),
            view: Number(self.view.0),
        };
        write("hello", &form)
    }

    pub(crate) fn from_json(text: &str) -> Result<Self, CommandError> {
        let actual = read::<VersionForm>("hello", text)?.version;
        if actual != COMMAND_VERSION {
            return Err(CommandError::Version { actual });
        }
        let form: HelloForm = read("hello", text)?;
        Ok(Self {
            chain: form.chain.0,
            node_id: NodeId(form.node_id.0),
            height: Height(form.height.0),
            view: View(form.view.0),
        })
    }
}

/// The reply to a `hello`: one's own.
///
/// # Errors
/// A number over the largest JSON integer.
pub fn encode_hello_reply(id: RequestId, hello: Hello) -> Result<BtnCmd, CommandError> {
    Ok(remote_response(id, Ok(Some(&*hello.to_json()?))))
}

/// The peer's `hello` out of its reply.
///
/// # Errors
/// A refusal, another version, or anything malformed.
pub fn decode_hello_reply(response: &RemoteResponse) -> Result<Hello, CommandError> {
    if response.code != RETURN_OK {
        return Err(CommandError::Refused(refusal(response)));
    }
    let result = response.result.as_deref().ok_or(CommandError::NoParam { name: "hello" })?;
    Hello::from_json(result.get())
}
