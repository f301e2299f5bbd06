//! HTTP itself: batches and notifications, malformed bodies, Host and CORS, bounds, start and end.

use crate::backend::{Chain, transfer};
use crate::client::Server;
use alloy_eips::eip2718::Encodable2718;
use alloy_primitives::Bytes;
use btn_rpc::limits::{MAX_BATCH_REQUESTS, MAX_BODY_BYTES};
use btn_rpc::{RpcConfig, RpcServer};
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::Ordering;

fn request(id: &Value, method: &str) -> Value {
    json!({ "jsonrpc": "2.0", "id": id, "method": method })
}

#[test]
fn batches_are_answered_in_order_without_notifications() {
    let server = Server::start();
    let batch = json!([
        request(&json!(1), "eth_chainId"),
        { "jsonrpc": "2.0", "method": "eth_blockNumber" },
        request(&json!("two"), "eth_none"),
        { "id": 3 },
        7,
        request(&json!(null), "net_version"),
    ]);
    let expected = json!([
        { "jsonrpc": "2.0", "id": 1, "result": "0x1343b6f" },
        { "jsonrpc": "2.0", "id": "two", "error":
            { "code": -32601, "message": "the method eth_none does not exist/is not available" } },
        { "jsonrpc": "2.0", "id": 3, "error": { "code": -32600, "message": "invalid request" } },
        { "jsonrpc": "2.0", "id": null, "error": { "code": -32600, "message": "invalid request" } },
        { "jsonrpc": "2.0", "id": null, "result": "20200303" },
    ]);
    let answer = server.post(&batch.to_string());
    assert_eq!((answer.status, answer.json()), (200, expected));
}

#[test]
fn notifications_are_carried_out_in_silence() {
    let server = Server::start();
    let send = |nonce| {
        let raw = Bytes::from(transfer(nonce).encoded_2718());
        json!({ "jsonrpc": "2.0", "method": "eth_sendRawTransaction", "params": [raw] })
    };
    let single = server.post(&send(5).to_string());
    let batch = server.post(&json!([send(6), send(7)]).to_string());
    for answer in [single, batch] {
        assert_eq!((answer.status, answer.body.as_str()), (200, ""));
    }
    let nonce = json!([crate::backend::alice().address(), "pending"]);
    assert_eq!(server.result("eth_getTransactionCount", nonce), json!("0x8"));
}

