//! Opens the port, accepts connections up to a bound, and shuts down in order.

use crate::context::Context;
use crate::http::{self, HostFilter};
use crate::limits::{HEADER_TIMEOUT, MAX_REFUSALS, METRICS_UPKEEP_INTERVAL, SHUTDOWN_TIMEOUT};
use crate::{Backend, RpcConfig, middleware};
use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use jsonrpsee::server::RegisterMethodError;
use metrics_exporter_prometheus::PrometheusHandle;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use thiserror::Error;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::{JoinHandle, JoinSet};

/// Why the server could not start.
#[derive(Debug, Error)]
pub enum StartError {
    /// The port is taken, or the address is not this machine's.
    #[error(
        "cannot serve JSON-RPC on {address}: {source}; stop the program that uses the port or choose another"
    )]
    Bind {
        /// Where it was to listen.
        address: SocketAddr,
        /// The system's reason.
        source: std::io::Error,
    },
    /// Two methods of one name: a bug.
    #[error("the list of JSON-RPC methods is inconsistent: {0}")]
    Methods(#[from] RegisterMethodError),
}

/// The JSON-RPC server.
#[derive(Debug)]
pub struct RpcServer;

/// A running server. Dropping it stops the server at once; [`RpcHandle::shutdown`] does so in order.
#[derive(Debug)]
pub struct RpcHandle {
    local_addr: SocketAddr,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl RpcServer {
    /// Binds the port and serves in the background, on the current tokio runtime.
    ///
    /// # Errors
    /// [`StartError::Bind`] where the port cannot be had.
    pub async fn start(config: RpcConfig, backend: Arc<dyn Backend>) -> Result<RpcHandle, StartError> {
        let address = config.listen;
        let bind_error = |source| StartError::Bind { address, source };
        let listener = TcpListener::bind(address).await.map_err(bind_error)?;
        let local_addr = listener.local_addr().map_err(bind_error)?;
        middleware::describe();
        let (stop, stopped) = watch::channel(false);
        let acceptor = Acceptor {
            permits: Arc::new(Semaphore::new(config.max_connections)),
            refusals: Arc::new(Semaphore::new(MAX_REFUSALS)),
            full: http::full_router(config.max_connections),
            metrics: config.metrics.clone(),
            router: http::router(HostFilter::new(&config.allowed_hosts), Context::new(config, backend))?,
        };
        let task = tokio::spawn(acceptor.run(listener, stopped));
        Ok(RpcHandle { local_addr, stop, task })
    }
}

impl RpcHandle {
    /// Address served, with the real port where the configuration said 0.
    #[must_use]
    pub const fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// Takes no new connections, waits a while for requests in progress, then closes what is left.
    pub async fn shutdown(mut self) {
        self.stop.send_replace(true);
        if let Err(error) = (&mut self.task).await {
            tracing::error!(%error, "the RPC server ended badly");
        }
    }
}

impl Drop for RpcHandle {
    fn drop(&mut self) {
        self.task.abort();
    }
}

struct Acceptor {
    permits: Arc<Semaphore>,
    refusals: Arc<Semaphore>,
    router: Router,
    full: Router,
    metrics: Option<PrometheusHandle>,
}

impl Acceptor {
    async fn run(self, listener: TcpListener, mut stopped: watch::Receiver<bool>) {
        let graceful = GracefulShutdown::new();
        let mut connections = JoinSet::new();
        let mut upkeep = tokio::time::interval(METRICS_UPKEEP_INTERVAL);
        loop {
            tokio::select! {
                accepted = listener.accept() => match accepted {
                    Ok((stream, _)) => self.serve(stream, &graceful, &mut connections),
                    Err(error) => {
                        // Usually the process is out of file descriptors; without a pause this would spin.
                        tracing::warn!(%error, "an RPC connection could not be accepted");
                        tokio::time::sleep(Duration::from_millis(100)).await;
                    }
                },
                _ = upkeep.tick() => if let Some(metrics) = &self.metrics { metrics.run_upkeep() },
                Some(_) = connections.join_next() => {}
                _ = stopped.changed() => break,
            }
        }
        drop(listener);
        if tokio::time::timeout(SHUTDOWN_TIMEOUT, graceful.shutdown()).await.is_err() {
            tracing::warn!(left = connections.len(), "RPC requests were cut off by the shutdown");
        }
        // The set aborts what is left when it is dropped.
    }

    /// Serves one connection in the background: requests if there is room, else a refusal.
    fn serve(&self, stream: TcpStream, graceful: &GracefulShutdown, connections: &mut JoinSet<()>) {
        // Small answers must not wait for an acknowledgement. Failure only costs time.
        let _ = stream.set_nodelay(true);
        let (permit, router, room) = match Arc::clone(&self.permits).try_acquire_owned() {
            Ok(permit) => (permit, &self.router, true),
            Err(_) => match Arc::clone(&self.refusals).try_acquire_owned() {
                Ok(permit) => (permit, &self.full, false),
                Err(_) => return,
            },
        };
        let mut builder = http1::Builder::new();
        builder.timer(TokioTimer::new()).header_read_timeout(HEADER_TIMEOUT).keep_alive(room);
        let service = TowerToHyperService::new(router.clone());
        let connection = graceful.watch(builder.serve_connection(TokioIo::new(stream), service));
        connections.spawn(async move {
            let _permit = permit;
            if let Err(error) = connection.await {
                tracing::debug!(%error, "an RPC connection broke");
            }
        });
    }
}
