//! The HTTP side: Host check, CORS, `/health`, `/ready`, `/metrics`, and the form of a JSON-RPC body, which is
//! refused in geth's words before jsonrpsee sees it.

use crate::context::Context;
use crate::error::code;
use crate::limits::{BODY_TIMEOUT, MAX_BATCH_REQUESTS, MAX_BODY_BYTES, MAX_RESPONSE_BYTES};
use crate::middleware::MethodsLayer;
use crate::{Readiness, RpcError, methods};
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Router, middleware};
use jsonrpsee::core::middleware::RpcServiceBuilder;
use jsonrpsee::server::{
    BatchRequestConfig, RegisterMethodError, Server, ServerConfig, ServerHandle, TowerService, stop_channel,
};
use jsonrpsee::types::{Id, InvalidRequest, Notification, Request as RpcRequest};
use serde_json::json;
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use tower::Service;
use tower::layer::util::{Identity, Stack};
use tower_http::cors::CorsLayer;

type RpcService = TowerService<Stack<MethodsLayer, Identity>, Identity>;

/// Which Host headers are served: a web page that points its own name at 127.0.0.1 (DNS rebinding) sends that
/// name, so names are refused unless they are known to mean us.
#[derive(Clone, Debug)]
pub(crate) struct HostFilter(Arc<[String]>);

impl HostFilter {
    pub(crate) fn new(names: &[String]) -> Self {
        Self(names.iter().map(|name| name.trim_end_matches('.').to_ascii_lowercase()).collect())
    }

    /// Whether a `host` or `host:port` is ours.
    fn allows(&self, authority: &str) -> bool {
        let Ok(authority) = authority.parse::<axum::http::uri::Authority>() else { return false };
        let name = authority.host().trim_start_matches('[').trim_end_matches(']').trim_end_matches('.');
        let name = name.to_ascii_lowercase();
        name.parse::<IpAddr>().is_ok()
            || name == "localhost"
            || name.ends_with(".localhost")
            || self.0.contains(&name)
    }

    /// The host that is refused, if any. A request without one cannot come from a browser.
    fn refused(&self, uri: &Uri, headers: &HeaderMap) -> Option<String> {
        let hosts = headers.get_all(header::HOST).iter().map(|host| String::from_utf8_lossy(host.as_bytes()));
        let target = uri.authority().map(|authority| authority.as_str().into());
        hosts.chain(target).find(|host| !self.allows(host)).map(std::borrow::Cow::into_owned)
    }
}

struct HttpState {
    context: Arc<Context>,
    rpc: RpcService,
    /// Dropping it would tell jsonrpsee to stop.
    _running: ServerHandle,
}

/// Everything that the port serves.
pub(crate) fn router(hosts: HostFilter, context: Context) -> Result<Router, RegisterMethodError> {
    let context = Arc::new(context);
    let (stop, running) = stop_channel();
    let config = ServerConfig::builder()
        .http_only()
        .max_request_body_size(u32::try_from(MAX_BODY_BYTES).unwrap_or(u32::MAX))
        .max_response_body_size(MAX_RESPONSE_BYTES)
        .set_batch_request_config(BatchRequestConfig::Unlimited) // bounded in `json_rpc`
        .max_connections(u32::MAX) // bounded in `server`
        .build();
    let layer = MethodsLayer {
        names: methods::method_names().into(),
        max_response_bytes: usize::try_from(MAX_RESPONSE_BYTES).unwrap_or(usize::MAX),
    };
    let rpc = Server::builder()
        .set_config(config)
        .set_rpc_middleware(RpcServiceBuilder::new().layer(layer))
        .to_service_builder()
        .build(methods::module(Arc::clone(&context))?, stop);
    let state = Arc::new(HttpState { context, rpc, _running: running });
    Ok(Router::new()
        .route("/", get(hint).post(json_rpc))
        .route("/health", get(health))
        .route("/ready", get(ready))
        .route("/metrics", get(metrics))
        .with_state(state)
        .layer(CorsLayer::permissive().allow_private_network(true))
        .layer(middleware::from_fn_with_state(hosts, check_host)))
}

