//! The UDP socket and QUIC's settings: windows, timers, restart-proof resets, and a count of running tasks.

use crate::limits::{
    ALPN, CONNECTION_WINDOW_BYTES, IDLE_TIMEOUT, INITIAL_ROUND_TRIP, KEEP_ALIVE, MAX_HANDSHAKES,
    SEND_WINDOW_BYTES, SOCKET_BUFFER_BYTES, STREAM_WINDOW_BYTES,
};
use crate::{NetworkError, NetworkIdentity, tls};
use aws_lc_rs::hmac;
use btn_types::B256;
use quinn::crypto::{CryptoError, HmacKey};
use quinn::{
    AsyncTimer, AsyncUdpSocket, ConnectionId, ConnectionIdGenerator, Endpoint, EndpointConfig, Runtime,
    TokioRuntime, TransportConfig, VarInt,
};
use rand::RngCore;
use socket2::{Domain, Protocol, Socket, Type};
use std::collections::BTreeSet;
use std::future::Future;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

/// Bytes of a connection identifier.
const CONNECTION_ID_BYTES: usize = 8;

/// What differs between the kinds of links: one end's application protocol, streams, windows and timers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Profile {
    /// TLS application protocol.
    pub alpn: &'static [u8],
    /// Unidirectional streams that the other end may open.
    pub unidirectional_streams: u32,
    /// Bidirectional streams that the other end may open.
    pub bidirectional_streams: u32,
    /// Receive window of one stream in bytes.
    pub stream_window_bytes: u32,
    /// Receive window of one connection in bytes.
    pub connection_window_bytes: u32,
    /// Most unacknowledged bytes kept per connection.
    pub send_window_bytes: u64,
    /// A connection without any packet for this long is dead.
    pub idle_timeout: Duration,
    /// A silent connection sends a ping this often.
    pub keep_alive: Duration,
}

/// Links between masters.
pub(crate) const BETWEEN_MASTERS: Profile = Profile {
    alpn: ALPN,
    unidirectional_streams: 3,
    bidirectional_streams: 1,
    stream_window_bytes: STREAM_WINDOW_BYTES,
    connection_window_bytes: CONNECTION_WINDOW_BYTES,
    send_window_bytes: SEND_WINDOW_BYTES,
    idle_timeout: IDLE_TIMEOUT,
    keep_alive: KEEP_ALIVE,
};

impl Profile {
    fn transport(&self) -> TransportConfig {
        let mut transport = TransportConfig::default();
        let idle_ms = u32::try_from(self.idle_timeout.as_millis()).unwrap_or(u32::MAX);
        transport
            .max_concurrent_uni_streams(VarInt::from_u32(self.unidirectional_streams))
            .max_concurrent_bidi_streams(VarInt::from_u32(self.bidirectional_streams))
            .max_idle_timeout(Some(VarInt::from_u32(idle_ms).into()))
            .keep_alive_interval(Some(self.keep_alive))
            .initial_rtt(INITIAL_ROUND_TRIP)
            .stream_receive_window(VarInt::from_u32(self.stream_window_bytes))
            .receive_window(VarInt::from_u32(self.connection_window_bytes))
            .send_window(self.send_window_bytes)
            .datagram_receive_buffer_size(None);
        transport
    }
}

/// QUIC settings for dialling the peer with this key.
pub(crate) fn client_config(
    local: &NetworkIdentity,
    peer: B256,
    profile: &Profile,
) -> Result<quinn::ClientConfig, NetworkError> {
    let mut config = quinn::ClientConfig::new(Arc::new(tls::client_config(local, peer, profile.alpn)?));
    config.transport_config(Arc::new(profile.transport()));
    Ok(config)
}

/// QUIC settings for accepting peers with these keys.
fn server_config(
    local: &NetworkIdentity,
    peers: BTreeSet<B256>,
    profile: &Profile,
) -> Result<quinn::ServerConfig, NetworkError> {
    let tls = tls::server_config(local, peers, profile.alpn)?;
    let mut config = quinn::ServerConfig::with_crypto(Arc::new(tls));
    config
        .transport_config(Arc::new(profile.transport()))
        .max_incoming(MAX_HANDSHAKES)
        .incoming_buffer_size(64 * 1024)
        .incoming_buffer_size_total(4 * 1024 * 1024);
    Ok(config)
}

/// Opens the UDP socket. No address reuse: two processes on one port would steal each other's packets.
fn bind(address: SocketAddr) -> Result<UdpSocket, NetworkError> {
    let open = || -> std::io::Result<UdpSocket> {
        let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
        if address.is_ipv6() && address.ip().is_unspecified() {
            socket.set_only_v6(false)?;
        }
        // Larger buffers only save repetitions; the system's own limit is good enough to go on with.
        let _ = socket.set_recv_buffer_size(SOCKET_BUFFER_BYTES);
        let _ = socket.set_send_buffer_size(SOCKET_BUFFER_BYTES);
        socket.set_nonblocking(true)?;
        socket.bind(&address.into())?;
        Ok(socket.into())
    };
    open().map_err(|source| NetworkError::Bind { address, source })
}

