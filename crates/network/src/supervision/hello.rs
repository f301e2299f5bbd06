//! The hello of a supervisor's link: the first call on its command stream compares version, chain and identity.

use super::calls::new_request_id;
use super::counters::Counters;
use super::stream::{FrameReader, write_frame};
use crate::LinkError;
use crate::limits::HELLO_LINGER;
use btn_command::{
    COMMAND_VERSION, CommandError, Frame, Hello, Incoming, Pipeline, RemoteRequest, RemoteResponse, Request,
    decode_hello_reply, encode_command, encode_hello_reply,
};
use btn_types::supervision::StatusSummary;
use btn_types::{B256, NodeId};
use quinn::{Connection, SendStream};
use std::sync::Arc;
use tokio::sync::watch;

/// QUIC priority of the command stream: whatever waits in it is sent before any body.
pub(crate) const COMMAND_PRIORITY: i32 = 1;

/// QUIC priority of the stream of bodies.
pub(crate) const BODY_PRIORITY: i32 = 0;

/// Who this node is, and where it stands.
#[derive(Clone, Debug)]
pub(crate) struct Introduction {
    pub chain: B256,
    pub node_id: NodeId,
    pub status: watch::Receiver<StatusSummary>,
}

/// The command stream of a link whose hello was good.
pub(crate) struct Opened {
    pub send: SendStream,
    pub reader: FrameReader,
}

impl Introduction {
    fn hello(&self) -> Hello {
        let status = *self.status.borrow();
        Hello { chain: self.chain, node_id: self.node_id, height: status.height, view: status.view }
    }

    /// Judges the other side's hello; `expected` is whom its key belongs to.
    fn judge(&self, theirs: Result<Hello, CommandError>, expected: NodeId) -> Result<(), LinkError> {
        let theirs = theirs.map_err(|error| match error {
            CommandError::Version { actual } => LinkError::Version { ours: COMMAND_VERSION, theirs: actual },
            other => LinkError::HelloMalformed(other.to_string()),
        })?;
        if theirs.chain != self.chain {
            return Err(LinkError::Chain { ours: self.chain, theirs: theirs.chain });
        }
        if theirs.node_id != expected {
            return Err(LinkError::Identity { expected, theirs: theirs.node_id });
        }
        Ok(())
    }

    /// Hello from the supervisor's side: it dials, opens the command stream and asks first.
    pub(crate) async fn ask(
        &self,
        connection: &Connection,
        expected: NodeId,
        counters: &Arc<Counters>,
    ) -> Result<Opened, LinkError> {
        let (mut send, receive) = connection.open_bi().await?;
        // Cannot fail on a stream just opened.
        let _ = send.set_priority(COMMAND_PRIORITY);
        let id = new_request_id();
        let request = Request::Hello(self.hello()).encode(id).map_err(unsendable)?;
        write_frame(&mut send, encode_command(&request)?, "command", counters).await?;
        let mut reader = FrameReader::new(receive, Pipeline::new(), Arc::clone(counters));
        let response = first_response(&mut reader).await?;
        if response.id != id {
            return Err(LinkError::HelloMalformed("it answers another question".into()));
        }
        self.judge(decode_hello_reply(&response), expected)?;
        Ok(Opened { send, reader })
    }

    /// Hello from the master's side. Its own goes out even where the other's is wrong, so that both logs can name
    /// the two values.
    pub(crate) async fn answer(
        &self,
        connection: &Connection,
        expected: NodeId,
        counters: &Arc<Counters>,
    ) -> Result<Opened, LinkError> {
        let (mut send, receive) = connection.accept_bi().await?;
        let _ = send.set_priority(COMMAND_PRIORITY);
        let mut reader = FrameReader::new(receive, Pipeline::commands_only(), Arc::clone(counters));
        let request = first_request(&mut reader).await?;
        let theirs = match Request::decode(&request) {
            Ok(Request::Hello(hello)) => Ok(hello),
            Ok(Request::Call(_)) => return Err(LinkError::OutOfOrder("a call before the hello")),
            Err(error) => Err(error),
        };
        let ours = encode_hello_reply(request.id, self.hello()).map_err(unsendable)?;
        write_frame(&mut send, encode_command(&ours)?, "command", counters).await?;
        if let Err(error) = self.judge(theirs, expected) {
            // Closing at once may discard our hello.
            let _ = tokio::time::timeout(HELLO_LINGER, connection.closed()).await;
            return Err(error);
        }
        Ok(Opened { send, reader })
    }
}

/// Only this node's own numbers can be at fault.
fn unsendable(error: CommandError) -> LinkError {
    LinkError::HelloMalformed(format!("this node's own cannot be sent: {error}"))
}

async fn first(reader: &mut FrameReader) -> Result<Incoming, LinkError> {
    match reader.next().await {
        Ok((Frame::Command { command, .. }, _)) => {
            Incoming::read(&command).map_err(|error| LinkError::HelloMalformed(error.to_string()))
        }
        Ok((Frame::Blob { .. }, _)) => Err(LinkError::HelloMalformed("it is a binary frame".into())),
        Err(LinkError::NoCommand(text)) => Err(LinkError::HelloMalformed(text)),
        Err(LinkError::OutOfOrder(text)) => Err(LinkError::HelloMalformed(text.into())),
        Err(error) => Err(error),
    }
}

async fn first_request(reader: &mut FrameReader) -> Result<RemoteRequest, LinkError> {
    match first(reader).await? {
        Incoming::Request(request) => Ok(request),
        _ => Err(LinkError::OutOfOrder("something else before the hello")),
    }
}

async fn first_response(reader: &mut FrameReader) -> Result<RemoteResponse, LinkError> {
    match first(reader).await? {
        Incoming::Response(response) => Ok(response),
        _ => Err(LinkError::OutOfOrder("something else before the answer to the hello")),
    }
}
