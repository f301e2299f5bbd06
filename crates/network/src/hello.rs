//! The hello: before anything else both sides compare protocol version, chain and identity.

use crate::LinkError;
use crate::frame::{ReadFailure, read_bytes};
use crate::limits::{FRAME_HEADER_BYTES, HELLO_LINGER, MAX_HELLO_BYTES, PROTOCOL_VERSION};
use alloy_rlp::{Decodable, Encodable, Error, Header, RlpEncodable};
use btn_types::{B256, NodeId};
use quinn::{Connection, ReadError, RecvStream, SendStream, WriteError};

/// What a node says first on the one bidirectional stream, which the dialler opens. Later versions may
/// append fields: the version comes first and is judged before the rest is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, RlpEncodable)]
pub(crate) struct Hello {
    /// [`PROTOCOL_VERSION`] of the sender.
    pub version: u16,
    /// Hash of the sender's genesis block.
    pub chain: B256,
    /// Identity of the sender.
    pub node_id: NodeId,
}

impl Hello {
    /// The hello of this node.
    pub(crate) const fn new(chain: B256, node_id: NodeId) -> Self {
        Self { version: PROTOCOL_VERSION, chain, node_id }
    }

    /// Judges the other side's hello; `expected` is whom its key belongs to.
    fn judge(&self, theirs: &[u8], expected: NodeId) -> Result<(), LinkError> {
        let malformed = |error: Error| LinkError::HelloMalformed(error.to_string());
        let mut buffer = theirs;
        let mut fields = Header::decode_bytes(&mut buffer, true).map_err(malformed)?;
        let version = u16::decode(&mut fields).map_err(malformed)?;
        if version != self.version {
            return Err(LinkError::Version { ours: self.version.into(), theirs: version.into() });
        }
        let chain = B256::decode(&mut fields).map_err(malformed)?;
        let node_id = NodeId::decode(&mut fields).map_err(malformed)?;
        if !fields.is_empty() || !buffer.is_empty() {
            return Err(LinkError::HelloMalformed("bytes after the last field".into()));
        }
        if chain != self.chain {
            return Err(LinkError::Chain { ours: self.chain, theirs: chain });
        }
        if node_id != expected {
            return Err(LinkError::Identity { expected, theirs: node_id });
        }
        Ok(())
    }

    /// The hello as a frame.
    pub(crate) fn frame(&self) -> Vec<u8> {
        let mut payload = Vec::new();
        self.encode(&mut payload);
        let mut frame = Vec::with_capacity(FRAME_HEADER_BYTES + payload.len());
        frame.extend_from_slice(&u32::try_from(payload.len()).unwrap_or(u32::MAX).to_be_bytes());
        frame.extend_from_slice(&payload);
        frame
    }
}

/// Hello from the dialler's side. Ending the stream says that the other's hello was found good.
pub(crate) async fn dialler(
    connection: &Connection,
    ours: &Hello,
    expected: NodeId,
) -> Result<(), LinkError> {
    let (mut send, mut receive) = connection.open_bi().await?;
    write(&mut send, ours).await?;
    let theirs = read(&mut receive).await?;
    ours.judge(&theirs, expected)?;
    // Fails only on a stream that the peer has stopped, and then the link fails as well.
    let _ = send.finish();
    Ok(())
}

/// Hello from the accepting side. Waits for the dialler's judgement, so that a link that only one side wants
/// is never reported as standing.
pub(crate) async fn acceptor(
    connection: &Connection,
    ours: &Hello,
    expected: NodeId,
) -> Result<(), LinkError> {
    let (mut send, mut receive) = connection.accept_bi().await?;
    let theirs = read(&mut receive).await?;
    write(&mut send, ours).await?;
    if let Err(error) = ours.judge(&theirs, expected) {
        // Closing at once may discard our hello, and then the other side's log could not name the two values.
        let _ = tokio::time::timeout(HELLO_LINGER, connection.closed()).await;
        return Err(error);
    }
    match receive.read_chunk(1, true).await {
        Ok(None) => Ok(()),
        Ok(Some(_)) => Err(LinkError::HelloMalformed("bytes after the hello".into())),
        Err(ReadError::ConnectionLost(error)) => Err(error.into()),
        Err(error) => Err(LinkError::HelloMalformed(error.to_string())),
    }
}

async fn write(stream: &mut SendStream, hello: &Hello) -> Result<(), LinkError> {
    stream.write_all(&hello.frame()).await.map_err(|error| match error {
        WriteError::ConnectionLost(error) => error.into(),
        other => LinkError::HelloMalformed(other.to_string()),
    })
}

async fn read(stream: &mut RecvStream) -> Result<Vec<u8>, LinkError> {
    match read_bytes(stream, MAX_HELLO_BYTES).await {
        Ok(payload) => Ok(payload.to_vec()),
        Err(ReadFailure::TooLong(length)) => {
            Err(LinkError::HelloMalformed(format!("{length} bytes, at most {MAX_HELLO_BYTES} are allowed")))
        }
        Err(ReadFailure::Ended) => Err(LinkError::HelloMalformed("its stream ended early".into())),
        Err(ReadFailure::Connection(error)) => Err(error),
    }
}
