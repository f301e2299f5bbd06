//! A client that can say exactly what it wants over TCP, and a server to say it to.

use crate::backend::Chain;
use btn_rpc::{RpcConfig, RpcHandle, RpcServer};
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

/// A server on a free port and its chain. The runtime stays alive in the background.
pub struct Server {
    pub address: SocketAddr,
    pub chain: Arc<Chain>,
    handle: Option<RpcHandle>,
    runtime: tokio::runtime::Runtime,
}

impl Server {
    pub fn start() -> Self {
        Self::with(|_| {})
    }

    pub fn with(change: impl FnOnce(&mut RpcConfig)) -> Self {
        Self::over(Chain::new(), change)
    }

    pub fn with_chain(chain: Chain) -> Self {
        Self::over(chain, |_| {})
    }

    fn over(chain: Chain, change: impl FnOnce(&mut RpcConfig)) -> Self {
        let mut config = RpcConfig::new(([127, 0, 0, 1], 0).into());
        change(&mut config);
        let chain = Arc::new(chain);
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
        let runtime = runtime.expect("a runtime");
        let handle = runtime.block_on(RpcServer::start(config, chain.clone())).expect("a free port");
        Self { address: handle.local_addr(), chain, handle: Some(handle), runtime }
    }

    pub fn shutdown(mut self) {
        if let Some(handle) = self.handle.take() {
            self.runtime.block_on(handle.shutdown());
        }
    }

    /// Sends a request as it is and reads the answer to its end.
    pub fn exchange(&self, request: &[u8]) -> Answer {
        let mut stream = TcpStream::connect(self.address).expect("the server listens");
        stream.set_read_timeout(Some(Duration::from_secs(60))).expect("a timeout");
        // The server may answer and close before it has read everything.
        let _ = stream.write_all(request);
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        Answer::parse(&answer)
    }

    /// A request with these headers and body; `Host` and `Connection` are added unless given.
    pub fn request(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        let mut text = format!("{method} {path} HTTP/1.1\r\nConnection: close\r\n");
        if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("host")) {
            text.push_str(&format!("Host: {}\r\n", self.address));
        }
        for (name, value) in headers {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        text.push_str(&format!("Content-Length: {}\r\n\r\n", body.len()));
        self.exchange(&[text.as_bytes(), body].concat())
    }

    pub fn get(&self, path: &str) -> Answer {
        self.request("GET", path, &[], b"")
    }

    /// POSTs JSON text.
    pub fn post(&self, body: &str) -> Answer {
        self.request("POST", "/", &[("Content-Type", "application/json")], body.as_bytes())
    }

    /// The answer to one call, whole.
    pub fn call(&self, method: &str, params: Value) -> Value {
        let request = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
        let answer = self.post(&request.to_string());
        assert_eq!(answer.status, 200, "{method}: {}", answer.body);
        let answer = answer.json();
        assert_eq!((&answer["jsonrpc"], &answer["id"]), (&json!("2.0"), &json!(1)), "{method}");
        answer
    }

    pub fn result(&self, method: &str, params: Value) -> Value {
        let answer = self.call(method, params.clone());
        assert!(answer.get("error").is_none(), "{method} {params}: {answer}");
        answer["result"].clone()
    }

    pub fn error(&self, method: &str, params: Value) -> (i64, String) {
        let answer = self.call(method, params.clone());
        let error = &answer["error"];
        assert!(error.is_object(), "{method} {params}: {answer}");
        (error["code"].as_i64().expect("a code"), error["message"].as_str().expect("a message").to_owned())
    }
}

pub struct Answer {
    pub status: u16,
    /// Lower-case names.
    pub headers: Vec<(String, String)>,
    pub body: String,
}

impl Answer {
    fn parse(bytes: &[u8]) -> Self {
        let text = String::from_utf8_lossy(bytes);
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
        let mut lines = head.lines();
        let status = lines.next().and_then(|line| line.split(' ').nth(1)).and_then(|code| code.parse().ok());
        let headers = lines.filter_map(|line| line.split_once(':'));
        Self {
            status: status.unwrap_or(0),
            headers: headers.map(|(name, value)| (name.to_lowercase(), value.trim().to_owned())).collect(),
            body: body.to_owned(),
        }
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {:?}", self.body))
    }
}
