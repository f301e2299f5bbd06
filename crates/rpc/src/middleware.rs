//! Between transport and methods: answers unknown methods in geth's words, runs notifications, and counts
//! and times every request under a bounded set of names.

use crate::RpcError;
use jsonrpsee::core::middleware::{Batch, BatchEntry, Notification, RpcServiceT};
use jsonrpsee::server::{BatchResponseBuilder, MethodResponse};
use jsonrpsee::types::{ErrorObjectOwned, Id, Request};
use std::sync::Arc;
use std::time::Instant;

/// Requests by method and outcome (`ok` or `error`).
const REQUESTS: &str = "btn_rpc_requests_total";
/// Seconds from the request's parsing to its answer, by method.
const SECONDS: &str = "btn_rpc_request_duration_seconds";
/// Label of every method that does not exist: a client must not be able to make new labels.
const UNKNOWN: &str = "unknown";

/// Names of the metrics, for people who ask what they mean.
pub(crate) fn describe() {
    metrics::describe_counter!(REQUESTS, "JSON-RPC requests by method and outcome");
    metrics::describe_histogram!(
        SECONDS,
        metrics::Unit::Seconds,
        "time from parsing a JSON-RPC request to its answer, by method"
    );
}

/// Layer for jsonrpsee's service; holds the names that exist.
#[derive(Clone)]
pub(crate) struct MethodsLayer {
    pub(crate) names: Arc<[&'static str]>,
    pub(crate) max_response_bytes: usize,
}

impl<S> tower::Layer<S> for MethodsLayer {
    type Service = MethodsService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        let Self { names, max_response_bytes } = self.clone();
        MethodsService { inner, names, max_response_bytes }
    }
}

/// See the module.
#[derive(Clone)]
pub(crate) struct MethodsService<S> {
    inner: S,
    /// Sorted.
    names: Arc<[&'static str]>,
    max_response_bytes: usize,
}

impl<S> MethodsService<S> {
    fn known(&self, name: &str) -> Option<&'static str> {
        let place = self.names.binary_search_by(|known| (*known).cmp(name)).ok()?;
        self.names.get(place).copied()
    }
}

fn record(name: &'static str, success: bool, started: Instant) {
    let outcome = if success { "ok" } else { "error" };
    metrics::counter!(REQUESTS, "method" => name, "outcome" => outcome).increment(1);
    metrics::histogram!(SECONDS, "method" => name).record(started.elapsed().as_secs_f64());
}

impl<S> RpcServiceT for MethodsService<S>
where
    S: RpcServiceT<MethodResponse = MethodResponse> + Clone + Send + Sync + 'static,
{
    type MethodResponse = MethodResponse;
    type NotificationResponse = MethodResponse;
    type BatchResponse = MethodResponse;

    fn call<'a>(&self, request: Request<'a>) -> impl Future<Output = MethodResponse> + Send + 'a {
        let (service, name) = (self.inner.clone(), self.known(&request.method));
        async move {
            let started = Instant::now();
            let Some(name) = name else {
                record(UNKNOWN, false, started);
                let error = ErrorObjectOwned::from(RpcError::method_not_found(&request.method));
                return MethodResponse::error(request.id, error);
            };
            let response = service.call(request).await;
            record(name, response.is_success(), started);
            response
        }
    }

    fn batch<'a>(&self, batch: Batch<'a>) -> impl Future<Output = MethodResponse> + Send + 'a {
        let service = self.clone();
        async move {
            let mut responses = BatchResponseBuilder::new_with_limit(service.max_response_bytes);
            for entry in batch {
                let response = match entry {
                    Ok(BatchEntry::Call(request)) => service.call(request).await,
                    Ok(BatchEntry::Notification(notification)) => {
                        service.notification(notification).await;
                        continue;
                    }
                    Err(error) => {
                        let (_, id) = error.into_parts();
                        MethodResponse::error(id, ErrorObjectOwned::from(RpcError::invalid_request()))
                    }
                };
                if let Err(too_large) = responses.append(response) {
                    return too_large;
                }
            }
            // The caller leaves out the body of a batch of notifications.
            if responses.is_empty() {
                MethodResponse::notification()
            } else {
                MethodResponse::from_batch(responses.finish())
            }
        }
    }

    /// Runs the method like a call, as geth does, and throws the answer away.
    fn notification<'a>(
        &self,
        notification: Notification<'a>,
    ) -> impl Future<Output = MethodResponse> + Send + 'a {
        let service = self.clone();
        async move {
            let Notification { method, params, extensions, jsonrpc } = notification;
            service.call(Request { jsonrpc, id: Id::Null, method, params, extensions }).await;
            MethodResponse::notification()
        }
    }
}