/// Opens the QUIC endpoint. The receiver ends when every task of QUIC has ended and the socket is free.
pub(crate) fn endpoint(
    listen: SocketAddr,
    local: &NetworkIdentity,
    peers: BTreeSet<B256>,
    profile: &Profile,
) -> Result<(Endpoint, mpsc::Receiver<()>), NetworkError> {
    let server = server_config(local, peers, profile)?;
    let socket = bind(listen)?;
    let mut config = EndpointConfig::new(Arc::new(ResetKey::new(local)));
    config.cid_generator(|| Box::new(RandomIds));
    let (running, ended) = mpsc::channel(1);
    let runtime = Arc::new(CountingRuntime { running });
    let endpoint = Endpoint::new(config, Some(server), socket, runtime)
        .map_err(|source| NetworkError::Bind { address: listen, source })?;
    Ok((endpoint, ended))
}

/// An endpoint to dial from only, on any free port. It reaches IPv6 and IPv4, or IPv4 alone where the machine
/// lacks IPv6. Nothing is accepted. The receiver ends when every task of QUIC has ended.
pub(crate) fn outbound_endpoint() -> Result<(Endpoint, mpsc::Receiver<()>), NetworkError> {
    let any_ipv6 = SocketAddr::new(Ipv6Addr::UNSPECIFIED.into(), 0);
    let any_ipv4 = SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), 0);
    let (socket, address) = match bind(any_ipv6) {
        Ok(socket) => (socket, any_ipv6),
        Err(_) => (bind(any_ipv4)?, any_ipv4),
    };
    let (running, ended) = mpsc::channel(1);
    let runtime = Arc::new(CountingRuntime { running });
    let endpoint = Endpoint::new(EndpointConfig::default(), None, socket, runtime)
        .map_err(|source| NetworkError::Bind { address, source })?;
    Ok((endpoint, ended))
}

/// A second endpoint, to dial from only, where the listening socket cannot reach the other address family: a
/// socket on an IPv4 address never reaches IPv6, and one on a particular IPv6 address never IPv4. `None` where it
/// is not needed, or where the machine lacks that family.
pub(crate) fn other_family(listen: SocketAddr) -> Option<Endpoint> {
    let any: IpAddr = match listen.ip() {
        IpAddr::V4(_) => Ipv6Addr::UNSPECIFIED.into(),
        IpAddr::V6(address) if address.is_unspecified() => return None,
        IpAddr::V6(_) => Ipv4Addr::UNSPECIFIED.into(),
    };
    let socket = bind(SocketAddr::new(any, 0)).ok()?;
    Endpoint::new(EndpointConfig::default(), None, socket, Arc::new(TokioRuntime)).ok()
}

/// Signs the tokens of stateless resets. The key comes from the identity, so that a process that was killed
/// and restarted can still tell its peers at their next packet, instead of leaving them to the idle time-out.
struct ResetKey(hmac::Key);

impl ResetKey {
    fn new(local: &NetworkIdentity) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, local.reset_secret().as_slice()))
    }
}

impl HmacKey for ResetKey {
    fn sign(&self, data: &[u8], signature_out: &mut [u8]) {
        signature_out.copy_from_slice(hmac::sign(&self.0, data).as_ref());
    }

    fn signature_len(&self) -> usize {
        32
    }

    fn verify(&self, data: &[u8], signature: &[u8]) -> Result<(), CryptoError> {
        hmac::verify(&self.0, data, signature).map_err(|_| CryptoError)
    }
}

/// Random connection identifiers. QUIC's usual generator marks its own with a key drawn at start, and then
/// ignores packets meant for the process before; those are just the ones that need a reset.
struct RandomIds;

impl ConnectionIdGenerator for RandomIds {
    fn generate_cid(&mut self) -> ConnectionId {
        let mut bytes = [0u8; CONNECTION_ID_BYTES];
        rand::rng().fill_bytes(&mut bytes);
        ConnectionId::new(&bytes)
    }

    fn cid_len(&self) -> usize {
        CONNECTION_ID_BYTES
    }

    fn cid_lifetime(&self) -> Option<Duration> {
        None
    }
}

/// Tokio, with every task holding a sender: shutdown can wait until the socket is really closed.
#[derive(Debug)]
struct CountingRuntime {
    running: mpsc::Sender<()>,
}

impl Runtime for CountingRuntime {
    fn new_timer(&self, instant: Instant) -> Pin<Box<dyn AsyncTimer>> {
        TokioRuntime.new_timer(instant)
    }

    fn spawn(&self, future: Pin<Box<dyn Future<Output = ()> + Send>>) {
        let running = self.running.clone();
        tokio::spawn(async move {
            future.await;
            drop(running);
        });
    }

    fn wrap_udp_socket(&self, socket: UdpSocket) -> std::io::Result<Arc<dyn AsyncUdpSocket>> {
        TokioRuntime.wrap_udp_socket(socket)
    }

    fn now(&self) -> Instant {
        TokioRuntime.now()
    }
}
