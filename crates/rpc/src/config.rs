//! What the operator can set.

use crate::limits;
use metrics_exporter_prometheus::PrometheusHandle;
use std::net::{Ipv4Addr, SocketAddr};

/// Configuration of [`crate::RpcServer`].
#[derive(Clone)]
pub struct RpcConfig {
    /// Where to listen; port 0 lets the system choose. Loopback by default: there is no authentication.
    pub listen: SocketAddr,
    /// Host names accepted in the Host header besides `localhost`, `*.localhost` and IP addresses. Everything
    /// else is refused, so that a web page cannot reach the node by DNS rebinding.
    pub allowed_hosts: Vec<String>,
    /// Version for `web3_clientVersion` and `btn_status`, such as `btn/v0.1.0/linux-x86_64`.
    pub client_version: String,
    /// What `/metrics` shows; `None` = 404.
    pub metrics: Option<PrometheusHandle>,
    /// Most connections served at once.
    pub max_connections: usize,
    /// Heavy methods running at once.
    pub max_concurrent_heavy: usize,
}

impl RpcConfig {
    /// Defaults on this address.
    #[must_use]
    pub fn new(listen: SocketAddr) -> Self {
        let (os, arch) = (std::env::consts::OS, std::env::consts::ARCH);
        Self {
            listen,
            allowed_hosts: Vec::new(),
            client_version: format!("btn/v{}/{os}-{arch}", env!("CARGO_PKG_VERSION")),
            metrics: None,
            max_connections: limits::MAX_CONNECTIONS,
            max_concurrent_heavy: limits::MAX_CONCURRENT_HEAVY,
        }
    }
}

impl Default for RpcConfig {
    fn default() -> Self {
        Self::new((Ipv4Addr::LOCALHOST, 8545).into())
    }
}

impl std::fmt::Debug for RpcConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RpcConfig")
            .field("listen", &self.listen)
            .field("allowed_hosts", &self.allowed_hosts)
            .field("client_version", &self.client_version)
            .field("max_connections", &self.max_connections)
            .field("max_concurrent_heavy", &self.max_concurrent_heavy)
            .finish_non_exhaustive()
    }
}
