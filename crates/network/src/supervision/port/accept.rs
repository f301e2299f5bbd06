//! The accepting side: TLS lets only registered keys in, a gate holds back who connects too often, then the hello.

use super::Port;
use super::seat::Greeted;
use crate::limits::HANDSHAKE_TIMEOUT;
use crate::{LinkError, accept, metric_names, tls};
use quinn::{Endpoint, Incoming};
use std::net::IpAddr;
use std::sync::Arc;
use tokio::time::{Instant, timeout};

/// Accepts supervisors until the endpoint closes.
pub(crate) async fn run(endpoint: Endpoint, port: Arc<Port>) {
    let busy = || metric_names::supervision_refused("busy");
    accept::bounded(endpoint, busy, |incoming| greet(Arc::clone(&port), incoming)).await;
}

/// Takes one connection through TLS, gate and hello.
async fn greet(port: Arc<Port>, incoming: Incoming) {
    let address = incoming.remote_address();
    let connection = match timeout(HANDSHAKE_TIMEOUT, incoming).await {
        Ok(Ok(connection)) => connection,
        Ok(Err(error)) => return port.stranger(address.ip(), &error.into()),
        Err(_) => return port.stranger(address.ip(), &LinkError::HelloTimeout),
    };
    let Some(seat) = tls::peer_key(&connection).and_then(|key| port.seats.get(&key)) else {
        // TLS admits only registered keys, so this cannot happen; closing is the safe answer all the same.
        return LinkError::Tls("the key belongs to no supervisor".into()).close(&connection);
    };
    let greeted = match seat.admit(Instant::now()) {
        Ok(()) => {
            let hello = port.introduction.answer(&connection, seat.id, &seat.counters);
            timeout(HANDSHAKE_TIMEOUT, hello).await.unwrap_or(Err(LinkError::HelloTimeout))
        }
        Err(error) => Err(error),
    };
    match greeted {
        Ok(opened) => {
            if let Some(older) = seat.offers.put(Greeted { connection, opened }) {
                LinkError::Replaced.close(&older.connection);
            }
        }
        Err(error) => {
            error.close(&connection);
            seat.refused(&error, address);
        }
    }
}

impl Port {
    fn stranger(&self, address: IpAddr, error: &LinkError) {
        metric_names::supervision_refused("refused");
        if self.strangers.is_news(address, &error.to_string()) {
            tracing::warn!(%address, "a supervisor's connection was refused: {error}");
        } else {
            tracing::debug!(%address, "a supervisor's connection was refused again: {error}");
        }
    }
}
