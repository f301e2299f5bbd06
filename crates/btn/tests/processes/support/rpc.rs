//! A JSON-RPC client that tells an absent node from one that refuses.

use super::{PATIENCE, until};
use serde_json::{Value, json};
use std::time::Duration;

/// A node on loopback that takes longer is as good as absent.
const CALL_TIMEOUT: Duration = Duration::from_secs(5);

/// Most calls of one batch.
const BATCH: u64 = 50;

/// Why a call has no result.
#[derive(Debug)]
pub enum CallError {
    /// Nobody answered, or the answer broke off.
    NoAnswer(String),
    /// The node's words.
    Refused(String),
}

impl std::fmt::Display for CallError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NoAnswer(why) => write!(f, "no answer: {why}"),
            Self::Refused(words) => write!(f, "refused: {words}"),
        }
    }
}

/// One node's server.
#[derive(Clone, Debug)]
pub struct Rpc {
    pub url: String,
    agent: ureq::Agent,
}

/// A number as JSON-RPC writes it.
pub fn quantity(value: &Value) -> u64 {
    let digits = value.as_str().and_then(|text| text.strip_prefix("0x"));
    let number = digits.and_then(|digits| u64::from_str_radix(digits, 16).ok());
    number.unwrap_or_else(|| panic!("{value} is not a quantity"))
}

impl Rpc {
    /// A client without kept connections: one to a killed node would fail the next call.
    pub fn new(url: String) -> Self {
        let config = ureq::Agent::config_builder().timeout_global(Some(CALL_TIMEOUT)).proxy(None);
        Self { url, agent: config.max_idle_connections(0).build().new_agent() }
    }

    fn post(&self, request: &Value) -> Result<Value, CallError> {
        let no_answer = |error: ureq::Error| CallError::NoAnswer(error.to_string());
        let mut response = self.agent.post(&self.url).send_json(request).map_err(no_answer)?;
        response.body_mut().read_json().map_err(no_answer)
    }

    /// One call.
    pub fn try_call(&self, method: &str, params: Value) -> Result<Value, CallError> {
        let request = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
        let mut answer = self.post(&request)?;
        match answer.get("error") {
            Some(error) => Err(CallError::Refused(error["message"].as_str().unwrap_or_default().to_owned())),
            None => Ok(answer["result"].take()),
        }
    }

    /// One call that must succeed.
    #[track_caller]
    pub fn call(&self, method: &str, params: Value) -> Value {
        let result = self.try_call(method, params.clone());
        result.unwrap_or_else(|error| panic!("{method} {params} at {}: {error}", self.url))
    }

    /// Height of the newest final block; `None` while the node does not answer.
    pub fn height(&self) -> Option<u64> {
        self.try_call("eth_blockNumber", json!([])).ok().as_ref().map(quantity)
    }

    /// Height of the newest block in the third state; `None` while the node does not answer.
    pub fn third_height(&self) -> Option<u64> {
        let block = self.try_call("eth_getBlockByNumber", json!(["finalized", false])).ok()?;
        Some(quantity(&block["number"]))
    }

    /// `btn_getSeals` of a height.
    #[track_caller]
    pub fn seals(&self, height: u64) -> Value {
        self.call("btn_getSeals", json!([format!("{height:#x}")]))
    }

    /// A receipt, or JSON's null; `None` while the node does not answer.
    pub fn receipt(&self, hash: &str) -> Option<Value> {
        self.try_call("eth_getTransactionReceipt", json!([hash])).ok()
    }

    /// The receipt of a transaction that becomes final here.
    #[track_caller]
    pub fn final_receipt(&self, hash: &str) -> Value {
        let look = || self.receipt(hash).filter(|receipt| !receipt.is_null());
        until(&format!("{} shows {hash}", self.url), PATIENCE, look)
    }

    /// `btn_status`.
    #[track_caller]
    pub fn status(&self) -> Value {
        self.call("btn_status", json!([]))
    }

    /// Hashes of the blocks of all heights from 0 to `last`, in batches.
    #[track_caller]
    pub fn hashes(&self, last: u64) -> Vec<String> {
        let heights: Vec<u64> = (0..=last).collect();
        let mut hashes = Vec::new();
        for part in heights.chunks(usize::try_from(BATCH).expect("a small number")) {
            let call = |height: &u64| {
                let params = json!([format!("{height:#x}"), false]);
                json!({"jsonrpc": "2.0", "id": height, "method": "eth_getBlockByNumber", "params": params})
            };
            let answer = self.post(&part.iter().map(call).collect());
            let answer = answer.unwrap_or_else(|error| panic!("blocks {part:?} at {}: {error}", self.url));
            for (height, block) in part.iter().zip(answer.as_array().expect("a batch")) {
                assert_eq!(block["id"], *height, "the batch is out of order: {block}");
                let hash = block["result"]["hash"].as_str();
                hashes.push(hash.unwrap_or_else(|| panic!("no block {height}: {block}")).to_owned());
            }
        }
        hashes
    }
}
