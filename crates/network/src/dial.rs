//! The dialling side: all addresses of a peer in turn, resolved anew each time, for ever between masters.

use crate::LinkError;
use crate::backoff::Backoff;
use crate::hello::{self, Hello};
use crate::limits::{HANDSHAKE_TIMEOUT, MAX_RESOLVED, RESOLVE_TIMEOUT};
use crate::peer::Peer;
use btn_types::{MemberIndex, NodeId};
use quinn::{ClientConfig, Connection, Endpoint};
use std::collections::BTreeMap;
use std::future::Future;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::timeout;

/// TLS wants a name; the key is what counts, and the name is not sent.
const SERVER_NAME: &str = "btn";

/// What is said first on a connection just made.
pub(crate) trait Greeting: Sync {
    /// What a good greeting leaves behind.
    type Greeted: Send;

    /// Greets; an error closes the connection.
    fn greet(&self, connection: &Connection)
    -> impl Future<Output = Result<Self::Greeted, LinkError>> + Send;
}

/// The sockets to dial from.
pub(crate) struct Sockets {
    pub endpoint: Endpoint,
    /// For targets of the address family that `endpoint` cannot reach.
    pub other_family: Option<Endpoint>,
}

/// What dialling other masters needs.
pub(crate) struct Dialler {
    pub sockets: Sockets,
    pub hello: Hello,
    /// For each peer that this node dials: QUIC settings that accept only its key.
    pub configs: BTreeMap<MemberIndex, ClientConfig>,
}

impl Dialler {
    /// Dials until a connection has passed the hello.
    pub(crate) async fn connect(
        &self,
        peer: &Peer,
        addresses: &mut watch::Receiver<Vec<String>>,
        backoff: &mut Backoff,
    ) -> Connection {
        loop {
            let known = addresses.borrow_and_update().clone();
            match self.attempt(peer, &known, backoff.attempt_timeout()).await {
                Ok(connection) => return connection,
                Err((error, address)) => {
                    peer.refused(&error, address);
                    pause(addresses, backoff.next_delay()).await;
                }
            }
        }
    }

    async fn attempt(
        &self,
        peer: &Peer,
        addresses: &[String],
        patience: Duration,
    ) -> Result<Connection, (LinkError, Option<SocketAddr>)> {
        // `start` made one for every peer that this node dials, and no other is dialled.
        let Some(config) = self.configs.get(&peer.member) else { return Err((LinkError::NoAddress, None)) };
        let greeting = MemberGreeting { hello: self.hello, expected: peer.id };
        let made = self.sockets.attempt(config, addresses, patience, &greeting).await;
        made.map(|(connection, ())| connection)
    }
}

/// Greets the master that is expected at the other end.
struct MemberGreeting {
    hello: Hello,
    expected: NodeId,
}

impl Greeting for MemberGreeting {
    type Greeted = ();

    async fn greet(&self, connection: &Connection) -> Result<(), LinkError> {
        hello::dialler(connection, &self.hello, self.expected).await
    }
}

impl Sockets {
    /// Tries every address once. The error is the most telling one: a wrong answer before no answer.
    pub(crate) async fn attempt<G: Greeting>(
        &self,
        config: &ClientConfig,
        addresses: &[String],
        patience: Duration,
        greeting: &G,
    ) -> Result<(Connection, G::Greeted), (LinkError, Option<SocketAddr>)> {
        let mut worst = (LinkError::NoAddress, None);
        for address in addresses {
            let targets = match resolve(address).await {
                Ok(targets) => targets,
                Err(error) => {
                    worst = more_telling(worst, (error, None));
                    continue;
                }
            };
            for target in targets {
                match self.dial(config, target, patience, greeting).await {
                    Ok(made) => return Ok(made),
                    Err(error) => worst = more_telling(worst, (error, Some(target))),
                }
            }
        }
        Err(worst)
    }

    fn endpoint_for(&self, target: SocketAddr) -> &Endpoint {
        let listens_on_ipv6 = self.endpoint.local_addr().is_ok_and(|address| address.is_ipv6());
        match &self.other_family {
            Some(other) if target.is_ipv6() != listens_on_ipv6 => other,
            _ => &self.endpoint,
        }
    }

    async fn dial<G: Greeting>(
        &self,
        config: &ClientConfig,
        target: SocketAddr,
        patience: Duration,
        greeting: &G,
    ) -> Result<(Connection, G::Greeted), LinkError> {
        let unreachable = |text: String| LinkError::Unreachable { address: target, text };
        let connecting = self
            .endpoint_for(target)
            .connect_with(config.clone(), target, SERVER_NAME)
            .map_err(|error| unreachable(error.to_string()))?;
        let connection = match timeout(patience, connecting).await {
            Ok(Ok(connection)) => connection,
            Ok(Err(error)) => return Err(error.into()),
            Err(_) => return Err(unreachable("no answer (is the node running, is UDP let through?)".into())),
        };
        let greeted = timeout(HANDSHAKE_TIMEOUT, greeting.greet(&connection));
        match greeted.await.unwrap_or(Err(LinkError::HelloTimeout)) {
            Ok(greeted) => Ok((connection, greeted)),
            Err(error) => {
                error.close(&connection);
                Err(error)
            }
        }
    }
}

/// Waits, unless the peer's addresses change.
pub(crate) async fn pause(addresses: &mut watch::Receiver<Vec<String>>, delay: Duration) {
    // The sender lives in the peer, as long as its task does: `changed` never fails.
    let _ = timeout(delay, addresses.changed()).await;
}

fn more_telling<T>(old: (LinkError, T), new: (LinkError, T)) -> (LinkError, T) {
    if new.0.is_unreachable() && !old.0.is_unreachable() { old } else { new }
}

/// Looks an address up: DNS names anew each time, because nodes move.
async fn resolve(address: &str) -> Result<Vec<SocketAddr>, LinkError> {
    let failed = |text: String| LinkError::Resolve { address: address.to_owned(), text };
    match timeout(RESOLVE_TIMEOUT, tokio::net::lookup_host(address)).await {
        Ok(Ok(found)) => {
            let found: Vec<SocketAddr> = found.take(MAX_RESOLVED).collect();
            if found.is_empty() { Err(failed("the name has no address".into())) } else { Ok(found) }
        }
        Ok(Err(error)) => Err(failed(error.to_string())),
        Err(_) => Err(failed("the name server does not answer".into())),
    }
}
