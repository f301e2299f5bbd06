//! A small JSON-RPC client over HTTP for the devnet's own nodes.

use eyre::{WrapErr as _, eyre};
use serde_json::{Value, json};
use std::time::Duration;

/// A node on loopback that takes longer is as good as absent.
const CALL_TIMEOUT: Duration = Duration::from_secs(2);

/// Calls methods of nodes; blocks the calling thread.
#[derive(Clone)]
pub struct RpcClient {
    agent: ureq::Agent,
}

impl RpcClient {
    /// A client that goes straight to the node, whatever proxy the environment names.
    pub fn new() -> Self {
        let config = ureq::Agent::config_builder().timeout_global(Some(CALL_TIMEOUT)).proxy(None).build();
        Self { agent: config.new_agent() }
    }

    /// Calls a method.
    ///
    /// # Errors
    /// The node does not answer, or answers with an error.
    pub fn call(&self, url: &str, method: &str, params: &Value) -> eyre::Result<Value> {
        let request = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
        let mut response =
            self.agent.post(url).send_json(&request).wrap_err_with(|| format!("{url} does not answer"))?;
        let mut answer: Value =
            response.body_mut().read_json().wrap_err_with(|| format!("{url} does not speak JSON"))?;
        if let Some(error) = answer.get("error") {
            return Err(eyre!("{method} at {url}: {error}"));
        }
        answer.get_mut("result").map(Value::take).ok_or_else(|| eyre!("{method} at {url}: no result"))
    }

    /// Height of the newest finalised block.
    ///
    /// # Errors
    /// As [`RpcClient::call`].
    pub fn height(&self, url: &str) -> eyre::Result<u64> {
        let answer = self.call(url, "eth_blockNumber", &json!([]))?;
        quantity(&answer).ok_or_else(|| eyre!("eth_blockNumber at {url}: {answer} is not a number"))
    }
}

/// A number as JSON-RPC writes it: `"0x1f"`, or a plain JSON number.
pub fn quantity(value: &Value) -> Option<u64> {
    match value {
        Value::String(text) => u64::from_str_radix(text.strip_prefix("0x")?, 16).ok(),
        other => other.as_u64(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_are_hexadecimal_or_plain() {
        assert_eq!(quantity(&json!("0x1f")), Some(31));
        assert_eq!(quantity(&json!(31)), Some(31));
        assert_eq!(quantity(&json!("31")), None);
        assert_eq!(quantity(&json!(null)), None);
    }

    #[test]
    fn a_node_that_is_absent_is_named() {
        // Port 9 of loopback: nobody listens on it.
        let message = RpcClient::new().height("http://127.0.0.1:9").unwrap_err().to_string();
        assert_eq!(message, "http://127.0.0.1:9 does not answer");
    }
}