/// What connections beyond the bound are told.
pub(crate) fn full_router(max_connections: usize) -> Router {
    let text = format!("this node already serves {max_connections} connections; try again later\n");
    Router::new().fallback(move || async move { (StatusCode::SERVICE_UNAVAILABLE, text) })
}

async fn check_host(State(hosts): State<HostFilter>, request: Request, next: Next) -> Response {
    match hosts.refused(request.uri(), request.headers()) {
        None => next.run(request).await,
        Some(host) => {
            let host = crate::arguments::echo(&host);
            let text = format!(
                "the host name {host:?} is not served here: use localhost or an IP address, or add the name to \
                 `hosts` under [rpc] in the node's configuration\n"
            );
            (StatusCode::FORBIDDEN, text).into_response()
        }
    }
}

async fn hint() -> &'static str {
    "BTN node. POST JSON-RPC 2.0 requests to this address. GET /health, /ready and /metrics tell how it is.\n"
}

async fn health() -> Response {
    axum_json(StatusCode::OK, &json!({ "status": "ok" }))
}

async fn ready(State(state): State<Arc<HttpState>>) -> Response {
    match state.context.backend.readiness() {
        Readiness::Ready => axum_json(StatusCode::OK, &json!({ "ready": true })),
        Readiness::NotReady { reason } => {
            axum_json(StatusCode::SERVICE_UNAVAILABLE, &json!({ "ready": false, "reason": reason }))
        }
    }
}

async fn metrics(State(state): State<Arc<HttpState>>) -> Response {
    match &state.context.config.metrics {
        None => (StatusCode::NOT_FOUND, "metrics are switched off\n").into_response(),
        Some(handle) => {
            let text = HeaderValue::from_static("text/plain; version=0.0.4");
            ([(header::CONTENT_TYPE, text)], handle.render()).into_response()
        }
    }
}

fn axum_json(status: StatusCode, value: &serde_json::Value) -> Response {
    (status, [(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))], value.to_string())
        .into_response()
}

/// A JSON-RPC error that answers the body as a whole. Like geth's, its HTTP status is 200.
fn rpc_error(id: &Id<'_>, error: &RpcError) -> Response {
    let error = json!({ "code": error.code, "message": error.message });
    axum_json(StatusCode::OK, &json!({ "jsonrpc": "2.0", "id": id, "error": error }))
}

async fn json_rpc(State(state): State<Arc<HttpState>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    if !is_json(&parts.headers) {
        let text = "invalid content type, only application/json is supported\n";
        return (StatusCode::UNSUPPORTED_MEDIA_TYPE, text).into_response();
    }
    let bytes = match read_body(&parts.headers, body).await {
        Ok(bytes) => bytes,
        Err(refusal) => return refusal,
    };
    let answered = match check_body(&bytes) {
        Ok(answered) => answered,
        Err((id, error)) => return rpc_error(&id, &error),
    };
    let mut request = Request::new(Body::from(bytes));
    *request.method_mut() = parts.method;
    *request.extensions_mut() = parts.extensions;
    request.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    match state.rpc.clone().call(request).await {
        Ok(response) if answered => response.map(Body::new),
        Ok(_) => StatusCode::OK.into_response(),
        Err(error) => rpc_error(&Id::Null, &RpcError::internal(error)),
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    let value = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let kind = value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    ["application/json", "application/json-rpc", "application/jsonrequest"].contains(&kind.as_str())
}

async fn read_body(headers: &HeaderMap, body: Body) -> Result<Bytes, Response> {
    let too_large = |length: &str| {
        let text = format!("content length too large ({length}>{MAX_BODY_BYTES})\n");
        (StatusCode::PAYLOAD_TOO_LARGE, text).into_response()
    };
    let declared = headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok());
    let declared = declared.and_then(|length| length.parse::<u64>().ok());
    if let Some(length) = declared.filter(|length| *length > MAX_BODY_BYTES as u64) {
        return Err(too_large(&length.to_string()));
    }
    match tokio::time::timeout(BODY_TIMEOUT, axum::body::to_bytes(body, MAX_BODY_BYTES)).await {
        Ok(Ok(bytes)) => Ok(bytes),
        // Without a declared length the only way to fail besides a broken connection, which hears nothing.
        Ok(Err(_)) => Err(too_large("unknown")),
        Err(_) => Err((StatusCode::REQUEST_TIMEOUT, "the body took too long to arrive\n").into_response()),
    }
}