#[test]
fn malformed_bodies_are_refused_in_geths_words() {
    let server = Server::start();
    let many = vec![request(&json!(1), "eth_chainId"); MAX_BATCH_REQUESTS + 1];
    let table = [
        ("{".to_owned(), json!(null), -32700, "parse error"),
        (String::new(), json!(null), -32700, "parse error"),
        ("[1,".to_owned(), json!(null), -32700, "parse error"),
        ("\u{feff}{}".to_owned(), json!(null), -32700, "parse error"),
        ("[]".to_owned(), json!(null), -32600, "empty batch"),
        ("7".to_owned(), json!(null), -32600, "invalid request"),
        (r#"{"id":5}"#.to_owned(), json!(5), -32600, "invalid request"),
        (
            r#"{"jsonrpc":"1.0","id":5,"method":"eth_chainId"}"#.to_owned(),
            json!(5),
            -32600,
            "invalid request",
        ),
        (
            r#"{"jsonrpc":"2.0","id":{},"method":"eth_chainId"}"#.to_owned(),
            json!(null),
            -32600,
            "invalid request",
        ),
        (json!(many).to_string(), json!(null), -32600, "batch too large"),
    ];
    for (body, id, code, message) in table {
        let answer = server.post(&body);
        let expected = json!({ "jsonrpc": "2.0", "id": id, "error": { "code": code, "message": message } });
        assert_eq!((answer.status, answer.json()), (200, expected), "{body}");
    }
    let most = vec![request(&json!(1), "eth_chainId"); MAX_BATCH_REQUESTS];
    assert_eq!(
        server.post(&json!(most).to_string()).json().as_array().map(Vec::len),
        Some(MAX_BATCH_REQUESTS)
    );
}

#[test]
fn only_json_is_taken() {
    let server = Server::start();
    let body = request(&json!(1), "eth_chainId").to_string();
    for (kind, status) in [
        ("application/json", 200),
        ("application/json; charset=utf-8", 200),
        ("Application/JSON", 200),
        ("application/json-rpc", 200),
        ("text/plain", 415),
        ("application/x-www-form-urlencoded", 415),
    ] {
        let answer = server.request("POST", "/", &[("Content-Type", kind)], body.as_bytes());
        assert_eq!(answer.status, status, "{kind}: {}", answer.body);
    }
    assert_eq!(server.request("POST", "/", &[], body.as_bytes()).status, 415);
    assert_eq!(server.request("PUT", "/", &[], body.as_bytes()).status, 405);
    assert_eq!(server.get("/").status, 200);
    assert_eq!(server.get("/nothing").status, 404);
}

#[test]
fn foreign_host_names_are_refused() {
    let server = Server::with(|config| config.allowed_hosts = vec!["node.example".to_owned()]);
    let body = request(&json!(1), "eth_chainId").to_string();
    let post = |host: &str| {
        server.request("POST", "/", &[("Host", host), ("Content-Type", "application/json")], body.as_bytes())
    };
    for host in ["localhost", "127.0.0.1:8545", "[::1]:8545", "node.example:80"] {
        assert_eq!(post(host).status, 200, "{host}");
    }
    let refused = post("rebound.example:8545");
    assert_eq!(refused.status, 403);
    assert!(refused.body.contains("\"rebound.example:8545\" is not served here"), "{}", refused.body);
    // Nothing is served to such a page, not even a preflight or the metrics.
    for (method, path) in [("OPTIONS", "/"), ("GET", "/health"), ("GET", "/metrics"), ("GET", "/")] {
        assert_eq!(
            server.request(method, path, &[("Host", "rebound.example")], b"").status,
            403,
            "{method} {path}"
        );
    }
}

#[test]
fn any_page_may_ask() {
    let server = Server::start();
    let preflight = server.request(
        "OPTIONS",
        "/",
        &[
            ("Origin", "https://wallet.example"),
            ("Access-Control-Request-Method", "POST"),
            ("Access-Control-Request-Headers", "content-type"),
            ("Access-Control-Request-Private-Network", "true"),
        ],
        b"",
    );
    assert_eq!(preflight.status, 200);
    for (name, value) in [
        ("access-control-allow-origin", "*"),
        ("access-control-allow-methods", "*"),
        ("access-control-allow-headers", "*"),
        ("access-control-allow-private-network", "true"),
    ] {
        assert_eq!(preflight.header(name), Some(value), "{name}");
    }
    let body = request(&json!(1), "eth_chainId").to_string();
    let headers = [("Origin", "https://wallet.example"), ("Content-Type", "application/json")];
    let answer = server.request("POST", "/", &headers, body.as_bytes());
    assert_eq!((answer.status, answer.header("access-control-allow-origin")), (200, Some("*")));
    assert_eq!(answer.header("content-type"), Some("application/json; charset=utf-8"));
}

#[test]
fn bodies_are_bounded() {
    let server = Server::start();
    let call = |length: usize| {
        let mut body = request(&json!(1), "eth_chainId").to_string();
        body.push_str(&" ".repeat(length - body.len()));
        body
    };
    assert_eq!(server.post(&call(MAX_BODY_BYTES)).json()["result"], json!("0x1343b6f"));
    let refused = server.post(&call(MAX_BODY_BYTES + 1));
    assert_eq!(refused.status, 413);
    assert!(
        refused.body.contains(&format!("content length too large ({}>", MAX_BODY_BYTES + 1)),
        "{}",
        refused.body
    );
    // The same without a declared length.
    let mut chunked =
        b"POST / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json\r\n\
        Transfer-Encoding: chunked\r\n\r\n"
            .to_vec();
    chunked.extend_from_slice(
        format!("{:x}\r\n{}\r\n0\r\n\r\n", MAX_BODY_BYTES + 1, call(MAX_BODY_BYTES + 1)).as_bytes(),
    );
    assert_eq!(server.exchange(&chunked).status, 413);
}

#[test]
fn health_and_readiness_are_apart() {
    let server = Server::start();
    let (health, ready) = (server.get("/health"), server.get("/ready"));
    assert_eq!((health.status, health.json()), (200, json!({ "status": "ok" })));
    assert_eq!((ready.status, ready.json()), (200, json!({ "ready": true })));
    server.chain.syncing.store(true, Ordering::Relaxed);
    let (health, ready) = (server.get("/health"), server.get("/ready"));
    assert_eq!(health.status, 200);
    let expected = json!({ "ready": false, "reason": "catching up: block 4 of 9" });
    assert_eq!((ready.status, ready.json()), (503, expected));
}

#[test]
fn connections_are_bounded_and_room_comes_back() {
    let server = Server::with(|config| config.max_connections = 2);
    let body = request(&json!(1), "eth_chainId").to_string();
    let keep_alive = format!(
        "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let mut kept: Vec<TcpStream> = (0..2)
        .map(|_| {
            let mut stream = TcpStream::connect(server.address).expect("room");
            stream.write_all(keep_alive.as_bytes()).expect("sent");
            // An answer proves that the connection was accepted, before the next one is opened.
            let mut answer = [0; 1024];
            assert!(stream.read(&mut answer).expect("an answer") > 0);
            stream
        })
        .collect();
    let refused = server.post(&body);
    assert_eq!(refused.status, 503);
    assert!(refused.body.contains("already serves 2 connections"), "{}", refused.body);
    // Room comes back once the server has seen the end of a connection, which it says by closing its side.
    let mut closing = kept.pop().expect("two");
    closing.shutdown(std::net::Shutdown::Write).expect("still open");
    assert_eq!(closing.read(&mut [0; 16]).expect("a clean end"), 0);
    let answered = (0..1000).find_map(|_| Some(server.post(&body)).filter(|answer| answer.status == 200));
    assert_eq!(answered.expect("room again").json()["result"], json!("0x1343b6f"));
}

#[test]
fn a_taken_port_is_named() {
    let server = Server::start();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let config = RpcConfig::new(server.address);
    let error = runtime.block_on(RpcServer::start(config, Arc::new(Chain::new()))).expect_err("taken");
    let text = error.to_string();
    assert!(text.contains(&server.address.to_string()) && text.contains("choose another"), "{text}");
}

#[test]
fn shutdown_closes_the_port_and_idle_connections() {
    let server = Server::start();
    let address = server.address;
    let mut idle = TcpStream::connect(address).expect("served");
    assert_eq!(server.get("/health").status, 200);
    server.shutdown();
    assert_eq!(idle.read(&mut [0; 16]).unwrap_or(0), 0, "closed");
    assert!(TcpStream::connect(address).is_err(), "still listening on {address}");
}
