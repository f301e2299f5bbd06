//! The accepting side: bounded handshakes, keys checked by TLS, then the hello, then off to the peer's task.

use crate::hello::{self, Hello};
use crate::limits::{
    HANDSHAKE_TIMEOUT, MAX_HANDSHAKES, MAX_REMEMBERED_STRANGERS, MAX_STRANGER_WARNINGS, RETRY_HANDSHAKES,
};
use crate::peer::Peer;
use crate::{LinkError, lock, metric_names, tls};
use btn_types::B256;
use quinn::{Endpoint, Incoming};
use std::collections::{BTreeMap, VecDeque};
use std::future::Future;
use std::net::IpAddr;
use std::sync::{Arc, Mutex};
use tokio::task::JoinSet;
use tokio::time::timeout;

/// What accepting needs.
pub(crate) struct Acceptor {
    pub endpoint: Endpoint,
    pub hello: Hello,
    pub peers: BTreeMap<B256, Arc<Peer>>,
    pub strangers: Strangers,
}

/// Failures of connections whose owner is unknown, so that each is logged once.
#[derive(Default)]
pub(crate) struct Strangers(Mutex<VecDeque<(IpAddr, String)>>);

impl Strangers {
    pub(crate) fn is_news(&self, address: IpAddr, text: &str) -> bool {
        let mut known = lock(&self.0);
        let mut of_address = known.iter().filter(|(ip, _)| *ip == address);
        if of_address.clone().count() >= MAX_STRANGER_WARNINGS || of_address.any(|(_, said)| said == text) {
            return false;
        }
        if known.len() == MAX_REMEMBERED_STRANGERS {
            known.pop_front();
        }
        known.push_back((address, text.to_owned()));
        true
    }
}

/// Accepts connections until the endpoint closes.
pub(crate) async fn run(acceptor: Arc<Acceptor>) {
    let endpoint = acceptor.endpoint.clone();
    let busy = || metric_names::handshake_failed("busy");
    bounded(endpoint, busy, |incoming| greet(Arc::clone(&acceptor), incoming)).await;
}

/// Accepts connections until the endpoint closes and has each greeted in a task of its own; `busy` hears of those
/// that are refused because too many handshakes are in progress.
pub(crate) async fn bounded<F>(endpoint: Endpoint, busy: impl Fn(), greet: impl Fn(Incoming) -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    let mut handshakes = JoinSet::new();
    while let Some(incoming) = endpoint.accept().await {
        while handshakes.try_join_next().is_some() {}
        if handshakes.len() >= MAX_HANDSHAKES {
            busy();
            incoming.refuse();
        } else if handshakes.len() >= RETRY_HANDSHAKES && incoming.may_retry() {
            // Fails only where a retry was made already, which `may_retry` rules out.
            let _ = incoming.retry();
        } else {
            handshakes.spawn(greet(incoming));
        }
    }
}

/// Takes one connection through TLS and hello.
async fn greet(acceptor: Arc<Acceptor>, incoming: Incoming) {
    let address = incoming.remote_address();
    let connection = match timeout(HANDSHAKE_TIMEOUT, incoming).await {
        Ok(Ok(connection)) => connection,
        Ok(Err(error)) => return acceptor.stranger(address.ip(), &error.into()),
        Err(_) => return acceptor.stranger(address.ip(), &LinkError::HelloTimeout),
    };
    let Some(peer) = tls::peer_key(&connection).and_then(|key| acceptor.peers.get(&key)) else {
        // TLS admits only peers' keys, so this cannot happen; closing is the safe answer all the same.
        return LinkError::Tls("the key belongs to no peer".into()).close(&connection);
    };
    let greeted = if peer.we_dial {
        Err(LinkError::Direction { ours: acceptor.hello.node_id, theirs: peer.id })
    } else {
        let hello = hello::acceptor(&connection, &acceptor.hello, peer.id);
        timeout(HANDSHAKE_TIMEOUT, hello).await.unwrap_or(Err(LinkError::HelloTimeout))
    };
    match greeted {
        Ok(()) => {
            if let Some(older) = peer.offers.put(connection) {
                LinkError::Replaced.close(&older);
            }
        }
        Err(error) => {
            error.close(&connection);
            peer.refused(&error, Some(address));
        }
    }
}

impl Acceptor {
    fn stranger(&self, address: IpAddr, error: &LinkError) {
        metric_names::handshake_failed("refused");
        if self.strangers.is_news(address, &error.to_string()) {
            tracing::warn!(%address, "a connection was refused: {error}");
        } else {
            tracing::debug!(%address, "a connection was refused again: {error}");
        }
    }
}