/// Checks the form of a body: whether anything in it wants an answer, or what is wrong with it.
fn check_body(bytes: &[u8]) -> Result<bool, (Id<'static>, RpcError)> {
    let invalid = |message: &str| (Id::Null, RpcError::new(code::INVALID_REQUEST, message));
    let parse_error = |_| (Id::Null, RpcError::new(code::PARSE, "parse error"));
    if bytes.iter().find(|byte| !byte.is_ascii_whitespace()) != Some(&b'[') {
        let message: &RawValue = serde_json::from_slice(bytes).map_err(parse_error)?;
        return match form(message.get()) {
            Form::Call => Ok(true),
            Form::Notification => Ok(false),
            Form::Invalid(id) => Err((id, RpcError::invalid_request())),
        };
    }
    let batch: Vec<&RawValue> = serde_json::from_slice(bytes).map_err(parse_error)?;
    if batch.is_empty() {
        return Err(invalid("empty batch"));
    }
    if batch.len() > MAX_BATCH_REQUESTS {
        return Err(invalid("batch too large"));
    }
    Ok(batch.iter().any(|message| !matches!(form(message.get()), Form::Notification)))
}

enum Form {
    Call,
    Notification,
    Invalid(Id<'static>),
}

fn form(message: &str) -> Form {
    if serde_json::from_str::<RpcRequest<'_>>(message).is_ok() {
        Form::Call
    } else if serde_json::from_str::<Notification<'_, Option<&RawValue>>>(message).is_ok() && !has_id(message)
    {
        Form::Notification
    } else {
        let id = serde_json::from_str::<InvalidRequest<'_>>(message).map(|invalid| invalid.id.into_owned());
        Form::Invalid(id.unwrap_or(Id::Null))
    }
}

/// An id of a kind that does not exist makes a request invalid, not a notification.
fn has_id(message: &str) -> bool {
    serde_json::from_str::<BTreeMap<String, &RawValue>>(message).is_ok_and(|fields| fields.contains_key("id"))
}

#[cfg(test)]
mod tests {
    //! Host names that are ours, and those that are not.

    use super::*;

    #[test]
    fn hosts_are_ours_by_address_loopback_name_or_configuration() {
        let filter = HostFilter::new(&["Node.Example.".to_owned()]);
        for host in [
            "localhost",
            "LOCALHOST:8545",
            "localhost.",
            "app.localhost:1",
            "127.0.0.1",
            "10.1.2.3:8545",
            "[::1]",
            "[::1]:8545",
            "node.example",
            "node.example:8545",
        ] {
            assert!(filter.allows(host), "{host}");
        }
        for host in [
            "",
            "evil.example",
            "localhost.evil.example",
            "evil-localhost",
            "127.0.0.1.evil.example",
            "node.example.evil",
            "a b",
            "127.0.0.1@evil.example",
        ] {
            assert!(!filter.allows(host), "{host}");
        }
    }

    #[test]
    fn every_host_of_a_request_is_checked() {
        let filter = HostFilter::new(&[]);
        let mut headers = HeaderMap::new();
        assert_eq!(filter.refused(&Uri::from_static("/"), &headers), None);
        headers.append(header::HOST, HeaderValue::from_static("localhost"));
        assert_eq!(filter.refused(&Uri::from_static("/"), &headers), None);
        let absolute = Uri::from_static("http://evil.example/");
        assert_eq!(filter.refused(&absolute, &headers).as_deref(), Some("evil.example"));
        headers.append(header::HOST, HeaderValue::from_static("evil.example"));
        assert_eq!(filter.refused(&Uri::from_static("/"), &headers).as_deref(), Some("evil.example"));
    }
}
